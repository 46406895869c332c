"""A process that rebuilds a folder's read models and says how much memory it took.

python -m tests.bench.rebuilding FOLDER VIEWS
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

from node.cli import COLLECT_AFTER
from node.filling import fill
from sync.stored_log import StoredLog
from tests.bench.facts import home_of


def peak_mib() -> float:
    """The most memory that this process ever had resident; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def main(folder: Path, path: Path) -> None:
    """Rebuild, and print the peak as JSON."""
    store = StoredLog(folder)
    before = peak_mib()
    for _ in fill(store, path, home_of, store.position()):
        pass
    store.close()
    print(json.dumps({"peak_mib": peak_mib(), "before_mib": before}))


if __name__ == "__main__":
    gc.set_threshold(*COLLECT_AFTER)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
