"""A welcome: a home's own logs in the order of need, for a new PC that has nothing of them. The hub's end.

A log can be carried only from its beginning on, for nothing is stored that is not verified, and a stream only whole. So
the oldest would come first, and a child in need in the last minute. A *welcome* is an outbox (`outbox`) of the home's
own logs: whole streams, the most needed first, each entry once, signed by the hub, resumed where it was cut. Its home
is written as the home's code, a space and the new node's log id, so no two nodes share one; its epoch is the time when
it was made, so that one that a restored hub makes anew is another one.

    node                                             hub
    Welcome(epoch, size held)     ------------>      make it where there is none; durable before it is named
                                  <------------      Welcome(epoch, size, logs with what their own keys signed)
    Follow(welcome, size held)    ------------>      Delivery …                        as with any outbox

At the node the logs are *coming* meanwhile (`Kind.COMING`): folds see every entry at once. Each entry travels once and
is stored once, so there is nothing to give way later: when the last one is here, the leaves that were verified give
each log's own root, which its own key has signed, and the log becomes whole where it stands (`wholeness`). What it
gained since, and what later logs say, is carried as ever.

It is made in portions, so that other homes need not wait; a mark says that it is finished, and only then is it named.
*Killed on the way, it is thrown away and made anew*: to go on with it would not do, for a hub that was put back to that
moment could give it another end under the same name. It goes up to a size that each log's key has signed, fixed when
the making begins.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Final

import apsw

from sync import coming_sql, log_sql, outbox_sql
from sync.log_schema import STREAM_SHIFT, Row, Stream
from sync.messages import SignedLog, Welcome
from sync.outbox import append, missing, open_outbox
from sync.outbox_sql import Outbox
from sync.outgoing import BODIES_SIZE_BYTES_MAX
from sync.replicator import PUSH_ROWS_MAX
from sync.store import Store
from sync.stored_log import StoredLog
from sync.wire_logs import SIGNED_COUNT_MAX

MARK: Final = "homeward/welcome/"  # and the id in hex, among the tracked applications: finished, at this size
PORTION_COUNT: Final = 4000  # each is one commit
STREAMS_COUNT: Final = 500
NONE: Final = Welcome(0, 0, [])

InOrder = Callable[[Iterable[bytes]], Iterable[bytes]]
"""The subjects of these logs, the most needed first; what is left out comes at the end."""


def addressee(home: str, log: bytes) -> str:
    """For whom a welcome is: a node of a home."""
    return f"{home} {log.hex()}"


class Welcomes:
    """What a hub has made for new nodes. Safe to use from any thread."""

    def __init__(
        self, store: Store, home_of: Callable[[bytes], str], in_order: InOrder, now_ms: Callable[[], int]
    ) -> None:
        self._store, self._home_of, self._in_order, self._now_ms = store, home_of, in_order, now_ms
        self._one_at_a_time = threading.Lock()

    def made_for(self, log: bytes) -> Outbox | None:
        """The newest welcome for the node of a log, if one is finished."""
        return finished(self._store, addressee(self._home_of(log), log))

    def answer(self, log: bytes, logs: Mapping[bytes, bytes], asked: Welcome) -> tuple[Outbox | None, Welcome]:
        """The welcome of a node that asks, and what it is told; `logs`: the keys of its home's other logs, by log."""
        with self._one_at_a_time:
            found = self.made_for(log) or self._make(addressee(self._home_of(log), log), logs)
        if found is None:
            return None, NONE
        signed = [] if asked.epoch == found.epoch else logs_in(self._store, found, logs)
        if sum(len(one.signed) for one in signed) > SIGNED_COUNT_MAX:
            return None, NONE  # it would not fit: they are carried instead
        return found, Welcome(found.epoch, found.size, signed)

    def _make(self, name: str, logs: Iterable[bytes]) -> Outbox | None:
        store = self._store
        sizes = store.reading(lambda db: _signed_sizes(db, logs))
        if not any(sizes.values()):
            return None
        box = store.submit(lambda db: self._open(db, name)).result()
        rows: list[Row] = []
        for stream in self._streams(logs, sizes):
            of = store.reading(partial(missing, outbox=box, streams=[stream]))
            rows += [row for row in of if row.seq <= sizes[row.branch]]
            if len(rows) >= PORTION_COUNT:
                box, rows = self._append(box, rows), []
        box = self._append(box, rows)
        store.submit(lambda db: log_sql.track(db, MARK + box.log.hex(), box.size)).result()
        return box

    def _open(self, db: apsw.Connection, name: str) -> Outbox:
        coming_sql.drop_welcomes(db, _unfinished(db, name))
        former = [box.epoch for box in outbox_sql.outboxes(db) if box.home == name]
        return open_outbox(self._store, db, name, max(1, self._now_ms(), *(epoch + 1 for epoch in former)))

    def _append(self, box: Outbox, rows: list[Row]) -> Outbox:
        return self._store.submit(lambda db: append(self._store, db, box, rows)).result() if rows else box

    def _streams(self, logs: Iterable[bytes], sizes: Mapping[int, int]) -> Iterator[Stream]:
        """The streams of these branches in order: what the logs say of themselves, as asked, and whatever is left."""
        met: set[int] = set()
        for subject in (*logs, *self._in_order(logs)):
            of = self._store.reading(partial(log_sql.live_streams_of_subject, subject=subject))
            for stream in of:
                if stream.id >> STREAM_SHIFT in sizes:
                    met.add(stream.id)
                    yield stream
        for branch in sizes:
            for stream in _all_streams(self._store, branch):
                if stream.id not in met:
                    yield stream


