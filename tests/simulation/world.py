"""A county in one thread: homes and a hub with real stores, lines that are cut, disks that fail, clocks that lie.

Everything that happens follows from a seed: which home records, which frame arrives, where a line is cut and what of
it still arrives, which write fails, which clock jumps. Writes fail in both ways that a disk knows: *failed and not
stored*, *failed yet stored*; either way the process is gone and the folder is opened again. After every step `check`
asks what must hold at any moment; `settle` stops all faults and asks what must hold in the end.

Homes take photographs in as well, which go behind the receipt in the same exchange.

The shells' part, which `client.py` and `server.py` do with sockets, is done here by `Home` and `Hub` without them: they
perform the effects of `Sender` and `Receiver` in order, and drop them when anything fails.
"""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from sync import verify, wire
from sync.batch import Draft
from sync.compression import NO_DICTIONARY
from sync.entry import EXT_SOURCE, origin
from sync.errors import RefusedByPeer, StaleVersion, Unreachable, UnreadableForm
from sync.file_form import CHUNK_SIZE_BYTES
from sync.file_keeping import chunk_of, keep, offer_of
from sync.file_transfer import FileReceiver, FileSender, MakeOffer, ReadChunk
from sync.messages import Ack, Chunk, Declined, Held, Hello, Holds, Message, Offer, Receipt, Refusal
from sync.note import checkpoint_text, verify_cosignature
from sync.outgoing import push_of
from sync.references import References
from sync.replicator import (
    Append,
    Ask,
    Cosign,
    KeepReceipt,
    Portion,
    Receiver,
    Send,
    Sender,
)
from sync.store import Store
from sync.verify_files import verify_files

START_MS = 1_741_392_000_000
YEAR_MS = 365 * 24 * 3600 * 1000
SUBJECTS_COUNT = 7
FAULTS = (
    "record: failed and not stored",
    "record: failed yet stored",
    "append: failed and not stored",
    "append: failed yet stored",
    "photograph: failed and not stored",
    "photograph: failed yet stored",
    "photograph on its way: failed and not stored",
    "photograph on its way: failed yet stored",
    "exchange over before all photographs were",
    "receipt at the hub: failed and not stored",
    "receipt at the hub: failed yet stored",
    "receipt at the home: failed and not stored",
    "receipt at the home: failed yet stored",
    "power cut at a home",
    "power cut at the hub",
    "line cut",
    "frames lost on the way up",
    "frames lost on the way down",
    "frames that arrive after the cut",
    "late exchange beside a newer one",
    "exchange repeated",
    "clock wrong by years",
    "refused as stale",
)


class PowerCutError(Exception):
    """The process is gone; what the disk holds is what there is."""


