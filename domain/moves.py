"""The entries about a child's place met so far: what each acceptance answers, and which claims were overruled.

Children move on paper before the homes' computers have heard of each other, so an acceptance counts as having seen the
request that it answers and all that the request's author had seen, whichever of them comes first in canonical order.
That goes on: a request whose author had seen an acceptance counts as having seen what the acceptance does, and so the
acceptance that answers *it*. Otherwise a child that was handed on twice within one silence would seem claimed by two.
"""

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

    __slots__ = ("_replaced", "_requests", "_since", "records")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._requests: list[tuple[Record, dict[bytes, int]]] = []
        self._replaced: list[tuple[Head, list[Head]]] = []
        self._since: dict[str, dt.date] = {}

    def note(self, record: Record) -> None:
        """Take one move more."""
        self.records.append(record)
        event = record.event
        if isinstance(event, e.ChildRegistered) or (isinstance(event, e.ChildTransferAccepted) and event.accepted):
            move = Move(record, event)
            self._since[move.home] = min(move.on, self._since.get(move.home, move.on))

    def request(self, record: Record, deps: Mapping[bytes, int]) -> list[tuple[Record, dict[bytes, int]]]:
        """Note a request; which acceptances met before count as having seen more by it, each with what."""
        self._requests.append((record, {**deps, record.log: record.seq}))
        found: list[tuple[Record, dict[bytes, int]]] = []
        todo = self._requests[-1:]
        while todo:
            request, shown = todo.pop()
            for acceptance in self._answering(request):
                found.append((acceptance, dict(shown)))
                todo += [one for one in self._requests if _widen(one, acceptance, shown)]
        return found

    def answered_by(self, acceptance: Record) -> list[dict[bytes, int]]:
        """What an acceptance counts as having seen by the requests that it answers."""
        return [shown for request, shown in self._requests if answers(acceptance, request)]

    def _answering(self, request: Record) -> list[Record]:
        """The acceptances met before the request that they answer."""
        return [one for one in self.records if answers(one, request)]

    def replaced(self, by: Head, claims: list[Head]) -> None:
        """An edit replaced several claims at once."""
        self._replaced.append((by, claims))

    def overruled(self, records: Mapping[bytes, Record]) -> set[bytes]:
        """The entries whose claims lost to others that were replaced with them; they make no stay.

        Claims of which one turned out to have seen the other were never rivals: the child was handed on.
        """
        found: set[bytes] = set()
        for by, claims in self._replaced:
            seen = [shown for one in claims for shown in self.answered_by(records[one.origin])]
            rivals = [one for one in claims if not any(shown.get(one.log, 0) >= one.seq for shown in seen)]
            if len(rivals) > 1:
                kept = by if any(one.value == by.value for one in rivals) else claim_winner(rivals, records)
                found.update(one.origin for one in rivals if one.value != kept.value)
        return found

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


def _widen(request: tuple[Record, dict[bytes, int]], acceptance: Record, shown: Mapping[bytes, int]) -> bool:
    """Let a request whose author had seen an acceptance show what that one is shown; whether this is more."""
    shows = request[1]
    if shows.get(acceptance.log, 0) < acceptance.seq:
        return False
    more = {log: seq for log, seq in shown.items() if seq > shows.get(log, 0)}
    shows.update(more)
    return bool(more)
