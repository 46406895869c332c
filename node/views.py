"""`views.db`: read models that may be deleted at any time, and the follower that feeds them.

The follower reads entries after its position, folds every touched subject again and writes that subject's rows, what
they replace and the new position in one transaction. A power cut leaves the rows of the position before; following goes
on from there. A subject that is remembered from the last time is not read again: its fold goes on if the entry comes
after all others in canonical order, and starts anew from the log if it does not. Live and rebuild are this same code.

When the own log says that content is here again that was damaged, its subject is folded again. When the own log, or
that of a hub below, says that a log was revoked, or counts again, every subject of its later entries is folded again.

When the own log says that a subject was erased, that subject is folded again too: its rows vanish. What SQLite may keep
of them in unused parts of pages goes by `clear_traces`, which a mark in the file asks for until it was done. A file
that knows nothing of an erasure, because it was put back or built meanwhile, is brought in line when it is opened. One
that was made from another log, because an older `log.db` was put back beside it, is made anew: the mark names the entry
that stands at its position.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw
import msgpack

from domain.folding import Folding
from domain.records import Record, canonical
from domain.views import TABLES, VIEWS_VERSION
from node import sums
from node.records import of_the_domain, record_of
from node.revocation import Revocations, subjects_after
from node.selecting import Select, quoted
from node.sums import DIGESTED, Changes
from sync import log_sql
from sync.batch import Entry
from sync.cipher import MasterKey
from sync.damage import mended_subject
from sync.database import Readers, create_database, open_database, transaction, try_empty_wal
from sync.entry import Body
from sync.erasure import erased_subjects, executed_subject
from sync.stored_log import StoredLog

APPLICATION_ID: Final = 0x48575657  # "HWVW"
BATCH_COUNT: Final = 2000
SUBJECTS_REMEMBERED_MAX: Final = 100_000
IN_PAGES, IN_WAL = 1, 2  # where traces of erased rows may be

_HOLDING: Final = " UNION ALL ".join(
    f"SELECT '{name}' WHERE EXISTS(SELECT 1 FROM {name} WHERE subject=?1)"  # noqa: S608 -- our names
    for name in TABLES
)
"""Which tables hold a subject: one statement, where asking each of a hundred tables takes eight times as long."""

Row = tuple[Any, ...]
HomeOf = Callable[[bytes], str]


def _schema() -> str:
    parts = ["CREATE TABLE mark(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"]
    for table in TABLES.values():
        columns = ", ".join(f'"{name}" {kind}' for name, kind in table.columns)
        parts.append(f"CREATE TABLE {table.name}({columns}, PRIMARY KEY({quoted(table.key)})) WITHOUT ROWID;")
    parts.append(sums.SCHEMA)
    parts.append("INSERT INTO mark VALUES('position', 0);")
    return "\n".join(parts)


class Views:
    """One file of read models."""

    def __init__(self, path: Path, master: MasterKey) -> None:
        """Open the file; FolderError if it is missing, LogCorrupt or NewerFormat if it is of no use."""
        self.path = path
        self._db = open_database(path, master, APPLICATION_ID, VIEWS_VERSION)
        self._db.execute("PRAGMA synchronous=NORMAL")
        self.version: int = self._db.execute("PRAGMA user_version").get
        self._readers = Readers(lambda: open_database(path, master, APPLICATION_ID, VIEWS_VERSION))

    @classmethod
    def create(cls, path: Path, master: MasterKey) -> Views:
        """A new, empty file, in place of whatever was there."""
        remove(path)
        create_database(path, master, APPLICATION_ID, VIEWS_VERSION, _schema()).close()
        return cls(path, master)

    def is_sound(self) -> bool:
        """Whether the file has its tables and its pages hang together; reads all of it."""
        try:
            tables = {name for (name,) in self.query("SELECT name FROM sqlite_schema WHERE type='table'")}
            return tables == {"mark", sums.NAME, *TABLES} and self.query("PRAGMA quick_check(1)") == [("ok",)]
        except apsw.Error:
            return False

    def close(self) -> None:
        """Close the file; its WAL is folded into it if nobody else reads."""
        self._readers.close()
        self._db.close()

    def position(self) -> int:
        """How far the log was followed."""
        with self._readers() as db:
            return int(db.execute("SELECT value FROM mark WHERE name='position'").get)

    def follows(self, store: StoredLog) -> bool:
        """Whether the file was made from this very log.

        A `log.db` that was put back beside it may have grown past the mark again: then another entry stands there.
        """
        with self._readers() as db:
            rows: Any = db.execute("SELECT name, value FROM mark").fetchall()
        marks: dict[str, int] = dict(rows)
        position = marks["position"]
        row = store.reading(lambda log: log_sql.entry_at(log, position))
        return not position or (row is not None and marks.get("last") == _witness(row.commitment))

    def query(self, sql: str, bindings: Sequence[Any] = ()) -> list[Row]:
        """Rows of one reading."""
        with self._readers() as db:
            return db.execute(sql, tuple(bindings)).fetchall()

    @contextmanager
    def snapshot(self) -> Iterator[Select]:
        """Reads of one moment, whatever is written meanwhile."""
        with self._readers() as db:
            db.execute("BEGIN")
            try:
                yield Select(db)
            finally:
                db.execute("COMMIT")

    def rows_of(self, table: str) -> list[Row]:
        """All rows of a table in the order of its key."""
        return self.query(f"SELECT * FROM {table} ORDER BY {quoted(TABLES[table].key)}")  # noqa: S608 -- our names

    def replace(self, position: int, changes: Changes, *, last: bytes = b"", erased: bool = False) -> None:
        """Take rows away by key, write rows and sums, move the mark: all or none. `erased` rows must leave no trace.

        `last`: the commitment of the entry at the position, where that is another one than before.
        """
        with transaction(self._db):
            if erased:
                self._db.execute("INSERT OR REPLACE INTO mark VALUES('traces', ?)", (IN_PAGES,))
            for name, keys in _by_table(changes.gone).items():
                condition = " AND ".join(f'"{column}"=?' for column in TABLES[name].key)
                self._db.executemany(f"DELETE FROM {name} WHERE {condition}", keys)  # noqa: S608 -- our names
            for name, new in _by_table(changes.fresh).items():
                marks = ",".join("?" * len(TABLES[name].columns))
                self._db.executemany(f"INSERT OR REPLACE INTO {name} VALUES({marks})", new)
            changes.sums.write(self._db)
            self._db.execute("UPDATE mark SET value=? WHERE name='position'", (position,))
            if last:
                self._db.execute("INSERT OR REPLACE INTO mark VALUES('last', ?)", (_witness(last),))

    def clear_traces(self) -> bool:
        """Write the file anew if rows were erased from it; False if that cannot be finished while others read it."""
        found = self.query("SELECT value FROM mark WHERE name='traces'")
        if not found:
            return True
        if found == [(IN_PAGES,)]:  # once: each time puts the whole file into a WAL that a reader may hold
            try:
                self._db.execute("VACUUM")
            except apsw.BusyError:
                return False
            self._db.execute("UPDATE mark SET value=? WHERE name='traces'", (IN_WAL,))
        if not try_empty_wal(self._db):
            return False
        self._db.execute("DELETE FROM mark WHERE name='traces'")
        return True

    def rows_of_subject(self, subject: bytes) -> list[tuple[str, Row]]:
        """A subject's rows as they are stored."""
        with self._readers() as db:
            names: Any = db.execute(_HOLDING, (subject,)).fetchall()
            return [
                (name, row)
                for (name,) in names
                for row in db.execute(f"SELECT * FROM {name} WHERE subject=?", (subject,)).fetchall()  # noqa: S608 -- our names
            ]

    def digest(self) -> dict[str, str]:
        """SHA-256 of every table's rows in key order: equal sets of entries give equal digests."""
        return self.digest_at()[1]

    def digest_at(self) -> tuple[int, dict[str, str]]:
        """The position and the digest, of one moment."""
        with self._readers() as db:
            db.execute("BEGIN")
            try:
                position = int(db.execute("SELECT value FROM mark WHERE name='position'").get)
                return position, {name: _table_digest(db, name, table.key) for name, table in sorted(DIGESTED.items())}
            finally:
                db.execute("COMMIT")


