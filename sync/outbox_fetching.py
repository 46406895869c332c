"""The node's end of what the county has for its home: asks, verifies, stores; `outbox_receiving` judges.

    hub                                              node
    OutboxAt(epoch, size)         ------------>      with every receipt, where there is anything
                                                     Follow(outbox, size held)
    Delivery(outbox, …)           ------------>      verify, store, then Took(outbox, size)      4 on their way
                                                     or NoKey(size, streams): send these in erased form

What is held is on the node's own disk: after a cut the next exchange follows from there. Only an outbox whose id
follows from the pinned key, this home's code and the epoch is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from sync.errors import RemoteProtocolError
from sync.messages import Ack, Delivery, Follow, Message, NoKey, OutboxAt, Took
from sync.outbox_receiving import OutboxReceiver, TakeIn
from sync.outbox_taking import follow, receiver_of, take_in
from sync.store import Store


class OutboxFetching:
    """What one exchange brings of the outbox of the home whose node's store this is."""

    def __init__(self, store: Store, home: str, hub_key: bytes) -> None:
        """`hub_key`: the hub's pinned public key; empty for a node that takes nothing from an outbox."""
        self.taken = 0  # entries that came in this exchange
        self._store, self._home, self._hub_key = store, home, hub_key
        self._told: OutboxAt | None = None
        self._receiver: OutboxReceiver | None = None
        self._answers: list[Message] = []
        self._is_busy = self._is_stopped = False

    @property
    def left(self) -> int:
        """How many entries the hub has for this home that are not here yet, as far as it said."""
        if self._told is None or not self._hub_key:
            return 0
        return self._told.size - self._receiver.size if self._receiver is not None else self._told.size

    @property
    def done(self) -> bool:
        """Whether nothing is to be asked, awaited or answered any more."""
        return not self._is_busy and not self._answers and (self._is_stopped or self.left <= 0)

    def stop(self) -> None:
        """Something more urgent waits: the rest comes with another exchange."""
        self._is_stopped = True

    async def messages(self, hear: Callable[[], Awaitable[None]]) -> AsyncIterator[Message]:
        """What to say to the hub, until all is here; `hear` waits for its next answer."""
        if self._told is not None and self._hub_key:
            receiver = self._receiver = await asyncio.to_thread(self._open, self._told.epoch)
            if self.left > 0:
                yield Follow(receiver.log, receiver.size)
        while not self.done:
            if self._answers:
                yield self._answers.pop(0)
            else:
                await hear()

    def _open(self, epoch: int) -> OutboxReceiver:
        return receiver_of(self._store, follow(self._store, self._hub_key, self._home, epoch).log)

    async def take(self, message: OutboxAt | Delivery) -> None:
        """The hub said something; what it delivered is durable when this returns."""
        if isinstance(message, OutboxAt):
            if self._receiver is None:
                self._told = message
            return
        if self._receiver is None:
            raise RemoteProtocolError("a delivery that was not asked for")
        if self._is_stopped:
            return  # the rest of what was on its way
        self._is_busy = True
        try:
            await asyncio.to_thread(self._take, self._receiver, message)
        finally:
            self._is_busy = False

    def _take(self, receiver: OutboxReceiver, delivery: Delivery) -> None:
        for effect in receiver.receive(delivery):
            match effect:
                case TakeIn(parcel):
                    take_in(self._store, parcel)
                    self.taken += len(parcel.entries)
                case Ack(size):
                    self._answers.append(Took(receiver.log, size))
                case NoKey():
                    self._answers.append(effect)
