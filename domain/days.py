"""Days as people write them: 2025-03-01, 2025/3/1, 2025年3月1日, 3月1日, 昨天, 上周三, 端午, 农历五月初五.

What a writing leaves open is filled in from `today`, always towards the past: what happened is what gets recorded, so
3月1日 is the nearest first of March that is not in the future.  Whatever was filled in is said in a note beside the
field.  A writing that could be two days is not guessed.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from domain import festivals
from domain.errors import Mistyped, shown
from domain.festivals import YEAR_MAX, YEAR_MIN
from domain.numerals import TYPED_LENGTH_MAX, arabic, squeezed


class Note(NamedTuple):
    """What a reading assumed, in a sentence of each language; empty where it assumed nothing."""

    zh: str = ""
    en: str = ""

    def __str__(self) -> str:
        return f"{self.zh} ({self.en})" if self.zh else ""


class Day(NamedTuple):
    """A day, and what was assumed to find it."""

    date: dt.date
    note: Note = Note()


EXAMPLES = "2025-03-01、2025年3月1日、3月1日、昨天、上周三或端午"
_WEEKDAYS = {"1": 0, "2": 1, "3": 2, "4": 3, "5": 4, "6": 5, "7": 6, "日": 6, "天": 6}
_NEAR = {"今天": 0, "今日": 0, "昨天": -1, "昨日": -1, "前天": -2, "前日": -2, "大前天": -3, "明天": 1, "明日": 1,
         "后天": 2}  # fmt: skip
_YEARS = {"今年": 0, "本年": 0, "去年": -1, "前年": -2, "明年": 1}
_MONTHS = {"本月": 0, "这个月": 0, "上月": -1, "上个月": -1}
_WEEKS = {"上上": -2, "上": -1, "本": 0, "这": 0, "这个": 0, "上个": -1, "下": 1, "下个": 1}
_FESTIVALS = {arabic(name): name for name in festivals.NAMES}
_EITHER = re.compile("[一二三四五六七八九十]+月[一二三四五六七八九十]+")
_LUNAR_MONTHS = {"正": 1, "冬": 11, "腊": 12}

Read = Callable[[re.Match[str], dt.date, str], Day]


def parse(text: str, today: dt.date) -> Day:
    """The day that a text names, seen from `today`."""
    if _EITHER.fullmatch(squeezed(text)):
        raise Mistyped(
            f"“{shown(text)}”可能是公历，也可能是农历：公历请写“8月15日”，农历请写“农历八月十五”",
            f"{shown(text)!r} may be of the common or of the lunar calendar: write 8月15日 or 农历八月十五",
        )
    compact = arabic(squeezed(text)).rstrip("。.,")
    if len(compact) <= TYPED_LENGTH_MAX:
        for pattern, read in _FORMS:
            if found := pattern.fullmatch(compact):
                return read(found, today, text)
    raise Mistyped(
        f"“{shown(text)}”不是日期，请填如{EXAMPLES}",
        f"found {shown(text)!r}, expected a date such as 2025-03-01, 2025/3/1, 3月1日 or 昨天",
    )


def written(day: dt.date) -> str:
    """A day as it is shown to people."""
    return f"{day.year}年{day.month}月{day.day}日"


def _taken(day: dt.date, text: str) -> Day:
    """A day that had to be worked out."""
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise _no_such(text)
    return Day(day, Note(f"“{shown(text.strip())}”按{written(day)}记", f"{shown(text.strip())} was read as {day}"))


def _no_such(text: str) -> Mistyped:
    return Mistyped(f"没有“{shown(text)}”这一天，请核对", f"there is no day {shown(text)!r}")


def _made(year: int, month: int, day: int, text: str) -> dt.date:
    try:
        found = dt.date(year, month, day)
    except ValueError:
        raise _no_such(text) from None
    if not YEAR_MIN <= year <= YEAR_MAX:
        raise _no_such(text)
    return found


def _full(found: re.Match[str], _today: dt.date, text: str) -> Day:
    return Day(_made(int(found["y"]), int(found["m"]), int(found["d"]), text))


def _short_year(found: re.Match[str], today: dt.date, text: str) -> Day:
    year = today.year // 100 * 100 + int(found["y"])
    return _taken(_made(year if year <= today.year + 1 else year - 100, int(found["m"]), int(found["d"]), text), text)


def _without_day(_found: re.Match[str], _today: dt.date, text: str) -> Day:
    raise Mistyped(
        f"“{shown(text)}”缺少几号，请写到日，如2025年3月1日",
        f"found {shown(text)!r}, which names no day: expected one such as 2025-03-01",
    )


def _latest(days: Iterable[dt.date | None], today: dt.date) -> dt.date | None:
    """The nearest one that is not in the future."""
    return max((day for day in days if day is not None and day <= today), default=None)


def _date_or_none(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _without_year(found: re.Match[str], today: dt.date, text: str) -> Day:
    month, day = int(found["m"]), int(found["d"])
    if word := found.groupdict().get("word"):
        return _taken(_made(today.year + _YEARS[word], month, day, text), text)
    nearest = _latest((_date_or_none(year, month, day) for year in (today.year, today.year - 1)), today)
    if nearest is None:
        raise _no_such(text)
    return _taken(nearest, text)


def _of_a_month(found: re.Match[str], today: dt.date, text: str) -> Day:
    """上月5号, or 5号 alone: of this month or, if that is still to come, of the last one."""
    day, word = int(found["d"]), found["word"]
    months = [_MONTHS[word]] if word else [0, -1]
    days = []
    for back in months:
        year, month = divmod(today.year * 12 + today.month - 1 + back, 12)
        days.append(_date_or_none(year, month + 1, day))
    nearest = days[0] if word else _latest(days, today)
    if nearest is None:
        raise _no_such(text)
    return _taken(nearest, text)


def _near(found: re.Match[str], today: dt.date, text: str) -> Day:
    return _shifted(today, _NEAR[found["word"]], text)


def _ago(found: re.Match[str], today: dt.date, text: str) -> Day:
    days = int(found["n"]) * (7 if found["unit"] in ("周", "星期", "个星期") else 1)
    return _shifted(today, days if found["way"] == "后" else -days, text)


def _shifted(today: dt.date, days: int, text: str) -> Day:
    try:
        return _taken(today + dt.timedelta(days=days), text)
    except OverflowError:
        raise _no_such(text) from None


def _weekday(found: re.Match[str], today: dt.date, text: str) -> Day:
    monday = today - dt.timedelta(days=today.weekday())
    day = monday + dt.timedelta(days=_WEEKDAYS[found["day"]])
    if found["week"]:
        return _shifted(day, 7 * _WEEKS[found["week"]], text)
    return _shifted(day, 0 if day <= today else -7, text)


def _festival(found: re.Match[str], today: dt.date, text: str) -> Day:
    year = int(found["y"]) if found["y"] else today.year + _YEARS[found["word"]] if found["word"] else None
    if year is not None and not YEAR_MIN <= year <= YEAR_MAX:
        raise _no_such(text)
    years = [year] if year is not None else [today.year, today.year - 1, today.year - 2]
    days = [day for one in years for day in festivals.in_year(_FESTIVALS[found["name"]], one)]
    nearest = _latest(days, today) if year is None else days[0] if len(days) == 1 else None
    if nearest is None:
        raise _no_such(text)
    return _taken(nearest, text)


def _lunar(found: re.Match[str], today: dt.date, text: str) -> Day:
    month = _LUNAR_MONTHS.get(found["m"]) or int(found["m"])
    day, leap = int(found["d"]), bool(found["leap"])
    if found["y"]:
        years = [int(found["y"])]
    else:
        years = [today.year + _YEARS[found["word"]]] if found["word"] else [today.year, today.year - 1]
    if not (1 <= month <= 12 and 1 <= day <= 30 and all(YEAR_MIN <= year <= YEAR_MAX for year in years)):
        raise _no_such(text)
    days = [festivals.lunar_day(year, month, day, leap=leap) for year in years]
    nearest = days[0] if len(years) == 1 else _latest(days, today)
    if nearest is None:
        raise _no_such(text)
    return _taken(nearest, text)


_Y, _M, _D = r"(?P<y>\d{4})", r"(?P<m>\d{1,2})", r"(?P<d>\d{1,2})"
_TIME = r"(?:T?0?0:00(?::00(?:\.0+)?)?)?"  # what a spreadsheet leaves behind a date
_WORD_YEAR = f"(?P<word>{'|'.join(_YEARS)})"
_LUNAR_DAY = rf"(?P<leap>闰)?(?:(?P<m>\d{{1,2}}|正|冬|腊))月(?:初)?{_D}日?"


def _forms() -> list[tuple[re.Pattern[str], Read]]:
    names = "|".join(sorted(_FESTIVALS, key=len, reverse=True))
    near, months = "|".join(_NEAR), "|".join(_MONTHS)
    weeks = "|".join(sorted(_WEEKS, key=len, reverse=True))
    forms: list[tuple[str, Read]] = [
        (rf"{_Y}(?P<s>[-/.]){_M}(?P=s){_D}{_TIME}", _full),
        (rf"{_Y}年{_M}月{_D}[日号]?", _full),
        (r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})", _full),
        (rf"(?P<y>\d{{2}})(?P<s>[-/.]){_M}(?P=s){_D}", _short_year),
        (rf"(?P<y>\d{{2}})年{_M}月{_D}[日号]?", _short_year),
        (rf"(?:\d{{4}}|\d{{2}}(?=年)|{'|'.join(_YEARS)})(?:年?\d{{1,2}}月|[-/.]\d{{1,2}})", _without_day),
        (rf"\d{{4}}年?|\d{{1,2}}月|{'|'.join(_YEARS)}|[上本这下]个?(?:周|星期|礼拜|月)", _without_day),
        (rf"{_M}月{_D}[日号]?", _without_year),
        (rf"{_M}(?P<s>[-/.]){_D}", _without_year),
        (rf"{_WORD_YEAR}{_M}月{_D}[日号]?", _without_year),
        (rf"(?P<word>{months})?{_D}[日号]", _of_a_month),
        (rf"(?P<word>{months}){_D}", _of_a_month),
        (rf"(?P<word>{near})", _near),
        (r"(?P<n>\d{1,3})(?P<unit>天|日|周|个?星期)(?:之|以)?(?P<way>前|后)", _ago),
        (rf"(?P<week>{weeks})?(?:周|星期|礼拜)(?P<day>[1-7日天])", _weekday),
        (rf"(?:{_Y}年?|{_WORD_YEAR})?(?:的)?(?P<name>{names})(?:节|当天|那天)?", _festival),
        (rf"(?:农历|阴历|旧历)(?:{_Y}年|{_WORD_YEAR})?{_LUNAR_DAY}", _lunar),
        (rf"(?:农历|阴历|旧历)?(?:{_Y}年|{_WORD_YEAR})?(?P<leap>闰)?(?P<m>\d{{1,2}}|正|冬|腊)月初{_D}", _lunar),
        (rf"(?:{_Y}年|{_WORD_YEAR})?(?P<leap>闰)?(?P<m>正|冬|腊)月{_D}日?", _lunar),
    ]
    return [(re.compile(pattern, re.ASCII), read) for pattern, read in forms]


_FORMS = _forms()
