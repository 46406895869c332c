"""A hub that was put back hears of it, and gets its own word back, where nothing but sticks goes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from central_hub.ordering import address
from node import mailbox
from node.erasing import Order
from sync import bundling, epoch, giving_by_hand
from sync.answer_taking import Heard, take_answer
from sync.answering import Answer
from sync.bundling import Bundler
from sync.giving_by_hand import WITNESSES_COUNT_MAX, due
from sync.instructions import Instructions, holdings
from sync.messages import Witness
from sync.parking import Parking
from sync.reply import Reply
from sync.taking import Taker
from tests.central_hub.test_router import CHILD, NEW, OLD, OTHER, talk
from tests.central_hub.test_taken_back import Giving
from tests.central_hub.town import NOW_MS


def nothing(_done: int) -> None:
    """No progress is shown."""


class Courier(Giving):
    """The same county, to which homes send files and from which they get files."""

    def __init__(self, path: Path) -> None:
        self.told: dict[str, Instructions] = dict.fromkeys((OLD, NEW, OTHER), Instructions())
        self.now_ms = NOW_MS
        super().__init__(path)
        self.stick = path / "stick"
        self.stick.mkdir()

    def bundle(self, code: str) -> list[Path]:
        home, told = self.homes[code], self.told[code]
        bundler = Bundler(
            home, self.key, told, lambda: self.now_ms, part_size_bytes=20_000,
            holds=holdings(home, self.key, code, told), gives=due(home, self.key, code),
        )  # fmt: skip
        return [part.path for part in bundler.write(self.stick, nothing)]

    def take(self, files: Iterable[Path]) -> Reply:
        """Bundles of one home at the county."""
        self.now_ms += 1000
        taker = Taker(
            self.hub, self.registry.key_of, lambda *_: b"", lambda: self.now_ms, Parking(self.hub.folder),
            self.registry.admit, self.registry.logs_of,
            epoch_of=partial(epoch.current, self.hub), restored=self.restoring.answer,
        )  # fmt: skip
        first, *others = [taker.take(path, nothing) for path in files]
        for reply in others:
            first.add(reply)
        self.route()
        return first

    def answer(self, code: str, *replies: Reply) -> list[Path]:
        log = self.homes[code].log
        made = Answer(self.hub, self.registry.logs_of(log), code, list(replies), self.now_ms)
        return [part.path for part in made.write(self.stick)]

    def hear(self, code: str, files: Iterable[Path]) -> list[Heard]:
        found = []
        for path in files:
            found.append(take_answer(self.homes[code], self.key, code, self.told[code], path, nothing))
            self.told[code] = found[-1].instructions
        return found

    def round(self, *codes: str) -> list[Heard]:
        """There and back."""
        return [
            heard for code in codes or (OLD, NEW, OTHER)
            for heard in self.hear(code, self.answer(code, self.take(self.bundle(code))))
        ]  # fmt: skip

    def settle(self) -> None:
        for _ in range(5):
            found = self.round()
        assert not any(heard.owes or heard.left or heard.came for heard in found)

    def county(self) -> list[Any]:
        """What the county said itself, but for what every life says anew."""
        return sorted(one for one in self.said_by_county() if one[0] not in {*mailbox.NOTES, "log-opened/1"})


@pytest.fixture
def town(tmp_path):
    """A county of three homes, one child of which has moved, a copy of its hub; then the county corrects a name."""
    made = Courier(tmp_path)
    made.settle()
    made.save()
    made.correct("", "王大雨")
    made.record(OTHER, CHILD, talk(9))
    made.settle()
    yield made
    made.close()


def test_one_loss_is_one_epoch(town):
    """Every home's bundle shows it, old ones again: one epoch, all that was said is back, and everywhere the same."""
    before, rows = town.county(), town.rows(NEW, CHILD)
    old = [path for code in (OLD, NEW, OTHER) for path in town.bundle(code)]
    town.put_back()
    assert town.county() != before
    town.take(town.bundle(NEW))
    assert epoch.current(town.hub) == 2
    for path in old:
        town.take([path])
    town.settle()
    for path in old:
        town.take([path])
    assert epoch.current(town.hub) == 2
    assert town.county() == before
    assert town.rows("", CHILD) == town.rows(NEW, CHILD) == rows
    town.require_whole()


def test_in_a_whole_county_nobody_is_shown_anything_new(town):
    """Bundles of homes whose hub forgot nothing open no epoch and are asked for nothing, however old they are."""
    before = town.county()
    old = town.bundle(NEW)
    town.record(NEW, CHILD, talk(11))
    town.correct("", "王晓雨")
    town.settle()
    town.take(old)
    assert epoch.current(town.hub) == 1
    assert set(before) < set(town.county())
    assert {code: due(home, town.key, code) for code, home in town.homes.items()} == {OLD: [], NEW: [], OTHER: []}


