"""The SQL of reading a log by ranges of subjects; see `subject_ranges`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw

from sync.log_schema import STREAM_SHIFT
from sync.log_sql import BODY_COLUMNS, LIVE, POSITION_MAX, Body


def entry_counts(db: apsw.Connection) -> list[tuple[int, int]]:
    """How many entries the streams of each branch that counts have."""
    query = (
        f"SELECT stream >> {STREAM_SHIFT} AS branch, sum(version) FROM head WHERE branch {LIVE}"
        " GROUP BY branch ORDER BY branch"
    )
    rows: list[Any] = db.execute(query).fetchall()
    return rows


def stream_counts(db: apsw.Connection, first: int, last: int) -> list[tuple[int, int]]:
    """The streams in a range, as they began, and how many entries each has."""
    rows: list[Any] = db.execute(
        "SELECT stream, version FROM head WHERE stream BETWEEN ? AND ? ORDER BY stream", (first, last)
    ).fetchall()
    return rows


def subjects(db: apsw.Connection, first: int, last: int) -> dict[int, bytes]:
    """What the streams in a range are about, but for those that were erased or set aside."""
    query = "SELECT id, subject FROM stream WHERE id BETWEEN ? AND ? AND subject IS NOT NULL"
    rows: Any = db.execute(f"{query} AND id >> {STREAM_SHIFT} {LIVE}", (first, last)).fetchall()
    return dict(rows)


def joined_streams(db: apsw.Connection) -> dict[int, int]:
    """Of every subject with several streams that count: each of these, and the first of them."""
    live = f"subject IS NOT NULL AND id >> {STREAM_SHIFT} {LIVE}"
    query = (
        f"SELECT id, min(id) OVER (PARTITION BY subject) FROM stream WHERE {live} AND subject IN"
        f" (SELECT subject FROM stream WHERE {live} GROUP BY subject HAVING count(*) > 1)"
    )
    rows: Any = db.execute(query).fetchall()
    return dict(rows)


def bodies(db: apsw.Connection, first: int, last: int, until: int) -> Iterator[Body]:
    """What reading content needs of the entries of streams in a range, up to a position, run after run."""
    query = (
        f"SELECT {BODY_COLUMNS} FROM entry WHERE position>=? AND position<? AND stream BETWEEN ? AND ?"
        " ORDER BY position"
    )
    for start, end in _runs(db, first >> STREAM_SHIFT, last >> STREAM_SHIFT, until):
        rows: list[Any] = db.execute(query, (start, min(end, until + 1), first, last)).fetchall()
        yield from rows


def _runs(db: apsw.Connection, first_branch: int, last_branch: int, until: int) -> list[tuple[int, int]]:
    query = (
        "SELECT position, coalesce((SELECT min(position) FROM run AS later WHERE later.position > run.position), ?)"
        " FROM run WHERE branch BETWEEN ? AND ? AND position<=? ORDER BY position"
    )
    rows: list[Any] = db.execute(query, (POSITION_MAX, first_branch, last_branch, until)).fetchall()
    return rows


def newest(db: apsw.Connection, until: int) -> tuple[int, bytes]:
    """The newest entry that counts, up to a position: where it stands, and its commitment; (0, b"") for none."""
    query = f"SELECT position, commitment FROM entry WHERE position<=? AND stream >> {STREAM_SHIFT} {LIVE}"
    rows: list[Any] = db.execute(f"{query} ORDER BY position DESC LIMIT 1", (until,)).fetchall()
    return rows[0] if rows else (0, b"")
