"""Telling repeats from new entries: the same place in a log, or one home's entry recorded again after a fork."""

from __future__ import annotations

from collections.abc import Collection

from domain.event import RevokedEvent
from domain.records import Record


class Repeats:
    """The places and ids met so far, in canonical order."""

    __slots__ = ("_firsts", "_homes", "_kept", "_seen", "places")

    def __init__(self) -> None:
        self._seen: dict[tuple[bytes, int, bytes], Record] = {}
        self._homes: dict[bytes, str] = {}
        self._firsts: dict[tuple[str, bytes], bytes] = {}
        self._kept: dict[bytes, bytes] = {}
        self.places: dict[bytes, list[tuple[bytes, int]]] = {}

    def note(self, record: Record) -> bool | None:
        """Remember an entry: whether it is new, not one recorded again; None where it, or its other form, is known.

        Two entries stand at one place only where a log had two lives (`lives`): both count.
        """
        id_, first_id, log, seq, home, _, _, _, _, _, _, _ = record
        if self._seen.setdefault((log, seq, id_), record) is not record:
            return None
        if isinstance(record.event, RevokedEvent):  # an entry recorded again elsewhere must not count as its repeat
            return True
        if first_id is None and not self._firsts:
            self._homes[id_] = home
            return True
        return not self._again(record)

    def holds(self, record: Record) -> bool:
        """Whether this very entry, or a copy that counts before it, is at its place."""
        known = self._seen.get((record.log, record.seq, record.id))
        if known is None or (known.event is None) != (record.event is None):
            return False
        return (known.apart is None and record.apart is None) or known.form <= record.form

    def all(self) -> Collection[Record]:
        """Every entry met, repeats included."""
        return self._seen.values()

    def _again(self, record: Record) -> bool:
        """Whether a log of the same home recorded this before; then only its place is kept, for what deps say of it."""
        first = record.first_id or record.id
        kept = self._firsts.get((record.home, first))
        if kept is None and record.first_id is not None and self._homes.get(first) == record.home:
            kept = first
        if kept is None:
            self._homes[record.id] = record.home
            if record.first_id is not None:
                self._firsts[(record.home, first)] = record.id
                self._kept[first] = record.id
            return False
        self._kept[record.id] = kept
        if record.apart is None:
            self.places.setdefault(kept, []).append((record.log, record.seq))
        return True

    def kept(self, id_: bytes) -> bytes:
        """The id under which an entry is kept; its own where it is no repeat."""
        return self._kept.get(id_, id_)
