"""Reports over rows, against a plain recount of the lines."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain.event import Event
from domain.places import place_of
from domain.records import Record
from domain.reporting import Fen, Figure, Share, figure_json
from domain.reports import REPORTS
from domain.views import TABLES
from tests.county.recount import KINDS
from tests.domain.domain_samples import SUBJECT, Writer, import_sample, registered, sample
from tests.domain.report_rows import County
from tests.domain.test_schema import EVENTS


def imported() -> County:
    """All rows of the imported sample."""
    by_subject: dict[UUID, list[Record]] = {}
    for one in import_sample():
        by_subject.setdefault(one.lifted.subject, []).append(one.record)
    return County((subject.bytes, records) for subject, records in by_subject.items())


COUNTY = imported()
ROWS = COUNTY.rows


def make(number: str, period: str | None = None, as_of: dt.date = dt.date(2026, 1, 1)) -> dict[str, Figure]:
    """A report's figures by name."""
    return COUNTY.report(number, period, as_of)


def as_corrected() -> list[dict[str, Any]]:
    """The lines with their corrections written into them, where they fit."""
    facts = {(fact["site"], fact["at"]): fact for fact in sample()}
    for fact in sample():
        if fact["type"] == "CorrectionMade":
            target, data = facts[fact["site"], fact["data"]["corrects"]["at"]], fact["data"]
            fits = isinstance(data["now"], type(target["data"][data["field"]]))
            if fits and (data["field"] != "born" or data["now"][:4].isdigit()):
                target["data"][data["field"]] = data["now"]
    return list(facts.values())


def test_r17_is_a_recount_of_the_lines() -> None:
    """Per home and month, counts, minutes and money equal a recount of the raw facts as corrected."""
    counts: Counter[tuple[str, str, str]] = Counter()
    minutes: Counter[tuple[str, str, str]] = Counter()
    fen = 0
    for fact in as_corrected():
        if fact["type"] in KINDS:
            key = (fact["site"], fact["at"][:7], KINDS[fact["type"]])
            counts[key] += 1
            minutes[key] += fact["data"].get("minutes", 0) + round(fact["data"].get("hours", 0) * 60)
            fen += fact["data"].get("yuan", 0) * 100
    report = make("R17", "2024..2026")
    for month in sorted({month for _, month, _ in counts}):
        monthly = make("R17", month)
        for (site, when, kind), count in counts.items():
            if when == month:
                assert monthly[kind].parts["home"][site] == count, (site, month, kind)
                timed = monthly.get(f"{kind}_minutes")
                assert (timed.parts["home"][site] if timed else 0) == minutes[site, when, kind]
    assert sum(int(report[kind].value) for kind in set(KINDS.values()) if kind in report) == sum(counts.values())
    assert report["aid_fen"].value == Fen(fen)
    assert report["aid_fen"].value.yuan() == f"{fen // 100}.{fen % 100:02}"


def test_the_countys_sum_is_the_sum_of_its_homes() -> None:
    """Every figure of the county, computed over all rows at once, is the homes' figures added up."""
    report = make("R17", "2024")
    assert len(report) > 20
    for figure in report.values():
        assert figure.value == sum(int(part) for part in figure.parts["home"].values())


def where(day: str) -> dict[str, dict[str, Any]]:
    """Each child's last card and home on a day, from the raw lines."""
    found: dict[str, dict[str, Any]] = {}
    for fact in as_corrected():
        if fact["type"] in ("ChildRegistered", "ChildArrived") and fact["at"][:10] <= day:
            found[fact["subject"]] = {**fact["data"], "home": fact["site"]}
    return found


def test_r01_is_a_recount_of_the_cards() -> None:
    """On several days the children by home, sex and age equal a recount of registrations and arrivals."""
    for day in ("2024-08-31", "2024-09-01", "2024-09-30", "2025-03-01", "2025-12-31"):
        as_of = dt.date.fromisoformat(day)
        report, expected = make("R01", as_of=as_of)["children"], where(day)
        assert report.value == len(expected)
        assert report.parts["home"] == dict(sorted(Counter(card["home"] for card in expected.values()).items()))
        ages = Counter(as_of.year - int(card["born"][:4]) - (day[5:] < card["born"][5:]) for card in expected.values())
        assert report.parts["age"] == {age: ages[age] for age in sorted(ages)}
        for name in ("sex", "grade", "village", "township", "category"):
            assert sum(map(int, report.parts[name].values())) == len(expected)
            for key, count in report.parts[name].items():
                assert len(report.listed(name, "" if key is None else str(key))) == count


def test_a_child_between_homes_belongs_to_the_former() -> None:
    """On the days between leaving and arriving a child counts at the home that gave it over."""
    moved = [row for row in ROWS["stay"] if row[1] == 2]
    assert moved
    for row in moved:
        arrival = dt.date.fromisoformat(row[3])
        before = make("R01", as_of=arrival - dt.timedelta(days=1))["children"]
        after = make("R01", as_of=arrival)["children"]
        assert before.parts["home"] != after.parts["home"]


