"""A home and its county are both put back: what only another home still has of that home's word comes back, once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from central_hub.revoking import reinstate, revoke
from domain import events as e
from domain.event import RevokedEvent
from node.deciding import Wished, folding_of, record
from node.records import draft_of
from node.revocation import Revocations
from sync import epoch
from sync.entry import EXT_STOOD
from sync.errors import VerificationError
from sync.log_schema import Kind
from sync.log_sql import branches
from sync.outbox_receiving import TakeIn
from sync.outbox_taking import follow, receiver_of, take_in
from sync.receipts import Greeted
from sync.store import Store
from sync.witness import taken_of
from tests.central_hub.test_router import CHILD, NEW, OLD, OTHER, talk
from tests.central_hub.test_taken_back import Giving
from tests.central_hub.town import NOW_MS


class Both(Giving):
    """A county of which homes are put back, too."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.exchange()
        self.save()
        self.save_home(OLD)

    def save_home(self, code: str) -> None:
        self.homes[code].close()
        shutil.copytree(self.path / code, self.path / f"{code}.copy")
        self.homes[code] = Store(self.path / code)

    def put_home_back(self, code: str) -> None:
        self.homes[code].close()
        shutil.rmtree(self.path / code)
        shutil.copytree(self.path / f"{code}.copy", self.path / code)
        self.homes[code] = Store(self.path / code)

    def put_both_back(self) -> None:
        """The new home, which alone is as it was, shows the county what it forgot."""
        self.put_home_back(OLD)
        self.lose(NEW)

    def come(self, code: str) -> None:
        """A home's exchange, with its receipt."""
        home = self.homes[code]
        self.restoring.settle(home.log)
        self.bring(code)
        signed = home.sign(home.size(home.log))
        greeted = Greeted(signed.size, NOW_MS, NOW_MS)
        now = epoch.current(self.hub)
        kept, _ = self.hub.give_receipt(home.log, signed, greeted, epoch=now, backed_up_to=0, clock_ms=NOW_MS)
        kept.result(10)

    def given(self) -> int:
        """How much the county says, in OutboxAt, that the new home gave back in this epoch."""
        return taken_of(self.hub, self.box(NEW), self.homes[NEW].log)

    def ids(self, code: str) -> set[bytes]:
        """What counts of the child at a home, by first id."""
        taken = folding_of(self.store_of(code), CHILD, self.home_of(code)).taken()
        return {one.first_id or one.id for one in taken}


@pytest.fixture
def town(tmp_path):
    """A county of three homes, one child of which has moved; copies of its hub and of the child's former home."""
    made = Both(tmp_path)
    yield made
    made.close()


def lost_words(town: Both) -> list[bytes]:
    """What the former home wrote late, and only the new home will still have."""
    said = [town.record(OLD, CHILD, talk(n)) for n in (7, 8)]
    town.exchange()
    return said


def test_two_entries_at_one_place_both_count(town):
    """The former home wrote the places anew: the new home keeps what it showed, takes the rest, and all show both."""
    said = lost_words(town)
    town.put_both_back()
    anew = [town.record(OLD, CHILD, talk(n, "又写了一遍")) for n in (20, 21, 22)]
    town.come(OLD)
    town.give_back()
    town.exchange()
    for code in ("", NEW):
        assert {*said, *anew} <= town.ids(code)
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    homes = {one.home for one in folding_of(town.hub, CHILD, town.home_of("")).taken() if one.id in said}
    assert homes == {OLD}, "it is that home's word"
    size = town.hub.position()
    town.give_back()
    assert town.hub.position() == size
    town.require_whole()
    kinds = [branch.kind for branch in town.homes[NEW].reading(branches)]
    assert Kind.BESIDE in kinds


