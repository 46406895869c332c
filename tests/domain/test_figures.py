"""Running sums: whenever they are asked for, they are what counting everything afresh would give."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domain.figures import Figures
from domain.tally import Measure

MEASURES = st.builds(
    Measure,
    st.sampled_from(["talk", "call"]),
    st.integers(0, 70).map(lambda days: dt.date(2024, 9, 1) + dt.timedelta(days=days)),
    st.integers(0, 60),
    st.integers(0, 1),
    st.integers(0, 3),
    st.integers(0, 500),
)
FACTS = st.tuples(st.sampled_from(["home-01", "home-02"]), MEASURES)


def counted(facts: list[tuple[str, Measure]]) -> tuple[dict[tuple[str, str, str], tuple[int, ...]], dict[str, dt.date]]:
    """Sums and last dates, counted the slow way."""
    sums: Counter[tuple[tuple[str, str, str], int]] = Counter()
    for home, one in facts:
        key = (home, f"{one.on:%Y-%m}", one.kind)
        for place, more in enumerate((1, one.minutes, one.reached, one.children, one.fen)):
            sums[key, place] += more
    keys = {key for key, _ in sums}
    last = {one.kind: max(other.on for _, other in facts if other.kind == one.kind) for _, one in facts}
    return {key: tuple(sums[key, place] for place in range(5)) for key in keys}, last


@given(st.lists(st.tuples(FACTS, st.booleans(), st.booleans())), st.lists(FACTS, max_size=2), st.data())
def test_sums_are_those_of_the_facts_that_stand(
    steps: list[tuple[tuple[str, Measure], bool, bool]], amended: list[tuple[str, Measure]], data: st.DataObject
) -> None:
    """Facts added and taken out in any order, asked for at any moment, add up to what stands; amended ones on top."""
    figures = Figures()
    standing: list[tuple[str, Measure]] = []
    for (home, one), take_out, ask in steps:
        figures.add(home, one)
        standing.append((home, one))
        if take_out:
            gone = standing.pop(data.draw(st.integers(0, len(standing) - 1)))
            figures.remove(*gone, [measure for _, measure in standing])
        if ask:
            assert figures.total(()) == counted(standing)
    assert figures.total(amended) == counted(standing + amended)
    assert figures.total(()) == counted(standing)
