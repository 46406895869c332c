"""From stored entries to pushes: what a node says of its own log, and what it passes on of others'.

A log whose key is here is signed wherever a push ends. Of any other log a push ends where its key has signed: the store
keeps all those sizes. Each lies at most one push of the log's own node behind the one before, so it fits a message.

Nothing is signed or sent whose leaf was not made again from its header: what the disk has damaged is named here, before
a hub refuses it (`damage`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, NamedTuple

import apsw

from sync import damage, log_sql
from sync.entry import commitment, derive, leaf, origin, stream_id, unpack_body
from sync.errors import EntryDamaged, KeyDestroyed, LocalProtocolError, LogCorrupt
from sync.log_schema import ORDINAL_MASK, STREAM_SHIFT, Stream, lost_stream
from sync.messages import Beginning, ErasedRow, Push, PushRow
from sync.note import checkpoint_text, sign
from sync.stored_log import StoredLog

Withheld = Collection[int]
"""The ordinals of streams that go in erased form; a single entry, whose content the hub refuses, as minus its seq."""
BODIES_SIZE_BYTES_MAX: Final = 512 * 1024  # with one more body of the largest size, a message is still within bounds


def push_of(store: StoredLog, start: int, count: int, withheld: Withheld = (), log: bytes | None = None) -> Push:
    """The push of up to `count` entries after `start` of the own log, or of another one; of large ones, fewer.

    What was erased goes in erased form, and so do the streams `withheld`, for which the hub has no key, and content
    that was damaged here. Raises EntryDamaged where an entry is damaged so that no root over it would be right.
    """
    log = log or store.log
    if not store.has_key(log):
        return signed_push_of(store, log, start, count, withheld)
    branch = store.branch_id(log)

    def read(db: apsw.Connection) -> Push:
        portion = _read(db, store, branch, start, count, withheld, BODIES_SIZE_BYTES_MAX)
        frontier, trees = store.load_frontier(db, branch, start).extend(portion.leaves)
        wrong = next((n for n, pair in enumerate(zip(trees, portion.trees, strict=True)) if pair[0] != pair[1]), None)
        if wrong is not None:
            raise EntryDamaged(log, start + wrong + 1, "header and tree contradict each other")
        root = frontier.root()
        signature = sign(store.signer_of(log), checkpoint_text(origin(log), frontier.size, root))
        return Push(start, portion.first_ordinal, portion.streams, portion.rows, root, signature)

    return _naming_damage(store, log, start, count, read)


def signed_push_of(store: StoredLog, log: bytes, start: int, count: int, withheld: Withheld = ()) -> Push:
    """The same of a log whose key is elsewhere: it ends at the last size within bounds that the key has signed."""
    branch = store.branch_id(log)

    def read(db: apsw.Connection) -> Push:
        portion = _read(db, store, branch, start, count, withheld, BODIES_SIZE_BYTES_MAX)
        until = log_sql.signed_size_until(db, branch, start + len(portion.rows))
        end = until if until > start else log_sql.signed_size_after(db, branch, start)
        if end is None:
            raise LocalProtocolError(f"log {log.hex()} is not signed behind entry {start}")
        portion = _read(db, store, branch, start, end - start, withheld, None)
        frontier, _ = store.load_frontier(db, branch, start).extend(portion.leaves)
        (signed,) = log_sql.checkpoints(db, branch, end - 1, end)
        if frontier.root() != signed.root:
            raise EntryDamaged(log, start + 1, f"it and those up to {end} do not give the root that was signed")
        return Push(start, portion.first_ordinal, portion.streams, portion.rows, signed.root, signed.signature)

    return _naming_damage(store, log, start, count, read)


def _naming_damage(
    store: StoredLog, log: bytes, start: int, count: int, read: Callable[[apsw.Connection], Push]
) -> Push:
    """Read; where the disk does not give a page, say from which entry on."""
    try:
        return store.reading(read)
    except EntryDamaged:
        raise
    except (LogCorrupt, apsw.Error) as error:
        end = min(start + count, store.size(log))
        seq = damage.first_unreadable(store, log, start, end)
        raise EntryDamaged(log, seq, f"it cannot be read: {error}") from error


class _Portion(NamedTuple):
    """Entries on their way out, with their leaves as their headers give them and their trees as they are stored."""

    streams: list[Beginning]
    rows: list[PushRow | ErasedRow]
    first_ordinal: int
    leaves: list[bytes]
    trees: list[bytes]


def _read(
    db: apsw.Connection,
    store: StoredLog,
    branch: int,
    start: int,
    count: int,
    withheld: Withheld,
    bodies_size_bytes_max: int | None,
) -> _Portion:
    portion = _Portion([], [], 1, [], [])
    log = store.log_of(db, branch)
    size_bytes = 0
    for seq, row in enumerate(
        store.opened_rows(db, log_sql.entries_of_branch(db, branch, start + 1, count)), start + 1
    ):
        ordinal, body = row.stream & ORDINAL_MASK, row.body
        if row.seq != seq:
            raise EntryDamaged(log, seq, f"it is missing, the next one is {row.seq}")
        _, name, _, salt = store.seal_of(db, row.stream)
        if row.prev is None:
            if not portion.streams:
                portion = portion._replace(first_ordinal=ordinal)
            portion.streams.append(_beginning(db, store, row.stream, name, ordinal in withheld))
        if body is not None and commitment(salt, log, seq, body) != row.commitment:
            store.note_unreadable(log, seq, damage.WRONG)
            body = None
        portion.leaves.append(leaf(log, seq, name, row.commitment))
        portion.trees.append(row.tree)
        if body is None or ordinal in withheld or -seq in withheld:
            portion.rows.append(ErasedRow(ordinal, row.commitment))
            continue
        size_bytes += len(body)
        kind, actor, _, lamport, at_ms, deps, payload, extensions = unpack_body(body)
        portion.rows.append(PushRow(ordinal, kind, actor, lamport, at_ms, deps, payload, extensions))
        if bodies_size_bytes_max is not None and size_bytes > bodies_size_bytes_max:
            break
    return portion


def _beginning(db: apsw.Connection, store: StoredLog, number: int, name: bytes, is_withheld: bool) -> Beginning:
    """How a stream begins; under the name that its leaves were made with."""
    stream, log = log_sql.stream_by_id(db, number), store.log_of(db, number >> STREAM_SHIFT)
    if stream is None:  # not taken: whoever asks has had its seal from the same row in this reading
        raise lost_stream(store.folder, number, log)
    return beginning_of(store, stream._replace(name=name), log, is_withheld)


def beginning_of(store: StoredLog, stream: Stream, log: bytes, is_withheld: bool) -> Beginning:
    """A stream of a log as it begins on the wire: erased where it is withheld, or its key is destroyed."""
    if is_withheld or stream.subject is None:
        return Beginning(None, None, stream.name)
    try:
        key = store.keyring.stream_key(stream.key)
    except KeyDestroyed:
        return Beginning(None, None, stream.name)
    implied = stream_id(derive(key).label, log, stream.subject)
    return Beginning(stream.subject, key, None if stream.name == implied else stream.name)
