"""Reading outboxes again, at the hub and at the homes: does each number still hold the entry that the hub signed for?

For every number in its order: the entry stands where it is said to, its header gives the leaf, the leaves give every
stored tree node, and the roots are those that the hub's key signed. At a home most of these entries are of partial
branches, which have no tree of their own, so here alone their content is read too: the body opens and gives the
commitment under its stream's key, and chains agree. Entries of whole branches were read with their log.

Around it: partial branches hold as many entries as outboxes vouch for; their streams' heads are what their entries say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import apsw

from sync import log_sql, outbox_sql
from sync.batch import SignedSize
from sync.entry import FORMAT_SUITE, HEADER, origin
from sync.errors import VerificationError
from sync.log_schema import Branch, Row
from sync.merkle import Frontier, frontier_numbers, leaf_hash
from sync.note import checkpoint_text, verify_signature
from sync.outbox_sql import Outbox, Place

PORTION_COUNT: Final = 2000
ReadEntry = Callable[[Branch, Row], tuple[bytes, str]]  # an entry's leaf, and why its content does not hold


class Finding(NamedTuple):
    """A number of an outbox that does not hold: where its entry stands, what it is, and why."""

    position: int | None
    log: bytes
    seq: int
    why: str


class OutboxReading:
    """One pass over outboxes, in the caller's read transaction; `read_entry` reads an entry of a partial branch."""

    def __init__(self, db: apsw.Connection, read_entry: ReadEntry) -> None:
        self._db = db
        self._read_entry = read_entry
        self._branches = {branch.id: branch for branch in log_sql.branches(db)}
        self._partial = outbox_sql.partial_branches(db)
        self._seen: set[int] = set()  # positions of entries of partial branches that were read
        self._names: dict[int, bytes] = {}
        self.compared = 0

    def run(self, outbox: Outbox, start: int, end: int) -> Finding | None:
        """The first number behind `start`, up to `end`, that does not hold."""
        frontier = self._stored_frontier(outbox, start)
        if frontier is None:
            return self._at(outbox, start + 1, "the tree stored up to it has a gap")
        held = iter(outbox_sql.checkpoints(self._db, outbox.id, start, end))
        signed, good = next(held, None), start
        n = start
        while n < end:
            found = outbox_sql.places(self._db, outbox.id, n, min(PORTION_COUNT, end - n))
            if not found:
                break
            for place in found:
                n += 1
                leaf, finding = self._place(outbox, place, n)
                if finding is not None:
                    return finding
                frontier, trees = frontier.extend([leaf])
                if trees[0] != place.tree:
                    return self._at(outbox, n, f"it is not what stands at {n} in the outbox of {outbox.home}")
                if signed is not None and signed.size == n:
                    if why := _why_not(outbox, signed, frontier):
                        return self._at(outbox, good + 1, why)
                    signed, good = next(held, None), n
        if end == outbox.size and (n != end or outbox_sql.last_signed(self._db, outbox.id) != end):
            return self._at(outbox, n + 1, f"the outbox of {outbox.home} ends at {n}, {end} entries were signed")
        return None

    def unvouched(self) -> Finding | None:
        """Whether partial branches hold an entry that no outbox vouches for."""
        held = sum(self._branches[number].size for number in self._partial)
        placed = outbox_sql.placed_in_partial(self._db) if self._partial else 0
        if placed == held:
            return None
        log = self._branches[min(self._partial)].log
        return Finding(None, log, 0, f"{held} entries of other homes are here, the county's signature is on {placed}")

    def _place(self, outbox: Outbox, place: Place, n: int) -> tuple[bytes, Finding | None]:
        row = log_sql.entry_at(self._db, place.position) if place.n == n else None
        if row is None:
            return b"", self._at(outbox, n, f"entry {n} of the outbox of {outbox.home} is missing")
        branch = self._branches.get(row.branch)
        if branch is None:
            return b"", Finding(place.position, outbox.log, row.seq, "its log is not known")
        if branch.id not in self._partial or place.position in self._seen:
            return self._leaf(branch, row), None
        self._seen.add(place.position)
        self.compared += 1
        leaf, why = self._read_entry(branch, row)
        return leaf, Finding(place.position, branch.log, row.seq, why) if why else None

    def _leaf(self, branch: Branch, row: Row) -> bytes:
        name = self._names.get(row.stream)
        if name is None:
            found = log_sql.stream_seal(self._db, row.stream)
            name = self._names[row.stream] = found[0] if found else bytes(16)
        return leaf_hash(HEADER.pack(FORMAT_SUITE, branch.log, row.seq, name, row.commitment))

    def _stored_frontier(self, outbox: Outbox, size: int) -> Frontier | None:
        hashes = [outbox_sql.node_hash(self._db, outbox.id, number) for number in frontier_numbers(size)]
        return None if None in hashes else Frontier(size, tuple(h for h in hashes if h is not None))

    def _at(self, outbox: Outbox, n: int, why: str) -> Finding:
        found = outbox_sql.places(self._db, outbox.id, n - 1, 1)
        row = log_sql.entry_at(self._db, found[0].position) if found else None
        if row is None or row.branch not in self._branches:
            return Finding(None, outbox.log, n, why)
        return Finding(row.position, self._branches[row.branch].log, row.seq, why)


def _why_not(outbox: Outbox, signed: SignedSize, frontier: Frontier) -> str:
    if signed.root != frontier.root():
        return f"the root at {signed.size} entries of the outbox of {outbox.home} is not the one that the county signed"
    try:
        verify_signature(
            outbox.public_key, checkpoint_text(origin(outbox.log), signed.size, signed.root), signed.signature
        )
    except VerificationError as error:
        return f"the county's signature at {signed.size} entries of the outbox does not hold: {error}"
    return ""
