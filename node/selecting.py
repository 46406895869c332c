"""Rows of the read models as reports ask for them: columns of a table, all of its rows or some."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import apsw

from domain.reporting import Rows
from domain.touching import Touching
from node.sums import DIGESTED

TOUCHING: Final = (
    ' WHERE "{0}" BETWEEN ?1 AND ?2 OR "{1}" BETWEEN ?1 AND ?2 OR ("{0}"<=?3 AND ("{1}" IS NULL OR "{1}">?3))'
)


def quoted(names: Iterable[str]) -> str:
    """Column names as SQL takes them: some are words of its own."""
    return ", ".join(f'"{name}"' for name in names)


class Select:
    """`domain.reporting.Read` over one moment of a file of read models."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def position(self) -> int:
        """How far the log was followed for these rows."""
        return int(self._db.execute("SELECT value FROM mark WHERE name='position'").get)

    def __call__(
        self,
        table: str,
        columns: str,
        *,
        between: tuple[str, Any, Any] | None = None,
        touching: Touching | None = None,
    ) -> Rows:
        """The columns of all rows, or of those with a column from a lowest to a highest value, or that touch one."""
        names = tuple(columns.split())
        wanted = {*names, *([between[0]] if between else []), *(touching[:2] if touching else [])}
        known = DIGESTED[table].columns
        assert wanted <= {name for name, _ in known}, f"{table} has no columns {sorted(wanted)}"
        condition, values = "", tuple[Any, ...]()
        if between:
            condition, values = f' WHERE "{between[0]}" BETWEEN ? AND ?', between[1:]
        if touching:
            condition, values = TOUCHING.format(*touching[:2]), touching[2:]
        sql = f"SELECT {quoted(names)} FROM {table}{condition}"  # noqa: S608 -- our names
        return Rows(names, self._db.execute(sql, values).fetchall())
