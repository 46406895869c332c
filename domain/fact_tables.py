"""Read models that are derived from the definitions of the events: one table a type, one row a fact that stands.

    hazard-found/1  ->  hazard_found(subject, entry, home, recorded_at, place, kind, severity, found_on, due_on, photo)

Columns are the event's fields as corrected, under their own names (`of_…` where a name is taken).  Long texts are left
out: a table is for counting and listing, and what was told stays in the file.  Dates are ISO text, ids blobs, lists,
parts and maps JSON text, a file is 1 or 0.

Facts of which a child has dozens a year (calls, talks, letters …) have no rows here: `tally` adds them up.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.codec import codec_of
from domain.describing import FieldForm, fields_of
from domain.event import REGISTRY, Event
from domain.scalars import IDS_CACHED_MAX, instant_out
from domain.state import State

LEADING: Final = ("subject", "entry", "home", "recorded_at")
OF_A_CHILD: Final = frozenset({
    "situation-surveyed/1", "schooling-changed/1", "consent-recorded/1", "travel-mode-recorded/1", "pairing-checked/1",
    "illness-recorded/1", "individual-plan-written/1", "individual-plan-reviewed/1", "child-deregistered/1",
    "duplicate-child-linked/1",
})  # fmt: skip
ELSEWHERE: Final = frozenset({"loan-started/1", "loan-closed/1", "home-registered/1", "worker-registered/1"})
_SQL: Final = {"number": "INTEGER", "money": "INTEGER", "yes-no": "INTEGER", "file": "INTEGER", "id": "BLOB"}

Cell = Callable[[Any], Any]


class Column(NamedTuple):
    """A column: the field that it shows, its name and SQL type, and how a value becomes a cell."""

    field: str
    name: str
    sql: str
    cell: Cell


class FactTable(NamedTuple):
    """The table of one type of event."""

    name: str
    columns: tuple[Column, ...]

    def words(self) -> str:
        """Its columns as "name:TYPE" words, the leading ones that every such table has first."""
        own = (f"{one.name}:{one.sql}" for one in self.columns)
        return " ".join(("entry:BLOB", "home", "recorded_at:INTEGER", *own))


def rows_of(state: State) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The rows of one subject's facts that stand."""
    for id_, record in state.records.items():
        table = FACT_TABLES.get(type(record.event))
        if table is not None and state.stands(id_):
            event = state.event(id_)
            cells = [one.cell(getattr(event, one.field)) for one in table.columns]
            yield table.name, (state.subject, record.first_id or id_, record.home, record.recorded_at_ms, *cells)


def _is_tabled(name: str, cls: type[Event]) -> bool:
    return name in OF_A_CHILD or (cls.meta.about not in ("", "child") and name not in ELSEWHERE)


def _table(name: str, cls: type[Event]) -> FactTable:
    shown = [one for one in fields_of(cls) if one.holds != "long"]
    return FactTable(name.partition("/")[0].replace("-", "_"), tuple(map(_column, shown)))


def _column(one: FieldForm) -> Column:
    name = f"of_{one.name}" if one.name in LEADING else one.name
    sql = "TEXT" if one.many else _SQL.get(one.holds, "TEXT")
    return Column(one.name, name, sql, _cell(one))


def _cell(one: FieldForm) -> Cell:
    if one.many:
        return _list_of(_json_of(one))
    match one.holds:
        case "date":
            return _if_any(dt.date.isoformat)
        case "time":
            return _if_any(str)
        case "moment":
            return _if_any(instant_out)
        case "id":
            return _if_any(lambda value: value.bytes)
        case "file":
            return lambda value: int(value is not None)
        case "yes-no":
            return _if_any(int)
        case "quantity":
            return _if_any(str)
        case "any" | "map" | "part":
            return _if_any(_json)
    return lambda value: value


def _json_of(one: FieldForm) -> Cell:
    """An item of a list, as JSON."""
    if one.holds == "part":
        return codec_of(one.part).to_json
    return _plain


def _plain(value: Any) -> Any:
    if isinstance(value, str | int):
        return value
    if type(value) is UUID:
        return _id_text(value.int)
    return value.hex() if isinstance(value, bytes) else str(value)


@lru_cache(IDS_CACHED_MAX)
def _id_text(number: int) -> str:
    return str(UUID(int=number))


def _list_of(item: Cell) -> Cell:
    return lambda values: json.dumps([item(value) for value in values], ensure_ascii=False) if values else None


def _if_any(cell: Cell) -> Cell:
    return lambda value: None if value is None else cell(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


FACT_TABLES: Final[dict[type[Any], FactTable]] = {
    cls: _table(name, cls) for name, cls in REGISTRY.items() if _is_tabled(name, cls)
}
