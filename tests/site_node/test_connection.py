"""A home and its hub over what the world puts between them: proxies, bytes that are paid for, links that end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import time
from pathlib import Path

import pytest

from node import exchanging
from sync import client, receipt_series, wire
from sync.errors import Unreachable
from sync.messages import Hello
from sync.outgoing import push_of
from tests.site_node.homes import NOW_MS, Home, kept, served
from tests.sync.proxies import Proxy, buffering, needs_nginx, nginx, tapped
from tests.sync.test_exchange import Hub as Server
from tests.sync.test_exchange import run, serving, through_a_line

DAY_MS = 24 * 3600 * 1000
POLLS_A_DAY = 288  # every five minutes
ONE = (1).to_bytes(16, "big")


PROXIES = [pytest.param(buffering, id="ours"), pytest.param(nginx, id="nginx", marks=needs_nginx)]


@pytest.mark.parametrize("proxy", PROXIES)
def test_behind_a_proxy_that_buffers_everything_arrives(home, hub, proxy: Proxy, tmp_path, monkeypatch):
    """A request that is kept until it is whole is noticed once and remembered: single ones carry all, photos too."""
    monkeypatch.setattr(client, "HEARING_TIMEOUT_S", 0.4)
    home.record(700)
    home.store.files.add(home.store.log, b"p" * 70_000, "image/jpeg", [ONE], NOW_MS)

    async def work() -> None:
        async with serving(hub), proxy(hub.url, tmp_path / "proxy") as url:
            made = home.exchanger(url)
            await made.turn()
            assert home.is_up_to_date
            state = home.folder.exchange_state()
            assert (state.retries, state.singly_url) == (0, url)
            monkeypatch.setattr(client, "HEARING_TIMEOUT_S", 1000)  # whoever streams now waits for ever
            home.record(500)
            home.now_ms += DAY_MS - 1
            await made.turn()
            assert home.is_up_to_date
            assert (await made.until_receipt(1)).signed.size == 1200

    run(work())
    assert home.store.files.waiting() == []
    assert [file.complete for file in hub.store.files.files_of()] == [True]


def test_streaming_is_tried_again_after_a_day(home, hub, tmp_path, monkeypatch):
    """A proxy that was taken away does not cost its detour for ever."""
    monkeypatch.setattr(client, "HEARING_TIMEOUT_S", 0.3)
    tried = []
    stream = client.Exchange._body
    monkeypatch.setattr(client.Exchange, "_body", lambda self, first: tried.append(1) or stream(self, first))

    async def work() -> None:
        async with serving(hub), buffering(hub.url, tmp_path) as url:
            made = home.exchanger(url)
            for later_ms, streamed in ((0, 1), (DAY_MS // 2, 1), (DAY_MS, 2), (DAY_MS + 1, 2)):
                home.now_ms = NOW_MS + later_ms
                home.record(200)
                await made.until_receipt(1)
                assert (len(tried), home.is_up_to_date) == (streamed, True)

    run(work())


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_days_work_does_not_notice_a_proxy(home, hub, proxy: Proxy, tmp_path, monkeypatch):
    """What fits one request goes at once: nothing is waited for, nothing is to be remembered."""
    monkeypatch.setattr(client, "HEARING_TIMEOUT_S", 1000)
    home.record(53)

    async def work() -> None:
        async with serving(hub), proxy(hub.url, tmp_path / "proxy") as url:
            await home.exchanger(url).turn()

    run(work())
    assert home.is_up_to_date
    assert home.folder.exchange_state().singly_url == ""


def test_a_dead_line_is_not_taken_for_a_proxy(home, hub, monkeypatch):
    """Silence that also lasts when the request is whole says nothing about proxies."""
    monkeypatch.setattr(client, "HEARING_TIMEOUT_S", 0.2)
    monkeypatch.setattr(client, "SILENCE_TIMEOUT_S", 0.6)
    home.record(300)

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()

    async def work() -> None:
        server = await asyncio.start_server(swallow, "127.0.0.1", 0)
        with pytest.raises(Unreachable):
            await home.exchanger(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").once()
        server.close()
        await asyncio.sleep(0.05)  # its connection sees the end

    run(work())
    assert home.folder.exchange_state().singly_url == ""


def test_nothing_to_say_is_one_short_trip(home, hub):
    """An exchange with nothing new: one trip, at most 600 bytes each way with HTTP's headers, on a kept connection."""
    home.record(10)

    async def work() -> None:
        async with served(hub) as url, tapped(url) as tap, kept(home, tap.url) as made:
            await made.once()
            await asyncio.sleep(0.05)
            tap.portions.clear()
            await made.once()
            print(f"nothing to say: {tap.bytes_of('up')} bytes up, {tap.bytes_of('down')} down")
            assert (tap.trips, tap.connections) == (1, 1)
            assert 150 < tap.bytes_of("up") <= 600
            assert 100 < tap.bytes_of("down") <= 600

    run(work())


