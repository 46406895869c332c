"""Time and a network that a seed decides: the real client and server over TCP connections that are no sockets.

`Loop` is asyncio's own loop with two differences. Its time moves only when it is told to, so that hours of silence
cost nothing; and it has no threads: what would run in one (`asyncio.to_thread`) is a `Job`, run on the loop's thread,
at once or when the seed says so. Nothing happens in it but what follows from what was put in: a life can be repeated.

A `Wire` is one connection between a home's HTTP client and the hub's HTTP server, both aiohttp's own. Bytes that were
written are on their way until `carry` hands some of them on, in pieces of any size. `cut` ends it at any byte: a
beginning of what was on its way may still arrive, the rest never does, and each end learns of it when that is over.

A `Process` is one run of one node. Once it is dead nothing it began goes on: its tasks are cancelled, its jobs do not
run, what it still writes goes nowhere; of what it had written a beginning may arrive.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any, Final

import aiohttp
from aiohttp import web

HIGH_WATER_BYTES: Final = 64 * 1024
TURNS_MAX: Final = 100_000  # at one moment
CURRENT: ContextVar[Process | None] = ContextVar("process", default=None)
silent = logging.getLogger("homeward.simulation")
silent.setLevel(logging.CRITICAL + 1)


class Process:
    """One run of one node."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.tasks: set[asyncio.Task[Any]] = set()
        self.wires: list[Wire] = []
        self.context = copy_context()
        self.context.run(CURRENT.set, self)

    def begin(self, loop: Loop, work: Any) -> asyncio.Task[Any]:
        """Run a coroutine as this process."""
        return loop.create_task(work, context=self.context.copy())

    def die(self) -> None:
        """Power fails. What it began ends when the loop next turns."""
        self.is_dead = True
        for task in list(self.tasks):
            task.cancel()
        for wire in list(self.wires):
            wire.lose(self)


