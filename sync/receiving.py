"""The receiving half of an exchange as it stands on the disk, for the shells that carry frames to it."""

from __future__ import annotations

from functools import partial

from sync.replicator import Receiver
from sync.stored_log import StoredLog


def receiver_of(store: StoredLog, log: bytes, public_key: bytes) -> Receiver:
    """A receiver that goes on from what is held of a peer's log, durably."""
    branch = store.branch(log)
    frontier = store.frontier(log, branch.size)
    return Receiver(log, public_key, frontier, branch.streams, partial(store.stream_ref, log), partial(store.root, log))
