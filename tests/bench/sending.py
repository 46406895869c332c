"""The home's end of a measured exchange, in a process of its own.

python -m tests.bench.sending FOLDER URL [--prepared]
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp

from node.cli import COLLECT_AFTER
from node.clock import system_clock
from node.folder import Folder
from sync import wire
from sync.client import CONTENT_TYPE, PATH, Exchange
from sync.messages import Confirm, Hello, Receipt
from sync.outgoing import push_of
from sync.pacing import PUSH_SIZE_BYTES_FIRST, PUSH_SIZE_BYTES_MAX
from sync.replicator import PROTOCOL, Sender
from sync.store import Store
from sync.stored_log import StoredLog

ROWS_COUNT: Final = 1000


def frames_of(store: StoredLog) -> list[bytes]:
    """The whole log as pushes of about the largest size that the client uses."""
    frames, start, size = [], 0, store.size(store.log)
    rows = ROWS_COUNT
    while start < size:
        push = push_of(store, start, min(rows, size - start))
        frames.append(wire.encode(push))
        start = push.end
        rows = max(1, int(PUSH_SIZE_BYTES_MAX / len(frames[-1]) * len(push.rows)))
    return frames


async def exchange(folder: Path, url: str) -> int:
    """One exchange by the real client; the bytes it sent."""
    config = Folder(folder, "home").config
    assert config.hub is not None
    store = Store(folder)
    size = store.size(store.log)
    sender = Sender(store.log, bytes.fromhex(config.hub.key), size, 0, ask_first=False,
                    push_size_bytes=PUSH_SIZE_BYTES_FIRST)  # fmt: skip
    attempt = Exchange(store, sender, url, system_clock())
    async with aiohttp.ClientSession() as http:
        kept = await attempt.run(http)
    store.close()
    assert kept.signed.size == size
    return attempt.traffic.sent_bytes


async def send_prepared(log: bytes, frames: list[bytes], close: Confirm, url: str) -> int:
    """Everything at once, without waiting for acknowledgements; the bytes sent."""
    hello = wire.encode(Hello(PROTOCOL, log, close.size, system_clock()()))
    all_frames = [hello, *frames, wire.encode(close)]

    async def stream() -> AsyncIterator[bytes]:
        for frame in all_frames:
            yield frame

    answers = wire.FrameBuffer()
    async with (
        aiohttp.ClientSession(headers={"Content-Type": CONTENT_TYPE}) as http,
        http.post(url + PATH, data=stream(), timeout=aiohttp.ClientTimeout(total=None)) as response,
    ):
        async for chunk in response.content.iter_any():
            for frame in answers.feed(chunk):
                message = wire.decode(frame)
                if isinstance(message, Receipt):
                    assert message.size == close.size
                    return sum(map(len, all_frames))
    raise AssertionError("the hub hung up without a receipt")


def main(folder: Path, url: str, *, prepared: bool) -> None:
    """Exchange, and print what it took as JSON."""
    store = StoredLog(folder)
    log, size, signed = store.log, store.size(store.log), store.sign(store.size(store.log))
    frames = frames_of(store) if prepared else []
    store.close()
    work = send_prepared(log, frames, Confirm(*signed[:3]), url) if prepared else exchange(folder, url)
    cpu_s, began = time.process_time(), time.perf_counter()
    sent_bytes = asyncio.run(work)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    print(json.dumps({"log": log.hex(), "size": size, "seconds": seconds, "cpu_s": cpu_s, "sent_bytes": sent_bytes}))


if __name__ == "__main__":
    gc.set_threshold(*COLLECT_AFTER)
    main(Path(sys.argv[1]), sys.argv[2], prepared="--prepared" in sys.argv)
