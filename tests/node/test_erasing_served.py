"""Orders of erasure to a serving process: who reads old pages for too long, and what the follower does between."""

import asyncio
import json
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing, contextmanager
from uuid import UUID

import pytest
from aiohttp import web

from node import erasing_served, exits, opening
from node.control import Control
from node.erasing import erase
from node.erasing_served import Eraser
from node.folder import VIEWS_LOCK_FILE, Config, Folder, create_folder
from node.opening import writing
from node.service import FollowerThread
from node.views import Projection, rebuild
from site_node import cli as home_cli
from sync import erasure
from tests.by_hand import by_hand

CHILD, OTHER = UUID(int=7), UUID(int=8)
CLOCK = lambda: 1_741_392_000_000  # noqa: E731


@pytest.fixture
def home(tmp_path):
    """A home with two children."""
    create_folder(tmp_path / "home", Config(kind="home", name="南沟村", code="home-01"))
    for child, name in ((CHILD, "金丝雀小明"), (OTHER, "别人")):
        payload = json.dumps({"name": name, "registered_on": "2024-09-01", "sex": "female"})
        words = ["record", tmp_path / "home", "child-registered/1", "--subject", child, "--by", "w"]
        assert home_cli.main([str(word) for word in [*words, "--payload-json", payload]]) == 0
    return Folder(tmp_path / "home", "home")


@contextmanager
def served(folder):
    """The part of `serve` that carries out orders, listening in a thread of its own; its projection and follower."""
    with writing(folder) as store, folder.lock(VIEWS_LOCK_FILE):
        projection = Projection(store, folder.views, home_cli.homes_of(folder)(store))
        follower, owner = FollowerThread(store, projection), Control(folder.path)
        ready, over = threading.Event(), threading.Event()

        async def listen():
            app = web.Application()
            Eraser(folder, store, follower, owner, CLOCK).add_to(app)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            owner.open(f"http://127.0.0.1:{runner.addresses[0][1]}")
            follower.start()
            ready.set()
            await asyncio.to_thread(over.wait)
            await runner.cleanup()

        with ThreadPoolExecutor(1) as pool:
            listening = pool.submit(asyncio.run, listen())
            try:
                assert ready.wait(10)
                yield projection, follower
            finally:
                over.set()
                listening.result(20)
                owner.close()
                follower.stop()
                projection.close()


def names(projection) -> list[str]:
    return [row[1] for row in projection.read(lambda views: views.rows_of("child"))]


def erase_child(folder):
    return erase(folder, home_cli.homes_of(folder), [CHILD.bytes], "w", "g", CLOCK)


@pytest.mark.parametrize("file", ["log.db", "keys.db", "views.db"])
def test_a_reader_who_stays_is_named(home, monkeypatch, file):
    """The content is gone, the command says which file is still read and ends with 3; run again it finishes."""
    monkeypatch.setattr(erasure, "READERS_WAIT_S", 0.3)
    monkeypatch.setattr(erasing_served, "READERS_WAIT_S", 0.3)
    with served(home) as (projection, _):
        with closing(by_hand(home.path / file)) as other:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            with pytest.raises(exits.FailedElsewhere, match=f"{file}.*run this again") as found:
                erase_child(home)
            assert found.value.code == exits.IN_USE
            assert names(projection) == ["别人"]
            other.execute("COMMIT")
        assert erase_child(home) == {"entries": 0, "streams": 0, "photos": 0}
        assert (home.path / "log.db-wal").stat().st_size == 0
        assert (home.path / "keys.db-wal").stat().st_size == 0
        assert projection.views.query("SELECT 1 FROM mark WHERE name='traces'") == []


def test_read_models_are_written_anew_once(home, monkeypatch):
    """However often it is tried while somebody reads, the WAL holds the new file once, and not once more each time."""
    monkeypatch.setattr(erasing_served, "READERS_WAIT_S", 2.0)
    with served(home) as (_, _), closing(by_hand(home.views)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        with pytest.raises(exits.FailedElsewhere):
            erase_child(home)
        assert home.views.with_name("views.db-wal").stat().st_size < 2.5 * home.views.stat().st_size
        other.execute("COMMIT")


def test_two_orders_take_turns(home):
    """Two commands at once are both answered; the content was taken away once, and is in the ledger once."""
    with served(home), ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: erase_child(home), range(4)))
        assert sorted(one["entries"] for one in done) == [0, 0, 0, 1]
    with opening.reading(home) as store:
        assert len(erasure.entries_about(store, CHILD.bytes)) == 2


def test_a_rebuild_that_is_adopted_between(home):
    """An order that finds a rebuilt file puts it in place, erased, and the follower goes on with that."""
    with served(home) as (projection, follower):
        with opening.reading(home) as store:
            rebuild(store, home.views, home_cli.homes_of(home)(store), lambda _: None, store.position())
        assert erase_child(home)["entries"] == 1
        assert not home.views.with_name("views.db.rebuilt").exists()
        assert names(projection) == ["别人"]
        assert follower.failure is None
        with closing(by_hand(home.views)) as db:
            assert "金丝雀小明".encode() not in db.serialize("main")


def test_what_is_asked_of_a_follower_that_ended(home):
    """What the follower's thread did not come to is cancelled, before it ended or after; its errors are the asker's."""
    with served(home) as (_, follower):
        with pytest.raises(ZeroDivisionError):
            follower.between(lambda _: 1 // 0).result(5)
        assert follower.between(lambda projection: projection.position).result(5) == 2
        asked = [follower.between(lambda _: time.sleep(0.3)) for _ in range(3)]
        follower.stop()
        asked.append(follower.between(lambda _: None))
        for one in asked:
            try:
                one.result(5)
            except CancelledError:
                continue
        assert asked[-1].cancelled()
        with pytest.raises(exits.FailedElsewhere) as found:
            erase_child(home)
        assert found.value.code == exits.IN_USE
