"""zstd with the dictionaries of the wire, and within its bounds.

A dictionary is what makes a small frame small: a single visit compresses to a third of what it takes alone. Number 1
ships with the package (`dictionary-1.zstd`, made by `make dictionary`; `PROTOCOL.md` has its SHA-256). It is read and
prepared once a process and level: to do that for every small frame would cost more than the frame (5 ms at level 19).

Frames are in zstd's form without magic number, which also knows no skippable frames. What a frame says of its own size
is not believed: it is fed in small slices, and the window is bounded.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

import zstandard

from sync.errors import LogCorrupt, RemoteProtocolError, UnreadableForm

NO_DICTIONARY: Final = 0
SHIPPED: Final = 1
SHIPPED_PATH: Final = Path(__file__).with_name("dictionary-1.zstd")
SHIPPED_SHA256: Final = "695de3d917c2066f0b7c45be3a42358afeb55f97e4718c9bb06244ff95e71eaa"
LEVEL: Final = 9  # for a fast link: beside 3 a tenth fewer bytes, still some 100,000 entries a second
LEVEL_SLOW_LINK: Final = 19  # another 5 % fewer, at 40 µs an entry: time that a slow link leaves us
WINDOW_SIZE_BYTES_MAX: Final = 8 * 1024 * 1024
SLICE_SIZE_BYTES: Final = 64  # at most 2 MB come out of it
_MAGICLESS: Final = zstandard.FORMAT_ZSTD1_MAGICLESS


@lru_cache(maxsize=1)
def shipped() -> bytes:
    """The dictionary of the package.

    Raises:
        LogCorrupt: the file is not the one that this version was made with: the package is damaged.
    """
    found = SHIPPED_PATH.read_bytes()
    if hashlib.sha256(found).hexdigest() != SHIPPED_SHA256:
        raise LogCorrupt(f"{SHIPPED_PATH} is damaged: install the program again")
    return found


@lru_cache(maxsize=8)
def _parameters(level: int) -> zstandard.ZstdCompressionParameters:
    return zstandard.ZstdCompressionParameters.from_level(
        level, format=_MAGICLESS, write_content_size=False, write_dict_id=False
    )


@lru_cache(maxsize=8)
def _prepared(level: int) -> zstandard.ZstdCompressionDict:
    dictionary = zstandard.ZstdCompressionDict(shipped())
    dictionary.precompute_compress(compression_params=_parameters(level))
    return dictionary


@lru_cache(maxsize=1)
def _for_reading() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(shipped())


def compress(content: bytes, level: int, dictionary: int = NO_DICTIONARY) -> bytes:
    """One zstd frame."""
    prepared = _prepared(level) if dictionary == SHIPPED else None
    compressor = zstandard.ZstdCompressor(compression_params=_parameters(level), dict_data=prepared)
    return compressor.compress(content)


def expand(squeezed: bytes, dictionary: int, size_bytes_max: int) -> bytes:
    """What is in exactly one zstd frame of unknown origin.

    Raises:
        UnreadableForm: the dictionary is not known here.
        RemoteProtocolError: it is not one zstd frame within bounds.
    """
    if dictionary not in (NO_DICTIONARY, SHIPPED):
        raise UnreadableForm(f"dictionary {dictionary} is not known here")
    known = _for_reading() if dictionary == SHIPPED else None
    reader = zstandard.ZstdDecompressor(dict_data=known, max_window_size=WINDOW_SIZE_BYTES_MAX, format=_MAGICLESS)
    decompressor = reader.decompressobj()
    packed = bytearray()
    try:
        for at in range(0, len(squeezed), SLICE_SIZE_BYTES):
            packed += decompressor.decompress(squeezed[at : at + SLICE_SIZE_BYTES])
            if len(packed) > size_bytes_max:
                raise RemoteProtocolError(f"a frame grows beyond {size_bytes_max} bytes")
    except (zstandard.ZstdError, MemoryError) as error:
        raise RemoteProtocolError(f"a frame that cannot be decompressed: {error}") from None
    if not decompressor.eof or decompressor.unused_data:
        raise RemoteProtocolError("a frame that is more or less than one whole zstd frame")
    return bytes(packed)
