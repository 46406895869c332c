"""`views.db`: read models that may be deleted at any time; who feeds them is in `following` and `projection`.

Rows, what they replace and the position in the log that they rest on are written in one transaction, so a power cut
leaves the rows of the position before.

What SQLite may keep of erased rows in unused parts of pages goes by `clear_traces`, which a mark in the file asks for
until it was done. A file that was made from another log, because an older `log.db` was put back beside it, is made
anew: the mark names the entry that stands at its position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw
import msgpack

from domain.views import TABLES, VIEWS_VERSION
from node import sums
from node.selecting import Select, quoted
from node.sums import DIGESTED, Changes
from sync import log_sql
from sync.cipher import MasterKey
from sync.database import Readers, create_database, open_database, transaction, try_empty_wal
from sync.stored_log import StoredLog

APPLICATION_ID: Final = 0x48575657  # "HWVW"
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
            put_rows(self._db, _by_table(changes.fresh))
            changes.sums.write(self._db)
            put_mark(self._db, position, last)

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


def put_rows(db: apsw.Connection, tables: Mapping[str, Sequence[Row]]) -> None:
    """Write rows, by table; within a transaction."""
    for name, new in tables.items():
        marks = ",".join("?" * len(TABLES[name].columns))
        db.executemany(f"INSERT OR REPLACE INTO {name} VALUES({marks})", new)


def put_mark(db: apsw.Connection, position: int, last: bytes) -> None:
    """Say how far the log was followed; `last` as in `Views.replace`."""
    db.execute("UPDATE mark SET value=? WHERE name='position'", (position,))
    if last:
        db.execute("INSERT OR REPLACE INTO mark VALUES('last', ?)", (_witness(last),))


def remove(path: Path) -> None:
    """Delete a file of read models with what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _witness(commitment: bytes) -> int:
    """Of an entry as much as fits a mark."""
    return int.from_bytes(commitment[:7], "big")
