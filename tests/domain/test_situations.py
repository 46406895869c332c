"""The twelve situations that merging must survive, each in every order of delivery."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from domain import events as e
from domain.childfile import late_facts
from domain.conflicts import conflicts_of
from domain.fold_aid import held
from domain.fold_child import Link, one_to_one_excess, pictures
from domain.fold_county import rule_in_force
from domain.quantity import exactly
from tests.domain.deliveries import in_every_order
from tests.domain.domain_samples import DAY, Writer, phone, registered, talk, withdrawal

CHILD = UUID("7b3c2d18-9d0e-4f6a-8a51-0c1d2e3f4a5b")
OTHER = UUID("9c3c2d18-9d0e-4f6a-8a51-0c1d2e3f4a5b")
COUNTY = ""


def day(month: int, number: int = 1, year: int = 2025) -> dt.date:
    """A day."""
    return dt.date(year, month, number)


def test_m1_home_and_township_change_a_guardians_phone_in_the_same_week() -> None:
    """Both are kept, the conflict is shown, the provisional winner is everywhere the same, a person settles."""
    home, county = Writer("home-01"), Writer(COUNTY)
    begun = home.write(registered())
    by_home, by_county = home.write(phone("15411111111")), county.write(phone("16322222222"), begun)
    state, _ = in_every_order([begun, by_home, by_county])
    (conflict,) = conflicts_of(state)
    assert conflict.field == "guardian_phone"
    assert {head.value for head in conflict.heads} == {"15411111111", "16322222222"}
    assert state.value("guardian_phone") == conflict.wins.value == "15411111111"
    settled = home.write(
        e.ConflictSettled(
            field="guardian_phone",
            value="16322222222",
            saw=(UUID(bytes=by_home.id), UUID(bytes=by_county.id)),
        ),
        by_county,
    )
    after, _ = in_every_order([begun, by_home, by_county, settled])
    assert after.value("guardian_phone") == "16322222222"
    assert conflicts_of(after) == []


def test_m2_a_migrant_child_is_registered_at_two_homes() -> None:
    """Two files; a link makes one picture, whichever side says it, also both; the count falls as of the link."""
    linked = day(3)
    mine = [Writer("home-01").write(registered())]
    theirs = Writer("home-02")
    copy = [theirs.write(registered()), theirs.write(e.DuplicateChildLinked(other=CHILD, same=True, on=linked))]
    other_side = e.DuplicateChildLinked(other=OTHER, same=True, on=day(4))
    one_way = [in_every_order(mine, CHILD.bytes)[1], in_every_order(copy, OTHER.bytes)[1]]
    both = [Writer("home-01"), Writer("home-03")]
    first = both[0].write(registered())
    said = [in_every_order([first, both[0].write(other_side)], CHILD.bytes)[1], one_way[1]]
    for files in (one_way, said):
        links = [link for child in files for link in child.duplicates]
        standing = pictures(links, linked)
        assert standing == {CHILD.bytes: CHILD.bytes, OTHER.bytes: CHILD.bytes}
        assert len({standing.get(one, one) for one in (CHILD.bytes, OTHER.bytes)}) == 1
        before = pictures(links, linked - dt.timedelta(days=1))
        assert len({before.get(one, one) for one in (CHILD.bytes, OTHER.bytes)}) == 2


def test_m2_whether_two_files_are_one_child_is_disputed() -> None:
    """Where one person says they are and another that they are not, both files stand and the conflict is shown."""
    home, county = Writer("home-01"), Writer(COUNTY)
    begun = home.write(registered())
    yes = home.write(e.DuplicateChildLinked(other=OTHER, same=True))
    no = county.write(e.DuplicateChildLinked(other=OTHER, same=False), begun)
    state, child = in_every_order([begun, yes, no], CHILD.bytes)
    assert child.duplicates == ()
    assert [one.field for one in conflicts_of(state)] == [f"duplicate:{OTHER}"]


def test_m2_three_files_of_one_child_are_one_picture() -> None:
    """Chains of links end at one file, in whatever order they are read."""
    a, b, c = (bytes([n]) * 16 for n in (1, 2, 3))
    links = [Link(c, b, None), Link(b, a, None), Link(a, c, day(5))]
    assert pictures(links) == pictures(links[::-1]) == {a: a, b: a, c: a}


def test_m3_a_child_is_transferred_while_the_old_home_records_talks_offline() -> None:
    """Late talks belong to the file, marked as by the former home, and count for the home that did them."""
    old, new = Writer("home-01"), Writer("home-02")
    begun = old.write(registered())
    asked = old.write(e.ChildTransferRequested(to_home="home-02", on=day(2)))
    taken = new.write(e.ChildTransferAccepted(on=day(2, 5)), begun, asked)
    late = old.write(talk(day(2, 20)))
    here = new.write(talk(day(2, 21)))
    state, child = in_every_order([begun, asked, taken, late, here])
    assert state.holder == "home-02"
    assert child.by_former_home == (late.id,) == tuple(late_facts(state))
    assert state.tally["home-01", "2025-02", "talk"].facts == 1
    assert state.tally["home-02", "2025-02", "talk"].facts == 1


def test_m4_two_homes_claim_one_transfer() -> None:
    """The county's decision wins in the fold; the other claim is a shown conflict, and settled by the decision."""
    old, one, two, county = Writer("home-01"), Writer("home-02"), Writer("home-03"), Writer(COUNTY)
    begun = old.write(registered())
    first = one.write(e.ChildTransferAccepted(on=day(2)), begun)
    second = two.write(e.ChildTransferAccepted(on=day(2)), begun)
    disputed, _ = in_every_order([begun, first, second])
    assert [conflict.field for conflict in conflicts_of(disputed)] == ["home"]
    unseen = county.write(e.ChildTransferAccepted(on=day(2, 9), home="home-02"), begun)
    state, _ = in_every_order([begun, first, second, unseen])
    assert state.holder == "home-02"
    assert [conflict.field for conflict in conflicts_of(state)] == ["home"]
    assert conflicts_of(state)[0].why == "county"
    seen = Writer(COUNTY).write(e.ChildTransferAccepted(on=day(2, 9), home="home-02"), begun, first, second)
    decided, _ = in_every_order([begun, first, second, seen])
    assert decided.holder == "home-02"
    assert conflicts_of(decided) == []


