"""From asking for an entry until the read models hold it: while nothing else happens, and while an import runs.

The import runs at its full rate in the same process, on a thread of its own, as beside a node that serves; what is
recorded meanwhile are talks with a child that the import knows nothing of.
"""

from __future__ import annotations

import datetime as dt
import statistics
import threading
import time
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
PAUSE_S: Final = 0.01  # between two of them while an import runs: a person is no second import
CHILD: Final = b"a child for this"
DAY: Final = dt.date(2025, 3, 3)


def measured(workshop: Workshop, found: Findings) -> None:
    """Two rows of a table."""
    with _following(workshop) as (store, projection):
        _state(found, "recorded to visible, one by one", _alone(store, projection), "p95 ≤ 50 ms")
    with _following(workshop) as (store, projection):
        delays, rate = _while_importing(workshop, store, projection)
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
    began = time.perf_counter()
    thread.start()
    delays = []
    while thread.is_alive():
        delays.append(_delay(store, projection, len(delays)))
        time.sleep(PAUSE_S)
    return delays, counts[0] / (time.perf_counter() - began)


def _delay(store: Store, projection: Projection, number: int) -> float:
    began = time.perf_counter()
    event = e.TalkHeld(on=DAY, minutes=1 + number % 60, summary="说起想家")
    position = store.record([_draft(event)]).result()[0].position
    while projection.position < position:
        time.sleep(POLL_S)
    return time.perf_counter() - began
