"""Above the county by stick alone: a county and a prefecture without a line to the hub above them."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from sync.bundle_file import MAKING_SUFFIX, SUFFIX
from sync.log_schema import Kind
from sync.stored_log import StoredLog
from tests.acceptance.test_photos import photos, take_in
from tests.acceptance.test_sticks_down import CHILD, record
from tests.acceptance.test_tiers import ids, status, wait_until

WHY = ("--by", "li", "--ground", "家长申请", "--yes")


class Roads:
    """Three tiers, and couriers between each two of them."""

    def __init__(self, yard: Any) -> None:
        self.yard = yard
        for hub, name in (("hebei", "河北省"), ("hejian", "河间市"), ("qingxi", "清溪县")):
            yard.quick("central-hub", "init", yard / hub, "--name", name)
        self.join("hejian", "hebei")
        self.join("qingxi", "hejian")
        self.home = yard.home()
        yard.quick("site-node", "join", self.home, yard.invite("qingxi"), "--offline")

    def join(self, hub: str, above: str) -> None:
        words = ("--name", hub, "--code", hub, "--as-hub")
        invitation = self.yard.quick("central-hub", "invite", self.yard / above, *words).out.split()[-1]
        self.yard.quick("central-hub", "join", self.yard / hub, invitation, "--offline")

    def stick(self, name: str) -> Path:
        """An empty one."""
        path = self.yard / f"stick-{name}"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def bundle(self, hub: str, stick: Path, *options: str) -> dict[str, Any]:
        return self.yard.quick("central-hub", "bundle", self.yard / hub, stick, "--json", *options).json()

    def take(self, hub: str, stick: Path, *options: object, code: int | None = 0) -> dict[str, Any]:
        return self.yard.quick("central-hub", "take", self.yard / hub, stick, "--json", *options, code=code).json()

    def round(self, hub: str, above: str) -> dict[str, Any]:
        """There and back; what the bundles were."""
        stick = self.stick(hub)
        made = self.bundle(hub, stick, "--photos")
        self.take(above, stick, "--answer", stick)
        self.take(hub, stick)
        return made

    def home_round(self) -> None:
        stick = self.stick("home")
        self.yard.quick("site-node", "bundle", self.home, stick, "--photos")
        self.take("qingxi", stick, "--answer", stick)
        self.yard.quick("site-node", "take", self.home, stick)

    def all_up(self) -> None:
        self.home_round()
        self.round("qingxi", "hejian")
        self.round("hejian", "hebei")

    def require_all_above(self) -> None:
        for hub in ("qingxi", "hejian", "hebei"):
            if hub != "hebei":
                assert status(self.yard, hub)["parent"]["waiting"] == 0
            assert self.yard.quick("central-hub", "verify", self.yard / hub, "--json").json()["ok"]


def sizes(folder: Path) -> dict[bytes, int]:
    """How many entries of each log are here, but of those from above."""
    store = StoredLog(folder)
    try:
        return {branch.log: branch.size for branch in store.branches() if branch.kind != Kind.PART}
    finally:
        store.close()


@pytest.fixture
def roads(yard):
    return Roads(yard)


def test_what_homes_record_arrives_at_the_top_by_stick(roads, yard, lines_of, write_lines):
    """Joined without a line, a county brings its homes' logs and photographs up; every tier has receipts for all."""
    yard.quick("site-node", "import", roads.home, write_lines(yard / "facts.jsonl", lines_of(count=120)))
    child = record(yard, roads.home, "child-registered/1", "new", *CHILD)
    take_in(yard, roads.home, "p", child)
    roads.all_up()
    roads.require_all_above()
    names = {hub: status(yard, hub)["parent"]["name"] for hub in ("qingxi", "hejian")}
    assert names == {"qingxi": "河间市", "hejian": "河北省"}
    everybody = ids(yard, "central-hub", "qingxi")
    assert len(everybody) > 5
    assert everybody == ids(yard, "central-hub", "hejian") == ids(yard, "central-hub", "hebei")
    assert [one["code"] for one in status(yard, "hebei")["homes"]] == ["hejian/qingxi/home-01"]
    assert len(photos(yard, "central-hub", yard / "hebei")) == 1
    again = roads.round("qingxi", "hejian")
    assert (len(again["files"]), again["new"]) == (1, False)


