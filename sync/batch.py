"""What crosses the boundary between the store and everything else: drafts in, entries out, verified batches in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sync.entry import Body, entry_id, unpack_body
from sync.merkle import Frontier

NOTHING: Mapping[Any, Any] = {}


class Draft(NamedTuple):
    """An event that this node wants to record.

    `expect`: the version of its stream that the author saw, if that matters. `stream` and `version` are for callers of
    the `eventsourcing` library, who name their streams and number their events themselves. `lamport`: that of an entry
    which is recorded again and comes after all in `deps`, whether they are here or not; 0 where it follows from them.
    """

    type: str
    actor: str
    subject: bytes
    recorded_at_ms: int
    payload: Any
    deps: Mapping[bytes, int] = NOTHING
    extensions: Mapping[int, Any] = NOTHING
    expect: int | None = None
    stream: bytes | None = None
    version: int | None = None
    lamport: int = 0


class Recorded(NamedTuple):
    """Where a draft ended up, durably."""

    id: bytes
    position: int
    seq: int
    version: int


class Entry(NamedTuple):
    """An entry as it is read: what the header says, and the body unless it was erased."""

    position: int
    log: bytes
    seq: int
    commitment: bytes
    packed: bytes | None

    @property
    def id(self) -> bytes:
        """The entry's own id, 16 bytes."""
        return entry_id(self.commitment)

    def body(self) -> Body | None:
        """The content; None once erased."""
        return None if self.packed is None else unpack_body(self.packed)


class Erased(NamedTuple):
    """What an erasure took away here: so many bodies, of so many streams, and so many photographs and scans."""

    entries: int
    streams: int
    files: int = 0


class NewStream(NamedTuple):
    """A stream that begins in a batch; its ordinal in the log, its pseudonym, and subject and key unless erased."""

    ordinal: int
    name: bytes
    subject: bytes | None
    key: bytes | None


class Arrived(NamedTuple):
    """One entry of a peer's log, its commitment recomputed here; one that came erased has lamport 0 and no body."""

    ordinal: int
    type: str
    lamport: int
    commitment: bytes
    body: bytes | None


class Batch(NamedTuple):
    """Verified entries of a peer's log from `start` (its size before) to `frontier.size`, signed by that log's key.

    `trees` has for each entry the tree nodes that it completes, as `Frontier.extend` gives them.
    """

    log: bytes
    start: int
    entries: list[Arrived]
    streams: list[NewStream]
    frontier: Frontier
    trees: list[bytes]
    signature: bytes


class StreamRef(NamedTuple):
    """What a receiver must know of a stream to recompute commitments in it; without a key, only its name."""

    name: bytes
    subject: bytes | None
    salt: bytes | None


class SignedSize(NamedTuple):
    """A checkpoint without its text: that follows from log, size and root. The hub's receipt has 72 bytes."""

    size: int
    root: bytes
    signature: bytes
    receipt: bytes | None
