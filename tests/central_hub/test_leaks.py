"""No byte of a child outside its scope is ever in an outbox, whatever homes write, claim, withdraw and deliver late.

The histories are random, and what each home may see is worked out a second time, without folds: by a diary of who
really handed which child to whom.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from typing import NamedTuple
from uuid import UUID

import msgpack
import pytest

from domain import events as e
from sync import log_sql
from tests.central_hub.town import Town

HOMES = ("home-01", "home-02", "home-03", "home-04")
CHILDREN = 24
OPS = 420
DAY = dt.date(2024, 9, 1)


class Written(NamedTuple):
    """One entry in the diary: who wrote it about whom, when, and a word that stands in nothing else."""

    time: int
    home: str
    child: bytes
    id: bytes
    word: str


class Diary:
    """A random county, and what really happened in it."""

    def __init__(self, town: Town, seed: int) -> None:
        self.town, self.dice, self.time = town, random.Random(seed), 0
        self.children = [self.dice.randbytes(16) for _ in range(CHILDREN)]
        self.written: list[Written] = []
        self.holders: dict[bytes, list[tuple[str, int]]] = defaultdict(list)  # lawful, each with when it took over
        self.spoilt: set[bytes] = (
            set()
        )  # registered by two homes: nobody may be given anything until the county decides
        self.offered: dict[bytes, tuple[str, int]] = {}  # to whom, and when
        self.asked: dict[int, int] = {}  # when what was taken over then had been offered
        self.shown: dict[bytes, tuple[str, set[bytes]]] = {}  # photographs: who took one, and whom it shows

    def write(self, home: str, child: bytes, event: e.Event) -> bytes:
        self.time += 1
        word = next(filter(None, (getattr(event, field, None) for field in ("note", "reason", "name"))))
        made = self.town.record(home, child, event)
        self.written.append(Written(self.time, home, child, made, word))
        return made

    def word(self) -> str:
        return f"word-{self.dice.randbytes(8).hex()}"

    @property
    def day(self) -> dt.date:
        return DAY + dt.timedelta(days=self.time)

    def live(self) -> None:
        for child in self.children:
            home = self.dice.choice(HOMES)
            self.write(home, child, e.ChildRegistered(name=self.word(), sex="female", registered_on=self.day))
            self.holders[child].append((home, self.time))
        acts = [self.talk, self.talk, self.talk, self.hand_over, self.hand_over, self.lie, self.carry, self.carry]
        acts.append(self.picture)
        for _ in range(OPS):
            self.dice.choice(acts)(self.dice.choice(self.children))
        self.town.exchange()
        self.places = {entry.id: entry.position for entry in self.town.hub.entries_after(0, 10**6)}

    def talk(self, child: bytes) -> None:
        """Anybody may write about anybody: the holder, a former home that is late, a stranger, the county."""
        known = [home for home, _ in self.holders[child]]
        home = self.dice.choice([known[-1], known[-1], known[0], "", self.dice.choice(HOMES)])
        call = e.FamilyContactMade(kind="call", on=self.day, reached=True, minutes=3, note=self.word())
        self.write(home, child, call)

    def picture(self, child: bytes) -> None:
        """A home takes a photograph of a child, and of others that it has or had; it may reach the county late."""
        home = self.dice.choice(self.holders[child])[0]
        others = [one for one in self.children if home in {holder for holder, _ in self.holders[one]}]
        shown = {child, *self.dice.sample(others, min(len(others), self.dice.choice([0, 0, 1])))}
        self.shown[self.town.photograph(home, self.word().encode(), shown)] = (home, shown)

    def may_see_picture(self, home: str, name: bytes) -> bool:
        """Whether a photograph of somebody else may ever have been offered to a home: it has, or had, all of them."""
        by, shown = self.shown[name]
        return by == home or all(home in {holder for holder, _ in self.holders[child]} for child in shown)

    def hand_over(self, child: bytes) -> None:
        """First the request, another time the acceptance."""
        giver = self.holders[child][-1][0]
        if child not in self.offered:
            taker = self.dice.choice([home for home in HOMES if home != giver])
            self.write(giver, child, e.ChildTransferRequested(to_home=taker, on=self.day, reason=self.word()))
            self.offered[child] = (taker, self.time)
            return
        taker, asked = self.offered.pop(child)
        self.write(taker, child, e.ChildTransferAccepted(on=self.day, reason=self.word()))
        self.asked[self.time] = asked
        self.holders[child].append((taker, self.time))

    def lie(self, child: bytes) -> None:
        """A home claims, registers, gives away, withdraws or corrects what is not its own."""
        mine = {home for home, _ in self.holders[child]} | {self.offered.get(child, ("", 0))[0]}
        strangers = [home for home in HOMES if home not in mine]
        if not strangers:
            return
        liar = self.dice.choice(strangers)
        kind = self.dice.randrange(7)
        if kind == 0:
            self.write(liar, child, e.ChildTransferAccepted(on=self.day, reason=self.word()))
        elif kind == 1 and self.dice.random() < 0.2:
            self.write(liar, child, e.ChildRegistered(name=self.word(), sex="male", registered_on=self.day))
        elif kind == 2:
            to = self.dice.choice(HOMES)
            if to not in mine:
                self.write(liar, child, e.ChildTransferRequested(to_home=to, on=self.day, reason=self.word()))
        elif kind == 3:
            about = [one for one in self.written if one.child == child]
            target = UUID(bytes=self.dice.choice(about).id)
            self.write(liar, child, e.FactWithdrawn(target=target, reason=self.word()))
        elif kind == 4:
            target = UUID(bytes=next(one.id for one in self.written if one.child == child))
            wrong = {"field": "registered_on", "value": "2039-01-01", "reason": self.word()}
            self.write(liar, child, e.FactCorrected(target=target, **wrong))
        elif kind == 5:
            self.write(liar, child, e.ConflictSettled(field="home", value=liar, saw=(), reason=self.word()))
        else:
            self.write(liar, child, e.ChildDeregistered(on=self.day, reason="moved", note=self.word()))

    def carry(self, _child: bytes) -> None:
        """Some homes reach the county; the router may stop anywhere."""
        self.town.bring(*self.dice.sample(HOMES, self.dice.randint(1, 2)))
        for _, _ in zip(
            range(self.dice.randint(1, 4)), self.town.router.catch_up(self.dice.randint(1, 30)), strict=False
        ):
            pass

    def may_see(self, home: str, one: Written) -> bool:
        """Whether an entry of somebody else may ever have been given to a home."""
        times = [at for holder, at in self.holders[one.child] if holder == home]
        if not times:
            return False
        later = [(holder, at) for holder, at in self.holders[one.child] if at > times[-1]]
        if not later:
            return True
        # A home that lost the child: of those who had it afterwards nothing beyond the acceptance, unless it reached
        # the county before the handing over did, when nobody there could know.
        if one.home not in {holder for holder, _ in later} or one.time <= later[0][1]:
            return True
        return self.place(one.time) < max(self.place(at) for at in (self.asked[later[0][1]], later[0][1]))

    def place(self, time: int) -> int:
        """Where the county stored what was written then."""
        return self.places[self.written[time - 1].id]


def contents(town: Town, home: str) -> bytes:
    """All that an outbox says, unpacked."""
    return b"".join(msgpack.packb(delivery) for delivery in town.deliveries(home))


@pytest.mark.parametrize("seed", range(4))
def test_no_byte_outside_its_scope_is_in_an_outbox(tmp_path, seed):
    """Every word, child and stream key in an outbox is one that its home may see."""
    town = Town(tmp_path, HOMES)
    try:
        diary = Diary(town, seed)
        diary.live()
        found = brought = 0
        for home in HOMES:
            pictures = town.brought(home)
            assert [name for name in pictures if not diary.may_see_picture(home, name)] == []
            assert town.brought_by_stick(home) == pictures
            brought += sum(diary.shown[name][0] != home for name in pictures)
            said = contents(town, home)
            foreign = [one for one in diary.written if one.home != home]
            leaked = [one for one in foreign if one.word.encode() in said and not diary.may_see(home, one)]
            assert leaked == []
            found += sum(one.word.encode() in said for one in foreign)
            assert not any(one.word.encode() in said for one in diary.written if one.home == home)
            strange = [c for c in diary.children if home not in {holder for holder, _ in diary.holders[c]}]
            assert not any(child in said for child in strange)
            for child in strange:
                keys = town.hub.reading(lambda db, c=child: [s.key for s in log_sql.streams_of_subject(db, c)])
                assert not any(town.hub.keyring.stream_key(key) in said for key in keys)
        assert found > 100
        assert brought > 0
        town.require_whole()
    finally:
        town.close()


@pytest.mark.parametrize("seed", range(4, 6))
def test_whoever_has_a_child_lawfully_has_all_of_it(tmp_path, seed):
    """Without lies, the last home alone is sent what comes, and shows what the hub shows, in every table."""
    town = Town(tmp_path, HOMES)
    try:
        diary = Diary(town, seed)
        diary.lie = diary.carry
        diary.live()
        assert {c: town.followers(c) for c in diary.children} == {c: {diary.holders[c][-1][0]} for c in diary.children}
        for home in HOMES:
            mine = [c for c in diary.children if diary.holders[c][-1][0] == home and len(diary.holders[c]) > 1]
            for child in mine[:3]:
                assert town.rows(home, child) == town.rows("", child)
            alone = {name for name, (_, shown) in diary.shown.items() if shown <= set(mine[:3])}
            assert alone <= town.brought(home)
    finally:
        town.close()
