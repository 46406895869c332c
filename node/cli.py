"""What both command lines share: form, `--json`, and the commands that only read."""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import json
import math
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from domain.errors import Refused
from node import erasing, exits, reading
from node.clock import system_clock
from node.folder import Folder, Kind
from node.opening import HomesOf
from node.progress import bar
from sync import above
from sync.verify import Verdict, verify
from sync.verify_files import FilesVerdict, verify_files

COLLECT_AFTER = (100_000, 50, 100)
"""Folds keep many small values alive and make no cycles: measured, an import gains a third, a rebuild doubles."""

Run = Callable[[argparse.Namespace], int]


class Commands(Protocol):
    """Where subcommands are added: argparse's own object has no public type."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser: ...


def parser(prog: str, description: str) -> tuple[argparse.ArgumentParser, Commands]:
    """An argument parser and the place for its commands."""
    top = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog="Exit codes: 0 done, 1 a promise failed, 2 usage, 3 in use, 4 damaged, 5 unreachable, 6 refused, "
        "7 newer than the program.",
    )
    return top, top.add_subparsers(metavar="COMMAND", required=True)


def add(commands: Commands, name: str, run: Run, help_text: str, *, as_json: bool = False) -> argparse.ArgumentParser:
    """A command about a data folder."""
    made = commands.add_parser(name, help=help_text, description=help_text)
    made.add_argument("dir", type=Path, metavar="DIR", help="the node's data folder")
    if as_json:
        made.add_argument("--json", action="store_true", help="print JSON instead of text")
    made.set_defaults(run=run)
    return made


def main(top: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Run what the command line asks for; its exit code."""
    gc.set_threshold(*COLLECT_AFTER)
    arguments, beyond = top.parse_known_args(argv)
    if beyond:  # argparse gives up on `field=value` words that follow options
        if not hasattr(arguments, "fields") or any(word.startswith("-") for word in beyond):
            top.error(f"unrecognized arguments: {' '.join(beyond)}")
        arguments.fields += beyond
    return exits.run(lambda: int(arguments.run(arguments)))


def show(value: Any, as_json: bool) -> None:
    """Print a JSON object, or its content as lines a person reads."""
    if as_json:
        print(json.dumps(value, ensure_ascii=False))
        return
    print("\n".join(_lines(value)))


def _lines(value: Any, indent: str = "") -> list[str]:
    match value:
        case dict():
            lines = []
            for key, item in value.items():
                if isinstance(item, dict | list) and item:
                    lines += [f"{indent}{key}:", *_lines(item, indent + "  ")]
                else:
                    lines.append(f"{indent}{key}: {_word(item)}")
            return lines
        case list():
            return [line for item in value for line in _item(item, indent)]
        case _:
            return [f"{indent}{_word(value)}"]


def _item(item: Any, indent: str) -> list[str]:
    lines = _lines(item, indent + "  ")
    return [f"{indent}- {lines[0].strip()}", *lines[1:]] if lines else []


def _word(value: Any) -> str:
    if value is None or value in ({}, []):
        return "-"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def interval_s(text: str) -> float:
    """An interval as typed, in seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"an interval is a number of seconds above 0, found {text!r}")
    return seconds


def subject_id(text: str) -> bytes:
    """A subject's id as typed: a UUID, with or without dashes."""
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        raise argparse.ArgumentTypeError(f"a subject's id is a UUID, found {text!r}") from None


