"""R17: what the homes did in a month, a term, a half-year or a year, one figure a kind of fact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from domain.reporting import CHILDREN, HOME, TIMES, YUAN, Asked, Figure, Label, Read, Rows, added, report
from domain.tally import KINDS

MINUTES = Label("分钟", "minutes")
DEFINITION = Label(
    "按事实发生的日期归月，归入做这件事的家；更正后的日期为准，已撤回的不计",
    "facts by the month in which they happened, for the home that did them, as corrected; withdrawn facts do not count",
)
MEASURES = {
    "count": ("", "", TIMES),
    "minutes": ("（时长）", ", minutes", MINUTES),
    "reached": ("（接通）", ", reached", TIMES),
    "children": ("（人次）", ", children", CHILDREN),
    "fen": ("（金额）", ", amount", YUAN),
}
COLUMNS = "home month kind count minutes reached children fen"


@report("R17", "之家工作报表", "what the homes did")
def work(read: Read, asked: Asked) -> Iterator[Figure]:
    """What each home did in the months that a period touches, and the county: sums, each child's part behind them."""
    months = ("month", f"{asked.period.first:%Y-%m}", f"{asked.period.last:%Y-%m}")
    sums = read("work", COLUMNS, between=months)
    place = sums.at("kind")
    for kind, (zh, en) in KINDS.items():
        found = [(b"", *row) for row in sums if row[place] == kind]
        if found:

            def behind(kind: str = kind) -> Rows:
                return read("tally", f"subject {COLUMNS}", between=months).where(kind=kind)

            rows = Rows(("subject", *sums.columns), found)
            yield from (replace(one, behind=behind) for one in _figures(kind, Label(zh, en), rows))


def _figures(kind: str, label: Label, rows: Rows) -> Iterator[Figure]:
    """One figure a measure that the kind of fact has."""
    for measure, (zh, en, unit) in MEASURES.items():
        if measure == "count" or any(rows.column(measure)):
            name = kind if measure == "count" else f"{kind}_{measure}"
            yield added(name, Label(label.zh + zh, label.en + en), DEFINITION, unit, rows, measure, HOME)
