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
    yield from _pairings(hub, ours, last)
    yield from _of_all_time(hub, ours, last, f"{months[0]}..{months[-1]}")
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


def _pairings(hub: Path, ours: Recount, day: str) -> Iterator[Compared]:
    figures = report(hub, "R03", "--as-of", day)["figures"]
    live = [one for one in ours.pairings if one[0] <= day]
    yield Compared("R03 by home", figures["pairings"]["by"]["home"], dict(Counter(home for _, home, _, _ in live)))
    yield Compared("R03 children", figures["paired"]["value"], len({child for _, _, child, _ in live}))
    helpers = {(home, helper) for _, home, _, helper in live}
    yield Compared("R03 helpers by home", figures["helpers"]["by"]["home"], dict(Counter(home for home, _ in helpers)))


def _of_all_time(hub: Path, ours: Recount, day: str, period: str) -> Iterator[Compared]:
    """Openings, loans and aid of all months, loans as of the day."""
    words = ("--as-of", day, "--period", period)
    opened = report(hub, "R06", *words)["figures"]
    times: Counter[str] = Counter()
    for (home, _, kind), count in ours.counts.items():
        times[home] += count if kind == "opening" else 0
    yield Compared("R06 openings by home", opened["openings"]["by"]["home"], dict(+times))
    yield Compared("R06 visitors by home", opened["visitors"]["by"]["home"], dict(+ours.visitors))
    lent = report(hub, "R07", *words)["figures"]
    out = [loan for loan in ours.loans if loan.is_out(day)]
    late = [loan for loan in out if loan.due < day]
    yield Compared("R07 loans", lent["loans"]["value"], len(ours.loans))
    yield Compared("R07 out by home", lent["out"]["by"]["home"], dict(Counter(loan.home for loan in out)))
    yield Compared("R07 overdue by home", lent["overdue"]["by"]["home"], dict(Counter(loan.home for loan in late)))
    paid = report(hub, "R08", *words)["figures"]["paid_fen"]["by"]["year"]
    yield Compared("R08 paid by year", paid, {year: f"{yuan}.00" for year, yuan in ours.aid_years.items()})


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
