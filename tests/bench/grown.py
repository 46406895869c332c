"""A log of ours that has grown by what many homes recorded, and a database of the library's with the same facts.

One child is watched for each size that will be measured: it gets two hundred entries, spread evenly over everything up
to that size, so that its replay is the same work whatever the log holds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from sync.batch import Draft
from tests.bench.facts import Workshop
from tests.bench.homes import Homes
from tests.bench.recording import Ours, Portions, Side, Theirs

PORTION_COUNT: Final = 10_000  # the most that `Store.record` takes at once
SCATTERED_COUNT: Final = 1000
SCATTERED_SUBJECTS_COUNT: Final = 40_000
WATCHED_COUNT: Final = 200
TALK: Final = "talk-held/1"


class Grown:
    """A log of ours with what the homes recorded, and the same in a database of the library's unless it is left out."""

    def __init__(
        self, workshop: Workshop, facts: Sequence[Draft], sizes: Sequence[int], *, alone: bool = False
    ) -> None:
        """`sizes` are those at which it will be measured: a child is watched for each."""
        self.ours = Ours(workshop.home("grown"))
        self.library = None if alone else Theirs(workshop.fresh("grown.db"))
        self._homes = Homes(facts)
        self._talks = [draft._replace(extensions={}) for draft in facts if draft.type == TALK]
        self._random = random.Random(2)
        self._begun: dict[bytes, None] = {}
        self._touched: list[bytes] = []
        self.watched: dict[int, tuple[bytes, UUID | None]] = {}
        for size in sizes:
            subject = self._random.randbytes(16)
            self.watched[size] = subject, self.library.library.watch(subject) if self.library else None

    @property
    def sides(self) -> list[Side]:
        """Whoever is given what."""
        return [self.ours, self.library] if self.library else [self.ours]

    @property
    def count(self) -> int:
        """How many entries there are."""
        return self.ours.store.position()

    def grow(self, size: int, progress: Callable[[int], None]) -> None:
        """Record what the homes do next, until there are so many entries."""
        while (count := self.count) < size:
            drafts = self._homes.grow(min(PORTION_COUNT, size - count))
            self._let_watched_talk(count, drafts)
            self._begun.update(dict.fromkeys(draft.subject for draft in drafts))
            for side in self.sides:
                side.put(side.made(drafts))
            progress(count + len(drafts))
        touched = min(SCATTERED_SUBJECTS_COUNT, len(self._begun))
        self._touched = self._random.sample(list(self._begun), touched)

    def _let_watched_talk(self, count: int, drafts: list[Draft]) -> None:
        """Put their share of facts into what follows after so many entries."""
        for number, (size, (subject, _)) in enumerate(self.watched.items()):
            step = size // WATCHED_COUNT
            for index in range((number - count) % step, len(drafts) if count < size else 0, step):
                talk = self._talks[(count + index) % len(self._talks)]
                drafts[index] = talk._replace(subject=subject)

    def batches(self, size: int, batches_count: int) -> Portions:
        """The next batches, each of one home."""
        return [self._homes.batch(size) for _ in range(batches_count)]

    def scattered(self, batches_count: int) -> Portions:
        """Batches of which every entry is about another one of those who are there, at random."""
        return [
            self._homes.scattered(self._random.choices(self._touched, k=SCATTERED_COUNT)) for _ in range(batches_count)
        ]

    def close(self) -> None:
        """Close the files."""
        for side in self.sides:
            side.close()

    def delete(self) -> None:
        """Close the files, and give their room back."""
        self.close()
        for side in self.sides:
            for path in side.files:
                for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
                    name.unlink(missing_ok=True)
