"""Backups: consistent while the node writes, verified, in clear nowhere, and restored whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from contextlib import closing
from types import SimpleNamespace

import pyrage
import pytest
from pyrage import x25519

from sync import backup
from sync.backup import Backup, restore, write_backup
from sync.errors import FolderError, LogCorrupt, NewerFormat, SyncError, WrongKey
from sync.slots import Slots, unlock
from sync.store import Store
from sync.verify import verify
from tests.by_hand import SOME_MASTER

COUNTY = x25519.Identity.generate()
CANARY = "王小花住在南沟村"


def nothing(_: int) -> None:
    pass


@pytest.fixture
def node(stores, draft):
    """An open store with entries, a recovery slot and a small file."""
    opened = stores()
    Slots(opened.folder).add_recovery(opened.master, str(COUNTY.to_public()))
    (opened.folder / "config.json").write_text('{"name": "南沟"}')
    (opened.folder / "chunks").mkdir()
    (opened.folder / "chunks" / "ab").write_bytes(b"\0" * 70_000)
    opened.record([draft(n % 7, payload={"name": CANARY, "n": n}) for n in range(200)]).result(10)
    return opened


def made(node, target) -> Backup:
    return write_backup(
        node, target, [COUNTY.to_public()], ["config.json", "nowhere.json", "chunks/ab"], {"kind": "home"}, nothing
    )


@pytest.fixture
def target(node, tmp_path):
    """A backup."""
    made(node, tmp_path / "backup.age")
    return tmp_path / "backup.age"


def restored(source, place, identity=COUNTY):
    place.mkdir()
    return restore(source, place, [identity], nothing)


def test_a_backup_restores_to_the_same(node, tmp_path, sizes_of):
    """Entries, keys, small files, master key and recovery slots come back; the secret is in no header that is given."""
    found = made(node, tmp_path / "b")
    covered = {node.log.hex(): (200, node.root(node.log, 200).hex())}
    assert found == Backup(200, (tmp_path / "b").stat().st_size, covered)
    header, master = restored(tmp_path / "b", tmp_path / "r")
    assert (header["kind"], header["entries"]) == ("home", 200)
    assert node.master.current.hex() not in json.dumps(header)
    assert master == node.master == unlock(tmp_path / "r") == Slots(tmp_path / "r").unlock(None, [COUNTY])
    assert (tmp_path / "r" / "config.json").read_text() == '{"name": "南沟"}'
    assert (tmp_path / "r" / "chunks" / "ab").read_bytes() == b"\0" * 70_000
    with closing(Store(tmp_path / "r")) as again:
        assert sizes_of(again) == {node.log: 200}
        assert verify(again, None, nothing).ok


def test_nothing_is_in_clear(node, target):
    """No name, no key and no table name is in the file, and nothing is left beside it or in the folder."""
    data = target.read_bytes()
    for secret in (CANARY.encode(), b"SQLite format 3", b"CREATE TABLE", node.master.current.hex().encode()):
        assert secret not in data
    assert sorted(file.name for file in target.parent.iterdir()) == ["backup.age", "node"]
    assert [file.name for file in node.folder.iterdir() if file.name.startswith("backup")] == []


def test_while_a_writer_appends(node, tmp_path, sizes_of, draft):
    """Backups made while entries arrive hold what was there at one moment, in order, with every key they need."""
    stop, errors = threading.Event(), []

    def append() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                node.record([draft(1000 + number), draft(number % 5)]).result(10)
            except Exception as error:  # noqa: BLE001 -- shown by the test
                errors.append(error)
                return

    writer = threading.Thread(target=append)
    writer.start()
    try:
        sizes = [made(node, tmp_path / f"b{n}").entries for n in range(4)]
    finally:
        stop.set()
        writer.join()
    assert errors == []
    assert sorted(sizes) == sizes
    assert sizes[-1] > sizes[0] >= 200
    all_ids = [entry.id for entry in node.entries_of_log(node.log)]
    for n, size in enumerate(sizes):
        restored(tmp_path / f"b{n}", tmp_path / f"r{n}")
        with closing(Store(tmp_path / f"r{n}")) as again:
            assert sizes_of(again) == {node.log: size}
            assert verify(again, None, nothing).ok
            assert [entry.id for entry in again.entries_of_log(node.log)] == all_ids[:size]


def test_photographs_are_in_a_backup(node, tmp_path):
    """Every photograph of the moment comes back with its key, also where the first one comes in while it is made."""
    pictures = [bytes([n]) * 40_000 for n in range(30)]
    worker = threading.Thread(
        target=lambda: [node.files.add(node.log, p, "image/jpeg", [bytes(16)], 0) for p in pictures]
    )
    worker.start()
    made(node, tmp_path / "b0")
    worker.join()
    made(node, tmp_path / "b1")
    for n in range(2):
        restored(tmp_path / f"b{n}", tmp_path / f"r{n}")
        with closing(Store(tmp_path / f"r{n}")) as again:
            found = [again.files.content(file) for file in again.files.files_of()]
            assert found == pictures[: len(found)]
    assert len(found) == 30
    assert pictures[0][:64] not in (tmp_path / "b1").read_bytes()


def test_the_first_photograph_while_a_backup_is_made(node, tmp_path, monkeypatch):
    """A photograph that comes in between the copies is in the backup with its key, or not in it at all."""
    copy, names = backup._copy_database, []

    def copying(store, name, to):
        copy(store, name, to)
        names.append(name)
        if names == ["log.db", "keys.db"]:
            node.files.add(node.log, b"picture", "image/jpeg", [bytes(16)], 0)

    monkeypatch.setattr(backup, "_copy_database", copying)
    made(node, tmp_path / "b")
    assert names == ["log.db", "keys.db", "log.db", "files.db", "keys.db"]
    restored(tmp_path / "b", tmp_path / "r")
    with closing(Store(tmp_path / "r")) as again:
        assert [again.files.content(file) for file in again.files.files_of()] == [b"picture"]


def test_another_identity_does_not_open_it(target, tmp_path):
    """Not even the identity that was made to verify it is anywhere."""
    with pytest.raises(WrongKey, match=r"backup\.age"):
        restored(target, tmp_path / "r", x25519.Identity.generate())


@pytest.mark.parametrize("how", ["cut", "short", "empty", "text", "longer", "header", *range(6)])
def test_a_corrupt_backup_is_refused(target, tmp_path, how):
    """Cut, changed in any place, or something else: one sentence that names the file."""
    data = target.read_bytes()
    match how:
        case "cut":
            data = data[:-1]
        case "short":
            data = data[: 65536 + 500]
        case "empty":
            data = b""
        case "text":
            data = b"a letter" * 1000
        case "longer":
            data += b"\0"
        case "header":
            data = data[:60] + b"x" + data[61:]
        case number:
            at = 600 + (len(data) - 700) * number // 5
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    target.write_bytes(data)
    with pytest.raises((LogCorrupt, WrongKey) if how == "header" else LogCorrupt, match=r"backup\.age"):
        restored(target, tmp_path / "r")


def forged(target, header, rest=b"", magic=backup.MAGIC) -> None:
    packed = header if isinstance(header, bytes) else json.dumps(header).encode()
    plain = magic + len(packed).to_bytes(4, "big") + packed + rest
    target.write_bytes(pyrage.encrypt(plain + hashlib.sha256(plain).digest(), [COUNTY.to_public()]))


GOOD = {"format": 1, "master": "00" * 32, "recipients": [], "files": [], "entries": 0}


@pytest.mark.parametrize(
    ("header", "rest", "error"),
    [
        (GOOD | {"format": 2}, b"", NewerFormat),
        (GOOD | {"files": [{"name": "../x", "size": 1}]}, b"x", LogCorrupt),
        (GOOD | {"files": [{"name": "a/../../x", "size": 1}]}, b"x", LogCorrupt),
        (GOOD | {"files": [{"name": "a//x", "size": 1}]}, b"x", LogCorrupt),
        (GOOD | {"files": [{"name": "/x", "size": 1}]}, b"x", LogCorrupt),
        (GOOD | {"files": [{"name": "a/.x", "size": 1}]}, b"x", LogCorrupt),
        (GOOD | {"files": [{"name": "a\\x", "size": 1}]}, b"x", LogCorrupt),
        (GOOD | {"files": [{"name": "x\n", "size": 1}]}, b"x", LogCorrupt),
        (GOOD | {"files": [{"name": 7, "size": 1}]}, b"x", LogCorrupt),
        (GOOD | {"files": [{"name": ".x", "size": 1}]}, b"x", LogCorrupt),
        (GOOD | {"files": [{"name": "", "size": 1}]}, b"x", LogCorrupt),
        (GOOD | {"files": [{"name": "x", "size": 2}]}, b"x", LogCorrupt),
        (GOOD | {"files": [{"name": "x", "size": 0}]}, b"x", LogCorrupt),
        (GOOD | {"files": 7}, b"", LogCorrupt),
        ({"format": 1}, b"", LogCorrupt),
        (b"{", b"", LogCorrupt),
        (b"[]", b"", LogCorrupt),
        (GOOD | {"master": "xy"}, b"", LogCorrupt),
        (GOOD | {"master": "00"}, b"", LogCorrupt),
        (GOOD | {"recipients": ["me"]}, b"", FolderError),
    ],
)
def test_a_forged_backup_is_refused(tmp_path, header, rest, error):
    """Anybody can encrypt to the county's recipient: what comes out is believed no more than any other input."""
    forged(tmp_path / "b", header, rest)
    with pytest.raises(error):
        restored(tmp_path / "b", tmp_path / "r")
    assert not (tmp_path / "x").exists()


