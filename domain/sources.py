"""The import form, type by type: which field of ours each field of a line becomes, and how it is read.

The table is the whole mapping; `MAPPING.md` is written from it, and corrections find their field by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from domain import codes
from domain import events as e
from domain.book import Book
from domain.codec import Unfit, bool_of, date_of, int_of, text_of
from domain.quantity import exactly
from domain.reading import Read, channel, code, filled, items, kinship, marks, person, scaled

Spread = Callable[[Any, Mapping[str, Any], Book, str], dict[str, Any]]


class Take(NamedTuple):
    """One field of a line: the field of ours, and how its value is read."""

    field: str
    read: Read
    words: str


class Share(NamedTuple):
    """One field of a line that becomes several fields of ours, with the help of the book."""

    fields: tuple[str, ...]
    spread: Spread
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How one type of line becomes one event."""

    event: type[e.Event]
    fields: Mapping[str, Take | Share]
    day: str
    constant: Mapping[str, Any] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    why: str = ""


# -- reading register numbers and names with the book


def roll(ids: str, numbers: str) -> Share:
    """Register numbers as ids of children; a number that stands for nobody known is kept as it is."""
    read = items(int_of)

    def spread(value: Any, _data: Mapping[str, Any], book: Book, site: str) -> dict[str, Any]:
        found, rest = [], []
        for number in read(value):
            child = book.child(site, number)
            if child is None:
                rest.append(number)
            else:
                found.append(child)
        return {ids: tuple(found), numbers: tuple(rest)}

    return Share((ids, numbers), spread, "register numbers as ids; unknown ones as they are")


def _celebrated(value: Any, data: Mapping[str, Any], book: Book, site: str) -> dict[str, Any]:
    """Names that say no more than the ids beside them are left out; if one says more, all are kept."""
    names = items(text_of)(value)
    numbers = data.get("for")
    children = [book.child(site, one) for one in numbers] if isinstance(numbers, list) else []
    known = [book.name_of(one) if one else None for one in children]
    return {"present_names": () if list(names) == known else names}


def _programme(value: Any, _data: Mapping[str, Any], book: Book, site: str) -> dict[str, Any]:
    def act(one: Any) -> e.Act:
        if type(one) is not dict or one.keys() != {"act", "title", "by"}:
            raise Unfit(one, "an item with act, title and by")
        names = items(text_of)(one["by"])
        known: list[UUID | None] = [book.named(site, name) for name in names]
        return e.Act(
            act=text_of(one["act"]),
            title=text_of(one["title"]),
            performers=tuple(child for child in known if child),
            performer_names=tuple(name for name, child in zip(names, known, strict=True) if not child),
        )

    return {"programme": items(act)(value)}


# -- the table


def _text(to: str) -> Take:
    return Take(to, text_of, "text")


def _whole(to: str) -> Take:
    return Take(to, int_of, "whole number")


_NOTE = {"note": _text("note")}
_CARD: dict[str, Take | Share] = {
    "no": _whole("number"),
    "name": Take("name", filled, "text"),
    "sex": Take("sex", code(codes.SEX), "code"),
    "born": Take("born_on", date_of, "date"),
    "address": _text("address"),
    "school": _text("school"),
    "grade": _whole("grade"),
    "boards": Take("boards", bool_of, "true or false"),
    "guardian": Take("guardian", person, "person; relation as a code"),
    "parents": Take("parents", items(person), "people; relation as a code"),
}

