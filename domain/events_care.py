"""Events of care for one child: pairings, talks, contacts, visits, study, diaries, plans, illness."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from domain import codes
from domain import codes_child as words
from domain.event import Channel, Event, Kinship, Label, Note, Photo, Ref, Term, Who, event

PairingId = Annotated[UUID, Ref("pairing")]


@event("pairing-formed/1", about="child", label="结对", english="pairing formed", sensitivity="S3")
class PairingFormed(Event):
    """为孩子结对一位帮扶人。
    A helper was paired with the child."""

    pairing: PairingId
    kind: Annotated[str, codes.PAIRING_KIND]
    from_on: dt.date
    helper_name: str
    helper_phone: str | None = None
    helper_employer: str | None = None
    agreed: Note | None = None
    helper: Who | None = None
    priority: bool = False


@event("pairing-ended/1", about="child", label="结对终止", english="pairing ended", sensitivity="S3")
class PairingEnded(Event):
    """一段结对到此结束；帮扶人此后不再能看孩子的档案。
    A pairing came to its end, and with it the helper's access."""

    pairing: PairingId
    on: dt.date
    reason: Note | None = None
    why: Annotated[str, words.PAIRING_REASON] | None = None


@event("pairing-checked/1", about="child", label="结对检查", english="pairing checked", sensitivity="S3")
class PairingChecked(Event):
    """检查一段结对的效果，提出意见。
    The effect of a pairing was checked."""

    pairing: PairingId
    on: dt.date
    effect: Annotated[str, words.EFFECT]
    marks: int | None = None
    advice: Note | None = None


@event("talk-held/1", about="child", label="谈心", english="talk", sensitivity="S3")
class TalkHeld(Event):
    """谈心之后填写谈心记录卡；孩子的悄悄话不写在这里，另记在信箱里。
    Somebody talked with the child and filled in the talk record card; private words go to the mailbox instead."""

    on: dt.date
    talked_by: str | None = None
    place: str | None = None
    minutes: int | None = None
    mood: int | None = None
    topics: tuple[str, ...] = ()
    summary: Note | None = None
    agreed: Note | None = None
    follow_up_on: dt.date | None = None
    with_party: Annotated[str, codes.CONFIRMED_WITH] | None = None
    by_role: Annotated[str, words.ROLE] | None = None
    card: Annotated[str, words.TALK_CARD] | None = None


@event("guardian-contacted/1", about="child", label="家校联系", english="parent or teacher contacted", sensitivity="S3")
class GuardianContacted(Event):
    """就孩子的情况与父母、监护人或班主任联系；成绩记到小数一位。
    A parent, the guardian or the class teacher was spoken with about the child; marks are tenths of a point."""

    on: dt.date
    party: Annotated[str, codes.PARTY]
    channel: Channel | None = None
    with_name: str | None = None
    gist: Note | None = None
    marks_tenths: Mapping[str, int] | None = None
    by_role: Annotated[str, words.ROLE] | None = None
    state: Annotated[tuple[str, ...], Label("孩子近况", "the child's state")] = ()


@event("family-contact-made/1", about="child", label="亲情联系", english="family contact", sensitivity="S3")
class FamilyContactMade(Event):
    """孩子与家人通话、通信、视频或见面，没联系上也记；信的内容除非孩子愿意，不写。
    The child called, wrote to or met its family, or tried to."""

    kind: Annotated[str, codes.CONTACT_KIND]
    on: dt.date
    reached: bool = True
    with_whom: Kinship | None = None
    channel: Channel | None = None
    minutes: int | None = None
    pages: int | None = None
    text: Note | None = None
    note: Note | None = None
    direction: Annotated[str, words.DIRECTION] | None = None


@event("home-visit-recorded/1", about="child", label="家访", english="home visit", sensitivity="S4")
class HomeVisitRecorded(Event):
    """到孩子家里看望；没有遇到人也要记，写明原因。
    Somebody went to see the child at home; an unmet visit has its reason."""

    visited_on: dt.date
    met: str | None = None
    distance_m: int | None = None
    living: Annotated[str, codes.LIVING] | None = None
    found: Note | None = None
    safety: Note | None = None
    guardian_health: Annotated[str, codes.HEALTH] | None = None
    wishes: Note | None = None
    todo: tuple[str, ...] = ()
    unmet_reason: str | None = None
    met_whom: tuple[Annotated[str, words.WITH], ...] = ()
    safety_level: Annotated[str, words.SITUATION] | None = None
    by_role: Annotated[str, words.ROLE] | None = None


