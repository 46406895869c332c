"""The school calendar: periods by name, and which of them count."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import LENGTHS, MONTH, TERM, WEEK, Calendar, Term
from tests.domain.duty_samples import CALENDAR, TERMS, day


@given(
    st.sampled_from([one for one in LENGTHS if "term" not in one]), st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1))
)
def test_every_day_lies_in_one_period_of_each_kind(kind, on):
    """Civil periods follow each other without gap or overlap, each no longer than its kind."""
    number = on.toordinal()
    (period,) = CALENDAR.periods(kind, number, number)
    (after,) = CALENDAR.periods(kind, period.last + 1, period.last + 1)
    assert period.first <= number <= period.last < period.first + LENGTHS[kind]
    assert after.first == period.last + 1
    assert CALENDAR.named(period.name) == period


@given(st.sampled_from([*LENGTHS]), st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)), st.integers(0, 900))
def test_what_was_asked_before_changes_nothing(kind, on, length):
    """A calendar that has answered other questions gives what a fresh one gives."""
    first = on.toordinal()
    assert CALENDAR.periods(kind, first, first + length) == Calendar(TERMS).periods(kind, first, first + length)


@pytest.mark.parametrize(
    ("kind", "on", "all_year", "owed"),
    [
        (WEEK, "2024-09-30", False, False),  # five of its days are the national holiday
        (WEEK, "2024-09-30", True, True),
        (WEEK, "2024-10-07", False, True),
        (MONTH, "2024-10-15", False, True),
        (MONTH, "2025-02-20", False, False),  # twelve of 28 days
        (MONTH, "2025-07-04", False, False),
        (MONTH, "2025-01-31", False, True),
        ("day", "2024-10-01", False, False),
        ("school_year", "2024-10-01", False, True),
        ("school_year", "2023-10-01", False, False),
        (TERM, "2024-10-01", False, True),
    ],
)
def test_a_period_with_less_than_half_its_days_in_term_is_not_owed(kind, on, all_year, owed):
    """Holidays count as no days of term; a rule for all year asks nothing of that."""
    (period,) = CALENDAR.periods(kind, day(on), day(on))
    assert CALENDAR.is_owed(kind, period, all_year=all_year) == owed


def test_half_terms_are_a_term():
    """The two halves of a term follow each other and are named after it."""
    one, two = CALENDAR.periods("half_term", day("2024-09-01"), day("2025-01-17"))
    assert (one.name, two.name) == ("2024-秋上半", "2024-秋下半")
    assert (one.first, one.last + 1, two.last) == (TERMS[0].first, two.first, TERMS[0].last)
    assert CALENDAR.named("2024-秋下半") == two


@pytest.mark.parametrize("name", ["", "soon", "2024-13", "2024-W54", "2024-2026", "0000", "9999", "2024-02-30", "上半"])
def test_what_names_no_period_is_none(name):
    """Words that are no period are told apart from those that are, and never raise."""
    assert CALENDAR.named(name) is None


def test_a_term_that_ends_before_it_begins_is_none():
    """Nonsense from an entry does not reach the calendar."""
    assert Calendar([Term("x", 10, 9)]).terms == ()
