"""The hub's end of an exchange that goes by hand: homes' bundles in, one answer for each home out.

`replicator.Receiver` decides, as over the network, and effects are performed in its order; what was stored when the
reading is cut, by Ctrl-C or by a damaged file, is stored. A bundle that begins beyond what is held is read to its end,
and if it is whole it is parked as it came. Whatever is taken makes room for those that wait: they follow at once.

The answer is made when all bundles of a stick are taken, from what is then on the disk: what the hub holds, a receipt
for it (for the newest size that the home has signed, so it needs no question), and what the home must do. So a
repeated bundle gives an answer as good as the first one, and an answer that was lost is made again by the next bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sync import wire
from sync.batch import SignedSize
from sync.bundle import BundleReader, BundleWriter, Head, Kind
from sync.bundle_file import Progress, read
from sync.entry import log_id
from sync.errors import (
    LogCorrupt,
    RefusedByPeer,
    RemoteProtocolError,
    StaleVersion,
    SyncError,
    VerificationError,
)
from sync.file_keeping import keep
from sync.file_transfer import FileReceiver
from sync.messages import (
    Chunk,
    Confirm,
    Declined,
    ErasedRow,
    Hello,
    Holds,
    Message,
    NoKey,
    Offer,
    Push,
    Receipt,
    Refusal,
)
from sync.parking import Parking
from sync.receiving import receiver_of
from sync.recipients import identity_of
from sync.replicator import Append, Cosign, Effect, Receiver, Send
from sync.store import Store
from sync.stored_log import StoredLog

TRIES_MAX: Final = 100  # against exchanges over the network about the same log, one push each
ORDINALS_COUNT_MAX: Final = 4_096

Admit = Callable[[bytes, bytes], bytes]
"""Public key and what was enclosed; what to enclose in the answer. Raises where the sender may not join."""


@dataclass
class Reply:
    """What a home is to be told of its bundles, and what a person at the hub is shown."""

    log: bytes
    hello: Hello | None = None
    receipted: int = 0
    before: int = 0
    held: int = 0
    parked: bool = False
    withheld: set[int] = field(default_factory=set)
    files: dict[bytes, Holds | Declined] = field(default_factory=dict)
    refusal: Refusal | None = None
    enclosed: bytes = b""
    failure: Exception | None = None

    def add(self, other: Reply) -> None:
        """Another bundle of the same home was taken after this one."""
        self.hello = other.hello or self.hello
        self.receipted = max(self.receipted, other.receipted)
        self.held = max(self.held, other.held)
        self.withheld |= other.withheld
        self.files |= other.files
        self.refusal = other.refusal or self.refusal
        self.enclosed = other.enclosed or self.enclosed


class Taker:
    """Takes bundles into a hub's store; one at a time. Safe beside exchanges over the network."""

    def __init__(
        self,
        store: Store,
        key_of: Callable[[bytes], bytes | None],
        admit: Admit,
        clock_ms: Callable[[], int],
        parking: Parking,
    ) -> None:
        self.store = store
        self.key_of = key_of
        self.admit = admit
        self.clock_ms = clock_ms
        self._parking = parking
        self._identities = [identity_of(store.keyring.log_seed(log_id(store.identity.public_key)))]

    def take(self, path: Path, progress: Progress) -> Reply:
        """Take one file, and those that had waited for it. What failed behind its beginning is in `failure`.

        Raises WrongKey, LogCorrupt, RemoteProtocolError, NewerFormat or RefusedByPeer for a file that is no bundle of
        a home of this county, ParkingFull, and what the disk says.
        """
        reply = self._take(path, progress)
        if not reply.parked:
            self._follow(reply, progress)
        elif reply.failure is None:
            self._parking.put(path, reply.log, reply.before, reply.held)
        if reply.parked:
            reply.before = reply.held = self.store.size(reply.log)
        receipt_for_all(self.store, reply.log, self.clock_ms())
        return reply

    def follow_all(self, progress: Progress) -> list[Reply]:
        """Take what had waited and no longer need wait, because the network brought what was missing."""
        replies = []
        for log in sorted({one.log for one in self._parking.all()}):
            if self.key_of(log) is not None:
                size = self.store.size(log)
                reply = Reply(log, before=size, held=size)
                self._follow(reply, progress)
                if reply.hello is not None:
                    receipt_for_all(self.store, log, self.clock_ms())
                    replies.append(reply)
        return replies

    def _follow(self, reply: Reply, progress: Progress) -> None:
        while (parked := self._parking.ready(reply.log, reply.held)) is not None:
            with suppress(SyncError):  # it was whole when it was parked; if it is no more, the home sends it again
                reply.add(self._take(parked.path, progress))
            self._parking.remove(parked)

    def _take(self, path: Path, progress: Progress) -> Reply:
        reading = _Reading(self)
        try:
            read(path, self._identities, reading.feed, progress)
            reading.finish()
        except (RemoteProtocolError, VerificationError, LogCorrupt) as error:
            if reading.reply is None or reading.reply.hello is None:
                raise
            reading.reply.failure = error
            if not isinstance(error, LogCorrupt):
                reading.reply.refusal = Refusal("invalid", str(error)[:500])
        assert reading.reply is not None
        return reading.reply


