"""A log in place of another, in one store: what was set aside is kept, and recorded again once."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync import log_sql, succession
from sync.entry import EXT_FIRST_ID, EXT_SOURCE, log_id
from sync.errors import LocalProtocolError, VerificationError
from sync.log_schema import STREAM_SHIFT
from sync.outgoing import push_of
from sync.replicator import Append, Receiver
from sync.store import Store
from sync.verify import START, scrub, verify

NOW_MS = 1_741_392_000_000


@pytest.fixture
def node(stores, draft):
    """A node with 20 entries about 4 subjects."""
    store = stores()
    store.record([draft(1 + n % 4, payload={"n": n}) for n in range(20)]).result(10)
    return store


def events(store: Store) -> dict[bytes, tuple[object, ...]]:
    """What counts, by first id; the node's own affairs left out."""
    found = {}
    for branch in store.branches():
        for entry in store.entries_of_log(branch.log):
            body = entry.body()
            if body is not None and body.subject != branch.log:
                first = body.extensions.get(EXT_FIRST_ID, entry.id)
                extensions = {key: value for key, value in body.extensions.items() if key != EXT_FIRST_ID}
                assert first not in found, "recorded twice"
                found[first] = (*body[:3], body.recorded_at_ms, body.payload, extensions)
    return found


def require_verified(store: Store) -> None:
    assert verify(store, None, lambda _: None).first_bad is None
    mark = START
    for _ in range(1000):
        mark, bad = scrub(store, None, mark, 3)
        assert bad is None
        if mark == START:
            return
    raise AssertionError("the scrub does not end")


def test_nothing_is_missing_and_nothing_is_doubled(node):
    """Behind the cut everything is recorded again: same type, author, subject, time, payload, under its first id."""
    before, old = events(node), node.log
    new = node.succeed(7, "forked", NOW_MS)
    assert events(node) == before
    assert node.log == new == log_id(node.signer.public_key) != old
    assert {b.log: b.size for b in node.branches()} == {old: 7, new: 14}
    (change,) = succession.changes(node)
    assert change == (succession.OPENED, old, new, 7, "forked", 13, NOW_MS, 0)
    require_verified(node)


def test_a_log_that_stands_in_several_places_is_cut_in_any_of_them(stores, authors, draft):
    """With a peer's entries between its own, what is in front of the cut stays, wherever it stands."""
    for keep in (1, 4, 6):
        node, author = stores(f"node-{keep}"), authors(1).write_many(4)
        node.add_log(author.log, author.public_key).result(10)
        for n in range(3):
            node.record([draft(n), draft(3)]).result(10)
            node.append(author.receiver(n).receive(author.push(n, n + 1), 0)[0].batch).result(10)
        old, before = node.log, [entry.packed for entry in node.entries_of_log(node.log)]
        peers = list(node.entries_of_log(author.log))
        new = node.succeed(keep, "forked", NOW_MS)
        assert [entry.packed for entry in node.entries_of_log(old)] == before[:keep]
        assert list(node.entries_of_log(author.log)) == peers
        assert node.size(new) == 1 + 6 - keep
        require_verified(node)


def test_what_was_set_aside_is_kept(node):
    """The lost branch still has every entry, with its content, and its tree still gives the roots that it had."""
    kept = [(e.seq, e.commitment, e.packed) for e in node.entries_of_log(node.log) if e.seq > 7]
    positions = node.position()
    node.succeed(7, "forked", NOW_MS)
    lost = [e for n in range(1, 5) for e in node.lost_entries_of_subject(n.to_bytes(16, "big"))]
    assert sorted((e.seq, e.commitment, e.packed) for e in lost) == kept
    assert [e.position for e in node.entries_after(0)] == [*range(1, 8), *range(positions + 1, positions + 15)]


def test_a_new_author_has_seen_what_the_old_one_had(node, draft):
    """The first entry about a subject names the old log's last one that stayed; lamports go on as they were."""
    subject = (1).to_bytes(16, "big")
    lamports = [entry.body().lamport for entry in node.entries_of_subject(subject)]
    old = node.log
    new = node.succeed(7, "forked", NOW_MS)
    bodies = [(entry.log, entry.body()) for entry in node.entries_of_subject(subject)]
    assert [body.lamport for _, body in bodies] == lamports
    assert [body.deps for log, body in bodies if log == new] == [{old: 5}, {}, {}]
    assert node.seen(subject) == {}, "the own entries came after"
    assert node.seen((9).to_bytes(16, "big")) == {}
    node.record([draft(1, deps=node.seen(subject))]).result(10)


