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

from sync.errors import RemoteProtocolError
from sync.fetching import Following
from sync.messages import Ack, Delivery, Follow, Message, OutboxAt, Took
from sync.outbox_receiving import OutboxReceiver
from sync.outbox_taking import follow, receiver_of, take_delivery
from sync.replicator import Wait
from sync.store import Store


class OutboxFetching:
    """What one exchange brings of the outbox of the home whose node's store this is."""

    def __init__(self, store: Store, home: str, hub_key: bytes) -> None:
        """`hub_key`: the hub's pinned public key; empty for a node that takes nothing from an outbox."""
        self.taken = 0  # entries that came in this exchange
        self._store, self.home, self.hub_key = store, home, hub_key
        self.told: OutboxAt | None = None
        self._receiver: OutboxReceiver | None = None
        self._answers: list[Message] = []
        self._following: Following | None = None
        self._is_busy = self._is_stopped = False

    @property
    def log(self) -> bytes | None:
        """The outbox that is followed, once its epoch is known."""
        return self._receiver.log if self._receiver is not None else None

    @property
    def is_stopped(self) -> bool:
        """Whether the rest was left to another exchange."""
        return self._is_stopped

    @property
    def left(self) -> int:
        """How many entries the hub has for this home that are not here yet, as far as it said."""
        return self.told.size - self._receiver.size if self.told is not None and self._receiver is not None else 0

    @property
    def done(self) -> bool:
        """Whether nothing is to be asked, awaited or answered any more."""
        return not self._is_busy and not self._answers and (self._is_stopped or self.left <= 0)

    def stop(self) -> None:
        """Something more urgent waits: the rest comes with another exchange."""
        self._is_stopped = True

    async def next(self) -> Message | Wait | None:
        """What to say to the hub now; Wait where it must be heard first, None when all is here."""
        if self._answers:
            return self._answers.pop(0)
        if self.done:
            return None
        if self._following is None and self._receiver is not None:
            self._following = Following(self._receiver)
            return Follow(self._receiver.log, self._receiver.size)
        return Wait()

    def ended(self) -> None:
        """A request has ended, and with it what the hub knew of this: what is still to come is followed anew."""
        is_open = self._following is not None and self.left > 0 and not self._is_stopped
        self._answers = self._following.anew(self._answers) if self._following is not None and is_open else []

    def _open(self, epoch: int) -> OutboxReceiver:
        return receiver_of(self._store, follow(self._store, self.hub_key, self.home, epoch).log)

    async def take(self, message: OutboxAt | Delivery) -> None:
        """The hub said something; what it delivered is durable when this returns."""
        self._is_busy = True
        try:
            if isinstance(message, Delivery):
                await self._take_delivery(message)
            elif self._following is None:
                self.told = message
                self._receiver = await asyncio.to_thread(self._open, message.epoch) if self.hub_key else None
        finally:
            self._is_busy = False

    async def _take_delivery(self, delivery: Delivery) -> None:
        if self._receiver is None or self._following is None:
            raise RemoteProtocolError("a delivery that was not asked for")
        if not self._is_stopped:  # else it is the rest of what was on its way
            await asyncio.to_thread(self._take, self._receiver, delivery)

    def _take(self, receiver: OutboxReceiver, delivery: Delivery) -> None:
        taken, answers = take_delivery(self._store, receiver, delivery)
        self.taken += taken
        self._answers += [Took(receiver.log, one.size) if isinstance(one, Ack) else one for one in answers]
