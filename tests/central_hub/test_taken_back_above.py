"""What a county took back after a loss counts at the hub above as it does at the county."""

from __future__ import annotations

from typing import Any

import pytest

from central_hub.restoring import Restoring
from domain.views import TABLES
from node.following import Follower
from node.records import record_of
from node.views import Views
from sync import succession
from sync.batch import Draft
from sync.entry import EXT_FIRST_ID, EXT_STOOD
from tests.central_hub.test_router import CHILD, NEW
from tests.central_hub.test_taken_back import Giving
from tests.central_hub.test_tiers import NOW_MS, Office


def pass_on(town: Giving, above: Office) -> None:
    """The county's own logs and then its homes' go up, as the forwarder brings them."""
    for said in succession.introductions(town.hub):
        above.registry.admit(said)
    for log in [*town.hub.own_logs(), *(home.log for home in town.homes.values())]:
        if town.hub.holds(log) and town.hub.size(log) and above.registry.key_of(log) is not None:
            above.take(town.hub, log)


def shown_above(above: Office) -> dict[str, list[Any]]:
    """All rows about the child at the hub above, homes called as their county calls them."""
    views = Views.create(above.path / "shown.db", above.store.master)
    try:
        for _ in Follower(above.store, views, above.registry.code_of).catch_up():
            pass
        rows = {name: [row for row in views.rows_of(name) if row[0] == CHILD] for name in TABLES}
    finally:
        views.close()
        (above.path / "shown.db").unlink()
    return {name: sorted(tuple(_short(one) for one in row) for row in found) for name, found in rows.items()}


def _short(value: Any) -> Any:
    return value.replace("qingxi/", "") if isinstance(value, str) else value


def at_the_county(town: Giving) -> dict[str, list[Any]]:
    return {name: sorted(rows) for name, rows in town.rows("", CHILD).items()}


@pytest.fixture
def town(tmp_path):
    made = Giving(tmp_path)
    made.save()
    yield made
    made.close()


@pytest.fixture
def above(tmp_path, town):
    """The prefecture that this county belongs to."""
    made = Office(tmp_path, "hejian")
    made.admit("qingxi", town.hub.identity.public_key, is_hub=True)
    yield made
    made.store.close()


@pytest.mark.parametrize("goes_up", [False, True], ids=["it never went up", "it had gone up"])
def test_what_was_taken_back_counts_above_as_at_the_county(town, above, goes_up):
    """A home built on a correction that the county forgot and took back: both tiers show one thing, and no conflict."""
    town.correct("", "王大雨")
    town.exchange()
    if goes_up:
        pass_on(town, above)
    town.correct(NEW, "王小玉")
    town.exchange()
    town.lose()
    town.exchange()
    town.give_back()
    town.exchange()
    pass_on(town, above)
    assert at_the_county(town)["conflict"] == []
    assert shown_above(above) == at_the_county(town)
    town.correct("", "王晓玉")
    pass_on(town, above)
    assert "王晓玉" in str(shown_above(above)["child"])
    assert shown_above(above) == at_the_county(town)


def test_what_was_set_aside_counts_above_as_at_the_county(town, above):
    """The county wrote where homes hold its word: both count at both tiers, as a conflict."""
    town.correct("", "王大雨")
    town.exchange()
    town.put_back()
    town.correct("", "王晓雨")
    pass_on(town, above)
    town.route()
    town.restoring.answer(town.homes[NEW].log, town.outbox_of(NEW))
    town.give_back()
    town.exchange()
    pass_on(town, above)
    assert len(at_the_county(town)["conflict"]) == 2
    assert shown_above(above) == at_the_county(town)


def test_no_county_speaks_from_anothers_place(town, above):
    """A county that says that its entry stood in a log of somebody else's is taken to have written it where it is."""
    home = town.homes[NEW]
    town.exchange()
    pass_on(town, above)
    mine = next(entry for entry in home.entries_of_log(home.log))
    body = mine.body()
    again = {EXT_FIRST_ID: mine.id, EXT_STOOD: [home.log, mine.seq, mine.id, body.lamport]}
    town.hub.record([Draft(body.type, "li", CHILD, NOW_MS, body.payload, {}, again)]).result()
    pass_on(town, above)
    code_of = above.registry.code_of
    found = [record_of(entry, entry.body(), code_of) for entry in above.store.entries_of_subject(CHILD)]
    assert [one.log for one in found if one.home == "qingxi/"] == [town.hub.log]
    assert isinstance(town.restoring, Restoring)
