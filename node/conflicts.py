"""The commands with which people see conflicts and settle them, at a home and at the hub.

`settle` names what was shown: `--shown` carries the fingerprint that `conflicts` printed with the values. Where the
field has moved since, nothing is stored and its values are shown again. A settlement is an ordinary edit that has seen
every value; who had not seen it stands beside it as a new conflict.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

from domain import conflicts as words
from domain import forms
from domain.card import typed
from domain.childfile import plain
from domain.codec import Unfit
from domain.commands import SettleConflict
from domain.conflicts import Conflict, conflicts_of, fingerprint
from domain.decide import decide
from domain.errors import BadField, FieldMoved, NoConflict, Refused, TooNew
from domain.folding import Folding
from domain.registers import Head
from domain.state import State
from node import cli, deciding, desk, exits
from node.clock import rfc3339, system_clock
from node.desk import Asked
from node.folder import Folder, Kind
from node.opening import HomesOf, current_views
from node.views import Views
from sync.store import Store

NAMED: Final = ("child", "home", "worker")  # tables whose rows have a name
Shown = dict[str, Any]


def add_reading(commands: cli.Commands, kind: Kind, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`conflicts`."""

    def show(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, kind)
        with current_views(folder, homes_of(folder)) as (_, views):
            found = listed(views)
        _print({"conflicts": found}, found, arguments)
        return exits.DONE

    cli.add(commands, "conflicts", show, "every field with several values that nobody has chosen from", as_json=True)