def test_files_of_one_child_count_once_from_the_day_of_the_link() -> None:
    """Situation M2: two homes registered one child; R01 falls by one as of the link, older dates stay as they were.

    Whichever file says so, and both; what was surveyed in either file is surveyed; said to be wrong, both count again.
    """
    linked = dt.date(2024, 9, 10)
    first, second = SUBJECT, bytes(15) + b"\x01"
    homes = [Writer("home-01"), Writer("home-02")]
    mine, theirs = homes[0].write(registered()), homes[1].write(registered())
    survey = homes[0].write(e.SituationSurveyed(surveyed_on=linked))
    later = linked + dt.timedelta(3)
    words = [
        homes[1].write(e.DuplicateChildLinked(other=UUID(bytes=first), same=True, on=linked)),
        homes[0].write(e.DuplicateChildLinked(other=UUID(bytes=second), same=True, on=later)),
    ]

    def figures(day: dt.date, *said: Record) -> dict[str, Figure]:
        files = {first: [mine, survey], second: [theirs]}
        for one in said:
            files[first if one.home == "home-01" else second].append(one)
        county = County(files.items())
        return {**county.report("R01", None, day), **county.report("R02", "2024-09", day)}

    for said in ((), words[:1], words[1:], words):
        assert figures(linked - dt.timedelta(1), *said)["children"].value == 2
        after = figures(later, *said)
        assert after["children"].value == (1 if said else 2)
        assert after["children"].parts["home"] == ({"home-02": 1} if said else {"home-01": 1, "home-02": 1})
        assert after["coverage"].value == Share(1, 1 if said else 2)
    taken_back = homes[1].write(e.DuplicateChildLinked(other=UUID(bytes=first), same=False), words[0])
    assert figures(linked, words[0], taken_back)["children"].value == 2
    undated = homes[1].write(e.DuplicateChildLinked(other=UUID(bytes=first), same=True))
    assert figures(dt.date(1999, 1, 1), undated)["children"].value == 0
    assert figures(dt.date(2199, 1, 1), undated)["children"].value == 1


def test_payment_waits_where_the_child_has_left() -> None:
    """Situation M6: granted and left are both true; R08 has the grant on hold until somebody decides who knows it."""
    home, county = Writer("home-01"), Writer("")
    child, grant = SUBJECT, bytes(15) + b"\x02"
    request = e.AidRequested(
        kind="relief", programme="微心愿", reason="困难", child=UUID(bytes=child), on=dt.date(2024, 9, 2)
    )
    asked = home.write(request)
    said = [asked, county.write(e.AidDecided(decision="granted", on=dt.date(2024, 9, 5)), asked)]
    left = home.write(e.ChildDeregistered(on=dt.date(2024, 10, 1), reason="moved"))
    born = home.write(registered())

    def on_hold(day: dt.date, *more: Record, gone: bool = True) -> int:
        files = {child: [born, left] if gone else [born], grant: [*said, *more]}
        figure = County(files.items()).report("R08", None, day)["on_hold"]
        return int(figure.value)

    assert on_hold(dt.date(2024, 9, 30)) == 0
    assert on_hold(dt.date(2024, 10, 1)) == 1
    assert on_hold(dt.date(2024, 10, 1), gone=False) == 0
    knowing = county.write(e.AidDecided(decision="granted", on=dt.date(2024, 10, 9), after_leaving=True))
    assert on_hold(dt.date(2024, 10, 10), knowing) == 0


def test_places_are_read_from_addresses() -> None:
    """Township and village come from the address as people write it."""
    assert place_of("清溪县石桥镇上坪村三组12号") == ("石桥镇", "上坪村")
    assert place_of("清溪县白水乡东屋场村1组") == ("白水乡", "东屋场村")
    assert place_of("白水乡东湾村") == ("白水乡", "东湾村")
    assert place_of("某处") == ("", "")
    assert place_of(None) == ("", "")


def test_keys_are_unique() -> None:
    """No two rows of a table share a key."""
    for name, table in TABLES.items():
        names = [column for column, _ in table.columns]
        assert names[0] == table.key[0] == "subject"
        keys = [tuple(row[names.index(part)] for part in table.key) for row in ROWS[name]]
        assert len(keys) == len(set(keys))
        assert all(len(row) == len(names) for row in ROWS[name])


@pytest.mark.parametrize("number", sorted(REPORTS))
def test_every_report_adds_up(number: str) -> None:
    """Over the whole sample every list opens, and the homes' parts add up to the county's value."""
    for figure in make(number, "2024..2026").values():
        assert figure.definition.zh
        assert figure.definition.en
        if type(figure.value) is int and figure.unit.en not in ("minutes", "items", "copies", "instalments", "days"):
            homes = figure.parts.get("home")
            assert homes is None or sum(map(int, homes.values())) == figure.value
        for split, parts in figure.parts.items():
            for key in parts:
                figure.listed(split, "" if key is None else str(key))


@pytest.mark.parametrize("number", sorted(REPORTS))
def test_a_county_without_a_record_has_every_report(number: str) -> None:
    """Nothing recorded is nothing counted: no figure fails, and none is above nought."""
    for figure in County([]).report(number, "2024", dt.date(2024, 12, 31)).values():
        assert figure_json(figure)["value"] in (0, "0", "0.00", {"part": 0, "whole": 0, "percent": None})


@settings(max_examples=60, deadline=None)
@given(events=st.lists(EVENTS, max_size=12), data=st.data())
def test_no_record_breaks_a_report(events: list[Event], data: st.DataObject) -> None:
    """Whatever was recorded about whatever subject, in any mixture, every report can be made, shown and listed."""
    writers = [Writer("home-01"), Writer("home-02", "b")]
    subjects: dict[bytes, list[Record]] = {}
    for event in events:
        subject = (event.meta.about or "any").encode().ljust(16)[:16]
        record = data.draw(st.sampled_from(writers)).write(event)
        subjects.setdefault(subject, []).append(record)
    county = County(subjects.items())
    for number in REPORTS:
        for figure in county.report(number, "1900..2100", dt.date(2100, 1, 1)).values():
            json.dumps(figure_json(figure))
            figure.listed()
