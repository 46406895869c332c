"""The exchange without sockets: what goes in, what comes out, and in which order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import replicator
from sync.batch import Arrived, NewStream, SignedSize, StreamRef
from sync.entry import ERASED, derive, log_id, origin
from sync.errors import (
    LocalProtocolError,
    RefusedByPeer,
    RemoteProtocolError,
    SyncError,
    Unreachable,
    VerificationError,
)
from sync.hub_note import signed_note
from sync.merkle import EMPTY_ROOT, Frontier
from sync.messages import Ack, AskPlain, Beginning, Confirm, Held, Hello, NoKey, Push, Receipt, Refusal
from sync.note import Signer, checkpoint_text, cosign, sign
from sync.pacing import Pace
from sync.receipts import Greeted, Kept
from sync.replicator import (
    RECEIPT_EVERY_PUSHES,
    Append,
    Ask,
    Cosign,
    KeepReceipt,
    Portion,
    Receiver,
    Send,
    Sender,
    Wait,
)

HUB = Signer("homeward/hub", b"H" * 32)
CLOCK_MS = 1_741_392_000_000
ROOT = b"R" * 32


def sizes(effects) -> list[object]:
    """Effects, short: what is appended up to, and what is said."""
    return [("append", e.batch.frontier.size) if isinstance(e, Append) else e.message for e in effects]


# The hub's side


def test_the_hub_says_at_once_what_it_holds(author):
    """The answer to Hello is Held, with the hub's own clock."""
    receiver = author.write_many(5).receiver(3)
    assert receiver.receive(Hello(1, author.log, 5, 1), CLOCK_MS) == [
        Send(Held(3, CLOCK_MS, author.frontier(3).root()))
    ]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7])
def test_the_hub_says_its_root_where_both_have_entries(author, size):
    """A node that holds less than the hub is told the hub's root at the node's own size."""
    receiver = author.write_many(5).receiver(3)
    (send,) = receiver.receive(Hello(1, author.log, size, 1), CLOCK_MS)
    assert send.message.root == author.frontier(min(size, 3)).root()


def test_entries_are_durable_before_they_are_acknowledged(author):
    """The hub appends what it received, then says so."""
    receiver = author.write_many(5).receiver()
    assert sizes(receiver.receive(author.push(0, 5), CLOCK_MS)) == [("append", 5), Ack(5)]


def test_a_batch_carries_all_that_the_store_needs(author):
    """Bodies, commitments, streams, tree nodes and the signature are those that the author had."""
    (append, _) = author.write_many(5).receiver(2).receive(author.push(2, 5), CLOCK_MS)
    batch = append.batch
    assert batch.log == author.log
    assert batch.entries == arrivals(author, 2, 5)
    assert batch.frontier == author.frontier(5)
    assert batch.trees == Frontier().extend(author.leaves)[1][2:]
    assert batch.streams == [NewStream(3, author.name(3), author.subjects[2], author.key(3))]
    assert (batch.start, batch.signature) == (2, author.signature(5))


def arrivals(author, start: int, end: int, erased: tuple[int, ...] = ()) -> list[Arrived]:
    """What the store gets of the author's entries, those of some streams without content."""
    return [
        Arrived(row.ordinal, ERASED, 0, committed, None)
        if row.ordinal in erased
        else Arrived(row.ordinal, row.type, row.lamport, committed, body)
        for row, committed, body in list(zip(author.rows, author.commitments, author.bodies, strict=True))[start:end]
    ]


def test_pushes_follow_each_other_without_waiting(author):
    """Each of several pipelined pushes is appended and acknowledged in its turn."""
    receiver = author.write_many(9, 4).receiver()
    said = [sizes(receiver.receive(author.push(at, at + 3), CLOCK_MS)) for at in (0, 3, 6)]
    assert said == [[("append", n), Ack(n)] for n in (3, 6, 9)]
    assert sizes(receiver.receive(author.push(0, 9), CLOCK_MS)) == [Ack(9)]


@pytest.mark.parametrize(("start", "end"), [(0, 3), (0, 5), (2, 4), (5, 5), (0, 0)])
def test_a_repeat_is_acknowledged_again(author, start, end):
    """What is held already is not stored again and is not an error."""
    receiver = author.write_many(8).receiver(5)
    assert receiver.receive(author.push(start, end) if end else Push(0, 1, [], [], EMPTY_ROOT, b"0" * 64), 0) == [
        Send(Ack(5))
    ]
    assert receiver.size == 5


def test_a_gap_stores_nothing_and_says_where_to_go_on(author):
    """Entries that begin beyond what is held are not stored; the acknowledgement names what is."""
    receiver = author.write_many(8).receiver(5)
    assert receiver.receive(author.push(6, 8), 0) == [Send(Ack(5))]
    assert sizes(receiver.receive(author.push(5, 8), 0)) == [("append", 8), Ack(8)]


@given(data=st.data())
def test_any_overlapping_pushes_give_the_log_exactly_once(authors, data):
    """Pushes of any range, in any order and number, give a prefix of the log, each entry once."""
    author = authors(1).write_many(data.draw(st.integers(1, 12)), data.draw(st.integers(1, 5)))
    receiver, held = author.receiver(), []
    for _ in range(data.draw(st.integers(1, 8))):
        end = data.draw(st.integers(1, author.size))
        start = data.draw(st.integers(0, end))
        *appends, ack = receiver.receive(author.push(start, end), 0)
        expected = max(len(held), end if start <= len(held) else 0)
        for effect in appends:
            assert effect.batch.start == len(held)
            held += [arrived.body for arrived in effect.batch.entries]
        assert ack == Send(Ack(expected))
        assert held == author.bodies[:expected]
    receiver.receive(author.push(0, author.size), 0)
    assert receiver.receive(author.close(author.size), 0) == [Cosign(signed(author, author.size))]


