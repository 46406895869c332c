"""Read models: whatever the batches, cuts and late entries, the live ones are what a rebuild gives."""

import gc
import lzma
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.views import TABLES, VIEWS_VERSION
from node import following, service
from node import projection as projection_module
from node import views as views_module
from node.following import Follower
from node.importing import Importer
from node.projection import Projection, rebuild
from node.views import Views
from sync.batch import Draft
from sync.outgoing import push_of
from sync.replicator import Append, Receiver
from sync.store import Store

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "sample" / "facts.jsonl.xz"
LINES = lzma.decompress(SAMPLE.read_bytes()).decode().splitlines()


def home_of(_log):
    return "home-01"


def no_progress(_done):
    pass


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A log of facts of all homes, corrections and moves among them, with an unknown type, read by all tests."""
    folder = tmp_path_factory.mktemp("log")
    Store.create(folder)
    opened = Store(folder)
    (folder / "facts.jsonl").write_text("\n".join(LINES[:700]) + "\n", encoding="utf-8")
    Importer(opened, opened, "home-01", lambda: 1_725_148_800_000, all_sites=True).run(
        folder / "facts.jsonl", no_progress
    )
    opened.record([Draft("moon-visited/1", "w", bytes(16), 1, {"n": 1})]).result()
    opened.record([Draft("moon-visited/1", "w", bytes(16), 1, [1, 2])]).result()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def expected(store, tmp_path_factory):
    """What one pass over the whole log gives."""
    views = Views.create(tmp_path_factory.mktemp("views") / "views.db", store.master)
    for _ in Follower(store, views, home_of).catch_up():
        pass
    found = views.digest()
    views.close()
    return found


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8), st.booleans())
@settings(max_examples=12)
def test_any_batches_give_the_same(store, expected, tmp_path_factory, sizes, forgetful):
    """Split anywhere, with or without what was remembered from the last batch, following gives what one pass gives."""
    views = Views.create(tmp_path_factory.mktemp("views") / "views.db", store.master)
    follower, at = Follower(store, views, home_of), 0
    for size in [*sizes, 10_000]:
        at = min(at + size, store.position())
        if forgetful:
            follower = Follower(store, views, home_of)
        for _ in follower.catch_up(at):
            pass
        assert views.position() == at
    assert views.digest() == expected
    views.close()


def test_what_is_forgotten_is_read_again_and_what_is_new_is_not(pushes, tmp_path, monkeypatch):
    """A follower that remembers few entries gives the same, keeps to its bound, and looks only for what it forgot."""
    order = [(log, push) for log, (_, _, portions) in pushes.items() for push in portions]
    for name in ("all", "few"):
        (tmp_path / name).mkdir()
    expected = received(tmp_path / "all", pushes, order, follow=True)
    looked, met, held = [], set(), []
    real_recall, real_look, real_take = Follower._recall, Follower._fold_again, Follower.take

    def recall(self, subject, until):
        before = len(looked)
        found = real_recall(self, subject, until)
        assert len(looked) == before or subject in met
        return found

    def look(self, subject, until):
        looked.append(subject)
        return real_look(self, subject, until)

    def take(self, entries):
        real_take(self, entries)
        met.update(body.subject for entry in entries if (body := entry.body()))
        held.append(sum(len(one.folding.taken()) for one in self._remembered.values()))

    monkeypatch.setattr(following, "ENTRIES_REMEMBERED_MAX", 500)
    monkeypatch.setattr(Follower, "_recall", recall)
    monkeypatch.setattr(Follower, "_fold_again", look)
    monkeypatch.setattr(Follower, "take", take)
    assert received(tmp_path / "few", pushes, order, follow=True) == expected
    assert looked
    assert max(held) <= 500


def test_pages_wait_for_room(store, expected, tmp_path, monkeypatch, capsys):
    """A follower that meets a full disk says so once, waits, and ends up where it would have been."""
    monkeypatch.setattr(service, "FULL_PAUSE_S", 0.05)
    projection = Projection(store, tmp_path / "views.db", home_of)
    projection.views._db.execute("PRAGMA max_page_count=40").fetchall()
    follower = service.FollowerThread(store, projection)
    follower.start()
    follower.wait_for_first_look(10)
    time.sleep(0.3)
    assert projection.position < store.position()
    assert projection.views.position() == projection.position
    projection.views._db.execute("PRAGMA max_page_count=100000").fetchall()
    for _ in range(1000):
        if projection.position == store.position():
            break
        time.sleep(0.01)
    follower.stop()
    assert follower.failure is None
    assert projection.views.digest() == expected
    projection.close()
    assert capsys.readouterr().err.count("until there is room") == 1


def test_a_cut_between_rows_and_mark_leaves_neither(store, expected, tmp_path, monkeypatch):
    """A batch whose writing fails leaves the position before; a new follower goes on and ends up the same."""
    views = Views.create(tmp_path / "views.db", store.master)
    for _ in Follower(store, views, home_of).catch_up(200):
        pass
    before = views.digest_at()

    real = views_module.Views.replace

    def cut(self, position, changes, **_):
        def torn():
            yield from list(fresh)[:3]
            raise OSError("power cut")

        fresh, changes.fresh = changes.fresh, torn()
        return real(self, position, changes)

    with monkeypatch.context() as patch:
        patch.setattr(views_module.Views, "replace", cut)
        with pytest.raises(OSError, match="power cut"):
            for _ in Follower(store, views, home_of).catch_up():
                pass
    assert views.digest_at() == before
    views.close()
    views = Views(tmp_path / "views.db", store.master)
    for _ in Follower(store, views, home_of).catch_up():
        pass
    assert views.digest() == expected
    views.close()


def test_a_rebuild_is_adopted(store, expected, tmp_path):
    """A finished rebuild takes the live file's place; readers go over to it, and following goes on from its mark."""
    projection = Projection(store, tmp_path / "views.db", home_of)
    for _ in projection.catch_up():
        pass
    assert not projection.adopt()
    old = projection.views
    assert rebuild(store, tmp_path / "views.db", home_of, no_progress, 300).tables != expected
    for _ in projection.catch_up():
        pass
    assert projection.views is not old
    assert projection.position == store.position()
    assert projection.read(Views.digest) == expected
    projection.close()


