"""What is due and what was done, worked out from read models: the same as from subjects folded from the log."""

from __future__ import annotations

import datetime as dt
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain import schema
from domain.compliance import r04
from domain.countywide import OF_THE_COUNTY
from domain.deeds import Account
from domain.folding import fold
from domain.household import OF_THE_HOME, THINGS, account_of
from domain.policy import COUNTY_SUBJECT, Policy
from domain.state import Stay
from node import due, duties, reporting
from node.following import Follower
from node.household import Files, Household, RowsOf
from node.importing import Importer
from node.records import draft_of, is_of_the_domain
from node.views import Views
from sync import headlines
from sync.store import Store
from tests.domain.duty_samples import fact, records

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "sample" / "facts.jsonl.xz"
LINES = lzma.decompress(SAMPLE.read_bytes()).decode().splitlines()
FACTS_COUNT = 3000
HOME = "home-01"
DAYS = [dt.date(2025, 1, 20), dt.date(2025, 6, 3), dt.date(2026, 9, 1)]


def home_of(log: bytes) -> str:
    """One log holds all."""
    return HOME


class FromTheLog:
    """Accounts of folded subjects: the definition."""

    def __init__(self, store: Store) -> None:
        files, kinds = Files(store, home_of), {}
        for one in headlines.after(store, 0, 100_000)[1]:
            if is_of_the_domain(one.type, one.subject, one.log) and (kind := schema.subject_kind(one.type)):
                kinds.setdefault(one.subject, kind)
        self._states = [
            files.state(one)
            for one, kind in sorted(kinds.items())
            if kind in THINGS | OF_THE_HOME | OF_THE_COUNTY | {"child"}
        ]

    def children(self, wanted: Callable[[bytes, tuple[Stay, ...]], bool]) -> Iterator[Account]:
        """By their states."""
        states = (one for one in self._states if one.kind == "child")
        return (account_of(one) for one in states if wanted(one.subject, one.stays))

    def others(self) -> list[Account]:
        """By their states."""
        return [account_of(one) for one in self._states if one.kind != "child"]


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Iterator[tuple[Store, Views]]:
    """A home's log with terms, a tightened rule, a waiver, hazards, an activity, a case, and its read models."""
    folder = tmp_path_factory.mktemp("log")
    Store.create(folder)
    store = Store(folder)
    (folder / "facts.jsonl").write_text("\n".join(LINES[:FACTS_COUNT]) + "\n", encoding="utf-8")
    Importer(store, store, HOME, lambda: 1_780_000_000_000, all_sites=True).run(
        folder / "facts.jsonl", lambda _done: None
    )
    for number, (subject, name, payload) in enumerate(more(store)):
        event = schema.from_json(f"{name}/1", payload)
        store.record([draft_of(subject, event, "李老师", 1_780_000_000_000 + number)]).result()
    views = Views.create(folder / "views.db", store.master)
    for _ in Follower(store, views, home_of).catch_up():
        pass
    yield store, views
    views.close()
    store.close()


