"""Filed reports by real commands: what was signed stays, what came later is told, the county's verdict comes back."""

from __future__ import annotations

import json

import pytest


def submit(yard, home, *words, code=0):
    asked = ("--kind", "month", "--period", "2024-09", "--signed-by", "张三")
    return yard.quick("site-node", "submit-report", home, *asked, *words, "--json", code=code)


def record(yard, home, event, subject, *fields):
    return json.loads(yard.quick("site-node", "record", home, event, "--subject", subject, "--by", "li", *fields).out)


def late_visit(yard, home):
    child = yard.quick("site-node", "children", home, "--json").json()["children"][0]["id"]
    return record(yard, home, "home-visit-recorded/1", child, "visited_on=2024-09-20", "living=good", "found=都好")


def reports(yard, program, folder):
    return yard.quick(program, "reports", folder, "--json").json()["reports"]


def since_filed(yard, program, folder, id_):
    return yard.quick(program, "report", folder, "R20", "--filed", id_, "--json").json()


def test_a_late_visit_changes_no_filed_report(county):
    """Situation M8: February's visit arrives in June; the filed figure stays, R20 shows +1 with the entry, everywhere.

    The county returns the report, which the home hears of, files anew, and has accepted; then its figures stay.
    """
    home, hub = county / "home", county / "hub"
    figures = submit(county, home).json()["figures"]
    (filed,) = reports(county, "site-node", home)
    assert filed["figures"] == figures
    assert filed["status"] == "submitted"
    assert sum(figures.values()) > 0, "the sample has facts of this month"
    assert since_filed(county, "site-node", home, filed["version"])["changes"] == []

    visit = late_visit(county, home)
    url = json.loads((home / "config.json").read_text("utf-8"))["hub"]["url"]
    server = county.hub(listen=url.removeprefix("http://"))
    county.quick("site-node", "sync", home, code=None)
    for program, folder in (("site-node", home), ("central-hub", hub)):
        (still,) = reports(county, program, folder)
        assert still == filed
        found = since_filed(county, program, folder, filed["subject"])
        (whole,) = [one for one in found["changes"] if not one["split"]]
        assert whole["figure"] == "visit"
        assert whole["filed"] == whole["before"] == figures.get("visit")
        assert whole["after"] == (whole["filed"] or 0) + 1
        assert visit["id"] in {entry["id"] for entry in whole["entries"]}
        assert found["filed_otherwise"] == []

    returned = ("central-hub", "report-return", hub, filed["version"], "--by", "县妇联", "--reason", "补上家访")
    county.run(*returned)
    assert county.run(*returned, code=6).err
    county.quick("site-node", "sync", home, code=None)
    (back,) = reports(county, "site-node", home)
    assert back == filed | {"status": "returned", "reasons": ["补上家访"]}

    again = submit(county, home).json()
    assert again["figures"] == figures | {"visit": figures.get("visit", 0) + 1}
    county.quick("site-node", "sync", home, code=None)
    county.run("central-hub", "report-accept", hub, again["id"], "--by", "县妇联")
    county.quick("site-node", "sync", home, code=None)
    assert server.stop() == 0
    for program, folder in (("site-node", home), ("central-hub", hub)):
        first, second = reports(county, program, folder)
        assert (first["status"], first["counts"], first["figures"]) == ("returned", False, figures)
        assert (second["status"], second["counts"], second["figures"]) == ("accepted", True, again["figures"])
    late_visit(county, home)
    assert "审核通过" in submit(county, home, code=6).err


def test_figures_that_no_entries_make_are_told(county):
    """Whoever files figures of their own making is found out by the positions that they name."""
    home = county / "home"
    filed = submit(county, home).json()
    payload = {"kind": "month", "period": "2024-10", "figures": {"visit": 99}, "positions": {}, "on": "2024-10-31"}
    asked = ("report-submitted/1", "--subject", "new", "--by", "li", "--payload-json", json.dumps(payload))
    forged = json.loads(county.quick("site-node", "record", home, *asked).out)
    found = since_filed(county, "site-node", home, forged["id"])
    assert {"figure": "visit", "filed": 99, "as_known_then": None} in found["filed_otherwise"]
    assert "filed otherwise" in county.quick("site-node", "report", home, "R20", "--filed", forged["id"]).out
    assert since_filed(county, "site-node", home, filed["id"])["filed_otherwise"] == []
    for broken in ({"positions": {"no log": 7}}, {"period": "soon"}):
        asked = (*asked[:-1], json.dumps(payload | broken))
        id_ = json.loads(county.quick("site-node", "record", home, *asked).out)["id"]
        assert county.quick("site-node", "report", home, "R20", "--filed", id_, code=6).err
    assert len(reports(county, "site-node", home)) == 4


def test_a_report_is_filed_once_also_beside_serve(county):
    """The same figures again are refused, whoever records them; other kinds and periods are other reports."""
    home = county / "home"
    server = county.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "900")
    first = submit(county, home).json()
    assert "已经报送过" in submit(county, home, code=6).err
    late_visit(county, home)
    second = submit(county, home).json()
    assert server.stop() == 0
    assert second["report"] == first["report"]
    assert [one["counts"] for one in reports(county, "site-node", home)] == [False, True]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("submit-report", "--kind", "month", "--period", "2024", "--signed-by", "li"), "2024-09"),
        (("submit-report", "--kind", "half_year", "--period", "2024-02..2024-07", "--signed-by", "li"), "2024-H1"),
        (("submit-report", "--kind", "year", "--period", "2999", "--signed-by", "li"), "还没有开始"),
        (("submit-report", "--kind", "year", "--period", "2024", "--signed-by", " "), "签名"),
        (("report", "R17", "--filed", "0" * 32), "R20"),
        (("report", "R20", "--filed", "0" * 32), "reports"),
    ],
)
def test_what_cannot_be_filed_is_said(county, words, said):
    """A sentence, and nothing recorded."""
    home, (command, *rest) = county / "home", words
    assert said in county.quick("site-node", command, home, *rest, code=6).err
    assert reports(county, "site-node", home) == []
