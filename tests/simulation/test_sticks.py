"""Backups, clones, new computers and a restored hub, where only a courier comes: nobody decides, nothing is missing."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.by_stick import FAULTS, run


def test_every_home_heals_by_stick(tmp_path):
    """Whatever was restored, copied, lost or came again: in the end what any folder still had is everywhere, once."""
    fired: Counter[str] = Counter()
    for seed in range(2, 8):
        fired += run(seed, tmp_path / str(seed), 60)
    assert [fault for fault in FAULTS if not fired[fault]] == [], "these never happened: the test tests nothing"
    assert sorted(fired.keys() - set(FAULTS)) == []


@pytest.mark.long
@pytest.mark.parametrize("century", range(1, 6))
def test_many_homes_heal_by_stick(tmp_path, century):
    """The same, for a hundred seeds each and longer lives."""
    for seed in range(100 * century, 100 * century + 100):
        run(seed, tmp_path / str(seed), 150)
