"""Refusals: what cannot be applied is held back, with a reason, the same on every node, and can be mended."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import commands as c
from domain import errors
from domain import events as e
from domain.decide import decide
from domain.event import RevokedEvent, UnknownEvent, UnreadableEvent
from domain.folding import Folding, fold
from domain.records import Record
from domain.returning import refusal, returned
from domain.schema import mended
from domain.state import State
from domain.views import TABLES, rows
from tests.domain.domain_samples import DAY, SUBJECT, Writer, correction, phone, registered, talk, withdrawal
from tests.domain.histories import histories

BEFORE = DAY - dt.timedelta(days=20)
BAD_TALK = UnreadableEvent("talk-held/1", {"on": 3, "summary": "说起想家"}, "on: found 3")


def folded(*records: Record) -> State:
    """The state of a child."""
    return fold("child", SUBJECT, records)


def held(*records: Record) -> dict[bytes, str]:
    """The entries that are held back, with their reasons' codes."""
    return {record.id: why.code for record, why in returned(folded(*records))}


def talks(*records: Record) -> int:
    """How many talks the figures count."""
    return sum(total.facts for (_, _, kind), total in folded(*records).tally.items() if kind == "talk")


@st.composite
def mixed(draw: st.DrawFn) -> list[Record]:
    """A history in which some entries came after their log was revoked."""
    found = []
    for record in draw(histories()):
        event = record.event
        if event is not None and draw(st.integers(0, 7)) == 0:
            assert not isinstance(event, RevokedEvent)
            record = record._replace(event=RevokedEvent("x/1", event))  # noqa: PLW2901 -- as the reader makes it
        found.append(record)
    return found


@settings(max_examples=400, deadline=None)
@given(mixed(), st.data(), st.randoms(use_true_random=False))
def test_equal_entries_are_returned_equally(history: list[Record], data: st.DataObject, random: Any) -> None:
    """Of any subset, in any order, live or folded at once, the same entries are returned for the same reasons."""
    subset = [one for one in history if data.draw(st.integers(0, 4))]
    shuffled = list(subset)
    random.shuffle(shuffled)
    expected = returned(folded(*subset))
    assert returned(folded(*shuffled)) == expected
    live, taken = Folding(SUBJECT), []
    for record in shuffled:
        taken.append(record)
        if not live.add(record):
            live = Folding(SUBJECT)
            for one in sorted(taken, key=lambda one: (*one.order, one.id)):
                assert live.add(one)
        assert live.state() == fold(live.kind, SUBJECT, taken)
    assert returned(live.state()) == expected
    assert [row[3] for name, row in rows(live.state()) if name == "returned"] == [one.id for one, _ in expected]


@settings(max_examples=300, deadline=None)
@given(mixed())
def test_every_entry_has_an_answer(history: list[Record]) -> None:
    """Whatever an entry is, it is applied, shown as unknown or erased, or returned with a sentence."""
    state = folded(*history)
    reasons = {record.id: why for record, why in returned(state)}
    for record in history:
        why = refusal(record, state)
        if record.id in reasons:
            assert why == reasons[record.id]
            assert why.zh
            assert why.en
    assert not {one.id for one in state.aside} & state.records.keys()
    for name, row in rows(state):
        assert len(row) == len(TABLES[name].columns)


def test_an_unreadable_entry_blocks_nothing() -> None:
    """A known type whose payload does not fit is returned with the field; what follows it counts."""
    home = Writer("home-01")
    start, bad, good = home.write(registered()), home.write(BAD_TALK), home.write(talk())
    assert held(start, bad, good) == {bad.id: "unreadable"}
    assert talks(start, bad, good) == 1
    ((_, why),) = returned(folded(start, bad, good))
    assert "on" in why.zh
    assert "date" in why.en
    ((_, why),) = returned(folded(home.write(UnreadableEvent("old-type/1", {}, "lifting old-type/1"))))
    assert "lifting" in why.en


