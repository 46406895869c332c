"""Duties as a village worker would say them, Chinese first, with the English in brackets.

The order is the order of need: what is overdue for longest first, then what is due soonest; of equal days the child in
greater need comes first. Of a duty that recurs only the last period that is still open is said, with how many before it
were missed in a row: nobody can make a call of last March.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Final, NamedTuple

from domain.calendar import LENGTHS
from domain.deeds import Subject
from domain.default_rules import GROUPS
from domain.fulfilling import ROLE_PAIRINGS, people
from domain.obligations import AHEAD, OVERDUE, Duty
from domain.rules import AFTER, EVERY, Rule

ROLES: Final = {
    "child_director": ("儿童主任", "child director"),
    "archivist": ("档案员", "archivist"),
    "parent": ("父母", "parents"),
    "caring_mother": ("爱心妈妈", "caring mother"),
    "volunteer": ("志愿者", "volunteer"),
    "class_teacher": ("班主任", "class teacher"),
    "helping_teacher": ("帮扶教师", "helping teacher"),
    "head": ("负责人", "head of the home"),
    "counsellor": ("心理咨询师", "counsellor"),
    "finder": ("发现人", "finder"),
    "duty": ("值班人员", "duty staff"),
    "township": ("儿童督导员", "township supervisor"),
    "county": ("县级工作人员", "county officer"),
    "project": ("项目办公室", "project office"),
    "finance": ("财务", "finance"),
    "case_team": ("个案小组", "case team"),
    "any_worker": ("首接人员", "whoever hears of it"),
    "organiser": ("组织者", "organiser"),
}
PERIODS: Final = {
    "day": ("每天", "daily"), "week": ("每周", "weekly"), "two_weeks": ("每两周", "every two weeks"),
    "month": ("每月", "monthly"), "half_term": ("每半学期", "each half term"), "term": ("每学期", "each term"),
    "half_year": ("每半年", "half-yearly"), "school_year": ("每学年", "each school year"), "year": ("每年", "yearly"),
}  # fmt: skip
assert PERIODS.keys() == LENGTHS.keys()


PARENTS: Final = "parents"  # of a subject, in its memo


class Told(NamedTuple):
    """An open duty with how many periods in a row before it were missed, and who owes it."""

    duty: Duty
    missed: int
    since: int
    first_due: int
    who: tuple[str, ...]


def holders(subject: Subject, duty: Duty) -> tuple[str, ...]:
    """The people who owe a duty, as far as pairings and posts tell."""
    rule = duty.version.rule
    if rule.duty_holder in ("finder", "organiser"):
        by = [one for deeds in subject.deeds.values() for one in deeds if one.id == duty.item]
        return tuple(dict.fromkeys(_person(subject, getattr(one.event, "leader", None) or one.actor) for one in by))
    if rule.duty_holder == "parent":
        parents: tuple[str, ...] | None = subject.memo.get(PARENTS)
        if parents is None:
            names = (subject.value("father_name"), subject.value("mother_name"))
            parents = subject.memo[PARENTS] = tuple(str(one) for one in names if one)
        return parents
    volunteers: Any = rule.applies_to.get("pairing", ())
    kinds = volunteers if rule.duty_holder == "volunteer" else ROLE_PAIRINGS.get(rule.duty_holder, ())
    found = people(subject, rule.duty_holder, kinds, duty.first, max(duty.last, duty.due))
    return tuple(name for name, _ in found)


def _person(subject: Subject, code: str) -> str:
    return next((one.name for one in subject.posts if one.code == code), code)


def told(duties: Iterable[Duty]) -> list[Told]:
    """The open duties in order of need, each that recurs once."""
    found: list[Told] = []
    for same in _of_one_thing(duties):
        if same[0].version.rule.mode != EVERY:
            found += [Told(one, 0, one.opens, one.due, holders(one.subject, one)) for one in same if one.is_open]
            continue
        same.sort(key=_WHEN)
        run: list[Duty] = []
        for duty in same:
            if not duty.is_open:
                run.clear()
            elif not (duty.status == AHEAD and run and run[-1].status != AHEAD):
                run.append(duty)  # what is open now is said, not what follows it
        if run:
            last = run[-1]
            found.append(Told(last, len(run) - 1, run[0].opens, run[0].due, holders(last.subject, last)))
    return sorted(found, key=_need)


_WHEN: Final = attrgetter("opens", "due")


def _of_one_thing(duties: Iterable[Duty]) -> Iterable[list[Duty]]:
    """The duties of each rule, subject and home, and of each thing where the rule is about each.

    They come one thing after the other, so only where another begins it is looked up.
    """
    found: dict[tuple[str, bytes, str, bytes], list[Duty]] = {}
    before: Duty | None = None
    for duty in duties:
        if before is None or not (
            duty.version is before.version
            and duty.subject is before.subject
            and duty.item == before.item
            and duty.home == before.home
        ):
            rule = duty.version.rule
            item = duty.item if rule.mode == AFTER or "each_pairing" in rule.applies_to else b""
            same = found.setdefault((rule.rule_id, duty.subject.id, duty.home, item), [])
        same.append(duty)
        before = duty
    return found.values()


def _need(one: Told) -> tuple[int, bool, str, bytes, str]:
    priority = any("priority" in categories for _, categories in one.duty.subject.categories[-1:])
    return (one.first_due, not priority, one.duty.rule_id, one.duty.subject.id, one.duty.period)


def sentence(one: Told, name: str, today: dt.date) -> str:
    """One line for a person: whom it is about, what is to be done, by when and by whom."""
    rule, duty = one.duty.version.rule, one.duty
    zh_role, en_role = ROLES.get(rule.duty_holder, (rule.duty_holder, rule.duty_holder))
    zh_who, en_who = (
        (f"{zh_role}{'、'.join(one.who)}", f"{en_role} {', '.join(one.who)}") if one.who else (zh_role, en_role)
    )
    zh_when, en_when = _when(one, today)
    zh_many, en_many = _many(duty)
    zh_missed = f"，前面已连续{one.missed}次没有做" if one.missed else ""
    en_missed = f", {one.missed} in a row missed before" if one.missed else ""
    return (
        f"{name}：{rule.zh}{zh_many}，{zh_when}，由{zh_who}负责{zh_missed}"
        f" ({name}: {rule.en}{en_many}, {en_when}, {en_who}{en_missed})"
    )


def _many(duty: Duty) -> tuple[str, str]:
    if duty.needed == 1:
        return "", ""
    return f"（要{duty.needed}次，已{duty.done}次）", f" ({duty.done} of {duty.needed})"


def _when(one: Told, today: dt.date) -> tuple[str, str]:
    due_on = one.duty.due_on
    days = (due_on - today).days
    day = (
        f"{due_on.month}月{due_on.day}日"
        if due_on.year == today.year
        else f"{due_on:%Y}年{due_on.month}月{due_on.day}日"
    )
    if one.duty.status == OVERDUE:
        return f"应在{day}前完成，已过{-days}天", f"was due on {due_on}, {-days} days ago"
    if one.duty.status == AHEAD:
        return (
            f"{day}前完成，{one.duty.since_on.month}月{one.duty.since_on.day}日开始",
            f"due on {due_on}, begins later",
        )
    return (f"今天（{day}）要完成", "due today") if not days else (f"{day}前完成，还有{days}天", f"due on {due_on}")


def asked(rule: Rule) -> tuple[str, str]:
    """How often or how soon a rule asks, in words."""
    if rule.mode == EVERY:
        zh, en = PERIODS[rule.period]
        if rule.weekdays:
            zh = "、".join("周" + "一二三四五六日"[day] for day in rule.weekdays)
            en = ", ".join(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day] for day in rule.weekdays)
        many = (f"{rule.count}次", f" {rule.count} times") if rule.count > 1 else ("", "")
        window = f"（{_window_zh(rule.window)}）" if rule.window else ""
        return f"{zh}{many[0]}{window}", f"{en}{many[1]}" + (f", {rule.window}" if rule.window else "")
    if rule.mode == AFTER:
        return (
            (f"{rule.within_days}天内", f"within {rule.within_days} days") if rule.within_days else ("当天", "at once")
        )
    return f"随时，空缺不超过{rule.within_days}天", f"always, no gap of more than {rule.within_days} days"


def _window_zh(window: str) -> str:
    end, number, unit = window.split()
    return f"{'前' if end == 'first' else '最后'}{number}{'周' if unit == 'weeks' else '天'}"


def rule_sentence(rule: Rule, whose: str = "") -> str:
    """One line about a rule in force: what, how often, by whom, since which plan, and whose word that is."""
    zh, en = asked(rule)
    zh_role, en_role = ROLES.get(rule.duty_holder, (rule.duty_holder, rule.duty_holder))
    group = f"，属于{GROUPS[rule.group][0]}" if rule.group else ""
    grace = f"，宽限{rule.grace_days}天" if rule.grace_days else ""
    off = "" if rule.enabled else "【未启用】"
    return (
        f"{rule.rule_id} {off}{rule.zh}：{zh}{grace}，{zh_role}负责{group}；依据{rule.from_source}{whose}"
        f" ({rule.en}: {en}, {en_role}{'' if rule.enabled else ', off'})"
    )
