"""A new PC gets its home's logs in the order of need: whole, once, proven, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sync import carrying, coming_sql, erasure, outbox_sql, welcome, welcome_fetching, wire
from sync.batch import Draft
from sync.entry import log_id
from sync.errors import RemoteProtocolError, VerificationError
from sync.fetching import Fetching
from sync.log_schema import Kind
from sync.messages import Carry, Delivery, Follow, Logs, Message, SignedLog, Welcome
from sync.note import Signer
from sync.outgoing import push_of
from sync.receiving import receiver_of
from sync.replicator import Append, Wait
from sync.serving_logs import ServedLogs
from sync.store import Store
from sync.verify import START, scrub, verify
from sync.welcome import NONE, Welcomes, addressee
from sync.welcome_fetching import WelcomeFetching
from sync.wholeness import expect, make_whole

HOME = "home-01"
SUBJECTS, ENTRIES, LATER = 12, 130, 40


def subject(n: int) -> bytes:
    return n.to_bytes(16, "big")


class County:
    """A hub that holds two logs of one home, about the same children, and answers frame by frame."""

    def __init__(self, open_store: Callable[[str], Store], authors) -> None:
        self.open_store = open_store
        self.authors = [authors(1).write_many(ENTRIES, SUBJECTS), authors(2).write_many(LATER, SUBJECTS + 3)]
        self.need = list(range(SUBJECTS + 3))[::-1]  # whom the hub sends first
        self.now_ms = 1_700_000_000_000
        self.begin("hub")

    def begin(self, name: str) -> None:
        self.hub = self.open_store(name)
        for author in self.authors:
            self.hub.add_log(author.log, author.public_key).result(10)
            self.bring(author)
        self.welcomes = self.making()

    def making(self) -> Welcomes:
        return Welcomes(self.hub, lambda _: HOME, lambda _: [subject(n) for n in self.need], lambda: self.now_ms)

    def bring(self, author, step: int = 13) -> None:
        while (held := self.hub.size(author.log)) < author.size:
            push = author.push(held, min(author.size, held + step))
            (effect, _) = author.receiver(held).receive(push, 0)
            self.hub.append(effect.batch).result(10)

    def served(self, node: Store) -> ServedLogs:
        keys = {author.log: author.public_key for author in self.authors} | {node.log: node.signer.public_key}
        return ServedLogs(self.hub, node.log, keys, welcomes=self.welcomes)

    def exchange(self, node: Store, frames_max: int = 10_000) -> list[Message]:
        """What came down until the line was cut or nothing was left."""
        return asyncio.run(_exchange(self, node, frames_max))

    def sizes(self) -> dict[bytes, int]:
        return {author.log: author.size for author in self.authors}


async def _exchange(county: County, node: Store, frames_max: int) -> list[Message]:
    served, heard = county.served(node), list[Message]()
    coming, carried = WelcomeFetching(node, HOME, county.hub.identity.public_key), Fetching(node)
    waiting = [wire.encode(told)] if (told := served.logs()) else []
    while True:
        for frame in waiting:
            if len(heard) == frames_max:
                return heard
            heard.append(message := wire.decode(frame))
            if isinstance(message, Logs) and await coming.holds_back(message):
                continue
            if isinstance(message, Welcome | Delivery):
                message = await coming.take(message)
            if message is not None:
                await carried.take(message)
        said = await coming.next() or await carried.next()
        if said is None or (isinstance(said, Wait) and not served.may_carry):
            assert said is None, "both wait"
            return heard
        answer = None if isinstance(said, Wait) else served.answer(wire.decode(wire.encode(said)))
        waiting = [wire.encode(answer)] if answer is not None else []
        while served.may_carry:
            waiting.append(served.carry())


@pytest.fixture
def county(stores, authors, monkeypatch):
    monkeypatch.setattr(welcome_fetching, "WELCOME_COUNT_MIN", 50)
    monkeypatch.setattr(welcome, "PORTION_COUNT", 20)
    monkeypatch.setattr(welcome, "STREAMS_COUNT", 5)
    monkeypatch.setattr(carrying, "CARRY_ROWS_MAX", 9)
    return County(stores, authors)


def kinds(node: Store) -> dict[bytes, Kind]:
    return {branch.log: branch.kind for branch in node.branches() if branch.log != node.log}


def sound(node: Store) -> None:
    """Everything here verifies, read at once and portion by portion, and nothing is here twice."""
    verdict = verify(node, None, lambda _: None)
    assert verdict.ok, verdict
    mark = START
    for _ in range(100):
        mark, bad = scrub(node, None, mark, 17)
        assert bad is None, bad
        if mark == START:
            break
    assert mark == START
    entries = node.entries_after(0, 10_000)
    assert len({(one.log, one.seq) for one in entries}) == len(entries)


def same(node: Store, county: County) -> None:
    """The home's logs are here as any log is: complete, in their order, under their own signatures."""
    sound(node)
    assert set(kinds(node).values()) == {Kind.KIN}
    for log in county.sizes():
        mine, theirs = list(node.entries_of_log(log)), list(county.hub.entries_of_log(log))
        assert [(one.seq, one.id, one.packed) for one in mine] == [(one.seq, one.id, one.packed) for one in theirs]
        size = len(theirs)
        assert [node.root(log, n) for n in range(0, size + 1, 7)] == [
            county.hub.root(log, n) for n in range(0, size + 1, 7)
        ]
        assert node.last_checkpoint(log).size == size


