"""What lifting must remember of the facts that this node recorded before.

Everything in the book follows from (source, subject, entry id, event) of stored entries, so a second run learns it
again by reading the log.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from domain import events as e
from domain.event import Event, UnknownEvent, UnreadableEvent
from domain.schema import name_of


class Noted(NamedTuple):
    """A fact as the book remembers it."""

    id: bytes
    subject: bytes
    type: str


class Book:
    """Which entry, child, home, worker and open loan the words of an import line stand for."""

    __slots__ = ("_facts", "_homes", "_loans", "_names", "_names_of", "_numbers", "_workers")

    def __init__(self) -> None:
        self._facts: dict[str, dict[int, Noted]] = {}
        self._numbers: dict[tuple[str, int], UUID] = {}
        self._names: dict[tuple[str, str], UUID | None] = {}
        self._names_of: dict[UUID, str] = {}
        self._homes: dict[str, UUID] = {}
        self._workers: dict[str, UUID] = {}
        self._loans: dict[tuple[UUID, str], UUID] = {}

    def learn(
        self, site: str, at_ms: int, subject: UUID, entry_id: bytes, event: Event | UnknownEvent | UnreadableEvent
    ) -> None:
        """Take note of an entry, in the order of the log; its id is empty while it is still on its way to the disk."""
        self._facts.setdefault(site, {})[at_ms] = Noted(entry_id, subject.bytes, name_of(event))
        match event:
            case e.ChildRegistered(number=number, name=name) | e.ChildTransferAccepted(number=number, name=name):
                self._learn_child(site, subject, number, name)
            case e.LoanStarted(child=child, book=book):
                self._loans[(child, book)] = subject
            case e.LoanClosed(child=child, book=book):
                self._loans.pop((child, book), None)
            case e.HomeRegistered():
                self._homes.setdefault(site, subject)
            case e.WorkerRegistered(code=code):
                self._workers[code] = subject
            case _:
                pass

    def stored(self, site: str, at_ms: int, entry_id: bytes) -> None:
        """An entry learned on its way is on the disk now: corrections can name it."""
        facts = self._facts[site]
        facts[at_ms] = facts[at_ms]._replace(id=entry_id)

    def _learn_child(self, site: str, child: UUID, number: int | None, name: str | None) -> None:
        if number is not None:
            self._numbers[(site, number)] = child
        if name is not None:
            self._names_of[child] = name
            known = self._names.setdefault((site, name), child)
            if known != child:
                self._names[(site, name)] = None

    def find(self, site: str, at_ms: int) -> Noted | None:
        """The stored entry that a site recorded at a moment."""
        noted = self._facts.get(site, {}).get(at_ms)
        return noted if noted is not None and noted.id else None

    def child(self, site: str, number: int) -> UUID | None:
        """The child with a register number at a site."""
        return self._numbers.get((site, number))

    def named(self, site: str, name: str) -> UUID | None:
        """The one child of a site that bears a name; None where there is none, or more than one."""
        return self._names.get((site, name))

    def name_of(self, child: UUID) -> str | None:
        """A child's name as last registered."""
        return self._names_of.get(child)

    def home(self, site: str) -> UUID | None:
        """The subject of a site's home."""
        return self._homes.get(site)

    def worker(self, code: str) -> UUID | None:
        """The subject of a worker."""
        return self._workers.get(code)

    def loan(self, child: UUID, book: str) -> UUID | None:
        """The open loan of a book to a child."""
        return self._loans.get((child, book))
