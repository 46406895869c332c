"""One exchange with everything in it, cut at every byte of both directions: the next one always ends the same."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import mailbox
from sync import outbox
from sync.batch import Draft
from sync.entry import EXT_SOURCE
from sync.errors import Unreachable
from sync.verify import verify
from sync.verify_files import verify_files
from tests.simulation.nodes import Computer, Hub
from tests.simulation.wires import Loop, Network

NOW_MS = 1_741_392_000_000
CODE = "home-01"
FRESH_EVERY = 100  # offsets; what grows with every exchange would cost more than the exchanges


class Pair:
    """A home and its hub, and a line between them that is whole until it is told when to break."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.loop = Loop()
        asyncio.set_event_loop(self.loop)
        self.network = Network(self.loop)
        self.hub = Hub(folder / "hub", self.network, lambda: NOW_MS)
        self.home = Computer(
            folder / "home", CODE, self.network, lambda: NOW_MS, hub_key=self.hub.store.identity.public_key
        )
        self.hub.invite(CODE, self.home, bytes(32))
        self.numbers = 0
        self.photos: list[bytes] = []

    def work(self) -> None:
        """Something of everything: two entries (one about somebody new), a photograph, a word of the county's."""
        store, subject = self.home.store, self.numbers.to_bytes(16, "big")
        for about in (subject, bytes(16)):
            self.numbers += 1
            extensions = {EXT_SOURCE: ["s", self.numbers]}
            store.record([Draft("visit/1", "w", about, NOW_MS, {"note": "奶奶在家"}, extensions=extensions)])
        self.photos.append(store.files.add(store.log, b"photograph %d" % self.numbers, "image/jpeg", [subject], 0))
        box = mailbox.mailbox_of(self.hub.store.identity.public_key, CODE)
        self.hub.store.record([mailbox.assignment(box, subject, "home-09", NOW_MS)])

    def exchange(self, piece_bytes: int, limits: tuple[int | None, int | None] = (None, None)) -> str:
        """One attempt over a new line, in pieces of a size; how it ended."""
        self.network.limits = limits
        self.home.begin(self.home.exchanger.once())
        while True:
            self.loop.settle()
            moving = [pipe for wire in self.network.wires for pipe in wire.pipes if pipe.can_move]
            for pipe in moving:
                pipe.carry(piece_bytes)
            if not moving and self.home.task.done():
                break
            assert moving or self.loop.later(), "everybody waits"
        for wire in list(self.network.wires):
            wire.cut(0, 0)
        self.loop.settle()
        self.network.sweep()
        try:
            self.home.task.result()
        except Unreachable:
            return "cut"
        return "done"

    def require_the_end(self) -> None:
        """All that there is has arrived, once, and is proven."""
        here, there, log = self.home.store, self.hub.store, self.home.store.log
        size = here.size(log)
        assert there.size(log) == size
        assert there.root(log, size) == here.root(log, size)
        receipt = here.last_checkpoint(log, with_receipt=True)
        assert receipt is not None
        assert receipt.size == size
        assert here.files.waiting() == []
        assert there.files.read(self.photos[-1])[1] == b"photograph %d" % self.numbers
        box = outbox.outbox_id(there.identity.public_key, CODE, 1)
        assert outbox.size_of(here, box) == outbox.size_of(there, box) > 0

    def require_all(self) -> None:
        """The same of everything that there ever was."""
        log, there = self.home.store.log, self.hub.store
        numbers = [entry.body().extensions[EXT_SOURCE][1] for entry in there.entries_of_log(log)]
        assert numbers == list(range(1, self.numbers + 1))
        assert {file.name for file in there.files.files_of()} == set(self.photos)
        for store in (self.home.store, there):
            assert verify(store, there.identity.public_key, lambda _: None).first_bad is None
            assert verify_files(store, lambda _: None).bad == []

    def close(self) -> None:
        self.home.stop()
        self.hub.stop()
        self.loop.close()
        asyncio.set_event_loop(None)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    pair.close()


@pytest.mark.parametrize("direction", ["up", "down"])
def test_cut_at_every_byte(tmp_path, direction):
    """Wherever it is cut, in HTTP's own lines or within a frame, a clean exchange leads to the same end."""
    ended: Counter[str] = Counter()
    pair = Pair(tmp_path / "0")
    for count in itertools.count(1):
        if count % FRESH_EVERY == 0:
            pair.require_all()
            pair.close()
            pair = Pair(tmp_path / str(count))
            pair.work()
            assert pair.exchange(1 << 20) == "done"
        pair.work()
        how = pair.exchange(1 << 20, (count, None) if direction == "up" else (None, count))
        ended[how] += 1
        if how == "done" and count > 300 and ended["done"] > 3:  # the exchange has fewer bytes than that
            break
        assert pair.exchange(1 << 20) == "done"
        pair.require_the_end()
    assert ended["cut"] > 300
    pair.exchange(1 << 20)
    pair.require_all()
    pair.close()


LIFE_BYTES = 1200  # of a connection: less than any push or chunk that is made here
OVERHEAD_BYTES = 600  # HTTP's lines, the greeting, a question for a receipt, an offer, Resume


def lives_until_done(pair: Pair, lives_max: int) -> int:
    """Exchange over connections that live for so little, in small pieces, until all has come."""
    for count in range(1, lives_max):
        if pair.exchange(100, (LIFE_BYTES, None)) == "done":
            return count
    raise AssertionError(f"not done after {lives_max} connections")


@pytest.mark.parametrize("is_singly", [False, True])
def test_what_came_of_a_push_is_not_sent_again(pair, is_singly, monkeypatch):
    """Connections too short for a single push bring all of them; a hub that is started anew has forgotten one part."""
    monkeypatch.setattr(pair.home.exchanger, "_goes_singly", lambda: is_singly)
    pair.work()
    assert pair.exchange(1 << 20) == "done"
    notes = random.Random(1)
    store = pair.home.store
    for _ in range(120):
        note = "".join(chr(notes.randrange(0x4E00, 0x9FA5)) for _ in range(60))
        pair.numbers += 1
        extensions = {EXT_SOURCE: ["s", pair.numbers]}
        store.record([Draft("visit/1", "w", bytes(16), NOW_MS, {"note": note}, extensions=extensions)])
    pair.work()
    needed_bytes = 120 * 60 * 2
    for _ in range(5):
        assert pair.exchange(100, (LIFE_BYTES, None)) == "cut"
    pair.hub.stop()
    pair.hub.start()
    count = lives_until_done(pair, needed_bytes // (LIFE_BYTES - OVERHEAD_BYTES) + 10)
    assert count >= needed_bytes // LIFE_BYTES - 5
    pair.require_the_end()
    pair.require_all()


def test_what_came_of_a_photographs_part_is_not_sent_again(pair):
    """A part of a photograph is sixteen thousand bytes; connections for a thousand bring it."""
    pair.work()
    assert pair.exchange(1 << 20) == "done"
    content = random.Random(2).randbytes(20_000)
    store = pair.home.store
    name = store.files.add(store.log, content, "image/jpeg", [bytes(16)], 0)
    lives_until_done(pair, len(content) // (LIFE_BYTES - OVERHEAD_BYTES) + 10)
    assert store.files.waiting() == []
    assert pair.hub.store.files.read(name)[1] == content


@pytest.mark.parametrize("piece_bytes", [1, 2, 7])
def test_pieces_of_any_size(pair, piece_bytes):
    """An exchange whose bytes come one by one ends as one that comes at once."""
    for _ in range(3):
        pair.work()
        assert pair.exchange(piece_bytes) == "done"
        pair.require_the_end()
    pair.require_all()
