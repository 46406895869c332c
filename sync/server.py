"""The hub's end of an exchange over HTTP.

No decisions here: `replicator.Receiver` makes them. The answer is opened before the request's body is read, so that
acknowledgements flow while the node is still sending. Effects are performed in order: a batch is on the disk before
its acknowledgement is written.

One exchange a log at a time: a second one ends the first, which is then surely the remains of a cut connection.

However many homes come at once, only WORKING_MAX frames are worked on at a time, the others wait their turn in order;
what waits is not read, so TCP holds its sender back. A turn lasts from a whole frame to what it led to on the disk, and
never while a link is waited for: a home with a slow line, or one that does not read its answers, keeps nobody waiting.
A greeting needs no turn: who waits in the crowd hears at once that the hub is there.
What a peer or its line did wrong is one sentence to the peer, and none or one in the hub's log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import apsw
from aiohttp import ClientError, web
from aiohttp.http import HttpProcessingError

from sync import wire
from sync.batch import SignedSize
from sync.client import CONTENT_TYPE, HELD_PATH, NOT_CHANGED, PATH
from sync.database import NotStored
from sync.errors import LocalProtocolError, RemoteProtocolError, StaleVersion, VerificationError
from sync.file_keeping import keep
from sync.file_transfer import FileReceiver
from sync.messages import UNKNOWN, Chunk, Hello, Message, Offer, Receipt, Refusal
from sync.replicator import Append, Cosign, Effect, Receiver, Send
from sync.store import Store

SILENCE_TIMEOUT_S: Final = 60
WORKING_MAX: Final = 16
GREETING_SIZE_BYTES_MAX: Final = 256
UNREAD_HEADERS: Final = ("Date", "Server")  # no clock but the exchange's, and nobody's business
LINK_ERRORS: Final = (ConnectionError, TimeoutError, ClientError, HttpProcessingError, web.RequestPayloadError)
logger = logging.getLogger(__name__)


@dataclass
class Talk:
    """What one exchange has come to."""

    receiver: Receiver | None = None
    files: FileReceiver | None = None


class ExchangeServer:
    """Receives the logs of the nodes that `key_of` knows."""

    def __init__(self, store: Store, key_of: Callable[[bytes], bytes | None], clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._key_of = key_of
        self._clock_ms = clock_ms
        self._running: dict[bytes, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(WORKING_MAX)

    def routes(self) -> list[web.RouteDef]:
        """What to add to the application's router."""
        return [web.post(PATH, self.exchange), web.get(f"{HELD_PATH}/{{log}}/{{size}}", self.held)]

    def add_to(self, app: web.Application) -> None:
        """Serve in an application, with answers no longer than they need be."""
        app.add_routes(self.routes())
        app.on_response_prepare.append(_shorten)

    async def held(self, request: web.Request) -> web.Response:
        """Whether a log has still so many entries here: 204. Else 404: exchange.

        Whatever else a hub may have to say to a home must be looked at here, or the home hears it an hour later.
        """
        with contextlib.suppress(ValueError, LocalProtocolError):
            log, size = bytes.fromhex(request.match_info["log"]), int(request.match_info["size"])
            if self._key_of(log) is not None and await asyncio.to_thread(self._store.size, log) == size:
                return web.Response(status=NOT_CHANGED)
        return web.Response(status=404)

    async def exchange(self, request: web.Request) -> web.StreamResponse:
        """Serve one exchange."""
        if request.content_type != CONTENT_TYPE:
            raise web.HTTPUnsupportedMediaType(text=f"expected {CONTENT_TYPE}")
        response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE})
        with contextlib.suppress(*LINK_ERRORS, asyncio.CancelledError):
            await response.prepare(request)
            # A task of its own: to end a former exchange is not to end the connection's task, which may linger.
            conversation = asyncio.create_task(self._converse(request, response))
            try:
                await conversation
            except StaleVersion as error:  # another exchange was quicker: nobody did wrong
                await self._send(response, Refusal("gap", str(error)[:500]))
            except (RemoteProtocolError, VerificationError, apsw.ConstraintError) as error:
                await self._send(response, Refusal("invalid", str(error)[:500]))
            except (apsw.FullError, apsw.IOError, apsw.BusyError, NotStored) as error:  # nothing of it is stored
                logger.warning("an exchange was put off, the disk refused to store: %s", error)
                await self._send(
                    response, Refusal("later", "the hub cannot store at the moment: its disk is full or fails")
                )
            await response.write_eof()
        return response

    async def _converse(self, request: web.Request, response: web.StreamResponse) -> None:
        frames, talk = wire.FrameBuffer(), Talk()
        try:
            while chunk := await asyncio.wait_for(request.content.readany(), SILENCE_TIMEOUT_S):
                for frame in frames.feed(chunk):
                    is_greeting = talk.receiver is None and len(frame) <= GREETING_SIZE_BYTES_MAX
                    async with contextlib.nullcontext() if is_greeting else self._turns:
                        answers = await self._work(talk, frame)
                    for answer in answers:
                        await self._send(response, answer)
                    if talk.receiver is None:
                        return
        finally:
            if talk.receiver is not None and self._running.get(talk.receiver.log) is asyncio.current_task():
                del self._running[talk.receiver.log]

    async def _work(self, talk: Talk, frame: bytes) -> list[Message]:
        """Do what a frame asks for, down to the disk; what is to be answered."""
        message = await asyncio.to_thread(wire.decode, frame)
        receiver = talk.receiver = talk.receiver or await self._open(message)
        if receiver is None:
            reason = "this county does not know the node: join again with a new invitation"
            return [Refusal(f"{UNKNOWN}:{self._store.log.hex()}", reason)]
        if isinstance(message, Offer | Chunk):
            talk.files = talk.files or FileReceiver(receiver.log, self._key_of(receiver.log) or b"")
            return await self._take_file(receiver.log, talk.files, message)
        effects = await asyncio.to_thread(receiver.receive, message, self._clock_ms())
        answers = [await self._perform(receiver, effect) for effect in effects]
        return [answer for answer in answers if answer is not None]

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
        if not await asyncio.to_thread(self._store.holds, message.log):
            await asyncio.wrap_future(self._store.add_log(message.log, public_key))
        return await asyncio.to_thread(self._receiver, message.log, public_key)

    def _receiver(self, log: bytes, public_key: bytes) -> Receiver:
        branch = self._store.branch(log)
        frontier = self._store.frontier(log, branch.size)
        return Receiver(log, public_key, frontier, branch.streams, partial(self._store.stream_ref, log))

    async def _take_file(self, log: bytes, files: FileReceiver, message: Offer | Chunk) -> list[Message]:
        effects = await asyncio.to_thread(files.receive, message)
        return [await asyncio.to_thread(keep, self._store.files, log, effect, self._clock_ms()) for effect in effects]

    async def _perform(self, receiver: Receiver, effect: Effect) -> Message | None:
        match effect:
            case Append(batch):
                stored = asyncio.wrap_future(self._store.append(batch))
                try:
                    await asyncio.shield(stored)
                except asyncio.CancelledError:  # who comes after it must find what is held
                    await asyncio.wait([stored])
                    raise
                return None
            case Send(message):
                return message
            case Cosign(signed):
                return await self._receipt(receiver.log, signed)
            case _:
                raise AssertionError(effect)

    async def _receipt(self, log: bytes, signed: SignedSize) -> Receipt:
        receipt = self._store.receipt(log, signed.size, signed.root, max(0, self._clock_ms() // 1000))
        await asyncio.wrap_future(self._store.keep_checkpoint(log, signed._replace(receipt=receipt)))
        return Receipt(signed.size, receipt)

    @staticmethod
    async def _send(response: web.StreamResponse, message: Message) -> None:
        async with asyncio.timeout(SILENCE_TIMEOUT_S):  # a peer that does not read its answers
            await response.write(wire.encode(message))


async def _shorten(_request: web.Request, response: web.StreamResponse) -> None:
    """Leave out of an answer between machines what only browsers read."""
    if response.content_type == CONTENT_TYPE or response.status == NOT_CHANGED:
        for name in UNREAD_HEADERS:
            response.headers.popall(name, None)
