"""Delivery in every order: entries taken one by one as a node takes them, folding afresh where one comes late."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from domain.folded import folded
from domain.folding import Folding
from domain.records import Record, canonical
from domain.state import State

ALL_UP_TO = 5
ORDERS = 120


def orders(records: Sequence[Record]) -> Iterator[tuple[Record, ...]]:
    """Every order of a few entries; of many, a hundred and twenty, the first and the last to arrive among them."""
    if len(records) <= ALL_UP_TO:
        yield from itertools.permutations(records)
        return
    dice = random.Random(len(records))
    yield tuple(records)
    yield tuple(reversed(records))
    for _ in range(ORDERS - 2):
        yield tuple(dice.sample(records, len(records)))


def delivered(subject: bytes, records: Iterable[Record]) -> Folding:
    """The fold after entries arrived one by one, each twice, as a repeat is no news."""
    folding, taken = Folding(subject), []
    for record in records:
        taken.append(record)
        for _ in range(2):
            if not folding.add(record):
                folding = Folding(subject)
                for one in canonical(taken):
                    folding.add(one)
    return folding


def in_every_order(records: Sequence[Record], subject: bytes = b"s" * 16) -> tuple[State, Any]:
    """The state and the picture that the entries add up to; fails if any order of delivery gives another."""
    found: tuple[State, Any, list[Any]] | None = None
    for order in orders(records):
        folding = delivered(subject, order)
        state = folding.state()
        now = (state, folded(state), folding.rows())
        if found is None:
            found = now
        assert now == found, [one.event for one in order]
        assert repr(now[1:]) == repr(found[1:])
    assert found is not None
    return found[0], found[1]