def add_settling(commands: cli.Commands, kind: Kind, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`settle`."""

    def settle(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, kind)
        by = arguments.by.strip()
        if not by:
            raise Refused("请填写办理人", "a settlement names who decided it")
        asked = {"subject": arguments.subject.hex(), "field": arguments.field, "value": arguments.value,
                 "shown": arguments.shown, "by": by}  # fmt: skip
        done = desk.carry_out(folder, homes_of(folder), "settle", settle_field, asked, system_clock())
        if "moved" in done:
            print(done["why"], file=sys.stderr)
            _print(done, [done["moved"]], arguments)
            return exits.REFUSED
        cli.show(done, arguments.json)
        return exits.DONE

    made = cli.add(commands, "settle", settle, "choose the value of a contested field", as_json=True)
    made.add_argument("subject", type=cli.subject_id, metavar="SUBJECT", help="the subject's id")
    made.add_argument("field", metavar="FIELD", help="the field, as `conflicts` names it")
    made.add_argument("value", metavar="VALUE", help="the number of a shown value, or another value; =3 is the value 3")
    made.add_argument("--by", required=True, metavar="WORKER", help="who decided it")
    made.add_argument("--shown", metavar="PRINT", help="what `conflicts` printed with the values that you chose from")


# -- seeing


def listed(views: Views) -> list[Shown]:
    """Every contested field with its values, by subject and field."""
    names = {subject: name for table in NAMED for subject, name in views.query(f"SELECT subject, name FROM {table}")}  # noqa: S608 -- our names
    found: dict[tuple[bytes, str], Shown] = {}
    for subject, field, number, entry, log, seq, home, actor, at, value, wins, why in views.rows_of("conflict"):
        one = found.get((subject, field))
        if one is None:
            one = found[subject, field] = _field_json(subject, field, names.get(subject))
        one["values"].append(_value_json(field, number, entry, log, seq, home, actor, at, json.loads(value), wins))
        if wins:
            _explain(one, why)
    for one in found.values():
        one["shown"] = fingerprint(bytes.fromhex(value["id"]) for value in one["values"])
    return list(found.values())


def _field_json(subject: bytes, field: str, name: str | None) -> Shown:
    zh, en = words.label(field)
    return {"subject": str(uuid.UUID(bytes=subject)), "name": name, "field": field, "label_zh": zh, "label_en": en,
            "shown": "", "provisional": None, "why": "", "why_zh": "", "why_en": "", "values": []}  # fmt: skip


def _value_json(
    field: str, number: int, entry: bytes, log: bytes, seq: int, home: str, by: str, at: int, value: Any, wins: int
) -> Shown:
    return {"number": number, "value": value, "text": words.words(field, value), "by": by, "home": home,
            "at": rfc3339(at), "log": log.hex(), "seq": seq, "id": entry.hex(), "provisional": bool(wins)}  # fmt: skip


def _explain(one: Shown, why: str) -> None:
    zh, en = words.WHY[why]
    one |= {"provisional": one["values"][-1]["value"], "why": why, "why_zh": zh, "why_en": en}


def _print(whole: Shown, found: list[Shown], arguments: argparse.Namespace) -> None:
    if arguments.json:
        cli.show(whole, True)
    else:
        print("\n".join(_lines(found, str(arguments.dir))) or "没有需要处理的冲突 / no conflicts")


def _lines(found: Iterable[Shown], folder: str) -> Iterable[str]:
    for one in found:
        yield f"{one['name'] or one['subject']} · {one['label_zh']} / {one['label_en']}"
        for value in one["values"]:
            mark = f"  ← 暂用：{one['why_zh']} / used for now: {one['why_en']}" if value["provisional"] else ""
            who = f"{value['by']}（{value['home'] or '县里 / county'}，{value['at']}）"
            yield f"  {value['number']}. {value['text']}  {who}{mark}"
        if len(one["values"]) > 1:
            command = f"settle {folder} {one['subject']} {one['field']} NUMBER --by WHO --shown {one['shown']}"
            yield f"  处理 / to settle: {command}"


# -- settling


def settle_field(store: Store, homes_of: HomesOf, asked: Asked, now_ms: int) -> Shown:
    """Record the choice; or say that the field has moved, and what it holds now."""
    subject, field, shown = bytes.fromhex(asked["subject"]), str(asked["field"]), asked["shown"]
    home_of = homes_of(store)
    chosen: list[Any] = []

    def wished(folding: Folding) -> deciding.Wished:
        state = folding.state()
        conflict = next((one for one in conflicts_of(state) if one.field == field), None)
        heads = conflict.heads if conflict else state.heads(field)
        if shown is not None and shown != fingerprint(head.id for head in heads):
            raise _Moved(subject, field, state, conflict, heads)
        if conflict is None:
            raise NoConflict(field)
        value = _chosen(str(asked["value"]), field, heads, state)
        chosen[:] = [value]
        saw = tuple(uuid.UUID(bytes=head.id) for head in heads)
        wish = SettleConflict(home=home_of(store.log), field=field, value=value, saw=saw)
        return deciding.Wished(decide(state, wish), _seen(folding, field, heads))

    try:
        (done,) = deciding.record(store, home_of, subject, str(asked["by"]), now_ms, wished)
    except _Moved as moved:
        return {"moved": moved.shown, "why": exits.sentence(moved)}
    return {"subject": str(uuid.UUID(bytes=subject)), "field": field, "value": chosen[0], "id": done.id.hex(),
            "seq": done.seq}  # fmt: skip


class _Moved(FieldMoved):
    """The field holds other values than those that were shown."""

    def __init__(
        self, subject: bytes, field: str, state: State, conflict: Conflict | None, heads: Iterable[Head]
    ) -> None:
        super().__init__(field)
        wins = conflict.wins if conflict else None
        self.shown = _field_json(subject, field, state.value("name"))
        ordered = sorted(heads, key=lambda head: head.order)
        for number, head in enumerate(ordered, 1):
            value = _value_json(field, number, head.id, head.log, head.seq, head.home, head.by, head.at,
                                plain(head.value), int(head is wins))  # fmt: skip
            self.shown["values"].append(value)
            if conflict and head is wins:
                _explain(self.shown, conflict.why)
        self.shown["shown"] = fingerprint(head.id for head in ordered)


def _chosen(text: str, field: str, heads: tuple[Head, ...], state: State) -> Any:
    """The value (JSON form) that a number or a text stands for."""
    if text.isascii() and text.isdecimal():
        if not 1 <= int(text) <= len(heads):
            raise BadField("VALUE", text, f"a number from 1 to {len(heads)}, or ={text} for the value itself")
        return plain(heads[int(text) - 1].value)
    value = text.removeprefix("=")
    if field.startswith("fact:"):
        return value
    try:
        return plain(typed(field, value, state.kind))
    except Unfit as trouble:
        raise BadField("VALUE", trouble.found, trouble.expected) from None


def _seen(folding: Folding, field: str, heads: tuple[Head, ...]) -> forms.Version:
    """What whoever was shown these values has seen; raises TooNew where that cannot be said."""
    newest: dict[bytes, int] = {}
    for log, seq in (forms.place_of(head, folding) for head in heads):
        newest[log] = max(seq, newest.get(log, 0))
    readable = forms.version_of(folding.taken(), newest)
    if any(not forms.shows(readable, head, folding) for head in heads):
        raise TooNew(field)
    return readable


TASKS: Final[dict[str, desk.Task]] = {"settle": settle_field}
