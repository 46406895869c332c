"""Two lives of one log: what one set and the other had not seen is never overwritten, in any order of delivery."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest

from domain import events as e
from domain import forms
from domain.folding import Folding, fold
from domain.records import Apart, Record, canonical
from tests.domain.deliveries import in_every_order
from tests.domain.domain_samples import SUBJECT, Writer, correction, entry_id, log_of, registered

COUNTY = log_of("county, later")
FIELD = "home_phone"


class Home(Writer):
    """A log that can be put back: what it wrote since is of another life, and comes back apart."""

    def __init__(self, home: str) -> None:
        super().__init__(home)
        self.life: list[Record] = []
        self.gone: list[Record] = []
        self.lives = 0

    def say(self, event: Any, *sees: Record, saw: Iterable[bytes] = (), lamport: int = 0) -> Record:
        """Write about the child."""
        self.lamport = max(self.lamport, lamport - 1)
        one = self.write(event, *sees)._replace(saw=tuple(saw))
        self.life.append(one._replace(id=entry_id(self.log, self.seq, self.lives)))
        return self.life[-1]

    def elsewhere(self, count: int = 1) -> None:
        """Write about somebody else."""
        self.seq += count

    def put_back(self, size: int, seq: int) -> None:
        """Only so many of the entries about the child are left, and the log ends at this seq."""
        self.gone += apart(self.life, size)
        del self.life[size:]
        self.lives += 1
        self.seq = seq
        self.lamport = max((one.lamport for one in self.life), default=0)

    @property
    def all(self) -> list[Record]:
        """What the log has as it stands, and what came back apart."""
        return [*self.life, *self.gone]


def apart(life: list[Record], size: int, since: int = 0) -> list[Record]:
    """The entries behind the first ones, as the county says them again."""
    before = [b"", *(one.id for one in life)]
    return [one._replace(apart=Apart(before[n], COUNTY, since + one.seq)) for n, one in enumerate(life) if n >= size]


def phone(value: int) -> e.ContactCardChanged:
    """An edit of one field."""
    return e.ContactCardChanged(field=FIELD, value=f"1380000{value:04}")


def values(records: Iterable[Record]) -> list[str]:
    """What stands in the field."""
    return sorted(head.value[-4:].lstrip("0") for head in fold("child", SUBJECT, records).heads(FIELD))


def test_a_value_of_each_life_stands():
    """Both lives set the field: a conflict with both values, in every order; what both saw is replaced."""
    home = Home("home-01")
    home.say(registered())
    home.say(phone(1))
    home.say(phone(2))
    home.put_back(2, 2)
    home.elsewhere(3)
    home.say(phone(3))
    home.say(phone(4))
    state, _ = in_every_order(home.all)
    assert values(home.all) == ["2", "4"]
    assert list(state.conflicts()) == [FIELD]


def test_a_life_has_seen_itself():
    """What comes back is one life: its later values replace its earlier ones, and those that both lives had."""
    home = Home("home-01")
    home.say(registered())
    home.say(phone(1))
    for value in (2, 3):
        home.elsewhere()
        home.say(phone(value))
    home.put_back(2, 2)
    home.elsewhere(9)
    state, _ = in_every_order(home.all)
    assert values(home.all) == ["3"]
    assert not state.conflicts()


def test_what_was_built_on_a_life_fits():
    """Another home's edit on what came back has replaced that, and nothing that was written in its place."""
    home, other = Home("home-01"), Home("home-02")
    home.say(registered())
    home.elsewhere(4)
    seen = home.say(phone(2))
    other.say(phone(3), seen)
    home.put_back(1, 1)
    records = [*home.all, *other.all]
    in_every_order(records)
    assert values(records) == ["3"]
    home.elsewhere()
    home.say(phone(4))
    home.say(registered("另一个"))
    records = [*home.all, *other.all]
    in_every_order(records)
    assert values(records) == ["3", "4"]


def test_deps_that_may_mean_two_lives_replace_neither():
    """At the place that an edit names stand entries of both lives: nothing behind what they share counts as seen."""
    home, other = Home("home-01"), Home("home-02")
    home.say(registered())
    home.say(phone(1))
    first = home.say(phone(2))
    home.put_back(2, 2)
    home.say(phone(3))
    other.say(phone(4), first, lamport=9)
    records = [*home.all, *other.all]
    in_every_order(records)
    assert values(records) == ["2", "3", "4"]


