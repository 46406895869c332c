"""Recording batches, ours and the library's: timed from two places, and counted in the WAL.

The recorder alone is given what it stores, made beforehand. The whole path begins, for both, at the domain's typed
events: ours packs and drafts them; of a user of the library they become plain values, the library's own events with
their versions and times, and by its mapper JSON and stored events.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from domain import schema
from node.records import draft_of
from sync.batch import Draft
from sync.store import Store
from tests.bench.measuring import Sample, timed
from tests.bench.references import Fact, Library
from tests.by_hand import by_hand

T = TypeVar("T")
CHECKPOINT_PAGES: Final = 1000  # SQLite's own default, for both


class Side(Protocol):
    """One of two that are given the same facts."""

    @property
    def files(self) -> list[Path]:
        """What it keeps its entries in; the first one's WAL is counted."""

    def made(self, drafts: Sequence[Draft]) -> Any:
        """What its recorder is given, made of drafts."""

    def put(self, made: Any) -> None:
        """Store that in one durable transaction."""

    def decided(self, drafts: Sequence[Draft]) -> Any:
        """What its domain would have decided, where these are the drafts."""

    def carry_out(self, decided: Any) -> None:
        """Make of that what the recorder is given, and store it in one durable transaction."""

    def checkpoint_after(self, pages: int) -> None:
        """Let the WAL grow so far, 0 for without end."""

    def empty_wal(self) -> None:
        """Fold the WAL into the file and cut it to nothing."""

    def close(self) -> None:
        """Close the files."""


class Ours:
    """A store of ours in a data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open()

    def _open(self) -> None:
        self.store = Store(self.folder)
        self._beside = by_hand(self.files[0])  # the writer is in a transaction whenever it works

    @property
    def files(self) -> list[Path]:
        """The log and the streams' keys."""
        return [self.folder / "log.db", self.folder / "keys.db"]

    def made(self, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Drafts are what the store takes."""
        return drafts

    def put(self, made: Sequence[Draft]) -> None:
        """Seal, prove and store."""
        self.store.record(made).result()

    def decided(self, drafts: Sequence[Draft]) -> list[tuple[bytes, Any, str, int]]:
        """The domain's events, about whom, by whom and when."""
        return [(d.subject, schema.decode(d.type, d.payload), d.actor, d.recorded_at_ms) for d in drafts]

    def carry_out(self, decided: list[tuple[bytes, Any, str, int]]) -> None:
        """As a command does it once it is decided."""
        self.put([draft_of(*one) for one in decided])

    def checkpoint_after(self, pages: int) -> None:
        """On the writer's connection."""
        self.store.submit(lambda db: db.wal_autocheckpoint(pages)).result()

    def empty_wal(self) -> None:
        """From beside."""
        (busy, _, _), *_ = self._beside.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert not busy

    @contextmanager
    def let_go(self) -> Iterator[None]:
        """Closed for a while: somebody else records into the folder."""
        self.close()
        yield
        self._open()

    def close(self) -> None:
        """Close the files."""
        self._beside.close()
        self.store.close()


class Theirs:
    """A database of the library's."""

    def __init__(self, path: Path) -> None:
        self.library = Library(path)
        self._beside = sqlite3.connect(path)

    @property
    def files(self) -> list[Path]:
        """The one file."""
        return [self.library.path]

    def made(self, drafts: Sequence[Draft]) -> Any:
        """Stored events."""
        return self.library.events(drafts)

    def put(self, made: Any) -> None:
        """Insert."""
        self.library.recorder.insert_events(made)

    def decided(self, drafts: Sequence[Draft]) -> list[tuple[bytes, Any, str]]:
        """The domain's events, about whom and by whom."""
        return [(d.subject, schema.decode(d.type, d.payload), d.actor) for d in drafts]

    def carry_out(self, decided: list[tuple[bytes, Any, str]]) -> None:
        """As its application does it."""
        facts = (Fact(subject, fact.meta.name, actor, schema.to_json(fact)) for subject, fact, actor in decided)
        self.put([self.library.mapper.to_stored_event(one) for one in self.library.domain_events(facts)])

    def checkpoint_after(self, pages: int) -> None:
        """On the connection that writes."""
        with self.library.datastore.transaction(commit=True) as cursor:
            cursor.execute(f"PRAGMA wal_autocheckpoint={pages}")

    def empty_wal(self) -> None:
        """From beside, as ours."""
        (busy, _, _), *_ = self._beside.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert not busy

    def close(self) -> None:
        """Close the file."""
        self._beside.close()
        self.library.close()


Portions = Sequence[Sequence[Draft]]


def portions(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Cut into batches of this size."""
    return [items[first : first + size] for first in range(0, len(items), size)]


def recorded(side: Side, batches: Portions) -> Sample:
    """The recorder alone."""
    made = [side.made(batch) for batch in batches]
    with timed() as clock:
        for one in made:
            side.put(one)
    return clock.sample(sum(map(len, batches)))


def settled(side: Side, batches: Portions) -> Sample:
    """The recorder alone, and what it wrote is folded in: nobody pays a checkpoint of what somebody else wrote."""
    made = [side.made(batch) for batch in batches]
    side.empty_wal()
    with timed() as clock:
        for one in made:
            side.put(one)
        side.empty_wal()
    return clock.sample(sum(map(len, batches)))


def carried_out(side: Side, batches: Portions) -> Sample:
    """The whole path."""
    decided = [side.decided(batch) for batch in batches]
    with timed() as clock:
        for one in decided:
            side.carry_out(one)
    return clock.sample(sum(map(len, batches)))


def wal_bytes(side: Side, batches: Portions) -> float:
    """What the WAL grows by for each entry, where no checkpoint lies in between: the same on every run."""
    side.checkpoint_after(0)
    side.empty_wal()
    recorded(side, batches)
    grown = _wal_size(side.files[0])
    side.checkpoint_after(CHECKPOINT_PAGES)
    side.empty_wal()
    return grown / sum(map(len, batches))


def file_bytes(side: Side) -> int:
    """What the files take, the WAL folded in."""
    side.empty_wal()
    return sum(path.stat().st_size + _wal_size(path) for path in side.files)


def _wal_size(path: Path) -> int:
    wal = path.with_name(path.name + "-wal")
    return wal.stat().st_size if wal.exists() else 0
