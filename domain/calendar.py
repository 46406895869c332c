"""The county's school calendar: terms and holidays as it set them, and the periods that duties are counted in.

Days are ordinals (`date.toordinal`) inside, because a county's compliance asks for millions of periods. A period is a
half-open idea made closed: `first` and `last` both belong to it. Weeks begin on Monday; week 1 of a term is the week in
which the term begins. A school year runs from September to August.

*Owed or not:* a day, week, fortnight or month that touches fewer than half its days of term is not owed, unless the
rule holds all year. Longer periods are made of terms: a term is owed, a half term is half of a term's days, a school
year is owed where a term lies in it.
"""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

DAY, WEEK, FORTNIGHT, MONTH = "day", "week", "two_weeks", "month"
HALF_TERM, TERM, HALF_YEAR, SCHOOL_YEAR, YEAR = "half_term", "term", "half_year", "school_year", "year"
LENGTHS: Final = {
    DAY: 1, WEEK: 7, FORTNIGHT: 14, MONTH: 31, HALF_TERM: 75, TERM: 150, HALF_YEAR: 184, SCHOOL_YEAR: 366, YEAR: 366,
}  # fmt: skip
"""Every kind of period with the days that it takes at most: the shorter one is the stricter one."""

CIVIL: Final = frozenset({DAY, WEEK, FORTNIGHT, MONTH})
"""The periods of which half the days must be days of term."""

AUTUMN: Final = 9
_YEAR, _MONTH = re.compile(r"\d{4}"), re.compile(r"(\d{4})-(\d{2})")
_WEEK, _SCHOOL_YEAR = re.compile(r"(\d{4})-W(\d{2})(\.\.)?"), re.compile(r"(\d{4})-(\d{4})")
_HALF, _HALF_YEAR = re.compile(r".+[上下]半"), re.compile(r"(\d{4})([上下])半年")


class Period(NamedTuple):
    """One period by its name, both days included."""

    name: str
    first: int
    last: int


class Term(NamedTuple):
    """One term as the county scheduled it."""

    name: str
    first: int
    last: int
    holidays: frozenset[int] = frozenset()


class Calendar:
    """Terms, and every kind of period around them. A value: what it gives follows from its terms alone."""

    def __init__(self, terms: Iterable[Term] = ()) -> None:
        self.terms = tuple(sorted({one.name: one for one in terms if one.first <= one.last}.values(), key=_begin))
        days = {day for one in self.terms for day in range(one.first, one.last + 1) if day not in one.holidays}
        self._days = sorted(days)
        self._kinds: dict[str, tuple[int, int, list[Period]]] = {}
        self.memo: dict[Any, Any] = {}
        """For whoever works something out of the calendar that is the same for every subject."""

    def days_of_term(self, first: int, last: int) -> int:
        """How many days of term lie between two days, both included."""
        return bisect_right(self._days, last) - bisect_left(self._days, first)

    def is_owed(self, kind: str, period: Period, *, all_year: bool) -> bool:
        """Whether a period counts at all."""
        if all_year or kind in (TERM, HALF_TERM):
            return True
        days = self.days_of_term(period.first, period.last)
        return 2 * days >= period.last - period.first + 1 if kind in CIVIL else days > 0

    def periods(self, kind: str, first: int, last: int) -> list[Period]:
        """All periods of a kind that touch the days between two, in order."""
        low, high, found = self._kinds.get(kind, (1, 0, []))
        if not low <= first <= last <= high:
            low = min(first, low) if found else first
            low, high = _year_begin(low, -1), _year_begin(max(last, high), 2) - 1
            found = [one for one in _MAKERS[kind](self, low, high) if one.last >= low and one.first <= high]
            self._kinds[kind] = (low, high, found)
        begin = bisect_left(found, first, key=lambda one: one.last)
        return found[begin : bisect_right(found, last, key=lambda one: one.first)]

    def named(self, name: str) -> Period | None:
        """The period that a person names, as in a waiver: a day, week, month, year, term, half or school year."""
        for one in self.terms:
            if one.name == name:
                return Period(name, one.first, one.last)
        if _HALF.fullmatch(name):
            return next((one for one in _half_terms(self, 1, dt.date.max.toordinal()) if one.name == name), None)
        try:
            return _civil(name)
        except ValueError:
            return None


def _begin(term: Term) -> tuple[int, int, str]:
    return (term.first, term.last, term.name)


