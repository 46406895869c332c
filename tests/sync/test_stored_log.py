"""Reading a log: what is missing is named, what is at hand is right, and small portions are as good as large ones."""

from __future__ import annotations

from contextlib import closing

import pytest

from sync import damage, log_sql, stored_log
from sync.batch import SignedSize
from sync.entry import derive, header, pack_body
from sync.errors import LocalProtocolError, LogCorrupt
from sync.sealing import Seal, seal_body
from sync.stored_log import StoredLog, precious_files
from tests.by_hand import by_hand


def batch_of(author, start: int, end: int):
    return author.receiver(start).receive(author.push(start, end), 0)[0].batch


@pytest.mark.parametrize(
    ("harm", "ask", "named"),
    [
        ("UPDATE branch SET own=0", lambda stored, _: stored, "names no log of its own"),
        ("DELETE FROM branch WHERE id=2", lambda stored, _: stored.entries_after(0), "branch 2"),
        ("DELETE FROM stream WHERE id=(2<<40)+1", lambda stored, _: stored.entries_after(0), "stream 1 of log"),
        ("UPDATE entry SET tree=X'' WHERE position=2", lambda stored, log: stored.root(log, 2), "tree node 2 of"),
        ("DELETE FROM entry WHERE position=1", lambda stored, log: stored.frontier(log, 1), "tree node 0 of branch 2"),
    ],
    ids=["own branch", "peer's branch", "stream", "tree node", "entry"],
)  # fmt: skip
def test_what_a_reader_lacks_is_named(stores, authors, harm, ask, named):
    """Where an entry's surroundings are lost, reading stops with what is lost and in which file, and shows nothing."""
    hub, author = stores("hub"), authors(1).write_many(3)
    hub.add_log(author.log, author.public_key).result(10)
    hub.append(batch_of(author, 0, 3)).result(10)
    hub.close()
    with closing(by_hand(hub.folder / "log.db")) as db:
        db.execute(harm)
    with pytest.raises(LogCorrupt) as raised, closing(StoredLog(hub.folder)) as reader:
        ask(reader, author.log)
    assert named in str(raised.value)
    assert "log.db" in str(raised.value)


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(60)])
def test_content_that_does_not_open_is_no_content(stores, draft, sealed):
    """A body that was cut or changed is read as none, and said in the own log; the others are read as before."""
    node = stores()
    node.record([draft(n, payload=n) for n in range(3)]).result(10)
    node.submit(lambda db: db.execute("UPDATE entry SET body=? WHERE position=2", (sealed,)).fetchall()).result(10)
    for ask in (lambda: node.entries_after(1, 1), lambda: node.entries_of_subject(draft(1).subject)):
        assert [entry.body() for entry in ask()] == [None]
    assert [entry.body().payload for entry in node.entries_after(2, 1)] == [2]
    node.submit(lambda _: None).result(10)
    (said,) = node.entries_after(3)
    assert said.body().type == "entry-damaged/1"
    assert said.body().payload == {"log": node.log, "seq": 2, "why": "its content does not open"}


def test_a_subject_as_of_a_position_is_what_was_stored_up_to_it(stores, authors, draft):
    """As of any position, of the subject or of another one: of every log's entries those that had come by then."""
    hub, author = stores("hub"), authors(1).write_many(6)
    hub.add_log(author.log, author.public_key).result(10)
    hub.append(batch_of(author, 0, 3)).result(10)
    subject = next(body.subject for entry in hub.entries_after(0) if (body := entry.body()))
    hub.record([draft(0)._replace(subject=subject), draft(1)]).result(10)
    hub.append(batch_of(author, 3, 6)).result(10)
    hub.record([draft(2)._replace(subject=subject)]).result(10)
    whole = hub.entries_of_subject(subject)
    assert len({entry.log for entry in whole}) == 2
    for position in range(hub.position() + 2):
        assert hub.entries_of_subject(subject, position) == [one for one in whole if one.position <= position]


def test_few_keys_at_hand_open_as_much(stores, draft, monkeypatch):
    """However few streams' keys are kept at hand, every body is opened, again and again."""
    monkeypatch.setattr(stored_log, "SEALS_CACHED_MAX", 2)
    node = stores()
    node.record([draft(n % 5, payload=n) for n in range(15)]).result(10)
    for _ in range(2):
        assert [entry.body().payload for entry in node.entries_after(0)] == list(range(15))
        assert len(node._seals) <= 2


