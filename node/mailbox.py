"""What the county says to one home: entries of the hub's own log about that home's *mailbox*, a subject of its own.

The mailbox's id follows from the hub's key and the home's code, so both ends know it, and its one stream goes to that
home's outbox and to no other. It says which home a log belongs to whose entries the home was given (without that, it
could not show whose they are), and which subjects the county orders it to erase. Folds of the domain leave it out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sync import erasure
from sync.batch import Draft
from sync.entry import log_id
from sync.stored_log import StoredLog

TAG: Final = b"homeward/mailbox/1"
LOG_ASSIGNED: Final = "log-assigned/1"
ERASURE_ADDRESSED: Final = "erasure-addressed/1"
TYPES: Final = frozenset({LOG_ASSIGNED, ERASURE_ADDRESSED})


class AddressedOrder(NamedTuple):
    """The county orders subjects to be erased."""

    subjects: tuple[bytes, ...]
    by: str
    ground: str


@dataclass(slots=True)
class Mailbox:
    """What the county has said to a home so far."""

    homes: dict[bytes, str] = field(default_factory=dict)
    orders: list[AddressedOrder] = field(default_factory=list)


def mailbox_of(hub_key: bytes, code: str) -> bytes:
    """The subject under which a county speaks to a home."""
    return hashlib.sha256(TAG + hub_key + code.encode()).digest()[:16]


def assignment(mailbox: bytes, log: bytes, home: str, now_ms: int) -> Draft:
    """Say to which home a log belongs."""
    return Draft(LOG_ASSIGNED, "county", mailbox, now_ms, {"log": log, "home": home})


def order(mailbox: bytes, subjects: Sequence[bytes], by: str, ground: str, now_ms: int) -> Draft:
    """Order a home to erase subjects."""
    return Draft(ERASURE_ADDRESSED, by, mailbox, now_ms, {"subjects": list(subjects), "ground": ground})


def read(store: StoredLog, hub_key: bytes, code: str) -> Mailbox:
    """What stands in a home's mailbox, as far as it is here; only the hub's own log is believed."""
    found = Mailbox()
    hub_log = log_id(hub_key)
    for entry in store.entries_of_subject(mailbox_of(hub_key, code)):
        body = entry.body()
        if body is not None and entry.log == hub_log:
            _note(found, body.type, body.actor, body.payload)
    return found


def _note(found: Mailbox, kind: str, by: str, payload: Any) -> None:
    match kind, payload:
        case "log-assigned/1", {"log": bytes(log), "home": str(home)}:
            found.homes[log] = home
        case "erasure-addressed/1", {"subjects": list(subjects), "ground": str(ground)}:
            named = tuple(one for one in subjects if type(one) is bytes)
            found.orders.append(AddressedOrder(named, by, ground))


def pending_orders(store: StoredLog, hub_key: bytes, code: str) -> list[AddressedOrder]:
    """At a home: the county's orders that were not carried out here yet."""
    orders = read(store, hub_key, code).orders
    if not orders:
        return []
    done = erasure.ledger(store).executed
    left = [one._replace(subjects=tuple(s for s in one.subjects if s not in done)) for one in orders]
    return [one for one in left if one.subjects]


class HomesByMailbox:
    """At a home: which home a log belongs to, by its log id. Logs that are here in part are others' or the county's."""

    def __init__(self, store: StoredLog, code: str, hub_key: bytes | None) -> None:
        self._store, self._code, self._hub_key = store, code, hub_key
        self._known: dict[bytes, str] = {store.log: code}

    def home_of(self, log: bytes) -> str:
        """The home's code; "" for the county's own log."""
        found = self._known.get(log)
        if found is None:
            self._look()
            found = self._known.setdefault(log, "")
        return found

    def _look(self) -> None:
        others = self._store.logs_in_part()
        self._known = {branch.log: self._code for branch in self._store.branches() if branch.log not in others}
        if self._hub_key is not None:
            said = read(self._store, self._hub_key, self._code).homes
            self._known |= {log: home for log, home in said.items() if log in others}
            self._known[log_id(self._hub_key)] = ""
