"""What a report is: figures over rows of the read models, each with its definition, its parts and its list.

A report is a function from rows to figures; it stores nothing and asks no clock.

    read("child", "subject sex born_on")  ->  Rows  --counted(…)-->  Figure: value, parts by home, by sex …, list

Every figure counts or adds up rows, and those rows are its list: what a person opens who doubts the number.  Each part
("by home", "by sex") counts the same rows, so parts add up to the figure except where a row has several keys (a child
of two categories) or none.  A list's first column is always the subject, by which its entries are found in the log.

Figures that came from different positions of the logs are compared by `difference`.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from domain.codes import Codes
from domain.periods import Period
from domain.quantity import Quantity, parse, total
from domain.tiers import county_of
from domain.touching import Touching

Row = tuple[Any, ...]
Key = Callable[[Row], Hashable]
NONE: Final = ""
COUNTY: Final = "county"
HOME: Final = "home"


class Label(NamedTuple):
    """A text in Chinese and English."""

    zh: str
    en: str


class Share(NamedTuple):
    """So many of so many; nothing of nothing is no share at all."""

    part: int
    whole: int

    def percent(self) -> str:
        """To a tenth, half of it rounded up: 1 of 3 is "33.3", 3 of 34 is "8.8"."""
        if not self.whole:
            return ""
        tenths = (2000 * self.part + self.whole) // (2 * self.whole)
        return f"{tenths // 10}.{tenths % 10}"


class Fen(int):
    """An amount of money in fen."""

    def yuan(self) -> str:
        """In yuan with two places, as vouchers write it."""
        return f"{'-' if self < 0 else ''}{abs(self) // 100}.{abs(self) % 100:02}"


Value = int | Fen | Share | Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a report is asked for: as of a day, and over a period that may end before it."""

    as_of: dt.date
    period: Period


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a read model under the columns that were asked for; the subject comes first."""

    columns: tuple[str, ...]
    rows: Sequence[Row]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def at(self, column: str) -> int:
        """The place of a column."""
        return self.columns.index(column)

    def column(self, column: str) -> list[Any]:
        """All values of a column."""
        place = self.at(column)
        return [row[place] for row in self.rows]

    def where(self, **wanted: Hashable) -> Rows:
        """The rows that have a value in a column; a set stands for any of its values."""
        found = self.rows
        for column, value in wanted.items():
            place = self.at(column)
            values = value if isinstance(value, frozenset) else frozenset((value,))
            found = [row for row in found if row[place] in values]
        return Rows(self.columns, found)

    def having(self, test: Callable[[Row], bool]) -> Rows:
        """The rows that pass a test."""
        return Rows(self.columns, [row for row in self.rows if test(row)])

    def filled(self, column: str) -> Rows:
        """The rows that have something in a column."""
        place = self.at(column)
        return Rows(self.columns, [row for row in self.rows if row[place] is not None])

    def within(self, column: str, period: Period) -> Rows:
        """The rows whose day (ISO text) lies in a period; those without one do not."""
        place, first, last = self.at(column), period.first.isoformat(), period.last.isoformat()
        return Rows(self.columns, [row for row in self.rows if row[place] and first <= row[place] <= last])

    def only(self, columns: str) -> Rows:
        """Some of the columns."""
        places = [self.at(one) for one in columns.split()]
        return Rows(tuple(columns.split()), [tuple(row[place] for place in places) for row in self.rows])

    def also(self, column: str, value: Callable[[Row], Any]) -> Rows:
        """With one column more, made from each row."""
        return Rows((*self.columns, column), [(*row, value(row)) for row in self.rows])


class Read(Protocol):
    """Gives columns (named with spaces between) of all rows of a read model, or of some."""

    def __call__(
        self,
        table: str,
        columns: str,
        *,
        between: tuple[str, Any, Any] | None = None,
        touching: Touching | None = None,
    ) -> Rows:
        """`between`: a column, its lowest and its highest value."""


def with_tables(read: Read, tables: Mapping[str, Callable[[Read], Rows]]) -> Read:
    """The same reading, with tables that no read model has: each is made from it when a report asks."""

    def wider(table: str, columns: str, **which: Any) -> Rows:
        return tables[table](read).only(columns) if table in tables else read(table, columns, **which)

    return wider


def of_home(read: Read, home: str) -> Read:
    """The same reading, of one home's rows alone; for tables that say whose a row is in `home`."""

    def only(table: str, columns: str, **which: Any) -> Rows:
        return read(table, columns, **which).where(home=home)

    return only


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of a report, what it means, its parts, and the rows that it counts.

    Where `items` are sums, `behind` reads the rows that were summed, in the same columns, from the open read models.
    """

    name: str
    label: Label
    definition: Label
    unit: Label
    value: Value
    parts: Mapping[str, Mapping[Hashable, Value]] = field(default_factory=dict)
    codes: Mapping[str, Codes] = field(default_factory=dict)
    items: Rows
    keys: Mapping[str, Key] = field(default_factory=dict)
    behind: Callable[[], Rows] | None = None

    def listed(self, split: str | None = None, key: str | None = None) -> Rows:
        """The rows that the figure, or one part of it, counts; KeyError for a split that it does not have."""
        items = self.behind() if self.behind else self.items
        if split is None:
            return items
        find = self.keys[split]
        return items.having(lambda row: key in {_text(one) for one in _keys(find(row))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A kind of report: its catalogue number, its title, and how its figures are made.

    `beside`: a table that it needs besides the read models: worked out from them, or known to this kind of node.
    """

    number: str
    title: Label
    make: Callable[[Read, Asked], Iterable[Figure]]
    beside: str = ""


