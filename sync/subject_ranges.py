"""Reading a log by ranges of subjects: everything about some subjects, then about the next ones, in bounded memory.

    streams, as they began:  | home 1: s1 s2 s3 s4 s5 … | home 2: s1 s2 … | home 3: s1 s2 … |
    ranges:                  |---- 1 ----|---- 2 -------|------------- 3 -------------------|

Whoever needs all entries of each subject, and of all subjects, can neither keep every entry in memory nor look for
those of one subject after another: they lie all over the file. But most of what is known of a subject stands in one
log, and a log's entries stand in long runs. So a subject belongs to the range in which its first stream lies. A range
is read by going once through the runs of its logs; entries of other ranges are passed over without their bodies being
looked at. What further logs say about its subjects, of children that moved for instance, is read along the chains of
those streams.

Ranges end where a log ends, if it can be; only a log that alone has more entries than a range may have is gone through
several times. The heads of streams say beforehand how many entries each has, so a range is as large as it was meant,
but for one subject that alone is larger.

All this is *planned* once, before the first range is read. Who goes on later must follow the same plan: a log that
grows may give a subject of a later range an earlier stream, and a plan made anew would look for it where nobody goes
again.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

import apsw

from sync import log_sql, range_sql
from sync.batch import Entry
from sync.database import one_state
from sync.log_schema import STREAM_SHIFT
from sync.log_sql import Body
from sync.stored_log import StoredLog

RANGE_COUNT: Final = 120_000  # entries, of some 700 bytes here
OPENED_COUNT: Final = 1000  # entries that are opened at once

Subject = tuple[bytes, list[Entry]]


class Range(NamedTuple):
    """Streams from one local number to another, and how many entries they had when it was made."""

    first: int
    last: int
    entries: int


class Plan(NamedTuple):
    """The ranges; and of subjects with several streams, which stream leads to which first one."""

    ranges: list[Range]
    joined: dict[int, int]


class Portion:
    """What a range holds up to a position, still sealed; entries are opened when they are asked for."""

    def __init__(self, store: StoredLog, found: dict[bytes, list[Body]]) -> None:
        self._store = store
        self._found = found

    def opened(self) -> Iterator[list[Subject]]:
        """All subjects, smallest first, some at once, each with its entries, those of a stream in order.

        What was given is let go.
        """
        rows: list[Body] = []
        ends: list[tuple[bytes, int]] = []
        for subject in sorted(self._found):
            rows += self._found.pop(subject)
            ends.append((subject, len(rows)))
            if len(rows) >= OPENED_COUNT:
                yield self._cut(rows, ends)
                rows, ends = [], []
        yield self._cut(rows, ends)

    def _cut(self, rows: list[Body], ends: list[tuple[bytes, int]]) -> list[Subject]:
        entries = self._store.reading(lambda db: self._store.opened(db, rows))
        starts = (0, *(end for _, end in ends))
        return [(subject, entries[start:end]) for (subject, end), start in zip(ends, starts, strict=False)]


def planned(store: StoredLog, count_max: int = RANGE_COUNT) -> Plan:
    """How all entries of streams that count are gone through, some `count_max` of them at once."""

    def plan(db: apsw.Connection) -> Plan:
        with one_state(db):
            return Plan(list(_ranges(db, count_max)), range_sql.joined_streams(db))

    return store.reading(plan)


def portions(store: StoredLog, plan: Plan, until: int, done: int = 0) -> Iterator[Portion]:
    """All entries up to a position, a range after the other, without those `done`; no transaction is held between."""
    for one in plan.ranges[done:]:
        yield Portion(store, store.reading(partial(_read, one=one, joined=plan.joined, until=until)))


def _ranges(db: apsw.Connection, count_max: int) -> Iterator[Range]:
    """Whole logs together as long as they fit; a larger one in parts of its own."""
    under_way: Range | None = None
    for branch, count in range_sql.entry_counts(db):
        first = branch << STREAM_SHIFT
        last = first + (1 << STREAM_SHIFT) - 1
        if under_way is not None and under_way.entries + count <= count_max:
            under_way = Range(under_way.first, last, under_way.entries + count)
            continue
        if under_way is not None:
            yield under_way
        under_way = Range(first, last, count)
        if count > count_max:
            yield from _parts(db, under_way, count_max)
            under_way = None
    if under_way is not None:
        yield under_way


def _parts(db: apsw.Connection, whole: Range, count_max: int) -> Iterator[Range]:
    first, count, before = whole.first, 0, whole.first
    for stream, version in range_sql.stream_counts(db, whole.first, whole.last):
        if count and count + version > count_max:
            yield Range(first, before, count)
            first, count = stream, 0
        count += version
        before = stream
    yield Range(first, whole.last, count)


def _read(db: apsw.Connection, *, one: Range, joined: dict[int, int], until: int) -> dict[bytes, list[Body]]:
    """The rows of every subject whose first stream lies in a range."""
    with one_state(db):
        subjects = range_sql.subjects(db, one.first, one.last)
        rows: dict[bytes, list[Body]] = {}
        places: dict[int, list[Body]] = {}
        for stream, subject in subjects.items():
            if joined.get(stream, stream) == stream:
                places[stream] = rows.setdefault(subject, [])
        for row in range_sql.bodies(db, one.first, one.last, until):
            place = places.get(row[2])
            if place is not None:
                place.append(row)
        for stream, leader in joined.items():
            if stream != leader and leader in places:
                places[leader] += _chain(db, stream, until)
        return rows


def _chain(db: apsw.Connection, stream: int, until: int) -> list[Body]:
    found = log_sql.stream_by_id(db, stream)
    newest_first = log_sql.chain_bodies(db, found.head) if found is not None else []
    return [row for row in reversed(newest_first) if row[0] <= until]
