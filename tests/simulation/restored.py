"""A county whose hub is restored, and put back by hand without knowing it, again and again while everything goes on.

Real folders and the real exchange over real sockets, through a line that is cut, all in one process from a seed.
Children move between homes, the county corrects and erases, outboxes are filled and followed. No model says what the
hub should hold: what counts is that nobody is blocked, that each home ends with exactly what routing grants, that the
county's word which any folder still has counts everywhere, once, and that who was erased is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import msgpack
from aiohttp import web

from central_hub.ordering import address
from central_hub.registry import Admissions
from central_hub.restoring import Restoring
from central_hub.router import Router
from domain import events as e
from domain import forms
from domain.views import TABLES
from node import incarnations, mailbox
from node.deciding import folding_of
from node.erasing import Order
from node.exchanging import Exchanger
from node.folder import Config, Folder, Hub, create_folder
from node.mailbox import HomesByMailbox
from node.records import draft_of, record_of
from node.views import Follower, Views
from sync import epoch, outbox, outbox_sql
from sync.erasure import ledger
from sync.errors import RefusedByPeer, Unreachable
from sync.server import ExchangeServer
from sync.store import Store
from sync.verify import verify
from tests.simulation.copies import Clock
from tests.sync.test_exchange import Line, listening

CODES = ("home-01", "home-02", "home-03")
CHILDREN = 6
DAY = dt.date(2024, 9, 1)
FAULTS = (
    "put back by hand",
    "restored from a backup",
    "line cut",
    "hub restarted",
    "corrected by the county",
    "erased by the county",
    "moved",
    "epoch: backup",
    "epoch: forgotten",
    "taken back",
)
"""What must have happened; "epoch: forked" is rare."""


class House:
    """One home's folder, and its process."""

    def __init__(self, county: County, code: str) -> None:
        self.county, self.code, self.path = county, code, county.folder / code
        hub = Hub(url="http://127.0.0.1:9", key=county.key.hex(), name="清溪县")
        create_folder(self.path, Config(kind="home", name=code, code=code, hub=hub))
        self.start()

    def start(self) -> None:
        self.folder = Folder(self.path, "home")
        self.store = Store(self.path, self.folder.master)
        self.exchanger = Exchanger(self.folder, self.store, self.county.clock, self.erase)

    def restart(self) -> None:
        self.store.close()
        self.start()

    def erase(self, order: Order) -> None:
        self.store.erase(order.subjects, by=order.by, ground=order.ground, now_ms=self.county.clock())

    def home_of(self, log: bytes) -> str:
        return HomesByMailbox(self.store, self.code, self.county.key).home_of(log)


