"""A home stores what the county delivered: entries of other logs, vouched for by the hub's outbox.

`take_in` stores a parcel, which `outbox_receiving` has verified, in one transaction: the entry once, in the one table,
under its own log, seq and stream (so folds see it as they see any other); its log as a *partial* branch, whose own tree
cannot be had here; its number in the outbox with the outbox's tree; the hub's signature. An entry that is here already,
from an outbox of another epoch, only gets its number. A second, different entry of the same log and seq is refused.
About a subject that was erased here nothing is kept but headers. *A power cut leaves a parcel or nothing of it; keys
that came with it are on the disk before and are harmless.*
"""

from __future__ import annotations

import apsw

from sync import lack_sql, log_sql, outbox_sql
from sync.batch import Arrived, NewStream, StreamRef
from sync.entry import FORMAT_SUITE, HEADER, derive
from sync.errors import KeyDestroyed, LocalProtocolError, StaleVersion, VerificationError
from sync.keyring import NO_KEY
from sync.log_schema import ERASED_TYPE, STREAM_SHIFT, Row, Run, Stream
from sync.merkle import Frontier
from sync.messages import Ack, Delivery, NoKey
from sync.outbox import load_frontier, outbox_id, require
from sync.outbox_receiving import OutboxReceiver, Parcel, Ref, TakeIn
from sync.outbox_sql import Outbox, Place
from sync.sealing import Seal, seal_body
from sync.store import Store
from sync.stored_log import StoredLog
from sync.witness import known_epoch, mark_receipts


def follow(store: Store, hub_key: bytes, home: str, epoch: int) -> Outbox:
    """Begin to hold the outbox that a hub has for this home; nothing happens if it is held already."""

    def work(db: apsw.Connection) -> Outbox:
        log = outbox_id(hub_key, home, epoch)
        if outbox_sql.outbox(db, log) is None:
            known = known_epoch(db, hub_key, home)
            outbox_sql.add_outbox(db, log, hub_key, home, epoch)
            if epoch > known and not require(db, log).is_welcome:
                mark_receipts(db)
        return require(db, log)

    return store.submit(work).result()


def newest_held(store: StoredLog, hub_key: bytes, home: str) -> Outbox | None:
    """The outbox of the newest epoch of which something is here."""
    boxes = [box for box in store.reading(outbox_sql.outboxes) if box.size and box.public_key == hub_key]
    return max((box for box in boxes if box.home == home), key=lambda box: box.epoch, default=None)


def receiver_of(store: StoredLog, log: bytes) -> OutboxReceiver:
    """A receiver that goes on from what is on the disk."""

    def work(db: apsw.Connection) -> tuple[Outbox, Frontier]:
        outbox = require(db, log)
        return outbox, load_frontier(db, outbox)

    outbox, frontier = store.reading(work)
    return OutboxReceiver(log, outbox.public_key, frontier, outbox.streams, lambda ordinal: _find(store, log, ordinal))


def _find(store: StoredLog, log: bytes, ordinal: int) -> Ref | None:
    def work(db: apsw.Connection) -> tuple[bytes, Stream] | None:
        number = outbox_sql.stream_at(db, require(db, log).id, ordinal)
        stream = None if number is None else log_sql.stream_by_id(db, number)
        return None if stream is None else (store.log_of(db, stream.id >> STREAM_SHIFT), stream)

    found = store.reading(work)
    if found is None:
        return None
    written_in, stream = found
    try:
        salt = derive(store.keyring.stream_key(stream.key)).salt
    except KeyDestroyed:
        return Ref(written_in, StreamRef(stream.name, None, None))
    return Ref(written_in, StreamRef(stream.name, stream.subject, salt))


def take_in(store: Store, parcel: Parcel) -> int:
    """Store a verified parcel durably; the outbox's new size here. Raises StaleVersion if it moved meanwhile."""
    size = store.submit(lambda db: _Taking(store, db, parcel).run()).result()
    store.know_branches()  # who records now has seen what came
    return size


