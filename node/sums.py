"""What a batch changes in the read models: rows that go, rows that come, and the sums that are kept in step with them.

`work`: what all children's tallies add up to by home, month and kind.

A report of a month asks for some hundred sums, and the tallies behind them are a row for each child, month and kind:
a million in a county.  So every change of a tally's row changes its sum in the same transaction; where nothing is left,
the sum's row goes, and equal tallies have equal sums whatever order they came in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import apsw

from domain.views import TABLES, Table

Row = tuple[Any, ...]
SUMMED: Final = "tally"
NAME: Final = "work"
_COLUMNS: Final = [name for name, _ in TABLES[SUMMED].columns]
_KEY: Final = [_COLUMNS.index(name) for name in ("home", "month", "kind")]
_MEASURES: Final = [name for name in _COLUMNS if name not in ("subject", "home", "month", "kind")]
_PLACES: Final = [_COLUMNS.index(name) for name in _MEASURES]
SCHEMA: Final = (
    f"CREATE TABLE {NAME}(month TEXT, home TEXT, kind TEXT, {', '.join(f'{name} INTEGER' for name in _MEASURES)},"
    " PRIMARY KEY(month, home, kind)) WITHOUT ROWID;"
)
COLUMNS: Final = ("month", "home", "kind", *_MEASURES)
DIGESTED: Final = {
    **TABLES,
    NAME: Table(NAME, tuple((name, "") for name in COLUMNS), ("month", "home", "kind")),
}
_ADD: Final = (
    f"INSERT INTO {NAME}(home, month, kind, {', '.join(_MEASURES)}) VALUES({', '.join('?' * (3 + len(_MEASURES)))})"
    f" ON CONFLICT(month, home, kind) DO UPDATE SET {', '.join(f'{name}={name}+excluded.{name}' for name in _MEASURES)}"
)
_DROP: Final = f"DELETE FROM {NAME} WHERE home=? AND month=? AND kind=? AND count=0"  # noqa: S608 -- our names


class Sums:
    """The changes of one batch."""

    def __init__(self) -> None:
        self._changes: dict[tuple[str, str, str], list[int]] = {}

    def came(self, row: Row) -> None:
        """A tally's row is there now."""
        self._change(row, 1)

    def went(self, row: Row) -> None:
        """A tally's row is no longer there, or reads otherwise."""
        self._change(row, -1)

    def _change(self, row: Row, sign: int) -> None:
        key = (row[_KEY[0]], row[_KEY[1]], row[_KEY[2]])
        total = self._changes.get(key)
        if total is None:
            total = self._changes[key] = [0] * len(_PLACES)
        for number, place in enumerate(_PLACES):
            total[number] += sign * row[place]

    def write(self, db: apsw.Connection) -> None:
        """Within the transaction that writes the rows."""
        changes: list[Row] = [(*key, *total) for key, total in self._changes.items() if any(total)]
        db.executemany(_ADD, changes)
        db.executemany(_DROP, [change[:3] for change in changes if change[3] < 0])
        self._changes.clear()


KEY_SIZES: Final = {table.name: len(table.key) for table in TABLES.values()}
assert all(table.key == tuple(name for name, _ in table.columns)[: len(table.key)] for table in TABLES.values()), (
    "a row begins with its key"
)


class Changes:
    """What a batch does to the tables: keys of rows that go, rows that come in their place or anew, and the sums."""

    def __init__(self) -> None:
        self.gone: list[tuple[str, Row]] = []
        self.fresh: list[tuple[str, Row]] = []
        self.sums = Sums()

    def became(self, before: Iterable[tuple[str, Row]], now: Iterable[tuple[str, Row]]) -> None:
        """One subject had some rows, and has others."""
        old = {_key(*one): one for one in before}
        for one in now:
            was = old.pop(_key(*one), None)
            if was is None or was[1] != one[1]:
                self.fresh.append(one)
                if one[0] == SUMMED:
                    self.sums.came(one[1])
                    if was is not None:
                        self.sums.went(was[1])
        for key, (table, row) in old.items():
            self.gone.append(key)
            if table == SUMMED:
                self.sums.went(row)


def _key(table: str, row: Row) -> tuple[str, Row]:
    return table, row[: KEY_SIZES[table]]
