"""What is due, with real processes: the county schedules and sets, the home hears of it, does things, and tightens."""

from __future__ import annotations

import datetime as dt
import json

import pytest

DUTY = ["rule", "group", "subject", "kind", "name", "period", "since", "due", "status", "done", "needed", "missed",
        "holder", "who", "facts", "words"]  # fmt: skip


def record(yard, home, event: str, subject: str, *fields: str) -> dict:
    return yard.quick("site-node", "record", home, event, "--subject", subject, "--by", "李老师", *fields).json()


def due(yard, home, *words: object) -> dict:
    return yard.quick("site-node", "due", home, *words, "--json").json()


def statuses(found: dict, subject: str) -> dict[str, str]:
    return {one["rule"]: one["status"] for one in found["duties"] if one["subject"] == subject}


def schedule(yard, today: str) -> None:
    """Terms without holidays around today, whatever day it is."""
    for year in (int(today[:4]) - 1, int(today[:4])):
        words = (f"{year}-全", "--from", f"{year}-01-01", "--to", f"{year}-12-31", "--by", "县妇联")
        yard.quick("central-hub", "term", yard / "hub", *words)


@pytest.fixture
def school(yard):
    """A hub that serves, a joined home with a child and its own register entry, and a term."""
    server = yard.hub()
    home = yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    today = yard.quick("site-node", "status", home, "--json").json()["today"]
    first = f"{int(today[:4]) - 1}-01-01"
    child = record(yard, home, "child-registered/1", "new", "name=王小明", "sex=male", f"registered_on={first}")[
        "subject"
    ]
    place = record(yard, home, "home-registered/1", "new", "name=上坪村之家", f"opened_on={first}", "keeper=王主任")
    schedule(yard, today)
    yield yard, home, child, place["subject"], today, server
    assert server.stop() == 0


def test_the_countys_term_and_rules_reach_a_home_and_decide_what_is_due(school):
    """Before the exchange the home has no term and says so; afterwards what is owed in term is listed, by rule."""
    yard, home, child, place, today, _ = school
    before = due(yard, home)
    assert before["terms"] is False
    assert "O15" not in statuses(before, child)
    assert statuses(before, child)["O04"] == "due"  # all year
    assert "县里还没有公布学期安排" in yard.quick("site-node", "due", home).err
    yard.run("site-node", "sync", home)
    after = due(yard, home)
    assert after["terms"] is True
    assert statuses(after, child)["O15"] == "due"
    assert statuses(after, place)["O21"] == "due"
    said = next(one for one in after["duties"] if one["rule"] == "O15")["words"]
    assert said.startswith("王小明：班主任谈心")
    record(yard, home, "talk-held/1", child, f"on={today}", "talked_by=周老师")
    assert "O15" not in statuses(due(yard, home), child)
    assert set(statuses(due(yard, home, "--child", child), child)) < set(statuses(after, child))
    assert all(one["status"] == "overdue" for one in due(yard, home, "--overdue")["duties"])
    assert list(after) == ["today", "terms", "duties", "overdue"]
    assert all(list(one) == DUTY for one in after["duties"])
    week = due(yard, home, "--week")["duties"]
    assert {one["rule"] for one in week} >= {"O04", "O21"}
    assert all(one["status"] in ("due", "overdue", "ahead") for one in week)
    at_home = yard.quick("site-node", "compliance", home, "--json").json()
    assert at_home["by_rule"]["O15"]["done"] == 1
    yard.run("site-node", "sync", home)
    at_county = yard.quick("central-hub", "compliance", yard / "hub", "--json").json()
    assert at_county["by_child"] == at_home["by_child"]
    assert at_county["by_home"].keys() == {"home-01"}
    assert yard.quick("site-node", "due", home, "--child", place, code=6).out == ""


