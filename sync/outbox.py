"""Outboxes: what a hub has for each of its homes, as a log of its own kind.

An outbox is append-only, has a Merkle tree and is signed like any log, but its entries are entries of *other* logs:
entry n of it is the header that some home (or the county) wrote, with its own log, seq, stream and commitment, and the
leaf is over exactly these 73 bytes. So a home that receives one can recompute every leaf, compare the root with the
hub's signature, and be as sure of a stranger's entry as of the hub; what the origin's own tree says of it can be asked
for by an audit. The id of an outbox follows from the hub's public key, the home's code and an epoch: the pinned key
vouches for it, and a home works out by itself which outbox is its own.

Routing is `append`: numbers and tree nodes in the hub's transaction, no copy of anything. Streams go in whole, from
their first version on, and each entry once: `outbox_stream` says how far, so that routing can be repeated. What was
erased at the hub goes in erased form, also where an outbox was filled before. The home's side is `outbox_taking`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import apsw

from sync import log_sql, outbox_sql, outgoing
from sync.entry import FORMAT_SUITE, HEADER, origin, unpack_body
from sync.errors import EntryDamaged, LogCorrupt
from sync.log_schema import Row, Stream, lost_stream
from sync.merkle import HASH_SIZE, Frontier, frontier_numbers, leaf_hash
from sync.messages import Beginning, Delivery, ErasedRow, Push, PushRow
from sync.note import Signer, checkpoint_text, sign
from sync.outbox_sql import Outbox, Place
from sync.store import Store
from sync.stored_log import StoredLog

TAG: Final = b"homeward/outbox/1"


def outbox_id(hub_key: bytes, home: str, epoch: int) -> bytes:
    """The id of the outbox that a hub has for a home."""
    return hashlib.sha256(TAG + hub_key + epoch.to_bytes(8, "big") + home.encode()).digest()[:16]


# -- at the hub


def open_outbox(store: Store, db: apsw.Connection, home: str, epoch: int) -> Outbox:
    """A home's outbox under this hub's key, opened where there is none yet; inside the writer's transaction."""
    key = store.identity.public_key
    log = outbox_id(key, home, epoch)
    if outbox_sql.outbox(db, log) is None:
        outbox_sql.add_outbox(db, log, key, home, epoch)
    found = outbox_sql.outbox(db, log)
    assert found is not None
    return found


def append(store: Store, db: apsw.Connection, outbox: Outbox, rows: Sequence[Row]) -> Outbox:
    """Add entries of this store, signed at their end; inside the writer's transaction. Streams come whole, in order."""
    known = outbox_sql.streams(db, outbox.id, {row.stream for row in rows})
    moved: dict[int, tuple[int, int]] = {}
    leaves: list[bytes] = []
    origins: dict[int, tuple[bytes, bytes]] = {}
    streams = outbox.streams
    for row in rows:
        ordinal, _ = known.get(row.stream) or (streams + 1, 0)
        streams = max(streams, ordinal)
        known[row.stream] = moved[row.stream] = (ordinal, row.version)
        log, name = origins.get(row.stream) or origins.setdefault(row.stream, _origin(store, db, row))
        leaves.append(_leaf(row, log, name))
    frontier, trees = load_frontier(db, outbox).extend(leaves)
    first = outbox.size + 1
    outbox_sql.add_places(
        db,
        outbox.id,
        [Place(first + i, row.position, tree) for i, (row, tree) in enumerate(zip(rows, trees, strict=True))],
    )
    outbox_sql.put_streams(db, outbox.id, [(ordinal, stream, version) for stream, (ordinal, version) in moved.items()])
    outbox_sql.set_size(db, outbox.id, frontier.size, streams)
    root = frontier.root()
    outbox_sql.put_checkpoint(
        db, outbox.id, frontier.size, root, sign_outbox(store.identity, outbox, frontier.size, root)
    )
    return outbox._replace(size=frontier.size, streams=streams)


def sign_outbox(signer: Signer, outbox: Outbox, size: int, root: bytes) -> bytes:
    """The hub's signature on an outbox at a size."""
    return sign(signer, checkpoint_text(origin(outbox.log), size, root))


def missing(db: apsw.Connection, outbox: Outbox, streams: Iterable[Stream]) -> list[Row]:
    """Of these streams, the entries that are not in an outbox yet, in the order of their arrival here."""
    of = list(streams)
    known = outbox_sql.streams(db, outbox.id, [stream.id for stream in of])
    rows = [row for stream in of for row in outbox_sql.rows_of_stream(db, stream.head, known.get(stream.id, (0, 0))[1])]
    return sorted(rows, key=lambda row: row.position)


def _leaf(row: Row, log: bytes, name: bytes) -> bytes:
    return leaf_hash(HEADER.pack(FORMAT_SUITE, log, row.seq, name, row.commitment))


def _origin(store: StoredLog, db: apsw.Connection, row: Row) -> tuple[bytes, bytes]:
    """The log that an entry is of, and its stream's pseudonym."""
    found = log_sql.stream_seal(db, row.stream)
    if found is None:
        raise lost_stream(store.folder, row.stream, store.log_of(db, row.branch))
    return store.log_of(db, row.branch), found[0]


def delivery_of(store: StoredLog, log: bytes, start: int, count: int, withheld: Collection[int] = ()) -> Delivery:
    """The delivery of up to `count` entries of an outbox after `start`, signed at its end; of large ones, fewer.

    What was erased here goes in erased form, and so do the streams `withheld`, for which the home has no key.
    """
    return store.reading(lambda db: _delivery(db, store, log, start, count, withheld))


