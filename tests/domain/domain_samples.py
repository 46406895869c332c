"""Samples for the tests of the domain: import lines, histories over several logs, one event of every type."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from domain import events as e
from domain.decide import decide
from domain.facts import Book, Lifted, lift
from domain.folding import Folding
from domain.records import Record

SAMPLE = Path(__file__).with_name("sample.jsonl")
DAY = dt.date(2024, 9, 1)


def sample() -> list[dict[str, Any]]:
    """The lines of the sample, in order of time."""
    return [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]


class Stored(NamedTuple):
    """One line with what it became."""

    fact: dict[str, Any]
    lifted: Lifted
    event: e.Event
    record: Record


def log_of(home: str) -> bytes:
    """A log id for a home."""
    return hashlib.sha256(home.encode()).digest()[:16]


def entry_id(*parts: object) -> bytes:
    """An entry id made from anything."""
    return hashlib.sha256(repr(parts).encode()).digest()[:16]


def import_sample(book: Book | None = None) -> list[Stored]:
    """The sample imported as each home's own log, none having seen another."""
    book = book if book is not None else Book()
    seqs: dict[str, int] = defaultdict(int)
    lamports: dict[tuple[str, UUID], int] = defaultdict(int)
    folds: dict[UUID, Folding] = {}
    stored: list[Stored] = []
    for fact in sample():
        lifted = lift(fact, book)
        site, subject = lifted.site, lifted.subject
        folding = folds.setdefault(subject, Folding(subject.bytes))
        (event,) = decide(folding, lifted.command)
        seqs[site] += 1
        lamports[site, subject] += 1
        id_ = entry_id(site, seqs[site])
        record = Record(
            id_, None, log_of(site), seqs[site], site, lifted.by, lifted.at_ms, lamports[site, subject], {}, event
        )
        if not folding.add(record):
            folds[subject] = refolded(subject, [one.record for one in stored if one.lifted.subject == subject], record)
        book.learn(site, lifted.at_ms, subject, id_, event)
        stored.append(Stored(fact, lifted, event, record))
    return stored


def refolded(subject: UUID, records: list[Record], record: Record) -> Folding:
    """A fold begun afresh, as its caller does when an entry comes late."""
    folding = Folding(subject.bytes)
    for one in sorted([*records, record], key=lambda one: one.order):
        folding.add(one)
    return folding


class Writer:
    """One log that writes about one child; `sees` says which other logs its author looked at."""

    def __init__(self, home: str, log: str = "") -> None:
        self.home, self.log = home, log_of(log or home)
        self.seq = 0
        self.lamport = 0

    def write(self, event: Any, *sees: Record, first_id: bytes | None = None) -> Record:
        """Append an entry."""
        deps = {one.log: one.seq for one in sorted(sees, key=lambda one: one.seq)}
        self.lamport = 1 + max([self.lamport, *(one.lamport for one in sees)])
        self.seq += 1
        return Record(
            entry_id(self.log, self.seq),
            first_id,
            self.log,
            self.seq,
            self.home,
            f"worker of {self.home}",
            1_725_000_000_000 + self.seq,
            self.lamport,
            deps,
            event,
        )


SUBJECT = UUID("7b3c2d18-9d0e-4f6a-8a51-0c1d2e3f4a5b").bytes


def registered(name: str = "陈小禾", on: dt.date = DAY, **more: Any) -> e.ChildRegistered:
    """A registration."""
    return e.ChildRegistered(
        name=name,
        sex="female",
        born_on=dt.date(2015, 4, 2),
        registered_on=on,
        number=7,
        address="清溪县石桥镇上坪村三组12号",
        guardian=e.Person(name="陈大山", kinship="paternal_grandfather", phone="15400000001"),
        parents=(e.Person(name="陈伟", kinship="father", phone="16300000002", workplace="广东东莞长安电子厂"),),
        **more,
    )


def talk(on: dt.date = DAY, minutes: int = 20, **more: Any) -> e.TalkHeld:
    """A talk."""
    return e.TalkHeld(on=on, minutes=minutes, summary="说起想家", **more)


def phone(value: str, field: str = "guardian_phone") -> e.ContactCardChanged:
    """A new telephone number on the card."""
    return e.ContactCardChanged(field=field, value=value, on=DAY)


def correction(target: Record, field: str, value: Any) -> e.FactCorrected:
    """A correction of an entry's field."""
    return e.FactCorrected(target=UUID(bytes=target.id), field=field, value=value, reason="录入错误")


def withdrawal(target: Record) -> e.FactWithdrawn:
    """A withdrawal of an entry."""
    return e.FactWithdrawn(target=UUID(bytes=target.id), reason="重复录入")
