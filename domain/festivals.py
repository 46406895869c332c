"""Festivals by their names, and days of the lunar calendar, as days of the common one.

The lunar calendar is astronomy with exceptions by decree, so it is not computed here: `lunar-python` does that.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

YEAR_MIN, YEAR_MAX = 1900, 2200

LUNAR = {
    "春节": (1, 1),
    "大年初一": (1, 1),
    "元宵节": (1, 15),
    "元宵": (1, 15),
    "龙抬头": (2, 2),
    "端午节": (5, 5),
    "端午": (5, 5),
    "端阳": (5, 5),
    "七夕": (7, 7),
    "中元节": (7, 15),
    "中秋节": (8, 15),
    "中秋": (8, 15),
    "重阳节": (9, 9),
    "重阳": (9, 9),
    "腊八节": (12, 8),
    "腊八": (12, 8),
}
SOLAR = {
    "元旦": (1, 1),
    "妇女节": (3, 8),
    "三八节": (3, 8),
    "三八妇女节": (3, 8),
    "植树节": (3, 12),
    "劳动节": (5, 1),
    "五一": (5, 1),
    "五一劳动节": (5, 1),
    "青年节": (5, 4),
    "五四": (5, 4),
    "五四青年节": (5, 4),
    "儿童节": (6, 1),
    "六一节": (6, 1),
    "六一": (6, 1),
    "六一儿童节": (6, 1),
    "建党节": (7, 1),
    "七一": (7, 1),
    "建军节": (8, 1),
    "八一": (8, 1),
    "教师节": (9, 10),
    "国庆节": (10, 1),
    "国庆": (10, 1),
    "十一": (10, 1),
}
SOLAR_TERMS = {"清明": "清明", "清明节": "清明", "冬至": "冬至"}
EVES = ("除夕", "大年三十", "年三十")
NAMES = frozenset({*LUNAR, *SOLAR, *SOLAR_TERMS, *EVES})


def lunar_day(year: int, month: int, day: int, *, leap: bool = False) -> dt.date | None:
    """A day of a lunar year; None where that year has no such day."""
    from lunar_python import Lunar

    try:
        solar = Lunar.fromYmd(year, -month if leap else month, day).getSolar()
        return dt.date(solar.getYear(), solar.getMonth(), solar.getDay())
    except Exception:  # noqa: BLE001  the library raises bare exceptions for days that a month has not
        return None


def in_year(name: str, year: int) -> list[dt.date]:
    """The days of a year of the common calendar on which a festival falls: one nearly always, rarely none or two."""
    return sorted({day for day in _candidates(name, year) if day is not None and day.year == year})


def _candidates(name: str, year: int) -> Iterator[dt.date | None]:
    if name in SOLAR:
        month, day = SOLAR[name]
        yield dt.date(year, month, day)
    elif name in SOLAR_TERMS:
        yield _solar_term(SOLAR_TERMS[name], year)
    elif name in LUNAR:
        month, day = LUNAR[name]
        yield lunar_day(year - 1, month, day)
        yield lunar_day(year, month, day)
    elif name in EVES:
        first = lunar_day(year, 1, 1)
        yield first - dt.timedelta(days=1) if first else None


def _solar_term(name: str, year: int) -> dt.date:
    from lunar_python import Lunar

    solar = Lunar.fromYmd(year, 6, 1).getJieQiTable()[name]
    found = dt.date(solar.getYear(), solar.getMonth(), solar.getDay())
    if found.year != year:  # the table of a lunar year begins and ends with a winter solstice
        solar = Lunar.fromYmd(year + year - found.year, 6, 1).getJieQiTable()[name]
        found = dt.date(solar.getYear(), solar.getMonth(), solar.getDay())
    return found
