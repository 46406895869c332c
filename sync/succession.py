"""A log in place of another: what a node does when it is not the only one that continued its log.

A folder that was restored from a backup, copied or cloned goes on where its log stood then, while the hub holds what
the first life, or the other copy, wrote there. Two contents under one key and seq can never be one log. So the node
opens a new log, sets aside what it wrote behind the common part, and records it again.

What is promised: all of it is one transaction of `log.db`; only the new log's key is made durable in `keys.db` before.
*A power cut before the commit leaves a key that nobody uses, and the next exchange finds and does the same. After it
everything is done*, and whatever is recorded goes to the new log. The entries that were set aside stay, as a **lost
branch** of their log: `verify` reads them, `history` shows them; folds, followers and pushes do not.

The new log begins with an entry about itself, `log-opened/1`, that names the old log, the size that it builds on and
why. Where a part of another log of the home is set aside (the hub was restored, too), `log-set-aside/1` says so. They
are what auditors see, what `status` tells, and what the hub is asked to admit the new log by (`Succeed`).

Streams of the new log have keys made after the copy: those that lay ready were copied with the folder, and one key must
never serve two logs, or erasing in the one would leave the other's content readable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import apsw

from sync import fork_sql, log_sql
from sync.batch import NOTHING, Draft
from sync.entry import EXT_BEHIND, EXT_FIRST_ID, EXT_STOOD, Body, entry_id, log_id, unpack_body
from sync.errors import LocalProtocolError, StaleVersion, VerificationError
from sync.log_schema import Branch, Kind, Row
from sync.messages import Succeed, Vouch
from sync.note import Signer, is_public_key, verify_bytes
from sync.sealing import DoesNotOpen

if TYPE_CHECKING:
    from sync.store import Store
    from sync.stored_log import StoredLog
    from sync.tail import Tail

OPENED: Final = "log-opened/1"
SET_ASIDE: Final = "log-set-aside/1"
ACTOR: Final = "node"
TAG: Final = "homeward/succeed/1\n"
PORTION_COUNT: Final = 1000


class Change(NamedTuple):
    """What an entry about a node's own logs says: from `size` of the log `old` on this home goes on in the log `new`.

    `at_ms`: when, as the node's clock said. `again`: so many entries behind `size` were recorded again. `epoch`: that
    of the outboxes which a hub began with it.
    """

    kind: str
    old: bytes
    new: bytes
    size: int
    why: str
    again: int
    at_ms: int
    epoch: int = 0


def changes(store: StoredLog) -> list[Change]:
    """Every time that this node opened a log in place of another, or set a part of one aside; oldest first."""
    found = []
    for log in (branch.log for branch in store.branches() if branch.own):
        for entry in store.entries_of_subject(log):
            body = entry.body()
            if body is not None and entry.log == log and (change := change_of(body)) is not None:
                found.append(change)
    return found


def change_of(body: Body) -> Change | None:
    """An entry about a node's own logs; None if it is another one."""
    match body.type, body.payload:
        case "log-opened/1" | "log-set-aside/1", {"old": bytes(old), "new": bytes(new), "size": int(size),
                                                   "why": str(why), "again": int(again)}:  # fmt: skip
            epoch = body.payload.get("epoch", 0)
            return Change(body.type, old, new, size, why, again, body.recorded_at_ms, epoch)
    return None


def introductions(store: StoredLog) -> list[Succeed]:
    """The messages that lead a hub from a log that it knows to the one that this node writes, oldest first."""
    opened = [change for change in changes(store) if change.kind == OPENED]
    return [succeed(store.signer_of(one.old), store.signer_of(one.new), one.size) for one in opened]


def open_log(
    store: Store, tail: Tail, db: apsw.Connection, old: tuple[bytes, int], new_key: bytes, why: str, now_ms: int,
    notes: Mapping[str, Any] = NOTHING,
) -> None:  # fmt: skip
    """In the writer's transaction: go on in a new log from a size of the own one. `old` is that log, and the size.

    `notes` are what the entry about it says besides.
    """
    log, keep = old
    if tail.own.log != log:
        raise StaleVersion(f"this node does not write log {log.hex()} any more")
    lost = _cut(tail, db, log, keep)
    log_sql.add_branch(db, log_id(new_key), new_key, Kind.OWN)
    tail.reload(db)
    tail.use_fresh_keys()
    _record_again(store, tail, db, OPENED, log, keep, lost, why, now_ms, notes, stands="epoch" in notes)


