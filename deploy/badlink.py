"""A bad link of our own making: a TCP proxy with latency, a rate and cuts, seeded and counted.

    python -m deploy.badlink --listen 9001 --to 127.0.0.1:8100 --rate 512 --rtt 200 --cut 50000 --seed 1

Or in a test: `async with Link(to=("127.0.0.1", 8100), cut_bytes=50_000) as link: … link.port …`, or `LinkThread` where
the test is not asynchronous.

The model. One link is shared by all its connections. Each direction is a line that sends one segment at a time at its
rate; a segment arrives half a round trip after it has left. A new connection carries nothing for the first round trip,
as TCP's handshake would. With `cut_bytes`, each connection draws how many bytes it will live for (exponential around
that mean, both directions together) and is then reset on both sides; what was in flight is lost. Connection n draws
from the seed and n alone, so a client that connects in the same order meets the same cuts.

Not modelled: slow start, single lost packets, name look-up. It listens on loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Self

SEGMENT_BYTES = 1400
WINDOW_BYTES = 64 * 1024  # what one direction of one connection may have in flight
CLOSE_S_MAX = 5.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER for no time at all: close with RST


@dataclass
class Stats:
    """What the link carried: bytes that left, also those that a cut then lost."""

    up: int = 0
    down: int = 0
    connections: int = 0
    cuts: int = 0
    refused: int = 0


@dataclass
class Line:
    """One direction of the link."""

    bytes_per_s: float
    free_at: float = 0.0

    def departure(self, ready: float, size: int) -> float:
        """When a segment that is ready has left the line, which is then taken until that moment."""
        if not self.bytes_per_s:
            return ready
        self.free_at = max(ready, self.free_at) + size / self.bytes_per_s
        return self.free_at


@dataclass(kw_only=True)
class Link:
    """The proxy between whoever connects to `port` and the server at `to`. Zero means no limit, no delay, no cuts."""

    to: tuple[str, int]
    port: int = 0
    rate_kbit: float = 0
    rtt_ms: float = 0
    cut_bytes: float = 0
    seed: int = 1
    stats: Stats = field(default_factory=Stats)

    def __post_init__(self) -> None:
        self.up, self.down = Line(self.rate_kbit * 125), Line(self.rate_kbit * 125)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen; `port` is the real one from now on."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=WINDOW_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await Connection(self, reader, writer).run()
        except asyncio.CancelledError:
            reset(writer)  # only `stop` cancels
        finally:
            self._tasks.discard(task)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a lost link looks to software that is lucky enough to notice."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()


class Connection:
    """One client's connection and its twin to the server."""

    def __init__(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link.stats.connections += 1
        dice = random.Random(f"{link.seed}/{link.stats.connections}")
        self.link, self.reader, self.writer = link, reader, writer
        self.bytes_left = dice.expovariate(1 / link.cut_bytes) if link.cut_bytes else float("inf")
        self.ready_at = time.monotonic() + link.rtt_ms / 1000

    async def run(self) -> None:
        """Carry bytes until both sides have finished, one has failed, or the link cuts."""
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.link.to, limit=WINDOW_BYTES)
        except OSError:
            self.link.stats.refused += 1
            reset(self.writer)
            return
        for writer in (self.writer, far_writer):
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.carry(self.reader, far_writer, upwards=True))
                group.create_task(self.carry(far_reader, self.writer, upwards=False))
        except* OSError:
            reset(self.writer)
            reset(far_writer)
        finally:
            for writer in (self.writer, far_writer):
                writer.close()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upwards: bool) -> None:
        """Take segments from one side, let each wait its turn on the line, and hand it to the courier."""
        line = self.link.up if upwards else self.link.down
        flight: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WINDOW_BYTES // SEGMENT_BYTES)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.deliver(flight, writer))
            while segment := await reader.read(SEGMENT_BYTES):
                leaves_at = line.departure(max(time.monotonic(), self.ready_at), len(segment))
                await asyncio.sleep(max(0.0, leaves_at - time.monotonic()))
                self.count(len(segment), upwards=upwards)
                await flight.put((time.monotonic() + self.link.rtt_ms / 2000, segment))
            await flight.put((0.0, b""))

    def count(self, size: int, *, upwards: bool) -> None:
        """Count what left, and cut the connection, once, when its time has come."""
        stats = self.link.stats
        if self.bytes_left < 0:
            raise ConnectionResetError("the other direction was cut a moment ago")
        if upwards:
            stats.up += size
        else:
            stats.down += size
        self.bytes_left -= size
        if self.bytes_left < 0:
            stats.cuts += 1
            raise ConnectionResetError("cut by the link")

    @staticmethod
    async def deliver(flight: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        """Hand over each segment when it has crossed; an empty one is the end of this direction."""
        while True:
            arrives_at, segment = await flight.get()
            if not segment:
                break
            await asyncio.sleep(max(0.0, arrives_at - time.monotonic()))
            writer.write(segment)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


class LinkThread:
    """A link with an event loop and a thread of its own, for tests that are not asynchronous."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Link:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.link.start(), self._loop).result(CLOSE_S_MAX)
        return self.link

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self.link.stop(), self._loop).result(CLOSE_S_MAX)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S_MAX)
        self._loop.close()


async def serve(link: Link) -> None:
    """Run until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with link:
        print(f"listening on 127.0.0.1:{link.port}", flush=True)
        await stop.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; prints what the link carried when it ends."""
    parser = argparse.ArgumentParser(prog="deploy.badlink", description="A TCP proxy that behaves like a bad link.")
    parser.add_argument("--listen", type=int, default=0, metavar="PORT", help="default: any free one, printed")
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--rate", type=float, default=0, metavar="KBIT/S", help="each direction; default: no limit")
    parser.add_argument("--rtt", type=float, default=0, metavar="MS")
    parser.add_argument("--cut", type=float, default=0, metavar="BYTES", help="mean life of a connection")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    host, _, port = args.to.rpartition(":")
    if not port.isdecimal():
        parser.error(f"--to: found {args.to!r}, expected HOST:PORT")
    link = Link(
        to=(host or "127.0.0.1", int(port)),
        port=args.listen,
        rate_kbit=args.rate,
        rtt_ms=args.rtt,
        cut_bytes=args.cut,
        seed=args.seed,
    )
    asyncio.run(serve(link))
    print(json.dumps(asdict(link.stats)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
