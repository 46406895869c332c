"""Content that a disk has damaged: passed on without, said once, and put back only if it is exactly what it was."""

from __future__ import annotations

import pytest

from sync import damage, log_sql, outbox
from sync.entry import derive, header, unpack_body
from sync.errors import EntryDamaged
from sync.messages import ErasedRow, PushRow
from sync.outgoing import push_of
from sync.receiving import receiver_of
from sync.sealing import Seal, seal_body

SIZE = 12


@pytest.fixture
def node(stores, draft):
    """A node of twelve entries about three subjects."""
    made = stores()
    made.record([draft(n % 3, payload={"n": n}) for n in range(SIZE)]).result(10)
    return made


def change(store, statement, *values):
    store.submit(lambda db: db.execute(statement, values).fetchall()).result(10)


def body_at(store, seq):
    return store.reading(lambda db: log_sql.entries_of_branch(db, store.branch_id(store.log), seq, 1)[0].body)


def types_behind(store, seq):
    store.submit(lambda _: None).result(10)
    return [entry.body().type for entry in store.entries_of_log(store.log, seq)]


def reseal(store, seq, packed):
    """Another content under the right seal and header: what only a fault of memory, or the key's holder, can do."""
    place = store.reading(lambda db: damage.place_of(store, db, store.log, seq))
    proven = header(store.log, seq, place.stream.name, place.row.commitment)
    change(store, "UPDATE entry SET body=? WHERE seq=?", seal_body(Seal(derive(place.key).seal), proven, packed), seq)


@pytest.mark.parametrize("how", ["does not open", "is another one", "is missing"])
def test_a_log_goes_on_without_damaged_content(node, stores, how):
    """Whatever became of a body, the push is signed, taken and gives the same root; the damage is said once."""
    match how:
        case "does not open":
            change(node, "UPDATE entry SET body=zeroblob(70) WHERE seq=5")
        case "is another one":
            reseal(node, 5, node.reading(lambda db: b"\x98" + damage.content(node, node.log, 4)[1:]))
        case "is missing":
            change(node, "UPDATE entry SET body=NULL WHERE seq=5")
    push = push_of(node, 0, SIZE)
    assert [type(row) for row in push.rows] == [PushRow] * 4 + [ErasedRow] + [PushRow] * 7
    hub = stores("hub")
    hub.add_log(node.log, node.signer.public_key).result(10)
    (append, _) = receiver_of(hub, node.log, node.signer.public_key).receive(push, 0)
    hub.append(append.batch).result(10)
    assert hub.root(node.log, SIZE) == node.root(node.log, SIZE)
    assert [(one.seq, one.here) for one in damage.lacking(hub)] == [(5, False)]
    push_of(node, 0, SIZE)
    assert types_behind(node, SIZE) == ([] if how == "is missing" else ["entry-damaged/1"])


@pytest.mark.parametrize("column", ["commitment", "tree"])
@pytest.mark.parametrize("seq", [1, 5, SIZE])
def test_nothing_is_signed_over_a_damaged_header(node, column, seq):
    """The entry is named; what is before it can be pushed."""
    change(node, f"UPDATE entry SET {column}=CAST(zeroblob(32) || substr({column}, 33) AS BLOB) WHERE seq=?", seq)
    with pytest.raises(EntryDamaged) as found:
        push_of(node, 0, SIZE)
    assert (found.value.log, found.value.seq) == (node.log, seq)
    if seq > 1:
        assert push_of(node, 0, seq - 1).end == seq - 1


def test_content_comes_back_as_it_was_and_not_otherwise(node):
    """Another content, a changed one, or one of what is not lacking changes nothing; the right one does."""
    right = damage.content(node, node.log, 5)
    assert not damage.take_content(node, node.log, 5, right)  # it is not lacking
    change(node, "UPDATE entry SET body=zeroblob(70) WHERE seq=5")
    assert damage.content(node, node.log, 5) == b""
    assert node.entries_after(4, 1)[0].body() is None
    for wrong in (damage.content(node, node.log, 8), right[:-1] + bytes([right[-1] ^ 1]), right + b"\0", b"\xc1"):
        assert not damage.take_content(node, node.log, 5, wrong)
    assert not damage.take_content(node, node.log, 99, right)
    assert not damage.take_content(node, bytes(16), 5, right)
    assert [(one.seq, one.here) for one in damage.lacking(node)] == [(5, True)]
    assert damage.take_content(node, node.log, 5, right)
    assert node.entries_after(4, 1)[0].body() == unpack_body(right)
    assert damage.lacking(node) == []
    assert types_behind(node, SIZE) == ["entry-damaged/1", "entry-mended/1"]


def test_what_was_erased_is_neither_lacking_nor_put_back(node, draft):
    """Content that lies on a peer's disk still does not come back to one who has erased it."""
    right = damage.content(node, node.log, 5)
    change(node, "UPDATE entry SET body=zeroblob(70) WHERE seq=5")
    node.entries_after(0)
    node.submit(lambda _: None).result(10)
    node.erase([draft(1).subject], by="li", ground="申请", now_ms=1_741_392_000_000)
    assert damage.lacking(node) == []
    assert not damage.take_content(node, node.log, 5, right)
    assert body_at(node, 5) is None


def test_an_edit_names_nothing_that_nobody_could_read(stores, draft, authors):
    """Of another log, an author has seen the entries up to the last readable one, and can record."""
    store, author = stores(), authors(2).write_many(6, 1)
    store.add_log(author.log, author.public_key).result(10)
    (append, _) = author.receiver().receive(author.push(0, 6), 0)
    store.append(append.batch).result(10)
    subject = author.subjects[0]
    assert store.seen(subject) == {author.log: 6}
    change(store, "UPDATE entry SET body=zeroblob(70) WHERE seq=6")
    assert store.seen(subject) == {author.log: 5}
    store.record([draft(0, deps=store.seen(subject))._replace(subject=subject)]).result(10)


def test_an_outbox_ends_before_what_is_damaged(stores, authors):
    """A wrong leaf or tree in an outbox is named by its number; nothing is signed over it."""
    hub, author = stores("hub"), authors(2).write_many(8, 2)
    hub.add_log(author.log, author.public_key).result(10)
    (append, _) = author.receiver().receive(author.push(0, 8), 0)
    hub.append(append.batch).result(10)

    def work(db):
        box = outbox.open_outbox(hub, db, "home-01", 1)
        streams = [s for subject in author.subjects for s in log_sql.streams_of_subject(db, subject)]
        return outbox.append(hub, db, box, outbox.missing(db, box, streams)).log

    log = hub.submit(work).result(10)
    assert outbox.delivery_of(hub, log, 0, 8).push.end == 8
    change(
        hub, "UPDATE outbox_entry SET tree=CAST(substr(tree, 1, 32) || zeroblob(length(tree) - 32) AS BLOB) WHERE n=6"
    )
    with pytest.raises(EntryDamaged) as found:
        outbox.delivery_of(hub, log, 0, 8)
    assert (found.value.log, found.value.seq) == (log, 6)
    assert outbox.delivery_of(hub, log, 0, 5).push.end == 5
