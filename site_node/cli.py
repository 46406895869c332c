"""The home's command line: `site-node`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from domain.errors import Refused
from node import (
    cli,
    coming,
    conflicts,
    damages,
    defining,
    duties,
    erasing,
    exits,
    filed_commands,
    healing,
    incarnations,
    joining,
    journeys,
    keeping,
    photos,
    policy,
    recording,
    report_commands,
    reserve,
    returning,
    scrubbing,
    today,
)
from node.clock import Clock, rfc3339, system_clock
from node.exchanging import Exchanger, exchange_now
from node.folder import Config, Folder, Hub, create_folder
from node.importing import Importer
from node.interrupting import heeded
from node.invitation import BadInvitation, parse, require_loopback, text_or_file
from node.mailbox import HomesByMailbox
from node.opening import HomesOf, reading, writing
from node.progress import bar
from node.scribing import scribing
from site_node import bundling, sheets
from sync import receipt_series
from sync.errors import LogCorrupt, RefusedByPeer
from sync.stored_log import StoredLog


def homes_of(folder: Folder) -> HomesOf:
    """At a home a log belongs to it, or to whom the county says."""
    hub = folder.config.hub
    hub_key = bytes.fromhex(hub.key) if hub else None
    return lambda store: HomesByMailbox(store, folder.config.code, hub_key).home_of


def main(argv: Sequence[str] | None = None) -> int:
    """Run `site-node`."""
    return cli.main(build_parser(), argv)


def build_parser() -> argparse.ArgumentParser:
    """All commands and their help."""
    top, commands = cli.parser(
        "site-node", "留守儿童之家 — a village home's node: records offline, keeps the county up to date."
    )
    made = cli.add(commands, "init", init, "make a new data folder for a home")
    made.add_argument("--name", required=True, help="the home's name, as on its sign")
    made.add_argument("--code", required=True, help="the home's code in the county, like home-01")
    made = cli.add(commands, "join", join, "join the county with an invitation")
    made.add_argument("invitation", metavar="INVITATION", help="the invitation's text, or a file that holds it")
    made.add_argument("--hub", metavar="URL", help="reach the hub at this address instead of the invitation's")
    made.add_argument("--offline", action="store_true", help="without a network: the bundles ask the county")
    made = cli.add(commands, "import", import_facts, "record the facts of a file, each once, or a spreadsheet's rows")
    made.add_argument("file", type=Path, metavar="FILE", help="one JSON object a line, or a spreadsheet")
    made.add_argument("--all", action="store_true", help="also lines of other homes")
    sheets.add_to_import(made)
    sheets.add_commands(commands, homes_of)
    recording.add_command(commands, "home", homes_of)
    photos.add_taking_in(commands)
    made = cli.add(commands, "serve", serve, "serve the home's pages, and exchange with the county in the background")
    made.add_argument("--listen", default="127.0.0.1:8101", metavar="HOST:PORT", help="port 0 picks a free one")
    made.add_argument(
        "--exchange-every", type=cli.interval_s, default=300.0, metavar="S", help="seconds between exchanges"
    )
    defining.add_command(commands)
    cli.add(commands, "sync", sync, "exchange with the county now")
    bundling.add_commands(commands, homes_of)
    cli.add(commands, "status", status, "what is recorded here, and what the county has", as_json=True)
    cli.add_erasing(commands, "home", homes_of)
    cli.add_reading(commands, "home", homes_of)
    conflicts.add_reading(commands, "home", homes_of)
    conflicts.add_settling(commands, "home", homes_of)
    returning.add_reading(commands, "home", homes_of)
    filed_commands.add_listing(commands, "home", homes_of)
    filed_commands.add_submitting(commands, homes_of)
    report_commands.add_command(commands, "home", homes_of)
    returning.add_repairing(commands, homes_of)
    photos.add_reading(commands, "home")
    duties.add_due(commands, homes_of)
    duties.add_rules(commands, "home", homes_of)
    duties.add_compliance(commands, "home", homes_of)
    policy.add_rule_set(commands, "home", homes_of)
    policy.add_waive(commands, "home", homes_of)
    keeping.add_commands(commands, "home")
    return top


def init(arguments: argparse.Namespace) -> int:
    """Make a data folder."""
    code, name = arguments.code.strip(), arguments.name.strip()
    if not name or code.split() != [code] or len(code) > 40 or len(name) > 80:
        raise Refused("请填写之家的名称和编号，编号中不能有空格", "a home has a name, and a code without spaces")
    log = create_folder(arguments.dir, Config(kind="home", name=name, code=code))
    print(f"{arguments.dir}: {name} ({code}), log {log.hex()}")
    print(keeping.ADVICE.format(dir=arguments.dir), file=sys.stderr)
    return exits.DONE


def join(arguments: argparse.Namespace) -> int:
    """Join a hub."""
    folder = Folder(arguments.dir, "home")
    invitation = parse(text_or_file(arguments.invitation))
    if invitation.code != folder.config.code:
        raise BadInvitation(f"it is for {invitation.code}, this is {folder.config.code}")
    url = require_loopback(arguments.hub or invitation.url)
    with writing(folder) as store:
        if arguments.offline:
            journeys.join_offline(folder, invitation, url, store)
            print(f"{folder.config.name} asks the county with its next bundle: make one with `bundle`")
            return exits.DONE
        county = asyncio.run(joining.join(url, invitation, store.signer))
        journeys.forget(folder, invitation.hub_key, store.log)
        folder.save_config(hub=Hub(url=url, key=invitation.hub_key.hex(), name=county))
        store.files.offer_again(store.log)  # this hub may be a new one
    print(f"{folder.config.name} belongs to {county} now ({url})")
    return exits.DONE


def import_facts(arguments: argparse.Namespace) -> int:
    """Import a file of facts."""
    folder = Folder(arguments.dir, "home")
    if not arguments.file.is_file():
        raise Refused(f"找不到文件 {arguments.file}", f"{arguments.file} is not a file")
    if sheets.is_sheet(arguments):
        return sheets.import_sheet(homes_of, arguments)
    with heeded() as heeding, scribing(folder) as (store, scribe):
        if any(branch.coming for branch in store.branches()):  # what is known is learned from what is here
            raise Refused(
                "本家以前的记录还没有全部取回，现在导入会重复登记：请先运行 sync，取回之后再导入",
                "the home's earlier records are still coming, and would be recorded twice: run `sync` first",
            )
        importer = Importer(store, scribe, folder.config.code, system_clock(), all_sites=arguments.all)
        with bar("reading the log", store.size(store.log)) as progress:
            importer.learn_log(heeding(progress))
        with bar("import", arguments.file.stat().st_size) as progress:
            done = importer.run(arguments.file, heeding(progress))
    erased = f", {done.erased} about erased subjects" if done.erased else ""
    print(f"{done.recorded} recorded, {done.known} known from before, {done.elsewhere} of other homes{erased}")
    return exits.DONE


def serve(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from site_node.app import run

    return run(Folder(arguments.dir, "home"), arguments.listen, arguments.exchange_every, system_clock())


def sync(arguments: argparse.Namespace) -> int:
    """One exchange now."""
    folder = Folder(arguments.dir, "home")
    _require_joined(folder)
    with writing(folder) as store:
        clock = system_clock()
        obey = partial(erasing.erase_in, folder, store, homes_of(folder), clock=clock)
        exchanger = Exchanger(folder, store, clock, obey)
        with bar("exchange", store.size(store.log)) as progress:
            asyncio.run(exchange_now(exchanger, progress))
        recorded, held = healing.sizes(store)
        waiting = recorded - held
        pictures = store.files.count()[1]
    behind = f", {pictures} photographs are waiting" if pictures else ""
    print(f"the county holds {held} entries, {waiting} are waiting{behind}")
    return exits.DONE if waiting == 0 else exits.PROMISE_FAILED


def _require_joined(folder: Folder) -> None:
    if folder.config.hub is None:
        raise RefusedByPeer("joined", f"{folder.config.name} has not joined a county: use `join` with its invitation")


def status(arguments: argparse.Namespace) -> int:
    """What is recorded, and what the county has."""
    folder = Folder(arguments.dir, "home")
    cli.show(status_of(folder, returning.counted(folder, homes_of(folder)), system_clock()), arguments.json)
    return exits.DONE


def _root(store: StoredLog, size: int) -> str | None:
    """The own log's root; None where a page of it cannot be read: all the rest is shown."""
    try:
        return store.root(store.log, size).hex()
    except LogCorrupt:
        return None


