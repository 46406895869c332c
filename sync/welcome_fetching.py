"""The node's end of a welcome (`welcome`): whether it wants one, asks, and sees to it that the logs become whole.

Only a node that has none of its home's other logs wants one, or that has begun with one: what is on its disk says so.
The logs that the hub spoke of are held back from `fetching` until the welcome is over; what it did not have of them is
carried then, in the same exchange.
"""

from __future__ import annotations

import asyncio
from typing import Final

from sync import outbox_sql
from sync.entry import log_id
from sync.messages import Delivery, Logs, Message, OutboxAt, Welcome
from sync.outbox_fetching import OutboxFetching
from sync.replicator import Wait
from sync.store import Store
from sync.welcome import addressee
from sync.wholeness import expect, make_whole

WELCOME_COUNT_MIN: Final = 500  # entries; fewer are carried before anybody could look for one of them


class WelcomeFetching:
    """What one exchange brings of a welcome. Nothing, unless the hub speaks of logs that a new node lacks."""

    def __init__(self, store: Store, home: str, hub_key: bytes) -> None:
        """`hub_key`: as for an outbox."""
        self._store, self._name, self._hub_key = store, addressee(home, store.log), hub_key
        self.outbox = OutboxFetching(store, self._name, hub_key, shows=False)
        self._held_back: Logs | None = None
        self._is_wanted = self._is_asked = self._is_busy = False
        self._known = (0, 0)
        self._missing = 0  # of the logs that are held back; some of it may be here from an exchange before

    async def holds_back(self, logs: Logs) -> bool:
        """Whether a welcome is to come before these logs are fetched; asked with every Logs."""
        if self._held_back is None:
            self._held_back = logs
            self._is_wanted = bool(self._hub_key) and await asyncio.to_thread(self._wants, logs)
        return self._is_wanted

    def _wants(self, logs: Logs) -> bool:
        named = {log_id(one.public_key): one.size for one in logs.logs}
        kept = {branch.log: branch for branch in self._store.branches() if branch.log in named}
        self._missing = sum(size - min(size, kept[log].size if log in kept else 0) for log, size in named.items())
        if any(branch.coming for branch in kept.values()):
            return True
        return not kept and sum(named.values()) >= WELCOME_COUNT_MIN

    @property
    def to_come(self) -> int:
        """How many entries are not here yet, as far as is known."""
        if not self._is_wanted:
            return 0
        if self.outbox.told is not None:
            return max(0, self.outbox.left)
        return self._missing

    @property
    def left(self) -> bool:
        """Whether another exchange is to go on with it."""
        return self._is_wanted

    @property
    def done(self) -> bool:
        """Whether nothing is to be asked, awaited or answered any more."""
        return not self._is_busy and (not self._is_wanted or self.outbox.is_stopped)

    def stop(self) -> None:
        """Something more urgent waits: the rest comes with another exchange."""
        self.outbox.stop()

    async def next(self) -> Message | Wait | None:
        """What to say to the hub now; Wait where it must be heard first, None when all is here."""
        if self.done:
            return await self.outbox.next()  # at most what answers the last delivery
        if not self._is_asked:
            self._is_asked = True
            self._known = await asyncio.to_thread(self._newest)
            return Welcome(*self._known, [])
        if self.outbox.told is None:
            return Wait()
        return await self.outbox.next() or Wait()

    def _newest(self) -> tuple[int, int]:
        """Epoch and size of the welcome that is on the disk."""
        boxes = self._store.reading(outbox_sql.outboxes)
        found = [(box.epoch, box.size) for box in boxes if (box.public_key, box.home) == (self._hub_key, self._name)]
        return max(found, default=(0, 0))

    def ended(self) -> None:
        """A request has ended: what is still to come is followed anew."""
        self.outbox.ended()

    async def take(self, message: Welcome | Delivery) -> Logs | None:
        """The hub said something; what it delivered is durable when this returns.

        Gives the logs that were held back, once the welcome is over.
        """
        if not self._is_wanted:
            return None
        self._is_busy = True
        try:
            if isinstance(message, Delivery):
                await self.outbox.take(message)
            elif not await self._opened(message):
                return self._over()
            if self.outbox.left > 0:
                return None
            await asyncio.to_thread(make_whole, self._store)  # else the county lost some of it: another time
            return self._over()
        finally:
            self._is_busy = False

    async def _opened(self, welcome: Welcome) -> bool:
        """Begin or go on with a welcome; False where the hub has none, or nothing is coming any more."""
        if welcome.epoch == 0 or not await asyncio.to_thread(expect, self._store, self._hub_key, self._name, welcome):
            return False
        await self.outbox.take(OutboxAt(welcome.epoch, welcome.size))
        return True

    def _over(self) -> Logs | None:
        self._is_wanted = False
        return self._held_back

    def is_of(self, message: Welcome | Delivery) -> bool:
        """Whether a message is about the welcome."""
        return isinstance(message, Welcome) or self.outbox.log == message.log
