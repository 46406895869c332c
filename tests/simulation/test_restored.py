"""A hub that is put back again and again while outboxes are in use, from a seed: the county heals by itself."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.restored import FAULTS, County, run


def test_a_county_heals_whatever_its_hub_was_put_back_to(tmp_path):
    """Nobody is blocked, each home has exactly what is its own, and the county's word that survived counts once."""
    fired: Counter[str] = Counter()
    for seed in range(1, 6):
        fired += run(seed, tmp_path / str(seed), 80)
    assert [fault for fault in FAULTS if not fired[fault]] == [], "these never happened: the test tests nothing"


def test_a_county_and_its_homes_heal_when_both_were_put_back(tmp_path):
    """Homes fall back, too: what any folder still has counts in the end, in its writer's name; none is overwritten."""
    fired: Counter[str] = Counter()
    for seed in (131, 142, 226):
        fired += run(seed, tmp_path / str(seed), 110, homes_fall=True)
    for fault in ("home put back", "said again in a home's name", "set in two lives"):
        assert fired[fault], f"{fault}: it never happened, the test tests nothing"


def test_a_seed_is_a_complete_report(tmp_path):
    """The same seed gives the same life, down to every byte of every log."""
    seen = []
    for attempt in ("once", "again"):
        (tmp_path / attempt).mkdir()
        county = County(4, tmp_path / attempt)
        for _ in range(40):
            county.step()
        seen.append(county.digest())
        county.close()
    assert seen[0] == seen[1]


@pytest.mark.long
@pytest.mark.parametrize("century", range(1, 4))
@pytest.mark.parametrize("homes_fall", [False, True])
def test_many_counties_heal(tmp_path, century, homes_fall):
    """The same, for three hundred seeds of each kind and longer lives."""
    for seed in range(100 * century, 100 * century + 100):
        run(seed, tmp_path / str(seed), 200, homes_fall=homes_fall)
