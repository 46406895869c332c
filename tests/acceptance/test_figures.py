"""The figures that the plans name, each made of facts recorded by real commands and read from the county's reports.

One county for all: two homes, a serving hub. What is of several counties stands here side by side, apart by year.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from tests.acceptance import figure_facts as facts
from tests.acceptance.figure_facts import line

BY = ("--by", "李老师")


def report(county, number, *words):
    return county.yard.quick("central-hub", "report", county.hub, number, *words, "--json").json()


def figures(county, number, *words):
    return report(county, number, *words)["figures"]


def listed(county, number, figure, *words):
    return report(county, number, "--list", figure, *words)["rows"]


def record(county, who, lines):
    """A file of lines, at a home or, as `hub`, at the county."""
    program = "central-hub" if who == "hub" else "site-node"
    folder = county.hub if who == "hub" else county.homes[who]
    county.files += 1
    path = facts.write(county.yard / f"{county.files}.jsonl", lines)
    return county.yard.quick(program, "record", folder, "--lines", path, *BY).json()


def sync(county):
    for home in county.homes.values():
        county.yard.quick("site-node", "sync", home)


@pytest.fixture(scope="module")
def county(shared_yard):
    """Everything that the figures count, at the county."""
    server = shared_yard.hub()
    made = SimpleNamespace(yard=shared_yard, hub=shared_yard / "hub", homes={}, ids={}, files=0)
    for code in facts.CHILDREN:
        made.homes[code] = shared_yard.home(code, code)
        shared_yard.quick("site-node", "join", made.homes[code], shared_yard.invite(code=code, name=code))
        subjects = record(made, code, facts.children(code))["subjects"]
        made.ids[code] = [subjects[f"$c{number}"] for number in range(facts.CHILDREN[code])]
        record(made, code, facts.paired(made.ids[code], code))
    asked = record(made, "home-01", facts.asked_for(made.ids["home-01"]))["subjects"]
    sync(made)
    record(made, "hub", facts.decided(asked, made.ids["home-01"]))
    for lines in (facts.places, facts.project, facts.cases, facts.volunteers, facts.a_year, facts.law):
        record(made, "hub", lines())
    yield made
    assert server.stop(within_s=30) == 0


def test_n01_children_surveyed(county):
    """5,382 children in a county: every level adds up to it, each dimension of the survey too."""
    register = figures(county, "R01", "--as-of", "2013-06-30")["children"]
    assert register["value"] == 5382
    assert register["by"]["home"] == facts.CHILDREN
    assert len(register["by"]["township"]) == 34
    for level in ("home", "township", "village", "sex"):
        assert sum(register["by"][level].values()) == 5382
    survey = figures(county, "R02", "--period", "2013", "--as-of", "2013-06-30")
    assert survey["coverage"]["value"] == {"part": 5382, "whole": 5382, "percent": "100.0"}
    assert survey["surveys"]["by"]["term"] == {"2013-春": 5382}
    for dimension in ("study", "life", "psychology", "safety", "health"):
        assert survey[f"{dimension}_level"]["value"] == 5382
        assert survey[f"{dimension}_level"]["by"]["level"] == {"good": 1346, "fair": 1346, "watch": 1345, "poor": 1345}
    township = survey["coverage"]["by"]["township"]  # the sixth: where they live
    assert (len(township), sum(one["part"] for one in township.values())) == (34, 5382)
    at_home = county.yard.quick(
        "site-node", "report", county.homes["home-02"], "R01", "--as-of", "2013-06-30", "--json"
    )
    assert at_home.json()["figures"]["children"]["value"] == facts.CHILDREN["home-02"]
    rows = listed(county, "R01", "children/township=01乡", "--as-of", "2013-06-30")
    assert len(rows) == register["by"]["township"]["01乡"]


def test_n02_a_gala(county):
    """61 children present, 25 of them on the stage, 30 December 2011, from four o'clock, by two offices."""
    ids = county.ids["home-01"][:61]
    came = [{"child": child, "role": "performed" if number < 25 else "attended"} for number, child in enumerate(ids)]
    gala = {"kind": "联欢会", "theme": "festival", "title": "元旦联欢会", "on": "2011-12-30"}
    offices = ["教导处", "政教处"]
    record(county, "home-01", [
        line("activity-planned", "$gala", at="16:00", organisers=offices, **gala),
        line("activity-held", "$gala", from_time="16:00", to_time="17:10", organisers=offices, **gala),
        line("attendance-taken", "$gala", children=came, on="2011-12-30"),
    ])  # fmt: skip
    sync(county)
    found = figures(county, "R06", "--period", "2011-12")
    assert (found["activities"]["value"], found["attended"]["value"], found["performed"]["value"]) == (1, 61, 25)
    assert found["attended"]["by"]["role"] == {"performed": 25, "attended": 36}
    (row,) = listed(county, "R06", "activities", "--period", "2011-12")
    assert (row["from_time"][:5], row["to_time"][:5]) == ("16:00", "17:10")
    assert [office in str(row["organisers"]) for office in offices] == [True, True]