def test_deps_on_what_is_not_here_mean_what_all_lives_share():
    """The entry that an edit names is missing: nobody knows of which life it was."""
    home, other = Home("home-01"), Home("home-02")
    home.say(registered())
    home.say(phone(1))
    home.say(phone(2))
    missing = home.say(registered("另一个"))
    home.put_back(2, 2)
    home.say(phone(3))
    other.say(phone(4), missing, lamport=9)
    records = [one for one in (*home.all, *other.all) if one.id != missing.id]
    in_every_order(records)
    assert values(records) == ["2", "3", "4"]


@pytest.mark.parametrize("by_settling", [True, False])
def test_who_was_shown_both_decides(by_settling):
    """A settlement, and an ordinary edit on a form that showed both values, replace both; and whatever comes later."""
    home, other = Home("home-01"), Home("home-02")
    home.say(registered())
    home.say(phone(2))
    home.put_back(1, 1)
    home.say(phone(3))
    records = list(home.all)
    version = forms.version_of(records)
    assert forms.read(forms.text_of(version)) == version
    deps = forms.deps_of(version, other.log, records)
    saw = forms.saw_of(version, other.log, records)
    assert saw == (home.gone[0].id,)
    heads = fold("child", SUBJECT, records).heads(FIELD)
    event: Any = phone(5)
    if by_settling:
        event = e.ConflictSettled(field=FIELD, value="13800000005", saw=tuple(UUID(bytes=one.id) for one in heads))
    lamport = forms.lamport_behind(deps, records, saw)
    settled = other.say(event, saw=saw, lamport=lamport)._replace(deps=deps)
    records.append(settled)
    in_every_order(records)
    assert values(records) == ["5"]
    assert forms.saw_of(forms.version_of(records), other.log, records) == (), "named once"
    records.append(home.say(phone(6), settled))
    in_every_order(records)
    assert values(records) == ["6"]


def test_a_form_shows_what_stands_apart_where_it_is_said_again():
    """A form from before the county said it again did not show it, though its seq is small."""
    home = Home("home-01")
    home.say(registered())
    home.say(phone(2))
    home.put_back(1, 1)
    home.elsewhere(5)
    home.say(phone(3))
    before = forms.version_of(home.life)
    standing = fold("child", SUBJECT, home.all)
    shown = forms.shown_fields(standing, phone(4), "home-01", before)
    assert shown == {FIELD: frozenset({home.life[-1].id})}
    assert forms.saw_of(before, home.log, home.all) == ()


def test_who_knows_both_lives_means_by_a_place_what_stands_there():
    """Deps of whoever names by its id what stands apart at a place are no longer ambiguous."""
    home, other = Home("home-01"), Home("home-02")
    home.say(registered())
    home.say(phone(2))
    home.put_back(1, 1)
    home.say(phone(3))
    records = list(home.all)
    deps = {home.log: 2}
    edit = other.say(phone(4), saw=[home.gone[0].id], lamport=9)._replace(deps=deps)
    records.append(edit)
    in_every_order(records)
    assert values(records) == ["4"]


def test_all_copies_of_an_entry_count_as_the_one_that_stands_apart():
    """A home has it where it stood, too, or said again twice, once by a county that did not know behind what."""
    home = Home("home-01")
    home.say(registered())
    home.say(phone(1))
    first = home.say(phone(2))
    home.put_back(2, 2)
    home.elsewhere(2)
    home.say(phone(3))
    expected = fold("child", SUBJECT, home.all)
    unknown = first._replace(apart=Apart(b"", COUNTY, 77))
    for more in ([first], [unknown], [first, unknown]):
        in_every_order([*home.all, *more])
        found = fold("child", SUBJECT, [*home.all, *more])
        assert found.registers == expected.registers
        assert found.conflicts() == expected.conflicts()


def test_behind_what_nobody_knows_everything_stands():
    """What does not say behind what it was written, or names what is not here, has replaced nothing of its log."""
    home = Home("home-01")
    home.say(registered())
    home.say(phone(1))
    home.say(phone(2))
    home.put_back(2, 2)
    for behind in (b"", b"nobody knows it!"):
        (gone,) = home.gone
        records = [*home.life, gone._replace(apart=gone.apart._replace(behind=behind))]
        in_every_order(records)
        assert values(records) == ["1", "2"]


