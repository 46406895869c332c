"""Which logs the county has revoked, and up to which size they count: a fold of this node's entries about itself.

A revocation names a log and the size that was held of it at that moment. What the log gets after that is received,
verified and covered by receipts as before, but the folds leave it out (`RevokedEvent`), until a reinstatement lets all
of it count. Sizes decide, never dates: a clock that lies moves no entry to the other side.

What a county had said again for a home that was put back (`sync.taken_back`) stands behind the size that is held of
that home's log, and is held all the same. So a revocation names it by its ids, and it goes on counting; whatever else
comes to these places does not.

A hub that other hubs have joined honours their words about their own homes' logs in the same way: they stand in the
hubs' logs, which it holds. What two of them say of one log, the smaller size decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from domain.tiers import COUNTY, SEPARATOR, governs, is_hub
from node.records import of_the_domain, stood_at
from sync.batch import Entry
from sync.entry import Body
from sync.stored_log import StoredLog

HomeOf = Callable[[bytes], str]

REVOKED: Final = "log-revoked/1"
REINSTATED: Final = "log-reinstated/1"
AGAIN_COUNT_MAX: Final = 4096  # ids, as many as a body's list may have


class Revocation(NamedTuple):
    """A log counts up to this size; who said so, when (ms), and on what ground."""

    size: int
    by: str
    ground: str
    at_ms: int
    again: frozenset[bytes] = frozenset()  # ids of what counts behind that size: it was held elsewhere


class Revocations:
    """The standing revocations by log, as far as a position of this node's store."""

    def __init__(
        self,
        store: StoredLog,
        until: int | None = None,
        home_of: HomeOf | None = None,
        known: Callable[[Entry], bool] = lambda _entry: True,
    ) -> None:
        """`home_of` says whose a log is, at a hub that honours what hubs below it say; else the own word counts.

        `known`: which entries count at all.
        """
        self.by_log: dict[bytes, Revocation] = {}
        self._said: dict[tuple[bytes, str], Revocation] = {}  # by log, and by the hub that said it
        self._store = store
        self._home_of = home_of
        logs = [branch.log for branch in store.branches() if self._speaker(branch.log) is not None]
        entries = [entry for log in logs for entry in store.entries_of_subject(log) if known(entry)]
        for entry in sorted(entries, key=lambda entry: entry.position):
            body = entry.body()
            if body is not None and (until is None or entry.position <= until):
                self.note(entry, body)

    def _speaker(self, log: bytes) -> str | None:
        """The hub whose log it is, "" for this node; None where it is no hub's, or its word does not count here."""
        if self._store.has_key(log):
            return COUNTY
        home = self._home_of(log) if self._home_of is not None else ""
        return home if home.endswith(SEPARATOR) else None

    def note(self, entry: Entry, body: Body) -> tuple[bytes, int] | None:
        """Take one entry more; the log whose entries after a size are judged otherwise now, if there is one."""
        match body.type, body.payload:
            case "log-revoked/1", {"log": bytes(log), "size": int(size), "by": str(by), "ground": str(ground), **more}:
                said: Revocation | None = Revocation(size, by, ground, body.recorded_at_ms, _ids(more.get("again")))
            case "log-reinstated/1", {"log": bytes(log)}:
                said = None
            case _:
                return None
        hub = self._speaker(entry.log)
        if hub is None or self._speaker(body.subject) != hub:
            return None
        if hub != COUNTY and not (self._home_of and governs(hub, self._home_of(log))):
            return None
        return self._stand(log, hub, said)

    def _stand(self, log: bytes, hub: str, said: Revocation | None) -> tuple[bytes, int] | None:
        before = self.by_log.get(log)
        self._said.pop((log, hub), None)
        if said is not None:
            self._said[log, hub] = said
        standing = [one for (of, _), one in self._said.items() if of == log]
        now = min(standing, key=lambda one: one.size, default=None)
        self.by_log.pop(log, None)
        if now is not None:
            self.by_log[log] = now
        sizes = [one.size for one in (before, now) if one is not None]
        return (log, min(sizes)) if sizes and before != now else None

    def withholds(self, log: bytes, seq: int, id_: bytes = b"") -> bool:
        """Whether an entry came after the size up to which its log counts."""
        standing = self.by_log.get(log)
        return standing is not None and seq > standing.size and id_ not in standing.again


def _ids(told: object) -> frozenset[bytes]:
    return frozenset(one for one in told if isinstance(one, bytes)) if isinstance(told, list) else frozenset()


def said_again(store: StoredLog, home_of: HomeOf, log: bytes, size: int) -> list[bytes]:
    """The ids of what counties have said again of a log and counts behind this size of it."""
    found: dict[bytes, None] = {}
    for one in [branch.log for branch in store.branches() if is_hub(home_of(branch.log))]:
        for entry in store.entries_of_log(one):
            body = entry.body()
            if of_the_domain(body, entry):
                place = stood_at(entry, body, home_of)
                if place.log == log and place.seq > size:
                    found[place.id] = None
    return list(found)[:AGAIN_COUNT_MAX]


def subjects_after(store: StoredLog, home_of: HomeOf, log: bytes, seq: int, until: int) -> set[bytes]:
    """What a log's entries after a seq are about, as far as they were stored up to a position.

    Some of them may stand in a county's log, which took them back (`stood_at`).
    """
    found = set()
    for one in [branch.log for branch in store.branches()]:
        if one != log and not is_hub(home_of(one)):
            continue
        for entry in store.entries_of_log(one, seq if one == log else 0):
            body = entry.body() if entry.position <= until else None
            if of_the_domain(body, entry):
                _, stood_in, at, *_ = stood_at(entry, body, home_of)
                found |= {body.subject} if stood_in == log and at > seq else set()
    return found
