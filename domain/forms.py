"""What a form showed: its version, and what follows from it for the edit that somebody makes on it.

A version names, for each log, the newest entry about the subject that the form knew.  An edit replaces what its form
showed and nothing else.  Where a field holds a value that the form did not show, be it another home's or one that
another tablet of the same home recorded meanwhile, the edit is not stored and the values are shown again.

A log counts only up to the entry before the first one whose type this version does not know: what nobody could read,
nobody has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domain.card import Unfit, edits_of
from domain.decide import Standing
from domain.errors import BadField
from domain.event import Event, UnknownEvent
from domain.events import FactCorrected
from domain.records import Record
from domain.registers import Head
from domain.state import fact_field

Version = Mapping[bytes, int]
FORM = "a version as `child --json` shows it"


def version_of(records: Iterable[Record], limit: Version | None = None) -> dict[bytes, int]:
    """For each log the newest entry about the subject that this program can read, or that a `limit` lets through."""
    seen: dict[bytes, int] = {}
    closed: set[bytes] = set()
    for record in sorted(records, key=lambda one: (one.log, one.seq)):
        if isinstance(record.event, UnknownEvent):
            closed.add(record.log)
        elif record.event is None or record.log in closed:
            continue
        elif limit is None or record.seq <= limit.get(record.log, 0):
            seen[record.log] = record.seq
    return seen


def lamport_behind(deps: Version, records: Iterable[Record]) -> int:
    """The lamport that an edit must have to come behind all that its author had seen; 0 where deps say it.

    They do, unless at one place of a log stand two entries, because its home was put back and wrote there again.
    """
    seen = [one for one in records if one.seq <= deps.get(one.log, 0)]
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


def shows(version: Version, head: Head) -> bool:
    """Whether a form of this version showed a value."""
    return head.seq <= version.get(head.log, 0)


def shown_fields(standing: Standing, event: Event, home: str, version: Version) -> dict[str, frozenset[bytes]]:
    """For every field that an event edits, the standing values that a form of this version showed."""
    return {
        field: frozenset(head.id for head in standing.heads(field) if shows(version, head))
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
    listed: dict[bytes, int] = {}
    for record in records:
        if record.log == own:
            for log, seq in record.deps.items():
                listed[log] = max(seq, listed.get(log, 0))
    return {log: seq for log, seq in version.items() if log != own and seq > listed.get(log, 0)}
