"""Which registers an event edits: the child's card, the home's and the worker's entry in the register."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain import events as e
from domain.codec import Unfit
from domain.schema import fit

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
)
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
        if value is not None:
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


def _fields(*names: str) -> Callable[[Any, str], Edits]:
    """Edits of the registers named like the event's fields."""

    def edits(event: Any, _home: str) -> Edits:
        return {name: value for name in names if (value := getattr(event, name)) is not None}

    return edits


EDITS: dict[type[e.Event], Callable[[Any, str], Edits]] = {
    e.ChildRegistered: _child,
    e.ChildTransferAccepted: _accepted,
    e.ChildDetailsChanged: _details,
    e.ChildCategoryAssessed: lambda event, _home: {"categories": event.categories},
    e.ContactCardChanged: lambda event, _home: {event.field: event.value},
    e.GuardianRecorded: lambda event, _home: _guardian(event),
    e.GuardianEnded: lambda _event, _home: _guardian(None),
    e.ParentWorkplaceRecorded: _workplace,
    e.HomeRegistered: _fields("name", "kind", "phone", "rooms", "capacity", "area_m2", "keeper", "opened_on"),
    e.HomeProfileChanged: _profile,
    e.WorkerRegistered: _fields("name", "code", "kind", "phone", "joined_on"),
}
"""The registers that an event of each class edits, with the values; raises `Unfit` where a value does not fit."""


def edits_of(event: e.Event, home: str) -> Edits:
    """The registers that an event edits; none for a plain fact."""
    edits = EDITS.get(type(event))
    return edits(event, home) if edits else {}


_TYPED: dict[str, tuple[type[e.Event], str]] = {field: (e.ChildRegistered, field) for field in _DETAILS}
_TYPED["categories"] = (e.ChildCategoryAssessed, "categories")
_TYPED.update({f"guardian_{field}": (e.GuardianRecorded, field) for field in _GUARDIAN if field != "phone"})
_HOME_TYPED: dict[str, tuple[type[e.Event], str]] = {
    field: (e.HomeRegistered, field) for field in ("kind", "rooms", "capacity", "area_m2", "opened_on")
}
_WORKER_TYPED: dict[str, tuple[type[e.Event], str]] = {
    "kind": (e.WorkerRegistered, "kind"),
    "joined_on": (e.WorkerRegistered, "joined_on"),
}
_TYPED_BY_KIND = {"home": _HOME_TYPED, "worker": _WORKER_TYPED}
_TYPED["hobbies"] = (e.TalkHeld, "topics")  # a list of texts


def typed(field: str, value: Any, kind: str = "child") -> Any:
    """A settled or changed value (JSON form) as the register's type, or `Unfit`."""
    cls, name = _TYPED_BY_KIND.get(kind, _TYPED).get(field, (e.ContactCardChanged, "value"))
    if field.endswith("_expected_return_on"):
        cls, name = e.ParentWorkplaceRecorded, "expected_return_on"
    if value is None and field.startswith("guardian_"):
        return None
    return fit(cls, name, value)


__all__ = ["EDITS", "HOME", "Edits", "Unfit", "edits_of", "typed"]
