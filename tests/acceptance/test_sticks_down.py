"""What comes down by stick: a child that moves, a computer in place of a lost one, an old copy; folders as sticks."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

CHILD = ("name=王小雨", "sex=female", "registered_on=2024-09-01", "address=清溪县白水乡南沟村1组")


class Road:
    """A county and homes that nothing connects but a courier with a stick."""

    def __init__(self, yard: Any, run: Any = None) -> None:
        self.yard, self.run = yard, run or yard.quick
        self.stick = yard / "stick"
        self.stick.mkdir()
        yard.quick("central-hub", "init", yard / "hub", "--name", "清溪县")

    def home(self, name: str, code: str) -> Path:
        made = self.yard.home(name, code)
        self.yard.quick("site-node", "join", made, self.yard.invite(code=code, name=code), "--offline")
        return made

    def up(self, *homes: Path, run: Any = None) -> None:
        for home in homes:
            (run or self.run)("site-node", "bundle", home, self.stick)

    def at_the_county(self, *options: str, run: Any = None, code: int | None = 0) -> dict[str, Any]:
        words = ("central-hub", "take", self.yard / "hub", self.stick, "--answer", self.stick, "--json", *options)
        return (run or self.run)(*words, code=code).json()

    def down(self, home: Path, run: Any = None) -> dict[str, Any]:
        return (run or self.run)("site-node", "take", home, self.stick, "--json").json()

    def clean(self) -> None:
        """Somebody empties the stick."""
        shutil.rmtree(self.stick)
        self.stick.mkdir()

    def round(self, *homes: Path) -> list[dict[str, Any]]:
        """There and back, with whatever lies on the stick already."""
        self.up(*homes)
        self.at_the_county()
        return [self.down(home) for home in homes]


@pytest.fixture
def road(yard):
    return Road(yard)


def record(yard: Any, home: Path, event: str, subject: str, *fields: str) -> str:
    words = ("site-node", "record", home, event, "--subject", subject, "--by", "li", *fields)
    return json.loads(yard.quick(*words).out)["subject"]


def file_of(yard: Any, program: str, folder: Path, child: str) -> dict[str, Any] | None:
    found = yard.quick(program, "child", folder, child, "--json", code=None)
    return None if found.code else found.json()


def digest(yard: Any, folder: Path, program: str = "site-node") -> dict[str, str]:
    return yard.quick(program, "digest", folder, "--json").json()["tables"]


def status(yard: Any, folder: Path) -> dict[str, Any]:
    return yard.quick("site-node", "status", folder, "--json").json()


def verified(yard: Any, *folders: Path) -> None:
    for folder in (*folders, yard / "hub"):
        program = "central-hub" if folder.name == "hub" else "site-node"
        assert yard.quick(program, "verify", folder, "--json").json()["ok"]


def test_a_child_moves_between_homes_that_live_by_stick(yard, road):
    """Request, acceptance, the whole file, late entries and the county's erasure: all by stick, shown as the county."""
    old, new = road.home("old", "home-01"), road.home("new", "home-02")
    child = record(yard, old, "child-registered/1", "new", *CHILD)
    other = record(yard, old, "child-registered/1", "new", *CHILD)
    record(yard, old, "family-contact-made/1", child, "kind=call", "on=2024-09-03", "reached=true", "minutes=7")
    record(yard, old, "child-transfer-requested/1", child, "to_home=home-02", "on=2024-10-01")
    road.round(old, new)
    assert file_of(yard, "site-node", new, child) is None
    record(yard, new, "child-transfer-accepted/1", child, "on=2024-10-03", "number=5")
    (taken,) = road.round(new)
    assert taken["came"] >= 4
    assert file_of(yard, "site-node", new, child) == file_of(yard, "central-hub", yard / "hub", child)
    assert file_of(yard, "site-node", new, other) is None
    record(yard, old, "family-contact-made/1", child, "kind=letter", "on=2024-09-20", "reached=true")
    record(yard, new, "family-contact-made/1", child, "kind=call", "on=2024-10-09", "reached=true", "minutes=4")
    road.round(old, new)
    late = file_of(yard, "central-hub", yard / "hub", child)
    assert file_of(yard, "site-node", new, child) == late
    at_old = yard.quick("site-node", "history", old, child, "--json").json()["entries"]
    assert [entry["type"] for entry in at_old].count("child-transfer-accepted/1") == 1
    said = yard.quick("site-node", "take", old, road.stick)
    assert "收到县里" not in said.err, "everything was here"
    verified(yard, old, new)

    yard.quick("central-hub", "erase", yard / "hub", child, "--by", "li", "--ground", "家长申请", "--yes")
    assert [one["erased"] for one in road.round(old, new)] == [1, 1]
    for home in (old, new):
        assert file_of(yard, "site-node", home, child) is None
    road.round(old, new)
    for home in (old, new):
        log = status(yard, home)["log"]
        history = yard.quick("central-hub", "history", yard / "hub", log, "--json").json()["entries"]
        assert "erasure-executed/1" in [entry["type"] for entry in history], "the county hears that it was done"
    verified(yard, old, new)