def status_of(folder: Folder, counts: returning.Counts | None, clock: Clock) -> dict[str, Any]:
    """The home's state as JSON; fields of a home that never joined are null."""
    with reading(folder) as store:
        size = store.size(store.log)
        recorded, held = healing.sizes(store)
        backed_up, epoch = healing.backed_up(store)
        fetched = sum(branch.size for branch in store.branches()) - recorded
        healed = incarnations.shown(store)
        root = _root(store, size)
        receipts = receipt_series.count(store, store.log)
        pictures, pictures_waiting = store.files.count()
        pictures_coming = store.files.coming()
        damaged = damages.shown(store)
        day = today.of(store, clock)
        state = folder.exchange_state()
        awaited = coming.shown(store, state, clock())
    joined = folder.config.hub is not None
    on_hold = sum(counts.on_hold.values()) if counts is not None else None
    return {
        "code": folder.config.code,
        "name": folder.config.name,
        "log": store.log.hex(),
        "entries": recorded,
        "at_the_county": held if joined else None,
        "waiting": recorded - held if joined else None,
        "returned": sum(counts.returned.values()) if joined and counts is not None else None,
        "size": size,
        "root": root,
        "last_exchange": rfc3339(state.last_exchange_ms) if state.last_exchange_ms is not None else None,
        "clock_offset_s": state.clock_offset_s,
        "backed_up": backed_up if joined else None,
        "epoch": epoch if joined else None,
        "fetched": fetched,
        "coming": awaited if joined else None,
        "healed": healed,
        "county": (folder.config.hub.name or None) if folder.config.hub else None,
        "receipts": receipts,
        "exchanges": state.exchanges,
        "retries": state.retries,
        "last_failure": state.last_failure or None,
        "damaged": damaged,
        "photos": pictures,
        "photos_waiting": pictures_waiting if joined else None,
        "photos_coming": pictures_coming if joined else None,
        **scrubbing.shown(folder),
        **reserve.shown(folder.path),
        "last_backup": folder.last_backup(clock()),
        "today": day.date.isoformat(),
        "clock_warning": day.banner or None,
        "on_hold": on_hold,
        "on_hold_words": returning.on_hold_words(on_hold),
    }
