"""How an event class states what it is: stored name, subject, labels and sensitivity, once and beside the fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar, dataclass_transform
from uuid import UUID

from domain import codes

ANY_SUBJECT = ""


@dataclass(frozen=True, slots=True)
class Meta:
    """What is said once about a type of event."""

    name: str
    about: str
    label: str
    english: str
    sensitivity: str


class Event:
    """A fact in the past tense; every subclass is a frozen, keyword-only dataclass with slots."""

    __slots__ = ()
    meta: ClassVar[Meta]
    __dataclass_fields__: ClassVar[dict[str, Any]]


def changed(event: Event, changes: Mapping[str, Any]) -> Event:
    """The event with some fields reading otherwise."""
    return dataclasses.replace(event, **changes)


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An entry of a type that this version does not know, kept as it came."""

    type: str
    payload: Any


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """An entry of a known type whose payload does not fit it, kept as it came."""

    type: str
    payload: Any
    why: str


@dataclass(frozen=True, slots=True)
class RevokedEvent:
    """An entry that a revoked log got after the size at which it was revoked, kept as it came."""

    type: str
    event: Event | UnknownEvent | UnreadableEvent


class PlainValue:
    """Marks a field that holds any plain JSON value (text, whole number, truth value, list, map)."""


class FileName:
    """Marks a field that names a photograph or scan: the 32 bytes that storing it gave."""


Json = Annotated[Any, PlainValue]
Photo = Annotated[bytes, FileName]
Sex = Annotated[str, codes.SEX]
Kinship = Annotated[str, codes.KINSHIP]
Category = Annotated[str, codes.CATEGORY]
Channel = Annotated[str, codes.CHANNEL]
CardField = Annotated[str, codes.CARD_FIELD]
Condition = Annotated[str, codes.CONDITION]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A parent or guardian as the contact card names them."""

    name: str
    kinship: Kinship
    phone: str | None = None
    workplace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One item of a programme: performers by id, and by name only where no one child of the home bears that name."""

    act: str
    title: str
    performers: tuple[UUID, ...] = ()
    performer_names: tuple[str, ...] = ()


REGISTRY: dict[str, type[Event]] = {}
_T = TypeVar("_T", bound=Event)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def event(name: str, *, about: str, label: str, english: str, sensitivity: str) -> Callable[[type[_T]], type[_T]]:
    """Make a class a stored event under `name`, about one kind of subject."""

    def register(cls: type[_T]) -> type[_T]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        made.meta = Meta(name, about, label, english, sensitivity)
        assert name not in REGISTRY, f"two events are named {name}"
        REGISTRY[name] = made
        return made

    return register
