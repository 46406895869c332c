"""Bodies at rest: sealed here and opened here, nowhere else.

    sealed = nonce 12 | ChaCha20-Poly1305 (RFC 8439) under the stream's seal key, associated data = header, of the body

The header names log, seq, stream and commitment: a sealed body that is moved to another entry, cut or changed does not
open. The nonce is random and not the seq, because clones of one disk write different bodies under one key at one seq.
Each stream has a key of its own, so even a million entries of one subject repeat a nonce with a chance of 2^-57.

What the disk ever holds of a body is this form alone, in the database, its WAL and every copy of them; hence whoever
destroys the stream key has destroyed the content, wherever an old page of it may still lie.

A body is read as *erased* where there is none, and where its key was destroyed and the disk has not yet let go of it.
A body that does not open under a key that is there is damage, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from os import urandom
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sync.entry import FORMAT_SUITE, HEADER
from sync.errors import LogCorrupt

NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16
SEALS_COUNT: Final = 4096

Seal = ChaCha20Poly1305  # making one costs as much as sealing a body and takes 2 kB: a bounded number is kept


class DoesNotOpen(LogCorrupt):
    """A sealed body that is not the one which was sealed here under this key."""


def seals_at_hand() -> Callable[[bytes], Seal]:
    """What gives the seal of a key, for one reading of many streams: the last ones used need not be made again."""
    return lru_cache(SEALS_COUNT)(Seal)


def seal_body(seal: Seal, header: bytes, body: bytes) -> bytes:
    """A body as it is stored."""
    nonce = urandom(NONCE_SIZE)
    return nonce + seal.encrypt(nonce, body, header)


def open_body(seal: Seal, log: bytes, seq: int, stream: bytes, committed: bytes, sealed: bytes) -> bytes:
    """The body that was sealed for this place in this log; raises DoesNotOpen."""
    try:
        return seal.decrypt(
            sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], HEADER.pack(FORMAT_SUITE, log, seq, stream, committed)
        )
    except (InvalidTag, ValueError):  # ValueError: shorter than a nonce
        raise DoesNotOpen(f"the content of entry {seq} of log {log.hex()} does not open: run verify") from None
