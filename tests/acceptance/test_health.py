"""R18: what the county knows of its homes' exchanges, with real processes."""

from __future__ import annotations

import datetime as dt
import json

R18 = ("central-hub", "report")


def health(yard, *words):
    return yard.quick(*R18, yard / "hub", "R18", *words, "--json").json()["figures"]


def behind(yard, number, *words, offset_s=0):
    """Whose figures may lack something; and in a comparison, whose did then."""
    made = yard.run(*R18, yard / "hub", number, *words, "--json", offset_s=offset_s).json()
    return made["behind"], made.get("before", {}).get("behind")


def test_the_county_sees_who_is_in_touch_and_whose_clock_is_wrong(county):
    """One home is in touch, one never was; a wrong clock, an old survey and an open conflict are in the figures."""
    home = county / "home"
    kept = county / "r18.json"
    kept.write_text(json.dumps(county.quick(*R18, county / "hub", "R18", "--json").json()), "utf-8")
    before = health(county)
    url = json.loads((home / "config.json").read_text("utf-8"))["hub"]["url"]
    server = county.hub(listen=url.removeprefix("http://"))
    county.invite(code="home-02", name="北坡之家")
    child = county.quick("site-node", "children", home, "--json").json()["children"][0]["id"]
    asked = ("situation-surveyed/1", "--subject", child, "--by", "li", "surveyed_on=2025-03-01")
    county.quick("site-node", "record", home, *asked)
    county.run("site-node", "sync", home, offset_s=3600)
    assert server.stop() == 0

    found = health(county)
    assert found["homes"]["value"] == before["homes"]["value"] + 1
    assert found["never"]["by"] == {"home": {"home-02": 1}}
    assert found["behind"]["by"]["home"] == {"home-02": 1}
    assert before["clocks"]["value"] == 0
    assert found["clocks"]["by"]["home"] == {"home-01": 1}
    assert 3000 < found["clock_s"]["by"]["home"]["home-01"] < 4000
    assert found["waiting"]["value"] == 0
    assert found["silent_days"]["by"]["home"] == {"home-01": 0}
    assert found["survey_days"]["by"]["home"].keys() == {"home-01"}
    assert found["survey_days"]["value"] > 500
    then = health(county, "--known-at", kept)
    assert {name: one["value"] for name, one in then.items()} == {name: one["value"] for name, one in before.items()}
    today = dt.date.fromisoformat(county.quick(*R18, county / "hub", "R18", "--json").json()["as_of"])
    in_ten_days = {"offset_s": 10 * 24 * 3600}
    assert behind(county, "R01") == (["home-02"], None)
    assert behind(county, "R01", **in_ten_days) == (["home-01", "home-02"], None)
    assert behind(county, "R01", "--known-at", today, **in_ten_days) == (["home-02"], None)
    assert behind(county, "R01", "--known-at", kept) == ([], None)  # nobody knew of the other home
    assert behind(county, "R20", "--of", "R01", "--known-at", kept) == (["home-02"], [])
    old, later = health(county, "--as-of", "2024-01-01"), health(county, "--as-of", today + dt.timedelta(days=9))
    assert [old[name]["value"] for name in ("homes", "behind", "clocks", "waiting")] == [0, 0, 0, 0]
    assert later["silent_days"]["by"]["home"] == {"home-01": 9}
    county.quick("central-hub", "report", county / "hub", "R18", "--format", "xlsx", "--out", county / "r18.xlsx")
    words = ("central-hub", "report", county / "hub", "R18", "--list", "behind", "--json")
    assert [row["home"] for row in county.quick(*words).json()["rows"]] == ["home-02"]
    assert county.quick("site-node", "report", home, "R18", code=2).err
