"""Reading a form as people fill it in: every field of an event from text, all troubles at once.

A field is read by what it holds: a day as 上周三, a number as 三百, an amount with its unit as 1200元, a term as
2025秋, a code by its label.  What was assumed comes back as notes.  Fields of one form are also held against each
other: an identity number against date of birth and sex.  An amount without a unit is in fen, as it always was.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from domain import days, identity, money, names, phones, terms
from domain.codec import BOOL, DATE, INT, QUANTITY, Codec, Unfit, shape_of
from domain.days import Day, Note
from domain.describing import fields_of
from domain.errors import BadField, Mistyped, Refusals, Refused, UnknownType, shown
from domain.event import Event
from domain.numerals import NoNumber, squeezed, whole
from domain.quantity import parse as quantity
from domain.schema import REGISTRY


class Spelled(NamedTuple):
    """An event as typed, and what had to be assumed, by field."""

    event: Event
    notes: Mapping[str, Note]


class Value(NamedTuple):
    """One field's value, and what had to be assumed."""

    value: Any
    note: Note = Note()


TRUTH = {"√": True, "✓": True, "✔": True, "对": True, "有": True, "住": True, "×": False, "x": False, "无": False,
         "没有": False, "不": False, "不是": False}  # fmt: skip
_MONEY_UNIT = re.compile("[元圆块角毛分¥￥万千百]|人民币")
_PERSONS = re.compile(r"(?:^|_)(?:name|keeper)$")
_PHONES = re.compile(r"(?:^|_)phone$")
_CHILD = "child"
PAST = frozenset({"born_on", "registered_on", "visited_on", "surveyed_on", "assessed_on", "confirmed_on"})
"""Days that have been: what is planned or due has other names."""


def read(type_name: str, fields: Mapping[str, Any], today: dt.date) -> Spelled:
    """The event that a form spells; raises `Refusals` with a sentence for each field that it cannot read.

    What is no text (a number, a list of a line of JSON) is taken as stated.
    """
    cls = REGISTRY.get(type_name)
    if cls is None:
        raise UnknownType(type_name)
    shape = shape_of(cls)
    values: dict[str, Any] = {}
    notes: dict[str, Note] = {}
    wrong: dict[str, Refused] = {}
    for name, text in fields.items():
        codec = shape.codecs.get(name)
        if codec is None:
            wrong[name] = BadField(name, name, "one of " + ", ".join(shape.codecs))
            continue
        try:
            typed = isinstance(text, str)
            values[name], note = value(cls, name, codec, text, today) if typed else _stated(name, codec, text)
        except Refused as why:
            wrong[name] = why
        else:
            if note.zh:
                notes[name] = note
    for name in sorted(shape.required - fields.keys()):
        wrong[name] = BadField(name, "nothing", "this field")
    wrong |= _at_odds(values)
    if wrong:
        raise Refusals(wrong, {one.name: (one.chinese, one.english) for one in fields_of(cls)})
    return Spelled(cls(**values), notes)


def value(cls: type[Event], name: str, codec: Codec, text: str, today: dt.date) -> Value:
    """One field of an event as typed, or a refusal to be shown beside it."""
    special = _special(cls, name, codec)
    if special is not None:
        return special(text, today)
    try:
        return Value(codec.from_text(text))
    except Unfit as trouble:
        try:
            return Value(codec.from_text(squeezed(text)))
        except Unfit:
            raise BadField(trouble.within(name).field, trouble.found, trouble.expected) from None


def _stated(name: str, codec: Codec, given: Any) -> Value:
    try:
        return Value(codec.from_json(given))
    except Unfit as trouble:
        within = trouble.within(name)
        raise BadField(within.field, within.found, within.expected) from None


def _special(cls: type[Event], name: str, codec: Codec) -> Callable[[str, dt.date], Value] | None:
    if codec is DATE and name in PAST:
        return _past_day
    for kind, reading in _BY_KIND:
        if codec is kind:
            return _fen if codec is INT and name.endswith("_fen") else reading
    if name == "term":
        return _term
    if name == "national_id":
        return lambda text, _today: Value(identity.parse(text).number)
    if _PHONES.search(name):
        return lambda text, _today: Value(phones.checked(text))
    if (name == "name" and cls.meta.about in (_CHILD, "worker")) or (name != "name" and _PERSONS.search(name)):
        return lambda text, _today: Value(names.tidied(text))
    return None


def _day(text: str, today: dt.date) -> Value:
    return Value(*days.parse(text, today))


def _past_day(text: str, today: dt.date) -> Value:
    return Value(*doubted(days.parse(text, today), today))


def doubted(day: Day, today: dt.date) -> Day:
    """A day of what has happened, with a note where it lies ahead; no refusal, for the computer's date may be wrong."""
    if day.date <= today:
        return day
    now = days.written(today)
    return Day(
        day.date,
        Note(
            f"{days.written(day.date)}晚于今天（{now}），请核对",
            f"{day.date} is later than today, {today}: see whether it is right",
        ),
    )


def _term(text: str, today: dt.date) -> Value:
    found = terms.parse(text, today)
    return Value(str(found.term), found.note)


def _fen(text: str, today: dt.date) -> Value:
    """With a unit an amount in yuan; a bare whole number is the stored form."""
    return Value(money.parse(text)) if _MONEY_UNIT.search(text) else _number(text, today)


def _number(text: str, _today: dt.date) -> Value:
    try:
        compact = squeezed(text)
        return Value(-whole(compact[1:]) if compact.startswith("-") else whole(compact))
    except NoNumber:
        raise Mistyped(
            f"“{shown(text)}”不是整数，请填如12、1200或三百",
            f"found {shown(text)!r}, expected a whole number such as 12 or 三百",
        ) from None


def _truth(text: str, _today: dt.date) -> Value:
    found = TRUTH.get(squeezed(text).lower())
    if found is not None:
        return Value(found)
    try:
        return Value(BOOL.from_text(squeezed(text)))
    except Unfit:
        raise Mistyped(
            f"“{shown(text)}”看不出是还是否，请填“是”或“否”", f"found {shown(text)!r}, expected yes or no (是/否)"
        ) from None


def _at_odds(values: Mapping[str, Any]) -> dict[str, Refused]:
    """Fields that contradict one another."""
    number = values.get("national_id")
    if not number:
        return {}
    return dict(identity.disagreements(identity.parse(number), values.get("born_on"), values.get("sex")))


_BY_KIND: list[tuple[Codec, Callable[[str, dt.date], Value]]] = [
    (DATE, _day),
    (INT, _number),
    (BOOL, _truth),
    (QUANTITY, lambda text, _today: Value(quantity(text))),
]
