"""What a fold has taken and does not apply: entries set aside as a whole, and facts dated before their home's day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

from domain import events as e
from domain.records import Record
from domain.state import Amended, Stay, amended_event
from domain.tally import measure_of


class Aside:
    """Of one subject; private to one fold. Most subjects have nothing here, so it holds next to nothing."""

    __slots__ = ("_early", "records")

    def __init__(self) -> None:
        self.records: tuple[Record, ...] = ()  # unreadable, revoked, or a stranger's: not among the fold's records
        self._early: Mapping[bytes, dt.date] = _NONE

    def put(self, record: Record) -> None:
        """Set an entry aside."""
        self.records = (*self.records, record)

    def precedes(self, record: Record, on: dt.date, since: dt.date | None) -> bool:
        """Note a fact dated before its own home had the child: `decide` refuses it, an older version did not."""
        if since is None or on >= since:
            return False
        self._early = {**self._early, record.id: since}
        return True

    def early(
        self,
        records: Mapping[bytes, Record],
        amended: Mapping[bytes, Amended],
        holder: str,
        stays: tuple[Stay, ...],
    ) -> dict[bytes, dt.date]:
        """The facts that still precede the day on which their home had the child, after all corrections."""
        found = {}
        for id_, known in self._early.items():
            record, one = records[id_], amended[id_]
            since = min([known, *(stay.from_on for stay in stays if stay.home == record.home)])
            measure = measure_of(amended_event(record, one, holder))
            if measure is not None and measure.on < since and not one.withdrawn_by:
                found[id_] = since
        return found

    def standing(self, withdrawn: Collection[bytes]) -> tuple[Record, ...]:
        """The entries set aside that nobody took back, be it by a withdrawal that is set aside with them."""
        by_id = {one.id: one for one in self.records}
        gone = {id_ for id_ in by_id if id_ in withdrawn}
        for one in self.records:
            if isinstance(one.event, e.FactWithdrawn):
                named = by_id.get(one.event.target.bytes)
                if named is not None and named.home == one.home:
                    gone |= {named.id, one.id}
        return tuple(one for one in self.records if one.id not in gone)


_NONE: Mapping[bytes, dt.date] = {}