def _delivery(
    db: apsw.Connection, store: StoredLog, log: bytes, start: int, count: int, withheld: Collection[int]
) -> Delivery:
    outbox = require(db, log)
    found = outbox_sql.places(db, outbox.id, start, count)
    rows, leaves = _sound_rows(db, store, outbox, found)
    ordinals = outbox_sql.streams(db, outbox.id, {row.stream for row in rows})
    logs: dict[bytes, int] = {}
    begun: list[Beginning] = []
    first_ordinal, origins = 1, list[int]()
    out: list[PushRow | ErasedRow] = []
    seqs: list[int] = []
    size_bytes = 0
    for row in rows:
        ordinal = ordinals[row.stream][0]
        written_in = store.log_of(db, row.branch)
        if row.prev is None:
            first_ordinal = first_ordinal if begun else ordinal
            begun.append(beginning_of(db, store, row.stream, written_in, ordinal in withheld))
            origins.append(logs.setdefault(written_in, len(logs)))
        out.append(row_of(row, ordinal, ordinal in withheld))
        seqs.append(row.seq)
        size_bytes += len(row.body or b"")
        if size_bytes > outgoing.BODIES_SIZE_BYTES_MAX:
            break
    before = Frontier(start, tuple(node(db, outbox, number) for number in frontier_numbers(start)))
    frontier, trees = before.extend(leaves[: len(out)])
    for place, tree in zip(found, trees, strict=False):
        if place.tree != tree:
            raise EntryDamaged(log, place.n, "the tree stored for it says something else")
    root = frontier.root()
    signature = sign_outbox(store.identity, outbox, frontier.size, root)
    return Delivery(log, Push(start, first_ordinal, begun, out, root, signature), list(logs), origins, seqs)


def _sound_rows(
    db: apsw.Connection, store: StoredLog, outbox: Outbox, places: Sequence[Place]
) -> tuple[list[Row], list[bytes]]:
    """The entries at these places, opened, and their leaves; raises EntryDamaged, with the outbox's number as its seq.

    Content that is damaged here goes in erased form: one entry must not hold back all that comes behind it. The home
    asks for it again until the hub has it back from where it was written.
    """
    stored, leaves = [], []
    for place in places:
        try:
            row = log_sql.entry_at(db, place.position)
        except apsw.Error as error:
            raise EntryDamaged(outbox.log, place.n, f"it cannot be read: {error}") from error
        leaf = _leaf(row, *_origin(store, db, row)) if row is not None else b""
        if row is None or leaf != place.tree[:HASH_SIZE]:
            raise EntryDamaged(outbox.log, place.n, "it is not the entry that was put into this outbox")
        stored.append(row)
        leaves.append(leaf)
    return store.opened_rows(db, stored), leaves


def row_of(row: Row, ordinal: int, is_withheld: bool) -> PushRow | ErasedRow:
    """An entry of an outbox as it is delivered, under its stream's ordinal there."""
    if row.body is None or is_withheld:
        return ErasedRow(ordinal, row.commitment)
    kind, actor, _, lamport, at, deps, payload, extensions = unpack_body(row.body)
    return PushRow(ordinal, kind, actor, lamport, at, deps, payload, extensions)


def beginning_of(db: apsw.Connection, store: StoredLog, number: int, log: bytes, is_withheld: bool) -> Beginning:
    """A stream of a log as it begins in an outbox."""
    stream = log_sql.stream_by_id(db, number)
    assert stream is not None
    return outgoing.beginning_of(store, stream, log, is_withheld)


def is_in(store: StoredLog, log: bytes, written_in: bytes, seqs: Iterable[int]) -> bool:
    """Whether all these entries of a log are in an outbox."""

    def work(db: apsw.Connection) -> bool:
        outbox = outbox_sql.outbox(db, log)
        if outbox is None or not store.holds(written_in):
            return False
        branch = store.branch_id(written_in)
        positions = [log_sql.position_of(db, branch, seq) for seq in seqs]
        return all(position and outbox_sql.holds(db, outbox.id, position) for position in positions)

    return store.reading(work)


# -- at both ends


def require(db: apsw.Connection, log: bytes) -> Outbox:
    """The outbox with this id; LogCorrupt if there is none."""
    found = outbox_sql.outbox(db, log)
    if found is None:
        raise LogCorrupt(f"log.db has no outbox {log.hex()}")
    return found


def size_of(store: StoredLog, log: bytes) -> int:
    """How many entries of an outbox are here, durably; 0 if it was not opened."""
    found = store.reading(lambda db: outbox_sql.outbox(db, log))
    return found.size if found else 0


def newest_outbox(store: StoredLog, hub_key: bytes, home: str) -> Outbox | None:
    """The outbox of the last epoch that a hub has for a home, as far as it is known here."""
    found = store.reading(outbox_sql.outboxes)
    ours = [one for one in found if (one.public_key, one.home) == (hub_key, home)]
    return max(ours, key=lambda one: one.epoch, default=None)


def node(db: apsw.Connection, outbox: Outbox, number: int) -> bytes:
    """One stored tree node of an outbox."""
    found = outbox_sql.node_hash(db, outbox.id, number)
    if found is None:
        raise LogCorrupt(f"log.db lacks tree node {number} of the outbox of {outbox.home}: run verify")
    return found


def load_frontier(db: apsw.Connection, outbox: Outbox) -> Frontier:
    """The right edge of an outbox's tree at its end."""
    return Frontier(outbox.size, tuple(node(db, outbox, number) for number in frontier_numbers(outbox.size)))