SOURCES: dict[str, Source] = {
    "HomeOpened": Source(
        event=e.HomeRegistered,
        day="opened_on",
        fields={
            "name": Take("name", filled, "text"),
            "phone": _text("phone"),
            "rooms": _whole("rooms"),
            "beds": _whole("capacity"),
            "area_m2": _whole("area_m2"),
            "keeper": _text("keeper"),
        },
    ),
    "WorkerJoined": Source(
        event=e.WorkerRegistered,
        day="joined_on",
        fields={
            "worker": Take("code", filled, "text"),
            "name": Take("name", filled, "text"),
            "phone": _text("phone"),
            "role": Take("kind", code(codes.WORKER_KIND), "code"),
        },
    ),
    "ChildRegistered": Source(event=e.ChildRegistered, day="registered_on", fields=_CARD),
    "PairingMade": Source(
        event=e.PairingFormed,
        day="from_on",
        constant={"kind": "caring_mother"},
        fields={
            "mother": Take("helper_name", filled, "text"),
            "phone": _text("helper_phone"),
            "employer": _text("helper_employer"),
            "agreed": _text("agreed"),
        },
        why="`pairing` is an id made from site and moment",
    ),
    "CallHeld": Source(
        event=e.FamilyContactMade,
        day="on",
        constant={"kind": "call"},
        optional=frozenset({"note"}),
        fields={
            "with": Take("with_whom", kinship, "code"),
            "via": Take("channel", channel, "code"),
            "minutes": _whole("minutes"),
            "answered": Take("reached", bool_of, "true or false"),
            **_NOTE,
        },
    ),
    "LetterSent": Source(
        event=e.FamilyContactMade,
        day="on",
        constant={"kind": "letter"},
        fields={"to": Take("with_whom", kinship, "code"), "pages": _whole("pages"), "text": _text("text")},
    ),
    "TeacherContacted": Source(
        event=e.GuardianContacted,
        day="on",
        constant={"party": "class_teacher"},
        fields={
            "teacher": _text("with_name"),
            "via": Take("channel", channel, "code"),
            "marks": Take("marks_tenths", marks, "tenths of a point by school subject"),
            "remark": _text("gist"),
        },
    ),
    "TalkRecorded": Source(
        event=e.TalkHeld,
        day="on",
        fields={
            "with": _text("talked_by"),
            "place": _text("place"),
            "minutes": _whole("minutes"),
            "mood": _whole("mood"),
            "topics": Take("topics", items(text_of), "texts"),
            "card": _text("summary"),
            "next": _text("agreed"),
        },
    ),
    "HomeVisited": Source(
        event=e.HomeVisitRecorded,
        day="visited_on",
        fields={
            "met": _text("met"),
            "km": Take("distance_m", scaled("kilometres", 1000), "metres"),
            "house": Take("living", code(codes.LIVING), "code"),
            "note": _text("found"),
        },
    ),
    "DiaryWritten": Source(
        event=e.DiaryEntryWritten,
        day="on",
        fields={"weather": Take("weather", code(codes.WEATHER), "code"), "text": _text("text")},
    ),
    "ParentVisited": Source(
        event=e.ParentReturned,
        day="from_on",
        fields={
            "who": Take("parents", items(kinship), "codes"),
            "days": _whole("days"),
            "leaves": Take("to_on", date_of, "date"),
            **_NOTE,
        },
    ),
    "CarePlanMade": Source(
        event=e.HelpPlanWritten,
        day="on",
        constant={"kind": "care"},
        fields={
            "term": _text("term"),
            "goals": Take("goals", items(text_of), "texts"),
            "keeper": _text("keeper"),
        },
    ),
    "CareSummed": Source(
        event=e.HelpSummaryWritten,
        day="on",
        fields={"term": _text("term"), "rank": Take("rank", code(codes.RANK), "code"), "text": _text("effect")},
    ),
    "AidGranted": Source(
        event=e.AidPaid,
        day="on",
        fields={
            "term": _text("term"),
            "yuan": Take("amount_fen", scaled("yuan", 100), "fen"),
            "fund": _text("fund"),
            "payee": _text("payee"),
            "receipt": _text("voucher"),
        },
        why="a payee and a receipt number witness a payment, which a decision has not; subject of its own, "
        "made from site and moment, the child's id in `child`",
    ),
    "BookLent": Source(
        event=e.LoanStarted,
        day="out_on",
        fields={"book": Take("book", filled, "text"), "due": Take("due_on", date_of, "date")},
        why="subject of its own, made from site and moment, the child's id in `child`",
    ),
    "BookReturned": Source(
        event=e.LoanClosed,
        day="on",
        fields={
            "book": Take("book", filled, "text"),
            "late_days": _whole("late_days"),
            "state": Take("condition", code(codes.CONDITION), "code"),
        },
        why="on the subject of the open loan of this book to this child, else on one of its own",
    ),
    "GroupMet": Source(
        event=e.ActivityHeld,
        day="on",
        constant={"kind": "interest_group"},
        fields={
            "group": _text("title"),
            "leader": _text("leader"),
            "minutes": _whole("minutes"),
            "present": roll("present", "present_numbers"),
            "absent": roll("absent", "absent_numbers"),
            **_NOTE,
        },
        why="attendance is part of the same event: one fact is one entry",
    ),
    "BirthdayHeld": Source(
        event=e.ActivityHeld,
        day="on",
        constant={"kind": "birthday"},
        fields={
            "for": roll("present", "present_numbers"),
            "names": Share(("present_names",), _celebrated, "left out where the ids say the same"),
            "guests": Take("guests", lambda value: exactly(int_of(value)), "quantity"),
            "gifts": Take("gifts", items(text_of), "texts"),
            **_NOTE,
        },
    ),
    "GalaHeld": Source(
        event=e.ActivityHeld,
        day="on",
        constant={"kind": "gala"},
        fields={
            "guests": Take("guests", lambda value: exactly(int_of(value)), "quantity"),
            "programme": Share(("programme",), _programme, "items; names as ids where one child bears the name"),
            **_NOTE,
        },
    ),
    "RoomOpened": Source(
        event=e.OpeningHeld,
        day="on",
        constant={"kind": "room"},
        fields={
            "hours": Take("minutes", scaled("hours", 60), "minutes"),
            "present": roll("present", "present_numbers"),
            **_NOTE,
        },
        why="on the home's subject where the book knows it: openings belong to the home, and adding one to a running "
        "fold costs the same however many there were",
    ),
    "DormitoryChecked": Source(
        event=e.InspectionDone,
        day="on",
        constant={"kind": "dormitory"},
        optional=frozenset({"note"}),
        fields={
            "beds": _whole("beds"),
            "away": roll("away", "away_numbers"),
            "celsius": _whole("celsius"),
            **_NOTE,
        },
    ),
    "SafetyInspected": Source(
        event=e.InspectionDone,
        day="on",
        constant={"kind": "equipment"},
        fields={
            "inspector": _text("inspector"),
            "items": _whole("items"),
            "failed": _whole("failed"),
            "found": Take("findings", items(text_of), "texts"),
        },
    ),
    "ChildLeft": Source(
        event=e.ChildTransferRequested,
        day="on",
        fields={
            "no": _whole("number"),
            "name": _text("name"),
            "to": Take("to_home", filled, "text"),
            "why": _text("reason"),
            **_NOTE,
        },
    ),
    "ChildArrived": Source(event=e.ChildTransferAccepted, day="on", fields=_CARD),
}
"""Every type of line that has one event class; `CardChanged` and `CorrectionMade` are read in `facts`."""
