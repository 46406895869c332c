"""Which homes may see what of a subject: the whole of need-to-know, decided subject by subject. Deny by default.

A home has what it wrote itself; this says what *others* wrote that it is given besides.

* **The child's home.** The home that the child lawfully belongs to is given everything about the child, whoever wrote
  it, from the first entry on, and what is written from now on: guardians, pairings, talks and plans are all entries
  about the child. So a home that takes a child over has the whole file, and late entries of the former home follow.
* **The former home** is given the acceptance that took the child over, and what that home had written before it (both
  homes may read a transfer), and nothing behind it.
* **Aid** that was paid to a child goes where the child's file goes: the home asks for it and confirms it. Loans do not,
  for the book belongs to the former home's shelf; nor do activities and openings, which name other children; nor cases
  and messages, which have other readers.
* **A notice** goes to the homes that it is addressed to by name, with what the county wrote about it, and without what
  other homes answered.
* **A verdict** on a filed report goes to the home that filed it, if no other home filed a version of it.
* **Hubs below** are given nothing: what their homes may see, they hold themselves. A hub's own word to them (orders of
  erasure) is no entry about a subject.
* Anything else goes nowhere.

*Lawfully*: a home that knew a child's id could claim the child in its own log, and a file that was given cannot be
taken back. So a claim alone gives nothing. A child belongs to the only home that ever registered it; from there it goes
to another by a request of the home that has it and an acceptance by the home that was asked, each used once, or by the
county's word; only who wrote one of these, or the county, can amend it or take it back (`domain/saying.py`), and a
county has a word on its own homes' children. Where two homes
registered one child, where an acceptance answers no such request, and where the picture (`stays`) shows another holder,
nobody is given anything new until the county has decided.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from domain import events as e
from domain.records import Record
from domain.registers import PROTECTIVE
from domain.state import State
from domain.stays import answers
from domain.tiers import governs

ROUTING_VERSION = 3
"""A change of what is given to whom needs a new one: a fold that says another holder, a type that decides or ties.
Hubs then go through what they routed by the rules before, and send what is owed now."""

ALL: Mapping[bytes, int] | None = None

DECIDES = frozenset(
    cls.meta.name
    for cls in (
        e.ChildRegistered,
        e.ChildTransferRequested,
        e.ChildTransferAccepted,
        e.ChildDeregistered,
        e.FactCorrected,
        e.FactWithdrawn,
        e.ConflictSettled,
        e.NoticeIssued,
        e.ReportReturned,
        e.ReportAccepted,
    )
)
"""The stored names of entries that can change who may see a subject; after any other, what was decided stands."""

SELDOM = frozenset({e.FactCorrected.meta.name})
"""Those of them of which the content says whether they can (`may_change`); any other can."""

_OF_MOVES = frozenset({"registered_on", "on", "home", "to_home", "accepted", "field", "value", "to"})
"""What a correction can name that may change a grant: fields of moves, of corrections, and whom a notice is for."""

TIES = frozenset({e.AidPaid.meta.name, e.AidRequested.meta.name})
"""The stored names of entries for which `hangs_on` may name a child; for any other it need not be asked."""


class Grant(NamedTuple):
    """What a home is given of a subject: everything, or of the logs named the entries up to a seq."""

    until: Mapping[bytes, int] | None

    def covers(self, log: bytes, seq: int) -> bool:
        """Whether an entry is within it."""
        return self.until is None or seq <= self.until.get(log, 0)


EVERYTHING = Grant(ALL)


def may_change(event: Any) -> bool:
    """Whether an entry of a type that decides can change a grant; most corrections are of minutes and notes."""
    return not isinstance(event, e.FactCorrected) or event.field in _OF_MOVES


def grants(state: State) -> dict[str, Grant]:
    """What each home is given of a subject, by the home's code."""
    if state.kind == "notice":
        return _addressed(state)
    if state.kind == "report":
        return _answered(state)
    if state.kind != "child":
        return {}
    holders = _lawful_holders(state)
    given: dict[str, Grant] = {}
    for (former, _), (_, acceptance) in itertools.pairwise(holders):
        if former and acceptance is not None:
            until = dict(given[former].until or {}) if former in given else {}
            given[former] = Grant({**until, acceptance.log: max(acceptance.seq, until.get(acceptance.log, 0))})
    last = holders[-1][0]
    if last and last == state.holder:
        given[last] = EVERYTHING
    return given


