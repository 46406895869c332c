"""A hub that three homes pushed to, and read models of what it holds, followed and filled."""

from __future__ import annotations

import lzma
from pathlib import Path

from node.filling import fill
from node.following import Follower
from node.importing import Importer
from node.views import Views
from sync.batch import Draft
from sync.outgoing import push_of
from sync.replicator import Append, Receiver
from sync.store import Store

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "sample" / "facts.jsonl.xz"
LINES = lzma.decompress(SAMPLE.read_bytes()).decode().splitlines()[:3500]
AT_MS = 1_725_148_800_000
HOMES = ("home-01", "home-02", "home-03")


class Hub:
    """What three homes, between which children moved, pushed by turns; `grow` takes what was held back of it."""

    def __init__(self, folder: Path, held_back: int = 0, count: int = len(LINES)) -> None:
        (folder / "facts.jsonl").write_text("\n".join(LINES[:count]) + "\n", encoding="utf-8")
        (folder / "hub").mkdir()
        Store.create(folder / "hub")
        self.store = Store(folder / "hub")
        self.homes: dict[bytes, str] = {}
        waiting = [self._pushed(folder, code) for code in HOMES]
        while any(len(pushes) > held_back for pushes in waiting):
            for pushes in waiting:
                if len(pushes) > held_back:
                    pushes.pop(0)()
        self._held_back = waiting

    def grow(self) -> None:
        for pushes in self._held_back:
            while pushes:
                pushes.pop(0)()

    def _pushed(self, folder: Path, code: str) -> list:
        (folder / code).mkdir()
        Store.create(folder / code)
        store = Store(folder / code)
        Importer(store, store, code, lambda: AT_MS, all_sites=False).run(folder / "facts.jsonl", lambda _: None)
        store.record([Draft("moon-visited/1", "w", code.encode().ljust(16), 1, {"n": 1})]).result()
        key, log = store.signer.public_key, store.log
        self.homes[log] = code
        self.store.add_log(log, key).result()
        receiver = Receiver(log, key, self.store.frontier(log, 0), 0, lambda _: None)
        pushes = [push_of(store, start, 90) for start in range(0, store.size(log), 90)]
        store.close()

        def take(push):
            for effect in receiver.receive(push, 0):
                if isinstance(effect, Append):
                    self.store.append(effect.batch).result()

        return [lambda push=push: take(push) for push in pushes]

    def home_of(self, log: bytes) -> str:
        return self.homes.get(log, "")

    def followed(self, path: Path, until: int | None = None) -> tuple[int, dict[str, str]]:
        views = Views.create(path, self.store.master)
        for _ in Follower(self.store, views, self.home_of).catch_up(until):
            pass
        return closed(views)

    def filled(self, path: Path, until: int | None = None, **more) -> tuple[int, dict[str, str]]:
        goal = self.store.position() if until is None else until
        assert list(fill(self.store, path, self.home_of, goal, **more))[-1] == goal
        return closed(Views(path, self.store.master))


def closed(views: Views) -> tuple[int, dict[str, str]]:
    found = views.digest_at()
    views.close()
    return found