REPORTS: dict[str, Report] = {}
Maker = Callable[[Read, Asked], Iterable[Figure]]


def report(number: str, zh: str, en: str, *, beside: str = "") -> Callable[[Maker], Maker]:
    """Name a function as the report of a catalogue number."""

    def register(make: Maker) -> Maker:
        assert number not in REPORTS, f"two reports are numbered {number}"
        REPORTS[number] = Report(number=number, title=Label(zh, en), make=make, beside=beside)
        return make

    return register


CHILDREN: Final = Label("人", "children")
HOMES: Final = Label("个", "homes")
TIMES: Final = Label("次", "times")
YUAN: Final = Label("元", "yuan")
PERCENT: Final = Label("%", "%")


def in_list(rows: Rows, column: str) -> Key:
    """All items of a column that holds a list as JSON text."""
    place = rows.at(column)
    return lambda row: frozenset(json.loads(row[place])) if row[place] else frozenset((NONE,))


@dataclass(frozen=True, slots=True)
class By:
    """One way to split a figure: a column, or what a function makes of a row; several keys as a frozenset."""

    name: str
    key: str | Key
    codes: Codes | None = None

    def of(self, rows: Rows) -> Key:
        """The key of a row."""
        if callable(self.key):
            return self.key
        place = rows.at(self.key)
        return lambda row: row[place]


def counted(name: str, label: Label, definition: Label, unit: Label, items: Rows, *by: By | str) -> Figure:
    """How many rows there are."""
    return _made(name, label, definition, unit, items, by, None)


def added(name: str, label: Label, definition: Label, unit: Label, items: Rows, column: str, *by: By | str) -> Figure:
    """What a column of whole numbers adds up to; yuan are kept as fen."""
    return _made(name, label, definition, unit, items, by, column)


def amounts(name: str, label: Label, definition: Label, unit: Label, items: Rows, column: str, *by: By | str) -> Figure:
    """What a column of quantities, as people state them, adds up to."""
    splits = [_by(one) for one in by]
    place = items.at(column)
    parts = {}
    for one in splits:
        key, found = one.of(items), dict[Hashable, list[Quantity]]()
        for row in items:
            for single in _keys(key(row)):
                found.setdefault(single, []).append(parse(row[place]))
        parts[one.name] = _ordered({single: total(each) for single, each in found.items()})
    return Figure(
        name=name,
        label=label,
        definition=definition,
        unit=unit,
        value=total(parse(text) for text in items.column(column)),
        parts=parts,
        codes={one.name: one.codes for one in splits if one.codes},
        items=items,
        keys={one.name: one.of(items) for one in splits},
    )


