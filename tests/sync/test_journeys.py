"""A home and its hub that only ever meet by stick: bundles and answers lost, doubled, late, mixed, cut and forged."""

from __future__ import annotations

import random
import shutil
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from sync import bundle_file, files, parking, wire
from sync.answer_taking import Heard, take_answer
from sync.answering import Answer
from sync.bundle import BundleReader, BundleWriter, Head, Kind
from sync.bundling import Bundler
from sync.entry import log_id
from sync.errors import (
    Diverged,
    LogCorrupt,
    ParkingFull,
    RefusedByPeer,
    RemoteProtocolError,
    VerificationError,
    WrongKey,
)
from sync.file_form import Sent
from sync.instructions import Instructions, holdings
from sync.messages import Chunk, Confirm, Hello, NoKey, Offer, Push
from sync.parking import Parking
from sync.recipients import identity_of, recipient_of
from sync.store import Store
from sync.taking import Taker

CLOCK_MS = 1_741_392_000_000


def nothing(_done: int) -> None:
    """No progress is shown."""


class Home:
    """A node that never had a network."""

    def __init__(self, store: Store, hub_key: bytes, stick: Path) -> None:
        self.store, self.hub_key, self.stick = store, hub_key, stick
        self.told = Instructions()

    def write(self, draft, count: int, subject: int = 1) -> None:
        for n in range(count):
            self.store.record([draft(subject=subject + n % 3, payload={"n": n})]).result()

    def bundle(self, *, photos: bool = False, **options) -> list[Path]:
        names = self.store.files.waiting() if photos else []
        bundler = Bundler(self.store, self.hub_key, self.told, lambda: CLOCK_MS, photos=names, **options)
        return [] if bundler.is_empty else [part.path for part in bundler.write(self.stick, nothing)]

    def ask(self) -> Path:
        """One bundle, also where nothing is new."""
        holds = holdings(self.store, self.hub_key, "home-01", self.told)
        bundler = Bundler(self.store, self.hub_key, self.told, lambda: CLOCK_MS, holds=holds)
        (part,) = bundler.write(self.stick, nothing)
        return part.path

    def take(self, path: Path) -> Heard:
        heard = take_answer(self.store, self.hub_key, "home-01", self.told, path, nothing)
        self.told = heard.instructions
        return heard

    @property
    def resume_at(self) -> int | None:
        return self.told.of(self.store.log).resume_at

    @property
    def receipted(self) -> int:
        kept = self.store.last_checkpoint(self.store.log, with_receipt=True)
        return kept.size if kept else 0


class Hub:
    """A county, and the table on which sticks are read."""

    def __init__(self, store: Store, stick: Path) -> None:
        self.store, self.stick = store, stick
        self.known: dict[bytes, bytes] = {}
        self.parking = Parking(store.folder)
        self.taker = Taker(store, self.known.get, lambda _key, note: note[::-1], lambda: CLOCK_MS, self.parking)

    def take(self, path: Path):
        return self.taker.take(path, nothing)

    def answer(self, reply) -> Path:
        key = self.known[reply.log]
        (part,) = Answer(self.store, {reply.log: key}, "home-01", [reply], CLOCK_MS).write(self.stick)
        return part.path

    def size(self, log: bytes) -> int:
        return next((b.size for b in self.store.branches() if b.log == log), 0)


@pytest.fixture
def hub(stores, tmp_path):
    (tmp_path / "stick").mkdir()
    return Hub(stores("hub"), tmp_path / "stick")


@pytest.fixture
def home(stores, hub, tmp_path):
    store = stores("home")
    hub.known[store.log] = store.signer.public_key
    return Home(store, hub.store.signer.public_key, tmp_path / "stick")


def same(home: Home, hub: Hub) -> bool:
    size = home.store.size(home.store.log)
    return hub.size(home.store.log) == size and hub.store.root(home.store.log, size) == home.store.root(
        home.store.log, size
    )


def inside(path: Path, store: Store) -> list[object]:
    """A bundle's messages, for who may read it."""
    reader, frames = BundleReader(), []
    bundle_file.read(path, [identity_of(store.keyring.log_seed(store.log))], lambda d: frames.extend(reader.feed(d)),
                     nothing)  # fmt: skip
    reader.require_whole()
    return [wire.decode(frame) for frame in frames]


