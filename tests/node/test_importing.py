"""Importing: one line, one entry, whatever was imported before."""

import lzma
from pathlib import Path

import pytest

from node import importing
from node.importing import BadLine, Importer
from sync.store import Store

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "sample" / "facts.jsonl.xz"
LINES = lzma.open(SAMPLE, "rt", encoding="utf-8").read().splitlines()


@pytest.fixture
def store(tmp_path):
    """An empty log."""
    Store.create(tmp_path)
    opened = Store(tmp_path)
    yield opened
    opened.close()


def imported(store, lines, *, all_sites=True):
    """Import lines as a new process would."""
    file = store.folder / "facts.jsonl"
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    importer = Importer(store, "home-01", lambda: 1_725_148_800_000, all_sites=all_sites)
    importer.learn_log(lambda _: None)
    return importer.run(file, lambda _: None)


def sources(store):
    return [tuple(entry.body().extensions[3]) for entry in store.entries_of_log(store.log)]


@pytest.mark.parametrize("batch_count", [1, 7, 500])
def test_batches_change_nothing(store, monkeypatch, batch_count):
    """However many lines go to the disk at once, the log holds the same entries in the same order."""
    monkeypatch.setattr(importing, "BATCH_COUNT", batch_count)
    done = imported(store, LINES[:150])
    assert (done.recorded, done.known, done.elsewhere) == (150, 0, 0)
    assert len(set(sources(store))) == 150
    again = imported(store, LINES[:150])
    assert (again.recorded, again.known) == (0, 150)


def test_runs_that_overlap(store):
    """Files that overlap, in any order, add each line once."""
    for part in (LINES[:40], LINES[20:60], LINES[:60]):
        imported(store, part)
    assert len(sources(store)) == len(set(sources(store))) == 60


def test_a_line_that_speaks_of_one_just_before_it(store):
    """A correction right after what it corrects finds its entry, in one run or in two."""
    at = next(i for i, line in enumerate(LINES) if '"type":"CorrectionMade"' in line or '"FactCorrected"' in line)
    assert imported(store, LINES[: at + 1]).recorded == at + 1


def test_a_bad_line_names_itself(store):
    """The error carries the line's number; what was before it is stored."""
    with pytest.raises(BadLine) as found:
        imported(store, [*LINES[:9], "{}", *LINES[9:20]])
    assert found.value.number == 10
    assert len(sources(store)) == 9
    assert imported(store, LINES[:20]).recorded == 11