def test_a_connection_serves_also_after_a_streamed_exchange(home, hub):
    """A long backlog, then a short exchange, then a question: all on one connection."""
    home.record(1500)

    async def work() -> None:
        async with served(hub) as url, tapped(url) as tap, kept(home, tap.url) as made:
            await made.turn()
            home.record(3)
            await made.turn()
            await made.turn()
            assert home.is_up_to_date
            assert tap.connections == 1

    run(work())


def test_an_idle_day_costs_less_than_50_kb(home, hub):
    """A poll every five minutes, a receipt every hour: at most 50,000 bytes a day in both directions together."""
    home.record(10)

    async def work() -> None:
        async with served(hub) as url, tapped(url) as tap, kept(home, tap.url) as made:
            await made.turn()
            tap.portions.clear()
            for _ in range(POLLS_A_DAY):
                home.now_ms += DAY_MS // POLLS_A_DAY
                await made.turn()
            carried = tap.bytes_of("up") + tap.bytes_of("down")
            print(f"an idle day: {carried:,} bytes")
            assert tap.connections == 1
            assert carried <= 50_000

    run(work())
    state = home.folder.exchange_state()
    assert state.exchanges == 1 + 24
    assert state.last_exchange_ms == home.now_ms  # the county was heard five minutes ago at most


def test_a_hub_that_lost_something_is_noticed_by_asking(home, hub):
    """The question is not only asked: where the hub holds another number of entries, an exchange follows."""
    home.record(10)

    async def work() -> None:
        async with served(hub) as url, kept(home, url) as made:
            await made.turn()
            hub.known.clear()
            with pytest.raises(exchanging.RefusedByPeer, match="join again"):
                await made.turn()

    run(work())


def test_a_connection_that_died_meanwhile_is_made_anew(home, hub):
    """The hub was started again between two exchanges: the next one goes over a new connection, without a word."""
    home.record(5)

    async def work() -> None:
        async with served(hub) as url, tapped(url) as tap, kept(home, tap.url) as made:
            await made.turn()
            home.record(2)
            tap.drop()
            await asyncio.sleep(0.05)
            await made.turn()
            assert home.is_up_to_date
            assert tap.connections == 2

    run(work())


def test_a_cancelled_exchange_leaves_nothing_open(home, hub):
    """A home that is stopped in the middle of an exchange ends at once, with its connection, and goes on later."""
    home.record(3000)

    async def work() -> None:
        async with serving(hub):
            keeping = asyncio.create_task(home.exchanger(hub.url).keep_up(60))
            await asyncio.sleep(0.1)
            keeping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await keeping
            await asyncio.sleep(0.3)
            assert hub.server._running == {}
            await home.exchanger(hub.url).until_receipt(3)

    run(work())
    assert home.is_up_to_date


