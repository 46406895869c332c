"""Which registers an event edits: the child's card, and every other entry in a register that merges field by field.

Most registers are named like the field that fills them.  What there are several of has the name of the one it is after
a colon (`group:<id>`, `term:2026-春`, `consent:photo`), and holds the whole event where its fields belong together.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from domain import events as e
from domain.codec import Unfit, shape_of
from domain.schema import fit
from domain.tiers import is_hub

HOME = "home"
"""The register that says which home the child belongs to."""

_GUARDIAN = ("name", "kinship", "phone", "address", "age", "occupation", "health")
_DETAILS = (
    "name",
    "sex",
    "born_on",
    "number",
    "address",
    "school",
    "grade",
    "class_name",
    "boards",
    "ethnicity",
    "national_id",
    "township",
    "village",
    "character",
    "hobbies",
)
_HOME = (
    "name",
    "kind",
    "phone",
    "rooms",
    "capacity",
    "area_m2",
    "keeper",
    "opened_on",
    "township",
    "village",
    "sign_fitted",
    "equipment",
    "hours",
)
_WORKER = (
    "name",
    "code",
    "kind",
    "phone",
    "joined_on",
    "kinds",
    "organisation",
    "organisation_kind",
    "skills",
    "checks_passed_on",
    "part_time",
    "born_on",
)
_VEHICLE = ("plate", "driver", "seats", "driver_phone", "route", "child_ids")
_GROUP = ("name", "level", "members", "duty", "from_on")
_PROJECT = ("title", "need", "goal", "owner", "leader", "stages", "per_unit", "unit_cost_fen", "office")
_PRACTICE = ("title", "text", "proven_at", "adopted_by")
_WORK = ("address", "phone", "city", "expected_return_on", "best_hours")

Edits = Mapping[str, Any]


def _parents(people: tuple[e.Person, ...]) -> dict[str, Any]:
    edits: dict[str, Any] = {}
    for person in people:
        for field in ("name", "phone", "workplace"):
            value = getattr(person, field)
            if value is not None:
                edits[f"{person.kinship}_{field}"] = value
    return edits


def _guardian(guardian: Any) -> dict[str, Any]:
    """A guardian replaces the one before as a whole, so that no two people are mixed on the card."""
    return {f"guardian_{field}": getattr(guardian, field, None) for field in _GUARDIAN}


def _child(event: Any, home: str) -> Edits:
    edits: dict[str, Any] = {HOME: home}
    for field in _DETAILS:
        value = getattr(event, field, None)
        if value is not None and value != ():
            edits[field] = value
    if event.guardian is not None:
        edits.update(_guardian(event.guardian))
    edits.update(_parents(event.parents))
    return edits


def _accepted(event: e.ChildTransferAccepted, home: str) -> Edits:
    return _child(event, event.home or home) if event.accepted else {}


def _details(event: e.ChildDetailsChanged, _home: str) -> Edits:
    return {event.field: typed(event.field, event.value)}


def _workplace(event: e.ParentWorkplaceRecorded, _home: str) -> Edits:
    edits: dict[str, Any] = {f"{event.parent}_workplace": event.employer}
    for field in _WORK:
        value = getattr(event, field)
        if value is not None:
            edits[f"{event.parent}_work_{field}"] = value
    return edits


def _profile(event: e.HomeProfileChanged, _home: str) -> Edits:
    return {event.field: fit(e.HomeRegistered, event.field, event.value)}


def _fields(*names: str, prefix: str = "") -> Callable[[Any, str], Edits]:
    """Edits of the registers named like the event's fields; an empty one says nothing."""

    def edits(event: Any, _home: str) -> Edits:
        return {prefix + name: value for name in names if (value := getattr(event, name)) not in (None, ())}

    return edits


def _whole(prefix: str, *keys: str) -> Callable[[Any, str], Edits]:
    """The edit of one register of several, which holds the event as a whole."""

    def edits(event: Any, _home: str) -> Edits:
        return {":".join([prefix, *(_key(getattr(event, key)) for key in keys)]): event}

    return edits


def _key(value: Any) -> str:
    return value.isoformat("minutes") if isinstance(value, dt.time) else str(value)


def _schooling(event: e.SchoolingChanged, _home: str) -> Edits:
    edits: dict[str, Any] = {"schooling": event.state, "schooling_since": event.since}
    for field in ("school", "grade", "class_name"):
        value = getattr(event, field)
        if value is not None:
            edits[field] = value
    return edits


def _decided(event: e.AidDecided, home: str) -> Edits:
    """Who asks does not decide: a home's word on its own request decides nothing."""
    return {"decision": event, "paying": event.decision == "granted"} if is_hub(home) else {}


def _by_hub(edits_of: Callable[[Any, str], Edits]) -> Callable[[Any, str], Edits]:
    """What only a county, or a hub above it, may say for all."""
    return lambda event, home: edits_of(event, home) if is_hub(home) else {}


