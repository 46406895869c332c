"""Conflicts as people see them, and what the form somebody edits on has to do with it."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import commands as c
from domain import errors, forms
from domain import events as e
from domain.commands import wish
from domain.conflicts import WHY, conflicts_of, fingerprint, label, words
from domain.decide import decide
from domain.event import UnknownEvent
from domain.folding import Folding, fold
from domain.records import Record, canonical
from domain.state import State
from domain.views import rows
from tests.domain.domain_samples import DAY, SUBJECT, Writer, correction, phone, registered, talk
from tests.domain.histories import histories


def folded(*records: Record) -> State:
    """The state of a child."""
    return fold("child", SUBJECT, records)


def running(*records: Record) -> Folding:
    """The same as a fold under way."""
    live = Folding(SUBJECT)
    for record in canonical(records):
        assert live.add(record)
    return live


def saw(*records: Record) -> tuple[UUID, ...]:
    """The entries named in a settlement."""
    return tuple(UUID(bytes=one.id) for one in records)


def why(*records: Record) -> dict[str, tuple[object, str]]:
    """For every contested field the provisional value and why."""
    return {one.field: (one.wins.value, one.why) for one in conflicts_of(folded(*records))}


def test_why_a_value_is_used_meanwhile() -> None:
    """The more protective value of a guardian or category field, else the holder's, else the last everywhere."""
    home, town, third = Writer("home-01"), Writer("town-01"), Writer("town-02")
    start = home.write(registered())
    ours, theirs = home.write(phone("15411111111")), town.write(phone("16322222222"), start)
    assert why(start, ours, theirs) == {"guardian_phone": ("15411111111", "holder")}
    ended = home.write(e.GuardianEnded(on=DAY, reason="去世"))
    found = why(start, ours, ended, theirs)
    assert found["guardian_phone"] == ("16322222222", "protective"), "somebody to call before nobody"
    far, near = third.write(phone("1", "home_phone"), start), town.write(phone("2", "home_phone"), start)
    assert why(start, near, far)["home_phone"][1] == "order"
    assert set(WHY) >= {one for _, one in found.values()}


def test_who_a_child_belongs_to_is_the_countys_to_settle() -> None:
    """M4: two homes claim one transfer; a home cannot settle that, the county can, and only for one of the two."""
    old, asked_home, other = Writer("home-01"), Writer("home-02"), Writer("home-03")
    start = old.write(registered())
    asked = old.write(e.ChildTransferRequested(to_home="home-02", on=dt.date(2024, 9, 10)))
    right = asked_home.write(e.ChildTransferAccepted(on=dt.date(2024, 9, 12)), asked)
    wrong = other.write(e.ChildTransferAccepted(on=dt.date(2024, 9, 11)), asked)
    state = folded(start, asked, right, wrong)
    (claims,) = [one for one in conflicts_of(state) if one.field == "home"]
    assert (claims.wins.value, claims.why) == ("home-02", "asked")
    both = saw(*(one for one in (right, wrong)))
    with pytest.raises(errors.CountySettles):
        decide(state, c.SettleConflict(home="home-03", field="home", value="home-03", saw=both))
    with pytest.raises(errors.BadField):
        decide(state, c.SettleConflict(home="", field="home", value="home-09", saw=both))
    (event,) = decide(state, c.SettleConflict(home="", field="home", value="home-03", saw=both))
    word = Writer("").write(event, right, wrong)
    assert folded(start, asked, right, wrong, word).holder == "home-03"


def test_of_two_registrations_of_one_file_the_chosen_one_makes_the_stay() -> None:
    """Two homes registered one child: until the county decides the provisional home holds it, then the chosen one."""
    one, two = Writer("home-01"), Writer("home-02")
    both = one.write(registered()), two.write(registered())
    state = folded(*both)
    assert [stay.home for stay in state.stays] == [state.provisional["home"].value] == [state.holder]
    for home in ("home-01", "home-02"):
        (event,) = decide(state, c.SettleConflict(home="", field="home", value=home, saw=saw(*both)))
        settled = folded(*both, Writer("").write(event, *both))
        assert [stay.home for stay in settled.stays] == [home] == [settled.holder]


def test_what_a_file_says_is_the_homes_to_settle() -> None:
    """The county reads children's files; a conflict in one is the homes' to settle."""
    home, town = Writer("home-01"), Writer("town-01")
    start = home.write(registered())
    two = home.write(phone("15411111111")), town.write(phone("16322222222"), start)
    state = folded(start, *two)
    command = c.SettleConflict(home="", field="guardian_phone", value="15411111111", saw=saw(*two))
    with pytest.raises(errors.HomesSettle, match="home-01"):
        decide(state, command)