def test_one_homes_trouble_slows_nobody(homes, hub, monkeypatch):
    """With one place to work at, one home stops in mid-frame and one never reads its answers: twenty others go on."""
    hub.server._turns = asyncio.Semaphore(1)
    stuck, deaf, *others = (homes() for _ in range(22))
    for home in (stuck, deaf, *others):
        home.record(60)

    async def work() -> None:
        async with serving(hub):
            port = int(hub.url.rpartition(":")[2])
            half = frames_of(stuck)[:-40]
            many = frames_of(deaf) + frames_of(deaf)[60:] * 20_000
            writers = [await begin(port, half), await begin(port, many)]
            await asyncio.sleep(0.3)
            async with asyncio.timeout(20):
                await asyncio.gather(*(home.exchanger(hub.url).until_receipt(1) for home in others))
            for writer in writers:
                writer.transport.abort()
            await asyncio.sleep(0.05)

    run(work())
    assert all(home.is_up_to_date for home in others)


def test_in_a_crowd_the_hub_greets_at_once(home, hub):
    """While every place to work at is taken, a home hears what the hub holds; what it pushes waits for its turn."""
    home.record(60)
    places = hub.server._turns = asyncio.Semaphore(0)

    async def work() -> None:
        async with serving(hub):
            waiting = asyncio.create_task(home.exchanger(hub.url).until_receipt(1))
            while hub.server._running == {}:  # noqa: ASYNC110 -- it has no event for tests
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            assert hub.store.size(home.store.log) == 0
            assert not waiting.done()
            places.release()
            await waiting

    run(work())
    assert home.is_up_to_date


def frames_of(home: Home) -> bytes:
    """Hello and one push."""
    size = home.store.size(home.store.log)
    return wire.encode(Hello(1, home.store.log, size, 1)) + wire.encode(push_of(home.store, 0, size))


async def begin(port: int, body: bytes) -> asyncio.StreamWriter:
    """An exchange whose answers nobody reads."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    reader._transport.pause_reading()
    writer.write(
        b"POST /v1/exchange HTTP/1.1\r\nHost: h\r\nContent-Type: application/vnd.homeward.frames\r\n"
        b"Content-Length: 100000000\r\n\r\n" + body
    )
    return writer


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def interrupt(home: Home, hub: Server, count: int) -> tuple[list[float], list[tuple[int, ...]]]:
    """So many exchanges that a cut ends; processor seconds of each quarter, and what there is after each."""
    dice, seconds, left = random.Random(5), [], []
    async with through_a_line(hub) as line:
        made = home.exchanger(line.url)
        for _ in range(4):
            began = time.process_time()
            for _ in range(count // 4):
                line.up_bytes_max = dice.randrange(1, 400)
                line.down_bytes_max = dice.choice([float("inf"), dice.randrange(1, 150)])
                with contextlib.suppress(Unreachable):
                    await made.once()
                    raise AssertionError("an exchange came through")
            seconds.append(time.process_time() - began)
            await asyncio.sleep(0.2)
            gc.collect()
            disk = sum(f.stat().st_size for folder in (home.folder.path, hub.store.folder) for f in folder.iterdir())
            left.append((len(asyncio.all_tasks()), open_files(), len(gc.get_objects()), disk))
    return seconds, left


@pytest.mark.parametrize("count", [240, pytest.param(1000, marks=pytest.mark.long)])
def test_interrupted_exchanges_leave_nothing_behind(home, hub, count):
    """However many were cut: no task, file, object or byte more at either end, and the last as quick as the first."""
    home.record(30)
    seconds: list[float] = []
    left: list[tuple[int, ...]] = []

    async def work() -> None:
        async with serving(hub):
            found = await interrupt(home, hub, count)
            seconds.extend(found[0])
            left.extend(found[1])
            assert hub.server._running == {}
            await home.exchanger(hub.url).once()

    asyncio.run(work())
    tasks, files, objects, disk = zip(*left, strict=True)
    assert max(tasks[1:]) <= tasks[0] + 2
    assert max(files[1:]) <= files[0] + 2
    assert objects[-1] - objects[1] < count  # less than one for each exchange
    assert disk[-1] - disk[1] < 20 * count
    assert seconds[-1] < 3 * seconds[0]
    assert home.is_up_to_date
    assert receipt_series.count(hub.store, home.store.log) == 1
