"""`events`: the catalogue of everything that can be recorded, printed from the definitions of the events."""

from __future__ import annotations

import argparse
import json

from domain import catalogue
from domain.errors import Refused
from node import exits
from node.cli import Commands

HELP = "what can be recorded: every event with its fields, in Chinese and English"


def add_command(commands: Commands) -> None:
    """Add `events`; it needs no data folder."""
    made = commands.add_parser("events", help=HELP, description=HELP)
    made.add_argument("names", nargs="*", metavar="EVENT", help="stored names, or the kind of subject they are about")
    made.add_argument("--json", action="store_true", help="print JSON instead of text")
    made.set_defaults(run=show)


def show(arguments: argparse.Namespace) -> int:
    """Print the catalogue, or the part that was asked for."""
    known = catalogue.in_order()
    for name in arguments.names:
        if all(name not in (cls.meta.name, cls.meta.about) for cls in known):
            raise Refused(f"没有名为“{name}”的记录类型", f"there is no event, and no subject of events, named {name}")
    wanted = [one for one in known if not arguments.names or {one.meta.name, one.meta.about} & set(arguments.names)]
    if arguments.json:
        print(json.dumps(catalogue.catalogue_json(wanted), ensure_ascii=False, indent=1))
    else:
        print("\n".join(catalogue.lines(wanted)))
    return exits.DONE
