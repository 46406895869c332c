"""Exchanges over a bad link: how near they come to what the link itself allows, and what cuts cost in bytes.

The hub is a process of its own, the homes' real exchangers run here, each behind a link of its own (`deploy.badlink`):
64 kbit/s, 600 ms a round trip. The limit is what nobody can beat: one round trip to connect, one to be answered, and
between them the bytes at the line's rate. Which bytes: those of the same facts over the same link without cuts.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from central_hub.registry import Admissions
from deploy.badlink import Link
from node.clock import system_clock
from node.exchanging import Exchanger
from node.folder import Config, Folder, Hub, create_folder
from sync.batch import Draft
from sync.store import Store
from tests.bench.exchange import start_hub, stop_hub
from tests.bench.facts import Workshop
from tests.bench.homes import Homes, sample
from tests.bench.measuring import Findings

RATE_KBIT: Final = 64
RTT_MS: Final = 600
CUT_BYTES: Final = 50_000
BACKLOG_COUNT: Final = 2000
DAY_COUNT: Final = 53
SEEDS_COUNT: Final = 10
RECORDS_COUNT: Final = 1000


@dataclass
class Trial:
    """One home's exchange over its link."""

    seconds: float
    up_bytes: int
    down_bytes: int
    arrived_bytes: int  # of pushes that the hub took
    cuts: int

    @property
    def lost(self) -> float:
        """What went beside the pushes that the hub took, or twice; as a part of these."""
        return (self.up_bytes + self.down_bytes) / self.arrived_bytes - 1

    @property
    def limit_s(self) -> float:
        """What the link needs for this trial's bytes, if nothing is lost and nobody waits in vain."""
        return 2 * RTT_MS / 1000 + self.up_bytes / (RATE_KBIT * 125)


def run(workshop: Workshop, runs: int) -> list[Findings]:
    """One table."""
    facts = Homes(sample(workshop)).grow(BACKLOG_COUNT + DAY_COUNT)
    hub = workshop.fresh("hub")
    create_folder(hub, Config(kind="hub", name="清溪县"))
    seeds = SEEDS_COUNT if runs > 2 else SEEDS_COUNT // 2
    homes = [_joined(workshop, hub, number) for number in range(2 + seeds)]
    for home in homes:
        _record(home, facts[:BACKLOG_COUNT])
    process, url = start_hub(hub, serve=False)
    try:
        day, whole, cut = asyncio.run(_trials(homes, facts[BACKLOG_COUNT:], url))
    finally:
        stop_hub(process)
    return [_table(day, whole, cut)]


def _joined(workshop: Workshop, hub: Path, number: int) -> Path:
    home = workshop.home(f"home-{number}")
    store, node = Store(hub), Store(home)
    admissions = Admissions(store, system_clock())
    digest, code = number.to_bytes(32), f"home-{number:03}"
    admissions.invite(code, code, digest)
    admissions.join(code, digest, node.signer.public_key)
    key = store.signer.public_key.hex()
    node.close()
    store.close()
    Folder(home, "home").save_config(hub=Hub(url="http://127.0.0.1:1", key=key, name="清溪县"))
    return home


def _record(home: Path, facts: list[Draft]) -> None:
    with contextlib.closing(Store(home)) as store:
        for at in range(0, len(facts), RECORDS_COUNT):
            store.record(facts[at : at + RECORDS_COUNT]).result()


async def _trials(homes: list[Path], day: list[Draft], url: str) -> tuple[Trial, Trial, list[Trial]]:
    """A day, the backlog without cuts, and the backlog with the cuts of each seed; all beside each other."""
    daily, plain, *cut = homes
    await _trial(daily, _link(url, rate_kbit=0, rtt_ms=0))
    await asyncio.to_thread(_record, daily, day)
    one_day, whole, *others = await asyncio.gather(
        _trial(daily, _link(url)),
        _trial(plain, _link(url)),
        *(_trial(home, _link(url, cut_bytes=CUT_BYTES, seed=seed)) for seed, home in enumerate(cut, 1)),
    )
    return one_day, whole, others


def _link(
    url: str, *, rate_kbit: float = RATE_KBIT, rtt_ms: float = RTT_MS, cut_bytes: float = 0, seed: int = 1
) -> Link:
    host, _, port = url.rpartition("/")[2].partition(":")
    return Link(to=(host, int(port)), rate_kbit=rate_kbit, rtt_ms=rtt_ms, cut_bytes=cut_bytes, seed=seed)


async def _trial(home: Path, link: Link) -> Trial:
    """Until the receipt for everything is on the home's disk."""
    async with link:
        folder = Folder(home, "home")
        assert folder.config.hub is not None
        folder.save_config(hub=Hub(url=f"http://127.0.0.1:{link.port}", key=folder.config.hub.key, name="清溪县"))
        with contextlib.closing(Store(home)) as store:
            size, began = store.size(store.log), time.perf_counter()
            exchanger = Exchanger(folder, store, system_clock())
            kept = await exchanger.until_receipt()
            seconds = time.perf_counter() - began
            assert kept.signed.size == size
    stats = link.stats
    return Trial(seconds, stats.up, stats.down, exchanger.pace.arrived_bytes, stats.cuts)


def _table(day: Trial, whole: Trial, cut: list[Trial]) -> Findings:
    found = Findings(f"Exchanges at {RATE_KBIT} kbit/s with a round trip of {RTT_MS} ms")
    cases = [
        (f"a day, {DAY_COUNT} facts", day, day, "≤ 1.5"),
        (f"{BACKLOG_COUNT:,} facts, no cuts", whole, whole, ""),
        *((f"cut every {CUT_BYTES // 1000} kB, seed {seed}", trial, whole, "") for seed, trial in enumerate(cut, 1)),
    ]
    for what, trial, needed, aim in cases:
        more = (trial.up_bytes + trial.down_bytes) / (needed.up_bytes + needed.down_bytes) - 1
        sent = (
            f"{trial.up_bytes:,} up, {trial.down_bytes:,} down, {trial.cuts} cuts, {more:+.1%}, lost {trial.lost:.1%}"
        )
        found.state(what, f"{trial.seconds:.1f} s", sent, f"{trial.seconds / needed.limit_s:.2f}", aim=aim)
    slower = [trial.seconds / whole.limit_s for trial in cut]
    more = [(trial.up_bytes + trial.down_bytes) / (whole.up_bytes + whole.down_bytes) - 1 for trial in cut]
    found.state(
        "with cuts, times the limit: median",
        f"{statistics.median(slower):.2f}",
        f"worst {max(slower):.2f}",
        aim="≤ 1.4",
    )
    found.state(
        "with cuts, more bytes: median", f"{statistics.median(more):+.1%}", f"worst {max(more):+.1%}", aim="≤ +8 %"
    )
    found.note(
        f"limit: two round trips and the bytes up of the uncut exchange ({whole.up_bytes / BACKLOG_COUNT:.1f} a fact)"
    )
    return found
