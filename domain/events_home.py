"""Events of the home as a place: its entry in the register, hours, duty, groups, rules, letters, plans, honours.

Children are named by id only.  A register number that stands for no child known to the writing node is kept beside
the ids (`…_numbers`), so that nothing that was written down is lost.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from domain import codes
from domain import codes_place as words
from domain.event import ChildId, Event, Json, Label, Note, Photo, Ref, Term, Who, event
from domain.parts_of_events import PlanItem


@event("home-registered/1", about="home", label="设立之家", english="home registered", sensitivity="S1", kind="R")
class HomeRegistered(Event):
    """登记一个留守儿童之家、工作站、心理援助站或留守儿童班。
    A home was opened."""

    name: str
    opened_on: dt.date
    kind: Annotated[str, codes.HOME_KIND] = "home"
    phone: str | None = None
    rooms: int | None = None
    capacity: int | None = None
    area_m2: int | None = None
    keeper: str | None = None
    township: str | None = None
    village: str | None = None
    sign_fitted: bool | None = None
    equipment: tuple[str, ...] = ()
    hours: str | None = None


@event(
    "home-profile-changed/1",
    about="home",
    label="之家信息变更",
    english="home's profile changed",
    sensitivity="S1",
    kind="R",
    line="〔{on}〕之家信息变更：{field}改为{value}。",
)
class HomeProfileChanged(Event):
    """之家登记的一项内容有了变化，只改这一项。
    One field of the home's entry in the register took a new value."""

    field: Annotated[str, codes.HOME_FIELD]
    value: Json
    on: dt.date | None = None


@event("equipment-state-recorded/1", about="home", label="设备状况", english="state of equipment", sensitivity="S1")
class EquipmentStateRecorded(Event):
    """亲情电话、监控、消防等设备是否能用，有什么故障。
    Whether a piece of equipment works, and what is wrong with it."""

    item: Annotated[str, words.EQUIPMENT]
    working: bool
    since: dt.date
    fault: Note | None = None


@event("mailbox-emptied/1", about="home", label="开信箱", english="mailbox emptied", sensitivity="S1")
class MailboxEmptied(Event):
    """按时打开悄悄话信箱，取出几张纸条，没有也记一次；每张纸条另记“悄悄话”，这里不写内容。
    The mailbox was opened and emptied, even where nothing was in it; each note is recorded by itself."""

    on: dt.date
    by: Who | None = None
    notes: Annotated[int, Label("纸条张数", "notes found")] | None = None


@event("opening-scheduled/1", about="home", label="开放安排", english="opening scheduled", sensitivity="S1", kind="R")
class OpeningScheduled(Event):
    """每周哪一天、几点到几点开放。
    On which weekday the home is open, from when to when."""

    weekday: Annotated[str, words.WEEKDAY]
    from_time: dt.time
    to_time: dt.time
    valid_from: dt.date
    kind: Annotated[str, codes.OPENING_KIND] = "room"
    ended: Annotated[bool, Label("取消这一安排", "no longer open then")] = False


@event("opening-held/1", about="home", label="开放", english="opening", sensitivity="S3")
class OpeningHeld(Event):
    """今天开放：从几点到几点、谁值班、来了哪些孩子；没开放写明原因。
    The home was open to children for a while, or stayed closed for a reason."""

    on: dt.date
    kind: Annotated[str, codes.OPENING_KIND] = "room"
    minutes: int | None = None
    present: tuple[ChildId, ...] = ()
    present_numbers: tuple[int, ...] = ()
    note: Note | None = None
    from_time: dt.time | None = None
    to_time: dt.time | None = None
    duty: Who | None = None
    head_count: int | None = None
    closed_reason: Annotated[str, words.CLOSED_REASON] | None = None
    subject: str | None = None


@event("duty-rostered/1", about="home", label="排班", english="duty rostered", sensitivity="S2")
class DutyRostered(Event):
    """安排某天某班由谁值班。
    Who is to be on duty."""

    on: dt.date
    shift: Annotated[str, words.SHIFT]
    person: Who
    for_person: Who | None = None


@event("duty-taken/1", about="home", label="值班", english="duty taken", sensitivity="S2")
class DutyTaken(Event):
    """某天某班实际由谁值班，替谁值的。
    Who was on duty, and for whom."""

    on: dt.date
    shift: Annotated[str, words.SHIFT]
    person: Who
    for_person: Who | None = None
    note: Note | None = None


