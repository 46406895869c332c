"""School terms as people write them: 2025年春季学期, 2025秋, 2024-2025学年第一学期, 本学期.

A school year begins in autumn, so the first term of 2024-2025 is the autumn of 2024 and its second the spring of 2025.
A term is stored as "2024-秋".
"""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple

from domain.days import Note
from domain.errors import Mistyped, shown
from domain.festivals import YEAR_MAX, YEAR_MIN
from domain.numerals import arabic, squeezed

SPRING, AUTUMN = "春", "秋"
SPRING_MONTHS = range(2, 8)

_SEASON = re.compile(r"(?P<y>\d{4})(?:年|-)?(?P<season>[春秋])(?:季|天)?(?:学?期|学年)?")
_OF_YEAR = re.compile(
    r"(?P<from>\d{4})年?(?:(?:[-—–−~/]+|至|到)(?P<to>\d{4}|\d{2})(?:学?年度?)?|学年度?),?"
    r"\(?(?:第(?P<n>[12])|(?P<half>[上下]))(?:学?期)?\)?"
)
_NOW = re.compile("(?:本|这|这个)(?:学期|期)")
_PAST = re.compile("上个学期")
_BARE = re.compile("(?P<season>[春秋])季?学期")
_EITHER = re.compile("[上下]学?期")


class Term(NamedTuple):
    """Half a school year: the spring or the autumn of a year."""

    year: int
    season: str

    def __str__(self) -> str:
        return f"{self.year}-{self.season}"

    @property
    def label(self) -> str:
        """As it is shown to people."""
        return f"{self.year}年{self.season}季学期"


class Read(NamedTuple):
    """A term, and what was assumed to find it."""

    term: Term
    note: Note = Note()


def of(day: dt.date) -> Term:
    """The term in which a day lies; January still belongs to the autumn before."""
    if day.month in SPRING_MONTHS:
        return Term(day.year, SPRING)
    return Term(day.year if day.month > SPRING_MONTHS[-1] else day.year - 1, AUTUMN)


def before(term: Term) -> Term:
    """The term before a term."""
    return Term(term.year - 1, AUTUMN) if term.season == SPRING else Term(term.year, SPRING)


def parse(text: str, today: dt.date) -> Read:
    """The term that a text names, seen from `today`."""
    compact = arabic(squeezed(text))
    if found := _SEASON.fullmatch(compact):
        return Read(_bounded(Term(int(found["y"]), found["season"]), text))
    if found := _OF_YEAR.fullmatch(compact):
        return Read(_bounded(_of_school_year(found, text), text))
    if _NOW.fullmatch(compact):
        return _assumed(of(today), text)
    if _PAST.fullmatch(compact):
        return _assumed(before(of(today)), text)
    if found := _BARE.fullmatch(compact):
        now = of(today)
        return _assumed(now if now.season == found["season"] else before(now), text)
    if _EITHER.fullmatch(compact):
        raise Mistyped(
            f"“{shown(text)}”可能是第一、二学期，也可能是上一个、下一个学期，请写“2025年春季学期”",
            f"{shown(text)!r} may be half a school year, or the term before or after this one: write 2025年春季学期",
        )
    raise Mistyped(
        f"“{shown(text)}”不是学期，请填如2025年春季学期、2025秋或2024-2025学年第一学期",
        f"found {shown(text)!r}, expected a term such as 2025年春季学期, 2025秋 or 2024-2025学年第一学期",
    )


def _of_school_year(found: re.Match[str], text: str) -> Term:
    first = int(found["from"])
    if found["to"] and int(found["to"]) not in (first + 1, (first + 1) % 100):
        raise Mistyped(
            f"“{shown(text)}”：学年应是相连的两年，如2024-2025学年",
            f"found {shown(text)!r}, expected a school year of two years on end, as 2024-2025",
        )
    is_first = found["n"] == "1" or found["half"] == "上"
    return Term(first, AUTUMN) if is_first else Term(first + 1, SPRING)


def _bounded(term: Term, text: str) -> Term:
    if not YEAR_MIN <= term.year <= YEAR_MAX:
        raise Mistyped(f"“{shown(text)}”的年份不对", f"found {shown(text)!r}, whose year cannot be right")
    return term


def _assumed(term: Term, text: str) -> Read:
    typed = shown(text.strip())
    return Read(term, Note(f"“{typed}”按{term.label}记", f"{typed} was read as {term}"))
