"""The SQL of what is lacking: entries whose header is here and whose content is not; `damage` says what it is for."""

from __future__ import annotations

from typing import Any, Final

import apsw

# Of its own, because folders were made before anything was lacking: the first time makes it.
SCHEMA: Final = "CREATE TABLE IF NOT EXISTS lack(position INTEGER PRIMARY KEY, here INTEGER NOT NULL) STRICT"


def exists(db: apsw.Connection) -> bool:
    """Whether anything was ever lacking."""
    return db.table_exists(None, "lack")


def add(db: apsw.Connection, position: int, *, here: bool) -> bool:
    """Note that an entry's content is lacking, by damage `here` or because it came so; False if it was noted."""
    db.execute(SCHEMA)
    rows: list[Any] = db.execute("SELECT here FROM lack WHERE position=?", (position,)).fetchall()
    if rows and rows[0][0] >= here:
        return False
    db.execute("INSERT OR REPLACE INTO lack VALUES(?,?)", (position, here))
    return True


def remove(db: apsw.Connection, position: int) -> None:
    """It is here again."""
    db.execute("DELETE FROM lack WHERE position=?", (position,))


def places(db: apsw.Connection) -> dict[int, bool]:
    """Where content is lacking, and whether it was lost here."""
    if not exists(db):
        return {}
    rows: list[Any] = db.execute("SELECT position, here FROM lack ORDER BY position").fetchall()
    return {position: bool(here) for position, here in rows}


def put_body(db: apsw.Connection, position: int, kind: int, body: bytes) -> None:
    """Give an entry its content back."""
    db.execute("UPDATE entry SET type=?, body=? WHERE position=?", (kind, body, position))


def raise_lamport(db: apsw.Connection, stream: int, lamport: int) -> None:
    """A stream's head counts an entry that came without content."""
    db.execute("UPDATE head SET lamport=max(lamport, ?) WHERE stream=?", (lamport, stream))
