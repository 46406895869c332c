"""What both command lines do with a stick: which files on it are for this folder, and taking one after the other."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
from pyrage.x25519 import Identity

from node import exits
from node.folder import Folder
from node.opening import reading
from node.progress import bar
from sync.bundle import BundleReader, Kind
from sync.bundle_file import Progress, bundles_in, is_for, read
from sync.database import NotStored, OutcomeUnknown
from sync.errors import FolderError, FolderInUse, SyncError
from sync.recipients import identities_of

PART_SIZE_BYTES_MIN: Final = 10_000
OF_ALL: Final = (FolderInUse, OutcomeUnknown, NotStored, apsw.Error)
"""What does not concern one file alone."""


class Gathered(NamedTuple):
    """The files to take, and how many in the folders that were named are for others."""

    files: list[Path]
    others: int


def part_size(text: str, size_bytes_max: int) -> int:
    """How large a file may become, as it is given on a command line."""
    number = int(text) if text.isdecimal() else 0
    if not PART_SIZE_BYTES_MIN <= number <= size_bytes_max:
        limits = f"{PART_SIZE_BYTES_MIN:,} to {size_bytes_max:,}"
        raise argparse.ArgumentTypeError(f"a part has {limits} bytes, found {text!r}")
    return number


def require_folder(path: Path) -> None:
    """Where bundles go must be there: a stick that is not plugged in is not made up on the disk."""
    if not path.is_dir():
        raise FolderError(f"{path} is not a folder: is the stick plugged in?")


def gather(folder: Folder, paths: Sequence[Path]) -> Gathered:
    """Files as they are named, and of folders what is in them for this data folder; raises FolderError."""
    files: list[Path] = []
    others = 0
    with reading(folder) as store:
        identities = identities_of(store)
    for path in paths:
        if path.is_dir():
            found = bundles_in(path)
            ours = [file for file in found if is_for(file, identities)]
            files += ours
            others += len(found) - len(ours)
        elif path.is_file():
            files.append(path)
        else:
            raise FolderError(f"{path} is missing: is the stick plugged in?")
    return Gathered([file.absolute() for file in files], others)


def kind_of(path: Path, identities: Sequence[Identity]) -> Kind | None:
    """Which way a file goes, as far as it can be read; None for what is no file of ours."""
    reader = BundleReader()

    def take(data: bytes) -> None:
        next(reader.feed(data), None)
        if reader.head is not None:
            raise _HeadRead

    with suppress(_HeadRead, SyncError):
        read(path, identities, take, lambda _: None)
    return reader.head.kind if reader.head is not None else None


class _HeadRead(Exception):
    """The rest of a file is not read."""


def take_each(files: Sequence[Path], take: Callable[[Path, Progress], dict[str, Any]]) -> tuple[list[Any], int]:
    """Take files one after the other; one that is no good does not stop the others. What was found, and the exit code.

    `take` gives `{"file", "why", …}` and in `exit` how it went.
    """
    found: list[dict[str, Any]] = []
    code = exits.DONE
    for number, file in enumerate(files, 1):
        try:
            with bar(f"{number}/{len(files)}", file.stat().st_size) as progress:
                one = take(file, progress)
        except OF_ALL:
            raise
        except exits.EXPECTED_ANYWHERE as error:
            one = {"file": str(file), "why": exits.sentence(error), "exit": exits.code_of(error)}
        found.append(one)
        if one["why"]:
            print(f"{one['file']}: {one['why']}" if one["file"] not in one["why"] else one["why"], file=sys.stderr)
        code = code or one.pop("exit")
    return found, code
