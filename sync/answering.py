"""The county's answer to a home that lives by stick: from what is on the hub's disk when it is made.

Every part of an answer stands alone and begins with the same messages: what is held of the log that the node writes,
with the receipt for it and what the node must do; the same for each other log of the home that bundles were about;
which other logs the hub has, how far the outbox goes, and of which entries the hub lost the content. Behind them come
*pieces*: the content that the home asked for, then of the home's logs and of the outbox, from where the home said that
its copies end, as an exchange carries them (`ServedLogs`), and last, if they are to go, the photographs on its shelf. A
piece is never divided. One that comes again is a repeat, one that comes too early is left out by the home, and asked
for again.

The log that the node writes comes down only where it must: the bundle showed that others continued it, or asks for it.
It then begins at the home's last receipt, where both copies were the same; the pieces prove where they part, and are
what the home lacks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from sync import epoch, receipt_series, shelf, wire
from sync.bundle import BundleWriter, Head, Kind
from sync.bundle_file import Progress, write_new
from sync.errors import EntryDamaged, LocalProtocolError, RemoteProtocolError
from sync.file_sql import StoredFile
from sync.instructions import CONTRADICTED, no_keys
from sync.messages import About, Again, Bring, Carry, Content, Delivery, Follow, Held, Message, Recall, Took
from sync.outbox import newest_outbox, outbox_id
from sync.recipients import recipient_of
from sync.reply import Reply, merge_follows
from sync.serving_logs import SEALED_LEVEL, ServedLogs
from sync.shelf import ServedShelf
from sync.stored_log import StoredLog
from sync.witness import recall_of

logger = logging.getLogger(__name__)
PART_SIZE_BYTES_MAX: Final = 1024**3  # FAT takes files of less than 4 GiB


class Answered(NamedTuple):
    """A part of an answer that was written, with so many entries and photographs in it."""

    path: Path
    entries: int
    photos: int


class _Item(NamedTuple):
    """What is never divided: a piece of a log or outbox, the content of one entry, a photograph with its chunks."""

    frames: list[bytes]
    entries: int = 0
    photos: int = 0

    @property
    def size_bytes(self) -> int:
        return sum(len(frame) for frame in self.frames)


class Answer:
    """The answer to one node, for its bundles of one journey. Use it once; it reads, beside whoever writes."""

    def __init__(
        self, store: StoredLog, keys: Mapping[bytes, bytes], home: str, replies: Sequence[Reply], clock_ms: int,
        part_size_bytes: int = PART_SIZE_BYTES_MAX,
        may_have: Callable[[bytes, StoredFile], bool] | None = None,
        passed: Sequence[bytes] = (),
    ) -> None:  # fmt: skip
        """`keys`: the public keys of the home's logs. `replies`: to one node, at most one about each log.

        `may_have`: whether the home of an outbox may have a photograph; None to bring none. `passed`: the logs that a
        hub passes on: it is told of all of them what is held, for nothing else shows it that some of it was lost.
        """
        self._may_have = may_have
        self._passed = [log for log in passed if store.holds(log)]
        self._store = store
        self._keys = keys
        self._clock_ms = clock_ms
        self._part_size_bytes = part_size_bytes
        self._replies = {reply.log: reply for reply in replies}
        (self.log,) = {reply.sender for reply in replies}
        key, self._epoch, self._home = store.identity.public_key, epoch.current(store), home
        newest = newest_outbox(store, key, home)
        self._outbox = newest if newest is not None and newest.epoch == self._epoch else None
        outbox = (outbox_id(key, home, self._epoch), self._epoch)
        self._served = ServedLogs(store, self.log, keys, lambda _: outbox)
        self._entries = self._photos = 0
        self._next: _Item | None = None

    def write(self, folder: Path, progress: Progress = lambda _: None) -> Iterator[Answered]:
        """Write one part after the other; each is durable when it is given. Raises OSError."""
        items = self._items()
        self._next = next(items, None)
        while True:
            self._entries = self._photos = 0
            path = write_new(folder, recipient_of(self._keys[self.log]), self._part(items, progress))
            yield Answered(path, self._entries, self._photos)
            if self._next is None:
                return

    def _part(self, items: Iterator[_Item], progress: Progress) -> Iterator[bytes]:
        writer = BundleWriter(self._store.identity)
        yield writer.begin(self._head())
        for message in self._beginning():
            yield writer.frame(wire.encode(message))
        left = self._part_size_bytes
        while (item := self._next) is not None and (item.size_bytes <= left or left == self._part_size_bytes):
            left -= item.size_bytes
            self._entries += item.entries
            self._photos += item.photos
            progress(self._entries)
            for frame in item.frames:
                yield writer.frame(frame)
            self._next = next(items, None)
        yield writer.end()

    def _head(self) -> Head:
        own = self._replies.get(self.log)
        receipted = own.receipted if own else 0
        enclosed = next((reply.enclosed for reply in self._replies.values() if reply.enclosed), b"")
        held = self._store.size(self.log)
        return Head(Kind.ANSWER, self._store.identity.public_key, self.log, receipted, held, enclosed)

    def _beginning(self) -> Iterator[Message]:
        yield from self._section(self.log)
        for log in sorted({*self._replies, *self._passed} - {self.log}):
            yield About(log)
            yield from self._section(log)
        for told in (self._served.logs(), self._served.outbox_at()):
            if told is not None:
                yield told
        yield from self._taken_back()
        yield from self._served.wanted()

    def _taken_back(self) -> Iterator[Recall | Took]:
        """What is asked for of the outboxes of older epochs that the home showed, and what it gave back of them."""
        took: dict[bytes, int] = {}
        for reply in self._replies.values():
            for log, size in reply.took.items():
                took[log] = max(size, took.get(log, 0))
        shown = {told for reply in self._replies.values() for told in reply.shown.values() if told.log not in took}
        for told in sorted(shown):
            if told.epoch < self._epoch:
                is_ours = told.log == outbox_id(self._store.identity.public_key, self._home, told.epoch)
                yield recall_of(self._store, told) if is_ours else Recall(told.log, told.size, told.root)
        for log, size in sorted(took.items()):
            yield Took(log, size)

    def _section(self, log: bytes) -> Iterator[Message]:
        """What is held of a log, and what the node must do about it; the root is that of all that is held."""
        store, reply = self._store, self._replies.get(log)
        size = store.size(log)
        yield Held(size, self._clock_ms, store.root(log, size))
        receipt = receipt_series.newest(store, log)
        if reply is not None:
            yield from no_keys(size, reply.withheld)
        if receipt is not None and receipt.size == size:
            yield receipt
        if reply is not None:
            yield from reply.files.values()
            if reply.refusal is not None:
                yield reply.refusal

    def _items(self) -> Iterator[_Item]:
        for found in self._contents():
            yield _Item([wire.encode(found)], entries=1)
        for piece in self._pieces():
            yield _Item([wire.encode(piece)], entries=len(piece.push.rows))
        for group in self._photographs():
            frames = [wire.encode(message, SEALED_LEVEL) for message in group]
            yield _Item(frames, photos=sum(isinstance(message, Bring) for message in group))

    def _photographs(self) -> Iterator[list[Message]]:
        if self._outbox is None or self._may_have is None:
            return
        outbox, partly = self._outbox.log, dict[bytes, int]()
        served = ServedShelf(self._store, outbox, partial(self._may_have, outbox))
        marks = [reply.follows.get(served.id, 0) for reply in self._replies.values()]
        for reply in self._replies.values():
            merge_follows(partly, reply.partly)
        size = shelf.size_of(self._store, outbox)
        mark = min(marks)
        yield from shelf.by_hand(served, mark if mark <= size else 0, size, partly, self.log)

    def _pieces(self) -> Iterator[Carry | Delivery]:
        follows: dict[bytes, int] = {}
        unreadable: dict[bytes, set[int]] = {}
        for reply in self._replies.values():
            merge_follows(follows, reply.follows)
            for log, ordinals in reply.unreadable.items():
                unreadable.setdefault(log, set()).update(ordinals)
        for log, start in self._starts(follows):
            yield from self._from(log, start, unreadable.get(log, set()))

    def _contents(self) -> Iterator[Content]:
        """What the home lacks and may have, as far as it is here."""
        asked = {(log, seq) for reply in self._replies.values() for log, seqs in reply.asked.items() for seq in seqs}
        for log, seq in sorted(asked):
            try:
                (found,) = self._served.contents(Again(log, [seq]))
            except RemoteProtocolError as error:  # of an epoch that is over, perhaps: the rest goes
                logger.warning("content is not given: %s", error)
                continue
            if found.packed:
                yield found

    def _starts(self, follows: Mapping[bytes, int]) -> Iterator[tuple[bytes, int]]:
        """What comes down, and from where on: the node's own log, its home's others, the outbox."""
        for log in [self.log, *(log for log in self._keys if log != self.log)]:
            if not self._store.holds(log):
                continue
            start = follows.get(log)
            reply = self._replies.get(log)
            if reply is not None and self._is_contradicted(reply):
                start = min(reply.begun, self._store.size(log) if start is None else start)
            elif start is None:
                start = 0 if log != self.log else None
            if start is not None:
                yield log, start
        if self._outbox is not None:
            yield self._outbox.log, follows.get(self._outbox.log, 0)

    def _is_contradicted(self, reply: Reply) -> bool:
        """Whether a bundle shows that others continued its log."""
        refused = reply.refusal is not None and reply.refusal.code in CONTRADICTED
        return refused or reply.hello is None or reply.hello.size < self._store.size(reply.log)

    def _from(self, log: bytes, start: int, unreadable: set[int]) -> Iterator[Carry | Delivery]:
        held = self._outbox.size if self._outbox is not None and log == self._outbox.log else self._store.size(log)
        if start >= held:
            return
        self._served.answer(Follow(log, start))
        for no_key in no_keys(start, unreadable):
            self._served.answer(no_key)
        while self._served.may_carry:
            try:
                piece = self._served.piece()
            except EntryDamaged as error:  # what is in front of it goes; the hub's operator sees it in `status`
                logger.warning("an answer ends before an entry that is damaged here: %s", error)
                return
            if piece.log != log:
                raise LocalProtocolError("a piece of another log than was asked for")
            self._served.carried(piece, 0)  # a stick knows no pace: pieces are as large as they may be
            yield piece
            self._served.answer(Took(log, piece.push.end))