def finished(store: StoredLog, name: str) -> Outbox | None:
    """The newest welcome for a node that is finished."""

    def work(db: apsw.Connection) -> Outbox | None:
        boxes = [box for box in outbox_sql.outboxes(db) if box.home == name]
        done = [box for box in boxes if log_sql.tracked(db, MARK + box.log.hex()) == box.size]
        return done[-1] if done else None

    return store.reading(work)


def _unfinished(db: apsw.Connection, name: str) -> list[int]:
    boxes = [box for box in outbox_sql.outboxes(db) if box.home == name]
    return [box.id for box in boxes if log_sql.tracked(db, MARK + box.log.hex()) is None]


def _signed_sizes(db: apsw.Connection, logs: Iterable[bytes]) -> dict[int, int]:
    """Up to where each of these logs is signed, by branch."""
    branches = {branch.log: branch for branch in log_sql.branches(db) if branch.leads}
    here = [branches[log] for log in logs if log in branches]
    return {branch.id: log_sql.signed_size_until(db, branch.id, branch.size) for branch in here}


def _all_streams(store: StoredLog, branch: int) -> Iterator[Stream]:
    ordinal = 1
    while True:
        found = store.reading(
            partial(log_sql.streams_of_branch, branch=branch, first_ordinal=ordinal, count=STREAMS_COUNT)
        )
        yield from found
        if len(found) < STREAMS_COUNT:
            return
        ordinal += STREAMS_COUNT


def logs_in(store: StoredLog, box: Outbox, keys: Mapping[bytes, bytes]) -> list[SignedLog]:
    """What the own keys of a welcome's logs have signed, up to where it has them."""

    def work(db: apsw.Connection) -> list[SignedLog]:
        sizes = outbox_sql.sizes_of_branches(db, box.id)
        return [
            SignedLog(keys[store.log_of(db, branch)], _steps(db, branch, size))
            for branch, size in sizes.items()
            if store.log_of(db, branch) in keys
        ]

    return store.reading(work)


def _steps(db: apsw.Connection, branch: int, size: int) -> list[tuple[int, bytes, bytes]]:
    """Signed sizes, the last one this, that lie near enough for a push from one to the next: a hub may lose them all.

    Where two that the log's key has signed lie further apart, its node once pushed what is between them as one.
    """
    found = [(one.size, one.root, one.signature) for one in log_sql.checkpoints(db, branch, 0, size)]
    lengths = log_sql.body_sizes_of_branch(db, branch)
    kept: list[tuple[int, bytes, bytes]] = []
    start, total, at = 0, 0, 0
    for number, one in enumerate(found):
        total += sum(lengths[at : one[0]])
        at = one[0]
        following = found[number + 1][0] if number + 1 < len(found) else None
        if (
            following is None
            or following - start > PUSH_ROWS_MAX
            or total + sum(lengths[at:following]) > BODIES_SIZE_BYTES_MAX
        ):
            kept.append(one)
            start, total = one[0], 0
    return kept
