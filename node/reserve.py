"""`reserve`, a few MiB in the data folder that nobody uses, so that the last work fits on a disk that is full.

It is made by `init`, and whenever a folder is opened for writing or served while there is room for it; its blocks are
really allocated. When a write meets a full disk, the writer has it emptied (`Reserve.free`) and runs the work once
more. Its size is all the state there is: whole, it is *kept*; empty, it was *used*; where it is missing or not whole
there was never room for it, or the folder is older than this, or a copy of one. *A power cut while it is made leaves it
cut short, and it is made again.*
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

RESERVE_FILE: Final = "reserve"
RESERVE_SIZE_BYTES: Final = 4 * 1024 * 1024
ROOM_SIZE_BYTES: Final = 4 * RESERVE_SIZE_BYTES  # free space below which the disk is nearly full
FULL_SIZE_BYTES: Final = 256 * 1024  # less than a WAL and its index need to be opened
TRY_EVERY_S: Final = 600.0
CHUNK: Final = bytes(64 * 1024)

State = Literal["kept", "used", "none"]


class DiskWarning(NamedTuple):
    """What to tell a person about the disk: on pages the first, elsewhere both."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} ({self.en})"


USED: Final = DiskWarning(
    "磁盘快满了，已动用预留空间，还能再存少量记录：请尽快清理磁盘",
    "the disk is nearly full and the reserve is used, so that a little more can be saved: free some space soon",
)
NO_ROOM: Final = DiskWarning(
    "磁盘快满了，没有地方留出预留空间：请尽快清理磁盘",
    "the disk is nearly full, and there is no room for a reserve: free some space soon",
)


class Reserve:
    """The reserve of one data folder. Safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / RESERVE_FILE
        self._lock = threading.Lock()

    def state(self) -> State:
        """Whether it is there."""
        try:
            found = self._path.stat()
        except OSError:
            return "none"
        blocks = getattr(found, "st_blocks", None)
        if found.st_size >= RESERVE_SIZE_BYTES and (blocks is None or blocks * 512 >= RESERVE_SIZE_BYTES):
            return "kept"
        return "none" if found.st_size else "used"

    def warning(self) -> DiskWarning | None:
        """What to tell a person: nothing while it is kept, or would be at the next opening."""
        state = self.state()
        if state == "used":
            return USED
        return NO_ROOM if state == "none" and not self._has_room() else None

    def renew(self) -> bool:
        """Make it where it is not kept and there is room; whether it is kept now. Never raises for what a disk says."""
        with self._lock:
            if self.state() == "kept":
                return True
            if not self._has_room():
                return False
            was_used = self.state() == "used"
            try:
                self._allocate()
            except OSError:
                with suppress(OSError):
                    self._path.unlink(missing_ok=True)
                    if was_used:
                        self._path.touch()
                return False
        if was_used:
            print(f"{self._path}: there is room again, the reserve was made anew", file=sys.stderr, flush=True)
        return True

    def free(self) -> bool:
        """Give its room back to the disk, and say so once on standard error; False if there is none to give."""
        with self._lock:
            if self.state() != "kept":
                return False
            try:
                with self._path.open("r+b") as file:
                    file.truncate(0)
                    os.fsync(file.fileno())  # some file systems give blocks away only when this is durable
            except OSError:
                return False
        print(f"{self._path}: {USED}", file=sys.stderr, flush=True)
        return True

    def free_if_full(self) -> bool:
        """`free`, for an error that may have other causes than a full disk."""
        return self._free_bytes() < FULL_SIZE_BYTES and self.free()

    async def keep_up(self) -> None:
        """Try to make it anew now and then, until cancelled."""
        while True:
            await asyncio.sleep(TRY_EVERY_S)
            await asyncio.to_thread(self.renew)

    def _has_room(self) -> bool:
        return self._free_bytes() >= ROOM_SIZE_BYTES

    def _free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:
            return 0

    def _allocate(self) -> None:
        with self._path.open("ab") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, RESERVE_SIZE_BYTES)
            else:
                while file.tell() < RESERVE_SIZE_BYTES:
                    file.write(CHUNK)
            file.flush()
            os.fsync(file.fileno())


def shown(folder: Path) -> dict[str, str | None]:
    """What `status` says of the disk."""
    reserve = Reserve(folder)
    warning = reserve.warning()
    return {"reserve": reserve.state(), "disk_warning": str(warning) if warning else None}
