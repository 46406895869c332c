"""What a form showed: its version, and what follows from it for the edit that somebody makes on it.

A version names, for each log, the newest entry about the subject that the form knew, where readers find it: what
stands apart (`lives`), in the log in which it is said again; such an entry is named in the edit by its id.  An edit
replaces what its form showed and nothing else.  Where a field holds a value that the form did not show, be it another
home's or one that another tablet of the same home recorded meanwhile, the edit is not stored and the values are shown
again.

A log counts only up to the entry before the first one whose type this version does not know: what nobody could read,
nobody has seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from domain.card import Unfit, edits_of
from domain.decide import Standing
from domain.errors import BadField
from domain.event import Event, UnknownEvent
from domain.events import FactCorrected
from domain.records import Apart, Record
from domain.registers import Head
from domain.state import fact_field

Version = Mapping[bytes, int]
FORM = "a version as `child --json` shows it"


def version_of(records: Iterable[Record], limit: Version | None = None) -> dict[bytes, int]:
    """For each log the newest entry about the subject that this program can read, or that a `limit` lets through."""
    seen: dict[bytes, int] = {}
    closed: set[bytes] = set()
    found = list(records)
    apart = {one.id for one in found if one.apart is not None}
    for record in sorted(found, key=lambda one: one.place):
        log, seq = record.place
        if record.apart is None and record.id in apart:
            continue
        if isinstance(record.event, UnknownEvent):
            closed.add(log)
        elif record.event is None or log in closed:
            continue
        elif limit is None or seq <= limit.get(log, 0):
            seen[log] = seq
    return seen


def saw_of(version: Version, own: bytes, records: Iterable[Record]) -> tuple[bytes, ...]:
    """What an entry by log `own`, made on a form, names by its id: what stands apart and was shown, and is new to it.

    Who has seen an entry has seen those that it was written behind; they need no name.
    """
    found = list(records)
    apart = {one.id: one.apart for one in found if one.apart is not None}
    listed = {id_ for one in found if one.log == own and one.apart is None for id_ in one.saw}
    shown = {id_ for id_, one in apart.items() if one.seq <= version.get(one.log, 0)}
    return tuple(sorted(shown - _lives(listed, apart) - _lives((apart[id_].behind for id_ in shown), apart)))


def _lives(ids: Iterable[bytes], apart: Mapping[bytes, Apart]) -> set[bytes]:
    """These entries and those that they were written behind, as far as they stand apart."""
    found, todo = set[bytes](), list(ids)
    while todo:
        id_ = todo.pop()
        if id_ in apart and id_ not in found:
            found.add(id_)
            todo.append(apart[id_].behind)
    return found


def lamport_behind(deps: Version, records: Iterable[Record], saw: Collection[bytes] = ()) -> int:
    """The lamport that an edit must have to come behind all that its author had seen; 0 where deps say it.

    They do, unless at one place of a log stand two entries, because its home was put back and wrote there again, or
    something is named by its id.
    """
    found = list(records)
    named = max((one.lamport for one in found if one.id in saw), default=0)
    seen = [one for one in found if one.apart is None and one.seq <= deps.get(one.log, 0)]
    if named:
        return 1 + max([named, *(one.lamport for one in seen)])
    newest = [one.lamport for one in seen if one.seq == deps[one.log]]
    last = max((one.lamport for one in seen), default=0)
    return last + 1 if last > max(newest, default=0) or len(newest) > len(deps) else 0


def text_of(version: Version) -> str:
    """A version as one word."""
    return ",".join(f"{log.hex()}:{seq}" for log, seq in sorted(version.items()))


def read(text: str) -> dict[bytes, int]:
    """The version that a word spells; raises BadField."""
    seen: dict[bytes, int] = {}
    for part in filter(None, text.split(",")):
        log, colon, seq = part.partition(":")
        try:
            name = bytes.fromhex(log)
        except ValueError:
            name = b""
        if len(name) != 16 or not colon or not (seq.isascii() and seq.isdecimal()):
            raise BadField("--shown", text, FORM)
        seen[name] = int(seq)
    return seen


def shows(version: Version, head: Head, standing: Standing) -> bool:
    """Whether a form of this version showed a value."""
    log, seq = place_of(head, standing)
    return seq <= version.get(log, 0)


def place_of(head: Head, standing: Standing) -> tuple[bytes, int]:
    """Where readers find the entry that wrote a value."""
    record = standing.entry(head.id)
    return record.place if record is not None else (head.log, head.seq)


def shown_fields(standing: Standing, event: Event, home: str, version: Version) -> dict[str, frozenset[bytes]]:
    """For every field that an event edits, the standing values that a form of this version showed."""
    return {
        field: frozenset(head.id for head in standing.heads(field) if shows(version, head, standing))
        for field in _edited(event, home)
    }


def _edited(event: Event, home: str) -> Iterable[str]:
    if isinstance(event, FactCorrected):
        return [fact_field(event.target.bytes, event.field)]
    try:
        return edits_of(event, home)
    except Unfit:
        return []


def deps_of(version: Version, own: bytes, records: Iterable[Record]) -> dict[bytes, int]:
    """The deps of an entry by log `own` made on a form: other logs, where they rise above what that log listed."""
    found = list(records)
    apart = {(one.log, one.seq) for one in found if one.apart is not None}
    listed: dict[bytes, int] = {}
    for record in found:
        if record.log == own and record.apart is None:
            for log, seq in record.deps.items():
                if (log, seq) not in apart:  # that was another life of the log
                    listed[log] = max(seq, listed.get(log, 0))
    return {log: seq for log, seq in version.items() if log != own and seq > listed.get(log, 0)}
