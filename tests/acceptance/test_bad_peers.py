"""What a peer or its line does wrong is one sentence in the hub's log at most, never a traceback."""

import contextlib
import resource
import socket
import struct
import time

import pytest

HEAD = b"POST /v1/exchange HTTP/1.1\r\nHost: h\r\nContent-Type: application/vnd.homeward.frames\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
CASES = {
    "no request": b"what is this\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "a version that is none": b"POST /v1/exchange HTTP/9.9\r\nHost: h\r\n\r\n",
    "a header that is none": HEAD + b"no colon here\r\n\r\n",
    "a header without end": HEAD + b"X: " + b"x" * 20_000 + b"\r\n\r\n",
    "a length that is none": HEAD + b"Content-Length: -5\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxxx",
    "a chunk size that is none": CHUNKED + b"\r\nzz\r\n",
    "a chunk without its end": CHUNKED + b"\r\n5\r\nabcdeX",
    "a chunk that never comes": CHUNKED + b"\r\nff\r\nabc",
    "a body that is too short": HEAD + b"Content-Length: 500\r\n\r\nabc",
    "what cannot be unpacked": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nno gzip..",
    "half of it unpacked": CHUNKED + b"Content-Encoding: deflate\r\n\r\n3\r\nxyz\r\n0\r\n\r\n",
    "an encoding nobody knows": HEAD + b"Content-Encoding: rot13\r\nContent-Length: 3\r\n\r\nabc",
    "frames that are none": HEAD + b"Content-Length: 40\r\n\r\n" + bytes(40),
    "only the head": HEAD,
    "nothing": b"",
}


def send(port: int, data: bytes, *, reset: bool) -> None:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(data)
        if reset:
            time.sleep(0.02)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


@pytest.mark.parametrize("reset", [False, True], ids=["ended", "reset"])
def test_the_log_says_one_sentence(yard, reset):
    """Every kind of broken request, ended in order or by a reset: the hub serves on and prints no traceback."""
    hub = yard.hub()
    for data in CASES.values():
        send(hub.port, data, reset=reset)
    assert "清溪县" in hub.page()[0]
    assert hub.stop() == 0
    said = hub.process.stdout.read().splitlines()
    assert [line for line in said if "Traceback" in line or line.startswith(" ")] == []
    assert len(said) <= len(CASES)
    assert max(map(len, said), default=0) < 300


def test_more_connections_than_a_process_usually_may_have(yard):
    """Where the system allows it, the hub takes more connections than the limit that it was started with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        hub = yard.hub()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", hub.port), timeout=10))
            connection.sendall(HEAD)
        assert "清溪县" in hub.page()[0]
    assert hub.stop() == 0
    assert "Traceback" not in hub.process.stdout.read()
