"""The node's end of an exchange over HTTP: one streaming POST whose answer is read while it is still being sent.

No decisions here: `replicator.Sender` makes them, this module reads entries, carries frames and keeps the receipt.
Behind the receipt comes what the hub has of the home's other logs (`fetching`) and in its outbox (`outbox_fetching`),
then photographs and scans follow, as `file_transfer.FileSender` decides, until an entry waits again. What goes wrong
with any of these takes nothing from the receipt, which is kept when it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from sync import wire
from sync.compression import NO_DICTIONARY
from sync.errors import Diverged, KeyDestroyed, LogCorrupt, RemoteProtocolError, Unreachable
from sync.fetching import Fetching
from sync.file_keeping import chunk_of, offer_of
from sync.file_transfer import FileSender, MakeOffer, ReadChunk
from sync.messages import (
    Ack,
    Carry,
    Chunk,
    Declined,
    Delivery,
    Held,
    Holds,
    Introduction,
    Logs,
    Message,
    Offer,
    OutboxAt,
    Push,
    Roots,
)
from sync.outbox_fetching import OutboxFetching
from sync.outgoing import push_of
from sync.pace import Pace
from sync.references import References
from sync.replicator import Ask, KeepReceipt, Portion, Send, Sender, Wait
from sync.store import Store

PATH: Final = "/v1/exchange"
CONTENT_TYPE: Final = "application/vnd.homeward.frames"
FILE_LEVEL: Final = 1  # what is sealed does not become smaller
CONNECT_TIMEOUT_S: Final = 20
SILENCE_TIMEOUT_S: Final = 60
PUT_OFF: Final = (503, 507)


def unreachable(url: str, error: Exception) -> Unreachable:
    """A failure of the link in words: which address, what happened, and that waiting helps."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unreachable(f"{url} cannot be reached ({error.strerror}): is the link up, and the hub running?")
    what = str(error) or type(error).__name__
    return Unreachable(
        f"the link to {url} was cut ({what}): what arrived is kept, the next exchange goes on from there"
    )


@dataclass
class Traffic:
    """What one exchange carried; bytes of frames, HTTP left out."""

    sent_bytes: int = 0
    received_bytes: int = 0


