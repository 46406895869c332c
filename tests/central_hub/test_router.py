"""The router with real stores: the new home has the whole file, and nobody has a byte more than its own."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import msgpack
import pytest

from central_hub import router as router_module
from central_hub.loading import Load
from central_hub.ordering import address
from central_hub.router import Router
from domain import events as e
from domain.policy import COUNTY_SUBJECT
from node import mailbox
from node.erasing import Order
from node.mailbox import AddressedOrder
from sync import outbox_sql
from sync.errors import LocalProtocolError, SubjectErased
from sync.log_schema import Row
from sync.store import Store
from tests.central_hub.town import NOW_MS, Town

OLD, NEW, OTHER = "home-01", "home-02", "home-03"
DAY = dt.date(2024, 9, 1)
CHILD = b"child 1 " + bytes(8)


@pytest.fixture
def town(tmp_path):
    """A county of three homes."""
    made = Town(tmp_path, (OLD, NEW, OTHER))
    yield made
    made.close()


def day(n: int) -> dt.date:
    return DAY + dt.timedelta(days=n)


def talk(n: int, note: str = "聊了学习") -> e.Event:
    return e.FamilyContactMade(kind="call", on=day(n), reached=True, minutes=n, note=note)


def register(town: Town, child: bytes = CHILD, home: str = OLD, name: str = "王小雨") -> None:
    town.record(
        home, child, e.ChildRegistered(name=name, sex="female", registered_on=DAY, address="清溪县白水乡南沟村1组")
    )
    town.record(home, child, e.ContactCardChanged(field="home_phone", value="13800000001"))
    town.record(home, child, talk(2))


def move(town: Town, child: bytes = CHILD, giver: str = OLD, taker: str = NEW, on: int = 10) -> None:
    town.record(giver, child, e.ChildTransferRequested(to_home=taker, on=day(on)))
    town.record(taker, child, e.ChildTransferAccepted(on=day(on + 1), number=9))


def test_the_new_home_shows_what_the_hub_shows(town):
    """After a transfer the child's rows at the new home are those at the hub, in every table."""
    register(town)
    register(town, b"another" + bytes(9), name="李小山")
    town.exchange()
    move(town)
    town.exchange()
    hub = town.rows("", CHILD)
    assert hub["child"]
    assert town.rows(NEW, CHILD) == hub
    assert town.rows(OTHER, CHILD)["child"] == []
    town.require_whole()


def test_a_child_that_comes_back_within_one_batch(town):
    """Each stream is given from its first entry on, also where its acceptance was given before the whole file was."""
    register(town)
    town.bring(OLD)
    move(town)
    town.record(NEW, CHILD, talk(15))
    town.record(NEW, CHILD, e.ChildTransferRequested(to_home=OLD, on=day(20)))
    town.bring(NEW)
    town.record(OLD, CHILD, e.ChildTransferAccepted(on=day(21)))
    other = b"another" + bytes(9)
    register(town, other, OTHER, "李小山")
    move(town, other, OTHER, OLD)
    town.exchange()
    for child in (CHILD, other):
        assert town.rows(OLD, child) == town.rows("", child)
    written = [one.seq for one in town.homes[OLD].entries_of_subject(CHILD) if one.log == town.homes[NEW].log]
    assert written == sorted(written)
    town.require_whole()


def test_late_entries_of_the_former_home_follow(town):
    """What the former home wrote before it heard of the transfer arrives at the new home, as the former home's."""
    register(town)
    move(town)
    town.exchange()
    town.record(OLD, CHILD, talk(5, "还没有收到通知"))
    town.record(NEW, CHILD, talk(20))
    town.exchange()
    assert town.rows(NEW, CHILD) == town.rows("", CHILD)
    homes = {row[2] for row in town.rows(NEW, CHILD)["tally"]} | {row[1] for row in town.rows(NEW, CHILD)["tally"]}
    assert {OLD, NEW} <= homes
    town.require_whole()


@pytest.mark.parametrize(("field", "value"), [("minutes", 3), ("on", "2024-09-02"), ("nonsense", "3")])
def test_a_late_correction_of_the_former_home_follows(town, field, value):
    """Whether a correction decides anything (a day may) or not (minutes do not), the new home has it."""
    register(town)
    said = town.record(OLD, CHILD, talk(3))
    move(town)
    town.exchange()
    named = town.record(OLD, CHILD, e.FactCorrected(target=UUID(bytes=said), field=field, value=value))
    town.exchange()
    assert named in {entry.id for entry in town.homes[NEW].entries_of_subject(CHILD)}
    assert town.rows(NEW, CHILD) == town.rows("", CHILD)
    town.require_whole()


