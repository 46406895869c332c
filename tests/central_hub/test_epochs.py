"""A hub that begins a new epoch: it stays who it is, outboxes begin anew, and no home notices but that it heals."""

from __future__ import annotations

from uuid import UUID

import pytest

from central_hub.ordering import address
from central_hub.registry import Admissions, Registry
from central_hub.revoking import revoke
from central_hub.router import Router
from domain import events as e
from node import mailbox
from node.erasing import Order
from node.incarnations import BACKUP, shown
from node.revocation import Revocations
from sync import epoch, outbox, outbox_sql
from sync.batch import Draft
from sync.entry import log_id
from sync.note import checkpoint_text, verify_cosignature
from sync.store import Store
from tests.central_hub.test_router import CHILD, NEW, OLD, OTHER, day, move, register, talk
from tests.central_hub.town import NOW_MS, Town


@pytest.fixture
def town(tmp_path):
    """A county of three homes, one child of which has moved."""
    made = Town(tmp_path, (OLD, NEW, OTHER))
    register(made)
    move(made)
    made.exchange()
    yield made
    made.close()


def restart(town: Town) -> None:
    town.hub.close()
    town.hub = Store(town.path / "hub")
    town.registry = Admissions(town.hub, lambda: NOW_MS)
    town.router = Router(town.hub, town.registry, lambda: NOW_MS)


def settle(town: Town, name: str) -> None:
    """The county corrects the child's name."""
    registered = next(entry for entry in town.hub.entries_of_subject(CHILD) if entry.seq == 1)
    seen = {entry.log: entry.seq for entry in sorted(town.hub.entries_of_subject(CHILD), key=lambda one: one.seq)}
    target = registered.id.hex()
    correction = e.FactCorrected(target=UUID(target), field="name", value=name)
    town.record("", CHILD, correction, {log: seq for log, seq in seen.items() if log != town.hub.log})


@pytest.mark.parametrize("restarted", [False, True])
def test_a_new_epoch_begins_new_outboxes_and_doubles_nothing(town, restarted):
    """In the next epoch each home is given the same again, holds each entry once, and shows what it showed."""
    key, before = town.key, {code: town.homes[code].position() for code in town.homes}
    sizes = {code: outbox.size_of(town.hub, town.box(code)) for code in town.homes}
    rows = town.rows(NEW, CHILD)
    assert epoch.open_next(town.hub, BACKUP, NOW_MS) == 2
    if restarted:
        restart(town)
    assert (town.key, epoch.current(town.hub), town.router.outbox_of(town.homes[OLD].log)[1]) == (key, 2, 2)
    assert {code: outbox.size_of(town.hub, town.box(code)) for code in town.homes} == dict.fromkeys(town.homes, 0)
    town.exchange()
    assert {code: outbox.size_of(town.hub, town.box(code)) for code in town.homes} == sizes
    assert {code: town.homes[code].position() for code in town.homes} == before
    assert town.rows(NEW, CHILD) == rows == town.rows("", CHILD)
    town.record(OLD, CHILD, talk(6))
    town.exchange()
    assert town.rows(NEW, CHILD) == town.rows("", CHILD) != rows
    town.require_whole()


def test_the_county_is_who_it_was(town):
    """Homes, revocations and receipts stand: the registry folds all own logs, and one key signs for the county."""
    homes = [(home.code, home.logs) for home in Registry(town.hub).homes()]
    log = town.homes[OTHER].log
    town.record(OTHER, CHILD, talk(3))
    town.bring(OTHER)
    revoke(town.hub, lambda _: lambda _: "", {"which": log.hex(), "by": "li", "ground": "stolen"}, NOW_MS)
    first = town.hub.log
    epoch.open_next(town.hub, BACKUP, NOW_MS)
    town.registry.invite("home-04", "home-04", bytes(32))
    assert town.hub.log != first == log_id(town.key)
    assert [(home.code, home.logs) for home in Registry(town.hub).homes()] == [*homes, ("home-04", {})]
    assert Revocations(town.hub).withholds(log, 2)
    assert not Revocations(town.hub).withholds(log, 1)
    root = town.hub.root(log, 1)
    receipt = town.hub.receipt(log, 1, root, 7)
    assert verify_cosignature(town.key, checkpoint_text(f"homeward/{log.hex()}", 1, root), receipt) == 7
    assert [(one["why"], one["epoch"]) for one in shown(town.hub)] == [(BACKUP, 2)]
    assert "新的一期" in shown(town.hub)[0]["words"]


