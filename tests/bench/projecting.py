"""The `eventsourcing` library's way to a read model: what its projection runner does for each event, over SQLite.

Its runner takes events from a subscription, which its SQLite recorder does not have.  So this selects notifications in
pages as a subscription does, has its mapper make the event, and writes one row and the tracking mark in one transaction
of its tracking recorder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder

from sync.batch import Draft
from tests.bench.references import Library

NAME: Final = "eventsourcing, one row an event"
PAGE_COUNT: Final = 1000


class _View(SQLiteTrackingRecorder):
    """How many facts of each type were noted of whom."""

    def construct_create_table_statements(self) -> list[str]:
        """The mark's table, and ours."""
        table = "CREATE TABLE IF NOT EXISTS fact(subject TEXT, type TEXT, count INTEGER, PRIMARY KEY(subject, type))"
        return [*super().construct_create_table_statements(), table]

    def note(self, event: Any, tracking: Tracking) -> None:
        """One event more, exactly once."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO fact VALUES(?,?,1) ON CONFLICT(subject, type) DO UPDATE SET count=count+1",
                (event.originator_id.hex, event.type),
            )


class Projected:
    """A database of the library's with events to project."""

    def __init__(self, path: Path, drafts: Sequence[Draft]) -> None:
        self._library = Library(path)
        self.count = len(drafts)
        self._library.recorder.insert_events(self._library.events(drafts))

    def project(self, path: Path) -> None:
        """All events into a new view."""
        datastore = SQLiteDatastore(str(path))
        view = _View(datastore)
        view.create_table()
        position = 0
        while found := self._library.recorder.select_notifications(position + 1, PAGE_COUNT):
            for notification in found:
                event = self._library.mapper.to_domain_event(notification)
                view.note(event, Tracking("facts", notification.id))
            position = found[-1].id
        assert view.max_tracking_id("facts") == self.count
        datastore.close()

    def close(self) -> None:
        """Close the file."""
        self._library.close()
