"""The auditors' command line: `hub-audit` reads a hub's or a home's folder and changes nothing in it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from central_hub import county_due
from central_hub.cli import behind, homes_of, tables_of
from node import (
    cli,
    conflicts,
    duties,
    exits,
    filed_commands,
    incarnations,
    photos,
    report_commands,
    returning,
)
from node.brackets import receipt_json
from node.clock import rfc3339
from node.folder import Folder
from node.opening import reading
from sync import receipt_series
from sync.log_schema import Kind
from sync.signed_notes import note_of
from sync.stored_log import StoredLog


def main(argv: Sequence[str] | None = None) -> int:
    """Run `hub-audit`."""
    top, commands = cli.parser(
        "hub-audit", "审计 — reads the county's log: who wrote what, when, and whether it still holds."
    )
    cli.add(
        commands,
        "logs",
        logs,
        "every log that is held, with its last signed checkpoint and receipt; when the hub was restored",
        as_json=True,
    )
    made = cli.add(commands, "checkpoint", checkpoint, "a log's last checkpoint and receipt as a C2SP signed note")
    made.add_argument("log", metavar="LOG", help="the log's id, 32 hex digits")
    help_text = "the first and the last receipt for each size of a log, with what both clocks said then"
    made = cli.add(commands, "receipts", receipts, help_text, as_json=True)
    made.add_argument("log", metavar="LOG", help="the log's id, 32 hex digits")
    cli.add_reading(commands, "hub", homes_of)
    conflicts.add_reading(commands, "hub", homes_of)
    returning.add_reading(commands, "hub", homes_of)
    report_commands.add_command(commands, "hub", homes_of, behind, tables_of)
    filed_commands.add_listing(commands, "hub", homes_of)
    county_due.add_command(commands, homes_of)
    photos.add_reading(commands, "hub")
    duties.add_rules(commands, "hub", homes_of)
    duties.add_compliance(commands, "hub", homes_of)
    return cli.main(top, argv)


def logs(arguments: argparse.Namespace) -> int:
    """Every log with its last checkpoint; what came of the hub above's own log is vouched for by its outbox."""
    with reading(Folder(arguments.dir, "hub")) as store:
        found = [_log_json(store, branch.log, branch.size) for branch in store.branches() if branch.kind != Kind.PART]
        healed = incarnations.shown(store)
    cli.show({"logs": found, "healed": healed}, arguments.json)
    return exits.DONE


def _log_json(store: StoredLog, log: bytes, size: int) -> dict[str, Any]:
    kept = store.last_checkpoint(log, with_receipt=True)
    receipt = kept.receipt if kept else None
    return {
        "log": log.hex(),
        "size": size,
        "root": store.root(log, size).hex(),
        "receipt_size": kept.size if kept and receipt else None,
        "receipt_at": rfc3339(int.from_bytes(receipt[:8], "big") * 1000) if receipt else None,
    }


def receipts(arguments: argparse.Namespace) -> int:
    """The series of a log's receipts."""
    with reading(Folder(arguments.dir, "hub")) as store:
        held = any(branch.log.hex() == arguments.log for branch in store.branches())
        found = (
            [receipt_json(kept) for kept in receipt_series.all_of(store, bytes.fromhex(arguments.log))]
            if held
            else None
        )
    if found is None:
        print(f"no log {arguments.log} is held here", file=sys.stderr)
        return exits.REFUSED
    cli.show({"receipts": found}, arguments.json)
    return exits.DONE


def checkpoint(arguments: argparse.Namespace) -> int:
    """A log's last checkpoint with its receipt."""
    with reading(Folder(arguments.dir, "hub")) as store:
        held = any(branch.log.hex() == arguments.log for branch in store.branches())
        note = note_of(store, bytes.fromhex(arguments.log), store.identity.public_key) if held else None
    if note is None:
        print(f"no signed checkpoint of log {arguments.log} is held here", file=sys.stderr)
        return exits.REFUSED
    print(note.format(), end="")
    return exits.DONE
