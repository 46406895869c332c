"""R20: what differs between two states of a report, and the subjects through which it does.

A subject makes two states of a figure differ if the rows that the figure counts of it are not the same in both, or are
counted in other parts.  So what a person is told are the entries about those subjects that came between the states.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from domain.reporting import Figure, Row, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A figure, or one part of it, that reads otherwise; None where one state does not have it."""

    figure: str
    split: str
    key: str
    before: Value | None
    after: Value | None
    subjects: frozenset[bytes]


def changes(before: Mapping[str, Figure], after: Mapping[str, Figure]) -> Iterator[Change]:
    """Every figure with another value, or with other parts, and its parts that differ."""
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        parts = list(_parts(name, old, new))
        value = old.value if old else None, new.value if new else None
        if parts or value[0] != value[1]:
            yield Change(
                figure=name, split="", key="", before=value[0], after=value[1], subjects=_subjects(old, new, "", None)
            )
            yield from parts


def _parts(name: str, old: Figure | None, new: Figure | None) -> Iterator[Change]:
    splits = {**(old.parts if old else {}), **(new.parts if new else {})}
    for split in splits:
        mine = old.parts.get(split, {}) if old else {}
        theirs = new.parts.get(split, {}) if new else {}
        for key in {**mine, **theirs}:
            if mine.get(key) != theirs.get(key):
                subjects = _subjects(old, new, split, key)
                text = "" if key is None else str(key)
                yield Change(
                    figure=name, split=split, key=text, before=mine.get(key), after=theirs.get(key), subjects=subjects
                )


def _subjects(old: Figure | None, new: Figure | None, split: str, key: Hashable) -> frozenset[bytes]:
    """The subjects of which a figure, or a part of it, does not count the same rows in both states."""
    mine, theirs = _rows(old, split, key), _rows(new, split, key)
    found = (subject for subject in mine.keys() | theirs.keys() if mine.get(subject) != theirs.get(subject))
    return frozenset(subject for subject in found if subject is not None)


def _rows(figure: Figure | None, split: str, key: Hashable) -> dict[bytes | None, list[Row]]:
    found: dict[bytes | None, list[Row]] = {}
    if figure is None or (split and split not in figure.keys):
        return found
    text = "" if key is None else str(key)
    for row in figure.listed(split, text) if split else figure.listed():
        found.setdefault(row[0], []).append(row)
    return {subject: sorted(rows, key=repr) for subject, rows in found.items()}
