"""From stored entries to pushes: what a node says of its own log, and what it passes on of others'.

A log whose key is here is signed wherever a push ends. Of any other log a push ends where its key has signed: the store
keeps all those sizes. Each lies at most one push of the log's own node behind the one before, so it fits a message.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import apsw

from sync import log_sql
from sync.entry import derive, stream_id, unpack_body
from sync.errors import KeyDestroyed, LocalProtocolError, LogCorrupt
from sync.log_schema import ORDINAL_MASK, STREAM_SHIFT
from sync.messages import Beginning, ErasedRow, Push, PushRow
from sync.stored_log import LOG_FILE, StoredLog

BODIES_SIZE_BYTES_MAX: Final = 512 * 1024  # with one more body of the largest size, a message is still within bounds


def push_of(store: StoredLog, start: int, count: int, withheld: Collection[int] = (), log: bytes | None = None) -> Push:
    """The push of up to `count` entries after `start` of the own log, or of another one; of large ones, fewer.

    What was erased goes in erased form, and so do the streams `withheld`, for which the hub has no key.
    """
    log = log or store.log
    if not store.has_key(log):
        return signed_push_of(store, log, start, count, withheld)
    branch = store.branch_id(log)
    streams, rows, first_ordinal = store.reading(
        lambda db: _read(db, store, branch, start, count, withheld, BODIES_SIZE_BYTES_MAX)
    )
    signed = store.sign(start + len(rows), log)
    return Push(start, first_ordinal, streams, rows, signed.root, signed.signature)


def signed_push_of(store: StoredLog, log: bytes, start: int, count: int, withheld: Collection[int] = ()) -> Push:
    """The same of a log whose key is elsewhere: it ends at the last size within bounds that the key has signed."""
    branch = store.branch_id(log)

    def read(db: apsw.Connection) -> Push:
        _, rows, _ = _read(db, store, branch, start, count, withheld, BODIES_SIZE_BYTES_MAX)
        until = log_sql.signed_size_until(db, branch, start + len(rows))
        end = until if until > start else log_sql.signed_size_after(db, branch, start)
        if end is None:
            raise LocalProtocolError(f"log {log.hex()} is not signed behind entry {start}")
        streams, rows, first_ordinal = _read(db, store, branch, start, end - start, withheld, None)
        (signed,) = log_sql.checkpoints(db, branch, end - 1, end)
        return Push(start, first_ordinal, streams, rows, signed.root, signed.signature)

    return store.reading(read)


def _read(
    db: apsw.Connection,
    store: StoredLog,
    branch: int,
    start: int,
    count: int,
    withheld: Collection[int],
    bodies_size_bytes_max: int | None,
) -> tuple[list[Beginning], list[PushRow | ErasedRow], int]:
    streams: list[Beginning] = []
    rows: list[PushRow | ErasedRow] = []
    first_ordinal = 1
    size_bytes = 0
    for row in store.opened_rows(db, log_sql.entries_of_branch(db, branch, start + 1, count)):
        ordinal = row.stream & ORDINAL_MASK
        if row.prev is None:
            if not streams:
                first_ordinal = ordinal
            streams.append(_beginning(db, store, row.stream, ordinal in withheld))
        if row.body is None or ordinal in withheld:
            rows.append(ErasedRow(ordinal, row.commitment))
            continue
        size_bytes += len(row.body)
        body = unpack_body(row.body)
        rows.append(
            PushRow(
                ordinal,
                body.type,
                body.actor,
                body.lamport,
                body.recorded_at_ms,
                body.deps,
                body.payload,
                body.extensions,
            )
        )
        if bodies_size_bytes_max is not None and size_bytes > bodies_size_bytes_max:
            break
    return streams, rows, first_ordinal


def _beginning(db: apsw.Connection, store: StoredLog, number: int, is_withheld: bool) -> Beginning:
    stream, log = log_sql.stream_by_id(db, number), store.log_of(db, number >> STREAM_SHIFT)
    if stream is None:
        which = f"stream {number & ORDINAL_MASK} of log {log.hex()}"
        raise LogCorrupt(f"{store.folder / LOG_FILE} has entries of {which}, but not the stream: run verify")
    if is_withheld or stream.subject is None:
        return Beginning(None, None, stream.name)
    try:
        key = store.keyring.stream_key(stream.key)
    except KeyDestroyed:
        return Beginning(None, None, stream.name)
    implied = stream_id(derive(key).label, log, stream.subject)
    return Beginning(stream.subject, key, None if stream.name == implied else stream.name)
