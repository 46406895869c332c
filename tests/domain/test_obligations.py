"""Duties: every rule of the table in situations, and what holds of all of them."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import deeds, duty_words, schema
from domain.calendar import LENGTHS, Calendar, Term
from domain.compliance import r04
from domain.deeds import Around, Deed, Post, Posts, Subject
from domain.default_rules import DEFAULT_RULES, PARENTS_FIVE_ONES, VOLUNTEERS_FIVE_ONES
from domain.folding import fold
from domain.obligations import OPEN, due
from domain.rules import FOR_EVER, LONG_AGO, RuleBook, Setting
from tests.domain.duty_samples import (
    CALENDAR,
    HOME,
    REGISTERED,
    SHIPPED,
    SUBJECT,
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
CT = {"around": Around(posts=Posts((Post("周老师", "w-9", "class_teacher", 1, FOR_EVER),)))}
BOARDING = {"around": Around(traits=frozenset({"boarding", "canteen"}))}
BUDGET = fact(
    "budget-allocated", "2025-01-05", line="心理站", year=2025, amount_fen=1, purpose_bound=True, purpose="心理"
)
PHONE = {"field": "home_phone", "value": "1"}
REVIEWED = fact("individual-plan-reviewed", "2024-11-05", effect="e")
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
    (
        "O03",
        child(fact("contact-card-changed", "2024-10-09", **PHONE)),
        "2024-12-01",
        "fulfilled",
    ),
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
    (
        "O16-plan",
        child(PRIORITY, REVIEWED),
        "2024-11-06",
        "fulfilled",
    ),
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
    ("O24-emptied", home(fact("mailbox-emptied", "2024-11-04", notes=0)), "2024-11-05", "fulfilled"),
    ("O24-emptied", home(fact("mailbox-emptied", "2024-11-03")), "2024-11-05", "due"),
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
    ("O39", county(fact("platform-updated", "2024-11-04")), "2024-11-05", "fulfilled"),
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


def test_exchange_is_owed_after_thirty_days():
    """O48: a home that has not exchanged for thirty days is told so, by net or stick alike."""
    subject = home()
    assert duties(subject, "2024-09-10", "O48")[-1].status == "due"
    assert duties(subject, "2024-10-10", "O48")[-1].status == "overdue"
    for on in ("2024-09-15", "2024-10-10"):
        deeds.add_deed(subject.deeds, "exchange", Deed(day(on), on.encode(), None, "", HOME))
    assert duties(subject, "2024-10-20", "O48") == []
    assert duties(subject, "2024-11-01", "O48")[-1].status == "due"


def test_every_rule_of_the_table_has_a_situation():
    """No number of the table is without a test, none is lost, and each part says which plan it comes from."""
    table = {*range(1, 14), *range(15, 17), *range(18, 34), *range(35, 49), 50, 51}
    numbers = {f"O{number:02}" for number in table}
    assert {rule.number for rule in DEFAULT_RULES} == numbers - {"O17", "O34", "O49", "O14"}
    tried = {one[0] for one in SITUATIONS} | {"O48"}
    assert {rule.rule_id for rule in DEFAULT_RULES} == tried
    assert all("方案" in rule.from_source or rule.number == "O46" for rule in DEFAULT_RULES)


def test_what_rules_ask_can_be_read():
    """Every event and field that a rule names exists under that name."""
    for rule in DEFAULT_RULES:
        for wanted in (*rule.fulfilled_by, *([rule.trigger] if rule.trigger else [])):
            if wanted.event == "exchange":  # the one thing that is no event: receipts tell it
                continue
            cls = schema.REGISTRY[f"{wanted.event}/1"]
            assert wanted.where.keys() <= {*cls.__dataclass_fields__}, (rule.rule_id, wanted)
            for name, values in wanted.where.items():
                codec = schema.field_codec(cls, name)
                plain = [one.removeprefix("!") if isinstance(one, str) else one for one in values]
                assert all(codec.from_json(one) == one for one in plain if one not in (None, "*"))


def test_the_two_five_ones_stay_apart():
    """Parents' five ones and volunteers' five ones are five rules each, and share none."""
    parents = {one.number for one in DEFAULT_RULES if one.group == PARENTS_FIVE_ONES}
    volunteers = {one.number for one in DEFAULT_RULES if one.group == VOLUNTEERS_FIVE_ONES}
    assert parents == {"O04", "O05", "O06", "O07", "O08"}
    assert volunteers == {"O09", "O10", "O11", "O12", "O13"}
    assert {one.duty_holder for one in DEFAULT_RULES if one.group == VOLUNTEERS_FIVE_ONES} == {"volunteer"}


# -- what holds of all of them

FACTS = st.lists(
    st.one_of(
        *(
            st.builds(make, st.dates(dt.date(2024, 8, 25), dt.date(2025, 3, 20)).map(dt.date.isoformat))
            for make in (
                lambda on: fact("situation-surveyed", on),
                lambda on: fact("family-contact-made", on, kind="call"),
                lambda on: fact("family-contact-made", on, kind="letter"),
                lambda on: talk(on, talked_by="赵姨"),
                lambda on: talk(on, by_role="class_teacher"),
                lambda on: contact(on, "guardian"),
                lambda on: contact(on, "parent"),
                lambda on: fact("tutoring-given", on, subject="homework"),
                visit,
                lambda on: paired("college", on),
                lambda on: paired("caring_mother", on),
                lambda on: fact("pairing-ended", on, pairing=PAIR["college"]),
                lambda on: fact("pairing-checked", on, pairing=PAIR["college"], effect="some"),
                lambda on: fact("help-plan-written", on, kind="care", term="t", goals=["g"]),
                lambda on: fact("consent-recorded", on, scope=["file"]),
                lambda on: fact("child-category-assessed", on, categories=["priority"]),
                lambda on: fact("schooling-changed", on, state="back"),
            )
        )
    ),
    max_size=14,
)
DAYS = st.dates(dt.date(2024, 9, 1), dt.date(2025, 4, 30)).map(dt.date.isoformat)


def told(found: Any) -> list[Any]:
    return [(*one[3:], one.rule_id, one.home) for one in found]


@settings(max_examples=60, deadline=None)
@given(FACTS, DAYS, st.integers(0, 9))
def test_the_order_of_facts_never_matters(facts, today, seed):
    """However entries arrive, the same duties are owed, done by the same facts."""
    entries = records([REGISTERED, *facts])
    one = deeds.child(fold("", SUBJECT.bytes, entries))
    other = deeds.child(fold("", SUBJECT.bytes, shuffled(entries, seed)))
    assert told(duties(one, today)) == told(duties(other, today))
    assert duties(one, today)


@settings(max_examples=60, deadline=None)
@given(
    FACTS, DAYS, st.sampled_from(["O04", "O10", "O15", "O09", "O01", "O19"]), st.sampled_from(["2024-11", "2024-秋"])
)
def test_a_waived_period_is_never_due(facts, today, rule, period):
    """What was waived is not open any more; all else is as it was."""
    waived = fact("obligation-waived", "2024-11-01", rule=rule, period=period, reason="大雪封路")
    span = CALENDAR.named(period)
    before, after = duties(child(*facts), today), duties(child(*facts, waived), today)
    assert len(before) == len(after)
    for one, two in zip(before, after, strict=True):
        is_meant = rule in (one.rule_id, one.version.rule.number) and span.first <= one.first <= span.last
        assert two.status == ("waived" if is_meant and one.status in OPEN else one.status)


TIGHTER = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "count": st.integers(1, 4),
        "grace_days": st.integers(0, 9),
        "within_days": st.integers(0, 40),
    },
)
YEAR = Calendar([Term("2024-25", day("2024-07-01"), day("2025-07-31"))])


@settings(max_examples=120, deadline=None)
@given(FACTS, DAYS, TIGHTER)
def test_what_a_home_sets_never_makes_fewer_dues(facts, today, change):
    """Whatever a home says of any rule, no rule has fewer overdue duties: it tightens, or has no effect."""
    require_no_fewer(child(*facts), today, change)


@settings(max_examples=120, deadline=None)
@given(DAYS, st.sampled_from([*LENGTHS]), TIGHTER)
def test_what_a_home_asks_oftener_never_makes_fewer_dues(today, period, change):
    """The same of shorter periods, for a child that was there all the time.

    Who comes in the midst of a period owes it where half of it is left; of a shorter one less may be left.
    """
    require_no_fewer(child(), today, {**change, "period": period})


def require_no_fewer(subject: Subject, today: str, change: dict[str, Any]) -> None:
    before = overdue_by_rule(subject, today, {}, YEAR)
    after = overdue_by_rule(subject, today, change, YEAR)
    assert {rule: count for rule, count in before.items() if after.get(rule, 0) < count} == {}


def overdue_by_rule(subject: Subject, today: str, change: dict[str, Any], calendar: Calendar) -> dict[str, int]:
    own = [Setting(rule.rule_id, HOME, LONG_AGO, change) for rule in DEFAULT_RULES]
    book = RuleBook(DEFAULT_RULES, [], own)
    subject.memo.clear()
    counts: dict[str, int] = {}
    for one in due(subject, lambda _home: book, calendar, dt.date.fromisoformat(today)):
        counts[one.rule_id] = counts.get(one.rule_id, 0) + (one.status == "overdue")
    return counts


# -- time


def test_a_visit_of_february_that_is_written_in_june_counts_for_february():
    """M8: the day of the visit decides, neither the computer's clock of 2008 nor the day of arrival."""
    late = record(900, visit("2025-03-10"))._replace(recorded_at_ms=1_200_000_000_000)
    state = fold("", SUBJECT.bytes, [*records([REGISTERED, STUDENT]), late])
    before = {one.period: one.status for one in duties(child(STUDENT), "2025-06-15", "O11")}
    after = {one.period: one.status for one in duties(deeds.child(state), "2025-06-15", "O11")}
    assert before["2025-03"] == "overdue"
    assert after == before | {"2025-03": "fulfilled"}


