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
from collections.abc import Callable
from functools import partial
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
from sync.messages import UNKNOWN, Chunk, Hello, Message, Offer, Receipt, Refusal
from sync.replicator import Append, Cosign, Effect, Receiver, Send
from sync.store import Store

SILENCE_TIMEOUT_S: Final = 60
logger = logging.getLogger(__name__)


class ExchangeServer:
    """Receives the logs of the nodes that `key_of` knows."""

    def __init__(self, store: Store, key_of: Callable[[bytes], bytes | None], clock_ms: Callable[[], int]) -> None:
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
        receiver: Receiver | None = None
        files: FileReceiver | None = None
        try:
            while chunk := await asyncio.wait_for(request.content.readany(), SILENCE_TIMEOUT_S):
                for frame in frames.feed(chunk):
                    try:
                        message = await asyncio.to_thread(wire.decode, frame, receiver.subject_of if receiver else None)
                    except UnreadableForm as error:
                        if receiver is None:
                            raise
                        for effect in receiver.cannot_read(error.start):
                            await self._perform(response, receiver, effect)
                        continue
                    if receiver is None:
                        receiver = await self._open(message)
                    if receiver is None:
                        reason = "this county does not know the node: join again with a new invitation"
                        return await self._send(response, Refusal(f"{UNKNOWN}:{self._store.log.hex()}", reason))
                    if isinstance(message, Offer | Chunk):
                        files = files or FileReceiver(receiver.log, self._key_of(receiver.log) or b"")
                        await self._take_file(response, receiver.log, files, message)
                        continue
                    for effect in await asyncio.to_thread(receiver.receive, message, self._clock_ms()):
                        await self._perform(response, receiver, effect)
        finally:
            if receiver is not None and self._running.get(receiver.log) is asyncio.current_task():
                del self._running[receiver.log]

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
        return await asyncio.to_thread(self._receiver, message.log, public_key)

    def _receiver(self, log: bytes, public_key: bytes) -> Receiver:
        branch = next(b for b in self._store.branches() if b.log == log)

        frontier = self._store.frontier(log, branch.size)
        return Receiver(log, public_key, frontier, branch.streams, partial(self._store.stream_ref, log))

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
