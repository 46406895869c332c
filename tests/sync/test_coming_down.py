"""What comes down in an answer by stick: pieces that prove themselves, and what a home says that it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sync import bundle_file, carrying, damage, log_sql, outbox, recipients, wire
from sync.answer_taking import Heard, take_answer
from sync.answering import Answer
from sync.bundle import BundleReader, BundleWriter, Head, Kind
from sync.bundling import Bundler
from sync.errors import RefusedByPeer, RemoteProtocolError, VerificationError
from sync.instructions import FOLLOWED_COUNT_MAX, Instructions, Told, holdings
from sync.mending import ASKED_COUNT_MAX
from sync.messages import Ack, Again, Carry, Content, Follow, Held, LogAt, Logs, Message, NoKey, OutboxAt
from sync.outgoing import signed_push_of
from sync.parking import Parking
from sync.recipients import recipient_of
from sync.reply import Reply
from sync.store import Store
from sync.succession import vouch
from sync.taking import Taker

HOME, EPOCH, CLOCK_MS = "home-01", 1, 1_741_392_000_000


def nothing(_done: int) -> None:
    """No progress is shown."""


def subject(n: int) -> bytes:
    return n.to_bytes(16, "big")


class Two:
    """A hub with an outbox for one home, that home, and a stick."""

    def __init__(self, stores: Callable[[str], Store], stick: Path) -> None:
        self.hub, self.home, self.stick = stores("hub"), stores("home"), stick
        stick.mkdir()
        self.keys = {self.home.log: self.home.signer.public_key}
        self.told = Instructions()
        self.introduced: list[Message] = []
        self.taker = Taker(
            self.hub, self.keys.get, lambda *_: b"", lambda: CLOCK_MS, Parking(self.hub.folder), self.introduce,
            lambda log: self.keys if log in self.keys else {},
        )  # fmt: skip

    @property
    def key(self) -> bytes:
        return self.hub.signer.public_key

    def introduce(self, said: Message) -> None:
        self.introduced.append(said)

    def receive(self, author) -> None:
        """The hub holds an author's whole log."""
        self.hub.add_log(author.log, author.public_key).result()
        held = self.hub.size(author.log)
        self.hub.append(author.receiver(held).receive(author.push(held, author.size), 0)[0].batch).result()

    def route(self, *subjects: int) -> int:
        def work(db) -> int:
            box = outbox.open_outbox(self.hub, db, HOME, EPOCH)
            streams = [one for n in subjects for one in log_sql.streams_of_subject(db, subject(n))]
            return outbox.append(self.hub, db, box, outbox.missing(db, box, streams)).size

        return self.hub.submit(work).result()

    def bundle(self, log: bytes | None = None, holds: Sequence[Message] | None = None) -> Path:
        said = holdings(self.home, self.key, HOME, self.told) if holds is None else holds
        bundler = Bundler(self.home, self.key, self.told, lambda: CLOCK_MS, log=log, holds=said)
        (part,) = bundler.write(self.stick, nothing)
        return part.path

    def take(self, path: Path) -> Reply:
        return self.taker.take(path, nothing)

    def answers(self, *replies: Reply, size: int = 10**6) -> list[Path]:
        keys = {log: key for log, key in self.keys.items() if self.hub.holds(log)}
        return [one.path for one in Answer(self.hub, keys, HOME, replies, CLOCK_MS, size).write(self.stick)]

    def hear(self, path: Path) -> Heard:
        heard = take_answer(self.home, self.key, HOME, self.told, path, nothing)
        self.told = heard.instructions
        return heard

    def forged(self, messages: Sequence[Message]) -> Path:
        """An answer that the hub really signed."""
        writer = BundleWriter(self.hub.signer)
        head = Head(Kind.ANSWER, self.key, self.home.log, 0, 0)
        pieces = [writer.begin(head), *(writer.frame(wire.encode(one)) for one in messages), writer.end()]
        return bundle_file.write_new(self.stick, recipient_of(self.home.signer.public_key), pieces)

    def here(self) -> int:
        found = outbox.newest_outbox(self.home, self.key, HOME)
        return found.size if found else 0


@pytest.fixture
def two(stores, tmp_path):
    return Two(stores, tmp_path / "stick")


