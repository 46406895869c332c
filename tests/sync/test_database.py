"""Files, the writer with its group commit, and the pool of readers, on a real disk."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, wait
from contextlib import closing

import apsw
import pytest

from sync.cipher import connect
from sync.database import OutcomeUnknown, Readers, Writer, create_database, open_database
from sync.errors import FolderError, LogCorrupt, NewerFormat
from tests.by_hand import SOME_MASTER

APPLICATION_ID, FORMAT = 0x48575454, 3
SCHEMA = "CREATE TABLE t(n INTEGER PRIMARY KEY, text TEXT)"


@pytest.fixture
def path(tmp_path):
    create_database(tmp_path / "t.db", SOME_MASTER, APPLICATION_ID, FORMAT, SCHEMA).close()
    return tmp_path / "t.db"


class Watched:
    """A writer, and what it told its owner."""

    def __init__(self, path) -> None:
        self.db = open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT)
        self.rolled_back: list[list[int]] = []
        self.commits = 0
        self.writer = Writer(self.db, "test", lambda db: self.rolled_back.append(numbers(db)), self._committed)

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


def test_a_commit_that_fails_has_an_unknown_outcome(watched, path):
    """After a refused COMMIT everything asked is answered OutcomeUnknown and nothing is written any more."""
    watched.writer.submit(insert(1)).result(10)
    go_on = watched.hold()
    futures = [watched.writer.submit(insert(n)) for n in (2, 3)]
    watched.db.set_commit_hook(lambda: True)
    go_on.set()
    assert [type(future.exception(10)) for future in futures] == [OutcomeUnknown] * 2
    assert type(watched.writer.submit(insert(4)).exception(10)) is OutcomeUnknown
    assert stored(path) == [1]
    assert watched.rolled_back[-1] == [1]


def test_a_transaction_that_the_engine_gave_up_loses_the_whole_group(watched, path):
    """If SQLite has rolled everything back, no request of the group is told that it is stored; the writer goes on."""
    go_on = watched.hold()
    futures = [watched.writer.submit(work) for work in (insert(1), lambda db: db.execute("ROLLBACK"), insert(2))]
    go_on.set()
    assert all(future.exception(10) is not None for future in futures)
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


@pytest.mark.parametrize("broken", ["rolled_back", "committed"])
def test_nobody_waits_for_ever_when_the_owner_fails(path, broken):
    """If reading the caches again fails, all who wait are answered, and so is everybody after them."""
    begun, go_on = threading.Event(), threading.Event()

    def fail(*_) -> None:
        raise apsw.IOError("the disk is gone")

    callbacks = {"rolled_back": lambda _: None, "committed": lambda: None} | {broken: fail}
    writer = Writer(
        open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT),
        "test",
        callbacks["rolled_back"],
        callbacks["committed"],
    )
    futures = [writer.submit(lambda db: (begun.set(), go_on.wait(10)))]
    assert begun.wait(10)
    futures += [writer.submit(insert(1)), writer.submit(insert(1)), writer.submit(insert(2))]
    go_on.set()
    futures.append(writer.submit(insert(5)))
    _, waiting = wait(futures, 10)
    assert waiting == set()
    writer.close()
    assert type(writer.submit(insert(6)).exception(10)) is OutcomeUnknown


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


def test_closing_finishes_what_was_asked(watched, path):
    """What was asked before the end is stored; what is asked after it is refused at once."""
    futures = [watched.writer.submit(insert(n)) for n in range(300)]
    watched.writer.close()
    assert [future.result(0) for future in futures] == list(range(300))
    assert type(watched.writer.submit(insert(999)).exception(0)) is OutcomeUnknown
    assert stored(path) == list(range(300))


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


# Opening


def test_a_new_file_is_durable_and_marked(path):
    """A file of ours says whose it is and how it must be written."""
    with closing(open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT)) as db:
        found = {
            p: db.execute(f"PRAGMA {p}").get for p in ("application_id", "user_version", "journal_mode", "synchronous")
        }
    assert found == {"application_id": APPLICATION_ID, "user_version": FORMAT, "journal_mode": "wal", "synchronous": 2}


def test_a_file_is_never_made_over_another(path):
    """Creating refuses where a file is."""
    with pytest.raises(FolderError, match="exists"):
        create_database(path, SOME_MASTER, APPLICATION_ID, FORMAT, SCHEMA)


def test_an_older_format_opens(path):
    """A file of an earlier format is one that this version can use."""
    open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT + 1).close()


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (lambda path: path.unlink(), FolderError),
        (lambda path: (path.unlink(), path.mkdir()), FolderError),
        (lambda path: path.write_bytes(b""), LogCorrupt),
        (lambda path: path.write_bytes(b"not a database, but long enough to look like one" * 100), LogCorrupt),
        (lambda path: path.write_bytes(path.read_bytes()[:50]), LogCorrupt),
        (lambda path: path.write_bytes(b"\0" * 16 + path.read_bytes()[16:]), LogCorrupt),
        (lambda path: change(path, "PRAGMA application_id=1"), LogCorrupt),
        (lambda path: change(path, f"PRAGMA user_version={FORMAT + 1}"), NewerFormat),
    ],
    ids=["missing", "a folder", "empty", "text", "cut short", "no header", "foreign", "newer"],
)
def test_each_kind_of_wrong_file_has_its_error(path, harm, error):
    """Missing, foreign, damaged and newer files are told apart, and the message names the file."""
    harm(path)
    with pytest.raises(error, match=r"t\.db"):
        open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT)
    assert path.exists() == (error is not FolderError or path.is_dir())


def change(path, sql: str) -> None:
    with closing(connect(path, SOME_MASTER, APPLICATION_ID)) as db:
        db.execute(sql)


# Readers


def test_readers_see_what_is_committed_and_change_nothing(watched, path):
    """Readers work beside the writer, each reading sees whole transactions, and none can write."""
    readers = Readers(lambda: open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT))
    go_on = watched.hold()
    future = watched.writer.submit(insert(1))
    with readers() as first, readers() as second:
        assert first is not second
        assert numbers(first) == numbers(second) == []
        go_on.set()
        future.result(10)
        assert numbers(first) == [1]
        with pytest.raises(apsw.ReadOnlyError):
            insert(2)(first)
    with readers() as again:
        assert again in (first, second)
    readers.close()
    with pytest.raises(apsw.ConnectionClosedError):
        numbers(again)


def test_a_reader_that_is_out_while_the_pool_closes_is_closed_when_it_returns(path):
    """No connection outlives its pool."""
    readers = Readers(lambda: open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT))
    with readers() as db:
        readers.close()
        assert numbers(db) == []
    with pytest.raises(apsw.ConnectionClosedError):
        numbers(db)
