"""R11: hazards and what became of them, letters of responsibility, rides, inspections."""

from __future__ import annotations

from collections.abc import Iterator

from domain.codes import INSPECTION_KIND
from domain.codes_place import HAZARD_KIND, LETTER_KIND, SEVERITY
from domain.reporting import HOME, TIMES, Asked, By, Figure, Label, Read, added, counted, report

HAZARDS = Label("处", "hazards")
LETTERS = Label("份", "letters")
COLUMNS = "subject home place kind severity found_on due_on reported_on in_writing remedied_on status"


@report("R11", "安全", "safety")
def safety(read: Read, asked: Asked) -> Iterator[Figure]:
    """Hazards as of the date; letters, rides and inspections of the period."""
    yield from _hazards(read, asked)
    letters = read("responsibility_letter_signed", "subject home kind level between signed_on period")
    yield counted(
        "letters",
        Label("责任书", "letters signed"),
        Label("期间内签订的责任书", "letters of responsibility signed within the period"),
        LETTERS,
        letters.within("signed_on", asked.period),
        By("kind", "kind", LETTER_KIND),
        HOME,
    )
    rides = read("ride_checked", "subject home on riders overloaded").within("on", asked.period)
    yield counted(
        "rides",
        Label("乘车检查", "rides checked"),
        Label("期间内的乘车检查", "checks of rides within the period"),
        TIMES,
        rides,
        HOME,
    )
    yield counted(
        "overloaded",
        Label("超载", "overloaded"),
        Label("期间内查到超载的", "checks within the period that found too many riders"),
        TIMES,
        rides.where(overloaded=1),
        HOME,
    )
    inspections = read("inspection_done", "subject home kind on inspector items failed place")
    inspections = inspections.within("on", asked.period)
    kind = By("kind", "kind", INSPECTION_KIND)
    yield counted(
        "inspections",
        Label("检查", "inspections"),
        Label("期间内的各类检查", "inspections of every kind within the period"),
        TIMES,
        inspections,
        kind,
        HOME,
    )
    yield added(
        "failed",
        Label("检查不合格项", "items that failed"),
        Label("期间内检查发现的不合格项数之和", "items that failed at inspections within the period, added up"),
        Label("项", "items"),
        inspections,
        "failed",
        kind,
        HOME,
    )


def _hazards(read: Read, asked: Asked) -> Iterator[Figure]:
    hazards = read("hazard", COLUMNS)
    splits = (By("severity", "severity", SEVERITY), By("kind", "kind", HAZARD_KIND), HOME)
    yield counted(
        "found",
        Label("发现隐患", "hazards found"),
        Label("期间内发现的隐患", "hazards found within the period"),
        HAZARDS,
        hazards.within("found_on", asked.period),
        *splits,
    )
    yield counted(
        "remedied",
        Label("整改隐患", "hazards remedied"),
        Label("期间内整改完毕的隐患", "hazards remedied within the period"),
        HAZARDS,
        hazards.within("remedied_on", asked.period),
        *splits,
    )
    found, due, done = (hazards.at(name) for name in ("found_on", "due_on", "remedied_on"))
    day = asked.as_of.isoformat()
    still = hazards.having(
        lambda row: row[found] is not None and row[found] <= day and (row[done] is None or row[done] > day)
    )
    definition = Label("截至日期发现而未整改的隐患", "hazards found by the date and not remedied by it")
    yield counted("open", Label("未整改", "open"), definition, HAZARDS, still, *splits)
    yield counted(
        "overdue",
        Label("逾期未整改", "overdue"),
        Label(
            "截至日期未整改且已过期限的：写明期限的按期限，否则重大 3 天、其他 30 天",
            "open past the day by which they should have been remedied: as named, else 3 days if severe, 30 if not",
        ),
        HAZARDS,
        still.having(lambda row: row[due] is not None and row[due] < day),
        *splits,
    )
    reported = hazards.within("reported_on", asked.period).where(in_writing=1)
    yield counted(
        "in_writing",
        Label("书面上报", "reported in writing"),
        Label("期间内书面上报的隐患", "hazards reported in writing within the period"),
        HAZARDS,
        reported,
        *splits,
    )
