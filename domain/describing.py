"""A definition taken apart: each field with its name in two languages, what it holds, and how it is asked for.

Forms, import columns, sentences of a timeline, exports and the printed catalogue are made from this and from nothing
else, so a new event has all of them as soon as it is defined.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from domain.codec import BOOL, DATE, FILE_NAME, ID, INSTANT, INT, PLAIN, QUANTITY, TEXT, TIME, codec_of
from domain.codes import Codes
from domain.event import SENSITIVITIES, Event, Label, LongText, Ref
from domain.labels import FIELDS, unit_of

_HOLDS = {
    id(TEXT): "text",
    id(INT): "number",
    id(BOOL): "yes-no",
    id(DATE): "date",
    id(INSTANT): "moment",
    id(TIME): "time",
    id(ID): "id",
    id(FILE_NAME): "file",
    id(PLAIN): "any",
    id(QUANTITY): "quantity",
}
HOLDS: Mapping[str, tuple[str, str]] = {
    "text": ("文字", "text"),
    "long": ("长文字", "long text"),
    "number": ("整数", "whole number"),
    "money": ("金额（分）", "money in fen"),
    "yes-no": ("是否", "yes or no"),
    "date": ("日期", "date"),
    "moment": ("日期时间", "date and time"),
    "time": ("时间", "time of day"),
    "id": ("编号", "id"),
    "file": ("照片或扫描件", "photograph or scan"),
    "any": ("按所选项目填写", "as its field wants"),
    "quantity": ("数量", "quantity"),
    "code": ("选项", "choice"),
    "part": ("分项", "part"),
    "map": ("对照表", "map"),
}
"""What a field can hold, in Chinese and English."""


class FieldForm(NamedTuple):
    """One field of an event or of a part of one.

    `many`: a list of such values.  `codes`: what may be chosen.  `refers`: the kind of subject that is named.
    `part`: the class whose fields one item has.
    """

    name: str
    chinese: str
    english: str
    holds: str
    many: bool
    required: bool
    codes: Codes | None
    refers: str
    part: Any
    unit: str
    sensitivity: str


_FORMS: dict[Any, tuple[FieldForm, ...]] = {}


def fields_of(cls: Any) -> tuple[FieldForm, ...]:
    """Every field of an event class, or of a part of one, in the order of the form; taken apart once."""
    form = _FORMS.get(cls)
    if form is None:
        form = _FORMS[cls] = _taken_apart(cls)
    return form


def _taken_apart(cls: Any) -> tuple[FieldForm, ...]:
    hints = get_type_hints(cls, include_extras=True)
    meta = cls.meta if issubclass(cls, Event) else None
    found = []
    for one in fields(cls):
        own = meta.sensitivity if meta else ""
        sensitivity = max(own, meta.fields.get(one.name, own), key=SENSITIVITIES.index) if meta else own
        found.append(_field(one.name, hints[one.name], one.default is MISSING, sensitivity))
    if meta is not None:
        assert meta.fields.keys() <= hints.keys(), f"{meta.name} gives a sensitivity to a field that it has not"
    return tuple(found)


def _field(name: str, hint: Any, required: bool, sensitivity: str) -> FieldForm:
    hint, markers = _bare(hint)
    many = get_origin(hint) is tuple
    if many:
        hint, more = _bare(get_args(hint)[0])
        markers += more
    own = next((one for one in markers if isinstance(one, Label)), None)
    assert own or name in FIELDS, f"the field {name} has no label: give it one in domain/labels.py"
    chinese, english = (own.chinese, own.english) if own else FIELDS[name]
    codes = next((one for one in markers if isinstance(one, Codes)), None)
    refers = next((one.kind for one in markers if isinstance(one, Ref)), "")
    holds = _holds(name, hint, markers, codes)
    part = hint if holds == "part" else None
    return FieldForm(name, chinese, english, holds, many, required, codes, refers, part, unit_of(name), sensitivity)


def _bare(hint: Any) -> tuple[Any, list[Any]]:
    """A type without "or none" and without what is said about it, and that."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (arg for arg in get_args(hint) if arg is not types.NoneType)
    markers: list[Any] = []
    if get_origin(hint) is Annotated:
        hint, *markers = get_args(hint)
        inner, more = _bare(hint)
        return inner, markers + more
    return hint, markers


def _holds(name: str, hint: Any, markers: list[Any], codes: Codes | None) -> str:
    if codes is not None:
        return "code"
    if LongText in markers:
        return "long"
    if get_origin(hint) is Mapping:
        return "map"
    codec = codec_of(Annotated[hint, *markers]) if markers else codec_of(hint)
    holds = _HOLDS.get(id(codec), "part")
    return "money" if holds == "number" and name.endswith("_fen") else holds


def label_of(cls: Any, field: str) -> tuple[str, str]:
    """A field's name in Chinese and English; its own where the class has none of this name."""
    return next(((one.chinese, one.english) for one in fields_of(cls) if one.name == field), (field, field))


__all__ = ["HOLDS", "FieldForm", "fields_of", "label_of"]
