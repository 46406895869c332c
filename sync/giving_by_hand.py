"""The same as `giving_back` where only sticks go: what a home's bundle shows the hub and gives back to it.

A bundle cannot wait for an answer, so each one shows what over a line is shown only where the hub contradicts it: the
hub's signature on the newest outbox of which something is held, and the last receipt for the log that the node writes.
Who still holds both finds nothing new in it. Beside it stand the outboxes of older epochs of which this epoch was not
given everything yet.

    home                                              hub
    bundle: Witness(outbox), Witness(receipt) ---->   forgotten? then the next epoch begins
                                              <----   answer: OutboxAt(epoch), Recall(outbox, size, root)
    bundle: Returned(outbox, …), …            ---->   verify, record again
                                              <----   answer: OutboxAt, Took(outbox, size)

All state is in the same marks as over the line, so the two may be mixed. What the hub asked for stands there as what it
has: *an answer that is lost is made again, a bundle that is lost is, too*, and what was given twice counts once.
Nothing of the new epoch's outbox is taken in before all has been given, as over the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import apsw

from sync import log_sql, outbox_sql, receipt_series
from sync.giving_back import HERE, compare, given_mark, not_given, returned_of
from sync.messages import OutboxAt, Recall, Returned, Took, Witness
from sync.outbox import outbox_id
from sync.outbox_sql import Outbox
from sync.outbox_taking import newest_held
from sync.store import Store
from sync.stored_log import StoredLog
from sync.witness import known_epoch, of_outbox, root_of, taken_mark

WITNESSES_COUNT_MAX: Final = 16  # in one bundle, some 150 bytes each; further outboxes come with another journey


class Given(NamedTuple):
    """Entries of an outbox behind `start` that the hub asked for."""

    log: bytes
    start: int
    size: int


def witnesses(store: StoredLog, hub_key: bytes, home: str) -> list[Witness]:
    """What a bundle shows the hub of its own signatures."""
    newest = newest_held(store, hub_key, home)
    boxes = [] if newest is None else [newest]
    boxes += [
        box for box in _older(store, hub_key, home) if box != newest and _given(store, hub_key, home, box) is None
    ]
    receipt = _of_last_receipt(store)
    shown = [of_outbox(store, box) for box in boxes[: WITNESSES_COUNT_MAX - 1]]
    return [*shown, *([receipt] if receipt is not None else [])]


def _of_last_receipt(store: StoredLog) -> Witness | None:
    """The last receipt for the log that this node writes, and in which epoch the hub itself says that it gave it."""
    kept, newest = store.last_checkpoint(store.log, with_receipt=True), receipt_series.newest(store, store.log)
    if (
        kept is None
        or not kept.size
        or newest is None
        or (newest.size, newest.cosignature) != (kept.size, kept.receipt)
    ):
        return None
    return Witness(store.log, newest.epoch, kept.size, kept.root, newest.cosignature)


def _epoch(store: StoredLog, hub_key: bytes, home: str) -> int:
    return store.reading(lambda db: known_epoch(db, hub_key, home))


def _older(store: StoredLog, hub_key: bytes, home: str) -> list[Outbox]:
    return not_given(store, hub_key, home, _epoch(store, hub_key, home))


def _given(store: StoredLog, hub_key: bytes, home: str, box: Outbox) -> int | None:
    """How much of it the hub has in the newest epoch; None where it did not say so yet."""
    mark = given_mark(box, _epoch(store, hub_key, home))
    return store.reading(lambda db: log_sql.tracked(db, mark))


def _box(store: StoredLog, log: bytes) -> Outbox | None:
    return store.reading(lambda db: outbox_sql.outbox(db, log))


def due(store: StoredLog, hub_key: bytes, home: str) -> list[Given]:
    """What the hub asked for and has not taken yet."""
    found = [(box, _given(store, hub_key, home, box)) for box in _older(store, hub_key, home)]
    return [Given(box.log, start, box.size) for box, start in found if start is not None]


def returned(store: StoredLog, asked: Given) -> Iterator[Returned]:
    """What the hub asked for, piece by piece."""
    start = asked.start
    while start < asked.size:
        piece = returned_of(store, asked.log, start)
        start = piece.push.end
        yield piece


def hear(
    store: Store, hub_key: bytes, home: str, at: OutboxAt | None, said: Sequence[Recall | Took], *, is_newest: bool
) -> None:
    """Note durably what an answer asks for and says that the hub took; an answer of an older epoch says nothing.

    `is_newest`: only then does the sum that the hub says to have taken mean that it has forgotten the rest.
    """
    if at is None or at.epoch < _epoch(store, hub_key, home):
        return
    if is_newest:
        compare(store, hub_key, home, at.epoch, at.taken)
    current = outbox_id(hub_key, home, at.epoch)
    for one in said:
        box = _box(store, one.log)
        if box is None or (box.public_key, box.home) != (hub_key, home) or one.size > box.size:
            continue
        size = one.size if isinstance(one, Took) or root_of(store, box.log, one.size) == one.root else 0

        def note(db: apsw.Connection, box: Outbox = box, one: Recall | Took = one, size: int = size) -> None:
            mark = given_mark(box, at.epoch)
            log_sql.track(db, mark, max(size, log_sql.tracked(db, mark) or 0))
            if isinstance(one, Took):
                taken = taken_mark(current, HERE, one.log)
                log_sql.track(db, taken, max(size, log_sql.tracked(db, taken) or 0))

        store.submit(note).result()


def owes(store: StoredLog, hub_key: bytes, home: str, at: OutboxAt) -> bool:
    """Whether an outbox of an older epoch is to be given back before anything of this one is taken in."""
    return bool(not_given(store, hub_key, home, at.epoch))