def test_a_changed_rule_leaves_the_periods_that_began_before():
    """M11: each period keeps the rule of its first day, and says which one that was."""
    book = RuleBook(DEFAULT_RULES, [Setting("O15", "", day("2024-11-10"), {"period": "week"})])
    found = duties(child(), "2024-12-01", "O15", book)
    assert [one.period for one in found] == ["2024-09", "2024-10", "2024-11", "2024-W46", "2024-W47", "2024-W48"]
    assert [one.version.rule.period for one in found] == ["month"] * 3 + ["week"] * 3
    assert book.in_force("O15", day("2024-11-10")).by == ("",)


def test_what_was_done_in_the_days_of_grace_makes_up_once():
    """A talk in the days of grace counts for the month before, if that one lacks it, and then not for its own."""
    book = RuleBook(DEFAULT_RULES, [Setting("O15", "", LONG_AGO, {"grace_days": 5})])
    found = {one.period: one.status for one in duties(child(talk("2024-12-03")), "2025-01-10", "O15", book)}
    assert (found["2024-11"], found["2024-12"]) == ("fulfilled", "overdue")
    twice = {
        one.period: one.status
        for one in duties(child(talk("2024-11-20"), talk("2024-12-03")), "2025-01-10", "O15", book)
    }
    assert (twice["2024-11"], twice["2024-12"]) == ("fulfilled", "fulfilled")