def test_following_makes_no_cycles(store, tmp_path):
    """Nothing that is read, folded or written waits for the garbage collector, so a rebuild may do without it."""
    gc.collect()
    gc.disable()
    try:
        views = Views.create(tmp_path / "views.db", store.master)
        for _ in Follower(store, views, home_of).catch_up(batch_count=100):
            pass
        views.close()
        del views
        assert gc.collect() < 10  # with a circle in every fold, or in every entry, it would be hundreds
    finally:
        gc.enable()


def test_a_rebuild_that_was_cut_is_begun_anew(store, expected, tmp_path):
    """A half-built file is never adopted, and does not hinder the next rebuild."""
    half = Views.create(tmp_path / "views.db.building", store.master)
    next(Follower(store, half, home_of).catch_up(100))
    half.close()
    projection = Projection(store, tmp_path / "views.db", home_of)
    assert not projection.adopt()
    assert rebuild(store, tmp_path / "views.db", home_of, no_progress, store.position()).tables == expected
    assert projection.adopt()
    projection.close()


@pytest.mark.parametrize("how", ["version", "ahead", "table", "garbage"])
def test_a_file_of_no_use_is_made_anew(store, expected, tmp_path, how):
    """Read models of another version, of another log, without a table or of no database at all are replaced."""
    path = tmp_path / "views.db"
    views = Views.create(path, store.master)
    db = views._db
    match how:
        case "version":
            db.execute(f"PRAGMA user_version={VIEWS_VERSION + 1}")
        case "ahead":
            db.execute("UPDATE mark SET value=1000000")
        case "table":
            db.execute("DROP TABLE child")
    views.close()
    if how == "garbage":
        path.write_bytes(b"garbage" * 1000)
    projection = Projection(store, path, home_of)
    for _ in projection.catch_up():
        pass
    assert projection.read(Views.digest) == expected
    projection.close()


def test_a_log_that_was_put_back_and_has_grown_makes_its_read_models_anew(tmp_path):
    """An older `log.db` beside newer read models: what only they knew is gone, also once the log is as long again."""
    folder, kept, path = tmp_path / "home", tmp_path / "kept", tmp_path / "home" / "views.db"
    folder.mkdir()
    Store.create(folder)
    shutil.copytree(folder, kept)

    def shown(subjects):
        opened = Store(folder)
        opened.record([Draft("moon-visited/1", "w", bytes(15) + bytes([n]), 1, {}) for n in subjects]).result()
        projection = Projection(opened, path, home_of)
        for _ in projection.catch_up():
            pass
        found = {row[0][-1] for row in projection.views.rows_of("unknown_entry")}
        projection.close()
        opened.close()
        return found

    assert shown([1, 2]) == {1, 2}
    assert shown([3]) == {1, 2, 3}
    for name in ("log.db", "keys.db"):
        (folder / f"{name}-wal").unlink(missing_ok=True)
        shutil.copy(kept / name, folder)
    assert shown([4, 5, 6, 7]) == {4, 5, 6, 7}


