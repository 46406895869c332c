"""The bad link, with real sockets: what it carries is whole, and what it promises to break breaks."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest

from deploy.badlink import Line, Link, LinkThread, Stats, main

PATIENCE_S = 20


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[tuple[str, int]]:
    """A server that answers with what it read, and ends when its client has finished sending."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()


async def talk(port: int, data: bytes) -> bytes:
    """Send everything, say that it was everything, and read the answer to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        answer = asyncio.create_task(reader.read(-1))
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            writer.write_eof()
            await writer.drain()
        return await asyncio.wait_for(answer, PATIENCE_S)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def through(link_options: dict[str, float], *messages: bytes) -> tuple[list[bytes | str], Stats]:
    """The answers (or the name of the error) to messages sent one after the other, and what the link counted."""

    async def story() -> tuple[list[bytes | str], Stats]:
        answers: list[bytes | str] = []
        async with echo() as server, Link(to=server, **link_options) as link:
            for message in messages:
                try:
                    answers.append(await talk(link.port, message))
                except ConnectionError as error:
                    answers.append(type(error).__name__)
        return answers, link.stats

    return asyncio.run(story())


def test_a_good_link_carries_every_byte_both_ways():
    """Without options nothing is changed, lost or cut, and both directions are counted."""
    data = bytes(range(256)) * 2000
    answers, stats = through({}, data, b"", b"x")
    assert answers == [data, b"", b"x"]
    assert stats == Stats(up=len(data) + 1, down=len(data) + 1, connections=3)


def test_the_rate_is_kept_by_all_connections_together():
    """Two connections that send at once share one line."""

    async def story() -> float:
        async with echo() as server, Link(to=server, rate_kbit=800) as link:
            began = time.monotonic()
            answers = await asyncio.gather(*(talk(link.port, b"x" * 20_000) for _ in range(2)))
            assert [len(answer) for answer in answers] == [20_000, 20_000]
            return time.monotonic() - began

    assert asyncio.run(story()) >= 40_000 / 100_000  # 800 kbit/s are 100 kB/s


def test_latency_is_felt_by_the_handshake_and_by_the_answer():
    """One round trip before anything moves, another for question and answer."""

    async def story() -> float:
        async with echo() as server, Link(to=server, rtt_ms=100) as link:
            began = time.monotonic()
            assert await talk(link.port, b"anyone?") == b"anyone?"
            return time.monotonic() - began

    assert asyncio.run(story()) >= 0.2


def test_a_cut_resets_both_sides():
    """A connection that outlives its draw is reset: the client sees an error, never a quiet end."""
    answers, stats = through({"cut_bytes": 2000}, b"x" * 500_000)
    assert answers == ["ConnectionResetError"]
    assert stats.cuts == 1
    assert stats.up < 500_000


def test_the_same_seed_cuts_the_same_connections():
    """A seed is a complete description of the cuts."""

    def survivors(seed: int) -> list[bool]:
        answers, _ = through({"cut_bytes": 3000, "seed": seed}, *[b"x" * 1000] * 12)
        return [isinstance(answer, bytes) for answer in answers]

    first = survivors(7)
    assert first == survivors(7)
    assert len(set(first)) == 2, "some lived, some did not"
    assert first != survivors(8)


def test_the_mean_life_of_a_connection_is_what_was_asked_for():
    """Over many draws, the bytes that left a cut is near the mean."""
    _, stats = through({"cut_bytes": 20_000}, *[b"x" * 120_000] * 60)
    assert stats.cuts >= 58
    assert 14_000 < (stats.up + stats.down) / stats.cuts < 28_000


def test_a_server_that_is_away_looks_like_a_reset():
    """While nothing listens behind the link, a client is reset and the link goes on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening

        async def story() -> Stats:
            async with Link(to=taken.getsockname()) as link:
                for _ in range(2):
                    with contextlib.suppress(ConnectionError):
                        assert await talk(link.port, b"hello") == b""
                return link.stats

        stats = asyncio.run(story())
    assert stats.refused == 2
    assert stats.up == 0


def test_stopping_drops_who_is_still_connected():
    """`stop` returns although a client has neither sent nor closed."""

    async def story() -> bytes:
        async with echo() as server, Link(to=server) as link:
            reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
            writer.write(b"hello")
            assert await asyncio.wait_for(reader.readexactly(5), PATIENCE_S) == b"hello"
            await link.stop()
            try:
                return await asyncio.wait_for(reader.read(-1), PATIENCE_S)
            except ConnectionError:
                return b"reset"
            finally:
                writer.close()

    assert asyncio.run(story()) in {b"", b"reset"}


def test_a_line_without_a_rate_never_waits():
    """Zero means no limit."""
    assert Line(0).departure(5.0, 10**9) == 5.0
    line = Line(100)
    assert [line.departure(5.0, 50), line.departure(5.0, 50), line.departure(9.0, 50)] == [5.5, 6.0, 9.5]


def test_a_thread_of_its_own_serves_a_blocking_client():
    """Tests that are not asynchronous get the same link."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with (
            LinkThread(Link(to=server.getsockname())) as link,
            socket.create_connection(("127.0.0.1", link.port), PATIENCE_S) as client,
        ):
            client.sendall(b"hello")
            far, _ = server.accept()
            with far:
                far.settimeout(PATIENCE_S)
                assert far.recv(5) == b"hello"
        assert link.stats.connections == 1


def test_it_runs_as_a_program_and_ends_with_its_counts():
    """The module prints where it listens, and on SIGTERM what it carried."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-m", "deploy.badlink", "--to", f"127.0.0.1:{server.getsockname()[1]}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
            port = int(program.stdout.readline().rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
                client.sendall(b"four")
                far, _ = server.accept()
                with far:
                    assert far.recv(4) == b"four"
            program.send_signal(signal.SIGTERM)
            counts, _ = program.communicate(timeout=PATIENCE_S)
    assert program.returncode == 0
    assert json.loads(counts) == {"up": 4, "down": 0, "connections": 1, "cuts": 0, "refused": 0}


def test_an_address_without_a_port_is_refused(capsys):
    """The message names what was found and what was expected."""
    with pytest.raises(SystemExit, match="2"):
        main(["--to", "nowhere"])
    assert "found 'nowhere', expected HOST:PORT" in capsys.readouterr().err