class Disk:
    """A node's folder, whose writes may fail while `world.faulty`."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder
        folder.mkdir()
        Store.create(folder)
        self.store = Store(folder)
        self.clock_offset_ms = 0

    def reopen(self) -> None:
        """What a power cut leaves is what the files say."""
        self.store.close()
        self.store = Store(self._folder)

    def clock_ms(self) -> int:
        return self._world.now_ms + self.clock_offset_ms

    def write(self, what: str, work: Callable[[], Any]) -> Any:
        """Do `work` and wait for it, unless the disk fails, before or after."""
        how = self._world.dice.random() if self._world.faulty else 1.0
        if how < self._world.write_fault_odds:
            self._world.fired[f"{what}: failed and not stored"] += 1
            raise PowerCutError
        done = work()
        if isinstance(done, Future):
            done = done.result(30)
        if how < 2 * self._world.write_fault_odds:
            self._world.fired[f"{what}: failed yet stored"] += 1
            raise PowerCutError
        return done


class Line:
    """One connection: frames on their way, in order; once cut, only a prefix of what was under way still arrives."""

    def __init__(self, home: Home | None, replayed: tuple[bytes, ...] = (), *, in_trouble: bool = True) -> None:
        self.home = home
        self.began_in_trouble = in_trouble  # what a hub says to it may come later
        self.up: list[bytes] = list(replayed)
        self.down: list[bytes] = []
        self.sent: list[bytes] = []
        self.receiver: Receiver | None = None
        self.files: FileReceiver | None = None
        self.refused = False

    def send(self, frame: bytes) -> None:
        self.up.append(frame)
        self.sent.append(frame)


class Home(Disk):
    """A site node: records, remembers what it told its people, and exchanges."""

    def __init__(self, world: World, folder: Path, number: int) -> None:
        super().__init__(world, folder)
        self.number = number
        self.log = self.store.log
        self.sources: list[int] = []  # of everything that people were told is saved
        self.saved = (0, self.store.root(self.log, 0))
        self.line: Line | None = None
        self.sender: Sender | None = None
        self.files: FileSender | None = None
        self.photos: dict[bytes, bytes] = {}  # by name, of all that people were told is kept
        self.closed = False
        self.acknowledged = 0
        self.was_cut = False

    def record(self, count: int) -> None:
        """People save, and save again what the node could not say was saved, unless it is found there."""
        first = self._world.sources_count + 1
        self._world.sources_count += count
        numbers = list(range(first, first + count))
        try:
            self.write("record", lambda: self.store.record([self._draft(n) for n in numbers]))
        except PowerCutError:
            self._world.lose_power(self)
            found = sources_of(self.store, self.log)
            present = [n for n in numbers if n in found]
            assert present in ([], numbers), f"a part of a batch is stored: {present} of {numbers}"
            if not present:
                self.store.record([self._draft(n) for n in numbers]).result(30)
        self.sources += numbers
        size = self.store.size(self.log)
        self.saved = (size, self.store.root(self.log, size))

    def take_in(self) -> None:
        """People take a photograph in, and again if the node could not say that it is kept."""
        dice = self._world.dice
        content = dice.randbytes(dice.choice([10, CHUNK_SIZE_BYTES + 10]))
        subjects = [bytes([self.number, n]) * 8 for n in range(dice.randrange(1, 4))]

        def add() -> bytes:
            return self.store.files.add(self.log, content, "image/jpeg", subjects, 0)

        try:
            name = self.write("photograph", add)
        except PowerCutError:
            self._world.lose_power(self)
            name = add()
        self.photos[name] = content

    def _draft(self, number: int) -> Draft:
        dice = random.Random(number)
        subject = bytes([self.number, dice.randrange(SUBJECTS_COUNT)]) * 8
        payload = {"note": "奶奶在家" * dice.randrange(1, 12), "number": number}
        clock_ms = max(0, self.clock_ms())
        return Draft(
            f"visit/{number % 3}", f"w{number % 2}", subject, clock_ms, payload, extensions={EXT_SOURCE: ["s", number]}
        )

    def begin(self) -> None:
        """Start an exchange; an earlier one is given up."""
        if self.line is not None:
            self._world.cut(self.line)
        size = self.store.size(self.log)
        self.sender = Sender(
            self.log,
            self._world.hub.store.signer.public_key,
            size,
            min(self.acknowledged, size),
            receipted=min(self.receipted(), size),
            ask_first=self.was_cut,
            push_size_bytes=self._world.dice.choice([200, 500, 2000]),
        )
        self.line, self.closed, self.was_cut = Line(self, in_trouble=self._world.faulty), False, True
        self._world.lines.append(self.line)
        self.perform(self.sender.start(self.clock_ms()))

    def receipted(self) -> int:
        """The size that the last receipt on this home's disk covers."""
        kept = self.store.last_checkpoint(self.log, with_receipt=True)
        return kept.size if kept else 0

    def go_on(self) -> bool:
        """Send the next frame; False where there is nothing to send now."""
        if self.sender is None or self.line is None or self.closed:
            return False
        if self.files is not None:
            return self._go_on_with_files(self.files, self.line)
        match self.sender.next():
            case Portion(start, rows_count):
                push = push_of(self.store, start, rows_count)
                if self.sender.plain:
                    frame = wire.encode(push, dictionary=NO_DICTIONARY)
                else:
                    frame = wire.encode(push, ordinal_of=References(self.store).within(push, self.sender.withheld))
                if self.sender.pushed(push, len(frame)):
                    self.line.send(frame)
            case Ask(size):
                self.closed = size == self.sender.size  # until the receipt has come
                self.perform(self.sender.ask(self.store.sign(size)))
            case _:
                return False
        return True

    def _go_on_with_files(self, files: FileSender, line: Line) -> bool:
        if self._world.faulty and self._world.dice.random() < 0.02:
            files.stop()
        match files.next():
            case MakeOffer(name):
                offer = offer_of(self.store, name)
                files.offered(len(offer.manifest.hashes))
                line.send(wire.encode(offer))
            case ReadChunk(name, number):
                files.sent()
                line.send(wire.encode(chunk_of(self.store, name, number)))
            case None:
                self._end_with_files(files, line)
                return False
            case _:
                return False
        return True

    def _end_with_files(self, files: FileSender, line: Line) -> None:
        if files.left:
            self._world.fired["exchange over before all photographs were"] += 1
        self.was_cut = False
        self._world.end(line)

    def hear(self, frame: bytes) -> None:
        """One frame from the hub."""
        assert self.sender is not None
        assert self.line is not None
        try:
            message = wire.decode(frame)
            if isinstance(message, Held):
                own = self.store.root(self.log, min(message.size, self.sender.size))
                self.sender.held(message, own)
                assert self.sender.diverged is None
            elif isinstance(message, Holds | Declined):
                assert self.files is not None
                for name, sent in self.files.receive(message):
                    self.write("photograph on its way", lambda n=name, s=sent: self.store.files.note_sent(n, s))
                if self.files.done:
                    self._end_with_files(self.files, self.line)
            else:
                self.perform(self.sender.receive(message))
        except Unreachable:
            self._world.cut(self.line)
        except RefusedByPeer as refusal:
            if refusal.code != "invalid" or not self.line.began_in_trouble:
                raise
            self._world.cut(self.line)  # the hub had two exchanges of ours, and this one was the staler
        except PowerCutError:
            self._world.lose_power(self)

    def perform(self, effects: list[Any]) -> None:
        assert self.line is not None
        for effect in effects:
            match effect:
                case Send(message):
                    self.line.send(wire.encode(message))
                case KeepReceipt(signed, _, kept):
                    self.write("receipt at the home", lambda s=signed, k=kept: self.store.keep_receipt(self.log, s, k))
                    if self.sender is not None and self.sender.receipt is not None:
                        self.files, self.closed = FileSender(self.store.files.waiting()), False
                        if self.files.done:
                            self._end_with_files(self.files, self.line)

    def forget_line(self) -> None:
        if self.sender is not None:
            self.acknowledged = self.sender.acknowledged
        self.line = self.sender = self.files = None


