"""The entries about a child's place met so far: what each acceptance answers, and which claims were overruled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from domain import events as e
from domain.records import Record
from domain.registers import Head
from domain.state import Amended, amended_event
from domain.stays import Move, answers, claim_winner


class Moves:
    """Registrations, requests, acceptances and departures of one child, in canonical order."""

    __slots__ = ("_requests", "_since", "overruled", "records")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._requests: list[tuple[Record, dict[bytes, int]]] = []
        self._since: dict[str, dt.date] = {}
        self.overruled: set[bytes] = set()

    def note(self, record: Record) -> None:
        """Take one move more."""
        self.records.append(record)
        event = record.event
        if isinstance(event, e.ChildRegistered) or (isinstance(event, e.ChildTransferAccepted) and event.accepted):
            move = Move(record, event)
            self._since[move.home] = min(move.on, self._since.get(move.home, move.on))

    def request(self, record: Record, deps: Mapping[bytes, int]) -> dict[bytes, int]:
        """Note a request; what an acceptance that answers it counts as having seen."""
        shown = {**deps, record.log: record.seq}
        self._requests.append((record, shown))
        return shown

    def answered_by(self, acceptance: Record) -> list[dict[bytes, int]]:
        """What an acceptance counts as having seen by the requests that it answers."""
        return [shown for request, shown in self._requests if answers(acceptance, request)]

    def answering(self, request: Record) -> list[Record]:
        """The acceptances met before the request that they answer."""
        return [one for one in self.records if answers(one, request)]

    def replaced(self, by: Head, claims: list[Head], records: Mapping[bytes, Record]) -> None:
        """An edit replaced several claims at once: those that lost make no stay."""
        kept = by if any(one.value == by.value for one in claims) else claim_winner(claims, records)
        self.overruled.update(one.origin for one in claims if one.value != kept.value)

    def standing(self, amended: Mapping[bytes, Amended]) -> list[Move]:
        """The moves that were not withdrawn, as they read after corrections."""
        found = []
        for record in self.records:
            one = amended.get(record.id)
            if one is None or not one.withdrawn_by:
                found.append(Move(record, amended_event(record, one, "")))
        return found

    def since(self, home: str) -> dt.date | None:
        """The first day on which a registration or an acceptance, as written, brought the child to a home."""
        return self._since.get(home)
