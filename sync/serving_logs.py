"""The hub's end of what a node may have beside the log that it pushes: reads it; `carrying.Carrier` decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sync.carrying import Carrier
from sync.errors import RemoteProtocolError
from sync.messages import Carry, Compare, Delivery, Follow, LogAt, Logs, NoKey, OutboxAt, Roots, Took
from sync.outbox import delivery_of
from sync.outbox import size_of as outbox_size
from sync.outgoing import signed_push_of
from sync.stored_log import StoredLog
from sync.wire_logs import LOGS_COUNT_MAX

DELIVERY_ROWS: Final = 100  # some kilobytes: what a cut costs at most is four of them


class ServedLogs:
    """The logs of one node's home, in one exchange about one of them."""

    def __init__(
        self, store: StoredLog, log: bytes, keys: Mapping[bytes, bytes], outbox: tuple[bytes, int] | None = None
    ) -> None:
        """`keys`: the public keys of the home's logs, this one's too, by log. `outbox`: its id and epoch."""
        self._store = store
        self._log = log
        self._keys = keys
        self._outbox, self._epoch = outbox or (b"", 0)
        self._carrier = Carrier([*keys, *([self._outbox] if outbox else [])], self._size_of)

    def _size_of(self, log: bytes) -> int:
        return outbox_size(self._store, log) if log == self._outbox else self._store.size(log)

    def outbox_at(self) -> OutboxAt | None:
        """What the node is told before a receipt; None if nothing was ever routed to its home."""
        size = outbox_size(self._store, self._outbox) if self._outbox else 0
        return OutboxAt(self._epoch, size) if size else None

    def logs(self) -> Logs | None:
        """What the node is told behind Held; None if there is nothing beside its own log."""
        sizes = {branch.log: branch.size for branch in self._store.branches()}
        others = [log for log in self._keys if log != self._log and sizes.get(log, 0)][-LOGS_COUNT_MAX:]
        found = [LogAt(self._keys[log], sizes[log], self._store.root(log, sizes[log])) for log in others]
        return Logs(found) if found else None

    def answer(self, message: Compare | Follow | Took | NoKey) -> Roots | None:
        """Take what the node said; the answer to it, if there is one before `carries`."""
        asked = self._carrier.receive(message)
        if asked is None:
            return None
        if asked.log == self._outbox:
            raise RemoteProtocolError("an outbox is not compared: what a home holds of it, the hub has signed")
        return Roots(asked.log, [self._store.root(asked.log, size) for size in asked.sizes])

    def carries(self) -> Iterator[Carry | Delivery]:
        """What may be carried now."""
        while (step := self._carrier.next()) is not None:
            if step.log == self._outbox:
                delivery = delivery_of(self._store, step.log, step.start, DELIVERY_ROWS, step.withheld)
                self._carrier.carried(delivery.push)
                yield delivery
                continue
            push = signed_push_of(self._store, step.log, step.start, step.rows_count, step.withheld)
            self._carrier.carried(push)
            yield Carry(step.log, push)
