"""A hub's epochs: which of its lives it is in, and how the next one begins.

A hub that was restored from a backup does not know what it had signed and told since. Whatever it signed then may be in
somebody's hands, so it must not go on from where the backup ends: neither in its own log, where it would write other
entries at seqs that homes hold, nor in the outboxes, where it would sign another root at a size that a home holds. So
it opens the next *epoch*: its own log goes on in a new one under a new key (`succession`), and every home's outbox
begins anew, under an id of its own. What a home has already is only given its number there.

The epoch stands in the first entry of the own log that was opened with it, so both are one transaction: *a power cut
leaves the old epoch or the new one, and nothing is appended, signed or answered in a new epoch before it is on the
disk*. The first epoch is 1, that of the log that the hub was made with. Every other one leaps: two lives that a hub
had from one backup know nothing of each other, and must not give their epochs one number.

What does not change is the hub's **identity**, the key of its first log: it signs receipts, outboxes and answers, and
is what homes have pinned.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

import apsw

from sync import outbox_sql
from sync.batch import NOTHING
from sync.hub_note import EPOCH_FIRST
from sync.store import Store
from sync.stored_log import StoredLog
from sync.succession import change_of

FIRST: Final = EPOCH_FIRST
LEAP: int = 1 << 20  # an epoch's number is at most so much greater than the one before


def current(store: StoredLog) -> int:
    """The epoch that a hub is in."""
    entry = store.first_entry(store.log)
    body = entry.body() if entry is not None else None
    change = change_of(body) if body is not None else None
    return change.epoch if change is not None and change.epoch else FIRST


def open_next(
    store: Store,
    why: str,
    now_ms: int,
    *,
    shown: int = 0,
    keep: Mapping[bytes, int] = NOTHING,
    notes: Mapping[str, Any] = NOTHING,
) -> int:
    """Begin the next epoch, durably; its number, which is greater than any that is known here or was `shown`.

    `keep`: how many entries of own logs stay where they are, if not all; the rest is recorded again in the new one.
    """

    key = store.identity.public_key

    def known(db: apsw.Connection) -> int:
        ours = [box for box in outbox_sql.outboxes(db) if box.public_key == key and not box.is_welcome]
        return max((box.epoch for box in ours), default=0)

    epoch = 1 + secrets.randbelow(LEAP) + max(current(store), shown, store.reading(known))
    size = keep.get(store.log, store.size(store.log))
    aside = {log: until for log, until in keep.items() if log != store.log}
    store.succeed(size, why, now_ms, {**notes, "epoch": epoch}, aside)
    return epoch