def test_what_is_erased_goes_both_ways_by_stick(roads, yard):
    """The county's order is carried out above it, the province's down to the home, each with the next sticks."""
    mine, theirs, kept = (record(yard, roads.home, "child-registered/1", "new", *CHILD) for _ in range(3))
    roads.all_up()
    yard.quick("central-hub", "erase", yard / "qingxi", mine, *WHY)
    yard.quick("central-hub", "erase", yard / "hebei", theirs, *WHY)
    for _ in range(2):
        roads.round("hejian", "hebei")
        roads.round("qingxi", "hejian")
        roads.home_round()
    roads.round("hejian", "hebei")
    for hub in ("hebei", "hejian", "qingxi"):
        assert ids(yard, "central-hub", hub) == {kept}
    assert ids(yard, "site-node", "home") == {kept}
    roads.round("qingxi", "hejian")
    roads.round("hejian", "hebei")
    roads.require_all_above()


@pytest.mark.parametrize("is_serving", [False, True], ids=["alone", "serving"])
def test_a_hub_killed_while_it_takes(roads, yard, lines_of, write_lines, is_serving):
    """Killed at points that its disk shows, with bundles from below and an answer from above: in the end all, once."""
    child = record(yard, roads.home, "child-registered/1", "new", *CHILD)
    roads.all_up()
    yard.quick("central-hub", "erase", yard / "hebei", child, *WHY)
    yard.quick("site-node", "import", roads.home, write_lines(yard / "facts.jsonl", lines_of(count=400)))
    take_in(yard, roads.home, "p", record(yard, roads.home, "child-registered/1", "new", *CHILD))
    roads.home_round()
    stick, out = roads.stick("hejian"), roads.stick("out")
    roads.bundle("hejian", stick)
    roads.take("hebei", stick, "--answer", stick)
    roads.bundle("qingxi", stick, "--photos", "--part-size", "10000")
    hub = yard / "hejian"
    before, told = sum(sizes(hub).values()), (hub / "bundle.json").read_bytes()

    def came() -> int:
        return sum(sizes(hub).values()) - before

    points = (
        lambda: came() > 0,
        lambda: came() > 200,
        lambda: (hub / "bundle.json").read_bytes() != told,
        lambda: came() > 400,
        lambda: any(path.suffix == MAKING_SUFFIX for path in out.iterdir()),
        lambda: any(path.suffix == SUFFIX for path in out.iterdir()),
    )
    for holds in points:
        server = yard.serve("central-hub", "serve", hub, "--listen", "127.0.0.1:0") if is_serving else None
        process = yard.begin("central-hub", "take", hub, stick, "--answer", out, "--part-size", "10000")
        while process.poll() is None and not holds():
            time.sleep(0.002)
        for one in (server, process):
            if one is not None:
                one.kill()
        process.wait(10)
        shutil.rmtree(out)
        out.mkdir()
    roads.take("hejian", stick, "--answer", out)
    assert child not in ids(yard, "central-hub", "hejian")
    assert len(photos(yard, "central-hub", hub)) == 1
    roads.take("qingxi", out)
    roads.home_round()
    for one in ("qingxi", "hejian") * 2:
        roads.round(one, {"qingxi": "hejian", "hejian": "hebei"}[one])
    everybody = ids(yard, "central-hub", "hebei")
    assert len(everybody) > 5
    assert everybody == ids(yard, "central-hub", "hejian") == ids(yard, "central-hub", "qingxi")
    roads.require_all_above()
    assert sizes(yard / "qingxi").items() <= sizes(hub).items() <= sizes(yard / "hebei").items()


def test_sticks_above_are_lost_doubled_and_mixed(roads, yard):
    """Answers lost, the own log's file late, old files again, another's stick: the same end, and nothing in silence."""
    record(yard, roads.home, "child-registered/1", "new", *CHILD)
    roads.home_round()
    first = roads.stick("qingxi")
    made = roads.bundle("qingxi", first)["files"]
    own, other = (Path(one["path"]) for one in made)
    late = roads.stick("late")
    shutil.move(own, late)
    told = roads.take("hejian", first, "--answer", first, code=6)
    assert "nor named by the sender's own log so far" in json.dumps(told)
    assert status(yard, "hejian")["entries"] == 0
    shutil.copy(late / own.name, first)
    roads.take("hejian", first, "--answer", roads.stick("lost"))
    assert ids(yard, "central-hub", "hejian") == ids(yard, "central-hub", "qingxi")
    assert status(yard, "qingxi")["parent"]["waiting"] > 0
    assert "--answer" in yard.quick("central-hub", "take", yard / "hejian", first, code=6).err
    record(yard, roads.home, "child-registered/1", "new", *CHILD)
    roads.home_round()
    second = roads.stick("second")
    roads.bundle("qingxi", second)
    for path in first.iterdir():
        shutil.copy(path, second)
    roads.take("hejian", second, "--answer", second)
    assert roads.take("qingxi", second, "--answer", roads.stick("none"))["others"] > 0
    assert status(yard, "qingxi")["parent"]["waiting"] == 0
    entries = status(yard, "hejian")["entries"]
    roads.take("hejian", first, "--answer", roads.stick("again"))
    assert status(yard, "hejian")["entries"] == entries
    assert other.name in {path.name for path in second.iterdir()}


