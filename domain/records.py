"""One entry as the domain sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import lt
from typing import NamedTuple

from domain.event import Event, RevokedEvent, UnknownEvent, UnreadableEvent

NO_DEPS: Mapping[bytes, int] = {}
BEFORE_ALL = (-(2**64), b"", 0, b"")
"""An order before that of any entry."""


class Apart(NamedTuple):
    """An entry of another life of its log: the id of the one that it was written behind; where it is said again.

    The id is empty where it began its stream, and where nobody knows.
    """

    behind: bytes
    log: bytes
    seq: int


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
    apart: Apart | None = None
    saw: tuple[bytes, ...] = ()  # what its author names by its id, because it stands apart

    @property
    def order(self) -> tuple[int, bytes, int, bytes]:
        """Where the entry stands in the canonical merge order."""
        return (self.lamport, self.log, self.seq, self.id)

    @property
    def form(self) -> tuple[bool, bool, bool, Apart]:
        """Which copy of one entry counts, the least: an erased one, then one that stands apart and says where."""
        apart = self.apart
        return (self.event is not None, apart is None, apart is not None and not apart.behind, apart or _NOWHERE)

    @property
    def place(self) -> tuple[bytes, int]:
        """Where a reader finds it."""
        return (self.log, self.seq) if self.apart is None else (self.apart.log, self.apart.seq)


_NOWHERE = Apart(b"", b"", 0)


def canonical(records: Iterable[Record]) -> list[Record]:
    """Records in the canonical merge order; of several copies of one entry first the one that counts."""
    found = list(records)
    lamports = [one.lamport for one in found]
    if all(map(lt, lamports, lamports[1:])):  # as one log's entries come
        return found
    return sorted(found, key=lambda one: (one.order, one.form))
