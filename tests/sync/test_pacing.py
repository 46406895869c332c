"""How large a push is: what the link teaches, with the time told by the test."""

from __future__ import annotations

import math
import random

import pytest

from sync.pacing import (
    FRAME_COST_BYTES,
    FRAME_S,
    PUSH_SIZE_BYTES_FIRST,
    PUSH_SIZE_BYTES_MAX,
    PUSH_SIZE_BYTES_MIN,
    RESUMED_SIZE_BYTES_MAX,
    Flight,
    Pace,
    Pushed,
)


def carry(pace: Pace, rate: float, total_bytes: int, began_s: float = 0.0) -> tuple[float, list[int]]:
    """Carry so many bytes at a rate, each push handed over when the one before is acknowledged; when, and the sizes."""
    flight, now_s, end, sizes = Flight(PUSH_SIZE_BYTES_FIRST, pace), began_s, 0, []
    while sum(sizes) < total_bytes:
        size = flight.push_size_bytes
        flight.add(end := end + 1, 10, size, now_s)
        now_s += size / rate
        flight.arrived(end, now_s)
        sizes.append(size)
    return now_s, sizes


def test_without_a_clock_nothing_bounds_a_push():
    """A shell that tells no time gets twice of what got through, up to the largest push."""
    flight, sizes = Flight(2000, Pace()), []
    for end in range(1, 8):
        sizes.append(flight.push_size_bytes)
        flight.add(end, 10, sizes[-1], None)
        flight.arrived(end, None)
    assert sizes == [2000, 4000, 8000, 16_000, 32_000, 64_000, 64_000]


@pytest.mark.parametrize(
    ("rate", "low", "high"), [(8000, 2000, 12_000), (64_000, 15_000, 25_000), (10**6, 64_000, 64_000)]
)
def test_a_fast_line_gets_large_pushes_a_slow_one_small_ones(rate, low, high):
    """After 300 kB without a cut a push takes about FRAME_S of the line, or what little a larger one would cost."""
    pace = Pace()
    carry(pace, rate, 300_000)
    assert low <= pace.bound_bytes <= high
    assert pace.bound_bytes <= max(rate * FRAME_S * 1.01, math.sqrt(2 * FRAME_COST_BYTES * 400_000))


def test_a_line_that_is_cut_often_gets_small_pushes_however_fast_it_is():
    """What a push loses to cuts counts more than its turns: never more than a part of what the line lives."""
    pace, dice, now_s = Pace(), random.Random(1), 0.0
    for _ in range(30):
        now_s, _ = carry(pace, 10**6, int(dice.expovariate(1 / 20_000)), now_s)
        pace.cut([])
    assert PUSH_SIZE_BYTES_MIN <= pace.bound_bytes <= 10_000


def test_cuts_without_progress_lead_to_the_smallest_push():
    """A line on which nothing gets through is tried with less and less."""
    pace = Pace()
    carry(pace, 10**6, 10**6)
    assert pace.bound_bytes == PUSH_SIZE_BYTES_MAX
    for _ in range(40):
        pace.cut([])
    assert pace.bound_bytes == PUSH_SIZE_BYTES_MIN


def test_a_line_that_became_good_is_believed():
    """Old cuts are forgotten with what is carried without new ones."""
    pace = Pace()
    for _ in range(20):
        carry(pace, 10**6, 5000)
        pace.cut([])
    before = pace.bound_bytes
    carry(pace, 10**6, 3_000_000)
    assert before < 5000
    assert pace.bound_bytes == PUSH_SIZE_BYTES_MAX


def test_where_a_cut_loses_no_part_of_a_push_pushes_are_larger():
    """A hub that has kept what a cut left lets a slow line have larger pushes; one that kept nothing ends that."""
    pace = Pace()
    carry(pace, 8000, 40_000)
    before = pace.bound_bytes
    pace.cut([Pushed(30, 10, 800, 800, 0.0)])
    assert pace.held(20) == 10
    pace.resumed(700)
    assert before < pace.bound_bytes <= RESUMED_SIZE_BYTES_MAX
    pace.cut([Pushed(30, 10, 800, 800, 0.0)])
    assert (pace.held(25), pace.resumed_bytes) == (0, 0)
    assert pace.bound_bytes <= before


def test_pushes_that_no_receipt_covers_are_counted():
    """What is acknowledged, and what a cut left open and turns out to have arrived."""
    pace = Pace()
    flight = Flight(PUSH_SIZE_BYTES_FIRST, pace)
    for end in (10, 20, 30):
        flight.add(end, 10, 1000, None)
    flight.arrived(10, None)
    assert pace.unconfirmed_pushes == 1
    flight.cut()
    Flight(PUSH_SIZE_BYTES_FIRST, pace).held(20)
    assert pace.unconfirmed_pushes == 2


def test_what_turns_out_to_have_arrived_counts():
    """Pushes under way at a cut that the hub proves to hold are bytes that the link did carry."""
    pace = Pace()
    flight = Flight(PUSH_SIZE_BYTES_FIRST, pace)
    for end in (10, 20, 30):
        flight.add(end, 10, 1000, 0.0)
    flight.arrived(10, 1.0)
    flight.cut()
    Flight(PUSH_SIZE_BYTES_FIRST, pace).held(20)
    assert pace.arrived_bytes == 2000
    Flight(PUSH_SIZE_BYTES_FIRST, pace).held(30)
    assert pace.arrived_bytes == 2000  # once


def test_acknowledgements_that_come_together_are_one_measurement():
    """A hub that answers many pushes in one breath does not make the line look faster than it is."""
    pace = Pace()
    flight = Flight(PUSH_SIZE_BYTES_FIRST, pace)
    for end in range(1, 11):
        flight.add(end, 10, 1000, 0.0)
    for end in range(1, 11):
        flight.arrived(end, 10.0 + end / 10_000)
    assert pace.bound_bytes < 5000
