"""A hub and a home's computer as they run in a simulation: real folders, the real exchange, writes that may fail.

A write fails in both ways that a disk knows: *failed and not stored*, *failed yet stored*. Either way the process is
dead, and what the folder holds is what there is: whoever uses it opens it again.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from central_hub.registry import Admissions
from central_hub.restoring import Restoring
from central_hub.router import Router
from node import incarnations
from node.erasing import Order
from node.exchanging import Exchanger
from node.folder import Config, Folder, create_folder
from node.folder import Hub as Joined
from node.reserve import RESERVE_FILE
from sync import epoch
from sync.messages import Recall, Returned, Took, Witness
from sync.server import ExchangeServer
from sync.store import Store
from sync.writer import Task, Writer
from tests.simulation.releases import LaterServer, LaterSession
from tests.simulation.wires import Network, Process

COUNTY: Final = "清溪县"
URL: Final = "http://county:1"
NEVER: Final = None
BEFORE: Final = "failed and not stored"
AFTER: Final = "failed yet stored"
Fate = Callable[[str], str | None]  # what becomes of a write of this kind: NEVER (it fails not), BEFORE or AFTER


class PowerCutError(Exception):
    """The process is gone; what the disk holds is what there is."""


class _AtOnce:
    """A writer without its thread: what is asked for is done, in the writer's own transaction, before it returns."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def submit(self, work: Callable[[Any], Any], *, whole: bool = False) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self._writer._serve([Task(work, future, whole)])
        return future

    def close(self) -> None:
        self._writer.close()