class Hub(Disk):
    """The county's hub, as `server.py` does it."""

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(world, folder)
        self.promised: dict[bytes, int] = {}
        self.promised_chunks: dict[bytes, int] = {}

    def hear(self, line: Line, frame: bytes) -> None:
        """One frame from a home, or from something that repeats what a home once said."""
        if line.refused:
            return
        try:
            message = wire.decode(frame, line.receiver.subject_of if line.receiver else None)
            if line.receiver is None:
                line.receiver = self._open(line, message)
            if isinstance(message, Offer | Chunk):
                self._hear_of_file(line, line.receiver, message)
                return
            for effect in line.receiver.receive(message, self.clock_ms()):
                self._perform(line, effect)
        except UnreadableForm as error:
            assert line.receiver is not None
            for effect in line.receiver.cannot_read(error.start):
                self._perform(line, effect)
        except StaleVersion as error:
            self._world.fired["refused as stale"] += 1
            self._say(line, Refusal("gap", str(error)))
            line.refused = True
        except PowerCutError:
            self._world.lose_power(self)

    def _hear_of_file(self, line: Line, receiver: Receiver, message: Offer | Chunk) -> None:
        home = next(h for h in self._world.homes if h.log == receiver.log)
        line.files = line.files or FileReceiver(home.log, home.store.signer.public_key)
        for effect in line.files.receive(message):
            answer = self.write("photograph on its way", lambda e=effect: keep(self.store.files, home.log, e, 0))
            assert isinstance(answer, Holds), answer
            self.promised_chunks[answer.name] = max(answer.chunks, self.promised_chunks.get(answer.name, 0))
            self._say(line, answer)

    def _open(self, line: Line, message: Message) -> Receiver:
        assert isinstance(message, Hello)
        home = next(h for h in self._world.homes if h.log == message.log)
        for other in list(self._world.lines):
            if other is not line and other.receiver is not None and other.receiver.log == message.log:
                if self._world.faulty and self._world.dice.random() < 0.5:
                    self._world.fired["late exchange beside a newer one"] += 1  # it is ended a little later
                else:
                    self._world.cut(other)
        self.store.add_log(home.log, home.store.signer.public_key).result(30)
        branch = next(b for b in self.store.branches() if b.log == home.log)
        public_key = home.store.signer.public_key
        return Receiver(
            home.log,
            public_key,
            self.store.frontier(home.log, branch.size),
            branch.streams,
            partial(self.store.stream_ref, home.log),
            partial(self.store.root, home.log),
        )

    def _perform(self, line: Line, effect: Any) -> None:
        assert line.receiver is not None
        match effect:
            case Append(batch):
                self.write("append", lambda: self.store.append(batch))
            case Send(message):
                self._say(line, message)
            case Cosign(signed):
                log = line.receiver.log
                said = {"epoch": 1, "backed_up_to": 0, "clock_ms": self.clock_ms()}
                given = []

                def give(receiver: Receiver = line.receiver) -> Any:
                    kept, receipt = self.store.give_receipt(log, signed, receiver.greeted, **said)
                    given.append(receipt)
                    return kept

                self.write("receipt at the hub", give)
                self._say(line, given[-1])

    def _say(self, line: Line, message: Message) -> None:
        if isinstance(message, Held | Ack | Receipt):
            assert line.receiver is not None
            log = line.receiver.log
            self.promised[log] = max(message.size, self.promised.get(log, 0))
        if line.home is not None:  # otherwise nobody hears it any more
            line.down.append(wire.encode(message))


