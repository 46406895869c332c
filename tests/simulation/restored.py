"""A county whose hub is restored, and put back by hand without knowing it, again and again while everything goes on.

Real folders and the real exchange over `wires` that are cut, all in one thread. Keys too follow from the seed, so that
a seed and a commit give the same life. Children move between homes, the county corrects and erases, outboxes are filled
and followed. No model says what the hub should hold: what counts is that nobody is blocked, that each home ends with
exactly what routing grants, that the county's word which any folder still has counts everywhere, once, and that who was
erased is gone.

In a life in which homes fall back, too, every home's word that any folder still has counts in the end as well. In all
of them no value of a field is gone that nobody replaced who had seen it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import random
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import msgpack

from central_hub.ordering import address
from central_hub.registry import Admissions
from domain import events as e
from domain import forms
from domain.folding import Folding, fold
from domain.routing import EVERYTHING, grants
from domain.views import TABLES
from node import incarnations, mailbox
from node.deciding import folding_of
from node.erasing import Order
from node.folder import Folder
from node.following import Follower
from node.mailbox import HomesByMailbox
from node.records import draft_of, record_of
from node.views import Views
from sync import epoch, log_sql, outbox, outbox_sql
from sync.entry import EXT_SAW, EXT_STOOD
from sync.erasure import erased_subjects, ledger
from sync.errors import RefusedByPeer, Unreachable
from sync.log_schema import Kind
from sync.store import Store
from sync.verify import verify
from tests.simulation.copies import Clock
from tests.simulation.nodes import Computer, Hub
from tests.simulation.overwriting import Edits
from tests.simulation.wires import Loop, Network

SLOW_ODDS = 0.1
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
    "moved, and compared",
    "epoch: backup",
    "epoch: forgotten",
    "taken back",
)
"""What must have happened; "epoch: forked" is rare."""


class House(Computer):
    """One home's computer."""

    def home_of(self, log: bytes) -> str:
        return HomesByMailbox(self.store, self.code, self.hub_key).home_of(log)


class RestoredHub(Hub):
    """The hub, which routes now and then only, and says what it took back."""

    def __init__(self, county: County, path: Path) -> None:
        self.county = county
        super().__init__(path, county.network, county.clock)

    def route(self) -> None:
        if self.county.is_calm or self.county.dice.random() < 0.8:
            for _ in self.router.catch_up():
                pass

    def restored(self, log: bytes, message: Any) -> Any:
        before = self.store.position()
        answered = super().restored(log, message)
        self.county.fired["taken back"] += type(message).__name__ == "Returned" and self.store.position() > before
        return answered


