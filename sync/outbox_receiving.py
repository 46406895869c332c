"""A home judges what the county delivers, without disk or socket: entries of other logs in an outbox.

Every body's commitment is recomputed under its stream's key, every leaf over the *original* header, then the outbox's
root, and that is compared with the hub's signature. What does not hold, and a prefix that is not signed, is never
stored. A repeat is answered by the size that is held, a gap too; a delivery with content for streams whose keys are not
here (erased, or never sent) by `NoKey`, after which these come in erased form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from sync.batch import Arrived, NewStream, StreamRef
from sync.entry import (
    ERASED,
    Body,
    bytes_ok,
    check_body,
    commitment,
    derive_unremembered,
    int_ok,
    leaf,
    origin,
    pack_body,
    stream_id,
)
from sync.errors import RemoteProtocolError, VerificationError
from sync.merkle import Frontier
from sync.messages import Ack, Delivery, ErasedRow, NoKey, PushRow
from sync.note import checkpoint_text, verify_signature
from sync.reading import NO_STREAM_KEY

SEQ_MAX: Final = 2**63 - 1


class Ref(NamedTuple):
    """A stream of an outbox: the log that it is of, and what recomputing commitments in it takes."""

    log: bytes
    stream: StreamRef


class Parcel(NamedTuple):
    """Verified entries of an outbox behind `start`.

    `origins` has the log of each stream that begins, `seqs` each entry's seq in its own log.
    """

    log: bytes
    start: int
    entries: list[Arrived]
    seqs: list[int]
    streams: list[NewStream]
    origins: list[bytes]
    frontier: Frontier
    trees: list[bytes]
    signature: bytes


class TakeIn(NamedTuple):
    """Store this parcel durably before the answer that follows."""

    parcel: Parcel


class OutboxReceiver:
    """The home's side of deliveries from one outbox."""

    def __init__(
        self, log: bytes, hub_key: bytes, held: Frontier, streams: int, find: Callable[[int], Ref | None]
    ) -> None:
        self.log = log
        self._hub_key = hub_key
        self._held = held
        self._streams = streams
        self._find = find
        self._known: dict[int, Ref] = {}

    @property
    def size(self) -> int:
        """How many entries of the outbox are held."""
        return self._held.size

    def receive(self, delivery: Delivery) -> list[TakeIn | Ack | NoKey]:
        """The hub delivers. Raises RemoteProtocolError or VerificationError, with no effect, if it is wrong."""
        push = delivery.push
        if delivery.log != self.log:
            raise RemoteProtocolError(f"a delivery of outbox {delivery.log.hex()}, expected {self.log.hex()}")
        if push.start > self.size or push.end <= self.size:
            return [Ack(self.size)]
        verify_signature(self._hub_key, checkpoint_text(origin(self.log), push.end, push.root), push.signature)
        self._check_form(delivery)
        begun, known = self._begin(delivery)
        if unreadable := self._unreadable(delivery, known):
            return [NoKey(self.size, unreadable)]
        parcel = self._read(delivery, begun, known)
        if parcel.frontier.root() != push.root:
            raise VerificationError(f"entries {self.size + 1} to {push.end} do not give the root that the hub signed")
        self._held = parcel.frontier
        self._streams += len(begun)
        self._known.update(known)
        return [TakeIn(parcel), Ack(self.size)]

    @staticmethod
    def _check_form(delivery: Delivery) -> None:
        push = delivery.push
        if len(delivery.seqs) != len(push.rows) or len(delivery.origins) != len(push.streams):
            raise RemoteProtocolError("a delivery names a log for each stream that begins and a seq for each row")
        for log in delivery.logs:
            bytes_ok(log, "log", 16)
        for seq in delivery.seqs:
            int_ok(seq, "seq", 1, SEQ_MAX)
        for number in delivery.origins:
            int_ok(number, "log of a stream", 0, len(delivery.logs) - 1)

    def _begin(self, delivery: Delivery) -> tuple[list[tuple[NewStream, bytes]], dict[int, Ref]]:
        """The streams of this delivery that are not known yet, each with its log."""
        push = delivery.push
        if push.streams and push.first_ordinal > self._streams + 1:
            raise RemoteProtocolError(f"stream {push.first_ordinal} begins before stream {self._streams + 1}")
        begun: list[tuple[NewStream, bytes]] = []
        known: dict[int, Ref] = {}
        pairs = zip(push.streams, delivery.origins, strict=True)
        for ordinal, ((subject, key, named), number) in enumerate(pairs, push.first_ordinal):
            log, salt, name = delivery.logs[number], None, named
            if key == NO_STREAM_KEY:
                raise RemoteProtocolError(f"stream {ordinal} begins with a key of zeros, which stands for no key")
            if subject is not None and key is not None:
                keys = derive_unremembered(key)
                salt, name = keys.salt, named or stream_id(keys.label, log, subject)
            if name is None:
                raise RemoteProtocolError(f"stream {ordinal} begins with neither key nor name")
            if ordinal > self._streams:
                begun.append((NewStream(ordinal, name, subject, key), log))
                known[ordinal] = Ref(log, StreamRef(name, subject, salt))
        return begun, known

    def _unreadable(self, delivery: Delivery, begun: dict[int, Ref]) -> list[int]:
        fresh = delivery.push.rows[self.size - delivery.push.start :]
        ordinals = {row.ordinal for row in fresh if not isinstance(row, ErasedRow)}
        return sorted(n for n in ordinals if self._ref(n, begun).stream.salt is None)

    def _ref(self, ordinal: int, begun: dict[int, Ref]) -> Ref:
        found = begun.get(ordinal) or self._known.get(ordinal)
        if found is None:
            found = self._find(ordinal) if 0 < ordinal <= self._streams else None
            if found is None:
                raise RemoteProtocolError(f"an entry names stream {ordinal}, which has not begun")
            self._known[ordinal] = found
        return found

    def _read(self, delivery: Delivery, begun: list[tuple[NewStream, bytes]], known: dict[int, Ref]) -> Parcel:
        """The rows that are new, with body, commitment and leaf recomputed here."""
        push, skip = delivery.push, self.size - delivery.push.start
        arrived, leaves = [], []
        fresh, seqs = push.rows[skip:], delivery.seqs[skip:]
        for seq, row in zip(seqs, fresh, strict=True):
            log, stream = self._ref(row.ordinal, known)
            one = _arrived(log, seq, stream, row)
            arrived.append(one)
            leaves.append(leaf(log, seq, stream.name, one.commitment))
        if idle := known.keys() - {row.ordinal for row in fresh}:
            raise RemoteProtocolError(f"stream {min(idle)} is said to begin, but no entry is in it")
        frontier, trees = self._held.extend(leaves)
        streams, origins = [new for new, _ in begun], [log for _, log in begun]
        return Parcel(self.log, self.size, arrived, seqs, streams, origins, frontier, trees, push.signature)


def _arrived(log: bytes, seq: int, stream: StreamRef, row: PushRow | ErasedRow) -> Arrived:
    if isinstance(row, ErasedRow):
        return Arrived(row.ordinal, ERASED, 0, row.commitment, None)
    assert stream.subject is not None
    assert stream.salt is not None  # see `_unreadable`
    ordinal, kind, actor, lamport, recorded_at_ms, deps, payload, extensions = row
    body = Body(kind, actor, stream.subject, lamport, recorded_at_ms, deps, payload, extensions)
    check_body(body)
    packed = pack_body(body)
    return Arrived(ordinal, kind, lamport, commitment(stream.salt, log, seq, packed), packed)
