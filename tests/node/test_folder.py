"""Data folders: made whole or not at all, one writer at a time, small files never half."""

import json
import os
import stat

import pytest

from node import control, folder
from node.folder import Config, ExchangeState, Folder, Hub, create_folder, write_file
from node.opening import writing
from sync.errors import FolderError, FolderInUse, LogCorrupt, NewerFormat
from sync.store import Store

HOME = Config(kind="home", name="南沟村", code="home-01")


@pytest.fixture
def made(tmp_path):
    """A home's folder."""
    create_folder(tmp_path / "home", HOME)
    return tmp_path / "home"


def test_what_was_made_opens(made):
    """A new folder opens with the configuration it was given, and with its log."""
    found = Folder(made, "home")
    assert found.config == HOME
    store = Store(made)
    assert (store.position(), len(store.log)) == (0, 16)
    store.close()


@pytest.mark.parametrize("at", ["create", "write_file", "rename"])
def test_a_power_cut_leaves_none_of_it(tmp_path, monkeypatch, at):
    """If making a folder fails anywhere, its name is still free, and the next attempt succeeds."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        match at:
            case "create":
                patch.setattr(Store, "create", fail)
            case "write_file":
                patch.setattr(folder, "write_file", fail)
            case "rename":
                patch.setattr("pathlib.Path.rename", fail)
        with pytest.raises(FolderError, match="No space"):
            create_folder(tmp_path / "home", HOME)
    assert list(tmp_path.iterdir()) == []
    create_folder(tmp_path / "home", HOME)


def test_a_killed_attempt_does_not_hinder_the_next(tmp_path):
    """What a killed `init` left beside its place is no folder, and is in nobody's way."""
    (tmp_path / f"home.making-{os.getpid()}").mkdir()
    (tmp_path / f"home.making-{os.getpid()}" / "log.db").write_text("half")
    create_folder(tmp_path / "home", HOME)
    assert [file.name for file in tmp_path.iterdir()] == ["home"]


def test_a_small_file_is_the_old_or_the_new_one(tmp_path, monkeypatch):
    """A write that fails before the end leaves the old content."""
    file = tmp_path / "file"
    write_file(file, "old 旧")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "I/O error")))
        with pytest.raises(OSError, match="I/O"):
            write_file(file, "new")
    assert file.read_text("utf-8") == "old 旧"
    write_file(file, "new\n")
    assert file.read_bytes() == b"new\n"


def test_a_changed_configuration_is_kept(made):
    """What `save_config` changed is there when the folder is opened again."""
    hub = Hub(url="http://127.0.0.1:8100", key="00" * 32, name="清溪县")
    Folder(made, "home").save_config(hub=hub)
    assert Folder(made, "home").config.hub == hub


def test_one_writer_at_a_time(made):
    """The second who asks for the lock is told at once; afterwards it is free, and locks do not mix."""
    first, second = Folder(made, "home"), Folder(made, "home")
    with first.lock():
        with pytest.raises(FolderInUse, match="in use"), second.lock():
            pass
        with second.lock(folder.VIEWS_LOCK_FILE):
            pass
    with second.lock():
        pass


def test_the_lock_is_given_back_by_whoever_fails(made):
    """An error inside the block frees the folder."""
    with pytest.raises(ZeroDivisionError), Folder(made, "home").lock():
        raise ZeroDivisionError
    with Folder(made, "home").lock():
        pass


@pytest.mark.parametrize(("content", "kind"), [("{", LogCorrupt), ("[]", LogCorrupt), ("{}", LogCorrupt),
                                               (json.dumps({"format": 2}), NewerFormat)])  # fmt: skip
def test_a_configuration_of_no_use(made, content, kind):
    """Damaged is one thing, newer another."""
    (made / "config.json").write_text(content)
    with pytest.raises(kind, match=r"config\.json"):
        Folder(made, "home")


def test_how_exchanges_went_may_be_lost(made):
    """exchange.json is a note for people: unreadable or of another version, it begins again."""
    found = Folder(made, "home")
    state = ExchangeState(last_exchange_ms=5, clock_offset_s=-3, exchanges=2, retries=1, last_failure="无人应答")
    found.save_exchange_state(state)
    assert found.exchange_state() == state
    for text in ("", "[1]", '{"colour": "red"}', "\0"):
        (made / "exchange.json").write_text(text)
        assert found.exchange_state() == ExchangeState()


def test_the_control_file_is_for_the_owner(made):
    """The token of a running node is readable by the owner only, and goes when the node does."""
    file, tokens = made / control.CONTROL_FILE, set()
    for _ in range(2):
        serving = control.Control(made)
        serving.open("http://127.0.0.1:1")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        tokens.add(json.loads(file.read_text())["token"])
    assert len(tokens) == 2
    serving.close()
    serving.close()
    assert not file.exists()


def test_a_control_file_of_the_dead_is_removed(made):
    """Whoever opens the folder for writing knows that nobody serves, and removes what a killed process left."""
    control.Control(made).open("http://127.0.0.1:1")
    with writing(Folder(made, "home")):
        assert not (made / control.CONTROL_FILE).exists()


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"url": "http://127.0.0.1:9", "token": "t"}'])
def test_asking_a_node_that_does_not_answer(made, content):
    """Whatever the control file says, without an answer the folder is simply in use."""
    if content is not None:
        (made / control.CONTROL_FILE).write_text(content)
    with pytest.raises(FolderInUse, match="in use"):
        control.ask(made, "invite", {})