class _Reading:
    """One bundle while it is read."""

    def __init__(self, taker: Taker) -> None:
        self.reply: Reply | None = None
        self._taker = taker
        self._store = taker.store
        self._bundle = BundleReader()
        self._key = b""
        self._receiver: Receiver | None = None
        self._files: FileReceiver | None = None

    def feed(self, data: bytes) -> None:
        """Take more of its content."""
        for frame in self._bundle.feed(data):
            message = wire.decode(frame)
            if self.reply is None:
                if not isinstance(message, Hello):
                    raise RemoteProtocolError("an exchange begins with Hello")
                self._open()
            self._hear(message)

    def finish(self) -> None:
        """All of it was read."""
        self._bundle.require_whole()
        if self.reply is None or self.reply.hello is None:
            raise RemoteProtocolError("a bundle without a greeting")

    def _open(self) -> None:
        head, store = self._bundle.head, self._store
        assert head is not None
        if head.kind != Kind.TO_HUB or head.receiver != log_id(store.identity.public_key):
            raise RemoteProtocolError("it is no bundle for this county")
        log = log_id(head.sender)
        enclosed = self._taker.admit(head.sender, head.enclosed) if head.enclosed else b""
        if self._taker.key_of(log) is None:
            raise RefusedByPeer(
                "unknown", f"it is from a node that this county does not know ({log.hex()}): invite the home first"
            )
        store.add_log(log, head.sender).result()
        self._key = head.sender
        self._receiver = receiver_of(store, log, head.sender)
        size = self._receiver.size
        self.reply = Reply(log, receipted=head.receipted, before=size, held=size, enclosed=enclosed)
        if head.start > size:
            self.reply.parked, self.reply.before, self.reply.held = True, head.start, head.start

    def _hear(self, message: Message) -> None:
        reply, receiver = self.reply, self._receiver
        assert reply is not None
        assert receiver is not None
        match message:
            case Hello():
                self._perform(receiver.receive(message, self._taker.clock_ms()))
                if reply.refusal is not None:
                    raise RefusedByPeer(reply.refusal.code, reply.refusal.text)
                reply.hello = message
            case Push() if reply.parked:
                reply.held = max(reply.held, message.end)
            case _ if reply.parked:
                return
            case Push():
                self._take_push(message)
            case Confirm() if message.size != receiver.size:
                self._compare(message)
            case Offer() | Chunk():
                self._take_file(message)
            case _:
                self._perform(receiver.receive(message, self._taker.clock_ms()))

    def _take_push(self, push: Push) -> None:
        """A repeat, a gap behind a push that could not be read, or new entries."""
        assert self.reply is not None
        for _ in range(TRIES_MAX):
            assert self._receiver is not None
            try:
                self._perform(self._receiver.receive(push, self._taker.clock_ms()))
            except StaleVersion:  # an exchange over the network brought some of it at this moment
                self._receiver = receiver_of(self._store, self.reply.log, self._key)
                continue
            self.reply.held = max(self.reply.held, self._receiver.size)
            if self.reply.withheld:
                self.reply.withheld |= self._unreadable(push)
            return
        raise StaleVersion("this log grows too fast to take a bundle beside: try again")

    def _unreadable(self, push: Push) -> set[int]:
        """The other streams of a push that must come in erased form, so that the home need not be asked twice."""
        assert self.reply is not None
        ordinals = {row.ordinal for row in push.rows if not isinstance(row, ErasedRow)}
        refs = {ordinal: self._store.stream_ref(self.reply.log, ordinal) for ordinal in ordinals}
        return {ordinal for ordinal, ref in refs.items() if ref is not None and ref.salt is None}

    def _compare(self, confirm: Confirm) -> None:
        """An older size, or one that this bundle did not lead to: whether it is the same log."""
        assert self.reply is not None
        if confirm.size < self.reply.held and self._store.root(self.reply.log, confirm.size) != confirm.root:
            self.reply.refusal = Refusal("fork", f"at {confirm.size} entries the hub holds other content than the node")

    def _take_file(self, message: Offer | Chunk) -> None:
        assert self.reply is not None
        if isinstance(message, Offer):  # a bundle holds any number of them, each with its chunks behind it
            self._files = FileReceiver(self.reply.log, self._key)
        if self._files is None:
            raise RemoteProtocolError("a chunk of a photograph that was not offered")
        if isinstance(message, Chunk) and isinstance(self.reply.files.get(message.name), Declined):
            return
        for effect in self._files.receive(message):
            try:
                answer = keep(self._store.files, self.reply.log, effect, self._taker.clock_ms())
            except StaleVersion as error:
                raise RemoteProtocolError(str(error)) from None
            self.reply.files[answer.name] = answer

    def _perform(self, effects: list[Effect]) -> None:
        assert self.reply is not None
        for effect in effects:
            match effect:
                case Append(batch):
                    self._store.append(batch).result()
                case Cosign(signed):
                    cosign(self._store, self.reply.log, signed, self._taker.clock_ms())
                case Send(NoKey(_, ordinals)):
                    self.reply.withheld |= set(ordinals)
                case Send(Refusal() as refusal):
                    self.reply.refusal = refusal
                case _:
                    continue  # what the hub holds is said once, at the end