class County:
    """The hub, its older copies, and the homes."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.dice, self.folder, self.clock = random.Random(seed), folder, Clock()
        self.fired: Counter[str] = Counter()
        self.hub_path = folder / "hub"
        create_folder(self.hub_path, Config(kind="hub", name="清溪县"))
        self.names, self.day = 0, DAY
        self.backups: list[Path] = []
        self.line: Line | None = None
        self.start_hub()
        self.key = self.hub.identity.public_key
        self.houses = {code: House(self, code) for code in CODES}
        for code, house in self.houses.items():
            digest = self.dice.randbytes(32)
            self.registry.invite(code, code, digest)
            self.registry.join(code, digest, house.store.signer.public_key)
        self.words: dict[bytes, list[str]] = {}
        self.holder: dict[bytes, str] = {}
        self.offered: dict[bytes, str] = {}
        self.moved: set[bytes] = set()
        for number in range(CHILDREN):
            child = bytes([number + 1]) * 16
            self.holder[child], self.words[child] = self.dice.choice(CODES), []
            born = e.ChildRegistered(name=self.word(child), sex="male", registered_on=DAY)
            self.record(self.holder[child], child, born)
        self.save()

    def word(self, child: bytes) -> str:
        self.words[child].append(f"word {self.dice.randbytes(8).hex()}")
        return self.words[child][-1]

    def store_of(self, code: str) -> Store:
        return self.houses[code].store if code else self.hub

    def home_of(self, code: str) -> Any:
        return self.houses[code].home_of if code else self.registry.code_of

    def record(self, code: str, child: bytes, event: e.Event, deps: Any = None) -> None:
        store = self.store_of(code)
        self.day += dt.timedelta(days=1)
        self.clock.now_ms += 60_000
        if child not in store._tail.erased:  # the command would be refused
            store.record([draft_of(child, event, "li", self.clock())._replace(deps=deps or {})]).result(10)

    # -- the hub

    def start_hub(self) -> None:
        self.hub = Store(self.hub_path)
        self.registry = Admissions(self.hub, self.clock)
        self.router = Router(self.hub, self.registry, self.clock)
        self.restoring = Restoring(self.hub, self.registry, self.clock)
        self.server = ExchangeServer(
            self.hub, self.registry.key_of, self.clock, self.registry.logs_of, self.registry.admit,
            outbox_of=self.router.outbox_of, route=self.route, restored=self.answer,
        )  # fmt: skip

    def answer(self, log: bytes, message: Any) -> Any:
        before = self.hub.position()
        answered = self.restoring.answer(log, message)
        self.fired["taken back"] += type(message).__name__ == "Returned" and self.hub.position() > before
        return answered

    def route(self) -> None:
        if self.line is None or self.dice.random() < 0.8:
            self.router.catch_up_quickly()

    def routes(self) -> list[web.RouteDef]:
        async def exchange(request: web.Request) -> web.StreamResponse:
            return await self.server.exchange(request)

        return [web.post("/v1/exchange", exchange)]

    async def end_exchanges(self) -> None:
        """What is left of exchanges that were cut must not meet a closed store."""
        if rest := [task for task in self.server._running.values() if not task.done()]:
            for task in rest:
                task.cancel()
            await asyncio.wait(rest)

    def copy(self, path: Path) -> Path:
        self.names += 1
        return Path(shutil.copytree(path, self.folder / f"hub.{self.names}"))

    def save(self) -> None:
        self.hub.close()
        self.backups.append(self.copy(self.hub_path))
        self.start_hub()

    def restart_hub(self) -> None:
        self.fired["hub restarted"] += 1
        self.hub.close()
        self.start_hub()

    def put_back(self) -> None:
        """An older copy of the hub's folder; restored with the command, or by hand."""
        self.hub.close()
        self.note_epochs()
        self.hub_path = self.copy(self.dice.choice(self.backups))
        if self.dice.random() < 0.3:
            self.fired["restored from a backup"] += 1
            incarnations.restored(Folder(self.hub_path, "hub"), self.clock)
        else:
            self.fired["put back by hand"] += 1
        self.start_hub()

    def note_epochs(self) -> None:
        with contextlib.closing(Store(self.hub_path)) as store:
            for one in incarnations.shown(store):
                if "epoch" in one:
                    self.fired[f"epoch: {one['why']}"] += 1

    # -- what happens

    def talk(self, child: bytes, code: str) -> None:
        call = e.FamilyContactMade(kind="call", on=self.day, reached=True, minutes=2, note=self.word(child))
        self.record(self.dice.choice([self.holder[child], code]), child, call)

    def move(self, child: bytes, code: str) -> None:
        giver = self.holder[child]
        if child in self.offered:
            taker = self.offered.pop(child)
            self.record(taker, child, e.ChildTransferAccepted(on=self.day, reason=self.word(child)))
            self.holder[child] = taker
            self.moved.add(child)
            self.fired["moved"] += 1
        elif code != giver:
            self.offered[child] = code
            self.record(giver, child, e.ChildTransferRequested(to_home=code, on=self.day))

    def correct(self, child: bytes, code: str) -> None:
        """The county, or the child's home, corrects the name on a form that shows all that is there."""
        by = self.dice.choice(["", "", self.holder[child]])
        taken = list(folding_of(self.store_of(by), child, self.home_of(by)).taken())
        target = next((one.id for one in taken if isinstance(one.event, e.ChildRegistered)), None)
        if target is None:
            return
        deps = forms.deps_of(forms.version_of(taken), self.store_of(by).log, taken)
        self.record(by, child, e.FactCorrected(target=UUID(bytes=target), field="name", value=self.word(child)), deps)
        self.fired["corrected by the county"] += by == ""

    def erase(self, child: bytes, _code: str) -> None:
        if self.dice.random() < 0.15 and child not in ledger(self.hub).ordered:
            address(self.hub, Order((child,), "li", "asked"), self.clock())
            self.hub.erase([child], by="li", ground="asked", now_ms=self.clock())
            self.fired["erased by the county"] += 1

    async def exchange(self, code: str, url: str) -> bool:
        """One attempt, after which anything may be cut; whether it came to its end."""
        exchanger = self.houses[code].exchanger
        exchanger._url = url
        try:
            await exchanger.once()
        except Unreachable:
            return False
        except RefusedByPeer as refusal:
            if refusal.code != "gap":
                raise
            return False
        return not exchanger._left

    async def step(self, url: str) -> None:
        assert self.line is not None
        dice = self.dice
        child, code = dice.choice(sorted(self.holder)), dice.choice(CODES)
        happening = dice.random()
        if happening < 0.35:
            dice.choice([self.talk, self.talk, self.move, self.move, self.correct, self.erase])(child, code)
        elif happening < 0.83:
            self.line.up_bytes_max = self.line.down_bytes_max = float("inf")
            if dice.random() < 0.35:
                self.fired["line cut"] += 1
                self.line.up_bytes_max, self.line.down_bytes_max = dice.randrange(300, 6000), dice.randrange(300, 6000)
            await self.exchange(code, url)
        elif happening < 0.87:
            self.houses[code].restart()
        else:
            await self.end_exchanges()
            if happening < 0.91:
                self.save()
            elif happening < 0.95:
                self.restart_hub()
            else:
                self.put_back()

    # -- what must hold

    async def settle(self, url: str) -> None:
        """No more faults: after a few rounds every home has what is its own, and all show the same."""
        self.line = None
        orders = self.ordered()
        said = set().union(*(self.said(code) for code in ("", *CODES)))
        for house in self.houses.values():
            house.restart()
        for _ in range(4):
            self.restoring.obey(self._carry_out)
            for _ in self.router.catch_up():
                pass
            for code in CODES:
                for _ in range(12):
                    if await self.exchange(code, url):
                        break
                else:
                    raise AssertionError(f"an exchange of {code} does not come to its end")
        self.note_epochs_of_running()
        assert said - orders <= self.said(""), "the county's word that somebody had is missing at the hub"
        self._require_pictures(orders)
        for code in CODES:
            self._require_outbox(code)
        for store in (self.hub, *(house.store for house in self.houses.values())):
            assert (verdict := verify(store, None, lambda _: None)).first_bad is None, verdict

    def _carry_out(self, order: Order) -> None:
        address(self.hub, order, self.clock())
        self.hub.erase(order.subjects, by=order.by, ground=order.ground, now_ms=self.clock())

    def note_epochs_of_running(self) -> None:
        for one in incarnations.shown(self.hub):
            self.fired[f"epoch: {one['why']}"] += "epoch" in one

    def ordered(self) -> set[Any]:
        """Subjects whose erasure the hub or any home's mailbox knows, and what their entries were called."""
        found: set[Any] = set(ledger(self.hub).ordered)
        for code, house in self.houses.items():
            orders = mailbox.read(house.store, self.key, code).orders
            found |= {subject for order in orders for subject in order.subjects}
        for code in ("", *CODES):
            for child in found & self.holder.keys():
                found |= {one.id for one in self.records(code, child)}
        return found

    def records(self, code: str, child: bytes) -> list[Any]:
        home_of = self.home_of(code)
        pairs = [(entry, entry.body()) for entry in self.store_of(code).entries_of_subject(child)]
        return [record_of(entry, body, home_of(entry.log)) for entry, body in pairs if body is not None]

    def said(self, code: str) -> set[bytes]:
        """What the county has said about children, as far as a node knows it: ids of what counts."""
        records = [one for child in self.holder for one in self.records(code, child)]
        return {one.first_id or one.id for one in records if one.home == ""}

    def rows(self, code: str) -> dict[bytes, Any]:
        """All rows of the read models, by child."""
        self.names += 1
        store = self.store_of(code)
        views = Views.create(self.folder / f"views.{self.names}.db", store.master)
        try:
            for _ in Follower(store, views, self.home_of(code)).catch_up():
                pass
            found = {name: views.rows_of(name) for name in TABLES}
        finally:
            views.close()
        return {c: {name: [row for row in rows if row[0] == c] for name, rows in found.items()} for c in self.holder}

    def _require_pictures(self, orders: set[Any]) -> None:
        shown = {code: self.rows(code) for code in ("", *CODES)}
        for child, holder in self.holder.items():
            if child in orders:
                for code in ("", *CODES):
                    assert shown[code][child]["child"] == [], "who was erased is still there"
                    content = b"".join(msgpack.packb(one.event and repr(one)) for one in self.records(code, child))
                    assert not any(word.encode() in content for word in self.words[child])
            elif child in self.moved:
                assert shown[holder][child] == shown[""][child]
            for code in CODES:
                wrote = {self.registry.code_of(entry.log) for entry in self.hub.entries_of_subject(child)}
                if code != holder and code not in wrote and child not in self.offered:
                    assert self.houses[code].store.entries_of_subject(child) == [], "a home was given somebody else's"

    def _require_outbox(self, code: str) -> None:
        """A home follows the newest epoch, and its roots are the ones that the hub has signed in it."""
        store, now = self.houses[code].store, epoch.current(self.hub)
        log = outbox.outbox_id(self.key, code, now)
        size = outbox.size_of(self.hub, log)
        assert outbox.size_of(store, log) == size
        held = [box for box in store.reading(outbox_sql.outboxes) if box.size]
        assert all(box.epoch <= now for box in held)
        ours, theirs = (
            {one.size: one.root for box in one_store.reading(outbox_sql.outboxes) if box.log == log
             for one in one_store.reading(lambda db, b=box: outbox_sql.checkpoints(db, b.id, 0, b.size))}
            for one_store in (store, self.hub)
        )  # fmt: skip
        assert all(theirs.get(n, root) == root for n, root in ours.items())

    def close(self) -> None:
        for store in (self.hub, *(house.store for house in self.houses.values())):
            with contextlib.suppress(apsw.Error):
                store.close()


async def live(seed: int, folder: Path, steps_count: int) -> Counter[str]:
    county = County(seed, folder)
    try:
        async with listening(county.routes()) as url:
            county.line = Line(url)
            server = await asyncio.start_server(county.line.connected, "127.0.0.1", 0)
            try:
                through = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
                for _ in range(steps_count):
                    await county.step(through)
                await county.end_exchanges()
                await county.settle(url)
            finally:
                server.close()
                await asyncio.sleep(0.05)  # its connections see the end
                await county.end_exchanges()
    finally:
        county.close()
    return county.fired


def run(seed: int, folder: Path, steps_count: int) -> Counter[str]:
    """One life of the county; the faults that really happened. A failure names its seed."""
    folder.mkdir()
    try:
        return asyncio.run(live(seed, folder, steps_count))
    except BaseException as error:
        error.add_note(f"seed {seed}, {steps_count} steps")
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
