"""Reading one value of an import line as a value of ours, or saying what belongs there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from domain import codes
from domain.codec import LIST_LENGTH_MAX, Unfit, int_of, text_of
from domain.event import Person

Read = Callable[[Any], Any]


def scaled(unit: str, factor: int) -> Read:
    """A number with a fraction, as a whole number of a smaller unit."""

    def read(value: Any) -> int:
        if type(value) is int:
            return int_of(value * factor)
        if type(value) is float and math.isfinite(value * factor):
            whole = round(value * factor)
            if abs(whole - value * factor) < 1e-6 * max(1.0, abs(value)):
                return int_of(whole)
        raise Unfit(value, f"a number of {unit}, to 1/{factor} at most")

    return read


def code(known: codes.Codes) -> Read:
    """A code, given by its label."""
    by_text = known.by_text

    def read(value: Any) -> str:
        if type(value) is str and value in by_text:
            return by_text[value]
        found = known.code(text_of(value))
        if found is None:
            raise Unfit(value, known.expected())
        return found

    return read


def items(read_one: Read) -> Read:
    """A list of bounded length."""

    def read(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or len(value) > LIST_LENGTH_MAX:
            raise Unfit(value, f"a list of at most {LIST_LENGTH_MAX}")
        return tuple(map(read_one, value))

    return read


def filled(value: Any) -> str:
    """Text that is not empty."""
    if value == "":
        raise Unfit(value, "text that is not empty")
    return text_of(value)


def person(value: Any) -> Person:
    """A grown-up on the card."""
    if type(value) is not dict or not {"name", "relation"} <= value.keys() <= _PERSON.keys():
        raise Unfit(value, "a person with name, relation, phone and workplace")
    return Person(**{_PERSON[key][0]: _PERSON[key][1](one) for key, one in value.items()})


def marks(value: Any) -> dict[str, int]:
    """Marks by school subject, in tenths of a point."""
    if type(value) is not dict or len(value) > LIST_LENGTH_MAX:
        raise Unfit(value, "marks by school subject")
    return {text_of(key): tenths(one) for key, one in value.items()}


tenths = scaled("points", 10)
kinship = code(codes.KINSHIP)
channel = code(codes.CHANNEL)
_PERSON: dict[str, tuple[str, Read]] = {
    "name": ("name", filled),
    "relation": ("kinship", kinship),
    "phone": ("phone", text_of),
    "workplace": ("workplace", text_of),
}
