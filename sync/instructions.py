"""What a home learned from the county's answers for its next bundle, and what it says there of what it holds.

Nothing here is precious: whatever is lost, the next answer says again, which costs a round of the stick. What a home
*holds* is never remembered but read from its disk: what it can show of the hub's own word, a Follow for each log of the
home and for the outbox, behind Hello, and behind it a NoKey for the streams that must come in erased form. Behind these
comes what it has of its shelf, and it asks for the content that it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from sync.giving_by_hand import witnesses
from sync.log_schema import Kind
from sync.mending import wishes
from sync.messages import Follow, Message, NoKey
from sync.outbox import newest_outbox
from sync.shelf_taking import held_of
from sync.stored_log import StoredLog

ORDINALS_COUNT_MAX: Final = 4_096  # of one NoKey
CONTRADICTED: Final = ("fork", "invalid")  # refusals that may mean that the node's copy of a log is another one
FOLLOWED_COUNT_MAX: Final = 512  # in one bundle: as many logs as the hub may name, outboxes and a shelf


class Told(NamedTuple):
    """What was learned of one log, or of an outbox.

    `resume_at`: the hub holds so many entries, whatever its receipts say. `withheld`: the streams that the hub has no
    key for. `ask_from`: the hub's copy, which had `apart_at` entries then, is another one or goes on behind ours: it is
    to be carried from there. `unreadable`: streams that are not taken with content here, for want of their keys.
    `wanted`: entries of which the hub lost the content, by seq. `heard`: what the newest answer to this log said that
    the hub holds, and the hub's clock; so an older one that comes later does not say what is wanted.
    """

    resume_at: int | None = None
    withheld: frozenset[int] = frozenset()
    ask_from: int | None = None
    unreadable: frozenset[int] = frozenset()
    apart_at: int = 0
    wanted: frozenset[int] = frozenset()
    heard: tuple[int, int] = (0, 0)

    def known_whole(self, hub_size: int) -> Told:
        """The hub's copy of this size is a beginning or an end of ours: so it did not part, unless this is old news."""
        return self if hub_size < self.apart_at else self._replace(ask_from=None, apart_at=0)


class Instructions(NamedTuple):
    """What answers asked for, by log."""

    logs: Mapping[bytes, Told] = {}

    def of(self, log: bytes) -> Told:
        """What was learned of a log."""
        return self.logs.get(log, Told())

    def learned(self, log: bytes, told: Told) -> Instructions:
        """The same with what is known of a log by now."""
        others = {other: known for other, known in self.logs.items() if other != log}
        return Instructions(others if told == Told() else others | {log: told})

    def to_json(self) -> dict[str, Any]:
        """For a small file."""
        return {
            log.hex(): {
                "resume_at": told.resume_at,
                "withheld": sorted(told.withheld),
                "ask_from": told.ask_from,
                "unreadable": sorted(told.unreadable),
                "apart_at": told.apart_at,
                "wanted": sorted(told.wanted),
                "heard": list(told.heard),
            }
            for log, told in self.logs.items()
        }

    @staticmethod
    def from_json(found: dict[str, Any]) -> Instructions:
        """The same, read; raises what a damaged file leads to: ValueError, LookupError, TypeError or AttributeError."""

        def number(value: Any) -> int | None:
            return None if value is None else int(value)

        return Instructions(
            {
                bytes.fromhex(log): Told(
                    number(told["resume_at"]),
                    frozenset(map(int, told["withheld"])),
                    number(told["ask_from"]),
                    frozenset(map(int, told["unreadable"])),
                    int(told["apart_at"]),
                    frozenset(map(int, told["wanted"])),
                    (int(told["heard"][0]), int(told["heard"][1])),
                )
                for log, told in found.items()
            }
        )


def holdings(store: StoredLog, hub_key: bytes, home: str, instructions: Instructions) -> list[Message]:
    """What a home says in a bundle of what it holds of what may come down."""
    sizes = {branch.log: branch.size for branch in store.branches() if branch.own or branch.kin}
    if instructions.of(store.log).ask_from is None:  # its own log comes down only if it asks
        del sizes[store.log]
    outbox = newest_outbox(store, hub_key, home)
    if outbox is not None:
        sizes[outbox.log] = outbox.size
    others = {store.log, *(branch.log for branch in store.branches() if branch.kind == Kind.PEER)}
    known = dict.fromkeys(log for log in instructions.logs if log not in others)  # also what did not come yet
    said = [*sizes, *(log for log in known if log not in sizes)][1 - FOLLOWED_COUNT_MAX :]  # and a shelf
    held = [message for log in said for message in _held(log, sizes.get(log, 0), instructions.of(log))]
    shelf = held_of(store, outbox.log) if outbox is not None else []
    return [*witnesses(store, hub_key, home), *held, *shelf, *wishes(store)]


def _held(log: bytes, size: int, told: Told) -> list[Message]:
    follow = Follow(log, size if told.ask_from is None else min(size, told.ask_from))
    return [follow, *no_keys(follow.size, told.unreadable)]


def no_keys(size: int, ordinals: Iterable[int]) -> list[NoKey]:
    """Streams that must come in erased form, as many messages as it takes."""
    named = sorted(ordinals)
    return [NoKey(size, named[at : at + ORDINALS_COUNT_MAX]) for at in range(0, len(named), ORDINALS_COUNT_MAX)]
