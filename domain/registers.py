"""Multi-value registers: a field that keeps every value nobody has yet replaced knowingly.

An edit replaces exactly the heads that its author had seen: those of the author's own log, and those of other logs up
to the author's deps; of a log that had two lives, those of the one that the author knew (`lives`).  One head is the
value; several heads that differ are a conflict, which stays until an edit that has seen them all.  Clocks decide
nothing.

A correction stands in for the head of the entry it names.  It becomes a head itself only if that entry's value was
still current as far as the author knew; correcting the past of a field must not bring the past back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from domain.lives import NOBODY, Life
from domain.records import Record


class Head(NamedTuple):
    """One value of a field, with the entry that wrote it; `origin` is the entry it corrects, or itself."""

    id: bytes
    origin: bytes
    log: bytes
    seq: int
    lamport: int
    home: str
    by: str
    at: int
    value: Any

    @property
    def order(self) -> tuple[int, bytes, int, bytes]:
        """Where the head's entry stands in the canonical merge order."""
        return (self.lamport, self.log, self.seq, self.id)


def head_of(record: Record, origin: bytes, value: Any) -> Head:
    """The value that an entry gives a field, in its own right or in place of the entry that it corrects."""
    id_, _, log, seq, home, actor, at, lamport, _, _, _, _ = record
    return Head(id_, origin, log, seq, lamport, home, actor, at, value)


_NO_LIVES: Mapping[bytes, Life] = {}
SEQ_MAX = 2**63 - 1


class Sight(NamedTuple):
    """What the author of an entry had seen of its subject."""

    log: bytes
    deps: Mapping[bytes, int]
    places: Mapping[bytes, list[tuple[bytes, int]]]
    named: frozenset[bytes] = frozenset()
    lamport: int = 0  # of the entry; 0 where it does not matter
    id: bytes = b""
    lives: Mapping[bytes, Life] = _NO_LIVES  # what stands apart
    saw: Collection[bytes] = NOBODY  # of that, and of what is not here
    base: int = SEQ_MAX  # up to where the log as it stands was the author's

    def sees(self, head: Head) -> bool:
        """Whether the author knew this head: its own, one within its deps, or one that it names.

        In one log the lamports of a subject's entries rise. Where they do not, the log had two lives, and of one of
        them it is not here yet that it stands apart.
        """
        if self.lives or self.saw:
            return self._sees_lives(head)
        if head.log == self.log:
            return head.lamport != self.lamport or head.id == self.id or head.id in self.named
        if head.seq <= self.deps.get(head.log, 0) or head.id in self.named:
            return True
        return head.id in self.places and any(
            log == self.log or seq <= self.deps.get(log, 0) for log, seq in self.places[head.id]
        )

    def _sees_lives(self, head: Head) -> bool:
        """The same, where something of the subject stands apart."""
        if head.id == self.id or head.id in self.saw or head.id in self.named:
            return True
        if head.id not in self.lives and self._reaches(head.log, head.seq):
            return head.log != self.log or head.lamport != self.lamport
        return any(self._reaches(log, seq) for log, seq in self.places.get(head.id, ()))

    def is_of_life(self, later: bytes, earlier: bytes) -> bool:
        """Whether two entries of one log are of one life of it."""
        life = self.lives.get(later)
        return earlier not in self.lives if life is None else earlier in life.ids

    def frozen(self) -> Sight:
        """The same for later, when the author has seen more."""
        return self._replace(deps=dict(self.deps), saw=frozenset(self.saw))

    def _reaches(self, log: bytes, seq: int) -> bool:
        return seq <= (self.base if log == self.log else self.deps.get(log, 0))


_NOBODY: frozenset[bytes] = frozenset()


