"""Erasure: all content about a subject is taken from this node for ever, and every proof still stands.

What remains of an entry is what its leaf covers: log, seq, stream id and commitment. Without the stream's key the
commitment cannot be guessed and the stream id says nothing. The order of the steps is the promise:

1. **Ordered.** An entry of the own log about this node itself (`erasure-ordered/1`) names the subjects, who asked and
   on what ground. From its commit on nothing more is recorded about them. *A power cut behind it: the content can still
   be read until the folder is opened for writing again; then the order is carried out.*
2. **Keys.** Zeros are written over the keys of all their streams in `keys.db`, which also notes streams and subjects.
   *A power cut behind it: the bodies are on the disk and nothing opens them; they are read as erased, and taken away at
   the next opening.* The photographs and scans that show them go in the same way, keys first (`sync/files.py`), also
   where they show others too.
3. **Bodies.** One transaction takes bodies, types and subjects from `log.db` and records `erasure-executed/1`, which is
   also what tells followers to fold the subject again. *A power cut behind it leaves old pages in the WALs.*
4. **Traces.** The WALs are folded into their files and cut to nothing. Freed bytes were overwritten (`secure_delete`).
   Who reads an old state holds this up: it is tried again until it is done, or given up with an error that says so, and
   tried once more at every opening.

Running it again does what is missing and no more. The *ledger* is the own log's entries of these two types and, because
an older `log.db` may be put back beside a newer `keys.db` (or the other way about), the second list in `keys.db`. It is
applied again whenever a folder is opened for writing. Such a repetition adds no entry: a restored log may be shorter
than the one that others hold, and nothing is written to it that nobody asked for.

A disk image that somebody took before is beyond this node's reach.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import apsw

from sync import log_sql, outbox_sql, snapshot_sql
from sync.batch import Draft, Entry, Erased
from sync.entry import ID_SIZE, bytes_ok, text_ok
from sync.errors import ErasureUnfinished, LocalProtocolError
from sync.files import FILES_FILE
from sync.log_schema import LOG_FILE, Stream
from sync.stored_log import KEYS_FILE

if TYPE_CHECKING:
    from threading import Event

    from sync.store import Store
    from sync.stored_log import StoredLog

ORDERED: Final = "erasure-ordered/1"
EXECUTED: Final = "erasure-executed/1"
SUBJECTS_COUNT_MAX: Final = 1000
GROUND_SIZE_MAX: Final = 2000
READERS_WAIT_S: Final = 30.0
POLL_S: Final = 0.05


class Ledger(NamedTuple):
    """What the own log says of erasures: the orders' subjects with who asked, and those that were carried out."""

    ordered: dict[bytes, str]
    executed: set[bytes]


def ledger(store: StoredLog) -> Ledger:
    """Read what the home's logs say about themselves."""
    found = Ledger({}, set())
    for entry in _own_affairs(store):
        body = entry.body()
        if body is None:
            continue
        match body.type, body.payload:
            case "erasure-ordered/1", {"subjects": list(subjects)}:
                found.ordered.update(dict.fromkeys(subjects, body.actor))
            case "erasure-executed/1", {"subject": bytes(subject)}:
                found.executed.add(subject)
    return found


def _own_affairs(store: StoredLog) -> list[Entry]:
    """What the logs of this node, and the other ones of its home, say about themselves."""
    logs = [branch.log for branch in store.branches() if branch.own or branch.kin or branch.coming]
    return [entry for log in logs for entry in store.entries_of_subject(log) if entry.log == log]


def follow_orders(store: Store, now_ms: int) -> bool:
    """Erase what another log of this home had ordered, once its entries came here, and say so in the own log.

    Whether there was anything to erase.
    """
    ordered = ledger(store).ordered
    known = store.keyring.erased_subjects()
    fresh = {subject: by for subject, by in ordered.items() if subject not in known}
    if fresh:
        _carry_out(store, fresh, fresh, now_ms)
        with suppress(ErasureUnfinished):
            empty_wals(store, 0)
    return bool(fresh)


def erased_subjects(store: StoredLog) -> set[bytes]:
    """Every subject that was, or is being, erased on this node."""
    return set(ledger(store).ordered) | store.keyring.erased_subjects()


def entries_about(store: StoredLog, subject: bytes) -> list[Entry]:
    """The own log's entries that order or declare the erasure of a subject."""
    found = []
    for entry in _own_affairs(store):
        body = entry.body()
        match body and body.payload:
            case {"subjects": list(subjects)} if body and body.type == ORDERED and subject in subjects:
                found.append(entry)
            case payload if body and executed_subject(body.type, payload) == subject:
                found.append(entry)
    return found


def executed_subject(kind: str, payload: object) -> bytes | None:
    """The subject that an entry of an own log declares erased; None if it is another entry."""
    match payload:
        case {"subject": bytes(subject)} if kind == EXECUTED:
            return subject
    return None


