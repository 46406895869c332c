"""What a home's exchange does beside its own log: goes on in a new one, and brings the home's other logs in line.

Every step is durable by itself and found again by the next exchange: nothing here is remembered between two of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from node.clock import Clock
from node.incarnations import BEHIND, FORKED
from sync import epoch, erasure, receipt_series, succession
from sync.errors import Diverged
from sync.fetching import Fetching
from sync.messages import Introduction
from sync.store import Store
from sync.stored_log import StoredLog


class Behind(NamedTuple):
    """A log of this home of which the hub has less than we, or for which we have no receipt yet."""

    log: bytes
    size: int
    hub_size: int
    receipted: int


def go_on(store: Store, found: Diverged, clock: Clock, *, is_hub: bool = False) -> None:
    """Others continued this log: set aside what is here behind the common part, in a new log if it was the own one.

    A hub goes on in a new epoch, for its outboxes may name what is set aside.
    """
    why = BEHIND if found.hub_size > found.size == store.size(found.log) else FORKED
    if is_hub:
        epoch.open_next(store, why, clock(), keep={found.log: found.size})
    elif found.log == store.log:
        store.succeed(found.size, why, clock())
        store.files.offer_again(found.log)
    else:
        store.set_aside(found.log, found.size, why, clock())


def introductions(store: StoredLog, log: bytes, is_unknown: bool) -> list[Introduction]:
    """How the hub gets from a log that it knows to the one that an exchange is about.

    Nothing where it has given a receipt, unless it says that it does not know the log: it was restored, too.
    """
    if not is_unknown and (log != store.log or store.last_checkpoint(log, with_receipt=True) is not None):
        return []
    if store.has_key(log):
        return list(succession.introductions(store))
    branch = store.branch(log)
    return [succession.vouch(store.signer, branch.public_key)] if branch.kin else []


def introductions_by_hand(store: StoredLog, log: bytes) -> list[Introduction]:
    """The same for a bundle, which the hub may get before it ever heard of the log that the node writes now."""
    chain: list[Introduction] = [*succession.introductions(store)]
    return chain if store.has_key(log) else [*chain, *introductions(store, log, True)]


def take_in(store: Store, fetched: Fetching, clock: Clock, *, is_hub: bool = False) -> bool:
    """Act on what an exchange has shown of the home's other logs; whether there is more to exchange."""
    fetcher = fetched.fetcher
    for log, size in fetcher.forks.items():
        if log != store.log:
            go_on(store, Diverged(log, size, fetcher.logs[log].size), clock, is_hub=is_hub)
    has_erased = bool(fetcher.fetched) and erasure.follow_orders(store, clock())
    return bool(fetcher.forks or fetcher.is_stopped or has_erased)


def behind(store: StoredLog, told: Mapping[bytes, int]) -> list[Behind]:
    """The logs to push beside the own one; `told` says how much of each the hub has."""
    ours = _own_parts(store)
    found = []
    for branch in store.branches():
        if branch.log == store.log or not (branch.own or branch.kin):
            continue
        hub_size = told.get(branch.log, 0)
        receipt = store.last_checkpoint(branch.log, with_receipt=True)
        receipted = receipt.size if receipt else 0
        if hub_size < branch.size or receipted < ours.get(branch.log, 0):
            found.append(Behind(branch.log, branch.size, min(hub_size, branch.size), min(receipted, branch.size)))
    return found


def _own_parts(store: StoredLog) -> dict[bytes, int]:
    """How much of each log that is written no more this node had itself: for that it wants the county's receipt."""
    parts: dict[bytes, int] = {}
    for change in succession.changes(store):
        if change.kind == succession.OPENED:
            parts[change.old] = min(change.size, parts.get(change.old, change.size))
    return parts


def sizes(store: StoredLog) -> tuple[int, int]:
    """How many entries this node recorded, in all its logs, and for how many of them there is a receipt."""
    recorded = held = 0
    for log, size in _recorded(store):
        receipt = store.last_checkpoint(log, with_receipt=True)
        recorded += size
        held += min(size, receipt.size if receipt else 0)
    return recorded, held


def backed_up(store: StoredLog) -> tuple[int, int | None]:
    """How many of them the county's last backup holds, as it said with its receipts; and its epoch, if it said one."""
    told = [
        (size, receipt) for log, size in _recorded(store) if (receipt := receipt_series.newest(store, log)) is not None
    ]
    epochs = [receipt.epoch for _, receipt in told[-1:]]  # that of the newest log
    return sum(min(size, receipt.backed_up_to) for size, receipt in told), next(iter(epochs), None)


def _recorded(store: StoredLog) -> Iterator[tuple[bytes, int]]:
    """The node's own logs, and how many entries of each it recorded itself."""
    parts = _own_parts(store)
    for branch in store.branches():
        if branch.own:
            yield branch.log, branch.size if branch.log == store.log else parts.get(branch.log, 0)
