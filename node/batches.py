"""What was imported together from one spreadsheet, or one file of lines, by the name under which it can be undone.

Every entry of such an import names the batch and its own number as its source. The name follows from the list's kind
and content, so the same file is known again whatever it is called, and two computers of one home that import it unknown
to each other make the same subjects, which merge. A file whose import was undone may be imported again, under a name
with a number.

Undoing is withdrawal: one entry more for each of the batch, all in one transaction. *A power cut leaves all of them or
none.* What other entries have come to rest on is left as it is and said: a child about whom somebody has recorded a
talk since is no typing error any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

from domain.commands import WithdrawFact
from domain.decide import decide
from domain.errors import Refused
from node.deciding import folding_of
from node.records import draft_of
from node.scribing import TRIES_MAX, Scribe
from node.views import HomeOf
from sync.batch import Draft, Entry
from sync.entry import EXT_FIRST_ID, EXT_SOURCE, Body
from sync.errors import FolderInUse, StaleVersion
from sync.stored_log import StoredLog

PREFIX: Final = "sheet "  # no home's code has a blank
SUBJECTS: Final = UUID("0b7c1a52-8f7e-5c55-9d0e-6a3d4f1b2c77")
"""The name space of subjects that an import makes."""
HASH_LENGTH: Final = 10
CREATING: Final = frozenset({"child-registered/1", "book-acquired/1", "aid-requested/1"})


class Member(NamedTuple):
    """One entry of a batch."""

    subject: bytes
    id: bytes
    type: str


@dataclass(slots=True)
class Batch:
    """One import: when, by whom, its entries, and how many of them count no more."""

    name: str
    at_ms: int
    by: str
    members: list[Member] = field(default_factory=list)
    withdrawn: int = 0


class Left(NamedTuple):
    """A subject that an undoing leaves as it is."""

    subject: UUID
    zh: str
    en: str


class Undone(NamedTuple):
    """What an undoing did."""

    withdrawn: int
    left: list[Left]


def is_batch(source: Sequence[Any]) -> bool:
    """Whether an entry's source is a batch, and not a line of a home's former records."""
    return isinstance(source[0], str) and source[0].startswith(PREFIX)


def source(batch: str, number: int) -> tuple[str, int]:
    """The source of the entry with a number in a batch."""
    return (PREFIX + batch, number)


def name_of(kind: str, sheet: str, content: bytes) -> str:
    """The batch that a sheet of a file makes."""
    digest = hashlib.sha256(b"\0".join([kind.encode(), sheet.encode("utf-8", "replace"), content])).hexdigest()
    return f"{kind}-{digest[:HASH_LENGTH]}"


def subject_of(home: str, batch: str, row: int | str) -> bytes:
    """The subject that a row of a batch makes, or one that a file names."""
    return uuid5(SUBJECTS, f"{home}|{batch}|{row}").bytes


def every(store: StoredLog, of: Callable[[bytes], bool] = lambda _log: True) -> dict[str, Batch]:
    """Every batch in the logs (`of` says which), in the order in which they were imported."""
    found, _ = _read(store, of, of)
    return found


def free_name(known: dict[str, Batch], name: str) -> str:
    """The name under which a file is imported: its own, or with a number where the former imports were undone."""
    free, one = standing(known, name)
    if one is not None:
        raise Refused(
            f"这个文件已经导入过，批次是{one.name}，不重复导入；要重新导入，请先撤销：import-undo",
            f"this file was imported before, as batch {one.name}: undo that first to import it again",
        )
    return free


def standing(known: dict[str, Batch], name: str) -> tuple[str, Batch | None]:
    """The import of a file that stands, and its name; else the name that the next one gets, and None."""
    number, found = 1, name
    while (one := known.get(found)) is not None:
        if one.withdrawn < len(one.members):
            return found, one
        number += 1
        found = f"{name}-{number}"
    return found, None


def _read(
    store: StoredLog, of: Callable[[bytes], bool], among: Callable[[bytes], bool] = lambda _log: True
) -> tuple[dict[str, Batch], dict[bytes, set[str]]]:
    """The batches of the logs wanted, and for each subject that payloads name, the naming entries' batches ("": none).

    `among`: which logs are read at all.
    """
    found: dict[str, Batch] = {}
    naming: dict[bytes, set[str]] = {}
    gone: set[bytes] = set()
    seen: set[bytes] = set()
    for entry, body in _entries(store, among):
        ids = set(_ids(body.payload))
        if body.type == "fact-withdrawn/1":
            gone |= ids
            continue
        batch = _batch_of(body)
        for one in ids:
            naming.setdefault(one, set()).add(batch)
        first = body.extensions.get(EXT_FIRST_ID, entry.id)
        if batch and first not in seen and of(entry.log):
            seen.add(first)
            made = found.setdefault(batch, Batch(batch, body.recorded_at_ms, body.actor))
            made.members.append(Member(body.subject, first, body.type))
    for made in found.values():
        made.withdrawn = sum(member.id in gone for member in made.members)
    return found, naming


def _entries(store: StoredLog, among: Callable[[bytes], bool]) -> Iterator[tuple[Entry, Body]]:
    """What can be read of the logs wanted, log by log; then, as it came, of those that are here in part."""
    in_part = {log for log in store.logs_in_part() if among(log)}
    for branch in store.branches():
        if branch.log not in in_part and among(branch.log):
            yield from _readable(store.entries_of_log(branch.log))
    position = 0
    while in_part and (entries := store.entries_after(position)):
        position = entries[-1].position
        yield from _readable(one for one in entries if one.log in in_part)


def _readable(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Body]]:
    return ((entry, body) for entry in entries if (body := entry.body()) is not None)


def imported_by(store: StoredLog, home_of: HomeOf, name: str) -> str | None:
    """The home whose import has this name, "" for the county; None where there is none here."""
    found = _entries(store, lambda _log: True)
    return next((home_of(entry.log) for entry, body in found if _batch_of(body) == name), None)


def _batch_of(body: Body) -> str:
    named = body.extensions.get(EXT_SOURCE)
    return named[0].removeprefix(PREFIX) if named and is_batch(named) else ""


def _ids(payload: Any) -> Iterator[bytes]:
    match payload:
        case bytes():
            if len(payload) == 16:
                yield payload
        case dict():
            for one in payload.values():
                yield from _ids(one)
        case list() | tuple():
            for one in payload:
                yield from _ids(one)


def undo(
    store: StoredLog, scribe: Scribe, home_of: HomeOf, home: str, name: str, by: str, reason: str, now_ms: int
) -> Undone:
    """Withdraw every entry of a batch that nothing else rests on, as the log is at the moment of the withdrawal."""
    for _ in range(TRIES_MAX):
        position = store.position()
        drafts, left = _undoing(store, home_of, home, name, by, reason, now_ms)
        try:
            if drafts:
                scribe.record_at(position, drafts).result()
        except StaleVersion:  # only beside a `serve`: what was left alone a moment ago may be rested on now
            continue
        return Undone(len(drafts), left)
    raise FolderInUse("others record all the time: try again")


def _undoing(
    store: StoredLog, home_of: HomeOf, home: str, name: str, by: str, reason: str, now_ms: int
) -> tuple[list[Draft], list[Left]]:
    found, naming = _read(store, lambda log: home_of(log) == home)
    batch = found.get(name)
    if batch is None:
        raise Refused(
            f"没有批次“{name}”；用import-undo不写批次可以列出全部",
            f"there is no batch {name!r}: leave it out to list them",
        )
    members: dict[bytes, list[Member]] = {}
    for member in batch.members:
        members.setdefault(member.subject, []).append(member)
    left: list[Left] = []
    drafts: list[Draft] = []
    for subject, ours in members.items():
        why = _rests(store, subject, ours, naming.get(subject, set()) - {name})
        if why is not None:
            left.append(Left(UUID(bytes=subject), *why))
            continue
        drafts += _withdrawals(store, home_of, home, subject, ours, by, reason, now_ms)
    return drafts, left


def _rests(store: StoredLog, subject: bytes, ours: list[Member], naming: set[str]) -> tuple[str, str] | None:
    """Why what a batch made must stay; None where nothing else speaks of it. Edits of an older file never must."""
    if not any(member.type in CREATING for member in ours):
        return None
    mine = {member.id for member in ours}
    for entry in store.entries_of_subject(subject):
        body = entry.body()
        if body is None or body.extensions.get(EXT_FIRST_ID, entry.id) in mine:
            continue
        if body.type not in ("fact-withdrawn/1", "fact-corrected/1"):
            return "导入以后又有了新的记录，没有撤销", "there are newer records about it: left as it is"
    if naming:
        return "别的记录提到了它（如借书、资助），没有撤销", "other records name it (a loan, a grant): left as it is"
    return None


def _withdrawals(
    store: StoredLog, home_of: HomeOf, home: str, subject: bytes, ours: list[Member], by: str, reason: str, now_ms: int
) -> list[Draft]:
    """The last one first, so that a registration goes when nothing of the batch stands on it."""
    folding = folding_of(store, subject, home_of)
    drafts = [
        draft_of(subject, event, by, now_ms)
        for member in reversed(ours)
        if not folding.withdrawn(member.id)
        for event in decide(folding, WithdrawFact(home=home, target=UUID(bytes=member.id), reason=reason))
    ]
    if drafts:
        drafts[0] = drafts[0]._replace(expect=store.version_of(subject), deps=store.seen(subject))
    return drafts