def test_what_is_gone_before_anything_is_written_anew(town):
    """The county cannot know at first: when that home was here, and is shorter, it asks for it once more."""
    said = lost_words(town)
    town.put_both_back()
    before = town.given()
    town.give_back()
    assert town.given() > before
    town.exchange(NEW)
    assert not set(said) & town.ids("")
    town.come(NEW)
    assert town.given() > before
    town.come(OLD)
    town.come(NEW)
    assert town.given() == before, "the county says that it took less: it is given everything again"
    town.give_back(NEW)
    assert set(said) <= town.ids("")
    assert town.given() > before
    anew = town.record(OLD, CHILD, talk(20))
    town.exchange()
    assert {*said, anew} <= town.ids(NEW) & town.ids("")
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    town.come(NEW)
    assert town.given() > before
    town.require_whole()


def test_what_was_said_again_counts_when_its_home_is_revoked(town):
    """The county held it when it revoked the log, though at places behind what it held of that log."""
    said = lost_words(town)
    town.put_both_back()
    town.record(OLD, CHILD, talk(20))
    town.come(OLD)
    town.give_back()
    town.exchange()
    log, before = town.homes[OLD].log, town.rows("", CHILD)
    assert set(said) <= town.ids("")
    places = [one.seq for one in folding_of(town.hub, CHILD, town.home_of("")).taken() if one.id in said]
    assert max(places) > town.hub.size(log)
    asked = {"which": log.hex(), "by": "li", "ground": "电脑被盗"}
    revoke(town.hub, lambda _: town.registry.code_of, asked, NOW_MS)
    assert town.rows("", CHILD) == before
    late = [town.record(OLD, CHILD, talk(n)) for n in (21, 22)]
    town.exchange()
    revoked = Revocations(town.hub, home_of=town.registry.code_of)
    taken = folding_of(town.hub, CHILD, town.home_of("")).taken()
    assert {one.id for one in taken if revoked.withholds(one.log, one.seq, one.id)} == set(late)
    assert {one.id for one in taken if isinstance(one.event, RevokedEvent)} == set(late)
    reinstate(town.hub, lambda _: town.registry.code_of, asked, NOW_MS)
    assert not any(isinstance(one.event, RevokedEvent) for one in folding_of(town.hub, CHILD, town.home_of("")).taken())
    town.require_whole()


def test_what_its_own_home_brings_again_is_not_said_twice(town):
    """Only the county was put back: it waits for the home that wrote it, and records nothing in its place."""
    said = lost_words(town)
    town.lose(NEW)
    town.give_back()
    before = town.said_by_county()
    town.come(OLD)
    town.come(NEW)
    town.give_back()
    town.exchange()
    assert town.said_by_county() == before
    assert set(said) <= town.ids("")
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)


def phone(number: int) -> e.ContactCardChanged:
    """An edit of one field."""
    return e.ContactCardChanged(field="home_phone", value=f"138000000{number:02}")


def phones(town: Both, code: str) -> list[str]:
    """What stands in that field at a home, or at the county."""
    heads = folding_of(town.store_of(code), CHILD, town.home_of(code)).heads("home_phone")
    return sorted(head.value[-2:].lstrip("0") for head in heads)


def test_a_value_of_each_life_stands(town):
    """A field was set before the home was put back, and again later in its log, unknown to each other: a conflict."""
    town.record(OLD, CHILD, phone(1))
    town.exchange()
    town.put_both_back()
    for n in range(4):
        town.record(OLD, b"another child 1!", talk(n + 1))
    for n in (2, 3):
        town.record(OLD, CHILD, phone(n))
    town.come(OLD)
    town.give_back()
    town.exchange()
    for code in ("", NEW):
        assert phones(town, code) == ["1", "3"]
        assert len(town.rows(code, CHILD)["conflict"]) == 2
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    record(town.homes[NEW], town.home_of(NEW), CHILD, "li", NOW_MS, lambda _: Wished([phone(4)]))
    town.exchange()
    for code in ("", NEW):
        assert phones(town, code) == ["4"]
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)


