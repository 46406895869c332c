"""The node's end of following its home's other logs: reads, verifies, stores; `carrying.Fetcher` decides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from sync.carrying import AskRoots, Fetcher, Open, Prove
from sync.entry import log_id
from sync.messages import Carry, Compare, Follow, Logs, Message, NoKey, Roots
from sync.receiving import receiver_of
from sync.replicator import Append, Receiver, Wait
from sync.store import Store


class Receiving(Protocol):
    """Whoever takes a log or an outbox in, piece by piece."""

    log: bytes

    @property
    def size(self) -> int:
        """How many entries are held."""


class Following:
    """What is followed in one request after the other, where what comes down cannot be answered while it comes."""

    def __init__(self, receiver: Receiving) -> None:
        self._receiver = receiver
        self._withheld: frozenset[int] = frozenset()
        self._begun_at = receiver.size

    def anew(self, unsaid: Iterable[Message]) -> list[Message]:
        """What to begin the next request with: nothing, if the last one brought nothing and taught nothing.

        `unsaid`: the answers that there was no request any more to carry. Took is not missed, Follow says as much.
        """
        told = frozenset(n for message in unsaid if isinstance(message, NoKey) for n in message.ordinals)
        if self._receiver.size == self._begun_at and told <= self._withheld:
            return []
        self._begun_at, self._withheld = self._receiver.size, self._withheld | told
        follow = Follow(self._receiver.log, self._receiver.size)
        return [follow, NoKey(follow.size, sorted(self._withheld))] if self._withheld else [follow]


class Fetching:
    """What one exchange fetches, for the node whose store it is."""

    def __init__(self, store: Store) -> None:
        self.fetcher = Fetcher()
        self._store = store
        self._answers: list[Message] = []
        self._is_busy = self._was_told = False
        self._following: Following | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is to be asked, awaited or answered any more."""
        return self.fetcher.next() is None and not self._is_busy and not self._answers

    async def next(self) -> Message | Wait | None:
        """What to say to the hub now; Wait where it must be heard first, None when all is fetched."""
        if self._answers:
            return self._answers.pop(0)
        match Wait() if self._is_busy else self.fetcher.next():
            case AskRoots(log, sizes):
                self.fetcher.asked(await asyncio.to_thread(self._roots, log, sizes))
                return Compare(log, sizes)
            case Open(public_key):
                receiver = await asyncio.to_thread(self._open, public_key)
                self.fetcher.opened(receiver)
                self._following = Following(receiver)
                return Follow(receiver.log, receiver.size)
            case Prove(log, size):
                self.fetcher.proving()
                return Follow(log, size)
            case step:
                return step

    def ended(self) -> None:
        """A request has ended, and with it what the hub knew of this: what is still to come is followed anew."""
        is_open = self._following is not None and self.fetcher.is_receiving
        self._answers = self._following.anew(self._answers) if self._following is not None and is_open else []

    async def take(self, message: Logs | Roots | Carry) -> None:
        """The hub said something; what it carried is durable when this returns."""
        self._is_busy = True
        try:
            if isinstance(message, Logs):
                if self._was_told:
                    return  # in answer to a request behind the first one
                self._was_told = True
                logs = await asyncio.to_thread(self._not_coming, message)
                held, roots = await asyncio.to_thread(self._mine, logs)
                self.fetcher.learn(logs, held, roots)
                return
            my_root = await asyncio.to_thread(self._root_behind, message) if isinstance(message, Carry) else None
            for effect in await asyncio.to_thread(self.fetcher.receive, message, my_root):
                if isinstance(effect, Append):
                    await asyncio.wrap_future(self._store.append(effect.batch))
                else:
                    self._answers.append(effect.message)
        finally:
            self._is_busy = False

    def _not_coming(self, logs: Logs) -> Logs:
        """Without those of which only some streams are here yet (`welcome_fetching`)."""
        coming = {branch.log for branch in self._store.branches() if branch.coming}
        return Logs([one for one in logs.logs if log_id(one.public_key) not in coming])

    def _mine(self, logs: Logs) -> tuple[dict[bytes, int], dict[bytes, bytes]]:
        """Our sizes of the logs that are here, and our roots at the smaller of both sizes."""
        sizes = {branch.log: branch.size for branch in self._store.branches()}
        named = {log_id(one.public_key): one.size for one in logs.logs}
        held = {log: sizes[log] for log in named if log in sizes}
        return held, {log: self._store.root(log, min(size, named[log])) for log, size in held.items()}

    def _roots(self, log: bytes, sizes: list[int]) -> list[bytes]:
        return [self._store.root(log, size) for size in sizes]

    def _root_behind(self, message: Carry) -> bytes | None:
        sizes = {branch.log: branch.size for branch in self._store.branches()}
        end = message.push.end
        return self._store.root(message.log, end) if end <= sizes.get(message.log, -1) else None

    def _open(self, public_key: bytes) -> Receiver:
        log = log_id(public_key)
        self._store.add_log(log, public_key, kin=True).result()
        return receiver_of(self._store, log, public_key)