def signed(author, size: int) -> SignedSize:
    return SignedSize(size, author.frontier(size).root(), author.signature(size), None)


def forged_pushes(author, other) -> dict[str, Push]:
    """One good push of entries 4 to 8, wrong in one way each; where the root had to be right, the liar signs anew."""
    good = author.push(3, 8)
    row = good.rows[2]
    wrong_root = bytes(32)
    begins = good.streams[0]
    return {
        "signature of another key": good._replace(signature=other.signature(8, good.root)),
        "signature over another size": good._replace(signature=author.signature(7, good.root)),
        "signature of another log's origin": good._replace(
            signature=sign(author.signer, checkpoint_text(origin(other.log), 8, good.root))
        ),
        "no signature": good._replace(signature=bytes(64)),
        "root": good._replace(root=wrong_root),
        "root, signed": good._replace(root=wrong_root, signature=author.signature(8, wrong_root)),
        "root of nothing": good._replace(root=EMPTY_ROOT, signature=bytes(64)),
        "payload": good._replace(rows=[*good.rows[:2], row._replace(payload={"n": -1}), *good.rows[3:]]),
        "actor": good._replace(rows=[*good.rows[:2], row._replace(actor="nobody"), *good.rows[3:]]),
        "time": good._replace(rows=[*good.rows[:2], row._replace(recorded_at_ms=1), *good.rows[3:]]),
        "lamport": good._replace(rows=[*good.rows[:2], row._replace(lamport=9), *good.rows[3:]]),
        "no lamport": good._replace(rows=[*good.rows[:2], row._replace(lamport=0), *good.rows[3:]]),
        "stream": good._replace(rows=[*good.rows[:2], row._replace(ordinal=2), *good.rows[3:]]),
        "a stream that has not begun": good._replace(rows=[*good.rows[:2], row._replace(ordinal=9), *good.rows[3:]]),
        "stream 0": good._replace(rows=[*good.rows[:2], row._replace(ordinal=0), *good.rows[3:]]),
        "order": good._replace(rows=[*good.rows[:2], *reversed(good.rows[2:])]),
        "a row less": good._replace(rows=good.rows[:-1]),
        "a row more": good._replace(rows=[*good.rows, good.rows[-1]]),
        "stream key": good._replace(streams=[begins._replace(key=b"X" * 32), *good.streams[1:]]),
        "subject": good._replace(streams=[begins._replace(subject=b"X" * 16), *good.streams[1:]]),
        "name": good._replace(streams=[begins._replace(name=b"X" * 16), *good.streams[1:]]),
        "a beginning less": good._replace(streams=good.streams[1:]),
        "a beginning without entries": good._replace(streams=[*good.streams, begins]),
        "beginnings that leave one out": good._replace(first_ordinal=good.first_ordinal + 1),
        "start": good._replace(start=2),
        "a float": good._replace(rows=[*good.rows[:2], row._replace(payload=0.5), *good.rows[3:]]),
        "a payload too large": good._replace(rows=[*good.rows[:2], row._replace(payload=b"x" * 10**6), *good.rows[3:]]),
    }  # fmt: skip


FORGERIES = sorted((
    "signature of another key", "signature over another size", "signature of another log's origin", "no signature",
    "root", "root, signed", "root of nothing", "payload", "actor", "time", "lamport", "no lamport", "stream",
    "a stream that has not begun", "stream 0", "order", "a row less", "a row more", "stream key", "subject", "name",
    "a beginning less", "a beginning without entries", "beginnings that leave one out", "start", "a float",
    "a payload too large",
))  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_push_stores_nothing(authors, forgery):
    """Whatever is wrong with a push, it is refused as a whole, and the true one is taken afterwards."""
    author, other = authors(1).write_many(8, 5), authors(2).write_many(8, 5)
    forgeries = forged_pushes(author, other)
    assert sorted(forgeries) == FORGERIES
    receiver = author.receiver(3)
    with pytest.raises((RemoteProtocolError, VerificationError)):
        receiver.receive(forgeries[forgery], 0)
    assert receiver.size == 3
    assert sizes(receiver.receive(author.push(3, 8), 0)) == [("append", 8), Ack(8)]


def test_a_repeat_cannot_hide_other_content(authors):
    """Old rows that were changed do no harm: what is new must continue what is held."""
    author = authors(1).write_many(8)
    push = author.push(0, 8)
    changed = push._replace(rows=[push.rows[0]._replace(payload="other"), *push.rows[1:]])
    (append, ack) = author.receiver(4).receive(changed, 0)
    assert [arrived.body for arrived in append.batch.entries] == author.bodies[4:]
    assert ack == Send(Ack(8))


def test_the_key_of_a_known_stream_is_never_replaced(authors):
    """A push that begins earlier may say anything of streams that are held; their own keys count."""
    author = authors(1).write_many(8)
    push = author.push(0, 8)
    forged = push._replace(streams=[s._replace(key=b"X" * 32, subject=b"X" * 16) for s in push.streams])
    (append, _) = author.receiver(4).receive(forged, 0)
    assert append.batch.streams == []


def test_a_history_rewritten_behind_the_hubs_back_is_not_taken(authors):
    """A node that signs another history over the same sizes gets no entry in."""
    author, rewritten = authors(1).write_many(8), authors(1).write(1, {"n": 99}).write_many(7)
    receiver = author.receiver(4)
    with pytest.raises(VerificationError):
        receiver.receive(rewritten.push(0, 8), 0)
    with pytest.raises(VerificationError):
        author.receiver(4).receive(rewritten.push(4, 8)._replace(streams=[]), 0)
    assert receiver.size == 4


