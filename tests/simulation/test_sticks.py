"""Backups, clones, new computers and a restored hub, where only a courier comes: nobody decides, nothing is missing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import apsw
import msgpack
import pytest

from sync import carrying, log_sql, outbox, outbox_sql
from sync.answer_taking import take_answer
from sync.answering import Answer
from sync.bundling import Bundler
from sync.errors import ParkingFull
from sync.instructions import Instructions, holdings
from sync.parking import Parking
from sync.store import Store
from sync.taking import Taker
from tests.central_hub.town import NOW_MS
from tests.simulation.by_stick import FAULTS, nothing, run
from tests.simulation.test_outboxes import HOMES, Weather


def test_every_home_heals_by_stick(tmp_path):
    """Whatever was restored, copied, lost or came again: in the end what any folder still had is everywhere, once."""
    fired: Counter[str] = Counter()
    for seed in range(104, 108):
        fired += run(seed, tmp_path / str(seed), 60)
    assert [fault for fault in FAULTS if not fired[fault]] == [], "these never happened: the test tests nothing"
    assert sorted(fired.keys() - set(FAULTS)) == []


@pytest.mark.long
@pytest.mark.parametrize("century", range(1, 6))
def test_many_homes_heal_by_stick(tmp_path, century):
    """The same, for a hundred seeds each and longer lives."""
    for seed in range(100 * century, 100 * century + 100):
        run(seed, tmp_path / str(seed), 150)


class Roads(Weather):
    """The same town with couriers: what goes up and what comes down is lost, late, doubled and mixed."""

    def __init__(self, path: Path, seed: int) -> None:
        super().__init__(path, seed)
        self.stick = path / "stick"
        self.stick.mkdir()
        self.told: dict[str, Instructions] = dict.fromkeys(HOMES, Instructions())
        self.answers: dict[str, list[Path]] = {home: [] for home in HOMES}
        self.bundles: list[Path] = []

    def bundle(self, home: str) -> list[Path]:
        store, told, key = self.town.homes[home], self.told[home], self.town.key
        bundler = Bundler(
            store, key, told, lambda: NOW_MS, part_size_bytes=self.dice.choice([400, 5000, 10**6]),
            holds=holdings(store, key, home, told),
        )  # fmt: skip
        return [part.path for part in bundler.write(self.stick, nothing)]

    def take_at_hub(self, files: list[Path]) -> None:
        town = self.town
        taker = Taker(
            town.hub, town.registry.key_of, lambda *_: b"", lambda: NOW_MS, Parking(town.hub.folder),
            town.registry.admit, town.registry.logs_of,
        )  # fmt: skip
        merged: dict[bytes, Any] = {}
        for path in files:
            try:
                reply = taker.take(path, nothing)
            except ParkingFull:
                continue
            known = merged.setdefault(reply.log, reply)
            if known is not reply:
                known.add(reply)
        town.route(self.dice.randint(1, 40))
        for log, reply in merged.items():
            home, size = town.registry.code_of(log), self.dice.choice([1, 2000, 10**6])
            answer = Answer(town.hub, town.registry.logs_of(log), home, [reply], NOW_MS, size)
            self.answers[home] += [part.path for part in answer.write(self.stick)]

    def take_at_home(self, home: str, files: list[Path]) -> None:
        for path in files:
            heard = take_answer(self.town.homes[home], self.town.key, home, self.told[home], path, nothing)
            assert heard.failure is None
            self.told[home] = heard.instructions
            self.fired["came"] += heard.came
            self.fired["too early"] += heard.is_early

    def up(self, _child: bytes, home: str) -> None:
        """A courier comes by, and reaches the county with whatever lay in his bag."""
        self.bundles += self.bundle(home)
        self.take_at_hub(self.dice.sample(self.bundles, min(len(self.bundles), self.dice.randint(0, 6))))

    def down(self, _child: bytes, home: str) -> None:
        """Some of all answers that were ever made for a home."""
        if self.answers[home]:
            recent = self.answers[home][-8:]
            self.take_at_home(home, self.dice.choices(recent, k=self.dice.randint(1, 4)))
        if self.dice.random() < 0.1:
            self.told[home] = Instructions()
            self.fired["bundle.json lost"] += 1

    def settle(self) -> None:
        """Everything arrives now; a few journeys there and back, without what lay about."""
        for _ in range(4):
            for home in HOMES:
                self.obey(b"", home)
            for home in HOMES:
                self.answers[home] = []
                self.take_at_hub(self.bundle(home))
            self.town.route()
            for home in HOMES:
                self.dice.shuffle(self.answers[home])
                for _ in self.answers[home]:  # parts that came too early are taken again
                    self.take_at_home(home, self.answers[home])


def given(hub: Store, key: bytes, home: str) -> set[tuple[bytes, int]]:
    """Log and seq of all entries in a home's outbox."""
    box = outbox.newest_outbox(hub, key, home)
    assert box is not None

    def work(db: apsw.Connection) -> set[tuple[bytes, int]]:
        rows = [log_sql.entry_at(db, place.position) for place in outbox_sql.places(db, box.id, 0, 10**6)]
        return {(hub.log_of(db, row.branch), row.seq) for row in rows if row is not None}

    return hub.reading(work)


@pytest.mark.parametrize("seed", range(3))
def test_what_the_county_has_for_homes_comes_by_stick(tmp_path, seed, monkeypatch):
    """In the end each home has its whole outbox and nothing else of others; what was erased is nowhere."""
    monkeypatch.setattr(carrying, "CARRY_ROWS_MAX", 4)  # so that answers have parts
    roads = Roads(tmp_path, seed)
    town = roads.town
    try:
        roads.run()
        for home in HOMES:
            store = town.homes[home]
            here = {(one.log, one.seq) for one in store.entries_after(0, 10**6) if one.log != store.log}
            assert here == given(town.hub, town.key, home) != set()
            assert town.hub.size(store.log) == store.size(store.log)
        for child in roads.holder.keys() - roads.erased.keys():
            if len({entry.log for entry in town.hub.entries_of_subject(child)}) > 1:
                assert town.rows(roads.holder[child], child) == town.rows("", child)
        for child, words in roads.erased.items():
            for home in HOMES:
                assert town.homes[home].entries_of_subject(child) == []
                said = b"".join(msgpack.packb(one) for one in town.deliveries(home))
                assert not any(word.encode() in said for word in words)
        town.require_whole()
        for fault in ("transfer", "restart", "came", "too early", "bundle.json lost", "order carried out"):
            assert roads.fired[fault], f"{fault} never happened: the test tests nothing"
    finally:
        town.close()
