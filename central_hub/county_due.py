"""What the county owes: joint meetings, its figures platform, supervision of homes, and what follows from its own acts.

Worked out from the deeds that the read models keep and stored nowhere, as at a home (`node/duties.py`). The
county records what fulfils it with `record`: a meeting, an update of the platform, an inspection of a home.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from domain import countywide, deed_rows
from domain.policy import COUNTY_SUBJECT
from domain.tiers import COUNTY
from node import cli, due, today
from node.clock import Clock, system_clock
from node.folder import Folder
from node.household import Files
from node.opening import HomesOf, current_views


def listed(folder: Folder, homes_of: HomesOf, clock: Clock, which: str) -> dict[str, Any]:
    """The county's open duties, most urgent first: all, what is due this `week`, or what is `overdue`."""
    with current_views(folder, homes_of) as (store, views), views.snapshot() as rows:
        policy, day = Files(store, homes_of(store)).policy(), today.of(store, clock).date
        accounts = deed_rows.others(rows)
        found = list(countywide.duties(accounts, policy, day, due.ahead_of(which, day)))
        has_terms = bool(policy.calendar(COUNTY).terms)
    names = {one.subject: str(one.value("name") or "") if one.kind == "home" else one.title for one in accounts}
    return due.listed(found, names | {COUNTY_SUBJECT: folder.config.name}, day, which, has_terms=has_terms)


def add_command(commands: cli.Commands, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`due` at the county."""

    def found(folder: Folder, _arguments: argparse.Namespace, which: str) -> dict[str, Any]:
        return listed(folder, homes_of(folder), system_clock(), which)

    due.add_command(commands, "hub", "what the county itself owes, most urgent first", found)
