"""A hub that is restored, or put back to an older copy of its folder: real processes, and the county heals itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from tests.acceptance.test_transfer import file_of, kinds_of, record, wait_until

OLD, NEW = "home-01", "home-02"
GONE = {"erasure-ordered/1", "erasure-executed/1"}
WHY = ["forgotten", "forked"]
FIELDS = ("sex=female", "registered_on=2024-09-01")


def register(yard: Any, home: Path, name: str) -> str:
    return str(record(yard, home, "child-registered/1", "new", f"name={name}", *FIELDS)["subject"])


def call(yard: Any, home: Path, child: str, on: str) -> None:
    record(yard, home, "family-contact-made/1", child, "kind=call", f"on={on}", "reached=true", "minutes=4")


def move(yard: Any, giver: Path, taker: Path, child: str) -> None:
    record(yard, giver, "child-transfer-requested/1", child, "to_home=home-02", "on=2024-10-01")
    sync(yard, giver)
    record(yard, taker, "child-transfer-accepted/1", child, "on=2024-10-03")
    sync(yard, taker)


def sync(yard: Any, *homes: Path) -> None:
    for home in homes:
        yard.quick("site-node", "sync", home)


def status(yard: Any) -> dict[str, Any]:
    return dict(yard.quick("central-hub", "status", yard / "hub", "--json").json())


class Place:
    """A hub and two homes, between which one child has moved."""

    def __init__(self, yard: Any) -> None:
        self.yard = yard
        self.server = yard.hub()
        self.homes = [yard.home(code, code) for code in (OLD, NEW)]
        for code, home in zip((OLD, NEW), self.homes, strict=True):
            yard.quick("site-node", "join", home, yard.invite(code=code, name=code))
        self.old, self.new = self.homes
        self.child = register(yard, self.old, "王小雨")
        move(yard, self.old, self.new, self.child)

    def stop(self) -> None:
        assert self.server.stop() == 0

    def start(self) -> None:
        self.server = self.yard.hub(listen=f"127.0.0.1:{self.server.port}")

    def require_healed(self, *children: str) -> None:
        """Whoever has a child shows what the county shows, and every folder verifies."""
        for child in children:
            county = file_of(self.yard, "central-hub", self.yard / "hub", child)
            assert file_of(self.yard, "site-node", self.new, child) == county
        for command, folder in (("central-hub", self.yard / "hub"), *(("site-node", home) for home in self.homes)):
            self.yard.quick(command, "verify", folder)
            assert self.yard.quick(command, "rebuild", folder, "--json").json()["equal"]


@pytest.fixture
def place(yard):
    return Place(yard)


def test_a_restored_hub_begins_a_new_epoch(yard, place):
    """Restored from a backup, the county tells every home again, gets back what it lost, and says what happened."""
    identity = x25519.Identity.generate()
    (yard / "key.txt").write_text(f"{identity}\n")
    yard.quick("central-hub", "backup", yard / "hub", yard / "b.age", "--to", identity.to_public())
    call(yard, place.new, place.child, "2024-10-05")
    second = register(yard, place.old, "李小山")
    move(yard, place.old, place.new, second)
    place.stop()
    shutil.rmtree(yard / "hub")
    yard.quick("central-hub", "restore", yard / "b.age", yard / "hub", "--identity", yard / "key.txt")
    place.start()
    now, healed = status(yard)["epoch"], status(yard)["healed"]
    assert (now > 1, [one["why"] for one in healed], [one["epoch"] for one in healed]) == (True, ["backup"], [now])
    for home in (place.new, place.old) * 2:
        sync(yard, home)
    third = register(yard, place.old, "赵小河")
    move(yard, place.old, place.new, third)
    assert status(yard)["epoch"] == now
    place.require_healed(place.child, second, third)
    place.stop()
    logs = yard.quick("hub-audit", "logs", yard / "hub", "--json").json()
    assert [(one["why"], one["epoch"]) for one in logs["healed"]] == [("backup", now)]


def test_a_hub_put_back_is_shown_what_it_forgot(yard, place):
    """An older copy is put back, and the county writes other things: the first home shows it, all give back."""
    third = register(yard, place.old, "陈小溪")
    sync(yard, place.old)
    place.stop()
    shutil.copytree(yard / "hub", yard / "copy")
    place.start()
    call(yard, place.new, place.child, "2024-10-05")
    second = register(yard, place.old, "李小山")
    yard.quick("central-hub", "erase", yard / "hub", third, "--by", "li", "--ground", "家长申请", "--yes")
    move(yard, place.old, place.new, second)
    sync(yard, place.old)
    place.stop()
    shutil.rmtree(yard / "hub")
    (yard / "copy").rename(yard / "hub")
    yard.invite(code="home-03", name="home-03")  # where the order had stood
    place.start()
    assert status(yard)["epoch"] == 1
    assert "陈小溪" in json.dumps(file_of(yard, "central-hub", yard / "hub", third), ensure_ascii=False)
    for home in (place.new, place.old, place.new):
        sync(yard, home)
    healed = [one for one in status(yard)["healed"] if "epoch" in one]
    assert [one["why"] for one in healed] in (WHY, WHY[:1])  # the router may have left nothing at the contested place
    assert 1 < healed[0]["epoch"] <= healed[-1]["epoch"] == status(yard)["epoch"]
    wait_until(lambda: kinds_of(yard, "central-hub", yard / "hub", third) == GONE)
    assert kinds_of(yard, "site-node", place.old, third) == GONE
    fourth = register(yard, place.old, "赵小河")
    move(yard, place.old, place.new, fourth)
    for home in (place.new, place.old):
        sync(yard, home)
    end = status(yard)
    assert end["epoch"] == healed[-1]["epoch"], [one["why"] for one in end["healed"]]
    place.require_healed(place.child, second, fourth)
    assert [one["code"] for one in status(yard)["homes"]] == [OLD, NEW, "home-03"]
    place.stop()


def test_a_home_and_its_county_put_back_behind_what_another_home_has(yard, place):
    """Both write anew what only the child's new home still has: it refuses nothing, and all have both, once."""
    place.stop()
    for folder in (yard / "hub", place.old):
        shutil.copytree(folder, folder.with_name(f"{folder.name}.copy"))
    place.start()
    call(yard, place.old, place.child, "2024-09-05")
    sync(yard, place.old, place.new)
    place.stop()
    for folder in (yard / "hub", place.old):
        shutil.rmtree(folder)
        folder.with_name(f"{folder.name}.copy").rename(folder)
    place.start()
    for on in ("2024-09-15", "2024-09-16"):
        call(yard, place.old, place.child, on)
    sync(yard, place.new, place.old, place.new, place.new)
    place.require_healed(place.child)
    assert file_of(yard, "site-node", place.new, place.child)["facts"]["counts"]["call"] == 3
    place.stop()


