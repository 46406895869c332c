"""A writing command beside a running `serve`: done here while nobody holds the folder, else handed to that process.

The serving process may end at any moment, also with the work half done. So what goes this way can be repeated: then the
command does it, or hands it to the next one who serves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from node import control
from sync.errors import FolderInUse

HANDOVER_S: Final = 20.0
POLL_S: Final = 0.1
T = TypeVar("T")


def here_or_served(here: Callable[[], T], served: Callable[[], T]) -> T:
    """`here`, or `served` where another process holds the folder; raises FolderInUse where neither goes.

    `here` raises FolderInUse before it does anything; `served` raises as `control.ask` does.
    """
    handed_over_at: float | None = None
    while True:
        try:
            return here()
        except FolderInUse:
            try:
                return served()
            except control.AnswerLost:
                handed_over_at = handed_over_at or time.monotonic()
                if time.monotonic() > handed_over_at + HANDOVER_S:
                    raise
            except FolderInUse:  # the one who held the folder may be about to let go of it, or another begins to serve
                if handed_over_at is None or time.monotonic() > handed_over_at + HANDOVER_S:
                    raise
        time.sleep(POLL_S)
