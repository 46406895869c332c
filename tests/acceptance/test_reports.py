"""Reports by real commands: as known then, what differs since, and as files."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter

import pytest
from openpyxl import load_workbook


@pytest.fixture
def home(yard, lines_of, write_lines):
    """A home with the facts of some weeks."""
    folder = yard.home()
    yard.quick("site-node", "import", folder, write_lines(yard / "first", lines_of(count=150)))
    return folder


def report(yard, home, *words, **options):
    return yard.quick("site-node", "report", home, *words, "--json", **options).json()


def record(yard, home, event, subject, *fields):
    words = ("site-node", "record", home, event, "--subject", subject, "--by", "li", *fields)
    return json.loads(yard.quick(*words).out)


def test_a_late_fact_changes_no_report_of_before(yard, home):
    """What is recorded in June about September is in September's figures; as known before it, the report is the same.

    Situation M8: the difference is told, with the very entries that make it.
    """
    asked = ("R17", "--period", "2024-09")
    before = report(yard, home, *asked)
    kept = yard / "kept.json"
    kept.write_text(json.dumps(before, ensure_ascii=False), encoding="utf-8")
    child = yard.quick("site-node", "children", home, "--json").json()["children"][0]["id"]
    visit = record(yard, home, "home-visit-recorded/1", child, "visited_on=2024-09-20", "living=good", "found=都好")
    record(yard, home, "home-visit-recorded/1", child, "visited_on=2025-02-20", "living=good", "found=都好")

    after = report(yard, home, *asked)
    assert after["figures"]["visit"]["value"] == before["figures"].get("visit", {"value": 0})["value"] + 1
    assert report(yard, home, *asked, "--known-at", kept) == before
    found = report(yard, home, "R20", "--of", *asked, "--known-at", kept)
    assert {one["figure"] for one in found["changes"]} == {"visit"}
    (whole,) = [one for one in found["changes"] if not one["split"]]
    assert (whole["before"] or 0) + 1 == whole["after"]
    assert visit["id"] in {entry["id"] for entry in whole["entries"]}
    assert found["before"]["positions"] == before["positions"]
    assert not list(home.glob("*.known*"))


def test_a_report_as_known_on_a_day(yard, lines_of, write_lines):
    """A day names what was written down by its end, and nothing that came later."""
    home = yard.home()
    lines = lines_of(count=150)
    days = [dt.date(2025, 6, 1), dt.date(2025, 6, 3)]
    for day, part in zip(days, (lines[:100], lines[100:]), strict=True):
        shift = (dt.datetime.combine(day, dt.time(6), dt.UTC) - dt.datetime.now(dt.UTC)).total_seconds()
        yard.run("site-node", "import", home, write_lines(yard / str(day), part), offset_s=shift)
    asked = ("R17", "--period", "2024..2026", "--known-at")
    totals = [
        sum(one["by"]["home"]["home-01"] for name, one in report(yard, home, *asked, day)["figures"].items()
            if one["unit"]["en"] == "times" and not name.endswith("_reached"))
        for day in ("2025-05-31", "2025-06-02", "2025-06-03")
    ]  # fmt: skip
    kinds = Counter(json.loads(line)["type"] for line in lines[:100])
    assert totals[0] == 0
    assert 0 < totals[1] <= sum(kinds.values()) < totals[2]


def test_nothing_differs_where_nothing_came(yard, home):
    """R20 of a report with itself is empty, and says so."""
    kept = yard / "kept.json"
    kept.write_text(yard.quick("site-node", "report", home, "R01", "--json").out, encoding="utf-8")
    assert report(yard, home, "R20", "--of", "R01", "--known-at", kept)["changes"] == []
    assert "没有差别" in yard.quick("site-node", "report", home, "R20", "--of", "R01", "--known-at", kept).out


def test_a_report_as_a_workbook(yard, home):
    """The workbook opens, its list has as many rows as the figure says; CSV has the same value."""
    figure = report(yard, home, "R01", "--as-of", "2025-03-01")["figures"]["children"]
    asked = ("site-node", "report", home, "R01", "--as-of", "2025-03-01")
    yard.quick(*asked, "--format", "xlsx", "--out", yard / "r01.xlsx")
    book = load_workbook(yard / "r01.xlsx")
    assert book["指标"]["F2"].value == figure["value"]
    assert book[book.sheetnames[1]].max_row == 1 + figure["value"]
    yard.quick(*asked, "--format", "csv", "--out", yard / "r01.csv")
    assert (yard / "r01.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert f",{figure['value']}," in (yard / "r01.csv").read_text(encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("R20",), "--of"),
        (("R20", "--of", "R17"), "--known-at"),
        (("R17", "--known-at", "nothing.json"), "nothing.json"),
        (("R17", "--period", "soon"), "soon"),
        (("R01", "--format", "xlsx"), "--out"),
    ],
)
def test_what_cannot_be_made_is_said(yard, home, words, said):
    """A sentence, not a traceback, and nothing written."""
    assert said in yard.quick("site-node", "report", home, *words, code=6).err
