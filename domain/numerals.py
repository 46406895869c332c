"""Numbers as people write them: 61, 1,200, １２, 1.5万, 3万2千, 二百, 两百五, 二〇二五.

Exact throughout: a number is a fraction, never a float.  What could mean two things is not guessed.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

TYPED_LENGTH_MAX = 60
DIGITS = {"〇": 0, "零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
SMALL = {"十": 10, "百": 100, "千": 1_000}
LARGE = {"万": 10_000, "亿": 100_000_000}
CHARACTERS = "".join([*DIGITS, *SMALL, *LARGE])
NUMBER = rf"[\d.,{CHARACTERS}]+"
"""A pattern of whatever may be a number; `number` says whether it is one."""

_TOKEN = re.compile(rf"(?P<plain>(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?)|(?P<sign>[{CHARACTERS}])", re.ASCII)
_ALL_DIGITS = re.compile(
    rf"(?=.*[〇零]|...)[{''.join(DIGITS)}]{{2,}}"
)  # two of them, as 三四, may mean "three or four"


class NoNumber(ValueError):
    """The text is no number, or could be several."""


def squeezed(text: str) -> str:
    """The text without blanks, its full-width letters, digits and signs made ordinary ones."""
    if len(text) > TYPED_LENGTH_MAX:
        text = text.strip()[: TYPED_LENGTH_MAX + 1]
    return "".join(unicodedata.normalize("NFKC", text).split())


def arabic(text: str) -> str:
    """The text with runs of Chinese numerals in digits, as dates and terms need it: 三月十二日 becomes 3月12日."""

    def replaced(found: re.Match[str]) -> str:
        try:
            return str(number(found[0]))
        except NoNumber:
            return found[0]

    return re.sub(rf"[{''.join(DIGITS)}十]+", replaced, text)


def number(text: str) -> Fraction:
    """The number that a squeezed text spells, in digits, in Chinese, or in both."""
    if len(text) > TYPED_LENGTH_MAX:
        raise NoNumber(text)
    if _ALL_DIGITS.fullmatch(text):  # digit by digit, as in years
        return Fraction(int("".join(str(DIGITS[one]) for one in text)))
    return _Reading().read(text)


class _Reading:
    """One number on its way: what is complete (亿, 万), the section under way, the digit that waits for its unit."""

    def __init__(self) -> None:
        self.total = self.section = Fraction(0)
        self.pending: Fraction | None = None
        self.unit = 0  # of the latest digit; 0 after a zero, which ends "两百五" for 250
        self.small = 10_000  # units fall within a section
        self.large = 10**12  # and from section to section

    def read(self, text: str) -> Fraction:
        """The whole text."""
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise NoNumber(text)
            at = found.end()
            self._take(found["plain"], found["sign"], text)
        if not text:
            raise NoNumber(text)
        return self.total + self.section + self._tail(text)

    def _take(self, plain: str | None, sign: str | None, text: str) -> None:
        if plain is not None or DIGITS.get(sign or ""):
            if self.pending is not None:
                raise NoNumber(text)
            self.pending = Fraction(plain.replace(",", "")) if plain is not None else Fraction(DIGITS[sign or ""])
        elif sign in DIGITS:
            if self.pending is not None or (not self.unit and text not in DIGITS):
                raise NoNumber(text)
            self.unit = 0
            if text in DIGITS:
                self.pending = Fraction(0)
        elif sign in SMALL:
            self._small(SMALL[sign], text)
        else:
            self._large(LARGE[sign or ""], text)

    def _small(self, unit: int, text: str) -> None:
        if unit >= self.small:
            raise NoNumber(text)
        self.section += (Fraction(1) if self.pending is None else self.pending) * unit
        self.pending, self.unit, self.small = None, unit, unit

    def _large(self, unit: int, text: str) -> None:
        if unit >= self.large:
            raise NoNumber(text)
        section = self.section + (self.pending or 0)
        if not section:
            if self.total or self.pending is not None:
                raise NoNumber(text)
            section = Fraction(1)
        self.total += section * unit
        self.section, self.pending = Fraction(0), None
        self.unit, self.small, self.large = unit, 10_000, unit

    def _tail(self, text: str) -> Fraction:
        """The digits after the last unit: 5 in 十五, 500 in 两百五, 2000 in 3万2."""
        if self.pending is None:
            return Fraction(0)
        if self.unit > 10 and self.pending < 10 and self.pending.denominator == 1 and text[-2:-1] in {*SMALL, *LARGE}:
            return self.pending * self.unit / 10
        if self.unit and self.pending >= self.unit:
            raise NoNumber(text)
        return self.pending


def whole(text: str) -> int:
    """A whole number as typed."""
    found = number(squeezed(text))
    if found.denominator != 1:
        raise NoNumber(text)
    return int(found)
