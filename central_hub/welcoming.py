"""What a home's new PC needs first: the county's hub reads the home's files, and the domain says the order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import apsw

from central_hub.registry import Registry
from domain import schema
from domain.arriving import Precedence, child_precedence, precedence
from domain.folding import fold
from domain.policy import COUNTY_SUBJECT, Policy
from domain.state import State
from node.clock import Clock, local_date
from node.records import of_the_domain, record_of
from sync import log_sql
from sync.store import Store


class Needs:
    """The subjects of a home's logs in the order of need. Safe to use from any thread."""

    def __init__(self, store: Store, registry: Registry, clock: Clock) -> None:
        self._store, self._registry, self._clock = store, registry, clock

    def in_order(self, logs: Iterable[bytes]) -> list[bytes]:
        """What these logs of one home are about, the most needed first; what was erased is left out."""
        found = self._store.reading(lambda db: self._newest(db, logs))
        home = next((self._registry.code_of(log) for log in logs), "")
        policy, today = Policy(self._state(COUNTY_SUBJECT)), local_date(self._clock())
        return sorted(found, key=lambda subject: self._precedence(subject, home, *found[subject], policy, today))

    def _newest(self, db: apsw.Connection, logs: Iterable[bytes]) -> dict[bytes, tuple[int, str]]:
        """Each subject, with where its newest entry stands here and of which type that is."""
        names = {number: name for name, number in log_sql.types(db).items()}
        wanted = set(logs)
        found: dict[bytes, tuple[int, str]] = {}
        for branch in log_sql.branches(db):
            if branch.log not in wanted or branch.lost:
                continue
            for stream in log_sql.streams_of_branch(db, branch.id, 1, branch.streams):
                row = log_sql.entry_at(db, stream.head or 0)
                if stream.subject is None or row is None:
                    continue
                found[stream.subject] = max(found.get(stream.subject, (0, "")), (row.position, names.get(row.type, "")))
        return found

    def _precedence(
        self, subject: bytes, home: str, newest: int, kind: str, policy: Policy, today: dt.date
    ) -> Precedence:
        about = schema.subject_kind(kind)
        if about != "child":
            return precedence(about, subject, newest)
        return child_precedence(self._state(subject), home, newest, policy, today)

    def _state(self, subject: bytes) -> State:
        pairs = [(one, one.body()) for one in self._store.entries_of_subject(subject)]
        records = [record_of(e, body, self._registry.code_of) for e, body in pairs if of_the_domain(body, e)]
        return fold("", subject, records)
