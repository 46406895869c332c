"""Exchanges over real sockets: whatever the line does, the hub ends with everything once, and says nothing untrue."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from sync import client, speaking, wire
from sync.batch import Draft
from sync.client import CONTENT_TYPE, PATH, Exchange
from sync.database import OutcomeUnknown
from sync.entry import origin
from sync.errors import RefusedByPeer, RemoteProtocolError, SyncError, Unreachable, VerificationError
from sync.merkle import EMPTY_ROOT
from sync.messages import Ack, AskPlain, Held, Hello, Receipt, Refusal, Remains, Resume
from sync.note import Signer, checkpoint_text, verify_cosignature
from sync.outgoing import push_of
from sync.pacing import PUSH_SIZE_BYTES_FIRST
from sync.replicator import KeepReceipt, Sender
from sync.server import ExchangeServer
from sync.store import Store
from sync.stored_log import StoredLog

CLOCK_MS = 1_741_392_000_000


class Hub:
    """A hub on a port of its own, that knows the keys that it was told."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.key = store.signer.public_key
        self.known: dict[bytes, bytes] = {}
        self.said: list[object] = []
        self.server = ExchangeServer(store, self.known.get, lambda: CLOCK_MS)
        self.url = ""

    def register(self, node: Store) -> None:
        self.known[node.log] = node.signer.public_key

    def watch_answers(self, monkeypatch) -> None:
        """Before any acknowledgement or receipt leaves, look on the disk, through other eyes, for what it promises."""
        send = ExchangeServer._send
        reader = StoredLog(self.store.folder)

        async def checked(response, message) -> None:
            self.said.append(message)
            match message:
                case Ack(size) | Held(size):
                    assert size <= sum(b.size for b in reader.branches())
                case Receipt(size, cosignature):
                    kept = [
                        reader.last_checkpoint(b.log, with_receipt=True) for b in reader.branches() if b.size == size
                    ]
                    assert cosignature in [signed.receipt for signed in kept if signed]
            await send(response, message)

        monkeypatch.setattr(ExchangeServer, "_send", staticmethod(checked))


@contextlib.asynccontextmanager
async def listening(routes: list[web.RouteDef]) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def serving(hub: Hub) -> AsyncIterator[Hub]:
    async with listening(hub.server.routes()) as hub.url:
        yield hub


class Line:
    """A proxy that resets a connection once it has carried so many bytes one way, the other, or both together."""

    def __init__(self, target: str) -> None:
        self._target = int(target.rpartition(":")[2])
        self.up_bytes_max: float = float("inf")
        self.down_bytes_max: float = float("inf")
        self.cuts = 0
        self.carried_bytes = 0
        self.connections: set[asyncio.Task] = set()
        self.url = ""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(task := asyncio.current_task())
        task.add_done_callback(self.connections.discard)
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._target)
        both = (writer, other_writer)
        up = asyncio.create_task(self._carry(reader, other_writer, self.up_bytes_max, both))
        down = asyncio.create_task(self._carry(other_reader, writer, self.down_bytes_max, both))
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(up, down)
        for end in both:
            end.close()
            with contextlib.suppress(ConnectionError):
                await end.wait_closed()

    async def _carry(self, source, sink, bytes_max: float, both) -> None:
        left = bytes_max
        while data := await source.read(4096):
            sink.write(data[: int(min(left, len(data)))])
            self.carried_bytes += len(data)
            left -= len(data)
            with contextlib.suppress(ConnectionError):
                await sink.drain()
            if left <= 0:
                self.cuts += 1
                for end in both:
                    end.transport.abort()
                return
        if not sink.transport.is_closing():
            with contextlib.suppress(OSError):
                sink.write_eof()


