"""What a hub's taking of a home's bundles led to: what the answer says, and what a person at the hub is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sync.entry import INT_MAX
from sync.messages import Declined, Hello, Holds, Refusal, Witness


@dataclass
class Reply:
    """What a home is to be told of its bundles about one log, and what a person at the hub is shown.

    `sender`: the log that the node writes, to which the answer goes. `begun`: what the hub's receipts covered when the
    oldest of the bundles was made. `follows`: what the node holds of other logs and its outbox, `unreadable` the
    streams in them that must come in erased form. `asked`: the entries of which the node lacks the content; `mended`:
    of how many entries it brought content that was lacking here. `partly`: how many chunks the node holds of
    photographs that came to it in part. `shown`: outboxes that the node shows, whether this hub has forgotten
    them or not; `took`: of how much of which older ones it gave back, to where.
    """

    log: bytes
    sender: bytes = b""
    hello: Hello | None = None
    receipted: int = 0
    begun: int = INT_MAX
    before: int = 0
    held: int = 0
    parked: bool = False
    withheld: set[int] = field(default_factory=set)
    files: dict[bytes, Holds | Declined] = field(default_factory=dict)
    refusal: Refusal | None = None
    enclosed: bytes = b""
    follows: dict[bytes, int] = field(default_factory=dict)
    unreadable: dict[bytes, set[int]] = field(default_factory=dict)
    asked: dict[bytes, set[int]] = field(default_factory=dict)
    mended: int = 0
    partly: dict[bytes, int] = field(default_factory=dict)
    shown: dict[bytes, Witness] = field(default_factory=dict)
    took: dict[bytes, int] = field(default_factory=dict)
    failure: Exception | None = None

    def add(self, other: Reply) -> None:
        """Another bundle about the same log was taken after this one."""
        self.sender = other.sender or self.sender
        if self.hello is None or (other.hello is not None and other.hello.size > self.hello.size):
            self.hello = other.hello
        self.begun = min(self.begun, other.begun)
        merge_follows(self.follows, other.follows)
        for log, ordinals in other.unreadable.items():
            self.unreadable.setdefault(log, set()).update(ordinals)
        for log, seqs in other.asked.items():
            self.asked.setdefault(log, set()).update(seqs)
        self.mended += other.mended
        merge_follows(self.partly, other.partly)
        self.shown |= {log: told for log, told in other.shown.items() if told.size >= self._shown_size(log)}
        for log, size in other.took.items():
            self.took[log] = max(size, self.took.get(log, 0))
        self.receipted = max(self.receipted, other.receipted)
        self.held = max(self.held, other.held)
        self.withheld |= other.withheld
        self.files |= other.files
        self.refusal = other.refusal or self.refusal
        self.enclosed = other.enclosed or self.enclosed

    def _shown_size(self, log: bytes) -> int:
        return self.shown[log].size if log in self.shown else 0


def merge_follows(known: dict[bytes, int], said: Mapping[bytes, int]) -> None:
    """Of what several bundles say that a home holds the least counts."""
    for log, size in said.items():
        known[log] = min(size, known.get(log, size))
