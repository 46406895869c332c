"""R02: how far the survey has come, and what it found in its six dimensions."""

from __future__ import annotations

from collections.abc import Iterator

from domain.codes_child import NEED, SITUATION
from domain.reporting import (
    CHILDREN,
    HOME,
    TIMES,
    Asked,
    By,
    Figure,
    Label,
    Read,
    Rows,
    counted,
    in_list,
    report,
    share,
)
from domain.reports.register import as_one, on_register

DIMENSIONS = {
    "study_level": Label("学习", "study"),
    "life_level": Label("生活", "life"),
    "psychology_level": Label("心理", "psychology"),
    "safety_level": Label("安全", "safety"),
    "health_level": Label("健康", "health"),
}
SURVEYED = Label(
    "期间内最近一次摸底调查的结果，每个儿童计一次", "the child's last survey within the period, each child once"
)


@report("R02", "摸底调查", "surveys")
def surveys(read: Read, asked: Asked) -> Iterator[Figure]:
    """Coverage of the children on the register, and where they stand."""
    children = on_register(read, asked.as_of, "subject name sex township village")
    columns = f"subject home surveyed_on term needs unchanged {' '.join(DIMENSIONS)}"
    found = read("situation_surveyed", columns).within("surveyed_on", asked.period)
    yield counted(
        "surveys",
        Label("调查次数", "surveys made"),
        Label("期间内进行的摸底调查，一个儿童可有几次", "surveys made within the period; a child may have several"),
        TIMES,
        found,
        HOME,
        "term",
    )
    latest = newest(found, "surveyed_on")
    surveyed = as_one(read, asked.as_of, latest.column("subject"))
    yield share(
        "coverage",
        Label("调查覆盖率", "coverage"),
        Label(
            "截至日期在册儿童中期间内做过摸底调查的比例；名单为尚未调查的儿童",
            "children on the register who were surveyed within the period; listed are those who were not",
        ),
        children.where(subject=surveyed),
        children,
        HOME,
        "township",
    )
    for column, label in DIMENSIONS.items():
        by = By("level", column, SITUATION)
        yield counted(column, label, SURVEYED, CHILDREN, latest.filled(column), by, HOME)
    needs = latest.filled("needs")
    yield counted(
        "needs", Label("需求", "needs"), SURVEYED, CHILDREN, needs, By("need", in_list(needs, "needs"), NEED), HOME
    )


def newest(rows: Rows, day: str) -> Rows:
    """Of each subject the row with the last day; of several on one day the one written down last stays."""
    at = rows.at(day)
    found = {row[0]: row for row in sorted(rows, key=lambda row: row[at] or "")}
    return Rows(rows.columns, list(found.values()))
