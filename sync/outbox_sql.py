"""The tables of outboxes in `log.db`, and their SQL.

An outbox is a log whose entries are entries of other logs, so it stores none of its own: `outbox_entry` says which
entry of this store stands at number n, with the tree nodes that its leaf fills (as `entry.tree` does for a log of its
own). `outbox_stream` numbers the streams that began in it, and says up to which of its versions each is in it: that
alone makes routing a thing that can be repeated. `outbox_scope` names the subjects that an outbox follows.
`outbox_tie` names subjects that hang on another one; who erases either takes both tables' rows away. `outbox_again`
names peers' logs in which streams about erased subjects began to arrive: whoever wrote them has yet to be told.

Branches of the kinds PART, BESIDE and COMING are not here from their beginning to their end: at a home those of the
logs whose streams came to it through an outbox, its own home's through a welcome. Their entries have no tree of their
own (`entry.tree` is empty), each gap in their seq begins a run, and their size counts what is here. What vouches for
them is the outbox.

Folders were made before there were outboxes: whoever opens one for writing makes the tables.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

import apsw

from sync import log_sql
from sync.batch import SignedSize
from sync.database import transaction
from sync.log_schema import FORMAT, STREAM_SHIFT, Kind, Row, Stream
from sync.merkle import HASH_SIZE, completed_by

SCHEMA: Final = """
CREATE TABLE outbox(id INTEGER PRIMARY KEY, log BLOB NOT NULL UNIQUE, public_key BLOB NOT NULL, home TEXT NOT NULL,
    epoch INTEGER NOT NULL, size INTEGER NOT NULL, streams INTEGER NOT NULL) STRICT;
CREATE TABLE outbox_entry(outbox INTEGER NOT NULL, n INTEGER NOT NULL, position INTEGER NOT NULL, tree BLOB NOT NULL,
    PRIMARY KEY(outbox, n)) WITHOUT ROWID, STRICT;
CREATE TABLE outbox_stream(outbox INTEGER NOT NULL, ordinal INTEGER NOT NULL, stream INTEGER NOT NULL,
    version INTEGER NOT NULL, PRIMARY KEY(outbox, ordinal)) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX outbox_stream_by_stream ON outbox_stream(outbox, stream);
CREATE TABLE outbox_checkpoint(outbox INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
    signature BLOB NOT NULL, PRIMARY KEY(outbox, size)) WITHOUT ROWID, STRICT;
CREATE TABLE outbox_scope(subject BLOB NOT NULL, outbox INTEGER NOT NULL, PRIMARY KEY(subject, outbox))
    WITHOUT ROWID, STRICT;
CREATE TABLE outbox_again(log BLOB NOT NULL, subject BLOB NOT NULL, PRIMARY KEY(log, subject)) WITHOUT ROWID, STRICT;
CREATE TABLE outbox_tie(subject BLOB NOT NULL, hangs BLOB NOT NULL, PRIMARY KEY(subject, hangs)) WITHOUT ROWID, STRICT;
"""
# Of its own, because folders had the table before: whoever opens one for writing makes it, and older versions heed it.
TIE_INDEX: Final = "CREATE INDEX outbox_tie_by_hangs ON outbox_tie(hangs)"
TIED_QUERY: Final = "SELECT subject FROM outbox_tie WHERE hangs=?"
FORGET_TIES: Final = "DELETE FROM outbox_tie WHERE subject=? OR hangs=?"
LATER_QUERY: Final = (
    "WITH RECURSIVE back(place, before) AS (SELECT position, prev FROM entry WHERE position=? AND version>?"
    " UNION ALL SELECT position, prev FROM back JOIN entry ON position = before AND version>?)"
    f" SELECT {log_sql.ENTRY_COLUMNS} FROM back JOIN entry ON position = place"
)
INCOMPLETE: Final = f"({Kind.PART}, {Kind.BESIDE}, {Kind.COMING})"
OUTBOX_QUERY: Final = "SELECT id, log, public_key, home, epoch, size, streams FROM outbox"


class Outbox(NamedTuple):
    """One outbox, as this store numbers it: whose key signs it, for which home it is, and what it holds."""

    id: int
    log: bytes
    public_key: bytes
    home: str
    epoch: int
    size: int
    streams: int

    @property
    def is_welcome(self) -> bool:
        """Whether it is for one node of its home, and has the home's own logs: then `home` names that node, too."""
        return " " in self.home


