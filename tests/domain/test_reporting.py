"""Figures over rows: values, parts, lists."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.headings import label_of
from domain.periods import BadPeriod, period_of
from domain.quantity import parse
from domain.reporting import By, Fen, Label, Rows, Share, added, counted, figure_json, share, value_json
from domain.reports.register import age_on
from domain.views import TABLES

WORDS = Label("数", "number")
ROWS = Rows(
    ("subject", "home", "sex", "groups", "fen"),
    [
        (b"1", "home-01", "female", "left_behind", 120_000),
        (b"2", "home-01", "male", "left_behind priority", 5),
        (b"3", "home-02", None, "", None),
    ],
)
GROUPS = By("group", lambda row: frozenset(row[3].split() or [""]))


def test_a_figure_counts_its_rows_and_each_part_opens_its_own():
    """Value, parts and lists are of the same rows; what is not known comes last."""
    figure = counted("children", WORDS, WORDS, WORDS, ROWS, "home", "sex")
    assert figure.value == 3
    assert list(figure.parts["sex"].items()) == [("female", 1), ("male", 1), (None, 1)]
    assert [row[0] for row in figure.listed("home", "home-01")] == [b"1", b"2"]
    assert [row[0] for row in figure.listed("sex", "")] == [b"3"]
    assert len(figure.listed()) == 3
    with pytest.raises(KeyError):
        figure.listed("age", "7")


def test_a_row_may_count_in_several_parts():
    """A child of two categories is in both parts and once in the figure."""
    figure = counted("children", WORDS, WORDS, WORDS, ROWS, GROUPS)
    assert figure.value == 3
    assert figure.parts["group"] == {"left_behind": 2, "priority": 1, "": 1}
    assert [row[0] for row in figure.listed("group", "left_behind")] == [b"1", b"2"]


def test_money_is_added_in_fen_and_told_in_yuan():
    """No rounding, whatever is missing counts as nothing."""
    figure = added("paid", WORDS, WORDS, Label("元", "yuan"), ROWS, "fen", "home")
    assert figure.value == Fen(120_005)
    assert value_json(figure.value) == "1200.05"
    assert figure_json(figure)["by"]["home"] == {"home-01": "1200.05", "home-02": "0.00"}
    assert value_json(Fen(-7)) == "-0.07"


def test_a_share_lists_what_is_missing_from_it():
    """34 of 34 is 100.0 per cent; of nothing there is no share."""
    girls = ROWS.where(sex="female")
    figure = share("girls", WORDS, WORDS, girls, ROWS, "home")
    assert figure.value == Share(1, 3)
    assert figure.parts["home"] == {"home-01": Share(1, 2), "home-02": Share(0, 1)}
    assert [row[0] for row in figure.listed()] == [b"2", b"3"]
    assert [Share(*one).percent() for one in ((34, 34), (3, 34), (1, 3), (2, 3), (0, 5), (0, 0))] == [
        "100.0", "8.8", "33.3", "66.7", "0.0", "",
    ]  # fmt: skip
    assert value_json(Share(0, 0))["percent"] is None
    assert value_json(parse("2000+")) == "2000+"


def test_rows_are_chosen_by_value_and_by_day():
    """`where` takes a value or several, `within` the days of a period."""
    days = Rows(("subject", "on_day"), [(b"1", "2024-08-31"), (b"2", "2024-09-01"), (b"3", "2024-09-30"), (b"4", None)])
    assert [row[0] for row in days.within("on_day", period_of("2024-09", dt.date(2025, 1, 1)))] == [b"2", b"3"]
    assert len(ROWS.where(sex=frozenset({"male", "female"}), home="home-01")) == 2
    assert ROWS.also("twice", lambda row: row[0] * 2).column("twice") == [b"11", b"22", b"33"]


def test_periods_as_they_are_asked_for():
    """A month, a year, a half-year or a span; the month of the day where nothing is asked."""
    today = dt.date(2025, 3, 8)

    def days(text: str | None) -> tuple[str, str]:
        found = period_of(text, today)
        return found.first.isoformat(), found.last.isoformat()

    assert days(None) == ("2025-03-01", "2025-03-31")
    assert days("2024-02") == ("2024-02-01", "2024-02-29")
    assert days("2024") == ("2024-01-01", "2024-12-31")
    assert days("2024-H1") == ("2024-01-01", "2024-06-30")
    assert days("2024-H2") == ("2024-07-01", "2024-12-31")
    assert days("2024-09..2025-01") == ("2024-09-01", "2025-01-31")
    for wrong in ("", "soon", "24-01", "2024-13", "2024-00", "2024-1", "2025..2024", "..", "2024..", "2024-", "٢٠٢٤"):
        with pytest.raises(BadPeriod):
            period_of(wrong or " ", today)


@given(st.text(max_size=12))
def test_no_text_but_a_period_is_one(text):
    """Whatever is typed names days in order, or is refused."""
    try:
        found = period_of(text or " ", dt.date(2025, 3, 8))
    except BadPeriod:
        return
    assert found.first <= found.last


def test_ages_are_full_years():
    """A birthday is reached on its day; a leap day's in other years on 1 March."""
    assert age_on("2015-03-08", dt.date(2025, 3, 7)) == 9
    assert age_on("2015-03-08", dt.date(2025, 3, 8)) == 10
    assert age_on("2016-02-29", dt.date(2025, 2, 28)) == 8
    assert age_on(None, dt.date(2025, 1, 1)) is None


def test_every_column_has_a_name_that_people_read():
    """Each column of each read model is called something in Chinese."""
    for table in TABLES.values():
        for name, _ in table.columns:
            assert label_of(name) != name
