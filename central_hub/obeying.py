"""A hub carries out the orders of erasure that homes and hubs below it gave: they stand in their logs, which it holds.

A home that erases says so in its log, a county that erases tells its homes; the hubs above find the order in the log of
whoever gave it. It is carried out here like an order of this hub's own, and so in this hub's log, where the next hub
above finds it, and in the mailboxes of others who wrote about the subject, or were given anything of it. A home or hub
may order this only of what is its own to order: where all who wrote about the subject belong to it, or the child does
now, lawfully (`domain.routing`): what is erased cannot be given back, so a claim alone is not enough. Any other order,
as that of a home from which the child has moved, is left open, and `status` shows it.

To name a log as a home's is a claim, too: keys are no secret, and any county can say that a log is of its own home,
even before the true one does. So a log that several name is nobody's in particular: what it wrote is erased when all
who name it have ordered it, or when the order stands in that log itself, under its own key.

Nothing is remembered: what was ordered is read from the hubs' logs, what is left to do from this store. *A power cut
leaves an order that the next look finds again,* and so does content that arrives behind it, by an exchange that was
cut.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import apsw

from central_hub import ordering
from central_hub.registry import Home, Registry
from domain.folding import fold
from domain.routing import DECIDES, EVERYTHING, grants
from domain.tiers import SEPARATOR
from node.clock import Clock
from node.erasing import Order
from node.records import of_the_domain, record_of
from sync.database import NotStored
from sync.entry import ID_SIZE, Body
from sync.erasure import GROUND_SIZE_MAX, ORDERED
from sync.errors import ErasureUnfinished, FolderInUse
from sync.store import Store
from sync.stored_log import StoredLog

PAUSE_S: Final = 1.0


class FromBelow(NamedTuple):
    """A home, or a hub below (its code ends in `/`), ordered a subject to be erased."""

    giver: str
    subject: bytes
    by: str
    ground: str
    log: bytes


class Orders:
    """What homes and hubs below have ordered, read again where their logs have grown."""

    def __init__(self, store: StoredLog, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._read: dict[bytes, tuple[int, list[FromBelow]]] = {}

    def all(self) -> Iterator[FromBelow]:
        """Every order, a subject at a time."""
        sizes = {branch.log: branch.size for branch in self._store.branches()}
        for giver in (*self._registry.hubs(), *self._registry.homes()):
            for log in giver.logs:
                size, found = self._read.get(log, (0, []))
                if size < sizes.get(log, 0):
                    found += self._said(giver, log, size)
                    self._read[log] = (sizes[log], found)
                yield from found

    def _said(self, giver: Home, log: bytes, after: int) -> Iterator[FromBelow]:
        for entry in (one for name in giver.logs for one in self._store.entries_of_subject(name)):
            body = entry.body()
            if body is None or entry.log != log or entry.seq <= after or body.type != ORDERED:
                continue
            match body.payload:
                case {"subjects": list(subjects), "ground": str(ground)}:
                    for subject in subjects:
                        if isinstance(subject, bytes) and len(subject) == ID_SIZE:
                            yield FromBelow(giver.code, subject, body.actor, ground[:GROUND_SIZE_MAX], log)

    def left(self) -> Iterator[tuple[FromBelow, bool]]:
        """The orders about which something is still here, and whether they are the hub's to give."""
        erased = self._store.keyring.erased_subjects()
        said: dict[bytes, list[FromBelow]] = {}
        for order in self.all():
            if order.subject not in erased:
                said.setdefault(order.subject, []).append(order)
        for subject, orders in said.items():
            if self._store.entries_of_subject(subject):
                yield from ((order, self._may_order(order, orders)) for order in orders)

    def _may_order(self, order: FromBelow, orders: Sequence[FromBelow]) -> bool:
        if self._store.holds(order.subject):
            return False  # what a node says about itself
        pairs = [(entry, entry.body()) for entry in self._store.entries_of_subject(order.subject)]
        agreed = {entry.log for entry, _ in pairs if self._all_agree(entry.log, orders)}
        if all(
            entry.log == order.log
            or (entry.log in agreed and any(_is_of(code, order.giver) for code in self._registry.codes_of(entry.log)))
            for entry, _ in pairs
        ):
            return True
        if any(self._is_claimed(entry.log) and entry.log not in agreed for entry, body in pairs if _moves(body)):
            return False  # whose child it is, follows from whose log that is
        home_of = self._registry.code_of
        records = [record_of(entry, body, home_of) for entry, body in pairs if of_the_domain(body, entry)]
        given = grants(fold("", order.subject, records))
        return any(_is_of(home, order.giver) for home, grant in given.items() if grant == EVERYTHING)

    def _is_claimed(self, log: bytes) -> bool:
        """Whether several name a log as theirs."""
        return len(self._registry.codes_of(log)) > 1

    def _all_agree(self, log: bytes, orders: Sequence[FromBelow]) -> bool:
        """Whether nobody else names a log, or all who name it have ordered the same."""
        return not self._is_claimed(log) or all(
            any(_is_of(code, order.giver) for order in orders) for code in self._registry.codes_of(log)
        )


def _moves(body: Body | None) -> bool:
    """Whether an entry may say whose child it is about; one that cannot be read may."""
    return body is None or body.type in DECIDES


def _is_of(home: str, giver: str) -> bool:
    """Whether a home is the giver of an order, or one below it."""
    return home.startswith(giver) if giver.endswith(SEPARATOR) else home == giver


class Obedience:
    """Follows the orders from below, beside a node that serves or takes sticks; `erase` carries one out."""

    def __init__(self, store: Store, registry: Registry, erase: Callable[[Order], object], clock: Clock) -> None:
        self._store = store
        self._orders = Orders(store, registry)
        self._registry = registry
        self._erase = erase
        self._clock = clock
        self._seen = -1
        self._one_at_a_time = threading.Lock()

    async def keep_up(self) -> None:
        """Follow for ever."""
        while True:
            await asyncio.to_thread(self._follow_once)
            await asyncio.sleep(PAUSE_S)  # however fast entries arrive

    def _follow_once(self) -> None:
        position = self._store.position()
        if position != self._seen and self.follow():
            self._seen = position
        self._store.wait_beyond(position, PAUSE_S)

    def follow(self) -> bool:
        """Carry out what is left; False if something is to be tried again."""
        with self._one_at_a_time:
            return self._follow()

    def _follow(self) -> bool:
        is_done = True
        ordering.share(self._store, self._registry, self._clock())
        for order, is_theirs in self._orders.left():
            if is_theirs:
                try:
                    self._erase(Order([order.subject], order.by, order.ground))
                except (ErasureUnfinished, FolderInUse, apsw.FullError, NotStored) as error:
                    print(f"an order of {order.giver} is carried out later: {error}", file=sys.stderr, flush=True)
                    is_done = False
        return is_done


def shown(store: StoredLog, registry: Registry) -> list[dict[str, Any]]:
    """The orders that are still open, as `status` shows them."""
    return [
        {
            "from": order.giver.removesuffix(SEPARATOR),
            "subject": order.subject.hex(),
            "by": order.by,
            "ground": order.ground,
        }
        for order, _ in Orders(store, registry).left()
    ]
