"""The sums beside the tallies."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domain.views import TABLES
from node.sums import Changes
from node.views import Views
from sync.cipher import MasterKey

NAMES = [name for name, _ in TABLES["tally"].columns]
HOMES, MONTHS, KINDS = st.sampled_from(["home-01", "home-02"]), st.sampled_from(["2024-09", "2024-10"]), st.just("call")
STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.dictionaries(st.tuples(HOMES, MONTHS, KINDS), st.integers(1, 9), max_size=3)),
    max_size=12,
)


def tally(subject: int, key: tuple[str, str, str], count: int) -> tuple[str, tuple]:
    home, month, kind = key
    named = {"subject": bytes([subject]) * 16, "home": home, "month": month, "kind": kind, "count": count}
    return "tally", tuple(named.get(name, 2 * count) for name in NAMES)


def test_sums_are_the_tallies_added_up_whatever_changed(tmp_path_factory):
    """Rows that come, change and go, in any batches: each sum is what a recount gives, and none stands at nought."""
    folder = tmp_path_factory.mktemp("sums")

    @given(STEPS)
    def changed(steps):
        views = Views.create(folder / "views.db", MasterKey(bytes(32)))
        held: dict[int, list] = {}
        for position, (subject, wanted) in enumerate(steps, 1):
            now = [tally(subject, key, count) for key, count in wanted.items()]
            changes = Changes()
            changes.became(held.get(subject, []), now)
            held[subject] = now
            views.replace(position, changes)
        expected: Counter = Counter()
        for _, row in (one for rows in held.values() for one in rows):
            expected[row[1], row[2], row[3]] += row[NAMES.index("count")]
        found = {
            (home, month, kind): (count, minutes)
            for home, month, kind, count, minutes in views.query("SELECT home, month, kind, count, minutes FROM work")
        }
        assert found == {key: (count, 2 * count) for key, count in expected.items()}
        views.close()

    changed()
