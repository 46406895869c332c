"""Photographs and scans on their way down, at the hub's end; without sockets. `shelf_fetching` is the home's.

A hub has a *shelf* for each home: a list of files by name, numbered from 1 and only ever appended to, beside the home's
outbox. So a home's state is one number, on its own disk beside the files: a restored folder has an older one, a new PC
none, and both go on from there. Who may have what is decided when a file is put on a shelf (at the hub's shell), and
once more when it is offered: a scope may have changed since. Numbers that are not offered are passed over.

    hub (ServedShelf)                                node
    OutboxAt(epoch, size, files)  ------------>      before a receipt
                                  <------------      Follow(shelf, number up to which all is here)
    Bring(number, key, offer)     ------------>      verify under the origin's key, then Holds(name, chunks) or Declined
    Chunk(number, sealed) …       ------------>      verify, store, then Holds
    Took(shelf, number)           ------------>      nothing is left up to this number

A Bring is the offer as the file's own node signed it: nobody but that node can say what belongs to a name and whom it
shows. Files go one after the other, decided by the same `FileSender` that sends them up, some in each exchange.

By hand nothing is answered: `by_hand` gives each file as a group of messages that stands alone (`shelf_taking`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import apsw

from sync import outbox_sql, shelf_sql
from sync.entry import log_id
from sync.errors import KeyDestroyed, LogCorrupt, RemoteProtocolError
from sync.file_keeping import brought_of, chunk_of
from sync.file_sql import StoredFile
from sync.file_transfer import FILES_COUNT_MAX, FileSender, MakeOffer, ReadChunk
from sync.messages import Bring, Chunk, Declined, Follow, Holds, Message, Took
from sync.stored_log import StoredLog

TAG: Final = b"homeward/shelf/1"
LOOKED_AT_MAX: Final = 1000  # numbers in one exchange


def shelf_id(outbox: bytes) -> bytes:
    """The id under which a home follows the shelf beside an outbox."""
    return hashlib.sha256(TAG + outbox).digest()[:16]


def size_of(store: StoredLog, outbox: bytes) -> int:
    """How many numbers the shelf beside an outbox has."""

    def work(db: apsw.Connection) -> int:
        found = outbox_sql.outbox(db, outbox)
        return shelf_sql.size(db, found.id) if found else 0

    return store.reading(work)


class ServedShelf:
    """The shelf of one node's home, in one exchange."""

    def __init__(self, store: StoredLog, outbox: bytes, may_have: Callable[[StoredFile], bool]) -> None:
        self.id = shelf_id(outbox)
        self._store = store
        self._outbox = outbox
        self._may_have = may_have
        self._sender = FileSender(())
        self._numbers: dict[bytes, int] = {}
        self._end: int | None = None  # up to which number this exchange looks
        self.is_followed = False

    def follow(self, asked: Follow) -> None:
        """The node has everything up to a number."""

        def work(db: apsw.Connection) -> list[shelf_sql.Shelved]:
            found = outbox_sql.outbox(db, self._outbox)
            return shelf_sql.after(db, found.id, asked.size, LOOKED_AT_MAX) if found else []

        self.is_followed = True
        self._numbers, self._end = {}, asked.size
        for n, name in self._store.reading(work):
            if len(self._numbers) >= FILES_COUNT_MAX:
                break
            self._end = n
            file = self._store.files.find(name)
            if file is not None and file.complete and name not in self._numbers and self._may_have(file):
                self._numbers[name] = n
        self._sender = FileSender(self._numbers)

    @property
    def may_bring(self) -> bool:
        """Whether something may be said about files now."""
        return self._end is not None and (self._sender.done or isinstance(self._sender.next(), MakeOffer | ReadChunk))

    def bring(self) -> Bring | Chunk | Took:
        """The next word; only where one may be said."""
        assert self._end is not None
        while (step := self._sender.next()) is not None:
            try:
                match step:
                    case MakeOffer(name):
                        brought = brought_of(self._store, name, self._numbers[name])
                        self._sender.offered(len(brought.offer.manifest.hashes))
                        return brought
                    case ReadChunk(name, number):
                        chunk = chunk_of(self._store, name, number)
                        self._sender.sent()
                        return chunk
            except (KeyDestroyed, LogCorrupt):  # erased or damaged meanwhile: the others go on
                self._sender.skip()
                continue
            break
        end, self._end = self._end, None
        return Took(self.id, end)

    def receive(self, message: Holds | Declined) -> None:
        """The node answered about a file that was brought."""
        if message.name not in self._numbers:
            raise RemoteProtocolError("the node speaks of a photograph that was not brought to it")
        self._sender.receive(message)


def by_hand(
    served: ServedShelf, number: int, size: int, partly: Mapping[bytes, int], node: bytes
) -> Iterator[list[Message]]:
    """What a stick brings to a home that has everything up to a number: a file at a time, in groups that stand alone.

    `partly`: what the home holds of files that are not whole there. Of a file that the home's own `node` offered it is
    brought the offer alone, for that node has it, unless it says otherwise.
    """
    while (start := number) < size:
        served.follow(Follow(served.id, number))
        group: list[Message] = []
        while not isinstance(said := served.bring(), Took):
            match said:
                case Bring(at, public_key, offer):
                    name, chunks = offer.name, len(offer.manifest.hashes)
                    is_there = log_id(public_key) == node and name not in partly
                    held = chunks if is_there else min(partly.get(name, 0), chunks)
                    group = [Follow(served.id, number), said]
                case Chunk(_, sent):
                    group.append(said)
                    held = sent + 1
            served.receive(Holds(name, held))
            if held == chunks:
                yield [*group, Took(served.id, at)]
                number = at
        if said.size > number:
            yield [Follow(served.id, number), said]
        if said.size == start:
            return
        number = said.size