def share(name: str, label: Label, definition: Label, part: Rows, whole: Rows, *by: By | str) -> Figure:
    """So many of so many, listed are those that are missing from the part."""
    splits = [_by(one) for one in by]
    inside = {row[0] for row in part}
    parts = {}
    for one in splits:
        of_part, of_whole = _counts(part, one.of(part)), _counts(whole, one.of(whole))
        parts[one.name] = _ordered({key: Share(of_part[key], count) for key, count in of_whole.items()})
    return Figure(
        name=name,
        label=label,
        definition=definition,
        unit=PERCENT,
        value=Share(len(part), len(whole)),
        parts=parts,
        codes={one.name: one.codes for one in splits if one.codes},
        items=whole.having(lambda row: row[0] not in inside),
        keys={one.name: one.of(whole) for one in splits},
    )


def _made(
    name: str,
    label: Label,
    definition: Label,
    unit: Label,
    items: Rows,
    by: Sequence[By | str],
    column: str | None,
) -> Figure:
    kind = Fen if unit == YUAN else int
    splits = [_by(one) for one in by]
    keys = {one.name: one.of(items) for one in splits}
    if HOME in keys and any(county_of(_text(key)) for key in set(map(keys[HOME], items))):
        of_home = keys[HOME]
        keys[COUNTY] = lambda row: county_of(_text(of_home(row)))
    totals = {split: _counts(items, key, column) for split, key in keys.items()}
    value = len(items) if column is None else sum(one or 0 for one in items.column(column))
    return Figure(
        name=name,
        label=label,
        definition=definition,
        unit=unit,
        value=kind(value),
        parts={split: _ordered({key: kind(n) for key, n in found.items()}) for split, found in totals.items()},
        codes={one.name: one.codes for one in splits if one.codes},
        items=items,
        keys=keys,
    )


def _by(one: By | str) -> By:
    return By(one, one) if isinstance(one, str) else one


def _keys(key: Hashable) -> Iterable[Hashable]:
    return key if isinstance(key, frozenset) else (key,)


def _counts(items: Rows, key: Key, column: str | None = None) -> Counter[Hashable]:
    """Rows, or what a column adds up to, by key."""
    found: Counter[Hashable] = Counter()
    if column is None:
        for one, count in Counter(map(key, items)).items():
            for single in _keys(one):
                found[single] += count
        return found
    place = items.at(column)
    for row in items:
        for single in _keys(key(row)):
            found[single] += row[place] or 0
    return found


def _ordered(found: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
    """By key, numbers in their own order, what is not known last."""
    return {key: found[key] for key in sorted(found, key=_rank)}


def _rank(key: Hashable) -> tuple[bool, bool, Any]:
    return (key is None or key == NONE, isinstance(key, str), key or 0)


def _text(key: Hashable) -> str:
    return NONE if key is None else str(key)


def value_json(value: Value) -> Any:
    """A value as reports show and file it."""
    match value:
        case Fen():
            return value.yuan()
        case Share():
            return {"part": value.part, "whole": value.whole, "percent": value.percent() or None}
        case Quantity():
            return str(value)
        case _:
            return int(value)


def figure_json(figure: Figure) -> dict[str, Any]:
    """A figure without its list."""
    return {
        **figure.label._asdict(),
        "definition": figure.definition._asdict(),
        "unit": figure.unit._asdict(),
        "value": value_json(figure.value),
        "by": {
            split: {_text(key): value_json(value) for key, value in parts.items()}
            for split, parts in figure.parts.items()
        },
    }
