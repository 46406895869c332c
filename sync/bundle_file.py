"""Bundles as files: encrypted with age to their receiver, written whole or not at all, under names that say nothing.

Nothing is ever written in clear. A bundle is encrypted while it is made, beside its place, synced, and then takes its
name: *a power cut, a full stick or Ctrl-C leaves no bundle of that name*, at worst a `.making` file that nobody reads.
Reading decrypts in small pieces, each of which age has authenticated before it is given on.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import pyrage
from pyrage import x25519

from sync.errors import LogCorrupt, RemoteProtocolError, WrongKey
from sync.small_file import sync_folder

SUFFIX: Final = ".age"
MAKING_SUFFIX: Final = ".making"
NAME_SIZE_BYTES: Final = 8
AGE_MAGIC: Final = b"age-encryption.org/v1\n"
AGE_HEADER_END: Final = b"\n--- "
AGE_HEADER_SIZE_BYTES_MAX: Final = 64 * 1024  # a bundle has one recipient and some 200 bytes; age itself has no bound

Progress = Callable[[int], None]


def bundles_in(folder: Path) -> list[Path]:
    """The files of a folder that may be bundles."""
    return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX and path.is_file())


def write_new(folder: Path, recipient: x25519.Recipient, pieces: Iterable[bytes]) -> Path:
    """Encrypt the pieces into a new file with a random name, durably; raises OSError."""
    path = folder / f"hw-{secrets.token_hex(NAME_SIZE_BYTES)}{SUFFIX}"
    making = path.with_name(path.name + MAKING_SUFFIX)
    try:
        with making.open("xb") as out:
            _encrypt(iter(pieces), out, recipient)
        making.rename(path)
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror or str(error), str(path)) from None
        raise
    finally:
        making.unlink(missing_ok=True)
    sync_folder(folder)
    return path


def copy_new(source: Path, target: Path) -> None:
    """Copy a file as it is, durably, whole or not at all."""
    making = target.with_name(target.name + MAKING_SUFFIX)
    try:
        with source.open("rb") as given, making.open("wb") as out:
            while piece := given.read(1024 * 1024):
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        making.replace(target)
    finally:
        making.unlink(missing_ok=True)
    sync_folder(target.parent)


def read(path: Path, identities: Sequence[x25519.Identity], take: Callable[[bytes], None], progress: Progress) -> None:
    """Decrypt a file and hand its content on, in order; what `take` raises ends it.

    Raises:
        WrongKey: it is for somebody else. LogCorrupt: it is damaged or cut; what was handed on before is as it was
        made. RemoteProtocolError: it is no age file. OSError: the disk or stick fails.
    """
    with path.open("rb") as file:
        _require_age(path, file)
        source = _Source(file, progress)
        try:
            pyrage.decrypt_io(source, _Sink(take), list(identities))
        except pyrage.DecryptError as error:
            if source.failed or _is_interrupt(error):
                raise source.failed or KeyboardInterrupt from None
            if "No matching keys" in str(error):
                raise WrongKey(f"{path} is for somebody else: it was not encrypted to this folder") from None
            raise _damaged(path, error) from None
        except OSError as error:
            if error.errno is not None:
                raise
            raise _damaged(path, error) from None


def is_for(path: Path, identities: Sequence[x25519.Identity]) -> bool:
    """Whether a file is a bundle for us, or was one before it was damaged; it is not read to its end."""
    try:
        read(path, identities, _stop, lambda _: None)
    except (WrongKey, RemoteProtocolError):
        return False
    except (_Begun, LogCorrupt):
        return True
    return True


class _Begun(Exception):
    """Something could be decrypted."""


def _stop(_data: bytes) -> None:
    raise _Begun


def _require_age(path: Path, file: IO[bytes]) -> None:
    beginning = file.read(AGE_HEADER_SIZE_BYTES_MAX)
    file.seek(0)
    if not beginning.startswith(AGE_MAGIC):
        if beginning and AGE_MAGIC.startswith(beginning):
            raise _damaged(path, "it is cut")
        raise RemoteProtocolError(f"{path} is not a bundle: it is no age file")
    if AGE_HEADER_END not in beginning:
        raise _damaged(path, "its header has no end")


def _damaged(path: Path, why: object) -> LogCorrupt:
    return LogCorrupt(f"{path} is damaged or incomplete ({why}): copy it again, or have it made again")


def _encrypt(pieces: Iterator[bytes], out: IO[bytes], recipient: x25519.Recipient) -> None:
    source, sink = _Pieces(pieces), _Sink(out.write)
    try:
        pyrage.encrypt_io(source, sink, [recipient])
    except pyrage.EncryptError as error:
        if source.failed or sink.failed or _is_interrupt(error):
            raise source.failed or sink.failed or KeyboardInterrupt from None
        raise
    out.flush()
    os.fsync(out.fileno())


def _is_interrupt(error: Exception) -> bool:
    """Ctrl-C may come at the very edge of a call from age, where we cannot keep it."""
    return "KeyboardInterrupt" in str(error)


class _Sink:
    """Somewhere to write, which remembers what went wrong: age tells only that something did."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self.failed: BaseException | None = None

    def write(self, data: bytes) -> int:
        if self.failed is not None:  # age gives the rest on, as it ends: nothing follows behind what went wrong
            raise self.failed
        try:
            self._take(data)
        except BaseException as error:
            self.failed = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""


class _Source:
    """A file to read from, which says how far it is."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self._done = 0
        self.failed: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._file.read(size)
            self._done += len(data)
            self._progress(self._done)
        except BaseException as error:
            self.failed = error
            raise
        return data


class _Pieces:
    """Pieces of any size as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._ready = memoryview(b"")
        self.failed: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._ready:
                piece = next(self._pieces, None)
                if piece is None:
                    return b""
                self._ready = memoryview(piece)
        except BaseException as error:
            self.failed = error
            raise
        size = len(self._ready) if size < 0 else size
        given, self._ready = self._ready[:size], self._ready[size:]
        return bytes(given)
