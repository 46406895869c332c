"""Whoever sends the hub garbage, never ends, or never begins, harms nobody else."""

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

ROUTES = [
    "/",
    "/v1/join",
    "/v1/exchange",
    "/control/invite",
    "/control/erase",
    "/v1/exchange/../..",
    "/%00",
    "/static/../config.json",
]
KINDS = ["application/json", "application/vnd.homeward.frames", "text/plain", "", "multipart/form-data"]


@pytest.fixture(scope="module")
def hub(shared_yard):
    """A hub that nobody has joined."""
    return shared_yard.hub()


@pytest.fixture(autouse=True)
def _unharmed(hub):
    """Whatever was done to it, the hub still answers and has used no undue memory."""
    yield
    assert "清溪县" in hub.page()[0]
    with Path(f"/proc/{hub.process.pid}/status").open() as status:
        resident_kb = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert resident_kb < 400_000


def ask(hub, method, path, body=None, headers=None, timeout=15):
    """One request; its status."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def test_garbage_to_every_route(hub):
    """Any bytes of any kind to any route are refused, never answered with an error of the server's own."""
    dice = random.Random(11)
    proof = {"code": "c", "secret": "00" * 16, "public_key": "00" * 32, "proof": "00" * 64}
    bodies = [b"", b"{}", b"[]", b"null", b'{"code": 1, "secret": "zz"}', b"\xff" * 200, b"[" * 60_000, b"\0" * 8]
    bodies += [
        json.dumps(proof).encode(),
        (20).to_bytes(4, "big") + dice.randbytes(20),
        b"\xff" * 4 + dice.randbytes(2000),
    ]
    bad = []
    for path in ROUTES:
        for kind in KINDS:
            for body in bodies:
                status = ask(hub, "POST", path, body, {"Content-Type": kind})
                if status >= 500:
                    bad.append((path, kind, body[:30], status))
    for method in ("PUT", "DELETE", "HEAD", "OPTIONS", "GET"):
        bad += [(method, path) for path in ROUTES if ask(hub, method, path) >= 500]
    assert bad == []


@pytest.mark.parametrize("path", ["/v1/join", "/control/invite", "/control/erase"])
def test_a_body_that_is_too_large(hub, path):
    """More than a request may have is refused, however much is announced."""
    with contextlib.suppress(ConnectionError):
        status = ask(hub, "POST", path, b"x" * 3_000_000, {"Content-Type": "application/json"})
        assert 400 <= status < 500


@pytest.mark.parametrize("piece", [b"\0" * 65536, (1_000_000).to_bytes(4, "big") + b"x" * 60_000])
def test_an_endless_body(hub, piece):
    """An exchange that never ends is ended by the hub as soon as it makes no sense."""
    with socket.create_connection(("127.0.0.1", hub.port), timeout=15) as connection:
        head = "POST /v1/exchange HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        connection.sendall((head + "Content-Type: application/vnd.homeward.frames\r\n\r\n").encode())
        deadline = time.monotonic() + 8
        with pytest.raises(OSError):  # noqa: PT012 -- which piece is one too many is not promised
            while time.monotonic() < deadline:
                connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")


