"""Photographs in an exchange: sent last, chunk by chunk; a cut costs what was on its way, a repeat costs nothing."""

from __future__ import annotations

import asyncio
import random
from contextlib import closing

import pytest

from sync import wire
from sync.entry import log_id
from sync.errors import KeyDestroyed, RefusedByPeer, RemoteProtocolError, Unreachable, VerificationError
from sync.file_form import CHUNK_SIZE_BYTES, Manifest, Sent, chunk_hash, offer_text, seal_file
from sync.file_keeping import chunk_of, keep, offer_of
from sync.file_transfer import (
    CHUNKS_IN_FLIGHT_MAX,
    FILES_COUNT_MAX,
    GONE,
    FileReceiver,
    FileSender,
    KeepSent,
    MakeOffer,
    ReadChunk,
)
from sync.messages import Chunk, Declined, Holds, Offer, Receipt
from sync.note import Signer, sign
from sync.replicator import Wait
from sync.server import ExchangeServer
from sync.store import Store
from sync.stored_log import StoredLog
from tests.sync.test_exchange import CLOCK_MS, Hub, check_complete, drafts, run, sender_of, serving, through_a_line

ONE, TWO, THREE = (n.to_bytes(16, "big") for n in (1, 2, 3))
BY = {"by": "dir", "ground": "g", "now_ms": CLOCK_MS}
NAME = b"n" * 32


def picture(seed: int, chunks: float = 3.5) -> bytes:
    return random.Random(seed).randbytes(int(CHUNK_SIZE_BYTES * chunks))


def add(node: Store, seed: int, *subjects: bytes, chunks: float = 3.5) -> bytes:
    return node.files.add(node.log, picture(seed, chunks), "image/jpeg", subjects or (ONE,), CLOCK_MS)


@pytest.fixture
def hub(stores) -> Hub:
    return Hub(stores("hub"))


@pytest.fixture
def node(stores, hub) -> Store:
    made = stores("node")
    hub.register(made)
    return made


class Talk:
    """One exchange's part about files between two stores, message by message, that ends after so many of them."""

    def __init__(self, node: Store, hub: Store, messages_max: float = float("inf")) -> None:
        self.sender = FileSender(node.files.waiting())
        self.receiver = FileReceiver(node.log, node.signer.public_key)
        self.up: list[Offer | Chunk] = []
        self.down: list[Holds | Declined] = []
        self.sent: list[Offer | Chunk] = []
        self._node, self._hub = node, hub
        self.left = messages_max

    def run(self) -> bool:
        """Whether it came to its end."""
        while not self.sender.done:
            match self.sender.next():
                case MakeOffer(name):
                    self._say(offer := offer_of(self._node, name))
                    self.sender.offered(len(offer.manifest.hashes))
                case ReadChunk(name, number):
                    self._say(chunk_of(self._node, name, number))
                    self.sender.sent()
                case _ if not self._carry():
                    return False
        return True

    def _say(self, message: Offer | Chunk) -> None:
        self.up.append(message)
        self.sent.append(message)

    def _carry(self) -> bool:
        """The next message arrives; False where the line is cut instead."""
        if self.left <= 0:
            return False
        self.left -= 1
        if self.down:
            for name, sent in self.sender.receive(wire.decode(wire.encode(self.down.pop(0)))):
                self._node.files.note_sent(name, sent)
        else:
            for effect in self.receiver.receive(wire.decode(wire.encode(self.up.pop(0)))):
                self.down.append(keep(self._hub.files, self._node.log, effect, CLOCK_MS))
        return True


def contents(store: Store) -> dict[bytes, tuple[bytes, list[bytes]]]:
    """Every whole file by name: what it holds and whom it shows."""
    return {f.name: (store.files.content(f), store.files.subjects(f)) for f in store.files.files_of() if f.complete}


def test_everything_that_waits_arrives(node, hub):
    """Pictures of all sizes arrive with their ties, byte for byte, and none waits any more."""
    for seed, chunks in enumerate((0.001, 1, 1.001, 3.5, 12)):
        add(node, seed, *((ONE, TWO, THREE)[: seed % 3 + 1]), chunks=chunks)
    assert Talk(node, hub.store).run()
    assert contents(hub.store) == contents(node)
    assert len(contents(hub.store)) == 5
    assert node.files.waiting() == []
    assert {f.log for f in hub.store.files.files_of()} == {node.log}


