"""What one fact adds to a home's figures: the kind it counts as, its date and its measures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from operator import add, sub
from typing import Any, NamedTuple

from domain import events as e


class Measure(NamedTuple):
    """One fact as the reports count it."""

    kind: str
    on: dt.date
    minutes: int = 0
    reached: int = 0
    children: int = 0
    fen: int = 0


class Sum(NamedTuple):
    """Facts of one kind added up."""

    facts: int
    minutes: int
    reached: int
    children: int
    fen: int

    def plus(self, other: Sum) -> Sum:
        """With other facts too."""
        return Sum._make(map(add, self, other))

    def minus(self, other: Sum) -> Sum:
        """Without other facts that are in it."""
        return Sum._make(map(sub, self, other))


def sum_of(one: Measure) -> Sum:
    """One fact alone."""
    return Sum(1, one.minutes, one.reached, one.children, one.fen)


NOTHING = Sum(0, 0, 0, 0, 0)

KINDS: dict[str, tuple[str, str]] = {
    "registration": ("登记建档", "children registered"),
    "arrival": ("转入", "children taken in"),
    "departure": ("转出", "transfers requested"),
    "leaving": ("结案", "children deregistered"),
    "card_change": ("联系卡变更", "changes to contact cards"),
    "card_confirmed": ("联系卡核对", "contact cards confirmed"),
    "assessment": ("分类认定", "category assessments"),
    "pairing": ("结对", "pairings formed"),
    "call": ("亲情电话", "calls"),
    "video": ("视频通话", "video calls"),
    "letter": ("亲情书信", "letters"),
    "family_visit": ("亲人探望", "family visits to the home"),
    "parent_return": ("父母返乡", "parents' returns"),
    "teacher_contact": ("联系班主任", "contacts with class teachers"),
    "family_contact": ("联系家长", "contacts with parents and guardians"),
    "talk": ("谈心", "talks"),
    "visit": ("家访", "home visits"),
    "diary": ("成长日记", "diary entries"),
    "plan": ("帮护计划", "help plans"),
    "summary": ("帮扶总结", "help summaries"),
    "loan_out": ("借书", "books lent"),
    "loan_back": ("还书", "books returned"),
    "opening": ("开放", "openings"),
    "evening_study": ("晚自习", "evening studies"),
    "interest_group": ("兴趣小组", "interest group meetings"),
    "birthday": ("生日聚会", "birthday parties"),
    "gala": ("联欢会", "galas"),
    "activity": ("其他活动", "other activities"),
    "dormitory_check": ("寝室检查", "dormitory checks"),
    "inspection": ("安全及其他检查", "inspections"),
    "aid": ("资助发放", "aid payments"),
    "survey": ("摸底调查", "surveys"),
    "tutoring": ("学业辅导", "tutoring"),
    "pairing_check": ("结对检查", "pairings checked"),
    "progress": ("进步记录", "progress recorded"),
    "illness": ("患病照料", "illnesses cared for"),
    "meeting": ("会议", "meetings"),
    "training": ("培训", "trainings"),
    "hazard": ("发现隐患", "hazards found"),
    "hazard_remedied": ("隐患整改", "hazards remedied"),
}
"""Every kind of figure with its Chinese and English label, in the order in which reports show them."""

_CONTACTS = {"call": "call", "letter": "letter", "video": "video", "visit": "family_visit"}
_ACTIVITIES = {"interest_group": "interest_group", "birthday": "birthday", "gala": "gala"}


def _contact(one: e.FamilyContactMade) -> Measure:
    return Measure(_CONTACTS.get(one.kind, "call"), one.on, one.minutes or 0, int(one.reached))


def _guardian(one: e.GuardianContacted) -> Measure:
    return Measure("teacher_contact" if one.party == "class_teacher" else "family_contact", one.on)


def _opening(one: e.OpeningHeld) -> Measure:
    kind = "evening_study" if one.kind == "evening_study" else "opening"
    return Measure(kind, one.on, one.minutes or 0, 0, len(one.present) + len(one.present_numbers))


def _activity(one: e.ActivityHeld) -> Measure:
    children = len(one.present) + len(one.present_numbers)
    return Measure(_ACTIVITIES.get(one.kind, "activity"), one.on, one.minutes or 0, 0, children)


def _inspection(one: e.InspectionDone) -> Measure:
    return Measure("dormitory_check" if one.kind == "dormitory" else "inspection", one.on)


def _arrival(one: e.ChildTransferAccepted) -> Measure | None:
    return Measure("arrival", one.on) if one.accepted else None


def _dated(kind: str, day: str) -> Callable[[Any], Measure | None]:
    """A fact that counts as one of its kind on the day that a field names, if it names one."""

    def measure(one: Any) -> Measure | None:
        on = getattr(one, day)
        return None if on is None else Measure(kind, on)

    return measure


MEASURES: dict[type[e.Event], Callable[[Any], Measure | None]] = {
    e.ChildRegistered: _dated("registration", "registered_on"),
    e.ChildTransferAccepted: _arrival,
    e.ChildTransferRequested: _dated("departure", "on"),
    e.ChildDeregistered: _dated("leaving", "on"),
    e.ContactCardChanged: _dated("card_change", "on"),
    e.GuardianRecorded: _dated("card_change", "from_on"),
    e.ParentWorkplaceRecorded: _dated("card_change", "on"),
    e.ContactCardConfirmed: _dated("card_confirmed", "confirmed_on"),
    e.ChildCategoryAssessed: _dated("assessment", "assessed_on"),
    e.PairingFormed: _dated("pairing", "from_on"),
    e.FamilyContactMade: _contact,
    e.ParentReturned: _dated("parent_return", "from_on"),
    e.GuardianContacted: _guardian,
    e.TalkHeld: lambda one: Measure("talk", one.on, one.minutes or 0),
    e.HomeVisitRecorded: _dated("visit", "visited_on"),
    e.DiaryEntryWritten: _dated("diary", "on"),
    e.HelpPlanWritten: _dated("plan", "on"),
    e.HelpSummaryWritten: _dated("summary", "on"),
    e.LoanStarted: _dated("loan_out", "out_on"),
    e.LoanClosed: _dated("loan_back", "on"),
    e.OpeningHeld: _opening,
    e.ActivityHeld: _activity,
    e.InspectionDone: _inspection,
    e.SituationSurveyed: _dated("survey", "surveyed_on"),
    e.TutoringGiven: lambda one: Measure("tutoring", one.on, one.minutes or 0),
    e.PairingChecked: _dated("pairing_check", "on"),
    e.ProgressRecorded: _dated("progress", "on"),
    e.IllnessRecorded: lambda one: Measure("illness", one.onset.date()),
    e.MeetingHeld: _dated("meeting", "on"),
    e.TrainingHeld: _dated("training", "on"),
    e.HazardFound: _dated("hazard", "found_on"),
    e.HazardRemedied: _dated("hazard_remedied", "on"),
    e.AidPaid: lambda one: Measure("aid", one.on, 0, 0, 1, one.amount_fen),
}


def measure_of(event: e.Event) -> Measure | None:
    """What an event adds to the figures; None where it counts as nothing."""
    count = MEASURES.get(type(event))
    return count(event) if count else None
