"""One node's log given to another without a network, by the replicator itself: what a home gets of other homes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from domain.fact_tables import FACT_TABLES
from sync.outgoing import push_of
from sync.replicator import Append, Receiver
from sync.store import Store
from sync.stored_log import StoredLog


def hand_over(source: Path, target: Path) -> None:
    """Bring the target's copy of the source's own log up to date."""
    with closing(StoredLog(source)) as giver, closing(Store(target)) as taker:
        key = giver.signer.public_key
        taker.add_log(giver.log, key).result()
        branch = next(one for one in taker.branches() if one.log == giver.log)
        frontier = taker.frontier(giver.log, branch.size)
        receiver = Receiver(giver.log, key, frontier, branch.streams, lambda n: taker.stream_ref(giver.log, n))
        for effect in receiver.receive(push_of(giver, branch.size, 1000), 0):
            if isinstance(effect, Append):
                taker.append(effect.batch).result()


NAME_ENTRIES = {"instalment", "deed", "child_deed", *(table.name for table in FACT_TABLES.values())}


def as_told(tables: dict[str, str]) -> dict[str, str]:
    """Of read models those that two separate recordings of the same facts have in common: no row names an entry."""
    return {name: digest for name, digest in tables.items() if name not in NAME_ENTRIES}