def _addressed(state: State) -> dict[str, Grant]:
    """A notice goes to the homes that it names, if a county above them wrote it; nobody else's answer goes with it."""
    given: dict[str, Grant] = {}
    for issued in state.records.values():
        if isinstance(issued.event, e.NoticeIssued) and state.stands(issued.id):
            written = max(one.seq for one in state.records.values() if one.log == issued.log)
            for home in issued.event.to:
                if governs(issued.home, home):
                    known = given[home].until if home in given else None
                    given[home] = Grant({**(known or {}), issued.log: written})
    return given


def _answered(state: State) -> dict[str, Grant]:
    """What the county wrote about a filed report goes to who filed it, and nothing of what others put beside it."""
    homes = {one.home for one in state.records.values() if isinstance(one.event, e.ReportSubmitted)}
    if len(homes) != 1:
        return {}
    home = homes.pop()
    verdicts = (one for one in state.records.values() if isinstance(one.event, e.ReportReturned | e.ReportAccepted))
    until: dict[bytes, int] = {}
    for one in verdicts:
        if governs(one.home, home) and one.home != home:
            until[one.log] = max(one.seq, until.get(one.log, 0))
    return {home: Grant(until)} if until else {}


def _lawful_holders(state: State) -> list[tuple[str, Record | None]]:
    """The homes that the child lawfully belonged to, in order, each with the acceptance that brought it there.

    The first is "" where nobody, or more than one home, registered the child.
    """
    moves = [one for one in state.records.values() if not state.withdrawn(one.id)]
    registrars = {one.home for one in state.records.values() if isinstance(one.event, e.ChildRegistered)}
    acceptances = sorted(
        (one for one in moves if isinstance(one.event, e.ChildTransferAccepted) and one.event.accepted),
        key=lambda one: (_on(one), one.order),
    )
    requests = [one for one in moves if isinstance(one.event, e.ChildTransferRequested)]
    holders: list[tuple[str, Record | None]] = [(min(registrars) if len(registrars) == 1 else "", None)]
    while True:
        giver = holders[-1][0]
        owners = {giver} if giver else registrars
        taken = next((one for one in acceptances if _is_lawful(one, owners, requests)), None)
        if taken is None:
            return holders
        acceptances.remove(taken)
        requests = [one for one in requests if one.home != giver or not answers(taken, one)]
        if _taker(taken) != giver:
            holders.append((_taker(taken), taken))


def _on(acceptance: Record) -> dt.date:
    event: Any = acceptance.event
    day: dt.date = event.on
    return day


def _taker(acceptance: Record) -> str:
    event: Any = acceptance.event
    home: str = event.home or acceptance.home
    return home


def _is_lawful(acceptance: Record, owners: set[str], requests: Iterable[Record]) -> bool:
    """Whether an acceptance is the county's word on its own children, or answers a request of the home that has one.

    `owners`: the home that has the child, or all that registered it and none of which has it.
    """
    taker = _taker(acceptance)
    if acceptance.home != taker and not governs(acceptance.home, taker):
        return False
    if acceptance.home != taker and all(governs(acceptance.home, owner) for owner in owners):
        return True
    return len(owners) == 1 and any(one.home in owners and answers(acceptance, one) for one in requests)


def urgency(state: State) -> tuple[int, bytes]:
    """What whole subjects are sent in the order of: the greatest need first, then any order that never changes."""
    return (-PROTECTIVE["categories"](state.value("categories")), state.subject)


def hangs_on(event: Any) -> bytes | None:
    """The child whose file an entry's subject goes with; None for what goes with nobody's."""
    if isinstance(event, e.AidPaid | e.AidRequested) and event.child is not None:
        return event.child.bytes
    return None