def test_an_outbox_comes_from_where_the_home_ends(two, authors, draft):
    """First the whole, then only what is new; repeats and older answers change nothing."""
    two.home.record([draft()]).result()
    two.receive(authors(1).write_many(24, 4))
    two.route(0, 1)
    (first,) = two.answers(two.take(two.bundle()))
    assert (two.hear(first).came, two.here()) == (12, 12)
    assert (two.hear(first).came, two.here()) == (0, 12)
    two.route(2)
    reply = two.take(two.bundle())
    assert reply.follows == {outbox.outbox_id(two.key, HOME, EPOCH): 12}
    heard = two.hear(two.answers(reply)[0])
    assert (heard.came, heard.left, two.here()) == (6, 0, 18)
    assert two.hear(first).left == 0
    assert len(two.home.entries_of_subject(subject(2))) == 6


def test_parts_in_any_order(two, authors, monkeypatch):
    """A part that begins behind what is here is left out and says so; once the others came, it is taken."""
    monkeypatch.setattr(carrying, "CARRY_ROWS_MAX", 5)
    two.receive(authors(1).write_many(24, 4))
    two.route(0, 1, 2, 3)
    parts = two.answers(two.take(two.bundle()), size=1)
    assert len(parts) == 5
    late = two.hear(parts[3])
    assert (late.came, late.left, late.is_early) == (0, 24, True)
    for path in [*parts[:2], parts[0], *parts[2:]]:
        two.hear(path)
    assert two.here() == 24
    assert not two.hear(parts[4]).is_early


def test_what_was_erased_here_comes_in_erased_form(two, authors):
    """What has no key here is not taken with content; the next bundle says so, and all the rest comes."""
    author = authors(1).write_many(8, 2)
    two.receive(author)
    two.route(0, 1)
    two.hear(two.answers(two.take(two.bundle()))[0])
    two.home.erase([subject(1)], by="w", ground="g", now_ms=CLOCK_MS)
    two.receive(author.write_many(6, 2))
    two.route(0, 1)
    box = outbox.outbox_id(two.key, HOME, EPOCH)
    (answer,) = two.answers(two.take(two.bundle()))
    heard = two.hear(answer)
    assert (heard.came, heard.left, heard.is_early) == (0, 6, False)
    assert two.told.of(box).unreadable == {2}
    assert two.hear(answer).left == 6, "the same answer once more brings no more"
    reply = two.take(two.bundle())
    assert reply.unreadable == {box: {2}}
    assert two.hear(two.answers(reply)[0]).left == 0
    assert (two.here(), len(two.home.entries_of_subject(subject(0)))) == (14, 7)
    assert two.home.entries_of_subject(subject(1)) == []


def test_another_log_of_the_home_comes_whole(two, authors):
    """A new computer gets the log of the one before, which proves itself, and says from then on that it has it."""
    before = authors(1).write_many(9, 3)
    two.keys[before.log] = before.public_key
    two.receive(before)
    assert two.hear(two.answers(two.take(two.bundle()))[0]).came == 9
    assert two.home.root(before.log, 9) == before.frontier(9).root()
    reply = two.take(two.bundle())
    assert reply.follows == {before.log: 9}
    assert two.hear(two.answers(reply)[0]).came == 0


def test_a_log_that_the_county_lost_goes_up_again(two, authors):
    """What another computer of the home wrote is brought to a hub that was put back, by whoever still has it."""
    before = authors(1).write_many(9, 3)
    two.keys[before.log] = before.public_key
    two.receive(before)
    two.hear(two.answers(two.take(two.bundle()))[0])
    hub = two.hub
    two.hub = Store(_fresh(two, "second hub"))
    try:
        taker = Taker(two.hub, two.keys.get, lambda *_: b"", lambda: CLOCK_MS, Parking(two.hub.folder),
                      two.introduce, lambda log: two.keys)  # fmt: skip
        key = two.hub.signer.public_key
        told = Instructions({before.log: Told(resume_at=0)})
        said = [vouch(two.home.signer, before.public_key)]
        bundler = Bundler(two.home, key, told, lambda: CLOCK_MS, log=before.log, introduced=said)
        (part,) = bundler.write(two.stick, nothing)
        reply = taker.take(part.path, nothing)
        assert (reply.log, reply.sender, reply.held) == (before.log, two.home.log, 9)
        assert two.introduced == said
        assert two.hub.root(before.log, 9) == before.frontier(9).root()
    finally:
        two.hub.close()
        two.hub = hub


