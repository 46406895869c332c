"""The live read models of a data folder: opened, followed, rebuilt beside the live file, and put in its place.

A rebuild fills a file beside the live one, `views.db.rebuilt` (see `filling`). The process that holds the lock of the
views puts it in place between two batches (`adopt`), so pages are served all the time and following goes on from the
new file's mark. That process fills a file in the same way, `views.db.filling`, where it begins with nothing and the log
is long: after an upgrade, or when somebody deleted the read models. A cut leaves the file that was there before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import apsw

from domain.views import VIEWS_VERSION
from node.filling import fill
from node.following import Follower
from node.views import HomeOf, Views, remove
from sync.errors import SyncError
from sync.stored_log import StoredLog

FILLED_COUNT_MIN: Final = 20_000  # entries; fewer are followed as fast, and shown meanwhile
REBUILT_SUFFIX: Final = ".rebuilt"
BUILDING_SUFFIX: Final = ".building"
FILLING_SUFFIX: Final = ".filling"
KNOWN_SUFFIX: Final = ".known"  # as they once were, for one report

T = TypeVar("T")


class Projection:
    """The live read models of a data folder: opened, followed, rebuilt and swapped."""

    def __init__(self, store: StoredLog, path: Path, home_of: HomeOf) -> None:
        """For the holder of the views' lock. A file that is missing, damaged or of another version is made anew."""
        self._store = store
        self._path = path
        self._home_of = home_of
        self._swapping = threading.Lock()
        remove(self._beside(FILLING_SUFFIX))  # a process that was killed left it
        self.views = self._open()
        self._follower = self._follow()

    def read(self, work: Callable[[Views], T]) -> T:
        """Run a reading of the live read models, from any thread; one that a swap disturbed is made again."""
        while True:
            views = self.views
            try:
                return work(views)
            except (SyncError, apsw.Error):
                with self._swapping:
                    if views is self.views:
                        raise

    def _open(self) -> Views:
        try:
            views = Views(self._path, self._store.master)
        except (SyncError, apsw.Error):
            return Views.create(self._path, self._store.master)
        if views.version != VIEWS_VERSION or not views.is_sound() or not views.follows(self._store):
            views.close()
            return Views.create(self._path, self._store.master)
        return views

    def catch_up(self) -> Iterator[int]:
        """Follow to the newest entry; a finished rebuild is put in place, a deleted file made anew on the way."""
        if not self.adopt() and not self._path.exists():
            with self._swapping:
                self._reopen()
        yield from self._fill()
        yield from self._follower.catch_up()

    def _fill(self) -> Iterator[int]:
        """Begin with a file that is filled at once, where there is nothing yet of much."""
        goal = self._store.position()
        if self._follower.position or goal < FILLED_COUNT_MIN:
            return
        filling = self._beside(FILLING_SUFFIX)
        yield from fill(self._store, filling, self._home_of, goal)
        self._put_in_place(filling)

    @property
    def position(self) -> int:
        """How far the log was followed."""
        return self._follower.position

    def adopt(self) -> bool:
        """Put a finished rebuild in place; False if there is none."""
        rebuilt = self._beside(REBUILT_SUFFIX)
        if not rebuilt.exists():
            return False
        self._put_in_place(rebuilt)
        return True

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)

    def _put_in_place(self, made: Path) -> None:
        with self._swapping:
            self.views.close()
            remove(self._path)
            made.replace(self._path)
            self._reopen()

    def _follow(self) -> Follower:
        follower = Follower(self._store, self.views, self._home_of)
        follower.forget_erased()
        self.views.clear_traces()
        return follower

    def begin_again(self) -> None:
        """After a write that failed: what the follower remembers may be in no table, so it remembers nothing."""
        with self._swapping:
            self._follower = self._follow()

    def _reopen(self) -> None:
        self.views.close()
        self.views = self._open()
        self._follower = self._follow()

    def close(self) -> None:
        """Close the file."""
        self.views.close()


def rebuild(
    store: StoredLog, path: Path, home_of: HomeOf, progress: Callable[[int], None], until: int
) -> dict[str, str]:
    """Fill a new file beside the live one up to a position, ready to be adopted; its digest."""
    building = path.with_name(path.name + BUILDING_SUFFIX)
    for position in fill(store, building, home_of, until):
        progress(position)
    views = Views(building, store.master)
    digest = views.digest()
    views.close()
    building.replace(path.with_name(path.name + REBUILT_SUFFIX))
    return digest