def test_the_most_needed_come_first_and_whole(county, stores):
    """Whoever the hub names first is here with everything that both logs say, before the others have begun."""
    node = stores("new")
    for _ in range(100):
        county.exchange(node, 4)
        begun = [n for n in county.need if node.entries_of_subject(subject(n))]
        assert begun == county.need[: len(begun)]
        for n in begun[:-1]:
            assert len(node.entries_of_subject(subject(n))) == len(county.hub.entries_of_subject(subject(n)))
        sound(node)
        if len(begun) > 4:
            break
    assert 4 < len(begun) < SUBJECTS
    assert set(kinds(node).values()) == {Kind.COMING}


def test_all_is_there_in_the_end_and_as_if_it_had_been_carried(county, stores):
    """The logs become whole where they stand; nothing travels twice; then there is nothing to ask any more."""
    node = stores("new")
    heard = county.exchange(node)
    rows = sum(len(one.push.rows) for one in heard if isinstance(one, Delivery | Carry))
    assert rows == ENTRIES + LATER
    same(node, county)
    node.close()
    again = stores("new")
    same(again, county)
    assert [type(one) for one in county.exchange(again)] == [Logs]


def test_what_is_to_come_is_less_by_what_came_before_a_cut(county, stores):
    """Before the hub has said what is left of the welcome, too: nobody is told for good of more than there is."""
    node = stores("new")
    county.exchange(node, 6)
    here = sum(branch.size for branch in node.branches() if branch.kind == Kind.COMING)
    assert 0 < here < ENTRIES + LATER
    again = WelcomeFetching(node, HOME, county.hub.identity.public_key)
    assert again.to_come == 0
    assert asyncio.run(again.holds_back(county.served(node).logs()))
    assert again.to_come == ENTRIES + LATER - here


@pytest.mark.parametrize("frames", [1, 4])
def test_a_cut_after_any_frame_costs_what_was_on_its_way(county, stores, frames):
    """Cut again and again, killed and opened anew each time: every step is sound, the end is the same."""
    node, turns = stores("new"), 0
    while Kind.KIN not in kinds(node).values():
        turns += 1
        assert turns < 400
        county.exchange(node, frames + turns % 3)
        sound(node)
        node.close()
        node = stores("new")
    county.exchange(node)
    same(node, county)


