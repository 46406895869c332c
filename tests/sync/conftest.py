"""Small real things that the tests of the replicated log share: an author without a disk, and folders with a store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from sync import log_sql
from sync.batch import Draft, StreamRef
from sync.entry import Body, commitment, derive, leaf, log_id, origin, pack_body, read_body, stream_id
from sync.merkle import Frontier
from sync.messages import Beginning, Confirm, ErasedRow, Push, PushRow
from sync.note import Signer, checkpoint_text, sign
from sync.replicator import Receiver
from sync.store import Store


class Author:
    """A node's log in memory: what PROTOCOL.md says a node does, written down a second time."""

    def __init__(self, seed: int = 1) -> None:
        self.signer = Signer("homeward/new", bytes([seed]) * 32)
        self.public_key = self.signer.public_key
        self.log = log_id(self.public_key)
        self.subjects: list[bytes] = []
        self.rows: list[PushRow] = []
        self.leaves: list[bytes] = []
        self.bodies: list[bytes] = []
        self.commitments: list[bytes] = []

    def key(self, ordinal: int) -> bytes:
        return self.log + ordinal.to_bytes(16, "big")

    def write(self, subject: int, payload: object = None) -> Author:
        """One more entry about a subject named by a number."""
        name = subject.to_bytes(16, "big")
        if name not in self.subjects:
            self.subjects.append(name)
        ordinal, seq = self.subjects.index(name) + 1, len(self.rows) + 1
        keys = derive(self.key(ordinal))
        lamport = 1 + sum(row.ordinal == ordinal for row in self.rows)
        body = Body("visit/1", f"worker {seq % 2}", name, lamport, 1000 * seq, {}, payload or {"n": seq}, {})
        packed = pack_body(body)
        self.rows.append(PushRow(ordinal, body.type, body.actor, lamport, 1000 * seq, {}, body.payload, {}))
        committed = commitment(keys.salt, self.log, seq, packed)
        self.leaves.append(leaf(self.log, seq, stream_id(keys.label, self.log, name), committed))
        self.bodies.append(packed)
        self.commitments.append(committed)
        return self

    def write_many(self, count: int, subjects: int = 3) -> Author:
        for n in range(count):
            self.write(n % subjects)
        return self

    @property
    def size(self) -> int:
        return len(self.rows)

    def frontier(self, size: int) -> Frontier:
        return Frontier().extend(self.leaves[:size])[0]

    def signature(self, size: int, root: bytes | None = None) -> bytes:
        return sign(self.signer, checkpoint_text(origin(self.log), size, root or self.frontier(size).root()))

    def name(self, ordinal: int) -> bytes:
        return stream_id(derive(self.key(ordinal)).label, self.log, self.subjects[ordinal - 1])

    def push(self, start: int, end: int, erased: Collection[int] = ()) -> Push:
        begun = 1 + max((row.ordinal for row in self.rows[:start]), default=0)
        last = max((row.ordinal for row in self.rows[:end]), default=0)
        streams = [
            Beginning(None, None, self.name(n)) if n in erased else Beginning(self.subjects[n - 1], self.key(n), None)
            for n in range(begun, last + 1)
        ]
        first = begun if streams else 1
        rows = [
            ErasedRow(row.ordinal, committed) if row.ordinal in erased else row
            for row, committed in zip(self.rows[start:end], self.commitments[start:end], strict=True)
        ]
        return Push(start, first, streams, rows, self.frontier(end).root(), self.signature(end))

    def close(self, size: int) -> Confirm:
        return Confirm(size, self.frontier(size).root(), self.signature(size))

    def receiver(self, size: int = 0, keyless: Collection[int] = ()) -> Receiver:
        """A hub's side that holds the first `size` entries and knows of them what the disk would give."""
        streams = max((row.ordinal for row in self.rows[:size]), default=0)

        def find(ordinal: int) -> StreamRef | None:
            if ordinal > streams:
                return None
            if ordinal in keyless:
                return StreamRef(self.name(ordinal), None, None)
            return StreamRef(self.name(ordinal), self.subjects[ordinal - 1], derive(self.key(ordinal)).salt)

        return Receiver(
            self.log, self.public_key, self.frontier(size), streams, find, lambda past: self.frontier(past).root()
        )


@pytest.fixture
def author() -> Author:
    return Author()


@pytest.fixture(scope="session")
def authors() -> Callable[[int], Author]:
    return Author


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Callable[[str], Store]]:
    """Opens the store in a folder by its name, made where there is none; all are closed after the test."""
    opened: list[Store] = []

    def open_store(name: str = "node") -> Store:
        folder = tmp_path / name
        if not folder.exists():
            folder.mkdir()
            Store.create(folder)
        opened.append(Store(folder))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


def recompute(store: Store) -> dict[bytes, int]:
    """Sizes of all logs, after every body, commitment, chain, leaf and root was made again from what is stored."""
    sizes = {}
    for branch in store.branches():
        leaves, versions, heads, streams = [], {}, {}, {}
        rows = store.reading(
            lambda db, number=branch.id: store.opened_rows(db, log_sql.entries_of_branch(db, number, 1, 10**6))
        )
        for seq, row in enumerate(rows, 1):
            if row.stream not in streams:
                streams[row.stream] = store.reading(lambda db, number=row.stream: log_sql.stream_by_id(db, number))
            stream = streams[row.stream]
            assert row.seq == seq
            assert row.version == versions.get(row.stream, 0) + 1
            assert row.prev == heads.get(row.stream)
            versions[row.stream], heads[row.stream] = row.version, row.position
            body = read_body(row.body)
            keys = derive(store.keyring.stream_key(stream.key))
            assert stream.name == stream_id(keys.label, branch.log, body.subject)
            assert row.commitment == commitment(keys.salt, branch.log, seq, row.body)
            leaves.append(leaf(branch.log, seq, stream.name, row.commitment))
        assert branch.size == len(leaves)
        assert branch.streams == len(versions)
        assert store.root(branch.log, branch.size) == Frontier().extend(leaves)[0].root()
        middle = branch.size // 2
        assert store.root(branch.log, middle) == Frontier().extend(leaves[:middle])[0].root()
        for number, head in heads.items():
            assert (streams[number].head, streams[number].version) == (head, versions[number])
        sizes[branch.log] = branch.size
    count = sum(sizes.values())
    assert [entry.position for entry in store.entries_after(0, 10**6)] == list(range(1, count + 1))
    return sizes


@pytest.fixture
def sizes_of() -> Callable[[Store], dict[bytes, int]]:
    """Sizes of all logs of a store, after everything stored was recomputed."""
    return recompute


@pytest.fixture
def draft() -> Callable[..., Draft]:
    """A draft about the subject of a number."""

    def make(subject: int = 1, **changes) -> Draft:
        plain = Draft("visit/1", "li", subject.to_bytes(16, "big"), 1_741_392_000_000, {"note": "奶奶在家"})
        return plain._replace(**changes)

    return make
