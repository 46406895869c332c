"""Where a child belongs: stays by date, from registrations, transfers and departures of any number of homes.

The child belongs to the former home until another accepts it.  Acceptances that nobody had seen of each other are
rival claims: one provisional winner, the others shown as a conflict of the register `home` and left out of the stays.
An acceptance answers every earlier request to its home, whichever of the two entries arrives first.

A move is corrected and withdrawn by the home that wrote it or by its county (`domain/saying.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from domain import events as e
from domain.records import Record
from domain.registers import Head, first_difference
from domain.state import Stay, Transfer
from domain.tiers import governs


class Move(NamedTuple):
    """An entry about the child's place, with its event as it reads after corrections."""

    record: Record
    event: e.Event

    @property
    def on(self) -> dt.date:
        """The day on which it took effect."""
        event: Any = self.event
        day: dt.date = event.registered_on if isinstance(event, e.ChildRegistered) else event.on
        return day

    @property
    def home(self) -> str:
        """The home that the entry speaks for."""
        named = self.event.home if isinstance(self.event, e.ChildTransferAccepted) else None
        return named or self.record.home


MOVES = (e.ChildRegistered, e.ChildTransferAccepted, e.ChildTransferRequested, e.ChildDeregistered)
_RANK = {cls: rank for rank, cls in enumerate(MOVES)}


def answers(acceptance: Record, request: Record) -> bool:
    """Whether an acceptance answers a request: asked of that home, and not later."""
    taken, asked = acceptance.event, request.event
    return (
        isinstance(taken, e.ChildTransferAccepted)
        and isinstance(asked, e.ChildTransferRequested)
        and taken.accepted
        and asked.to_home == (taken.home or acceptance.home)
        and asked.on <= taken.on
        and acceptance.log != request.log
    )


Claims = tuple[Head, ...] | list[Head]
_CLAIM_REASONS = ("county", "asked", "accepted", "order")


def claim_winner(heads: Claims, records: Mapping[bytes, Record]) -> Head:
    """The provisional holder among rival claims: the county's word, then an answer to a request, then the latest."""
    weight = _claim_weight(heads, records)
    return max(heads, key=weight)


def why_claim_wins(heads: Claims, records: Mapping[bytes, Record]) -> str:
    """What makes the winning claim win."""
    weight = _claim_weight(heads, records)
    return _CLAIM_REASONS[first_difference([weight(head) for head in heads])]


def _claim_weight(
    heads: Claims,
    records: Mapping[bytes, Record],
) -> Callable[[Head], tuple[bool, bool, bool, tuple[int, bytes, int, bytes]]]:
    requests = [one for one in records.values() if type(one.event) is e.ChildTransferRequested]

    def weight(head: Head) -> tuple[bool, bool, bool, tuple[int, bytes, int, bytes]]:
        record = records.get(head.origin)
        accepted = record is not None and type(record.event) is e.ChildTransferAccepted
        answered = record is not None and accepted and any(answers(record, one) for one in requests)
        is_countys = all(governs(head.home, str(one.value)) for one in heads)
        return (is_countys, answered, accepted, head.order)

    return weight


def counted_moves(moves: list[Move], losers: set[bytes]) -> list[Move]:
    """The moves that make stays: claims that lost make none, but a registration that lost to no other one is past."""
    standing = [one for one in moves if one.record.id not in losers]
    if any(isinstance(one.event, e.ChildRegistered) for one in standing):
        return standing
    return [one for one in moves if one.record.id not in losers or isinstance(one.event, e.ChildRegistered)]


def stays_of(moves: list[Move]) -> tuple[Stay, ...]:
    """The stays that the moves add up to, in order of date."""
    stays: list[Stay] = []
    for move in sorted(moves, key=lambda one: (one.on, _RANK[type(one.event)], one.record.order)):
        here = stays[-1] if stays and stays[-1].to_on is None else None
        if isinstance(move.event, e.ChildTransferRequested):
            continue
        if isinstance(move.event, e.ChildDeregistered):
            if here and (move.home == here.home or governs(move.record.home, here.home)):
                stays[-1] = here._replace(to_on=move.on)
            continue
        if here and here.home == move.home:
            continue
        if here:
            stays[-1] = here._replace(to_on=move.on)
        stays.append(Stay(move.home, move.on, None))
    return tuple(stay for stay in stays if stay.from_on != stay.to_on)


def status_of(moves: list[Move], stays: tuple[Stay, ...]) -> str:
    """Whether the child is here, leaving, gone, or was never registered as far as is known."""
    if not stays:
        return "unregistered"
    last = stays[-1]
    if last.to_on is not None:
        return "left"
    asked = [
        move.event
        for move in moves
        if isinstance(move.event, e.ChildTransferRequested)
        and move.record.home == last.home
        and move.event.to_home != last.home
        and move.on >= last.from_on
        and not _came_back(moves, move)
    ]
    return "leaving" if any(not _declined(moves, request) for request in asked) else "here"


def _came_back(moves: list[Move], request: Move) -> bool:
    """Whether the home that gave a child over took it in again, later."""
    return any(
        isinstance(move.event, e.ChildTransferAccepted)
        and move.event.accepted
        and move.home == request.record.home
        and (move.on, move.record.order) > (request.on, request.record.order)
        for move in moves
    )


def _declined(moves: list[Move], request: e.ChildTransferRequested) -> bool:
    """Whether the home that was asked said no."""
    return any(
        isinstance(move.event, e.ChildTransferAccepted)
        and not move.event.accepted
        and move.home == request.to_home
        and move.on >= request.on
        for move in moves
    )


STATUS = {
    "": ("", ""),
    "here": ("在册", "on the register"),
    "leaving": ("转出中", "transfer requested"),
    "left": ("已结案", "left"),
    "unregistered": ("未见登记", "no registration known"),
}


def transfers_of(moves: list[Move], losers: set[bytes]) -> tuple[Transfer, ...]:
    """Requests and acceptances in canonical order; a claim that lost does not count."""
    found = []
    for record, event in moves:
        if isinstance(event, e.ChildTransferRequested):
            found.append(Transfer(record.id, "requested", record.home, event.to_home, event.on, True))
        elif isinstance(event, e.ChildTransferAccepted):
            kind = "accepted" if event.accepted else "declined"
            counts = event.accepted and record.id not in losers
            found.append(Transfer(record.id, kind, event.home or record.home, "", event.on, counts))
    return tuple(found)
