"""Filling read models by ranges of subjects gives what following gives, row for row, and no half of a file."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from node import projection as projection_module
from node.filling import fill
from node.following import Follower
from node.importing import Importer
from node.projection import Projection
from node.views import Views
from sync.batch import Draft
from sync.outgoing import push_of
from sync.replicator import Append, Receiver
from sync.store import Store
from sync.subject_ranges import portions

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "sample" / "facts.jsonl.xz"
LINES = lzma.decompress(SAMPLE.read_bytes()).decode().splitlines()[:3500]
AT_MS = 1_725_148_800_000
HOMES = ("home-01", "home-02", "home-03")


class Hub:
    """What three homes, between which children moved, pushed by turns."""

    def __init__(self, folder: Path) -> None:
        (folder / "facts.jsonl").write_text("\n".join(LINES) + "\n", encoding="utf-8")
        (folder / "hub").mkdir()
        Store.create(folder / "hub")
        self.store = Store(folder / "hub")
        self.homes: dict[bytes, str] = {}
        waiting = [self._pushed(folder, code) for code in HOMES]
        while any(waiting):
            for pushes in waiting:
                if pushes:
                    pushes.pop(0)()

    def _pushed(self, folder: Path, code: str) -> list:
        (folder / code).mkdir()
        Store.create(folder / code)
        store = Store(folder / code)
        Importer(store, store, code, lambda: AT_MS, all_sites=False).run(folder / "facts.jsonl", lambda _: None)
        store.record([Draft("moon-visited/1", "w", code.encode().ljust(16), 1, {"n": 1})]).result()
        key, log = store.signer.public_key, store.log
        self.homes[log] = code
        self.store.add_log(log, key).result()
        receiver = Receiver(log, key, self.store.frontier(log, 0), 0, lambda _: None)
        pushes = [push_of(store, start, 90) for start in range(0, store.size(log), 90)]
        store.close()

        def take(push):
            for effect in receiver.receive(push, 0):
                if isinstance(effect, Append):
                    self.store.append(effect.batch).result()

        return [lambda push=push: take(push) for push in pushes]

    def home_of(self, log: bytes) -> str:
        return self.homes.get(log, "")

    def followed(self, path: Path, until: int | None = None) -> tuple[int, dict[str, str]]:
        views = Views.create(path, self.store.master)
        for _ in Follower(self.store, views, self.home_of).catch_up(until):
            pass
        return closed(views)

    def filled(self, path: Path, until: int | None = None, **more) -> tuple[int, dict[str, str]]:
        goal = self.store.position() if until is None else until
        assert list(fill(self.store, path, self.home_of, goal, **more))[-1] == goal
        return closed(Views(path, self.store.master))


def closed(views: Views) -> tuple[int, dict[str, str]]:
    found = views.digest_at()
    views.close()
    return found


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    made = Hub(tmp_path_factory.mktemp("hub"))
    yield made
    made.store.close()


@pytest.mark.parametrize("count_max", [1, 37, 400, 1200, 10**6])
def test_every_entry_is_in_one_range(hub, count_max):
    """Whatever the size of a range, each entry of each subject is read once, and ranges hold about so many."""
    found, sizes = [], []
    for portion in portions(hub.store, hub.store.position(), count_max):
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
    assert hub.filled(tmp_path / "parts.db", until, count_max=150) == expected


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


def test_who_is_interrupted_leaves_no_file(hub, tmp_path):
    """Neither one that stops asking nor a failure leaves rows behind, which might be of somebody to be erased."""
    filling = fill(hub.store, tmp_path / "views.db", hub.home_of, hub.store.position(), count_max=150)
    for _ in range(20):
        next(filling)
    filling.close()
    assert list(tmp_path.iterdir()) == []

    def failing(_log):
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        list(fill(hub.store, tmp_path / "views.db", failing, hub.store.position()))
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_begins_with_much_fills_beside(hub, tmp_path, monkeypatch):
    """After an upgrade the live file stays whole until the filled one takes its place; who reads goes over to it."""
    monkeypatch.setattr(projection_module, "FILLED_COUNT_MIN", 100)
    (tmp_path / "views.db.filling").write_bytes(b"left by a process that was killed")
    projection = Projection(hub.store, tmp_path / "views.db", hub.home_of)
    assert not (tmp_path / "views.db.filling").exists()
    before = projection.views
    going = projection.catch_up()
    next(going)
    assert (tmp_path / "views.db.filling").exists()
    assert projection.read(Views.position) == 0
    going.close()  # as when the node is stopped
    assert not (tmp_path / "views.db.filling").exists()
    for _ in projection.catch_up():
        pass
    assert projection.views is not before
    assert projection.position == hub.store.position()
    assert projection.read(Views.digest_at) == hub.followed(tmp_path / "followed.db")
    projection.close()