@event("interest-group-set/1", about="home", label="兴趣小组", english="interest group", sensitivity="S3", kind="R")
class InterestGroupSet(Event):
    """一个兴趣小组的科目、辅导老师、活动日、地点和成员。
    An interest group: subject, tutor, days, place, members."""

    group: Annotated[UUID, Ref("interest_group"), Label("小组", "group")]
    subject: Annotated[str, words.GROUP_SUBJECT]
    tutor: Who | None = None
    weekdays: tuple[Annotated[str, words.WEEKDAY], ...] = ()
    place: str | None = None
    child_ids: tuple[ChildId, ...] = ()
    ended: bool = False


@event("rule-adopted/1", about="home", label="制度公示", english="rule adopted", sensitivity="S0", kind="R")
class RuleAdopted(Event):
    """制度上墙或收费公示：名称、内容、何时通过、是否张贴。
    A rule or a list of fees was adopted, and posted."""

    title: str
    text: Note
    kind: Annotated[str, words.RULE_KIND]
    adopted_on: dt.date
    posted: bool = False
    replaces: Annotated[UUID, Label("替代的制度", "rule replaced")] | None = None


@event(
    "responsibility-letter-signed/1", about="home", label="责任书", english="responsibility letter", sensitivity="S1"
)
class ResponsibilityLetterSigned(Event):
    """签订安全、路队护送或卫生责任书。
    A letter of responsibility was signed."""

    kind: Annotated[str, words.LETTER_KIND]
    level: Annotated[str, words.LETTER_LEVEL]
    between: tuple[str, ...]
    signed_on: dt.date
    period: str
    file: Photo | None = None


@event("plan-filed/1", about="home", label="学期计划", english="term plan filed", sensitivity="S1")
class PlanFiled(Event):
    """之家本学期的工作计划：目标和各项工作的时间。
    The home's plan for a term."""

    term: Term
    goals: Note
    items: tuple[PlanItem, ...] = ()
    on: dt.date | None = None
    file: Photo | None = None


@event("assessment-scored/1", about="home", label="考评打分", english="assessment scored", sensitivity="S0")
class AssessmentScored(Event):
    """按标准逐项给之家打分。
    The home was scored by a standard."""

    standard: str
    scores: Mapping[str, int]
    on: dt.date
    round: str | None = None


@event("title-awarded/1", about="home", label="命名表彰", english="title awarded", sensitivity="S0")
class TitleAwarded(Event):
    """授予之家或班级称号，写明级别和有效期；撤销也记在这里。
    A title was given to the home or a class, or taken back."""

    title: Annotated[str, words.HONOUR]
    level: Annotated[str, words.LEVEL]
    on: dt.date
    valid_to: dt.date | None = None
    round: str | None = None
    winner: Annotated[str, Label("获得者", "winner")] | None = None
    withdrawn: Annotated[bool, Label("撤销称号", "taken back")] = False


@event("obligation-waived/1", about="", label="免除一项工作", english="obligation waived", sensitivity="S1")
class ObligationWaived(Event):
    """说明某项应做的工作本期为什么不用做。
    Why something that was due need not be done this time."""

    rule: str
    period: str
    reason: Note
    on: dt.date | None = None


@event("book-acquired/1", about="book", label="图书入库", english="book acquired", sensitivity="S0")
class BookAcquired(Event):
    """图书入库：书名、分类号、册数、来源和品相。
    A book came into the library."""

    title: Annotated[str, Label("书名", "title")]
    copies: int
    mark: str | None = None
    source: Annotated[str, words.BOOK_FROM] | None = None
    condition: Annotated[str, codes.CONDITION] | None = None
    on: dt.date | None = None


@event("loan-started/1", about="loan", label="借书", english="book lent", sensitivity="S3", kind="W")
class LoanStarted(Event):
    """孩子借走一本书。
    A child took a book home."""

    child: ChildId
    book: str
    out_on: dt.date
    due_on: dt.date | None = None
    copy: Annotated[UUID, Ref("book"), Label("馆藏", "copy")] | None = None


@event("loan-closed/1", about="loan", label="还书", english="book returned", sensitivity="S3", kind="W")
class LoanClosed(Event):
    """孩子还书，或书丢失、损坏。
    A loan came to its end."""

    child: ChildId
    book: str
    on: dt.date
    outcome: Annotated[str, codes.LOAN_OUTCOME] = "returned"
    late_days: int | None = None
    condition: Annotated[str, codes.CONDITION] | None = None
