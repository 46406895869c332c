"""Backups, clones, new computers and a restored hub, from a seed: nobody decides anything, and nothing is missing."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.copies import FAULTS, run


def test_every_home_heals(tmp_path):
    """Whatever was restored, copied or lost: what any folder still had is everywhere in the end, once, as it was."""
    fired: Counter[str] = Counter()
    for seed in range(13, 31):
        fired += run(seed, tmp_path / str(seed), 60)
    assert [fault for fault in FAULTS if not fired[fault]] == [], "these never happened: the test tests nothing"
    assert sorted(fired.keys() - set(FAULTS)) == []


@pytest.mark.long
@pytest.mark.parametrize("century", range(1, 6))
def test_many_homes_heal(tmp_path, century):
    """The same, for five hundred seeds and longer lives."""
    for seed in range(100 * century, 100 * century + 100):
        run(seed, tmp_path / str(seed), 150)
