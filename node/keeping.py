"""Keeping a folder safe, the same at a home and at the hub: key slots, backups, restoring."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from node import cli, exits, incarnations, opening, passphrase
from node.clock import Clock, system_clock
from node.folder import CHECKPOINT_FILE, CONFIG_FILE, Folder, Kind
from node.progress import bar
from sync import backup, damage
from sync.errors import FolderError, VerificationError
from sync.slots import FILE, SLOTS_FILE, Slots, read_identities, read_recipient
from sync.small_file import sync_folder
from sync.stored_log import StoredLog
from sync.verify import verify
from sync.verify_files import verify_files

SMALL_FILES: Final = (CONFIG_FILE, CHECKPOINT_FILE)
ACTIONS: Final = ("add-passphrase", "add-file", "add-recovery", "remove", "rekey")
KEY_HELP: Final = (
    "show the slots that open this folder, add and remove them, or re-key it. A key file in the folder protects "
    "copies of the databases that travel without it; it does not protect the PC that it lies on. For that add a "
    "passphrase and remove the key file. A recovery slot lets the county open the folder when a passphrase is forgotten"
)
ADVICE: Final = (
    "Its databases are encrypted. The key file {dir}/node.key opens them: it protects copies that travel without it, "
    "not this PC. To be asked for a passphrase at every start instead: key {dir} add-passphrase, then key {dir} "
    "remove 1. So that the county can help when it is forgotten: key {dir} add-recovery AGE1…"
)


def add_commands(commands: cli.Commands, kind: Kind) -> None:
    """`key`, `backup` and `restore`."""
    made = cli.add(commands, "key", lambda a: key(a, kind), KEY_HELP, as_json=True)
    made.add_argument("action", nargs="?", choices=ACTIONS, metavar="ACTION", help="one of " + ", ".join(ACTIONS))
    made.add_argument(
        "value", nargs="?", metavar="VALUE", help="add-file: a path; add-recovery: AGE1…; remove: the slot's number"
    )
    made.add_argument("--identity", type=Path, metavar="FILE", help="open the folder with the county's age identity")
    made.add_argument("--yes", action="store_true", help="do not ask")
    made = cli.add(
        commands, "backup", lambda a: write(a, kind), "write an encrypted, verified backup, also while serving"
    )
    made.add_argument("file", type=Path, metavar="FILE", help="the new file")
    made.add_argument(
        "--to", action="append", default=[], metavar="AGE1…", help="who can open it (default: the recovery slots)"
    )
    made = commands.add_parser(
        "restore", help="make a new folder from a backup", description="make a new folder from a backup"
    )
    made.add_argument("file", type=Path, metavar="FILE", help="the backup")
    made.add_argument("dir", type=Path, metavar="DIR", help="the new folder")
    made.add_argument("--identity", type=Path, required=True, metavar="FILE", help="the age identity that opens it")
    made.set_defaults(run=lambda a: restore(a, kind))


def key(arguments: argparse.Namespace, kind: Kind) -> int:
    """Show or change the slots."""
    folder = Folder(arguments.dir, kind)
    if arguments.action is not None:
        _require_value(arguments)
        with folder.lock():
            if arguments.identity is not None:
                folder.open_with(Slots(folder.path).unlock(identities=read_identities(arguments.identity)))
            opening.finish_rekeying(folder)
            if arguments.action != "rekey":
                _change(folder, arguments)
        if arguments.action == "rekey":
            opening.rekey(folder)
            print("re-keyed; copies of the old files and old backups still open with what opened them before")
    slots = Slots(folder.path).slots
    shown: dict[str, Any] = {
        "slots": [{"slot": n, "kind": s.kind, "what": s.describe()} for n, s in enumerate(slots, 1)]
    }
    cli.show(shown, arguments.json)
    if not arguments.json and any(slot.kind == FILE for slot in slots):
        print("A key file protects copies that travel without it, not the PC that it lies on.")
    return exits.DONE


def _require_value(arguments: argparse.Namespace) -> None:
    wants = arguments.action in ("add-file", "add-recovery", "remove")
    if wants != (arguments.value is not None):
        raise FolderError(f"key DIR {arguments.action} takes {'one value' if wants else 'no value'}: see key --help")


def _change(folder: Folder, arguments: argparse.Namespace) -> None:
    slots = Slots(folder.path)
    match arguments.action:
        case "add-passphrase":
            slots.add_passphrase(folder.master, passphrase.fresh())
        case "add-file":
            slots.add_file(folder.master, os.path.relpath(Path(arguments.value).absolute(), folder.path.absolute())
                           if Path(arguments.value).absolute().is_relative_to(folder.path.absolute())
                           else str(Path(arguments.value).absolute()))  # fmt: skip
        case "add-recovery":
            slots.add_recovery(folder.master, arguments.value)
        case "remove":
            number = int(arguments.value) if arguments.value.isdecimal() else 0
            if 1 <= number <= len(slots.slots) and slots.slots[number - 1].kind == FILE and not arguments.yes:
                _ask_before_removing(slots.slots[number - 1].describe())
            print(f"removed: {slots.remove(number).describe()}")


def _ask_before_removing(what: str) -> None:
    question = f"Remove {what}? From then on every start needs another slot, like the passphrase. 确定删除吗？[y/N] "
    if not sys.stdin.isatty():
        raise FolderError("removing a key file asks first: run this at a terminal, or with --yes")
    if input(question).strip().lower() not in ("y", "yes", "是"):
        raise FolderError("nothing was removed")


def write(arguments: argparse.Namespace, kind: Kind, clock: Clock | None = None) -> int:
    """Write a backup."""
    folder = Folder(arguments.dir, kind)
    recipients = [read_recipient(text) for text in arguments.to or backup.recovery_recipients(folder.path)]
    if not recipients:
        raise FolderError(
            f"nobody could open a backup of {folder.path}: add the county's recovery slot "
            "(`key DIR add-recovery AGE1…`), or name a recipient with --to"
        )
    made_at_ms = (clock or system_clock())()
    described = {"kind": kind, "name": folder.config.name, "made_at_ms": made_at_ms}
    with opening.reading(folder) as store, bar("backup", backup.sources_size(folder.path)) as progress:
        made = backup.write_backup(store, arguments.file, recipients, SMALL_FILES, described, progress)
    folder.save_backup(made_at_ms, made.entries, made.covered)
    print(f"{arguments.file}: {made.entries} entries, {made.size_bytes:,} bytes, verified")
    return exits.DONE


def restore(arguments: argparse.Namespace, kind: Kind) -> int:
    """Make a new folder from a backup."""
    path: Path = arguments.dir
    if path.exists():
        raise FolderError(f"{path} exists already: a backup is never restored over a folder")
    if not arguments.file.is_file():
        raise FolderError(f"{arguments.file} is missing")
    identities = read_identities(arguments.identity)
    making = path.with_name(f"{path.name}.making-{os.getpid()}")
    try:
        making.mkdir(parents=True)
        with bar("restore", arguments.file.stat().st_size) as progress:
            header, master = backup.restore(arguments.file, making, identities, progress)
        if header.get("kind") != kind:
            raise FolderError(f"{arguments.file} is the backup of a {header.get('kind')}: restore it with its program")
        folder = Folder(making, kind)
        with closing(StoredLog(making, master)) as store:
            _require_whole(store, folder)
            covered = backup.covered(store)
        folder.open_with(master)
        incarnations.restored(folder, system_clock())
        folder.save_backup(int(header["made_at_ms"]), int(header["entries"]), covered)
        if path.exists():
            raise FolderError(f"{path} exists already: a backup is never restored over a folder")
        making.rename(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    print(f"{path}: {folder.config.name}, {header['entries']} entries, verified")
    print(f"A key file opens it now ({path / SLOTS_FILE}); add the passphrase again: key {path} add-passphrase")
    return exits.DONE


def _require_whole(store: StoredLog, folder: Folder) -> None:
    hub_key = bytes.fromhex(folder.config.hub.key) if folder.config.hub else None
    with bar("verify", store.position()) as progress:
        verdict = verify(store, hub_key, progress, [lack.position for lack in damage.lacking(store)])
    if verdict.first_bad is not None:
        bad = verdict.first_bad
        raise VerificationError(f"entry {bad.seq} of log {bad.log.hex()}: {bad.why}; nothing was restored")
    if bad_files := verify_files(store, lambda _: None).bad:
        raise VerificationError(f"{bad_files[0].why}; nothing was restored")
