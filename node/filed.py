"""Filed reports: a home signs its figures and hands them in, the county returns or accepts them, and they stay.

    submit-report ──> R17 of the own rows ──> report-submitted/1 {figures, positions} ──> the county, with the log
                                        report-returned/1, report-accepted/1 {version} <── the county

Figures and positions are of one moment: the positions are worked out from the mark of the very read models that were
added up, so whoever has these entries can make the figures again.  Every version of one report (a home, a kind, a
period) is an entry of one subject, whose id follows from the log, so two tablets that file at once file versions of one
report.  *A cut while it is filed leaves it filed or not; run again, it is refused as filed already.*

Whether a version may be filed or judged is decided by what this node has when it writes.  What others say meanwhile
stands beside it (`domain/fold_project.py`).
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from domain import schema
from domain.codes_county import REPORT_KIND
from domain.commands import RecordFact
from domain.decide import decide
from domain.errors import BadField, Refused
from domain.events import ReportSubmitted
from domain.fold_project import Report, Submission, report_of
from domain.periods import Period
from domain.quantity import exactly
from domain.reporting import Asked, Figure
from node import deciding, desk, differences, known, reporting
from node.folder import Folder
from node.opening import HomesOf, current_views
from node.reporting import Made
from node.views import HomeOf, Views
from sync.store import Store
from sync.stored_log import StoredLog

NUMBER: Final = "R17"
"""The report that homes file."""

MONTHS: Final = {"month": (1,), "half_year": (6,), "year": (12,), "term": tuple(range(2, 13))}
"""How many months the period of each kind has."""


class Filed(NamedTuple):
    """One version of a filed report, as the read models have it."""

    subject: bytes
    version: bytes
    ordinal: int
    home: str
    kind: str
    period: str
    on: str
    by: str
    signed_by: str
    remarks: str
    status: str
    accepted_on: str | None
    reasons: str
    counts: int
    figures: str
    positions: str

    def json(self) -> dict[str, Any]:
        """As commands show it."""
        return {
            **self._asdict(),
            "subject": str(uuid.UUID(bytes=self.subject)),
            "version": self.version.hex(),
            "reasons": json.loads(self.reasons),
            "counts": bool(self.counts),
            "figures": json.loads(self.figures),
            "positions": json.loads(self.positions),
        }

    def sizes(self) -> dict[bytes, int]:
        """How many entries of each log it was computed from; Refused where what was recorded names no logs."""
        try:
            return {bytes.fromhex(log): size for log, size in json.loads(self.positions).items()}
        except ValueError:
            raise Refused(
                "这份报送写的不是日志的编号，无法还原",
                "what was filed names no logs by their ids: it cannot be made again",
            ) from None


def all_of(views: Views) -> list[Filed]:
    """Every version of every report, by home, period and kind, in the order in which they were filed."""
    with views.snapshot() as read:
        found = [Filed(*row) for row in read("filed_report", " ".join(Filed._fields))]
    return sorted(found, key=lambda one: (one.home, one.period, one.kind, one.subject, one.ordinal))


def find(views: Views, id_: bytes) -> Filed:
    """The version of this id, or of this report the one that counts; Refused where there is none."""
    found = [one for one in all_of(views) if one.version == id_ or (one.subject == id_ and one.counts)]
    if not found:
        raise Refused(
            f"这里没有报送过 {id_.hex()} 这份报表，编号见 reports",
            f"no report {id_.hex()} was filed here: see `reports` for the ids",
        )
    return found[0]


# -- a home files


def require_fitting(kind: str, period: Period, today: dt.date) -> None:
    """Refuse a period that the kind of report does not have, or that has not begun."""
    months = (period.last.year - period.first.year) * 12 + period.last.month - period.first.month + 1
    fits = months in MONTHS[kind] and (kind != "half_year" or "-H" in period.text)
    if not fits:
        examples = {"month": "2024-09", "half_year": "2024-H1", "year": "2024", "term": "2024-09..2025-01"}
        raise BadField("--period", period.text, f"{REPORT_KIND.label(kind)} {examples[kind]}")
    if period.first > today:
        raise Refused(f"{period.text} 还没有开始，不能报送", f"{period.text} has not begun: nothing to report yet")


def draft(folder: Folder, homes_of: HomesOf, kind: str, asked: Asked, signed_by: str, remarks: str) -> dict[str, Any]:
    """What is to be recorded, in plain JSON: the home's own figures with the positions that they come from."""
    with current_views(folder, homes_of) as (store, views):
        home = homes_of(store)(store.log)
        with reporting.making(NUMBER, views, asked, partial(known.sizes_at, store), home=home) as made:
            figures = {name: exactly(_whole(one)) for name, one in made.figures.items()}
            positions = {log.hex(): size for log, size in sorted(made.sizes.items()) if size}
        period = asked.period.text
        before = [one for one in all_of(views) if (one.home, one.kind, one.period) == (home, kind, period)]
    event = ReportSubmitted(
        kind=kind,
        period=period,
        figures=figures,
        positions=positions,
        on=asked.as_of,
        signed_by=signed_by,
        remarks=remarks or None,
    )
    subject = before[0].subject if before else uuid.uuid5(uuid.UUID(bytes=store.log), f"{kind}/{period}").bytes
    return {"event": schema.name_of(event), "payload": schema.to_json(event), "subject": subject.hex(), "by": signed_by}


