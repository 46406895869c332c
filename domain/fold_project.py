"""What is known of a project, a notice, a report, a shared practice, a media item.

**Reports** keep their figures: what was submitted is read as it was written, whatever is corrected or arrives later.
A report that was sent back is submitted again as another version of the same subject; each word of whoever checks it
names the version that it means, so nothing depends on the order of arrival.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain import events as e
from domain.quantity import Quantity
from domain.records import Record
from domain.standing import Fact, Facts
from domain.state import State
from domain.tiers import is_hub


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project.  `status`: proposed, approved, closed, or ""; `missing` names the documents that its stage needs."""

    title: str = ""
    owner: str = ""
    leader: str = ""
    stages: tuple[e.PlanItem, ...] = ()
    stage: int = 0
    proposed_on: dt.date | None = None
    approved_on: dt.date | None = None
    number: str = ""
    closed_on: dt.date | None = None
    follow_up: str = ""
    status: str = ""
    contracts: tuple[e.ContractSigned, ...] = ()
    evaluations: tuple[e.EvaluationFiled, ...] = ()
    indicators: tuple[e.IndicatorReported, ...] = ()
    missing: tuple[str, ...] = ()


def project_of(state: State) -> Project:
    """What all entries about a project add up to."""
    facts, value = Facts(state), state.value
    approvals = sorted((one.event for one in facts.of(e.ProjectApproved)), key=lambda one: one.on)
    closings = sorted((one.event for one in facts.of(e.ProjectClosed)), key=lambda one: one.on)
    evaluations = tuple(sorted((one.event for one in facts.of(e.EvaluationFiled)), key=lambda one: one.on))
    proposed = facts.of(e.ProjectProposed)
    return Project(
        title=value("title") or "",
        owner=value("owner") or "",
        leader=value("leader") or "",
        stages=value("stages") or (),
        stage=max((one.event.stage for one in facts.of(e.StageReached)), default=0),
        proposed_on=min((one.event.on for one in proposed if one.event.on), default=None),
        approved_on=approvals[0].on if approvals else None,
        number=next((one.number for one in approvals if one.number), ""),
        closed_on=closings[0].on if closings else None,
        follow_up=closings[-1].follow_up if closings else "",
        status="closed" if closings else "approved" if approvals else "proposed" if proposed else "",
        contracts=tuple(one.event for one in facts.of(e.ContractSigned)),
        evaluations=evaluations,
        indicators=tuple(one.event for one in facts.of(e.IndicatorReported)),
        missing=_missing({one.kind for one in evaluations}, bool(approvals), bool(closings)),
    )


