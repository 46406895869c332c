"""Filling read models goes on where it was cut, gives what an uninterrupted filling gives, and trusts no leftover."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from node import filling as filling_module
from node import half_built
from node import projection as projection_module
from node.filling import Filling, Pace, fill
from node.following import Follower
from node.half_built import HalfBuilt
from node.projection import BUILDING_SUFFIX, rebuild
from node.views import Views
from sync import subject_ranges
from sync.cipher import MasterKey
from sync.database import create_database
from sync.log_schema import Kind
from tests.node.three_homes import Hub, closed

PACE = Pace(60, 160)
COUNT = 1400


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    made = Hub(tmp_path_factory.mktemp("hub"), count=COUNT)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def expected(hub, tmp_path_factory):
    return hub.followed(tmp_path_factory.mktemp("expected") / "followed.db")


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch):
    """As if half a million entries were 400."""
    monkeypatch.setattr(filling_module, "PACE", PACE)


def stopped(hub: Hub, path: Path, steps: int, until: int | None = None) -> Filling:
    """A filling that was asked so many times how far it is, and then no more."""
    filling = Filling(hub.store, path, hub.home_of, until or hub.store.position())
    with closing(filling.run()) as going:
        for _ in range(steps):
            next(going)
    return filling


def gone_on(hub: Hub, path: Path, until: int | None = None) -> Filling:
    """The work that is done when what is there is filled to the end."""
    filling = Filling(hub.store, path, hub.home_of, until or hub.store.position())
    for _ in filling.run():
        pass
    half_built.finish(path, hub.store.master)
    return filling


def steps_of(hub: Hub, path: Path) -> int:
    return len(list(fill(hub.store, path, hub.home_of, hub.store.position())))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.97])
def test_who_was_stopped_goes_on(hub, expected, tmp_path, share):
    """Stopped between any two steps, the next one begins with the range that was not done, and gives the same."""
    path = tmp_path / "views.db"
    first = stopped(hub, path, int(share * steps_of(hub, tmp_path / "whole.db")))
    second = gone_on(hub, path)
    assert 0 < second.resumed_from == first.kept <= first.folded
    assert second.folded + second.resumed_from == sum(1 for _ in hub.store.entries_after(0, 10**6))
    assert closed(Views(path, hub.store.master)) == expected


def test_a_kill_at_any_moment(hub, expected, tmp_path):
    """What lies on the disk between any two steps, taken as a kill would leave it, is gone on with or begun anew."""
    path, kept = tmp_path / "views.db", set()
    for number, _ in enumerate(fill(hub.store, path, hub.home_of, hub.store.position())):
        left = tmp_path / f"left-{number}"
        left.mkdir()
        for file in tmp_path.glob("views.db*"):
            shutil.copy(file, left)
    for left in sorted(tmp_path.glob("left-*"), key=lambda one: int(one.name[5:]))[1::5]:
        filling = gone_on(hub, left / "views.db")
        assert closed(Views(left / "views.db", hub.store.master)) == expected
        assert [file.name for file in left.iterdir()] == ["views.db"]
        kept.add(filling.resumed_from)
    assert 0 in kept
    assert len(kept) > 2


def test_interrupted_in_the_middle_of_writing(hub, expected, tmp_path, monkeypatch):
    """Ctrl-C between any two instructions leaves what was committed last; before the first commit, nothing."""
    path = tmp_path / "views.db"
    written = HalfBuilt.write
    for breaks_at, kept in ((1, False), (9, True)):
        count = 0

        def write(self, tables, breaks_at=breaks_at):
            nonlocal count
            count += 1
            if count == breaks_at:
                written(self, dict(list(tables.items())[:1]))
                raise KeyboardInterrupt
            return written(self, tables)

        monkeypatch.setattr(HalfBuilt, "write", write)
        filling = Filling(hub.store, path, hub.home_of, hub.store.position())
        with pytest.raises(KeyboardInterrupt):
            list(filling.run())
        assert path.exists() == kept == bool(filling.kept)
        monkeypatch.setattr(HalfBuilt, "write", written)
    assert gone_on(hub, path).resumed_from == filling.kept
    assert closed(Views(path, hub.store.master)) == expected


def test_the_log_grew_meanwhile(tmp_path, monkeypatch):
    """What came since, into earlier ranges too, is followed from the old goal; the plan is the one of before."""
    (tmp_path / "log").mkdir()
    hub = Hub(tmp_path / "log", held_back=2, count=COUNT)
    path = tmp_path / "views.db"
    first = stopped(hub, path.with_name(path.name + BUILDING_SUFFIX), 14)
    before = hub.store.position()
    hub.grow()
    now = hub.store.position()
    assert now > before + 100
    seen = []
    found = rebuild(hub.store, path, hub.home_of, seen.append, now)
    assert found.resumed_from == first.kept == seen[0] > 0
    assert found.folded < now
    assert (now, found.tables) == hub.followed(tmp_path / "followed.db")
    assert closed(Views(tmp_path / "views.db.rebuilt", hub.store.master)) == (now, found.tables)
    hub.store.close()


def test_a_plan_made_anew_would_lose_subjects(tmp_path, monkeypatch):
    """A subject of a range to come may get a stream in one that is done: that is why the plan is kept."""
    (tmp_path / "log").mkdir()
    hub = Hub(tmp_path / "log", held_back=2, count=COUNT)
    before = subject_ranges.planned(hub.store, PACE.range_count)
    hub.grow()
    after = subject_ranges.planned(hub.store, PACE.range_count)
    assert before.ranges != after.ranges
    assert before.joined != after.joined
    hub.store.close()


def test_much_came_since(hub, expected, tmp_path):
    """Where more came since than was done it begins anew: to follow takes longer than to fill."""
    path = tmp_path / "views.db"
    assert stopped(hub, path, 12, until=400).kept
    assert gone_on(hub, path).resumed_from == 0
    assert closed(Views(path, hub.store.master)) == expected
    assert stopped(hub, path, 12).kept
    assert gone_on(hub, path, until=400).resumed_from == 0  # it had gone further than is asked now


CHANGES = {
    "version": lambda patch, hub: patch.setattr(half_built, "VIEWS_VERSION", half_built.VIEWS_VERSION + 1),
    "program": lambda patch, hub: patch.setattr(half_built, "_program", lambda: b"another text"),
    "erased": lambda patch, hub: patch.setattr(half_built, "erased_subjects", lambda _: {bytes(16)}),
    "home": lambda patch, hub: patch.setattr(hub, "homes", dict.fromkeys(hub.homes, "home-09")),
    "entry": lambda patch, hub: patch.setattr(half_built.range_sql, "newest", lambda _, until: (until, b"another")),
    "branch": lambda patch, hub: patch.setattr(half_built.log_sql, "branches", changed_branches),
    "set aside": lambda patch, hub: patch.setattr(half_built.log_sql, "branches", added_branch),
}
branches = half_built.log_sql.branches


def changed_branches(db, *more):
    return [one._replace(kind=Kind.KIN if one.kind == Kind.PEER else one.kind) for one in branches(db, *more)]


def added_branch(db, *more):
    return [*branches(db, *more), branches(db)[-1]._replace(id=99, kind=Kind.LOST)]


@pytest.mark.parametrize("what", CHANGES)
def test_what_the_rows_rest_on_has_changed(hub, tmp_path, what):
    """With another version, text, home, history or erasure nothing of what was left is used."""
    path = tmp_path / "views.db"
    assert stopped(hub, path, 20).kept
    with pytest.MonkeyPatch.context() as patch:
        CHANGES[what](patch, hub)
        assert half_built.left(hub.store, path, hub.home_of, hub.store.position()) is None
    assert list(tmp_path.iterdir()) == []


def spoil_header(path, hub):
    path.write_bytes(b"garbage" * 1000)


def spoil_empty(path, hub):
    path.write_bytes(b"")


def spoil_page(path, hub):
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    path.write_bytes(data)


def spoil_length(path, hub):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil_key(path, hub):
    path.unlink()
    create_database(path, MasterKey(bytes(32)), 0x48575657, half_built.VIEWS_VERSION, "CREATE TABLE plan(x)").close()


def spoil_plan(path, hub):
    with closing(half_built._opened(path, hub.store.master)) as db:
        db.execute("UPDATE plan SET value=x'c0'")


def spoil_progress(path, hub):
    with closing(half_built._opened(path, hub.store.master)) as db:
        db.execute("DELETE FROM plan WHERE name='progress'")


def spoil_to_live(path, hub):
    """A file of read models that is whole, and has no plan."""
    half_built.remove(path)
    list(fill(hub.store, path, hub.home_of, 200))


@pytest.mark.parametrize("spoil", [spoil_header, spoil_empty, spoil_page, spoil_length, spoil_key, spoil_plan,
                                   spoil_progress, spoil_to_live])  # fmt: skip
def test_what_is_damaged_is_begun_anew(hub, expected, tmp_path, spoil):
    """Whatever stands under the name, the result is right, and nothing of it was trusted."""
    path = tmp_path / "views.db"
    assert stopped(hub, path, 24).kept
    spoil(path, hub)
    assert gone_on(hub, path).resumed_from == 0
    assert closed(Views(path, hub.store.master)) == expected
    assert [file.name for file in tmp_path.iterdir()] == ["views.db"]


def test_fresh_begins_anew(hub, expected, tmp_path):
    """Who asks for it gets every entry folded now."""
    path = tmp_path / "views.db"
    for fresh in (False, True):
        stopped(hub, tmp_path / "views.db.building", 20)
        found = rebuild(hub.store, path, hub.home_of, lambda _: None, hub.store.position(), fresh=fresh)
        assert (found.resumed_from == 0) == fresh
        assert found.tables == expected[1]


def test_stopped_while_it_compares(hub, expected, tmp_path):
    """When all is filled and followed only the comparison is left, and only that is done again."""
    path, goal = tmp_path / "views.db", hub.store.position()
    stopped(hub, tmp_path / "views.db.building", 20, until=goal - 60)
    shown = []

    def show(position):
        shown.append(position)
        if shown[-2:] == [goal, goal]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="next rebuild goes on from there"):
        rebuild(hub.store, path, hub.home_of, show, goal)
    found = rebuild(hub.store, path, hub.home_of, lambda _: None, goal)
    assert (found.resumed_from, found.folded) == (goal, 0)
    assert found.tables == expected[1]
    assert closed(Views(tmp_path / "views.db.rebuilt", hub.store.master)) == expected


def test_a_half_built_file_is_never_in_use(hub, tmp_path):
    """Under the name of the live file it is made anew, and nobody reads half of the rows."""
    path = tmp_path / "views.db"
    stopped(hub, path, 20)
    with closing(Views(path, hub.store.master)) as views:
        assert not views.is_sound()


@pytest.mark.parametrize("steps", [3, 20, 27])
def test_taken_away_while_it_is_filled(hub, expected, tmp_path, steps):
    """A rebuild whose file was removed by an erasure leaves nothing of that file, and begins anew."""
    building, removed = tmp_path / "views.db.building", []

    def show(position):
        if len(seen) == steps or (position == hub.store.position() and not removed):
            half_built.forget(building)
            removed.append(position)
            assert list(tmp_path.iterdir()) == []
        seen.append(position)

    seen = []
    found = rebuild(hub.store, tmp_path / "views.db", hub.home_of, show, hub.store.position())
    assert removed
    assert found.tables == expected[1]
    assert found.resumed_from == 0
    assert [file.name for file in tmp_path.iterdir()] == ["views.db.rebuilt"]


def test_erasures_without_end(hub, tmp_path):
    """A rebuild whose file is taken away again and again gives up in words."""

    def show(_position):
        half_built.forget(tmp_path / "views.db.building")

    with pytest.raises(projection_module.FolderInUse, match="run it again later"):
        rebuild(hub.store, tmp_path / "views.db", hub.home_of, show, hub.store.position())
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_it_is_in_clear(hub, tmp_path):
    """A half-built file and its journal are encrypted like every other."""
    path = tmp_path / "views.db"
    filling = fill(hub.store, path, hub.home_of, hub.store.position())
    names: set[bytes] = set()
    for _ in range(24):
        next(filling)
        for file in tmp_path.iterdir():
            names.add(file.name.encode())
            assert b"home-01" not in file.read_bytes()
            assert b"SQLite" not in file.read_bytes()[:16]
    filling.close()
    assert names >= {b"views.db", b"views.db-journal"}
    with closing(half_built._opened(path, hub.store.master)) as db:
        assert "home-01" in str(db.execute("SELECT * FROM child").fetchall())


def test_following_goes_on_from_a_file_that_was_gone_on_with(hub, tmp_path):
    """Its mark names the entry that stands at the goal."""
    path = tmp_path / "views.db"
    stopped(hub, path, 20, until=1000)
    assert gone_on(hub, path, until=1000).resumed_from
    with closing(Views(path, hub.store.master)) as views:
        assert views.follows(hub.store)
        for _ in Follower(hub.store, views, hub.home_of).catch_up():
            pass
        assert views.digest_at() == hub.followed(tmp_path / "followed.db")
