"""From the rows of a push to entries as they are stored: streams by their ordinals, and all that is implied recomputed.

`replicator.Receiver` decides what to take; here it becomes bodies, commitments and leaves, or is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sync.batch import Arrived, NewStream, StreamRef
from sync.entry import (
    ERASED,
    STREAM_KEY_SIZE,
    Body,
    check_body,
    commitment,
    derive_unremembered,
    leaf,
    pack_body,
    stream_id,
)
from sync.errors import RemoteProtocolError
from sync.messages import ErasedRow, Push, PushRow

NO_STREAM_KEY: Final = bytes(STREAM_KEY_SIZE)


class KnownStreams:
    """The streams of one log that have begun, as far as a receiver holds the log."""

    def __init__(self, log: bytes, count: int, find: Callable[[int], StreamRef | None]) -> None:
        """`find` gives the stream of an ordinal from 1 to `count`."""
        self._log = log
        self._count = count
        self._find = find
        self._known: dict[int, StreamRef] = {}

    def subject_of(self, ordinal: int) -> bytes | None:
        """What a stream is about; None if it has not begun or was erased here."""
        if not 0 < ordinal <= self._count:
            return None
        found = self._known.get(ordinal) or self._find(ordinal)
        return None if found is None else found.subject

    def learn(self, begun: Mapping[int, StreamRef]) -> None:
        """These have begun: their entries are held."""
        self._count += len(begun)
        self._known.update(begun)

    def begin(self, push: Push) -> tuple[list[NewStream], dict[int, StreamRef]]:
        """The streams of this push that are not known yet."""
        if push.streams and push.first_ordinal > self._count + 1:
            raise RemoteProtocolError(f"stream {push.first_ordinal} begins before stream {self._count + 1}")
        begun: list[NewStream] = []
        known: dict[int, StreamRef] = {}
        for ordinal, (subject, key, named) in enumerate(push.streams, push.first_ordinal):
            salt, name = None, named
            if key == NO_STREAM_KEY:
                raise RemoteProtocolError(f"stream {ordinal} begins with a key of zeros, which stands for no key")
            if subject is not None and key is not None:
                keys = derive_unremembered(key)  # whether it may be kept is the store's to know
                salt, name = keys.salt, named or stream_id(keys.label, self._log, subject)
            if name is None:
                raise RemoteProtocolError(f"stream {ordinal} begins with neither key nor name")
            if ordinal > self._count:
                begun.append(NewStream(ordinal, name, subject, key))
                known[ordinal] = StreamRef(name, subject, salt)
        return begun, known

    def without_key(self, rows: Sequence[PushRow | ErasedRow], begun: Mapping[int, StreamRef]) -> list[int]:
        """The streams of rows that come with content, although their keys are destroyed or never came here."""
        ordinals = {row.ordinal for row in rows if not isinstance(row, ErasedRow)}
        return sorted(n for n in ordinals if self._stream(n, begun).salt is None)

    def _stream(self, ordinal: int, begun: Mapping[int, StreamRef]) -> StreamRef:
        return begun.get(ordinal) or self._known.get(ordinal) or self._lookup(ordinal)

    def read(
        self, rows: Sequence[PushRow | ErasedRow], first_seq: int, begun: Mapping[int, StreamRef]
    ) -> tuple[list[Arrived], list[bytes]]:
        """New rows, of which none is `without_key`, with body, commitment and leaf recomputed here."""
        arrived, leaves = [], []
        for seq, row in enumerate(rows, first_seq):
            stream = self._stream(row.ordinal, begun)
            if isinstance(row, ErasedRow):
                arrived.append(Arrived(row.ordinal, ERASED, 0, row.commitment, None))
                leaves.append(leaf(self._log, seq, stream.name, row.commitment))
                continue
            assert stream.subject is not None
            assert stream.salt is not None  # see `without_key`
            ordinal, kind, actor, lamport, recorded_at_ms, deps, payload, extensions = row
            body = Body(kind, actor, stream.subject, lamport, recorded_at_ms, deps, payload, extensions)
            check_body(body)
            packed = pack_body(body)
            committed = commitment(stream.salt, self._log, seq, packed)
            arrived.append(Arrived(ordinal, body.type, lamport, committed, packed))
            leaves.append(leaf(self._log, seq, stream.name, committed))
        if idle := begun.keys() - {row.ordinal for row in rows}:
            raise RemoteProtocolError(f"stream {min(idle)} is said to begin, but no entry is in it")
        return arrived, leaves

    def _lookup(self, ordinal: int) -> StreamRef:
        found = self._find(ordinal) if 0 < ordinal <= self._count else None
        if found is None:
            raise RemoteProtocolError(f"an entry names stream {ordinal}, which has not begun")
        self._known[ordinal] = found
        return found
