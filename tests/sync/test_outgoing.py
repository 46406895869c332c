"""Pushes as they are read from a store: the log's own words, cut where a message or a signature ends."""

from __future__ import annotations

from contextlib import closing

import pytest

from sync import damage, outgoing
from sync.entry import derive, header, origin, read_body, stream_id
from sync.errors import EntryDamaged, LocalProtocolError, LogCorrupt
from sync.log_schema import LOG_FILE
from sync.messages import Beginning, ErasedRow, Push, PushRow
from sync.note import checkpoint_text, sign
from sync.outgoing import push_of
from sync.replicator import Receiver
from sync.sealing import Seal, seal_body
from sync.stored_log import StoredLog

SUBJECTS = [1, 2, 1, 3, 2, 3, 1, 4, 4]  # of the entries, in order
BEGIN_AT = {0: 1, 1: 2, 3: 3, 7: 4}  # which entry begins which stream
SIZE = len(SUBJECTS)
SIGNED = (2, 4, 5, 9)


@pytest.fixture
def home(stores, draft):
    """A log of nine entries in four streams; the third stream was named by its author."""
    node = stores()
    for n, subject in enumerate(SUBJECTS):
        one = draft(subject, actor=f"w{n % 2}", payload={"n": n}, extensions={9: n} if n % 2 else {})
        named = {"stream": b"named by library", "version": SUBJECTS[:n].count(3) + 1} if subject == 3 else {}
        node.record([one._replace(deps={node.log: 2} if n == 4 else {}, **named)]).result(20)
    return node


def pass_on(home, follower) -> None:
    """Have another node follow the log, in pieces that end where the log was signed."""
    key = home.signer.public_key
    follower.add_log(home.log, key, kin=True).result(20)
    receiver, at = Receiver(home.log, key, follower.frontier(home.log, 0), 0, lambda _: None), 0
    for size in SIGNED:
        effect = receiver.receive(push_of(home, at, size - at), 0)[0]
        follower.append(effect.batch).result(20)
        at = size


def expected(home, start: int, end: int, withheld=()) -> Push:
    """The push, put together from entries that are read one by one."""
    rows, streams = [], {}
    for seq, entry in enumerate(home.entries_of_log(home.log)):
        body, ordinal = read_body(entry.packed), SUBJECTS[seq]
        if start <= seq < end:
            if seq in BEGIN_AT:
                ref = home.stream_ref(home.log, ordinal)
                key = home.keyring.stream_key(stream_key_number(home, ordinal))
                named = b"named by library" if ordinal == 3 else None
                streams[ordinal] = (
                    Beginning(None, None, ref.name) if ordinal in withheld else Beginning(ref.subject, key, named)
                )
            rows.append(
                ErasedRow(ordinal, entry.commitment)
                if ordinal in withheld
                else PushRow(
                    ordinal, body.type, body.actor, body.lamport, body.recorded_at_ms,
                    body.deps, body.payload, body.extensions,
                )
            )  # fmt: skip
    root = home.root(home.log, end)
    signature = sign(home.signer, checkpoint_text(origin(home.log), end, root))
    return Push(start, min(streams, default=1), list(streams.values()), rows, root, signature)


def stream_key_number(store, ordinal: int) -> int:
    from sync import log_sql
    from sync.log_schema import STREAM_SHIFT

    number = (store.branch_id(store.log) << STREAM_SHIFT) + ordinal
    return store.reading(lambda db: log_sql.stream_by_id(db, number)).key


@pytest.mark.parametrize("withheld", [(), (2,), (1, 3)])
def test_a_push_of_the_own_log_may_begin_and_end_anywhere(home, withheld):
    """Rows, streams that begin, root and signature are the log's; what is withheld goes in erased form."""
    for start in range(SIZE):
        for end in range(start + 1, SIZE + 1):
            assert push_of(home, start, end - start, withheld) == expected(home, start, end, withheld)
    assert push_of(home, 4, 1000) == expected(home, 4, SIZE)


def test_an_erased_stream_begins_by_its_name(home):
    """What was erased goes without subject, key and body, under the same root."""
    names = [home.stream_ref(home.log, ordinal).name for ordinal in (1, 2)]
    before = push_of(home, 0, SIZE)
    home.erase([(2).to_bytes(16, "big")], by="w1", ground="asked", now_ms=0)
    push = push_of(home, 0, 2)
    assert push.streams == [before.streams[0], Beginning(None, None, names[1])]
    assert [type(row) for row in push.rows] == [PushRow, ErasedRow]
    assert push.root == home.root(home.log, 2)


