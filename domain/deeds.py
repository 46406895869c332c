"""Subjects as duties see them: what was done and when, who is paired with whom, since when it concerns a home.

A *deed* is a fact on the day on which it happened (`visited_on`, `on` …), whenever it was written or arrived. Only what
has no such field, or leaves it empty, counts on the day on which it was recorded. Facts that were withdrawn or are set
aside are no deeds, and corrected ones read as corrected. Everything here follows from a folded state, so the order of
entries cannot matter.
"""

from __future__ import annotations

import datetime as dt
import itertools
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from domain.event import Event
from domain.records import Record
from domain.rules import FOR_EVER
from domain.state import State, Stay

DAY_FIELDS: Final = (
    "visited_on", "surveyed_on", "assessed_on", "confirmed_on", "registered_on", "found_on", "signed_on", "adopted_on",
    "out_on", "opened_on", "joined_on", "on", "from_on", "since", "received_at", "at", "onset",
)  # fmt: skip
"""Where an event says when it happened: the first of these that it has."""

CALENDAR_ZONE: Final = dt.timezone(dt.timedelta(hours=8))
LAST_SECOND: Final = 253_370_000_000  # in the year 9998


class Deed(NamedTuple):
    """A fact that counts."""

    day: int
    id: bytes
    event: Any
    actor: str
    home: str


class Span(NamedTuple):
    """From which day to which, both included, a subject concerns a home."""

    home: str
    first: int
    last: int


class Paired(NamedTuple):
    """A helper and the child, from a day to a day."""

    id: bytes
    kind: str
    helper: str
    code: str
    first: int
    last: int


class Post(NamedTuple):
    """Somebody who has a role at a home, from a day to a day; `code` is how entries may name them."""

    name: str
    code: str
    role: str
    first: int
    last: int


class Posts(tuple[Post, ...]):  # noqa: SLOT001 -- it keeps what it was asked
    """Who had which role when. One object for all children of a home, who ask the same of it again and again."""

    def during(self, role: str, first: int, last: int) -> list[tuple[str, str]]:
        """Who had a role at some time between two days: name and code."""
        key = (role, first, last)
        found = self._told.get(key)
        if found is None:
            those = self._in_role.get(role, ())
            found = self._told[key] = [(one.name, one.code) for one in those if one.first <= last and first <= one.last]
        return found

    @cached_property
    def _told(self) -> dict[tuple[str, int, int], list[tuple[str, str]]]:
        return {}

    @cached_property
    def _in_role(self) -> Mapping[str, Sequence[Post]]:
        found: dict[str, list[Post]] = {}
        for one in self:
            found.setdefault(one.role, []).append(one)
        return found


class Waiver(NamedTuple):
    """What was waived: a rule, or all parts of one, in a period."""

    rule: str
    period: str
    reason: str
    by: str
    id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A subject as far as duties ask about it, without its entries; `homes`: who wrote about it."""

    kind: str
    subject: bytes
    deeds: dict[str, list[Deed]]
    stays: tuple[Stay, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    homes: frozenset[str] = frozenset()

    def value(self, name: str) -> Any:
        """A field's value; None where it was never set."""
        return self.values.get(name)


Known = State | Account
"""What is known of a subject: all of its fold, or its account."""


NO_POSTS: Final = Posts()


@dataclass(frozen=True, slots=True)
class Around:
    """What a home's own records say that duties about other subjects depend on."""

    posts: Posts = NO_POSTS
    waivers: tuple[Waiver, ...] = ()
    traits: frozenset[str] = frozenset()


NOTHING_AROUND: Final = Around()


@dataclass(slots=True, eq=False)
class Subject:
    """What duties can be owed for, with everything that decides whether they are done."""

    kind: str
    id: bytes
    spans: tuple[Span, ...]
    deeds: Mapping[str, Sequence[Deed]]
    paired: tuple[Paired, ...] = ()
    categories: tuple[tuple[int, frozenset[str]], ...] = ()
    waivers: tuple[Waiver, ...] = ()
    posts: Posts = NO_POSTS
    traits: frozenset[str] = frozenset()
    next_of_kind: Mapping[bytes, int] = field(default_factory=dict)
    value: Callable[[str], Any] = field(default=lambda _name: None)
    memo: dict[Any, Any] = field(default_factory=dict)


def day_field(cls: type[Event]) -> str | None:
    """The field in which events of a class say when they happened."""
    names = {one.name for one in fields(cls)}
    return next((name for name in DAY_FIELDS if name in names), None)


_READERS: dict[type, tuple[str, Callable[[Any], Any]]] = {}


def _reader(cls: type[Event]) -> tuple[str, Callable[[Any], Any]]:
    """The name of a class's events and how their day is read, worked out once."""
    found = _READERS.get(cls)
    if found is None:
        name = day_field(cls)
        read = attrgetter(name) if name else lambda _event: None
        found = _READERS[cls] = (cls.meta.name.partition("/")[0], read)
    return found


def date_of(record: Record, event: Event) -> dt.date:
    """The day on which a fact, as it reads now, happened."""
    when = _reader(type(event))[1](event)
    return when if type(when) is dt.date else local_date(when, record.recorded_at_ms)


def deeds_of(state: Known) -> dict[str, list[Deed]]:
    """Every fact of a subject that counts, by the name of its event, in order of days."""
    if isinstance(state, Account):
        return state.deeds
    found: dict[str, list[Deed]] = {}
    amended, early = state.amended, state.early
    for id_, record in state.records.items():
        event: Any = record.event
        if id_ in amended or id_ in early:
            if not state.stands(id_):
                continue
            event = state.event(id_)
        named = record.first_id or id_
        deed = Deed(date_of(record, event).toordinal(), named, event, record.actor, record.home)
        found.setdefault(_reader(type(event))[0], []).append(deed)
    for deeds in found.values():
        deeds.sort(key=_in_order)
    return found


