"""A subject as what it is: the typed picture that its entries add up to, by the kind of subject.

    state = fold("aid", subject, records)      # the same for any order of delivery: domain/folding.py
    folded(state)                              # Aid(status="granted", instalments=(…), …)

Each picture is a frozen dataclass, made by a pure function from the standing facts and registers of the state, so any
set of entries gives the same one whatever order it came in.  Whoever builds read models or reports starts here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.fold_activity import activity_of, meeting_of, training_of
from domain.fold_aid import aid_of, budget_of, donation_of
from domain.fold_case import case_of, message_of
from domain.fold_child import child_of
from domain.fold_county import county_of, node_of
from domain.fold_people import group_of, worker_of
from domain.fold_place import book_of, hazard_of, home_of, inspection_of, loan_of, vehicle_of
from domain.fold_project import media_of, notice_of, practice_of, project_of, report_of
from domain.state import State

FOLDS: Mapping[str, Callable[[State], Any]] = {
    "child": child_of,
    "case": case_of,
    "message": message_of,
    "home": home_of,
    "vehicle": vehicle_of,
    "hazard": hazard_of,
    "inspection": inspection_of,
    "activity": activity_of,
    "training": training_of,
    "meeting": meeting_of,
    "book": book_of,
    "loan": loan_of,
    "aid": aid_of,
    "donation": donation_of,
    "budget": budget_of,
    "worker": worker_of,
    "group": group_of,
    "project": project_of,
    "report": report_of,
    "notice": notice_of,
    "practice": practice_of,
    "media": media_of,
    "county": county_of,
    "node": node_of,
}
"""The fold of every kind of subject."""


def folded(state: State) -> Any:
    """The picture of a subject; None where its kind is not known."""
    fold = FOLDS.get(state.kind)
    return fold(state) if fold else None
