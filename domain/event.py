"""How an event class states what it is, once: everything a person meets of it is derived from the definition.

    @event("talk-held/1", about="child", label="谈心", english="talk", sensitivity="S3")
    class TalkHeld(Event):
        '''谈心之后填写谈心记录卡。
        Somebody talked with the child and filled in the talk record card.'''

        on: dt.date
        minutes: int | None = None
        summary: Note | None = None

The docstring is the help line of the form: Chinese, then English.  A field's name is said in `domain/labels.py`,
once for every event that has a field of this name, or beside the field by `Label` where it means something else there.
Adding an event is adding such a definition, and, where it does more than stand in a file, a case in its subject's fold.

Ids are UUIDs where they name a subject or a part of one (a child, a pairing, a book).  People and homes are named as
they sign: by code, else by name, because an entry's author is known in no other way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar, dataclass_transform
from uuid import UUID

from domain import codes

ANY_SUBJECT = ""
SENSITIVITIES = ("S0", "S1", "S2", "S3", "S4", "S5")
KINDS = {"F": ("事实", "fact"), "R": ("登记项", "register"), "W": ("流程", "workflow")}


@dataclass(frozen=True, slots=True)
class Meta:
    """What is said once about a type of event.

    `kind`: R edits registers, F adds a fact, W is a step of a workflow of several parties.  `fields` names the fields
    that are more sensitive than the event.  `line` is the sentence of a timeline, where the one made from labels would
    not do.  `by_machine`: nodes write it themselves, nobody fills in a form.
    """

    name: str
    about: str
    label: str
    english: str
    sensitivity: str
    kind: str = "F"
    fields: Mapping[str, str] = field(default_factory=dict)
    line: str = ""
    by_machine: bool = False
    help: str = ""
    help_english: str = ""


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


class LongText:
    """Marks a text of several lines."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a field is called in this event, where the shared name would mislead."""

    chinese: str
    english: str


@dataclass(frozen=True, slots=True)
class Ref:
    """Marks a field that names a subject of a kind, by its id, or people and homes by their code or name."""

    kind: str


Json = Annotated[Any, PlainValue]
Photo = Annotated[bytes, FileName]
Note = Annotated[str, LongText]
ChildId = Annotated[UUID, Ref("child")]
BookId = Annotated[UUID, Ref("book")]
ActivityId = Annotated[UUID, Ref("activity")]
Who = Annotated[str, Ref("worker")]
HomeCode = Annotated[str, Ref("home")]
Term = Annotated[str, Ref("term")]
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


REGISTRY: dict[str, type[Event]] = {}
_T = TypeVar("_T", bound=Event)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def event(
    name: str,
    *,
    about: str,
    label: str,
    english: str,
    sensitivity: str,
    kind: str = "F",
    fields: Mapping[str, str] | None = None,
    line: str = "",
    by_machine: bool = False,
) -> Callable[[type[_T]], type[_T]]:
    """Make a class a stored event under `name`, about one kind of subject."""

    def register(cls: type[_T]) -> type[_T]:
        chinese, _, english_help = (cls.__doc__ or "").partition("\n")
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        helps = (chinese.strip(), " ".join(english_help.split()))
        made.meta = Meta(name, about, label, english, sensitivity, kind, fields or {}, line, by_machine, *helps)
        assert name not in REGISTRY, f"two events are named {name}"
        assert sensitivity in SENSITIVITIES, f"{name}: {sensitivity}"
        assert kind in KINDS, f"{name}: {kind}"
        REGISTRY[name] = made
        return made

    return register