def _missing(filed: set[str], approved: bool, closed: bool) -> tuple[str, ...]:
    """The evaluations that should lie there by now: the needs before approval, the final one before the end."""
    wanted = (["needs"] if approved else []) + (["final"] if closed else [])
    return tuple(one for one in wanted if one not in filed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice, plan or measure, and which homes have acknowledged it, each at its first word, in that order."""

    title: str = ""
    number: str = ""
    kind: str = ""
    to: tuple[str, ...] = ()
    issued_on: dt.date | None = None
    due_on: dt.date | None = None
    acknowledged: Mapping[str, dt.datetime] = field(default_factory=dict)

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The homes addressed by name that have said nothing yet."""
        return tuple(one for one in self.to if one not in self.acknowledged)


def notice_of(state: State) -> Notice:
    """What all entries about a notice add up to."""
    facts = Facts(state)
    acknowledged: dict[str, dt.datetime] = {}
    for one in facts.of(e.NoticeAcknowledged):
        acknowledged[one.home] = min(one.event.at, acknowledged.get(one.home, one.event.at))
    issued = facts.first(e.NoticeIssued)
    return Notice(
        title=issued.title if issued else "",
        number=(issued.number or "") if issued else "",
        kind=issued.kind if issued else "",
        to=issued.to if issued else (),
        issued_on=issued.on if issued else None,
        due_on=issued.due_on if issued else None,
        acknowledged=dict(sorted(acknowledged.items(), key=lambda one: (one[1], one[0]))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One version of a report, as it was submitted; `id` is the entry that says so, by which verdicts name it.

    `status`: submitted, returned, accepted, or contested where one person returned it and another accepted it.
    """

    id: bytes
    home: str
    by: str
    on: dt.date
    kind: str
    period: str
    figures: Mapping[str, Quantity]
    positions: Mapping[str, int]
    signed_by: str = ""
    remarks: str = ""
    status: str = "submitted"
    accepted_on: dt.date | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report with every version of it; `figures` are those of the accepted version, else of the last submitted.

    `verdicts_ahead` counts verdicts on versions that are not here yet.
    """

    kind: str = ""
    period: str = ""
    home: str = ""
    status: str = ""
    submissions: tuple[Submission, ...] = ()
    verdicts_ahead: int = 0

    @property
    def counts(self) -> Submission | None:
        """The version that counts: the first accepted one, else the last submitted."""
        accepted = [one for one in self.submissions if one.status == "accepted"]
        return accepted[0] if accepted else self.submissions[-1] if self.submissions else None

    @property
    def figures(self) -> Mapping[str, Quantity]:
        """The figures of the version that counts."""
        return self.counts.figures if self.counts else {}


def report_of(state: State) -> Report:
    """What all entries about a report add up to; a version that was accepted stays, also if somebody withdraws it."""
    facts = Facts(state)
    submitted = {id_: one for id_, one in state.records.items() if isinstance(one.event, e.ReportSubmitted)}
    returned: dict[bytes, list[str]] = {}
    for back in facts.of(e.ReportReturned):
        returned.setdefault(_meant(back, submitted), []).append(back.event.reason)
    accepted: dict[bytes, dt.date] = {}
    for good in facts.of(e.ReportAccepted):
        version = _meant(good, submitted)
        if version in submitted and submitted[version].home == good.home and not is_hub(good.home):
            continue  # nobody accepts their own report
        accepted[version] = min(good.event.on, accepted.get(version, good.event.on))
    submissions = tuple(
        _submission(record, returned.get(id_, ()), accepted.get(id_))
        for id_, record in submitted.items()
        if state.stands(id_) or id_ in accepted
    )
    ahead = sum(version not in submitted for version in (*returned, *accepted))
    counts = Report(submissions=submissions).counts
    return Report(
        kind=counts.kind if counts else "",
        period=counts.period if counts else "",
        home=counts.home if counts else "",
        status=counts.status if counts else "",
        submissions=submissions,
        verdicts_ahead=ahead,
    )


def _meant(verdict: Fact[Any], submitted: Mapping[bytes, Record]) -> bytes:
    """The version that a verdict is about: the one it names, also by its first id, else the last before it."""
    if verdict.event.version is not None:
        named: bytes = verdict.event.version.bytes
        return next((id_ for id_, one in submitted.items() if one.first_id == named), named)
    before = [id_ for id_, one in submitted.items() if one.order < verdict.order]
    return before[-1] if before else b""


def _submission(record: Record, reasons: Sequence[str], accepted_on: dt.date | None) -> Submission:
    """A version as it was written, whatever anybody corrected afterwards."""
    event: Any = record.event
    return Submission(
        id=record.id,
        home=record.home,
        by=record.actor,
        on=event.on,
        kind=event.kind,
        period=event.period,
        figures=event.figures,
        positions=event.positions,
        signed_by=event.signed_by or "",
        remarks=event.remarks or "",
        status=_status(bool(reasons), accepted_on is not None),
        accepted_on=accepted_on,
        reasons=tuple(reasons),
    )


def _status(returned: bool, accepted: bool) -> str:
    if returned and accepted:
        return "contested"
    return "returned" if returned else "accepted" if accepted else "submitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """A practice worth copying."""

    title: str = ""
    proven_at: str = ""
    adopted_by: tuple[str, ...] = ()


def practice_of(state: State) -> Practice:
    """What all entries about a practice add up to; homes that adopted it are those that anyone named."""
    adopted = {home for one in Facts(state).of(e.PracticeShared) for home in one.event.adopted_by}
    return Practice(
        title=state.value("title") or "",
        proven_at=state.value("proven_at") or "",
        adopted_by=tuple(sorted(adopted)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One media item."""

    level: str = ""
    outlet: str = ""
    title: str = ""
    on: dt.date | None = None
    link: str = ""


def media_of(state: State) -> Media:
    """What all entries about a media item add up to."""
    item = Facts(state).last(e.MediaItemPublished)
    if item is None:
        return Media()
    return Media(level=item.level, outlet=item.outlet, title=item.title, on=item.on, link=item.link or "")
