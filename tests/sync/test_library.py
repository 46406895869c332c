"""The `eventsourcing` library's own application and projection cases on our persistence module, unmodified.

Left out: the tagged-decision (DCB) projections, which need another kind of recorder. An application and a view that
follows it are two nodes: each has a data folder of its own.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import Tracking
from eventsourcing.tests import application as applications
from eventsourcing.tests import projection as projections

from sync import log_sql
from sync.recorder import StoreTrackingRecorder

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")  # one case is about a warning

ENV = {"PERSISTENCE_MODULE": "sync.recorder"}


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every application opens the folder named for it, and nothing stays open."""
    monkeypatch.setenv("PERSISTENCE_MODULE", "sync.recorder")
    monkeypatch.setenv("HOMEWARD_FOLDER", str(tmp_path / "node"))
    for name in ("EVENTCOUNTERS", "COUNTERS", "AGGREGATEEVENTCOUNTERS"):
        monkeypatch.setenv(f"{name}_HOMEWARD_FOLDER", str(tmp_path / name))
    yield
    gc.collect()


class CountersView(StoreTrackingRecorder, projections.EventCountersView):
    """The library's example of a materialised view: two counts, kept as tracking marks of their own."""

    name = "event_counters"
    CREATED, SUBSEQUENT = "count/created", "count/subsequent"

    def _count(self, name: str) -> int:
        return self.store.reading(lambda db: log_sql.tracked(db, name)) or 0

    def _add(self, name: str, tracking: Tracking) -> None:
        def work(db: Any) -> None:
            if not log_sql.track(db, tracking.application_name, tracking.notification_id):
                raise projections.IntegrityError(tracking.application_name)
            log_sql.track(db, name, (log_sql.tracked(db, name) or 0) + 1)

        self.store.submit(work).result()

    def get_created_event_counter(self) -> int:
        return self._count(self.CREATED)

    def get_subsequent_event_counter(self) -> int:
        return self._count(self.SUBSEQUENT)

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self._add(self.CREATED, tracking)

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self._add(self.SUBSEQUENT, tracking)


class TestExampleApplication(applications.ExampleApplicationTestCase):
    """Bank accounts, with snapshots."""

    expected_factory_topic = "sync.recorder:StoreFactory"


class TestEventSourcedProjection(projections.EventSourcedProjectionTestCase):
    """An event-sourced projection follows an application."""

    env = ENV


class TestEventCountersProjection(projections.AggregateEventCountersProjectionTestCase):
    """A projection into a view of ours follows an application; its failure ends the runner."""

    env = ENV
    view_class = CountersView


class TestApplication(applications.ApplicationTestCase):
    """Caching, fast-forwarding under contention, recordings and logs."""
