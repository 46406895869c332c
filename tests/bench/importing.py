"""Importing the demo's facts, beside the least that could be called importing them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import msgpack

from node.importing import BATCH_COUNT
from sync.store import Store
from tests.bench import references
from tests.bench.facts import HOME, Workshop, importing
from tests.bench.measuring import Case, Findings, Sample, interleaved, timed

COMMAND: Final = "from site_node.cli import main; raise SystemExit(main())"


def run(workshop: Workshop, runs: int) -> list[Findings]:
    """One table."""
    facts = workshop.facts_file()
    cases = {
        "one": _ours(workshop, facts, all_sites=False),
        "one, least": _least(workshop, facts, HOME),
        "all": _ours(workshop, facts, all_sites=True),
        "all, least": _least(workshop, facts, ""),
        "again": _again(workshop, facts),
    }
    rounds = interleaved(cases, runs)
    found = Findings("Import of the demo's facts (entries a second)")
    least = "JSON, msgpack, raw rows"
    found.compare("one home's lines", rounds, "one", "one, least", named=least)
    found.compare("all lines into one home (--all)", rounds, "all", "all, least", named=least)
    found.compare("a second run, which adds nothing", rounds, "again", "all, least", named=least)
    count, seconds = _command(workshop, facts)
    found.state("all lines, site-node import, once", f"{count / seconds:,.0f}/s", f"{seconds:.2f} s with process start")
    found.note(
        f"processor time an entry: ours {rounds.cpu_us('all'):.0f} µs, the least {rounds.cpu_us('all, least'):.0f} µs."
        f" The least: json.loads, msgpack.packb, a transaction every {BATCH_COUNT} rows."
    )
    return [found]


def _ours(workshop: Workshop, facts: Path, *, all_sites: bool) -> Case:
    def case() -> Sample:
        store = Store(workshop.home())
        with timed() as clock:
            count = importing(store, facts, all_sites=all_sites)
        store.close()
        return clock.sample(count)

    return case


def _again(workshop: Workshop, facts: Path) -> Case:
    folder = workshop.home()
    store = Store(folder)
    count = importing(store, facts, all_sites=True)
    store.close()

    def case() -> Sample:
        store = Store(folder)
        with timed() as clock:
            added = importing(store, facts, all_sites=True)
        store.close()
        assert added == 0
        return clock.sample(count)

    return case


def _least(workshop: Workshop, facts: Path, site: str) -> Case:
    """What cannot be left out: read a line, pack it, store it durably."""

    def case() -> Sample:
        rows = references.RawRows(workshop.fresh("raw.db"))
        batch: list[bytes] = []
        count = 0
        with timed() as clock, facts.open("rb") as file:
            for line in file:
                fact = json.loads(line)
                if site and fact["site"] != site:
                    continue
                batch.append(msgpack.packb(fact))
                count += 1
                if len(batch) == BATCH_COUNT:
                    rows.add(batch)
                    batch = []
            rows.add(batch)
        rows.close()
        return clock.sample(count)

    return case


def _command(workshop: Workshop, facts: Path) -> tuple[int, float]:
    """The real command in a process of its own: lines recorded, and seconds with process start."""
    folder = workshop.home()
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "import", str(folder), str(facts), "--all"],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout.split()[0]), time.perf_counter() - began
