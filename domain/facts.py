"""The import form: one line of a home's former records becomes the wish for exactly one event.

    {"site": "home-07", "subject": "<uuid>", "type": "TalkRecorded",
     "at": "2024-09-03T16:20:31+08:00", "by": "w-07-02", "data": {…}}

(site, at) names a fact.  Nothing a line says is lost: what our fields do not hold as such is kept in another form, and
a correction whose value does not fit its field is kept as it was typed.  A line that does not have this form raises
`BadFact`, which names the field, what was found and what belongs there.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from domain import commands as c
from domain import events as e
from domain.book import Book, Noted
from domain.codec import Unfit, date_of, plain_of, text_of
from domain.errors import BadFact
from domain.reading import Read, filled, person
from domain.schema import REGISTRY, field_codec
from domain.sources import SOURCES, Share, Source, Take

__all__ = ["BadFact", "Book", "Lifted", "Noted", "at_ms", "lift", "own_subject"]

KEYS = frozenset({"site", "subject", "type", "at", "by", "data"})
OWN_SUBJECTS = UUID("6f1c2a5e-3d0b-5d3a-9a64-2f8e5b7c9d10")
"""The name space of subjects and pairings made from a fact's own name, (site, at)."""

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)


class Lifted(NamedTuple):
    """A line as a wish about a subject, with the names of the fact and of its author."""

    subject: UUID
    command: c.Command
    site: str
    at_ms: int
    by: str


class _Line(NamedTuple):
    """A line with its outer fields read."""

    site: str
    subject: UUID
    type: str
    at: str
    at_ms: int
    on: dt.date
    by: str
    data: Mapping[str, Any]


def at_ms(text: Any) -> int:
    """The milliseconds since 1970 of an RFC 3339 moment with its offset."""
    if type(text) is str and len(text) >= 20 and text[4] == "-" == text[7] and text[10] in "Tt ":
        try:
            moment = dt.datetime.fromisoformat(text.upper())
        except ValueError:
            pass
        else:
            if moment.tzinfo is not None:
                return (moment - EPOCH) // MILLISECOND
    raise BadFact("at", text, "a moment with offset as 2024-09-03T16:20:31+08:00")


def lift(fact: Mapping[str, Any], book: Book) -> Lifted:
    """The subject and the wish that one line stands for."""
    line = _line(fact)
    try:
        subject, command = _wish(line, book)
    except Unfit as trouble:
        raise BadFact(f"data.{trouble.field}", trouble.found, trouble.expected) from None
    return Lifted(subject, command, line.site, line.at_ms, line.by)


def _line(fact: Any) -> _Line:
    if not isinstance(fact, Mapping):
        raise BadFact("line", fact, "a map with site, subject, type, at, by and data")
    if fact.keys() != KEYS:
        for key in sorted(KEYS - fact.keys()):
            raise BadFact(key, "nothing", "this field")
        raise BadFact(str(min(fact.keys() - KEYS, key=str)), "a field", "only " + ", ".join(sorted(KEYS)))
    data, at = fact["data"], fact["at"]
    if not isinstance(data, Mapping):
        raise BadFact("data", data, "a map of the fact's fields")
    moment = at_ms(at)
    try:
        names = [filled(fact[key]) for key in ("site", "type", "by")]
        on = date_of(at[:10])
    except Unfit as trouble:
        key = next((one for one in ("site", "type", "by") if fact[one] == trouble.found), "at")
        raise BadFact(key, trouble.found, trouble.expected) from None
    return _Line(names[0], _subject(fact["subject"]), names[1], at, moment, on, names[2], data)


def _subject(text: Any) -> UUID:
    if type(text) is str and len(text) == 36:
        try:
            return UUID(text)
        except ValueError:
            pass
    raise BadFact("subject", text, "a UUID as text")


def own_subject(site: str, at: int) -> UUID:
    """The id made from a fact's own name; the subject of loans and of aid."""
    return uuid5(OWN_SUBJECTS, f"{site}|{at}")


def _wish(line: _Line, book: Book) -> tuple[UUID, c.Command]:
    source = SOURCES.get(line.type)
    if source is None:
        special = _SPECIAL.get(line.type)
        if special is None:
            raise BadFact("type", line.type, "one of " + ", ".join(sorted([*SOURCES, *_SPECIAL])))
        return special(line, book)
    values = _values(source.fields, source.optional, line, book)
    values.update(source.constant)
    values[source.day] = line.on
    subject = _place(line, book, values)
    return subject, _command(line, source.event(**values))


