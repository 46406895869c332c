"""The home's end of what comes by hand: the county's answers in.

An answer is read as a whole, and its signature checked, before anything follows from it; then it is read once more, for
the pieces, of which each proves itself (`coming_down`). So an answer may be as large as a stick. Receipts are verified
by a `Sender` over this node's own checkpoints. An answer may come late, twice, in parts and in any order: a receipt for
less than the last one changes nothing, a piece that is here is a repeat. *Killed at any moment, it is taken again.*

Where it shows that others continued a log, `Diverged` is raised once everything before is durable: the caller goes on
in a new log and takes the same answer again, which then brings what was lost. Where it shows that without a proof, the
next bundle asks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from sync import above, giving_by_hand, log_schema, wire
from sync.bundle import BundleReader, Head, Kind
from sync.bundle_file import Progress, read
from sync.bundling import receipted_of
from sync.coming_down import Down, Piece
from sync.entry import log_id
from sync.errors import LocalProtocolError, RemoteProtocolError, SyncError, VerificationError, WrongKey
from sync.file_form import Sent
from sync.file_transfer import GONE
from sync.instructions import CONTRADICTED, Instructions
from sync.mending import ASKED_COUNT_MAX
from sync.messages import (
    About,
    Again,
    Bring,
    Carry,
    Chunk,
    Content,
    Declined,
    Delivery,
    Follow,
    Held,
    Holds,
    LogAt,
    Logs,
    Message,
    NoKey,
    Notice,
    OutboxAt,
    Recall,
    Receipt,
    Refusal,
    Took,
)
from sync.pacing import PUSH_SIZE_BYTES_MAX
from sync.recipients import identities_of
from sync.replicator import KeepReceipt, Sender
from sync.store import Store
from sync.stored_log import StoredLog

BEGINNING_SIZE_BYTES_MAX: Final = 16 * 1024**2  # of all that stands before the pieces
BEGINS: Final = (Held, NoKey, Receipt, Holds, Declined, Refusal, About, Logs, OutboxAt, Recall, Took, Again)
PIECES: Final = (Content, Carry, Delivery, Follow, Bring, Chunk, Took)  # before all of these, Took is no piece


class Heard(NamedTuple):
    """What followed from an answer. `receipt` is the one it brought about `log`, which may be older than the last.

    `came`: entries that are new here. `left`: what is missing of the home's other logs and outbox: `is_early` where
    a part of the answer that comes before this one did not come yet. `mended`: entries of which the content came
    back. `photos`: photographs that are whole here now. `is_apart`: others continued a log, and the next bundle
    asks for the proof. `owes`: the hub was put back, and gets first what it lost. `otherwise`: logs passed on of
    which the hub above has another copy. `failure`: why the rest of the pieces was not taken.
    """

    log: bytes
    held: int
    rose: bool
    receipt: KeepReceipt | None
    instructions: Instructions
    refusal: str
    enclosed: bytes
    came: int
    mended: int
    photos: int
    left: int
    is_early: bool
    is_apart: bool
    owes: bool
    otherwise: list[bytes]
    failure: SyncError | None


@dataclass
class _Section:
    """What an answer says of one log."""

    log: bytes
    held: Held | None = None
    receipt: Receipt | None = None
    withheld: set[int] = field(default_factory=set)
    refusal: Refusal | None = None


def take_answer(
    store: Store, hub_key: bytes, home: str, instructions: Instructions, path: Path, progress: Progress
) -> Heard:
    """Take the county's answer; receipts, pieces and what it says of photographs are kept, durably.

    Raises WrongKey, LogCorrupt, RemoteProtocolError, VerificationError or NewerFormat for a file that is no good, and
    Diverged where others continued a log.
    """
    head, messages = _read_beginning(store, hub_key, path, progress)
    return _Taking(store, hub_key, home, instructions, head).run(messages, path, progress)


class _Taking:
    """One answer of which the signature holds."""

    def __init__(self, store: Store, hub_key: bytes, home: str, instructions: Instructions, head: Head) -> None:
        self._store, self._hub_key, self._home = store, hub_key, home
        self._told = instructions
        self._head = head
        self._apart: set[bytes] = set()  # logs of which the hub's copy is another one
        self._otherwise: set[bytes] = set()  # the same of logs that a hub passes on
        self._receipt: KeepReceipt | None = None
        self._rose = False
        self._wanted: dict[bytes, set[int]] = {}
        self._back: list[Recall | Took] = []

    def run(self, messages: list[Message], path: Path, progress: Progress) -> Heard:
        """Let everything follow from it."""
        sections, logs, outbox_at = self._sorted(messages)
        for section in sections:
            self._hear(section)
        self._note_logs(logs)
        clock_ms = sections[0].held.clock_ms if sections[0].held is not None else 0
        is_newest = _heard_at(sections[0]) >= self._told.of(sections[0].log).heard
        giving_by_hand.hear(self._store, self._hub_key, self._home, outbox_at, self._back, is_newest=is_newest)
        down = Down(self._store, self._keys(logs), self._hub_key, self._home, outbox_at, clock_ms)
        failure: SyncError | None = None
        try:
            _read_pieces(self._store, path, down.take, progress)
        except (RemoteProtocolError, VerificationError) as error:
            failure = error
        self._learn(down, sections, logs)
        self._note_wanted(sections[0])
        own = sections[0]
        left = self._missing(logs) + max(0, outbox_at.size - down.outbox_size if outbox_at else 0)
        return Heard(
            own.log, own.held.size if own.held else 0, self._rose, self._receipt, self._told,
            self._refusal(sections), self._head.enclosed, down.taken, down.mended,
            down.shelf.taken if down.shelf else 0, left, self._is_early(down, left),
            bool(self._apart), down.owes, sorted(self._otherwise), failure,
        )  # fmt: skip

    @staticmethod
    def _is_early(down: Down, left: int) -> bool:
        is_early = down.shelf is not None and down.shelf.is_early and down.shelf.left > 0
        return is_early or (bool(down.early) and left > 0)

    def _refusal(self, sections: list[_Section]) -> str:
        """What a person is told: nothing of a log that is mended, or of which the hub lacks nothing that is here."""
        for section in sections:
            log, refusal, held = section.log, section.refusal, section.held
            if refusal is None or log in self._apart:
                continue
            if held is None or held.size < self._store.size(log):
                return refusal.text
        return ""

    def _sorted(self, messages: list[Message]) -> tuple[list[_Section], list[LogAt], OutboxAt | None]:
        sections, logs = [_Section(self._head.receiver)], list[LogAt]()
        outbox_at: OutboxAt | None = None
        for message in messages:
            section = sections[-1]
            match message:
                case About(log):
                    sections.append(_Section(log))
                case Held():
                    section.held = message
                case Receipt():
                    section.receipt = message
                case NoKey(_, ordinals):
                    section.withheld |= set(ordinals)
                case Refusal():
                    section.refusal = message
                case Holds() | Declined():
                    _note_file(self._store, self._hub_key, message)
                case Logs(found):
                    logs = found
                case OutboxAt():
                    outbox_at = message
                case Recall() | Took() | Again():
                    self._note_asked(message)
        if sum(map(len, self._wanted.values())) > ASKED_COUNT_MAX:
            raise RemoteProtocolError(f"an answer that asks for the content of more than {ASKED_COUNT_MAX} entries")
        return [section for section in sections if self._store.holds(section.log)], logs, outbox_at

    def _note_asked(self, message: Recall | Took | Again) -> None:
        """What the hub lacks, or lacks no more."""
        if isinstance(message, Again):
            self._wanted.setdefault(message.log, set()).update(message.seqs)
        else:
            self._back.append(message)

    def _keys(self, logs: list[LogAt]) -> dict[bytes, bytes]:
        own = {branch.log: branch.public_key for branch in self._store.branches() if branch.own}
        return own | {log_id(one.public_key): one.public_key for one in logs}

    def _hear(self, section: _Section) -> None:
        """What is held of a log, and the receipt for it."""
        store, log = self._store, section.log
        if section.held is None:
            return
        size, known, told = store.size(log), self._receipted(log), self._told.of(log)
        begun = min(self._head.receipted if log == self._head.receiver else known, size)
        sender = Sender(
            log, self._hub_key, size, begun, receipted=begun, ask_first=False, push_size_bytes=PUSH_SIZE_BYTES_MAX
        )
        held = section.held.size
        sender.held(section.held, store.root(log, min(held, size)))
        if sender.diverged is not None:  # see `_learn`, when all that this answer brings is here
            if log != store.log:
                self._told = self._told.learned(log, told._replace(resume_at=held))
            return
        rose = self._keep(sender, section.receipt) > known
        told = told._replace(withheld=told.withheld | section.withheld)
        if log != store.log:
            told = told._replace(resume_at=held)
            if sender.hub_lost and self._is_passed_on(log):
                store.files.forget_above(log_id(self._hub_key))
        elif not rose and sender.hub_lost:  # it held less than a receipt that the home had: it was restored
            told = told._replace(resume_at=held)
            store.files.offer_again(log)
        elif rose or self._head.receipted >= known:
            told = told._replace(resume_at=None)
        self._told = self._told.learned(log, told)
        self._rose |= rose and log == self._head.receiver

    def _is_passed_on(self, log: bytes) -> bool:
        """Whether this is a hub, which holds this log for others, and its hub's receipts apart from its own."""
        return self._store.branch(log).kind == log_schema.Kind.PEER

    def _receipted(self, log: bytes) -> int:
        if self._is_passed_on(log):
            return above.sizes(self._store, self._hub_key).get(log, 0)
        return receipted_of(self._store, log)

    def _keep(self, sender: Sender, receipt: Receipt | None) -> int:
        """Keep a receipt whose cosignature is the hub's; for how many entries it is."""
        if receipt is None or receipt.size > sender.size:
            return 0
        try:
            sender.ask(self._store.sign(receipt.size, sender.log))
        except LocalProtocolError:  # of a log whose key is elsewhere, and never signed so much where we could see it
            return 0
        for effect in sender.receive(receipt):
            if isinstance(effect, KeepReceipt):
                key = self._hub_key
                self._store.keep_receipt_of(key, sender.log, effect.signed, effect.kept, by_hand=True).result()
                if sender.log == self._head.receiver:
                    self._receipt = effect
        return receipt.size

    def _note_logs(self, logs: list[LogAt]) -> None:
        """What the hub holds of the home's other logs; nothing, where it does not name one."""
        store = self._store
        held = {branch.log: branch.size for branch in store.branches() if branch.own or branch.kin}
        named = {log_id(one.public_key): one for one in logs}
        for log in (held.keys() | named.keys()) - {store.log, self._head.receiver}:
            size = named[log].size if log in named else 0
            self._told = self._told.learned(log, self._told.of(log)._replace(resume_at=size))

    def _set_apart(self, log: bytes, hub_size: int, ask_from: int) -> None:
        """The hub's copy of a log is another one, or goes on: it must come down, if it does not in this answer."""
        passed_on = self._store.holds(log) and self._is_passed_on(log)
        (self._otherwise if passed_on else self._apart).add(log)
        told = self._told.of(log)._replace(ask_from=ask_from, apart_at=hub_size)
        self._told = self._told.learned(log, told)

    def _learn(self, down: Down, sections: list[_Section], logs: list[LogAt]) -> None:
        """What is still to be asked for, now that the pieces were taken."""
        said = {log_id(one.public_key): (one.size, one.root) for one in logs}
        said |= {section.log: (section.held.size, section.held.root) for section in sections if section.held}
        refused = {s.log for s in sections if s.refusal is not None and s.refusal.code in CONTRADICTED}
        for log, (hub_size, root) in said.items():
            size = self._store.size(log) if self._store.holds(log) else 0
            if hub_size > size and (log == self._store.log or log in refused):
                self._set_apart(log, hub_size, min(self._receipted(log), hub_size))
            elif hub_size <= size and self._store.root(log, hub_size) != root:
                self._set_apart(log, hub_size, 0)
            else:
                self._told = self._told.learned(log, self._told.of(log).known_whole(hub_size))
        for log, hub_size in down.apart.items():
            self._set_apart(log, hub_size, 0)
        for log, ordinals in down.unreadable.items():
            told = self._told.of(log)
            self._told = self._told.learned(log, told._replace(unreadable=told.unreadable | ordinals))

    def _note_wanted(self, own: _Section) -> None:
        """Of which entries the hub wants the content again, unless a newer answer said it already."""
        heard = _heard_at(own)
        if heard < self._told.of(own.log).heard:
            return
        self._told = self._told.learned(own.log, self._told.of(own.log)._replace(heard=heard))
        for branch in self._store.branches():
            if branch.own or branch.kin:  # of nothing else has the hub to ask here
                wanted = frozenset(self._wanted.get(branch.log, ()))
                self._told = self._told.learned(branch.log, self._told.of(branch.log)._replace(wanted=wanted))

    def _missing(self, logs: list[LogAt]) -> int:
        here = {branch.log: branch.size for branch in self._store.branches()}
        return sum(max(0, one.size - here.get(log_id(one.public_key), 0)) for one in logs)


