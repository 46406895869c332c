"""What a report reads of a table: those rows that it counts, and no others that it need not look at."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from domain.periods import period_of
from domain.reporting import Rows, figure_json
from domain.reports import REPORTS
from domain.touching import touching
from domain.views import TABLES
from node import reporting
from node.sums import Changes
from node.views import Views
from sync.cipher import MasterKey
from tests.bench.reporting import AS_OF

DAYS = (None, "2025-01-31", "2025-02-01", "2025-02-28", "2025-03-01", "2025-03-31", "2025-04-01")


@pytest.fixture
def views(tmp_path):
    """Loans of every kind: lent and closed before, within and behind a month and the report's day, or not at all."""
    opened = Views.create(tmp_path / "views.db", MasterKey(b"k" * 32))
    changes = Changes()
    columns = [name for name, _ in TABLES["loan"].columns]
    rows = []
    for number, (out, closed) in enumerate(itertools.product(DAYS, DAYS)):
        cells: dict[str, Any] = {"subject": number.to_bytes(16, "big"), "child": bytes([number % 5]) * 16,
                                 "home": f"home-0{number % 3}", "book": "书", "out_on": out, "due_on": out,
                                 "closed_on": closed, "outcome": "returned", "withdrawn": number % 11 == 0}  # fmt: skip
        rows.append(("loan", tuple(cells.get(name) for name in columns)))
    changes.became([], rows)
    opened.replace(1, changes)
    yield opened
    opened.close()


@pytest.mark.parametrize("period", ["2025-02", "2025", "2025-01..2025-02"])
def test_a_report_of_what_touches_its_period_is_the_report_of_all(views, period):
    """R07 says the same, and lists the same, whether it reads all loans or only those that it asks for."""
    asked = reporting.asked(AS_OF, None, period)
    with views.snapshot() as read:

        def all_of(table: str, columns: str, **_which: Any) -> Rows:
            return read(table, columns)

        said = [
            [(figure_json(one), sorted(one.listed(), key=repr)) for one in REPORTS["R07"].make(how, asked)]
            for how in (read, all_of)
        ]
        which = touching("out_on", "closed_on", period_of("2025-02", AS_OF), AS_OF)
        some, every = (read("loan", "subject out_on closed_on", touching=one) for one in (which, None))
    assert said[0] == said[1]
    assert 0 < len(some) < len(every) == len(DAYS) ** 2
    assert sorted(some) == sorted(row for row in every if which.holds(row[1], row[2]))
