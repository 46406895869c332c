"""R20 with the entries that cause each difference: a report as known then beside the same report as known now."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from domain import schema
from domain.differing import Change, changes
from domain.reporting import value_json
from node.clock import rfc3339
from node.reporting import Made
from node.views import HomeOf
from sync.batch import Entry
from sync.entry import EXT_FIRST_ID
from sync.stored_log import StoredLog

ENTRIES_MAX: Final = 1000  # named of one change; how many there are is always said


def compared(before: Made, after: Made, store: StoredLog, home_of: HomeOf) -> dict[str, Any]:
    """What differs between two states of one report, figure by figure and part by part."""
    causes: dict[bytes, list[dict[str, Any]]] = {}
    found = list(changes(before.figures, after.figures))
    for subject in frozenset[bytes]().union(*(one.subjects for one in found)):
        entries = store.entries_of_subject(subject)
        causes[subject] = [_entry_json(one, home_of) for one in entries if one.seq > before.sizes.get(one.log, 0)]
    return {
        "report": "R20",
        "of": after.number,
        "as_of": after.asked.as_of.isoformat(),
        "period": after.asked.period.text,
        "changes": [_change_json(one, after, before, causes) for one in found],
        "before": dict(before.provenance),
        **after.provenance,
    }


def _change_json(
    one: Change, after: Made, before: Made, causes: Mapping[bytes, Iterable[dict[str, Any]]]
) -> dict[str, Any]:
    label = (after.figures.get(one.figure) or before.figures[one.figure]).label
    entries = sorted((cause for subject in one.subjects for cause in causes[subject]), key=_order)
    return {
        "figure": one.figure,
        **label._asdict(),
        "split": one.split,
        "key": one.key,
        "before": None if one.before is None else value_json(one.before),
        "after": None if one.after is None else value_json(one.after),
        "count": len(entries),
        "entries": entries[:ENTRIES_MAX],
    }


def _order(entry: dict[str, Any]) -> tuple[str, int]:
    return entry["log"], entry["seq"]


def _entry_json(entry: Entry, home_of: HomeOf) -> dict[str, Any]:
    body = entry.body()
    if body is None:
        return {"log": entry.log.hex(), "seq": entry.seq, "home": home_of(entry.log), "type": None}
    meta = schema.meta(body.type)
    return {
        "id": (body.extensions.get(EXT_FIRST_ID) or entry.id).hex(),
        "log": entry.log.hex(),
        "seq": entry.seq,
        "home": home_of(entry.log),
        "type": body.type,
        "label": meta.label if meta else body.type,
        "subject": str(uuid.UUID(bytes=body.subject)),
        "by": body.actor,
        "recorded_at": rfc3339(body.recorded_at_ms),
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """As a person reads it on the screen."""
    if not found["changes"]:
        return ["两次之间没有差别 (no difference)"]
    shown = []
    for one in found["changes"]:
        part = f"（{one['split']} {one['key']}）" if one["split"] else ""
        shown.append(f"{one['zh']}{part}：{_word(one['before'])} → {_word(one['after'])}　{one['count']} 条记录")
        if not part:
            shown += [f"    {_cause(entry)}" for entry in one["entries"]]
    return shown


def _cause(entry: Mapping[str, Any]) -> str:
    where = f"{entry['home']} 第 {entry['seq']} 条"
    return f"{where} {entry['label']} {entry['by']} {entry['recorded_at']}" if entry["type"] else f"{where} 已删除"


def _word(value: Any) -> str:
    if value is None:
        return "无"
    return f"{value['percent']}%" if isinstance(value, dict) else str(value)
