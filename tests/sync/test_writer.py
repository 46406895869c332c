"""The writer: group commit, true answers, and a disk that fails, on real files."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import CancelledError, wait
from contextlib import closing

import apsw
import pytest

from sync import writer as writer_module
from sync.cipher import connect
from sync.database import NotStored, OutcomeUnknown, create_database, open_database
from sync.errors import LogCorrupt
from sync.writer import Head, Owner, Writer
from tests.by_hand import SOME_MASTER

APPLICATION_ID, FORMAT = 0x48575454, 3
SCHEMA = """
CREATE TABLE t(n INTEGER PRIMARY KEY, text TEXT);
CREATE TABLE mark(id INTEGER PRIMARY KEY, count INTEGER);
INSERT INTO mark VALUES(0, 0);
"""


@pytest.fixture
def path(tmp_path):
    create_database(tmp_path / "t.db", SOME_MASTER, APPLICATION_ID, FORMAT, SCHEMA).close()
    return tmp_path / "t.db"


class Watched:
    """A writer whose position is the largest number, and what it told its owner."""

    def __init__(self, path, **instead) -> None:
        self.path = path
        self.rolled_back: list[list[int]] = []
        self.commits = self.opened = 0
        owner = {
            "open": self._open,
            "position": lambda: head(self.db).position,
            "head": head,
            "mark": mark,
            "rolled_back": lambda db: self.rolled_back.append(numbers(db)),
            "committed": self._committed,
        }
        self.writer = Writer(self._open(), "test", Owner(**(owner | instead)))

    def _open(self) -> apsw.Connection:
        self.opened += 1
        self.db = open_database(self.path, SOME_MASTER, APPLICATION_ID, FORMAT)
        return self.db

    def _committed(self) -> None:
        self.commits += 1

    def hold(self) -> threading.Event:
        """Keep the writer busy until the event is set, so that what is asked meanwhile becomes one group."""
        begun, go_on = threading.Event(), threading.Event()
        self.writer.submit(lambda db: (begun.set(), go_on.wait(10)))
        assert begun.wait(10)
        return go_on


@pytest.fixture
def watched(path):
    made = Watched(path)
    yield made
    made.writer.close()


def head(db) -> Head:
    return Head(db.execute("SELECT coalesce(max(n), 0) FROM t").get, db.execute("SELECT count FROM mark").get)


def mark(db) -> int:
    return db.execute("UPDATE mark SET count=count+1 RETURNING count").get


def insert(n: int, text: str = ""):
    def work(db):
        db.execute("INSERT INTO t VALUES(?,?)", (n, text))
        return n

    return work


def numbers(db) -> list[int]:
    return [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]


def stored(path) -> list[int]:
    with closing(connect(path, SOME_MASTER, APPLICATION_ID)) as db:
        return numbers(db)


def test_an_answer_comes_after_the_commit(watched, path):
    """When a future has its result, another connection sees the row."""
    for n in range(5):
        assert watched.writer.submit(insert(n)).result(10) == n
        assert n in stored(path)


def test_requests_that_wait_share_one_commit(watched, path):
    """A group of requests is committed once, and each gets its own answer."""
    go_on = watched.hold()
    futures = [watched.writer.submit(insert(n)) for n in range(50)]
    go_on.set()
    assert [future.result(10) for future in futures] == list(range(50))
    assert watched.commits == 2
    assert stored(path) == list(range(50))


def test_those_who_ask_again_at_once_share_commits(watched, path):
    """Of askers who each wait for an answer before they ask again, many share a commit, round after round."""
    begin = threading.Event()

    def ask(first: int) -> None:
        begin.wait(10)
        for n in range(first, 400, 8):
            assert watched.writer.submit(insert(n)).result(10) == n

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    begin.set()
    for thread in threads:
        thread.join()
    assert stored(path) == list(range(400))
    assert watched.commits <= 80  # 400 requests of eight: one, then seven at a time would be a hundred


def test_who_asks_alone_after_many_waits_for_nobody(watched):
    """A request that follows a large group is answered although nobody else comes back."""
    go_on = watched.hold()
    futures = [watched.writer.submit(insert(n)) for n in range(50)]
    go_on.set()
    wait(futures, 10)
    assert [watched.writer.submit(insert(n)).result(10) for n in (100, 101)] == [100, 101]
    assert watched.commits == 4


def test_one_bad_request_is_rolled_back_alone(watched, path):
    """Of a group, the requests before and after a failing one are stored; the owner reads again what it had cached."""

    def half_done(db):
        insert(100)(db)
        raise KeyError("after a write")

    go_on = watched.hold()
    futures = [watched.writer.submit(work) for work in (insert(1), half_done, insert(2), insert(1), insert(3))]
    go_on.set()
    wait(futures, 10)
    errors = [type(future.exception()) for future in futures]
    assert errors == [type(None), KeyError, type(None), apsw.ConstraintError, type(None)]
    assert stored(path) == [1, 2, 3]
    assert watched.rolled_back == [[1], [1, 2]]


def refuse_commits(watched, count: int) -> None:
    """A request after which the next commits fail, its own the first, also on connections that are opened later."""
    watched.writer.submit(lambda _: _refuse_commits(watched, count))


def _refuse_commits(watched, count: int) -> None:
    left = [count]

    def hook() -> bool:
        left[0] -= 1
        return left[0] >= 0

    opening = watched._open

    def opened() -> apsw.Connection:
        db = opening()
        db.set_commit_hook(hook)
        return db

    watched.db.set_commit_hook(hook)
    object.__setattr__(watched.writer._owner, "open", opened)


def test_a_commit_that_failed_and_is_not_there_is_said_to_be_not_stored(watched, path):
    """After a refused COMMIT the file is opened anew, who asked learns that nothing is stored, and work goes on."""
    watched.writer.submit(insert(1)).result(10)
    go_on = watched.hold()
    refuse_commits(watched, 1)
    futures = [watched.writer.submit(insert(n)) for n in (2, 3)]
    go_on.set()
    assert [type(future.exception(10)) for future in futures] == [NotStored] * 2
    assert all("try again (" in str(future.exception()) for future in futures)
    assert (stored(path), watched.rolled_back, watched.opened) == ([1], [[1]], 2)
    assert watched.writer.submit(insert(4)).result(10) == 4
    assert stored(path) == [1, 4]


@pytest.mark.parametrize("work", [insert(2), lambda db: db.execute("UPDATE t SET text='new'").fetchall()])
def test_a_commit_that_failed_and_is_there_is_said_to_be_stored(path, work):
    """An error that comes after the transaction reached the file does not make a liar of the answer, mark or entry."""

    class Late:
        """A connection whose next COMMIT is done, and then fails."""

        def __init__(self, db) -> None:
            self._db, self.fails = db, False

        def __getattr__(self, name):
            return getattr(self._db, name)

        def execute(self, sql, *bindings):
            done = self._db.execute(sql, *bindings)
            if sql.upper() == "COMMIT" and self.fails:
                self.fails = False
                raise apsw.IOError("the sync failed, the frames are there")
            return done

    watched = Watched(path)
    watched.writer.submit(insert(1, "old")).result(10)
    late = watched.writer._db = Late(watched.db)

    def failing(db):
        late.fails = True
        return work(db)

    future = watched.writer.submit(failing)
    assert future.exception(10) is None
    assert watched.opened == 2
    assert watched.writer.submit(insert(3)).result(10) == 3
    watched.writer.close()


def test_a_group_of_entries_leaves_no_mark(watched):
    """What adds entries, and what changes nothing, costs no mark; what changes something else leaves one."""
    watched.writer.submit(insert(1)).result(10)
    watched.writer.submit(numbers).result(10)
    assert head(watched.db) == (1, 0)
    watched.writer.submit(lambda db: db.execute("UPDATE t SET text='new'").fetchall()).result(10)
    assert head(watched.db) == (1, 1)


def test_where_looking_anew_fails_the_outcome_is_unknown(watched, path):
    """If the file cannot be trusted after a refused COMMIT, everything asked is answered so, and nothing is written."""
    watched.writer.submit(insert(1)).result(10)
    go_on = watched.hold()
    refuse_commits(watched, 2)
    futures = [watched.writer.submit(insert(n)) for n in (2, 3)]
    go_on.set()
    assert [type(future.exception(10)) for future in futures] == [OutcomeUnknown] * 2
    assert type(watched.writer.submit(insert(4)).exception(10)) is OutcomeUnknown
    assert stored(path) == [1]


@pytest.mark.parametrize("room", [True, False])
def test_room_is_made_for_looking_anew(path, room):
    """A disk that is full as well when the file is opened anew gets room, and the answer is true; without, unknown."""
    watched = Watched(path, make_room=lambda: room)
    watched.writer.submit(insert(1)).result(10)
    opening, full = watched._open, iter([True])

    def opened():
        if next(full, False):
            raise apsw.FullError("no room for the shared memory")
        return opening()

    watched._open = opened
    go_on = watched.hold()
    refuse_commits(watched, 1)
    future = watched.writer.submit(insert(2))
    go_on.set()
    assert type(future.exception(10)) is (NotStored if room else OutcomeUnknown)
    assert type(watched.writer.submit(insert(3)).exception(10)) is (type(None) if room else OutcomeUnknown)
    watched.writer.close()
    assert stored(path) == ([1, 3] if room else [1])


def test_a_file_that_somebody_else_has_changed_is_not_explained(watched, path):
    """If the file holds neither what was before nor what was to come, nothing is claimed, and nothing is written."""
    watched.writer.submit(insert(1)).result(10)
    opening = watched._open

    def opened():
        with closing(connect(path, SOME_MASTER, APPLICATION_ID)) as other:
            insert(77)(other)
        return opening()

    watched._open = opened
    go_on = watched.hold()
    refuse_commits(watched, 1)
    future = watched.writer.submit(insert(2))
    go_on.set()
    assert type(future.exception(10)) is OutcomeUnknown
    assert re.search(r"after .*constraint failed.* the file holds .*=77.*expected .*=2", str(future.exception()))
    assert type(watched.writer.submit(insert(3)).exception(10)) is OutcomeUnknown
    assert stored(path) == [1, 77]


@pytest.mark.parametrize("more", [None, LogCorrupt("a row is gone"), apsw.IOError("the disk is gone")])
def test_a_writer_that_meets_damage_lets_go_of_the_file(path, more):
    """Damage at the end of a group stops the writer: all are answered, nothing is stored, nobody is kept out."""
    damaged = threading.Event()

    def flush(_) -> None:
        if damaged.is_set():
            raise apsw.CorruptError("a page is not what it was")

    def rolled_back(_) -> None:
        if more is not None:
            raise more

    watched = Watched(path, flush=flush, rolled_back=rolled_back)
    watched.writer.submit(insert(1)).result(10)
    go_on = watched.hold()
    futures = [watched.writer.submit(insert(n), whole=True) for n in (2, 3)]
    futures += [watched.writer.submit(lambda _: damaged.set(), whole=True)]
    go_on.set()
    assert [type(future.exception(10)) for future in futures] == [OutcomeUnknown] * 3
    assert all("(a page is not what it was); restart to see" in str(future.exception()) for future in futures)
    with closing(connect(path, SOME_MASTER, APPLICATION_ID)) as other:
        insert(4)(other)
    assert (stored(path), watched.opened) == ([1, 4], 1)
    assert type(watched.writer.submit(insert(5)).exception(10)) is OutcomeUnknown
    watched.writer.close()


def test_who_waits_for_a_place_in_the_queue_is_answered_too(path, monkeypatch):
    """Requests that found the queue full when the writer stops are refused like those in it, whoever comes last."""
    monkeypatch.setattr(writer_module, "QUEUE_COUNT_MAX", 1)

    def fail() -> None:
        raise apsw.IOError("the disk is gone")

    watched, futures = Watched(path, committed=fail), []
    go_on = watched.hold()
    futures.append(watched.writer.submit(insert(0)))

    def ask(n: int) -> None:
        futures.append(watched.writer.submit(insert(n)))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(1, 6)]
    for thread in threads:
        thread.start()
    assert len(futures) == 1
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert [type(future.exception(10)) for future in futures] == [OutcomeUnknown] * 6
    watched.writer.close()
    assert stored(path) == []


def test_a_damaged_page_that_a_request_meets_is_named_to_who_asked(watched, path):
    """Where only a request's own reading meets damage, its asker learns which file it is; others are served."""

    def meet(_):
        raise apsw.CorruptError("a page is not what it was")

    error = watched.writer.submit(meet).exception(10)
    assert isinstance(error, LogCorrupt)
    assert str(path) in str(error)
    assert watched.writer.submit(insert(1)).result(10) == 1


