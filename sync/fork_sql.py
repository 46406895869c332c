"""The SQL of `log.db` for branches that were set aside; `log_sql` has the rest, `succession` says what it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import apsw

from sync import log_sql, receipt_sql
from sync.log_schema import FORK_SCHEMA, STREAM_SHIFT, Branch, Fork, Kind, Row

Span = tuple[int, int]  # positions, the second one behind the last
RUNS: Final = (
    "SELECT position, seq, (SELECT coalesce(min(position), ?) FROM run AS next WHERE next.position > run.position)"
    " FROM run WHERE branch=? ORDER BY seq"
)


def forks(db: apsw.Connection) -> dict[int, Fork]:
    """From where each lost branch goes on."""
    if not db.table_exists(None, "fork"):
        return {}
    rows: list[Any] = db.execute("SELECT branch, of, base FROM fork").fetchall()
    return {row[0]: Fork._make(row) for row in rows}


def cut(db: apsw.Connection, branch: Branch, keep: int, lamport_of: Callable[[Row], int | None]) -> int:
    """Make a lost branch of a branch's entries behind the first `keep`; its number.

    `lamport_of` reads an entry's lamport; None for one that was erased, whose stream is not written to any more.
    """
    db.execute(FORK_SCHEMA)
    lost = log_sql.add_branch(db, branch.log, branch.public_key, Kind.LOST)
    shift = (lost - branch.id) << STREAM_SHIFT
    spans = _spans_behind(db, branch.id, keep)
    begun = _move_streams(db, spans, shift, lamport_of)
    for first, after in spans:
        db.execute("UPDATE entry SET stream=stream+? WHERE position>=? AND position<?", (shift, first, after))
    _move_runs(db, branch.id, lost, keep, spans)
    db.execute("UPDATE checkpoint SET branch=? WHERE branch=? AND size>?", (lost, branch.id, keep))
    receipt_sql.move(db, branch.id, lost, keep)
    db.execute("UPDATE fork SET of=? WHERE of=? AND base>?", (lost, branch.id, keep))
    db.execute("INSERT INTO fork VALUES(?,?,?)", (lost, branch.id, keep))
    log_sql.set_branch_size(db, branch.id, keep, branch.streams - begun)
    log_sql.set_branch_size(db, lost, branch.size, branch.streams)
    return lost


def _spans_behind(db: apsw.Connection, branch: int, keep: int) -> list[Span]:
    """Where the entries of a branch behind its first `keep` stand."""
    spans = []
    rows: list[Any] = db.execute(RUNS, (log_sql.POSITION_MAX, branch)).fetchall()
    for position, seq, after in rows:
        first = max(position, position + keep + 1 - seq)
        if first < after:
            spans.append((first, after))
    return spans


def _move_runs(db: apsw.Connection, branch: int, lost: int, keep: int, spans: list[Span]) -> None:
    for first, _ in spans:
        db.execute("UPDATE run SET branch=? WHERE position=? AND branch=?", (lost, first, branch))
        if not db.changes():
            db.execute("INSERT INTO run VALUES(?,?,?)", (first, lost, keep + 1))


def _move_streams(db: apsw.Connection, spans: list[Span], shift: int, lamport_of: Callable[[Row], int | None]) -> int:
    """Give the streams of these entries to the lost branch; how many of them begin there."""
    first_entry: dict[int, int] = {}
    query = "SELECT stream, min(position) FROM entry WHERE position>=? AND position<? GROUP BY stream"
    for first, after in spans:
        rows: list[Any] = db.execute(query, (first, after)).fetchall()
        for stream, position in rows:
            first_entry[stream] = min(position, first_entry.get(stream, position))
    begun = 0
    for stream, position in first_entry.items():
        row = log_sql.entry_at(db, position)
        assert row is not None
        before = None if row.prev is None else log_sql.entry_at(db, row.prev)
        if before is None:
            begun += 1
            db.execute("UPDATE stream SET id=id+? WHERE id=?", (shift, stream))
            db.execute("UPDATE head SET stream=stream+? WHERE stream=?", (shift, stream))
            continue
        db.execute("INSERT INTO stream SELECT id+?, name, subject, key FROM stream WHERE id=?", (shift, stream))
        db.execute(
            "INSERT INTO head SELECT stream+?, version, position, lamport FROM head WHERE stream=?", (shift, stream)
        )
        statement = "UPDATE head SET version=?, position=?, lamport=coalesce(?, lamport) WHERE stream=?"
        db.execute(statement, (before.version, before.position, lamport_of(before), stream))
    return begun
