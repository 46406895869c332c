"""Receipts as values: what a hub gives, what both sides keep of each, and between which two an entry was recorded.

Both sides keep a series for each log: the first and the last receipt for each size, each with the hub's second note
(`hub_note`), and with what was said at that exchange's beginning: how many entries the node had, and both clocks. Out
of it comes a **bracket** for every entry, without believing the node's clock:

* *before*: the county's time of the first receipt that covers it. Proven: the hub signed that it held it then.
* *after*: the county's time when the node last said that it had fewer entries, in an exchange that ended with the
  receipt for all of them. It rests on the word of whoever has the log's key, who signed that size as its newest one. A
  node that kept entries back, or a second copy of it, makes this bound too late; it can prove nothing by it.

Why not the receipt's own time for the second bound: what is recorded while an exchange runs is not in it. The node's
greeting is the moment to which its size belongs. For the same reason what comes by hand has no such bound: a home goes
on recording while its stick travels. Clocks decide nothing: a bracket is for people.
"""

from __future__ import annotations

from typing import NamedTuple

from sync.hub_note import HubNote


class Greeted(NamedTuple):
    """The beginning of an exchange: how many entries the node said it had, and what both clocks said, in ms."""

    size: int
    node_ms: int
    hub_ms: int

    @property
    def offset_ms(self) -> int:
        """How far the node's clock is ahead of the hub's."""
        return self.node_ms - self.hub_ms


class Kept(NamedTuple):
    """A receipt in the series. Without a greeting it came by hand, or nobody knows of one."""

    size: int
    note: HubNote
    greeted: Greeted | None = None


class Bracket(NamedTuple):
    """Between which receipts an entry was recorded; None where there is none on that side."""

    earlier: Kept | None
    later: Kept | None

    @property
    def after_ms(self) -> int | None:
        """The county's time after which it was recorded; never later than what the hub signed in that exchange."""
        if self.earlier is None or self.earlier.greeted is None:
            return None
        return min(self.earlier.greeted.hub_ms, self.earlier.note.time_ms)

    @property
    def before_ms(self) -> int | None:
        """The county's time before which it was recorded."""
        return None if self.later is None else self.later.note.time_ms

    @property
    def contradicts_itself(self) -> bool:
        """Whether the county's own clock was moved between the two."""
        return self.after_ms is not None and self.before_ms is not None and self.after_ms > self.before_ms
