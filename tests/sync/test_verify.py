"""Tampering with the files directly, as somebody with the disk in hand could, is found and named."""

from __future__ import annotations

from contextlib import closing

import pytest

from sync import log_sql
from sync import verify as verify_module
from sync.entry import Body, commitment, derive, header, leaf, pack_body, unpack_body
from sync.merkle import Frontier
from sync.sealing import Seal, seal_body
from sync.stored_log import StoredLog
from sync.verify import START, Bad, Mark, Verdict, scrub, verify
from tests.by_hand import by_hand

SIZE = 12


@pytest.fixture
def hub(stores, authors, draft):
    """A closed folder that holds twelve entries of a peer's log (branch 2, signed at 5 and 12) and four own ones."""
    author = authors(1).write_many(SIZE, 4)
    store = stores("hub")
    store.add_log(author.log, author.public_key).result(10)
    receiver = author.receiver()
    for start, end in ((0, 5), (5, SIZE)):
        store.append(receiver.receive(author.push(start, end), 0)[0].batch).result(10)
        store.record([draft(n) for n in range(2)]).result(10)
    store.keep_checkpoint(store.log, store.sign(4)).result(10)
    store.close()
    return store.folder, author


def verdict_of(folder) -> Verdict:
    stored = StoredLog(folder)
    try:
        return verify(stored, None, lambda _: None)
    finally:
        stored.close()


def own_log(folder) -> bytes:
    with closing(StoredLog(folder)) as stored:
        return stored.log


def tamper(folder, *statements: str, name: str = "log.db") -> None:
    with closing(by_hand(folder / name)) as db:
        for statement in statements:
            db.execute(statement)
            assert db.total_changes() > 0, statement


def test_an_untouched_store_is_whole(hub, monkeypatch):
    """Every entry of every log is compared, in portions of any size, and nothing found; who waits is told how far."""
    assert verdict_of(hub[0]) == Verdict(SIZE + 4, None)
    monkeypatch.setattr(verify_module, "PORTION_COUNT", 3)
    monkeypatch.setattr(verify_module, "STREAMS_COUNT", 1)
    told: list[int] = []
    with closing(StoredLog(hub[0])) as stored:
        assert verify(stored, None, told.append) == Verdict(SIZE + 4, None)
    assert told == [3, 4, 7, 10, 13, 16]


COPY = "INSERT INTO entry SELECT {}, type, commitment, tree, body FROM entry WHERE stream>>40=2 AND seq={}"
PEER = "stream>>40=2 AND seq=7"
EIGHTH = "stream>>40=2 AND seq=8"  # its leaf completes the subtrees over two, four and eight leaves


