"""What is known of the county (terms, rules) and of a node (who looked at what, exports, erasures).

A rule has a version for each day from which it counts.  A period keeps the version that was in force when it began, so
a rule that changes in mid-term changes nothing that is already owed, and auditors see every version.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain import events as e
from domain.fold_place import family
from domain.standing import Facts
from domain.state import State
from domain.tiers import is_hub


@dataclass(frozen=True, slots=True, kw_only=True)
class County:
    """The county's terms in order of their beginning, and every version of every rule in order of its day.

    `tightened`: what homes ask of themselves beyond that; it binds them alone, and whether it is stricter is for
    whoever reads it to say.
    """

    terms: tuple[e.TermScheduled, ...] = ()
    rules: Mapping[str, tuple[e.PolicyRuleSet, ...]] = field(default_factory=dict)
    tightened: tuple[tuple[str, e.PolicyRuleSet], ...] = ()


def county_of(state: State) -> County:
    """What all entries about the county add up to."""
    terms: list[e.TermScheduled] = family(state, "term")
    versions: list[e.PolicyRuleSet] = family(state, "rule")
    rules: dict[str, list[e.PolicyRuleSet]] = {}
    for one in sorted(versions, key=lambda one: (one.rule, one.from_on)):
        rules.setdefault(one.rule, []).append(one)
    return County(
        terms=tuple(sorted(terms, key=lambda one: (one.from_on, one.name))),
        rules={name: tuple(found) for name, found in rules.items()},
        tightened=tuple((one.home, one.event) for one in Facts(state).of(e.PolicyRuleSet) if not is_hub(one.home)),
    )


def rule_in_force(county: County, rule: str, day: dt.date) -> e.PolicyRuleSet | None:
    """The version of a rule for a period that begins on a day; None where there is none yet, or it was disabled."""
    before = [one for one in county.rules.get(rule, ()) if one.from_on <= day]
    return before[-1] if before and before[-1].enabled else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a node wrote about itself: subjects ordered to be erased, and erased, with the number of entries."""

    views: tuple[e.RecordViewed, ...] = ()
    exports: tuple[e.ExportMade, ...] = ()
    ordered: int = 0
    erased: int = 0
    erased_entries: int = 0


def node_of(state: State) -> Node:
    """What all entries about a node add up to."""
    facts = Facts(state)
    return Node(
        views=tuple(sorted((one.event for one in facts.of(e.RecordViewed)), key=lambda one: one.at)),
        exports=tuple(one.event for one in facts.of(e.ExportMade)),
        ordered=len({subject for one in facts.of(e.ErasureOrdered) for subject in one.event.subjects}),
        erased=len({one.event.subject for one in facts.of(e.ErasureExecuted)}),
        erased_entries=sum(one.event.entries for one in facts.of(e.ErasureExecuted)),
    )
