"""What is owed: a pure function of a subject, the rules, the calendar and a day. Nothing of it is ever stored.

A rule asks in one of three ways. *Every* period that the subject concerns a home for at least half of its days: the
thing is to be done so many times in it. *After* something else, within so many days. *Always*: something must hold,
and a gap of more than so many days is owed.

Each deed counts for one period of a rule, the earliest that it can make good: what was done in the period itself, then
in the days of grace behind it, which makes up for what is missing. As both ends of these windows only ever grow,
taking the earliest is best. A stricter rule shrinks the windows or asks more, so it never finds less to be owed.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from domain.calendar import Calendar, Period
from domain.deeds import Deed, Span, Subject
from domain.fulfilling import answer, days_open, due_day_of, fulfilling, held, is_bound, knows_of
from domain.rules import AFTER, ALWAYS, EVERY, FOR_EVER, LONG_AGO, RuleBook, Version, Window, window_of

FULFILLED, LATE, WAIVED, AHEAD, DUE, OVERDUE = "fulfilled", "late", "waived", "ahead", "due", "overdue"
OPEN: Final = frozenset({AHEAD, DUE, OVERDUE})
"""The states in which something is still to be done."""

SHOWN_BEFORE_DAYS: Final = 14
EARLIEST, LATEST = dt.date(2000, 1, 1).toordinal(), dt.date(2999, 12, 31).toordinal()
"""Nothing was asked before, and no clock is right behind: a year typed wrong makes no list of a thousand years."""

_ORDINAL = dt.date.fromordinal
_new: Final[Any] = tuple.__new__  # of a named tuple, without the call that checks how many values there are


class Duty(NamedTuple):
    """One thing that was or is owed in one period."""

    version: Version
    subject: Subject
    home: str
    period: str
    first: int  # the days that the period has
    last: int
    opens: int  # since when it is owed
    due: int  # by when, days of grace included
    done: int
    needed: int
    facts: tuple[bytes, ...]
    status: str
    item: bytes = b""  # the fact or pairing that it is about, where the rule is about each of them

    @property
    def rule_id(self) -> str:
        """The rule."""
        return self.version.rule.rule_id

    @property
    def since_on(self) -> dt.date:
        """The day since when it is owed."""
        return _ORDINAL(self.opens)

    @property
    def due_on(self) -> dt.date:
        """The day by which it is owed, days of grace included."""
        return _ORDINAL(self.due)

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done."""
        return self.status in OPEN


class Slot(NamedTuple):
    """One period of a version: from when on it is owed, by when, and until when a deed counts for it."""

    period: Period
    opens: int
    due: int
    ends: int
    counts_from: int


Rules = Callable[[str], RuleBook]
"""The rules of each home, by its code."""


def due(
    subject: Subject, rules: Rules, calendar: Calendar, today: dt.date, ahead: dt.date | None = None, holder: str = "",
    *, latest: bool = False,
) -> list[Duty]:  # fmt: skip
    """Every duty about a subject since the beginning, done or not, that is owed by a day (`ahead`: or comes until).

    `holder`: only what this one owes. `latest`: of what recurs only the periods since the last that is done, and that
    one, which is all that a list of what is open is made of.
    """
    now = min(today.toordinal(), LATEST)
    horizon = max(now, min(ahead.toordinal(), LATEST)) if ahead else now
    found: list[Duty] = []
    for span in (one._replace(first=max(one.first, EARLIEST)) for one in subject.spans):
        for version in rules(span.home).plan(subject.kind):
            if holder and version.rule.duty_holder != holder:
                continue
            if version.rule.mode == EVERY:
                found += _every(subject, span, version, calendar, now, horizon, latest=latest)
            else:
                found += _MODES[version.rule.mode](subject, span, version, calendar, now, horizon)
    return found


# -- every period


def _every(
    subject: Subject, span: Span, version: Version, calendar: Calendar, now: int, horizon: int, *, latest: bool
) -> Iterator[Duty]:
    deeds = fulfilling(subject, version)
    for item, first, last in _ranges(subject, span, version):
        own = [one for one in deeds if knows_of(one, version.rule.link, item)] if item else deeds
        yield from _in_range(subject, span, version, calendar, (item, first, last), own, now, horizon, latest=latest)


