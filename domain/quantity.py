"""Quantities as people state them: exactly so many, at least so many, or between two numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

UNITS = {"": 1, "百": 100, "千": 1_000, "万": 10_000, "亿": 100_000_000}
NUMBER_MAX = 2**62

_ONE = re.compile(r"(\d+(?:,\d{3})*)([百千万亿]?)(多|余|\+|以上)?([百千万亿]?)[^\d]{0,4}")
_RANGE = re.compile(r"(\d+)(?:--|—|–|~|～|至|到|-)(\d+)([百千万亿]?)[^\d]{0,4}")


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


def parse(text: str) -> Quantity:
    """Read a quantity as it is typed: "61", "2000+", "2000多份", "110万", "2000--3000"."""
    compact = text.strip().replace(" ", "")
    if found := _RANGE.fullmatch(compact):
        unit = UNITS[found[3]]
        return Quantity("range", _bounded(int(found[1]) * unit), _bounded(int(found[2]) * unit))
    if found := _ONE.fullmatch(compact):
        number = int(found[1].replace(",", "")) * UNITS[found[2]] * UNITS[found[4]]
        return Quantity("at_least" if found[3] else "exact", _bounded(number))
    raise ValueError(f"quantity: found {text!r}, expected a number such as 61, 2000+, 110万 or 2000--3000")


def _bounded(number: int) -> int:
    if number > NUMBER_MAX:
        raise ValueError(f"quantity: found {number}, expected at most {NUMBER_MAX}")
    return number
