"""What is known of a child beyond its card: pairings, consents, plans, duplicates, and what a reader should be wary of.

Single fields (name, guardian_phone, schooling, travel_mode …) are registers: `state.value("name")`.

**Pairings** are facts with an id of their own: two homes, or two cadres, may pair with a child unknown to each other,
and both pairings live until one is ended.  `one_to_one_excess` names what is one too many.

**Duplicates**: each of two files may say that the other is the same child, and each of two homes may say it of its own,
at once.  So no file disappears by itself; `pictures` puts the files that are linked together and lets the least id
stand for all, the same on every node.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from domain import events as e
from domain.childfile import late_facts
from domain.standing import Facts, local_day
from domain.state import State
from domain.tally import measure_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """One pairing of the child with a helper, from a day, up to, not including, another."""

    id: UUID
    kind: str
    home: str
    helper: str
    helper_name: str
    from_on: dt.date
    to_on: dt.date | None = None
    priority: bool = False
    checked_on: dt.date | None = None
    effect: str = ""

    def live(self, day: dt.date) -> bool:
        """Whether it was in force on a day."""
        return self.from_on <= day and (self.to_on is None or day < self.to_on)


class Link(NamedTuple):
    """What a file says of another: that they are of one child, since a day."""

    subject: bytes
    other: bytes
    on: dt.date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A child's file beyond its card.

    `consents`: what the guardian's word is on each scope.  `duplicates`: the files that are the same child.
    `by_former_home`: facts that a home recorded of a day after the child had left it.  `clock_doubts`: entries whose
    node's clock said a day before the fact happened, so the clock was wrong; the fact's own date counts.
    """

    pairings: tuple[Pairing, ...] = ()
    consents: Mapping[str, bool] = field(default_factory=dict)
    duplicates: tuple[Link, ...] = ()
    surveys: tuple[e.SituationSurveyed, ...] = ()
    illnesses: tuple[e.IllnessRecorded, ...] = ()
    plan: e.IndividualPlanWritten | None = None
    plan_reviewed_on: dt.date | None = None
    by_former_home: tuple[bytes, ...] = ()
    clock_doubts: tuple[bytes, ...] = ()


def child_of(state: State) -> Child:
    """What all entries about a child add up to, beyond its card."""
    facts = Facts(state)
    plan, reviewed_on = _plan(facts)
    return Child(
        pairings=pairings_of(facts),
        consents={
            name.partition(":")[2]: bool(state.value(name))
            for name in sorted(state.registers)
            if name.startswith("consent:")
        },
        duplicates=links_of(state),
        surveys=tuple(sorted((one.event for one in facts.of(e.SituationSurveyed)), key=lambda one: one.surveyed_on)),
        illnesses=tuple(sorted((one.event for one in facts.of(e.IllnessRecorded)), key=lambda one: one.onset)),
        plan=plan,
        plan_reviewed_on=reviewed_on,
        by_former_home=tuple(late_facts(state)),
        clock_doubts=tuple(sorted(_clock_doubts(facts))),
    )


def pairings_of(facts: Facts) -> tuple[Pairing, ...]:
    """Every pairing, ended or not, in order of its first day; of two ends of one the earlier counts."""
    ended: dict[UUID, dt.date] = {}
    for one in facts.of(e.PairingEnded):
        ended[one.event.pairing] = min(one.event.on, ended.get(one.event.pairing, one.event.on))
    checks: dict[UUID, e.PairingChecked] = {}
    for check in sorted((one.event for one in facts.of(e.PairingChecked)), key=lambda one: one.on):
        checks[check.pairing] = check
    found: dict[UUID, Pairing] = {}
    for formed in facts.of(e.PairingFormed):
        event, checked = formed.event, checks.get(formed.event.pairing)
        found[event.pairing] = Pairing(
            id=event.pairing,
            kind=event.kind,
            home=formed.home,
            helper=event.helper or event.helper_name,
            helper_name=event.helper_name,
            from_on=event.from_on,
            to_on=ended.get(event.pairing),
            priority=event.priority,
            checked_on=checked.on if checked else None,
            effect=checked.effect if checked else "",
        )
    return tuple(sorted(found.values(), key=lambda one: (one.from_on, one.id)))


def _plan(facts: Facts) -> tuple[e.IndividualPlanWritten | None, dt.date | None]:
    """The individual plan in force and its last review; None once one of a later day ended it."""
    written = sorted((one.event for one in facts.of(e.IndividualPlanWritten)), key=lambda one: one.on)
    if not written:
        return None, None
    since = [one.event for one in facts.of(e.IndividualPlanReviewed) if one.event.on >= written[-1].on]
    over = any(one.ended for one in since)
    return (None if over else written[-1]), max((one.on for one in since), default=None)


def links_of(state: State) -> tuple[Link, ...]:
    """The files that are the same child, each with the first day on which somebody said so.

    Who named no day said it on the day on which it was recorded: older figures stay as they were.
    """
    linked = [name for name in sorted(state.registers) if name.startswith("duplicate:") and state.value(name)]
    if not linked:
        return ()
    days: dict[UUID, dt.date] = {}
    for one in Facts(state).of(e.DuplicateChildLinked):
        if one.event.same:
            day = one.event.on or local_day(one.recorded_at_ms)
            days[one.event.other] = min(day, days.get(one.event.other, day))
    others = [UUID(name.partition(":")[2]) for name in linked]
    return tuple(Link(state.subject, other.bytes, days.get(other)) for other in others)


def _clock_doubts(facts: Facts) -> Iterable[bytes]:
    for one in facts:
        measure = measure_of(one.event)
        if measure is not None and local_day(one.recorded_at_ms) + _A_DAY < measure.on:
            yield one.id


_A_DAY = dt.timedelta(days=1)


def pictures(links: Iterable[Link], day: dt.date | None = None) -> dict[bytes, bytes]:
    """For every file that is linked to others: the file that stands for all of them, as of a day.

    A link without a day counts from the beginning.  Files that are not in the answer stand for themselves, so the
    number of children is that of the files less those that another one stands for.
    """
    stands: dict[bytes, bytes] = {}

    def head(file: bytes) -> bytes:
        while stands.setdefault(file, file) != file:
            file = stands[file]
        return file

    for link in links:
        if day is None or link.on is None or link.on <= day:
            first, second = sorted((head(link.subject), head(link.other)))
            stands[second] = first
    return {file: head(file) for file in sorted(stands)}


def one_to_one_excess(
    pairings: Iterable[tuple[bytes, Pairing]], day: dt.date, kind: str = "cadre"
) -> tuple[set[bytes], set[str]]:
    """The children with more than one live pairing of a kind that is one-to-one, and the helpers with more than one."""
    children: Counter[bytes] = Counter()
    helpers: Counter[str] = Counter()
    for subject, one in pairings:
        if one.kind == kind and one.live(day):
            children[subject] += 1
            helpers[one.helper] += 1
    return {one for one, n in children.items() if n > 1}, {one for one, n in helpers.items() if n > 1}
