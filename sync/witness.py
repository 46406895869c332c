"""What a hub that was put back to an earlier copy of its folder is shown: its own signature on what it holds no more.

Such a hub knows nothing of it; the first node that comes tells it. There are two kinds of evidence, both under the
hub's own key: a *receipt* for more of a log than the hub holds, and a signed size of an *outbox* that the hub does not
have. The hub checks signature and contradiction, and then begins the next epoch (`sync.epoch`) before it goes on.

One loss must not open one epoch for each home that lost something, and an old receipt must not do it ever again. So
what counts is only what was signed *in this epoch or in one that is not known here*: whatever was signed before says
no more than that there was a restore, which is why the epoch was opened. An outbox's signature covers its epoch. Of a
receipt the node says in which epoch it was given, by the newest that the hub had told it; what that node had before it
heard of an epoch, it counts to the one before (`mark_receipts`). Who lies about it can cost a county one new epoch for
each receipt of his that the hub has lost, no more: a receipt counts once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Any, Final

import apsw

from sync import epoch, log_sql, outbox, outbox_sql
from sync.entry import origin
from sync.errors import VerificationError
from sync.merkle import Frontier, root_at
from sync.messages import Recall, Witness
from sync.note import checkpoint_text, verify_cosignature, verify_signature
from sync.outbox_sql import Outbox
from sync.store import Store
from sync.stored_log import StoredLog

FORGOTTEN: Final = "forgotten"  # why an epoch was opened
RECEIPT_SIZE: Final = 72
MARK: Final = "homeward/receipts/"  # among the tracked applications, with a log's id in hex


def is_receipt(told: Witness) -> bool:
    """Whether it is about a log, and not about an outbox."""
    return len(told.proof) == RECEIPT_SIZE


# -- at the hub


class Hearing:
    """The hub's end: judges what nodes show, and begins the next epoch where it must. Safe to use from any thread."""

    def __init__(
        self,
        store: Store,
        code_of: Callable[[bytes], str],
        logs_of: Callable[[bytes], Collection[bytes]],
        clock_ms: Callable[[], int],
    ) -> None:
        """`code_of`: the home that a log belongs to; `logs_of`: all logs of that home."""
        self._store, self._code_of, self._logs_of, self._clock_ms = store, code_of, logs_of, clock_ms
        self._one_at_a_time = threading.Lock()

    def hear(self, of: bytes, told: Witness) -> bool:
        """The node of the log `of` shows something; whether a new epoch has begun. What is false changes nothing."""
        with self._one_at_a_time:
            if told.epoch < epoch.current(self._store) or not (self.is_ours(of, told) and self._is_forgotten(told)):
                return False
            notes: dict[str, Any] = {"witness": told.log, "signed": told.size, "proof": told.proof}
            shown = 0 if is_receipt(told) else told.epoch  # nobody has signed which epoch a receipt is of
            epoch.open_next(self._store, FORGOTTEN, self._clock_ms(), shown=shown, notes=notes)
            return True

    def is_ours(self, of: bytes, told: Witness) -> bool:
        """Whether this hub has signed it, for this home."""
        key, text = self._store.identity.public_key, checkpoint_text(origin(told.log), told.size, told.root)
        try:
            if is_receipt(told):
                verify_cosignature(key, text, told.proof)
                return told.log in self._logs_of(of) and not self._is_used(told.proof)
            verify_signature(key, text, told.proof)
        except VerificationError:
            return False
        return told.log == outbox.outbox_id(key, self._code_of(of), told.epoch)

    def _is_used(self, proof: bytes) -> bool:
        for log in self._store.own_logs():
            entry = self._store.first_entry(log)
            body = entry.body() if entry is not None else None
            if body is not None and isinstance(body.payload, dict) and body.payload.get("proof") == proof:
                return True
        return False

    def _is_forgotten(self, told: Witness) -> bool:
        store, log, size = self._store, told.log, told.size
        if is_receipt(told):
            return not store.holds(log) or store.size(log) < size or store.root(log, size) != told.root
        return root_of(store, log, size) != told.root


def taken_mark(current: bytes, log: bytes, older: bytes = b"") -> str:
    """How much of an older outbox the node of a log gave back while a later one is current: a tracked application."""
    return f"homeward/taken-back/{current.hex()}/{log.hex()}/{older.hex()}"


def taken_of(store: StoredLog, current: bytes, log: bytes) -> int:
    """How many entries of older outboxes the node of a log gave back while this one is current."""
    return store.reading(lambda db: outbox_sql.tracked_under(db, taken_mark(current, log)))


def root_of(store: StoredLog, log: bytes, size: int) -> bytes | None:
    """The root of an outbox at a size; None where that is not here."""

    def work(db: apsw.Connection) -> bytes | None:
        found = outbox_sql.outbox(db, log)
        if found is None or found.size < size:
            return None
        return root_at(size, lambda number: outbox.node(db, found, number))

    return store.reading(work)


def recall_of(store: StoredLog, told: Witness) -> Recall:
    """What a hub asks for of an outbox of which a home holds so much."""
    if root_of(store, told.log, told.size) == told.root:
        return Recall(told.log, told.size, told.root)
    size = min(outbox.size_of(store, told.log), told.size)
    root = root_of(store, told.log, size)
    return Recall(told.log, size, root) if root is not None else Recall(told.log, 0, Frontier().root())


# -- at a node


def of_outbox(store: StoredLog, box: Outbox) -> Witness:
    """The hub's word on all that is held of an outbox."""

    def work(db: apsw.Connection) -> Witness:
        (signed,) = outbox_sql.checkpoints(db, box.id, box.size - 1, box.size)
        return Witness(box.log, box.epoch, box.size, signed.root, signed.signature)

    return store.reading(work)


def of_receipt(store: StoredLog, log: bytes, whose: tuple[bytes, str], held: int = 0) -> Witness | None:
    """The last receipt, if it covers more than the hub holds now and was given in the newest epoch known here.

    `whose`: the hub's key, and the code that it has given this node's home.
    """
    kept = store.last_checkpoint(log, with_receipt=True)
    if kept is None or kept.receipt is None or kept.size <= held:
        return None

    def work(db: apsw.Connection) -> tuple[int, int]:
        return known_epoch(db, *whose), log_sql.tracked(db, MARK + log.hex()) or 0

    newest, before = store.reading(work)
    return Witness(log, newest, kept.size, kept.root, kept.receipt) if kept.size > before else None


def known_epoch(db: apsw.Connection, hub_key: bytes, home: str) -> int:
    """The newest epoch that this hub has told of; a welcome, whose epoch is another thing, is for somebody else."""
    ours = [box.epoch for box in outbox_sql.outboxes(db) if (box.public_key, box.home) == (hub_key, home)]
    return max(ours, default=epoch.FIRST)


def mark_receipts(db: apsw.Connection) -> None:
    """Inside the writer's transaction that learns of an epoch: the receipts so far are of one before."""
    for branch in log_sql.branches(db):
        kept = None if branch.lost else log_sql.last_checkpoint(db, branch.id, with_receipt=True)
        if kept is not None and kept.size:
            log_sql.track(db, MARK + branch.log.hex(), kept.size)
