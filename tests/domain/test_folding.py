"""The fold: any order, any subset, live as at rebuild; and the situations that merging must survive."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain.event import UnknownEvent
from domain.folding import Folding, fold
from domain.records import Record
from domain.state import State, fact_field
from domain.views import TABLES, child_json, rows
from tests.domain.domain_samples import (
    DAY,
    SUBJECT,
    Writer,
    correction,
    entry_id,
    import_sample,
    phone,
    registered,
    talk,
    withdrawal,
)
from tests.domain.histories import histories


def folded(*records: Record) -> State:
    """The state of a child."""
    return fold("child", SUBJECT, records)


def table(state: State, name: str) -> list[dict[str, Any]]:
    """One table's rows as maps."""
    columns = [column for column, _ in TABLES[name].columns]
    return [dict(zip(columns, row, strict=True)) for found, row in rows(state) if found == name]


@settings(max_examples=300, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_merge_does_not_care_who_arrives_first(history: list[Record], random: Any) -> None:
    """Any order of delivery, with repeats, gives the same child and the same rows."""
    shuffled = history + random.choices(history, k=len(history))
    random.shuffle(shuffled)
    expected, found = folded(*history), folded(*shuffled)
    assert found == expected
    assert list(rows(found)) == list(rows(expected))
    assert child_json(found) == child_json(expected)


@settings(max_examples=200, deadline=None)
@given(histories(), st.data(), st.randoms(use_true_random=False))
def test_two_forms_of_one_entry_give_one_picture(history: list[Record], data: st.DataObject, random: Any) -> None:
    """An entry that comes in full and erased counts as erased, whichever comes first."""
    erased = [one._replace(event=None, deps={}, lamport=0) for one in history if data.draw(st.booleans())]
    mixed = history + erased
    random.shuffle(mixed)
    full = [one for one in history if (one.log, one.seq) not in {(gone.log, gone.seq) for gone in erased}]
    assert folded(*mixed) == folded(*full, *erased)


@settings(max_examples=300, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_live_and_rebuilt_are_the_same(history: list[Record], random: Any) -> None:
    """Adding entries one by one as they come, and folding afresh when one comes late, equals folding all at once."""
    random.shuffle(history)
    live, taken = Folding(SUBJECT), []
    for record in history:
        taken.append(record)
        if not live.add(record):
            live = Folding(SUBJECT)
            for one in sorted(taken, key=lambda one: (*one.order, one.id)):
                assert live.add(one)
        state = live.state()
        assert state == fold(state.kind, SUBJECT, taken)
        assert live.rows() == list(rows(state))


@settings(max_examples=200, deadline=None)
@given(histories(), st.data())
def test_any_subset_folds(history: list[Record], data: st.DataObject) -> None:
    """A missing entry never stops the fold, and rows have the columns of their table."""
    subset = [one for one in history if data.draw(st.booleans())]
    erased = [one._replace(event=None, deps={}) if data.draw(st.integers(0, 4)) == 0 else one for one in subset]
    for name, row in rows(folded(*erased)):
        assert len(row) == len(TABLES[name].columns)


@settings(max_examples=200, deadline=None)
@given(histories())
def test_counts_are_those_of_the_facts_as_they_read(history: list[Record]) -> None:
    """The running sums equal a recount of every fact that stands, as corrected."""
    state = folded(*history)
    talks: dict[tuple[str, str], list[int]] = {}
    for id_, record in state.records.items():
        event = state.event(id_)
        if isinstance(event, e.TalkHeld) and state.stands(id_):
            talks.setdefault((record.home, event.on.isoformat()[:7]), []).append(event.minutes or 0)
    counted = {
        (row["home"], row["month"]): (row["count"], row["minutes"])
        for row in table(state, "tally")
        if row["kind"] == "talk"
    }
    assert counted == {key: (len(minutes), sum(minutes)) for key, minutes in talks.items()}


def test_a_repeat_changes_nothing() -> None:
    """An entry that was taken is taken again without effect, one that belongs before others is not taken."""
    home = Writer("home-01")
    first, second = home.write(registered()), home.write(talk())
    live = Folding(SUBJECT)
    assert live.add(second)
    assert not live.add(first)
    before = live.state()
    assert live.add(second)
    assert live.state() == before


def test_an_entry_recorded_again_after_a_fork_counts_once() -> None:
    """Of entries with one first id in logs of the same home one counts; another home's is its own."""
    old, new, other = Writer("home-01", "old"), Writer("home-01", "new"), Writer("home-02")
    first = old.write(talk())
    again = new.write(talk(), first_id=first.id)
    foreign = other.write(talk(), first_id=first.id)
    assert sum(row["count"] for row in table(folded(first, again), "tally")) == 1
    assert sum(row["count"] for row in table(folded(again, first, foreign), "tally")) == 2


def test_an_edit_that_saw_the_second_recording_replaces_the_first() -> None:
    """Deps that name a repeat's place speak of the entry that was kept."""
    old, new, other = Writer("home-01", "old"), Writer("home-01", "new"), Writer("home-02")
    first = old.write(phone("15411111111"))
    again = new.write(phone("15411111111"), first_id=first.id)
    edit = other.write(phone("16322222222"), again)
    assert folded(first, again, edit).conflicts() == {}
    assert folded(first, again, edit).value("guardian_phone") == "16322222222"


def test_two_changes_of_a_guardians_phone_are_both_kept() -> None:
    """M1: home and township change a guardian's phone unknown to each other: both kept, shown, one winner, settled."""
    home, town = Writer("home-01"), Writer("town-01")
    start = home.write(registered())
    ours, theirs = home.write(phone("15411111111")), town.write(phone("16322222222"), start)
    state = folded(start, ours, theirs)
    assert {head.value for head in state.conflicts()["guardian_phone"]} == {"15411111111", "16322222222"}
    assert state.value("guardian_phone") == "15411111111", "the home that holds the child goes first"
    assert table(state, "child")[0]["conflicts"] == 1
    (shown,) = child_json(state)["conflicts"]
    assert shown["field"] == "guardian_phone"
    assert shown["provisional"] == "15411111111"
    assert {value["id"] for value in shown["values"]} == {ours.id.hex(), theirs.id.hex()}
    settled = home.write(
        e.ConflictSettled(field="guardian_phone", value="16322222222", saw=(UUID(bytes=ours.id), UUID(bytes=theirs.id)))
    )
    done = folded(start, ours, theirs, settled)
    assert done.conflicts() == {}
    assert done.value("guardian_phone") == "16322222222"


def test_late_talks_of_the_former_home_count_for_it() -> None:
    """M3: a child is transferred while the old home goes on recording talks: they are in the file, for that home."""
    old, new = Writer("home-01"), Writer("home-02")
    start = old.write(registered())
    asked = old.write(e.ChildTransferRequested(to_home="home-02", on=dt.date(2024, 9, 10)))
    late = old.write(talk(dt.date(2024, 9, 20)))
    taken = new.write(e.ChildTransferAccepted(on=dt.date(2024, 9, 12)), asked)
    state = folded(start, asked, late, taken)
    assert [(stay.home, stay.from_on, stay.to_on) for stay in state.stays] == [
        ("home-01", DAY, dt.date(2024, 9, 12)),
        ("home-02", dt.date(2024, 9, 12), None),
    ]
    (tally,) = [row for row in table(state, "tally") if row["kind"] == "talk"]
    assert (tally["home"], tally["month"], tally["count"]) == ("home-01", "2024-09", 1)
    assert child_json(state)["facts"]["by_former_home"] == [late.id.hex()]
    assert state.holder == "home-02"


def test_two_homes_claim_one_transfer() -> None:
    """M4: two homes claim one transfer: the one that was asked holds the child for now, the other is a conflict."""
    old, asked_home, other, county = Writer("home-01"), Writer("home-02"), Writer("home-03"), Writer("")
    start = old.write(registered())
    asked = old.write(e.ChildTransferRequested(to_home="home-02", on=dt.date(2024, 9, 10)))
    right = asked_home.write(e.ChildTransferAccepted(on=dt.date(2024, 9, 12)), asked)
    wrong = other.write(e.ChildTransferAccepted(on=dt.date(2024, 9, 11)), asked)
    state = folded(start, asked, right, wrong)
    assert {head.value for head in state.conflicts()["home"]} == {"home-02", "home-03"}
    assert state.holder == "home-02"
    assert [stay.home for stay in state.stays] == ["home-01", "home-02"]
    word = county.write(e.ChildTransferAccepted(on=dt.date(2024, 9, 11), home="home-03"), right, wrong)
    decided = folded(start, asked, right, wrong, word)
    assert "home" not in decided.conflicts()
    assert decided.holder == "home-03"
    assert [stay.home for stay in decided.stays] == ["home-01", "home-03"]


def test_the_same_talk_typed_twice_is_two_facts() -> None:
    """M9: the same talk is typed again after a power cut: two facts, one withdrawn by name, both in the history."""
    home = Writer("home-01")
    start, first, second = home.write(registered()), home.write(talk()), home.write(talk())
    assert [row["count"] for row in table(folded(start, first, second), "tally") if row["kind"] == "talk"] == [2]
    state = folded(start, first, second, home.write(withdrawal(second)))
    assert [row["count"] for row in table(state, "tally") if row["kind"] == "talk"] == [1]
    assert type(state.entry(first.id).event) is e.TalkHeld
    assert type(state.entry(second.id).event) is e.TalkHeld
    assert child_json(state)["facts"]["withdrawn"] == [second.id.hex()]


def test_an_acceptance_may_arrive_before_its_request() -> None:
    """Homes that never met agree on a transfer in either order, and the new card replaces the old one."""
    old, new = Writer("home-01"), Writer("home-02")
    taken = new.write(
        e.ChildTransferAccepted(on=dt.date(2024, 9, 12), name="陈小禾", address="清溪县白水乡东湾村1组1号", number=3)
    )
    entries = [old.write(registered()), old.write(talk()), taken]
    entries.append(old.write(e.ChildTransferRequested(to_home="home-02", on=dt.date(2024, 9, 10))))
    state = folded(*entries)
    assert state.conflicts() == {}
    assert state.value("address") == "清溪县白水乡东湾村1组1号"
    assert table(state, "child")[0]["township"] == "白水乡"
    assert [stay.home for stay in state.stays] == ["home-01", "home-02"]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=9), st.permutations(range(4)), st.randoms())