class Register:
    """The private, mutable history of one field; `heads` is what stands.

    Most fields are written once, and there are twenty to a child: what only an edit needs is made with the first edit.
    """

    __slots__ = ("heads", "past", "replaced_by", "withdrawn")

    def __init__(self, *heads: Head) -> None:
        self.heads = self.past = heads
        self.replaced_by: dict[bytes, list[Head]] | None = None
        self.withdrawn = _NOBODY

    def edit(self, head: Head, sight: Sight) -> list[Head]:
        """Put a value in place of the heads that its author saw; return those."""
        if not self.heads:
            self.heads = (head,)
            self.past = (*self.past, head)
            return []
        replaced = [old for old in self.heads if sight.sees(old)]
        self.past = (*self.past, head)
        for old in replaced:
            self._outlive(old.id, head)
        self.heads = (*(old for old in self.heads if old not in replaced), head)
        return replaced

    def correct(self, head: Head, sight: Sight) -> bool:
        """Put a corrected value in place if its origin was current for the author; say whether it was."""
        mine = [old for old in self.past if old.origin == head.origin and sight.sees(old)]
        if not any(self._current_for(old, sight) for old in mine):
            return False
        self.edit(head, sight)
        return True

    def _outlive(self, id_: bytes, by: Head) -> None:
        if self.replaced_by is None:
            self.replaced_by = {}
        self.replaced_by.setdefault(id_, []).append(by)

    def _later(self, id_: bytes) -> Sequence[Head]:
        return self.replaced_by.get(id_, ()) if self.replaced_by else ()

    def _current_for(self, head: Head, sight: Sight) -> bool:
        return not any(one.id not in self.withdrawn and sight.sees(one) for one in self._later(head.id))

    def replace(self, old_ones: Iterable[Head], new: Head) -> None:
        """Let one standing head take the place of others."""
        gone = {old.id for old in old_ones}
        for id_ in gone:
            self._outlive(id_, new)
        self.heads = tuple(head for head in self.heads if head.id not in gone)

    def withdraw(self, id_: bytes) -> bool:
        """Let an entry's value count no longer; what it alone had replaced stands again."""
        if id_ in self.withdrawn or all(head.id != id_ for head in self.past):
            return False
        self.withdrawn |= {id_}
        self.heads = tuple(head for head in self.past if head.id not in self.withdrawn and not self._outlived(head))
        return True

    def forget(self, origin: bytes) -> None:
        """Let an entry's value, and every correction of it, count no longer."""
        for head in self.past:
            if origin in (head.origin, head.id):
                self.withdraw(head.id)

    def _outlived(self, head: Head) -> bool:
        """Whether a head was replaced, directly or through withdrawn ones, by one that counts."""
        todo, met = list(self._later(head.id)), set[bytes]()
        while todo:
            later = todo.pop()
            if later.id not in self.withdrawn:
                return True
            if later.id not in met:
                met.add(later.id)
                todo.extend(self._later(later.id))
        return False


def contested(heads: tuple[Head, ...] | list[Head]) -> bool:
    """Whether several heads hold different values."""
    return len(heads) > 1 and any(head.value != heads[0].value for head in heads)


def _filled(value: Any) -> int:
    return 0 if value in (None, "", ()) else 1


_HEALTH = {"disabled": 4, "poor": 3, "fair": 2, "good": 1}
_CATEGORY = {"in_difficulty": 16, "priority": 8, "left_behind": 4, "semi_left_behind": 2, "migrant": 1}


def _need(categories: Any) -> int:
    return sum(_CATEGORY.get(one, 0) for one in categories) if isinstance(categories, tuple) else 0


PROTECTIVE: dict[str, Callable[[Any], int]] = {
    "guardian_name": _filled,
    "guardian_kinship": _filled,
    "guardian_phone": _filled,
    "guardian_address": _filled,
    "guardian_age": _filled,
    "guardian_occupation": _filled,
    "guardian_health": lambda health: _HEALTH.get(health, 0),
    "categories": _need,
    "consent": lambda given: int(not given),
    "duplicate": lambda same: int(not same),
    "paying": lambda paying: int(not paying),
    "role": lambda role: int(hasattr(role, "reason")),
}
"""Fields whose provisional winner is the value that protects more: somebody to call before nobody, the worse state of
health before the better, more need before less; no consent before consent, two files before one, no payment until
somebody decides, no longer in a post before in it."""


def winner(field: str, heads: tuple[Head, ...], holder: str) -> Head:
    """The provisional value of a field, the same on every node that holds the same entries."""
    return heads[0] if len(heads) == 1 else max(heads, key=_weight(field, holder))


REASONS = ("protective", "holder", "order")


def why_wins(field: str, heads: Sequence[Head], holder: str) -> str:
    """What makes the winner the winner: the first of `REASONS` in which it differs from every other value."""
    return REASONS[first_difference([_weight(field, holder)(head) for head in heads])]


def first_difference(weights: Sequence[tuple[Any, ...]]) -> int:
    """Where the greatest of several weights differs from the next."""
    best, second = sorted(weights, reverse=True)[:2]
    return next(i for i, (one, other) in enumerate(zip(best, second, strict=True)) if one != other)


def _weight(field: str, holder: str) -> Callable[[Head], tuple[int, bool, tuple[int, bytes, int, bytes]]]:
    protects = PROTECTIVE.get(field.partition(":")[0], _nothing)
    return lambda head: (protects(head.value), head.home == holder, head.order)


def _nothing(_value: Any) -> int:
    return 0
