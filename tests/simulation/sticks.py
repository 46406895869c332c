"""Sticks between homes and their county: real files, carried late, twice, in any order, damaged, or never."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Final

from central_hub import taking
from node import journeys
from node.answers import take_file
from sync.errors import LogCorrupt, ParkingFull, RefusedByPeer, RemoteProtocolError, WrongKey
from sync.reply import Reply
from tests.simulation.nodes import Computer, Hub

FAULTS: Final = (
    "stick: bundle lost",
    "stick: bundle taken again",
    "stick: bundle damaged",
    "stick: bundle came too early",
    "stick: answer lost",
    "stick: answer taken again",
    "stick: answer damaged",
    "stick: answer too late for its log",
)
NO_GOOD: Final = (WrongKey, LogCorrupt, RemoteProtocolError, ParkingFull)
PARTS_SIZE_BYTES: Final = (1500, 4000, 100_000)
CARRIED_MAX: Final = 12


def nothing(_done: int) -> None:
    """Nobody watches."""


class Sticks:
    """What is on its way, both ways."""

    def __init__(self, folder: Path, dice: random.Random, fired: Counter[str]) -> None:
        self._folder, self._dice, self._fired = folder, dice, fired
        self.up: list[Path] = []
        self.down: list[tuple[str, Path]] = []
        self.is_faulty = True
        folder.mkdir()

    def bundle(self, computer: Computer) -> int:
        """A home writes what the county does not hold, and what it holds itself; how many files."""
        photos = self._dice.random() < 0.7 or not self.is_faulty
        part_size = self._dice.choice(PARTS_SIZE_BYTES)
        bundlers = journeys.journey(computer.folder, computer.store, photos=photos, part_size=part_size)
        parts = [part.path for bundler in bundlers for part in bundler.write(self._folder, nothing)]
        self.up = [*self.up, *parts][-CARRIED_MAX:]
        return len(parts)

    def take_at_the_hub(self, hub: Hub) -> None:
        """The county takes some of the files, in some order, and writes its answers."""
        files = list(self.up)
        if self.is_faulty:
            self._dice.shuffle(files)
            files = files[: self._dice.randint(1, 4)]
        taker = taking.taker_of(hub.folder, hub.store, hub.registry, hub.clock_ms)
        replies: list[Reply] = []
        for path in files:
            self._leave(path)
            replies += self._take(taker, self._damaged("bundle", path))
        replies = [reply for reply in [*replies, *taker.follow_all(nothing)] if reply.hello is not None]
        taking.route(hub.router, nothing)
        part_size = self._dice.choice(PARTS_SIZE_BYTES)
        for answer in taking.answer(hub.folder, self._folder, taking.by_node(replies), part_size, photos=True):
            self.down = [*self.down, (answer["code"], Path(answer["file"]))][-CARRIED_MAX:]

    def _take(self, taker: taking.Taker, path: Path) -> list[Reply]:
        try:
            reply = taker.take(path, nothing)
        except NO_GOOD:
            return []
        except RefusedByPeer as refusal:
            if refusal.code != "unknown":  # the county was put back to before it knew this computer
                raise
            return []
        if reply.parked:
            self._fired["stick: bundle came too early"] += 1
        return [reply]

    def _leave(self, path: Path) -> None:
        """The file may lie on the stick when it comes the next time."""
        if self.is_faulty and self._dice.random() < 0.3:
            self._fired["stick: bundle taken again"] += 1
        else:
            self.up.remove(path)

    def take_at_home(self, computer: Computer) -> bool:
        """A home takes one of the answers for it; False if there is none."""
        answers = [path for code, path in self.down if code == computer.code]
        if not answers:
            return False
        path = self._dice.choice(answers) if self.is_faulty else answers[0]
        if self.is_faulty and self._dice.random() < 0.3:
            self._fired["stick: answer taken again"] += 1
        else:
            self.down.remove((computer.code, path))
        try:
            damaged = self._damaged("answer", path)
            take_file(computer.folder, computer.store, computer.clock_ms, computer._erase, damaged, nothing)
        except WrongKey:
            self._fired["stick: answer too late for its log"] += 1
        except NO_GOOD:
            pass
        return True

    def lose(self) -> None:
        """A stick is lost."""
        if self.up and self._dice.random() < 0.5:
            self._fired["stick: bundle lost"] += 1
            self.up.remove(self._dice.choice(self.up))
        elif self.down:
            self._fired["stick: answer lost"] += 1
            self.down.remove(self._dice.choice(self.down))

    def _damaged(self, what: str, path: Path) -> Path:
        """The file, or a copy of it with a byte that is another one, or without its end."""
        if not self.is_faulty or self._dice.random() < 0.75:
            return path
        self._fired[f"stick: {what} damaged"] += 1
        content = bytearray(path.read_bytes())
        at = self._dice.randrange(len(content))
        if self._dice.random() < 0.5:
            del content[at:]
        else:
            content[at] ^= 1 << self._dice.randrange(8)
        path = path.with_name(f"damaged-{path.name}")
        path.write_bytes(content)
        return path
