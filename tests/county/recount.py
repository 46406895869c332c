"""The county's figures counted from the raw lines in plain Python: a second opinion that shares no code with a node.

Two readings of the file: the first finds the corrections, the second counts every line as it reads with them.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = {
    "ChildRegistered": "registration",
    "ChildArrived": "arrival",
    "ChildLeft": "departure",
    "CallHeld": "call",
    "LetterSent": "letter",
    "TeacherContacted": "teacher_contact",
    "TalkRecorded": "talk",
    "HomeVisited": "visit",
    "DiaryWritten": "diary",
    "ParentVisited": "parent_return",
    "CarePlanMade": "plan",
    "CareSummed": "summary",
    "AidGranted": "aid",
    "BookLent": "loan_out",
    "BookReturned": "loan_back",
    "GroupMet": "interest_group",
    "RoomOpened": "opening",
    "BirthdayHeld": "birthday",
    "GalaHeld": "gala",
    "DormitoryChecked": "dormitory_check",
    "SafetyInspected": "inspection",
    "PairingMade": "pairing",
    "CardChanged": "card_change",
}
Lines = Callable[[], Iterable[str]]


def lines_of(path: Path) -> Lines:
    """The lines of a file, from the beginning at each call."""

    def lines() -> Iterator[str]:
        with path.open(encoding="utf-8") as file:
            yield from file

    return lines


Key = tuple[str, str, str]


@dataclass
class Loan:
    """A book lent, as its lines read with their corrections."""

    home: str
    out_on: str
    due: str
    back_on: str = ""

    def is_out(self, day: str) -> bool:
        """Whether the book was lent by a day and not back by it."""
        return self.out_on <= day and (not self.back_on or self.back_on > day)


@dataclass
class Recount:
    """What the lines add up to: by home, month and kind; each child's last card; pairings, loans, openings, aid."""

    lines_count: int = 0
    counts: Counter[Key] = field(default_factory=Counter)
    minutes: Counter[Key] = field(default_factory=Counter)
    yuan: Counter[tuple[str, str]] = field(default_factory=Counter)
    pairings: list[tuple[str, str, str, tuple[str, str]]] = field(default_factory=list)  # day, home, child, helper
    loans: list[Loan] = field(default_factory=list)
    visitors: Counter[str] = field(default_factory=Counter)
    aid_years: Counter[str] = field(default_factory=Counter)
    cards: dict[str, list[tuple[str, str, dict[str, Any]]]] = field(default_factory=lambda: defaultdict(list))

    def on(self, day: str) -> dict[str, tuple[str, dict[str, Any]]]:
        """Each child's home and last card at the end of a day."""
        found = {}
        for child, cards in self.cards.items():
            known = [(home, data) for when, home, data in cards if when <= day]
            if known:
                found[child] = known[-1]
        return found

    def ages(self, day: str) -> Counter[int]:
        """Children by full years on a day."""
        year = dt.date.fromisoformat(day).year
        borns = [data["born"] for _, data in self.on(day).values()]
        return Counter(year - int(born[:4]) - (day[5:] < born[5:]) for born in borns)


def recount(lines: Lines) -> Recount:
    """Count a file, or any lines that can be read twice."""
    corrections = defaultdict(list)
    for line in lines():
        if '"CorrectionMade"' in line:
            fact = json.loads(line)
            if fact["type"] == "CorrectionMade":
                corrections[fact["site"], fact["data"]["corrects"]["at"]].append(fact["data"])
    found = Recount()
    lent: dict[tuple[str, str, str], Loan] = {}  # by the title as it was first written: so the return names it too
    for fact in _facts(lines):
        title = (fact["site"], fact["subject"], fact["data"].get("book", ""))
        for data in corrections.get((fact["site"], fact["at"]), ()):
            _correct(fact["data"], data["field"], data["now"])
        _count(found, fact)
        if fact["type"] == "BookLent":
            lent[title] = Loan(fact["site"], fact["at"][:10], fact["data"]["due"])
            found.loans.append(lent[title])
        elif fact["type"] == "BookReturned" and title in lent:
            lent.pop(title).back_on = fact["at"][:10]
    return found


def _facts(lines: Lines) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in lines())


def _correct(data: dict[str, Any], name: str, now: Any) -> None:
    """Write a correction into the line, where it fits: a sex is one of two, a day of birth is a day."""
    if isinstance(now, type(data[name])) and FITS.get(name, _any)(now):
        data[name] = now


def _any(_now: Any) -> bool:
    return True


FITS: dict[str, Callable[[Any], bool]] = {
    "born": lambda now: now[:4].isdigit(),
    "due": lambda now: now[:4].isdigit(),
    "sex": lambda now: now in ("女", "男"),
}


def _count(found: Recount, fact: dict[str, Any]) -> None:
    found.lines_count += 1
    data, month = fact["data"], fact["at"][:7]
    if fact["type"] in KINDS:
        key = (fact["site"], month, KINDS[fact["type"]])
        found.counts[key] += 1
        found.minutes[key] += data.get("minutes", 0) + round(data.get("hours", 0) * 60)
        found.yuan[fact["site"], month] += data.get("yuan", 0)
    if fact["type"] in ("ChildRegistered", "ChildArrived"):
        found.cards[fact["subject"]].append((fact["at"][:10], fact["site"], data))
    elif fact["type"] == "PairingMade":
        helper = (data["mother"], data["employer"])
        found.pairings.append((fact["at"][:10], fact["site"], fact["subject"], helper))
    elif fact["type"] == "RoomOpened":
        found.visitors[fact["site"]] += len(data["present"])
    elif fact["type"] == "AidGranted":
        found.aid_years[fact["at"][:4]] += data["yuan"]
