"""What is known of the county (terms, rules) and of a node (who looked at what, exports, erasures).

What is set of a rule is a fact of who says it, the county or a home for itself, and no field that two of them could
disagree about: whose word holds when, `policy` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain import events as e
from domain.fold_place import family
from domain.standing import Facts
from domain.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class County:
    """The county's terms in order of their beginning, and all that anybody set of each rule, in order of its day."""

    terms: tuple[e.TermScheduled, ...] = ()
    rules: Mapping[str, tuple[e.PolicyRuleSet, ...]] = field(default_factory=dict)


def county_of(state: State) -> County:
    """What all entries about the county add up to."""
    terms: list[e.TermScheduled] = family(state, "term")
    rules: dict[str, list[e.PolicyRuleSet]] = {}
    for one in sorted(Facts(state).of(e.PolicyRuleSet), key=lambda one: (one.event.from_on, one.order)):
        rules.setdefault(one.event.rule, []).append(one.event)
    return County(
        terms=tuple(sorted(terms, key=lambda one: (one.from_on, one.name))),
        rules={name: tuple(rules[name]) for name in sorted(rules)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a node wrote about itself."""

    views: tuple[e.RecordViewed, ...] = ()
    exports: tuple[e.ExportMade, ...] = ()
    ordered: int = 0
    erased: int = 0


def node_of(state: State) -> Node:
    """What all entries about a node add up to."""
    facts = Facts(state)
    return Node(
        views=tuple(sorted((one.event for one in facts.of(e.RecordViewed)), key=lambda one: one.at)),
        exports=tuple(one.event for one in facts.of(e.ExportMade)),
        ordered=len({subject for one in facts.of(e.ErasureOrdered) for subject in one.event.subjects}),
        erased=len({one.event.subject for one in facts.of(e.ErasureExecuted)}),
    )
