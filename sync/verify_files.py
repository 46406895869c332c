"""Reading every photograph again: is each what its name says?

For a file: its row gives its name under its key, each chunk that is here gives its hash and opens, and together they
have the stated size. What was erased meanwhile is no fault. A file that still arrives is compared as far as it came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sync.errors import KeyDestroyed, LogCorrupt
from sync.file_sql import StoredFile
from sync.stored_log import StoredLog


class BadFile(NamedTuple):
    """A file that does not hold, and why."""

    name: bytes
    why: str


class FilesVerdict(NamedTuple):
    """How many files were compared, and those that do not hold."""

    compared: int
    bad: list[BadFile]


def check_file(store: StoredLog, file: StoredFile) -> BadFile | None:
    """One file, all of it."""
    try:
        store.files.content(file)
    except KeyDestroyed:
        return None
    except LogCorrupt as error:
        return BadFile(file.name, str(error))
    return None


def verify_files(store: StoredLog, progress: Callable[[int], None]) -> FilesVerdict:
    """All files. Raises FolderError where `files.db` is lost."""
    store.files.require_there()
    compared, number, bad = 0, 0, []
    while file := store.files.after(number):
        if (found := check_file(store, file)) is not None:
            bad.append(found)
        compared, number = compared + 1, file.id
        progress(compared)
    return FilesVerdict(compared, bad)
