"""A child's folded file as one JSON-able object, for people and programs that ask for everything."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any
from uuid import UUID

from domain import events as e
from domain.quantity import Quantity
from domain.records import Record
from domain.registers import Head, contested
from domain.schema import name_of, to_json
from domain.state import State
from domain.tally import measure_of


def plain(value: Any) -> Any:
    """A register's value in JSON."""
    if isinstance(value, dt.time):
        return value.isoformat("minutes")
    if isinstance(value, dt.date | UUID | Quantity):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(plain(key)): plain(one) for key, one in value.items()}
    return {one.name: plain(getattr(value, one.name)) for one in fields(value)} if is_dataclass(value) else value


def _head(head: Head) -> dict[str, Any]:
    return {
        "value": plain(head.value),
        "by": head.by,
        "home": head.home,
        "log": head.log.hex(),
        "seq": head.seq,
        "id": head.id.hex(),
        "at": head.at,
    }


def _entry(record: Record) -> dict[str, Any]:
    event = record.event
    shown = {"type": name_of(event), **to_json(event)} if isinstance(event, e.Event) else {}
    return {"id": record.id.hex(), "home": record.home, "by": record.actor, "at": record.recorded_at_ms, **shown}


def _stayed(state: State, home: str, on: dt.date) -> bool:
    """Whether the child belonged to a home on a day."""
    return any(
        stay.home == home and stay.from_on <= on and (stay.to_on is None or on < stay.to_on) for stay in state.stays
    )


def _facts(state: State) -> dict[str, Any]:
    """Counts and last dates of each kind of fact, and how many the former homes recorded after the child had gone."""
    counts: Counter[str] = Counter()
    for (_, _, kind), total in state.tally.items():
        counts[kind] += total.facts
    return {
        "counts": dict(sorted(counts.items())),
        "last_on": {kind: day.isoformat() for kind, day in sorted(state.last.items()) if counts[kind]},
        "by_former_home": [id_.hex() for id_ in late_facts(state)],
        "withdrawn": sorted(id_.hex() for id_ in state.amended if state.withdrawn(id_)),
    }


def late_facts(state: State) -> list[bytes]:
    """Facts that a former home dated after the child had left it; they count for the home that did them."""
    former = {stay.home for stay in state.stays if stay.to_on is not None}
    found = []
    for id_, record in state.records.items():
        if (
            record.home in former
            and isinstance(record.event, e.Event)
            and not state.withdrawn(id_)
            and id_ not in state.early
        ):
            measure = measure_of(state.event(id_))
            if measure and measure.kind != "departure" and not _stayed(state, record.home, measure.on):
                found.append(id_)
    return found


def child_json(state: State) -> dict[str, Any]:
    """The folded child: every register, every conflict, stays, transfers, facts, and what could not be applied."""
    return {
        "subject": str(UUID(bytes=state.subject)) if len(state.subject) == 16 else state.subject.hex(),
        "kind": state.kind,
        "status": state.status,
        "home": state.holder or state.value("home") or "",
        "registered_on": state.registered_on.isoformat() if state.registered_on else None,
        "fields": {field: plain(state.value(field)) for field in sorted(state.registers)},
        "conflicts": [
            {
                "field": field,
                "values": [_head(head) for head in heads],
                "provisional": plain(_provisional(state, field)),
            }
            for field, heads in sorted(state.conflicts().items())
        ],
        "stays": [{"home": one.home, "from_on": plain(one.from_on), "to_on": plain(one.to_on)} for one in state.stays],
        "transfers": [
            {
                "id": one.id.hex(),
                "kind": one.kind,
                "home": one.home,
                "to": one.other,
                "on": one.on.isoformat(),
                "counts": one.counts,
            }
            for one in state.transfers
        ],
        "facts": _facts(state),
        "corrections": _corrections(state),
        "pending": [_entry(record) for record in state.pending],
        "unusable": [_entry(record) for record in (*state.unusable, *state.not_theirs)],
        "unknown": [{"id": one.id.hex(), "type": one.type, "why": one.why} for one in state.unshown],
    }


def _provisional(state: State, field: str) -> Any:
    if not field.startswith("fact:"):
        return state.value(field)
    _, target, name = field.split(":", 2)
    return getattr(state.event(bytes.fromhex(target)), name)


def _corrections(state: State) -> list[dict[str, Any]]:
    """Corrected fields of facts, as they read now."""
    return [
        {"target": id_.hex(), "field": field, "now": plain(getattr(state.event(id_), field)), "contested": disputed}
        for id_, amended in state.amended.items()
        for field, heads in sorted(amended.fields.items())
        for disputed in [contested(heads)]
    ]
