"""Read models: rebuilding all of them, beside reading the same log; their memory; from a commit to a visible row."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from node.filling import fill
from node.projection import Projection
from node.records import record_of
from node.service import FollowerThread
from node.views import Views
from sync.batch import Entry
from sync.store import Store
from tests.bench.facts import SCAN_COUNT, Workshop, home_of, log_and_drafts
from tests.bench.measuring import Case, Findings, Sample, interleaved, timed

APPENDS_COUNT: Final = 200
POLL_S: Final = 0.0005


def run(workshop: Workshop, runs: int) -> list[Findings]:
    """One table."""
    store = Store(workshop.big_home())
    rounds = interleaved(
        {
            "rebuild": _rebuild(workshop, store),
            "bodies": _scan(store, events=False),
            "events": _scan(store, events=True),
        },
        runs,
    )
    count = store.position()
    store.close()
    found = Findings(f"Read models of {count:,} entries (entries a second)")
    found.compare("rebuild", rounds, "rebuild", "bodies", named="scan, unpack", aim="≥ 0.35")
    found.compare("rebuild", rounds, "rebuild", "events", named="scan, to events")
    found.state("memory of a process that rebuilds", f"{_memory_mib(workshop.big_home()):.0f} MiB", "VmHWM")
    delays = _append_to_visible(workshop)
    p95 = statistics.quantiles(delays, n=20)[-1]
    found.state("recorded to visible, one by one", f"p95 {p95 * 1000:.1f} ms",
                f"median {statistics.median(delays) * 1000:.1f} ms", aim="p95 ≤ 50 ms")  # fmt: skip
    found.note(f"processor time an entry: {rounds.cpu_us('rebuild'):.0f} µs")
    return [found]


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
        record_of(entry, body, home_of(entry.log))


def _memory_mib(folder: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.rebuilding", str(folder), str(folder.with_name("memory-views.db"))],
        check=True,
        capture_output=True,
        text=True,
    )
    peak: float = json.loads(done.stdout)["peak_mib"]
    return peak


def _append_to_visible(workshop: Workshop) -> list[float]:
    """Seconds from asking for an entry until the read models hold it, while nothing else happens."""
    _, drafts = log_and_drafts(workshop)
    store = Store(workshop.home())
    projection = Projection(store, workshop.fresh("views.db"), home_of)
    follower = FollowerThread(store, projection)
    follower.start()
    delays = []
    for draft in drafts[:APPENDS_COUNT]:
        began = time.perf_counter()
        position = store.record([draft]).result()[0].position
        while projection.position < position:
            time.sleep(POLL_S)
        delays.append(time.perf_counter() - began)
    follower.stop()
    projection.close()
    store.close()
    return delays
