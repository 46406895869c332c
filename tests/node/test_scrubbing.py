"""Scrubbing: round after round over the whole log, resumed after a stop, and whatever is bad is shown."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing

import pytest

from node import scrubbing
from node.folder import Config, Folder, create_folder
from node.opening import writing
from node.scrubbing import SCRUB_FILE, Scrubber, load, shown
from sync.batch import Draft
from sync.store import Store
from sync.verify import START, Mark, scrub
from tests.by_hand import by_hand

SIZE = 23


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A home with 23 entries about three subjects, scrubbed five at a time."""
    monkeypatch.setattr(scrubbing, "PORTION_COUNT", 5)
    create_folder(tmp_path / "home", Config(kind="home", name="n", code="c"))
    opened = Folder(tmp_path / "home", "home")
    with writing(opened) as store:
        for n in range(SIZE):
            store.record([Draft("a/1", "w", (n % 3).to_bytes(16, "big"), 1, n)]).result(10)
            if n in (6, 12):
                store.keep_checkpoint(store.log, store.sign(n)).result(10)
    return opened


def clock() -> int:
    return 1_741_392_000_000


def harm(folder, *statements) -> None:
    with closing(by_hand(folder.path / "log.db")) as db:
        for statement in statements:
            db.execute(statement)


def round_of(folder) -> dict:
    with writing(folder) as store:
        scrubber = Scrubber(folder, store, clock)
        while not scrubber.step():
            pass
        scrubber.save()
    return shown(folder)


@pytest.mark.parametrize("count", [1, 2, 5, 7, 22, 23, 100])
def test_any_portions_make_a_round(folder, count):
    """Whatever the portion, a round over an unharmed log compares every entry once and finds nothing."""
    with writing(folder) as store:
        mark, marks = START, []
        while True:
            mark, bad = scrub(store, None, mark, count)
            assert bad is None
            if mark == START:
                break
            marks.append(mark.compared)
    assert marks == [min(n, SIZE) for n in range(count, SIZE + count, count)]


@pytest.mark.parametrize("count", [1, 4, 5, 100])
@pytest.mark.parametrize(
    ("harmed", "seq"),
    [
        ("UPDATE entry SET body=zeroblob(80) WHERE seq=9", 9),
        ("UPDATE entry SET commitment=zeroblob(32) WHERE seq=23", 23),
        ("UPDATE entry SET prev=1 WHERE seq=14", 14),
        ("UPDATE entry SET version=1 WHERE seq=14", 14),
        ("UPDATE entry SET tree=zeroblob(32) WHERE seq=1", 1),
        ("DELETE FROM entry WHERE seq=11", 11),
        ("UPDATE checkpoint SET root=zeroblob(32) WHERE size=12", 7),
    ],
)
def test_what_verify_finds_a_round_finds(folder, harmed, seq, count):
    """Harm anywhere is named by its entry, in portions of any size."""
    harm(folder, harmed)
    with writing(folder) as store:
        mark, found = START, []
        for _ in range(SIZE + 2):
            mark, bad = scrub(store, None, mark, count)
            found += [bad] if bad else []
            if mark == START:
                break
    assert found[0].seq == seq, found
    assert found[0].log == store.log


def test_a_round_goes_on_where_it_was(folder):
    """After a stop the next process goes on behind the last portion that was saved."""
    with writing(folder) as store:
        scrubber = Scrubber(folder, store, clock)
        assert [scrubber.step() for _ in range(3)] == [False] * 3
        scrubber.save()
    assert load(folder).mark == Mark(1, 15, 15)
    assert shown(folder) == {"scrubbed_to": 15, "scrub_bad": None}
    assert round_of(folder) == {"scrubbed_to": SIZE, "scrub_bad": None}
    assert (load(folder).rounds, load(folder).ended_ms, load(folder).mark) == (1, clock(), START)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"branch": 1, "what": 2}'])
def test_a_lost_mark_costs_a_round(folder, text):
    """A file that cannot be read means the beginning, and a mark beyond the log ends the round."""
    (folder.path / SCRUB_FILE).write_text(text)
    assert shown(folder) == {"scrubbed_to": 0, "scrub_bad": None}
    assert round_of(folder)["scrubbed_to"] == SIZE
    (folder.path / SCRUB_FILE).write_text(json.dumps({"branch": 1, "seq": 900, "compared": 900}))
    assert round_of(folder)["scrub_bad"] is None


def test_what_is_bad_is_shown_until_a_round_finds_nothing(folder, capsys):
    """The first bad entry of a round stays in `status`; once it is mended, the next whole round takes it away."""
    with closing(by_hand(folder.path / "log.db")) as db:
        ((good,),) = db.execute("SELECT body FROM entry WHERE seq=9")
    harm(folder, "UPDATE entry SET body=zeroblob(80) WHERE seq IN (9, 17)")
    first = round_of(folder)["scrub_bad"]
    assert (first["seq"], first["position"]) == (9, 9)
    assert "run `verify`" in capsys.readouterr().err
    assert round_of(folder)["scrub_bad"]["seq"] == 9
    with closing(by_hand(folder.path / "log.db")) as db:
        db.execute("UPDATE entry SET body=? WHERE seq=9", (good,))
    assert round_of(folder)["scrub_bad"]["seq"] == 17


def test_an_erased_entry_is_not_bad(folder):
    """A round passes over what was erased, before and after its bodies are taken away."""
    with writing(folder) as store:
        store.erase([bytes(16)], by="w", ground="g", now_ms=1)
    assert round_of(folder) == {"scrubbed_to": SIZE + 2, "scrub_bad": None}


def test_a_page_that_cannot_be_read_is_told(folder, monkeypatch, capsys):
    """An error of the disk ends the round, not the process."""

    def fail(*_):
        raise scrubbing.apsw.IOError("disk I/O error")

    monkeypatch.setattr(scrubbing, "scrub", fail)
    assert "disk I/O error" in round_of(folder)["scrub_bad"]["why"]


def test_it_runs_beside_the_writer(folder, monkeypatch):
    """As a task it works through the log while entries are recorded, and saves when it is stopped."""
    monkeypatch.setattr(scrubbing, "PAUSE_S_MIN", 0.001)
    monkeypatch.setattr(scrubbing, "PAUSE_PER_WORK", 0)
    monkeypatch.setattr(scrubbing, "ROUND_PAUSE_S", 0.001)

    async def run(store: Store) -> Scrubber:
        scrubber = Scrubber(folder, store, clock)
        task = asyncio.create_task(scrubber.keep_up())
        for n in range(60):
            await asyncio.wrap_future(store.record([Draft("a/1", "w", (n % 3).to_bytes(16, "big"), 1, n)]))
        while scrubber.state.rounds < 2:  # noqa: ASYNC110 -- a test's patience
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
        return scrubber

    with writing(folder) as store:
        scrubber = asyncio.run(run(store))
    assert scrubber.state.bad is None
    assert load(folder) == scrubber.state