class Disk(Store):
    """A node's store whose writes are done when they are asked for, and may fail."""

    _fate: Fate | None = None
    _kind = ""

    def __init__(self, folder: Path, master: Any, process: Process, fate: Fate) -> None:
        super().__init__(folder, master)
        self._writer: Any = _AtOnce(self._writer)
        writing_files = self.files._writing
        self.files._writing = lambda: _AtOnce(writing_files())  # type: ignore[method-assign, assignment, return-value]
        self._process = process
        self._fate = fate
        for name, kind in (("add", "photograph"), ("begin", "photograph on its way"),
                           ("extend", "photograph on its way"), ("note_sent", "mark on a photograph")):  # fmt: skip
            setattr(self.files, name, self._failing(kind, getattr(self.files, name)))

    def _failing(self, kind: str, work: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *values: self._write(kind, lambda: work(*values))

    def _write(self, kind: str, work: Callable[[], Any]) -> Any:
        if self._fate is None:
            return work()
        if self._process.is_dead:
            raise PowerCutError
        fate = self._fate(kind)
        if fate == BEFORE:
            self._process.die()
            raise PowerCutError
        done = work()
        if isinstance(done, Future) and not isinstance(done.exception(30), Exception):
            done.result()
        if fate == AFTER:
            self._process.die()
            raise PowerCutError
        return done

    def submit(self, work: Callable[[Any], Any]) -> Future[Any]:
        return self._write(self._kind or "other write", lambda: super(Disk, self).submit(work))

    @contextlib.contextmanager
    def _called(self, kind: str) -> Any:
        self._kind = kind
        try:
            yield
        finally:
            self._kind = ""

    def record(self, drafts: Sequence[Any]) -> Future[Any]:
        return self._write("record", lambda: super(Disk, self).record(drafts))

    def append(self, batch: Any) -> Future[int]:
        with self._called("append"):
            return super().append(batch)

    def keep_receipt(self, *receipt: Any, **how: Any) -> Future[None]:
        with self._called("receipt"):
            return super().keep_receipt(*receipt, **how)

    def succeed(self, keep: int, why: str, now_ms: int, *notes: Any) -> bytes:
        with self._called("new log"):
            return super().succeed(keep, why, now_ms, *notes)


def never(_kind: str) -> None:
    """Nothing fails."""


def make(path: Path, config: Config) -> None:
    """A new folder, without the room that it keeps for a full disk: copies of it are many here."""
    create_folder(path, config)
    (path / RESERVE_FILE).unlink()


class Hub:
    """The county's hub."""

    _server_class = ExchangeServer

    def __init__(self, path: Path, network: Network, clock: Callable[[], int], fate: Fate = never) -> None:
        self.path, self._network, self.clock_ms, self._fate = path, network, clock, fate
        make(path, Config(kind="hub", name=COUNTY))
        self.start()

    def start(self) -> None:
        """Run it from what its folder holds."""
        self.process = Process("hub")
        self.folder = Folder(self.path, "hub")
        self.store = Disk(self.path, self.folder.master, self.process, self._fate)
        self.registry = Admissions(self.store, self.clock_ms)
        self.router = Router(self.store, self.registry, self.clock_ms)
        self.restoring = Restoring(self.store, self.registry, self.clock_ms)
        self.server = self._server_class(
            self.store, self.registry.key_of, self.clock_ms, self.registry.logs_of, self.registry.admit,
            outbox_of=self.router.outbox_of, route=self.route,
            epoch_of=partial(epoch.current, self.store), restored=self.restored, settle=self.settle,
        )  # fmt: skip
        app = web.Application()
        self.server.add_to(app)
        self._network.listen(self.process, app)

    def route(self) -> None:
        """Fill outboxes with what an exchange brought."""
        self.router.catch_up_quickly()

    def restored(self, log: bytes, message: Witness | Returned) -> Recall | Took | None:
        """Hear what a node knows of this hub's former lives."""
        return self.restoring.answer(log, message)

    def settle(self, log: bytes) -> None:
        """Look again at what is awaited."""
        self.restoring.settle(log)

    def stop(self) -> None:
        """Power fails."""
        self.process.die()
        self._network.loop.settle()
        self.store.close()

    def be_later(self) -> None:
        """From here on it is of a later release."""
        self._server_class = LaterServer
        self.server.__class__ = LaterServer

    def invite(self, code: str, computer: Computer, digest: bytes) -> None:
        """A person admits a computer for a home."""
        self.registry.invite(code, code, digest)
        self.registry.join(code, digest, computer.store.signer.public_key)


class Computer:
    """One folder of one home, and its process."""

    def __init__(
        self, path: Path, code: str, network: Network, clock: Callable[[], int], fate: Fate = never,
        hub_key: bytes = b"",
    ) -> None:  # fmt: skip
        """`hub_key`: make the folder, for this hub; without it the folder is there."""
        self.path, self.code, self._network, self.clock_ms, self._fate = path, code, network, clock, fate
        self.is_later = self.is_earlier = False
        if hub_key:
            joined = Joined(url=URL, key=hub_key.hex(), name=COUNTY)
            make(path, Config(kind="home", name=code, code=code, hub=joined))
        self.start()

    def start(self) -> None:
        """Run it from what its folder holds; power may fail again while it notices what became of it."""
        while True:
            self.process = Process(self.path.name)
            self.folder = Folder(self.path, "home")
            self.store = Disk(self.path, self.folder.master, self.process, self._fate)
            try:
                with contextlib.redirect_stderr(io.StringIO()):
                    self.process.context.copy().run(incarnations.notice, self.folder, self.store, self.clock_ms)
                break
            except PowerCutError:
                self.store.close()
        self.exchanger = Exchanger(self.folder, self.store, self.clock_ms, self._erase)
        self.hub_key = bytes.fromhex(self.folder.config.hub.key) if self.folder.config.hub else b""
        self._session = self.exchanger._http = self._network.session(self.process)
        self.task: Any = None
        self.be_of(is_later=self.is_later, is_earlier=self.is_earlier)

    def be_of(self, *, is_later: bool, is_earlier: bool) -> None:
        """Of which release it is: what it says is of a later one, what it shows of an earlier one."""
        self.is_later, self.is_earlier = is_later, is_earlier
        session: Any = self._session
        self.exchanger._http = LaterSession(session) if is_later else session

    def _erase(self, order: Order) -> None:
        self.store.erase(order.subjects, by=order.by, ground=order.ground, now_ms=self.clock_ms())

    def stop(self) -> None:
        """Power fails."""
        self.process.die()
        self._network.loop.settle()
        self._network.loop.finish(self._session.close())
        if self.task is not None and self.task.done() and not self.task.cancelled():
            self.task.exception()
        self.store.close()

    def begin(self, work: Any) -> None:
        """Start an exchange."""
        self.task = self.process.begin(self._network.loop, work)
