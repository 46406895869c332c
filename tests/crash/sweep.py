"""Seed after seed: record a day, build every disk that it could have left, open each, count what was found."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.crash.checking import Checker
from tests.crash.disk import Image, images
from tests.crash.workload import STEPS, Run, run

FINDINGS_MAX: Final = 20
MEMORY: Final = Path("/dev/shm")  # where there is one: an image is written, opened and thrown away


@dataclass
class Counted:
    """What was tried. `opened` counts distinct images that were opened; `cuts` the power cuts that led to them."""

    runs: int = 0
    cuts: Counter[str] = field(default_factory=Counter)
    opened: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def add(self, other: Counted) -> None:
        """Put two counts together."""
        self.runs += other.runs
        self.cuts += other.cuts
        self.opened += other.opened
        self.findings += other.findings

    @property
    def opened_count(self) -> int:
        """Distinct images that were opened, of all kinds."""
        return self.opened.total()

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {self.opened[kind]}/{self.cuts[kind]}" for kind in sorted(self.cuts))
        opened, cuts = self.opened_count, self.cuts.total()
        return f"{opened} distinct images opened of {cuts} power cuts in {self.runs} runs ({kinds})"


def check(recorded: Run, seen: Iterable[Image], folder: Path) -> Counted:
    """Open these images of a run; stop at the first few findings."""
    checker, counted = Checker(recorded, folder), Counted(runs=1)
    for image in seen:
        before = checker.opened_count
        found = checker.finding(image)
        counted.cuts[image.kind] += 1
        counted.opened[image.kind] += checker.opened_count - before
        if found:
            counted.findings.append(f"seed {recorded.seed}, op {image.point}, {image.kind}: {found}")
            if len(counted.findings) >= FINDINGS_MAX:
                break
    return counted


def sweep_seed(seed: int, steps: int = STEPS, reorderings: int = 4) -> Counted:
    """All images of one seed."""
    with scratch() as (day, image):
        recorded = run(day, seed, steps)
        return check(recorded, images(recorded.ops, random.Random(seed), reorderings), image)


def sweep(seeds: Iterable[int], enough: int, told: Callable[[Counted], None] = lambda _: None) -> Counted:
    """Seed after seed until enough images were opened, or something was found."""
    counted = Counted()
    for seed in seeds:
        counted.add(sweep_seed(seed))
        told(counted)
        if counted.opened_count >= enough or counted.findings:
            break
    return counted


@contextmanager
def scratch() -> Iterator[tuple[Path, Path]]:
    """Two empty folders in memory, for a day and for the images of it; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="homeward-crash-", dir=MEMORY if MEMORY.is_dir() else None) as around:
        folders = Path(around, "day"), Path(around, "image")
        for folder in folders:
            folder.mkdir()
        yield folders
