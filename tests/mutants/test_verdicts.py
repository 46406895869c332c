"""The counting of mutants: what was killed, what only changed words, and what is listed as no fault at all."""

from __future__ import annotations

import json

import pytest

from tests.mutants.__main__ import figures, percent
from tests.mutants.verdicts import Equivalents, read_mutants

MUTATED = """
@_mutmut_mutated(mutants_x_half__mutmut)
def half(size):
    return size // 2

def x_half__mutmut_orig(size):
    if size < 0:
        raise Refused("negative", f"no half of {size}")
    return divide(size, by=2, strict=True)

def x_half__mutmut_1(size):
    if size <= 0:
        raise Refused("negative", f"no half of {size}")
    return divide(size, by=2, strict=True)

def x_half__mutmut_2(size):
    if size < 0:
        raise Refused("negative", None)
    return divide(size, by=2, strict=True)

def x_half__mutmut_3(size):
    if size < 0:
        raise Refused("XXnegativeXX", f"no half of {size}")
    return divide(size, by=2, strict=True)

def x_half__mutmut_4(size):
    if size < 0:
        raise Refused("negative", f"no half of {size}")
    return divide(size, by=2, strict=False)

def x_half__mutmut_5(size):
    if size < 0:
        raise Refused("negative", f"no half of {size}")
    return divide(size, by=3, strict=True)
"""
LISTED = """
[[equivalent]]
module = "*"
was = 'strict=True'
now = ['strict=False']
why = "checked before"

[[equivalent]]
module = "sync/half.py"
was = 'never there'
now = ['anything']
why = "it was once"
"""


@pytest.fixture
def equivalents(tmp_path) -> Equivalents:
    (tmp_path / "equivalent.toml").write_text(LISTED)
    return Equivalents.read(tmp_path / "equivalent.toml")


@pytest.fixture
def mutants(tmp_path, equivalents):
    """Reads the five mutants of one function, with these exit codes of their workers."""

    def read(*codes: int | None):
        (tmp_path / "sync").mkdir(exist_ok=True)
        (tmp_path / "sync" / "half.py").write_text(MUTATED)
        keys = {f"sync.half.x_half__mutmut_{n}": code for n, code in enumerate(codes, 1)}
        (tmp_path / "sync" / "half.py.meta").write_text(json.dumps({"exit_code_by_key": keys}))
        return read_mutants(tmp_path, "sync/half.py", equivalents)

    return read


def test_words_of_errors_and_listed_mutants_are_told_from_faults(mutants):
    """Only the last argument of what is raised is words, a code before it is not; a listed change is as listed."""
    read = mutants(0, 0, 0, 0, 0)
    assert [mutant.wording for mutant in read] == [False, True, False, False, False]
    assert [mutant.equivalent for mutant in read] == ["", "", "", "checked before", ""]
    assert {mutant.function for mutant in read} == {"half"}
    assert read[0].change == "  - if size < 0:\n  + if size <= 0:"


def test_both_figures_are_of_what_they_say(mutants):
    """Of five mutants two are killed, one by time: 40 % of all; of the three that are faults, 67 %."""
    read = mutants(1, 0, -24, 0, 0)
    assert figures(read) == ["5", "2", "1", "1", "0", "1", "1", "40.0 %", "66.7 %"]


@pytest.mark.parametrize("code", [None, 2, 33, 5, 0, 7])
def test_what_was_not_killed_does_not_count_as_killed(mutants, code):
    """A mutant that survived, that no test reaches, or that was not run to its end lowers the figure."""
    assert percent(mutants(1, 0, 1, 0, code)) == pytest.approx(200 / 3)


def test_the_list_is_held_to_what_it_says(mutants, equivalents):
    """A listed mutant that a test has killed, and one that is no more, are both told."""
    read = mutants(1, 1, 1, 1, 1)
    assert [told.splitlines()[0] for told in equivalents.contradicted(read)] == [
        "listed as equivalent, but killed: half"
    ]
    assert equivalents.contradicted(mutants(-24, -24, -24, -24, -24)) == []
    assert equivalents.unused({"sync/half.py": read}) == [
        "equivalent.toml names a mutant that is no more: sync/half.py never there"
    ]
    assert equivalents.unused({"sync/other.py": []}) == []
