"""When an entry was recorded is known by the county's receipts, whatever the home's own clock says."""

from __future__ import annotations

import datetime as dt
import json

import pytest

HOUR_S = 3600


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def entries(yard, program, folder, subject):
    return yard.quick(program, "history", folder, subject, "--json").json()["entries"]


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@pytest.fixture
def child(yard):
    """Records one entry about a child after the other, under a clock that is wrong by so many seconds."""
    subject: list[str] = []

    def record(home, offset_s: float = 0) -> str:
        event, payload = "home-visit-recorded/1", {"visited_on": "2025-03-08", "found": "好"}
        if not subject:
            event = "child-registered/1"
            payload = {"name": "小明", "sex": "male", "registered_on": "2025-03-01"}
        words = ("--subject", subject[0] if subject else "new", "--by", "w", "--payload-json", json.dumps(payload))
        command = ("site-node", "record", home, event, *words)
        done = yard.run(*command, offset_s=offset_s) if offset_s else yard.quick(*command)
        subject.append(done.json()["subject"])
        return subject[0]

    return record


def test_each_entry_stands_between_two_receipts(yard, child):
    """Recorded under three clocks, a right one, one that is ahead and one in 2008: the brackets are the county's."""
    hub, home = yard.hub(), yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    marks = [now()]
    for hours in (0, 3, -17 * 365 * 24):
        subject = child(home, hours * HOUR_S)
        yard.run("site-node", "sync", home, offset_s=hours * HOUR_S)
        marks.append(now())
    hub.kill()  # what is said here is on the disk
    for program, folder in (("hub-audit", yard / "hub"), ("central-hub", yard / "hub"), ("site-node", home)):
        found = entries(yard, program, folder, subject)
        assert [entry["seq"] for entry in found] == [1, 2, 3]
        assert found[0]["between"]["after"] is None
        for earlier, later, entry in zip(marks, marks[1:], found, strict=False):
            assert earlier <= instant(entry["between"]["before"]) <= later
        for entry, before in zip(found[1:], found, strict=False):
            assert instant(entry["between"]["after"]) <= instant(before["between"]["before"])
            assert instant(entry["between"]["after"]) >= marks[0]
        assert "words" not in found[0]["between"]
        assert "快了约 3 小时" in found[1]["between"]["words"]
        assert "慢了约 17 年" in found[2]["between"]["words"]
        assert abs(found[1]["between"]["ahead_s"] - 3 * HOUR_S) < 60
    log = found[0]["log"]
    series = yard.quick("hub-audit", "receipts", yard / "hub", log, "--json").json()["receipts"]
    assert [one["size"] for one in series] == [1, 1, 2, 2, 3, 3]
    assert [round(one["clock_offset_s"] / HOUR_S) for one in series[::2]] == [0, 3, -17 * 365 * 24]
    assert yard.quick("hub-audit", "receipts", yard / "hub", "00" * 16, code=6).err


@pytest.mark.parametrize("years", [-56, 75])
def test_a_county_whose_clock_is_wrong_blames_nobody(yard, child, years):
    """1970 or 2100 at the county, then mended: receipts hold, and no home's clock is compared with a wrong one."""
    hub, home = yard.hub(offset_s=years * 365 * 24 * HOUR_S), yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    child(home)
    yard.quick("site-node", "sync", home)
    port = hub.port
    hub.kill()
    yard.hub(listen=f"127.0.0.1:{port}")
    subject = child(home)
    yard.quick("site-node", "sync", home)
    last = entries(yard, "hub-audit", yard / "hub", subject)[1]["between"]
    assert ("county's own clock was moved" in last.get("words", "")) == (years > 0)
    assert "ahead_s" not in last
    found = yard.quick("site-node", "status", home, "--json").json()
    assert (found["at_the_county"], found["waiting"], found["clock_warning"]) == (2, 0, None)
    for program, folder in (("site-node", home), ("central-hub", yard / "hub")):
        assert yard.quick(program, "verify", folder, "--json").json()["ok"]


def test_a_stick_proves_how_old_an_entry_is_at_least(yard, child):
    """What comes by hand has the county's time as its later bound, and none on the other side; nobody is blamed."""
    yard.quick("central-hub", "init", yard / "hub", "--name", "清溪县")
    home, stick = yard.home(), yard / "stick"
    stick.mkdir()
    yard.quick("site-node", "join", home, yard.invite(), "--offline")
    subject = child(home)
    yard.quick("site-node", "bundle", home, stick)
    child(home)  # while the stick travels
    began = now()
    yard.quick("central-hub", "take", yard / "hub", stick, "--answer", stick)
    yard.quick("site-node", "take", home, stick)
    for program, folder in (("site-node", home), ("hub-audit", yard / "hub")):
        first, *rest = entries(yard, program, folder, subject)
        assert first["between"]["after"] is None
        assert began <= instant(first["between"]["before"]) <= now()
        assert [entry["between"] for entry in rest] in ([{"after": None, "before": None}], [])


def test_brackets_survive_an_erasure(yard, child):
    """Nothing personal is in them: of an erased subject the order has one, and the log's series is as it was."""
    yard.hub()
    home = yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    subject = child(home)
    yard.quick("site-node", "sync", home)
    (entry,) = entries(yard, "site-node", home, subject)
    yard.quick("site-node", "erase", home, subject, "--by", "w", "--ground", "ask", "--yes")
    yard.quick("site-node", "sync", home)
    order, *_ = entries(yard, "site-node", home, subject)
    assert order["between"]["before"] is not None
    series = yard.quick("hub-audit", "receipts", yard / "hub", entry["log"], "--json").json()["receipts"]
    assert series[0]["size"] == 1
    for program, folder in (("site-node", home), ("central-hub", yard / "hub")):
        assert yard.quick(program, "verify", folder, "--json").json()["ok"]
