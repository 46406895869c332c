"""A file of read models that is being filled: what is kept of the work, and who may go on with it.

    begun -> rows of ranges … -> commit -> rows of ranges … -> commit -> … -> all ranges, mark -> finished: no plan

What each commit point promises:

* *Up to the first commit* the file has no journal, for there is nothing to go back to. Its rows are on the disk before
  the plan is written, in a transaction of its own. A cut before that leaves a file without a plan, of use to nobody.
* *From then on* there is a rollback journal, and rows are written together with how far the work is. A cut leaves the
  commit before; whoever opens the file next rolls back what came after it.
* *Finished* is a file whose plan was taken out. As long as it is there the file has a table too many to be taken for
  read models in use (`Views.is_sound`).

The *plan* is what the rest of the work needs, and all that the finished rows rest on: the ranges, for a log that grows
would be cut into others; the position that is the goal and the entry that stands there; which home each log that was
asked for belongs to; and a digest of what else decides: the versions of the views and of the program's very text, which
branches count, and who was erased. Only who finds all of it as it was may go on. Otherwise, and when a page of it is
damaged or it is under another key, the file is thrown away and the work begins anew. So rows in one file never come
from two ways of folding, and nothing of a subject that was erased since is carried on.

An erasure removes the file by its name, also while somebody fills it. That one notices before its next commit, and
begins anew (`TakenAway`).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import apsw
import msgpack

from domain.views import VIEWS_VERSION
from node.views import APPLICATION_ID, HomeOf, Row, Views, put_mark, put_rows, remove
from sync import log_sql, range_sql
from sync.cipher import MasterKey
from sync.database import open_database, transaction
from sync.erasure import erased_subjects
from sync.errors import SyncError
from sync.stored_log import StoredLog
from sync.subject_ranges import Plan, Range, planned

CACHE_KIB: Final = 64 * 1024
PROGRAM: Final = ("domain", "node", "sync")  # whose text decides what a row says
_SCHEMA: Final = "CREATE TABLE plan(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
_PUT: Final = "INSERT OR REPLACE INTO plan VALUES(?, ?)"


class TakenAway(Exception):
    """The file that was being filled was removed by an erasure: begin anew."""


class Homes(dict[bytes, str]):
    """Whose each log is that was asked for: one answer for all of a file."""

    def __init__(self, home_of: HomeOf, known: Mapping[bytes, str]) -> None:
        super().__init__(known)
        self._home_of = home_of

    def __missing__(self, log: bytes) -> str:
        home = self[log] = self._home_of(log)
        return home


@dataclass(slots=True)
class Work:
    """What is to be done up to which position, what it rests on, and how far it is."""

    basis: bytes
    branches: int
    goal: int
    last: bytes
    plan: Plan
    homes: Homes
    done: int = 0  # ranges
    entries: int = 0  # in them, as far as they count


class HalfBuilt:
    """A file that is being filled. Used by one thread; nobody else has the file open."""

    def __init__(self, path: Path, db: apsw.Connection, work: Work, *, keeps: bool, planned_in: bool) -> None:
        """See `begun` and `left`."""
        self.work = work
        self._path = path
        self._db = db
        self._keeps = keeps
        self._file = path.stat().st_ino
        self._has_plan = planned_in
        self.kept = work.entries if planned_in else 0
        mode = "DELETE" if planned_in else "OFF"
        for pragma in (f"journal_mode={mode}", "locking_mode=EXCLUSIVE", f"cache_size=-{CACHE_KIB}"):
            db.execute(f"PRAGMA {pragma}").fetchall()

    def write(self, tables: Mapping[str, Sequence[Row]]) -> apsw.Connection:
        """The rows of the next range; gives the connection, for what is written with them."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN EXCLUSIVE")
        put_rows(self._db, tables)
        return self._db

    def commit(self) -> None:
        """Keep what was written; a cut from here on costs only what comes after."""
        if not self._keeps:
            return
        try:
            self._require_in_place()
            if self._has_plan:
                self._put_progress()
                self._db.execute("COMMIT")
            else:
                self._db.execute("COMMIT")  # and it is on the disk: `synchronous` is FULL, whatever the journal
                self._begin_plan()
        except apsw.Error:
            self._require_in_place()
            raise
        self.kept = self.work.entries

    def complete(self) -> None:
        """All ranges are written: say so in the mark, keep it and let go of the file."""
        db = self.write({})
        if not db.execute("SELECT value FROM mark WHERE name='position'").get:  # else it was followed on from there
            put_mark(db, self.work.goal, self.work.last)
        if self._keeps:
            self.commit()
        else:
            db.execute("COMMIT")
        db.close()

    def pause(self) -> None:
        """Between two ranges: keep what is done, if anything is, for whoever goes on."""
        try:
            if self._db.in_transaction and self.work.entries > self.kept:
                self.commit()
        except TakenAway:
            self.throw_away()
        except BaseException:
            self.throw_away()
            raise
        else:
            self.let_go()

    def let_go(self) -> None:
        """Leave what the last commit kept; without one, nothing."""
        self._db.close()
        if not self._has_plan:
            remove(self._path)

    def throw_away(self) -> None:
        """Leave nothing."""
        self.kept = 0
        self._db.close()
        remove(self._path)

    def _require_in_place(self) -> None:
        try:
            in_place = self._path.stat().st_ino == self._file
        except FileNotFoundError:
            in_place = False
        if not in_place:
            raise TakenAway(f"{self._path} was removed while it was being filled")

    def _begin_plan(self) -> None:
        self._db.execute("PRAGMA journal_mode=DELETE").fetchall()
        with transaction(self._db):
            self._db.execute(_SCHEMA)
            work = self.work
            fixed = (work.basis, work.branches, work.goal, work.last, work.plan.ranges, work.plan.joined)
            self._db.execute(_PUT, ("work", msgpack.packb(fixed)))
            self._put_progress()
        self._has_plan = True

    def _put_progress(self) -> None:
        progress = (self.work.done, self.work.entries, dict(self.work.homes))
        self._db.execute(_PUT, ("progress", msgpack.packb(progress)))