def test_an_unreadable_entry_is_mended_by_taking_it_back_and_recording_it_anew() -> None:
    """The mended entry counts, the other is returned no more, and nothing waits for it."""
    home = Writer("home-01")
    start, bad = home.write(registered()), home.write(BAD_TALK)
    (back,) = decide(folded(start, bad), c.WithdrawFact(home="home-01", target=withdrawal(bad).target))
    again = mended("talk-held/1", BAD_TALK.payload, {"on": "2024-09-03"})
    assert isinstance(again, e.TalkHeld)
    assert again.summary == "说起想家"
    entries = [start, bad, home.write(back), home.write(again)]
    assert held(*entries) == {}
    assert talks(*entries) == 1
    assert folded(*entries).pending == ()
    with pytest.raises(errors.BadField, match="on"):
        mended("talk-held/1", BAD_TALK.payload, {"minutes": "3"})
    odd = {"on": "2024-09-03", "summary": "s", "moon": "full"}
    with pytest.raises(errors.BadField, match="moon"):
        mended("talk-held/1", odd, {})
    assert mended("talk-held/1", odd, {"moon": ""}) == e.TalkHeld(on=dt.date(2024, 9, 3), summary="s")


def test_a_visit_before_registration_is_held_back() -> None:
    """What an older version recorded against the rules counts nowhere; corrected into the child's time it counts."""
    home = Writer("home-01")
    start, early = home.write(registered()), home.write(e.HomeVisitRecorded(visited_on=BEFORE))
    assert held(start, early) == {early.id: "before-registration"}
    assert folded(start, early).last == {"registration": DAY}
    fixed = home.write(correction(early, "visited_on", "2024-09-09"))
    assert held(start, early, fixed) == {}
    assert folded(start, early, fixed).last["visit"] == dt.date(2024, 9, 9)
    gone = home.write(withdrawal(early))
    assert held(start, early, gone) == {}


def test_a_pairing_before_registration_is_shown_nowhere() -> None:
    """A pairing that is held back is no row of the pairings."""
    home = Writer("home-01")
    paired = e.PairingFormed(pairing=withdrawal(home.write(talk())).target, kind="teacher", from_on=BEFORE,
                             helper_name="李老师")  # fmt: skip
    start, early = home.write(registered()), home.write(paired)
    assert held(start, early) == {early.id: "before-registration"}
    assert [name for name, _ in rows(folded(start, early)) if name == "pairing"] == []


def test_only_what_the_writer_knew_speaks_against_a_date() -> None:
    """A fact recorded before the registration came, or by another home, is good, and stays so."""
    home, other = Writer("home-01"), Writer("home-02")
    first, start = home.write(talk(BEFORE)), home.write(registered())
    assert held(first, start) == {}
    late = other.write(talk(BEFORE), start)
    assert held(first, start, late) == {}
    good = home.write(talk(DAY + dt.timedelta(days=2)))
    moved = home.write(correction(start, "registered_on", "2024-10-01"))
    assert held(first, start, good, moved) == {}


def test_a_home_that_mistook_a_child_is_told() -> None:
    """Entries about a child that another home registered, by one that never had to do with it, are held back."""
    home, stranger = Writer("home-01"), Writer("home-02")
    blind, edit = stranger.write(talk()), stranger.write(phone("16322222222"))
    start = home.write(registered())
    assert held(blind, edit) == {}, "nobody has registered the child yet"
    assert held(start, blind, edit) == {blind.id: "not-its-child", edit.id: "not-its-child"}
    state = folded(start, blind, edit)
    assert (state.value("guardian_phone"), talks(start, blind, edit)) == ("15400000001", 0)
    assert state.conflicts() == {}
    ((_, why), _) = returned(state)
    assert "home-02" in why.zh
    assert "home-01" in why.zh
    back = [stranger.write(withdrawal(blind)), stranger.write(withdrawal(edit))]
    assert held(start, blind, edit, *back) == {}
    assert held(start, stranger.write(withdrawal(start)))