def pairing(number: int, helper: str, child_day: dt.date = DAY) -> e.PairingFormed:
    """A one-to-one pairing with a cadre."""
    return e.PairingFormed(pairing=UUID(int=number), kind="cadre", from_on=child_day, helper_name=helper, helper=helper)


def test_m5_two_cadres_are_paired_one_to_one_while_apart() -> None:
    """Both pairings live until one is ended; the excess is shown for child and cadre."""
    home, county = Writer("home-01"), Writer(COUNTY)
    begun = home.write(registered())
    formed = [home.write(pairing(1, "干部甲")), county.write(pairing(2, "干部乙"), begun)]
    _, child = in_every_order([begun, *formed])
    assert [one.helper for one in child.pairings if one.live(day(3))] == ["干部甲", "干部乙"]
    all_pairings = [(CHILD.bytes, one) for one in child.pairings]
    assert one_to_one_excess(all_pairings, day(3)) == ({CHILD.bytes}, set())
    elsewhere = [(OTHER.bytes, one) for one in child.pairings if one.helper == "干部乙"]
    assert one_to_one_excess([*all_pairings[:1], *elsewhere, *elsewhere], day(3))[1] == {"干部乙"}
    ended = home.write(e.PairingEnded(pairing=UUID(int=2), on=day(2), why="doubled"), formed[1])
    _, after = in_every_order([begun, *formed, ended])
    assert [one.helper for one in after.pairings if one.live(day(3))] == ["干部甲"]
    assert one_to_one_excess([(CHILD.bytes, one) for one in after.pairings], day(3)) == (set(), set())


def request(**more: object) -> e.AidRequested:
    """A home asks for aid."""
    return e.AidRequested(
        kind="sponsored", programme="春蕾", reason="家庭困难", child=CHILD, amount_fen=120_000, instalments=6, **more
    )


def granted(on: dt.date) -> e.AidDecided:
    """The county grants it."""
    return e.AidDecided(decision="granted", on=on, amount_fen=120_000)


def test_m6_the_county_grants_aid_while_the_home_reports_that_the_child_has_left() -> None:
    """Granted and left are both true; payment is stopped until a person decides; nothing vanishes."""
    home, county = Writer("home-01"), Writer(COUNTY)
    asked = home.write(request())
    decided = county.write(granted(day(3)), asked)
    stopped = home.write(e.AidStopped(on=day(3, 2), reason="left"))
    state, aid = in_every_order([asked, decided, stopped])
    assert (aid.status, aid.paying, aid.paying_contested) == ("stopped", False, True)
    assert aid.decided is not None
    assert aid.decided.decision == "granted"
    assert aid.stopped_on == day(3, 2)
    assert len(state.records) == 3
    anew = county.write(granted(day(4)), stopped)
    _, resumed = in_every_order([asked, decided, stopped, anew])
    assert (resumed.status, resumed.paying, resumed.paying_contested) == ("granted", True, False)


