"""The reserve: really allocated, given back once, made anew when there is room."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import types
from typing import NamedTuple

import apsw
import pytest
from pyrage import x25519

from node import reserve as reserve_module
from node.exchanging import Exchanger
from node.folder import Config, Folder, Hub, create_folder
from node.opening import writing
from node.reserve import NO_ROOM, RESERVE_SIZE_BYTES, ROOM_SIZE_BYTES, USED, Reserve, shown
from site_node import cli
from sync.batch import Draft
from sync.store import Store


class Usage(NamedTuple):
    """As `shutil.disk_usage` says it."""

    total: int
    used: int
    free: int


@pytest.fixture
def home(tmp_path):
    create_folder(tmp_path / "home", Config(kind="home", name="南沟村", code="home-01"))
    return tmp_path / "home"


@pytest.fixture
def room(monkeypatch):
    """Says how much room the disk has."""
    found = types.SimpleNamespace(free=10 * ROOM_SIZE_BYTES)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, found.free))
    return found


def draft(n: int, size: int = 10) -> Draft:
    return Draft("visit/1", "li", n.to_bytes(16, "big"), n, {"note": "x" * size})


def test_a_new_folder_has_one_that_takes_real_room(home):
    """`init` allocates every block of it, so that giving it back gives room."""
    found = (home / "reserve").stat()
    assert found.st_size == RESERVE_SIZE_BYTES
    assert found.st_blocks * 512 >= RESERVE_SIZE_BYTES
    assert shown(home) == {"reserve": "kept", "disk_warning": None}


def test_it_is_given_back_once_and_said(home, capsys):
    """The first who asks gets the room and the log says so; the second gets nothing; it stays said until it is anew."""
    reserve = Reserve(home)
    assert (reserve.free(), reserve.free()) == (True, False)
    assert (home / "reserve").stat().st_blocks == 0
    assert capsys.readouterr().err == f"{home / 'reserve'}: {USED}\n"
    assert shown(home) == {"reserve": "used", "disk_warning": str(USED)}
    assert reserve.renew()
    assert "made anew" in capsys.readouterr().err
    assert shown(home) == {"reserve": "kept", "disk_warning": None}


def test_opening_for_writing_makes_it_anew(home):
    """A folder without one, with a used one, or with a sparse copy of one has it after the next opening."""
    for change in (
        (home / "reserve").unlink,
        Reserve(home).free,
        lambda: os.truncate(home / "reserve", 0) or os.truncate(home / "reserve", RESERVE_SIZE_BYTES),
    ):
        change()
        assert Reserve(home).state() != "kept"
        with writing(Folder(home, "home")):
            assert Reserve(home).state() == "kept"


def test_where_there_is_no_room_it_is_not_made(home, room):
    """It never takes the last of a disk; that there is none is said, and no opening fails for it."""
    (home / "reserve").unlink()
    room.free = ROOM_SIZE_BYTES - 1
    with writing(Folder(home, "home")):
        assert shown(home) == {"reserve": "none", "disk_warning": str(NO_ROOM)}
    assert not (home / "reserve").exists()
    Reserve(home).free()
    assert shown(home)["reserve"] == "none"


@pytest.mark.parametrize("used", [False, True])
def test_an_allocation_that_fails_leaves_what_was(home, monkeypatch, used):
    """If the disk fills up while it is made, nothing is taken, and what is said stays true."""
    reserve = Reserve(home)
    if used:
        reserve.free()
    else:
        (home / "reserve").unlink()
    before = reserve.state()

    def fail(handle, *_):
        os.truncate(handle, 1000)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fail)
    assert not reserve.renew()
    assert reserve.state() == before == ("used" if used else "none")


def test_a_serving_node_makes_it_anew(home, monkeypatch):
    """While a node serves it tries now and then."""
    monkeypatch.setattr(reserve_module, "TRY_EVERY_S", 0.01)
    reserve = Reserve(home)
    reserve.free()

    async def serve() -> None:
        task = asyncio.create_task(reserve.keep_up())
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if reserve.state() == "kept":
                break
        task.cancel()

    asyncio.run(serve())
    assert reserve.state() == "kept"


def test_a_full_disk_gives_it_to_the_work_at_hand(home, capsys):
    """What meets a full disk is saved with the reserve's room; what meets it again is refused, and nothing is lost."""
    with writing(Folder(home, "home")) as store:
        store.record([draft(0)]).result(10)

        def limit(pages: int) -> None:
            store.submit(lambda db: db.execute(f"PRAGMA max_page_count={pages}").get).result(10)

        free = store._writer._owner.make_room

        def make_room() -> bool:
            freed = free()
            if freed:
                store._writer._db.execute("PRAGMA max_page_count=1000").fetchall()
            return freed

        object.__setattr__(store._writer._owner, "make_room", make_room)
        limit(40)
        store.record([draft(n, 1000) for n in range(100)]).result(10)
        assert shown(home)["reserve"] == "used"
        assert capsys.readouterr().err.count("磁盘快满了") == 1
        limit(1)
        assert type(store.record([draft(n, 1000) for n in range(100)]).exception(10)) is apsw.FullError
        assert store.size(store.log) == 101


def test_backups_leave_it_out(home, tmp_path, capsys):
    """Nobody carries empty room about, and a restored folder makes its own."""
    county = x25519.Identity.generate()
    (tmp_path / "county.age").write_text(str(county))
    file = tmp_path / "backup.age"
    assert cli.main(["backup", str(home), str(file), "--to", str(county.to_public())]) == 0
    assert file.stat().st_size < RESERVE_SIZE_BYTES
    restored = tmp_path / "restored"
    assert cli.main(["restore", str(file), str(restored), "--identity", str(tmp_path / "county.age")]) == 0
    assert Reserve(restored).state() == "none"
    with writing(Folder(restored, "home")):
        assert Reserve(restored).state() == "kept"


def test_a_state_that_cannot_be_noted_ends_nothing(tmp_path, monkeypatch, capsys):
    """Where `exchange.json` finds no room the exchange goes on; a sentence says why the page is behind."""
    hub = Hub(url="http://127.0.0.1:9", key="11" * 32, name="n")
    create_folder(tmp_path / "home", Config(kind="home", name="n", code="home-01", hub=hub))
    folder = Folder(tmp_path / "home", "home")
    store = Store(tmp_path / "home")
    exchanger = Exchanger(folder, store, lambda: 0)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "exchange.json.new")

    monkeypatch.setattr(Folder, "save_exchange_state", full)
    exchanger._note(last_failure="x")
    store.close()
    assert "No space left" in capsys.readouterr().err
