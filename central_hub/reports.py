"""Of each home's exchanges what the county knows (R18), and whose figures may lack something.

Every exchange leaves a receipt, of which the county keeps the first and the last for each size of a log. So the report
can be made as of any day: of an idle home's exchanges between those two nobody knows any longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from central_hub.registry import Home, Registry
from domain.reporting import Asked, Rows
from domain.reports.health import COLUMNS
from node.brackets import TOLERANCE_MS
from node.clock import Clock, local_date
from node.known import FOR_EVER_MS, Then
from sync import receipt_series
from sync.receipts import Kept
from sync.stored_log import StoredLog

BEHIND_AFTER_MS: Final = 7 * 24 * 3600 * 1000


def behind(store: StoredLog, registry: Registry, clock: Clock, before_ms: int = FOR_EVER_MS) -> list[str]:
    """The homes that had not been heard of for a week: today, or at an instant in the past."""
    held, at_ms = {branch.log for branch in store.branches()}, min(clock(), before_ms)
    return [
        home.code
        for home in registry.homes()
        if at_ms - _heard_ms(store, home.logs.keys() & held, before_ms) > BEHIND_AFTER_MS
    ]


def behind_then(store: StoredLog, clock: Clock, then: Then) -> list[str]:
    """The same of the homes that were known at a moment."""
    return behind(store, _registry(store, then), clock, then.before_ms)


def _registry(store: StoredLog, then: Then) -> Registry:
    """Who had been admitted, as far as it was known then."""
    return Registry(store, lambda entry, body: then.knows(entry) and body.recorded_at_ms < then.before_ms)


def _heard_ms(store: StoredLog, logs: Iterable[bytes], before_ms: int) -> int:
    """When the newest receipt before an instant was given for any of these logs; 0 where there was none."""
    if before_ms < FOR_EVER_MS:
        given = [kept.note.time_ms for log in logs for kept in receipt_series.all_of(store, log)]
        return max((one for one in given if one < before_ms), default=0)
    kept = [store.last_checkpoint(log, with_receipt=True) for log in logs]
    return max((int.from_bytes(one.receipt[:8], "big") * 1000 for one in kept if one and one.receipt), default=0)


def exchanges(store: StoredLog, clock: Clock, asked: Asked, then: Then) -> Rows:
    """A row a home under the columns of R18, as of a day, as far as it was known then."""
    then = then.by(asked.as_of)
    registry = _registry(store, then)
    held = {branch.log for branch in store.branches()}
    return Rows(tuple(COLUMNS.split()), [_exchange(store, home, held, clock, asked, then) for home in registry.homes()])


def _exchange(
    store: StoredLog, home: Home, held: set[bytes], clock: Clock, asked: Asked, then: Then
) -> tuple[Any, ...]:
    """What a home's receipts say, and what was said at the beginning of the exchanges that they came from."""
    series = {log: receipt_series.all_of(store, log) for log in home.logs if log in held}
    known = {log: [one for one in kept if one.note.time_ms < then.before_ms] for log, kept in series.items()}
    heard_ms = max((one.note.time_ms for kept in known.values() for one in kept), default=0)
    said = {log: one.greeted for log, kept in known.items() for one in kept if one.greeted}  # of each the newest
    waiting = sum(max(0, one.size - _held(log, series, known, then.sizes)) for log, one in said.items())
    offset_ms = max(said.values(), key=lambda one: one.hub_ms).offset_ms if said else None
    heard = local_date(heard_ms) if heard_ms else None
    days = (asked.as_of - heard).days if heard else None
    clocks = (None, 0) if offset_ms is None else (offset_ms // 1000, int(abs(offset_ms) > TOLERANCE_MS))
    is_behind = int(min(clock(), then.before_ms) - heard_ms > BEHIND_AFTER_MS)
    told = (heard.isoformat() if heard else None, days, waiting if said else None, *clocks, is_behind)
    return (None, home.code, home.name, *told)


def _held(
    log: bytes, series: Mapping[bytes, list[Kept]], known: Mapping[bytes, list[Kept]], sizes: Mapping[bytes, int]
) -> int:
    """How many entries of a log were here: of the past what the last receipt then covered."""
    if len(known[log]) < len(series[log]):
        return max(one.size for one in known[log])
    return sizes.get(log, 0)
