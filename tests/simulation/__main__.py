"""Counties by the thousand: homes, sticks and a hub on one thread, each life from a seed, until one breaks a promise.

    python -m tests.simulation [--seeds 1000] [--first-seed 0] [--steps 400] [--jobs N]

A seed and a commit give the same life everywhere, so a finding is reported by its seed alone. At the end it prints how
often each fault really happened. Exit code 1 if a life broke a promise, or if a fault never happened.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.simulation.lives import live
from tests.simulation.world import FAULTS


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="seeded lives of a whole county")
    parser.add_argument("--seeds", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--first-seed", type=int, default=0, help="where to begin (0)")
    parser.add_argument("--steps", type=int, default=400, help="how much happens in a life (400)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one a core)")
    arguments = parser.parse_args(argv)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    console = Console(width=None if sys.stdout.isatty() else 132)
    fired: Counter[str] = Counter()
    lived = 0
    with (
        tempfile.TemporaryDirectory(prefix="homeward-simulation-") as folder,
        ProcessPoolExecutor(arguments.jobs, multiprocessing.get_context("spawn")) as pool,
    ):
        try:
            all_of_them = pool.map(partial(live, Path(folder), arguments.steps), seeds)
            for life in track(all_of_them, "lives", len(seeds), console=console, disable=not sys.stdout.isatty()):
                if life.broken:
                    console.print(f"seed {life.seed}, {arguments.steps} steps: {life.broken}")
                    pool.shutdown(wait=False, cancel_futures=True)
                    return 1
                fired += life.fired
                lived += 1
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            console.print(f"stopped; go on with --first-seed {arguments.first_seed + lived}")
    return report(console, fired, lived)


def report(console: Console, fired: Counter[str], lived: int) -> int:
    """How often each fault happened; 1 if one never did."""
    table = Table(title=f"{lived} lives, no promise broken", title_justify="left")
    table.add_column("fault")
    table.add_column("happened", justify="right")
    for fault in FAULTS:
        table.add_row(fault, f"{fired[fault]:,}")
    console.print(table)
    never = [fault for fault in FAULTS if not fired[fault]]
    return 1 if lived and never else 0


if __name__ == "__main__":
    sys.exit(main())
