"""All SQL of `log.db`, and why its tables look as they do.

`entry` holds own and replicated entries in the order of their arrival (`position`, the rowid, gapless). It has one
index, (branch, seq), which only ever grows at the end of a branch. There is no index over (stream, version): the
`stream` row carries the head's version and position, which both checks a writer's expectation and makes versions
unique, and every entry points at the one before it in its stream (`prev`). Reading a stream walks that chain backwards.

`node` holds the RFC 6962 tree of every branch. Complete subtrees are numbered in post-order (see `merkle`), so hashes
are only appended, never rewritten, and the root at any past size is a handful of look-ups.

Numbers pack two things so that no second index is needed: stream id = branch << 40 | ordinal (the ordinal is the
stream's number in its log, from 1), tree node id = branch << 44 | post-order number.

`checkpoint` keeps the sizes whose root the log's key has signed, with the hub's receipt where there is one. `tracking`
and `snapshot` serve the `eventsourcing` library. Types are interned; bodies are sealed (see `sealing`).
An erased entry has no body and type 0, its stream no subject; a stream that came here erased has key 0. Tables are
STRICT, so that bytes can never become text, which no reader expects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import apsw

from sync.batch import SignedSize

APPLICATION_ID: Final = 0x48574C47  # "HWLG"
FORMAT: Final = 1
STREAM_SHIFT: Final = 40
NODE_SHIFT: Final = 44
ORDINAL_MASK: Final = (1 << STREAM_SHIFT) - 1
ERASED_TYPE: Final = 0
MARK: Final = "homeward/mark"  # among the tracked applications: how many transactions added no entry

SCHEMA: Final = """
CREATE TABLE branch(id INTEGER PRIMARY KEY, log BLOB NOT NULL, public_key BLOB NOT NULL, own INTEGER NOT NULL,
    size INTEGER NOT NULL, streams INTEGER NOT NULL) STRICT;