def test_one_journey(home, hub, draft, sizes_of):
    """One bundle brings everything, one answer the receipt; then there is nothing to carry."""
    home.write(draft, 40)
    (path,) = home.bundle()
    reply = hub.take(path)
    assert (reply.before, reply.held, reply.parked, reply.failure) == (0, 40, False, None)
    assert same(home, hub)
    assert sizes_of(hub.store)[home.store.log] == 40
    assert home.receipted == 0
    assert home.take(hub.answer(reply)).rose
    assert (home.receipted, home.bundle()) == (40, [])


def test_the_frames_are_those_of_an_exchange(home, hub, draft):
    """A bundle holds Hello, pushes and Confirm, and begins behind the last receipt."""
    home.write(draft, 5)
    home.take(hub.answer(hub.take(home.bundle()[0])))
    home.write(draft, 3)
    hello, push, confirm = inside(home.bundle()[0], hub.store)
    assert isinstance(hello, Hello)
    assert isinstance(push, Push)
    assert isinstance(confirm, Confirm)
    assert (hello.size, push.start, push.end, confirm.size) == (8, 5, 8, 8)


@pytest.mark.parametrize("seed", range(12))
def test_any_order_any_repetition_any_loss(home, hub, draft, seed, sizes_of):
    """Whatever becomes of sticks on the way, nothing is doubled or claimed too early; one good round settles all."""
    dice = random.Random(seed)
    bundles, answers = [], []
    for _ in range(8):
        home.write(draft, dice.randint(0, 12), subject=dice.randint(1, 5))
        if dice.random() < 0.7:
            bundles += home.bundle(part_size_bytes=dice.choice([300, 1000, 10**6]))
        for path in dice.choices(bundles, k=dice.randint(0, 4)) if bundles else []:
            try:
                reply = hub.take(path)
            except ParkingFull:
                continue
            assert reply.failure is None
            if dice.random() < 0.8:
                answers.append(hub.answer(reply))
        for path in dice.choices(answers, k=dice.randint(0, 3)) if answers else []:
            before = home.receipted
            home.take(path)
            assert before <= home.receipted <= hub.size(home.store.log)
    dice.shuffle(bundles)
    for path in bundles:
        with suppress(ParkingFull):
            hub.take(path)
    for path in home.bundle():
        reply = hub.take(path)
        home.take(hub.answer(reply))
    assert same(home, hub)
    assert home.receipted == home.store.size(home.store.log)
    sizes_of(hub.store)


@pytest.mark.parametrize("seed", range(4))
def test_parts_in_any_order(home, hub, draft, seed):
    """Parts are taken in every order; those that come too early wait, and nothing waits at the end."""
    home.write(draft, 60)
    parts = home.bundle(part_size_bytes=500)
    assert len(parts) > 1, "one push: use more entries"
    random.Random(seed).shuffle(parts)
    waited = 0
    for path in parts:
        reply = hub.take(path)
        waited = max(waited, len(hub.parking.all()))
        home.take(hub.answer(reply))
        assert home.receipted == hub.size(home.store.log)
    assert same(home, hub)
    assert hub.parking.all() == []
    assert waited > 0 or seed > 0