def test_half_of_a_period_decides_whose_it_is():
    """Of a month in which a child moved, the home that had it for most of the days owes the talk, and no other."""
    moved = (
        fact("child-transfer-requested", "2024-11-10", to_home="home-02"),
        fact("child-transfer-accepted", "2024-11-12", writer="home-02"),
    )
    found = {(one.period, one.home) for one in duties(child(*moved), "2024-12-20", "O15")}
    assert found == {("2024-09", HOME), ("2024-10", HOME), ("2024-11", "home-02"), ("2024-12", "home-02")}


def test_late_talks_of_the_former_home_count_for_it():
    """M3: what the former home did in its own months is found when its entries arrive after the child has moved."""
    moved = (
        fact("child-transfer-requested", "2024-12-01", to_home="home-02"),
        fact("child-transfer-accepted", "2024-12-01", writer="home-02"),
    )
    found = {
        one.period: (one.home, one.status) for one in duties(child(*moved, talk("2024-11-07")), "2024-12-20", "O15")
    }
    assert found["2024-11"] == (HOME, "fulfilled")
    assert found["2024-12"] == ("home-02", "due")


@pytest.mark.parametrize("on", ["0001-01-01", "0204-09-01", "9999-12-31"])
@pytest.mark.parametrize("today", ["0001-01-01", "2024-11-06", "9999-12-31"])
def test_a_year_typed_wrong_stops_nothing(on, today):
    """Whatever day an entry or a clock says, every rule can be worked out, and no list is a thousand years long."""
    facts = [paired("college", on), visit(on), fact("schooling-changed", on, state="back")]
    odd = deeds.child(state_of([fact("child-registered", on, name="x", sex="male"), *facts]))
    found = duties(odd, today)
    assert len(found) < 400_000
    assert all(one.due_on for one in found[:1000])


