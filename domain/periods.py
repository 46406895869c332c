"""Spans of days as reports are asked for them."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

HALVES: Final = {"H1": (1, 6), "H2": (7, 12)}


class BadPeriod(ValueError):
    """A text that names no span of days."""


class Period(NamedTuple):
    """Days from a first to a last one, both included, and how it was asked for."""

    first: dt.date
    last: dt.date
    text: str


def period_of(text: str | None, as_of: dt.date) -> Period:
    """The days that a period names: "2024-09", "2024", "2024-H1", "2024-09..2025-01"; the month of `as_of` for None.

    Raises BadPeriod for anything else.
    """
    text = text or f"{as_of:%Y-%m}"
    first, dots, last = text.partition("..")
    try:
        found = _months(first), _months(last if dots else first)
    except ValueError:
        raise BadPeriod(text) from None
    if found[1][1] < found[0][0]:
        raise BadPeriod(text)
    return Period(found[0][0], found[1][1], text)


def _months(text: str) -> tuple[dt.date, dt.date]:
    """First and last day of a year, a half of one, or a month."""
    year, _, rest = text.partition("-")
    if len(year) != 4 or not year.isascii() or not year.isdecimal():
        raise ValueError(text)
    if not rest and "-" not in text:
        first, last = 1, 12
    elif rest in HALVES:
        first, last = HALVES[rest]
    elif len(rest) == 2 and rest.isascii() and rest.isdecimal():
        first = last = int(rest)
    else:
        raise ValueError(text)
    after = dt.date(int(year) + last // 12, last % 12 + 1, 1)
    return dt.date(int(year), first, 1), after - dt.timedelta(days=1)