def test_a_cut_bundle_brings_what_it_holds(home, hub, draft):
    """Of a bundle that was cut, what came whole is stored and confirmed; the whole one brings the rest."""
    home.write(draft, 40)
    big = [draft(payload={"t": random.Random(n).randbytes(30_000)}) for n in range(60)]
    home.store.record(big).result()
    (path,) = home.bundle()
    whole = path.read_bytes()
    sizes = []
    for share in (0.2, 0.4, 0.6, 0.8, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        reply = hub.take(path)
        assert isinstance(reply.failure, LogCorrupt)
        sizes.append(hub.size(home.store.log))
        home.take(hub.answer(reply))
        assert home.receipted == sizes[-1]
    assert sizes == sorted(sizes)
    assert 0 < sizes[1] < sizes[-1] <= 100
    path.write_bytes(whole)
    hub.take(path)
    assert same(home, hub)


def test_flipped_bits_never_store_anything_else(home, hub, draft):
    """Wherever a bit is flipped, the hub's copy is a prefix of the home's, and the good file completes it."""
    home.write(draft, 30)
    (path,) = home.bundle()
    whole = path.read_bytes()
    for at in random.Random(1).sample(range(len(whole)), 60):
        bad = bytearray(whole)
        bad[at] ^= 4
        path.write_bytes(bad)
        with suppress(LogCorrupt, WrongKey, RemoteProtocolError):
            assert hub.take(path).failure is not None
        held = hub.size(home.store.log)
        if held:
            assert hub.store.root(home.store.log, held) == home.store.root(home.store.log, held)
    path.write_bytes(whole)
    hub.take(path)
    assert same(home, hub)


def test_a_stranger(home, hub, draft):
    """A home that the county does not know is refused in words, and nothing of it is kept."""
    home.write(draft, 3)
    (path,) = home.bundle()
    hub.known.clear()
    with pytest.raises(RefusedByPeer, match="does not know"):
        hub.take(path)
    assert [b.log for b in hub.store.branches()] == [hub.store.log]


def test_what_is_enclosed_goes_both_ways(home, hub, draft):
    """What a bundle encloses comes to the hub's shell, and what that answers comes back, once for each bundle."""
    home.write(draft, 3)
    (path,) = home.bundle(enclosed=b"question")
    assert home.take(hub.answer(hub.take(path))).enclosed == b"noitseuq"
    home.write(draft, 1)
    assert home.take(hub.answer(hub.take(home.bundle()[0]))).enclosed == b""


def test_only_the_receiver_reads(home, hub, draft, stores):
    """Another county opens no bundle, another home no answer, and a hub not its own answer."""
    home.write(draft, 3)
    (path,) = home.bundle()
    other = Hub(stores("other hub"), hub.stick)
    with pytest.raises(WrongKey):
        other.take(path)
    reply = hub.answer(hub.take(path))
    with pytest.raises(WrongKey):
        Home(stores("other home"), home.hub_key, hub.stick).take(reply)
    with pytest.raises(WrongKey):
        hub.take(reply)
    with pytest.raises(WrongKey):
        home.take(path)


def forged(home: Home, signer, messages, receipted: int = 0) -> Path:
    writer = BundleWriter(signer)
    head = Head(Kind.ANSWER, signer.public_key, home.store.log, receipted, 0)
    pieces = [writer.begin(head), *(writer.frame(wire.encode(message)) for message in messages), writer.end()]
    return bundle_file.write_new(home.stick, recipient_of(home.store.signer.public_key), pieces)


def test_a_forged_answer_changes_nothing(home, stores, draft):
    """Anybody can encrypt to a home; but only its own county's answers are believed, whatever they ask for."""
    home.write(draft, 3)
    path = forged(home, stores("impostor").signer, [NoKey(0, [1, 2, 3])])
    with pytest.raises(WrongKey, match="not from the county"):
        home.take(path)
    assert home.told == Instructions()


def test_an_answer_that_is_not_whole_changes_nothing(home, hub, draft):
    """Nothing follows from the beginning of an answer: the signature behind its end must hold."""
    home.write(draft, 3)
    writer = BundleWriter(hub.store.signer)
    head = Head(Kind.ANSWER, hub.store.signer.public_key, home.store.log, 0, 0)
    begun = [writer.begin(head), writer.frame(wire.encode(NoKey(0, [1])))]
    key = recipient_of(home.store.signer.public_key)
    for end in ([], [bytes(4) + bytes(64)], [bytes(3)]):
        path = bundle_file.write_new(home.stick, key, [*begun, *end])
        with pytest.raises((RemoteProtocolError, VerificationError)):
            home.take(path)
    assert home.told == Instructions()


def test_a_bundle_in_another_homes_name(home, hub, stores, draft):
    """Who signs with another key than the one that the head names brings nothing that the pushes do not prove."""
    home.write(draft, 3)
    thief = stores("thief").signer
    writer = BundleWriter(thief)
    head = Head(Kind.TO_HUB, home.store.signer.public_key, log_id(home.hub_key), 0, 100)
    hello = inside(home.bundle()[0], hub.store)[0]
    begun = [writer.begin(head), writer.frame(wire.encode(hello))]
    for pieces in ([*begun, writer.end()], begun):
        path = bundle_file.write_new(hub.stick, recipient_of(home.hub_key), pieces)
        reply = hub.take(path)
        assert isinstance(reply.failure, VerificationError | RemoteProtocolError)
        assert hub.parking.all() == [], "a stranger fills the room for bundles that wait"


def test_a_bundle_that_was_made_for_another_use(home, hub, draft):
    """What names another county, or is an answer, is not taken for a bundle, though it was encrypted to this hub."""
    home.write(draft, 3)
    messages = inside(home.bundle()[0], hub.store)
    signer, ours = home.store.signer, log_id(home.hub_key)
    for head in (
        Head(Kind.ANSWER, signer.public_key, ours, 0, 0),
        Head(Kind.TO_HUB, signer.public_key, bytes(16), 0, 0),
    ):
        writer = BundleWriter(signer)
        pieces = [writer.begin(head), *(writer.frame(wire.encode(message)) for message in messages), writer.end()]
        with pytest.raises(RemoteProtocolError, match="no bundle for this county"):
            hub.take(bundle_file.write_new(hub.stick, recipient_of(home.hub_key), pieces))
    writer = BundleWriter(signer)
    head = Head(Kind.TO_HUB, signer.public_key, ours, 0, 0)
    pieces = [writer.begin(head), *(writer.frame(wire.encode(message)) for message in messages[1:]), writer.end()]
    with pytest.raises(RemoteProtocolError, match="begins with Hello"):
        hub.take(bundle_file.write_new(hub.stick, recipient_of(home.hub_key), pieces))
    assert hub.size(home.store.log) == 0


def test_parking_is_bounded(home, hub, draft, monkeypatch):
    """Beyond its bounds the hub parks nothing more and says so; what it has parked, once, still follows."""
    monkeypatch.setattr(parking, "COUNT_OF_LOG_MAX", 3)
    home.write(draft, 60)
    first, *early = home.bundle(part_size_bytes=200)
    assert len(early) > 4
    for path in early[:3] * 2:
        assert hub.take(path).parked
    with pytest.raises(ParkingFull, match="bring the ones before it first"):
        hub.take(early[3])
    assert len(hub.parking.all()) == 3
    (hub.store.folder / parking.FOLDER / "x.age.making").write_bytes(b"half")
    hub.take(first)
    for path in early[3:]:
        hub.take(path)
    assert same(home, hub)
    assert hub.parking.all() == []


def test_parking_is_bounded_in_size(home, hub, draft):
    """Room for bundles that wait is counted in bytes, too; and lies there as it came, readable to the hub alone."""
    home.write(draft, 60)
    _, early, later, *_ = home.bundle(part_size_bytes=200)
    hub.taker._parking = Parking(hub.store.folder, size_bytes_max=early.stat().st_size + 10)
    hub.take(early)
    with pytest.raises(ParkingFull):
        hub.take(later)
    (parked,) = hub.parking.all()
    assert parked.path.read_bytes() == early.read_bytes()


def test_what_the_network_brought_frees_what_waits(home, hub, draft):
    """Where the gap was closed in another way, what waits follows without its stick."""
    home.write(draft, 60)
    first, second, *_ = home.bundle(part_size_bytes=500)
    assert hub.take(second).parked
    other = Taker(hub.store, hub.known.get, lambda *_: b"", lambda: CLOCK_MS, Parking(hub.store.folder / "elsewhere"))
    other.take(first, nothing)
    (reply,) = hub.taker.follow_all(nothing)
    assert hub.parking.all() == []
    home.take(hub.answer(reply))
    assert home.receipted == hub.size(home.store.log) > 0


def test_a_hub_put_back_from_a_backup(home, hub, draft, stores, tmp_path):
    """A hub that lost entries says so in its answer; the next bundle brings them again, and what waited follows."""
    home.write(draft, 10)
    home.take(hub.answer(hub.take(home.bundle()[0])))
    hub.store.close()
    shutil.copytree(hub.store.folder, tmp_path / "restored")
    again = Hub(stores("hub"), hub.stick)
    again.known = hub.known
    again.taker.key_of = hub.known.get
    home.write(draft, 10)
    lost = again.answer(again.take(home.bundle()[0]))
    home.take(lost)
    assert home.receipted == 20
    restored = Hub(stores("restored"), hub.stick)
    restored.taker.key_of = hub.known.get
    restored.known = hub.known
    home.write(draft, 5)
    reply = restored.take(home.bundle()[0])
    assert reply.parked
    home.take(restored.answer(reply))
    assert home.resume_at == 10
    home.take(lost)  # an answer from before comes once more
    again_from_10 = home.bundle()[0] if home.resume_at == 10 else None
    assert again_from_10 is not None
    home.take(restored.answer(restored.take(again_from_10)))
    assert same(home, restored)
    assert (home.receipted, home.resume_at, restored.parking.all()) == (25, None, [])


def test_a_subject_that_the_county_erased(home, hub, draft):
    """The hub takes no content of somebody whom it erased: it asks for the erased form, and then the rest follows."""
    home.write(draft, 9)
    home.take(hub.answer(hub.take(home.bundle()[0])))
    subject = (2).to_bytes(16, "big")
    hub.store.erase([subject], by="w", ground="g", now_ms=CLOCK_MS)
    home.write(draft, 6)
    (path,) = home.bundle()
    for _ in range(2):
        reply = hub.take(path)
        assert (reply.failure, reply.held, reply.withheld) == (None, 9, {2})
        asked = hub.answer(reply)
        home.take(asked)
    home.take(hub.answer(hub.take(home.bundle()[0])))
    assert same(home, hub)
    assert home.receipted == 15
    for size in (18, 21):
        home.write(draft, 3)
        home.take(hub.answer(hub.take(home.bundle()[0])))
        assert home.receipted == size, "a stream that is withheld stays so: no round is lost"
        home.take(asked)  # an answer from before comes once more
    assert [
        e.packed for e in hub.store.entries_of_log(home.store.log) if e.body() and e.body().subject == subject
    ] == []


def test_several_subjects_that_the_county_erased(home, hub, draft):
    """All streams that a bundle shows to be without a key are asked for at once: each round may take weeks."""
    home.write(draft, 9)
    home.take(hub.answer(hub.take(home.bundle()[0])))
    hub.store.erase([n.to_bytes(16, "big") for n in (2, 3)], by="w", ground="g", now_ms=CLOCK_MS)
    home.store.record([draft(subject=2)] * 80 + [draft(subject=3)] * 80).result()
    (path,) = home.bundle(part_size_bytes=20_000)
    assert sum(isinstance(message, Push) for message in inside(path, hub.store)) > 1
    reply = hub.take(path)
    assert reply.withheld == {2, 3}
    home.take(hub.answer(reply))
    home.take(hub.answer(hub.take(home.bundle()[0])))
    assert home.receipted == 169


def test_a_subject_that_the_home_erased(home, hub, draft):
    """What a home erased goes in erased form, also what waited at the hub before."""
    home.write(draft, 9)
    home.store.erase([(2).to_bytes(16, "big")], by="w", ground="g", now_ms=CLOCK_MS)
    home.take(hub.answer(hub.take(home.bundle()[0])))
    assert same(home, hub)
    assert home.receipted == home.store.size(home.store.log)


def test_two_takers_at_once(home, hub, draft):
    """Two processes' worth of taking about one log, at the same time, store everything once."""
    home.write(draft, 300)
    parts = home.bundle(part_size_bytes=700)
    failures = []

    def take(seed: int) -> None:
        taker = Taker(hub.store, hub.known.get, lambda *_: b"", lambda: CLOCK_MS, Parking(hub.store.folder / str(seed)))
        try:
            for path in parts:
                assert taker.take(path, nothing).failure is None
        except BaseException as error:  # noqa: BLE001 -- looked at below
            failures.append(error)

    for n in range(3):
        (hub.store.folder / str(n)).mkdir()
    threads = [threading.Thread(target=take, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert same(home, hub)


def photograph(home: Home, seed: int, subject: int = 1) -> bytes:
    content = random.Random(seed).randbytes(40_000)
    return home.store.files.add(home.store.log, content, "image/jpeg", [subject.to_bytes(16, "big")], CLOCK_MS)


def sent(home: Home) -> list[Sent]:
    return [file.sent for file in home.store.files.files_of()]


def test_photographs_come_last_and_only_if_asked(home, hub, draft):
    """Behind the entries and their Confirm, each whole; what the county holds is not carried again."""
    home.write(draft, 3)
    names = [photograph(home, seed) for seed in range(3)]
    assert not any(isinstance(message, Offer) for message in inside(home.bundle()[0], hub.store))
    (path,) = home.bundle(photos=True)
    kinds = [type(message) for message in inside(path, hub.store)]
    assert kinds == [Hello, Push, Confirm, *[Offer, Chunk, Chunk, Chunk] * 3]
    reply = hub.take(path)
    home.take(hub.answer(reply))
    assert sent(home) == [Sent.HELD] * 3
    assert [hub.store.files.read(name) for name in names] == [home.store.files.read(name) for name in names]
    assert home.bundle(photos=True) == []


@pytest.mark.parametrize("seed", range(3))
def test_photographs_in_parts(home, hub, draft, seed):
    """A photograph is never divided; parts with photographs come in any order and again, and all arrive whole."""
    home.write(draft, 3)
    for n in range(4):
        photograph(home, n)
    parts = home.bundle(photos=True, part_size_bytes=10_000)
    assert len(parts) == 5
    parts += parts[1:3]
    random.Random(seed).shuffle(parts)
    for path in parts:
        home.take(hub.answer(hub.take(path)))
    assert sent(home) == [Sent.HELD] * 4
    assert hub.store.files.count()[0] == 4


def test_a_photograph_cut_on_the_way(home, hub, draft):
    """Of a cut bundle the hub keeps the chunks that came; the home hears that not all are there, and sends it again."""
    home.write(draft, 3)
    for n in range(4):
        photograph(home, n)
    (path,) = home.bundle(photos=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20_000])  # age gives on 64 kB at a time
    reply = hub.take(path)
    *whole_ones, cut = [told.chunks for told in reply.files.values()]
    assert whole_ones
    assert set(whole_ones) == {3}
    assert cut < 3
    home.take(hub.answer(reply))
    assert Sent.HELD in sent(home)
    assert sent(home)[-1] == Sent.WAITING
    assert home.receipted == 3
    path.write_bytes(whole)
    home.take(hub.answer(hub.take(path)))
    assert sent(home) == [Sent.HELD] * 4


def test_a_photograph_of_somebody_erased_at_the_county(home, hub, draft):
    """It is declined for ever, the others are taken, and the receipt stands."""
    home.write(draft, 6)
    home.take(hub.answer(hub.take(home.bundle()[0])))
    hub.store.erase([(2).to_bytes(16, "big")], by="w", ground="g", now_ms=CLOCK_MS)
    photograph(home, 1, subject=2)
    photograph(home, 2, subject=1)
    reply = hub.take(home.bundle(photos=True)[0])
    assert reply.failure is None
    home.take(hub.answer(reply))
    assert sent(home) == [Sent.DESTROYED, Sent.HELD]
    assert home.receipted == 6


def test_a_photograph_that_the_county_cannot_take_now(home, hub, draft, monkeypatch):
    """Declined for another reason than an erasure it is carried again the next time."""
    home.write(draft, 3)
    photograph(home, 1)

    def choosy(*_: object) -> int:
        raise RemoteProtocolError("this hub takes no such photographs")

    monkeypatch.setattr(files.Files, "begin", choosy)
    (path,) = home.bundle(photos=True)
    home.take(hub.answer(hub.take(path)))
    assert sent(home) == [Sent.WAITING]
    monkeypatch.undo()
    home.take(hub.answer(hub.take(home.bundle(photos=True)[0])))
    assert sent(home) == [Sent.HELD]


def test_a_fork_is_found(home, hub, draft, stores, tmp_path):
    """A copy of the home that recorded something else is told so, at the hub and in its answer."""
    home.write(draft, 4)
    hub.take(home.bundle()[0])
    home.store.close()
    shutil.copytree(home.store.folder, tmp_path / "clone")
    one = Home(stores("home"), home.hub_key, home.stick)
    two = Home(stores("clone"), home.hub_key, home.stick)
    one.write(draft, 3)
    hub.take(one.bundle()[0])
    two.write(draft, 2, subject=7)
    reply = hub.take(two.bundle()[0])
    assert reply.refusal is not None
    assert reply.refusal.code == "fork"
    assert hub.size(one.store.log) == 7
    path = hub.answer(reply)
    with pytest.raises(Diverged) as found:
        two.take(path)
    assert (found.value.log, found.value.size, found.value.hub_size) == (one.store.log, 4, 7)
    assert two.receipted == 0
    two.store.succeed(4, "forked", CLOCK_MS)
    heard = two.take(path)
    assert (heard.came, heard.left, heard.is_apart) == (3, 0, False)
    assert two.store.root(one.store.log, 7) == one.store.root(one.store.log, 7)


def test_a_fork_that_grew_further_than_the_county_is_found(home, hub, draft, stores, tmp_path):
    """The county cannot compare what it does not hold: the pushes prove wrong, and the answer heals the same way."""
    home.write(draft, 4)
    home.take(hub.answer(hub.take(home.bundle()[0])))
    home.store.close()
    shutil.copytree(home.store.folder, tmp_path / "clone")
    one = Home(stores("home"), home.hub_key, home.stick)
    two = Home(stores("clone"), home.hub_key, home.stick)
    one.write(draft, 3)
    hub.take(one.bundle()[0])
    two.write(draft, 9, subject=7)
    reply = hub.take(two.bundle()[0])
    assert isinstance(reply.failure, VerificationError)
    with pytest.raises(Diverged) as found:
        two.take(hub.answer(reply))
    assert (found.value.size, found.value.hub_size) == (4, 7)


def test_copies_that_part_before_the_receipt(home, hub, draft, stores, tmp_path):
    """The county was put back and then heard a clone first: what parts before the home's receipt is asked for anew."""
    home.write(draft, 4)
    hub.take(home.bundle()[0])
    home.store.close()
    hub.store.close()
    shutil.copytree(home.store.folder, tmp_path / "clone")
    shutil.copytree(hub.store.folder, tmp_path / "old hub")
    one = Home(stores("home"), home.hub_key, home.stick)
    now, old = Hub(stores("hub"), hub.stick), Hub(stores("old hub"), hub.stick)
    now.known.update(hub.known)
    old.known.update(hub.known)
    one.write(draft, 6)
    one.take(now.answer(now.take(one.bundle()[0])))
    assert one.receipted == 10
    two = Home(stores("clone"), home.hub_key, home.stick)
    two.write(draft, 8, subject=7)
    old.take(two.bundle()[0])
    assert one.take(old.answer(old.take(one.ask()))).is_apart, "the pieces begin where the copies are apart already"
    answer = old.answer(old.take(one.ask()))
    with pytest.raises(Diverged) as found:
        one.take(answer)
    assert (found.value.size, found.value.hub_size) == (4, 12)


def test_a_restored_home_asks_for_the_proof(home, hub, draft, stores, tmp_path):
    """An answer that says the county holds more, and brings nothing of it, heals nothing: the next one does."""
    home.write(draft, 4)
    (old,) = home.bundle()
    home.store.close()
    shutil.copytree(home.store.folder, tmp_path / "older")
    now = Home(stores("home"), home.hub_key, home.stick)
    now.write(draft, 4)
    reply = hub.answer(hub.take(now.bundle()[0]))
    older = Home(stores("older"), home.hub_key, home.stick)
    assert older.take(reply).is_apart
    assert older.receipted == 0
    answer = hub.answer(hub.take(older.ask()))
    with pytest.raises(Diverged) as found:
        older.take(answer)
    assert (found.value.size, found.value.hub_size) == (4, 8)
    older.store.succeed(4, "behind", CLOCK_MS)
    assert older.take(answer).came == 4
    assert older.store.root(now.store.log, 8) == now.store.root(now.store.log, 8)
    assert hub.take(old).failure is None
