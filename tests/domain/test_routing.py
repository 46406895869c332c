"""Need to know: who is given what of a child, and that a claim alone gives nothing."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain.folding import fold
from domain.records import Record
from domain.returning import returned
from domain.routing import DECIDES, EVERYTHING, Grant, grants, hangs_on, may_change, urgency
from tests.domain.domain_samples import DAY, SUBJECT, Writer, correction, phone, registered, talk, withdrawal
from tests.domain.histories import histories


def given_to(*records: Record) -> dict[str, Grant]:
    """Who is given what."""
    return grants(fold("child", SUBJECT, records))


def day(n: int) -> dt.date:
    return DAY + dt.timedelta(days=n)


def request(to: str, n: int = 10) -> e.Event:
    return e.ChildTransferRequested(to_home=to, on=day(n))


def acceptance(n: int = 12, **changes: Any) -> e.Event:
    return e.ChildTransferAccepted(on=day(n), **changes)


OLD, NEW, OTHER, COUNTY = "home-01", "home-02", "home-03", ""


@pytest.fixture
def homes() -> dict[str, Writer]:
    return {home: Writer(home) for home in (OLD, NEW, OTHER, COUNTY)}


def test_the_only_registrar_is_given_what_others_write(homes):
    """A child's home receives everything about its own child."""
    assert given_to(homes[OLD].write(registered()), homes[OTHER].write(talk(day(3)))) == {OLD: EVERYTHING}


def test_an_accepted_transfer_gives_the_whole_file(homes):
    """The new home is given everything, the former home the acceptance and what that home had written before."""
    born = homes[OLD].write(registered())
    asked = homes[OLD].write(request(NEW), born)
    homes[NEW].write(talk(day(11)))
    taken = homes[NEW].write(acceptance(), asked)
    later = homes[NEW].write(talk(day(20)))
    found = given_to(born, asked, taken, later)
    assert found == {NEW: EVERYTHING, OLD: Grant({taken.log: taken.seq})}
    assert found[OLD].covers(taken.log, taken.seq)
    assert not found[OLD].covers(later.log, later.seq)
    assert not found[OLD].covers(born.log, born.seq)


def test_a_request_alone_gives_nothing(homes):
    """Until it accepts, the home that was asked is given nothing, and what it declines it never sees."""
    born, asked = homes[OLD].write(registered()), homes[OLD].write(request(NEW))
    assert given_to(born, asked) == {OLD: EVERYTHING}
    assert given_to(born, asked, homes[NEW].write(acceptance(accepted=False))) == {OLD: EVERYTHING}


def test_a_claim_alone_gives_nothing(homes):
    """Who accepts a child that nobody offered to it is given nothing, though the picture shows the claim."""
    born, claimed = homes[OLD].write(registered()), homes[NEW].write(acceptance())
    assert given_to(born, claimed) == {}
    asked = homes[OLD].write(request(OTHER))
    assert NEW not in given_to(born, asked, claimed)


def test_a_second_registration_gives_nothing(homes):
    """Who registers another home's child is given nothing of it, also where it withdraws the first registration."""
    born = homes[OLD].write(registered())
    false = homes[NEW].write(registered(on=day(5)))
    gone = homes[NEW].write(withdrawal(born))
    assert given_to(born, false) == {}
    assert given_to(born, false, gone) == {}


def test_a_strangers_withdrawal_never_begins_to_count(homes):
    """What a home wrote before it was shown the file takes nothing from the child's home when it is."""
    born = homes[OLD].write(registered())
    gone = homes[NEW].write(withdrawal(born))
    shown = homes[NEW].write(talk(day(3)), born)
    assert given_to(born, gone) == given_to(born, gone, shown) == {OLD: EVERYTHING}


def amendments(target: Record, field: str, value: Any) -> list[e.Event]:
    """Ways to say of an entry's field that it is otherwise."""
    settled = e.ConflictSettled(field=f"fact:{target.id.hex()}:{field}", value=value, saw=())
    return [correction(target, field, value), settled]