def test_a_new_pc_is_used_while_it_fetches(county, stores, draft):
    """What is recorded meanwhile names what its author saw, counts in the order after it, and holds afterwards."""
    node = stores("new")
    for turn in range(200):
        county.exchange(node, 4)
        name = subject(county.need[0])
        seen = node.seen(name)
        if turn:
            assert set(seen) <= county.sizes().keys()
        node.record([draft(county.need[0], deps=seen, payload={"turn": turn})]).result(10)
        if Kind.KIN in kinds(node).values():
            break
    county.exchange(node)
    same(node, county)
    lamports = [one.body().lamport for one in node.entries_of_subject(name) if one.log == node.log]
    assert lamports == sorted(set(lamports))
    assert lamports[0] > max(one.body().lamport for one in county.hub.entries_of_subject(name))


def test_a_log_that_grows_meanwhile_is_carried_behind(county, stores, authors):
    """What another PC of the home still brings comes by Carry, and follows on what became whole."""
    node = stores("new")
    county.exchange(node, 6)
    county.authors[0].write_many(30, SUBJECTS + 1)
    county.bring(county.authors[0])
    heard = county.exchange(node)
    assert any(isinstance(one, Carry) for one in heard)
    same(node, county)
    for _ in range(3):  # and on, beside entries of the node's own
        county.authors[1].write_many(5, 4)
        county.bring(county.authors[1])
        county.exchange(node)
        same(node, county)


def test_who_is_erased_at_the_county_meanwhile_comes_without_content(county, stores):
    """The rest of an erased file comes as headers; the log is whole nevertheless, and what came before can be read."""
    node = stores("new")
    county.exchange(node, 5)
    names = [subject(county.need[0]), subject(3)]
    county.hub.erase(names, by="li", ground="asked", now_ms=1)
    county.exchange(node)
    sound(node)
    assert set(kinds(node).values()) == {Kind.KIN}
    assert node.entries_of_subject(subject(3)) == []
    assert len(list(node.entries_of_log(county.authors[0].log))) == ENTRIES


@pytest.mark.parametrize("turns", [1, 4, 60])
def test_who_is_erased_here_meanwhile_is_never_kept_again(county, stores, turns):
    """Erased at the new PC in between: the rest of the file is asked for in erased form."""
    node = stores("new")
    for _ in range(turns):
        county.exchange(node, 5)
    name = subject(county.need[0])
    node.erase([name, subject(2)], by="li", ground="asked", now_ms=1)
    county.exchange(node)
    county.exchange(node)
    sound(node)
    assert set(kinds(node).values()) == {Kind.KIN}
    assert node.entries_of_subject(name) == node.entries_of_subject(subject(2)) == []
    kept = [one for one in node.entries_of_log(county.authors[0].log) if one.packed is not None]
    assert {one.body().subject for one in kept} == {subject(n) for n in range(SUBJECTS) if n not in (2, county.need[0])}
    node.close()
    sound(stores("new"))


def test_an_order_of_erasure_in_an_old_log_comes_first_and_is_obeyed(stores, county):
    """The stolen PC had erased somebody whom the county has not: the new one does so before the log is whole."""
    old = stores("old")
    old.record([_draft(7, n) for n in range(9)]).result(10)
    old.record([_draft(8, n) for n in range(60)]).result(10)
    size = old.size(old.log)
    county.hub.add_log(old.log, old.signer.public_key).result(10)
    receiver = receiver_of(county.hub, old.log, old.signer.public_key)
    pushed = push_of(old, 0, size)
    old.erase([subject(7)], by="li", ground="asked", now_ms=1)
    for push in (pushed, push_of(old, size, 100)):
        county.hub.append(next(e for e in receiver.receive(push, 0) if isinstance(e, Append)).batch).result(10)
    author = county.authors[0]
    author.log, author.public_key = old.log, old.signer.public_key
    county.authors = [author]
    node = stores("new")
    county.need = [8, 7]
    while not node.entries_of_subject(subject(8)):
        county.exchange(node, 4)
    assert set(kinds(node).values()) == {Kind.COMING}
    assert erasure.follow_orders(node, 2)
    while Kind.KIN not in kinds(node).values():
        county.exchange(node, 4)
    assert node.entries_of_subject(subject(7)) == []
    sound(node)


def _draft(n: int, number: int):
    return Draft("visit/1", "w", subject(n), 1000 + number, {"n": number})


# The hub's side


