"""Deciding: what is refused, and what offline homes may both record."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import pytest

from domain import commands as c
from domain import errors
from domain import events as e
from domain.decide import Standing, decide
from domain.folding import Folding, fold
from domain.records import Record
from domain.state import NOBODY
from tests.domain.domain_samples import DAY, SUBJECT, Writer, phone, registered, talk, withdrawal

HOME = Writer("home-01")
START = HOME.write(registered())
TALK = HOME.write(talk())


def standings(*records: Record) -> list[Standing]:
    """The same entries as a state and as a fold under way."""
    live = Folding(SUBJECT)
    for record in records:
        assert live.add(record)
    return [fold("child", SUBJECT, records), live]


def refused(kind: type[errors.Refused], records: tuple[Record, ...], command: Any) -> None:
    """A wish is refused, by state and by running fold alike, with a sentence in both languages."""
    for standing in standings(*records):
        with pytest.raises(kind) as refusal:
            decide(standing, command)
        assert refusal.value.zh
        assert refusal.value.en


def test_a_visit_cannot_precede_registration() -> None:
    """A visit dated before the child's registration here is refused."""
    visit = e.HomeVisitRecorded(visited_on=dt.date(2024, 8, 31))
    refused(errors.BeforeRegistration, (START,), c.RecordFact(home="home-01", event=visit))


def test_a_visit_of_a_child_registered_elsewhere_is_taken() -> None:
    """Only the home's own registration speaks against a date; a part of a log may lack it."""
    visit = e.HomeVisitRecorded(visited_on=dt.date(2024, 8, 31))
    for standing in [NOBODY, *standings(START)]:
        assert decide(standing, c.RecordFact(home="home-02", event=visit)) == [visit]


def test_a_child_is_registered_once() -> None:
    """A second registration of the same file is refused."""
    refused(errors.AlreadyRegistered, (START,), c.RegisterChild(home="home-01", event=registered()))


def test_only_the_holder_gives_a_child_over() -> None:
    """A transfer of a child that is not here is refused."""
    request = e.ChildTransferRequested(to_home="home-03", on=DAY)
    refused(errors.NotHere, (START,), c.RequestTransfer(home="home-02", event=request))
    refused(
        errors.AlreadyHere,
        (START,),
        c.RequestTransfer(home="home-01", event=e.ChildTransferRequested(to_home="home-01", on=DAY)),
    )
    with pytest.raises(errors.NotRegistered):
        decide(NOBODY, c.RequestTransfer(home="home-02", event=request))
    assert decide(NOBODY, c.RequestTransfer(home="home-02", event=request, trusting=True)) == [request]


def test_a_child_is_not_taken_in_twice() -> None:
    """Accepting a child that belongs here already is refused; a newcomer is taken in unseen."""
    taken = e.ChildTransferAccepted(on=DAY)
    refused(errors.AlreadyHere, (START,), c.AcceptTransfer(home="home-01", event=taken))
    assert decide(NOBODY, c.AcceptTransfer(home="home-02", event=taken)) == [taken]


def test_only_known_facts_are_corrected_or_withdrawn() -> None:
    """A correction or withdrawal must name an entry that is known; nothing is withdrawn twice."""
    stranger = UUID(int=9)
    refused(errors.UnknownFact, (START,), c.CorrectFact(home="home-01", target=stranger, field="on", value="x"))
    refused(errors.UnknownFact, (START,), c.WithdrawFact(home="home-01", target=stranger))
    known = UUID(bytes=TALK.id)
    for standing in standings(START, TALK):
        (event,) = decide(standing, c.WithdrawFact(home="home-01", target=known))
        assert event == e.FactWithdrawn(target=known)
    gone = Writer("home-02").write(withdrawal(TALK), TALK)
    refused(errors.AlreadyWithdrawn, (START, TALK, gone), c.WithdrawFact(home="home-01", target=known))


def test_a_move_is_withdrawn_by_its_own_home_or_the_county() -> None:
    """Another home is told so in words; the writing home and the county may."""
    target = UUID(bytes=START.id)
    refused(errors.NotItsWord, (START, TALK), c.WithdrawFact(home="home-02", target=target))
    for standing in standings(START, TALK):
        for home in ("home-01", ""):
            assert decide(standing, c.WithdrawFact(home=home, target=target)) == [e.FactWithdrawn(target=target)]


def test_a_persons_correction_must_fit() -> None:
    """A correction typed by a person is refused where field or value do not fit; an import line's is kept."""
    known = UUID(bytes=TALK.id)
    for field, value in (("minutes", "方娜娟"), ("moon", "full")):
        wish = c.CorrectFact(home="home-01", target=known, field=field, value=value)
        refused(errors.BadField, (START, TALK), wish)
        trusted = c.CorrectFact(home="home-01", target=known, field=field, value=value, trusting=True)
        assert decide(NOBODY, trusted) == [e.FactCorrected(target=known, field=field, value=value)]


def test_a_field_that_moved_is_shown_again() -> None:
    """An edit made on a form that showed another value is refused instead of overwriting it."""
    shown = {"guardian_phone": frozenset({START.id})}
    command = c.RecordFact(home="home-01", event=phone("16300000009"), shown=shown)
    for standing in standings(START):
        assert decide(standing, command) == [phone("16300000009")]
    moved = Writer("home-01", "tablet").write(phone("16311111111"), START)
    refused(errors.FieldMoved, (START, moved), command)


def test_only_conflicts_are_settled_by_who_saw_all_values() -> None:
    """A settlement needs a conflict and must name every standing value."""
    home, other = Writer("home-01"), Writer("home-02")
    one, two = home.write(phone("15411111111")), other.write(phone("16322222222"))
    saw = (UUID(bytes=one.id), UUID(bytes=two.id))
    wish = c.SettleConflict(home="home-01", field="guardian_phone", value="15411111111", saw=saw)
    records = tuple(sorted((one, two), key=lambda record: record.order))
    for standing in standings(*records):
        assert decide(standing, wish) == [e.ConflictSettled(field="guardian_phone", value="15411111111", saw=saw)]
    refused(errors.NoConflict, (one,), wish)
    refused(errors.FieldMoved, records, c.SettleConflict(home="h", field="guardian_phone", value="1", saw=saw[:1]))


def test_a_detail_that_does_not_fit_is_refused() -> None:
    """A name in place of a grade is refused beside the form."""
    event = e.ChildDetailsChanged(field="grade", value="张三")
    refused(errors.BadField, (START,), c.RecordFact(home="home-01", event=event))


def test_every_event_has_a_wish() -> None:
    """`record` turns any event into the wish that leads to it."""
    for event in (registered(), talk(), withdrawal(TALK), e.ChildTransferAccepted(on=DAY)):
        assert c.wish("home-01", event).home == "home-01"


def test_what_nodes_write_themselves_is_no_form():
    """Nobody records by hand that a file was looked at, or that it was erased."""
    erased = e.ErasureExecuted(subject=UUID(int=1), entries=3)
    with pytest.raises(errors.WrittenByNodes, match="written by the node itself"):
        decide(NOBODY, c.RecordFact(home="home-01", event=erased))


def test_a_home_does_not_decide_what_it_asked_for():
    """A home that would grant its own request is told whose that is; the county may."""
    granted = e.AidDecided(decision="granted", on=DAY)
    with pytest.raises(errors.CountyDecides):
        decide(NOBODY, c.RecordFact(home="home-01", event=granted))
    assert decide(NOBODY, c.RecordFact(home="", event=granted)) == [granted]