def test_a_strangers_word_on_where_a_child_belongs_never_begins_to_count(homes):
    """Corrections of moves and settlements of `home`, before and after he was shown the file, change nothing."""
    moved = handed_over(homes)
    tricks = [
        *amendments(moved[0], "registered_on", "2034-01-01"),
        *amendments(moved[1], "to_home", OTHER),
        *amendments(moved[2], "on", "2001-01-01"),
        *amendments(moved[2], "accepted", False),
        *amendments(moved[2], "home", OTHER),
        e.ConflictSettled(field="home", value=OTHER, saw=tuple(UUID(bytes=one.id) for one in moved)),
        request(OTHER, 30),
    ]
    expected, state = given_to(*moved), fold("child", SUBJECT, moved)
    for trick in tricks:
        for knows in (False, True):
            liar = Writer(OTHER)
            lie = liar.write(trick, *(moved if knows else ()))
            known = [*moved, lie, liar.write(talk(day(40)), moved[-1])]
            assert given_to(*moved, lie) == given_to(*known) == expected
            assert fold("child", SUBJECT, known).stays == state.stays
            assert [why.code for one, why in returned(fold("child", SUBJECT, known)) if one == lie] == ["not-its-word"]


def test_the_former_home_and_the_new_one_amend_their_own_words_alone(homes):
    """Neither corrects the other's move; the county corrects both, and nobody takes its correction back."""
    moved = handed_over(homes)
    late = correction(moved[2], "on", (day(50)).isoformat())
    for home, counts in ((OLD, False), (NEW, True), (COUNTY, True)):
        mended = Writer(home, f"{home} again").write(late, *moved)
        assert (fold("child", SUBJECT, [*moved, mended]).stays[-1].from_on == day(50)) is counts
        for other in {OLD, NEW, OTHER, COUNTY} - {home}:
            undone = Writer(other, f"{other} later").write(withdrawal(mended), mended)
            stays = fold("child", SUBJECT, [*moved, mended, undone]).stays
            assert (stays[-1].from_on == day(50)) is (counts and other != COUNTY)


def test_a_withdrawal_of_a_correction_is_judged_when_its_move_is_here(homes):
    """A stranger's withdrawal comes first, then the home's correction, then its move: the correction counts."""
    born = homes[OLD].write(registered())._replace(lamport=9)
    mended = homes[OLD].write(correction(born, "registered_on", day(5).isoformat()))._replace(lamport=5)
    chained = homes[OLD].write(correction(mended, "value", day(6).isoformat()))._replace(lamport=6)
    gone = homes[NEW].write(withdrawal(mended))
    shown = homes[NEW].write(talk(day(30)), born)
    name = homes[OLD].write(correction(born, "name", "陈小苗"))._replace(lamport=5)
    unnamed = homes[NEW].write(withdrawal(name))
    for records in ([born, mended, gone, shown], [born, mended, gone._replace(lamport=7), shown]):
        state = fold("child", SUBJECT, records)
        assert [stay.from_on for stay in state.stays] == [day(5)]
        assert [one for one, _ in returned(state)] == [records[2]]
    assert fold("child", SUBJECT, [born, mended, chained, gone, shown]).stays[0].from_on == day(6)
    assert fold("child", SUBJECT, [born, name, shown]).value("name") == "陈小苗"
    for lamport in (1, 7):
        named = fold("child", SUBJECT, [born, name, unnamed._replace(lamport=lamport), shown])
        assert named.value("name") == registered().name


def test_the_county_settles_where_its_own_children_belong():
    """A county's settlement, and its acceptance, move no child of another county's home."""
    home, there, away = Writer("x/home-01"), Writer("y/home-02"), Writer("y/")
    born = home.write(registered())
    claim = there.write(acceptance(), born)
    word = away.write(acceptance(14, home="y/home-02"), born, claim)
    settled = away.write(e.ConflictSettled(field="home", value="y/home-02", saw=()), born, claim)
    assert given_to(born, claim, settled) == given_to(born, word) == given_to(born, claim, word) == {}
    rival = there.write(acceptance(13))
    unseen = away.write(e.ConflictSettled(field="home", value="y/home-02", saw=()), born, rival)
    assert [why.code for one, why in returned(fold("child", SUBJECT, [born, rival, unseen]))] == ["not-its-word"]
    above = Writer("").write(acceptance(15, home="y/home-02"), born, rival)
    assert given_to(born, rival, above)["y/home-02"] == EVERYTHING
    asked = home.write(request("y/home-02", 13), born)
    assert given_to(born, asked, word)["y/home-02"] == EVERYTHING


def test_nobody_can_be_given_a_child_by_who_does_not_have_it(homes):
    """A request by a home that is not the child's opens no way."""
    born = homes[OLD].write(registered())
    false = homes[OTHER].write(registered(on=day(5)))
    asked, taken = homes[OTHER].write(request(NEW)), homes[NEW].write(acceptance())
    assert given_to(born, asked, taken) == {}
    assert given_to(born, false, asked, taken) == {}


