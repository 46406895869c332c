"""Damage on a disk: what of an entry is lost, who is told, and how its content comes back.

A flipped bit or a bad sector hits one entry among many. What happens depends on what it hit:

* **Content.** The body does not open, or is not what the header commits to; header and leaf are whole. The log goes on:
  whoever passes the entry on sends its header alone (the erased form), so every proof stands, every size can be signed,
  and nothing behind it waits. Folds leave the entry out, as they leave out what was erased. The node says so openly, in
  an entry about itself (`entry-damaged/1`: log, seq, why), once.
* **Header, tree or page.** No root over it can be right, so nothing from it on is ever signed or sent: `EntryDamaged`
  names it (`outgoing`). What is before it goes to the county, then a node goes on in a new log (`succession`), in which
  what can be read behind it is recorded again. Where even that cannot be read, an operator puts back a backup.

The way back of content needs nobody's trust: the header commits to it. Whoever *lacks* content, because it was lost
here or came here without, asks for it in the next exchange (`Again`), a home its hub and a hub its home; whoever has it
answers (`Content`). It is compared with the commitment, sealed, and put in its place, and `entry-mended/1` has
followers fold the subject again. What was erased is never lacking: its stream has neither subject nor key any more.

The list of what is lacking (`lack_sql`) is kept in the transaction that stores, notes or mends. *A power cut leaves an
entry as it was; it is met again.* `entry-damaged/1` is what people and auditors read; nothing follows from it.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Final, NamedTuple

import apsw

from sync import lack_sql, log_sql
from sync.batch import Draft
from sync.entry import Body, commitment, derive, header, read_body
from sync.errors import KeyDestroyed, LocalProtocolError, LogCorrupt, RemoteProtocolError
from sync.log_schema import Row, Stream
from sync.sealing import DoesNotOpen, Seal, open_body, seal_body

if TYPE_CHECKING:
    from sync.store import Store
    from sync.stored_log import StoredLog

DAMAGED: Final = "entry-damaged/1"
MENDED: Final = "entry-mended/1"
ACTOR: Final = "node"
NOTED_COUNT_MAX: Final = 1000  # of one process: a key that is damaged makes a whole stream unreadable
DOES_NOT_OPEN: Final = "its content does not open"
WRONG: Final = "its content is not what the log committed to"
REFUSED: Final = "the county takes its content for wrong"


class Lack(NamedTuple):
    """An entry whose content is not here. `here`: it was lost on this disk; otherwise it came without."""

    log: bytes
    seq: int
    position: int
    here: bool


class Place(NamedTuple):
    """An entry as it stands, and what its content is bound to."""

    row: Row
    stream: Stream
    key: bytes


def place_of(store: StoredLog, db: apsw.Connection, log: bytes, seq: int) -> Place | None:
    """An entry that has, or should have, content here; None where it was erased, or is not here at all."""
    try:
        branch = store.branch_id(log)
    except LocalProtocolError:
        return None
    position = log_sql.position_of(db, branch, seq)
    row = log_sql.entry_at(db, position) if position is not None else None
    if row is None or (row.branch, row.seq) != (branch, seq):
        return None
    return _place(store, db, row)


def _place(store: StoredLog, db: apsw.Connection, row: Row) -> Place | None:
    stream = log_sql.stream_by_id(db, row.stream)
    if stream is None or stream.subject is None:
        return None
    try:
        return Place(row, stream, store.keyring.stream_key(stream.key))
    except (KeyDestroyed, LogCorrupt):
        return None


def content_of(place: Place, log: bytes) -> bytes | None:
    """The content of an entry, if it is here and is what its header commits to."""
    row, stream, key = place
    if row.body is None:
        return None
    keys = derive(key)
    try:
        packed = open_body(Seal(keys.seal), log, row.seq, stream.name, row.commitment, row.body)
    except DoesNotOpen:
        return None
    return packed if commitment(keys.salt, log, row.seq, packed) == row.commitment else None


def is_lacking(place: Place | None, log: bytes) -> bool:
    """Whether content that should be here is not."""
    return place is not None and content_of(place, log) is None


def lacking(store: StoredLog, logs: Collection[bytes] | None = None) -> list[Lack]:
    """All entries of logs that count, or of these logs, whose content is lacking, in the order of their arrival."""

    def work(db: apsw.Connection) -> list[tuple[Lack, bytes]]:
        others = {branch.id for branch in log_sql.branches(db) if not branch.leads}
        found = []
        for position, here in lack_sql.places(db).items():
            row = log_sql.entry_at(db, position)
            if row is None or row.branch in others:
                continue
            log = store.log_of(db, row.branch)
            place = _place(store, db, row) if logs is None or log in logs else None
            if place is not None and is_lacking(place, log):
                found.append((Lack(log, row.seq, position, here), place.stream.subject or b""))
        return found

    return [lack for lack, subject in store.reading(work) if lack.here or not was_erased(store, lack.log, subject)]


def was_erased(store: StoredLog, log: bytes, subject: bytes) -> bool:
    """Whether a log says that its node erased a subject: then what it sends without content was not lost."""
    for entry in store.entries_of_subject(log):
        body = entry.body() if entry.log == log else None
        match body.payload if body is not None else None:
            case {"subjects": list(subjects)} if subject in subjects:
                return True
    return False


def content(store: StoredLog, log: bytes, seq: int) -> bytes:
    """The content of an entry for whoever lacks it; empty where it is not here either."""

    def work(db: apsw.Connection) -> bytes:
        place = place_of(store, db, log, seq)
        return (content_of(place, log) if place is not None else None) or b""

    return store.reading(work)


def note(store: Store, db: apsw.Connection, log: bytes, seq: int, why: str) -> bool:
    """In the writer's transaction: keep that content was met damaged, and say so in the own log; once."""
    place = place_of(store, db, log, seq)
    if place is None:
        return False
    if why != REFUSED and not (is_lacking(place, log) and lack_sql.add(db, place.row.position, here=True)):
        return False
    payload = {"log": log, "seq": seq, "why": why}
    store.record_in(db, [Draft(DAMAGED, ACTOR, store.log, time.time_ns() // 1_000_000, payload)])
    return True


def take_content(store: Store, log: bytes, seq: int, packed: bytes) -> bool:
    """Put content back that a peer has; False, and nothing happens, where it is not lacking or is not that content."""
    return store.submit(lambda db: _take(store, db, log, seq, packed)).result()


def _take(store: Store, db: apsw.Connection, log: bytes, seq: int, packed: bytes) -> bool:
    place = place_of(store, db, log, seq)
    if place is None or not is_lacking(place, log):
        return False
    row, stream, key = place
    if store.keeps_nothing_of(stream.subject, stream.name):
        return False
    keys = derive(key)
    body = _body(packed)
    if body is None or body.subject != stream.subject or commitment(keys.salt, log, seq, packed) != row.commitment:
        return False
    types = log_sql.types(db)
    kind = types.get(body.type) or 1 + len(types)
    if body.type not in types:
        log_sql.add_types(db, {body.type: kind})
    sealed = seal_body(Seal(keys.seal), header(log, seq, stream.name, row.commitment), packed)
    lack_sql.add(db, row.position, here=False)  # makes the table where it is not there yet
    lack_sql.put_body(db, row.position, kind, sealed)
    lack_sql.raise_lamport(db, row.stream, body.lamport)
    lack_sql.remove(db, row.position)
    store.reload_in(db)
    payload = {"log": log, "seq": seq}
    store.record_in(db, [Draft(MENDED, ACTOR, store.log, time.time_ns() // 1_000_000, payload)])
    store.unreadable.pop((log, seq), None)
    return True


def _body(packed: bytes) -> Body | None:
    try:
        return read_body(packed)
    except RemoteProtocolError:
        return None


def mended_subject(store: StoredLog, body: Body) -> bytes | None:
    """What the entry is about of which `entry-mended/1` says that its content is here again; None for another entry."""
    match body.type, body.payload:
        case "entry-mended/1", {"log": bytes(log), "seq": int(seq)}:
            place = store.reading(lambda db: place_of(store, db, log, seq))
            return place.stream.subject if place is not None else None
    return None


def first_unreadable(store: StoredLog, log: bytes, start: int, end: int) -> int:
    """The first entry behind `start` that cannot be read from the disk: the range is halved until it is named.

    Where all of them can be read it is the tree in front of them that cannot: then no root behind `start` can be made.
    """
    branch = store.branch_id(log)

    def reads(after: int, until: int) -> bool:
        try:
            store.reading(
                lambda db: store.opened_rows(db, log_sql.entries_of_branch(db, branch, after + 1, until - after))
            )
        except (LogCorrupt, apsw.Error):
            return False
        return True

    if reads(start, end):
        return start + 1
    while end - start > 1:
        middle = (start + end) // 2
        start, end = (start, middle) if not reads(start, middle) else (middle, end)
    return end
