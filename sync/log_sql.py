"""The SQL of `log.db`, but for `fork_sql` and `snapshot_sql`; the tables are explained in `log_schema`.

A statement that is not read to its end keeps a lock, so every function here reads what it asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import apsw

from sync.batch import SignedSize
from sync.log_schema import ERASED_TYPE, STREAM_SHIFT, Branch, Kind, Row, Run, Stream
from sync.merkle import HASH_SIZE, completed_by

POSITION_MAX: Final = 2**63 - 1
MARK: Final = "homeward/mark"  # among the tracked applications: how many transactions added no entry
ENTRY_COLUMNS: Final = "position, seq, stream, version, prev, type, commitment, tree, body"
BODY_COLUMNS: Final = "position, seq, stream, commitment, body"
LIVE: Final = f"NOT IN (SELECT id FROM branch WHERE own={Kind.LOST})"  # what a branch's number must be to count
Body = tuple[int, int, int, bytes, bytes | None]
STREAM_QUERY: Final = (
    "SELECT id, name, subject, key, coalesce(version, 0), position, coalesce(lamport, 0)"
    " FROM stream LEFT JOIN head ON head.stream = stream.id"
)


def branches(db: apsw.Connection, number: int | None = None) -> list[Branch]:
    """All branches, in the order in which they became known; or the one of a number."""
    asked, values = ("", ()) if number is None else ("WHERE id=?", (number,))
    rows = db.execute(f"SELECT id, log, public_key, own, size, streams FROM branch {asked} ORDER BY id", values)
    return [Branch(i, log, key, Kind(kind), size, streams) for i, log, key, kind, size, streams in rows]


def add_branch(db: apsw.Connection, log: bytes, public_key: bytes, kind: Kind) -> int:
    """A new branch of size 0; its number."""
    statement = "INSERT INTO branch(log, public_key, own, size, streams) VALUES(?,?,?,0,0)"
    db.execute(statement, (log, public_key, kind))
    return db.last_insert_rowid()


def set_branch_size(db: apsw.Connection, branch: int, size: int, streams: int) -> None:
    """What the branch holds now."""
    db.execute("UPDATE branch SET size=?, streams=? WHERE id=?", (size, streams, branch))


def types(db: apsw.Connection) -> dict[str, int]:
    """The interned type names."""
    return {name: number for number, name in db.execute("SELECT id, name FROM type")}


def add_types(db: apsw.Connection, names: Mapping[str, int]) -> None:
    """Intern type names under these numbers."""
    db.executemany("INSERT INTO type(name, id) VALUES(?,?)", names.items())


def stream_by_name(db: apsw.Connection, name: bytes) -> Stream | None:
    """The stream with this pseudonym; looks at all streams unless the name is also the subject's, as the library's are.

    Two homes that use the library can give one name twice: the first of them is found.
    """
    for found in streams_of_subject(db, name):
        if found.name == name:
            return found
    return _stream(db, f"{STREAM_QUERY} WHERE name=? ORDER BY id LIMIT 1", (name,))


def streams_named(db: apsw.Connection, names: Collection[bytes]) -> list[Stream]:
    """The streams with these pseudonyms that still have a subject; looks at all streams."""
    rows = db.execute("SELECT id, name FROM stream WHERE subject IS NOT NULL") if names else ()
    return [found for number, name in rows if name in names and (found := stream_by_id(db, number)) is not None]


def stream_by_id(db: apsw.Connection, number: int) -> Stream | None:
    """The stream with this local number."""
    return _stream(db, f"{STREAM_QUERY} WHERE id=?", (number,))


def streams_by_id(db: apsw.Connection, numbers: Collection[int]) -> dict[int, Stream]:
    """Those of the streams with these local numbers that there are."""
    query = f"{STREAM_QUERY} WHERE id IN ({','.join('?' * len(numbers))})"
    return {found.id: found for found in map(Stream._make, db.execute(query, tuple(numbers)).fetchall())}


def _stream(db: apsw.Connection, query: str, bindings: tuple[Any, ...]) -> Stream | None:
    for row in db.execute(query, bindings):
        return Stream._make(row)
    return None


def stream_names(db: apsw.Connection, numbers: Iterable[int]) -> dict[int, bytes]:
    """The pseudonyms of streams, by local number."""
    query = "SELECT name FROM stream WHERE id=?"
    return {number: bytes(name) for number in numbers for (name,) in db.execute(query, (number,))}


def streams_of_branch(db: apsw.Connection, branch: int, first_ordinal: int, count: int) -> list[Stream]:
    """Up to `count` streams of a branch in the order in which they began."""
    first, end = (branch << STREAM_SHIFT) + first_ordinal, (branch + 1) << STREAM_SHIFT
    query = f"{STREAM_QUERY} WHERE id>=? AND id<? ORDER BY id LIMIT ?"
    return [Stream._make(row) for row in db.execute(query, (first, end, count))]


def streams_of_subject(db: apsw.Connection, subject: bytes) -> list[Stream]:
    """Every log's stream about one subject, those of lost branches too."""
    query = f"{STREAM_QUERY} WHERE subject=? ORDER BY id"
    return [Stream._make(row) for row in db.execute(query, (subject,))]


