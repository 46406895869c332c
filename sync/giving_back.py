"""A node gives back what only homes still have of a hub's own word: the hub was restored, and begins a new epoch.

What the county itself had said since the backup (orders of erasure, settlements, decisions) is nowhere but in the
outboxes of older epochs that homes hold. So a node that is told of a newer epoch than one of which it holds entries
shows the hub how much it has of it, and the hub asks for what it lacks:

    node                                             hub
    Witness(outbox, epoch, size)  ------------>      of an epoch that is over
                                  <------------      Recall(outbox, size, root), then OutboxAt as always
    Returned(epoch, frontier, …)  ------------>      verify, record again, then Took(outbox, size)   4 on their way

Each Returned is verified by itself: with the right edge of the tree before it, its leaves must give the root that the
hub once signed at its end. So requests may be cut and repeated anywhere, and the hub keeps no state between them. What
the hub took is noted here, durably, for each epoch that it was given to: *a cut costs what was on its way*, and each
epoch is given everything once. The hub notes it, too, and says in OutboxAt how much that is: if that is less than what
is noted here, the hub was put back within this epoch, and is given everything again.

Nothing of the new epoch's outbox is followed before all has been given: what the hub lacks may show it that it wrote
where entries stood, and what it would deliver until then contradicts what is held here.
"""

from __future__ import annotations

import asyncio

import apsw

from sync import log_sql, outbox_sql
from sync.errors import LogCorrupt, RemoteProtocolError
from sync.merkle import frontier_numbers
from sync.messages import Beginning, ErasedRow, Message, Push, PushRow, Recall, Returned, Took
from sync.outbox import beginning_of, node, outbox_id, row_of
from sync.outbox_sql import Outbox
from sync.replicator import Wait
from sync.store import Store
from sync.stored_log import StoredLog
from sync.witness import of_outbox, root_of, taken_mark, taken_of

MARK = "homeward/given-back/"  # among the tracked applications: outbox in hex, `/`, the epoch that it was given to
HERE = b""  # in the marks of what the hub took of this node
IN_FLIGHT_MAX = 4
RECALLS_COUNT_MAX = 4  # one for each witness that may be unanswered, and more than that


class GivingBack:
    """What one exchange gives back."""

    def __init__(self, store: Store, home: str, hub_key: bytes) -> None:
        self.given = 0  # entries that the hub took in this exchange
        self._store, self._home, self._hub_key = store, home, hub_key
        self._epoch = 0
        self._offers: list[Outbox] = []
        self._met: set[bytes] = set()
        self._box: Outbox | None = None  # that is being given
        self._cursor = self._taken = 0
        self._in_flight: list[int] = []
        self._asked: Outbox | None = None  # that was offered, and not answered yet
        self._recalls: list[Recall] = []  # that wait for what is being given

    @property
    def done(self) -> bool:
        """Whether nothing is to be offered, given or heard."""
        return not (self._offers or self._recalls or self._box is not None or self._asked is not None)

    async def told(self, epoch: int, taken: int) -> None:
        """The hub is in this epoch; what is being given goes on. It has taken so many entries in it."""
        if self._asked is not None and epoch <= self._asked.epoch:
            self._asked = None  # it has what was offered, in an epoch that is not over
        if epoch == self._epoch or not self._hub_key:
            return
        if not self._epoch:
            await asyncio.to_thread(self._compare, epoch, taken)
        self._epoch = epoch
        self._offers = [one for one in await asyncio.to_thread(self._older) if one.log not in self._met]

    def _compare(self, epoch: int, taken: int) -> None:
        """Forget what this epoch was given, if the hub has forgotten it."""
        compare(self._store, self._hub_key, self._home, epoch, taken)

    def _older(self) -> list[Outbox]:
        """What this epoch was not given yet, oldest first."""
        return not_given(self._store, self._hub_key, self._home, self._epoch)

    def _mark(self, box: Outbox) -> str:
        return given_mark(box, self._epoch)

    async def next(self) -> Message | Wait | None:
        """What to say now; Wait where the hub must be heard first, None where there is nothing."""
        if self._box is not None:
            if self._cursor >= self._box.size or len(self._in_flight) >= IN_FLIGHT_MAX:
                return Wait()
            returned = await asyncio.to_thread(returned_of, self._store, self._box.log, self._cursor)
            self._cursor = returned.push.end
            self._in_flight.append(self._cursor)
            return returned
        if self._recalls:
            await asyncio.to_thread(self._open, self._recalls.pop(0))
            return await self.next()
        if self._asked is not None:
            return Wait()
        if self._offers:
            self._asked = self._offers.pop(0)
            self._met.add(self._asked.log)
            return await asyncio.to_thread(of_outbox, self._store, self._asked)
        return None

    async def recalled(self, asked: Recall) -> None:
        """The hub asks for what it lacks of an outbox; given when its turn comes."""
        if self._asked is not None and self._asked.log == asked.log:
            self._asked = None
        if len(self._recalls) >= RECALLS_COUNT_MAX:
            raise RemoteProtocolError(f"the hub asks for more than {RECALLS_COUNT_MAX} outboxes at once")
        self._met.add(asked.log)
        self._offers = [one for one in self._offers if one.log != asked.log]
        self._recalls.append(asked)

    def _open(self, asked: Recall) -> None:
        box = self._store.reading(lambda db: outbox_sql.outbox(db, asked.log))
        if box is None or box.public_key != self._hub_key or not box.size:
            raise RemoteProtocolError(f"the hub asks for outbox {asked.log.hex()}, of which nothing is here")
        taken = self._store.reading(lambda db: log_sql.tracked(db, self._mark(box))) or 0
        agrees = root_of(self._store, box.log, asked.size) == asked.root
        self._taken = self._cursor = max(taken, asked.size if agrees else 0)
        self._in_flight = []
        self._box = box
        self._note(self._taken)

    def _note(self, size: int) -> None:
        """The hub has so many entries of it, durably."""
        assert self._box is not None
        box, mark = self._box, self._mark(self._box)
        self.given += size - self._taken
        self._taken = size
        self._store.submit(lambda db: log_sql.track(db, mark, size)).result()
        if size >= box.size:
            self._box = None

    async def took(self, message: Took) -> None:
        """The hub has taken what was given up to a size."""
        if self._box is None or message.log != self._box.log or not self._taken <= message.size <= self._cursor:
            raise RemoteProtocolError("the hub took what was not given to it")
        self._in_flight = [end for end in self._in_flight if end > message.size]
        mark = taken_mark(outbox_id(self._hub_key, self._home, self._epoch), HERE, message.log)
        await asyncio.wrap_future(self._store.submit(lambda db: log_sql.track(db, mark, message.size)))
        await asyncio.to_thread(self._note, message.size)

    def ended(self) -> None:
        """A request has ended: what it did not carry through is said again in the next one."""
        if self._asked is not None:
            self._offers.insert(0, self._asked)
        self._asked = None
        self._cursor, self._in_flight = self._taken, []


