"""Running sums over a subject's facts: by home, month and kind, with the last date of each kind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from domain.tally import NOTHING, Measure, Sum

Key = tuple[str, str, str]


class Figures:
    """Sums of what counts as it was written; amended facts are added when a state is made."""

    __slots__ = ("_last", "_made", "_sums")

    def __init__(self) -> None:
        self._sums: dict[Key, list[int]] = {}
        self._last: dict[str, dt.date] = {}
        self._made: dict[Key, Sum] = {}  # sums as values, until they move

    def add(self, home: str, one: Measure) -> None:
        """Count one fact more."""
        key = (home, one.on.isoformat()[:7], one.kind)
        total = self._sums.get(key)
        if total is None:
            total = self._sums[key] = [0, 0, 0, 0, 0]
        _plus(total, one, 1)
        self._made.pop(key, None)
        last = self._last.get(one.kind)
        if last is None or one.on > last:
            self._last[one.kind] = one.on

    def remove(self, home: str, one: Measure, others: Iterable[Measure]) -> None:
        """Count one fact less; `others` are the measures that go on counting, read only if it was the last."""
        key = (home, one.on.isoformat()[:7], one.kind)
        _plus(self._sums[key], one, -1)
        self._made.pop(key, None)
        if self._last[one.kind] == one.on:
            days = [other.on for other in others if other.kind == one.kind]
            if days:
                self._last[one.kind] = max(days)
            else:
                del self._last[one.kind]

    def total(self, amended: Iterable[tuple[str, Measure]]) -> tuple[dict[Key, Sum], dict[str, dt.date]]:
        """The sums and last dates, with amended facts as they read now."""
        for key, total in self._sums.items():
            if key not in self._made and total[0]:
                self._made[key] = Sum(*total)
        sums = dict(self._made)
        last = dict(self._last)
        for home, one in amended:
            key = (home, one.on.isoformat()[:7], one.kind)
            sums[key] = sums.get(key, NOTHING).plus(one)
            last[one.kind] = max(one.on, last.get(one.kind, one.on))
        return sums, last


def _plus(total: list[int], one: Measure, sign: int) -> None:
    total[0] += sign
    total[1] += sign * one.minutes
    total[2] += sign * one.reached
    total[3] += sign * one.children
    total[4] += sign * one.fen
