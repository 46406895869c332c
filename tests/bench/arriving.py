"""What comes down to a new PC over a slow link: when it can be worked with, and when all is there.

A home's five years, 100,000 entries, are at the county; their PC was stolen. The hub is a process of its own, as
`central-hub serve` runs it; the new PC is another one, as `site-node sync` runs it, behind `deploy.badlink`:
512 kbit/s, 100 ms a round trip. It is watched from outside, by reading what is on its disk.

The limit is what nobody can beat: the same entries in our most compact form (pushes of 2,000 rows, the hardest level)
at the line's rate. *Usable*: of every child in care the whole file is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from central_hub.cli import homes_of
from central_hub.registry import Admissions
from deploy.badlink import Link, LinkThread
from node.clock import system_clock
from node.exchanging import Exchanger
from node.folder import Config, Folder, Hub, create_folder
from node.opening import current_views
from sync import wire
from sync.batch import Draft
from sync.compression import LEVEL_SLOW_LINK
from sync.log_schema import STREAM_SHIFT
from sync.outgoing import push_of
from sync.store import Store
from sync.stored_log import StoredLog
from tests.bench.exchange import cpu_s, start_hub, stop_hub
from tests.bench.facts import HOME, Workshop, drafts, entries, import_into
from tests.bench.homes import CHILD, LEFT, Homes, sample
from tests.bench.measuring import Findings

RATE_KBIT: Final = 512
RTT_MS: Final = 100
ENTRIES_COUNT: Final = 100_000
FEW_COUNT: Final = 20_000
RECORDS_COUNT: Final = 1000
LOOK_EVERY_S: Final = 0.5
SYNC: Final = "from site_node.cli import main; raise SystemExit(main())"


@dataclass
class Arrival:
    """What was seen of one new PC."""

    first_s: float = 0.0  # until anything was there
    usable_s: float = 0.0
    complete_s: float = 0.0
    down_bytes: int = 0
    node_mib: float = 0.0
    hub_mib: float = 0.0
    node_cpu_s: float = 0.0
    hub_cpu_s: float = 0.0


def run(workshop: Workshop, runs: int, file: Path | None = None) -> list[Findings]:
    """One table; `file`: a home's facts, not those of the sample."""
    facts = _facts(workshop, file) if file else Homes(sample(workshop)).one(ENTRIES_COUNT if runs > 2 else FEW_COUNT)
    count = len(facts)
    hub = workshop.fresh("hub")
    create_folder(hub, Config(kind="hub", name="清溪县"))
    old, new = (_joined(workshop, hub, number) for number in range(2))
    _record(old, facts)
    process, url = start_hub(hub, serve=False)
    try:
        asyncio.run(_bring(old, url))
    finally:
        stop_hub(process)
    with current_views(Folder(hub, "hub"), homes_of(Folder(hub, "hub"))):  # that was long ago
        pass
    process, url = start_hub(hub, serve=True)
    try:
        arrival = _arrive(new, url, _files(facts), count, process.pid)
    finally:
        stop_hub(process)
    return [_table(count, _limit_bytes(old), arrival)]


def _facts(workshop: Workshop, file: Path) -> list[Draft]:
    folder = workshop.home()
    import_into(folder, file, all_sites=True)
    with contextlib.closing(Store(folder)) as store:
        return [draft._replace(extensions={}) for draft in drafts(entries(store))]


def _joined(workshop: Workshop, hub: Path, number: int) -> Path:
    home = workshop.home(f"home-{number}")
    with contextlib.closing(Store(hub)) as store, contextlib.closing(StoredLog(home)) as node:
        admissions = Admissions(store, system_clock())
        admissions.invite(HOME, "牛角乡南沟村留守儿童之家", number.to_bytes(32))
        admissions.join(HOME, number.to_bytes(32), node.signer.public_key)
        key = store.signer.public_key.hex()
    Folder(home, "home").save_config(hub=Hub(url="http://127.0.0.1:1", key=key, name="清溪县"))
    return home


def _record(home: Path, facts: list[Draft]) -> None:
    with contextlib.closing(Store(home)) as store:
        for at in range(0, len(facts), RECORDS_COUNT):
            store.record(facts[at : at + RECORDS_COUNT]).result()


async def _bring(home: Path, url: str) -> None:
    folder = Folder(home, "home")
    assert folder.config.hub is not None
    folder.save_config(hub=Hub(url=url, key=folder.config.hub.key, name="清溪县"))
    with contextlib.closing(Store(home)) as store:
        await Exchanger(folder, store, system_clock()).until_receipt()