def test_n03_stations(county):
    """34 stations in 34 townships are full coverage; six psychology stations beside them."""
    found = figures(county, "R05", "--as-of", "2014-12-31")
    assert found["coverage"]["value"] == {"part": 34, "whole": 34, "percent": "100.0"}
    assert found["homes"]["by"]["kind"] == {"station": 34, "psychology_station": 6}
    assert figures(county, "R05", "--as-of", "2014-04-30")["coverage"]["value"] == {
        "part": 0, "whole": 34, "percent": "0.0"}  # fmt: skip


def test_n05_one_cadre_one_child(county):
    """2,698 cadres with one child each; a second child, or a second cadre, is flagged."""
    asked = ("R03", "--as-of", "2014-12-31")
    found = figures(county, *asked)
    assert [found[name]["by"]["kind"]["cadre"] for name in ("pairings", "paired", "helpers")] == [2698] * 3
    assert found["doubled"]["value"] == 0
    pair = {"kind": "结对干部", "from_on": "2015-02-01"}
    record(county, "home-01", [
        line("pairing-formed", county.ids["home-01"][0], pairing="$again", helper_name="赵六", helper="g-9", **pair),
        line("pairing-formed", county.ids["home-01"][2000], pairing="$two", helper_name="干部0001",
             helper="home-01-g0001", **pair),
    ])  # fmt: skip
    sync(county)
    assert figures(county, *asked)["doubled"]["value"] == 0
    assert figures(county, "R03", "--as-of", "2015-03-01")["doubled"]["value"] == 4
    rows = listed(county, "R03", "doubled", "--as-of", "2015-03-01")
    assert {one["helper_name"] for one in rows} == {"干部0000", "赵六", "干部0001"}


def test_n06_money_and_goods(county):
    """1.1 million yuan over 2,698 children: 407.71 each; money and goods apart."""
    found = figures(county, "R08", "--period", "2014")
    assert found["handed_out_fen"]["value"] == "1100000.00"
    assert found["handed_out_fen"]["by"]["kind"] == {"money": "1079200.00", "goods": "20800.00"}
    assert found["mean_fen"]["value"] == "407.71"


def test_n07_a_centre(county):
    """One project; 150,000 yuan spent on it in 2014."""
    found = figures(county, "R14", "--period", "2014", "--as-of", "2014-12-31")
    assert found["projects"]["value"] == 1
    assert found["spent_fen"]["value"] == "150000.00"
    assert found["spent_fen"]["by"]["purpose"] == {"县心理援助中心": "150000.00"}
    assert found["allocated_fen"]["value"] == "150000.00"
    assert (found["missing"]["value"], found["off_purpose"]["value"]) == (0, 0)


def test_n08_sponsored_children(county):
    """156 children, 1,200 yuan an instalment: two a year for three years, or one a year, as the grant says."""
    found = figures(county, "R08", "--as-of", "2013-12-31")
    assert [found["requests"]["by"]["programme"][name] for name in ("春蕾", "春蕾（按年）")] == [156, 156]
    assert found["committed_instalments"]["by"]["programme"]["春蕾"] == 936
    assert found["committed_fen"]["by"]["programme"]["春蕾"] == "1123200.00"
    assert found["committed_instalments"]["by"]["programme"]["春蕾（按年）"] == 468
    assert found["committed_fen"]["by"]["programme"]["春蕾（按年）"] == "561600.00"
    rows = listed(county, "R08", "requests/programme=春蕾", "--as-of", "2013-12-31")
    assert len({one["child"] for one in rows}) == 156


