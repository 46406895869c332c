"""The private, mutable history of one amended fact, and the amendments that wait for what they name."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from domain.records import Record
from domain.registers import Head, Register, Sight
from domain.state import Amended


class Waiting(NamedTuple):
    """A correction, withdrawal or settlement of an entry that is not here yet, with what its author had seen."""

    record: Record
    sight: Sight


class Awaited:
    """Amendments by the entry that they wait for; private to one fold."""

    __slots__ = ("_by_target",)

    def __init__(self) -> None:
        self._by_target: dict[bytes, list[Waiting]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_target)

    def put(self, target: bytes, record: Record, sight: Sight) -> None:
        """Have an amendment wait, with what its author has seen by now."""
        self._by_target.setdefault(target, []).append(Waiting(record, sight.frozen()))

    def of(self, target: bytes) -> list[Waiting]:
        """What waits for an entry."""
        return self._by_target.get(target, [])

    def pop(self, target: bytes) -> list[Waiting]:
        """What waited for an entry that is here now."""
        return self._by_target.pop(target, [])

    def target_of(self, id_: bytes) -> bytes | None:
        """What an amendment waits for, if it does."""
        return next((target for target, ones in self._by_target.items() if any(w.record.id == id_ for w in ones)), None)

    def drop(self, id_: bytes) -> None:
        """Let an amendment wait no longer."""
        for waiting in self._by_target.values():
            waiting[:] = [one for one in waiting if one.record.id != id_]

    def records(self, but_for: Collection[bytes]) -> tuple[Record, ...]:
        """All that wait, but for those that wait for certain entries."""
        return tuple(one.record for id_, ones in self._by_target.items() if id_ not in but_for for one in ones)


class Amendment:
    """What later entries did to one fact."""

    __slots__ = ("registers", "withdrawn_by")

    def __init__(self) -> None:
        self.registers: dict[str, Register] = {}
        self.withdrawn_by: list[bytes] = []

    def edit(self, field: str, base: Head, head: Head, sight: Sight) -> None:
        """Correct a field; `base` is what the fact itself said of it."""
        register = self.registers.get(field)
        if register is None:
            register = self.registers[field] = Register(base)
        register.edit(head, sight)

    def withdraw(self, id_: bytes) -> None:
        """Let a correction count no longer."""
        for register in self.registers.values():
            register.withdraw(id_)

    def frozen(self) -> Amended:
        """The amendment as a value."""
        return Amended(tuple(self.withdrawn_by), {name: one.heads for name, one in self.registers.items()})
