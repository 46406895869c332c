"""A home stores what the county delivered: entries of other logs, vouched for by the hub's outbox.

`take_in` stores a parcel, which `outbox_receiving` has verified, in one transaction: the entry once, in the one table,
under its own log, seq and stream (so folds see it as they see any other); its log as a *partial* branch, whose own tree
cannot be had here; its number in the outbox with the outbox's tree; the hub's signature. An entry that is here already,
from an outbox of another epoch, only gets its number. About a subject that was erased here nothing is kept but headers.
*A power cut leaves a parcel or nothing of it; keys that came with it are on the disk before and are harmless.*

Within one epoch, and of a log that is held in full, a second, different entry of the same log and seq is refused: the
county does not say the truth. What only outboxes of *older* epochs had there is another matter: that log's home and its
county were both put back, knew nothing of it any more, and wrote that place anew. Then both are kept, the newer one in
a branch *beside* the log's own. Nothing that this home has shown goes away, both count, and what only this home still
has the county is given back (`giving_back`).
"""

from __future__ import annotations

import apsw

from sync import lack_sql, log_sql, outbox_sql
from sync.batch import Arrived, NewStream, StreamRef
from sync.entry import FORMAT_SUITE, HEADER, derive
from sync.errors import KeyDestroyed, LocalProtocolError, StaleVersion, VerificationError
from sync.keyring import NO_KEY
from sync.log_schema import ERASED_TYPE, STREAM_SHIFT, Kind, Row, Run, Stream
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
        branches = log_sql.branches(db)
        self._branches = {branch.log: branch.id for branch in branches if branch.leads}
        self._beside = {branch.id: branch.log for branch in branches if branch.kind == Kind.BESIDE}
        self._logs = {branch.id: branch.log for branch in branches}
        self._coming = {branch.log for branch in branches if branch.coming}
        self._partial = outbox_sql.partial_branches(db)
        self._sizes = {branch.id: [branch.size, branch.streams] for branch in branches}
        self._types = log_sql.types(db)
        self._new_types: dict[str, int] = {}
        self._streams: dict[int, Stream] = {}  # by their ordinal in the outbox
        self._moved: dict[int, Stream] = {}  # by their number in this store
        self._begun: list[Stream] = []
        self._rows: list[Row] = []
        self._at: dict[tuple[int, int], Row] = {}
        self._new: set[int] = set()  # their positions
        self._seals: dict[int, Seal] = {}

    def run(self) -> int:
        self._begin()
        db, parcel = self._db, self._parcel
        places = []
        position = log_sql.last_position(db)
        entries = zip(parcel.entries, parcel.seqs, parcel.trees, strict=True)
        for n, (arrived, seq, tree) in enumerate(entries, parcel.start + 1):
            stream = self._stream(arrived.ordinal)
            stand = self._standing(stream, seq)
            known = self._known(stream, arrived, seq, stand)
            if known is None:
                known = self._add(position + len(self._rows) + 1, stream, arrived, seq, has_room=not stand)
            places.append(Place(n, known.position, tree))
        self._store_rows()
        number, size = self._outbox.id, parcel.frontier.size
        outbox_sql.add_places(db, number, places)
        versions = [(n, s.id, self._moved.get(s.id, s).version) for n, s in self._streams.items()]
        outbox_sql.put_streams(db, number, versions)
        outbox_sql.set_size(db, number, size, self._outbox.streams + len(parcel.streams))
        outbox_sql.put_checkpoint(db, number, size, parcel.frontier.root(), parcel.signature)
        self._store.reload_in(db)
        return size

    def _begin(self) -> None:
        """The streams that begin in the parcel, their keys kept; without subject and key where they are erased."""
        fresh: list[tuple[NewStream, int, bytes | None]] = []
        entries = zip(self._parcel.entries, self._parcel.seqs, strict=True)
        first_seqs = {arrived.ordinal: seq for arrived, seq in reversed(list(entries))}
        for new, log in zip(self._parcel.streams, self._parcel.origins, strict=True):
            branch = self._branch_of(log)
            stored = (self._stored(new, one) for one in (branch, *self._all_beside(log)))
            found = next((stream for stream in stored if stream is not None), None)
            if found is not None:
                self._streams[new.ordinal] = found
                continue
            if branch not in self._partial:
                raise VerificationError(f"the county sends a stream of log {log.hex()}, which is held here in full")
            kept = not self._store.keeps_nothing_of(new.subject, new.name)
            fresh.append((new, self._with_room(branch, first_seqs[new.ordinal]), new.key if kept else None))
        keys = [key for _, _, key in fresh if key is not None]
        numbers = iter(self._store.keyring.receive(keys))  # all at once: each time is an fsync
        for new, branch, key in fresh:
            subject, number = (None, NO_KEY) if key is None else (new.subject, next(numbers))
            self._streams[new.ordinal] = self._new_stream(branch, new.name, subject, number)

    def _new_stream(self, branch: int, name: bytes, subject: bytes | None, key: int) -> Stream:
        self._sizes[branch][1] += 1
        stream = Stream((branch << STREAM_SHIFT) + self._sizes[branch][1], name, subject, key, 0, None, 0)
        self._begun.append(stream)
        return stream

    def _branch_of(self, log: bytes) -> int:
        """The branch that what comes of a log is of; one is opened for a log of another home."""
        if (log in self._coming) != self._outbox.is_welcome:  # a welcome's logs were named before, with their keys
            raise VerificationError(f"log {log.hex()} does not come in an outbox of this kind")
        return self._branches.get(log) or self._open_branch(log)

    def _open_branch(self, log: bytes, kind: Kind = Kind.PART) -> int:
        number = outbox_sql.add_partial(self._db, log, kind)
        self._logs[number] = log
        if kind == Kind.PART:
            self._branches[log] = number
        else:
            self._beside[number] = log
        self._partial.add(number)
        self._sizes[number] = [0, 0]
        return number

    def _all_beside(self, log: bytes) -> list[int]:
        return [number for number, of in self._beside.items() if of == log]

    def _with_room(self, branch: int, seq: int) -> int:
        """A branch of the same log in which nothing stands at this seq: this one if possible, else one beside."""
        log = self._logs[branch]
        known = [branch, self._branches[log], *self._all_beside(log)]
        free = (one for one in known if self._row_at(one, seq) is None)
        return next(free, None) or self._open_branch(log, Kind.BESIDE)

    def _sibling(self, stream: Stream, branch: int) -> Stream:
        """The same stream in a branch of the same log."""
        if stream.id >> STREAM_SHIFT == branch:
            return self._moved.get(stream.id, stream)
        begun = (one for one in self._begun if (one.id >> STREAM_SHIFT, one.name) == (branch, stream.name))
        found = next(begun, None) or outbox_sql.stream_named(self._db, branch, stream.name)
        found = found or self._new_stream(branch, stream.name, stream.subject, stream.key)
        return self._moved.get(found.id, found)

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

    def _standing(self, stream: Stream, seq: int) -> list[Row]:
        """What is here at a place of a stream's log."""
        log = self._logs[stream.id >> STREAM_SHIFT]
        found = (self._row_at(branch, seq) for branch in (self._branches[log], *self._all_beside(log)))
        return [row for row in found if row is not None]

    def _known(self, stream: Stream, arrived: Arrived, seq: int, stand: list[Row]) -> Row | None:
        """The entry, where it is here already; another one in its place is refused, unless only older epochs had it."""
        for row in stand:
            is_its = row.stream == stream.id or self._name_of(row.stream) == stream.name
            if is_its and row.commitment == arrived.commitment:
                return row
        for row in stand:
            is_new = row.position in self._new or outbox_sql.holds(self._db, self._outbox.id, row.position)
            if is_new or self._outbox.is_welcome or row.branch not in self._partial:
                log = self._logs[row.branch].hex()
                raise VerificationError(f"the county sends another entry {seq} of log {log} than before")
        return None

    def _row_at(self, branch: int, seq: int) -> Row | None:
        found = self._at.get((branch, seq))
        if found is None:
            position = log_sql.position_of(self._db, branch, seq)
            found = None if position is None else log_sql.entry_at(self._db, position)
        return found if found is not None and (found.branch, found.seq) == (branch, seq) else None

    def _name_of(self, stream: int) -> bytes | None:
        begun = next((one.name for one in self._begun if one.id == stream), None)
        found = log_sql.stream_seal(self._db, stream) if begun is None else None
        return found[0] if found is not None else begun

    def _add(self, position: int, stream: Stream, arrived: Arrived, seq: int, *, has_room: bool) -> Row:
        branch = stream.id >> STREAM_SHIFT
        if branch not in self._partial:
            raise VerificationError(f"entry {seq} of log {self._logs[branch].hex()}, held here in full, is not in it")
        branch = branch if has_room else self._with_room(branch, seq)
        stream = self._sibling(stream, branch)
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
        self._moved[stream.id] = stream._replace(version=version, head=position, lamport=lamport)
        self._new.add(position)
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
        log_sql.put_heads(db, [(s.id, s.version, s.head, s.lamport) for s in self._moved.values() if s.head])
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
