"""Small writing commands, carried out alone or, beside a running `serve`, by the process that serves.

A task is a function of the store and of what was asked, which is plain JSON; both ways run the same one. Two commands
at the same moment wait for each other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from node import control, exits
from node.clock import Clock
from node.control import Control, failed
from node.folder import CONTROL_FILE, Folder
from node.opening import HomesOf, writing
from sync.database import OutcomeUnknown
from sync.errors import FolderInUse
from sync.store import Store

WAIT_S: Final = 10.0
POLL_S: Final = 0.05
ASKED_SIZE_BYTES_MAX: Final = 256 * 1024 * 1024  # of the owner's own command: a batch of the longest entries
Asked = Mapping[str, Any]
Task = Callable[[Store, HomesOf, Asked, int], dict[str, Any]]
"""What a command does: the store, whose logs are whose, what was asked, and the time in ms."""


def carry_out(
    folder: Folder,
    homes_of: HomesOf,
    name: str,
    task: Task,
    asked: Asked,
    clock: Clock,
    timeout_s: float = control.TIMEOUT_S,
) -> dict[str, Any]:
    """Do it here if nobody else has the folder, else have the serving process do it; raises as `control.ask` does."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            with writing(folder) as store:
                return task(store, homes_of, asked, clock())
        except FolderInUse:
            if (folder.path / CONTROL_FILE).exists():
                return control.ask(folder.path, name, dict(asked), timeout_s)
            if time.monotonic() > deadline:  # neither a `serve` nor a command that ends soon
                raise
        time.sleep(POLL_S)


class Desk:
    """The serving end of such commands."""

    def __init__(
        self, store: Store, homes_of: HomesOf, owner: Control, clock: Clock, tasks: Mapping[str, Task]
    ) -> None:
        self._store = store
        self._homes_of = homes_of
        self._owner = owner
        self._clock = clock
        self._tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """What to add to the application's router."""
        return [web.post(f"/control/{name}", self._handler(task)) for name, task in self._tasks.items()]

    def _handler(self, task: Task) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            self._owner.require_token(request)
            try:
                asked = await request.clone(client_max_size=ASKED_SIZE_BYTES_MAX).json()
            except (ValueError, RecursionError):
                raise web.HTTPBadRequest(text="not JSON") from None
            try:
                done = await asyncio.to_thread(task, self._store, self._homes_of, asked, self._clock())
            except OutcomeUnknown:
                raise  # ends the node
            except exits.EXPECTED as error:
                return failed(error)
            return web.json_response(done)

        return handle
