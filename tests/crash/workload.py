"""A home's busy day in small, from a seed: everything that the store is asked in earnest, and what it must then hold.

One step is one commit: single records, batches, batches of peers' logs with new streams, groups of requests that share
a commit, requests that are refused, signed sizes. Between them the WAL is checkpointed (its automatic checkpoint is
made small), a reader holds on to an old state, and the folder is closed and opened again.

After every step the state is read by the store's own reader and compared with a model that was kept beside it; so the
states of a run are known to be right, and a disk after a power cut must hold one of them.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock

from sync.batch import Batch, Draft
from sync.entry import unpack_body
from sync.errors import LocalProtocolError, RemoteProtocolError, StaleVersion
from sync.hub_note import HubNote
from sync.receipts import Kept
from sync.replicator import Append
from sync.store import Store
from sync.stored_log import StoredLog
from tests.crash.contents import digest_of, keys_of, slots_of, tables_of
from tests.crash.recording import Answered, Begun, Op, Tape, recording
from tests.sync.conftest import Author

STEPS: Final = 40
ANSWER_S_MAX: Final = 60.0
AUTHORS: Final = 2
REFUSALS: Final = (StaleVersion, RemoteProtocolError, LocalProtocolError)


class Run(NamedTuple):
    """What was asked of the disk, the digest of the log after each step, stream keys by number, and key slots."""

    seed: int
    ops: list[Op]
    states: list[bytes]
    keys: dict[int, bytes]
    slots: dict[str, bytes]


class Asked(NamedTuple):
    """A request on its way, and what the model knows of it: payloads of own entries, or a peer's log and size."""

    future: Future[Any]
    payloads: list[dict[str, int]]
    peer: tuple[bytes, int] | None
    refused: bool