def test_the_former_home_learns_that_the_child_was_taken_in_and_no_more(town):
    """The former home shows the child as the new home's, and holds nothing that the new home wrote afterwards."""
    register(town)
    move(town)
    town.record(NEW, CHILD, talk(20, "新家的秘密"))
    town.exchange()
    at_old = town.homes[OLD].entries_of_subject(CHILD)
    foreign = [entry.body() for entry in at_old if entry.log != town.homes[OLD].log]
    assert [body.type for body in foreign] == ["child-transfer-accepted/1"]
    (stay_row,) = town.rows(OLD, CHILD)["child"]
    assert NEW in stay_row
    town.require_whole()


def test_a_child_comes_back(town):
    """There and back again: the first home then has all that the second wrote meanwhile."""
    register(town)
    move(town)
    town.record(NEW, CHILD, talk(13))
    town.exchange()
    seen = {town.homes[OLD].log: 4}
    town.record(NEW, CHILD, e.ChildTransferRequested(to_home=OLD, on=day(30)), seen)
    town.exchange()
    town.record(OLD, CHILD, e.ChildTransferAccepted(on=day(31)))
    town.exchange()
    assert town.rows(OLD, CHILD) == town.rows("", CHILD)
    town.record(OLD, CHILD, talk(40))
    town.exchange()
    assert len(town.homes[NEW].entries_of_subject(CHILD)) == len(town.homes[OLD].entries_of_subject(CHILD)) - 1
    town.require_whole()


def test_a_part_and_then_the_whole_in_one_batch_keep_their_order():
    """A home that is given a stream's beginning alone, and then the whole subject, gets each stream in its order."""
    part, rest, other = (Row(position, 1, stream, 1, None, 1, b"", b"", None) for position, stream in
                         ((7, 1), (8, 1), (3, 2)))  # fmt: skip
    late = rest._replace(position=9)
    load = Load(whole=[((5, b""), rest), ((1, b""), late)], live=[part, other])
    assert load.rows() == [part, rest, late, other]


@pytest.mark.parametrize("batch_count", [1, 2, 3, 500])
def test_batches_do_not_decide_who_gets_what(town, batch_count):
    """However the log is cut into batches, each home ends with the same entries."""
    register(town)
    move(town)
    town.record(NEW, CHILD, talk(20))
    town.bring(OLD, NEW)
    town.route(batch_count)
    town.deliver()
    assert town.rows(NEW, CHILD) == town.rows("", CHILD)
    assert len(town.homes[OLD].entries_of_subject(CHILD)) == 5
    town.require_whole()


@pytest.mark.parametrize("first", [OLD, NEW])
def test_the_order_of_arrival_at_the_hub_does_not_matter(town, first):
    """The acceptance may reach the county before the child's file does."""
    register(town)
    move(town)
    town.bring(first)
    town.route()
    town.bring()
    town.route()
    town.deliver()
    assert town.rows(NEW, CHILD) == town.rows("", CHILD)


def test_a_router_that_starts_again_repeats_nothing(town):
    """A router made anew goes on behind its mark; one without its mark adds nothing twice."""
    register(town)
    move(town)
    town.exchange()
    sizes = [town.hub.reading(lambda db, c=c: outbox_sql.outbox(db, town.box(c)).size) for c in town.homes]
    town.router = type(town.router)(town.hub, town.registry, lambda: 1)
    assert town.router.position == town.hub.position()
    assert list(town.router.catch_up()) == []
    town.router.position = 0
    town.route(3)
    assert [town.hub.reading(lambda db, c=c: outbox_sql.outbox(db, town.box(c)).size) for c in town.homes] == sizes
    town.require_whole()


def test_a_node_that_stops_waits_for_one_batch(town, monkeypatch):
    """However much is waiting: the batch at hand is committed, the rest is routed after the next start."""
    monkeypatch.setattr(router_module, "BATCH_COUNT", 5)
    monkeypatch.setattr(router_module, "PAUSE_S", 3600)
    monkeypatch.setattr(router_module, "REST_S_MAX", 3600)
    for n in range(1, 7):
        register(town, n.to_bytes(16, "big"))
        move(town, n.to_bytes(16, "big"))
    town.bring()
    take = town.router.take

    def taking(end, entries):
        take(end, entries)
        town.hub.wake()  # what SIGTERM does

    monkeypatch.setattr(town.router, "take", taking)
    before = town.router.position
    town.router._follow_once()
    assert town.router.position == before + 5
    town.router._follow_once()
    assert town.router.position == before + 5
    again = Router(town.hub, town.registry, lambda: NOW_MS)
    assert again.position <= before + 5
    assert list(again.catch_up())[-1] == town.hub.position()
    assert len(town.deliveries("home-02")) > 0
    town.require_whole()