def test_a_reading_that_a_swap_disturbs_is_made_again(store, expected, tmp_path):
    """Whoever reads while the file is swapped gets an answer from the new one; a real error is still raised."""
    projection = Projection(store, tmp_path / "views.db", home_of)
    for _ in projection.catch_up():
        pass
    tries = []

    def work(views):
        tries.append(views)
        if len(tries) == 1:
            rebuild(store, tmp_path / "views.db", home_of, no_progress, store.position())
            projection.adopt()
            raise projection_module.SyncError("the file is gone")
        return views.digest()

    assert projection.read(work) == expected
    assert len(tries) == 2
    with pytest.raises(projection_module.apsw.SQLError):
        projection.read(lambda views: views.query("SELECT nothing FROM nowhere"))
    projection.close()


def test_unknown_types_are_counted_and_shown(store, tmp_path):
    """Entries of a type that this version does not know have rows of their own, whatever their payload."""
    views = Views.create(tmp_path / "views.db", store.master)
    for _ in Follower(store, views, home_of).catch_up():
        pass
    rows = views.rows_of("unknown_entry")
    assert [row[2] for row in rows] == ["moon-visited/1"] * 2
    assert len(rows[0]) == len(TABLES["unknown_entry"].columns)
    views.close()


@pytest.fixture(scope="module")
def pushes(tmp_path_factory):
    """What three homes, between which children moved, push to a hub, in portions: {log: (public key, pushes)}."""
    found = {}
    for code in ("home-01", "home-02", "home-03"):
        folder = tmp_path_factory.mktemp(code)
        Store.create(folder)
        store = Store(folder)
        (folder / "facts.jsonl").write_text("\n".join(LINES[:3500]) + "\n", encoding="utf-8")
        Importer(store, store, code, lambda: 1_725_148_800_000, all_sites=False).run(
            folder / "facts.jsonl", no_progress
        )
        starts = range(0, store.size(store.log), 150)
        found[store.log] = (code, store.signer.public_key, [push_of(store, start, 150) for start in starts])
        store.close()
    return found


def received(folder, pushes, order, follow):
    """A hub that got the homes' portions in some order, following as they came or only at the end; its digest."""
    Store.create(folder)
    hub, receivers = Store(folder), {}
    for log, (_, public_key, _) in pushes.items():
        hub.add_log(log, public_key).result()
        receivers[log] = Receiver(log, public_key, hub.frontier(log, 0), 0, lambda _: None)
    views = Views.create(folder / "views.db", hub.master)
    follower = Follower(hub, views, lambda log: pushes[log][0])
    for log, push in order:
        for effect in receivers[log].receive(push, 0):
            if isinstance(effect, Append):
                hub.append(effect.batch).result()
        if follow:
            for _ in follower.catch_up():
                pass
    for _ in follower.catch_up():
        pass
    digest = views.digest()
    views.close()
    hub.close()
    return digest


@given(st.randoms(use_true_random=False))
@settings(max_examples=4)
def test_late_entries_of_other_homes(pushes, tmp_path_factory, dice):
    """Whichever home is heard first, also when a child's former home is heard last, all orders give the same tables."""
    waiting = {log: list(portions) for log, (_, _, portions) in pushes.items()}
    mixed = []
    while any(waiting.values()):
        log = dice.choice([log for log, portions in waiting.items() if portions])
        mixed.append((log, waiting[log].pop(0)))
    one_by_one = [(log, push) for log, (_, _, portions) in reversed(pushes.items()) for push in portions]
    live = received(tmp_path_factory.mktemp("live"), pushes, mixed, follow=True)
    assert received(tmp_path_factory.mktemp("late"), pushes, one_by_one, follow=False) == live


@pytest.mark.parametrize("keep", [0, 250, 600, 702])
@pytest.mark.parametrize("is_live", [True, False])
def test_what_is_recorded_again_shows_what_it_showed(store, expected, tmp_path, keep, is_live):
    """A node that went on in a new log shows what one that never had to does, live and rebuilt, row for row."""
    folder = Path(shutil.copytree(store.folder, tmp_path / "copy"))
    copy = Store(folder)
    projection = Projection(copy, tmp_path / "views.db", home_of)
    if is_live:
        for _ in projection.catch_up():
            pass
    copy.succeed(keep, "forked", 1_725_148_800_000)
    for _ in projection.catch_up():
        pass
    assert projection.views.digest() == expected
    assert rebuild(copy, tmp_path / "views.db", home_of, no_progress, copy.position()).tables == expected
    projection.close()
    copy.close()


def test_a_view_made_before_the_change_is_brought_in_line(store, expected, tmp_path):
    """A follower that starts with the rows of the set-aside entries, and remembers nothing of them, corrects them."""
    folder = Path(shutil.copytree(store.folder, tmp_path / "copy"))
    copy = Store(folder)
    views = Views.create(tmp_path / "views.db", copy.master)
    for _ in Follower(copy, views, home_of).catch_up():
        pass
    copy.succeed(100, "forked", 1_725_148_800_000)
    for _ in Follower(copy, views, home_of).catch_up(batch_count=7):
        pass
    assert views.digest() == expected
    views.close()
    copy.close()
