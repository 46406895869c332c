"""Between typed values and plain ones: one codec for each field type, put together once for each class.

A codec speaks three plain dialects: the stored one (ids as 16 bytes), JSON (ids as text) and the text of one form
field or command-line argument.  What does not fit raises `Unfit`, which says where, what was found and what belongs
there.  The stored dialect is read far more often than the others, nearly always without trouble, so it has a quick way
beside the exact one (`domain/unpacking.py`): `Shape.quick` makes the value or raises one of `DOUBTS`, whereupon
`Shape.read` says what is wrong.
"""

from __future__ import annotations

import datetime as dt
import json
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from domain import quantity
from domain.codes import Codes
from domain.errors import Mistyped
from domain.event import FileName, PlainValue
from domain.quantity import Quantity
from domain.scalars import (
    INT_MAX,
    INT_MIN,
    LIST_LENGTH_MAX,
    Unfit,
    bool_of,
    bool_text,
    composed,
    date_of,
    file_name_of,
    id_of,
    instant_of,
    instant_out,
    int_of,
    int_text,
    plain_of,
    stored_file_name,
    stored_id,
    stored_instant,
    stored_text,
    text_of,
    time_of,
    time_out,
    time_text,
)
from domain.unpacking import Quick, reader_of

DAYS_CACHED_MAX = 8192
IDS_CACHED_MAX = 16_384

Convert = Callable[[Any], Any]


DOUBTS = (Unfit, AttributeError, KeyError, TypeError, ValueError)
"""What reading the quick way raises where a payload may not fit."""


class Codec(NamedTuple):
    """How one type of value is written and read in each dialect; `quick` reads the stored one, or is in doubt."""

    pack: Convert
    unpack: Convert
    to_json: Convert
    from_json: Convert
    from_text: Convert
    quick: Quick


def same(value: Any) -> Any:
    """The value itself."""
    return value


def _json_text(read: Convert) -> Convert:
    """Read the text as JSON, then as the type."""

    def convert(text: str) -> Any:
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            raise Unfit(text, "a list or map as JSON") from None
        return read(parsed)

    return convert


def _quantity_out(value: Quantity) -> Any:
    return [value.kind, value.low] if value.high is None else [value.kind, value.low, value.high]


def _quantity_in(value: Any) -> Quantity:
    if type(value) is int:
        return quantity.exactly(int_of(value))
    if type(value) is str:
        return _quantity_text(value)
    if type(value) in (list, tuple) and len(value) in (2, 3) and type(value[0]) is str:
        try:
            return Quantity(value[0], *map(int_of, value[1:]))
        except ValueError:
            pass
    raise Unfit(value, "a quantity: exact, at_least or range with whole numbers")


def _quantity_text(text: str) -> Quantity:
    try:
        return quantity.parse(text)
    except Mistyped:
        raise Unfit(text, "a quantity such as 61, 2000+, 110万 or 2000--3000") from None


_day = lru_cache(DAYS_CACHED_MAX)(date_of)  # the same days and ids come again and again: each is made once
_id = lru_cache(IDS_CACHED_MAX)(stored_id)

TEXT = Codec(composed, stored_text, same, text_of, text_of, "type({0}) is str")
INT = Codec(same, int_of, same, int_of, int_text, f"type({{0}}) is int and {INT_MIN} <= {{0}} <= {INT_MAX}")
BOOL = Codec(same, bool_of, same, bool_of, bool_text, "type({0}) is bool")
DATE = Codec(dt.date.isoformat, date_of, dt.date.isoformat, date_of, date_of, _day)
INSTANT = Codec(instant_out, stored_instant, instant_out, instant_of, instant_of, stored_instant)
TIME = Codec(time_out, time_of, time_out, time_of, time_text, time_of)
ID = Codec(attrgetter("bytes"), stored_id, str, id_of, id_of, _id)
FILE_NAME = Codec(same, stored_file_name, bytes.hex, file_name_of, file_name_of, stored_file_name)
PLAIN = Codec(plain_of, plain_of, plain_of, plain_of, text_of, plain_of)
QUANTITY = Codec(_quantity_out, _quantity_in, _quantity_out, _quantity_in, _quantity_text, _quantity_in)
_SIMPLE: dict[Any, Codec] = {
    str: TEXT,
    int: INT,
    bool: BOOL,
    dt.date: DATE,
    dt.datetime: INSTANT,
    dt.time: TIME,
    UUID: ID,
    Quantity: QUANTITY,
}


def _code(codes: Codes) -> Codec:
    labels = codes.labels

    def unpack(value: Any) -> str:
        if type(value) is not str or not (value in labels or (codes.open and value)):
            raise Unfit(value, codes.expected())
        return value

    def read(value: Any) -> str:
        found = codes.code(text_of(value))
        if found is None:
            raise Unfit(value, codes.expected())
        return found

    quick = 'type({0}) is str and {0} != ""' if codes.open else {code: code for code in labels}.__getitem__
    return Codec(composed, unpack, same, read, read, quick)


def _items(item: Codec) -> Codec:
    def writing(write: Convert) -> Convert:
        return lambda value: [write(one) for one in value]

    def reading(read: Convert) -> Convert:
        def convert(value: Any) -> tuple[Any, ...]:
            if type(value) not in (list, tuple) or len(value) > LIST_LENGTH_MAX:
                raise Unfit(value, f"a list of at most {LIST_LENGTH_MAX}")
            return tuple(map(read, value))

        return convert

    read_json = reading(item.from_json)
    return Codec(
        writing(item.pack),
        reading(item.unpack),
        writing(item.to_json),
        read_json,
        _json_text(read_json),
        reading(item.unpack if isinstance(item.quick, str) else item.quick),
    )


