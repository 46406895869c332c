"""The store in batches of 100, 1000 and 5000: into a fresh log, and into one where an index over streams would hurt.

Beside the library's recorder alone, its stored events made beforehand, and beside the whole path from the domain's
typed events to the disk, its mapper included. The log that has grown holds many subjects, and a batch touches a
thousand of them at random: an index over (stream, version) changes a page for nearly every entry, ours keeps the
stream's head in its row.
No home records like that; what homes do to a store is measured in `growing`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sync.batch import Draft
from tests.bench import remembering
from tests.bench.facts import Workshop
from tests.bench.measuring import Case, Findings, Rounds, Sample, interleaved, timed
from tests.bench.recording import Ours, Portions, Side, Theirs, carried_out, portions, recorded, wal_bytes
from tests.bench.references import RawRows

BATCH_COUNT: Final = 1000
BATCHES_COUNT: Final = 10
DRAFTS_COUNT: Final = {100: 2000, 1000: BATCHES_COUNT * BATCH_COUNT, 5000: 10_000}  # by size of batch
GROWN_BATCHES_COUNT: Final = 150
GROWN_SUBJECTS_COUNT: Final = 40_000
NAME: Final = "eventsourcing.sqlite"

Work = Callable[[Side, Portions], Sample]


def run(workshop: Workshop, runs: int, drafts: list[Draft], bodies: list[bytes]) -> list[Findings]:
    """Two tables."""
    return [_fresh(workshop, runs, drafts, bodies), _adversarial(workshop, runs, drafts[: DRAFTS_COUNT[BATCH_COUNT]])]


# -- into a fresh log


def _fresh(workshop: Workshop, runs: int, drafts: list[Draft], bodies: list[bytes]) -> Findings:
    many = {size: portions(drafts[:count], size) for size, count in DRAFTS_COUNT.items()}
    works: dict[str, Work] = {"recorder": recorded, "whole path": carried_out}
    cases: dict[str, Case] = {"raw rows": _raw(workshop, portions(bodies[: DRAFTS_COUNT[BATCH_COUNT]], BATCH_COUNT))}
    for size, batches in many.items():
        for what, work in works.items():
            cases[f"ours {what} {size}"] = _afresh(lambda: Ours(workshop.home()), work, batches)
            cases[f"library {what} {size}"] = _afresh(lambda: Theirs(workshop.fresh("library.db")), work, batches)
    rounds = interleaved(cases, runs)
    found = Findings("Store: batches into a fresh log (entries a second)")
    for what in works:
        for size in many:
            _both(found, rounds, f"{what}, batches of {size:,}", f"{what} {size}")
    row = f"recorder, batches of {BATCH_COUNT:,}"
    found.compare(row, rounds, f"ours recorder {BATCH_COUNT}", "raw rows", named="raw rows, no index")
    for size, batches in many.items():
        sides = Ours(workshop.home()), Theirs(workshop.fresh("library.db"))
        _wal_row(found, f"WAL bytes an entry, batches of {size:,}", *sides, batches)
    _memory_row(workshop, found, many[BATCH_COUNT])
    body = sum(map(len, bodies)) / len(bodies)
    found.note(f"An entry's body has {body:.0f} bytes. Recorder: drafts and the library's stored events were made")
    found.note("beforehand; ours still packs, seals, hashes and encrypts. Whole path: from typed events, for both.")
    return found


def _both(found: Findings, rounds: Rounds, what: str, case: str) -> None:
    found.compare(what, rounds, f"ours {case}", f"library {case}", named=NAME, aim="≥ 1.5")
    found.cost(what, rounds, f"ours {case}", f"library {case}", named=NAME)


def _afresh(make: Callable[[], Side], work: Work, batches: Portions) -> Case:
    def case() -> Sample:
        side = make()
        sample = work(side, batches)
        side.close()
        return sample

    return case


def _raw(workshop: Workshop, batches: Sequence[Sequence[bytes]]) -> Case:
    def case() -> Sample:
        rows = RawRows(workshop.fresh("raw.db"))
        with timed() as clock:
            for batch in batches:
                rows.add(batch)
        rows.close()
        return clock.sample(sum(map(len, batches)))

    return case


def _wal_row(found: Findings, what: str, ours: Side, library: Side, batches: Portions) -> None:
    """What the WAL grows by, in sides that are closed thereafter."""
    mine, other = wal_bytes(ours, batches), wal_bytes(library, batches)
    ours.close()
    library.close()
    found.state(what, f"{mine:,.0f}", f"{NAME}: {other:,.0f}", f"{mine / other:.2f}", aim="≤ 700 bytes")


def _memory_row(workshop: Workshop, found: Findings, batches: Portions) -> None:
    ours, library = Ours(workshop.home()), Theirs(workshop.fresh("library.db"))
    made = [library.made(batch) for batch in batches]
    ours.close()
    library.close()
    memory_row(found, workshop, batches, made, ours.folder, library.files[0])


def memory_row(
    found: Findings, workshop: Workshop, drafts: Portions, made: Sequence[object], folder: Path, database: Path
) -> None:
    """One row: what a process takes that opens each of these and records into it."""
    mine = remembering.memory("ours", folder, list(drafts), workshop.fresh("batches"))
    other = remembering.memory("library", database, list(made), workshop.fresh("batches"))
    if mine is None or other is None:
        found.note("Memory is measured on Linux only.")
        return
    found.state(
        "memory of a process that opens and records",
        f"{mine.most:.0f} MiB ({mine.most - mine.before:.0f} for it)",
        f"{NAME}: {other.most:.0f} MiB ({other.most - other.before:.0f} for it)",
        f"{mine.most / other.most:.2f}",
    )


# -- batches that touch many streams at random


def _adversarial(workshop: Workshop, runs: int, drafts: list[Draft]) -> Findings:
    ours, library = _Scattered(drafts), _Scattered(drafts)
    store, database = Ours(workshop.home()), Theirs(workshop.fresh("library.db"))
    for _ in range(GROWN_BATCHES_COUNT):
        store.put(ours.batch())
        database.put(database.made(library.batch()))
    rounds = interleaved(
        {
            "fresh": _afresh(lambda: Ours(workshop.home()), recorded, portions(drafts, BATCH_COUNT)),
            "ours grown": lambda: recorded(store, ours.batches()),
            "library grown": lambda: recorded(database, library.batches()),
        },
        runs,
    )
    found = Findings(f"Store: batches of {BATCH_COUNT:,} that each touch {BATCH_COUNT:,} subjects at random")
    grown = f"of {GROWN_SUBJECTS_COUNT:,} subjects, after {GROWN_BATCHES_COUNT * BATCH_COUNT:,} entries"
    _both(found, rounds, grown, "grown")
    found.compare(grown, rounds, "ours grown", "fresh", named="ours, fresh, the sample's subjects", aim="≥ 0.8")
    _wal_row(found, "WAL bytes an entry", store, database, ours.batches())
    return found


class _Scattered:
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

    def batches(self) -> Portions:
        """The next ten."""
        return [self.batch() for _ in range(BATCHES_COUNT)]
