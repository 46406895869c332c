"""`due`: what is owed and not done, most urgent first, said to a person or a program: at a home and at the county.

Whose duties these are, and from where they come, is the caller's; this chooses among them, puts them in order and says
them. So both say the same things in the same words.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from domain import duty_words
from domain.compliance import week_of
from domain.duty_words import Told
from domain.obligations import AHEAD, OVERDUE, Duty
from node import cli, exits
from node.folder import Folder, Kind

WEEK, OVERDUE_ONLY = "week", "overdue"
NO_TERMS: Final = (
    "县里还没有公布学期安排，按学期计算的工作暂不提醒 (the county has scheduled no term: what is owed in"
    " term is not counted)"
)
Listed = Callable[[Folder, argparse.Namespace, str], dict[str, Any]]
"""What `listed` made, of a folder, for the options of one command, and of which duties."""


def ahead_of(which: str, day: dt.date) -> dt.date | None:
    """Until when duties that are still to come are wanted: of a week until its Sunday."""
    return week_of(day)[1] if which == WEEK else None


def listed(
    found: Iterable[Duty], names: Mapping[bytes, str], day: dt.date, which: str, *, has_terms: bool
) -> dict[str, Any]:
    """The open duties among these, most urgent first: all, what is due this `week`, or what is `overdue`."""
    monday, sunday = week_of(day)
    keep: dict[str, Callable[[Duty], bool]] = {
        "": lambda one: one.status != AHEAD,
        WEEK: lambda one: monday <= one.due_on <= sunday,
        OVERDUE_ONLY: lambda one: one.status == OVERDUE,
    }
    told = [one for one in duty_words.told(found) if keep[which](one.duty)]
    return {
        "today": day.isoformat(),
        "terms": has_terms,
        "duties": [duty_json(one, names.get(one.duty.subject.id, ""), day) for one in told],
        "overdue": sum(one.duty.status == OVERDUE for one in told),
    }


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


def add_command(commands: cli.Commands, kind: Kind, does: str, made: Listed) -> argparse.ArgumentParser:
    """`due DIR [--week|--overdue]`; who owes it may add options of its own."""

    def run(arguments: argparse.Namespace) -> int:
        which = WEEK if arguments.week else OVERDUE_ONLY if arguments.overdue else ""
        found = made(Folder(arguments.dir, kind), arguments, which)
        if arguments.json:
            cli.show(found, True)
            return exits.DONE
        if not found["terms"]:
            print(NO_TERMS, file=sys.stderr)
        lines = [one["words"] for one in found["duties"]]
        print("\n".join(lines) or "没有要办的工作 (nothing is due)")
        return exits.DONE

    parser = cli.add(commands, "due", run, does, as_json=True)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--week", action="store_true", help="only what is due this week")
    only.add_argument("--overdue", action="store_true", help="only what is overdue")
    return parser
