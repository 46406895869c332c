"""Verifying a whole store, beside hashing alone, and beside all that its format asks for and nothing around it."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

import apsw

from sync import log_sql
from sync.entry import COMMITMENT_TAG, header
from sync.sealing import NONCE_SIZE, Seal
from sync.store import Store
from sync.stored_log import StoredLog
from sync.verify import verify
from tests.bench.facts import Workshop, nothing
from tests.bench.measuring import Findings, Sample, interleaved, timed


class _Taken(NamedTuple):
    """One entry, read and with its keys at hand."""

    seal: Seal
    nonce: bytes
    sealed: bytes
    head: bytes
    salt_key: bytes
    place: bytes
    body: bytes


def run(workshop: Workshop, runs: int) -> list[Findings]:
    """One table."""
    store = Store(workshop.big_home())
    taken = store.reading(lambda db: _taken(store, db))

    def ours() -> Sample:
        with timed() as clock:
            verdict = verify(store, None, nothing)
        assert verdict.ok
        return clock.sample(verdict.compared)

    def hashing(one: _Taken) -> None:
        sha256(one.body).digest()
        sha256(one.head).digest()

    def primitives(one: _Taken) -> None:
        packed = one.seal.decrypt(one.nonce, one.sealed, one.head)
        sha256(COMMITMENT_TAG + hmac.digest(one.salt_key, one.place, "sha256") + packed).digest()
        sha256(b"\x01" + sha256(one.head).digest() + bytes(32)).digest()

    def each(work: Callable[[_Taken], None]) -> Callable[[], Sample]:
        def case() -> Sample:
            with timed() as clock:
                for one in taken:
                    work(one)
            return clock.sample(len(taken))

        return case

    rounds = interleaved({"verify": ours, "hashing": each(hashing), "primitives": each(primitives)}, runs)
    store.close()
    found = Findings(f"Verifying {len(taken):,} entries (entries a second)")
    hashes, all_of_it = "SHA-256 of header and body", "opening, HMAC, three hashes"
    found.compare("verify", rounds, "verify", "hashing", named=hashes, aim="≥ 0.3")
    found.cost("verify", rounds, "verify", "hashing", named=hashes)
    found.compare("verify", rounds, "verify", "primitives", named=all_of_it)
    found.cost("verify", rounds, "verify", "primitives", named=all_of_it)
    return [found]


def _taken(store: StoredLog, db: apsw.Connection) -> list[_Taken]:
    found = []
    for row in log_sql.entries_after(db, 0, log_sql.POSITION_MAX):
        log, name, seal, salt_key = store.seal_of(db, row.stream)
        assert seal is not None
        assert row.body is not None
        head, place = header(log, row.seq, name, row.commitment), log + row.seq.to_bytes(8, "big")
        body = store.open_row(row, log, store.seal_of(db, row.stream))
        assert body is not None
        found.append(_Taken(seal, row.body[:NONCE_SIZE], row.body[NONCE_SIZE:], head, salt_key, place, body))
    return found
