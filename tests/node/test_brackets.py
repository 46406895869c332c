"""What a person is told of when an entry was recorded, whatever its own clock said."""

import pytest

from node.brackets import COUNTY_MOVED, TOLERANCE_MS, how_long, receipt_json, shown
from sync.hub_note import HubNote
from sync.receipts import Bracket, Greeted, Kept

NOW_MS = 1_741_392_000_000  # 2025-03-08T00:00:00Z
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS


def kept(size: int, at_ms: int, offset_ms: int | None = 0) -> Kept:
    greeted = None if offset_ms is None else Greeted(size, at_ms + offset_ms, at_ms)
    return Kept(size, HubNote(1, 0, at_ms, bytes(64)), greeted)


def between(offset_ms: int | None = 0) -> Bracket:
    """A day between the two."""
    return Bracket(kept(3, NOW_MS, offset_ms), kept(9, NOW_MS + DAY_MS, offset_ms))


def test_a_right_clock_needs_no_words():
    """Inside, and within the tolerance on either side, only the bounds are shown."""
    bounds = {"after": "2025-03-08T00:00:00Z", "before": "2025-03-09T00:00:00Z"}
    for at_ms in (-TOLERANCE_MS, 0, HOUR_MS, DAY_MS, DAY_MS + TOLERANCE_MS, None):
        assert shown(between(), None if at_ms is None else NOW_MS + at_ms) == bounds


def test_a_clock_that_was_ahead_is_said_with_how_far():
    """Where the clocks' difference at an exchange explains it, that is how far."""
    found = shown(between(3 * HOUR_MS), NOW_MS + DAY_MS + 2 * HOUR_MS)
    assert found["ahead_s"] == 3 * 3600
    assert found["words"].startswith(
        "这台电脑的钟当时比县里的快了约 3 小时 (this computer's clock was then about 3 hours ahead"
    )


def test_a_dead_battery():
    """2008: it was behind by years, and that is said."""
    found = shown(between(-17 * 365 * DAY_MS), NOW_MS - 17 * 365 * DAY_MS + HOUR_MS)
    assert found["ahead_s"] == -17 * 365 * 86400
    assert "慢了约 17 年" in found["words"]


@pytest.mark.parametrize("offset_ms", [None, 0, 40 * 365 * DAY_MS])
def test_what_no_exchange_explains_is_said_as_far_as_it_is_certain(offset_ms):
    """The clock was set right before the next exchange, or nobody ever compared clocks."""
    found = shown(between(offset_ms), NOW_MS - 5 * HOUR_MS)
    if offset_ms is None:
        assert found == {"after": None, "before": "2025-03-09T00:00:00Z"}
        found = shown(between(None), NOW_MS + DAY_MS + 5 * HOUR_MS)
        assert found["ahead_s"] == 5 * 3600
        assert "至少快了约 5 小时" in found["words"]
    else:
        assert found["ahead_s"] == -5 * 3600
        assert "至少慢了约 5 小时" in found["words"]


def test_one_bound_is_enough():
    """Before the first receipt, and behind the last one."""
    assert "ahead_s" in shown(Bracket(None, kept(9, NOW_MS)), NOW_MS + DAY_MS)
    assert "ahead_s" not in shown(Bracket(None, kept(9, NOW_MS)), NOW_MS - DAY_MS)
    assert "ahead_s" in shown(Bracket(kept(3, NOW_MS), None), NOW_MS - DAY_MS)
    assert shown(Bracket(None, None), NOW_MS) == {"after": None, "before": None}


def test_where_the_countys_clock_was_moved_nobody_is_blamed():
    """2100 at the county, then corrected: the bracket contradicts itself, and says so."""
    found = shown(Bracket(kept(3, NOW_MS + 75 * 365 * DAY_MS), kept(9, NOW_MS)), NOW_MS)
    assert found["words"] == COUNTY_MOVED
    assert "ahead_s" not in found


def test_a_receipt_as_an_auditor_reads_it():
    """With both clocks where they were compared, without where it came by hand."""
    assert receipt_json(kept(3, NOW_MS, -1000)) == {
        "size": 3, "at": "2025-03-08T00:00:00Z", "epoch": 1, "backed_up": 0, "said_size": 3,
        "node_clock": "2025-03-07T23:59:59Z", "hub_clock": "2025-03-08T00:00:00Z", "clock_offset_s": -1,
    }  # fmt: skip
    assert receipt_json(kept(3, NOW_MS, None))["clock_offset_s"] is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(300, "5 分钟"), (7199, "120 分钟"), (7200, "2 小时"), (3 * 86400, "3 天"), (999 * 86400, "999 天"),
     (17 * 365 * 86400, "17 年")],
)  # fmt: skip
def test_a_span_as_a_person_says_it(seconds, words):
    """In the unit that fits."""
    assert how_long(seconds)[0] == words
