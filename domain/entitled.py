"""Whose child it is: which homes may write in a child's file, as far as the entries say.

A home may where it registered the child or took it in, where somebody gave the child over to it or the county decided
so, and where it was shown the file: whoever names entries of others in its deps has them from the county.  A home of
which nothing of this is known, while another one registered the child, is a stranger: it mistook the child, or its
program is older than this rule.  What it wrote is held back as a whole, whichever entry came first.  As long as nobody
registered the child at all, everybody's entries count.  The county may always.

Nobody gives away what he never had: once some home registered the child, or took it in, a request counts only by a home
that did, or that the county gave the child to; by others it is held back even if they were shown the file.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from domain import events as e
from domain.event import RevokedEvent
from domain.records import Record
from domain.tiers import governs

Pairs = frozenset[tuple[str, bytes]]
_NONE: frozenset[str] = frozenset()
CACHED_MAX = 4096


@lru_cache(CACHED_MAX)  # subjects of one home share one set
def _with(pairs: Pairs, pair: tuple[str, bytes]) -> Pairs:
    return pairs | {pair}


class Entitled:
    """The homes met in one subject's entries; a function of the set of entries, not of their order."""

    __slots__ = ("_asking", "_claimants", "_entitled", "_met", "_saw", "strangers")

    def __init__(self) -> None:
        self._met: Pairs = frozenset()  # home, log
        self._saw: Pairs = frozenset()  # home, log that it names in deps
        self._entitled: frozenset[str] = frozenset()
        self._claimants: frozenset[str] = frozenset()
        self._asking: frozenset[str] = frozenset()
        self.strangers: frozenset[str] = frozenset()

    def changes(self, record: Record) -> bool:
        """Take note of an entry; whether entries of homes met before are judged otherwise from now on."""
        event = record.event
        writer = (record.home, record.log)
        moves = type(event) in _MOVING
        if (writer in self._met and not record.deps and not moves) or event is None or type(event) is RevokedEvent:
            return False
        met, before, refused = {home for home, _ in self._met}, self.strangers, self._refused()
        self._met = _with(self._met, writer)
        for log in record.deps:
            self._saw = _with(self._saw, (record.home, log))
        if moves:
            self._move(record.home, event)
        self.strangers = self._strangers()
        return not (met.isdisjoint(before ^ self.strangers) and met.isdisjoint(refused ^ self._refused()))

    def refuses(self, record: Record) -> bool:
        """Whether an entry gives away what its home never had."""
        return type(record.event) is e.ChildTransferRequested and record.home in self._refused()

    def _refused(self) -> frozenset[str]:
        """The homes whose requests do not count."""
        if self._asking <= self._claimants or not self._claimants:
            return _NONE
        return frozenset(
            one for one in self._asking - self._claimants if not any(governs(one, home) for home in self._claimants)
        )

    def _move(self, home: str, event: Any) -> None:
        if isinstance(event, e.ChildTransferRequested):
            self._entitled |= {event.to_home}
            self._asking |= {home}
            return
        self._entitled |= {home, getattr(event, "home", None) or home}  # who declined may correct that to a yes
        if isinstance(event, e.ChildRegistered) or event.accepted:
            self._claimants |= {home, getattr(event, "home", None) or home}

    def _strangers(self) -> frozenset[str]:
        found = {home for home, _ in self._met} - self._entitled if self._claimants else set()
        found = {home for home in found if not any(governs(home, one) for one in self._entitled)}
        if not found:
            return frozenset()
        owners = {log: home for home, log in self._met}
        return frozenset(found - {home for home, log in self._saw if owners.get(log) != home})


_MOVING = frozenset({e.ChildRegistered, e.ChildTransferAccepted, e.ChildTransferRequested})