def test_an_author_after_the_change_names_what_nobody_recorded_again(node, draft):
    """A subject that only the old log knows is named by the first entry about it in the new one."""
    old = node.log
    node.succeed(20, "behind", NOW_MS)
    subject = (1).to_bytes(16, "big")
    assert node.seen(subject) == {old: 17}
    node.record([draft(1, deps=node.seen(subject))]).result(10)
    assert node.seen(subject) == {}


def test_keys_that_lay_ready_are_not_used_any_more(node, draft):
    """A copy of the folder has the same spare keys, so the new log's streams get keys that were made after."""
    known = node.keyring.last_number()
    node.succeed(7, "forked", NOW_MS)
    node.record([draft(5)]).result(10)
    own = next(b.id for b in node.reading(log_sql.branches) if b.log == node.log)
    rows = node.reading(lambda db: db.execute("SELECT id, key FROM stream").fetchall())
    assert all((key > known) == (number >> STREAM_SHIFT == own) for number, key in rows)
    assert len({key for number, key in rows if number >> STREAM_SHIFT == own}) == 6


def test_a_first_id_stays_what_it_was(node):
    """Whoever heals twice records under the ids that the events had at first."""
    before = events(node)
    node.succeed(7, "forked", NOW_MS)
    node.succeed(3, "forked", NOW_MS)
    node.succeed(0, "forked", NOW_MS)
    assert events(node) == before
    assert len(succession.changes(node)) >= 3
    require_verified(node)


def test_what_was_erased_stays_erased(node):
    """An erased entry cannot be recorded again; it stays in the lost branch, and the order is known to the new log."""
    subject = (2).to_bytes(16, "big")
    node.erase([subject], by="li", ground="asked", now_ms=NOW_MS)
    before = events(node)
    node.succeed(7, "forked", NOW_MS)
    assert events(node) == before
    assert node.entries_of_subject(subject) == node.lost_entries_of_subject(subject) == []
    affairs = [e.body() for e in node.entries_of_subject(node.log)]
    assert [body.type for body in affairs] == [succession.OPENED, "erasure-ordered/1", "erasure-executed/1"]
    require_verified(node)


def test_what_was_set_aside_can_be_erased(node):
    """An erasure reaches the lost branch, too."""
    node.succeed(7, "forked", NOW_MS)
    subject = (2).to_bytes(16, "big")
    assert node.lost_entries_of_subject(subject) != []
    node.erase([subject], by="li", ground="asked", now_ms=NOW_MS)
    assert node.lost_entries_of_subject(subject) == []
    left = node.reading(lambda db: db.execute("SELECT count(*) FROM entry WHERE body IS NULL").get)
    assert left == 5 + 3
    require_verified(node)


def test_another_opening_finds_all_of_it(node, stores, draft):
    """After a restart the node writes the new log, with new streams and the old ones' history."""
    before = events(node)
    new = node.succeed(7, "forked", NOW_MS)
    node.close()
    again = stores()
    assert again.log == new
    assert events(again) == before
    again.record([draft(1), draft(8)]).result(10)
    require_verified(again)


def test_a_change_that_fails_leaves_everything_as_it_was(node, monkeypatch, draft):
    """All of it is one transaction: where the last statement fails, the old log is written as if nothing had been."""
    before, old, head = events(node), node.log, node.position()
    fail = RuntimeError("the last moment")

    def broken(*_: object, **_how: object) -> None:
        raise fail

    with monkeypatch.context() as patched:
        patched.setattr(succession, "_record_again", broken)
        with pytest.raises(RuntimeError):
            node.succeed(7, "forked", NOW_MS)
    assert (node.log, node.position(), events(node)) == (old, head, before)
    assert node.record([draft(1)]).result(10)[0].seq == 21
    require_verified(node)
    node.succeed(7, "forked", NOW_MS)
    assert len(events(node)) == len(before) + 1


