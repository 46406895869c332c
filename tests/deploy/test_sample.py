"""The sample is what its README says, and rich enough for the demo's promises to mean something."""

import hashlib
import lzma
import re
from pathlib import Path

from deploy.demo.facts import SAMPLE, Sample

README = Path(__file__).resolve().parents[2] / "deploy" / "sample" / "README.md"


def test_the_sample_is_the_one_described():
    """Its sum, size and number of facts are those in the README beside it."""
    data = lzma.decompress(SAMPLE.read_bytes())
    text = README.read_text(encoding="utf-8")
    assert hashlib.md5(data).hexdigest() in text
    assert f"{len(data):,} bytes" in text
    assert f"{len(data.splitlines()):,} facts" in text
    assert SAMPLE.stat().st_size < 2 * 1024 * 1024


def test_each_home_has_the_facts_described():
    """The README's counts by home are right."""
    sample = Sample.load()
    text = README.read_text(encoding="utf-8")
    described = {code: int(n.replace(",", "")) for code, n in re.findall(r"(home-\d\d) ([\d,]+)", text)}
    assert described == {code: len(sample.of(code)) for code in sample.homes()}


def test_the_sample_holds_corrections_and_completed_moves():
    """180 children, at least three of whom arrived elsewhere, and facts that were corrected."""
    sample = Sample.load()
    assert len(sample.children()) == 180
    assert sample.moves() >= 3
    assert sum(fact.type == "CorrectionMade" for fact in sample.facts) >= 50
    assert sample.last_day() == "2024-11-30"
    assert set(sample.whereabouts()) == sample.children()


def test_site_and_time_name_a_fact():
    """No two facts share both."""
    facts = Sample.load().facts
    assert len({(fact.site, fact.at) for fact in facts}) == len(facts)
