"""What the authors of one subject's entries had seen of it, as a fold runs: by log, and by life where one has several.

Deps are listed where they rose, so what a log's author has seen grows from entry to entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domain.lives import NOBODY, Known, Lives
from domain.records import NO_DEPS, Record
from domain.registers import SEQ_MAX, Sight
from domain.repeats import Repeats

_NAMED: frozenset[bytes] = frozenset()


class Sights:
    """Of one subject; private to one fold."""

    __slots__ = ("_deps", "_lives", "_repeats")

    def __init__(self, repeats: Repeats) -> None:
        self._repeats = repeats
        self._lives = Lives(repeats.kept)
        self._deps: dict[bytes, dict[bytes, int]] = {}

    def note(self, record: Record) -> None:
        """Take an entry, after all those before it."""
        if record.apart is not None or self._lives.by_id:
            self._lives.note(record, self._repeats.all())
        if record.deps or record.saw:
            self.learn(record, record.deps, record.saw)

    def learn(self, record: Record, deps: Mapping[bytes, int], saw: Iterable[bytes] = ()) -> None:
        """Let the author of an entry have seen more, from this entry on."""
        lives, log = self._lives, record.log
        life = lives.by_id.get(record.id)
        if life is not None:
            lives.learn(life.known, deps, saw)
            return
        known = self._deps.setdefault(log, {})
        if saw or lives.by_id:
            lives.learn(lives.known.setdefault(log, Known(known, set(), set())), deps, saw)
            return
        for other, seq in deps.items():
            if seq > known.get(other, 0):
                known[other] = seq

    def deps_of(self, record: Record) -> Mapping[bytes, int]:
        """What an entry's author has seen of other logs by now."""
        life = self._lives.by_id.get(record.id)
        return self._deps.get(record.log, NO_DEPS) if life is None else life.known.deps

    def of(self, record: Record) -> Sight:
        """What an entry's author has seen by now."""
        log, places, lives = record.log, self._repeats.places, self._lives
        if lives.by_id or lives.known:
            return self._of_lives(record)
        return Sight(log, self._deps.get(log, NO_DEPS), places, _NAMED, record.lamport, record.id, lives.by_id)

    def _of_lives(self, record: Record) -> Sight:
        log, lamport, id_, lives = record.log, record.lamport, record.id, self._lives
        life = lives.by_id.get(id_)
        known = lives.known.get(log) if life is None else life.known
        deps, saw = (self._deps.get(log, NO_DEPS), NOBODY) if known is None else (known.deps, known.saw)
        base = SEQ_MAX if life is None else life.base
        return Sight(log, deps, self._repeats.places, _NAMED, lamport, id_, lives.by_id, saw, base)

    def shown(self, acceptance: Record, deps: Mapping[bytes, int]) -> Sight:
        """What somebody has seen of other logs who was shown so much of them."""
        known = Known({}, set(), set())
        self._lives.learn(known, deps)
        return Sight(acceptance.log, known.deps, self._repeats.places, lives=self._lives.by_id, saw=known.saw)
