"""Finding where two copies of a log part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import RemoteProtocolError
from sync.prefix import Prefix


def root(size: int, parted_at: int, who: bytes) -> bytes:
    """A stand-in for a root: the same for both copies up to where they part."""
    return b"%d" % size if size <= parted_at else who + b"%d" % size


def search(shared: int, common: int) -> tuple[int, int]:
    """What is found, and in how many rounds."""
    prefix, rounds = Prefix(shared), 0
    while not prefix.done:
        sizes = prefix.sizes()
        assert sizes == sorted(set(sizes))
        assert 1 <= len(sizes) <= 16
        assert sizes[0] > prefix.size
        assert sizes[-1] == prefix.end
        prefix.take([root(n, common, b"a") for n in sizes], [root(n, common, b"b") for n in sizes])
        rounds += 1
    return prefix.size, rounds


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_the_common_beginning_is_found(shared, common):
    """Whatever two copies have in common, exactly that is found."""
    common = min(shared, common)
    assert search(shared, common)[0] == common


@pytest.mark.parametrize(("shared", "common", "rounds"), [(10**6, 10**6, 1), (10**6, 0, 6), (10**6, 777_777, 6)])
def test_a_large_log_takes_few_questions(shared, common, rounds):
    """One question where a copy continues the other, and at most six for a million entries."""
    found, asked = search(shared, common)
    assert found == common
    assert asked <= rounds


def test_the_first_question_is_whether_one_copy_continues_the_other():
    """In the ordinary case one root is compared, and after it as many as a question may have."""
    prefix = Prefix(1000)
    assert prefix.sizes() == [1000]
    prefix.take([b"x"], [b"y"])
    assert len(prefix.sizes()) == 16


@given(st.integers(1, 10**6), st.data())
def test_a_liar_ends_the_search_too(shared, data):
    """Answers that no log could give neither keep a node busy nor lead it beyond what both have."""
    prefix, rounds = Prefix(shared), 0
    while not prefix.done:
        sizes = prefix.sizes()
        answers = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
        prefix.take([b"x"] * len(sizes), [b"x" if same else b"y" for same in answers])
        rounds += 1
        assert rounds <= 8
    assert 0 <= prefix.size <= shared


def test_as_many_roots_must_come_as_were_asked_for():
    """A list of another length is refused."""
    with pytest.raises(RemoteProtocolError):
        Prefix(5).take([b"x"], [])