def test_content_without_body_or_key_is_read_as_erased(stores, draft):
    """An entry whose body is gone has none, with its key still there or not; so has one whose key alone is gone."""
    node = stores()
    node.record([draft(1), draft(2), draft(3)]).result(10)
    node.keyring.destroy([2, 3], [], [])
    node.submit(lambda db: db.execute("UPDATE entry SET body=NULL WHERE position<3").fetchall()).result(10)
    rows = node.reading(lambda db: log_sql.entries_after(db, 0, 9))
    assert [row.body is None for row in rows] == [True, True, False]
    node.forget_seals()
    for _ in range(2):
        assert [row.body for row in node.reading(lambda db: node.opened_rows(db, rows))] == [None] * 3
        assert [(entry.log, entry.packed) for entry in node.entries_after(0)] == [(node.log, None)] * 3


def test_a_stream_is_known_from_its_first_entry_on(stores, draft):
    """Of a stream that has begun a receiver learns its name and subject, of the next one nothing."""
    node = stores()
    node.record([draft(1), draft(2)]).result(10)
    stream = node.reading(lambda db: log_sql.stream_of_subject(db, draft(2).subject, node.branch_id(node.log)))
    assert node.stream_ref(node.log, 2)[:2] == (stream.name, draft(2).subject)
    assert node.stream_ref(node.log, 3) is None


def test_which_logs_are_held_is_known(stores, author):
    """A log is held from the moment on that it was added."""
    hub = stores("hub")
    assert [hub.holds(log) for log in (hub.log, author.log)] == [True, False]
    hub.add_log(author.log, author.public_key).result(10)
    assert hub.holds(author.log)


def test_the_version_of_a_stream_is_what_the_next_author_expects(stores, draft):
    """It counts the own log's entries about a subject; 0 before the first."""
    node = stores()
    node.record([draft(1), draft(2), draft(1)]).result(10)
    assert [node.version_of(draft(n).subject) for n in (1, 2, 3)] == [2, 1, 0]
    node.record([draft(1, expect=node.version_of(draft(1).subject))]).result(10)
    assert node.version_of(draft(1).subject) == 3


def test_a_log_whose_key_is_elsewhere_is_signed_where_its_key_signed(stores, authors):
    """Of a log that others write this node gives the signatures that it has, never one of its own."""
    hub, author = stores("hub"), authors(1).write_many(5)
    hub.add_log(author.log, author.public_key).result(10)
    hub.append(batch_of(author, 0, 3)).result(10)
    hub.append(batch_of(author, 3, 5)).result(10)
    receipt = hub.receipt(author.log, 3, hub.root(author.log, 3), 99)
    hub.keep_checkpoint(author.log, hub.sign(3, author.log)._replace(receipt=receipt)).result(10)
    for size in (3, 5):
        root = author.frontier(size).root()
        assert hub.sign(size, author.log) == SignedSize(size, root, author.signature(size), None)
    with pytest.raises(LocalProtocolError, match=f"log {author.log.hex()} is not signed at 4 entries"):
        hub.sign(4, author.log)
    assert not hub.has_key(author.log)
    assert not hub.branch(author.log).kin, "a log is another home's unless it is said to be of this one"
    assert hub.has_key(hub.log)


def test_nothing_is_proven_about_what_is_not_held(stores, draft):
    """A proof at a size beyond the log's is refused; one at its very size is given."""
    node = stores()
    node.record([draft(n) for n in range(5)]).result(10)
    assert len(node.inclusion_proof(node.log, 5, 5)) == 1
    assert len(node.consistency_proof(node.log, 4, 5)) == 1
    for ask in (lambda: node.inclusion_proof(node.log, 5, 6), lambda: node.consistency_proof(node.log, 4, 6)):
        with pytest.raises(LocalProtocolError, match=r"^5 entries are held, a proof was asked at size 6$"):
            ask()


def test_pictures_are_precious_once_there_is_one(stores):
    """A backup copies, and a check reads, `files.db` between log and keys as soon as there is one."""
    node = stores()
    assert list(precious_files(node.folder)) == ["log.db", "keys.db"]
    node.files.add(node.log, b"x", "image/jpeg", [bytes(16)], 1)
    assert list(precious_files(node.folder)) == ["log.db", "files.db", "keys.db"]
    node.require_sound()


def test_an_entrys_leaf_is_what_its_header_gives(stores, authors):
    """The leaf of any entry of any log, as it stands in the tree."""
    hub, author = stores("hub"), authors(1).write_many(5)
    hub.add_log(author.log, author.public_key).result(10)
    hub.append(batch_of(author, 0, 5)).result(10)
    assert [hub.leaf(author.log, seq) for seq in range(1, 6)] == author.leaves
    with pytest.raises(LogCorrupt, match="tree node"):
        hub.leaf(author.log, 6)


