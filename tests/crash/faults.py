"""Errors as the operating system gives them: a number that SQLite gets, and nothing else.

A Python VFS can only raise, and what it raises comes out of whatever the store was doing, even where SQLite itself
takes the error lightly, as it does when a checkpoint after a commit or at closing fails. So a failing call returns as
if it had gone well, leaves its number, and a thin layer between SQLite and the VFS hands that number on.

The layer replaces four methods of files that the VFS opens. It is only put there where faults are asked for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

import apsw

VFS_POINTER: Final = 27  # SQLITE_FCNTL_VFS_POINTER
METHODS_COUNT: Final = 18  # of sqlite3_io_methods, version 3


class _Methods(ctypes.Structure):
    _fields_ = (("version", ctypes.c_int), ("call", ctypes.c_void_p * METHODS_COUNT))


class _File(ctypes.Structure):
    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("path_size_max", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", ctypes.c_void_p),
    )


_FILE: Final = ctypes.POINTER(_File)
_OPEN: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, _FILE, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
)
_MOVE: Final = ctypes.CFUNCTYPE(ctypes.c_int, _FILE, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_CUT: Final = ctypes.CFUNCTYPE(ctypes.c_int, _FILE, ctypes.c_int64)
_SYNC: Final = ctypes.CFUNCTYPE(ctypes.c_int, _FILE, ctypes.c_int)
_REPLACED: Final = ((1, _MOVE), (2, _MOVE), (3, _CUT), (4, _SYNC))  # read, write, truncate, sync


class FaultLayer:
    """Hands on how a call went, as `taken` says it, for every file that a VFS opens. It stays for good."""

    def __init__(self, connection: apsw.Connection, taken: Callable[[], int]) -> None:
        """Lay it above the VFS of an open connection; `taken` gives the number once, 0 if the call went well."""
        found = ctypes.c_void_p()
        assert connection.file_control("main", VFS_POINTER, ctypes.addressof(found))
        assert found.value is not None
        self._taken = taken
        self._vfs = _Vfs.from_address(found.value)
        assert self._vfs.open is not None
        self._open_below = _OPEN(self._vfs.open)
        self._open_here = _OPEN(self._open)
        self._replaced: dict[int, _Methods] = {}
        self._kept: list[Any] = []
        self._vfs.open = ctypes.cast(self._open_here, ctypes.c_void_p).value

    def _open(self, vfs: int, name: int, file: Any, flags: int, given: Any) -> int:
        answer: int = self._open_below(vfs, name, file, flags, given)
        if answer == apsw.SQLITE_OK and file.contents.methods:
            address = ctypes.addressof(file.contents.methods.contents)
            if address not in self._replaced:
                self._replaced[address] = self._with_layer(file.contents.methods.contents)
            file.contents.methods = ctypes.pointer(self._replaced[address])
        return answer

    def _with_layer(self, below: _Methods) -> _Methods:
        copy = _Methods.from_buffer_copy(below)
        for number, prototype in _REPLACED:
            here = prototype(self._handing_on(prototype(below.call[number])))
            self._kept.append(here)
            copy.call[number] = ctypes.cast(here, ctypes.c_void_p).value
        return copy

    def _handing_on(self, below: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            answer = below(*arguments)
            return self._taken() or answer

        return call
