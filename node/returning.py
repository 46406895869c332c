"""The commands with which people see what was received and not applied, and mend it.

A repair is ordinary events that name the entry: corrections of a fact that was dated wrong; for everything else a
withdrawal and the entry as it should have been, stored together or not at all. Before anything is stored the subject is
folded with them: what would be returned again is refused with the reason. Both sides fold the same entries, so the
count goes down here at once and at the county with the next exchange.
"""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import apsw

from domain import returning, schema
from domain.card import Unfit
from domain.commands import CorrectFact, WithdrawFact, wish
from domain.decide import decide
from domain.errors import BadField, Refused
from domain.event import Event, UnreadableEvent, changed
from domain.folding import Folding, fold
from domain.records import Record
from domain.returning import Refusal
from domain.schema import fit
from node import cli, damages, deciding, desk, exits
from node.clock import rfc3339, system_clock
from node.desk import Asked
from node.folder import Folder, Kind
from node.opening import HomesOf, current_views
from node.views import Views
from sync.errors import FolderInUse, LogCorrupt
from sync.store import Store


class Counts(NamedTuple):
    """How many entries of each log are not applied: returned, or waiting for entries that they name."""

    returned: Mapping[bytes, int]
    on_hold: Mapping[bytes, int]


ID_DIGITS: Final = 32


# -- seeing


def counts_in(views: Views) -> Counts:
    """How many entries of each log are returned, and on hold."""
    return Counts(
        dict(views.query("SELECT log, count(*) FROM returned GROUP BY log")),
        dict(views.query("SELECT log, count(*) FROM on_hold GROUP BY log")),
    )


def on_hold_words(count: int | None) -> str | None:
    """What entries on hold are, for a person; None where there are none."""
    if not count:
        return None
    return (
        f"有{count}条记录在等另一条记录：它们更正、撤回或选定的内容这里还没有收到，收到以后自动生效，不用办理 "
        f"({count} entries wait for others that they correct, withdraw or settle and that have not come yet: they will "
        "count by themselves)"
    )


def counted(folder: Folder, homes_of: HomesOf) -> Counts | None:
    """The same, up to the newest entry; None where the read models cannot be brought up to date just now."""
    try:
        with current_views(folder, homes_of) as (_, views):
            return counts_in(views)
    except (FolderInUse, LogCorrupt):
        return None
    except (apsw.FullError, apsw.IOError, apsw.BusyError, apsw.ReadOnlyError, apsw.CantOpenError):
        return None


def listed(views: Views) -> list[dict[str, Any]]:
    """Every entry that is returned, by log and seq."""
    names = {subject: name for subject, name in views.query("SELECT subject, name FROM child")}  # noqa: C416
    found = []
    for subject, log, seq, entry, home, actor, at, kind, code, zh, en in views.rows_of("returned"):
        meta = schema.meta(kind)
        found.append({
            "id": entry.hex(), "subject": str(uuid.UUID(bytes=subject)), "name": names.get(subject),
            "type": kind, "label": meta.label if meta else kind, "home": home, "by": actor, "at": rfc3339(at),
            "log": log.hex(), "seq": seq, "code": code, "why_zh": zh, "why_en": en,
        })  # fmt: skip
    found.sort(key=lambda one: (one["home"], one["log"], one["seq"]))
    return found


