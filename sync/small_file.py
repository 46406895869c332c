"""Small files that are replaced whole: a power cut leaves the old one or the new one, never half of either."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

FOR_ALL: Final = 0o666  # less what the process's umask takes away
FOR_THE_OWNER: Final = 0o600


def write_file(path: Path, text: str, mode: int = FOR_ALL) -> None:
    """Replace a small file, durably."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)  # what a cut left there may be readable by more than its owner
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(fresh, flags, mode), "wb") as file:
        file.write(text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file's content durable that somebody else has written."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