class Workload:
    """One node under a seeded hand. `step` asks something of it and waits for the answer."""

    def __init__(self, folder: Path, tape: Tape, seed: int) -> None:
        self.folder = folder
        self.tape = tape
        self.dice = random.Random(seed)
        self.authors = [Author(1 + (seed * AUTHORS + n) % 255) for n in range(AUTHORS)]
        self.subjects = 0
        self.numbers = 0
        self.own: list[dict[str, int]] = []  # payloads of the own log, in order
        self.peers: dict[bytes, int] = {}
        self.states: list[bytes] = []
        self.keys: dict[int, bytes] = {}
        self.held: StoredLog | None = None
        tape.mark(Begun(0))
        Store.create(folder)
        tape.mark(Answered(0))
        self.store = self.opened()
        self._look()

    def opened(self) -> Store:
        """Open the folder as a node does; only the WAL's automatic checkpoint comes sooner."""
        store = Store(self.folder)
        pages = self.dice.choice((4, 12, 40))
        store.submit(lambda db: db.execute(f"PRAGMA wal_autocheckpoint={pages}").get).result(ANSWER_S_MAX)
        return store

    def run(self, steps: int) -> None:
        """A day."""
        choices: list[tuple[int, Callable[[], None]]] = [
            (8, lambda: self.commit(self._record(1))),
            (5, lambda: self.commit(self._record(self.dice.randint(2, 8)))),
            (6, lambda: self.commit(self._peer())),
            (6, self._group),
            (3, lambda: self.commit(self._refused())),
            (2, lambda: self.commit(self._signed)),
            (3, self._checkpoint),
            (2, self._hold_or_let_go),
            (2, self._reopen),
        ]
        weights, asks = zip(*choices, strict=True)
        for _ in range(steps):
            self.dice.choices(asks, weights)[0]()

    def close(self) -> None:
        """Everything is given back."""
        if self.held is not None:
            self.held.close()
        self.store.close()

    # What is asked

    def _drafts(self, count: int) -> list[Draft]:
        drafts = []
        for _ in range(count):
            fresh = self.subjects < 3 or self.dice.random() < 0.3
            self.subjects += fresh
            subject = self.subjects if fresh else self.dice.randint(1, self.subjects)
            self.numbers += 1
            payload = {"n": self.numbers, "pad": self.dice.choice((0, 30, 400)) * "x"}
            kind = f"visit/{self.dice.randint(1, 4)}"
            drafts.append(Draft(kind, "li", subject.to_bytes(16, "big"), self.numbers, payload))
        return drafts

    def _record(self, count: int) -> Callable[[], Asked]:
        drafts = self._drafts(count)
        return lambda: Asked(self.store.record(drafts), [d.payload for d in drafts], None, refused=False)

    def _refused(self) -> Callable[[], Asked]:
        author = self.dice.choice(self.authors)
        if self.peers.get(author.log, 0) and self.dice.random() < 0.3:
            again = batch_of(author, 0, self.dice.randint(1, author.size))
            return lambda: Asked(self.store.append(again), [], None, refused=True)
        *good, last = self._drafts(self.dice.randint(1, 4))
        mistakes: list[dict[str, Any]] = [{"expect": 99}, {"payload": 0.5}, {"deps": {b"?" * 16: 1}}]
        bad = last._replace(**self.dice.choice(mistakes))
        return lambda: Asked(self.store.record([*good, bad]), [], None, refused=True)

    def _peer(self) -> Callable[[], Asked]:
        author = self.dice.choice(self.authors)
        if author.log not in self.peers:
            self.peers[author.log] = 0
            return lambda: Asked(self.store.add_log(author.log, author.public_key), [], None, refused=False)
        batch = self._batch(author)
        return lambda: Asked(self.store.append(batch), [], (author.log, batch.frontier.size), refused=False)

    def _batch(self, author: Author) -> Batch:
        start = author.size
        for _ in range(self.dice.randint(1, 6)):
            author.write(self.dice.randint(1, 3 + start // 2))
        return batch_of(author, start, author.size)

    def _signed(self) -> Asked:
        signed = self.store.sign(len(self.own))
        if self.dice.random() < 0.5:
            signed, kept = signed._replace(receipt=b"r" * 72), Kept(signed.size, HubNote(1, 0, 0, b"n" * 64))
            return Asked(self.store.keep_receipt(self.store.log, signed, kept), [], None, refused=False)
        return Asked(self.store.keep_checkpoint(self.store.log, signed), [], None, refused=False)

    def _group(self) -> None:
        """Several requests that wait while the writer is busy, and so share one commit."""
        go_on = threading.Event()
        self.store.submit(lambda db: go_on.wait(ANSWER_S_MAX))
        makers = [self._record(self.dice.randint(1, 3)) for _ in range(self.dice.randint(1, 4))]
        makers += [self._refused() for _ in range(self.dice.randint(0, 2))] + [self._peer()]
        self.dice.shuffle(makers)
        self.commit(*makers, held_by=go_on)

    def commit(self, *makers: Callable[[], Asked], held_by: threading.Event | None = None) -> None:
        """Ask, wait for the answers, and compare what is then stored with the model."""
        step = len(self.states)
        self.tape.mark(Begun(step))
        asked = []
        for make in makers:
            one = make()
            one.future.add_done_callback(lambda f: None if f.exception() else self.tape.mark(Answered(step)))
            asked.append(one)
        if held_by is not None:
            held_by.set()
        for one in asked:
            error = one.future.exception(ANSWER_S_MAX)
            assert isinstance(error, REFUSALS) if one.refused else error is None, f"step {step}: {error!r}"
            self.own += one.payloads
            if one.peer is not None:
                self.peers[one.peer[0]] = one.peer[1]
        self._look()

    def _checkpoint(self) -> None:
        """Ask for one as a neighbour would; a reader that holds on may keep it from being finished."""
        mode = self.dice.choice(("PASSIVE", "RESTART", "TRUNCATE"))
        if self.held is None or mode == "PASSIVE":
            self.store.reading(lambda db: db.execute(f"PRAGMA wal_checkpoint({mode})").get)

    def _hold_or_let_go(self) -> None:
        if self.held is None:
            self.held = StoredLog(self.folder)
            self.held.reading(lambda db: db.execute("BEGIN; SELECT count(*) FROM entry").get)
        else:
            self.held.close()
            self.held = None

    def _reopen(self) -> None:
        if self.held is not None:
            self._hold_or_let_go()
        self.store.close()
        self.store = self.opened()

    def _look(self) -> None:
        """The state after a step, as any reader sees it; it must be the model's."""
        self.store.submit(lambda db: None).result(ANSWER_S_MAX)  # whoever answers too early has committed by now
        store = self.store
        assert payloads_of(store) == self.own
        held = {branch.log: branch.size for branch in store.branches() if branch.log != store.log}
        assert held == self.peers
        for author in self.authors:
            if author.log in held:
                assert [e.packed for e in store.entries_of_log(author.log)] == author.bodies[: held[author.log]]
        tables = tables_of(store)
        self.states.append(digest_of(tables))
        self.keys |= keys_of(store, tables)


def batch_of(author: Author, start: int, end: int) -> Batch:
    """What a hub that holds an author's first entries makes of the next ones."""
    appending = author.receiver(start).receive(author.push(start, end), 0)[0]
    assert isinstance(appending, Append)
    return appending.batch


def payloads_of(stored: StoredLog) -> list[Any]:
    """What the node's own log says, in its order."""
    return [unpack_body(entry.packed).payload for entry in stored.entries_of_log(stored.log) if entry.packed]


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Keys from a seed, so that a seed gives the same disk to the last byte."""
    with mock.patch("secrets.token_bytes", random.Random(seed).randbytes), mock.patch("time.time", return_value=1.7e9):
        yield


def run(folder: Path, seed: int, steps: int = STEPS) -> Run:
    """Record one seed's day in an empty folder."""
    with recording(folder, seed=seed) as tape, repeatable(seed):
        workload = Workload(folder, tape, seed)
        workload.run(steps)
        workload.close()
    return Run(seed, tape.ops, workload.states, workload.keys, slots_of(folder))
