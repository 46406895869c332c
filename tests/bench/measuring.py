"""How a comparison is measured: every case in turn, round after round, and the median of what the rounds gave.

Seconds drift on a shared machine, so a figure alone says little. What is compared runs in the same round as its
reference, in an order that changes from round to round, and a ratio is the median of the rounds' own ratios.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.table import Table


class Sample(NamedTuple):
    """One case in one round: how much was done in how long, and what it cost this process."""

    done: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.done / self.seconds


Case = Callable[[], Sample]


@dataclass
class Clock:
    """What a timed block took."""

    seconds: float = 0.0
    cpu_s: float = 0.0

    def sample(self, done: int) -> Sample:
        """As the result of a case that did `done` things."""
        return Sample(done, self.seconds, self.cpu_s)


@contextmanager
def timed() -> Iterator[Clock]:
    """Measure a block; what was made before it is no concern of the garbage collector meanwhile."""
    gc.collect()
    gc.freeze()
    clock = Clock()
    cpu_s, began = time.process_time(), time.perf_counter()
    yield clock
    clock.seconds, clock.cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    gc.unfreeze()


class Rounds:
    """What all cases gave in all rounds."""

    def __init__(self, samples: Mapping[str, Sequence[Sample]]) -> None:
        self._samples = samples

    def rate(self, case: str) -> float:
        """The median rate."""
        return statistics.median(sample.rate for sample in self._samples[case])

    def ratio(self, case: str, reference: str) -> float:
        """The median of the rounds' ratios."""
        pairs = zip(self._samples[case], self._samples[reference], strict=True)
        return statistics.median(mine.rate / other.rate for mine, other in pairs)

    def cpu_us(self, case: str) -> float:
        """The median of microseconds of this process's processor time for each thing done."""
        return statistics.median(sample.cpu_s / sample.done for sample in self._samples[case]) * 1e6


def interleaved(cases: Mapping[str, Case], runs: int, before: Callable[[int], None] | None = None) -> Rounds:
    """Run every case once a round, beginning with another one each time; `before` gets each round ready."""
    names = list(cases)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(runs):
        if before is not None:
            before(number)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            samples[name].append(cases[name]())
    return Rounds(samples)


@dataclass
class Findings:
    """One table under way."""

    title: str
    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def compare(self, what: str, rounds: Rounds, case: str, reference: str, *, aim: str = "", named: str = "") -> None:
        """One row: a case beside its reference. `aim` is the ratio we want to keep."""
        other = f"{named or reference}: {rounds.rate(reference):,.0f}/s"
        ratio = rounds.ratio(case, reference)
        self.rows.append(
            (what, f"{rounds.rate(case):,.0f}/s", other, f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}", aim)
        )

    def cost(self, what: str, rounds: Rounds, case: str, reference: str, *, named: str = "") -> None:
        """One row: the processor time of a case beside its reference's, µs a thing done; less is better."""
        mine, other = rounds.cpu_us(case), rounds.cpu_us(reference)
        self.rows.append(
            (f"{what}, CPU", f"{mine:,.1f} µs", f"{named or reference}: {other:,.1f} µs", f"{mine / other:.2f}", "")
        )

    def state(self, what: str, figure: str, beside: str = "", ratio: str = "", *, aim: str = "") -> None:
        """One row: a figure that is no rate."""
        self.rows.append((what, figure, beside, ratio, aim))

    def note(self, text: str) -> None:
        """A line under the table."""
        self.notes.append(text)

    def table(self) -> Table:
        """As it is printed."""
        caption = "\n".join(self.notes) or None
        table = Table(title=self.title, title_justify="left", caption=caption, caption_justify="left")
        table.add_column("what")
        table.add_column("ours", justify="right")
        table.add_column("reference")
        table.add_column("ratio", justify="right")
        table.add_column("aim", justify="right")
        for row in self.rows:
            table.add_row(*row)
        return table
