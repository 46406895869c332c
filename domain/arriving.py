"""In which order a home's own records come down to a PC that has none of them, so that it serves before all is there.

First what the home is and who works there, which forms need. Then the children in care, whole files: the greatest need
first, then whose care is due first, because the last call, talk or visit lies furthest back. Then everything that is no
child's file, newest first. Last the files of children who have left, newest first.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from domain.routing import urgency
from domain.state import State

FIRST: Final = frozenset({"home", "worker"})
IN_CARE: Final = frozenset({"here", "leaving"})
CARE: Final = ("call", "talk", "visit")

Precedence = tuple[int, int, int, int, bytes]


def precedence(kind: str, subject: bytes, newest: int) -> Precedence:
    """Where a subject that is no child comes; `newest` orders by its newest entry."""
    return (0 if kind in FIRST else 2, 0, 0, -newest, subject)


def child_precedence(state: State, home: str, newest: int) -> Precedence:
    """Where a child's file comes at a home."""
    if state.holder != home or state.status not in IN_CARE:
        return (3, 0, 0, -newest, state.subject)
    need, _ = urgency(state)
    return (1, need, _due(state), -newest, state.subject)


def _due(state: State) -> int:
    """The day since which the child has waited for one kind of care; registration counts where there was none."""
    since = state.registered_on or dt.date.min
    return min(state.last.get(kind, since) for kind in CARE).toordinal()