def test_close_is_answered_by_a_receipt_only_for_what_is_held(authors):
    """Fewer, more or other entries than the node's are refused by name; equal ones are cosigned."""
    author, rewritten = authors(1).write_many(8), authors(1).write(1, {"n": 99}).write_many(7)
    assert author.receiver(8).receive(author.close(8), 0) == [Cosign(signed(author, 8))]
    assert author.receiver(5).receive(author.close(8), 0) == [
        Send(Ack(5)),
        Send(Refusal("gap", "the hub holds 5 of 8 entries")),
    ]
    assert author.receiver(8).receive(author.close(5), 0) == [
        Send(Refusal("ahead", "the hub holds 8 entries of this log, the node 5"))
    ]
    assert author.receiver(8).receive(rewritten.close(8), 0) == [
        Send(Refusal("fork", "at 8 entries the hub holds other content than the node"))
    ]


@pytest.mark.parametrize("start", [0, 2, 3])
def test_content_without_a_key_is_asked_for_in_erased_form(authors, start):
    """Of new entries in streams whose key is not here nothing is stored; their streams are named, once each."""
    author = authors(1).write_many(8)
    receiver = author.receiver(3, keyless={3, 1})
    assert receiver.receive(author.push(start, 8), 0) == [Send(NoKey(3, [1, 3]))]
    assert receiver.size == 3


def test_a_repeat_of_content_without_a_key_is_not_asked_for(author):
    """What is held already is not needed in any form, even where its key was destroyed since."""
    author.write(1).write(2).write_many(4, 1)
    (append, ack) = author.receiver(2, keyless={1, 2}).receive(author.push(0, 6), 0)
    assert append.batch.entries == arrivals(author, 2, 6)
    assert ack == Send(Ack(6))


def test_erased_entries_are_stored_among_the_others(author):
    """An erased entry keeps its place, stream and commitment, so that the tree grows to the root that was signed."""
    receiver = author.write_many(8, 4).receiver(3, keyless={1})
    (append, ack) = receiver.receive(author.push(3, 8, erased={1, 4}), 0)
    assert append.batch.entries == arrivals(author, 3, 8, (1, 4))
    assert append.batch.streams == [NewStream(4, author.name(4), None, None)]
    assert append.batch.frontier == author.frontier(8)
    assert ack == Send(Ack(8))
    author.write_many(4, 4)
    assert receiver.receive(author.push(8, 12), 0) == [Send(NoKey(8, [1, 4]))]  # a stream that began erased has no key


def test_a_confirmation_sent_before_the_question_was_read_is_no_gap(author):
    """The node that has not read NoKey yet is told again what is held; once the erased form is there, a gap is one."""
    receiver = author.write_many(9).receiver(3, keyless={2})
    receiver.receive(author.push(3, 8), 0)
    assert receiver.receive(author.close(8), 0) == [Send(Ack(3))]
    assert receiver.receive(author.close(3), 0) == [Cosign(signed(author, 3))]
    assert sizes(receiver.receive(author.push(3, 8, erased={2}), 0)) == [("append", 8), Ack(8)]
    assert sizes(receiver.receive(author.close(9), 0)) == [Ack(8), Refusal("gap", "the hub holds 8 of 9 entries")]


@pytest.mark.parametrize(
    "beginning",
    [
        Beginning(b"S" * 16, bytes(32), None),
        Beginning(None, b"K" * 32, None),
        Beginning(b"S" * 16, None, None),
        Beginning(None, None, None),
    ],
)
def test_a_stream_begins_with_a_key_or_a_name(author, beginning):
    """A stream is refused that comes with neither its pseudonym nor what that follows from, or with the key of none."""
    push = author.write(1).push(0, 1)
    with pytest.raises(RemoteProtocolError, match="stream 1 begins with"):
        author.receiver().receive(push._replace(streams=[beginning]), 0)


def test_streams_are_numbered_without_gaps(author):
    """A first stream numbered 2 is refused, although no proof covers its number."""
    push = author.write(1).push(0, 1)
    with pytest.raises(RemoteProtocolError, match="stream 2 begins before stream 1"):
        author.receiver().receive(push._replace(first_ordinal=2, rows=[push.rows[0]._replace(ordinal=2)]), 0)


def test_streams_are_looked_up_once_and_only_where_they_can_be(author):
    """The disk is asked for a stream that began here, one time an exchange; never for a number that cannot be there."""
    author.write_many(9)
    asked: list[int] = []

    def find(ordinal: int) -> StreamRef:
        asked.append(ordinal)
        return StreamRef(author.name(ordinal), author.subjects[ordinal - 1], derive(author.key(ordinal)).salt)

    receiver = Receiver(author.log, author.public_key, author.frontier(3), 3, find)
    row = author.rows[3]
    for ordinal in (0, 4):
        with pytest.raises(RemoteProtocolError, match=f"stream {ordinal}, which has not begun"):
            receiver.receive(author.push(3, 4)._replace(rows=[row._replace(ordinal=ordinal)]), 0)
    assert asked == []
    for start in (3, 6):
        receiver.receive(author.push(start, start + 3), 0)
    assert asked == [1, 2, 3]


def test_an_empty_log_gets_its_receipt(author):
    """A node that has recorded nothing yet is told so, under the root of the empty tree."""
    assert author.receiver().receive(author.close(0), 0) == [Cosign(signed(author, 0))]