def live_streams_of_subject(db: apsw.Connection, subject: bytes) -> list[Stream]:
    """The streams about one subject that count."""
    query = f"{STREAM_QUERY} WHERE subject=? AND id >> {STREAM_SHIFT} {LIVE} ORDER BY id"
    return [Stream._make(row) for row in db.execute(query, (subject,))]


def stream_of_subject(db: apsw.Connection, subject: bytes, branch: int, name: bytes | None = None) -> Stream | None:
    """One branch's stream about a subject. Asked for every stream that begins, so it is a look at the index alone.

    `name`: the one of this name. Of a log in part there may be several: a hub that was put back began it twice.
    """
    rows: list[Any] = db.execute("SELECT id FROM stream WHERE subject=? ORDER BY id", (subject,)).fetchall()
    numbers = [number for (number,) in rows if number >> STREAM_SHIFT == branch]
    found = (stream_by_id(db, number) for number in numbers)
    return next((stream for stream in found if stream is not None and name in (None, stream.name)), None)


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


def last_key_used(db: apsw.Connection, branch: int) -> int:
    """The highest stream key number that this branch's streams use, 0 if none."""
    low, high = branch << STREAM_SHIFT, (branch + 1) << STREAM_SHIFT
    query = "SELECT key FROM stream WHERE id>=? AND id<? ORDER BY id DESC LIMIT 1"  # keys are taken in ascending order
    for (number,) in db.execute(query, (low, high)):
        return int(number)
    return 0


def add_streams(db: apsw.Connection, streams: Iterable[Stream]) -> None:
    """Begin streams, without their heads."""
    db.executemany("INSERT INTO stream VALUES(?,?,?,?)", [stream[:4] for stream in streams])


def put_heads(db: apsw.Connection, heads: Iterable[tuple[int, int, int, int]]) -> None:
    """Write streams' heads: (stream, version, position, lamport)."""
    db.executemany("INSERT OR REPLACE INTO head VALUES(?,?,?,?)", heads)


def last_head(db: apsw.Connection) -> int:
    """The newest position that any stream's head names, 0 if there is none."""
    position: int = db.execute("SELECT coalesce(max(position), 0) FROM head").get
    return position


