"""The county's hub after it was restored: what homes show it and give back to it, and orders that came back that way.

`sync.witness` and `sync.taken_back` decide; here it is said which logs are the county's, and what of its word is worked
out anew anyway. An order of erasure that only a home still had is one that this folder has not carried out: from the
backup it has again what was erased. It is found in the homes' mailboxes, at every start too, and carried out like any
other. *A power cut leaves an order that the next start finds again.*
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection
from typing import Final

from central_hub.registry import Registry
from domain.tiers import SEPARATOR
from node import mailbox
from node.clock import Clock
from node.erasing import Order
from sync import epoch
from sync.entry import Body
from sync.errors import ErasureUnfinished, FolderInUse
from sync.messages import Recall, Returned, Took, Witness
from sync.store import Store
from sync.taken_back import TakingBack
from sync.witness import Hearing, is_receipt

PAUSE_S: Final = 30.0


class Restoring:
    """The hub's end of exchanges with homes that know more of it than itself. Safe to use from any thread."""

    def __init__(self, store: Store, registry: Registry, clock: Clock) -> None:
        self._store, self._registry = store, registry
        self._hearing = Hearing(store, registry.child_of, registry.logs_of, clock)
        self._taking = TakingBack(store, self._is_own, {mailbox.LOG_ASSIGNED}, clock)
        self._orders = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def answer(self, log: bytes, message: Witness | Returned) -> Recall | Took | None:
        """Act on what the node of a log shows or gives back; what to answer."""
        if isinstance(message, Returned):
            took = self._taking.take(self._registry.child_of(log), log, message)
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._orders.set)
            return took
        self._hearing.hear(log, message)
        if is_receipt(message) or message.epoch >= epoch.current(self._store):
            return None
        is_ours = self._hearing.is_ours(log, message)
        return self._taking.recall(message) if is_ours else Recall(message.log, message.size, message.root)

    def _is_own(self, home: str, log: bytes, bodies: Collection[Body]) -> bool:
        """Whether the county has proven to this home, in its mailbox or in these entries, that a log is its own."""
        if self._registry.code_of(log):
            return False
        key = self._store.identity.public_key
        said = {mailbox.proven(key, body.type, body.payload) for body in bodies}
        return log in said or log in mailbox.read(self._store, key, home).logs

    async def keep_up(self, carry_out: Callable[[Order], object]) -> None:
        """Carry out orders that stand in a mailbox and were not carried out here, for ever, beside a serving node."""
        self._loop = asyncio.get_running_loop()
        self._orders.set()
        while True:
            await self._orders.wait()
            self._orders.clear()
            try:
                await asyncio.to_thread(self.obey, carry_out)
            except (ErasureUnfinished, FolderInUse) as error:
                print(f"an order of erasure is tried again: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(PAUSE_S)
                self._orders.set()

    def obey(self, carry_out: Callable[[Order], object]) -> None:
        """Carry out what stands in mailboxes and was not carried out here."""
        key = self._store.identity.public_key
        for child in self._registry.children():
            for order in mailbox.pending_orders(self._store, key, child.code.removesuffix(SEPARATOR)):
                carry_out(Order(order.subjects, order.by, order.ground))
