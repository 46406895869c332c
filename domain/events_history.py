"""Events about other entries of the same subject: corrections, withdrawals, settlements."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from domain.event import ANY_SUBJECT, Event, Json, Note, event


@event("fact-corrected/1", about=ANY_SUBJECT, label="更正", english="correction", sensitivity="S3", kind="R")
class FactCorrected(Event):
    """更正以前一条记录中的一项，原来的内容仍留在历史里。
    One field of an earlier entry should read otherwise; `value` is in JSON form, or the text as typed."""

    target: UUID
    field: str
    value: Json
    reason: Note | None = None
    on: dt.date | None = None


@event("fact-withdrawn/1", about=ANY_SUBJECT, label="撤回", english="withdrawal", sensitivity="S3", kind="R")
class FactWithdrawn(Event):
    """以前的一条记录不算数了，但仍留在历史里。
    An earlier entry should not count; it stays in the history."""

    target: UUID
    reason: Note | None = None
    on: dt.date | None = None


@event(
    "conflict-settled/1", about=ANY_SUBJECT, label="冲突处理", english="conflict settled", sensitivity="S3", kind="R"
)
class ConflictSettled(Event):
    """两处内容不一致，看过之后决定以哪个为准。
    A person chose the value of a contested field, having seen the entries named."""

    field: str
    value: Json
    saw: tuple[UUID, ...]
    reason: Note | None = None
