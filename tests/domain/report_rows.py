"""Reports over any entries: a county's rows made by the very folds and tables that a node has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from domain.folding import fold
from domain.periods import period_of
from domain.records import Record
from domain.reporting import Asked, Figure, Rows
from domain.reports import REPORTS
from domain.touching import Touching
from domain.views import TABLES, rows

BESIDE = frozenset(one.beside for one in REPORTS.values() if one.beside)


class County:
    """The rows of some subjects, as reports read them."""

    def __init__(self, subjects: Iterable[tuple[bytes, Iterable[Record]]]) -> None:
        self.rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
        for subject, records in subjects:
            for name, row in rows(fold("", subject, records)):
                self.rows[name].append(row)
        self.rows["work"] = [(b"", *row[1:]) for row in self.rows["tally"]]

    def __call__(
        self,
        table: str,
        columns: str,
        *,
        between: tuple[str, Any, Any] | None = None,
        touching: Touching | None = None,
    ) -> Rows:
        if table in BESIDE:
            return Rows(tuple(columns.split()), [])
        names = [name for name, _ in TABLES["tally" if table == "work" else table].columns]
        found = self.rows[table]
        if between:
            at = names.index(between[0])
            found = [row for row in found if row[at] is not None and between[1] <= row[at] <= between[2]]
        if touching:
            begin, end = names.index(touching.begin), names.index(touching.end)
            found = [row for row in found if touching.holds(row[begin], row[end])]
        places = [names.index(one) for one in columns.split()]
        return Rows(tuple(columns.split()), [tuple(row[place] for place in places) for row in found])

    def report(self, number: str, period: str | None, as_of: dt.date) -> dict[str, Figure]:
        """A report's figures by name."""
        asked = Asked(as_of=as_of, period=period_of(period, as_of))
        return {one.name: one for one in REPORTS[number].make(self, asked)}
