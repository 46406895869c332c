"""Bundles at a hub that serves: its end does not wait for a long one, and what was taken is taken."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest
from aiohttp import web

from central_hub.registry import Admissions
from central_hub.router import Router
from central_hub.taking import ServedTaker, from_json, taker_of, to_json
from node import control
from node.control import AnswerLost, Control
from node.folder import Config, Folder, create_folder
from sync.batch import Draft
from sync.bundling import Bundler
from sync.instructions import Instructions
from sync.messages import Declined, Hello, Holds, Refusal
from sync.reply import Reply
from sync.store import Store

CLOCK_MS = 1_741_392_000_000
DIGEST = b"d" * 32


@pytest.fixture
def hub(tmp_path):
    """A hub's folder, open."""
    create_folder(tmp_path / "hub", Config(kind="hub", name="清溪县"))
    store = Store(tmp_path / "hub")
    yield Folder(tmp_path / "hub", "hub"), store, Admissions(store, lambda: CLOCK_MS)
    store.close()


@pytest.fixture
def bundle(tmp_path, hub):
    """A bundle of some 3 MB from a home of the county."""
    _, county, admissions = hub
    (tmp_path / "home").mkdir()
    Store.create(tmp_path / "home")
    home = Store(tmp_path / "home")
    drafts = [
        Draft("x/1", "w", bytes(15) + b"\1", CLOCK_MS, {"t": random.Random(n).randbytes(50_000)}) for n in range(60)
    ]
    home.record(drafts).result()
    admissions.invite("home-01", "n", DIGEST)
    admissions.join("home-01", DIGEST, home.signer.public_key)
    bundler = Bundler(home, county.signer.public_key, Instructions(), lambda: CLOCK_MS)
    (part,) = bundler.write(tmp_path, lambda _: None)
    yield part.path
    home.close()


class Serving:
    """A hub's control address on a thread of its own."""

    def __init__(self, hub) -> None:
        folder, store, admissions = hub
        self.owner = Control(folder.path)
        self.taker = ServedTaker(folder, store, admissions, self.owner, lambda: CLOCK_MS,
                                 Router(store, admissions, lambda: CLOCK_MS), lambda: True)  # fmt: skip
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        async def serve() -> None:
            app = web.Application()
            self.taker.add_to(app)
            self.runner = web.AppRunner(app, shutdown_timeout=0.1)
            await self.runner.setup()
            await web.TCPSite(self.runner, "127.0.0.1", 0).start()
            self.owner.open(f"http://127.0.0.1:{self.runner.addresses[0][1]}")
            self._over = asyncio.Event()
            self._ready.set()
            await self._over.wait()
            await self.runner.cleanup()

        self._loop.run_until_complete(serve())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def __enter__(self):
        self._thread.start()
        self._ready.wait()
        return self

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)

    def __exit__(self, *_):
        self.end()
        self._thread.join()
        self.owner.close()


def test_a_hub_that_ends_while_it_takes(hub, bundle, monkeypatch):
    """Told to end, it stops within the bundle; what was stored is a beginning, and the same file brings the rest."""
    folder, store, admissions = hub
    append = store.append
    with Serving(hub) as serving:

        def append_and_end(batch):
            serving.taker._stopping.set()
            return append(batch)

        monkeypatch.setattr(store, "append", append_and_end)
        with pytest.raises(AnswerLost):
            control.ask(folder.path, "take", {"file": str(bundle)})
        monkeypatch.undo()
        (log,) = [branch for branch in store.branches() if not branch.own]
        assert 0 < log.size < 60
    taker = taker_of(folder, store, admissions, lambda: CLOCK_MS)
    reply = taker.take(bundle, lambda _: None)
    assert (reply.before, reply.held) == (log.size, 60)


def test_only_the_owner_has_files_taken(hub, bundle):
    """The control address takes files only for who can read the folder's token."""
    folder, store, _ = hub
    with Serving(hub):
        path = folder.path / "control.json"
        path.write_text(path.read_text("utf-8").replace('"token": "', '"token": "x'), "utf-8")
        with pytest.raises(control.FolderInUse, match="403"):
            control.ask(folder.path, "take", {"file": str(bundle)})
    assert sum(branch.size for branch in store.branches() if not branch.own) == 0


def test_a_reply_on_its_way_to_the_command():
    """What the serving process found comes to the command as it was, whatever it holds."""
    reply = Reply(
        b"l" * 16, b"s" * 16, Hello(1, b"l" * 16, 9, CLOCK_MS), receipted=4, begun=2, withheld={3, 1},
        refusal=Refusal("fork", "x"), follows={b"o" * 16: 7}, unreadable={b"o" * 16: {8, 2}},
        files={b"a" * 32: Holds(b"a" * 32, 2), b"b" * 32: Declined(b"b" * 32, "gone", "y")}, enclosed=b"z",
    )  # fmt: skip
    assert from_json(to_json(reply)) == reply