@pytest.mark.parametrize("message", [
    Held(1, 1, EMPTY_ROOT), Ack(1), Receipt(1, b"0" * 72, 1, 0, 0, bytes(64)),
    Refusal("no", "no"), Hello(1, b"X" * 16, 1, 1),
    Confirm(0, bytes(32), bytes(64)), Confirm(8, EMPTY_ROOT, bytes(64)), Confirm(8, bytes(32), bytes(64)),
])  # fmt: skip
def test_the_hub_refuses_what_a_node_may_not_say(author, message):
    """A message from the wrong side, about another log, or signed by nobody is an error of the peer's, not ours."""
    receiver = author.write_many(8).receiver(8)
    with pytest.raises((RemoteProtocolError, VerificationError)):
        receiver.receive(message, 0)


def test_another_protocol_is_refused_with_both_numbers(author):
    """A newer node is told in words which protocol the hub speaks."""
    ((_, refusal),) = [(e, e.message) for e in author.receiver().receive(Hello(2, author.log, 0, 0), 0)]
    assert refusal == Refusal("protocol", "this hub speaks protocol 1, the node 2")


def test_a_receiver_is_made_for_the_key_of_its_log(author, authors):
    """A log under another log's key is a bug of ours and is never begun."""
    with pytest.raises(LocalProtocolError):
        Receiver(author.log, authors(2).public_key, Frontier(), 0, lambda _: None)


# The node's side


def sender(size: int = 100, acknowledged: int = 0, *, ask_first: bool = False, push_size_bytes: int = 800) -> Sender:
    log = log_id(HUB.public_key)
    made = Sender(log, HUB.public_key, size, acknowledged, ask_first=ask_first, push_size_bytes=push_size_bytes)
    assert made.start(CLOCK_MS) == [Send(Hello(1, log, size, CLOCK_MS))]
    return made


def send_next(made: Sender) -> tuple[int, int]:
    """Do what the sender wants done next, receipts asked for on the way: the range that was pushed."""
    step = made.next()
    if isinstance(step, Ask):
        made.ask(SignedSize(step.size, b"R" * 32, b"G" * 64, None))
        step = made.next()
    assert isinstance(step, Portion), step
    push = Push(step.start, 1, [], [None] * step.rows_count, bytes(32), bytes(64))
    assert made.pushed(push, 80 * step.rows_count)
    return step.start, push.end


def test_a_node_begins_at_its_last_acknowledged_size_without_waiting():
    """The first push does not wait for the hub's answer."""
    assert send_next(sender(acknowledged=40)) == (40, 50)


def test_after_a_cut_a_node_asks_first():
    """Nothing is sent before Held, and then from what it says."""
    made = sender(acknowledged=40, ask_first=True)
    assert made.next() == Wait()
    made.held(Held(55, 7, ROOT), ROOT)
    assert made.hub_clock_ms == 7
    assert send_next(made) == (55, 65)


@pytest.mark.parametrize(
    ("held", "goes_on_at"),
    [
        (40, 60),  # as expected
        (30, 30),  # the hub has lost entries that it had acknowledged
        (0, 0),
        (45, 60),  # it holds some of what is under way
        (60, 60),
        (75, 75),  # it holds more than was sent
        (100, 100),
    ],
)
def test_a_node_goes_on_from_what_the_hub_holds(held, goes_on_at):
    """With two pushes from 40 to 60 under way, Held moves the cursor only where that is needed."""
    made = sender(acknowledged=40)
    assert [send_next(made), send_next(made)] == [(40, 50), (50, 60)]
    made.held(Held(held, 7, ROOT), ROOT)
    assert made.acknowledged == held
    if goes_on_at == 100:
        assert made.next() == Ask(100)
    else:
        assert send_next(made)[0] == goes_on_at


@pytest.mark.parametrize("held", [30, 45, 75])
def test_pushes_that_held_made_useless_may_be_asked_for_in_plain_form(held):
    """What was on its way when the hub said another size than expected is answered, too; no more than that."""
    made = sender(acknowledged=40)
    assert [send_next(made), send_next(made)] == [(40, 50), (50, 60)]
    made.held(Held(held, 7, ROOT), ROOT)
    for _ in range(2):
        made.receive(AskPlain(held))
    assert made.plain
    assert send_next(made)[0] == held
    with pytest.raises(RemoteProtocolError):
        made.receive(AskPlain(held))


@pytest.mark.parametrize(("held", "root"), [(101, b"R" * 32), (100, b"X" * 32), (30, b"X" * 32)])
def test_a_log_that_others_continued_is_pushed_no_more(held, root):
    """More than the folder has, or another root where both have entries: nothing is said of this log any more."""
    made = sender(size=100, acknowledged=40)
    send_next(made)
    answer = Held(held, 7, root)
    made.held(answer, ROOT)
    assert (made.diverged, made.next(), made.acknowledged) == (answer, Wait(), 40)
    assert not made.pushed(Push(50, 1, [], [None], bytes(32), bytes(64)), 80), "it was being made when the answer came"
    assert made.ask(SignedSize(100, ROOT, b"G" * 64, None)) == []
    with pytest.raises(Unreachable):
        made.receive(Refusal("invalid", "what was pushed before the answer came"))


def test_a_push_that_the_hubs_answer_has_overtaken_is_dropped():
    """Held arrives while a push is being made: that push would leave a gap, so it is not sent."""
    made = sender(acknowledged=40)
    step = made.next()
    made.held(Held(30, 7, ROOT), ROOT)
    assert not made.pushed(Push(step.start, 1, [], [None] * step.rows_count, bytes(32), bytes(64)), 800)
    assert send_next(made) == (30, 40)


