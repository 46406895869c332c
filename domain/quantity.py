"""Quantities as people state them: exactly so many, at least so many, or between two numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from domain.errors import Mistyped, shown
from domain.numerals import NUMBER, NoNumber, number, squeezed

NUMBER_MAX = 2**62

_SIGNED = rf"-?{NUMBER}"
_AT_LEAST_BEFORE = "超过|多于|不少于|不低于|至少|>=|≥|>|逾|上"
_AT_LEAST_AFTER = "多|余|\\+|以上"
_VAGUE = re.compile("约|大概|近|差不多|左右|上下|不到|不足|不超过|最多|至多|以下|几|来|若干|数[十百千万]")
_WORD = r"[^\d.,\-<>≤≥一二三四五六七八九两十百千万亿零〇半倍成多余来几以上下]{0,4}"  # what is counted: 人, 份, 场次, %
_SEPARATOR = "--|-|[—–−~]+|至|到"
_ONE = re.compile(rf"(?P<more>{_AT_LEAST_BEFORE})?(?P<number>{_SIGNED})"
                  rf"(?:(?P<and_more>{_AT_LEAST_AFTER})(?P<unit>[百千万亿]*))?{_WORD}(?P<beyond>以上)?")  # fmt: skip
_RANGE = re.compile(rf"(?P<low>{_SIGNED}){_WORD}?(?:{_SEPARATOR})(?P<high>{_SIGNED}){_WORD}")
_PLAIN = re.compile(r"\d+(?:\.\d+)?")
_UNIT = re.compile(r"(?P<factor>\d+(?:\.\d+)?)(?P<unit>[百千万亿]+)")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A whole number (`exact`), a lower bound (`at_least`) or both bounds (`range`)."""

    kind: str
    low: int
    high: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("exact", "at_least", "range"):
            raise ValueError(f"kind of quantity: found {self.kind!r}, expected exact, at_least or range")
        if (self.kind == "range") != (self.high is not None):
            raise ValueError("a range has two bounds, an exact number or a lower bound has one")
        if self.high is not None and self.high < self.low:
            raise ValueError(f"range: found {self.low} to {self.high}, expected the lower bound first")

    def __str__(self) -> str:
        if self.kind == "range":
            return f"{self.low}--{self.high}"
        return f"{self.low}+" if self.kind == "at_least" else str(self.low)


def exactly(number: int) -> Quantity:
    """The quantity that is known to the last unit."""
    return Quantity("exact", number)


def total(quantities: Iterable[Quantity]) -> Quantity:
    """The sum; as vague as what goes into it: with a lower bound among them it is one, with a range a range."""
    found = list(quantities)
    low = sum(one.low for one in found)
    if any(one.kind == "at_least" for one in found):
        return Quantity("at_least", low)
    high = sum(one.low if one.high is None else one.high for one in found)
    return Quantity("range", low, high) if high > low else exactly(low)


def parse(text: str, scale: int = 1) -> Quantity:
    """Read a quantity as it is typed: "61", "2000+", "2000多份", "110万", "2000--3000", "三百余人", "100%".

    `scale`: how many of our units one typed unit has, as 100 fen a yuan.
    """
    compact = squeezed(text)
    if _VAGUE.search(compact):
        raise _vague(text)
    try:
        if found := _RANGE.fullmatch(compact):
            low, high = _both(found["low"], found["high"])
            return Quantity("range", _bounded(low * scale, text), _bounded(high * scale, text))
        if found := _ONE.fullmatch(compact):
            size = _signed(found["number"]) * (_signed(found["unit"]) if found["unit"] else 1)
            is_more = found["more"] or found["and_more"] or found["beyond"]
            return Quantity("at_least" if is_more else "exact", _bounded(size * scale, text))
    except NoNumber:
        pass
    except ValueError:
        raise Mistyped(
            f"“{shown(text)}”前面的数比后面的大，请把小的写在前面",
            f"found {shown(text)!r}, expected the smaller number first",
        ) from None
    raise _unread(text)


def _both(low: str, high: str) -> tuple[Fraction, Fraction]:
    """Both bounds; in 2--3万 the unit counts for both, in 2000--3万 for the second one."""
    if (unit := _UNIT.fullmatch(high)) and _PLAIN.fullmatch(low) and Fraction(low) < Fraction(unit["factor"]):
        return _signed(low) * _signed(unit["unit"]), _signed(high)
    return _signed(low), _signed(high)


def _signed(text: str) -> Fraction:
    return -number(text[1:]) if text.startswith("-") else number(text)


def _bounded(size: Fraction, text: str) -> int:
    if size.denominator != 1:
        raise Mistyped(f"“{shown(text)}”不是整数，这里只能填整数", f"found {shown(text)!r}, expected a whole number")
    if abs(size) > NUMBER_MAX:
        raise Mistyped(f"“{shown(text)}”太大了", f"found {shown(text)!r}, expected at most {NUMBER_MAX}")
    return int(size)


def _vague(text: str) -> Mistyped:
    return Mistyped(
        f"“{shown(text)}”看不出是多少：知道确切的数写“200”，知道至少多少写“200多”，知道范围写“150--250”",
        f"found {shown(text)!r}, which is no number: write 200 if it is exact, 200+ for at least, 150--250 for a range",
    )


def _unread(text: str) -> Mistyped:
    return Mistyped(
        f"“{shown(text)}”不是数量，请填如61、2000多、110万、三百余人或2000--3000",
        f"found {shown(text)!r}, expected a number such as 61, 2000+, 110万 or 2000--3000",
    )
