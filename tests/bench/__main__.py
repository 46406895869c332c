"""Benchmarks: tables of ratios between what we do and what it is measured beside. Nothing here passes or fails.

    python -m tests.bench [--only import|sync|store|cipher|views|verify] [--quick]

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
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw
from rich.console import Console

from node.cli import COLLECT_AFTER
from tests.bench import encrypting, exchange, following, importing, storing, verifying
from tests.bench.facts import Workshop
from tests.bench.measuring import Findings

RUNS, RUNS_QUICK = 5, 2
PARTS: dict[str, Callable[[Workshop, int], list[Findings]]] = {
    "import": importing.run,
    "sync": exchange.run,
    "store": storing.run,
    "cipher": encrypting.run,
    "views": following.run,
    "verify": verifying.run,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="tables of ratios, no verdict")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="this part; may be given several times")
    parser.add_argument("--quick", action="store_true", help=f"{RUNS_QUICK} rounds instead of {RUNS}")
    arguments = parser.parse_args(argv)
    gc.set_threshold(*COLLECT_AFTER)  # as every command of ours does
    runs = RUNS_QUICK if arguments.quick else RUNS
    console = Console(width=None if sys.stdout.isatty() else 132)
    console.print(f"{_machine()}; medians of {runs} interleaved rounds")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="homeward-bench-") as folder:
        workshop = Workshop(Path(folder))
        for name in arguments.only or PARTS:
            with console.status(f"{name} …"):
                tables = PARTS[name](workshop, runs)
            for found in tables:
                console.print()
                console.print(found.table())
    console.print(f"\n{time.perf_counter() - began:.0f} s")
    return 0


def _machine() -> str:
    return (
        f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}, Python {platform.python_version()},"
        f" SQLite {apsw.sqlite_lib_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