def test_only_so_many_pushes_are_under_way():
    """The node waits once the limit is reached, and goes on with each acknowledgement."""
    made = sender(size=100_000)
    for _ in range(replicator.IN_FLIGHT_MAX):
        send_next(made)
    assert made.next() == Wait()
    made.held(Held(0, 7, ROOT), ROOT)
    close_of(made, 160)  # sixteen pushes are enough to ask for a receipt
    assert made.next() == Wait()
    made.receive(Ack(10))
    send_next(made)
    assert made.next() == Wait()
    made.receive(Ack(40))  # acknowledges three at once
    for _ in range(3):
        send_next(made)
    assert made.next() == Wait()


def test_what_is_under_way_counts_although_the_hub_has_answered():
    """Held that says what the node expected takes nothing back: pushes under way are awaited, and let pushes grow."""
    made = sender(acknowledged=40)
    send_next(made)
    made.held(Held(50, 7, ROOT), ROOT)
    made.receive(Ack(50))
    assert made.push_size_bytes == 1600


def test_a_late_acknowledgement_changes_nothing():
    """An older Ack behind a newer one does not take anything back."""
    made = sender(size=1000)
    ends = [send_next(made)[1] for _ in range(3)]
    made.held(Held(0, 7, ROOT), ROOT)
    made.receive(Ack(ends[2]))
    made.receive(Ack(ends[0]))
    assert made.acknowledged == ends[2]


def test_pushes_grow_with_success_up_to_a_limit():
    """Each acknowledgement doubles the size of a push, up to 64 kB."""
    made = sender(size=10**6, push_size_bytes=2000)
    made.held(Held(0, 7, ROOT), ROOT)
    counts = []
    for _ in range(8):
        start, end = send_next(made)
        counts.append(end - start)
        made.receive(Ack(end))
    assert counts == [25, 50, 100, 200, 400, 800, 800, 800]


def test_a_push_is_never_empty_and_never_beyond_the_log():
    """Rows larger than a push go one at a time; the last push ends where the log ended at the beginning."""
    made = sender(size=12)
    assert made.pushed(Push(0, 1, [], [None] * 10, bytes(32), bytes(64)), 100_000)
    assert [send_next(made), send_next(made)] == [(10, 11), (11, 12)]
    assert made.next() == Ask(12)


@pytest.mark.parametrize(
    ("pushed_count", "frame_size_bytes", "push_size_bytes", "rows_count"),
    [
        (1, 400, 800, 2),
        (100, 1, 8_000, 1_000),  # no row is taken to be smaller than eight bytes
        (100, 1, 64_000, replicator.PUSH_ROWS_MAX),
    ],
)
def test_the_last_push_tells_how_many_rows_the_next_takes(pushed_count, frame_size_bytes, push_size_bytes, rows_count):
    """A push takes as many rows as fit its size at what the rows before have cost, within bounds on both sides."""
    made = sender(size=10_000, push_size_bytes=push_size_bytes)
    assert made.pushed(Push(0, 1, [], [None] * pushed_count, bytes(32), bytes(64)), frame_size_bytes)
    assert made.next() == Portion(pushed_count, rows_count)


# What the hub has no key for


def test_the_node_goes_back_and_withholds_what_the_hub_cannot_take():
    """After NoKey the node pushes again from what the hub holds, knows what to send erased, and tries the same size."""
    made = sender()
    for _ in range(3):
        send_next(made)
    assert made.withheld == set()
    assert made.receive(NoKey(10, [3, 1])) == []
    assert made.withheld == {1, 3}
    assert made.next() == Portion(10, 10)
    made.receive(Ack(10))
    assert made.push_size_bytes == 800  # nothing is under way any more, so nothing got through
    assert made.receive(NoKey(10, [2])) == []
    assert made.withheld == {1, 2, 3}


@pytest.mark.parametrize("question", [NoKey(10, [1]), NoKey(11, [2]), NoKey(10, [])])
def test_the_hub_cannot_send_the_node_back_without_reason(question):
    """A stream that is withheld already, none at all, or a size that was never pushed ends the exchange."""
    made = sender()
    send_next(made)
    made.receive(NoKey(10, [1]))
    with pytest.raises(RemoteProtocolError, match="without reason"):
        made.receive(question)


def test_receipts_beyond_what_the_hub_holds_are_asked_for_again():
    """A receipt for what the hub still holds is awaited; one for entries that go again in erased form is not."""
    made = sender(size=30, acknowledged=10, ask_first=True)
    made.held(Held(10, 7, ROOT), ROOT)
    close_of(made, 10)
    send_next(made)
    close_of(made, 20)
    made.receive(NoKey(10, [1]))
    assert [type(effect) for effect in made.receive(receipt_of(HUB, made.log, 10))] == [KeepReceipt]
    with pytest.raises(RemoteProtocolError, match="not asked for"):
        made.receive(receipt_of(HUB, made.log, 20))


def close_of(made: Sender, size: int, root: bytes = b"R" * 32) -> SignedSize:
    signed_size = SignedSize(size, root, b"G" * 64, None)
    assert made.ask(signed_size) == [Send(Confirm(size, root, b"G" * 64))]
    return signed_size


def receipt_of(signer: Signer, log: bytes, size: int, root: bytes = b"R" * 32, at_s: int = 99) -> Receipt:
    note = signed_note(signer, log, size, root, epoch=1, backed_up_to=0, time_ms=at_s * 1000 + 7)
    return Receipt.of(size, cosign(signer, checkpoint_text(origin(log), size, root), at_s), note)


