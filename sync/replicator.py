"""The exchange between a node and its hub, without sockets, clocks or files.

Messages and the time go in, effects come out, and the shell performs them in order; the order *is* the promise. If an
effect fails, the shell drops the replicator: the next one starts from the sizes that are on the disk, and there is no
other state to repair.

    node (Sender)                                    hub (Receiver)
    Hello(size, clock)            ------------>      Held(size, clock, root)      at once, before reading on
    Push(start, rows, signature)  ------------>      verify, Append, then Ack(size)
    Push …                        ------------>      … pipelined: the node does not wait for Acks
                                                     or NoKey(size, streams): send these in erased form
    Confirm(size, root, signature) ----------->      compare with what is held, then Receipt(cosignature)

The node begins at its last acknowledged size without waiting; after a cut it waits for Held, so that nothing that
had arrived is sent twice. A push that begins before what the hub holds is a repeat: the part that is new is verified
against the hub's own tree and the signed root, so a repeat can neither double an entry nor hide a different one. A push
that begins beyond it is a gap: nothing is stored, and the Ack tells the node where to go on.

The root in Held is the hub's at the smaller of both sizes. Where it is not the node's own, or the hub holds more than
the node, this folder is not the only one that wrote the log: the exchange has `diverged`, and heals (`succession`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from sync.batch import Arrived, Batch, NewStream, SignedSize, StreamRef
from sync.entry import (
    ERASED,
    STREAM_KEY_SIZE,
    Body,
    check_body,
    commitment,
    derive_unremembered,
    leaf,
    log_id,
    origin,
    pack_body,
    stream_id,
)
from sync.errors import LocalProtocolError, RefusedByPeer, RemoteProtocolError, Unreachable, VerificationError
from sync.merkle import EMPTY_ROOT, Frontier
from sync.messages import Ack, Confirm, ErasedRow, Held, Hello, Message, NoKey, Push, Receipt, Refusal
from sync.note import checkpoint_text, verify_cosignature, verify_signature
from sync.pacing import Flight, Pace

PROTOCOL: Final = 1
PUSH_ROWS_MAX: Final = 2_000
IN_FLIGHT_MAX: Final = 16
NO_STREAM_KEY: Final = bytes(STREAM_KEY_SIZE)
RECEIPT_EVERY_PUSHES: Final = 16


class Send(NamedTuple):
    """Say this to the peer."""

    message: Message


class Append(NamedTuple):
    """Store this batch durably before the next effect."""

    batch: Batch


class Cosign(NamedTuple):
    """Keep this signed size and send our receipt for it."""

    signed: SignedSize


class KeepReceipt(NamedTuple):
    """Keep the hub's receipt, durably; the hub's clock said `timestamp_s`."""

    signed: SignedSize
    timestamp_s: int


Effect = Send | Append | Cosign | KeepReceipt


class Wait(NamedTuple):
    """Nothing may be sent before the hub has answered."""


class Portion(NamedTuple):
    """Read about this many entries after `start`, and push them."""

    start: int
    rows_count: int


class Ask(NamedTuple):
    """Sign the log at this size and ask for the hub's receipt."""

    size: int


