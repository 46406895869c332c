"""Deciding: which facts follow from a wish, or why none does.

What is refused here is what the writing home itself knows to be wrong.  What another home recorded meanwhile is never
a reason: offline, both may be right, and the fold says what they add up to.
"""

from __future__ import annotations

import datetime as dt
from typing import Protocol

from domain import commands as c
from domain import events as e
from domain.card import EDITS, HOME, Unfit, typed
from domain.childfile import plain
from domain.errors import (
    AlreadyHere,
    AlreadyRegistered,
    AlreadyWithdrawn,
    BadField,
    BeforeRegistration,
    CountyDecides,
    CountySettles,
    FieldMoved,
    HomesSettle,
    NoConflict,
    NotHere,
    NotItsWord,
    NotRegistered,
    UnknownFact,
    WrittenByNodes,
)
from domain.records import Record
from domain.registers import Head, contested
from domain.saying import end_of, may_amend, says_where
from domain.schema import field_codec, fit
from domain.state import split_fact_field
from domain.tally import MEASURES
from domain.tiers import COUNTY, is_hub


class Standing(Protocol):
    """What a decision asks of a subject; a `State` answers it, and so does a `Folding` without making a state."""

    @property
    def kind(self) -> str:
        """What the subject is: child, home, worker …; "" where nothing says so."""
        ...

    @property
    def known(self) -> bool:
        """Whether anything readable is known of the subject."""
        ...

    @property
    def holder(self) -> str:
        """The home that the child belongs to, or ""."""
        ...

    @property
    def status(self) -> str:
        """Whether the child is here, leaving or gone, as `domain.stays.STATUS` says."""
        ...

    @property
    def registered_on(self) -> dt.date | None:
        """The day of the child's first registration."""
        ...

    def since(self, home: str) -> dt.date | None:
        """The first day on which the child belonged to a home."""
        ...

    def entry(self, id_: bytes) -> Record | None:
        """A readable entry; None where it is not known."""
        ...

    def withdrawn(self, id_: bytes) -> bool:
        """Whether a fact was withdrawn."""
        ...

    def holds_back(self, id_: bytes) -> bool:
        """Whether an entry was received and is not applied."""
        ...

    def heads(self, field: str) -> tuple[Head, ...]:
        """The standing values of a field."""
        ...


def decide(state: Standing, command: c.Command) -> list[e.Event]:
    """Say which facts follow from a wish, or refuse it."""
    match command:
        case c.RecordFact():
            return [_plain(state, command)]
        case c.RegisterChild(event=event):
            if state.registered_on is not None:
                raise AlreadyRegistered(state.registered_on)
            return [event]
        case c.RequestTransfer():
            return [_request(state, command)]
        case c.AcceptTransfer():
            return [_acceptance(state, command)]
        case c.CorrectFact():
            return [_correction(state, command)]
        case c.WithdrawFact():
            return [_withdrawal(state, command)]
        case c.SettleConflict():
            return [_settlement(state, command)]


def _plain(state: Standing, command: c.RecordFact) -> e.Event:
    event = command.event
    if event.meta.by_machine:
        raise WrittenByNodes(event.meta.label)
    if isinstance(event, _COUNTYS) and not is_hub(command.home):
        raise CountyDecides(event.meta.label)
    if event.meta.about == "child":
        since = state.since(command.home)
        if since is not None:
            count = MEASURES.get(type(event))
            measure = count(event) if count else None
            if measure is not None and measure.on < since:
                raise BeforeRegistration(measure.on, since, event.meta)
        _writable(event)
    _require_unmoved(state, command.shown)
    return event


_COUNTYS = (e.AidDecided, e.PlatformUpdated, e.TermScheduled)


def _require_unmoved(state: Standing, shown: c.Shown) -> None:
    """Refuse an edit of a field that holds another value than its form showed."""
    for field, ids in shown.items():
        heads = state.heads(field)
        if ids != frozenset(head.id for head in heads):
            raise FieldMoved(field, [f"{plain(head.value)} ({head.by}, {head.home})" for head in heads])