def test_a_cut_after_any_message_costs_what_was_on_its_way(stores, hub):
    """Wherever it is cut, nobody is shown half a picture, and only what was on its way is sent again."""
    cut = 0
    while True:
        node = stores(f"node-{cut}")
        names = [add(node, seed, ONE) for seed in range(2)]
        first = Talk(node, hub.store, cut)
        finished = first.run()
        for name in names:
            if (found := hub.store.files.find(name)) and not found.complete:
                with pytest.raises(Exception, match="arrived whole"):
                    hub.store.files.read(name)
        acknowledged = {name: found.held for name in names if (found := hub.store.files.find(name))}
        second = Talk(node, hub.store)
        assert second.run()
        assert [contents(hub.store)[name] for name in names] == [contents(node)[name] for name in names]
        chunks = [message for message in second.sent if isinstance(message, Chunk)]
        assert all(chunk.number >= acknowledged.get(chunk.name, 0) for chunk in chunks)
        total = sum(isinstance(message, Chunk) for message in first.sent) + len(chunks)
        assert 8 <= total <= 8 + CHUNKS_IN_FLIGHT_MAX
        if finished:
            break
        cut += 1
    assert cut == 2 * (2 + 8)


def test_a_repeat_is_harmless(node, hub):
    """Everything that was said is said again in a new exchange: the answers say what is held, nothing changes."""
    add(node, 1, ONE, TWO)
    talk = Talk(node, hub.store)
    assert talk.run()
    before = contents(hub.store)
    receiver = FileReceiver(node.log, node.signer.public_key)
    for message in talk.sent * 2:
        for effect in receiver.receive(message):
            assert keep(hub.store.files, node.log, effect, CLOCK_MS) == Holds(message.name, 4)
    assert contents(hub.store) == before


def test_what_the_hub_has_erased_is_offered_no_more(node, hub, draft):
    """A picture of somebody whom the hub erased is declined for good, before and after it came; others go on."""
    hub.store.record([draft(1)]).result(10)
    came = add(node, 1, ONE, TWO)
    assert Talk(node, hub.store).run()
    hub.store.erase([ONE], **BY)
    never, fine = add(node, 2, TWO, ONE), add(node, 3, TWO)
    node.files.offer_again(node.log)
    talk = Talk(node, hub.store)
    assert talk.run()
    assert contents(hub.store).keys() == {fine}
    assert [node.files.find(name).sent for name in (came, never, fine)] == [Sent.DESTROYED, Sent.DESTROYED, Sent.HELD]
    node.files.offer_again(node.log)
    assert node.files.waiting() == [fine]
    assert node.files.read(came)[1] == picture(1)  # what is erased at home is for the home's own order


@pytest.mark.parametrize("cut", range(1, 9))
def test_an_erasure_while_a_picture_comes(node, hub, draft, cut):
    """Erased at the hub after any message: nothing of the picture stays there, and the node is told."""
    hub.store.record([draft(1)]).result(10)
    name, other = add(node, 1, ONE), add(node, 2, TWO)
    talk = Talk(node, hub.store, cut)
    assert not talk.run()
    hub.store.erase([ONE], **BY)
    talk.left = float("inf")
    assert talk.run()
    assert contents(hub.store).keys() == {other}
    assert hub.store.files.find(name) is None
    assert node.files.find(name).sent == Sent.DESTROYED or cut > 8


def test_a_picture_that_is_erased_at_home_meanwhile(node, hub, draft):
    """What is erased here while it waits is skipped; the rest goes on."""
    node.record([draft(1)]).result(10)
    add(node, 1, ONE)
    kept = add(node, 2, TWO)
    talk = Talk(node, hub.store)
    node.erase([ONE], **BY)
    with pytest.raises(KeyDestroyed):
        talk.run()
    talk.sender.skip()
    assert talk.run()
    assert contents(hub.store).keys() == {kept}


def test_sending_stops_for_entries(node, hub):
    """Told that entries wait, it sends nothing more, waits for what is on its way, and the next one goes on there."""
    add(node, 1, chunks=9)
    talk = Talk(node, hub.store, 7)
    assert not talk.run()
    talk.sender.stop()
    assert isinstance(talk.sender.next(), Wait)
    talk.left = float("inf")
    assert talk.run()
    assert talk.sender.next() is None
    assert talk.sender.left == 1
    held = hub.store.files.files_of()[0].held
    assert held == sum(isinstance(message, Chunk) for message in talk.sent)
    again = Talk(node, hub.store)
    assert again.run()
    assert len(again.sent) == 1 + 9 - held


def test_one_exchange_carries_so_many(node, hub):
    """Beyond the bound of one exchange the rest is left for the next; a node that does not stop is refused."""
    for seed in range(FILES_COUNT_MAX + 3):
        add(node, seed, chunks=0.01)
    talk = Talk(node, hub.store)
    assert talk.run()
    assert (len(contents(hub.store)), talk.sender.left) == (FILES_COUNT_MAX, 3)
    with pytest.raises(RemoteProtocolError, match="at most 64"):
        talk.receiver.receive(offer_of(node, node.files.waiting()[0]))


