"""Everything that SQLite asks of the disk, written down in the order in which it was asked; and faults on demand.

`recording(folder)` puts a VFS of ours between SQLite and the operating system, *under* the cipher: what is written down
is what would lie on the platters. It becomes the process's default VFS, so that the store is opened by its own code,
with its own pragmas, and nothing of it knows. Shared memory is inherited, so WAL, readers and the writer work as they
do in production. Only files of the folder are written down.

The tape has one order over all files of the folder, and between the disk's operations stand the marks of who uses it:
`Begun(step)` before something is asked of the store, `Answered(step)` when the store said that it is stored.

A `Fault` makes the call with a certain number fail, once or from then on for good. A sync fails in two ways: "sync"
saves nothing, and the kernel lets go of what it should have saved; "sync kept" saves all of it, and fails all the same.
"""

# ruff: noqa: N802 -- SQLite names these methods

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import apsw

from tests.crash.faults import FaultLayer

if TYPE_CHECKING:
    from typing_extensions import Buffer

NAME: Final = "recording"
UNDER_CIPHER: Final = f"multipleciphers-{NAME}"  # the library makes this one when it is first asked for
BASE: Final = "win32" if sys.platform == "win32" else "unix"
MEMORY_ONLY: Final = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_MEMORY
JOURNALS: Final = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL

Call = Literal["write", "truncate", "sync", "read"]
FaultKind = Literal["full", "short write", "truncate", "sync", "sync kept", "read"]
FAULTY_CALL: Final[dict[FaultKind, Call]] = {
    "full": "write", "short write": "write", "truncate": "truncate",
    "sync": "sync", "sync kept": "sync", "read": "read",
}  # fmt: skip


class Made(NamedTuple):
    """A name in the folder now stands for a new, empty file. `content` is what a file from before the tape holds."""

    name: str
    file: int
    content: bytes | None = None


class Wrote(NamedTuple):
    """Bytes at an offset."""

    file: int
    offset: int
    data: bytes


class Cut(NamedTuple):
    """The file's length was set."""

    file: int
    size: int


class Synced(NamedTuple):
    """What was done to the file before is durable; with `folder` the names in the folder too."""

    file: int
    folder: bool


class Forgot(NamedTuple):
    """A sync failed, and the kernel let go of what it should have saved, though reading still shows it."""

    file: int


class Removed(NamedTuple):
    """A name is gone; durably only if the folder was synced with it."""

    name: str
    folder: bool


class Begun(NamedTuple):
    """Something is asked of the store."""

    step: int


class Answered(NamedTuple):
    """The store said that what was asked is stored."""

    step: int


Op = Made | Wrote | Cut | Synced | Forgot | Removed | Begun | Answered


class Fault(NamedTuple):
    """The call of this kind with this number (from 0) fails, and with `for_good` all later ones."""

    kind: FaultKind
    at: int
    for_good: bool


class Tape:
    """What was asked of one folder's disk, in order. `calls` counts what can be made to fail."""

    def __init__(self, folder: Path, fault: Fault | None = None, seed: int = 0) -> None:
        self.folder = str(folder)
        self.ops: list[Op] = []
        self.calls: Counter[str] = Counter()
        self.fault = fault
        self.struck = 0
        self.struck_at = 0
        self._failing = threading.local()
        self.dice = random.Random(seed)
        self.lock = threading.Lock()
        self.files: dict[str, int] = {}
        self.made_count = 0
        for path in sorted(folder.iterdir()):
            self.name(path.name, path.read_bytes())

    def name(self, name: str, content: bytes | None = None) -> int:
        """Write down a new file."""
        self.files[name] = self.made_count
        self.made_count += 1
        self.ops.append(Made(name, self.files[name], content))
        return self.files[name]

    def mark(self, op: Begun | Answered) -> None:
        """Write down what the store's user did or heard."""
        with self.lock:
            self.ops.append(op)

    def fails(self, call: Call) -> bool:
        """Count a call, and say whether it is one that has to fail."""
        number = self.calls[call]
        self.calls[call] += 1
        fault = self.fault
        if fault is None or FAULTY_CALL[fault.kind] != call:
            return False
        if number == fault.at or (fault.for_good and number > fault.at):
            self.struck += 1
            self.struck_at = self.struck_at or len(self.ops)
            return True
        return False

    def strike(self, code: int) -> None:
        """The call that is being made by this thread fails with this number."""
        self._failing.code = code

    def struck_code(self) -> int:
        """The number with which this thread's call failed, once."""
        code: int = getattr(self._failing, "code", 0)
        self._failing.code = 0
        return code


