"""Reports as pure functions over plain rows, in the column order of `views.TABLES`.

A home's figure is the sum over its own rows; the county's is computed once more over all rows, so that the promise
"the county's sum equals the sum of its homes" can be checked instead of believed.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import Any

from domain.tally import KINDS
from domain.tiers import county_of
from domain.views import TABLES

R01_DEFINITION = (
    "截至所示日期在册儿童数：当日有归属（from_on ≤ 日期 < to_on，或尚未离开）的儿童各计一次；年龄为当日周岁；"
    "其余各栏为现有档案所载。 / Children on the register as of the date: a child counts once if a stay covers the day "
    "(from_on ≤ day < to_on, or open); age in full years on the day; the rest as the file reads now."
)
R17_DEFINITION = (
    "按事实发生的日期归月，归入做这件事的家；更正后的日期为准，已撤回的不计。 / "
    "Facts by the month in which they happened, for the home that did them, as corrected; withdrawn facts do not count."
)
NONE = ""
MEASURES = ("count", "minutes", "reached", "children", "fen")


def _at(table: str) -> dict[str, int]:
    return {name: place for place, (name, _) in enumerate(TABLES[table].columns)}


_CHILD, _STAY, _TALLY = _at("child"), _at("stay"), _at("tally")


def age_on(born_on: str | None, day: dt.date) -> int | None:
    """Full years on a day; None where the date of birth is not known."""
    if not born_on:
        return None
    born = dt.date.fromisoformat(born_on)
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def _homes_on(stays: Iterable[tuple[Any, ...]], day: str) -> dict[bytes, str]:
    """The home of every child that belongs to one on a day."""
    found: dict[bytes, str] = {}
    for row in stays:
        to_on = row[_STAY["to_on"]]
        if row[_STAY["from_on"]] <= day and (to_on is None or day < to_on):
            found[row[0]] = row[_STAY["home"]]
    return found


def _ordered(counts: Counter[Any]) -> dict[str, int]:
    """Counts by name, numbers in their own order, what is not known last."""
    keys = sorted(counts, key=lambda key: (key is None or key == NONE, isinstance(key, str), key or 0))
    return {NONE if key is None else str(key): counts[key] for key in keys}


def r01(children: Iterable[tuple[Any, ...]], stays: Iterable[tuple[Any, ...]], as_of: dt.date) -> dict[str, Any]:
    """Children by category, sex, age, grade, village, township and home as of a date."""
    homes = _homes_on(stays, as_of.isoformat())
    by: dict[str, Counter[Any]] = {
        name: Counter() for name in ("category", "sex", "age", "grade", "village", "township", "home")
    }
    total = 0
    for row in children:
        home = homes.get(row[0])
        if home is None:
            continue
        total += 1
        by["home"][home] += 1
        by["age"][age_on(row[_CHILD["born_on"]], as_of)] += 1
        township, village = row[_CHILD["township"]] or NONE, row[_CHILD["village"]] or NONE
        by["township"][township] += 1
        by["village"][f"{township}{village}" if village else NONE] += 1
        for name in ("sex", "grade"):
            by[name][row[_CHILD[name]]] += 1
        for category in (row[_CHILD["category"]] or NONE).split() or [NONE]:
            by["category"][category] += 1
    counts = {f"by_{name}": _ordered(found) for name, found in by.items()}
    if counties := _by_county(by["home"].items()):
        counts["by_county"] = counties
    return {"report": "R01", "as_of": as_of.isoformat(), "definition": R01_DEFINITION, "total": total, **counts}


def _by_county(homes: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sums of the counties below; none where all homes are the hub's own."""
    found: Counter[Any] = Counter()
    for home, count in homes:
        found[county_of(home)] += count
    return _ordered(found) if any(found) else {}


def _within(month: str, period: str) -> bool:
    """Whether a month lies in a period: a month, a year, or two months joined by "..", both included."""
    first, dots, last = period.partition("..")
    return first <= month <= last if dots else month == period or month.startswith(period + "-")


def r17(tallies: Iterable[tuple[Any, ...]], month: str) -> dict[str, Any]:
    """What each home did in a month ("2024-09"), a year ("2024") or a span ("2024-09..2025-01"), and the county."""
    homes: dict[str, dict[str, dict[str, int]]] = {}
    county: dict[str, dict[str, int]] = {}
    for row in tallies:
        if _within(row[_TALLY["month"]], month):
            kind = row[_TALLY["kind"]]
            for sums in (homes.setdefault(row[_TALLY["home"]], {}), county):
                figures = sums.setdefault(kind, dict.fromkeys(MEASURES, 0))
                for name in MEASURES:
                    figures[name] += row[_TALLY[name]]
    of_county: dict[str, list[dict[str, dict[str, int]]]] = {}
    for home, sums in homes.items():
        of_county.setdefault(county_of(home), []).append(sums)
    counties = {code: _in_order(_added(of_county[code])) for code in sorted(of_county)}
    return {
        "report": "R17",
        "period": month,
        "definition": R17_DEFINITION,
        "labels": {kind: {"zh": zh, "en": en} for kind, (zh, en) in KINDS.items()},
        "homes": {home: _in_order(homes[home]) for home in sorted(homes)},
        "county": _in_order(county),
        **({"counties": counties} if any(counties) else {}),
        "consistent": _in_order(county) == _in_order(_added(homes.values())),
    }


def _added(homes: Iterable[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    """The homes' figures added up."""
    total: dict[str, dict[str, int]] = {}
    for sums in homes:
        for kind, figures in sums.items():
            into = total.setdefault(kind, dict.fromkeys(MEASURES, 0))
            for name, number in figures.items():
                into[name] += number
    return total


def _in_order(sums: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {kind: sums[kind] for kind in KINDS if kind in sums}
