"""Tables derived from folded subjects: a pure function from a state to rows.

A subject's rows depend on that subject's entries alone, never on other subjects or on the order of arrival.  A change
of what a row says needs a new `VIEWS_VERSION`, and with it a rebuild.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from domain import deed_rows, fact_tables, pictures
from domain import events as e
from domain.childfile import child_json, plain
from domain.conflicts import conflicts_of
from domain.fold_child import links_of
from domain.places import place_of
from domain.returning import returned
from domain.schema import name_of
from domain.state import State

VIEWS_VERSION = 8

Row = tuple[Any, ...]
Rows = Iterator[tuple[str, Row]]


class Table(NamedTuple):
    """One table: its columns with their SQL types, and the columns of its key."""

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]


def _table(name: str, columns: str, *, key: str = "") -> Table:
    """A table from "column" (TEXT), "column:INTEGER" or "column:BLOB" words; the subject comes first."""
    parts = ["subject:BLOB", *columns.split()]
    typed = tuple((part.partition(":")[0], part.partition(":")[2] or "TEXT") for part in parts)
    return Table(name, typed, ("subject", *key.split()))


_ALL = (
    _table(
        "child",
        "name sex born_on home status registered_on number:INTEGER grade:INTEGER class_name school boards:INTEGER "
        "address township village category guardian_name guardian_kinship guardian_phone father_name father_phone "
        "father_workplace mother_name mother_phone mother_workplace last_call_on last_letter_on last_talk_on "
        "last_visit_on last_return_on leaving_for conflicts:INTEGER pending:INTEGER unknown:INTEGER",
    ),
    _table("same_child", "other:BLOB on", key="other"),
    _table("stay", "ordinal:INTEGER home from_on to_on", key="ordinal"),
    _table(
        "tally",
        "home month kind count:INTEGER minutes:INTEGER reached:INTEGER children:INTEGER fen:INTEGER",
        key="home month kind",
    ),
    _table(
        "home",
        "home name kind phone rooms:INTEGER capacity:INTEGER area_m2:INTEGER keeper opened_on "
        "last_opening_on township village sign_fitted:INTEGER conflicts:INTEGER unknown:INTEGER",
    ),
    _table(
        "worker",
        "home code name kind phone joined_on organisation organisation_kind part_time:INTEGER checks_passed_on "
        "conflicts:INTEGER unknown:INTEGER",
    ),
    _table(
        "pairing",
        "pairing:BLOB home kind from_on to_on helper helper_name helper_phone helper_employer priority:INTEGER",
        key="pairing",
    ),
    _table(
        "loan", "home child:BLOB book out_on due_on closed_on outcome condition late_days:INTEGER withdrawn:INTEGER"
    ),
    _table("child_deed", deed_rows.COLUMNS, key="event year"),
    _table("deed", deed_rows.COLUMNS, key="event year"),
    _table("duty_subject", deed_rows.OF_A_SUBJECT),
    _table("unknown_entry", "id:BLOB type why", key="id"),
    _table(
        "conflict",
        "field number:INTEGER entry:BLOB log:BLOB seq:INTEGER home actor at:INTEGER value wins:INTEGER why",
        key="field number",
    ),
    _table("returned", "log:BLOB seq:INTEGER entry:BLOB home actor at:INTEGER type code why_zh why_en", key="log seq"),
    _table("on_hold", "log:BLOB seq:INTEGER entry:BLOB home type", key="log seq"),
)
TABLES: dict[str, Table] = {
    **{table.name: table for table in _ALL},
    **{name: _table(name, columns, key=key) for name, (columns, key) in pictures.COLUMNS.items()},
    **{one.name: _table(one.name, one.words(), key="entry") for one in fact_tables.FACT_TABLES.values()},
}


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _day(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


def rows(state: State) -> Iterable[tuple[str, Row]]:
    """The rows of one subject as (table, row), in a fixed order."""
    yield from _BY_KIND.get(state.kind, _no_rows)(state)
    for (home, month, kind), total in sorted(state.tally.items()):
        yield "tally", (state.subject, home, month, kind, *total)
    for id_, type_, why in sorted(set(state.unshown)):
        yield "unknown_entry", (state.subject, id_, type_, why)
    yield from fact_tables.rows_of(state)
    yield from pictures.rows_of(state)
    yield from deed_rows.rows_of(state)
    yield from _conflicts(state)
    for record, refusal in returned(state):
        where = (record.log, record.seq, record.id, record.home, record.actor, record.recorded_at_ms)
        yield "returned", (state.subject, *where, name_of(record.event), *refusal)
    for record in sorted(state.pending, key=lambda one: (one.log, one.seq)):
        yield "on_hold", (state.subject, record.log, record.seq, record.id, record.home, name_of(record.event))


def _conflicts(state: State) -> Rows:
    """Every value of every contested field, as JSON, numbered as a person chooses from them."""
    for one in conflicts_of(state):
        for number, head in enumerate(one.heads, 1):
            value = json.dumps(plain(head.value), ensure_ascii=False, sort_keys=True)
            where = (head.id, head.log, head.seq, head.home, head.by, head.at)
            yield "conflict", (state.subject, one.field, number, *where, value, int(head is one.wins), one.why)


def _no_rows(_state: State) -> Rows:
    return iter(())


_CARD_TEXT = (
    "guardian_name",
    "guardian_kinship",
    "guardian_phone",
    "father_name",
    "father_phone",
    "father_workplace",
    "mother_name",
    "mother_phone",
    "mother_workplace",
)
_LAST = ("call", "letter", "talk", "visit", "parent_return")


def _child(state: State) -> Rows:
    if _taken_back(state):
        return
    value = state.value
    yield (
        "child",
        (
            state.subject,
            value("name"),
            value("sex"),
            _day(value("born_on")),
            state.holder or value("home") or "",
            state.status,
            _day(state.registered_on),
            value("number"),
            value("grade"),
            value("class_name"),
            value("school"),
            _flag(value("boards")),
            value("address"),
            *_place(value),
            " ".join(sorted(value("categories") or ())),
            *(value(field) for field in _CARD_TEXT),
            *(_day(state.last.get(kind)) for kind in _LAST),
            leaving_for(state),
            len(state.conflicts()),
            len(state.pending) + len(state.unusable) + len(state.not_theirs),
            len(state.unshown),
        ),
    )
    for ordinal, stay in enumerate(state.stays, 1):
        yield "stay", (state.subject, ordinal, stay.home, _day(stay.from_on), _day(stay.to_on))
    for link in links_of(state):
        yield "same_child", (state.subject, link.other, _day(link.on))
    yield from _pairings(state)


def _place(value: Callable[[str], Any]) -> tuple[str, str]:
    """Township and village as the file names them; what it does not name is read from the address."""
    township, village = place_of(value("address"))
    named = value("township") or township
    return named, value("village") or (village if named == township else "")


def _taken_back(state: State) -> bool:
    """A file that nothing stands in any more, because its registration was a mistake, is no child's."""
    told = [id_ for id_, record in state.records.items() if not isinstance(record.event, _ABOUT_ENTRIES)]
    held = state.unusable or state.not_theirs or state.unshown or state.aside
    return bool(told) and all(map(state.withdrawn, told)) and not held


