"""How a home's other logs come down, without sockets, clocks or files: what a home lost, or never had.

A home may have several logs: those of older lives of its folder, of clones, of the PC that was stolen. The hub has them
all; a node that misses some fetches them behind its own receipt, log by log.

    hub (Carrier)                                    node (Fetcher)
    Logs([(key, size, root)])     ------------>      with Held, where there is anything
    Roots(log, …)                 <----------->      Compare(log, sizes): where do the two copies part?
                                                     nowhere: Follow(log, size held)
    Carry(log, push)              ------------>      verify, Append, then Took(log, size)       4 on their way
                                                     or NoKey(size, streams): send these in erased form

How large a piece is follows from what the link teaches in this exchange (`pacing`), as with pushes: small at first, for
a cut costs what is on its way; each twice the one before until the node is heard; then what Took says of the rate.

A Carry is a push as the log's own node sent it once: it ends where that log's key has signed. So the node verifies it
as a hub verifies a push, by the same `Receiver`, and need not trust the hub. Who holds what is on the disks: after a
cut the next exchange compares and follows again.

Where the copies do part, the node follows from there for one Carry, which it does not store: it proves that the log's
own key has signed something else than what is here, or more. Nobody else's word opens a new log. `forks` says up to
where the copies agree, and the node sets its own part aside (`succession`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from sync.entry import log_id, origin
from sync.errors import RemoteProtocolError
from sync.messages import Ack, Carry, Compare, Follow, LogAt, Logs, NoKey, Push, Roots, Took
from sync.note import checkpoint_text, verify_signature
from sync.pacing import PUSH_SIZE_BYTES_FIRST, Flight, Pace
from sync.prefix import Prefix
from sync.replicator import Append, Receiver, Send, Wait

CARRIES_IN_FLIGHT_MAX: Final = 4
CARRY_ROWS_MAX: Final = 2_000


class ReadRoots(NamedTuple):
    """Answer with this log's roots at these sizes."""

    log: bytes
    sizes: list[int]


class CarryFrom(NamedTuple):
    """Read a piece of this log behind `start`, ending at a signed size, and carry it; `withheld` in erased form."""

    log: bytes
    start: int
    rows_count: int
    withheld: frozenset[int]


class Carrier:
    """The hub's side, for the logs that a node may have."""

    def __init__(self, may_have: Callable[[bytes], bool], held: Callable[[bytes], int]) -> None:
        """`may_have`: whether a log is the node's to have; `held`: how many entries of it are on the disk."""
        self._may_have = may_have
        self._held = held
        self.log = b""  # that is followed
        self._cursor = self._end = 0
        self._withheld: frozenset[int] = frozenset()
        self.now_s: float | None = None  # of a steady clock; set before each call by a shell that has one
        self._pace = Pace()
        self._flight = Flight(PUSH_SIZE_BYTES_FIRST, self._pace)
        self._was_heard = False  # whether the node has said a word about any piece

    def receive(self, message: Compare | Follow | Took | NoKey) -> ReadRoots | None:
        """The node said something about these logs; raises RemoteProtocolError."""
        match message:
            case Compare(log, sizes):
                if max(sizes) > self._size_of(log):
                    raise RemoteProtocolError(f"a root was asked for at {max(sizes)} entries, which are not here")
                return ReadRoots(log, sizes)
            case Follow(log, size):
                self._end = self._size_of(log)
                if size > self._end:
                    raise RemoteProtocolError(f"the node holds {size} entries of a log of {self._end}")
                self.log, self._cursor = log, size
                self._withheld = frozenset()
                self._flight.clear()
            case Took(log, size):
                self._require(log == self.log and size <= self._cursor)
                self._flight.arrived(size, self.now_s)
                self._was_heard = True
            case NoKey(size, ordinals):
                self._require(size <= self._cursor and not self._withheld.issuperset(ordinals))
                self._withheld |= frozenset(ordinals)
                self._cursor = size
                self._flight.clear()
        return None

    def _size_of(self, log: bytes) -> int:
        if not self._may_have(log):
            raise RemoteProtocolError(f"log {log.hex()} is not this node's to have")
        return self._held(log)

    @staticmethod
    def _require(holds: bool) -> None:
        if not holds:
            raise RemoteProtocolError("the node speaks of entries that were not carried to it")

    def next(self) -> CarryFrom | None:
        """What to carry now; None where the node has to answer first, or nothing is left."""
        if self._cursor >= self._end or len(self._flight) >= CARRIES_IN_FLIGHT_MAX:
            return None
        rows_count = min(CARRY_ROWS_MAX, max(1, self._flight.rows_count))
        return CarryFrom(self.log, self._cursor, rows_count, self._withheld)

    def carried(self, push: Push, frame_size_bytes: int) -> None:
        """It is on its way."""
        self._cursor = push.end
        self._flight.add(push.end, len(push.rows), frame_size_bytes, self.now_s)
        if not self._was_heard:
            self._flight.grow()


class AskRoots(NamedTuple):
    """Read our own roots of this log at these sizes, give them to `asked`, and ask the hub for its own."""

    log: bytes
    sizes: list[int]


class Open(NamedTuple):
    """Make a receiver for this log from what is on the disk, give it to `opened`, and send its Follow."""

    public_key: bytes


