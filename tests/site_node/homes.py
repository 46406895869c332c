"""A home that belongs to a hub, without their processes: real stores, the real exchange, real sockets."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from node.exchanging import Exchanger
from node.folder import Config, Folder, Hub, create_folder
from sync import client
from sync.store import Store
from tests.sync.test_exchange import Hub as Server
from tests.sync.test_exchange import drafts

NOW_MS = 1_741_392_000_000


class Home:
    """A home that belongs to a hub, and a clock that a test sets."""

    def __init__(self, path: Path, hub: Server) -> None:
        create_folder(path, Config(kind="home", name="n", code=path.name))
        self.folder, self.store, self._hub = Folder(path, "home"), Store(path), hub
        self.now_ms = NOW_MS
        hub.register(self.store)

    def record(self, count: int) -> None:
        self.store.record(drafts(count)).result(10)

    def exchanger(self, url: str) -> Exchanger:
        self.folder.save_config(hub=Hub(url=url, key=self._hub.key.hex(), name="清溪县"))
        return Exchanger(self.folder, self.store, lambda: self.now_ms)

    @property
    def is_up_to_date(self) -> bool:
        signed = self.store.last_checkpoint(self.store.log, with_receipt=True)
        size = self.store.size(self.store.log)
        return signed is not None and signed.size == size and self._hub.store.size(self.store.log) == size


@asynccontextmanager
async def kept(home: Home, url: str):
    """An exchanger that keeps its connection, as in `keep_up`."""
    made = home.exchanger(url)
    async with client.connect() as made._http:
        yield made


@asynccontextmanager
async def served(hub: Server):
    """The hub as it is served, with short answers."""
    app = web.Application()
    hub.server.add_to(app)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
