"""The hub's end of what a node may have beside the log that it pushes: reads it; `carrying.Carrier` decides.

Where an entry is damaged here so that no root over it can be right, what is carried ends before it: `require_whole`
notes how far a log or an outbox is sound, and later exchanges, of this home and all others, go no further.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sync import damage, log_sql, shelf
from sync.carrying import Carrier, CarryFrom
from sync.errors import EntryDamaged, RemoteProtocolError
from sync.file_sql import StoredFile
from sync.mending import questions
from sync.messages import (
    Again,
    Beside,
    Bring,
    Carry,
    Chunk,
    Compare,
    Content,
    Declined,
    Delivery,
    Follow,
    Holds,
    LogAt,
    Logs,
    NoKey,
    OutboxAt,
    Roots,
    Took,
)
from sync.outbox import delivery_of, is_in
from sync.outbox import size_of as outbox_size
from sync.outgoing import signed_push_of
from sync.shelf import ServedShelf
from sync.store import Store
from sync.wire_logs import LOGS_COUNT_MAX

DELIVERY_ROWS: Final = 100  # some kilobytes: what a cut costs at most is four of them


class ServedLogs:
    """The logs of one node's home, in one exchange about one of them."""

    def __init__(
        self,
        store: Store,
        log: bytes,
        keys: Mapping[bytes, bytes],
        outbox: tuple[bytes, int] | None = None,
        may_have: Callable[[StoredFile], bool] = lambda _: False,
    ) -> None:
        """`keys`: the public keys of the home's logs, this one's too, by log. `outbox`: its id and epoch.

        `may_have`: whether the home may have a file, as things stand now.
        """
        self._store = store
        self._log = log
        self._keys = keys
        self._outbox, self._epoch = outbox or (b"", 0)
        self._shelf = ServedShelf(store, self._outbox, may_have)
        self._carrier = Carrier([*keys, *([self._outbox] if outbox else [])], self._size_of)

    def _size_of(self, log: bytes) -> int:
        """As far as it is sound; of a home's log, where its key has signed."""
        size = outbox_size(self._store, log) if log == self._outbox else self._store.size(log)
        sound = self._store.sound_until.get(log, size)
        if sound >= size:
            return size
        if log == self._outbox:
            return sound
        branch = self._store.branch_id(log)
        return self._store.reading(lambda db: log_sql.signed_size_until(db, branch, sound))

    def outbox_at(self) -> OutboxAt | None:
        """What the node is told before a receipt; None if nothing was ever routed to its home."""
        size = self._size_of(self._outbox) if self._outbox else 0
        files = shelf.size_of(self._store, self._outbox) if self._outbox else 0
        return OutboxAt(self._epoch, size, files) if size or files else None

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
        wanted = sum(len(one.seqs) for one in self.wanted())
        return Beside(outbox.epoch, outbox.size, sum(self._others().values()), wanted, outbox.files)

    def wanted(self) -> list[Again]:
        """What the hub lacks of the home's logs, and this node may have."""
        return questions(damage.lacking(self._store, self._keys))

    def contents(self, asked: Again) -> list[Content]:
        """What the node lacks of its home's logs, or of what was given to it."""
        log = asked.log
        may_have = log in self._keys or is_in(self._store, self._outbox, log, asked.seqs)
        if not may_have:
            raise RemoteProtocolError(f"entries of log {log.hex()} are not this node's to have")
        return [Content(log, seq, damage.content(self._store, log, seq)) for seq in asked.seqs]

    def take(self, found: Content) -> None:
        """The node had what was lacking here; durable when this returns."""
        if found.packed and found.log in self._keys:
            damage.take_content(self._store, *found)

    def answer(self, message: Compare | Follow | Took | NoKey | Holds | Declined) -> Roots | None:
        """Take what the node said; the answer to it, if there is one before `carry`."""
        match message:
            case Holds() | Declined():
                self._shelf.receive(message)
                return None
            case Follow(log, _) if log == self._shelf.id:
                self._shelf.follow(message)
                return None
        asked = self._carrier.receive(message)
        if asked is None:
            return None
        if asked.log == self._outbox:
            raise RemoteProtocolError("an outbox is not compared: what a home holds of it, the hub has signed")
        return Roots(asked.log, [self._store.root(asked.log, size) for size in asked.sizes])

    @property
    def may_carry(self) -> bool:
        """Whether something may be carried now."""
        return self._carrier.next() is not None or self._shelf.may_bring

    def carry(self) -> Carry | Delivery | Bring | Chunk | Took:
        """The next piece; only where one may be carried."""
        step = self._carrier.next()
        if step is None:
            return self._shelf.bring()
        try:
            return self._piece(step)
        except EntryDamaged as error:
            self._store.sound_until[step.log] = error.seq - 1
            raise

    def _piece(self, step: CarryFrom) -> Carry | Delivery:
        if step.log == self._outbox:
            delivery = delivery_of(self._store, step.log, step.start, DELIVERY_ROWS, step.withheld)
            self._carrier.carried(delivery.push)
            return delivery
        push = signed_push_of(self._store, step.log, step.start, step.rows_count, step.withheld)
        self._carrier.carried(push)
        return Carry(step.log, push)
