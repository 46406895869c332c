"""The inside of a bundle: the frames of an exchange for a USB stick. `PROTOCOL.md` in this folder is normative.

    "homeward bundle 1\\n" | length u32 | head | frame … | 0 u32 | signature        big-endian, the whole inside age

What is inside proves itself as it does over the network: pushes and offers are signed by the log, receipts by the hub.
The signature at the end is the sender's, over everything before it: it covers what the frames leave open (which sizes,
which streams to erase), and says that the bundle is whole.

Everything is bounded before memory is taken, and nothing here touches a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final, NamedTuple

import msgpack

from sync.entry import ID_SIZE, INT_MAX, bytes_ok, int_ok
from sync.errors import NewerFormat, RemoteProtocolError
from sync.note import Signer, is_public_key, verify_bytes
from sync.wire import FRAME_SIZE_BYTES_MAX

MAGIC: Final = b"homeward bundle 1\n"
MAGIC_OF_ANY: Final = b"homeward bundle "
SIGNED_TAG: Final = b"homeward/bundle/1\n"
END_MARK: Final = bytes(4)
SIGNATURE_SIZE: Final = 64
PUBLIC_KEY_SIZE: Final = 32
HEAD_SIZE_BYTES_MAX: Final = 8_192
ENCLOSED_SIZE_BYTES_MAX: Final = 4_096


class Kind(IntEnum):
    """Which way a bundle goes."""

    TO_HUB = 1
    ANSWER = 2


class Head(NamedTuple):
    """What a bundle says of itself, inside the encryption.

    `sender` is a public key, `receiver` a log's id. `receipted`: what the hub's last receipt covered when the home made
    the bundle; an answer repeats it. `start`: where its pushes begin. `enclosed`: a note between the two programs, like
    the question to join; this package does not look into it.
    """

    kind: Kind
    sender: bytes
    receiver: bytes
    receipted: int
    start: int
    enclosed: bytes = b""


class BundleWriter:
    """Gives the bytes of a bundle, piece by piece."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._sum = hashlib.sha256()

    def begin(self, head: Head) -> bytes:
        """The head."""
        packed = msgpack.packb([int(head.kind), *head[1:]])
        assert len(packed) <= HEAD_SIZE_BYTES_MAX
        return self._counted(MAGIC + len(packed).to_bytes(4, "big") + packed)

    def frame(self, frame: bytes) -> bytes:
        """One frame, as it goes over the network."""
        return self._counted(frame)

    def end(self) -> bytes:
        """The end, signed."""
        return END_MARK + self._signer.sign_bytes(SIGNED_TAG + self._sum.digest())

    def _counted(self, data: bytes) -> bytes:
        self._sum.update(data)
        return data


class BundleReader:
    """Takes a bundle apart as its bytes come. Nothing before `is_whole` is more than its frames themselves prove."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.is_whole = False
        self._held = bytearray()
        self._sum = hashlib.sha256()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take more bytes; give every frame that is now complete. `head` is there before the first one.

        Raises RemoteProtocolError for what is no bundle, VerificationError where the sender's signature does not hold,
        NewerFormat where a newer version of the program made it.
        """
        self._held += data
        if self.is_whole and self._held:
            raise RemoteProtocolError("a bundle that goes on after its end")
        if self.head is None and not self._begin():
            return
        while len(self._held) >= 4 and not self.is_whole:
            length = int.from_bytes(self._held[:4], "big")
            if length == 0:
                self._end()
                return
            if not 8 <= length <= FRAME_SIZE_BYTES_MAX:
                raise RemoteProtocolError(f"a frame says it has {length} bytes; at most {FRAME_SIZE_BYTES_MAX} may be")
            if len(self._held) < 4 + length:
                return
            yield self._cut(4 + length)

    def require_whole(self) -> Head:
        """The head, if all of the bundle came and its signature holds."""
        if self.head is None or not self.is_whole:
            raise RemoteProtocolError("a bundle that ends too early")
        return self.head

    def _begin(self) -> bool:
        start = len(MAGIC) + 4
        if self._held[: len(MAGIC)] != MAGIC[: len(self._held)]:
            if self._held.startswith(MAGIC_OF_ANY):
                raise NewerFormat("the bundle was made by a newer version of the program: install that version")
            raise RemoteProtocolError("it does not begin like a bundle")
        if len(self._held) < start:
            return False
        size = int.from_bytes(self._held[len(MAGIC) : start], "big")
        if size > HEAD_SIZE_BYTES_MAX:
            raise RemoteProtocolError(f"a bundle's head has at most {HEAD_SIZE_BYTES_MAX} bytes, this one {size}")
        if len(self._held) < start + size:
            return False
        self.head = _head(self._cut(start + size)[start:])
        return True

    def _end(self) -> None:
        if len(self._held) < 4 + SIGNATURE_SIZE:
            return
        assert self.head is not None
        digest = self._sum.digest()
        signature = self._cut(4 + SIGNATURE_SIZE)[4:]
        if self._held:
            raise RemoteProtocolError("a bundle that goes on after its end")
        verify_bytes(self.head.sender, SIGNED_TAG + digest, signature)
        self.is_whole = True

    def _cut(self, size: int) -> bytes:
        piece = bytes(self._held[:size])
        del self._held[:size]
        self._sum.update(piece)
        return piece


def _head(packed: bytes) -> Head:
    try:
        found: Any = msgpack.unpackb(packed, max_ext_len=0)
    except (ValueError, RecursionError, TypeError, msgpack.exceptions.UnpackException):
        found = None
    match found:
        case [int(kind), bytes(sender), bytes(receiver), int(receipted), int(start), bytes(enclosed)]:
            int_ok(kind, "kind", min(Kind), max(Kind))
            bytes_ok(sender, "sender", PUBLIC_KEY_SIZE)
            bytes_ok(receiver, "receiver", ID_SIZE)
            int_ok(receipted, "receipted", 0, INT_MAX)
            int_ok(start, "start", 0, INT_MAX)
            if not is_public_key(sender):
                raise RemoteProtocolError("a bundle's sender is no key")
            if len(enclosed) <= ENCLOSED_SIZE_BYTES_MAX:
                return Head(Kind(kind), sender, receiver, receipted, start, enclosed)
    raise RemoteProtocolError("a bundle's head that does not fit its form")
