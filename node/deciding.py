"""From a person's wish to an entry: fold what is here, decide, and store only if nothing of it moved meanwhile.

The own stream's version is read before its entries and goes with the draft as `expect`. Whoever recorded about the
subject in between has the store refuse the draft; the wish is then decided again on what is there now. So of two
tablets of one home, whose entries go to the same log, the later one is judged by what its form showed, and its edit is
either good beside the other's or not stored (`FieldMoved`). What another home recorded is not in this log: an edit
that had not seen it stands beside it, as a conflict, whichever arrives first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from domain import forms
from domain.folding import Folding
from domain.records import canonical
from node.records import draft_of, record_of
from node.revocation import Revocations
from node.views import HomeOf
from sync.batch import Recorded
from sync.entry import EXT_SAW
from sync.errors import FolderInUse, StaleVersion
from sync.store import Store
from sync.stored_log import StoredLog

TRIES_MAX: Final = 50


class Wished(NamedTuple):
    """Events to be recorded together, and the version of the form that they were wished on, if there was one."""

    events: Iterable[Any]
    version: forms.Version | None = None


def folding_of(store: StoredLog, subject: bytes, home_of: HomeOf) -> Folding:
    """A subject as the log has it now."""
    revoked = Revocations(store, home_of=home_of).withholds
    folding = Folding(subject)
    records = [
        record_of(entry, body, home_of, revoked)
        for entry in store.entries_of_subject(subject)
        if (body := entry.body()) is not None
    ]
    for record in canonical(records):
        folding.add(record)
    return folding


def record(
    store: Store,
    home_of: HomeOf,
    subject: bytes,
    actor: str,
    now_ms: int,
    wished: Callable[[Folding], Wished],
) -> list[Recorded]:
    """Record what a person wishes about a subject, all or none; `wished` may refuse, and is asked again if need be."""
    for _ in range(TRIES_MAX):
        expect = store.version_of(subject)
        folding = folding_of(store, subject, home_of)
        events, version = wished(folding)
        shown = forms.version_of(folding.taken(), version)  # who names no form has seen what is here
        deps = forms.deps_of(shown, store.log, folding.taken())
        saw = forms.saw_of(shown, store.log, folding.taken())
        drafts = [draft_of(subject, event, actor, now_ms) for event in events]
        lamport = forms.lamport_behind(deps, folding.taken(), saw) if deps or saw else 0
        named = {**drafts[0].extensions, EXT_SAW: list(saw)} if saw else drafts[0].extensions
        drafts[0] = drafts[0]._replace(expect=expect, deps=deps, extensions=named, lamport=lamport)
        try:
            return store.record(drafts).result()
        except StaleVersion:
            continue
    raise FolderInUse(f"others record about {subject.hex()} all the time: try again")
