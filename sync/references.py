"""A log's streams by subject, so that a push of it may name a subject by its stream's ordinal."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sync import log_sql
from sync.log_schema import ORDINAL_MASK
from sync.messages import Push
from sync.push_form import OrdinalOf
from sync.stored_log import StoredLog

REMEMBERED_MAX: Final = 65_536


class References:
    """For one exchange about this node's own log, or about `log`: what was looked up once is remembered."""

    def __init__(self, store: StoredLog, log: bytes | None = None) -> None:
        self._store = store
        self._branch = store.branch_id(log or store.log)
        self._known: dict[bytes, int] = {}

    def within(self, push: Push, withheld: Collection[int] = ()) -> OrdinalOf:
        """The ordinals that a push may use: of streams that have begun by its end, and whose subject the hub knows."""
        begun = self._begun(push)

        def ordinal_of(subject: bytes) -> int | None:
            ordinal = self._known.get(subject) or self._look_up(subject)
            return ordinal if ordinal is not None and ordinal <= begun and ordinal not in withheld else None

        return ordinal_of

    def _begun(self, push: Push) -> int:
        """How many streams have surely begun by the end of a push: they begin in the order of their ordinals."""
        if push.streams:
            return push.first_ordinal + len(push.streams) - 1
        branch = next(b for b in self._store.branches() if b.id == self._branch)
        return branch.streams if branch.size == push.end else max((row.ordinal for row in push.rows), default=0)

    def _look_up(self, subject: bytes) -> int | None:
        found = self._store.reading(lambda db: log_sql.stream_of_subject(db, subject, self._branch))
        if found is None:
            return None
        if len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
        ordinal = self._known[subject] = found.id & ORDINAL_MASK
        return ordinal