@pytest.fixture
def offered(node):
    """A receiver that was offered a file, with the offer and its chunks."""
    name = add(node, 1, ONE)
    receiver, offer = FileReceiver(node.log, node.signer.public_key), offer_of(node, name)
    receiver.receive(offer)
    return receiver, offer, [chunk_of(node, name, n) for n in range(4)]


def test_an_offer_is_the_nodes_own(node, offered, stores):
    """Other ties, another key, size, media type or chunk, and another node's signature are refused."""
    receiver, offer, _ = offered
    stranger = Signer("homeward/new", b"s" * 32)
    text = offer_text(node.log, offer.name, offer.subjects)
    for wrong in (
        offer._replace(subjects=(ONE, TWO)),
        offer._replace(subjects=(TWO,)),
        offer._replace(key=b"k" * 32),
        offer._replace(manifest=offer.manifest._replace(media="image/png")),
        offer._replace(manifest=offer.manifest._replace(hashes=offer.manifest.hashes[::-1])),
        offer._replace(signature=sign(stranger, text)),
        offer._replace(signature=sign(node.signer, text.replace(node.log.hex(), log_id(stranger.public_key).hex()))),
        offer._replace(signature=bytes(64)),
    ):
        with pytest.raises(VerificationError):
            receiver.receive(wrong)


def test_a_chunk_is_what_was_offered(offered):
    """A chunk in another place, of another size, changed, of another file or of none is refused before it is stored."""
    receiver, _, (one, two, _, last) = offered
    for wrong in (
        one._replace(number=1),
        two._replace(number=0),
        one._replace(sealed=one.sealed[:-1]),
        last._replace(number=4),
        one._replace(name=NAME),
        one._replace(sealed=one.sealed[:-1] + bytes([one.sealed[-1] ^ 1])),
    ):
        with pytest.raises((RemoteProtocolError, VerificationError)):
            receiver.receive(wrong)


def test_a_chunk_that_does_not_open_is_not_kept(node, hub):
    """A node that offers a key which does not open its chunks is declined, and nothing of it is shown."""
    manifest, _, chunks = seal_file(picture(1), "image/jpeg")
    offer = Offer(manifest, b"k" * 32, (ONE,), b"")
    offer = offer._replace(signature=sign(node.signer, offer_text(node.log, offer.name, offer.subjects)))
    receiver = FileReceiver(node.log, node.signer.public_key)
    for message in (offer, Chunk(offer.name, 0, chunks[0])):
        (effect,) = receiver.receive(message)
        answer = keep(hub.store.files, node.log, effect, CLOCK_MS)
    assert isinstance(answer, Declined)
    assert answer.code != GONE
    assert hub.store.files.find(offer.name).held == 0


@pytest.mark.parametrize(
    "said",
    [
        [Holds(b"o" * 32, 0)],
        [Declined(b"o" * 32, GONE, "")],
        [Holds(NAME, 5)],
        [Holds(NAME, 0), Holds(NAME, 0)],
        [Holds(NAME, 0), Holds(NAME, 3)],
        [Holds(NAME, 2), Holds(NAME, 1)],
    ],
)
def test_a_hub_that_says_what_cannot_be_is_not_believed(said):
    """An answer about another file, beyond what exists or was sent, or behind what was said, ends the exchange."""
    sender = FileSender([NAME])
    assert sender.next() == MakeOffer(NAME)
    sender.offered(4)
    *believed, wrong = said
    for message in believed:
        sender.receive(message)
        while isinstance(sender.next(), ReadChunk):
            sender.sent()
    with pytest.raises(RemoteProtocolError):
        sender.receive(wrong)


def test_late_answers_about_a_file_that_is_over(node):
    """Answers to chunks that were on their way when the file was declined are no fault."""
    sender = FileSender([NAME, b"o" * 32])
    sender.offered(4)
    sender.receive(Holds(NAME, 0))
    assert sender.receive(Declined(NAME, "unfit", "")) == []
    assert sender.next() == MakeOffer(b"o" * 32)
    sender.offered(1)
    assert sender.receive(Declined(NAME, "unfit", "")) == []
    assert sender.receive(Holds(b"o" * 32, 1)) == [KeepSent(b"o" * 32, Sent.HELD)]
    assert sender.done


# Over real sockets


def attempt(node: Store, hub: Hub, acknowledged: int = 0, *, ask_first: bool = False):
    sender = sender_of(node, hub.key, acknowledged, ask_first=ask_first)
    from sync.client import Exchange

    return Exchange(node, sender, hub.url, lambda: CLOCK_MS, node.files.waiting())


async def carry(exchange, url: str = ""):
    import aiohttp

    if url:
        exchange._url = url + "/v1/exchange"
    async with aiohttp.ClientSession() as http:
        return await exchange.run(http)


async def bounded(exchange, url: str) -> None:
    async with asyncio.timeout(120):
        await carry(exchange, url)


