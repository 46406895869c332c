"""A photograph or scan as it lies in `files.db` and as it travels: sealed chunks, and the name that follows from them.

    file key (32 random bytes, made by the node that takes the file in, one a file)
        `- HKDF "homeward/chunk/1" -> chunk key

    chunk = nonce 24 | XChaCha20-Poly1305(chunk key, nonce, associated data, up to 16,384 bytes of the file)
            associated data = "homeward/chunk/1" | number u32, from 0 | count u32
    name  = SHA-256("homeward/file/1" | msgpack [media type, size, key commitment, [SHA-256 of each chunk, …]])
            key commitment  = SHA-256("homeward/file-key/1" | file key)

The name is what an entry says of a file. It binds the entry to one content as firmly as to its own body: the chunks'
hashes fix what is sealed, the key commitment fixes the only key that opens it, so no author can show two people two
pictures under one name. It says nothing of the content once the key is destroyed: nonces and key are random, so the
same picture taken in twice has two names, and nobody who keeps a picture can find out whether it was here.

Small chunks are the unit of what a cut costs; each is verified by its hash alone, before anything is stored.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from secrets import token_bytes
from typing import Final, NamedTuple

import msgpack
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from sync.cipher import expand
from sync.entry import ID_SIZE, bytes_ok, int_ok, text_ok
from sync.errors import RemoteProtocolError
from sync.sealing import DoesNotOpen

FILE_KEY_SIZE: Final = 32
NAME_SIZE: Final = 32
HASH_SIZE: Final = 32
NONCE_SIZE: Final = 24
TAG_SIZE: Final = 16
CHUNK_SIZE_BYTES: Final = 16_384
FILE_SIZE_BYTES_MAX: Final = 2_000_000
CHUNKS_COUNT_MAX: Final = -(-FILE_SIZE_BYTES_MAX // CHUNK_SIZE_BYTES)
SEALED_SIZE_BYTES_MAX: Final = CHUNK_SIZE_BYTES + NONCE_SIZE + TAG_SIZE
TIES_COUNT_MAX: Final = 256  # everybody in the picture of a large activity
MEDIA_LENGTH_MAX: Final = 80

_CHUNK_TAG: Final = b"homeward/chunk/1"
_NAME_TAG: Final = b"homeward/file/1"
_KEY_TAG: Final = b"homeward/file-key/1"


class Sent(IntEnum):
    """What the county answered about a file."""

    WAITING = 0
    HELD = 1
    DESTROYED = 2  # it was erased there; it is offered no more


class Manifest(NamedTuple):
    """What a file consists of: its media type, its size in bytes, and the hashes of its sealed chunks in order."""

    media: str
    size: int
    hashes: tuple[bytes, ...]

    def name(self, key: bytes) -> bytes:
        """The file's name under its key."""
        committed = hashlib.sha256(_KEY_TAG + key).digest()
        packed: bytes = msgpack.packb([self.media, self.size, committed, list(self.hashes)])
        return hashlib.sha256(_NAME_TAG + packed).digest()


def seal_file(content: bytes, media: str) -> tuple[Manifest, bytes, list[bytes]]:
    """A file's manifest, its new key and its sealed chunks."""
    key = token_bytes(FILE_KEY_SIZE)
    parts = [content[at : at + CHUNK_SIZE_BYTES] for at in range(0, len(content), CHUNK_SIZE_BYTES)]
    chunk_key, count = expand(key, _CHUNK_TAG, FILE_KEY_SIZE), len(parts)
    chunks = []
    for number, part in enumerate(parts):
        nonce = token_bytes(NONCE_SIZE)
        chunks.append(
            nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(part, _associated(number, count), nonce, chunk_key)
        )
    manifest = Manifest(media, len(content), tuple(chunk_hash(chunk) for chunk in chunks))
    check_manifest(manifest)
    return manifest, key, chunks


def open_chunk(key: bytes, number: int, count: int, sealed: bytes) -> bytes:
    """What a chunk holds; raises DoesNotOpen."""
    if len(sealed) >= NONCE_SIZE + TAG_SIZE:
        nonce, rest = sealed[:NONCE_SIZE], sealed[NONCE_SIZE:]
        try:
            return crypto_aead_xchacha20poly1305_ietf_decrypt(
                rest, _associated(number, count), nonce, expand(key, _CHUNK_TAG, FILE_KEY_SIZE)
            )
        except CryptoError:
            pass
    raise DoesNotOpen(f"chunk {number + 1} of {count} does not open")


def chunk_hash(sealed: bytes) -> bytes:
    """What the manifest says of a chunk."""
    return hashlib.sha256(sealed).digest()


def sealed_size(manifest: Manifest, number: int) -> int:
    """How many bytes a chunk of this file has, sealed."""
    return min(CHUNK_SIZE_BYTES, manifest.size - number * CHUNK_SIZE_BYTES) + NONCE_SIZE + TAG_SIZE


def check_manifest(manifest: Manifest) -> None:
    """Refuse with RemoteProtocolError what no file of ours looks like."""
    text_ok(manifest.media, "media type", MEDIA_LENGTH_MAX)
    int_ok(manifest.size, "a file's size", 1, FILE_SIZE_BYTES_MAX)
    if len(manifest.hashes) != -(-manifest.size // CHUNK_SIZE_BYTES):
        raise RemoteProtocolError(f"a file of {manifest.size} bytes cannot have {len(manifest.hashes)} chunks")
    for found in manifest.hashes:
        bytes_ok(found, "a chunk's hash", HASH_SIZE)


def check_ties(subjects: tuple[bytes, ...]) -> None:
    """Refuse with RemoteProtocolError a file that shows nobody, or more than one can say."""
    if not 0 < len(subjects) <= TIES_COUNT_MAX:
        raise RemoteProtocolError(f"a file is tied to 1 to {TIES_COUNT_MAX} subjects, not {len(subjects)}")
    for subject in subjects:
        bytes_ok(subject, "subject", ID_SIZE)
    if len(set(subjects)) != len(subjects):
        raise RemoteProtocolError("a file is tied to the same subject twice")


def offer_text(log: bytes, name: bytes, subjects: tuple[bytes, ...]) -> str:
    """What a log's key signs when it offers a file: its own name, the file's, and whom the file shows."""
    lines = ["homeward/file-offer/1", log.hex(), name.hex(), *(subject.hex() for subject in subjects)]
    return "".join(line + "\n" for line in lines)


def _associated(number: int, count: int) -> bytes:
    return _CHUNK_TAG + number.to_bytes(4, "big") + count.to_bytes(4, "big")
