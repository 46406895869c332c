"""One payment, several witnesses: what is counted where more than one entry says that an instalment of aid was paid.

The home and finance both enter the same instalment, each unknown to the other.  Entries with one instalment number are
witnesses of one payment; where their amounts differ that is shown, and the least amount counts until somebody corrects
one.  A payment without a number, as older records have it, stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from domain import events as e
from domain.records import Record
from domain.state import Amended, amended_event


class Witness(NamedTuple):
    """One entry that says that money was paid, as it reads now."""

    id: bytes
    order: tuple[int, bytes, int, bytes]
    event: e.AidPaid


def together(witnesses: Iterable[Witness]) -> Mapping[str, list[Witness]]:
    """The witnesses by the payment that they speak of."""
    found: dict[str, list[Witness]] = {}
    for one in witnesses:
        key = one.id.hex() if one.event.instalment is None else str(one.event.instalment)
        found.setdefault(key, []).append(one)
    return found


def counting(witnesses: Iterable[Witness]) -> Witness:
    """The one that counts of the witnesses of one payment: of the least amount, then the first."""
    return min(witnesses, key=lambda one: (one.event.amount_fen, one.order))


def may_be_one_of_several(event: e.Event) -> bool:
    """Whether an entry counts only if no other witness counts in its place."""
    return isinstance(event, e.AidPaid) and event.instalment is not None


def repeated(records: Mapping[bytes, Record], amended: Mapping[bytes, Amended]) -> set[bytes]:
    """The entries about aid that do not count because another witness of the same payment does."""
    standing = [
        Witness(id_, records[id_].order, event)
        for id_, one in amended.items()
        if not one.withdrawn_by and isinstance(event := amended_event(records[id_], one, ""), e.AidPaid)
    ]
    groups = together(standing).values()
    return {one.id for group in groups for one in group if one.id != counting(group).id}
