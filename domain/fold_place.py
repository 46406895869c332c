"""What is known of a home, a vehicle, a book, a loan, a hazard, an inspection."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain import events as e
from domain.standing import Facts
from domain.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """The state of one piece of equipment as last seen."""

    working: bool
    since: dt.date
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A home's entry in the register, its timetable, equipment, duty, groups, letters, plans and honours.

    Single fields (name, phone, township …) are registers of the state: `state.value("phone")`.
    """

    code: str = ""
    name: str = ""
    kind: str = ""
    township: str = ""
    village: str = ""
    keeper: str = ""
    sign_fitted: bool | None = None
    opened_on: dt.date | None = None
    timetable: tuple[e.OpeningScheduled, ...] = ()
    openings: int = 0
    last_opening_on: dt.date | None = None
    equipment: Mapping[str, Equipment] = field(default_factory=dict)
    mailbox_emptied_on: dt.date | None = None
    roster: tuple[e.DutyRostered, ...] = ()
    duties: tuple[e.DutyTaken, ...] = ()
    groups: tuple[e.InterestGroupSet, ...] = ()
    rules: tuple[e.RuleAdopted, ...] = ()
    letters: tuple[e.ResponsibilityLetterSigned, ...] = ()
    plans: tuple[e.PlanFiled, ...] = ()
    assessments: tuple[e.AssessmentScored, ...] = ()
    titles: tuple[e.TitleAwarded, ...] = ()
    waivers: tuple[e.ObligationWaived, ...] = ()


def family(state: State, prefix: str) -> list[Any]:
    """The values of the registers `prefix:…`, in order of their names."""
    names = sorted(name for name in state.registers if name.startswith(prefix + ":"))
    return [value for name in names if (value := state.value(name)) is not None]


def home_of(state: State) -> Home:
    """What all entries about a home add up to."""
    facts = Facts(state)
    value = state.value
    registered = facts.of(e.HomeRegistered)
    held = [one.event for one in facts.of(e.OpeningHeld) if one.event.closed_reason is None]
    return Home(
        code=registered[0].home if registered else "",
        name=value("name") or "",
        kind=value("kind") or "",
        township=value("township") or "",
        village=value("village") or "",
        keeper=value("keeper") or "",
        sign_fitted=value("sign_fitted"),
        opened_on=value("opened_on"),
        timetable=tuple(one for one in family(state, "opening") if not one.ended),
        openings=len(held),
        last_opening_on=max((one.on for one in held), default=None),
        equipment=_equipment(facts),
        mailbox_emptied_on=max((one.event.on for one in facts.of(e.MailboxEmptied)), default=None),
        roster=_dated(facts, e.DutyRostered, "on"),
        duties=_dated(facts, e.DutyTaken, "on"),
        groups=tuple(one for one in family(state, "group") if not one.ended),
        rules=tuple(family(state, "rule")),
        letters=_dated(facts, e.ResponsibilityLetterSigned, "signed_on"),
        plans=tuple(one.event for one in facts.of(e.PlanFiled)),
        assessments=_dated(facts, e.AssessmentScored, "on"),
        titles=_dated(facts, e.TitleAwarded, "on"),
        waivers=tuple(one.event for one in facts.of(e.ObligationWaived)),
    )


def _dated(facts: Facts, cls: type[Any], day: str) -> tuple[Any, ...]:
    """The facts of a class in order of the day that a field names."""
    return tuple(sorted((one.event for one in facts.of(cls)), key=lambda one: getattr(one, day)))


def _equipment(facts: Facts) -> dict[str, Equipment]:
    """The last word on each piece; of two words about one day the worse, then the later in canonical order."""
    found: dict[str, Equipment] = {}
    for one in sorted(facts.of(e.EquipmentStateRecorded), key=lambda one: (one.event.since, not one.event.working)):
        found[one.event.item] = Equipment(working=one.event.working, since=one.event.since, fault=one.event.fault or "")
    return dict(sorted(found.items()))


