"""Nothing is overwritten in silence: who had really seen what when he edited a field, and what became of every value.

Who takes a child in counts as having seen what the home had written that gave it over, on paper; so does whatever he
writes behind his acceptance.
"""

from __future__ import annotations

from collections.abc import Iterable

from domain import events as e
from domain.folding import Folding, fold
from domain.records import Record
from domain.state import State

FIELDS = {e.FactCorrected: "name", e.ContactCardChanged: "home_phone"}


class Edits:
    """Every edit of a life of the county, with the edits that its author was shown."""

    def __init__(self) -> None:
        self._saw: dict[bytes, frozenset[bytes]] = {}

    def note(self, id_: bytes, shown: Folding) -> None:
        """Somebody who was shown all this has edited a field."""
        self._saw[id_] = frozenset(map(first, shown.taken()))

    def require_none_lost(self, child: bytes, records: Iterable[Record]) -> int:
        """Each value stands, or was replaced by one that saw it; how many fields hold values of several lives."""
        state = fold("child", child, records)
        edits = [one for one in state.records.values() if type(one.event) in FIELDS]
        for one in edits:
            field = FIELDS[type(one.event)]
            if first(one) not in self._saw or one.id in {head.id for head in state.heads(field)}:
                continue
            later = [other for other in edits if FIELDS[type(other.event)] == field and first(other) in self._saw]
            by = [other for other in later if first(one) in self._saw[first(other)]]
            by += [other for other in later if _was_handed(one, other, state.records.values())]
            assert by, f"{field} of {child.hex()}: {one.event} was overwritten in silence"
        return sum(_of_lives(state, field) for field in FIELDS.values())


def _was_handed(one: Record, other: Record, records: Iterable[Record]) -> bool:
    """Whether the author of the other edit had taken the child in from the home that wrote this one before."""
    given = {
        each.event.to_home
        for each in records
        if isinstance(each.event, e.ChildTransferRequested)
        and (each.log, each.apart is None) == (one.log, one.apart is None)
        and each.seq > one.seq
    }
    accepted = [each for each in records if isinstance(each.event, e.ChildTransferAccepted) and each.log == other.log]
    return any(each.home in given and each.seq < other.seq for each in accepted)


def _of_lives(state: State, field: str) -> bool:
    heads = state.heads(field)
    apart = {head.id for head in heads if state.records[head.id].apart is not None}
    return bool(apart) and len({head.log for head in heads}) < len(heads)


def first(record: Record) -> bytes:
    """What an entry was called at first."""
    return record.first_id or record.id