def more(store: Store) -> list[tuple[bytes, str, dict[str, Any]]]:
    """What the sample has not: things with deadlines, people with roles, and the county's word."""
    found = headlines.after(store, 0, 100_000)[1]
    child = next(one.subject for one in found if one.type == "child-registered/1")
    place = next(one.subject for one in found if one.type == "home-registered/1")
    hazard, activity, case, worker, project, meeting, budget = (bytes([number]) * 16 for number in range(1, 8))
    moment = "2025-03-03T10:00:00+08:00"
    return [
        (place, "obligation-waived", {"rule": "O04", "period": "2025-03", "reason": "线路中断", "on": "2025-03-31"}),
        (child, "obligation-waived", {"rule": "O46", "period": "2024", "reason": "监护人在外", "on": "2025-01-31"}),
        (child, "consent-recorded", {"scope": ["file"], "given_by": "王梅", "on": "2025-02-03"}),
        (hazard, "hazard-found", {"place": "校门口", "kind": "traffic", "severity": "severe",
                                  "found_on": "2025-03-03"}),
        (hazard, "hazard-reported", {"on": "2025-03-04", "in_writing": True, "to": "教育局"}),
        (hazard, "hazard-remedied", {"on": "2025-03-20", "how": "装了护栏"}),
        (activity, "activity-held", {"kind": "gala", "title": "元旦联欢", "on": "2025-01-01", "leader": "w-1"}),
        (case, "case-opened", {"kind": "violence", "channel": "worker", "matter": "秘密", "received_at": moment}),
        (worker, "worker-registered", {"code": "w-1", "name": "周敏", "kind": "teacher", "joined_on": "2024-09-01"}),
        (worker, "role-assigned", {"role": "helping_teacher", "at": HOME, "from_on": "2024-09-01"}),
        (worker, "role-ended", {"role": "helping_teacher", "at": HOME, "on": "2025-05-30", "reason": "调动"}),
        (project, "project-proposed", {"title": "图书室", "owner": "县妇联", "on": "2025-01-10", "goal": "读书",
                                       "need": "书", "leader": "周敏"}),
        (project, "project-approved", {"on": "2025-01-20"}),
        (project, "evaluation-filed", {"kind": "half_year", "on": "2025-07-20", "findings": "好"}),
        (meeting, "meeting-held", {"kind": "parents", "on": "2025-03-15"}),
        (budget, "budget-allocated", {"line": "运行", "year": 2025, "amount_fen": 100, "purpose": "图书",
                                      "purpose_bound": True, "on": "2025-01-05"}),
        (budget, "expense-recorded", {"on": "2025-02-05", "amount_fen": 50, "purpose": "办公", "voucher": "1"}),
    ]  # fmt: skip


def both(places: tuple[Store, Views], code: str | None, day: dt.date) -> Iterator[Household]:
    """From the log, and from the read models."""
    store, views = places
    said = [fact("policy-rule-set", "2024-09-01", rule="O21", times=5, writer=HOME)]
    for year in (2024, 2025):
        span = {"from_on": f"{year}-01-05", "to_on": f"{year}-12-20", "holidays": []}
        said.append(fact("term-scheduled", span.pop("from_on"), name=f"{year}-全", writer="", **span))
    policy = Policy(fold("", COUNTY_SUBJECT, records(said)))
    yield Household(FromTheLog(store), policy, code, day, DAYS[0])
    with views.snapshot() as rows:
        yield Household(RowsOf(rows), policy, code, day, DAYS[0])


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_what_is_open_follows_from_the_newest_periods(places, day):
    """The list is the same whether every period since the beginning is worked out, or what it is made of alone."""
    week = day + dt.timedelta(days=6)
    for owing in both(places, HOME, day):
        every, newest = ([one for subject in owing.subjects() for one in owing.duties(subject, week, latest=latest)]
                         for latest in (False, True))  # fmt: skip
        told = [due.duty_json(one, "", day) for one in due.duty_words.told(newest)]
        assert told == [due.duty_json(one, "", day) for one in due.duty_words.told(every)]
        assert len(newest) < len(every)


@pytest.mark.parametrize("code", [HOME, None], ids=["home", "county"])
@pytest.mark.parametrize("day", DAYS, ids=str)
def test_a_list_from_read_models_is_the_list_from_the_log(places, code, day):
    """Duties with their facts, titles and helpers; R04 with its waivers; the rows of the report."""
    week = day + dt.timedelta(days=6)
    asked = reporting.asked(day, day, "2024-09..2025-06")
    found = []
    for owing in both(places, code, day):
        all_of = list(owing.owed(week))
        plain = sorted((one._replace(subject=None).__repr__(), one.subject.id) for one in all_of)
        listed = sorted(
            repr(due.duty_json(one, owing.names.get(one.duty.subject.id, ""), day))
            for one in due.duty_words.told(all_of)
        )
        found.append(
            (plain, listed, r04(all_of, 1, day.toordinal()), owing.names, sorted(map(repr, duties.table(owing, asked))))
        )
    assert found[0] == found[1]
    assert len(found[0][0]) > 300
    rules = {"O04"} if day == DAYS[0] else {"O04", "O28-severe", "O44-step", "O51"}
    assert found[0][2]["by_rule"].keys() > rules
