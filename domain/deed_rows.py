"""The deeds of a subject as read models keep them, so that what is due need not be folded from the log each time.

    child_deed(subject, event, year, entries, told)      a child's deeds of one kind in one year
    deed(subject, event, year, entries, told)            the same of whatever else duties are owed for
    duty_subject(subject, kind, title, homes, said)      what else is known of the latter

`entries` are the ids of the facts that stand, 16 bytes each; `told` is as many JSON lists with commas between them: the
day, who wrote it where at (where a rule may ask), and the fields that rules ask about. So a child's two years are some
thirty short rows, and one fact more changes one of them.

What is kept follows from `deeds_of(state)`, the definition; a fold keeps it under way, as it keeps the figures: what
stands as it was written is written down once, and only amended facts anew for each state. `accounts` reads the rows;
what they give is what the fold gives, in all that a duty asks (a test compares both).

Of a child's facts those of which no rule and no function of duties asks are left out, and so are all long texts: where
a rule asks whether there is one, the cell only says that there is.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.countywide import OF_THE_COUNTY
from domain.deeds import Account, Deed, date_of
from domain.default_rules import DEFAULT_RULES, SET
from domain.describing import FieldForm, fields_of
from domain.event import REGISTRY, Event
from domain.fulfilling import AUTHOR_DID_IT, DOER_FIELDS
from domain.household import OF_THE_HOME, THINGS, VALUES, title_of
from domain.records import Record
from domain.reporting import Read, Row
from domain.rules import AFTER, Fulfilment
from domain.state import Amended, State, Stay, amended_event

COLUMNS: Final = "event year:INTEGER entries:BLOB told"
OF_A_SUBJECT: Final = "kind title homes said"
ID_BYTES: Final = 16
CELLS_REMEMBERED_MAX: Final = 4096
RANGES_COUNT: Final = 16  # a county's children are read in so many parts

KINDS: Final = THINGS | OF_THE_HOME | OF_THE_COUNTY
ASKED: Final = {
    "obligation-waived": "rule period reason",
    "pairing-formed": "pairing kind helper_name helper",
    "pairing-ended": "pairing",
    "child-category-assessed": "valid_from assessed_on categories",
    "role-assigned": "role at",
    "role-ended": "role at",
    "worker-registered": "kind kinds",
    "inspection-done": "kind",
    "activity-held": "kind",
    "consent-recorded": "withdrawn",
    "budget-allocated": "purpose_bound purpose line",
    "expense-recorded": "purpose",
    "aid-decided": "decision instalments",
    "aid-requested": "kind instalments",
    **DOER_FIELDS,
}
"""What `deeds`, `fulfilling` and `household` ask of an event by name."""
OF_ANY: Final = "by_role pairing home leader"
"""What they ask of whatever event has it."""

_new: Final[Any] = tuple.__new__  # of a named tuple, without the call that checks how many values there are

Chunks = Mapping[tuple[str, int], tuple[bytes, str]]


class Kept(NamedTuple):
    """How the deeds of one class of events are kept and read again."""

    name: str
    cells: Callable[[Any], tuple[Any, ...]]
    has_writer: bool
    fields: tuple[FieldForm, ...]
    only_whether: frozenset[str]
    said: Callable[..., Any]
    remembered: dict[tuple[Any, ...], str]


def _asked_by_rules() -> Iterator[tuple[Fulfilment, str, bool]]:
    """What rules ask: an event with its conditions, one field more, and whether it is what an answer is owed to."""
    for rule in DEFAULT_RULES:
        for one in rule.fulfilled_by:
            yield one, rule.link, False
        if rule.trigger is not None:
            yield rule.trigger, rule.due_field, rule.mode == AFTER
        if "open" in rule.applies_to:
            yield Fulfilment(str(rule.applies_to["open"])), "", False


_BY_RULES: Final = tuple(_asked_by_rules())
_EVENTS: Final = frozenset(one.event for one, _, _ in _BY_RULES) | ASKED.keys() | {"project-closed", "aid-stopped"}
_ANSWERED: Final = frozenset(one.event for one, _, is_trigger in _BY_RULES if is_trigger)


def _kept(stored_name: str, cls: type[Event]) -> Kept | None:
    """None where nobody asks."""
    name, about = stored_name.partition("/")[0], cls.meta.about
    if name not in _EVENTS if about == "child" else about not in KINDS | {""}:
        return None
    wanted = {*OF_ANY.split(), *ASKED.get(name, "").split()}
    conditions = [
        (field, values) for one, _, _ in _BY_RULES if one.event == name for field, values in one.where.items()
    ]
    wanted |= {field for field, _ in conditions} | {more for one, more, _ in _BY_RULES if one.event == name}
    whether = {field for field, values in conditions if values == SET}
    fields = tuple(one for one in fields_of(cls) if one.name in wanted)
    only = frozenset(one.name for one in fields if one.holds in ("long", "file") and one.name in whether)
    assert all(one.name in only or one.holds in _CELLS for one in fields), f"{name}: a field that cannot be kept"
    return Kept(
        name,
        _values_of(tuple(one.name for one in fields)),
        about != "child" or name in _ANSWERED | AUTHOR_DID_IT,
        fields,
        only,
        _said(fields),
        {},
    )


def _said(fields: tuple[FieldForm, ...]) -> Callable[..., Any]:
    """What stands for the event when its deeds are read again."""
    names = " ".join(one.name for one in fields)
    return partial(_new, namedtuple("Said", names)) if fields else _nothing  # noqa: PYI024


def _nothing(_values: Any) -> None:
    return None


def _values_of(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    match names:
        case ():
            return lambda _event: ()
        case (name,):
            read = attrgetter(name)
            return lambda event: (read(event),)
        case _:
            return attrgetter(*names)


def _same(value: Any) -> Any:
    return value


def _is_there(value: Any) -> str | None:
    return None if value in (None, "", ()) else SET[0]


_CELLS: Final[dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]]] = {
    **dict.fromkeys(("text", "code", "number", "money", "yes-no"), (_same, _same)),
    "long": (_same, _same),
    "date": (dt.date.toordinal, dt.date.fromordinal),
    "id": (lambda value: value.hex, UUID),
}
"""What becomes of a value in JSON, and back."""


def _cell(kept: Kept, one: FieldForm, value: Any) -> Any:
    if one.name in kept.only_whether:
        return _is_there(value)
    if value is None or value == ():
        return None
    write = _CELLS[one.holds][0]
    return [write(each) for each in value] if one.many else write(value)


def _value(kept: Kept, one: FieldForm, cell: Any) -> Any:
    if cell is None:
        return () if one.many else None
    if one.name in kept.only_whether:
        return cell
    read = _CELLS[one.holds][1]
    return tuple(read(each) for each in cell) if one.many else read(cell)


_DUMPS: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _told(kept: Kept, record: Record, event: Any, day: dt.date) -> str:
    """One deed as a JSON list; what follows the day is the same for many and written out once."""
    values = kept.cells(event)
    if kept.has_writer:
        values = (record.actor, record.home, *values)
    rest = kept.remembered.get(values)
    if rest is None:
        fields = values[2:] if kept.has_writer else values
        cells = [*values[: len(values) - len(fields)], *map(_cell, (kept,) * len(fields), kept.fields, fields)]
        rest = f",{_DUMPS(cells)[1:]}" if cells else "]"
        if len(kept.remembered) >= CELLS_REMEMBERED_MAX:
            kept.remembered.clear()
        kept.remembered[values] = rest
    return f"[{day.toordinal()}{rest}"


class DeedRows:
    """The deeds of one subject under way: those that nothing amended are written down. Private to one fold."""

    __slots__ = ("_chunks",)

    def __init__(self) -> None:
        self._chunks: dict[tuple[str, int], tuple[bytes, str]] = {}

    def add(self, record: Record) -> None:
        """Write one fact more down."""
        kept = _KEPT.get(type(record.event))
        if kept is not None:
            _put(self._chunks, kept, record, record.event)

    def remove(self, record: Record, records: Mapping[bytes, Record], amended: Mapping[bytes, Any]) -> None:
        """A fact that was written down is amended from now on (and among `amended`): write its chunk anew."""
        kept = _KEPT.get(type(record.event))
        if kept is None:
            return
        year = date_of(record, record.event).year  # type: ignore[arg-type]
        self._chunks.pop((kept.name, year), None)
        for id_, one in records.items():
            if type(one.event) is type(record.event) and id_ not in amended and date_of(one, one.event).year == year:  # type: ignore[arg-type]
                _put(self._chunks, kept, one, one.event)

    def standing(
        self, records: Mapping[bytes, Record], amended: Mapping[bytes, Amended], early: Mapping[bytes, Any], holder: str
    ) -> Chunks:
        """All that stand, with amended facts as they read now."""
        found = dict(self._chunks)
        for record in sorted((records[id_] for id_ in amended), key=lambda one: one.order):
            kept, one = _KEPT.get(type(record.event)), amended[record.id]
            if kept is not None and not one.withdrawn_by and record.id not in early:
                _put(found, kept, record, amended_event(record, one, holder))
        return found


def _put(chunks: dict[tuple[str, int], tuple[bytes, str]], kept: Kept, record: Record, event: Any) -> None:
    day = date_of(record, event)
    key, told = (kept.name, day.year), _told(kept, record, event, day)
    before, named = chunks.get(key), record.first_id or record.id
    chunks[key] = (named, told) if before is None else (before[0] + named, f"{before[1]},{told}")


_KEPT: Final[dict[type[Any], Kept]] = {}
for _name, _cls in REGISTRY.items():
    if (_found := _kept(_name, _cls)) is not None:
        _KEPT[_cls] = _found
KEPT_BY_NAME: Final = {one.name: one for one in _KEPT.values()}


# -- rows, and back


def rows_of(state: State) -> Iterator[tuple[str, Row]]:
    """The rows of one subject, where duties can be owed for it."""
    if state.kind != "child" and state.kind not in KINDS:
        return
    table = "child_deed" if state.kind == "child" else "deed"
    for key, (ids, told) in state.deeds.items():
        yield table, (state.subject, *key, ids, told)
    if state.kind != "child" and state.known:
        homes = json.dumps(sorted({one.home for one in state.records.values()}))
        said = {name: state.value(name) for name in VALUES.get(state.kind, ())}
        yield "duty_subject", (state.subject, state.kind, title_of(state), homes, _DUMPS(said))


def _deeds(rows: Iterable[Row]) -> dict[str, list[Deed]]:
    """Deeds from the rows of one subject (event, year, entries, told)."""
    found: dict[str, list[Deed]] = {}
    for event, _year, ids, told in rows:
        kept = KEPT_BY_NAME[event]
        first = 3 if kept.has_writer else 1
        plain = all(one.holds in _PLAIN and not one.many for one in kept.fields)
        deeds, said, nobody = found.setdefault(event, []), kept.said, ("", "")
        for cells, begin in zip(json.loads(f"[{told}]"), range(0, len(ids), ID_BYTES), strict=True):
            rest = cells[first:]
            values = rest if plain else map(_value, (kept,) * len(rest), kept.fields, rest)
            writer = cells[1:3] if first == 3 else nobody
            deeds.append(_new(Deed, (cells[0], ids[begin : begin + ID_BYTES], said(values), *writer)))
    for deeds in found.values():
        deeds.sort(key=_in_order)
    return found


def _in_order(deed: Deed) -> tuple[int, bytes]:
    return deed.day, deed.id


_PLAIN: Final = frozenset({"text", "code", "number", "money", "yes-no", "long", "file"})


def _by_subject(rows: Iterable[Row]) -> dict[bytes, list[Row]]:
    found: dict[bytes, list[Row]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row[1:])
    return found


def others(read: Read) -> list[Account]:
    """The accounts of all that is no child, in order of their ids."""
    deeds = _by_subject(read("deed", "subject event year entries told"))
    return [
        Account(kind=kind, subject=subject, deeds=_deeds(deeds.get(subject, ())), values=json.loads(said), title=title,
                homes=frozenset(json.loads(homes)))
        for subject, kind, title, homes, said in sorted(read("duty_subject", f"subject {OF_A_SUBJECT}"))
    ]  # fmt: skip


def children(read: Read, wanted: Callable[[bytes, tuple[Stay, ...]], bool]) -> Iterator[Account]:
    """The accounts of the children of whom `wanted` says so, by id and stays, in order of their ids."""
    for number in range(RANGES_COUNT):
        step = 256 // RANGES_COUNT
        between = ("subject", bytes([number * step]), bytes([(number + 1) * step - 1]) + b"\xff" * (ID_BYTES - 1))
        stays: dict[bytes, tuple[Stay, ...]] = {}
        for subject, _, home, *days in sorted(read("stay", "subject ordinal home from_on to_on", between=between)):
            first, last = (one and dt.date.fromisoformat(one) for one in days)
            stays[subject] = (*stays.get(subject, ()), Stay(home, first, last))
        deeds = _by_subject(read("child_deed", "subject event year entries told", between=between))
        for subject, *values in read("child", f"subject {' '.join(VALUES['child'])}", between=between):
            if wanted(subject, stays.get(subject, ())):
                said = dict(zip(VALUES["child"], values, strict=True))
                yield Account(kind="child", subject=subject, deeds=_deeds(deeds.get(subject, ())), values=said,
                              stays=stays.get(subject, ()), title=str(said["name"] or ""))  # fmt: skip
