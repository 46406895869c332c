"""Wishes: what a person or an import line asks the node to record.

`home` is the home whose node writes.  `shown` carries, for the fields that a form edits, the ids of the entries whose
values it showed; where the field has moved since, the wish is refused and both values are shown again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any
from uuid import UUID

from domain import events as e

Shown = Mapping[str, frozenset[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFact:
    """Record a plain fact or an edit of a card, as the form spells it."""

    home: str
    event: e.Event
    shown: Shown = dataclass_field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterChild:
    """Open a child's file."""

    home: str
    event: e.ChildRegistered


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTransfer:
    """Give a child over to another home; `trusting` where the child's earlier entries may not be here."""

    home: str
    event: e.ChildTransferRequested
    trusting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptTransfer:
    """Take a child in, or decline to."""

    home: str
    event: e.ChildTransferAccepted


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectFact:
    """Correct one field of an earlier entry; `trusting` where its existence was established elsewhere."""

    home: str
    target: UUID
    field: str
    value: Any
    reason: str | None = None
    on: dt.date | None = None
    trusting: bool = False
    shown: Shown = dataclass_field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawFact:
    """Let an earlier entry count no longer."""

    home: str
    target: UUID
    reason: str | None = None
    on: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleConflict:
    """Choose the value of a contested field, having seen the entries named."""

    home: str
    field: str
    value: Any
    saw: tuple[UUID, ...]
    reason: str | None = None


Command = RecordFact | RegisterChild | RequestTransfer | AcceptTransfer | CorrectFact | WithdrawFact | SettleConflict


def wish(home: str, event: e.Event, shown: Shown | None = None) -> Command:
    """The wish whose fulfilment is an event: what `record` on a command line, or a form, asks for."""
    match event:
        case e.ChildRegistered():
            return RegisterChild(home=home, event=event)
        case e.ChildTransferRequested():
            return RequestTransfer(home=home, event=event)
        case e.ChildTransferAccepted():
            return AcceptTransfer(home=home, event=event)
        case e.FactCorrected(target=target, field=name, value=value, reason=reason, on=on):
            return CorrectFact(
                home=home, target=target, field=name, value=value, reason=reason, on=on, shown=shown or {}
            )
        case e.FactWithdrawn(target=target, reason=reason, on=on):
            return WithdrawFact(home=home, target=target, reason=reason, on=on)
        case e.ConflictSettled(field=name, value=value, saw=saw, reason=reason):
            return SettleConflict(home=home, field=name, value=value, saw=saw, reason=reason)
        case _:
            return RecordFact(home=home, event=event, shown=shown or {})
