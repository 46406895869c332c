"""The promises of the demo, each checked against what the nodes say and against the raw facts."""

from __future__ import annotations

import asyncio
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from deploy.demo.county import County, Home, Node
from deploy.demo.facts import Sample
from deploy.demo.story import Kill

PAGE_S_MAX = 10.0
PROMISE_FAILED = 1  # the exit code of `verify` on a log that does not
OUR_WORDS = {
    "call": "calls and video calls",
    "video": "calls and video calls",
    "letter": "letters",
    "talk": "talks",
    "visit": "home visits",
    "diary": "diary entries",
    "loan_out": "books lent",
    "loan_back": "books returned",
}  # the report's kinds in the words of `facts.COUNTED`


@dataclass
class Checked:
    """One promise, whether it held, and what was found."""

    promise: str
    held: bool
    found: str = ""


@dataclass
class Evidence:
    """What the nodes said when everything was over."""

    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    verified: dict[str, dict[str, Any]] = field(default_factory=dict)
    digests: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    children: list[dict[str, Any]] = field(default_factory=list)
    r01: dict[str, Any] = field(default_factory=dict)
    r17: dict[str, dict[str, Any]] = field(default_factory=dict)


async def gather(county: County, sample: Sample) -> Evidence:
    """Ask every node everything, while all of them serve."""
    evidence = Evidence()
    await asyncio.gather(*(examine(node, evidence) for node in county.nodes))
    for home in county.homes:
        evidence.statuses[home.name] = await home.ask("status")
    status = await county.hub.ask("status")
    evidence.held = {home["code"]: home for home in status["homes"]}
    evidence.r01 = await county.hub.ask("report", "R01", "--as-of", sample.last_day())
    for month in sample.months():
        evidence.r17[month] = await county.hub.ask("report", "R17", "--period", month)
    evidence.children = (await county.hub.ask("children"))["children"]
    return evidence


async def examine(node: Node, evidence: Evidence) -> None:
    """Verify a node's logs, rebuild its read models while it serves, and look at its page."""
    evidence.verified[node.name] = await node.ask("verify", codes=(0, PROMISE_FAILED))
    before = await node.ask("digest")
    await node.ask("rebuild", codes=(0, PROMISE_FAILED))
    evidence.digests[node.name] = (before, await node.ask("digest"))
    assert node.server is not None
    evidence.pages[node.name] = await asyncio.to_thread(page, node.server.url)


def page(url: str) -> str:
    """What a browser would get, or what went wrong."""
    try:
        with urllib.request.urlopen(url, timeout=PAGE_S_MAX) as answer:  # noqa: S310 - our own loopback address
            return str(answer.read().decode())
    except OSError as error:
        return str(error)


def judge(county: County, sample: Sample, evidence: Evidence, kills: list[Kill]) -> Iterator[Checked]:
    """Every promise with its verdict."""
    yield from (Checked("killed in the middle, then started again", kill.in_the_middle, str(kill)) for kill in kills)
    cuts = sum(home.link.stats.cuts for home in county.homes)
    yield Checked("the link was bad", cuts > 0, f"cut {cuts} times")
    yield from (counted(home, evidence) for home in county.homes)
    for node in county.nodes:
        verified = evidence.verified[node.name]
        yield Checked(f"{node.name}: every log verifies", verified["ok"] is True, f"{verified['compared']:,} compared")
    for node in county.nodes:
        before, after = evidence.digests[node.name]
        same = before == after and bool(after["tables"])
        yield Checked(f"{node.name}: rebuilt equals live", same, f"{len(after['tables'])} tables")
    yield from figures(sample, evidence)
    bad = [f"{name}: {text[:60]}" for name, text in evidence.pages.items() if "<html" not in text]
    yield Checked("every node shows its page", not bad, "; ".join(bad))


def counted(home: Home, evidence: Evidence) -> Checked:
    """Lines = recorded = at the county, by receipt, and nothing returned."""
    status, held = evidence.statuses[home.name], evidence.held.get(home.name, {})
    found = (status["entries"], status["at_the_county"], held.get("held", 0))
    good = set(found) == {home.facts_count} and status["waiting"] == 0 and not status["returned"]
    words = "{:,} recorded, {:,} by receipt, {:,} held by the hub".format(*found)
    return Checked(f"{home.name}: {home.facts_count:,} lines, each once", good, words)


def figures(sample: Sample, evidence: Evidence) -> Iterator[Checked]:
    """The county's figures against our own count of the raw facts."""
    whereabouts = sample.whereabouts()
    by_home = dict(Counter(whereabouts.values()))
    r01 = evidence.r01["figures"]["children"]
    good = r01["value"] == len(sample.children()) and r01["by"]["home"] == by_home
    yield Checked("R01 is what the raw facts say", good, f"{r01['value']} children, {in_words(r01['by']['home'])}")
    shown = {child["id"]: child["home"] for child in evidence.children}
    words = f"{len(shown)} children, {sample.moves()} of them arrived from another home"
    yield Checked("each child is where it moved to", shown == whereabouts, words)
    for month, report in evidence.r17.items():
        ours = sample.counted(month)
        figures = report["figures"]
        theirs = {
            home: in_our_words({k: one["by"]["home"].get(home, 0) for k, one in figures.items()}) for home in ours
        }
        summed = in_our_words({kind: one["value"] for kind, one in figures.items()}) == sum(ours.values(), Counter())
        strangers = {home for one in figures.values() for home in one["by"]["home"]} - ours.keys()
        good = theirs == ours and summed and not strangers
        words = f"{sum(sum(kinds.values()) for kinds in ours.values()):,} facts counted again"
        yield Checked(f"R17 of {month} is what the raw facts say, home by home", good, words)


def in_words(counts: dict[str, int]) -> str:
    """Counts by name on one line."""
    return " · ".join(f"{name or '?'}: {count:,}" for name, count in counts.items())


def in_our_words(kinds: dict[str, int]) -> Counter[str]:
    """The kinds of a report that the demo counts too."""
    found: Counter[str] = Counter()
    for kind, count in kinds.items():
        if kind in OUR_WORDS:
            found[OUR_WORDS[kind]] += count
    return found
