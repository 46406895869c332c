"""The persistence module of the `eventsourcing` library on our store: PERSISTENCE_MODULE=sync.recorder.

The recorder takes any UUID as a stream and any bytes as the state of an event. The event becomes an entry of the
node's own log like every other: the stream is named by its caller's id instead of a pseudonym, the state is the payload
(as bytes, so that it can never be mistaken for one of ours), and seq, lamport, commitment and leaf are made in the
writer's transaction. Read the other way, *every* entry of the store appears as a notification in the order of its
arrival: ours with the packed body as state, erased ones under the topic `erased/1` with no state. `Mapper` turns
entries that are not the library's own into `EntryRead` events, so that a projection sees them, known type or not.

Snapshots are no entries; they are kept in a table of their own that may be emptied at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import apsw
import msgpack
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    IntegrityError,
    JSONTranscoder,
    ListenNotifySubscription,
    Mapper,
    Notification,
    OperationalError,
    PersistenceError,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
    TrackingRecorder,
    Transcoder,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic

from sync import log_sql, snapshot_sql
from sync.batch import Draft
from sync.database import NotStored
from sync.entry import ERASED, unpack_body
from sync.errors import LocalProtocolError, RemoteProtocolError, StaleVersion, SubjectErased
from sync.log_schema import LOG_FILE, Row
from sync.store import Store

T = TypeVar("T")


class MsgpackTranscoder(JSONTranscoder):
    """The library's transcoder with msgpack bytes instead of JSON text.

    It is one of the library's JSON family because an application registers its transcodings with no other.
    """

    def encode(self, obj: Any) -> bytes:
        """Values to bytes."""
        packed: bytes = msgpack.packb(obj, default=self._encode_obj, strict_types=True)
        return packed

    def decode(self, data: bytes) -> Any:
        """Bytes to values."""
        return msgpack.unpackb(data, object_hook=self._decode_obj, strict_map_key=False)


@dataclass(frozen=True)
class EntryRead:
    """An entry that the library did not write, as a domain event: the placeholder of erased and unknown ones too."""

    originator_id: UUID
    originator_version: int
    type: str
    body: Any

    def mutate(self, aggregate: Any) -> Any:
        """Entries of ours are folded by `domain`, never by the library's aggregates."""
        return aggregate


class EntryMapper(Mapper[UUID]):
    """The library's mapper, with entries of ours read as `EntryRead`."""

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """What a stored event says."""
        if ":" in stored_event.topic:  # the library's topics are module:class, our types never hold a colon
            return super().to_domain_event(stored_event)
        assert isinstance(stored_event.originator_id, UUID)
        body = unpack_body(stored_event.state) if stored_event.topic != ERASED else None
        return EntryRead(stored_event.originator_id, stored_event.originator_version, stored_event.topic, body)


class StoreAggregateRecorder(AggregateRecorder):
    """Events of single streams; for snapshots (`purpose` other than "events") a plain table."""

    def __init__(self, store: Store, purpose: str = "events") -> None:
        self.store = store
        self.purpose = purpose

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Store events, all or none; IntegrityError if a version exists."""
        if self.purpose == "events":
            self._insert(stored_events, None)
        else:
            rows = [(self.purpose, str(e.originator_id), e.originator_version, e.topic, e.state) for e in stored_events]
            _answer(self.store, lambda db: snapshot_sql.add_snapshots(db, rows))
        return None

    def _insert(self, stored_events: Sequence[StoredEvent], tracking: Tracking | None) -> list[int]:
        drafts = [_draft(event) for event in stored_events]

        def work(db: apsw.Connection) -> list[int]:
            if tracking is not None:
                _track(db, tracking)
            return [recorded.position for recorded in self.store.record_in(db, drafts)]

        return _answer(self.store, work)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """A stream's events by version."""
        if self.purpose == "events":
            events = self._stream(_stream_name(originator_id))
        else:
            events = self._snapshots(originator_id)
        low = -1 if gt is None else gt
        chosen = [e for e in events if e.originator_version > low and (lte is None or e.originator_version <= lte)]
        if desc:
            chosen.reverse()
        return chosen if limit is None else chosen[:limit]

    def _stream(self, name: bytes) -> list[StoredEvent]:
        def work(db: apsw.Connection) -> list[Row]:
            stream = log_sql.stream_by_name(db, name)
            return self.store.opened_rows(db, log_sql.chain(db, stream.head)) if stream else []

        rows = self.store.reading(work)
        names = self.store.type_names()
        originator = UUID(bytes=name)
        return [StoredEvent(originator, row.version, *_topic_and_state(row, names)) for row in reversed(rows)]

    def _snapshots(self, originator_id: UUID | str) -> list[StoredEvent]:
        rows = self.store.reading(lambda db: snapshot_sql.snapshots(db, self.purpose, str(originator_id)))
        return [StoredEvent(originator_id, version, topic, state) for version, topic, state in rows]


