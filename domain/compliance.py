"""Compliance (R04): how many duties were owed and how many were done, by rule, home, helper and child.

Counted are periods whose day has come (and what is done already); a period still under way is shown as open and judged
by nobody. A waived period counts neither way. The reason for a waiver stands beside the figures, so this is no bare
league table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from domain.duty_words import holders
from domain.obligations import FULFILLED, LATE, WAIVED, Duty

R04_DEFINITION: Final = (
    "应做数：期限已到或已经完成的应办事项（已免除的不计）；完成数含逾期补做的；按事情发生的日期归入时期，归入当时负责的家。"
    " / Owed: duties whose day has come or that are done, waived ones left out; done includes those done late; by the"
    " day on which the thing happened, for the home that the child belonged to in that period."
)
COUNTS: Final = ("owed", "done", "late", "waived", "open")

Key = Callable[[Duty], str]


def count(duties: Iterable[Duty], key: Key) -> dict[str, dict[str, int]]:
    """The figures of every group that a key makes, in order."""
    found: dict[str, dict[str, int]] = {}
    for duty in duties:
        figures = found.setdefault(key(duty), dict.fromkeys(COUNTS, 0))
        match duty.status:
            case "waived":
                figures["waived"] += 1
            case "ahead" | "due":
                figures["open"] += 1
            case _:
                figures["owed"] += 1
                figures["done"] += duty.status in (FULFILLED, LATE)
                figures["late"] += duty.status == LATE
    return {name: found[name] for name in sorted(found)}


def r04(duties: Iterable[Duty], first: int, last: int) -> dict[str, Any]:
    """The report over the periods that begin between two days."""
    within = [one for one in duties if first <= one.first <= last]
    return {
        "report": "R04",
        "definition": R04_DEFINITION,
        "by_rule": count(within, lambda one: one.rule_id),
        "by_group": count((one for one in within if one.version.rule.group), lambda one: one.version.rule.group),
        "by_home": count(within, lambda one: one.home),
        "by_helper": count((one for one in within if one.version.rule.group), _helper),
        "by_child": count((one for one in within if one.subject.kind == "child"), lambda one: one.subject.id.hex()),
        "waivers": _waivers(within),
    }


def _helper(duty: Duty) -> str:
    return "、".join(holders(duty.subject, duty)) or duty.version.rule.duty_holder


def _waivers(duties: Iterable[Duty]) -> list[dict[str, str]]:
    found = {
        one.id: {"rule": one.rule, "period": one.period, "reason": one.reason, "by": one.by}
        for duty in duties
        if duty.status == WAIVED
        for one in duty.subject.waivers
        if one.rule in (duty.rule_id, duty.version.rule.number)
    }
    return [found[id_] for id_ in sorted(found)]
