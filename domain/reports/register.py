"""R01: who is on the register, from the child's card and stays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterable, Iterator, Mapping

from domain.codes import CATEGORY, SEX
from domain.fold_child import Link, pictures
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


def counted_as(read: Read, day: dt.date, homes: Mapping[bytes, str]) -> dict[bytes, bytes]:
    """For every file that is linked to others by a day: the file by which the child counts.

    It is the one that stands for all of them, or, where that one is on no register that day, the least that is.
    """
    links = [
        Link(subject, other, dt.date.fromisoformat(on) if on else None)
        for subject, other, on in read("same_child", "subject other on")
    ]
    groups: dict[bytes, list[bytes]] = {}
    for file, head in pictures(links, day).items():
        groups.setdefault(head, []).append(file)
    here = {head: [file for file in files if file in homes] for head, files in groups.items()}
    return {file: min(here[head] or files) for head, files in groups.items() for file in files}


def as_one(read: Read, day: dt.date, files: Iterable[bytes]) -> frozenset[bytes]:
    """Some files as they count on a day: what is said in one of several of a child is said of the child."""
    same = counted_as(read, day, homes_on(read, day))
    return frozenset(same.get(file, file) for file in files)


def on_register(read: Read, day: dt.date, columns: str = CARD) -> Rows:
    """The children who belong to a home on a day, each once, with the home in the last column."""
    homes = homes_on(read, day)
    same = counted_as(read, day, homes)
    homes = {file: home for file, home in homes.items() if same.get(file, file) == file}
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
            "其余各栏为现有档案所载；属于几类的，各类都计；核实为同一儿童的几份档案，自核实之日起只计一次",
            "children on the register as of the date: a child counts once if a stay covers the day "
            "(from_on ≤ day < to_on, or open); age in full years on the day; the rest as the file reads now; "
            "a child of several categories counts in each of them; files found to be of one child count once from then",
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
