"""The `eventsourcing` library's own test cases against our persistence module, unmodified.

Left out: `TranscoderTestCase`, which asserts JSON bytes, while ours are msgpack. The factory's cases are run without
those of their parts that expect a compressor or cipher by other environment names; they use the library's own mapper.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import StoredEvent
from eventsourcing.tests import persistence as cases
from eventsourcing.utils import Environment

from sync import recorder
from sync.store import Store


class Folder:
    """A new store for every recorder that a case asks for."""

    @pytest.fixture(autouse=True)
    def _folders(self) -> Iterator[None]:
        self.opened: list[Store] = []
        with tempfile.TemporaryDirectory() as name:
            self.folder = Path(name)
            yield
            for store in self.opened:
                store.close()

    def new_store(self) -> Store:
        folder = self.folder / str(uuid4())
        folder.mkdir()
        Store.create(folder)
        self.opened.append(Store(folder))
        return self.opened[-1]


class TestAggregateRecorder(Folder, cases.AggregateRecorderTestCase):
    """Events of streams."""

    def create_recorder(self) -> Any:
        return recorder.StoreAggregateRecorder(self.new_store())


class TestSnapshotRecorder(Folder, cases.AggregateRecorderTestCase):
    """Snapshots."""

    def create_recorder(self) -> Any:
        return recorder.StoreAggregateRecorder(self.new_store(), "snapshots")


class TestApplicationRecorder(Folder, cases.ApplicationRecorderTestCase[Any]):
    """All entries in the order of their arrival."""

    def create_recorder(self) -> Any:
        return recorder.StoreApplicationRecorder(self.new_store())

    def test_insert_subscribe(self) -> None:
        """A subscription gives what was stored before it and after."""
        self.optional_test_insert_subscribe()


class TestTrackingRecorder(Folder, cases.TrackingRecorderTestCase):
    """Marks of upstream applications."""

    def create_recorder(self) -> Any:
        return recorder.StoreTrackingRecorder(self.new_store())


class TestProcessRecorder(Folder, cases.ProcessRecorderTestCase):
    """Events and marks in one transaction."""

    def create_recorder(self) -> Any:
        return recorder.StoreProcessRecorder(self.new_store())


class TestNonInterleaving(Folder, cases.NonInterleavingNotificationIDsBaseCase):
    """Two writers never mix their positions within one request."""

    insert_num = 1000
    _store: Store | None = None

    def create_recorder(self) -> Any:
        return recorder.StoreApplicationRecorder(self.new_store())


class TestFactory(cases.InfrastructureFactoryTestCase[recorder.StoreFactory]):
    """The factory makes what the library expects of one."""

    @pytest.fixture(autouse=True)
    def _env(self, tmp_path: Path) -> None:
        self.env = Environment(
            "Application", {"PERSISTENCE_MODULE": "sync.recorder", "HOMEWARD_FOLDER": str(tmp_path / "node")}
        )

    def setUp(self) -> None:
        super().setUp()

    def expected_factory_class(self) -> Any:
        return recorder.StoreFactory

    def expected_aggregate_recorder_class(self) -> Any:
        return recorder.StoreAggregateRecorder

    def expected_application_recorder_class(self) -> Any:
        return recorder.StoreApplicationRecorder

    def expected_tracking_recorder_class(self) -> Any:
        return recorder.StoreTrackingRecorder

    def tracking_recorder_subclass(self) -> Any:
        class Subclass(recorder.StoreTrackingRecorder):
            pass

        return Subclass

    def expected_process_recorder_class(self) -> Any:
        return recorder.StoreProcessRecorder


for inherited in (
    cases.AggregateRecorderTestCase,
    cases.ApplicationRecorderTestCase,
):
    assert issubclass(inherited, cases.RecorderTestCase)


def test_a_later_version_is_refused_when_the_stream_moved(tmp_path: Path) -> None:
    """A version that exists, or that lies before the head, is never stored again."""
    Store.create(tmp_path)
    store = Store(tmp_path)
    made = recorder.StoreApplicationRecorder(store)
    originator = uuid4()
    made.insert_events([StoredEvent(originator, 4, "t", b"x")])
    with pytest.raises(recorder.IntegrityError):
        made.insert_events([StoredEvent(originator, 3, "t", b"y")])
    assert [e.state for e in made.select_events(originator)] == [b"x"]
    store.close()