def test_a_child_handed_on_and_on_is_where_it_was_handed_last(steps: list[int], names: list[int], random: Any) -> None:
    """However little the homes had heard of each other when they handed it on, nobody else's claim stands."""
    homes = [Writer(f"home-{name}") for name in names]
    here, seen = homes[0], [homes[0].write(registered())]
    for n, step in enumerate(steps):
        there = [home for home in homes if home is not here][step]
        asked = e.ChildTransferRequested(to_home=there.home, on=DAY + dt.timedelta(days=2 * n + 1))
        seen.append(here.write(asked, *random.sample(seen, random.randint(0, 1))))
        taken = e.ChildTransferAccepted(on=DAY + dt.timedelta(days=2 * n + 2))
        seen.append(there.write(taken, *random.sample(seen, random.randint(0, 1))))
        here = there
    state = folded(*seen)
    assert state.holder == here.home
    assert state.conflicts() == {}
    assert len(state.stays) == len(steps) + 1


def test_a_request_alone_leaves_the_child_where_it_is() -> None:
    """Until another home accepts, the child belongs to the home that gave it over."""
    home = Writer("home-01")
    state = folded(
        home.write(registered()), home.write(e.ChildTransferRequested(to_home="home-02", on=dt.date(2024, 9, 10)))
    )
    assert (state.holder, state.status) == ("home-01", "leaving")
    assert table(state, "child")[0]["leaving_for"] == "home-02"


