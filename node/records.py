"""Where the two pure halves meet: entries of the log as records of the domain, and decided events as drafts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeGuard

from domain import schema
from domain.event import Event, RevokedEvent
from domain.records import Apart, Record
from domain.tiers import COUNTY, SEPARATOR, is_hub, qualified
from node import mailbox
from sync.batch import NOTHING, Draft, Entry
from sync.entry import EXT_BEHIND, EXT_FIRST_ID, EXT_SAW, EXT_SOURCE, EXT_STOOD, Body, check_body, pack_body
from sync.errors import RemoteProtocolError

_NO_IDS: Final[tuple[bytes, ...]] = ()


class Place(NamedTuple):
    """As what an entry counts: its id, its log, seq and lamport there, and the home that wrote it."""

    id: bytes
    log: bytes
    seq: int
    lamport: int
    home: str
    apart: Apart | None = None


Withholds = Callable[[bytes, int, bytes], bool]  # whether the log of an entry (seq, id) was revoked before it


def record_of(entry: Entry, body: Body, home_of: Callable[[bytes], str], withholds: Withholds | None = None) -> Record:
    """An entry as the domain sees it; `withholds` says what came after the size up to which its log counts.

    What a hub lost with its log and took back from a home counts where it stood, as at that home, and apart from what
    the log has there now; at the hubs above it, too. Of what a home had written, and only others still had, that home
    counts as the writer.
    """
    extensions = body.extensions
    id_, log, seq, lamport, home, apart = entry.id, entry.log, entry.seq, body.lamport, home_of(entry.log), None
    first_id, saw = None, _NO_IDS
    if extensions:
        if EXT_STOOD in extensions:
            id_, log, seq, lamport, home, apart = stood_at(entry, body, home_of)
        first_id, saw = extensions.get(EXT_FIRST_ID), _ids(extensions.get(EXT_SAW))
        first_id = None if first_id == id_ else first_id
    event = schema.decode(body.type, body.payload)
    if SEPARATOR in home and isinstance(event, Event):
        event = qualified(event, home)
    told = RevokedEvent(body.type, event) if withholds is not None and withholds(log, seq, id_) else event
    at, deps = body.recorded_at_ms, body.deps
    found = (id_, first_id, log, seq, home, body.actor, at, lamport, deps, told, apart, saw)
    return tuple.__new__(Record, found)  # in haste


def _ids(value: Any) -> tuple[bytes, ...]:
    """The ids that an extension lists; none where it is anything else."""
    return tuple(value) if isinstance(value, list) and all(type(one) is bytes for one in value) else ()


def stood_at(entry: Entry, body: Body, home_of: Callable[[bytes], str]) -> Place:
    """As what an entry counts.

    Only a hub can say anything else than where it is: of its own log, and of its homes'. Above that hub it counts,
    unless the log is known to be another's; one that nobody knows may be of a life of which nothing came here.
    """
    home = home_of(entry.log)
    match body.extensions.get(EXT_STOOD) if is_hub(home) else None:
        case [bytes(log), int(seq), bytes(id_), int(lamport)] if home == COUNTY or home_of(log) in (home, COUNTY):
            return Place(id_, log, seq, lamport, home, _apart(entry, body))
        case [bytes(log), int(seq), bytes(id_), int(lamport), str(code)] if code and SEPARATOR not in code:
            if home == COUNTY or home_of(log) in (home + code, COUNTY):
                return Place(id_, log, seq, lamport, home + code, _apart(entry, body))
    return Place(entry.id, entry.log, entry.seq, body.lamport, home)


def _apart(entry: Entry, body: Body) -> Apart | None:
    behind = body.extensions.get(EXT_BEHIND)
    return Apart(behind, entry.log, entry.seq) if isinstance(behind, bytes) else None


def of_the_domain(body: Body | None, entry: Entry) -> TypeGuard[Body]:
    """Not erased, no event of the library's own, not about the log itself, and not the county's word to a node."""
    return body is not None and is_of_the_domain(body.type, body.subject, entry.log)


def is_of_the_domain(kind: str, subject: bytes, log: bytes) -> bool:
    """The same of an entry that is not opened."""
    return ":" not in kind and subject != log and kind not in mailbox.TYPES


def draft_of(
    subject: bytes,
    event: Any,
    actor: str,
    now_ms: int,
    *,
    source: tuple[str, int] | None = None,
    expect: int | None = None,
    deps: Mapping[bytes, int] = NOTHING,
) -> Draft:
    """A decided event, ready to be recorded; `source` names what it was made from (for an import).

    `deps`: what its author had seen of other logs about the subject (`StoredLog.seen`).
    """
    kind, payload = schema.encode(event)
    extensions = {EXT_SOURCE: list(source)} if source else {}
    return Draft(kind, actor, subject, now_ms, payload, deps, extensions, expect)


def fits(draft: Draft) -> bool:
    """Whether a draft can be an entry at all."""
    body = Body(draft.type, draft.actor, draft.subject, 1, draft.recorded_at_ms, dict(draft.deps), draft.payload,
                dict(draft.extensions))  # fmt: skip
    try:
        check_body(body)
        pack_body(body)
    except RemoteProtocolError:
        return False
    return True
