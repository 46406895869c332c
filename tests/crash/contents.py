"""What a folder says, as values that can be compared: every row of the log, and the keys that its streams use."""

from __future__ import annotations

import marshal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import apsw

from sync.slots import NODE_KEY_FILE, SLOTS_FILE
from sync.stored_log import StoredLog

Tables = dict[str, list[tuple[Any, ...]]]


def tables_of(stored: StoredLog) -> Tables:
    """All rows of all tables of the log."""
    return stored.reading(_tables)


def keys_of(stored: StoredLog, tables: Tables) -> dict[int, bytes]:
    """The stream keys by number. LogCorrupt if a stream's key is not there."""
    return {number: stored.keyring.stream_key(number) for number in sorted({row[3] for row in tables["stream"]})}


def slots_of(folder: Path) -> dict[str, bytes]:
    """The key slots, which no VFS sees: they are on the disk before the first database is made."""
    return {name: file.read_bytes() for name in (SLOTS_FILE, NODE_KEY_FILE) if (file := folder / name).exists()}


def _tables(db: apsw.Connection) -> Tables:
    db.execute("BEGIN")
    try:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type='table' ORDER BY name")]
        return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    finally:
        db.execute("COMMIT")


def digest_of(tables: Tables) -> bytes:
    """Equal for equal rows; format 0 writes nothing that depends on which objects are shared."""
    return blake2b(marshal.dumps(tables, 0), digest_size=16).digest()