def test_a_corrected_date_moves_the_figure() -> None:
    """A correction of the day moves a talk to another month, and a second home's differing one is a conflict."""
    home, other = Writer("home-01"), Writer("home-02")
    first = home.write(talk())
    fixed = home.write(correction(first, "on", "2024-10-05"))
    state = folded(first, fixed)
    assert [row["month"] for row in table(state, "tally")] == ["2024-10"]
    assert state.last["talk"] == dt.date(2024, 10, 5)
    rival = other.write(correction(first, "on", "2024-11-05"), first)
    disputed = folded(first, fixed, rival)
    field = fact_field(first.id, "on")
    assert list(disputed.conflicts()) == [field]
    settled = other.write(
        e.ConflictSettled(field=field, value="2024-11-05", saw=(UUID(bytes=fixed.id),)),
    )
    assert folded(first, fixed, rival, settled).conflicts() == {}
    assert folded(first, fixed, rival, settled).last["talk"] == dt.date(2024, 11, 5)


def test_a_correction_of_the_past_does_not_bring_it_back() -> None:
    """Correcting a registration's address after the family moved leaves the new address standing."""
    home = Writer("home-01")
    start = home.write(registered())
    right_away = home.write(correction(start, "address", "清溪县石桥镇上坪村三组21号"))
    assert folded(start, right_away).value("address") == "清溪县石桥镇上坪村三组21号"
    moved = home.write(phone("清溪县白水乡东湾村1组1号", "address"))
    late = home.write(correction(start, "address", "清溪县石桥镇上坪村三组22号"))
    assert folded(start, right_away, moved, late).value("address") == "清溪县白水乡东湾村1组1号"


def test_a_correction_concurrent_with_a_change_is_a_conflict() -> None:
    """Whoever corrects an address not knowing that another home changed it overwrites nothing silently."""
    home, other = Writer("home-01"), Writer("home-02")
    start = home.write(registered())
    moved = other.write(phone("清溪县白水乡东湾村1组1号", "address"), start)
    fixed = home.write(correction(start, "address", "清溪县石桥镇上坪村三组22号"))
    assert len(folded(start, moved, fixed).conflicts()["address"]) == 2


