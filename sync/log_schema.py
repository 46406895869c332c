"""The tables of `log.db`, and why they look as they do; `log_sql` has the statements.

`entry` holds own and replicated entries in the order of their arrival (`position`, the rowid, gapless) and is only ever
appended to. It has no index at all, because an index over random ids changes a page of its own for nearly every entry:

* A log's entries arrive in order, so they stand in *runs*: from a run's first position on, seq and position rise
  together until another log's run begins. `run` names where each begins; it is the whole index over (branch, seq).
* A stream's *head* carries its version and the position of its last entry, which both checks a writer's expectation
  and makes versions unique. Every entry points at the one before it in its stream (`prev`), so reading a stream walks
  that chain backwards. Heads are rewritten all the time and therefore small rows of their own; what never changes of a
  stream (pseudonym, subject, key) is in `stream`, whose only index leads from a subject to its streams.
* The RFC 6962 tree is stored where it grows: `tree` of an entry is the hash of its leaf, then those of the complete
  subtrees that this leaf fills, from small to large. So every hash is inserted once, with its entry, and never
  rewritten; the subtree on some level that ends with a leaf is 32 bytes at 32 times that level.

A stream's id is branch << 40 | ordinal (the ordinal is its number in its log, from 1), so one home's streams lie
together and the entry need not name its branch.

A log has one branch that is read as that log. Where a part of it was set aside (`succession`), that part is a *lost*
branch of the same log, and `fork` says where it goes on from. Its entries keep their positions; their streams are its
own. Of a log in part there may be branches *beside* it: entries at places where it has others (`outbox_taking`).

`checkpoint` keeps the sizes whose root the log's key has signed, with the hub's receipt where there is one. `tracking`
and `snapshot` serve the `eventsourcing` library. Types are interned; bodies are sealed (see `sealing`).
An erased entry has no body and type 0, its stream no subject; a stream that came here erased has key 0. Tables are
STRICT, so that bytes can never become text, which no reader expects.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple

from sync.errors import LogCorrupt

LOG_FILE: Final = "log.db"
APPLICATION_ID: Final = 0x48574C47  # "HWLG"
OLDEST_FORMAT: Final = 2  # none before it was ever released
FORMAT: Final = 3  # 3: with outboxes (`outbox_sql`), whose tables are made when a folder of format 2 is opened
STREAM_SHIFT: Final = 40
ORDINAL_MASK: Final = (1 << STREAM_SHIFT) - 1
ERASED_TYPE: Final = 0

SCHEMA: Final = """
CREATE TABLE branch(id INTEGER PRIMARY KEY, log BLOB NOT NULL, public_key BLOB NOT NULL, own INTEGER NOT NULL,
    size INTEGER NOT NULL, streams INTEGER NOT NULL) STRICT;
CREATE TABLE type(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE stream(id INTEGER PRIMARY KEY, name BLOB NOT NULL, subject BLOB, key INTEGER NOT NULL) STRICT;
CREATE INDEX stream_by_subject ON stream(subject);
CREATE TABLE head(stream INTEGER PRIMARY KEY, version INTEGER NOT NULL, position INTEGER NOT NULL,
    lamport INTEGER NOT NULL) STRICT;
CREATE TABLE entry(position INTEGER PRIMARY KEY, seq INTEGER NOT NULL, stream INTEGER NOT NULL,
    version INTEGER NOT NULL, prev INTEGER, type INTEGER NOT NULL, commitment BLOB NOT NULL, tree BLOB NOT NULL,
    body BLOB) STRICT;
CREATE TABLE run(position INTEGER PRIMARY KEY, branch INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX run_by_seq ON run(branch, seq);
CREATE TABLE checkpoint(branch INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, signature BLOB NOT NULL,
    receipt BLOB, PRIMARY KEY(branch, size)) WITHOUT ROWID, STRICT;
CREATE TABLE tracking(name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE snapshot(purpose TEXT NOT NULL, originator TEXT NOT NULL, version INTEGER NOT NULL, topic TEXT NOT NULL,
    state BLOB NOT NULL, PRIMARY KEY(purpose, originator, version)) WITHOUT ROWID, STRICT;
"""
# Of its own, because folders were made before anything was set aside: the first time makes it.
FORK_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS fork(branch INTEGER PRIMARY KEY, of INTEGER NOT NULL, base INTEGER NOT NULL) STRICT;
"""


class Kind(IntEnum):
    """What a branch is to this node."""

    PEER = 0  # a log that other nodes push here
    OWN = 1  # a log that this node has, or once had, the key of; it writes the newest of them
    LOST = 2  # what was set aside of a log: kept and verified, but nothing else reads it
    KIN = 3  # another log of this node's home, which it follows
    PART = 4  # a log of which some streams came through an outbox (`outbox_taking`)
    COMING = 5  # another log of this node's home whose streams come in the order of need, until it is whole (`welcome`)
    BESIDE = 6  # of such a log what an outbox of a later epoch has where the one of kind PART has another; it counts


class Branch(NamedTuple):
    """One history of one log, as this store numbers it. Of a lost branch the `size` is where its entries end."""

    id: int
    log: bytes
    public_key: bytes
    kind: Kind
    size: int
    streams: int

    @property
    def own(self) -> bool:
        """Whether this node has its key."""
        return self.kind == Kind.OWN

    @property
    def kin(self) -> bool:
        """Whether it is another log of this node's home."""
        return self.kind == Kind.KIN

    @property
    def coming(self) -> bool:
        """Whether it is one whose streams are on their way here in the order of need."""
        return self.kind == Kind.COMING

    @property
    def lost(self) -> bool:
        """Whether it was set aside."""
        return self.kind == Kind.LOST

    @property
    def leads(self) -> bool:
        """Whether it is the one that is read as its log."""
        return self.kind not in (Kind.LOST, Kind.BESIDE)


class Fork(NamedTuple):
    """From where a lost branch goes on: the first `base` entries of its log are those of the branch `of`."""

    branch: int
    of: int
    base: int


class Stream(NamedTuple):
    """A stream and its head. `lamport` is that of its last entry; version and lamport are 0 before the first."""

    id: int
    name: bytes
    subject: bytes | None
    key: int
    version: int
    head: int | None
    lamport: int


class Row(NamedTuple):
    """An entry as stored."""

    position: int
    seq: int
    stream: int
    version: int
    prev: int | None
    type: int
    commitment: bytes
    tree: bytes
    body: bytes | None

    @property
    def branch(self) -> int:
        """The branch whose entry it is."""
        return self.stream >> STREAM_SHIFT


class Run(NamedTuple):
    """From this position on stand a branch's entries from this seq on."""

    position: int
    branch: int
    seq: int


def lost_stream(folder: Path, number: int, log: bytes) -> LogCorrupt:
    """Entries of a stream that the file does not have: nothing can be made up in its place."""
    which = f"stream {number & ORDINAL_MASK} of log {log.hex()}"
    return LogCorrupt(f"{folder / LOG_FILE} has entries of {which}, but not the stream: run verify")
