"""When a log whose streams came in the order of need is here from its beginning to its end, it becomes whole.

Its entries were verified one by one under the hub's signature (`welcome`). Here the leaves are put in the log's own
order and give the log's own tree, which must have every root that the log's *own* key has signed, as that was kept when
the welcome was named. Then the branch becomes one like any that was carried: a tree, streams numbered as they begin in
the log, the kind KIN; what had vouched for it until then is dropped. Entries keep their positions and never change, so
folds and followers notice nothing.

What is promised: all coming logs become whole in one transaction, or none. *A power cut before it leaves them coming,
and the next exchange does it.* The tree is worked out beside the writer, from what no longer changes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import apsw

from sync import coming_sql, log_sql, outbox_sql
from sync.batch import SignedSize
from sync.entry import FORMAT_SUITE, HEADER, log_id, origin
from sync.errors import VerificationError
from sync.log_schema import STREAM_SHIFT, Branch, Kind
from sync.merkle import Frontier, leaf_hash
from sync.messages import SignedLog, Welcome
from sync.note import checkpoint_text, is_public_key, verify_signature
from sync.outbox import outbox_id

if TYPE_CHECKING:
    from sync.store import Store


class Whole(NamedTuple):
    """A branch that is complete: the tree nodes of each entry, by position, and its streams in the log's order."""

    branch: Branch
    entries: list[tuple[int, int, bytes]]  # position, stream, tree; in the log's order
    streams: list[int]


def expect(store: Store, hub_key: bytes, name: str, welcome: Welcome) -> bool:
    """Begin to hold a welcome and the logs that come in it, with what their keys have signed.

    Whether any log is coming: one that is held in another way is left alone, and the last attempt may have made all of
    them whole at this moment. Durable when this returns; raises VerificationError.
    """
    for one in welcome.logs:
        if not is_public_key(one.public_key):
            raise VerificationError(f"not an acceptable Ed25519 public key: {one.public_key.hex()}")
        line = origin(log_id(one.public_key))
        for size, root, signature in one.signed:
            verify_signature(one.public_key, checkpoint_text(line, size, root), signature)

    def work(db: apsw.Connection) -> bool:
        _expect(db, welcome.logs)
        if not any(branch.coming for branch in log_sql.branches(db)):
            return False
        log = outbox_id(hub_key, name, welcome.epoch)
        if outbox_sql.outbox(db, log) is None:
            outbox_sql.add_outbox(db, log, hub_key, name, welcome.epoch)
        return True

    is_coming = store.submit(work).result()
    store.know_branches()
    return is_coming


def _expect(db: apsw.Connection, logs: list[SignedLog]) -> None:
    held = {branch.log: branch for branch in log_sql.branches(db) if branch.leads}
    for one in logs:
        log = log_id(one.public_key)
        branch = held.get(log)
        if branch is not None and not branch.coming:
            continue
        number = branch.id if branch else log_sql.add_branch(db, log, one.public_key, Kind.COMING)
        for size, root, signature in one.signed:
            log_sql.put_checkpoint(db, number, SignedSize(size, root, signature, None))


def make_whole(store: Store) -> bool:
    """Make the coming logs whole, if all of all of them is here; whether they are. Durable when this returns.

    Raises VerificationError where a log is not what its own key has signed.
    """
    coming = [branch for branch in store.branches() if branch.coming]
    found = [whole for branch in coming if (whole := store.reading(partial(_read, branch=branch))) is not None]
    if len(found) < len(coming):
        return False
    if found:
        store.submit(lambda db: _relabel(store, db, found)).result()
        store.know_branches()
        store.forget_seals()
    return True


def _read(db: apsw.Connection, branch: Branch) -> Whole | None:
    """The whole of a branch; None if something is missing, or stands behind what its key has signed."""
    rows = coming_sql.leaves_of_branch(db, branch.id)
    signed = log_sql.checkpoints(db, branch.id, 0, len(rows))
    if not rows or not signed or signed[-1].size != len(rows) or rows[-1][0] != len(rows):
        return None
    names = log_sql.stream_names(db, {stream for _, _, stream, _ in rows})
    frontier, trees = Frontier(), list[bytes]()
    for one in signed:
        part = rows[frontier.size : one.size]
        leaves = [leaf_hash(HEADER.pack(FORMAT_SUITE, branch.log, seq, names[stream], committed))
                  for seq, _, stream, committed in part]  # fmt: skip
        frontier, grown = frontier.extend(leaves)
        trees += grown
        if frontier.root() != one.root:
            raise VerificationError(f"log {branch.log.hex()} at {one.size} entries is not what its own key has signed")
    streams = list(dict.fromkeys(stream for _, _, stream, _ in rows))
    entries = [(position, stream, tree) for (_, position, stream, _), tree in zip(rows, trees, strict=True)]
    return Whole(branch, entries, streams)


def _relabel(store: Store, db: apsw.Connection, found: list[Whole]) -> None:
    for branch, entries, streams in found:
        number = log_sql.add_branch(db, branch.log, branch.public_key, Kind.KIN)
        first = (number << STREAM_SHIFT) + 1
        renamed = {stream: first + n for n, stream in enumerate(streams)}
        coming_sql.relabel_entries(db, [(renamed[stream], tree, position) for position, stream, tree in entries])
        coming_sql.relabel_streams(db, renamed)
        coming_sql.replace_branch(db, branch.id, number)
        log_sql.set_branch_size(db, number, len(entries), len(streams))
    coming_sql.drop_welcomes(db, [box.id for box in outbox_sql.outboxes(db) if box.is_welcome])
    store.reload_in(db)