def cosign(store: Store, log: bytes, signed: SignedSize, clock_ms: int) -> None:
    """Keep a receipt for a size that is held, durably."""
    receipt = store.receipt(log, signed.size, signed.root, max(0, clock_ms // 1000))
    store.keep_checkpoint(log, signed._replace(receipt=receipt)).result()


def receipt_for_all(store: Store, log: bytes, clock_ms: int) -> None:
    """Keep a receipt for all that is held of a log: every batch ended with a size that its node has signed."""
    signed = store.last_checkpoint(log)
    if signed is not None and signed.size == store.size(log):
        cosign(store, log, signed, clock_ms)


def answer(store: StoredLog, public_key: bytes, reply: Reply, clock_ms: int) -> Iterator[bytes]:
    """The inside of the answer to a home, from what is on the disk now."""
    assert reply.hello is not None
    receiver = receiver_of(store, reply.log, public_key)
    hello = reply.hello._replace(size=max(reply.hello.size, receiver.size))  # it may be of an older bundle than others
    receipt = store.last_checkpoint(reply.log, with_receipt=True)
    hello = reply.hello._replace(size=max(reply.hello.size, receiver.size))  # so the root is that of all that is held
    messages: list[Message] = [
        effect.message for effect in receiver.receive(hello, clock_ms) if isinstance(effect, Send)
    ]
    if reply.withheld:
        messages.append(NoKey(receiver.size, sorted(reply.withheld)[:ORDINALS_COUNT_MAX]))
    if receipt is not None and receipt.receipt is not None and receipt.size == receiver.size:
        messages.append(Receipt(receipt.size, receipt.receipt))
    messages += reply.files.values()
    if reply.refusal is not None:
        messages.append(reply.refusal)
    writer = BundleWriter(store.identity)
    head = Head(Kind.ANSWER, store.identity.public_key, reply.log, reply.receipted, receiver.size, reply.enclosed)
    yield writer.begin(head)
    for message in messages:
        yield writer.frame(wire.encode(message))
    yield writer.end()
