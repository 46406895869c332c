"""Epochs: which one a hub is in, that none is ever begun twice, and what its own logs keep when the next one begins."""

from __future__ import annotations

import pytest

from sync import epoch, outbox_sql
from sync.note import Signer
from sync.outbox import open_outbox, outbox_id
from sync.succession import changes

NOW_MS = 1_741_392_000_000


@pytest.fixture
def hub(stores, draft, monkeypatch):
    """A county that has written five entries; what its epochs leap by is one, so that a number can be foreseen."""
    monkeypatch.setattr(epoch, "LEAP", 1)
    made = stores("hub")
    made.record([draft(n) for n in range(5)]).result(10)
    return made


def open_box(hub, home: str, number: int, key: bytes | None = None) -> None:
    """An outbox of an epoch, under the hub's key or under another one, as a home's copy of it is."""

    def work(db):
        if key is None:
            return open_outbox(hub, db, home, number)
        return outbox_sql.add_outbox(db, outbox_id(key, home, number), key, home, number)

    hub.submit(work).result(10)


def test_a_county_is_in_its_first_epoch_until_it_begins_another(stores, hub):
    """The number stands in the log: whatever else is recorded, and whoever opens the folder, reads the same one."""
    assert (epoch.current(stores("new")), epoch.current(hub)) == (1, 1)
    assert epoch.open_next(hub, "restored", NOW_MS) == 2
    assert epoch.current(hub) == 2
    hub.close()
    again = stores("hub")
    assert epoch.current(again) == 2
    assert epoch.open_next(again, "restored", NOW_MS) == 3


def test_a_new_log_without_an_epoch_is_in_the_first_one(hub):
    """A log may go on in another one for other reasons: then nothing says a number."""
    hub.succeed(5, "forked", NOW_MS)
    assert epoch.current(hub) == 1


def test_a_log_whose_beginning_was_erased_is_in_the_first_epoch(stores, draft):
    """Where the first entry has no content any more, it says no number."""
    node = stores()
    node.record([draft(1)]).result(10)
    node.erase([draft(1).subject], by="li", ground="asked", now_ms=NOW_MS)
    assert epoch.current(node) == 1


def test_it_is_greater_than_any_that_is_known_or_was_shown(hub):
    """Own outboxes of any epoch and what others have seen count; a welcome, or another hub's outbox, has its own."""
    open_box(hub, "home-01", 7)
    open_box(hub, "home-02", 4)
    open_box(hub, "home-01 abcd", 90)
    open_box(hub, "county", 80, Signer("homeward/other", b"O" * 32).public_key)
    assert epoch.open_next(hub, "restored", NOW_MS) == 8
    assert epoch.open_next(hub, "restored", NOW_MS, shown=20) == 21
    assert epoch.open_next(hub, "restored", NOW_MS, shown=20) == 22


def test_two_lives_from_one_backup_do_not_meet(stores, monkeypatch):
    """The number leaps at random, by at least one and at most the leap."""
    drawn = []
    monkeypatch.setattr(epoch.secrets, "randbelow", lambda below: drawn.append(below) or below - 1)
    assert epoch.open_next(stores(), "restored", NOW_MS) == 1 + epoch.LEAP
    assert drawn == [epoch.LEAP]


def test_the_log_goes_on_whole_if_nothing_else_is_said(hub):
    """All entries stay where they are, and the new log says why, when and what besides."""
    old = hub.log
    epoch.open_next(hub, "restored", NOW_MS, notes={"by": "li"})
    assert hub.log != old
    (change,) = changes(hub)
    assert change[1:] == (old, hub.log, 5, "restored", 0, NOW_MS, 2)
    assert hub.first_entry(hub.log).body().payload["by"] == "li"
    assert [entry.seq for entry in hub.entries_of_log(old)] == [1, 2, 3, 4, 5]


def test_what_others_have_never_seen_is_recorded_again(hub, draft):
    """Of each own log as much stays as is kept; an older one is cut too."""
    first = hub.log
    epoch.open_next(hub, "restored", NOW_MS)
    second = hub.log
    hub.record([draft(7), draft(8)]).result(10)
    assert epoch.open_next(hub, "restored", NOW_MS, keep={first: 4, second: 2}) == 3
    sizes = {branch.log: branch.size for branch in hub.branches() if not branch.lost}
    assert sizes[first] == 4
    assert sizes[second] == 2
    assert {(one.old, one.size, one.again, one.epoch) for one in changes(hub)} == {
        (first, 5, 0, 2), (second, 2, 1, 3), (first, 4, 1, 0),
    }  # fmt: skip
