"""What the county says to one home: entries of the hub's own log about that home's *mailbox*, a subject of its own.

The mailbox's id follows from the hub's key and the home's code, so both ends know it, and its one stream goes to that
home's outbox and to no other. It says which home a log belongs to whose entries the home was given (without that, it
could not show whose they are), and which subjects the county orders it to erase. Folds of the domain leave it out.

Anybody may write about that subject in a log of his own. So only the county's logs are believed: the one whose key the
home has pinned, and those that this key's owner has signed for. A county that was restored from a backup goes on in a
new log (`sync.epoch`); the first thing that it says to a home in that log is the signature (`county-log/1`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sync import erasure
from sync.batch import Draft
from sync.entry import log_id
from sync.errors import VerificationError
from sync.note import Signer, verify_bytes
from sync.store import Store
from sync.stored_log import StoredLog

TAG: Final = b"homeward/mailbox/1"
LOG_ASSIGNED: Final = "log-assigned/1"
ERASURE_ADDRESSED: Final = "erasure-addressed/1"
COUNTY_LOG: Final = "county-log/1"
NOTES: Final = frozenset({LOG_ASSIGNED, COUNTY_LOG})  # what the county works out again whenever it is needed
TYPES: Final = NOTES | {ERASURE_ADDRESSED}


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
    logs: set[bytes] = field(default_factory=set)  # that are proven to be the county's own


def mailbox_of(hub_key: bytes, code: str) -> bytes:
    """The subject under which a county speaks to a home."""
    return hashlib.sha256(TAG + hub_key + code.encode()).digest()[:16]


def assignment(mailbox: bytes, log: bytes, home: str, now_ms: int) -> Draft:
    """Say to which home a log belongs."""
    return Draft(LOG_ASSIGNED, "county", mailbox, now_ms, {"log": log, "home": home})


def order(mailbox: bytes, subjects: Sequence[bytes], by: str, ground: str, now_ms: int) -> Draft:
    """Order a home to erase subjects."""
    return Draft(ERASURE_ADDRESSED, by, mailbox, now_ms, {"subjects": list(subjects), "ground": ground})


def proof_text(log: bytes) -> bytes:
    """What a county's first key signs to say that it writes this log, too."""
    return f"homeward/county-log/1\n{log.hex()}\n".encode()


def introduced(store: Store, code: str, drafts: list[Draft], logs: set[bytes], now_ms: int) -> list[Draft]:
    """At the hub: what to record in a home's mailbox, with proofs in front that it writes these logs, too."""
    key, subject = store.identity.public_key, mailbox_of(store.identity.public_key, code)
    unsaid = (logs | {store.log} if drafts else logs) - {log_id(key)}
    unsaid -= read(store, key, code).logs if unsaid else set()
    return [_proof(store.identity, subject, log, now_ms) for log in sorted(unsaid)] + drafts


def _proof(identity: Signer, mailbox: bytes, log: bytes, now_ms: int) -> Draft:
    payload = {"log": log, "signature": identity.sign_bytes(proof_text(log))}
    return Draft(COUNTY_LOG, "county", mailbox, now_ms, payload)


def proven(hub_key: bytes, kind: str, payload: Any) -> bytes | None:
    """The log that an entry proves to be the county's; None where it proves nothing."""
    match kind, payload:
        case "county-log/1", {"log": bytes(log), "signature": bytes(signature)}:
            try:
                verify_bytes(hub_key, proof_text(log), signature)
            except VerificationError:
                return None
            return log
    return None


def read(store: StoredLog, hub_key: bytes, code: str) -> Mailbox:
    """What stands in a home's mailbox, as far as it is here; only the county's own logs are believed."""
    entries = [(one, one.body()) for one in store.entries_of_subject(mailbox_of(hub_key, code))]
    found = Mailbox(logs={log_id(hub_key)})
    found.logs |= {log for _, body in entries if body and (log := proven(hub_key, body.type, body.payload))}
    is_hub = store.identity.public_key == hub_key
    believed = found.logs.union(store.own_logs()) if is_hub else found.logs
    for entry, body in entries:
        if body is not None and entry.log in believed:
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
            said = read(self._store, self._hub_key, self._code)
            self._known |= {log: home for log, home in said.homes.items() if log in others}
            self._known |= dict.fromkeys(said.logs, "")
