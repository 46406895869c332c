"""Homes and a hub on one thread, from a seed. A seed and a commit are a complete bug report."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from tests.simulation import lives
from tests.simulation.__main__ import main, report
from tests.simulation.world import FAULTS, World, run


def test_every_county_converges(tmp_path):
    """Whatever happened, nothing acknowledged is ever missing, and once faults stop the hub holds everything once."""
    fired: Counter[str] = Counter()
    for seed in range(200):  # behind the hundredth only until the rarest fault has happened, too
        if seed >= 100 and all(fired[fault] for fault in FAULTS):
            break
        fired += run(seed, tmp_path / str(seed), 300)
    assert [fault for fault in FAULTS if not fired[fault]] == [], "these never happened: the test tests nothing"
    assert sorted(fired.keys() - set(FAULTS)) == []


@pytest.mark.long
def test_many_counties_converge():
    """The same, for a thousand seeds and longer lives, as `make simulate` runs them."""
    assert main(["--seeds", "1000", "--first-seed", "100"]) == 0


def test_a_broken_promise_is_reported_by_its_seed(tmp_path, monkeypatch, capsys):
    """A life that breaks a promise ends the run with its seed; a fault that never happened is no success either."""

    def broken(seed: int, folder: Path, steps: int) -> Counter[str]:
        raise AssertionError(f"seed {seed} of {steps}")

    monkeypatch.setattr(lives, "run", broken)
    assert lives.live(tmp_path, 5, 3) == lives.Life(3, Counter(), "AssertionError: seed 3 of 5")
    assert report(Console(), Counter(dict.fromkeys(FAULTS[1:], 1)), 7) == 1
    assert report(Console(), Counter(dict.fromkeys(FAULTS, 1)), 7) == 0
    assert "7 lives" in capsys.readouterr().out


def test_a_seed_is_a_complete_report(tmp_path):
    """The same seed gives the same life, down to every byte of every log."""
    seen = []
    for attempt in ("once", "again"):
        (tmp_path / attempt).mkdir()
        world = World(7, tmp_path / attempt)
        for _ in range(200):
            world.step()
        digest = hashlib.sha256(repr(sorted(world.fired.items())).encode())
        for node in (world.hub, *world.computers):
            for entry in node.store.entries_after(0):
                digest.update(entry.id + (entry.packed or b""))
        world.close()
        seen.append(digest.hexdigest())
    assert seen[0] == seen[1]