def test_a_receipt_that_holds_is_kept():
    """The receipt over the node's own checkpoint is kept with the hub's time."""
    made = sender(size=3)
    checkpoint = close_of(made, 3)
    receipt = receipt_of(HUB, made.log, 3)
    kept = Kept(3, receipt.note, None)
    assert made.receive(receipt) == [KeepReceipt(checkpoint._replace(receipt=receipt.cosignature), 99, kept)]
    assert made.receipt is not None
    assert made.acknowledged == 3


GOOD = receipt_of(HUB, log_id(HUB.public_key), 3)


@pytest.mark.parametrize(
    "receipt",
    [
        receipt_of(Signer("homeward/other", b"O" * 32), log_id(HUB.public_key), 3),
        receipt_of(HUB, b"O" * 16, 3),
        receipt_of(HUB, log_id(HUB.public_key), 3, b"X" * 32),
        receipt_of(HUB, log_id(HUB.public_key), 2)._replace(size=3),
        GOOD._replace(cosignature=bytes(72)),
        GOOD._replace(cosignature=GOOD.cosignature[:-1] + b"\0"),
        GOOD._replace(signature=bytes(64)),
        GOOD._replace(epoch=2),
        GOOD._replace(backed_up_to=1),
        GOOD._replace(thousandths=8),
        GOOD._replace(signature=receipt_of(HUB, log_id(HUB.public_key), 3, at_s=98).signature),
        GOOD._replace(cosignature=receipt_of(HUB, log_id(HUB.public_key), 3, at_s=98).cosignature),
        GOOD._replace(signature=receipt_of(HUB, log_id(HUB.public_key), 2).signature),
        GOOD._replace(signature=receipt_of(HUB, b"O" * 16, 3).signature),
        GOOD._replace(signature=receipt_of(HUB, log_id(HUB.public_key), 3, b"X" * 32).signature),
        GOOD._replace(signature=receipt_of(Signer("homeward/other", b"O" * 32), log_id(HUB.public_key), 3).signature),
        receipt_of(HUB, log_id(HUB.public_key), 2),
        receipt_of(HUB, log_id(HUB.public_key), 4),
    ],
)
def test_a_receipt_for_anything_else_is_refused(receipt):
    """Another key, log, root, size or time than the node's checkpoint and its hub's: nothing is at the county."""
    made = sender(size=3)
    close_of(made, 3)
    with pytest.raises((VerificationError, RemoteProtocolError)):
        made.receive(receipt)
    assert made.receipt is None


def test_what_an_earlier_exchange_brought_is_confirmed_first():
    """After a cut the node asks for a receipt for what the hub holds, before it pushes on."""
    made = sender(acknowledged=40, ask_first=True)
    assert made.next() == Wait()
    made.held(Held(60, 7, ROOT), ROOT)
    assert made.next() == Ask(60)
    close_of(made, 60)
    assert send_next(made)[0] == 60
    receipt = receipt_of(HUB, made.log, 60)
    assert [type(effect) for effect in made.receive(receipt)] == [KeepReceipt]
    assert (made.receipt, made.receipted) == (None, 60)


def test_a_single_entry_of_an_earlier_exchange_is_confirmed_first():
    """Without any receipt so far, one entry at the hub is enough to ask for one."""
    made = sender(ask_first=True)
    made.held(Held(1, 7, ROOT), ROOT)
    assert made.next() == Ask(1)


def test_a_long_backlog_is_confirmed_while_it_travels():
    """Every sixteen pushes the node asks for a receipt; what is confirmed is never asked for again."""
    made = sender(size=10_000)
    made.held(Held(0, 7, ROOT), ROOT)
    asked = []
    while not asked or asked[-1] < 2000:
        match made.next():
            case Ask(size):
                asked.append(size)
                close_of(made, size)
                made.receive(receipt_of(HUB, made.log, size))
            case Portion(start, _):
                assert made.pushed(Push(start, 1, [], [None] * 50, bytes(32), bytes(64)), 2000)
                made.receive(Ack(start + 50))
    assert asked == [800, 1600, 2400]


def test_a_receipt_that_was_not_asked_for_is_refused():
    """A receipt must answer the node's own checkpoint."""
    made = sender(size=3)
    with pytest.raises(RemoteProtocolError):
        made.receive(receipt_of(HUB, made.log, 3))


@pytest.mark.parametrize("message", [Hello(1, b"L" * 16, 1, 1), Push(0, 1, [], [], bytes(32), bytes(64)),
                                     Confirm(1, bytes(32), bytes(64)), Ack(101)])  # fmt: skip
def test_the_node_refuses_what_a_hub_may_not_say(message):
    """A message from the wrong side, or more than exists, ends the exchange."""
    with pytest.raises(RemoteProtocolError):
        sender(size=100).receive(message)


def test_held_comes_once():
    """A hub cannot make a node begin again and again within one exchange."""
    made = sender()
    made.held(Held(0, 7, ROOT), ROOT)
    with pytest.raises(RemoteProtocolError):
        made.held(Held(0, 7, ROOT), ROOT)


def test_a_refusal_reaches_the_person():
    """Code and words of a refusal are raised as they were said."""
    with pytest.raises(RefusedByPeer, match="join again") as refusal:
        sender().receive(Refusal("unknown", "join again"))
    assert refusal.value.code == "unknown"


@pytest.mark.parametrize("code", ["gap", "later", "damaged"])
def test_some_refusals_are_waited_out(code):
    """What began behind what the hub holds, met a hub without room or a bad line is like a cut: try again, in time."""
    with pytest.raises(Unreachable, match=r"^in these words$"):
        sender().receive(Refusal(code, "in these words"))


