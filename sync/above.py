"""What a hub above has receipted of the logs that a hub passes on.

A hub that joined a parent pushes it the logs of its homes. For each of them it keeps the parent's last receipt, apart
from its own ones, which stand beside the same checkpoints: there the hub is who vouches, here it is who was told. A
receipt covers all entries up to its size, so the last one is enough. One of another parent, joined before, counts for
nothing with this one.

The table is made when the first receipt comes, because folders are older than it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import apsw

from sync import log_sql
from sync.batch import SignedSize
from sync.entry import log_id, origin
from sync.errors import VerificationError
from sync.note import checkpoint_text, verify_cosignature
from sync.stored_log import StoredLog

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS receipt_above(branch INTEGER NOT NULL, hub BLOB NOT NULL, size INTEGER NOT NULL,
    receipt BLOB NOT NULL, PRIMARY KEY(branch, hub)) WITHOUT ROWID, STRICT
"""


def keep(db: apsw.Connection, branch: int, hub_key: bytes, signed: SignedSize) -> None:
    """Keep the receipt of a hub above for a signed size, unless a later one is here; in the writer's transaction."""
    db.execute(SCHEMA)
    db.execute(
        "INSERT INTO receipt_above VALUES(?,?,?,?) ON CONFLICT(branch, hub) DO UPDATE SET"
        " size=excluded.size, receipt=excluded.receipt WHERE excluded.size >= size",
        (branch, log_id(hub_key), signed.size, signed.receipt),
    )


def sizes(store: StoredLog, hub_key: bytes) -> dict[bytes, int]:
    """How many entries of each log the hub with this key has receipted."""
    return {log: size for log, (size, _) in _receipts(store, hub_key).items()}


def first_bad(store: StoredLog, hub_key: bytes) -> str:
    """Why one of the receipts does not hold; empty if all of them do."""
    for log, (size, receipt) in _receipts(store, hub_key).items():
        try:
            verify_cosignature(hub_key, checkpoint_text(origin(log), size, store.root(log, size)), receipt)
        except VerificationError as error:
            return f"the receipt of the hub above for {size} entries of log {log.hex()} does not hold: {error}"
    return ""


def _receipts(store: StoredLog, hub_key: bytes) -> Mapping[bytes, tuple[int, bytes]]:
    def work(db: apsw.Connection) -> dict[bytes, tuple[int, bytes]]:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name='receipt_above'").fetchall():
            return {}  # asked of the file: this connection may have read the tables before there was this one
        rows: list[Any] = db.execute(
            "SELECT branch, size, receipt FROM receipt_above WHERE hub=?", (log_id(hub_key),)
        ).fetchall()
        logs = {branch.id: branch.log for branch in log_sql.branches(db)}
        return {logs[branch]: (size, receipt) for branch, size, receipt in rows}

    return store.reading(work)