def test_a_welcome_that_was_not_finished_is_made_anew(county, stores, monkeypatch):
    """Killed while it is made: it was never named, and nothing of it is left; another one has every entry once."""
    real, calls = welcome.append, []

    def dies(*args):
        calls.append(1)
        if len(calls) == 4:
            raise OSError("killed")
        return real(*args)

    monkeypatch.setattr(welcome, "append", dies)
    node = stores("new")
    logs = {author.log: author.public_key for author in county.authors}
    with pytest.raises(OSError, match="killed"):
        county.welcomes.answer(node.log, logs, NONE)
    assert county.welcomes.made_for(node.log) is None
    with pytest.raises(RemoteProtocolError):
        county.served(node).answer(Follow(unfinished(county).log, 0))
    county.authors[0].write_many(20, SUBJECTS)
    county.bring(county.authors[0])
    former = unfinished(county).log
    county.now_ms += 1
    county.welcomes = county.making()
    county.exchange(node)
    same(node, county)
    assert county.welcomes.made_for(node.log).log != former
    assert len([box for box in county.hub.reading(outbox_sql.outboxes) if box.is_welcome]) == 1
    sound(county.hub)


def unfinished(county: County):
    (box,) = county.hub.reading(outbox_sql.outboxes)
    assert box.size
    return box


def test_each_new_pc_has_its_own(county, stores):
    """Another PC may not follow the first one's; it gets one that is made for it."""
    first, second = stores("first"), stores("second")
    county.exchange(first)
    of_first = county.welcomes.made_for(first.log)
    with pytest.raises(RemoteProtocolError):
        county.served(second).answer(Follow(of_first.log, 0))
    county.exchange(second)
    same(second, county)
    assert of_first.home == addressee(HOME, first.log)


def test_a_hub_that_was_restored_makes_another_one(county, stores):
    """Half of it had come when the county's disk failed: the rest comes from a new one, and nothing is doubled."""
    node = stores("new")
    for _ in range(3):
        county.exchange(node, 6)
    assert set(kinds(node).values()) == {Kind.COMING}
    before = node.position()
    seed = county.hub.keyring.log_seed(county.hub.log)
    county.now_ms += 1
    county.need = county.need[::-1]
    county.hub.close()
    county.begin("hub again")
    county.hub.identity = type(county.hub.identity)(f"homeward/{log_name(seed)}", seed)
    county.exchange(node)
    assert before
    same(node, county)


def log_name(seed: bytes) -> str:
    return log_id(Signer("homeward/new", seed).public_key).hex()


def test_a_hub_without_any_has_the_logs_carried(county, stores):
    """A hub that makes none says so, and the logs come in their own order."""
    county.welcomes = None
    node = stores("new")
    heard = county.exchange(node)
    assert Welcome(0, 0, []) in heard
    assert any(isinstance(one, Carry) for one in heard)
    same(node, county)


def test_a_little_is_carried_at_once(county, stores, monkeypatch):
    """For a few entries nobody asks for an order; nor does a node that has another of its home's logs."""
    monkeypatch.setattr(welcome_fetching, "WELCOME_COUNT_MIN", ENTRIES + LATER + 1)
    node = stores("new")
    assert not any(isinstance(one, Welcome) for one in county.exchange(node))
    same(node, county)


# Who lies


def test_what_a_logs_own_key_has_not_signed_never_begins(county, stores):
    """A signature that does not hold is refused before anything is stored."""
    node, author = stores("new"), county.authors[0]
    root = author.frontier(9).root()
    for wrong in ((9, bytes(32), author.signature(9)), (8, root, author.signature(9)), (9, root, bytes(64))):
        with pytest.raises(VerificationError):
            expect(node, county.hub.signer.public_key, "x y", Welcome(1, 9, [SignedLog(author.public_key, [wrong])]))
    assert kinds(node) == {}


