"""The hub's end of an exchange over HTTP.

No decisions here: `replicator.Receiver` makes them. The answer is opened before the request's body is read, so that
acknowledgements flow while the node is still sending. Effects are performed in order: a batch is on the disk before
its acknowledgement is written.

One exchange a log at a time: a second one ends the first, which is then surely the remains of a cut connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import apsw
from aiohttp import web

from sync import wire
from sync.batch import SignedSize
from sync.client import CONTENT_TYPE, PATH
from sync.database import NotStored
from sync.errors import RemoteProtocolError, StaleVersion, UnreadableForm, VerificationError
from sync.file_keeping import keep
from sync.file_transfer import FileReceiver
from sync.messages import (
    UNKNOWN,
    Chunk,
    Compare,
    Follow,
    Hello,
    Introduction,
    Message,
    NoKey,
    Offer,
    Receipt,
    Refusal,
    Took,
)
from sync.receiving import receiver_of
from sync.replicator import Append, Cosign, Effect, Receiver, Send
from sync.serving_logs import ServedLogs
from sync.store import Store

SILENCE_TIMEOUT_S: Final = 60
logger = logging.getLogger(__name__)


@dataclass
class _Talk:
    """How far one exchange has come."""

    receiver: Receiver | None = None
    files: FileReceiver | None = None
    logs: ServedLogs | None = None
    is_over: bool = False


class ExchangeServer:
    """Receives the logs of the nodes that `key_of` knows, and carries down what `logs_of` says is theirs."""

    def __init__(
        self,
        store: Store,
        key_of: Callable[[bytes], bytes | None],
        clock_ms: Callable[[], int],
        logs_of: Callable[[bytes], Mapping[bytes, bytes]] = lambda _: {},
        admit: Callable[[Introduction], None] = lambda _: None,
        outbox_of: Callable[[bytes], tuple[bytes, int] | None] = lambda _: None,
        route: Callable[[], None] = lambda: None,
    ) -> None:
        """`logs_of` gives the public keys of all logs that the node of one of them may have, by log.

        `admit` lets a node go on in a new log, durably, or does nothing; raises VerificationError.
        `outbox_of` gives id and epoch of the outbox of a log's home; `route` fills outboxes, if that is quick.
        """
        self._logs_of = logs_of
        self._admit = admit
        self._outbox_of = outbox_of
        self._route = route
        self._store = store
        self._key_of = key_of
        self._clock_ms = clock_ms
        self._running: dict[bytes, asyncio.Task[None]] = {}

    def routes(self) -> list[web.RouteDef]:
        """What to add to the application's router."""
        return [web.post(PATH, self.exchange)]

    async def exchange(self, request: web.Request) -> web.StreamResponse:
        """Serve one exchange."""
        if request.content_type != CONTENT_TYPE:
            raise web.HTTPUnsupportedMediaType(text=f"expected {CONTENT_TYPE}")
        response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
        with contextlib.suppress(ConnectionError, TimeoutError, asyncio.CancelledError):
            await response.prepare(request)
            # A task of its own: to end a former exchange is not to end the connection's task, which may linger.
            conversation = asyncio.create_task(self._converse(request, response))
            try:
                await conversation
            except (RemoteProtocolError, VerificationError, StaleVersion, apsw.ConstraintError) as error:
                await self._send(response, Refusal("invalid", str(error)[:500]))
            except (apsw.FullError, apsw.IOError, apsw.BusyError, NotStored) as error:  # nothing of it is stored
                logger.warning("an exchange was put off, the disk refused to store: %s", error)
                await self._send(
                    response, Refusal("later", "the hub cannot store at the moment: its disk is full or fails")
                )
            await response.write_eof()
        return response

    async def _converse(self, request: web.Request, response: web.StreamResponse) -> None:
        frames = wire.FrameBuffer()
        talk = _Talk()
        try:
            while chunk := await asyncio.wait_for(request.content.readany(), SILENCE_TIMEOUT_S):
                for frame in frames.feed(chunk):
                    await self._read(response, talk, frame)
                    if talk.is_over:
                        return
        finally:
            if talk.receiver is not None and self._running.get(talk.receiver.log) is asyncio.current_task():
                del self._running[talk.receiver.log]

    async def _read(self, response: web.StreamResponse, talk: _Talk, frame: bytes) -> None:
        receiver = talk.receiver
        try:
            message = await asyncio.to_thread(wire.decode, frame, receiver.subject_of if receiver else None)
        except UnreadableForm as error:
            if receiver is None:
                raise
            for effect in receiver.cannot_read(error.start):
                await self._perform(response, receiver, effect)
            return
        await self._hear(response, talk, message)

    async def _hear(self, response: web.StreamResponse, talk: _Talk, message: Message) -> None:
        if talk.receiver is None:
            await self._begin(response, talk, message)
            return
        receiver = talk.receiver
        match message:
            case Offer() | Chunk():
                talk.files = talk.files or FileReceiver(receiver.log, self._key_of(receiver.log) or b"")
                await self._take_file(response, receiver.log, talk.files, message)
            case Compare() | Follow() | Took() | NoKey() if talk.logs is not None:
                await self._serve_logs(response, talk.logs, message)
            case _:
                for effect in await asyncio.to_thread(receiver.receive, message, self._clock_ms()):
                    if isinstance(effect, Cosign) and talk.logs is not None:
                        await self._tell_outbox(response, talk.logs)
                    await self._perform(response, receiver, effect)

    def _served(self, log: bytes) -> ServedLogs:
        return ServedLogs(self._store, log, self._logs_of(log), self._outbox_of(log))

    async def _tell_outbox(self, response: web.StreamResponse, logs: ServedLogs) -> None:
        """What the county has for the home, as of what the home has just brought."""
        await asyncio.to_thread(self._route)
        if (told := await asyncio.to_thread(logs.outbox_at)) is not None:
            await self._send(response, told)

    async def _begin(self, response: web.StreamResponse, talk: _Talk, message: Message) -> None:
        """Until the node has said which log this is about, and been told what is held of it."""
        if isinstance(message, Introduction):
            await asyncio.to_thread(self._admit, message)
            return
        receiver = await self._open(message)
        if receiver is None:
            reason = "this county does not know the node: join again with a new invitation"
            await self._send(response, Refusal(f"{UNKNOWN}:{self._store.log.hex()}", reason))
            talk.is_over = True
            return
        talk.receiver = receiver
        talk.logs = await asyncio.to_thread(self._served, receiver.log)
        for effect in await asyncio.to_thread(receiver.receive, message, self._clock_ms()):
            await self._perform(response, receiver, effect)
        if (told := await asyncio.to_thread(talk.logs.logs)) is not None:
            await self._send(response, told)

    async def _open(self, message: Message) -> Receiver | None:
        if not isinstance(message, Hello):
            raise RemoteProtocolError("an exchange begins with Hello")
        public_key = self._key_of(message.log)
        if public_key is None:
            return None
        former = self._running.get(message.log)
        if former is not None and not former.done():
            former.cancel()
            await asyncio.wait([former])
        task = asyncio.current_task()
        assert task is not None
        self._running[message.log] = task
        await asyncio.wrap_future(self._store.add_log(message.log, public_key))
        return await asyncio.to_thread(receiver_of, self._store, message.log, public_key)

    async def _serve_logs(
        self, response: web.StreamResponse, logs: ServedLogs, message: Compare | Follow | Took | NoKey
    ) -> None:
        if (answer := await asyncio.to_thread(logs.answer, message)) is not None:
            await self._send(response, answer)
        carries = logs.carries()
        while (carry := await asyncio.to_thread(next, carries, None)) is not None:
            await self._send(response, carry)

    async def _take_file(
        self, response: web.StreamResponse, log: bytes, files: FileReceiver, message: Offer | Chunk
    ) -> None:
        for effect in await asyncio.to_thread(files.receive, message):
            await self._send(response, await asyncio.to_thread(keep, self._store.files, log, effect, self._clock_ms()))

    async def _perform(self, response: web.StreamResponse, receiver: Receiver, effect: Effect) -> None:
        match effect:
            case Append(batch):
                await asyncio.wrap_future(self._store.append(batch))
            case Send(message):
                await self._send(response, message)
            case Cosign(signed):
                await self._send(response, await self._receipt(receiver.log, signed))
            case _:
                raise AssertionError(effect)

    async def _receipt(self, log: bytes, signed: SignedSize) -> Receipt:
        receipt = self._store.receipt(log, signed.size, signed.root, max(0, self._clock_ms() // 1000))
        await asyncio.wrap_future(self._store.keep_checkpoint(log, signed._replace(receipt=receipt)))
        return Receipt(signed.size, receipt)

    @staticmethod
    async def _send(response: web.StreamResponse, message: Message) -> None:
        await response.write(wire.encode(message))
