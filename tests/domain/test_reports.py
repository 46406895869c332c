"""Reports over rows, against a plain recount of the lines."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any
from uuid import UUID

from domain.folding import fold
from domain.periods import period_of
from domain.places import place_of
from domain.records import Record
from domain.reporting import Asked, Fen, Figure, Rows
from domain.reports import REPORTS
from domain.views import TABLES, rows
from tests.domain.domain_samples import import_sample, sample


def tables() -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the imported sample, by table."""
    by_subject: dict[UUID, list[Record]] = {}
    for one in import_sample():
        by_subject.setdefault(one.lifted.subject, []).append(one.record)
    found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
    for subject, records in by_subject.items():
        for name, row in rows(fold("", subject.bytes, records)):
            found[name].append(row)
    return found


ROWS = tables()


def read(table: str, columns: str, *, between: tuple[str, Any, Any] | None = None) -> Rows:
    """`Read` over the rows of the sample."""
    names = [name for name, _ in TABLES[table].columns]
    rows = ROWS[table]
    if between:
        at = names.index(between[0])
        rows = [row for row in rows if between[1] <= row[at] <= between[2]]
    places = [names.index(one) for one in columns.split()]
    return Rows(tuple(columns.split()), [tuple(row[place] for place in places) for row in rows])


def make(number: str, period: str | None = None, as_of: dt.date = dt.date(2026, 1, 1)) -> dict[str, Figure]:
    """A report's figures by name."""
    asked = Asked(as_of=as_of, period=period_of(period, as_of))
    return {one.name: one for one in REPORTS[number].make(read, asked)}


KINDS = {
    "ChildRegistered": "registration",
    "ChildArrived": "arrival",
    "ChildLeft": "departure",
    "CallHeld": "call",
    "LetterSent": "letter",
    "TeacherContacted": "teacher_contact",
    "TalkRecorded": "talk",
    "HomeVisited": "visit",
    "DiaryWritten": "diary",
    "ParentVisited": "parent_return",
    "CarePlanMade": "plan",
    "CareSummed": "summary",
    "AidGranted": "aid",
    "BookLent": "loan_out",
    "BookReturned": "loan_back",
    "GroupMet": "interest_group",
    "RoomOpened": "opening",
    "BirthdayHeld": "birthday",
    "GalaHeld": "gala",
    "DormitoryChecked": "dormitory_check",
    "SafetyInspected": "inspection",
    "PairingMade": "pairing",
    "CardChanged": "card_change",
}


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
