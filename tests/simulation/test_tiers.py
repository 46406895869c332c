"""Three tiers from a seed: cuts, power cuts on every tier, a province put back; nothing is missing at the top."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.tiers import FAULTS, run


def test_everything_arrives_at_the_top(tmp_path):
    """Whatever happened on the way: every entry of every log is at the top, receipted on every tier, shown alike."""
    fired: Counter[str] = Counter()
    for seed in range(5):
        fired += run(seed, tmp_path / str(seed), 110)
    assert [fault for fault in FAULTS if not fired[fault]] == [], "these never happened: the test tests nothing"
    assert sorted(fired.keys() - set(FAULTS)) == []


@pytest.mark.long
@pytest.mark.parametrize("century", range(1, 4))
def test_many_tiers(tmp_path, century):
    """The same, for three hundred seeds and longer lives."""
    for seed in range(100 * century, 100 * century + 100):
        run(seed, tmp_path / str(seed), 200)
