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
    register = evidence.r01["figures"]["children"]
    rows = [("in all", f"{register['value']:,}")]
    rows += [(f"by {name}", in_words(register["by"][name])) for name in ("home", "sex", "age", "grade")]
    display.table(f"R01, children of the county as of {evidence.r01['as_of']}", ("", "children"), rows)
    months = list(evidence.r17)
    kinds = {name: one for report in evidence.r17.values() for name, one in report["figures"].items()}
    display.table(
        "R17, what the homes did",
        ("", *months),
        [
            (
                f"{kinds[name]['zh']} {kinds[name]['en']}",
                *(evidence.r17[m]["figures"].get(name, {}).get("value", 0) for m in months),
            )
            for name in kinds
            if kinds[name]["unit"]["en"] == "times" and not name.endswith("_reached")
        ],
    )
