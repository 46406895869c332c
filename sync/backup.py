"""Backups: one file, encrypted with age, that holds everything a node cannot make again, and the way back.

    age( "homeward backup 1\n" | length u32 | header, JSON | the files, one after the other | SHA-256 of all before )

The databases are copied by `VACUUM INTO` while the node goes on: `log.db` and `files.db` first, `keys.db` after them,
so every entry and every photograph of the copy finds its key. The copies are under the node's master key, which lies
in the header, inside the age file: who holds the county's identity needs nothing else. Nothing is ever written in
clear.

A backup is written beside its place and takes its name only when it was verified: all of it is decrypted again and
compared with its sum. For that an identity is made for the moment, whose recipient is one of the file's and whose
secret never leaves this process. *A power cut leaves no file of that name, and copies that the next backup removes.*

A restored folder is made beside its place, opened, verified entry by entry, and then takes its name, with a key file
and the recovery slots of the old one. It holds what the node held when the backup was made.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

import pyrage
from pyrage import x25519

from sync.cipher import MasterKey, connect
from sync.database import naming_damage
from sync.errors import FolderError, LogCorrupt, NewerFormat, WrongKey
from sync.slots import RECOVERY, Slots
from sync.small_file import sync_file, sync_folder
from sync.stored_log import APPLICATION_IDS, StoredLog, precious_files

MAGIC: Final = b"homeward backup 1\n"
FORMAT: Final = 1
HEADER_SIZE_MAX: Final = 1024 * 1024
SUM_SIZE: Final = 32
CHUNK_SIZE: Final = 256 * 1024
SPARE_BYTES: Final = 16 * 1024 * 1024
PLAIN_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}/){0,2}[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
COPIES_PREFIX: Final = "backup.making-"

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """What a verified backup holds; `covered`: as the function of that name gives it."""

    entries: int
    size_bytes: int
    covered: dict[str, tuple[int, str]]


def recovery_recipients(folder: Path) -> list[str]:
    """Whom a folder's recovery slots name."""
    return [slot.detail["recipient"] for slot in Slots(folder).slots if slot.kind == RECOVERY]


def sources_size(folder: Path) -> int:
    """About how many bytes a backup of a folder has."""
    return sum(file.stat().st_size for name in APPLICATION_IDS for file in folder.glob(name + "*"))


