"""Files on their way down: only what may go, under their own node's signature, from wherever the home is."""

from __future__ import annotations

import asyncio

import pytest

from sync import outbox, shelf, shelf_sql
from sync.errors import RemoteProtocolError, VerificationError
from sync.file_keeping import chunk_of, keep, offer_of
from sync.file_transfer import FileReceiver
from sync.messages import Bring, Chunk, Declined, Follow, Holds, OutboxAt
from sync.replicator import Wait
from sync.shelf import ServedShelf
from sync.shelf_fetching import ShelfFetching

HOME, EPOCH, NOW_MS = "home-01", 1, 1_741_392_000_000
SUBJECT = bytes(range(16))


@pytest.fixture
def county(stores):
    """A hub that holds three files of a home, all on that home's shelf: (hub, home, outbox, names)."""
    hub, home = stores("hub"), stores("home")
    hub.add_log(home.log, home.signer.public_key).result(10)
    names = [home.files.add(home.log, bytes([n]) * 40_000, "image/jpeg", [SUBJECT], NOW_MS) for n in range(3)]
    for name in names:
        receiver, offer = FileReceiver(home.log, home.signer.public_key), offer_of(home, name)
        for message in (offer, *(chunk_of(home, name, n) for n in range(3))):
            for effect in receiver.receive(message):
                keep(hub.files, home.log, effect, NOW_MS)

    def work(db):
        box = outbox.open_outbox(hub, db, HOME, EPOCH)
        shelf_sql.add(db, box.id, names)
        return box.log

    return hub, home, hub.submit(work).result(10), names


class Line:
    """Carries what both ends say, until it is cut after so many words of the hub's."""

    def __init__(self, hub, node, box, may_have=lambda _: True) -> None:
        self.hub, self.node, self.box, self.may_have = hub, node, box, may_have
        self.said: list[object] = []

    async def run(self, words: int = 10**6) -> ShelfFetching:
        key = self.hub.signer.public_key
        fetching = ShelfFetching(self.node, HOME, key, lambda: NOW_MS)
        served = ServedShelf(self.hub, self.box, self.may_have)
        await fetching.told(OutboxAt(EPOCH, 0, shelf.size_of(self.hub, self.box)))
        while not fetching.done:
            while not isinstance(said := await fetching.next(), Wait | None):
                served.follow(said) if isinstance(said, Follow) else served.receive(said)
            while served.may_bring:
                if words == 0:
                    return fetching
                words -= 1
                self.said.append(served.bring())
                await fetching.take(self.said[-1])
        return fetching


def run(line: Line, words: int = 10**6) -> ShelfFetching:
    return asyncio.run(line.run(words))


def test_a_new_folder_gets_all_and_is_told_once(county, stores):
    """Every file comes whole and the same; the next exchange says nothing."""
    hub, home, box, names = county
    new = stores("new")
    run(Line(hub, new, box))
    assert [new.files.read(name) for name in names] == [home.files.read(name) for name in names]
    again = Line(hub, new, box)
    assert (run(again).left, again.said, new.files.coming()) == (0, [], 0)


@pytest.mark.parametrize("words", range(13))
def test_after_a_cut_it_goes_on_where_it_was(county, stores, words):
    """Wherever it is cut, no chunk that arrived comes twice."""
    hub, _, box, names = county
    new = stores("new")
    first, second = Line(hub, new, box), Line(hub, new, box)
    run(first, words)
    run(second)
    chunks = [one[:2] for one in (*first.said, *second.said) if isinstance(one, Chunk)]
    assert len(chunks) == len(set(chunks)) == 9
    assert all(new.files.find(name).complete for name in names)


def test_what_a_home_may_not_have_is_passed_over(county, stores):
    """Not a word of it is said, and the number moves on."""
    hub, _, box, names = county
    new = stores("new")
    line = Line(hub, new, box, lambda file: file.name != names[1])
    assert run(line).left == 0
    assert [one.offer.name for one in line.said if isinstance(one, Bring)] == [names[0], names[2]]
    assert new.files.find(names[1]) is None


def test_what_was_erased_at_the_home_is_declined(county, stores):
    """A picture of somebody who was erased there is not taken in again."""
    hub, _, box, names = county
    new = stores("new")
    new.erase([SUBJECT], by="li", ground="申请", now_ms=NOW_MS)
    line = Line(hub, new, box)
    assert run(line).left == 0
    assert not any(isinstance(one, Chunk) for one in line.said)
    assert new.files.files_of() == []
    assert names[0] in new.files._keyring.destroyed_files() or new.files.find(names[0]) is None


def test_a_hub_that_was_restored_is_followed_anew(county, stores):
    """A shelf with fewer numbers than were looked at is looked at from its beginning; nothing is stored twice."""
    hub, _, box, _ = county
    new = stores("new")
    run(Line(hub, new, box))
    hub.submit(lambda db: db.execute("DELETE FROM shelf WHERE n=3").fetchall()).result(10)
    line = Line(hub, new, box)
    run(line)
    assert [type(one) for one in line.said] == [Bring, Bring]
    assert len(new.files.files_of()) == 3


def test_only_the_files_own_node_says_whom_it_shows(county, stores):
    """An offer that was changed on the way, or is said to be of another log, is refused, and nothing is stored."""
    hub, home, box, _ = county
    new = stores("new")
    served = ServedShelf(hub, box, lambda _: True)
    served.follow(Follow(served.id, 0))
    brought = served.bring()
    wrong = [
        brought._replace(offer=brought.offer._replace(subjects=(bytes(16),))),
        brought._replace(public_key=hub.signer.public_key),
        brought._replace(offer=brought.offer._replace(key=bytes(31) + b"1")),
    ]
    for one in wrong:
        fetching = ShelfFetching(new, HOME, hub.signer.public_key, lambda: NOW_MS)
        asyncio.run(fetching.told(OutboxAt(EPOCH, 0, 3)))
        with pytest.raises(VerificationError):
            asyncio.run(fetching.take(one))
    assert new.files.files_of() == []
    assert home.files.files_of()


def test_a_chunk_that_was_changed_is_refused(county, stores):
    """What comes is compared with what the offer says."""
    hub, _, box, names = county
    new = stores("new")
    fetching, served = (
        ShelfFetching(new, HOME, hub.signer.public_key, lambda: NOW_MS),
        ServedShelf(hub, box, lambda _: True),
    )
    asyncio.run(fetching.told(OutboxAt(EPOCH, 0, 3)))
    served.follow(Follow(served.id, 0))
    asyncio.run(fetching.take(served.bring()))
    served.receive(Holds(names[0], 0))
    chunk = served.bring()
    with pytest.raises(VerificationError):
        asyncio.run(fetching.take(chunk._replace(sealed=chunk.sealed[:-1] + bytes([chunk.sealed[-1] ^ 1]))))
    assert new.files.find(names[0]).held == 0
    with pytest.raises(RemoteProtocolError):
        served.receive(Declined(bytes(32), "gone", "never brought"))
