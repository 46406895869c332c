"""One entry as the domain sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import lt
from typing import NamedTuple

from domain.event import Event, RevokedEvent, UnknownEvent, UnreadableEvent

NO_DEPS: Mapping[bytes, int] = {}
BEFORE_ALL = (-(2**64), b"", 0, b"")
"""An order before that of any entry."""


class Record(NamedTuple):
    """An entry about one subject, read as far as this version can; `event` is None where it was erased."""

    id: bytes
    first_id: bytes | None
    log: bytes
    seq: int
    home: str
    actor: str
    recorded_at_ms: int
    lamport: int
    deps: Mapping[bytes, int]
    event: Event | UnknownEvent | UnreadableEvent | RevokedEvent | None

    @property
    def order(self) -> tuple[int, bytes, int, bytes]:
        """Where the entry stands in the canonical merge order."""
        return (self.lamport, self.log, self.seq, self.id)


def canonical(records: Iterable[Record]) -> list[Record]:
    """Records in the canonical merge order; of two forms of one entry the erased one first."""
    found = list(records)
    lamports = [one.lamport for one in found]
    if all(map(lt, lamports, lamports[1:])):  # as one log's entries come
        return found
    return sorted(found, key=lambda one: (one.lamport, one.log, one.seq, one.id, one.event is not None))