@pytest.mark.parametrize("killed", [False, True])
def test_what_comes_back_in_parts_is_one_life(town, killed):
    """Each part says behind what it was written, also where that came with another part, or stayed at the county."""
    town.record(OLD, CHILD, phone(1))
    town.exchange()
    town.save("later")
    town.homes[OLD].close()
    shutil.rmtree(town.path / f"{OLD}.copy")
    town.homes[OLD] = Store(town.path / OLD)
    town.save_home(OLD)
    for n in (2, 3):
        town.record(OLD, CHILD, phone(n))
        town.exchange()
    told = town.outbox_of(NEW)
    town.put_home_back(OLD)
    town.put_back("later")
    town.restoring.answer(town.homes[NEW].log, told)
    for n in range(6):
        town.record(OLD, b"another child 1!", talk(n + 1))
    town.come(OLD)
    parts = town.returned(NEW)
    assert len(parts) > 1
    for part in parts:
        town.restoring.answer(town.homes[NEW].log, part)
        if killed:
            town.hub.close()
            town.hub = Store(town.path / "hub")
            town.open()
    town.exchange()
    for code in ("", NEW):
        assert phones(town, code) == ["3"]
        assert town.rows(code, CHILD)["conflict"] == []
    town.record(OLD, CHILD, phone(4))
    town.exchange()
    for code in ("", NEW):
        assert phones(town, code) == ["3", "4"]
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)


def test_an_edit_that_saw_both_replaces_both(town):
    """At one place stand two entries, the later of which is not the newest by its log: whoever saw all settles all."""
    for n in range(5):
        town.record(OLD, b"another child 1!", talk(n + 1))
    town.record(OLD, CHILD, e.ContactCardChanged(field="home_phone", value="13800000002"))
    town.exchange()
    town.put_both_back()
    for n in range(6):
        town.record(OLD, CHILD, e.ContactCardChanged(field="home_phone", value=f"1380000001{n}"))
    town.come(OLD)
    town.give_back()
    town.exchange()
    event = e.ContactCardChanged(field="home_phone", value="13900000000")
    record(town.homes[NEW], town.home_of(NEW), CHILD, "li", NOW_MS, lambda _: Wished([event]))
    town.exchange()
    for code in ("", NEW):
        heads = folding_of(town.store_of(code), CHILD, town.home_of(code)).heads("home_phone")
        assert [head.value for head in heads] == ["13900000000"]
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)


def test_nobody_else_has_it_said_in_another_homes_name(town):
    """A home that writes where its entry stood says nothing by it, neither itself nor when the county repeats it."""
    forged = [town.homes[OTHER].log, 1, bytes(16), 9, OTHER]
    draft = draft_of(CHILD, talk(9), "li", NOW_MS)._replace(extensions={EXT_STOOD: forged})
    (one,) = town.homes[OLD].record([draft]).result(10)
    town.exchange()
    town.put_both_back()
    town.record(OLD, CHILD, talk(20))
    town.come(OLD)
    town.give_back()
    town.exchange()
    for code in ("", NEW):
        found = [r for r in folding_of(town.store_of(code), CHILD, town.home_of(code)).taken() if r.id == one.id]
        assert {(r.home, r.log, r.seq) for r in found} == {(OLD, town.homes[OLD].log, one.seq)}


def test_within_one_epoch_another_entry_is_refused(town):
    """A county that says two things of one place in one epoch is not believed, whatever older epochs had there."""
    lost_words(town)
    town.put_both_back()
    for n in (20, 21, 22):
        town.record(OLD, CHILD, talk(n))
    town.exchange(OLD)
    home, now = town.homes[NEW], town.box(NEW)
    follow(home, town.key, NEW, epoch.current(town.hub))
    receiver = receiver_of(home, now)
    for delivery in town.deliveries(NEW):
        for effect in receiver.receive(delivery):
            if isinstance(effect, TakeIn):
                take_in(home, parcel := effect.parcel)
    assert Kind.BESIDE in {branch.kind for branch in home.reading(branches)}
    before = home.position()
    end, trees = parcel.frontier.extend([bytes(32)])
    other = parcel.entries[-1]._replace(commitment=bytes(32))
    again = parcel._replace(start=parcel.frontier.size, entries=[other], seqs=parcel.seqs[-1:], streams=[], origins=[])
    with pytest.raises(VerificationError, match="than before"):
        take_in(home, again._replace(frontier=end, trees=trees))
    assert home.position() == before
