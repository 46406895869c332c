"""What all entries about one subject add up to, as a value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from domain import events as e
from domain.event import changed
from domain.records import Record
from domain.registers import Head, contested, winner
from domain.tally import Sum


class Unshown(NamedTuple):
    """An entry whose content cannot be shown: its type is unknown, its payload unreadable, or it was erased."""

    id: bytes
    type: str
    why: str


def unshown(record: Record) -> Unshown:
    """Why an entry cannot be shown."""
    match record.event:
        case e.UnreadableEvent(type=name, why=why):
            return Unshown(record.first_id or record.id, name, why)
        case e.UnknownEvent(type=name):
            return Unshown(record.first_id or record.id, str(name), "unknown")
        case _:
            return Unshown(record.first_id or record.id, "", "erased")


class Amended(NamedTuple):
    """What later entries did to a fact: who withdrew it, and the heads of each corrected field."""

    withdrawn_by: tuple[bytes, ...]
    fields: Mapping[str, tuple[Head, ...]]


UNTOUCHED = Amended((), MappingProxyType({}))


class Stay(NamedTuple):
    """A child belonged to a home from a date up to, not including, another."""

    home: str
    from_on: dt.date
    to_on: dt.date | None


class Transfer(NamedTuple):
    """A request to another home, an acceptance, or a claim that lost."""

    id: bytes
    kind: str
    home: str
    other: str
    on: dt.date
    counts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A folded subject; equal for equal entries, in whatever order they came.

    Entries that are not applied: those in `aside` are not in `records` either, those in `early` are, with the day that
    their date precedes.  `not_theirs`: amendments of another's word on where the child belongs.
    """

    kind: str = ""
    subject: bytes = b""
    records: Mapping[bytes, Record] = field(default_factory=dict)
    amended: Mapping[bytes, Amended] = field(default_factory=dict)
    registers: Mapping[str, tuple[Head, ...]] = field(default_factory=dict)
    provisional: Mapping[str, Head] = field(default_factory=dict)
    tally: Mapping[tuple[str, str, str], Sum] = field(default_factory=dict)
    last: Mapping[str, dt.date] = field(default_factory=dict)
    deeds: Mapping[tuple[str, int], tuple[bytes, str]] = field(default_factory=dict)
    stays: tuple[Stay, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    status: str = ""
    holder: str = ""
    registered_on: dt.date | None = None
    pending: tuple[Record, ...] = ()
    unusable: tuple[Record, ...] = ()
    aside: tuple[Record, ...] = ()
    not_theirs: tuple[Record, ...] = ()
    strangers: frozenset[str] = frozenset()
    early: Mapping[bytes, dt.date] = field(default_factory=dict)
    unshown: tuple[Unshown, ...] = ()

    @property
    def known(self) -> bool:
        """Whether anything readable is known of the subject."""
        return bool(self.records)

    def value(self, field: str) -> Any:
        """The field's value; the provisional one where it is contested, None where it was never set."""
        heads = self.registers.get(field)
        if not heads:
            return None
        return heads[0].value if len(heads) == 1 else self.provisional[field].value

    def heads(self, field: str) -> tuple[Head, ...]:
        """The standing values of a field, or of a corrected field of a fact named `fact:<id>:<field>`."""
        if field.startswith("fact:"):
            target, name = split_fact_field(field)
            return self.amended.get(target, UNTOUCHED).fields.get(name, ())
        return self.registers.get(field, ())

    def conflicts(self) -> dict[str, tuple[Head, ...]]:
        """Every contested field with its standing values."""
        found = {field: heads for field, heads in self.registers.items() if len(heads) > 1 and contested(heads)}
        for id_, amended in self.amended.items():
            for name, heads in amended.fields.items():
                if contested(heads):
                    found[fact_field(id_, name)] = heads
        return found

    def withdrawn(self, id_: bytes) -> bool:
        """Whether a fact was withdrawn."""
        return bool(self.amended.get(id_, UNTOUCHED).withdrawn_by)

    def stands(self, id_: bytes) -> bool:
        """Whether a fact among the records counts."""
        return not self.withdrawn(id_) and id_ not in self.early

    def holds_back(self, id_: bytes) -> bool:
        """Whether an entry was received and is not applied."""
        return id_ in self.early or any(one.id == id_ for one in (*self.aside, *self.unusable, *self.not_theirs))

    def entry(self, id_: bytes) -> Record | None:
        """A readable entry; None where it is not known."""
        return self.records.get(id_)

    def event(self, id_: bytes) -> e.Event:
        """A fact as it reads after its corrections."""
        return amended_event(self.records[id_], self.amended.get(id_), self.holder)

    def since(self, home: str) -> dt.date | None:
        """The first day on which the child belonged to a home."""
        return min((stay.from_on for stay in self.stays if stay.home == home), default=None)


NOBODY = State()


def amended_event(record: Record, amended: Amended | None, holder: str) -> e.Event:
    """A fact with its corrections applied; where they disagree, the provisional winner's."""
    event = record.event
    assert isinstance(event, e.Event)
    if amended is None or not amended.fields:
        return event
    changes = {name: winner(name, heads, holder).value for name, heads in amended.fields.items() if heads}
    return changed(event, changes)


def fact_field(id_: bytes, name: str) -> str:
    """How a settlement names a corrected field of a fact."""
    return f"fact:{id_.hex()}:{name}"


def split_fact_field(field: str) -> tuple[bytes, str]:
    """The entry id and the field name in `fact:<id>:<field>`; an id that cannot be read matches nothing."""
    _, _, rest = field.partition(":")
    target, _, name = rest.partition(":")
    try:
        return UUID(target).bytes, name
    except ValueError:
        return b"", name
