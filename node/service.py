"""Running a node: the web server, the follower of the read models, and a clean end on SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import apsw
from aiohttp import web

from domain.errors import Refused
from node import web as kit
from node.invitation import NotLoopback
from node.projection import Projection
from sync.database import NotStored, OutcomeUnknown
from sync.errors import FolderError, LogCorrupt
from sync.server import LINK_ERRORS
from sync.store import Store

FOLLOW_PAUSE_S: Final = 0.5
FULL_PAUSE_S: Final = 10.0
FULL: Final = "磁盘已满或出错，没有保存，请稍后再试 (the disk is full or refused it: nothing was stored, try later)"
REST_S_MAX: Final = (
    0.03  # after working it rests as long: what arrives gains in speed, folded in fewer turns, and is seen soon
)
BACKLOG_COUNT: Final = 2048  # a county's homes may all come back in one second
OPEN_FILES_COUNT: Final = 8192
SHUTDOWN_TIMEOUT_S: Final = 1.0
FIRST_LOOK_S_MAX: Final = 1.0
LINGERING_TIME_S: Final = 2.0  # how long the rest of a refused request is still read
PEER_FAULT_SIZE_MAX: Final = 160
REQUEST_SIZE_BYTES_MAX: Final = 64 * 1024
PORT_MAX: Final = 65_535
T = TypeVar("T")
http_log = logging.getLogger("aiohttp.server")


def parse_listen(text: str) -> tuple[str, int]:
    """HOST:PORT of a loopback address; raises Refused."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    try:
        number = int(port)
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise Refused(
            f"监听地址应写成 127.0.0.1:8101，现在是 {text}", f"--listen takes HOST:PORT, found {text!r}"
        ) from None
    if not 0 <= number <= PORT_MAX:
        zh, en = f"端口应在 0 到 {PORT_MAX} 之间，现在是 {number}", f"a port is at most {PORT_MAX}, found {number}"
        raise Refused(zh, en)
    if not local:
        raise NotLoopback(text)
    return host, number


class FollowerThread:
    """Keeps the read models up to date while the node serves."""

    def __init__(self, store: Store, projection: Projection) -> None:
        self._store = store
        self._projection = projection
        self._stopping = threading.Event()
        self.failure: BaseException | None = None
        self._looked = threading.Event()
        self._asked: queue.SimpleQueue[tuple[Callable[[Projection], Any], Future[Any]]] = queue.SimpleQueue()
        self._ended = False
        self._full = False
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def wait_for_first_look(self, timeout_s: float) -> None:
        """Wait until it has reached the end of the log once, or the time is over."""
        self._looked.wait(timeout_s)

    def between(self, work: Callable[[Projection], T]) -> Future[T]:
        """Run `work` on the follower's thread between two batches; cancelled if the follower ends before."""
        future: Future[T] = Future()
        self._asked.put((work, future))
        if self._ended:
            self._cancel_asked()
        return future

    def wake(self) -> None:
        """The node is stopping: end after the batch at hand whatever works through a backlog, here or elsewhere.

        What is asked of the follower is still done: requests that are being answered may need it.
        """
        self._store.wake()

    def stop(self) -> None:
        """Stop after the batch at hand."""
        self._stopping.set()
        self._store.wake()
        if self._thread.ident is not None:
            self._thread.join()

    def fail(self, error: BaseException) -> None:
        """Have the node stop because of this: a failure is never only logged."""
        self.failure = error
        signal.raise_signal(signal.SIGTERM)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._follow()
                except (
                    apsw.FullError,
                    LogCorrupt,
                ) as error:  # the log is ahead of the pages for a while; reading goes on
                    self._wait(error)
        except BaseException as error:  # noqa: BLE001 -- raised again by the thread that waits
            self.fail(error)
        finally:
            self._ended = True
            self._cancel_asked()

    def _do_asked(self) -> None:
        while not self._asked.empty():
            work, future = self._asked.get()
            try:
                future.set_result(work(self._projection))
            except BaseException as error:  # noqa: BLE001 -- handed to whoever asked
                future.set_exception(error)

    def _cancel_asked(self) -> None:
        while True:
            try:
                _, future = self._asked.get_nowait()
            except queue.Empty:
                return
            future.cancel()

    def _follow(self) -> None:
        began = time.monotonic()
        if self._full:
            self._projection.begin_again()
        with contextlib.closing(self._projection.catch_up()) as going:
            for _ in going:
                if self._stopping.is_set():
                    return
                if self._store.is_stopping:
                    break  # the rest is followed after the next start
                if not self._asked.empty():
                    break  # what is asked may follow, too, and put another file in place
        self._do_asked()
        self._looked.set()
        self._full = False
        self._stopping.wait(min(REST_S_MAX, time.monotonic() - began))
        if self._store.is_stopping:
            self._stopping.wait(FOLLOW_PAUSE_S)
        else:
            self._store.wait_beyond(self._projection.position, FOLLOW_PAUSE_S)

    def _wait(self, error: Exception) -> None:
        if not self._full:
            until = "there is room again" if isinstance(error, apsw.FullError) else "what is damaged was put back"
            print(f"the pages cannot follow the log until {until}: {error}", file=sys.stderr, flush=True)
        self._full = True
        self._looked.set()
        self._stopping.wait(FULL_PAUSE_S)


def _end_with_the_store(follower: FollowerThread) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def middleware(request: web.Request, handler: kit.Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except OutcomeUnknown as error:  # from now on nothing can be stored: better no answer than half a node
            follower.fail(error)
            raise
        except (apsw.FullError, NotStored) as error:  # nothing of it is stored, and reading goes on
            print(f"{request.path}: {error}", file=sys.stderr, flush=True)
            return web.json_response({"refused": FULL}, status=web.HTTPInsufficientStorage.status_code)

    return middleware


def allow_connections() -> None:
    """Let this process have as many connections as the system allows it, up to OPEN_FILES_COUNT; 1,024 is usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_COUNT if hard == resource.RLIM_INFINITY else min(OPEN_FILES_COUNT, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def one_sentence(record: logging.LogRecord) -> bool:
    """What a peer or its line did is said in one sentence; a traceback is for what we did."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, LINK_ERRORS):
        said = " ".join(str(error).split())[:PEER_FAULT_SIZE_MAX] or type(error).__name__
        record.msg, record.args, record.exc_info = f"{record.getMessage()}: {said}", (), None
    return True


async def serve(
    app: web.Application,
    host: str,
    port: int,
    started: Callable[[str], None],
    background: Callable[[], Awaitable[None]],
    follower: FollowerThread,
) -> None:
    """Serve until SIGTERM or SIGINT; `started` learns the address, `background` runs beside."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    allow_connections()
    http_log.addFilter(one_sentence)
    follower.start()  # not before: its failure is a signal
    await asyncio.to_thread(follower.wait_for_first_look, FIRST_LOOK_S_MAX)  # so that the first page is not an old one
    app.middlewares.append(_end_with_the_store(follower))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S, lingering_time=LINGERING_TIME_S)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=BACKLOG_COUNT)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise FolderError(f"{host}:{port} cannot be listened on: {error.strerror}") from None
    port = runner.addresses[0][1]
    started(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    task = asyncio.ensure_future(background())
    try:
        await asyncio.wait([task, asyncio.ensure_future(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            await stop.wait()
    finally:
        follower.wake()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await runner.cleanup()
