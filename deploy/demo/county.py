"""The county of the demo: a hub, three homes, and a bad link before each home."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.badlink import Link
from deploy.demo.facts import Sample
from deploy.demo.processes import Processes, Server

RATE_KBIT = 512
RTT_MS = 200
CUT_BYTES = 50_000
POLL_S = 0.02
UNREACHABLE = 5  # the exit code of a command that the bad link cut off
JOIN_TRIES_MAX = 10


@dataclass
class Node:
    """What the hub and a home have in common: a folder, a program, and perhaps a server that runs."""

    processes: Processes
    program: str
    name: str
    folder: Path
    server: Server | None = None
    listen: str = "127.0.0.1:0"
    options: tuple[str, ...] = ()

    async def command(self, *words: str) -> None:
        """Run a command on the folder."""
        verb, *rest = words
        await self.processes.run(self.program, verb, str(self.folder), *rest)

    async def ask(self, *words: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """Run a reading command and return what it says."""
        verb, *rest = words
        answer = await self.processes.run(self.program, verb, str(self.folder), *rest, "--json", codes=codes)
        return answer.json()

    async def serve(self) -> None:
        """Serve in the background, after the first time at the same address as before."""
        self.server = await self.processes.serve(
            self.name, self.program, "serve", str(self.folder), "--listen", self.listen, *self.options
        )
        self.listen = f"127.0.0.1:{self.server.port}"

    async def kill(self) -> bool:
        """`kill -9` the server; true if it was running."""
        server, self.server = self.server, None
        return server is not None and await self.processes.kill(server.process)


@dataclass
class Home(Node):
    """A home, its facts and its link to the hub."""

    title: str = ""
    facts_file: Path = Path()
    facts_count: int = 0
    link: Link = field(default_factory=lambda: Link(to=("127.0.0.1", 9)))

    def stored_bytes(self) -> int:
        """How large the log's files are: grows while an import commits."""
        files = (self.folder / name for name in ("log.db", "log.db-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    async def import_facts(self) -> None:
        """Import this home's lines to the end."""
        await self.command("import", str(self.facts_file))

    async def import_until_killed(self, growth_bytes: int) -> bool:
        """Kill -9 an import once the log has grown that much; false if it had ended before."""
        before = self.stored_bytes()
        process = await self.processes.begin(
            f"{self.name}-killed-import", "site-node", "import", str(self.folder), str(self.facts_file)
        )
        while process.returncode is None and self.stored_bytes() < before + growth_bytes:
            await asyncio.sleep(POLL_S / 10)
        return await self.processes.kill(process)

    async def join(self, invitation: str) -> int:
        """Join through the bad link; returns how many tries it took."""
        address = f"http://127.0.0.1:{self.link.port}"
        words = ("site-node", "join", str(self.folder), invitation, "--hub", address)
        for tries in range(1, JOIN_TRIES_MAX):
            answer = await self.processes.run(*words, codes=(0, UNREACHABLE))
            if answer.code == 0:
                return tries
        await self.processes.run(*words)
        return JOIN_TRIES_MAX


@dataclass
class Hub(Node):
    """The county's hub."""

    async def invite(self, home: Home) -> str:
        """The invitation for one home: the last line that the command prints."""
        words = ("central-hub", "invite", str(self.folder), "--name", home.title, "--code", home.name)
        answer = await self.processes.run(*words)
        return answer.out.strip().splitlines()[-1]

    async def held(self) -> dict[str, int]:
        """How many entries the hub holds of each home."""
        status = await self.ask("status")
        return {home["code"]: home["held"] for home in status["homes"]}


@dataclass
class County:
    """Everyone."""

    hub: Hub
    homes: list[Home]

    @property
    def nodes(self) -> list[Node]:
        """The hub first."""
        return [self.hub, *self.homes]

    @classmethod
    def found(cls, folder: Path, sample: Sample) -> County:
        """Lay out folders and files; nothing runs yet."""
        logs = folder / "output"
        logs.mkdir()
        processes = Processes(logs)
        homes = []
        for code, title in sample.homes().items():
            facts = sample.of(code)
            file = folder / f"{code}.jsonl"
            file.write_text("".join(fact.line for fact in facts), encoding="utf-8")
            home = Home(processes, "site-node", code, folder / code, options=("--exchange-every", "1"))
            home.title, home.facts_file, home.facts_count = title, file, len(facts)
            homes.append(home)
        return cls(Hub(processes, "central-hub", "hub", folder / "hub"), homes)

    async def lay_links(self) -> None:
        """Put a bad link of its own between each home and the hub, which must already serve."""
        assert self.hub.server is not None
        for seed, home in enumerate(self.homes, 1):
            to = ("127.0.0.1", self.hub.server.port)
            home.link = Link(to=to, rate_kbit=RATE_KBIT, rtt_ms=RTT_MS, cut_bytes=CUT_BYTES, seed=seed)
            await home.link.start()

    async def end(self) -> bool:
        """Stop every process and link; true if every process ended when asked."""
        clean = await self.hub.processes.stop_all()
        for home in self.homes:
            await home.link.stop()
        return clean
