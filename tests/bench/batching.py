"""The store in batches of 1000: into a fresh log, and into one that has grown, where an index over streams would hurt.

The grown log holds many subjects, and a batch touches a thousand of them at random: an index over (stream, version)
changes a page for nearly every entry. Ours keeps the stream's head in its row instead.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from sync.batch import Draft
from sync.store import Store
from tests.bench.facts import Workshop
from tests.bench.measuring import Case, Findings, Sample, interleaved, timed
from tests.bench.references import Library, RawRows
from tests.by_hand import by_hand

BATCH_COUNT: Final = 1000
BATCHES_COUNT: Final = 10
GROWN_BATCHES_COUNT: Final = 150
GROWN_SUBJECTS_COUNT: Final = 40_000


def run(workshop: Workshop, runs: int, drafts: list[Draft], bodies: list[bytes]) -> Findings:
    """One table."""
    many = drafts[: BATCH_COUNT * BATCHES_COUNT]
    ours, library = _Grown(many), _Grown(many)
    grown_store, grown_library = Store(workshop.home()), Library(workshop.fresh("library.db"))
    for _ in range(GROWN_BATCHES_COUNT):
        grown_store.record(ours.batch()).result()
        grown_library.recorder.insert_events(grown_library.events(library.batch()))
    rounds = interleaved(
        {
            "ours": _fresh(workshop, many),
            "library": _library_fresh(workshop, many),
            "raw rows": _raw(workshop, bodies[: len(many)]),
            "ours, grown": lambda: _ours(grown_store, [ours.batch() for _ in range(BATCHES_COUNT)]),
            "library, grown": lambda: _library(grown_library, [library.batch() for _ in range(BATCHES_COUNT)]),
        },
        runs,
    )
    found = Findings(f"Store: batches of {BATCH_COUNT} (entries a second)")
    name = "eventsourcing.sqlite"
    found.compare("into a fresh log", rounds, "ours", "library", named=name, aim="≥ 1.5")
    found.compare("into a fresh log", rounds, "ours", "raw rows", named="raw rows, no index")
    grown = f"after {GROWN_BATCHES_COUNT * BATCH_COUNT:,} entries, {GROWN_SUBJECTS_COUNT:,} subjects"
    found.compare(grown, rounds, "ours, grown", "library, grown", named=name, aim="≥ 1.5")
    found.compare("grown, beside a fresh log of ours", rounds, "ours, grown", "ours", named="fresh", aim="≥ 0.8")
    _wal_rows(workshop, found, many, grown_store, grown_library, ours, library)
    body = sum(map(len, bodies[: len(many)])) / len(many)
    found.note(
        f"an entry's body has {body:.0f} bytes; processor time an entry: ours {rounds.cpu_us('ours'):.0f} µs, the"
        f" library's insert {rounds.cpu_us('library'):.0f} µs (its events were made beforehand, ours are packed here)"
    )
    grown_store.close()
    grown_library.close()
    return found


class _Grown:
    """Drafts about many subjects at random, the same on every run."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self._drafts = drafts
        self._random = random.Random(1)
        self._subjects = [self._random.randbytes(16) for _ in range(GROWN_SUBJECTS_COUNT)]

    def batch(self) -> list[Draft]:
        """The next batch."""
        first = self._random.randrange(len(self._drafts) - BATCH_COUNT + 1)
        return [
            draft._replace(subject=self._random.choice(self._subjects), extensions={})
            for draft in self._drafts[first : first + BATCH_COUNT]
        ]


def _portions(items: Sequence[Draft]) -> list[Sequence[Draft]]:
    return [items[first : first + BATCH_COUNT] for first in range(0, len(items), BATCH_COUNT)]


def _ours(store: Store, portions: Sequence[Sequence[Draft]]) -> Sample:
    with timed() as clock:
        for portion in portions:
            store.record(portion).result()
    return clock.sample(sum(map(len, portions)))


def _library(library: Library, portions: Sequence[Sequence[Draft]]) -> Sample:
    made = [library.events(portion) for portion in portions]
    with timed() as clock:
        for events in made:
            library.recorder.insert_events(events)
    return clock.sample(sum(map(len, portions)))


def _fresh(workshop: Workshop, drafts: Sequence[Draft]) -> Case:
    def case() -> Sample:
        store = Store(workshop.home())
        sample = _ours(store, _portions(drafts))
        store.close()
        return sample

    return case


def _library_fresh(workshop: Workshop, drafts: Sequence[Draft]) -> Case:
    def case() -> Sample:
        library = Library(workshop.fresh("library.db"))
        sample = _library(library, _portions(drafts))
        library.close()
        return sample

    return case


def _raw(workshop: Workshop, bodies: Sequence[bytes]) -> Case:
    def case() -> Sample:
        rows = RawRows(workshop.fresh("raw.db"))
        with timed() as clock:
            for first in range(0, len(bodies), BATCH_COUNT):
                rows.add(bodies[first : first + BATCH_COUNT])
        rows.close()
        return clock.sample(len(bodies))

    return case


# -- what the WAL grows by: counted without checkpoints in between, and the same on every run


def _wal_rows(
    workshop: Workshop,
    found: Findings,
    many: Sequence[Draft],
    grown_store: Store,
    grown_library: Library,
    ours: _Grown,
    library: _Grown,
) -> None:
    store, fresh = Store(workshop.home()), Library(workshop.fresh("library.db"))
    pairs = {
        "WAL bytes an entry, fresh": (_our_wal(store, _portions(many)), _library_wal(fresh, _portions(many))),
        "WAL bytes an entry, grown": (
            _our_wal(grown_store, [ours.batch() for _ in range(BATCHES_COUNT)]),
            _library_wal(grown_library, [library.batch() for _ in range(BATCHES_COUNT)]),
        ),
    }
    store.close()
    fresh.close()
    for what, (mine, other) in pairs.items():
        found.state(what, f"{mine:,.0f}", f"eventsourcing.sqlite: {other:,.0f}", f"{mine / other:.2f}",
                    aim="≤ 700 bytes")  # fmt: skip


def _our_wal(store: Store, portions: Sequence[Sequence[Draft]]) -> float:
    path = store.folder / "log.db"
    store.submit(lambda db: db.wal_autocheckpoint(0)).result()
    with closing(by_hand(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = _wal_size(path)
    _ours(store, portions)
    return (_wal_size(path) - before) / sum(map(len, portions))


def _library_wal(library: Library, portions: Sequence[Sequence[Draft]]) -> float:
    with library.datastore.transaction(commit=True) as cursor:
        cursor.execute("PRAGMA wal_autocheckpoint=0")
    with closing(sqlite3.connect(library.path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = _wal_size(library.path)
    _library(library, portions)
    return (_wal_size(library.path) - before) / sum(map(len, portions))


def _wal_size(path: Path) -> int:
    wal = path.with_name(path.name + "-wal")
    return wal.stat().st_size if wal.exists() else 0
