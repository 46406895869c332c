"""A county in one thread, from one seed: homes, their computers, a hub, lines and sticks; and whatever may go wrong.

A seed decides how many homes there are, which of them have a line, how lines and disks fail, whether folders are
copied and put back. Then one thing happens after the other: somebody records, an exchange begins, some bytes arrive, a
line is cut at any byte, power fails before or after a write, a stick is taken, a clock jumps. After every step
`checks` asks what must hold at any moment; `settling` stops all faults and asks what must hold in the end.

What runs is the real exchange at both ends, HTTP included, over `wires` instead of sockets.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from node.folder import VIEWS_FILE
from node.views import remove
from sync.errors import RefusedByPeer, RemoteProtocolError
from sync.file_form import CHUNK_SIZE_BYTES
from tests.simulation import sticks
from tests.simulation.checks import Checker
from tests.simulation.folders import COMPUTERS_MAX, Folders
from tests.simulation.naming import a_life
from tests.simulation.nodes import AFTER, BEFORE, Computer, Hub, PowerCutError
from tests.simulation.people import People
from tests.simulation.settling import settle
from tests.simulation.sticks import Sticks
from tests.simulation.wires import Loop, Network, Pipe, Wire

START_MS: Final = 1_741_392_000_000
YEAR_MS: Final = 365 * 24 * 3600 * 1000
LONG_S: Final = 5.0
WRITES: Final = (
    "record",
    "append",
    "receipt",
    "photograph",
    "photograph on its way",
    "mark on a photograph",
    "new log",
    "other write",
)
OFTEN: Final = {"new log": 5, "mark on a photograph": 3, "photograph": 2}  # what is rarely written fails more often
FAULTS: Final = (
    *(f"{write}: {how}" for write in WRITES for how in (BEFORE, AFTER)),
    "power cut at a home",
    "power cut at the hub",
    "line cut",
    "line cut within a frame",
    "bytes lost on the way up",
    "bytes lost on the way down",
    "bytes that arrive after the cut",
    "late exchange beside a newer one",
    "exchange repeated",
    "long silence",
    "clock wrong by years",
    "old copy put back",
    "old databases put back beside a newer checkpoint.txt",
    "clone",
    "new PC",
    "computer lost",
    "hub put back",
    "healed: behind",
    "healed: forked",
    "healed: restored",
    "child moved",
    "home of a later release",
    "home of an earlier release",
    "hub of a later release",
    *sticks.FAULTS,
)


class World:
    """All of it, from one seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.dice = dice = random.Random(seed)
        self.folder = folder
        self.fired: Counter[str] = Counter()
        self.compared = 0
        self.is_faulty = True
        self.write_fault_odds = dice.choice([0.0, 0.02, 0.06])
        self.cut_odds = dice.choice([0.0, 0.05, 0.2])
        self.slow_odds = dice.choice([0.0, 0.1])
        self.copies = dice.random() < 0.5
        self.hub_falls_back = self.copies and dice.random() < 0.5
        self.hub_was_put_back = False
        self.spoke_to_both: set[Computer] = set()  # in one exchange, to the hub as it was and to what was put back
        self.now_ms = START_MS
        self.offsets_ms: Counter[str] = Counter()
        self.copied: set[bytes] = set()  # logs that more than one folder may have written
        self.folders = Folders(self)
        self.past: list[bytes] = []
        self.names = 0
        self._true_secrets = secrets.token_bytes, secrets.randbelow
        secrets.token_bytes = lambda n=32: dice.randbytes(n)  # keys too follow from the seed
        secrets.randbelow = dice.randrange  # and epochs
        random.seed(seed)  # and how long the product waits
        self.loop = Loop(lambda: self.is_faulty and dice.random() < self.slow_odds)
        asyncio.set_event_loop(self.loop)
        self.network = Network(self.loop)
        codes = [f"home-{number:02}" for number in range(1, dice.randint(2, 4))]
        self.people = People(dice, codes)
        self.sticks = Sticks(folder / "sticks", dice, self.fired)
        self.by_hand = {code for code in codes if dice.random() < 0.25}  # these have no line
        self.computers: list[Computer] = []
        self.is_faulty = False
        self.hub = Hub(folder / "hub", self.network, self._clock_of("hub"), self._fate)
        if dice.random() < 0.2:
            self.fired["hub of a later release"] += 1
            self.hub.be_later()
        for code in codes:
            self.new_pc(code)
        self.is_faulty = True
        self.checker = Checker(self)

    def close(self) -> None:
        self.is_faulty = False
        secrets.token_bytes, secrets.randbelow = self._true_secrets
        self.checker.close()
        for node in (*self.computers, self.hub):
            node.stop()
        self.loop.close()
        asyncio.set_event_loop(None)

    def _clock_of(self, name: str) -> Callable[[], int]:
        return lambda: self.now_ms + self.offsets_ms[name]

    def _fate(self, kind: str) -> str | None:
        """Whether a write fails, and how."""
        how = self.dice.random() if self.is_faulty else 1.0
        odds = self.write_fault_odds * OFTEN.get(kind, 1)
        fate = BEFORE if how < odds else AFTER if how < 2 * odds else None
        if fate is not None:
            self.fired[f"{kind}: {fate}"] += 1
        return fate

    def name(self, of: str) -> Path:
        """Where a folder may be made."""
        self.names += 1
        return self.folder / f"{of}.{self.names}"

    # -- what may happen

    def step(self) -> None:
        """One thing happens somewhere."""
        dice = self.dice
        self.now_ms += dice.randrange(1, 60_000)
        computer = dice.choice(self.computers)
        happening = dice.random()
        if happening < 0.10:
            self.record(computer, dice.randrange(1, 6))
        elif happening < 0.12:
            self.take_in(computer)
        elif happening < 0.22:
            self.begin(computer)
        elif happening < 0.27:
            self._by_stick(computer)
        elif happening < 0.30:
            self._rarely(computer)
        elif happening < 0.30 + 0.2 * self.cut_odds and self.network.wires:
            self.cut(dice.choice(self.network.wires))
        elif happening < 0.34 + 0.2 * self.write_fault_odds:
            if dice.random() < 0.1 + 5 * self.write_fault_odds:
                node = dice.choice([self.hub, computer])
                self.fired["power cut at the hub" if node is self.hub else "power cut at a home"] += 1
                node.process.die()
        else:
            for _ in range(dice.randint(1, 9)):
                self.move()
        self.turn()

    def turn(self) -> None:
        """What follows by itself; who lost power starts again."""
        self.loop.settle()
        for node in (self.hub, *self.computers):
            while node.process.is_dead:
                self._spread(node)
                node.stop()
                node.start()
                self.loop.settle()
        for computer in self.computers:
            self._outcome(computer)
        self.network.sweep()

    def _spread(self, node: Hub | Computer) -> None:
        """Of what a dead process had written, a beginning arrives."""
        for wire in self.network.wires:
            for pipe in wire.pipes:
                if pipe.source.process is node.process:
                    del pipe.data[self.dice.randint(0, len(pipe.data)) :]
                    pipe.finish()

    def _outcome(self, computer: Computer) -> None:
        """How an exchange ended, if it did."""
        task = computer.task
        if task is None or not task.done():
            return
        computer.task = None
        try:
            task.result()
        except RefusedByPeer as refusal:
            if self.hub_was_put_back and refusal.code.startswith("unknown"):
                self._invite(computer)  # a person acts
            elif computer not in self.spoke_to_both:
                raise
        except RemoteProtocolError:
            if computer not in self.spoke_to_both:
                raise

    def record(self, computer: Computer, count: int) -> None:
        """People save, and look whether it is there where the computer could not say so."""
        store = computer.store
        now_ms = max(0, computer.clock_ms())
        drafts = [self.people.draft(computer.code, now_ms, store.seen) for _ in range(count)]
        log, before = store.log, store.size(store.log)
        try:
            ids = [one.id for one in computer.store.record(drafts).result()]
        except PowerCutError:
            self.turn()
            store = computer.store
            ids = [entry.id for entry in store.entries_of_log(log, before)] if store.log == log else []
            if len(ids) not in (0, count):
                raise AssertionError(f"a part of a batch is stored: {len(ids)} of {count}") from None
        for id_, draft in zip(ids, drafts, strict=False):
            self.people.recorded(draft, id_)

    def take_in(self, computer: Computer) -> None:
        """People take a photograph in."""
        content = self.dice.randbytes(self.dice.choice([10, CHUNK_SIZE_BYTES + 10]))
        subjects = self.dice.sample(self.people.children, self.dice.randrange(1, 4))
        try:
            computer.store.files.add(computer.store.log, content, "image/jpeg", subjects, 0)
        except PowerCutError:
            self.turn()

    def begin(self, computer: Computer) -> None:
        """An exchange over the line, unless one is running."""
        if computer.task is None and (computer.code not in self.by_hand or not self.is_faulty):
            if any(wire.server.is_lost is False and wire.client.is_lost for wire in self.network.wires):
                self.fired["late exchange beside a newer one"] += 1
            self.spoke_to_both.discard(computer)
            computer.begin(computer.exchanger.turn())

    def move(self) -> bool:
        """Some bytes arrive, or some work is done, or time passes; False if nobody waits for anything."""
        moves: list[Callable[[], Any]] = [
            lambda pipe=pipe: pipe.carry(self._piece(pipe))
            for wire in self.network.wires
            for pipe in wire.pipes
            if pipe.can_move
        ]
        moves += [lambda job=job: self._do(job) for job in self.loop.jobs]
        if moves and not (self.is_faulty and self.dice.random() < 0.005):
            self.dice.choice(moves)()
        else:
            before_s = self.loop.now_s
            if not self.loop.later():
                return False
            if self.loop.now_s - before_s > LONG_S and any(one.task is not None for one in self.computers):
                self.fired["long silence"] += 1
        self.loop.settle()
        return True

    def _piece(self, pipe: Pipe) -> int:
        return len(pipe.data) if self.dice.random() < 0.8 else self.dice.randint(1, len(pipe.data))

    def _do(self, job: Any) -> None:
        self.loop.jobs.remove(job)
        job.run()

    def cut(self, wire: Wire) -> None:
        """The line is cut; a beginning of what was on its way still arrives."""
        self.fired["line cut"] += 1
        arrive = []
        for pipe, way in zip(wire.pipes, ("up", "down"), strict=True):
            count = self.dice.randint(0, len(pipe.data))
            self.fired[f"bytes lost on the way {way}"] += len(pipe.data) - count
            self.fired["bytes that arrive after the cut"] += count
            self.fired["line cut within a frame"] += 0 < count < len(pipe.data)
            arrive.append(count)
        self.past = [*self.past[-9:], bytes(wire.up.recorded)]
        wire.cut(arrive[0], 0 if self.dice.random() < 0.5 else arrive[1])

    def _rarely(self, computer: Computer) -> None:
        """What does not happen every day; some of it only in some lives."""
        dice = self.dice
        acts: list[Callable[[], None]] = [self._replay, lambda: self._jump_clock(computer), self._follow, self._follow]
        if self.copies:
            acts += self.folders.acts(computer)
        if self.hub_falls_back:
            acts += self.folders.acts_at_the_hub()
        dice.choice(acts)()

    def _replay(self) -> None:
        """Something says to the hub once more what a home had said."""
        if self.past:
            self.fired["exchange repeated"] += 1
            computer = self.dice.choice(self.computers)
            wire = self.network.connect(computer.process)
            wire.client.speak(asyncio.Protocol())
            wire.client.write(self.dice.choice(self.past))

    def _jump_clock(self, computer: Computer) -> None:
        self.fired["clock wrong by years"] += 1
        self.offsets_ms[self.dice.choice(["hub", computer.path.name])] = (
            self.dice.choice([-54, -3, 0, 5, 200]) * YEAR_MS
        )

    def _follow(self) -> None:
        """Pages are looked at: two read models follow, and must show the same of the same."""
        one, other = self.dice.sample([self.hub, *self.computers], 2)
        if self.checker.is_earlier(one) == self.checker.is_earlier(other):
            self.checker.compare_two(one, other)
        else:
            self.checker.picture(one)

    def _by_stick(self, computer: Computer) -> None:
        dice = self.dice
        if computer.code not in self.by_hand and dice.random() < 0.6:
            return
        try:
            act = dice.random()
            if act < 0.4:
                self.sticks.bundle(computer)
            elif act < 0.7:
                if self.sticks.up:
                    self.sticks.take_at_the_hub(self.hub)
            elif act < 0.95:
                self.sticks.take_at_home(computer)
            else:
                self.sticks.lose()
        except PowerCutError:
            self.turn()

    # -- computers

    def add(self, code: str, path: Path, hub_key: bytes = b"") -> None:
        """A folder, or with the hub's key a new one, is some computer's from now on."""
        computer = Computer(path, code, self.network, self._clock_of(path.name), self._fate, hub_key)
        computer.be_of(is_later=self.dice.random() < 0.2, is_earlier=self.dice.random() < 0.2)
        remove(path / VIEWS_FILE)  # what a copy brings along may be of another release
        self.fired["home of a later release"] += computer.is_later
        self.fired["home of an earlier release"] += computer.is_earlier
        self.computers.append(computer)

    def _invite(self, computer: Computer) -> None:
        faulty, self.is_faulty = self.is_faulty, False
        if self.hub.registry.key_of(computer.store.log) is None:
            self.hub.invite(computer.code, computer, self.dice.randbytes(32))
        self.is_faulty = faulty

    def new_pc(self, code: str) -> None:
        """Another computer joins for a home."""
        if len(self.computers) < COMPUTERS_MAX:
            self.fired["new PC"] += self.is_faulty
            self.add(code, self.name("pc"), self.hub.store.identity.public_key)
            self._invite(self.computers[-1])

    def lose(self, computer: Computer) -> None:
        """A computer is gone with its disk."""
        self.fired["computer lost"] += 1
        computer.stop()
        self.computers.remove(computer)


def run(seed: int, folder: Path, steps_count: int) -> Counter[str]:
    """One life of the county; the faults that really happened."""
    with a_life(seed, folder, steps_count):
        world = World(seed, folder)
        try:
            for _ in range(steps_count):
                world.step()
                world.checker.check()
            settle(world)
        finally:
            world.close()
        return world.fired
