"""Photographs that come down by hand: groups that stand alone, in any order, and go on where the last stick ended."""

from __future__ import annotations

import pytest

from sync import shelf
from sync.errors import RemoteProtocolError, VerificationError
from sync.messages import Bring, Chunk, Follow, Holds, Message, Took
from sync.shelf import ServedShelf
from sync.shelf_taking import ShelfTaking, held_of
from tests.sync.test_shelf import NOW_MS, SUBJECT, county  # noqa: F401 -- a fixture


class Stick:
    """What a hub would write for a node, and what that node takes of it."""

    def __init__(self, county, node, may_have=lambda _: True) -> None:  # noqa: F811
        self.hub, self.home, self.box, self.names = county
        self.node, self.may_have = node, may_have

    def groups(self) -> list[list[Message]]:
        said = held_of(self.node, self.box)
        number = next((one.size for one in said if isinstance(one, Follow)), 0)
        partly = {one.name: one.chunks for one in said if isinstance(one, Holds)}
        served = ServedShelf(self.hub, self.box, self.may_have)
        size = shelf.size_of(self.hub, self.box)
        return list(shelf.by_hand(served, number, size, partly, self.node.log))

    def take(self, *groups: list[Message]) -> ShelfTaking:
        taking = ShelfTaking(self.node, self.box, shelf.size_of(self.hub, self.box), NOW_MS)
        for group in groups:
            for message in group:
                taking.take(message)
        return taking

    def whole(self) -> list[bytes]:
        return [file.name for file in self.node.files.files_of() if file.complete]


def test_groups_in_any_order(county, stores):  # noqa: F811
    """Everything comes once, in order or after what was missing; the next answer has nothing."""
    stick = Stick(county, stores("new"))
    first, second, third = stick.groups()
    early = stick.take(third)
    assert (early.taken, early.is_early, early.left, stick.whole()) == (0, True, 3, [])
    assert (stick.take(first, first, second).taken, stick.take(first, third).taken) == (2, 1)
    assert sorted(stick.whole()) == sorted(stick.names)
    assert [stick.node.files.read(name) for name in stick.names] == [stick.home.files.read(n) for n in stick.names]
    assert (stick.groups(), stick.node.files.coming()) == ([], 0)


@pytest.mark.parametrize("count", range(1, 15))
def test_cut_anywhere_the_next_stick_goes_on(county, stores, count):  # noqa: F811
    """Whatever a stick had time to bring is not brought again, chunk by chunk."""
    stick = Stick(county, stores("new"))
    messages = [message for group in stick.groups() for message in group]
    stick.take(messages[:count])
    chunks = sum(isinstance(one, Chunk) for one in messages[:count])
    again = stick.groups()
    assert sum(isinstance(one, Chunk) for group in again for one in group) == 9 - chunks
    stick.take(*again)
    assert sorted(stick.whole()) == sorted(stick.names)


def test_what_the_node_offered_itself_costs_an_offer(county, stores):  # noqa: F811
    """A node that has its photographs is not sent them; one that has lost the file of them says so, and is."""
    _, home, box, names = county
    stick = Stick(county, home)
    groups = stick.groups()
    assert [[type(one) for one in group] for group in groups] == [[Follow, Bring, Took]] * 3
    assert (stick.take(*groups).left, stick.groups()) == (0, [])
    offers = [[one for one in group if not isinstance(one, Chunk)] for group in groups]
    new = Stick(county, stores("new"))
    new.take(*offers)
    assert (new.whole(), held_of(new.node, box)) == ([], [Holds(names[0], 0)])
    new.take(*new.groups())
    assert sorted(new.whole()) == sorted(names)


def test_what_a_home_may_not_have_is_passed_over(county, stores):  # noqa: F811
    """Nothing of it is on the stick, and the number goes on behind it."""
    stick = Stick(county, stores("new"), lambda file: file.name == county[3][1])
    said = [one for group in stick.groups() for one in group]
    assert {one.offer.name for one in said if isinstance(one, Bring)} == {county[3][1]}
    assert {one.name for one in said if isinstance(one, Chunk)} == {county[3][1]}
    assert (stick.take(*stick.groups()).left, stick.whole(), stick.groups()) == (0, [county[3][1]], [])


def test_what_was_erased_at_the_home_is_not_taken(county, stores):  # noqa: F811
    """Its chunks are on the stick and stay there."""
    stick = Stick(county, stores("new"))
    groups = stick.groups()
    stick.node.erase([SUBJECT], by="w", ground="g", now_ms=NOW_MS)
    assert (stick.take(*groups).left, stick.whole(), stick.groups()) == (0, [], [])


def test_nothing_wrong_is_taken(county, stores):  # noqa: F811
    """Another shelf, chunks of nothing, a changed chunk and a forged offer are refused."""
    stick = Stick(county, stores("new"))
    group = stick.groups()[0]
    follow, bring, chunk = group[:3]
    with pytest.raises(RemoteProtocolError, match="not this home's"):
        stick.take([Follow(bytes(16), 0)])
    with pytest.raises(RemoteProtocolError, match="not brought"):
        stick.take([follow, chunk])
    with pytest.raises(VerificationError):
        stick.take([follow, bring, chunk._replace(sealed=bytes(len(chunk.sealed)))])
    with pytest.raises(VerificationError):
        stick.take([follow, bring._replace(offer=bring.offer._replace(subjects=(bytes(16),)))])
    assert (stick.take(chunk for chunk in [chunk]).left, stick.whole()) == (3, [])