def test_compliance_counts_what_was_owed_and_done():
    """R04: of four months three are over, one was talked, one waived; the month under way is open."""
    waived = fact("obligation-waived", "2024-11-01", rule="O15", period="2024-10", reason="大雪封路")
    found = duties(child(talk("2024-09-05"), waived), "2024-12-20", book=SHIPPED)
    report = r04(found, day("2024-09-01"), day("2024-12-31"))
    assert report["by_rule"]["O15"] == {
        "owed": 2, "done": 1, "late": 0, "waived": 1, "open": 1, "needed": 2, "made": 1, "percent": "50.0"}  # fmt: skip
    assert [one["reason"] for one in report["waivers"]] == ["大雪封路"]
    assert {key: value for key, value in report["by_home"][HOME].items() if key != "percent"} == {
        key: sum(one[key] for one in report["by_rule"].values())
        for key in ("owed", "done", "late", "waived", "open", "needed", "made")
    }
    assert set(report["by_group"]) == {PARENTS_FIVE_ONES}


def test_two_of_three_openings_are_not_enough():
    """N25: a week with two of three openings is not done, and says two of three."""
    subject = home(fact("opening-held", "2024-11-04"), fact("opening-held", "2024-11-05"))
    found = {one.period: one for one in duties(subject, "2024-11-12", "O21")}
    assert (found["2024-W45"].status, found["2024-W45"].done, found["2024-W45"].needed) == ("overdue", 2, 3)


def test_an_activity_is_evaluated_before_the_next_of_its_kind():
    """O51: where the next one is held sooner than in fourteen days, that day is the last."""
    states = [state_of([activity(on, "gala")], UUID(int=n)) for n, on in enumerate(("2024-11-01", "2024-11-06"), 1)]
    subject = deeds.thing(states[0])
    subject.next_of_kind = deeds.next_of_kind(states)
    assert duties(subject, "2024-11-07", "O51")[0].due_on == dt.date(2024, 11, 6)


def test_a_person_reads_the_newest_and_how_many_were_missed():
    """Of a recurring duty one line stands for all that were missed in a row, most urgent first, none that is done."""
    lines = duty_words.told(duties(child(talk("2024-09-05")), "2024-12-20", book=SHIPPED))
    talks = next(one for one in lines if one.duty.rule_id == "O15")
    assert (talks.missed, talks.duty.period, talks.since) == (2, "2024-12", day("2024-10-01"))
    assert [one.first_due for one in lines] == sorted(one.first_due for one in lines)
    words = duty_words.sentence(talks, "王小明", dt.date(2024, 12, 20))
    assert words.startswith("王小明：班主任谈心，12月31日前完成，还有11天，由班主任负责，前面已连续2次没有做")
    done = duty_words.told(duties(child(talk("2024-12-05")), "2024-12-20", "O15", SHIPPED))
    assert done == []