class StoreApplicationRecorder(StoreAggregateRecorder, ApplicationRecorder):
    """All entries of the store, own and replicated, in the order of their arrival."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Store events, all or none; their positions."""
        return self._insert(stored_events, None)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Entries from a position on."""
        after = 0 if start is None else start - 1 if inclusive_of_start else start
        chosen: list[Notification] = []
        while len(chosen) < limit:
            rows, streams = self.store.reading(lambda db: self._page(db, after, limit))  # noqa: B023 -- called at once
            names = self.store.type_names()  # after the rows, so that a type that is new in them is among the names
            for row in rows:
                if stop is not None and row.position > stop:
                    return chosen
                topic, state = _topic_and_state(row, names)
                if (not topics or topic in topics) and len(chosen) < limit:
                    originator = UUID(bytes=streams[row.stream])
                    chosen.append(Notification(originator, row.version, topic, state, row.position))
            if len(rows) < limit:
                break
            after = rows[-1].position
        return chosen

    def _page(self, db: apsw.Connection, after: int, limit: int) -> tuple[list[Row], dict[int, bytes]]:
        rows = self.store.opened_rows(db, log_sql.entries_after(db, after, limit))
        return rows, log_sql.stream_names(db, {row.stream for row in rows})

    def max_notification_id(self) -> int | None:
        """The newest entry's position."""
        return self.store.position() or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Follow the entries as they are stored by this process."""
        return StoreSubscription(self, gt, topics)


class StoreSubscription(ListenNotifySubscription["StoreApplicationRecorder"]):
    """Wakes when the store has grown."""

    def __init__(self, recorder: StoreApplicationRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._recorder.store.listen(self._has_been_notified)

    def stop(self) -> None:
        """Stop waking."""
        self._recorder.store.unlisten(self._has_been_notified)
        super().stop()


class StoreTrackingRecorder(TrackingRecorder):
    """How far upstream applications were followed."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move a mark forward; IntegrityError if it stands there already."""
        _answer(self.store, lambda db: _track(db, tracking))

    def max_tracking_id(self, application_name: str) -> int | None:
        """The mark."""
        return self.store.reading(lambda db: log_sql.tracked(db, application_name))


class StoreProcessRecorder(StoreTrackingRecorder, StoreApplicationRecorder, ProcessRecorder):
    """Events and the mark of what caused them, in one transaction."""

    def __init__(self, store: Store) -> None:
        StoreApplicationRecorder.__init__(self, store)

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Store events and `tracking`, all or none."""
        return self._insert(stored_events, kwargs.get("tracking"))


class StoreFactory(InfrastructureFactory[StoreTrackingRecorder]):
    """Opens the data folder named by HOMEWARD_FOLDER, or makes it where CREATE_TABLE allows."""

    HOMEWARD_FOLDER = "HOMEWARD_FOLDER"
    CREATE_TABLE = "CREATE_TABLE"

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        folder = self.env.get(self.HOMEWARD_FOLDER)
        if not folder:
            raise OSError(f"set {self.HOMEWARD_FOLDER} to a data folder")
        path = Path(folder)
        if not (path / LOG_FILE).exists() and (self.env.get(self.CREATE_TABLE) or "yes").lower() in ("yes", "y", "1"):
            path.mkdir(parents=True, exist_ok=True)
            Store.create(path)
        self.store = Store(path)

    def transcoder(self) -> Transcoder:
        """Msgpack unless another is named."""
        return super().transcoder() if self.env.get(self.TRANSCODER_TOPIC) else MsgpackTranscoder()

    def mapper(
        self, transcoder: Transcoder | None = None, mapper_class: type[Mapper[Any]] | None = None
    ) -> Mapper[Any]:
        """One that reads entries of ours too."""
        if mapper_class is None and not self.env.get(self.MAPPER_TOPIC):
            mapper_class = EntryMapper
        return super().mapper(transcoder, mapper_class)

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Events of streams, or snapshots."""
        return StoreAggregateRecorder(self.store, purpose)

    def _class(self, topic_key: str, default: type[Any]) -> type[Any]:
        topic = self.env.get(topic_key)
        found: type[Any] = resolve_topic(topic) if topic else default
        return found

    def application_recorder(self) -> ApplicationRecorder:
        """All entries."""
        made: ApplicationRecorder = self._class(self.APPLICATION_RECORDER_TOPIC, StoreApplicationRecorder)(self.store)
        return made

    def tracking_recorder(self, tracking_recorder_class: type[Any] | None = None) -> Any:
        """Marks."""
        return (tracking_recorder_class or self._class(self.TRACKING_RECORDER_TOPIC, StoreTrackingRecorder))(self.store)

    def process_recorder(self) -> ProcessRecorder:
        """Entries and marks."""
        made: ProcessRecorder = self._class(self.PROCESS_RECORDER_TOPIC, StoreProcessRecorder)(self.store)
        return made

    def close(self) -> None:
        """Close the folder."""
        self.store.close()


def _draft(event: StoredEvent) -> Draft:
    name = _stream_name(event.originator_id)
    now_ms = time.time_ns() // 1_000_000
    return Draft(event.topic, "", name, now_ms, event.state, stream=name, version=event.originator_version)


def _stream_name(originator_id: UUID | str) -> bytes:
    return (originator_id if isinstance(originator_id, UUID) else UUID(originator_id)).bytes


def _topic_and_state(row: Row, names: dict[int, str]) -> tuple[str, bytes]:
    if row.body is None:
        return ERASED, b""
    payload = unpack_body(row.body).payload
    return names[row.type], payload if type(payload) is bytes else row.body


def _track(db: apsw.Connection, tracking: Tracking) -> None:
    if not log_sql.track(db, tracking.application_name, tracking.notification_id):
        raise IntegrityError(f"{tracking.application_name} was followed to {tracking.notification_id} already")


def _answer(store: Store, work: Callable[[apsw.Connection], T]) -> T:
    """The result of a write, with errors in the library's family."""
    try:
        return store.submit(work).result()
    except (StaleVersion, apsw.ConstraintError) as error:
        raise IntegrityError(str(error)) from error
    except (RemoteProtocolError, LocalProtocolError, SubjectErased, NotStored, apsw.SQLError) as error:
        raise OperationalError(str(error)) from error
    except apsw.Error as error:
        raise PersistenceError(str(error)) from error