@pytest.mark.parametrize(
    ("statements", "seq"),
    [
        ([f"UPDATE entry SET body=CAST(substr(body, 1, 60) || X'00' || substr(body, 62) AS BLOB) WHERE {PEER}"], 7),
        ([f"UPDATE entry SET body=CAST(X'00' || substr(body, 2) AS BLOB) WHERE {PEER}"], 7),
        ([f"UPDATE entry SET body=NULL WHERE {PEER}"], 7),
        ([f"UPDATE entry SET body=CAST(body || X'00' AS BLOB) WHERE {PEER}"], 7),
        ([f"UPDATE entry SET body=X'' WHERE {PEER}"], 7),
        ([f"UPDATE entry SET body=(SELECT body FROM entry WHERE stream>>40=2 AND seq=3) WHERE {PEER}"], 7),
        ([f"UPDATE entry SET commitment=zeroblob(32) WHERE {PEER}"], 7),
        ([f"UPDATE entry SET commitment=zeroblob(32), body=NULL WHERE {PEER}"], 7),
        ([f"UPDATE entry SET stream=stream+1 WHERE {PEER}"], 7),
        ([f"UPDATE entry SET stream=1 WHERE {PEER}"], 7),
        ([f"UPDATE entry SET prev=1 WHERE {PEER}"], 7),
        ([f"UPDATE entry SET version=version+3 WHERE {PEER}"], 11),  # the stream's next entry no longer follows it
        (["INSERT INTO type VALUES(99, 'x')", f"UPDATE entry SET type=99 WHERE {PEER}"], 7),
        ([f"DELETE FROM entry WHERE {PEER}"], 7),
        ([f"DELETE FROM entry WHERE stream>>40=2 AND seq={SIZE}"], SIZE),
        (["UPDATE entry SET seq=99 WHERE stream>>40=2 AND seq=7", "UPDATE entry SET seq=7 WHERE stream>>40=2 AND seq=8",
          "UPDATE entry SET seq=8 WHERE stream>>40=2 AND seq=99"], 7),
        ([f"UPDATE entry SET seq=99 WHERE {PEER}"], 7),
        ([f"UPDATE entry SET tree=zeroblob(32) WHERE {PEER}"], 7),
        ([f"UPDATE entry SET tree=X'' WHERE {PEER}"], 7),
        ([f"UPDATE entry SET tree=CAST(substr(tree, 1, 64) || zeroblob(64) AS BLOB) WHERE {EIGHTH}"], 8),
        ([f"UPDATE entry SET tree=CAST(tree || zeroblob(32) AS BLOB) WHERE {EIGHTH}"], 8),
        (["UPDATE run SET seq=5 WHERE branch=2 AND seq=6"], 5),
        (["UPDATE branch SET size=13 WHERE id=2"], 13),
        (["UPDATE checkpoint SET root=zeroblob(32) WHERE branch=2 AND size=12"], 6),
        (["UPDATE checkpoint SET signature=zeroblob(64) WHERE branch=2 AND size=12"], 6),
        (["UPDATE checkpoint SET signature=zeroblob(64) WHERE branch=2 AND size=5"], 1),
        (["UPDATE stream SET name=zeroblob(16) WHERE id=(2<<40)+3"], 3),
        (["UPDATE stream SET subject=zeroblob(16) WHERE id=(2<<40)+3"], 3),
        (["UPDATE stream SET key=key+1 WHERE id=(2<<40)+3"], 3),
        (["UPDATE head SET position=1 WHERE stream=(2<<40)+3"], 11),
        (["UPDATE head SET version=99 WHERE stream=(2<<40)+3"], 11),
        (["DELETE FROM stream WHERE id=(2<<40)+3"], 3),
        (["DELETE FROM head WHERE stream=(2<<40)+3"], 11),
    ],
)  # fmt: skip
def test_every_kind_of_tampering_is_found(hub, statements, seq):
    """Changed, removed, inserted and reordered entries, trees, runs, heads, signatures: the first bad one is named."""
    folder, author = hub
    tamper(folder, *statements)
    verdict = verdict_of(folder)
    assert not verdict.ok
    assert (verdict.first_bad.log, verdict.first_bad.seq) == (author.log, seq), verdict


@pytest.mark.parametrize(
    ("statements", "place"),
    [
        (["UPDATE run SET seq=7 WHERE branch=2 AND seq=6"], (14, 2, 13)),
        (["DELETE FROM run WHERE branch=2 AND seq=6"], (8, 1, 3)),
        (["DELETE FROM run WHERE branch=2"], (8, 1, 3)),
        (["UPDATE run SET position=9 WHERE position=8"], (8, 1, 3)),
        (["INSERT INTO run VALUES(3, 1, 99)"], (3, 1, 5)),
        (["UPDATE branch SET size=11 WHERE id=2"], (16, 1, 4)),
        ([COPY.format("99, 13, stream, version+1, position", SIZE)], (17, 1, 5)),
        ([COPY.format("99, 1, stream+(5<<40), version, prev", 7)], (17, 1, 5)),
        (["UPDATE entry SET position=99 WHERE position=16"], (16, 1, 5)),
    ],
)  # fmt: skip
def test_what_stands_in_the_wrong_place_is_named_by_it(hub, statements, place):
    """Where runs, heads, sizes or entries do not fit together: the position, log and seq that it begins with."""
    folder, author = hub
    tamper(folder, *statements)
    bad = verdict_of(folder).first_bad
    assert (bad.position, {own_log(folder): 1, author.log: 2}[bad.log], bad.seq) == place, bad


STRANGER = COPY.replace("stream>>40=2 AND seq={}", "seq=7").format("{}, 1, stream+(5<<40), version, prev")


@pytest.mark.parametrize(
    ("statements", "place", "why"),
    [
        (["INSERT INTO run VALUES(99, 2, 99)"], (99, 2, 99), "a run says that it stands here"),
        (["INSERT INTO run VALUES(99, 6, 1)"], (99, 1, 1), "a run says that it stands here"),
        ([STRANGER.format(17), "INSERT INTO run VALUES(17, 7, 1)"], (17, 1, 1),
         "17 entries stand at 17 positions, the branches hold 16"),
        ([STRANGER.format(99), "INSERT INTO run VALUES(99, 7, 1)"], (17, 1, 0),
         "17 entries stand at 99 positions, the branches hold 16"),
        (["INSERT INTO head VALUES((1<<40)+77, 1, 99, 1)"], (99, 1, 0), "its stream's head says something else"),
    ],
)  # fmt: skip
def test_what_belongs_to_no_log_is_named(hub, statements, place, why):
    """Runs, entries and heads that no log leads to: by position, and as the own log's where their log is not known."""
    folder, author = hub
    tamper(folder, *statements)
    bad = verdict_of(folder).first_bad
    assert (bad.position, {own_log(folder): 1, author.log: 2}[bad.log], bad.seq, bad.why) == (*place, why)
    assert scrubbed(folder, 100)[1] == [bad]


