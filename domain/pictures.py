"""Read models of what is folded from several facts: a grant and its instalments, a case, a hazard, a project, a line.

One row is one subject's picture (`domain/folded.py`), or one part of it that reports count by itself.  What a single
fact says by itself is in `fact_tables.py`.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from domain.fold_aid import Aid, Budget, held
from domain.fold_case import Case
from domain.fold_place import Hazard
from domain.fold_project import Project, Report
from domain.folded import folded
from domain.quantity import Quantity
from domain.state import State

COLUMNS: Final = {
    "grant_of_aid": (
        (
            "home child:BLOB recipient recipient_kind programme kind donor status decided_on requested_on stopped_on "
            "committed_fen:INTEGER paid_fen:INTEGER instalments:INTEGER paid:INTEGER received:INTEGER paying:INTEGER "
            "all_costs:INTEGER reason waits_if_left:INTEGER"
        ),
        "",
    ),
    "instalment": (
        (
            "number home child:BLOB recipient recipient_kind programme kind due_on paid_on paid_fen:INTEGER "
            "witnesses:INTEGER contested:INTEGER received_on"
        ),
        "number",
    ),
    "matter": (
        (
            "home kind channel urgent:INTEGER received_on first_step_on closed_on outcome status of_child:INTEGER "
            "steps:INTEGER sessions:INTEGER days:INTEGER"
        ),
        "",
    ),
    "hazard": ("home place kind severity found_on due_on reported_on in_writing:INTEGER remedied_on status", ""),
    "project": (
        (
            "home title owner leader status proposed_on approved_on closed_on follow_up stage:INTEGER stages:INTEGER "
            "contracted_fen:INTEGER evaluations missing"
        ),
        "",
    ),
    "budget_line": (
        (
            "home line year:INTEGER purpose purpose_bound:INTEGER allocated_fen:INTEGER released_fen:INTEGER "
            "spent_fen:INTEGER allocated_on released_on spent_on off_purpose:INTEGER"
        ),
        "",
    ),
    "filed_report": (
        (
            "version:BLOB ordinal:INTEGER home kind period on by signed_by remarks status accepted_on reasons "
            "counts:INTEGER figures positions"
        ),
        "version",
    ),
}
"""For each table its columns after the subject, and those of its key."""

Cells = tuple[Any, ...]


def rows_of(state: State) -> Iterator[tuple[str, Cells]]:
    """The rows of one subject."""
    rows = _BY_KIND.get(state.kind)
    if rows is not None:
        for table, cells in rows(folded(state), state):
            yield table, (state.subject, *cells)


def _day(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


def _home(state: State) -> str:
    return next((one.home for one in state.records.values()), "")


def _aid(aid: Aid, state: State) -> Iterator[tuple[str, Cells]]:
    home, child = aid.requested_by or _home(state), aid.child.bytes if aid.child else None
    asked, decided = aid.requested, aid.decided
    yield (
        "grant_of_aid",
        (
            home,
            child,
            aid.recipient,
            aid.recipient_kind,
            aid.programme,
            aid.kind,
            aid.donor,
            aid.status,
            _day(decided.on if decided else None),
            _day((asked.on or asked.from_on) if asked else None),
            _day(aid.stopped_on),
            aid.committed_fen,
            aid.paid_fen,
            len(aid.instalments),
            aid.paid,
            aid.received,
            int(aid.paying),
            int(asked.all_costs) if asked else 0,
            decided.reason if decided else None,
            int(held(aid, left=True)),
        ),
    )
    whose = (home, child, aid.recipient, aid.recipient_kind, aid.programme, aid.kind)
    for one in aid.instalments:
        paid = (one.paid_fen, len(one.witnesses), int(one.contested), _day(one.received_on))
        yield "instalment", (one.key, *whose, _day(one.due_on), _day(one.paid_on), *paid)


def _case(case: Case, state: State) -> Iterator[tuple[str, Cells]]:
    dates = (_day(case.received_on), _day(case.first_step_on), _day(case.closed_on))
    counts = (int(case.child is not None), len(case.steps), len(case.sessions), case.days_to_close)
    home = case.home or _home(state)
    yield "matter", (home, case.kind, case.channel, int(case.urgent), *dates, case.outcome, case.status, *counts)


def _hazard(one: Hazard, state: State) -> Iterator[tuple[str, Cells]]:
    dates = (_day(one.found_on), _day(one.due_on), _day(one.reported_on), int(one.in_writing), _day(one.remedied_on))
    yield "hazard", (one.home or _home(state), one.place, one.kind, one.severity, *dates, one.status)


def _project(one: Project, state: State) -> Iterator[tuple[str, Cells]]:
    dates = (_day(one.proposed_on), _day(one.approved_on), _day(one.closed_on))
    contracted = sum(contract.amount_fen for contract in one.contracts)
    filed = json.dumps([evaluation.kind for evaluation in one.evaluations])
    missing = json.dumps(list(one.missing)) if one.missing else None
    head = (_home(state), one.title, one.owner, one.leader, one.status, *dates, one.follow_up)
    yield "project", (*head, one.stage, len(one.stages), contracted, filed, missing)


def _budget(one: Budget, state: State) -> Iterator[tuple[str, Cells]]:
    money = (one.allocated_fen, one.released_fen, one.spent_fen)
    dates = (_day(one.allocated_on), _day(one.released_on), _day(one.spent_on))
    head = (_home(state), one.line, one.year, one.purpose, int(one.purpose_bound))
    yield "budget_line", (*head, *money, *dates, len(one.off_purpose))


def _report(one: Report, _state: State) -> Iterator[tuple[str, Cells]]:
    """One row a version, with the figures as they were filed."""
    for ordinal, version in enumerate(one.submissions, 1):
        head = (version.id, ordinal, version.home, version.kind, version.period, _day(version.on), version.by)
        verdict = (version.status, _day(version.accepted_on), _json(version.reasons), int(version is one.counts))
        figures = {name: _figure(value) for name, value in version.figures.items()}
        filed = (_json(figures), _json(dict(version.positions)))
        yield "filed_report", (*head, version.signed_by, version.remarks, *verdict, *filed)


def _figure(value: Quantity) -> int | str:
    return value.low if value.kind == "exact" else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


_BY_KIND: Final[dict[str, Callable[[Any, State], Iterator[tuple[str, Cells]]]]] = {
    "aid": _aid,
    "case": _case,
    "hazard": _hazard,
    "project": _project,
    "budget": _budget,
    "report": _report,
}
