"""What a spreadsheet's cell holds, and how it is read: Excel keeps numbers, dates and text apart, people do not.

A cell that Excel spoilt is refused in words rather than read: an identity number kept as a number has lost its last
digits for good, and a formula that was never computed has no value.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import NamedTuple

from domain import days
from domain.days import Day, Note
from domain.errors import Mistyped

EXACT_MAX = 10**15  # beyond it Excel keeps zeros instead of digits
EPOCH = dt.date(1899, 12, 30)
SERIAL_MIN, SERIAL_MAX = 10_959, 109_575  # 1930 to 2199


class Uncomputed(NamedTuple):
    """A formula without a value: whatever wrote the file did not compute it."""

    formula: str


class Broken(NamedTuple):
    """A formula whose value is an error, such as #REF!."""

    code: str


Cell = str | int | float | bool | dt.date | dt.time | Uncomputed | Broken | None  # a datetime is a date


def is_empty(cell: Cell) -> bool:
    """Nothing, or nothing but blanks."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def text(cell: Cell) -> str:
    """A cell as somebody would have typed it."""
    match cell:
        case None:
            return ""
        case str():
            return cell.strip()
        case bool():
            return "是" if cell else "否"
        case int() | float():
            return _number(cell)
        case dt.datetime():
            return str(cell.date() if cell.time() == dt.time() else cell)
        case Uncomputed():
            raise Mistyped(
                "这一格是公式，还没有算出结果：请用Excel打开这个文件，保存一次再导入",
                "this cell is a formula without a value: open the file in Excel, save it, and import it again",
            )
        case Broken(code):
            raise Mistyped(f"这一格的公式出错（{code}），请改正", f"the formula of this cell gives {code}: mend it")
        case _:
            return str(cell)


def _number(cell: float) -> str:
    if not math.isfinite(cell):
        raise Mistyped("这一格不是数字", "this cell is no number")
    if abs(cell) >= EXACT_MAX:
        raise Mistyped(
            "这一格的长号码被Excel存成了数字，15位以后已经丢失：请把这一列设为“文本”格式，再重新填写完整的号码",
            "Excel kept this long number as a figure and lost what comes after 15 digits: make the column text, and"
            " type the whole number again",
        )
    return str(int(cell)) if cell == int(cell) else repr(cell)


def day(cell: Cell, today: dt.date, epoch: dt.date = EPOCH) -> Day:
    """A cell as a day: a date, a text that spells one, or the number under which Excel keeps dates."""
    if isinstance(cell, dt.datetime):
        return Day(cell.date())
    if isinstance(cell, dt.date):
        return Day(cell)
    if isinstance(cell, int | float) and not isinstance(cell, bool) and SERIAL_MIN <= cell <= SERIAL_MAX:
        found = epoch + dt.timedelta(days=int(cell))
        number = _number(int(cell))
        return Day(
            found, Note(f"数字{number}按Excel的日期记为{days.written(found)}", f"{number} was read as Excel's {found}")
        )
    return days.parse(text(cell), today)