def write_backup(
    store: StoredLog,
    target: Path,
    recipients: Sequence[x25519.Recipient],
    beside: Sequence[str],
    described: dict[str, Any],
    progress: Progress,
) -> Backup:
    """Write and verify a backup of an open folder, other files by name with it; never over an existing file."""
    if target.exists():
        raise FolderError(f"{target} exists already: a backup is never written over another")
    size = sources_size(store.folder)
    for place in (store.folder, target.parent):
        _require_space(place, size)
    remove_old_copies(store.folder)
    copies = store.folder / f"{COPIES_PREFIX}{os.getpid()}"
    making = target.with_name(f"{target.name}.making-{os.getpid()}")
    try:
        copies.mkdir()
        files = _copy_databases(store, copies)
        entries, logs = _look_at(copies, store.master)
        files |= {name: file for name in beside if (file := store.folder / name).exists()}
        header = described | {
            "format": FORMAT,
            "entries": entries,
            "master": store.master.current.hex(),
            "recipients": recovery_recipients(store.folder),
            "files": [{"name": name, "size": file.stat().st_size} for name, file in files.items()],
        }
        _encrypt(making, recipients, header, list(files.values()), progress)
        if target.exists():
            raise FolderError(f"{target} exists already: a backup is never written over another")
        making.replace(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(copies, ignore_errors=True)
        making.unlink(missing_ok=True)
    return Backup(entries, target.stat().st_size, logs)


def restore(
    source: Path, folder: Path, identities: Sequence[x25519.Identity], progress: Progress
) -> tuple[dict[str, Any], MasterKey]:
    """Fill an empty folder from a backup; its header without the secret, and the master key."""
    _require_space(folder, source.stat().st_size)
    reading = _Reading(folder, progress)
    _decrypt(source, reading, identities)
    try:
        master = MasterKey(bytes.fromhex(reading.header.pop("master")))
        recipients = list(reading.header["recipients"])
    except (ValueError, KeyError, TypeError) as error:
        raise _no_backup(source, type(error).__name__) from None
    slots = Slots.create(folder, master)
    for recipient in recipients:
        slots.add_recovery(master, recipient)
    for place in (folder, *(inside for inside in folder.rglob("*") if inside.is_dir())):
        sync_folder(place)
    return reading.header, master


def _copy_databases(store: StoredLog, copies: Path) -> dict[str, Path]:
    """Copies of all databases by name, the keys last; again if the first photograph came in meanwhile."""
    while True:
        names = precious_files(store.folder)
        for name in names:
            (copies / name).unlink(missing_ok=True)
            _copy_database(store, name, copies / name)
        if names == precious_files(store.folder):
            return {name: copies / name for name in names}


def _copy_database(store: StoredLog, name: str, copy: Path) -> None:
    application_id = APPLICATION_IDS[name]
    with closing(connect(store.folder / name, store.master, application_id)) as db, naming_damage(db):
        db.execute("VACUUM INTO ?", (str(copy),)).fetchall()
    connect(copy, MasterKey(store.master.current), application_id).close()  # it bears the current key's mark


def _look_at(copies: Path, master: MasterKey) -> tuple[int, dict[str, tuple[int, str]]]:
    """Whether the copies hang together; how many entries there are, and what of each log."""
    with closing(StoredLog(copies, master)) as copied:
        copied.require_sound()
        return sum(branch.size for branch in copied.branches()), covered(copied)


def covered(store: StoredLog) -> dict[str, tuple[int, str]]:
    """Of each log that is held from its beginning: its size, and its root in hex."""
    in_part = store.logs_in_part()
    whole = [branch for branch in store.branches() if branch.size and branch.log not in in_part]
    return {branch.log.hex(): (branch.size, store.root(branch.log, branch.size).hex()) for branch in whole}


def _require_space(place: Path, size: int) -> None:
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < size + SPARE_BYTES:
        raise FolderError(f"{place} has too little space: {size + SPARE_BYTES:,} bytes are needed, {free:,} are free")


def remove_old_copies(folder: Path) -> None:
    """What a killed backup left behind."""
    for old in folder.glob(COPIES_PREFIX + "*"):
        try:
            os.kill(int(old.name.removeprefix(COPIES_PREFIX)), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(old, ignore_errors=True)
        except OSError:
            continue  # another user's process: leave it alone


def _encrypt(
    making: Path,
    recipients: Sequence[x25519.Recipient],
    header: dict[str, Any],
    files: Sequence[Path],
    progress: Progress,
) -> None:
    moment = x25519.Identity.generate()
    with making.open("xb") as out, _Stream(header, files, progress) as stream:
        sink = _Sink(out)
        try:
            pyrage.encrypt_io(stream, sink, [*recipients, moment.to_public()])
        except (pyrage.EncryptError, OSError) as error:
            failed = sink.failed or stream.failed or error
            raise OSError(getattr(failed, "errno", None), str(failed), str(making)) from None
    sync_file(making)
    _decrypt(making, _Reading(None, progress), [moment])


def _decrypt(source: Path, reading: _Reading, identities: Sequence[x25519.Identity]) -> None:
    try:
        with source.open("rb") as file:
            pyrage.decrypt_io(file, reading, list(identities))
        reading.finish()
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise WrongKey(f"{source} was not encrypted to this identity") from None
        raise _no_backup(source, str(error)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise _no_backup(source, str(error)) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise _no_backup(source, str(error)) from None
    finally:
        reading.close()


def _no_backup(source: Path, why: str) -> LogCorrupt:
    return LogCorrupt(f"{source} is damaged, incomplete or no backup ({why}): take another one")


class _Sink:
    """A file to write into, which remembers what the disk said: age tells only that something went wrong."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.failed: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.failed = error
            raise

    def flush(self) -> None:
        self._file.flush()


class _Stream:
    """What goes into the age file, as a file to be read."""

    def __init__(self, header: dict[str, Any], files: Sequence[Path], progress: Progress) -> None:
        self._sum = hashlib.sha256()
        self._progress = progress
        self._done = 0
        packed = json.dumps(header, ensure_ascii=False).encode()
        self._ready = MAGIC + len(packed).to_bytes(4, "big") + packed
        self._sum.update(self._ready)
        self._left = [(file, entry["size"]) for file, entry in zip(files, header["files"], strict=True)]
        self._open: IO[bytes] | None = None
        self._open_left = 0
        self._ended = False
        self.failed: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            self._open.close()

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._ready and not self._ended:
                self._ready = self._next()
        except OSError as error:
            self.failed = error
            raise
        if size < 0:
            size = len(self._ready)
        given, self._ready = self._ready[:size], self._ready[size:]
        return given

    def _next(self) -> bytes:
        if self._open is not None and self._open_left:
            data = self._open.read(min(CHUNK_SIZE, self._open_left))
            if not data:
                raise OSError(f"{self._open.name} became shorter while it was read")
            self._open_left -= len(data)
            self._sum.update(data)
            self._done += len(data)
            self._progress(self._done)
            return data
        if self._open is not None:
            self._open.close()
            self._open = None
        if self._left:
            file, self._open_left = self._left.pop(0)
            self._open = file.open("rb")
            return b""
        self._ended = True
        return self._sum.digest()


class _Reading:
    """What comes out of the age file, taken apart: into a folder, or only compared with its sum."""

    def __init__(self, folder: Path | None, progress: Progress) -> None:
        self.header: dict[str, Any] = {}
        self._folder = folder
        self._progress = progress
        self._sum = hashlib.sha256()
        self._head = b""
        self._left: list[tuple[str, int]] = []
        self._open: IO[bytes] | None = None
        self._tail = b""
        self._done = 0

    def write(self, data: bytes) -> int:
        size = len(data)
        if not self.header:
            data = self._begin(data)
        while data and self._left:
            name, left = self._left[0]
            part, data = data[:left], data[left:]
            self._sum.update(part)
            self._put(name, part)
            self._left[0] = (name, left - len(part))
            self._pass_complete()
            self._done += len(part)
            self._progress(self._done)
        self._tail += data
        if len(self._tail) > SUM_SIZE:
            raise ValueError("it goes on after its end")
        return size

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Leave no file open, wherever it stopped."""
        if self._open is not None:
            self._open.close()

    def finish(self) -> None:
        """All of it was there, and is what was written."""
        if not self.header or self._left or self._tail != self._sum.digest():
            raise ValueError("its sum does not hold")

    def _begin(self, data: bytes) -> bytes:
        self._head += data
        start = len(MAGIC) + 4
        if len(self._head) < start:
            return b""
        size = int.from_bytes(self._head[len(MAGIC) : start], "big")
        if self._head[: len(MAGIC)] != MAGIC or size > HEADER_SIZE_MAX:
            raise ValueError("it does not begin like one")
        if len(self._head) < start + size:
            return b""
        self._sum.update(self._head[: start + size])
        self.header = json.loads(self._head[start : start + size])
        if self.header["format"] > FORMAT:
            raise NewerFormat("the backup was made by a newer version of the program: install that version")
        self._left = [(_plain(one["name"]), abs(int(one["size"]))) for one in self.header["files"]]
        self._pass_complete()
        return self._head[start + size :]

    def _put(self, name: str, part: bytes) -> None:
        if self._folder is None:
            return
        if self._open is None:
            file = self._folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            self._open = file.open("xb")
        self._open.write(part)

    def _pass_complete(self) -> None:
        while self._left and self._left[0][1] == 0:
            if self._folder is not None:
                self._put(self._left[0][0], b"")
                assert self._open is not None
                self._open.flush()
                os.fsync(self._open.fileno())
                self._open.close()
                self._open = None
            self._left.pop(0)


def _plain(name: str) -> str:
    """A file in the folder, or in a folder within it; nothing that could lead out of it or hide."""
    if not PLAIN_NAME.fullmatch(name):
        raise ValueError(f"it names a file {name[:80]!r}")
    return name
