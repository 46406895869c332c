"""A home whose folder is backed up, restored, copied and replaced while it is used, and a hub that is restored, too.

Real folders, the real exchange over real sockets through a line that is cut, all in one process and decided by a seed.
No model says what each node should hold: what counts is that nothing is missing that *any* folder still had, that
nothing counts twice, that each event has the id, author and time that it had at first, and that all show the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from central_hub.registry import Admissions
from node import incarnations
from node.exchanging import Exchanger
from node.folder import Config, Folder, Hub, create_folder
from node.projection import Projection
from node.records import draft_of
from sync.entry import EXT_FIRST_ID
from sync.errors import RefusedByPeer, Unreachable
from sync.server import ExchangeServer
from sync.store import Store
from sync.verify import verify
from tests.domain.domain_samples import DAY, phone, registered, talk
from tests.simulation.naming import a_life, standing
from tests.sync.test_exchange import Line, listening

START_MS = 1_741_392_000_000
SUBJECTS = [bytes([n]) * 16 for n in range(1, 5)]
CODE = "home-01"
FAULTS = (
    "old copy put back",
    "old databases put back beside a newer checkpoint.txt",
    "clone",
    "new PC",
    "hub put back",
    "computer lost",
    "line cut",
    "killed before the new log was stored",
    "killed after the new log was stored",
    "healed: behind",
    "healed: forked",
    "healed: restored",
)
Known = tuple[str, str, int, Any]  # type, author, recorded at, payload


class KilledError(Exception):
    """The process is gone."""


class Computer:
    """One folder of the home, and its process."""

    def __init__(self, county: County, path: Path) -> None:
        self.county = county
        self.path = path
        self.start()

    def start(self) -> None:
        self.folder = Folder(self.path, "home")
        self.store = Store(self.path, self.folder.master)
        incarnations.notice(self.folder, self.store, self.county.clock)
        self.exchanger = Exchanger(self.folder, self.store, self.county.clock)

    def stop(self) -> None:
        self.store.close()

    def record(self, count: int) -> None:
        dice = self.county.dice
        drafts = []
        for _ in range(count):
            subject = dice.choice(SUBJECTS)
            self.county.clock.now_ms += dice.randrange(1, 60_000)
            event = dice.choice([talk(minutes=dice.randrange(1, 99)), phone(f"1{dice.randrange(10**9, 10**10)}")])
            if not self.store.entries_of_subject(subject):
                event = registered(f"孩子{subject[0]}", on=DAY)
            seen = self.store.seen(subject)
            drafts = [draft_of(subject, event, f"w{dice.randrange(3)}", self.county.clock(), deps=seen)]
            (done,) = self.store.record(drafts).result(10)
            one = drafts[0]
            self.county.known[done.id] = (one.type, one.actor, one.recorded_at_ms, one.payload)


class Clock:
    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


class County:
    """The hub, the home's computers, and everything that was ever copied from them."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.dice = random.Random(seed)
        self.folder = folder
        self.fired: Counter[str] = Counter()
        self.clock = Clock()
        self.known: dict[bytes, Known] = {}
        self.computers: list[Computer] = []
        self.backups: list[Path] = []
        self.hub_backups: list[Path] = []
        self.names = 0
        self.line: Line | None = None
        self.hub_path = folder / "hub"
        create_folder(self.hub_path, Config(kind="hub", name="清溪县"))
        self.start_hub()
        self.new_pc()
        self.save_hub()

    # -- the hub

    def start_hub(self) -> None:
        self.hub = Store(self.hub_path)
        self.registry = Admissions(self.hub, self.clock)
        self.server = ExchangeServer(
            self.hub, self.registry.key_of, self.clock, self.registry.logs_of, self.registry.admit
        )

    def exchange_routes(self) -> Any:
        async def exchange(request: Any) -> Any:
            return await self.server.exchange(request)

        from aiohttp import web

        return [web.post("/v1/exchange", exchange)]

    async def end_exchanges(self) -> None:
        """What is left of exchanges that were cut must not meet a closed store."""
        if rest := [task for _, task in self.server._running.values() if not task.done()]:
            for task in rest:
                task.cancel()
            await asyncio.wait(rest)

    def save_hub(self) -> None:
        self.hub.close()
        self.hub_backups.append(self.copy(self.hub_path))
        self.start_hub()

    def put_hub_back(self) -> None:
        self.fired["hub put back"] += 1
        self.hub.close()
        self.hub_path = self.copy(self.dice.choice(self.hub_backups))
        self.start_hub()

    # -- the computers

    def copy(self, path: Path) -> Path:
        self.names += 1
        return Path(shutil.copytree(path, self.folder / f"{path.name.partition('.')[0]}.{self.names}"))

    def invite(self, store: Store) -> None:
        digest = self.dice.randbytes(32)
        self.registry.invite(CODE, "南沟村", digest)
        self.registry.join(CODE, digest, store.signer.public_key)

    def new_pc(self) -> None:
        self.names += 1
        path = self.folder / f"pc.{self.names}"
        hub = Hub(url="http://127.0.0.1:9", key=self.hub.identity.public_key.hex(), name="清溪县")
        create_folder(path, Config(kind="home", name="南沟村", code=CODE, hub=hub))
        computer = Computer(self, path)
        self.invite(computer.store)
        self.computers.append(computer)

    def save(self, computer: Computer) -> None:
        computer.stop()
        self.backups.append(self.copy(computer.path))
        computer.start()

    def lose(self, computer: Computer) -> None:
        self.fired["computer lost"] += 1
        computer.stop()
        self.computers.remove(computer)

    def put_back(self) -> None:
        """A computer fails; an older copy of some computer takes its place."""
        if not self.backups:
            return
        self.fired["old copy put back"] += 1
        self.lose(self.dice.choice(self.computers))
        self.computers.append(Computer(self, self.copy(self.dice.choice(self.backups))))

    def put_databases_back(self) -> None:
        """The same, but checkpoint.txt survives."""
        computer = self.dice.choice(self.computers)
        own = [
            path
            for path in self.backups
            if (path / "node.key").read_bytes() == (computer.path / "node.key").read_bytes()
        ]
        if not own:
            return
        self.fired["old databases put back beside a newer checkpoint.txt"] += 1
        computer.stop()
        backup = self.dice.choice(own)
        for name in ("log.db", "keys.db"):
            for suffix in ("-wal", "-shm"):
                (computer.path / (name + suffix)).unlink(missing_ok=True)
            shutil.copy(backup / name, computer.path / name)
        computer.start()

    def clone(self, computer: Computer) -> None:
        self.fired["clone"] += 1
        computer.stop()
        self.computers.append(Computer(self, self.copy(computer.path)))
        computer.start()

    async def exchange(self, computer: Computer, url: str) -> bool:
        """One attempt, after which anything may be cut; whether it came to its end."""
        computer.exchanger._url = url
        try:
            with self.killing(computer):
                await computer.exchanger.once()
        except Unreachable:
            return False
        except KilledError:
            computer.stop()
            computer.start()
            return False
        except RefusedByPeer as refusal:
            if not refusal.code.startswith("unknown"):
                raise
            self.invite(computer.store)  # the hub was put back to before it knew this computer: a person acts
            return False
        return not computer.exchanger._left

    @contextlib.contextmanager
    def killing(self, computer: Computer) -> Iterator[None]:
        """Now and then the process is killed in the moment in which it changes its log."""
        how = self.dice.random() if self.line is not None else 1.0
        change = computer.store.succeed

        def succeed(*arguments: Any) -> bytes:
            if how < 0.2:
                self.fired["killed before the new log was stored"] += 1
                computer.store.keyring.add_log_key(secrets.token_bytes(16), secrets.token_bytes(32))
                raise KilledError
            change(*arguments)
            if how < 0.4:
                self.fired["killed after the new log was stored"] += 1
                raise KilledError
            return computer.store.log

        computer.store.succeed = succeed
        try:
            yield
        finally:
            computer.store.succeed = change

    # -- what may happen

    async def step(self, url: str) -> None:
        dice = self.dice
        computer = dice.choice(self.computers)
        happening = dice.random()
        if happening < 0.35:
            computer.record(dice.randrange(1, 6))
        elif happening < 0.70:
            self.line.up_bytes_max = self.line.down_bytes_max = float("inf")
            if dice.random() < 0.4:
                self.fired["line cut"] += 1
                self.line.up_bytes_max, self.line.down_bytes_max = dice.randrange(300, 4000), dice.randrange(300, 4000)
            await self.exchange(computer, url)
        elif happening < 0.80:
            self.save(computer)
        elif happening < 0.84:
            self.put_back()
        elif happening < 0.88:
            self.put_databases_back()
        elif happening < 0.91 and len(self.computers) < 4:
            self.clone(computer)
        elif happening < 0.94 and len(self.computers) < 4:
            self.fired["new PC"] += 1
            self.new_pc()
        elif happening < 0.97:
            await self.end_exchanges()
            self.save_hub()
        elif happening < 0.98:
            await self.end_exchanges()
            self.put_hub_back()

    # -- what must hold

    def survived(self) -> set[bytes]:
        """All events that any folder in use still has."""
        return set().union(*(events_of(store) for store in (self.hub, *(one.store for one in self.computers))))

    async def settle(self, url: str) -> None:
        """No more faults: after a few rounds everybody has everything, once, as it was, and shows the same."""
        expected = self.survived()
        self.line = None
        for computer in self.computers:
            computer.stop()
            computer.start()
        for _ in range(4):
            for computer in self.computers:
                for _ in range(12):
                    if await self.exchange(computer, url):
                        break
                else:
                    raise AssertionError("an exchange does not come to its end")
        shown = []
        for store in (self.hub, *(one.store for one in self.computers)):
            found = events_of(store)
            assert found.keys() == expected
            assert {id_: self.known[id_] for id_ in found} == found
            verdict = verify(store, None, lambda _: None)
            assert verdict.first_bad is None, verdict
            shown.append(self.digest(store))
        assert all(one == shown[0] for one in shown), "equal entries must give equal pictures"
        for computer in self.computers:
            for change in incarnations.shown(computer.store):
                self.fired[f"healed: {change['why']}"] += 1

    def digest(self, store: Store) -> dict[str, str]:
        self.names += 1
        projection = Projection(
            store, self.folder / f"views.{self.names}.db", lambda log: CODE if log != self.hub.log else ""
        )
        for _ in projection.catch_up():
            pass
        found = projection.views.digest()
        projection.close()
        return found

    def close(self) -> None:
        for node in (self.hub, *(one.store for one in self.computers)):
            with contextlib.suppress(apsw.Error):
                node.close()


def events_of(store: Store) -> dict[bytes, Known]:
    """What counts at a node, by first id; each event may be told by several logs, but in the same words."""
    found: dict[bytes, Known] = {}
    for branch in store.branches():
        for entry in store.entries_of_log(branch.log):
            body = entry.body()
            if body is None or body.subject not in SUBJECTS:
                continue
            known = (body.type, body.actor, body.recorded_at_ms, body.payload)
            assert found.setdefault(body.extensions.get(EXT_FIRST_ID, entry.id), known) == known
    return found


async def live(seed: int, folder: Path, steps_count: int) -> Counter[str]:
    county = County(seed, folder)
    try:
        async with listening(county.exchange_routes()) as url:
            county.line = Line(url)
            try:
                async with standing(county.line.connected) as through:
                    for _ in range(steps_count):
                        await county.step(through)
                    await county.settle(url)
            finally:
                await asyncio.sleep(0.05)  # its connections see the end
                await county.end_exchanges()
    finally:
        county.close()
    return county.fired


def run(seed: int, folder: Path, steps_count: int) -> Counter[str]:
    """One life of the home; the faults that really happened."""
    with a_life(seed, folder, steps_count):
        return asyncio.run(live(seed, folder, steps_count))