def add_reading(commands: cli.Commands, kind: Kind, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`returned`."""

    def show(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, kind)
        with current_views(folder, homes_of(folder)) as (store, views):
            found = listed(views)
            damaged = damages.shown(store)
        if arguments.json:
            cli.show({"returned": found, "damaged": damaged}, True)
            return exits.DONE
        for lost in damaged:
            print(f"{lost['log']} {lost['seq']}\n  {lost['words']}")
        for one in found:
            who = f"{one['by']}，{one['home']}，{one['at']}"
            print(f"{one['id']}  {one['label']} · {one['name'] or one['subject']}（{who}）")
            print(f"  没有计入，因为：{one['why_zh']}")
            print(f"  returned, because {one['why_en']}")
        if not found:
            print("没有被退回的记录 / nothing was returned")
        elif kind == "home":
            print(f"更正 / to mend: site-node repair {arguments.dir} ID field=value … --by WHO, or --withdraw")
        return exits.DONE

    cli.add(commands, "returned", show, "entries that were received and are not applied, and why", as_json=True)


# -- mending


def add_repairing(commands: cli.Commands, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`repair`, which is the writing home's own."""

    def repair(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, "home")
        entry, by = arguments.entry.lower().replace("-", ""), arguments.by.strip()
        fields = dict(_pair(field) for field in arguments.fields)
        if not by or bool(fields) is arguments.withdraw:
            raise Refused("请填写办理人，并给出要更正的内容，或用 --withdraw 撤回",
                          "a repair names who does it, and gives field=value or --withdraw")  # fmt: skip
        with current_views(folder, homes_of(folder)) as (_, views):
            found = next((one for one in listed(views) if one["id"] == entry), None)
        if found is None:
            raise _not_returned(entry)
        asked = {"entry": entry, "subject": uuid.UUID(found["subject"]).hex, "fields": fields, "by": by}
        cli.show(desk.carry_out(folder, homes_of(folder), "repair", mend, asked, system_clock()), arguments.json)
        return exits.DONE

    made = cli.add(commands, "repair", repair, "mend an entry that was returned, or take it back", as_json=True)
    made.add_argument("entry", metavar="ENTRY_ID", help="the entry's id, as `returned` shows it")
    made.add_argument("--by", required=True, metavar="WORKER", help="who mends it")
    made.add_argument("--withdraw", action="store_true", help="take it back; it should not have been recorded")
    made.add_argument("fields", nargs="*", metavar="field=value", help="what it should say; `field=` leaves it out")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise BadField(name, name, "field=value")
    return name, value


def _not_returned(entry: str) -> Refused:
    return Refused(f"记录 {entry} 没有被退回", f"the entry {entry} is not among those returned")


def mend(store: Store, homes_of: HomesOf, asked: Asked, now_ms: int) -> dict[str, Any]:
    """Record what makes a returned entry apply, or take it back."""
    subject, entry, fields = bytes.fromhex(asked["subject"]), bytes.fromhex(asked["entry"]), dict(asked["fields"])
    home_of = homes_of(store)
    home = home_of(store.log)

    def wished(folding: Folding) -> deciding.Wished:
        found = next((pair for pair in returning.returned(folding.state()) if pair[0].id == entry), None)
        if found is None:
            raise _not_returned(asked["entry"])
        events = _repairs(folding, *found, home, fields)
        _require_cure(folding, entry, events, store.log, home)
        return deciding.Wished(events)

    done = deciding.record(store, home_of, subject, str(asked["by"]), now_ms, wished)
    return {"repaired": asked["entry"], "subject": str(uuid.UUID(bytes=subject)),
            "entries": [{"id": one.id.hex(), "seq": one.seq} for one in done]}  # fmt: skip


def _repairs(folding: Folding, record: Record, why: Refusal, home: str, fields: dict[str, str]) -> list[Any]:
    """The events that mend an entry, decided like any other."""
    if why.code == returning.REVOKED:
        raise Refused(
            "这台电脑已被县里停用，请联系县里恢复", "the county revoked this log: ask the county to reinstate it"
        )
    if record.home != home:
        raise Refused(f"这条记录是“{record.home}”写的，由它更正", f"{record.home!r} wrote this entry and mends it")
    target = uuid.UUID(bytes=record.id)
    back = decide(folding, WithdrawFact(home=home, target=target, reason=why.code))
    if not fields:
        return back
    if why.code == returning.STRANGER:
        raise Refused(f"{why.zh}；请用 --withdraw 撤回，再记到对的孩子名下",
                      f"{why.en}: take it back with --withdraw, and record it for the right child")  # fmt: skip
    if isinstance(record.event, UnreadableEvent):
        event = schema.mended(record.event.type, record.event.payload, fields)
        return [*back, *decide(folding, wish(home, event))]
    assert isinstance(record.event, Event)
    values = {name: _fitted(record.event, name, text) for name, text in fields.items()}
    if why.code == returning.EARLY:
        wishes = [CorrectFact(home=home, target=target, field=name, value=text) for name, text in fields.items()]
        return [event for one in wishes for event in decide(folding, one)]
    return [*back, *decide(folding, wish(home, changed(record.event, values)))]


def _fitted(event: Event, name: str, text: str) -> Any:
    try:
        return fit(type(event), name, text)
    except Unfit as trouble:
        raise BadField(name, trouble.found, trouble.expected) from None


def _require_cure(folding: Folding, entry: bytes, events: list[Any], log: bytes, home: str) -> None:
    """Refuse what would leave the entry returned, or be returned itself; what comes out follows from the fold alone."""
    known = list(folding.taken())
    seq, lamport = (1 + max(getattr(one, name) for one in known) for name in ("seq", "lamport"))
    trials = [
        Record(bytes(12) + i.to_bytes(4, "big"), None, log, seq + i, home, "", 0, lamport + i, {}, event)
        for i, event in enumerate(events)
    ]
    names = {entry, *(one.id for one in trials)}
    for record, why in returning.returned(fold(folding.kind, folding.subject, [*known, *trials])):
        if record.id in names:
            raise Refused(f"这样更正后仍不能计入：{why.zh}", f"it would be returned again: {why.en}")


TASKS: Final[dict[str, desk.Task]] = {"repair": mend}
