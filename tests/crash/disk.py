"""From what was asked of a disk, every disk that a power cut could leave behind.

The model, no kinder than a disk and its file system may be:

* A write is at risk until its file is synced. At risk means: it may be there, or not, or some of its sectors (512
  bytes) may be there, whatever happened to the writes around it. What was synced stays. Where a later write reached the
  disk and an earlier one did not, zeros lie between. A sector is old or new, never mixed with noise, and bytes next to
  those that were written do not change (SQLite assumes this powersafe overwrite, too).
* Setting a file's length is at risk like a write, but has no sectors.
* Names (made, removed) are at risk until the folder is synced, and reach the disk in their order, as in a journal. The
  folder is synced by the first sync of a journal or WAL that was opened to be made, as SQLite's unix VFS does it, and
  by a removal that asks for it.
* A failed sync saves nothing, and no later one saves what it should have saved: the kernel has let go of those pages.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from tests.crash.recording import Answered, Begun, Cut, Forgot, Made, Op, Removed, Synced, Wrote

SECTOR: Final = 512
Kind = Literal["synced", "everything", "torn", "reordered"]
KINDS: Final[tuple[Kind, ...]] = ("synced", "everything", "torn", "reordered")
Files = dict[str, bytes]


class Image(NamedTuple):
    """A disk as a power cut right after the op `point` could leave it.

    `answered`: the newest step that the store had said is stored. `begun`: the newest step that was asked for.
    """

    kind: Kind
    point: int
    files: Files
    answered: int
    begun: int


class _File:
    """One file: what is durable, what a running system sees, and what lies between."""

    def __init__(self, content: bytes | None) -> None:
        self.durable = bytearray(content or b"")
        self.now = bytearray(self.durable)
        self.pending: list[Wrote | Cut] = []
        self._now_bytes: bytes | None = None
        self._durable_bytes: bytes | None = None

    def now_bytes(self) -> bytes:
        """The same object until something changes, so that its hash is computed once."""
        if self._now_bytes is None:
            self._now_bytes = bytes(self.now)
        return self._now_bytes

    def durable_bytes(self) -> bytes:
        if self._durable_bytes is None:
            self._durable_bytes = bytes(self.durable)
        return self._durable_bytes

    def change(self, op: Wrote | Cut) -> None:
        _apply(self.now, op)
        self._now_bytes = None
        self.pending.append(op)

    def sync(self) -> None:
        for op in self.pending:
            _apply(self.durable, op)
            self._durable_bytes = None
        self.pending.clear()

    def forget(self) -> None:
        self.pending.clear()

    def reordered(self, dice: random.Random) -> bytes:
        """The durable content with some of what is pending, some of that torn."""
        if not self.pending:
            return self.durable_bytes()
        content, lost, torn = bytearray(self.durable), dice.choice((0.1, 0.5, 0.9)), dice.choice((0.0, 0.2))
        for op in self.pending:
            if dice.random() < lost:
                continue
            if isinstance(op, Wrote) and dice.random() < torn:
                for piece in _sectors(op):
                    if dice.random() < 0.5:
                        _apply(content, piece)
            else:
                _apply(content, op)
        return bytes(content)


def _apply(content: bytearray, op: Wrote | Cut) -> None:
    end = op.size if isinstance(op, Cut) else op.offset + len(op.data)
    if end > len(content):
        content.extend(bytes(end - len(content)))
    if isinstance(op, Cut):
        del content[op.size :]
    else:
        content[op.offset : end] = op.data


def _sectors(op: Wrote) -> Iterator[Wrote]:
    """A write, cut where sectors of the disk begin."""
    start, end = op.offset, op.offset + len(op.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield Wrote(op.file, start, op.data[start - op.offset : stop - op.offset])
        start = stop


class Disk:
    """The folder's disk after some of the ops."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._durable_names: dict[str, int] = {}
        self._pending_names: list[Made | Removed] = []

    def apply(self, op: Op) -> None:
        """Do what was asked."""
        match op:
            case Made():
                self._files[op.file] = _File(op.content)
                self._names[op.name] = op.file
                self._pending_names.append(op)
                if op.content is not None:
                    self._sync_folder()
            case Wrote() | Cut():
                self._files[op.file].change(op)
            case Synced():
                self._files[op.file].sync()
                if op.folder:
                    self._sync_folder()
            case Forgot():
                self._files[op.file].forget()
            case Removed():
                del self._names[op.name]
                self._pending_names.append(op)
                if op.folder:
                    self._sync_folder()
            case Begun() | Answered():
                pass

    def _sync_folder(self) -> None:
        self._durable_names = dict(self._names)
        self._pending_names.clear()

    def everything(self) -> Files:
        """All that was asked for has reached the disk."""
        return {name: self._files[file].now_bytes() for name, file in self._names.items()}

    def synced(self) -> Files:
        """Only what had to reach the disk has."""
        return {name: self._files[file].durable_bytes() for name, file in self._durable_names.items()}

    def torn(self, op: Wrote, dice: random.Random) -> Files:
        """The next write reaches the disk up to a sector; of what is pending before it, all or nothing."""
        files, names = (self.synced(), self._durable_names) if dice.random() < 0.3 else (self.everything(), self._names)
        pieces = list(_sectors(op))
        for name, file in names.items():
            if file == op.file:
                content = bytearray(files[name])
                for piece in pieces[: dice.randrange(1, len(pieces))]:
                    _apply(content, piece)
                files[name] = bytes(content)
        return files

    def reordered(self, dice: random.Random) -> Files:
        """Some of what is pending has reached the disk, file by file, and some of the names."""
        names = dict(self._durable_names)
        for op in self._pending_names[: dice.randint(0, len(self._pending_names))]:
            if isinstance(op, Made):
                names[op.name] = op.file
            else:
                names.pop(op.name, None)
        return {name: self._files[file].reordered(dice) for name, file in names.items()}

    @property
    def at_risk_count(self) -> int:
        """How many things have not reached the disk for sure."""
        return len(self._pending_names) + sum(len(file.pending) for file in self._files.values())


def images(ops: Sequence[Op], dice: random.Random, reorderings: int = 4, tears: int = 2) -> Iterator[Image]:
    """Every disk that a power cut could leave, in the order of the tape; some of them are equal."""
    disk, answered, begun = Disk(), -1, -1
    for point, op in enumerate(ops):
        if isinstance(op, Wrote) and op.offset // SECTOR != (op.offset + len(op.data) - 1) // SECTOR:
            for _ in range(tears):
                yield Image("torn", point, disk.torn(op, dice), answered, begun)
        disk.apply(op)
        if isinstance(op, Begun):
            begun = op.step
            continue  # nothing has changed but what may be found later
        if isinstance(op, Answered):
            answered = op.step
        yield Image("synced", point, disk.synced(), answered, begun)
        yield Image("everything", point, disk.everything(), answered, begun)
        for _ in range(reorderings if disk.at_risk_count > 1 else 0):
            yield Image("reordered", point, disk.reordered(dice), answered, begun)
