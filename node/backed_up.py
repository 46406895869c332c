"""What the hub's last verified backup holds of each log, for the second note on receipts.

`backup` looks at its copies when it has verified them, and keeps in `backup.json` how long each log was there, with its
root. A number alone would lie where the folder was put back to an older state, or went on otherwise: so it counts only
while the log here still has that root at that size. A lost file means nothing is known, so nothing is promised.
"""

from __future__ import annotations

import threading

from node.folder import Folder
from sync.stored_log import StoredLog


class BackedUp:
    """Answers for the process that serves; another one may write a backup meanwhile. Safe to use from any thread."""

    def __init__(self, folder: Folder, store: StoredLog) -> None:
        self._folder = folder
        self._store = store
        self._lock = threading.Lock()
        self._stamp = 0
        self._told: dict[str, tuple[int, str]] = {}
        self._checked: dict[bytes, int] = {}

    def __call__(self, log: bytes) -> int:
        """How many entries of a log that is held are in the last verified backup."""
        with self._lock:
            stamp = self._folder.backup_stamp()
            if stamp != self._stamp:
                self._told, self._checked, self._stamp = self._folder.backed_up(), {}, stamp
            if log not in self._checked:
                size, root = self._told.get(log.hex(), (0, ""))
                if size and (size > self._store.size(log) or self._store.root(log, size).hex() != root):
                    return 0  # less is held than then, or something else: more may come
                self._checked[log] = size
            return self._checked[log]