def test_a_county_that_changes_an_entry_is_found_when_the_log_becomes_whole(county, stores, authors):
    """Signed by the hub, but not what the log's own key signed: it stays in part, and who looks is told."""
    node = stores("new")
    other = authors(1).write_many(ENTRIES - 1, SUBJECTS).write(0, {"changed": True})
    root = other.frontier(ENTRIES).root()
    signed = SignedLog(other.public_key, [(ENTRIES, root, other.signature(ENTRIES, root))])
    assert expect(node, county.hub.signer.public_key, addressee(HOME, node.log), Welcome(1, 0, [signed]))
    county.exchange(node, 3)
    with pytest.raises(VerificationError, match="own key"):
        county.exchange(node)
    assert set(kinds(node).values()) == {Kind.COMING}
    sound(node)


def test_a_delivery_brings_no_log_that_was_not_named(county, stores):
    """A welcome has the home's logs as they were named; an outbox has others'."""
    node = stores("new")
    county.exchange(node, 2)
    log = county.authors[1].log
    node.submit(lambda db: db.execute("DELETE FROM branch WHERE log=?", (log,))).result(10)
    with pytest.raises(VerificationError, match="kind"):
        county.exchange(node)


def test_becoming_whole_is_all_or_nothing(county, stores, monkeypatch):
    """A failure in the middle of it leaves everything coming; the next exchange finds it complete and does it."""
    node = stores("new")

    def fails(*_):
        raise OSError("power")

    with monkeypatch.context() as patch:
        patch.setattr(coming_sql, "replace_branch", fails)
        with pytest.raises(OSError, match="power"):
            county.exchange(node)
    assert set(kinds(node).values()) == {Kind.COMING}
    sound(node)
    heard = county.exchange(node)
    assert not any(isinstance(one, Delivery) for one in heard)
    same(node, county)


def test_who_reads_while_it_becomes_whole_reads_one_state(county, stores, monkeypatch):
    """Streams have other numbers in the next moment: a reading that has begun goes on in the one before."""
    node = stores("new")
    with monkeypatch.context() as patch:
        patch.setattr(welcome_fetching, "make_whole", lambda _: False)
        county.exchange(node)
    assert set(kinds(node).values()) == {Kind.COMING}
    real, done = node.find_seal, []

    def find_seal(db, stream):
        if not done:
            done.append(stream)
            assert make_whole(node)
        return real(db, stream)

    monkeypatch.setattr(node, "find_seal", find_seal)
    node.forget_seals()
    assert len([one.body() for one in node.entries_after(0, 10_000)]) == ENTRIES + LATER
    assert done
    same(node, county)
    assert node.reading(outbox_sql.outboxes) == []


def test_a_former_attempt_that_ends_late_is_no_harm(county, stores, monkeypatch):
    """The logs became whole between the question and its answer: the rest of the exchange is as for any home."""
    node = stores("new")
    with monkeypatch.context() as patch:
        patch.setattr(welcome_fetching, "make_whole", lambda _: False)
        county.exchange(node)
    real = county.welcomes.answer

    def late(*asked):
        assert make_whole(node)
        return real(*asked)

    monkeypatch.setattr(county.welcomes, "answer", late)
    heard = county.exchange(node)
    assert [type(one) for one in heard] == [Logs, Welcome]
    same(node, county)
    assert node.reading(outbox_sql.outboxes) == []


def test_nothing_becomes_whole_before_the_last_entry(county, stores):
    """A node that asks itself too early changes nothing."""
    node = stores("new")
    county.exchange(node, 5)
    position = node.position()
    assert not make_whole(node)
    assert (node.position(), set(kinds(node).values())) == (position, {Kind.COMING})


def test_what_became_whole_can_be_given_back(county, stores):
    """A hub that lost everything gets the old logs back from the new PC, under their own signatures."""
    node = stores("new")
    county.exchange(node)
    hub = stores("empty hub")
    for author in county.authors:
        hub.add_log(author.log, author.public_key).result(10)
        receiver = receiver_of(hub, author.log, author.public_key)
        while receiver.size < author.size:
            push = push_of(node, receiver.size, 1000, (), author.log)
            hub.append(receiver.receive(push, 0)[0].batch).result(10)
        assert hub.root(author.log, author.size) == author.frontier(author.size).root()
