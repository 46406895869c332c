"""The hub's reports beside the recount of the raw lines, figure by figure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from domain.reports import REPORTS
from tests.county.loading import report
from tests.county.recount import Recount


class Compared(NamedTuple):
    """One figure: where it is from, what the hub says, and what the lines say."""

    where: str
    theirs: Any
    ours: Any


def compare(hub: Path, ours: Recount, tell: Callable[[str], None], every: int = 1) -> Iterator[Compared]:
    """Every report is made once; of some figures every part is counted again, month by month or of some months."""
    months = sorted({month for _, month, _ in ours.counts})
    last = max(when for cards in ours.cards.values() for when, *_ in cards)
    for number in REPORTS:
        began = time.monotonic()
        found = report(hub, number, "--as-of", last, "--period", f"{months[0]}..{months[-1]}")
        tell(f"{number} {found['title']['zh']}: {len(found['figures'])} figures, {time.monotonic() - began:.1f} s")
    yield from _register(hub, ours, last)
    for month in months[::every]:
        yield from _work(hub, ours, month)


def _register(hub: Path, ours: Recount, day: str) -> Iterator[Compared]:
    figure = report(hub, "R01", "--as-of", day)["figures"]["children"]
    cards = ours.on(day).values()
    yield Compared("R01 children", figure["value"], len(cards))
    yield Compared("R01 by home", figure["by"]["home"], dict(Counter(home for home, _ in cards)))
    yield Compared("R01 by age", figure["by"]["age"], {str(age): n for age, n in ours.ages(day).items()})
    sexes = {"女": "female", "男": "male"}
    yield Compared("R01 by sex", figure["by"]["sex"], dict(Counter(sexes[data["sex"]] for _, data in cards)))


def _work(hub: Path, ours: Recount, month: str) -> Iterator[Compared]:
    figures = report(hub, "R17", "--period", month)["figures"]
    for kind in sorted({kind for _, when, kind in ours.counts if when == month}):
        theirs = Counter(figures.get(kind, {"by": {"home": {}}})["by"]["home"])
        if kind == "call":  # a video call is a call in the raw lines
            theirs += Counter(figures.get("video", {"by": {"home": {}}})["by"]["home"])
        counted = {home: n for (home, when, one), n in ours.counts.items() if (when, one) == (month, kind)}
        yield Compared(f"R17 {month} {kind} by home", dict(theirs), counted)
    fen = {home: f"{n}.00" for (home, when), n in ours.yuan.items() if when == month and n}
    paid = figures.get("aid_fen", {"by": {"home": {}}})["by"]["home"]
    yield Compared(f"R17 {month} aid by home", paid, fen)
