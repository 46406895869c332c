"""Whether two entries of a register may be one child: by identity number, name, sound of the name and birth date.

A child that is registered twice is counted twice and cared for by nobody in full, so whoever imports a list is shown
every likely pair.  What is certain needs no question; what is only likely is a person's to answer.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from domain import names

NEARLY_MIN = 66.0  # one character of three differs
SLIPS_MAX = 2  # digits of an identity number mistyped or changed about


class Somebody(NamedTuple):
    """What a list says of a child."""

    name: str
    born_on: dt.date | None = None
    national_id: str | None = None


class Likeness(NamedTuple):
    """Why two may be one; `sure` where no other child can be meant."""

    sure: bool
    zh: str
    en: str


def likeness(one: Somebody, other: Somebody) -> Likeness | None:
    """Whether two are, or may be, one child; None where nothing says so."""
    if one.national_id and other.national_id:
        return _by_number(one, other)
    same_name, same_day = one.name == other.name, one.born_on is not None and one.born_on == other.born_on
    if same_name and same_day:
        return Likeness(True, "姓名和出生日期相同", "same name and date of birth")
    if same_name and (one.born_on is None or other.born_on is None):
        return Likeness(False, "姓名相同，有一方没写出生日期", "same name, one without a date of birth")
    if same_name and _near(one.born_on, other.born_on):
        return Likeness(False, "姓名相同，出生日期相近", "same name, nearly the same date of birth")
    if same_day and names.sounds_of_dialect(one.name) & names.sounds_of_dialect(other.name):
        return Likeness(False, "姓名同音，出生日期相同", "names that sound alike, same date of birth")
    if same_day and fuzz.ratio(one.name, other.name) >= NEARLY_MIN:
        return Likeness(
            False,
            "姓名相近，出生日期相同（也可能是双胞胎）",
            "nearly the same name, same date of birth (twins, perhaps)",
        )
    return None


def _by_number(one: Somebody, other: Somebody) -> Likeness | None:
    assert one.national_id
    assert other.national_id
    if one.national_id == other.national_id:
        return Likeness(True, "身份证号相同", "same identity number")
    if one.name == other.name and OSA.distance(one.national_id, other.national_id) <= SLIPS_MAX:
        return Likeness(False, "姓名相同，身份证号只差一两位", "same name, identity numbers nearly the same")
    return None


def _near(one: dt.date | None, other: dt.date | None) -> bool:
    """Two of year, month and day agree, or day and month changed places."""
    if one is None or other is None:
        return False
    agree = (one.year == other.year) + (one.month == other.month) + (one.day == other.day)
    return agree >= 2 or (one.year, one.month, one.day) == (other.year, other.day, other.month)
