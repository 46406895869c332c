"""The SQL of the series of receipts in `log.db`: for each size of a log the first and the last one. See `receipts`.

An idle home asks for a receipt every hour, and the series must not grow by that: the last row of a size is written
over. Folders were made before there was a series: the first receipt makes the table.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import apsw

from sync.hub_note import HubNote
from sync.messages import Receipt
from sync.receipts import Greeted, Kept

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS receipt(branch INTEGER NOT NULL, size INTEGER NOT NULL, last INTEGER NOT NULL,
    epoch INTEGER NOT NULL, backed_up_to INTEGER NOT NULL, hub_ms INTEGER NOT NULL, signature BLOB NOT NULL,
    said_size INTEGER, said_node_ms INTEGER, said_hub_ms INTEGER, PRIMARY KEY(branch, size, last))
    WITHOUT ROWID, STRICT;
"""
COLUMNS: Final = "size, epoch, backed_up_to, hub_ms, signature, said_size, said_node_ms, said_hub_ms"
PUT: Final = f"INSERT INTO receipt(branch, last, {COLUMNS}) VALUES(?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
NOTE: Final = (
    " epoch=excluded.epoch, backed_up_to=excluded.backed_up_to, hub_ms=excluded.hub_ms, signature=excluded.signature,"
)
EARLIER: Final = NOTE + " said_size=NULL, said_node_ms=NULL, said_hub_ms=NULL WHERE ? AND excluded.hub_ms<hub_ms"
LATER: Final = NOTE + (
    " said_size=coalesce(excluded.said_size, said_size), said_node_ms=coalesce(excluded.said_node_ms, said_node_ms),"
    " said_hub_ms=coalesce(excluded.said_hub_ms, said_hub_ms) WHERE NOT ? OR excluded.hub_ms>=hub_ms"
)
NEWEST: Final = (
    "SELECT checkpoint.size, checkpoint.receipt, epoch, backed_up_to, hub_ms, receipt.signature FROM receipt"
    " JOIN checkpoint USING (branch, size) WHERE branch=? AND last=1 ORDER BY size DESC LIMIT 1"
)


def exists(db: apsw.Connection) -> bool:
    """Whether any receipt was kept in this folder; asked of the file, for a connection may know an older schema."""
    found: int = db.execute("SELECT count(*) FROM sqlite_schema WHERE name='receipt'").get
    return found > 0


def put(db: apsw.Connection, branch: int, kept: Kept, *, by_hand: bool) -> None:
    """Keep a receipt as the first of its size, and as the last. Those that come by hand come in any order."""
    db.execute(SCHEMA)
    quiet = kept.greeted if kept.greeted is not None and kept.greeted.size == kept.size else None
    db.execute(PUT + EARLIER, (branch, 0, *_values(kept, kept.greeted), by_hand))
    db.execute(PUT + LATER, (branch, 1, *_values(kept, quiet), by_hand))


def _values(kept: Kept, greeted: Greeted | None) -> tuple[Any, ...]:
    epoch, backed_up_to, time_ms, signature = kept.note
    return (kept.size, epoch, backed_up_to, time_ms, signature, *(greeted or (None, None, None)))


def _kept(row: tuple[Any, ...]) -> Kept:
    size, epoch, backed_up_to, hub_ms, signature, *said = row
    return Kept(size, HubNote(epoch, backed_up_to, hub_ms, signature), None if said[0] is None else Greeted(*said))


def _rows(db: apsw.Connection, condition: str, values: tuple[Any, ...]) -> list[Kept]:
    if not exists(db):
        return []
    rows: list[Any] = db.execute(f"SELECT {COLUMNS} FROM receipt WHERE branch=? AND {condition}", values).fetchall()
    return [_kept(row) for row in rows]


def of_size(db: apsw.Connection, branch: int, size: int) -> list[Kept]:
    """The first and the last receipt for one size."""
    return _rows(db, "size=? ORDER BY last", (branch, size))


def newest(db: apsw.Connection, branch: int) -> Receipt | None:
    """The last receipt for the largest size, as it was given."""
    if not exists(db):
        return None
    rows: list[Any] = db.execute(NEWEST, (branch,)).fetchall()
    return Receipt.of(rows[0][0], rows[0][1], HubNote(*rows[0][2:])) if rows else None


def all_of(db: apsw.Connection, branch: int) -> list[Kept]:
    """The whole series, by size; of each the first before the last."""
    return _rows(db, "1 ORDER BY size, last", (branch,))


def before(db: apsw.Connection, branch: int, seq: int) -> Kept | None:
    """The last exchange in which the node said that it had fewer entries than this, and got its receipt for all."""
    found = _rows(db, "last=1 AND size<? AND said_size=size ORDER BY size DESC LIMIT 1", (branch, seq))
    return next(iter(found), None)


def agreed(db: apsw.Connection, branch: int, within_ms: int) -> Kept | None:
    """The newest one at whose exchange both clocks said nearly the same."""
    found = _rows(db, "abs(said_node_ms-said_hub_ms)<? ORDER BY size DESC, last DESC LIMIT 1", (branch, within_ms))
    return next(iter(found), None)


def covering(db: apsw.Connection, branch: int, seq: int) -> Kept | None:
    """The first receipt that covers an entry."""
    return next(iter(_rows(db, "last=0 AND size>=? ORDER BY size LIMIT 1", (branch, seq))), None)


def has_any_of(db: apsw.Connection, branches: Collection[int], epoch: int) -> bool:
    """Whether a receipt for any of these branches was given in an epoch."""
    if not exists(db):
        return False
    query = "SELECT count(*) FROM receipt WHERE branch=? AND epoch=?"
    return any(db.execute(query, (branch, epoch)).get for branch in branches)


def move(db: apsw.Connection, branch: int, to: int, keep: int) -> None:
    """What is said of a branch behind its first `keep` entries is said of another one from now on."""
    if exists(db):
        db.execute("UPDATE receipt SET branch=? WHERE branch=? AND size>?", (to, branch, keep))
