"""Power cuts by the million: every disk that seeded days of a store could have left behind, opened and checked.

    python -m tests.crash [--images 1000000] [--first-seed 0] [--seeds N] [--jobs N]

A seed gives the same day, the same cuts and the same verdict on every machine, so a finding is reported by its seed
alone, and a run that was stopped goes on where its last line says. Exit code 1 if anything was found.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.crash.sweep import Counted, sweep_seed

IMAGES: Final = 1_000_000
LINE_EVERY_S: Final = 30.0  # where no bar can be shown


@dataclass
class Sweep:
    """Seeds on several processes. `next_seed`: all below it are done, whatever ran beside."""

    next_seed: int
    counted: Counted = field(default_factory=Counted)
    done: set[int] = field(default_factory=set)

    def finished(self, seed: int, counted: Counted) -> None:
        """One seed's verdict has come."""
        self.counted.add(counted)
        self.done.add(seed)
        while self.next_seed in self.done:
            self.next_seed += 1

    def run(self, images: int, seeds: int | None, jobs: int, told: Callable[[int], object]) -> None:
        """Until enough images were opened, all seeds are done, or something was found."""
        first = self.next_seed
        ahead = iter(range(first, first + seeds)) if seeds is not None else count(first)
        running: dict[Future[Counted], int] = {}
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            try:
                while True:
                    while len(running) < jobs and not self._enough(images) and (seed := next(ahead, None)) is not None:
                        running[pool.submit(sweep_seed, seed)] = seed
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        self.finished(running.pop(future), future.result())
                        told(self.counted.opened_count)
            finally:
                for future in running:
                    future.cancel()

    def _enough(self, images: int) -> bool:
        return self.counted.opened_count >= images or bool(self.counted.findings)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="disks after power cuts, opened")
    parser.add_argument("--images", type=int, default=IMAGES, help="stop after so many distinct images")
    parser.add_argument("--first-seed", type=int, default=0, help="begin with this seed")
    parser.add_argument("--seeds", type=int, help="at most so many seeds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes beside each other")
    arguments = parser.parse_args(argv)
    console, sweep, began = Console(stderr=True), Sweep(arguments.first_seed), time.perf_counter()
    columns = TextColumn("power cuts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    next_line = 0.0

    def told(opened: int) -> None:
        nonlocal next_line
        bar.update(task, completed=opened)
        if not console.is_terminal and time.perf_counter() - began > next_line:
            next_line += LINE_EVERY_S
            print(f"{opened} images, seeds up to {sweep.next_seed}", flush=True)

    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=arguments.images)
            sweep.run(arguments.images, arguments.seeds, arguments.jobs, told)
    except KeyboardInterrupt:
        print("stopped")
    took_s = time.perf_counter() - began
    for finding in sweep.counted.findings:
        print(finding)
    print(f"{sweep.counted}: {len(sweep.counted.findings)} findings")
    print(
        f"{took_s:.0f} s, {sweep.counted.opened_count / took_s:.0f} images a second on {arguments.jobs} processes;"
        f" go on with --first-seed {sweep.next_seed}"
    )
    return 1 if sweep.counted.findings else 0


if __name__ == "__main__":
    sys.exit(main())
