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
from domain.policy import COUNTY_SUBJECT
from domain.tiers import SEPARATOR
from node import mailbox
from node.clock import Clock
from node.erasing import Order
from node.records import is_of_the_domain
from sync import epoch
from sync.entry import Body
from sync.errors import ErasureUnfinished, FolderInUse
from sync.messages import Recall, Returned, Took, Witness
from sync.store import Store
from sync.taken_back import Homes, TakingBack
from sync.witness import Hearing, is_receipt

PAUSE_S: Final = 30.0


class Restoring:
    """The hub's end of exchanges with homes that know more of it than itself. Safe to use from any thread."""

    def __init__(self, store: Store, registry: Registry, clock: Clock) -> None:
        self._store, self._registry = store, registry
        self._hearing = Hearing(store, registry.child_of, registry.logs_of, clock)
        homes = Homes(self._home_of, self._logs_of, self._may_repeat)
        self._taking = TakingBack(store, self._is_own, self._is_known, clock, homes)
        self._assigned: tuple[int, dict[bytes, str]] = (0, {})  # at a position, the homes of logs as mailboxes say
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

    def settle(self, log: bytes) -> None:
        """The node of a log comes: look again at what it gave back and the county awaits from other homes."""
        if epoch.current(self._store) > epoch.FIRST:
            self._taking.settle(self._registry.child_of(log), log)

    def _home_of(self, log: bytes) -> str:
        """The home of this county that a log belongs to; empty where it is no such home's.

        The county may have lost that it admitted the log. Then it is as the county has said to another home.
        """
        code = self._registry.code_of(log) or self._assigned_home(log)
        return code if SEPARATOR not in code else ""

    def _assigned_home(self, log: bytes) -> str:
        if self._assigned[0] != self._store.position():
            codes = [one.code.removesuffix(SEPARATOR) for one in self._registry.children()]
            boxes = [mailbox.read(self._store, self._store.identity.public_key, code).homes for code in codes]
            self._assigned = self._store.position(), {one: home for box in boxes for one, home in box.items()}
        return self._assigned[1].get(log, "")

    def _logs_of(self, log: bytes) -> Collection[bytes]:
        """All logs of the home that a log belongs to."""
        code = self._home_of(log)
        return next((home.logs for home in self._registry.homes() if home.code == code), {})

    def _is_known(self, body: Body) -> bool:
        """Whether it is the county's word on whose a log is, and the county knows that anyway."""
        match body.type, body.payload:
            case "log-assigned/1", {"log": bytes(log)}:
                return self._registry.key_of(log) is not None
        return body.type == mailbox.LOG_ASSIGNED

    def _may_repeat(self, body: Body) -> bool:
        """Whether the county may say in its own log what a home has said: of a child, say, not of itself."""
        key, log = self._store.identity.public_key, body.subject
        mailboxes = (mailbox.mailbox_of(key, one.code.removesuffix(SEPARATOR)) for one in self._registry.children())
        is_of_a_node = self._store.holds(log) or self._registry.key_of(log) is not None
        return is_of_the_domain(body.type, log, b"") and not (is_of_a_node or log in {COUNTY_SUBJECT, *mailboxes})

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
