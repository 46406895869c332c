"""The live read models of a data folder: opened, followed, rebuilt beside the live file, and put in its place.

A rebuild fills a file beside the live one, `views.db.rebuilt` (see `filling`). The process that holds the lock of the
views puts it in place between two batches (`adopt`), so pages are served all the time and following goes on from the
new file's mark. That process fills a file in the same way, `views.db.filling`, where it begins with nothing and the log
is long: after an upgrade, or when somebody deleted the read models. A cut leaves the file that was there before, and
beside it one that is half built: whoever fills the next time goes on with that (`half_built`).

A rebuild that goes on does so to its own goal, and from there follows to where the live file is, so that like is
compared with like. An erasure that is followed takes the half-built file away, also from a rebuild that is running.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import apsw

from domain.views import VIEWS_VERSION
from node import half_built
from node.filling import Filling, fill
from node.following import Follower
from node.half_built import TakenAway
from node.interrupting import Interrupted
from node.views import HomeOf, Views, remove
from sync.errors import FolderInUse, SyncError
from sync.stored_log import StoredLog

FILLED_COUNT_MIN: Final = 20_000  # entries; fewer are followed as fast, and shown meanwhile
REBUILT_SUFFIX: Final = ".rebuilt"
BUILDING_SUFFIX: Final = ".building"
FILLING_SUFFIX: Final = ".filling"
KNOWN_SUFFIX: Final = ".known"  # as they once were, for one report
ATTEMPTS_MAX: Final = 5  # to rebuild beside erasures
GOES_ON: Final = (
    "已停下。已做好的约 {kept} 条保留着，下次 rebuild 从那里接着做。 (Stopped. Some {kept} entries are done and kept: "
    "the next rebuild goes on from there.)"
)

T = TypeVar("T")


class Projection:
    """The live read models of a data folder: opened, followed, rebuilt and swapped."""

    def __init__(self, store: StoredLog, path: Path, home_of: HomeOf) -> None:
        """For the holder of the views' lock. A file that is missing, damaged or of another version is made anew."""
        self._store = store
        self._path = path
        self._home_of = home_of
        self._swapping = threading.Lock()
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

    def catch_up(self) -> Generator[int, None, None]:
        """Follow to the newest entry; a finished rebuild is put in place, a deleted file made anew on the way."""
        if not self.adopt() and not self._path.exists():
            with self._swapping:
                self._reopen()
        yield from self._fill()
        yield from self._follower.catch_up()

    def _fill(self) -> Iterator[int]:
        """Begin with a file that is filled at once, where there is nothing yet of much; or go on with such a file."""
        filling = self._beside(FILLING_SUFFIX)
        goal = self._store.position()
        if self._follower.position or goal < FILLED_COUNT_MIN:
            if filling.exists():  # left by a process that was killed, and of no use any more
                remove(filling)
            return
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
        follower = Follower(self._store, self.views, self._home_of, lambda: forget_half_built(self._path))
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


class Rebuilt(NamedTuple):
    """The digest of a rebuilt file, how many entries an earlier run had folded for it, and how many this one did."""

    tables: dict[str, str]
    resumed_from: int
    folded: int


def rebuild(
    store: StoredLog,
    path: Path,
    home_of: HomeOf,
    progress: Callable[[int], None],
    until: int,
    *,
    fresh: bool = False,
) -> Rebuilt:
    """Fill a new file beside the live one up to a position, ready to be adopted; goes on with one that was cut.

    `fresh`: begin anew, whatever was left. Raises Interrupted where it was stopped and something is left to go on with.
    """
    building = path.with_name(path.name + BUILDING_SUFFIX)
    if fresh:
        remove(building)
    for _ in range(ATTEMPTS_MAX):
        try:
            return _built(store, path, building, home_of, progress, until)
        except TakenAway:
            continue
    raise FolderInUse(
        "重建期间一直有内容被删除，没有做完，请稍后再运行 rebuild。 (Content was erased again and again while this "
        "rebuilt the read models: run it again later.)"
    )


def _built(
    store: StoredLog, path: Path, building: Path, home_of: HomeOf, progress: Callable[[int], None], until: int
) -> Rebuilt:
    filling = Filling(store, building, home_of, until)
    try:
        with closing(filling.run()) as going:
            for position in going:
                progress(position)
        followed_from, digest = _compared(store, building, home_of, progress, until)
        _make_ready(path, building, store)
    except KeyboardInterrupt:
        raise (Interrupted(GOES_ON.format(kept=filling.kept)) if filling.kept else KeyboardInterrupt()) from None
    done_before = filling.resumed_from + followed_from - filling.goal
    return Rebuilt(digest, done_before, filling.folded + until - followed_from)


def _compared(
    store: StoredLog, building: Path, home_of: HomeOf, progress: Callable[[int], None], until: int
) -> tuple[int, dict[str, str]]:
    """Follow with a file that is filled to where the live one is; from where, and its digest there."""
    with half_built.in_place(building), closing(Views(building, store.master)) as views:
        followed_from = views.position()
        for position in Follower(store, views, home_of).catch_up(until):
            progress(position)
        digest = views.digest()
    progress(until)
    return followed_from, digest


def _make_ready(path: Path, building: Path, store: StoredLog) -> None:
    with half_built.in_place(building):
        half_built.finish(building, store.master)
        building.replace(path.with_name(path.name + REBUILT_SUFFIX))


def forget_half_built(path: Path) -> None:
    """Of read models that somebody may be rebuilding: what is there may hold what was erased."""
    half_built.forget(path.with_name(path.name + BUILDING_SUFFIX))
