"""What a person or a program can ask of a node: plain JSON values, made from the log and the read models."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from domain import forms, schema
from domain.childfile import plain as deep_plain
from domain.conflicts import conflicts_of
from domain.event import Event
from domain.folded import folded
from domain.folding import fold
from domain.records import Record
from domain.telling import tell
from domain.views import TABLES, VIEWS_VERSION, child_json
from node import opening
from node.brackets import bracket_json
from node.clock import rfc3339
from node.folder import Folder
from node.opening import HomesOf, current_views
from node.records import record_of
from node.revocation import Revocations
from node.views import HomeOf
from sync import erasure
from sync.batch import Entry
from sync.entry import ERASED, EXT_FIRST_ID, Body
from sync.stored_log import StoredLog

SET_ASIDE: Final = "这本日志在别处也写过，这一条已重新登记 (this log was also continued elsewhere: recorded again)"
RECORDED_AGAIN: Final = "恢复或复制之后重新登记，只算一次 (recorded again after a restore or a copy: counts once)"

RESUMED: Final = (
    "接着上次中断的重建做：前 {count} 条是上次折叠的，这次没有重新折叠。要全部重新折叠，请加 --fresh。 (This went on "
    "with a rebuild that was interrupted: {count} entries were folded by that one, and not again now. To fold every "
    "entry now, add --fresh.)"
)


@contextmanager
def log_of(folder: Folder) -> Iterator[StoredLog]:
    """The log, for reading."""
    with opening.reading(folder) as store:
        yield store


def row_json(table: str, row: tuple[Any, ...]) -> dict[str, Any]:
    """A row of a read model: its subject as `id`, other ids as UUID text."""
    columns = [name for name, _ in TABLES[table].columns]
    named = dict(zip(columns, row, strict=True))
    subject = named.pop("subject")
    return {"id": str(uuid.UUID(bytes=subject)), **{key: plain(value) for key, value in named.items()}}


def plain(value: Any) -> Any:
    """A stored value as JSON: 16 bytes are an id, other bytes are hex."""
    match value:
        case bytes():
            return str(uuid.UUID(bytes=value)) if len(value) == 16 else value.hex()
        case dict():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value


def children(folder: Folder, homes_of: HomesOf) -> dict[str, Any]:
    """Every child's row, sorted by home, name and id."""
    with current_views(folder, homes_of) as (_, views):
        found = [row_json("child", row) for row in views.rows_of("child")]
    found.sort(key=lambda c: (c.get("home") or "", c.get("name") or "", c["id"]))
    return {"children": found}


def child(folder: Folder, homes_of: HomesOf, subject: bytes) -> dict[str, Any] | None:
    """One child's folded file; None if no entry makes it a child."""
    with log_of(folder) as store:
        return child_of(store, homes_of(store), subject)


def child_of(store: StoredLog, home_of: HomeOf, subject: bytes) -> dict[str, Any] | None:
    """As `child`, from an open log."""
    records, kinds = _records_of(store, home_of, subject)
    if "child" not in kinds:
        return None
    version = forms.text_of(forms.version_of(records))
    return {"id": str(uuid.UUID(bytes=subject)), **child_json(fold("child", subject, records)), "version": version}


def _records_of(store: StoredLog, home_of: HomeOf, subject: bytes) -> tuple[list[Record], set[str]]:
    """A subject's entries as the domain sees them, and the kinds of subject that they are about."""
    records, kinds = [], set()
    revoked = Revocations(store, home_of=home_of).withholds
    for entry in store.entries_of_subject(subject):
        body = entry.body()
        if body is not None and isinstance(body.payload, dict):
            kinds.add(schema.subject_kind(body.type))
            records.append(record_of(entry, body, home_of, revoked))
    return records, kinds


def subject(folder: Folder, homes_of: HomesOf, subject: bytes) -> dict[str, Any] | None:
    """The picture of a subject of any kind; None if no readable entry is about it."""
    with log_of(folder) as store:
        records, _ = _records_of(store, homes_of(store), subject)
    state = fold("", subject, records)
    if not state.kind:
        return None
    conflicts = [{"field": one.field, "values": [deep_plain(head.value) for head in one.heads], "why": one.why}
                 for one in conflicts_of(state)]  # fmt: skip
    return {
        "id": str(uuid.UUID(bytes=subject)),
        "kind": state.kind,
        "picture": deep_plain(folded(state)),
        "conflicts": conflicts,
    }


def history(folder: Folder, subject: bytes) -> dict[str, Any]:
    """Every entry about a subject in canonical order."""
    with log_of(folder) as store:
        return {"entries": history_of(store, subject)}


def history_of(store: StoredLog, subject: bytes) -> list[dict[str, Any]]:
    """As `history`, from an open log; of an erased subject only the orders to erase it are left.

    `between`: between which of the county's receipts it was recorded, not of an entry that counts no more in its place.
    """
    found = []
    lost = store.lost_entries_of_subject(subject)
    for entry in [*store.entries_of_subject(subject), *erasure.entries_about(store, subject), *lost]:
        body = entry.body()
        where = (body.lamport if body else 0, entry.log, entry.seq)
        is_set_aside = entry in lost
        between = {} if is_set_aside else {"between": bracket_json(store, entry)}
        found.append((where, entry_json(entry, is_set_aside=is_set_aside) | between))
    found.sort(key=lambda pair: pair[0])
    return [shown for _, shown in found]


def entry_json(entry: Entry, *, is_set_aside: bool = False) -> dict[str, Any]:
    """One entry as JSON; what was erased is null.

    Notes stand only where they say something: `first_id` and `recorded_again` of an entry that was recorded again,
    `set_aside` of one that counts no more in its own place.
    """
    body = entry.body()
    where: dict[str, Any] = {"log": entry.log.hex(), "seq": entry.seq}
    if is_set_aside:
        where["set_aside"] = SET_ASIDE
    if body is not None and EXT_FIRST_ID in body.extensions:
        where |= {"first_id": body.extensions[EXT_FIRST_ID].hex(), "recorded_again": RECORDED_AGAIN}
    if body is None:
        return {
            "id": entry.id.hex(),
            "type": ERASED,
            "actor": None,
            "recorded_at": None,
            **where,
            "payload": None,
            "line": None,
        }
    return {
        "id": entry.id.hex(),
        "type": body.type,
        "actor": body.actor,
        "recorded_at": rfc3339(body.recorded_at_ms),
        **where,
        "payload": plain(body.payload),
        "line": _line(body),
    }


def _line(body: Body) -> str | None:
    """What the entry says, in one Chinese sentence; None where this version cannot read it."""
    event = schema.decode(body.type, body.payload) if isinstance(body.payload, dict) else None
    return tell(event) if isinstance(event, Event) else None


def digest(folder: Folder, homes_of: HomesOf) -> dict[str, Any]:
    """The fingerprint of every table."""
    with current_views(folder, homes_of) as (_, views):
        return {"views_version": VIEWS_VERSION, "tables": views.digest()}


def rebuild(folder: Folder, homes_of: HomesOf, *, fresh: bool = False) -> dict[str, Any]:
    """Build the read models anew, put them in place, and say whether they are what the live ones were."""
    before, after = opening.rebuild(folder, homes_of, fresh=fresh)
    said = {"words": RESUMED.format(count=after.resumed_from)} if after.resumed_from else {}
    return {
        "equal": before == after.tables,
        "resumed_from": after.resumed_from,
        "folded": after.folded,
        **said,
        "views_version": VIEWS_VERSION,
        "tables": after.tables,
    }
