"""The pictures of subjects: total over anything, the same in every order, and right where they add up."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain import schema
from domain.card import EDITS, Unfit, edits_of, typed
from domain.catalogue import SUBJECTS
from domain.childfile import plain
from domain.conflicts import conflicts_of, label, words
from domain.event import ANY_SUBJECT, Event, UnknownEvent
from domain.fold_people import holds
from domain.fold_place import titles_held
from domain.folded import FOLDS, folded
from domain.parts import HISTORY
from domain.quantity import Quantity, exactly
from tests.domain.deliveries import delivered, in_every_order
from tests.domain.domain_samples import Writer, withdrawal
from tests.domain.test_schema import built

CHILD, SECOND = UUID(int=1), UUID(int=2)
DAY = dt.date(2026, 3, 2)
LATER = dt.date(2026, 3, 20)
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.timezone(dt.timedelta(hours=8)))


def test_every_kind_of_subject_is_folded() -> None:
    """No kind of subject is left without a picture."""
    assert FOLDS.keys() == SUBJECTS.keys() - {ANY_SUBJECT}


def test_what_edits_registers_says_so() -> None:
    """Every event of kind R edits registers; none of kind F does."""
    for cls in schema.REGISTRY.values():
        if cls.meta.kind == "R":
            assert cls in EDITS or cls in HISTORY, cls
        elif cls.meta.kind == "F":
            assert cls not in EDITS, cls


@pytest.mark.parametrize("cls", EDITS, ids=lambda cls: cls.__name__)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_value_of_a_register_can_be_settled(cls: type[e.Event], data: st.DataObject) -> None:
    """What a conflict shows as JSON is read back as the value it shows, for every register there is."""
    event = data.draw(built(cls))
    try:
        edits = edits_of(event, data.draw(st.sampled_from(["home-01", ""])))
    except Unfit:
        return
    for field, value in edits.items():
        shown = json.loads(json.dumps(plain(value)))
        assert typed(field, shown, cls.meta.about) == value, field


@st.composite
def entries_of(draw: st.DrawFn, kind: str) -> list[Any]:
    """Entries about one subject of a kind by four logs, some having seen others, some amending others.

    Some are erased, some of a type that nobody knows, some recorded again in the home's new log after a restore.
    """
    classes = [cls for cls in schema.REGISTRY.values() if cls.meta.about == kind]
    writers = [Writer("home-01"), Writer("home-02"), Writer(""), Writer("home-01", "after a restore")]
    written: list[Any] = []
    for _ in range(draw(st.integers(1, 8))):
        writer = draw(st.sampled_from(writers))
        sees = draw(st.lists(st.sampled_from(written), max_size=2)) if written else []
        sees = [one for one in sees if one.log != writer.log]
        again = [one for one in written if one.home == writer.home and one.log != writer.log and one.event]
        if again and draw(st.booleans()):
            old = draw(st.sampled_from(again))
            written.append(writer.write(old.event, *sees, first_id=old.first_id or old.id))
            continue
        event = draw(_events(classes, [one for one in written if isinstance(one.event, Event)]))
        written.append(writer.write(event, *sees))
    return written


@st.composite
def _events(draw: st.DrawFn, classes: list[type[Event]], before: list[Any]) -> Any:
    """An event of one of the classes, or one that says something of entries before it, or nothing readable."""
    what = draw(st.integers(0, 9))
    if what == 0:
        return draw(st.sampled_from([None, UnknownEvent("weather-balloon-launched/1", {"height_m": 3})]))
    if what < 5 or not before:
        return draw(built(draw(st.sampled_from(classes))))
    target = draw(st.sampled_from(before))
    if what == 5:
        return e.FactWithdrawn(target=UUID(bytes=target.id))
    if what == 6:
        try:
            edits = edits_of(target.event, target.home)
        except Unfit:
            edits = {}
        field = draw(st.sampled_from([*edits, f"fact:{target.id.hex()}:on"]))
        return e.ConflictSettled(field=field, value=plain(edits.get(field, "2026-03-09")), saw=(UUID(bytes=target.id),))
    field = draw(st.sampled_from(list(schema.to_json(target.event)) or ["on"]))
    values = ["2026-03-03", 7, True, "granted", None, schema.to_json(target.event).get(field)]
    return e.FactCorrected(target=UUID(bytes=target.id), field=field, value=draw(st.sampled_from(values)))


@pytest.mark.parametrize("kind", sorted(FOLDS))
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_entries_in_any_order_give_one_picture(kind: str, data: st.DataObject) -> None:
    """Whatever is recorded, corrected and withdrawn, the picture is made, and no order of delivery changes it."""
    entries = data.draw(entries_of(kind))
    first = delivered(b"s" * 16, entries)
    for _ in range(3):
        other = delivered(b"s" * 16, data.draw(st.permutations(entries)))
        assert other.state() == first.state()
        assert repr(folded(other.state())) == repr(folded(first.state()))
        assert other.rows() == first.rows()
    told = json.dumps(plain(folded(first.state())))
    assert len(told) > 1


def test_aid_in_its_steps() -> None:
    """Asked, waiting, granted, paid in parts, signed for, stopped: the steps of several parties, in any order."""
    home, county, finance = Writer("home-01"), Writer(""), Writer("", "finance")
    asked = home.write(
        e.AidRequested(
            kind="sponsored", programme="春蕾", reason="困难", child=CHILD, amount_fen=120_000, instalments=2
        )
    )
    assert in_every_order([asked])[1].status == "requested"
    waiting = county.write(e.AidDecided(decision="waiting", on=DAY, reason="名额有限"), asked)
    assert in_every_order([asked, waiting])[1].status == "waiting"
    granted = county.write(
        e.AidDecided(decision="granted", on=LATER, amount_fen=120_000, schedule=(LATER, LATER + dt.timedelta(180)))
    )
    paid = finance.write(e.AidPaid(child=CHILD, amount_fen=120_000, on=LATER, instalment=1, voucher="A1"), granted)
    received = home.write(e.AidReceived(instalment=1, on=LATER, by="陈大山"))
    _, aid = in_every_order([asked, waiting, granted, paid, received])
    assert (aid.status, aid.child, aid.programme, aid.committed_fen, aid.paid_fen) == (
        "granted",
        CHILD,
        "春蕾",
        240_000,
        120_000,
    )
    one, two = aid.instalments
    assert (one.due_on, one.paid_on, one.received_by, one.received_on) == (LATER, LATER, "陈大山", LATER)
    assert (two.number, two.paid_on, two.received_on) == (2, None, None)
    stopped = home.write(e.AidStopped(on=LATER, reason="left"), granted)
    _, after = in_every_order([asked, granted, paid, stopped])
    assert (after.status, after.paying, after.paying_contested) == ("stopped", False, False)


def test_two_officers_decide_apart() -> None:
    """A grant and a refusal that did not know of each other are a conflict, and nothing is paid meanwhile."""
    one, two = Writer("", "first officer"), Writer("", "second officer")
    entries = [one.write(e.AidDecided(decision="granted", on=DAY)), two.write(e.AidDecided(decision="refused", on=DAY))]
    state, aid = in_every_order(entries)
    assert aid.decision_contested
    assert not aid.paying
    assert [conflict.field for conflict in conflicts_of(state)] == ["decision", "paying"]


def test_all_costs_have_no_amount() -> None:
    """A grant of all costs is committed without a sum."""
    home, county = Writer("home-01"), Writer("")
    asked = home.write(e.AidRequested(kind="all_costs", programme="助学", reason="困难", all_costs=True))
    _, aid = in_every_order([asked, county.write(e.AidDecided(decision="granted", on=DAY), asked)])
    assert (aid.status, aid.committed_fen, aid.paid_fen) == ("granted", None, 0)


def test_a_case_from_first_word_to_last() -> None:
    """Received, worked on, referred, closed: days are counted between the days it says, whoever writes later."""
    team, other = Writer("", "team"), Writer("home-01")
    opened = team.write(
        e.CaseOpened(kind="rights", channel="rights_hotline", received_at=NOON, matter="讨要抚养费", child=CHILD)
    )
    step = team.write(e.CaseStepRecorded(at=NOON + dt.timedelta(days=1), step="call", note="核实"))
    referred = other.write(e.CaseReferred(to="court", on=DAY + dt.timedelta(days=3)), opened)
    closed = team.write(e.CaseClosed(on=DAY + dt.timedelta(days=10), outcome="settled", note="已付"))
    late = other.write(e.CaseStepRecorded(at=NOON + dt.timedelta(days=4), step="visit", note="走访"))
    _, case = in_every_order([opened, step, referred, closed, late])
    assert (case.status, case.days_to_close, case.outcome, case.referred_to) == ("closed", 10, "settled", ("court",))
    assert case.first_step_on == DAY + dt.timedelta(days=1)
    assert [one.step for one in case.steps] == ["call", "visit"]
    _, reopened = in_every_order([opened, step, closed, team.write(withdrawal(closed))])
    assert (reopened.status, reopened.closed_on) == ("open", None)


def test_a_message_is_answered_once() -> None:
    """The first answer counts, and the greatest risk that anyone named."""
    box, team = Writer("home-01"), Writer("")
    received = box.write(e.MessageReceived(channel="mailbox", at=NOON, text="我想妈妈", urgent=True, risk="low"))
    answers = [
        team.write(e.MessageAnswered(at=NOON + dt.timedelta(days=2), how="letter"), received),
        box.write(e.MessageAnswered(at=NOON + dt.timedelta(days=1), how="talk")),
    ]
    _, message = in_every_order([received, *answers])
    assert (message.answered_at, message.how, message.urgent, message.risk) == (
        NOON + dt.timedelta(days=1),
        "talk",
        True,
        "low",
    )


def test_a_hazard_from_finding_to_verified() -> None:
    """Found, reported, remedied and verified; overdue by its own day, or by its severity."""
    home, town = Writer("home-01"), Writer("")
    found = home.write(e.HazardFound(place="后墙", kind="building", severity="severe", found_on=DAY))
    state, hazard = in_every_order([found])
    assert (hazard.status, hazard.due_on) == ("open", DAY + dt.timedelta(days=3))
    assert hazard.overdue(LATER)
    assert state.tally["home-01", "2026-03", "hazard"].facts == 1
    reported = home.write(e.HazardReported(to="镇安办", on=DAY, in_writing=True))
    remedied = town.write(e.HazardRemedied(on=DAY + dt.timedelta(days=2), how="加固", verified_by="李主任"), found)
    _, after = in_every_order([found, reported, remedied])
    assert (after.status, after.verified_by, after.reported_to, after.overdue(LATER)) == (
        "verified",
        "李主任",
        "镇安办",
        False,
    )


def submission(visits: int) -> e.ReportSubmitted:
    """A monthly report."""
    return e.ReportSubmitted(
        kind="month", period="2026-02", figures={"visit": exactly(visits)}, positions={"aa": 7}, on=DAY
    )


def test_a_report_is_returned_submitted_again_and_accepted() -> None:
    """Each version keeps its figures; the accepted one counts; who returned what is kept with its reason."""
    home, town = Writer("home-01"), Writer("")
    first = home.write(submission(12))
    back = town.write(e.ReportReturned(reason="少一次家访", version=UUID(bytes=first.id)), first)
    second = home.write(submission(13), back)
    good = town.write(e.ReportAccepted(on=LATER, version=UUID(bytes=second.id)), second)
    _, returned = in_every_order([first, back])
    assert (returned.status, returned.submissions[0].reasons) == ("returned", ("少一次家访",))
    _, report = in_every_order([first, back, second, good])
    assert (report.status, report.figures["visit"].low, report.home) == ("accepted", 13, "home-01")
    assert [one.status for one in report.submissions] == ["returned", "accepted"]
    _, ahead = in_every_order([first, good])
    assert ahead.verdicts_ahead == 1
    _, gone = in_every_order([first, back, second, good, home.write(withdrawal(second))])
    assert gone.figures["visit"].low == 13, "an accepted report does not vanish"


def test_a_report_is_accepted_by_one_and_returned_by_another() -> None:
    """Verdicts that contradict each other are shown as such."""
    home, one, two = Writer("home-01"), Writer("", "one"), Writer("", "two")
    first = home.write(submission(12))
    version = UUID(bytes=first.id)
    verdicts = [
        one.write(e.ReportAccepted(on=LATER, version=version)),
        two.write(e.ReportReturned(reason="不符"), first),
    ]
    _, report = in_every_order([first, *verdicts])
    assert report.status == "contested"


def test_attendance_comes_from_several_homes() -> None:
    """Every home adds its own children; a child named twice is there once, with the part that says most."""
    home, guest = Writer("home-01"), Writer("home-02")
    planned = home.write(e.ActivityPlanned(kind="gala", title="元旦联欢会", on=DAY, level="school", places_kept=61))
    held = home.write(
        e.ActivityHeld(
            kind="gala", on=DAY, present=(CHILD, SECOND), guests=Quantity("at_least", 200), from_time=dt.time(16)
        )
    )
    ours = home.write(e.AttendanceTaken(children=(e.Attendee(child=CHILD, role="performed"),)))
    theirs = guest.write(
        e.AttendanceTaken(
            children=(
                e.Attendee(child=UUID(int=3), role="absent", reason="ill"),
                e.Attendee(child=UUID(int=4), role="performed"),
            )
        )
    )
    _, activity = in_every_order([planned, held, ours, theirs])
    assert (activity.status, activity.title, activity.present, activity.performed) == ("held", "元旦联欢会", 3, 2)
    assert activity.homes == ("home-01", "home-02")
    off = guest.write(e.ActivityCancelled(on=DAY, reason="weather"))
    _, doubtful = in_every_order([planned, held, off])
    assert (doubtful.status, doubtful.doubtful) == ("held", True)


def test_a_meeting_and_what_became_of_its_decisions() -> None:
    """Decisions are numbered, and closed by their number."""
    home = Writer("home-01")
    held = home.write(
        e.MeetingHeld(
            kind="joint",
            on=DAY,
            decisions=(e.Decision(text="修路灯", owner="村委会", due_on=LATER), e.Decision(text="访户")),
        )
    )
    closed = home.write(e.ActionClosed(action=1, on=LATER))
    _, meeting = in_every_order([held, closed])
    assert [(one.number, one.closed_on) for one in meeting.actions] == [(1, LATER), (2, None)]


def test_a_post_is_taken_up_given_up_and_taken_up_again() -> None:
    """Posts are held from a day to a day; where two disagree unknown to each other, nobody is in the post meanwhile."""
    county, home = Writer(""), Writer("home-01")
    joined = home.write(e.WorkerRegistered(name="李山", code="w-1", joined_on=DAY, kinds=("volunteer", "elder")))
    began = county.write(e.RoleAssigned(role="volunteer", at="home-01", from_on=DAY), joined)
    ended = county.write(e.RoleEnded(role="volunteer", at="home-01", on=LATER, reason="term_ended"))
    again = county.write(e.RoleAssigned(role="volunteer", at="home-01", from_on=LATER + dt.timedelta(days=30)))
    hours = home.write(e.ServiceHoursRecorded(on=DAY, hours=exactly(3), service="tutoring"))
    _, worker = in_every_order([joined, began, ended, again, hours])
    assert (worker.kinds, worker.hours, len(worker.posts), len(worker.former_posts)) == (
        ("volunteer", "elder"),
        3,
        1,
        1,
    )
    assert [holds(worker, "volunteer", "home-01", on) for on in (DAY, LATER, LATER + dt.timedelta(days=31))] == [
        True,
        False,
        True,
    ]
    apart = home.write(e.RoleEnded(role="volunteer", at="home-01", on=LATER, reason="left"), began)
    aside = county.write(e.RoleAssigned(role="volunteer", at="home-01", from_on=LATER))
    state, disputed = in_every_order([joined, began, apart, aside])
    assert disputed.posts == ()
    assert len(conflicts_of(state)) == 1


def test_a_loan_is_closed_twice() -> None:
    """Two people who took a book back say the same; the graver outcome stands, the earlier day."""
    one, two = Writer("home-01", "tablet"), Writer("home-01", "pc")
    out = one.write(e.LoanStarted(child=CHILD, book="伊索寓言", out_on=DAY, due_on=DAY + dt.timedelta(days=7)))
    back = one.write(e.LoanClosed(child=CHILD, book="伊索寓言", on=LATER))
    torn = two.write(e.LoanClosed(child=CHILD, book="伊索寓言", on=LATER, outcome="damaged"), out)
    _, loan = in_every_order([out, back, torn])
    assert (loan.status, loan.outcome, loan.closed_on, loan.overdue(LATER)) == ("closed", "damaged", LATER, True)
    _, open_ = in_every_order([out])
    assert (open_.status, open_.overdue(DAY), open_.overdue(LATER)) == ("out", False, True)


def test_a_home_with_timetable_equipment_and_titles() -> None:
    """Sessions on one weekday stand beside each other, a new end replaces the old; titles run out or are taken back."""
    home, county = Writer("home-01"), Writer("")
    begun = home.write(e.HomeRegistered(name="上坪之家", opened_on=DAY, township="石桥镇"))
    hours = {"weekday": "monday", "valid_from": DAY}
    noon = home.write(e.OpeningScheduled(from_time=dt.time(12), to_time=dt.time(13), **hours))
    after = home.write(e.OpeningScheduled(from_time=dt.time(16), to_time=dt.time(17), **hours))
    longer = home.write(e.OpeningScheduled(from_time=dt.time(16), to_time=dt.time(18), **hours))
    ended = home.write(e.OpeningScheduled(from_time=dt.time(12), to_time=dt.time(13), ended=True, **hours))
    _, two = in_every_order([begun, noon, after])
    assert len(two.timetable) == 2
    _, one = in_every_order([begun, noon, after, longer, ended])
    assert [each.to_time for each in one.timetable] == [dt.time(18)]
    title = county.write(e.TitleAwarded(title="model_home", level="county", on=DAY, valid_to=LATER))
    broken = home.write(e.EquipmentStateRecorded(item="family_phone", working=False, since=LATER, fault="无信号"))
    _, place = in_every_order([begun, title, broken])
    assert place.township == "石桥镇"
    assert not place.equipment["family_phone"].working
    assert [len(titles_held(place.titles, on)) for on in (DAY, LATER + dt.timedelta(days=1))] == [1, 0]
    back = county.write(e.TitleAwarded(title="model_home", level="county", on=DAY, withdrawn=True))
    assert titles_held(in_every_order([begun, title, back])[1].titles, DAY) == []


def test_money_in_budget_and_donation() -> None:
    """What is left is what came less what went; purpose-bound money spent on something else is named."""
    finance = Writer("")
    allocated = finance.write(
        e.BudgetAllocated(line="亲情电话", year=2026, amount_fen=500_000, purpose_bound=True, purpose="话费")
    )
    spent = [
        finance.write(e.ExpenseRecorded(amount_fen=120_000, voucher="V1", on=DAY, purpose="话费")),
        finance.write(e.ExpenseRecorded(amount_fen=30_000, voucher="V2", on=DAY, purpose="茶叶")),
    ]
    _, budget = in_every_order([allocated, *spent])
    assert (budget.left_fen, budget.off_purpose) == (350_000, ("V2",))
    given = finance.write(
        e.DonationReceived(donor="县商会", kind="goods", item="书包", value_fen=610_000, on=DAY, quantity=exactly(61))
    )
    issued = finance.write(e.GoodsIssued(item="书包", quantity=exactly(25), on=LATER, child=CHILD))
    _, donation = in_every_order([given, issued])
    assert (donation.left, donation.received_fen) == ({"书包": 36}, 610_000)


def test_a_project_lacks_its_papers() -> None:
    """A stage that was reached without its evaluation names what is missing; the leader merges as a register."""
    office = Writer("")
    proposed = office.write(e.ProjectProposed(title="关爱", need="需求", goal="目标", owner="妇联", leader="王芳"))
    approved = office.write(e.ProjectApproved(on=DAY, number="2026-1"))
    changed = office.write(e.ProjectStaffed(leader="李敏"))
    closed = office.write(e.ProjectClosed(on=LATER, follow_up="copy"))
    _, project = in_every_order([proposed, approved, changed, closed])
    assert (project.status, project.leader, project.missing) == ("closed", "李敏", ("needs", "final"))


def test_notices_are_acknowledged_by_home() -> None:
    """Every home answers once; those addressed that have not are named."""
    county, one = Writer(""), Writer("home-01")
    issued = county.write(e.NoticeIssued(title="开学安全", text="全文", to=("home-01", "home-02"), on=DAY))
    said = one.write(e.NoticeAcknowledged(at=NOON), issued)
    _, notice = in_every_order([issued, said, one.write(e.NoticeAcknowledged(at=NOON + dt.timedelta(days=1)))])
    assert (notice.acknowledged, notice.waiting_for) == ({"home-01": NOON}, ("home-02",))


def test_consent_that_is_disputed_is_not_given() -> None:
    """Where one record says given and another taken back, unknown to each other, it counts as not given."""
    one, two = Writer("home-01"), Writer("home-01", "tablet")
    begun = one.write(e.ChildRegistered(name="小禾", sex="female", registered_on=DAY))
    given = one.write(e.ConsentRecorded(scope=("file", "photo"), on=DAY))
    taken = two.write(e.ConsentRecorded(scope=("photo",), on=DAY, withdrawn=True), begun)
    state, child = in_every_order([begun, given, taken])
    assert child.consents == {"file": True, "photo": False}
    assert [one.field for one in conflicts_of(state)] == ["consent:photo"]


def test_a_vehicle_carries_more_than_it_has_seats() -> None:
    """Overloading is seen from the count, whether or not somebody ticked it."""
    duty = Writer("home-01")
    ledger = duty.write(e.RideRegistered(plate="县A123", driver="赵师傅", seats=19, child_ids=(CHILD,)))
    checks = [duty.write(e.RideChecked(on=DAY, riders=19)), duty.write(e.RideChecked(on=LATER, riders=23))]
    _, vehicle = in_every_order([ledger, *checks])
    assert (vehicle.riders, vehicle.overloaded_on) == ((CHILD,), (LATER,))


def test_who_asks_does_not_decide() -> None:
    """A home that grants its own request, or accepts its own report, decides nothing; its word is kept and counted."""
    home = Writer("home-01")
    asked = home.write(e.AidRequested(kind="relief", programme="救助", reason="困难", child=CHILD, amount_fen=1))
    granted = home.write(e.AidDecided(decision="granted", on=DAY))
    _, aid = in_every_order([asked, granted])
    assert (aid.status, aid.paying, aid.decided_by_homes) == ("requested", False, 1)
    first = home.write(submission(12))
    _, report = in_every_order([first, home.write(e.ReportAccepted(on=DAY, version=UUID(bytes=first.id)))])
    assert report.status == "submitted"
    own = e.PolicyRuleSet(
        rule="O15",
        duty_holder="class_teacher",
        applies_to="child",
        fulfilled_by="talk-held/1",
        every="week",
        from_on=DAY,
    )
    _, county = in_every_order([Writer("").write(own), home.write(own)])
    assert ([len(found) for found in county.rules.values()], county.tightened) == ([1], (("home-01", own),))


def test_every_conflict_has_a_name_in_words() -> None:
    """A contested register is named in Chinese, and a value that is a whole event is told field by field."""
    assert label("consent:photo") == ("监护人同意（photo）", "guardian's consent (photo)")
    assert label("township") == ("乡镇（街道）", "township")
    assert label("driver") == ("驾驶员", "driver")
    assert (
        words("decision", {"decision": "granted", "on": "2026-03-02", "reason": None})
        == "资助审批granted，日期2026-03-02"
    )


def test_a_verdict_finds_a_report_that_was_recorded_again() -> None:
    """After a restore a report stands in another log under its first id; a verdict on the first still means it."""
    old, new, town = Writer("home-01"), Writer("home-01", "after the restore"), Writer("")
    first = old.write(submission(12))
    again = new.write(first.event, first_id=first.id)
    good = town.write(e.ReportAccepted(on=LATER, version=UUID(bytes=first.id)), first)
    for entries in ([first, good], [again, good], [first, again, good]):
        _, report = in_every_order(entries)
        assert (report.status, report.verdicts_ahead, len(report.submissions)) == ("accepted", 0, 1)
