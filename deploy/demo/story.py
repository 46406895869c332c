"""What happens in the demo, step by step, until every home holds the county's receipt."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

from deploy.demo.county import CUT_BYTES, POLL_S, RATE_KBIT, RTT_MS, County, Home
from deploy.demo.display import Display
from deploy.demo.processes import StoryFailed

COUNTY_NAME = "清溪县"
IMPORT_KILL_GROWTH_BYTES = 300_000  # of the home's log
HOME_KILL_BYTES_A_FACT = 12  # over its link: about a quarter of what it has to send
HUB_KILL_BYTES_A_FACT = 20  # over all links: about half
TRIGGER_S_MAX = 30.0
PUSH_S_MAX = 60.0
STATUS_EVERY_S = 0.3


@contextlib.asynccontextmanager
async def watching(watch: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have a look-out beside the work; if it fails, so does the work when it is done."""
    task = asyncio.create_task(watch)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@dataclass
class Kill:
    """One `kill -9`: whom, at what, how far it was, and whether it really was in the middle."""

    what: str
    done: int
    total: int
    was_running: bool

    @property
    def in_the_middle(self) -> bool:
        """Something was left to do."""
        return self.was_running and self.done < self.total

    def __str__(self) -> str:
        return f"{self.what} at {self.done:,} of {self.total:,}"


@dataclass
class Story:
    """The county and what was done to it."""

    county: County
    display: Display
    kills: list[Kill] = field(default_factory=list)
    facts_total: int = 0

    async def tell(self) -> None:
        """From empty folders to the county's receipts for everything."""
        self.facts_total = sum(home.facts_count for home in self.county.homes)
        await self.open_hub()
        await asyncio.gather(*(self.open_home(home) for home in self.county.homes))
        self.display.step(f"three homes joined, each over {RATE_KBIT} kbit/s, {RTT_MS} ms, a cut every {CUT_BYTES:,} B")
        await self.record()
        await self.push()

    async def open_hub(self) -> None:
        """A hub of its own for the county."""
        hub = self.county.hub
        await hub.command("init", "--name", COUNTY_NAME)
        await hub.serve()
        await self.county.lay_links()
        assert hub.server is not None
        self.display.step(f"the hub of {COUNTY_NAME} serves at {hub.server.url}")

    async def open_home(self, home: Home) -> None:
        """A home is made, invited, and joins."""
        await home.command("init", "--name", home.title, "--code", home.name)
        await home.join(await self.county.hub.invite(home))

    async def record(self) -> None:
        """Every home writes down its three months, offline; the first one is killed at it and goes on."""
        self.display.step(f"importing {self.facts_total:,} facts")
        first, *others = self.county.homes
        async with watching(self.watch_recording()):
            await asyncio.gather(self.record_despite_kill(first), *(self.record_at(home) for home in others))

    async def record_at(self, home: Home) -> None:
        """An import to the end."""
        await home.import_facts()
        self.display.progress(home.name, recorded=(await home.ask("status"))["entries"])

    async def record_despite_kill(self, home: Home) -> None:
        """An import that is killed, and a second one that goes on."""
        was_running = await home.import_until_killed(IMPORT_KILL_GROWTH_BYTES)
        kill = Kill(f"{home.name} importing", (await home.ask("status"))["entries"], home.facts_count, was_running)
        self.killed(kill)
        self.display.progress(home.name, recorded=kill.done)
        await self.record_at(home)

    def killed(self, kill: Kill) -> None:
        """Note it, and say it."""
        self.kills.append(kill)
        self.display.step(f"[yellow]kill -9[/]  {kill}")

    async def push(self) -> None:
        """The homes push at once; one home and the hub are killed meanwhile and started again."""
        await asyncio.gather(*(home.serve() for home in self.county.homes))
        self.display.step("pushing over the bad links")
        try:
            async with watching(self.watch_pushing()):
                await self.kill_home(self.county.homes[0])
                await self.kill_hub()
                async with asyncio.timeout(PUSH_S_MAX):
                    await asyncio.gather(*(self.receipt(home) for home in self.county.homes))
        except TimeoutError:
            held = await self.county.hub.held()
            raise StoryFailed(f"no receipt for everything after {PUSH_S_MAX:.0f} s; the hub holds {held}") from None
        self.display.step("every home holds the county's receipt for everything")

    async def kill_home(self, home: Home) -> None:
        """Kill a home while it pushes, and start it again."""
        await self.until_sent([home], HOME_KILL_BYTES_A_FACT * home.facts_count)
        was_running = await home.kill()
        held = (await self.county.hub.held()).get(home.name, 0)
        self.killed(Kill(f"{home.name} pushing", held, home.facts_count, was_running))
        await home.serve()

    async def kill_hub(self) -> None:
        """Kill the hub while homes push, and start it again at the same address."""
        hub = self.county.hub
        await self.until_sent(self.county.homes, HUB_KILL_BYTES_A_FACT * self.facts_total)
        was_running = await hub.kill()
        self.killed(Kill("the hub receiving", sum((await hub.held()).values()), self.facts_total, was_running))
        await hub.serve()

    async def until_sent(self, homes: list[Home], size: int) -> None:
        """Wait until that many bytes have left over the homes' links."""
        with contextlib.suppress(TimeoutError):  # a kill that came too late is told by its figures
            async with asyncio.timeout(TRIGGER_S_MAX):
                while sum(home.link.stats.up for home in homes) < size:
                    await asyncio.sleep(POLL_S)

    async def watch_recording(self) -> None:
        """Show what each home has recorded, again and again."""
        while True:
            for home in self.county.homes:
                self.display.progress(home.name, recorded=(await home.ask("status"))["entries"])

    async def watch_pushing(self) -> None:
        """Show what the hub holds, again and again."""
        while True:
            for code, held in (await self.county.hub.held()).items():
                self.display.progress(code, held=held)
            await asyncio.sleep(STATUS_EVERY_S)

    async def receipt(self, home: Home) -> None:
        """Wait until the home itself says that nothing waits: only a receipt can say so."""
        while (await home.ask("status"))["waiting"] != 0:
            await asyncio.sleep(STATUS_EVERY_S)
        self.display.progress(home.name, held=home.facts_count)
