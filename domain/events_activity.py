"""Events of activities and of safety: plans, attendance, hazards, inspections, rides.

Attendance names children by id only; at a county-wide activity every home adds its own `AttendanceTaken`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from domain import codes
from domain import codes_place as words
from domain.codes_child import EFFECT
from domain.event import ChildId, Event, HomeCode, Label, Note, Photo, Who, event
from domain.parts_of_events import Act, Attendee, Finding
from domain.quantity import Quantity


@event("activity-planned/1", about="activity", label="活动计划", english="activity planned", sensitivity="S1", kind="W")
class ActivityPlanned(Event):
    """计划一次活动：主题、时间、地点、组织者、名额和经费。
    An activity was planned."""

    kind: Annotated[str, codes.ACTIVITY_KIND]
    title: str
    on: dt.date
    theme: Annotated[str, words.THEME] | None = None
    level: Annotated[str, words.LEVEL] | None = None
    at: Annotated[dt.time, Label("开始时间", "begins at")] | None = None
    place: str | None = None
    organisers: tuple[str, ...] = ()
    places_kept: int | None = None
    budget_line: str | None = None
    cost_fen: int | None = None


@event(
    "activity-held/1",
    about="activity",
    label="活动",
    english="activity",
    sensitivity="S3",
    kind="W",
    fields={"photo_ids": "S4"},
)
class ActivityHeld(Event):
    """活动办完了：时间、节目、来宾、花费和照片；到场的孩子可以一起填。
    An activity took place; who came may be part of the same fact, as it is written down in one go."""

    kind: Annotated[str, codes.ACTIVITY_KIND]
    on: dt.date
    title: str | None = None
    leader: str | None = None
    minutes: int | None = None
    present: tuple[ChildId, ...] = ()
    present_numbers: tuple[int, ...] = ()
    present_names: tuple[str, ...] = ()
    absent: tuple[ChildId, ...] = ()
    absent_numbers: tuple[int, ...] = ()
    guests: Quantity | None = None
    gifts: tuple[str, ...] = ()
    programme: tuple[Act, ...] = ()
    photo_ids: tuple[Photo, ...] = ()
    note: Note | None = None
    theme: Annotated[str, words.THEME] | None = None
    level: Annotated[str, words.LEVEL] | None = None
    place: str | None = None
    organisers: tuple[str, ...] = ()
    from_time: dt.time | None = None
    to_time: dt.time | None = None
    cost_fen: int | None = None
    speaker: str | None = None


@event(
    "activity-cancelled/1", about="activity", label="活动取消", english="activity cancelled", sensitivity="S0", kind="W"
)
class ActivityCancelled(Event):
    """计划的活动不办了。
    An activity was called off."""

    on: dt.date
    reason: Annotated[str, words.CANCELLED]


@event("attendance-taken/1", about="activity", label="签到", english="attendance", sensitivity="S3")
class AttendanceTaken(Event):
    """本家哪些孩子参加了活动，谁表演、谁缺席；另有多少人到场。
    Which of the home's children came, performed or were absent, and how many others."""

    children: tuple[Attendee, ...]
    others: Quantity | None = None
    on: dt.date | None = None


@event("activity-evaluated/1", about="activity", label="活动评估", english="activity evaluated", sensitivity="S1")
class ActivityEvaluated(Event):
    """办下一次之前先总结：达到了什么、有什么问题、要不要再办。
    What an activity came to, before the next of its kind."""

    reached: Annotated[Note, Label("达到的目的", "what was reached")]
    effect: Annotated[str, EFFECT]
    problems: Note | None = None
    lessons: Note | None = None
    again: bool = False
    on: dt.date | None = None


@event(
    "materials-distributed/1", about="activity", label="发放宣传资料", english="materials distributed", sensitivity="S0"
)
class MaterialsDistributed(Event):
    """发放了什么宣传资料，多少份。
    Leaflets were given out."""

    material: str
    topic: Annotated[str, words.THEME]
    count: Quantity
    on: dt.date | None = None


@event("hazard-found/1", about="hazard", label="发现隐患", english="hazard found", sensitivity="S1", kind="W")
class HazardFound(Event):
    """发现安全隐患：在哪里、什么隐患、多严重、何时前整改。
    A hazard was found: where, what, how severe, to be remedied by when."""

    place: str
    kind: Annotated[str, words.HAZARD_KIND]
    severity: Annotated[str, words.SEVERITY]
    found_on: dt.date
    due_on: dt.date | None = None
    what: Note | None = None
    photo: Photo | None = None


@event("hazard-reported/1", about="hazard", label="上报隐患", english="hazard reported", sensitivity="S1", kind="W")
class HazardReported(Event):
    """向负责人报告隐患，写明是否书面。
    A hazard was reported to whoever is responsible."""

    to: Annotated[Who, Label("报告给", "to")]
    on: dt.date
    in_writing: bool = True


@event("hazard-remedied/1", about="hazard", label="隐患整改", english="hazard remedied", sensitivity="S1", kind="W")
class HazardRemedied(Event):
    """隐患怎样整改的，谁验收；附照片。
    A hazard was remedied, and who verified it."""

    on: dt.date
    how: Note
    verified_by: Who | None = None
    photo: Photo | None = None


@event("inspection-done/1", about="inspection", label="检查", english="inspection", sensitivity="S3")
class InspectionDone(Event):
    """检查寝室、食堂、卫生、设施或网吧，或督导一个之家；逐项写明是否合格。
    A dormitory, the equipment, a home or another thing was inspected."""

    kind: Annotated[str, codes.INSPECTION_KIND]
    on: dt.date
    inspector: str | None = None
    items: Annotated[int, Label("检查项数", "items")] | None = None
    failed: int | None = None
    findings: Annotated[tuple[str, ...], Label("发现的问题", "findings")] = ()
    beds: int | None = None
    away: tuple[ChildId, ...] = ()
    away_numbers: tuple[int, ...] = ()
    celsius: int | None = None
    note: Note | None = None
    place: str | None = None
    home: HomeCode | None = None
    checked: tuple[Finding, ...] = ()
    marks: int | None = None
    feedback: Note | None = None


@event(
    "ride-registered/1",
    about="vehicle",
    label="乘车登记",
    english="ride registered",
    sensitivity="S3",
    kind="R",
    fields={"child_ids": "S3"},
)
class RideRegistered(Event):
    """登记接送车辆：车牌、驾驶员、座位数、线路和乘车的孩子。
    A vehicle that takes children: plate, driver, seats, route, riders."""

    plate: str
    driver: str
    seats: int
    driver_phone: str | None = None
    route: str | None = None
    child_ids: tuple[ChildId, ...] = ()
    on: dt.date | None = None


@event("ride-checked/1", about="vehicle", label="乘车检查", english="ride checked", sensitivity="S2")
class RideChecked(Event):
    """清点乘车人数，是否超载。
    The riders were counted."""

    on: dt.date
    riders: int
    overloaded: bool = False
    note: Note | None = None