def test_r04_has_the_figures_of_compliance(school):
    """R04 as a report counts what `compliance` counts, at home and at the county, and lists the duties behind it."""
    yard, home, child, _, today, _ = school
    yard.quick("site-node", "sync", home)
    record(yard, home, "talk-held/1", child, f"on={today}", "talked_by=周老师")
    yard.quick("site-node", "sync", home)
    first, period = f"{today[:4]}-01-01", ("--period", today[:4])
    for program, folder in (("site-node", home), ("central-hub", yard / "hub")):
        plain = yard.quick(program, "compliance", folder, "--from", first, "--json").json()
        figures = yard.quick(program, "report", folder, "R04", *period, "--json").json()["figures"]
        for name in ("owed", "done", "late", "waived"):
            for split in ("rule", "group", "home", "helper"):
                said = {key: one[name] for key, one in plain[f"by_{split}"].items() if one[name]}
                assert figures[name]["by"][split] == said, (name, split)
        assert figures["rate"]["value"]["whole"] == figures["owed"]["value"]
        assert figures["done"]["by"]["child"].keys() == {child}
        listed = yard.quick(program, "report", folder, "R04", *period, "--list", "this_week", "--json").json()
        assert listed["count"] == figures["this_week"]["value"] > 0
        yard.quick(program, "report", folder, "R04", "--format", "xlsx", "--out", yard / "r04.xlsx")


def test_r04_as_of_a_day_before_and_as_it_was_known(school):
    """A talk of today is not done yesterday; a report that was kept is made again, and R20 names the late entry."""
    yard, home, child, _, today, _ = school
    yesterday = (dt.date.fromisoformat(today) - dt.timedelta(days=1)).isoformat()
    year = ("--period", today[:4])
    record(yard, home, "talk-held/1", child, f"on={today}", "talked_by=周老师")
    yard.quick("site-node", "sync", home)

    def talks(*words: object, program: str = "site-node", folder=home) -> int:
        figures = yard.quick(program, "report", folder, "R04", *year, *words, "--json").json()["figures"]
        return figures["done"]["by"]["rule"].get("O15", 0)

    assert (talks(), talks("--as-of", yesterday)) == (1, 0)
    for program, folder in (("site-node", home), ("central-hub", yard / "hub")):
        kept = yard.quick(program, "report", folder, "R04", *year, "--json").json()
        (yard / f"{program}.json").write_text(json.dumps(kept), "utf-8")
    last_month = f"{yesterday[:7]}-01" if yesterday[5:7] != today[5:7] else yesterday
    late = record(yard, home, "talk-held/1", child, f"on={today[:4]}-01-20", "talked_by=周老师")
    yard.quick("site-node", "sync", home)
    for program, folder in (("site-node", home), ("central-hub", yard / "hub")):
        then = ("--known-at", yard / f"{program}.json")
        assert (talks(program=program, folder=folder), talks(*then, program=program, folder=folder)) == (2, 1)
        kept = json.loads((yard / f"{program}.json").read_text("utf-8"))
        made = yard.quick(program, "report", folder, "R04", *year, *then, "--json").json()
        assert made["figures"] == kept["figures"]
        words = ("R20", "--of", "R04", *year, *then, "--json")
        differs = yard.quick(program, "report", folder, *words).json()["changes"]
        named = {entry["id"] for one in differs for entry in one["entries"]}
        assert named == {late["id"]}
    assert talks("--known-at", last_month) == 0


def test_rules_are_set_by_the_county_and_tightened_by_a_home_beside_serve(school):
    """A county's word goes down while both serve; a home may ask more of itself, and is refused less, in words."""
    yard, home, _, _, today, _ = school
    serving = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "3600")
    year = f"{today[:4]}-01-01"
    words = ("rule-set", yard / "hub", "O15", "--grace-days", "4", "--from", year, "--by", "县妇联", "--json")
    assert set(json.loads(yard.run("central-hub", *words).out)) == {"id", "seq"}  # through the serving hub
    yard.run("site-node", "rule-set", home, "O21", "--times", "5", "--from", year, "--by", "王主任")
    refused = yard.run("site-node", "rule-set", home, "O21", "--times", "2", "--by", "王主任", code=6)
    assert "只能更严" in refused.err
    loose = ("policy-rule-set/1", "--subject", "new", "--by", "王主任", "rule=O21", f"from_on={year}", "times=1")
    assert "rule-set" in yard.run("site-node", "record", home, *loose, code=6).err
    assert serving.stop() == 0
    yard.run("site-node", "sync", home)
    rules = {one["rule"]: one for one in yard.quick("site-node", "rules", home, "--json").json()["rules"]}
    assert (rules["O15"]["grace_days"], rules["O15"]["set_by"]) == (4, [""])
    assert (rules["O21"]["times"], rules["O21"]["set_by"]) == (5, ["home-01"])
    assert rules["O15"]["source"].startswith("方案四")
    at_hub = {one["rule"]: one for one in yard.quick("central-hub", "rules", yard / "hub", "--json").json()["rules"]}
    assert (at_hub["O15"]["grace_days"], at_hub["O21"]["times"]) == (4, 3)
    audited = yard.quick("hub-audit", "rules", yard / "hub", "--home", "home-01", "--json").json()["rules"]
    assert audited == [*rules.values()]
    assert {one["grace_days"] for one in at_hub["O15"]["versions"]} == {0}
    assert yard.quick("central-hub", "verify", yard / "hub", "--json").json()["ok"]


