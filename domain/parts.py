"""What the events of each class do to a fold: looked up once for every entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from domain import events as e
from domain.card import EDITS, Edits
from domain.stays import MOVES
from domain.tally import MEASURES, Measure

HISTORY = (e.FactCorrected, e.FactWithdrawn, e.ConflictSettled)
"""What says something of other entries."""


class Part(NamedTuple):
    """Whether such an event moves the child, what it edits, what it counts as, and whether it amends other entries."""

    moves: bool
    edits: Callable[[Any, str], Edits] | None
    measure: Callable[[Any], Measure | None] | None
    amends: bool


PARTS = {cls: Part(cls in MOVES, EDITS.get(cls), MEASURES.get(cls), cls in HISTORY) for cls in e.REGISTRY.values()}
