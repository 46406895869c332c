"""The life of `copies`, without any line: a courier carries bundles and answers, loses some and finds others again.

Whatever was ever written lies in a drawer, and may travel again, in any order, together with newer files, or never.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from central_hub.router import Router
from central_hub.taking import answer, by_node, route, taker_of
from node.answers import take_file
from node.folder import Folder
from node.journeys import journey
from sync import carrying, parking
from sync.errors import ParkingFull, RefusedByPeer, WrongKey
from sync.reply import Reply
from tests.simulation.copies import Computer, County, KilledError
from tests.simulation.naming import a_life

FAULTS = (
    "old copy put back",
    "old databases put back beside a newer checkpoint.txt",
    "clone",
    "new PC",
    "hub put back",
    "computer lost",
    "killed before the new log was stored",
    "killed after the new log was stored",
    "healed: behind",
    "healed: forked",
    "healed: restored",
    "a bundle came too early",
    "an answer was for another computer",
    "a part of an answer came too early",
    "the proof had to be asked for",
    "an old file came again",
)
JOURNEYS_MAX = 9  # for each computer, until nothing moves any more; four of them find that nothing does
FILES_MAX = 12  # that a courier carries at once


def nothing(_done: int) -> None:
    """No progress is shown."""


class Courier(County):
    """The same county and home, where nothing but files goes from one to the other."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.drawers: dict[str, list[Path]] = {"up": [], "down": []}
        (folder / "stick").mkdir()
        self.stick = folder / "stick"
        self.is_calm, self.journeys = False, 0
        super().__init__(seed, folder)
        self.line = SimpleNamespace()  # while it is there, processes may be killed

    def start_hub(self) -> None:
        super().start_hub()
        folder = Folder(self.hub_path, "hub")
        self.router = Router(self.hub, self.registry, self.clock)
        self.taker = taker_of(folder, self.hub, self.registry, self.clock)

    def bundle(self, computer: Computer) -> list[Path]:
        part_size = self.dice.choice([600, 3000, 10**6])
        bundlers = journey(computer.folder, computer.store, photos=False, part_size=part_size)
        return [part.path for bundler in bundlers for part in bundler.write(self.stick, nothing)]

    def to_county(self, files: list[Path]) -> list[Path]:
        replies: list[Reply] = []
        for path in files:
            with suppress(ParkingFull, RefusedByPeer):  # the hub was put back to before it knew this computer
                reply = self.taker.take(path, nothing)
                self.fired["a bundle came too early"] += reply.parked
                replies.append(reply)
        replies += self.taker.follow_all(nothing)
        route(self.router, nothing)
        part_size = self.dice.choice([1, 800, 10**6])
        told = [reply for reply in replies if reply.hello is not None]
        found = answer(Folder(self.hub_path, "hub"), self.stick, by_node(told), part_size, photos=True)
        return [Path(one["file"]) for one in found]

    def to_home(self, computer: Computer, files: list[Path]) -> int:
        """Take answers; how many brought something or asked for something."""
        moved = 0
        for path in files:
            try:
                with self.killing(computer):
                    one = take_file(computer.folder, computer.store, self.clock, lambda _: None, path, nothing)
            except WrongKey:
                self.fired["an answer was for another computer"] += 1
                continue
            except KilledError:
                computer.stop()
                computer.start()
                moved += 1
                continue
            self.fired["a part of an answer came too early"] += one["early"]
            self.fired["the proof had to be asked for"] += "别处" in (one["why"] or "")
            assert one["exit"] == 0 or not self.is_calm, one
            moved += bool(one["came"] or one["left"] or one["healed"] or one["why"])
        return moved

    def carried(self, drawer: str, fresh: list[Path]) -> list[Path]:
        """What arrives: most of what is new, and now and then what lay about."""
        if self.is_calm:
            return fresh
        dice, lying = self.dice, self.drawers[drawer]
        arrived = [path for path in fresh if dice.random() < 0.8]
        if lying and dice.random() < 0.3:
            self.fired["an old file came again"] += 1
            arrived += dice.choices(lying, k=dice.randrange(1, 6))
        lying += fresh
        dice.shuffle(arrived)
        return arrived[:FILES_MAX]

    async def exchange(self, computer: Computer, url: str) -> bool:
        """A journey there and back; any file may stay on the way, another computer may get the stick first."""
        self.journeys += 1
        self.invite_if_unknown(computer)
        answers = self.to_county(self.carried("up", self.bundle(computer)))
        return not self.to_home(computer, self.carried("down", answers))

    def invite_if_unknown(self, computer: Computer) -> None:
        """The hub was put back to before it knew this computer, or any that it came from: a person acts."""
        logs = [branch.log for branch in computer.store.branches() if branch.own]
        if all(self.registry.key_of(log) is None for log in logs):
            self.invite(computer.store)

    async def settle(self, url: str) -> None:
        """No more faults, no loss, and nothing old lies about."""
        self.is_calm, self.journeys = True, 0
        self.drawers = {"up": [], "down": []}
        parking.remove_all(self.hub_path)  # what waits there may be all that is left of a lost computer: not promised
        await super().settle(url)
        assert self.journeys <= JOURNEYS_MAX * len(self.computers), "it takes too many journeys"


async def live(seed: int, folder: Path, steps_count: int) -> Counter[str]:
    county = Courier(seed, folder)
    try:
        for _ in range(steps_count):
            await county.step("")
        await county.settle("")
    finally:
        county.close()
    return county.fired


def run(seed: int, folder: Path, steps_count: int) -> Counter[str]:
    """One life of the home; the faults that really happened."""
    with a_life(seed, folder, steps_count), patch.object(carrying, "CARRY_ROWS_MAX", 3):  # so that answers have parts
        fired = asyncio.run(live(seed, folder, steps_count))
        del fired["line cut"]  # there is none
        return fired
