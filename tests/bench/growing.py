"""The store as it grows: what an entry costs at ten thousand, a million and five million of them.

A log of ours and a database of `eventsourcing.sqlite` are given the same facts of many homes, side by side. At each
size the same work is measured in both, and in the same rounds in a log of ours of ten thousand entries: so both ratios,
beside the library and beside our own small log, are free of the machine's drift.

A round records some ten thousand entries, so that a small log is grown anew before each; a large one goes on growing,
by less than a tenth in all. Every batch is the next of one home, as a home delivers it, each time of another one. The
adversarial row is what no home records.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from rich.console import Console

from node.progress import bar
from sync.batch import Draft
from sync.stored_log import SCAN_COUNT
from tests.bench.batching import BATCH_COUNT, NAME, memory_row
from tests.bench.facts import Workshop
from tests.bench.grown import WATCHED_COUNT, Grown
from tests.bench.homes import sample
from tests.bench.measuring import Case, Findings, Rounds, Sample, interleaved, timed
from tests.bench.recording import Portions, Side, file_bytes, recorded, settled, wal_bytes
from tests.bench.references import application_on
from tests.bench.storing import last_values

SMALL_COUNT: Final = 10_000
GROWN_ANEW_MAX: Final = 50_000
SIZES: Final = (SMALL_COUNT, 1_000_000)
BATCHES_COUNT: Final = {100: 20, 1000: 3, 5000: 1}  # by size of batch: how many a round records
SINGLES_COUNT: Final = 100
SCATTERED_BATCHES_COUNT: Final = 2
WINDOW_COUNT: Final = 100_000
MEMORY_BATCHES_COUNT: Final = 10
DISK_BYTES: Final = 2000  # for an entry, in the files of both with their WALs, and room to spare
OURS, LIBRARY, SMALL = "ours", "library", "small"
SINGLES, SCATTERED = "single commits", "adversarial, 1,000 subjects at random"
RECORDED: Final = (*map("batches of {:,}".format, BATCHES_COUNT), SCATTERED, SINGLES)
SCAN, REPLAY = "scan", "replay"
AIMS: Final = {SINGLES: "", SCATTERED: "", SCAN: "≥ 1.2", REPLAY: "≥ 4"}  # beside the library; of batches it is 1.5


Figures = dict[str, list[float]]


def run(workshop: Workshop, runs: int, sizes: Sequence[int] = SIZES) -> Iterator[Findings]:
    """Tables for each size, as it is reached."""
    _require_room(workshop, max(sizes))
    facts = sample(workshop)
    ordered = sorted(set(sizes))
    large = [size for size in ordered if size > GROWN_ANEW_MAX]
    for size in ordered[: len(ordered) - len(large)]:
        yield from _Size(workshop, facts, size, None).tables(runs)
    if large:
        log = Grown(workshop, facts, large)
        for size in large:
            with bar(f"growing to {size:,}", size) as progress:
                log.grow(size, progress)
            yield from _Size(workshop, facts, size, log).tables(runs)
        log.close()


def _require_room(workshop: Workshop, size: int) -> None:
    needed, free = size * DISK_BYTES / 1e9, shutil.disk_usage(workshop.folder).free / 1e9
    text = f"{size:,} entries take up to {needed:.1f} GB in {workshop.folder}, where {free:.0f} GB are free."
    if needed > free:
        raise SystemExit(f"{text} Set TMPDIR to a folder on a larger disk.")
    Console().print(text, highlight=False, soft_wrap=True)


class _Size:
    """What is measured at one size, in a log that lasts or in one that is grown anew for each round."""

    def __init__(self, workshop: Workshop, facts: Sequence[Draft], size: int, lasting: Grown | None) -> None:
        self._workshop, self._facts, self._size = workshop, facts, size
        self._lasting = lasting
        self._logs: dict[str, Grown] = {}  # by whom they are measured for: ours and the library's are one
        self._work: dict[str, dict[str, Portions]] = {}
        self._labels = (OURS, LIBRARY, SMALL) if lasting else (OURS, LIBRARY)

    def tables(self, runs: int) -> list[Findings]:
        """Beside the library, and beside ours when it was small."""
        with bar(f"measuring at {self._size:,}", runs) as progress:

            def before(number: int) -> None:
                progress(number)
                self._renew()

            rounds = interleaved(self._cases(), runs, before)
        self._renew()
        wal = _wal(self._logs[OURS])
        found = [self._beside_library(rounds, wal)]
        if SMALL in self._labels:
            found.append(self._beside_small(rounds, wal))
        self._drop()
        return found

    # -- rounds

    def _renew(self) -> None:
        """Logs that a round would double are grown anew, and what it records into each is made."""
        self._drop()
        large = self._lasting or self._grown_anew(self._size)
        self._logs = {OURS: large, LIBRARY: large}
        self._work = dict.fromkeys((OURS, LIBRARY), _work(large))
        if self._lasting:
            self._logs[SMALL] = self._grown_anew(SMALL_COUNT, alone=True)
            self._work[SMALL] = _work(self._logs[SMALL])

    def _grown_anew(self, size: int, *, alone: bool = False) -> Grown:
        log = Grown(self._workshop, self._facts, [size], alone=alone)
        log.grow(size, lambda _: None)
        return log

    def _drop(self) -> None:
        for log in {id(log): log for log in self._logs.values()}.values():
            if log is not self._lasting:
                log.delete()
        self._logs = {}

    def _side(self, label: str) -> Side:
        log = self._logs[label]
        side = log.library if label == LIBRARY else log.ours
        assert side is not None
        return side

    def _cases(self) -> dict[str, Case]:
        cases: dict[str, Case] = {}
        for what in RECORDED:
            for label in self._labels:
                cases[f"{label} {what}"] = partial(self._record, label, what)
        for label in self._labels:
            cases[f"{label} {SCAN}"] = partial(self._scan, label)
            cases[f"{label} {REPLAY}"] = partial(self._replay, label)
        return cases

    def _record(self, label: str, what: str) -> Sample:
        work = recorded if what == SINGLES else settled
        return work(self._side(label), self._work[label][what])

    def _scan(self, label: str) -> Sample:
        """The newest entries, opened and unpacked; the library's to domain events."""
        log, library = self._logs[label], self._logs[label].library
        first = max(0, log.count - WINDOW_COUNT)
        if label != LIBRARY or library is None:
            with timed() as clock:
                position, done = first, 0
                while page := log.ours.store.entries_after(position, SCAN_COUNT):
                    for entry in page:
                        entry.body()
                    position, done = page[-1].position, done + len(page)
            return clock.sample(done)
        recorder, mapper = library.library.recorder, library.library.mapper
        with timed() as clock:
            start, done = first + 1, 0
            while notifications := recorder.select_notifications(start, SCAN_COUNT):
                for notification in notifications:
                    mapper.to_domain_event(notification)
                start, done = notifications[-1].id + 1, done + len(notifications)
        return clock.sample(done)

    def _replay(self, label: str) -> Sample:
        """The watched child's entries, read to plain values; the last of each kind is kept, as in the library's."""
        log = self._logs[label]
        subject, aggregate = log.watched[SMALL_COUNT if label == SMALL else self._size]
        if label != LIBRARY:
            with timed() as clock:
                count = last_values(log.ours.store, subject)
            return clock.sample(count)
        assert aggregate is not None
        application = application_on(self._side(label).files[0])
        with timed() as clock:
            child: Any = application.repository.get(aggregate)
        application.close()
        return clock.sample(child.version)

    # -- tables

    def _beside_library(self, rounds: Rounds, wal: Figures) -> Findings:
        found = Findings(f"Store of {self._size:,} entries, beside {NAME} of as many")
        for what in (*RECORDED, SCAN, REPLAY):
            found.compare(what, rounds, f"{OURS} {what}", f"{LIBRARY} {what}", named=NAME, aim=AIMS.get(what, "≥ 1.5"))
            found.cost(what, rounds, f"{OURS} {what}", f"{LIBRARY} {what}", named=NAME)
        large = self._logs[OURS]
        assert large.library is not None
        for what, (mine, other) in wal.items():
            found.state(f"WAL bytes an entry, {what}", f"{mine:,.0f}", f"{NAME}: {other:,.0f}",
                        f"{mine / other:.2f}", aim="" if what == SCATTERED else "≤ 700 bytes")  # fmt: skip
        mine, other = (file_bytes(side) / large.count for side in large.sides)
        found.state("file bytes an entry", f"{mine:,.0f}", f"{NAME}: {other:,.0f}", f"{mine / other:.2f}")
        drafts = large.batches(BATCH_COUNT, MEMORY_BATCHES_COUNT)
        made = [large.library.made(batch) for batch in drafts]
        with large.ours.let_go():
            memory_row(found, self._workshop, drafts, made, large.ours.folder, large.library.files[0])
        found.note(
            "Batches and commits: the recorder alone, what it stores made beforehand; batches with their checkpoint."
        )
        found.note(f"Scan: the newest {WINDOW_COUNT:,} or all. Replay: a child's {WATCHED_COUNT}, spread over the log.")
        return found

    def _beside_small(self, rounds: Rounds, wal: Figures) -> Findings:
        found = Findings(f"Store of {self._size:,} entries, beside ours of {SMALL_COUNT:,}")
        for what in (*RECORDED, SCAN, REPLAY):
            aim = "≥ 0.8" if what.startswith("batches") else ""
            found.compare(what, rounds, f"{OURS} {what}", f"{SMALL} {what}", named=f"at {SMALL_COUNT:,}", aim=aim)
            found.cost(what, rounds, f"{OURS} {what}", f"{SMALL} {what}", named=f"at {SMALL_COUNT:,}")
        large, small = self._logs[OURS], self._logs[SMALL]
        for what, (other,) in _wal(small).items():
            mine = wal[what][0]
            found.state(f"WAL bytes an entry, {what}", f"{mine:,.0f}", f"at {SMALL_COUNT:,}: {other:,.0f}",
                        f"{mine / other:.2f}")  # fmt: skip
        mine, other = file_bytes(large.ours) / large.count, file_bytes(small.ours) / small.count
        found.state("file bytes an entry", f"{mine:,.0f}", f"at {SMALL_COUNT:,}: {other:,.0f}", f"{mine / other:.2f}")
        return found


def _work(log: Grown) -> dict[str, Portions]:
    """What one round records, by what it is called."""
    return _batches(log) | {SINGLES: [[draft] for draft in log.batches(SINGLES_COUNT, 1)[0]]}


def _batches(log: Grown) -> dict[str, Portions]:
    batches = {f"batches of {size:,}": log.batches(size, count) for size, count in BATCHES_COUNT.items()}
    return batches | {SCATTERED: log.scattered(SCATTERED_BATCHES_COUNT)}


def _wal(log: Grown) -> Figures:
    """What the WALs grow by for each entry: ours, and the library's where it is there."""
    return {what: [wal_bytes(side, batches) for side in log.sides] for what, batches in _batches(log).items()}
