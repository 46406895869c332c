"""What ours is measured beside: the disk, SQLite without anything of ours, and the library's own SQLite recorder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, DomainEvent, event
from eventsourcing.persistence import DatetimeAsISO, JSONTranscoder, Mapper, StoredEvent, UUIDAsHex
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from domain import schema
from domain.event import Event
from sync.batch import Draft


class AppendedFile:
    """One file that grows, with fdatasync: the least that is durable."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(self, data: bytes) -> None:
        """Append durably."""
        os.write(self._handle, data)
        os.fdatasync(self._handle)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


class RawRows:
    """A table of bytes without an index, in WAL mode with synchronous=FULL as ours."""

    def __init__(self, path: Path) -> None:
        self._db = apsw.Connection(str(path))
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE entry(position INTEGER PRIMARY KEY, body BLOB NOT NULL)")

    def add(self, bodies: Sequence[bytes]) -> None:
        """Store rows in one durable transaction."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT INTO entry(body) VALUES(?)", [(body,) for body in bodies])
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()


@dataclass(frozen=True)
class Noted(DomainEvent):
    """A fact as a user of the library would declare it."""

    type: str
    actor: str
    payload: dict[str, Any]


class Subject(Aggregate):
    """Somebody facts are noted about, as a user of the library would write it."""

    def __init__(self) -> None:
        self.count = 0
        self.last: dict[str, Any] = {}

    @event("FactNoted")
    def note(self, kind: str, actor: str, payload: dict[str, Any]) -> None:
        """One fact more."""
        self.count += 1
        self.last[kind] = payload


class Library:
    """The `eventsourcing` library on its own SQLite recorder, with its JSON transcoder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.datastore = SQLiteDatastore(str(path))
        self.recorder = SQLiteApplicationRecorder(self.datastore)
        self.recorder.create_table()
        transcoder = JSONTranscoder()
        for transcoding in (UUIDAsHex(), DatetimeAsISO()):
            transcoder.register(transcoding)
        self.mapper: Mapper[UUID] = Mapper(transcoder)
        self._versions: dict[bytes, int] = {}
        self._plain: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._aggregates: dict[bytes, Subject] = {}

    def watch(self, subject: bytes) -> UUID:
        """From now on facts about this one are an aggregate's, which `repository.get` can read; its id."""
        aggregate = self._aggregates[subject] = Subject()
        return aggregate.id

    def domain_events(self, drafts: Sequence[Draft]) -> list[DomainEvent]:
        """Drafts as a user of the library would have them, each with the next version of its stream."""
        found: list[Any] = []
        for draft in drafts:
            aggregate = self._aggregates.get(draft.subject)
            if aggregate is not None:
                aggregate.note(draft.type, draft.actor, self._payload(draft))
                found += aggregate.collect_events()
                continue
            version = self._versions[draft.subject] = self._versions.get(draft.subject, 0) + 1
            noted = Noted(
                originator_id=UUID(bytes=draft.subject),
                originator_version=version,
                timestamp=Noted.create_timestamp(),
                type=draft.type,
                actor=draft.actor,
                payload=self._payload(draft),
            )
            found.append(noted)
        return found

    def events(self, drafts: Sequence[Draft]) -> list[StoredEvent]:
        """Drafts as the library's stored events."""
        return [self.mapper.to_stored_event(made) for made in self.domain_events(drafts)]

    def close(self) -> None:
        """Close the file."""
        self.datastore.close()

    def _payload(self, draft: Draft) -> dict[str, Any]:
        """`plain`, once for all drafts that share a payload: there are a few thousand of those."""
        known = self._plain.get(id(draft.payload))
        if known is None:  # the payload is kept with it, so that its id stays its own
            known = self._plain[id(draft.payload)] = (draft.payload, plain(draft))
        return known[1]


def plain(draft: Draft) -> dict[str, Any]:
    """A draft's payload in JSON's types."""
    read = schema.decode(draft.type, draft.payload)
    assert isinstance(read, Event)
    return schema.to_json(read)


def subject_application(path: Path, drafts: Sequence[Draft]) -> tuple[Application[UUID], UUID]:
    """The library's application with one aggregate that these facts are noted about; and its id."""
    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "SQLITE_DBNAME": str(path),
    }
    application: Application[UUID] = Application(env=environment)
    subject = Subject()
    for draft in drafts:
        subject.note(draft.type, draft.actor, plain(draft))
    application.save(subject)
    return application, subject.id
