"""The end of the store, as its writer thread knows it: what is there, and what the open transaction adds.

Everything that an append needs to know (where each log, tree and stream ends, which keys they have) is kept at hand,
so that an entry costs no reading. What a request adds is worked out completely before anything is changed: a request
that is refused leaves nothing behind, and needs no savepoint. The additions of many requests then go to the database
in one `flush`, before the commit and before anybody reads in the same transaction.

The disk alone is right. Where a transaction is rolled back, `reload` forgets everything and reads it again; keys that
were taken meanwhile stay unused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import apsw

from sync import lack_sql, log_sql, outbox_sql
from sync.batch import Batch, Draft, NewStream, Recorded, SignedSize
from sync.entry import (
    EXT_STOOD,
    FORMAT_SUITE,
    HEADER,
    Body,
    check_body,
    commitment,
    derive,
    entry_id,
    pack_body,
    stream_id,
    unpack_body,
)
from sync.errors import LocalProtocolError, StaleVersion, SubjectErased
from sync.keyring import NO_KEY
from sync.log_schema import ERASED_TYPE, STREAM_SHIFT, Branch, Kind, Row, Run, Stream
from sync.merkle import Frontier, leaf_hash
from sync.sealing import DoesNotOpen, Seal, seal_body
from sync.stored_log import StoredLog

STREAMS_CACHED_MAX: Final = 8192  # of 2 kB each
Sealed = tuple[int, int, int, int, int | None, int, bytes, bytes]  # an entry before it is in the tree
EntryColumns = tuple[int, int, int, int, int | None, int, bytes, bytes, bytes | None]


class _Open:
    """A stream of the own log that is being written to."""

    __slots__ = ("head", "id", "lamport", "name", "salt", "seal", "version")

    def __init__(self, stream: Stream, stream_key: bytes) -> None:
        keys = derive(stream_key)
        self.id, self.name, self.version, self.head, self.lamport = (
            stream.id, stream.name, stream.version, stream.head, stream.lamport,
        )  # fmt: skip
        self.salt, self.seal = keys.salt, Seal(keys.seal)


class Tail:
    """Where the logs of one store end. For the store's writer thread alone, but for `position`."""

    def __init__(self, store: StoredLog, db: apsw.Connection) -> None:
        self._store = store
        self._keyring = store.keyring
        self.erased: set[bytes] = set()  # subjects about which nothing is recorded any more
        self.destroyed = store.keyring.destroyed_streams()  # names under which nothing is kept any more
        self.reload(db)

    def reload(self, db: apsw.Connection) -> None:
        """Read again what is on the disk, as the writer's transaction sees it; what was to be added is dropped."""
        self._keyring.unassign_all()
        self._branches = {b.id: b for b in log_sql.branches(db)}
        self._own = max(b.id for b in self._branches.values() if b.own)
        self._types = log_sql.types(db)
        self.position = log_sql.last_position(db)
        self._last_key = log_sql.last_key_used(db, self._own)
        self._run_branch = self._continued(log_sql.last_run(db))
        self._frontiers: dict[int, Frontier] = {}
        self._streams: dict[bytes, _Open] = {}  # of the own log, by subject
        self._drop()

    def _continued(self, run: Run | None) -> int | None:
        """The branch that goes on where the last run ends; None if that run does not end with its log's last entry."""
        branch = self._branches.get(run.branch) if run else None
        if run is None or branch is None or run.seq + self.position - run.position != branch.size:
            return None
        return branch.id

    @property
    def own(self) -> Branch:
        """The branch that this node writes."""
        return self._branches[self._own]

    def live_branch(self, log: bytes) -> Branch:
        """The branch of a log that counts, as the open transaction has it."""
        return next(b for b in self._branches.values() if b.log == log and b.leads)

    def use_fresh_keys(self) -> None:
        """Keys that lie ready may lie in a copy of this folder, too: the next stream gets one made after this."""
        self._last_key = self._keyring.last_number()

    def reload_branches(self, db: apsw.Connection) -> None:
        """A branch was added."""
        self._branches = {b.id: b for b in log_sql.branches(db)}

    def forget_streams(self) -> None:
        """Keys of some streams were destroyed."""
        self._streams.clear()

    def _drop(self) -> None:
        self._entries: list[EntryColumns] = []
        self._new_types: dict[str, int] = {}
        self._begun: list[Stream] = []
        self._heads: dict[int, tuple[int, int, int, int]] = {}
        self._runs: list[Run] = []
        self._grown: set[int] = set()

    def flush(self, db: apsw.Connection) -> None:
        """Write what was added since the last flush."""
        if not self._entries:
            return
        log_sql.add_types(db, self._new_types)
        log_sql.add_streams(db, self._begun)
        log_sql.put_heads(db, self._heads.values())
        log_sql.add_entries(db, self._entries)
        log_sql.add_runs(db, self._runs)
        for number in self._grown:
            branch = self._branches[number]
            log_sql.set_branch_size(db, number, branch.size, branch.streams)
        self._drop()

    # -- the own log

    def record(self, db: apsw.Connection, drafts: Sequence[Draft]) -> list[Recorded]:
        """Add events to the own log, all or none; see `Store.record`."""
        branch = self._branches[self._own]
        frontier = self._frontiers.get(branch.id) or self._store.load_frontier(db, branch.id, branch.size)
        touched: dict[bytes, _Open] = {}
        begun: list[Stream] = []
        types: dict[str, int] = {}
        last_key = self._last_key
        try:
            rows, leaves = self._entries_of(db, drafts, touched, begun, types)
        except BaseException:
            for subject in touched:  # they were moved on; whoever needs them reads them again
                self._streams.pop(subject, None)
            self._last_key = last_key
            self._keyring.unassign_all()
            raise
        frontier, trees = frontier.extend(leaves)
        heads = [(s.id, s.version, s.head, s.lamport) for s in touched.values() if s.head is not None]
        entries = [(*row[:7], tree, row[7]) for row, tree in zip(rows, trees, strict=True)]
        self._add(branch, begun, heads, types, entries, frontier)
        return [Recorded(entry_id(row[6]), row[0], row[1], row[3]) for row in rows]

    def _entries_of(
        self,
        db: apsw.Connection,
        drafts: Sequence[Draft],
        touched: dict[bytes, _Open],
        begun: list[Stream],
        types: dict[str, int],
    ) -> tuple[list[Sealed], list[bytes]]:
        """The drafts as entries, all but their trees, and their leaves."""
        if len(self._streams) >= STREAMS_CACHED_MAX:
            self.flush(db)
            self._streams.clear()
        branch = self._branches[self._own]
        log, position, seq = branch.log, self.position, branch.size
        pack = HEADER.pack  # the loop is the cost of every import, so nothing in it is looked up twice
        rows, leaves = [], []
        for draft in drafts:
            kind, actor, subject, recorded_at_ms, payload, deps, extensions, expect, _, wanted, at_least = draft
            stream = touched.get(subject)
            if stream is None:
                stream = touched[subject] = self._stream(db, branch, draft, begun)
            if expect is not None or wanted is not None:
                version = _next_version(stream, expect, wanted)
            else:
                version = stream.version + 1
            lamport = stream.lamport + 1
            if at_least:
                lamport = max(lamport, at_least)
            elif deps:
                lamport = max(lamport, *(1 + self._lamport(db, dep, subject) for dep in deps.items()))
            body = Body(kind, actor, subject, lamport, recorded_at_ms, dict(deps), payload, dict(extensions))
            check_body(body)
            packed = pack_body(body)
            position += 1
            seq += 1
            committed = commitment(stream.salt, log, seq, packed)
            proven = pack(FORMAT_SUITE, log, seq, stream.name, committed)
            sealed = seal_body(stream.seal, proven, packed)
            number = self._types.get(kind) or self._type(kind, types)
            rows.append((position, seq, stream.id, version, stream.head, number, committed, sealed))
            leaves.append(leaf_hash(proven))
            stream.version, stream.head, stream.lamport = version, position, lamport
        return rows, leaves

    def _stream(self, db: apsw.Connection, branch: Branch, draft: Draft, begun: list[Stream]) -> _Open:
        """The own stream about a draft's subject, which may begin with it."""
        subject = draft.subject
        if subject in self.erased:
            raise SubjectErased(f"subject {subject.hex()} was erased here: nothing more is recorded about it")
        found = self._streams.get(subject)
        if found is None:
            self.flush(db)
            stored = log_sql.stream_of_subject(db, subject, self._own)
            if stored is not None:
                found = _Open(stored, self._keyring.stream_key(stored.key))
            else:
                found = self._begin(branch.streams + len(begun) + 1, draft, begun)
            self._streams[subject] = found
        return found

    def _begin(self, ordinal: int, draft: Draft, begun: list[Stream]) -> _Open:
        number, key = self._keyring.assign(self._last_key)
        self._last_key = number
        name = draft.stream or stream_id(derive(key).label, self.own.log, draft.subject)
        stream = Stream((self._own << STREAM_SHIFT) + ordinal, name, draft.subject, number, 0, None, 0)
        begun.append(stream)
        return _Open(stream, key)

    def _lamport(self, db: apsw.Connection, dep: tuple[bytes, int], subject: bytes) -> int:
        log, seq = dep
        self.flush(db)
        found = self.lamport_at(db, log, seq) if self._store.holds(log) else None
        if found is None:
            found = self._lamport_elsewhere(db, dep, subject)
        if found is None:
            raise LocalProtocolError(f"an edit cannot have seen entry {seq} of log {log.hex()}: it is not here")
        return found

    def _lamport_elsewhere(self, db: apsw.Connection, dep: tuple[bytes, int], subject: bytes) -> int | None:
        """The lamport of an entry about a subject in another life of its log, or taken back by a hub (`taken_back`)."""
        for stream in log_sql.live_streams_of_subject(db, subject):
            for row in log_sql.chain(db, stream.head):
                body = self._readable(db, row)
                if body is not None and dep == (self._store.find_seal(db, row.stream).log, row.seq):
                    return body.lamport
                match body.extensions.get(EXT_STOOD) if body is not None else None:
                    case [bytes(log), int(seq), bytes(), int(lamport), *_] if (log, seq) == dep:
                        return lamport
        return None

    def lamport_at(self, db: apsw.Connection, log: bytes, seq: int) -> int | None:
        """The lamport of an entry of any log; None where it is not here, or its content cannot be read any more."""
        for row in log_sql.entries_of_branch(db, self._store.branch_id(log), seq, 1):
            body = self._readable(db, row) if row.seq == seq else None
            return body.lamport if body is not None else None
        return None

    def _readable(self, db: apsw.Connection, row: Row) -> Body | None:
        """An entry's content, if it can be read. Its stream may not be committed, so nothing of it is remembered."""
        seal = self._store.find_seal(db, row.stream)
        try:
            packed = self._store.open_row(row, seal.log, seal)
        except DoesNotOpen:
            return None
        return unpack_body(packed) if packed is not None else None

    def _type(self, name: str, added: dict[str, int]) -> int:
        """A type's number; a new type gets the next one, `added` until the request is good."""
        return self._types.get(name) or added.setdefault(name, 1 + len(self._types) + len(added))

    # -- peers' logs

    def append(self, db: apsw.Connection, batch: Batch) -> int:
        """Add a verified batch of a peer's log, in a request that is not whole, so nothing waits for a flush here."""
        branch = self._branches[self._store.branch_id(batch.log)]
        if branch.id == self._own:
            raise LocalProtocolError("what this node writes comes from nobody else")
        if branch.size != batch.start:
            raise StaleVersion(f"log {batch.log.hex()} holds {branch.size} entries, the batch starts at {batch.start}")
        begun = list(self._receive(branch, batch.streams))
        heads = {stream.id: stream for stream in begun}
        first = branch.id << STREAM_SHIFT
        heads |= log_sql.streams_by_id(db, {first + arrived.ordinal for arrived in batch.entries} - heads.keys())
        seals: dict[int, Seal] = {}
        types: dict[str, int] = {}
        rows: list[EntryColumns] = []
        position, seq = self.position, batch.start
        for arrived, tree in zip(batch.entries, batch.trees, strict=True):
            number = first + arrived.ordinal
            head = heads.get(number)
            if head is None:
                raise LocalProtocolError(f"the batch names stream {arrived.ordinal}, which has not begun")
            position, seq = position + 1, seq + 1
            kind, sealed = ERASED_TYPE, None
            if arrived.body is None and not self._is_erased(head):
                lack_sql.add(db, position, here=False)  # it was lost at its origin, or on the way here
            if arrived.body is not None and not self._is_erased(head):
                seal = seals.get(number)
                if seal is None:
                    seal = seals[number] = Seal(derive(self._keyring.stream_key(head.key)).seal)
                proven = HEADER.pack(FORMAT_SUITE, branch.log, seq, head.name, arrived.commitment)
                sealed = seal_body(seal, proven, arrived.body)
                kind = self._type(arrived.type, types)
            version = head.version + 1
            rows.append((position, seq, number, version, head.head, kind, arrived.commitment, tree, sealed))
            lamport = max(head.lamport, arrived.lamport)  # an entry that arrived erased has none
            heads[number] = Stream(number, head.name, head.subject, head.key, version, position, lamport)
        moved = [(s.id, s.version, s.head, s.lamport) for s in heads.values() if s.head is not None]
        self._add(branch, begun, moved, types, rows, batch.frontier)
        for new in batch.streams if branch.kind == Kind.PEER else ():
            if new.subject in self.erased:
                outbox_sql.add_again(db, batch.log, new.subject)
        root = batch.frontier.root()
        log_sql.put_checkpoint(db, branch.id, SignedSize(batch.frontier.size, root, batch.signature, None))
        return batch.frontier.size

    def _receive(self, branch: Branch, begun: Sequence[NewStream]) -> Iterator[Stream]:
        """The streams that begin in a batch, their keys kept; without subject and key where they are erased."""
        keys = {new.ordinal: new.key for new in begun if new.key is not None and not self._is_erased(new)}
        numbers = dict(zip(keys, self._keyring.receive(list(keys.values())), strict=True))
        for new in begun:
            number = numbers.get(new.ordinal, NO_KEY)
            subject = new.subject if number != NO_KEY else None
            yield Stream((branch.id << STREAM_SHIFT) + new.ordinal, new.name, subject, number, 0, None, 0)

    def _is_erased(self, stream: Stream | NewStream) -> bool:
        return stream.subject is None or stream.subject in self.erased or stream.name in self.destroyed

    # -- both

    def _add(
        self,
        branch: Branch,
        begun: Iterable[Stream],
        heads: Iterable[tuple[int, int, int, int]],
        types: dict[str, int],
        rows: Sequence[EntryColumns],
        frontier: Frontier,
    ) -> None:
        """Add entries of a branch to the open transaction. Nothing here can fail."""
        if not rows:
            return
        if self._run_branch != branch.id:
            self._runs.append(Run(rows[0][0], branch.id, rows[0][1]))
            self._run_branch = branch.id
        self._entries += rows
        before = len(self._begun)
        self._begun += begun
        self._types |= types
        self._new_types |= types
        self._heads.update((head[0], head) for head in heads)
        self._grown.add(branch.id)
        streams = branch.streams + len(self._begun) - before
        self._branches[branch.id] = branch._replace(size=frontier.size, streams=streams)
        self._frontiers[branch.id] = frontier
        self.position += len(rows)


def _next_version(stream: _Open, expect: int | None, wanted: int | None) -> int:
    if expect is not None and expect != stream.version:
        raise StaleVersion(f"the stream is at version {stream.version}, the form showed {expect}")
    if wanted is None:
        return stream.version + 1
    if stream.head is not None and wanted <= stream.version:
        raise StaleVersion(f"the stream is at version {stream.version} already, asked to store {wanted}")
    return wanted
