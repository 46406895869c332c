"""What one batch of the router adds to the outboxes: steps worked out beside the writer, loads filled by them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from central_hub.registry import JOINED
from domain.policy import COUNTY_SUBJECT
from domain.routing import Grant
from node import mailbox
from sync.headlines import Headline
from sync.log_schema import Row


class Step(NamedTuple):
    """Up to a position: give homes what is granted of a subject, or (grants None) go on with those that follow it."""

    subject: bytes
    position: int
    grants: dict[str, Grant] | None
    author: str  # the home that wrote the entry
    urgency: tuple[int, bytes]
    child: bytes  # whose file it goes with; itself, unless it hangs on a child


@dataclass(slots=True)
class Load:
    """What one batch adds to one outbox: rows of whole subjects with their urgency, and rows that go on."""

    whole: list[tuple[tuple[int, bytes], Row]] = field(default_factory=list)
    live: list[Row] = field(default_factory=list)
    positions: set[int] = field(default_factory=set)

    def rows(self) -> list[Row]:
        """All of them, in the order in which they are appended; a stream's rows stay together and in their order.

        A home can be given the beginning of a stream on its own, and then the whole subject, in one batch.
        """
        urgencies: dict[int, tuple[int, bytes]] = {}
        for need, row in self.whole:
            urgencies.setdefault(row.stream, need)
        rows = [*self.live, *(row for _, row in self.whole)]
        urgent = [row for row in rows if row.stream in urgencies]
        urgent.sort(key=lambda row: (urgencies[row.stream], row.position))
        rest = [row for row in rows if row.stream not in urgencies]
        return urgent + sorted(rest, key=lambda row: row.position)


def is_mail(headline: Headline) -> bool:
    """Of the hub's own entries: a word to one home or to all, or a home that joined and was told nothing yet."""
    return headline.type in mailbox.TYPES or headline.subject == COUNTY_SUBJECT or headline.type == JOINED
