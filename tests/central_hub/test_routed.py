"""A hub that was upgraded sends what its new rules owe for old entries, and no more, wherever it is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from central_hub import routed, router
from central_hub.registry import Admissions
from domain import events as e
from domain import schema
from sync import outbox
from sync.store import Store
from tests.central_hub.test_router import CHILD, NEW, OLD, OTHER, day, move, register, talk
from tests.central_hub.town import NOW_MS, Town

UNKNOWN = "child-transfer-accepted/1"


@pytest.fixture
def town(tmp_path):
    """A county of three homes."""
    made = Town(tmp_path, (OLD, NEW, OTHER))
    yield made
    made.close()


@contextmanager
def earlier() -> Iterator[None]:
    """The hub is of a release that does not know that homes take children in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(schema.REGISTRY, UNKNOWN)
        patch.delitem(schema._READERS, UNKNOWN, raising=False)
        patch.setattr(router, "DECIDES", router.DECIDES - {UNKNOWN})
        patch.setattr(routed, "ROUTING_VERSION", routed.ROUTING_VERSION - 1)
        yield


def restart(town: Town) -> None:
    town.hub.close()
    town.hub = Store(town.path / "hub")
    town.registry = Admissions(town.hub, lambda: NOW_MS)
    town.router = router.Router(town.hub, town.registry, lambda: NOW_MS)


def sizes(town: Town) -> dict[str, int]:
    return {code: outbox.size_of(town.hub, town.box(code)) for code in town.homes}


@pytest.mark.parametrize("batch_count", [1, 3, 500])
def test_what_new_rules_owe_is_sent_after_an_upgrade(town, batch_count, monkeypatch):
    """A child that moved under a release that could not know it is its new home's after the upgrade, with its aid."""
    monkeypatch.setattr(router, "IDLE_COUNT_MAX", 1)
    aid = b"aid" + bytes(13)
    with earlier():
        restart(town)
        register(town)
        town.record(OLD, aid, e.AidPaid(child=UUID(bytes=CHILD), amount_fen=100, on=day(3)))
        move(town)
        town.record(NEW, CHILD, talk(20))
        town.exchange()
        assert town.followers(CHILD) == {OLD}
        assert town.rows(NEW, CHILD) != town.rows("", CHILD)
        assert routed.shown(town.hub) is None
    before = sizes(town)
    restart(town)
    assert routed.shown(town.hub) == {"at": 0, "of": town.router.position}
    while town.router._take_next(batch_count, -1):
        restart(town)  # stopped behind every batch
    assert routed.shown(town.hub) is None
    town.deliver()
    assert town.followers(CHILD) == {NEW}
    assert town.rows(NEW, CHILD) == town.rows("", CHILD)
    assert town.rows(NEW, aid) == town.rows("", aid)
    assert sizes(town)[OTHER] == before[OTHER]
    town.record(OLD, CHILD, talk(5))
    town.exchange()
    assert town.rows(NEW, CHILD) == town.rows("", CHILD)
    town.require_whole()


def test_who_lost_a_child_long_ago_is_given_nothing_of_it_again(town, monkeypatch):
    """What comes while old entries are routed again goes first; a former home is given neither it nor a photograph."""
    with earlier():
        restart(town)
        register(town, home=OTHER)
        town.exchange()
    for code, taker in ((OTHER, OLD), (OLD, NEW)):
        move(town, giver=code, taker=taker, on=10 if code == OTHER else 20)
    town.record(NEW, CHILD, talk(30, "新家的秘密"))
    picture = town.photograph(NEW, b"picture", [CHILD])
    for version in (routed.ROUTING_VERSION, routed.ROUTING_VERSION + 1):
        monkeypatch.setattr(routed, "ROUTING_VERSION", version)
        restart(town)
        town.bring()
        while town.router._take_next(1, -1):
            assert {code for code in town.homes if picture in town.brought(code)} <= {NEW}
        assert picture in town.brought(NEW)
    town.deliver()
    assert town.rows(NEW, CHILD) == town.rows("", CHILD)
    for former in (OTHER, OLD):
        assert all("秘密" not in str(entry.body()) for entry in town.homes[former].entries_of_subject(CHILD))


def test_rules_that_are_the_same_route_nothing_again(town):
    """A restart without an upgrade finds nothing owed, also where nothing that came was to be routed."""
    register(town)
    town.exchange()
    restart(town)
    assert not town.router._take_next(500, -1)
    town.record(OLD, b"another" + bytes(9), talk(5))
    town.exchange()
    restart(town)
    assert routed.shown(town.hub) is None
