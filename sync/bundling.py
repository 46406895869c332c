"""The home's end of what goes up by hand: bundles out. What comes back is taken by `answer_taking`.

`replicator.Sender` says what a bundle holds, as over the network: from where the hub is known to be, pushes to the end
of the log, then Confirm; behind that what the hub lost and asked for (of its own word, and content), and photographs. A
file acknowledges nothing, so every push counts as acknowledged once it is written, while that one bundle is being made.
Parts are bundles that each stand alone: each says before Hello how its log came to be (a hub that was restored may have
forgotten), and behind it what the home holds of all that may come down, so an answer can be made from any of them.

A bundle is about one log. The home's other logs, where the county lacks some of them, go in bundles of their own, under
the signature of the log that the node writes now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from sync import damage, wire
from sync.bundle import BundleWriter, Head, Kind
from sync.bundle_file import Progress, write_new
from sync.entry import log_id
from sync.errors import EntryDamaged, KeyDestroyed, LogCorrupt
from sync.file_keeping import chunk_of, passed_on
from sync.giving_by_hand import Given, returned
from sync.instructions import Instructions, Told
from sync.messages import Ack, Content, Introduction, Message, NoKey
from sync.outgoing import push_of
from sync.pacing import PUSH_SIZE_BYTES_MAX, Pace
from sync.recipients import recipient_of
from sync.replicator import Portion, Send, Sender
from sync.stored_log import StoredLog

PART_SIZE_BYTES_MAX: Final = 2 * 1024**3  # FAT takes files of less than 4 GiB
FILE_LEVEL: Final = 1  # what is sealed does not become smaller


class Part(NamedTuple):
    """A bundle that was written: entries `start` + 1 to `end` of a log, and so many photographs."""

    path: Path
    log: bytes
    start: int
    end: int
    photos: int


class _Item(NamedTuple):
    """What is never divided: one push, the content of one entry, or one photograph with all its chunks."""

    frames: list[bytes]
    end: int | None  # the log's size after it; None for what is behind all pushes
    photos: int = 0

    @property
    def size_bytes(self) -> int:
        return sum(len(frame) for frame in self.frames)


class Bundler:
    """Makes the bundles of one journey about one log. Use it once; it reads, so it may run beside who writes."""

    def __init__(
        self, store: StoredLog, hub_key: bytes, instructions: Instructions, clock_ms: Callable[[], int],
        *, photos: Sequence[bytes] = (), enclosed: bytes = b"", part_size_bytes: int = PART_SIZE_BYTES_MAX,
        log: bytes | None = None, introduced: Sequence[Introduction] = (), holds: Sequence[Message] = (),
        gives: Sequence[Given] = (), receipted: int | None = None,
    ) -> None:  # fmt: skip
        """`photos`: the names of those that go along. `log`: the one that this node writes, or another one of its home.

        `holds`: see `instructions.holdings`. `gives`: what the hub has lost of its own word and asked for.
        `receipted`: how much the hub has receipted of a log that is passed on to it.
        """
        self._gives = gives
        self._store = store
        self.log = log or store.log
        self._before: Sequence[Message] = introduced
        self._behind: Sequence[Message] = holds
        self._hub_key = hub_key
        self._clock_ms = clock_ms
        self._enclosed = enclosed
        self._part_size_bytes = part_size_bytes
        push_size_bytes = min(PUSH_SIZE_BYTES_MAX, part_size_bytes // 4)
        told = instructions.of(self.log)
        self.size = store.size(self.log)
        known = receipted_of(store, self.log) if receipted is None else receipted
        self.receipted = min(known, self.size)
        self.start = self._end = min(self._resume_at(told), self.size)
        self._sender = Sender(
            self.log, hub_key, self.size, self.start, receipted=self.receipted, ask_first=False,
            push_size_bytes=push_size_bytes, pace=Pace(push_size_bytes),
        )  # fmt: skip
        if told.withheld:
            self._sender.receive(NoKey(self.start, sorted(told.withheld)))
        said = instructions.logs.items() if self.log == store.log else ()
        self._wanted = [(log, seq) for log, one in said for seq in sorted(one.wanted)]
        self._waiting = photos
        self.damage: EntryDamaged | None = None  # of an entry of the log: bundles end before it
        self._photos = 0
        self._next: _Item | None = None

    def _resume_at(self, told: Told) -> int:
        """Behind the last receipt; where the hub said that it has less, or more of a log that others bring, there."""
        if told.resume_at is None:
            return self.receipted
        return min(self.receipted, told.resume_at) if self.log == self._store.log else told.resume_at

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to carry but the question what the county has for this home."""
        return self.start == self.size and not (self._wanted or self._waiting or self._enclosed or self._gives)

    def write(self, folder: Path, progress: Progress) -> Iterator[Part]:
        """Write one bundle after the other; each is durable when it is given. Raises OSError."""
        items = self._items()
        self._next = next(items, None)
        while True:
            start, self._photos = self._end, 0
            path = write_new(folder, recipient_of(self._hub_key), self._part(items, progress))
            yield Part(path, self.log, start, self._end, self._photos)
            if self._next is None:
                return

    def _part(self, items: Iterator[_Item], progress: Progress) -> Iterator[bytes]:
        store, writer = self._store, BundleWriter(self._store.signer)
        head = Head(
            Kind.TO_HUB, store.signer.public_key, log_id(self._hub_key), self.receipted, self._end, self._enclosed
        )
        yield writer.begin(head)
        for message in self._before:
            yield writer.frame(wire.encode(message))
        yield from self._sent(writer, self._sender.start(self._clock_ms()))
        for message in self._behind:
            yield writer.frame(wire.encode(message))
        left, confirmed = self._part_size_bytes, False
        while (item := self._next) is not None and (item.size_bytes <= left or left == self._part_size_bytes):
            left -= item.size_bytes
            if item.end is None:
                if not confirmed:
                    yield from self._confirm(writer)
                    confirmed = True
                self._photos += item.photos
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
        yield from self._sent(writer, self._sender.ask(self._store.sign(self._end, self.log)))

    @staticmethod
    def _sent(writer: BundleWriter, effects: Sequence[object]) -> Iterator[bytes]:
        for effect in effects:
            if isinstance(effect, Send):
                yield writer.frame(wire.encode(effect.message))

    def _items(self) -> Iterator[_Item]:
        while isinstance(step := self._sender.next(), Portion):
            try:
                push = push_of(self._store, step.start, step.rows_count, self._sender.withheld, self.log)
            except EntryDamaged as error:
                if error.seq == step.start + 1:
                    self.damage = error
                    break
                push = push_of(self._store, step.start, error.seq - 1 - step.start, self._sender.withheld, self.log)
            frame = wire.encode(push)
            if not self._sender.pushed(push, len(frame)):
                raise AssertionError(push.start)
            self._sender.receive(Ack(push.end))
            yield _Item([frame], push.end)
        for asked in self._gives:
            for piece in returned(self._store, asked):
                yield _Item([wire.encode(piece)], None)
        for log, seq in self._wanted:
            if packed := damage.content(self._store, log, seq):  # else it is not here either
                yield _Item([wire.encode(Content(log, seq, packed))], None)
        for name in self._waiting:
            try:
                offer = passed_on(self._store, self.log, name)
                chunks = [chunk_of(self._store, name, number) for number in range(len(offer.manifest.hashes))]
            except (KeyDestroyed, LogCorrupt):  # erased or damaged here: it stays behind, the others go on
                continue
            messages: list[Message] = [offer, *chunks]
            yield _Item([wire.encode(message, FILE_LEVEL) for message in messages], None, photos=1)


def receipted_of(store: StoredLog, log: bytes) -> int:
    """How many entries of a log the county's last receipt covers."""
    receipt = store.last_checkpoint(log, with_receipt=True)
    return receipt.size if receipt else 0