def test_what_is_false_in_a_bundle_changes_nothing_else(town, monkeypatch):
    """Another root, another home's outbox, entries that the hub never signed: what the home recorded is taken."""
    (told, *_) = giving_by_hand.witnesses(town.homes[NEW], town.key, NEW)
    town.put_back()
    false = [told._replace(root=bytes(32)), told._replace(size=told.size + 1), told._replace(epoch=9),
             told._replace(log=town.box(OLD))]  # fmt: skip
    for one in false:
        monkeypatch.setattr("sync.instructions.witnesses", lambda *_, one=one: [one])
        town.record(NEW, CHILD, talk(12))
        reply = town.take(town.bundle(NEW))
        assert (reply.failure, reply.held) == (None, town.homes[NEW].size(town.homes[NEW].log))
    assert epoch.current(town.hub) == 1
    monkeypatch.setattr("sync.instructions.witnesses", lambda *_: [told] * (WITNESSES_COUNT_MAX + 1))
    assert town.take(town.bundle(NEW)).failure is None  # the same one
    many = [told._replace(log=bytes([number]) * 16) for number in range(WITNESSES_COUNT_MAX + 1)]
    monkeypatch.setattr("sync.instructions.witnesses", lambda *_: many)
    assert "more than" in str(town.take(town.bundle(NEW)).failure)
    monkeypatch.undo()
    town.round(NEW)
    (asked,) = due(town.homes[NEW], town.key, NEW)
    pieces = list(giving_by_hand.returned(town.homes[NEW], asked))
    wrong = [piece._replace(push=piece.push._replace(root=bytes(32))) for piece in pieces]
    monkeypatch.setattr(bundling, "returned", lambda *_: wrong)
    said = town.county()
    town.record(NEW, CHILD, talk(13))
    reply = town.take(town.bundle(NEW))
    assert reply.failure is not None
    assert (reply.held, town.county()) == (town.homes[NEW].size(town.homes[NEW].log), said)
    monkeypatch.undo()
    town.settle()
    assert set(said) < set(town.county())


def test_a_hub_put_back_within_its_epoch_is_given_everything_again(town, monkeypatch):
    """It forgot what it had taken back: the sum in its next answer tells the home, though an old answer lies about."""
    before = town.county()
    town.put_back()
    late = town.answer(NEW, town.take(town.bundle(NEW)))
    town.hear(NEW, late)
    town.round(OLD, OTHER, OTHER)  # what OTHER recorded is at the county again
    town.save("within")
    with monkeypatch.context() as patch:
        patch.setattr(town, "route", lambda: None)  # else the outboxes would tell
        town.round()
    assert due(town.homes[NEW], town.key, NEW) == []
    assert town.county() == before
    town.put_back("within")
    assert town.county() != before
    town.hear(NEW, late)
    town.settle()
    assert town.county() == before
    assert epoch.current(town.hub) == 2


def test_a_late_receipt_of_the_epoch_before_opens_none(town):
    """A receipt of a lost life that arrives behind the new epoch: the hub itself has said of which epoch it is."""
    before = town.bundle(NEW)
    town.record(NEW, CHILD, talk(14))
    late = town.answer(NEW, town.take(town.bundle(NEW)))
    town.put_back()
    town.round(OTHER)
    assert epoch.current(town.hub) == 2
    town.hear(NEW, [*town.answer(NEW, town.take(before)), *late])
    (receipt,) = [one for one in giving_by_hand.witnesses(town.homes[NEW], town.key, NEW) if len(one.proof) == 72]
    assert (receipt.size, receipt.epoch) == (town.homes[NEW].size(town.homes[NEW].log), 1)
    town.settle()
    assert epoch.current(town.hub) == 2
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)


def test_nothing_is_taken_in_before_all_is_given_back(town):
    """The county wrote where homes hold its word: what the new epoch brings waits; then both count, a conflict."""
    town.put_back()
    town.correct("", "王晓雨")
    town.route()
    (first,) = town.hear(NEW, town.answer(NEW, town.take(town.bundle(NEW))))
    assert (first.owes, first.came) == (True, 0)
    town.settle()
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    assert len(town.rows("", CHILD)["conflict"]) == 2
    town.require_whole()


def test_an_order_that_the_county_forgot_is_given_again_by_stick(town):
    """The order reached the homes, the county forgot it: it stands in the mailboxes again, once."""
    address(town.hub, Order((CHILD,), "li", "asked"), NOW_MS)
    town.settle()
    before = town.county()
    town.put_back()
    town.settle()
    assert town.county() == before
    witness = next(one for one in giving_by_hand.witnesses(town.homes[NEW], town.key, NEW) if len(one.proof) == 64)
    assert isinstance(witness, Witness)
    assert witness.epoch == epoch.current(town.hub)
