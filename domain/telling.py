"""A fact as one sentence in Chinese, made from its definition: the day, the event's name, then what each field says.

    2026年3月5日谈心：谈心人李老师，地点操场，时长20分钟，话题想家、学习，内容摘要“……”。

What equals its default says nothing and is left out.  Ids are never shown: `names` gives the names of subjects where
the reader may know them, else lists are counted and single ids left out.  A definition with a `line` of its own is told
by that; `{field}` stands for a field's value, and an empty field empties the bracket 〔…〕 around it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Final
from uuid import UUID

from domain.describing import FieldForm, fields_of
from domain.event import Event
from domain.labels import FIELDS
from domain.quantity import Quantity

Names = Callable[[str, UUID | str], str | None]
"""The name of a subject of a kind, by its id or code, as the reader may know it; or None."""

SENTENCE_LENGTH_MAX: Final = 2_000
_QUOTED_FROM: Final = 16
_BRACKET: Final = re.compile(r"〔([^〔〕]*)〕")
_SLOT: Final = re.compile(r"\{(\w+)\}")


def nobody(_kind: str, _id: UUID | str) -> str | None:
    """Names for a reader who may know none."""
    return None


def tell(event: Event, names: Names = nobody) -> str:
    """The fact in one sentence."""
    told = _by_line(event, names) if event.meta.line else _by_labels(event, names)
    return told if len(told) <= SENTENCE_LENGTH_MAX else told[: SENTENCE_LENGTH_MAX - 1] + "…"


def day_field(cls: type[Event]) -> str | None:
    """The field that says when it happened: the first that must be filled in, else `on`, else the first there is."""
    days = [one for one in fields_of(cls) if one.holds in ("date", "moment") and not one.many]
    chosen = [one for one in days if one.required] or [one for one in days if one.name == "on"] or days
    return chosen[0].name if chosen else None


def _defaults(cls: Any) -> Mapping[str, Any]:
    return {one.name: one.default for one in fields(cls) if one.default is not MISSING}


def _by_labels(event: Event, names: Names) -> str:
    day = day_field(type(event))
    when = shown_day(getattr(event, day)) if day and getattr(event, day) is not None else ""
    clauses = list(_clauses(event, names, {day}))
    return f"{when}{event.meta.label}" + (f"：{'，'.join(clauses)}。" if clauses else "。")


def _clauses(value: Any, names: Names, besides: set[str | None]) -> list[str]:
    found, defaults = [], _defaults(type(value))
    for one in fields_of(type(value)):
        held = getattr(value, one.name)
        if one.name in besides or held is None or held == () or (one.name in defaults and held == defaults[one.name]):
            continue
        said = shown(one, held, names, value)
        if said:
            found.append(said if one.holds == "yes-no" else one.chinese + said)
    return found


def _by_line(event: Event, names: Names) -> str:
    by_name = {one.name: one for one in fields_of(type(event))}

    def said(name: str) -> str:
        held = getattr(event, name)
        return "" if held in (None, ()) else shown(by_name[name], held, names, event)

    def bracket(found: re.Match[str]) -> str:
        return found[1] if all(said(name) for name in _SLOT.findall(found[1])) else ""

    line = _BRACKET.sub(bracket, event.meta.line)
    return _SLOT.sub(lambda found: said(found[1]), line)


def shown(field: FieldForm, held: Any, names: Names = nobody, within: Any = None) -> str:
    """A field's value as it is read; "" where it cannot be shown."""
    if field.many:
        if field.holds in ("id", "file"):
            known = [names(field.refers, one) for one in held] if field.holds == "id" else []
            if known and all(known):
                return "、".join(str(one) for one in known)
            return f"{len(held)}{'名' if field.refers == 'child' else '件'}"
        return ("；" if field.holds == "part" else "、").join(filter(None, (_one(field, one, names) for one in held)))
    if field.holds == "any":
        return _any(within, held)
    return _one(field, held, names)


def _one(field: FieldForm, held: Any, names: Names) -> str:
    match field.holds:
        case "code":
            return field.codes.label(held) if field.codes else str(held)
        case "money":
            return f"{yuan(held)}元"
        case "yes-no":
            return field.chinese if held else f"{field.chinese}：否"
        case "date" | "moment" | "time":
            return shown_day(held)
        case "id":
            return (names(field.refers, held) if field.refers else "") or ""
        case "file":
            return "已附"
        case "part":
            return "（" + "，".join(_clauses(held, names, set())) + "）"
        case "map":
            return "、".join(f"{key}{value}" for key, value in held.items())
        case "long":
            return f"“{held}”"
        case "number" | "quantity":
            return f"{shown_quantity(held)}{field.unit}"
    text = (names(field.refers, held) if field.refers else None) or str(held)
    if field.name == "field" and text in FIELDS:
        return FIELDS[text][0]
    return f"“{text}”" if len(text) >= _QUOTED_FROM else text


def _any(within: Any, held: Any) -> str:
    """The new value of a named field, in the words of that field where they are known."""
    if isinstance(held, bool):
        return "是" if held else "否"
    if isinstance(held, list | tuple):
        return "、".join(str(one) for one in held)
    if held is None:
        return "（空）"
    codes = _CODES_OF.get(getattr(within, "field", ""))
    return codes[held] if codes and isinstance(held, str) and held in codes else str(held)


_CODES_OF: dict[str, Mapping[str, str]] = {"sex": {"male": "男", "female": "女"}}


def shown_day(value: dt.date | dt.time) -> str:
    """A day, a moment or a time of day as people write it."""
    if isinstance(value, dt.datetime):
        return f"{value.year}年{value.month}月{value.day}日{value:%H:%M}"
    if isinstance(value, dt.time):
        return f"{value:%H:%M}"
    return f"{value.year}年{value.month}月{value.day}日"


def shown_quantity(value: int | Quantity) -> str:
    """A number, "2000多" or "2000至3000"."""
    if isinstance(value, Quantity):
        if value.kind == "range":
            return f"{value.low}至{value.high}"
        return f"{value.low}多" if value.kind == "at_least" else str(value.low)
    return str(value)


def yuan(fen: int) -> str:
    """An amount in yuan: 1200, or 407.71."""
    whole, rest = divmod(abs(fen), 100)
    return ("-" if fen < 0 else "") + (f"{whole}.{rest:02d}" if rest else str(whole))
