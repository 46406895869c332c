"""R01: who is on the register, from the child's card and stays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterator

from domain.codes import CATEGORY, SEX
from domain.reporting import CHILDREN, HOME, NONE, Asked, By, Figure, Label, Read, Row, Rows, counted, report

CARD = "subject name sex born_on grade class_name school township village category"


def age_on(born_on: str | None, day: dt.date) -> int | None:
    """Full years on a day; None where the date of birth is not known."""
    if not born_on:
        return None
    born = dt.date.fromisoformat(born_on)
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def homes_on(read: Read, day: dt.date) -> dict[bytes, str]:
    """The home of every child that belongs to one on a day."""
    text = day.isoformat()
    return {
        subject: home
        for subject, home, from_on, to_on in read("stay", "subject home from_on to_on")
        if from_on <= text and (to_on is None or text < to_on)
    }


def on_register(read: Read, day: dt.date, columns: str = CARD) -> Rows:
    """The children who belong to a home on a day, with the home in the last column."""
    homes = homes_on(read, day)
    cards = read("child", columns)
    return Rows((*cards.columns, HOME), [(*row, homes[row[0]]) for row in cards if row[0] in homes])


@report("R01", "在册儿童", "children on the register")
def children(read: Read, asked: Asked) -> Iterator[Figure]:
    """Children by category, sex, age, grade, village, township and home as of a date."""
    rows = on_register(read, asked.as_of)
    born, town, village, groups = (rows.at(name) for name in ("born_on", "township", "village", "category"))
    ages: dict[str | None, int | None] = {text: age_on(text, asked.as_of) for text in set(rows.column("born_on"))}

    def place(row: Row) -> Hashable:
        return f"{row[town] or NONE}{row[village]}" if row[village] else NONE

    yield counted(
        "children",
        Label("在册儿童", "children"),
        Label(
            "截至所示日期在册儿童数：当日有归属（from_on ≤ 日期 < to_on，或尚未离开）的儿童各计一次；年龄为当日周岁；"
            "其余各栏为现有档案所载；属于几类的，各类都计",
            "children on the register as of the date: a child counts once if a stay covers the day "
            "(from_on ≤ day < to_on, or open); age in full years on the day; the rest as the file reads now; "
            "a child of several categories counts in each of them",
        ),
        CHILDREN,
        rows,
        HOME,
        By("sex", "sex", SEX),
        By("age", lambda row: ages[row[born]]),
        "grade",
        By("village", place),
        By("township", lambda row: row[town] or NONE),
        By("category", lambda row: frozenset((row[groups] or NONE).split() or [NONE]), CATEGORY),
    )
