"""What two nodes say to each other during an exchange; `wire` gives each its byte form, `replicator` its meaning."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Self

from sync.entry import Deps
from sync.file_form import Manifest
from sync.hub_note import HubNote

UNKNOWN: Final = "unknown"  # with the hub's log id behind a colon: the code of a refusal by a hub we do not belong to
TREE_SIZE: Final = 8  # of a root, where it is no proof


class Hello(NamedTuple):
    """A node opens an exchange about its own log. Sizes in entries, time in ms as the node's clock says."""

    protocol: int
    log: bytes
    size: int
    clock_ms: int


class Held(NamedTuple):
    """The hub's first answer: how much of the log it holds, its clock, and its root at the smaller of both sizes.

    So the node sees at once whether the hub's copy is a beginning of its own log, continues it, or is another one.
    """

    size: int
    clock_ms: int
    root: bytes


class Remains(NamedTuple):
    """Before Held: what had come of a frame when the line was cut (`interrupted`)."""

    size_bytes: int
    fingerprint: bytes


class Resume(NamedTuple):
    """What comes next is that frame, without so many bytes at its beginning."""

    size_bytes: int


class Beginning(NamedTuple):
    """A stream that begins in a push: `name` only where the key does not tell it, nothing else if it begins erased."""

    subject: bytes | None
    key: bytes | None
    name: bytes | None


class PushRow(NamedTuple):
    """One entry on the wire: log, seq, version, id and commitment are implied. `ordinal` is the stream's in its log."""

    ordinal: int
    type: str
    actor: str
    lamport: int
    recorded_at_ms: int
    deps: Deps
    payload: Any
    extensions: Any


class ErasedRow(NamedTuple):
    """An entry whose content is not sent: it was erased, or the receiver has no key for it."""

    ordinal: int
    commitment: bytes


class Push(NamedTuple):
    """Entries start + 1 … start + len(rows), the streams that begin among them, and the log's signature at the end."""

    start: int
    first_ordinal: int
    streams: list[Beginning]
    rows: list[PushRow | ErasedRow]
    root: bytes
    signature: bytes

    @property
    def end(self) -> int:
        """The log's size after this push."""
        return self.start + len(self.rows)


class Ack(NamedTuple):
    """The hub holds this many entries, durably."""

    size: int


class NoKey(NamedTuple):
    """The hub holds this many entries, and has no key for these streams: it asks for their entries in erased form."""

    size: int
    ordinals: list[int]


class AskPlain(NamedTuple):
    """The hub holds this many entries, and could not read the form of a push: it asks for plain ones from there on."""

    size: int


class Confirm(NamedTuple):
    """The node's signed checkpoint at a size that the hub should hold now: it asks for a receipt."""

    size: int
    root: bytes
    signature: bytes


class Receipt(NamedTuple):
    """The hub's cosignature (72 bytes) on the checkpoint of that size, and what it says beside it (`hub_note`).

    `thousandths`: the ms of the hub's clock within the second that the cosignature states.
    """

    size: int
    cosignature: bytes
    epoch: int
    backed_up_to: int
    thousandths: int
    signature: bytes

    @classmethod
    def of(cls, size: int, cosignature: bytes, note: HubNote) -> Self:
        """A receipt with its note, which is of the same second."""
        return cls(size, cosignature, note.epoch, note.backed_up_to, note.time_ms % 1000, note.signature)

    @property
    def note(self) -> HubNote:
        """The second note."""
        time_ms = int.from_bytes(self.cosignature[:8], "big") * 1000 + self.thousandths
        return HubNote(self.epoch, self.backed_up_to, time_ms, self.signature)


class Refusal(NamedTuple):
    """The hub ends the exchange. `code` is for the program, `text` for a person."""

    code: str
    text: str


class Notice(NamedTuple):
    """Something that later versions say and that may be passed over by whoever does not know it."""

    kind: int


class Offer(NamedTuple):
    """A node has a photograph or scan: what it consists of, its key, whom it shows, and the log's signature on that."""

    manifest: Manifest
    key: bytes
    subjects: tuple[bytes, ...]
    signature: bytes

    @property
    def name(self) -> bytes:
        """The file's name."""
        return self.manifest.name(self.key)


class Chunk(NamedTuple):
    """One sealed chunk of a file that was offered in this exchange; `number` is from 0."""

    name: bytes
    number: int
    sealed: bytes


class Holds(NamedTuple):
    """The hub holds the first `chunks` chunks of the file, durably."""

    name: bytes
    chunks: int


class Declined(NamedTuple):
    """The hub does not take this file. `code` is for the program, `text` for a person."""

    name: bytes
    code: str
    text: str


class Succeed(NamedTuple):
    """A node opened a new log in place of one that others continue; both keys sign that (`succession.text_of`).

    `size`: how many entries of the old log the new one builds on.
    """

    old_key: bytes
    new_key: bytes
    size: int
    old_signature: bytes
    new_signature: bytes


class Vouch(NamedTuple):
    """A node tells a hub that was restored that a log belongs to its home (`succession.text_of_vouch`)."""

    by_key: bytes
    key: bytes
    signature: bytes


