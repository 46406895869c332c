"""Import lines: every line is one event, nothing is lost, what is malformed is named."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import domain
from domain import codes, schema
from domain import commands as c
from domain import events as e
from domain.decide import decide
from domain.errors import BadFact
from domain.facts import CARD_CHANGES, CORRECTION_FIELDS, TYPES, Book, at_ms, lift
from domain.sources import SOURCES, Share, Source, Take
from domain.state import NOBODY
from tests.domain.domain_samples import Stored, entry_id, import_sample, sample

MAPPING = Path(domain.__file__).with_name("MAPPING.md")
LISTS = [one for one in vars(codes).values() if isinstance(one, codes.Codes)]


def test_the_sample_holds_every_type() -> None:
    """All 26 types of line are lifted, each line to exactly one event."""
    assert sorted({fact["type"] for fact in sample()}) == list(TYPES)
    assert len(import_sample()) == len(sample())


def leaves(value: Any) -> list[Any]:
    """Every single value in a nest of maps and lists, keys of free maps included."""
    if isinstance(value, dict):
        return [leaf for key, one in value.items() for leaf in [key, *leaves(one)]]
    return [leaf for one in value for leaf in leaves(one)] if isinstance(value, list) else [value]


def forms(value: Any, site: str, book: Book) -> set[Any]:
    """Everything that a source value may have become."""
    found: set[Any] = {value}
    if type(value) in (int, float):
        found |= {round(value * factor) for factor in (10, 60, 100, 1000)}
        child = book.child(site, value) if type(value) is int else None
        found |= {str(child)} if child else set()
    if isinstance(value, str):
        found |= {one.by_text[value] for one in LISTS if value in one.by_text}
        child = book.named(site, value)
        found |= {str(child)} if child else set()
    return found


SAID_BY_TYPE = {"guardian", *(f"{zh}.{what}" for zh in ("父亲", "母亲") for what in ("phone", "workplace")), "address"}


def values(fact: dict[str, Any]) -> list[Any]:
    """The values of a line's data, without the keys of its fixed maps."""
    found: list[Any] = []
    for key, value in fact["data"].items():
        if key == "marks":
            found += leaves(value)
        elif key == "guardian" or (isinstance(value, dict) and "relation" in value):
            found += value.values()
        elif key in ("parents", "programme"):
            found += [leaf for one in value for item in one.values() for leaf in leaves(item)]
        elif key != "corrects":
            found += leaves(value)
    return found


def test_nothing_of_a_line_is_lost() -> None:
    """Every value of every line is in the payload: as it was, as a code, in a smaller unit, or as a child's id."""
    book = Book()
    for one in import_sample(book):
        if one.fact["type"] == "CorrectionMade":
            continue
        payload = schema.to_json(one.event)
        kept = {leaf for leaf in leaves(payload) if not isinstance(leaf, bool)}
        kept |= {default for default in (True, False) if default in leaves(payload)}
        kept |= (
            {schema.to_json(one.event).get("reached", True)} if isinstance(one.event, e.FamilyContactMade) else set()
        )
        for value in values(one.fact):
            lost = not forms(value, one.lifted.site, book) & kept
            assert not lost or implied(one, value, book), (one.fact, value, payload)


def implied(one: Stored, value: Any, book: Book) -> bool:
    """Whether a value is said by the event's type, or by a child's id beside it."""
    if one.fact["type"] == "CardChanged" and value in SAID_BY_TYPE:
        return True
    present = getattr(one.event, "present", ())
    return any(book.name_of(child) == value for child in present)


def test_corrections_name_the_entry_and_our_field() -> None:
    """A correction goes to the subject of the corrected entry and speaks of our field in the field's unit."""
    stored = {(one.lifted.site, one.lifted.at_ms): one for one in import_sample()}
    corrections = [one for one in stored.values() if isinstance(one.event, e.FactCorrected)]
    assert len(corrections) > 15
    for one in corrections:
        assert isinstance(one.event, e.FactCorrected)
        target = stored[one.lifted.site, at_ms(one.fact["data"]["corrects"]["at"])]
        assert one.event.target.bytes == target.record.id
        assert one.lifted.subject == target.lifted.subject
        said_by_type = isinstance(target.event, e.GuardianRecorded) and one.event.field == "field"
        assert said_by_type or schema.field_codec(type(target.event), one.event.field) is not None
        now, field = one.fact["data"]["now"], one.fact["data"]["field"]
        factor = {"hours": 60, "km": 1000, "yuan": 100}.get(field, 1)
        expected = now * factor if isinstance(now, int) else now
        assert one.event.value in [expected, *forms(now, one.lifted.site, Book())] or one.event.value == ["exact", now]


