"""Photographs and scans that come down by hand: a home takes them from an answer; `shelf` has the theory.

Each photograph is a group of messages that stands alone, so groups may come twice, late and in any order:

    Follow(shelf, number)         what is in this group is all that there is behind this number …
    Bring(number, key, offer)     … the next photograph, under the signature of its own node
    Chunk(number, sealed) …       what the home does not hold of it, as far as the hub knows
    Took(shelf, number)           … up to this number

A home moves its number where a group begins at or before it and the photograph is whole here, or declined. A group that
begins behind it came too early and is left; the next bundle says the number, and what is here of a photograph that is
not whole. *Killed anywhere, the stick is taken again: what is here of a photograph is on the disk, chunk by chunk.*
"""

from __future__ import annotations

from sync.entry import log_id
from sync.errors import RemoteProtocolError, StaleVersion
from sync.file_keeping import keep
from sync.file_transfer import FileReceiver
from sync.messages import Bring, Chunk, Declined, Follow, Holds, Message, Offer, Took
from sync.shelf import shelf_id
from sync.store import Store
from sync.stored_log import StoredLog


def held_of(store: StoredLog, outbox: bytes) -> list[Message]:
    """What a home says in a bundle of the shelf beside its outbox; nothing where nothing came of it yet."""
    mark = store.files.shelf_mark(outbox)
    begun = [file for file in store.files.files_of() if not file.complete]
    said: list[Message] = [Follow(shelf_id(outbox), mark)] if mark else []
    return [*said, *(Holds(file.name, file.held) for file in begun)]


class ShelfTaking:
    """Takes the photographs of one answer in."""

    def __init__(self, store: Store, outbox: bytes, told: int, clock_ms: int) -> None:
        """`told`: how many numbers the hub says that the shelf has; `clock_ms`: its clock."""
        self.taken = 0  # photographs that are whole here by this answer
        self.is_early = False
        self._store, self._outbox, self._told, self._clock_ms = store, outbox, told, clock_ms
        self._mark = store.files.shelf_mark(outbox)
        self._is_open = False  # whether a group is under way that begins where nothing is missing
        self._receiver: FileReceiver | None = None
        self._log, self._number = b"", 0
        self._was_whole = False  # the photograph at hand
        self._last: Holds | Declined | None = None  # what is to be said of the photograph at hand
        if told > self._mark:  # so that people see that something is still to come
            store.files.note_shelf(outbox, self._mark, told)

    @property
    def left(self) -> int:
        """How many numbers were not looked at yet."""
        return max(0, self._told - self._mark)

    def take(self, message: Follow | Bring | Chunk | Took) -> None:
        """Take the next message, durably; raises RemoteProtocolError or VerificationError for what is wrong."""
        match message:
            case Follow(log, number):
                self._require_own(log)
                self._is_open = number <= self._mark
                self.is_early |= not self._is_open
                self._receiver = self._last = None
            case Took(log, number):
                self._require_own(log)
                if self._is_open and self._is_settled():
                    self._note(number)
                self._is_open = False
            case _ if not self._is_open:
                return
            case Bring(number, public_key, offer):
                self._number = number
                self._log = log_id(public_key)
                self._receiver = FileReceiver(self._log, public_key)
                self._keep(offer)
            case Chunk():
                if not isinstance(self._last, Declined):
                    self._keep(message)

    def _require_own(self, log: bytes) -> None:
        if log != shelf_id(self._outbox):
            raise RemoteProtocolError("photographs of a shelf that is not this home's")

    def _is_settled(self) -> bool:
        """Whether the photograph at hand, if there is one, needs nothing more."""
        if self._last is None or isinstance(self._last, Declined):
            return True
        file = self._store.files.find(self._last.name)
        return file is None or file.complete

    def _keep(self, message: Offer | Chunk) -> None:
        if self._receiver is None:
            raise RemoteProtocolError("a chunk of a photograph that was not brought")
        for effect in self._receiver.receive(message):
            try:
                self._last = keep(self._store.files, self._log, effect, self._clock_ms)
            except StaleVersion as error:
                raise RemoteProtocolError(str(error)) from None
        is_whole = isinstance(self._last, Holds) and self._is_settled()
        self.taken += isinstance(message, Chunk) and is_whole and not self._was_whole
        self._was_whole = is_whole
        if self._is_settled():
            self._note(self._number)

    def _note(self, number: int) -> None:
        if number <= self._mark:
            return
        self._mark = number
        self._store.files.note_shelf(self._outbox, number, max(self._told, number))
