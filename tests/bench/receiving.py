"""The hub's end of a measured exchange with nothing beside it: the log, and the server that fills it.

python -m tests.bench.receiving FOLDER
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path

from aiohttp import web

from central_hub.registry import Registry
from node.cli import COLLECT_AFTER
from node.clock import system_clock
from sync.server import ExchangeServer
from sync.store import Store


async def serve(folder: Path) -> None:
    """Receive until SIGTERM."""
    store = Store(folder)
    exchanges = ExchangeServer(store, Registry(store).key_of, system_clock())
    app = web.Application()
    exchanges.add_to(app)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()
        store.close()


if __name__ == "__main__":
    gc.set_threshold(*COLLECT_AFTER)
    asyncio.run(serve(Path(sys.argv[1])))
