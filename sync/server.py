"""The hub's end of an exchange over HTTP.

No decisions here: `replicator.Receiver` makes them. The answer is opened before the request's body is read, so that
acknowledgements flow while the node is still sending. Effects are performed in order: a batch is on the disk before
its acknowledgement is written.

One exchange a log at a time: a second one ends the first, which is then surely the remains of a cut connection. Which
is the second follows from when its request came, not from which greeting was worked on sooner: the remains of a cut
connection, found late, end nobody who came after them.

However many homes come at once, only WORKING_MAX frames are worked on at a time, the others wait their turn in order;
what waits is not read, so TCP holds its sender back. A turn lasts from a whole frame to what it led to on the disk, and
never while a link is waited for: a home with a slow line, or one that does not read its answers, keeps nobody waiting.
A greeting needs no turn: who waits in the crowd hears at once that the hub is there. Each piece that goes down is read
in a turn of its own, and only once the one before it has been handed to the link.
What a peer or its line did wrong is one sentence to the peer, and none or one in the hub's log.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import apsw
from aiohttp import ClientError, web
from aiohttp.http import HttpProcessingError

from sync import wire
from sync.batch import SignedSize
from sync.client import CONTENT_TYPE, HELD_PATH, NOT_CHANGED, PATH
from sync.database import NotStored
from sync.entry import log_id
from sync.errors import (
    FrameDamaged,
    LocalProtocolError,
    LogCorrupt,
    RemoteProtocolError,
    StaleVersion,
    UnknownKind,
    UnreadableForm,
    VerificationError,
)
from sync.file_keeping import keep
from sync.file_sql import StoredFile
from sync.file_transfer import FileReceiver
from sync.hub_note import EPOCH_FIRST
from sync.interrupted import Interrupted
from sync.log_schema import Kind
from sync.messages import (
    UNKNOWN,
    Again,
    Beside,
    Chunk,
    Compare,
    Content,
    Declined,
    Follow,
    Hello,
    Holds,
    Introduction,
    Message,
    NoKey,
    Notice,
    Offer,
    Push,
    Recall,
    Receipt,
    Refusal,
    Resume,
    Returned,
    Took,
    Welcome,
    Witness,
)
from sync.receiving import receiver_of
from sync.replicator import Append, Cosign, Effect, Receiver, Send
from sync.serving_logs import ServedLogs
from sync.store import Store
from sync.welcome import Welcomes

SILENCE_TIMEOUT_S: Final = 60
HELD_ASKED: Final = "/{log}/{size}/{epoch}/{outbox_size}/{entries}/{wanted}/{files}/{taken}"
WORKING_MAX: Final = 16
GREETING_SIZE_BYTES_MAX: Final = 100  # of Hello; Succeed, which is larger, is checked and stored
UNREAD_HEADERS: Final = ("Date", "Server")  # no clock but the exchange's, and nobody's business
LINK_ERRORS: Final = (ConnectionError, TimeoutError, ClientError, HttpProcessingError, web.RequestPayloadError)
logger = logging.getLogger(__name__)


@dataclass
class Talk:
    """How far one exchange has come; requests are numbered as they come."""

    number: int
    frames: wire.FrameBuffer = field(default_factory=wire.FrameBuffer)
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
        epoch_of: Callable[[], int] = lambda: EPOCH_FIRST,
        backed_up_to: Callable[[bytes], int] = lambda _: 0,
        welcomes: Welcomes | None = None,
        may_have: Callable[[bytes, StoredFile], bool] = lambda _log, _file: False,
        restored: Callable[[bytes, Witness | Returned], Recall | Took | None] = lambda _log, _message: None,
        settle: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """`logs_of` gives the public keys of all logs that the node of one of them may have, by log.

        `admit` lets a node go on in a new log, durably, or does nothing; raises VerificationError.
        `outbox_of` gives id and epoch of the outbox of a log's home; `route` fills outboxes, if that is quick.
        `epoch_of` gives the hub's epoch, `backed_up_to` how many entries of a log its last verified backup holds.
        `welcomes` are what new nodes get first.
        `may_have`: whether the home of a log may have a file.
        `restored` acts on what the node of a log shows and gives back to a hub that was restored; what to answer.
        `settle` looks again, when the node of a log comes, at what it gave back and is awaited from others.
        """
        self._welcomes = welcomes
        self._restored = restored
        self._settle = settle
        self._logs_of = logs_of
        self._admit = admit
        self._outbox_of = outbox_of
        self._route = route
        self._epoch_of = epoch_of
        self._backed_up_to = backed_up_to
        self._may_have = may_have
        self._store = store
        self._key_of = key_of
        self._clock_ms = clock_ms
        self._running: dict[bytes, tuple[int, asyncio.Task[None]]] = {}
        self._numbers = itertools.count(1)
        self._interrupted = Interrupted(lambda: asyncio.get_running_loop().time())
        self._turns = asyncio.Semaphore(WORKING_MAX)

    def routes(self) -> list[web.RouteDef]:
        """What to add to the application's router."""
        return [web.post(PATH, self.exchange), web.get(HELD_PATH + HELD_ASKED, self.held)]

    def add_to(self, app: web.Application) -> None:
        """Serve in an application, with answers no longer than they need be."""
        app.add_routes(self.routes())
        app.on_response_prepare.append(_shorten)

    async def held(self, request: web.Request) -> web.Response:
        """Whether a log has still so many entries here, and what there is beside it is what was told: 204. Else 404.

        Whatever else a hub may have to say to a home must be looked at here, or the home hears it an hour later.
        """
        asked = request.match_info
        with contextlib.suppress(ValueError, LocalProtocolError):
            log, size = bytes.fromhex(asked["log"]), int(asked["size"])
            told = Beside(*(int(asked[name]) for name in Beside._fields))
            if self._key_of(log) is not None and await asyncio.to_thread(self._store.size, log) == size:
                async with self._turns:
                    beside = await asyncio.to_thread(self._beside, log)
                if beside == told:
                    return web.Response(status=NOT_CHANGED)
        return web.Response(status=404)

    def _beside(self, log: bytes) -> Beside:
        with contextlib.suppress(apsw.Error, NotStored):  # an exchange will say it
            self._settle(log)
        return self._served(log).beside()

    def _greeted(self, log: bytes) -> ServedLogs:
        self._settle(log)
        return self._served(log)

    def _served(self, log: bytes) -> ServedLogs:
        may_have = partial(self._may_have, log)
        return ServedLogs(self._store, log, self._logs_of(log), self._outbox_of, self._welcomes, may_have)

    async def exchange(self, request: web.Request) -> web.StreamResponse:
        """Serve one exchange."""
        if request.content_type != CONTENT_TYPE:
            raise web.HTTPUnsupportedMediaType(text=f"expected {CONTENT_TYPE}")
        response, talk = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE}), Talk(next(self._numbers))
        with contextlib.suppress(*LINK_ERRORS, asyncio.CancelledError):
            await response.prepare(request)
            # A task of its own: to end a former exchange is not to end the connection's task, which may linger.
            conversation = asyncio.create_task(self._converse(request, response, talk))
            try:
                await conversation
            except StaleVersion as error:  # another exchange was quicker: nobody did wrong
                await self._send(response, Refusal("gap", str(error)[:500]))
            except UnknownKind as error:
                await self._send(response, Refusal("protocol", error.for_peer))
            except FrameDamaged as error:
                await self._send(response, Refusal("damaged", str(error)))
            except (RemoteProtocolError, VerificationError, apsw.ConstraintError) as error:
                await self._send(response, Refusal("invalid", str(error)[:500]))
            except LogCorrupt as error:  # what this home asked for; nobody else is stopped by it
                logger.error("an exchange ended: %s", error)
                await self._send(response, Refusal("later", f"the hub's disk is damaged: {error}"[:500]))
            except (apsw.FullError, apsw.IOError, apsw.BusyError, NotStored) as error:  # nothing of it is stored
                logger.warning("an exchange was put off, the disk refused to store: %s", error)
                await self._send(
                    response, Refusal("later", "the hub cannot store at the moment: its disk is full or fails")
                )
            await response.write_eof()
        return response

    async def _converse(self, request: web.Request, response: web.StreamResponse, talk: Talk) -> None:
        try:
            while chunk := await asyncio.wait_for(request.content.readany(), SILENCE_TIMEOUT_S):
                for frame in talk.frames.feed(chunk):
                    await self._hear(response, talk, frame)
                    if talk.is_over:
                        return
        finally:
            if talk.receiver is not None and self._running.get(talk.receiver.log, (0,))[0] == talk.number:
                del self._running[talk.receiver.log]
                self._interrupted.keep(talk.receiver.log, talk.frames.begun)

    async def _hear(self, response: web.StreamResponse, talk: Talk, frame: bytes) -> None:
        is_greeting = talk.receiver is None and len(frame) <= GREETING_SIZE_BYTES_MAX
        async with contextlib.nullcontext() if is_greeting else self._turns:
            answers = await self._work(talk, frame)
        for answer in answers:
            await self._send(response, answer)
        if talk.receiver is not None and talk.logs is None:  # it was the greeting
            async with self._turns:
                talk.logs = await asyncio.to_thread(self._greeted, talk.receiver.log)
                talk.logs.now_s = asyncio.get_running_loop().time
                told = await asyncio.to_thread(talk.logs.logs)
            if told is not None:
                await self._send(response, told)
        while talk.logs is not None and talk.logs.may_carry:
            async with self._turns:
                piece = await asyncio.to_thread(talk.logs.carry)
            await self._send(response, piece)

    async def _work(self, talk: Talk, frame: bytes) -> list[Message]:
        """Do what a frame asks for, down to the disk; what is to be answered."""
        receiver = talk.receiver
        try:
            message = await asyncio.to_thread(wire.decode, frame, receiver.subject_of if receiver else None)
        except UnreadableForm as error:
            if receiver is None:
                raise
            return [effect.message for effect in receiver.cannot_read(error.start) if isinstance(effect, Send)]
        if isinstance(message, Notice):  # for a later version of us
            return []
        if talk.receiver is None:
            return await self._begin(talk, message)
        log = talk.receiver.log
        match message:
            case Resume():
                talk.frames.resume(self._interrupted.take(log, message))
                return []
            case Push() | Chunk():
                self._interrupted.drop(log)
        match message:
            case Offer() | Chunk():
                talk.files = talk.files or FileReceiver(log, self._key_of(log) or b"")
                return await self._take_file(log, talk.files, message)
            case Compare() | Follow() | Took() | NoKey() | Welcome() | Holds() | Declined() if talk.logs is not None:
                answer = await asyncio.to_thread(talk.logs.answer, message)
                return [] if answer is None else [answer]
            case Again() if talk.logs is not None:
                return list(await asyncio.to_thread(talk.logs.contents, message))
            case Content() if talk.logs is not None:
                await asyncio.to_thread(talk.logs.take, message)
                return []
            case Witness() | Returned() if talk.logs is not None:
                return await asyncio.to_thread(self._take_back, log, talk.logs, message)
        return await self._take(talk, talk.receiver, message)

    def _take_back(self, log: bytes, logs: ServedLogs, message: Witness | Returned) -> list[Message]:
        answer = self._restored(log, message)
        self._route()
        told = logs.outbox_now()
        answers: list[Message] = [*([answer] if answer is not None else []), *([told] if told.epoch else [])]
        return answers if isinstance(message, Witness) else answers[::-1]  # it acts on Took

    async def _begin(self, talk: Talk, message: Message) -> list[Message]:
        """Until the node has said which log this is about, and been told what is held of it."""
        if isinstance(message, Introduction):
            await asyncio.to_thread(self._admit, message)
            return []
        receiver = talk.receiver = await self._open(talk.number, message)
        if receiver is None:
            talk.is_over = True
            reason = "this county does not know the node: join again with a new invitation"
            return [Refusal(f"{UNKNOWN}:{log_id(self._store.identity.public_key).hex()}", reason)]
        remains = self._interrupted.remains(receiver.log)
        return [*([remains] if remains is not None else []), *await self._take(talk, receiver, message)]

    async def _take(self, talk: Talk, receiver: Receiver, message: Message) -> list[Message]:
        answers: list[Message | None] = []
        for effect in await asyncio.to_thread(receiver.receive, message, self._clock_ms()):
            if isinstance(effect, Cosign) and talk.logs is not None:
                await asyncio.to_thread(self._route)  # as of what the home has just brought
                answers.append(await asyncio.to_thread(talk.logs.outbox_at))
                answers += await asyncio.to_thread(talk.logs.wanted)
            answers.append(await self._perform(receiver, effect))
        return [answer for answer in answers if answer is not None]

    async def _open(self, number: int, message: Message) -> Receiver | None:
        if not isinstance(message, Hello):
            raise RemoteProtocolError("an exchange begins with Hello")
        public_key = self._key_of(message.log)
        if public_key is None or await asyncio.to_thread(self._is_in_part, message.log):
            return None
        await self._take_over(number, message.log)
        if not await asyncio.to_thread(self._store.holds, message.log):
            await asyncio.wrap_future(self._store.add_log(message.log, public_key))
        return await asyncio.to_thread(receiver_of, self._store, message.log, public_key)

    async def _take_over(self, number: int, log: bytes) -> None:
        """Be the exchange of a log from now on; raises StaleVersion where one that came later is."""
        while (running := self._running.get(log)) is not None and not running[1].done():
            if running[0] > number:
                raise StaleVersion("another exchange of this log came later")
            running[1].cancel()
            await asyncio.wait([running[1]])
        task = asyncio.current_task()
        assert task is not None
        self._running[log] = (number, task)

    def _is_in_part(self, log: bytes) -> bool:
        """Whether a log came here through an outbox: nobody pushes it, whatever a hub below says of it."""
        return self._store.holds(log) and self._store.branch(log).kind == Kind.PART

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
                return await self._receipt(receiver, signed)
            case _:
                raise AssertionError(effect)

    async def _receipt(self, receiver: Receiver, signed: SignedSize) -> Receipt:
        backed_up_to = await asyncio.to_thread(self._backed_up_to, receiver.log)
        kept, receipt = self._store.give_receipt(
            receiver.log, signed, receiver.greeted,
            epoch=self._epoch_of(), backed_up_to=backed_up_to, clock_ms=self._clock_ms(),
        )  # fmt: skip
        await asyncio.wrap_future(kept)
        return receipt

    @staticmethod
    async def _send(response: web.StreamResponse, said: Message | bytes) -> None:
        """A message, or a frame that was made beside the event loop."""
        async with asyncio.timeout(SILENCE_TIMEOUT_S):  # a peer that does not read its answers
            await response.write(said if isinstance(said, bytes) else wire.encode(said))


async def _shorten(_request: web.Request, response: web.StreamResponse) -> None:
    """Leave out of an answer between machines what only browsers read."""
    if response.content_type == CONTENT_TYPE or response.status == NOT_CHANGED:
        for name in UNREAD_HEADERS:
            response.headers.popall(name, None)