def erase(
    store: Store, subjects: Sequence[bytes], *, by: str, ground: str, now_ms: int, stopping: Event | None = None
) -> Erased:
    """Order an erasure and carry it out; what was ordered before is only finished.

    Readers of old pages are waited for, READERS_WAIT_S at most, and not any more once `stopping` is set.
    """
    check(store, subjects, by, ground)
    before = ledger(store)
    if fresh := [subject for subject in dict.fromkeys(subjects) if subject not in before.ordered]:
        store.record([Draft(ORDERED, by, store.log, now_ms, {"subjects": fresh, "ground": ground})]).result()
    drafts = {s: by for s in dict.fromkeys(subjects) if s not in before.executed}
    erased = _carry_out(store, dict.fromkeys(subjects), drafts, now_ms)
    empty_wals(store, READERS_WAIT_S, stopping)
    return erased


def resume(store: Store) -> None:
    """Apply the ledger again: finish what was cut, erase again what an older file brought back."""
    known = ledger(store)
    noted = store.keyring.erased_subjects()
    erased = set(known.ordered) | noted
    store.refuse_erased(erased)
    destroyed = store.keyring.destroyed_streams()
    unfinished = {s: by for s, by in known.ordered.items() if s not in known.executed}

    def pending(db: apsw.Connection) -> tuple[list[Stream], dict[bytes, int]]:
        back = [s for subject in erased for s in log_sql.streams_of_subject(db, subject)]
        back += log_sql.streams_named(db, destroyed)
        return back, log_sql.erased_streams(db)

    back, gone = store.reading(pending)
    subjects = {stream.subject for stream in back if stream.subject is not None}
    if not store.keyring.are_destroyed(gone.values()) or not erased <= noted:  # an older keys.db was put back
        store.keyring.destroy(gone.values(), gone, erased)
        store.forget_erased(gone)
    if subjects or unfinished:
        _carry_out(store, subjects | unfinished.keys(), unfinished, time.time_ns() // 1_000_000)
    if (
        store.files.apply_ledger(erased) or erased
    ):  # a cut may have left old pages; who reads them now does not keep a node from starting
        with suppress(ErasureUnfinished):
            empty_wals(store, 0)


def check(store: Store, subjects: Sequence[bytes], by: str, ground: str) -> None:
    """Whether an order can be carried out at all; raises LocalProtocolError or RemoteProtocolError."""
    if not 0 < len(subjects) <= SUBJECTS_COUNT_MAX:
        raise LocalProtocolError(f"an erasure is about 1 to {SUBJECTS_COUNT_MAX} subjects, not {len(subjects)}")
    logs = {branch.log for branch in store.branches()}
    for subject in subjects:
        bytes_ok(subject, "subject", ID_SIZE)
        if subject in logs:
            raise LocalProtocolError("what a node says about itself, the ledger of erasures among it, is not erased")
    text_ok(by, "who asks for an erasure", 120)
    text_ok(ground, "an erasure's ground", GROUND_SIZE_MAX)


def _carry_out(store: Store, subjects: Iterable[bytes], drafts: dict[bytes, str], now_ms: int) -> Erased:
    """Steps 2 and 3; `drafts` names the subjects whose execution is recorded, with who asked."""
    subjects = list(subjects)
    store.refuse_erased(subjects)
    # Asked of the writer: what it appended before is seen here, what it appends from now on is erased on arrival.
    streams = store.submit(lambda db: [s for name in subjects for s in log_sql.streams_of_subject(db, name)]).result()
    names = [stream.name for stream in streams]
    store.keyring.destroy([stream.key for stream in streams], names, subjects)
    store.forget_erased(names)
    files = store.files.destroy(subjects)
    taken = store.submit(lambda db: _take_away(store, db, subjects, drafts, now_ms)).result()
    store.forget_seals()  # who had read a key just before it was destroyed may have derived from it just after
    return taken._replace(files=files)


def _take_away(
    store: Store, db: apsw.Connection, subjects: Iterable[bytes], drafts: dict[bytes, str], now_ms: int
) -> Erased:
    snapshot_sql.drop_snapshots(db)
    entries_count = streams_count = 0
    done: list[Draft] = []
    for subject in subjects:
        streams = log_sql.streams_of_subject(db, subject)
        outbox_sql.forget(db, subject)
        count = sum(log_sql.erase_stream(db, stream) for stream in streams)
        if subject in drafts:
            payload = {"subject": subject, "entries": count, "streams": len(streams)}
            done.append(Draft(EXECUTED, drafts[subject], store.log, now_ms, payload))
        entries_count += count
        streams_count += len(streams)
    if done:
        store.record_in(db, done)
    return Erased(entries_count, streams_count)


def empty_wals(store: Store, wait_s: float, stopping: Event | None = None) -> None:
    """Leave no old page behind in a WAL; raises ErasureUnfinished if readers hold it for longer than this."""
    deadline = time.monotonic() + wait_s
    waiting = [(store.keyring.try_empty_wal, KEYS_FILE), (store.try_empty_wal, LOG_FILE),
               (store.files.try_empty_wal, FILES_FILE)]  # fmt: skip
    while waiting := [(attempt, name) for attempt, name in waiting if not attempt()]:
        if time.monotonic() > deadline or (stopping is not None and stopping.is_set()):
            raise ErasureUnfinished(
                f"{store.folder / waiting[0][1]}: other processes still read what was there before. The content is "
                "erased, but old pages can be cleared only when they have ended: end them and run this again"
            )
        time.sleep(POLL_S)