def test_m6_the_child_has_left_and_nobody_stopped_the_grant() -> None:
    """The file says left, the grant says granted: payment waits until somebody decides, knowing that it left."""
    home, county = Writer("home-01"), Writer(COUNTY)
    asked = home.write(request())
    decided = county.write(granted(day(3)), asked)
    begun = home.write(registered())
    gone = home.write(e.ChildDeregistered(on=day(3, 1), reason="moved"))
    child, _ = in_every_order([begun, gone], CHILD.bytes)
    _, aid = in_every_order([asked, decided])
    assert (child.status, aid.status, aid.paying) == ("left", "granted", True)
    assert held(aid, child.status == "left")
    assert not held(aid, left=False)
    knowing = county.write(e.AidDecided(decision="granted", on=day(4), after_leaving=True))
    _, resumed = in_every_order([asked, decided, knowing])
    assert not held(resumed, left=True)


def paid(amount_fen: int, on: dt.date, **more: object) -> e.AidPaid:
    """The second instalment was paid."""
    return e.AidPaid(child=CHILD, amount_fen=amount_fen, on=on, instalment=2, **more)


def test_m7_an_instalment_is_entered_as_paid_at_home_and_at_the_county() -> None:
    """Same number, same amount: one payment with two witnesses, counted once."""
    home, county = Writer("home-01"), Writer(COUNTY)
    asked = home.write(request())
    decided = county.write(granted(day(3)), asked)
    entries = [asked, decided, home.write(paid(120_000, day(4, 2))), county.write(paid(120_000, day(4)))]
    state, aid = in_every_order(entries)
    two = aid.instalments[1]
    assert (two.number, two.paid_fen, two.paid_on, len(two.witnesses), two.contested) == (2, 120_000, day(4), 2, False)
    assert (aid.paid, aid.paid_fen, aid.committed_fen) == (1, 120_000, 720_000)
    assert sum(total.fen for (_, _, kind), total in state.tally.items() if kind == "aid") == 120_000
    assert sum(total.facts for (_, _, kind), total in state.tally.items() if kind == "aid") == 1


def test_m7_the_amounts_differ() -> None:
    """Same number, other amount: a shown conflict; the lesser counts until one entry is corrected or withdrawn."""
    home, county = Writer("home-01"), Writer(COUNTY)
    mine, theirs = home.write(paid(100_000, day(4))), county.write(paid(120_000, day(4)))
    _, aid = in_every_order([mine, theirs])
    assert aid.instalments[0].contested
    assert aid.instalments[0].amounts_fen == (100_000, 120_000)
    assert aid.paid_fen == 100_000
    corrected = home.write(e.FactCorrected(target=UUID(bytes=mine.id), field="amount_fen", value=120_000), theirs)
    state, agreed = in_every_order([mine, theirs, corrected])
    assert not agreed.instalments[0].contested
    assert agreed.paid_fen == 120_000
    assert sum(total.fen for total in state.tally.values()) == 120_000
    state, alone = in_every_order([mine, theirs, county.write(withdrawal(mine), mine)])
    assert (alone.paid_fen, sum(total.fen for total in state.tally.values())) == (120_000, 120_000)


def test_m8_a_visit_of_february_arrives_in_june_with_a_computer_clock_in_2008() -> None:
    """It counts for February; February's filed report is unchanged; the clock's error is noted."""
    home, county = Writer("home-01"), Writer(COUNTY)
    begun = home.write(registered())
    known = home.write(e.HomeVisitRecorded(visited_on=day(2, 3)))
    before, _ = in_every_order([begun, known])
    late = home.write(e.HomeVisitRecorded(visited_on=day(2, 20)))._replace(recorded_at_ms=1_200_000_000_000)
    state, child = in_every_order([begun, known, late])
    assert before.tally["home-01", "2025-02", "visit"].facts == 1
    assert state.tally["home-01", "2025-02", "visit"].facts == 2
    assert late.id in child.clock_doubts
    submitted = home.write(
        e.ReportSubmitted(
            kind="month", period="2025-02", figures={"visit": exactly(1)}, positions={"home-01": 2}, on=day(2, 28)
        )
    )
    accepted = county.write(e.ReportAccepted(on=day(3, 2), version=UUID(bytes=submitted.id)), submitted)
    tampered = home.write(e.FactCorrected(target=UUID(bytes=submitted.id), field="figures", value={"visit": 9}))
    _, report = in_every_order([submitted, accepted, tampered])
    assert report.status == "accepted"
    assert report.figures == {"visit": exactly(1)}
    assert state.tally["home-01", "2025-02", "visit"].facts - report.figures["visit"].low == 1


