"""Events of care for one child: talks, contacts, visits, diaries, plans."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from domain import codes
from domain.event import Channel, Event, Kinship, Photo, event


@event("talk-held/1", about="child", label="谈心", english="talk", sensitivity="S3")
class TalkHeld(Event):
    """Somebody talked with the child and filled in the talk record card."""

    on: dt.date
    talked_by: str | None = None
    place: str | None = None
    minutes: int | None = None
    mood: int | None = None
    topics: tuple[str, ...] = ()
    summary: str | None = None
    agreed: str | None = None
    follow_up_on: dt.date | None = None


@event("guardian-contacted/1", about="child", label="家校联系", english="parent or teacher contacted", sensitivity="S3")
class GuardianContacted(Event):
    """A parent, the guardian or the class teacher was spoken with about the child; marks are tenths of a point."""

    on: dt.date
    party: Annotated[str, codes.PARTY]
    channel: Channel | None = None
    with_name: str | None = None
    gist: str | None = None
    marks_tenths: Mapping[str, int] | None = None


@event("family-contact-made/1", about="child", label="亲情联系", english="family contact", sensitivity="S3")
class FamilyContactMade(Event):
    """The child called, wrote to or met its family, or tried to."""

    kind: Annotated[str, codes.CONTACT_KIND]
    on: dt.date
    reached: bool = True
    with_whom: Kinship | None = None
    channel: Channel | None = None
    minutes: int | None = None
    pages: int | None = None
    text: str | None = None
    note: str | None = None


@event("home-visit-recorded/1", about="child", label="家访", english="home visit", sensitivity="S4")
class HomeVisitRecorded(Event):
    """Somebody went to see the child at home."""

    visited_on: dt.date
    met: str | None = None
    distance_m: int | None = None
    living: Annotated[str, codes.LIVING] | None = None
    found: str | None = None
    safety: str | None = None
    guardian_health: Annotated[str, codes.HEALTH] | None = None
    wishes: str | None = None
    todo: tuple[str, ...] = ()
    unmet_reason: str | None = None


@event("diary-entry-written/1", about="child", label="成长日记", english="growth diary", sensitivity="S3")
class DiaryEntryWritten(Event):
    """A page of the child's growth diary."""

    on: dt.date
    text: str
    weather: Annotated[str, codes.WEATHER] | None = None
    photo: Photo | None = None


@event("help-plan-written/1", about="child", label="帮护计划", english="help plan", sensitivity="S3")
class HelpPlanWritten(Event):
    """What helpers mean to do for the child in a term."""

    kind: Annotated[str, codes.PLAN_KIND]
    on: dt.date
    term: str
    goals: tuple[str, ...]
    keeper: str | None = None
    pairing: UUID | None = None


@event("help-summary-written/1", about="child", label="帮扶总结", english="help summary", sensitivity="S3")
class HelpSummaryWritten(Event):
    """What came of a term's help."""

    on: dt.date
    term: str
    effect: str
    rank: Annotated[str, codes.RANK] | None = None
    pairing: UUID | None = None
