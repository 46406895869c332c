"""What a row of a list comes to: the events that are recorded about a child, a book or a grant.

A list repeats what the file knows already.  Of a card only what differs becomes an event, so that a list that is
imported every term does not bury the history under repetitions, and makes no conflicts where nothing changed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from domain import events as e
from domain.errors import Mistyped
from domain.event import Event, Person

Values = Mapping[str, Any]
Standing = Callable[[str], frozenset[Any]]
"""The values that a field of the child's card has now: none, one, or several in conflict."""

_CHILD = ("name", "sex", "born_on", "number", "address", "school", "grade", "class_name", "boards", "ethnicity",
          "national_id", "township", "village")  # fmt: skip
_GUARDIAN_MORE = ("age", "occupation", "health", "address")
_SURVEY = ("study", "life", "psychology", "safety", "health", "wishes")
_CARD = ("address", "home_phone", "father_name", "father_phone", "mother_name", "mother_phone")
_PARENTS = ("father", "mother")


class When(NamedTuple):
    """The day and the term that a list stands for where its rows do not say."""

    on: dt.date
    term: str


def registered(values: Values, when: When) -> list[Event]:
    """A new child: its registration with the first card, its category, its guardian in full, the survey."""
    on = values.get("registered_on", when.on)
    born = values.get("born_on")
    if born is not None and born > on:
        raise Mistyped(
            f"登记日期{on}早于出生日期{born}", f"the registration on {on} is before the date of birth, {born}"
        )
    if [key for key in values if key.startswith("guardian_")] == [
        "guardian_phone"
    ]:  # 联系电话, and nobody it belongs to
        values = {key: value for key, value in values.items() if key != "guardian_phone"} | {
            "home_phone": values["guardian_phone"]
        }
    guardian = _guardian_in_full(values, on)
    found: list[Event] = [
        e.ChildRegistered(
            **{key: values[key] for key in _CHILD if key in values},
            registered_on=on,
            guardian=None if guardian else _guardian(values),
            parents=tuple(person for person in (_parent(values, who) for who in _PARENTS) if person),
        )
    ]
    found += [guardian] if guardian else []
    found += [
        e.ParentWorkplaceRecorded(parent=who, employer=values[f"{who}_workplace"], on=on)
        for who in _PARENTS
        if f"{who}_workplace" in values and f"{who}_name" not in values
    ]
    found += [
        e.ContactCardChanged(field=key, value=values[key], on=on)
        for key, name in (("home_phone", ""), ("father_phone", "father_name"), ("mother_phone", "mother_name"))
        if key in values and name not in values
    ]
    found += assessed(values, on)
    return found + surveyed(values, when._replace(on=on))


def assessed(values: Values, on: dt.date) -> list[Event]:
    """The categories that a list gives the child."""
    categories = values.get("categories")
    return [e.ChildCategoryAssessed(categories=categories, assessed_on=on)] if categories else []


def surveyed(values: Values, when: When) -> list[Event]:
    """The dimensions of the survey that a list has."""
    said = {key: values[key] for key in _SURVEY if key in values}
    return [e.SituationSurveyed(surveyed_on=when.on, term=when.term, **said)] if said else []


def card_changed(values: Values, when: When, standing: Standing) -> list[Event]:
    """What a contact card says otherwise than the child's file."""
    found: list[Event] = [
        e.ContactCardChanged(field=key, value=values[key], on=when.on)
        for key in _CARD
        if key in values and standing(key) != frozenset({values[key]})
    ]
    for who in _PARENTS:
        employer = values.get(f"{who}_workplace")
        if employer is not None and standing(f"{who}_workplace") != frozenset({employer}):
            found.append(e.ParentWorkplaceRecorded(parent=who, employer=employer, on=when.on))
    said = {key: values[key] for key in values if key.startswith("guardian_")}
    if any(standing(key) != frozenset({value}) for key, value in said.items()):
        found.append(_guardian_changed(said, when.on, standing))
    return found


def _guardian_changed(said: Values, on: dt.date, standing: Standing) -> Event:
    """A guardian replaces the one before as a whole: of the same person what the list leaves out is kept."""
    now = {}
    if "guardian_name" not in said or standing("guardian_name") == frozenset({said["guardian_name"]}):
        for key in ("name", "kinship", "phone", *_GUARDIAN_MORE):
            known = standing(f"guardian_{key}")
            if len(known) == 1 and next(iter(known)) is not None:
                now[key] = next(iter(known))
    now |= {key.removeprefix("guardian_"): value for key, value in said.items()}
    for key, label in (("name", "监护人姓名"), ("kinship", "与儿童关系")):
        if key not in now:
            raise Mistyped(f"缺少{label}：档案里也没有", f"{label} is missing, and not in the child's file either")
    return e.GuardianRecorded(**now, from_on=on)


def book(values: Values, when: When) -> list[Event]:
    """A book of the library."""
    copies = values.get("copies", 1)
    if copies < 1:
        raise Mistyped(f"册数是{copies}，至少应是1", f"found {copies} copies, expected at least one")
    return [e.BookAcquired(**{"on": when.on, **values, "copies": copies})]


def asked(values: Values, when: When, child: Any) -> list[Event]:
    """Aid that is asked for a child."""
    said = {
        key: value for key, value in values.items() if key not in ("name", "national_id", "born_on", "number", "sex")
    }
    if said.get("instalments", 1) < 1:
        raise Mistyped("期数至少应是1", "expected at least one instalment")
    return [e.AidRequested(**{"kind": "allowance", "on": when.on, **said, "child": child})]


def _guardian(values: Values) -> Person | None:
    """The guardian as registration has it; a name without a kinship cannot stand there."""
    if "guardian_name" not in values:
        if any(key.startswith("guardian_") for key in values):
            raise Mistyped("填了监护人的情况，但缺少监护人姓名", "the guardian's name is missing")
        return None
    name = values["guardian_name"]
    same = (who for who in _PARENTS if values.get(f"{who}_name") == name)
    kinship = values.get("guardian_kinship") or next(same, None)
    if kinship is None:
        raise Mistyped("缺少监护人与儿童的关系", "the guardian's kinship to the child is missing")
    return Person(name=name, kinship=kinship, phone=values.get("guardian_phone"))


def _guardian_in_full(values: Values, on: dt.date) -> e.GuardianRecorded | None:
    person = _guardian(values)
    more = {key: values[f"guardian_{key}"] for key in _GUARDIAN_MORE if f"guardian_{key}" in values}
    if person is None or not more:
        return None
    return e.GuardianRecorded(name=person.name, kinship=person.kinship, phone=person.phone, from_on=on, **more)


def _parent(values: Values, who: str) -> Person | None:
    if f"{who}_name" not in values:
        return None
    return Person(
        name=values[f"{who}_name"],
        kinship=who,
        phone=values.get(f"{who}_phone"),
        workplace=values.get(f"{who}_workplace"),
    )
