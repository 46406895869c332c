"""What a hub is shown that it had signed and holds no more: it opens one epoch for one loss, and none for a lie."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from central_hub.registry import Admissions
from central_hub.router import Router
from sync import epoch, wire
from sync.entry import log_id, origin
from sync.errors import Unreachable
from sync.messages import Held, Message, Push, Witness
from sync.note import Signer, checkpoint_text, cosign
from sync.outbox_fetching import OutboxFetching
from sync.outbox_taking import follow, newest_held
from sync.replicator import Portion, Sender
from sync.speaking import Speaker
from sync.store import Store
from sync.witness import FORGOTTEN, Hearing, of_outbox, of_receipt
from tests.central_hub.test_router import CHILD, NEW, OLD, OTHER, move, register, talk
from tests.central_hub.town import NOW_MS, Town


class Rolling(Town):
    """A county whose hub can be put back to a copy of its folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, (OLD, NEW, OTHER))
        register(self)
        move(self)
        self.exchange()
        self.receipts()
        self.open()

    def open(self) -> None:
        self.registry = Admissions(self.hub, lambda: NOW_MS)
        self.router = Router(self.hub, self.registry, lambda: NOW_MS)
        self.hearing = Hearing(self.hub, self.registry.code_of, self.registry.logs_of, lambda: NOW_MS)

    def save(self, name: str = "copy") -> None:
        self.hub.close()
        shutil.rmtree(self.path / name, ignore_errors=True)
        shutil.copytree(self.path / "hub", self.path / name)
        self.hub = Store(self.path / "hub")
        self.open()

    def put_back(self, name: str = "copy") -> None:
        self.hub.close()
        shutil.rmtree(self.path / "hub")
        shutil.copytree(self.path / name, self.path / "hub")
        self.hub = Store(self.path / "hub")
        self.open()

    def receipts(self) -> None:
        """Every home gets a receipt for all that it has, as an exchange gives it."""
        for home in self.homes.values():
            signed = home.sign(home.size(home.log))
            receipt = self.hub.receipt(home.log, signed.size, signed.root, NOW_MS // 1000)
            self.hub.keep_checkpoint(home.log, signed._replace(receipt=receipt)).result(10)
            home.keep_checkpoint(home.log, signed._replace(receipt=receipt)).result(10)

    def receipt_of(self, code: str) -> Witness | None:
        home = self.homes[code]
        return of_receipt(home, home.log, (self.key, code), self.hub.size(home.log))

    def outbox_of(self, code: str) -> Witness:
        held = newest_held(self.homes[code], self.key, code)
        assert held is not None
        return of_outbox(self.homes[code], held)

    def hear(self, code: str, told: Witness | None) -> bool:
        assert told is not None
        return self.hearing.hear(self.homes[code].log, told)


@pytest.fixture
def town(tmp_path):
    """A county of three homes, one child of which has moved; a copy of the hub, and then something more."""
    made = Rolling(tmp_path)
    made.save()
    for code in (OLD, NEW, OTHER):
        made.record(code, CHILD, talk(20))
    made.exchange()
    made.receipts()
    yield made
    made.close()


def test_a_receipt_shows_what_was_forgotten_once(town):
    """The first home that comes opens an epoch; the others' receipts, and its own again, say the same loss."""
    assert town.receipt_of(OLD) is None
    shown = {code: town.outbox_of(code) for code in (OLD, NEW)}
    town.put_back()
    receipts = {code: town.receipt_of(code) for code in (OLD, NEW, OTHER)}
    assert town.hear(OLD, receipts[OLD])
    assert epoch.current(town.hub) == 2
    first = town.hub.first_entry(town.hub.log)
    assert first is not None
    assert (first.body().payload["why"], first.body().payload["witness"]) == (FORGOTTEN, town.homes[OLD].log)
    for code in (OLD, NEW, OTHER):
        assert not town.hear(code, receipts[code])
    for code, one in shown.items():
        assert not town.hear(code, one)
    assert epoch.current(town.hub) == 2
    town.exchange()
    assert town.rows(NEW, CHILD) == town.rows("", CHILD)
    assert {code: town.receipt_of(code) for code in (OLD, NEW)} == {OLD: None, NEW: None}
    town.require_whole()


def test_what_was_had_before_an_epoch_is_not_shown_in_it(town):
    """A node that has heard of the new epoch shows no receipt of the one before, whatever the hub still lacks."""
    town.put_back()
    assert town.receipt_of(OTHER) is not None
    follow(town.homes[OTHER], town.key, OTHER, 2)
    assert town.receipt_of(OTHER) is None
    town.record(OTHER, CHILD, talk(25))
    town.bring(OTHER)
    town.receipts()
    town.put_back()
    told = town.receipt_of(OTHER)
    assert told is not None
    assert told.epoch == 2


def test_an_outbox_shows_what_was_forgotten(town):
    """A home that holds more of its outbox than the hub opens an epoch; what the hub still holds opens none."""
    assert not town.hear(NEW, town.outbox_of(NEW))
    told = town.outbox_of(NEW)
    town.put_back()
    assert town.hear(NEW, told)
    assert not town.hear(NEW, told)
    assert epoch.current(town.hub) == 2


def test_a_second_loss_opens_a_second_epoch(town):
    """Put back within the new epoch, or to before it, the hub is told again, and the number rises."""
    old = town.outbox_of(NEW)
    town.put_back()
    assert town.hear(NEW, old)
    town.exchange()
    town.save("copy2")
    town.record(OTHER, CHILD, talk(30))
    town.exchange()
    second = town.outbox_of(NEW)
    assert second.epoch == 2
    town.put_back("copy2")
    assert not town.hear(NEW, old)
    assert town.hear(NEW, second)
    assert epoch.current(town.hub) == 3
    town.put_back()
    assert epoch.current(town.hub) == 1
    assert town.hear(NEW, second)
    assert epoch.current(town.hub) == 3  # greater than the one that was shown
    town.exchange()
    assert town.rows(NEW, CHILD) == town.rows("", CHILD)


class Making(Speaker):
    """A node whose first push takes until it is told to go on."""

    def __init__(self, town: Rolling, code: str, receipted: int) -> None:
        home, self.begun, self.go_on = town.homes[code], threading.Event(), threading.Event()
        size = home.size(home.log)
        sender = Sender(home.log, town.key, size, receipted, receipted=receipted, ask_first=False, push_size_bytes=1)
        super().__init__(home, sender, [], lambda: NOW_MS, outbox=OutboxFetching(home, code, town.key))

    def _push_frame(self, portion: Portion) -> tuple[Push, bytes]:
        self.begun.set()
        assert self.go_on.wait(10)
        return super()._push_frame(portion)

    async def interrupted_by(self, held: Held) -> list[Message]:
        """What is said behind a greeting that is answered while the first push is being made."""
        saying = asyncio.create_task(self.next())
        assert await asyncio.to_thread(self.begun.wait, 10)
        await self.hear(held)
        self.go_on.set()
        said = [await saying, await self.next()]
        return [wire.decode(frame) for frame in said if isinstance(frame, bytes)]


def test_a_push_that_was_being_made_is_not_followed_by_what_was_lost(town):
    """Where Held overtakes a push, the next word is what the hub signed, and only then what it lacks."""
    for day in range(21, 25):
        town.record(OTHER, CHILD, talk(day))
    town.put_back()
    told, log = town.receipt_of(OTHER), town.homes[OTHER].log
    size = town.hub.size(log)
    assert told is not None
    assert size < told.size < town.homes[OTHER].size(log)
    speaker = Making(town, OTHER, told.size)
    shown, push = asyncio.run(speaker.interrupted_by(Held(size, NOW_MS, town.hub.root(log, size))))
    assert shown == told
    assert isinstance(push, Push)
    assert push.start == size


def test_a_hub_put_back_between_two_requests_is_not_given_what_it_lost(town):
    """Where requests go singly, a hub that holds less than in the one before is asked first in another exchange."""
    told, log = town.receipt_of(OTHER), town.homes[OTHER].log
    held = [Held(town.hub.size(log), NOW_MS, town.hub.root(log, town.hub.size(log)))]
    town.put_back()
    held.append(Held(town.hub.size(log), NOW_MS, town.hub.root(log, town.hub.size(log))))
    assert (told, held[0].size > held[1].size) == (None, True)
    speaker = Making(town, OTHER, held[0].size)

    async def hear() -> None:
        for one in held:
            await speaker.hear(one)

    with pytest.raises(Unreachable, match="holds less of this log"):
        asyncio.run(hear())


def test_a_false_witness_changes_nothing(town):
    """Another key's signature, another home's outbox or log, another root: nothing happens."""
    told, receipt = town.outbox_of(NEW), None
    town.put_back()
    receipt = town.receipt_of(NEW)
    assert receipt is not None
    liar = Signer("homeward/liar", bytes(range(32)))
    text = checkpoint_text(origin(receipt.log), receipt.size + 9, receipt.root)
    false = [
        told._replace(epoch=9),
        told._replace(size=told.size + 1),
        told._replace(root=bytes(32)),
        told._replace(proof=liar.sign_bytes(b"x")),
        receipt._replace(size=receipt.size + 9),
        receipt._replace(size=receipt.size + 9, proof=cosign(liar, text, 7)),
        receipt._replace(log=log_id(liar.public_key)),
        receipt._replace(epoch=0),
    ]
    for one in false:
        assert not town.hear(NEW, one)
    assert not town.hear(OLD, told)
    assert not town.hear(OLD, receipt)
    assert epoch.current(town.hub) == 1


def test_a_receipt_counts_once_whatever_its_owner_says(town):
    """Who holds his log back and says that his receipt is of the newest epoch opens one epoch with it, no more."""
    town.put_back()
    receipt = town.receipt_of(OTHER)
    assert receipt is not None
    assert town.hear(OTHER, receipt)
    for number in (2, 3, 2**60):
        assert not town.hear(OTHER, receipt._replace(epoch=number))
    assert epoch.current(town.hub) == 2
