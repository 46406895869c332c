"""A table of one type of event: its headings, a fact as cells, and a row of cells as a fact.

The headings are the fields' Chinese names, so that a worker can prepare the table in any spreadsheet.  Cells hold what
people type: the label of a choice, `、` between the items of a list, yuan with a point.  A row that was written by
`cells` is read as the same fact by `event_of`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from domain.codec import Unfit, shape_of
from domain.describing import FieldForm, fields_of
from domain.errors import BadField
from domain.event import Event
from domain.scalars import int_text
from domain.telling import yuan

SEPARATORS = re.compile(r"[、;；\n]")
_YUAN = re.compile(r"(-?)(\d{1,15})(?:\.(\d{1,2}))?(?:元)?")
_IN_JSON = ("part", "map", "any")


def headings(cls: type[Event]) -> tuple[str, ...]:
    """The headings of a table of such events, in the order of the form."""
    return tuple(one.chinese for one in fields_of(cls))


def cells(event: Event) -> tuple[str, ...]:
    """A fact as one row of text; what was left out is empty."""
    written = shape_of(type(event)).to_json(event)
    return tuple(_cell(one, written[one.name]) if one.name in written else "" for one in fields_of(type(event)))


def _cell(field: FieldForm, value: Any) -> str:
    if field.holds in _IN_JSON or (field.holds == "quantity" and field.many):
        return json.dumps(value, ensure_ascii=False)
    if field.many:
        return (
            "、".join(_single(field, one) for one in value) if _splits(value) else json.dumps(value, ensure_ascii=False)
        )
    return _single(field, value)


def _splits(values: Sequence[Any]) -> bool:
    """Whether the items can stand beside each other: none holds what separates them."""
    return all(not SEPARATORS.search(str(one)) and str(one) == str(one).strip() != "" for one in values)


def _single(field: FieldForm, value: Any) -> str:
    if field.codes:
        return field.codes.label(value)
    if field.holds == "money":
        return yuan(value)
    if field.holds == "yes-no":
        return "是" if value else "否"
    if field.holds == "quantity":
        kind, low, *high = value
        return f"{low}--{high[0]}" if high else f"{low}+" if kind == "at_least" else str(low)
    return str(value)


def event_of(cls: type[Event], row: Mapping[str, str]) -> Event:
    """The fact that a row spells, by heading or by our name of the field; empty cells are left out. Raises BadField."""
    form = fields_of(cls)
    by_heading = (
        {one.english: one for one in form} | {one.name: one for one in form} | {one.chinese: one for one in form}
    )
    shape, values = shape_of(cls), {}
    for heading, text in row.items():
        if not text.strip():
            continue
        field = by_heading.get(heading)
        if field is None:
            raise BadField(heading, "a column", "one of " + "、".join(headings(cls)))
        try:
            values[field.name] = _read(shape.codecs[field.name], field, text.strip())
        except Unfit as trouble:
            raise BadField(field.chinese, trouble.found, trouble.expected) from None
    missing = [one.chinese for one in fields_of(cls) if one.required and one.name not in values]
    if missing:
        raise BadField(missing[0], "nothing", "this column")
    made: Event = shape.cls(**values)
    return made


def _read(codec: Any, field: FieldForm, text: str) -> Any:
    if field.holds in _IN_JSON or (field.many and text.startswith("[")):
        return codec.from_text(text) if field.holds != "any" else codec.from_json(_json_or_text(text))
    if field.many:
        items = [one.strip() for one in SEPARATORS.split(text) if one.strip()]
        return codec.from_json([int_text(one) for one in items] if field.holds == "number" else items)
    if field.holds == "money":
        return codec.from_json(fen(text))
    return codec.from_text(text)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def fen(text: str) -> int:
    """An amount in yuan as typed, in fen."""
    found = _YUAN.fullmatch(text.replace(",", "").replace("，", ""))
    if found is None:
        raise Unfit(text, "an amount in yuan such as 1200 or 407.71")
    return (-1 if found[1] else 1) * (int(found[2]) * 100 + int((found[3] or "0").ljust(2, "0")))
