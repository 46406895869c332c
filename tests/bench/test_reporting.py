"""The made-up counties of the benchmark of reports hold what reports read."""

from __future__ import annotations

from node.reporting import asked
from tests.bench import reporting
from tests.bench.facts import Workshop


def test_a_made_up_county_is_reported(tmp_path):
    """Its children are on the register, and what they did in a month is in the figures of work."""
    views = reporting.filled(Workshop(tmp_path), 1, children_count=60)
    with views.snapshot() as read:
        month = asked(reporting.AS_OF, None, "2025-03")
        register = {one.name: one.value for one in reporting.REPORTS["R01"].make(read, month)}
        work = {one.name: one.value for one in reporting.REPORTS["R17"].make(read, month)}
    assert reporting._seconds(views, "R04", "2025-03") > 0  # there are duties
    views.close()
    assert register["children"] == 60
    assert work["call"] == 4 * 60
