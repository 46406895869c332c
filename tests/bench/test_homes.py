"""The benchmark's homes are spread over subjects as real homes are: its figures are worth no more than that."""

from collections import Counter
from statistics import median

import pytest

from tests.bench.facts import Workshop
from tests.bench.homes import HOMES_COUNT, MONTH_COUNT, Homes, sample

# medians of four homes of 151 to 192 children over two years: subjects, of them new, entries about the busiest
MEASURED = {
    100: ((80, 92), (4, 11), (2, 4)),
    1000: ((245, 295), (60, 95), (8, 11)),
    5000: ((520, 620), (330, 420), (32, 48)),
}


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    return sample(Workshop(tmp_path_factory.mktemp("homes")))


@pytest.mark.parametrize("size", MEASURED)
def test_a_batch_of_one_home_spreads_as_a_real_homes_does(facts, size):
    """As many subjects, as many of them new, and the busiest as busy, at every size of batch that is measured."""
    homes = Homes(facts)
    homes.grow(1)  # the first home is open; everybody is new in its first batch
    seen = {draft.subject for draft in homes.batch(MONTH_COUNT)}
    spreads = []
    for _ in range(40_000 // size):
        subjects = Counter(draft.subject for draft in homes.batch(size))
        spreads.append((len(subjects), len(subjects.keys() - seen), max(subjects.values())))
        seen |= subjects.keys()
    for values, (low, high) in zip(zip(*spreads, strict=True), MEASURED[size], strict=True):
        assert low <= median(values) <= high


def test_a_month_of_every_home_lies_between_two_of_one(facts):
    """A subject's stream is as old as the county is large when it is touched again."""
    homes = Homes(facts)
    months = [{draft.subject for draft in homes.grow(MONTH_COUNT)} for _ in range(HOMES_COUNT + 1)]
    assert len(months[0] & months[-1]) > 100
    assert not any(months[0] & month for month in months[1:-1])


def test_the_homes_are_the_same_on_every_run(facts):
    """Two runs grow by the same drafts, also where batches are asked for in between."""
    first, second = Homes(facts), Homes(facts)
    assert first.grow(5000) == second.grow(5000)
    assert first.batch(100) == second.batch(100)
    assert first.grow(5000) == second.grow(5000)