def set_aside(
    store: Store, tail: Tail, db: apsw.Connection, log: bytes, keep: int, why: str, now_ms: int,
    *, stands: bool = False,
) -> None:  # fmt: skip
    """In the writer's transaction: go on in the own log from a size of another log of the home.

    A log whose key is elsewhere is cut where that key has signed: what is left must be of use to a hub that lost it.
    `stands`: it is a hub's own word, which readers had where it stood.
    """
    if tail.own.log == log:
        raise LocalProtocolError("a node cannot set aside the log that it writes without opening another")
    branch = tail.live_branch(log)
    if not branch.own:
        keep = log_sql.signed_size_until(db, branch.id, keep)
    lost = _cut(tail, db, log, keep)
    tail.reload(db)
    _record_again(store, tail, db, SET_ASIDE, log, keep, lost, why, now_ms, stands=stands)


def _cut(tail: Tail, db: apsw.Connection, log: bytes, keep: int) -> Branch | None:
    """The lost branch of what stands behind; None if there is nothing."""
    tail.flush(db)
    branch = tail.live_branch(log)
    if keep > branch.size:
        raise LocalProtocolError(f"log {log.hex()} has {branch.size} entries, not {keep}")
    if keep == branch.size:
        return None
    number = fork_sql.cut(db, branch, keep, lambda row: tail.lamport_at(db, log, row.seq))
    return next(b for b in log_sql.branches(db) if b.id == number)


def _record_again(
    store: Store, tail: Tail, db: apsw.Connection, kind: str, log: bytes, keep: int, lost: Branch | None,
    why: str, now_ms: int, notes: Mapping[str, Any] = NOTHING, *, stands: bool,
) -> None:  # fmt: skip
    new = tail.own.log
    rows = _bodies(store, db, lost, keep) if lost else iter(())
    again = _Again(store, tail, db, log, new, stands=stands)
    drafts = [again.draft(row, body) for row, body in rows if body.subject not in tail.erased]
    payload = {"old": log, "new": new, "size": keep, "why": why, "again": len(drafts), **notes}
    tail.record(db, [Draft(kind, ACTOR, new, now_ms, payload)])
    for start in range(0, len(drafts), PORTION_COUNT):
        tail.record(db, drafts[start : start + PORTION_COUNT])


def _bodies(store: Store, db: apsw.Connection, lost: Branch, keep: int) -> Iterator[tuple[Row, Body]]:
    """What was set aside and can still be read."""
    while rows := log_sql.entries_of_branch(db, lost.id, keep + 1, PORTION_COUNT):
        for row in rows:
            packed = _readable(store, db, row, lost.log)
            if packed is not None:
                yield row, unpack_body(packed)
        keep = rows[-1].seq


def _readable(store: Store, db: apsw.Connection, row: Row, log: bytes) -> bytes | None:
    """The body of an entry of a log; None where it was erased, and where it is damaged."""
    try:
        return store.open_row(row, log, store.find_seal(db, row.stream))
    except DoesNotOpen:
        return None


