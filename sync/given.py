"""In which order homes gave back what a hub had put into an outbox: which entry of a stream stood before which.

What comes back may be of another life of its log than the one that the hub holds (`taken_back`). So what is recorded
again says behind which entry of its stream it was written, and that shows in the outbox alone: it has whole streams, in
the order of their logs. They come in parts, and of what the hub has of the outbox itself nothing comes. Hence this
table: the number, stream and id of each entry that was given back, and of the last of each stream before that.

What the hub had recorded again itself, its author had not written behind anything; such entries are left out.

*Noted before the hub says that it took it: a power cut costs that it is given, and noted, once more.*
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

import apsw

from sync import outbox_sql
from sync.log_schema import STREAM_SHIFT
from sync.store import Store
from sync.stored_log import StoredLog

# Of its own, because folders were made before anything was given back: the first time makes it.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS given(outbox BLOB NOT NULL, log BLOB NOT NULL, stream BLOB NOT NULL, n INTEGER NOT NULL,
    id BLOB NOT NULL, PRIMARY KEY(outbox, log, stream, n)) WITHOUT ROWID, STRICT
"""
HELD_QUERY: Final = """
SELECT branch.log, stream.name, place.n, substr(entry.commitment, 1, 16)
FROM outbox_entry place JOIN entry ON entry.position = place.position JOIN stream ON stream.id = entry.stream
    JOIN branch ON branch.id = entry.stream >> ?
WHERE place.outbox = ? ORDER BY place.n
"""
BEFORE_QUERY: Final = "SELECT id FROM given WHERE outbox=? AND log=? AND stream=? AND n<? ORDER BY n DESC LIMIT 1"


class Given(NamedTuple):
    """An entry as it stands in an outbox: its log, its stream's pseudonym, its number there, its id."""

    log: bytes
    stream: bytes
    n: int
    id: bytes


def begin(store: Store, outbox: bytes, start: int, again: Collection[bytes]) -> None:
    """Note, once, what this store has of an outbox itself, if what is given begins behind that.

    `again`: the ids of what the hub had recorded again.
    """

    def work(db: apsw.Connection) -> None:
        box = outbox_sql.outbox(db, outbox)
        if box is not None and box.size == start and not _holds(db, outbox):
            rows: list[Any] = db.execute(HELD_QUERY, (STREAM_SHIFT, box.id)).fetchall()
            last = {(one.log, one.stream): one for one in map(Given._make, rows) if one.id not in again}
            note(db, outbox, last.values())

    if start and not store.reading(lambda db: _holds(db, outbox)):
        store.submit(work).result()


def note(db: apsw.Connection, outbox: bytes, found: Iterable[Given]) -> None:
    """In the writer's transaction: these were given back."""
    db.execute(SCHEMA)
    db.executemany("INSERT OR IGNORE INTO given VALUES(?,?,?,?,?)", [(outbox, *one) for one in found])


def behind(store: StoredLog, outbox: bytes, asked: Iterable[Given], found: Iterable[Given]) -> dict[int, bytes]:
    """For entries in their order, by number, the id of the one before it in its stream; empty where there is none.

    `found`: those of them that others may stand behind.
    """
    count = set(found)

    def work(db: apsw.Connection) -> dict[int, bytes]:
        last: dict[tuple[bytes, bytes], bytes] = {}
        before: dict[int, bytes] = {}
        for one in asked:
            known = last.get((one.log, one.stream))
            before[one.n] = _before(db, outbox, one) if known is None else known
            if one in count:
                last[one.log, one.stream] = one.id
        return before

    return store.reading(work)


def _before(db: apsw.Connection, outbox: bytes, one: Given) -> bytes:
    rows: list[Any] = []
    if _exists(db):
        rows = db.execute(BEFORE_QUERY, (outbox, one.log, one.stream, one.n)).fetchall()
    return bytes(rows[0][0]) if rows else b""


def _holds(db: apsw.Connection, outbox: bytes) -> bool:
    return _exists(db) and bool(db.execute("SELECT EXISTS(SELECT 1 FROM given WHERE outbox=?)", (outbox,)).get)


def _exists(db: apsw.Connection) -> bool:
    """Asked of the file: this connection may have read the tables before there was this one."""
    return bool(db.execute("SELECT 1 FROM sqlite_schema WHERE name='given'").fetchall())