class RecordedFile(apsw.VFSFile):
    """One open file of the folder."""

    def __init__(self, tape: Tape, path: apsw.URIFilename | str | None, flags: list[int], file: int) -> None:
        super().__init__(BASE, path, flags)
        self._tape = tape
        self._file = file
        self._folder_too = bool(flags[0] & JOURNALS and flags[0] & apsw.SQLITE_OPEN_CREATE)  # as os_unix.c does

    def xWrite(self, data: Buffer, offset: int) -> None:
        """Write and write down; a full disk takes nothing of it, or the first half."""
        tape, written = self._tape, bytes(data)
        with tape.lock:
            if tape.fails("write"):
                assert tape.fault is not None
                written = written[: len(written) // 2] if tape.fault.kind == "short write" else b""
                if written:
                    super().xWrite(written, offset)
                    tape.ops.append(Wrote(self._file, offset, written))
                tape.strike(apsw.SQLITE_FULL)
                return
            super().xWrite(data, offset)
            tape.ops.append(Wrote(self._file, offset, written))

    def xSync(self, flags: int) -> None:
        """Sync and write down."""
        tape = self._tape
        with tape.lock:
            if tape.fails("sync"):
                assert tape.fault is not None
                if tape.fault.kind == "sync kept":
                    super().xSync(flags)
                    tape.ops.append(Synced(self._file, self._folder_too))
                    self._folder_too = False
                else:
                    tape.ops.append(Forgot(self._file))
                tape.strike(apsw.SQLITE_IOERR_FSYNC)
                return
            super().xSync(flags)
            tape.ops.append(Synced(self._file, self._folder_too))
            self._folder_too = False

    def xTruncate(self, newsize: int) -> None:
        """Cut and write down."""
        with self._tape.lock:
            if self._tape.fails("truncate"):
                self._tape.strike(apsw.SQLITE_IOERR_TRUNCATE)
                return
            super().xTruncate(newsize)
            self._tape.ops.append(Cut(self._file, newsize))


class ReadFaultyFile(RecordedFile):
    """As slow as Python at every read, so only used where reads are counted."""

    def xRead(self, amount: int, offset: int) -> bytes:
        """Read, unless this is the call that fails."""
        with self._tape.lock:
            if self._tape.fails("read"):
                self._tape.strike(apsw.SQLITE_IOERR_READ)
                return b""
        return super().xRead(amount, offset)


class RecordingVfs(apsw.VFS):
    """One for the whole process, because the cipher's VFS above it can never be unregistered."""

    def __init__(self) -> None:
        super().__init__(NAME, BASE)
        self.tape: Tape | None = None
        self._faults: FaultLayer | None = None

    def prepare_faults(self) -> None:
        """From now on calls can fail."""
        if self._faults is None:
            with closing(apsw.Connection("nothing", vfs=NAME, flags=MEMORY_ONLY)) as db:
                self._faults = FaultLayer(db, lambda: self.tape.struck_code() if self.tape is not None else 0)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """Open a file of the tape's folder; anything else goes straight to the operating system."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        tape = self.tape
        if tape is None or path is None or str(Path(path).parent) != tape.folder:
            return apsw.VFSFile(BASE, name, flags)
        with tape.lock:
            there, own_name = Path(path).exists(), Path(path).name
            kind = RecordedFile if tape.fault is None or tape.fault.kind != "read" else ReadFaultyFile
            opened = kind(tape, name, flags, tape.files[own_name] if there else tape.made_count)
            if not there:
                tape.name(own_name)
            return opened

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Remove and write down."""
        tape = self.tape
        if tape is None or str(Path(filename).parent) != tape.folder:
            super().xDelete(filename, syncdir)
            return
        with tape.lock:
            super().xDelete(filename, syncdir)
            if tape.files.pop(Path(filename).name, None) is not None:
                tape.ops.append(Removed(Path(filename).name, syncdir))

    def xRandomness(self, numbytes: int) -> bytes:
        """The salts of WAL headers come from the tape's seed, so that a seed is a complete report."""
        return self.tape.dice.randbytes(numbytes) if self.tape is not None else super().xRandomness(numbytes)


_vfs: RecordingVfs | None = None


def _registered() -> RecordingVfs:
    global _vfs  # noqa: PLW0603 -- SQLite's list of VFSs is global, too
    if _vfs is None:
        _vfs = RecordingVfs()
        apsw.Connection("nothing", vfs=UNDER_CIPHER, flags=MEMORY_ONLY).close()
    return _vfs


@contextmanager
def recording(folder: Path, fault: Fault | None = None, seed: int = 0) -> Iterator[Tape]:
    """Write down all that is asked of a folder's disk inside this block, on connections that are opened inside it."""
    vfs = _registered()
    assert vfs.tape is None, "one folder at a time"
    if fault is not None:
        vfs.prepare_faults()
    before = apsw.vfs_names()[0]
    vfs.tape = Tape(folder, fault, seed)
    apsw.set_default_vfs(UNDER_CIPHER)
    try:
        yield vfs.tape
    finally:
        apsw.set_default_vfs(before)
        vfs.tape = None
