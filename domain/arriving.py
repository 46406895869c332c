"""In which order a home's own records come down to a PC that has none of them, so that it serves before all is there.

First what the home is and who works there, which forms need. Then the children in care, whole files: the greatest need
first, then whose weekly or monthly care is owed for longest, as the county's rules and terms have it (`obligations`);
of equal ones whose last call, talk or visit lies furthest back. Then everything that is no child's file, newest first.
Last the files of children who have left, newest first.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from domain import deeds
from domain.calendar import LENGTHS, MONTH
from domain.duty_words import told
from domain.obligations import due
from domain.policy import Policy
from domain.routing import urgency
from domain.rules import EVERY, FOR_EVER, Rule
from domain.state import State

FIRST: Final = frozenset({"home", "worker"})
IN_CARE: Final = frozenset({"here", "leaving"})
CARE: Final = ("call", "talk", "visit")

Precedence = tuple[int, int, int, int, bytes]


def precedence(kind: str, subject: bytes, newest: int) -> Precedence:
    """Where a subject that is no child comes; `newest` orders by its newest entry."""
    return (0 if kind in FIRST else 2, 0, 0, -newest, subject)


def child_precedence(state: State, home: str, newest: int, policy: Policy, today: dt.date) -> Precedence:
    """Where a child's file comes at a home on a day."""
    if state.holder != home or state.status not in IN_CARE:
        return (3, 0, 0, -newest, state.subject)
    need, _ = urgency(state)
    return (1, need, _first_due(state, home, policy, today), _last_care(state), state.subject)


def _first_due(state: State, home: str, policy: Policy, today: dt.date) -> int:
    """The day by which the first of all recurring duties was owed that nobody has done since."""
    found = due(deeds.child(state), policy.rules, policy.calendar(home), today)
    open_ones = told(one for one in found if one.home == home and _is_care(one.version.rule))
    return min((one.first_due for one in open_ones), default=FOR_EVER)


def _is_care(rule: Rule) -> bool:
    """Whether a rule asks for something at least every month: calls, talks, visits, not a survey once a term."""
    return rule.mode == EVERY and LENGTHS[rule.period] <= LENGTHS[MONTH]


def _last_care(state: State) -> int:
    """The day since which the child has waited for one kind of care; registration counts where there was none."""
    since = state.registered_on or dt.date.min
    return min(state.last.get(kind, since) for kind in CARE).toordinal()
