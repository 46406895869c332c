"""The event store of one node: `log.db` and `keys.db` in a data folder, the same at a home and at the hub.

What is promised at each commit point:

* `record` and `append` answer after one transaction that holds the entries, their streams' heads, the tree's new
  nodes, the branch's size and (for a peer's entries) the signed checkpoint that covers them. A power cut leaves all of
  it or nothing.
* `create` makes the folder's files in this order: key slots, signing key, log. A cut between leaves a folder without
  configuration, which `init` says and asks to delete.
* Received stream keys are in `keys.db` before the entries that need them are in `log.db`.

Nothing here knows what an entry means.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, TypeVar

import apsw

from sync import erasure, log_sql
from sync.batch import Batch, Draft, Erased, NewStream, Recorded, SignedSize
from sync.cipher import KEY_SIZE, MasterKey
from sync.database import Writer, create_database, naming_damage, open_database, try_empty_wal
from sync.entry import (
    Body,
    check_body,
    commitment,
    derive,
    entry_id,
    header,
    log_id,
    pack_body,
    stream_id,
    unpack_body,
)
from sync.errors import LocalProtocolError, StaleVersion, SubjectErased
from sync.files import Files
from sync.keyring import NO_KEY, Keyring
from sync.log_sql import STREAM_SHIFT, Branch, Row, Stream
from sync.merkle import Frontier, leaf_hash, nodes_in
from sync.note import Signer
from sync.sealing import seal, unseal
from sync.slots import Slots
from sync.stored_log import KEYS_FILE, LOG_FILE, StoredLog

T = TypeVar("T")
DRAFTS_COUNT_MAX: Final = 10_000
STREAMS_CACHED_MAX: Final = 65_536


class Store(StoredLog):
    """The log and the keys of one node, for the one process that holds its lock. Safe to use from any thread."""

    def __init__(self, folder: Path, master: MasterKey | None = None) -> None:
        """Open an existing folder; see `StoredLog`."""
        super().__init__(folder, master)
        path = folder / LOG_FILE
        db = open_database(path, self.master, log_sql.APPLICATION_ID, log_sql.FORMAT)
        with naming_damage(db):
            self._branches = {b.id: b for b in log_sql.branches(db)}
            self._position = log_sql.last_position(db)
            self._last_key = log_sql.last_key_used(db, self._own)
            self._types = log_sql.types(db)
        self._erased: set[bytes] = set()  # subjects about which nothing is recorded any more
        self.files: Files = Files(folder, self.master, self.keyring, lambda subject: subject in self._erased)
        self._destroyed = self.keyring.destroyed_streams()  # names under which nothing is kept any more
        self._frontiers: dict[int, Frontier] = {}
        self._streams: dict[bytes, Stream] = {}  # own streams by subject
        self._grown = threading.Condition()
        self._listeners: set[threading.Event] = set()
        self._writer = Writer(db, str(path), self._forget, self._notify)
        try:
            erasure.resume(self)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def create(folder: Path) -> bytes:
        """Make the precious files of a new node; its log's id."""
        seed = secrets.token_bytes(32)
        public_key = Signer("homeward/new", seed).public_key
        log = log_id(public_key)
        master = MasterKey(secrets.token_bytes(KEY_SIZE))
        Slots.create(folder, master)
        keyring = Keyring.create(folder / KEYS_FILE, master)
        keyring.add_log_key(log, seed)
        keyring.close()
        db = create_database(folder / LOG_FILE, master, log_sql.APPLICATION_ID, log_sql.FORMAT, log_sql.SCHEMA)
        with db:
            log_sql.add_branch(db, log, public_key, own=True)
        db.close()
        return log

    def close(self) -> None:
        """Finish what was asked and close the files."""
        self._writer.close()
        super().close()

    def submit(self, work: Callable[[apsw.Connection], T]) -> Future[T]:
        """Run `work` in the writer's transaction; for the modules of this package only."""
        return self._writer.submit(work)

    def record(self, drafts: Sequence[Draft]) -> Future[list[Recorded]]:
        """Append events to this node's own log, all or none.

        The future raises StaleVersion where a draft's `expect` is not its stream's version, and RemoteProtocolError
        where a draft cannot be an entry.
        """
        if len(drafts) > DRAFTS_COUNT_MAX:
            raise LocalProtocolError(f"at most {DRAFTS_COUNT_MAX} drafts at once")
        return self.submit(lambda db: self.record_in(db, drafts))

    def append(self, batch: Batch) -> Future[int]:
        """Append a verified batch of a peer's log; its new size. Raises StaleVersion if the log moved meanwhile."""
        return self.submit(lambda db: self._append(db, batch))

    def erase(self, subjects: Sequence[bytes], *, by: str, ground: str, now_ms: int) -> Erased:
        """Erase all content about these subjects on this node, durably and for ever; see `erasure`.

        Raises LocalProtocolError for what cannot be erased, ErasureUnfinished where old pages could not be cleared.
        """
        return erasure.erase(self, subjects, by=by, ground=ground, now_ms=now_ms)

    def refuse_erased(self, subjects: Iterable[bytes]) -> None:
        """From now on keep nothing about these subjects; for the modules of this package only."""
        self._erased |= set(subjects)

    def forget_erased(self, streams: Iterable[bytes]) -> None:
        """Drop what the caches hold of streams whose keys were destroyed; for the modules of this package only."""
        self._destroyed |= set(streams)
        self.forget_seals()
        self._writer.submit(lambda _db: self._streams.clear()).result()

    def try_empty_wal(self) -> bool:
        """Leave no old page behind in the log's WAL; False while others read one."""
        with self._read() as db:
            db.execute("PRAGMA query_only=OFF")
            try:
                return try_empty_wal(db)
            finally:
                db.execute("PRAGMA query_only=ON")

    def add_log(self, log: bytes, public_key: bytes) -> Future[None]:
        """Begin to hold a peer's log; nothing happens if it is held already."""

        def work(db: apsw.Connection) -> None:
            if log != log_id(public_key):
                raise LocalProtocolError("a log's id is the hash of its key")
            if all(b.log != log for b in log_sql.branches(db)):
                log_sql.add_branch(db, log, public_key, own=False)
            self._branches = {b.id: b for b in log_sql.branches(db)}

        return self.submit(work)

    def keep_checkpoint(self, log: bytes, signed: SignedSize) -> Future[None]:
        """Keep a signed size of a log, with its receipt if there is one."""
        branch = self.branch_id(log)
        return self.submit(lambda db: log_sql.put_checkpoint(db, branch, signed))

    def record_in(self, db: apsw.Connection, drafts: Sequence[Draft]) -> list[Recorded]:
        """`record` inside a transaction that does more; for the modules of this package only."""
        branch = self._branches[self._own]
        if len(self._streams) >= STREAMS_CACHED_MAX:  # only here: what follows is in no table before `_put`
            self._streams.clear()
        touched: dict[int, Stream] = {}
        rows: list[Row] = []
        leaves: list[bytes] = []
        position, seq, streams = self._position, branch.size, branch.streams
        for draft in drafts:
            if draft.subject in self._erased:
                raise SubjectErased(f"subject {draft.subject.hex()} was erased here: nothing more is recorded about it")
            stream = self._streams.get(draft.subject) or self._find_own(db, draft.subject)
            if stream is None:
                streams += 1
                stream = self._begin(streams, draft)
            version = self._next_version(stream, draft)
            lamport = 1 + max([stream.lamport, *(self._lamport(db, dep) for dep in draft.deps.items())])
            body = Body(draft.type, draft.actor, draft.subject, lamport, draft.recorded_at_ms, dict(draft.deps),
                        draft.payload, dict(draft.extensions))  # fmt: skip
            check_body(body)
            packed = pack_body(body)
            position, seq = position + 1, seq + 1
            keys = derive(self.keyring.stream_key(stream.key))
            committed = commitment(keys.salt, branch.log, seq, packed)
            proven = header(branch.log, seq, stream.name, committed)
            rows.append(Row(position, branch.id, seq, stream.id, version, stream.head,
                            self._type(db, draft.type), committed, seal(keys.seal, proven, packed)))  # fmt: skip
            leaves.append(leaf_hash(proven))
            stream = Stream(stream.id, stream.name, stream.subject, stream.key, version, position, lamport)
            self._streams[draft.subject] = touched[stream.id] = stream
        frontier, nodes = self._frontier(db, branch).extend(leaves)
        self._put(db, branch, streams, rows, touched, frontier, nodes)
        return [Recorded(entry_id(row.commitment), row.position, row.seq, row.version) for row in rows]

    def _append(self, db: apsw.Connection, batch: Batch) -> int:
        branch = self._branches[self.branch_id(batch.log)]
        if branch.size != batch.start:
            raise StaleVersion(f"log {batch.log.hex()} holds {branch.size} entries, the batch starts at {batch.start}")
        known = {stream.id: stream for stream in self._receive(branch, batch.streams)}
        rows: list[Row] = []
        position, seq = self._position, batch.start
        for arrived in batch.entries:
            number = (branch.id << STREAM_SHIFT) + arrived.ordinal
            head = known.get(number) or log_sql.stream_by_id(db, number)
            if head is None:
                raise LocalProtocolError(f"the batch names stream {arrived.ordinal}, which has not begun")
            position, seq = position + 1, seq + 1
            kind, sealed = log_sql.ERASED_TYPE, None
            if arrived.body is not None and not self._is_erased(head):
                keys = derive(self.keyring.stream_key(head.key))
                sealed = seal(keys.seal, header(branch.log, seq, head.name, arrived.commitment), arrived.body)
                kind = self._type(db, arrived.type)
            rows.append(
                Row(position, branch.id, seq, number, head.version + 1, head.head, kind, arrived.commitment, sealed)
            )
            lamport = max(head.lamport, arrived.lamport)  # an entry that arrived erased has none
            known[number] = Stream(number, head.name, head.subject, head.key, head.version + 1, position, lamport)
        self._put(db, branch, branch.streams + len(batch.streams), rows, known, batch.frontier, batch.nodes)
        root = batch.frontier.root()
        log_sql.put_checkpoint(db, branch.id, SignedSize(batch.frontier.size, root, batch.signature, None))
        return batch.frontier.size

    def _receive(self, branch: Branch, begun: Sequence[NewStream]) -> Iterator[Stream]:
        """The streams that begin in a batch, their keys kept; without subject and key where they are erased."""
        keys = {new.ordinal: new.key for new in begun if new.key is not None and not self._is_erased(new)}
        numbers = dict(zip(keys, self.keyring.receive(list(keys.values())), strict=True))
        for new in begun:
            number = numbers.get(new.ordinal, NO_KEY)
            subject = new.subject if number != NO_KEY else None
            yield Stream((branch.id << STREAM_SHIFT) + new.ordinal, new.name, subject, number, 0, None, 0)

    def _is_erased(self, stream: Stream | NewStream) -> bool:
        return stream.subject is None or stream.subject in self._erased or stream.name in self._destroyed

    def _put(
        self,
        db: apsw.Connection,
        branch: Branch,
        streams: int,
        rows: list[Row],
        touched: dict[int, Stream],
        frontier: Frontier,
        nodes: list[bytes],
    ) -> None:
        """The statements of one append; the caches follow, and are dropped if the transaction is rolled back."""
        log_sql.put_streams(db, touched.values())
        log_sql.add_entries(db, rows)
        log_sql.add_nodes(db, branch.id, nodes_in(branch.size), nodes)
        log_sql.set_branch_size(db, branch.id, frontier.size, streams)
        self._branches[branch.id] = branch._replace(size=frontier.size, streams=streams)
        self._frontiers[branch.id] = frontier
        self._position += len(rows)

    def _begin(self, ordinal: int, draft: Draft) -> Stream:
        number, key = self.keyring.assign(self._last_key)
        self._last_key = number
        name = draft.stream or stream_id(derive(key).label, self.log, draft.subject)
        return Stream((self._own << STREAM_SHIFT) + ordinal, name, draft.subject, number, 0, None, 0)

    @staticmethod
    def _next_version(stream: Stream, draft: Draft) -> int:
        if draft.expect is not None and draft.expect != stream.version:
            raise StaleVersion(f"the stream is at version {stream.version}, the form showed {draft.expect}")
        if draft.version is None:
            return stream.version + 1
        if stream.head is not None and draft.version <= stream.version:
            raise StaleVersion(f"the stream is at version {stream.version} already, asked to store {draft.version}")
        return draft.version

    def _find_own(self, db: apsw.Connection, subject: bytes) -> Stream | None:
        for stream in log_sql.streams_of_subject(db, subject):
            if stream.id >> STREAM_SHIFT == self._own:
                self._streams[subject] = stream
                return stream
        return None

    def _lamport(self, db: apsw.Connection, dep: tuple[bytes, int]) -> int:
        log, seq = dep
        for row in log_sql.entries_of_branch(db, self.branch_id(log), seq, 1):
            name, seal_key = self._find_seal(db, row.stream)  # the stream may not be committed: nothing is remembered
            if row.seq == seq and row.body is not None and seal_key is not None:
                return unpack_body(unseal(seal_key, log, seq, name, row.commitment, row.body)).lamport
        raise LocalProtocolError(f"an edit cannot have seen entry {seq} of log {log.hex()}: it is not here")

    def _type(self, db: apsw.Connection, name: str) -> int:
        number = self._types.get(name)
        if number is None:
            number = self._types[name] = log_sql.add_type(db, name)
        return number

    def _frontier(self, db: apsw.Connection, branch: Branch) -> Frontier:
        found = self._frontiers.get(branch.id)
        if found is None:
            found = self._frontiers[branch.id] = self._load_frontier(db, branch.id, branch.size)
        return found

    def _forget(self, db: apsw.Connection) -> None:
        """A request was rolled back: read again what the caches held, as the writer's transaction sees it."""
        self._frontiers.clear()
        self._streams.clear()
        self.keyring.unassign_all()
        self._branches = {b.id: b for b in log_sql.branches(db)}
        self._types = log_sql.types(db)
        self._position = log_sql.last_position(db)
        self._last_key = log_sql.last_key_used(db, self._own)

    def _notify(self) -> None:
        with self._grown:
            self._grown.notify_all()
        for listener in list(self._listeners):
            listener.set()

    def listen(self, listener: threading.Event) -> None:
        """Set this event whenever something was stored by this process."""
        self._listeners.add(listener)

    def unlisten(self, listener: threading.Event) -> None:
        """Stop setting it."""
        self._listeners.discard(listener)

    def wait_beyond(self, position: int, timeout_s: float) -> int:
        """Wait until something is stored beyond a position, or the time is over; the newest position."""
        with self._grown:
            self._grown.wait_for(lambda: self._position > position, timeout_s)
        return self.position()

    def wake(self) -> None:
        """Let those who wait look up: the node is stopping."""
        self._notify()