def test_n09_cases_closed_and_one_that_came_late(county):
    """38 received, 38 closed, 100 %; a 39th, entered offline, makes it 97.4 % and is told, not slipped in."""
    asked = ("--period", "2014", "--as-of", "2014-12-31")
    before = report(county, "R09", *asked)
    found = before["figures"]
    assert (found["received"]["value"], found["closed"]["value"]) == (38, 38)
    assert found["received"]["by"]["channel"] == {"letter": 19, "visit": 19}
    assert found["closing_rate"]["value"] == {"part": 38, "whole": 38, "percent": "100.0"}
    assert found["steps"]["by"]["step"] == {"hearing": 23, "legal_aid": 5}
    assert found["stepped"]["by"]["step"] == {"hearing": 23, "legal_aid": 2}
    kept = county.yard / "r09.json"
    kept.write_text(json.dumps(before, ensure_ascii=False), encoding="utf-8")
    late = line("case-opened", "$late", kind="维权", channel="来信", received_at="2014-11-30 10:00", matter="来信补登")
    record(county, "home-02", [late])
    assert report(county, "R09", *asked) == before
    sync(county)
    now = figures(county, "R09", *asked)
    assert now["closing_rate"]["value"] == {"part": 38, "whole": 39, "percent": "97.4"}
    assert report(county, "R09", *asked, "--known-at", kept)["figures"] == found
    told = report(county, "R20", "--of", "R09", "--known-at", kept, *asked)["changes"]
    whole = {one["figure"]: (one["before"], one["after"]) for one in told if not one["split"]}
    assert whole["received"] == (38, 39)
    assert whole["closing_rate"][1]["percent"] == "97.4"
    assert {entry["home"] for one in told for entry in one["entries"]} == {"home-02"}


def test_n11_and_n12_volunteers(county):
    """350 of two kinds, ten teams, two trips; 186 children paired with students, 30 with families: 3.5 % of all."""
    found = figures(county, "R13", "--as-of", "2013-12-31")
    assert found["workers"]["value"] == 350
    assert found["workers"]["by"]["organisation_kind"] == {"local": 200, "university": 150}
    assert (found["groups"]["value"], found["groups"]["by"]["level"]) == (10, {"county": 10})
    assert figures(county, "R06", "--period", "2013")["activities"]["by"]["theme"]["practice"] == 2
    paired = figures(county, "R03", "--as-of", "2013-12-31")
    assert paired["paired"]["by"]["kind"] == {"college": 186, "family": 30}
    assert paired["coverage_college"]["value"] == {"part": 186, "whole": 5382, "percent": "3.5"}
    assert paired["coverage_family"]["value"]["part"] == 30


def test_n14_and_n15_a_year_of_the_county(county):
    """21 county-wide activities, 13 measures in force, and 5, 8, 13 and 34 media items: 60."""
    assert figures(county, "R06", "--period", "2013")["activities"]["by"]["level"]["county"] == 21
    found = figures(county, "R16", "--period", "2013", "--as-of", "2013-12-31")
    assert found["in_force"]["by"]["kind"] == {"measure": 13}
    titles = {one["title"] for one in listed(county, "R16", "in_force", "--as-of", "2013-12-31")}
    assert {"分阶段实施", "建立留守学生之家", "志愿服务", "考核办法"} <= titles
    assert found["items"]["value"] == 60
    assert found["items"]["by"]["level"] == {"central": 5, "province": 8, "city": 13, "county": 34}


def test_n17_and_n18_students(county):
    """16 who go to university got aid, seven of them a prize too: people count once; three years without a gap."""
    found = figures(county, "R08", "--period", "2012-08")
    assert found["recipients"]["by"]["recipient_kind"] == {"graduate": 16}
    assert found["paid_fen"]["by"]["programme"] == {"企业助学": "28000.00", "关工委助学": "16000.00"}
    prizes = listed(county, "R08", "paid/programme=企业助学", "--period", "2012-08")
    all_of_them = listed(county, "R08", "paid/programme=关工委助学", "--period", "2012-08")
    assert {one["child"] for one in prizes} < {one["child"] for one in all_of_them}
    community = figures(county, "R08", "--period", "2010..2012", "--as-of", "2012-12-31")
    rows = listed(county, "R08", "paid/programme=社区奖学", "--period", "2010..2012", "--as-of", "2012-12-31")
    assert [one["paid_on"][:4] for one in sorted(rows, key=lambda one: one["paid_on"])] == ["2010", "2011", "2012"]
    assert all(2000_00 <= one["paid_fen"] <= 3000_00 for one in rows)
    assert set(community["paid"]["by"]["year"]) == {"2010", "2011", "2012"}
    assert community["unknown_amount"]["by"]["programme"] == {"社区奖学": 1}


def test_n20_law(county):
    """Three talks on law, and two thousand leaflets or more."""
    found = figures(county, "R12", "--period", "2012")
    assert found["talks"]["by"]["theme"] == {"law": 3}
    assert found["leaflets"]["value"] == "2000+"
    assert found["leaflets"]["by"]["topic"] == {"law": "2000+"}


