"""Reading everything again: is every stored entry what it was when it was written?

For every branch, in log order: the body opens and gives the commitment under its stream's key, the header gives the
leaf, the leaves give every stored tree node, and the roots are those that the log's key (and the hub, in its receipts)
signed. Of an erased entry all but the body is checked.
Around it: seq and position have no gap and no stranger, streams' chains and heads agree with their entries.

`verify` does it for the whole store in one reading. `scrub` does it a portion at a time, for ever, beside a node that
serves: it starts from the tree that is stored at its mark, so a round compares what `verify` compares, but for the
streams' heads, and for a chain that passes over one of its own entries.

The first bad entry is named by position, log and seq. Where hashes agree among themselves but not with a signature, it
is the first entry after the last signed size that still holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import apsw

from sync import log_sql
from sync.batch import SignedSize
from sync.entry import commitment, derive, leaf, origin, read_body
from sync.errors import KeyDestroyed, SyncError, VerificationError
from sync.keyring import Keyring
from sync.log_sql import ERASED_TYPE, NODE_SHIFT, STREAM_SHIFT, Branch, Row, Stream
from sync.merkle import Frontier, frontier_numbers, nodes_in
from sync.note import checkpoint_text, verify_cosignature, verify_signature
from sync.sealing import unseal
from sync.stored_log import StoredLog

PORTION_COUNT: Final = 2000


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


def verify(store: StoredLog, hub_key: bytes | None, progress: Callable[[int], None]) -> Verdict:
    """Read the whole store again. `hub_key` checks the receipts on the own log."""
    return store.reading(lambda db: _Reading(db, store.keyring, store.log, hub_key, progress).run())


class _Reading:
    """One pass over one store, in one read transaction."""

    def __init__(
        self,
        db: apsw.Connection,
        keyring: Keyring,
        own: bytes,
        hub_key: bytes | None,
        progress: Callable[[int], None],
    ) -> None:
        self._db = db
        self._keyring = keyring
        self._own = own
        self._hub_key = hub_key
        self._progress = progress
        self._compared = 0
        self._start = 0  # where in the branch this reading began

    def run(self) -> Verdict:
        self._db.execute("BEGIN")
        try:
            branches = log_sql.branches(self._db)
            bad = [b for branch in branches if (b := self._branch(branch, 0, branch.size)) is not None]
            bad = bad or self._strangers()  # what a log itself shows names the entry better
        finally:
            self._db.execute("COMMIT")
        first = min(bad, key=lambda b: b.position if b.position is not None else b.seq, default=None)
        return Verdict(self._compared, first)

    def run_portion(self, mark: Mark, count: int) -> tuple[Mark, Bad | None]:
        self._db.execute("BEGIN")
        try:
            for branch in log_sql.branches(self._db):
                start = mark.seq if branch.id == mark.branch else 0
                if branch.id >= mark.branch and start < branch.size:
                    end = min(branch.size, start + count)
                    bad = self._branch(branch, start, end)
                    return Mark(branch.id, end, mark.compared + end - start), bad
            return START, next(iter(self._strangers()), None)
        finally:
            self._db.execute("COMMIT")

    def _branch(self, branch: Branch, start: int, end: int) -> Bad | None:
        """The first bad entry behind `start`, to the log's end if `end` is the size that the branch is said to have."""
        names = {number: name for name, number in log_sql.types(self._db).items()}
        held = iter(log_sql.checkpoints(self._db, branch.id, start, end))
        next_signed = next(held, None)
        streams: dict[int, Stream] = {}
        self._start = start
        seq, good = start, log_sql.signed_size_until(self._db, branch.id, start)
        frontier = self._stored_frontier(branch, start)
        if frontier is None:
            return self._at(branch, start, "the tree stored up to it has a gap")
        for rows in self._portions(branch, start, end):
            leaves = []
            for row in rows:
                seq += 1
                why = self._entry(branch, row, seq, streams, names)
                if why:
                    itself = row.seq == seq or seq > branch.size  # otherwise it is the missing one that is bad
                    position = row.position if itself else log_sql.first_gap(self._db)
                    return Bad(position, branch.log, seq, why)
                leaves.append(leaf(branch.log, seq, streams[row.stream].name, row.commitment))
                if next_signed is not None and next_signed.size == seq:
                    frontier, bad = self._extend(branch, frontier, leaves)
                    leaves = []
                    if bad is not None:
                        return bad
                    if why := self._signed(branch, next_signed, frontier):
                        return self._after(branch, good, why)
                    good, next_signed = seq, next(held, None)
            frontier, bad = self._extend(branch, frontier, leaves)
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
        return self._heads(branch, streams) if start == 0 else None

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
        hashes = [log_sql.node_hash(self._db, branch.id, number) for number in frontier_numbers(size)]
        return None if None in hashes else Frontier(size, tuple(h for h in hashes if h is not None))

    def _stream(self, row: Row, seq: int, streams: dict[int, Stream]) -> tuple[Stream | None, bool]:
        """A row's stream, and whether it has begun before; one that began before this reading is as `prev` says."""
        if row.stream in streams:
            return streams[row.stream], True
        stream = log_sql.stream_by_id(self._db, row.stream)
        before = log_sql.entry_at(self._db, row.prev) if stream is not None and row.prev is not None else None
        if stream is None or before is None or self._start == 0:
            return stream, False
        if before.stream != row.stream or before.branch != row.branch or before.seq > self._start or before.seq >= seq:
            return stream, False
        return stream._replace(version=before.version, head=before.position), True

    def _entry(self, branch: Branch, row: Row, seq: int, streams: dict[int, Stream], names: dict[int, str]) -> str:
        """Why an entry does not hold; empty if it does. `streams` collects the heads as the entries give them."""
        if row.seq != seq:
            return f"entry {seq} is missing, the next one is {row.seq}"
        stream, begun = self._stream(row, seq, streams)
        if stream is None or row.stream >> STREAM_SHIFT != branch.id:
            return "its stream is not known"
        if row.prev != (stream.head if begun else None) or (begun and row.version <= stream.version):
            return "it is not where its stream's chain says"
        if why := self._content(branch, row, stream, names):
            return why
        streams[row.stream] = stream._replace(version=row.version, head=row.position)
        return ""

    def _content(self, branch: Branch, row: Row, stream: Stream, names: dict[int, str]) -> str:
        """Why an entry's body does not hold; where its key was destroyed, it is erased, whatever is still there."""
        if row.body is None:
            return "" if row.type == ERASED_TYPE else "its content is missing, and was not erased"
        try:
            keys = derive(self._keyring.stream_key(stream.key))
            packed = unseal(keys.seal, branch.log, row.seq, stream.name, row.commitment, row.body)
            body = read_body(packed)
        except KeyDestroyed:
            return ""
        except SyncError as error:
            return f"its content cannot be read: {error}"
        if commitment(keys.salt, branch.log, row.seq, packed) != row.commitment:
            return "its content is not what the log committed to"
        if body.subject != stream.subject or body.type != names.get(row.type):
            return "its content is about something else than its stream or type"
        return ""

    def _extend(self, branch: Branch, frontier: Frontier, leaves: list[bytes]) -> tuple[Frontier, Bad | None]:
        """Grow the tree and compare every new node with the stored one."""
        if not leaves:
            return frontier, None
        first = nodes_in(frontier.size)
        grown, nodes = frontier.extend(leaves)
        stored = log_sql.nodes_from(self._db, branch.id, first, len(nodes))
        seq = frontier.size
        for number, node in enumerate(nodes, first):
            if number == nodes_in(seq):
                seq += 1  # a leaf: the nodes that follow it are completed by it
            if stored.get(number) != node:
                return grown, self._at(branch, seq, "the tree stored for it says something else")
        return grown, None

    def _signed(self, branch: Branch, signed: SignedSize, frontier: Frontier) -> str:
        text = checkpoint_text(origin(branch.log), signed.size, signed.root)
        try:
            if signed.root != frontier.root():
                return f"the root at {signed.size} entries is not the one that the log's key signed"
            verify_signature(branch.public_key, text, signed.signature)
            if signed.receipt is not None and branch.log == self._own and self._hub_key is not None:
                verify_cosignature(self._hub_key, text, signed.receipt)
        except VerificationError as error:
            return f"the signature at {signed.size} entries does not hold: {error}"
        return ""

    def _after(self, branch: Branch, good: int, why: str) -> Bad:
        return self._at(branch, good + 1, why)

    def _at(self, branch: Branch, seq: int, why: str) -> Bad:
        rows = log_sql.entries_of_branch(self._db, branch.id, seq, 1)
        return Bad(rows[0].position if rows else None, branch.log, seq, why)

    def _heads(self, branch: Branch, found: dict[int, Stream]) -> Bad | None:
        """Streams' heads must be what their entries say."""
        for number, stream in found.items():
            stored = log_sql.stream_by_id(self._db, number)
            if stored is None or stored[:6] != stream[:6]:
                row = log_sql.entry_at(self._db, stream.head or 0)
                seq = row.seq if row else 0
                return Bad(stream.head, branch.log, seq, "its stream's head says something else")
        return None

    def _strangers(self) -> list[Bad]:
        """Positions without a gap, no entry or tree node beyond what the branches hold."""
        last, count = log_sql.last_position(self._db), log_sql.entries_count(self._db)
        held = sum(b.size for b in log_sql.branches(self._db))
        if last == count == held:
            return self._strange_nodes()
        position = log_sql.first_gap(self._db) if last != count else last
        row = log_sql.entry_at(self._db, position)
        why = f"{count} entries stand at {last} positions, the branches hold {held}"
        logs = {branch.id: branch.log for branch in log_sql.branches(self._db)}
        return [Bad(position, logs.get(row.branch, self._own) if row else self._own, row.seq if row else 0, why)]

    def _strange_nodes(self) -> list[Bad]:
        for branch in log_sql.branches(self._db):
            if log_sql.nodes_beyond(self._db, branch.id, nodes_in(branch.size), NODE_SHIFT):
                return [Bad(None, branch.log, branch.size + 1, "the tree has nodes beyond the log's end")]
        return []
