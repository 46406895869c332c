"""`keys.db`, precious: the log's signing key and the stream keys, apart from the entries that they open.

Stream keys are made ahead in blocks, one fsync a block, and *assigned* by the entry's own transaction in `log.db`
(the stream row names the key's number). So recording stays one fsync, and what a power cut leaves behind is at worst
a key that nobody uses. Keys that came with replicated streams are committed here before the entries are in `log.db`:
again the only leftover is an unused key.

No entry may be committed with a key that only the kernel's cache shows, as it does for a key whose fsync failed or
whose process was killed before it. A commit here that fails raises, so nobody gets its keys. Before this process gives
away or adds the first key, and after every commit that failed, a full checkpoint writes what the file shows once more
and syncs it; where that fails, no key is given away.

A key is *destroyed* by writing zeros over it in its place. No row of `stream_key` is ever removed or changes its
size, so SQLite never moves rows about, which could leave a copy of a live key in a page's unused part. The names of
the destroyed keys' streams and the erased subjects are kept beside: a second ledger, for the day on which an older
copy of `log.db` is put back, whose own ledger knows nothing of them.

The keys of photographs and scans (`sync/files.py`) lie in a table of their own, by the file's name. They are kept here
and not in the entries, because a picture shows several children: it must go when any one of them is erased, though
the entries about the others still name it. They are destroyed in the same way; the row of zeros stays for ever and
says that a file of this name is never taken in again.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from sync.cipher import MasterKey
from sync.database import create_database, naming_damage, open_database, transaction, try_empty_wal
from sync.entry import STREAM_KEY_SIZE
from sync.errors import KeyDestroyed, LogCorrupt

APPLICATION_ID: Final = 0x48574B59  # "HWKY"
FORMAT: Final = 1
BLOCK_COUNT: Final = 1024
CACHE_COUNT_MAX: Final = 65_536
MADE_HERE, RECEIVED = 0, 1
NO_KEY: Final = 0  # the number of no key: a stream that was erased before it came here
DESTROYED: Final = bytes(STREAM_KEY_SIZE)

SCHEMA: Final = """
CREATE TABLE log_key(log BLOB PRIMARY KEY, seed BLOB NOT NULL, made_at INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE stream_key(id INTEGER PRIMARY KEY, origin INTEGER NOT NULL, value BLOB NOT NULL) STRICT;
CREATE TABLE destroyed(stream BLOB PRIMARY KEY) WITHOUT ROWID, STRICT;
CREATE TABLE erased(subject BLOB PRIMARY KEY) WITHOUT ROWID, STRICT;
"""
# Of its own, because folders were made before there were photographs: the first one makes it.
FILE_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS file_key(id INTEGER PRIMARY KEY, name BLOB NOT NULL, value BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS file_key_name ON file_key(name);
"""


class Keyring:
    """The keys of one node. Safe to call from any thread; every method returns after its own commit."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._spare: deque[tuple[int, bytes]] = deque()
        self._cache: dict[int, bytes] = {}
        self._doubtful = True  # whether the file may show what the disk does not hold

    @classmethod
    def create(cls, path: Path, master: MasterKey) -> Keyring:
        """A new, empty file."""
        return cls(create_database(path, master, APPLICATION_ID, FORMAT, SCHEMA))

    @classmethod
    def open(cls, path: Path, master: MasterKey) -> Keyring:
        """An existing file."""
        return cls(open_database(path, master, APPLICATION_ID, FORMAT))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def add_log_key(self, log: bytes, seed: bytes) -> None:
        """Keep a log's Ed25519 seed (32 bytes), durably."""
        with self._lock:
            self._db.execute("INSERT INTO log_key VALUES(?,?,?)", (log, seed, int(time.time())))

    def log_seed(self, log: bytes) -> bytes:
        """The Ed25519 seed of a log of this node."""
        with self._lock, naming_damage(self._db):
            for (seed,) in self._db.execute("SELECT seed FROM log_key WHERE log=?", (log,)):
                return bytes(seed)
        raise LogCorrupt(f"keys.db holds no key for log {log.hex()}: put back the keys.db that belongs to this log.db")

    def stream_key(self, number: int) -> bytes:
        """The stream key with this number; raises KeyDestroyed if there is none any more."""
        with self._lock:
            found = self._cache.get(number)
            if found is None:
                if len(self._cache) >= CACHE_COUNT_MAX:
                    self._cache.clear()
                with naming_damage(self._db):
                    for (value,) in self._db.execute("SELECT value FROM stream_key WHERE id=?", (number,)):
                        found = self._cache[number] = bytes(value)
        if found == DESTROYED or number == NO_KEY:
            raise KeyDestroyed("its content was erased")
        if found is None:
            raise LogCorrupt(f"keys.db holds no stream key {number}: put back the keys.db that belongs to this log.db")
        return found

    def assign(self, last_used: int) -> tuple[int, bytes]:
        """An unused key made here, numbered above `last_used`; makes a block when none is left."""
        with self._lock:
            while self._spare and self._spare[0][0] <= last_used:
                self._spare.popleft()
            if not self._spare:
                self._load_or_make(last_used)
            number, key = self._spare.popleft()
            self._cache[number] = key
            return number, key

    def last_number(self) -> int:
        """The highest number of any key; one assigned beyond it is made after this, so no copy of the folder has it."""
        with self._lock:
            number: int = self._db.execute("SELECT coalesce(max(id), 0) FROM stream_key").get
            return number

    def unassign_all(self) -> None:
        """Forget which spare keys were handed out: the transaction that took them was rolled back."""
        with self._lock:
            self._spare.clear()

    def _load_or_make(self, last_used: int) -> None:
        self._end_doubt()
        query = "SELECT id, value FROM stream_key WHERE id>? AND origin=? ORDER BY id LIMIT ?"
        self._spare.extend(self._db.execute(query, (last_used, MADE_HERE, BLOCK_COUNT)))
        if not self._spare:
            fresh = [secrets.token_bytes(STREAM_KEY_SIZE) for _ in range(BLOCK_COUNT)]
            self._spare.extend(zip(self._insert(fresh, MADE_HERE), fresh, strict=True))

    def receive(self, keys: Sequence[bytes]) -> list[int]:
        """Keep keys that came with replicated streams, durably; their numbers, in order."""
        if not keys:
            return []
        with self._lock:
            numbers = self._insert(keys, RECEIVED)
            self._cache.update(zip(numbers, keys, strict=True))
            return numbers

    def destroy(self, numbers: Iterable[int], streams: Iterable[bytes], subjects: Iterable[bytes]) -> None:
        """Write zeros over these keys, and remember the streams that they were for and the subjects, durably."""
        with self._lock:
            with self._committing():
                rows = [(DESTROYED, number) for number in numbers]
                self._db.executemany("UPDATE stream_key SET value=? WHERE id=?", rows)
                self._db.executemany("INSERT OR IGNORE INTO destroyed VALUES(?)", [(name,) for name in streams])
                self._db.executemany("INSERT OR IGNORE INTO erased VALUES(?)", [(subject,) for subject in subjects])
            self._cache.clear()

    def are_destroyed(self, numbers: Iterable[int]) -> bool:
        """Whether none of these keys is there any more."""
        query = "SELECT count(*) FROM stream_key WHERE id=? AND value<>?"
        with self._lock:
            return not any(self._db.execute(query, (number, DESTROYED)).get for number in numbers)

    def destroyed_streams(self) -> set[bytes]:
        """The pseudonyms of the streams whose keys were destroyed here."""
        with self._lock:
            return {bytes(name) for (name,) in self._db.execute("SELECT stream FROM destroyed")}

    def erased_subjects(self) -> set[bytes]:
        """The subjects that were erased here, as far as this file knows."""
        with self._lock:
            return {bytes(subject) for (subject,) in self._db.execute("SELECT subject FROM erased")}

    def add_file_key(self, name: bytes, key: bytes) -> None:
        """Keep the key of a photograph or scan, durably, before the file refers to it; raises KeyDestroyed."""
        with self._lock:
            with self._db:
                self._db.execute(FILE_SCHEMA)
                self._db.execute("INSERT INTO file_key(name, value) VALUES(?,?) ON CONFLICT DO NOTHING", (name, key))
            found = self._file_keys("SELECT value FROM file_key WHERE name=?", name)
        if found == [DESTROYED]:
            raise KeyDestroyed("this photograph was erased here: it is not taken in again")

    def file_key(self, name: bytes) -> bytes:
        """The key of a file; raises KeyDestroyed, or LogCorrupt where there never was one."""
        with self._lock, naming_damage(self._db):
            found = self._file_keys("SELECT value FROM file_key WHERE name=?", name)
        if found == [DESTROYED]:
            raise KeyDestroyed("it was erased with somebody whom it shows")
        if not found:
            raise LogCorrupt(
                f"keys.db holds no key for file {name.hex()}: put back the keys.db that belongs to files.db"
            )
        return found[0]

    def destroy_files(self, names: Iterable[bytes]) -> None:
        """Write zeros over the keys of these files, also of such as never were here, durably."""
        with self._lock, self._db:
            self._db.execute(FILE_SCHEMA)
            statement = (
                "INSERT INTO file_key(name, value) VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value=excluded.value"
            )
            self._db.executemany(statement, [(name, DESTROYED) for name in names])

    def destroyed_files(self) -> set[bytes]:
        """The names of the files whose keys were destroyed here."""
        with self._lock:
            return set(self._file_keys("SELECT name FROM file_key WHERE value=?", DESTROYED))

    def has_file_keys(self) -> bool:
        """Whether there is a key to any file."""
        with self._lock:
            return bool(self._file_keys("SELECT name FROM file_key WHERE value<>? LIMIT 1", DESTROYED))

    def _file_keys(self, query: str, value: bytes) -> list[bytes]:
        if not self._db.table_exists(None, "file_key"):
            return []
        return [bytes(found) for (found,) in self._db.execute(query, (value,))]

    def try_empty_wal(self) -> bool:
        """Leave no old page behind in the WAL; False while others read one."""
        with self._lock:
            return try_empty_wal(self._db)

    @contextmanager
    def _committing(self) -> Iterator[None]:
        self._end_doubt()
        self._doubtful = True
        with transaction(self._db):
            yield
        self._doubtful = False

    def _end_doubt(self) -> None:
        if self._doubtful:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)  # raises unless all of it is in the file, synced
            self._doubtful = False

    def _insert(self, keys: Sequence[bytes], origin: int) -> list[int]:
        with self._committing():
            first = self._db.execute("SELECT coalesce(max(id), 0) + 1 FROM stream_key").get
            numbers = list(range(first, first + len(keys)))
            rows = [(number, origin, key) for number, key in zip(numbers, keys, strict=True)]
            self._db.executemany("INSERT INTO stream_key VALUES(?,?,?)", rows)
        return numbers