def test_a_loan_is_closed_where_it_began() -> None:
    """A returned book closes the open loan of that child; one lent before the records began is its own loan."""
    stored = import_sample()
    begun = {one.lifted.subject for one in stored if isinstance(one.event, e.LoanStarted)}
    closed = [one for one in stored if isinstance(one.event, e.LoanClosed)]
    assert any(one.lifted.subject in begun for one in closed)
    for one in closed:
        assert isinstance(one.event, e.LoanClosed)
        assert one.event.child == UUID(one.fact["subject"])


def test_a_second_run_learns_the_same_book() -> None:
    """A book learnt from the log lifts every line as the first run did."""
    first = import_sample()
    again = Book()
    for one in first:
        name, payload = schema.encode(one.event)
        again.learn(one.lifted.site, one.lifted.at_ms, one.lifted.subject, one.record.id, schema.decode(name, payload))
    for one in first:
        noted = again.find(one.lifted.site, one.lifted.at_ms)
        assert noted is not None
        assert (noted.id, noted.subject) == (one.record.id, one.lifted.subject.bytes)
        if isinstance(one.event, e.FactCorrected):
            assert lift(one.fact, again) == one.lifted


TALK = next(fact for fact in sample() if fact["type"] == "TalkRecorded")
CHILD = next(fact for fact in sample() if fact["type"] == "ChildRegistered")
CARD = next(fact for fact in sample() if fact["type"] == "CardChanged")
CORRECTION = next(fact for fact in sample() if fact["type"] == "CorrectionMade")


