"""How hard to compress: what the hub's acknowledgements say of the link. Messages and the time go in, as everywhere.

A slow link leaves time to compress harder, a fast one does not. Which one it is follows from the bytes that were
acknowledged since the first push of the exchange; until the first acknowledgement the link counts as slow, for the
first frames are small.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from sync.compression import LEVEL, LEVEL_SLOW_LINK

FAST_BYTES_A_SECOND: Final = 80_000  # a tenth of what a core compresses at the harder level: a slow PC is no slow link


class Effort:
    """Watches one exchange. Times in seconds of any clock that only goes forward."""

    def __init__(self) -> None:
        self._on_the_way: deque[tuple[int, int]] = deque()
        self._began_s: float | None = None
        self._arrived_bytes = 0
        self._rate = 0.0

    def pushed(self, end: int, size_bytes: int, now_s: float) -> None:
        """A push that ends at this size of the log, of so many bytes, goes out."""
        self._began_s = now_s if self._began_s is None else self._began_s
        self._on_the_way.append((end, size_bytes))

    def acknowledged(self, size: int, now_s: float) -> None:
        """The hub holds so many entries."""
        while self._on_the_way and self._on_the_way[0][0] <= size:
            self._arrived_bytes += self._on_the_way.popleft()[1]
        if self._began_s is not None:
            self._rate = self._arrived_bytes / max(1e-3, now_s - self._began_s)

    @property
    def level(self) -> int:
        """The level of compression for the next push."""
        return LEVEL if self._rate >= FAST_BYTES_A_SECOND else LEVEL_SLOW_LINK
