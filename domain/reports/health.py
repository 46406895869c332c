"""R18: how well the homes keep in touch: last exchange, what waits, oldest survey, open conflicts, wrong clocks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from domain.reporting import HOME, HOMES, Asked, Figure, Label, Read, Rows, added, counted, report
from domain.reports.register import on_register
from domain.reports.survey import newest

COLUMNS = "subject home name last_exchange_on days waiting clock_offset_s wrong_clock behind"
"""A row a home: when it was last heard of (`days` ago), how many entries it said it had more than are here, how far its
clock was ahead of the county's then; null where nobody knows."""

DAYS = Label("天", "days")
SECONDS = Label("秒", "seconds")


@report("R18", "联系情况", "sync health", beside="exchange")
def health(read: Read, asked: Asked) -> Iterator[Figure]:
    """What the county knows of each home's exchanges, and what lies there to be settled or renewed."""
    homes = read("exchange", COLUMNS)
    heard = homes.filled("last_exchange_on")
    yield counted("homes", Label("登记的家", "homes"), Label("登记的之家", "homes that are registered"), HOMES, homes)
    yield counted(
        "behind",
        Label("一周以上没有联系", "behind"),
        Label(
            "七天以上没有联系的，含从未联系的：这些家的数字可能不全",
            "not heard of for a week, or never: figures may lack what they have",
        ),
        HOMES,
        homes.where(behind=1),
        HOME,
    )
    yield counted(
        "never",
        Label("从未联系", "never heard of"),
        Label("登记了但从未交来记录的", "registered, and never brought anything"),
        HOMES,
        homes.where(last_exchange_on=None),
        HOME,
    )
    yield _furthest(
        "silent_days",
        Label("距上次联系", "since the last exchange"),
        Label(
            "距上次联系的天数，全县为最久的一家", "days since the last exchange; for all, of the home silent longest"
        ),
        DAYS,
        heard,
        "days",
    )
    yield added(
        "waiting",
        Label("待交记录", "waiting"),
        Label("上次联系时各家说有、县里还没有的记录；之后新记的县里不知道",
              "what homes said they had at the last exchange and is not here; of later entries nobody knows"),
        Label("条", "entries"),
        homes.filled("waiting"),
        "waiting",
        HOME,
    )  # fmt: skip
    yield _furthest(
        "clock_s",
        Label("钟差", "clock error"),
        Label("上次联系时各家电脑的钟比县里快多少秒，负数为慢；全县为差得最多的",
              "seconds that a home's clock was ahead at the last exchange (below 0: behind); for all, the furthest"),
        SECONDS,
        homes.filled("clock_offset_s"),
        "clock_offset_s",
    )  # fmt: skip
    yield counted(
        "clocks",
        Label("钟不准的家", "wrong clocks"),
        Label("上次联系时与县里相差五分钟以上的", "more than five minutes off at the last exchange"),
        HOMES,
        homes.where(wrong_clock=1),
        HOME,
    )
    yield _conflicts(read)
    yield _oldest_survey(read, asked)


def _conflicts(read: Read) -> Figure:
    """Each contested field once, for the home of the child, else the home whose value is used meanwhile."""
    found = read("conflict", "subject field home at wins").where(wins=1)
    holders = {subject: home for subject, home in read("child", "subject home") if home}
    home = found.at(HOME)
    rows = [(*row[:home], holders.get(row[0], row[home]), *row[home + 1 :]) for row in found]
    return counted(
        "conflicts",
        Label("待处理的冲突", "conflicts open"),
        Label("有几个值而没有人选定的栏目", "fields with several values that nobody has chosen from"),
        Label("处", "fields"),
        Rows(found.columns, rows).only("subject field home at"),
        "field",
        HOME,
    )


def _oldest_survey(read: Read, asked: Asked) -> Figure:
    """Of each home the child whose last survey is the oldest; who never had one is in R02."""
    homes = {row[0]: row[-1] for row in on_register(read, asked.as_of, "subject name")}
    names: dict[bytes, str] = dict(read("child", "subject name").rows)
    last = newest(read("situation_surveyed", "subject surveyed_on"), "surveyed_on")
    found: dict[str, tuple[str, bytes]] = {}
    for subject, day in last:
        if subject in homes and day:  # of a child with several files the one that counts
            found[homes[subject]] = min(found.get(homes[subject], (day, subject)), (day, subject))
    rows = [
        (subject, names[subject], home, day, (asked.as_of - dt.date.fromisoformat(day)).days)
        for home, (day, subject) in sorted(found.items())
    ]
    return _furthest(
        "survey_days",
        Label("最早的摸底调查", "oldest survey"),
        Label("在册儿童最近一次摸底调查距今天数，各家取最久的一个儿童；从未调查的见 R02",
              "days since the last survey of the child whose last survey is the oldest; who never had one is in R02"),
        DAYS,
        Rows(("subject", "name", HOME, "surveyed_on", "days"), rows),
        "days",
    )  # fmt: skip


def _furthest(name: str, label: Label, definition: Label, unit: Label, rows: Rows, column: str) -> Figure:
    """The value furthest from nothing of a column that has one row a home, and each home's own."""
    place, home = rows.at(column), rows.at(HOME)
    parts = {row[home]: int(row[place]) for row in sorted(rows, key=lambda row: str(row[home]))}
    return Figure(
        name=name,
        label=label,
        definition=definition,
        unit=unit,
        value=max(parts.values(), key=abs, default=0),
        parts={HOME: parts},
        items=rows,
        keys={HOME: lambda row: row[home]},
    )
