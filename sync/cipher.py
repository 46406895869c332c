"""Encryption at rest: every database file under a raw key of its own, which follows from the node's master key.

The cipher lies under SQLite's pager, so the file, its WAL and its journals hold nothing else; a page carries its own
authentication, so a flipped bit is met as damage and never as data. A file's raw key is 48 bytes that HKDF gives for
the master key and the file's application id: 32 are the key, 16 are what stands in the file's first 16 bytes, in
place of SQLite's name. So one look at them says, before anything is decrypted, whether a file was written under this
key, is a plain SQLite file that somebody put in its place, or something else. No passphrase is ever given to SQLite:
opening a connection costs half a millisecond, and the one slow derivation happens where a passphrase is typed.

While a folder is being re-keyed it has two master keys, and the same look says which of them a file is under.

It fails closed. A Python whose `apsw` has no cipher is refused (plain `apsw` takes `PRAGMA key` in silence and writes
everything in clear); the answer of every PRAGMA is checked; and a file that was just made is looked at from outside.
"""

from __future__ import annotations

import hmac
import secrets
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from sync.errors import FolderError, LogCorrupt, NoCipher

CIPHER: Final = (("cipher", "chacha20"),)
KEY_SIZE: Final = 32
MARK_SIZE: Final = 16
PLAIN_MARK: Final = b"SQLite format 3\0"
BUSY_TIMEOUT_MS: Final = 10_000


@dataclass(frozen=True, repr=False, slots=True)
class MasterKey:
    """A node's master key; beside it the one before, while files are still under that."""

    current: bytes
    previous: bytes | None = None

    def __post_init__(self) -> None:
        if len(self.current) != KEY_SIZE:
            raise ValueError(f"a master key has {KEY_SIZE} bytes, found {len(self.current)}")

    def raw_keys(self, application_id: int) -> list[bytes]:
        """The raw keys that a file of this kind may be under, the current one first."""
        return [raw_key(master, application_id) for master in (self.current, self.previous) if master is not None]


def expand(key: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869 with SHA-256 and no salt."""
    pseudorandom = hmac.digest(bytes(32), key, "sha256")
    block, output = b"", b""
    while len(output) < size:
        block = hmac.digest(pseudorandom, block + info + bytes([len(output) // 32 + 1]), "sha256")
        output += block
    return output[:size]


def raw_key(master: bytes, application_id: int) -> bytes:
    """The key of one kind of file (32 bytes), and the mark at the beginning of such a file (16 bytes)."""
    return expand(master, b"homeward/file/1" + application_id.to_bytes(4, "big"), KEY_SIZE + MARK_SIZE)


def require_cipher() -> None:
    """Raise NoCipher where this Python's SQLite cannot encrypt."""
    if not getattr(apsw, "mc_version", ""):
        raise NoCipher(
            "the installed apsw cannot encrypt, so nothing is opened: uninstall apsw and apsw-sqlite3mc, "
            "then install apsw-sqlite3mc alone"
        )


def connect(path: Path, master: MasterKey, application_id: int) -> apsw.Connection:
    """A connection to an existing file of ours.

    Raises:
        FolderError: there is no such file. LogCorrupt: it is not under this key. NoCipher.
    """
    require_cipher()
    mark = mark_of(path)
    for key in master.raw_keys(application_id):
        if mark == key[KEY_SIZE:]:
            return _connect(path, key, apsw.SQLITE_OPEN_READWRITE)
    if mark == PLAIN_MARK:
        raise LogCorrupt(f"{path} is not encrypted, so this program has not written it: put back the right file")
    raise LogCorrupt(
        f"{path} is damaged, or comes from another folder (its key is not this folder's): "
        "put back a backup, and keep the damaged file"
    )


def create(path: Path, master: MasterKey, application_id: int) -> apsw.Connection:
    """A connection to a new file, which nobody can read without the key: see `require_closed`."""
    require_cipher()
    key = raw_key(master.current, application_id)
    return _connect(path, key, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)


def require_closed(path: Path, master: MasterKey, application_id: int) -> None:
    """Look at a file from outside: it bears its key's mark, and another key does not open it."""
    key = raw_key(master.current, application_id)
    if mark_of(path) != key[KEY_SIZE:]:
        raise NoCipher(f"{path} was not encrypted by the installed apsw: nothing is written")
    wrong = secrets.token_bytes(KEY_SIZE) + key[KEY_SIZE:]
    with closing(_connect(path, wrong, apsw.SQLITE_OPEN_READWRITE)) as db:
        try:
            db.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        except apsw.NotADBError:
            return
    raise NoCipher(f"{path} opens with a wrong key: nothing is written")


def mark_of(path: Path) -> bytes:
    """A file's first bytes: under our cipher they name its key, and say nothing of it."""
    try:
        with path.open("rb") as file:
            return file.read(MARK_SIZE)
    except FileNotFoundError:
        raise FolderError(f"{path} is missing") from None
    except OSError as error:
        raise FolderError(f"{path} cannot be opened: {error.strerror}") from None


def _connect(path: Path, key: bytes, flags: int) -> apsw.Connection:
    try:
        db = apsw.Connection(str(path), flags=flags)
    except apsw.CantOpenError as error:
        raise FolderError(f"{path} cannot be opened: {error}") from None
    db.set_busy_timeout(BUSY_TIMEOUT_MS)
    set_key(db, "key", key)
    db.execute("PRAGMA temp_store=MEMORY")  # SQLite's temporary files know no cipher
    return db


def set_key(db: apsw.Connection, pragma: str, key: bytes) -> None:
    """Give a connection its cipher and key (`key`), or a file another key (`rekey`); no error ever shows the key."""
    name_of_file = db.filename
    try:
        answers = [db.execute(f"PRAGMA {name}='{value}'").get for name, value in CIPHER]
        answers.append(db.execute(f"PRAGMA {pragma}='raw:{key.hex()}'").get)
    except apsw.Error as error:
        db.close()
        raise NoCipher(f"{name_of_file} cannot be given its key ({type(error).__name__})") from None
    if answers != [value for _, value in CIPHER] + ["ok"]:
        db.close()
        raise NoCipher("the installed apsw does not take our cipher: reinstall apsw-sqlite3mc")
