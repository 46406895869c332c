"""The hub's end of what a node may have beside the log that it pushes: reads it; `carrying.Carrier` decides."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from sync import wire
from sync.carrying import Carrier
from sync.effort import Effort
from sync.errors import RemoteProtocolError
from sync.messages import Beside, Carry, Compare, Delivery, Follow, LogAt, Logs, NoKey, OutboxAt, Roots, Took, Welcome
from sync.outbox import delivery_of
from sync.outbox import size_of as outbox_size
from sync.outgoing import signed_push_of
from sync.stored_log import StoredLog
from sync.welcome import NONE, Welcomes
from sync.wire_logs import LOGS_COUNT_MAX


class ServedLogs:
    """The logs of one node's home, in one exchange about one of them."""

    def __init__(
        self,
        store: StoredLog,
        log: bytes,
        keys: Mapping[bytes, bytes],
        outbox: tuple[bytes, int] | None = None,
        welcomes: Welcomes | None = None,
    ) -> None:
        """`keys`: the public keys of the home's logs, this one's too, by log. `outbox`: its id and epoch."""
        self._store = store
        self._log = log
        self._keys = keys
        self._outbox, self._epoch = outbox or (b"", 0)
        self._welcomes = welcomes
        self._outboxes = {self._outbox} if outbox else set()  # and a welcome, once it is spoken of
        self._carrier = Carrier(self._may_have, self._size_of)
        self._effort = Effort()  # what Took says of the link
        self.now_s: Callable[[], float] = time.monotonic  # a shell whose loop has a clock of its own puts that here

    def _size_of(self, log: bytes) -> int:
        return outbox_size(self._store, log) if log in self._outboxes else self._store.size(log)

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
        """What the node is told before a receipt; None if nothing was ever routed to its home."""
        size = outbox_size(self._store, self._outbox) if self._outbox else 0
        return OutboxAt(self._epoch, size) if size else None

    def _others(self) -> dict[bytes, int]:
        """The sizes of the logs beside the one of this exchange, as far as there is anything of them."""
        held = {log: self._store.size(log) for log in self._keys if log != self._log and self._store.holds(log)}
        return dict([(log, size) for log, size in held.items() if size][-LOGS_COUNT_MAX:])

    def logs(self) -> Logs | None:
        """What the node is told behind Held; None if there is nothing beside its own log."""
        others = self._others()
        found = [LogAt(self._keys[log], size, self._store.root(log, size)) for log, size in others.items()]
        return Logs(found) if found else None

    def beside(self) -> Beside:
        """What there is beside the log of this exchange, in the fewest numbers."""
        outbox = self.outbox_at() or OutboxAt(0, 0)
        return Beside(outbox.epoch, outbox.size, sum(self._others().values()))

    def answer(self, message: Compare | Follow | Took | NoKey | Welcome) -> Roots | Welcome | None:
        """Take what the node said; the answer to it, if there is one before `carry`."""
        if isinstance(message, Welcome):
            return self.welcome(message)
        self._carrier.now_s = self.now_s()
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

    @property
    def may_carry(self) -> bool:
        """Whether something may be carried now."""
        return self._carrier.next() is not None

    def carry(self) -> bytes:
        """The next piece as a frame, packed as hard as the link leaves time for; only where one may be carried."""
        piece = self.piece()
        frame = wire.encode(piece, self._effort.level)
        self.carried(piece, len(frame))
        return frame

    def piece(self) -> Carry | Delivery:
        """The next piece; only where one may be carried. Say `carried` before asking for another."""
        step = self._carrier.next()
        assert step is not None
        if step.log in self._outboxes:
            return delivery_of(self._store, step.log, step.start, step.rows_count, step.withheld)
        return Carry(step.log, signed_push_of(self._store, step.log, step.start, step.rows_count, step.withheld))

    def carried(self, piece: Carry | Delivery, frame_size_bytes: int) -> None:
        """A piece is on its way, as a frame of this size."""
        self._carrier.now_s = self.now_s()
        self._carrier.carried(piece.push, frame_size_bytes)
        self._effort.pushed(piece.push.end, frame_size_bytes, self._carrier.now_s)
