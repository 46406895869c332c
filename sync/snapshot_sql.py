"""The SQL of the library's snapshots, which are no entries and may be emptied at any time; `log_sql` has the rest."""

from __future__ import annotations

from collections.abc import Sequence

import apsw


def drop_snapshots(db: apsw.Connection) -> None:
    """Empty the library's snapshots, which hold content unsealed: whole pages go, so nothing is left in any."""
    db.execute("DELETE FROM snapshot")


def add_snapshots(db: apsw.Connection, rows: Sequence[tuple[str, str, int, str, bytes]]) -> None:
    """Keep the library's snapshots: (purpose, originator, version, topic, state)."""
    db.executemany("INSERT INTO snapshot VALUES(?,?,?,?,?)", rows)


def snapshots(db: apsw.Connection, purpose: str, originator: str) -> list[tuple[int, str, bytes]]:
    """The snapshots of one originator, oldest first."""
    query = "SELECT version, topic, state FROM snapshot WHERE purpose=? AND originator=? ORDER BY version"
    return [(version, topic, state) for version, topic, state in db.execute(query, (purpose, originator))]
