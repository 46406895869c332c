"""The node's end of content that was lost on a disk: it asks for what it lacks, and answers what the hub lacks.

    hub                                              node
    Again(log, seqs)              ------------>      with the receipt, where there is anything
                                  <------------      Content(log, seq, body), or without a body: not here either
    Content …                     <----------->      Again(log, seqs)      behind the receipt, answered one by one

What comes is compared with what the entry's header commits to, so it does not matter who sends it (`damage`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from sync import damage
from sync.errors import RemoteProtocolError
from sync.log_schema import Kind
from sync.messages import Again, Content
from sync.replicator import Wait
from sync.store import Store
from sync.stored_log import StoredLog
from sync.wire_logs import AGAIN_COUNT_MAX

ASKED_COUNT_MAX: Final = 256  # in one exchange


class Mending:
    """What one exchange mends, for the node whose store it is."""

    def __init__(self, store: Store, *, asks: bool) -> None:
        self.mended = 0  # of how many entries the content came back here
        self._store = store
        self._wanted: set[tuple[bytes, int]] = set()
        self._to_answer: list[tuple[bytes, int]] = []
        self._unasked: list[Again] = wishes(store) if asks else []
        self._awaited: list[tuple[bytes, int]] = []

    @property
    def wanted(self) -> int:
        """Of how many entries the hub wanted the content."""
        return len(self._wanted)

    @property
    def done(self) -> bool:
        """Whether nothing is to be asked, awaited or answered any more."""
        return not (self._to_answer or self._unasked or self._awaited)

    async def next(self) -> Again | Content | Wait | None:
        """What to say to the hub now; Wait where it must be heard first, None when there is nothing."""
        if self._to_answer:
            log, seq = self._to_answer.pop(0)
            return Content(log, seq, await asyncio.to_thread(damage.content, self._store, log, seq))
        if self._unasked:
            question = self._unasked.pop(0)
            self._awaited += [(question.log, seq) for seq in question.seqs]
            return question
        return Wait() if self._awaited else None

    async def take(self, message: Again | Content) -> None:
        """The hub asked, or answered; what it answered is durable when this returns."""
        if isinstance(message, Again):
            await self._hear(message)
            return
        log, seq, packed = message
        if (log, seq) not in self._awaited:
            raise RemoteProtocolError("the hub sends content that was not asked for")
        if packed:
            self.mended += await asyncio.to_thread(damage.take_content, self._store, log, seq, packed)
        self._awaited.remove((log, seq))

    async def _hear(self, asked: Again) -> None:
        fresh = [(asked.log, seq) for seq in asked.seqs if (asked.log, seq) not in self._wanted]
        self._wanted.update(fresh)  # it may ask with every receipt
        if self.wanted > ASKED_COUNT_MAX:
            raise RemoteProtocolError(f"the hub asks for the content of more than {ASKED_COUNT_MAX} entries")
        logs = await asyncio.to_thread(self._store.branches)
        if any(branch.log == asked.log and (branch.own or branch.kin) for branch in logs):
            self._to_answer += fresh

    def ended(self) -> None:
        """A request has ended, answered in full: what was not answered is asked another time."""
        self._awaited = []


def wishes(store: StoredLog) -> list[Again]:
    """What to ask the hub for: nothing of logs that others push here, for those are theirs to send again."""
    logs = {branch.log for branch in store.branches() if branch.kind not in (Kind.PEER, Kind.LOST)}
    return questions(damage.lacking(store, logs))


def questions(lacks: Iterable[damage.Lack]) -> list[Again]:
    """What to ask for, some entries of one log at a time; not more than one exchange may."""
    seqs: dict[bytes, list[int]] = {}
    for lack in list(lacks)[:ASKED_COUNT_MAX]:
        seqs.setdefault(lack.log, []).append(lack.seq)
    return [
        Again(log, of[at : at + AGAIN_COUNT_MAX])
        for log, of in seqs.items()
        for at in range(0, len(of), AGAIN_COUNT_MAX)
    ]
