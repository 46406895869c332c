"""Real processes over real sockets: started here, found by what they print, and surely ended."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import lzma
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from central_hub import audit
from central_hub import cli as hub_cli
from site_node import cli as home_cli

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "sample" / "facts.jsonl.xz"
BIN = Path(sys.executable).parent
COMMAND_S_MAX = 180  # these three end a test that hangs; how fast anything is, benchmarks say
START_S_MAX = 60
STOP_S_MAX = 30
LISTENING = re.compile(r"listening on (http://\S+)")
MAINS = {"site-node": home_cli.main, "central-hub": hub_cli.main, "hub-audit": audit.main}


@dataclasses.dataclass(frozen=True)
class Answer:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclasses.dataclass
class Server:
    """A `serve` that runs, and where."""

    process: subprocess.Popen[str]
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def page(self) -> tuple[str, Any]:
        with urllib.request.urlopen(self.url + "/", timeout=10) as response:
            return response.read().decode(), response.headers

    def stop(self, number: int = signal.SIGTERM, within_s: float = STOP_S_MAX) -> int:
        """Ask it to end; the exit code, and a failure if it does not."""
        self.process.send_signal(number)
        return self.process.wait(within_s)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


class Yard:
    """A place for data folders, and every process that a test starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._processes: list[subprocess.Popen[str]] = []

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def begin(self, *words: object, offset_s: float = 0, **options: Any) -> subprocess.Popen[str]:
        """Start a console script and go on."""
        name, *rest = map(str, words)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HOMEWARD_", "COV_"))}
        if offset_s:
            environment["HOMEWARD_CLOCK_OFFSET_S"] = str(offset_s)
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        process = subprocess.Popen(
            [str(BIN / name), *rest], text=True, encoding="utf-8", env=environment, start_new_session=True, **options
        )
        self._processes.append(process)
        return process

    def run(self, *words: object, offset_s: float = 0, code: int | None = 0) -> Answer:
        """Run a console script to its end; `code` None takes any."""
        process = self.begin(*words, offset_s=offset_s)
        out, err = process.communicate(timeout=COMMAND_S_MAX)
        answer = Answer(process.returncode, out, err)
        assert "Traceback" not in err, err
        assert code is None or answer.code == code, answer
        return answer

    def quick(self, *words: object, code: int | None = 0) -> Answer:
        """The same command inside this process: much faster, for what needs no process of its own."""
        name, *rest = map(str, words)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                found = MAINS[name](rest)
            except SystemExit as ended:  # argparse
                found = ended.code if isinstance(ended.code, int) else 1
        answer = Answer(found, out.getvalue(), err.getvalue())
        assert code is None or answer.code == code, answer
        return answer

    def serve(self, *words: object, offset_s: float = 0) -> Server:
        """Start a `serve` and wait until it listens."""
        process = self.begin(*words, offset_s=offset_s, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_S_MAX
        said = ""
        while time.monotonic() < deadline:
            if not select.select([process.stdout], [], [], 0.5)[0]:
                continue
            line = process.stdout.readline()
            said += line
            if found := LISTENING.search(line):
                return Server(process, found[1])
            if not line:
                break
        raise AssertionError(f"{words}: does not listen\n{said}")

    def hub(self, name: str = "hub", listen: str = "127.0.0.1:0", offset_s: float = 0) -> Server:
        """Serve a hub, made first if it is not there."""
        if not (self / name).exists():
            self.quick("central-hub", "init", self / name, "--name", "清溪县")
        return self.serve("central-hub", "serve", self / name, "--listen", listen, offset_s=offset_s)

    def home(self, name: str = "home", code: str = "home-01") -> Path:
        """Make a home's folder."""
        self.quick("site-node", "init", self / name, "--name", f"{code} 之家", "--code", code)
        return self / name

    def invite(self, hub: str = "hub", code: str = "home-01", name: str = "南沟村之家", **options: Any) -> str:
        """An invitation."""
        run = self.run if options else self.quick
        return run("central-hub", "invite", self / hub, "--name", name, "--code", code, **options).out.split()[-1]

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """A yard of one test."""
    made = Yard(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """A yard of one module."""
    made = Yard(tmp_path_factory.mktemp("yard"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def sample() -> list[str]:
    """The sample's lines."""
    return lzma.decompress(SAMPLE.read_bytes()).decode().splitlines()


@pytest.fixture(scope="session")
def lines_of(sample: list[str]) -> Callable[..., list[str]]:
    """The first so many lines of one home."""

    def lines(code: str = "home-01", count: int | None = None) -> list[str]:
        return [line for line in sample if f'"site":"{code}"' in line][:count]

    return lines


@pytest.fixture(scope="session")
def write_lines() -> Callable[[Path, list[str]], Path]:
    """Write a file of facts."""

    def write(path: Path, lines: list[str]) -> Path:
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def synced(tmp_path_factory: pytest.TempPathFactory, lines_of: Any, write_lines: Any) -> Path:
    """A hub and a joined home that has synced 120 facts, both at rest: copy it, never change it."""
    place = Yard(tmp_path_factory.mktemp("synced"))
    try:
        server = place.hub()
        home = place.home()
        place.quick("site-node", "join", home, place.invite())
        place.quick("site-node", "import", home, write_lines(place / "facts.jsonl", lines_of(count=120)))
        place.quick("site-node", "sync", home)
        assert server.stop() == 0
    finally:
        place.close()
    return place.path


@pytest.fixture
def county(synced: Path, tmp_path: Path) -> Iterator[Yard]:
    """A copy of `synced`."""
    shutil.copytree(synced, tmp_path / "county")
    made = Yard(tmp_path / "county")
    yield made
    made.close()
