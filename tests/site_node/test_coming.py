"""How far it is, in words: what has come of how much, and for how long still."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node import coming
from node.folder import ExchangeState
from tests.site_node.homes import served
from tests.sync.test_exchange import run

NOW_MS = 1_741_392_000_000


@pytest.fixture
def store(home, hub):
    """A node that has 120 entries of others."""
    home.store.submit(lambda db: db.execute("INSERT INTO branch VALUES(77, x'77', x'', 3, 120, 1)")).result(10)
    return home.store


def state(of: int, came: int = 0, seconds: float | None = None) -> ExchangeState:
    since = None if seconds is None else NOW_MS - int(seconds * 1000)
    return ExchangeState(coming_of=of, coming_from=120 - came, coming_since_ms=since)


def test_what_is_awaited_is_said_with_an_estimate(store):
    """So many of so many are here; at the rate so far the rest takes so long."""
    said = coming.shown(store, state(10_120, came=100, seconds=10), NOW_MS)
    assert (said["here"], said["of"], said["a_second"], said["left_s"]) == (120, 10_120, 10, 1000)
    assert said["words"].startswith("已取回 120 / 10,120 条，约还需 17 分钟")
    assert "约还需 10 秒" in coming.shown(store, state(220, came=100, seconds=10), NOW_MS)["words"]


def test_no_estimate_where_nothing_can_be_estimated(store):
    """At the first moment, where nothing came, and where no exchange is at it."""
    for one in (state(900, 100, 0.1), state(900, 0, 60), state(900, 100, None), state(900, 100, -60)):
        said = coming.shown(store, one, NOW_MS)
        assert (said["a_second"], said["left_s"]) == (None, None)
        assert "还需" not in said["words"]
    assert "下次联系" in coming.shown(store, state(900, 100, None), NOW_MS)["words"]


def test_nothing_is_said_where_all_is_here(store):
    """Neither before anything was awaited nor behind the last entry."""
    assert coming.shown(store, state(0), NOW_MS) is None
    assert coming.shown(store, replace(state(120, 10, 5)), NOW_MS) is None


def test_an_exchange_notes_what_there_is_and_that_it_came(homes, hub, monkeypatch):
    """While it fetches anybody can read how much there is; afterwards nothing is awaited."""
    monkeypatch.setattr(coming, "LOOK_EVERY_S", 0.01)
    old, new = homes(), homes()
    keys = {one.store.log: one.store.signer.public_key for one in (old, new)}
    hub.server._logs_of = lambda _: keys
    old.record(2000)
    noted = []

    async def work() -> None:
        async with served(hub) as url:
            await old.exchanger(url).until_receipt()
            made = new.exchanger(url)
            note = made._note
            made._note = lambda **changes: noted.append(changes) or note(**changes)
            await made.until_receipt()

    run(work())
    told = [one for one in noted if "coming_of" in one]
    assert (told[0]["coming_from"], told[0]["coming_since_ms"]) == (0, new.now_ms)
    assert max(one["coming_of"] for one in told) == 2000
    assert told[-1] == {"coming_of": 0, "coming_since_ms": None}
    assert new.folder.exchange_state().coming_of == 0