def _heard_at(section: _Section) -> tuple[int, int]:
    """What tells a newer answer from an older one."""
    return (section.held.size, section.held.clock_ms) if section.held is not None else (0, 0)


def _read_beginning(store: StoredLog, hub_key: bytes, path: Path, progress: Progress) -> tuple[Head, list[Message]]:
    """What stands before the pieces, of an answer that was read to its end and is the county's."""
    reader = BundleReader()
    messages: list[Message] = []
    size_bytes, has_pieces = 0, False

    def take(data: bytes) -> None:
        nonlocal size_bytes, has_pieces
        for frame in reader.feed(data):
            if has_pieces:  # read for the signature alone
                continue
            message = wire.decode(frame)
            has_pieces = isinstance(message, PIECES) and not isinstance(message, Took)
            if has_pieces or isinstance(message, Notice):  # a notice is for a later version of us
                continue
            size_bytes += len(frame)
            if not isinstance(message, BEGINS) or size_bytes > BEGINNING_SIZE_BYTES_MAX:
                raise RemoteProtocolError(f"{path} is no answer to this home")
            messages.append(message)

    read(path, identities_of(store), take, progress)
    head = reader.require_whole()
    if head.kind != Kind.ANSWER or all(b.log != head.receiver for b in store.branches() if b.own):
        raise RemoteProtocolError(f"{path} is no answer to this home")
    if head.sender != hub_key:
        raise WrongKey(
            f"{path} is not from the county that this home has joined: its key is {log_id(head.sender).hex()}, "
            f"expected {log_id(hub_key).hex()}"
        )
    return head, messages


def _read_pieces(store: StoredLog, path: Path, take: Callable[[Piece], None], progress: Progress) -> None:
    """Read an answer once more, for what comes down."""
    reader = BundleReader()

    has_begun = False

    def pieces(frames: Iterator[bytes]) -> None:
        nonlocal has_begun
        for frame in frames:
            message = wire.decode(frame)
            has_begun = has_begun or (isinstance(message, PIECES) and not isinstance(message, Took))
            if has_begun and isinstance(message, PIECES):
                take(message)

    read(path, identities_of(store), lambda data: pieces(reader.feed(data)), progress)
    reader.require_whole()


def _note_file(store: Store, hub_key: bytes, message: Holds | Declined) -> None:
    file = store.files.find(message.name)
    if file is None:
        return
    match message:
        case Holds(name, chunks) if chunks == len(file.manifest.hashes):
            sent = Sent.HELD
        case Declined(name, code, _) if code == GONE:
            sent = Sent.DESTROYED
        case _:
            return
    if store.has_key(file.log):
        store.files.note_sent(name, sent)
    elif store.branch(file.log).kind == log_schema.Kind.PEER:  # a hub passes it on
        store.files.note_above(name, log_id(hub_key))
