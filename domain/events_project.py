"""Events of projects, notices, reports, shared practice and media."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from domain import codes_county as words
from domain.event import Event, HomeCode, Label, Note, Photo, Ref, Who, event
from domain.parts_of_events import PlanItem, Share
from domain.quantity import Quantity


@event("project-proposed/1", about="project", label="项目申报", english="project proposed", sensitivity="S1", kind="W")
class ProjectProposed(Event):
    """申报项目：需求、目标、责任主体、负责人、阶段和每份经费的来源。
    A project was proposed: need, goal, owner, leader, stages, funding per unit."""

    title: str
    need: Note
    goal: Note
    owner: Annotated[Who, Label("责任主体", "owner")]
    leader: Who
    stages: tuple[PlanItem, ...] = ()
    per_unit: tuple[Share, ...] = ()
    unit_cost_fen: int | None = None
    office: str | None = None
    on: dt.date | None = None


@event("project-approved/1", about="project", label="项目立项", english="project approved", sensitivity="S1", kind="W")
class ProjectApproved(Event):
    """批准立项，写明文号。
    The project was approved."""

    on: dt.date
    number: Annotated[str, Label("文号", "number")] | None = None


@event(
    "project-staffed/1",
    about="project",
    label="项目负责人变更",
    english="project's leader changed",
    sensitivity="S1",
    kind="R",
)
class ProjectStaffed(Event):
    """项目换了责任主体或负责人；项目任何时候都要有人负责。
    Who owns and leads the project from now on; it always has somebody."""

    owner: Annotated[Who, Label("责任主体", "owner")] | None = None
    leader: Who | None = None
    on: dt.date | None = None


@event("stage-reached/1", about="project", label="项目阶段", english="stage reached", sensitivity="S1", kind="W")
class StageReached(Event):
    """项目到达第几阶段。
    A stage of the project was reached."""

    stage: int
    on: dt.date


@event("project-closed/1", about="project", label="项目结项", english="project closed", sensitivity="S1", kind="W")
class ProjectClosed(Event):
    """项目结项，决定继续、推广还是终止；要先有终期评估。
    The project ended, with what follows; the final evaluation comes first."""

    on: dt.date
    follow_up: Annotated[str, words.FOLLOW_UP]
    note: Note | None = None


@event("contract-signed/1", about="project", label="签订协议", english="contract signed", sensitivity="S1")
class ContractSigned(Event):
    """与社会组织签订购买服务协议：服务内容、金额、起止日期。
    A contract for services was signed with an organisation."""

    organisation: str
    service: Annotated[Note, Label("服务内容", "service")]
    amount_fen: int
    from_on: dt.date
    to_on: dt.date
    file: Photo | None = None


@event("evaluation-filed/1", about="project", label="项目评估", english="evaluation filed", sensitivity="S1")
class EvaluationFiled(Event):
    """评估报告存档：前期、半年、年度或终期。
    An evaluation was written and filed."""

    kind: Annotated[str, words.EVALUATION_KIND]
    on: dt.date
    findings: Note
    file: Photo | None = None


@event("indicator-reported/1", about="project", label="项目指标", english="indicator reported", sensitivity="S0")
class IndicatorReported(Event):
    """报一项指标：口径、时期、数量和来源。
    A figure of the project, with its definition and source."""

    indicator: str
    period: str
    value: Annotated[Quantity, Label("数量", "value")]
    definition: Note | None = None
    source: str | None = None
    on: dt.date | None = None


@event("notice-issued/1", about="notice", label="通知", english="notice issued", sensitivity="S1", kind="W")
class NoticeIssued(Event):
    """发通知、方案或措施：发给谁、何时前回执；用一句话说明要点。
    A notice, plan or measure was issued, with a summary in plain words."""

    title: str
    text: Note
    to: tuple[Annotated[HomeCode, Label("发给", "to")], ...] = ()
    number: Annotated[str, Label("文号", "number")] | None = None
    kind: Annotated[str, words.NOTICE_KIND] = "notice"
    on: dt.date | None = None
    due_on: Annotated[dt.date, Label("回执期限", "acknowledge by")] | None = None
    summary: Note | None = None


@event(
    "notice-acknowledged/1", about="notice", label="通知回执", english="notice acknowledged", sensitivity="S1", kind="W"
)
class NoticeAcknowledged(Event):
    """已收到并传达了通知。
    The home has read the notice and passed it on."""

    at: dt.datetime
    note: Note | None = None


@event("report-submitted/1", about="report", label="报送报表", english="report submitted", sensitivity="S1", kind="W")
class ReportSubmitted(Event):
    """报送月报、学期总结或年报：数字由系统算出，连同算到哪一条记录。
    A report: its figures are computed, and say up to which entries."""

    kind: Annotated[str, words.REPORT_KIND]
    period: str
    figures: Mapping[str, Quantity]
    positions: Mapping[str, int]
    on: dt.date
    remarks: Note | None = None
    signed_by: Who | None = None


@event("report-returned/1", about="report", label="退回报表", english="report returned", sensitivity="S1", kind="W")
class ReportReturned(Event):
    """把报表退回，写明原因。
    A report was sent back, with the reason."""

    reason: Note
    on: dt.date | None = None
    version: Annotated[UUID, Label("退回的报送", "submission returned")] | None = None


@event("report-accepted/1", about="report", label="报表审核通过", english="report accepted", sensitivity="S1", kind="W")
class ReportAccepted(Event):
    """报表审核通过，数字从此不再变动。
    A report was accepted; its figures stay."""

    on: dt.date
    version: Annotated[UUID, Label("通过的报送", "submission accepted")] | None = None


@event("practice-shared/1", about="practice", label="经验推广", english="practice shared", sensitivity="S0", kind="R")
class PracticeShared(Event):
    """好的经验和做法：在哪里试过，谁采用了。
    A practice worth copying: where it was proven, who adopted it."""

    title: str
    text: Note
    proven_at: HomeCode | None = None
    adopted_by: tuple[HomeCode, ...] = ()
    on: dt.date | None = None


@event("media-item-published/1", about="media", label="媒体报道", english="media item", sensitivity="S0")
class MediaItemPublished(Event):
    """媒体报道：哪一级、哪家媒体、标题、日期；有照片的先核对是否同意公开。
    The home was in the media; consent to photographs is checked first."""

    level: Annotated[str, words.MEDIA_LEVEL]
    outlet: str
    title: str
    on: dt.date
    link: str | None = None
    consent_checked: bool = False
    about_home: Annotated[HomeCode, Ref("home"), Label("报道的之家", "home")] | None = None