def test_beside_serve_sticks_go_up_and_down(roads, yard):
    """Both hubs serve while sticks are made and taken: what came up counts there, what was ordered is gone here."""
    child, kept = (record(yard, roads.home, "child-registered/1", "new", *CHILD) for _ in range(2))
    roads.home_round()
    servers = [
        yard.serve("central-hub", "serve", yard / hub, "--listen", "127.0.0.1:0") for hub in ("hejian", "qingxi")
    ]
    roads.round("qingxi", "hejian")
    wait_until(lambda: ids(yard, "central-hub", "hejian") == {child, kept})
    yard.run("central-hub", "erase", yard / "hejian", child, *WHY)
    roads.round("qingxi", "hejian")
    wait_until(lambda: ids(yard, "central-hub", "qingxi") == {kept})
    roads.round("qingxi", "hejian")
    assert [server.stop() for server in servers] == [0, 0]
    assert status(yard, "qingxi")["parent"]["waiting"] == 0
    for hub in ("hejian", "qingxi"):
        assert yard.quick("central-hub", "verify", yard / hub, "--json").json()["ok"]


def test_a_hub_above_that_was_put_back_heals_by_stick(roads, yard):
    """Put back without its knowing, it gets again what it held, its own order too, which it carries out once more."""
    child, kept = (record(yard, roads.home, "child-registered/1", "new", *CHILD) for _ in range(2))
    roads.home_round()
    roads.round("qingxi", "hejian")
    shutil.copytree(yard / "hejian", yard / "copy")
    third = record(yard, roads.home, "child-registered/1", "new", *CHILD)
    take_in(yard, roads.home, "p", third)
    roads.home_round()
    yard.quick("central-hub", "erase", yard / "hejian", child, *WHY)
    for _ in range(2):
        roads.round("qingxi", "hejian")
    assert ids(yard, "central-hub", "qingxi") == {kept, third}
    shutil.rmtree(yard / "hejian")
    (yard / "copy").rename(yard / "hejian")
    assert ids(yard, "central-hub", "hejian") == {child, kept}
    for _ in range(4):
        roads.round("qingxi", "hejian")
    assert ids(yard, "central-hub", "hejian") == {kept, third}
    assert len(photos(yard, "central-hub", yard / "hejian")) == 1
    assert status(yard, "qingxi")["parent"]["waiting"] == 0
    healed = [one["why"] for one in status(yard, "hejian")["healed"]]
    assert healed == ["forgotten"]
    again = roads.round("qingxi", "hejian")
    assert (len(again["files"]), again["new"]) == (1, False)
    for hub in ("hejian", "qingxi"):
        assert yard.quick("central-hub", "verify", yard / hub, "--json").json()["ok"]


@pytest.mark.parametrize("writes", [True, False])
def test_a_county_that_was_put_back_learns_it_from_above_by_stick(roads, yard, writes):
    """What the hub above holds of its own log shows it: a new epoch, for its homes were told otherwise."""
    roads.home_round()
    roads.round("qingxi", "hejian")
    shutil.copytree(yard / "qingxi", yard / "copy")
    yard.invite("qingxi", code="home-02", name="home-02")
    roads.round("qingxi", "hejian")
    shutil.rmtree(yard / "qingxi")
    (yard / "copy").rename(yard / "qingxi")
    if writes:
        yard.invite("qingxi", code="home-03", name="home-03")
    for _ in range(3):
        stick = roads.stick("qingxi")
        roads.bundle("qingxi", stick)
        roads.take("hejian", stick, "--answer", stick, code=None)  # it says so where another copy is held
        roads.take("qingxi", stick)
    found = status(yard, "qingxi")
    assert [one["why"] for one in found["healed"]] == ["forked" if writes else "behind"]
    assert found["epoch"] > 1
    assert found["parent"]["waiting"] == 0
    roads.home_round()
    assert status(yard, "qingxi")["epoch"] == found["epoch"]
    for hub in ("hejian", "qingxi"):
        assert yard.quick("central-hub", "verify", yard / hub, "--json").json()["ok"]