class Sender:
    """The node's side of one exchange about its own log, up to the size that it had at the beginning."""

    def __init__(
        self,
        log: bytes,
        hub_key: bytes,
        size: int,
        acknowledged: int,
        *,
        receipted: int = 0,
        ask_first: bool,
        push_size_bytes: int,
        pace: Pace | None = None,
    ) -> None:
        """`pace`: what the link taught in earlier exchanges; it learns on, where the shell sets `now_s`."""
        self.log = log
        self.size = size
        self.acknowledged = acknowledged
        self.receipted = receipted
        self.hub_clock_ms: int | None = None
        self.receipt: KeepReceipt | None = None
        self.hub_lost = False  # the hub holds less than its last receipt said: it was restored from a backup
        self.now_s: float | None = None  # of a steady clock; set before each call by a shell that has one
        self.withheld: frozenset[int] = frozenset()  # streams whose entries the hub can only take in erased form
        self._hub_key = hub_key
        self._cursor = acknowledged
        self._ask_first = ask_first
        self._flight = Flight(push_size_bytes, pace or Pace())
        self.has_pushed = False  # whether anything was sent that a hub with another copy takes for wrong
        self._pushes = 0  # since the last time a receipt was asked for
        self._asked: dict[int, SignedSize] = {}
        self.diverged: Held | None = None  # what the hub holds, where that is not a beginning of this log

    def start(self, clock_ms: int) -> list[Effect]:
        """Open the exchange."""
        return [Send(Hello(PROTOCOL, self.log, self.size, clock_ms))]

    def next(self) -> Wait | Portion | Ask:
        """What to do now."""
        if self.diverged is not None or (self._ask_first and self.hub_clock_ms is None):
            return Wait()
        if self._cursor not in self._asked and self._wants_receipt():
            return Ask(self._cursor)
        if self._cursor >= self.size or len(self._flight) >= IN_FLIGHT_MAX:
            return Wait()
        return Portion(self._cursor, max(1, min(self._flight.rows_count, PUSH_ROWS_MAX, self.size - self._cursor)))

    def _wants_receipt(self) -> bool:
        """At the end; and on the way for what an attempt before this one, or the last pushes, brought to the hub."""
        if self._cursor >= self.size:
            return True
        known = self.hub_clock_ms is not None and self._cursor > self.receipted
        return known and (self._pushes >= RECEIPT_EVERY_PUSHES or not (self._asked or self.has_pushed))

    def pushed(self, push: Push, frame_size_bytes: int) -> bool:
        """A push is ready for the link; False if the hub's answer has meanwhile made it useless."""
        if push.start != self._cursor or self.diverged is not None:
            return False
        self._cursor = push.end
        self._flight.add(push.end, len(push.rows), frame_size_bytes, self.now_s)
        self._pushes += 1
        self.has_pushed = True
        return True

    def ask(self, signed: SignedSize) -> list[Effect]:
        """Ask for a receipt for all that was pushed so far."""
        if self.diverged is not None:
            return []
        self._asked[signed.size] = signed
        self._pushes = 0
        return [Send(Confirm(signed.size, signed.root, signed.signature))]

    def held(self, message: Held, own_root: bytes) -> None:
        """The hub's answer to Hello; `own_root` is the log's root here at the smaller of both sizes."""
        if self.hub_clock_ms is not None:
            raise RemoteProtocolError("the hub says twice what it held at the beginning")
        size, self.hub_clock_ms, root = message
        if size > self.size or root != own_root:
            self.diverged = message
            return
        self._flight.held(size)
        self.hub_lost = size < self.receipted
        if size < self.acknowledged or self._ask_first or size > self._cursor:
            self._cursor = size
            self._flight.clear()
        self.acknowledged = size

    def receive(self, message: Message) -> list[Effect]:
        """The hub said something else."""
        match message:
            case Refusal(_, text) if self.diverged is not None:  # of what was pushed before it was known
                raise Unreachable(text)
            case Ack(size):
                self._acknowledge(size)
                return []
            case NoKey(size, ordinals):
                self._withhold(size, ordinals)
                return []
            case Receipt(size, cosignature):
                return self._keep(size, cosignature)
            case Refusal("gap" | "later", text):  # we had begun behind what the hub still holds; or its disk is full
                raise Unreachable(text)
            case Refusal(code, text):
                raise RefusedByPeer(code, text)
            case _:
                raise RemoteProtocolError(f"unexpected {type(message).__name__} from the hub")

    def _acknowledge(self, size: int) -> None:
        if size > self.size:
            raise RemoteProtocolError(f"the hub acknowledges {size} entries, {self.size} exist")
        self._flight.arrived(size, self.now_s)
        self.acknowledged = max(self.acknowledged, size)

    @property
    def push_size_bytes(self) -> int:
        """How large the next push should be."""
        return self._flight.push_size_bytes

    @property
    def is_unsure(self) -> bool:
        """Whether the hub may hold more than it acknowledged, or something else: the next exchange must ask first."""
        return len(self._flight) > 0 or self.diverged is not None or (self._ask_first and self.hub_clock_ms is None)

    @property
    def has_asked_last(self) -> bool:
        """Whether nothing follows but the receipt, unless the hub asks for something."""
        return self.size in self._asked

    def was_cut(self) -> None:
        """The link failed: what that teaches goes to the next exchange."""
        self._flight.cut()

    def _withhold(self, size: int, ordinals: list[int]) -> None:
        """Go back to what the hub holds; what it has no key for is sent again without content."""
        if size > self._cursor or self.withheld.issuperset(ordinals):
            raise RemoteProtocolError(f"the hub asks without reason for the erased form of {len(ordinals)} streams")
        self.withheld |= frozenset(ordinals)
        self._cursor = size
        self._flight.clear()
        self._asked = {asked: signed for asked, signed in self._asked.items() if asked <= size}  # to be asked again

    def _keep(self, size: int, cosignature: bytes) -> list[Effect]:
        signed = self._asked.get(size)
        if signed is None:
            raise RemoteProtocolError(f"a receipt for {size} entries that was not asked for")
        text = checkpoint_text(origin(self.log), size, signed.root)
        timestamp_s = verify_cosignature(self._hub_key, text, cosignature)
        self.acknowledged = self.receipted = size
        kept = KeepReceipt(signed._replace(receipt=cosignature), timestamp_s)
        if size == self.size:
            self.receipt = kept  # the exchange is over
        return [kept]


