"""Events of people and what they do together: workers, roles, training, groups, meetings."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from domain import codes
from domain import codes_county as words
from domain.codes_child import ROLE
from domain.codes_place import LEVEL
from domain.event import Event, HomeCode, Label, Note, Ref, Who, event
from domain.parts_of_events import Decision, Member
from domain.quantity import Quantity


@event(
    "worker-registered/1",
    about="worker",
    label="工作人员登记",
    english="worker registered",
    sensitivity="S2",
    kind="R",
)
class WorkerRegistered(Event):
    """登记工作人员或志愿者；志愿者通过审查之后才能开始。
    Somebody began to work for the home; a volunteer starts only after checks."""

    name: str
    code: str
    joined_on: dt.date
    kind: Annotated[str, codes.WORKER_KIND] | None = None
    phone: str | None = None
    kinds: tuple[Annotated[str, codes.WORKER_KIND], ...] = ()
    organisation: str | None = None
    organisation_kind: Annotated[str, words.ORGANISATION_KIND] | None = None
    skills: tuple[Annotated[str, words.SKILL], ...] = ()
    checks_passed_on: dt.date | None = None
    part_time: bool | None = None
    born_on: dt.date | None = None


@event("role-assigned/1", about="worker", label="任职", english="role assigned", sensitivity="S1", kind="R")
class RoleAssigned(Event):
    """从某日起在哪里担任什么职务。
    Somebody took on a role at a place from a day on."""

    role: Annotated[str, ROLE]
    at: Annotated[HomeCode, Label("任职单位", "at")]
    from_on: dt.date


@event("role-ended/1", about="worker", label="离任", english="role ended", sensitivity="S1", kind="R")
class RoleEnded(Event):
    """从某日起不再担任这一职务。
    Somebody gave up a role."""

    role: Annotated[str, ROLE]
    at: Annotated[HomeCode, Label("任职单位", "at")]
    on: dt.date
    reason: Annotated[str, words.ROLE_ENDED]


@event("service-hours-recorded/1", about="worker", label="服务时长", english="service hours", sensitivity="S2")
class ServiceHoursRecorded(Event):
    """志愿服务多少小时，做了什么；节假日和业余时间也算。
    Hours of service, holidays and free time included."""

    on: dt.date
    hours: Quantity
    service: Annotated[str, words.SERVICE_FOR]
    note: Note | None = None


@event("training-held/1", about="training", label="培训", english="training", sensitivity="S1")
class TrainingHeld(Event):
    """举办一次培训：内容、课时、授课人。
    A course was held."""

    title: str
    on: dt.date
    hours: Quantity
    trainer: str
    persons: Annotated[Quantity, Label("参训人数", "people")] | None = None


@event("training-attended/1", about="worker", label="参加培训", english="training attended", sensitivity="S1")
class TrainingAttended(Event):
    """这位工作人员参加了哪次培训，结果如何。
    Somebody took part in a course."""

    training: Annotated[UUID, Ref("training"), Label("培训", "training")]
    result: Annotated[str, words.TRAINING_RESULT]
    on: dt.date | None = None


@event("handover-completed/1", about="worker", label="工作交接", english="handover", sensitivity="S1")
class HandoverCompleted(Event):
    """离任时把未完成的工作交给谁。
    Open items were handed over to somebody."""

    to: Annotated[Who, Label("交给", "to")]
    on: dt.date
    open_items: tuple[UUID, ...] = ()
    note: Note | None = None


@event("group-set/1", about="group", label="领导小组", english="group set up", sensitivity="S1", kind="R")
class GroupSet(Event):
    """成立领导小组或工作小组：级别、成员和分工。
    A group was set up: level, members, duties."""

    name: str
    level: Annotated[str, LEVEL]
    members: tuple[Member, ...]
    from_on: dt.date
    duty: Annotated[Note, Label("职责", "duty")] | None = None


@event("meeting-held/1", about="meeting", label="会议", english="meeting", sensitivity="S2", kind="W")
class MeetingHeld(Event):
    """开会：谁参加、议了什么、决定什么、谁在何时前办。
    A meeting: present, agenda, decisions with owner and date."""

    kind: Annotated[str, words.MEETING_KIND]
    on: dt.date
    present: Annotated[tuple[Who, ...], Label("参加人", "present")] = ()
    others: Quantity | None = None
    agenda: Note | None = None
    wishes: Note | None = None
    decisions: tuple[Decision, ...] = ()
    level: Annotated[str, LEVEL] | None = None


@event("action-closed/1", about="meeting", label="决定落实", english="action closed", sensitivity="S1", kind="W")
class ActionClosed(Event):
    """会议的第几项决定已经落实。
    What a meeting had decided is done."""

    action: int
    on: dt.date
    note: Note | None = None
