"""What is owed at a home, and which rules are in force: read from the log, said to a person or a program.

Nothing is stored and no read model is asked: each subject is folded from the log, its duties are worked out, and it is
let go. So the list is true of exactly the entries that are here, and a power cut can leave nothing behind.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

from domain import deeds, duty_words, schema
from domain.compliance import COLUMNS, duty_row, r04, week_of
from domain.deeds import Deed, Subject
from domain.duty_words import Told
from domain.errors import Refused
from domain.folding import fold
from domain.household import OF_THE_HOME, THINGS, around_of, home_subjects, title_of
from domain.obligations import AHEAD, OVERDUE, Duty, due
from domain.policy import COUNTY_SUBJECT, Policy
from domain.reporting import Asked, Rows
from domain.rules import FOR_EVER, Version
from domain.state import State
from domain.tiers import hub_of
from node import cli, exits, today
from node.clock import Clock, system_clock
from node.folder import Folder, Kind
from node.opening import HomesOf, reading
from node.records import is_of_the_domain, of_the_domain, record_of
from node.revocation import Revocations
from node.views import HomeOf
from sync import headlines
from sync.stored_log import StoredLog

SCAN_COUNT: Final = 20_000
IN_CARE: Final = ("here", "leaving")
A_YEAR: Final = dt.timedelta(days=365)
RESTRICTED: Final = frozenset({"case", "message"})
WAIVABLE: Final = THINGS | {"child", "home"}


class Files:
    """Folded subjects of a log, each read when it is asked for."""

    def __init__(self, store: StoredLog, home_of: HomeOf) -> None:
        self.store, self.home_of = store, home_of
        self._withholds = Revocations(store, home_of=home_of).withholds

    def state(self, subject: bytes) -> State:
        """A subject as the log has it."""
        pairs = [(entry, entry.body()) for entry in self.store.entries_of_subject(subject)]
        records = [
            record_of(one, body, self.home_of(one.log), self._withholds)
            for one, body in pairs
            if of_the_domain(body, one)
        ]
        return fold("", subject, records)

    def policy(self) -> Policy:
        """The county's terms and rules, as far as they are here."""
        return Policy(self.state(COUNTY_SUBJECT))

    def subjects(self) -> dict[str, list[bytes]]:
        """Every subject by its kind, without opening an entry."""
        kinds: dict[bytes, str] = {}
        position = 0
        while True:
            end, found = headlines.after(self.store, position, SCAN_COUNT)
            for one in found:
                kind = schema.subject_kind(one.type)
                if kind and one.subject not in kinds and is_of_the_domain(one.type, one.subject, one.log):
                    kinds[one.subject] = kind
            if end == position:
                break
            position = end
        by_kind: dict[str, list[bytes]] = {}
        for subject, kind in kinds.items():
            by_kind.setdefault(kind, []).append(subject)
        return by_kind


class Household:
    """What a home owes, as its own log has it; or what all homes of a county do (`code` None)."""

    def __init__(self, store: StoredLog, home_of: HomeOf, code: str | None) -> None:
        self.files, self.code = Files(store, home_of), code
        self.policy = self.files.policy()
        self.names: dict[bytes, str] = {}
        subjects = self.files.subjects()
        self._children = subjects.get("child", [])
        around = [self.files.state(one) for kind in ("home", "worker", "inspection") for one in subjects.get(kind, ())]
        self.around = around_of(around)
        kinds = (THINGS | OF_THE_HOME) - {"home", "worker", "inspection"}
        self._others = [*around, *(self.files.state(one) for kind in sorted(kinds) for one in subjects.get(kind, ()))]

    def children(self, only: bytes | None = None) -> Iterator[Subject]:
        """The children in care at the home, or one of them; of a county all that any home ever had."""
        for subject in self._children if only is None else [only]:
            state = self.files.state(subject)
            if state.kind != "child":
                continue
            if self.code is None or (state.holder == self.code and state.status in IN_CARE):
                self.names[subject] = str(state.value("name") or "")
                yield deeds.child(state, self.around)

    def others(self) -> Iterator[Subject]:
        """The home itself, and its hazards, activities, reports and whatever else duties are owed for."""
        self.names |= {one.subject: title_of(one) for one in self._others}
        homes = {record.home for one in self._others if one.kind == "home" for record in one.records.values()}
        for code in sorted(homes) if self.code is None else [self.code]:
            for one in home_subjects(code, self._others, self.around):
                if one.kind == "home" and code == self.code:
                    self._note_exchange(one)
                yield one

    def _note_exchange(self, home: Subject) -> None:
        """That the county was heard of is no entry: the last receipt says when."""
        last = today.receipt_date(self.files.store)
        if last is not None and self.code is not None:
            home.deeds = {**home.deeds, "exchange": [Deed(last.toordinal(), b"", None, "", self.code)]}

    def duties(self, subject: Subject, day: dt.date, ahead: dt.date | None = None) -> list[Duty]:
        """The duties about one subject; of a home only its own."""
        counties = dict.fromkeys(hub_of(span.home) for span in subject.spans)
        found = [
            one
            for county in counties
            for one in due(subject, self.policy.rules, self.policy.calendar(county), day, ahead)
            if hub_of(one.home) == county
        ]
        return [one for one in found if self.code in (None, one.home) and one.rule_id not in self._unknown]

    @property
    def _unknown(self) -> frozenset[str]:
        """What a county's log does not tell of its homes: when each was heard of."""
        return frozenset({"O48"}) if self.code is None else frozenset()