def test_a_case_is_listed_only_where_it_is_asked_for(yard):
    """What is owed for a case or a note is nobody's but the team's; its name says nothing of what it is about."""
    home = yard.home()
    moment = "2025-03-03T10:00:00+08:00"
    fields = ("kind=violence", "channel=worker", "matter=秘密", f"received_at={moment}")
    case = record(yard, home, "case-opened/1", "new", *fields)["subject"]
    hazard = record(yard, home, "hazard-found/1", "new", "place=校门口", "kind=traffic", "severity=severe",
                    "found_on=2025-03-03")["subject"]  # fmt: skip
    assert {one["subject"] for one in due(yard, home)["duties"]} == {hazard}
    everything = due(yard, home, "--restricted")["duties"]
    assert {one["rule"] for one in everything if one["subject"] == case} == {"O44-step", "O44-closed", "O45"}
    assert not any("秘密" in one["words"] for one in everything)
    assert any("隐患“校门口”" in one["words"] and "李老师" in one["words"] for one in everything)


def test_what_is_waived_is_not_due(school):
    """A waiver for a child, and one of the home for all its children; nonsense is refused and stores nothing."""
    yard, home, child, place, today, _ = school
    month = today[:7]
    assert statuses(due(yard, home), child)["O46"] == "overdue"
    words = ("site-node", "waive", home, "O46", f"{int(today[:4]) - 1}", "--reason", "监护人在外", "--by", "王主任")
    yard.quick(*words, "--subject", child)
    assert "O46" not in statuses(due(yard, home), child)
    week = next(one["period"] for one in due(yard, home)["duties"] if one["rule"] == "O04")
    yard.quick("site-node", "waive", home, "O04", week, "--reason", "线路中断", "--by", "王主任")
    assert "O04" not in statuses(due(yard, home), child)
    size = yard.quick("site-node", "status", home, "--json").json()["size"]
    for rule, period in (("O99", month), ("O04", "soon"), ("O04", "2024-13")):
        yard.quick("site-node", "waive", home, rule, period, "--reason", "x", "--by", "y", code=6)
    unknown = ("--subject", "00000000-0000-0000-0000-00000000000a")
    yard.quick("site-node", "waive", home, "O04", month, "--reason", "x", "--by", "y", *unknown, code=6)
    assert yard.quick("site-node", "status", home, "--json").json()["size"] == size
    assert statuses(due(yard, home), place)


def test_a_term_that_fits_no_calendar_is_refused(yard):
    """Another term's days, a holiday outside, an end before the beginning: 6, and nothing is stored."""
    yard.quick("central-hub", "init", yard / "hub", "--name", "清溪县")
    term = ("central-hub", "term", yard / "hub")
    yard.quick(*term, "2025-春", "--from", "2025-02-17", "--to", "2025-07-04", "--holiday", "2025-05-01..2025-05-05",
               "--by", "县妇联")  # fmt: skip
    for name, first, last in (("x", "2025-07-01", "2025-08-01"), ("y", "2025-09-01", "2025-08-01")):
        yard.quick(*term, name, "--from", first, "--to", last, "--by", "县妇联", code=6)
    yard.quick(*term, "z", "--from", "2025-09-01", "--to", "2026-01-10", "--holiday", "2025-08-01", "--by", "x", code=6)
    yard.quick(*term, "z", "--from", "soon", "--to", "2026-01-10", "--by", "x", code=2)
    found = yard.quick("central-hub", "rules", yard / "hub", "--json").json()["terms"]
    assert [(one["name"], len(one["holidays"])) for one in found] == [("2025-春", 5)]
