"""The router: a follower that fills the homes' outboxes.

It reads entries after its position, asks `domain.routing` about every subject whose place they change, and appends
what each home is given to its outbox. Outboxes, the county's word on whose logs these are, and the new position are
committed in one transaction: *a power cut leaves all of a batch or nothing, and a stream is never in an outbox twice,
because the outbox itself says how far it is.*

What is decided at an entry rests on the entries up to it and on none after, so it does not depend on how they were
batched. In a batch the county's own word to a home goes first, then whole subjects, those with the greatest need before
others, then what is new of the subjects that an outbox follows already. A home is never sent its own logs.

A hub that joined has an outbox, too, for this hub's own word to it and nothing else: what its homes may see, it has
from them, and decides itself.
Where an entry about a subject cannot be read here, because the disk has damaged it, nothing new is decided about that
subject until its content is here again (`damage`): what cannot be read may be what took it away from a home.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import apsw

from central_hub import ordering
from central_hub.registry import Registry, is_direct
from central_hub.shelving import Shelving, may_have
from domain import schema
from domain.folding import fold
from domain.routing import ALL, DECIDES, EVERYTHING, TIES, Grant, grants, hangs_on, urgency
from domain.tiers import SEPARATOR
from node import mailbox
from node.clock import Clock
from node.records import is_of_the_domain, of_the_domain, record_of
from sync import damage, headlines, log_sql, outbox, outbox_sql
from sync.database import NotStored
from sync.entry import Body
from sync.errors import LogCorrupt
from sync.file_sql import StoredFile
from sync.headlines import Headline
from sync.log_schema import STREAM_SHIFT, Row
from sync.outbox_sql import Outbox
from sync.store import Store

MARK: Final = "homeward/router"  # among the tracked applications
BATCH_COUNT: Final = 500
IDLE_COUNT_MAX: Final = 2000  # where nothing is to be routed, the mark is moved only now and then
A_MOMENT_S: Final = 0.2  # of what a home waits for; what it does not get now comes with its next exchange
PAUSE_S: Final = 1.0
REST_S_MAX: Final = 1.0  # after working it rests three times as long: homes that push wait for nobody's outbox
PAUSE_DAMAGED_S: Final = 60.0  # only an operator helps
FIRST_EPOCH: Final = 1


class Step(NamedTuple):
    """Up to a position: give homes what is granted of a subject, or (grants None) go on with those that follow it."""

    subject: bytes
    position: int
    grants: dict[str, Grant] | None
    author: str  # the home that wrote the entry
    urgency: tuple[int, bytes]
    child: bytes  # whose file it goes with; itself, unless it hangs on a child


@dataclass(slots=True)
class Load:
    """What one batch adds to one outbox: rows of whole subjects with their urgency, and rows that go on."""

    whole: list[tuple[tuple[int, bytes], Row]] = field(default_factory=list)
    live: list[Row] = field(default_factory=list)
    positions: set[int] = field(default_factory=set)

    def rows(self) -> list[Row]:
        """All of them, in the order in which they are appended.

        Each stream in its own order, also where a child came back within the batch and part of it had gone on before.
        """
        self.whole.sort(key=lambda one: (one[0], one[1].position))
        rows = [row for _, row in self.whole] + sorted(self.live, key=lambda row: row.position)
        of_stream: dict[int, list[Row]] = {}
        for row in sorted(rows, key=lambda row: row.position, reverse=True):
            of_stream.setdefault(row.stream, []).append(row)
        return [of_stream[row.stream].pop() for row in rows]


class Router:
    """Feeds the outboxes of a hub. Safe to use from any thread."""

    def __init__(self, store: Store, registry: Registry, clock: Clock, epoch: int = FIRST_EPOCH) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._epoch = epoch
        self._one_at_a_time = threading.Lock()
        self._shelving = Shelving(store, registry)
        self.position = self._marked = store.reading(lambda db: log_sql.tracked(db, MARK)) or 0

    def catch_up(self, batch_count: int = BATCH_COUNT) -> Iterator[int]:
        """Follow to the newest entry, a batch at a time; gives the position after each."""
        while self._take_next(batch_count, -1):
            yield self.position

    def _take_next(self, batch_count: int, wait_s: float) -> bool:
        """Route one batch; False if nothing is left, or somebody else is at it for longer than `wait_s`."""
        if not self._one_at_a_time.acquire(timeout=wait_s):
            return False
        try:
            end, found = headlines.after(self._store, self.position, batch_count)
            if end > self.position:
                self.take(end, found)
            elif self._shelving.arrived():
                self._store.submit(self._shelve).result()
            else:
                return False
            return True
        finally:
            self._one_at_a_time.release()

    def _shelve(self, db: apsw.Connection) -> None:
        boxes = _Batch(self._store, self._registry, self._clock, self._epoch, self.position).boxes(db)
        self._shelving.shelve_arrived(db, boxes.values())

    def may_have(self, log: bytes, file: StoredFile) -> bool:
        """Whether the home of a log may have a file, as things stand."""
        has = self.outbox_of(log)
        if has is None:
            return False

        def work(db: apsw.Connection) -> bool:
            box = outbox_sql.outbox(db, has[0])
            return box is not None and may_have(self._store, db, self._registry, box, file)

        return self._store.reading(work)

    def catch_up_quickly(self) -> None:
        """Route what was just brought, if that takes no more than a moment; the rest comes with another exchange."""
        deadline = time.monotonic() + A_MOMENT_S
        while (left := deadline - time.monotonic()) > 0 and self._take_next(BATCH_COUNT, left):
            pass

    def outbox_of(self, log: bytes) -> tuple[bytes, int] | None:
        """Id and epoch of the outbox for a log's home, or for a hub; None where another hub has the outbox."""
        if not is_direct(self._registry.code_of(log)):
            return None
        code = self._registry.child_of(log)
        return outbox.outbox_id(self._store.signer.public_key, code, self._epoch), self._epoch

    async def keep_up(self) -> None:
        """Follow for ever, beside a node that serves."""
        while True:
            await asyncio.to_thread(self._follow_once)

    def _follow_once(self) -> None:
        try:
            began = time.monotonic()
            while self._take_next(BATCH_COUNT, -1):
                time.sleep(min(REST_S_MAX, 3 * (time.monotonic() - began)))
                began = time.monotonic()
        except (apsw.FullError, NotStored, LogCorrupt) as error:
            print(f"outboxes cannot be filled for the moment: {error}", file=sys.stderr, flush=True)
            time.sleep(PAUSE_DAMAGED_S if isinstance(error, LogCorrupt) else PAUSE_S)
        self._store.wait_beyond(self._store.position(), PAUSE_S)

    def take(self, end: int, entries: Sequence[Headline]) -> None:
        """Route what a batch of entries changes, up to a position."""
        routing = _Batch(self._store, self._registry, self._clock, self._epoch, end)
        for entry in entries:
            routing.note(entry)
        if not routing.is_idle() or end - self._marked >= IDLE_COUNT_MAX:
            self._store.submit(routing.commit).result()
            self._marked = end
        self.position = end


