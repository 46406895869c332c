"""The county's command line: `central-hub`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from central_hub import county_due, forwarding, obeying, ordering, parents, reports, revoking, routed, taking
from central_hub.api import invite as make_invitation
from central_hub.registry import DAYS, Admissions, Home, Registry
from domain.errors import Refused
from domain.reporting import Asked
from domain.tiers import SEPARATOR, hub_of
from node import (
    cli,
    conflicts,
    control,
    damages,
    defining,
    duties,
    exits,
    filed_commands,
    import_undo,
    incarnations,
    keeping,
    photos,
    policy,
    recording,
    report_commands,
    reporting,
    reserve,
    returning,
    scrubbing,
)
from node.clock import rfc3339, system_clock
from node.folder import Config, Folder, create_folder
from node.invitation import require_loopback
from node.known import Then
from node.opening import HomesOf, reading, writing
from sync import above, epoch
from sync.errors import FolderInUse
from sync.stored_log import StoredLog

DEFAULT_LISTEN = "127.0.0.1:8100"


def homes_of(_folder: Folder) -> HomesOf:
    """At the hub the registry says which home a log belongs to."""
    return lambda store: Registry(store).code_of


def main(argv: Sequence[str] | None = None) -> int:
    """Run `central-hub`."""
    return cli.main(build_parser(), argv)


def build_parser() -> argparse.ArgumentParser:
    """All commands and their help."""
    top, commands = cli.parser(
        "central-hub", "县级枢纽 — the county's hub: receives every home's records, shows the county."
    )
    made = cli.add(commands, "init", init, "make a new data folder for a county")
    made.add_argument("--name", required=True, help="the county's name")
    made = cli.add(
        commands, "invite", invite, "make an invitation for one home; its last line is the text to hand over"
    )
    made.add_argument("--name", required=True, help="the home's name")
    made.add_argument("--code", required=True, help="the home's code, like home-01")
    made.add_argument("--address", metavar="URL", help="where the home reaches the hub (default: where serve listens)")
    made.add_argument("--days", type=int, default=DAYS, metavar="N", help="days that it is good, more where it goes "
                      "by courier (default 3, at most 60)")  # fmt: skip
    made.add_argument("--as-hub", action="store_true", help="invite a hub, which brings its own homes' records")
    parents.add_commands(commands, homes_of)
    made = cli.add(commands, "serve", serve, "receive the homes' records, and serve the county's page")
    made.add_argument("--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT", help="port 0 picks a free one")
    made.add_argument("--forward-every", type=cli.interval_s, default=300.0, metavar="S", help="seconds between "
                      "exchanges with the hub above, where one was joined")  # fmt: skip
    taking.add_command(commands)
    defining.add_command(commands)
    recording.add_command(commands, "hub", homes_of)
    import_undo.add_command(commands, "hub", homes_of)
    cli.add(commands, "status", status, "what the county holds of each home", as_json=True)
    report_commands.add_command(commands, "hub", homes_of, behind, tables_of)
    cli.add_erasing(commands, "hub", homes_of, ordering.address)
    cli.add_reading(commands, "hub", homes_of)
    conflicts.add_reading(commands, "hub", homes_of)
    conflicts.add_settling(commands, "hub", homes_of)
    returning.add_reading(commands, "hub", homes_of)
    filed_commands.add_listing(commands, "hub", homes_of)
    filed_commands.add_judging(commands, homes_of)
    revoking.add_commands(commands, homes_of)
    photos.add_reading(commands, "hub")
    county_due.add_command(commands, homes_of)
    duties.add_rules(commands, "hub", homes_of)
    duties.add_compliance(commands, "hub", homes_of)
    policy.add_rule_set(commands, "hub", homes_of)
    policy.add_term(commands, homes_of)
    policy.add_waive(commands, "hub", homes_of)
    keeping.add_commands(commands, "hub")
    return top


def behind(store: StoredLog, then: Then | None = None) -> list[str]:
    """The homes whose figures may lack something: as of today, or of a moment as it was known then."""
    if then is not None:
        return reports.behind_then(store, system_clock(), then)
    return reports.behind(store, Registry(store), system_clock())


def tables_of(store: StoredLog, asked: Asked, before_ms: int) -> reporting.Tables:
    """What a hub knows besides what entries say, where a report needs it."""
    return {
        "exchange": lambda _read, sizes: reports.exchanges(store, system_clock(), asked, Then(sizes, before_ms)),
    }


def init(arguments: argparse.Namespace) -> int:
    """Make a data folder."""
    name = arguments.name.strip()
    if not name or len(name) > 80:
        raise Refused("请填写县名", "a county has a name")
    log = create_folder(arguments.dir, Config(kind="hub", name=name))
    print(f"{arguments.dir}: {name}, log {log.hex()}")
    print(keeping.ADVICE.format(dir=arguments.dir), file=sys.stderr)
    return exits.DONE


def invite(arguments: argparse.Namespace) -> int:
    """Invite a home, also while `serve` is running."""
    folder = Folder(arguments.dir, "hub")
    if arguments.address:
        require_loopback(arguments.address)
    asked = {"code": arguments.code.strip(), "name": arguments.name.strip(), "address": arguments.address}
    asked |= {"days": arguments.days, "is_hub": arguments.as_hub}
    try:
        with writing(folder) as store:
            address = asked["address"] or folder.config.listen or f"http://{DEFAULT_LISTEN}"
            text = make_invitation(store, Admissions(store, system_clock()), asked["code"], asked["name"], address,
                                   arguments.days, is_hub=arguments.as_hub)  # fmt: skip
    except FolderInUse:
        text = control.ask(folder.path, "invite", asked)["invitation"]
    print(f"Invitation for {asked['name']} ({asked['code']}), good for one node and {arguments.days * 24} hours:")
    print(text)
    return exits.DONE


def serve(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from central_hub.app import run

    return run(Folder(arguments.dir, "hub"), arguments.listen, arguments.forward_every, system_clock())


def status(arguments: argparse.Namespace) -> int:
    """What is held of each home."""
    folder = Folder(arguments.dir, "hub")
    counts = returning.counted(folder, homes_of(folder))
    with reading(folder) as store:
        registry = Registry(store)
        found = (
            status_of(folder, store, registry, counts)
            | {"parked": taking.parked(folder, registry)}
            | {"epoch": epoch.current(store), "healed": incarnations.shown(store)}
            | {"routed_again": routed.shown(store)}
            | {"photos": store.files.count()[0]}
            | {"damaged": damages.shown(store, registry.code_of)}
            | {"last_backup": folder.last_backup(system_clock()())}
            | scrubbing.shown(folder)
            | reserve.shown(folder.path)
        )
    cli.show(found, arguments.json)
    return exits.DONE


def status_of(folder: Folder, store: StoredLog, registry: Registry, counts: returning.Counts | None) -> dict[str, Any]:
    """The hub's state as JSON: its homes by code, and what lies above and below."""
    hub = folder.config.hub
    held_above = above.sizes(store, bytes.fromhex(hub.key)) if hub else None
    homes = [_home_status(store, registry, home, counts, held_above) for home in registry.homes()]
    hubs = [_home_status(store, registry, home, counts, held_above) for home in registry.hubs()]
    on_hold = sum(counts.on_hold.values()) if counts is not None else None
    return {
        "homes": homes,
        "entries": sum(home["held"] or 0 for home in homes),
        "revoked": revoking.shown(store, registry),
        "hubs": hubs,
        "registered_twice": [
            {"log": log.hex(), "code": registry.code_of(log), "also": codes}
            for log, codes in sorted(registry.twice().items())
        ],
        "orders_left": obeying.shown(store, registry),
        "on_hold": on_hold,
        "on_hold_words": returning.on_hold_words(on_hold),
        "parent": forwarding.status_of(folder, store, registry),
    }


def _home_status(
    store: StoredLog,
    registry: Registry,
    home: Home,
    counts: returning.Counts | None,
    held_above: Mapping[bytes, int] | None,
) -> dict[str, Any]:
    code, name, logs = home.code.removesuffix(SEPARATOR), home.name, home.logs
    sizes = {branch.log: branch.size for branch in store.branches()}
    receipts = [kept for log in logs if log in sizes and (kept := store.last_checkpoint(log, with_receipt=True))]
    heard_s = max((int.from_bytes(kept.receipt[:8], "big") for kept in receipts if kept.receipt), default=None)
    held = [{"log": log.hex(), "held": sizes.get(log, 0)} for log in sorted(logs)]
    return {
        "code": code,
        "name": name,
        "logs": held,
        "held": sum(log["held"] for log in held) if logs else None,
        "last_exchange": None if heard_s is None else rfc3339(heard_s * 1000),
        "returned": sum(counts.returned.get(log, 0) for log in logs) if logs and counts is not None else None,
        "on_hold": sum(counts.on_hold.get(log, 0) for log in logs) if logs and counts is not None else None,
        "county": registry.name_of(hub_of(code)) or None,
        "held_above": sum(held_above.get(log, 0) for log in logs) if logs and held_above is not None else None,
    }
