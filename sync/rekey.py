"""A new master key for a folder: every slot, every file, and at no moment a file that nobody can open.

1. Key files get a second line, then `key.json` is replaced: all slots give the new master key, which opens the old one.
   *A power cut before leaves everything as it was.* From here on both are known to whoever opens the folder.
2. Each precious file is copied by `VACUUM INTO`, the copy put under the new key, looked at from outside, made durable,
   and put in the old one's place. *A power cut leaves the old or the new file;* its first bytes say which it is, and
   readers go on with either. Read models are thrown away.
3. `key.json` forgets the old master key, then the key files their second line.

Whoever holds the folder's lock next carries on from wherever it stopped (`finish`): each step looks at what is there.
The old file's blocks are freed, not overwritten: what they hold stays readable to whoever has the old master key and
the disk itself. Backups made before stay as they were.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

from sync.cipher import KEY_SIZE, MasterKey, connect, mark_of, raw_key, require_closed, set_key
from sync.errors import FolderError, FolderInUse
from sync.slots import Ask, Slots
from sync.small_file import sync_file, sync_folder

COPY_SUFFIX: Final = ".rekeying"
SPARE_BYTES: Final = 16 * 1024 * 1024
BESIDE: Final = ("", "-wal", "-shm", "-journal")


def rekey(
    folder: Path, master: MasterKey, passphrase: Ask, files: Mapping[str, int], progress: Callable[[int], None]
) -> MasterKey:
    """Put these files (application ids by name) under a new master key, which is returned. For the lock's holder."""
    slots = Slots(folder)
    if slots.is_rekeying:
        finish(folder, master, files, progress)
        slots = Slots(folder)
    size = max((folder / name).stat().st_size for name in files)
    free = shutil.disk_usage(folder).free
    if free < size + SPARE_BYTES:
        raise FolderError(f"{folder} needs {size + SPARE_BYTES:,} free bytes for the new file, found {free:,}")
    fresh = slots.renew(MasterKey(master.current), passphrase)
    finish(folder, fresh, files, progress)
    return MasterKey(fresh.current)


def finish(folder: Path, master: MasterKey, files: Mapping[str, int], progress: Callable[[int], None]) -> None:
    """Carry a re-keying on from wherever it stopped to its end."""
    for number, (name, application_id) in enumerate(files.items(), 1):
        _reencrypt(folder / name, master, application_id)
        progress(number)
    Slots(folder).forget_previous()


def _reencrypt(path: Path, master: MasterKey, application_id: int) -> None:
    copy = path.with_name(path.name + COPY_SUFFIX)
    for suffix in BESIDE:
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    key = raw_key(master.current, application_id)
    if mark_of(path) == key[KEY_SIZE:]:
        return
    with closing(connect(path, master, application_id)) as db:
        _alone(db)
        db.execute("VACUUM INTO ?", (str(copy),)).fetchall()
        with closing(connect(copy, master, application_id)) as made:
            made.execute("PRAGMA journal_mode=OFF").fetchall()
            set_key(made, "rekey", key)
        require_closed(copy, master, application_id)
        sync_file(copy)
        copy.replace(path)
        sync_folder(path.parent)


def _alone(db: apsw.Connection) -> None:
    """Be the only process that has the file open, and leave no WAL behind."""
    try:
        db.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        mode = db.execute("PRAGMA journal_mode=DELETE").get
    except apsw.BusyError:
        mode = "busy"
    if mode != "delete":
        raise FolderInUse(f"{db.filename} is being read by another process: end it, then run this again")