def given_mark(box: Outbox, epoch: int) -> str:
    """How much of an outbox the hub has in an epoch: a tracked application."""
    return f"{MARK}{box.log.hex()}/{epoch}"


def not_given(store: StoredLog, hub_key: bytes, home: str, epoch: int) -> list[Outbox]:
    """The outboxes of older epochs that were not given back to this one whole, oldest first."""

    def work(db: apsw.Connection) -> list[Outbox]:
        ours = [box for box in outbox_sql.outboxes(db) if (box.public_key, box.home) == (hub_key, home)]
        older = [box for box in ours if box.size and box.epoch < epoch]
        return [box for box in older if (log_sql.tracked(db, given_mark(box, epoch)) or 0) < box.size]

    return sorted(store.reading(work), key=lambda box: box.epoch)


def compare(store: Store, hub_key: bytes, home: str, epoch: int, taken: int) -> None:
    """Forget what an epoch was given, if the hub has taken less in it: it has forgotten it."""
    current = outbox_id(hub_key, home, epoch)

    def work(db: apsw.Connection) -> None:
        outbox_sql.untrack_under(db, taken_mark(current, HERE))
        for box in outbox_sql.outboxes(db):
            outbox_sql.untrack_under(db, given_mark(box, epoch))

    if taken < taken_of(store, current, HERE):
        store.submit(work).result()


def returned_of(store: StoredLog, log: bytes, start: int) -> Returned:
    """Entries of an outbox behind `start`, up to the next size that the hub has signed."""

    def read(db: apsw.Connection) -> Returned:
        box = outbox_sql.outbox(db, log)
        signed = outbox_sql.checkpoints(db, box.id, start, box.size) if box is not None else []
        if box is None or not signed:
            raise LogCorrupt(f"log.db has no signed size of outbox {log.hex()} behind {start}: run verify")
        found = outbox_sql.places(db, box.id, start, signed[0].size - start)
        stored = [log_sql.entry_at(db, place.position) for place in found]
        ordinals: dict[int, int] = {}
        logs: dict[bytes, int] = {}
        begun: list[Beginning] = []
        origins, seqs = list[int](), list[int]()
        rows: list[PushRow | ErasedRow] = []
        for row in store.opened_rows(db, [row for row in stored if row is not None]):
            if row.stream not in ordinals:
                ordinals[row.stream] = len(ordinals) + 1
                written_in = store.log_of(db, row.branch)
                begun.append(beginning_of(db, store, row.stream, written_in, is_withheld=False))
                origins.append(logs.setdefault(written_in, len(logs)))
            rows.append(row_of(row, ordinals[row.stream], is_withheld=False))
            seqs.append(row.seq)
        edge = [node(db, box, number) for number in frontier_numbers(start)]
        push = Push(start, 1, begun, rows, signed[0].root, signed[0].signature)
        return Returned(box.epoch, edge, list(logs), origins, seqs, push)

    return store.reading(read)
