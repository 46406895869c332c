"""Events of the child's file: registration, card, guardians and parents, survey, schooling, consent, transfers."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from domain import codes
from domain import codes_child as words
from domain.event import (
    CardField,
    Category,
    Event,
    HomeCode,
    Json,
    Kinship,
    Label,
    Note,
    Person,
    Photo,
    Ref,
    Sex,
    Term,
    event,
)


@event(
    "child-registered/1",
    about="child",
    label="登记建档",
    english="child registered",
    sensitivity="S3",
    kind="R",
    fields={"national_id": "S4", "address": "S4"},
)
class ChildRegistered(Event):
    """为来到之家的孩子建立档案；监护人和父母即为第一张联系卡。
    A home opened a child's file; guardian and parents are the first contact card."""

    name: str
    sex: Sex
    registered_on: dt.date
    born_on: dt.date | None = None
    number: int | None = None
    address: str | None = None
    school: str | None = None
    grade: int | None = None
    class_name: str | None = None
    boards: bool | None = None
    ethnicity: str | None = None
    national_id: str | None = None
    guardian: Person | None = None
    parents: tuple[Person, ...] = ()
    township: str | None = None
    village: str | None = None
    character: str | None = None
    hobbies: tuple[str, ...] = ()


@event(
    "child-details-changed/1",
    about="child",
    label="基本信息变更",
    english="details changed",
    sensitivity="S3",
    kind="R",
    fields={"value": "S4"},
    line="〔{on}〕基本信息变更：{field}改为{value}〔，原因{reason}〕。",
)
class ChildDetailsChanged(Event):
    """孩子的一项基本信息有了变化，只改这一项。
    One field of the child's basic data took a new value."""

    field: Annotated[str, codes.DETAIL_FIELD]
    value: Json
    on: dt.date | None = None
    reason: Note | None = None


@event("schooling-changed/1", about="child", label="就学变动", english="schooling changed", sensitivity="S4", kind="R")
class SchoolingChanged(Event):
    """孩子转学、缺课、辍学、复学或毕业。
    The child changed school, stayed away, dropped out, came back or graduated."""

    state: Annotated[str, words.SCHOOLING]
    since: dt.date
    school: str | None = None
    grade: int | None = None
    class_name: str | None = None
    reason: Note | None = None


@event(
    "child-category-assessed/1",
    about="child",
    label="分类认定",
    english="category assessed",
    sensitivity="S4",
    kind="R",
)
class ChildCategoryAssessed(Event):
    """认定孩子属于哪些类别，一个孩子可以同时属于几类。
    Somebody assessed which groups the child belongs to; it may belong to several."""

    categories: tuple[Category, ...]
    assessed_on: dt.date
    reason: Note | None = None
    valid_from: dt.date | None = None
    review_on: dt.date | None = None


@event("situation-surveyed/1", about="child", label="摸底调查", english="situation surveyed", sensitivity="S4")
class SituationSurveyed(Event):
    """每学期摸底：学习、生活、心理、安全、健康各填一句，再选程度；与上次相同可只勾“无变化”。
    The survey of each term: a sentence and a degree for each dimension, or just "unchanged"."""

    surveyed_on: dt.date
    term: Term | None = None
    home_place: Note | None = None
    study: Note | None = None
    study_level: Annotated[str, words.SITUATION] | None = None
    life: Note | None = None
    life_level: Annotated[str, words.SITUATION] | None = None
    psychology: Note | None = None
    psychology_level: Annotated[str, words.SITUATION] | None = None
    safety: Note | None = None
    safety_level: Annotated[str, words.SITUATION] | None = None
    health: Annotated[Note, Label("健康", "health")] | None = None
    health_level: Annotated[str, words.SITUATION] | None = None
    needs: tuple[Annotated[str, words.NEED], ...] = ()
    wishes: Note | None = None
    unchanged: bool = False


@event(
    "contact-card-changed/1",
    about="child",
    label="联系卡变更",
    english="contact card changed",
    sensitivity="S4",
    kind="R",
    line="〔{on}〕联系卡变更：{field}改为{value}〔，原为{was}〕〔，由{told_by}告知〕。",
)
class ContactCardChanged(Event):
    """联系卡上的一项换成新的内容。
    One field of the contact card took a new value."""

    field: CardField
    value: str
    on: dt.date | None = None
    was: str | None = None
    told_by: str | None = None


@event("contact-card-confirmed/1", about="child", label="联系卡核对", english="card confirmed", sensitivity="S3")
class ContactCardConfirmed(Event):
    """与孩子、父母或监护人逐项核对过联系卡，内容无误。
    Somebody went through the whole card and found it right."""

    confirmed_on: dt.date
    confirmed_with: Annotated[str, codes.CONFIRMED_WITH]
    term: Term | None = None