class Compare(NamedTuple):
    """A node asks for the hub's roots of a log at these sizes (ascending), to find where their copies part."""

    log: bytes
    sizes: list[int]


class Roots(NamedTuple):
    """The hub's roots at the sizes that were asked for, in order."""

    log: bytes
    roots: list[bytes]


class LogAt(NamedTuple):
    """A log that the hub has for a node: its key, how many entries are held, and their root."""

    public_key: bytes
    size: int
    root: bytes


class Logs(NamedTuple):
    """What the hub has for the node beside the log of this exchange: the other logs of its home."""

    logs: list[LogAt]


class Follow(NamedTuple):
    """A node holds this many entries of a log, which are the hub's first ones: it asks for the rest."""

    log: bytes
    size: int


class Carry(NamedTuple):
    """A piece of a log that is followed, as that log's own node once pushed it: under the same signature."""

    log: bytes
    push: Push


class Took(NamedTuple):
    """The node holds this many entries of the log that it follows, durably."""

    log: bytes
    size: int


class About(NamedTuple):
    """In an answer by stick: what follows is about this log of the home, up to the next About."""

    log: bytes


class OutboxAt(NamedTuple):
    """What the hub has for the node's home: the outbox's epoch, its entries, and the numbers on the shelf beside it.

    `taken`: how many entries this node has given back in this epoch. `tree`: the first TREE_SIZE bytes of the outbox's
    root; none where it has no entries. It proves nothing, and shows that as many entries may be others.
    """

    epoch: int
    size: int
    files: int = 0
    taken: int = 0
    tree: bytes = b""


class Bring(NamedTuple):
    """Number so much of the shelf that is followed: a file as the log of this key once offered it."""

    number: int
    public_key: bytes
    offer: Offer


class Beside(NamedTuple):
    """What a hub last said it has beside a node's own log: its outbox's epoch and size, entries of other logs, of how
    many entries it wants the content again, the numbers on its shelf, and how much the node gave back to this epoch.

    No message: the node gives it back when it asks whether an exchange is needed. Zeros where there was nothing.
    """

    epoch: int
    outbox_size: int
    entries: int
    wanted: int = 0
    files: int = 0
    taken: int = 0


class Delivery(NamedTuple):
    """Entries start + 1 … of an outbox, each an entry of another log, and the hub's signature at the end.

    `push` names streams and rows as the outbox numbers them; `logs` are the logs that they are of. For each stream that
    begins, `origins` says which of these it is of; for each row, `seqs` has its seq there.
    """

    log: bytes
    push: Push
    logs: list[bytes]
    origins: list[int]
    seqs: list[int]


class SignedLog(NamedTuple):
    """A log, and sizes of it with their roots and what its own key has signed there; ascending."""

    public_key: bytes
    signed: list[tuple[int, bytes, bytes]]


class Welcome(NamedTuple):
    """The logs of a node's home in the order of need, for a node that has nothing of them: an outbox of its own.

    A node asks for it, with the epoch and size that it holds of one (zeros: none). The hub says what it has made (or
    zeros) and, where the node named another epoch, what the logs' keys have signed, up to where they are in it.
    """

    epoch: int
    size: int
    logs: list[SignedLog]


class Again(NamedTuple):
    """Of these entries of a log, header and place are here and the content is not: whoever has it may send it."""

    log: bytes
    seqs: list[int]


class Content(NamedTuple):
    """The content of one entry, its packed body, as its header commits to it; empty where it is not here either."""

    log: bytes
    seq: int
    packed: bytes


class Witness(NamedTuple):
    """A node shows a hub what the hub itself once signed and seems to hold no more.

    `proof` has 64 bytes, its signature on the outbox `log` of this epoch, or 72, its receipt for a log, of an epoch
    that the node names.
    """

    log: bytes
    epoch: int
    size: int
    root: bytes
    proof: bytes


class Recall(NamedTuple):
    """A hub in a later epoch has so many entries of this outbox, with this root: it asks for what the home has more.

    If the home has another root there, for all that it has.
    """

    log: bytes
    size: int
    root: bytes


class Returned(NamedTuple):
    """Entries of the outbox of an older epoch, given back to the hub that had signed them.

    As a Delivery, but readable by itself: streams are numbered within it, each begins in it, and `frontier` has the
    right edge of the outbox's tree at `push.start`.
    """

    epoch: int
    frontier: list[bytes]
    logs: list[bytes]
    origins: list[int]
    seqs: list[int]
    push: Push


Introduction = Succeed | Vouch
AboutLogs = Introduction | Compare | Roots | Logs | Follow | Carry | Took | About | Welcome | Again | Content
AboutOutbox = OutboxAt | Delivery | Witness | Recall | Returned
AboutFiles = Offer | Chunk | Holds | Declined | Bring
AboutEntries = Push | Ack | NoKey | AskPlain | Confirm | Receipt
Message = Notice | Hello | Remains | Held | Resume | AboutEntries | Refusal | AboutFiles | AboutLogs | AboutOutbox