def _values(fields: Mapping[str, Take | Share], optional: frozenset[str], line: _Line, book: Book) -> dict[str, Any]:
    """Our fields for the fields of the line."""
    values: dict[str, Any] = {}
    data = line.data
    for key, value in data.items():
        take = fields.get(key)
        if take is None:
            raise Unfit(value, "no such field; " + ", ".join(fields), str(key))
        try:
            if isinstance(take, Share):
                values.update(take.spread(value, data, book, line.site))
            else:
                values[take.field] = take.read(value)
        except Unfit as trouble:
            raise trouble.within(key) from None
    if len(data) < len(fields):
        for key in fields.keys() - data.keys() - optional:
            raise Unfit("nothing", "this field", key)
    return values


def _place(line: _Line, book: Book, values: dict[str, Any]) -> UUID:
    """The subject of a fact, which for loans, aid and openings is not the one on the line."""
    match line.type:
        case "BookLent" | "AidGranted":
            values["child"] = line.subject
            return own_subject(line.site, line.at_ms)
        case "BookReturned":
            values["child"] = line.subject
            return book.loan(line.subject, values["book"]) or own_subject(line.site, line.at_ms)
        case "RoomOpened":
            return book.home(line.site) or line.subject
        case "PairingMade":
            values["pairing"] = own_subject(line.site, line.at_ms)
            return line.subject
        case _:
            return line.subject


def _command(line: _Line, event: e.Event) -> c.Command:
    match event:
        case e.ChildRegistered():
            return c.RegisterChild(home=line.site, event=event)
        case e.ChildTransferRequested():
            return c.RequestTransfer(home=line.site, event=event, trusting=True)
        case e.ChildTransferAccepted():
            return c.AcceptTransfer(home=line.site, event=event)
        case _:
            return c.RecordFact(home=line.site, event=event)


# -- changes to the card

_PARENTS = {"父亲": "father", "母亲": "mother"}
CARD_PHONES = {f"{zh}.phone": f"{code}_phone" for zh, code in _PARENTS.items()} | {"address": "address"}
WORKPLACES = {f"{zh}.workplace": code for zh, code in _PARENTS.items()}
_CHANGE = frozenset({"field", "was", "now", "told_by"})


def _card_changed(line: _Line, book: Book) -> tuple[UUID, c.Command]:
    data = line.data
    if data.keys() != _CHANGE:
        for key in sorted(_CHANGE - data.keys()):
            raise Unfit("nothing", "this field", key)
        raise Unfit("a field", "only " + ", ".join(sorted(_CHANGE)), min(data.keys() - _CHANGE))
    named = data["field"]
    source = CARD_CHANGES[_card_class(named)]
    values = _values(
        {key: take for key, take in source.fields.items() if key != "now"},
        frozenset({"now"}),
        line._replace(data={key: value for key, value in data.items() if key != "now"}),
        book,
    )
    try:
        values.update(_new_value(source, data["now"]))
    except Unfit as trouble:
        raise trouble.within("now") from None
    values[source.day] = line.on
    return line.subject, _command(line, source.event(**values))


def _card_class(named: Any) -> type[e.Event]:
    if type(named) is not str:
        raise Unfit(named, "text", "field")
    if named == "guardian":
        return e.GuardianRecorded
    if named in WORKPLACES:
        return e.ParentWorkplaceRecorded
    if named in CARD_PHONES:
        return e.ContactCardChanged
    raise Unfit(named, "one of " + ", ".join([*CARD_PHONES, *WORKPLACES, "guardian"]), "field")


def _new_value(source: Source, now: Any) -> dict[str, Any]:
    if source.event is e.GuardianRecorded:
        guardian = person(now)
        known = {"name": guardian.name, "kinship": guardian.kinship, "phone": guardian.phone}
        return known | ({"occupation": guardian.workplace} if guardian.workplace else {})
    take = source.fields["now"]
    assert isinstance(take, Take)
    return {take.field: take.read(now)}


def _among(known: Mapping[str, str]) -> Read:
    def read(value: Any) -> str:
        if type(value) is not str or value not in known:
            raise Unfit(value, "one of " + ", ".join(known))
        return known[value]

    return read


def _nothing_more(value: Any, _data: Mapping[str, Any], _book: Book, _site: str) -> dict[str, Any]:
    """The field "guardian" is said by the type of the event."""
    if value != "guardian":
        raise Unfit(value, "guardian")
    return {}


_TOLD = {"told_by": Take("told_by", text_of, "text")}
CARD_CHANGES: dict[type[e.Event], Source] = {
    e.ContactCardChanged: Source(
        event=e.ContactCardChanged,
        day="on",
        fields={
            "field": Take("field", _among(CARD_PHONES), "code; 父亲.phone, 母亲.phone, address"),
            "was": Take("was", text_of, "text"),
            "now": Take("value", text_of, "text"),
            **_TOLD,
        },
    ),
    e.ParentWorkplaceRecorded: Source(
        event=e.ParentWorkplaceRecorded,
        day="on",
        fields={
            "field": Take("parent", _among(WORKPLACES), "code; 父亲.workplace, 母亲.workplace"),
            "was": Take("was", text_of, "text"),
            "now": Take("employer", text_of, "text"),
            **_TOLD,
        },
    ),
    e.GuardianRecorded: Source(
        event=e.GuardianRecorded,
        day="from_on",
        fields={
            "field": Share((), _nothing_more, "guardian; said by the event"),
            "was": Take("was", person, "person"),
            "now": Share(("name", "kinship", "phone"), _nothing_more, "person"),
            **_TOLD,
        },
    ),
}