def test_a_settlement_that_missed_a_value_leaves_it_standing() -> None:
    """M1: a settlement has seen what it names; a value that was on its way stands beside it as a new conflict."""
    home, town, third = Writer("home-01"), Writer("town-01"), Writer("town-02")
    start = home.write(registered())
    ours, theirs = home.write(phone("15411111111")), town.write(phone("16322222222"), start)
    late = third.write(phone("13900000000"), start)
    state = folded(start, ours, theirs)
    (event,) = decide(state, c.SettleConflict(home="home-01", field="guardian_phone", value="16322222222",
                                              saw=saw(ours, theirs)))  # fmt: skip
    settled = home.write(event, theirs)
    assert folded(start, ours, theirs, settled).conflicts() == {}
    values = {head.value for head in folded(start, ours, theirs, settled, late).conflicts()["guardian_phone"]}
    assert values == {"16322222222", "13900000000"}


def test_a_stale_form_of_another_tablet_is_shown_both_values() -> None:
    """Two tablets of one home write to one log: an edit on a form that showed an older value is refused, with both."""
    home = Writer("home-01")
    start = home.write(registered())
    version = forms.version_of([start])
    first = home.write(phone("15411111111"))
    second = phone("16322222222")
    live = running(start, first)
    shown = forms.shown_fields(live, second, "home-01", version)
    with pytest.raises(errors.FieldMoved, match="15411111111"):
        decide(live, wish("home-01", second, shown))
    again = forms.shown_fields(live, second, "home-01", forms.version_of([start, first]))
    assert decide(live, wish("home-01", second, again)) == [second]
    other = phone("1", "home_phone")
    assert decide(live, wish("home-01", other, forms.shown_fields(live, other, "home-01", version))) == [other]


def test_a_stale_correction_is_shown_both_values() -> None:
    """Two tablets that correct the same field of one talk: the second is told what it says now."""
    home = Writer("home-01")
    start, spoken = home.write(registered()), home.write(talk(minutes=20))
    version = forms.version_of([start, spoken])
    live = running(start, spoken, home.write(correction(spoken, "minutes", 30)))
    again = correction(spoken, "minutes", 45)
    with pytest.raises(errors.FieldMoved, match="30"):
        decide(live, wish("home-01", again, forms.shown_fields(live, again, "home-01", version)))


def test_nobody_has_seen_what_follows_an_unknown_type() -> None:
    """A log counts up to the entry before the first one that this version cannot read."""
    home, other = Writer("home-01"), Writer("home-02")
    entries = [home.write(registered()), other.write(talk()), other.write(UnknownEvent("x/1", {})), other.write(talk())]
    assert forms.version_of(entries) == {home.log: 1, other.log: 1}
    assert forms.deps_of(forms.version_of(entries), home.log, entries) == {other.log: 1}
    heard = home.write(talk(), entries[1])
    assert forms.deps_of(forms.version_of(entries), home.log, [*entries, heard]) == {}, "listed only where it rose"


@given(st.dictionaries(st.binary(min_size=16, max_size=16), st.integers(1, 2**40), max_size=4))
def test_a_version_survives_as_text(version: dict[bytes, int]) -> None:
    """What a form carries is what it was given."""
    assert forms.read(forms.text_of(version)) == version


@given(st.text(max_size=60))
def test_no_text_is_more_than_refused(text: str) -> None:
    """Whatever somebody types as a version is read or refused."""
    with suppress(errors.BadField):
        assert forms.text_of(forms.read(text)).count(":") <= text.count(":")


@settings(max_examples=200, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_all_nodes_show_the_same_conflicts(history: list[Record], random: object) -> None:
    """In every order the same values stand, numbered alike, with the same one used meanwhile for the same reason."""
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    expected, found = folded(*history), folded(*shuffled)
    assert conflicts_of(found) == conflicts_of(expected)
    shown = [row for name, row in rows(found) if name == "conflict"]
    assert len(shown) == sum(len(one.heads) for one in conflicts_of(found))
    assert [row[-1] in WHY for row in shown] == [True] * len(shown)
    for one in conflicts_of(found):
        assert all(label(one.field))
        assert all(words(one.field, str(head.value)) for head in one.heads)
        assert len(fingerprint(head.id for head in one.heads)) == 12
