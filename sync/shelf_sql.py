"""The SQL of what a hub has on the shelf for each home: photographs and scans, by name; `shelf` says what it is for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import apsw

# Of its own, because folders were made before anything was on a shelf: the first time makes it.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS shelf(outbox INTEGER NOT NULL, n INTEGER NOT NULL, name BLOB NOT NULL,
    PRIMARY KEY(outbox, n)) WITHOUT ROWID, STRICT
"""


class Shelved(NamedTuple):
    """A file on a shelf, and its number there, from 1."""

    n: int
    name: bytes


def size(db: apsw.Connection, outbox: int) -> int:
    """How many numbers a shelf has."""
    if not db.table_exists(None, "shelf"):
        return 0
    found: int = db.execute("SELECT coalesce(max(n), 0) FROM shelf WHERE outbox=?", (outbox,)).get
    return found


def add(db: apsw.Connection, outbox: int, names: Iterable[bytes]) -> None:
    """Put files on a shelf, behind what is there."""
    db.execute(SCHEMA)
    first = size(db, outbox) + 1
    db.executemany("INSERT INTO shelf VALUES(?,?,?)", [(outbox, n, name) for n, name in enumerate(names, first)])


def after(db: apsw.Connection, outbox: int, n: int, limit: int) -> list[Shelved]:
    """What is on a shelf behind a number."""
    if not db.table_exists(None, "shelf"):
        return []
    query = "SELECT n, name FROM shelf WHERE outbox=? AND n>? ORDER BY n LIMIT ?"
    rows: list[Any] = db.execute(query, (outbox, n, limit)).fetchall()
    return [Shelved(n, bytes(name)) for n, name in rows]
