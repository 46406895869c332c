"""Errors become exit codes and one sentence here, once, at the edge.

0 done · 1 a promise failed · 2 usage · 3 in use · 4 damaged · 5 unreachable · 6 refused · 7 newer than the program

A key that does not open a folder is 6: nothing is damaged. A file that is not under the folder's key is 4.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final

import apsw

from domain.errors import Refused
from sync.database import NotStored, OutcomeUnknown
from sync.errors import (
    ErasureUnfinished,
    FileUnknown,
    FolderError,
    FolderInUse,
    KeyDestroyed,
    LogCorrupt,
    NewerFormat,
    NoCipher,
    ParkingFull,
    RefusedByPeer,
    RemoteProtocolError,
    SubjectErased,
    Unreachable,
    VerificationError,
    WrongKey,
)

DONE: Final = 0
PROMISE_FAILED: Final = 1
USAGE: Final = 2
IN_USE: Final = 3
DAMAGED: Final = 4
UNREACHABLE: Final = 5
REFUSED: Final = 6
NEWER: Final = 7
INTERRUPTED: Final = 130

CODES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (Refused, REFUSED),
    (RefusedByPeer, REFUSED),
    (SubjectErased, REFUSED),
    (KeyDestroyed, REFUSED),
    (FileUnknown, REFUSED),
    (ErasureUnfinished, IN_USE),
    (FolderInUse, IN_USE),
    (ParkingFull, REFUSED),
    (NewerFormat, NEWER),
    (WrongKey, REFUSED),
    (NoCipher, REFUSED),
    (LogCorrupt, DAMAGED),
    (FolderError, USAGE),
    (Unreachable, UNREACHABLE),
    (VerificationError, PROMISE_FAILED),
    (RemoteProtocolError, REFUSED),
    (OutcomeUnknown, DAMAGED),
    (NotStored, DAMAGED),
    (apsw.FullError, DAMAGED),
    (apsw.CorruptError, DAMAGED),
    (apsw.NotADBError, DAMAGED),
    (apsw.IOError, DAMAGED),
    (apsw.BusyError, IN_USE),
    (apsw.ReadOnlyError, DAMAGED),
    (apsw.CantOpenError, DAMAGED),
    (OSError, DAMAGED),
)


EXPECTED: Final = tuple(kind for kind, _ in CODES)


class FailedElsewhere(Exception):
    """Another process of the folder did this for us and failed: its sentence, and the exit code that goes with it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


EXPECTED_ANYWHERE: Final[tuple[type[BaseException], ...]] = (*EXPECTED, FailedElsewhere)


def code_of(error: BaseException) -> int:
    """The exit code of an error that is expected."""
    if isinstance(error, FailedElsewhere):
        return error.code
    return next(code for kind, code in CODES if isinstance(error, kind))


def run(command: Callable[[], int]) -> int:
    """Run a command; whatever it raises on purpose becomes a sentence on standard error and an exit code."""
    try:
        code = command()
        sys.stdout.flush()  # here, where a closed pipe is no error
        return code
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "stopped; what was said to be saved is saved", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except EXPECTED_ANYWHERE as error:
        print(sentence(error), file=sys.stderr)
        return code_of(error)


def sentence(error: BaseException) -> str:
    """What to tell the person at the keyboard."""
    if isinstance(error, Refused):
        return f"{error.zh} ({error.en})"
    if isinstance(error, apsw.FullError):
        return f"the disk is full: free some space and run this again; nothing half-done was stored ({error})"
    if isinstance(error, apsw.BusyError):
        return f"a database file is in use by another process for too long: try again ({error})"
    if isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError):
        return f"a database file cannot be opened for writing: is the disk read-only, or full? ({error})"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}"
    if isinstance(error, apsw.Error):
        return (
            f"a database file is damaged or the disk fails: run `verify`, and put back a backup if it says so ({error})"
        )
    return str(error)