def listed(
    folder: Folder, homes_of: HomesOf, clock: Clock, which: str, child: bytes | None, *, restricted: bool = False
) -> dict[str, Any]:
    """The open duties of a home, most urgent first: all, what is due this `week`, or what is `overdue`.

    `restricted`: of cases and of notes from the mailbox too, whose very existence is for few.
    """
    with reading(folder) as store:
        household = Household(store, homes_of(store), folder.config.code)
        day = today.of(store, clock).date
        monday, sunday = week_of(day)
        found: list[Duty] = []
        others = () if child is not None else household.others()
        for subject in (
            *household.children(child),
            *(one for one in others if restricted or one.kind not in RESTRICTED),
        ):
            found += household.duties(subject, day, sunday if which == "week" else None)
        if child is not None and child not in household.names:
            raise Refused("这里没有这个孩子，或者已经不在册", f"no child {uuid.UUID(bytes=child)} is in care here")
        if folder.config.hub is None:
            found = [one for one in found if one.version.rule.number != "O48"]
        keep = {"week": lambda one: monday <= one.due_on <= sunday, "overdue": lambda one: one.status == OVERDUE}
        wanted: Callable[[Duty], bool] = keep.get(which, lambda one: one.status != AHEAD)
        told = [one for one in duty_words.told(found) if wanted(one.duty)]
        has_terms = bool(household.policy.calendar(folder.config.code).terms)
        names = {**household.names, **dict.fromkeys(_home_ids(found), folder.config.name)}
    return {
        "today": day.isoformat(),
        "terms": has_terms,
        "duties": [duty_json(one, names.get(one.duty.subject.id, ""), day) for one in told],
        "overdue": sum(one.duty.status == OVERDUE for one in told),
    }


def _home_ids(found: list[Duty]) -> set[bytes]:
    return {one.subject.id for one in found if one.subject.kind == "home"}


def compliance(
    folder: Folder, homes_of: HomesOf, clock: Clock, first: dt.date | None, last: dt.date | None
) -> dict[str, Any]:
    """R04 over the periods that begin between two days: of a home, or of all homes of a county."""
    with reading(folder) as store:
        day = today.of(store, clock).date
        household = Household(store, homes_of(store), folder.config.code if folder.config.kind == "home" else None)
        end, begin = last or day, first or (last or day) - A_YEAR
        subjects = (one for part in (household.children(), household.others()) for one in part)
        found = (one for subject in subjects for one in household.duties(subject, day))
        made = r04(found, begin.toordinal(), end.toordinal())
    return {**made, "from": begin.isoformat(), "to": end.isoformat(), "today": day.isoformat()}


def table(store: StoredLog, home_of: HomeOf, code: str | None, asked: Asked) -> Rows:
    """The duties of a home, or of all of a county, whose period begins in the one asked for or that fall due this week.

    Worked out from the log for the day asked for, like all that is due.
    """
    household, (first, last), period = Household(store, home_of, code), week_of(asked.as_of), asked.period
    found = []
    for subject in (one for part in (household.children(), household.others()) for one in part):
        for duty in household.duties(subject, asked.as_of, last):
            if first <= duty.due_on <= last or period.first.toordinal() <= duty.first <= period.last.toordinal():
                name = household.names.get(subject.id, "")
                found.append(duty_row(duty, name, is_shown=subject.kind not in RESTRICTED))
    return Rows(tuple(COLUMNS.split()), found)


def duty_json(one: Told, name: str, day: dt.date) -> dict[str, Any]:
    """An open duty as JSON, with the sentence for a person."""
    duty, rule = one.duty, one.duty.version.rule
    return {
        "rule": rule.rule_id,
        "group": rule.group or None,
        "subject": str(uuid.UUID(bytes=duty.subject.id)),
        "kind": duty.subject.kind,
        "name": name,
        "period": duty.period,
        "since": dt.date.fromordinal(one.since).isoformat(),
        "due": duty.due_on.isoformat(),
        "status": duty.status,
        "done": duty.done,
        "needed": duty.needed,
        "missed": one.missed,
        "holder": rule.duty_holder,
        "who": list(one.who),
        "facts": [id_.hex() for id_ in duty.facts],
        "words": duty_words.sentence(one, name or str(uuid.UUID(bytes=duty.subject.id)), day),
    }