EDITS: dict[type[e.Event], Callable[[Any, str], Edits]] = {
    e.ChildRegistered: _child,
    e.ChildTransferAccepted: _accepted,
    e.ChildDetailsChanged: _details,
    e.ChildCategoryAssessed: lambda event, _home: {"categories": event.categories},
    e.ContactCardChanged: lambda event, _home: {event.field: event.value},
    e.GuardianRecorded: lambda event, _home: _guardian(event),
    e.GuardianEnded: lambda _event, _home: _guardian(None),
    e.ParentWorkplaceRecorded: _workplace,
    e.SchoolingChanged: _schooling,
    e.ConsentRecorded: lambda event, _home: {f"consent:{one}": not event.withdrawn for one in event.scope},
    e.TravelModeRecorded: _fields("mode", "distance_m", "escort", "danger", "vehicle", prefix="travel_"),
    e.DuplicateChildLinked: lambda event, _home: {f"duplicate:{event.other}": event.same},
    e.HomeRegistered: _fields(*_HOME),
    e.HomeProfileChanged: _profile,
    e.OpeningScheduled: _whole("opening", "weekday", "kind", "from_time"),
    e.InterestGroupSet: _whole("group", "group"),
    e.RuleAdopted: _whole("rule", "title"),
    e.RideRegistered: _fields(*_VEHICLE),
    e.WorkerRegistered: _fields(*_WORKER),
    e.RoleAssigned: _whole("role", "role", "at"),
    e.RoleEnded: _whole("role", "role", "at"),
    e.GroupSet: _fields(*_GROUP),
    e.ProjectProposed: _fields(*_PROJECT),
    e.ProjectStaffed: _fields("owner", "leader"),
    e.PracticeShared: _fields(*_PRACTICE),
    e.TermScheduled: _by_hub(_whole("term", "name")),
    e.AidDecided: _decided,
    e.AidStopped: lambda _event, _home: {"paying": False},
}
"""The registers that an event of each class edits, with the values; raises `Unfit` where a value does not fit."""


def edits_of(event: e.Event, home: str) -> Edits:
    """The registers that an event edits; none for a plain fact."""
    edits = EDITS.get(type(event))
    return edits(event, home) if edits else {}


_Field = tuple[type[e.Event], str]


def _typed_like(cls: type[e.Event], *names: str, prefix: str = "") -> dict[str, _Field]:
    return {prefix + name: (cls, name) for name in names}


_TYPED: dict[str, _Field] = {
    **_typed_like(e.ChildRegistered, *_DETAILS),
    "categories": (e.ChildCategoryAssessed, "categories"),
    **_typed_like(e.GuardianRecorded, *(field for field in _GUARDIAN if field != "phone"), prefix="guardian_"),
    "schooling": (e.SchoolingChanged, "state"),
    "schooling_since": (e.SchoolingChanged, "since"),
    **_typed_like(e.TravelModeRecorded, "mode", "distance_m", "escort", "danger", "vehicle", prefix="travel_"),
    "consent": (e.ConsentRecorded, "withdrawn"),
    "duplicate": (e.DuplicateChildLinked, "same"),
}
_TYPED_BY_KIND: dict[str, dict[str, _Field]] = {
    "home": _typed_like(e.HomeRegistered, *_HOME),
    "worker": _typed_like(e.WorkerRegistered, *_WORKER),
    "vehicle": _typed_like(e.RideRegistered, *_VEHICLE),
    "group": _typed_like(e.GroupSet, *_GROUP),
    "project": _typed_like(e.ProjectProposed, *_PROJECT),
    "practice": _typed_like(e.PracticeShared, *_PRACTICE),
    "aid": {"paying": (e.AidRequested, "all_costs")},
}
_WHOLE: dict[tuple[str, str], tuple[type[e.Event], ...]] = {
    ("home", "opening"): (e.OpeningScheduled,),
    ("home", "group"): (e.InterestGroupSet,),
    ("home", "rule"): (e.RuleAdopted,),
    ("worker", "role"): (e.RoleAssigned, e.RoleEnded),
    ("county", "term"): (e.TermScheduled,),
    ("aid", "decision"): (e.AidDecided,),
}
"""The registers that hold events as a whole, by the kind of subject and what stands before the colon."""

WHOLE = frozenset(cls for classes in _WHOLE.values() for cls in classes)
"""The classes of those events: a correction of one corrects the register and the fact."""


def typed(field: str, value: Any, kind: str = "child") -> Any:
    """A settled or changed value (JSON form) as the register's type, or `Unfit`."""
    family = field.partition(":")[0]
    whole = _WHOLE.get((kind, family))
    if whole is not None:
        return _event(whole, value)
    known = _TYPED_BY_KIND.get(kind, _TYPED)
    cls, name = known.get(field) or known.get(family) or (e.ContactCardChanged, "value")
    if field.endswith("_expected_return_on"):
        cls, name = e.ParentWorkplaceRecorded, "expected_return_on"
    if value is None and field.startswith("guardian_"):
        return None
    return fit(cls, name, value)


def _event(classes: tuple[type[e.Event], ...], value: Any) -> e.Event:
    """The event that a settlement spells, of the first class that it fits."""
    given = {key: one for key, one in value.items() if one is not None} if isinstance(value, Mapping) else value
    for cls in classes:
        shape = shape_of(cls)
        with contextlib.suppress(Unfit):
            found: e.Event = shape.read(given, shape.from_json)
            return found
    raise Unfit(value, "one of the values shown")


__all__ = ["EDITS", "HOME", "WHOLE", "Edits", "Unfit", "edits_of", "typed"]
