"""What cuts left of frames at a hub: the beginning of one for each log, in memory, until its node goes on with it.

A cut loses what is on its way, and with it the frame that had come in part. On a bad link that part is worth keeping:
the next exchange of the log begins with Remains, how much there is and its fingerprint, and a node that is about to
send the very same frame again says Resume and goes on behind that. Whether it is the same the node decides, who has
the whole; the frame's checksum and the signatures inside hold for what is put together, as for any frame.

It is never on the disk, and nothing depends on it: a hub that was started anew, or had too much to keep, says nothing,
and the frame comes whole. What can be kept is bounded for each log and for all together, the oldest goes first, and
after an hour it is of no use to anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from sync.errors import FrameDamaged
from sync.messages import Remains, Resume
from sync.wire import FINGERPRINT_SIZE

KEPT_SIZE_BYTES_MIN: Final = 200  # less is sent again in fewer bytes than it is spoken of
KEPT_SIZE_BYTES_MAX: Final = 128 * 1024
KEPT_ALL_SIZE_BYTES_MAX: Final = 4 * 1024 * 1024
KEPT_S_MAX: Final = 3600.0


def fingerprint(begun: bytes) -> bytes:
    """What tells one beginning of a frame from another."""
    return hashlib.sha256(begun).digest()[:FINGERPRINT_SIZE]


def is_beginning(remains: Remains, frame: bytes) -> bool:
    """Whether that is a beginning of this frame, and not all of it."""
    size_bytes = remains.size_bytes
    return size_bytes < len(frame) and fingerprint(frame[:size_bytes]) == remains.fingerprint


class Interrupted:
    """The beginnings of frames that a hub keeps, by log."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """`now_s`: a steady clock."""
        self._now_s = now_s
        self._kept: dict[bytes, tuple[float, bytes]] = {}  # the oldest first

    def keep(self, log: bytes, begun: bytes) -> None:
        """A connection ended within a frame of this log's node. A smaller part than is worth it changes nothing."""
        if not KEPT_SIZE_BYTES_MIN <= len(begun) <= KEPT_SIZE_BYTES_MAX:
            return
        self.drop(log)
        self._kept[log] = self._now_s(), begun
        self._shrink()

    def remains(self, log: bytes) -> Remains | None:
        """What there is of a frame of this log's node."""
        self._shrink()
        begun = self._kept.get(log, (0.0, b""))[1]
        return Remains(len(begun), fingerprint(begun)) if begun else None

    def take(self, log: bytes, said: Resume) -> bytes:
        """The beginning that the node goes on with. Raises FrameDamaged, which has it try again."""
        begun = self._kept.get(log, (0.0, b""))[1]
        if not begun or len(begun) != said.size_bytes:
            raise FrameDamaged(f"a frame goes on behind {said.size_bytes} bytes, of which {len(begun)} are here")
        self.drop(log)
        return begun

    def drop(self, log: bytes) -> None:
        """The node goes on with something else."""
        self._kept.pop(log, None)

    def _shrink(self) -> None:
        size_bytes, now_s = sum(len(begun) for _, begun in self._kept.values()), self._now_s()
        while self._kept:
            log, (kept_s, begun) = next(iter(self._kept.items()))
            if size_bytes <= KEPT_ALL_SIZE_BYTES_MAX and now_s - kept_s <= KEPT_S_MAX:
                return
            size_bytes -= len(begun)
            self.drop(log)