def _whole(one: Figure) -> int:
    """A figure as it is filed; money is filed in fen, as its name says."""
    assert isinstance(one.value, int), f"{one.name} is no whole number"
    return int(one.value)


def submit(store: Store, homes_of: HomesOf, asked: desk.Asked, now_ms: int) -> dict[str, Any]:
    """Record a filed report, or refuse one that is filed already."""
    event: Any = schema.from_json(str(asked["event"]), asked["payload"])
    home = homes_of(store)(store.log)

    def wished(folding: Any) -> deciding.Wished:
        last = report_of(folding.state()).counts
        if last is not None and last.status == "accepted":
            raise Refused(
                f"{event.period} 的这份报表已经审核通过，数字不再变动；以后的变化用 report R20 --filed 查看",
                f"the report of {event.period} was accepted, its figures stay; `report R20 --filed` shows what changed",
            )
        if last is not None and last.status == "submitted" and last.figures == event.figures:
            raise Refused(
                f"{event.period} 的这份报表已经报送过，数字没有变化",
                f"the report of {event.period} was filed already, with the same figures",
            )
        return deciding.Wished(decide(folding, RecordFact(home=home, event=event)))

    figures = {name: one.low for name, one in event.figures.items()}
    return {**_record(store, homes_of, asked, now_ms, wished), "figures": figures}


# -- the county judges


def judge(store: Store, homes_of: HomesOf, asked: desk.Asked, now_ms: int) -> dict[str, Any]:
    """Record that a version was returned or accepted; refused where it was judged already."""
    payload = dict(asked["payload"])
    event = schema.from_json(str(asked["event"]), payload)
    home = homes_of(store)(store.log)

    def wished(folding: Any) -> deciding.Wished:
        _require_open(report_of(folding.state()), bytes.fromhex(asked["version"]))
        return deciding.Wished(decide(folding, RecordFact(home=home, event=event)))

    return _record(store, homes_of, asked, now_ms, wished)


def _require_open(report: Report, version: bytes) -> None:
    found: Submission | None = next((one for one in report.submissions if one.id == version), None)
    if found is None:
        raise Refused("这份报送已经撤回", "this submission was withdrawn meanwhile")
    if found.status != "submitted":
        word = {"accepted": "审核通过", "returned": "退回", "contested": "有人退回、有人通过"}[found.status]
        raise Refused(
            f"这份报送已经{word}，不能再办理；退回的请等之家重新报送",
            f"this submission is {found.status} already; one that was returned is filed again by the home",
        )


def _record(store: Store, homes_of: HomesOf, asked: desk.Asked, now_ms: int, wished: Any) -> dict[str, Any]:
    subject = bytes.fromhex(asked["subject"])
    (done,) = deciding.record(store, homes_of(store), subject, str(asked["by"]), now_ms, wished)
    return {"id": done.id.hex(), "report": str(uuid.UUID(bytes=subject)), "seq": done.seq}


TASKS: Final[dict[str, desk.Task]] = {"submit-report": submit, "judge-report": judge}


# -- what changed since


def compared(one: Filed, before: Made, after: Made, store: StoredLog, home_of: HomeOf) -> dict[str, Any]:
    """R20 of a filed report: its figures as filed, as they follow from the positions filed, and as of today.

    `filed_otherwise`: figures that do not follow from the entries that they are said to come from.
    """
    found = differences.compared(before, after, store, home_of)
    filed = one.json()
    for change in found["changes"]:
        if not change["split"]:
            change["filed"] = filed["figures"].get(change["figure"])
    then = {name: _whole(figure) for name, figure in before.figures.items()}
    otherwise = [
        {"figure": name, "filed": filed["figures"].get(name), "as_known_then": then.get(name)}
        for name in {**filed["figures"], **then}
        if filed["figures"].get(name) != then.get(name)
    ]
    return {**found, "filed": filed, "filed_otherwise": otherwise}


def lines(found: Mapping[str, Any]) -> list[str]:
    """The head of a comparison, and what was filed otherwise, as a person reads it."""
    one = found["filed"]
    otherwise = (
        f"{other['figure']}：报送 {_word(other['filed'])}，按所报条数重算 {_word(other['as_known_then'])}"
        " (filed otherwise than the entries say)"
        for other in found["filed_otherwise"]
    )
    return [head(one), *otherwise]


def head(one: Mapping[str, Any]) -> str:
    """One version in a line."""
    kind, status = REPORT_KIND.label(one["kind"]), STATUS[one["status"]]
    version = f"（第{one['ordinal']}次报送）" if one["ordinal"] > 1 else ""
    why = f"：{'；'.join(one['reasons'])}" if one["reasons"] else ""
    return f"{one['home']} {kind} {one['period']}{version} {one['on']} {one['signed_by'] or one['by']}　{status}{why}"


STATUS: Final = {
    "submitted": "已报送 submitted",
    "returned": "已退回 returned",
    "accepted": "已通过 accepted",
    "contested": "有人退回、有人通过 contested",
}


def _word(value: object) -> str:
    return "无" if value is None else str(value)
