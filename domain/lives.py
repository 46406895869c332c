"""Two lives of one log: what was written there before a folder was put back, and what was written there instead.

A home and its county that are put back to older copies at once do not know it, and go on where the copies end: at seqs
that their logs had once before. What stood there comes back from whoever still has it, *apart*: it counts where it
stood, and names the entry of its stream that it was written *behind* there. So a life is a chain. Its entries lead back
to the last one that the log still has as it stands, the *base*; up to there both lives are one.

An author has seen of his own log what his own life had. What stands apart has seen nothing that the log has behind the
base; what the log has there has seen nothing that stands apart, unless it names it by its id. So two values of a field
that were written in two lives stand beside each other until somebody who was shown both decides.

Deps name a log and a seq. Where the one entry that is there stands apart, they mean its life, up to it. Where several
stand, or the one that is meant is not here, nobody can say which life is meant: then they mean what all have in common.
A conflict too many is settled by a person; a value that was overwritten is missed by nobody.

All that is asked here about an entry follows from entries before it in canonical order. A subject of which nothing
stands apart, as nearly all, has nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from domain.records import Record

NOBODY: Collection[bytes] = frozenset()


class Known(NamedTuple):
    """What an author has seen: of logs as they stand, and of what stands apart; of that, what he named by its id."""

    deps: dict[bytes, int]
    saw: set[bytes]
    named: set[bytes]


class Life(NamedTuple):
    """Of an entry that stands apart: its log, its base, itself and what it was written behind, what its author knew."""

    log: bytes
    base: int
    ids: frozenset[bytes]
    known: Known


class Lives:
    """The entries of one subject that stand apart, in canonical order; private to one fold."""

    __slots__ = ("_at", "_common", "_kept", "_where", "by_id", "known")

    def __init__(self, kept: Callable[[bytes], bytes]) -> None:
        """`kept`: under which id an entry counts that was recorded again."""
        self._kept = kept
        self.by_id: dict[bytes, Life] = {}
        self.known: dict[bytes, Known] = {}  # what authors know by now, by their logs as they stand
        self._at: dict[tuple[bytes, int], list[bytes]] = {}
        self._where: dict[bytes, tuple[bytes, int]] = {}
        self._common: dict[bytes, int] = {}  # by log, up to where all its lives are one

    def note(self, record: Record, before: Collection[Record]) -> None:
        """Take an entry, after all those before it."""
        if record.apart is not None:
            for one in before if not self.by_id else ():
                self._stands(one)
            self._begin(record, before)
        elif self.by_id:
            self._stands(record)

    def _stands(self, record: Record) -> None:
        if record.apart is None:
            self._at.setdefault((record.log, record.seq), []).append(record.id)
            self._where[record.id] = record.log, record.seq

    def _begin(self, record: Record, before: Collection[Record]) -> None:
        assert record.apart is not None
        id_, log, behind = record.id, record.log, self._kept(record.apart.behind)
        mine = frozenset((id_, self._kept(id_)))
        parent = self.by_id.get(behind)
        if parent is not None and parent.log == log:
            deps, saw, named = parent.known
            life = Life(log, parent.base, parent.ids | mine, Known(dict(deps), saw | mine, set(named)))
        else:
            its_log, seq = self._where.get(behind, (b"", 0))
            life = Life(log, seq if its_log == log else 0, mine, Known({}, set(mine), set()))
            for one in before:
                if one.log == log and one.apart is None and one.seq <= life.base:
                    self.learn(life.known, one.deps, one.saw)
        self.by_id[id_] = life
        self._at.setdefault((log, record.seq), []).append(id_)
        self._common[log] = min(life.base, self._common.get(log, life.base))

    def learn(self, known: Known, deps: Mapping[bytes, int], named: Iterable[bytes] = ()) -> None:
        """Let an author have seen more: what deps mean, and what is named by its id."""
        for id_ in map(self._kept, named):
            life = self.by_id.get(id_)
            ids = life.ids if life is not None else (id_,)
            known.saw.update(ids)
            known.named.update(ids)
            if life is not None:
                known.deps[life.log] = max(life.base, known.deps.get(life.log, 0))
        for log, seq in deps.items():
            until, meant = self._meant(log, seq, known.named)
            known.saw.update(meant)
            known.deps[log] = max(until, known.deps.get(log, 0))

    def _meant(self, log: bytes, seq: int, named: Collection[bytes]) -> tuple[int, Collection[bytes]]:
        """What deps that name a place mean: the log as it stands up to a seq, and what stands apart.

        Who names by its id what stands apart there means by the place what the log has there.
        """
        if log not in self._common:
            return seq, NOBODY
        here = self._at.get((log, seq), [])
        lives = {id_: self.by_id[id_] for id_ in here if id_ in self.by_id}
        if len(lives) < len(here) and all(id_ in named for id_ in lives):
            return seq, NOBODY
        base = min([one.base for one in lives.values()], default=self._common[log])
        shared: Collection[bytes] = NOBODY
        if len(lives) == len(here) > 0:
            shared = frozenset.intersection(*(one.ids for one in lives.values()))
        return min(seq, base), shared