def test_what_the_county_says_in_its_new_log_is_believed(town):
    """A correction and an order of erasure of a restored county reach the homes, which prove whose they are."""
    epoch.open_next(town.hub, BACKUP, NOW_MS)
    settle(town, "王大雨")
    town.exchange()
    assert "王大雨" in str(town.rows(NEW, CHILD)["child"])
    assert town.rows(NEW, CHILD) == town.rows("", CHILD)
    assert town.home_of(NEW)(town.hub.log) == ""
    epoch.open_next(town.hub, BACKUP, NOW_MS)
    address(town.hub, Order((CHILD,), "li", "asked"), NOW_MS)
    town.exchange()
    for code in (OLD, NEW):
        (order,) = mailbox.pending_orders(town.homes[code], town.key, code)
        assert order.subjects == (CHILD,)
        assert town.hub.log in mailbox.read(town.homes[code], town.key, code).logs
    assert mailbox.pending_orders(town.homes[OTHER], town.key, OTHER) == []
    town.require_whole()


def test_nobody_else_speaks_from_a_mailbox(town):
    """What a home writes about another home's mailbox comes to nobody, and the mailbox goes to nobody but its home."""
    victim = mailbox.mailbox_of(town.key, NEW)
    liar = town.homes[OTHER]
    forged = mailbox.order(victim, [CHILD], "li", "forged", NOW_MS)
    signature = liar.signer.sign_bytes(mailbox.proof_text(liar.log))
    proof = Draft(mailbox.COUNTY_LOG, "county", victim, NOW_MS, {"log": liar.log, "signature": signature})
    liar.record([proof, forged]).result(10)
    town.record(OTHER, victim, e.ChildRegistered(name="假", sex="male", registered_on=day(0)))
    town.record(OTHER, victim, e.ChildTransferRequested(to_home=NEW, on=day(1)))
    town.record(NEW, victim, e.ChildTransferAccepted(on=day(2)))
    epoch.open_next(town.hub, BACKUP, NOW_MS)
    for _ in range(2):
        town.exchange()
    at_victim = [entry for entry in town.homes[NEW].entries_of_subject(victim) if entry.log == liar.log]
    assert at_victim == []
    assert [entry for entry in liar.entries_of_subject(victim) if entry.log != liar.log] == []
    liar.record([mailbox.order(mailbox.mailbox_of(town.key, OTHER), [CHILD], "li", "forged", NOW_MS), proof]).result(10)
    assert mailbox.pending_orders(liar, town.key, OTHER) == []
    assert mailbox.pending_orders(town.homes[NEW], town.key, NEW) == []


def test_a_batch_on_its_way_when_an_epoch_begins_is_dropped(town):
    """Nothing is appended to the outboxes of an epoch that is over, and nothing is left out of the new ones."""
    town.record(OLD, CHILD, talk(6))
    town.bring()
    old = town.box(NEW)
    size = outbox.size_of(town.hub, old)
    submit = town.hub.submit

    def begin_first(work):
        town.hub.submit = submit
        epoch.open_next(town.hub, BACKUP, NOW_MS)
        return submit(work)

    town.hub.submit = begin_first
    town.route()
    assert outbox.size_of(town.hub, old) == size
    town.exchange()
    assert town.rows(NEW, CHILD) == town.rows("", CHILD)
    with_old = town.hub.reading(outbox_sql.outboxes)
    assert {box.epoch for box in with_old} == {1, 2}


def test_an_epoch_is_greater_than_any_that_was_shown(town):
    """Epochs never repeat: what others have seen of later ones counts."""
    assert epoch.open_next(town.hub, BACKUP, NOW_MS, shown=6) == 7
    assert epoch.open_next(town.hub, BACKUP, NOW_MS, shown=6) == 8
    restart(town)
    assert epoch.current(town.hub) == 8