def _table_digest(db: apsw.Connection, name: str, key: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    order = quoted(key)
    for row in db.execute(f"SELECT * FROM {name} ORDER BY {order}"):  # noqa: S608 -- our names
        digest.update(msgpack.packb(row))
    return digest.hexdigest()


def _by_table(items: Iterable[tuple[str, Row]]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = {}
    for name, row in items:
        grouped.setdefault(name, []).append(row)
    return grouped


def remove(path: Path) -> None:
    """Delete a file of read models with what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _witness(commitment: bytes) -> int:
    """Of an entry as much as fits a mark."""
    return int.from_bytes(commitment[:7], "big")


class Remembered:
    """A subject's fold and the rows that it gave the last time."""

    __slots__ = ("erased", "folding", "rows")

    def __init__(self, folding: Folding) -> None:
        self.folding = folding
        self.rows: list[tuple[str, Row]] | None = []  # None: what is stored is not known
        self.erased = False


class Follower:
    """Feeds one file of read models from the log. Used by one thread."""

    def __init__(
        self, store: StoredLog, views: Views, home_of: HomeOf, known: Callable[[Entry], bool] = lambda _entry: True
    ) -> None:
        """`known`: which entries count at all, for a file of read models as they once were."""
        self.views = views
        self._known = known
        self._store = store
        self._home_of = home_of
        self._remembered: OrderedDict[bytes, Remembered] = OrderedDict()
        self.position = views.position()
        self._revoked = Revocations(store, self.position, home_of)
        self._knows_all = self.position == 0  # then whoever is not remembered has no entries before

    def catch_up(self, until: int | None = None, batch_count: int = BATCH_COUNT) -> Iterator[int]:
        """Follow to the newest entry, a batch at a time; gives the position after each."""
        end = self._store.position() if until is None else until
        while self.position < end:
            entries = self._store.entries_after(self.position, min(batch_count, end - self.position))
            if not entries:
                return
            self.take(entries)
            yield self.position

    def take(self, entries: Sequence[Entry]) -> None:
        """Fold a batch of entries and write what it changes."""
        touched: dict[bytes, Remembered] = {}
        anew: set[bytes] = set()
        position = entries[-1].position
        for entry in filter(self._known, entries):
            body = entry.body()
            if not of_the_domain(body, entry):
                touched.update(self._judged_anew(entry, body, position))
                continue
            record = self._record(entry, body)
            subject = touched.get(body.subject)
            if subject is None:
                subject = touched[body.subject] = self._recall(body.subject, position)
            if record.first_id is not None and body.subject not in anew:  # what it repeats is no longer read
                anew.add(body.subject)
                subject.folding = self._fold_again(body.subject, position)
            elif not subject.folding.add(record):
                subject.folding = self._fold_again(body.subject, position)
        self._write(position, touched, entries[-1].commitment)
        self._limit_memory()

    def _record(self, entry: Entry, body: Body) -> Record:
        return record_of(entry, body, self._home_of, self._revoked.withholds)

    def _judged_anew(self, entry: Entry, body: Body | None, until: int) -> Iterator[tuple[bytes, Remembered]]:
        """The subjects that an entry about this node itself has folded again: erased, or of a revoked log."""
        if body is None:
            return
        if (name := executed_subject(body.type, body.payload)) is not None:
            found = self._start_anew(name, until)
            found.erased = True
            yield name, found
        elif self._is_own(entry, body) and (name := mended_subject(self._store, body)) is not None:
            found = self._remembered[name] = self._start_anew(name, until)
            yield name, found
        else:
            changed = self._revoked.note(entry, body)
            for name in subjects_after(self._store, self._home_of, *changed, until) if changed else ():
                found = self._remembered[name] = self._start_anew(name, until)
                yield name, found

    def _is_own(self, entry: Entry, body: Body) -> bool:
        return entry.log == body.subject and self._store.has_key(entry.log)

    def forget_erased(self) -> None:
        """Fold every subject again that was erased, and of which something is left here."""
        erased = [name for name in erased_subjects(self._store) if self.views.rows_of_subject(name)]
        if erased:
            subjects = {name: self._start_anew(name, self.position) for name in erased}
            for one in subjects.values():
                one.erased = True
            self._write(self.position, subjects)

    def _write(self, position: int, touched: dict[bytes, Remembered], last: bytes = b"") -> None:
        changes = Changes()
        for name, subject in touched.items():
            before = self.views.rows_of_subject(name) if subject.rows is None else subject.rows
            subject.rows = subject.folding.rows()
            changes.became(before, subject.rows)
        erased = any(subject.erased for subject in touched.values()) and bool(changes.gone)
        self.views.replace(position, changes, last=last, erased=erased)
        self.position = position
        if erased:
            self.views.clear_traces()

    def _start_anew(self, subject: bytes, until: int) -> Remembered:
        """A subject judged anew: what is remembered of it goes, what is stored of it is looked up."""
        self._remembered.pop(subject, None)
        found = Remembered(self._fold_again(subject, until))
        found.rows = None
        return found

    def _recall(self, subject: bytes, until: int) -> Remembered:
        found = self._remembered.get(subject)
        if found is not None:
            self._remembered.move_to_end(subject)
            return found
        found = Remembered(Folding(subject))
        if not self._knows_all:
            found.folding = self._fold_again(subject, until)
            found.rows = None
        self._remembered[subject] = found
        return found

    def _fold_again(self, subject: bytes, until: int) -> Folding:
        """Fold a subject from the log, up to a position: what the tables say at a mark depends on nothing after it."""
        entries = filter(self._known, self._store.entries_of_subject(subject, until))
        pairs = [(entry, entry.body()) for entry in entries]
        records = [self._record(one, body) for one, body in pairs if of_the_domain(body, one)]
        folding = Folding(subject)
        for record in canonical(records):
            folding.add(record)
        return folding

    def _limit_memory(self) -> None:
        while len(self._remembered) > SUBJECTS_REMEMBERED_MAX:
            self._remembered.popitem(last=False)
            self._knows_all = False
