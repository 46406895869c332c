"""Read models: rebuilding all of them, beside reading the same log; their memory; from a commit to a visible row."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from node.filling import fill
from node.records import record_of
from node.views import Views
from sync.batch import Entry
from sync.store import Store
from tests.bench import visible
from tests.bench.facts import COPIES_COUNT, SCAN_COUNT, Workshop, drafts, home_of
from tests.bench.measuring import Case, Findings, Sample, interleaved, timed
from tests.bench.projecting import NAME, Projected

PROJECTED_COUNT: Final = 5000  # a commit an event takes its time


def run(workshop: Workshop, runs: int, copies: Sequence[int] = (COPIES_COUNT,)) -> list[Findings]:
    """A table a size, in copies of the sample; the last one with how soon an entry is visible."""
    tables = [_rebuilt(workshop, runs, count) for count in copies]
    visible.measured(workshop, tables[-1])
    return tables


def _rebuilt(workshop: Workshop, runs: int, copies: int) -> Findings:
    folder = workshop.big_home(copies)
    store = Store(folder)
    some = drafts(list(itertools.islice(store.entries_of_log(store.log), PROJECTED_COUNT)))
    library = Projected(workshop.fresh("library.db"), some)
    cases = {
        "rebuild": _rebuild(workshop, store),
        "bodies": _scan(store, events=False),
        "events": _scan(store, events=True),
        "library": _project(workshop, library),
    }
    rounds = interleaved(cases, runs)
    count = store.position()
    library.close()
    store.close()
    found = Findings(f"Read models of {count:,} entries (entries a second)")
    found.compare("rebuild", rounds, "rebuild", "library", named=NAME, aim="≥ 8")
    found.compare("rebuild", rounds, "rebuild", "events", named="scan, open, decode", aim="≥ 0.35")
    found.compare("rebuild", rounds, "rebuild", "bodies", named="scan, open, unpack")
    found.cost("rebuild", rounds, "rebuild", "events", named="scan, open, decode")
    found.cost("rebuild", rounds, "rebuild", "library", named=NAME)
    found.state("memory of a process that rebuilds", f"{_memory_mib(folder):.0f} MiB", "VmHWM", aim="≤ 600 MiB")
    found.note(f"The library projects the first {library.count:,} of them.")
    return found


def _rebuild(workshop: Workshop, store: Store) -> Case:
    def case() -> Sample:
        path = workshop.fresh("views.db")
        with timed() as clock:
            for _ in fill(store, path, home_of, store.position()):
                pass
        views = Views(path, store.master)
        assert views.position() == store.position()
        views.close()
        return clock.sample(store.position())

    return case


def _project(workshop: Workshop, library: Projected) -> Case:
    def case() -> Sample:
        path = workshop.fresh("view.db")
        with timed() as clock:
            library.project(path)
        return clock.sample(library.count)

    return case


def _scan(store: Store, *, events: bool) -> Case:
    def case() -> Sample:
        position = 0
        with timed() as clock:
            while page := store.entries_after(position, SCAN_COUNT):
                for entry in page:
                    _decode(entry, events=events)
                position = page[-1].position
        return clock.sample(position)

    return case


def _decode(entry: Entry, *, events: bool) -> None:
    body = entry.body()
    if events and body is not None:
        record_of(entry, body, home_of)


def _memory_mib(folder: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.rebuilding", str(folder), str(folder.with_name("memory-views.db"))],
        check=True,
        capture_output=True,
        text=True,
    )
    peak: float = json.loads(done.stdout)["peak_mib"]
    return peak
