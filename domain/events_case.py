"""Events of cases and messages: subjects of their own, with other readers and another retention than a child's file.

The child stands in the payload.  Nothing here is ever written on the child's subject, so that no event type there says
anything of violence, crime or illness of the mind.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from domain import codes_child as words
from domain.event import ChildId, Event, Label, Note, Who, event
from domain.quantity import Quantity


@event("case-opened/1", about="case", label="个案受理", english="case opened", sensitivity="S5", kind="W")
class CaseOpened(Event):
    """受理一件维权、求助或咨询个案；紧急的立即报告。
    A case was received: rights, help or counselling."""

    kind: Annotated[str, words.CASE_KIND]
    channel: Annotated[str, words.CASE_CHANNEL]
    received_at: dt.datetime
    matter: Note
    child: ChildId | None = None
    person: str | None = None
    urgent: bool = False


@event("case-step-recorded/1", about="case", label="个案办理", english="case step", sensitivity="S5", kind="W")
class CaseStepRecorded(Event):
    """为这件个案做了一步：电话、走访、调解、法律援助、报警、鉴定、庇护等。
    A step was taken in the case."""

    at: dt.datetime
    step: Annotated[str, words.CASE_STEP]
    note: Note
    hours: Quantity | None = None
    until_on: dt.date | None = None


@event("case-referred/1", about="case", label="个案移交", english="case referred", sensitivity="S5", kind="W")
class CaseReferred(Event):
    """个案移交给其他部门办理，写明文号。
    The case was referred to another office."""

    to: Annotated[str, words.REFERRED_TO, Label("移交给", "to")]
    on: dt.date
    reference: str | None = None


@event("case-closed/1", about="case", label="个案办结", english="case closed", sensitivity="S5", kind="W")
class CaseClosed(Event):
    """个案办结，写明结果和当事人是否满意。
    The case was closed, with its outcome."""

    on: dt.date
    outcome: Annotated[str, words.CASE_OUTCOME]
    note: Note
    satisfied: Annotated[str, words.SATISFIED] | None = None


@event("counselling-session-held/1", about="case", label="心理辅导", english="counselling session", sensitivity="S5")
class CounsellingSessionHeld(Event):
    """一次心理辅导：方法、风险程度和记录，只有咨询师能看。
    A session of counselling; only counsellors read it."""

    on: dt.date
    method: Annotated[str, words.METHOD]
    risk: Annotated[str, words.RISK]
    note: Note
    minutes: int | None = None


@event("message-received/1", about="message", label="悄悄话", english="message received", sensitivity="S5", kind="W")
class MessageReceived(Event):
    """信箱里的纸条、热线来电，或孩子不愿写进谈心卡的话。
    A note in the mailbox, a call to the hotline, or what a child wants kept private."""

    channel: Annotated[str, words.MESSAGE_CHANNEL]
    at: dt.datetime
    text: Note
    child: ChildId | None = None
    anonymous: bool = False
    urgent: bool = False
    risk: Annotated[str, words.RISK] | None = None
    escalated_to: Who | None = None


@event(
    "message-answered/1", about="message", label="悄悄话回复", english="message answered", sensitivity="S5", kind="W"
)
class MessageAnswered(Event):
    """怎样回复了这条悄悄话。
    How a message was answered."""

    at: dt.datetime
    how: Annotated[str, words.ANSWER_HOW]
    note: Note | None = None
