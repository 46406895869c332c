"""Stored names and payloads: round trips, strangers, forms."""

from __future__ import annotations

import datetime as dt
import json
import unicodedata
from typing import Annotated, Any, get_args, get_origin
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import codes, events, schema
from domain.codec import (
    BOOL,
    DATE,
    FILE_NAME,
    ID,
    INSTANT,
    INT,
    PLAIN,
    QUANTITY,
    TEXT,
    TIME,
    Codec,
    shape_of,
)
from domain.errors import BadField, UnknownType
from domain.event import Event, UnknownEvent, UnreadableEvent
from domain.quantity import Quantity, parse
from domain.scalars import COUNTY_TIME

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(
    lambda text: unicodedata.normalize("NFC", text)
)
INTS = st.integers(-(2**63), 2**63 - 1)
PLAINS = st.recursive(
    st.none() | st.booleans() | INTS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
QUANTITIES = st.one_of(
    st.integers(0, 10**9).map(lambda low: Quantity("exact", low)),
    st.integers(0, 10**9).map(lambda low: Quantity("at_least", low)),
    st.tuples(st.integers(0, 99), st.integers(99, 10**9)).map(lambda two: Quantity("range", *two)),
)
SIMPLE: dict[int, Any] = {
    id(TEXT): TEXTS,
    id(INT): INTS,
    id(BOOL): st.booleans(),
    id(DATE): st.dates(),
    id(ID): st.uuids(),
    id(INSTANT): st.datetimes(
        *(dt.datetime(year, 1, 1) for year in (1901, 9998)),  # noqa: DTZ001 -- hypothesis adds the zone
        timezones=st.just(COUNTY_TIME),
    ).map(lambda at: at.replace(microsecond=0)),
    id(TIME): st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    id(FILE_NAME): st.binary(min_size=32, max_size=32),
    id(PLAIN): PLAINS,
    id(QUANTITY): QUANTITIES,
}


def hints_of(cls: Any) -> dict[str, Any]:
    """A class's fields with their types."""
    import typing

    return typing.get_type_hints(cls, include_extras=True)


def values_of(hint: Any, codec: Codec) -> Any:
    """Values of one field's type."""
    if id(codec) in SIMPLE:
        return SIMPLE[id(codec)]
    options = [one for one in get_args(hint) if one is not type(None)]
    if type(None) in get_args(hint):
        return values_of(options[0], codec)
    known = next((one for one in options if isinstance(one, codes.Codes)), None)
    if known is not None:
        listed = st.sampled_from(list(known.labels))
        return listed | TEXTS.filter(bool) if known.open else listed
    if get_origin(hint) is Annotated:
        return values_of(options[0], codec)
    if hasattr(hint, "__dataclass_fields__"):
        return built(hint)
    if get_args(hint) and get_args(hint)[-1] is Ellipsis:
        return st.lists(values_of(options[0], _inner(options[0])), max_size=3).map(tuple)
    return st.dictionaries(TEXTS, values_of(options[-1], _inner(options[-1])), max_size=3)


def _inner(hint: Any) -> Codec:
    from domain.codec import codec_of

    return codec_of(hint)


def built(cls: Any) -> Any:
    """Values of a dataclass."""
    shape, hints = shape_of(cls), hints_of(cls)
    fields = {name: values_of(hints[name], codec) for name, codec in shape.codecs.items()}
    required = {name: values for name, values in fields.items() if name in shape.required}
    optional = {name: values for name, values in fields.items() if name not in shape.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: cls(**values))


EVENTS = st.sampled_from(sorted(schema.names())).flatmap(lambda name: built(schema.REGISTRY[name]))


def plain(value: Any) -> bool:
    """Whether a value is one that an entry may carry."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(one) for key, one in value.items())
    if isinstance(value, list):
        return all(plain(one) for one in value)
    return value is None or type(value) in (str, int, bool, bytes)


@settings(max_examples=600, deadline=None)
@given(EVENTS)
def test_what_is_written_is_read_again(event: Event) -> None:
    """Every event survives the stored form and JSON unchanged."""
    name, payload = schema.encode(event)
    assert plain(payload)
    assert schema.decode(name, payload) == event
    assert schema.from_json(name, json.loads(json.dumps(schema.to_json(event)))) == event


@pytest.mark.parametrize("name", schema.names())
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_type_round_trips(name: str, data: st.DataObject) -> None:
    """No type is left out of the round trip."""
    event = data.draw(built(schema.REGISTRY[name]))
    assert schema.decode(*schema.encode(event)) == event


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(schema.names()) | TEXTS,
    PLAINS | st.dictionaries(st.sampled_from(["on", "field", "value", "name", "present", "target", "kind"]), PLAINS),
)
def test_reading_never_raises(name: str, payload: Any) -> None:
    """Whatever a payload holds, reading it gives an event, an unknown one or an unreadable one."""
    found = schema.decode(name, payload)
    assert isinstance(found, Event | UnknownEvent | UnreadableEvent)
    if isinstance(found, UnknownEvent):
        assert name not in schema.names()


@settings(max_examples=300, deadline=None)
@given(EVENTS, st.data())
def test_a_damaged_payload_is_unreadable_or_fits(event: Event, data: st.DataObject) -> None:
    """One field replaced by anything is either read as that type or reported with the field's name."""
    name, payload = schema.encode(event)
    if payload:
        field = data.draw(st.sampled_from(sorted(payload)))
        found = schema.decode(name, {**payload, field: data.draw(PLAINS | st.binary(max_size=16))})
        assert isinstance(found, Event) or (isinstance(found, UnreadableEvent) and field in found.why)


def test_strangers_are_kept_as_they_came() -> None:
    """A name nobody knows, a field nobody knows and a missing field are kept with their payload."""
    assert schema.decode("moon-visited/1", {"on": 1}) == UnknownEvent("moon-visited/1", {"on": 1})
    for payload in ({"on": "2024-09-01", "moon": 1}, {}, {"on": "2024-02-30"}, {"on": "2024-09-01", "minutes": True}):
        found = schema.decode("talk-held/1", payload)
        assert isinstance(found, UnreadableEvent)
        assert found.payload == payload


def test_an_older_shape_is_lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upcaster turns an older name and payload into today's before they are read."""
    monkeypatch.setitem(schema.UPCASTERS, "talk-held/0", lambda old: ("talk-held/1", {"on": old["day"]}))
    assert schema.decode("talk-held/0", {"day": "2024-09-01"}) == events.TalkHeld(on=dt.date(2024, 9, 1))
    assert isinstance(schema.decode("talk-held/0", {}), UnreadableEvent)


def test_what_equals_its_default_is_not_stored() -> None:
    """Empty optional fields cost no bytes."""
    assert schema.encode(events.TalkHeld(on=dt.date(2024, 9, 1))) == ("talk-held/1", {"on": "2024-09-01"})


def test_text_is_composed() -> None:
    """Text typed in decomposed form is stored composed."""
    event = events.DiaryEntryWritten(on=dt.date(2024, 9, 1), text="e\u0301")
    assert schema.encode(event)[1]["text"] == "\u00e9"


def test_a_form_is_read_field_by_field() -> None:
    """Text of a form becomes typed values; labels stand for codes, lists are JSON."""
    event = schema.from_text(
        "family-contact-made/1",
        {"kind": "通话", "on": "2024-09-01", "minutes": "20", "with_whom": "母亲", "reached": "是"},
    )
    assert event == events.FamilyContactMade(
        kind="call", on=dt.date(2024, 9, 1), minutes=20, with_whom="mother", reached=True
    )
    talk = schema.from_text("talk-held/1", {"on": "2024-09-01", "topics": '["水杯","书包"]'})
    assert isinstance(talk, events.TalkHeld)
    assert talk.topics == ("水杯", "书包")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"on": "2024-09-31"}, "on"),
        ({"on": "2024-09-01", "minutes": "many"}, "minutes"),
        ({"on": "2024-09-01", "moon": "full"}, "field"),
        ({"minutes": "3"}, "on"),
        ({"on": "2024-09-01", "topics": "[1]"}, "topics"),
        ({"on": "2024-09-01", "place": "\ud800"}, "place"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(fields: dict[str, str], named: str) -> None:
    """A refusal names the field, in both languages."""
    with pytest.raises(BadField) as refusal:
        schema.from_text("talk-held/1", fields)
    assert refusal.value.field == named
    assert named in refusal.value.en
    assert named in refusal.value.zh


def test_entries_from_before_there_were_photographs() -> None:
    """An activity or diary page that was stored without the field reads as one without photographs."""
    old = {"kind": "gala", "on": "2024-12-31", "title": "元旦联欢会"}
    gala = schema.decode("activity-held/1", old)
    assert gala == events.ActivityHeld(kind="gala", on=dt.date(2024, 12, 31), title="元旦联欢会")
    assert schema.encode(gala) == ("activity-held/1", old)
    page = schema.decode("diary-entry-written/1", {"on": "2024-09-01", "text": "开学"})
    assert page == events.DiaryEntryWritten(on=dt.date(2024, 9, 1), text="开学")


def test_a_photograph_is_named_as_it_was_stored() -> None:
    """A form takes the 64 digits that storing it printed; anything else is refused."""
    name = bytes(range(32))
    fields = {"kind": "gala", "on": "2024-12-31", "photo_ids": json.dumps([name.hex()])}
    assert schema.from_text("activity-held/1", fields).photo_ids == (name,)
    for wrong in (name.hex()[:-1], name.hex()[:-2] + "zz", " " + name.hex()[1:], str(UUID(int=1)), 7):
        with pytest.raises(BadField) as refusal:
            schema.from_json("activity-held/1", {"kind": "gala", "on": "2024-12-31", "photo_ids": [wrong]})
        assert "照片编号" in refusal.value.zh


def test_an_unknown_name_is_refused_when_writing() -> None:
    """Nobody writes an entry of a type that does not exist."""
    with pytest.raises(UnknownType):
        schema.from_json("moon-visited/1", {})


def test_an_emptied_value_survives() -> None:
    """A correction to "nothing" is stored as such."""
    event = events.FactCorrected(target=UUID(int=1), field="place", value=None)
    assert schema.decode(*schema.encode(event)) == event


def test_every_type_says_what_it_is() -> None:
    """Each type has labels in both languages, a subject and a sensitivity; each code has both labels."""
    for name in schema.names():
        meta = schema.meta(name)
        assert meta is not None
        assert meta.label
        assert meta.english
        assert meta.sensitivity in {"S0", "S1", "S2", "S3", "S4", "S5"}
        assert schema.subject_kind(name) == meta.about
        assert name.endswith("/1")
    lists = [one for one in vars(codes).values() if isinstance(one, codes.Codes)]
    assert all(zh and en for one in lists for zh, en in one.labels.values())


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("61", Quantity("exact", 61)),
        ("2,000", Quantity("exact", 2000)),
        ("110万", Quantity("exact", 1_100_000)),
        ("2000+", Quantity("at_least", 2000)),
        ("2000多份", Quantity("at_least", 2000)),
        ("2万多名", Quantity("at_least", 20_000)),
        ("800余份", Quantity("at_least", 800)),
        ("2000--3000元", Quantity("range", 2000, 3000)),
    ],
)
def test_quantities_are_read_as_people_say_them(text: str, quantity: Quantity) -> None:
    """Numbers as the plans write them."""
    assert parse(text) == quantity
