"""Which logs the county has revoked, and up to which size they count: a fold of this node's entries about itself.

A revocation names a log and the size that was held of it at that moment. What the log gets after that is received,
verified and covered by receipts as before, but the folds leave it out (`RevokedEvent`), until a reinstatement lets all
of it count. Sizes decide, never dates: a clock that lies moves no entry to the other side.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sync.stored_log import StoredLog

REVOKED: Final = "log-revoked/1"
REINSTATED: Final = "log-reinstated/1"


class Revocation(NamedTuple):
    """A log counts up to this size; who said so, when (ms), and on what ground."""

    size: int
    by: str
    ground: str
    at_ms: int


class Revocations:
    """The standing revocations by log, as far as a position of this node's store."""

    def __init__(self, store: StoredLog, until: int | None = None) -> None:
        self.by_log: dict[bytes, Revocation] = {}
        for log in store.own_logs():
            for entry in store.entries_of_subject(log):
                body = entry.body()
                if body is not None and entry.log == log and (until is None or entry.position <= until):
                    self.note(body.type, body.payload, body.recorded_at_ms)

    def note(self, kind: str, payload: Any, at_ms: int) -> tuple[bytes, int] | None:
        """Take one entry more; the log whose entries after a size are judged otherwise now, if there is one."""
        match kind, payload:
            case "log-revoked/1", {"log": bytes(log), "size": int(size), "by": str(by), "ground": str(ground)}:
                before = self.by_log.get(log)
                self.by_log[log] = Revocation(size, by, ground, at_ms)
                return log, size if before is None else min(size, before.size)
            case "log-reinstated/1", {"log": bytes(log)} if log in self.by_log:
                return log, self.by_log.pop(log).size
            case _:
                return None

    def withholds(self, log: bytes, seq: int) -> bool:
        """Whether an entry came after the size up to which its log counts."""
        standing = self.by_log.get(log)
        return standing is not None and seq > standing.size
