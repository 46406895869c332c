"""Both halves of following a log, without sockets."""

from __future__ import annotations

import pytest

from sync import carrying
from sync.carrying import AskRoots, Carrier, CarryFrom, Fetcher, Open, Prove, ReadRoots
from sync.entry import log_id
from sync.errors import RemoteProtocolError, VerificationError
from sync.messages import Carry, Compare, Follow, LogAt, Logs, NoKey, Push, Roots, Took
from sync.replicator import Append, Send, Wait


def carrier(author, held: int = 100) -> Carrier:
    return Carrier(lambda log: log == author.log, lambda _: held)


def roots(author, sizes) -> list[bytes]:
    return [author.frontier(size).root() for size in sizes]


def told(author, size: int) -> Logs:
    return Logs([LogAt(author.public_key, size, author.frontier(size).root())])


# The hub's side


def piece(author, start: int, rows_count: int) -> Push:
    return author.push(0, 0)._replace(start=start, rows=[None] * rows_count)


def test_what_is_followed_is_carried_without_waiting(author):
    """Pieces go out up to the limit, and each Took lets another one go; at the end there is nothing to do."""
    made, end = carrier(author), 0
    assert made.next() is None
    assert made.receive(Follow(author.log, 10)) is None
    for _ in range(carrying.CARRIES_IN_FLIGHT_MAX):
        step = made.next()
        assert (step.log, step.start, step.withheld) == (author.log, max(10, end), frozenset())
        end = step.start + 20
        made.carried(piece(author, step.start, 20), 1000)
    assert made.next() is None
    made.receive(Took(author.log, 30))
    assert made.next().start == 90
    made.carried(piece(author, 90, 10), 500)
    made.receive(Took(author.log, 100))
    assert made.next() is None


def test_pieces_are_small_at_first_and_grow_with_what_the_link_carries(author):
    """A cut at the beginning costs little; on a fast link a piece becomes as large as it may be, and stays so."""
    made, sizes, now_s = carrier(author, held=1_000_000), [], 0.0
    made.receive(Follow(author.log, 0))
    for _ in range(40):
        step = made.next()
        sizes.append(step.rows_count)
        made.now_s = now_s
        made.carried(piece(author, step.start, step.rows_count), 40 * step.rows_count)
        now_s += 0.05
        if len(sizes) >= carrying.CARRIES_IN_FLIGHT_MAX:
            made.now_s = now_s
            made.receive(Took(author.log, step.start))  # all but the last one
    assert sizes[0] < 100
    assert sizes[:4] == sorted(sizes[:4])
    assert sizes[3] >= 4 * sizes[0]
    assert carrying.CARRY_ROWS_MAX // 2 < sizes[-1] <= carrying.CARRY_ROWS_MAX


def test_pieces_stay_small_where_the_link_is_slow(author):
    """However much was carried, a piece remains a small part of what is carried between two cuts."""
    made, now_s = carrier(author, held=1_000_000), 0.0
    made.receive(Follow(author.log, 0))
    for _ in range(40):
        step = made.next()
        made.now_s = now_s
        made.carried(piece(author, step.start, step.rows_count), 40 * step.rows_count)
        now_s += 40 * step.rows_count / 8_000
        made.now_s = now_s
        made.receive(Took(author.log, step.start + step.rows_count))
    assert 40 * made.next().rows_count <= 12_000


def test_what_has_no_key_is_carried_in_erased_form(author):
    """NoKey takes the hub back to what the node holds, and these streams go without content from then on."""
    made = carrier(author)
    made.receive(Follow(author.log, 0))
    made.carried(piece(author, 0, 20), 1000)
    made.receive(NoKey(0, [2]))
    step = made.next()
    assert step == CarryFrom(author.log, 0, step.rows_count, frozenset([2]))
    with pytest.raises(RemoteProtocolError):
        made.receive(NoKey(0, [2]))


@pytest.mark.parametrize("wrong", [Follow(b"X" * 16, 0), Compare(b"X" * 16, [1]), Took(b"X" * 16, 0), NoKey(1, [1])])
def test_a_node_gets_its_own_homes_logs_and_no_other(author, wrong):
    """A log of another home is neither carried nor compared; nor is anything answered that was not carried."""
    with pytest.raises(RemoteProtocolError):
        carrier(author).receive(wrong)


def test_nothing_is_asked_beyond_what_is_held(author):
    """Sizes that the hub does not have are refused."""
    for wrong in (Follow(author.log, 101), Compare(author.log, [1, 101])):
        with pytest.raises(RemoteProtocolError):
            carrier(author).receive(wrong)
    assert carrier(author).receive(Compare(author.log, [1, 100])) == ReadRoots(author.log, [1, 100])


# The node's side