def _fresh(two: Two, name: str) -> Path:
    folder = two.stick.parent / name
    folder.mkdir()
    Store.create(folder)
    return folder


def test_a_bundle_about_a_strangers_log_is_refused(two, authors, stores, draft):
    """A home brings its own logs and no other home's, however well these prove themselves."""
    stranger = authors(2).write_many(3, 1)
    two.home.add_log(stranger.log, stranger.public_key, kin=True).result()
    two.home.append(stranger.receiver().receive(stranger.push(0, 3), 0)[0].batch).result()
    with pytest.raises(RefusedByPeer, match="not of the sender's home"):
        two.take(two.bundle(log=stranger.log))
    assert not two.hub.holds(stranger.log)


def test_a_piece_of_a_log_that_was_not_named_is_not_taken(two, authors):
    """Not even the county brings a home a log that it does not say is the home's; what came before it counts."""
    stranger = authors(2).write_many(3, 1)
    two.receive(stranger)
    piece = Carry(stranger.log, signed_push_of(two.hub, stranger.log, 0, 10))
    held = Held(0, CLOCK_MS, two.home.root(two.home.log, 0))
    heard = two.hear(two.forged([held, piece]))
    assert isinstance(heard.failure, RemoteProtocolError)
    assert not two.home.holds(stranger.log)
    named = Logs([LogAt(stranger.public_key, 3, stranger.frontier(3).root())])
    wrong = Carry(stranger.log, piece.push._replace(root=bytes(32)))
    heard = two.hear(two.forged([held, named, wrong]))
    assert isinstance(heard.failure, VerificationError)
    assert two.home.size(stranger.log) == 0


def test_an_answer_holds_nothing_but_what_belongs_in_it(two):
    """A message that no answer has is refused before anything follows, and so is another home's outbox."""
    held = Held(0, CLOCK_MS, two.home.root(two.home.log, 0))
    with pytest.raises(RemoteProtocolError, match="no answer to this home"):
        two.hear(two.forged([held, NoKey(0, [1]), Ack(0)]))
    assert two.told == Instructions()
    two.hear(two.forged([held, OutboxAt(7, 3, tree=b"8 bytes!")]))
    assert two.here() == 0


def test_of_several_bundles_the_least_counts(two, authors):
    """Old bundles on a stick make an answer longer, never shorter than what the newest one needs."""
    two.receive(authors(1).write_many(12, 2))
    two.route(0)
    old = two.take(two.bundle())
    two.hear(two.answers(old)[0])
    two.route(1)
    new = two.take(two.bundle())
    new.add(two.take(two.bundle(holds=[Follow(outbox.outbox_id(two.key, HOME, EPOCH), 3)])))
    assert new.follows == {outbox.outbox_id(two.key, HOME, EPOCH): 3}
    assert two.hear(two.answers(new)[0]).left == 0


def test_a_home_that_holds_more_than_the_county_has(two, authors):
    """A hub that was put back has nothing to send to a home that holds more, and says what it has."""
    two.receive(authors(1).write_many(12, 2))
    two.route(0)
    reply = two.take(two.bundle(holds=[Follow(outbox.outbox_id(two.key, HOME, EPOCH), 999), Follow(b"x" * 16, 5)]))
    heard = two.hear(two.answers(reply)[0])
    assert (heard.came, heard.failure) == (0, None)


def test_what_a_home_says_that_it_holds_is_bounded(two):
    """A bundle that names more logs than a home can have is refused."""
    holds = [Follow(n.to_bytes(16, "big"), 1) for n in range(FOLLOWED_COUNT_MAX + 1)]
    assert isinstance(two.take(two.bundle(holds=holds)).failure, RemoteProtocolError)


def test_what_answers_asked_for_is_kept_as_it_was():
    """The small file gives back what was put into it; what is learned of one log leaves the others alone."""
    told = Told(3, frozenset({1, 2}), 0, frozenset({9}), 44, frozenset({7}), (5, 17))
    kept = Instructions({b"a" * 16: told, b"b" * 16: Told(resume_at=0)})
    assert Instructions.from_json(kept.to_json()) == kept
    assert kept.learned(b"a" * 16, Told()).logs == {b"b" * 16: Told(resume_at=0)}
    assert told.known_whole(43) == told
    assert told.known_whole(44).ask_from is None


