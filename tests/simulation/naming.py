"""What every kind of life has in common: a folder of its own, a failure that names its seed, lines before its hubs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def a_life(seed: int, folder: Path, steps_count: int) -> Iterator[None]:
    """Make the folder; whatever fails within names the seed."""
    folder.mkdir()
    try:
        yield
    except BaseException as error:
        error.add_note(f"seed {seed}, {steps_count} steps")
        raise


@asynccontextmanager
async def standing(connected: Connected) -> AsyncIterator[str]:
    """A line that stands before a hub: the address to reach it at."""
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