def set_phone(yard: Any, home: Path, child: str, value: str) -> None:
    record(yard, home, "contact-card-changed/1", child, "field=home_phone", f"value={value}", "on=2024-09-20")


def conflicts(yard: Any, command: str, folder: Path) -> list[Any]:
    return list(yard.quick(command, "conflicts", folder, "--json").json()["conflicts"])


def test_what_was_set_before_and_after_both_were_put_back_is_a_conflict(yard, place):
    """A field is set in both lives of a home: the county and both homes show both values; one settles it for all."""
    place.stop()
    for folder in (yard / "hub", place.old):
        shutil.copytree(folder, folder.with_name(f"{folder.name}.copy"))
    place.start()
    set_phone(yard, place.old, place.child, "13800000001")
    sync(yard, place.old, place.new)
    place.stop()
    for folder in (yard / "hub", place.old):
        shutil.rmtree(folder)
        folder.with_name(f"{folder.name}.copy").rename(folder)
    place.start()
    register(yard, place.old, "李小山")
    call(yard, place.old, place.child, "2024-09-15")
    set_phone(yard, place.old, place.child, "13800000002")
    sync(yard, place.new, place.old, place.new, place.new)
    record(yard, place.new, "child-transfer-requested/1", place.child, "to_home=home-01", "on=2024-11-01")
    sync(yard, place.new)
    record(yard, place.old, "child-transfer-accepted/1", place.child, "on=2024-11-03")
    sync(yard, place.old, place.old)
    nodes = [("central-hub", yard / "hub"), ("site-node", place.old), ("site-node", place.new)]
    for command, folder in nodes:
        (found,) = conflicts(yard, command, folder)
        assert found["field"] == "home_phone"
        assert {one["value"] for one in found["values"]} == {"13800000001", "13800000002"}
        assert {one["home"] for one in found["values"]} == {OLD}
    settle = ("settle", place.old, place.child, "home_phone", "=13800000002", "--by", "主任", "--shown", found["shown"])
    yard.quick("site-node", *settle)
    record(yard, place.old, "child-transfer-requested/1", place.child, "to_home=home-02", "on=2024-12-01")
    sync(yard, place.old)
    record(yard, place.new, "child-transfer-accepted/1", place.child, "on=2024-12-03")
    sync(yard, place.new, place.new)
    for command, folder in nodes:
        assert conflicts(yard, command, folder) == []
    place.require_healed(place.child)
    place.stop()


def test_databases_put_back_beside_a_newer_checkpoint(yard):
    """A hub whose databases alone were put back knows it at once, before it writes anything."""
    hub = yard / "hub"
    yard.quick("central-hub", "init", hub, "--name", "清溪县")
    yard.invite(code=OLD, name=OLD)
    for name in ("log.db", "keys.db"):
        shutil.copy(hub / name, yard / name)
    yard.invite(code=NEW, name=NEW)
    for name in ("log.db", "keys.db"):
        (hub / f"{name}-wal").unlink(missing_ok=True)
        shutil.copy(yard / name, hub / name)
    words = ("--name", "home-03", "--code", "home-03")
    assert "新的一期" in yard.quick("central-hub", "invite", hub, *words).err
    found = yard.quick("central-hub", "status", hub, "--json").json()
    assert ([one["why"] for one in found["healed"]], found["epoch"] > 1) == (["restored"], True)
    assert yard.quick("central-hub", "invite", hub, *words).err == ""
    yard.quick("central-hub", "verify", hub)