class Job:
    """What a process wants to be done beside its loop."""

    def __init__(self, process: Process | None, work: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        self.process, self._work, self._future = process, work, future

    def run(self) -> None:
        """Do it, unless the process is dead; nobody need wait for it any more."""
        if self.process is not None and self.process.is_dead:
            self._future.cancel()
            return
        try:
            found = self._work()
        except Exception as error:  # noqa: BLE001 -- it is raised where it is awaited
            if not self._future.done():
                self._future.set_exception(error)
        else:
            if not self._future.done():
                self._future.set_result(found)


class _NoSockets(selectors.SelectSelector):
    """Never waits: nothing comes from outside."""

    def select(self, timeout: float | None = None) -> list[Any]:
        return []


class Loop(asyncio.SelectorEventLoop):
    """Turns when told to, without waiting."""

    def __init__(self, is_slow: Callable[[], bool] = lambda: False) -> None:
        """`is_slow`: whether a job waits in `jobs` until somebody runs it."""
        self.now_s = 1000.0
        self.jobs: list[Job] = []
        self._is_slow = is_slow
        super().__init__(_NoSockets())
        self._clock_resolution = 0.001  # the one of a system's clock is lost in large times

    def time(self) -> float:
        return self.now_s

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        task = super().create_task(coro, name=name, context=context)
        process = context[CURRENT] if context is not None else CURRENT.get()
        if process is not None:
            process.tasks.add(task)
            task.add_done_callback(process.tasks.discard)
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()
        job = Job(CURRENT.get(), lambda: func(*args), future)
        if self._is_slow():
            self.jobs.append(job)
        else:
            self.call_soon(job.run)
        return future

    def settle(self) -> None:
        """Turn until nothing is left to do at this moment."""
        turns = 0
        while self._ready or (self._scheduled and self._scheduled[0].when() <= self.now_s):  # type: ignore[attr-defined]
            self.call_soon(self.stop)
            self.run_forever()
            turns += 1
            assert turns < TURNS_MAX, f"busy for ever: {list(self._ready)[:5]}"  # type: ignore[attr-defined]

    def later(self) -> bool:
        """Let time pass until somebody has waited long enough; False if nobody waits for time to pass."""
        waiting = [handle for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        if waiting:
            self.now_s = max(self.now_s, min(handle.when() for handle in waiting))
        return bool(waiting)

    def finish(self, work: Any) -> Any:
        """Run a coroutine that waits for nothing but itself."""
        task = self.create_task(work)
        self.settle()
        while not task.done():
            assert self.jobs, "it waits for something else"
            self.jobs.pop(0).run()
            self.settle()
        return task.result()


class Pipe:
    """One direction of a wire."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.carried = 0
        self.bytes_max: int | None = None  # the wire is cut when it has carried so many
        self.ended: BaseException | bool | None = None  # what the sink learns when all has arrived: True for an EOF
        self.recorded = bytearray()
        self.source: End
        self.sink: End

    @property
    def can_move(self) -> bool:
        """Whether the sink would hear something."""
        return bool(self.data) and not self.sink.holds_back

    def carry(self, count: int) -> None:
        """Hand on so many bytes, at most."""
        if self.bytes_max is not None:
            count = min(count, self.bytes_max - self.carried)
        if self.sink.holds_back:
            return
        piece = bytes(self.data[:count])
        del self.data[:count]
        self.carried += len(piece)
        self.sink.hear(piece)
        self.source.written()
        self.finish()
        if self.bytes_max is not None and self.carried >= self.bytes_max:
            self.sink.wire.cut(0, 0)

    def finish(self) -> None:
        """Tell the sink of the end, if all before it has arrived."""
        if self.ended is not None and not self.data:
            self.sink.lose(None if self.ended is True else self.ended)


class End(asyncio.Transport):
    """One end of a wire, for the protocol that speaks there."""

    def __init__(self, wire: Wire, process: Process, out: Pipe, into: Pipe) -> None:
        super().__init__()
        self.wire, self.process, self._out = wire, process, out
        self.protocol: Any = None
        self.holds_back = False
        self.is_lost = False
        self._closing = False
        self._full = False
        out.source, into.sink = self, self

    def speak(self, protocol: Any) -> None:
        """Say to a protocol that this is its connection."""
        self.protocol = protocol
        self.process.context.copy().run(protocol.connection_made, self)

    def hear(self, piece: bytes) -> None:
        """Bytes arrive."""
        if piece and not self.is_lost and not self.process.is_dead:
            self.process.context.copy().run(self.protocol.data_received, piece)

    def lose(self, why: BaseException | None) -> None:
        """The connection is gone for this end; its protocol hears so when the loop turns."""
        if self.is_lost:
            return
        self.is_lost = self._closing = True
        self.wire.ends_left -= 1
        self.wire.loop.call_soon(self.protocol.connection_lost, why, context=self.process.context.copy())

    def written(self) -> None:
        """Some of what was on its way has arrived."""
        if self._full and len(self._out.data) < HIGH_WATER_BYTES // 4 and not self.is_lost:
            self._full = False
            self.process.context.copy().run(self.protocol.resume_writing)

    # -- what a protocol asks of it

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self.process.is_dead or self._out.ended is not None:
            return
        self._out.data += data
        self._out.recorded += data
        if len(self._out.data) > HIGH_WATER_BYTES and not self._full:
            self._full = True
            self.protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._end(True)

    def abort(self) -> None:
        self._closing = True
        self._out.data.clear()
        self._end(ConnectionResetError("reset by the other end"))

    def _end(self, how: BaseException | bool) -> None:
        if self._out.ended is None:
            self._out.ended = how
            self._out.finish()
        self.lose(None)

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self.holds_back = True

    def resume_reading(self) -> None:
        self.holds_back = False

    def is_reading(self) -> bool:
        return not self.holds_back

    def get_write_buffer_size(self) -> int:
        return len(self._out.data)

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default


class Wire:
    """One connection."""

    def __init__(self, loop: Loop, client: Process, server: Process) -> None:
        self.loop = loop
        self.up, self.down = Pipe(), Pipe()
        self.client = End(self, client, self.up, self.down)
        self.server = End(self, server, self.down, self.up)
        self.ends_left = 2
        for process in (client, server):
            process.wires.append(self)

    @property
    def pipes(self) -> tuple[Pipe, Pipe]:
        """Both directions."""
        return self.up, self.down

    @property
    def is_over(self) -> bool:
        """Whether both ends know that it is gone."""
        return self.ends_left == 0

    def cut(self, up_bytes: int, down_bytes: int) -> None:
        """The line is cut; so many of the bytes on their way still arrive, and then each end learns of it."""
        for pipe, count in ((self.up, up_bytes), (self.down, down_bytes)):
            del pipe.data[count:]
            if not isinstance(pipe.ended, BaseException):
                pipe.ended = ConnectionResetError("the line was cut")
            pipe.finish()

    def lose(self, process: Process) -> None:
        """One end's process is dead: nothing reaches it any more; what it had written is on its way."""
        for end, into in ((self.client, self.down), (self.server, self.up)):
            if end.process is process:
                into.data.clear()
                end.lose(None)
                if end._out.ended is None:
                    end._out.ended = ConnectionResetError("the other end is gone")
                    end._out.finish()


class Network:
    """The hub's address, and all connections to it."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.wires: list[Wire] = []
        self.listening: tuple[Process, web.Server[Any]] | None = None
        self.limits: tuple[int | None, int | None] = (None, None)

    def listen(self, process: Process, app: web.Application) -> None:
        """Serve an application from here on."""
        runner = web.AppRunner(app, access_log=None, logger=silent, handle_signals=False, keepalive_timeout=3600)
        self.loop.finish(runner.setup())
        assert runner.server is not None
        self.listening = process, runner.server

    def connect(self, client: Process) -> Wire:
        """A new connection, without anybody at its near end; raises ConnectionRefusedError."""
        if self.listening is None or self.listening[0].is_dead:
            raise ConnectionRefusedError(111, "nobody listens")
        process, server = self.listening
        wire = Wire(self.loop, client, process)
        wire.up.bytes_max, wire.down.bytes_max = self.limits
        self.wires.append(wire)
        wire.server.speak(server())
        return wire

    def session(self, process: Process) -> aiohttp.ClientSession:
        """A client's connection to the hub, as `sync.client.connect` makes it."""

        async def make() -> aiohttp.ClientSession:
            return aiohttp.ClientSession(
                connector=_Connector(self, process),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
                cookie_jar=aiohttp.DummyCookieJar(),
            )

        return self.loop.finish(make())

    def sweep(self) -> None:
        """Forget connections that are over."""
        for wire in [wire for wire in self.wires if wire.is_over]:
            self.wires.remove(wire)
            for end in (wire.client, wire.server):
                if wire in end.process.wires:
                    end.process.wires.remove(wire)


class _Connector(aiohttp.BaseConnector):
    """Connects to the hub by a wire."""

    def __init__(self, network: Network, process: Process) -> None:
        super().__init__(limit=1, keepalive_timeout=3600)
        self._network, self._process = network, process

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 -- aiohttp's name
        try:
            wire = self._network.connect(self._process)
        except OSError as error:
            raise aiohttp.ClientConnectorError(req.connection_key, error) from error
        protocol = self._factory()
        wire.client.speak(protocol)
        return protocol
