"""A whole county by its own commands: every home made, joined, imported and exchanged, then the hub's reports."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

BIN = Path(sys.executable).parent
LISTENING = re.compile(r"listening on (http://\S+)")
SITE = re.compile(r'"site":\s*"([^"]+)"')
HOMES_AT_ONCE = 2
Tell = Callable[[str], None]


def command(*words: object) -> str:
    """Run one of our commands to its end; what it printed."""
    name, *rest = map(str, words)
    done = subprocess.run([str(BIN / name), *rest], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def served(hub: Path) -> Iterator[str]:
    """A hub that serves; its address."""
    words = [str(BIN / "central-hub"), "serve", str(hub), "--listen", "127.0.0.1:0"]
    with (hub.parent / "hub.log").open("w") as log:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            found = next((found for line in process.stdout if (found := LISTENING.search(line))), None)
            assert found, (hub.parent / "hub.log").read_text()
            yield found[1]
        finally:
            process.terminate()
            process.communicate(timeout=60)


def split(facts: Path, folder: Path) -> dict[str, Path]:
    """One file a home, by the site that a line names."""
    files: dict[str, IO[str]] = {}
    try:
        with facts.open(encoding="utf-8") as lines:
            for line in lines:
                found = SITE.search(line)
                assert found, line[:80]
                home = found[1]
                if home not in files:
                    files[home] = (folder / f"{home}.jsonl").open("w", encoding="utf-8")
                files[home].write(line)
    finally:
        for file in files.values():
            file.close()
    return {home: folder / f"{home}.jsonl" for home in sorted(files)}


def load(facts: Path, folder: Path, tell: Tell) -> Path:
    """Everything from a file of facts to a hub that holds it all, a few homes at a time; the hub's folder."""
    hub = folder / "hub"
    command("central-hub", "init", hub, "--name", "清溪县")
    homes = split(facts, folder)
    with served(hub), ThreadPoolExecutor(HOMES_AT_ONCE) as pool:
        done = [pool.submit(_home, hub, code, lines) for code, lines in homes.items()]
        try:
            for number, one in enumerate(as_completed(done), 1):
                tell(f"{number}/{len(homes)} {one.result()}")
        finally:
            pool.shutdown(cancel_futures=True)  # where one fails, the rest need not be loaded
    return hub


def _home(hub: Path, code: str, lines: Path) -> str:
    """One home made, joined, imported and exchanged; what that took."""
    home, began = hub.parent / code, time.monotonic()
    command("site-node", "init", home, "--name", f"{code} 之家", "--code", code)
    words = command("central-hub", "invite", hub, "--name", f"{code} 之家", "--code", code).split()
    command("site-node", "join", home, words[-1])
    command("site-node", "import", home, lines)
    imported = time.monotonic()
    command("site-node", "sync", home)
    exchanged = time.monotonic()
    count = json.loads(command("site-node", "status", home, "--json"))
    assert count["waiting"] == 0, count
    lines.unlink()
    took = f"{imported - began:.0f} s to record, {exchanged - imported:.0f} s to exchange"
    return f"{code}: {count['entries']:,} entries, {took}"


def report(hub: Path, *words: str) -> dict[str, Any]:
    """A report's JSON."""
    found = json.loads(command("central-hub", "report", hub, *words, "--json"))
    assert isinstance(found, dict)
    return found


def children_mib_max() -> float:
    """The most memory that any command so far has taken, in MiB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
