"""A hub that has joined a hub above it passes on what it holds, by the same protocol as a home.

To its parent a hub is what a home is to a county: the exchange about its own log brings the parent's word to it down
(orders of erasure, and nothing else) and says in its entries which homes and logs belong to it. Behind that it pushes
every log that it holds for its homes, and for hubs below it, each in an exchange about that log, as a home pushes a log
whose key it does not have: pushes end where the log's own key has signed. Hubs' logs go before those of their homes,
for the parent knows a home by its hub's word.

* What goes up is on this disk: a log's size is read from it. What was erased here goes in erased form.
* The parent's receipts are kept apart from our own (`sync.above`); "held above" follows from them and nothing else.
* Photographs go behind the entries of the log whose node offered them, as that node signed the offer, so a hub above
  has them by the word of the home; which of them it holds is kept in `files.db`.
* One log's trouble keeps no other back: a refusal is noted, and the next log follows.
* A parent that was restored has less than its receipts say. Its answers show it, and then, and once an hour, it is
  asked about every log in the fewest bytes.

All state is on the disks of both. *A power cut at any point leaves receipts for less than the parent holds, and the
next exchange says how much that is.*
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

from central_hub.registry import Admissions, Registry
from node import healing
from node.clock import Clock, rfc3339
from node.erasing import Order
from node.exchanging import WHOLE_EVERY_MS, Exchanger
from node.folder import Folder
from node.healing import Behind
from sync import above
from sync.client import has_news
from sync.entry import log_id
from sync.errors import Diverged, RefusedByPeer, RemoteProtocolError, VerificationError
from sync.fetching import Fetching
from sync.log_schema import Kind
from sync.messages import Beside
from sync.replicator import KeepReceipt
from sync.store import Store
from sync.stored_log import StoredLog

NOTHING_BESIDE: Final = Beside(0, 0, 0)
OTHERWISE: Final = (
    "上级保存的日志 {log} 从第 {seq} 条起与这里的不同，请审计人员核对。"
    " (The hub above holds log {log} otherwise from entry {seq} on: an auditor should look.)"
)


class Forwarder(Exchanger):
    """One hub's exchanges with its parent; use it from one task."""

    def __init__(
        self,
        folder: Folder,
        store: Store,
        registry: Admissions,
        clock: Clock,
        erase: Callable[[Order], object] = lambda _: None,
    ) -> None:
        super().__init__(folder, store, clock, erase)
        self._registry = registry
        self._checked_ms: int | None = None  # when the parent was last asked about every log
        self._listed: list[Behind] = []
        self._sure: set[bytes] = set()  # logs whose last exchange ended with a receipt: the next need not ask first
        self._cut = b""  # the log whose exchange was cut, which others go before

    async def _is_settled(self) -> bool:
        if await asyncio.to_thread(lambda: any(self._waits(one) for one in self._passed_on())):
            return False
        return await super()._is_settled()

    def _waits(self, one: Behind) -> bool:
        return one.size > one.receipted or bool(self._photographs(one.log))

    def _photographs(self, log: bytes) -> list[bytes]:
        if log == self._store.log:
            return super()._photographs(log)
        return [name for of, name in self._store.files.waiting_above(log_id(self._hub_key)) if of == log]

    def _passed_on(self) -> Iterator[Behind]:
        return passed_on(self._store, self._registry, self._hub_key)

    async def once(self) -> KeepReceipt:
        """One attempt. First what is to be passed on, then whose it is, then the own log, which says so above."""
        self._listed = await asyncio.to_thread(lambda: list(self._passed_on()))
        await asyncio.to_thread(self._registry.settle_claims)
        return await super().once()

    async def _push_others(self, fetched: Fetching) -> None:
        await super()._push_others(fetched)
        is_checking = self._must_check()
        has_lost, self._has_lost = self._has_lost, False
        for one in sorted(self._listed, key=lambda one: one.log == self._cut):
            if await asyncio.to_thread(self._waits, one) or (is_checking and await self._is_news(one)):
                self._cut = one.log
                await self._forward(one)
                self._cut = b""
        if is_checking:
            self._checked_ms = self._clock()
        elif self._has_lost:  # of logs that were passed over it may have lost some, too
            self._checked_ms, self._left = None, True
        if has_lost or self._has_lost:
            await asyncio.to_thread(self._store.files.forget_above, log_id(self._hub_key))

    def _must_check(self) -> bool:
        """Whether the parent is to be asked about every log, and not only about those that have grown."""
        now_ms = self._clock()
        return self._has_lost or self._checked_ms is None or not 0 <= now_ms - self._checked_ms < WHOLE_EVERY_MS

    async def _is_news(self, one: Behind) -> bool:
        async with self._connection() as http:
            return await has_news(http, self._url, one.log, one.size, NOTHING_BESIDE)

    async def _forward(self, one: Behind) -> None:
        """Push one log; what is wrong with it is noted and keeps no other back."""
        asks_first = one.log not in self._sure
        self._sure.discard(one.log)
        try:
            await self._exchange(one.log, one.size, one.hub_size, one.receipted, ask_first=asks_first)
            self._sure.add(one.log)
        except Diverged as found:
            if found.size < one.size:  # otherwise others brought more of it
                self._note(last_failure=OTHERWISE.format(log=one.log.hex(), seq=found.size + 1))
        except (RefusedByPeer, RemoteProtocolError, VerificationError) as error:
            self._note(last_failure=f"log {one.log.hex()}: {error}")


def passed_on(store: StoredLog, registry: Registry, hub_key: bytes) -> Iterator[Behind]:
    """The logs that a hub passes on, hubs' before homes', with their sizes here and those that are receipted above."""
    receipted = above.sizes(store, hub_key)
    held = {branch.log: branch for branch in store.branches()}
    for home in (*registry.hubs(), *registry.homes()):
        for log in home.logs:
            branch = held.get(log)
            if branch is not None and branch.kind == Kind.PEER and branch.size:
                known = min(receipted.get(log, 0), branch.size)
                yield Behind(log, branch.size, known, known)


def status_of(folder: Folder, store: StoredLog, registry: Registry) -> dict[str, Any] | None:
    """What the hub above holds, as `status` shows it; None where none was joined."""
    hub = folder.config.hub
    if hub is None:
        return None
    key, state = bytes.fromhex(hub.key), folder.exchange_state()
    logs = list(passed_on(store, registry, key))
    sizes = [healing.sizes(store), *((one.size, one.receipted) for one in logs)]
    return {
        "name": hub.name,
        "code": folder.config.code,
        "url": hub.url,
        "held": sum(receipted for _, receipted in sizes),
        "waiting": sum(size - receipted for size, receipted in sizes),
        "last_exchange": rfc3339(state.last_exchange_ms) if state.last_exchange_ms is not None else None,
        "last_failure": state.last_failure or None,
    }