def test_pictures_follow_the_receipt(node, hub, monkeypatch):
    """The receipt for all entries comes first; before the hub says that it holds a chunk, the chunk is on its disk."""
    node.record(drafts(700)).result(20)
    for seed in range(5):
        add(node, seed)
    said = []
    send = ExchangeServer._send

    async def checked(response, message) -> None:
        if isinstance(message, Holds):
            with closing(StoredLog(hub.store.folder)) as reader:
                found = reader.files.find(message.name)
                assert found.held >= message.chunks
                assert len([reader.files.chunk(found, n) for n in range(message.chunks)]) == message.chunks
        said.append(message)
        await send(response, message)

    monkeypatch.setattr(ExchangeServer, "_send", staticmethod(checked))

    async def work() -> None:
        async with serving(hub):
            await carry(attempt(node, hub))

    run(work())
    check_complete(node, hub)
    assert contents(hub.store) == contents(node)
    kinds = [type(message) for message in said]
    assert kinds.index(Holds) > kinds.index(Receipt)
    assert kinds.count(Holds) == 5 * (1 + 4)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cut_after_any_bytes_is_mended(stores, hub, direction):
    """The line is reset after N bytes, for many N: receipt and pictures are there after the next exchange."""

    async def work() -> None:
        async with serving(hub), through_a_line(hub) as line:
            cut, finished = 1, False
            while not finished:
                node = stores(f"home-{cut}")
                hub.register(node)
                node.record(drafts(10)).result(10)
                names = [add(node, seed, chunks=1.5) for seed in range(2)]
                setattr(line, f"{direction}_bytes_max", cut)
                cuts, first = line.cuts, attempt(node, hub)
                try:
                    await bounded(first, line.url)
                    finished = line.cuts == cuts
                except Unreachable:
                    signed = node.last_checkpoint(node.log, with_receipt=True)
                    assert (first.sender.receipt is not None) == (signed is not None)
                setattr(line, f"{direction}_bytes_max", float("inf"))
                await bounded(attempt(node, hub, ask_first=True), line.url)
                assert node.files.waiting() == []
                assert {name: contents(hub.store)[name] for name in names} == contents(node)
                check_complete(node, hub)
                cut += 4999 if direction == "up" else 61

    asyncio.run(work())  # each exchange has a bound of its own: how many there are says nothing


def test_a_new_entry_does_not_wait_for_pictures(node, hub):
    """An entry that is recorded while pictures go ends the exchange after the chunks on their way."""
    node.record(drafts(1)).result(10)
    for seed in range(20):
        add(node, seed, chunks=10)

    async def work() -> None:
        async with serving(hub):
            exchange = attempt(node, hub)
            going = asyncio.create_task(carry(exchange))
            while exchange.files.acknowledged < 5:  # noqa: ASYNC110 -- it tells nobody
                await asyncio.sleep(0.002)
            node.record(drafts(1, start=1)).result(10)
            before = exchange.files.acknowledged
            await going
            assert exchange.files.acknowledged <= before + CHUNKS_IN_FLIGHT_MAX + 2
            assert exchange.files.left > 15
            await carry(attempt(node, hub, 1))
            assert node.files.waiting() == []

    run(work())
    check_complete(node, hub)
    assert contents(hub.store) == contents(node)


def test_a_hub_that_refuses_pictures_takes_nothing_from_the_receipt(node, hub, monkeypatch):
    """An older hub ends the exchange at the first offer: the receipt stands, and the pictures wait."""

    async def refuse(*_) -> None:
        raise RemoteProtocolError("a message of kind 9 that does not fit its form")

    monkeypatch.setattr(ExchangeServer, "_take_file", refuse)
    node.record(drafts(5)).result(10)
    add(node, 1)

    async def work() -> None:
        async with serving(hub):
            with pytest.raises(RefusedByPeer, match="kind 9"):
                await carry(attempt(node, hub))

    run(work())
    check_complete(node, hub)
    assert len(node.files.waiting()) == 1


def test_a_bad_picture_at_home_stays_behind(node, hub):
    """A chunk that is damaged here is not sent; the other pictures are, and the trouble is told."""
    from tests.by_hand import by_hand

    bad, good = add(node, 1), add(node, 2)
    with closing(by_hand(node.folder / "files.db")) as db:
        db.execute("UPDATE chunk SET sealed = zeroblob(length(sealed)) WHERE id = (1<<8) + 2")

    async def work() -> None:
        async with serving(hub):
            exchange = attempt(node, hub)
            await carry(exchange)
            assert "chunk 3 is not what it was" in exchange.declined[0]

    run(work())
    assert contents(hub.store).keys() == {good}
    assert node.files.waiting() == [bad]
    assert chunk_hash(b"") != Manifest("a", 1, ()).name(bytes(32))
