"""The router: a follower that fills the homes' outboxes.

It reads entries after its position, asks `domain.routing` about every subject whose place they change, and appends
what each home is given to its outbox. Outboxes, the county's word on whose logs these are, and the new position are
committed in one transaction: *a power cut leaves all of a batch or nothing, and a stream is never in an outbox twice,
because the outbox itself says how far it is.*

What is decided at an entry rests on the entries up to it and on none after, so it does not depend on how they were
batched. In a batch the county's own word to a home, and to all homes (its terms and rules), goes first, then whole
subjects, those with the greatest need before others, then what is new of the subjects that an outbox follows already. A
home is never sent its own logs, and never another home's mailbox, whatever anybody wrote about it.

A hub that joined has an outbox, too, for this hub's own word to it and nothing else: what its homes may see, it has
from them, and decides itself.

Of most entries the headline says that they decide nothing, and of most corrections the field that they name
(`may_change`). What decides is read from its own entry backwards, so a router that is behind pays nothing for it.

Where an entry about a subject cannot be read here, because the disk has damaged it, nothing new is decided about that
subject until its content is here again (`damage`): what cannot be read may be what took it away from a home.

Beside its position the router keeps how far the outboxes are routed by *today's* rules (`domain.routing`). After an
upgrade that brought new ones this lags behind: the old entries are gone through again, a batch at a time, wherever
nothing new waits, and what is owed now is sent. There everything is decided by all entries up to the position, not by
those up to an old entry: who lost a child long ago is not given it once more. *A power cut costs a batch.* What the
rules before had given, and today's would not, is not taken back; from now on it is followed no more.

When the hub begins a new epoch (`sync.epoch`), the router begins at the first entry again, for new outboxes. A batch on
its way at that moment is dropped: who decides is the log that the hub writes when the batch is committed.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

import apsw

from central_hub import ordering, routed
from central_hub.loading import Load, Step, is_mail
from central_hub.registry import Registry, is_direct
from central_hub.shelving import Shelving, may_have_now
from domain import schema
from domain.folding import fold
from domain.policy import COUNTY_SUBJECT
from domain.routing import ALL, DECIDES, EVERYTHING, SELDOM, TIES, Grant, grants, hangs_on, may_change, urgency
from domain.tiers import SEPARATOR
from node import mailbox
from node.clock import Clock
from node.records import is_of_the_domain, of_the_domain, record_of
from sync import damage, epoch, headlines, log_sql, outbox, outbox_sql
from sync.database import NotStored
from sync.entry import Body
from sync.errors import LogCorrupt
from sync.file_sql import StoredFile
from sync.headlines import Headline
from sync.log_schema import STREAM_SHIFT, Row, Stream
from sync.outbox_sql import Outbox
from sync.store import Store

BATCH_COUNT: Final = 1000
IDLE_COUNT_MAX: Final = 2000  # where nothing is to be routed, the mark is moved only now and then
A_MOMENT_S: Final = 0.2  # of what a home waits for; what it does not get now comes with its next exchange
PAUSE_S: Final = 1.0
REST_S_MAX: Final = 1.0  # after working it rests three times as long: homes that push wait for nobody's outbox
PAUSE_DAMAGED_S: Final = 60.0  # only an operator helps


class Router:
    """Feeds the outboxes of a hub. Safe to use from any thread."""

    def __init__(self, store: Store, registry: Registry, clock: Clock) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._life = (b"", 0)  # the log that the hub writes, and its epoch
        self.position = self._marked = 0
        self._ruled = self._ruled_marked = 0  # routed by today's rules up to here
        self._begin()

    def _begin(self) -> None:
        """Go on where this epoch's outboxes stand; from the beginning where there are none yet."""
        if self._life[0] != self._store.log:
            self._life = (self._store.log, epoch.current(self._store))
            self._shelving = Shelving(self._store, self._registry, self.epoch)
            self.position, self._ruled = self._store.reading(lambda db: routed.marks(db, self.epoch))
            self._marked, self._ruled_marked = self.position, self._ruled

    @property
    def epoch(self) -> int:
        """The epoch whose outboxes are filled."""
        return self._life[1]

    def catch_up(self, batch_count: int = BATCH_COUNT) -> Iterator[int]:
        """Follow to the newest entry, a batch at a time; gives the position after each."""
        while self._take_next(batch_count, -1):
            yield self.position

    def _take_next(self, batch_count: int, wait_s: float) -> bool:
        """Route one batch; False if nothing is left, or somebody else is at it for longer than `wait_s`."""
        if not self._one_at_a_time.acquire(timeout=wait_s):
            return False
        try:
            self._begin()
            end, found = headlines.after(self._store, self.position, batch_count)
            if end > self.position:
                self.take(end, found)
            elif self._ruled < self.position:
                self._take_again(batch_count)
            elif self._shelving.arrived():
                self._store.submit(self._shelve).result()
            else:
                return False
            return True
        finally:
            self._one_at_a_time.release()

    def _shelve(self, db: apsw.Connection) -> None:
        if self._store.writes(self._life[0]):
            boxes = _Batch(self._store, self._registry, self._clock, self._life, self.position, 0).boxes(db)
            self._shelving.shelve_arrived(db, boxes.values())

    def may_have(self, log: bytes, file: StoredFile) -> bool:
        """Whether the home of a log may have a file, as things stand."""
        has = self.outbox_of(log)
        return has is not None and may_have_now(self._store, self._registry, has[0], file)

    def catch_up_quickly(self) -> None:
        """Route what was just brought, if that takes no more than a moment; the rest comes with another exchange."""
        deadline = time.monotonic() + A_MOMENT_S
        while (left := deadline - time.monotonic()) > 0 and self._take_next(BATCH_COUNT, left):
            pass

    def outbox_of(self, log: bytes) -> tuple[bytes, int] | None:
        """Id and epoch of the outbox for a log's home, or for a hub; None where another hub has the outbox."""
        if not is_direct(self._registry.code_of(log)):
            return None
        code, number = self._registry.child_of(log), epoch.current(self._store)
        return outbox.outbox_id(self._store.identity.public_key, code, number), number

    async def keep_up(self) -> None:
        """Follow for ever, beside a node that serves."""
        if again := routed.shown(self._store):
            words = "分发规则有更新，正在按新规则核对旧记录，不影响使用 (new rules: old entries are routed again)"
            print(f"{words}: {again['at']} / {again['of']}", file=sys.stderr, flush=True)
        while True:
            await asyncio.to_thread(self._follow_once)

    def _follow_once(self) -> None:
        try:
            began = time.monotonic()
            while not self._store.is_stopping and self._take_next(BATCH_COUNT, -1):
                self._store.rest(min(REST_S_MAX, 3 * (time.monotonic() - began)))
                began = time.monotonic()
        except (apsw.FullError, NotStored, LogCorrupt) as error:
            print(f"outboxes cannot be filled for the moment: {error}", file=sys.stderr, flush=True)
            self._store.rest(PAUSE_DAMAGED_S if isinstance(error, LogCorrupt) else PAUSE_S)
        self._store.wait_beyond(self._store.position(), PAUSE_S)

    def take(self, end: int, entries: Sequence[Headline]) -> None:
        """Route what a batch of entries changes, up to a position."""
        is_ruled = self._ruled >= self.position
        routing = _Batch(self._store, self._registry, self._clock, self._life, end, end if is_ruled else 0)
        for entry in entries:
            routing.note(entry)
        if not routing.is_idle() or end - self._marked >= IDLE_COUNT_MAX:
            if not self._store.submit(routing.commit).result():
                return
            self._marked = end
        self.position = end
        self._ruled = max(self._ruled, end) if is_ruled else self._ruled

    def _take_again(self, batch_count: int) -> None:
        """Send what is owed by entries that were routed by rules before today's, a batch of them."""
        end, found = headlines.after(self._store, self._ruled, batch_count)
        end = min(end, self.position) if end > self._ruled else self.position
        routing = _Batch(self._store, self._registry, self._clock, self._life, self.position, end)
        for entry in found:
            if entry.position <= end:
                routing.note_again(entry)
        if not routing.is_idle() or end == self.position or end - self._ruled_marked >= IDLE_COUNT_MAX:
            if not self._store.submit(routing.commit).result():
                return
            self._ruled_marked = end
        self._ruled = end