class _Again:
    """Entries that were set aside, as drafts for the own log."""

    def __init__(self, store: Store, tail: Tail, db: apsw.Connection, old: bytes, new: bytes, *, stands: bool) -> None:
        """`stands`: whether readers have had these entries where they stood, as homes have a hub's."""
        self._store = store
        self._stands = stands
        self._tail = tail
        self._db = db
        self._old = old
        self._new = new
        self._met: set[bytes] = set()

    def draft(self, row: Row, body: Body) -> Draft:
        """The same event; what its author had seen is named where the own log speaks of the subject first."""
        kind, actor, subject, _, recorded_at_ms, deps, payload, extensions = body
        first = extensions.get(EXT_FIRST_ID, entry_id(row.commitment))
        if self._stands and subject != self._old:
            return where_it_stood(self._old, row.seq, row.commitment, body, self._behind(row))
        seen: dict[bytes, int] = {}
        if subject == self._old:  # the node's own affairs
            subject = self._new
        elif subject not in self._met:
            self._met.add(subject)
            seen = self._seen(subject)
        for log, seq in deps.items():
            seen[log] = max(seq, seen.get(log, 0))
        held = {log: seq for log, seq in seen.items() if self._holds(log, seq)}
        return Draft(kind, actor, subject, recorded_at_ms, payload, held, {**extensions, EXT_FIRST_ID: first})

    def _behind(self, row: Row) -> bytes:
        """The id of the entry before one in its stream that its author had written."""
        while row.prev is not None and (before := log_sql.entry_at(self._db, row.prev)) is not None:
            packed = _readable(self._store, self._db, before, self._old)
            if packed is None or EXT_STOOD not in unpack_body(packed).extensions:
                return entry_id(before.commitment)
            row = before
        return b""

    def _seen(self, subject: bytes) -> dict[bytes, int]:
        """What an author who had read the old log up to where it was cut had seen of other logs, and of it."""
        branch = self._tail.live_branch(self._old)
        stream = log_sql.stream_of_subject(self._db, subject, branch.id)
        if stream is None:
            return {}
        seen: dict[bytes, int] = {}
        for row in log_sql.chain(self._db, stream.head):
            packed = _readable(self._store, self._db, row, self._old)
            deps = unpack_body(packed).deps if packed is not None else {}
            for log, seq in [(self._old, row.seq), *deps.items()]:
                seen[log] = max(seq, seen.get(log, 0))
        return seen

    def _holds(self, log: bytes, seq: int) -> bool:
        """Whether an entry that was seen is still here, so that the order after it can be worked out."""
        try:
            return log != self._new and self._tail.lamport_at(self._db, log, seq) is not None
        except LocalProtocolError:  # that log was never held here
            return False


def where_it_stood(log: bytes, seq: int, commitment: bytes, body: Body, behind: bytes, home: str = "") -> Draft:
    """An entry of a hub's own, to be recorded again so that it counts where it stood, as for those who had it there.

    Whatever was recorded again before keeps its first place: all copies say the same. `behind`: the id of the entry
    before it in its stream, empty for none. `home`: it is an entry of this home's, whose own word on where it stood
    counts for nothing.
    """
    kind, actor, subject, lamport, recorded_at_ms, deps, payload, extensions = body
    id_ = entry_id(commitment)
    stood = {EXT_STOOD: [log, seq, id_, lamport], EXT_BEHIND: behind}
    if home:
        stood[EXT_STOOD] = [log, seq, id_, lamport, home]
    elif EXT_STOOD in extensions:
        stood = {}
    again = {EXT_FIRST_ID: id_, **extensions, **stood}
    return Draft(kind, actor, subject, recorded_at_ms, payload, deps, again, lamport=lamport)


# -- telling the hub


def text_of(old: bytes, new: bytes, size: int) -> bytes:
    """What both keys sign: the ids of the logs, and how many entries of the old one the new one builds on."""
    return f"{TAG}{old.hex()}\n{new.hex()}\n{size}\n".encode()


def succeed(old: Signer, new: Signer, size: int) -> Succeed:
    """The message that asks the hub to admit a new log."""
    text = text_of(log_id(old.public_key), log_id(new.public_key), size)
    return Succeed(old.public_key, new.public_key, size, old.sign_bytes(text), new.sign_bytes(text))


def text_of_vouch(by: bytes, log: bytes) -> bytes:
    """What a node signs to say that a log belongs to its home: the ids of its own log, and of that one."""
    return f"homeward/vouch/1\n{by.hex()}\n{log.hex()}\n".encode()


def vouch(by: Signer, key: bytes) -> Vouch:
    """The message that asks a hub to admit a log of the node's home that the hub has forgotten."""
    return Vouch(by.public_key, key, by.sign_bytes(text_of_vouch(log_id(by.public_key), log_id(key))))


def verify_vouch(message: Vouch) -> None:
    """The node has signed; raises VerificationError, also where what it vouches for is no key."""
    if not is_public_key(message.key):
        raise VerificationError(f"not an acceptable Ed25519 public key: {message.key.hex()}")
    text = text_of_vouch(log_id(message.by_key), log_id(message.key))
    verify_bytes(message.by_key, text, message.signature)


def verify_succession(message: Succeed) -> None:
    """Both keys have signed; raises VerificationError, or RemoteProtocolError for what is no key."""
    text = text_of(log_id(message.old_key), log_id(message.new_key), message.size)
    verify_bytes(message.old_key, text, message.old_signature)
    verify_bytes(message.new_key, text, message.new_signature)