class Receiver:
    """The hub's side of one exchange about a registered node's log."""

    def __init__(
        self,
        log: bytes,
        public_key: bytes,
        held: Frontier,
        streams: int,
        find: Callable[[int], StreamRef | None],
        root_at: Callable[[int], bytes] | None = None,
    ) -> None:
        """`root_at` gives the root at a past size, which only Hello asks for."""
        if log_id(public_key) != log:
            raise LocalProtocolError("a log's id is the hash of its key")
        self.log = log
        self._public_key = public_key
        self._held = held
        self._streams = streams  # how many streams of the log are known
        self._find = find
        self._root_at = root_at
        self._known: dict[int, StreamRef] = {}
        self._awaits_erased = False

    @property
    def size(self) -> int:
        """How many entries are held."""
        return self._held.size

    def receive(self, message: Message, clock_ms: int) -> list[Effect]:
        """The node said something. Raises RemoteProtocolError or VerificationError, with no effect, if it is wrong."""
        match message:
            case Hello(protocol, log, size, _):
                if log != self.log:
                    raise RemoteProtocolError("an exchange is about one log")
                if protocol != PROTOCOL:
                    return [Send(Refusal("protocol", f"this hub speaks protocol {PROTOCOL}, the node {protocol}"))]
                return [Send(Held(self.size, clock_ms, self._root(size)))]
            case Push():
                return self._take(message)
            case Confirm(size, root, signature):
                return self._confirm(SignedSize(size, root, signature, None))
            case _:
                raise RemoteProtocolError(f"unexpected {type(message).__name__} from a node")

    def _root(self, size: int) -> bytes:
        """The root where both sides have entries."""
        if size >= self.size:
            return self._held.root()
        assert self._root_at is not None  # whoever answers Hello was given it
        return self._root_at(size)

    def _take(self, push: Push) -> list[Effect]:
        if push.start > self.size or push.end <= self.size:
            return [Send(Ack(self.size))]  # a gap, or a repeat of what is held
        verify_signature(self._public_key, self._text(push.end, push.root), push.signature)
        begun, known = self._begin(push)
        if unreadable := self._unreadable(push, known):
            self._awaits_erased = True
            return [Send(NoKey(self.size, unreadable))]
        arrived, leaves = self._read(push, known)
        frontier, trees = self._held.extend(leaves)
        if frontier.root() != push.root:
            raise VerificationError(f"entries {self.size + 1} to {push.end} do not give the root that the log signed")
        batch = Batch(self.log, self.size, arrived, begun, frontier, trees, push.signature)
        self._held = frontier
        self._awaits_erased = False
        self._streams += len(begun)
        self._known.update(known)
        return [Append(batch), Send(Ack(self.size))]

    def _text(self, size: int, root: bytes) -> str:
        """What the log's key must have signed."""
        if (size == 0) != (root == EMPTY_ROOT):
            raise RemoteProtocolError(f"no log of {size} entries has the root {root.hex()}")
        return checkpoint_text(origin(self.log), size, root)

    def _begin(self, push: Push) -> tuple[list[NewStream], dict[int, StreamRef]]:
        """The streams of this push that are not known yet."""
        if push.streams and push.first_ordinal > self._streams + 1:
            raise RemoteProtocolError(f"stream {push.first_ordinal} begins before stream {self._streams + 1}")
        begun: list[NewStream] = []
        known: dict[int, StreamRef] = {}
        for ordinal, (subject, key, named) in enumerate(push.streams, push.first_ordinal):
            salt, name = None, named
            if key == NO_STREAM_KEY:
                raise RemoteProtocolError(f"stream {ordinal} begins with a key of zeros, which stands for no key")
            if subject is not None and key is not None:
                keys = derive_unremembered(key)  # whether it may be kept is the store's to know
                salt, name = keys.salt, named or stream_id(keys.label, self.log, subject)
            if name is None:
                raise RemoteProtocolError(f"stream {ordinal} begins with neither key nor name")
            if ordinal > self._streams:
                begun.append(NewStream(ordinal, name, subject, key))
                known[ordinal] = StreamRef(name, subject, salt)
        return begun, known

    def _unreadable(self, push: Push, begun: dict[int, StreamRef]) -> list[int]:
        """The streams of new rows that come with content, although their keys are destroyed or never came here."""
        ordinals = {row.ordinal for row in push.rows[self.size - push.start :] if not isinstance(row, ErasedRow)}
        return sorted(n for n in ordinals if self._stream(n, begun).salt is None)

    def _stream(self, ordinal: int, begun: dict[int, StreamRef]) -> StreamRef:
        return begun.get(ordinal) or self._known.get(ordinal) or self._lookup(ordinal)

    def _read(self, push: Push, begun: dict[int, StreamRef]) -> tuple[list[Arrived], list[bytes]]:
        """The rows that are new, with body, commitment and leaf recomputed here."""
        arrived, leaves = [], []
        fresh = push.rows[self.size - push.start :]
        for seq, row in enumerate(fresh, self.size + 1):
            stream = self._stream(row.ordinal, begun)
            if isinstance(row, ErasedRow):
                arrived.append(Arrived(row.ordinal, ERASED, 0, row.commitment, None))
                leaves.append(leaf(self.log, seq, stream.name, row.commitment))
                continue
            assert stream.subject is not None
            assert stream.salt is not None  # see `_unreadable`
            ordinal, kind, actor, lamport, recorded_at_ms, deps, payload, extensions = row
            body = Body(kind, actor, stream.subject, lamport, recorded_at_ms, deps, payload, extensions)
            check_body(body)
            packed = pack_body(body)
            committed = commitment(stream.salt, self.log, seq, packed)
            arrived.append(Arrived(ordinal, body.type, lamport, committed, packed))
            leaves.append(leaf(self.log, seq, stream.name, committed))
        if idle := begun.keys() - {row.ordinal for row in fresh}:
            raise RemoteProtocolError(f"stream {min(idle)} is said to begin, but no entry is in it")
        return arrived, leaves

    def _lookup(self, ordinal: int) -> StreamRef:
        found = self._find(ordinal) if 0 < ordinal <= self._streams else None
        if found is None:
            raise RemoteProtocolError(f"an entry names stream {ordinal}, which has not begun")
        self._known[ordinal] = found
        return found

    def _confirm(self, signed: SignedSize) -> list[Effect]:
        verify_signature(self._public_key, self._text(signed.size, signed.root), signed.signature)
        if signed.size < self.size:
            return [Send(Refusal("ahead", f"the hub holds {self.size} entries of this log, the node {signed.size}"))]
        if signed.size > self.size:
            gap = Send(Refusal("gap", f"the hub holds {self.size} of {signed.size} entries"))
            # what awaits the erased form was sent before the node could read our NoKey
            return [Send(Ack(self.size)), *([] if self._awaits_erased else [gap])]
        if signed.root != self._held.root():
            return [Send(Refusal("fork", f"at {self.size} entries the hub holds other content than the node"))]
        return [Cosign(signed)]
