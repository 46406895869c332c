"""Identity numbers of residents of China: checked, and compared with what else is written on the form.

The number carries the birth date and the sex, and a check digit over the rest (`python-stdnum`).  The place in its
first six digits is not judged: counties are founded and renamed more often than lists of them.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple

from domain.days import written
from domain.errors import Mistyped, shown
from domain.numerals import squeezed

LENGTH, OLD_LENGTH = 18, 15
YEAR_MIN = 1880

_FORM = re.compile(r"[1-9]\d{16}[\dX]", re.ASCII)
_SEXES = {"female": ("女", "a girl's or woman's"), "male": ("男", "a boy's or man's")}


class Identity(NamedTuple):
    """An identity number and what it says."""

    number: str
    born_on: dt.date
    sex: str


def parse(text: str) -> Identity:
    """The identity number that a text spells, or a refusal that says what is wrong with it."""
    from stdnum.cn import ric

    number = squeezed(text).upper().replace("-", "")
    digits = sum(one.isdigit() for one in number)
    if len(number) == OLD_LENGTH and digits == OLD_LENGTH:
        raise Mistyped(
            "这是15位的旧身份证号，已停用，请填18位的新号",
            "this is an old identity number of 15 digits, out of use: expected the one of 18",
        )
    if len(number) != LENGTH:
        raise Mistyped(
            f"身份证号应为18位，现在是{len(number)}位",
            f"an identity number has 18 characters, found {len(number)}",
        )
    if not _FORM.fullmatch(number):
        raise Mistyped(
            f"“{shown(text)}”不是身份证号：前17位是数字，最后一位是数字或X",
            f"{shown(text)!r} is no identity number: 17 digits, then a digit or X",
        )
    born_on = _born_on(number)
    expected = ric.calc_check_digit(number)
    if number[-1] != expected:
        raise Mistyped(
            f"身份证号有误，请逐位核对：按前17位推算，最后一位应是{expected}，现在是{number[-1]}",
            f"the identity number does not check: after its first 17 digits the last should be {expected},"
            f" found {number[-1]}",
        )
    return Identity(number, born_on, "male" if int(number[16]) % 2 else "female")


def _born_on(number: str) -> dt.date:
    try:
        found = dt.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        found = dt.date.min
    if found.year < YEAR_MIN:
        raise Mistyped(
            f"身份证号第7到14位应是出生日期，“{number[6:14]}”不是日期",
            f"digits 7 to 14 of an identity number are the date of birth, and {number[6:14]} is no date",
        )
    return found


def disagreements(identity: Identity, born_on: dt.date | None, sex: str | None) -> dict[str, Mistyped]:
    """What the form says otherwise than the number, by field."""
    found = {}
    if born_on is not None and born_on != identity.born_on:
        found["born_on"] = Mistyped(
            f"出生日期{written(born_on)}与身份证号里的{written(identity.born_on)}不一致，请核对哪个对",
            f"the date of birth {born_on} is not that of the identity number, {identity.born_on}: see which is right",
        )
    if sex is not None and sex != identity.sex:
        zh, en = _SEXES[identity.sex]
        found["sex"] = Mistyped(
            f"性别与身份证号不一致：这个号码是{zh}性的，请核对哪个对",
            f"the sex is not that of the identity number, which is {en}: see which is right",
        )
    return found
