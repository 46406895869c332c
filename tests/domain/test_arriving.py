"""Who comes first to a new PC: those in care, in need, and whose care is due."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from domain import events as e
from domain.arriving import child_precedence, precedence
from domain.folding import fold
from domain.policy import COUNTY_SUBJECT, Policy
from domain.records import Record
from domain.state import State
from tests.domain.domain_samples import DAY, SUBJECT, Writer, registered, talk
from tests.domain.histories import histories

HOME = "home-01"
TODAY = DAY + dt.timedelta(days=100)
POLICY = Policy()


def child(*events: e.Event, home: str = HOME) -> State:
    writer = Writer(home)
    return fold("child", SUBJECT, [writer.write(event) for event in events])


def day(n: int) -> dt.date:
    return DAY + dt.timedelta(days=n)


def test_need_comes_before_everything_then_what_is_due():
    """A child in need is first, then the one whose last talk, call or visit lies furthest back; those who left last."""
    in_need = child(
        registered(), e.ChildCategoryAssessed(categories=("in_difficulty",), assessed_on=DAY), talk(day(50))
    )
    late = (
        e.FamilyContactMade(kind="call", on=day(40), reached=True, minutes=3),
        e.HomeVisitRecorded(visited_on=day(40)),
    )
    waiting = child(registered(), talk(day(1)), *late)
    cared_for = child(registered(), talk(day(39)), *late)
    left = child(registered(), e.ChildDeregistered(on=day(60), reason="moved"))
    elsewhere = child(registered(), home="home-02")
    order = [child_precedence(one, HOME, 5, POLICY, TODAY) for one in (in_need, waiting, cared_for, left, elsewhere)]
    assert order[:3] == sorted(order[:3])
    assert len(set(order[:3])) == 3
    assert max(order[:3]) < min(order[3:])


def test_whose_care_is_owed_for_longest_by_the_countys_rules_comes_first():
    """Where a term is scheduled, the child whose talks ended first comes first."""
    term = Writer("").write(e.TermScheduled(name="2024-秋", from_on=day(0), to_on=day(140)))
    policy = Policy(fold("county", COUNTY_SUBJECT, [term]))
    talks = [talk(day(n)) for n in (5, 35, 65, 95)]
    letters = [e.FamilyContactMade(kind="letter", on=day(n)) for n in (5, 35, 65, 95)]
    contacts = [e.GuardianContacted(party="parent", on=day(n)) for n in (5, 35, 65, 95)]
    calls = [e.FamilyContactMade(kind="call", on=day(n)) for n in range(0, 99, 7)]
    cared_for = child(registered(), *talks, *letters, *contacts, *calls)
    forgotten = child(registered(), *talks[:2], *letters, *contacts, *calls)
    late, early = (child_precedence(one, HOME, 5, policy, TODAY) for one in (cared_for, forgotten))
    assert early < late
    assert late[2] > TODAY.toordinal() > early[2] > day(60).toordinal()


def test_what_forms_need_comes_before_children_and_the_rest_behind_those_in_care():
    """The home and its workers, then the children in care, then the newest of everything else, then who left."""
    here, left = child(registered()), child(registered(), e.ChildDeregistered(on=day(6), reason="moved"))
    order = [
        precedence("worker", b"w" * 16, 1),
        child_precedence(here, HOME, 2, POLICY, TODAY),
        precedence("loan", b"l" * 16, 9),
        precedence("activity", b"a" * 16, 8),
        child_precedence(left, HOME, 30, POLICY, TODAY),
        child_precedence(left, HOME, 20, POLICY, TODAY),
    ]
    assert order == sorted(order)


@given(histories(), st.integers(0, 9))
def test_everybody_has_a_place(history: list[Record], newest: int):
    """Whatever a file says, it can be put in order with others."""
    state = fold("child", SUBJECT, history)
    assert child_precedence(state, HOME, newest, POLICY, TODAY) < (4,)
