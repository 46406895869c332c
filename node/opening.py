"""Opening a data folder: for writing by one process, for reading beside it, with read models that are up to date.

A reading command never disturbs `serve`: it opens the log for reading, and brings the read models up to date itself
only if no other process is doing so. Otherwise it waits until that one has reached the newest entry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import apsw

from node import incarnations, passphrase
from node import views as views_module
from node.clock import system_clock
from node.folder import CONTROL_FILE, REBUILD_LOCK_FILE, VIEWS_LOCK_FILE, Folder
from node.interrupting import heeded
from node.progress import bar
from node.projection import BUILDING_SUFFIX, FILLING_SUFFIX, KNOWN_SUFFIX, REBUILT_SUFFIX, Projection, Rebuilt
from node.projection import rebuild as rebuild_views
from node.reserve import Reserve
from node.views import HomeOf, Views
from sync import rekey as rekeying
from sync.cipher import MasterKey
from sync.database import require_sound
from sync.errors import FolderError, FolderInUse, LogCorrupt, SyncError
from sync.slots import Slots
from sync.store import Store
from sync.stored_log import APPLICATION_IDS, StoredLog, precious_files

WAIT_FOR_VIEWS_S: Final = 60.0
POLL_S: Final = 0.05
HomesOf = Callable[[StoredLog], HomeOf]


@contextmanager
def reading(folder: Folder) -> Iterator[StoredLog]:
    """The log, for reading, whoever else is writing."""
    with _naming_what_is_damaged(folder):
        store = StoredLog(folder.path, folder.master)
        try:
            yield store
        finally:
            store.close()


@contextmanager
def writing(folder: Folder) -> Iterator[Store]:
    """The log, for the one process that writes; raises FolderInUse at once if another has it."""
    with folder.lock(), _naming_what_is_damaged(folder):
        (folder.path / CONTROL_FILE).unlink(missing_ok=True)  # whoever wrote it was killed: it leads to nobody now
        finish_rekeying(folder)
        store = _store_with_reserve(folder)
        try:
            incarnations.notice(folder, store, system_clock())
            yield store
            if folder.config.kind == "hub":
                incarnations.leave(folder, store)
        finally:
            store.close()


def _store_with_reserve(folder: Folder) -> Store:
    reserve = Reserve(folder.path)
    reserve.renew()
    try:
        return Store(folder.path, folder.master, reserve.free)
    except (apsw.FullError, apsw.IOError, apsw.CantOpenError, FolderError):
        if not reserve.free_if_full():  # even to open a file in WAL mode takes some room
            raise
        return Store(folder.path, folder.master, reserve.free)


def rekey(folder: Folder) -> None:
    """Put everything under a new master key; see `sync.rekey`."""
    with folder.lock(), folder.lock(VIEWS_LOCK_FILE, WAIT_FOR_VIEWS_S), _naming_what_is_damaged(folder):
        master, files = folder.master, precious_files(folder.path)
        with bar("re-encrypt", len(files)) as progress:
            folder.open_with(rekeying.rekey(folder.path, master, passphrase.known, files, progress))
        remove_views(folder)


def finish_rekeying(folder: Folder) -> None:
    """For the holder of the lock: carry a re-keying on that was interrupted."""
    if Slots(folder.path).is_rekeying:
        files = precious_files(folder.path)
        with folder.lock(VIEWS_LOCK_FILE, WAIT_FOR_VIEWS_S), bar("re-encrypt", len(files)) as progress:
            rekeying.finish(folder.path, folder.master, files, progress)
            folder.open_with(MasterKey(folder.master.current))
            remove_views(folder)


def remove_views(folder: Folder) -> None:
    """Throw the read models away, also half-built ones."""
    for suffix in ("", BUILDING_SUFFIX, REBUILT_SUFFIX, FILLING_SUFFIX, KNOWN_SUFFIX):
        views_module.remove(folder.views.with_name(folder.views.name + suffix))


@contextmanager
def _naming_what_is_damaged(folder: Folder) -> Iterator[None]:
    """SQLite does not say which of its files it found damaged: ask each."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError) as error:
        for path in (folder.path / name for name in precious_files(folder.path)):
            if not _is_sound(path, folder.master):
                raise LogCorrupt(f"{path} is damaged ({error}): put back a backup, and keep the damaged file") from None
        raise


def _is_sound(path: Path, master: MasterKey) -> bool:
    try:
        require_sound(path, master, APPLICATION_IDS[path.name])
    except (SyncError, apsw.Error):
        return False
    return True


@contextmanager
def current_views(folder: Folder, homes_of: HomesOf) -> Iterator[tuple[StoredLog, Views]]:
    """The log and its read models, the latter as new as the log was when this began."""
    with reading(folder) as store:
        goal = store.position()
        deadline = time.monotonic() + WAIT_FOR_VIEWS_S
        while True:
            try:
                with folder.lock(VIEWS_LOCK_FILE):
                    _follow(folder, store, homes_of(store), goal)
            except FolderInUse:
                if not _reached(folder, goal):
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(POLL_S)
                    continue
            try:
                views = Views(folder.views, folder.master)
            except SyncError:  # being replaced at this moment
                if time.monotonic() > deadline:
                    raise
                continue
            try:
                yield store, views
            finally:
                views.close()
            return


def _follow(folder: Folder, store: StoredLog, home_of: HomeOf, goal: int) -> None:
    projection = Projection(store, folder.views, home_of)
    try:
        if projection.views.position() < goal:
            with heeded() as heeding, bar("read models", goal) as show, closing(projection.catch_up()) as going:
                for position in going:
                    heeding(show)(position)
    finally:
        projection.close()


def _reached(folder: Folder, goal: int) -> bool:
    try:
        views = Views(folder.views, folder.master)
    except (SyncError, apsw.Error):
        return False  # being replaced at this moment
    try:
        return views.position() >= goal
    except (SyncError, apsw.Error):
        return False
    finally:
        views.close()


def rebuild(folder: Folder, homes_of: HomesOf, *, fresh: bool = False) -> tuple[dict[str, str], Rebuilt]:
    """Build the read models anew and put them in place, also beside a running `serve`; digests before, and after.

    One that was cut is gone on with, unless it is to be a `fresh` one.
    """
    with folder.lock(REBUILD_LOCK_FILE):
        with current_views(folder, homes_of) as (store, views):
            position, before = views.digest_at()  # while a node serves, the log grows: compare like with like
            with heeded() as heeding, bar("rebuild", position) as show:
                after = rebuild_views(store, folder.views, homes_of(store), heeding(show), position, fresh=fresh)
        _adopt(folder, homes_of)
    return before, after


def _adopt(folder: Folder, homes_of: HomesOf) -> None:
    """Put the rebuilt file in place, or wait until the process that follows has done so."""
    rebuilt = folder.views.with_name(folder.views.name + REBUILT_SUFFIX)
    deadline = time.monotonic() + WAIT_FOR_VIEWS_S
    while rebuilt.exists():
        try:
            with folder.lock(VIEWS_LOCK_FILE), reading(folder) as store:
                projection = Projection(store, folder.views, homes_of(store))
                projection.adopt()
                projection.close()
        except FolderInUse:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
