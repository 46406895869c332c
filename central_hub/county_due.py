"""What the county owes: joint meetings, its figures platform, supervision of homes, and what follows from its own acts.

Worked out from the deeds that the read models keep and stored nowhere, as at a home (`node/duties.py`). The
county records what fulfils it with `record`: a meeting, an update of the platform, an inspection of a home.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any, Final

from domain import deed_rows, deeds, duty_words
from domain.compliance import week_of
from domain.countywide import ITS_THINGS, OF_THE_COUNTY, county
from domain.deeds import Account, Subject
from domain.obligations import AHEAD, OVERDUE, Duty, due
from domain.tiers import COUNTY, hub_of
from node import cli, exits, today
from node.clock import Clock, system_clock
from node.duties import duty_json
from node.folder import Folder
from node.household import Files
from node.opening import HomesOf, current_views

HOLDER: Final = "county"


def listed(folder: Folder, homes_of: HomesOf, clock: Clock, which: str) -> dict[str, Any]:
    """The county's open duties, most urgent first: all, what is due this `week`, or what is `overdue`."""
    with current_views(folder, homes_of) as (store, views), views.snapshot() as rows:
        policy, day = Files(store, homes_of(store)).policy(), today.of(store, clock).date
        monday, sunday = week_of(day)
        ahead = sunday if which == "week" else None
        found: list[Duty] = []
        names: dict[bytes, str] = {}
        for subject, name in _subjects(deed_rows.others(rows), folder.config.name):
            names[subject.id] = name
            owed = due(subject, policy.rules, policy.calendar(COUNTY), day, ahead)
            found += [one for one in owed if one.home == COUNTY or one.version.rule.duty_holder == HOLDER]
        has_terms = bool(policy.calendar(COUNTY).terms)
    keep: dict[str, Callable[[Duty], bool]] = {
        "": lambda one: one.status != AHEAD,
        "week": lambda one: monday <= one.due_on <= sunday,
        "overdue": lambda one: one.status == OVERDUE,
    }
    told = [one for one in duty_words.told(found) if keep[which](one.duty)]
    return {
        "today": day.isoformat(),
        "terms": has_terms,
        "duties": [duty_json(one, names[one.duty.subject.id], day) for one in told],
        "overdue": sum(one.duty.status == OVERDUE for one in told),
    }


def _subjects(accounts: list[Account], name: str) -> Iterator[tuple[Subject, str]]:
    """What the county owes something for, and what that is called: itself, each of its homes, what it began itself."""

    def of(*kinds: str) -> list[Account]:
        return [one for kind in sorted(kinds) for one in accounts if one.kind == kind]

    yield county(of(*OF_THE_COUNTY)), name
    homes = of("home")
    seen_to = [*homes, *of("inspection")]
    for one in homes:
        registered = deeds.deeds_of(one).get("home-registered", ())
        if registered and hub_of(registered[0].home) == COUNTY:  # whoever is above another county does not owe it this
            yield deeds.home(registered[0].home, one.subject, seen_to), str(one.value("name") or "")
    for one in of(*ITS_THINGS):
        made = deeds.thing(one)
        if made.spans and made.spans[0].home == COUNTY:
            yield made, one.title


def add_command(commands: cli.Commands, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`due` at the county."""

    def run(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, "hub")
        which = "week" if arguments.week else "overdue" if arguments.overdue else ""
        found = listed(folder, homes_of(folder), system_clock(), which)
        if arguments.json:
            cli.show(found, True)
        else:
            lines = [one["words"] for one in found["duties"]]
            print("\n".join(lines) or "没有要办的工作 (nothing is due)")
        return exits.DONE

    made = cli.add(commands, "due", run, "what the county itself owes, most urgent first", as_json=True)
    only = made.add_mutually_exclusive_group()
    only.add_argument("--week", action="store_true", help="only what is due this week")
    only.add_argument("--overdue", action="store_true", help="only what is overdue")