def date(text: str) -> dt.date:
    """A date as typed."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a date is written like 2025-03-01, found {text!r}") from None


def add_reading(commands: Commands, kind: Kind, homes_of: Callable[[Folder], HomesOf]) -> None:
    """The commands that only read, the same at a home and at the hub."""

    def folder(arguments: argparse.Namespace) -> Folder:
        return Folder(arguments.dir, kind)

    def children(arguments: argparse.Namespace) -> int:
        opened = folder(arguments)
        show(reading.children(opened, homes_of(opened)), arguments.json)
        return exits.DONE

    def child(arguments: argparse.Namespace) -> int:
        opened = folder(arguments)
        found = reading.child(opened, homes_of(opened), arguments.id)
        if found is None:
            print(f"no child has the id {uuid.UUID(bytes=arguments.id)} here", file=sys.stderr)
            return exits.REFUSED
        show(found, arguments.json)
        return exits.DONE

    def subject(arguments: argparse.Namespace) -> int:
        opened = folder(arguments)
        found = reading.subject(opened, homes_of(opened), arguments.id)
        if found is None:
            print(f"nothing readable is recorded about {uuid.UUID(bytes=arguments.id)} here", file=sys.stderr)
            return exits.REFUSED
        show(found, arguments.json)
        return exits.DONE

    def history(arguments: argparse.Namespace) -> int:
        show(reading.history(folder(arguments), arguments.subject), arguments.json)
        return exits.DONE

    def digest(arguments: argparse.Namespace) -> int:
        opened = folder(arguments)
        show(reading.digest(opened, homes_of(opened)), arguments.json)
        return exits.DONE

    add(commands, "children", children, "list the children", as_json=True)
    made = add(commands, "child", child, "show one child's file, conflicts included", as_json=True)
    made.add_argument("id", type=subject_id, metavar="ID", help="the child's id")
    made = add(
        commands, "subject", subject, "show what is known of any subject: a grant, a case, a report …", as_json=True
    )
    made.add_argument("id", type=subject_id, metavar="ID", help="the subject's id")
    made = add(commands, "history", history, "show every entry about a subject", as_json=True)
    made.add_argument("subject", type=subject_id, metavar="SUBJECT", help="the subject's id")
    add(commands, "digest", digest, "a fingerprint of every table: equal entries give equal digests", as_json=True)
    rebuild_help = "build the read models anew and compare"
    made = add(commands, "rebuild", lambda a: _rebuild(folder(a), homes_of, a), rebuild_help, as_json=True)
    made.add_argument("--fresh", action="store_true", help="fold every entry now, whatever an interrupted rebuild left")
    verify_help = "read every entry again and check it against the tree and the signatures"
    add(commands, "verify", lambda a: _verify(folder(a), a.json), verify_help, as_json=True)


def add_erasing(
    commands: Commands,
    kind: Kind,
    homes_of: Callable[[Folder], HomesOf],
    before: erasing.Before = erasing.nothing_before,
) -> None:
    """The command that takes content away for ever; at the hub it also orders the homes that hold it to do so."""

    def erase(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, kind)
        subjects, by, ground = arguments.subject, arguments.by.strip(), arguments.ground.strip()
        if not by or not ground:
            raise Refused("请填写办理人和依据", "an erasure names who carries it out and on what ground")
        if not arguments.yes and not _confirmed(len(subjects)):
            print("nothing was erased", file=sys.stderr)
            return exits.REFUSED
        erased = erasing.erase(folder, homes_of(folder), subjects, by, ground, system_clock(), before)
        show(erased, arguments.json)
        return exits.DONE

    made = add(commands, "erase", erase, "erase all content about subjects on this node, for ever", as_json=True)
    made.add_argument("subject", type=subject_id, nargs="+", metavar="SUBJECT", help="a subject's id")
    made.add_argument("--by", required=True, metavar="WORKER", help="who carries it out")
    made.add_argument("--ground", required=True, metavar="TEXT", help="on what ground; it is kept: name no child in it")
    made.add_argument("--yes", action="store_true", help="do not ask again")


def _confirmed(count: int) -> bool:
    print(
        f"将永远删除关于 {count} 个对象的全部内容：先是这台电脑，联系上以后还有县里、上级和收到过这些内容的其他家；"
        f"任何人都不能恢复。 (All content about {count} subject(s) will be gone for ever: from this node and, once "
        "they are reached, from the county, the hubs above and other homes that hold it. Nobody can bring it back.)"
    )
    try:
        return input("Type ERASE to go on: ").strip() == "ERASE"
    except EOFError:
        return False


def _rebuild(folder: Folder, homes_of: Callable[[Folder], HomesOf], arguments: argparse.Namespace) -> int:
    result = reading.rebuild(folder, homes_of(folder), fresh=arguments.fresh)
    show(result, arguments.json)
    if not result["equal"]:
        print("the rebuilt read models differ from the live ones: the rebuilt ones are in place now", file=sys.stderr)
    return exits.DONE if result["equal"] else exits.PROMISE_FAILED


def _verify(folder: Folder, as_json: bool) -> int:
    with reading.log_of(folder) as store:
        hub_key = bytes.fromhex(folder.config.hub.key) if folder.config.hub else None
        store.require_sound()
        with bar("verify", store.position()) as progress:
            verdict = verify(store, hub_key, progress)
        with bar("photographs", store.files.count()[0]) as progress:
            pictures = verify_files(store, progress)
        above_bad = above.first_bad(store, hub_key) if hub_key is not None and verdict.ok else ""
    found = _verdict_json(verdict, pictures)
    show(found | {"ok": False, "above": above_bad} if above_bad else found, as_json)
    if above_bad:
        print(f"{above_bad}.", file=sys.stderr)
    if verdict.first_bad is not None:
        bad = verdict.first_bad
        advice = "Stop writing here, keep this folder as it is, and put back a backup into another one."
        print(f"entry {bad.seq} of log {bad.log.hex()}: {bad.why}. {advice}", file=sys.stderr)
    for picture in pictures.bad:
        print(f"{picture.why}. Put it back from a backup; the log itself holds.", file=sys.stderr)
    return exits.DONE if verdict.ok and not (pictures.bad or above_bad) else exits.PROMISE_FAILED


def _verdict_json(verdict: Verdict, pictures: FilesVerdict) -> dict[str, Any]:
    bad = verdict.first_bad
    found = {"position": bad.position, "log": bad.log.hex(), "seq": bad.seq, "why": bad.why} if bad else None
    bad_pictures = [{"name": one.name.hex(), "why": one.why} for one in pictures.bad]
    return {
        "ok": verdict.ok and not bad_pictures,
        "compared": verdict.compared,
        "first_bad": found,
        "photos": {"compared": pictures.compared, "bad": bad_pictures},
    }
