"""The sample county by real commands: what its hub reports is what the raw lines say."""

from __future__ import annotations

import lzma
from pathlib import Path

from tests.county.comparing import compare
from tests.county.loading import load
from tests.county.recount import lines_of, recount

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "sample" / "facts.jsonl.xz"


def test_every_figure_counted_again_agrees(tmp_path):
    """Lines, imported at three homes and exchanged, give the figures that a plain recount gives."""
    facts = tmp_path / "facts.jsonl"
    facts.write_bytes(lzma.decompress(SAMPLE.read_bytes()))
    hub = load(facts, tmp_path, lambda _: None)
    found = list(compare(hub, recount(lines_of(facts)), lambda _: None, every=4))
    assert len(found) > 20
    assert [one for one in found if one.theirs != one.ours] == []
