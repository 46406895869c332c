"""The tables that are derived from the definitions of the events."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain.event import REGISTRY
from domain.fact_tables import FACT_TABLES
from domain.folding import fold
from domain.quantity import parse
from domain.views import TABLES, rows
from tests.domain.domain_samples import SUBJECT, Writer, correction, withdrawal
from tests.domain.test_schema import built

CELLS = (str, int, bytes, type(None))


def rows_in(table: str, *records: Any) -> list[dict[str, Any]]:
    """One subject's rows of a table, by column."""
    names = [name for name, _ in TABLES[table].columns]
    return [dict(zip(names, row, strict=True)) for name, row in rows(fold("", SUBJECT, records)) if name == table]


@pytest.mark.parametrize("name", sorted(one.name for one in FACT_TABLES.values()))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_fact_becomes_a_row_that_sqlite_takes(name: str, data: st.DataObject) -> None:
    """Whatever an event holds, its row has a plain value under every column, and one row stands for it."""
    cls = next(cls for cls, table in FACT_TABLES.items() if table.name == name)
    record = Writer("home-01").write(data.draw(built(cls)))
    for row in rows_in(name, record):
        assert all(isinstance(value, CELLS) for value in row.values())
        assert (row["entry"], row["home"], row["recorded_at"]) == (record.id, "home-01", record.recorded_at_ms)


def test_a_row_reads_as_corrected_and_goes_when_withdrawn() -> None:
    """What a correction says is what the row says; a fact that was withdrawn has none."""
    home = Writer("home-01")
    found = home.write(
        e.HazardFound(place="校门口", kind="road", severity="severe", found_on=dt.date(2025, 2, 24), what="车多")
    )
    (row,) = rows_in("hazard_found", found)
    assert (row["place"], row["found_on"], row["photo"]) == ("校门口", "2025-02-24", 0)
    assert "what" not in row, "a long text stays in the file"
    (row,) = rows_in("hazard_found", found, home.write(correction(found, "place", "后门")))
    assert row["place"] == "后门"
    assert rows_in("hazard_found", found, home.write(withdrawal(found))) == []


def test_lists_parts_and_quantities_are_text_that_can_be_read_again() -> None:
    """JSON for lists and parts, people's own form for quantities."""
    home = Writer("home-01")
    held = e.ActivityHeld(
        kind="gala",
        on=dt.date(2011, 12, 30),
        title="元旦联欢会",
        leader="团委",
        guests=parse("30+"),
        organisers=("团委", "教导处"),
    )
    (row,) = rows_in("activity_held", home.write(held))
    assert row["guests"] == "30+"
    assert json.loads(row["organisers"]) == ["团委", "教导处"]


def test_facts_of_daily_life_have_no_rows() -> None:
    """Calls, talks and letters are added up instead: a county has a million of them."""
    tabled = {cls.meta.name for cls in FACT_TABLES}
    assert not tabled & {"talk-held/1", "family-contact-made/1", "diary-entry-written/1", "loan-started/1"}
    assert tabled >= {
        name for name, cls in REGISTRY.items() if cls.meta.about in ("hazard", "aid", "project", "report")
    }
