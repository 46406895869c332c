"""Erasing in the process that serves, for a command of the folder's owner: pages go on being served meanwhile.

Log and keys are erased by the writer's thread, as always. The read models are written anew by the follower's thread,
between two batches; who reads a page then sees the rows before or after, and old pages are cleared as soon as nobody
reads them. A node that is asked to stop does not wait for that: the command, or the next start, does the rest.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import CancelledError
from typing import Any, Final

from aiohttp import web

from node import exits
from node.clock import Clock
from node.control import Control, failed
from node.erasing import COMMAND, Before, Order, carry_out, follow_and_clear, nothing_before
from node.folder import Folder
from node.service import FollowerThread
from sync.batch import Erased
from sync.database import OutcomeUnknown
from sync.errors import ErasureUnfinished
from sync.store import Store

READERS_WAIT_S: Final = 30.0
POLL_S: Final = 0.05


class Eraser:
    """Carries out orders of erasure one after the other, beside everything else that a serving node does."""

    def __init__(
        self,
        folder: Folder,
        store: Store,
        follower: FollowerThread,
        control: Control,
        clock: Clock,
        before: Before = nothing_before,
    ) -> None:
        self._before = before
        self._folder = folder
        self._store = store
        self._follower = follower
        self._control = control
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._stopping = threading.Event()

    def add_to(self, app: web.Application) -> None:
        """Take orders at the application's control address, until it shuts down."""
        app.add_routes([web.post(f"/control/{COMMAND}", self.erase)])
        app.on_shutdown.append(self._stop)

    async def _stop(self, _app: web.Application) -> None:
        self._stopping.set()

    async def erase(self, request: web.Request) -> web.Response:
        """Carry out an order; answers when no file holds the content any more, or says why not."""
        self._control.require_token(request)
        try:
            asked = await request.json()
            subjects = [bytes.fromhex(subject) for subject in asked["subjects"]]
            by, ground = str(asked["by"]), str(asked["ground"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise web.HTTPBadRequest(text="not an order") from None
        try:
            return web.json_response(await asyncio.to_thread(self.carry_out, Order(subjects, by, ground)))
        except OutcomeUnknown:
            raise  # ends the node
        except exits.EXPECTED as error:
            if self._stopping.is_set() and isinstance(error, ErasureUnfinished):
                raise web.HTTPServiceUnavailable(text="this node is stopping") from None
            return failed(error)

    def carry_out(self, order: Order) -> dict[str, Any]:
        """Carry out one order; for any thread but the follower's."""
        with self._one_at_a_time:
            return carry_out(self._folder, lambda: self._erase_log(order), self._clear_views)

    def _erase_log(self, order: Order) -> Erased:
        now_ms, (subjects, by, ground) = self._clock(), order
        self._before(self._store, order, now_ms)
        return self._store.erase(subjects, by=by, ground=ground, now_ms=now_ms, stopping=self._stopping)

    def _clear_views(self) -> bool:
        deadline = time.monotonic() + READERS_WAIT_S
        try:
            while not self._follower.between(follow_and_clear).result():
                if self._stopping.wait(POLL_S) or time.monotonic() > deadline:
                    return False
        except CancelledError:  # the follower has ended
            return False
        return True
