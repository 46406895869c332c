"""What the county's figures rest on: the log positions that they come from, and who is behind."""

from __future__ import annotations

from typing import Any, Final

from central_hub.registry import Registry
from node.clock import Clock
from sync.stored_log import StoredLog

BEHIND_AFTER_MS: Final = 7 * 24 * 3600 * 1000


def provenance(store: StoredLog, registry: Registry, clock: Clock) -> dict[str, Any]:
    """{log: size}, never a position, and the homes that have not been heard of for a week."""
    sizes = {branch.log: branch.size for branch in store.branches()}
    positions, behind = {}, []
    for home in registry.homes():
        heard_ms = 0
        for log in home.logs:
            positions[log.hex()] = sizes.get(log, 0)
            kept = store.last_checkpoint(log, with_receipt=True) if log in sizes else None
            if kept is not None and kept.receipt is not None:
                heard_ms = max(heard_ms, int.from_bytes(kept.receipt[:8], "big") * 1000)
        if clock() - heard_ms > BEHIND_AFTER_MS:
            behind.append(home.code)
    return {"positions": dict(sorted(positions.items())), "behind": behind}
