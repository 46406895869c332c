"""SQLite files: opening them with the right pragmas, their WAL, and a pool of readers. Who writes is in `writer`.

What a file shows is not always what the disk holds. After a failed fsync, or when a process was killed between writing
and fsync, the kernel's cache may show what a power cut would take away; SQLite's recovery believes it. A checkpoint
ends the doubt: it writes the frames into the file once more and syncs that. So does whoever opens a file for writing.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import apsw

from sync.cipher import BUSY_TIMEOUT_MS, MasterKey, connect, create, require_closed
from sync.errors import FolderError, LogCorrupt, NewerFormat, NoCipher, SyncError

READERS_IDLE_MAX: Final = 8


class OutcomeUnknown(SyncError):
    """The disk refused a commit: what was asked may or may not be stored. Open the folder again to see."""


class NotStored(SyncError):
    """The disk refused a commit, and looking again showed that nothing of it is stored. Asking again may help."""


def open_database(
    path: Path, master: MasterKey, application_id: int, format_version: int, *, oldest_format: int = 1
) -> apsw.Connection:
    """Open an existing file of ours for reading and writing.

    Raises:
        FolderError: there is no such file. NewerFormat, LogCorrupt: it is not a file that this version can use.
    """
    try:
        db = connect(path, master, application_id)
        found_id = db.execute("PRAGMA application_id").get
        found_version = db.execute("PRAGMA user_version").get
    except apsw.CantOpenError as error:  # the file can be opened, what belongs beside it cannot: another user made it
        raise FolderError(f"{path} cannot be opened: {error}") from None
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise LogCorrupt(f"{path} is damaged ({error}): put back a backup, and keep the damaged file") from None
    if found_id != application_id:
        raise LogCorrupt(
            f"{path} is not a file of this program (application id {found_id:#x}): put back the right file"
        )
    if found_version < 1:  # `create_database` sets it last, with the tables
        raise FolderError(f"{path} was never finished: delete the folder, and make it again")
    if found_version < oldest_format:
        raise FolderError(
            f"{path} has format {found_version}, from before the first release, which this version does not read: "
            "use the version that wrote it, or make a new folder and import its facts"
        )
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


@contextmanager
def transaction(db: apsw.Connection) -> Iterator[None]:
    """All or nothing; what goes wrong is raised as it was, also where SQLite has rolled back by itself."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(apsw.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
        raise


@contextmanager
def one_state(db: apsw.Connection) -> Iterator[None]:
    """What is read in this block is of one moment, whatever is committed meanwhile."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


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


def try_make_durable(db: apsw.Connection) -> None:
    """Have on the disk what the file shows, as far as readers of older states and the disk's room allow it."""
    with suppress(apsw.BusyError, apsw.LockedError, apsw.FullError):
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)


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
