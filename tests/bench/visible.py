"""From asking for an entry until the read models hold it: while nothing else happens, and while an import runs.

The import runs at its full rate in the same process, on a thread of its own, which leaves the follower less than an
import beside a `serve` does: that decides in a process of its own. What is recorded meanwhile are talks with a child
that the import knows nothing of, one every so often, whether the one before is visible yet or not: who waits for each
misses the worst moments. Imports follow each other until there are samples enough for a percentile.
"""

from __future__ import annotations

import datetime as dt
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from domain import events as e
from node.clock import system_clock
from node.projection import Projection
from node.records import draft_of
from node.service import FollowerThread
from sync.batch import Draft
from sync.store import Store
from tests.bench.facts import COPIES_COUNT, Workshop, home_of, importing
from tests.bench.measuring import Findings

APPENDS_COUNT: Final = 200
POLL_S: Final = 0.0005
EVERY_S: Final = 0.04  # one is recorded while an import runs: many people, and no second import
SAMPLES_COUNT_MIN: Final = 200
CHILD: Final = b"a child for this"
DAY: Final = dt.date(2025, 3, 3)


def measured(workshop: Workshop, found: Findings) -> None:
    """Two rows of a table."""
    with _following(workshop) as (store, projection):
        _state(found, "recorded to visible, one by one", _alone(store, projection), "p95 ≤ 50 ms")
    delays, rates = list[float](), list[float]()
    while len(delays) < SAMPLES_COUNT_MIN:
        with _following(workshop) as (store, projection):
            more, rate = _while_importing(workshop, store, projection)
        delays += more
        rates.append(rate)
    rate = statistics.median(rates)
    _state(found, f"the same while {rate:,.0f} entries/s are imported", delays, "p95 ≤ 250 ms")


def _state(found: Findings, what: str, delays: list[float], aim: str) -> None:
    p95 = statistics.quantiles(delays, n=20)[-1]
    median = f"median {statistics.median(delays) * 1000:.1f} ms of {len(delays)}"
    found.state(what, f"p95 {p95 * 1000:.1f} ms", median, aim=aim)


@contextmanager
def _following(workshop: Workshop) -> Iterator[tuple[Store, Projection]]:
    store = Store(workshop.home())
    projection = Projection(store, workshop.fresh("views.db"), home_of)
    follower = FollowerThread(store, projection)
    follower.start()
    store.record([_draft(e.ChildRegistered(name="许小满", sex="female", registered_on=DAY))]).result()
    yield store, projection
    follower.stop()
    projection.close()
    store.close()


def _draft(event: e.Event) -> Draft:
    return draft_of(CHILD, event, "w-1", system_clock()())


def _alone(store: Store, projection: Projection) -> list[float]:
    return [_delay(store, projection, number) for number in range(APPENDS_COUNT)]


def _while_importing(workshop: Workshop, store: Store, projection: Projection) -> tuple[list[float], float]:
    facts, counts = workshop.facts_file(COPIES_COUNT), list[int]()
    thread = threading.Thread(target=lambda: counts.append(importing(store, facts, all_sites=True)))
    watch = _Watch(projection)
    began = time.perf_counter()
    thread.start()
    while thread.is_alive():
        asked = time.perf_counter()
        watch.expect(_recorded(store, watch.expected), asked)
        time.sleep(max(0.0, asked + EVERY_S - time.perf_counter()))
    seconds = time.perf_counter() - began
    return watch.delays(), counts[0] / seconds


class _Watch:
    """Looks all the time how far the read models are, and for how long each entry had to wait."""

    def __init__(self, projection: Projection) -> None:
        self.expected = 0
        self._projection = projection
        self._found: list[float] = []
        self._waiting: deque[tuple[int, float]] = deque()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def expect(self, position: int, asked: float) -> None:
        """An entry that was asked for at an instant was given a position."""
        self.expected += 1
        self._waiting.append((position, asked))

    def delays(self) -> list[float]:
        """How long each took, once all are visible."""
        self._ending.set()
        self._thread.join()
        return self._found

    def _look(self) -> None:
        while self._waiting or not self._ending.is_set():
            position, now = self._projection.position, time.perf_counter()
            while self._waiting and self._waiting[0][0] <= position:
                self._found.append(now - self._waiting.popleft()[1])
            time.sleep(POLL_S)


def _delay(store: Store, projection: Projection, number: int) -> float:
    began = time.perf_counter()
    position = _recorded(store, number)
    while projection.position < position:
        time.sleep(POLL_S)
    return time.perf_counter() - began


def _recorded(store: Store, number: int) -> int:
    """The position of one talk more."""
    event = e.TalkHeld(on=DAY, minutes=1 + number % 60, summary="说起想家")
    return store.record([_draft(event)]).result()[0].position