def test_200_connections_at_once(hub):
    """Two hundred connections, half of them silent, leave room for the others."""
    silent = [socket.create_connection(("127.0.0.1", hub.port), timeout=15) for _ in range(100)]
    for connection in silent[:50]:
        connection.sendall(b"POST /v1/exchange HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n"
                           b"Content-Type: application/vnd.homeward.frames\r\n\r\n")  # fmt: skip
    found = []
    threads = [threading.Thread(target=lambda: found.append(ask(hub, "GET", "/", timeout=30))) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    for connection in silent:
        connection.close()
    assert found == [200] * 100


def test_a_home_beside_all_that(hub, shared_yard, lines_of, write_lines):
    """While others send garbage a home joins and brings what it has."""
    over = threading.Event()

    def shout():
        while not over.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask(hub, "POST", "/v1/exchange", os.urandom(5000), {"Content-Type": "application/vnd.homeward.frames"})

    shouting = [threading.Thread(target=shout) for _ in range(4)]
    for thread in shouting:
        thread.start()
    try:
        home = shared_yard.home()
        shared_yard.quick("site-node", "join", home, shared_yard.invite())
        shared_yard.quick("site-node", "import", home, write_lines(shared_yard / "facts.jsonl", lines_of(count=200)))
        shared_yard.quick("site-node", "sync", home)
    finally:
        over.set()
        for thread in shouting:
            thread.join(30)
    assert shared_yard.quick("central-hub", "status", shared_yard / "hub", "--json").json()["entries"] == 200


def test_a_hub_that_stands_still_for_a_while(hub, shared_yard):
    """A sync that meets a hub which hangs for a moment waits and then succeeds."""
    home = shared_yard.home("patient", "home-05")
    shared_yard.quick("site-node", "join", home, shared_yard.invite(code="home-05"))
    hub.process.send_signal(signal.SIGSTOP)
    try:
        process = shared_yard.begin("site-node", "sync", home)
        time.sleep(1.5)
        assert process.poll() is None
    finally:
        hub.process.send_signal(signal.SIGCONT)
    assert process.wait(30) == 0


@pytest.fixture
def small_disk(tmp_path):
    """A disk of two megabytes; needs the rights to mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("cannot mount a small disk here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk(small_disk, yard, sample, write_lines):
    """An import that meets a full disk says so; what was saved is saved, and with more room the rest follows."""
    file = write_lines(yard / "facts.jsonl", sample)
    home = small_disk / "home"
    yard.quick("site-node", "init", home, "--name", "n", "--code", "home-01")
    answer = yard.run("site-node", "import", home, file, "--all", code=4)
    assert "disk" in answer.err
    assert answer.err.count("\n") == 1
    subprocess.run(["mount", "-o", "remount,size=40m", small_disk], check=True)
    stored = yard.quick("site-node", "status", home, "--json").json()["entries"]
    assert 0 < stored < len(sample)
    assert yard.quick("site-node", "verify", home, "--json").json() == {
        "ok": True,
        "compared": stored,
        "first_bad": None,
        "photos": {"compared": 0, "bad": []},
    }
    assert yard.quick("site-node", "import", home, file, "--all").out.startswith(
        f"{len(sample) - stored} recorded, {stored}"
    )


def test_a_disk_that_is_full_from_the_beginning(small_disk, yard):
    """Where there is no room `init` says so and leaves nothing behind; `serve` and `sync` end in words."""
    filler = os.open(small_disk / "filler", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(filler, b"x" * 4096)
    os.close(filler)
    answer = yard.run("site-node", "init", small_disk / "home", "--name", "n", "--code", "c", code=None)
    assert answer.code in (2, 4)
    assert [file.name for file in small_disk.iterdir()] == ["filler"]


def test_a_disk_that_cannot_be_written(small_disk, yard, lines_of, write_lines):
    """On a read-only disk writing commands say so in a sentence; status and history still read."""
    home = small_disk / "home"
    yard.quick("site-node", "init", home, "--name", "n", "--code", "home-01")
    file = write_lines(yard / "facts.jsonl", lines_of(count=20))
    yard.quick("site-node", "import", home, file)
    yard.quick("site-node", "digest", home)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for words in (("import", home, file), ("serve", home, "--listen", "127.0.0.1:0"), ("rebuild", home)):
        answer = yard.run("site-node", *words, code=None)
        assert answer.code in (2, 4), answer
        assert answer.err.count("\n") == 1
    for command in ("status", "children", "digest", "verify"):
        answer = yard.run("site-node", command, home, code=None)
        assert answer.code == 0 or answer.err.count("\n") == 1
    shutil.rmtree(yard / "copy", ignore_errors=True)