def rules_listed(folder: Folder, homes_of: HomesOf, clock: Clock, home: str | None = None) -> dict[str, Any]:
    """The rules in force today at this node, or for a home, whose word each is, what comes later, and the terms."""
    with reading(folder) as store:
        files = Files(store, homes_of(store))
        policy, code = files.policy(), files.home_of(store.log) if home is None else home
        day = today.of(store, clock).date.toordinal()
        book, calendar = policy.rules(code), policy.calendar(code)
    return {
        "rules": [rule_json(book.versions[name], book.in_force(name, day)) for name in book.versions],
        "terms": [
            {"name": one.name, "from": _iso(one.first), "to": _iso(one.last),
             "holidays": [_iso(day) for day in sorted(one.holidays)]}
            for one in calendar.terms
        ],
    }  # fmt: skip


def _iso(day: int) -> str:
    return dt.date.fromordinal(day).isoformat()


def rule_json(versions: tuple[Version, ...], now: Version) -> dict[str, Any]:
    """A rule as it is in force, with its other versions, so that an auditor sees each."""
    return {**_version_json(now), "versions": [_version_json(one) for one in versions if one is not now]}


def _version_json(one: Version) -> dict[str, Any]:
    rule = one.rule
    zh, en = duty_words.asked(rule)
    whose = (
        ""
        if not one.by
        else "；" + "、".join("县里规定" if not by or by.endswith("/") else "本家加严" for by in one.by)
    )
    return {
        "rule": rule.rule_id, "number": rule.number, "group": rule.group or None, "about": rule.about, "zh": rule.zh,
        "en": rule.en, "holder": rule.duty_holder, "mode": rule.mode, "every": rule.period or None,
        "times": rule.count, "window": rule.window or None, "within_days": rule.within_days or None,
        "grace_days": rule.grace_days, "all_year": rule.all_year, "enabled": rule.enabled, "source": rule.from_source,
        "applies_to": {name: list(value) if isinstance(value, tuple) else value
                       for name, value in rule.applies_to.items()},
        "asks_zh": zh, "asks_en": en, "set_by": list(one.by), "from": _iso(one.since) if one.since > 1 else None,
        "to": _iso(one.until - 1) if one.until <= FOR_EVER else None,
        "words": duty_words.rule_sentence(rule, whose),
    }  # fmt: skip


# -- commands


def add_due(commands: cli.Commands, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`due` at a home."""

    def run(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, "home")
        which = "week" if arguments.week else "overdue" if arguments.overdue else ""
        found = listed(folder, homes_of(folder), system_clock(), which, arguments.child,
                       restricted=arguments.restricted)  # fmt: skip
        if arguments.json:
            cli.show(found, True)
            return exits.DONE
        if not found["terms"]:
            print("县里还没有公布学期安排，按学期计算的工作暂不提醒 (the county has scheduled no term: what is owed in"
                  " term is not counted)", file=sys.stderr)  # fmt: skip
        lines = [one["words"] for one in found["duties"]]
        print("\n".join(lines) or "没有要办的工作 (nothing is due)")
        return exits.DONE

    made = cli.add(commands, "due", run, "what is owed, most urgent first", as_json=True)
    only = made.add_mutually_exclusive_group()
    only.add_argument("--week", action="store_true", help="only what is due this week")
    only.add_argument("--overdue", action="store_true", help="only what is overdue")
    made.add_argument("--child", type=cli.subject_id, metavar="ID", help="only about one child")
    made.add_argument("--restricted", action="store_true", help="also of cases and notes, for those who may read them")


def add_rules(commands: cli.Commands, kind: Kind, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`rules` at both."""

    def run(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, kind)
        found = rules_listed(folder, homes_of(folder), system_clock(), arguments.home)
        if arguments.json:
            cli.show(found, True)
            return exits.DONE
        terms = [f"{one['name']}：{one['from']} 至 {one['to']}，放假{len(one['holidays'])}天" for one in found["terms"]]
        print("\n".join([*terms, *(one["words"] for one in found["rules"])]))
        return exits.DONE

    does = "the rules in force, whose word they are, and from which plan"
    made = cli.add(commands, "rules", run, does, as_json=True)
    made.add_argument("--home", metavar="CODE", help="as they are for a home, with what it tightened itself")


def add_compliance(commands: cli.Commands, kind: Kind, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`compliance` at both: R04."""

    def run(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, kind)
        found = compliance(folder, homes_of(folder), system_clock(), arguments.since, arguments.until)
        cli.show(found, arguments.json)
        return exits.DONE

    made = cli.add(
        commands, "compliance", run, "R04: what was owed and done, by rule, home, helper, child", as_json=True
    )
    made.add_argument("--from", dest="since", type=cli.date, metavar="DATE", help="periods that begin then or later")
    made.add_argument("--to", dest="until", type=cli.date, metavar="DATE", help="and not behind this day (today)")
