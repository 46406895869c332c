"""SQLite files: one writer thread a file with group commit, and a pool of readers.

What is promised at each commit point. A request is a function of the connection. The writer takes all requests that
wait, runs each inside a savepoint of one `BEGIN IMMEDIATE` transaction, commits once (`synchronous=FULL`: one fsync
of the WAL) and only then answers. A request that raises is rolled back alone. A power cut before the commit leaves
nothing of any of them, after it everything: SQLite's own recovery at the next opening is the repair.

A COMMIT that raises has an *unknown* outcome: the rows may be on the disk. The writer then answers `OutcomeUnknown`,
stops, and takes no further request; opening the file again shows what is really there. It never tries again in place,
because after a failed fsync the kernel may have dropped the pages and a second fsync would lie.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from sync.cipher import BUSY_TIMEOUT_MS, MasterKey, connect, create, require_closed
from sync.errors import FolderError, LogCorrupt, NewerFormat, NoCipher, SyncError

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]
Task = tuple[Work[Any], Future[Any], bool]

QUEUE_COUNT_MAX: Final = 1024
GROUP_COUNT_MAX: Final = 256
READERS_IDLE_MAX: Final = 8


class OutcomeUnknown(SyncError):
    """The disk refused a commit: what was asked may or may not be stored. Open the folder again to see."""


def open_database(path: Path, master: MasterKey, application_id: int, format_version: int) -> apsw.Connection:
    """Open an existing file of ours for reading and writing.

    Raises:
        FolderError: there is no such file. NewerFormat, LogCorrupt: it is not a file that this version can use.
    """
    try:
        db = connect(path, master, application_id)
        found_id = _scalar(db, "PRAGMA application_id")
        found_version = _scalar(db, "PRAGMA user_version")
    except apsw.CantOpenError as error:
        raise FolderError(f"{path} cannot be opened: {error}") from None
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise LogCorrupt(f"{path} is damaged ({error}): put back a backup, and keep the damaged file") from None
    if found_id != application_id:
        raise LogCorrupt(
            f"{path} is not a file of this program (application id {found_id:#x}): put back the right file"
        )
    if found_version < 1:  # `create_database` sets it last, with the tables
        raise FolderError(f"{path} was never finished: delete the folder, and make it again")
    if found_version > format_version:
        raise NewerFormat(
            f"{path} has format {found_version}, this version of the program reads up to {format_version}: "
            "install the newer version"
        )
    _pragmas(db)
    return db


def create_database(
    path: Path, master: MasterKey, application_id: int, format_version: int, schema: str
) -> apsw.Connection:
    """Make a new file with its tables; the caller must not find one there."""
    if path.exists():
        raise FolderError(f"{path} exists already")
    db = create(path, master, application_id)
    db.execute(f"PRAGMA application_id={application_id}")  # writes the first page, and nothing of value yet
    try:
        require_closed(path, master, application_id)
    except NoCipher:
        db.close()
        path.unlink()
        raise
    _pragmas(db)
    with db:
        db.execute(schema)
        db.execute(f"PRAGMA user_version={format_version}")
    return db


@contextmanager
def naming_damage(db: apsw.Connection) -> Iterator[None]:
    """Turn what SQLite says of a damaged page into LogCorrupt, which names the file."""
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise LogCorrupt(f"{db.filename} is damaged ({error}): put back a backup, and keep the damaged file") from error


def try_empty_wal(db: apsw.Connection) -> bool:
    """Fold the WAL into the file and cut it to nothing, so that no old page is left; False while others read one."""
    db.set_busy_timeout(0)  # whoever asks waits without holding anything
    try:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.BusyError, apsw.LockedError):
        return False
    finally:
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
    return True


def require_sound(path: Path, master: MasterKey, application_id: int) -> None:
    """Read every page of a file in use; LogCorrupt unless each opens under the cipher and they hang together."""
    with closing(connect(path, master, application_id)) as db, naming_damage(db):
        if (found := db.execute("PRAGMA quick_check(1)").get) != "ok":
            why = " ".join(str(found).split())
            raise LogCorrupt(f"{path} is damaged ({why}): put back a backup, and keep the damaged file")


def _pragmas(db: apsw.Connection) -> None:
    mode = db.execute("PRAGMA journal_mode=WAL").get  # runs it to its end: the commit comes after the row that it gives
    if mode != "wal":  # SQLite says so and goes on; but with a journal, FULL may lose a commit that was answered
        raise FolderError(f"{db.filename} stays in journal mode {mode}: is the disk full, or another program using it?")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA foreign_keys=OFF")
    db.execute("PRAGMA cache_size=-16384")
    db.execute("PRAGMA secure_delete=ON")
    db.execute("PRAGMA temp_store=MEMORY")


def _scalar(db: apsw.Connection, sql: str, bindings: tuple[Any, ...] = ()) -> Any:
    for (value,) in db.execute(sql, bindings):
        return value
    return None


class Writer:
    """The only thread that changes one database."""

    def __init__(
        self,
        db: apsw.Connection,
        name: str,
        rolled_back: Callable[[apsw.Connection], None],
        committed: Callable[[], None],
        flush: Callable[[apsw.Connection], None] = lambda _: None,
    ) -> None:
        self._db = db
        self._flush = flush
        self._rolled_back = rolled_back
        self._committed = committed
        self._broken: BaseException | None = None
        self._ended = False
        self._queue: queue.Queue[Task | None] = queue.Queue(QUEUE_COUNT_MAX)
        self._thread = threading.Thread(target=self._run, name=f"writer {name}", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T], *, whole: bool = False) -> Future[T]:
        """Ask for `work(connection)`; the future answers after the commit. Blocks while the queue is full.

        `whole`: it changes nothing, neither in the database nor in what `flush` will write, unless it succeeds.
        """
        future: Future[T] = Future()
        if self._broken is not None or not self._thread.is_alive():
            future.set_exception(OutcomeUnknown(f"the store stopped writing: {self._broken or 'closed'}"))
            return future
        self._queue.put((work, future, whole))
        if self._ended:  # it ended while we waited for a place in the queue
            self._refuse_rest()
        return future

    def close(self) -> None:
        """Finish what was asked, then close the connection."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        with suppress(apsw.Error):
            self._db.close()

    def _run(self) -> None:
        open_for_work = True
        while open_for_work and self._broken is None:
            group: list[Task] = []
            task = self._queue.get()
            while task is not None:
                if task[1].set_running_or_notify_cancel():  # from here on the asker can no longer take it back
                    group.append(task)
                if len(group) == GROUP_COUNT_MAX or self._queue.empty():
                    break
                task = self._queue.get()
            open_for_work = task is not None
            if group:
                try:
                    self._commit_group(group)
                except BaseException as error:  # noqa: BLE001 -- the disk fails even where nothing is asked of it
                    self._stop(group, error)
        self._ended = True
        self._refuse_rest()

    def _refuse_rest(self) -> None:
        while True:
            try:
                task = self._queue.get_nowait()
            except queue.Empty:
                return
            if task is not None and task[1].set_running_or_notify_cancel():
                task[1].set_exception(OutcomeUnknown(f"the store stopped writing: {self._broken or 'closed'}"))

    def _commit_group(self, group: list[Task]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            for _, future, _ in group:
                future.set_exception(error)
            return
        done: list[tuple[Future[Any], Any]] = []
        failed: list[tuple[Future[Any], BaseException]] = []
        for task in group:
            try:
                with naming_damage(self._db):
                    done.append((task[1], self._request(task)))
            except BaseException as error:  # noqa: BLE001 -- handed to whoever asked
                failed.append((task[1], error))
            if not self._db.in_transaction:  # the disk is full or damaged: SQLite has rolled everything back
                self._lose(group, failed[-1][1] if failed else None)
                return
        try:
            with naming_damage(self._db):
                self._flush(self._db)
        except BaseException as error:  # noqa: BLE001 -- handed to all who asked
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._lose(group, error)
            return
        try:
            self._db.execute("COMMIT")
        except apsw.Error as error:
            self._stop(group, error)
            return
        self._committed()
        for future, result in done:
            future.set_result(result)
        for future, why in failed:
            future.set_exception(why)

    def _request(self, task: Task) -> Any:
        """Run one request; if it raises, nothing of it is left, unless the whole transaction was rolled back."""
        work, _, whole = task
        if whole:
            return work(self._db)
        self._flush(self._db)  # it may read, and must be rolled back alone
        self._db.execute("SAVEPOINT request")
        try:
            result = work(self._db)
            self._flush(self._db)
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK TO request")
                self._db.execute("RELEASE request")
                self._rolled_back(self._db)  # sees what the earlier requests of this group wrote
            raise
        if self._db.in_transaction:
            self._db.execute("RELEASE request")
        return result

    def _lose(self, group: list[Task], error: BaseException | None) -> None:
        self._rolled_back(self._db)
        for _, future, _ in group:
            future.set_exception(error or OutcomeUnknown("the transaction was rolled back"))

    def _stop(self, group: list[Task], error: BaseException) -> None:
        self._broken = error
        with suppress(apsw.Error, SyncError):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._rolled_back(self._db)
        for _, future, _ in group:
            if not future.done():
                reason = f"the disk did not confirm a commit ({error}); restart to see its outcome"
                future.set_exception(OutcomeUnknown(reason))


class Readers:
    """A checkout pool of read-only connections: one thread uses one at a time."""

    def __init__(self, connect: Callable[[], apsw.Connection]) -> None:
        self._connect = connect
        self._idle: queue.LifoQueue[apsw.Connection] = queue.LifoQueue()
        self._closed = False

    @contextmanager
    def __call__(self) -> Iterator[apsw.Connection]:
        """A connection for one reading; give it back by leaving the block."""
        try:
            db = self._idle.get_nowait()
        except queue.Empty:
            db = self._connect()
            db.execute("PRAGMA query_only=ON")
        try:
            with naming_damage(db):
                yield db
        finally:
            if self._closed or self._idle.qsize() >= READERS_IDLE_MAX:
                db.close()
            else:
                self._idle.put(db)

    def close(self) -> None:
        """Close what is idle; what is out is closed when it comes back."""
        self._closed = True
        while not self._idle.empty():
            self._idle.get_nowait().close()
