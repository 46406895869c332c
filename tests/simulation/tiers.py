"""Homes, counties, a prefecture and a province, from a seed: what homes record arrives at the top, whatever happens.

Real folders, the real exchange over real sockets through lines that are cut, the hubs' own `Forwarder`, all in one
process. Hubs die in the middle of what they store, or of what they were told; the province is put back to an older
copy; a home moves to another county with its log; counties and the province order erasures. In the end the top holds
every entry of every log, receipts cover all of them at every tier, nothing erased is left, and each tier shows what
the ones below it show, under full names.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
from aiohttp import web

from central_hub import ordering
from central_hub.forwarding import Forwarder, passed_on
from central_hub.obeying import Obedience
from central_hub.registry import Admissions
from central_hub.router import Router
from domain.views import TABLES
from node.erasing import Order
from node.exchanging import Exchanger
from node.folder import Config, Folder, Hub, create_folder
from node.projection import Projection
from node.records import draft_of
from sync import above
from sync.errors import SubjectErased, Unreachable
from sync.log_schema import Kind
from sync.server import ExchangeServer
from sync.store import Store
from sync.verify import verify
from tests.domain.domain_samples import DAY, phone, registered, talk
from tests.simulation.copies import Clock, KilledError
from tests.simulation.naming import a_life, standing
from tests.sync.test_exchange import Line, listening

FAULTS = (
    "line cut",
    "killed before it stored",
    "killed after it stored",
    "killed before it kept a receipt",
    "killed after it kept a receipt",
    "power cut",
    "province put back",
    "home moved to another county",
    "erased at a county",
    "erased at the province",
)
CHILDREN_OF_A_HOME = 3


class Node:
    """A home or a hub: its folder, and its process as long as it lives."""

    kind = "home"

    def __init__(self, world: World, name: str, code: str = "") -> None:
        self.world, self.name = world, name
        self.path = world.folder / name
        self.above: Tier | None = None
        create_folder(self.path, Config(kind=self.kind, name=name, code=code))
        self.start()

    def start(self) -> None:
        self.folder = Folder(self.path, self.kind)
        self.store = Store(self.path, self.folder.master)
        self.exchanger = self.make_exchanger() if self.folder.config.hub else None

    def make_exchanger(self) -> Exchanger:
        return Exchanger(self.folder, self.store, self.world.clock, self.erase)

    def restart(self) -> None:
        self.store.close()
        self.start()

    def erase(self, order: Order) -> None:
        self.store.erase(order.subjects, by=order.by, ground=order.ground, now_ms=self.world.clock())

    def join(self, hub: Tier, code: str) -> None:
        digest = self.world.dice.randbytes(32)
        hub.registry.invite(code, self.name, digest, is_hub=self.kind == "hub")
        hub.registry.join(code, digest, self.store.signer.public_key, is_hub=self.kind == "hub")
        self.above = hub
        key = hub.store.identity.public_key.hex()
        self.folder.save_config(hub=Hub(url="http://127.0.0.1:9", key=key, name=hub.name), code=code)
        self.restart()


class Home(Node):
    def __init__(self, world: World, name: str, number: int) -> None:
        super().__init__(world, name, "home-01")
        self.children = [bytes([number, n]) * 8 for n in range(1, 1 + CHILDREN_OF_A_HOME)]

    def record(self) -> None:
        dice = self.world.dice
        for _ in range(dice.randrange(1, 6)):
            child = dice.choice(self.children)
            self.world.clock.now_ms += dice.randrange(1, 60_000)
            event = dice.choice([talk(minutes=dice.randrange(1, 99)), phone(f"1{dice.randrange(10**9, 10**10)}")])
            if not self.store.entries_of_subject(child):
                event = registered(f"孩子{child[1]}", on=DAY)
            with contextlib.suppress(SubjectErased):
                self.store.record([draft_of(child, event, "w", self.world.clock())]).result(10)


class Tier(Node):
    """A hub on some tier, as `app.py` puts it together, without its pages."""

    kind = "hub"

    def start(self) -> None:
        self.is_dead = False
        super().start()
        self.registry = Admissions(self.store, self.world.clock)
        router = Router(self.store, self.registry, self.world.clock)
        self.server = ExchangeServer(
            self.store, self.registry.key_of, self.world.clock, self.registry.logs_of, self.registry.admit,
            outbox_of=router.outbox_of, route=router.catch_up_quickly,
        )  # fmt: skip
        self.obedience = Obedience(self.store, self.registry, self.erase, self.world.clock)
        if self.folder.config.hub:
            self.exchanger = Forwarder(self.folder, self.store, self.registry, self.world.clock, self.erase)

    def make_exchanger(self) -> Exchanger | None:
        return None  # made when there is a registry

    def erase(self, order: Order) -> None:
        ordering.address(self.store, order, self.world.clock())
        super().erase(order)

    def routes(self) -> list[web.RouteDef]:
        async def exchange(request: web.Request) -> web.StreamResponse:
            return await self.server.exchange(request)

        async def held(request: web.Request) -> web.Response:
            return await self.server.held(request)

        of_held = self.server.routes()[1].path
        return [web.post("/v1/exchange", exchange), web.get(of_held, held)]

    async def end_exchanges(self) -> None:
        """What is left of exchanges that were cut must not meet a closed store."""
        if rest := [task for _, task in self.server._running.values() if not task.done()]:
            for task in rest:
                task.cancel()
            await asyncio.wait(rest)


class World:
    """All of it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.dice = random.Random(seed)
        self.folder, self.clock = folder, Clock()
        self.fired: Counter[str] = Counter()
        self.is_faulty = True
        self.erased: set[bytes] = set()
        self.copies: list[Path] = []
        self.province, self.prefecture = Tier(self, "hebei"), Tier(self, "hejian")
        self.counties = [Tier(self, "qingxi"), Tier(self, "baihe")]
        self.prefecture.join(self.province, "hejian")
        for county in self.counties:
            county.join(self.prefecture, county.name)
        self.homes = [Home(self, f"home-{n}", n) for n in range(1, 5)]
        for n, home in enumerate(self.homes):
            home.join(self.counties[n // 2], f"home-0{1 + n % 2}")
        self.moved: Home | None = None
        self.lines: dict[Tier, Line] = {}
        self.urls: dict[Tier, str] = {}
        self.projection = self.follow(self.province)

    @property
    def hubs(self) -> list[Tier]:
        return [*self.counties, self.prefecture, self.province]

    def follow(self, tier: Tier, name: str = "views.db") -> Projection:
        return Projection(tier.store, tier.path / name, tier.registry.code_of)

    # -- what may happen

    async def step(self) -> None:
        dice, happening = self.dice, self.dice.random()
        if happening < 0.30:
            dice.choice(self.homes).record()
        elif happening < 0.50:
            await self.exchange(dice.choice(self.homes))
        elif happening < 0.80:
            await self.exchange(dice.choice([*self.counties, self.prefecture, self.prefecture]))
        elif happening < 0.85:
            await self.cut_power(dice.choice([*self.homes, *self.hubs]))
        elif happening < 0.90:
            self.obey(dice.choice(self.hubs))
        elif happening < 0.925:
            self.order_erasure()
        elif happening < 0.945:
            await self.copy_province()
        elif happening < 0.96:
            await self.put_province_back()
        elif self.moved is None and dice.random() < 0.5:
            self.move()
        else:
            for _ in self.projection.catch_up():
                pass

    async def exchange(self, node: Home | Tier) -> bool:
        """One attempt, after which anything may be cut; whether it came to its end."""
        hub, exchanger = node.above, node.exchanger
        assert hub is not None
        assert exchanger is not None
        line = self.lines[hub]
        line.up_bytes_max = line.down_bytes_max = float("inf")
        if self.is_faulty and self.dice.random() < 0.35:
            self.fired["line cut"] += 1
            line.up_bytes_max, line.down_bytes_max = self.dice.randrange(300, 6000), self.dice.randrange(300, 6000)
        exchanger._url = self.urls[hub]
        try:
            with self.dying(hub, "append", "it stored"), self.dying(node, "keep_receipt", "it kept a receipt"):
                await exchanger.once()
            return not exchanger._left
        except Unreachable:
            return False
        except KilledError:
            await self.cut_power(node)
            return False
        finally:
            if hub.is_dead:
                await self.cut_power(hub)

    @contextlib.contextmanager
    def dying(self, node: Home | Tier, what: str, words: str) -> Iterator[None]:
        """Now and then the process is gone in the moment in which it stores something, before or after."""
        how = self.dice.random() if self.is_faulty else 1.0
        store, work = node.store, getattr(node.store, what)

        def dying(*arguments: Any, **named: Any) -> Any:
            if how < 0.1:
                self.fired[f"killed before {words}"] += 1
                node.is_dead = True
                raise KilledError
            done = work(*arguments, **named)
            if how < 0.2:
                self.fired[f"killed after {words}"] += 1
                done.result(10)
                node.is_dead = True
                raise KilledError
            return done

        setattr(store, what, dying)
        try:
            yield
        finally:
            delattr(store, what)

    async def cut_power(self, node: Home | Tier) -> None:
        self.fired["power cut"] += 1
        if isinstance(node, Tier):
            await node.end_exchanges()
        if node is self.province:
            self.projection.close()
        node.restart()
        if node is self.province:
            self.projection = self.follow(self.province)

    def obey(self, tier: Tier) -> None:
        tier.obedience.follow()

    def order_erasure(self) -> None:
        if len(self.erased) >= 2:
            return
        home = self.dice.choice(self.homes)
        child = self.dice.choice(home.children)
        tier = self.province if len(self.erased) % 2 else home.above
        if child in self.erased or not tier.store.entries_of_subject(child):
            return
        self.fired["erased at the province" if tier is self.province else "erased at a county"] += 1
        self.erased.add(child)
        tier.erase(Order([child], "li", "asked"))

    async def copy_province(self) -> None:
        if self.erased:
            return
        await self.province.end_exchanges()
        self.projection.close()
        self.province.store.close()
        self.copies.append(Path(shutil.copytree(self.province.path, self.folder / f"copy-{len(self.copies)}")))
        self.province.start()
        self.projection = self.follow(self.province)

    async def put_province_back(self) -> None:
        """To an older copy. What it has ordered since would be another hub's story: then it is left alone."""
        if not self.copies or self.erased:
            return
        self.fired["province put back"] += 1
        await self.province.end_exchanges()
        self.projection.close()
        self.province.store.close()
        shutil.rmtree(self.province.path)
        shutil.copytree(self.dice.choice(self.copies), self.province.path)
        self.province.start()
        self.projection = self.follow(self.province)

    def move(self) -> None:
        """A home goes on in another county, with its computer and its log."""
        home = self.homes[0]
        if self.erased & set(home.children):
            return  # the order may still be on its way to it
        self.fired["home moved to another county"] += 1
        self.moved = home
        self.moved.join(self.counties[1], "home-09")

    # -- what must hold

    def check(self) -> None:
        """At any moment: every copy is a beginning of its original, and no receipt of a hub above is false."""
        for tier in self.hubs:
            held = {branch.log: branch.size for branch in tier.store.branches() if branch.kind != Kind.PART}
            for node in (*self.homes, *self.counties, self.prefecture):
                log = node.store.log
                if node is not tier and held.get(log):
                    assert held[log] <= node.store.size(log)
                    assert tier.store.root(log, held[log]) == node.store.root(log, held[log]), "not a prefix"
        for tier in (*self.counties, self.prefecture):
            key = tier.above.store.signer.public_key
            assert above.first_bad(tier.store, key) == ""

    async def settle(self) -> None:
        """No more faults: after a few rounds the top has everything, receipted on every tier, and nothing erased."""
        self.is_faulty = False
        for _ in range(3):
            for node in (*self.homes, *self.counties, self.prefecture):
                for _ in range(12):
                    if await self.exchange(node):
                        break
                else:
                    raise AssertionError(f"{node.name} does not come to the end of an exchange: "
                                         f"{node.folder.exchange_state().last_failure}")  # fmt: skip
            for tier in self.hubs:
                self.obey(tier)
            self.clock.now_ms += 2 * 3600 * 1000  # time to ask about every log again
        self.check()
        for home in self.homes:
            size = home.store.size(home.store.log)
            for tier in (home.above, self.prefecture, self.province):
                assert tier.store.size(home.store.log) == size
        for tier in (*self.counties, self.prefecture):
            for one in passed_on(tier.store, tier.registry, tier.above.store.signer.public_key):
                has_moved_on = self.moved is not None and one.log == self.moved.store.log
                assert one.receipted == one.size or (has_moved_on and tier is self.counties[0]), "not receipted above"
        for node in (*self.hubs, *self.homes):
            assert [child for child in self.erased if node.store.entries_of_subject(child)] == []
            verdict = verify(node.store, None, lambda _: None)
            assert verdict.first_bad is None, verdict
        self.compare()

    def compare(self) -> None:
        """Every tier shows what those below it show; the live tables of the top are the rebuilt ones."""
        for _ in self.projection.catch_up():
            pass
        assert self.projection.views.digest() == self.digest(self.province)
        top, middle = self.rows(self.province), self.rows(self.prefecture)
        assert repr(top).replace("hejian/", "") == repr(middle)
        left_out = set(self.moved.children) if self.moved else set()
        below = [row for county in self.counties for row in self.rows(county, f"{county.name}/")]
        assert sorted(repr(row) for row in below if row[1][0] not in left_out) == sorted(
            repr(row) for row in middle if row[1][0] not in left_out
        )

    def digest(self, tier: Tier) -> dict[str, str]:
        found = self.fresh(tier)
        try:
            return found.views.digest()
        finally:
            found.close()

    def fresh(self, tier: Tier, hub: str = "") -> Projection:
        """Read models built anew; `hub`: under the names that the hub above uses."""
        path = self.folder / "fresh.db"
        home_of = tier.registry.code_of
        own = tier.store.log

        def named(log: bytes) -> str:
            return home_of(log) if log == own or not hub else hub + home_of(log)

        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        projection = Projection(tier.store, path, named)
        for _ in projection.catch_up():
            pass
        return projection

    def rows(self, tier: Tier, hub: str = "") -> list[tuple[str, tuple[Any, ...]]]:
        found = self.fresh(tier, hub)
        try:
            return [(name, row) for name in sorted(TABLES) for row in found.views.rows_of(name)]
        finally:
            found.close()

    def close(self) -> None:
        self.projection.close()
        for node in (*self.hubs, *self.homes):
            with contextlib.suppress(apsw.Error):
                node.store.close()


async def live(seed: int, folder: Path, steps_count: int) -> Counter[str]:
    world = World(seed, folder)
    try:
        async with contextlib.AsyncExitStack() as stack:
            for tier in world.hubs:
                line = world.lines[tier] = Line(await stack.enter_async_context(listening(tier.routes())))
                world.urls[tier] = await stack.enter_async_context(standing(line.connected))
            for _ in range(steps_count):
                await world.step()
                world.check()
            await world.settle()
            for tier in world.hubs:
                await tier.end_exchanges()
            await asyncio.sleep(0.05)  # connections see the end
    finally:
        world.close()
    return world.fired


def run(seed: int, folder: Path, steps_count: int) -> Counter[str]:
    """One life of all tiers; the faults that really happened."""
    with a_life(seed, folder, steps_count):
        return asyncio.run(live(seed, folder, steps_count))