@contextlib.asynccontextmanager
async def through_a_line(hub: Hub) -> AsyncIterator[Line]:
    line = Line(hub.url)
    server = await asyncio.start_server(line.connected, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield line
    finally:
        server.close()
        if line.connections:
            await asyncio.wait(line.connections, timeout=5)  # its connections see the end


def drafts(count: int, start: int = 0, pad: int = 20) -> list[Draft]:
    return [
        Draft("visit/1", f"w{n % 3}", (n % 17).to_bytes(16, "big"), CLOCK_MS + n, {"n": n, "pad": "x" * pad})
        for n in range(start, start + count)
    ]


def sender_of(node: Store, hub_key: bytes, acknowledged: int = 0, *, ask_first: bool = False) -> Sender:
    size = node.size(node.log)
    return Sender(node.log, hub_key, size, acknowledged, ask_first=ask_first, push_size_bytes=PUSH_SIZE_BYTES_FIRST)


async def exchange(node: Store, url: str, sender: Sender) -> KeepReceipt:
    async with aiohttp.ClientSession() as http:
        return await Exchange(node, sender, url, lambda: CLOCK_MS).run(http)


async def until_receipt(node: Store, hub: Hub, line: Line, cut: Callable[[int], None] = lambda n: None) -> int:
    """Exchange over the line until the receipt is there; after every cut the hub's disk holds what it acknowledged."""
    acknowledged, ask_first = 0, False
    for attempt in range(200):
        cut(attempt)
        sender = sender_of(node, hub.key, acknowledged, ask_first=ask_first)
        try:
            await exchange(node, line.url, sender)
        except Unreachable:
            held = {b.log: b.size for b in hub.store.branches()}.get(node.log, 0)
            assert sender.acknowledged <= held <= node.size(node.log)
            if held:
                assert hub.store.root(node.log, held) == node.root(node.log, held)
            acknowledged, ask_first = sender.acknowledged, True
        else:
            return attempt + 1
    raise AssertionError("no end")


def run(work: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(120):
            await work

    asyncio.run(bounded())


def check_complete(node: Store, hub: Hub) -> None:
    """The hub holds exactly the node's log, and the node a receipt that holds."""
    size = node.size(node.log)
    assert [e.packed for e in hub.store.entries_of_log(node.log)] == [e.packed for e in node.entries_of_log(node.log)]
    signed = node.last_checkpoint(node.log, with_receipt=True)
    assert signed.size == size
    text = checkpoint_text(origin(node.log), size, node.root(node.log, size))
    assert verify_cosignature(hub.key, text, signed.receipt) == CLOCK_MS // 1000
    assert hub.store.last_checkpoint(node.log, with_receipt=True).receipt == signed.receipt


@pytest.fixture
def hub(stores) -> Hub:
    return Hub(stores("hub"))


@pytest.fixture
def node(stores, hub) -> Store:
    made = stores("node")
    hub.register(made)
    return made


def test_one_exchange_brings_everything_and_a_receipt(node, hub, sizes_of, monkeypatch):
    """Everything recorded is at the hub, once, and every word of the hub was true on its disk when it was said."""
    hub.watch_answers(monkeypatch)
    node.record(drafts(3000)).result(20)

    async def work() -> None:
        async with serving(hub):
            sender = sender_of(node, hub.key)
            kept = await exchange(node, hub.url, sender)
            assert (kept.signed.size, sender.acknowledged, sender.hub_clock_ms) == (3000, 3000, CLOCK_MS)

    run(work())
    check_complete(node, hub)
    assert sizes_of(hub.store) == {hub.store.log: 0, node.log: 3000}
    assert (type(hub.said[0]), type(hub.said[-1])) == (Held, Receipt)
    assert hub.said.count(Ack(3000)) == 1


def test_exchanges_follow_each_other_as_the_log_grows(node, hub, sizes_of):
    """Each exchange brings what is new; one with nothing new, or before anything was recorded, gives a receipt too."""

    async def work() -> None:
        async with serving(hub):
            for size, more in ((0, 0), (1, 1), (1, 0), (400, 399), (401, 1)):
                if more:
                    node.record(drafts(more, start=size)).result(10)
                acknowledged = signed.size if (signed := node.last_checkpoint(node.log, with_receipt=True)) else 0
                kept = await exchange(node, hub.url, sender_of(node, hub.key, acknowledged))
                assert kept.signed.size == size
                check_complete(node, hub)

    run(work())
    assert sizes_of(hub.store) == {hub.store.log: 0, node.log: 401}


def test_somebody_erased_at_the_hub_is_named_plainly(node, hub, monkeypatch):
    """Who is named by ordinal arrives as who they are; what names somebody erased at the hub arrives all the same."""
    hub.watch_answers(monkeypatch)
    subjects = [draft.subject for draft in drafts(3)]
    node.record(drafts(3)).result(10)

    def record(subject: bytes) -> None:
        node.record([Draft("list/1", "li", subject, CLOCK_MS, {"present": subjects})]).result(10)

    async def work() -> None:
        async with serving(hub):
            await exchange(node, hub.url, sender_of(node, hub.key))
            record(b"first list".ljust(16))
            size = node.size(node.log)
            await exchange(node, hub.url, sender_of(node, hub.key, size - 1))
            assert not any(isinstance(said, AskPlain) for said in hub.said)
            check_complete(node, hub)
            await asyncio.to_thread(hub.store.erase, [subjects[1]], by="dir", ground="order 7", now_ms=CLOCK_MS)
            record(b"second list".ljust(16))
            await exchange(node, hub.url, sender_of(node, hub.key, size))

    run(work())
    assert [said for said in hub.said if isinstance(said, AskPlain)] == [AskPlain(node.size(node.log) - 1)]
    assert hub.store.size(node.log) == node.size(node.log)
    last = [list(store.entries_of_log(node.log))[-1].packed for store in (node, hub.store)]
    assert last[0] == last[1] is not None


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cut_anywhere_costs_nothing(stores, hub, sizes_of, direction):
    """The line is reset after N bytes, for many N over the whole exchange; the next exchange completes it."""
    total = 400
    homes = []

    async def work() -> None:
        async with serving(hub), through_a_line(hub) as line:
            step, n, finished = (307, 1, False) if direction == "up" else (23, 1, False)
            while not finished:
                node = stores(f"home-{n}")
                homes.append(node)
                hub.register(node)
                node.record(drafts(total)).result(10)
                cuts = line.cuts

                def cut(attempt: int, n=n) -> None:
                    line.up_bytes_max = n if direction == "up" and attempt == 0 else float("inf")
                    line.down_bytes_max = n if direction == "down" and attempt == 0 else float("inf")

                attempts = await until_receipt(node, hub, line, cut)
                finished = line.cuts == cuts
                assert attempts == (1 if finished else 2) or line.cuts == cuts + 1
                check_complete(node, hub)
                n += step

    run(work())
    assert len(homes) > 8
    assert sizes_of(hub.store) == {hub.store.log: 0} | {home.log: total for home in homes}


@pytest.mark.parametrize("bytes_max", [2500, 6000, 20_000])
def test_a_line_that_is_always_cut_still_brings_everything(node, hub, sizes_of, bytes_max, monkeypatch):
    """Every connection is reset after so many bytes; progress is kept from one to the next."""
    hub.watch_answers(monkeypatch)
    node.record(drafts(900, pad=60)).result(10)

    async def work() -> None:
        async with serving(hub), through_a_line(hub) as line:
            line.up_bytes_max = bytes_max
            acknowledged, ask_first = 0, False
            for _ in range(200):
                sender = Sender(
                    node.log, hub.key, 900, acknowledged, ask_first=ask_first, push_size_bytes=min(800, bytes_max // 3)
                )
                try:
                    await exchange(node, line.url, sender)
                    return
                except Unreachable:
                    acknowledged, ask_first = sender.acknowledged, True
            raise AssertionError(f"only {acknowledged} entries arrived")

    run(work())
    check_complete(node, hub)
    assert sizes_of(hub.store) == {hub.store.log: 0, node.log: 900}


def test_who_goes_on_behind_what_is_not_there_tries_again(node, hub):
    """Whatever a node says of the beginning of a frame, what is stored is what its log has signed."""
    node.record(drafts(20)).result(10)
    hello, push = wire.encode(Hello(1, node.log, 20, 1)), wire.encode(push_of(node, 0, 20))

    async def work() -> None:
        async with serving(hub):
            _, answers = await post(hub, hello + wire.encode(Resume(300)) + push[300:])
            assert [type(said) for said in answers] == [Held, Refusal]
            assert answers[-1].code == "damaged"
            _, answers = await post(hub, hello + push[:300])  # ends within the frame
            assert answers == [Held(0, CLOCK_MS, EMPTY_ROOT)]
            wrong = bytes([push[300] ^ 1]) + push[301:]
            _, answers = await post(hub, hello + wire.encode(Resume(300)) + wrong)
            assert [type(said) for said in answers] == [Remains, Held, Refusal]
            assert answers[-1].code == "damaged"
            _, answers = await post(hub, hello + push)
            assert answers[-1] == Ack(20)

    run(work())


def test_many_homes_at_once(stores, hub, sizes_of):
    """Twenty homes exchange at the same time; none waits for another's trouble, each has its own receipt."""
    homes = [stores(f"home-{n}") for n in range(20)]
    for n, home in enumerate(homes):
        hub.register(home)
        home.record(drafts(50 + n)).result(10)

    async def work() -> None:
        async with serving(hub), through_a_line(hub) as line:
            line.up_bytes_max = 3000
            bad = [exchange(home, line.url, sender_of(home, hub.key)) for home in homes[:5]]
            good = [exchange(home, hub.url, sender_of(home, hub.key)) for home in homes[5:]]
            results = await asyncio.gather(*bad, *good, return_exceptions=True)
            assert all(isinstance(result, KeepReceipt) for result in results[5:])
            line.up_bytes_max = float("inf")
            for home in homes[:5]:
                await exchange(home, line.url, sender_of(home, hub.key, ask_first=True))

    run(work())
    for home in homes:
        check_complete(home, hub)
    assert sizes_of(hub.store) == {hub.store.log: 0} | {home.log: 50 + n for n, home in enumerate(homes)}


def test_an_unknown_log_is_refused(stores, hub):
    """A node that the county does not know is told so in words, and nothing of it is kept."""
    stranger = stores("stranger")
    stranger.record(drafts(500)).result(10)

    async def work() -> None:
        async with serving(hub):
            with pytest.raises(RefusedByPeer, match="join again") as refusal:
                await exchange(stranger, hub.url, sender_of(stranger, hub.key))
            assert refusal.value.code == f"unknown:{hub.store.log.hex()}"

    run(work())
    assert [branch.log for branch in hub.store.branches()] == [hub.store.log]
    assert stranger.last_checkpoint(stranger.log) is None


def test_the_remains_of_a_cut_exchange_end_nobody_who_came_later(node, hub, monkeypatch):
    """A greeting that the hub comes to only when its line was cut, and the next exchange is on, is passed over."""
    node.record(drafts(50)).result(10)
    decode, greeted, go_on, passed_on = wire.decode, threading.Event(), threading.Event(), threading.Event()

    def slow(frame, subject_of=None):
        message = decode(frame, subject_of) if subject_of else decode(frame)
        if threading.current_thread() is threading.main_thread():
            return message  # the node's
        if isinstance(message, Hello):
            if not greeted.is_set():
                greeted.set()
                assert go_on.wait(20)
        elif not go_on.is_set():  # the later exchange has begun, and is at its first entries
            go_on.set()
            passed_on.wait(0.5)  # time enough for the former to do what it must not
        return message

    async def work() -> None:
        async with serving(hub):
            monkeypatch.setattr("sync.server.wire.decode", slow)
            first = asyncio.create_task(exchange(node, hub.url, sender_of(node, hub.key)))
            assert await asyncio.to_thread(greeted.wait, 20)
            first.cancel()
            await asyncio.wait([first])
            await exchange(node, hub.url, sender_of(node, hub.key))

    run(work())
    check_complete(node, hub)


def test_a_second_exchange_ends_the_first(node, hub, sizes_of):
    """The remains of a cut line do not keep the same home waiting, whatever they were doing."""
    node.record(drafts(300)).result(10)

    async def work() -> None:
        gone = asyncio.Event()

        async def frames():
            yield wire.encode(Hello(1, node.log, 300, 1))
            yield wire.encode(push_of(node, 0, 100))
            await gone.wait()

        async with serving(hub), aiohttp.ClientSession() as http:
            headers = {"Content-Type": CONTENT_TYPE}
            async with http.post(hub.url + PATH, data=frames(), headers=headers) as remains:
                heard = wire.FrameBuffer()
                answers = []
                while len(answers) < 2:
                    answers += [wire.decode(frame) for frame in heard.feed(await remains.content.readany())]
                assert answers == [Held(0, CLOCK_MS, EMPTY_ROOT), Ack(100)]
                begun = time.monotonic()
                await exchange(node, hub.url, sender_of(node, hub.key, ask_first=True))
                assert time.monotonic() - begun < 5
                gone.set()

    run(work())
    check_complete(node, hub)
    assert sizes_of(hub.store) == {hub.store.log: 0, node.log: 300}


def test_an_exchange_that_is_ended_while_it_writes_harms_nobody(node, stores, hub, sizes_of):
    """Exchanges that end each other in the middle of their appends leave the hub's store writing for all."""
    node.record(drafts(2000)).result(10)
    other = stores("other")
    hub.register(other)
    other.record(drafts(20)).result(10)

    async def work() -> None:
        async with serving(hub):
            rivals = []
            for _ in range(12):
                rivals.append(asyncio.create_task(exchange(node, hub.url, sender_of(node, hub.key))))
                await asyncio.sleep(0.02)
            results = await asyncio.gather(*rivals, return_exceptions=True)
            assert all(isinstance(result, KeepReceipt | Unreachable | RefusedByPeer) for result in results), results
            await exchange(other, hub.url, sender_of(other, hub.key))
            await exchange(node, hub.url, sender_of(node, hub.key, ask_first=True))

    run(work())
    check_complete(node, hub)
    check_complete(other, hub)
    assert sizes_of(hub.store) == {hub.store.log: 0, node.log: 2000, other.log: 20}


def test_a_hub_that_lost_its_newest_entries_gets_them_again(node, hub, stores, sizes_of):
    """A hub restored from a backup says what it holds; the node goes on from there, whatever it has a receipt for."""
    node.record(drafts(600)).result(10)
    old = Hub(stores("restored"))
    old.register(node)
    old.store.add_log(node.log, node.signer.public_key).result(10)

    async def work() -> None:
        async with serving(old):
            for acknowledged, ask_first in ((600, False), (0, True), (600, True)):
                with contextlib.suppress(Unreachable):
                    await exchange(node, old.url, sender_of(node, old.key, acknowledged, ask_first=ask_first))

    run(work())
    check_complete(node, old)
    assert sizes_of(old.store) == {old.store.log: 0, node.log: 600}


def test_large_entries_travel(node, hub):
    """Entries of the largest size get through like all others."""
    node.record([Draft("photo/1", "w", bytes(16), CLOCK_MS, {"n": n, "data": bytes([n]) * 100 + b"x" * 250_000})
                 for n in range(12)]).result(10)  # fmt: skip
    node.record(drafts(30)).result(10)

    async def work() -> None:
        async with serving(hub):
            await exchange(node, hub.url, sender_of(node, hub.key))

    run(work())
    check_complete(node, hub)


# A hub that cannot be right


def answering(status: int = 200, body: bytes = b"", content_type: str = CONTENT_TYPE, **headers: str):
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Content-Type": content_type, **headers})

    return handler


async def hanging_up(request: web.Request) -> web.Response:
    request.transport.abort()
    return web.Response()


async def silent(request: web.Request) -> web.Response:
    await asyncio.sleep(3600)
    raise AssertionError


async def half_an_answer(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE})
    await response.prepare(request)
    await response.write(wire.encode(Held(0, 1, EMPTY_ROOT))[:9])
    return response


@pytest.mark.parametrize("ask_first", [False, True])
@pytest.mark.parametrize(
    ("handler", "error", "words"),
    [
        (answering(404, b"<h1>Not Found</h1>", "text/html"), RemoteProtocolError, "404 Not Found"),
        (answering(500, b"oops", "text/plain"), RemoteProtocolError, "500"),
        (answering(502, b"<h1>Bad Gateway</h1>", "text/html"), Unreachable, "502"),
        (answering(413, b"<h1>Too Large</h1>", "text/html"), Unreachable, "takes no long requests"),
        (answering(200, b"<html>Please log in</html>", "text/html"), RemoteProtocolError, "text/html"),
        (answering(302, b"", "text/html", Location="/login"), RemoteProtocolError, "302 Found"),
        (answering(307, b"", "text/html", Location="/login"), RemoteProtocolError, "307"),
        (answering(200, b"\0\0\0\x0cgarbage that is no frame"), RemoteProtocolError, "checksum"),
        (answering(200, b"<html>"), RemoteProtocolError, "a frame says"),
        (answering(200, wire.encode(Ack(10**9))), RemoteProtocolError, "acknowledges"),
        (answering(200, wire.encode(Hello(1, b"L" * 16, 1, 1))), RemoteProtocolError, "Hello"),
        (answering(200, wire.encode(Held(10**9, 1, EMPTY_ROOT))), Unreachable, "http"),
        (answering(200, wire.encode(Refusal("full", "the disk is full"))), RefusedByPeer, "the disk is full"),
        (answering(200, b""), Unreachable, "receipt"),
        (answering(200, wire.encode(Held(0, 1, EMPTY_ROOT))), Unreachable, "receipt"),
        (hanging_up, Unreachable, "http"),
        (half_an_answer, Unreachable, "receipt"),
        (silent, Unreachable, "http"),
    ],
    ids=["404", "500", "502", "413", "portal", "302", "307", "garbage", "html", "ack", "hello", "ahead", "refusal",
         "empty", "held", "reset", "half", "silent"],
)  # fmt: skip
def test_a_wrong_answer_gets_a_clear_error(node, hub, monkeypatch, handler, error, words, ask_first):
    """Whatever answers in the hub's place, the error is ours, comes soon, says what was found, and stores nothing."""
    monkeypatch.setattr(client, "SILENCE_TIMEOUT_S", 0.5)
    node.record(drafts(500)).result(10)

    async def work() -> None:
        async with listening(
            [web.post(PATH, handler), web.get("/login", answering(200, b"login", "text/html"))]
        ) as url:
            with pytest.raises(SyncError, match=words) as found:
                await exchange(node, url, sender_of(node, hub.key, ask_first=ask_first))
            assert type(found.value) is error

    run(work())
    assert node.last_checkpoint(node.log) is None


def test_nobody_listens(node, hub):
    """A hub that is not there is Unreachable, and the message names its address."""

    async def work() -> None:
        async with listening([]) as url:
            pass
        with pytest.raises(Unreachable, match=url):
            await exchange(node, url, sender_of(node, hub.key))

    run(work())


def test_a_receipt_of_another_hub_is_not_kept(node, hub, stores):
    """Who answers at the hub's address without the hub's key gives no receipt."""
    node.record(drafts(5)).result(10)

    async def work() -> None:
        async with serving(hub):
            with pytest.raises(VerificationError):
                await exchange(node, hub.url, sender_of(node, Signer("homeward/x", b"X" * 32).public_key))

    run(work())
    assert node.last_checkpoint(node.log, with_receipt=True) is None


def test_a_failing_disk_at_the_hub_acknowledges_nothing(node, hub, monkeypatch):
    """When the hub's append fails, the node hears no acknowledgement and tries again later."""
    node.record(drafts(500)).result(10)
    append = hub.store.append
    fails = [True]

    def failing(batch):
        if fails and batch.start > 0:
            fails.clear()
            raise OutcomeUnknown("the disk did not confirm")
        return append(batch)

    monkeypatch.setattr(hub.store, "append", failing)

    async def work() -> None:
        async with serving(hub):
            sender = sender_of(node, hub.key)
            with pytest.raises(Unreachable):
                await exchange(node, hub.url, sender)
            assert not fails
            assert 0 < sender.acknowledged <= hub.store.size(node.log) < 500
            await exchange(node, hub.url, sender_of(node, hub.key, ask_first=True))

    run(work())
    check_complete(node, hub)


def test_a_hub_with_a_full_disk_puts_off(node, hub, caplog):
    """The hub says in one sentence that it cannot store; the node takes it as a reason to wait, and loses nothing."""
    node.record(drafts(2000)).result(10)

    def limit(pages: int) -> None:
        hub.store.submit(lambda db: db.execute(f"PRAGMA max_page_count={pages}").get).result(10)

    async def work() -> None:
        async with serving(hub):
            limit(60)
            sender = sender_of(node, hub.key)
            with pytest.raises(Unreachable, match="cannot store at the moment"):
                await exchange(node, hub.url, sender)
            assert 0 < sender.acknowledged <= hub.store.size(node.log) < 2000
            limit(100_000)
            await exchange(node, hub.url, sender_of(node, hub.key, ask_first=True))

    run(work())
    check_complete(node, hub)
    said = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert ["put off" in record.message and record.exc_info is None for record in said] == [True]


def test_an_error_of_our_own_is_not_called_a_bad_line(node, hub, monkeypatch):
    """A defect on this side surfaces as itself, so that nobody waits for better weather."""
    node.record(drafts(50)).result(10)

    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(speaking, "push_of", broken)

    async def work() -> None:
        async with serving(hub):
            with pytest.raises(ZeroDivisionError):
                await exchange(node, hub.url, sender_of(node, hub.key))

    run(work())


# A node that cannot be right


async def post(hub: Hub, body: bytes, content_type: str = CONTENT_TYPE) -> tuple[int, list[object]]:
    """Send bytes; the status and the messages that were answered."""
    headers = {"Content-Type": content_type}
    async with aiohttp.ClientSession() as http, http.post(hub.url + PATH, data=body, headers=headers) as response:
        answer = await response.read()
        if response.content_type != CONTENT_TYPE:
            return response.status, []
        return response.status, [wire.decode(frame) for frame in wire.FrameBuffer().feed(answer)]


def test_a_wrong_request_is_refused_and_stores_nothing(node, stores, hub, sizes_of):
    """Garbage, forgeries and messages out of turn are refused in words; the hub serves the next one as before."""
    node.record(drafts(20)).result(10)
    hello, push = Hello(1, node.log, 20, 1), push_of(node, 0, 20)
    forged = push._replace(rows=[push.rows[0]._replace(payload="forged"), *push.rows[1:]])
    cases = {
        b"": [],
        b"garbage that is no frame at all": [Refusal],
        wire.encode(hello)[:-1]: [],
        wire.encode(push): [Refusal],
        wire.encode(Ack(1)): [Refusal],
        wire.encode(hello) + wire.encode(forged): [Held, Refusal],
        wire.encode(hello) + wire.encode(Hello(1, b"X" * 16, 1, 1)): [Held, Refusal],
        wire.encode(hello) + b"\0\0\0\x08damaged!": [Held, Refusal],
        wire.encode(hello) + wire.encode(push._replace(root=bytes(32))): [Held, Refusal],
        wire.encode(Hello(9, node.log, 20, 1)): [Refusal],
    }

    async def work() -> None:
        async with serving(hub):
            assert await post(hub, wire.encode(hello), "text/html") == (415, [])
            for body, expected in cases.items():
                status, answers = await post(hub, body)
                assert (status, [type(answer) for answer in answers]) == (200, expected)
                assert {b.log: b.size for b in hub.store.branches()}.get(node.log, 0) == 0
            await exchange(node, hub.url, sender_of(node, hub.key))

    run(work())
    check_complete(node, hub)
    assert sizes_of(hub.store) == {hub.store.log: 0, node.log: 20}


def test_two_logs_may_name_their_streams_alike(stores, hub):
    """Two homes that use the library with the same originator id: the hub holds both streams, each in its log."""
    homes = [stores("one"), stores("two")]
    for home in homes:
        hub.register(home)
        home.record([Draft("t", "", b"S" * 16, CLOCK_MS, 1, stream=b"N" * 16)]).result(10)

    async def work() -> None:
        async with serving(hub):
            await exchange(homes[0], hub.url, sender_of(homes[0], hub.key))
            await exchange(homes[1], hub.url, sender_of(homes[1], hub.key))

    run(work())
    for home in homes:
        check_complete(home, hub)


def test_a_hub_that_is_not_there_is_named_with_what_to_do(tmp_path):
    """Nobody listening is one sentence: the address, the reason, and where to look."""
    Store.create(tmp_path)
    store = Store(tmp_path)
    sender = Sender(store.log, store.signer.public_key, 0, 0, ask_first=False, push_size_bytes=PUSH_SIZE_BYTES_FIRST)

    async def main() -> None:
        async with aiohttp.ClientSession() as http:
            await Exchange(store, sender, "http://127.0.0.1:9", lambda: CLOCK_MS).run(http)

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9/v1/exchange cannot be reached .*is the link up"):
        asyncio.run(main())
    store.close()
