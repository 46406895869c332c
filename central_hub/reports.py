"""Of each home's exchanges what the county knows (R18), and whose figures may lack something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from central_hub.registry import Home, Registry
from domain.reporting import Rows
from domain.reports.health import COLUMNS
from node.brackets import TOLERANCE_MS
from node.clock import Clock, local_date
from sync import receipt_series
from sync.receipts import Greeted
from sync.stored_log import StoredLog

BEHIND_AFTER_MS: Final = 7 * 24 * 3600 * 1000


def behind(store: StoredLog, registry: Registry, clock: Clock) -> list[str]:
    """The homes that have not been heard of for a week."""
    held = {branch.log for branch in store.branches()}
    return [home.code for home in registry.homes() if clock() - _heard_ms(store, home, held) > BEHIND_AFTER_MS]


def _heard_ms(store: StoredLog, home: Home, held: set[bytes]) -> int:
    """When a home's newest receipt was given; 0 where it never got one."""
    kept = [store.last_checkpoint(log, with_receipt=True) for log in home.logs if log in held]
    return max((int.from_bytes(one.receipt[:8], "big") * 1000 for one in kept if one and one.receipt), default=0)


def exchanges(store: StoredLog, registry: Registry, clock: Clock) -> Rows:
    """A row a home, under the columns of R18."""
    sizes = {branch.log: branch.size for branch in store.branches()}
    late = set(behind(store, registry, clock))
    found = [(*_exchange(store, home, sizes, clock), int(home.code in late)) for home in registry.homes()]
    return Rows(tuple(COLUMNS.split()), found)


def _exchange(store: StoredLog, home: Home, sizes: Mapping[bytes, int], clock: Clock) -> tuple[Any, ...]:
    """What a home's receipts say, and what was said at the beginning of the exchanges that they came from."""
    heard_ms = _heard_ms(store, home, set(sizes))
    said = {log: _greeted(store, log) for log in home.logs if log in sizes}
    told = [(one, log) for log, one in said.items() if one is not None]
    waiting = sum(max(0, one.size - sizes[log]) for one, log in told) if told else None
    offset_ms = max(told, key=lambda pair: pair[0].hub_ms)[0].offset_ms if told else None
    heard = local_date(heard_ms) if heard_ms else None
    days = (local_date(clock()) - heard).days if heard else None
    clocks = (None, 0) if offset_ms is None else (offset_ms // 1000, int(abs(offset_ms) > TOLERANCE_MS))
    return (None, home.code, home.name, heard.isoformat() if heard else None, days, waiting, *clocks)


def _greeted(store: StoredLog, log: bytes) -> Greeted | None:
    """How the last exchange of a log began, of which that is known: by hand nobody greets."""
    return next((one.greeted for one in reversed(receipt_series.all_of(store, log)) if one.greeted), None)
