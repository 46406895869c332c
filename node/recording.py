"""`record`: one event as a person states it, at a home and at the county, also while `serve` runs.

The county's word (a decision on aid, a notice, a term) is an entry of the hub's own log about the same subject as the
homes' entries; nobody's entry is ever changed by it.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from domain import forms, schema, spelling
from domain.commands import wish
from domain.decide import decide
from domain.errors import BadField, Refused
from domain.event import Event
from domain.folding import Folding
from node import cli, deciding, desk, exits, lines, photos, policy, today
from node.clock import system_clock
from node.desk import Asked
from node.folder import Folder, Kind
from node.opening import HomesOf, reading
from node.progress import bar
from sync.store import Store

LINES: Final = "record-lines"


def add_command(commands: cli.Commands, kind: Kind, homes_of: Callable[[Folder], HomesOf]) -> None:
    """Add `record`."""

    def record(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, kind)
        if arguments.event is None and arguments.fields:  # options stood before it
            arguments.event = arguments.fields.pop(0)
        if not arguments.by.strip():
            raise Refused("请填写记录人", "an entry names who records it")
        if arguments.lines is not None:
            if arguments.event or arguments.subject or arguments.payload_json or arguments.shown:
                made.error("--lines FILE goes with --by alone: each line states its event, subject and fields")
            return _record_lines(folder, homes_of(folder), arguments)
        if not arguments.event or not arguments.subject:
            made.error("an EVENT and its --subject are required, or --lines FILE")
        fields = _spelled(folder, arguments.event, _fields(arguments))
        if arguments.shown is not None:
            forms.read(arguments.shown)
        subject = uuid.uuid4() if arguments.subject == "new" else uuid.UUID(bytes=_subject(arguments.subject))
        asked = {"event": arguments.event, "fields": fields, "subject": subject.hex, "by": arguments.by,
                 "shown": arguments.shown}  # fmt: skip
        done = desk.carry_out(folder, homes_of(folder), "record", record_event, asked, system_clock())
        print(json.dumps(done))
        return exits.DONE

    made = cli.add(commands, "record", record, "record one event, or a file of them")
    made.add_argument(
        "event", nargs="?", metavar="EVENT", help="its stored name, like home-visit-recorded/1: see `events`"
    )
    made.add_argument("--subject", metavar="ID|new", help="what it is about")
    made.add_argument(
        "--lines",
        type=Path,
        metavar="FILE",
        help='instead of one event a file of them, all or none: a line is {"event","subject","fields":{…}}',
    )
    made.add_argument("--by", required=True, metavar="WORKER", help="who records it")
    made.add_argument(
        "--payload-json", metavar="-|JSON", help="the payload as JSON, or - to read it from standard input"
    )
    made.add_argument(
        "--shown",
        metavar="VERSION",
        help="the version that `child --json` showed: if a field that this edits moved since, nothing is stored",
    )
    made.add_argument("fields", nargs="*", metavar="field=value", help="the payload, field by field")


def _record_lines(folder: Folder, homes_of: HomesOf, arguments: argparse.Namespace) -> int:
    path = arguments.lines.absolute()
    if not path.is_file():
        raise Refused(f"找不到文件 {path}", f"{path} is not a file")
    asked = {"path": str(path), "by": arguments.by}
    with path.open("rb") as file:
        count = sum(1 for line in file if line.strip())
    with bar("record", count) as show:
        task = partial(lines.record_lines, show=show)
        done = desk.carry_out(folder, homes_of, LINES, task, asked, system_clock(), lines.TIMEOUT_S)
    for number, notes in done.pop("notes").items():
        for field, note in notes.items():
            print(f"第{number}行 line {number}: {field}: {note}", file=sys.stderr)
    print(json.dumps(done, ensure_ascii=False))
    return exits.DONE


def _spelled(folder: Folder, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields in JSON form; what is typed is read here, once, so that what was assumed is what is recorded."""
    if "json" in fields:
        event_of(name, fields)  # what does not fit is said before anything is written
        return fields
    with reading(folder) as store:
        day = today.of(store, system_clock()).date
    found = spelling.read(name, fields["text"], day)
    for field, note in found.notes.items():
        print(f"{field}: {note}", file=sys.stderr)
    return {"json": schema.to_json(found.event)}


def record_event(store: Store, homes_of: HomesOf, asked: Asked, now_ms: int) -> dict[str, Any]:
    """Record what was asked, or refuse it."""
    subject = bytes.fromhex(asked["subject"])
    event = event_of(str(asked["event"]), asked["fields"])
    policy.require_other(event)
    version = None if asked["shown"] is None else forms.read(str(asked["shown"]))
    home_of = homes_of(store)
    code = home_of(store.log)

    def wished(folding: Folding) -> deciding.Wished:
        shown = {} if version is None else forms.shown_fields(folding, event, code, version)
        events = decide(folding, wish(code, event, shown))
        photos.require_here(store, events)
        return deciding.Wished(events, version)

    done = deciding.record(store, home_of, subject, str(asked["by"]), now_ms, wished)
    return {"id": done[0].id.hex(), "subject": str(uuid.UUID(bytes=subject)), "seq": done[0].seq}


def event_of(name: str, fields: Mapping[str, Any]) -> Event:
    """The event that was stated as `{"json": {…}}`. Raises Refused."""
    return schema.from_json(name, fields["json"])


def _subject(text: str) -> bytes:
    try:
        return cli.subject_id(text)
    except argparse.ArgumentTypeError:
        raise BadField("--subject", text, "a UUID, or new") from None


def _fields(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.payload_json is None:
        pairs = [field.partition("=") for field in arguments.fields]
        for name, equals, _ in pairs:
            if not equals:
                raise BadField(name, name, "field=value")
        return {"text": {name: value for name, _, value in pairs}}
    text = sys.stdin.read() if arguments.payload_json == "-" else arguments.payload_json
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise BadField("--payload-json", text[:60], f"a JSON object ({error})") from None
    if not isinstance(payload, dict):
        raise BadField("--payload-json", text[:60], "a JSON object")
    return {"json": payload}


TASKS: Final[dict[str, desk.Task]] = {"record": record_event, LINES: lines.record_lines}
