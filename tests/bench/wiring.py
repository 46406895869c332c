"""The wire's form alone: bytes an entry in batches and in a backlog, everything in a frame included, and what it costs.

Beside it the same entries as plain msgpack, compressed by zstd at the same level without a dictionary, and without
proofs, keys or framing: a lower bound for who sends entries as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Final

import msgpack
import zstandard

from sync import wire
from sync.compression import LEVEL, LEVEL_SLOW_LINK
from sync.entry import EXT_SOURCE
from sync.messages import Beginning, Push, PushRow
from sync.outgoing import push_of
from sync.pacing import PUSH_SIZE_BYTES_MAX
from sync.store import Store
from tests.bench.facts import Workshop, import_into
from tests.bench.measuring import Findings, Rounds, Sample, interleaved, timed

AIMS: Final = {1: 190, 10: 62, 50: 50}
BATCHES_MAX: Final = 1500  # of each size, spread evenly over the log
PLAIN_LEVEL_FAST: Final = 3
FRAME_COUNT: Final = 1400  # entries in a frame of 64 kB
AIM_SLOW, AIM_FAST = 44, 52


class Home:
    """All of a home's log in memory, cut into pushes at will."""

    def __init__(self, rows: list[PushRow], streams: list[Beginning]) -> None:
        self.rows = rows
        self.streams = streams
        self.ordinals = {stream.subject: n for n, stream in enumerate(streams, 1) if stream.subject is not None}
        self._begun = [0, *accumulate((row.ordinal for row in rows), max)]

    def push(self, start: int, count: int) -> Push:
        """As `push_of` would give it."""
        end = min(len(self.rows), start + count)
        begun, until = self._begun[start], self._begun[end]
        first = begun + 1 if until > begun else 1
        rows = self.rows[start:end]
        return Push(start, first, self.streams[begun:until], [*rows], bytes(range(32)), bytes(range(64)))

    def batches(self, count: int) -> list[Push]:
        """Batches of one size, evenly over the whole log."""
        step = max(count, len(self.rows) // BATCHES_MAX)
        return [self.push(start, count) for start in range(0, len(self.rows) - count + 1, step)]

    def backlog(self, level: int) -> Iterator[Push]:
        """The whole log in frames of up to 64 kB."""
        start, count = 0, FRAME_COUNT
        while start < len(self.rows):
            push = self.push(start, count)
            yield push
            start, count = push.end, int(PUSH_SIZE_BYTES_MAX / self.size(push, level) * len(push.rows))

    def frame(self, push: Push, level: int) -> bytes:
        """As the client sends it."""
        return wire.encode(push, level, ordinal_of=self.ordinals.get)

    def size(self, push: Push, level: int) -> int:
        """Bytes of its frame."""
        return len(self.frame(push, level))


def run(workshop: Workshop, runs: int, facts: Path | None = None) -> list[Findings]:
    """Two tables: entries as imported, with the moment of the paper form, and as recorded on the day."""
    imported = _home(workshop, facts or workshop.facts_file())
    recorded = Home([_recorded(row) for row in imported.rows], imported.streams)
    found = []
    for home, how in ((imported, "imported"), (recorded, "recorded on the day")):
        table = Findings(f"The wire: {len(home.rows):,} entries, {how} (bytes an entry, everything in the frame)")
        _sizes(table, home)
        _rates(table, home, runs)
        if facts is None:
            table.note("measured on the sample, from which the dictionary was made: give other facts with FACTS=file")
        found.append(table)
    return found


def _home(workshop: Workshop, facts: Path) -> Home:
    folder = workshop.home("wire")
    import_into(folder, facts, all_sites=True)
    store = Store(folder)
    rows: list[PushRow] = []
    streams: list[Beginning] = []
    while len(rows) < store.size(store.log):
        push = push_of(store, len(rows), 2000)
        rows += [row for row in push.rows if isinstance(row, PushRow)]
        streams += push.streams
    store.close()
    return Home(rows, streams)


def _recorded(row: PushRow) -> PushRow:
    _, happened_ms = row.extensions[EXT_SOURCE]
    return row._replace(recorded_at_ms=happened_ms + happened_ms // 1000 * 7919 % 60_000, extensions={})


def _plain(push: Push, level: int) -> int:
    return len(zstandard.ZstdCompressor(level=level).compress(msgpack.packb(push.rows)))


def _sizes(table: Findings, home: Home) -> None:
    for level, plain_level in ((LEVEL_SLOW_LINK, 19), (LEVEL, PLAIN_LEVEL_FAST)):
        is_slow = level == LEVEL_SLOW_LINK
        for count, aim in AIMS.items():
            ours, plain = _mean(
                home.batches(count), partial(home.size, level=level), partial(_plain, level=plain_level)
            )
            _row(table, f"batches of {count}, level {level}", ours, plain, plain_level, aim if is_slow else None)
        backlog = list(home.backlog(level))
        ours, plain = _mean(backlog, partial(home.size, level=level), partial(_plain, level=plain_level))
        _row(table, f"backlog, level {level}", ours, plain, plain_level, AIM_SLOW if is_slow else AIM_FAST)


def _mean(pushes: list[Push], *sizes: Callable[[Push], int]) -> list[float]:
    count = sum(len(push.rows) for push in pushes)
    return [sum(map(size, pushes)) / count for size in sizes]


def _row(table: Findings, what: str, ours: float, plain: float, plain_level: int, aim: int | None) -> None:
    beside = f"zstd -{plain_level} of msgpack: {plain:.1f}"
    table.state(what, f"{ours:.1f}", beside, f"{ours / plain:.2f}", aim=f"≤ {aim}" if aim else "")


def _rates(table: Findings, home: Home, runs: int) -> None:
    pushes = list(home.backlog(LEVEL))[:8]
    frames = [home.frame(push, LEVEL) for push in pushes]
    subjects = {ordinal: subject for subject, ordinal in home.ordinals.items()}
    plain = [zstandard.ZstdCompressor(level=3).compress(msgpack.packb(push.rows)) for push in pushes]
    count = sum(len(push.rows) for push in pushes)

    def case(work: Callable[[], object]) -> Callable[[], Sample]:
        def once() -> Sample:
            with timed() as clock:
                work()
            return clock.sample(count)

        return once

    rounds: Rounds = interleaved(
        {
            "encode": case(lambda: [home.frame(push, LEVEL) for push in pushes]),
            "encode hard": case(lambda: [home.frame(push, LEVEL_SLOW_LINK) for push in pushes]),
            "decode": case(lambda: [wire.decode(frame, subjects.get) for frame in frames]),
            "pack -3": case(lambda: [_plain(push, 3) for push in pushes]),
            "pack -19": case(lambda: [_plain(push, 19) for push in pushes]),
            "unpack": case(lambda: [_unpacked(packed) for packed in plain]),
        },
        runs,
    )
    for what, one, other in (
        (f"encode, level {LEVEL}", "encode", "pack -3"),
        (f"encode, level {LEVEL_SLOW_LINK}", "encode hard", "pack -19"),
        ("decode", "decode", "unpack"),
    ):
        rate = 1e6 / rounds.cpu_us(one)
        table.cost(f"{what}: {rate:,.0f} entries a second", rounds, one, other)


def _unpacked(packed: bytes) -> object:
    return msgpack.unpackb(zstandard.ZstdDecompressor().decompress(packed), strict_map_key=False)