def test_m9_the_same_talk_is_typed_again_after_a_power_cut() -> None:
    """Two facts; one is withdrawn by name; both stay in the history."""
    home = Writer("home-01")
    begun, first, again = home.write(registered()), home.write(talk(day(2))), home.write(talk(day(2)))
    state, _ = in_every_order([begun, first, again])
    assert state.tally["home-01", "2025-02", "talk"].facts == 2
    gone = home.write(withdrawal(again))
    after, _ = in_every_order([begun, first, again, gone])
    assert after.tally["home-01", "2025-02", "talk"].facts == 1
    assert {first.id, again.id} <= after.records.keys()
    assert after.withdrawn(again.id)


def test_m10_erasure_is_ordered_while_a_home_is_offline_and_adds_a_note() -> None:
    """The note that arrives erased says nothing, is kept as such, and the count of erased entries rises by one."""
    home, node = Writer("home-01"), Writer(COUNTY)
    old = [home.write(registered())._replace(event=None), home.write(talk(day(2)))._replace(event=None)]
    note = home.write(talk(day(3)))._replace(event=None)
    state, _ = in_every_order([*old, note])
    assert state.records == {}
    assert [one.why for one in state.unshown] == ["erased"] * 3
    ordered = node.write(e.ErasureOrdered(subjects=(CHILD,), ground="监护人要求"))
    executed = node.write(e.ErasureExecuted(subject=CHILD, entries=2, streams=1))
    _, before = in_every_order([ordered, executed])
    on_arrival = node.write(e.ErasureExecuted(subject=CHILD, entries=1, streams=1))
    _, after = in_every_order([ordered, executed, on_arrival])
    assert (before.ordered, before.erased, before.erased_entries) == (1, 1, 2)
    assert (after.ordered, after.erased, after.erased_entries) == (1, 1, 3)


def rule(times: int, from_on: dt.date, **more: object) -> e.PolicyRuleSet:
    """A version of a rule."""
    return e.PolicyRuleSet(
        rule="O15", duty_holder="class_teacher", applies_to="child", fulfilled_by="talk-held/1", every="month",
        times=times, from_on=from_on, **more,
    )  # fmt: skip


def test_m11_a_rule_changes_in_mid_term() -> None:
    """Periods keep the rule that was in force at their start; auditors see both."""
    one, two = Writer(COUNTY), Writer(COUNTY, "another log of the county")
    _, county = in_every_order([one.write(rule(1, day(2))), two.write(rule(2, day(4, 15)))])
    found = [rule_in_force(county, "O15", on) for on in (day(1), day(2), day(4), day(5))]
    assert [each.times if each else None for each in found] == [None, 1, 1, 2]
    assert [each.times for each in county.rules["O15"]] == [1, 2]
    ended = two.write(rule(2, day(6), enabled=False))
    _, after = in_every_order([one.write(rule(1, day(2))), ended])
    assert rule_in_force(after, "O15", day(7)) is None
    assert rule_in_force(after, "O15", day(5)) is not None


def test_m12_the_homes_computer_is_restored_from_an_old_backup() -> None:
    """What is recorded again in a new log keeps its first id, so nothing is lost and nothing is there twice."""
    old, new = Writer("home-01"), Writer("home-01", "the log after the restore")
    begun, first, lost = old.write(registered()), old.write(talk(day(2))), old.write(talk(day(2, 9)))
    again = new.write(lost.event, first, first_id=lost.id)
    further = new.write(talk(day(3)))
    for entries in ([begun, first, lost, again, further], [begun, first, again, further]):
        state, _ = in_every_order(entries)
        assert state.tally["home-01", "2025-02", "talk"].facts == 2
        assert state.tally["home-01", "2025-03", "talk"].facts == 1
        assert sum(isinstance(one.event, e.TalkHeld) for one in state.records.values()) == 3
