"""A disk after a power cut: does the folder open, and is what it holds exactly one of the states that it may hold?

An image is opened by the store's own code, on the ordinary VFS. What must hold, whichever cut it was:

1. It opens. Only while the folder is being made may it be refused instead, by an error of ours.
2. SQLite finds both files sound (`integrity_check`: pages, indexes against tables).
3. The log's rows are, byte for byte, the rows of one state that the store was in, each of which was compared with a
   model when it was recorded. So nothing is half there, nothing doubled, nothing that was refused, no position missing.
4. That state is not older than the newest acknowledged step, nor newer than the newest that was asked for.
5. Every stream that the log names has its key in keys.db, and it is the key that was made for it.
6. `verify` finds nothing: bodies, commitments, chains, heads, sizes, tree. As it depends on nothing but the rows, it
   runs once for each state and for everything that is none.
7. For some images: writing goes on, and the next entry has the next seq.

Where the rows are none of the recorded states, the finding says how many of which there are.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from sync import verify
from sync.batch import Draft
from sync.errors import SyncError
from sync.store import Store
from sync.stored_log import StoredLog
from tests.crash.contents import Tables, digest_of, keys_of, tables_of
from tests.crash.disk import Files, Image
from tests.crash.workload import Run

WRITE_ON_EVERY: Final = 16  # images
Key = frozenset[tuple[str, int, int]]


class Opened(NamedTuple):
    """What an image holds: the digest of its log, or why it could not be opened, or what is wrong with it anyway."""

    digest: bytes | None
    refused: str
    wrong: str
    rows: str = ""


class Checker:
    """Opens the images of one run. The same image is opened once, whatever is asked of it later."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._folder = folder
        self._keys = run.keys
        self._slots = run.slots
        self._first: dict[bytes, int] = {}
        self._last: dict[bytes, int] = {}
        for step, digest in enumerate(run.states):
            self._first.setdefault(digest, step)
            self._last[digest] = step
        self._opened: dict[Key, Opened] = {}
        self._verified: dict[bytes, str] = {}
        self._keys_found: dict[tuple[Key, bytes], str] = {}
        self.opened_count = 0

    def finding(self, image: Image) -> str:
        """What is wrong with an image; empty if nothing is."""
        key = _key(image.files)
        opened = self._opened.get(key)
        if opened is None:
            opened = self._opened[key] = self._open(image.files)
            self.opened_count += 1
        return self._judge(opened, image.answered, image.begun)

    def _judge(self, opened: Opened, answered: int, begun: int) -> str:
        if opened.refused:
            return "" if answered < 0 and not opened.wrong else f"does not open: {opened.refused}"
        if opened.wrong:
            return opened.wrong
        assert opened.digest is not None
        if opened.digest not in self._last:
            return "" if answered < 0 else f"holds what the store never held: {opened.rows}"
        if self._last[opened.digest] < answered:
            return f"step {answered} was acknowledged, only {self._last[opened.digest]} is there"
        if self._first[opened.digest] > begun:
            return f"holds step {self._first[opened.digest]}, asked for was {begun}"
        return ""

    def _open(self, files: Files) -> Opened:
        for path in self._folder.iterdir():
            path.unlink()
        for name, content in (files | self._slots).items():
            (self._folder / name).write_bytes(content)
        try:
            with closing(StoredLog(self._folder)) as stored:
                return self._look(stored, _key({n: c for n, c in files.items() if not n.startswith("log.db")}))
        except SyncError as error:
            return Opened(None, repr(error), "")
        except apsw.Error as error:
            return Opened(None, repr(error), "raised as SQLite said it")

    def _look(self, stored: StoredLog, others: Key) -> Opened:
        """Look at everything; what depends on nothing but what was seen before is not looked at again."""
        if (sound := stored.reading(_integrity)) != "ok":
            return Opened(None, "", f"log.db is damaged: {sound}")
        tables = tables_of(stored)
        digest = digest_of(tables)
        if (others, digest) not in self._keys_found:
            self._keys_found[others, digest] = self._look_at_keys(stored, tables)
        if digest not in self._verified:
            verdict = verify.verify(stored, None, lambda _: None)
            self._verified[digest] = "" if verdict.ok else f"does not verify: {verdict.first_bad}"
        wrong = self._keys_found[others, digest] or self._verified[digest]
        if not wrong and self.opened_count % WRITE_ON_EVERY == 0:
            wrong = self._write_on(tables)
        return Opened(digest, "", wrong, ", ".join(f"{len(rows)} {name}" for name, rows in tables.items()))

    def _look_at_keys(self, stored: StoredLog, tables: Tables) -> str:
        if (sound := _integrity(stored.keyring._db)) != "ok":
            return f"keys.db is damaged: {sound}"
        strange = [number for number, key in keys_of(stored, tables).items() if self._keys.get(number) != key]
        return f"has other stream keys {strange}" if strange else ""

    def _write_on(self, tables: Tables) -> str:
        """A node that starts on this disk records the next entry and one in a new stream."""
        with closing(Store(self._folder)) as store:
            size = store.size(store.log)
            drafts = [Draft("after/1", "li", bytes([n]) * 16, 1, {"n": n}) for n in (0, 255)]
            recorded = store.record(drafts).result(60)
            if [(r.seq, r.position) for r in recorded] != [
                (size + n, len(tables["entry"]) + n) for n in (1, 2)
            ] or not verify.verify(store, None, lambda _: None).ok:
                return f"does not go on: {recorded} after {size} entries"
        return ""


def _key(files: Files) -> Key:
    """Files by name, length and hash: 64 bits are enough to tell a few thousand images of one run apart."""
    return frozenset((name, len(content), hash(content)) for name, content in files.items())


def _integrity(db: apsw.Connection) -> str:
    found: str = db.execute("PRAGMA integrity_check(1)").get
    return found
