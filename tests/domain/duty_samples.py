"""Samples for the tests of duties: facts by their stored names, on the days of two terms."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from domain import deeds, schema
from domain.calendar import Calendar, Term
from domain.deeds import Around, Subject
from domain.default_rules import DEFAULT_RULES
from domain.folding import fold
from domain.obligations import Duty, due
from domain.records import Record
from domain.rules import LONG_AGO, RuleBook, Setting
from domain.state import State
from tests.domain.domain_samples import entry_id, log_of

HOME = "home-01"
SUBJECT = UUID(int=7)


def day(text: str) -> int:
    """A day as duties count it."""
    return dt.date.fromisoformat(text).toordinal()


TERMS = (
    Term("2024-秋", day("2024-09-01"), day("2025-01-17"), frozenset(range(day("2024-10-01"), day("2024-10-08")))),
    Term("2025-春", day("2025-02-17"), day("2025-07-04")),
)
CALENDAR = Calendar(TERMS)
ALL_ON = RuleBook(DEFAULT_RULES, [Setting(one.rule_id, "", LONG_AGO, {"enabled": True}) for one in DEFAULT_RULES])
SHIPPED = RuleBook(DEFAULT_RULES, [])

Fact = tuple[str, dict[str, Any]]


def fact(name: str, on: str, /, **payload: Any) -> Fact:
    """A fact about the day on which it happened, in JSON; `home` and `actor` say who wrote it."""
    cls = schema.REGISTRY[f"{name}/1"]
    field = deeds.day_field(cls)
    when = f"{on}T09:00:00+08:00" if field in ("at", "received_at", "onset") else on
    return name, {field: when, **payload}


REGISTERED = fact("child-registered", "2024-09-01", name="王小明", sex="male")


def record(number: int, one: Fact, home: str = HOME) -> Record:
    """One fact as an entry of a home's log, the newest last."""
    name, payload = one
    payload = dict(payload)
    actor, home = payload.pop("actor", "张三"), payload.pop("writer", home)
    event = schema.from_json(f"{name}/1", payload)
    id_ = entry_id(name, sorted(payload.items(), key=str), actor, number)
    return Record(id_, None, log_of(home or "county"), number, home, actor, 1_725_000_000_000, number, {}, event)


def records(facts: Iterable[Fact], home: str = HOME) -> list[Record]:
    """Facts as entries, in the order in which they were recorded."""
    return [record(number, one, home) for number, one in enumerate(facts, 1)]


def state_of(facts: Iterable[Fact], subject: UUID = SUBJECT) -> State:
    """The folded subject."""
    return fold("", subject.bytes, records(facts))


def child(*facts: Fact, around: Around | None = None) -> Subject:
    """A child registered on the first day of term, and what was done since."""
    return deeds.child(state_of([REGISTERED, *facts]), {HOME: around} if around else {})


def thing(*facts: Fact) -> Subject:
    """A hazard, a case, a project …"""
    return deeds.thing(state_of(facts))


def home(*facts: Fact, around: Around = deeds.NOTHING_AROUND) -> Subject:
    """A home with what it did, each fact on a subject of its own."""
    registered = fact("home-registered", "2024-08-20", name="上坪村之家")
    states = [state_of([one], UUID(int=n)) for n, one in zip(itertools.count(100), (registered, *facts), strict=False)]
    return deeds.home(HOME, SUBJECT.bytes, states, around)


def duties(subject: Subject, today: str, rule_id: str = "", book: RuleBook = ALL_ON) -> list[Duty]:
    """The duties of a subject, of one rule if it is named, in order of time."""
    found = due(subject, lambda _home: book, CALENDAR, dt.date.fromisoformat(today))
    return sorted((one for one in found if rule_id in ("", one.rule_id)), key=lambda one: (one.first, one.period))


def shuffled(items: Iterable[Any], seed: int) -> list[Any]:
    """The same things in another order."""
    mixed = list(items)
    random.Random(seed).shuffle(mixed)
    return mixed
