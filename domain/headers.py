"""Finding the header of a list: below merged titles, in one row or in two, its columns called as people call them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rapidfuzz import fuzz, process

from domain.cells import Broken, Cell, Uncomputed, is_empty, text
from domain.errors import Refused, shown
from domain.sheets import NEVER, Column, Kind

SEARCHED_ROWS_MAX = 30
RECOGNISED_MIN = 2
SUGGESTED_MIN = 60.0
PASSED_OVER = "-"

_BRACKETS = re.compile(r"[(\[【〔][^)\]】〕]*[)\]】〕]")
_SIGNS = re.compile(r"[\s*:、,/\\.·\-_]+")
_ENDING = re.compile(
    r"(?:合计|总计|小计|共\d+[人册名])\s*$|(?:合计|总计|小计|填表|填报|制表|审核|负责人|联系人|说明|注|备注)[^:]{0,4}:"
)


class Matched(NamedTuple):
    """A column of the sheet, from 0, with its title as it stands there."""

    place: int
    title: str
    column: Column


class Unmatched(NamedTuple):
    """A column that is not imported, and why, with what it may have been meant to be."""

    place: int
    title: str
    zh: str
    en: str


class Header(NamedTuple):
    """Where the header stands (rows from 0; `below` is the first row of data) and what its columns are."""

    row: int
    below: int
    matched: tuple[Matched, ...]
    unmatched: tuple[Unmatched, ...]


def plain(title: str) -> str:
    """A title as it is compared."""
    return _SIGNS.sub("", _BRACKETS.sub("", unicodedata.normalize("NFKC", title))).strip()


def letters(index: int) -> str:
    """What Excel calls the column: A, B, … AA."""
    found = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        found = chr(65 + rest) + found
    return found


def find(rows: Sequence[Sequence[Cell]], kind: Kind, named: Mapping[str, str]) -> Header:
    """The header of a sheet; `named`: titles matched by hand, or passed over. Raises where there is none."""
    passed = {plain(title) for title, wanted in named.items() if wanted == PASSED_OVER}
    known = {plain(title): column for column in kind.columns for title in column.titles}
    known = {title: column for title, column in known.items() if title not in passed}
    by_hand = _by_hand(kind, {title: wanted for title, wanted in named.items() if wanted != PASSED_OVER})
    best: tuple[int, int, int] = (0, 0, 0)  # recognised, fewer rows, earlier
    for row in range(min(len(rows), SEARCHED_ROWS_MAX)):
        for height in (1, 2):
            found = {known.get(plain(one)) or by_hand.get(plain(one)) for one in titles(rows, row, height)}
            best = max(best, (len(found - {None}), -height, -row))
    count, height, row = best[0], -best[1], -best[2]
    if count < min(RECOGNISED_MIN, len(kind.columns)):
        raise Refused(
            f"没有找到表头：前{SEARCHED_ROWS_MAX}行里没有一行像{kind.title}的标题（如{_examples(kind)}）",
            f"no header was found in the first {SEARCHED_ROWS_MAX} rows: expected titles of a {kind.english} such as"
            f" {_examples(kind)}",
        )
    return _header(titles(rows, row, height), row, row + height, kind, known | by_hand)


def titles(rows: Sequence[Sequence[Cell]], row: int, height: int) -> list[str]:
    """The title of every column, put together from two rows where the upper one was merged over several columns."""
    upper = [_title(cell) for cell in rows[row]]
    if height == 1 or row + 1 >= len(rows):
        return upper
    lower = [_title(cell) for cell in rows[row + 1]]
    width = max(len(upper), len(lower))
    upper += [""] * (width - len(upper))
    lower += [""] * (width - len(lower))
    found, over = [], ""
    for above, below in zip(upper, lower, strict=True):
        over = above or (over if below else "")
        found.append(f"{over}{below}" if below else above)
    return found


def _title(cell: Cell) -> str:
    return "" if is_empty(cell) or isinstance(cell, Uncomputed | Broken | float | int) else text(cell)


def _by_hand(kind: Kind, named: Mapping[str, str]) -> dict[str, Column]:
    found = {}
    for title, wanted in named.items():
        column = next((one for one in kind.columns if wanted in (one.key, *one.titles)), None)
        if column is None:
            raise Refused(
                f"{kind.title}没有“{shown(wanted)}”这一列，可以用：{'、'.join(one.title for one in kind.columns)}",
                f"a {kind.english} has no column {shown(wanted)!r}",
            )
        found[plain(title)] = column
    return found


def _header(found: Sequence[str], row: int, below: int, kind: Kind, known: Mapping[str, Column]) -> Header:
    matched: dict[str, Matched] = {}
    unmatched = []
    for index, title in enumerate(found):
        if not title:
            continue
        column = known.get(plain(title))
        if column is None:
            unmatched.append(_unknown(index, title, known))
            continue
        before = matched.get(column.key)
        if before is not None and _rank(column, before.title) <= _rank(column, title):
            unmatched.append(_twice(index, title, before.place))
            continue
        if before is not None:
            unmatched.append(_twice(before.place, before.title, index))
        matched[column.key] = Matched(index, title, column)
    missing = [one.title for one in kind.columns if one.required and one.key not in matched]
    if missing:
        raise Refused(f"缺少必需的列：{'、'.join(missing)}", f"required columns are missing: {', '.join(missing)}")
    return Header(row, below, tuple(sorted(matched.values())), tuple(sorted(unmatched)))


def _rank(column: Column, title: str) -> int:
    """How well a title fits its column: the earlier in the list the better; one matched by hand best of all."""
    spelled = [plain(one) for one in column.titles]
    return spelled.index(plain(title)) if plain(title) in spelled else -1


def _unknown(index: int, title: str, known: Mapping[str, Column]) -> Unmatched:
    if plain(title) in NEVER:
        return Unmatched(index, title, "不用导入", "nothing to record")
    near = process.extractOne(plain(title), list(known), scorer=fuzz.ratio, score_cutoff=SUGGESTED_MIN)
    if near is None:
        return Unmatched(index, title, "没有认出，不导入", "not recognised, left out")
    meant = known[near[0]].title
    return Unmatched(
        index, title, f"没有认出，不导入；是不是“{meant}”？", f"not recognised, left out; {meant}, perhaps?"
    )


def _twice(index: int, title: str, instead: int) -> Unmatched:
    return Unmatched(index, title, f"不导入：已用{letters(instead)}列", f"left out: column {letters(instead)} is used")


def _examples(kind: Kind) -> str:
    return "、".join(one.title for one in kind.columns[:4])


def is_ending(row: Sequence[Cell]) -> bool:
    """A line below the list: a total, who filled it in, a remark."""
    first = next((text(cell) for cell in row if isinstance(cell, str) and cell.strip()), "")
    return _ENDING.match(unicodedata.normalize("NFKC", first)) is not None
