"""Encryption at rest: the whole store under its cipher beside the same store in clear, and what a connection costs.

The store in clear exists here only: the one place that gives a connection its key is exchanged for the time of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import apsw

from sync import cipher, database
from sync.batch import Draft
from sync.cipher import BUSY_TIMEOUT_MS, MasterKey
from sync.store import Store
from sync.stored_log import open_log
from tests.bench.facts import SCAN_COUNT, Workshop, log_and_drafts
from tests.bench.measuring import Case, Findings, Sample, interleaved, timed

SINGLES_COUNT: Final = 200
BATCH_COUNT: Final = 1000
BATCHES_COUNT: Final = 10
CONNECTIONS_COUNT: Final = 50


def run(workshop: Workshop, runs: int) -> list[Findings]:
    """One table."""
    _, drafts = log_and_drafts(workshop)
    batches = [drafts[first : first + BATCH_COUNT] for first in range(0, BATCHES_COUNT * BATCH_COUNT, BATCH_COUNT)]
    grown = {"encrypted": _grown(workshop, batches)}
    with _in_clear():
        grown["plain"] = _grown(workshop, batches)
    works: dict[str, Callable[[str], Sample]] = {
        "durable commits, one by one": lambda _: _records(workshop, [[draft] for draft in drafts[:SINGLES_COUNT]]),
        "batches of 1000": lambda _: _records(workshop, batches),
        "full scan, opened": lambda which: _scan(grown[which]),
        "connections opened": lambda which: _connections(grown[which]),
    }
    found = Findings("Encryption at rest: the same store under its cipher and in clear (things a second)")
    for what, work in works.items():
        rounds = interleaved({"encrypted": _case(work, "encrypted"), "plain": _case(work, "plain")}, runs)
        aim = "" if what.startswith("connections") else "≥ 0.7"
        found.compare(what, rounds, "encrypted", "plain", aim=aim)
    return [found]


def _case(work: Callable[[str], Sample], which: str) -> Case:
    def case() -> Sample:
        if which == "encrypted":
            return work(which)
        with _in_clear():
            return work(which)

    return case


@contextmanager
def _in_clear() -> Iterator[None]:
    def connect(path: Path, _master: MasterKey, _application_id: int) -> apsw.Connection:
        db = apsw.Connection(str(path))
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        return db

    database.connect = database.create = connect
    database.require_closed = lambda *_: None
    try:
        yield
    finally:
        database.connect, database.create = cipher.connect, cipher.create
        database.require_closed = cipher.require_closed


def _grown(workshop: Workshop, batches: list[list[Draft]]) -> Path:
    folder = workshop.home()
    with closing(Store(folder)) as store:
        for batch in batches:
            store.record(batch).result()
    return folder


def _records(workshop: Workshop, batches: list[list[Draft]]) -> Sample:
    with closing(Store(workshop.home())) as store, timed() as clock:
        for batch in batches:
            store.record(batch).result()
    return clock.sample(sum(map(len, batches)))


def _scan(folder: Path) -> Sample:
    with closing(Store(folder)) as store, timed() as clock:
        position = 0
        while page := store.entries_after(position, SCAN_COUNT):
            for entry in page:
                entry.body()
            position = page[-1].position
    return clock.sample(position)


def _connections(folder: Path) -> Sample:
    with closing(Store(folder)) as store, timed() as clock:
        for _ in range(CONNECTIONS_COUNT):
            path = folder / "log.db"
            open_log(path, store.master).close()
    return clock.sample(CONNECTIONS_COUNT)