def test_a_stream_whose_key_is_gone_begins_by_its_name(home):
    """Also where a power cut came between the keys' destruction and the rest of an erasure."""
    name = home.stream_ref(home.log, 1).name
    assert name == stream_id(derive(push_of(home, 0, 1).streams[0].key).label, home.log, (1).to_bytes(16, "big"))
    home.keyring.destroy([stream_key_number(home, 1)], [], [])
    home.forget_seals()
    push = push_of(home, 0, 1)
    assert push.streams == [Beginning(None, None, name)]
    assert [type(row) for row in push.rows] == [ErasedRow]


def test_a_log_that_is_passed_on_is_cut_where_it_was_signed(home, stores):
    """A push of another's log ends at the last signed size within the count, or at the first one beyond it."""
    follower = stores("follower")
    pass_on(home, follower)
    for start in range(SIZE):
        for count in range(1, SIZE + 3):
            within = [size for size in SIGNED if start < size <= start + count]
            end = within[-1] if within else next(size for size in SIGNED if size > start)
            assert push_of(follower, start, count, log=home.log) == expected(home, start, end)
    assert push_of(follower, 0, 5, (2,), home.log) == expected(home, 0, 5, (2,))
    with pytest.raises(LocalProtocolError, match=f"log {home.log.hex()} is not signed behind entry 9"):
        push_of(follower, 9, 1, log=home.log)


def test_a_push_of_large_entries_has_one_that_exceeds_the_bound_at_most(home, stores, monkeypatch):
    """The own log is cut behind the entry that exceeds the bound; another's at a signed size, however far it is."""
    follower = stores("follower")
    pass_on(home, follower)
    sizes = [len(entry.packed) for entry in home.entries_of_log(home.log)]
    monkeypatch.setattr(outgoing, "BODIES_SIZE_BYTES_MAX", sum(sizes[:2]))
    assert push_of(home, 0, SIZE).end == 3
    assert push_of(follower, 0, SIZE, log=home.log) == expected(home, 0, 2)
    monkeypatch.setattr(outgoing, "BODIES_SIZE_BYTES_MAX", 1)
    assert [push_of(home, start, SIZE).end for start in (0, 5)] == [1, 6]
    assert push_of(follower, 5, SIZE, log=home.log) == expected(home, 5, 9)


def test_a_log_that_this_node_wrote_before_is_signed_by_that_logs_key(home):
    """After a new log was opened in place of one, pushes of the old one end anywhere, under its own signature."""
    old = expected(home, 0, 4)
    log = home.log
    home.succeed(4, "restored", 0)
    assert home.log != log
    assert push_of(home, 0, 4, log=log) == old


def test_a_stream_that_is_lost_is_not_pushed(home):
    """Where a stream's own row is gone, nothing is made up in its place."""
    push_of(home, 0, 2)
    home.submit(lambda db: db.execute("DELETE FROM stream WHERE id & 0xff = 2").fetchall()).result(20)
    home.forget_seals()
    assert push_of(home, 0, 1).end == 1
    named = rf"log\.db has entries of stream 2 of log {home.log.hex()}, but not the stream"
    for start, count in ((0, 2), (2, 3)):  # where the stream begins, and where it goes on
        with pytest.raises(LogCorrupt, match=named):
            push_of(home, start, count)


# What the disk has damaged


def change(store, statement, *values):
    store.submit(lambda db: db.execute(statement, values).fetchall()).result(20)


def damaged(store, start: int, count: int, log: bytes | None = None) -> tuple[bytes, int, str]:
    """Which entry a push names that cannot be made, and why."""
    with pytest.raises(EntryDamaged) as found:
        push_of(store, start, count, log=log)
    return found.value.log, found.value.seq, str(found.value)


def test_an_entry_that_is_missing_is_named(home):
    """Whatever a push begins with, it ends before an entry that is not there."""
    change(home, "DELETE FROM entry WHERE seq=5")
    for start in range(5):
        log, seq, words = damaged(home, start, SIZE)
        assert (log, seq) == (home.log, 5)
        assert "it is missing, the next one is 6" in words
    assert push_of(home, 0, 4).end == 4


def test_where_the_tree_is_damaged_in_front_of_a_push_its_first_entry_is_named(home):
    """Whatever is behind it can be read, no root over it can be made: nothing is tried that must fail again."""
    change(home, "UPDATE entry SET tree=zeroblob(0) WHERE seq=4")
    for start in (4, 5):
        for count in (1, 3, 1000):
            log, seq, words = damaged(home, start, count)
            assert (log, seq) == (home.log, start + 1)
            assert "lacks tree node" in words


