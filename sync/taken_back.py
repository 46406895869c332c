"""A hub that was restored takes back what it had said itself: entries of its own logs that only homes still have.

They come as a home holds them, in the outbox of an older epoch, under the hub's own signature (`giving_back`). The hub
cannot put them where they stood: its log has a gap there, and may have gone on. So it records them again in the log
that it writes now, as a home does with what it set aside (`succession`), and notes in each where it stood (EXT_STOOD):
log, seq, id and lamport. Folds read such an entry as the one that stood there, which is what homes still hold. So what
anybody had seen of it, replaced by it or built on it fits as before, and what the county wrote since has not seen it.
Ids decide what was taken back already, whoever brings it: *killed at any moment, the hub takes it again and records it
once.*

Where a home returns an entry of an own log at a seq at which the hub itself has another one, the hub wrote there before
it knew that it was put back. Homes hold the first: so the hub sets its own aside, from there on, records it again too,
and begins the next epoch in the same transaction, for outboxes of this one may name what was set aside.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

import apsw

from sync import epoch, log_sql
from sync.batch import Arrived, Draft, NewStream
from sync.entry import EXT_FIRST_ID, Body, unpack_body
from sync.errors import RemoteProtocolError
from sync.merkle import Frontier
from sync.messages import Delivery, Recall, Returned, Took, Witness
from sync.outbox import outbox_id
from sync.outbox_receiving import OutboxReceiver, Parcel, TakeIn
from sync.store import Store
from sync.succession import where_it_stood
from sync.witness import recall_of, taken_mark

FORKED: Final = "forked"  # why an epoch was opened
IsOwn = Callable[
    [str, bytes, Collection[Body]], bool
]  # whether a home was shown, or is in these, that a log is the hub's


class Said(NamedTuple):
    """An entry that a home returned: where it stands, its id, and what it says; nothing, where that was erased."""

    log: bytes
    seq: int
    commitment: bytes
    stream: NewStream
    body: Body | None


class TakingBack:
    """The hub's end. Safe to use from any thread."""

    def __init__(self, store: Store, is_own: IsOwn, left_out: Collection[str], clock_ms: Callable[[], int]) -> None:
        """`is_own` recognises logs of lives that this folder does not know; `left_out`: types of no lasting meaning."""
        self._store, self._is_own, self._left_out, self._clock_ms = store, is_own, frozenset(left_out), clock_ms
        self._one_at_a_time = threading.Lock()
        self._firsts: set[bytes] = set()  # under which ids entries were recorded again
        self._read_until: dict[bytes, int] = {}

    def recall(self, told: Witness) -> Recall:
        """What to ask for of an outbox that a home holds so much of."""
        return recall_of(self._store, told)

    def take(self, home: str, of: bytes, message: Returned) -> Took:
        """Record what is the hub's and was missing, durably; the node of the log `of` gives it back.

        Raises RemoteProtocolError or VerificationError.
        """
        parcel = self._verified(home, message)
        said = list(_said(parcel))
        with self._one_at_a_time:
            stands = self._stands(said)
            self._record(home, [one for one in said if stands.get((one.log, one.seq)) != one.commitment])
            self._set_aside([one for one in said if stands.get((one.log, one.seq), one.commitment) != one.commitment])
            current = outbox_id(self._store.identity.public_key, home, epoch.current(self._store))
            mark, size = taken_mark(current, of, parcel.log), parcel.frontier.size
            self._store.submit(lambda db: log_sql.track(db, mark, size)).result()
        return Took(parcel.log, parcel.frontier.size)

    def _verified(self, home: str, message: Returned) -> Parcel:
        if message.epoch >= epoch.current(self._store):
            raise RemoteProtocolError(f"epoch {message.epoch} of the outboxes is not over")
        key = self._store.identity.public_key
        log = outbox_id(key, home, message.epoch)
        _, _, logs, origins, seqs, push = message
        if len(message.frontier) != push.start.bit_count():
            raise RemoteProtocolError(f"a tree of {push.start} entries has another right edge")
        edge = Frontier(push.start, tuple(message.frontier))
        receiver = OutboxReceiver(log, key, edge, 0, lambda _: None)
        for effect in receiver.receive(Delivery(log, push, logs, origins, seqs)):
            if isinstance(effect, TakeIn):
                return effect.parcel
        raise RemoteProtocolError("entries were returned that cannot be read by themselves")

    def _stands(self, said: list[Said]) -> dict[tuple[bytes, int], bytes]:
        """What stands in the own logs at the places of these entries."""
        own = {branch.log: branch.id for branch in self._store.branches() if branch.own}

        def work(db: apsw.Connection) -> dict[tuple[bytes, int], bytes]:
            places = [(one.log, one.seq) for one in said if one.log in own]
            rows = [(log, row) for log, seq in places for row in log_sql.entries_of_branch(db, own[log], seq, 1)]
            return {(log, row.seq): row.commitment for log, row in rows}

        return self._store.reading(work)

    def _set_aside(self, said: list[Said]) -> None:
        """Keep the own logs up to where they begin to say something else only, and begin the next epoch."""
        keep: dict[bytes, int] = {}
        for one in said:
            keep[one.log] = min(one.seq - 1, keep.get(one.log, one.seq))
        if keep:
            epoch.open_next(self._store, FORKED, self._clock_ms(), keep=keep)

    def _record(self, home: str, said: list[Said]) -> None:
        bodies = [one.body for one in said if one.body is not None]
        known = set(self._store.own_logs())
        own = {log for log in {one.log for one in said} if log in known or self._is_own(home, log, bodies)}
        self._read_firsts()
        fresh: dict[bytes, Draft] = {}
        for one in said:
            if one.log in own and one.body is not None and not self._is_left_out(one, one.body):
                again = where_it_stood(one.log, one.seq, one.commitment, one.body)
                fresh[again.extensions[EXT_FIRST_ID]] = again
        missing = [again for first_id, again in fresh.items() if first_id not in self._firsts]
        if missing:
            self._store.record(missing).result()

    def _is_left_out(self, one: Said, body: Body) -> bool:
        return body.type in self._left_out or self._store.keeps_nothing_of(one.stream.subject, one.stream.name)

    def _read_firsts(self) -> None:
        """Under which ids entries were recorded again in the own logs; read on from where the last reading ended."""
        for log in self._store.own_logs():
            for entry in self._store.entries_of_log(log, self._read_until.get(log, 0)):
                body = entry.body()
                if body is not None and EXT_FIRST_ID in body.extensions:
                    self._firsts.add(body.extensions[EXT_FIRST_ID])
                self._read_until[log] = entry.seq


def _said(parcel: Parcel) -> Iterator[Said]:
    """The entries; every stream of a returned parcel begins in it."""
    streams = {new.ordinal: (new, log) for new, log in zip(parcel.streams, parcel.origins, strict=True)}
    one: Arrived
    for one, seq in zip(parcel.entries, parcel.seqs, strict=True):
        new, log = streams[one.ordinal]
        yield Said(log, seq, one.commitment, new, unpack_body(one.body) if one.body is not None else None)
