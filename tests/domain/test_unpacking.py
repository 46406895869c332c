"""Reading stored payloads the quick way: never otherwise than the exact one, and always where nothing is wrong."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain import schema
from domain.codec import DOUBTS, Unfit, shape_of
from domain.event import Event
from tests.domain.test_schema import EVENTS, PLAINS, built

ODD = PLAINS | st.binary(max_size=17) | st.sampled_from(["20240901", "2024-W35-7", 2**63, -(2**63) - 1, "", True])


def exactly(cls: Any, payload: Any) -> Any:
    """What the exact way reads; None where the payload does not fit."""
    try:
        return shape_of(cls).unpack(payload)
    except (Unfit, TypeError, ValueError):
        return None


@pytest.mark.parametrize("name", schema.names())
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_the_quick_way(name: str, data: st.DataObject) -> None:
    """No event that was encoded leaves its quick reader in doubt, and what it reads is the frozen event."""
    event = data.draw(built(schema.REGISTRY[name]))
    found = shape_of(type(event)).quick(schema.encode(event)[1])
    assert found == event
    assert type(found) is type(event)
    with pytest.raises(AttributeError):
        setattr(found, next(iter(type(event).__dataclass_fields__)), None)


@settings(max_examples=800, deadline=None)
@given(EVENTS, st.data())
def test_the_quick_way_reads_nothing_that_the_exact_one_refuses(event: Event, data: st.DataObject) -> None:
    """A payload changed in any field, with one more or one less, is read by both alike or by neither."""
    name, payload = schema.encode(event)
    cls = type(event)
    for field in data.draw(st.lists(st.sampled_from([*cls.__dataclass_fields__, "moon"]), max_size=2)):
        if data.draw(st.booleans()):
            payload[field] = data.draw(ODD)
        else:
            payload.pop(field, None)
    try:
        found = shape_of(cls).quick(payload)
    except DOUBTS:
        found = None
    expected = exactly(cls, payload)
    if found is not None:
        assert repr(found) == repr(expected)
    read = schema.decode(name, payload)
    assert read == expected if expected is not None else not isinstance(read, Event)


def test_a_field_that_is_there_and_empty_is_no_default() -> None:
    """Nothing in the place of a value is trouble, said by the field's name, as it always was."""
    found = schema.decode("talk-held/1", {"on": "2024-09-01", "place": None})
    assert isinstance(found, e.UnreadableEvent)
    assert found.why == "place: found None, expected text"


def test_days_and_ids_are_shared() -> None:
    """The same day and the same child in two entries are one object, which is what makes a large fold fit in memory."""
    one, two = (
        schema.decode(
            "loan-started/1", {"child": UUID(int=7).bytes, "book": "a", "out_on": "2024-09-01", "due_on": day}
        )
        for day in ("2024-09-20", "2024-09-21")
    )
    assert isinstance(one, e.LoanStarted)
    assert isinstance(two, e.LoanStarted)
    assert one.child is two.child
    assert one.out_on is two.out_on
