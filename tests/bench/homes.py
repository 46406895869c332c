"""Facts as the homes of four counties record them, for as long as somebody asks: what a hub's store grows by.

What a home is like was measured on whole homes of the generator that also made the sample: 151 to 192 children, two
years, 34,000 to 44,000 entries, brought in by our own import. About 1,600 entries a month; seven in eight are about a
child (200 to 225 each in two years), a loan has two, an inspection, an activity or a grant one, the home itself 318.
Of all entries 7.5 to 7.9 % begin a stream. The entry before about the same subject lies 150 to 190 entries of its home
back (median; one in ten more than 340), and a batch from one home is spread like this (medians):

    entries  subjects  of them new  entries about the busiest
        100        85            7                          3
      1,000       268           76                          9
      5,000       564          375                         40

So a home here is the sample's children, as many as an average home has, with one of its homes' own days: its three
months come round again and again, and each time loans and activities are new ones, while the children stay. The homes
take turns, a month each: between two months of one home the others' lie, as at a hub.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import count, cycle, islice
from typing import Final

from sync.batch import Draft
from sync.entry import EXT_SOURCE
from sync.store import Store
from tests.bench.facts import HOME, Workshop, drafts, entries, import_into

HOMES_COUNT: Final = 136  # four counties of 34; five million entries are their first two years
CHILDREN_COUNT: Final = 158
MONTH_COUNT: Final = 1600
LAP_MS: Final = 91 * 24 * 3600 * 1000
CHILD: Final = "child-registered/1"
LEFT: Final = "child-deregistered/1"
STAY_LAPS: Final = 8  # two years
LASTING: Final = {CHILD, "home-registered/1", "worker-registered/1"}


def sample(workshop: Workshop) -> list[Draft]:
    """The sample's facts as drafts."""
    folder = workshop.home()
    import_into(folder, workshop.facts_file(), all_sites=True)
    with closing(Store(folder)) as store:
        return drafts(entries(store))


class Homes:
    """The homes, the same on every run."""

    def __init__(self, facts: Sequence[Draft]) -> None:
        """`facts` are the sample's."""
        self._random = random.Random(1)
        begun: dict[bytes, Draft] = {}
        for draft in facts:
            begun.setdefault(draft.subject, draft)
        children = [subject for subject, first in begun.items() if first.type == CHILD][:CHILDREN_COUNT]
        own = _own(begun.values(), set(children))
        kept = [draft for draft in facts if draft.subject in own]
        self._lasting = {subject for subject in own if begun[subject].type in LASTING}
        self._opening = [draft for draft in kept if draft.type in LASTING]
        self._tape = [draft for draft in kept if draft.type not in LASTING]
        self._homes = [self._home() for _ in range(HOMES_COUNT)]
        self._opened = 0
        self._asked = 0
        self._growth = self._months()

    def grow(self, entries_count: int) -> list[Draft]:
        """The next drafts of all homes, month after month and home after home."""
        return list(islice(self._growth, entries_count))

    def batch(self, entries_count: int) -> list[Draft]:
        """The next drafts of one home, each time of another one of those that are open."""
        self._asked += 1
        return list(islice(self._homes[self._asked % self._opened], entries_count))

    def scattered(self, subjects: Sequence[bytes]) -> list[Draft]:
        """One fact about each of these, whoever they are: what no home does."""
        return [
            draft._replace(subject=subject, extensions={})
            for draft, subject in zip(cycle(self._tape), subjects, strict=False)
        ]

    def _months(self) -> Iterator[Draft]:
        for number in cycle(range(HOMES_COUNT)):
            self._opened = max(self._opened, number + 1)
            yield from islice(self._homes[number], MONTH_COUNT)

    def _home(self) -> Iterator[Draft]:
        """One home: everybody is registered, then the days go on."""
        own = self._mask()
        yield from (_renamed(draft, own, 0) for draft in self._opening)
        for lap in count():
            passing = self._mask()
            for draft in self._tape:
                yield _renamed(draft, own if draft.subject in self._lasting else passing, lap)

    def one(self, entries_count: int) -> list[Draft]:
        """The drafts of a home of its own, whose children come and go: each stays two years, an eighth leave a lap."""
        return list(islice(self._coming_and_going(), entries_count))

    def _coming_and_going(self) -> Iterator[Draft]:
        own = self._mask()
        children = {draft.subject: draft for draft in self._opening if draft.type == CHILD}
        masks = dict.fromkeys(children, own)
        yield from (_renamed(draft, own, 0) for draft in self._opening)
        for lap in count():
            for number, (subject, registered) in enumerate(children.items()):
                if lap and (lap + number) % STAY_LAPS == 0:
                    left = registered._replace(type=LEFT, payload={"on": "2024-09-01", "reason": "moved"})
                    yield _renamed(left, masks[subject], lap)
                    masks[subject] = self._mask()
                    yield _renamed(registered, masks[subject], lap)
            passing = self._mask()
            for draft in self._retold(children):
                mask = own if draft.subject in self._lasting else passing
                yield _renamed(draft, masks.get(draft.subject, mask), lap)

    def _retold(self, children: Collection[bytes]) -> Iterator[Draft]:
        """The tape, with what is said of one child said of another: or each would hear the same words every lap."""
        told: dict[str, list[Draft]] = {}
        for draft in self._tape:
            if draft.subject in children:
                told.setdefault(draft.type, []).append(draft)
        for of_one_type in told.values():
            self._random.shuffle(of_one_type)
        for draft in self._tape:
            yield draft._replace(payload=told[draft.type].pop().payload) if draft.subject in children else draft

    def _mask(self) -> int:
        return self._random.getrandbits(128)


def _own(firsts: Iterable[Draft], children: set[bytes]) -> set[bytes]:
    """The subjects of one home: its children, what is theirs, and one of the sample's homes with its days."""
    found = set()
    for first in firsts:
        whose = first.payload.get("child") if isinstance(first.payload, dict) else None
        at_home = first.type != CHILD and whose is None and first.extensions[EXT_SOURCE][0] == HOME
        if at_home or first.subject in children or whose in children:
            found.add(first.subject)
    return found


def _renamed(draft: Draft, mask: int, lap: int) -> Draft:
    subject = (int.from_bytes(draft.subject) ^ mask).to_bytes(16)
    at = draft.extensions[EXT_SOURCE][1] + lap * LAP_MS
    return draft._replace(subject=subject, recorded_at_ms=at, extensions={})