class Exchange:
    """One attempt to bring the hub up to date. Use it once."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        url: str,
        clock_ms: Callable[[], int],
        waiting: Sequence[bytes] = (),
        introduced: Sequence[Introduction] = (),
        outbox: OutboxFetching | None = None,
    ) -> None:
        """`waiting`: the names of the files to send behind the entries. `introduced`: how this log came to be."""
        self.sender = sender
        self.logs = Fetching(store)
        self.outbox = outbox or OutboxFetching(store, "", b"")
        self._introduced = introduced
        self.files = FileSender(waiting)
        self.declined: list[str] = []  # why files stayed behind, for a person
        self.traffic = Traffic()
        self._store = store
        self._url = url.rstrip("/") + PATH
        self._clock_ms = clock_ms
        self._references = References(store, sender.log)
        self._pace = Pace()
        self._answered = asyncio.Event()
        self._failure: BaseException | None = None

    async def run(self, http: aiohttp.ClientSession) -> KeepReceipt:
        """Carry the exchange to its end; the receipt is stored when this returns.

        It is stored as well, and in `sender.receipt`, where the link was cut behind it, among the files.

        Raises:
            Unreachable: the link failed or the hub fell silent. Diverged: others continued this log. RefusedByPeer,
            RemoteProtocolError, VerificationError: the hub said no, or something that cannot be right.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
        headers = {"Content-Type": CONTENT_TYPE}
        try:
            async with (
                asyncio.timeout(SILENCE_TIMEOUT_S) as self._patience,  # aiohttp has none while a body is being sent
                http.post(
                    self._url, data=self._frames(), headers=headers, timeout=timeout, allow_redirects=False
                ) as response,
            ):
                if response.status in PUT_OFF:
                    raise Unreachable(f"{self._url} cannot store at the moment ({response.status} {response.reason})")
                if response.status != 200 or response.content_type != CONTENT_TYPE:
                    answer = f"{response.status} {response.reason}, {response.content_type}"
                    raise RemoteProtocolError(f"{self._url} answered {answer}: this is not our hub")
                await self._read(response)
        except (aiohttp.ClientError, OSError) as error:
            if self._failure is not None:
                raise self._failure from None
            raise unreachable(self._url, error) from None
        log, diverged = self.sender.log, self.sender.diverged
        if diverged is not None and log in self.logs.fetcher.forks:
            raise Diverged(log, self.logs.fetcher.forks[log], diverged.size)
        if self.sender.receipt is None:
            raise Unreachable(f"{self._url}: the hub hung up before it sent a receipt")
        return self.sender.receipt

    async def _frames(self) -> AsyncIterator[bytes]:
        try:
            async for frame in self._entry_frames():
                yield self._count(frame)
            async for message in self.logs.messages(self._hear):
                yield self._count(wire.encode(message))
            async for message in self.outbox.messages(self._hear):
                yield self._count(wire.encode(message))
            async for frame in self._file_frames():
                yield self._count(frame)
        except Exception as error:  # aiohttp would call it a failure of the link
            self._failure = error
            raise

    async def _entry_frames(self) -> AsyncIterator[bytes]:
        for message in self._introduced:
            yield wire.encode(message)
        for effect in self.sender.start(self._clock_ms()):
            if isinstance(effect, Send):
                yield wire.encode(effect.message)
        # aiohttp forgets who reads the answer if a cut meets the body's end
        while self.sender.receipt is None and self.sender.diverged is None:
            match self.sender.next():
                case Wait():
                    await self._hear()
                case Portion() as portion:
                    push, frame = await asyncio.to_thread(self._push_frame, portion)
                    if self.sender.pushed(push, len(frame)):
                        self._pace.pushed(push.end, len(frame), asyncio.get_running_loop().time())
                        yield frame
                case Ask(size):
                    for effect in self.sender.ask(await asyncio.to_thread(self._store.sign, size, self.sender.log)):
                        if isinstance(effect, Send):
                            yield wire.encode(effect.message)

    async def _file_frames(self) -> AsyncIterator[bytes]:
        while (step := self.files.next()) is not None:
            if isinstance(step, Wait):
                await self._hear()
                continue
            try:
                message = await asyncio.to_thread(self._about_file, step)
            except (KeyDestroyed, LogCorrupt) as error:  # erased or damaged here: it stays behind, the others go on
                self.declined.append(str(error))
                if self.files.next() == step:
                    self.files.skip()
                continue
            if self.files.next() != step:
                continue  # the hub's answer has meanwhile made it useless
            if isinstance(message, Offer):
                self.files.offered(len(message.manifest.hashes))
            else:
                self.files.sent()
            yield wire.encode(message, FILE_LEVEL)

    def _about_file(self, step: MakeOffer | ReadChunk) -> Offer | Chunk:
        match step:
            case MakeOffer(name):
                return offer_of(self._store, name)
            case ReadChunk(name, number):
                return chunk_of(self._store, name, number)

    async def _hear(self) -> None:
        self._answered.clear()
        await self._answered.wait()

    def _push_frame(self, portion: Portion) -> tuple[Push, bytes]:
        push = push_of(self._store, portion.start, portion.rows_count, self.sender.withheld, self.sender.log)
        if self.sender.plain:
            return push, wire.encode(push, self._pace.level, dictionary=NO_DICTIONARY)
        ordinal_of = self._references.within(push, self.sender.withheld)
        return push, wire.encode(push, self._pace.level, ordinal_of=ordinal_of)

    def _count(self, frame: bytes) -> bytes:
        self.traffic.sent_bytes += len(frame)
        return frame

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        frames = wire.FrameBuffer()
        async for chunk in response.content.iter_any():
            self.traffic.received_bytes += len(chunk)
            self._patience.reschedule(asyncio.get_running_loop().time() + SILENCE_TIMEOUT_S)
            for frame in frames.feed(chunk):
                await self._take(wire.decode(frame))
                self._answered.set()
            if self.sender.diverged is not None and self.logs.done:
                return
            if self.sender.receipt is not None and self.logs.done and self.outbox.done and self.files.done:
                return

    async def _take(self, message: Message) -> None:
        match message:
            case Held():
                await self._take_held(message)
                return
            case Logs() | Roots() | Carry():
                if not (isinstance(message, Logs) and self.sender.diverged):  # its own log comes first then
                    await self.logs.take(message)
                    if isinstance(message, Carry) and await self._has_news():
                        self.logs.fetcher.stop()
                return
            case OutboxAt() | Delivery():
                await self.outbox.take(message)
                if isinstance(message, Delivery) and await self._has_news():
                    self.outbox.stop()
                return
            case Holds() | Declined():
                await self._take_about_file(message)
                return
            case Ack(size):
                self._pace.acknowledged(size, asyncio.get_running_loop().time())
        for effect in self.sender.receive(message):
            if isinstance(effect, KeepReceipt):
                await asyncio.wrap_future(self._store.keep_checkpoint(self.sender.log, effect.signed))

    async def _take_held(self, message: Held) -> None:
        """What the hub held; where its copy is another one, find out from where on, unless it took pushes before."""
        size = min(message.size, self.sender.size)
        self.sender.held(message, await asyncio.to_thread(self._store.root, self.sender.log, size))
        if self.sender.diverged is None:
            return
        if self.sender.has_pushed:
            raise Unreachable(f"{self._url} holds another copy of this log: the next exchange asks first")
        key = next(b.public_key for b in self._store.branches() if b.log == self.sender.log)
        self.logs.fetcher.search(key, size)

    async def _has_news(self) -> bool:
        return await asyncio.to_thread(self._store.size, self.sender.log) > self.sender.size

    async def _take_about_file(self, message: Holds | Declined) -> None:
        for name, sent in self.files.receive(message):
            await asyncio.to_thread(self._store.files.note_sent, name, sent)
        if isinstance(message, Declined):
            self.declined.append(message.text)
        if await self._has_news():
            self.files.stop()
