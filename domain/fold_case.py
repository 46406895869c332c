"""What is known of a case, and of a message: steps, referrals, sessions; whether it was closed, or answered.

A case is closed when somebody closed it, also if a step that was taken earlier arrives later: to reopen one, the
closing is withdrawn by name.  Dates for counting are the day it was received and the day it was closed, never when it
was written down.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from domain import events as e
from domain.quantity import Quantity
from domain.standing import Facts
from domain.state import State

RISKS = ("none", "low", "medium", "high", "crisis")
"""From the least to the greatest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case.  `status`: open, closed, or "" where its opening is not known here."""

    child: UUID | None = None
    person: str = ""
    kind: str = ""
    channel: str = ""
    urgent: bool = False
    received_on: dt.date | None = None
    home: str = ""
    status: str = ""
    first_step_on: dt.date | None = None
    extended_to: dt.date | None = None
    steps: tuple[e.CaseStepRecorded, ...] = ()
    sessions: tuple[e.CounsellingSessionHeld, ...] = ()
    referred_to: tuple[str, ...] = ()
    closed_on: dt.date | None = None
    outcome: str = ""
    satisfied: str = ""
    risk: str = ""
    hours: tuple[Quantity, ...] = ()

    @property
    def days_to_close(self) -> int | None:
        """From the day it was received to the day it was closed."""
        if self.closed_on is None or self.received_on is None:
            return None
        return (self.closed_on - self.received_on).days


def case_of(state: State) -> Case:
    """What all entries about a case add up to."""
    facts = Facts(state)
    opened = facts.of(e.CaseOpened)
    opening = opened[0].event if opened else None
    steps = tuple(sorted((one.event for one in facts.of(e.CaseStepRecorded)), key=lambda one: one.at))
    sessions = tuple(sorted((one.event for one in facts.of(e.CounsellingSessionHeld)), key=lambda one: one.on))
    referrals = sorted((one.event for one in facts.of(e.CaseReferred)), key=lambda one: (one.on, one.to))
    closings = sorted((one.event for one in facts.of(e.CaseClosed)), key=lambda one: one.on)
    worked = [one.at.date() for one in steps] + [one.on for one in sessions]
    worked += [one.on for one in referrals] + [one.on for one in closings]
    return Case(
        child=opening.child if opening else None,
        person=(opening.person or "") if opening else "",
        kind=opening.kind if opening else "",
        channel=opening.channel if opening else "",
        urgent=any(one.event.urgent for one in opened),
        received_on=min((one.event.received_at.date() for one in opened), default=None),
        home=opened[0].home if opened else "",
        status="closed" if closings else "open" if opening else "",
        first_step_on=min(worked, default=None),
        extended_to=max((one.until_on for one in steps if one.until_on), default=None),
        steps=steps,
        sessions=sessions,
        referred_to=tuple(dict.fromkeys(one.to for one in referrals)),
        closed_on=closings[0].on if closings else None,
        outcome=closings[-1].outcome if closings else "",
        satisfied=(closings[-1].satisfied or "") if closings else "",
        risk=sessions[-1].risk if sessions else "",
        hours=tuple(one.hours for one in steps if one.hours is not None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message; `answered_at` is the first answer, `risk` the greatest that anyone named."""

    child: UUID | None = None
    channel: str = ""
    received_at: dt.datetime | None = None
    anonymous: bool = False
    urgent: bool = False
    risk: str = ""
    answered_at: dt.datetime | None = None
    how: str = ""


def message_of(state: State) -> Message:
    """What all entries about a message add up to."""
    facts = Facts(state)
    received = [one.event for one in facts.of(e.MessageReceived)]
    answers = sorted((one.event for one in facts.of(e.MessageAnswered)), key=lambda one: one.at)
    first = received[0] if received else None
    return Message(
        child=first.child if first else None,
        channel=first.channel if first else "",
        received_at=min((one.at for one in received), default=None),
        anonymous=bool(first and first.anonymous),
        urgent=any(one.urgent for one in received),
        risk=max((one.risk for one in received if one.risk), key=RISKS.index, default=""),
        answered_at=answers[0].at if answers else None,
        how=answers[0].how if answers else "",
    )
