"""How far what comes down has come, for whoever waits for it: at the page, in `status`, on the terminal.

What is here is read from the log itself, so that any process sees it move. Beside it `exchange.json` keeps how much
there is in all, and from when and from how much on this exchange fetches; it may be lost, and is then not shown. An
exchange that ended before all was there leaves the amount, and no estimate: nobody fetches meanwhile.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any, Final

from node.clock import Clock
from node.folder import ExchangeState
from sync.client import Exchange
from sync.store import Store
from sync.stored_log import StoredLog

SHOWN_COUNT_MIN: Final = 200  # fewer are here before anybody has read the line
LOOK_EVERY_S: Final = 0.5
MEASURED_S_MIN: Final = 2.0  # before that a rate says nothing


def here(store: StoredLog) -> int:
    """How many entries came down so far: of the home's other logs, and of others'."""
    return sum(branch.size for branch in store.branches() if not branch.own)


class Watch:
    """Notes for one exchange how much there is to come, and when that is over.

    How much there is follows from what was here before and from what the exchange counts itself: what the disk shows at
    a moment lags behind what has come by whatever is being stored.
    """

    def __init__(self, store: Store, exchange: Exchange, note: Callable[..., None], clock: Clock, found: int) -> None:
        """`found`: how many entries of others were `here` before the exchange."""
        self._store, self._exchange, self._note, self._clock, self._found = store, exchange, note, clock, found
        self.of = 0

    async def keep_looking(self) -> None:
        """Until it is cancelled."""
        while True:
            came = self._exchange.speaker.came
            self._see(came, self._exchange.speaker.to_come)
            await asyncio.sleep(LOOK_EVERY_S)

    def _see(self, came: int, to_come: int) -> None:
        of = self._found + came + to_come
        if of > self.of and (self.of or to_come >= SHOWN_COUNT_MIN):
            first = {} if self.of else {"coming_from": self._found, "coming_since_ms": self._clock()}
            self._note(coming_of=of, **first)
            self.of = of

    def so_far(self) -> tuple[int, int]:
        """How many entries are here, and of how many."""
        return here(self._store), self.of

    def ended(self) -> None:
        """The exchange is over, whichever way."""
        if self.of:
            is_all_here = not self._exchange.speaker.to_come or here(self._store) >= self.of
            self._note(coming_of=0 if is_all_here else self.of, coming_since_ms=None)


def shown(store: StoredLog, state: ExchangeState, now_ms: int) -> dict[str, Any] | None:
    """What has come of how much, how fast, and how long it will still take; None where nothing is awaited."""
    found, of = here(store), state.coming_of
    if found >= of:
        return None
    since_ms, came = state.coming_since_ms, found - state.coming_from
    seconds = (now_ms - since_ms) / 1000 if since_ms is not None else 0.0
    rate = came / seconds if seconds >= MEASURED_S_MIN and came > 0 else None
    left_s = math.ceil((of - found) / rate) if rate is not None else None
    return {
        "here": found,
        "of": of,
        "a_second": round(rate) if rate is not None else None,
        "left_s": left_s,
        "words": _words(found, of, left_s, is_fetching=since_ms is not None),
    }


def _words(found: int, of: int, left_s: int | None, *, is_fetching: bool) -> str:
    so_far = f"已取回 {found:,} / {of:,} 条"
    if not is_fetching:
        return f"{so_far}，下次联系时继续 (fetched so far; goes on with the next exchange)"
    if left_s is None:
        return f"{so_far} (fetched so far)"
    if left_s < 60:
        return f"{so_far}，约还需 {left_s} 秒 (about {left_s} s left)"
    minutes = math.ceil(left_s / 60)
    return f"{so_far}，约还需 {minutes} 分钟 (about {minutes} min left)"
