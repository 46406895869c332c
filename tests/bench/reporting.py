"""Every report from read models of a whole county's size, and of more: its p95 for the slowest figure of each.

The read models are filled as the follower fills them, with as many rows as the reference county has a child, a home and
a month; what they say is made up.  Whoever has the nodes of a real county measures with `python -m tests.county`.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import statistics
import time
from collections.abc import Iterator
from typing import Any, Final

from domain.policy import Policy
from domain.reporting import Read, Rows
from domain.reports import REPORTS, health
from domain.tally import KINDS
from domain.views import TABLES
from node import duties, reporting
from node.household import Household, RowsOf
from node.sums import Changes, Row
from node.views import Views
from sync.cipher import MasterKey
from tests.bench.facts import Workshop
from tests.bench.measuring import Findings

CHILDREN_COUNT: Final = 5382
HOMES_COUNT: Final = 34
MONTHS: Final = tuple(f"{year}-{month:02}" for year in (2024, 2025) for month in range(1, 13))
KINDS_A_CHILD: Final = tuple(KINDS)[:13]
LOANS_A_CHILD: Final = 12
EVENTS_A_HOME_AND_MONTH: Final = 14  # openings, activities and inspections, each
CHILDREN_AT_ONCE: Final = 500
AS_OF: Final = dt.date(2025, 3, 31)
TIMES: Final = (1, 10)
P95_MS: Final = {1: "p95 ≤ 150 ms", 10: "p95 ≤ 1 s"}
AIMED: Final = ("R01", "R17")
WORKED_OUT: Final = "R04"  # from every deed of every child: a county's takes seconds
DEEDS_A_CHILD_AND_YEAR: Final = {
    "family-contact-made": (48, '"call",true'),
    "talk-held": (12, '"w-1","home-001","",null'),
}

Named = tuple[str, Row]


def run(workshop: Workshop, runs: int) -> list[Findings]:
    """A table a size."""
    return [_measured(workshop, runs, times) for times in TIMES]


def _measured(workshop: Workshop, runs: int, times: int) -> Findings:
    views = filled(workshop, times)
    found = Findings(f"Reports over {times} reference count{'y' if times == 1 else 'ies'}")
    for number in REPORTS:
        if number == WORKED_OUT:
            if times == 1:
                found.state(f"{number} of a month, once", f"{_seconds(views, number, '2025-03'):.1f} s")
            continue
        seconds = [_seconds(views, number, "2025-03") for _ in range(runs)]
        p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
        aim = P95_MS[times] if number in AIMED else ""
        whole = f"two years: {_seconds(views, number, '2024..2025') * 1000:,.0f} ms"
        found.state(f"{number} of a month", f"p95 {p95 * 1000:,.0f} ms", whole, aim=aim)
    views.close()
    return found


def _seconds(views: Views, number: str, period: str) -> float:
    asked = reporting.asked(AS_OF, None, period)

    def duty(read: Read, _sizes: Any) -> Rows:
        return duties.table(Household(RowsOf(read), Policy(), None, AS_OF), asked)

    tables = {"duty": duty, "exchange": lambda _read, _sizes: Rows(tuple(health.COLUMNS.split()), [])}
    began = time.perf_counter()
    with reporting.making(number, views, asked, lambda _position: {}, tables=tables) as made:
        assert made.json()["figures"]
    return time.perf_counter() - began


def filled(workshop: Workshop, times: int, children_count: int = CHILDREN_COUNT) -> Views:
    """A file of read models with the rows of so many counties."""
    views = Views.create(workshop.fresh("views.db"), MasterKey(random.Random(times).randbytes(32)))
    homes = [f"home-{number:03}" for number in range(HOMES_COUNT * times)]
    count = children_count * times
    parts = [_of_homes(homes)] + [
        _of_children(range(start, min(start + CHILDREN_AT_ONCE, count)), homes)
        for start in range(0, count, CHILDREN_AT_ONCE)
    ]
    for position, rows in enumerate(parts, 1):
        changes = Changes()
        changes.became([], rows)
        views.replace(position, changes)
    return views


def _row(table: str, **cells: Any) -> Named:
    return table, tuple(cells.get(name) for name, _ in TABLES[table].columns)


def _of_children(numbers: range, homes: list[str]) -> Iterator[Named]:
    for number in numbers:
        subject, home = number.to_bytes(16, "big"), homes[number % len(homes)]
        yield _row(
            "child", subject=subject, name="王小雨", sex=("male", "female")[number % 2], home=home, status="here",
            born_on=f"{2010 + number % 8}-03-0{1 + number % 9}", registered_on="2024-01-01", grade=number % 6,
            township=f"镇{number % 34}", village=f"村{number % 300}", category="left_behind", conflicts=0, pending=0,
            unknown=0,
        )  # fmt: skip
        yield _row("stay", subject=subject, ordinal=1, home=home, from_on="2024-01-01")
        if number % 2:
            yield _row("pairing", subject=subject, pairing=subject, home=home, kind="caring_mother",
                       from_on="2024-01-02", helper_name=f"许{number % 900}", priority=0)  # fmt: skip
        for month in MONTHS:
            for kind in KINDS_A_CHILD:
                yield _row("tally", subject=subject, home=home, month=month, kind=kind, count=4, minutes=20,
                           reached=3, children=0, fen=0)  # fmt: skip
        for year in (2024, 2025):
            for event, (count, told) in DEEDS_A_CHILD_AND_YEAR.items():
                days = [dt.date(year, 1, 1).toordinal() + 365 * deed // count for deed in range(count)]
                ids = b"".join(number.to_bytes(10, "big") + day.to_bytes(6, "big") for day in days)
                yield _row("child_deed", subject=subject, event=event, year=year, entries=ids,
                           told=",".join(f"[{day},{told}]" for day in days))  # fmt: skip
        for loan in range(LOANS_A_CHILD):
            out = f"{MONTHS[loan * 2 % 24]}-03"
            yield _row("loan", subject=b"loan" + (number * LOANS_A_CHILD + loan).to_bytes(12, "big"), home=home,
                       child=subject, book=f"书{loan}", out_on=out, due_on=f"{out[:8]}20", withdrawn=0,
                       closed_on=f"{out[:8]}17" if loan else None)  # fmt: skip


def _of_homes(homes: list[str]) -> Iterator[Named]:
    ids = json.dumps(list(range(12)))
    for number, home in enumerate(homes):
        subject = b"home" + number.to_bytes(12, "big")
        yield _row("home", subject=subject, home=home, name=home, capacity=40, opened_on="2024-01-01", conflicts=0,
                   unknown=0)  # fmt: skip
        for index in range(len(MONTHS) * EVENTS_A_HOME_AND_MONTH):
            on, entry = f"{MONTHS[index % 24]}-{1 + index // 24:02}", index.to_bytes(16, "big")
            its = {"entry": entry, "home": home, "recorded_at": 0, "on": on}
            held = b"held" + (number * 10_000 + index).to_bytes(12, "big")
            yield _row("opening_held", subject=subject, **its, kind="room", minutes=120, present_numbers=ids)
            yield _row("activity_held", subject=held, **its, kind="interest_group", minutes=40, present_numbers=ids)
            yield _row("inspection_done", subject=subject, **its, kind="dormitory", beds=20)
