"""Headlines: type and subject of every entry, in the order of arrival, without opening one."""

from __future__ import annotations

import pytest

from sync import headlines
from sync.headlines import Headline
from sync.outgoing import push_of
from sync.replicator import Receiver

NOW_MS = 1_741_392_000_000


@pytest.fixture
def node(stores, draft):
    """A node of five entries about three subjects, of two types."""
    made = stores()
    made.record([draft(n % 3, type=f"kind/{n % 2}") for n in range(5)]).result(10)
    return made


def expected(log: bytes, seqs, *, before: int = 0) -> list[Headline]:
    return [Headline(before + n, log, n, f"kind/{(n - 1) % 2}", ((n - 1) % 3).to_bytes(16, "big")) for n in seqs]


def test_every_entry_has_its_headline(node):
    """Place, log, seq, type and subject, from any position on, as many as were asked for."""
    assert headlines.after(node, 0, 100) == (5, expected(node.log, range(1, 6)))
    assert headlines.after(node, 1, 2) == (3, expected(node.log, (2, 3)))
    assert headlines.after(node, 5, 2) == (5, [])
    assert headlines.after(node, 9, 2) == (9, [])


def test_entries_of_another_log_are_told_apart(node, stores, draft):
    """Each headline names the log that its entry is of."""
    hub = stores("hub")
    hub.record([draft(0, type="kind/0")]).result(10)
    hub.add_log(node.log, node.signer.public_key).result(10)
    receiver = Receiver(node.log, node.signer.public_key, hub.frontier(node.log, 0), 0, lambda _: None)
    hub.append(receiver.receive(push_of(node, 0, 5), 0)[0].batch).result(10)
    until, found = headlines.after(hub, 0, 100)
    assert until == 6
    assert found == [*expected(hub.log, [1]), *expected(node.log, range(1, 6), before=1)]


def test_what_was_erased_has_none(node, draft):
    """It is passed over, also where nothing else is among those that were asked for."""
    node.erase([draft(1).subject], by="li", ground="asked", now_ms=NOW_MS)
    until, found = headlines.after(node, 0, 5)
    assert (until, found) == (5, expected(node.log, (1, 3, 4)))
    assert headlines.after(node, 1, 1) == (2, [])


def test_what_was_set_aside_counts_no_more(node):
    """Entries of a lost part have headlines where they were recorded again only."""
    node.succeed(3, "forked", NOW_MS)
    until, found = headlines.after(node, 0, 100)
    assert until == node.position()
    assert [one.seq for one in found if one.log != node.log] == [1, 2, 3]
    again = [one for one in found if one.log == node.log and one.type.startswith("kind/")]
    assert [(one.type, one.subject) for one in again] == [
        (f"kind/{n % 2}", (n % 3).to_bytes(16, "big")) for n in (3, 4)
    ]
