"""A reference county from its raw lines to its reports, and the same figures counted again by other code.

    python -m tests.county FACTS [--keep FOLDER]

Loads a file of facts (the import form, one JSON object a line) through the real commands: each home is made, joins the
hub, imports its lines and exchanges over loopback; then every report is made at the hub. Exit code 1 if one figure is
not what a plain recount of the lines gives.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.county.comparing import compare
from tests.county.loading import children_mib_max, load
from tests.county.recount import lines_of, recount

SHOWN_MAX = 300


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.county", description="a county from its lines to its reports"
    )
    parser.add_argument("facts", type=Path, help="the lines")
    parser.add_argument("--keep", type=Path, help="an empty folder for the nodes, which is left behind")
    arguments = parser.parse_args(argv)
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        return run(arguments.facts, arguments.keep)
    with tempfile.TemporaryDirectory(prefix="homeward-county-") as folder:
        return run(arguments.facts, Path(folder))


def run(facts: Path, folder: Path) -> int:
    """Load, report, recount, compare; 1 where something differs."""
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:7.0f} s  {text}", flush=True)

    hub = load(facts, folder, tell)
    ours = recount(lines_of(facts))
    tell(f"{ours.lines_count:,} lines counted again in plain Python")
    good = bad = 0
    for one in compare(hub, ours, tell):
        if one.theirs == one.ours:
            good += 1
        else:
            bad += 1
            tell(f"DIFFERS {one.where}: the hub {str(one.theirs)[:SHOWN_MAX]}, the lines {str(one.ours)[:SHOWN_MAX]}")
    tell(f"{good} of {good + bad} figures agree; the largest command took {children_mib_max():.0f} MiB")
    return 1 if bad or not good else 0


if __name__ == "__main__":
    sys.exit(main())