def _writable(event: e.Event) -> None:
    """Refuse a changed detail whose value does not fit its field."""
    if isinstance(event, e.ChildDetailsChanged):
        try:
            EDITS[type(event)](event, "")
        except Unfit as trouble:
            raise BadField("value", trouble.found, trouble.expected) from None


def _request(state: Standing, command: c.RequestTransfer) -> e.Event:
    holder = state.holder
    if not state.known and not command.trusting:
        raise NotRegistered
    if holder != command.home and (holder or not command.trusting):
        raise NotHere(command.home, holder)
    if command.event.to_home == command.home:
        raise AlreadyHere(command.home)
    return command.event


def _acceptance(state: Standing, command: c.AcceptTransfer) -> e.Event:
    """A child taken in; one on its way may come back before this home hears that it had arrived elsewhere."""
    event = command.event
    here = bool(state.holder) and state.holder == (event.home or command.home)
    if event.accepted and here and state.status != "leaving":
        raise AlreadyHere(state.holder)
    return event


def _correction(state: Standing, command: c.CorrectFact) -> e.Event:
    """A correction; a person's must fit the field, an import line's is kept whatever it says."""
    if not command.trusting:
        corrected = _class_of(state, command.target.bytes)
        if corrected is None:
            raise UnknownFact(command.target)
        try:
            fit(corrected, command.field, command.value)
        except Unfit as trouble:
            named = "value" if field_codec(corrected, command.field) else "field"
            raise BadField(named, trouble.found, trouble.expected) from None
        _require_unmoved(state, command.shown)
    correction = e.FactCorrected(
        target=command.target, field=command.field, value=command.value, reason=command.reason, on=command.on
    )
    if not command.trusting and not may_amend(command.home, correction, state.entry):
        raise NotItsWord
    return correction


def _class_of(state: Standing, id_: bytes) -> type[e.Event] | None:
    record = state.entry(id_)
    return type(record.event) if record and isinstance(record.event, e.Event) else None


def _withdrawal(state: Standing, command: c.WithdrawFact) -> e.Event:
    target = command.target
    if state.entry(target.bytes) is None and not state.holds_back(target.bytes):
        raise UnknownFact(target)
    if state.withdrawn(target.bytes):
        raise AlreadyWithdrawn(target)
    withdrawn = e.FactWithdrawn(target=target, reason=command.reason, on=command.on)
    if not may_amend(command.home, withdrawn, state.entry):
        raise NotItsWord
    return withdrawn


def _settlement(state: Standing, command: c.SettleConflict) -> e.Event:
    heads = state.heads(command.field)
    if not contested(heads):
        raise NoConflict(command.field)
    settled = e.ConflictSettled(field=command.field, value=command.value, saw=command.saw, reason=command.reason)
    _require_competent(state, settled, command.home, heads)
    if not {head.id for head in heads} <= {one.bytes for one in command.saw}:
        raise FieldMoved(command.field, [f"{plain(head.value)} ({head.by}, {head.home})" for head in heads])
    try:
        if command.field.startswith("fact:"):
            target, name = split_fact_field(command.field)
            corrected = _class_of(state, target)
            if corrected is not None:
                fit(corrected, name, command.value)
        else:
            typed(command.field, command.value, state.kind)
    except Unfit as trouble:
        raise BadField("value", trouble.found, trouble.expected) from None
    return settled


def _require_competent(state: Standing, settled: e.ConflictSettled, home: str, heads: tuple[Head, ...]) -> None:
    """The county says where a child belongs, the homes what its file says."""
    if state.kind != "child":
        return
    if settled.field != HOME:
        if home == COUNTY and not says_where(end_of(settled, state.entry)):
            raise HomesSettle(sorted({head.home for head in heads}))
        if not may_amend(home, settled, state.entry):
            raise NotItsWord
        return
    if home != COUNTY:
        raise CountySettles
    claims = sorted({str(head.value) for head in heads})
    if settled.value not in claims:
        raise BadField("value", settled.value, "one of " + ", ".join(claims))
