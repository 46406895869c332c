"""One life of a county as a job for another process."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.simulation.world import run


class Life(NamedTuple):
    """What became of one seed: the faults that happened, and which promise was broken, if one was."""

    seed: int
    fired: Counter[str]
    broken: str


def live(folder: Path, steps: int, seed: int) -> Life:
    """One life, in a folder of its own that is gone afterwards."""
    place = folder / str(seed)
    try:
        return Life(seed, run(seed, place, steps), "")
    except Exception as error:  # noqa: BLE001 -- whatever it is, the seed says how to see it again
        return Life(seed, Counter(), f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(place, ignore_errors=True)