class Prove(NamedTuple):
    """Send Follow for this log from `size` on, to see what its key has signed there."""

    log: bytes
    size: int


class Fetcher:
    """The node's side, from what it holds of each log. Nothing to do until the hub has spoken of other logs."""

    def __init__(self) -> None:
        self.logs: dict[bytes, LogAt] = {}  # all that the hub has spoken of
        self.forks: dict[bytes, int] = {}  # logs of which the hub has another copy, and up to where both agree
        self.is_stopped = False  # whether something was left for another exchange
        self.fetched = 0  # entries that came
        self._to_do: list[tuple[LogAt, Prefix, bool]] = []  # the last one: whether there is something to fetch
        self._mine: list[bytes] | None = None  # our roots, while the hub's are on their way
        self._receiver: Receiver | None = None
        self._is_proving = False

    @property
    def is_receiving(self) -> bool:
        """Whether a log is open, of which something is still to come."""
        return self._receiver is not None and bool(self._to_do)

    @property
    def to_come(self) -> int:
        """How many entries of these logs are not here yet."""
        here = self._receiver.size if self._receiver is not None else 0
        missing = [one.size - search.shared_max for one, search, is_behind in self._to_do if is_behind]
        return sum(missing) - max(0, here - self._to_do[0][1].shared_max) if missing else 0

    def search(self, public_key: bytes, shared_max: int) -> None:
        """Find out where the hub's copy of our own log parts from ours; both have `shared_max` entries at least."""
        self._to_do = [(LogAt(public_key, shared_max, b""), Prefix(shared_max), False)]

    def learn(self, logs: Logs, held: Mapping[bytes, int], roots: Mapping[bytes, bytes]) -> None:
        """The hub's logs; `held`: our sizes of those that are here, `roots`: ours at the smaller of both sizes."""
        for one in logs.logs:
            log = log_id(one.public_key)
            self.logs[log] = one
            size = held.get(log, 0)
            if size < one.size:
                self._to_do.append((one, Prefix(size), True))
            elif roots[log] != one.root:
                self._to_do.append((one, Prefix(one.size), False))

    def next(self) -> Wait | AskRoots | Open | Prove | None:
        """What to do now; None when there is nothing more to fetch."""
        if not self._to_do:
            return None
        one, search, is_behind = self._to_do[0]
        if self._mine is not None or self._receiver is not None or self._is_proving:
            return Wait()
        if not search.done:
            return AskRoots(log_id(one.public_key), search.sizes())
        if is_behind and search.size == search.shared_max:
            return Open(one.public_key)
        return Prove(log_id(one.public_key), search.size)

    def asked(self, mine: list[bytes]) -> None:
        """Our own roots at the sizes that the hub is being asked about."""
        self._mine = mine

    def opened(self, receiver: Receiver) -> None:
        """The log that is being fetched is open."""
        self._receiver = receiver

    def proving(self) -> None:
        """The hub is being asked for what the log's key has signed."""
        self._is_proving = True

    def stop(self) -> None:
        """Something more urgent waits: the rest comes with another exchange."""
        self.is_stopped = bool(self._to_do)
        self._to_do = []

    def receive(self, message: Roots | Carry, my_root: bytes | None) -> list[Append | Send]:
        """The hub said something; raises RemoteProtocolError or VerificationError if it is wrong.

        `my_root`: of a Carry, our root where it ends, if we have as many entries of that log.
        """
        if not self._to_do or message.log in self.forks:
            return []  # the rest of what was on its way when we stopped, or had our proof
        one, search, _ = self._to_do[0]
        log = log_id(one.public_key)
        if message.log != log:
            raise RemoteProtocolError(f"the hub speaks of log {message.log.hex()}, asked was {log.hex()}")
        match message:
            case Roots(_, roots) if self._mine is not None:
                search.take(self._mine, roots)
                self._mine = None
                return []
            case Carry(_, push) if self._receiver is not None:
                return self._take(one, self._receiver, push)
            case Carry(_, push) if self._is_proving:
                self._prove(one, search.size, push, my_root)
                return []
        raise RemoteProtocolError(f"unexpected {type(message).__name__} from the hub")

    def _take(self, one: LogAt, receiver: Receiver, push: Push) -> list[Append | Send]:
        before = receiver.size
        effects: list[Append | Send] = []
        for effect in receiver.receive(push, 0):
            match effect:
                case Append():
                    effects.append(effect)
                case Send(Ack(size)):
                    effects.append(Send(Took(receiver.log, size)))
                case Send(NoKey()):
                    effects.append(effect)
        self.fetched += receiver.size - before
        if receiver.size >= one.size:
            self._receiver = None
            self._to_do.pop(0)
        return effects

    def _prove(self, one: LogAt, size: int, push: Push, my_root: bytes | None) -> None:
        log = log_id(one.public_key)
        verify_signature(one.public_key, checkpoint_text(origin(log), push.end, push.root), push.signature)
        if push.end <= size or push.root == my_root:
            raise RemoteProtocolError(f"the hub says that its copy of log {log.hex()} is another one, and it is not")
        self.forks[log] = size
        self._is_proving = False
        self._to_do.pop(0)
