"""What the county has for each home, under cuts, restarts, late entries and erasures: in the end it is there."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from pathlib import Path

import msgpack
import pytest

from central_hub.ordering import address
from central_hub.registry import Admissions
from central_hub.router import Router
from domain import events as e
from node import mailbox
from node.erasing import Order
from sync import outbox, wire
from sync.messages import Ack, NoKey
from sync.outbox_receiving import TakeIn
from sync.outbox_taking import receiver_of, take_in
from sync.store import Store
from tests.central_hub.town import NOW_MS, Town

HOMES = ("home-01", "home-02", "home-03")
CHILDREN, STEPS = 9, 260
DAY = dt.date(2024, 9, 1)


class Weather:
    """A town whose lines are cut and whose processes end at any moment, from a seed."""

    def __init__(self, path: Path, seed: int) -> None:
        self.town, self.dice, self.day = Town(path, HOMES), random.Random(seed), DAY
        self.fired: Counter[str] = Counter()
        self.holder: dict[bytes, str] = {}
        self.offered: dict[bytes, str] = {}
        self.erased: dict[bytes, list[str]] = {}  # with words that nobody may have any more
        self.words: dict[bytes, list[str]] = {}
        for number in range(CHILDREN):
            child = bytes([number + 1]) * 16
            self.holder[child] = self.dice.choice(HOMES)
            self.words[child] = []
            self.record(
                self.holder[child], child, e.ChildRegistered(name=self.word(child), sex="male", registered_on=DAY)
            )

    def word(self, child: bytes) -> str:
        self.words[child].append(f"word {self.dice.randbytes(8).hex()}")
        return self.words[child][-1]

    def record(self, home: str, child: bytes, event: e.Event) -> None:
        self.day += dt.timedelta(days=1)
        if child in self.town.store_of(home)._tail.erased:  # the command would be refused
            return
        self.town.record(home, child, event)

    def run(self) -> None:
        acts = [self.talk, self.talk, self.move, self.move, self.up, self.up, self.down, self.down, self.down,
                self.restart, self.repeat, self.erase, self.obey]  # fmt: skip
        for _ in range(STEPS):
            act = self.dice.choice(acts)
            act(self.dice.choice(sorted(self.holder)), self.dice.choice(HOMES))
        self.settle()

    def talk(self, child: bytes, home: str) -> None:
        call = e.FamilyContactMade(kind="call", on=self.day, reached=True, minutes=2, note=self.word(child))
        self.record(self.dice.choice([self.holder[child], home]), child, call)

    def move(self, child: bytes, home: str) -> None:
        giver = self.holder[child]
        if child in self.offered:
            taker = self.offered.pop(child)
            self.record(taker, child, e.ChildTransferAccepted(on=self.day, reason=self.word(child)))
            self.holder[child] = taker
            self.fired["transfer"] += 1
        elif home != giver:
            self.offered[child] = home
            self.record(giver, child, e.ChildTransferRequested(to_home=home, on=self.day))

    def up(self, _child: bytes, home: str) -> None:
        self.town.bring(home)
        if self.dice.random() < 0.7:
            self.town.route(self.dice.randint(1, 40))

    def down(self, _child: bytes, home: str) -> None:
        """Some deliveries arrive, damaged or not; then the line is cut."""
        log, store = self.town.box(home), self.town.homes[home]
        receiver, withheld = receiver_of(store, log), set()
        for _ in range(self.dice.randint(1, 4)):
            if receiver.size >= outbox.size_of(self.town.hub, log):
                return
            frame = wire.encode(
                outbox.delivery_of(self.town.hub, log, receiver.size, self.dice.randint(1, 9), withheld)
            )
            for effect in receiver.receive(wire.decode(frame)):
                match effect:
                    case TakeIn(parcel) if self.dice.random() < 0.9:
                        take_in(store, parcel)
                    case TakeIn():
                        self.fired["cut before it was stored"] += 1
                        return
                    case NoKey(_, ordinals):
                        self.fired["without a key"] += 1
                        withheld |= set(ordinals)

    def repeat(self, _child: bytes, home: str) -> None:
        """An old delivery comes once more, to a receiver that goes on from the disk."""
        log = self.town.box(home)
        size = outbox.size_of(self.town.hub, log)
        receiver = receiver_of(self.town.homes[home], log)
        if size and receiver.size:
            again = outbox.delivery_of(self.town.hub, log, self.dice.randrange(receiver.size), 1)
            assert receiver.receive(again) == [Ack(receiver.size)]
            self.fired["repeat"] += 1

    def restart(self, _child: bytes, home: str) -> None:
        town = self.town
        self.fired["restart"] += 1
        if self.dice.random() < 0.5:
            town.homes[home].close()
            town.homes[home] = Store(town.path / home)
        else:
            town.hub.close()
            town.hub = Store(town.path / "hub")
            town.registry = Admissions(town.hub, lambda: NOW_MS)
            town.router = Router(town.hub, town.registry, lambda: NOW_MS)

    def erase(self, child: bytes, _home: str) -> None:
        if len(self.erased) >= 2 or child in self.erased or self.dice.random() < 0.5:
            return
        address(self.town.hub, Order((child,), "li", "asked"), NOW_MS)
        self.town.hub.erase([child], by="li", ground="asked", now_ms=NOW_MS)
        self.erased[child] = self.words[child]

    def obey(self, _child: bytes, home: str) -> None:
        store = self.town.homes[home]
        for order in mailbox.pending_orders(store, self.town.key, home):
            store.erase(order.subjects, by=order.by, ground=order.ground, now_ms=NOW_MS)
            self.fired["order carried out"] += 1

    def settle(self) -> None:
        """Nothing is cut any more: everything goes up, is routed, comes down, and orders are carried out, twice."""
        for _ in range(3):
            self.town.exchange()
            for home in HOMES:
                self.obey(b"", home)


@pytest.mark.parametrize("seed", range(3))
def test_in_the_end_each_home_has_what_is_its_own(tmp_path, seed):
    """After any weather every holder shows what the county shows, nothing is there twice, the erased is nowhere."""
    weather = Weather(tmp_path, seed)
    town = weather.town
    try:
        weather.run()
        for child in weather.holder.keys() - weather.erased.keys():
            moved = len({entry.log for entry in town.hub.entries_of_subject(child)}) > 1
            if moved:
                assert town.rows(weather.holder[child], child) == town.rows("", child)
        for child, words in weather.erased.items():
            for home in HOMES:
                assert town.homes[home].entries_of_subject(child) == []
                said = b"".join(msgpack.packb(one) for one in town.deliveries(home))
                assert not any(word.encode() in said for word in words)
        sizes = {home: outbox.size_of(town.hub, town.box(home)) for home in HOMES}
        town.router.position = 0
        town.route(7)
        assert {home: outbox.size_of(town.hub, town.box(home)) for home in HOMES} == sizes
        town.require_whole()
        assert weather.fired["transfer"] > 3
        assert weather.fired["restart"] > 3
        assert weather.fired["repeat"] > 3
    finally:
        town.close()
