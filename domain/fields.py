"""The registers of one subject, field by field, as a fold runs: edits, late sight, corrections, withdrawals."""

from __future__ import annotations

from domain.card import Edits
from domain.records import Record
from domain.registers import Head, Register, Sight, head_of


class Fields:
    """Every register of a subject; private to one fold."""

    __slots__ = ("_registers",)

    def __init__(self) -> None:
        self._registers: dict[str, Register] = {}

    def put(self, field: str, head: Head, sight: Sight) -> list[Head]:
        """Let an edit replace what its author had seen; return that."""
        register = self._registers.get(field)
        if register is None:
            self._registers[field] = Register(head)
            return []
        return register.edit(head, sight)

    def heads(self, field: str) -> tuple[Head, ...]:
        """The standing values of a field."""
        register = self._registers.get(field)
        return register.heads if register else ()

    def reveal(self, acceptance: Record, sight: Sight) -> None:
        """A request came after its acceptance in canonical order: replace what the acceptance would have replaced."""
        for register in self._registers.values():
            mine = [one for one in register.heads if one.log == acceptance.log and one.seq >= acceptance.seq]
            mine = [one for one in mine if sight.is_of_life(one.id, acceptance.id)]
            if mine:
                theirs = [one for one in register.heads if one.log != acceptance.log and sight.sees(one)]
                register.replace(theirs, mine[-1])

    def recast(self, record: Record, origin: bytes, old: Edits, new: Edits, sight: Sight) -> bool:
        """A correction has an earlier entry edit otherwise; False if that changes nothing."""
        for name in old.keys() - new.keys():
            self._registers[name].forget(origin)
        moved = [name for name in new if name not in old or new[name] != old[name]]
        for name in moved:
            register = self._registers.setdefault(name, Register())
            head = head_of(record, origin, new[name])
            if name not in old:
                register.edit(head, sight)
            else:
                register.correct(head, sight)
        return bool(moved) or old.keys() != new.keys()

    def forget(self, origin: bytes) -> None:
        """Let whatever an entry wrote, or corrections of it, count no longer."""
        for register in self._registers.values():
            register.forget(origin)

    def standing(self) -> dict[str, tuple[Head, ...]]:
        """The standing values of every field that has some."""
        return {name: one.heads for name, one in self._registers.items() if one.heads}
