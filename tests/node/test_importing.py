"""Importing: one line, one entry, whatever was imported before."""

import json
import lzma
from pathlib import Path
from uuid import UUID

import pytest

from domain.facts import at_ms, own_subject
from node import importing
from node.importing import BadLine, Importer
from sync.store import Store

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "sample" / "facts.jsonl.xz"
LINES = lzma.decompress(SAMPLE.read_bytes()).decode().splitlines()


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
    importer = Importer(store, store, "home-01", lambda: 1_725_148_800_000, all_sites=all_sites)
    importer.learn_log(lambda _: None)
    return importer.run(file, lambda _: None)


def sources(store):
    return [tuple(entry.body().extensions[3]) for entry in store.entries_of_log(store.log)]


def payloads(store):
    return [(body.subject, body.type, body.payload) for body in (e.body() for e in store.entries_of_log(store.log))]


def without_targets(found):
    """Entry ids are random; what a correction names is compared by its place, elsewhere."""
    return [(s, t, {k: v for k, v in p.items() if k != "target"}) for s, t, p in found]


def test_batches_change_nothing(tmp_path, monkeypatch):
    """However many lines go to the disk at once, the log says the same in the same order."""
    seen = []
    for batch_count in (1, 7, 500):
        monkeypatch.setattr(importing, "BATCH_COUNT", batch_count)
        folder = tmp_path / str(batch_count)
        folder.mkdir()
        Store.create(folder)
        store = Store(folder)
        done = imported(store, LINES[:1500])
        assert (done.recorded, done.known, done.elsewhere) == (1500, 0, 0)
        assert len(set(sources(store))) == 1500
        again = imported(store, LINES[:150])
        assert (again.recorded, again.known) == (0, 150)
        seen.append(without_targets(payloads(store)))
        store.close()
    assert seen[0] == seen[1] == seen[2]


def line_of(kind, at, subject="11111111-1111-4111-8111-111111111111", **data):
    fact = {"site": "home-01", "subject": subject, "type": kind, "at": at, "by": "w-01-01", "data": data}
    return json.dumps(fact, ensure_ascii=False)


CARD = next(json.loads(line)["data"] for line in LINES if json.loads(line)["type"] == "ChildRegistered")


def test_a_book_that_comes_back_at_once_closes_its_own_loan(store):
    """A return in the same batch as the lending is about the same loan."""
    imported(store, [
        line_of("ChildRegistered", "2024-09-01T09:00:00+08:00", **CARD),
        line_of("BookLent", "2024-09-02T16:00:00+08:00", book="小王子#1", due="2024-09-09"),
        line_of("BookReturned", "2024-09-03T16:00:00+08:00", book="小王子#1", late_days=0, state="完好"),
        line_of("BookLent", "2024-09-04T16:00:00+08:00", book="小王子#1", due="2024-09-09"),
        line_of("BookReturned", "2024-09-05T16:00:00+08:00", book="小王子#1", late_days=0, state="完好"),
    ])  # fmt: skip
    subjects = [subject for subject, _, _ in payloads(store)[1:]]
    assert subjects[0] == subjects[1] != subjects[2] == subjects[3]


@pytest.mark.parametrize("batch_count", [1, 500])
def test_a_second_registration_is_refused_wherever_a_batch_ends(store, monkeypatch, batch_count):
    """What is decided about a line sees every line before it."""
    monkeypatch.setattr(importing, "BATCH_COUNT", batch_count)
    with pytest.raises(BadLine, match="line 2"):
        imported(store, [
            line_of("ChildRegistered", "2024-09-01T09:00:00+08:00", **CARD),
            line_of("ChildRegistered", "2024-09-02T09:00:00+08:00", **CARD),
        ])  # fmt: skip
    assert len(sources(store)) == 1


@pytest.mark.parametrize("batch_count", [1, 500])
def test_a_call_before_the_registration_is_refused_wherever_a_batch_ends(store, monkeypatch, batch_count):
    """A line out of time order is judged by the registration before it in the file."""
    monkeypatch.setattr(importing, "BATCH_COUNT", batch_count)
    call = {"with": "父亲", "via": "手机", "minutes": 5, "answered": True}
    with pytest.raises(BadLine, match="line 2"):
        imported(store, [
            line_of("ChildRegistered", "2024-09-05T09:00:00+08:00", **CARD),
            line_of("CallHeld", "2024-09-02T09:00:00+08:00", **call),
        ])  # fmt: skip
    assert len(sources(store)) == 1


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


CHILD = UUID("11111111-1111-4111-8111-111111111111")
ORDER = {"by": "w", "ground": "g", "now_ms": 1_741_392_000_000}
REGISTERED = line_of("ChildRegistered", "2024-09-01T09:00:00+08:00", **CARD)
CALLED = line_of("CallHeld", "2024-09-02T09:00:00+08:00", **{"with": "父亲"}, via="手机", minutes=5, answered=True)
LENT = line_of("BookLent", "2024-09-03T16:00:00+08:00", book="小王子#1", due="2024-09-09")
OTHER = "22222222-2222-4222-8222-222222222222"
OTHERS = line_of("ChildRegistered", "2024-09-01T10:00:00+08:00", OTHER, **CARD | {"no": 99})


def correction(at, kind, corrected_at, field, now):
    return line_of(
        "CorrectionMade", at, corrects={"type": kind, "at": corrected_at}, field=field, now=now, why="写错了"
    )


def test_a_correction_of_what_was_erased_is_left_out(store):
    """It is counted with the lines about erased subjects, wherever it stands, and the lines behind it are recorded."""
    imported(store, [REGISTERED, CALLED])
    store.erase([CHILD.bytes], **ORDER)
    wrong = correction("2024-09-04T09:00:00+08:00", "CallHeld", "2024-09-02T09:00:00+08:00", "minutes", 7)
    again = correction("2024-09-05T09:00:00+08:00", "CorrectionMade", "2024-09-04T09:00:00+08:00", "now", 8)
    done = imported(store, [REGISTERED, CALLED, wrong, again, LENT, OTHERS])
    assert (done.recorded, done.known, done.erased) == (1, 0, 5)
    body = list(store.entries_of_log(store.log))[-1].body()
    assert (body.type, body.subject) == ("child-registered/1", UUID(OTHER).bytes)


def test_a_correction_of_an_erased_loan_is_left_out(store):
    """A loan is a subject of its own: its correction names the child, who was not erased, and goes all the same."""
    imported(store, [REGISTERED, LENT])
    loan = own_subject("home-01", at_ms("2024-09-03T16:00:00+08:00"))
    store.erase([loan.bytes], **ORDER)
    wrong = correction("2024-09-04T09:00:00+08:00", "BookLent", "2024-09-03T16:00:00+08:00", "due", "2024-09-10")
    done = imported(store, [REGISTERED, LENT, wrong, CALLED])
    assert (done.recorded, done.known, done.erased) == (1, 1, 2)


def test_a_correction_that_names_nothing_is_still_a_bad_line(store):
    """That somebody was erased excuses no line about others: a wrong moment is named as before."""
    imported(store, [REGISTERED, OTHERS, CALLED])
    store.erase([UUID(OTHER).bytes], **ORDER)
    with pytest.raises(BadLine, match=r"corrects\.at"):
        imported(
            store, [correction("2024-09-04T09:00:00+08:00", "CallHeld", "2024-09-02T09:00:01+08:00", "minutes", 7)]
        )
