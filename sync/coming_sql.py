"""The SQL of `log.db` for logs that are coming, as they become whole (`wholeness`); `log_sql` has the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import apsw

from sync.log_schema import STREAM_SHIFT

Leaf = tuple[int, int, int, bytes]  # seq, position, stream, commitment


def leaves_of_branch(db: apsw.Connection, branch: int) -> list[Leaf]:
    """What the leaves of a branch are made from, in the order of its log; looks at every entry of the store."""
    query = "SELECT seq, position, stream, commitment FROM entry WHERE stream>=? AND stream<? ORDER BY seq"
    rows: list[Any] = db.execute(query, (branch << STREAM_SHIFT, (branch + 1) << STREAM_SHIFT)).fetchall()
    return rows


def relabel_entries(db: apsw.Connection, rows: Iterable[tuple[int, bytes, int]]) -> None:
    """Give entries their stream's new number and the tree nodes that they fill: (stream, tree, position)."""
    db.executemany("UPDATE entry SET stream=?, tree=? WHERE position=?", rows)


def relabel_streams(db: apsw.Connection, renamed: Mapping[int, int]) -> None:
    """Give streams new numbers, which no stream has."""
    pairs = [(new, old) for old, new in renamed.items()]
    for statement in (
        "UPDATE stream SET id=? WHERE id=?",
        "UPDATE head SET stream=? WHERE stream=?",
        "UPDATE outbox_stream SET stream=? WHERE stream=?",
    ):
        db.executemany(statement, pairs)


def drop_welcomes(db: apsw.Connection, numbers: Iterable[int]) -> None:
    """Forget welcomes: at a node because its logs are whole, at a hub because they were not finished."""
    for table, column in (("outbox_entry", "outbox"), ("outbox_stream", "outbox"), ("outbox_checkpoint", "outbox"),
                          ("outbox", "id")):  # fmt: skip
        db.executemany(f"DELETE FROM {table} WHERE {column}=?", [(number,) for number in numbers])  # noqa: S608 -- ours


def replace_branch(db: apsw.Connection, old: int, new: int) -> None:
    """Put a branch in another one's place: its runs and what its log's key has signed."""
    db.execute("UPDATE run SET branch=? WHERE branch=?", (new, old))
    db.execute("UPDATE checkpoint SET branch=? WHERE branch=?", (new, old))
    db.execute("DELETE FROM branch WHERE id=?", (old,))
