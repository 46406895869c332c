"""A county that only sticks reach, put back to an older copy without its knowing: homes' bundles heal it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.acceptance.test_hub_restored import NEW, OLD, WHY, call, register, status
from tests.acceptance.test_sticks_down import Road, verified
from tests.acceptance.test_transfer import file_of, kinds_of, record

GONE = {"erasure-ordered/1", "erasure-executed/1"}


def move(yard: Any, road: Road, giver: Path, taker: Path, child: str) -> None:
    record(yard, giver, "child-transfer-requested/1", child, "to_home=home-02", "on=2024-10-01")
    road.round(giver)
    record(yard, taker, "child-transfer-accepted/1", child, "on=2024-10-03")
    road.round(taker)


def test_a_hub_put_back_is_shown_by_stick_what_it_forgot(yard):
    """Nobody tells the county that it was put back; the stick does, and brings its own word back to it, once."""
    road = Road(yard)
    old, new = road.home("old", OLD), road.home("new", NEW)
    first, third = register(yard, old, "王小雨"), register(yard, old, "陈小溪")
    move(yard, road, old, new, first)
    road.round(old)
    shutil.copytree(yard / "hub", yard / "copy")
    call(yard, new, first, "2024-10-05")
    second = register(yard, old, "李小山")
    yard.quick("central-hub", "erase", yard / "hub", third, "--by", "li", "--ground", "家长申请", "--yes")
    move(yard, road, old, new, second)
    road.round(old)
    shutil.rmtree(yard / "hub")
    (yard / "copy").rename(yard / "hub")
    yard.invite(code="home-03", name="home-03")  # where the order had stood
    assert "陈小溪" in json.dumps(file_of(yard, "central-hub", yard / "hub", third), ensure_ascii=False)
    road.clean()
    rounds = [[one["files"][0]["why"] or "" for one in road.round(new, old)] for _ in range(6) if not road.clean()]
    assert "再送一次" in str(rounds[0])
    assert rounds[-1] == ["", ""]
    healed = [one for one in status(yard)["healed"] if "epoch" in one]
    assert ([one["why"] for one in healed], healed[-1]["epoch"]) == (WHY, status(yard)["epoch"])
    assert kinds_of(yard, "central-hub", yard / "hub", third) == GONE
    assert kinds_of(yard, "site-node", old, third) == GONE
    fourth = register(yard, old, "赵小河")
    move(yard, road, old, new, fourth)
    assert status(yard)["epoch"] == healed[-1]["epoch"]
    for child in (first, second, fourth):
        assert file_of(yard, "site-node", new, child) == file_of(yard, "central-hub", yard / "hub", child)
    assert [one["code"] for one in status(yard)["homes"]] == [OLD, NEW, "home-03"]
    verified(yard, old, new)
