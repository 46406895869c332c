"""Headlines: what can be said of entries without opening them, for who only passes entries on.

Type and subject stand beside the sealed body, written from it when the entry was stored. An erased entry has neither.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import apsw

from sync.log_schema import STREAM_SHIFT
from sync.log_sql import LIVE
from sync.stored_log import StoredLog

QUERY: Final = (
    "SELECT position, seq, stream, (SELECT name FROM type WHERE id=entry.type),"  # noqa: S608 -- our own numbers
    " (SELECT subject FROM stream WHERE id=entry.stream)"
    f" FROM entry WHERE position>? AND stream >> {STREAM_SHIFT} {LIVE} ORDER BY position LIMIT ?"
)


class Headline(NamedTuple):
    """An entry's place, type and subject."""

    position: int
    log: bytes
    seq: int
    type: str
    subject: bytes


def after(store: StoredLog, position: int, limit: int) -> tuple[int, list[Headline]]:
    """The next entries in the order of their arrival: up to which position, and the headlines of all that have one."""

    def work(db: apsw.Connection) -> tuple[int, list[Headline]]:
        rows: list[Any] = db.execute(QUERY, (position, limit)).fetchall()
        found = [
            Headline(at, store.log_of(db, stream >> STREAM_SHIFT), seq, kind, subject)
            for at, seq, stream, kind, subject in rows
            if kind is not None and subject is not None
        ]
        return rows[-1][0] if rows else position, found

    return store.reading(work)
