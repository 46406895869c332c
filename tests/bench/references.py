"""What ours is measured beside: the disk, SQLite without anything of ours, and the library's own SQLite recorder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
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


class Fact(NamedTuple):
    """What a user of the library would note: about whom, what, by whom, and the content in JSON's types."""

    subject: bytes
    kind: str
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


class Child(Aggregate):
    """One whose facts are kept, so that the domain can say what they add up to."""

    def __init__(self) -> None:
        self.facts: list[tuple[str, str, dict[str, Any]]] = []

    @event("ChildFactNoted")
    def note(self, kind: str, actor: str, payload: dict[str, Any]) -> None:
        """One fact more."""
        self.facts.append((kind, actor, payload))


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

    def domain_events(self, facts: Iterable[Fact]) -> list[DomainEvent]:
        """Facts as the library's events, each with the next version of its stream."""
        found: list[Any] = []
        for subject, kind, actor, payload in facts:
            aggregate = self._aggregates.get(subject)
            if aggregate is not None:
                aggregate.note(kind, actor, payload)
                found += aggregate.collect_events()
                continue
            version = self._versions[subject] = self._versions.get(subject, 0) + 1
            noted = Noted(
                originator_id=UUID(bytes=subject),
                originator_version=version,
                timestamp=Noted.create_timestamp(),
                type=kind,
                actor=actor,
                payload=payload,
            )
            found.append(noted)
        return found

    def events(self, drafts: Sequence[Draft]) -> list[StoredEvent]:
        """Drafts as the library's stored events."""
        facts = (Fact(draft.subject, draft.type, draft.actor, self._payload(draft)) for draft in drafts)
        return [self.mapper.to_stored_event(made) for made in self.domain_events(facts)]

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


def application_with(path: Path, aggregate: Subject | Child, drafts: Sequence[Draft]) -> Application[UUID]:
    """The library's application with one aggregate that these facts are noted about."""
    application = application_on(path)
    for draft in drafts:
        aggregate.note(draft.type, draft.actor, plain(draft))
    application.save(aggregate)
    return application


def application_on(path: Path) -> Application[UUID]:
    """The library's application on a file, connected: that is no part of any reading."""
    application: Application[UUID] = Application(
        env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}
    )
    application.recorder.max_notification_id()
    return application
