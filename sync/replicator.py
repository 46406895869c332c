"""The exchange between a node and its hub, without sockets, clocks or files.

Messages and the time go in, effects come out, and the shell performs them in order; the order *is* the promise. If an
effect fails, the shell drops the replicator: the next one starts from the sizes that are on the disk, and there is no
other state to repair.

    node (Sender)                                    hub (Receiver)
    Hello(size, clock)            ------------>      Held(size, clock, root)      at once, before reading on
    Push(start, rows, signature)  ------------>      verify, Append, then Ack(size)
    Push …                        ------------>      … pipelined: the node does not wait for Acks
                                                     or NoKey(size, streams): send these in erased form
                                                     or AskPlain(size): its form cannot be read here, go on plainly
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

from sync.batch import Batch, SignedSize, StreamRef
from sync.entry import log_id, origin
from sync.errors import LocalProtocolError, RefusedByPeer, RemoteProtocolError, Unreachable, VerificationError
from sync.hub_note import verify_note
from sync.merkle import EMPTY_ROOT, Frontier
from sync.messages import Ack, AskPlain, Confirm, Held, Hello, Message, NoKey, Push, Receipt, Refusal
from sync.note import checkpoint_text, verify_cosignature, verify_signature
from sync.pacing import Flight, Pace
from sync.reading import KnownStreams
from sync.receipts import Greeted, Kept

PROTOCOL: Final = 1
PUSH_ROWS_MAX: Final = 2_000
IN_FLIGHT_MAX: Final = 16
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
    """Keep the hub's receipt and its note, durably; the hub's clock said `timestamp_s`."""

    signed: SignedSize
    timestamp_s: int
    kept: Kept


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
        asks_on_the_way: bool = True,
        pace: Pace | None = None,
        rows_max: int = PUSH_ROWS_MAX,
    ) -> None:
        """`pace`: what the link taught in earlier exchanges; it learns on, where the shell sets `now_s`.

        `rows_max`: no push has more, because a larger one was refused.
        """
        self.log = log
        self.size = size
        self.acknowledged = acknowledged
        self.receipted = receipted
        self.hub_clock_ms: int | None = None
        self.receipt: KeepReceipt | None = None
        self.hub_lost = False  # the hub holds less than its last receipt said: it was restored from a backup
        self.now_s: float | None = None  # of a steady clock; set before each call by a shell that has one
        self.withheld: frozenset[int] = frozenset()  # streams whose entries the hub can only take in erased form
        self.plain = False  # the hub cannot read what pushes are packed with: no dictionary, no references
        self.hub_key = hub_key
        self._cursor = acknowledged
        self._ask_first = ask_first
        self._asks_on_the_way = asks_on_the_way  # whether the log can be signed anywhere, not only where it ends
        self._unread = 0  # pushes that were on their way when the hub first asked for plain ones
        self._overtaken = 0  # pushes that Held made useless when they were on their way; they are answered, too
        self.pace = pace or Pace()
        self._flight = Flight(push_size_bytes, self.pace)
        self._rows_max = rows_max
        self.has_pushed = False  # whether anything was sent that a hub with another copy takes for wrong
        self.resumes = False  # the hub has the beginning of a frame: the next push is to be the one that was cut
        self._pushes = 0  # since the last time a receipt was asked for
        self._asked: dict[int, SignedSize] = {}
        self.diverged: Held | None = None  # what the hub holds, where that is not a beginning of this log
        self._said: Hello | None = None  # the first greeting

    def start(self, clock_ms: int, size: int | None = None) -> list[Effect]:
        """Open the exchange. `size`: how many entries there are by now, if that may be more than are to be sent."""
        hello = Hello(PROTOCOL, self.log, self.size if size is None else size, clock_ms)
        self._said = self._said or hello
        return [Send(hello)]

    @property
    def greeted(self) -> Greeted | None:
        """What both said at the beginning; None before that, and of a log that others may be writing."""
        if self._said is None or self.hub_clock_ms is None or not self._asks_on_the_way:
            return None
        return Greeted(self._said.size, self._said.clock_ms, self.hub_clock_ms)

    def next(self) -> Wait | Portion | Ask:
        """What to do now."""
        if self.diverged is not None or (self._ask_first and self.hub_clock_ms is None):
            return Wait()
        if self._cursor not in self._asked and self._wants_receipt():
            return Ask(self._cursor)
        if self._cursor >= self.size or len(self._flight) >= IN_FLIGHT_MAX:
            return Wait()
        again = self._flight.broken_rows if self.resumes and not self.has_pushed else 0
        rows_count = again or self._flight.rows_count
        return Portion(self._cursor, max(1, min(rows_count, self._rows_max, self.size - self._cursor)))

    def _wants_receipt(self) -> bool:
        """At the end; and on the way for what an attempt before this one, or the last pushes, brought to the hub."""
        if self._cursor >= self.size:
            return True
        known = self._asks_on_the_way and self.hub_clock_ms is not None and self._cursor > self.receipted
        return known and self._pushes >= RECEIPT_EVERY_PUSHES

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
        self.hub_lost = size < self.receipted
        if size > self.size or root != own_root:
            self.diverged = message
            return
        on_the_way = len(self._flight)
        self._flight.held(size)
        unknown = size > self.receipted and not self.pace.unconfirmed_pushes  # nobody here knows how it came there
        self._pushes = RECEIPT_EVERY_PUSHES if unknown else self._pushes + self.pace.unconfirmed_pushes
        if size < self.acknowledged or self._ask_first or size > self._cursor:
            self._cursor = size
            self._flight.clear()
        self._overtaken = on_the_way - len(self._flight)
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
            case AskPlain(size):
                self._speak_plainly(size)
                return []
            case Receipt():
                return self._keep(message)
            case Refusal("gap" | "later" | "damaged", text):  # begun behind what it holds; no room there; a bad line
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
    def refused_rows(self) -> int:
        """After a refusal: how many entries behind the acknowledged ones the push had that was refused; 0 if none."""
        return max(0, self._flight.first_end - self.acknowledged)

    @property
    def push_size_bytes(self) -> int:
        """How large the next push should be."""
        return self._flight.push_size_bytes

    @property
    def is_unsure(self) -> bool:
        """Whether the hub may hold more or less than it acknowledged, or other things: the next exchange asks first."""
        is_unheard = self._ask_first and self.hub_clock_ms is None
        return len(self._flight) > 0 or self.diverged is not None or self.hub_lost or is_unheard

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
        self._go_back(size)

    def _speak_plainly(self, size: int) -> None:
        """Go back to what the hub holds and push it plainly. Each push that was on its way may be answered so."""
        if self.plain and self._unread:
            self._unread -= 1
            return
        unanswered = len(self._flight) + self._overtaken
        if self.plain or size > self._cursor or not unanswered:
            raise RemoteProtocolError("the hub asks without reason for plain pushes")
        self.plain = True
        self._unread = unanswered - 1
        self._go_back(size)

    def _go_back(self, size: int) -> None:
        self._cursor = size
        self._flight.clear()
        self._asked = {asked: signed for asked, signed in self._asked.items() if asked <= size}  # to be asked again

    def _keep(self, receipt: Receipt) -> list[Effect]:
        size = receipt.size
        signed = self._asked.get(size)
        if signed is None:
            raise RemoteProtocolError(f"a receipt for {size} entries that was not asked for")
        text = checkpoint_text(origin(self.log), size, signed.root)
        timestamp_s = verify_cosignature(self.hub_key, text, receipt.cosignature)
        verify_note(self.hub_key, self.log, size, signed.root, receipt.note)
        self.acknowledged = self.receipted = size
        self.pace.unconfirmed_pushes = 0
        in_series = Kept(size, receipt.note, self.greeted)
        kept = KeepReceipt(signed._replace(receipt=receipt.cosignature), timestamp_s, in_series)
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
        if log_id(public_key) != log:
            raise LocalProtocolError("a log's id is the hash of its key")
        self.log = log
        self._public_key = public_key
        self._held = held
        self._streams = KnownStreams(log, streams, find)
        self._root_at = root_at
        self._awaits_other_form = False  # it was asked for a push in erased or in plain form
        self.greeted: Greeted | None = None

    @property
    def size(self) -> int:
        """How many entries are held."""
        return self._held.size

    def receive(self, message: Message, clock_ms: int) -> list[Effect]:
        """The node said something. Raises RemoteProtocolError or VerificationError, with no effect, if it is wrong."""
        match message:
            case Hello(protocol, log, size, node_ms):
                if log != self.log:
                    raise RemoteProtocolError("an exchange is about one log")
                if protocol != PROTOCOL:
                    return [Send(Refusal("protocol", f"this hub speaks protocol {PROTOCOL}, the node {protocol}"))]
                self.greeted = Greeted(size, node_ms, clock_ms)
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

    def subject_of(self, ordinal: int) -> bytes | None:
        """What a stream is about, for who reads a frame; None if it has not begun or was erased here."""
        return self._streams.subject_of(ordinal)

    def cannot_read(self, start: int | None) -> list[Effect]:
        """A push came whose form cannot be read here; `start` where that much could be read."""
        if start is not None and start > self.size:
            return [Send(Ack(self.size))]  # a gap: what it refers to may be in what did not arrive
        self._awaits_other_form = True
        return [Send(AskPlain(self.size))]

    def _take(self, push: Push) -> list[Effect]:
        if push.start > self.size or push.end <= self.size:
            return [Send(Ack(self.size))]  # a gap, or a repeat of what is held
        verify_signature(self._public_key, self._text(push.end, push.root), push.signature)
        begun, known = self._streams.begin(push)
        fresh = push.rows[self.size - push.start :]
        if unreadable := self._streams.without_key(fresh, known):
            self._awaits_other_form = True
            return [Send(NoKey(self.size, unreadable))]
        arrived, leaves = self._streams.read(fresh, self.size + 1, known)
        frontier, trees = self._held.extend(leaves)
        if frontier.root() != push.root:
            raise VerificationError(f"entries {self.size + 1} to {push.end} do not give the root that the log signed")
        batch = Batch(self.log, self.size, arrived, begun, frontier, trees, push.signature)
        self._held = frontier
        self._awaits_other_form = False
        self._streams.learn(known)
        return [Append(batch), Send(Ack(self.size))]

    def _text(self, size: int, root: bytes) -> str:
        """What the log's key must have signed."""
        if (size == 0) != (root == EMPTY_ROOT):
            raise RemoteProtocolError(f"no log of {size} entries has the root {root.hex()}")
        return checkpoint_text(origin(self.log), size, root)

    def _confirm(self, signed: SignedSize) -> list[Effect]:
        verify_signature(self._public_key, self._text(signed.size, signed.root), signed.signature)
        if signed.size < self.size:
            return [Send(Refusal("ahead", f"the hub holds {self.size} entries of this log, the node {signed.size}"))]
        if signed.size > self.size:
            gap = Send(Refusal("gap", f"the hub holds {self.size} of {signed.size} entries"))
            # what awaits another form was sent before the node could read what we asked
            return [Send(Ack(self.size)), *([] if self._awaits_other_form else [gap])]
        if signed.root != self._held.root():
            return [Send(Refusal("fork", f"at {self.size} entries the hub holds other content than the node"))]
        return [Cosign(signed)]
