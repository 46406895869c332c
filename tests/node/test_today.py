"""Which day it is, by three witnesses of whom none is always right."""

from __future__ import annotations

import datetime as dt

import pytest

from node.clock import local_date
from node.today import judge, of
from sync.batch import Draft
from sync.receipts import Greeted
from sync.store import Store

DAY = dt.timedelta(days=1)
NOW = dt.date(2026, 3, 8)
LONG_AGO, FAR = dt.date(2008, 1, 1), dt.date(2100, 1, 1)


@pytest.mark.parametrize(
    ("system", "receipt", "entry", "expected", "is_told"),
    [
        (NOW, None, None, NOW, False),  # a new home
        (NOW, NOW - DAY, NOW, NOW, False),  # any day
        (NOW, NOW - 40 * DAY, NOW - 60 * DAY, NOW, False),  # offline, and quiet
        (NOW, NOW - 1500 * DAY, NOW - DAY, NOW, False),  # years without a network
        (NOW, None, NOW - DAY, NOW, False),  # never had one
        (NOW - DAY, NOW, None, NOW, True),  # a day late
        (NOW - 90 * DAY, NOW - DAY, NOW - 90 * DAY, NOW - DAY, True),
        (LONG_AGO, NOW, NOW - DAY, NOW, True),  # the battery is dead
        (LONG_AGO, NOW - 9 * DAY, LONG_AGO, NOW - 9 * DAY, True),  # and somebody went on recording
        (LONG_AGO, NOW - 900 * DAY, NOW, NOW, True),  # it died after years without a network
        (FAR, NOW, NOW - DAY, NOW, True),  # somebody typed a wrong year
        (FAR, None, NOW, NOW, True),
        (NOW, NOW - DAY, FAR, NOW, True),  # an entry is left of it
        (NOW - DAY, NOW, FAR, NOW, True),
        (NOW, FAR, NOW, FAR, True),  # the county's own clock: its next receipt mends it
        (NOW, None, FAR, FAR, True),  # the next entry mends it
    ],
)
def test_the_day_that_counts(system, receipt, entry, expected, is_told):
    """The latest date that is believed; a banner wherever it is not the system's, or an entry is left out."""
    found = judge(system, receipt, entry)
    assert found.date == expected
    assert bool(found.banner) == is_told
    if is_told:
        assert str(expected) in found.banner


@pytest.mark.parametrize(
    ("system", "receipt", "entry", "agreed_on", "expected"),
    [
        (NOW, FAR, NOW, NOW - DAY, NOW),  # the county's clock jumped
        (NOW, FAR, NOW + DAY, NOW - 900 * DAY, NOW + DAY),  # after years without a network
        (NOW, FAR, None, NOW - DAY, NOW),
        (NOW, FAR, FAR, NOW - DAY, FAR),  # an entry bears the county out
        (NOW, FAR, NOW, None, FAR),  # by hand alone: nobody knows whose clock it was
        (NOW, FAR, NOW, NOW + 9 * DAY, FAR),  # this clock has gone back since
        (LONG_AGO, NOW, LONG_AGO, NOW - 9 * DAY, NOW),  # as it does when the battery dies
        (NOW, NOW - DAY, NOW, NOW - 9 * DAY, NOW),
    ],
)
def test_a_county_whose_clock_jumped_moves_nothing(system, receipt, entry, agreed_on, expected):
    """A receipt years ahead is left out, and a person told, where both clocks had agreed and this one went on."""
    found = judge(system, receipt, entry, agreed_on)
    assert found.date == expected
    assert bool(found.banner) == (receipt == FAR or system == LONG_AGO)
    assert ("告诉县里" in found.banner) == (receipt == FAR and expected != FAR)


def test_years_are_what_contradicts():
    """Two years exactly are too much, a day less is not."""
    limit = 2 * 365 * DAY
    assert judge(NOW + limit - DAY, NOW, NOW).date == NOW + limit - DAY
    assert judge(NOW + limit, NOW, NOW).date == NOW
    assert judge(NOW, NOW, NOW + limit - DAY).date == NOW + limit - DAY
    assert judge(NOW, NOW, NOW + limit).date == NOW


def test_the_county_lies_eight_hours_ahead():
    """An instant is in the county's day; one that no calendar has is the last day."""
    assert local_date(1_741_363_199_999) == dt.date(2025, 3, 7)
    assert local_date(1_741_363_200_000) == dt.date(2025, 3, 8)
    assert local_date(0) == dt.date(1970, 1, 1)
    assert local_date(253_402_300_800_000) == dt.date.max


def instant(date: dt.date) -> int:
    return int(dt.datetime(date.year, date.month, date.day, 12, tzinfo=dt.UTC).timestamp() * 1000)


def test_what_the_log_bears_witness_of(tmp_path):
    """The newest entry with content and the last receipt, also where the log is a new one without receipts."""
    Store.create(tmp_path)
    store = Store(tmp_path)
    try:
        assert of(store, lambda: instant(LONG_AGO)).date == LONG_AGO
        for n, date in enumerate((NOW, NOW + DAY), 1):
            store.record([Draft("x/1", "w", bytes(15) + bytes([n]), instant(date), {})]).result(10)
        assert of(store, lambda: instant(LONG_AGO)).date == NOW + DAY
        store.erase([bytes(15) + b"\2"], by="w", ground="g", now_ms=instant(LONG_AGO))
        later = NOW + 7 * DAY
        kept, _ = store.give_receipt(
            store.log, store.sign(store.size(store.log)), None, epoch=1, backed_up_to=0, clock_ms=instant(later)
        )
        kept.result(10)
        assert of(store, lambda: instant(NOW)).date == later
        store.succeed(store.size(store.log), "backup", instant(LONG_AGO))
        assert of(store, lambda: instant(NOW)).date == later
    finally:
        store.close()


def test_the_log_knows_when_both_clocks_agreed(tmp_path):
    """After good receipts a county in 2100 moves nothing, as long as this clock goes on; gone back, it is believed."""
    Store.create(tmp_path)
    store = Store(tmp_path)

    def receipt(county: dt.date, here: dt.date) -> None:
        store.record([Draft("x/1", "w", bytes(16), instant(here), {})]).result(10)
        signed = store.sign(store.size(store.log))
        greeted = Greeted(signed.size, instant(here), instant(county))
        at_ms = instant(county)
        store.give_receipt(store.log, signed, greeted, epoch=1, backed_up_to=0, clock_ms=at_ms)[0].result(10)

    try:
        receipt(NOW, NOW)
        for day in range(1, 4):
            receipt(FAR, NOW + day * DAY)
            assert of(store, lambda day=day: instant(NOW + day * DAY)).date == NOW + day * DAY
        assert of(store, lambda: instant(NOW - 30 * DAY)).date == NOW + 3 * DAY
        receipt(NOW + 9 * DAY, NOW - 900 * DAY)
        assert of(store, lambda: instant(NOW - 900 * DAY)).date == NOW + 9 * DAY
    finally:
        store.close()