def _files(facts: list[Draft]) -> dict[bytes, int]:
    """How many entries there are about each child in care."""
    sizes = Counter(draft.subject for draft in facts)
    here = {draft.subject for draft in facts if draft.type == CHILD}
    here -= {draft.subject for draft in facts if draft.type == LEFT}
    return {subject: sizes[subject] for subject in here}


def _limit_bytes(home: Path) -> int:
    with contextlib.closing(StoredLog(home)) as store:
        size, start, total = store.size(store.log), 0, 0
        while start < size:
            push = push_of(store, start, 2000)
            start, total = push.end, total + len(wire.encode(push, LEVEL_SLOW_LINK))
    return total


def _arrive(home: Path, url: str, files: dict[bytes, int], count: int, hub_pid: int) -> Arrival:
    host, _, port = url.rpartition("/")[2].partition(":")
    seen = Arrival()
    with LinkThread(Link(to=(host, int(port)), rate_kbit=RATE_KBIT, rtt_ms=RTT_MS)) as link:
        folder = Folder(home, "home")
        assert folder.config.hub is not None
        folder.save_config(hub=Hub(url=f"http://127.0.0.1:{link.port}", key=folder.config.hub.key, name="清溪县"))
        hub_before_s, began = cpu_s(hub_pid), time.perf_counter()
        node = subprocess.Popen([sys.executable, "-c", SYNC, "sync", str(home)], stdout=subprocess.DEVNULL)
        with contextlib.closing(StoredLog(home)) as store:
            while True:
                is_running = node.poll() is None
                entries, usable = _look(store, files)
                at = time.perf_counter() - began
                seen.first_s = seen.first_s or (at if entries else 0.0)
                seen.usable_s = seen.usable_s or (at if usable else 0.0)
                seen.node_mib = max(seen.node_mib, peak_mib(node.pid))
                seen.node_cpu_s = cpu_s(node.pid) or seen.node_cpu_s
                if not is_running:
                    break
                time.sleep(LOOK_EVERY_S)
            assert node.returncode == 0
            assert entries >= count
        seen.complete_s = time.perf_counter() - began
        seen.down_bytes = link.stats.down
    seen.hub_mib, seen.hub_cpu_s = peak_mib(hub_pid), cpu_s(hub_pid) - hub_before_s
    return seen


def _look(store: StoredLog, files: dict[bytes, int]) -> tuple[int, bool]:
    """How many entries of other logs are here, and whether every file is."""
    own = store.branch_id(store.log)
    query = "SELECT id >> ?, subject, version FROM stream JOIN head ON stream = id"
    rows = store.reading(lambda db: db.execute(query, (STREAM_SHIFT,)).fetchall())
    held = {subject: version for branch, subject, version in rows if branch != own}
    return sum(held.values()), all(held.get(subject, 0) >= size for subject, size in files.items())


def peak_mib(pid: int) -> float:
    """The most memory that a process has had; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    except (OSError, StopIteration):
        return 0.0


def _table(count: int, limit_bytes: int, seen: Arrival) -> Findings:
    limit_s = limit_bytes / (RATE_KBIT * 125)
    found = Findings(f"A new PC fetches {count:,} entries at {RATE_KBIT} kbit/s with a round trip of {RTT_MS} ms")
    found.state("the link's limit", f"{limit_s:.1f} s", f"{limit_bytes:,} bytes, {limit_bytes / count:.1f} an entry")
    found.state("the first entries are there", f"{seen.first_s:.1f} s")
    found.state("every child in care is there, with the whole file", f"{seen.usable_s:.1f} s",
                f"{seen.usable_s / limit_s:.2f} of the limit for all", aim="≤ 60 s of 100,000")  # fmt: skip
    found.state("all is there", f"{seen.complete_s:.1f} s", f"{seen.down_bytes:,} bytes down",
                f"{seen.complete_s / limit_s:.2f}", aim="≤ 1.5")  # fmt: skip
    found.state("memory at its peak", f"node {seen.node_mib:.0f} MiB", f"hub {seen.hub_mib:.0f} MiB")
    found.state("processor time an entry", f"node {seen.node_cpu_s / count * 1e6:.0f} µs",
                f"hub {seen.hub_cpu_s / count * 1e6:.0f} µs")  # fmt: skip
    return found
