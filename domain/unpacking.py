"""Reading stored payloads quickly: one function for each class, written out once as Python, as `dataclasses` does.

Such a function knows only right from wrong.  For a payload that fits it makes the value at once, without asking again
what the class's fields are.  For every other it raises one of `codec.DOUBTS`; whoever then wants to know what is wrong
reads the payload again, field by field.  So it need not be exact about trouble, only never accept any.

    def read(plain):                           # for a class with `on: date`, `minutes: int | None`
        get, found = plain.get, 1              # fields met so far: those that must be there
        x_on = quick_on(plain['on'])
        if (x_minutes := get('minutes')) is None:
            x_minutes = default_minutes
        elif type(x_minutes) is int ...:
            found += 1
        else:
            raise TypeError
        if found != len(plain):                # a field that nobody knows, or one that is there and empty
            raise TypeError
        made = new(Open)
        made.on, made.minutes = x_on, x_minutes
        made.__class__ = cls
        return made
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

Quick = Callable[[Any], Any] | str
"""How a field is read: by a function that gives the value or raises, or as it stands under a condition on `{0}`."""


def reader_of(cls: Any, quick: Mapping[str, Quick]) -> Callable[[Any], Any]:
    """The quick reader of a dataclass with slots, from how each of its fields is read."""
    known: dict[str, Any] = {"new": object.__new__, "Open": _open_twin(cls), "cls": cls}
    for one in fields(cls):
        known[f"default_{one.name}"] = one.default
        known[f"quick_{one.name}"] = quick[one.name]
    source = "\n    ".join(_lines(fields(cls), quick))
    exec(f"def read(plain):\n    {source}", known)  # noqa: S102 -- names of our own fields are all that it is made of
    read: Callable[[Any], Any] = known["read"]
    return read


def _open_twin(cls: Any) -> type:
    """A class of the same layout that is not frozen: its instance is filled by plain assignments, then becomes `cls`.

    Filling a frozen one goes through `object.__setattr__`, field by field, and takes five times as long.
    """
    return type(cls.__name__, cls.__bases__, {"__slots__": cls.__slots__})


def _lines(all_fields: tuple[Field[Any], ...], quick: Mapping[str, Quick]) -> Iterator[str]:
    yield f"get, found = plain.get, {sum(one.default is MISSING for one in all_fields)}"
    for one in all_fields:
        yield from _reading(one.name, one.default is MISSING, quick[one.name])
    yield "if found != len(plain): raise TypeError"
    yield "made = new(Open)"
    for one in all_fields:
        yield f"made.{one.name} = x_{one.name}"
    yield "made.__class__ = cls"
    yield "return made"


def _reading(name: str, required: bool, quick: Quick) -> Iterator[str]:
    x = f"x_{name}"
    if required and isinstance(quick, str):
        yield f"{x} = plain[{name!r}]"
        yield f"if not ({quick.format(x)}): raise TypeError"
    elif required:
        yield f"{x} = quick_{name}(plain[{name!r}])"
    else:
        yield f"if ({x} := get({name!r})) is None: {x} = default_{name}"
        if isinstance(quick, str):
            yield f"elif {quick.format(x)}: found += 1"
            yield "else: raise TypeError"
        else:
            yield f"else: {x}, found = quick_{name}({x}), found + 1"
