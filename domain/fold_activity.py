"""What is known of an activity, a meeting, a training.

Several homes add to one activity: each its own attendance, and one of them says that it was held.  Who took part is the
union of all of it; a child named in two of them is there once, with the part that says most.  An activity that one
party called off and another held was held: somebody was there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain import events as e
from domain.quantity import Quantity
from domain.standing import Fact, Facts
from domain.state import State

_PARTS = ("absent", "attended", "helped", "performed")
"""How a child took part, from what says least to what says most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One activity.  `status`: planned, held, cancelled, or "" where only attendance is known; `doubtful` where it was
    both held and called off.  `children` maps each child to the way it took part; `unknown` counts register numbers
    and names that stand for nobody known."""

    title: str = ""
    kind: str = ""
    theme: str = ""
    level: str = ""
    place: str = ""
    home: str = ""
    on: dt.date | None = None
    planned_on: dt.date | None = None
    organisers: tuple[str, ...] = ()
    places_kept: int | None = None
    status: str = ""
    doubtful: bool = False
    minutes: int | None = None
    children: Mapping[UUID, str] = field(default_factory=dict)
    homes: tuple[str, ...] = ()
    unknown: int = 0
    guests: tuple[Quantity, ...] = ()
    cost_fen: int | None = None
    materials: tuple[e.MaterialsDistributed, ...] = ()
    evaluated_on: dt.date | None = None
    evaluation: e.ActivityEvaluated | None = None

    @property
    def present(self) -> int:
        """How many children took part."""
        return sum(part != "absent" for part in self.children.values())

    @property
    def performed(self) -> int:
        """How many of them performed."""
        return sum(part == "performed" for part in self.children.values())


def activity_of(state: State) -> Activity:
    """What all entries about an activity add up to."""
    facts = Facts(state)
    planned, held = facts.of(e.ActivityPlanned), facts.of(e.ActivityHeld)
    attendance, evaluations = facts.of(e.AttendanceTaken), facts.of(e.ActivityEvaluated)
    cancelled = facts.of(e.ActivityCancelled)
    said: list[Fact[Any]] = [*held, *planned]
    told = [one.event for one in said]
    status = "held" if held else "cancelled" if cancelled else "planned" if planned else ""
    return Activity(
        title=_said(told, "title") or "",
        kind=_said(told, "kind") or "",
        theme=_said(told, "theme") or "",
        level=_said(told, "level") or "",
        place=_said(told, "place") or "",
        home=next((one.home for one in [*said, *attendance]), ""),
        on=_said(told, "on"),
        planned_on=planned[0].event.on if planned else None,
        organisers=_said(told, "organisers") or (),
        places_kept=planned[-1].event.places_kept if planned else None,
        status=status,
        doubtful=bool(held and cancelled),
        minutes=_minutes(held),
        children=_children(held, attendance),
        homes=tuple(sorted({one.home for one in held} | {one.home for one in attendance})),
        unknown=sum(len(one.event.present_numbers) + len(one.event.present_names) for one in held),
        guests=tuple(
            [one.event.guests for one in held if one.event.guests]
            + [one.event.others for one in attendance if one.event.others]
        ),
        cost_fen=_said([one.event for one in held], "cost_fen"),
        materials=tuple(one.event for one in facts.of(e.MaterialsDistributed)),
        evaluated_on=min((one.event.on for one in evaluations if one.event.on), default=None),
        evaluation=evaluations[-1].event if evaluations else None,
    )


def _said(told: list[Any], name: str) -> Any:
    """What the first entry that says anything of it says."""
    return next((value for one in told if (value := getattr(one, name)) not in (None, (), "")), None)


def _minutes(held: list[Fact[e.ActivityHeld]]) -> int | None:
    for one in held:
        event = one.event
        if event.minutes is not None:
            return event.minutes
        if event.from_time is not None and event.to_time is not None:
            begin, end = event.from_time, event.to_time
            return max(0, (end.hour - begin.hour) * 60 + end.minute - begin.minute)
    return None


def _children(held: list[Fact[e.ActivityHeld]], attendance: list[Fact[e.AttendanceTaken]]) -> dict[UUID, str]:
    found: dict[UUID, str] = {}

    def note(child: UUID, part: str) -> None:
        if child not in found or _PARTS.index(part) > _PARTS.index(found[child]):
            found[child] = part

    for one in held:
        for child in one.event.absent:
            note(child, "absent")
        for child in one.event.present:
            note(child, "attended")
        for act in one.event.programme:
            for child in act.performers:
                note(child, "performed")
    for taken in attendance:
        for attendee in taken.event.children:
            note(attendee.child, attendee.role)
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that a meeting decided; numbered from 1 as in its record."""

    number: int
    text: str
    owner: str = ""
    due_on: dt.date | None = None
    closed_on: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """One meeting with what it decided and what of that is done."""

    kind: str = ""
    level: str = ""
    home: str = ""
    on: dt.date | None = None
    present: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()


def meeting_of(state: State) -> Meeting:
    """What all entries about a meeting add up to."""
    facts = Facts(state)
    held = facts.of(e.MeetingHeld)
    closed: dict[int, dt.date] = {}
    for one in facts.of(e.ActionClosed):
        closed[one.event.action] = min(one.event.on, closed.get(one.event.action, one.event.on))
    if not held:
        return Meeting()
    event = held[-1].event
    actions = [
        Action(number=n, text=one.text, owner=one.owner or "", due_on=one.due_on, closed_on=closed.get(n))
        for n, one in enumerate(event.decisions, 1)
    ]
    return Meeting(
        kind=event.kind,
        level=event.level or "",
        home=held[-1].home,
        on=event.on,
        present=event.present,
        actions=tuple(actions),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One course; who took part is said by the workers' own entries."""

    title: str = ""
    on: dt.date | None = None
    hours: Quantity | None = None
    trainer: str = ""
    persons: Quantity | None = None


def training_of(state: State) -> Training:
    """What all entries about a course add up to."""
    held = Facts(state).last(e.TrainingHeld)
    if held is None:
        return Training()
    return Training(title=held.title, on=held.on, hours=held.hours, trainer=held.trainer, persons=held.persons)
