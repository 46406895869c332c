"""What a cut leaves of a frame is worth keeping, and nothing depends on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import interrupted, wire
from sync.errors import FrameDamaged
from sync.interrupted import (
    KEPT_ALL_SIZE_BYTES_MAX,
    KEPT_S_MAX,
    KEPT_SIZE_BYTES_MAX,
    KEPT_SIZE_BYTES_MIN,
    Interrupted,
    is_beginning,
)
from sync.messages import Ack, Chunk, Refusal, Remains, Resume

LOG, OTHER = b"L" * 16, b"O" * 16
BEGUN = bytes(range(256)) * 2


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(clock) -> Interrupted:
    return Interrupted(clock)


def test_what_was_kept_is_said_and_given_once(kept):
    """The node is told how much there is and its fingerprint; who goes on behind it gets it, and then it is gone."""
    kept.keep(LOG, BEGUN)
    remains = kept.remains(LOG)
    assert remains == Remains(len(BEGUN), interrupted.fingerprint(BEGUN))
    assert kept.remains(OTHER) is None
    assert kept.take(LOG, Resume(len(BEGUN))) == BEGUN
    assert kept.remains(LOG) is None
    with pytest.raises(FrameDamaged):
        kept.take(LOG, Resume(len(BEGUN)))


def test_who_goes_on_behind_something_else_is_told_to_try_again(kept):
    """Of another length than what is here nothing is put together, and what is here stays."""
    kept.keep(LOG, BEGUN)
    with pytest.raises(FrameDamaged, match=f"{len(BEGUN) - 1} bytes, of which {len(BEGUN)}"):
        kept.take(LOG, Resume(len(BEGUN) - 1))
    assert kept.remains(LOG) is not None


@pytest.mark.parametrize(
    ("size", "is_kept"),
    [
        (0, False),
        (KEPT_SIZE_BYTES_MIN - 1, False),
        (KEPT_SIZE_BYTES_MIN, True),
        (KEPT_SIZE_BYTES_MAX, True),
        (KEPT_SIZE_BYTES_MAX + 1, False),
    ],
)
def test_only_what_is_worth_it_is_kept(kept, size, is_kept):
    """A few bytes are not worth being spoken of; more than any of our frames has is not kept for anybody."""
    kept.keep(LOG, bytes(size))
    assert (kept.remains(LOG) is not None) is is_kept


def test_a_connection_that_brought_nothing_leaves_what_there_was(kept):
    """A cut before the node could go on costs nothing of what came before."""
    kept.keep(LOG, BEGUN)
    kept.keep(LOG, b"")
    assert kept.take(LOG, Resume(len(BEGUN))) == BEGUN


def test_what_can_be_kept_is_bounded_and_the_oldest_goes_first(kept):
    """However many homes are cut, the hub's memory does not follow."""
    logs = [number.to_bytes(16, "big") for number in range(KEPT_ALL_SIZE_BYTES_MAX // KEPT_SIZE_BYTES_MAX + 3)]
    for log in logs:
        kept.keep(log, bytes(KEPT_SIZE_BYTES_MAX))
    assert [kept.remains(log) is None for log in logs] == [True] * 3 + [False] * (len(logs) - 3)


def test_what_is_old_is_forgotten(kept, clock):
    """After an hour nobody goes on with it."""
    kept.keep(LOG, BEGUN)
    clock.now_s = KEPT_S_MAX
    kept.keep(OTHER, BEGUN)
    assert kept.remains(LOG) is not None
    clock.now_s = KEPT_S_MAX + 1
    assert kept.remains(LOG) is None
    assert kept.remains(OTHER) is not None


def test_only_a_true_beginning_is_gone_on_with():
    """Another frame with the same length, and a frame that is no longer than what is there, are sent whole."""
    frame = bytes(500)
    for size in (1, 499):
        assert is_beginning(Remains(size, interrupted.fingerprint(frame[:size])), frame)
        assert not is_beginning(Remains(size, interrupted.fingerprint(b"x" * size)), frame)
    assert not is_beginning(Remains(500, interrupted.fingerprint(frame)), frame)
    assert not is_beginning(Remains(501, interrupted.fingerprint(frame)), frame)


@given(st.lists(st.integers(1, 600), max_size=12))
def test_a_stream_that_is_cut_again_and_again_gives_every_frame_once(lives):
    """Each connection brings some bytes, however few; what was put together from many is the frame that was meant."""
    said = [Ack(1), Chunk(b"N" * 32, 1, bytes(range(256)) * 3), Refusal("later", "x" * 300), Ack(2)]
    frames, heard, at = [wire.encode(message, 1) for message in said], [], 0
    kept = Interrupted(lambda: 0.0)
    while at < len(frames):
        buffer, stream = wire.FrameBuffer(), frames[at]
        remains = kept.remains(LOG)
        if remains is not None and is_beginning(remains, frames[at]):
            stream = wire.encode(Resume(remains.size_bytes)) + frames[at][remains.size_bytes :]
        stream += b"".join(frames[at + 1 :])
        lived = lives.pop() if lives else len(stream)
        for byte in range(min(lived, len(stream))):
            for frame in buffer.feed(stream[byte : byte + 1]):
                message = wire.decode(frame)
                if isinstance(message, Resume):
                    buffer.resume(kept.take(LOG, message))
                else:
                    heard.append(message)
                    at += 1
        kept.keep(LOG, buffer.begun)
    assert heard == said
