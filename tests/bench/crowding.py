"""A thousand homes come back at once: how long the last of them waits, and what the hub needs for it.

All homes' requests are made and signed beforehand, so what is measured is the hub: one process, as
`tests.bench.receiving` runs it. Every home connects in the same instant and sends its 200 entries as the client streams
them. The aim is a ratio inside one run: the slowest but ten of all homes against all homes' work at the hub's own rate,
which is that of the same homes coming sixteen at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from central_hub.registry import INVITED, JOINED
from node.clock import system_clock
from node.folder import Config, create_folder
from sync import wire
from sync.batch import Draft
from sync.client import CONTENT_TYPE, PATH
from sync.messages import Confirm, Hello, Receipt
from sync.outgoing import push_of
from sync.pacing import PUSH_SIZE_BYTES_FIRST
from sync.replicator import PROTOCOL
from sync.store import Store
from tests.bench.exchange import cpu_s, start_hub, stop_hub
from tests.bench.facts import Workshop
from tests.bench.homes import Homes, sample
from tests.bench.measuring import Findings

HOMES_COUNT: Final = 1000
FEW_COUNT: Final = 200
ENTRIES_COUNT: Final = 200
AT_A_TIME: Final = 16
FILES_COUNT: Final = 4096
PATIENCE_S: Final = 300
PREPARING_MAX: Final = 8


@dataclass
class Caller:
    """One home, ready to send: its log, its key, and its whole request."""

    log: bytes
    public_key: bytes
    request: bytes
    seconds: float = 0.0


def run(workshop: Workshop, runs: int) -> list[Findings]:
    """One table."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES_COUNT, hard), hard))
    count = HOMES_COUNT if runs > 2 else FEW_COUNT
    facts = Homes(sample(workshop)).grow(ENTRIES_COUNT)
    with ThreadPoolExecutor(PREPARING_MAX) as threads:  # they wait for the disk
        callers = list(threads.map(lambda folder: _caller(folder, facts), [workshop.fresh() for _ in range(count)]))
    in_turn_s, _, _, _ = _measure(workshop, callers, AT_A_TIME)
    whole_s, hub_s, peak_mib, size = _measure(workshop, callers, count)
    waits = sorted(caller.seconds for caller in callers)
    p99 = waits[int(len(waits) * 0.99) - 1]
    found = Findings(f"{count:,} homes at once, {ENTRIES_COUNT} entries each, one hub process")
    found.state("all served, without an error", f"{whole_s:.1f} s", f"{AT_A_TIME} at a time: {in_turn_s:.1f} s")
    found.state("entries a second", f"{size / whole_s:,.0f}", f"{hub_s / size * 1e6:.0f} µs of processor each")
    found.state("p99 of a home's wait", f"{p99:.1f} s", f"median {waits[len(waits) // 2]:.1f} s",
                f"{p99 / in_turn_s:.2f}", aim="≤ 3")  # fmt: skip
    found.state("hub's memory at its peak", f"{peak_mib:.0f} MiB", aim="≤ 400 MiB")
    return [found]


def _caller(folder: Path, facts: list[Draft]) -> Caller:
    folder.mkdir()
    Store.create(folder)
    with contextlib.closing(Store(folder)) as store:
        store.record(facts).result()
        frames, start, rows = [wire.encode(Hello(PROTOCOL, store.log, len(facts), system_clock()()))], 0, 20
        while start < len(facts):
            push = push_of(store, start, min(rows, len(facts) - start))
            frames.append(wire.encode(push))
            start, rows = push.end, max(1, int(PUSH_SIZE_BYTES_FIRST / len(frames[-1]) * len(push.rows)))
        frames.append(wire.encode(Confirm(*store.sign(len(facts))[:3])))
        body = b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames) + b"0\r\n\r\n"
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: hub\r\nContent-Type: {CONTENT_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        return Caller(store.log, store.signer.public_key, head.encode() + body)


def _measure(workshop: Workshop, callers: list[Caller], at_a_time: int) -> tuple[float, float, float, int]:
    """Seconds until all have their receipts, the hub's processor seconds, its peak in MiB, and what it holds."""
    hub = workshop.fresh("hub")
    create_folder(hub, Config(kind="hub", name="清溪县"))
    with contextlib.closing(Store(hub)) as store:
        store.record([draft for n, caller in enumerate(callers) for draft in _admission(store.log, n, caller)]).result()
    process, url = start_hub(hub, serve=False)
    try:
        before_s, began = cpu_s(process.pid), time.perf_counter()
        asyncio.run(_call_all(callers, int(url.rpartition(":")[2]), at_a_time))
        seconds, hub_s = time.perf_counter() - began, cpu_s(process.pid) - before_s
        peak = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmHWM" in line)
    finally:
        stop_hub(process)
    with contextlib.closing(Store(hub)) as store:
        size = sum(branch.size for branch in store.branches() if not branch.own)
    assert size == len(callers) * ENTRIES_COUNT
    return seconds, hub_s, int(peak.split()[1]) / 1024, size


def _admission(hub_log: bytes, number: int, caller: Caller) -> list[Draft]:
    """What inviting and joining leave in the hub's log."""
    code, digest = f"home-{number:04}", number.to_bytes(32)
    invited = {"code": code, "name": code, "digest": digest, "expires_ms": 1}
    joined = {"code": code, "digest": digest, "public_key": caller.public_key}
    return [Draft(kind, "county", hub_log, 1, payload) for kind, payload in ((INVITED, invited), (JOINED, joined))]


async def _call_all(callers: list[Caller], port: int, at_a_time: int) -> None:
    places = asyncio.Semaphore(at_a_time)

    async def call(caller: Caller) -> None:
        async with places:
            await _call(caller, port)

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*map(call, callers))


async def _call(caller: Caller, port: int) -> None:
    """One home's exchange to its receipt."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(caller.request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    frames = wire.FrameBuffer()
    message = None
    while not isinstance(message, Receipt):
        size = int(await reader.readline(), 16)
        assert size, f"no receipt, but at last {message}"
        for frame in frames.feed((await reader.readexactly(size + 2))[:-2]):
            message = wire.decode(frame)
    assert message.size == ENTRIES_COUNT
    caller.seconds = time.perf_counter() - began
    writer.close()