def test_a_correction_that_waits_has_not_seen_the_other_life():
    """A correction is here before the entry that it names, and a value of another life between them."""
    home, other = Home("home-01"), Home("home-02")
    home.say(registered())
    target = other.say(phone(1), home.life[0], lamport=20)
    first = home.say(correction(target, "value", "13800000002"))
    home.put_back(1, 1)
    home.elsewhere(1)
    home.say(correction(target, "value", "13800000003"))
    records = [*home.all, *other.all]
    assert first.lamport < target.lamport
    in_every_order(records)
    assert set(values(records)) >= {"2", "3"}


class World:
    """Random lives of two homes, who write, see each other's entries, and are put back; what each had really seen."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.homes = [Home("home-01"), Home("home-02")]
        self.truth: dict[bytes, frozenset[bytes]] = {}
        self.knows = [frozenset[bytes](), frozenset[bytes]()]
        self.kept: list[list[tuple[int, int, frozenset[bytes]]]] = [[], []]
        born = self.homes[0].say(registered())
        self.told(0, born, ())
        self.told(1, self.homes[1].say(phone(1), born), [born.id])
        self.number = 1

    def told(self, n: int, one: Record, sees: Iterable[bytes]) -> None:
        self.knows[n] |= frozenset(sees)
        self.truth[one.id] = self.knows[n]
        self.knows[n] |= {one.id}

    def edit(self, n: int) -> None:
        mine, other = self.homes[n], self.homes[1 - n]
        self.number += 1
        if not other.life or self.dice.random() < 0.5:
            self.told(n, mine.say(phone(self.number)), ())
            return
        until = self.dice.randrange(len(other.life))
        shown = [one.id for one in other.life[: until + 1]]
        self.told(n, mine.say(phone(self.number), other.life[until]), shown)

    def form(self, n: int) -> None:
        """An edit by somebody who was shown everything that there is, and nothing else."""
        records = canonical(self.records())
        mine = self.homes[n]
        version = forms.version_of(records)
        deps, saw = forms.deps_of(version, mine.log, records), forms.saw_of(version, mine.log, records)
        lamport = forms.lamport_behind(deps, records, saw) or 1 + max(one.lamport for one in records)
        self.number += 1
        one = mine.say(phone(self.number), saw=saw, lamport=lamport)
        mine.life[-1] = one._replace(deps=deps)
        self.told(n, one, [record.id for record in records])

    def step(self) -> None:
        n = self.dice.randrange(2)
        home, what = self.homes[n], self.dice.random()
        if what < 0.5:
            self.edit(n)
        elif what < 0.65:
            home.elsewhere(self.dice.randint(1, 3))
        elif what < 0.8:
            self.kept[n].append((len(home.life), home.seq, self.knows[n]))
        elif what < 0.9 and self.kept[n]:
            self.put_back(n, self.dice.randrange(len(self.kept[n])))
        elif self.homes[0].gone or self.homes[1].gone:
            self.form(n)

    def put_back(self, n: int, number: int) -> None:
        size, seq, self.knows[n] = self.kept[n][number]
        del self.kept[n][number + 1 :]  # later copies are of the life that ends
        self.homes[n].put_back(size, seq)

    def records(self) -> list[Record]:
        return [*self.homes[0].all, *self.homes[1].all]

    def require(self) -> None:
        """What nobody who saw it replaced stands; in every order of delivery."""
        records = self.records()
        heads = {head.id for head in fold("child", SUBJECT, records).heads(FIELD)}
        edits = {one.id for one in records if isinstance(one.event, e.ContactCardChanged)}
        for id_ in edits - heads:
            assert any(id_ in self.truth[other] for other in edits), f"{id_.hex()} was overwritten in silence"


def test_nothing_is_overwritten_that_nobody_saw():
    """Many lives: whatever does not stand was replaced by somebody who had seen it; who saw everything replaces all."""
    for seed in range(60):
        world = World(seed)
        for _ in range(24):
            world.step()
            world.require()
        world.form(seed % 2)
        assert values(world.records()) == [str(world.number)], seed
        if seed % 20 == 0:
            live = Folding(SUBJECT)
            taken = [live.add(one) for one in canonical(world.records())]
            assert all(taken)
            in_every_order(world.records())