def test_a_withdrawn_change_lets_the_former_value_stand() -> None:
    """Withdrawing a change of the card brings back what it alone had replaced."""
    home = Writer("home-01")
    start, changed = home.write(registered()), home.write(phone("16322222222"))
    state = folded(start, changed, home.write(withdrawal(changed)))
    assert state.value("guardian_phone") == "15400000001"


def test_a_correction_waits_for_its_target() -> None:
    """A correction of an entry not seen yet is shown as pending, and applied when the entry comes."""
    home = Writer("home-01")
    first = home.write(talk())
    fixed = home.write(correction(first, "minutes", 45))
    alone = folded(fixed)
    assert child_json(alone)["pending"][0]["id"] == fixed.id.hex()
    assert [row["minutes"] for row in table(folded(fixed, first), "tally")] == [45]


def test_a_correction_that_does_not_fit_is_shown() -> None:
    """A name in place of a number keeps the former value and is shown as unusable."""
    home = Writer("home-01")
    start, first = home.write(registered()), home.write(talk())
    state = folded(start, first, home.write(correction(first, "minutes", "方娜娟")))
    assert child_json(state)["unusable"][0]["value"] == "方娜娟"
    assert state.event(first.id) == first.event
    assert table(state, "child")[0]["pending"] == 1


def test_a_correction_of_a_correction_is_one_of_the_fact() -> None:
    """Correcting a correction's value gives the fact that value; withdrawing it gives back the one before."""
    home = Writer("home-01")
    first = home.write(talk())
    once = home.write(correction(first, "minutes", 30))
    twice = home.write(correction(once, "value", 40))
    assert folded(first, once, twice).event(first.id) == talk(minutes=40)
    undone = home.write(withdrawal(twice))
    assert folded(first, once, twice, undone).event(first.id) == talk(minutes=30)


def test_unknown_and_erased_entries_are_shown() -> None:
    """What cannot be shown is counted and named."""
    home = Writer("home-01")
    start = home.write(registered())
    odd = home.write(UnknownEvent("weather-balloon-launched/1", {}))
    gone = home.write(None)
    state = folded(start, odd, gone)
    assert table(state, "child")[0]["unknown"] == 2
    assert {(row["id"], row["type"], row["why"]) for row in table(state, "unknown_entry")} == {
        (odd.id, "weather-balloon-launched/1", "unknown"),
        (gone.id, "", "erased"),
    }


def test_the_more_protective_value_wins_for_now() -> None:
    """Of contested categories the graver is shown, of a recorded and an ended guardian the one who can be called."""
    home, other = Writer("home-01"), Writer("home-02")
    start = home.write(registered())
    mild = home.write(e.ChildCategoryAssessed(categories=("none",), assessed_on=DAY))
    ended = home.write(e.GuardianEnded(on=DAY, reason="外出"))
    grave = other.write(e.ChildCategoryAssessed(categories=("in_difficulty", "left_behind"), assessed_on=DAY), start)
    found = other.write(e.GuardianRecorded(name="王梅", kinship="maternal_grandmother", from_on=DAY), start)
    state = folded(start, mild, ended, grave, found)
    assert state.value("categories") == ("in_difficulty", "left_behind")
    assert state.value("guardian_name") == "王梅"


def test_equal_values_are_no_conflict() -> None:
    """Two homes that write the same value unknown to each other agree."""
    home, other = Writer("home-01"), Writer("home-02")
    one, two = home.write(phone("15411111111")), other.write(phone("15411111111"))
    assert folded(one, two).conflicts() == {}


def test_a_child_that_left_is_nowhere() -> None:
    """Deregistration ends the stay on its day."""
    home = Writer("home-01")
    state = folded(
        home.write(registered()), home.write(e.ChildDeregistered(on=dt.date(2024, 12, 1), reason="parents_back"))
    )
    assert (state.status, state.holder) == ("left", "")
    assert state.stays[-1].to_on == dt.date(2024, 12, 1)


def test_the_sample_has_no_conflicts_between_homes() -> None:
    """Homes that never exchanged hand children over without a false conflict."""
    by_subject: dict[UUID, list[Record]] = {}
    for one in import_sample():
        by_subject.setdefault(one.lifted.subject, []).append(one.record)
    states = [fold("", subject.bytes, records) for subject, records in by_subject.items()]
    assert [state.conflicts() for state in states if state.conflicts()] == []
    assert any(len(state.stays) > 1 for state in states)


def test_ids_of_nothing_are_unknown() -> None:
    """A settlement of a field whose name cannot be read changes nothing and waits."""
    home = Writer("home-01")
    settled = home.write(e.ConflictSettled(field="fact:nonsense:on", value="2024-10-05", saw=()))
    assert folded(settled).pending == (settled,)
    assert folded(settled).entry(entry_id("nothing")) is None
