"""The harness finds what it is there to find: each well-known mistake, built in on purpose, is caught."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import Any
from unittest import mock

import apsw
import pytest

from sync import database
from sync.writer import Writer
from tests.crash import workload
from tests.crash.disk import images
from tests.crash.recording import Answered, Made, Op, Removed, Synced, Wrote, recording
from tests.crash.sweep import Counted, check, scratch

SEED = 4
STEPS = 25


def caught(spoil: Callable[[list[Op]], list[Op]] = lambda ops: ops) -> list[str]:
    """What is found in a day whose record was spoilt."""
    with scratch() as (day, image):
        recorded = workload.run(day, SEED, STEPS)
        recorded = recorded._replace(ops=spoil(recorded.ops))
        counted: Counted = check(recorded, images(recorded.ops, random.Random(SEED)), image)
    return counted.findings


@contextmanager
def pragmas(*more: str, of: str = ""):
    """The store with other settings than it has, for all its files or one."""
    ours = database._pragmas

    def others(db: apsw.Connection) -> None:
        ours(db)
        for pragma in more if db.filename.endswith(of) else ():
            db.execute(f"PRAGMA {pragma}")

    with mock.patch.object(database, "_pragmas", others):
        yield


@contextmanager
def rollback_journal():
    """The store without a WAL; nobody reads beside the writer then."""
    with (
        pragmas("journal_mode=DELETE", "synchronous=EXTRA"),
        mock.patch.object(workload.Workload, "_hold_or_let_go", return_value=None),
    ):
        yield


def file_of(ops: list[Op], name: str) -> set[int]:
    return {op.file for op in ops if isinstance(op, Made) and op.name == name}


def without_syncs_of(name: str) -> Callable[[list[Op]], list[Op]]:
    """A disk that lies about one file."""

    def spoil(ops: list[Op]) -> list[Op]:
        files = file_of(ops, name)
        return [op for op in ops if not (isinstance(op, Synced) and op.file in files)]

    return spoil


def test_the_store_as_it_is_passes():
    """The day on which the mistakes are caught is in itself without a finding."""
    assert caught() == []


def test_synchronous_normal_is_caught():
    """A commit that does not sync the WAL loses what was acknowledged."""
    with pragmas("synchronous=NORMAL", of="log.db"):
        found = caught()
    assert any("was acknowledged" in one and "synced" in one for one in found), found


def test_keys_that_are_synced_later_are_caught():
    """An entry whose key is not yet on the disk cannot be read after a power cut."""
    with pragmas("synchronous=NORMAL", of="keys.db"):
        found = caught()
    assert any("holds no stream key" in one for one in found), found


def test_an_answer_before_the_commit_is_caught():
    """Whoever hears that it is stored while the transaction is open hears a lie."""
    submit = Writer.submit

    def too_early(self: Writer, work: Callable[[apsw.Connection], Any], **_: bool) -> Future[Any]:
        answer: Future[Any] = Future()

        def answering(db: apsw.Connection) -> None:
            try:
                answer.set_result(work(db))
            except BaseException as error:
                answer.set_exception(error)
                raise

        submit(self, answering)
        return answer

    with mock.patch.object(Writer, "submit", too_early):
        found = caught()
    assert any("was acknowledged" in one and "everything" in one for one in found), found


def test_a_skipped_delete_is_caught():
    """A rollback journal that stays takes back what was acknowledged; when it goes, as it should, all is well."""

    def spoil(ops: list[Op]) -> list[Op]:
        made = ops.index(Answered(0))
        return [op for n, op in enumerate(ops) if n < made or not isinstance(op, Removed)]

    with rollback_journal():
        assert caught() == []
        assert caught(spoil) != []


def test_a_delete_that_is_not_synced_is_caught():
    """With a rollback journal, synchronous=FULL is not enough: the removal of the journal may be lost."""
    with rollback_journal(), pragmas("synchronous=FULL"):
        found = caught()
    assert any("was acknowledged" in one for one in found), found


def test_a_checkpoint_that_is_not_synced_is_caught():
    """The WAL must not be begun anew before the database's file is on the disk."""
    assert caught(without_syncs_of("log.db")) != []


@pytest.mark.parametrize("name", ["keys.db-wal", "log.db-wal"])
def test_a_disk_that_lies_is_caught(name):
    """Entries without their keys are found out, and keys without their entries are not what was promised."""
    assert caught(without_syncs_of(name)) != []


def test_a_commit_is_one_sync():
    """With its keys there already, a record is one sync of the WAL and no other."""
    with scratch() as (day, _), recording(day) as tape, workload.repeatable(1):
        made = workload.Workload(day, tape, 1)
        made.store.submit(lambda db: db.execute("PRAGMA wal_autocheckpoint=0").get).result(10)
        for _ in range(3):
            made.commit(made._record(1))
        before = len(tape.ops)
        made.commit(made._record(5))
        syncs = [op for op in tape.ops[before:] if isinstance(op, Synced)]
        made.close()
    assert len(syncs) == 1


def test_the_record_is_made_under_the_cipher():
    """What is written down of an encrypted database is what lies on the disk: it opens with its key, and only so."""
    key = f"PRAGMA key=\"x'{'5a' * 32}'\""
    with scratch() as (day, image):
        with recording(day) as tape, closing(apsw.Connection(str(day / "t.db"))) as db:
            db.execute(key)
            for statement in ("PRAGMA journal_mode=WAL", "CREATE TABLE t(x)", "INSERT INTO t VALUES('canary')"):
                db.execute(statement)
            *_, last = images(tape.ops, random.Random(1))
        assert not any(b"canary" in op.data for op in tape.ops if isinstance(op, Wrote))
        for name, content in last.files.items():
            (image / name).write_bytes(content)
        with closing(apsw.Connection(str(image / "t.db"))) as db:
            db.execute(key)
            assert db.execute("SELECT x FROM t").get == "canary"
        with closing(apsw.Connection(str(image / "t.db"))) as db, pytest.raises(apsw.NotADBError):
            db.execute("SELECT x FROM t")
