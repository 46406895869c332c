"""Reading a node's log: entries in every order that somebody needs them, and proofs at any past size.

Safe to use from any thread and beside the process that writes. What is read is what is committed; a caller that needs
two readings to agree makes them in one `reading`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import apsw

from sync import keyring, log_sql
from sync.batch import Entry, SignedSize
from sync.cipher import MasterKey
from sync.database import Readers, open_database, require_sound
from sync.entry import log_id, origin
from sync.errors import FolderError, LocalProtocolError, LogCorrupt
from sync.keyring import Keyring
from sync.log_sql import Branch
from sync.merkle import Frontier, frontier_numbers, root_at
from sync.note import SignedNote, Signer, checkpoint_text, cosign, note_with, sign, with_cosignature
from sync.slots import unlock

T = TypeVar("T")
LOG_FILE: Final = "log.db"
KEYS_FILE: Final = "keys.db"
APPLICATION_IDS: Final = {LOG_FILE: log_sql.APPLICATION_ID, KEYS_FILE: keyring.APPLICATION_ID}
SCAN_COUNT: Final = 2000


class StoredLog:
    """The entries, proofs and keys in a data folder, for reading."""

    def __init__(self, folder: Path, master: MasterKey | None = None) -> None:
        """Open an existing folder, without a master key by its key file.

        Raises FolderError, WrongKey, LogCorrupt or NewerFormat if that is not possible.
        """
        self.folder = folder
        path = folder / LOG_FILE
        if not path.exists():
            raise FolderError(f"{path} is missing")
        self.master = master = master or unlock(folder)
        self._read = Readers(lambda: open_database(path, master, log_sql.APPLICATION_ID, log_sql.FORMAT))
        found = self.branches()
        self.keyring = Keyring.open(folder / KEYS_FILE, master)
        own = [branch for branch in found if branch.own]
        if not own:
            raise LogCorrupt(f"{path} names no log of its own: put back a backup")
        self.log = own[-1].log
        self._own = own[-1].id
        self._log_of = {branch.id: branch.log for branch in found}
        self.signer = Signer(origin(self.log), self.keyring.log_seed(self.log))

    def close(self) -> None:
        """Close the files."""
        self._read.close()
        self.keyring.close()

    def require_sound(self) -> None:
        """Read every page of both files, also those that no entry leads to; LogCorrupt if one is damaged."""
        for name, application_id in APPLICATION_IDS.items():
            require_sound(self.folder / name, self.master, application_id)

    def reading(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run a reading of this package's modules on a pooled connection."""
        with self._read() as db:
            return work(db)

    def branch_id(self, log: bytes) -> int:
        """This store's number for the branch that holds a log."""
        for number, known in list(self._log_of.items()):
            if known == log:
                return number
        for branch in self.branches():
            if branch.log == log:
                self._log_of[branch.id] = log
                return branch.id
        raise LocalProtocolError(f"log {log.hex()} is not held here")

    def _logs(self, numbers: set[int]) -> dict[int, bytes]:
        """The logs by branch number, these surely among them."""
        if not numbers <= self._log_of.keys():
            self._log_of = {branch.id: branch.log for branch in self.branches()}
        return self._log_of

    def branches(self) -> list[Branch]:
        """All branches with their sizes on the disk now."""
        with self._read() as db:
            return log_sql.branches(db)

    def size(self, log: bytes) -> int:
        """How many entries of a log are stored, durably."""
        branch = self.branch_id(log)
        return next(b.size for b in self.branches() if b.id == branch)

    def position(self) -> int:
        """The newest entry's position."""
        with self._read() as db:
            return log_sql.last_position(db)

    def type_names(self) -> dict[int, str]:
        """The interned type names by their local number."""
        with self._read() as db:
            return {number: name for name, number in log_sql.types(db).items()}

    def entries_after(self, position: int, limit: int = SCAN_COUNT) -> list[Entry]:
        """Entries in the order of their arrival."""
        with self._read() as db:
            rows = log_sql.bodies_after(db, position, limit)
        logs = self._logs({row[1] for row in rows})
        return [Entry(at, logs[branch], seq, committed, body) for at, branch, seq, committed, body in rows]

    def entries_of_subject(self, subject: bytes) -> list[Entry]:
        """Every log's entries about a subject, each stream in its own order."""
        with self._read() as db:
            chains = [log_sql.chain(db, s.head) for s in log_sql.streams_of_subject(db, subject)]
        rows = [row for newest_first in chains for row in reversed(newest_first)]
        logs = self._logs({row.branch for row in rows})
        return [Entry(r.position, logs[r.branch], r.seq, r.commitment, r.body) for r in rows]

    def entries_of_log(self, log: bytes, after_seq: int = 0) -> Iterator[Entry]:
        """A log's entries in their order, read in portions."""
        branch = self.branch_id(log)
        while True:
            with self._read() as db:
                rows = log_sql.entries_of_branch(db, branch, after_seq + 1, SCAN_COUNT)
            for r in rows:
                yield Entry(r.position, log, r.seq, r.commitment, r.body)
            if len(rows) < SCAN_COUNT:
                return
            after_seq = rows[-1].seq

    def _load_frontier(self, db: apsw.Connection, branch: int, size: int) -> Frontier:
        return Frontier(size, tuple(self._node(db, branch, number) for number in frontier_numbers(size)))

    def _node(self, db: apsw.Connection, branch: int, number: int) -> bytes:
        found = log_sql.node_hash(db, branch, number)
        if found is None:
            raise LogCorrupt(f"{self.folder / LOG_FILE} lacks tree node {number} of branch {branch}: run verify")
        return found

    def frontier(self, log: bytes, size: int) -> Frontier:
        """The tree's right edge at a past size of a log."""
        branch = self.branch_id(log)
        with self._read() as db:
            return self._load_frontier(db, branch, size)

    def root(self, log: bytes, size: int) -> bytes:
        """The root at a past size of a log."""
        branch = self.branch_id(log)
        with self._read() as db:
            return root_at(size, lambda number: self._node(db, branch, number))

    def sign(self, size: int) -> SignedSize:
        """This node's own log at a size, signed."""
        root = self.root(self.log, size)
        return SignedSize(size, root, sign(self.signer, checkpoint_text(origin(self.log), size, root)), None)

    def receipt(self, log: bytes, size: int, root: bytes, timestamp_s: int) -> bytes:
        """This node's cosignature (72 bytes) on a checkpoint of a peer's log, whose entries it holds durably."""
        return cosign(self.signer, checkpoint_text(origin(log), size, root), timestamp_s)

    def last_checkpoint(self, log: bytes, with_receipt: bool = False) -> SignedSize | None:
        """The largest signed size of a log, or the largest with a receipt."""
        branch = self.branch_id(log)
        return self.reading(lambda db: log_sql.last_checkpoint(db, branch, with_receipt))

    def note(self, log: bytes, cosigner_key: bytes | None) -> SignedNote | None:
        """A log's last checkpoint as a C2SP signed note, with the receipt if its cosigner's public key is given."""
        signed = self.last_checkpoint(log)
        if signed is None:
            return None
        public_key = next(branch.public_key for branch in self.branches() if branch.log == log)
        note = note_with(
            checkpoint_text(origin(log), signed.size, signed.root), origin(log), public_key, signed.signature
        )
        if signed.receipt is None or cosigner_key is None:
            return note
        return with_cosignature(note, origin(log_id(cosigner_key)), cosigner_key, signed.receipt)

    def receipts_count(self, log: bytes) -> int:
        """How many signed sizes of a log have a receipt."""
        branch = self.branch_id(log)
        return self.reading(lambda db: log_sql.receipts_count(db, branch))
