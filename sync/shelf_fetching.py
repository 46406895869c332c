"""The home's end of photographs and scans on their way down: asks, verifies, stores; `shelf` has the theory.

How far it has come is one number in `files.db`, moved when a file is whole here or was declined. So after a cut the
next exchange goes on with the file at hand, behind the last chunk on this disk. What comes must be signed by the log
that it is said to be of, and every chunk must be what that offer says: the hub passes on and vouches for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sync.entry import log_id
from sync.errors import RemoteProtocolError, StaleVersion, Unreachable
from sync.file_keeping import keep
from sync.file_transfer import FileReceiver
from sync.messages import Bring, Chunk, Declined, Follow, Holds, Offer, OutboxAt, Took
from sync.outbox import outbox_id
from sync.replicator import Wait
from sync.shelf import shelf_id
from sync.store import Store


class ShelfFetching:
    """What one exchange brings of the shelf of the home whose node's store this is."""

    def __init__(self, store: Store, home: str, hub_key: bytes, clock_ms: Callable[[], int]) -> None:
        """`hub_key`: the hub's pinned public key; empty for a node that takes nothing."""
        self.taken = 0  # chunks that came in this exchange
        self._store, self._home, self._hub_key, self._clock_ms = store, home, hub_key, clock_ms
        self._outbox = b""
        self._told = self._mark = 0
        self._receiver: FileReceiver | None = None
        self._number = 0  # on the shelf, of the file at hand
        self._log = b""
        self._answer: Holds | Declined | None = None
        self._last: Holds | Declined | None = None
        self._asked = self._is_over = self._is_busy = False

    @property
    def left(self) -> int:
        """How many numbers of the shelf were not looked at yet, as far as the hub said."""
        return max(0, self._told - self._mark)

    @property
    def done(self) -> bool:
        """Whether nothing is to be asked, awaited or answered any more."""
        return not self._is_busy and (self._is_over or self.left == 0)

    def stop(self) -> None:
        """Something more urgent waits: the rest comes with another exchange."""
        self._is_over = True

    async def told(self, said: OutboxAt) -> None:
        """What the hub has; where it has less than it had, it was restored, and everything is looked at again."""
        outbox = outbox_id(self._hub_key, self._home, said.epoch)
        if not self._hub_key or (self._asked and outbox == self._outbox):
            return
        self._outbox = outbox
        self._asked, self._number, self._answer, self._last = False, 0, None, None  # in a new epoch it is another shelf
        self._mark = await asyncio.to_thread(self._store.files.shelf_mark, self._outbox)
        self._told = said.files
        if said.files < self._mark:
            await self._note(0)

    def is_of(self, message: Took) -> bool:
        """Whether a message is about this shelf."""
        return bool(self._hub_key) and message.log == shelf_id(self._outbox)

    async def next(self) -> Follow | Holds | Declined | Wait | None:
        """What to say to the hub now; Wait where it must be heard first, None when all is here."""
        if self.done:
            return None
        if not self._asked:
            self._asked = True
            return Follow(shelf_id(self._outbox), self._mark)
        if self._answer is not None:
            answer, self._answer = self._answer, None
            return answer
        return Wait()

    def ended(self) -> None:
        """A request has ended, and with it what the hub knew: it is followed anew, with the last answer on top."""
        self._asked = False
        self._answer = self._last if self._number > self._mark else None

    async def take(self, message: Bring | Chunk | Took) -> None:
        """The hub said something; what it brought is durable when this returns."""
        if self._is_over:  # the rest of what was on its way
            return
        self._is_busy = True
        try:
            await self._take(message)
        finally:
            self._is_busy = False

    async def _take(self, message: Bring | Chunk | Took) -> None:
        match message:
            case Took(log, size):
                if log != shelf_id(self._outbox) or size < self._mark:
                    raise RemoteProtocolError("the hub speaks of another shelf than the one that was followed")
                await self._note(size)
                self._is_over = True
            case Bring(number, public_key, offer):
                if number <= self._mark:
                    raise RemoteProtocolError(
                        f"the hub brings number {number} of a shelf of which {self._mark} are here"
                    )
                self._log, self._number = log_id(public_key), number
                self._receiver = FileReceiver(self._log, public_key)
                await self._keep(offer)
            case Chunk():
                await self._keep(message)

    async def _keep(self, message: Offer | Chunk) -> None:
        if self._receiver is None:
            raise RemoteProtocolError("a chunk of a photograph that was not brought")
        for effect in await asyncio.to_thread(self._receiver.receive, message):
            try:
                answer = await asyncio.to_thread(keep, self._store.files, self._log, effect, self._clock_ms())
            except StaleVersion as error:
                raise Unreachable(str(error)) from None
            self.taken += isinstance(message, Chunk)
            self._answer = self._last = answer
            file = self._store.files.find(answer.name)
            if isinstance(answer, Declined) or (file is not None and file.complete):
                await self._note(self._number)

    async def _note(self, number: int) -> None:
        self._mark = number
        await asyncio.to_thread(self._store.files.note_shelf, self._outbox, number, self._told)
