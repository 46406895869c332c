"""The private, mutable history of one amended fact: a register for each corrected field, and its withdrawals."""

from __future__ import annotations

from typing import NamedTuple

from domain.records import Record
from domain.registers import Head, Register, Sight
from domain.state import Amended

CHAIN_MAX = 8
"""How many corrections of corrections are followed; beyond it a correction is shown as unusable."""


class Waiting(NamedTuple):
    """A correction, withdrawal or settlement of an entry that is not here yet, with what its author had seen."""

    record: Record
    sight: Sight


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
