"""Telling repeats from new entries: the same place in a log, or one home's entry recorded again after a fork."""

from __future__ import annotations

from domain.records import Record


class Repeats:
    """The places and ids met so far, in canonical order."""

    __slots__ = ("_firsts", "_homes", "_kept", "_seen", "places")

    def __init__(self) -> None:
        self._seen: dict[tuple[bytes, int], Record] = {}
        self._homes: dict[bytes, str] = {}
        self._firsts: dict[tuple[str, bytes], bytes] = {}
        self._kept: dict[bytes, bytes] = {}
        self.places: dict[bytes, list[tuple[bytes, int]]] = {}

    def same_place(self, record: Record) -> bool | None:
        """None for a new place; else whether the entry there is this very one, and not another form of it."""
        known = self._seen.get((record.log, record.seq))
        if known is None:
            return None
        return known.id == record.id and (known.event is None) == (record.event is None)

    def note(self, record: Record) -> None:
        """Remember the place."""
        self._seen[(record.log, record.seq)] = record

    def again(self, record: Record) -> bool:
        """Whether a log of the same home recorded this before; then only its place is kept, for what deps say of it."""
        if record.first_id is None and not self._firsts:
            self._homes[record.id] = record.home
            return False
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
        self.places.setdefault(kept, []).append((record.log, record.seq))
        return True

    def kept(self, id_: bytes) -> bytes:
        """The id under which an entry is kept; its own where it is no repeat."""
        return self._kept.get(id_, id_)
