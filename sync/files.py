"""`files.db`, precious: photographs and scans, apart from the entries that name them.

A file is stored as `file_form` says: sealed chunks under a key of its own, found by its name. It is *tied* to every
subject that it shows, and goes with the first of them that is erased. There is no `files.db` before the first file.

What is promised at each commit point:

* `add` answers when the whole file is on this disk; `begin` and `extend`, for a file that comes from a peer, when the
  manifest, or one more chunk, is. A power cut leaves what was answered, and the next offer goes on from there. What is
  not complete is shown to nobody.
* The file's key is in `keys.db` before the file is here. A cut between leaves a key that nobody uses.
* `destroy` writes zeros over the keys first (*a power cut behind it: nothing opens, and the next opening for writing
  goes on*), then takes chunks, ties and rows away in one transaction that also notes the names. Freed bytes are
  overwritten; the WAL is emptied by `erasure`, with the others.
* A destroyed name is known in both files, here and in `keys.db`. So whichever is put back from an older copy is brought
  in line at the next opening for writing, by the other one or by the ledger in the log.

How far the county holds a file is a note (`sent`) of what it answered; it may be asked again at any time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

import apsw

from sync import file_sql
from sync.cipher import MasterKey
from sync.database import Readers, create_database, open_database, try_empty_wal
from sync.errors import (
    FileUnknown,
    FolderError,
    KeyDestroyed,
    LogCorrupt,
    RemoteProtocolError,
    StaleVersion,
    SubjectErased,
)
from sync.file_form import (
    HASH_SIZE,
    Manifest,
    Sent,
    check_manifest,
    check_ties,
    chunk_hash,
    open_chunk,
    seal_file,
)
from sync.file_sql import StoredFile
from sync.keyring import Keyring
from sync.sealing import DoesNotOpen
from sync.small_file import sync_folder
from sync.writer import Head, Owner, Writer

T = TypeVar("T")
FILES_FILE: Final = "files.db"
APPLICATION_ID: Final = 0x4857464C  # "HWFL"
FORMAT: Final = 1
UNFINISHED_COUNT_MAX: Final = 16  # of one log, beyond which the oldest begins anew: a node may have erased it meanwhile


class StoredFiles:
    """The photographs and scans in a data folder, for reading. Safe to use from any thread."""

    def __init__(self, folder: Path, master: MasterKey, keyring: Keyring) -> None:
        self.path = folder / FILES_FILE
        self._master = master
        self._keyring = keyring
        self._read = Readers(lambda: open_database(self.path, master, APPLICATION_ID, FORMAT))

    def close(self) -> None:
        """Close the file."""
        self._read.close()

    def require_there(self) -> None:
        """Raise FolderError where `keys.db` knows of photographs and their file is lost."""
        if not self.path.exists() and self._keyring.has_file_keys():
            raise FolderError(f"{self.path} is missing, and photographs were kept here: put back a backup of it")

    def files_of(self, subject: bytes | None = None) -> list[StoredFile]:
        """All files in the order in which they came, or those tied to a subject; also incomplete ones."""
        if subject is None:
            return self._files("ORDER BY id")
        return self._files("WHERE id IN (SELECT file FROM tie WHERE subject=?) ORDER BY id", subject)

    def arrived_after(self, n: int, limit: int) -> list[tuple[int, StoredFile]]:
        """The files of peers in the order in which they were whole here, each with its number in that order."""
        if not self.path.exists():
            return []
        with self._read() as db:
            pairs = file_sql.arrived_after(db, n, limit)
            return [(at, found) for at, number in pairs for found in file_sql.files(db, "WHERE id=?", (number,))]

    def offered(self, file: StoredFile) -> file_sql.Offered | None:
        """A peer's file as its node offered it last; None where no such offer was kept."""
        with self._read() as db:
            return file_sql.offered(db, file.id)

    def coming(self) -> int:
        """How many numbers of hubs' shelves were not looked at yet here, as far as the hubs said."""
        if not self.path.exists():
            return 0
        with self._read() as db:
            return file_sql.coming(db)

    def shelf_mark(self, shelf: bytes) -> int:
        """Up to which number of a hub's shelf everything was looked at here."""
        if not self.path.exists():
            return 0
        with self._read() as db:
            return file_sql.shelf_mark(db, shelf)

    def after(self, number: int) -> StoredFile | None:
        """The file that came next behind this number of a file; None at the end."""
        return next(iter(self._files("WHERE id>? ORDER BY id LIMIT 1", number)), None)

    def waiting(self) -> list[bytes]:
        """The names of this node's files that the county does not hold yet, as far as it said."""
        return [f.name for f in self._files("WHERE sent=? ORDER BY id", Sent.WAITING)]

    def waiting_above(self, hub: bytes) -> list[tuple[bytes, bytes]]:
        """The logs and names of the peers' files that the hub above of this id does not hold yet, as far as it said."""
        if not self.path.exists():
            return []
        with self._read() as db:
            return file_sql.waiting_above(db, hub)

    def count(self) -> tuple[int, int]:
        """How many files are here whole, and how many of this node's the county does not hold yet."""
        if not self.path.exists():
            return 0, 0
        complete = f"SELECT count(*) FROM file WHERE held * {HASH_SIZE} = length(hashes)"  # noqa: S608 -- a number
        with self._read() as db:
            waiting = db.execute("SELECT count(*) FROM file WHERE sent=?", (Sent.WAITING,)).get
            return db.execute(complete).get, waiting

    def find(self, name: bytes) -> StoredFile | None:
        """A file by its name."""
        return next(iter(self._files("WHERE name=?", name)), None)

    def subjects(self, file: StoredFile) -> list[bytes]:
        """Whom a file shows."""
        with self._read() as db:
            return [
                bytes(s) for (s,) in db.execute("SELECT subject FROM tie WHERE file=? ORDER BY subject", (file.id,))
            ]

    def chunk(self, file: StoredFile, number: int) -> bytes:
        """A sealed chunk, compared with its hash; raises LogCorrupt, or KeyDestroyed if it was erased meanwhile."""
        with self._read() as db:
            sealed = db.execute("SELECT sealed FROM chunk WHERE id=?", (file.id << file_sql.CHUNK_SHIFT | number,)).get
        if sealed is not None and chunk_hash(sealed) == file.manifest.hashes[number]:
            return bytes(sealed)
        self._keyring.file_key(file.name)
        what = "missing" if sealed is None else "not what it was when it came"
        raise LogCorrupt(f"{self.path}: of file {file.name.hex()} chunk {number + 1} is {what}")

    def key(self, file: StoredFile) -> bytes:
        """The key that opens a file, which is the one that its name commits to."""
        key = self._keyring.file_key(file.name)
        if file.manifest.name(key) != file.name:
            raise LogCorrupt(f"{self.path}: what it says of file {file.name.hex()} does not give this name")
        return key

    def read(self, name: bytes) -> tuple[str, bytes]:
        """A file's media type and content. Raises FileUnknown, KeyDestroyed, LogCorrupt."""
        file = self.find(name)
        if file is None and name in self._keyring.destroyed_files():
            raise KeyDestroyed("this photograph was erased here, with somebody whom it shows")
        if file is None:
            raise FileUnknown(f"no photograph {name.hex()} is here")
        if not file.complete:
            raise FileUnknown(f"photograph {name.hex()} has not arrived whole yet")
        return file.manifest.media, self.content(file)

    def content(self, file: StoredFile) -> bytes:
        """What the chunks that are here hold, every one of them compared and opened."""
        key, count = self.key(file), len(file.manifest.hashes)
        try:
            parts = [open_chunk(key, n, count, self.chunk(file, n)) for n in range(file.held)]
        except DoesNotOpen as error:
            raise LogCorrupt(f"{self.path}: of file {file.name.hex()} {error}") from None
        content = b"".join(parts)
        if file.complete and len(content) != file.manifest.size:
            raise LogCorrupt(f"{self.path}: file {file.name.hex()} is {len(content)} bytes, not {file.manifest.size}")
        return content

    def _files(self, where: str, *bindings: bytes | int) -> list[StoredFile]:
        if not self.path.exists():
            return []
        with self._read() as db:
            return file_sql.files(db, where, bindings)


