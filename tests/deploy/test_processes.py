"""The demo ends what it started, whatever state it is in."""

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest

from deploy.demo import processes
from deploy.demo.processes import Processes, StoryFailed

SERVER = """
import signal, sys, time
if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
else: signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("listening on http://127.0.0.1:8123/", flush=True)
time.sleep(60)
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """`server`, `answer` and `fail`, found where the demo looks for its programs."""
    sources = {"server": SERVER, "answer": "print('{\"entries\": 3}')", "fail": "raise SystemExit('no such folder')"}
    for name, source in sources.items():
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\n{source}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(processes, "program", lambda name: str(tmp_path / name))
    return Processes(tmp_path)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_is_known_by_what_it_prints(programs):
    """The port comes from its own words; SIGTERM ends it."""

    async def story():
        server = await programs.serve("hub", "server")
        assert server.port == 8123
        assert await programs.stop_all()
        assert not alive(server.process.pid)

    asyncio.run(story())


def test_a_second_server_is_not_mistaken_for_the_first(programs):
    """Output of an earlier run in the same file says nothing about the present one."""

    async def story():
        first = await programs.serve("hub", "server")
        assert await programs.kill(first.process)
        with pytest.raises(StoryFailed, match="ended with code 1\nno such folder"):
            await programs.serve("hub", "fail")

    asyncio.run(story())


def test_who_does_not_stop_is_killed_and_told(programs, monkeypatch):
    """A server deaf to SIGTERM does not outlive the demo, and the demo says so."""
    monkeypatch.setattr(processes, "STOP_S_MAX", 0.2)

    async def story():
        server = await programs.serve("hub", "server", "stubborn")
        assert not await programs.stop_all()
        assert not alive(server.process.pid)

    asyncio.run(story())


def test_a_command_answers_or_fails_the_story(programs):
    """JSON is read; an unexpected exit code carries what was printed."""

    async def story():
        assert (await programs.run("answer")).json() == {"entries": 3}
        assert (await programs.run("fail", codes=(0, 1))).code == 1
        with pytest.raises(StoryFailed, match="exit code 1\nno such folder"):
            await programs.run("fail")
        process = await programs.begin("dead", "answer")
        await process.wait()
        assert not await programs.kill(process), "it had ended by itself"

    asyncio.run(story())


def test_a_missing_program_says_what_to_do(monkeypatch, tmp_path):
    """Without set-up there are no console scripts."""
    monkeypatch.setattr(sys, "executable", str(Path(tmp_path) / "python"))
    with pytest.raises(StoryFailed, match="run 'make setup'"):
        processes.program("site-node")
