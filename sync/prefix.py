"""Where two copies of one log part: the largest size at which their roots agree, found by asking for few roots.

Roots of an append-only log agree up to some size and differ from there on, so the search narrows an interval. The first
question is whether one copy continues the other, as in the ordinary case; then 16 sizes a round leave one part in 16,
so a log of a million entries takes 5 rounds more. A peer that answers at random makes the search end all the same; what
it finds then is at worst too small, and nothing is ever stored because of it alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from sync.errors import RemoteProtocolError
from sync.wire_logs import COMPARED_COUNT_MAX


class Prefix:
    """A search under way: the copies agree at `size`, and differ behind `end`."""

    def __init__(self, shared_max: int) -> None:
        """`shared_max`: the smaller of the two copies' sizes; that they agree there is not known yet."""
        self.shared_max = shared_max
        self.size = 0
        self.end = shared_max
        self._asked = False

    @property
    def done(self) -> bool:
        """Whether `size` is the answer."""
        return self.size >= self.end

    def sizes(self) -> list[int]:
        """At which sizes to compare next, ascending; the last one is the largest that is still possible."""
        count = min(COMPARED_COUNT_MAX if self._asked else 1, self.end - self.size)
        return [self.size + (self.end - self.size) * n // count for n in range(1, count + 1)]

    def take(self, mine: Sequence[bytes], theirs: Sequence[bytes]) -> None:
        """Both sides' roots at `sizes()`."""
        sizes = self.sizes()
        if len(theirs) != len(sizes):
            raise RemoteProtocolError(f"{len(sizes)} roots were asked for, {len(theirs)} came")
        self._asked = True
        for size, ours, other in zip(sizes, mine, theirs, strict=True):
            if ours != other:
                self.end = size - 1
                return
            self.size = size