def handed_over(homes: dict[str, Writer]) -> list[Record]:
    born = homes[OLD].write(registered())
    asked = homes[OLD].write(request(NEW), born)
    return [born, asked, homes[NEW].write(acceptance(), asked)]


def test_the_former_home_cannot_take_the_child_back_by_its_own_word(homes):
    """It cannot withdraw the acceptance, accept again, register again, or hand the child to a third home."""
    moved = handed_over(homes)
    tricks = [
        [homes[OLD].write(withdrawal(moved[2]))],
        [homes[OLD].write(acceptance(30))],
        [homes[OLD].write(registered(on=day(30)))],
        [homes[OLD].write(request(OTHER, 30)), homes[OTHER].write(acceptance(31))],
        [homes[OLD].write(e.FactCorrected(target=UUID(bytes=moved[2].id), field="on", value="2001-01-01"))],
        [homes[OLD].write(withdrawal(moved[0]))],
    ]
    for trick in tricks:
        found = given_to(*moved, *trick)
        assert found.get(OLD) != EVERYTHING
        assert OTHER not in found


def test_an_old_request_is_not_answered_twice(homes):
    """After there and back again, the first answer cannot be given a second time."""
    moved = handed_over(homes)
    back = homes[NEW].write(request(OLD, 20), moved[-1])
    home = homes[OLD].write(acceptance(22), back)
    assert given_to(*moved, back, home)[OLD] == EVERYTHING
    again = homes[OLD].write(request(NEW, 30), home)
    there = homes[NEW].write(acceptance(32), again)
    found = given_to(*moved, back, home, again, there)
    assert found[NEW] == EVERYTHING
    assert found[OLD] != EVERYTHING
    replayed = homes[OLD].write(acceptance(40))
    assert given_to(*moved, back, home, again, there, replayed).get(OLD) != EVERYTHING


def test_who_accepted_by_mistake_can_take_it_back(homes):
    """The new home withdraws its acceptance: the child is the former home's again, and the new one is given no more."""
    moved = handed_over(homes)
    gone = homes[NEW].write(withdrawal(moved[2]))
    found = given_to(*moved, gone)
    assert found == {OLD: EVERYTHING}


def test_the_county_decides(homes):
    """The county's word gives the child to the home that it names, whoever claims it."""
    born, wrong = homes[OLD].write(registered()), homes[OTHER].write(acceptance(11))
    word = homes[COUNTY].write(acceptance(12, home=NEW), born, wrong)
    found = given_to(born, wrong, word)
    assert found == {NEW: EVERYTHING, OLD: Grant({word.log: word.seq})}


def test_a_child_that_left_is_followed_by_nobody(homes):
    """After a departure nothing new is given."""
    born = homes[OLD].write(registered())
    assert given_to(born, homes[OLD].write(e.ChildDeregistered(on=day(9), reason="moved"))) == {}


def test_what_is_not_a_child_goes_nowhere(homes):
    """Homes, activities, openings, workers and subjects of unknown kind are given to nobody."""
    held = homes[OLD].write(e.OpeningHeld(on=day(1)))
    assert grants(fold("home", SUBJECT, [held])) == {}
    assert grants(fold("", SUBJECT, [])) == {}


@settings(max_examples=300, deadline=None)
@given(histories())
def test_grants_do_not_depend_on_the_order_of_arrival(history):
    """Any order of delivery gives the same grants, and at most one home is given everything."""
    found = given_to(*history)
    mixed = history * 2
    random.Random(len(history)).shuffle(mixed)
    assert given_to(*mixed) == found
    assert sum(grant == EVERYTHING for grant in found.values()) <= 1
    assert "" not in found


@settings(max_examples=300, deadline=None)
@given(histories())
def test_only_named_types_decide(history):
    """An entry of any other type changes no grant: who was given what stands until one that decides."""
    decides = [one for one in history if one.event is not None and _name(one) in DECIDES]
    assert given_to(*decides) == given_to(*history)