@event("tutoring-given/1", about="child", label="学业辅导", english="tutoring", sensitivity="S3")
class TutoringGiven(Event):
    """辅导孩子学习，写明科目、时长和阶段效果。
    Somebody helped the child with its study."""

    on: dt.date
    subject: Annotated[str, words.SCHOOL_SUBJECT]
    minutes: int | None = None
    content: Note | None = None
    stage_effect: Note | None = None
    tutor: Who | None = None


@event("progress-recorded/1", about="child", label="进步档案", english="progress", sensitivity="S4")
class ProgressRecorded(Event):
    """记下孩子哪方面有进步：原来怎样，现在怎样。
    Where the child got better: before and after."""

    period: str
    area: Annotated[str, words.AREA]
    before: Note
    after: Note
    on: dt.date | None = None
    evidence_file: Photo | None = None


@event(
    "diary-entry-written/1",
    about="child",
    label="成长日记",
    english="growth diary",
    sensitivity="S3",
    fields={"photo": "S4"},
)
class DiaryEntryWritten(Event):
    """成长日记的一页，老师、爱心妈妈或孩子自己写；私密的一页另记在信箱里。
    A page of the child's growth diary; a private page goes to the mailbox instead."""

    on: dt.date
    text: Note
    weather: Annotated[str, codes.WEATHER] | None = None
    photo: Photo | None = None
    by: Annotated[str, words.DIARY_BY] | None = None


@event("help-plan-written/1", about="child", label="帮护计划", english="help plan", sensitivity="S3")
class HelpPlanWritten(Event):
    """本学期怎样帮护孩子：目标、内容、时间和阶段目标。
    What helpers mean to do for the child in a term."""

    kind: Annotated[str, codes.PLAN_KIND]
    on: dt.date
    term: Term
    goals: tuple[str, ...]
    keeper: str | None = None
    pairing: PairingId | None = None
    content: Note | None = None
    times: str | None = None
    stage_goals: tuple[str, ...] = ()


@event("help-summary-written/1", about="child", label="帮扶总结", english="help summary", sensitivity="S3")
class HelpSummaryWritten(Event):
    """本学期帮护了什么，效果如何，下一步怎么做。
    What came of a term's help."""

    on: dt.date
    term: Term
    effect: Note
    rank: Annotated[str, codes.RANK] | None = None
    pairing: PairingId | None = None
    done: Note | None = None
    next: Note | None = None


@event("illness-recorded/1", about="child", label="患病照料", english="illness", sensitivity="S4")
class IllnessRecorded(Event):
    """孩子生病：何时发病、什么症状、到哪里看病、谁陪同、何时告知监护人。
    The child fell ill: onset, symptoms, where it was treated, who went along, when the guardian was told."""

    onset: dt.datetime
    symptoms: Note
    treated_at: str | None = None
    accompanied_by: Who | None = None
    cost_fen: int | None = None
    guardian_told_at: dt.datetime | None = None


@event(
    "individual-plan-written/1",
    about="child",
    label="个别教育方案",
    english="individual plan",
    sensitivity="S4",
)
class IndividualPlanWritten(Event):
    """为需要特别关心的孩子制定个别教育管理方案。
    A plan for a child that needs one of its own."""

    on: dt.date
    reason: Annotated[str, words.PLAN_REASON]
    goals: Note
    measures: Note
    review_every: Annotated[str, words.REVIEW_EVERY] = "month"


@event(
    "individual-plan-reviewed/1",
    about="child",
    label="个别方案复查",
    english="plan reviewed",
    sensitivity="S4",
)
class IndividualPlanReviewed(Event):
    """检查个别教育方案的效果，决定是否结束。
    The individual plan was reviewed, and perhaps ended."""

    on: dt.date
    effect: Note
    ended: bool = False
