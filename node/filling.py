"""Filling an empty file of read models: every subject is folded once, a range of subjects after the other.

    log -> a range's entries (`sync/subject_ranges.py`) -> each subject's records -> Folding -> rows -> sorted inserts

The fold is the one that follows (`following`), and so are the rows; only the order of work differs. Whoever follows
writes a subject again in each batch that speaks of it, and keeps folds for the next one; here a subject has all its
entries before it is folded, its rows come once, and nothing of it is kept. So memory depends on the size of a range and
not on that of the log.

Nobody reads the file before it is finished. What a cut leaves of it, and who may go on with it, is in `half_built`: the
work is kept about every half million entries, and when it is stopped between two ranges. What is recorded, erased or
revoked meanwhile is followed from the mark, as ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from domain.folding import Folding
from domain.records import Record, canonical
from node import half_built
from node.half_built import HalfBuilt
from node.records import of_the_domain, record_of
from node.revocation import Revocations
from node.sums import SUMMED, Sums
from node.views import HomeOf, Row
from sync.batch import Entry
from sync.stored_log import StoredLog
from sync.subject_ranges import RANGE_COUNT, Portion, portions

Known = Callable[[Entry], bool]


class Pace(NamedTuple):
    """About how many entries a range has, and after how many more the work is kept."""

    range_count: int = RANGE_COUNT
    kept_count: int = 500_000  # what is kept has a journal of the file as it was: more often than this would be felt


PACE: Final = Pace()
KEPT_SHARE: Final = 4  # of a large log, after each quarter of what is done: all journals together stay in proportion


def everything(_entry: Entry) -> bool:
    """Every entry counts."""
    return True


def fill(
    store: StoredLog,
    path: Path,
    home_of: HomeOf,
    until: int,
    known: Known = everything,
    pace: Pace | None = None,
) -> Generator[int, None, None]:
    """A file of what the log says up to a position; gives how many entries are done. `known`: which count at all.

    The file is there when all was given, and of no use before. What was left of one may have had an earlier goal.
    """
    filling = Filling(store, path, home_of, until, known, pace)
    yield from filling.run()
    if known is everything:
        half_built.finish(path, store.master)


class Filling:
    """The work of filling one file, as far as that it needs only to be finished (`half_built.finish`)."""

    def __init__(
        self,
        store: StoredLog,
        path: Path,
        home_of: HomeOf,
        until: int,
        known: Known = everything,
        pace: Pace | None = None,
    ) -> None:
        """As `fill`. Where not everything counts nothing is kept: whoever comes next asks for something else."""
        self.goal = until
        self.resumed_from = 0  # entries that were done before
        self.folded = 0
        self.kept = 0  # entries that need not be done again
        self._store = store
        self._path = path
        self._home_of = home_of
        self._known = known
        self._pace = pace or PACE

    def run(self) -> Generator[int, None, None]:
        """Go on with what was left, or begin; gives how many entries are done. Who stops asking leaves what is done."""
        half = self._half()
        try:
            yield min(half.work.entries, half.work.goal)
            yield from self._filled(half)
            half.complete()
        except GeneratorExit:
            half.pause()
            raise
        except KeyboardInterrupt:  # it may have come at any moment
            half.let_go()
            raise
        except BaseException:
            half.throw_away()
            raise
        finally:
            self.kept = half.kept
        yield half.work.goal

    def _half(self) -> HalfBuilt:
        store, path, home_of, until = self._store, self._path, self._home_of, self.goal
        keeps = self._known is everything
        half = half_built.left(store, path, home_of, until) if keeps else None
        if half is None:
            half = half_built.begun(store, path, home_of, until, self._pace.range_count, keeps=keeps)
        self.goal = half.work.goal
        self.resumed_from = half.work.entries
        return half

    def _filled(self, half: HalfBuilt) -> Iterator[int]:
        work = half.work
        home_of = work.homes.__getitem__
        judging = _Judging(home_of, Revocations(self._store, work.goal, home_of), self._known)
        for portion in portions(self._store, work.plan, work.goal, work.done):
            tables: defaultdict[str, list[Row]] = defaultdict(list)
            for count in judging.fold(portion, tables):
                self.folded += count
                yield min(self.resumed_from + self.folded, work.goal)
            _write(half, tables)
            work.done += 1
            work.entries = self.resumed_from + self.folded
            if work.entries - half.kept >= max(self._pace.kept_count, half.kept // KEPT_SHARE):
                half.commit()


class _Judging:
    """Entries as the domain sees them at one position, and what they add up to."""

    def __init__(self, home_of: HomeOf, revoked: Revocations, known: Known) -> None:
        self._home_of = home_of
        self._revoked = revoked
        self._known = known

    def fold(self, portion: Portion, tables: defaultdict[str, list[Row]]) -> Iterator[int]:
        """Add all rows of a portion, some subjects at once; gives from how many entries each time."""
        for subjects in portion.opened():
            count = 0
            for subject, entries in subjects:
                count += len(entries)
                for name, row in self.rows_of(subject, entries):
                    tables[name].append(row)
            yield count

    def rows_of(self, subject: bytes, entries: Iterable[Entry]) -> Iterable[tuple[str, Row]]:
        """The rows of one subject."""
        return folding_of(subject, self._records(entries)).rows()

    def _records(self, entries: Iterable[Entry]) -> Iterator[Record]:
        home_of, withholds, known = self._home_of, self._revoked.withholds, self._known
        for entry in entries:
            body = entry.body() if known is everything or known(entry) else None
            if of_the_domain(body, entry):
                yield record_of(entry, body, home_of, withholds)


def folding_of(subject: bytes, records: Iterable[Record]) -> Folding:
    """A subject folded from all its records."""
    folding = Folding(subject)
    for record in canonical(records):
        folding.add(record)
    return folding


def _write(half: HalfBuilt, tables: dict[str, list[Row]]) -> None:
    sums = Sums()
    for row in tables.get(SUMMED, ()):
        sums.came(row)
    sums.write(half.write(tables))