def test_n25_three_openings_a_week(county):
    """Two of three openings are 67 %; Tuesday's and Thursday's groups and Friday's hygiene by their days."""
    yard, home = county.yard, county.yard.home("home-03", "home-03")
    yard.quick("site-node", "join", home, yard.invite(code="home-03", name="哨口"))
    county.homes["home-03"] = home
    words = ("--by", "县妇联")
    yard.quick("central-hub", "term", county.hub, "2011秋", "--from", "2011-09-01", "--to", "2012-01-13", *words)
    for rule in ("O22", "O33-hygiene"):
        yard.quick("central-hub", "rule-set", county.hub, rule, "--on", "--from", "2011-09-01", *words)
    group = {"kind": "兴趣小组", "title": "书法"}
    record(county, "home-03", [
        line("home-registered", "$home", name="哨口留守儿童之家", opened_on="2011-09-01", keeper="王校长"),
        *(line("opening-held", "$home", on=day) for day in ("2011-10-10", "2011-10-12")),
        *(line("activity-held", "new", on=day, **group) for day in ("2011-10-11", "2011-10-13")),
        line("inspection-done", "new", kind="卫生检查", on="2011-10-14"),
    ])  # fmt: skip
    sync(county)
    week = ("--from", "2011-10-10", "--to", "2011-10-16", "--json")
    at_home = yard.quick("site-node", "compliance", home, *week).json()["by_rule"]
    assert at_home["O21"]["needed"] == 3
    assert at_home["O21"]["made"] == 2
    assert at_home["O21"]["percent"] == "66.7"
    assert [at_home[rule]["percent"] for rule in ("O22", "O33-hygiene")] == ["100.0", "100.0"]
    assert (at_home["O22"]["owed"], at_home["O33-hygiene"]["owed"]) == (2, 1)
    next_week = ("--from", "2011-10-17", "--to", "2011-10-23", "--json")
    assert yard.quick("site-node", "compliance", home, *next_week).json()["by_rule"]["O22"]["percent"] == "0.0"


def test_n38_a_chain_of_notices(county):
    """County meeting on the 23rd, heads on the 24th, teachers on the 25th, the first lesson on the 27th: in order."""
    yard = county.yard
    notice = line("notice-issued", "$n", title="开学安全教育", text="开学第一周上好第一课", on="2012-02-23",
                  to=["home-01", "home-02"], due_on="2012-02-27")  # fmt: skip
    subject = record(county, "hub", [notice])["subjects"]["$n"]
    sync(county)
    said = {"home-02": ("2012-02-24 09:00", "校长会已传达"), "home-01": ("2012-02-25 14:30", "全体教师会已传达")}
    for code, (at, note) in said.items():
        record(county, code, [line("notice-acknowledged", subject, at=at, note=note)])
        sync(county)
    lesson = line("activity-held", "new", kind="主题班会", theme="安全教育", title="安全第一课", on="2012-02-27")
    record(county, "home-01", [lesson])
    sync(county)
    entries = yard.quick("central-hub", "history", county.hub, subject, "--json").json()["entries"]
    assert [one["type"] for one in entries] == ["notice-issued/1", *["notice-acknowledged/1"] * 2]
    assert entries[0]["payload"]["on"] == "2012-02-23"
    assert {one["payload"]["at"][:10] for one in entries[1:]} == {"2012-02-24", "2012-02-25"}
    picture = yard.quick("central-hub", "subject", county.hub, subject, "--json").json()["picture"]
    assert [*picture["acknowledged"].items()] == [
        ("home-02", "2012-02-24 09:00:00+08:00"),
        ("home-01", "2012-02-25 14:30:00+08:00"),
    ]
    assert figures(county, "R16", "--period", "2012-02")["acknowledged"]["by"]["home"] == {"home-01": 1, "home-02": 1}
    assert figures(county, "R12", "--period", "2012-02")["talks"]["by"]["theme"] == {"safety": 1}


def test_n40_times_are_local(county):
    """Four in the afternoon stays four in the afternoon; a moment is the home's, in Shanghai's zone."""
    opened = line("case-opened", "$m", kind="其他", channel="来访", received_at="2011-12-30 16:00", matter="咨询")
    planned = line("activity-planned", "$p", kind="联欢会", title="联欢", on="2011-12-31", at="16:00")
    subjects = record(county, "home-02", [opened, planned])["subjects"]
    home = county.homes["home-02"]
    payloads = [
        county.yard.quick("site-node", "history", home, subjects[name], "--json").json()["entries"][0]["payload"]
        for name in ("$m", "$p")
    ]
    assert payloads[0]["received_at"] == "2011-12-30T16:00:00+08:00"
    assert payloads[1]["at"][:5] == "16:00"
    assert "+" not in payloads[1]["at"]


def test_the_whole_county_holds(county):
    """What the figures rest on is rebuilt to the same tables."""
    assert county.yard.quick("site-node", "rebuild", county.homes["home-02"], "--json").json()["equal"]
