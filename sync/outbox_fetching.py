"""The node's end of what the county has for its home: asks, verifies, stores; `outbox_receiving` judges.

    hub                                              node
    OutboxAt(epoch, size)         ------------>      with every receipt, where there is anything
                                                     Follow(outbox, size held)
    Delivery(outbox, …)           ------------>      verify, store, then Took(outbox, size)      4 on their way
                                                     or NoKey(size, streams): send these in erased form

What is held is on the node's own disk: after a cut the next exchange follows from there. Only an outbox whose id
follows from the pinned key, this home's code and the epoch is asked for, and never one of an older epoch than the
newest of which something is here.

A hub that was put back to an earlier copy shows itself by what it offers: an older epoch, fewer entries, as many under
another root, entries that do not fit. Then the node shows it the signature under what is held (`witness`), and goes on
with what it offers next; if that is the same again, with nothing.
"""

from __future__ import annotations

import asyncio

from sync.errors import RemoteProtocolError, VerificationError
from sync.fetching import Following
from sync.giving_back import GivingBack
from sync.messages import TREE_SIZE, Ack, Delivery, Follow, Message, OutboxAt, Recall, Took, Witness
from sync.outbox_receiving import OutboxReceiver
from sync.outbox_sql import Outbox
from sync.outbox_taking import follow, newest_held, receiver_of, take_delivery
from sync.replicator import Wait
from sync.store import Store
from sync.witness import of_outbox, of_receipt


class OutboxFetching:
    """What one exchange brings of the outbox of the home whose node's store this is."""

    def __init__(self, store: Store, home: str, hub_key: bytes, *, shows: bool = True) -> None:
        """`hub_key`: the hub's pinned public key; empty for a node that takes nothing from an outbox.

        `shows`: whether the hub is shown, and given back, what it has lost; not of a welcome, which it makes anew.
        """
        self.taken = 0  # entries that came in this exchange
        self._store, self.home, self.hub_key = store, home, hub_key
        self.told: OutboxAt | None = None
        self._receiver: OutboxReceiver | None = None
        self._answers: list[Message] = []
        self._witnesses: list[Witness] = []  # to be shown before anything else
        self._following: Following | None = None
        self.back = GivingBack(store, home, hub_key if shows else b"")
        self._is_busy = self._is_stopped = self._has_shown = self._is_waiting = False
        self._held = newest_held(store, hub_key, home) if hub_key and shows else None

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
        is_quiet = not (self._is_busy or self._answers or self._witnesses or self._is_waiting) and self.back.done
        return is_quiet and (self._is_stopped or self.left <= 0)

    def stop(self) -> None:
        """Something more urgent waits: the rest comes with another exchange."""
        self._is_stopped = True

    def witness(self) -> Witness | None:
        """What the hub is to be shown before anything else is said."""
        return self._witnesses.pop(0) if self._witnesses else None

    async def receipt_of(self, log: bytes) -> Witness | None:
        """What a hub is shown that holds fewer entries of a log than its last receipt says."""
        if not self.hub_key:
            return None
        return await asyncio.to_thread(of_receipt, self._store, log, (self.hub_key, self.home))

    async def receipted(self) -> None:
        """The last receipt came; before it the hub would have said that it has an outbox."""
        if self.told is None and self._held is not None:
            await self._show(self._held)

    async def next(self) -> Message | Wait | None:
        """What to say to the hub now; Wait where it must be heard first, None when all is here."""
        if self._answers:
            return self._answers.pop(0)
        if self.done:
            return None
        if not self._is_waiting and (given := await self.back.next()) is not None:
            return given
        if self._following is None and self._receiver is not None:
            self._following = Following(self._receiver)
            return Follow(self._receiver.log, self._receiver.size)
        return Wait()

    def ended(self) -> None:
        """A request has ended, and with it what the hub knew of this: what is still to come is followed anew."""
        self._is_waiting = False  # for an answer that is not going to come
        self.back.ended()
        is_open = self._following is not None and self.left > 0 and not self._is_stopped
        self._answers = self._following.anew(self._answers) if self._following is not None and is_open else []

    def _open(self, epoch: int) -> OutboxReceiver:
        return receiver_of(self._store, follow(self._store, self.hub_key, self.home, epoch).log)

    async def take(self, message: OutboxAt | Delivery | Recall | Took) -> None:
        """The hub said something; what it delivered is durable when this returns."""
        self._is_busy = True
        try:
            match message:
                case Delivery():
                    await self._take_delivery(message)
                case Recall():
                    await self.back.recalled(message)
                case Took():
                    await self.back.took(message)
                case _ if self._following is None:
                    await self._take_offer(message)
        finally:
            self._is_busy = False

    async def _take_offer(self, offered: OutboxAt) -> None:
        self._is_waiting = False
        await self.back.told(offered.epoch, offered.taken)
        held = self._held
        if offered == self.told:
            return
        if held is None or await self._continues(held, offered):
            self.told = offered
            self._receiver = await asyncio.to_thread(self._open, offered.epoch) if self.hub_key else None
            return
        self.told = self._receiver = None
        await self._show(held)

    async def _continues(self, held: Outbox, offered: OutboxAt) -> bool:
        """Whether what the hub has may be what is held, and more. A delivery shows it, where there is one to come."""
        if (offered.epoch, offered.size) != (held.epoch, held.size):
            return (offered.epoch > held.epoch) or (offered.epoch == held.epoch and offered.size > held.size)
        return offered.tree == (await asyncio.to_thread(of_outbox, self._store, held)).root[:TREE_SIZE]

    async def _show(self, held: Outbox) -> None:
        if not self._has_shown:
            self._has_shown = self._is_waiting = True
            self._witnesses.append(await asyncio.to_thread(of_outbox, self._store, held))

    async def _take_delivery(self, delivery: Delivery) -> None:
        if self._is_stopped or self._is_waiting:  # it is the rest of what was on its way
            return
        if self._receiver is None or self._following is None:
            raise RemoteProtocolError("a delivery that was not asked for")
        try:
            await asyncio.to_thread(self._take, self._receiver, delivery)
        except (VerificationError, RemoteProtocolError):
            if self._held is None or self._has_shown or self._receiver.log != self._held.log:
                raise
            self.told = self._receiver = self._following = None
            self._answers = []
            await self._show(self._held)

    def _take(self, receiver: OutboxReceiver, delivery: Delivery) -> None:
        taken, answers = take_delivery(self._store, receiver, delivery)
        self.taken += taken
        self._answers += [Took(receiver.log, one.size) if isinstance(one, Ack) else one for one in answers]