def begun(
    store: StoredLog, path: Path, home_of: HomeOf, until: int, count_max: int, *, keeps: bool = True
) -> HalfBuilt:
    """A new file in place of whatever was there. Of one that is not kept a cut leaves nothing of use."""
    branches = len(store.reading(log_sql.branches))
    goal, last = store.reading(lambda db: range_sql.newest(db, until))
    basis = _basis(store, branches) if keeps else b""
    work = Work(basis, branches, goal, last, planned(store, count_max), Homes(home_of, {}))
    Views.create(path, store.master).close()
    with in_place(path):
        return HalfBuilt(path, _opened(path, store.master), work, keeps=keeps, planned_in=False)


@contextmanager
def in_place(path: Path) -> Iterator[None]:
    """Whatever fails in this block because the file is gone says so: TakenAway."""
    try:
        yield
    except (SyncError, apsw.Error, OSError):
        if path.exists():
            raise
        raise TakenAway(f"{path} was removed by an erasure") from None


def left(store: StoredLog, path: Path, home_of: HomeOf, until: int) -> HalfBuilt | None:
    """What was left of a work that was cut, if it may go on and that is worth it; else it is removed."""
    if not path.exists():
        return None
    try:
        db = _opened(path, store.master)
    except (SyncError, apsw.Error):
        remove(path)
        return None
    half = None
    try:
        work = _work_in(db, home_of)
        if _may_go_on(store, work, home_of) and _is_worth_it(work, until) and _is_sound(db):
            half = HalfBuilt(path, db, work, keeps=True, planned_in=True)
    except (SyncError, apsw.Error, ValueError, TypeError):  # no plan, or one that says nothing
        pass
    finally:
        if half is None:
            db.close()
            remove(path)
    return half


def finish(path: Path, master: MasterKey) -> None:
    """Make a file of read models of one that is filled: durable, and without the plan."""
    with closing(_opened(path, master)) as db:
        db.execute("DROP TABLE IF EXISTS plan")


def forget(path: Path) -> None:
    """Remove a file that somebody may be filling at this moment: it may hold what was erased."""
    with suppress(PermissionError):  # where names of open files stay, `left` refuses it
        remove(path)


def _opened(path: Path, master: MasterKey) -> apsw.Connection:
    return open_database(path, master, APPLICATION_ID, VIEWS_VERSION)


def _work_in(db: apsw.Connection, home_of: HomeOf) -> Work:
    found: dict[str, Any] = {name: msgpack.unpackb(value, strict_map_key=False) for name, value in _plan_in(db)}
    if db.execute("PRAGMA user_version").get != VIEWS_VERSION or found.keys() != {"work", "progress"}:
        raise ValueError("no work of this version")
    basis, branches, goal, last, ranges, joined = found["work"]
    done, entries, homes = found["progress"]
    plan = Plan([Range(*one) for one in ranges], joined)
    return Work(basis, branches, goal, last, plan, Homes(home_of, homes), done, entries)


def _plan_in(db: apsw.Connection) -> list[Any]:
    return db.execute("SELECT name, value FROM plan").fetchall()


def _may_go_on(store: StoredLog, work: Work, home_of: HomeOf) -> bool:
    """Whether all that the finished rows rest on is as it was."""
    fresh = store.reading(log_sql.branches)[work.branches :]
    return (
        all(branch.leads for branch in fresh)  # else entries that were there before count otherwise
        and store.reading(lambda db: range_sql.newest(db, work.goal)) == (work.goal, work.last)
        and all(home_of(log) == home for log, home in work.homes.items())
        and _basis(store, work.branches) == work.basis
    )


def _is_worth_it(work: Work, until: int) -> bool:
    """Whether less came since than is done: it is followed, which takes longer than filling."""
    return 0 <= until - work.goal <= work.entries


def _is_sound(db: apsw.Connection) -> bool:
    found: list[Any] = db.execute("PRAGMA quick_check(1)").fetchall()
    return found == [("ok",)]


def _basis(store: StoredLog, count: int) -> bytes:
    """A digest of what rows rest on beside the entries themselves and their homes."""
    branches = [(one.id, one.log, int(one.kind)) for one in store.reading(log_sql.branches)[:count]]
    erased = sorted(erased_subjects(store))
    return hashlib.sha256(msgpack.packb((VIEWS_VERSION, _program(), branches, erased))).digest()


@functools.cache
def _program() -> bytes:
    """A digest of the text of all that folds."""
    digest = hashlib.sha256()
    for package in PROGRAM:
        folder = resources.files(package)
        for name in sorted(one.name for one in folder.iterdir() if one.name.endswith(".py")):
            digest.update(b"%s/%s\0%s\0" % (package.encode(), name.encode(), folder.joinpath(name).read_bytes()))
    return digest.digest()
