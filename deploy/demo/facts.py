"""The sample as the workers wrote it, and the county's figures counted from it in plain Python.

This is the demo's second opinion: it shares no code with the nodes, so that a figure on which both agree was reached
in two ways.
"""

from __future__ import annotations

import json
import lzma
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).resolve().parents[1] / "sample" / "facts.jsonl.xz"
COUNTED = {
    "CallHeld": "calls and video calls",
    "LetterSent": "letters",
    "TalkRecorded": "talks",
    "HomeVisited": "home visits",
    "DiaryWritten": "diary entries",
    "BookLent": "books lent",
    "BookReturned": "books returned",
}  # a fact of the sample that a month's report counts, and our word for it


@dataclass(frozen=True)
class Fact:
    """One line of the sample."""

    site: str
    subject: str
    type: str
    at: str
    line: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """All facts, in order of time."""

    facts: list[Fact]

    @classmethod
    def load(cls, path: Path = SAMPLE) -> Sample:
        """Read the packed file."""
        facts = []
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                raw = json.loads(line)
                facts.append(Fact(raw["site"], raw["subject"], raw["type"], raw["at"], line, raw["data"]))
        return cls(facts)

    def homes(self) -> dict[str, str]:
        """The names of the homes by their codes."""
        return {f.site: f.data["name"] for f in self.facts if f.type == "HomeOpened"}

    def of(self, home: str) -> list[Fact]:
        """What one home wrote down."""
        return [f for f in self.facts if f.site == home]

    def last_day(self) -> str:
        """The date of the last fact."""
        return max(f.at for f in self.facts)[:10]

    def months(self) -> list[str]:
        """Every month in which something was written down."""
        return sorted({f.at[:7] for f in self.facts})

    def children(self) -> set[str]:
        """Every child that was ever registered."""
        return {f.subject for f in self.facts if f.type == "ChildRegistered"}

    def whereabouts(self) -> dict[str, str]:
        """Each child's home at the end: where it was registered, or arrived last."""
        return {f.subject: f.site for f in self.facts if f.type in {"ChildRegistered", "ChildArrived"}}

    def moves(self) -> int:
        """How many moves between homes were completed."""
        return sum(f.type == "ChildArrived" for f in self.facts)

    def counted(self, month: str) -> dict[str, Counter[str]]:
        """By home, how often each thing of COUNTED was done in a month."""
        found: dict[str, Counter[str]] = {}
        for fact in self.facts:
            kind = COUNTED.get(fact.type)
            if kind and fact.at.startswith(month):
                found.setdefault(fact.site, Counter())[kind] += 1
        return found
