"""The SQL of `files.db`; see `files` for what it promises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import apsw

from sync.entry import ID_SIZE
from sync.file_form import CHUNKS_COUNT_MAX, HASH_SIZE, Manifest, Sent

CHUNK_SHIFT: Final = 8  # a chunk's row is file << CHUNK_SHIFT | number

SCHEMA: Final = """
CREATE TABLE file(
    id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, log BLOB NOT NULL, media TEXT NOT NULL, size INTEGER NOT NULL,
    hashes BLOB NOT NULL, kept_at_ms INTEGER NOT NULL, held INTEGER NOT NULL, sent INTEGER NOT NULL
) STRICT;
CREATE TABLE chunk(id INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
CREATE TABLE tie(subject BLOB NOT NULL, file INTEGER NOT NULL, PRIMARY KEY(subject, file)) WITHOUT ROWID, STRICT;
CREATE TABLE mark(id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
INSERT INTO mark VALUES(1, 0);
CREATE TABLE destroyed(name BLOB PRIMARY KEY) WITHOUT ROWID, STRICT;
"""
# Of their own, because folders were made before files came down: whoever opens the file for writing makes them.
ADDED: Final = """
CREATE TABLE IF NOT EXISTS offer(file INTEGER PRIMARY KEY, log BLOB NOT NULL, subjects BLOB NOT NULL,
    signature BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS arrived(n INTEGER PRIMARY KEY AUTOINCREMENT, file INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sent_above(file INTEGER NOT NULL, hub BLOB NOT NULL, PRIMARY KEY(file, hub))
    WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS shelf_mark(shelf BLOB PRIMARY KEY, n INTEGER NOT NULL, told INTEGER NOT NULL)
    WITHOUT ROWID, STRICT;
"""
COLUMNS: Final = "id, name, log, media, size, hashes, kept_at_ms, held, sent"


class StoredFile(NamedTuple):
    """A file of `log`'s node, of whose chunks the first `held` are here."""

    id: int
    name: bytes
    log: bytes
    manifest: Manifest
    kept_at_ms: int
    held: int
    sent: Sent

    @property
    def complete(self) -> bool:
        """Whether all of it is here."""
        return self.held == len(self.manifest.hashes)


class Offered(NamedTuple):
    """A file as a log offered it: whom it shows, in that order, and the log's signature on it."""

    log: bytes
    subjects: tuple[bytes, ...]
    signature: bytes


def put_offer(db: apsw.Connection, file: int, log: bytes, subjects: tuple[bytes, ...], signature: bytes) -> None:
    """Keep how a file was offered last."""
    db.execute("INSERT OR REPLACE INTO offer VALUES(?,?,?,?)", (file, log, b"".join(subjects), signature))


def offered(db: apsw.Connection, file: int) -> Offered | None:
    """How a file was offered last."""
    if not db.table_exists(None, "offer"):
        return None
    rows: list[Any] = db.execute("SELECT log, subjects, signature FROM offer WHERE file=?", (file,)).fetchall()
    for log, joined, signature in rows:
        cut = tuple(joined[at : at + ID_SIZE] for at in range(0, len(joined), ID_SIZE))
        return Offered(bytes(log), cut, bytes(signature))
    return None


def note_arrived(db: apsw.Connection, file: int) -> None:
    """A peer's file is whole."""
    db.execute("INSERT INTO arrived(file) VALUES(?)", (file,))


def arrived_after(db: apsw.Connection, n: int, limit: int) -> list[tuple[int, int]]:
    """The files that were whole behind a number, with their own numbers in that order."""
    if not db.table_exists(None, "arrived"):
        return []
    rows: list[Any] = db.execute("SELECT n, file FROM arrived WHERE n>? ORDER BY n LIMIT ?", (n, limit)).fetchall()
    return rows


def shelf_mark(db: apsw.Connection, shelf: bytes) -> int:
    """How far a shelf was looked at."""
    if not db.table_exists(None, "shelf_mark"):
        return 0
    number: int | None = db.execute("SELECT n FROM shelf_mark WHERE shelf=?", (shelf,)).get
    return number or 0


def put_shelf_mark(db: apsw.Connection, shelf: bytes, number: int, told: int) -> None:
    """It was looked at up to here, of so many numbers."""
    db.execute("INSERT OR REPLACE INTO shelf_mark VALUES(?,?,?)", (shelf, number, told))


def coming(db: apsw.Connection) -> int:
    """How many numbers of shelves were not looked at yet."""
    if not db.table_exists(None, "shelf_mark"):
        return 0
    count: int = db.execute("SELECT coalesce(sum(max(0, told - n)), 0) FROM shelf_mark").get
    return count


def mark(db: apsw.Connection) -> int:
    """Count a transaction, so that the file shows whether it is stored; how many there were."""
    count: int = db.execute("UPDATE mark SET count=count+1 RETURNING count").get
    return count


def marks(db: apsw.Connection) -> int:
    """How many transactions were counted."""
    count: int = db.execute("SELECT count FROM mark").get
    return count


def files(db: apsw.Connection, where: str, bindings: tuple[bytes | int, ...]) -> list[StoredFile]:
    """The files that a condition of this package's modules finds."""
    return [_file(row) for row in db.execute(f"SELECT {COLUMNS} FROM file {where}", bindings)]  # noqa: S608


def _file(row: tuple[int, bytes, bytes, str, int, bytes, int, int, int]) -> StoredFile:
    number, name, log, media, size, hashes, kept_at_ms, held, sent = row
    cut = tuple(hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE))
    return StoredFile(number, bytes(name), bytes(log), Manifest(media, size, cut), kept_at_ms, held, Sent(sent))


def find(db: apsw.Connection, name: bytes) -> StoredFile | None:
    """A file by its name."""
    return next(iter(files(db, "WHERE name=?", (name,))), None)


def insert(db: apsw.Connection, name: bytes, log: bytes, manifest: Manifest, now_ms: int, sent: Sent) -> int:
    """A new file of which no chunk is here yet; its number."""
    row = (name, log, manifest.media, manifest.size, b"".join(manifest.hashes), now_ms, sent)
    db.execute("INSERT INTO file(name, log, media, size, hashes, kept_at_ms, held, sent) VALUES(?,?,?,?,?,?,0,?)", row)
    return db.last_insert_rowid()


def add_chunk(db: apsw.Connection, file: int, number: int, sealed: bytes) -> None:
    """The next chunk of a file."""
    db.execute("INSERT INTO chunk VALUES(?,?)", (file << CHUNK_SHIFT | number, sealed))
    db.execute("UPDATE file SET held=? WHERE id=?", (number + 1, file))


def empty_unfinished(db: apsw.Connection, log: bytes, count_max: int) -> None:
    """Let go of the oldest unfinished files' chunks, so that at most so many of a log keep any; their ties stay."""
    query = f"SELECT id FROM file WHERE log=? AND held BETWEEN 1 AND length(hashes) / {HASH_SIZE} - 1 ORDER BY id DESC"  # noqa: S608
    for (file,) in list(db.execute(query, (log,)))[count_max:]:
        _delete_chunks(db, file)
        db.execute("UPDATE file SET held=0 WHERE id=?", (file,))


def _delete_chunks(db: apsw.Connection, file: int) -> None:
    first = file << CHUNK_SHIFT
    db.execute("DELETE FROM chunk WHERE id BETWEEN ? AND ?", (first, first + CHUNKS_COUNT_MAX))


def set_sent(db: apsw.Connection, name: bytes, sent: Sent) -> None:
    """What the county answered about a file."""
    db.execute("UPDATE file SET sent=? WHERE name=?", (sent, name))


def waiting_above(db: apsw.Connection, hub: bytes) -> list[tuple[bytes, bytes]]:
    """The logs and names of peers' whole files of which a hub above did not say that it holds them."""
    if not db.table_exists(None, "sent_above"):
        return []
    rows: list[Any] = db.execute(
        f"SELECT offer.log, name FROM file JOIN offer ON offer.file=id WHERE held * {HASH_SIZE} = length(hashes)"  # noqa: S608
        " AND NOT EXISTS (SELECT 1 FROM sent_above WHERE file=id AND hub=?) ORDER BY id",
        (hub,),
    ).fetchall()
    return [(bytes(log), bytes(name)) for log, name in rows]


def note_above(db: apsw.Connection, name: bytes, hub: bytes) -> None:
    """A hub above holds a file, or will never take it."""
    db.execute("INSERT OR IGNORE INTO sent_above SELECT id, ? FROM file WHERE name=?", (hub, name))


def forget_above(db: apsw.Connection, hub: bytes) -> None:
    """A hub above has lost what it held."""
    db.execute("DELETE FROM sent_above WHERE hub=?", (hub,))


def set_waiting(db: apsw.Connection, log: bytes) -> None:
    """Files of a log that the county was said to hold are to be offered again."""
    db.execute("UPDATE file SET sent=? WHERE log=? AND sent=?", (Sent.WAITING, log, Sent.HELD))


def tie(db: apsw.Connection, number: int, subjects: Iterable[bytes]) -> None:
    """Tie a file to subjects, also to such as it is tied to already."""
    db.executemany("INSERT OR IGNORE INTO tie VALUES(?,?)", [(subject, number) for subject in subjects])


def tied_to(db: apsw.Connection, subject: bytes) -> list[bytes]:
    """The names of the files that show a subject."""
    query = "SELECT name FROM file WHERE id IN (SELECT file FROM tie WHERE subject=?)"
    return [bytes(name) for (name,) in db.execute(query, (subject,))]


def take_away(db: apsw.Connection, names: Iterable[bytes]) -> int:
    """Delete what is here of these files and note their names; how many were here."""
    count = 0
    for name in names:
        file = find(db, name)
        if file is not None:
            _delete_chunks(db, file.id)
            db.execute("DELETE FROM tie WHERE file=?", (file.id,))
            db.execute("DELETE FROM offer WHERE file=?", (file.id,))
            db.execute("DELETE FROM arrived WHERE file=?", (file.id,))
            db.execute("DELETE FROM sent_above WHERE file=?", (file.id,))
            db.execute("DELETE FROM file WHERE id=?", (file.id,))
            count += 1
        db.execute("INSERT OR IGNORE INTO destroyed VALUES(?)", (name,))
    return count
