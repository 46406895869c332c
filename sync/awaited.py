"""What homes wrote, of which a hub that was put back knows only that another home still has it.

Among what a home gives back (`taken_back`) are entries of other homes' logs. Nearly all of them the hub holds, or gets
again from whoever wrote them. One that it does not hold yet is noted here: which node gave it back, out of which outbox
and at which number there, and its place and commitment; no content. Whenever that node comes, the hub looks again:

* its log has the entry by now: there is nothing more to do;
* it is *gone*: its log has another entry there, or is shorter although its home was here in this epoch. That home was
  put back as well. Then the hub forgets what this node gave it out of that outbox, and says so by a smaller sum in
  OutboxAt. So the node gives it once more, and this time the hub records it.

*Noted before the hub says that it took it, forgotten with what it says that it took: a power cut at any moment costs
that it is given once more.*
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, NamedTuple

import apsw

from sync import outbox_sql
from sync.store import Store
from sync.stored_log import StoredLog
from sync.witness import taken_mark

# Of its own, because folders were made before anything was awaited: the first time makes it.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS awaited(node BLOB NOT NULL, outbox BLOB NOT NULL, n INTEGER NOT NULL, log BLOB NOT NULL,
    seq INTEGER NOT NULL, commitment BLOB NOT NULL, asked INTEGER NOT NULL, PRIMARY KEY(node, outbox, n))
    WITHOUT ROWID, STRICT
"""
IsGone = Callable[[bytes, int, bytes], bool | None]  # log, seq, commitment; None where the entry is here


class Awaited(NamedTuple):
    """An entry that a node gave back: the outbox, its number there, and its log, seq and commitment."""

    outbox: bytes
    n: int
    log: bytes
    seq: int
    commitment: bytes


def note(db: apsw.Connection, node: bytes, found: Iterable[Awaited]) -> None:
    """In the writer's transaction: wait for these, which the node of a log gave back."""
    db.execute(SCHEMA)
    db.executemany("INSERT OR IGNORE INTO awaited VALUES(?,?,?,?,?,?,0)", [(node, *one) for one in found])


def drop(db: apsw.Connection, node: bytes, outbox: bytes, numbers: Iterable[int]) -> None:
    """In the writer's transaction: wait for these no longer."""
    if _exists(db):
        db.executemany("DELETE FROM awaited WHERE node=? AND outbox=? AND n=?", [(node, outbox, n) for n in numbers])


def count(store: StoredLog, node: bytes) -> int:
    """How many entries the node of a log gave back and is to give again, because the hub awaited them in vain."""
    return len(store.reading(lambda db: _of_node(db, node, asked=True)))


def has_any(store: StoredLog, node: bytes) -> bool:
    """Whether anything that the node of a log gave back is awaited from others."""
    return bool(store.reading(lambda db: _of_node(db, node, asked=False)))


def settle(store: Store, node: bytes, current: bytes, is_gone: IsGone) -> None:
    """Look again at what the node of a log gave back; forget, durably, that it gave what is gone.

    `current`: the outbox of its home in this epoch.
    """
    waiting = store.reading(lambda db: _of_node(db, node, asked=False))
    judged = [(one, is_gone(one.log, one.seq, one.commitment)) for one in waiting]
    here = [one for one, gone in judged if gone is None]
    gone = [one for one, gone in judged if gone]
    if here or gone:
        store.submit(lambda db: _settle(db, node, current, here, gone)).result()


def _settle(
    db: apsw.Connection, node: bytes, current: bytes, here: Collection[Awaited], gone: Collection[Awaited]
) -> None:
    for one in here:
        drop(db, node, one.outbox, [one.n])
    for one in gone:
        db.execute("UPDATE awaited SET asked=1 WHERE node=? AND outbox=? AND n=?", (node, one.outbox, one.n))
    for outbox in {one.outbox for one in gone}:
        outbox_sql.untrack_under(db, taken_mark(current, node, outbox))


def _of_node(db: apsw.Connection, node: bytes, *, asked: bool) -> list[Awaited]:
    if not _exists(db):
        return []
    query = "SELECT outbox, n, log, seq, commitment FROM awaited WHERE node=? AND asked=? ORDER BY outbox, n"
    rows: list[Any] = db.execute(query, (node, asked)).fetchall()
    return [Awaited._make(row) for row in rows]


def _exists(db: apsw.Connection) -> bool:
    """Asked of the file: this connection may have read the tables before there was this one."""
    return bool(db.execute("SELECT 1 FROM sqlite_schema WHERE name='awaited'").fetchall())