@pytest.mark.parametrize(("held", "lost"), [(39, True), (40, False), (41, False)])
def test_a_hub_that_holds_less_than_it_gave_a_receipt_for_is_known(held, lost):
    """It was restored from a backup; before it has said what it holds nothing is known of that."""
    made = Sender(b"L" * 16, HUB.public_key, 100, 40, receipted=40, ask_first=False, push_size_bytes=800)
    assert not made.hub_lost
    made.held(Held(held, 7, ROOT), ROOT)
    assert made.hub_lost is lost


def test_a_hub_that_lost_something_is_known_by_another_copy_too():
    """What clones have brought to it since takes nothing from what it signed before."""
    made = Sender(b"L" * 16, HUB.public_key, 100, 40, receipted=40, ask_first=True, push_size_bytes=800)
    made.held(Held(39, 7, bytes(32)), ROOT)
    assert made.hub_lost
    assert made.diverged is not None


def test_a_link_is_measured_by_its_acknowledgements():
    """Where the shell tells the time, pushes are as small as the link is slow; where it does not, nobody knows."""
    for seconds, is_measured in ((None, False), (2.0, True)):
        pace = Pace()
        made = Sender(b"L" * 16, HUB.public_key, 100, 0, ask_first=False, push_size_bytes=800, pace=pace)
        before = pace.bound_bytes
        for n in range(3):
            send_next(made)
            made.now_s = None if seconds is None else 10 + n * seconds
            made.receive(Ack(made._cursor))
        assert (pace.bound_bytes < before) is is_measured


def test_how_many_entries_were_refused_is_known():
    """Of pushes under way the first one behind what is acknowledged was refused; where none is, nothing."""
    made = sender(acknowledged=40)
    assert made.refused_rows == 0
    assert [send_next(made), send_next(made)] == [(40, 50), (50, 60)]
    assert made.refused_rows == 10
    made.receive(Ack(45))
    assert made.refused_rows == 5
    made.receive(Ack(60))
    assert made.refused_rows == 0


# Both together


def converse(author, node: Sender, hub: Receiver, stored: list[bytes], data) -> None:
    """Carry one exchange without a cut, with anything that may be under way under way."""
    up, down = [effect.message for effect in node.start(CLOCK_MS)], []
    while node.receipt is None:
        step = node.next()
        choices = [name for name, there in (("up", up), ("down", down)) if there]
        if not isinstance(step, Wait):
            choices.append("send")
        match data.draw(st.sampled_from(choices)):
            case "send" if isinstance(step, Portion):
                push = author.push(step.start, step.start + step.rows_count)
                assert node.pushed(push, 80 * step.rows_count)
                up.append(push)
            case "send":
                assert isinstance(step, Ask)
                up += [effect.message for effect in node.ask(signed(author, step.size))]
            case "up":
                for effect in hub.receive(up.pop(0), CLOCK_MS):
                    match effect:
                        case Append(batch):
                            stored += [arrived.body for arrived in batch.entries]
                        case Send(message):
                            down.append(message)
                        case Cosign(checkpoint):
                            down.append(receipt_of(HUB, author.log, checkpoint.size, checkpoint.root))
            case "down" if isinstance(down[0], Held):
                node.held(down[0], author.frontier(min(node.size, down[0].size)).root())
                down.pop(0)
            case "down":
                node.receive(down.pop(0))


@given(data=st.data())
def test_both_sides_together_end_with_a_receipt(authors, data):
    """Whatever the hub held and the node believed, two exchanges at most end with everything held, and a receipt.

    The second is needed only where the hub had lost what it once acknowledged and the node had closed before it knew.
    """
    author = authors(1).write_many(data.draw(st.integers(0, 40)), data.draw(st.integers(1, 6)))
    held = data.draw(st.integers(0, author.size))
    acknowledged = data.draw(st.integers(0, author.size))
    ask_first = data.draw(st.booleans())
    hub, stored = author.receiver(held), author.bodies[:held]
    node = Sender(author.log, HUB.public_key, author.size, acknowledged, ask_first=ask_first, push_size_bytes=400)
    try:
        converse(author, node, hub, stored, data)
    except Unreachable:
        assert held < acknowledged
        assert not ask_first
        node = Sender(author.log, HUB.public_key, author.size, node.acknowledged, ask_first=True, push_size_bytes=400)
        converse(author, node, hub, stored, data)
    assert stored == author.bodies
    assert node.acknowledged == author.size


def test_errors_of_the_peer_are_of_one_family():
    """A shell can catch everything that a peer may cause."""
    assert issubclass(RemoteProtocolError, SyncError)
    assert issubclass(VerificationError, SyncError)
    assert issubclass(RefusedByPeer, SyncError)


# How large a push is


def test_a_push_grows_once_for_each_size_that_got_through():
    """Acknowledgements of pushes that were already under way do not double the size again and again."""
    made = sender(size=100_000, push_size_bytes=800)
    ends = [send_next(made)[1] for _ in range(4)]
    for end in ends:
        made.receive(Ack(end))
    assert made.push_size_bytes == 1600


def test_only_what_was_under_way_makes_a_node_unsure():
    """After a cut the hub is asked first only if it may hold more than it acknowledged, or other content."""
    made = sender(size=100_000)
    assert not made.is_unsure
    end = send_next(made)[1]
    assert made.is_unsure
    made.receive(Ack(end))
    assert not made.is_unsure
    asking = sender(size=100, acknowledged=40, ask_first=True)
    assert asking.is_unsure
    asking.held(Held(40, 7, ROOT), ROOT)
    assert not asking.is_unsure
    asking = sender(size=100, acknowledged=100, ask_first=False)
    asking.held(Held(100, 7, bytes(32)), ROOT)
    assert asking.is_unsure


