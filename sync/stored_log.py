"""Reading a node's log: entries in every order that somebody needs them, and proofs at any past size.

Safe to use from any thread and beside the process that writes. What is read is what is committed; a caller that needs
two readings to agree makes them in one `reading`. Bodies are opened here, on their way out. What was erased has no
body; nor has, for whoever reads entries, what was damaged on this disk and does not open any more: one bad sector must
not keep everybody from all the rest. It is noted, and told (`damage`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import apsw

from sync import damage, files, keyring, log_schema, log_sql
from sync.batch import Entry, SignedSize, StreamRef
from sync.cipher import MasterKey
from sync.database import Readers, one_state, open_database, require_sound
from sync.entry import derive, origin
from sync.errors import FolderError, KeyDestroyed, LocalProtocolError, LogCorrupt
from sync.files import FILES_FILE, StoredFiles
from sync.keyring import Keyring
from sync.log_schema import LOG_FILE, STREAM_SHIFT, Branch, Kind, Row, lost_stream
from sync.merkle import Frontier, consistency_proof, frontier_numbers, inclusion_proof, node_number, root_at
from sync.note import Signer, checkpoint_text, cosign, sign
from sync.sealing import DoesNotOpen, Seal, open_body
from sync.slots import unlock

T = TypeVar("T")
KEYS_FILE: Final = "keys.db"
APPLICATION_IDS: Final = {
    LOG_FILE: log_schema.APPLICATION_ID,
    FILES_FILE: files.APPLICATION_ID,
    KEYS_FILE: keyring.APPLICATION_ID,
}
SCAN_COUNT: Final = 2000
SEALS_CACHED_MAX: Final = 8192  # of 2 kB each


def precious_files(folder: Path) -> dict[str, int]:
    """The databases of a folder by name, in the order in which a backup copies them, with their application ids."""
    return {name: kind for name, kind in APPLICATION_IDS.items() if name != FILES_FILE or (folder / name).exists()}


def open_log(path: Path, master: MasterKey) -> apsw.Connection:
    """A connection to `log.db`; raises as `open_database` does."""
    return open_database(
        path, master, log_schema.APPLICATION_ID, log_schema.FORMAT, oldest_format=log_schema.OLDEST_FORMAT
    )


class StreamSeal(NamedTuple):
    """What opens and proves the bodies of a stream: its log, its name, and the keys unless they were destroyed."""

    log: bytes
    name: bytes
    key: Seal | None
    salt: bytes


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
        self._read = Readers(lambda: open_log(path, master))
        with self._read() as db:
            found = log_sql.branches(db)
        self.keyring = Keyring.open(folder / KEYS_FILE, master)
        self.files = StoredFiles(folder, master, self.keyring)
        own = [branch for branch in found if branch.own]
        if not own:
            raise LogCorrupt(f"{path} names no log of its own: put back a backup")
        self._log_of = {branch.id: branch.log for branch in found}  # lost ones too
        self._live = {branch.log: branch.id for branch in found if branch.leads}
        self._seals: dict[int, StreamSeal] = {}  # by the stream's local number
        self.unreadable: dict[tuple[bytes, int], str] = {}  # content that was met damaged, by log and seq, and why
        self.sound_until: dict[bytes, int] = {}  # logs, and outboxes, found damaged behind this size: `EntryDamaged`
        self.identity: Signer = self.signer_of(own[0].log)  # a hub's name for ever, whichever log it writes
        self._write_as(own[-1].log)

    def _write_as(self, log: bytes) -> None:
        """This is the log that the node writes."""
        self.log = log
        self.signer = self.signer_of(log)

    def signer_of(self, log: bytes) -> Signer:
        """The signer of a log whose key is here; raises LogCorrupt otherwise."""
        return Signer(origin(log), self.keyring.log_seed(log))

    def has_key(self, log: bytes) -> bool:
        """Whether this node can sign for a log."""
        return any(branch.log == log and branch.own for branch in self.branches())

    def close(self) -> None:
        """Close the files."""
        self._read.close()
        self.files.close()
        self.keyring.close()

    def require_sound(self) -> None:
        """Read every page of all files, also those that no entry leads to; LogCorrupt if one is damaged."""
        for name, application_id in precious_files(self.folder).items():
            require_sound(self.folder / name, self.master, application_id)

    def reading(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run a reading of this package's modules on a pooled connection."""
        with self._read() as db:
            return work(db)

    def holds(self, log: bytes) -> bool:
        """Whether any branch holds this log."""
        try:
            self.branch_id(log)
        except LocalProtocolError:
            return False
        return True

    def know_branches(self) -> None:
        """Read again which logs are here. For the modules of this package only."""
        self._live = {branch.log: branch.id for branch in self.branches()}

    def branch_id(self, log: bytes) -> int:
        """This store's number for the branch of a log that counts."""
        if log not in self._live:
            self.know_branches()
        if log not in self._live:
            raise LocalProtocolError(f"log {log.hex()} is not held here")
        return self._live[log]

    def log_of(self, db: apsw.Connection, branch: int) -> bytes:
        """The log that a branch holds. For the modules of this package only."""
        if branch not in self._log_of:
            self._log_of = {branch.id: branch.log for branch in log_sql.branches(db)}
        if branch not in self._log_of:
            raise LogCorrupt(f"{self.folder / LOG_FILE} has entries of branch {branch}, but not the branch: run verify")
        return self._log_of[branch]

    def branches(self) -> list[Branch]:
        """The branch of each log that is read as that log, with its size on the disk now."""
        with self._read() as db:
            return [branch for branch in log_sql.branches(db) if branch.leads]

    def own_logs(self) -> list[bytes]:
        """The logs that this node writes or wrote, oldest first."""
        return [branch.log for branch in self.branches() if branch.own]

    def logs_in_part(self) -> set[bytes]:
        """The logs of other homes of which only some streams are here, through an outbox."""
        return {branch.log for branch in self.branches() if branch.kind == Kind.PART}

    def size(self, log: bytes) -> int:
        """How many entries of a log are stored, durably."""
        return self.branch(log).size

    def branch(self, log: bytes) -> Branch:
        """The branch that holds a log, with its size on the disk now; LocalProtocolError if none does."""
        number = self.branch_id(log)
        with self._read() as db:
            (found,) = log_sql.branches(db, number)
        return found

    def position(self) -> int:
        """The newest entry's position."""
        with self._read() as db:
            return log_sql.last_position(db)

    def type_names(self) -> dict[int, str]:
        """The interned type names by their local number."""
        with self._read() as db:
            return {number: name for name, number in log_sql.types(db).items()}

    def open_row(self, row: Row, log: bytes, seal: StreamSeal) -> bytes | None:
        """The body of an entry of a log; None once erased. For the modules of this package only."""
        if row.body is None or seal.key is None:
            return None
        return open_body(seal.key, log, row.seq, seal.name, row.commitment, row.body)

    def seal_of(self, db: apsw.Connection, stream: int) -> StreamSeal:
        """The seal of a stream that is committed, at hand the next time. For the modules of this package only."""
        seals = self._seals  # an erasure meanwhile puts another in its place
        seal = seals.get(stream) or self.find_seal(db, stream)
        if seal.key is None or stream in seals:
            return seal
        if len(seals) >= SEALS_CACHED_MAX:
            seals.clear()
        seals[stream] = seal
        return seal

    def find_seal(self, db: apsw.Connection, stream: int) -> StreamSeal:
        """The seal of a stream, which need not be committed. For the modules of this package only."""
        found = log_sql.stream_seal(db, stream)
        if found is None:
            raise lost_stream(self.folder, stream, self.log_of(db, stream >> STREAM_SHIFT))
        name, number = found
        log = self.log_of(db, stream >> STREAM_SHIFT)
        try:
            keys = derive(self.keyring.stream_key(number))
        except KeyDestroyed:
            return StreamSeal(log, name, None, b"")
        return StreamSeal(log, name, Seal(keys.seal), keys.salt)

    def note_unreadable(self, log: bytes, seq: int, why: str) -> None:
        """The content of an entry was met damaged."""
        self.unreadable[log, seq] = why

    def opened_rows(self, db: apsw.Connection, rows: Iterable[Row]) -> list[Row]:
        """Rows as they are stored and committed, with their bodies opened. For the modules of this package only."""
        opened = []
        for row in rows:
            seal = self.seal_of(db, row.stream)
            try:
                body = self.open_row(row, seal.log, seal)
            except DoesNotOpen:
                body = None
                self.note_unreadable(seal.log, row.seq, damage.DOES_NOT_OPEN)
            opened.append(Row._make((*row[:-1], body)))
        return opened

    def check_content(self, entry: Entry) -> None:
        """Note content that opens and is not what its header commits to."""
        place = self.reading(lambda db: damage.place_of(self, db, entry.log, entry.seq))
        if entry.packed is not None and damage.is_lacking(place, entry.log):
            self.note_unreadable(entry.log, entry.seq, damage.WRONG)

    def forget_seals(self) -> None:
        """Forget keys that are at hand: some were destroyed."""
        self._seals = {}
        derive.cache_clear()

    def stream_ref(self, log: bytes, ordinal: int) -> StreamRef | None:
        """What a receiver must know of a stream of a log; None if it has not begun."""
        number = (self.branch_id(log) << STREAM_SHIFT) + ordinal
        with self._read() as db:
            stream = log_sql.stream_by_id(db, number)
        if stream is None:
            return None
        try:
            return StreamRef(stream.name, stream.subject, derive(self.keyring.stream_key(stream.key)).salt)
        except KeyDestroyed:
            return StreamRef(stream.name, None, None)

    def entries_after(self, position: int, limit: int = SCAN_COUNT) -> list[Entry]:
        """Entries in the order of their arrival."""
        with self._read() as db, one_state(db):
            return self.opened(db, log_sql.bodies_after(db, position, limit))

    def seen(self, subject: bytes) -> dict[bytes, int]:
        """The deps of an author who looks at a subject now: other logs' last entries, where they came after our own."""
        if len(self._live) == 1:  # the ordinary node, which asks this for every line of an import
            return {}
        with self._read() as db:
            streams = log_sql.live_streams_of_subject(db, subject)
            rows = {stream.id >> STREAM_SHIFT: self._newest_readable(db, stream.head) for stream in streams}
            mine = rows.pop(self.branch_id(self.log), None)
            since = mine.position if mine else 0
            return {self.log_of(db, number): row.seq for number, row in rows.items() if row and row.position > since}

    def _newest_readable(self, db: apsw.Connection, position: int | None) -> Row | None:
        """A stream's last entry that has content here: nobody has seen what nobody can read."""
        row = log_sql.entry_at(db, position or 0)
        while row is not None and self.opened_rows(db, [row])[0].body is None:
            row = log_sql.entry_at(db, row.prev or 0)
        return row

    def lost_entries_of_subject(self, subject: bytes) -> list[Entry]:
        """What was set aside of a subject's streams, oldest first; each was recorded again, unless it was erased."""
        with self._read() as db, one_state(db):
            lost = {branch.id for branch in log_sql.branches(db) if branch.lost}
            streams = [s for s in log_sql.streams_of_subject(db, subject) if s.id >> STREAM_SHIFT in lost]
            rows = [row for s in streams for row in log_sql.chain(db, s.head) if row.branch in lost]
            places = {row.position: row for row in rows}  # lost branches may share what they both set aside
            bodies = [(row.position, row.seq, row.stream, row.commitment, row.body) for row in places.values()]
            return self.opened(db, sorted(bodies))

    def opened(self, db: apsw.Connection, rows: Iterable[log_sql.Body]) -> list[Entry]:
        """Rows as entries; the way of everything that is read, so nothing in it is looked up twice."""
        seals, seal_of = self._seals, self.seal_of
        entries: list[Entry] = []
        add = entries.append
        for position, seq, stream, committed, sealed in rows:
            log, name, key, _ = seals.get(stream) or seal_of(db, stream)
            try:
                packed = None if sealed is None or key is None else open_body(key, log, seq, name, committed, sealed)
            except DoesNotOpen:
                packed = None
                self.note_unreadable(log, seq, damage.DOES_NOT_OPEN)
            add(Entry(position, log, seq, committed, packed))
        return entries

    def entries_of_subject(self, subject: bytes, until: int | None = None) -> list[Entry]:
        """Every log's entries about a subject, each stream in its own order; those up to a position, if it is given."""
        with self._read() as db, one_state(db):
            last = log_sql.entry_at(db, until) if until else None  # most who ask for a subject ask as of an entry of it
            heads = {s.id: s.head for s in log_sql.live_streams_of_subject(db, subject)}
            if last is not None and last.stream in heads:
                heads[last.stream] = until  # what came after it in its stream is not even looked at
            chains = [log_sql.chain_bodies(db, head) for head in heads.values()]
            rows = (row for newest_first in chains for row in reversed(newest_first))
            return self.opened(db, rows if until is None else (row for row in rows if row[0] <= until))

    def version_of(self, subject: bytes) -> int:
        """The version of the own stream about a subject, for a draft's `expect`; 0 where none has begun."""
        with self._read() as db:
            stream = log_sql.stream_of_subject(db, subject, self.branch_id(self.log))
        return 0 if stream is None else stream.version

    def first_entry(self, log: bytes) -> Entry | None:
        """What a log begins with, if it has begun."""
        branch = self.branch_id(log)
        with self._read() as db:
            return next(iter(self.opened(db, log_sql.bodies_of_branch(db, branch, 1, 1))), None)

    def entries_of_log(self, log: bytes, after_seq: int = 0) -> Iterator[Entry]:
        """A log's entries in their order, read in portions."""
        branch = self.branch_id(log)
        while True:
            with self._read() as db, one_state(db):
                entries = self.opened(db, log_sql.bodies_of_branch(db, branch, after_seq + 1, SCAN_COUNT))
            yield from entries
            if len(entries) < SCAN_COUNT:
                return
            after_seq = entries[-1].seq

    def load_frontier(self, db: apsw.Connection, branch: int, size: int) -> Frontier:
        """The tree's right edge at a past size of a branch. For the modules of this package only."""
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
            return self.load_frontier(db, branch, size)

    def root(self, log: bytes, size: int) -> bytes:
        """The root at a past size of a log."""
        branch = self.branch_id(log)
        with self._read() as db:
            return root_at(size, lambda number: self._node(db, branch, number))

    def leaf(self, log: bytes, seq: int) -> bytes:
        """The leaf hash of an entry of a log."""
        branch = self.branch_id(log)
        with self._read() as db:
            return self._node(db, branch, node_number(0, seq - 1))

    def inclusion_proof(self, log: bytes, seq: int, size: int) -> list[bytes]:
        """Prove that entry `seq` is in the log as it was at a size; see `merkle.verify_inclusion`."""
        branch = self.branch_id(log)
        with self._read() as db:
            return inclusion_proof(seq - 1, self._held(db, branch, size), lambda n: self._node(db, branch, n))

    def consistency_proof(self, log: bytes, old: int, new: int) -> list[bytes]:
        """Prove that the log at size `new` continues the log at size `old`; see `merkle.verify_consistency`."""
        branch = self.branch_id(log)
        with self._read() as db:
            return consistency_proof(old, self._held(db, branch, new), lambda n: self._node(db, branch, n))

    def _held(self, db: apsw.Connection, branch: int, size: int) -> int:
        held = next(b.size for b in log_sql.branches(db) if b.id == branch)
        if size > held:
            raise LocalProtocolError(f"{held} entries are held, a proof was asked at size {size}")
        return size

    def sign(self, size: int, log: bytes | None = None) -> SignedSize:
        """This node's own log at a size, signed; of a log whose key is elsewhere, what its key has signed."""
        log = log or self.log
        if log == self.log or self.has_key(log):
            root = self.root(log, size)
            return SignedSize(size, root, sign(self.signer_of(log), checkpoint_text(origin(log), size, root)), None)
        branch = self.branch_id(log)
        for kept in self.reading(lambda db: log_sql.checkpoints(db, branch, size - 1, size)):
            return kept._replace(receipt=None)
        raise LocalProtocolError(f"log {log.hex()} is not signed at {size} entries")

    def receipt(self, log: bytes, size: int, root: bytes, timestamp_s: int) -> bytes:
        """This node's cosignature (72 bytes) on a checkpoint of a peer's log, whose entries it holds durably."""
        return cosign(self.identity, checkpoint_text(origin(log), size, root), timestamp_s)

    def last_checkpoint(self, log: bytes, with_receipt: bool = False) -> SignedSize | None:
        """The largest signed size of a log, or the largest with a receipt."""
        branch = self.branch_id(log)
        return self.reading(lambda db: log_sql.last_checkpoint(db, branch, with_receipt))