def local_date(when: Any, recorded_at_ms: int) -> dt.date:
    """A moment as a date of the county's own time; the day of recording where there is none."""
    if isinstance(when, dt.datetime):
        return (when.astimezone(CALENDAR_ZONE) if when.tzinfo else when).date()
    seconds = min(max(recorded_at_ms // 1000, 0), LAST_SECOND)
    return dt.datetime.fromtimestamp(seconds, CALENDAR_ZONE).date()


def _in_order(deed: Deed) -> tuple[int, bytes]:
    return deed.day, deed.id


def add_deed(deeds: dict[str, list[Deed]], name: str, deed: Deed) -> None:
    """Put one deed more where it belongs."""
    insort(deeds.setdefault(name, []), deed, key=_in_order)


def waivers_of(deeds: Mapping[str, Sequence[Deed]]) -> tuple[Waiver, ...]:
    """The waivers that stand."""
    found = (Waiver(one.event.rule, one.event.period, one.event.reason, one.actor, one.id)
             for one in deeds.get("obligation-waived", ()))  # fmt: skip
    return tuple(found)


def pairings_of(deeds: Mapping[str, Sequence[Deed]]) -> tuple[Paired, ...]:
    """Every pairing with the day on which it ended."""
    ended: dict[Any, int] = {}
    for deed in deeds.get("pairing-ended", ()):
        ended.setdefault(deed.event.pairing, deed.day)
    return tuple(
        Paired(one.event.pairing.bytes, one.event.kind, one.event.helper_name, getattr(one.event, "helper", None) or "",
               one.day, ended.get(one.event.pairing, FOR_EVER + 1) - 1)
        for one in deeds.get("pairing-formed", ())
    )  # fmt: skip


def child(state: Known, around: Mapping[str, Around] = MappingProxyType({})) -> Subject:
    """A child: owed for by each home while the child belonged to it."""
    deeds = deeds_of(state)
    spans = tuple(
        Span(stay.home, stay.from_on.toordinal(), stay.to_on.toordinal() - 1 if stay.to_on else FOR_EVER)
        for stay in state.stays
    )
    homes = [around.get(one.home, NOTHING_AROUND) for one in spans]
    return Subject(
        kind="child",
        id=state.subject,
        spans=spans,
        deeds=deeds,
        paired=pairings_of(deeds),
        categories=_categories(deeds),
        waivers=(*waivers_of(deeds), *(one for home in homes for one in home.waivers)),
        posts=_posts_of(homes),
        value=state.value,
    )


def _posts_of(homes: Sequence[Around]) -> Posts:
    """The posts of all homes that a child belonged to; mostly that is one."""
    if all(one is homes[0] for one in homes):
        return homes[0].posts if homes else NO_POSTS
    return Posts(post for home in homes for post in home.posts)


def _categories(deeds: Mapping[str, Sequence[Deed]]) -> tuple[tuple[int, frozenset[str]], ...]:
    found = [
        ((deed.event.valid_from or deed.event.assessed_on).toordinal(), deed.day, deed.id,
         frozenset(deed.event.categories))
        for deed in deeds.get("child-category-assessed", ())
    ]  # fmt: skip
    return tuple((since, categories) for since, _, _, categories in sorted(found, key=lambda one: one[:3]))


def thing(state: Known, around: Mapping[str, Around] = MappingProxyType({})) -> Subject:
    """Anything of its own that duties are owed for: a hazard, a case, a project; it concerns who wrote of it first."""
    deeds = deeds_of(state)
    first = min((one[0] for one in deeds.values()), key=_in_order, default=None)
    home = first.home if first else ""
    own = around.get(home, NOTHING_AROUND)
    return Subject(
        kind=state.kind,
        id=state.subject,
        spans=(Span(home, first.day, FOR_EVER),) if first else (),
        deeds=deeds,
        waivers=(*waivers_of(deeds), *own.waivers),
        posts=own.posts,
        value=state.value,
    )


def home(code: str, subject: bytes, states: Iterable[Known], around: Around = NOTHING_AROUND) -> Subject:
    """A home with all that it did: its own record, and its activities, meetings, inspections, hazards and reports."""
    deeds: dict[str, list[Deed]] = {}
    first = FOR_EVER
    for state in states:
        for name, found in deeds_of(state).items():
            own = [one for one in found if code in (one.home, getattr(one.event, "home", None))]
            deeds.setdefault(name, []).extend(own)
            if name == "home-registered" and own:
                first = min(first, own[0].day)
    for found in deeds.values():
        found.sort(key=_in_order)
    if first == FOR_EVER:
        first = min((one[0].day for one in deeds.values() if one), default=FOR_EVER)
    return Subject(
        kind="home",
        id=subject,
        spans=(Span(code, first, FOR_EVER),),
        deeds=deeds,
        waivers=around.waivers,
        posts=around.posts,
        traits=around.traits,
    )


def next_of_kind(states: Iterable[Known]) -> dict[bytes, int]:
    """For each activity of a home the day on which the next one of its kind was held."""
    held: dict[tuple[str, str], list[Deed]] = {}
    for state in states:
        for deed in deeds_of(state).get("activity-held", ()):
            insort(held.setdefault((deed.home, deed.event.kind), []), deed, key=_in_order)
    found: dict[bytes, int] = {}
    for deeds in held.values():
        for deed, after in itertools.pairwise(deeds):
            found[deed.id] = after.day
    return found