@event(
    "guardian-recorded/1",
    about="child",
    label="监护人登记",
    english="guardian recorded",
    sensitivity="S4",
    kind="R",
)
class GuardianRecorded(Event):
    """从某日起由谁照看孩子；父母委托的监护人写明由谁委托。
    Who looks after the child from a date on, and who entrusted it."""

    name: str
    kinship: Kinship
    from_on: dt.date
    phone: str | None = None
    age: int | None = None
    occupation: str | None = None
    address: str | None = None
    health: Annotated[str, codes.HEALTH] | None = None
    entrusted_by: str | None = None
    was: Person | None = None
    told_by: str | None = None
    guardian: Annotated[UUID, Ref("guardian"), Label("监护人编号", "guardian's id")] | None = None
    born_on: dt.date | None = None
    health_note: Note | None = None


@event("guardian-ended/1", about="child", label="监护终止", english="guardian ended", sensitivity="S2", kind="R")
class GuardianEnded(Event):
    """监护人从某日起不再照看孩子。
    The guardian no longer looks after the child."""

    on: dt.date
    reason: Note
    name: str | None = None
    guardian: Annotated[UUID, Ref("guardian"), Label("监护人编号", "guardian's id")] | None = None


@event(
    "parent-workplace-recorded/1", about="child", label="家长务工单位", english="workplace", sensitivity="S2", kind="R"
)
class ParentWorkplaceRecorded(Event):
    """父亲或母亲现在在哪里务工，怎样联系得上。
    Where a parent works now, and how to reach them."""

    parent: Annotated[str, codes.KINSHIP]
    employer: str
    on: dt.date | None = None
    address: str | None = None
    phone: str | None = None
    city: str | None = None
    expected_return_on: dt.date | None = None
    best_hours: str | None = None
    was: str | None = None
    told_by: str | None = None
    trade: str | None = None


@event("parent-returned/1", about="child", label="父母返乡", english="parents came home", sensitivity="S3")
class ParentReturned(Event):
    """父母回家与孩子团聚。
    Parents came home to the child."""

    parents: Annotated[tuple[Kinship, ...], Label("回家的人", "who came")]
    from_on: dt.date
    to_on: dt.date | None = None
    days: int | None = None
    note: Note | None = None
    occasion: str | None = None


@event(
    "child-transfer-requested/1", about="child", label="转出", english="transfer requested", sensitivity="S3", kind="W"
)
class ChildTransferRequested(Event):
    """把孩子转给另一个之家；对方接收之前仍由本家负责。
    The home gives the child over to another; it stays responsible until that one accepts."""

    to_home: HomeCode
    on: dt.date
    reason: Note | None = None
    note: Note | None = None
    number: int | None = None
    name: str | None = None


@event(
    "child-transfer-accepted/1", about="child", label="转入", english="transfer accepted", sensitivity="S4", kind="W"
)
class ChildTransferAccepted(Event):
    """接收转来的孩子，或说明不接收的原因；县里裁定时写明归哪个之家。
    A home took the child in, with a new card, or declined; the county may decide and then names the home."""

    on: dt.date
    accepted: bool = True
    home: HomeCode | None = None
    reason: Note | None = None
    name: str | None = None
    sex: Sex | None = None
    born_on: dt.date | None = None
    number: int | None = None
    address: str | None = None
    school: str | None = None
    grade: int | None = None
    class_name: str | None = None
    boards: bool | None = None
    guardian: Person | None = None
    parents: tuple[Person, ...] = ()
    request: Annotated[UUID, Label("对应的转出申请", "request answered")] | None = None


@event("child-deregistered/1", about="child", label="结案", english="child deregistered", sensitivity="S3", kind="W")
class ChildDeregistered(Event):
    """孩子离开，不再由任何之家照看：父母返乡、搬迁、成年、毕业或重复登记。
    The child's stay ended without another home taking it in."""

    on: dt.date
    reason: Annotated[str, codes.LEAVING_REASON]
    note: Note | None = None


@event(
    "duplicate-child-linked/1",
    about="child",
    label="重复档案关联",
    english="duplicate linked",
    sensitivity="S3",
    kind="W",
)
class DuplicateChildLinked(Event):
    """核实两份档案是不是同一个孩子；是则以另一份为准，合并统计。
    Two files were found to be, or not to be, of one child; if they are, the other one counts."""

    other: Annotated[UUID, Ref("child")]
    same: bool
    on: dt.date | None = None
    checked_by_what: str | None = None


@event("consent-recorded/1", about="child", label="监护人同意", english="consent recorded", sensitivity="S3", kind="R")
class ConsentRecorded(Event):
    """监护人同意我们做哪些事，或撤回同意；附签字的同意书。
    What the guardian consented to, or withdrew consent from."""

    scope: tuple[Annotated[str, words.CONSENT_SCOPE], ...]
    on: dt.date
    given_by: str | None = None
    form_file: Photo | None = None
    withdrawn: bool = False


@event("travel-mode-recorded/1", about="child", label="上学方式", english="way to school", sensitivity="S4", kind="R")
class TravelModeRecorded(Event):
    """孩子怎样上学，路有多远，谁护送，哪一段危险。
    How the child gets to school, how far, with whom, and where the way is dangerous."""

    mode: Annotated[str, words.TRAVEL_MODE]
    on: dt.date | None = None
    distance_m: int | None = None
    escort: Annotated[str, words.ESCORT] | None = None
    danger: Note | None = None
    vehicle: Annotated[UUID, Ref("vehicle")] | None = None