def test_a_log_that_nobody_has_here_is_followed_from_its_beginning(author):
    """What the hub speaks of is opened, verified piece by piece, and acknowledged after it is durable."""
    author.write_many(9)
    made = Fetcher()
    assert made.next() is None
    made.learn(told(author, 9), {}, {})
    assert made.next() == Open(author.public_key)
    made.opened(author.receiver())
    assert made.next() == Wait()
    for start, end in ((0, 5), (5, 9)):
        append, took = made.receive(Carry(author.log, author.push(start, end)), None)
        assert isinstance(append, Append)
        assert took == Send(Took(author.log, end))
    assert (made.next(), made.fetched, made.forks) == (None, 9, {})


def test_a_beginning_is_compared_before_it_is_continued(author):
    """The node asks for the hub's root at its own size, and follows where it is its own."""
    author.write_many(9)
    made = Fetcher()
    made.learn(told(author, 9), {author.log: 4}, roots(author, [4]) and {author.log: roots(author, [4])[0]})
    assert made.next() == AskRoots(author.log, [4])
    made.asked(roots(author, [4]))
    assert made.next() == Wait()
    assert made.receive(Roots(author.log, roots(author, [4])), None) == []
    assert made.next() == Open(author.public_key)


def test_what_is_the_same_is_left_alone(author):
    """A log of which the hub has no more than the node, and the same, needs no word."""
    author.write_many(9)
    made = Fetcher()
    made.learn(told(author, 7), {author.log: 9}, {author.log: roots(author, [7])[0]})
    assert made.next() is None


def parted(author, other, common: int) -> None:
    """Two authors with one key, who part after some entries."""
    for n in range(10):
        author.write(n % 3)
        other.write(n % 3, {"n": n + 1} if n < common else {"other": n})


def search(made: Fetcher, author, other) -> None:
    while isinstance(step := made.next(), AskRoots):
        made.asked(roots(author, step.sizes))
        made.receive(Roots(author.log, roots(other, step.sizes)), None)


def test_nobodys_word_alone_makes_a_node_leave_its_log(authors):
    """Where the copies part is found; it counts once the log's own signature on the other content is seen."""
    author, other = authors(1), authors(1)
    parted(author, other, 6)
    made = Fetcher()
    made.search(author.public_key, 10)
    search(made, author, other)
    assert made.next() == Prove(author.log, 6)
    made.proving()
    assert made.next() == Wait()
    push = other.push(6, 10)
    for wrong, mine in ((push._replace(signature=bytes(64)), None), (author.push(6, 10), roots(author, [10])[0])):
        with pytest.raises((RemoteProtocolError, VerificationError)):
            made.receive(Carry(author.log, wrong), mine)
    assert made.forks == {}
    assert made.receive(Carry(author.log, push), roots(author, [10])[0]) == []
    assert (made.forks, made.next()) == ({author.log: 6}, None)
    assert made.receive(Carry(author.log, push), None) == [], "the rest of what was on its way"


def test_a_followed_log_that_parted_is_not_followed(authors):
    """Of another log of the home, too, it is said up to where the copies agree; nothing of it is stored."""
    author, other = authors(1), authors(1)
    parted(author, other, 3)
    made = Fetcher()
    made.learn(told(other, 10), {author.log: 8}, {author.log: roots(author, [8])[0]})
    search(made, author, other)
    assert made.next() == Prove(author.log, 3)
    made.proving()
    made.receive(Carry(author.log, other.push(3, 10)), None)
    assert made.forks == {author.log: 3}


def test_what_is_carried_is_verified(author):
    """A piece whose root is not the signed one stores nothing."""
    author.write_many(9)
    made = Fetcher()
    made.learn(told(author, 9), {}, {})
    made.opened(author.receiver())
    with pytest.raises(VerificationError):
        made.receive(Carry(author.log, author.push(0, 9)._replace(root=b"x" * 32)), None)


def test_what_was_not_asked_for_is_refused(author, authors):
    """Another log than the one at hand, or roots that nobody asked for, end the exchange."""
    author.write_many(9)
    made = Fetcher()
    made.learn(told(author, 9), {}, {})
    for wrong in (Roots(author.log, [bytes(32)]), Roots(b"X" * 16, [bytes(32)])):
        with pytest.raises(RemoteProtocolError):
            made.receive(wrong, None)
    with pytest.raises(RemoteProtocolError):
        made.receive(Carry(log_id(authors(2).public_key), author.push(0, 9)), None)


def test_something_more_urgent_ends_it(author):
    """Stopped, the rest waits for another exchange, and late pieces are dropped."""
    author.write_many(9)
    made = Fetcher()
    made.learn(told(author, 9), {}, {})
    made.opened(author.receiver())
    made.stop()
    assert (made.next(), made.is_stopped) == (None, True)
    assert made.receive(Carry(author.log, author.push(0, 9)), None) == []