def test_an_entry_whose_stream_is_missing_is_named(home, stores):
    """Of entries whose stream the file has lost, the first one that should go."""
    change(home, "DELETE FROM stream WHERE id & 0xff = 3")
    home.forget_seals()
    for start in range(6):
        log, seq, words = damaged(home, start, SIZE)
        assert (log, seq) == (home.log, 4 if start < 4 else 6)
        assert "but not the stream" in words
    assert push_of(home, 0, 3).end == 3
    assert push_of(home, 6, 3).end == SIZE


def test_what_contradicts_the_stored_tree_is_named(home):
    """Of the own log the entry itself is named, wherever the push begins; nothing is signed over it."""
    change(home, "UPDATE entry SET tree=CAST(zeroblob(32) || substr(tree, 33) AS BLOB) WHERE seq=6")
    for start in range(6):
        assert damaged(home, start, SIZE)[:2] == (home.log, 6)
    assert push_of(home, 2, 3).end == 5


def test_what_is_passed_on_must_give_the_root_that_was_signed(home, stores):
    """Of another's log the first entry behind the start is named: any up to the signed size may be the wrong one."""
    follower = stores("follower")
    pass_on(home, follower)
    change(follower, "UPDATE entry SET commitment=zeroblob(32) WHERE seq=8")
    for start, named in ((5, 6), (6, 7), (7, 8)):
        log, seq, words = damaged(follower, start, SIZE, home.log)
        assert (log, seq) == (home.log, named)
        assert "it and those up to 9 do not give the root that was signed" in words
    assert push_of(follower, 0, 5, log=home.log).end == 5
    with pytest.raises(LocalProtocolError, match="is not signed behind entry 9"):
        push_of(follower, 9, 1, log=home.log)


def test_a_log_that_is_passed_on_ends_at_an_entry_too(home, stores):
    """Where a stream is lost of another's log, its first entry is named from any start, and nothing further back."""
    follower = stores("follower")
    pass_on(home, follower)
    change(follower, "DELETE FROM stream WHERE id & 0xff = 4")
    follower.forget_seals()
    for start in (0, 4, 5):
        log, seq, words = damaged(follower, start, SIZE, home.log)
        assert (log, seq) == (home.log, 8)
        assert "but not the stream" in words
    assert push_of(follower, 0, 5, log=home.log).end == 5


def test_other_content_goes_as_a_header_and_is_noted(home):
    """A body that opens and is not what the header commits to is left out, and the node knows which and why."""
    reseal = damage.content(home, home.log, 3)
    place = home.reading(lambda db: damage.place_of(home, db, home.log, 3))
    proven = header(home.log, 3, place.stream.name, place.row.commitment)
    body = seal_body(Seal(derive(place.key).seal), proven, reseal[:-1] + bytes([reseal[-1] ^ 1]))
    change(home, "UPDATE entry SET body=? WHERE seq=3", body)
    rows = push_of(home, 2, 2).rows
    assert rows[0] == ErasedRow(1, place.row.commitment)
    assert type(rows[1]) is PushRow
    assert home.unreadable == {(home.log, 3): damage.WRONG}


def test_one_entry_whose_content_is_refused_goes_as_a_header(home):
    """A hub that takes an entry's content for wrong gets all others in full, and the same root."""
    push = push_of(home, 2, 4, (-4,))
    assert [type(row) for row in push.rows] == [PushRow, ErasedRow, PushRow, PushRow]
    assert push.root == push_of(home, 2, 4).root


def test_a_page_that_cannot_be_read_ends_at_an_entry(stores, draft):
    """Where the disk gives no page, the first entry in it is named from any start, and all before it go."""
    node = stores()
    node.record([draft(n % 3, payload={"n": n, "pad": "x" * 300}) for n in range(90)]).result(20)
    node.close()
    path = node.folder / LOG_FILE
    whole, met = path.read_bytes(), 0
    for at in range(len(whole) // 4096 // 3 * 4096, len(whole), 5 * 4096):  # some hold entries, some an index
        path.write_bytes(whole[:at] + bytes(4096) + whole[at + 4096 :])
        with closing(StoredLog(node.folder)) as reader:
            try:
                assert push_of(reader, 0, 90).end == 90
                continue
            except EntryDamaged as error:
                seq = error.seq
            met += 1
            assert "it cannot be read: " in damaged(reader, 0, 90)[2]
            for start in {0, seq // 2, seq - 1}:
                assert damaged(reader, start, 1000)[:2] == (node.log, seq)
                assert damaged(reader, start, seq - start)[:2] == (node.log, seq)
            if seq > 1:
                assert push_of(reader, 0, seq - 1).end == seq - 1
    assert met
