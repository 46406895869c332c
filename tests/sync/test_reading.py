"""What a push implies: its streams by their ordinals, as far as a receiver holds the log."""

from __future__ import annotations

from sync.batch import StreamRef
from sync.reading import KnownStreams


def test_only_streams_that_have_begun_are_looked_up(author):
    """A stream's subject is known if it has begun and was not erased; nobody is asked about any other."""
    asked: list[int] = []
    held = {1: StreamRef(b"1" * 16, b"A" * 16, b"salt"), 2: StreamRef(b"2" * 16, None, None)}

    def find(ordinal: int) -> StreamRef | None:
        asked.append(ordinal)
        return held.get(ordinal)

    known = KnownStreams(author.log, 3, find)
    assert [known.subject_of(ordinal) for ordinal in (-1, 0, 1, 2, 3, 4)] == [None, None, b"A" * 16, None, None, None]
    assert asked == [1, 2, 3]
    known.learn({4: StreamRef(b"4" * 16, b"D" * 16, b"salt"), 5: StreamRef(b"5" * 16, None, None)})
    assert [known.subject_of(ordinal) for ordinal in (4, 5, 6)] == [b"D" * 16, None, None]
    assert asked == [1, 2, 3], "what was learned is not asked for"