def test_a_file_that_another_program_writes_to_is_busy(watched, path):
    """While another connection holds the file for writing, whoever asks is told so in the end; later work goes on."""
    watched.db.set_busy_timeout(20)
    with closing(connect(path, SOME_MASTER, APPLICATION_ID)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert type(watched.writer.submit(insert(1)).exception(10)) is apsw.BusyError
        other.execute("ROLLBACK")
    assert watched.commits == 0
    assert watched.writer.submit(insert(2)).result(10) == 2
    assert (stored(path), watched.commits) == ([2], 1)


def test_who_still_waits_when_the_writer_stops_is_answered(path, monkeypatch):
    """Requests that no group has taken yet are refused when the writer stops; who took his back is left alone."""
    monkeypatch.setattr(writer_module, "GROUP_COUNT_MAX", 1)

    def fail() -> None:
        raise apsw.IOError("the disk is gone")

    watched = Watched(path, committed=fail)
    go_on = watched.hold()
    waiting, taken_back, last = (watched.writer.submit(insert(n)) for n in (1, 2, 3))
    assert taken_back.cancel()
    go_on.set()
    for future in (waiting, last):
        assert isinstance(future.exception(10), OutcomeUnknown)
        assert "the disk is gone" in str(future.exception())
    assert taken_back.cancelled()
    watched.writer.close()
    assert stored(path) == []


def test_readers_that_stay_make_the_outcome_unknown_in_the_end(watched, path, monkeypatch):
    """Who reads an old state keeps the WAL from being emptied: after a bounded time nothing is claimed."""
    monkeypatch.setattr(writer_module, "SETTLE_WAIT_S", 0.3)
    watched.writer.submit(insert(1)).result(10)
    with closing(connect(path, SOME_MASTER, APPLICATION_ID)) as reader:
        reader.execute("BEGIN; SELECT count(*) FROM t").fetchall()
        go_on = watched.hold()
        refuse_commits(watched, 1)
        future = watched.writer.submit(insert(2))
        go_on.set()
        assert type(future.exception(10)) is OutcomeUnknown


def test_a_reader_who_ends_is_waited_for(watched, path):
    """A reading of an old state delays the answer after a refused COMMIT, and does not spoil it."""
    watched.writer.submit(insert(1)).result(10)
    with closing(connect(path, SOME_MASTER, APPLICATION_ID)) as reader:
        reader.execute("BEGIN; SELECT count(*) FROM t").fetchall()
        go_on = watched.hold()
        refuse_commits(watched, 1)
        future = watched.writer.submit(insert(2))
        go_on.set()
        assert not wait([future], 0.2).done
        reader.execute("COMMIT")
        assert type(future.exception(10)) is NotStored
    assert watched.writer.submit(insert(3)).result(10) == 3
    assert stored(path) == [1, 3]


def test_a_reading_that_a_request_left_unfinished_is_ended(watched, path):
    """What keeps the old connection busy is no reason to leave it open: the file is looked at anew, work goes on."""
    for n in (1, 2):
        watched.writer.submit(insert(n)).result(10)
    go_on = watched.hold()
    refuse_commits(watched, 1)
    left = []

    def leaving(db):
        left.append(db.execute("SELECT n FROM t"))
        assert next(left[0]) == (1,)
        return insert(3)(db)

    unfinished = watched.writer.submit(leaving)
    go_on.set()
    assert type(unfinished.exception(10)) is NotStored
    assert watched.writer.submit(insert(4)).result(10) == 4
    assert stored(path) == [1, 2, 4]


def test_what_a_whole_request_added_is_seen_by_the_next(path):
    """What waits in memory is written before a request that may read the database runs, in the same group."""
    added: list[int] = []

    def flush(db) -> None:
        while added:
            insert(added.pop(0))(db)

    watched = Watched(path, flush=flush)
    go_on = watched.hold()
    watched.writer.submit(lambda _: added.append(1), whole=True)
    seen = watched.writer.submit(numbers)
    go_on.set()
    assert seen.result(10) == [1]
    watched.writer.close()
    assert watched.commits == 2


def test_what_is_asked_meanwhile_waits(watched, path):
    """Requests that come while the file is opened anew wait in the queue, and are served by the new connection."""
    inside, go_on = threading.Event(), threading.Event()
    opening = watched._open

    def slowly() -> apsw.Connection:
        inside.set()
        assert go_on.wait(10)
        return opening()

    watched._open = slowly
    held = watched.hold()
    refuse_commits(watched, 1)
    failed = watched.writer.submit(insert(1))
    held.set()
    assert inside.wait(10)
    waiting = [watched.writer.submit(insert(n)) for n in range(2, 20)]
    assert not any(future.done() for future in waiting)
    go_on.set()
    assert type(failed.exception(10)) is NotStored
    assert [future.result(10) for future in waiting] == list(range(2, 20))
    assert stored(path) == list(range(2, 20))


def test_room_that_the_owner_makes_lets_the_group_run_once_more(path):
    """Where the disk is full and the owner gives something back, everybody in the group is stored, and once."""
    asked = []

    def make_room() -> bool:
        asked.append(1)
        watched.db.execute("PRAGMA max_page_count=1000000").fetchall()
        return len(asked) == 1

    watched = Watched(path, make_room=make_room)
    watched.writer.submit(lambda db: db.execute("PRAGMA max_page_count=6").get).result(10)
    go_on = watched.hold()
    futures = [watched.writer.submit(insert(n, "x" * 3000)) for n in range(1, 12)]
    go_on.set()
    assert [future.result(10) for future in futures] == list(range(1, 12))
    assert (stored(path), len(asked)) == (list(range(1, 12)), 1)
    watched.writer.close()


@pytest.mark.parametrize("room", [True, False])
def test_a_disk_that_is_full_at_the_end_of_a_group_is_no_other_case(path, room):
    """Where only the writing together meets the full disk, the group is stored once room is made, or none of it."""
    added: list[int] = []

    def flush(db) -> None:
        for n in added:
            insert(n, "x" * 3000)(db)
        added.clear()

    def make_room() -> bool:
        watched.db.execute("PRAGMA max_page_count=1000000").fetchall()
        return room

    def add(n: int):
        return lambda _: added.append(n)

    def rolled_back(_) -> None:
        added.clear()

    watched = Watched(path, make_room=make_room, flush=flush, rolled_back=rolled_back)
    watched.writer.submit(lambda db: db.execute("PRAGMA max_page_count=6").get).result(10)
    go_on = watched.hold()
    futures = [watched.writer.submit(add(n), whole=True) for n in range(1, 12)]
    go_on.set()
    wait(futures, 10)
    assert {type(future.exception()) for future in futures} == {type(None) if room else apsw.FullError}
    assert stored(path) == (list(range(1, 12)) if room else [])
    assert watched.writer.submit(insert(20)).result(10) == 20
    watched.writer.close()


def test_a_full_disk_is_answered_as_such_where_no_room_can_be_made(path):
    """Without anything to give back the answer says that the disk is full, and the writer goes on."""
    watched = Watched(path)
    watched.writer.submit(lambda db: db.execute("PRAGMA max_page_count=6").get).result(10)
    assert type(watched.writer.submit(insert(1, "x" * 30_000)).exception(10)) is apsw.FullError
    assert watched.writer.submit(insert(2)).result(10) == 2
    assert stored(path) == [2]
    watched.writer.close()


def test_a_transaction_that_the_engine_gave_up_loses_the_whole_group(watched, path):
    """If SQLite has rolled everything back, no request of the group is told that it is stored; the writer goes on."""
    go_on = watched.hold()
    futures = [watched.writer.submit(work) for work in (insert(1), lambda db: db.execute("ROLLBACK"), insert(2))]
    go_on.set()
    assert [str(future.exception(10)) for future in futures] == ["not stored: the transaction was rolled back"] * 3
    assert stored(path) == []
    assert watched.rolled_back == [[]]
    assert watched.writer.submit(insert(3)).result(10) == 3
    assert stored(path) == [3]


def test_a_full_disk_refuses_and_keeps_what_was_acknowledged(watched, path):
    """Where no page is left, requests fail; what was answered before is stored, what failed is not."""
    watched.writer.submit(insert(1)).result(10)
    watched.writer.submit(lambda db: db.execute("PRAGMA max_page_count=6").get).result(10)
    futures = [watched.writer.submit(insert(n, "x" * 3000)) for n in range(2, 12)]
    wait(futures, 10)
    good = [1, *(n for n, future in enumerate(futures, 2) if future.exception() is None)]
    assert len(good) < 11
    assert stored(path) == good


@pytest.mark.parametrize("error", [apsw.IOError("the disk is gone"), LogCorrupt("a row is gone")])
@pytest.mark.parametrize("broken", ["rolled_back", "committed"])
def test_nobody_waits_for_ever_when_the_owner_fails(path, broken, error):
    """If reading the caches again fails, all who wait are answered, and so is everybody after them."""
    begun, go_on = threading.Event(), threading.Event()

    def fail(*_) -> None:
        raise error

    writer = Watched(path, **{broken: fail}).writer
    futures = [writer.submit(lambda db: (begun.set(), go_on.wait(10)))]
    assert begun.wait(10)
    futures += [writer.submit(insert(1)), writer.submit(insert(1)), writer.submit(insert(2))]
    go_on.set()
    futures.append(writer.submit(insert(5)))
    _, waiting = wait(futures, 10)
    assert waiting == set()
    writer.close()
    refused = writer.submit(insert(6)).exception(10)
    assert (type(refused), str(refused)) == (OutcomeUnknown, f"the store stopped writing: {error}")


def test_a_request_taken_back_in_time_is_not_run(watched, path):
    """A future cancelled before its turn costs nothing and harms nobody in its group."""
    go_on = watched.hold()
    first, taken_back, last = (watched.writer.submit(insert(n)) for n in (1, 2, 3))
    assert taken_back.cancel()
    go_on.set()
    assert (first.result(10), last.result(10)) == (1, 3)
    with pytest.raises(CancelledError):
        taken_back.result(10)
    assert stored(path) == [1, 3]


def test_a_request_cannot_be_taken_back_once_it_runs(watched, path):
    """Cancelling a running request changes nothing: the writer lives, the row is stored."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(db):
        begun.set()
        assert go_on.wait(10)
        return insert(1)(db)

    future = watched.writer.submit(slow)
    assert begun.wait(10)
    assert not future.cancel()
    go_on.set()
    assert future.result(10) == 1
    assert watched.writer.submit(insert(2)).result(10) == 2
    assert stored(path) == [1, 2]


def test_the_writers_thread_says_whose_it_is_and_keeps_no_process_alive(watched):
    """A stack of all threads names it, and a process whose main thread ends does not wait for it."""
    threads = [thread for thread in threading.enumerate() if thread.name == "writer test"]
    assert [thread.daemon for thread in threads] == [True]


def test_closing_finishes_what_was_asked(watched, path):
    """What was asked before the end is stored; what is asked after it is refused at once."""
    futures = [watched.writer.submit(insert(n)) for n in range(300)]
    watched.writer.close()
    assert [future.result(0) for future in futures] == list(range(300))
    refused = watched.writer.submit(insert(999)).exception(0)
    assert (type(refused), str(refused)) == (OutcomeUnknown, "the store stopped writing: closed")
    assert stored(path) == list(range(300))


def test_what_is_asked_behind_the_end_is_refused(path):
    """A request that comes after the closing began, while the writer still works, is refused and says why."""
    watched = Watched(path)
    go_on = watched.hold()
    closing_it = threading.Thread(target=watched.writer.close)
    closing_it.start()
    while watched.writer._queue.empty():
        time.sleep(0.001)
    late = watched.writer.submit(insert(1))
    go_on.set()
    refused = late.exception(10)
    assert (type(refused), str(refused)) == (OutcomeUnknown, "the store stopped writing: closed")
    closing_it.join(10)
    assert stored(path) == []


def test_a_connection_that_does_not_close_harms_nobody(path):
    """An error of the disk at the closing itself changes no answer: everything that counts was committed before."""

    class Stuck:
        """A connection that is closed, and then complains."""

        def __init__(self, db) -> None:
            self._db = db

        def __getattr__(self, name):
            return getattr(self._db, name)

        def close(self, *force) -> None:
            self._db.close(*force)
            raise apsw.IOError("the disk is gone")

    watched = Watched(path)
    watched.writer._db = Stuck(watched.db)
    go_on = watched.hold()
    refuse_commits(watched, 1)
    failed = watched.writer.submit(insert(1))
    go_on.set()
    assert type(failed.exception(10)) is NotStored
    assert watched.writer.submit(insert(2)).result(10) == 2
    watched.writer._db = Stuck(watched.writer._db)
    watched.writer.close()
    assert stored(path) == [2]


def test_everybody_is_answered_while_the_writer_ends(path):
    """Many threads that ask while the writer closes all get an answer, and it is true."""
    watched = Watched(path)
    futures, lock = [], threading.Lock()

    def ask(base: int) -> None:
        for n in range(base, base + 500):
            future = watched.writer.submit(insert(n))
            with lock:
                futures.append((n, future))

    threads = [threading.Thread(target=ask, args=(base,)) for base in (0, 1000, 2000, 3000)]
    for thread in threads:
        thread.start()
    watched.writer.close()
    for thread in threads:
        thread.join(10)
    assert len(futures) == 2000
    said = sorted(n for n, future in futures if future.exception(10) is None)
    assert stored(path) == said
