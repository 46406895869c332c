"""What a node says in an exchange, frame by frame; nothing of how the frames travel.

Entries go first, as `replicator.Sender` decides. Behind the receipt comes what the hub has of the home's other logs
(to a new PC in the order of need, `welcome_fetching`; `fetching`) and in its outbox (`outbox_fetching`), then
photographs and scans follow, as `file_transfer.FileSender` decides, until an entry waits again. What goes wrong with
any of these takes nothing from the receipt, which is kept when it comes.

It serves all ways of carrying frames (`client.py`): one body that is streamed while answers are heard, and single
requests, each of which the hub takes for an exchange of its own, so that each begins with Hello again. What comes down
is then followed anew in each of them, from what is held by now, and the hub sends as much as may be unanswered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sync import wire
from sync.compression import NO_DICTIONARY
from sync.effort import Effort
from sync.entry import log_id
from sync.errors import Diverged, KeyDestroyed, LogCorrupt, Unreachable
from sync.fetching import Fetching
from sync.file_keeping import chunk_of, passed_on
from sync.file_transfer import FileSender, MakeOffer, ReadChunk
from sync.interrupted import is_beginning
from sync.log_schema import Kind
from sync.mending import Mending
from sync.messages import (
    Ack,
    Again,
    Beside,
    Bring,
    Carry,
    Chunk,
    Content,
    Declined,
    Delivery,
    Held,
    Holds,
    Introduction,
    Logs,
    Message,
    Notice,
    Offer,
    OutboxAt,
    Push,
    Recall,
    Remains,
    Resume,
    Roots,
    Took,
    Welcome,
)
from sync.outbox_fetching import OutboxFetching
from sync.outgoing import push_of
from sync.references import References
from sync.replicator import Ask, Effect, KeepReceipt, Portion, Send, Sender, Wait
from sync.shelf_fetching import ShelfFetching
from sync.store import Store
from sync.welcome_fetching import WelcomeFetching

FILE_LEVEL = 1  # what is sealed does not become smaller


@dataclass
class Traffic:
    """What one exchange carried; bytes of frames, HTTP left out."""

    sent_bytes: int = 0
    received_bytes: int = 0


class Speaker:
    """The node's words in one exchange, and what the hub's answers do to them."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        waiting: Sequence[bytes],
        clock_ms: Callable[[], int],
        introduced: Sequence[Introduction] = (),
        outbox: OutboxFetching | None = None,
        welcome: WelcomeFetching | None = None,
        size: int | None = None,
    ) -> None:
        """`waiting`: the names of the files to send behind the entries. `introduced`: how this log came to be.

        `size`: how many entries this log has, where the exchange is about fewer.
        """
        self.sender = sender
        self._size = sender.size if size is None else size
        self.logs = Fetching(store)
        self.mending = Mending(store, asks=outbox is not None)
        self.outbox = outbox or OutboxFetching(store, "", b"")
        self.welcome = welcome or WelcomeFetching(store, "", b"")
        self.shelf = ShelfFetching(store, self.outbox.home, self.outbox.hub_key, clock_ms)
        self._unsaid = list(introduced)
        self._has_shown = False  # the hub's receipt, to a hub that holds less than it says
        self.files = FileSender(waiting)
        self.declined: list[str] = []  # why files stayed behind, for a person
        self.traffic = Traffic()
        self._store = store
        self._clock_ms = clock_ms
        self._offered_again: bytes | None = None
        self._remains: Remains | None = None  # of a frame that a cut met, at the hub
        self._has_sent = False  # something large, before which a hub that has remains of it says so
        self._references = References(store, sender.log)
        self._effort = Effort()

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be said or heard any more."""
        if self.sender.diverged is not None:
            return self.logs.done
        return self.sender.receipt is not None and self._is_done_beside

    @property
    def has_said_all(self) -> bool:
        """Whether nothing is left to say, unless the hub asks for something or has something."""
        return self.sender.has_asked_last and self._is_done_beside

    @property
    def _is_done_beside(self) -> bool:
        return self.has_come and self.mending.done and self.files.done and self.shelf.done

    @property
    def has_come(self) -> bool:
        """Whether no entry is on its way down."""
        return self.welcome.done and self.logs.done and self.outbox.done

    @property
    def to_come(self) -> int:
        """How many entries the hub has for this node that are not here yet, as far as it said."""
        return self.welcome.to_come + self.logs.fetcher.to_come + max(0, self.outbox.left)

    @property
    def came(self) -> int:
        """How many entries came down in this exchange. Read before `to_come`, both together are never too many."""
        return self.welcome.outbox.taken + self.logs.fetcher.fetched + self.outbox.taken

    @property
    def beside(self) -> Beside:
        """What the hub said it has beside this log."""
        told = self.outbox.told or OutboxAt(0, 0)
        entries = sum(one.size for one in self.logs.fetcher.logs.values())
        return Beside(told.epoch, told.size, entries, self.mending.wanted, told.files, told.taken)

    async def opening(self) -> bytes:
        """What an exchange begins with; in a request behind the first one also what its chunks belong to."""
        frames = b"".join(self._count(wire.encode(message)) for message in self._unsaid)
        self._unsaid = []
        size = await asyncio.to_thread(self._store.size, self.sender.log)
        frames += self._frames_of(self.sender.start(self._clock_ms(), size))
        self._offered_again = self.files.current
        if self._offered_again is not None:
            offer = await asyncio.to_thread(passed_on, self._store, self.sender.log, self._offered_again)
            frames += self._count(wire.encode(offer, FILE_LEVEL))
        return frames

    def ended(self) -> None:
        """A request has ended, answered in full."""
        for fetched in (self.welcome, self.logs, self.outbox, self.mending, self.shelf):
            fetched.ended()

    async def next(self) -> bytes | Wait | None:
        """The next frame; Wait where the hub must be heard first, None at the end."""
        if (witness := self.outbox.witness()) is not None:
            return self._count(wire.encode(witness))
        about_log = await self._next_about_log()
        return about_log if about_log is not None else await self._next_beside()

    async def _next_about_log(self) -> bytes | Wait | None:
        """The next frame up to the receipt; None behind it, and where this log is not sent any more."""
        while self.sender.receipt is None:
            if self.sender.hub_lost and not self._has_shown:
                # Here, where a push begins to be made: what came again by the time it is shown, the hub does not miss.
                self._has_shown = True
                if (receipt := await self.outbox.receipt_of(self.sender.log)) is not None:
                    return self._count(wire.encode(receipt))
            self.sender.now_s = asyncio.get_running_loop().time()
            match self.sender.next():
                case Wait() as wait:
                    return wait if self.sender.diverged is None else None
                case Portion() as portion:
                    push, frame = await asyncio.to_thread(self._push_frame, portion)
                    self.sender.now_s = asyncio.get_running_loop().time()
                    if self.sender.pushed(push, len(frame)):
                        self._effort.pushed(push.end, len(frame), self.sender.now_s)
                        return self._count(self._behind_remains(frame))
                case Ask(size):
                    return self._frames_of(
                        self.sender.ask(await asyncio.to_thread(self._store.sign, size, self.sender.log))
                    )
        return None

    async def _next_beside(self) -> bytes | Wait | None:
        """The next frame about what there is beside the entries of this log."""
        beside = (self.welcome, self.logs, self.outbox, self.mending)
        for fetched in beside if self.sender.diverged is None else (self.logs,):
            message = await fetched.next()
            if message is not None:
                return message if isinstance(message, Wait) else self._count(wire.encode(message))
        if self.sender.diverged is not None:
            return None
        about_file = await self._next_about_file()
        if about_file is not None:
            return about_file
        said = await self.shelf.next()
        return said if said is None or isinstance(said, Wait) else self._count(wire.encode(said))

    def _push_frame(self, portion: Portion) -> tuple[Push, bytes]:
        push = push_of(self._store, portion.start, portion.rows_count, self.sender.withheld, self.sender.log)
        if self.sender.plain:
            return push, wire.encode(push, self._effort.level, dictionary=NO_DICTIONARY)
        ordinal_of = self._references.within(push, self.sender.withheld)
        return push, wire.encode(push, self._effort.level, ordinal_of=ordinal_of)

    def _frames_of(self, effects: list[Effect]) -> bytes:
        return b"".join(self._count(wire.encode(effect.message)) for effect in effects if isinstance(effect, Send))

    def _behind_remains(self, frame: bytes) -> bytes:
        """A frame with entries or of a photograph; without its beginning, where the hub has that."""
        remains, self._remains, self._has_sent = self._remains, None, True
        if remains is None or not is_beginning(remains, frame):
            return frame
        self.sender.pace.resumed(remains.size_bytes)
        return wire.encode(Resume(remains.size_bytes)) + frame[remains.size_bytes :]

    def _count(self, frame: bytes) -> bytes:
        self.traffic.sent_bytes += len(frame)
        return frame

    async def _next_about_file(self) -> bytes | Wait | None:
        while (step := self.files.next()) is not None:
            if isinstance(step, Wait):
                return step
            try:
                message = await asyncio.to_thread(self._about_file, step)
            except (KeyDestroyed, LogCorrupt) as error:  # erased or damaged here: it stays behind, the others go on
                self.declined.append(str(error))
                if self.files.next() == step:
                    self.files.skip()
                continue
            if self.files.next() != step:
                continue  # the hub's answer has meanwhile made it useless
            if isinstance(message, Offer):
                self.files.offered(len(message.manifest.hashes))
            else:
                self.files.sent()
            frame = wire.encode(message, FILE_LEVEL)
            return self._count(self._behind_remains(frame) if isinstance(message, Chunk) else frame)
        return None

    def _about_file(self, step: MakeOffer | ReadChunk) -> Offer | Chunk:
        match step:
            case MakeOffer(name):
                return passed_on(self._store, self.sender.log, name)
            case ReadChunk(name, number):
                return chunk_of(self._store, name, number)

    async def hear(self, message: Message) -> None:
        """The hub said something; what must be kept is on the disk when this returns."""
        match message:
            case Notice():
                pass  # for a later version of us
            case Remains():
                self._remains = None if self._has_sent else message
                self.sender.resumes = self._remains is not None
            case Held():
                await self._hear_held(message)
            case Welcome() | Delivery() if self.welcome.is_of(message):
                await self._hear_of_welcome(message)
            case Logs() | Roots() | Carry():
                await self._hear_of_logs(message)
            case Took() if self.shelf.is_of(message):
                await self._hear_of_shelf(message)
            case OutboxAt() | Delivery() | Recall() | Took():
                await self._hear_of_outbox(message)
            case Bring() | Chunk():
                await self._hear_of_shelf(message)
            case Again() | Content():
                await self.mending.take(message)
            case Holds() | Declined():
                await self._hear_about_file(message)
            case _:
                await self._hear_about_log(message)

    async def _hear_of_logs(self, message: Logs | Roots | Carry) -> None:
        if isinstance(message, Logs) and (
            self.sender.diverged is not None  # its own log comes first then
            or await self.welcome.holds_back(message)
        ):
            return
        await self.logs.take(message)
        if isinstance(message, Carry) and await self._has_news():
            self.logs.fetcher.stop()

    async def _hear_of_outbox(self, message: OutboxAt | Delivery | Recall | Took) -> None:
        await self.outbox.take(message)
        told = self.outbox.told
        if isinstance(message, OutboxAt) and told is not None and told.epoch == message.epoch:
            await self.shelf.told(message)
        if isinstance(message, Delivery) and await self._has_news():
            self.outbox.stop()

    async def _hear_of_shelf(self, message: Bring | Chunk | Took) -> None:
        await self.shelf.take(message)
        if await self._has_news():
            self.shelf.stop()

    async def _hear_of_welcome(self, message: Welcome | Delivery) -> None:
        held_back = await self.welcome.take(message)
        if isinstance(message, Delivery) and await self._has_news():
            self.welcome.stop()
        if held_back is not None:
            await self.logs.take(held_back)

    async def _hear_about_log(self, message: Message) -> None:
        self.sender.now_s = asyncio.get_running_loop().time()
        if isinstance(message, Ack):
            self._effort.acknowledged(message.size, self.sender.now_s)
        for effect in self.sender.receive(message):
            if isinstance(effect, KeepReceipt):
                kept = self._store.keep_receipt_of(self.sender.hub_key, self.sender.log, effect.signed, effect.kept)
                await asyncio.wrap_future(kept)
                if self.sender.receipt is not None:
                    await self.outbox.receipted()

    async def _hear_held(self, message: Held) -> None:
        """What the hub held; where its copy is another one, find out from where on, unless it took pushes before."""
        size = min(message.size, self.sender.size)
        own_root = await asyncio.to_thread(self._store.root, self.sender.log, size)
        if self.sender.hub_clock_ms is not None:  # of a request behind the first one
            await self._hear_held_again(message, own_root)
            return
        self.sender.held(message, own_root)
        if self.sender.diverged is None:
            return
        if self.sender.has_pushed:
            raise Unreachable("the hub holds another copy of this log: the next exchange asks first")
        branch = self._store.branch(self.sender.log)
        if branch.kind == Kind.PEER:  # another node's: nothing here goes on in a new one
            raise Diverged(branch.log, size if message.root == own_root else 0, message.size)
        self.logs.fetcher.search(branch.public_key, size)

    async def _hear_held_again(self, message: Held, own_root: bytes) -> None:
        if self.sender.diverged is not None:
            return
        if message.size > self.sender.size or message.root != own_root:
            raise Unreachable("the hub holds another copy of this log by now: the next exchange asks first")
        if message.size < self.sender.acknowledged:  # put back between two requests: it must be shown so first
            raise Unreachable("the hub holds less of this log than a moment ago: the next exchange asks first")
        await self._hear_about_log(Ack(message.size))

    async def _has_news(self) -> bool:
        return await asyncio.to_thread(self._store.size, self.sender.log) > self._size

    async def _hear_about_file(self, message: Holds | Declined) -> None:
        if isinstance(message, Holds) and message.name == self._offered_again:
            self._offered_again = None  # the answer to the repeated offer says nothing new
            return
        for name, sent in self.files.receive(message):
            if self.sender.log == self._store.log:
                await asyncio.to_thread(self._store.files.note_sent, name, sent)
            else:
                await asyncio.to_thread(self._store.files.note_above, name, log_id(self.sender.hub_key))
        if isinstance(message, Declined):
            self.declined.append(message.text)
        if await self._has_news():
            self.files.stop()