def leaving_for(state: State) -> str:
    """The home that a child on its way was given over to; "" where it is not on its way."""
    if state.status != "leaving":
        return ""
    asked = [one for one in state.transfers if one.kind == "requested" and one.home == state.holder]
    return max(asked, key=lambda one: one.on).other if asked else ""


_ABOUT_ENTRIES = (e.FactWithdrawn, e.FactCorrected, e.ConflictSettled)
_PAIRING = (e.PairingFormed, e.PairingEnded)


def _pairings(state: State) -> Rows:
    ended: dict[bytes, dt.date] = {}
    found: dict[bytes, tuple[str, e.PairingFormed]] = {}
    for id_, record in state.records.items():
        if type(record.event) in _PAIRING and state.stands(id_):
            event = state.event(id_)
            if isinstance(event, e.PairingFormed):
                found[event.pairing.bytes] = (record.home, event)
            elif isinstance(event, e.PairingEnded):
                ended[event.pairing.bytes] = min(event.on, ended.get(event.pairing.bytes, event.on))
    for pairing, (home, one) in sorted(found.items()):
        to_on = _day(ended.get(pairing))
        yield (
            "pairing",
            (
                state.subject,
                pairing,
                home,
                one.kind,
                _day(one.from_on),
                to_on,
                one.helper,
                one.helper_name,
                one.helper_phone,
                one.helper_employer,
                int(one.priority),
            ),
        )


def _home(state: State) -> Rows:
    value = state.value
    yield (
        "home",
        (
            state.subject,
            _writer(state, e.HomeRegistered),
            value("name"),
            value("kind"),
            value("phone"),
            value("rooms"),
            value("capacity"),
            value("area_m2"),
            value("keeper"),
            _day(value("opened_on")),
            _day(state.last.get("opening")),
            value("township"),
            value("village"),
            _flag(value("sign_fitted")),
            len(state.conflicts()),
            len(state.unshown),
        ),
    )


def _writer(state: State, cls: type[e.Event]) -> str:
    """The home that wrote the first entry of a class, or the first entry at all."""
    homes = [one.home for one in state.records.values() if type(one.event) is cls]
    return next(iter(homes), "") or next((one.home for one in state.records.values()), "")


def _worker(state: State) -> Rows:
    value = state.value
    fields = (
        *(value(field) for field in ("code", "name", "kind", "phone")),
        _day(value("joined_on")),
        *(value(field) for field in ("organisation", "organisation_kind")),
        _flag(value("part_time")),
        _day(value("checks_passed_on")),
    )
    home = _writer(state, e.WorkerRegistered)
    yield "worker", (state.subject, home, *fields, len(state.conflicts()), len(state.unshown))


def _latest(state: State, cls: type[e.Event]) -> tuple[str, Any, int] | None:
    """The home, the event as it reads now, and whether all was withdrawn, of the last entry of a class that counts."""
    ids = [id_ for id_, one in state.records.items() if type(one.event) is cls]
    standing = [id_ for id_ in ids if not state.withdrawn(id_)]
    if not ids:
        return None
    id_ = (standing or ids)[-1]
    return state.records[id_].home, state.event(id_), int(not standing)


def _loan(state: State) -> Rows:
    started, closed = _latest(state, e.LoanStarted), _latest(state, e.LoanClosed)
    found = started or closed
    if found is None:
        return
    home, first, gone = found
    out = first if started else None
    back = closed[1] if closed and not closed[2] else None
    yield (
        "loan",
        (
            state.subject,
            home,
            first.child.bytes,
            first.book,
            _day(out.out_on) if out else None,
            _day(out.due_on) if out else None,
            _day(back.on) if back else None,
            back.outcome if back else None,
            back.condition if back else None,
            back.late_days if back else None,
            gone,
        ),
    )


_BY_KIND: dict[str, Callable[[State], Rows]] = {
    "child": _child,
    "home": _home,
    "worker": _worker,
    "loan": _loan,
}

__all__ = ["TABLES", "VIEWS_VERSION", "Row", "Table", "child_json", "leaving_for", "rows"]