def _in_range(
    subject: Subject, span: Span, version: Version, calendar: Calendar, within: tuple[bytes, int, int],
    deeds: Sequence[Deed], now: int, horizon: int, *, latest: bool,
) -> list[Duty]:  # fmt: skip
    item, first, last = within
    found: list[Duty] = []
    rule, count = version.rule, version.rule.count
    slots, starts = slots_of(calendar, version, first, min(last, horizon))
    window = window_of(rule.window)
    until = bisect_right(deeds, now, key=_day)
    at = bisect_left(slots, first, key=_last)
    taken = 0
    for place in range(at, bisect_right(starts, min(last, horizon))):
        slot = slots[place]
        period, opens, due_day, ends, counts_from = slot
        if period.first < first or period.last > last:
            if not _is_mostly(period, first, last):
                continue
            if opens < first:
                opens = first
                if window is not None and window.end == "first":
                    due_day = min(max(due_day, first + window.days - 1 + rule.grace_days), ends)
        if opens > horizon:
            continue
        while taken < until and deeds[taken].day < counts_from:
            taken += 1
        begin = taken
        while taken < until and taken - begin < count and deeds[taken].day <= ends:
            taken += 1
        number = taken - begin
        if number < count:
            status = AHEAD if opens > now else DUE if now <= due_day else OVERDUE
            if subject.waivers and _is_waived(subject, version, calendar, period.name, period.first):
                status = WAIVED
        else:
            status = LATE if deeds[taken - 1].day > due_day else FULFILLED
        if latest and status not in OPEN:
            found.clear()
        facts = tuple([one.id for one in deeds[begin:taken]]) if number else ()
        found.append(_new(Duty, (version, subject, span.home, period.name, period.first, period.last, opens, due_day,
                                 number, count, facts, status, item)))  # fmt: skip
    return found


def _is_mostly(period: Period, first: int, last: int) -> bool:
    """Whether at least half of a period lies between two days; of two equal halves the one behind does not."""
    inside = 2 * (min(period.last, last) - max(period.first, first) + 1)
    length = period.last - period.first + 1
    return inside > length or (inside == length and first <= period.first)


def _day(deed: Deed) -> int:
    return deed.day


def _last(slot: Slot) -> int:
    return slot.period.last


def _status(is_done: bool, day: int, opens: int, due_day: int, now: int) -> str:
    if is_done:
        return LATE if day > due_day else FULFILLED
    return AHEAD if opens > now else DUE if now <= due_day else OVERDUE


def slots_of(calendar: Calendar, version: Version, first: int, last: int) -> tuple[list[Slot], list[int]]:
    """The periods of a version between two days, the same for every subject: worked out once."""
    rule = version.rule
    key = (rule.period, rule.window, rule.grace_days, rule.all_year, rule.weekdays, version.since, version.until)
    low, high, found = calendar.memo.get(key, (1, 0, ([], [])))
    if last < first or (low <= first and last <= high):
        return found  # type: ignore[no-any-return]
    low, high = (min(low, first), max(high, last)) if found[0] else (first, last)
    low, high = low - 366, high + 366
    slots = [
        slot
        for period in calendar.periods(rule.period, max(low, LONG_AGO), min(high, FOR_EVER - 800))
        if version.since <= period.first < version.until
        and (not rule.weekdays or (period.first - 1) % 7 in rule.weekdays)
        and calendar.is_owed(rule.period, period, all_year=rule.all_year)
        and (slot := _slot(period, window_of(rule.window), rule.grace_days))
    ]
    found = (slots, [slot.period.first for slot in slots])
    calendar.memo[key] = (low, high, found)
    return found


def _slot(period: Period, window: Window | None, grace: int) -> Slot:
    """Early windows can be made good until the period ends; late ones begin where the window does."""
    first, last = period.first, period.last
    if window is not None:
        in_weeks = window.unit == "weeks"
        if window.end == "first":
            last = min(last, (_monday(first) if in_weeks else first) + window.days - 1)
        else:
            first = max(first, (_monday(last) + 6 if in_weeks else last) - window.days + 1)
    return Slot(period, first, last + grace, max(period.last, last + grace), first)


def _monday(day: int) -> int:
    return day - (day - 1) % 7  # day 1 of the calendar was one


