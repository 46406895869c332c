"""The writer of one SQLite file: one thread, requests in groups, one commit a group, and a true answer to each.

What is promised at each commit point. A request is a function of the connection. The writer takes all requests that
wait, runs each inside a savepoint of one `BEGIN IMMEDIATE` transaction, commits once (`synchronous=FULL`: one fsync
of the WAL) and only then answers. A request that raises is rolled back alone. A power cut before the commit leaves
nothing of any of them, after it everything: SQLite's own recovery at the next opening is the repair.

Whoever was just answered often asks again at once, and the first of them would have a commit, and its fsync, to himself
while the others gather for the next. So before a group smaller than the last is closed, the writer lets others run for
as long as that brings more requests; it never waits for time to pass.

What many small requests add may be collected in memory and written together: the owner's `flush` writes it, before the
commit and before anything that reads the database. A request that is *whole*, one that has changed nothing when it
raises, needs no savepoint then. Where a request is taken back and the owner cannot read again what it had cached,
nothing of the group is written, and the file is opened anew as after a COMMIT that raises.

A COMMIT that raises has an *unknown* outcome: the rows may be on the disk. A second fsync would lie, and reading would
prove nothing, because the kernel may have dropped the pages while its cache still shows them. So the writer

1. closes its connection and opens the file anew, which takes back what is not committed;
2. runs `wal_checkpoint(TRUNCATE)`: what the file shows is written once more, into the main file, and synced there;
3. compares the head with the one that the transaction would have left;
4. commits a *mark*. Its sync makes the WAL's truncation durable; else a power cut could bring back frames that did
   reach the disk, and with them what was said not to be stored.

Then it answers with the results, or `NotStored`, and goes on; what was asked meanwhile waits in the queue. Where a step
fails, or readers stand in the way for `SETTLE_WAIT_S`, it answers `OutcomeUnknown`, stops, and takes no more requests.

The head is the newest position and a count of marks. A group that changes something but adds no entry commits a mark
with it, so every two states in a row differ in their heads, and a group of entries pays nothing for it.

A disk without room is another case: SQLite meets it while it writes, before it syncs, so nothing is stored (a commit
frame that is written in part is none). The owner is asked to make room, and the group runs once more.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

import apsw

from sync.database import NotStored, OutcomeUnknown, naming_damage, try_empty_wal
from sync.errors import LogCorrupt, SyncError

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]


class Task(NamedTuple):
    """A request. It is whole if it changes nothing, in the file or in what `flush` will write, when it raises."""

    work: Work[Any]
    future: Future[Any]
    whole: bool


Group = list[Task]

QUEUE_COUNT_MAX: Final = 1024
GROUP_COUNT_MAX: Final = 256
SETTLE_WAIT_S: Final = 10.0
SETTLE_POLL_S: Final = 0.05


class Head(NamedTuple):
    """What tells one state of a file from the next: the newest entry's position, and how often a mark was left."""

    position: int
    marks: int


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose file it is. All of it is called by the writer's thread, but `open` for the first time by the owner's."""

    open: Callable[[], apsw.Connection]
    position: Callable[[], int]
    """The newest position as the transaction at hand leaves it; costs nothing."""
    head: Callable[[apsw.Connection], Head]
    """The head as the file shows it."""
    mark: Callable[[apsw.Connection], int]
    """Leave a mark; how many there are then."""
    rolled_back: Callable[[apsw.Connection], None]
    """Something was taken back: read again what was cached. Sees what the group's earlier requests wrote."""
    committed: Callable[[], None]
    flush: Callable[[apsw.Connection], None] = lambda _: None
    """Write what requests have added in memory."""
    make_room: Callable[[], bool] = lambda: False
    """The disk is full: give something back; False if there is nothing to give."""


class _Answer(NamedTuple):
    future: Future[Any]
    result: Any
    error: BaseException | None


class _RoomMade(Exception):
    """There was no room, and now there is some."""


class _OwnerLost(SyncError):
    """The owner could not read again what was taken back: nobody knows any more what its next `flush` would write."""


