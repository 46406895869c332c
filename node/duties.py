"""What is owed at a home, and which rules are in force: said to a person or a program.

What is due is stored nowhere. It is worked out from the deeds that the read models keep (`node/household.py`), which
are brought up to date first, so the list is true of exactly the entries that are here.
"""

from __future__ import annotations

import argparse
import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from domain import duty_words
from domain.compliance import COLUMNS, duty_row, r04, week_of
from domain.errors import Refused
from domain.household import THINGS
from domain.obligations import Duty
from domain.reporting import Asked, Read, Rows
from domain.rules import FOR_EVER, Version
from node import cli, due, exits, known, today
from node.clock import Clock, system_clock
from node.folder import Folder, Kind
from node.household import RESTRICTED, Files, Household, RowsOf
from node.known import Then
from node.opening import HomesOf, current_views, reading
from node.views import HomeOf
from sync.stored_log import StoredLog

A_YEAR: Final = dt.timedelta(days=365)
WAIVABLE: Final = THINGS | {"child", "home"}


@contextmanager
def household(folder: Folder, homes_of: HomesOf, clock: Clock, code: str | None) -> Iterator[tuple[Household, dt.date]]:
    """A home, or all of a county, as of today, from read models that are as new as the log."""
    with current_views(folder, homes_of) as (store, views), views.snapshot() as rows:
        day, then = today.of(store, clock).date, Then(known.sizes_at(store, rows.position()))
        yield of_rows(rows, store, homes_of(store), code, day, then), day


def of_rows(read: Read, store: StoredLog, home_of: HomeOf, code: str | None, day: dt.date, then: Then) -> Household:
    """A home (or all of a county) on a day, as the rows of one moment have it, and the log as far as it was known."""
    heard_on = today.heard_on(store, then.by(day).before_ms) if code is not None else None
    return Household(RowsOf(read), Files(store, home_of, then.knows).policy(), code, day, heard_on)


def listed(
    folder: Folder, homes_of: HomesOf, clock: Clock, which: str, child: bytes | None, *, restricted: bool = False
) -> dict[str, Any]:
    """The open duties of a home, most urgent first: all, what is due this `week`, or what is `overdue`.

    `restricted`: of cases and of notes from the mailbox too, whose very existence is for few.
    """
    with household(folder, homes_of, clock, folder.config.code) as (owing, day):
        ahead, found = due.ahead_of(which, day), list[Duty]()
        for subject in owing.children(child) if child is not None else owing.subjects():
            if restricted or subject.kind not in RESTRICTED:
                found += owing.duties(subject, ahead, latest=True)
        if child is not None and child not in owing.names:
            raise Refused("这里没有这个孩子，或者已经不在册", f"no child {uuid.UUID(bytes=child)} is in care here")
        if folder.config.hub is None:
            found = [one for one in found if one.version.rule.number != "O48"]
        has_terms = bool(owing.policy.calendar(folder.config.code).terms)
        names = {**owing.names, **dict.fromkeys(_home_ids(found), folder.config.name)}
    return due.listed(found, names, day, which, has_terms=has_terms)


def _home_ids(found: list[Duty]) -> set[bytes]:
    return {one.subject.id for one in found if one.subject.kind == "home"}


def compliance(
    folder: Folder, homes_of: HomesOf, clock: Clock, first: dt.date | None, last: dt.date | None
) -> dict[str, Any]:
    """R04 over the periods that begin between two days: of a home, or of all homes of a county and of itself."""
    code = folder.config.code if folder.config.kind == "home" else None
    with household(folder, homes_of, clock, code) as (owing, day):
        end, begin = last or day, first or (last or day) - A_YEAR
        made = r04(owing.owed(), begin.toordinal(), end.toordinal())
    return {**made, "from": begin.isoformat(), "to": end.isoformat(), "today": day.isoformat()}


def table(owing: Household, asked: Asked) -> Rows:
    """The duties of a home, or of all of a county, whose period begins in the one asked for or that fall due this week.

    The county's own are among them. Worked out for the day asked for, like all that is due.
    """
    (first, last), period = week_of(asked.as_of), asked.period
    found = []
    for duty in owing.owed(last):
        if first <= duty.due_on <= last or period.first.toordinal() <= duty.first <= period.last.toordinal():
            name = owing.names.get(duty.subject.id, "")
            found.append(duty_row(duty, name, is_shown=duty.subject.kind not in RESTRICTED))
    return Rows(tuple(COLUMNS.split()), found)


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

    def found(folder: Folder, arguments: argparse.Namespace, which: str) -> dict[str, Any]:
        wanted = arguments.child
        return listed(folder, homes_of(folder), system_clock(), which, wanted, restricted=arguments.restricted)

    made = due.add_command(commands, "home", "what is owed, most urgent first", found)
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
