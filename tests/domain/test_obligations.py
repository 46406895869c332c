"""Duties: every rule of the table in situations, and what holds of all of them."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import deeds, schema
from domain.calendar import LENGTHS, Calendar, Term
from domain.compliance import r04
from domain.deeds import Around, Deed, Post, Subject
from domain.default_rules import DEFAULT_RULES, PARENTS_FIVE_ONES, VOLUNTEERS_FIVE_ONES
from domain.folding import fold
from domain.obligations import OPEN, due
from domain.rules import FOR_EVER, LONG_AGO, RuleBook, Setting
from tests.domain.duty_samples import (
    ALL_ON,
    CALENDAR,
    HOME,
    REGISTERED,
    SHIPPED,
    SUBJECT,
    TERMS,
    child,
    day,
    duties,
    fact,
    home,
    record,
    records,
    shuffled,
    state_of,
    thing,
)

PAIR = {kind: str(UUID(int=n)) for n, kind in enumerate(("caring_mother", "college", "teacher", "study_helper"), 50)}


def paired(kind: str, on: str = "2024-09-01", name: str = "赵姨") -> Any:
    return fact("pairing-formed", on, pairing=PAIR[kind], kind=kind, helper_name=name)


MOTHER, STUDENT, TEACHER = paired("caring_mother"), paired("college", name="孙同学"), paired("teacher", name="钱老师")
PRIORITY = fact("child-category-assessed", "2024-09-01", categories=["left_behind", "priority"])
CT = {"around": Around(posts=(Post("周老师", "w-9", "class_teacher", 1, FOR_EVER),))}
BOARDING = {"around": Around(traits=frozenset({"boarding", "canteen"}))}
BUDGET = fact("budget-allocated", "2025-01-05", line="心理站", year=2025, amount_fen=1, purpose_bound=True, purpose="心理")
SPONSORED = fact("aid-requested", "2024-08-20", kind="sponsored", programme="p", reason="r", instalments=6)
GRANTED = fact("aid-decided", "2024-08-25", decision="granted", instalments=6, writer="")
CHILD_ID = str(UUID(int=9))
REPORT = {"period": "2024-09", "figures": {}, "positions": {}}
PROJECT = {"title": "t", "need": "n", "goal": "g", "owner": "妇联", "leader": "李主任"}
FILE = "ab" * 32


def visit(on: str, **more: Any) -> Any:
    return fact("home-visit-recorded", on, **more)


def talk(on: str, **more: Any) -> Any:
    return fact("talk-held", on, **more)


def contact(on: str, party: str) -> Any:
    return fact("guardian-contacted", on, party=party)


def activity(on: str, kind: str = "other", **more: Any) -> Any:
    return fact("activity-held", on, kind=kind, **more)


def inspection(on: str, kind: str, **more: Any) -> Any:
    return fact("inspection-done", on, kind=kind, **more)


def equipment(on: str, item: str = "family_phone", **more: Any) -> Any:
    return fact("equipment-state-recorded", on, item=item, **{"working": True, **more})


def report(on: str, kind: str) -> Any:
    return fact("report-submitted", on, kind=kind, **REPORT)


def evaluation(on: str, kind: str, file: str | None = FILE) -> Any:
    return fact("evaluation-filed", on, kind=kind, findings="f", file=file)


def project(on: str, **more: Any) -> Any:
    return fact("project-proposed", on, **{**PROJECT, **more})


APPROVED = fact("project-approved", "2024-07-01")
CASE = fact("case-opened", "2024-11-04", kind="violence", channel="worker", matter="m")
STEP = fact("case-step-recorded", "2024-11-05", step="call", note="n")
HAZARD = fact("hazard-found", "2024-09-03", place="p", kind="fire", severity="severe")
MESSAGE = fact("message-received", "2024-11-04", channel="mailbox", text="t")
ROLE_END = fact("role-ended", "2024-11-04", role="head", at=HOME, reason="moved")
LETTER = {"level": "head_teacher", "between": ["a", "b"], "period": "2024-2025"}
CALL = {"kind": "call", "reached": True}

# rule, subject, today, the state of its newest duty (None: nothing is owed)
SITUATIONS: list[tuple[str, Subject, str, str | None]] = [
    ("O01", child(), "2024-09-20", "due"),
    ("O01", child(), "2024-09-30", "overdue"),
    ("O01", child(fact("situation-surveyed", "2024-09-20")), "2024-09-30", "fulfilled"),
    ("O01", child(fact("situation-surveyed", "2024-11-20")), "2024-11-30", "late"),
    ("O01", child(fact("situation-surveyed", "2024-08-20")), "2024-09-30", "overdue"),
    ("O02", child(), "2024-12-01", "due"),
    ("O02", child(PRIORITY), "2024-12-01", "fulfilled"),
    ("O03", child(), "2024-12-01", "due"),
    ("O03", child(fact("contact-card-confirmed", "2024-10-09", confirmed_with="child")), "2024-12-01", "fulfilled"),
    ("O03", child(fact("contact-card-changed", "2024-10-09", field="home_phone", value="1")), "2024-12-01", "fulfilled"),
    ("O03-change", child(), "2024-12-01", None),
    ("O03-change", child(fact("schooling-changed", "2024-11-01", state="absent")), "2024-11-08", "due"),
    ("O03-change", child(fact("schooling-changed", "2024-11-01", state="absent")), "2024-11-09", "overdue"),
    ("O03-guardian", child(fact("guardian-ended", "2024-11-01", reason="r")), "2024-11-09", "overdue"),
    (
        "O03-guardian",
        child(
            fact("guardian-ended", "2024-11-01", reason="r"),
            fact("guardian-recorded", "2024-11-03", name="n", kinship="father"),
        ),
        "2024-11-09",
        "fulfilled",
    ),
    ("O04", child(), "2024-11-06", "due"),
    ("O04", child(fact("family-contact-made", "2024-11-06", **CALL)), "2024-11-06", "fulfilled"),
    ("O04", child(fact("family-contact-made", "2024-11-06", kind="call", reached=False)), "2024-11-06", "due"),
    ("O04", child(), "2025-01-29", "due"),  # a week of the holidays: all year
    ("O05", child(), "2024-11-06", "due"),
    ("O05", child(fact("family-contact-made", "2024-11-30", kind="letter")), "2024-12-01", "due"),
    ("O05", child(fact("family-contact-made", "2024-12-01", kind="letter")), "2024-12-31", "fulfilled"),
    ("O06", child(contact("2024-11-03", "class_teacher")), "2024-11-06", "due"),
    ("O06", child(contact("2024-11-03", "parent")), "2024-11-06", "fulfilled"),
    ("O07", child(), "2024-11-06", None),
    ("O07", child(MOTHER), "2024-11-06", "due"),
    ("O07", child(MOTHER, talk("2024-11-03", talked_by="周老师")), "2024-11-06", "due"),
    ("O07", child(MOTHER, talk("2024-11-03", talked_by="赵姨")), "2024-11-06", "fulfilled"),
    ("O07", child(MOTHER, talk("2024-11-03", actor="赵姨")), "2024-11-06", "fulfilled"),
    ("O08", child(), "2025-12-01", "due"),
    ("O08", child(fact("parent-returned", "2025-01-25", parents=["father"])), "2025-12-01", "fulfilled"),
    ("O09", child(), "2024-11-06", None),
    ("O09", child(STUDENT), "2024-11-06", "due"),
    ("O09", child(STUDENT), "2025-01-29", "overdue"),  # the last week of term; none in the holidays
    ("O09", child(STUDENT, fact("tutoring-given", "2024-11-05", subject="homework")), "2024-11-06", "fulfilled"),
    ("O10-parent", child(STUDENT, contact("2024-11-05", "guardian")), "2024-11-06", "due"),
    ("O10-parent", child(STUDENT, contact("2024-11-05", "parent")), "2024-11-06", "fulfilled"),
    ("O10-guardian", child(STUDENT, contact("2024-11-05", "guardian")), "2024-11-06", "fulfilled"),
    ("O10-teacher", child(STUDENT, contact("2024-11-05", "class_teacher")), "2024-11-06", "fulfilled"),
    ("O10-teacher", child(), "2024-11-06", None),
    ("O11", child(STUDENT), "2024-11-06", "due"),
    ("O11", child(STUDENT, visit("2024-11-02", unmet_reason="没人")), "2024-11-06", "due"),
    ("O11", child(STUDENT, visit("2024-11-02", by_role="class_teacher")), "2024-11-06", "due"),
    ("O11", child(STUDENT, visit("2024-11-02")), "2024-11-06", "fulfilled"),
    ("O12-plan", child(STUDENT), "2024-09-20", "due"),
    (
        "O12-plan",
        child(
            STUDENT,
            fact("help-plan-written", "2024-09-20", kind="care", term="2024-秋", goals=["g"], pairing=PAIR["college"]),
        ),
        "2024-09-20",
        "fulfilled",
    ),
    ("O12-knows", child(STUDENT), "2024-09-20", "due"),
    ("O12-knows", child(STUDENT), "2024-10-02", "overdue"),
    ("O12-knows", child(MOTHER), "2024-10-02", None),
    ("O13", child(STUDENT), "2024-12-20", None),
    ("O13", child(STUDENT), "2025-01-10", "due"),
    (
        "O13",
        child(STUDENT, fact("help-summary-written", "2025-01-10", term="2024-秋", effect="e")),
        "2025-01-20",
        "fulfilled",
    ),
    ("O15", child(), "2024-11-06", "due"),
    ("O15", child(talk("2024-11-03", talked_by="周老师"), **CT), "2024-11-06", "fulfilled"),
    ("O15", child(talk("2024-11-03", talked_by="赵姨"), **CT), "2024-11-06", "due"),
    ("O15", child(talk("2024-11-03", actor="w-9"), **CT), "2024-11-06", "fulfilled"),
    ("O15", child(talk("2024-11-03", by_role="class_teacher"), **CT), "2024-11-06", "fulfilled"),
    ("O15", child(), "2025-02-03", "overdue"),  # January; February has 12 days of term only
    ("O16-talk", child(TEACHER), "2024-11-06", None),
    ("O16-talk", child(PRIORITY, TEACHER), "2024-11-06", "due"),
    ("O16-talk", child(PRIORITY, TEACHER, talk("2024-11-03", talked_by="钱老师")), "2024-11-06", "fulfilled"),
    ("O16-visit", child(PRIORITY), "2024-11-06", "due"),
    ("O16-visit", child(PRIORITY, visit("2024-11-03", by_role="helping_teacher")), "2024-11-06", "fulfilled"),
    ("O16-plan", child(PRIORITY), "2024-11-06", "due"),
    ("O16-plan", child(PRIORITY, fact("individual-plan-reviewed", "2024-11-05", effect="e")), "2024-11-06", "fulfilled"),
    ("O18", child(), "2024-11-06", None),
    ("O18", child(STUDENT), "2024-11-06", "due"),
    (
        "O18",
        child(STUDENT, fact("pairing-checked", "2024-11-05", pairing=PAIR["caring_mother"], effect="clear")),
        "2024-11-06",
        "due",
    ),
    (
        "O18",
        child(STUDENT, fact("pairing-checked", "2024-11-10", pairing=PAIR["college"], effect="clear")),
        "2024-11-11",
        "fulfilled",
    ),
    ("O19-helper", child(), "2024-09-15", "due"),
    ("O19-helper", child(), "2024-09-16", "overdue"),
    ("O19-helper", child(paired("study_helper", "2024-09-10")), "2024-09-16", None),
    ("O19-adult", child(paired("study_helper")), "2024-09-16", "overdue"),
    ("O19-adult", child(paired("college", "2024-10-10")), "2024-11-16", "late"),
    ("O20", home(), "2024-11-06", "due"),
    ("O20", home(fact("meeting-held", "2024-11-05", kind="joint")), "2024-11-06", "due"),
    ("O20", home(fact("meeting-held", "2024-11-05", kind="discussion")), "2024-11-06", "fulfilled"),
    ("O21", home(), "2024-11-06", "due"),
    ("O21", home(fact("opening-held", "2024-11-04"), fact("opening-held", "2024-11-05")), "2024-11-06", "due"),
    ("O21", home(*(fact("opening-held", f"2024-11-0{n}") for n in (4, 5, 6))), "2024-11-06", "fulfilled"),
    (
        "O21",
        home(*(fact("opening-held", f"2024-11-0{n}", closed_reason="weather") for n in (4, 5, 6))),
        "2024-11-06",
        "due",
    ),
    ("O22", home(), "2024-11-05", "due"),  # a Tuesday
    ("O22", home(activity("2024-11-05", "interest_group")), "2024-11-06", "fulfilled"),
    ("O23", home(), "2024-11-05", "due"),
    ("O23", home(equipment("2024-11-03", working=False)), "2024-11-05", "due"),
    ("O23", home(equipment("2024-11-03")), "2024-11-05", "fulfilled"),
    ("O24-emptied", home(), "2024-11-05", "due"),
    ("O24-emptied", home(equipment("2024-11-04", "mailbox")), "2024-11-05", "fulfilled"),
    ("O24-others", thing(MESSAGE), "2024-11-11", "due"),
    ("O24-others", thing(MESSAGE), "2024-11-12", "overdue"),
    ("O24-others", thing(MESSAGE, fact("message-answered", "2024-11-11", how="talk")), "2024-11-12", "fulfilled"),
    ("O24-urgent", thing(MESSAGE), "2024-11-12", None),
    (
        "O24-urgent",
        thing(fact("message-received", "2024-11-04", channel="mailbox", text="t", urgent=True)),
        "2024-11-06",
        "overdue",
    ),
    ("O25", home(), "2024-09-20", "due"),
    ("O25", home(fact("plan-filed", "2024-09-05", term="2024-秋", goals="g")), "2024-10-20", "fulfilled"),
    ("O26-birthday", home(), "2024-11-05", "due"),
    ("O26-birthday", home(activity("2024-11-03", "birthday")), "2024-11-05", "fulfilled"),
    ("O26-letters", home(activity("2024-11-03", theme="gratitude")), "2024-11-05", "fulfilled"),
    ("O26-gala", home(activity("2024-12-30", "gala")), "2025-01-05", "fulfilled"),
    ("O27", home(), "2024-09-07", "due"),
    ("O27", home(), "2024-09-08", "overdue"),
    ("O27", home(fact("hazard-reported", "2024-09-05", to="t", in_writing=False)), "2024-09-08", "overdue"),
    ("O27", home(fact("hazard-reported", "2024-09-05", to="t")), "2024-09-08", "fulfilled"),
    ("O28-severe", thing(HAZARD), "2024-09-06", "due"),
    ("O28-severe", thing(HAZARD), "2024-09-07", "overdue"),
    ("O28-severe", thing(HAZARD, fact("hazard-remedied", "2024-09-05", how="h")), "2024-09-07", "fulfilled"),
    ("O28", thing(HAZARD), "2024-09-07", None),
    (
        "O28",
        thing(fact("hazard-found", "2024-09-03", place="p", kind="fire", severity="ordinary", due_on="2024-09-20")),
        "2024-09-21",
        "overdue",
    ),
    ("O28", thing(fact("hazard-found", "2024-09-03", place="p", kind="fire", severity="serious")), "2024-10-03", "due"),
    ("O29-safety", home(), "2024-11-05", "due"),
    (
        "O29-safety",
        home(fact("responsibility-letter-signed", "2024-09-10", kind="safety", **LETTER)),
        "2024-11-05",
        "fulfilled",
    ),
    (
        "O29-walking_group",
        home(fact("responsibility-letter-signed", "2024-09-10", kind="safety", **LETTER)),
        "2024-11-05",
        "due",
    ),
    (
        "O29-hygiene",
        home(fact("responsibility-letter-signed", "2024-09-10", kind="hygiene", **LETTER)),
        "2024-11-05",
        "fulfilled",
    ),
    ("O30", thing(fact("ride-registered", "2024-09-02", plate="p", driver="d", seats=9)), "2024-11-05", "due"),
    (
        "O30",
        thing(
            fact("ride-registered", "2024-09-02", plate="p", driver="d", seats=9),
            fact("ride-checked", "2024-11-05", riders=12, overloaded=True),
        ),
        "2024-11-05",
        "due",
    ),
    (
        "O30",
        thing(
            fact("ride-registered", "2024-09-02", plate="p", driver="d", seats=9),
            fact("ride-checked", "2024-11-05", riders=8),
        ),
        "2024-11-05",
        "fulfilled",
    ),
    ("O31", home(), "2024-11-05", None),
    ("O31", home(**BOARDING), "2024-11-05", "due"),
    ("O31", home(inspection("2024-11-05", "dormitory"), **BOARDING), "2024-11-05", "fulfilled"),
    ("O32", home(inspection("2024-11-05", "canteen"), **BOARDING), "2024-11-05", "due"),
    ("O32", home(*(inspection("2024-11-05", "canteen", note=n) for n in "abc"), **BOARDING), "2024-11-05", "fulfilled"),
    ("O33-hygiene", home(), "2024-11-08", "due"),  # a Friday
    ("O33-hygiene", home(inspection("2024-11-08", "hygiene")), "2024-11-09", "fulfilled"),
    ("O33-safety", home(), "2024-09-02", "overdue"),  # term began on a Sunday: its first school week is over
    ("O33-safety", home(activity("2025-02-19", theme="safety")), "2025-02-20", "fulfilled"),
    ("O33-mind", home(activity("2025-02-19", theme="safety")), "2025-02-20", "due"),
    ("O35", home(), "2024-11-27", "overdue"),  # October's
    ("O35", home(), "2024-11-28", "due"),
    ("O35", home(report("2024-11-20", "month")), "2024-11-30", "due"),
    ("O35", home(report("2024-11-29", "month")), "2024-11-30", "fulfilled"),
    ("O36-term", home(), "2025-01-10", "due"),
    ("O36-term", home(report("2025-01-12", "term")), "2025-01-20", "fulfilled"),
    ("O36-year", home(report("2025-12-20", "year")), "2025-12-31", "fulfilled"),
    ("O36-year", home(), "2025-12-31", "due"),
    ("O37", thing(report("2024-11-29", "month")), "2024-12-06", "due"),
    ("O37", thing(report("2024-11-29", "month")), "2024-12-07", "overdue"),
    (
        "O37",
        thing(report("2024-11-29", "month"), fact("report-accepted", "2024-12-01", writer="")),
        "2024-12-07",
        "fulfilled",
    ),
    ("O38", home(), "2025-06-01", "due"),
    ("O38", home(inspection("2025-05-01", "supervision", home=HOME, writer="")), "2025-06-01", "due"),
    (
        "O38",
        home(inspection("2025-05-01", "supervision", home=HOME, feedback="f", writer="")),
        "2025-06-01",
        "fulfilled",
    ),
    ("O40-needs", thing(project("2024-06-01"), APPROVED), "2024-07-02", "overdue"),
    (
        "O40-needs",
        thing(project("2024-06-01"), evaluation("2024-06-20", "needs"), APPROVED),
        "2024-07-02",
        "fulfilled",
    ),
    (
        "O40-needs",
        thing(project("2024-06-01"), evaluation("2024-06-20", "needs", None), APPROVED),
        "2024-07-02",
        "overdue",
    ),
    ("O40-half", thing(project("2024-06-01"), APPROVED), "2024-12-20", "due"),
    (
        "O40-half",
        thing(project("2024-06-01"), APPROVED, evaluation("2024-12-10", "half_year")),
        "2024-12-20",
        "fulfilled",
    ),
    ("O40-half", thing(project("2024-06-01")), "2024-12-20", None),
    ("O40-year", thing(project("2024-06-01"), APPROVED), "2025-12-20", "due"),
    ("O40-year", thing(project("2024-06-01"), APPROVED, evaluation("2025-12-10", "yearly")), "2025-12-20", "fulfilled"),
    ("O40-final", thing(project("2024-06-01"), APPROVED), "2025-12-20", None),
    (
        "O40-final",
        thing(project("2024-06-01"), fact("project-closed", "2025-06-01", follow_up="stop")),
        "2025-06-02",
        "overdue",
    ),
    ("O41", thing(project("2024-06-01")), "2024-06-02", "fulfilled"),
    ("O41", thing(project("2024-06-01", leader="")), "2024-06-02", "overdue"),
    ("O42-paid", thing(SPONSORED), "2024-11-05", None),
    ("O42-paid", thing(SPONSORED, GRANTED), "2024-11-05", "due"),
    (
        "O42-paid",
        thing(SPONSORED, GRANTED, fact("aid-paid", "2024-11-01", child=CHILD_ID, amount_fen=120000)),
        "2024-11-05",
        "fulfilled",
    ),
    ("O42-receipt", thing(SPONSORED, GRANTED), "2025-01-20", "overdue"),
    (
        "O42-receipt",
        thing(SPONSORED, GRANTED, fact("aid-received", "2024-11-01", instalment=1, by="奶奶")),
        "2025-01-20",
        "fulfilled",
    ),
    ("O43", thing(BUDGET), "2025-03-01", None),
    (
        "O43",
        thing(BUDGET, fact("expense-recorded", "2025-02-01", amount_fen=1, voucher="v", purpose="招待")),
        "2025-03-01",
        "overdue",
    ),
    (
        "O43",
        thing(BUDGET, fact("expense-recorded", "2025-02-01", amount_fen=1, voucher="v", purpose="心理")),
        "2025-03-01",
        "fulfilled",
    ),
    ("O44-step", thing(CASE), "2024-11-05", "due"),
    ("O44-step", thing(CASE), "2024-11-06", "overdue"),
    ("O44-step", thing(CASE, STEP), "2024-11-06", "fulfilled"),
    ("O44-closed", thing(CASE, STEP), "2025-01-03", "due"),
    ("O44-closed", thing(CASE, STEP), "2025-01-04", "overdue"),
    (
        "O44-closed",
        thing(CASE, fact("case-step-recorded", "2025-01-02", step="extension", note="n")),
        "2025-01-04",
        "fulfilled",
    ),
    ("O45", thing(CASE), "2024-11-06", "overdue"),
    ("O45", thing(CASE, fact("case-referred", "2024-11-04", to="police")), "2024-11-06", "fulfilled"),
    ("O45", thing(fact("case-opened", "2024-11-04", kind="rights", channel="letter", matter="m")), "2024-11-06", None),
    ("O46", child(), "2024-09-01", "due"),
    ("O46", child(), "2024-09-02", "overdue"),
    ("O46", child(fact("consent-recorded", "2024-08-30", scope=["file"])), "2024-09-02", "fulfilled"),
    (
        "O46",
        child(
            fact("consent-recorded", "2024-08-30", scope=["file"]),
            fact("consent-recorded", "2024-10-30", scope=["file"], withdrawn=True),
        ),
        "2024-11-02",
        "overdue",
    ),
    ("O50", thing(ROLE_END), "2024-11-05", "overdue"),
    ("O50", thing(ROLE_END, fact("handover-completed", "2024-11-01", to="t")), "2024-11-05", "fulfilled"),
    ("O51", thing(activity("2024-11-01")), "2024-11-15", "due"),
    ("O51", thing(activity("2024-11-01")), "2024-11-16", "overdue"),
    (
        "O51",
        thing(activity("2024-11-01"), fact("activity-evaluated", "2024-11-10", reached="r", effect="clear")),
        "2024-11-16",
        "fulfilled",
    ),
]


def county(*facts: Any) -> Subject:
    """The county itself, with what its own meetings and exports were."""
    found: dict[str, list[Deed]] = {}
    for number, (name, payload) in enumerate(facts, 1):
        one = record(number, (name, payload), "")
        event: Any = one.event
        deeds.add_deed(found, name, Deed(event.on.toordinal(), one.id, event, "县妇联", ""))
    return Subject("county", b"", (deeds.Span("", day("2024-01-01"), FOR_EVER),), found)


SITUATIONS += [
    ("O39", county(), "2024-11-05", "due"),
    (
        "O39",
        county(fact("export-made", "2024-11-04", receiver="county_platform", scope="s", counts={})),
        "2024-11-05",
        "fulfilled",
    ),
    ("O47", county(), "2024-11-05", "due"),
    ("O47", county(fact("meeting-held", "2024-08-04", kind="joint")), "2024-11-05", "fulfilled"),
]


@pytest.mark.parametrize(
    ("rule_id", "subject", "today", "expected"),
    SITUATIONS,
    ids=[f"{one[0]}-{number}" for number, one in enumerate(SITUATIONS)],
)
def test_a_rule_in_a_situation(rule_id, subject, today, expected):
    """Of each rule of the table the newest duty is what its plan says: owed, not owed, done, done late."""
    found = duties(subject, today, rule_id)
    assert (found[-1].status if found else None) == expected
