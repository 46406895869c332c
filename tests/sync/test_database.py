"""Opening files, and the pool of readers, on a real disk."""

from __future__ import annotations

from contextlib import closing

import apsw
import pytest

from sync.cipher import connect
from sync.database import Readers, create_database, open_database, transaction
from sync.errors import FolderError, LogCorrupt, NewerFormat
from tests.by_hand import SOME_MASTER

APPLICATION_ID, FORMAT = 0x48575454, 3
SCHEMA = "CREATE TABLE t(n INTEGER PRIMARY KEY, text TEXT)"


@pytest.fixture
def path(tmp_path):
    create_database(tmp_path / "t.db", SOME_MASTER, APPLICATION_ID, FORMAT, SCHEMA).close()
    return tmp_path / "t.db"


def numbers(db) -> list[int]:
    return [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]


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
        (lambda path: change(path, "PRAGMA user_version=0"), FolderError),
    ],
    ids=["missing", "a folder", "empty", "text", "cut short", "no header", "foreign", "newer", "unfinished"],
)
def test_each_kind_of_wrong_file_has_its_error(path, harm, error):
    """Missing, foreign, damaged and newer files are told apart, and the message names the file."""
    harm(path)
    there = path.exists()
    with pytest.raises(error, match=r"t\.db"):
        open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT)
    assert path.exists() == there


def change(path, sql: str) -> None:
    with closing(connect(path, SOME_MASTER, APPLICATION_ID)) as db:
        db.execute(sql)


# Readers


def test_readers_see_what_is_committed_and_change_nothing(path):
    """Readers work beside who writes, each reading sees whole transactions, and none can write."""
    readers = Readers(lambda: open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT))
    writing = open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT)
    with closing(writing), readers() as first, readers() as second:
        assert first is not second
        writing.execute("BEGIN IMMEDIATE; INSERT INTO t VALUES(1, '')")
        assert numbers(first) == numbers(second) == []
        writing.execute("COMMIT")
        assert numbers(first) == [1]
        with pytest.raises(apsw.ReadOnlyError):
            first.execute("INSERT INTO t VALUES(2, '')")
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


def test_a_transaction_that_fails_says_why(path):
    """Where SQLite has rolled back by itself, as on a full disk, the first error is the one that is raised."""
    with closing(open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT)) as db:
        db.execute("PRAGMA max_page_count=6").fetchall()
        with pytest.raises(apsw.FullError), transaction(db):
            db.executemany("INSERT INTO t VALUES(?,?)", [(n, "x" * 3000) for n in range(20)])
        assert (numbers(db), db.in_transaction) == ([], False)
        with transaction(db):
            db.execute("INSERT INTO t VALUES(1, '')")
        assert numbers(db) == [1]


def test_a_transaction_is_all_or_nothing(path):
    """What was written before something of our own failed is taken back, and the error comes out as it was."""

    def fail(db):
        db.execute("INSERT INTO t VALUES(1, '')")
        raise KeyError("half way")

    with closing(open_database(path, SOME_MASTER, APPLICATION_ID, FORMAT)) as db:
        with pytest.raises(KeyError, match="half way"), transaction(db):
            fail(db)
        assert (numbers(db), db.in_transaction) == ([], False)