class Place(NamedTuple):
    """An entry in an outbox: its number there, where it stands in this store, and the tree nodes that it fills."""

    n: int
    position: int
    tree: bytes


def exist(db: apsw.Connection) -> bool:
    """Whether the folder has the tables yet."""
    return db.table_exists(None, "outbox")


def make_tables(db: apsw.Connection) -> None:
    """Give a folder of an older format the tables that it lacks, and one that was made before it the index."""
    if not exist(db):
        with transaction(db):
            db.execute(SCHEMA)
            db.execute(TIE_INDEX)
            db.execute(f"PRAGMA user_version={FORMAT}")
    elif not db.execute("SELECT count(*) FROM sqlite_schema WHERE name='outbox_tie_by_hangs'").get:
        with transaction(db):
            db.execute(TIE_INDEX)


def outboxes(db: apsw.Connection) -> list[Outbox]:
    """All outboxes, in the order in which they were opened."""
    if not exist(db):
        return []
    return [Outbox._make(row) for row in db.execute(f"{OUTBOX_QUERY} ORDER BY id").fetchall()]


def outbox(db: apsw.Connection, log: bytes) -> Outbox | None:
    """The outbox with this id."""
    return next((one for one in outboxes(db) if one.log == log), None)


def add_outbox(db: apsw.Connection, log: bytes, public_key: bytes, home: str, epoch: int) -> None:
    """A new outbox of size 0."""
    statement = "INSERT INTO outbox(log, public_key, home, epoch, size, streams) VALUES(?,?,?,?,0,0)"
    db.execute(statement, (log, public_key, home, epoch))


def set_size(db: apsw.Connection, number: int, size: int, streams: int) -> None:
    """What the outbox holds now."""
    db.execute("UPDATE outbox SET size=?, streams=? WHERE id=?", (size, streams, number))


def add_places(db: apsw.Connection, number: int, places: Iterable[Place]) -> None:
    """Store numbers of an outbox."""
    db.executemany("INSERT INTO outbox_entry VALUES(?,?,?,?)", [(number, *place) for place in places])


def places(db: apsw.Connection, number: int, after: int, limit: int) -> list[Place]:
    """An outbox's entries in their order."""
    query = "SELECT n, position, tree FROM outbox_entry WHERE outbox=? AND n>? ORDER BY n LIMIT ?"
    return [Place._make(row) for row in db.execute(query, (number, after, limit)).fetchall()]


def holds(db: apsw.Connection, number: int, position: int) -> bool:
    """Whether an entry is in an outbox; looks at all of it."""
    query = "SELECT count(*) FROM outbox_entry WHERE outbox=? AND position=?"
    return bool(db.execute(query, (number, position)).get)


def node_hash(db: apsw.Connection, number: int, node: int) -> bytes | None:
    """One stored tree node of an outbox."""
    leaf, level = completed_by(node)
    query = "SELECT substr(tree, ?, ?) FROM outbox_entry WHERE outbox=? AND n=?"
    found: list[Any] = db.execute(query, (1 + level * HASH_SIZE, HASH_SIZE, number, leaf + 1)).fetchall()
    return bytes(found[0][0]) if found and len(found[0][0]) == HASH_SIZE else None


def stream_at(db: apsw.Connection, number: int, ordinal: int) -> int | None:
    """The store's number of the stream that has this ordinal in an outbox."""
    rows: list[Any] = db.execute(
        "SELECT stream FROM outbox_stream WHERE outbox=? AND ordinal=?", (number, ordinal)
    ).fetchall()
    return rows[0][0] if rows else None


