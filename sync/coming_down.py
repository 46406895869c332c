"""What comes down by hand: pieces of the home's other logs and of its outbox, in an answer that was read as a whole.

`replicator.Receiver` and `OutboxReceiver` judge, as over the network: each piece proves itself, so nothing here rests
on the order in which pieces come. What is new is stored, piece by piece, durably; what is here already is a repeat;
what begins behind what is here is left out and noted in `early`. Nobody is asked: what cannot be taken with content is
noted in `unreadable`, and the next bundle says so.

A piece that bears a log's own signature on other content than is here, or on more than this node has of the log that it
writes, raises `Diverged` with the size up to which both copies agree. That size follows from the piece itself: its rows
are read behind what is here before it, and each leaf is compared. If even that does not lead to the signed root, the
copies part further back: `apart` names the log, and the next bundle asks for it from the beginning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from sync.damage import take_content
from sync.entry import origin
from sync.errors import Diverged, RemoteProtocolError, StaleVersion, VerificationError
from sync.giving_by_hand import owes
from sync.merkle import HASH_SIZE
from sync.messages import Bring, Carry, Chunk, Content, Delivery, Follow, NoKey, OutboxAt, Push, Took
from sync.note import checkpoint_text, verify_signature
from sync.outbox_receiving import OutboxReceiver
from sync.outbox_taking import follow, take_delivery
from sync.outbox_taking import receiver_of as outbox_receiver_of
from sync.receiving import receiver_of
from sync.replicator import Append, Effect, Receiver, Send
from sync.shelf_taking import ShelfTaking
from sync.store import Store

Piece = Content | Carry | Delivery | Follow | Bring | Chunk | Took
TRIES_MAX: Final = 100  # against exchanges over the network that bring the same at this moment


class Down:
    """Takes the pieces of one answer in."""

    def __init__(
        self, store: Store, keys: Mapping[bytes, bytes], hub_key: bytes, home: str, at: OutboxAt | None, clock_ms: int
    ) -> None:
        """`keys`: the public keys of the logs of which pieces may come. `at`: the outbox and its shelf, if any."""
        self.taken = 0  # entries that are new here
        self.mended = 0  # entries of which the content is here again
        self.early: set[bytes] = set()
        self.apart: dict[bytes, int] = {}
        self.unreadable: dict[bytes, set[int]] = {}
        self._store = store
        self._keys = keys
        self._outbox = follow(store, hub_key, home, at.epoch).log if at is not None else None
        self.owes = at is not None and owes(store, hub_key, home, at)  # the hub gets first what it lost
        self.shelf: ShelfTaking | None = None
        if at is not None and self._outbox is not None:
            self.shelf = ShelfTaking(store, self._outbox, at.files, clock_ms)
        self._receivers: dict[bytes, Receiver] = {}
        self._deliveries: OutboxReceiver | None = None

    def take(self, piece: Piece) -> None:
        """Take one piece. Raises Diverged, and RemoteProtocolError or VerificationError for what is wrong."""
        if isinstance(piece, Content):
            self.mended += take_content(self._store, *piece)
            return
        if not isinstance(piece, Carry | Delivery):
            if self.shelf is None:
                raise RemoteProtocolError("photographs of a shelf that the answer does not name")
            self.shelf.take(piece)
            return
        for _ in range(TRIES_MAX):
            try:
                if isinstance(piece, Delivery):
                    self._take_delivery(piece)
                else:
                    self._take_carry(piece.log, piece.push)
            except StaleVersion:  # an exchange brought some of it at this moment
                self._receivers, self._deliveries = {}, None
                continue
            return
        raise StaleVersion("this folder takes in the same over the network: try again")

    @property
    def outbox_size(self) -> int:
        """How many entries of the outbox are here."""
        return 0 if self._outbox is None else self._from_outbox().size

    def _from_outbox(self) -> OutboxReceiver:
        assert self._outbox is not None
        if self._deliveries is None:
            self._deliveries = outbox_receiver_of(self._store, self._outbox)
        return self._deliveries

    def _take_delivery(self, delivery: Delivery) -> None:
        if delivery.log != self._outbox:
            raise RemoteProtocolError(f"a delivery of outbox {delivery.log.hex()}, which is not this home's")
        receiver = self._from_outbox()
        if self.owes:
            return
        if delivery.push.start > receiver.size:
            self.early.add(delivery.log)
            return
        taken, answers = take_delivery(self._store, receiver, delivery)
        self.taken += taken
        self._note_unreadable(delivery.log, answers)

    def _take_carry(self, log: bytes, push: Push) -> None:
        key = self._keys.get(log)
        if key is None:
            raise RemoteProtocolError(f"a piece of log {log.hex()}, which is not said to be this home's")
        held = self._store.size(log) if self._store.holds(log) else 0
        if push.start > held:
            self.early.add(log)
        elif log == self._store.log or push.end <= held:
            self._compare(log, key, push, held)
        else:
            self._append(log, key, push, held)

    def _append(self, log: bytes, key: bytes, push: Push, held: int) -> None:
        if log not in self._receivers:
            self._store.add_log(log, key, kin=True).result()
            self._receivers[log] = receiver_of(self._store, log, key)
        try:
            effects = self._receivers[log].receive(push, 0)
        except VerificationError:
            self._compare(log, key, push, held)
            return
        for effect in effects:
            if isinstance(effect, Append):
                self._store.append(effect.batch).result()
                self.taken += len(effect.batch.entries)
        self._note_unreadable(log, _said(effects))

    def _compare(self, log: bytes, key: bytes, push: Push, held: int) -> None:
        """Whether a piece says the same as what is here; raises Diverged where its signature proves another content."""
        verify_signature(key, checkpoint_text(origin(log), push.end, push.root), push.signature)
        if push.end <= held and self._store.root(log, push.end) == push.root:
            return
        streams = push.first_ordinal - 1 if push.streams else self._store.branch(log).streams
        find = partial(self._store.stream_ref, log)
        theirs = Receiver(log, key, self._store.frontier(log, push.start), streams, find)
        try:
            effects = theirs.receive(push, 0)
        except (VerificationError, RemoteProtocolError):
            if push.start == 0:
                raise  # nothing of ours is in it
            self.apart[log] = push.end
            return
        self._note_unreadable(log, _said(effects))
        for effect in effects:
            if isinstance(effect, Append):
                raise Diverged(log, self._parting(log, push.start, effect.batch.trees, held), push.end)

    def _parting(self, log: bytes, start: int, trees: list[bytes], held: int) -> int:
        """The size up to which both copies agree: leaves are the first of the nodes that they complete."""
        for seq, nodes in enumerate(trees[: held - start], start + 1):
            if self._store.leaf(log, seq) != nodes[:HASH_SIZE]:
                return seq - 1
        return held

    def _note_unreadable(self, log: bytes, answers: Sequence[object]) -> None:
        for answer in answers:
            if isinstance(answer, NoKey):
                self.unreadable.setdefault(log, set()).update(answer.ordinals)


def _said(effects: list[Effect]) -> list[object]:
    return [effect.message for effect in effects if isinstance(effect, Send)]