def test_other_content_under_a_right_seal_is_noted(stores, draft):
    """A reader who looks closely tells content that is not what its header commits to from content that was erased."""
    node = stores()
    node.record([draft(n) for n in range(3)]).result(10)
    place = node.reading(lambda db: damage.place_of(node, db, node.log, 2))
    proven = header(node.log, 2, place.stream.name, place.row.commitment)
    body = seal_body(Seal(derive(place.key).seal), proven, pack_body(node.entries_after(0)[0].body()))
    change = "UPDATE entry SET body=? WHERE position=2"
    node.submit(lambda db: db.execute(change, (body,)).fetchall()).result(10)
    node.submit(lambda db: db.execute("UPDATE entry SET body=NULL WHERE position=3").fetchall()).result(10)
    with closing(StoredLog(node.folder)) as reader:
        for entry in reader.entries_after(0):
            reader.check_content(entry)
        assert reader.unreadable == {(node.log, 2): damage.WRONG}
    node.check_content(node.entries_after(1)[0])
    node.submit(lambda _: None).result(10)
    assert node.entries_after(3)[0].body().payload == {"log": node.log, "seq": 2, "why": damage.WRONG}


def test_a_log_begins_with_its_first_entry(stores, authors, draft):
    """Of each log the first one; nothing of a log that has not begun."""
    hub, author = stores("hub"), authors(1).write_many(3)
    hub.add_log(author.log, author.public_key).result(10)
    assert hub.first_entry(author.log) is None
    hub.append(batch_of(author, 0, 3)).result(10)
    hub.record([draft(1), draft(2)]).result(10)
    assert [hub.first_entry(log) for log in (author.log, hub.log)] == [hub.entries_after(n, 1)[0] for n in (0, 3)]
    with pytest.raises(LocalProtocolError):
        hub.first_entry(bytes(16))


def test_an_older_log_of_this_node_is_signed_by_its_own_key(stores, draft):
    """Whichever log it writes now, a node signs any size of those that it wrote before."""
    node = stores()
    node.record([draft(n) for n in range(3)]).result(10)
    old, before = node.log, node.sign(2)
    node.succeed(3, "forked", 0)
    assert node.sign(2, old) == before
    assert node.sign(1, node.log) == node.sign(1) != before
    assert node.own_logs() == [old, node.log]


def test_an_author_has_seen_what_came_first_and_can_be_read(stores, authors, draft):
    """An entry at the store's beginning counts; of a stream without a readable entry nothing does."""
    node, first, second = stores(), authors(1).write(1), authors(2).write(2)
    node.add_log(first.log, first.public_key).result(10)
    node.append(batch_of(first, 0, 1)).result(10)
    node.add_log(second.log, second.public_key).result(10)
    node.append(batch_of(second, 0, 1)).result(10)
    assert node.seen(draft(1).subject) == {first.log: 1}
    assert node.seen(draft(2).subject) == {second.log: 1}
    node.submit(lambda db: db.execute("UPDATE entry SET body=zeroblob(70) WHERE position=2").fetchall()).result(10)
    assert node.seen(draft(2).subject) == {}


def test_what_was_known_of_a_subject_at_a_position_can_be_read(stores, draft):
    """Entries that came later are left out; the one at the position itself is not."""
    node = stores()
    node.record([draft(n) for n in (1, 2)]).result(10)
    node.succeed(2, "forked", 0)
    node.record([draft(n) for n in (1, 2, 1)]).result(10)
    subject, found = draft(1).subject, {}
    for until in range(1, 7):
        found[until] = [entry.position for entry in node.entries_of_subject(subject, until)]
    assert found == {1: [1], 2: [1], 3: [1], 4: [1, 4], 5: [1, 4], 6: [1, 4, 6]}
    assert [entry.position for entry in node.entries_of_subject(subject)] == [1, 4, 6]


def test_what_each_body_takes_is_known(stores, authors, draft):
    """Of the log that was asked for, in its order; nothing of what was erased."""
    hub, author = stores("hub"), authors(1).write_many(3)
    hub.record([draft(1, payload="x" * 100), draft(2)]).result(10)
    hub.add_log(author.log, author.public_key).result(10)
    hub.append(batch_of(author, 0, 3)).result(10)
    hub.submit(lambda db: db.execute("UPDATE entry SET body=NULL WHERE position=4").fetchall()).result(10)
    bodies = [row.body for row in hub.reading(lambda db: log_sql.entries_after(db, 0, 9))]
    taken = [len(body or b"") for body in bodies]
    for log, expected in ((hub.log, taken[:2]), (author.log, taken[2:])):
        number = hub.branch_id(log)
        assert hub.reading(lambda db, n=number: log_sql.body_sizes_of_branch(db, n)) == expected
