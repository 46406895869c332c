"""Releases of the program that differ: what one of them knows, and what a later one says that ours does not know.

A release is a set of stored names of events (an earlier one lacks some of ours), and on the wire what a later one puts
among our frames: kinds of messages, and a dictionary, that we do not have. Both are bytes and tables, not other code.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgpack

from domain import schema
from sync import wire
from sync.compression import NO_DICTIONARY, SHIPPED, compress
from sync.errors import UnreadableForm
from sync.messages import Push
from sync.server import ExchangeServer

LATER_DICTIONARY: Final = 2
NOTICE: Final = 100
NO_NOTICE: Final = 50
LACKING: Final = ("family-contact-made/1", "guardian-recorded/1")
"""What an earlier release than ours does not know."""


def frame_of(kind: int, *elements: Any) -> bytes:
    """A frame with a message of any kind."""
    rest = bytes([NO_DICTIONARY, 0, 0, 0]) + compress(msgpack.packb([kind, *elements]), 3)
    return struct.pack(">II", len(rest) + 4, zlib.crc32(rest)) + rest


def relabelled(frame: bytes) -> bytes:
    """The frame, as if it were packed with a dictionary that only a later release has; only of a push it may be."""
    if frame[8] != SHIPPED or not _is_push(frame):
        return frame
    rest = bytes([LATER_DICTIONARY]) + frame[9:]
    return frame[:4] + struct.pack(">I", zlib.crc32(rest)) + rest


def _is_push(frame: bytes) -> bool:
    try:
        return isinstance(wire.decode(frame), Push)
    except UnreadableForm:  # it names streams by their numbers, as only a push does
        return True


class LaterSession:
    """A home's connections to its hub, as a later release uses them: it says more behind its greeting."""

    def __init__(self, session: Any, says: Sequence[bytes] = (frame_of(NOTICE, {"new": [1, 2]}),)) -> None:
        self._session, self._says = session, says

    def post(self, url: str, *, data: Any, **more: Any) -> Any:
        """As the session's."""
        return self._session.post(
            url, data=self._bytes(data) if isinstance(data, bytes) else self._stream(data), **more
        )

    def get(self, url: str, **more: Any) -> Any:
        """As the session's."""
        return self._session.get(url, **more)

    async def close(self) -> None:
        """As the session's."""
        await self._session.close()

    def _bytes(self, data: bytes) -> bytes:
        return b"".join(self._later(wire.FrameBuffer().feed(data), True))

    async def _stream(self, data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        buffer, is_first = wire.FrameBuffer(), True
        async for piece in data:
            yield b"".join(self._later(buffer.feed(piece), is_first))
            is_first = False

    def _later(self, frames: Iterator[bytes], is_first: bool) -> Iterator[bytes]:
        for number, frame in enumerate(frames):
            yield relabelled(frame)
            if is_first and number == 0:
                yield from self._says


class LaterServer(ExchangeServer):
    """A hub of a later release: it says more behind every answer."""

    says: Sequence[bytes] = (frame_of(NOTICE), frame_of(NOTICE + 1, "text", {1: b"2"}))

    async def _send(self, response: Any, message: Any) -> None:  # type: ignore[override]
        await ExchangeServer._send(response, message)
        for frame in self.says:
            await response.write(frame)


@contextmanager
def earlier() -> Iterator[None]:
    """What is folded here is folded by an earlier release, which lacks some names."""
    known = dict(schema.REGISTRY)
    for name in LACKING:
        del schema.REGISTRY[name]
        schema._READERS.pop(name, None)
    try:
        yield
    finally:
        schema.REGISTRY.clear()
        schema.REGISTRY.update(known)
