"""Verifying a whole store, beside nothing but hashing the same headers and bodies."""

from __future__ import annotations

from hashlib import sha256

from sync.entry import header
from sync.store import Store
from sync.verify import verify
from tests.bench.facts import Workshop, entries, nothing
from tests.bench.measuring import Findings, Sample, interleaved, timed


def run(workshop: Workshop, runs: int) -> list[Findings]:
    """One table."""
    store = Store(workshop.big_home())
    hashed = [(header(e.log, e.seq, bytes(16), e.commitment), e.packed or b"") for e in entries(store)]

    def ours() -> Sample:
        with timed() as clock:
            verdict = verify(store, None, nothing)
        assert verdict.ok
        return clock.sample(verdict.compared)

    def hashing() -> Sample:
        with timed() as clock:
            for head, body in hashed:
                sha256(body).digest()
                sha256(head).digest()
        return clock.sample(len(hashed))

    rounds = interleaved({"verify": ours, "hashing": hashing}, runs)
    store.close()
    found = Findings(f"Verifying {len(hashed):,} entries (entries a second)")
    found.compare("verify", rounds, "verify", "hashing", named="SHA-256 of header and body", aim="≥ 0.3")
    return [found]
