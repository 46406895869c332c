"""The hub's end of what a node may have beside the log that it pushes: reads it; `carrying.Carrier` decides.

Where an entry is damaged here so that no root over it can be right, what is carried ends before it: `require_whole`
notes how far a log or an outbox is sound, and later exchanges, of this home and all others, go no further.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from sync import awaited, damage, epoch, log_sql, outbox_sql, shelf, wire
from sync.carrying import Carrier
from sync.effort import Effort
from sync.errors import EntryDamaged, RemoteProtocolError, StaleVersion
from sync.file_sql import StoredFile
from sync.mending import questions
from sync.messages import (
    TREE_SIZE,
    Again,
    Beside,
    Carry,
    Compare,
    Content,
    Declined,
    Delivery,
    Follow,
    Holds,
    LogAt,
    Logs,
    Message,
    NoKey,
    OutboxAt,
    Roots,
    Took,
    Welcome,
)
from sync.outbox import delivery_of, is_in
from sync.outbox import size_of as outbox_size
from sync.outgoing import signed_push_of
from sync.shelf import ServedShelf
from sync.store import Store
from sync.stored_log import StoredLog
from sync.welcome import NONE, Welcomes
from sync.wire_logs import LOGS_COUNT_MAX
from sync.witness import root_of, taken_of

SEALED_LEVEL: Final = 1  # what is sealed does not become smaller


class ServedLogs:
    """The logs of one node's home, in one exchange about one of them."""

    def __init__(
        self,
        store: StoredLog,
        log: bytes,
        keys: Mapping[bytes, bytes],
        outbox_of: Callable[[bytes], tuple[bytes, int] | None] = lambda _: None,
        welcomes: Welcomes | None = None,
        may_have: Callable[[StoredFile], bool] = lambda _: False,
    ) -> None:
        """`keys`: the public keys of the home's logs, this one's too, by log.

        `outbox_of`: id and epoch of the outbox of a log's home; a new epoch may begin at any moment.
        `may_have`: whether the home may have a file, as things stand now.
        """
        self._store = store
        self._log = log
        self._keys = keys
        self._outbox_of = outbox_of
        self._welcomes = welcomes
        self._may_have_file = may_have
        self._former: set[bytes] = set()  # outboxes, and their shelves, of epochs that ended during this exchange
        self._outboxes: set[bytes] = set()  # and a welcome, once it is spoken of
        self._carrier = Carrier(self._may_have, self._size_of)
        self._open()
        self._effort = Effort()  # what Took says of the link
        self.now_s: Callable[[], float] = time.monotonic  # a shell whose loop has a clock of its own puts that here

    def _open(self) -> None:
        found = self._outbox_of(self._log)
        self._outbox, self._epoch = found or (b"", 0)
        self._outboxes |= {self._outbox} if found else set()
        self._shelf = ServedShelf(self._store, self._outbox, self._may_have_file)

    def _is_over(self) -> bool:
        return (self._outbox_of(self._log) or (b"", 0)) != (self._outbox, self._epoch)

    def _size_of(self, log: bytes) -> int:
        """As far as it is sound; of a home's log, where its key has signed."""
        size = outbox_size(self._store, log) if log in self._outboxes else self._store.size(log)
        sound = self._store.sound_until.get(log, size)
        if sound >= size or log in self._outboxes:
            return min(size, sound)
        branch = self._store.branch_id(log)
        return self._store.reading(lambda db: log_sql.signed_size_until(db, branch, sound))

    def _may_have(self, log: bytes) -> bool:
        """Whether a log or an outbox is this node's to have; a welcome may have been spoken of in another request."""
        if log not in self._keys and log not in self._outboxes and self._welcomes is not None:
            made = self._welcomes.made_for(self._log)
            self._outboxes |= {made.log} if made is not None else set()
        return log in self._keys or log in self._outboxes

    def welcome(self, asked: Welcome) -> Welcome:
        """A welcome, made where there is none yet: that takes seconds, for a home of many years."""
        others = {log: self._keys[log] for log in self._others()}
        if self._welcomes is None or not others:
            return NONE
        made, answer = self._welcomes.answer(self._log, others, asked)
        self._outboxes |= {made.log} if made is not None else set()
        return answer

    def outbox_at(self) -> OutboxAt | None:
        """What the node is told before a receipt; None if nothing was ever routed to its home, in the first epoch."""
        told = self.outbox_now()
        return told if told.size or told.files or told.epoch > epoch.FIRST else None

    def outbox_now(self) -> OutboxAt:
        """What there is in the outbox of this epoch, and on the shelf beside it."""
        if self._is_over():
            former = {self._outbox, self._shelf.id}
            self._former |= former
            self._outboxes -= former
            if self._carrier.log in former:
                self._carrier = Carrier(self._may_have, self._size_of)
            self._open()
        size = self._size_of(self._outbox) if self._outbox else 0
        files = shelf.size_of(self._store, self._outbox) if self._outbox else 0
        taken = taken_of(self._store, self._outbox, self._log) if self._epoch > epoch.FIRST else 0
        root = root_of(self._store, self._outbox, size) if size else None
        return OutboxAt(self._epoch, size, files, taken, root[:TREE_SIZE] if root is not None else b"")

    def _others(self) -> dict[bytes, int]:
        """The sizes of the logs beside the one of this exchange, as far as there is anything of them."""
        held = {log: self._size_of(log) for log in self._keys if log != self._log and self._store.holds(log)}
        return dict([(log, size) for log, size in held.items() if size][-LOGS_COUNT_MAX:])

    def logs(self) -> Logs | None:
        """What the node is told behind Held; None if there is nothing beside its own log."""
        others = self._others()
        found = [LogAt(self._keys[log], size, self._store.root(log, size)) for log, size in others.items()]
        return Logs(found) if found else None

    def beside(self) -> Beside:
        """What there is beside the log of this exchange, in the fewest numbers."""
        outbox = self.outbox_at() or OutboxAt(0, 0)
        wanted = sum(len(one.seqs) for one in self.wanted()) + awaited.count(self._store, self._log)
        return Beside(outbox.epoch, outbox.size, sum(self._others().values()), wanted, outbox.files, outbox.taken)

    def wanted(self) -> list[Again]:
        """What the hub lacks of the home's logs, and this node may have."""
        return questions(damage.lacking(self._store, self._keys))

    def contents(self, asked: Again) -> list[Content]:
        """What the node lacks of its home's logs, or of what was given to it; of anything else, nothing.

        It may ask for what it was given in an epoch that is over, which this hub does not know, or withholds now.
        """
        log = asked.log
        theirs = [log in self._keys or is_in(self._store, self._outbox, log, [seq]) for seq in asked.seqs]
        return [
            Content(log, seq, damage.content(self._store, log, seq) if may_have else b"")
            for seq, may_have in zip(asked.seqs, theirs, strict=True)
        ]

    def take(self, found: Content) -> None:
        """The node had what was lacking here; durable when this returns."""
        assert isinstance(self._store, Store)  # of a hub that serves; one that only answers sticks hears nothing
        if found.packed and found.log in self._keys:
            damage.take_content(self._store, *found)

    def answer(self, message: Compare | Follow | Took | NoKey | Welcome | Holds | Declined) -> Roots | Welcome | None:
        """Take what the node said; the answer to it, if there is one before `carry`."""
        if self._is_late(message):
            return None
        self._carrier.now_s = self.now_s()
        match message:
            case Welcome():
                return self.welcome(message)
            case Holds() | Declined():
                self._shelf.receive(message)
                return None
            case Follow(log, _) if log == self._shelf.id:
                self._shelf.follow(message)
                return None
            case Follow(log, _) if self._is_of_another_epoch(log):
                raise StaleVersion("a new epoch of the outboxes has begun: ask again")
        asked = self._carrier.receive(message)
        match message:
            case Follow():
                self._effort = Effort()
            case Took(_, size):
                self._effort.acknowledged(size, self._carrier.now_s)
        if asked is None:
            return None
        if asked.log in self._outboxes:
            raise RemoteProtocolError("an outbox is not compared: what a home holds of it, the hub has signed")
        return Roots(asked.log, [self._store.root(asked.log, size) for size in asked.sizes])

    def _is_late(self, message: Message) -> bool:
        """Whether it is about what was carried, or brought, of an epoch that ended during this exchange."""
        match message:
            case Follow(log) | Took(log) | Compare(log):
                return log in self._former
            case NoKey():
                return bool(self._former) and not self._carrier.log
            case Holds() | Declined():
                return bool(self._former) and not self._shelf.is_followed
        return False

    def _is_of_another_epoch(self, log: bytes) -> bool:
        if not self._outbox or self._may_have(log):
            return False
        boxes = {box.log: box.home for box in self._store.reading(outbox_sql.outboxes) if not box.is_welcome}
        return log in boxes and boxes[log] == boxes.get(self._outbox, boxes[log])

    @property
    def may_carry(self) -> bool:
        """Whether something may be carried now."""
        return self._carrier.next() is not None or self._shelf.may_bring

    def carry(self) -> bytes:
        """The next piece as a frame, packed as hard as the link leaves time for; only where one may be carried."""
        if self._carrier.next() is None:
            return wire.encode(self._shelf.bring(), SEALED_LEVEL)
        piece = self.piece()
        frame = wire.encode(piece, self._effort.level)
        self.carried(piece, len(frame))
        return frame

    def piece(self) -> Carry | Delivery:
        """The next piece; only where one may be carried. Say `carried` before asking for another.

        Raises EntryDamaged where its first entry is; from then on what is in front of it counts as all there is.
        """
        step = self._carrier.next()
        assert step is not None
        try:
            if step.log in self._outboxes:
                if step.log == self._outbox and self._is_over():
                    raise StaleVersion("a new epoch of the outboxes has begun: ask again")
                return delivery_of(self._store, step.log, step.start, step.rows_count, step.withheld)
            return Carry(step.log, signed_push_of(self._store, step.log, step.start, step.rows_count, step.withheld))
        except EntryDamaged as error:
            self._store.sound_until[step.log] = error.seq - 1
            raise

    def carried(self, piece: Carry | Delivery, frame_size_bytes: int) -> None:
        """A piece is on its way, as a frame of this size."""
        self._carrier.now_s = self.now_s()
        self._carrier.carried(piece.push, frame_size_bytes)
        self._effort.pushed(piece.push.end, frame_size_bytes, self._carrier.now_s)
