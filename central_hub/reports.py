"""The county's reports: figures of `domain.reports`, with the log positions that they come from and who is behind."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

from central_hub.registry import Registry
from domain import reports
from domain.errors import BadField
from node import web as kit
from node.clock import Clock
from node.views import Views
from sync.stored_log import StoredLog

BEHIND_AFTER_MS: Final = 7 * 24 * 3600 * 1000
PERIOD: Final = re.compile(r"\d{4}(-\d{2})?|\d{4}-\d{2}\.\.\d{4}-\d{2}")


def make(
    name: str,
    store: StoredLog,
    registry: Registry,
    views: Views,
    clock: Clock,
    *,
    as_of: dt.date | None = None,
    period: str | None = None,
) -> dict[str, Any]:
    """A report by its number; raises BadField for a period that is none."""
    day = as_of or kit.today(clock)
    if name == "R01":
        found = reports.r01(views.rows_of("child"), views.rows_of("stay"), day)
    else:
        if period is not None and not PERIOD.fullmatch(period):
            raise BadField("--period", period, "2024-09, 2024 or 2024-09..2025-01")
        found = reports.r17(views.rows_of("tally"), period or day.isoformat()[:7])
    return {**found, **provenance(store, registry, clock)}


def provenance(store: StoredLog, registry: Registry, clock: Clock) -> dict[str, Any]:
    """What a figure rests on: {log: size}, never a position, and the homes that have not been heard of for a week."""
    sizes = {branch.log: branch.size for branch in store.branches()}
    positions, behind = {}, []
    for home in registry.homes():
        heard_ms = 0
        for log in home.logs:
            positions[log.hex()] = sizes.get(log, 0)
            kept = store.last_checkpoint(log, with_receipt=True) if log in sizes else None
            if kept is not None and kept.receipt is not None:
                heard_ms = max(heard_ms, int.from_bytes(kept.receipt[:8], "big") * 1000)
        if clock() - heard_ms > BEHIND_AFTER_MS:
            behind.append(home.code)
    return {"positions": dict(sorted(positions.items())), "behind": behind}