def changed(fact: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a line with one value replaced, or left out."""
    copied = copy.deepcopy(fact)
    *outer, last = path.split(".")
    inner = copied
    for key in outer:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return copied


@pytest.mark.parametrize(
    ("fact", "named"),
    [
        (changed(TALK, "site", ...), "site"),
        (changed(TALK, "site", ""), "site"),
        (changed(TALK, "by", 3), "by"),
        (changed(TALK, "more", 1), "more"),
        (changed(TALK, "subject", "nobody"), "subject"),
        (changed(TALK, "type", "MoonVisited"), "type"),
        (changed(TALK, "at", "2024-09-03"), "at"),
        (changed(TALK, "at", "2024-09-03T16:20:31"), "at"),
        (changed(TALK, "at", "2024-02-30T16:20:31+08:00"), "at"),
        (changed(TALK, "data", []), "data"),
        (changed(TALK, "data.minutes", "21"), "data.minutes"),
        (changed(TALK, "data.minutes", True), "data.minutes"),
        (changed(TALK, "data.minutes", 1.5), "data.minutes"),
        (changed(TALK, "data.minutes", ...), "data.minutes"),
        (changed(TALK, "data.moon", 1), "data.moon"),
        (changed(TALK, "data.topics", ["a", 1]), "data.topics"),
        (changed(TALK, "data.card", None), "data.card"),
        (changed(TALK, "data.card", "\ud800"), "data.card"),
        (changed(CHILD, "data.born", "2015-02-29"), "data.born"),
        (changed(CHILD, "data.sex", "猫"), "data.sex"),
        (changed(CHILD, "data.guardian", {"name": "x"}), "data.guardian"),
        (changed(CHILD, "data.parents", [{"name": 1, "relation": "父亲"}]), "data.parents"),
        (changed(CARD, "data.field", "奶奶.shoes"), "data.field"),
        (changed(CARD, "data.now", 3), "data.now"),
        (changed(CARD, "data.told_by", ...), "data.told_by"),
        (changed(CORRECTION, "data.corrects.at", "2020-01-01T00:00:00+08:00"), "data.corrects.at"),
        (changed(CORRECTION, "data.corrects", "yesterday"), "data.corrects"),
        (changed(CORRECTION, "data.why", ...), "data.why"),
        ([], "line"),
        ("text", "line"),
    ],
)
def test_a_malformed_line_is_named(fact: Any, named: str) -> None:
    """A line that does not have the form is refused with the field, what was found and what belongs there."""
    with pytest.raises(BadFact) as refusal:
        lift(fact, Book())
    assert refusal.value.field == named
    assert refusal.value.expected


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("2024-09-03"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sample()), ANYTHING, st.data())
def test_any_damage_is_read_or_named(fact: dict[str, Any], value: Any, data: st.DataObject) -> None:
    """One value of a line replaced by anything gives a wish or a refusal, never another error."""
    paths = [*fact, *(f"data.{key}" for key in fact["data"])]
    book = Book()
    if "corrects" in fact["data"]:
        moment = at_ms(fact["data"]["corrects"]["at"])
        book.learn(fact["site"], moment, UUID(fact["subject"]), entry_id("known"), e.TalkHeld(on=dt.date(2024, 9, 3)))
        fact = changed(fact, "data.corrects.type", "TalkRecorded")
    with contextlib.suppress(BadFact):
        schema.encode(decide(NOBODY, lift(changed(fact, data.draw(st.sampled_from(paths)), value), book).command)[0])


def known(fact: dict[str, Any]) -> Book:
    """A book that knows one line."""
    book = Book()
    lifted = lift(fact, book)
    assert isinstance(lifted.command, c.RecordFact | c.RegisterChild)
    book.learn(lifted.site, lifted.at_ms, lifted.subject, entry_id("known"), lifted.command.event)
    return book


def correcting(fact: dict[str, Any], field: str, now: Any) -> dict[str, Any]:
    """A correction of a line."""
    data = {"corrects": {"type": fact["type"], "at": fact["at"]}, "field": field, "now": now, "why": "录入错误"}
    return {**fact, "type": "CorrectionMade", "at": "2024-12-01T10:00:00+08:00", "data": data}


@pytest.mark.parametrize(
    ("fact", "field", "now", "ours", "value"),
    [
        (TALK, "minutes", 33, "minutes", 33),
        (TALK, "minutes", "方娜娟", "minutes", "方娜娟"),
        (TALK, "with", "李四", "talked_by", "李四"),
        (CHILD, "born", "2014-01-02", "born_on", "2014-01-02"),
        (CHILD, "born", "方娜娟", "born_on", "方娜娟"),
        (CHILD, "sex", "男", "sex", "male"),
        (CHILD, "grade", 1.5, "grade", "1.5"),
        (CARD, "told_by", "李四", "told_by", "李四"),
    ],
)
def test_a_correction_is_kept_whether_it_fits_or_not(
    fact: dict[str, Any], field: str, now: Any, ours: str, value: Any
) -> None:
    """What fits is in the field's JSON form, what does not is as it was typed."""
    command = lift(correcting(fact, field, now), known(fact)).command
    assert isinstance(command, c.CorrectFact)
    assert (command.field, command.value) == (ours, value)


def test_a_correction_in_the_former_unit_is_converted() -> None:
    """Kilometres become metres in a correction as in the fact, also when typed as text."""
    visit = next(fact for fact in sample() if fact["type"] == "HomeVisited")
    for now in (2, "2", 2.0):
        command = lift(correcting(visit, "km", now), known(visit)).command
        assert isinstance(command, c.CorrectFact)
        assert (command.field, command.value) == ("distance_m", 2000)


@pytest.mark.parametrize(("field", "type_"), [("moon", "TalkRecorded"), ("minutes", "CallHeld")])
def test_a_correction_of_what_is_not_there_is_refused(field: str, type_: str) -> None:
    """A correction must name a field of the fact, and the type that it was recorded as."""
    line = correcting(TALK, field, 3)
    line["data"]["corrects"]["type"] = type_
    with pytest.raises(BadFact):
        lift(line, known(TALK))


def test_moments_are_milliseconds() -> None:
    """A moment counts from 1970 whatever its offset."""
    assert at_ms("1970-01-01T08:00:01+08:00") == at_ms("1970-01-01T00:00:01Z") == 1000


def lines_of(name: str, source: Source) -> list[str]:
    """The table rows of one type of line."""
    constant = ", ".join(f"{key}={value}" for key, value in source.constant.items())
    stored = f"`{source.event.meta.name}`" + (f" ({constant})" if constant else "")
    rows = [f"| {name} | {stored} | (date of `at`) | {source.day} | date |"]
    for key, take in source.fields.items():
        ours = take.field if isinstance(take, Take) else ", ".join(take.fields) if isinstance(take, Share) else ""
        rows.append(f"| | | {key}{'?' if key in source.optional else ''} | {ours or '(type)'} | {take.words} |")
    if source.why:
        rows.append(f"| | | | | {source.why} |")
    return rows


def mapping() -> str:
    """The mapping as it is written in MAPPING.md."""
    rows = ["| line | stored as | its field | our field | form |", "|---|---|---|---|---|"]
    for name, source in SOURCES.items():
        rows += lines_of(name, source)
    for source in CARD_CHANGES.values():
        rows += lines_of("CardChanged", source)
    rows.append(
        f"| CorrectionMade | `{e.FactCorrected.meta.name}` | corrects | target | id of the entry of (site, at) |"
    )
    rows += [f"| | | {key} | {take.field} | {take.words} |" for key, take in CORRECTION_FIELDS.items()]
    return "\n".join(rows) + "\n"


def test_the_written_mapping_is_the_one_that_runs() -> None:
    """MAPPING.md holds exactly the table that the code follows."""
    assert mapping() in MAPPING.read_text(encoding="utf-8"), "write this into MAPPING.md:\n" + mapping()
