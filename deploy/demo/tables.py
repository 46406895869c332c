"""The demo's last screen: homes, figures, promises."""

from __future__ import annotations

from collections.abc import Iterable

from deploy.demo.county import County
from deploy.demo.display import Display
from deploy.demo.proof import Checked, Evidence, in_words

HOMES = ("home", "recorded", "at the county", "receipts", "retries", "KB up", "KB down", "cuts")


def show(display: Display, county: County, evidence: Evidence, promises: Iterable[Checked]) -> None:
    """Print all of it."""
    rows = []
    for home in county.homes:
        status, carried = evidence.statuses[home.name], home.link.stats
        rows.append(
            (
                home.title,
                status["entries"],
                status["at_the_county"],
                status.get("receipts", "-"),
                status.get("retries", "-"),
                carried.up // 1000,
                carried.down // 1000,
                carried.cuts,
            )
        )
    display.table("The homes", HOMES, rows)
    figures(display, evidence)
    display.verdicts((p.promise, p.held, p.found) for p in promises)


def figures(display: Display, evidence: Evidence) -> None:
    """The county's R01, and R17 month by month."""
    r01 = evidence.r01
    rows = [("in all", f"{r01['total']:,}")]
    rows += [(f"by {name}", in_words(r01[f"by_{name}"])) for name in ("home", "sex", "age", "grade")]
    display.table(f"R01, children of the county as of {r01['as_of']}", ("", "children"), rows)
    months = list(evidence.r17)
    labels = evidence.r17[months[0]]["labels"]
    counted = [kind for kind in labels if any(kind in report["county"] for report in evidence.r17.values())]
    display.table(
        "R17, what the homes did",
        ("", *months),
        [
            (
                f"{labels[kind]['zh']} {labels[kind]['en']}",
                *(evidence.r17[m]["county"].get(kind, {}).get("count", 0) for m in months),
            )
            for kind in counted
        ],
    )
