"""The node's end of following its home's other logs: reads, verifies, stores; `carrying.Fetcher` decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from sync.carrying import AskRoots, Fetcher, Open, Prove
from sync.entry import log_id
from sync.messages import Carry, Compare, Follow, Logs, Message, Roots
from sync.replicator import Append, Receiver, Wait
from sync.store import Store


class Fetching:
    """What one exchange fetches, for the node whose store it is."""

    def __init__(self, store: Store) -> None:
        self.fetcher = Fetcher()
        self._store = store
        self._answers: list[Message] = []
        self._is_busy = False

    @property
    def done(self) -> bool:
        """Whether nothing is to be asked, awaited or answered any more."""
        return self.fetcher.next() is None and not self._is_busy and not self._answers

    async def messages(self, hear: Callable[[], Awaitable[None]]) -> AsyncIterator[Message]:
        """What to say to the hub, until all is fetched; `hear` waits for its next answer."""
        while not self.done:
            if self._answers:
                yield self._answers.pop(0)
                continue
            match None if self._is_busy else self.fetcher.next():
                case AskRoots(log, sizes):
                    self.fetcher.asked(await asyncio.to_thread(self._roots, log, sizes))
                    yield Compare(log, sizes)
                case Open(public_key):
                    receiver = await asyncio.to_thread(self._open, public_key)
                    self.fetcher.opened(receiver)
                    yield Follow(receiver.log, receiver.size)
                case Prove(log, size):
                    self.fetcher.proving()
                    yield Follow(log, size)
                case Wait() | None:
                    await hear()

    async def take(self, message: Logs | Roots | Carry) -> None:
        """The hub said something; what it carried is durable when this returns."""
        self._is_busy = True
        try:
            if isinstance(message, Logs):
                held, roots = await asyncio.to_thread(self._mine, message)
                self.fetcher.learn(message, held, roots)
                return
            my_root = await asyncio.to_thread(self._root_behind, message) if isinstance(message, Carry) else None
            for effect in await asyncio.to_thread(self.fetcher.receive, message, my_root):
                if isinstance(effect, Append):
                    await asyncio.wrap_future(self._store.append(effect.batch))
                else:
                    self._answers.append(effect.message)
        finally:
            self._is_busy = False

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
        branch = next(b for b in self._store.branches() if b.log == log)
        frontier = self._store.frontier(log, branch.size)
        return Receiver(log, public_key, frontier, branch.streams, partial(self._store.stream_ref, log))
