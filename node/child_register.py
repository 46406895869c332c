"""A home's children as an import meets them: found by name, number or identity number, compared with a list's rows.

Names and birth dates come from the read models. What stands in the file alone (an identity number, a card's values) is
folded from the log for the few children that may be meant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from domain import names
from domain.arriving import IN_CARE
from domain.errors import Mistyped, shown
from domain.folding import Folding
from domain.likeness import Somebody
from node.deciding import folding_of
from node.reading import row_json
from node.views import HomeOf, Views
from sync.stored_log import StoredLog


class Child(NamedTuple):
    """A child's row."""

    subject: bytes
    name: str
    born_on: dt.date | None
    number: int | None
    status: str
    class_name: str

    def shown(self) -> str:
        """How a child is told from others of its name."""
        more = "，".join(filter(None, [str(self.born_on or ""), self.class_name]))
        return f"在册的“{self.name}”" + (f"（{more}）" if more else "")


class ChildRegister:
    """Every child that this home has or had."""

    def __init__(self, store: StoredLog, views: Views, home_of: HomeOf, home: str) -> None:
        self._store, self._home_of, self._home = store, home_of, home
        self._foldings: dict[bytes, Folding] = {}
        self._by_day: dict[dt.date | None, list[Child]] = {}
        self._by_sound: dict[str, list[Child]] = {}
        self._here: list[Child] = []
        for subject, row in ((one[0], row_json("child", one)) for one in views.rows_of("child")):
            if not row["name"]:
                continue
            born = dt.date.fromisoformat(row["born_on"]) if row["born_on"] else None
            is_here = row["home"] == home
            status = row["status"] if is_here else "away"
            child = Child(subject, row["name"], born, row["number"], status or "", row["class_name"] or "")
            self._by_day.setdefault(born, []).append(child)
            for sound in names.sounds(child.name):
                self._by_sound.setdefault(sound, []).append(child)
            if is_here and status in IN_CARE:
                self._here.append(child)

    def candidates(self, one: Somebody) -> list[Child]:
        """Everybody who may be meant: of the same birth date or without one, or of a name that sounds the same."""
        near = [*self._by_day.get(one.born_on, []), *self._by_day.get(None, [])]
        for sound in names.sounds(one.name):
            near += self._by_sound.get(sound, [])
        return sorted(set(near))

    def somebody(self, child: Child) -> Somebody:
        """A child as it is compared; of several identity numbers in conflict none counts."""
        number = self.standing(child, "national_id")
        known = next(iter(number)) if len(number) == 1 else None
        return Somebody(child.name, child.born_on, known)

    def standing(self, child: Child, field: str) -> frozenset[Any]:
        """The values that a field of the child's file has now."""
        folding = self._foldings.get(child.subject)
        if folding is None:
            folding = self._foldings[child.subject] = folding_of(self._store, child.subject, self._home_of)
        return frozenset(head.value for head in folding.heads(field))

    def find(self, values: Mapping[str, Any]) -> Child:
        """The one child of this home that a row names, or a refusal that says what to add."""
        name, born, number = values["name"], values.get("born_on"), values.get("national_id")
        found = [child for child in self._here if child.name == name]
        if number is not None:
            known = {child: self.standing(child, "national_id") for child in self._here
                     if child.name == name or child.born_on == born}  # fmt: skip
            by_number = [child for child, has in known.items() if number in has]
            if by_number and by_number[0].name != name:
                raise _at_odds("身份证号", by_number[0], name)
            found = by_number or [child for child in found if not known.get(child)]
        elif values.get("number") is not None:
            by_number = [child for child in self._here if child.number == values["number"]]
            if by_number and by_number[0].name != name:
                raise _at_odds("编号", by_number[0], name)
            found = by_number or found
        if born is not None and len(found) > 1:
            found = [child for child in found if child.born_on in (born, None)]
        if len(found) == 1 and born is not None and found[0].born_on not in (born, None):
            raise Mistyped(
                f"“{shown(name)}”的出生日期在档案里是{found[0].born_on}，这里是{born}，请核对",
                f"the file has {found[0].born_on} as date of birth of {shown(name)!r}, the list {born}",
            )
        if len(found) == 1:
            return found[0]
        if not found:
            raise Mistyped(
                f"本之家没有在册的“{shown(name)}”，请先登记（摸底表）",
                f"no child {shown(name)!r} is registered at this home: import the roster first",
            )
        raise Mistyped(
            f"有{len(found)}个在册的孩子叫“{shown(name)}”，请加一列身份证号或出生日期",
            f"{len(found)} children here are called {shown(name)!r}: add identity numbers or dates of birth",
        )


def _at_odds(what: str, child: Child, name: str) -> Mistyped:
    return Mistyped(
        f"这个{what}在档案里是“{child.name}”的，不是“{shown(name)}”",
        f"this number belongs to {child.name!r} in the files, not to {shown(name)!r}",
    )
