"""Filling read models by ranges of subjects gives what following gives, row for row, and no half of a file."""

from __future__ import annotations

from contextlib import closing

import pytest

from node import filling as filling_module
from node import projection as projection_module
from node.filling import Pace, fill
from node.following import Follower
from node.half_built import HalfBuilt
from node.projection import Projection
from node.views import Views
from sync.store import Store
from sync.subject_ranges import planned, portions
from tests.node.three_homes import Hub, closed


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    made = Hub(tmp_path_factory.mktemp("hub"))
    yield made
    made.store.close()


@pytest.mark.parametrize("count_max", [1, 37, 400, 1200, 10**6])
def test_every_entry_is_in_one_range(hub, count_max):
    """Whatever the size of a range, each entry of each subject is read once, and ranges hold about so many."""
    found, sizes = [], []
    for portion in portions(hub.store, planned(hub.store, count_max), hub.store.position()):
        subjects = [one for some in portion.opened() for one in some]
        assert len({subject for subject, _ in subjects}) == len(subjects)
        found += [(subject, entry.log, entry.seq) for subject, entries in subjects for entry in entries]
        sizes.append(sum(len(entries) for _, entries in subjects))
        assert sizes[-1] <= 1.5 * count_max or len(subjects) == 1 or count_max < 400
    assert sorted(found) == sorted(
        (entry.body().subject, entry.log, entry.seq) for entry in hub.store.entries_after(0, 10**6)
    )
    assert (len(sizes) == 1) == (count_max == 10**6)


@pytest.mark.parametrize("until", [None, 1, 777, 2000])
def test_what_is_filled_is_what_is_followed(hub, tmp_path, until):
    """At any position, with any size of ranges, the tables, the sums and the mark are those of who followed so far."""
    expected = hub.followed(tmp_path / "followed.db", until)
    assert hub.filled(tmp_path / "whole.db", until) == expected
    assert hub.filled(tmp_path / "parts.db", until, pace=Pace(150, 400)) == expected


def test_following_goes_on_from_what_was_filled(hub, tmp_path):
    """Late entries of subjects that were filled are folded with what came before."""
    hub.filled(tmp_path / "views.db", 1500)
    views = Views(tmp_path / "views.db", hub.store.master)
    assert views.follows(hub.store)
    for _ in Follower(hub.store, views, hub.home_of).catch_up():
        pass
    assert closed(views) == hub.followed(tmp_path / "followed.db")


def test_an_empty_log_fills_an_empty_file(tmp_path):
    """There is nothing to read, and the file is of use."""
    Store.create(tmp_path)
    store = Store(tmp_path)
    assert list(fill(store, tmp_path / "views.db", lambda _: "home-01", store.position()))[-1] == store.position()
    closed(Views(tmp_path / "views.db", store.master))
    store.close()


def test_who_is_interrupted_leaves_no_half_of_a_range(hub, tmp_path, monkeypatch):
    """Before the first range is done, where not everything counts, and after a failure, no file is left."""
    path = tmp_path / "views.db"
    goal = hub.store.position()
    for known in ({}, {"known": lambda _entry: True}):
        filling = fill(hub.store, path, hub.home_of, goal, **known, pace=Pace(1200, 1200))
        for _ in range(2 if not known else 4):
            next(filling)
        filling.close()
        assert list(tmp_path.iterdir()) == []

    def failing(*_):
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        list(fill(hub.store, path, failing, goal))
    assert list(tmp_path.iterdir()) == []
    with closing(fill(hub.store, path, hub.home_of, goal, pace=Pace(150, 150))) as filling:
        for _ in range(20):
            next(filling)
    assert path.exists()
    monkeypatch.setattr(HalfBuilt, "write", failing)
    with pytest.raises(OSError, match="the disk"):
        list(fill(hub.store, path, hub.home_of, goal))
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_begins_with_much_fills_beside(hub, tmp_path, monkeypatch):
    """After an upgrade the live file stays whole until the filled one takes its place; a stopped node goes on."""
    monkeypatch.setattr(projection_module, "FILLED_COUNT_MIN", 100)
    monkeypatch.setattr(filling_module, "PACE", Pace(150, 400))
    filling = tmp_path / "views.db.filling"
    filling.write_bytes(b"left by another program")
    projection = Projection(hub.store, tmp_path / "views.db", hub.home_of)
    before = projection.views
    going = projection.catch_up()
    steps = [next(going) for _ in range(12)]
    assert steps[0] == 0
    assert projection.read(Views.position) == 0
    going.close()  # as when the node is stopped
    projection.close()
    assert filling.exists()
    projection = Projection(hub.store, tmp_path / "views.db", hub.home_of)
    going = projection.catch_up()
    assert 0 < next(going) <= steps[-1]
    for _ in going:
        pass
    assert projection.views is not before
    assert projection.position == hub.store.position()
    assert projection.read(Views.digest_at) == hub.followed(tmp_path / "followed.db")
    filling.write_bytes(b"left by a process that was killed")
    for _ in projection.catch_up():
        pass
    assert not filling.exists()
    projection.close()
