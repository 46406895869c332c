"""What earlier versions stored reads as before: one payload of each type they knew, with every field they had."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

from domain import schema
from domain.event import Event
from domain.telling import tell

RELEASED = [line.split() for line in Path(__file__).with_name("released.txt").read_text(encoding="ascii").splitlines()]


@pytest.mark.parametrize(("name", "payload"), RELEASED, ids=[name for name, _ in RELEASED])
def test_what_was_stored_is_read_and_written_as_before(name: str, payload: str) -> None:
    """A stored payload is read, told in words, and written again byte for byte."""
    stored = bytes.fromhex(payload)
    event = schema.decode(name, msgpack.unpackb(stored))
    assert isinstance(event, Event), event
    assert tell(event)
    again, written = schema.encode(event)
    assert again == name
    assert msgpack.packb(written) == stored