class _Batch:
    """One batch on its way: steps worked out beside the writer, then one transaction."""

    def __init__(
        self, store: Store, registry: Registry, clock: Clock, life: tuple[bytes, int], end: int, ruled: int
    ) -> None:
        """Up to position `end`; up to `ruled` everything is routed by today's rules then."""
        self._store, self._registry, self._clock, self._end, self._ruled = store, registry, clock, end, ruled
        self._log, self._epoch = life
        self._own, self._key = set(store.own_logs()), store.identity.public_key
        self._mailboxes = {
            mailbox.mailbox_of(self._key, one.code.removesuffix(SEPARATOR)) for one in registry.children()
        }
        self._steps: list[Step] = []
        self._decided: set[bytes] = set()
        self._has_mail = False
        self._hubs: set[str] = set()
        self._ties: list[tuple[bytes, bytes]] = []
        self._child_of: dict[bytes, bytes] = {}  # of what was tied in this batch
        self._shelving = Shelving(store, registry, self._epoch)

    def note_again(self, headline: Headline) -> None:
        """Work out what is owed by the batch's end because of an older entry: nothing, unless it moves a subject."""
        if headline.type in TIES or (headline.type in DECIDES and headline.subject not in self._decided):
            self._decided.add(headline.subject)
            self.note(headline, self._end)

    def note(self, headline: Headline, until: int = 0) -> None:
        """Work out what follows from one entry, by the entries up to it, or up to a later position.

        Of most the headline says that nothing does.
        """
        is_own = headline.log in self._own
        if is_own and headline.type == damage.MENDED:
            body = self._body_of(headline)
            subject = damage.mended_subject(self._store, body) if body is not None else None
            if subject is not None:
                self._decide(headline, subject)
        self._has_mail |= is_own and is_mail(headline)
        is_ours = headline.subject not in self._mailboxes
        if not (is_ours and is_of_the_domain(headline.type, headline.subject, headline.log)):
            return
        child = self._tied_to(headline) if headline.type in TIES else None
        if child is not None and child not in self._mailboxes:
            self._ties.append((child, headline.subject))
            self._child_of[headline.subject] = child
        changes = headline.type in DECIDES and (headline.type not in SELDOM or self._may_change(headline))
        headline = headline._replace(position=until or headline.position)
        if changes:
            self._decide(headline, headline.subject)
        else:
            author = self._registry.code_of(headline.log)
            child = child or self._child_of.get(headline.subject, headline.subject)
            self._steps.append(Step(headline.subject, headline.position, None, author, (0, b""), child))

    def _tied_to(self, headline: Headline) -> bytes | None:
        """The child whose file an entry goes with, which its content says; None if that was erased meanwhile."""
        body = self._body_of(headline)
        return None if body is None else hangs_on(schema.decode(body.type, body.payload))

    def _may_change(self, headline: Headline) -> bool:
        """Whether an entry's content can change who may see its subject; yes, if it was erased meanwhile."""
        body = self._body_of(headline)
        return body is None or may_change(schema.decode(body.type, body.payload))

    def _body_of(self, headline: Headline) -> Body | None:
        entries = self._store.entries_after(headline.position - 1, 1)
        return next((entry.body() for entry in entries if entry.position == headline.position), None)

    def _decide(self, headline: Headline, subject: bytes) -> None:
        found = [(one, one.body()) for one in self._store.entries_of_subject(subject, headline.position)]
        blank = {one.log for one, body in found if body is None}
        if any(not damage.was_erased(self._store, log, subject) for log in blank):
            return  # damaged: who may see the subject stays as it was decided
        records = [record_of(one, body, self._registry.code_of) for one, body in found if of_the_domain(body, one)]
        state = fold("", subject, records)
        author = self._registry.code_of(headline.log)
        self._steps.append(Step(subject, headline.position, grants(state), author, urgency(state), subject))

    def is_idle(self) -> bool:
        """Whether nothing follows from the batch; what nobody else follows is left out of it."""
        decided = {step.subject for step in self._steps if step.grants is not None}

        def followed(db: apsw.Connection) -> list[Step]:
            self._has_mail |= bool(outbox_sql.again(db))
            homes = {box.id: box.home for box in outbox_sql.outboxes(db)}
            scopes = outbox_sql.followers_of(db, {step.child for step in self._steps if step.grants is None})
            follow = {child: {homes[number] for number in numbers} for child, numbers in scopes.items()}
            return [
                step
                for step in self._steps
                if step.grants is not None or step.child in decided or follow.get(step.child, set()) - {step.author}
            ]

        self._steps = self._store.reading(followed)
        return not (self._steps or self._ties or self._has_mail)

    def commit(self, db: apsw.Connection) -> bool:
        """Append to the outboxes and move on; False if a new epoch has begun. Inside the writer's transaction."""
        if not self._store.writes(self._log):
            return False
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
        routed.move(db, self._epoch, self._end, self._ruled)
        return True

    def boxes(self, db: apsw.Connection) -> dict[str, Outbox]:
        """The outboxes of this epoch by home, one for each home or hub that joined."""
        key = (self._key, self._epoch)
        found = {box.home: box for box in outbox_sql.outboxes(db) if (box.public_key, box.epoch) == key}
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
        now_ms = self._clock()
        drafts = []
        for code, load in loads.items():
            branches = {row.branch for row in (*load.live, *(row for _, row in load.whole))}
            logs = {self._store.log_of(db, branch) for branch in branches}
            logs |= self._logs_in_mailbox(db, code) if self._has_mail else set()
            if not logs:
                continue
            said = mailbox.read(self._store, self._key, code).homes
            subject = mailbox.mailbox_of(self._key, code)
            unsaid = sorted(logs - self._own - said.keys())
            said_to = [mailbox.assignment(subject, log, self._registry.code_of(log), now_ms) for log in unsaid]
            drafts += mailbox.introduced(self._store, code, said_to, logs & self._own, now_ms)
        if drafts:
            self._store.record_in(db, drafts)

    def _mail(self, db: apsw.Connection, box: Outbox) -> list[Row]:
        """What the county has said to a home, or to all, and is not in its outbox yet."""
        streams = self._own_streams(db, mailbox.mailbox_of(self._key, box.home))
        if box.home not in self._hubs:
            streams += self._own_streams(db, COUNTY_SUBJECT)
        return outbox.missing(db, box, [stream for _, stream in streams])

    def _logs_in_mailbox(self, db: apsw.Connection, code: str) -> set[bytes]:
        return {log for log, _ in self._own_streams(db, mailbox.mailbox_of(self._key, code))}

    def _own_streams(self, db: apsw.Connection, subject: bytes) -> list[tuple[bytes, Stream]]:
        """The streams in which the county speaks about a subject, each with its log."""
        streams = log_sql.live_streams_of_subject(db, subject)
        found = ((self._store.log_of(db, stream.id >> STREAM_SHIFT), stream) for stream in streams)
        return [one for one in found if one[0] in self._own]