def titles_held(titles: tuple[e.TitleAwarded, ...], day: dt.date) -> list[e.TitleAwarded]:
    """The titles in force on a day: given, not run out, not taken back since."""
    found: dict[tuple[str, str, str], e.TitleAwarded] = {}
    for one in sorted(titles, key=lambda one: (one.on, one.withdrawn)):
        if one.on <= day:
            found[(one.title, one.level, one.winner or "")] = one
    return [one for one in found.values() if not one.withdrawn and (one.valid_to is None or day <= one.valid_to)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """A vehicle that takes children; `overloaded_on` are the days on which more rode than it has seats."""

    plate: str = ""
    driver: str = ""
    seats: int | None = None
    route: str = ""
    riders: tuple[UUID, ...] = ()
    checks: tuple[e.RideChecked, ...] = ()
    overloaded_on: tuple[dt.date, ...] = ()


def vehicle_of(state: State) -> Vehicle:
    """What all entries about a vehicle add up to."""
    checks: tuple[e.RideChecked, ...] = _dated(Facts(state), e.RideChecked, "on")
    seats = state.value("seats")
    return Vehicle(
        plate=state.value("plate") or "",
        driver=state.value("driver") or "",
        seats=seats,
        route=state.value("route") or "",
        riders=state.value("child_ids") or (),
        checks=checks,
        overloaded_on=tuple(one.on for one in checks if one.overloaded or (seats is not None and one.riders > seats)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A title of the library; copies that came in, whatever day."""

    title: str = ""
    mark: str = ""
    copies: int = 0
    condition: str = ""


def book_of(state: State) -> Book:
    """What all entries about a book add up to."""
    acquired = [one.event for one in Facts(state).of(e.BookAcquired)]
    last = acquired[-1] if acquired else None
    return Book(
        title=last.title if last else "",
        mark=(last.mark or "") if last else "",
        copies=sum(one.copies for one in acquired),
        condition=(last.condition or "") if last else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """One loan.  `status`: out, closed, or "" where neither its start nor its end is known here."""

    child: UUID | None = None
    book: str = ""
    copy: UUID | None = None
    out_on: dt.date | None = None
    due_on: dt.date | None = None
    closed_on: dt.date | None = None
    outcome: str = ""
    status: str = ""

    def overdue(self, day: dt.date) -> bool:
        """Whether the book should have been back by a day."""
        return self.due_on is not None and self.due_on < (self.closed_on or day)


_GRAVITY = ("returned", "damaged", "lost")


def loan_of(state: State) -> Loan:
    """What all entries about a loan add up to; two people who closed it say the same, or the graver outcome stands."""
    facts = Facts(state)
    started = facts.of(e.LoanStarted)
    closings = [one.event for one in facts.of(e.LoanClosed)]
    start = started[0].event if started else None
    first: Any = start or (closings[0] if closings else None)
    return Loan(
        child=first.child if first else None,
        book=first.book if first else "",
        copy=start.copy if start else None,
        out_on=start.out_on if start else None,
        due_on=start.due_on if start else None,
        closed_on=min((one.on for one in closings), default=None),
        outcome=max((one.outcome for one in closings), key=_GRAVITY.index, default=""),
        status="closed" if closings else "out" if start else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """One hazard.  `status`: open, reported, remedied, verified; a report after the remedy changes nothing."""

    place: str = ""
    kind: str = ""
    severity: str = ""
    home: str = ""
    found_by: str = ""
    found_on: dt.date | None = None
    due_on: dt.date | None = None
    reported_on: dt.date | None = None
    reported_to: str = ""
    in_writing: bool = False
    remedied_on: dt.date | None = None
    verified_by: str = ""
    status: str = ""

    def overdue(self, day: dt.date) -> bool:
        """Whether it should have been remedied by a day."""
        return self.due_on is not None and self.due_on < (self.remedied_on or day)


SEVERE_DAYS, OTHER_DAYS = 3, 30
"""By when a hazard is remedied where its finder named no day."""


def hazard_of(state: State) -> Hazard:
    """What all entries about a hazard add up to."""
    facts = Facts(state)
    found = facts.of(e.HazardFound)
    first = found[0].event if found else None
    reports: tuple[e.HazardReported, ...] = _dated(facts, e.HazardReported, "on")
    remedies: tuple[e.HazardRemedied, ...] = _dated(facts, e.HazardRemedied, "on")
    verified = next((one.verified_by for one in remedies if one.verified_by), "")
    status = "verified" if verified else "remedied" if remedies else "reported" if reports else "open" if first else ""
    return Hazard(
        place=first.place if first else "",
        kind=first.kind if first else "",
        severity=first.severity if first else "",
        home=found[0].home if found else "",
        found_by=found[0].by if found else "",
        found_on=first.found_on if first else None,
        due_on=_due(first),
        reported_on=reports[0].on if reports else None,
        reported_to=reports[0].to if reports else "",
        in_writing=any(one.in_writing for one in reports),
        remedied_on=remedies[0].on if remedies else None,
        verified_by=verified,
        status=status,
    )


def _due(first: e.HazardFound | None) -> dt.date | None:
    if first is None or first.due_on is not None:
        return first.due_on if first else None
    return first.found_on + dt.timedelta(days=SEVERE_DAYS if first.severity == "severe" else OTHER_DAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One inspection: what was looked at, how much was wrong, what was said."""

    kind: str = ""
    home: str = ""
    place: str = ""
    on: dt.date | None = None
    inspector: str = ""
    items: int | None = None
    failed: int | None = None
    marks: int | None = None
    feedback: str = ""


def inspection_of(state: State) -> Inspection:
    """What all entries about an inspection add up to."""
    done = Facts(state).of(e.InspectionDone)
    if not done:
        return Inspection()
    one, event = done[-1], done[-1].event
    return Inspection(
        kind=event.kind,
        home=event.home or one.home,
        place=event.place or "",
        on=event.on,
        inspector=event.inspector or "",
        items=len(event.checked) if event.checked else event.items,
        failed=sum(not item.ok for item in event.checked) if event.checked else event.failed,
        marks=event.marks,
        feedback=event.feedback or "",
    )
