"""What both command lines do with a stick: which files on it are for this folder, and taking one after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from node import exits
from node.folder import Folder
from node.opening import reading
from node.progress import bar
from sync.bundle_file import Progress, bundles_in, is_for
from sync.database import NotStored, OutcomeUnknown
from sync.errors import FolderError, FolderInUse
from sync.recipients import identity_of

OF_ALL: Final = (FolderInUse, OutcomeUnknown, NotStored, apsw.Error)
"""What does not concern one file alone."""


class Gathered(NamedTuple):
    """The files to take, and how many in the folders that were named are for others."""

    files: list[Path]
    others: int


def require_folder(path: Path) -> None:
    """Where bundles go must be there: a stick that is not plugged in is not made up on the disk."""
    if not path.is_dir():
        raise FolderError(f"{path} is not a folder: is the stick plugged in?")


def gather(folder: Folder, paths: Sequence[Path]) -> Gathered:
    """Files as they are named, and of folders what is in them for this data folder; raises FolderError."""
    files: list[Path] = []
    others = 0
    with reading(folder) as store:
        own = store.own_logs()
        log = own[0] if folder.config.kind == "hub" else own[-1]  # a county's name stays, whichever log it writes
        identities = [identity_of(store.keyring.log_seed(log))]
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
