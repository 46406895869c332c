"""Bundles that came too early, kept as they came until the ones before them come.

They lie in a folder of their own, still encrypted, under names that say whose they are and where they begin; nothing
else is remembered, so whoever puts a file there or takes one away leaves nothing to repair. The folder may be lost: the
home makes such a bundle again as long as it has no receipt for what is in it. It is bounded in count and size.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from sync.bundle_file import MAKING_SUFFIX, SUFFIX, copy_new
from sync.errors import ParkingFull

FOLDER: Final = "parked"
COUNT_MAX: Final = 1000
COUNT_OF_LOG_MAX: Final = 32
SIZE_BYTES_MAX: Final = 8 * 1024**3
SPARE_BYTES: Final = 64 * 1024**2
NAME: Final = re.compile(r"([0-9a-f]{32})-([0-9]{1,19})-([0-9]{1,19})-[0-9a-f]{32}\.age")


class Parked(NamedTuple):
    """A bundle of a log that waits: its entries `start` + 1 to `end`."""

    path: Path
    log: bytes
    start: int
    end: int


class Parking:
    """The waiting bundles of one hub. Whoever changes it holds the folder's lock."""

    def __init__(self, folder: Path, *, size_bytes_max: int = SIZE_BYTES_MAX) -> None:
        self._folder = folder / FOLDER
        self._size_bytes_max = size_bytes_max

    def all(self) -> list[Parked]:
        """What waits, by log and then by where it begins."""
        if not self._folder.is_dir():
            return []
        found = [(path, NAME.fullmatch(path.name)) for path in self._folder.iterdir()]
        parked = [Parked(path, bytes.fromhex(m[1]), int(m[2]), int(m[3])) for path, m in found if m]
        return sorted(parked, key=lambda one: (one.log, one.start, one.end, one.path.name))

    def put(self, source: Path, log: bytes, start: int, end: int) -> None:
        """Keep a copy of a bundle, durably; once, however often it comes. Raises ParkingFull or OSError."""
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        target = self._folder / f"{log.hex()}-{start}-{end}-{digest}{SUFFIX}"
        if target.exists():
            return
        self._folder.mkdir(exist_ok=True)
        self._clear_half_written()
        size = source.stat().st_size
        waiting = self.all()
        taken = sum(one.path.stat().st_size for one in waiting)
        too_many = len(waiting) >= COUNT_MAX or sum(one.log == log for one in waiting) >= COUNT_OF_LOG_MAX
        if too_many or taken + size > self._size_bytes_max:
            raise ParkingFull(
                f"{source} comes too early, and {len(waiting)} bundles wait already: bring the ones before it first"
            )
        if shutil.disk_usage(self._folder).free < size + SPARE_BYTES:
            raise ParkingFull(
                f"{source} comes too early, and there is no room to keep it: bring the ones before it first"
            )
        copy_new(source, target)

    def ready(self, log: bytes, size: int) -> Parked | None:
        """The next bundle of a log that begins within what is held."""
        return next((one for one in self.all() if one.log == log and one.start <= size), None)

    def remove(self, parked: Parked) -> None:
        """It was taken, or is no good."""
        parked.path.unlink(missing_ok=True)

    def _clear_half_written(self) -> None:
        for path in self._folder.glob("*" + MAKING_SUFFIX):
            path.unlink(missing_ok=True)


def remove_all(folder: Path) -> None:
    """Throw away what waits in a data folder; the homes make it again."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