def add_entries(db: apsw.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Store entries at the end, each as the columns of a `Row`."""
    db.executemany("INSERT INTO entry VALUES(?,?,?,?,?,?,?,?,?)", rows)


def add_runs(db: apsw.Connection, runs: Iterable[Run]) -> None:
    """Say where entries of another branch begin."""
    db.executemany("INSERT INTO run VALUES(?,?,?)", runs)


def last_run(db: apsw.Connection) -> Run | None:
    """The run at the store's end."""
    for row in db.execute("SELECT position, branch, seq FROM run ORDER BY position DESC LIMIT 1"):
        return Run._make(row)
    return None


def _run_of(db: apsw.Connection, branch: int, seq: int) -> tuple[Run, int] | None:
    """The run that an entry of a branch stands in, and the position at which the next run begins."""
    query = "SELECT position, branch, seq FROM run WHERE branch=? AND seq<=? ORDER BY seq DESC LIMIT 1"
    rows = db.execute(query, (branch, seq)).fetchall()  # finished before the next one: an open statement keeps a lock
    if not rows:
        return None
    query = "SELECT coalesce(min(position), ?) FROM run WHERE position>?"
    after: int = db.execute(query, (POSITION_MAX, rows[0][0])).get
    return Run._make(rows[0]), after


def wrong_run(db: apsw.Connection) -> Run | None:
    """The first run whose first entry is not the one that it names."""
    query = (
        "SELECT r.position, r.branch, r.seq FROM run r LEFT JOIN entry e ON e.position = r.position"
        f" WHERE e.seq IS NOT r.seq OR e.stream >> {STREAM_SHIFT} IS NOT r.branch ORDER BY r.position LIMIT 1"
    )
    rows = db.execute(query).fetchall()
    return Run._make(rows[0]) if rows else None


def position_of(db: apsw.Connection, branch: int, seq: int) -> int | None:
    """Where an entry of a branch should stand; None where no run leads to it."""
    found = _run_of(db, branch, seq)
    if found is None:
        return None
    run, after = found
    position = run.position + seq - run.seq
    return position if position < after else None


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


def entries_after(db: apsw.Connection, position: int, limit: int) -> list[Row]:
    """Entries in the order of their arrival, without those of lost branches."""
    query = f"SELECT {ENTRY_COLUMNS} FROM entry WHERE position>? AND stream >> {STREAM_SHIFT} {LIVE}"
    query += " ORDER BY position LIMIT ?"
    return [Row._make(row) for row in db.execute(query, (position, limit))]


def bodies_after(db: apsw.Connection, position: int, limit: int) -> list[Body]:
    """What reading content needs of entries, in the order of arrival."""
    query = f"SELECT {BODY_COLUMNS} FROM entry WHERE position>? AND stream >> {STREAM_SHIFT} {LIVE}"
    rows: list[Any] = db.execute(query + " ORDER BY position LIMIT ?", (position, limit)).fetchall()
    return rows


def bodies_of_branch(db: apsw.Connection, branch: int, first_seq: int, limit: int) -> list[Body]:
    """The same in the order of their log."""
    return list(_of_branch(db, BODY_COLUMNS, branch, first_seq, limit))


def entries_of_branch(db: apsw.Connection, branch: int, first_seq: int, limit: int) -> list[Row]:
    """Entries in the order of their log."""
    return [Row._make(row) for row in _of_branch(db, ENTRY_COLUMNS, branch, first_seq, limit)]


def body_sizes_of_branch(db: apsw.Connection, branch: int) -> list[int]:
    """How many bytes each body of a branch takes as it is stored, in the order of its log."""
    return [size for (size,) in _of_branch(db, "coalesce(length(body), 0)", branch, 1, POSITION_MAX)]


def _of_branch(db: apsw.Connection, columns: str, branch: int, first_seq: int, limit: int) -> Iterator[Any]:
    """Run after run, for as long as there is something to read."""
    query = f"SELECT {columns} FROM entry WHERE position>=? AND position<? ORDER BY position LIMIT ?"
    found = _run_of(db, branch, max(first_seq, 1)) or _next_run(db, Run(0, branch, 0))
    while found is not None and limit > 0:
        run, after = found
        rows = db.execute(query, (run.position + max(first_seq - run.seq, 0), after, limit)).fetchall()
        yield from rows
        limit -= len(rows)
        found = _next_run(db, run)


def _next_run(db: apsw.Connection, run: Run) -> tuple[Run, int] | None:
    query = "SELECT seq FROM run WHERE branch=? AND seq>? ORDER BY seq LIMIT 1"
    rows: list[Any] = db.execute(query, (run.branch, run.seq)).fetchall()
    return _run_of(db, run.branch, rows[0][0]) if rows else None


def chain(db: apsw.Connection, head: int | None) -> list[Row]:
    """A stream's entries, newest first, from the entry at `head` back to its beginning."""
    return [Row._make(row) for row in db.execute(_chain_query(ENTRY_COLUMNS), (head,))]


def chain_bodies(db: apsw.Connection, head: int | None) -> list[Body]:
    """What reading content needs of them."""
    rows: list[Any] = db.execute(_chain_query(BODY_COLUMNS), (head,)).fetchall()
    return rows


def _chain_query(columns: str) -> str:
    return (
        "WITH RECURSIVE back(place, before) AS (SELECT position, prev FROM entry WHERE position=?"
        " UNION ALL SELECT position, prev FROM back JOIN entry ON position = before)"
        f" SELECT {columns} FROM back JOIN entry ON position = place"
    )


def node_hash(db: apsw.Connection, branch: int, number: int) -> bytes | None:
    """One stored tree node of a branch; None where its entry is missing or holds no such node."""
    leaf, level = completed_by(number)
    query = "SELECT substr(tree, ?, ?) FROM entry WHERE position=? AND seq=?"
    position = position_of(db, branch, leaf + 1)
    for (found,) in db.execute(query, (1 + level * HASH_SIZE, HASH_SIZE, position, leaf + 1)):
        return bytes(found) if found and len(found) == HASH_SIZE else None  # of an empty blob substr is NULL
    return None


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


def signed_size_after(db: apsw.Connection, branch: int, size: int) -> int | None:
    """The smallest signed size beyond this one."""
    query = "SELECT min(size) FROM checkpoint WHERE branch=? AND size>?"
    found: int | None = db.execute(query, (branch, size)).get
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
