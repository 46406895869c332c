"""What was received and cannot be applied: which entries, and why, in plain words.

Such an entry is stored, proven and covered by receipts like any other; only its application is withheld, so it blocks
nothing and leaves no gap.  Whether it is withheld follows from the set of entries alone: every node that holds the same
ones says the same, in whatever order they came.  An entry that was taken back by one that names it is returned no more.

What an import kept as it was typed although it fits no field (a correction) is no refusal: it is shown with its file.
"""

from __future__ import annotations

from typing import NamedTuple

from domain import events as e
from domain.card import Unfit, edits_of
from domain.errors import BadField, BeforeRegistration, NotItsWord
from domain.event import Event, RevokedEvent, UnreadableEvent
from domain.records import Record
from domain.schema import trouble
from domain.state import State
from domain.tally import measure_of


class Refusal(NamedTuple):
    """Why an entry is not applied: a code for programs, a sentence in Chinese and one in English for people."""

    code: str
    zh: str
    en: str


UNREADABLE, REVOKED, STRANGER, NOT_ITS_WORD, EARLY, UNFIT = (
    "unreadable",
    "revoked",
    "not-its-child",
    "not-its-word",
    "before-registration",
    "unfit",
)
_NOT_ITS_WORD = NotItsWord()
_REVOKED = Refusal(
    REVOKED,
    "这台电脑已被县里停用，停用以后写的内容收下了，但不计入",
    "the county revoked this computer's log; what it wrote after that is kept apart and does not count",
)


def refusal(record: Record, state: State) -> Refusal | None:
    """Why a subject's state leaves an entry out; None where it does not."""
    match record.event:
        case RevokedEvent():
            return _REVOKED
        case UnreadableEvent(type=name, payload=payload, why=why):
            return _unreadable(trouble(name, payload), why)
        case Event() if record.home in state.strangers:
            zh = f"这个孩子不属于“{record.home}”，现在由“{state.holder}”负责，也没有转给过“{record.home}”"
            en = f"this child belongs to {state.holder!r} and was never given over to {record.home!r}"
            return Refusal(STRANGER, zh, en)
        case Event() as event if record.id in state.early:
            measure = measure_of(state.event(record.id))
            assert measure is not None, event
            early = BeforeRegistration(measure.on, state.early[record.id])
            return Refusal(EARLY, early.zh, early.en)
        case Event() if record in state.not_theirs or record in state.aside:
            return Refusal(NOT_ITS_WORD, _NOT_ITS_WORD.zh, _NOT_ITS_WORD.en)
        case Event() as event if record in state.unusable and not isinstance(event, e.FactCorrected):
            return _unfit(event, record.home)
        case _:
            return None


def returned(state: State) -> list[tuple[Record, Refusal]]:
    """Every entry that the state leaves out, with the reason, by log and seq."""
    if not (state.aside or state.unusable or state.early or state.not_theirs):
        return []
    early = (state.records[id_] for id_ in state.early)
    found = []
    for record in (*state.aside, *state.unusable, *state.not_theirs, *early):
        why = refusal(record, state)
        if why is not None:
            found.append((record, why))
    return sorted(found, key=lambda pair: (pair[0].log, pair[0].seq))


def _unreadable(found: Unfit | None, why: str) -> Refusal:
    if found is None:
        return Refusal(UNREADABLE, f"内容读不懂：{why}", f"its content cannot be read: {why}")
    bad = BadField(found.field or "payload", found.found, found.expected)
    return Refusal(UNREADABLE, f"内容读不懂：{bad.zh}", f"its content cannot be read: {bad.en}")


def _unfit(event: Event, home: str) -> Refusal:
    try:
        edits_of(event, home)
    except Unfit as found:
        bad = BadField(getattr(event, "field", "value"), found.found, found.expected)
        return Refusal(UNFIT, f"内容不合格式：{bad.zh}", f"its value does not fit: {bad.en}")
    name = getattr(event, "field", "")
    return Refusal(UNFIT, f"给“{name}”选定的内容不合格式", f"the value chosen for {name!r} does not fit")