class Files(StoredFiles):
    """The same for the one process that holds the folder's lock."""

    def __init__(
        self,
        folder: Path,
        master: MasterKey,
        keyring: Keyring,
        is_erased: Callable[[bytes], bool],
        make_room: Callable[[], bool],
    ) -> None:
        super().__init__(folder, master, keyring)
        self._is_erased = is_erased
        self._make_room = make_room
        self._lock = threading.Lock()
        self._writer: Writer | None = None

    def close(self) -> None:
        """Finish what was asked and close the file."""
        if self._writer is not None:
            self._writer.close()
        super().close()

    def add(self, log: bytes, content: bytes, media: str, subjects: Collection[bytes], now_ms: int) -> bytes:
        """Take in a whole file of this node that shows these subjects, durably; its name. Raises SubjectErased."""
        tied = tuple(subjects)
        check_ties(tied)
        self._refuse_erased(tied)
        manifest, key, chunks = seal_file(content, media)
        name = manifest.name(key)

        def work(db: apsw.Connection) -> bytes:
            self._refuse_erased(tied)
            number = file_sql.insert(db, name, log, manifest, now_ms, Sent.WAITING)
            for n, sealed in enumerate(chunks):
                file_sql.add_chunk(db, number, n, sealed)
            file_sql.tie(db, number, tied)
            return name

        writer = self._writing()
        self._keyring.add_file_key(name, key)
        return writer.submit(work).result()

    def begin(
        self,
        log: bytes,
        manifest: Manifest,
        key: bytes,
        subjects: Collection[bytes],
        now_ms: int,
        signature: bytes | None = None,
    ) -> int:
        """Begin, or go on, to hold a peer's file; how many of its chunks are here, durably.

        `signature`: the log's, on this offer; kept, so that the file can be offered on.
        Raises KeyDestroyed if the file, or SubjectErased if somebody whom it shows, was erased here; then nothing of
        it is kept any more. Raises RemoteProtocolError for what is no file, and for too many unfinished ones.
        """
        tied = tuple(subjects)
        check_manifest(manifest)
        check_ties(tied)
        name = manifest.name(key)

        def work(db: apsw.Connection) -> int:
            self._refuse_erased(tied)
            self._keyring.file_key(name)  # it may have been destroyed since
            found = file_sql.find(db, name)
            if found is None:
                file_sql.empty_unfinished(db, log, UNFINISHED_COUNT_MAX - 1)
            number = found.id if found else file_sql.insert(db, name, log, manifest, now_ms, Sent.HELD)
            file_sql.tie(db, number, tied)
            if signature is not None:
                file_sql.put_offer(db, number, log, tied, signature)
            return found.held if found else 0

        try:
            self._refuse_erased(tied)
            writer = self._writing()
            self._keyring.add_file_key(name, key)
            return writer.submit(work).result()
        except SubjectErased:
            self.destroy((), [name])
            raise

    def extend(self, name: bytes, number: int, sealed: bytes) -> int:
        """Keep the next chunk of a peer's file; how many are here now, durably. A repeat changes nothing.

        Raises KeyDestroyed if the file was erased meanwhile, StaleVersion for a chunk behind a gap, and
        RemoteProtocolError for one that does not open.
        """

        def work(db: apsw.Connection) -> int:
            file = file_sql.find(db, name)
            if file is None:
                raise KeyDestroyed("this photograph was erased here while it came")
            if number < file.held:
                return file.held
            if number > file.held or file.complete or chunk_hash(sealed) != file.manifest.hashes[number]:
                raise StaleVersion(f"chunk {file.held + 1} of file {name.hex()} is next, not this one")
            try:
                open_chunk(self._keyring.file_key(name), number, len(file.manifest.hashes), sealed)
            except DoesNotOpen as error:
                raise RemoteProtocolError(f"of file {name.hex()} {error} under the key it was offered with") from None
            file_sql.add_chunk(db, file.id, number, sealed)
            if number + 1 == len(file.manifest.hashes):
                file_sql.note_arrived(db, file.id)
            return number + 1

        return self._writing().submit(work).result()

    def note_sent(self, name: bytes, sent: Sent) -> None:
        """Keep what the county answered about a file."""
        self._writing().submit(lambda db: file_sql.set_sent(db, name, sent)).result()

    def note_above(self, name: bytes, hub: bytes) -> None:
        """Keep that the hub above holds a peer's file, or will never take it."""
        self._writing().submit(lambda db: file_sql.note_above(db, name, hub)).result()

    def forget_above(self, hub: bytes) -> None:
        """Offer the hub above all peers' files again: it has lost some. What it holds is not sent twice."""
        if self.path.exists():
            self._writing().submit(lambda db: file_sql.forget_above(db, hub)).result()

    def note_shelf(self, shelf: bytes, number: int, told: int) -> None:
        """Keep how far a hub's shelf was looked at, of so many numbers."""
        self._writing().submit(lambda db: file_sql.put_shelf_mark(db, shelf, number, told)).result()

    def offer_again(self, log: bytes) -> None:
        """Offer all files of a log again: the county may have lost some. What it holds is not sent twice."""
        if self.path.exists():
            self._writing().submit(lambda db: file_sql.set_waiting(db, log)).result()

    def destroy(self, subjects: Iterable[bytes], names: Iterable[bytes] = ()) -> int:
        """Destroy for ever the files of these names and those tied to these subjects; how many were here."""
        names = set(names)
        if not self.path.exists() and not names:
            return 0
        writer = self._writing()
        # Asked of the writer: what was taken in before is seen here, what comes from now on is refused.
        tied = writer.submit(lambda db: {n for s in set(subjects) for n in file_sql.tied_to(db, s)}).result()
        self._keyring.destroy_files(names | tied)
        return writer.submit(lambda db: file_sql.take_away(db, names | tied)).result()

    def apply_ledger(self, erased: Iterable[bytes]) -> bool:
        """Destroy again what an older copy brought back, and finish what a power cut left; whether there was any."""
        self.require_there()
        known = self._keyring.destroyed_files()
        if not self.path.exists():
            return False
        with self._read() as db:
            noted = {bytes(name) for (name,) in db.execute("SELECT name FROM destroyed")}
            tied = {name for subject in erased for name in file_sql.tied_to(db, subject)}
        if tied or known != noted:
            self.destroy((), tied | (known ^ noted))
        return bool(tied or known != noted)

    def try_empty_wal(self) -> bool:
        """Leave no old page behind in the WAL; False while others read one."""
        if not self.path.exists():
            return True
        with self._read() as db:
            db.execute("PRAGMA query_only=OFF")
            try:
                return try_empty_wal(db)
            finally:
                db.execute("PRAGMA query_only=ON")

    def _refuse_erased(self, subjects: Iterable[bytes]) -> None:
        if any(self._is_erased(subject) for subject in subjects):
            raise SubjectErased("somebody whom this photograph shows was erased here: it is not taken in")

    def _writing(self) -> Writer:
        with self._lock:
            if self._writer is None:
                if not self.path.exists():
                    _create(self.path, self._master)
                with closing(self._open()) as db:
                    db.execute(file_sql.ADDED)
                owner = Owner(
                    open=self._open,
                    position=lambda: 0,
                    head=lambda db: Head(0, file_sql.marks(db)),
                    mark=file_sql.mark,
                    rolled_back=lambda _: None,
                    committed=lambda: None,
                    make_room=self._make_room,
                )
                self._writer = Writer(self._open(), str(self.path), owner)
            return self._writer

    def _open(self) -> apsw.Connection:
        return open_database(self.path, self._master, APPLICATION_ID, FORMAT)


def _create(path: Path, master: MasterKey) -> None:
    """Make the file, whole or not at all."""
    making = path.with_name(path.name + ".making")
    for suffix in ("", "-wal", "-shm"):
        making.with_name(making.name + suffix).unlink(missing_ok=True)
    create_database(making, master, APPLICATION_ID, FORMAT, file_sql.SCHEMA).close()  # folds the WAL in
    making.replace(path)
    sync_folder(path.parent)