def test_entries_beyond_a_peers_size_are_named_as_its_own(stores, author):
    """Where a peer's log is said to hold less than stands there, the newest of its entries is named."""
    hub = stores("hub")
    hub.add_log(author.log, author.public_key).result(10)
    hub.append(author.write(1).receiver().receive(author.push(0, 1), 0)[0].batch).result(10)
    hub.close()
    tamper(hub.folder, "UPDATE branch SET size=0 WHERE id=2")
    assert verdict_of(hub.folder).first_bad[:3] == (1, author.log, 1)


def scrubbed(folder, count: int) -> tuple[list[Mark], list[Bad]]:
    """One round in portions of so many entries: where it paused, and what it found."""
    stored, mark = StoredLog(folder), START
    marks, found = [], []
    try:
        for _ in range(3 * SIZE):
            mark, bad = scrub(stored, None, mark, count)
            found += [bad] if bad else []
            if mark == START:
                return marks, found
            marks.append(mark)
    finally:
        stored.close()
    raise AssertionError(marks)


@pytest.mark.parametrize("count", [1, 3, 4, SIZE, 100])
def test_a_round_in_portions_passes_over_every_entry_once(hub, count):
    """Whatever the portion, a round pauses at each log's end, counts every entry, and finds a whole store whole."""
    marks, found = scrubbed(hub[0], count)
    own = [Mark(1, min(n, 4), min(n, 4)) for n in range(count, 4 + count, count)]
    assert marks == own + [Mark(2, min(n, SIZE), 4 + min(n, SIZE)) for n in range(count, SIZE + count, count)]
    assert found == []


@pytest.mark.parametrize("count", [1, 5, 100])
@pytest.mark.parametrize(
    ("statements", "seq"),
    [
        ([f"UPDATE entry SET body=NULL WHERE {PEER}"], 7),
        ([f"UPDATE entry SET commitment=zeroblob(32) WHERE {PEER}"], 7),
        ([f"UPDATE entry SET tree=X'' WHERE {PEER}"], 7),
        ([f"DELETE FROM entry WHERE {PEER}"], 7),
        (["UPDATE checkpoint SET signature=zeroblob(64) WHERE branch=2 AND size=12"], 6),
        (["UPDATE checkpoint SET signature=zeroblob(64) WHERE branch=2 AND size=5"], 1),
    ],
)  # fmt: skip
def test_a_round_names_what_verify_names(hub, statements, seq, count):
    """A change is found by the portion that comes to it, and the first finding of a round is the first bad entry."""
    folder, author = hub
    tamper(folder, *statements)
    first = scrubbed(folder, count)[1][0]
    assert (first.log, first.seq) == (author.log, seq)
    assert first == verdict_of(folder).first_bad


@pytest.mark.parametrize(
    ("statements", "seq", "position", "why"),
    [
        ([f"UPDATE entry SET body=NULL WHERE {PEER}"], 7, 9, "its content is missing, and was not erased"),
        ([f"UPDATE entry SET tree=zeroblob(32) WHERE {PEER}"], 7, 9, "the tree stored for it says something else"),
        (["UPDATE checkpoint SET signature=zeroblob(64) WHERE branch=2 AND size=12"], 6, 8, "the signature at 12 "),
        (["UPDATE checkpoint SET root=zeroblob(32) WHERE branch=2 AND size=12"], 6, 8, "the root at 12 entries "),
        (["UPDATE head SET position=1 WHERE stream=(2<<40)+3"], 11, 13, "its stream's head says something else"),
    ],
)
def test_a_finding_says_where_the_entry_stands_and_why_it_does_not_hold(hub, statements, seq, position, why):
    """Position, log and seq lead the operator to the entry, and the reason to what was changed."""
    folder, author = hub
    tamper(folder, *statements)
    bad = verdict_of(folder).first_bad
    assert (bad.position, bad.log, bad.seq) == (position, author.log, seq)
    assert bad.why.startswith(why)


