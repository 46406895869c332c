"""How much memory a process takes that opens a log and records into it: asked of a process that does nothing else.

    python -m tests.bench.remembering ours|library PATH BATCHES

It prints two numbers, KiB: the most it had taken before it opened anything, and the most it had taken in the end.
"""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
STATUS: Final = Path("/proc/self/status")


class Memory(NamedTuple):
    """High-water marks of one process, MiB."""

    before: float
    most: float


def memory(kind: str, path: Path, batches: list[Any], scratch: Path) -> Memory | None:
    """What it takes to record these into what lies at `path`, which nobody else may hold meanwhile; None off Linux.

    `batches` are what the recorder of that kind is given: drafts for "ours", stored events for "library".
    """
    if not STATUS.exists():
        return None
    scratch.write_bytes(pickle.dumps(batches))
    command = [sys.executable, "-m", __name__, kind, str(path), str(scratch)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    scratch.unlink()
    before, most = map(int, done.stdout.split())
    return Memory(before / 1024, most / 1024)


def main(kind: str, path: Path, scratch: Path) -> None:
    """The process itself; it imports only what its kind needs."""
    if kind == "ours":
        from sync.store import Store

        batches = pickle.loads(scratch.read_bytes())
        before = _high_water_kib()
        store = Store(path)
        for batch in batches:
            store.record(batch).result()
        store.close()
    else:
        from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

        batches = pickle.loads(scratch.read_bytes())
        before = _high_water_kib()
        datastore = SQLiteDatastore(str(path))
        recorder: SQLiteApplicationRecorder = SQLiteApplicationRecorder(datastore)
        for batch in batches:
            recorder.insert_events(batch)
        datastore.close()
    print(before, _high_water_kib())


def _high_water_kib() -> int:
    found = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text("ascii"))
    assert found is not None
    return int(found[1])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
