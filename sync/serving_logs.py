"""The hub's end of what a node may have beside the log that it pushes: reads it; `carrying.Carrier` decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sync import epoch, outbox_sql
from sync.carrying import Carrier
from sync.errors import RemoteProtocolError, StaleVersion
from sync.messages import Beside, Carry, Compare, Delivery, Follow, LogAt, Logs, NoKey, OutboxAt, Roots, Took
from sync.outbox import delivery_of
from sync.outbox import size_of as outbox_size
from sync.outgoing import signed_push_of
from sync.stored_log import StoredLog
from sync.wire_logs import LOGS_COUNT_MAX

DELIVERY_ROWS: Final = 100  # some kilobytes: what a cut costs at most is four of them


class ServedLogs:
    """The logs of one node's home, in one exchange about one of them."""

    def __init__(
        self,
        store: StoredLog,
        log: bytes,
        keys: Mapping[bytes, bytes],
        outbox_of: Callable[[bytes], tuple[bytes, int] | None] = lambda _: None,
    ) -> None:
        """`keys`: the public keys of the home's logs, this one's too, by log.

        `outbox_of`: id and epoch of the outbox of a log's home; a new epoch may begin at any moment.
        """
        self._store = store
        self._log = log
        self._keys = keys
        self._outbox_of = outbox_of
        self._former: set[bytes] = set()  # outboxes of epochs that ended during this exchange
        self._open()

    def _open(self) -> None:
        found = self._outbox_of(self._log)
        self._outbox, self._epoch = found or (b"", 0)
        self._carrier = Carrier([*self._keys, *([self._outbox] if found else [])], self._size_of)

    def _is_over(self) -> bool:
        return (self._outbox_of(self._log) or (b"", 0)) != (self._outbox, self._epoch)

    def _size_of(self, log: bytes) -> int:
        return outbox_size(self._store, log) if log == self._outbox else self._store.size(log)

    def outbox_at(self) -> OutboxAt | None:
        """What the node is told before a receipt; None if nothing was ever routed to its home, in the first epoch."""
        told = self.outbox_now()
        return told if told.size or told.epoch > epoch.FIRST else None

    def outbox_now(self) -> OutboxAt:
        """What there is in the outbox of this epoch."""
        if self._is_over():
            self._former.add(self._outbox)
            self._open()
        return OutboxAt(self._epoch, outbox_size(self._store, self._outbox) if self._outbox else 0)

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

    def answer(self, message: Compare | Follow | Took | NoKey) -> Roots | None:
        """Take what the node said; the answer to it, if there is one before `carry`."""
        if self._former and (isinstance(message, NoKey) or getattr(message, "log", b"") in self._former):
            return None  # about what was carried before
        if isinstance(message, Follow) and self._is_of_another_epoch(message.log):
            raise StaleVersion("a new epoch of the outboxes has begun: ask again")
        asked = self._carrier.receive(message)
        if asked is None:
            return None
        if asked.log == self._outbox:
            raise RemoteProtocolError("an outbox is not compared: what a home holds of it, the hub has signed")
        return Roots(asked.log, [self._store.root(asked.log, size) for size in asked.sizes])

    def _is_of_another_epoch(self, log: bytes) -> bool:
        if log == self._outbox or log in self._keys:
            return False
        boxes = {box.log: box.home for box in self._store.reading(outbox_sql.outboxes)}
        return log in boxes and boxes[log] == boxes.get(self._outbox, boxes[log])

    @property
    def may_carry(self) -> bool:
        """Whether something may be carried now."""
        return self._carrier.next() is not None

    def carry(self) -> Carry | Delivery:
        """The next piece; only where one may be carried."""
        step = self._carrier.next()
        assert step is not None
        if step.log == self._outbox:
            if self._is_over():
                raise StaleVersion("a new epoch of the outboxes has begun: ask again")
            delivery = delivery_of(self._store, step.log, step.start, DELIVERY_ROWS, step.withheld)
            self._carrier.carried(delivery.push)
            return delivery
        push = signed_push_of(self._store, step.log, step.start, step.rows_count, step.withheld)
        self._carrier.carried(push)
        return Carry(step.log, push)