@pytest.mark.parametrize(("held", "is_unsure"), [(39, True), (40, False), (41, False)])
def test_a_hub_that_lost_something_is_asked_first(held, is_unsure):
    """It is shown what it signed before anything is pushed: what it gets again before that, it does not miss."""
    made = Sender(b"L" * 16, HUB.public_key, 100, 40, receipted=40, ask_first=False, push_size_bytes=800)
    made.held(Held(held, 7, ROOT), ROOT)
    assert made.is_unsure is is_unsure


def test_a_node_knows_when_it_has_said_all():
    """Nothing follows the last question for a receipt, unless the hub asks for something."""
    made = sender(size=10)
    send_next(made)
    assert not made.has_asked_last
    assert made.next() == Ask(10)
    made.ask(SignedSize(10, b"R" * 32, b"G" * 64, None))
    assert made.has_asked_last
    made.receive(NoKey(0, [1]))
    assert not made.has_asked_last


def test_what_a_cut_left_open_is_settled_by_the_next_exchange():
    """Pushes that were under way when the link failed count as arrived once the hub turns out to hold them."""
    pace = Pace()
    first = Sender(log_id(HUB.public_key), HUB.public_key, 100, 0, ask_first=False, push_size_bytes=800, pace=pace)
    ends = [send_next(first)[1] for _ in range(3)]
    first.was_cut()
    assert pace.arrived_bytes == 0
    second = Sender(log_id(HUB.public_key), HUB.public_key, 100, 0, ask_first=True, push_size_bytes=800, pace=pace)
    second.held(Held(ends[1], 7, ROOT), ROOT)
    assert pace.arrived_bytes == 80 * ends[1]


def after_a_cut(first: Sender, held: int, *, resumes: bool = False) -> Sender:
    """What follows an exchange that was cut: the hub turns out to hold so many entries."""
    first.was_cut()
    made = Sender(
        first.log, HUB.public_key, first.size, first.acknowledged,
        receipted=first.receipted, ask_first=True, push_size_bytes=800, pace=first.pace,
    )  # fmt: skip
    made.resumes = resumes
    made.held(Held(held, 7, ROOT), ROOT)
    return made


def test_a_cut_is_no_reason_to_ask_for_a_receipt():
    """After as many pushes as without a cut it is asked for, however many connections they took."""
    made, pushes = sender(size=100_000), 0
    while pushes < RECEIPT_EVERY_PUSHES:
        for _ in range(4):
            assert isinstance(made.next(), Portion)
            end = send_next(made)[1]
        made.receive(Ack(end))
        made = after_a_cut(made, end)
        pushes += 4
    assert made.next() == Ask(end)
    send_next(made)  # asks first
    made = after_a_cut(made, end)
    assert made.next() == Ask(end)  # the question was lost
    close_of(made, end)
    made.receive(receipt_of(HUB, made.log, end))
    send_next(made)
    made = after_a_cut(made, end)
    assert isinstance(made.next(), Portion)


def test_what_arrived_while_nobody_counted_is_confirmed_first():
    """A node that was started anew does not know how long the hub has held what no receipt covers."""
    made = Sender(log_id(HUB.public_key), HUB.public_key, 100, 0, ask_first=True, push_size_bytes=800)
    made.held(Held(60, 7, ROOT), ROOT)
    assert made.next() == Ask(60)


def test_a_push_that_was_cut_is_made_again_where_the_hub_has_a_part_of_it():
    """It has the same rows then, also after another cut before the hub was heard; else what the link allows by now."""
    for resumes in (True, False):
        first = sender(size=100_000)
        ranges = [send_next(first) for _ in range(3)]
        first.receive(Ack(ranges[0][1]))
        first.pace.row_size_bytes *= 3  # rows became larger
        first.was_cut()
        first = Sender(first.log, HUB.public_key, first.size, 0, ask_first=True, push_size_bytes=800, pace=first.pace)
        second = after_a_cut(first, ranges[1][1], resumes=resumes)
        assert (send_next(second) == ranges[2]) is resumes


def test_a_push_that_was_cut_is_not_made_where_another_one_follows():
    """A hub that holds more, or less, than where the push began gets what follows there, of the usual size."""
    first = sender(size=100_000)
    send_next(first)
    second = after_a_cut(first, 5, resumes=True)
    assert send_next(second) == (5, 15)


def test_the_greeting_of_both_clocks_is_kept_beside_the_receipt():
    """How many entries there were and what both clocks said belong to the first greeting, not to the receipt."""
    made = Sender(log_id(HUB.public_key), HUB.public_key, 3, 0, ask_first=False, push_size_bytes=800)
    assert made.start(5_000, 4) == [Send(Hello(1, made.log, 4, 5_000))]
    made.held(Held(0, 9_000, EMPTY_ROOT), EMPTY_ROOT)
    made.start(6_000, 5)  # of a request behind the first one
    close_of(made, 3)
    (effect,) = made.receive(GOOD)
    assert effect.kept == Kept(3, GOOD.note, Greeted(4, 5_000, 9_000))


def test_who_may_not_speak_for_a_log_says_nothing_of_its_length():
    """Another computer's log may be longer than what is here of it."""
    made = Sender(
        log_id(HUB.public_key), HUB.public_key, 3, 3, ask_first=False, push_size_bytes=800, asks_on_the_way=False
    )
    made.start(5_000)
    made.held(Held(3, 9_000, b"R" * 32), b"R" * 32)
    close_of(made, 3)
    (effect,) = made.receive(GOOD)
    assert effect.kept.greeted is None
