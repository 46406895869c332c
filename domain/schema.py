"""The registry of stored names: between events and the payloads that entries carry.

Stored names are kebab-case with a version and say nothing of classes or modules, so code can be renamed freely.  A
payload of an older version is lifted by its entry in `UPCASTERS` before it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain import events
from domain.codec import DOUBTS, Codec, Unfit, shape_of
from domain.errors import BadField, UnknownType
from domain.event import Event, Meta, RevokedEvent, UnknownEvent, UnreadableEvent

REGISTRY = events.REGISTRY
Upcaster = Callable[[Mapping[str, Any]], tuple[str, Mapping[str, Any]]]

UPCASTERS: dict[str, Upcaster] = {}
"""Old stored name to a function giving the newer name and payload; applied until the name is current."""

_UPCASTS_MAX = 16


class _Made(dict[Any, Any]):
    """Made for a type when it is first met: a command that reads three types need not prepare a hundred."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:
        made = self[key] = self._make(key)
        return made


_READERS = _Made(lambda name: shape_of(REGISTRY[name]).quick)
_WRITERS = _Made(lambda cls: (cls.meta.name, shape_of(cls).pack))


def names() -> list[str]:
    """Every stored name that can be written, in order."""
    return sorted(REGISTRY)


def meta(type_name: str) -> Meta | None:
    """Labels, subject and sensitivity of a type, or None where it is unknown."""
    cls = REGISTRY.get(type_name)
    return cls.meta if cls else None


def subject_kind(type_name: str) -> str:
    """What a type is about; "" where it is unknown or may be about anything."""
    cls = REGISTRY.get(type_name)
    return cls.meta.about if cls else ""


def trouble(type_name: str, payload: Any) -> Unfit | None:
    """What is wrong with a payload, field by field; None where it fits, or where the name is not a current one."""
    shape = _shape_or_none(type_name)
    if shape is not None:
        try:
            shape.unpack(payload)
        except Unfit as found:
            return found
        except (TypeError, ValueError, RecursionError):
            return None
    return None


def mended(type_name: str, payload: Any, fields: Mapping[str, str]) -> Event:
    """The event that a stored payload spells with some fields as typed; an empty one is left out. Raises BadField."""
    shape = _shape(type_name)
    values = {}
    given = payload if isinstance(payload, Mapping) else {}
    try:
        for name in (*given, *(one for one in fields if one not in given)):
            codec = shape.codecs.get(name)
            if fields.get(name) == "":
                continue
            if codec is None:
                raise Unfit(name, "one of " + ", ".join(shape.codecs), str(name))
            try:
                values[name] = codec.from_text(fields[name]) if name in fields else codec.unpack(given[name])
            except Unfit as found:
                raise found.within(name) from None
        for name in sorted(shape.required - values.keys()):
            raise Unfit("nothing", "this field", name)
    except Unfit as found:
        raise BadField(found.field, found.found, found.expected) from None
    event: Event = shape.cls(**values)
    return event


def name_of(event: Event | UnknownEvent | UnreadableEvent | RevokedEvent | None) -> str:
    """The stored name of an event, also of one that could not be read; "" where it was erased."""
    return event.meta.name if isinstance(event, Event) else event.type if event else ""


def encode(event: Event) -> tuple[str, dict[str, Any]]:
    """The stored name and payload of an event, as plain values."""
    name, pack = _WRITERS[type(event)]
    return name, pack(event)


def decode(type_name: str, payload: Mapping[str, Any]) -> Event | UnknownEvent | UnreadableEvent:
    """The event that a stored name and payload spell; whatever they are, this never raises."""
    try:
        event: Event = _READERS[type_name](payload)
    except DOUBTS:
        return _decode_exactly(type_name, payload)
    return event


def _decode_exactly(type_name: str, payload: Mapping[str, Any]) -> Event | UnknownEvent | UnreadableEvent:
    """The same, saying what is wrong."""
    shape = _shape_or_none(type_name)
    if shape is None:
        return _lifted(type_name, payload)
    try:
        event: Event = shape.unpack(payload)
    except Unfit as trouble:
        why = f"{trouble.field or 'payload'}: found {trouble.found!r:.80}, expected {trouble.expected}"
        return UnreadableEvent(type_name, payload, why)
    except (TypeError, ValueError, RecursionError) as trouble:
        return UnreadableEvent(type_name, payload, repr(trouble)[:200])
    return event


def _lifted(type_name: str, payload: Mapping[str, Any]) -> Event | UnknownEvent | UnreadableEvent:
    """Read an older shape through its upcasters; a name nobody knows stays unknown."""
    name, lifted = type_name, payload
    for _ in range(_UPCASTS_MAX):
        upcast = UPCASTERS.get(name) if type(name) is str else None
        if upcast is None:
            break
        try:
            name, lifted = upcast(lifted)
        except (KeyError, TypeError, ValueError, AttributeError) as trouble:
            return UnreadableEvent(type_name, payload, f"lifting {type_name}: {trouble!r}"[:200])
    if name not in REGISTRY if type(name) is str else True:
        return UnknownEvent(type_name, payload)
    return decode(name, lifted)


def from_text(type_name: str, fields: Mapping[str, str]) -> Event:
    """The event that a form or command line spells, field by field as text."""
    shape = _shape(type_name)
    try:
        event: Event = shape.read(fields, shape.from_text)
    except Unfit as trouble:
        raise BadField(trouble.field or "field", trouble.found, trouble.expected) from None
    return event


def from_json(type_name: str, payload: Mapping[str, Any]) -> Event:
    """The event that a JSON object spells: ids as UUID text, dates as YYYY-MM-DD."""
    shape = _shape(type_name)
    try:
        given = {key: value for key, value in payload.items() if value is not None or key in shape.required}
        event: Event = shape.read(given, shape.from_json)
    except Unfit as trouble:
        raise BadField(trouble.field or "field", trouble.found, trouble.expected) from None
    return event


def to_json(event: Event) -> dict[str, Any]:
    """The event's fields in JSON; the stored name is not among them."""
    return shape_of(type(event)).to_json(event)


def field_codec(cls: type[Event], field: str) -> Codec | None:
    """The codec of one field of an event class, or None where it has no such field."""
    return shape_of(cls).codecs.get(field)


def fit(cls: type[Event], field: str, value: Any) -> Any:
    """A correction's value (JSON form, or the text as typed) as the field's type, or `Unfit`."""
    codec = field_codec(cls, field)
    if codec is None:
        raise Unfit(field, "a field of " + cls.meta.name)
    if value is None and field not in shape_of(cls).required:
        return next(default for name, _, default in shape_of(cls).out if name == field)
    try:
        return codec.from_json(value)
    except Unfit:
        if type(value) is not str:
            raise
        return codec.from_text(value)


def _shape_or_none(type_name: Any) -> Any:
    cls = REGISTRY.get(type_name) if type(type_name) is str else None
    return None if cls is None else shape_of(cls)


def _shape(type_name: str) -> Any:
    shape = _shape_or_none(type_name)
    if shape is None:
        raise UnknownType(type_name)
    return shape
