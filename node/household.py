"""Whose duties are asked for: a home's or all of a county's, from accounts of its subjects (`domain.deed_rows`).

The accounts come from the read models, of one moment; terms and rules are one small subject, which is folded from the
log up to that same moment. A power cut can leave nothing behind: nothing of this is stored.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from domain import countywide, deed_rows, deeds
from domain.deeds import Account, Deed, Subject
from domain.folding import fold
from domain.household import around_of, home_subjects, is_in_care
from domain.obligations import Duty, due
from domain.policy import COUNTY_SUBJECT, Policy
from domain.reporting import Read
from domain.state import State, Stay
from domain.tiers import COUNTY, hub_of
from node.records import of_the_domain, record_of
from node.revocation import Revocations
from node.views import HomeOf
from sync.batch import Entry
from sync.stored_log import StoredLog

HEARD: Final = "O48"
ITSELF: Final = "县里"
RESTRICTED: Final = frozenset({"case", "message"})
Knows = Callable[[Entry], bool]


class Files:
    """Folded subjects of a log, each read when it is asked for; `known`: which entries count at all."""

    def __init__(self, store: StoredLog, home_of: HomeOf, known: Knows = lambda _entry: True) -> None:
        self.store, self.home_of = store, home_of
        self._known = known
        self._withholds = Revocations(store, home_of=home_of, known=known).withholds

    def state(self, subject: bytes) -> State:
        """A subject as the log has it."""
        pairs = [(entry, entry.body()) for entry in filter(self._known, self.store.entries_of_subject(subject))]
        records = [
            record_of(one, body, self.home_of, self._withholds) for one, body in pairs if of_the_domain(body, one)
        ]
        return fold("", subject, records)

    def policy(self) -> Policy:
        """The county's terms and rules, as far as they are here."""
        return Policy(self.state(COUNTY_SUBJECT))


class Accounts(Protocol):
    """Where the accounts of a home's or a county's subjects come from."""

    def children(self, wanted: Callable[[bytes, tuple[Stay, ...]], bool]) -> Iterable[Account]:
        """Those of the children of whom `wanted` says so, by id and stays."""

    def others(self) -> Iterable[Account]:
        """Those of all else."""


class RowsOf:
    """Accounts from read models."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def children(self, wanted: Callable[[bytes, tuple[Stay, ...]], bool]) -> Iterator[Account]:
        """Some ranges of ids after each other, so that a county needs no more memory than a part of it."""
        return deed_rows.children(self._read, wanted)

    def others(self) -> list[Account]:
        """All at once."""
        return deed_rows.others(self._read)


class Household:
    """What a home owes on a day, or what all homes of a county do (`code` None)."""

    def __init__(
        self, accounts: Accounts, policy: Policy, code: str | None, day: dt.date, heard_on: dt.date | None = None
    ) -> None:
        """`heard_on`: when a home last heard of its county by that day, which no entry says."""
        self.policy, self.code, self.day = policy, code, day
        self.names: dict[bytes, str] = {}
        self._accounts, self._heard_on = accounts, heard_on
        self._others = list(accounts.others())
        self.around = around_of(one for one in self._others if one.kind in ("home", "worker", "inspection"))

    def children(self, only: bytes | None = None) -> Iterator[Subject]:
        """The children in care at the home, or one of them; of a county all that any home ever had."""

        def wanted(subject: bytes, stays: tuple[Stay, ...]) -> bool:
            return only in (None, subject) and (self.code is None or is_in_care(stays, self.code, self.day))

        for account in self._accounts.children(wanted):
            self.names[account.subject] = account.title
            yield deeds.child(account, self.around)

    def others(self) -> Iterator[Subject]:
        """The home itself, and its hazards, activities, reports and whatever else duties are owed for."""
        self.names |= {one.subject: one.title for one in self._others}
        homes = {home for one in self._others if one.kind == "home" for home in one.homes}
        codes = sorted(homes - {COUNTY}) if self.code is None else [self.code]
        for code, one in home_subjects(codes, self._others, self.around):
            if one.kind == "home" and code == self.code and self._heard_on is not None:
                one.deeds = {**one.deeds, "exchange": [Deed(self._heard_on.toordinal(), b"", None, "", code)]}
            yield one

    def subjects(self) -> Iterator[Subject]:
        """All of them, one after the other."""
        yield from self.children()
        yield from self.others()

    def owed(self, ahead: dt.date | None = None) -> Iterator[Duty]:
        """All that the home owes, done or not; of a county what its homes do, and it itself."""
        for subject in self.subjects():
            yield from self.duties(subject, ahead)
        if self.code is None:
            self.names[COUNTY_SUBJECT] = ITSELF
            yield from countywide.duties(self._others, self.policy, self.day, ahead)

    def duties(self, subject: Subject, ahead: dt.date | None = None, *, latest: bool = False) -> list[Duty]:
        """The duties about one subject; of a home only its own. `latest`: as in `obligations.due`."""
        counties = dict.fromkeys(hub_of(span.home) for span in subject.spans)
        found: list[Duty] = []
        for county in counties:
            some = due(subject, self.policy.rules, self.policy.calendar(county), self.day, ahead, latest=latest)
            found += some if len(counties) == 1 else [one for one in some if hub_of(one.home) == county]
        if self.code is not None:
            return [one for one in found if one.home == self.code]
        return found if subject.kind != "home" else [one for one in found if not _is_elsewhere(one)]


def _is_elsewhere(duty: Duty) -> bool:
    """Of a home as its county sees it: what no log of the county's tells, and what the county itself owes for it."""
    return duty.rule_id == HEARD or (duty.version.rule.duty_holder == countywide.HOLDER and hub_of(duty.home) == COUNTY)
