"""The hub's end of what a node may have beside the log that it pushes: reads it; `carrying.Carrier` decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sync.carrying import Carrier
from sync.messages import Carry, Compare, Follow, LogAt, Logs, NoKey, Roots, Took
from sync.outgoing import signed_push_of
from sync.stored_log import StoredLog
from sync.wire_logs import LOGS_COUNT_MAX


class ServedLogs:
    """The logs of one node's home, in one exchange about one of them."""

    def __init__(self, store: StoredLog, log: bytes, keys: Mapping[bytes, bytes]) -> None:
        """`keys`: the public keys of the home's logs, this one's too, by log."""
        self._store = store
        self._log = log
        self._keys = keys
        self._carrier = Carrier(keys, store.size)

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
        return Roots(asked.log, [self._store.root(asked.log, size) for size in asked.sizes])

    def carries(self) -> Iterator[Carry]:
        """What may be carried now."""
        while (step := self._carrier.next()) is not None:
            push = signed_push_of(self._store, step.log, step.start, step.rows_count, step.withheld)
            self._carrier.carried(push)
            yield Carry(step.log, push)
