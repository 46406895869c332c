"""R04: what was owed and done, by rule, home, helper and child, and what falls due this week."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from domain.compliance import COLUMNS, week_of
from domain.obligations import AHEAD, DUE, FULFILLED, LATE, OVERDUE, WAIVED
from domain.reporting import HOME, Asked, By, Figure, Key, Label, Read, Row, Rows, counted, report, share

DUTIES = Label("项", "duties")
DONE = frozenset((FULFILLED, LATE))
OWED = DONE | {OVERDUE}
FIGURES = {
    "owed": (OWED, Label("应做", "owed"), Label("期限已到或已经完成的应办事项，已免除的不计",
                                              "whose day has come, or that are done; waived ones left out")),
    "done": (DONE, Label("完成", "done"), Label("已完成的，含逾期补做的", "done, also those done late")),
    "late": (frozenset((LATE,)), Label("逾期完成", "done late"), Label("完成了但已过期限的", "done, past their day")),
    "overdue": (frozenset((OVERDUE,)), Label("逾期未做", "overdue"), Label("期限已过没有做的", "past their day")),
    "waived": (frozenset((WAIVED,)), Label("免除", "waived"), Label("写明原因免除的", "waived, with a reason")),
    "open": (frozenset((AHEAD, DUE)), Label("未到期", "open"), Label("期限未到、没做完的", "not done, not yet due")),
}  # fmt: skip
SPLITS = {"group": "group", "helper": "helper_name", "child": "child", HOME: HOME}
WHEN = Label("时期在所示期间内开始的应办事项，归入当时负责的家，县里自己的不归入任何家：",
             "duties of periods that begin within the period, for the home that the child belonged to, the county's "
             "own for none: ")  # fmt: skip


@report("R04", "工作完成情况", "what was owed and done", beside="duty")
def compliance(read: Read, asked: Asked) -> Iterator[Figure]:
    """Counts by status over the periods that begin within a period; what is due in the week of the date."""
    duties = read("duty", COLUMNS)
    within = duties.within("from_on", asked.period)
    for name, (statuses, label, definition) in FIGURES.items():
        told = Label(WHEN.zh + definition.zh, WHEN.en + definition.en)
        found = within.where(status=statuses)
        yield counted(name, label, told, DUTIES, found, *_splits(found))
    owed, missing = within.where(status=OWED), within.where(status=OVERDUE)
    definition = Label(
        "完成数占应做数的比例；名单为逾期未做的。免除的两边都不计，原因见 compliance",
        "done of owed; listed are those overdue. Waived ones count on neither side: `compliance` has the reasons",
    )
    rate = share("rate", Label("完成率", "rate"), definition, within.where(status=DONE), owed, *_splits(owed))
    yield replace(rate, items=missing)
    first, last = (day.isoformat() for day in week_of(asked.as_of))
    status, due = duties.at("status"), duties.at("due_on")

    def this_week(row: Row) -> bool:
        return row[status] in (AHEAD, DUE, OVERDUE) and first <= row[due] <= last

    week = duties.having(this_week)
    definition = Label(
        "截至日期所在的一周（周一至周日）到期而没有做完的", "due in the date's week, Monday to Sunday, and not done"
    )
    yield counted("this_week", Label("本周到期", "due this week"), definition, DUTIES, week, *_splits(week))


def _splits(rows: Rows) -> tuple[By | str, ...]:
    """By rule, group, home, helper and child; what has none of the latter is in no part of these."""
    return ("rule", *(By(name, _some(rows, column)) for name, column in SPLITS.items()))


def _some(rows: Rows, column: str) -> Key:
    place = rows.at(column)
    return lambda row: frozenset((row[place],) if row[place] else ())