def test_receipts_are_checked_under_the_hubs_key(stores, draft):
    """A receipt that the pinned hub did not give is found by both readings; without a pinned key none is looked at."""
    node, hub = stores("node"), stores("other")
    node.record([draft(n) for n in range(3)]).result(10)
    three = node.sign(3)
    node.keep_checkpoint(node.log, three._replace(receipt=hub.receipt(node.log, 3, three.root, 99))).result(10)
    for key, bad_seq in ((None, None), (hub.signer.public_key, None), (node.signer.public_key, 1)):
        for bad in (verify(node, key, lambda _: None).first_bad, scrub(node, key, START, 100)[1]):
            assert (bad and (bad.log, bad.seq)) == (bad_seq and (node.log, bad_seq))


def test_the_first_of_several_is_named(hub):
    """Of two changed entries the earlier one is named, with its position."""
    folder, author = hub
    tamper(folder, "UPDATE entry SET body=X'00' WHERE stream>>40=2 AND seq IN (4, 9)")
    bad = verdict_of(folder).first_bad
    assert (bad.log, bad.seq, bad.position) == (author.log, 4, 4)


def test_a_log_cut_back_without_a_trace_is_found(hub):
    """Who removes the newest entries with their nodes, heads and size still leaves what the log's key has signed."""
    folder, author = hub
    keep = 10
    with closing(by_hand(folder / "log.db")) as db:
        db.execute("DELETE FROM entry WHERE stream>>40=2 AND seq>?", (keep,))
        db.execute("UPDATE branch SET size=? WHERE id=2", (keep,))
        for number in (3, 4):
            rows = [row for row in log_sql.entries_of_branch(db, 2, 1, 99) if row.stream == (2 << 40) + number]
            values = (rows[-1].position, rows[-1].version, rows[-1].stream)
            db.execute("UPDATE head SET position=?, version=? WHERE stream=?", values)
    bad = verdict_of(folder).first_bad
    assert (bad.log, bad.seq) == (author.log, keep + 1)


def test_a_history_rewritten_with_all_its_hashes_is_found(hub):
    """Who has all keys but the log's own, and makes commitment, leaf and tree anew, is betrayed by the signature."""
    folder, author = hub
    seq = 7
    subject = author.subjects[2]
    keys = derive(author.key(3))
    old = unpack_body(author.bodies[seq - 1])
    packed = pack_body(Body(*old[:6], {"n": "forged"}, old[7]))
    committed = commitment(keys.salt, author.log, seq, packed)
    leaves = list(author.leaves)
    with closing(by_hand(folder / "log.db")) as db:
        stream = log_sql.stream_by_id(db, (2 << 40) + 3)
        assert stream.subject == subject
        leaves[seq - 1] = leaf(author.log, seq, stream.name, committed)
        _, trees = Frontier().extend(leaves)
        sealed = seal_body(Seal(keys.seal), header(author.log, seq, stream.name, committed), packed)
        db.execute("UPDATE entry SET body=?, commitment=? WHERE stream>>40=2 AND seq=?", (sealed, committed, seq))
        for number, tree in enumerate(trees, 1):
            db.execute("UPDATE entry SET tree=? WHERE stream>>40=2 AND seq=?", (tree, number))
    bad = verdict_of(folder).first_bad
    assert (bad.log, bad.seq) == (author.log, 6)  # the first after the last signed size that still holds
    assert "signed" in bad.why


@pytest.mark.parametrize(
    ("packed", "hashed", "why"),
    [
        (lambda body: pack_body(body._replace(payload="x")), False, "its content is not what the log committed to"),
        (lambda _: b"\xc1", True, "its content cannot be read: "),
        (
            lambda body: pack_body(body._replace(subject=bytes([7] * 16))),
            True,
            "its content is about something else than ",
        ),
        (lambda body: pack_body(body._replace(type="visit/2")), True, "its content is about something else than "),
    ],
    ids=["another content", "no content", "another subject", "another type"],
)
def test_content_that_no_signature_covers_is_compared_too(stores, draft, packed, hashed, why):
    """Who has the streams' keys and changes an entry that is not signed yet, with all hashes or without, is found."""
    node = stores()
    node.record([draft(n % 2, payload=n) for n in range(5)]).result(10)
    rows = node.reading(lambda db: log_sql.entries_after(db, 0, 9))
    stream = node.reading(lambda db: log_sql.stream_by_id(db, rows[2].stream))
    keys, other = derive(node.keyring.stream_key(stream.key)), packed(node.entries_after(2, 1)[0].body())
    node.close()
    if hashed:
        rows[2] = rows[2]._replace(commitment=commitment(keys.salt, node.log, 3, other))
    names = node.reading(lambda db: log_sql.stream_names(db, {row.stream for row in rows}))
    _, trees = Frontier().extend([leaf(node.log, row.seq, names[row.stream], row.commitment) for row in rows])
    sealed = seal_body(Seal(keys.seal), header(node.log, 3, stream.name, rows[2].commitment), other)
    with closing(by_hand(node.folder / "log.db")) as db:
        db.execute("UPDATE entry SET body=?, commitment=? WHERE position=3", (sealed, rows[2].commitment))
        db.executemany("UPDATE entry SET tree=? WHERE position=?", [(tree, n) for n, tree in enumerate(trees, 1)])
    bad = verdict_of(node.folder).first_bad
    assert (bad.position, bad.log, bad.seq) == (3, node.log, 3)
    assert bad.why.startswith(why)


