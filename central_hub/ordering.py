"""The county orders its homes to erase: whoever wrote about a subject, or was given anything of it, is told.

The order stands in each such home's mailbox before the hub erases anything: *a power cut behind it leaves homes that
erase and a hub that is asked again; nobody is forgotten, because afterwards nothing here leads to who held it.* Running
it again orders nothing twice. A home that was offline and writes about the subject for the first time afterwards is
told when that arrives: the hub's store notes it in the transaction that takes the entries in, without their content.

What a home of another hub wrote came from that hub: the order goes into the hub's mailbox, and it tells its homes.
"""

from __future__ import annotations

from typing import Final

import apsw

from central_hub.registry import Registry
from node import mailbox
from node.erasing import Order
from sync import erasure, log_sql, outbox_sql
from sync.log_schema import STREAM_SHIFT
from sync.store import Store

SHARED_BY: Final = "homeward"
SHARED_GROUND: Final = "因有家迁移而转达 (passed on because a home moved)"


def address(store: Store, order: Order, now_ms: int) -> None:
    """Put an order into the mailboxes of the homes that it concerns, durably; raises as `erasure.check` does."""
    erasure.check(store, order.subjects, order.by, order.ground)
    registry, key = Registry(store), store.identity.public_key
    drafts = []
    for home, subjects in sorted(_concerned(store, registry, order).items()):
        said = {subject for one in mailbox.read(store, key, home).orders for subject in one.subjects}
        if fresh := [subject for subject in subjects if subject not in said]:
            said_to = [mailbox.order(mailbox.mailbox_of(key, home), fresh, order.by, order.ground, now_ms)]
            drafts += mailbox.introduced(store, home, said_to, set(), now_ms)
    if drafts:
        store.record(drafts).result()


def address_late(store: Store, db: apsw.Connection, registry: Registry, now_ms: int) -> None:
    """Tell homes that write about what was erased before they were heard; inside the writer's transaction."""
    drafts = []
    key = store.identity.public_key
    for log, subject in outbox_sql.again(db):
        for home in registry.children_of(log) - {""}:
            said = {one for order in mailbox.read(store, key, home).orders for one in order.subjects}
            for entry in erasure.entries_about(store, subject)[:1] if subject not in said else ():
                body = entry.body()
                assert body is not None
                ground = str(body.payload.get("ground", ""))
                said_to = [mailbox.order(mailbox.mailbox_of(key, home), [subject], body.actor, ground, now_ms)]
                drafts += mailbox.introduced(store, home, said_to, set(), now_ms)
    if drafts:
        store.record_in(db, drafts)
    outbox_sql.told(db)


def share(store: Store, registry: Registry, now_ms: int) -> None:
    """Tell all who name one log what any of them was told: a home may have moved with what was to be erased.

    Nothing leads from what was erased to the logs it stood in, so this is all that they were told. By it they learn
    random ids and nothing else: who asked, and why, stays between this hub and those to whom it was said.
    """
    key = store.identity.public_key
    drafts = []
    for log in registry.twice():
        homes = sorted(registry.children_of(log) - {""})
        orders = {home: mailbox.read(store, key, home).orders for home in homes}
        for home in homes:
            said = {subject for one in orders[home] for subject in one.subjects}
            for order in (one for other in homes for one in orders[other]):
                if fresh := [subject for subject in order.subjects if subject not in said]:
                    said.update(fresh)
                    said_to = [mailbox.order(mailbox.mailbox_of(key, home), fresh, SHARED_BY, SHARED_GROUND, now_ms)]
                    drafts += mailbox.introduced(store, home, said_to, set(), now_ms)
    if drafts:
        store.record(drafts).result()


def _concerned(store: Store, registry: Registry, order: Order) -> dict[str, list[bytes]]:
    """Which of the subjects each home wrote about or was given, by its code."""

    def work(db: apsw.Connection) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        key = store.identity.public_key
        # a welcome has what the home wrote itself, and the outbox of a hub above is not ours to fill
        boxes = [box for box in outbox_sql.outboxes(db) if box.public_key == key and not box.is_welcome]
        for subject in dict.fromkeys(order.subjects):
            streams = [stream.id for stream in log_sql.streams_of_subject(db, subject)]
            homes = {
                home for stream in streams for home in registry.children_of(store.log_of(db, stream >> STREAM_SHIFT))
            }
            homes |= {box.home for box in boxes if outbox_sql.streams(db, box.id, streams)}
            for home in homes - {""}:
                found.setdefault(home, []).append(subject)
        return found

    return store.reading(work)
