"""Re-keying: afterwards nothing is under the old key; a cut at any moment leaves a folder that opens and goes on."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from sync import rekey as rekey_module
from sync.cipher import KEY_SIZE, MasterKey, connect, mark_of, raw_key
from sync.errors import FolderError, FolderInUse, LogCorrupt
from sync.rekey import finish, rekey
from sync.slots import Slots, unlock
from sync.store import Store
from sync.stored_log import APPLICATION_IDS, StoredLog

ROOT = Path(__file__).resolve().parents[2]
COUNT = 300
PICTURE = random.Random(1).randbytes(40_000)


@pytest.fixture
def folder(stores, draft):
    """A closed store with some hundred entries and a photograph."""
    node = stores()
    node.record([draft(n % 7) for n in range(COUNT)]).result(10)
    node.files.add(node.log, PICTURE, "image/jpeg", [bytes(16)], 0)
    node.close()
    return node.folder


def again(folder: Path) -> MasterKey:
    return rekey(folder, unlock(folder), lambda: "", APPLICATION_IDS, lambda _: None)


def finished(folder: Path) -> None:
    """What whoever holds the lock next does."""
    if Slots(folder).is_rekeying:
        finish(folder, unlock(folder), APPLICATION_IDS, lambda _: None)


def whole(folder: Path, sizes_of, master: MasterKey | None = None) -> bytes:
    """Everything is there and right; the log's id."""
    with closing(Store(folder, master)) as node:
        assert list(sizes_of(node).values()) == [COUNT]
        assert [node.files.content(file) for file in node.files.files_of()] == [PICTURE]
        return node.log


def marks(folder: Path, master: MasterKey) -> list[bool]:
    """Which files are under a master key."""
    return [mark_of(folder / n) == raw_key(master.current, i)[KEY_SIZE:] for n, i in APPLICATION_IDS.items()]


def test_everything_is_under_the_new_key(folder, sizes_of):
    """Every file opens with the new key, none with the old one, and nothing of the work is left."""
    old = unlock(folder)
    names = {file.name for file in folder.iterdir()}
    fresh = again(folder)
    assert unlock(folder) == fresh != old
    assert marks(folder, fresh) == [True] * 3
    assert {file.name for file in folder.iterdir()} == names
    for name, kind in APPLICATION_IDS.items():
        with pytest.raises(LogCorrupt):
            connect(folder / name, old, kind)
    whole(folder, sizes_of)
    with pytest.raises(LogCorrupt, match=r"log\.db"):
        Store(folder, old)


def test_the_old_key_file_opens_nothing_any_more(folder):
    """Whoever copied the key file before has nothing to open the new files with."""
    key_file = (folder / "node.key").read_text()
    again(folder)
    assert key_file.strip() not in (folder / "node.key").read_text()


def test_a_reader_keeps_it_from_beginning_a_file(folder, sizes_of):
    """While another process reads, a file is not exchanged below it; afterwards the work goes on to its end."""
    old = unlock(folder)
    patience, rekey_module.connect = rekey_module.connect, hasty
    try:
        with closing(StoredLog(folder)) as reader:
            reader.position()
            with pytest.raises(FolderInUse, match="read by another"):
                again(folder)
            assert reader.position() == COUNT
            with closing(StoredLog(folder)) as beside:  # both keys are known meanwhile
                assert beside.position() == COUNT
    finally:
        rekey_module.connect = patience
    assert marks(folder, old) == [True] * 3
    finished(folder)
    assert marks(folder, unlock(folder)) == [True] * 3
    assert not Slots(folder).is_rekeying
    whole(folder, sizes_of)


def hasty(path, master, application_id):
    db = connect(path, master, application_id)
    db.set_busy_timeout(50)
    return db


def test_a_full_disk_is_said_before_anything_is_changed(folder, monkeypatch):
    """Without room for the copy nothing begins."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(FolderError, match="free"):
        again(folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


class Cut(Exception):
    """A power cut."""


@pytest.mark.parametrize("what", ["sync_file", "sync_folder", "require_closed", "set_key"])
@pytest.mark.parametrize("moment", [0, 1])
def test_a_cut_between_two_steps(folder, sizes_of, monkeypatch, what, moment):
    """Stopped before or after any step of a file, the folder opens with what is there, and is finished later."""
    log, left = whole(folder, sizes_of), [moment]
    real = getattr(rekey_module, what)

    def cutting(*arguments) -> None:
        if left[0] == 0:
            raise Cut
        left[0] -= 1
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(rekey_module, what, cutting)
        with pytest.raises(Cut):
            again(folder)
    assert Slots(folder).is_rekeying
    assert whole(folder, sizes_of) == log
    finished(folder)
    assert marks(folder, unlock(folder)) == [True] * 3
    assert whole(folder, sizes_of, MasterKey(unlock(folder).current)) == log
    assert [file.name for file in folder.iterdir() if "rekeying" in file.name] == []


FOR_EVER = """
import sys
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
from sync.rekey import finish, rekey
from sync.slots import Slots, unlock
from sync.stored_log import APPLICATION_IDS
folder = Path(sys.argv[2])
print("ready", flush=True)
while True:
    rekey(folder, unlock(folder), lambda: "", APPLICATION_IDS, lambda _: None)
    print("done", flush=True)
"""


def test_killed_at_random_moments(folder, sizes_of):
    """kill -9 while it is re-keyed over and over: every time the folder opens, whole, and the work is finished."""
    log, dice, done, unfinished = whole(folder, sizes_of), random.Random(7), 0, 0
    began = time.monotonic()
    again(folder)
    pace_s = time.monotonic() - began
    for turn in range(60):
        if turn >= 12 and done > 5 and unfinished > 2:  # on a busy machine few of the first ones come far
            break
        process = subprocess.Popen(
            [sys.executable, "-c", FOR_EVER, str(ROOT), str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(dice.uniform(0.0, 3 * pace_s))
        process.kill()
        done += process.communicate(timeout=10)[0].count("done")
        unfinished += Slots(folder).is_rekeying
        assert whole(folder, sizes_of) == log
        finished(folder)
        assert marks(folder, MasterKey(unlock(folder).current)) == [True] * 3
    assert done > 5
    assert unfinished > 2