class County:
    """The hub, its older copies, and the homes."""

    def __init__(self, seed: int, folder: Path, *, homes_fall: bool = False) -> None:
        self.homes_fall = homes_fall
        self.home_backups: list[tuple[str, Path, Path]] = []  # with a copy of the hub of that day
        self.dice, self.folder, self.clock = random.Random(seed), folder, Clock()
        self.fired: Counter[str] = Counter()
        self.is_calm = False
        self.seeded = contextlib.ExitStack()
        self.seeded.enter_context(seeded_secrets(self.dice))
        self.loop = Loop(lambda: not self.is_calm and self.dice.random() < SLOW_ODDS)
        asyncio.set_event_loop(self.loop)
        self.network = Network(self.loop)
        self.names, self.day = 0, DAY
        self.backups: list[Path] = []
        self.office = RestoredHub(self, folder / "hub")
        self.key = self.hub.identity.public_key
        self.houses = {code: self.house(code) for code in CODES}
        self.words: dict[bytes, list[str]] = {}
        self.holder: dict[bytes, str] = {}
        self.offered: dict[bytes, str] = {}
        self.moved: set[bytes] = set()
        self.edits = Edits()
        for number in range(CHILDREN // 2 if homes_fall else CHILDREN):
            child = bytes([number + 1]) * 16
            self.holder[child], self.words[child] = self.dice.choice(CODES), []
            born = e.ChildRegistered(name=self.word(child), sex="male", registered_on=DAY)
            self.record(self.holder[child], child, born)
        self.save()

    def house(self, code: str) -> House:
        house = House(self.folder / code, code, self.network, self.clock, hub_key=self.key)
        self.office.invite(code, house, self.dice.randbytes(32))
        return house

    @property
    def hub(self) -> Store:
        return self.office.store

    @property
    def registry(self) -> Admissions:
        return self.office.registry

    def word(self, child: bytes) -> str:
        self.words[child].append(f"word {self.dice.randbytes(8).hex()}")
        return self.words[child][-1]

    def store_of(self, code: str) -> Store:
        return self.houses[code].store if code else self.hub

    def home_of(self, code: str) -> Any:
        return self.houses[code].home_of if code else self.registry.code_of

    def record(
        self, code: str, child: bytes, event: e.Event, deps: Any = None, saw: Sequence[bytes] = (), lamport: int = 0
    ) -> Any:
        store = self.store_of(code)
        self.day += dt.timedelta(days=1)
        self.clock.now_ms += 60_000
        if child not in store._tail.erased:  # the command would be refused
            named = {EXT_SAW: list(saw)} if saw else {}
            draft = draft_of(child, event, "li", self.clock())
            draft = draft._replace(deps=deps or {}, extensions=named, lamport=lamport)
            return store.record([draft]).result()[0].id
        return None

    # -- the hub

    def copy(self, path: Path) -> Path:
        self.names += 1
        return Path(shutil.copytree(path, self.folder / f"hub.{self.names}"))

    def save(self) -> None:
        self.office.stop()
        self.backups.append(self.copy(self.office.path))
        self.office.start()

    def restart(self, node: RestoredHub | House) -> None:
        self.fired["hub restarted"] += node is self.office
        node.stop()
        node.start()

    def put_back(self, backup: Path | None = None) -> None:
        """An older copy of the hub's folder; restored with the command, or by hand."""
        self.note_epochs()
        self.office.stop()
        self.office.path = self.copy(backup or self.dice.choice(self.backups))
        if self.dice.random() < 0.3:
            self.fired["restored from a backup"] += 1
            incarnations.restored(Folder(self.office.path, "hub"), self.clock)
        else:
            self.fired["put back by hand"] += 1
        self.office.start()

    def note_epochs(self) -> None:
        for one in incarnations.shown(self.hub):
            if "epoch" in one:
                self.fired[f"epoch: {one['why']}"] += 1

    def note_others(self) -> None:
        """What came of homes that were put back together with the county."""
        again = [body.extensions.get(EXT_STOOD, ()) for log in self.hub.own_logs()
                 for entry in self.hub.entries_of_log(log) if (body := entry.body()) is not None]  # fmt: skip
        self.fired["said again in a home's name"] += sum(len(stood) == 5 for stood in again)
        kinds = [one.kind for house in self.houses.values() for one in house.store.reading(log_sql.branches)]
        self.fired["kept beside"] += kinds.count(Kind.BESIDE)

    # -- what happens

    def talk(self, child: bytes, code: str) -> None:
        call = e.FamilyContactMade(kind="call", on=self.day, reached=True, minutes=2, note=self.word(child))
        self.record(self.dice.choice([self.holder[child], code]), child, call)

    def move_child(self, child: bytes, code: str) -> None:
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
        shown = folding_of(self.store_of(by), child, self.home_of(by))
        target = next((one.id for one in shown.taken() if isinstance(one.event, e.ChildRegistered)), None)
        if target is None:
            return
        self.edit(by, child, e.FactCorrected(target=UUID(bytes=target), field="name", value=self.word(child)), shown)
        self.fired["corrected by the county"] += by == ""

    def change(self, child: bytes, _code: str) -> None:
        """The child's home, or the one that had it before, changes a number in the same way."""
        self.change_number(self.dice.choice([self.holder[child], *CODES]), child)

    def change_number(self, by: str, child: bytes) -> None:
        shown = folding_of(self.store_of(by), child, self.home_of(by))
        if any(one.home == by for one in shown.taken()):
            number = f"1{self.dice.randrange(10**10):010}"
            self.edit(by, child, e.ContactCardChanged(field="home_phone", value=number), shown)

    def edit(self, by: str, child: bytes, event: e.Event, shown: Folding) -> None:
        taken, log = list(shown.taken()), self.store_of(by).log
        version = forms.version_of(taken)
        deps, saw = forms.deps_of(version, log, taken), forms.saw_of(version, log, taken)
        lamport = forms.lamport_behind(deps, taken, saw) if deps or saw else 0
        id_ = self.record(by, child, event, deps, saw, lamport)
        if id_ is not None:
            self.edits.note(id_, shown)

    def erase(self, child: bytes, _code: str) -> None:
        if self.dice.random() < 0.15 and child not in ledger(self.hub).ordered:
            address(self.hub, Order((child,), "li", "asked"), self.clock())
            self.hub.erase([child], by="li", ground="asked", now_ms=self.clock())
            self.fired["erased by the county"] += 1

    def digest(self) -> str:
        """What every node holds, and what happened."""
        found = hashlib.sha256(repr(sorted(self.fired.items())).encode())
        for store in (self.hub, *(house.store for house in self.houses.values())):
            for entry in store.entries_after(0):
                found.update(entry.id + (entry.packed or b""))
        return found.hexdigest()

    def exchange(self, code: str) -> bool:
        """One attempt, after which anything may be cut; whether it came to its end."""
        house = self.houses[code]
        house.begin(house.exchanger.once())
        while not house.task.done():
            self.move()
        for wire in list(house.process.wires):
            wire.cut(0, 0)
        self.loop.settle()
        self.network.sweep()
        try:
            house.task.result()
        except Unreachable:
            return False
        except RefusedByPeer as refusal:
            if self.homes_fall and refusal.code.startswith("unknown"):  # a person acts
                self.office.invite(code, house, self.dice.randbytes(32))
            elif refusal.code != "gap":
                raise
            return False
        return not house.exchanger._left

    def move(self) -> None:
        """Some bytes arrive, or some work is done, or time passes."""
        self.loop.settle()
        moves: list[Callable[[], Any]] = [
            partial(pipe.carry, len(pipe.data) if self.dice.random() < 0.8 else self.dice.randint(1, len(pipe.data)))
            for wire in self.network.wires
            for pipe in wire.pipes
            if pipe.can_move
        ]
        moves += [partial(self.work, job) for job in self.loop.jobs]
        if moves:
            self.dice.choice(moves)()
        else:
            assert self.loop.later(), "everybody waits"
        self.loop.settle()

    def work(self, job: Any) -> None:
        self.loop.jobs.remove(job)
        job.run()

    def step(self) -> None:
        dice = self.dice
        child, code = dice.choice(sorted(self.holder)), dice.choice(CODES)
        falls = self.homes_fall and dice.random() < 0.08
        happening = dice.random()
        if falls:
            self.dice.choice([self.save_or_lose, self.save_or_lose, self.write_twice])(self.houses[code])
        elif happening < 0.35:
            ways = [self.talk, self.change, self.move_child, self.move_child, self.correct, self.erase]
            ways += [self.change] * (4 if self.homes_fall else 0)
            dice.choice(ways)(child, code)
        elif happening < 0.83:
            if dice.random() < 0.35:
                self.fired["line cut"] += 1
                self.network.limits = dice.randrange(300, 6000), dice.randrange(300, 6000)
            self.exchange(code)
            self.network.limits = None, None
        elif happening < 0.87:
            self.restart(self.houses[code])
        elif happening < 0.91:
            self.save()
        elif happening < 0.95:
            self.restart(self.office)
        else:
            self.put_back()

    def save_or_lose(self, house: House) -> None:
        """A copy of a home's folder, or an older one put in its place."""
        older = [paths for code, *paths in self.home_backups if code == house.code]
        house.stop()
        if not older or self.dice.random() < 0.4:
            self.save()
            self.home_backups.append((house.code, self.copy(house.path), self.backups[-1]))
        else:
            self.fired["home put back"] += 1
            path, hub = self.dice.choice(older[-3:])
            house.path = self.copy(path)
            if self.dice.random() < 0.7:  # the same misfortune befell the county
                self.put_back(hub)
        house.start()

    def write_twice(self, house: House) -> None:
        """What a home changes comes to others; itself and the county forget it, and it changes that again."""
        child = self.dice.choice(sorted(self.holder))
        house.stop()
        path = self.copy(house.path)
        house.start()
        self.save()
        hub = self.backups[-1]
        for _ in range(self.dice.randint(1, 2)):
            self.talk(child, house.code)
            self.change_number(house.code, child)
            for code in (house.code, *CODES):
                self.exchange(code)
        house.stop()
        house.path = self.copy(path)
        self.put_back(hub)
        house.start()
        for _ in range(self.dice.randint(1, 3)):
            self.talk(self.dice.choice(sorted(self.holder)), house.code)
            self.change_number(house.code, child)

    # -- what must hold

    def settle(self) -> None:
        """No more faults: after a few rounds every home has what is its own, and all show the same."""
        self.is_calm = True
        orders = self.ordered()
        said = set().union(*(self.said(code) for code in ("", *CODES)))
        about = {id_: child for code in ("", *CODES) for child in self.holder for id_ in self.said(code, child)}
        for node in (self.office, *self.houses.values()):
            self.restart(node)
        for _ in range(4):
            self.office.restoring.obey(self._carry_out)
            self.office.route()
            for code in CODES:
                for _ in range(12):
                    if self.exchange(code):
                        break
                else:
                    raise AssertionError(f"an exchange of {code} does not come to its end")
        self.note_epochs()
        missing = said - orders - self.said("")
        missing -= {id_ for id_ in missing if self.homes_fall and self.was_erased(about[id_])}
        assert not missing, f"{len(missing)} words that somebody had are missing at the hub"
        self.note_others()
        self._require_pictures(orders)
        for code in CODES:
            self._require_outbox(code)
        for store in (self.hub, *(house.store for house in self.houses.values())):
            assert (verdict := verify(store, None, lambda _: None)).first_bad is None, verdict

    def _carry_out(self, order: Order) -> None:
        address(self.hub, order, self.clock())
        self.hub.erase(order.subjects, by=order.by, ground=order.ground, now_ms=self.clock())

    def ordered(self) -> set[Any]:
        """Subjects whose erasure the hub or any home's mailbox knows, and what their entries were called."""
        found: set[Any] = set(ledger(self.hub).ordered)
        for code, house in self.houses.items():
            orders = mailbox.read(house.store, self.key, code).orders
            found |= {subject for order in orders for subject in order.subjects}
        for code in ("", *CODES):
            for child in found & self.holder.keys():
                found |= {one.first_id or one.id for one in self.records(code, child)}
        return found

    def records(self, code: str, child: bytes) -> list[Any]:
        home_of = self.home_of(code)
        pairs = [(entry, entry.body()) for entry in self.store_of(code).entries_of_subject(child)]
        return [record_of(entry, body, home_of) for entry, body in pairs if body is not None]

    def was_erased(self, child: bytes) -> bool:
        """Whether any node has erased a child, by an order that nobody need have any more."""
        return any(child in erased_subjects(store) for store in map(self.store_of, ("", *CODES)))

    def said(self, code: str, child: bytes = b"") -> set[bytes]:
        """What the county has said about children, or one, as far as a node knows it: ids of what counts."""
        records = [one for about in ([child] if child else self.holder) for one in self.records(code, about)]
        return {one.first_id or one.id for one in records if one.home == "" or self.homes_fall}

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
            if self.homes_fall and child not in orders and self.was_erased(child):
                continue  # whoever has the order does not say so any more
            if child in orders:
                for code in ("", *CODES):
                    assert shown[code][child]["child"] == [], "who was erased is still there"
                    content = b"".join(msgpack.packb(one.event and repr(one)) for one in self.records(code, child))
                    assert not any(word.encode() in content for word in self.words[child])
            if child not in orders:
                found = self.edits.require_none_lost(child, self.records("", child))
                self.fired["set in two lives"] += found
            given = grants(fold("", child, self.records("", child))) if child not in orders else {}
            for code in (code for code, grant in given.items() if grant == EVERYTHING):
                self.fired["moved, and compared"] += child in self.moved
                assert shown[code][child] == shown[""][child], f"{code} shows another child than the county"
            for code in CODES if not self.homes_fall else ():
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
        self.is_calm = True
        for node in (*self.houses.values(), self.office):
            with contextlib.suppress(apsw.Error):
                node.stop()
        self.loop.close()
        asyncio.set_event_loop(None)
        self.seeded.close()


@contextlib.contextmanager
def seeded_secrets(dice: random.Random) -> Iterator[None]:
    """Keys and epochs follow from the seed, too."""
    before = secrets.token_bytes, secrets.randbelow
    secrets.token_bytes, secrets.randbelow = lambda n=32: dice.randbytes(n), dice.randrange
    try:
        yield
    finally:
        secrets.token_bytes, secrets.randbelow = before


def run(seed: int, folder: Path, steps_count: int, *, homes_fall: bool = False) -> Counter[str]:
    """One life of the county; the faults that really happened. A failure names its seed."""
    folder.mkdir()
    county = County(seed, folder, homes_fall=homes_fall)
    try:
        for _ in range(steps_count):
            county.step()
        county.settle()
    except BaseException as error:
        error.add_note(f"seed {seed}, {steps_count} steps")
        raise
    finally:
        county.close()
        shutil.rmtree(folder, ignore_errors=True)
    return county.fired
