"""What people in the homes record in a simulation, and who may see it: an oracle that knows nothing of the router."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from domain import events as e
from domain.event import UnknownEvent, UnreadableEvent
from node.records import draft_of
from sync.batch import Draft
from tests.domain.domain_samples import DAY, registered
from tests.domain.histories import events

CHILDREN_COUNT: Final = 7
NEW_EXTENSION: Final = 9  # a key that this version does not know
REMEMBERED_MAX: Final = 12
Known = tuple[str, str, int, Any]  # type, author, recorded at, payload


class Past(NamedTuple):
    """An entry that a later one may name."""

    id: bytes


class People:
    """Draws what is recorded next."""

    def __init__(self, dice: random.Random, codes: Sequence[str]) -> None:
        self._dice = dice
        self._codes = codes
        self.children = [bytes([number + 1]) * 16 for number in range(CHILDREN_COUNT)]
        self._entries: dict[bytes, list[Past]] = defaultdict(list)
        self._registered: dict[bytes, set[str]] = defaultdict(set)
        self._asked: dict[bytes, set[str]] = defaultdict(set)
        self._accepted: dict[bytes, set[str]] = defaultdict(set)
        self._holder: dict[bytes, str] = {}
        self._day = DAY + dt.timedelta(days=100)
        self.known: dict[bytes, Known] = {}

    def draft(self, code: str, now_ms: int, seen: Any) -> Draft:
        """One wish of a home's worker. `seen` gives what the computer has of a subject."""
        dice = self._dice
        child = dice.choice(self._of(code))
        worker = f"w{dice.randrange(3)}"
        event = self._event(code, child)
        self._note(code, child, event)
        match event:
            case UnknownEvent(kind, payload):
                return Draft(
                    kind, worker, child, now_ms, payload, seen(child), {NEW_EXTENSION: ["new", dice.randrange(99)]}
                )
            case UnreadableEvent(kind, payload):
                return Draft(kind, worker, child, now_ms, payload, seen(child))
        return draft_of(child, event, worker, now_ms, deps=seen(child))

    def _of(self, code: str) -> list[bytes]:
        """The children that a home writes about: mostly its own, now and then one that is about to come."""
        own = [child for child in self.children if self._holder.get(child) == code]
        coming = [child for child in self.children if code in self._asked[child] and self._holder[child] != code]
        free = [child for child in self.children if child not in self._holder]
        return own + coming + free[:1] or [self._new()]

    def _new(self) -> bytes:
        self.children.append((len(self.children) + 1).to_bytes(2, "big") * 8)
        return self.children[-1]

    def _event(self, code: str, child: bytes) -> Any:
        dice = self._dice
        self._day += dt.timedelta(days=1)
        if child not in self._holder:
            return registered(f"孩子{child.hex()[:4]}", on=DAY)
        if self._holder[child] != code:
            return e.ChildTransferAccepted(on=self._day, reason="来了")
        if dice.random() < 0.12:
            return e.ChildTransferRequested(to_home=dice.choice(self._codes), on=self._day)
        while True:
            event = dice.choice(events(dice.choice, self._entries[child]))
            if event is not None:
                return event

    def _note(self, code: str, child: bytes, event: Any) -> None:
        match event:
            case e.ChildRegistered():
                self._registered[child].add(code)
                self._holder.setdefault(child, code)
            case e.ChildTransferRequested(to_home=to):
                self._asked[child].add(to)
            case e.ChildTransferAccepted():
                self._accepted[child].add(code)
                if code in self._asked[child]:
                    self._holder[child] = code

    def recorded(self, draft: Draft, id_: bytes) -> None:
        """Somebody was told that this is saved."""
        self.known[id_] = (draft.type, draft.actor, draft.recorded_at_ms, draft.payload)
        self._entries[draft.subject] = [*self._entries[draft.subject][-REMEMBERED_MAX:], Past(id_)]

    def may_see(self, code: str, child: bytes) -> bool:
        """Whether others' entries about a child may ever have been given to a home."""
        return code in self._registered[child] or code in self._asked[child] & self._accepted[child]
