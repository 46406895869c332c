"""What stands between home and hub: a proxy that keeps requests until they are whole, nginx as it comes, a tap,
a line that changes bits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from itertools import groupby
from pathlib import Path

import pytest

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
NGINX_CONF = """
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log;
events {{ worker_connections 64; }}
http {{
    access_log access.log; client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {hub}; }} }}
}}
"""
START_S = 10
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light")


class Buffering:
    """Reads each request to its end before the hub sees a byte of it, and each answer before the home does."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[int] = []  # how many bytes each body had
        self.open: list[asyncio.StreamWriter] = []

    async def serve(self, hub_port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head, body = await self._request(reader)
                self.requests.append(len(body))
                near, far = await asyncio.open_connection("127.0.0.1", hub_port)
                far.write(head + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                answer = await near.read(-1)
                far.close()
                writer.write(answer)
                await writer.drain()
        writer.close()

    @staticmethod
    async def _request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
        named = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        framing = (b"content-length", b"transfer-encoding", b"connection")
        kept = [lines[0], *(line for line in lines[1:] if line.partition(b":")[0].lower() not in framing)]
        body = b""
        if b"transfer-encoding" in named:
            while size := int((await reader.readuntil(b"\r\n")), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        elif b"content-length" in named:
            body = await reader.readexactly(int(named[b"content-length"]))
        return b"\r\n".join(kept) + b"\r\n", body


@contextlib.asynccontextmanager
async def buffering(hub_url: str, _folder: Path) -> AsyncIterator[str]:
    """A proxy of our own that buffers."""
    proxy, port = Buffering(), int(hub_url.rpartition(":")[2])
    server = await asyncio.start_server(lambda r, w: proxy.serve(port, r, w), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in proxy.open:
            writer.transport.abort()
        await asyncio.sleep(0.02)  # its connections see the end


def _configure(folder: Path, hub_url: str) -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    folder.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(user + NGINX_CONF.format(port=port, hub=hub_url))
    return port


@contextlib.asynccontextmanager
async def nginx(hub_url: str, folder: Path) -> AsyncIterator[str]:
    """nginx with nothing set but where to listen, where to pass on, and where its files go."""
    assert NGINX is not None
    port = _configure(folder, hub_url)
    process = await asyncio.create_subprocess_exec(
        NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log", stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(START_S):
            while True:
                with contextlib.suppress(OSError):
                    (await asyncio.open_connection("127.0.0.1", port))[1].close()
                    break
                await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


class Tap:
    """Carries bytes unchanged and notes which way each portion went."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.portions: list[tuple[str, int]] = []
        self._open: list[asyncio.StreamWriter] = []

    def drop(self) -> None:
        """Reset every connection."""
        for writer in self._open:
            writer.transport.abort()

    @property
    def trips(self) -> int:
        """How often something was sent up behind an answer, or first."""
        return [way for way, _ in groupby(self.portions, lambda portion: portion[0])].count("up")

    def bytes_of(self, way: str) -> int:
        """How much went up or down."""
        return sum(size for its, size in self.portions if its == way)

    async def serve(self, hub_port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        near, far = await asyncio.open_connection("127.0.0.1", hub_port)
        self._open += [writer, far]
        await asyncio.gather(self._carry("up", reader, far), self._carry("down", near, writer))

    async def _carry(self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                self.portions.append((way, len(data)))
                sink.write(data)
        sink.close()


class Flipping(Tap):
    """Flips one bit in every so many bytes, up and down; only in what no text of HTTP can be."""

    every_bytes = 4_000

    async def _carry(self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        left = self.every_bytes
        with contextlib.suppress(ConnectionError):
            while data := bytearray(await source.read(4096)):
                left -= len(data)
                at = next((n for n, byte in enumerate(data) if byte > 0x80), None)
                if left < 0 and at is not None:
                    data[at] ^= 1
                    left = self.every_bytes
                    self.portions.append((way, 1))
                sink.write(data)
        sink.close()


@contextlib.asynccontextmanager
async def tapped(hub_url: str, tap: Tap | None = None) -> AsyncIterator[Tap]:
    """A tap before the hub."""
    tap, port = tap or Tap(), int(hub_url.rpartition(":")[2])
    server = await asyncio.start_server(lambda r, w: tap.serve(port, r, w), "127.0.0.1", 0)
    tap.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield tap
    finally:
        server.close()
        tap.drop()
        await asyncio.sleep(0.02)  # its connections see the end


Proxy = Callable[[str, Path], contextlib.AbstractAsyncContextManager[str]]
