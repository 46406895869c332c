"""A home with all that duties are owed for at it: its children, itself, and its hazards, activities, cases and reports.

What a home's own records say of who works there, of what it waived and whether it boards children is put around every
other subject. A value of states alone: who reads them from where is the shell's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from domain import deeds
from domain.deeds import Account, Around, Known, Post, Posts, Subject, Waiver, deeds_of, waivers_of
from domain.rules import FOR_EVER, LONG_AGO
from domain.state import State, Stay

WORKER_ROLES: Final = {
    "keeper": "child_director", "child_director": "child_director", "head": "head", "caring_mother": "caring_mother",
    "volunteer": "volunteer", "college": "volunteer", "teacher": "helping_teacher", "life_teacher": "duty",
    "duty": "duty", "counsellor": "counsellor", "cadre": "cadre",
}  # fmt: skip
"""What a kind of worker does, where no role was assigned."""

THINGS: Final = frozenset(
    {"hazard", "activity", "message", "vehicle", "report", "project", "aid", "budget", "case", "worker"}
)
OF_THE_HOME: Final = frozenset({"home", "activity", "meeting", "inspection", "hazard", "report"})
"""The kinds of subjects with the deeds of a home."""

TRAITS: Final = {"dormitory": "boarding", "canteen": "canteen"}


def around_of(states: Iterable[Known]) -> dict[str, Around]:
    """What homes and workers say, by the code of the home that recorded it."""
    posts: dict[str, list[Post]] = {}
    waivers: dict[str, list[Waiver]] = {}
    traits: dict[str, set[str]] = {}
    for state in states:
        found = deeds_of(state)
        if state.kind == "worker":
            for home, post in _posts(state, found):
                posts.setdefault(home, []).append(post)
        elif state.kind == "home":
            home = _writer(found)
            waivers.setdefault(home, []).extend(waivers_of(found))
            keeper = state.value("keeper")
            if keeper:
                posts.setdefault(home, []).append(Post(str(keeper), "", "head", LONG_AGO, FOR_EVER))
            traits.setdefault(home, set()).update(
                one for one in TRAITS.values() if one in (state.value("equipment") or ())
            )
        for one in found.get("inspection-done", ()):
            if one.event.kind in TRAITS:
                traits.setdefault(one.home, set()).add(TRAITS[one.event.kind])
    return {
        home: Around(
            Posts(sorted(posts.get(home, ()))),
            tuple(sorted(waivers.get(home, ()), key=lambda one: one.id)),
            frozenset(traits.get(home, ())),
        )
        for home in {*posts, *waivers, *traits}
    }


def _writer(found: Mapping[str, Any]) -> str:
    registered = found.get("home-registered") or next(iter(found.values()), ())
    return str(registered[0].home) if registered else ""


def _posts(state: Known, found: Mapping[str, Any]) -> Iterator[tuple[str, Post]]:
    """The posts of one person: the roles assigned, or what follows from the kind of worker."""
    name, code = str(state.value("name") or ""), str(state.value("code") or "")
    ended = [(one.event.role, one.event.at, one.day) for one in found.get("role-ended", ())]
    assigned = found.get("role-assigned", ())
    for one in assigned:
        last = min((day for role, at, day in ended if (role, at) == (one.event.role, one.event.at) and day >= one.day),
                   default=FOR_EVER + 1) - 1  # fmt: skip
        yield one.event.at, Post(name, code, one.event.role, one.day, last)
    for one in () if assigned else found.get("worker-registered", ())[:1]:
        kinds = dict.fromkeys([one.event.kind, *one.event.kinds])
        for role in dict.fromkeys(WORKER_ROLES[kind] for kind in kinds if kind in WORKER_ROLES):
            yield one.home, Post(name, code, role, one.day, FOR_EVER)


def home_subjects(
    codes: Sequence[str], states: Iterable[Known], around: Mapping[str, Around]
) -> Iterator[tuple[str, Subject]]:
    """Everything but children that duties are owed for at some homes, with the home; each home itself first."""
    own = [one for one in states if one.kind in THINGS | OF_THE_HOME]
    registered: dict[str, bytes] = {}
    of_home: dict[str, list[Known]] = {}
    things: dict[str, list[Subject]] = {}
    following = deeds.next_of_kind(one for one in own if one.kind == "activity")
    for one in own:
        if one.kind == "home":
            registered.setdefault(_writer(deeds_of(one)), one.subject)
        if one.kind in OF_THE_HOME:
            for code in _homes_in(one):
                of_home.setdefault(code, []).append(one)
        if one.kind in THINGS:
            made = deeds.thing(one, around)
            made.next_of_kind = following
            for span in made.spans:
                things.setdefault(span.home, []).append(made)
    for code in codes:
        if (subject := registered.get(code)) is not None:
            yield code, deeds.home(code, subject, of_home.get(code, ()), around.get(code, deeds.NOTHING_AROUND))
        for made in things.get(code, ()):
            yield code, made


def _homes_in(state: Known) -> set[str]:
    """The homes that wrote deeds about a subject, or are named in them."""
    found = [one for some in deeds_of(state).values() for one in some]
    return {one.home for one in found} | {named for one in found if (named := getattr(one.event, "home", None))}


TITLE_FIELDS: Final = ("title", "place", "plate", "line", "name", "period")
KIND_NAMES: Final = {
    "hazard": "隐患", "activity": "活动", "message": "来信", "vehicle": "车辆", "report": "报表", "project": "项目",
    "aid": "资助", "budget": "预算", "case": "个案", "worker": "工作人员",
}  # fmt: skip


def title_of(state: State) -> str:
    """How a subject that is no child is called in a list; of a case or a message never what it is about."""
    kind = KIND_NAMES.get(state.kind, state.kind)
    if state.kind in ("case", "message"):
        return f"{kind}{state.subject.hex()[:6]}"
    events: list[Any] = [one.event for id_, one in sorted(state.records.items()) if state.stands(id_)]
    names = (getattr(event, field, None) for field in TITLE_FIELDS for event in events)
    return kind + next((f"“{name}”" for name in names if isinstance(name, str) and name), state.subject.hex()[:6])


VALUES: Final = {
    "child": ("name", "sex", "born_on", "address", "guardian_name", "guardian_phone", "school", "grade", "father_name",
              "mother_name"),
    "home": ("keeper", "equipment", "name"),
    "worker": ("name", "code"),
}  # fmt: skip
"""The fields of each kind of subject that duties ask about."""


def account_of(state: State) -> Account:
    """What duties ask of a folded subject. The read models keep the same (`deed_rows`)."""
    return Account(
        kind=state.kind,
        subject=state.subject,
        deeds=deeds_of(state),
        stays=state.stays,
        values={name: state.value(name) for name in VALUES.get(state.kind, ())},
        title=str(state.value("name") or "") if state.kind == "child" else title_of(state),
        homes=frozenset(one.home for one in state.records.values()),
    )


def is_in_care(stays: Iterable[Stay], home: str, day: dt.date) -> bool:
    """Whether a child belongs to a home on a day, or will."""
    return any(stay.home == home and (stay.to_on is None or stay.to_on > day) for stay in stays)
