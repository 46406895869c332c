"""The home's end of an exchange that goes by hand: bundles out, the county's answers in.

`replicator.Sender` says what a bundle holds, as over the network: from where the hub is known to be, pushes to the end
of the log, then Confirm; photographs behind that. A file acknowledges nothing, so every push counts as acknowledged
once it is written, while that one bundle is being made. Parts are bundles that each stand alone.

An answer is read as a whole before anything follows from it, and then goes through a `Sender` too: receipts are
verified over this node's own checkpoints. It may come late, twice and in any order: a receipt for less than the last
one changes nothing. What the hub asked for beyond receipts is kept in `Instructions`, which may be lost: it asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from sync import wire
from sync.bundle import BundleReader, BundleWriter, Head, Kind
from sync.bundle_file import Progress, read, write_new
from sync.entry import log_id
from sync.errors import EntryDamaged, KeyDestroyed, LogCorrupt, RefusedByPeer, RemoteProtocolError, WrongKey
from sync.file_form import Sent
from sync.file_keeping import chunk_of, offer_of
from sync.file_transfer import GONE
from sync.messages import Ack, Declined, Held, Hello, Holds, Message, NoKey, Receipt, Refusal
from sync.outgoing import push_of
from sync.pacing import PUSH_SIZE_BYTES_MAX, Pace
from sync.recipients import identity_of, recipient_of
from sync.replicator import KeepReceipt, Portion, Send, Sender
from sync.store import Store
from sync.stored_log import StoredLog

PART_SIZE_BYTES_MAX: Final = 2 * 1024**3  # FAT takes files of less than 4 GiB
PART_SIZE_BYTES_MIN: Final = 10_000
ANSWER_SIZE_BYTES_MAX: Final = 16 * 1024**2
FILE_LEVEL: Final = 1  # what is sealed does not become smaller


class Instructions(NamedTuple):
    """What a home learned from answers for its next bundle.

    `resume_at`: the hub was restored and holds only so many entries. `withheld`: the streams that it has no key for.
    """

    resume_at: int | None = None
    withheld: frozenset[int] = frozenset()


class Part(NamedTuple):
    """A bundle that was written: its entries `start` + 1 to `end`, and so many photographs."""

    path: Path
    start: int
    end: int
    photos: int


class _Item(NamedTuple):
    """What is never divided: one push, or one photograph with all its chunks."""

    frames: list[bytes]
    end: int | None  # the log's size after it; None for a photograph

    @property
    def size_bytes(self) -> int:
        return sum(len(frame) for frame in self.frames)


class Bundler:
    """Makes the bundles of one journey. Use it once; it reads, so it may run beside the process that writes."""

    def __init__(
        self, store: StoredLog, hub_key: bytes, instructions: Instructions, clock_ms: Callable[[], int],
        *, photos: bool, enclosed: bytes = b"", part_size_bytes: int = PART_SIZE_BYTES_MAX,
    ) -> None:  # fmt: skip
        self._store = store
        self._hub_key = hub_key
        self._clock_ms = clock_ms
        self._enclosed = enclosed
        self._part_size_bytes = part_size_bytes
        push_size_bytes = min(PUSH_SIZE_BYTES_MAX, part_size_bytes // 4)
        receipt = store.last_checkpoint(store.log, with_receipt=True)
        self.size = store.size(store.log)
        self.receipted = min(receipt.size if receipt else 0, self.size)
        resume_at = self.receipted if instructions.resume_at is None else instructions.resume_at
        self.start = self._end = min(self.receipted, resume_at)
        self._sender = Sender(
            store.log, hub_key, self.size, self.start, receipted=self.receipted, ask_first=False,
            push_size_bytes=push_size_bytes, pace=Pace(push_size_bytes),
        )  # fmt: skip
        if instructions.withheld:
            self._sender.receive(NoKey(self.start, sorted(instructions.withheld)))
        self._waiting = store.files.waiting() if photos else []
        self.damage: EntryDamaged | None = None  # of an entry of the log: bundles end before it
        self._photos = 0
        self._next: _Item | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to carry."""
        return self.start == self.size and not self._waiting and not self._enclosed

    def write(self, folder: Path, progress: Progress) -> Iterator[Part]:
        """Write one bundle after the other; each is durable when it is given. Raises OSError."""
        items = self._items()
        self._next = next(items, None)
        while True:
            start, self._photos = self._end, 0
            path = write_new(folder, recipient_of(self._hub_key), self._part(items, progress))
            yield Part(path, start, self._end, self._photos)
            if self._next is None:
                return

    def _part(self, items: Iterator[_Item], progress: Progress) -> Iterator[bytes]:
        store, writer = self._store, BundleWriter(self._store.signer)
        head = Head(
            Kind.TO_HUB, store.signer.public_key, log_id(self._hub_key), self.receipted, self._end, self._enclosed
        )
        yield writer.begin(head)
        yield from self._sent(writer, self._sender.start(self._clock_ms()))
        left, confirmed = self._part_size_bytes, False
        while (item := self._next) is not None and (item.size_bytes <= left or left == self._part_size_bytes):
            left -= item.size_bytes
            if item.end is None:
                if not confirmed:
                    yield from self._confirm(writer)
                    confirmed = True
                self._photos += 1
            else:
                self._end = item.end
                progress(item.end - self.start)
            for frame in item.frames:
                yield writer.frame(frame)
            self._next = next(items, None)
        if not confirmed:
            yield from self._confirm(writer)
        yield writer.end()

    def _confirm(self, writer: BundleWriter) -> Iterator[bytes]:
        yield from self._sent(writer, self._sender.ask(self._store.sign(self._end)))

    @staticmethod
    def _sent(writer: BundleWriter, effects: Sequence[object]) -> Iterator[bytes]:
        for effect in effects:
            if isinstance(effect, Send):
                yield writer.frame(wire.encode(effect.message))

    def _items(self) -> Iterator[_Item]:
        while isinstance(step := self._sender.next(), Portion):
            try:
                push = push_of(self._store, step.start, step.rows_count, self._sender.withheld)
            except EntryDamaged as error:
                if error.seq == step.start + 1:
                    self.damage = error
                    break
                push = push_of(self._store, step.start, error.seq - 1 - step.start, self._sender.withheld)
            frame = wire.encode(push)
            if not self._sender.pushed(push, len(frame)):
                raise AssertionError(push.start)
            self._sender.receive(Ack(push.end))
            yield _Item([frame], push.end)
        for name in self._waiting:
            try:
                offer = offer_of(self._store, name)
                chunks = [chunk_of(self._store, name, number) for number in range(len(offer.manifest.hashes))]
            except (KeyDestroyed, LogCorrupt):  # erased or damaged here: it stays behind, the others go on
                continue
            messages: list[Message] = [offer, *chunks]
            yield _Item([wire.encode(message, FILE_LEVEL) for message in messages], None)