def spoil(store: Store, log: bytes, seq: int) -> None:
    """The disk changes the content of an entry, and the node meets it."""
    branch = store.branch_id(log)

    def work(db) -> None:
        at = log_sql.position_of(db, branch, seq)
        db.execute("UPDATE entry SET body=zeroblob(length(body)) WHERE position=?", (at,)).fetchall()

    store.submit(work).result()
    store.submit(lambda db: damage.note(store, db, log, seq, damage.DOES_NOT_OPEN)).result()
    assert damage.content(store, log, seq) == b""


def test_what_the_home_lost_comes_with_the_next_answer(two, authors, draft):
    """Its own content and that of others, as it was; asked for no more once it is here."""
    author = authors(1).write_many(8, 2)
    two.home.record([draft(n, payload={"n": n}) for n in range(3)]).result()
    two.receive(author)
    two.route(0, 1)
    two.hear(two.answers(two.take(two.bundle()))[0])
    before = [damage.content(two.home, log, 2) for log in (two.home.log, author.log)]
    for log in (two.home.log, author.log):
        spoil(two.home, log, 2)
    reply = two.take(two.bundle())
    assert reply.asked == {two.home.log: {2}, author.log: {2}}
    (answer,) = two.answers(reply)
    assert two.hear(answer).mended == 2
    assert [damage.content(two.home, log, 2) for log in (two.home.log, author.log)] == before
    assert two.hear(answer).mended == 0
    assert two.take(two.bundle()).asked == {}


def test_what_the_hub_lost_comes_with_the_next_bundle(two, draft):
    """The answer asks, the bundle behind it brings, the answer behind that asks no more."""
    two.home.record([draft(n, payload={"n": n}) for n in range(3)]).result()
    (old,) = two.answers(two.take(two.bundle()))
    before = damage.content(two.hub, two.home.log, 2)
    two.home.record([draft(0)]).result()
    reply = two.take(two.bundle())
    spoil(two.hub, two.home.log, 2)
    two.hear(two.answers(reply)[0])
    two.hear(old)  # a courier found it in the bag: it says nothing of what is wanted now
    assert two.told.of(two.home.log).wanted == {2}
    reply = two.take(two.bundle())
    assert reply.mended == 1
    assert damage.content(two.hub, two.home.log, 2) == before
    two.hear(two.answers(reply)[0])
    assert two.told.of(two.home.log).wanted == frozenset()


def test_content_is_given_to_whom_it_belongs(two, authors):
    """A home that asks for what was not given to it gets nothing of it, and everything else; nor does it ask much."""
    author, stranger = authors(1).write_many(4, 1), authors(2).write_many(3, 3)
    for one in (author, stranger):
        two.receive(one)
    two.route(0)
    asked = [Again(stranger.log, [2, 3]), Again(author.log, [1])]
    said = two.answers(two.take(two.bundle(holds=asked)))
    given = []
    bundle_file.read(said[0], recipients.identities_of(two.home), given.append, nothing)
    reader = BundleReader()
    messages = [wire.decode(frame) for data in given for frame in reader.feed(data)]
    assert [(one.log, one.seq) for one in messages if isinstance(one, Content)] == [(author.log, 1)]
    greedy = [Again(author.log, list(range(at, at + 16))) for at in range(1, ASKED_COUNT_MAX + 2, 16)]
    assert isinstance(two.take(two.bundle(holds=greedy)).failure, RemoteProtocolError)


def test_what_an_answer_asks_for_is_bounded_and_only_of_the_homes(two, authors):
    """A home gives its own logs' content only; an answer that asks for more than an exchange may is refused."""
    author = authors(1).write_many(4, 1)
    two.receive(author)
    two.route(0)
    two.hear(two.answers(two.take(two.bundle()))[0])
    held = Held(0, CLOCK_MS, two.home.root(two.home.log, 0))
    two.hear(two.forged([held, Again(author.log, [1])]))
    assert two.told.of(author.log).wanted == frozenset()
    greedy = [Again(two.home.log, list(range(at, at + 16))) for at in range(1, ASKED_COUNT_MAX + 2, 16)]
    with pytest.raises(RemoteProtocolError, match="more than"):
        two.hear(two.forged([held, *greedy]))