# -- corrections

_CORRECTION = frozenset({"corrects", "field", "now", "why"})
CORRECTION_FIELDS: Mapping[str, Take] = {
    "field": Take("field", text_of, "our name of the field"),
    "now": Take("value", plain_of, "JSON form of the field's type, else as typed"),
    "why": Take("reason", text_of, "text"),
}


def _corrected(line: _Line, book: Book) -> tuple[UUID, c.Command]:
    data = line.data
    if data.keys() != _CORRECTION:
        for key in sorted(_CORRECTION - data.keys()):
            raise Unfit("nothing", "this field", key)
        raise Unfit("a field", "only " + ", ".join(sorted(_CORRECTION)), min(data.keys() - _CORRECTION))
    target = _target(line, book)
    event_class = REGISTRY[target.type]
    try:
        reason, named = text_of(data["why"]), text_of(data["field"])
    except Unfit as trouble:
        raise trouble.within("why" if data["why"] is trouble.found else "field") from None
    field, value = _correction(event_class, data["corrects"]["type"], named, data["now"])
    command = c.CorrectFact(
        home=line.site,
        target=UUID(bytes=target.id),
        field=field,
        value=value,
        reason=reason,
        on=line.on,
        trusting=True,
    )
    return UUID(bytes=target.subject), command


def _target(line: _Line, book: Book) -> Noted:
    """The entry that a correction names, of the type that it says."""
    named = line.data["corrects"]
    if not isinstance(named, Mapping) or named.keys() != {"type", "at"}:
        raise Unfit(named, "a map with type and at", "corrects")
    try:
        found = book.find(line.site, at_ms(named["at"]))
    except BadFact as trouble:
        raise Unfit(trouble.found, trouble.expected, "corrects.at") from None
    if found is None:
        raise Unfit(named["at"], f"the moment of an earlier fact of {line.site}", "corrects.at")
    expected = _STORED_AS.get(named["type"], ()) if isinstance(named["type"], str) else ()
    if found.type not in expected:
        raise Unfit(named["type"], f"the type of the fact recorded then, stored as {found.type}", "corrects.type")
    return found


def _correction(event_class: type[e.Event], type_name: str, named: str, now: Any) -> tuple[str, Any]:
    """Our name of the corrected field, and its new value in JSON form, or as typed where it does not fit."""
    fields = _corrected_fields(event_class, type_name)
    take = fields.get(named)
    if take is None:
        raise Unfit(named, "one of " + ", ".join(fields), "field")
    if isinstance(take, Share):
        return take.fields[0] if take.fields else named, _as_typed(now)
    codec = field_codec(event_class, take.field)
    assert codec is not None
    for reading in (now, _number(now)):
        try:
            return take.field, codec.to_json(take.read(reading))
        except Unfit:
            continue
    return take.field, _as_typed(now)


def _corrected_fields(event_class: type[e.Event], type_name: str) -> Mapping[str, Take | Share]:
    if type_name == "CorrectionMade":
        return CORRECTION_FIELDS
    source = CARD_CHANGES[event_class] if type_name == "CardChanged" else SOURCES[type_name]
    return source.fields


def _number(value: Any) -> Any:
    """A number typed as text; anything else stays as it is."""
    if type(value) is not str:
        return value
    try:
        return int(value)
    except ValueError:
        try:
            return float(value)
        except ValueError:
            return value


def _as_typed(now: Any) -> Any:
    """A value that does not fit its field, as text where it is no plain value."""
    try:
        return plain_of(now)
    except Unfit:
        try:
            return text_of(now if isinstance(now, str) else json.dumps(now, ensure_ascii=False))
        except (Unfit, TypeError, ValueError):
            raise Unfit(now, "a value of bounded size", "now") from None


_SPECIAL: dict[str, Callable[[_Line, Book], tuple[UUID, c.Command]]] = {
    "CardChanged": _card_changed,
    "CorrectionMade": _corrected,
}
_STORED_AS: dict[str, frozenset[str]] = {
    **{name: frozenset({source.event.meta.name}) for name, source in SOURCES.items()},
    "CardChanged": frozenset(cls.meta.name for cls in CARD_CHANGES),
    "CorrectionMade": frozenset({e.FactCorrected.meta.name}),
}
TYPES = tuple(sorted(_STORED_AS))
"""Every type of line that can be read."""