def test_a_backup_is_never_written_over_another(node, target):
    """The first stays as it is."""
    before = target.read_bytes()
    with pytest.raises(FolderError, match="exists"):
        made(node, target)
    assert target.read_bytes() == before


def test_what_does_not_verify_takes_no_name(node, tmp_path, monkeypatch):
    """If what was written does not read back as it was, there is no backup."""
    real = backup.sync_file

    def spoil(path) -> None:
        real(path)
        data = bytearray(path.read_bytes())
        data[-50] ^= 1
        path.write_bytes(data)

    monkeypatch.setattr(backup, "sync_file", spoil)
    with pytest.raises(LogCorrupt):
        made(node, tmp_path / "b")
    assert [file.name for file in tmp_path.iterdir()] == ["node"]


def test_too_little_space_is_said_first(node, tmp_path, monkeypatch):
    """Nothing is written that could not be finished."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(FolderError, match="free"):
        made(node, tmp_path / "b")
    assert [file.name for file in tmp_path.iterdir()] == ["node"]


@pytest.mark.parametrize("side", ["_Sink", "_Stream"])
def test_a_disk_that_fails_is_named(node, tmp_path, monkeypatch, side):
    """What the disk said reaches the person, and there is no backup."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    class Full(getattr(backup, side)):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            if side == "_Sink":
                self._file = SimpleNamespace(write=fail, flush=lambda: None)

        _next = fail

    monkeypatch.setattr(backup, side, Full)
    with pytest.raises(OSError, match="No space left") as met:
        made(node, tmp_path / "b")
    assert met.value.errno == 28
    assert [file.name for file in tmp_path.iterdir()] == ["node"]