class World:
    """All of it, from one seed."""

    def __init__(self, seed: int, folder: Path, homes_count: int = 3) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.fired: Counter[str] = Counter()
        self.faulty = True
        self.write_fault_odds = self.dice.choice([0.0, 0.02, 0.08])
        self.cut_odds = self.dice.choice([0.0, 0.05, 0.2])
        self.now_ms = START_MS
        self.sources_count = 0
        self.lines: list[Line] = []
        self.past: list[list[bytes]] = []
        self._true_token_bytes = secrets.token_bytes
        secrets.token_bytes = lambda n=32: self.dice.randbytes(n)  # keys too follow from the seed
        self.hub = Hub(self, folder / "hub")
        self.homes = [Home(self, folder / f"home-{n}", n) for n in range(homes_count)]

    def close(self) -> None:
        secrets.token_bytes = self._true_token_bytes
        for node in (self.hub, *self.homes):
            node.store.close()

    # -- what may happen

    def step(self) -> None:
        """One thing happens somewhere."""
        self.now_ms += self.dice.randrange(1, 60_000)
        home = self.dice.choice(self.homes)
        happening = self.dice.random()
        if happening < 0.10:
            home.record(self.dice.randrange(1, 9))
        elif happening < 0.12:
            home.take_in()
        elif happening < 0.17:
            home.begin()
        elif happening < 0.175:
            self._replay()
        elif happening < 0.18:
            self._jump_clock(self.dice.choice([self.hub, home]))
        elif happening < 0.18 + 0.2 * self.cut_odds and home.line is not None:
            self.cut(home.line)
        elif happening < 0.19 + 0.2 * self.write_fault_odds:
            node = self.dice.choice([self.hub, home])
            self.fired["power cut at the hub" if node is self.hub else "power cut at a home"] += 1
            self.lose_power(node)
        else:
            self._move()

    def _move(self) -> None:
        """Some line carries something."""
        moves: list[Callable[[], None]] = []
        for line in self.lines:
            if line.up:
                moves.append(lambda line=line: self.hub.hear(line, line.up.pop(0)))
            if line.down and line.home is not None:
                moves.append(lambda line=line, home=line.home: home.hear(line.down.pop(0)))
            if line.home is not None:
                moves.append(lambda home=line.home: home.go_on() and None)
        if moves:
            self.dice.choice(moves)()

    def _replay(self) -> None:
        if self.past:
            self.fired["exchange repeated"] += 1
            self.lines.append(Line(None, tuple(self.dice.choice(self.past))))

    def _jump_clock(self, node: Disk) -> None:
        self.fired["clock wrong by years"] += 1
        node.clock_offset_ms = self.dice.choice([-60, -3, 0, 5, 200]) * YEAR_MS

    def cut(self, line: Line) -> None:
        """The line is gone for the home at once; a prefix of what is under way to the hub may still arrive there."""
        if line not in self.lines:
            return
        self.fired["line cut"] += 1
        self.fired["frames lost on the way down"] += len(line.down)
        line.down.clear()
        arrive = self.dice.randint(0, len(line.up)) if self.faulty else 0
        self.fired["frames lost on the way up"] += len(line.up) - arrive
        self.fired["frames that arrive after the cut"] += arrive
        del line.up[arrive:]
        self.end(line)
        if line.up and line.receiver is not None:
            self.lines.append(line)  # nobody listens any more, the hub still hears

    def end(self, line: Line) -> None:
        """The line is no longer anybody's."""
        if line in self.lines:
            self.lines.remove(line)
        if line.home is not None:
            self.past = [*self.past[-9:], line.sent]
            line.home.forget_line()
            line.home = None

    def lose_power(self, node: Disk) -> None:
        """The node stops in the middle of everything, and starts again from its disk."""
        for line in list(self.lines):
            if node is self.hub:
                line.up.clear()
                self._hear_last_words(line)
            if node is self.hub or line.home is node:
                self.cut(line)
        if isinstance(node, Home):
            signed = None if self.dice.random() < 0.5 else node.store.last_checkpoint(node.log, with_receipt=True)
            node.acknowledged, node.was_cut = (signed.size if signed else 0), signed is None
        node.reopen()

    def _hear_last_words(self, line: Line) -> None:
        """What the hub had said when it died may still arrive."""
        for frame in line.down[: self.dice.randint(0, len(line.down))]:
            if line.home is not None:
                line.home.hear(frame)

    # -- what must hold

    def check(self) -> None:
        """At any moment."""
        held = {branch.log: branch.size for branch in self.hub.store.branches()}
        for log, size in self.hub.promised.items():
            assert held.get(log, 0) >= size, f"the hub acknowledged {size} entries and holds {held.get(log, 0)}"
        for name, chunks in self.hub.promised_chunks.items():
            found = self.hub.store.files.find(name)
            assert found is not None
            assert found.held >= chunks, f"the hub acknowledged {chunks} chunks and holds {found.held}"
        for home in self.homes:
            assert home.photos.keys() <= {file.name for file in home.store.files.files_of()}, "a photograph is gone"
            own, size = home.store.size(home.log), held.get(home.log, 0)
            assert size <= own, f"the hub holds {size} entries of a log of {own}"
            saved_size, saved_root = home.saved
            assert own >= saved_size, f"{saved_size} entries were said to be saved, {own} are there"
            assert home.store.root(home.log, saved_size) == saved_root, "what was saved has changed"
            if size:
                assert self.hub.store.root(home.log, size) == home.store.root(home.log, size), "not a prefix"
            receipt = home.store.last_checkpoint(home.log, with_receipt=True)
            if receipt is not None:
                assert receipt.size <= size, f"a receipt for {receipt.size} entries, the hub holds {size}"
                text = checkpoint_text(origin(home.log), receipt.size, home.store.root(home.log, receipt.size))
                verify_cosignature(self.hub.store.signer.public_key, text, receipt.receipt or b"")
                kept = self.hub.store.last_checkpoint(home.log, with_receipt=True)
                assert kept is not None, "a receipt that the hub does not know"
                assert kept.size >= receipt.size, "a receipt that the hub does not know"

    def _end_overtaken(self) -> None:
        """Of two exchanges about one log, one is or will be stale: what the faults left behind ends with them."""
        logs = Counter(line.receiver.log for line in self.lines if line.receiver is not None)
        for line in [line for line in self.lines if line.receiver is not None]:
            log = line.receiver.log
            if logs[log] > 1 or line.receiver.size != self.hub.store.size(log):
                self.cut(line)

    def settle(self) -> None:
        """Faults stop; a few exchanges later everything is at the hub, once, and proven."""
        self.faulty = False
        self._end_overtaken()
        for node in (self.hub, *self.homes):
            node.clock_offset_ms = 0
        self._drain()  # what began in trouble ends
        for home in self.homes:
            home.record(1)
        for _ in range(3):
            for home in self.homes:
                receipt = home.store.last_checkpoint(home.log, with_receipt=True)
                if receipt is None or receipt.size < home.store.size(home.log) or home.store.files.waiting():
                    home.begin()
            self._drain()
            self.check()
        everything = []
        for home in self.homes:
            size = home.store.size(home.log)
            receipt = home.store.last_checkpoint(home.log, with_receipt=True)
            assert receipt is not None
            assert receipt.size == size, f"the receipt covers {receipt.size} of {size}"
            ours, theirs = home.store.entries_of_log(home.log), self.hub.store.entries_of_log(home.log)
            assert [e.packed for e in ours] == [e.packed for e in theirs]
            found = sources_of(self.hub.store, home.log)
            assert found == home.sources, "not exactly what was saved, once, in its order"
            everything += found
            assert home.store.files.waiting() == [], "a photograph still waits"
            for name, content in home.photos.items():
                assert self.hub.store.files.read(name)[1] == content, "a photograph is not what it was"
        assert sorted(everything) == list(range(1, self.sources_count + 1))
        for node in (self.hub, *self.homes):
            verdict = verify.verify(node.store, self.hub.store.signer.public_key, lambda _: None)
            assert verdict.first_bad is None, verdict
            assert verify_files(node.store, lambda _: None).bad == []

    def _drain(self) -> None:
        for _ in range(100_000):
            if not any(line.up or line.down or (line.home and not line.home.closed) for line in self.lines):
                return
            self._move()
        raise AssertionError("the exchanges do not end")


def sources_of(store: Store, log: bytes) -> list[int]:
    """The numbers of what was recorded, in the log's order."""
    return [entry.body().extensions[EXT_SOURCE][1] for entry in store.entries_of_log(log)]


def run(seed: int, folder: Path, steps_count: int) -> Counter[str]:
    """One life of the county; the faults that really happened. A failure names its seed."""
    folder.mkdir()
    world = World(seed, folder)
    try:
        for _ in range(steps_count):
            world.step()
            world.check()
        world.settle()
    except Exception as error:
        error.add_note(f"seed {seed}, {steps_count} steps")
        raise
    finally:
        world.close()
    return world.fired
