"""The log that the benchmarks grow: both sides are given the same, and what is compared over sizes is the same work."""

from itertools import pairwise

import pytest

from tests.bench.facts import Workshop
from tests.bench.grown import WATCHED_COUNT, Grown
from tests.bench.homes import sample

SIZE = 10_000


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    workshop = Workshop(tmp_path_factory.mktemp("grown"))
    log = Grown(workshop, sample(workshop), [SIZE, 10 * SIZE])
    log.grow(SIZE, lambda _: None)
    yield log
    log.close()


def test_both_sides_hold_what_the_homes_recorded(grown):
    """As many entries of ours as events of the library's, besides the one by which each watched child begins there."""
    assert grown.ours.store.position() == SIZE
    assert grown.library.library.recorder.max_notification_id() == SIZE + len(grown.watched)


def test_a_watched_child_has_the_same_work_at_every_size(grown):
    """Two hundred entries up to the size it is watched for, evenly spread over all of them."""
    for size, (subject, _) in grown.watched.items():
        positions = [entry.position for entry in grown.ours.store.entries_of_subject(subject)]
        assert len(positions) == WATCHED_COUNT * SIZE // size
        assert {later - earlier for earlier, later in pairwise(positions)} == {size // WATCHED_COUNT}
