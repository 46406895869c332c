"""What is known of a worker and of a group.

A role is a register of its own for each post (`role:<role>:<place>`): taking it on and giving it up replace each other,
and where two people said different things unknown to each other, the narrower stands meanwhile: not in the post.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from domain import events as e
from domain.fold_place import family
from domain.standing import Facts
from domain.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A role at a place from a day, up to, not including, another."""

    role: str
    at: str
    from_on: dt.date | None
    to_on: dt.date | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker: what kinds of helper they are, the posts they hold and held, hours, courses, handovers."""

    name: str = ""
    code: str = ""
    home: str = ""
    kinds: tuple[str, ...] = ()
    organisation: str = ""
    organisation_kind: str = ""
    part_time: bool | None = None
    joined_on: dt.date | None = None
    checks_passed_on: dt.date | None = None
    posts: tuple[Post, ...] = ()
    former_posts: tuple[Post, ...] = ()
    hours: int = 0
    services: tuple[e.ServiceHoursRecorded, ...] = ()
    trainings: tuple[tuple[UUID, str], ...] = ()
    handovers: tuple[e.HandoverCompleted, ...] = ()


def worker_of(state: State) -> Worker:
    """What all entries about a worker add up to."""
    facts, value = Facts(state), state.value
    services = tuple(sorted((one.event for one in facts.of(e.ServiceHoursRecorded)), key=lambda one: one.on))
    roles = family(state, "role")
    registered = facts.of(e.WorkerRegistered)
    kinds = tuple(dict.fromkeys([*([value("kind")] if value("kind") else []), *(value("kinds") or ())]))
    return Worker(
        name=value("name") or "",
        code=value("code") or "",
        home=registered[0].home if registered else "",
        kinds=kinds,
        organisation=value("organisation") or "",
        organisation_kind=value("organisation_kind") or "",
        part_time=value("part_time"),
        joined_on=value("joined_on"),
        checks_passed_on=value("checks_passed_on"),
        posts=tuple(
            Post(role=one.role, at=one.at, from_on=one.from_on) for one in roles if isinstance(one, e.RoleAssigned)
        ),
        former_posts=_former(facts),
        hours=sum(one.hours.low for one in services),
        services=services,
        trainings=tuple((one.event.training, one.event.result) for one in facts.of(e.TrainingAttended)),
        handovers=tuple(one.event for one in facts.of(e.HandoverCompleted)),
    )


def _former(facts: Facts) -> tuple[Post, ...]:
    """The posts given up: each end with the last beginning before it."""
    begun = sorted((one.event for one in facts.of(e.RoleAssigned)), key=lambda one: one.from_on)
    found = []
    for end in sorted((one.event for one in facts.of(e.RoleEnded)), key=lambda one: (one.on, one.role, one.at)):
        since = [one.from_on for one in begun if (one.role, one.at) == (end.role, end.at) and one.from_on <= end.on]
        start = since[-1] if since else None
        found.append(Post(role=end.role, at=end.at, from_on=start, to_on=end.on, reason=end.reason))
    return tuple(found)


def holds(worker: Worker, role: str, at: str, day: dt.date) -> bool:
    """Whether somebody held a role at a place on a day."""
    now = any((one.role, one.at) == (role, at) and one.from_on and one.from_on <= day for one in worker.posts)
    return now or any(
        (one.role, one.at) == (role, at) and one.from_on and one.to_on and one.from_on <= day < one.to_on
        for one in worker.former_posts
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A leading or working group."""

    name: str = ""
    level: str = ""
    duty: str = ""
    from_on: dt.date | None = None
    members: tuple[e.Member, ...] = ()


def group_of(state: State) -> Group:
    """What all entries about a group add up to."""
    value = state.value
    return Group(
        name=value("name") or "",
        level=value("level") or "",
        duty=value("duty") or "",
        from_on=value("from_on"),
        members=value("members") or (),
    )