class _Batch:
    """One batch on its way: steps worked out beside the writer, then one transaction."""

    def __init__(self, store: Store, registry: Registry, clock: Clock, epoch: int, end: int) -> None:
        self._store, self._registry, self._clock, self._epoch, self._end = store, registry, clock, epoch, end
        self._steps: list[Step] = []
        self._has_mail = False
        self._hubs: set[str] = set()
        self._ties: list[tuple[bytes, bytes]] = []
        self._child_of: dict[bytes, bytes] = {}  # of what was tied in this batch
        self._shelving = Shelving(store, registry)

    def note(self, headline: Headline) -> None:
        """Work out what follows from one entry; of most the headline says that nothing does."""
        is_own = headline.log == self._store.log
        if is_own and headline.type == damage.MENDED:
            body = self._body_of(headline)
            subject = damage.mended_subject(self._store, body) if body is not None else None
            if subject is not None:
                self._decide(headline, subject)
        self._has_mail |= is_own and headline.type in mailbox.TYPES
        if not is_of_the_domain(headline.type, headline.subject, headline.log):
            return
        child = self._tied_to(headline) if headline.type in TIES else None
        if child is not None:
            self._ties.append((child, headline.subject))
            self._child_of[headline.subject] = child
        if headline.type in DECIDES:
            self._decide(headline, headline.subject)
        else:
            author = self._registry.code_of(headline.log)
            subject = headline.subject
            child = child or self._child_of.get(subject, subject)
            self._steps.append(Step(subject, headline.position, None, author, (0, b""), child))

    def _tied_to(self, headline: Headline) -> bytes | None:
        """The child whose file an entry goes with, which its content says; None if that was erased meanwhile."""
        body = self._body_of(headline)
        return None if body is None else hangs_on(schema.decode(body.type, body.payload))

    def _body_of(self, headline: Headline) -> Body | None:
        entries = self._store.entries_of_subject(headline.subject, headline.position)
        return next((entry.body() for entry in entries if entry.position == headline.position), None)

    def _decide(self, headline: Headline, subject: bytes) -> None:
        found = [(one, one.body()) for one in self._store.entries_of_subject(subject, headline.position)]
        blank = {one.log for one, body in found if body is None}
        if any(not damage.was_erased(self._store, log, subject) for log in blank):
            return  # damaged: who may see the subject stays as it was decided
        records = [
            record_of(one, body, self._registry.code_of(one.log)) for one, body in found if of_the_domain(body, one)
        ]
        state = fold("", subject, records)
        author = self._registry.code_of(headline.log)
        self._steps.append(Step(subject, headline.position, grants(state), author, urgency(state), subject))

    def is_idle(self) -> bool:
        """Whether nothing follows from the batch; what nobody else follows is left out of it."""
        decided = {step.subject for step in self._steps if step.grants is not None}

        def followed(db: apsw.Connection) -> list[Step]:
            self._has_mail |= bool(outbox_sql.again(db))
            homes = {box.id: box.home for box in outbox_sql.outboxes(db)}
            return [
                step
                for step in self._steps
                if step.grants is not None
                or step.child in decided
                or {homes[number] for number in outbox_sql.followers(db, step.child)} - {step.author}
            ]

        self._steps = self._store.reading(followed)
        return not (self._steps or self._ties or self._has_mail)

    def commit(self, db: apsw.Connection) -> None:
        """Append to the outboxes and move on; inside the writer's transaction."""
        for child, hangs in self._ties:
            outbox_sql.tie(db, child, hangs)
        boxes = self.boxes(db)
        for child, hangs in self._ties:
            for box in boxes.values():
                if box.id in outbox_sql.scope(db, child):
                    self._shelving.shelve_of(db, box, [hangs])
        loads = {code: Load() for code in boxes}
        for step in self._steps:
            self._perform(db, step, boxes, loads)
        self._assign_logs(db, loads)
        ordering.address_late(self._store, db, self._registry, self._clock())
        for code, box in boxes.items():
            rows = loads[code].rows()
            if rows or self._has_mail:
                rows = [*self._mail(db, box), *rows]
            if rows:
                outbox.append(self._store, db, box, rows)
        log_sql.track(db, MARK, self._end)

    def boxes(self, db: apsw.Connection) -> dict[str, Outbox]:
        """The outboxes of this epoch by home, one for each home or hub that joined."""
        key = self._store.signer.public_key
        found = {box.home: box for box in outbox_sql.outboxes(db) if (box.public_key, box.epoch) == (key, self._epoch)}
        children = self._registry.children()
        codes = [child.code.removesuffix(SEPARATOR) for child in children]
        self._hubs = {child.code.removesuffix(SEPARATOR) for child in children if child.is_hub}
        return {code: found.get(code) or outbox.open_outbox(self._store, db, code, self._epoch) for code in codes}

    def _perform(self, db: apsw.Connection, step: Step, boxes: dict[str, Outbox], loads: dict[str, Load]) -> None:
        followed = outbox_sql.scope(db, step.child)
        with_child = outbox_sql.followers(db, step.child) - followed  # of the child whose file the subject goes with
        if step.grants is None or (with_child and not step.grants):
            for code, box in boxes.items():
                if box.id in followed | with_child and code != step.author:
                    self._give(db, box, loads[code], step, EVERYTHING, is_new=False)
            return
        given = {code: grant for code, grant in step.grants.items() if code in boxes and code not in self._hubs}
        for code, grant in given.items():
            is_new = grant.until is ALL and boxes[code].id not in followed
            self._give(db, boxes[code], loads[code], step, grant, is_new=is_new)
        follows = [boxes[code].id for code, grant in given.items() if grant.until is ALL]
        if set(follows) != followed:
            outbox_sql.set_scope(db, step.subject, follows)
            for box in boxes.values():
                if box.id in set(follows) - followed:
                    whole = [step.subject, *outbox_sql.hanging_on(db, step.subject)]
                    self._shelving.shelve_of(db, box, whole)

    def _give(self, db: apsw.Connection, box: Outbox, load: Load, step: Step, grant: Grant, *, is_new: bool) -> None:
        """What a home is given of a subject, and of what hangs on it, and does not have yet."""
        hanging = outbox_sql.hanging_on(db, step.subject) if is_new else []
        for subject in (step.subject, *hanging):
            streams = [
                stream
                for stream in log_sql.live_streams_of_subject(db, subject)
                if self._home_of(db, stream.id >> STREAM_SHIFT) != box.home
            ]
            for row in outbox.missing(db, box, streams):
                log = self._store.log_of(db, row.branch)
                if row.position > step.position or row.position in load.positions or not grant.covers(log, row.seq):
                    continue
                load.positions.add(row.position)
                if is_new:
                    load.whole.append((step.urgency, row))
                else:
                    load.live.append(row)

    def _home_of(self, db: apsw.Connection, branch: int) -> str:
        return self._registry.code_of(self._store.log_of(db, branch))

    def _assign_logs(self, db: apsw.Connection, loads: dict[str, Load]) -> None:
        """Say to each home whose the logs are that it is given entries of, where that was not said yet."""
        hub_key, now_ms = self._store.signer.public_key, self._clock()
        drafts = []
        for code, load in loads.items():
            branches = {row.branch for row in (*load.live, *(row for _, row in load.whole))}
            logs = {self._store.log_of(db, branch) for branch in branches} - {self._store.log}
            if not logs:
                continue
            said = mailbox.read(self._store, hub_key, code).homes
            subject = mailbox.mailbox_of(hub_key, code)
            drafts += [
                mailbox.assignment(subject, log, self._registry.code_of(log), now_ms)
                for log in sorted(logs - said.keys())
            ]
        if drafts:
            self._store.record_in(db, drafts)

    def _mail(self, db: apsw.Connection, box: Outbox) -> list[Row]:
        """What the county has said to a home and is not in its outbox yet."""
        subject = mailbox.mailbox_of(self._store.signer.public_key, box.home)
        stream = log_sql.stream_of_subject(db, subject, self._store.branch_id(self._store.log))
        return [] if stream is None else outbox.missing(db, box, [stream])
