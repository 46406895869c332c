"""Benchmarks: tables of ratios between what we do and what it is measured beside. Nothing here passes or fails.

    python -m tests.bench [--only import|sync|wire|link|crowd|down|store|cipher|views|reports|verify|grown]
                          [--quick] [--sizes 10k,1m,5m] [--copies 4,50] [--facts FILE]

Without --only all parts but `link`, `crowd` and `down`, which take some minutes (`make bench-sync`), `reports`, which
fills the read models of ten counties (`make bench-domain`: some minutes, 1.5 GB), and `grown`,
which grows a log to a million entries (about 5 minutes, 1.2 GB), or to what --sizes says (five million: reckon with 20
minutes and 6 GB; it asks the disk first).
Data lies in a temporary folder (TMPDIR says where; durable commits are as fast as that disk) which is removed.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import apsw
from rich.console import Console

from node.cli import COLLECT_AFTER
from tests.bench import (
    arriving,
    crowding,
    encrypting,
    exchange,
    following,
    growing,
    importing,
    linking,
    reporting,
    storing,
    verifying,
    wiring,
)
from tests.bench.facts import COPIES_COUNT, Workshop
from tests.bench.measuring import Findings

RUNS, RUNS_QUICK = 5, 2
UNITS = {"k": 1000, "m": 1_000_000}
Part = Callable[..., Iterable[Findings]]
PARTS: dict[str, Part] = {
    "import": importing.run,
    "sync": exchange.run,
    "wire": wiring.run,
    "link": linking.run,
    "crowd": crowding.run,
    "down": arriving.run,
    "store": storing.run,
    "cipher": encrypting.run,
    "views": following.run,
    "reports": reporting.run,
    "verify": verifying.run,
}
ASKED_FOR = {"link", "crowd", "down", "reports"}
WITH_FACTS = {"wire", "down"}
GROWN = "grown"  # takes minutes to an hour: only where it is asked for


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="tables of ratios, no verdict")
    parser.add_argument("--only", action="append", choices=[*PARTS, GROWN], help="this part; may be repeated")
    parser.add_argument("--quick", action="store_true", help=f"{RUNS_QUICK} rounds instead of {RUNS}")
    parser.add_argument("--sizes", type=_sizes, default=growing.SIZES, help=f"where {GROWN} measures: 10k,1m,5m")
    parser.add_argument("--facts", type=Path, help="what `wire` and `down` measure, JSON lines")
    parser.add_argument("--copies", type=_numbers, default=[COPIES_COUNT],
                        help="what `views` measures: the sample's 5,798 facts so many times over, as 4,50")  # fmt: skip
    arguments = parser.parse_args(argv)
    gc.set_threshold(*COLLECT_AFTER)  # as every command of ours does
    runs = RUNS_QUICK if arguments.quick else RUNS
    console = Console(width=None if sys.stdout.isatty() else 132)
    console.print(f"{_machine()}; medians of {runs} interleaved rounds")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="homeward-bench-") as folder:
        workshop = Workshop(Path(folder))
        for name in arguments.only or [part for part in PARTS if part not in ASKED_FOR]:
            if name == GROWN:  # shows its own progress
                _print(console, growing.run(workshop, runs, arguments.sizes))
                continue
            with console.status(f"{name} …"):
                more = [arguments.copies] if name == "views" else [arguments.facts] if name in WITH_FACTS else []
                tables = PARTS[name](workshop, runs, *more)
            _print(console, tables)
    console.print(f"\n{time.perf_counter() - began:.0f} s")
    return 0


def _print(console: Console, tables: Iterable[Findings]) -> None:
    for found in tables:
        console.print()
        console.print(found.table())


def _numbers(text: str) -> list[int]:
    """4,50 as numbers."""
    return [int(part) for part in text.split(",")]


def _sizes(text: str) -> list[int]:
    """10k,1m as numbers."""
    try:
        found = [int(part.rstrip("km")) * UNITS.get(part[-1:], 1) for part in text.lower().split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: numbers of entries such as 10k,1m") from None
    if min(found) < growing.SMALL_COUNT:
        raise argparse.ArgumentTypeError(f"{text}: the least is {growing.SMALL_COUNT // 1000}k")
    return found


def _machine() -> str:
    return (
        f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}, Python {platform.python_version()},"
        f" SQLite {apsw.sqlite_lib_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
