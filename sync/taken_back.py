"""A hub that was restored takes back what it had said itself: entries of its own logs that only homes still have.

They come as a home holds them, in the outbox of an older epoch, under the hub's own signature (`giving_back`). The hub
cannot put them where they stood: its log has a gap there, and may have gone on. So it records them again in the log
that it writes now, as a home does with what it set aside (`succession`), and notes in each where it stood (EXT_STOOD):
log, seq, id and lamport; and behind which entry of its stream it was written there (EXT_BEHIND, `given`). Folds read
such an entry as the one that stood there, which is what homes still hold. So what anybody had seen of it, replaced by
it or built on it fits as before, and what the county wrote since has not seen it; nor has what anybody wrote at the
places that were free by then, before he knew.
Ids decide what was taken back already, whoever brings it: *killed at any moment, the hub takes it again and records it
once.*

Where a home returns an entry of an own log at a seq at which the hub itself has another one, the hub wrote there before
it knew that it was put back. Homes hold the first: so the hub sets its own aside, from there on, records it again too,
and begins the next epoch in the same transaction, for outboxes of this one may name what was set aside.

What homes wrote comes back, too, from the others who were given it, and the hub holds it, or gets it again from who
wrote it. Not if that home was put back as well: then nobody else has it. It is gone where its log has another entry at
its place by now, or is shorter though its home was here in this epoch. The hub records it again in its own log, in that
home's name: EXT_STOOD has the home's code, too, and it counts where it stood, as that home's word. Until one knows, it
is awaited (`awaited`). What a county reads of itself, or says to homes, is never made from what a home wrote.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, NamedTuple

import apsw

from sync import awaited, epoch, given, log_sql, receipt_sql
from sync.awaited import Awaited
from sync.batch import Arrived, Draft, NewStream
from sync.entry import EXT_FIRST_ID, EXT_STOOD, Body, entry_id, unpack_body
from sync.errors import RemoteProtocolError
from sync.given import Given
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


class Homes(NamedTuple):
    """What a hub knows of the homes whose entries come back."""

    code_of: Callable[[bytes], str]  # of a log; empty where it is unknown, or no home's
    logs_of: Callable[[bytes], Collection[bytes]]  # all logs of the home that a log belongs to
    may_repeat: Callable[[Body], bool]  # whether the county may say again what a home has said


class Said(NamedTuple):
    """An entry that a home returned: where it stands, its id, and what it says; nothing, where that was erased.

    `behind`: the id of the one before it in its stream.
    """

    log: bytes
    seq: int
    commitment: bytes
    stream: NewStream
    body: Body | None
    behind: bytes = b""


class Kept(NamedTuple):
    """Of such an entry what is needed to record it again."""

    log: bytes
    seq: int
    commitment: bytes
    body: Body
    behind: bytes


class TakingBack:
    """The hub's end. Safe to use from any thread."""

    def __init__(
        self, store: Store, is_own: IsOwn, left_out: Callable[[Body], bool], clock_ms: Callable[[], int], homes: Homes
    ) -> None:
        """`is_own` recognises logs of lives that this folder does not know; `left_out`, what has no lasting meaning."""
        self._store, self._is_own, self._left_out, self._clock_ms = store, is_own, left_out, clock_ms
        self._homes = homes
        self._one_at_a_time = threading.Lock()
        self._firsts: set[bytes] = set()  # under which ids entries were recorded again
        self._stood: set[tuple[bytes, int, bytes]] = set()  # where those of homes stood, and their ids
        self._again: set[bytes] = set()  # ids of all of them
        self._read_until: dict[bytes, int] = {}

    def recall(self, told: Witness) -> Recall:
        """What to ask for of an outbox that a home holds so much of."""
        return recall_of(self._store, told)

    def take(self, home: str, of: bytes, message: Returned) -> Took:
        """Record what is the hub's and was missing, durably; the node of the log `of` gives it back.

        Raises RemoteProtocolError or VerificationError.
        """
        parcel = self._verified(home, message)
        with self._one_at_a_time:
            said, places = self._said(parcel)
            own = self._own(home, said)
            stands = self._stands([one for one in said if one.log in own])
            missing = [one for one in said if one.log in own and stands.get((one.log, one.seq)) != one.commitment]
            self._record(
                where_it_stood(one.log, one.seq, one.commitment, one.body, one.behind) for one in self._kept(missing)
            )
            self._set_aside([one for one in said if stands.get((one.log, one.seq), one.commitment) != one.commitment])
            waiting = self._take_homes([(n, one) for n, one in enumerate(said, parcel.start + 1) if one.log not in own])
            current = outbox_id(self._store.identity.public_key, home, epoch.current(self._store))
            mark, size = taken_mark(current, of, parcel.log), parcel.frontier.size

            def work(db: apsw.Connection) -> None:
                awaited.drop(db, of, parcel.log, range(parcel.start + 1, size + 1))
                if waiting:
                    found = [Awaited(parcel.log, n, one.log, one.seq, one.commitment) for n, one in waiting]
                    awaited.note(db, of, found)
                given.note(db, parcel.log, places)
                log_sql.track(db, mark, size)

            self._store.submit(work).result()
        return Took(parcel.log, parcel.frontier.size)

    def settle(self, home: str, of: bytes) -> None:
        """Look again at what is awaited of what the node of the log `of` gave back; it may be gone by now."""
        if not awaited.has_any(self._store, of):
            return  # and waits for nobody
        current = outbox_id(self._store.identity.public_key, home, epoch.current(self._store))
        with self._one_at_a_time:
            awaited.settle(self._store, of, current, self._is_gone)

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

    def _said(self, parcel: Parcel) -> tuple[list[Said], list[Given]]:
        """The entries, each with the one that it was written behind; and what is to be noted of them for others."""
        said = list(_said(parcel))
        numbered = list(enumerate(said, parcel.start + 1))
        places = [Given(one.log, one.stream.name, n, entry_id(one.commitment)) for n, one in numbered]
        self._read_firsts()
        given.begin(self._store, parcel.log, parcel.start, self._again)
        found = [one for one, (_, each) in zip(places, numbered, strict=True) if not _is_again(each.body)]
        behind = given.behind(self._store, parcel.log, places, found)
        return [one._replace(behind=behind[n]) for n, one in numbered], found

    def _stands(self, said: list[Said]) -> dict[tuple[bytes, int], bytes]:
        """What stands in the logs that are held at the places of these entries."""
        held = {branch.log: branch.id for branch in self._store.branches()}

        def work(db: apsw.Connection) -> dict[tuple[bytes, int], bytes]:
            places = [(one.log, one.seq) for one in said if one.log in held]
            rows = [(log, row) for log, seq in places for row in log_sql.entries_of_branch(db, held[log], seq, 1)]
            return {(log, row.seq): row.commitment for log, row in rows}

        return self._store.reading(work)

    def _set_aside(self, said: list[Said]) -> None:
        """Keep the own logs up to where they begin to say something else only, and begin the next epoch."""
        keep: dict[bytes, int] = {}
        for one in said:
            keep[one.log] = min(one.seq - 1, keep.get(one.log, one.seq))
        if keep:
            epoch.open_next(self._store, FORKED, self._clock_ms(), keep=keep)

    def _own(self, home: str, said: list[Said]) -> set[bytes]:
        """Which logs of these entries are the hub's own."""
        bodies = [one.body for one in said if one.body is not None]
        known = set(self._store.own_logs())
        return {log for log in {one.log for one in said} if log in known or self._is_own(home, log, bodies)}

    def _record(self, drafts: Iterable[Draft]) -> None:
        """Record again what was not recorded again yet."""
        self._read_firsts()
        fresh = {again.extensions[EXT_FIRST_ID]: again for again in drafts}
        missing = [again for first_id, again in fresh.items() if first_id not in self._firsts]
        if missing:
            self._store.record(missing).result()

    def _kept(self, said: Iterable[Said]) -> Iterator[Kept]:
        """Those that can be read, were not erased here, and have a lasting meaning."""
        for one in said:
            is_erased = self._store.keeps_nothing_of(one.stream.subject, one.stream.name)
            if one.body is not None and not is_erased and not self._left_out(one.body):
                yield Kept(one.log, one.seq, one.commitment, one.body, one.behind)

    # -- what homes wrote

    def _take_homes(self, said: list[tuple[int, Said]]) -> list[tuple[int, Kept]]:
        """Record again what is gone; what may still come from its own home, with its number in the outbox."""
        self._read_firsts()
        found = [(n, kept) for n, one in said for kept in self._kept([one]) if self._homes.may_repeat(kept.body)]
        judged = [(n, one, self._is_gone(one.log, one.seq, one.commitment)) for n, one in found]
        drafts = [
            where_it_stood(one.log, one.seq, one.commitment, one.body, one.behind, self._homes.code_of(one.log))
            for _, one, gone in judged
            if gone and (one.log, one.seq, entry_id(one.commitment)) not in self._stood
        ]
        if drafts:
            self._store.record(drafts).result()
        return [(n, one) for n, one, gone in judged if gone is False]

    def _is_gone(self, log: bytes, seq: int, commitment: bytes) -> bool | None:
        """Whether a home's entry is nowhere but where it came back from; None where it is here."""
        if not self._homes.code_of(log):
            return False
        held = self._store.branch_id(log) if self._store.holds(log) else 0
        rows = self._store.reading(lambda db: log_sql.entries_of_branch(db, held, seq, 1)) if held else []
        if rows and rows[0].seq == seq:
            return None if rows[0].commitment == commitment else True
        now = epoch.current(self._store)
        logs = [one for one in self._homes.logs_of(log) if self._store.holds(one)]
        branches = [self._store.branch_id(one) for one in logs]
        return self._store.reading(lambda db: receipt_sql.has_any_of(db, branches, now))

    def _read_firsts(self) -> None:
        """Under which ids entries were recorded again in the own logs; read on from where the last reading ended."""
        for log in self._store.own_logs():
            for entry in self._store.entries_of_log(log, self._read_until.get(log, 0)):
                body = entry.body()
                if body is not None and EXT_FIRST_ID in body.extensions:
                    self._firsts.add(body.extensions[EXT_FIRST_ID])
                if _is_again(body):
                    self._again.add(entry.id)
                match body.extensions.get(EXT_STOOD) if body is not None else None:
                    case [bytes(of), int(seq), bytes(id_), int(), str()]:
                        self._stood.add((of, seq, id_))
                self._read_until[log] = entry.seq


def _is_again(body: Body | None) -> bool:
    """Whether a hub recorded this again: its author wrote it elsewhere."""
    return body is not None and EXT_STOOD in body.extensions


def _said(parcel: Parcel) -> Iterator[Said]:
    """The entries; every stream of a returned parcel begins in it."""
    streams = {new.ordinal: (new, log) for new, log in zip(parcel.streams, parcel.origins, strict=True)}
    one: Arrived
    for one, seq in zip(parcel.entries, parcel.seqs, strict=True):
        new, log = streams[one.ordinal]
        yield Said(log, seq, one.commitment, new, unpack_body(one.body) if one.body is not None else None)
