"""Events of the county and of nodes: terms, rules, who looked at what, exports, erasures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from domain import codes_county as words
from domain.codes_child import ROLE
from domain.event import Event, Label, Note, event


@event("term-scheduled/1", about="county", label="学期校历", english="term scheduled", sensitivity="S1", kind="R")
class TermScheduled(Event):
    """公布一个学期的起止日期和假日。
    A school term: from, to, holidays."""

    name: Annotated[str, Label("学期名称", "name of the term")]
    from_on: dt.date
    to_on: dt.date
    holidays: tuple[dt.date, ...] = ()


@event("policy-rule-set/1", about="county", label="工作要求", english="rule set", sensitivity="S1")
class PolicyRuleSet(Event):
    """规定一项定期要做的工作：谁做、对谁、做什么、多久一次；只填要改的，新规定从写明的日期起算。
    What is asked of a rule from a day on; what is left empty stays as it is."""

    rule: str
    from_on: dt.date
    duty_holder: Annotated[str, ROLE] | None = None
    applies_to: str | None = None
    fulfilled_by: str | None = None
    every: Annotated[str, words.PERIOD] | None = None
    times: Annotated[int, Label("次数", "how many times")] | None = None
    grace_days: int | None = None
    within_days: Annotated[int, Label("几天内办", "days to act")] | None = None
    window: Annotated[str, Label("时间段", "window")] | None = None
    all_year: bool | None = None
    enabled: bool | None = None
    source: str | None = None
    text: Note | None = None


@event("platform-updated/1", about="county", label="更新数据平台", english="figures platform updated", sensitivity="S1")
class PlatformUpdated(Event):
    """县里把全县的数字报送或录入数据平台：哪个平台，报到什么时候。
    The county brought its figures up to date on a platform: on which, and until when."""

    on: dt.date
    receiver: Annotated[str, words.EXPORT_TO] = "county_platform"
    as_of: Annotated[dt.date, Label("数据截至", "figures as of")] | None = None
    note: Note | None = None


@event("record-viewed/1", about="node", label="查阅档案", english="file viewed", sensitivity="S2", by_machine=True)
class RecordViewed(Event):
    """谁在什么时候为什么查阅了哪份档案。
    Who looked at which file, when and why."""

    who: str
    what: UUID
    why: Annotated[str, words.VIEW_WHY]
    at: dt.datetime


@event("export-made/1", about="node", label="导出数据", english="export made", sensitivity="S2", by_machine=True)
class ExportMade(Event):
    """把数据导出给谁，范围和条数。
    Data were exported: to whom, what, how many."""

    receiver: Annotated[str, words.EXPORT_TO]
    scope: Annotated[str, Label("范围", "scope")]
    counts: Mapping[str, int]
    on: dt.date | None = None


@event(
    "erasure-ordered/1", about="node", label="决定删除", english="erasure ordered", sensitivity="S3", by_machine=True
)
class ErasureOrdered(Event):
    """决定删除哪些档案，依据是什么。
    Files are to be erased, and on what ground."""

    subjects: tuple[UUID, ...]
    ground: Note


@event(
    "erasure-executed/1", about="node", label="已经删除", english="erasure executed", sensitivity="S3", by_machine=True
)
class ErasureExecuted(Event):
    """某份档案已经删除，共多少条。
    A file was erased here."""

    subject: Annotated[UUID, Label("删除的档案", "subject")]
    entries: int
    streams: int = 0
