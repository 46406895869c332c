"""Pushes as they are read from a store: the log's own words, cut where a message or a signature ends."""

from __future__ import annotations

import pytest

from sync import outgoing
from sync.entry import derive, origin, read_body, stream_id
from sync.errors import LocalProtocolError, LogCorrupt
from sync.messages import Beginning, ErasedRow, Push, PushRow
from sync.note import checkpoint_text, sign
from sync.outgoing import push_of
from sync.replicator import Receiver

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
    """Where a stream's own row is gone, nothing is made up in its place, also while its key is still at hand."""
    push_of(home, 0, 2)
    home.submit(lambda db: db.execute("DELETE FROM stream WHERE id & 0xff = 2").fetchall()).result(20)
    assert push_of(home, 0, 1).end == 1
    with pytest.raises(LogCorrupt, match=r"log\.db has entries of stream 2 of log [0-9a-f]{32}, but not the stream"):
        push_of(home, 0, 2)
