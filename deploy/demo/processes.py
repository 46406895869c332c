"""The processes of the demo: started here, ended here, and known by what they print."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND_S_MAX = 60.0
START_S_MAX = 20.0
STOP_S_MAX = 5.0  # what `serve` promises after SIGTERM
LISTENING = re.compile(r"listening on (?:https?://)?[\w.\[\]:-]*?:(\d+)\b")


class StoryFailed(Exception):
    """A command did what the demo cannot go on from; the message holds what it printed."""


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """What `--json` printed."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@dataclass
class Server:
    """A `serve` that runs, and where it listens."""

    name: str
    process: Process
    port: int

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self.port}/"


def program(name: str) -> str:
    """The console script that belongs to this Python."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise StoryFailed(f"{path} is missing: run 'make setup'")
    return str(path)


class Processes:
    """All processes of one demo, so that none outlives it."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: set[Process] = set()
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("HOMEWARD_")}

    async def spawn(self, words: tuple[str, ...], out: Any, err: Any) -> Process:
        """Start a program in a session of its own: Ctrl-C reaches the demo alone, which then ends what it started."""
        name, *rest = words
        process = await asyncio.create_subprocess_exec(
            program(name), *rest, stdin=DEVNULL, stdout=out, stderr=err, env=self._environment, start_new_session=True
        )
        self._running.add(process)
        return process

    async def run(self, *words: str, codes: tuple[int, ...] = (0,)) -> Answer:
        """Run a command to its end; any code but the expected ones fails the story."""
        process = await self.spawn(words, PIPE, PIPE)
        try:
            async with asyncio.timeout(COMMAND_S_MAX):
                out, err = await process.communicate()
        except TimeoutError:
            raise StoryFailed(f"{' '.join(words)}: no end after {COMMAND_S_MAX:.0f} s") from None
        finally:
            await self.kill(process)
        answer = Answer(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))
        if answer.code not in codes:
            raise StoryFailed(f"{' '.join(words)}: exit code {answer.code}\n{(answer.out + answer.err).strip()}")
        return answer

    async def begin(self, log: str, *words: str) -> Process:
        """Start a program whose output goes to a file."""
        with (self.logs / f"{log}.log").open("ab") as file:
            return await self.spawn(words, file, file)

    async def serve(self, name: str, *words: str) -> Server:
        """Start a server and wait until it says where it listens."""
        log = self.logs / f"{name}.log"
        said_before = log.stat().st_size if log.exists() else 0
        process = await self.begin(name, *words)
        try:
            async with asyncio.timeout(START_S_MAX):
                while True:
                    said = log.read_bytes()[said_before:].decode(errors="replace")
                    if found := LISTENING.search(said):
                        return Server(name, process, int(found[1]))
                    if process.returncode is not None:
                        raise StoryFailed(f"{' '.join(words)}: ended with code {process.returncode}\n{said.strip()}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise StoryFailed(f"{' '.join(words)}: not listening after {START_S_MAX:.0f} s\n{said.strip()}") from None

    async def kill(self, process: Process) -> bool:
        """`kill -9`; false if the process had already ended by itself."""
        was_alive = process.returncode is None
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        self._running.discard(process)
        return was_alive and process.returncode == -signal.SIGKILL

    async def stop(self, process: Process) -> bool:
        """SIGTERM; false if the process had to be killed or did not end with code 0."""
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S_MAX):
                await process.wait()
        except TimeoutError:
            await self.kill(process)
        self._running.discard(process)
        return process.returncode == 0

    async def stop_all(self) -> bool:
        """End whatever still runs; true if everything ended when asked."""
        return all(await asyncio.gather(*(self.stop(process) for process in self._running)))
