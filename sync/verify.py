"""Reading everything again: is every stored entry what it was when it was written?

For every branch, in log order: the body opens and gives the commitment under its stream's key, the header gives the
leaf, the leaves give every stored tree node, and the roots are those that the log's key (and the hub, in its receipts)
signed. Of an erased entry all but the body is checked; in the own log its key must have been destroyed, otherwise the
content was taken away by somebody else.
Branches that are here in part have no tree of their own; what they hold is read with the outboxes that vouch for it
(`verify_outboxes`), at the hub and at the homes.
Around it: seq and position have no gap and no stranger, streams' chains and heads agree with their entries.

`verify` does it for the whole store in one reading. `scrub` does it a portion at a time, for ever, beside a node that
serves: it starts from the tree that is stored at its mark, so a round compares what `verify` compares, but for the
streams' heads, and for a chain that passes over one of its own entries.

The first bad entry is named by position, log and seq. Where hashes agree among themselves but not with a signature, it
is the first entry after the last signed size that still holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

import apsw
from cryptography.exceptions import InvalidTag

from sync import fork_sql, log_sql, outbox_sql
from sync.batch import SignedSize
from sync.entry import FORMAT_SUITE, HEADER, BodyGlance, commitment, derive, origin
from sync.errors import KeyDestroyed, LogCorrupt, VerificationError
from sync.keyring import Keyring
from sync.log_schema import ERASED_TYPE, ORDINAL_MASK, STREAM_SHIFT, Branch, Fork, Row, Stream
from sync.merkle import Frontier, completed_by, frontier_numbers, leaf_hash
from sync.note import checkpoint_text, verify_signature
from sync.outbox_sql import Outbox
from sync.sealing import NONCE_SIZE, seals_at_hand
from sync.stored_log import StoredLog
from sync.verify_outboxes import OutboxReading
from sync.verify_receipts import verify_receipts

PORTION_COUNT: Final = 2000
STREAMS_COUNT: Final = 500
FIRST_OUTBOX: Final = 1 << 20  # a scrub's mark counts outboxes behind the branches, from this number on


class Bad(NamedTuple):
    """The first entry that does not hold, and why. `seq` is where it should be in its log."""

    position: int | None
    log: bytes
    seq: int
    why: str


class Verdict(NamedTuple):
    """How many entries were compared, and what was found."""

    compared: int
    first_bad: Bad | None

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return self.first_bad is None


class Mark(NamedTuple):
    """How far a scrub has come: this branch up to this seq, after so many entries of this round."""

    branch: int = 1
    seq: int = 0
    compared: int = 0


START: Final = Mark()


def scrub(store: StoredLog, hub_key: bytes | None, mark: Mark, count: int) -> tuple[Mark, Bad | None]:
    """Read up to `count` entries behind the mark again; the next mark, which is START when a round has ended."""
    return store.reading(
        lambda db: _Reading(db, store.keyring, store.log, hub_key, lambda _: None).run_portion(mark, count)
    )


def verify(
    store: StoredLog, hub_key: bytes | None, progress: Callable[[int], None], lost: Collection[int] | None = None
) -> Verdict:
    """Read the whole store again. `hub_key` checks the receipts on the own log.

    `lost`: content at these positions is known to be damaged; then that, and what was set aside, is not looked at.
    """
    return store.reading(lambda db: _Reading(db, store.keyring, store.log, hub_key, progress, lost).run())


class _Chain:
    """A stream as far as its entries were read: its head so far, and what opens them."""

    __slots__ = ("head", "key", "name", "salt", "subject", "version", "why")

    def __init__(self, stream: Stream, keyring: Keyring) -> None:
        self.name, self.subject = stream.name, stream.subject
        self.version, self.head = 0, None  # type: int, int | None
        self.key, self.salt, self.why = None, b"", ""  # type: bytes | None, bytes, str
        try:
            keys = derive(keyring.stream_key(stream.key))
        except KeyDestroyed:
            return
        except LogCorrupt as error:
            self.why = f"its content cannot be read: {error}"
            return
        self.key, self.salt = keys.seal, keys.salt  # no Seal: see `seals_at_hand`


class _Reading:
    """One pass over one store, in one read transaction."""

    def __init__(
        self,
        db: apsw.Connection,
        keyring: Keyring,
        own: bytes,
        hub_key: bytes | None,
        progress: Callable[[int], None],
        lost: Collection[int] | None = None,
    ) -> None:
        self._lost = lost
        self._db = db
        self._keyring = keyring
        self._own = own
        self._hub_key = hub_key
        self._progress = progress
        self._compared = 0
        self._start = 0  # where in the branch this reading began
        self._streams: dict[int, _Chain] = {}  # as their entries give them, by local number
        self._stored: dict[int, Stream] = {}  # as they are stored
        self._names: dict[int, str] = {}
        self._partial = outbox_sql.partial_branches(db)
        self._logs = {branch.id: branch.log for branch in log_sql.branches(db)}
        self._forks: dict[int, Fork] = {}
        self._seal = seals_at_hand()
        self._glance = BodyGlance()

    def _base(self, branch: int) -> int:
        """How many entries of its log stand in another branch: 0 but for one that was set aside."""
        fork = self._forks.get(branch)
        return fork.base if fork else 0

    def run(self) -> Verdict:
        self._db.execute("BEGIN")
        try:
            self._forks = fork_sql.forks(self._db)
            branches = log_sql.branches(self._db)
            whole = [b for b in branches if b.id not in self._partial and not (b.lost and self._lost is not None)]
            bad = [b for one in whole if (b := self._branch(one, self._base(one.id), one.size)) is not None]
            bad += self._outboxes()
            bad = bad or self._strangers()  # what a log itself shows names the entry better
        finally:
            self._db.execute("COMMIT")
        first = min(bad, key=lambda b: b.position if b.position is not None else b.seq, default=None)
        return Verdict(self._compared, first)

    def run_portion(self, mark: Mark, count: int) -> tuple[Mark, Bad | None]:
        self._db.execute("BEGIN")
        try:
            self._forks = fork_sql.forks(self._db)
            for branch in log_sql.branches(self._db):
                start = max(mark.seq if branch.id == mark.branch else 0, self._base(branch.id))
                if branch.id >= mark.branch and start < branch.size and branch.id not in self._partial:
                    end = min(branch.size, start + count)
                    bad = self._branch(branch, start, end)
                    return Mark(branch.id, end, mark.compared + end - start), bad
            for outbox in outbox_sql.outboxes(self._db):
                number = FIRST_OUTBOX + outbox.id
                start = mark.seq if number == mark.branch else 0
                if number >= mark.branch and start < outbox.size:
                    end = min(outbox.size, start + count)
                    return Mark(number, end, mark.compared + end - start), self._outbox_portion(outbox, start, end)
            return START, next(iter(self._strangers()), None)
        finally:
            self._db.execute("COMMIT")

    def _outboxes(self) -> list[Bad]:
        """What the outboxes show, and the content of the branches that are here in part."""
        self._begin_reading(0)
        reading = OutboxReading(self._db, lambda branch, row: self._entry(branch, row, row.seq))
        bad = []
        for outbox in outbox_sql.outboxes(self._db):
            before = reading.compared
            finding = reading.run(outbox, 0, outbox.size)
            bad += [Bad(*finding)] if finding else []
            self._compared += reading.compared - before
            self._progress(self._compared)
        if not bad and (finding := reading.unvouched()) is not None:
            bad.append(Bad(*finding))
        if not bad and (wrong := self._heads()) is not None:
            bad.append(wrong)
        return bad

    def _outbox_portion(self, outbox: Outbox, start: int, end: int) -> Bad | None:
        self._begin_reading(0)
        finding = OutboxReading(self._db, self._detached).run(outbox, start, end)
        return Bad(*finding) if finding else None

    def _detached(self, branch: Branch, row: Row) -> tuple[bytes, str]:
        """An entry without its chain: what came before it in its stream may stand in another portion."""
        chain = self._streams.get(row.stream) or self._stream(row, row.seq)
        if chain is not None:
            before = log_sql.entry_at(self._db, row.prev) if row.prev is not None else None
            chain.version, chain.head = (before.version, before.position) if before is not None else (0, None)
        return self._entry(branch, row, row.seq)

    def _begin_reading(self, start: int) -> None:
        self._start = start
        self._streams, self._stored = {}, {}
        self._names = {number: name for name, number in log_sql.types(self._db).items()}

    def _branch(self, branch: Branch, start: int, end: int) -> Bad | None:
        """The first bad entry behind `start`, to the log's end if `end` is the size that the branch is said to have."""
        held = iter(log_sql.checkpoints(self._db, branch.id, start, end))
        next_signed = next(held, None)
        self._begin_reading(start)
        seq, good = start, log_sql.signed_size_until(self._db, branch.id, start)
        frontier = self._stored_frontier(branch, start)
        if frontier is None:
            return self._at(branch, start, "the tree stored up to it has a gap")
        for rows in self._portions(branch, start, end):
            leaves: list[bytes] = []
            trees: list[bytes] = []
            for row in rows:
                seq += 1
                leaf, why = self._entry(branch, row, seq)
                if why:
                    gap = log_sql.first_gap(self._db) if row.seq != seq else row.position
                    position = min(gap, row.position)  # where one is missing, that is the bad one
                    return Bad(position, branch.log, seq, why)
                leaves.append(leaf)
                trees.append(row.tree)
                if next_signed is not None and next_signed.size == seq:
                    frontier, bad = self._extend(branch, frontier, leaves, trees)
                    leaves, trees = [], []
                    if bad is not None:
                        return bad
                    if why := self._signed(branch, next_signed, frontier):
                        return self._at(branch, good + 1, why)
                    good, next_signed = seq, next(held, None)
            frontier, bad = self._extend(branch, frontier, leaves, trees)
            if bad is not None:
                return bad
            self._compared += len(rows)
            self._progress(self._compared)
        if end < branch.size:
            return None
        signed = log_sql.last_checkpoint(self._db, branch.id)
        expected = max(branch.size, signed.size if signed else 0)
        if seq != expected:
            why = f"the log ends at {seq}, {expected} entries were stored"
            return Bad(log_sql.first_gap(self._db), branch.log, seq + 1, why)
        return self._heads() if start == self._base(branch.id) else None

    def _portions(self, branch: Branch, start: int, end: int) -> Iterator[list[Row]]:
        """Rows behind `start`; those beyond what the branch is said to hold too, if `end` is that."""
        after = start
        while after < end or end == branch.size:
            count = PORTION_COUNT if end == branch.size else min(PORTION_COUNT, end - after)
            rows = log_sql.entries_of_branch(self._db, branch.id, after + 1, count)
            if not rows:
                return
            yield rows
            after = max(after + len(rows), rows[-1].seq)

    def _stored_frontier(self, branch: Branch, size: int) -> Frontier | None:
        hashes = [self._node(branch.id, number) for number in frontier_numbers(size)]
        return None if None in hashes else Frontier(size, tuple(h for h in hashes if h is not None))

    def _node(self, branch: int, number: int) -> bytes | None:
        """A stored tree node, in the branch that has its leaf."""
        leaf, _ = completed_by(number)
        while leaf < self._base(branch):
            branch = self._forks[branch].of
        return log_sql.node_hash(self._db, branch, number)

    def _stream(self, row: Row, seq: int) -> _Chain | None:
        """The chain of a row's stream; one that began before this reading continues where `prev` says."""
        if row.stream not in self._stored:  # the next ones will follow it
            ordinal = row.stream & ORDINAL_MASK
            count = 1 if self._start and row.prev is not None else STREAMS_COUNT
            streams = log_sql.streams_of_branch(self._db, row.stream >> STREAM_SHIFT, ordinal, count)
            self._stored |= {stream.id: stream for stream in streams}
        stream = self._stored.get(row.stream)
        if stream is None:
            return None
        chain = self._streams[row.stream] = _Chain(stream, self._keyring)
        before = log_sql.entry_at(self._db, row.prev) if self._start and row.prev is not None else None
        if before is not None and self._goes_on(row.stream, before) and before.seq <= self._start and before.seq < seq:
            chain.version, chain.head = before.version, before.position
        return chain

    def _goes_on(self, stream: int, before: Row) -> bool:
        """Whether an entry is of this stream, or of the one that a lost branch goes on with."""
        branch = stream >> STREAM_SHIFT
        while before.seq <= self._base(branch):
            branch = self._forks[branch].of
        return before.stream == (branch << STREAM_SHIFT) + (stream & ORDINAL_MASK)

    def _entry(self, branch: Branch, row: Row, seq: int) -> tuple[bytes, str]:
        """An entry's leaf; and why it does not hold, empty if it does."""
        position, found_seq, stream, version, prev, kind, committed, _, sealed = row
        if found_seq != seq:
            return b"", f"entry {seq} is missing, the next one is {found_seq}"
        chain = self._streams.get(stream) or self._stream(row, seq)
        if chain is None or stream >> STREAM_SHIFT != branch.id:
            return b"", "its stream is not known"
        if prev != chain.head or (prev is not None and version <= chain.version):
            return b"", "it is not where its stream's chain says"
        chain.version, chain.head = version, position
        proven = HEADER.pack(FORMAT_SUITE, branch.log, seq, chain.name, committed)
        if sealed is None:
            return leaf_hash(proven), self._erased(branch, chain, kind)
        if self._lost is not None and position in self._lost:
            return leaf_hash(proven), ""
        if chain.key is None:  # its key was destroyed: it is erased, whatever is still there
            return leaf_hash(proven), chain.why
        try:
            packed = self._seal(chain.key).decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], proven)
        except (InvalidTag, ValueError):
            return b"", f"its content cannot be read: the content of entry {seq} does not open"
        if commitment(chain.salt, branch.log, seq, packed) != committed:
            return b"", "its content is not what the log committed to"
        return leaf_hash(proven), self._content(chain, kind, packed)

    def _erased(self, branch: Branch, chain: _Chain, kind: int) -> str:
        """Why an entry without content does not hold. A peer's may have come here erased."""
        if kind == ERASED_TYPE and (chain.key is None or branch.log != self._own):
            return ""
        return "its content is missing, and was not erased"

    def _content(self, chain: _Chain, kind: int, packed: bytes) -> str:
        """Why what an entry says does not fit where it stands. It is as it was written, so it is not read strictly."""
        try:
            said, subject = self._glance(packed)
        except ValueError as error:
            return f"its content cannot be read: {error}"
        if subject != chain.subject or said != self._names.get(kind):
            return "its content is about something else than its stream or type"
        return ""

    def _extend(
        self, branch: Branch, frontier: Frontier, leaves: list[bytes], trees: list[bytes]
    ) -> tuple[Frontier, Bad | None]:
        """Grow the tree and compare every new node with the stored one."""
        grown, expected = frontier.extend(leaves)
        if expected != trees:
            pairs = enumerate(zip(expected, trees, strict=True), frontier.size + 1)
            seq = next(seq for seq, (tree, stored) in pairs if tree != stored)
            return grown, self._at(branch, seq, "the tree stored for it says something else")
        return grown, None

    def _signed(self, branch: Branch, signed: SignedSize, frontier: Frontier) -> str:
        text = checkpoint_text(origin(branch.log), signed.size, signed.root)
        try:
            if signed.root != frontier.root():
                return f"the root at {signed.size} entries is not the one that the log's key signed"
            verify_signature(branch.public_key, text, signed.signature)
            verify_receipts(self._db, branch, signed, self._own, self._hub_key)
        except VerificationError as error:
            return f"the signature at {signed.size} entries does not hold: {error}"
        return ""

    def _at(self, branch: Branch, seq: int, why: str) -> Bad:
        rows = log_sql.entries_of_branch(self._db, branch.id, seq, 1)
        return Bad(rows[0].position if rows else None, branch.log, seq, why)

    def _heads(self) -> Bad | None:
        """Streams' heads must be what their entries say."""
        for number, chain in self._streams.items():
            stored = self._stored[number]
            if (stored.version, stored.head) != (chain.version, chain.head):
                return self._wrong_head(self._logs[number >> STREAM_SHIFT], chain.head)
        return None

    def _wrong_head(self, log: bytes, position: int | None) -> Bad:
        row = log_sql.entry_at(self._db, position or 0)
        return Bad(position, log, row.seq if row else 0, "its stream's head says something else")

    def _strangers(self) -> list[Bad]:
        """Positions without a gap, no entry or tree node beyond what the branches hold."""
        last, count = log_sql.last_position(self._db), log_sql.entries_count(self._db)
        held = sum(b.size - self._base(b.id) for b in log_sql.branches(self._db))
        logs = self._logs
        if last == count == held:
            if (head := log_sql.last_head(self._db)) > last:
                return [self._wrong_head(self._own, head)]
            if (run := log_sql.wrong_run(self._db)) is not None:
                return [Bad(run.position, logs.get(run.branch, self._own), run.seq, "a run says that it stands here")]
            return []
        position = log_sql.first_gap(self._db) if last != count else last
        row = log_sql.entry_at(self._db, position)
        why = f"{count} entries stand at {last} positions, the branches hold {held}"
        return [Bad(position, logs.get(row.branch, self._own) if row else self._own, row.seq if row else 0, why)]
