"""What is known of the county (terms, rules) and of a node (who looked at what, exports, erasures).

What is set of a rule is a fact of who says it, the county or a home for itself, and no field that two of them could
disagree about: whose word holds when, `policy` says.
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
    """The county's terms in order of their beginning, and all that it set of each rule, in order of its day.

    `tightened`: what homes ask of themselves beyond that; it binds them alone, and whose word holds when `policy` says.
    """

    terms: tuple[e.TermScheduled, ...] = ()
    rules: Mapping[str, tuple[e.PolicyRuleSet, ...]] = field(default_factory=dict)
    tightened: tuple[tuple[str, e.PolicyRuleSet], ...] = ()
    platform: tuple[e.PlatformUpdated, ...] = ()


def county_of(state: State) -> County:
    """What all entries about the county add up to."""
    terms: list[e.TermScheduled] = family(state, "term")
    rules: dict[str, list[e.PolicyRuleSet]] = {}
    facts = Facts(state)
    said = facts.of(e.PolicyRuleSet)
    for one in sorted(said, key=lambda one: (one.event.from_on, one.order)):
        if is_hub(one.home):
            rules.setdefault(one.event.rule, []).append(one.event)
    return County(
        terms=tuple(sorted(terms, key=lambda one: (one.from_on, one.name))),
        rules={name: tuple(rules[name]) for name in sorted(rules)},
        tightened=tuple((one.home, one.event) for one in said if not is_hub(one.home)),
        platform=tuple(sorted((one.event for one in facts.of(e.PlatformUpdated)), key=lambda one: one.on)),
    )


def rule_in_force(county: County, rule: str, day: dt.date) -> e.PolicyRuleSet | None:
    """What the county last set of a rule for periods that begin on a day; None before, or where it was switched off."""
    before = [one for one in county.rules.get(rule, ()) if one.from_on <= day]
    is_on = next((one.enabled for one in reversed(before) if one.enabled is not None), True)
    return before[-1] if before and is_on else None


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