def test_who_is_given_the_child_may_write() -> None:
    """M3: a request to the home, its acceptance, or having been shown the file make what it wrote count."""
    home, other, county = Writer("home-01"), Writer("home-02"), Writer("")
    start, blind = home.write(registered()), other.write(talk())
    asked = home.write(e.ChildTransferRequested(to_home="home-02", on=dt.date(2024, 9, 10)))
    taken = other.write(e.ChildTransferAccepted(on=dt.date(2024, 9, 12)))
    decided = county.write(e.ChildTransferAccepted(on=dt.date(2024, 9, 12), home="home-02"))
    shown = other.write(talk(), start)
    for more in (asked, taken, decided, shown):
        assert held(start, blind) == {blind.id: "not-its-child"}
        assert held(start, blind, more) == {}
    assert held(start, county.write(talk())) == {}
    second = Writer("home-02", "second")
    assert held(start, blind, second.write(talk(), blind)), "to have seen one's own other log is not to be shown a file"


def test_what_a_revoked_log_wrote_later_is_kept_apart() -> None:
    """It is returned, edits nothing, and does not stand in the way of the same entry recorded again elsewhere."""
    home, old = Writer("home-01"), Writer("home-01", "stolen")
    start = home.write(registered())
    gone = old.write(phone("16322222222"))
    record = gone._replace(event=RevokedEvent("contact-card-changed/1", phone("16322222222")))
    again = home.write(phone("16322222222"), first_id=gone.id)
    assert held(start, record) == {record.id: "revoked"}
    assert folded(start, record).value("guardian_phone") == "15400000001"
    assert folded(start, record, again).value("guardian_phone") == "16322222222"
    unknown = record._replace(event=RevokedEvent("new/1", UnknownEvent("new/1", {})))
    assert held(start, unknown) == {unknown.id: "revoked"}


def test_a_detail_that_does_not_fit_is_held_back_until_it_is_corrected() -> None:
    """A name in place of a grade edits nothing and is returned; a correction that fits makes it apply."""
    home = Writer("home-01")
    start, bad = home.write(registered()), home.write(e.ChildDetailsChanged(field="grade", value="张三"))
    assert held(start, bad) == {bad.id: "unfit"}
    fixed = home.write(correction(bad, "value", 4))
    assert held(start, bad, fixed) == {}
    assert folded(start, bad, fixed).value("grade") == 4
    settled = home.write(e.ConflictSettled(field="grade", value="张三", saw=()))
    assert held(start, settled) == {settled.id: "unfit"}


def test_who_did_not_write_a_move_cannot_withdraw_it() -> None:
    """Kept, returned and without effect, whichever came first; the county's word and the own home's count."""
    home, other, county, above = Writer("x/home-01"), Writer("x/home-02"), Writer("x/"), Writer("y/")
    start = home.write(registered())
    blind = other.write(withdrawal(start))
    shown = other.write(talk(), start)
    assert blind.lamport == start.lamport
    for records in ((start, blind, shown), (start._replace(lamport=2), blind, shown)):
        state = folded(*records)
        assert (state.holder, state.status, state.withdrawn(start.id)) == ("x/home-01", "here", False)
        assert held(*records) == {blind.id: "not-its-word"}
    foreign = above.write(withdrawal(start), start)
    assert held(start, foreign) == {foreign.id: "not-its-word"}
    assert held(start, blind, shown, other.write(withdrawal(blind))) == {}, "it is taken back by who wrote it"
    for writer in (county, home):
        gone = writer.write(withdrawal(start), shown)
        assert folded(start, blind, shown, gone).status == "unregistered"
        assert held(start, blind, shown, gone) == {blind.id: "not-its-word"}


def test_a_withdrawal_that_waited_for_its_move_is_judged_when_it_comes() -> None:
    """What another home withdrew before it was here stands, and is withdrawn by its own home later."""
    home, other = Writer("home-01"), Writer("home-02")
    start = home.write(registered())
    asked = home.write(e.ChildTransferRequested(to_home="home-02", on=DAY))
    early = other.write(withdrawal(asked))
    folding = Folding(SUBJECT)
    for one in sorted((start, early, asked), key=lambda one: one.order):
        folding.add(one)
    assert not folding.withdrawn(asked.id)
    assert folding.state().status == "leaving"
    gone = home.write(withdrawal(asked), early)
    (back,) = decide(folding, c.WithdrawFact(home="home-01", target=withdrawal(asked).target))
    assert isinstance(back, e.FactWithdrawn)
    assert folding.add(gone)
    assert folding.withdrawn(asked.id)
    assert folding.state().status == "here"