CREATE TABLE type(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE stream(id INTEGER PRIMARY KEY, name BLOB NOT NULL, subject BLOB, key INTEGER NOT NULL,
    version INTEGER NOT NULL, head INTEGER, lamport INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX stream_by_name ON stream(name);
CREATE INDEX stream_by_subject ON stream(subject);
CREATE TABLE entry(position INTEGER PRIMARY KEY, branch INTEGER NOT NULL, seq INTEGER NOT NULL,
    stream INTEGER NOT NULL, version INTEGER NOT NULL, prev INTEGER, type INTEGER NOT NULL,
    commitment BLOB NOT NULL, body BLOB) STRICT;
CREATE UNIQUE INDEX entry_by_seq ON entry(branch, seq);
CREATE TABLE node(id INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
CREATE TABLE checkpoint(branch INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, signature BLOB NOT NULL,
    receipt BLOB, PRIMARY KEY(branch, size)) WITHOUT ROWID, STRICT;
CREATE TABLE tracking(name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE snapshot(purpose TEXT NOT NULL, originator TEXT NOT NULL, version INTEGER NOT NULL, topic TEXT NOT NULL,
    state BLOB NOT NULL, PRIMARY KEY(purpose, originator, version)) WITHOUT ROWID, STRICT;
"""


class Branch(NamedTuple):
    """One history of one log, as this store numbers it."""

    id: int
    log: bytes
    public_key: bytes
    own: bool
    size: int
    streams: int


class Stream(NamedTuple):
    """A stream and its head. `lamport` is that of its last entry, 0 before the first."""

    id: int
    name: bytes
    subject: bytes | None
    key: int
    version: int
    head: int | None
    lamport: int

    @property
    def ordinal(self) -> int:
        """The stream's number in its log, from 1."""
        return self.id & ORDINAL_MASK


class Row(NamedTuple):
    """An entry as stored."""

    position: int
    branch: int
    seq: int
    stream: int
    version: int
    prev: int | None
    type: int
    commitment: bytes
    body: bytes | None


ENTRY_COLUMNS: Final = "position, branch, seq, stream, version, prev, type, commitment, body"
STREAM_COLUMNS: Final = "id, name, subject, key, version, head, lamport"


def branches(db: apsw.Connection) -> list[Branch]:
    """All branches, in the order in which they became known."""
    rows = db.execute("SELECT id, log, public_key, own, size, streams FROM branch ORDER BY id")
    return [Branch(i, log, key, bool(own), size, streams) for i, log, key, own, size, streams in rows]


def add_branch(db: apsw.Connection, log: bytes, public_key: bytes, own: bool) -> None:
    """A new branch of size 0."""
    db.execute("INSERT INTO branch(log, public_key, own, size, streams) VALUES(?,?,?,0,0)", (log, public_key, own))


def set_branch_size(db: apsw.Connection, branch: int, size: int, streams: int) -> None:
    """What the branch holds now."""
    db.execute("UPDATE branch SET size=?, streams=? WHERE id=?", (size, streams, branch))


def types(db: apsw.Connection) -> dict[str, int]:
    """The interned type names."""
    return {name: number for number, name in db.execute("SELECT id, name FROM type")}


def add_type(db: apsw.Connection, name: str) -> int:
    """Intern a type name."""
    db.execute("INSERT INTO type(name) VALUES(?)", (name,))
    return db.last_insert_rowid()


def stream_by_name(db: apsw.Connection, name: bytes) -> Stream | None:
    """The stream with this pseudonym."""
    return _stream(db, f"SELECT {STREAM_COLUMNS} FROM stream WHERE name=?", (name,))


def stream_by_id(db: apsw.Connection, number: int) -> Stream | None:
    """The stream with this local number."""
    return _stream(db, f"SELECT {STREAM_COLUMNS} FROM stream WHERE id=?", (number,))


def _stream(db: apsw.Connection, query: str, bindings: tuple[Any, ...]) -> Stream | None:
    for row in db.execute(query, bindings):
        return Stream._make(row)
    return None


def stream_names(db: apsw.Connection, numbers: Iterable[int]) -> dict[int, bytes]:
    """The pseudonyms of streams, by local number."""
    found = {}
    for number in numbers:
        for (name,) in db.execute("SELECT name FROM stream WHERE id=?", (number,)):
            found[number] = bytes(name)
    return found


def streams_of_subject(db: apsw.Connection, subject: bytes) -> list[Stream]:
    """Every log's stream about one subject."""
    query = f"SELECT {STREAM_COLUMNS} FROM stream WHERE subject=? ORDER BY id"
    return [Stream._make(row) for row in db.execute(query, (subject,))]


def subjects(db: apsw.Connection) -> Iterator[bytes]:
    """Every subject that any stream is about, each once."""
    for (subject,) in db.execute("SELECT DISTINCT subject FROM stream WHERE subject IS NOT NULL"):
        yield subject


def stream_seal(db: apsw.Connection, number: int) -> tuple[bytes, int] | None:
    """A stream's pseudonym and the number of its key."""
    for name, key in db.execute("SELECT name, key FROM stream WHERE id=?", (number,)):
        return name, key
    return None


def erased_streams(db: apsw.Connection) -> dict[bytes, int]:
    """The pseudonyms of streams that have no subject any more, with their keys' numbers."""
    rows: Any = db.execute("SELECT name, key FROM stream WHERE subject IS NULL")
    return dict(rows)


def erase_stream(db: apsw.Connection, stream: Stream) -> int:
    """Take bodies, types and subject away from a stream and its entries; how many bodies there were."""
    positions = [(row.position,) for row in chain(db, stream.head) if row.body is not None]
    db.executemany(f"UPDATE entry SET body=NULL, type={ERASED_TYPE} WHERE position=?", positions)
    db.execute("UPDATE stream SET subject=NULL WHERE id=?", (stream.id,))
    return len(positions)


def drop_snapshots(db: apsw.Connection) -> None:
    """Empty the library's snapshots, which hold content unsealed: whole pages go, so nothing is left in any."""
    db.execute("DELETE FROM snapshot")


def last_key_used(db: apsw.Connection, branch: int) -> int:
    """The highest stream key number that this branch's streams use, 0 if none."""
    low, high = branch << STREAM_SHIFT, (branch + 1) << STREAM_SHIFT
    number: int = db.execute("SELECT coalesce(max(key), 0) FROM stream WHERE id>=? AND id<?", (low, high)).get
    return number


def put_streams(db: apsw.Connection, heads: Iterable[Stream]) -> None:
    """Write streams' heads, new streams included."""
    db.executemany(
        "INSERT INTO stream VALUES(?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET"
        " version=excluded.version, head=excluded.head, lamport=excluded.lamport",
        heads,
    )


def add_entries(db: apsw.Connection, rows: Sequence[Row]) -> None:
    """Store entries at the end."""
    db.executemany("INSERT INTO entry VALUES(?,?,?,?,?,?,?,?,?)", rows)


def last_position(db: apsw.Connection) -> int:
    """The newest entry's position, 0 in an empty store."""
    position: int = db.execute("SELECT coalesce(max(position), 0) FROM entry").get
    return position


def entries_count(db: apsw.Connection) -> int:
    """How many entries are stored."""
    count: int = db.execute("SELECT count(*) FROM entry").get
    return count


def first_gap(db: apsw.Connection) -> int:
    """The first position at which no entry stands."""
    query = (
        "SELECT min(p) FROM (SELECT 1 AS p UNION ALL SELECT position + 1 FROM entry)"
        " WHERE p NOT IN (SELECT position FROM entry)"
    )
    position: int = db.execute(query).get
    return position


def entry_at(db: apsw.Connection, position: int) -> Row | None:
    """The entry at a position."""
    for row in db.execute(f"SELECT {ENTRY_COLUMNS} FROM entry WHERE position=?", (position,)):
        return Row._make(row)
    return None


def nodes_beyond(db: apsw.Connection, branch: int, first_number: int, shift: int) -> bool:
    """Whether a branch has tree nodes from a number on."""
    low, high = (branch << shift) + first_number, (branch + 1) << shift
    return bool(db.execute("SELECT EXISTS(SELECT 1 FROM node WHERE id>=? AND id<?)", (low, high)).get)


def entries_after(db: apsw.Connection, position: int, limit: int) -> list[Row]:
    """Entries in the order of their arrival."""
    query = f"SELECT {ENTRY_COLUMNS} FROM entry WHERE position>? ORDER BY position LIMIT ?"
    return [Row._make(row) for row in db.execute(query, (position, limit))]


def bodies_after(
    db: apsw.Connection, position: int, limit: int
) -> list[tuple[int, int, int, int, bytes, bytes | None]]:
    """(position, branch, seq, stream, commitment, body) in the order of arrival: all that a follower needs."""
    query = (
        "SELECT position, branch, seq, stream, commitment, body FROM entry WHERE position>? ORDER BY position LIMIT ?"
    )
    rows: list[Any] = db.execute(query, (position, limit)).fetchall()
    return rows


def entries_of_branch(db: apsw.Connection, branch: int, first_seq: int, limit: int) -> list[Row]:
    """Entries in the order of their log."""
    query = f"SELECT {ENTRY_COLUMNS} FROM entry WHERE branch=? AND seq>=? ORDER BY seq LIMIT ?"
    return [Row._make(row) for row in db.execute(query, (branch, first_seq, limit))]


def chain(db: apsw.Connection, head: int | None) -> list[Row]:
    """A stream's entries, newest first, from the entry at `head` back to its beginning."""
    query = (
        f"WITH RECURSIVE back({ENTRY_COLUMNS}) AS (SELECT {ENTRY_COLUMNS} FROM entry WHERE position=?"
        " UNION ALL SELECT e.position, e.branch, e.seq, e.stream, e.version, e.prev, e.type, e.commitment, e.body"
        " FROM back JOIN entry e ON e.position = back.prev) SELECT * FROM back"
    )
    return [Row._make(row) for row in db.execute(query, (head,))]


def add_nodes(db: apsw.Connection, branch: int, first_number: int, hashes: Sequence[bytes]) -> None:
    """Append tree nodes in number order."""
    base = (branch << NODE_SHIFT) + first_number
    db.executemany("INSERT INTO node VALUES(?,?)", [(base + i, h) for i, h in enumerate(hashes)])


def node_hash(db: apsw.Connection, branch: int, number: int) -> bytes | None:
    """One stored tree node."""
    for (found,) in db.execute("SELECT hash FROM node WHERE id=?", ((branch << NODE_SHIFT) + number,)):
        return bytes(found)
    return None


def nodes_from(db: apsw.Connection, branch: int, first_number: int, count: int) -> dict[int, bytes]:
    """Stored tree nodes of a range of numbers."""
    base = branch << NODE_SHIFT
    low = base + first_number
    rows = db.execute("SELECT id, hash FROM node WHERE id>=? AND id<?", (low, low + count))
    return {number - base: found for number, found in rows}


def put_checkpoint(db: apsw.Connection, branch: int, signed: SignedSize) -> None:
    """Keep a signed size; a receipt, once there, stays."""
    db.execute(
        "INSERT INTO checkpoint VALUES(?,?,?,?,?) ON CONFLICT(branch, size) DO UPDATE SET"
        " receipt=coalesce(excluded.receipt, receipt)",
        (branch, *signed),
    )


def checkpoints(db: apsw.Connection, branch: int, after: int, until: int) -> list[SignedSize]:
    """The signed sizes of a branch in a range, smallest first."""
    query = "SELECT size, root, signature, receipt FROM checkpoint WHERE branch=? AND size>? AND size<=? ORDER BY size"
    return [SignedSize._make(row) for row in db.execute(query, (branch, after, until))]


def signed_size_until(db: apsw.Connection, branch: int, size: int) -> int:
    """The largest signed size up to this one, 0 if there is none."""
    query = "SELECT coalesce(max(size), 0) FROM checkpoint WHERE branch=? AND size<=?"
    found: int = db.execute(query, (branch, size)).get
    return found


def last_checkpoint(db: apsw.Connection, branch: int, with_receipt: bool = False) -> SignedSize | None:
    """The largest signed size, or the largest one with a receipt."""
    condition = "AND receipt IS NOT NULL" if with_receipt else ""
    for row in db.execute(
        f"SELECT size, root, signature, receipt FROM checkpoint WHERE branch=? {condition} ORDER BY size DESC LIMIT 1",
        (branch,),
    ):
        return SignedSize._make(row)
    return None


def receipts_count(db: apsw.Connection, branch: int) -> int:
    """How many signed sizes have a receipt."""
    count: int = db.execute("SELECT count(receipt) FROM checkpoint WHERE branch=?", (branch,)).get
    return count


def tracked(db: apsw.Connection, name: str) -> int | None:
    """How far an upstream application of the library's kind was followed."""
    for (position,) in db.execute("SELECT position FROM tracking WHERE name=?", (name,)):
        return int(position)
    return None


def track(db: apsw.Connection, name: str, position: int) -> bool:
    """Move a tracking mark forward; False if it stands there already or beyond."""
    rows = db.execute(
        "INSERT INTO tracking VALUES(?,?) ON CONFLICT(name) DO UPDATE SET position=excluded.position"
        " WHERE tracking.position<excluded.position RETURNING position",
        (name, position),
    ).fetchall()
    return bool(rows)


def mark(db: apsw.Connection) -> int:
    """Count a transaction that adds no entry, so that the file shows whether it is stored; how many there were."""
    query = "INSERT INTO tracking VALUES(?,1) ON CONFLICT(name) DO UPDATE SET position=position+1 RETURNING position"
    count: int = db.execute(query, (MARK,)).get
    return count


def head(db: apsw.Connection) -> tuple[int, int]:
    """What tells one state of the file from the next: the newest position, and how many marks were left."""
    return last_position(db), tracked(db, MARK) or 0


def add_snapshots(db: apsw.Connection, rows: Sequence[tuple[str, str, int, str, bytes]]) -> None:
    """Keep the library's snapshots: (purpose, originator, version, topic, state)."""
    db.executemany("INSERT INTO snapshot VALUES(?,?,?,?,?)", rows)


def snapshots(db: apsw.Connection, purpose: str, originator: str) -> list[tuple[int, str, bytes]]:
    """The snapshots of one originator, oldest first."""
    query = "SELECT version, topic, state FROM snapshot WHERE purpose=? AND originator=? ORDER BY version"
    return [(version, topic, state) for version, topic, state in db.execute(query, (purpose, originator))]