def _mapped(item: Codec) -> Codec:
    def writing(write: Convert) -> Convert:
        return lambda value: {composed(key): write(one) for key, one in value.items()}

    def reading(read: Convert) -> Convert:
        def convert(value: Any) -> dict[str, Any]:
            if not (type(value) is dict or isinstance(value, Mapping)) or len(value) > LIST_LENGTH_MAX:
                raise Unfit(value, f"a map of at most {LIST_LENGTH_MAX}")
            return {text_of(key): read(one) for key, one in value.items()}

        return convert

    read_json, unpack = reading(item.from_json), reading(item.unpack)
    return Codec(writing(item.pack), unpack, writing(item.to_json), read_json, _json_text(read_json), unpack)


def _nested(shape: Shape) -> Codec:
    def from_json(value: Any) -> Any:
        if isinstance(value, Mapping):  # null says that nothing is said, as everywhere in JSON
            value = {key: one for key, one in value.items() if one is not None or key in shape.required}
        return shape.read(value, shape.from_json)

    return Codec(shape.pack, shape.unpack, shape.to_json, from_json, _json_text(from_json), shape.quick)


def codec_of(hint: Any) -> Codec:
    """The codec for one field's type."""
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not types.NoneType)
        return codec_of(inner)
    if get_origin(hint) is Annotated:
        plain, *markers = get_args(hint)
        known = next((one for one in markers if isinstance(one, Codes)), None)
        if known is not None:
            return _code(known)
        if FileName in markers:
            return FILE_NAME
        return PLAIN if PlainValue in markers else codec_of(plain)
    if get_origin(hint) is tuple:
        return _items(codec_of(get_args(hint)[0]))
    if get_origin(hint) is Mapping:
        return _mapped(codec_of(get_args(hint)[1]))
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    assert is_dataclass(hint), f"no codec for {hint!r}"
    return _nested(shape_of(hint))


class Shape:
    """The codecs of one dataclass, field by field; writing leaves out what equals its default."""

    __slots__ = (
        "cls",
        "codecs",
        "from_json",
        "from_text",
        "out",
        "quick",
        "read_out",
        "required",
        "unpackers",
        "write_json",
    )

    def __init__(self, cls: Any) -> None:
        hints = get_type_hints(cls, include_extras=True)
        self.cls = cls
        self.codecs = {one.name: codec_of(hints[one.name]) for one in fields(cls)}
        self.required = frozenset(one.name for one in fields(cls) if one.default is MISSING)
        self.read_out = attrgetter(*self.codecs)
        self.out = tuple((one.name, self.codecs[one.name].pack, one.default) for one in fields(cls))
        self.write_json = tuple((one.name, self.codecs[one.name].to_json, one.default) for one in fields(cls))
        self.unpackers = {name: codec.unpack for name, codec in self.codecs.items()}
        self.quick = reader_of(cls, {name: codec.quick for name, codec in self.codecs.items()})
        self.from_json = {name: codec.from_json for name, codec in self.codecs.items()}
        self.from_text = {name: codec.from_text for name, codec in self.codecs.items()}

    def pack(self, value: Any) -> dict[str, Any]:
        """The value in the stored dialect."""
        return self._write(value, self.out)

    def to_json(self, value: Any) -> dict[str, Any]:
        """The value in JSON."""
        return self._write(value, self.write_json)

    def _write(self, value: Any, writers: tuple[tuple[str, Convert, Any], ...]) -> dict[str, Any]:
        out = {}
        for (name, write, default), found in zip(writers, self.read_out(value), strict=True):
            if found is None:
                if default is MISSING:  # an empty value that was meant, as in a correction
                    out[name] = write(found)
            elif found != default:
                out[name] = write(found)
        return out

    def unpack(self, payload: Any) -> Any:
        """The value that a stored payload spells, or `Unfit`."""
        return self.read(payload, self.unpackers)

    def read(self, payload: Any, readers: Mapping[str, Convert]) -> Any:
        """The value that a map spells in one dialect, or `Unfit`."""
        if not isinstance(payload, Mapping):
            raise Unfit(payload, "a map of fields")
        values = {}
        for name, plain in payload.items():
            try:
                values[name] = readers[name](plain)
            except KeyError:
                raise Unfit(name, "one of " + ", ".join(readers)) from None
            except Unfit as trouble:
                raise trouble.within(name) from None
        if not self.required <= values.keys():
            missing = min(self.required - values.keys())
            raise Unfit("nothing", "this field", missing)
        return self.cls(**values)


_SHAPES: dict[Any, Shape] = {}


def shape_of(cls: Any) -> Shape:
    """The codecs of a dataclass, made once."""
    shape = _SHAPES.get(cls)
    if shape is None:
        shape = _SHAPES[cls] = Shape(cls)
    return shape


__all__ = [
    "BOOL",
    "DATE",
    "DOUBTS",
    "FILE_NAME",
    "ID",
    "INSTANT",
    "INT",
    "LIST_LENGTH_MAX",
    "PLAIN",
    "QUANTITY",
    "TEXT",
    "TIME",
    "Codec",
    "Shape",
    "Unfit",
    "bool_of",
    "codec_of",
    "composed",
    "date_of",
    "int_of",
    "plain_of",
    "shape_of",
    "text_of",
]