def test_aid_goes_with_the_child_and_loans_stay(town):
    """Aid paid before and after a transfer is at the new home; the former home's loan is not."""
    aid, loan = b"aid" + bytes(13), b"loan" + bytes(12)
    register(town)
    child = UUID(bytes=CHILD)
    town.record(OLD, aid, e.AidPaid(child=child, amount_fen=30_000, on=day(3)))
    town.record(OLD, loan, e.LoanStarted(child=child, book="b1", out_on=day(3)))
    move(town)
    town.exchange()
    assert [entry.body().type for entry in town.homes[NEW].entries_of_subject(aid)] == ["aid-paid/1"]
    assert town.homes[NEW].entries_of_subject(loan) == []
    town.record(OLD, aid, e.AidPaid(child=child, amount_fen=30_000, on=day(4)))
    town.exchange()
    assert len(town.homes[NEW].entries_of_subject(aid)) == 2
    assert town.rows(NEW, aid) == town.rows("", aid)


def test_the_neediest_child_goes_first(town):
    """Of children that are handed over together, those in difficulty come first, each with its whole file."""
    children = [bytes([n]) * 16 for n in (1, 2, 3)]
    for child in children:
        register(town, child)
    town.record(OLD, children[2], e.ChildCategoryAssessed(categories=("in_difficulty",), assessed_on=DAY))
    for child in children:
        move(town, child)
    town.bring()
    town.route()
    subjects = []
    for delivery in town.deliveries(NEW):
        subjects += [begun.subject for begun in delivery.push.streams]
    assert subjects[1:] == [children[2], children[0], children[1]]
    ordinals = [row.ordinal for delivery in town.deliveries(NEW) for row in delivery.push.rows]
    assert ordinals == sorted(ordinals)


def test_what_was_erased_before_a_transfer_does_not_travel(town):
    """A child erased at the county is not sent to anybody, not even as headers."""
    register(town)
    town.exchange()
    town.hub.erase([CHILD], by="li", ground="asked", now_ms=1)
    move(town)
    town.exchange()
    assert town.homes[NEW].entries_of_subject(CHILD) == [
        entry for entry in town.homes[NEW].entries_of_subject(CHILD) if entry.log == town.homes[NEW].log
    ]
    assert town.hub.reading(lambda db: outbox_sql.scope(db, CHILD)) == set()
    with pytest.raises(SubjectErased):
        town.record("", CHILD, talk(3))
    town.require_whole()


def test_a_home_names_the_author_of_every_entry(town):
    """The county says whose a log is before its first entry comes, also after the home was opened again."""
    register(town)
    move(town)
    town.exchange()
    assert town.home_of(NEW)(town.homes[OLD].log) == OLD
    assert town.home_of(NEW)(town.hub.log) == ""
    assert town.home_of(NEW)(town.homes[NEW].log) == NEW
    town.homes[NEW].close()
    town.homes[NEW] = Store(town.path / NEW)
    assert town.home_of(NEW)(town.homes[OLD].log) == OLD


def order_of(*subjects: bytes) -> Order:
    return Order(subjects, "li", "家长申请")


def test_an_order_goes_to_whoever_holds_anything(town):
    """The homes that wrote about a subject or were given anything of it are told, once; nobody else is."""
    register(town)
    move(town)
    register(town, b"another" + bytes(9), home=OTHER)
    town.exchange()
    for _ in range(2):
        address(town.hub, order_of(CHILD), 1)
    town.exchange()
    orders = {code: mailbox.pending_orders(town.homes[code], town.key, code) for code in town.homes}
    told = AddressedOrder((CHILD,), "li", "家长申请")
    assert orders == {OLD: [told], NEW: [told], OTHER: []}
    assert CHILD not in msgpack.packb(town.deliveries(OTHER))


