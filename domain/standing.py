"""The facts of a subject that count: as they read after corrections, without withdrawn ones, in canonical order.

Every fold of `folded.py` starts from this, so all of them are functions of the *set* of entries: what order they came
in decides nothing, and a fact that was corrected or withdrawn is read so everywhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from domain import events as e
from domain.records import Record
from domain.scalars import COUNTY_TIME
from domain.state import State

E = TypeVar("E", bound=e.Event)


class Fact(NamedTuple, Generic[E]):
    """One fact that counts: the id that it first had, who wrote it where, and what it says now."""

    id: bytes
    home: str
    by: str
    recorded_at_ms: int
    order: tuple[int, bytes, int, bytes]
    event: E


class Facts:
    """The standing facts of one subject by class; made once, asked by every fold."""

    __slots__ = ("_by_class", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        self._by_class: dict[type[e.Event], list[Record]] = {}
        for id_, record in state.records.items():
            if state.stands(id_):
                self._by_class.setdefault(type(record.event), []).append(record)  # type: ignore[arg-type]

    def of(self, cls: type[E]) -> list[Fact[E]]:
        """The facts of a class, in canonical order."""
        return [self._fact(record) for record in self._by_class.get(cls, ())]

    def first(self, cls: type[E]) -> E | None:
        """What the first fact of a class says."""
        found = self.of(cls)
        return found[0].event if found else None

    def last(self, cls: type[E]) -> E | None:
        """What the last fact of a class says."""
        found = self.of(cls)
        return found[-1].event if found else None

    def __iter__(self) -> Iterator[Fact[Any]]:
        for records in self._by_class.values():
            for record in records:
                yield self._fact(record)

    def _fact(self, record: Record) -> Fact[Any]:
        id_ = record.first_id or record.id  # a fact that was recorded again keeps the id that it first had
        event = self.state.event(record.id)
        return Fact(id_, record.home, record.actor, record.recorded_at_ms, record.order, event)


def local_day(recorded_at_ms: int) -> dt.date:
    """The county's day of a moment, as the writing node's clock said it."""
    return (EPOCH + dt.timedelta(milliseconds=recorded_at_ms)).astimezone(COUNTY_TIME).date()


EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