def test_what_a_home_erases_is_erased_by_stick(yard, road):
    """The county erases what the stick orders, and the next one tells the home that the child had come from."""
    old, new = road.home("old", "home-01"), road.home("new", "home-02")
    child = record(yard, old, "child-registered/1", "new", *CHILD)
    record(yard, old, "child-transfer-requested/1", child, "to_home=home-02", "on=2024-10-01")
    road.round(old)
    record(yard, new, "child-transfer-accepted/1", child, "on=2024-10-03")
    road.round(new)
    assert file_of(yard, "site-node", new, child) is not None
    yard.quick("site-node", "erase", new, child, "--by", "li", "--ground", "家长申请", "--yes")
    road.clean()
    road.up(new)
    road.at_the_county(run=yard.run)
    assert file_of(yard, "central-hub", yard / "hub", child) is None
    assert [one["erased"] for one in road.round(old, new)] == [1, 0]
    assert file_of(yard, "site-node", old, child) is None
    assert yard.quick("central-hub", "status", yard / "hub", "--json").json()["orders_left"] == []
    verified(yard, old, new)


def test_a_new_computer_gets_all_by_stick(yard, road, lines_of, write_lines):
    """The old one was stolen; the new one joins by stick and shows what the old one showed, from parts in any order."""
    home = road.home("home", "home-01")
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of()))
    road.round(home)
    road.clean()
    new = road.home("pc2", "home-01")
    road.up(new)
    answers = road.at_the_county("--part-size", "10000")["answers"]
    first, *others = [Path(one["file"]) for one in answers]
    first.rename(yard / "late.age")
    early = road.down(new)["files"]
    assert len(early) == len(others) > 0
    assert not any(one["came"] for one in early)
    assert all("还没有到" in one["why"] for one in early)
    assert status(yard, new)["county"] == "清溪县"
    shutil.move(yard / "late.age", road.stick / "zz.age")
    taken = road.down(new)
    assert taken["came"] == status(yard, home)["entries"] > 2000
    assert all(path.exists() for path in others)
    assert digest(yard, new) == digest(yard, home) == digest(yard, yard / "hub", "central-hub")
    record(yard, new, "child-registered/1", "new", *CHILD)
    road.clean()
    road.round(new)
    assert (status(yard, new)["waiting"], status(yard, new)["healed"]) == (0, [])
    assert digest(yard, new) == digest(yard, yard / "hub", "central-hub")
    verified(yard, new)


