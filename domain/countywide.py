"""The county itself as something that duties are owed for: its joint meetings, its platform, its supervision of homes.

Who writes them down is the county, on subjects of its own: a meeting, an update of the platform. They are owed from the
first day of the county's first term on, as far as it has scheduled any, else from the first of such deeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from domain.deeds import Deed, Known, Span, Subject, deeds_of, waivers_of
from domain.policy import COUNTY_SUBJECT
from domain.rules import FOR_EVER
from domain.tiers import COUNTY

OF_THE_COUNTY: Final = frozenset({"county", "meeting", "node"})
"""The kinds of subjects with the county's deeds."""

ITS_THINGS: Final = frozenset({"activity", "budget", "hazard", "project"})
"""What the county begins itself, as a home begins its own, with duties that follow from it."""


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
