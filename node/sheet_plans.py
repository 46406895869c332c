"""From a spreadsheet to what would be recorded, before anything is.

A plan is made from the log and the read models as they are, beside a running `serve` too. It holds every trouble of
every row, every likely duplicate, and the events of each row that can be taken. Only a plan without troubles is carried
out, whole, in one transaction: *a power cut leaves all of it or none*, and the same file is then known or unknown.
It is carried out only on the log that it was made from; where something was recorded meanwhile, it is made again.

A child who is on file already is not registered again; of a roster its survey is added. A row that only may be such a
child is left out until somebody says that it is another one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain import headers, sheet_events, sheet_rows, terms
from domain.arriving import IN_CARE
from domain.commands import wish
from domain.decide import decide
from domain.errors import Mistyped, Refused
from domain.event import Event
from domain.headers import Header
from domain.likeness import Likeness, Somebody, likeness
from domain.sheet_events import When
from domain.sheet_rows import Row, Rows, Trouble
from domain.sheets import Kind
from node import batches, workbooks
from node.child_register import Child, ChildRegister
from node.deciding import folding_of
from node.records import draft_of, fits
from node.scribing import Scribe
from node.views import HomeOf
from node.workbooks import Sheet
from sync.batch import Draft
from sync.erasure import erased_subjects
from sync.errors import StaleVersion
from sync.store import DRAFTS_COUNT_MAX
from sync.stored_log import StoredLog


class Wanted(NamedTuple):
    """What somebody asked for. `new`: rows that are other children than they look like; `leave_out`: rows to pass over;
    `named`: titles matched by hand."""

    kind: Kind
    path: Path
    sheet: str | None
    on: dt.date | None
    named: dict[str, str]
    new: frozenset[int]
    leave_out: frozenset[int]


class Intent(NamedTuple):
    """The events of one row about one subject."""

    row: int
    subject: bytes
    name: str
    events: tuple[Event, ...]


class Alike(NamedTuple):
    """A row that is, or may be, somebody who is on file or above it in the list."""

    row: int
    name: str
    other: str
    likeness: Likeness


class Plan(NamedTuple):
    """What an import would do, and everything that a person should see of it first."""

    batch: str
    sheet: Sheet
    hidden: tuple[str, ...]
    header: Header
    rows: Rows
    troubles: list[Trouble]
    known: list[Alike]
    likely: list[Alike]
    unchanged: list[int]
    intents: list[Intent]
    today: dt.date
    on: dt.date
    position: int


COMPARED: Final = ("batch", "on", "known", "likely", "unchanged", "intents")


def plan(store: StoredLog, register: ChildRegister, home: str, wanted: Wanted, today: dt.date) -> Plan:
    """Read the file and say what would follow from it; raises `Refused` where there is no list in it."""
    sheets, content = workbooks.read(wanted.path)
    sheet, hidden = _chosen(sheets, wanted.sheet)
    name = batches.name_of(wanted.kind.name, sheet.name, content)
    batch = batches.free_name(batches.every(store), name)
    header = headers.find(sheet.rows, wanted.kind, wanted.named)
    rows = sheet_rows.read(sheet.rows, header, wanted.kind, today, sheet.epoch)
    on = wanted.on or today
    made = Plan(batch, sheet, hidden, header, rows, [one for one in rows.troubles if one.row not in wanted.leave_out],
                [], [], [], [], today, on, store.position())  # fmt: skip
    planning = _Planning(made, register, home, wanted, When(on, str(terms.of(on))), erased_subjects(store))
    planning.take([row for row in rows.rows if row.number not in wanted.leave_out])
    return made


def _chosen(sheets: list[Sheet], wanted: str | None) -> tuple[Sheet, tuple[str, ...]]:
    """The sheet that is meant: the named one, else the only visible one that holds anything."""
    hidden = tuple(one.name for one in sheets if one.is_hidden and one.rows)
    if wanted is not None:
        found = [one for one in sheets if one.name.strip() == wanted.strip()]
    else:
        found = [one for one in sheets if not one.is_hidden and one.rows and one.name != "填表说明"]
    if len(found) == 1:
        return found[0], hidden
    names = "、".join(one.name for one in sheets if one.rows) or "没有"
    if not found:
        raise Refused(
            f"没有可以导入的工作表；文件里有内容的工作表：{names}（隐藏的要用--sheet写明）",
            f"no sheet to import; the sheets that hold anything: {names} (a hidden one must be named with --sheet)",
        )
    raise Refused(
        f"文件里有几张工作表：{names}，请用--sheet写明导入哪一张",
        f"the file has several sheets: {names}; say which with --sheet",
    )


class _Planning:
    """One run over the rows."""

    def __init__(
        self, made: Plan, register: ChildRegister, home: str, wanted: Wanted, when: When, erased: Container[bytes]
    ) -> None:
        self._plan, self._register, self._home, self._wanted, self._when = made, register, home, wanted, when
        self._erased = erased
        self._above: dict[object, list[tuple[int, Somebody]]] = {}
        self._taken: dict[tuple[bytes, str], int] = {}

    def take(self, rows: list[Row]) -> None:
        """Plan every row, each trouble beside its row."""
        reading: dict[str, Callable[[Row], None]] = {
            "roster": self._roster,
            "cards": self._card,
            "books": self._book,
            "aid": self._aid,
        }
        for row in rows:
            try:
                reading[self._wanted.kind.name](row)
            except Refused as why:
                self._plan.troubles.append(Trouble(row.number, -1, "", why))
        self._plan.troubles.sort(key=lambda one: (one.row, one.place))

    def _intend(self, row: Row, subject: bytes, events: list[Event]) -> None:
        for event in events:
            if not fits(draft_of(subject, event, "w", 0)):
                raise Mistyped("这一行的文字太长", "the texts of this row are too long")
        title = row.values.get("name") or row.values.get("title", "")
        self._plan.intents.append(Intent(row.number, subject, title, tuple(events)))

    def _new(self, row: Row) -> bytes:
        subject = batches.subject_of(self._home, self._plan.batch, row.number)
        if subject in self._erased:
            raise Mistyped(
                "这一行的档案已按要求删除，不再登记：请用--leave-out略过这一行",
                "what this row made was erased on order and is not recorded again: pass over it with --leave-out",
            )
        return subject

    # -- rosters

    def _roster(self, row: Row) -> None:
        one = _somebody(row)
        events = sheet_events.registered(row.values, self._when)
        above = self._like_above(row, one)
        on_file = self._like_on_file(one)
        self._remember(row, one)
        if above is not None and above.likeness.sure:
            raise Mistyped(f"与{above.other}是同一个孩子（{above.likeness.zh}）",
                           f"the same child as {above.other} ({above.likeness.en})")  # fmt: skip
        if on_file is not None and on_file[1].likeness.sure and on_file[0].status in IN_CARE:
            child, alike = on_file
            self._plan.known.append(alike._replace(row=row.number))
            if more := sheet_events.surveyed(row.values, self._when):
                self._intend(row, child.subject, more)
            return
        found = on_file[1] if on_file is not None else above
        if found is not None and row.number not in self._wanted.new:
            self._plan.likely.append(found._replace(row=row.number))
            return
        self._intend(row, self._new(row), events)

    def _like_on_file(self, one: Somebody) -> tuple[Child, Alike] | None:
        found = []
        for child in self._register.candidates(one):
            alike = likeness(one, self._register.somebody(child))
            if alike is not None:
                found.append((not alike.sure, child.status not in IN_CARE, child, alike))
        if not found:
            return None
        _, has_left, child, alike = min(found, key=lambda pair: (pair[0], pair[1], pair[2].subject))
        return child, Alike(0, one.name, child.shown() + ("（已离开 left）" if has_left else ""), alike)

    def _like_above(self, row: Row, one: Somebody) -> Alike | None:
        near = {pair for key in _keys(one) for pair in self._above.get(key, [])}
        found = []
        for number, other in sorted(near):
            alike = likeness(one, other)
            if alike is not None:
                found.append((not alike.sure, number, alike, other))
        if not found:
            return None
        _, number, alike, other = min(found)
        return Alike(row.number, one.name, f"第{number}行“{other.name}”", alike)

    def _remember(self, row: Row, one: Somebody) -> None:
        for key in _keys(one):
            self._above.setdefault(key, []).append((row.number, one))

    # -- cards, books, aid

    def _once(self, row: Row, child: Child, what: str) -> None:
        before = self._taken.setdefault((child.subject, what), row.number)
        if before != row.number:
            raise Mistyped(f"与第{before}行重复：同一个孩子", f"the same child as in row {before}")

    def _card(self, row: Row) -> None:
        child = self._register.find(row.values)
        self._once(row, child, "")
        events = sheet_events.card_changed(row.values, self._when, lambda key: self._register.standing(child, key))
        if events:
            self._intend(row, child.subject, events)
        else:
            self._plan.unchanged.append(row.number)

    def _book(self, row: Row) -> None:
        self._intend(row, self._new(row), sheet_events.book(row.values, self._when))

    def _aid(self, row: Row) -> None:
        child = self._register.find(row.values)
        self._once(row, child, row.values["programme"])
        self._intend(row, self._new(row), sheet_events.asked(row.values, self._when, UUID(bytes=child.subject)))


def _somebody(row: Row) -> Somebody:
    return Somebody(row.values["name"], row.values.get("born_on"), row.values.get("national_id"))


def _keys(one: Somebody) -> Iterator[object]:
    yield one.name
    if one.born_on is not None:
        yield one.born_on
    if one.national_id is not None:
        yield one.national_id


def same(one: Plan, other: Plan) -> bool:
    """Whether two plans of a file show the same, and store the same."""
    return all(getattr(one, name) == getattr(other, name) for name in COMPARED)


def carry_out(store: StoredLog, scribe: Scribe, home_of: HomeOf, home: str, made: Plan, by: str, now_ms: int) -> int:
    """Record a plan, all of it or nothing; how many entries that were. StaleVersion if the log is not as it was."""
    if made.troubles:
        raise Refused(
            f"有{len(made.troubles)}处错误，什么都没有保存", f"{len(made.troubles)} troubles, nothing is stored"
        )
    if store.position() != made.position:
        raise StaleVersion(f"planned at position {made.position}")
    drafts: list[Draft] = []
    for intent in made.intents:
        folding = folding_of(store, intent.subject, home_of)
        first = len(drafts)
        for event in intent.events:
            for decided in _decided(folding, home, event, intent):
                drafts.append(
                    draft_of(intent.subject, decided, by, now_ms, source=batches.source(made.batch, len(drafts)))
                )
        drafts[first] = drafts[first]._replace(expect=store.version_of(intent.subject), deps=store.seen(intent.subject))
    if len(drafts) > DRAFTS_COUNT_MAX:  # of one transaction
        raise Refused("内容太多，请分成几个文件", "too much for one import: split it into several files")
    if drafts:
        scribe.record_at(made.position, drafts).result()
    return len(drafts)


def _decided(folding: Any, home: str, event: Event, intent: Intent) -> list[Event]:
    try:
        return decide(folding, wish(home, event))
    except Refused as why:
        raise Refused(
            f"第{intent.row}行：{why.zh}；什么都没有保存", f"row {intent.row}: {why.en}; nothing is stored"
        ) from None