def test_copies_of_a_killed_backup_are_removed(node, tmp_path):
    """What a backup left that was killed goes with the next one; that of a process that still runs does not."""
    for name in ("backup.making-999999999", "backup.making-x"):
        (node.folder / name).mkdir()
        (node.folder / name / "log.db").write_bytes(b"x")
    (node.folder / f"backup.making-{os.getppid()}").mkdir()
    made(node, tmp_path / "b")
    assert [f.name for f in node.folder.iterdir() if f.name.startswith("backup")] == [f"backup.making-{os.getppid()}"]


def test_a_damaged_page_ends_a_backup(node, tmp_path):
    """A node whose log is damaged writes no backup that looks whole."""
    node.close()
    file = node.folder / "log.db"
    data = bytearray(file.read_bytes())
    data[4096 * 5 + 50] ^= 1
    file.write_bytes(data)
    with pytest.raises((SyncError, OSError)):
        made(node, tmp_path / "b")
    assert [one.name for one in tmp_path.iterdir()] == ["node"]


def test_restoring_over_slots_is_refused(target, tmp_path):
    """A folder that has slots is somebody's."""
    (tmp_path / "r").mkdir()
    Slots.create(tmp_path / "r", SOME_MASTER)
    with pytest.raises(FolderError):
        restore(target, tmp_path / "r", [COUNTY], nothing)
    assert unlock(tmp_path / "r") == SOME_MASTER
