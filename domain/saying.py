"""Whose word it is where a child belongs, and so who may correct, settle or take back what says so.

A registration, request, acceptance or departure, what corrects the fields of one that say where and when, what settles
the register `home`, and what withdraws any of these, is the word of the home that wrote it.  That home may amend it,
and the county that governs it; anybody else's amendment is kept and returned, and changes nothing.  Everything else in
a file is amended by whoever has the file.  It must not matter whether somebody was shown the file: what he wrote before
would begin to count with any later entry of his, at which nobody asks again whose child it is (`domain/routing.py`).

What an amendment is about is found by following it: a correction of a correction, and the withdrawal of either, are
about the entry at the end.  Where that is not here yet, nobody can say, and a stranger's withdrawal waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from domain import events as e
from domain.card import HOME
from domain.event import Event
from domain.records import Record
from domain.state import split_fact_field
from domain.stays import MOVES
from domain.tiers import governs, is_hub

CHAIN_MAX = 8
"""How many corrections of corrections are followed; beyond it a correction is shown as unusable."""

PLACE_FIELDS = frozenset({"registered_on", "on", "home", "to_home", "accepted"})
"""The fields of moves that say where a child belongs, and since when; the others are the child's card."""

Entry = Callable[[bytes], Record | None]
"""Finds an entry that is here by its id."""


class End(NamedTuple):
    """What an amendment is about: an entry, which may not be here, a field of it ("" for all), and what led there."""

    id: bytes
    record: Record | None
    field: str
    through: frozenset[bytes]


def end_of(event: Event, entry: Entry) -> End:
    """Follow a correction, settlement or withdrawal to the entry that it is about; itself, if it names none."""
    through: frozenset[bytes] = frozenset()
    end = _named(event, entry, through)
    for _ in range(CHAIN_MAX):
        named = end.record
        if named is None or not _leads_on(event, end):
            break
        assert isinstance(named.event, Event)
        through |= {named.id}
        event = named.event
        end = _named(event, entry, through)
    return end


def _named(event: Event, entry: Entry, through: frozenset[bytes]) -> End:
    match event:
        case e.FactCorrected(target=target, field=field):
            return End(target.bytes, entry(target.bytes), field, through)
        case e.FactWithdrawn(target=target):
            return End(target.bytes, entry(target.bytes), "", through)
        case e.ConflictSettled(field=field) if field.startswith("fact:"):
            id_, name = split_fact_field(field)
            return End(id_, entry(id_), name, through)
    return End(b"", None, "", through)


def _leads_on(event: Event, end: End) -> bool:
    """Whether what is named is itself an amendment of another entry."""
    assert end.record is not None
    named = end.record.event
    if isinstance(event, e.FactWithdrawn):
        is_field = isinstance(named, e.ConflictSettled) and not named.field.startswith("fact:")
        return isinstance(named, e.FactCorrected | e.FactWithdrawn | e.ConflictSettled) and not is_field
    return isinstance(event, e.FactCorrected) and isinstance(named, e.FactCorrected) and end.field == "value"


def owns(home: str, record: Record) -> bool:
    """Whether an entry is a home's own, or of a home that it governs."""
    return home == record.home or governs(home, record.home)


def may_amend(home: str, event: Event, entry: Entry) -> bool:
    """Whether a home may correct, settle or take back what an event names; true of what is not here."""
    if isinstance(event, e.ConflictSettled) and event.field == HOME:
        return is_hub(home) and governs(home, str(event.value))
    end = end_of(event, entry)
    if isinstance(event, e.FactWithdrawn):
        named = entry(event.target.bytes)
        return named is None or owns(home, named) or not says_where(end)
    return end.record is None or owns(home, end.record) or not says_where(end)


def says_where(end: End) -> bool:
    """Whether what is at the end says where a child belongs; a chain too long to follow is taken to."""
    match end.record and end.record.event:
        case e.FactCorrected():
            return end.field in ("", "value")
        case e.FactWithdrawn():
            return not end.field
        case e.ConflictSettled(field=field):
            return field == HOME and not end.field
        case event:
            return isinstance(event, MOVES) and (not end.field or end.field in PLACE_FIELDS)


def taken_back(record: Record, early: Iterable[Record], entry: Entry) -> bool:
    """Whether an amendment was withdrawn, before it was here, by those who may."""
    assert isinstance(record.event, Event)
    end = end_of(record.event, entry)
    is_open = bool(end.id) and end.record is None
    return any(
        isinstance(one.event, e.FactWithdrawn)
        and (owns(one.home, record) or (not is_open and may_amend(one.home, one.event, entry)))
        for one in early
    )