def test_an_order_that_was_carried_out_is_pending_no_more(town):
    """A home that erased what it was told to erase is done, and what it was sent before is gone there."""
    register(town)
    move(town)
    town.exchange()
    address(town.hub, order_of(CHILD), 1)
    town.hub.erase([CHILD], by="li", ground="家长申请", now_ms=1)
    town.exchange()
    (told,) = mailbox.pending_orders(town.homes[NEW], town.key, NEW)
    town.homes[NEW].erase(told.subjects, by=told.by, ground=told.ground, now_ms=1)
    assert mailbox.pending_orders(town.homes[NEW], town.key, NEW) == []
    assert town.homes[NEW].entries_of_subject(CHILD) == []
    town.record(OLD, CHILD, talk(30, "迟到的记录"))
    town.exchange()
    assert "迟到的记录".encode() not in b"".join(msgpack.packb(one) for one in town.deliveries(NEW))
    town.require_whole()


def test_only_the_countys_own_log_gives_orders(town):
    """An entry of the same form in a home's log, or about another mailbox, orders nothing."""
    false = mailbox.order(mailbox.mailbox_of(town.key, NEW), [CHILD], "li", "x", 1)
    town.homes[NEW].record([false]).result(10)
    town.homes[OLD].record([false]).result(10)
    town.exchange()
    assert mailbox.pending_orders(town.homes[NEW], town.key, NEW) == []


def test_an_order_that_cannot_be_carried_out_is_not_addressed(town):
    """What the hub cannot erase, nobody is told to erase."""
    with pytest.raises(LocalProtocolError):
        address(town.hub, order_of(town.hub.log), 1)
    assert mailbox.read(town.hub, town.key, OLD).orders == []


def test_who_writes_about_the_erased_too_late_is_told_then(town):
    """A home that was offline and wrote about a child after its erasure is ordered to erase when that arrives."""
    register(town)
    town.exchange()
    address(town.hub, order_of(CHILD), 1)
    town.hub.erase([CHILD], by="li", ground="家长申请", now_ms=1)
    town.record(NEW, CHILD, talk(3, "离线时写的"))
    town.exchange()
    (told,) = mailbox.pending_orders(town.homes[NEW], town.key, NEW)
    assert told == AddressedOrder((CHILD,), "li", "家长申请")
    assert town.hub.reading(outbox_sql.again) == []
    town.record(NEW, CHILD, talk(4))
    town.exchange()
    assert len(mailbox.read(town.homes[NEW], town.key, NEW).orders) == 1
    town.require_whole()


def term(name: str, on: int = 0) -> e.Event:
    return e.TermScheduled(name=name, from_on=day(on), to_on=day(on + 100))


def policy_at(town: Town, code: str) -> list[tuple[str, object]]:
    entries = town.store_of(code).entries_of_subject(COUNTY_SUBJECT)
    return [(body.type, town.home_of(code)(entry.log)) for entry in entries if (body := entry.body())]


def test_the_countys_terms_and_rules_go_to_every_home(town):
    """What the county says of its own subject is in every outbox, also of a home that joins behind it."""
    town.record("", COUNTY_SUBJECT, term("2024-秋"))
    town.exchange()
    town.record("", COUNTY_SUBJECT, e.PolicyRuleSet(rule="O15", from_on=day(0), every="week"))
    town.route(1)
    town.add("home-04")
    town.exchange()
    said = [("term-scheduled/1", ""), ("policy-rule-set/1", "")]
    for code in (OLD, NEW, OTHER, "home-04"):
        assert policy_at(town, code) == said
    town.require_whole()


def test_what_a_home_tightens_is_read_by_the_county_and_by_no_other_home(town):
    """A home's own rules are its own business and the county's."""
    town.record(OLD, COUNTY_SUBJECT, e.PolicyRuleSet(rule="O21", from_on=day(0), times=5))
    town.record("", COUNTY_SUBJECT, term("2024-秋"))
    town.exchange()
    town.exchange()
    assert sorted(policy_at(town, "")) == [("policy-rule-set/1", OLD), ("term-scheduled/1", "")]
    assert sorted(policy_at(town, OLD)) == [("policy-rule-set/1", OLD), ("term-scheduled/1", "")]
    assert policy_at(town, NEW) == [("term-scheduled/1", "")]
    town.require_whole()


def test_a_rule_that_the_county_takes_back_is_taken_back_everywhere(town):
    """A correction of the county's own word follows it."""
    wrong = town.record("", COUNTY_SUBJECT, term("2024-秋"))
    town.exchange()
    town.record("", COUNTY_SUBJECT, e.FactWithdrawn(target=UUID(bytes=wrong)))
    town.exchange()
    assert [kind for kind, _ in policy_at(town, NEW)] == ["term-scheduled/1", "fact-withdrawn/1"]
