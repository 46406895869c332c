"""Where a passphrase comes from: a file that HOMEWARD_PASSPHRASE_FILE names (services, tests), else the terminal.

A new one comes from the file that HOMEWARD_NEW_PASSPHRASE_FILE names, or is typed twice. It is never an argument of a
command, where every user of the machine could read it.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Final

from sync.errors import WrongKey

VARIABLE: Final = "HOMEWARD_PASSPHRASE_FILE"
NEW_VARIABLE: Final = "HOMEWARD_NEW_PASSPHRASE_FILE"


def known() -> str:
    """The passphrase of a folder that has one."""
    return _from_file(VARIABLE) or _typed("口令 Passphrase: ")


def fresh() -> str:
    """A new passphrase; at a terminal it is typed twice."""
    found = _from_file(NEW_VARIABLE)
    if found:
        return found
    first = _typed("新口令 New passphrase: ")
    if first != _typed("再输一次 Once more: "):
        raise WrongKey("the two passphrases differ: nothing was changed")
    return first


def _from_file(variable: str) -> str:
    name = os.environ.get(variable)
    if not name:
        return ""
    try:
        found = Path(name).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise WrongKey(f"{variable} names a file that cannot be read: {name}") from None
    if not found:
        raise WrongKey(f"{variable} names a file that is empty: {name}")
    return found


def _typed(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise WrongKey(f"a passphrase is needed: run this at a terminal, or name a file that holds it in {VARIABLE}")
    return getpass.getpass(prompt)
