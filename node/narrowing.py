"""What keeps an entry from the county, found by halving: so that one bad entry holds back nothing else.

Two things can be wrong with an entry of the own log. The disk has damaged it so that no root over it can be right
(`EntryDamaged`, met before anything is sent): the exchange then ends before it, with a receipt for what is there, and
the node goes on in a new log, in which it records again what it can read behind it. Or the county refuses a push as
`invalid`, though all is right here: pushes are halved, signed at smaller sizes, until the one entry is alone, and that
entry goes in erased form; its content stays here, and the node's own `entry-damaged/1` says so.

Nothing here is remembered on a disk: a node that is started again finds the same.
"""

from __future__ import annotations

from typing import Final

import apsw

from node.clock import Clock
from node.incarnations import DAMAGED
from sync import damage, epoch
from sync.database import NotStored
from sync.errors import EntryDamaged, LogCorrupt, RefusedByPeer, Unreachable
from sync.replicator import PUSH_ROWS_MAX, Sender
from sync.store import Store

INVALID: Final = "invalid"


class Narrowing:
    """What one home's exchanges have learned about its own log."""

    def __init__(self, store: Store, clock: Clock, *, is_hub: bool = False) -> None:
        self._store = store
        self._is_hub = is_hub
        self._clock = clock
        self._damage: EntryDamaged | None = None
        self.steps = 0  # how often something was learned
        self.rows_max = PUSH_ROWS_MAX
        self.withheld: frozenset[int] = frozenset()  # see `outgoing.Withheld`

    def end(self, size: int) -> int:
        """How far an exchange about a log of this size may go."""
        return min(size, self._damage.seq - 1) if self._damage is not None else size

    def met(self, found: EntryDamaged, sender: Sender) -> Unreachable:
        """An entry was met damaged: what to raise instead, so that the next exchange ends before it."""
        self.steps += 1
        if sender.hub_clock_ms is not None:  # else the hub may hold it already: the next exchange asks first
            self._damage = found
        return Unreachable(f"{found}: what is before it goes to the county now")

    def refused(self, error: RefusedByPeer, sender: Sender) -> RefusedByPeer | Unreachable:
        """The county refused a push: what to raise instead."""
        rows, seq = sender.refused_rows, sender.acknowledged + 1
        if error.code != INVALID or rows == 0 or (rows == 1 and -seq in self.withheld):
            return error
        self.steps += 1
        if rows > 1:
            self.rows_max = rows // 2
            return Unreachable(f"the county refused a push ({error}): smaller ones will show which entry it is")
        log = sender.log
        self._store.submit(lambda db: damage.note(self._store, db, log, seq, damage.REFUSED)).result()
        self.withheld |= {-seq}
        self.rows_max = PUSH_ROWS_MAX
        return Unreachable(f"the county refused entry {seq} of log {log.hex()} ({error}): its content stays here")

    def go_on(self) -> bool:
        """Behind a receipt: whether the node has left a log that is damaged, for a new one.

        Raises the damage where not even what is behind it can be read: then only a backup helps.
        """
        if self._damage is None:
            return False
        found, self._damage = self._damage, None
        try:
            self._leave(found.seq - 1)
        except (LogCorrupt, NotStored, apsw.CorruptError, apsw.NotADBError) as error:
            self._damage = found
            raise LogCorrupt(
                f"本机第 {found.seq} 条记录所在的地方读不出来了，它前面的都已到县里；请用备份恢复（restore），"
                f"缺的会从县里取回 ({found}; what is before it is at the county: put back a backup with `restore`, the "
                f"rest comes from the county: {error})"
            ) from None
        self.rows_max, self.withheld = PUSH_ROWS_MAX, frozenset()
        return True

    def _leave(self, size: int) -> None:
        if self._is_hub:
            epoch.open_next(self._store, DAMAGED, self._clock(), keep={self._store.log: size})
        else:
            self._store.succeed(size, DAMAGED, self._clock())