def test_an_old_copy_heals_by_stick(yard, road, lines_of, write_lines):
    """Last week's copy was put back and used; the stick alone brings both weeks together, among older files."""
    home = road.home("home", "home-01")
    lines = lines_of(count=200)
    yard.quick("site-node", "import", home, write_lines(yard / "a.jsonl", lines[:100]))
    road.round(home)
    old = yard / "old"
    shutil.copytree(home, old)
    yard.quick("site-node", "import", home, write_lines(yard / "b.jsonl", lines[100:160]))
    road.round(home)
    yard.quick("site-node", "import", old, write_lines(yard / "c.jsonl", lines[160:]))
    rounds = 0
    while status(yard, old)["waiting"] or digest(yard, old) != digest(yard, yard / "hub", "central-hub"):
        rounds += 1
        assert rounds <= 3, "it does not come to its end"
        road.up(old)
        road.at_the_county(code=None)
        road.down(old)
    assert [one["why"] for one in status(yard, old)["healed"]] == ["forked"]
    everything = yard.home("everything")
    yard.quick("site-node", "import", everything, write_lines(yard / "all.jsonl", lines))
    children = [
        [{k: one[k] for k in ("name", "status")} for one in
         yard.quick("site-node", "children", folder, "--json").json()["children"]]
        for folder in (old, everything)
    ]  # fmt: skip
    assert sorted(map(str, children[0])) == sorted(map(str, children[1]))
    verified(yard, old)


def test_beside_serve_what_comes_down_is_taken_and_obeyed(yard, lines_of, write_lines):
    """Both sides serve while the stick is taken: what came is on the page, what was ordered is gone from it."""
    road = Road(yard)
    home = road.home("home", "home-01")
    child = record(yard, home, "child-registered/1", "new", *CHILD)
    road.round(home)
    yard.quick("central-hub", "erase", yard / "hub", child, "--by", "li", "--ground", "家长申请", "--yes")
    hub = yard.hub()
    server = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "3600")
    assert "王小雨" in server.page()[0]
    road.up(home)
    road.at_the_county(run=yard.run)
    assert road.down(home, run=yard.run)["erased"] == 1
    deadline = time.monotonic() + 20
    while "王小雨" in server.page()[0]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert server.stop() == 0
    assert hub.stop() == 0
    verified(yard, home)


def test_an_answer_says_nothing_to_the_courier(yard, road):
    """What comes down lies in age files like what goes up: neither child, home nor log can be read on the way."""
    old, new = road.home("old", "home-01"), road.home("new", "home-02")
    child = record(yard, old, "child-registered/1", "new", *CHILD)
    record(yard, old, "child-transfer-requested/1", child, "to_home=home-02", "on=2024-10-01")
    record(yard, new, "child-transfer-accepted/1", child, "on=2024-10-03")
    road.up(old, new)
    road.at_the_county()
    words = ["王小雨".encode(), "清溪县".encode(), b"home-0", b"child-", "白水乡".encode()]
    words += [bytes.fromhex(status(yard, home)["log"]) for home in (old, new)]
    files = list(road.stick.iterdir())
    assert len(files) == 4
    for path in files:
        assert [word for word in words if word in path.name.encode() + path.read_bytes()] == []
    assert road.down(new)["others"] == 3
    assert file_of(yard, "site-node", new, child) is not None


def written(folder: Path) -> int:
    """How much was written into the log's files since they were last put together."""
    wal = folder / "log.db-wal"
    return wal.stat().st_size if wal.exists() else 0


def test_a_home_killed_while_it_takes(yard, road, lines_of, write_lines):
    """Killed at any moment while an answer comes in, alone or as it serves: taken again, all is there, once."""
    home = road.home("home", "home-01")
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of()))
    road.round(home)
    road.clean()
    new = road.home("pc2", "home-01")
    road.up(new)
    road.at_the_county("--part-size", "10000")
    sizes = []
    for pause in (0, 0.2):
        before = written(new)
        process = yard.begin("site-node", "take", new, road.stick)
        while written(new) == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(pause)
        process.kill()
        process.wait(10)
        (new / "bundle.json").unlink(missing_ok=True)
        sizes.append(status(yard, new)["fetched"])
    assert sizes == sorted(sizes)
    server = yard.serve("site-node", "serve", new, "--listen", "127.0.0.1:0", "--exchange-every", "3600")
    process = yard.begin("site-node", "take", new, road.stick)
    time.sleep(0.6)
    server.kill()
    process.communicate(timeout=60)
    road.down(new)
    assert status(yard, new)["at_the_county"] == 0 == status(yard, new)["waiting"]
    assert digest(yard, new) == digest(yard, yard / "hub", "central-hub")
    verified(yard, new)