class Writer:
    """The only thread that changes one database."""

    def __init__(self, db: apsw.Connection, name: str, owner: Owner) -> None:
        self._db = db
        self._owner = owner
        with naming_damage(db):
            self._head = owner.head(db)
        self._broken: BaseException | None = None
        self._ended = False
        self._queue: queue.Queue[Task | None] = queue.Queue(QUEUE_COUNT_MAX)
        self._thread = threading.Thread(target=self._run, name=f"writer {name}", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T], *, whole: bool = False) -> Future[T]:
        """Ask for `work(connection)`; the future answers after the commit. Blocks while the queue is full.

        `whole`: see `Task`.
        Work may be run twice, if the disk was full the first time; nothing of the first time is left then.
        """
        future: Future[T] = Future()
        if self._broken is not None or not self._thread.is_alive():
            future.set_exception(OutcomeUnknown(f"the store stopped writing: {self._broken or 'closed'}"))
            return future
        self._queue.put(Task(work, future, whole))
        if self._ended:  # it ended while we waited for a place in the queue
            self._refuse_rest()
        return future

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is within a request."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Finish what was asked, then close the connection."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        with suppress(apsw.Error):
            self._db.close()

    def _run(self) -> None:
        open_for_work, answered = True, 0
        while open_for_work and self._broken is None:
            group: Group = []
            task = self._queue.get()
            self._let_ask(answered)
            while task is not None:
                if task.future.set_running_or_notify_cancel():  # from here on the asker can no longer take it back
                    group.append(task)
                if len(group) == GROUP_COUNT_MAX or self._queue.empty():
                    break
                task = self._queue.get()
            open_for_work = task is not None
            if group:
                self._serve(group)
            answered = len(group)
        self._ended = True
        self._refuse_rest()

    def _let_ask(self, answered: int) -> None:
        """Let those who were just answered ask again before a group is closed: they share a commit then, not two.

        Each turn gives the interpreter away, and more may be waiting after it. Who asks alone waits for nobody.
        """
        before, waiting = -1, self._queue.qsize() + 1
        while before < waiting < answered:
            time.sleep(0)
            before, waiting = waiting, self._queue.qsize() + 1

    def _refuse_rest(self) -> None:
        while True:
            try:
                task = self._queue.get_nowait()
            except queue.Empty:
                return
            if task is not None and task.future.set_running_or_notify_cancel():
                task.future.set_exception(OutcomeUnknown(f"the store stopped writing: {self._broken or 'closed'}"))

    def _serve(self, group: Group) -> None:
        try:
            while True:  # room can be made once
                try:
                    answers = self._transact(group)
                    break
                except _RoomMade:
                    self._take_back()
        except BaseException as error:  # noqa: BLE001 -- the disk fails even where nothing is asked of it
            self._stop(group, error)
            return
        for future, result, why in answers:
            if why is None:
                future.set_result(result)
            else:
                future.set_exception(why)

    def _transact(self, group: Group) -> list[_Answer]:
        """Run a group to its end; what each asker is told."""
        head: Head | None = None  # while it is None nothing can have been committed
        try:
            changes = self._db.total_changes()
            answers, go_on = self._perform(group)
            if not go_on:
                return answers
            self._owner.flush(self._db)
            moved = self._db.total_changes() != changes
            head = self._head_to_come() if moved else self._head
            self._db.execute("COMMIT")
        except apsw.FullError as error:
            if self._owner.make_room():
                raise _RoomMade from error
            self._take_back()
            return [_Answer(task.future, None, error) for task in group]
        except (apsw.CorruptError, apsw.NotADBError, LogCorrupt):
            raise  # no other look at it would help
        except (apsw.Error, SyncError) as error:
            if not self._is_stored(head, error):
                why = NotStored(f"not stored: the disk refused it, nothing else was lost; try again ({error})")
                return [_Answer(task.future, None, why) for task in group]
        else:
            self._head = head
        self._owner.committed()
        return answers

    def _perform(self, group: Group) -> tuple[list[_Answer], bool]:
        """Run each request inside the transaction; whether there is something to commit."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            return [_Answer(task.future, None, error) for task in group], False
        answers: list[_Answer] = []
        for task in group:
            answers.append(self._answer(task))
            if not self._db.in_transaction:  # the disk is full or damaged: SQLite has rolled everything back
                self._owner.rolled_back(self._db)
                why = answers[-1].error or NotStored("not stored: the transaction was rolled back")
                return [_Answer(one.future, None, why) for one in group], False
        return answers, True

    def _answer(self, task: Task) -> _Answer:
        try:
            with naming_damage(self._db):
                return _Answer(task.future, task.work(self._db) if task.whole else self._alone(task.work), None)
        except _OwnerLost:
            raise  # the whole group is taken back, and the file opened anew
        except BaseException as error:
            if isinstance(error, apsw.FullError) and self._owner.make_room():
                raise _RoomMade from error
            return _Answer(task.future, None, error)

    def _alone(self, work: Work[T]) -> T:
        """Run a request so that it can be taken back alone."""
        self._owner.flush(self._db)
        self._db.execute("SAVEPOINT request")
        try:
            result = work(self._db)
            self._owner.flush(self._db)
        except BaseException:
            if self._db.in_transaction:
                self._take_back_request()
            raise
        if self._db.in_transaction:
            self._db.execute("RELEASE request")
        return result

    def _take_back_request(self) -> None:
        try:
            self._db.execute("ROLLBACK TO request")
            self._db.execute("RELEASE request")
            self._owner.rolled_back(self._db)
        except (apsw.Error, SyncError) as error:
            raise _OwnerLost(str(error)) from error

    def _head_to_come(self) -> Head:
        """The head that the open transaction leaves."""
        position = self._owner.position()
        if position != self._head.position:
            return self._head._replace(position=position)
        return self._head._replace(marks=self._owner.mark(self._db))

    def _take_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._owner.rolled_back(self._db)

    def _is_stored(self, head: Head | None, error: BaseException) -> bool:
        """Open the file anew: whether a transaction is in it that would have left this head. Raises OutcomeUnknown."""
        with suppress(apsw.Error):
            self._db.close(True)
        while True:
            try:
                self._db = self._owner.open()
                self._empty_wal()
                found = self._owner.head(self._db)
                self._leave_mark()
                break
            except apsw.FullError:
                if not self._owner.make_room():
                    raise
                self._db.close(True)
        before, self._head = self._head, self._owner.head(self._db)
        self._owner.rolled_back(self._db)
        if found not in (before, head):
            raise OutcomeUnknown(f"after {error} the file holds {found}, expected {head}, or {before} as before")
        return found == head

    def _empty_wal(self) -> None:
        deadline = time.monotonic() + SETTLE_WAIT_S
        while not try_empty_wal(self._db):
            if time.monotonic() > deadline:
                raise OutcomeUnknown("others read the file for too long to look at it anew")
            time.sleep(SETTLE_POLL_S)

    def _leave_mark(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._owner.mark(self._db)
        self._db.execute("COMMIT")

    def _stop(self, group: Group, error: BaseException) -> None:
        self._broken = error
        with suppress(apsw.Error, SyncError):
            self._take_back()
        for task in group:
            reason = f"the disk did not confirm a commit ({error}); restart to see its outcome"
            task.future.set_exception(OutcomeUnknown(reason))
