"""The demo's judge says BROKEN when something is."""

import copy
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.badlink import Stats
from deploy.demo.facts import Sample
from deploy.demo.proof import OUR_WORDS, Evidence, judge
from deploy.demo.story import Kill

SAMPLE = Sample.load()
KINDS = {words: kind for kind, words in OUR_WORDS.items()}
KILLS = [Kill("home-01 importing", 5, 10, was_running=True)]


def report(month: str) -> dict:
    """R17 as a faithful hub would tell it."""
    counted = SAMPLE.counted(month)
    figures = {}
    for words, kind in KINDS.items():
        homes = {home: counts[words] for home, counts in counted.items()}
        figures[kind] = {"value": sum(homes.values()), "by": {"home": homes}}
    return {"figures": figures}


def county():
    homes = [
        SimpleNamespace(name=code, facts_count=len(SAMPLE.of(code)), link=SimpleNamespace(stats=Stats(cuts=1)))
        for code in SAMPLE.homes()
    ]
    return SimpleNamespace(homes=homes, nodes=[SimpleNamespace(name="hub"), *homes])


def faithful() -> Evidence:
    """What nodes say that keep every promise."""
    counts = {code: len(SAMPLE.of(code)) for code in SAMPLE.homes()}
    names = ["hub", *counts]
    whereabouts = SAMPLE.whereabouts()
    tables = {"tables": {"child": "00"}}
    return copy.deepcopy(
        Evidence(
            statuses={c: {"entries": n, "at_the_county": n, "waiting": 0, "returned": 0} for c, n in counts.items()},
            held={c: {"held": n} for c, n in counts.items()},
            verified={name: {"ok": True, "compared": 1} for name in names},
            digests=dict.fromkeys(names, (tables, tables)),
            pages=dict.fromkeys(names, "<html lang=zh>"),
            children=[{"id": child, "home": home} for child, home in whereabouts.items()],
            r01={
                "figures": {
                    "children": {"value": len(whereabouts), "by": {"home": dict(Counter(whereabouts.values()))}}
                }
            },
            r17={month: report(month) for month in SAMPLE.months()},
        )
    )


def broken(evidence: Evidence, kills: list[Kill] = KILLS) -> list[str]:
    return [checked.promise for checked in judge(county(), SAMPLE, evidence, kills) if not checked.held]


def test_faithful_nodes_break_no_promise():
    """Nothing is called broken that is whole."""
    assert broken(faithful()) == []


def lose_an_entry(e: Evidence) -> None:
    e.held["home-02"]["held"] -= 1


def double_an_entry(e: Evidence) -> None:
    e.statuses["home-02"]["entries"] += 1


def wait_for_ever(e: Evidence) -> None:
    e.statuses["home-02"]["waiting"] = 1


def tamper(e: Evidence) -> None:
    e.verified["hub"]["ok"] = False


def rebuild_otherwise(e: Evidence) -> None:
    e.digests["home-03"] = ({"tables": {"child": "00"}}, {"tables": {"child": "01"}})


def rebuild_nothing(e: Evidence) -> None:
    e.digests["home-03"] = ({"tables": {}}, {"tables": {}})


def miscount_children(e: Evidence) -> None:
    e.r01["figures"]["children"]["value"] += 1


def leave_a_child_behind(e: Evidence) -> None:
    e.children[0]["home"] = "home-09"


def miscount_calls(e: Evidence) -> None:
    e.r17["2024-10"]["figures"]["video"]["by"]["home"]["home-01"] -= 1


def miscount_the_sum(e: Evidence) -> None:
    e.r17["2024-10"]["figures"]["video"]["value"] -= 1


def show_no_page(e: Evidence) -> None:
    e.pages["hub"] = "500"


@pytest.mark.parametrize(
    ("harm", "promise"),
    [
        (lose_an_entry, "home-02: 1,539 lines, each once"),
        (double_an_entry, "home-02: 1,539 lines, each once"),
        (wait_for_ever, "home-02: 1,539 lines, each once"),
        (tamper, "hub: every log verifies"),
        (rebuild_otherwise, "home-03: rebuilt equals live"),
        (rebuild_nothing, "home-03: rebuilt equals live"),
        (miscount_children, "R01 is what the raw facts say"),
        (leave_a_child_behind, "each child is where it moved to"),
        (miscount_calls, "R17 of 2024-10 is what the raw facts say, home by home"),
        (miscount_the_sum, "R17 of 2024-10 is what the raw facts say, home by home"),
        (show_no_page, "every node shows its page"),
    ],
)
def test_each_harm_is_named(harm, promise):
    """One thing wrong, one promise broken, and it is that one."""
    evidence = faithful()
    harm(evidence)
    assert broken(evidence) == [promise]


@pytest.mark.parametrize("kill", [Kill("x", 10, 10, was_running=True), Kill("x", 5, 10, was_running=False)])
def test_a_kill_that_hit_nothing_is_no_proof(kill):
    """A process killed after its work, or dead before, does not count as killed in the middle."""
    assert broken(faithful(), [kill]) == ["killed in the middle, then started again"]


def test_the_county_is_laid_out_by_home(tmp_path):
    """Each home gets exactly its own lines, in order."""
    from deploy.demo.county import County

    found = County.found(Path(tmp_path), SAMPLE)
    for home in found.homes:
        lines = home.facts_file.read_text(encoding="utf-8").splitlines(keepends=True)
        assert lines == [fact.line for fact in SAMPLE.of(home.name)]
        assert home.facts_count == len(lines)
