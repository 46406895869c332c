"""The node's end of an exchange over HTTP. No decisions about content: `speaking.Speaker` has the words.

Frames travel in one of three ways:

    at once    all there is to say fits one small request: it is sent whole, as on most days
    streamed   one POST whose answer is read while its body is still being sent
    singly     behind a proxy that keeps a body until it is whole: one POST for each frame or few, each answered in full

A stream that hears nothing for HEARING_TIMEOUT_S ends its body. If the hub's answer comes only then, a proxy on the way
buffers: nothing was lost, the rest goes singly, and `buffered` says so to whoever plans the next exchange.

What comes down travels in the streamed request where there is one. Where all was said at once, or goes singly, a little
comes in further short requests: each asks from where the node is by then, and is answered with as much as may be
unanswered. Much, as for a new PC, is streamed for, unless a proxy is known to keep requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Final

import aiohttp

from sync import wire
from sync.errors import Diverged, FrameDamaged, RemoteProtocolError, Unreachable
from sync.messages import Beside, Introduction
from sync.outbox_fetching import OutboxFetching
from sync.replicator import KeepReceipt, Sender, Wait
from sync.speaking import Speaker
from sync.store import Store
from sync.welcome_fetching import WelcomeFetching

PATH: Final = "/v1/exchange"
HELD_PATH: Final = "/v1/held"
CONTENT_TYPE: Final = "application/vnd.homeward.frames"
CONNECT_TIMEOUT_S: Final = 20
SILENCE_TIMEOUT_S: Final = 60
HEARING_TIMEOUT_S: Final = 10.0  # from the first frame: a round trip, the line's queue, a hub that is busy
MUCH_ROWS: Final = 500  # that come down: more than a short request or two bring
UNHEARD_SIZE_BYTES_MAX: Final = 256 * 1024  # a proxy's limit on a body is 1 MB where nobody has thought of it
AT_ONCE_ROWS_MAX: Final = 100
AT_ONCE_SIZE_BYTES_MAX: Final = 16 * 1024
ASK_TIMEOUT_S: Final = 20
KEPT_S_MAX: Final = 3600  # how long an idle connection is kept
DRAIN_TIMEOUT_S: Final = 5
NOT_CHANGED: Final = 204
PUT_OFF: Final = (408, 429, 502, 503, 504, 507)
TOO_LARGE: Final = 413
TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)


def connect() -> aiohttp.ClientSession:
    """The connection to a hub: one, kept between exchanges, with no header that nobody reads."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=1, keepalive_timeout=KEPT_S_MAX),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def unreachable(url: str, error: Exception) -> Unreachable:
    """A failure of the link in words: which address, what happened, and that waiting helps."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unreachable(f"{url} cannot be reached ({error.strerror}): is the link up, and the hub running?")
    what = str(error) or type(error).__name__
    return Unreachable(
        f"the link to {url} was cut ({what}): what arrived is kept, the next exchange goes on from there"
    )


async def has_news(http: aiohttp.ClientSession, url: str, log: bytes, size: int, beside: Beside) -> bool:
    """Ask in the fewest bytes whether the hub still holds exactly so many entries of a log, and nothing new beside it.

    `beside`: what it last said it has. True where only an exchange can tell. Raises Unreachable.
    """
    address = "/".join([f"{url.rstrip('/')}{HELD_PATH}", log.hex(), str(size), *map(str, beside)])
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S), http.get(address, allow_redirects=False) as response:
            return response.status != NOT_CHANGED
    except (aiohttp.ClientError, OSError) as error:
        raise unreachable(address, error) from None


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
        welcome: WelcomeFetching | None = None,
        size: int | None = None,
        *,
        singly: bool = False,
        drain: bool = False,
    ) -> None:
        """`waiting`: the names of the files to send behind the entries; `introduced`: how this log came to be; `size`:
        how many entries it has, where the exchange is about fewer.

        `singly`: do not try to stream; `drain`: hear the answer out behind the receipt, so that the connection can
        serve again.
        """
        self.speaker = Speaker(store, sender, waiting, clock_ms, introduced, outbox, welcome, size)
        self.logs, self.outbox, self.welcome = self.speaker.logs, self.speaker.outbox, self.speaker.welcome
        self.sender, self.files, self.traffic = sender, self.speaker.files, self.speaker.traffic
        self.declined = self.speaker.declined
        self.buffered = False  # found to be so in this exchange
        self._singly = singly
        self._drain = drain
        self._url = url.rstrip("/") + PATH
        self._answered = asyncio.Event()
        self._requests = 0
        self._was_heard = False
        self._ended_unheard = False
        self._failure: BaseException | None = None
        self._response: aiohttp.ClientResponse | None = None

    async def run(self, http: aiohttp.ClientSession) -> KeepReceipt:
        """Carry the exchange to its end; the receipt is stored when this returns.

        It is stored as well, and in `sender.receipt`, where the link was cut behind it, among the files.

        Raises:
            Unreachable: the link failed or the hub fell silent. Diverged: others continued this log. RefusedByPeer,
            RemoteProtocolError, VerificationError: the hub said no, or something that cannot be right.
        """
        try:
            if not self._singly:
                await self._say_all_or_stream(http)
            while not self.speaker.is_done and (self._singly or self.buffered):
                body, count = await self._gather(self.sender.push_size_bytes)
                if count == 0 and self._requests > 0:
                    break  # an answer was not whole: the next exchange asks first
                await self._post(http, body)
                self.speaker.ended()
        except (aiohttp.ClientError, OSError) as error:
            if self._failure is not None:
                raise self._failure from None
            if not self.speaker.is_done:
                raise unreachable(self._url, error) from None
        return self._outcome()

    def _outcome(self) -> KeepReceipt:
        log, diverged, forks = self.sender.log, self.sender.diverged, self.logs.fetcher.forks
        if diverged is not None and log in forks:
            raise Diverged(log, forks[log], diverged.size)
        if self.sender.receipt is None:
            raise Unreachable(f"{self._url}: the hub hung up before it sent a receipt")
        if not self.speaker.has_come:
            raise Unreachable(f"{self._url}: the hub hung up before it sent all that it has for this home")
        return self.sender.receipt

    async def _say_all_or_stream(self, http: aiohttp.ClientSession) -> None:
        is_little = self.sender.size - self.sender.acknowledged <= AT_ONCE_ROWS_MAX
        first, _ = await self._gather(AT_ONCE_SIZE_BYTES_MAX if is_little else 0)
        if self.speaker.has_said_all:
            await self._post(http, first)
            self.speaker.ended()
            if self.speaker.is_done or self.speaker.to_come < MUCH_ROWS:
                self._singly = True  # where the hub has asked for something
                return
            first, _ = await self._gather(0)
            self._was_heard = False
        await self._post(http, self._body(first))
        self.speaker.ended()
        self.buffered = self._ended_unheard and self._was_heard

    async def _gather(self, size_bytes_max: int) -> tuple[bytes, int]:
        """What there is to say before the hub must be heard, up to a size; in how many frames behind the opening."""
        body, count = bytearray(await self.speaker.opening()), 0
        while len(body) < size_bytes_max and isinstance(step := await self.speaker.next(), bytes):
            body += step
            count += 1
        return bytes(body), count

    async def _body(self, first: bytes) -> AsyncIterator[bytes]:
        """What is streamed, to the end of the exchange, or until nobody answers while it is open."""
        try:
            yield first
            size_bytes = len(first)
            while (step := await self.speaker.next()) is not None:
                if isinstance(step, bytes):
                    yield step
                    size_bytes += len(step)
                is_much = not self._was_heard and size_bytes >= UNHEARD_SIZE_BYTES_MAX
                if (isinstance(step, Wait) or is_much) and not await self._is_answered():
                    self._ended_unheard = True
                    return
        except Exception as error:  # aiohttp would call it a failure of the link
            self._failure = error
            if self._response is not None:  # whoever hears the answer would wait for what is not asked any more
                self._response.close()
            raise

    async def _is_answered(self) -> bool:
        """Wait for the hub's next words; False if it has not said a word and that takes too long."""
        self._answered.clear()
        try:
            async with asyncio.timeout(None if self._was_heard else HEARING_TIMEOUT_S):
                await self._answered.wait()
        except TimeoutError:
            return False
        return True

    async def _post(self, http: aiohttp.ClientSession, body: bytes | AsyncIterator[bytes]) -> None:
        self._requests += 1
        headers = {"Content-Type": CONTENT_TYPE}
        async with (
            asyncio.timeout(SILENCE_TIMEOUT_S) as patience,  # aiohttp has none while a body is being sent
            http.post(self._url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False) as response,
        ):
            self._check(response)
            self._response = response
            if self._failure is None:
                await self._read(response, patience)
        if self._failure is not None:
            raise self._failure

    def _check(self, response: aiohttp.ClientResponse) -> None:
        """Raises where this is not an answer of our hub's."""
        answer = f"{response.status} {response.reason}"
        if response.status == TOO_LARGE and not self._singly:
            self.buffered = True
            raise Unreachable(f"{self._url}: a proxy on the way takes no long requests ({answer}): short ones will do")
        if response.status in PUT_OFF:
            raise Unreachable(f"{self._url} cannot store at the moment, or a proxy does not reach it ({answer})")
        if response.status != 200 or response.content_type != CONTENT_TYPE:
            found = f"{answer}, {response.content_type}"
            raise RemoteProtocolError(f"{self._url} answered {found}: this is not our hub")

    async def _read(self, response: aiohttp.ClientResponse, patience: asyncio.Timeout) -> None:
        """Take the answer in, to its end where the connection is to serve again."""
        frames, loop = wire.FrameBuffer(), asyncio.get_running_loop()
        async for chunk in response.content.iter_any():
            self.traffic.received_bytes += len(chunk)
            patience.reschedule(None)  # the hub is not silent while we work
            for frame in self._frames(frames, chunk):
                await self._hear(frame)
                self._was_heard = True
                self._answered.set()
            is_over = self.speaker.is_done
            patience.reschedule(loop.time() + (DRAIN_TIMEOUT_S if is_over else SILENCE_TIMEOUT_S))
            if is_over and not self._drain:
                return

    def _frames(self, frames: wire.FrameBuffer, data: bytes) -> Iterator[bytes]:
        try:
            yield from frames.feed(data)
        except FrameDamaged as error:
            raise self._damaged(error) from None

    def _damaged(self, error: FrameDamaged) -> Unreachable | RemoteProtocolError:
        """A line that changes bits, if this was a hub before; what begins with garbage is none."""
        if not self._was_heard:
            return RemoteProtocolError(str(error))
        return Unreachable(f"{self._url}: {error}")

    async def _hear(self, frame: bytes) -> None:
        try:
            await self.speaker.hear(wire.decode(frame))
        except FrameDamaged as error:
            raise self._damaged(error) from None
        except Unreachable as error:
            raise Unreachable(f"{self._url}: {error}") from None
