"""The event store of one node: `log.db` and `keys.db` in a data folder, the same at a home and at the hub.

What is promised at each commit point:

* `record` and `append` answer after one transaction that holds the entries, their streams' heads, the tree's new
  hashes, the branch's size and (for a peer's entries) the signed checkpoint that covers them. A power cut leaves all of
  it or nothing.
* `create` makes the folder's files in this order: key slots, signing key, log. A cut between leaves a folder without
  configuration, which `init` says and asks to delete.
* Received stream keys are in `keys.db` before the entries that need them are in `log.db`.

Nothing here knows what an entry means.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from sync import above, damage, erasure, log_schema, log_sql, outbox_sql, receipt_sql, succession
from sync.batch import NOTHING, Batch, Draft, Erased, Recorded, SignedSize
from sync.cipher import KEY_SIZE, MasterKey
from sync.database import create_database, naming_damage, try_empty_wal, try_make_durable
from sync.entry import TIME_MS_MAX, log_id
from sync.errors import LocalProtocolError, StaleVersion
from sync.files import Files
from sync.hub_note import signed_note
from sync.keyring import Keyring
from sync.log_schema import LOG_FILE, Kind
from sync.messages import Receipt
from sync.note import Signer
from sync.receipts import Greeted, Kept
from sync.slots import Slots
from sync.stored_log import KEYS_FILE, StoredLog, open_log
from sync.tail import Tail
from sync.writer import Head, Owner, Writer

T = TypeVar("T")
DRAFTS_COUNT_MAX: Final = 10_000


class Store(StoredLog):
    """The log and the keys of one node, for the one process that holds its lock. Safe to use from any thread."""

    def __init__(
        self, folder: Path, master: MasterKey | None = None, make_room: Callable[[], bool] = lambda: False
    ) -> None:
        """Open an existing folder; see `StoredLog`. `make_room` is asked when the disk is full; see `Owner`."""
        super().__init__(folder, master)
        db = self._open()
        with naming_damage(db):
            try_make_durable(db)
            outbox_sql.make_tables(db)
            self._tail = Tail(self, db)
        self.files: Files = Files(
            folder, self.master, self.keyring, lambda subject: subject in self._tail.erased, make_room
        )
        self._grown = threading.Condition()
        self._stopping = False
        self._listeners: set[threading.Event] = set()
        owner = Owner(
            open=self._open,
            position=lambda: self._tail.position,
            head=lambda db: Head(*log_sql.head(db)),
            mark=log_sql.mark,
            rolled_back=self._tail.reload,
            committed=self._notify,
            flush=self._tail.flush,
            make_room=make_room,
        )
        self._writer = Writer(db, str(folder / LOG_FILE), owner)
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
        schema = log_schema.SCHEMA + outbox_sql.SCHEMA + outbox_sql.TIE_INDEX
        db = create_database(folder / LOG_FILE, master, log_schema.APPLICATION_ID, log_schema.FORMAT, schema)
        with db:
            log_sql.add_branch(db, log, public_key, Kind.OWN)
        db.close()
        return log

    def _open(self) -> apsw.Connection:
        return open_log(self.folder / LOG_FILE, self.master)

    def close(self) -> None:
        """Finish what was asked and close the files."""
        self._writer.close()
        super().close()

    def submit(self, work: Callable[[apsw.Connection], T]) -> Future[T]:
        """Run `work` in the writer's transaction; for this package, and for followers that write into the log."""
        return self._writer.submit(work)

    def record(self, drafts: Sequence[Draft]) -> Future[list[Recorded]]:
        """Append events to this node's own log, all or none.

        The future raises StaleVersion where a draft's `expect` is not its stream's version, and RemoteProtocolError
        where a draft cannot be an entry.
        """
        if len(drafts) > DRAFTS_COUNT_MAX:
            raise LocalProtocolError(f"at most {DRAFTS_COUNT_MAX} drafts at once")
        return self._writer.submit(lambda db: self._tail.record(db, drafts), whole=True)

    def record_at(self, position: int, drafts: Sequence[Draft]) -> Future[list[Recorded]]:
        """`record`, unless anything was stored beyond a position: then the future raises StaleVersion."""
        if len(drafts) > DRAFTS_COUNT_MAX:
            raise LocalProtocolError(f"at most {DRAFTS_COUNT_MAX} drafts at once")

        def work(db: apsw.Connection) -> list[Recorded]:
            found = log_sql.last_position(db)
            if found != position:
                raise StaleVersion(f"decided at position {position}, the log is at {found}")
            return self.record_in(db, drafts)

        return self.submit(work)

    def append(self, batch: Batch) -> Future[int]:
        """Append a verified batch of a peer's log; its new size. Raises StaleVersion if the log moved meanwhile."""
        return self.submit(lambda db: self._tail.append(db, batch))

    def erase(
        self, subjects: Sequence[bytes], *, by: str, ground: str, now_ms: int, stopping: threading.Event | None = None
    ) -> Erased:
        """Erase all content about these subjects on this node, durably and for ever; see `erasure`.

        Raises LocalProtocolError for what cannot be erased, ErasureUnfinished where old pages could not be cleared.
        """
        return erasure.erase(self, subjects, by=by, ground=ground, now_ms=now_ms, stopping=stopping)

    def refuse_erased(self, subjects: Iterable[bytes]) -> None:
        """From now on keep nothing about these subjects; for the modules of this package only."""
        self._tail.erased |= set(subjects)

    def forget_erased(self, streams: Iterable[bytes]) -> None:
        """Drop what the caches hold of streams whose keys were destroyed; for the modules of this package only."""
        self._tail.destroyed |= set(streams)
        self.forget_seals()
        self._writer.submit(lambda _db: self._tail.forget_streams()).result()

    def try_empty_wal(self) -> bool:
        """Leave no old page behind in the log's WAL; False while others read one."""
        with self._read() as db:
            db.execute("PRAGMA query_only=OFF")
            try:
                return try_empty_wal(db)
            finally:
                db.execute("PRAGMA query_only=ON")

    def add_log(self, log: bytes, public_key: bytes, *, kin: bool = False) -> Future[None]:
        """Begin to hold a log of another node, of this node's home where it is `kin`; nothing if it is held already."""

        def work(db: apsw.Connection) -> None:
            if log != log_id(public_key):
                raise LocalProtocolError("a log's id is the hash of its key")
            if all(b.log != log for b in log_sql.branches(db)):
                log_sql.add_branch(db, log, public_key, Kind.KIN if kin else Kind.PEER)
            self._tail.reload_branches(db)

        return self.submit(work)

    def succeed(
        self,
        keep: int,
        why: str,
        now_ms: int,
        notes: Mapping[str, Any] = NOTHING,
        aside: Mapping[bytes, int] = NOTHING,
    ) -> bytes:
        """Open a new own log that builds on the first `keep` entries of the one before; its id. See `succession`.

        What was recorded behind them is recorded again, and counts once. `notes` stand in the entry that says so. Of
        the older own logs in `aside` only so many entries stay, too. Durable, all or none, when this returns.
        """
        seed = secrets.token_bytes(32)
        public_key = Signer("homeward/new", seed).public_key
        new = log_id(public_key)
        self.keyring.add_log_key(new, seed)
        old = self.log

        def work(db: apsw.Connection) -> None:
            succession.open_log(self, self._tail, db, (old, keep), public_key, why, now_ms, notes)
            for log, size in aside.items():
                succession.set_aside(self, self._tail, db, log, size, why, now_ms, stands="epoch" in notes)

        self.submit(work).result()
        self._after_cut()
        return new

    def set_aside(self, log: bytes, keep: int, why: str, now_ms: int) -> None:
        """Set aside what is here of another log of this home behind `keep` entries, and record it in the own log."""
        self.submit(lambda db: succession.set_aside(self, self._tail, db, log, keep, why, now_ms)).result()
        self._after_cut()

    def _after_cut(self) -> None:
        self.forget_seals()  # numbers of streams that moved may be given again
        self.know_branches()
        self._write_as(self._tail.own.log)

    def keep_checkpoint(self, log: bytes, signed: SignedSize) -> Future[None]:
        """Keep a signed size of a log, with its receipt if there is one."""
        branch = self.branch_id(log)
        return self.submit(lambda db: log_sql.put_checkpoint(db, branch, signed))

    def keep_receipt(self, log: bytes, signed: SignedSize, kept: Kept, *, by_hand: bool = False) -> Future[None]:
        """Keep a signed size with its receipt, and the receipt in the log's series."""
        branch = self.branch_id(log)

        def work(db: apsw.Connection) -> None:
            log_sql.put_checkpoint(db, branch, signed)
            receipt_sql.put(db, branch, kept, by_hand=by_hand)

        return self.submit(work)

    def give_receipt(
        self, log: bytes, signed: SignedSize, greeted: Greeted | None, *, epoch: int, backed_up_to: int, clock_ms: int
    ) -> tuple[Future[None], Receipt]:
        """This node's receipt for a peer's log that it holds, and the promise that it is kept; send it only then."""
        size, root = signed.size, signed.root
        time_ms = min(max(0, clock_ms), TIME_MS_MAX)
        cosignature = self.receipt(log, size, root, time_ms // 1000)
        backed_up_to = min(backed_up_to, size)
        note = signed_note(self.identity, log, size, root, epoch=epoch, backed_up_to=backed_up_to, time_ms=time_ms)
        kept = self.keep_receipt(log, signed._replace(receipt=cosignature), Kept(size, note, greeted))
        return kept, Receipt.of(size, cosignature, note)

    def keep_receipt_of(
        self, hub_key: bytes, log: bytes, signed: SignedSize, kept: Kept, *, by_hand: bool = False
    ) -> Future[None]:
        """Keep the receipt of the hub with this key; of a peer's log apart from the receipts that this node gave."""
        branch = self.branch(log)
        if branch.kind == Kind.PEER:
            return self.submit(lambda db: above.keep(db, branch.id, hub_key, signed))
        return self.keep_receipt(log, signed, kept, by_hand=by_hand)

    def record_in(self, db: apsw.Connection, drafts: Sequence[Draft]) -> list[Recorded]:
        """`record` inside a transaction that does more, and that may read what was recorded."""
        recorded = self._tail.record(db, drafts)
        self._tail.flush(db)
        return recorded

    def writes(self, log: bytes) -> bool:
        """Whether this is the log that the node writes, as the open transaction has it; for work in the writer."""
        return self._tail.own.log == log

    def reload_in(self, db: apsw.Connection) -> None:
        """Read the ends again, in a transaction that added entries by itself; for the modules of this package only."""
        self._tail.flush(db)
        self._tail.reload(db)

    def keeps_nothing_of(self, subject: bytes | None, stream: bytes) -> bool:
        """Whether what comes of a stream is kept without content: it was erased here, or before it came."""
        return subject is None or subject in self._tail.erased or stream in self._tail.destroyed

    def note_unreadable(self, log: bytes, seq: int, why: str) -> None:
        """Say in the own log that an entry's content was met damaged; whoever met it does not wait for that."""
        if (log, seq) in self.unreadable or len(self.unreadable) >= damage.NOTED_COUNT_MAX:
            return
        if not self._writer.is_own_thread:  # whoever reads within a transaction leaves it to the next one
            super().note_unreadable(log, seq, why)
            self._writer.submit(lambda db: damage.note(self, db, log, seq, why))

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
        """Wait until something is stored beyond a position, the time is over, or `wake`; the newest position."""
        with self._grown:
            self._grown.wait_for(lambda: self._stopping or self._tail.position > position, timeout_s)
        return self.position()

    def rest(self, timeout_s: float) -> None:
        """Wait, between two batches of work that others are not to be kept waiting by; not where the node stops."""
        with self._grown:
            self._grown.wait_for(lambda: self._stopping, timeout_s)

    @property
    def is_stopping(self) -> bool:
        """Whether the node is stopping: who works in batches leaves the rest to the next start."""
        return self._stopping

    def wake(self) -> None:
        """Let those who wait look up, and nobody wait from now on: the node is stopping."""
        self._stopping = True
        self._notify()
