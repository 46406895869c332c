"""The hub's end of an exchange that goes by hand: homes' bundles in. The answers are made by `answering`.

`replicator.Receiver` decides, as over the network, and effects are performed in its order; what was stored when the
reading is cut, by Ctrl-C or by a damaged file, is stored. A bundle that begins beyond what is held is read to its end,
and if it is whole it is parked as it came. Whatever is taken makes room for those that wait: they follow at once.

A bundle is about one log, and signed by the one that its node writes now: another log of that node's home, if it is not
the same. What the home says of what it holds is kept for the answer as it came; of several bundles the least counts,
for what comes twice does no harm and what is left out would.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from sync import damage, wire
from sync.batch import SignedSize
from sync.bundle import BundleReader, Kind
from sync.bundle_file import Progress, read
from sync.entry import log_id
from sync.errors import (
    LogCorrupt,
    RefusedByPeer,
    RemoteProtocolError,
    StaleVersion,
    SyncError,
    UnknownKind,
    VerificationError,
)
from sync.file_keeping import keep
from sync.file_transfer import FileReceiver
from sync.giving_by_hand import WITNESSES_COUNT_MAX
from sync.hub_note import EPOCH_FIRST
from sync.instructions import FOLLOWED_COUNT_MAX
from sync.mending import ASKED_COUNT_MAX
from sync.messages import (
    Again,
    Chunk,
    Confirm,
    Content,
    Declined,
    ErasedRow,
    Follow,
    Hello,
    Holds,
    Introduction,
    Message,
    NoKey,
    Notice,
    Offer,
    Push,
    Recall,
    Refusal,
    Returned,
    Took,
    Witness,
)
from sync.parking import Parking
from sync.receiving import receiver_of
from sync.recipients import identities_of
from sync.replicator import Append, Cosign, Effect, Receiver, Send
from sync.reply import Reply
from sync.store import Store
from sync.witness import is_receipt

logger = logging.getLogger(__name__)
TRIES_MAX: Final = 100  # against exchanges over the network about the same log, one push each

Admit = Callable[[bytes, bytes], bytes]
"""Public key and what was enclosed; what to enclose in the answer. Raises where the sender may not join."""


class Taker:
    """Takes bundles into a hub's store; one at a time. Safe beside exchanges over the network."""

    def __init__(
        self,
        store: Store,
        key_of: Callable[[bytes], bytes | None],
        admit: Admit,
        clock_ms: Callable[[], int],
        parking: Parking,
        introduce: Callable[[Introduction], None] = lambda _: None,
        logs_of: Callable[[bytes], Mapping[bytes, bytes]] = lambda _: {},
        epoch_of: Callable[[], int] = lambda: EPOCH_FIRST,
        backed_up_to: Callable[[bytes], int] = lambda _: 0,
        restored: Callable[[bytes, Witness | Returned], Recall | Took | None] = lambda _log, _message: None,
        passed_by: Callable[[bytes, bytes], bytes | None] = lambda _sender, _log: None,
    ) -> None:
        """All but the first five and the last are those of `ExchangeServer`.

        `passed_by`: the public key of a log that the node of the first one, a hub, may pass on.
        """
        self.passed_by = passed_by
        self.epoch_of = epoch_of
        self.backed_up_to = backed_up_to
        self.store = store
        self.key_of = key_of
        self.admit = admit
        self.clock_ms = clock_ms
        self.introduce = introduce
        self.logs_of = logs_of
        self.restored = restored
        self._parking = parking
        self._identities = identities_of(store)

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
        else:  # one in this epoch says, too, that its home has brought all it has (`taken_back`)
            self._receipt_for_all(reply.log)
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
                    self._receipt_for_all(log)
                    replies.append(reply)
        return replies

    def _follow(self, reply: Reply, progress: Progress) -> None:
        while (parked := self._parking.ready(reply.log, reply.held)) is not None:
            with suppress(SyncError):  # it was whole when it was parked; if it is no more, the home sends it again
                waited = self._take(parked.path, progress)
                waited.refusal = None  # it may be of a copy that nobody uses any more; else its next bundle tells
                reply.add(waited)
            self._parking.remove(parked)

    def cosign(self, log: bytes, signed: SignedSize) -> None:
        """Keep a receipt for a size that is held, durably. A greeting that travelled by hand is of another time."""
        kept, _ = self.store.give_receipt(
            log, signed, None,
            epoch=self.epoch_of(), backed_up_to=self.backed_up_to(log), clock_ms=self.clock_ms(),
        )  # fmt: skip
        kept.result()

    def _receipt_for_all(self, log: bytes) -> None:
        """Keep a receipt for all that is held of a log: every batch ended with a size that its node has signed."""
        signed = self.store.last_checkpoint(log)
        if signed is not None and signed.size == self.store.size(log):
            self.cosign(log, signed)

    def _take(self, path: Path, progress: Progress) -> Reply:
        reading = _Reading(self)
        try:
            read(path, self._identities, reading.feed, progress)
            reading.finish()
        except (RemoteProtocolError, VerificationError, LogCorrupt) as error:
            if reading.reply is None or reading.reply.hello is None:
                raise
            reading.reply.failure = error
            if isinstance(error, UnknownKind):
                reading.reply.refusal = Refusal("protocol", error.for_peer)
            elif not isinstance(error, LogCorrupt):
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
        self._followed = b""  # the log that the node spoke of last

    def feed(self, data: bytes) -> None:
        """Take more of its content."""
        for frame in self._bundle.feed(data):
            message = wire.decode(frame)
            if isinstance(message, Notice):  # for a later version of us
                continue
            if self.reply is None and isinstance(message, Introduction):
                self._taker.introduce(message)
                continue
            if self.reply is None:
                if not isinstance(message, Hello):
                    raise RemoteProtocolError("an exchange begins with Hello")
                self._open(message)
            self._hear(message)

    def finish(self) -> None:
        """All of it was read."""
        self._bundle.require_whole()
        if self.reply is None or self.reply.hello is None:
            raise RemoteProtocolError("a bundle without a greeting")

    def _open(self, hello: Hello) -> None:
        head, store = self._bundle.head, self._store
        assert head is not None
        if head.kind != Kind.TO_HUB or head.receiver != log_id(store.identity.public_key):
            raise RemoteProtocolError("it is no bundle for this county")
        sender, log = log_id(head.sender), hello.log
        enclosed = self._taker.admit(head.sender, head.enclosed) if head.enclosed else b""
        if self._taker.key_of(sender) is None:
            raise RefusedByPeer(
                "unknown", f"it is from a node that this county does not know ({sender.hex()}): invite the home first"
            )
        key = head.sender if log == sender else self._taker.logs_of(sender).get(log)
        key = key or self._taker.passed_by(sender, log)
        if key is None:
            raise RefusedByPeer(
                "unknown",
                "it is about a log that is not of the sender's home, nor named by the sender's own log so far "
                f"({log.hex()})",
            )
        for known in (head.sender, key):
            store.add_log(log_id(known), known).result()
        self._key = key
        self._receiver = receiver_of(store, log, key)
        size = self._receiver.size
        self.reply = Reply(
            log, sender, receipted=head.receipted, begun=head.receipted, before=size, held=size, enclosed=enclosed
        )
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
            case Follow() | Again() | Holds():
                self._note_wish(reply, message)
            case NoKey(_, ordinals) if self._followed:
                reply.unreadable.setdefault(self._followed, set()).update(ordinals)
            case Content():
                self._take_content(message)
            case Witness() | Returned():
                self._take_back(reply, message)
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

    def _note_wish(self, reply: Reply, message: Follow | Again | Holds) -> None:
        """What the node holds of what may come down, and what it lacks."""
        match message:
            case Follow(log, size):
                if len(reply.follows) >= FOLLOWED_COUNT_MAX:
                    raise RemoteProtocolError(f"a bundle that follows more than {FOLLOWED_COUNT_MAX} logs")
                reply.follows[log], self._followed = size, log
            case Holds(name, chunks):
                if len(reply.partly) >= FOLLOWED_COUNT_MAX:
                    raise RemoteProtocolError(f"a bundle that names more than {FOLLOWED_COUNT_MAX} photographs in part")
                reply.partly[name] = chunks
            case Again(log, seqs):
                reply.asked.setdefault(log, set()).update(seqs)
                if sum(map(len, reply.asked.values())) > ASKED_COUNT_MAX:
                    raise RemoteProtocolError(f"a bundle asks for the content of at most {ASKED_COUNT_MAX} entries")

    def _take_back(self, reply: Reply, message: Witness | Returned) -> None:
        """What the node shows of the hub's own word, and gives back of it. What is false changes nothing else."""
        if isinstance(message, Witness):
            if len(reply.shown) >= WITNESSES_COUNT_MAX:
                raise RemoteProtocolError(
                    f"a bundle that shows more than {WITNESSES_COUNT_MAX} signatures of the hub's"
                )
            self._taker.restored(reply.sender, message)
            if not is_receipt(message):
                reply.shown[message.log] = message
            return
        if message.epoch >= self._taker.epoch_of():
            return  # an old bundle, or a hub that forgot the epoch that asked for it: the next answer asks again
        try:
            took = self._taker.restored(reply.sender, message)
        except (RemoteProtocolError, VerificationError) as error:
            logger.warning("what a home gives back is not taken: %s", error)
            reply.failure = error
            return
        if isinstance(took, Took):
            reply.took[took.log] = max(took.size, reply.took.get(took.log, 0))

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

    def _take_content(self, found: Content) -> None:
        """What was lost here comes back; whatever else it may be changes nothing."""
        assert self.reply is not None
        is_theirs = found.log == self.reply.sender or found.log in self._taker.logs_of(self.reply.sender)
        if found.packed and is_theirs:
            self.reply.mended += damage.take_content(self._store, *found)

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
                    self._taker.cosign(self.reply.log, signed)
                case Send(NoKey(_, ordinals)):
                    self.reply.withheld |= set(ordinals)
                case Send(Refusal() as refusal):
                    self.reply.refusal = refusal
                case _:
                    continue  # what the hub holds is said once, at the end
