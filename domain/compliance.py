"""Compliance (R04): how many duties were owed and how many were done, by rule, home, helper and child.

Counted are periods whose day has come (and what is done already); a period still under way is shown as open and judged
by nobody. A waived period counts neither way. The reason for a waiver stands beside the figures, so this is no bare
league table.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.duty_words import holders
from domain.obligations import AHEAD, DUE, FULFILLED, LATE, OVERDUE, WAIVED, Duty
from domain.reporting import Share

R04_DEFINITION: Final = (
    "应做数：期限已到或已经完成的应办事项（已免除的不计）；完成数含逾期补做的；应做次数、"
    "已做次数：一周三次而做了两次的，是三次中的两次，百分比按次数；按事情发生的日期归入时期，归入当时负责的家。"
    "县里自己的工作（如联席会议）在县里也计入，不归入任何家。"
    " / Owed: duties whose day has come or that are done, waived ones left out; done includes those done late; needed"
    " and made: times, so that two of three a week are two of three, and the percentage is of these; by the"
    " day on which the thing happened, for the home that the child belonged to in that period. At the county its own"
    " duties (the joint meeting …) count too, of no home."
)
COUNTS: Final = ("owed", "done", "late", "waived", "open", "needed", "made")
_ADDS: Final = {
    FULFILLED: (0, 1), LATE: (0, 1, 2), OVERDUE: (0,), WAIVED: (3,), AHEAD: (4,), DUE: (4,),
}  # fmt: skip

Figures = dict[str, list[int]]


class _Alike(NamedTuple):
    """What duties have in common that count alike."""

    rule: str
    group: str
    home: str
    helper: str
    child: bytes
    status: str
    needed: int
    made: int


def r04(duties: Iterable[Duty], first: int, last: int) -> dict[str, Any]:
    """The report over the periods that begin between two days."""
    alike: Counter[tuple[Any, ...]] = Counter()
    waivers: dict[bytes, dict[str, str]] = {}
    for duty in duties:
        if not first <= duty.first <= last:
            continue
        subject, rule, needed = duty.subject, duty.version.rule, duty.needed
        helper = ("、".join(holders(subject, duty)) or rule.duty_holder) if rule.group else ""
        child = subject.id if subject.kind == "child" else b""
        made = min(needed, duty.done)
        alike[rule.rule_id, rule.group, duty.home, helper, child, duty.status, needed, made] += 1
        if duty.status == WAIVED:
            waivers.update(_waivers(duty))
    by_rule, by_group, by_home, by_helper, by_child = _added_up(alike)
    groups = {
        "by_rule": by_rule,
        "by_group": by_group,
        "by_home": by_home,
        "by_helper": by_helper,
        "by_child": by_child,
    }
    return {
        "report": "R04",
        "definition": R04_DEFINITION,
        **{name: _named(figures) for name, figures in groups.items()},
        "waivers": [waivers[id_] for id_ in sorted(waivers)],
    }


def _added_up(alike: Mapping[tuple[Any, ...], int]) -> tuple[Figures, ...]:
    """The figures of each rule, group, home, helper and child."""
    by_rule, by_group, by_home, by_helper, by_child = found = tuple[Figures, ...]({} for _ in range(5))
    for key, count in alike.items():
        one = _Alike(*key)
        named = [(by_rule, one.rule)]
        if one.home:  # what the county owes is none's
            named.append((by_home, one.home))
        if one.group:
            named += [(by_group, one.group), (by_helper, one.helper)]
        if one.child:
            named.append((by_child, one.child.hex()))
        adds = _ADDS[one.status]
        for figures, name in named:
            sums = figures.setdefault(name, [0] * len(COUNTS))
            for place in adds:
                sums[place] += count
            if 0 in adds:
                sums[5] += one.needed * count
                sums[6] += one.made * count
    return found


def week_of(day: dt.date) -> tuple[dt.date, dt.date]:
    """The Monday and the Sunday of a day's week."""
    monday = day - dt.timedelta(days=day.weekday())
    return monday, monday + dt.timedelta(days=6)


COLUMNS: Final = "subject name home rule group kind child helper_name period from_on due_on status"


def duty_row(duty: Duty, name: str, *, is_shown: bool) -> tuple[Any, ...]:
    """A duty under `COLUMNS`; whom it is owed for is left out where its very existence is for few.

    Children are told apart by their ids; who helps is said of the duties of a group, both 五个一.
    """
    rule, subject = duty.version.rule, duty.subject
    child = str(UUID(bytes=subject.id)) if subject.kind == "child" else ""
    helper = ("、".join(holders(subject, duty)) or rule.duty_holder) if rule.group else ""
    who = (subject.id, name) if is_shown else (None, "")
    when = (duty.period, dt.date.fromordinal(duty.first).isoformat(), duty.due_on.isoformat())
    return (*who, duty.home, rule.rule_id, rule.group, subject.kind, child, helper, *when, duty.status)


def _named(figures: Figures) -> dict[str, dict[str, Any]]:
    return {
        key: dict(zip(COUNTS, figures[key], strict=True))
        | {"percent": Share(figures[key][6], figures[key][5]).percent()}
        for key in sorted(figures)
    }


def _waivers(duty: Duty) -> dict[bytes, dict[str, str]]:
    return {
        one.id: {"rule": one.rule, "period": one.period, "reason": one.reason, "by": one.by}
        for one in duty.subject.waivers
        if one.rule in (duty.rule_id, duty.version.rule.number)
    }