def _civil(name: str) -> Period | None:
    if (found := _WEEK.fullmatch(name)) is not None:
        first = dt.date.fromisocalendar(int(found[1]), int(found[2]), 1).toordinal()
        return Period(name, first, first + (13 if found[3] else 6))
    if (found := _MONTH.fullmatch(name)) is not None and 1 <= int(found[2]) <= 12:
        return _month(int(found[1]), int(found[2]))
    if (found := _HALF_YEAR.fullmatch(name)) is not None:
        return _half_year(int(found[1]), found[2])
    if (found := _SCHOOL_YEAR.fullmatch(name)) is not None and int(found[2]) == int(found[1]) + 1:
        return _school_year(int(found[1]))
    if _YEAR.fullmatch(name) is not None:
        return Period(name, _first(int(name), 1), _first(int(name) + 1, 1) - 1)
    day = dt.date.fromisoformat(name).toordinal()
    return Period(name, day, day)


def _first(year: int, month: int) -> int:
    return dt.date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1).toordinal()


def _year_begin(day: int, years: int) -> int:
    year = dt.date.fromordinal(day).year + years
    return dt.date(min(max(year, 1), dt.date.max.year), 1, 1).toordinal()


def _month(year: int, month: int) -> Period:
    first = _first(year, month)
    return Period(dt.date.fromordinal(first).isoformat()[:7], first, _first(year, month + 1) - 1)


def _school_year(year: int) -> Period:
    return Period(f"{year}-{year + 1}", _first(year, AUTUMN), _first(year + 1, AUTUMN) - 1)


def _half_year(year: int, half: str) -> Period:
    begin = 1 if half == "上" else 7
    return Period(f"{year}{half}半年", _first(year, begin), _first(year, begin + 6) - 1)


def _years(low: int, high: int) -> range:
    first, last = dt.date.fromordinal(low).year - 1, dt.date.fromordinal(high).year + 1
    return range(max(first, 1), min(last, dt.date.max.year - 1))


def _in_days(_calendar: Calendar, low: int, high: int) -> Iterator[Period]:
    return (Period(dt.date.fromordinal(day).isoformat(), day, day) for day in range(low, high + 1))


def _in_weeks(weeks: int) -> Callable[[Calendar, int, int], Iterator[Period]]:
    def make(_calendar: Calendar, low: int, high: int) -> Iterator[Period]:
        length = 7 * weeks
        for first in range(low - (low - 1) % length, high + 1, length):  # day 1 of the calendar was a Monday
            year, week, _ = dt.date.fromordinal(first).isocalendar()
            yield Period(f"{year}-W{week:02}" + ".." * (weeks > 1), first, first + length - 1)

    return make


def _in_months(_calendar: Calendar, low: int, high: int) -> Iterator[Period]:
    return (_month(year, month) for year in _years(low, high) for month in range(1, 13))


def _half_years(_calendar: Calendar, low: int, high: int) -> Iterator[Period]:
    return (_half_year(year, half) for year in _years(low, high) for half in "上下")


def _in_years(_calendar: Calendar, low: int, high: int) -> Iterator[Period]:
    return (Period(str(year), _first(year, 1), _first(year + 1, 1) - 1) for year in _years(low, high))


def _school_years(_calendar: Calendar, low: int, high: int) -> Iterator[Period]:
    return (_school_year(year) for year in _years(low, high))


def _in_terms(calendar: Calendar, _low: int, _high: int) -> Iterator[Period]:
    return (Period(one.name, one.first, one.last) for one in calendar.terms)


def _half_terms(calendar: Calendar, _low: int, _high: int) -> Iterator[Period]:
    for one in calendar.terms:
        middle = (one.first + one.last) // 2
        yield Period(f"{one.name}上半", one.first, middle)
        if middle < one.last:
            yield Period(f"{one.name}下半", middle + 1, one.last)


_MAKERS: Final[dict[str, Callable[[Calendar, int, int], Iterator[Period]]]] = {
    DAY: _in_days,
    WEEK: _in_weeks(1),
    FORTNIGHT: _in_weeks(2),
    MONTH: _in_months,
    HALF_TERM: _half_terms,
    TERM: _in_terms,
    HALF_YEAR: _half_years,
    SCHOOL_YEAR: _school_years,
    YEAR: _in_years,
}
