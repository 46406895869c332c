"""The county puts a home's files in order for its new PC."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest

from central_hub.welcoming import Needs
from domain import events as e
from tests.central_hub.town import NOW_MS, Town

HOME, OTHER = "home-01", "home-02"
DAY = dt.date(2024, 9, 1)


@pytest.fixture
def town(tmp_path):
    made = Town(tmp_path, (HOME, OTHER))
    yield made
    made.close()


def name(text: str) -> bytes:
    return text.encode().ljust(16, b".")


def register(town: Town, child: bytes, talked_on: int, home: str = HOME) -> None:
    town.record(home, child, e.ChildRegistered(name="王小雨", sex="female", registered_on=DAY))
    late = DAY + dt.timedelta(days=90)
    town.record(home, child, e.TalkHeld(on=DAY + dt.timedelta(days=talked_on)))
    town.record(home, child, e.HomeVisitRecorded(visited_on=late))
    town.record(home, child, e.FamilyContactMade(kind="call", on=late, reached=True, minutes=3))


def test_the_files_of_a_home_are_put_in_order(town):
    """Workers first, then children by need and by what is due, then other things newest first, then who left."""
    register(town, name("lately"), 80)
    register(town, name("long ago"), 3)
    register(town, name("left"), 1)
    register(town, name("in need"), 85)
    register(town, name("of another home"), 1, OTHER)
    town.record(HOME, name("in need"), e.ChildCategoryAssessed(categories=("in_difficulty",), assessed_on=DAY))
    town.record(HOME, name("left"), e.ChildDeregistered(on=DAY + dt.timedelta(days=95), reason="moved"))
    town.record(HOME, name("old loan"), e.LoanStarted(child=UUID(int=1), book="西游记", out_on=DAY))
    town.record(HOME, name("new loan"), e.LoanStarted(child=UUID(int=1), book="西游记", out_on=DAY))
    town.record(HOME, name("worker"), e.WorkerRegistered(name="李老师", code="w-01", joined_on=DAY))
    town.bring()
    needs = Needs(town.hub, town.registry, lambda: NOW_MS + 100 * 86_400_000)
    log = town.homes[HOME].log
    order = ["worker", "in need", "long ago", "lately", "new loan", "old loan", "left"]
    assert needs.in_order([log]) == [name(one) for one in order]
    town.hub.erase([name("in need")], by="li", ground="asked", now_ms=NOW_MS)
    assert needs.in_order([log]) == [name(one) for one in order if one != "in need"]