@settings(max_examples=300, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_a_grant_stands_until_an_entry_that_may_change_it(history, dice):
    """However the logs arrive between each other, each in its order: what may not change a grant does not."""
    logs = {one.log: [each for each in history if each.log == one.log] for one in history}
    arrived: list[Record] = []
    for log in dice.sample([one.log for one in history], len(history)):
        before, one = given_to(*arrived), logs[log].pop(0)
        arrived.append(one)
        may = one.event is not None and _name(one) in DECIDES and may_change(one.event)
        assert may or given_to(*arrived) == before


def test_a_correction_of_minutes_decides_nothing_and_one_of_a_home_does(homes):
    """The router asks again about a child only where a correction names where the child belongs, or when."""
    assert not may_change(correction(homes[OLD].write(talk(day(3))), "minutes", 20))
    assert may_change(correction(homes[OLD].write(request(NEW)), "to_home", OTHER))


def _name(record: Record) -> str:
    event: Any = record.event
    return event.meta.name if hasattr(event, "meta") else event.type


def test_the_greatest_need_goes_first(homes):
    """Children in difficulty come before others, and the order never changes."""
    writer = homes[OLD]
    plain = fold("child", b"1" * 16, [writer.write(registered())])
    needy = fold(
        "child",
        b"2" * 16,
        [
            writer.write(registered()),
            writer.write(e.ChildCategoryAssessed(categories=("in_difficulty",), assessed_on=DAY)),
        ],
    )
    assert sorted([plain, needy], key=urgency) == [needy, plain]


def test_aid_goes_with_the_child_and_loans_do_not():
    """Aid hangs on the child it was paid to; a loan stays with the home whose book it is."""
    child = UUID(bytes=SUBJECT)
    assert hangs_on(e.AidPaid(child=child, amount_fen=100, on=DAY)) == SUBJECT
    assert hangs_on(e.LoanStarted(child=child, book="b", out_on=DAY)) is None
    assert hangs_on(phone("13800000000", "home_phone")) is None


def test_a_notice_goes_to_the_homes_that_it_names(homes):
    """What the county addressed to a home reaches it, with later corrections, and without what others answered."""
    issued = homes[COUNTY].write(e.NoticeIssued(title="开学安全", text="全文", to=(OLD, NEW)))
    answer = homes[NEW].write(e.NoticeAcknowledged(at=dt.datetime(2024, 9, 2, 8, tzinfo=dt.UTC)), issued)
    mended = homes[COUNTY].write(e.FactCorrected(target=UUID(bytes=issued.id), field="title", value="开学安全提示"))
    given = grants(fold("notice", SUBJECT, [issued, answer, mended]))
    assert given.keys() == {OLD, NEW}
    assert given[OLD].covers(mended.log, mended.seq)
    assert not given[OLD].covers(answer.log, answer.seq)
    assert issued.event.meta.name in DECIDES


def test_a_home_cannot_address_a_notice(homes):
    """A notice that a home wrote goes nowhere, nor one that was withdrawn."""
    own = homes[OLD].write(e.NoticeIssued(title="x", text="y", to=(NEW,)))
    assert grants(fold("notice", SUBJECT, [own])) == {}
    issued = homes[COUNTY].write(e.NoticeIssued(title="x", text="y", to=(NEW,)))
    assert grants(fold("notice", SUBJECT, [issued, homes[COUNTY].write(withdrawal(issued))])) == {}


def test_a_verdict_goes_to_the_home_that_filed(homes):
    """What the county says of a report reaches who filed it, and nobody where two homes filed under one id."""
    filed = e.ReportSubmitted(kind="month", period="2024-09", figures={}, positions={}, on=DAY)
    mine = homes[OLD].write(filed)
    praise = homes[OTHER].write(e.ReportAccepted(on=DAY), mine)
    back = homes[COUNTY].write(e.ReportReturned(reason="少一次家访", version=UUID(bytes=mine.id)), mine)
    assert grants(fold("report", SUBJECT, [mine, praise])) == {}
    assert grants(fold("report", SUBJECT, [mine, praise, back])) == {OLD: Grant({back.log: back.seq})}
    assert grants(fold("report", SUBJECT, [mine, back, homes[NEW].write(filed)])) == {}
    assert {back.event.meta.name, praise.event.meta.name} <= DECIDES


def test_a_request_for_aid_goes_where_the_childs_file_goes():
    """A grant is known to hang on its child from the request on; one for somebody else hangs on nobody."""
    child = UUID(int=7)
    asked = e.AidRequested(kind="relief", programme="x", reason="y", child=child)
    assert hangs_on(asked) == child.bytes
    assert hangs_on(e.AidRequested(kind="prize", programme="x", reason="y", recipient="李四")) is None
