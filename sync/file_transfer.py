"""Photographs and scans in an exchange, behind everything else; without sockets, clocks or files.

    node (FileSender)                                hub (FileReceiver)
    … Confirm for all entries     ------------>      … Receipt
    Offer(manifest, key, ties)    ------------>      verify, TakeOffer, then Holds(name, chunks that are here)
    Chunk(number, sealed) …       ------------>      verify, TakeChunk, then Holds(name, chunks)
                                                     or Declined(name, code): not taken; the next file goes on

It begins after the receipt that covers every entry, and ends as soon as a new entry waits. One file after the other;
the receiver says what it holds, so after a cut the next exchange offers the file again and goes on behind the last
chunk on the hub's disk: what a cut costs is what was on its way. A repeat of anything is recognised and answered.

An offer is signed by the log, and its name follows from what it says. So a chunk is verified by its hash alone, before
it is stored, and nobody but the node itself can bring files in its name. Keys travel in the offer as stream keys do in
pushes. `Declined` with the code `gone` says that the file, or somebody whom it shows, was erased there: it is never
offered again. With any other code it is offered in a later exchange.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from sync.errors import RemoteProtocolError, VerificationError
from sync.file_form import Manifest, Sent, chunk_hash, offer_text, sealed_size
from sync.messages import Chunk, Declined, Holds, Offer
from sync.note import verify_signature
from sync.replicator import Wait

FILES_COUNT_MAX: Final = 64  # of one exchange; the next one follows at once
CHUNKS_IN_FLIGHT_MAX: Final = 2  # 33 kB: at 600 bytes a second an answer still comes before the line counts as silent
GONE: Final = "gone"


class MakeOffer(NamedTuple):
    """Offer this file."""

    name: bytes


class ReadChunk(NamedTuple):
    """Read this chunk and send it."""

    name: bytes
    number: int


class KeepSent(NamedTuple):
    """Keep, durably, what the county answered about a file."""

    name: bytes
    sent: Sent


class TakeOffer(NamedTuple):
    """Keep what was offered, durably, then say how much of the file is here."""

    offer: Offer


class TakeChunk(NamedTuple):
    """Keep this chunk, durably, then say how much of the file is here."""

    chunk: Chunk


class FileSender:
    """The node's side: what to send next of the files that wait."""

    def __init__(self, waiting: Iterable[bytes]) -> None:
        names = list(waiting)
        self._waiting = deque(names[:FILES_COUNT_MAX])
        self._later = len(names) - len(self._waiting)
        self._over: set[bytes] = set()  # answers about these may still come
        self._chunks = self._held = self._cursor = 0
        self._offered = False
        self._answered = False
        self._stopped = False
        self.acknowledged = 0  # how many chunks came to the hub in this exchange
        self.put_off: list[bytes] = []  # files that could not be sent, or that the hub did not take, this time

    @property
    def current(self) -> bytes | None:
        """The file that is being sent."""
        return self._waiting[0] if self._waiting and self._offered else None

    @property
    def left(self) -> int:
        """How many files this exchange did not come to, or did not finish."""
        return len(self._waiting) + self._later

    @property
    def done(self) -> bool:
        """Whether this exchange is over as far as files go."""
        return not self._waiting or (self._stopped and not self._is_answer_due())

    def _is_answer_due(self) -> bool:
        return self._offered and (not self._answered or self._cursor > self._held)

    def stop(self) -> None:
        """Send no more: entries wait. What is on its way is still waited for."""
        self._stopped = True

    def next(self) -> Wait | MakeOffer | ReadChunk | None:
        """What to do now; None at the end."""
        if self.done:
            return None
        if self._stopped or (self._offered and not self._answered):
            return Wait()
        if not self._offered:
            return MakeOffer(self._waiting[0])
        if self._cursor < self._chunks and self._cursor - self._held < CHUNKS_IN_FLIGHT_MAX:
            return ReadChunk(self._waiting[0], self._cursor)
        return Wait()

    def offered(self, chunks: int) -> None:
        """The offer of the next file, which has so many chunks, is ready for the link."""
        self._offered, self._answered = True, False
        self._chunks, self._held, self._cursor = chunks, 0, 0

    def sent(self) -> None:
        """The chunk that was to be read is ready for the link."""
        self._cursor += 1

    def skip(self) -> None:
        """The file at hand cannot be sent now."""
        self.put_off.append(self._waiting[0])
        self._end_file()

    def _end_file(self) -> None:
        self._over.add(self._waiting.popleft())
        self._offered = False

    def receive(self, message: Holds | Declined) -> list[KeepSent]:
        """The hub answered about a file."""
        if message.name in self._over:
            return []
        if message.name != self.current:
            raise RemoteProtocolError("the hub speaks of a photograph that was not offered")
        match message:
            case Holds(name, chunks):
                return self._hear(name, chunks)
            case Declined(name, code, _) if code == GONE:
                self._end_file()
                return [KeepSent(name, Sent.DESTROYED)]
            case Declined():
                self.skip()
                return []

    def _hear(self, name: bytes, chunks: int) -> list[KeepSent]:
        if chunks > self._chunks or (self._answered and not self._held < chunks <= self._cursor):
            raise RemoteProtocolError(f"the hub says that it holds {chunks} of {self._chunks} chunks")
        if self._answered:
            self.acknowledged += chunks - self._held
            self._held = chunks
        else:
            self._answered, self._held, self._cursor = True, chunks, chunks
        if chunks < self._chunks:
            return []
        self._end_file()
        return [KeepSent(name, Sent.HELD)]


class FileReceiver:
    """The hub's side: verifies what a registered node's log offers."""

    def __init__(self, log: bytes, public_key: bytes) -> None:
        self._log = log
        self._public_key = public_key
        self._offered: dict[bytes, Manifest] = {}

    def receive(self, message: Offer | Chunk) -> list[TakeOffer | TakeChunk]:
        """The node said something. Raises RemoteProtocolError or VerificationError, with no effect, if it is wrong."""
        match message:
            case Offer():
                return [self._take_offer(message)]
            case Chunk():
                return [self._take_chunk(message)]

    def _take_offer(self, offer: Offer) -> TakeOffer:
        if len(self._offered) >= FILES_COUNT_MAX:
            raise RemoteProtocolError(f"an exchange carries at most {FILES_COUNT_MAX} photographs")
        verify_signature(self._public_key, offer_text(self._log, offer.name, offer.subjects), offer.signature)
        self._offered[offer.name] = offer.manifest
        return TakeOffer(offer)

    def _take_chunk(self, chunk: Chunk) -> TakeChunk:
        manifest = self._offered.get(chunk.name)
        if manifest is None or chunk.number >= len(manifest.hashes):
            raise RemoteProtocolError("a chunk of a photograph that was not offered")
        if len(chunk.sealed) != sealed_size(manifest, chunk.number):
            raise RemoteProtocolError(f"chunk {chunk.number + 1} has {len(chunk.sealed)} bytes, which is not its size")
        if chunk_hash(chunk.sealed) != manifest.hashes[chunk.number]:
            raise VerificationError(
                f"chunk {chunk.number + 1} of photograph {chunk.name.hex()} is not what was offered"
            )
        return TakeChunk(chunk)