def stream_named(db: apsw.Connection, branch: int, name: bytes) -> Stream | None:
    """A branch's stream with this pseudonym; looks at all of the branch's streams."""
    first, end = branch << STREAM_SHIFT, (branch + 1) << STREAM_SHIFT
    rows: list[Any] = db.execute("SELECT id FROM stream WHERE id>=? AND id<? AND name=?", (first, end, name)).fetchall()
    return log_sql.stream_by_id(db, rows[0][0]) if rows else None


def streams(db: apsw.Connection, number: int, numbers: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Of these streams, those that are in an outbox: {stream: (ordinal, up to which version)}."""
    found: dict[int, tuple[int, int]] = {}
    for stream in numbers:
        query = "SELECT ordinal, version FROM outbox_stream WHERE outbox=? AND stream=?"
        rows: list[Any] = db.execute(query, (number, stream)).fetchall()
        if rows:
            found[stream] = (rows[0][0], rows[0][1])
    return found


def put_streams(db: apsw.Connection, number: int, rows: Iterable[tuple[int, int, int]]) -> None:
    """Begin streams in an outbox, or say that they are in it up to a later version: (ordinal, stream, version)."""
    db.executemany(
        "INSERT INTO outbox_stream VALUES(?,?,?,?) ON CONFLICT(outbox, ordinal) DO UPDATE SET version=excluded.version",
        [(number, *row) for row in rows],
    )


def put_checkpoint(db: apsw.Connection, number: int, size: int, root: bytes, signature: bytes) -> None:
    """Keep a signed size."""
    db.execute("INSERT OR IGNORE INTO outbox_checkpoint VALUES(?,?,?,?)", (number, size, root, signature))


def checkpoints(db: apsw.Connection, number: int, after: int, until: int) -> list[SignedSize]:
    """The signed sizes of an outbox in a range, smallest first."""
    query = (
        "SELECT size, root, signature, NULL FROM outbox_checkpoint WHERE outbox=? AND size>? AND size<=? ORDER BY size"
    )
    return [SignedSize._make(row) for row in db.execute(query, (number, after, until)).fetchall()]


def last_signed(db: apsw.Connection, number: int) -> int:
    """The largest signed size of an outbox, 0 if there is none."""
    size: int = db.execute("SELECT coalesce(max(size), 0) FROM outbox_checkpoint WHERE outbox=?", (number,)).get
    return size


def scope(db: apsw.Connection, subject: bytes) -> set[int]:
    """The outboxes that follow a subject."""
    return {number for (number,) in db.execute("SELECT outbox FROM outbox_scope WHERE subject=?", (subject,))}


def followers_query(count: int) -> str:
    """What follows so many subjects, or the child whose file they go with."""
    marks = ",".join("?" * count)
    return f"""
        SELECT subject, outbox FROM outbox_scope WHERE subject IN ({marks})
        UNION SELECT hangs, outbox FROM outbox_tie JOIN outbox_scope USING (subject) WHERE hangs IN ({marks})
    """


def followers_of(db: apsw.Connection, subjects: Collection[bytes]) -> dict[bytes, set[int]]:
    """For many subjects at once the outboxes that follow them, or the child whose file they go with.

    Those that nobody follows are left out.
    """
    found: dict[bytes, set[int]] = {}
    rows: list[Any] = db.execute(followers_query(len(subjects)), (*subjects, *subjects)).fetchall()
    for subject, number in rows:
        found.setdefault(subject, set()).add(number)
    return found


def followers(db: apsw.Connection, subject: bytes) -> set[int]:
    """The outboxes that follow a subject, or the child whose file it goes with."""
    rows: list[Any] = db.execute(TIED_QUERY, (subject,)).fetchall()
    return scope(db, subject).union(*(scope(db, child) for (child,) in rows))


def set_scope(db: apsw.Connection, subject: bytes, numbers: Iterable[int]) -> None:
    """From now on these outboxes follow a subject, and no others."""
    db.execute("DELETE FROM outbox_scope WHERE subject=?", (subject,))
    db.executemany("INSERT INTO outbox_scope VALUES(?,?)", [(subject, number) for number in numbers])


def tie(db: apsw.Connection, subject: bytes, hangs: bytes) -> None:
    """Note that one subject hangs on another."""
    db.execute("INSERT OR IGNORE INTO outbox_tie VALUES(?,?)", (subject, hangs))


def hanging_on(db: apsw.Connection, subject: bytes) -> list[bytes]:
    """The subjects that hang on this one."""
    return [hangs for (hangs,) in db.execute("SELECT hangs FROM outbox_tie WHERE subject=? ORDER BY hangs", (subject,))]


def add_again(db: apsw.Connection, log: bytes, subject: bytes) -> None:
    """A peer's log writes about a subject that was erased here."""
    db.execute("INSERT OR IGNORE INTO outbox_again VALUES(?,?)", (log, subject))


def again(db: apsw.Connection) -> list[tuple[bytes, bytes]]:
    """Who is yet to be told that a subject was erased: (log, subject)."""
    rows: list[Any] = db.execute("SELECT log, subject FROM outbox_again ORDER BY log, subject").fetchall()
    return rows


def told(db: apsw.Connection) -> None:
    """All of them were."""
    db.execute("DELETE FROM outbox_again")


def forget(db: apsw.Connection, subject: bytes) -> None:
    """Let nothing here lead to an erased subject."""
    db.execute("DELETE FROM outbox_scope WHERE subject=?", (subject,))
    db.execute(FORGET_TIES, (subject, subject))


def partial_branches(db: apsw.Connection) -> set[int]:
    """The branches that are not here from their beginning to their end."""
    return {branch for (branch,) in db.execute(f"SELECT id FROM branch WHERE own IN {INCOMPLETE}")}


def add_partial(db: apsw.Connection, log: bytes, kind: Kind = Kind.PART) -> int:
    """A new branch for what will come of another home's log; its number."""
    return log_sql.add_branch(db, log, b"", kind)


def placed_in_partial(db: apsw.Connection) -> int:
    """How many different entries of partial branches stand in any outbox."""
    query = (
        "SELECT count(DISTINCT o.position) FROM outbox_entry o JOIN entry e ON e.position = o.position"
        f" JOIN branch b ON b.id = e.stream >> ? AND b.own IN {INCOMPLETE}"
    )
    count: int = db.execute(query, (STREAM_SHIFT,)).get
    return count


def sizes_of_branches(db: apsw.Connection, number: int) -> dict[int, int]:
    """How many entries of each branch stand in an outbox."""
    query = (
        "SELECT e.stream >> ?, count(*) FROM outbox_entry o JOIN entry e ON e.position = o.position"
        " WHERE o.outbox=? GROUP BY 1 ORDER BY 1"
    )
    rows: Any = db.execute(query, (STREAM_SHIFT, number)).fetchall()
    return dict(rows)


def tracked_under(db: apsw.Connection, prefix: str) -> int:
    """The sum of all marks whose names begin so."""
    query = "SELECT coalesce(sum(position), 0) FROM tracking WHERE substr(name, 1, ?) = ?"
    total: int = db.execute(query, (len(prefix), prefix)).get
    return total


def untrack_under(db: apsw.Connection, prefix: str) -> None:
    """Forget all marks whose names begin so."""
    db.execute("DELETE FROM tracking WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))


def rows_of_stream(db: apsw.Connection, head: int | None, after_version: int) -> list[Row]:
    """A stream's entries behind a version, oldest first."""
    return [Row._make(row) for row in db.execute(LATER_QUERY, (head, after_version, after_version)).fetchall()][::-1]