class Heard(NamedTuple):
    """What followed from an answer. `receipt` is the one it brought, which may be older than the last."""

    held: int
    rose: bool
    receipt: KeepReceipt | None
    instructions: Instructions
    refusal: str
    enclosed: bytes


def take_answer(store: Store, hub_key: bytes, instructions: Instructions, path: Path, progress: Progress) -> Heard:
    """Take the county's answer; receipts and what it says of photographs are kept, durably.

    Raises WrongKey, LogCorrupt, RemoteProtocolError, VerificationError or NewerFormat for a file that is no good, and
    RefusedByPeer where the hub holds more of this log than this folder.
    """
    head, messages = _read_answer(store, hub_key, path, progress)
    size = store.size(store.log)
    before = store.last_checkpoint(store.log, with_receipt=True)
    sender = Sender(
        store.log, hub_key, size, min(head.receipted, size), receipted=min(head.receipted, size), ask_first=False,
        push_size_bytes=PUSH_SIZE_BYTES_MAX,
    )  # fmt: skip
    receipt: KeepReceipt | None = None
    refusal = ""
    for message in messages:
        match message:
            case Holds() | Declined():
                _note_file(store, message)
                continue
            case Refusal(_, text):
                refusal = text
                continue
            case Held(held, _, _):
                sender.held(message, store.root(store.log, min(held, size)))
                if sender.diverged is not None:
                    why = f"the hub holds {held} entries of this log, this folder {size}, or other ones"
                    raise RefusedByPeer("ahead", f"{why}: exchange over the network once, which mends it")
                continue
            case Receipt(covered, _) if covered <= size:
                sender.ask(store.sign(covered))
        for effect in sender.receive(message):
            if isinstance(effect, KeepReceipt):
                store.keep_checkpoint(store.log, effect.signed).result()
                receipt = effect
    known = before.size if before else 0
    rose = receipt is not None and receipt.signed.size > known
    resume_at = instructions.resume_at
    if not rose and sender.hub_lost:  # it held less than a receipt that the home had when it asked: it was restored
        resume_at = sender.acknowledged
        store.files.offer_again(store.log)
    elif rose or head.receipted >= known:
        resume_at = None
    told = Instructions(resume_at, instructions.withheld | sender.withheld)
    return Heard(sender.acknowledged, rose, receipt, told, refusal, head.enclosed)


def _read_answer(store: StoredLog, hub_key: bytes, path: Path, progress: Progress) -> tuple[Head, list[Message]]:
    reader = BundleReader()
    frames: list[bytes] = []
    size_bytes = 0

    def take(data: bytes) -> None:
        nonlocal size_bytes
        size_bytes += len(data)
        if size_bytes > ANSWER_SIZE_BYTES_MAX:
            raise RemoteProtocolError(f"{path} is too large for an answer")
        frames.extend(reader.feed(data))

    read(path, [identity_of(store.keyring.log_seed(store.log))], take, progress)
    head = reader.require_whole()
    if head.kind != Kind.ANSWER or head.receiver != store.log:
        raise RemoteProtocolError(f"{path} is no answer to this home")
    if head.sender != hub_key:
        raise WrongKey(
            f"{path} is not from the county that this home has joined: its key is {log_id(head.sender).hex()}, "
            f"expected {log_id(hub_key).hex()}"
        )
    messages = [wire.decode(frame) for frame in frames]
    if any(isinstance(message, Hello) for message in messages):
        raise RemoteProtocolError(f"{path} is no answer to this home")
    return head, messages


def _note_file(store: Store, message: Holds | Declined) -> None:
    file = store.files.find(message.name)
    if file is None or file.log != store.log:
        return
    match message:
        case Holds(name, chunks) if chunks == len(file.manifest.hashes):
            store.files.note_sent(name, Sent.HELD)
        case Declined(name, code, _) if code == GONE:
            store.files.note_sent(name, Sent.DESTROYED)
        case _:
            return