def _ranges(subject: Subject, span: Span, version: Version) -> Iterator[tuple[bytes, int, int]]:
    """Within a span, the days for which a rule's filter holds; with the pairing, where it is about each one."""
    applies = version.rule.applies_to
    if ("trait" in applies and applies["trait"] not in subject.traits) or not is_bound(subject, applies):
        return
    ranges = [(b"", span.first, span.last)]
    if "each_pairing" in applies:
        ranges = [(one.id, one.first, one.last) for one in subject.paired if one.kind in applies["each_pairing"]]
    if "pairing" in applies:
        paired = [(one.first, one.last) for one in subject.paired if one.kind in applies["pairing"]]
        ranges = _both(ranges, _joined(paired))
    if "category" in applies:
        ranges = _both(ranges, _in_categories(subject, frozenset(applies["category"])))
    if "open" in applies:
        ranges = _both(ranges, days_open(subject, applies))
    for item, first, last in ranges:
        if max(first, span.first) <= min(last, span.last):
            yield item, max(first, span.first), min(last, span.last)


def _both(ranges: list[tuple[bytes, int, int]], other: list[tuple[int, int]]) -> list[tuple[bytes, int, int]]:
    return [
        (item, max(first, begin), min(last, end))
        for item, first, last in ranges
        for begin, end in other
        if max(first, begin) <= min(last, end)
    ]


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges of days united, in order."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        elif first <= last:
            found.append((first, last))
    return found


def _in_categories(subject: Subject, wanted: frozenset[str]) -> list[tuple[int, int]]:
    found = []
    ends = [since - 1 for since, _ in subject.categories[1:]]
    for (since, categories), last in zip(subject.categories, [*ends, FOR_EVER], strict=False):
        if categories & wanted:
            found.append((since, last))
    return _joined(found)


# -- after something else, and always


def _after(
    subject: Subject, span: Span, version: Version, calendar: Calendar, now: int, horizon: int
) -> Iterator[Duty]:
    rule = version.rule
    assert rule.trigger is not None
    ranges = list(_ranges(subject, span, version))
    for trigger in fulfilling(subject, version, rule.trigger):
        day = trigger.day
        if day > horizon or not version.since <= day < version.until:
            continue
        if not any(first <= day <= last for _, first, last in ranges):
            continue
        due_day = due_day_of(subject, rule, trigger) + rule.grace_days
        answered = answer(subject, version, trigger, now)
        status = _status(answered is not None, answered[0] if answered else 0, day, due_day, now)
        name = _ORDINAL(day).isoformat()
        if status in OPEN and _is_waived(subject, version, calendar, name, day):
            status = WAIVED
        facts = answered[1] if answered else ()
        yield Duty(version, subject, span.home, name, day, due_day, min(day, due_day), due_day,
                   int(answered is not None), 1, facts, status, trigger.id)  # fmt: skip


def _always(
    subject: Subject, span: Span, version: Version, calendar: Calendar, now: int, horizon: int
) -> Iterator[Duty]:
    rule = version.rule
    for _, first, last in _ranges(subject, span, version):
        for begin, end, by in _gaps(held(subject, version), first, min(last, now)):
            due_day = begin + rule.within_days + rule.grace_days
            opens = max(begin, due_day - SHOWN_BEFORE_DAYS)
            if not version.since <= begin < version.until or opens > horizon or end < min(due_day, now):
                continue  # a gap that ended in time is none
            day = end + 1 if by else 0
            status = _status(bool(by), day, opens, due_day, now)
            name = _ORDINAL(begin).isoformat()
            if status in OPEN and _is_waived(subject, version, calendar, name, begin):
                status = WAIVED
            yield Duty(version, subject, span.home, name, begin, end, opens, due_day, int(bool(by)), 1, by, status)


def _gaps(held: list[tuple[int, int, bytes]], first: int, last: int) -> Iterator[tuple[int, int, tuple[bytes, ...]]]:
    """The days between two on which nothing of this held, and what ended them."""
    at = first
    for begin, end, id_ in held:
        if begin > last:
            break
        if begin > at:
            yield at, begin - 1, (id_,)
        at = max(at, end + 1)
    if at <= last:
        yield at, last, ()


def _is_waived(subject: Subject, version: Version, calendar: Calendar, name: str, first: int) -> bool:
    rule = version.rule
    for waiver in subject.waivers:
        if waiver.rule in (rule.rule_id, rule.number):
            span = calendar.named(waiver.period)
            if waiver.period == name or (span is not None and span.first <= first <= span.last):
                return True
    return False


_MODES: Final[dict[str, Callable[..., Iterator[Duty]]]] = {AFTER: _after, ALWAYS: _always}