def test_a_cut_beyond_the_end_is_a_bug_of_ours(node):
    """Nobody can keep more entries than there are; nor set the own log aside without a new one."""
    with pytest.raises(LocalProtocolError):
        node.succeed(21, "forked", NOW_MS)
    with pytest.raises(LocalProtocolError):
        node.set_aside(node.log, 3, "forked", NOW_MS)


def test_another_log_of_the_home_is_cut_where_its_key_signed(node, stores):
    """What is behind the last signed size is recorded again in the own log, which says why and when."""
    follower = stores("follower")
    follower.add_log(node.log, node.signer.public_key, kin=True).result(10)
    receiver = Receiver(node.log, node.signer.public_key, follower.frontier(node.log, 0), 0, lambda _: None)
    for start, count in ((0, 7), (7, 5)):
        follower.append(receiver.receive(push_of(node, start, count), 0)[0].batch).result(10)
    assert follower.branch(node.log).kin
    before = events(follower)
    follower.set_aside(node.log, 10, "lost", NOW_MS)
    assert events(follower) == before
    assert {b.log: b.size for b in follower.branches()} == {node.log: 7, follower.log: 6}
    assert succession.changes(follower) == [(succession.SET_ASIDE, node.log, follower.log, 7, "lost", 5, NOW_MS, 0)]
    require_verified(follower)
    follower.set_aside(node.log, 7, "nothing behind it", NOW_MS)
    assert succession.changes(follower)[1] == (
        succession.SET_ASIDE, node.log, follower.log, 7, "nothing behind it", 0, NOW_MS, 0,
    )  # fmt: skip


def test_what_is_written_comes_from_nobody_else(node, stores, draft):
    """A batch for the log that this node writes is refused, whoever signed it."""
    receiver = Receiver(node.log, node.signer.public_key, node.frontier(node.log, 0), 0, lambda _: None)
    (append, _) = receiver.receive(push_of(node, 0, 3), 0)
    assert isinstance(append, Append)
    with pytest.raises(LocalProtocolError):
        node.append(append.batch).result(10)


def test_a_lost_branch_is_verified_too(node):
    """A flipped bit in what was set aside is found, with its place."""
    node.succeed(7, "forked", NOW_MS)
    node.close()

    def spoil(db: apsw.Connection) -> None:
        db.execute("PRAGMA query_only=OFF")
        db.execute("UPDATE entry SET body=zeroblob(60) WHERE position=12")

    store = Store(node.folder)
    store.reading(spoil)
    found = verify(store, None, lambda _: None).first_bad
    store.close()
    assert found is not None
    assert (found.position, found.seq) == (12, 12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_history_of_cuts_keeps_every_event(tmp_path_factory, draft, data):
    """Records and cuts in any order: every event counts once, everything verifies, also after another opening."""
    folder = tmp_path_factory.mktemp("cuts")
    Store.create(folder)
    store = Store(folder)
    recorded = 0
    for _ in range(data.draw(st.integers(2, 6))):
        count = data.draw(st.integers(0, 6))
        numbers = range(recorded, recorded + count)
        drafts = [
            draft(1 + data.draw(st.integers(0, 3)), payload={"n": n}, extensions={EXT_SOURCE: ["s", n]})
            for n in numbers
        ]
        drafts = [one._replace(deps=store.seen(one.subject)) for one in drafts]
        recorded += count
        if drafts:
            store.record(drafts).result(10)
        if data.draw(st.booleans()):
            store.succeed(data.draw(st.integers(0, store.size(store.log))), "forked", NOW_MS)
        else:
            others = [b for b in store.branches() if b.log != store.log]
            if others:
                other = data.draw(st.sampled_from(others))
                store.set_aside(other.log, data.draw(st.integers(0, other.size)), "forked", NOW_MS)
        if data.draw(st.booleans()):
            store.close()
            store = Store(folder)
        assert sorted(payload["n"] for *_, payload, _ in events(store).values()) == list(range(recorded))
    require_verified(store)
    store.close()


def test_a_succession_needs_both_signatures(authors):
    """Whoever has but one of the keys admits nobody."""
    old, new = authors(1).signer, authors(2).signer
    said = succession.succeed(old, new, 5)
    succession.verify_succession(said)
    for wrong in (said._replace(old_signature=bytes(64)), said._replace(new_key=old.public_key)):
        with pytest.raises(VerificationError):
            succession.verify_succession(wrong)
