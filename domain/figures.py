"""Running sums over a subject's facts: by home, month and kind, with the last date of each kind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import lru_cache

from domain.event import Event
from domain.records import Record
from domain.state import Amended, amended_event
from domain.tally import NOTHING, Measure, Sum, measure_of, sum_of

Key = tuple[str, str, str]

DAYS_CACHED_MAX = 8192


@lru_cache(DAYS_CACHED_MAX)
def _month(day: dt.date) -> str:
    return day.isoformat()[:7]


class Figures:
    """Sums of what counts as it was written; amended facts are added when a state is made."""

    __slots__ = ("_last", "_sums", "_under_way")

    def __init__(self) -> None:
        self._sums: dict[Key, Sum] = {}
        self._under_way: dict[Key, list[int]] = {}  # what came since the sums were last asked for
        self._last: dict[str, dt.date] = {}

    def add(self, home: str, one: Measure) -> None:
        """Count one fact more."""
        kind, on, minutes, reached, children, fen = one
        key = (home, _month(on), kind)
        total = self._under_way.get(key)
        if total is None:
            self._under_way[key] = [1, minutes, reached, children, fen]
        else:
            total[0] += 1
            total[1] += minutes
            total[2] += reached
            total[3] += children
            total[4] += fen
        last = self._last.get(kind)
        if last is None or on > last:
            self._last[kind] = on

    def _add_up(self) -> dict[Key, Sum]:
        for key, more in self._under_way.items():
            known = self._sums.get(key)
            self._sums[key] = Sum._make(more) if known is None else known.plus(Sum._make(more))
        self._under_way.clear()
        return self._sums

    def remove(self, home: str, one: Measure, others: Iterable[Measure]) -> None:
        """Count one fact less; `others` are the measures that go on counting, read only if it was the last."""
        key = (home, _month(one.on), one.kind)
        total = self._add_up().pop(key).minus(sum_of(one))
        if total.facts:
            self._sums[key] = total
        if self._last[one.kind] == one.on:
            days = [other.on for other in others if other.kind == one.kind]
            if days:
                self._last[one.kind] = max(days)
            else:
                del self._last[one.kind]

    def total(self, amended: Iterable[tuple[str, Measure]]) -> tuple[dict[Key, Sum], dict[str, dt.date]]:
        """The sums and last dates, with amended facts as they read now."""
        sums = dict(self._add_up())
        last = dict(self._last)
        for home, one in amended:
            key = (home, _month(one.on), one.kind)
            sums[key] = sums.get(key, NOTHING).plus(sum_of(one))
            last[one.kind] = max(one.on, last.get(one.kind, one.on))
        return sums, last


def untouched(records: Mapping[bytes, Record], amended: Container[bytes]) -> Iterator[Measure]:
    """The measures of the facts that nothing amended."""
    for id_, record in records.items():
        measure = measure_of(record.event) if isinstance(record.event, Event) else None
        if measure is not None and id_ not in amended:
            yield measure


def touched(
    records: Mapping[bytes, Record], amended: Mapping[bytes, Amended], holder: str, withheld: Container[bytes]
) -> Iterator[tuple[str, Measure]]:
    """The amended facts that count, as they read now, with the home that did them."""
    for id_, one in amended.items():
        record = records[id_]
        measure = None if one.withdrawn_by else measure_of(amended_event(record, one, holder))
        if measure is not None and id_ not in withheld:
            yield record.home, measure
