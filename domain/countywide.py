"""The county itself as something that duties are owed for: its joint meetings, its platform, its supervision of homes.

Who writes them down is the county, on subjects of its own: a meeting, an update of the platform. They are owed from the
first day of the county's first term on, as far as it has scheduled any, else from the first of such deeds.

What it waives about itself it waives wherever it owes something: of a visit to each home the one to every home. What a
home waives excuses nobody else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final

from domain import deeds as d
from domain.deeds import Around, Deed, Known, Span, Subject, Waiver, deeds_of, waivers_of
from domain.obligations import Duty, due
from domain.policy import COUNTY_SUBJECT, Policy
from domain.rules import FOR_EVER, Rule
from domain.state import State
from domain.tiers import COUNTY, hub_of

OF_THE_COUNTY: Final = frozenset({"county", "meeting", "node"})
"""The kinds of subjects with the county's deeds."""

ITS_THINGS: Final = frozenset({"activity", "budget", "hazard", "project"})
"""What the county begins itself, as a home begins its own, with duties that follow from it."""

HOLDER: Final = "county"
"""Who owes what the county owes for each of its homes."""


def county(states: Iterable[Known]) -> Subject:
    """The county with all that it did, whoever of it wrote it down; a home's word is none of it."""
    found: dict[str, list[Deed]] = {}
    for state in states:
        for name, deeds in deeds_of(state).items():
            own = [one for one in deeds if one.home == COUNTY]
            if own:
                found.setdefault(name, []).extend(own)
    for deeds in found.values():
        deeds.sort(key=lambda one: (one.day, one.id))
    terms = found.get("term-scheduled", ())
    first = min((one[0].day for one in (found.values() if not terms else [terms])), default=FOR_EVER)
    return Subject(
        kind="county",
        id=COUNTY_SUBJECT,
        spans=(Span(COUNTY, first, FOR_EVER),),
        deeds=found,
        waivers=waivers_of(found),
    )


def subjects(states: Iterable[Known]) -> Iterator[Subject]:
    """All that the county owes something for: itself, each of its own homes, what it began itself."""
    known = list(states)

    def of(kinds: Iterable[str]) -> list[Known]:
        return [one for kind in sorted(kinds) for one in known if one.kind == kind]

    itself = county(of(OF_THE_COUNTY))
    yield itself
    homes = of(("home",))
    seen_to = [*homes, *of(("inspection",))]
    for one in homes:
        registered = deeds_of(one).get("home-registered", ())
        if registered and hub_of(registered[0].home) == COUNTY:  # whoever is above another county does not owe it this
            waivers = (*_its_waivers(one), *itself.waivers)
            yield d.home(registered[0].home, one.subject, seen_to, Around(waivers=waivers))
    for one in of(ITS_THINGS):
        made = d.thing(one)
        if _is_its_own(made):
            made.waivers = (*_its_waivers(one), *itself.waivers)
            yield made


def _its_waivers(state: Known) -> tuple[Waiver, ...]:
    """What the county itself waived about a subject."""
    said = deeds_of(state).get("obligation-waived", ())
    return waivers_of({"obligation-waived": [one for one in said if one.home == COUNTY]})


def may_waive(state: State, rules: Iterable[Rule]) -> bool:
    """Whether the county owes what one of these rules asks for a subject; said of itself, wherever it does."""
    match state.kind:
        case "county":
            return any(one.duty_holder == HOLDER or one.about in ITS_THINGS | {"county"} for one in rules)
        case "home":
            return any(one.duty_holder == HOLDER and one.about == "home" for one in rules)
        case kind:
            return kind in ITS_THINGS and _is_its_own(d.thing(state)) and any(one.about == kind for one in rules)


def _is_its_own(thing: Subject) -> bool:
    return bool(thing.spans) and thing.spans[0].home == COUNTY


def duties(states: Iterable[Known], policy: Policy, today: dt.date, ahead: dt.date | None = None) -> Iterator[Duty]:
    """What the county owes, done or not, by a day (`ahead`: or until then)."""
    calendar = policy.calendar(COUNTY)
    for subject in subjects(states):
        holder = HOLDER if subject.kind == "home" else ""
        yield from due(subject, policy.rules, calendar, today, ahead, holder=holder)