def take_delivery(store: Store, receiver: OutboxReceiver, delivery: Delivery) -> tuple[int, list[Ack | NoKey]]:
    """Verify a delivery and store what is new of it, durably: how many entries that were, and the answers to it."""
    taken, answers = 0, list[Ack | NoKey]()
    for effect in receiver.receive(delivery):
        if isinstance(effect, TakeIn):
            take_in(store, effect.parcel)
            taken += len(effect.parcel.entries)
        else:
            answers.append(effect)
    return taken, answers


class _Taking:
    """One parcel on its way into the writer's transaction."""

    def __init__(self, store: Store, db: apsw.Connection, parcel: Parcel) -> None:
        self._store, self._db, self._parcel = store, db, parcel
        self._outbox = require(db, parcel.log)
        if parcel.start != self._outbox.size:
            raise StaleVersion(f"the outbox holds {self._outbox.size} entries, the parcel begins at {parcel.start}")
        self._branches = {branch.log: branch.id for branch in log_sql.branches(db) if not branch.lost}
        self._logs = {number: log for log, number in self._branches.items()}
        self._coming = {branch.log for branch in log_sql.branches(db) if branch.coming}
        self._partial = outbox_sql.partial_branches(db)
        self._sizes = {branch.id: [branch.size, branch.streams] for branch in log_sql.branches(db)}
        self._types = log_sql.types(db)
        self._new_types: dict[str, int] = {}
        self._streams: dict[int, Stream] = {}  # by their ordinal in the outbox
        self._begun: list[Stream] = []
        self._rows: list[Row] = []
        self._at: dict[tuple[int, int], Row] = {}
        self._seals: dict[int, Seal] = {}

    def run(self) -> int:
        self._begin()
        db, parcel = self._db, self._parcel
        places = []
        position = log_sql.last_position(db)
        entries = zip(parcel.entries, parcel.seqs, parcel.trees, strict=True)
        for n, (arrived, seq, tree) in enumerate(entries, parcel.start + 1):
            stream = self._stream(arrived.ordinal)
            known = self._known(stream, arrived, seq)
            if known is None:
                known = self._add(position + len(self._rows) + 1, stream, arrived, seq)
            places.append(Place(n, known.position, tree))
        self._store_rows()
        number, size = self._outbox.id, parcel.frontier.size
        outbox_sql.add_places(db, number, places)
        outbox_sql.put_streams(db, number, [(n, s.id, s.version) for n, s in self._streams.items()])
        outbox_sql.set_size(db, number, size, self._outbox.streams + len(parcel.streams))
        outbox_sql.put_checkpoint(db, number, size, parcel.frontier.root(), parcel.signature)
        self._store.reload_in(db)
        return size

    def _begin(self) -> None:
        """The streams that begin in the parcel, their keys kept; without subject and key where they are erased."""
        fresh: list[tuple[NewStream, int, bytes | None]] = []
        for new, log in zip(self._parcel.streams, self._parcel.origins, strict=True):
            branch = self._branch_of(log)
            found = self._stored(new, branch)
            if found is not None:
                self._streams[new.ordinal] = found
                continue
            if branch not in self._partial:
                raise VerificationError(f"the county sends a stream of log {log.hex()}, which is held here in full")
            kept = not self._store.keeps_nothing_of(new.subject, new.name)
            fresh.append((new, branch, new.key if kept else None))
        keys = [key for _, _, key in fresh if key is not None]
        numbers = iter(self._store.keyring.receive(keys))  # all at once: each time is an fsync
        for new, branch, key in fresh:
            self._sizes[branch][1] += 1
            local = (branch << STREAM_SHIFT) + self._sizes[branch][1]
            subject, number = (None, NO_KEY) if key is None else (new.subject, next(numbers))
            stream = Stream(local, new.name, subject, number, 0, None, 0)
            self._streams[new.ordinal] = stream
            self._begun.append(stream)

    def _branch_of(self, log: bytes) -> int:
        """The branch that what comes of a log is of; one is opened for a log of another home."""
        if (log in self._coming) != self._outbox.is_welcome:  # a welcome's logs were named before, with their keys
            raise VerificationError(f"log {log.hex()} does not come in an outbox of this kind")
        return self._branches.get(log) or self._open_branch(log)

    def _open_branch(self, log: bytes) -> int:
        number = outbox_sql.add_partial(self._db, log)
        self._branches[log], self._logs[number] = number, log
        self._partial.add(number)
        self._sizes[number] = [0, 0]
        return number

    def _stored(self, new: NewStream, branch: int) -> Stream | None:
        """The same stream where another outbox brought it before."""
        if new.subject is not None and not self._store.keeps_nothing_of(new.subject, new.name):
            return log_sql.stream_of_subject(self._db, new.subject, branch, new.name)
        return outbox_sql.stream_named(self._db, branch, new.name)

    def _stream(self, ordinal: int) -> Stream:
        found = self._streams.get(ordinal)
        if found is None:
            number = outbox_sql.stream_at(self._db, self._outbox.id, ordinal)
            found = None if number is None else log_sql.stream_by_id(self._db, number)
            if found is None:
                raise LocalProtocolError(f"the parcel names stream {ordinal}, which has not begun")
            self._streams[ordinal] = found
        return found

    def _known(self, stream: Stream, arrived: Arrived, seq: int) -> Row | None:
        """The entry, where it is here already; another one in its place is refused."""
        branch = stream.id >> STREAM_SHIFT
        found = self._at.get((branch, seq))
        if found is None:
            position = log_sql.position_of(self._db, branch, seq)
            found = None if position is None else log_sql.entry_at(self._db, position)
        if found is None or (found.branch, found.seq) != (branch, seq):
            return None
        if (found.stream, found.commitment) != (stream.id, arrived.commitment):
            raise VerificationError(
                f"the county sends another entry {seq} of log {self._logs[branch].hex()} than before"
            )
        return found

    def _add(self, position: int, stream: Stream, arrived: Arrived, seq: int) -> Row:
        branch = stream.id >> STREAM_SHIFT
        if branch not in self._partial:
            raise VerificationError(f"entry {seq} of log {self._logs[branch].hex()}, held here in full, is not in it")
        kind, sealed = ERASED_TYPE, None
        is_erased = self._store.keeps_nothing_of(stream.subject, stream.name)
        if arrived.body is None and not is_erased:
            lack_sql.add(self._db, position, here=False)
        if arrived.body is not None and not is_erased:
            seal = self._seals.get(stream.id)
            if seal is None:
                seal = self._seals[stream.id] = Seal(derive(self._store.keyring.stream_key(stream.key)).seal)
            header = HEADER.pack(FORMAT_SUITE, self._logs[branch], seq, stream.name, arrived.commitment)
            kind, sealed = self._type(arrived.type), seal_body(seal, header, arrived.body)
        version = stream.version + 1
        row = Row(position, seq, stream.id, version, stream.head, kind, arrived.commitment, b"", sealed)
        lamport = max(stream.lamport, arrived.lamport)
        self._streams[arrived.ordinal] = stream._replace(version=version, head=position, lamport=lamport)
        self._rows.append(row)
        self._at[branch, seq] = row
        self._sizes[branch][0] += 1
        return row

    def _type(self, name: str) -> int:
        known = self._types.get(name)
        return known or self._new_types.setdefault(name, 1 + len(self._types) + len(self._new_types))

    def _store_rows(self) -> None:
        db = self._db
        log_sql.add_types(db, self._new_types)
        log_sql.add_streams(db, self._begun)
        log_sql.put_heads(db, [(s.id, s.version, s.head, s.lamport) for s in self._streams.values() if s.head])
        log_sql.add_entries(db, self._rows)
        log_sql.add_runs(db, self._runs())
        for branch, (size, streams) in self._sizes.items():
            if branch in self._partial:
                log_sql.set_branch_size(db, branch, size, streams)

    def _runs(self) -> list[Run]:
        """A run begins wherever log or seq leap."""
        runs: list[Run] = []
        last = log_sql.last_run(self._db)
        for row in self._rows:
            if last is None or last.branch != row.branch or row.seq - last.seq != row.position - last.position:
                last = Run(row.position, row.branch, row.seq)
                runs.append(last)
        return runs
