"""A home's log to the hub over loopback: two processes, the real client and server, every promise kept.

Each run has a hub of its own. It verifies every frame, every commitment and the signed root, and answers only what is
on its disk. It runs as `central-hub serve`, whose follower feeds the county's read models meanwhile; with its log
only; and with frames that were made beforehand, which shows the hub's own ceiling.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from central_hub.registry import Admissions
from node.clock import system_clock
from node.folder import Config, Folder, Hub, create_folder
from node.views import Views
from sync import wire
from sync.store import Store
from sync.stored_log import StoredLog
from tests.bench.facts import HOME, Workshop
from tests.bench.measuring import Case, Findings, Sample, interleaved, timed
from tests.bench.sending import frames_of

SERVE: Final = "from central_hub.cli import main; raise SystemExit(main())"
START_TIMEOUT_S: Final = 30
SHOWN_TIMEOUT_S: Final = 60
POLL_S: Final = 0.005
COPY_PORTION_BYTES: Final = 64 * 1024


@dataclass
class Costs:
    """What the runs of one case cost on either side."""

    home_us: list[float] = field(default_factory=list)
    hub_us: list[float] = field(default_factory=list)
    bytes_an_entry: list[float] = field(default_factory=list)
    shown_rate: list[float] = field(default_factory=list)


def run(workshop: Workshop, runs: int) -> list[Findings]:
    """One table."""
    home = workshop.big_home()
    store = StoredLog(home)
    frames, size = frames_of(store), store.size(store.log)
    store.close()
    costs = {name: Costs() for name in ("served", "log only", "prepared")}
    cases = {
        "served": _exchange(workshop, home, costs["served"], serve=True, prepared=False),
        "log only": _exchange(workshop, home, costs["log only"], serve=False, prepared=False),
        "prepared": _exchange(workshop, home, costs["prepared"], serve=False, prepared=True),
        "decode": _decode(frames, size),
        "copy": _copy(frames, size),
    }
    rounds = interleaved(cases, runs)
    found = Findings(f"Exchange of {size:,} entries over loopback, end to end (entries a second)")
    decode = "decoding its frames alone"
    found.compare("central-hub serve, read models meanwhile", rounds, "served", "decode", named=decode)
    found.compare("the hub's log only", rounds, "log only", "decode", named=decode)
    found.compare("frames made beforehand, log only", rounds, "prepared", "decode", named=decode)
    found.compare("central-hub serve, read models meanwhile", rounds, "served", "copy", named="copying its bytes")
    found.state(
        "from the first byte until the read models show all", f"{statistics.median(costs['served'].shown_rate):,.0f}/s"
    )
    found.state("bytes an entry in frames", f"{statistics.median(costs['served'].bytes_an_entry):.1f}",
                f"{len(frames)} frames of 64 kB: {sum(map(len, frames)) / size:.1f}")  # fmt: skip
    for name, cost in costs.items():
        hub, home_us = statistics.median(cost.hub_us), statistics.median(cost.home_us)
        found.state(f"processor time an entry, {name}", f"hub {hub:.0f} µs", f"home {home_us:.0f} µs")
    return [found]


# -- the hub


def _join(hub: Path, home: Path) -> None:
    """What inviting and joining leave behind, without the requests."""
    create_folder(hub, Config(kind="hub", name="清溪县"))
    store, node = Store(hub), StoredLog(home)
    admissions = Admissions(store, system_clock())
    admissions.invite(HOME, "牛角乡南沟村留守儿童之家", bytes(32))
    admissions.join(HOME, bytes(32), node.signer.public_key)
    hub_key = store.signer.public_key.hex()
    node.close()
    store.close()
    Folder(home, "home").save_config(hub=Hub(url="http://127.0.0.1:1", key=hub_key, name="清溪县"))


def start_hub(hub: Path, *, serve: bool) -> tuple[subprocess.Popen[str], str]:
    """A hub in a process of its own, and where it listens."""
    real = ["-c", SERVE, "serve", str(hub), "--listen", "127.0.0.1:0"]
    bare = ["-m", "tests.bench.receiving", str(hub)]
    process = subprocess.Popen([sys.executable, *(real if serve else bare)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on "), line
    return process, line.split()[-1]


def stop_hub(process: subprocess.Popen[str]) -> None:
    """End it, and wait until it has ended."""
    process.terminate()
    process.wait(START_TIMEOUT_S)
    assert process.stdout is not None
    process.stdout.close()


def cpu_s(pid: int) -> float:
    """Processor seconds of another process; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _exchange(workshop: Workshop, big_home: Path, costs: Costs, *, serve: bool, prepared: bool) -> Case:
    def case() -> Sample:
        home, hub = workshop.copy(big_home), workshop.fresh("hub")
        _join(hub, home)
        process, url = start_hub(hub, serve=serve)
        try:
            before = cpu_s(process.pid)
            told = _send(home, url, prepared=prepared)
            hub_s = cpu_s(process.pid) - before
            if serve:
                shown_s = told["seconds"] + _until_shown(Folder(hub, "hub"))
                costs.shown_rate.append(told["size"] / shown_s)
        finally:
            stop_hub(process)
        store = StoredLog(hub)
        assert store.size(bytes.fromhex(told["log"])) == told["size"]
        store.close()
        costs.home_us.append(told["cpu_s"] / told["size"] * 1e6)
        costs.hub_us.append(hub_s / told["size"] * 1e6)
        costs.bytes_an_entry.append(told["sent_bytes"] / told["size"])
        return Sample(told["size"], told["seconds"], told["cpu_s"])

    return case


def _until_shown(hub: Folder) -> float:
    """Seconds until the hub's read models hold everything that its log holds."""
    began = time.perf_counter()
    store, views = StoredLog(hub.path), Views(hub.views, hub.master)
    while views.position() < store.position():
        assert time.perf_counter() - began < SHOWN_TIMEOUT_S
        time.sleep(POLL_S)
    views.close()
    store.close()
    return time.perf_counter() - began


def _send(home: Path, url: str, *, prepared: bool) -> dict[str, Any]:
    kind = ["--prepared"] if prepared else []
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.sending", str(home), url, *kind],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


# -- what it is measured beside


def _decode(frames: list[bytes], size: int) -> Case:
    def case() -> Sample:
        with timed() as clock:
            for frame in frames:
                wire.decode(frame)
        return clock.sample(size)

    return case


def _copy(frames: list[bytes], size: int) -> Case:
    def case() -> Sample:
        with socket.create_server(("127.0.0.1", 0)) as server:
            sink = threading.Thread(target=_swallow, args=(server,))
            sink.start()
            with timed() as clock, socket.create_connection(server.getsockname()) as link:
                for frame in frames:
                    link.sendall(frame)
                link.shutdown(socket.SHUT_WR)
                link.recv(1)
            sink.join()
        return clock.sample(size)

    return case


def _swallow(server: socket.socket) -> None:
    link, _ = server.accept()
    with link:
        while link.recv(COPY_PORTION_BYTES):
            pass
        link.sendall(b".")
