"""How far a hub's outboxes are: up to which position entries were routed, and up to which by today's rules.

Both are marks in `log.db`, moved in the transactions that fill the outboxes. The rules' mark bears their version in its
name, so rules that are new to a folder begin at the first entry, whatever was routed before.
"""

from __future__ import annotations

from typing import Final

import apsw

from domain.routing import ROUTING_VERSION
from sync import epoch, log_sql
from sync.stored_log import StoredLog

MARK: Final = "homeward/router"  # among the tracked applications


def marks(db: apsw.Connection, number: int) -> tuple[int, int]:
    """Up to where an epoch's outboxes were routed, and up to where by today's rules."""
    return log_sql.tracked(db, _mark(number)) or 0, log_sql.tracked(db, _rules_mark(number)) or 0


def move(db: apsw.Connection, number: int, routed: int, ruled: int) -> None:
    """Move both on, inside the writer's transaction; neither ever goes back."""
    log_sql.track(db, _mark(number), routed)
    log_sql.track(db, _rules_mark(number), ruled)


def shown(store: StoredLog) -> dict[str, int] | None:
    """How far old entries were routed again by new rules, of how many, as `status` shows it; None where all were."""
    routed, ruled = store.reading(lambda db: marks(db, epoch.current(store)))
    return {"at": ruled, "of": routed} if ruled < routed else None


def _mark(number: int) -> str:
    return MARK if number == epoch.FIRST else f"{MARK}/{number}"


def _rules_mark(number: int) -> str:
    return f"{_mark(number)}/rules-{ROUTING_VERSION}"
