"""How large a push may be: what a link loses against what a small frame costs; pure, the time goes in.

A cut loses the frame that is on its way, half of it on average. Every frame costs some bytes of its own: size, root,
signature, and what compression could have found in a larger one. On a link that carries `lived` bytes from one cut to
the next, frames of s bytes waste `lived / s * FRAME_COST + s / 2` between two cuts, least at s = sqrt(2 * FRAME_COST *
lived). How much a link lives is learned: the first bytes count for little, each cut and each acknowledged byte tells.

Where the link is fast, bytes do not matter but turns do: a frame may take FRAME_S of the line, as long as it remains a
small part of what the link lives. The rate is what acknowledgements say, from one to the next.

Where the hub has kept what a cut left of a push (`interrupted`), a larger one loses no more: it may take RESUMED_S of a
slow line. A cut after which the hub has nothing of it ends that. For the push to be made again as it was, it is
remembered how many rows it had.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

PUSH_SIZE_BYTES_MIN: Final = 2_000
PUSH_SIZE_BYTES_FIRST: Final = 3_000
PUSH_SIZE_BYTES_MAX: Final = 64_000
FRAME_COST_BYTES: Final = 150  # size, root, signature, and a little for what a larger frame packs better
FRAME_S: Final = 0.3
RESUMED_S: Final = 1.0
RESUMED_SIZE_BYTES_MAX: Final = 8_000
ROW_SIZE_BYTES_FIRST: Final = 80.0
ROW_SIZE_BYTES_MIN: Final = 8.0
LIVED_BYTES_FIRST: Final = 32_000  # before anything is known
PART_OF_LIFE: Final = 4
CUTS_REMEMBERED: Final = 8  # links change
INTERVAL_S_MIN: Final = 0.002  # acknowledgements that come together are one


class Pace:
    """What one link taught about itself, from one exchange to the next."""

    def __init__(self, largest_bytes: int = PUSH_SIZE_BYTES_MAX) -> None:
        """`largest_bytes`: no push is larger, whatever the link can do."""
        self._largest_bytes = largest_bytes
        self.row_size_bytes = ROW_SIZE_BYTES_FIRST  # what a row of the last push took
        self.arrived_bytes = 0  # of all pushes that were acknowledged
        self.unconfirmed_pushes = 0  # that arrived since the last receipt, as far as is known
        self.resumed_bytes = 0  # that the hub had of the push which the last exchange began with
        self.resumes = False  # the hub kept what the last cut left of a push
        self._carried_bytes = float(LIVED_BYTES_FIRST)
        self._cuts = 1.0
        self._unsure: list[Pushed] = []  # under way at the last cut
        self._rate: float | None = None  # bytes a second; None: nobody has told the time
        self._unmeasured_bytes = 0
        self._heard_s = 0.0

    @property
    def bound_bytes(self) -> int:
        """The largest push that makes sense now; no bound where the time is not told."""
        if self._rate is None:
            return self._largest_bytes
        lived = self._carried_bytes / self._cuts
        best = max(math.sqrt(2 * FRAME_COST_BYTES * lived), min(self._rate * FRAME_S, lived / PART_OF_LIFE))
        if self.resumes:
            best = max(best, min(self._rate * RESUMED_S, RESUMED_SIZE_BYTES_MAX))
        return int(min(self._largest_bytes, max(PUSH_SIZE_BYTES_MIN, best)))

    def arrived(self, size_bytes: int, sent_s: float, now_s: float) -> None:
        """A push that was handed to the link at `sent_s` is acknowledged now, in seconds of one steady clock."""
        self.arrived_bytes += size_bytes
        self._carried_bytes += size_bytes
        self._unmeasured_bytes += size_bytes
        interval_s = now_s - max(sent_s, self._heard_s)
        if interval_s < INTERVAL_S_MIN:
            return
        measured = self._unmeasured_bytes / interval_s
        self._rate = measured if self._rate is None else (self._rate + measured) / 2
        self._unmeasured_bytes, self._heard_s = 0, now_s

    def cut(self, under_way: list[Pushed]) -> None:
        """The link was cut; these pushes may have arrived or not."""
        self._unsure = under_way or self._unsure  # of the cut before, if the hub has not said since what it holds
        self._unmeasured_bytes = 0
        self._cuts += 1
        if self._cuts > CUTS_REMEMBERED:
            self._cuts, self._carried_bytes = self._cuts / 2, self._carried_bytes / 2

    def held(self, size: int) -> int:
        """After a cut: the hub turns out to hold so many entries. How many rows the push had that was to follow."""
        broken = next((push.rows_count for push in self._unsure if push.end - push.rows_count == size), 0)
        found = [push.size_bytes for push in self._unsure if push.end <= size]
        found_bytes = sum(found)
        self.unconfirmed_pushes += len(found)
        self.arrived_bytes += found_bytes
        self._carried_bytes += found_bytes
        self.resumes &= not self._unsure  # unless it says so in this exchange
        self._unsure, self.resumed_bytes = [], 0
        return broken

    def resumed(self, size_bytes: int) -> None:
        """The hub had so many bytes of a frame that a cut met."""
        self.resumes, self.resumed_bytes = True, size_bytes


class Pushed(NamedTuple):
    """A push under way: where it ends, its rows, the size that was tried and the one it has, and when it was sent."""

    end: int
    rows_count: int
    tried_bytes: int
    size_bytes: int
    sent_s: float | None


class Flight:
    """The pushes of one exchange that are not acknowledged yet, and how large the next one should be."""

    def __init__(self, push_size_bytes: int, pace: Pace) -> None:
        self._tried_bytes = push_size_bytes
        self._pace = pace
        self._under_way: list[Pushed] = []
        self.broken_rows = 0  # of the push that a cut before this exchange met, once the hub has said what it holds

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def first_end(self) -> int:
        """Where the push ends that is to be answered next; 0 if none is under way."""
        return self._under_way[0].end if self._under_way else 0

    @property
    def push_size_bytes(self) -> int:
        """Twice of what got through, as far as the link's pace allows."""
        return min(self._tried_bytes, self._pace.bound_bytes)

    @property
    def rows_count(self) -> int:
        """How many rows the next push takes, if they are like those of the last one; perhaps none."""
        return int(self.push_size_bytes / self._pace.row_size_bytes)

    def add(self, end: int, rows_count: int, size_bytes: int, now_s: float | None) -> None:
        """A push is handed to the link."""
        self._pace.row_size_bytes = max(ROW_SIZE_BYTES_MIN, size_bytes / max(1, rows_count))
        self._under_way.append(Pushed(end, rows_count, self._tried_bytes, size_bytes, now_s))

    def arrived(self, size: int, now_s: float | None) -> None:
        """So many entries are acknowledged."""
        arrived = [push for push in self._under_way if push.end <= size]
        self._under_way = [push for push in self._under_way if push.end > size]
        if self._tried_bytes in [
            push.tried_bytes for push in arrived
        ]:  # what is tried now got through: try twice of it
            self.grow()
        self._pace.unconfirmed_pushes += len(arrived)
        for push in arrived:
            if now_s is not None and push.sent_s is not None:
                self._pace.arrived(push.size_bytes, push.sent_s, now_s)

    def grow(self) -> None:
        """Try twice as much."""
        self._tried_bytes = min(PUSH_SIZE_BYTES_MAX, self._tried_bytes * 2)

    def clear(self) -> None:
        """What is under way goes again."""
        self._under_way.clear()

    def cut(self) -> None:
        """The link was cut."""
        self._pace.cut(self._under_way)

    def held(self, size: int) -> None:
        """The hub said what it holds, which settles what was under way at the last cut."""
        self.broken_rows = self._pace.held(size)
