"""Who the county has not heard of: whose figures may lack something."""

from __future__ import annotations

from typing import Final

from central_hub.registry import Home, Registry
from node.clock import Clock
from sync.stored_log import StoredLog

BEHIND_AFTER_MS: Final = 7 * 24 * 3600 * 1000


def behind(store: StoredLog, registry: Registry, clock: Clock) -> list[str]:
    """The homes that have not been heard of for a week."""
    held = {branch.log for branch in store.branches()}
    return [home.code for home in registry.homes() if clock() - _heard_ms(store, home, held) > BEHIND_AFTER_MS]


def _heard_ms(store: StoredLog, home: Home, held: set[bytes]) -> int:
    """When a home's newest receipt was given; 0 where it never got one."""
    kept = [store.last_checkpoint(log, with_receipt=True) for log in home.logs if log in held]
    return max((int.from_bytes(one.receipt[:8], "big") * 1000 for one in kept if one and one.receipt), default=0)
