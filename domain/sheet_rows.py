"""The rows of a list as values, every trouble of every row at once.

A row is read column by column, as a form is.  Then its cells are held against each other: an identity number gives
what the row leaves out and is compared with what it says.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from domain import cells, grades, headers, identity, money, names, spelling
from domain.cells import Cell
from domain.codec import BOOL, DATE, INT, shape_of
from domain.codes import CATEGORY
from domain.days import Note
from domain.errors import Mistyped, Refused, shown
from domain.events import ChildRegistered
from domain.headers import Header, Matched
from domain.numerals import squeezed
from domain.sheets import Column, Kind
from domain.spelling import Value


class Trouble(NamedTuple):
    """Why a cell, or a whole row (place -1), cannot be taken; rows from 1, as Excel counts them."""

    row: int
    place: int
    title: str
    why: Refused


class Assumed(NamedTuple):
    """What was read otherwise than it stands there."""

    row: int
    title: str
    note: Note


class Row(NamedTuple):
    """One row as values by column key."""

    number: int
    values: Mapping[str, Any]


class Rows(NamedTuple):
    """A whole list; `left` rows below or between it are no records (totals, repeated headers)."""

    rows: list[Row]
    troubles: list[Trouble]
    assumed: list[Assumed]
    left: list[int]


class _Said(NamedTuple):
    today: dt.date
    epoch: dt.date


BLANKS = frozenset({"无", "/", "\\", "-", "--", "—", "——", "不详", "不清楚", "暂无", "空", "N/A", "n/a"})
DITTO = frozenset({"同上", "″", '"', "〃", "''"})
_KINSHIP = {"祖父": "爷爷", "祖母": "奶奶", "外祖父": "外公", "外祖母": "外婆", "姥姥": "外婆", "姥爷": "外公",
            "爸爸": "父亲", "妈妈": "母亲", "父": "父亲", "母": "母亲", "伯伯": "伯父", "大伯": "伯父", "叔父": "叔叔",
            "姑妈": "姑姑", "舅父": "舅舅", "阿姨": "姨妈"}  # fmt: skip
_COUNTS = {"copies": "本册", "instalments": "期次", "guardian_age": "岁"}
_SEX = {"男性": "男", "男孩": "男", "男童": "男", "女性": "女", "女孩": "女", "女童": "女"}
_BOARDS = {"住校": "是", "寄宿": "是", "住宿": "是", "走读": "否", "不住校": "否", "通校": "否"}
_CODECS = shape_of(ChildRegistered).codecs
_ALSO = re.compile("[、,，;；/ ]+")
_MONTH_ONLY = re.compile(r"(?P<y>\d{4})[-/.年](?P<m>\d{1,2})月?")


def read(rows: Sequence[Sequence[Cell]], header: Header, kind: Kind, today: dt.date, epoch: dt.date) -> Rows:
    """Every row below the header."""
    said, found = _Said(today, epoch), Rows([], [], [], [])
    title_row = [cells.is_empty(cell) or cell for cell in rows[header.row]]
    for at in range(header.below, len(rows)):
        row = rows[at]
        if all(map(cells.is_empty, row)):
            continue
        if headers.is_ending(row) or [cells.is_empty(cell) or cell for cell in row] == title_row:
            found.left.append(at + 1)
            continue
        _take(row, at + 1, header, kind, said, found)
    return found


def _take(row: Sequence[Cell], number: int, header: Header, kind: Kind, said: _Said, found: Rows) -> None:
    values: dict[str, Any] = {}
    wrong: dict[str, Trouble] = {}
    for matched in header.matched:
        cell = row[matched.place] if matched.place < len(row) else None
        try:
            value = _value(cell, matched, said)
        except Refused as why:
            wrong[matched.column.key] = Trouble(number, matched.place, matched.title, why)
            continue
        if value is not None:
            values[matched.column.key] = value.value
            if value.note.zh:
                found.assumed.append(Assumed(number, matched.title, value.note))
        elif matched.column.required:
            missing = Mistyped(f"缺少{matched.column.title}", f"{matched.column.title} is missing")
            wrong[matched.column.key] = Trouble(number, matched.place, matched.title, missing)
    by_key = {matched.column.key: matched for matched in header.matched}
    if values.get("national_id"):
        _by_number(values, wrong, by_key, number, row)
    if kind.name == "roster" and "sex" not in values and not {"sex", "national_id"} & wrong.keys():
        wrong["sex"] = Trouble(number, -1, "性别", Mistyped("缺少性别或身份证号", "neither sex nor identity number"))
    found.troubles.extend(wrong.values())
    if not wrong:
        found.rows.append(Row(number, values))


def _by_number(values: dict[str, Any], wrong: dict[str, Trouble], by_key: Mapping[str, Matched], number: int,
               row: Sequence[Cell]) -> None:  # fmt: skip
    """Hold a row against its identity number, which also fills in birth date and sex."""
    known = identity.parse(values["national_id"])
    if "born_on" in wrong:  # a month without a day is common in lists, and the number knows the day
        cell = row[by_key["born_on"].place]
        typed = _MONTH_ONLY.fullmatch(squeezed(str(cell))) if isinstance(cell, str | float) else None
        if typed and (int(typed["y"]), int(typed["m"])) == (known.born_on.year, known.born_on.month):
            del wrong["born_on"]
    for key, why in identity.disagreements(known, values.get("born_on"), values.get("sex")).items():
        wrong[key] = Trouble(number, by_key[key].place, by_key[key].title, why)
    values.setdefault("born_on", known.born_on)
    values.setdefault("sex", known.sex)


def _value(cell: Cell, matched: Matched, said: _Said) -> Value | None:
    """What a cell says; None where it is left empty."""
    if cells.is_empty(cell):
        return None
    column = matched.column
    codec = shape_of(column.event).codecs[column.field]
    if codec is DATE:
        if isinstance(cell, str) and squeezed(cell) in BLANKS:
            return None
        day = cells.day(cell, said.today, said.epoch)
        return Value(*(spelling.doubted(day, said.today) if column.field in spelling.PAST else day))
    typed = cells.text(cell)
    if squeezed(typed) in BLANKS:
        return None
    if squeezed(typed) in DITTO:
        raise Mistyped("请写出内容，不要写“同上”", "write out what it is instead of ditto marks")
    special = _SPECIAL.get(column.key)
    if special is not None:
        return special(typed, matched)
    return spelling.value(column.event, column.field, codec, typed, said.today)


def _fen(typed: str, matched: Matched) -> Value:
    """In yuan, or in 万元 where the title says so."""
    plain = re.fullmatch(r"[\d.,]+", squeezed(typed)) is not None
    return Value(money.parse(f"{typed}万" if plain and "万" in matched.title else typed))


def _counted(typed: str, matched: Matched) -> Value:
    """A number with the word for what it counts: 3本, 两册, 66岁."""
    plain = re.sub(f"[{_COUNTS[matched.column.key]}]$", "", squeezed(typed))
    return spelling.value(matched.column.event, matched.column.field, INT, plain, dt.date.min)


def _grade(typed: str, _matched: Matched) -> Value:
    return Value(grades.parse(typed))


def _name(typed: str, _matched: Matched) -> Value:
    return Value(names.cleaned(typed))


def _sex(typed: str, matched: Matched) -> Value:
    plain = squeezed(typed)
    return spelling.value(matched.column.event, "sex", _CODECS["sex"], _SEX.get(plain, plain), dt.date.min)


def _boards(typed: str, matched: Matched) -> Value:
    plain = squeezed(typed)
    return spelling.value(matched.column.event, "boards", BOOL, _BOARDS.get(plain, plain), dt.date.min)


def _kinship(typed: str, matched: Matched) -> Value:
    plain = squeezed(typed)
    known = matched.column.pick
    assert known is not None
    return Value(known.code(_KINSHIP.get(plain, plain)))


def _categories(typed: str, _matched: Matched) -> Value:
    found = []
    for one in filter(None, _ALSO.split(typed.strip())):
        code = CATEGORY.code(squeezed(one)) or CATEGORY.code(squeezed(one) + "儿童")
        if code is None:
            labels = "、".join(zh for zh, _ in CATEGORY.labels.values())
            raise Mistyped(
                f"“{shown(one)}”不是类别，可以填：{labels}",
                f"found {shown(one)!r}, expected one of {', '.join(CATEGORY.labels)}",
            )
        found.append(code)
    return Value(tuple(dict.fromkeys(found)))


_SPECIAL: Mapping[str, Callable[[str, Matched], Value]] = {
    "amount_fen": _fen,
    **dict.fromkeys(_COUNTS, _counted),
    "grade": _grade,
    "sex": _sex,
    **dict.fromkeys(("name", "guardian_name", "father_name", "mother_name"), _name),
    "boards": _boards,
    "guardian_kinship": _kinship,
    "categories": _categories,
}


def columns_of(header: Header) -> Iterator[tuple[str, str, Column]]:
    """Letter, title and meaning of every matched column."""
    for matched in header.matched:
        yield headers.letters(matched.place), matched.title, matched.column
