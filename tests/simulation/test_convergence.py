"""Homes and a hub on one thread, from a seed. A seed and a commit are a complete bug report."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from tests.simulation.world import FAULTS, World, run


def test_every_county_converges(tmp_path):
    """Whatever happened, nothing acknowledged is ever missing, and once faults stop the hub holds everything once."""
    fired: Counter[str] = Counter()
    for seed in range(40):
        fired += run(seed, tmp_path / str(seed), 250)
    assert [fault for fault in FAULTS if not fired[fault]] == [], "these never happened: the test tests nothing"
    assert sorted(fired.keys() - set(FAULTS)) == []


@pytest.mark.long
@pytest.mark.parametrize("century", range(1, 11))
def test_many_counties_converge(tmp_path, century):
    """The same, for a thousand seeds and longer lives."""
    for seed in range(100 * century, 100 * century + 100):
        run(seed, tmp_path / str(seed), 1500)


def test_a_seed_is_a_complete_report(tmp_path):
    """The same seed gives the same life, down to every byte of every log."""
    seen = []
    for attempt in ("once", "again"):
        (tmp_path / attempt).mkdir()
        world = World(7, tmp_path / attempt)
        for _ in range(200):
            world.step()
        digest = hashlib.sha256(repr(sorted(world.fired.items())).encode())
        for node in (world.hub, *world.homes):
            for entry in node.store.entries_after(0):
                digest.update(entry.id + (entry.packed or b""))
        world.close()
        seen.append(digest.hexdigest())
    assert seen[0] == seen[1]
