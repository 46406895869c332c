"""The deeds that read models keep are those of the fold, in all that a duty asks."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings

from domain import deed_rows, deeds
from domain.default_rules import DEFAULT_RULES
from domain.folding import fold
from domain.fulfilling import fulfilling, held
from domain.household import account_of
from domain.obligations import due
from domain.reporting import Rows
from domain.rules import FOR_EVER, LONG_AGO, Version
from domain.state import State
from domain.views import TABLES, rows
from tests.domain.domain_samples import SUBJECT, import_sample
from tests.domain.duty_samples import ALL_ON, CALENDAR
from tests.domain.histories import histories

TODAY = dt.date(2025, 7, 1)


class Tables:
    """The rows of some subjects, read as from a file."""

    def __init__(self, states: list[State]) -> None:
        self._rows: dict[str, list[Any]] = {}
        for state in states:
            for table, row in rows(state):
                self._rows.setdefault(table, []).append(row)

    def __call__(self, table: str, columns: str, *, between: tuple[str, Any, Any] | None = None, **_: Any) -> Rows:
        names = tuple(name for name, _ in TABLES[table].columns)
        found = Rows(names, self._rows.get(table, []))
        if between is not None:
            place = names.index(between[0])
            found = found.having(lambda row: between[1] <= row[place] <= between[2])
        return found.only(columns)


def said(subject: deeds.Subject) -> list[Any]:
    """All duties about a subject, and by which facts they are done, under rules that are all switched on."""
    found = due(subject, lambda _home: ALL_ON, CALENDAR, TODAY)
    return [
        (one.rule_id, one.home, one.period, one.first, one.last, one.opens, one.due, one.done, one.facts, one.status,
         one.item)
        for one in found
    ]  # fmt: skip


def of_rows(states: list[State]) -> dict[bytes, deeds.Account]:
    read = Tables(states)
    found = [*deed_rows.others(read), *deed_rows.children(read, lambda _subject, _stays: True)]
    return {one.subject: one for one in found}


def agree(states: list[State]) -> int:
    """Compare what the fold says with what the rows say; how many deeds there were."""
    read, count = of_rows(states), 0
    for state in states:
        if state.subject not in read:
            continue
        mine, account = account_of(state), read[state.subject]
        assert (account.kind, account.title, account.stays) == (mine.kind, mine.title, mine.stays)
        for make in (deeds.child,) if state.kind == "child" else (deeds.thing,):
            assert said(make(account)) == said(make(state)) == said(make(mine))
        for name, found in account.deeds.items():
            whole = mine.deeds[name]
            assert [(one.day, one.id) for one in found] == [(one.day, one.id) for one in whole]
            count += len(found)
            if state.kind != "child":
                assert [(one.actor, one.home) for one in found] == [(one.actor, one.home) for one in whole]
        for rule in DEFAULT_RULES:
            version = Version(rule, LONG_AGO, FOR_EVER, ())
            for of in (None, rule.trigger) if rule.trigger else (None,):
                one, other = deeds.child(account), deeds.child(state)
                assert [x.id for x in fulfilling(one, version, of)] == [x.id for x in fulfilling(other, version, of)]
            if rule.mode == "always":
                assert held(deeds.child(account), version) == held(deeds.child(state), version)
    return count


def test_the_samples_facts_are_kept_with_all_that_duties_ask():
    """Imported facts of several homes, with corrections and moves."""
    by_subject: dict[bytes, list[Any]] = {}
    for one in import_sample():
        by_subject.setdefault(one.lifted.subject.bytes, []).append(one.record)
    states = [fold("", subject, records) for subject, records in by_subject.items()]
    assert agree(states) > 100


@settings(max_examples=150, deadline=None)
@given(histories())
def test_whatever_was_corrected_withdrawn_or_came_early_is_kept_as_it_counts(records):
    """Histories of several logs: the rows give the duties that the fold gives, and equal sets equal rows."""
    state = fold("child", SUBJECT, records)
    assert fold("child", SUBJECT, list(reversed(records))).deeds == state.deeds
    agree([state])


@pytest.mark.parametrize("rule", DEFAULT_RULES, ids=lambda one: one.rule_id)
def test_every_condition_of_a_rule_is_on_a_field_that_is_kept(rule):
    """What a rule asks of an event is among the cells of its deeds."""
    asked = [*rule.fulfilled_by, *([rule.trigger] if rule.trigger else [])]
    for one in asked:
        kept = deed_rows.KEPT_BY_NAME.get(one.event)
        if one.event == "exchange" or kept is None:
            assert kept is None
            assert rule.about in ("home", "county"), f"{one.event} is not kept"
            continue
        assert set(one.where) <= {field.name for field in kept.fields}