def test_a_tree_that_no_signature_covers_is_compared_too(stores, draft):
    """Behind the last signed size a changed tree node is named by its entry."""
    node = stores()
    node.record([draft(n) for n in range(5)]).result(10)
    node.keep_checkpoint(node.log, node.sign(3)).result(10)
    node.close()
    tamper(node.folder, "UPDATE entry SET tree=zeroblob(32) WHERE position=5")
    assert verdict_of(node.folder).first_bad[:3] == (5, node.log, 5)
    assert [bad[:3] for bad in scrubbed(node.folder, 2)[1]] == [(5, node.log, 5)]


@pytest.mark.parametrize(("statement", "seq", "position"), [
    (f"UPDATE entry SET tree=X'' WHERE {EIGHTH}", 8, 10),
    (f"DELETE FROM entry WHERE stream>>40=2 AND seq={SIZE}", SIZE, None),
])  # fmt: skip
def test_a_portion_that_the_tree_does_not_lead_to_is_a_finding(hub, statement, seq, position):
    """Where the tree up to a mark is not there any more, the entry before the mark is named, if it is there itself."""
    folder, author = hub
    tamper(folder, statement, "UPDATE branch SET size=size+1 WHERE id=2")
    with closing(StoredLog(folder)) as stored:
        mark, bad = scrub(stored, None, Mark(2, seq, 0), 3)
    assert bad == Bad(position, author.log, seq, "the tree stored up to it has a gap")
    assert mark == Mark(2, min(seq + 3, SIZE + 1), min(3, SIZE + 1 - seq))


def test_a_lost_stream_key_is_found(hub):
    """An entry whose key is gone without an erasure is named."""
    folder, author = hub
    with closing(by_hand(folder / "log.db")) as db:
        key = log_sql.stream_by_id(db, (2 << 40) + 2).key
    tamper(folder, f"DELETE FROM stream_key WHERE id={key}", name="keys.db")
    bad = verdict_of(folder).first_bad
    assert (bad.log, bad.seq) == (author.log, 2)


def test_content_whose_key_was_destroyed_is_erased(stores, draft):
    """Where a power cut came behind the keys' destruction, what is still there is nobody's content: the log holds."""
    node = stores()
    node.record([draft(1), draft(2), draft(1)]).result(10)
    node.keyring.destroy([1], [], [])
    node.forget_seals()
    assert verify(node, None, lambda _: None) == Verdict(3, None)


def test_content_that_is_known_to_be_lost_is_not_looked_at(stores, draft):
    """What was told already is passed over where it stands, and nothing beside it."""
    node = stores()
    node.record([draft(n) for n in range(4)]).result(10)
    node.submit(lambda db: db.execute("UPDATE entry SET body=zeroblob(70) WHERE position IN (2, 3)").fetchall()).result(
        10
    )
    for lost, seq in ((None, 2), ((), 2), ((2,), 3), ((3,), 2)):
        assert verify(node, None, lambda _: None, lost).first_bad.seq == seq
    assert verify(node, None, lambda _: None, {2, 3}).ok


def test_an_own_log_is_checked_like_a_peers(hub):
    """A changed entry of the node's own is named under its own log."""
    folder, _ = hub
    tamper(folder, "UPDATE entry SET body=X'00' WHERE stream>>40=1 AND seq=2")
    stored = StoredLog(folder)
    own = stored.log
    stored.close()
    bad = verdict_of(folder).first_bad
    assert (bad.log, bad.seq) == (own, 2)
