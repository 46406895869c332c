"""Bodies at rest: sealed here and opened here, nowhere else.

    sealed = nonce 24 | XChaCha20-Poly1305(seal key of the stream, nonce, associated data = header, body)

The nonce is random (24 bytes are enough for that), the seal key follows from the stream key, and the header names log,
seq, stream and commitment: a sealed body that is moved to another entry, cut or changed does not open. What the disk
ever holds of a body is this form alone, in the database, its WAL and every copy of them; hence whoever destroys the
stream key has destroyed the content, wherever an old page of it may still lie.

A body is read as *erased* where there is none, and where its key was destroyed and the disk has not yet let go of it.
A body that does not open under a key that is there is damage, and says so.
"""

from __future__ import annotations

from secrets import token_bytes
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from sync.entry import FORMAT_SUITE, HEADER
from sync.errors import LogCorrupt

NONCE_SIZE: Final = 24
TAG_SIZE: Final = 16


class DoesNotOpen(LogCorrupt):
    """A sealed body that is not the one which was sealed here under this key."""


def seal(seal_key: bytes, header: bytes, body: bytes) -> bytes:
    """A body as it is stored."""
    nonce = token_bytes(NONCE_SIZE)
    return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(body, header, nonce, seal_key)


def unseal(seal_key: bytes, log: bytes, seq: int, stream: bytes, committed: bytes, sealed: bytes) -> bytes:
    """The body that was sealed for this place in this log; raises DoesNotOpen."""
    if len(sealed) >= NONCE_SIZE + TAG_SIZE:
        header = HEADER.pack(FORMAT_SUITE, log, seq, stream, committed)
        try:
            return crypto_aead_xchacha20poly1305_ietf_decrypt(
                sealed[NONCE_SIZE:], header, sealed[:NONCE_SIZE], seal_key
            )
        except CryptoError:
            pass
    raise DoesNotOpen(f"the content of entry {seq} of log {log.hex()} does not open: run verify")
