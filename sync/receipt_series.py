"""The series of receipts of a log, as a store has it: read from any store, also one that is only read."""

from __future__ import annotations

from sync import log_sql, receipt_sql
from sync.messages import Receipt
from sync.receipts import Bracket, Kept
from sync.stored_log import StoredLog


def newest(store: StoredLog, log: bytes) -> Receipt | None:
    """The newest receipt for the largest size, with the hub's note."""
    branch = store.branch_id(log)
    return store.reading(lambda db: receipt_sql.newest(db, branch))


def all_of(store: StoredLog, log: bytes) -> list[Kept]:
    """The first and the last receipt of each size of a log."""
    branch = store.branch_id(log)
    return store.reading(lambda db: receipt_sql.all_of(db, branch))


def bracket(store: StoredLog, log: bytes, seq: int) -> Bracket:
    """Between which of the hub's receipts an entry was recorded."""
    branch = store.branch_id(log)
    return store.reading(lambda db: Bracket(receipt_sql.before(db, branch, seq), receipt_sql.covering(db, branch, seq)))


def agreed(store: StoredLog, log: bytes, within_ms: int) -> Kept | None:
    """The newest receipt of a log at whose exchange the node's clock and the hub's said nearly the same."""
    branch = store.branch_id(log)
    return store.reading(lambda db: receipt_sql.agreed(db, branch, within_ms))


def count(store: StoredLog, log: bytes) -> int:
    """How many signed sizes of a log have a receipt."""
    branch = store.branch_id(log)
    return store.reading(lambda db: log_sql.receipts_count(db, branch))
