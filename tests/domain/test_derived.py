"""What is derived from a definition: forms, sentences, columns, JSON, the printed catalogue."""

from __future__ import annotations

import datetime as dt
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import catalogue, codes, columns, schema
from domain import events as e
from domain.describing import fields_of
from domain.errors import BadField
from domain.event import REGISTRY, ChildId, Event, Label, Note, event
from domain.quantity import Quantity
from domain.telling import tell
from tests.domain.domain_samples import import_sample
from tests.domain.test_schema import EVENTS

PAGE = Path(importlib.import_module("domain").__file__ or "").with_name("CATALOGUE.md")
CHILD = UUID("11111111-2222-3333-4444-555555555555")


@pytest.fixture
def kite() -> Iterator[type[Event]]:
    """A type of event that exists only in this test."""

    @event("kite-flown/1", about="activity", label="放风筝", english="kite flown", sensitivity="S1", kind="F")
    class KiteFlown(Event):
        """带孩子放风筝之后填写。
        Somebody flew a kite with children."""

        on: dt.date
        height_m: Annotated[int, Label("飞行高度", "height")]
        weather: Annotated[str, codes.WEATHER] | None = None
        children: tuple[ChildId, ...] = ()
        cost_fen: int | None = None
        note: Note | None = None

    KiteFlown.__annotations__ = dict(KiteFlown.__annotations__)
    yield KiteFlown
    del REGISTRY["kite-flown/1"]


def test_a_definition_is_all_that_a_new_event_takes(kite: type[Any]) -> None:
    """One definition gives storage, JSON, form, sentence, columns and a place in the catalogue."""
    fact = kite(on=dt.date(2026, 3, 5), height_m=40, weather="clear", children=(CHILD,), cost_fen=1250, note="飞得很高")
    assert schema.decode(*schema.encode(fact)) == fact
    assert schema.from_json("kite-flown/1", json.loads(json.dumps(schema.to_json(fact)))) == fact
    typed = {"on": "2026-03-05", "height_m": "40", "weather": "晴", "children": json.dumps([str(CHILD)])}
    assert schema.from_text("kite-flown/1", {**typed, "cost_fen": "1250", "note": "飞得很高"}) == fact
    form = [(one.chinese, one.holds, one.required) for one in fields_of(kite)]
    assert form[:3] == [("日期", "date", True), ("飞行高度", "number", True), ("天气", "code", False)]
    said = "2026年3月5日放风筝：飞行高度40米，天气晴，孩子1名，花费12.50元，备注“飞得很高”。"
    assert tell(fact) == said
    assert tell(fact, lambda _kind, _id: "小禾") == said.replace("孩子1名", "孩子小禾")
    row = dict(zip(columns.headings(kite), columns.cells(fact), strict=True))
    assert row == {"日期": "2026-03-05", "飞行高度": "40", "天气": "晴", "孩子": str(CHILD), "花费": "12.50",
                   "备注": "飞得很高"}  # fmt: skip
    assert columns.event_of(kite, row) == fact
    assert kite in catalogue.in_order()
    assert "### `kite-flown/1` 放风筝 (kite flown) S1 F" in catalogue.page()
    assert any("kite-flown/1" in line for line in catalogue.lines(catalogue.in_order()))
    assert catalogue.event_json(kite)["help"] == "带孩子放风筝之后填写。"


def test_the_catalogue_in_the_repository_is_that_of_the_definitions() -> None:
    """`make catalogue` was run after the last change of a definition."""
    assert PAGE.read_text(encoding="utf-8") == catalogue.page()


def test_the_catalogue_is_json() -> None:
    """The whole catalogue can be read by a program, with the choices of each field."""
    found = json.loads(json.dumps(catalogue.catalogue_json(catalogue.in_order())))["events"]
    assert {one["name"] for one in found} == set(schema.names())
    decided = next(one for one in found if one["name"] == "aid-decided/1")
    assert [one["code"] for one in decided["fields"][0]["options"]] == ["granted", "refused", "waiting"]


def test_headings_are_told_apart() -> None:
    """No two columns of one table have the same heading."""
    for cls in schema.REGISTRY.values():
        assert len(set(columns.headings(cls))) == len(columns.headings(cls)), cls.meta.name


def test_what_was_imported_survives_a_table() -> None:
    """Facts written as cells are read as the same facts."""
    for one in import_sample():
        row = dict(zip(columns.headings(type(one.event)), columns.cells(one.event), strict=True))
        assert columns.event_of(type(one.event), row) == one.event


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_every_fact_can_be_told(fact: Event) -> None:
    """Whatever a fact holds, its sentence is one, bounded, and shows no id."""
    said = tell(fact)
    assert said
    assert len(said) <= 2_000
    assert isinstance(columns.cells(fact), tuple)
    for one in fields_of(type(fact)):
        if one.holds == "id" and not one.many and getattr(fact, one.name) is not None:
            assert str(getattr(fact, one.name)) not in said


def test_sentences_read_as_people_write() -> None:
    """Codes, money, quantities, times and templates in words."""
    day = dt.date(2026, 3, 5)
    assert tell(e.AidPaid(child=CHILD, amount_fen=120_000, on=day, instalment=2, how="bank")) == (
        "2026年3月5日资助发放：金额1200元，第几期2，方式银行转账。"
    )
    assert tell(e.MaterialsDistributed(material="普法手册", topic="law", count=Quantity("at_least", 2000))) == (
        "发放宣传资料：资料名称普法手册，主题法制教育，份数2000多。"
    )
    assert tell(e.ContactCardChanged(field="father_phone", value="15400000001", on=day, was="旧号")) == (
        "2026年3月5日联系卡变更：父亲电话改为15400000001，原为旧号。"
    )
    assert tell(e.DuplicateChildLinked(other=CHILD, same=False)) == "重复档案关联：是同一个孩子：否。"


def test_a_row_that_does_not_fit_names_its_column() -> None:
    """What is wrong in a row is said by the heading that the worker typed."""
    with pytest.raises(BadField, match="金额"):
        columns.event_of(e.AidPaid, {"孩子": str(CHILD), "金额": "许多", "日期": "2026-03-05"})
    with pytest.raises(BadField, match="颜色"):
        columns.event_of(e.AidPaid, {"颜色": "红"})
    with pytest.raises(BadField, match="孩子"):
        columns.event_of(e.AidPaid, {"金额": "12", "日期": "2026-03-05"})


ODD_CELLS = ("", "1", "-3", "12.345", "9" * 5000, "是", "2026-02-30", "2026-3-5", "8:30", "25:00", "1\ud800", "{}",
             "[" * 4000, '["x"]', '{"a": 1.5}', "null", "[null]", "2000多份", "、、", "张三；李四", "１２", str(CHILD),
             "0001-01-01T00:00")  # fmt: skip
TYPED = st.sampled_from(ODD_CELLS)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_whatever_is_typed_into_a_row_is_a_fact_or_refused_in_words(data: st.DataObject) -> None:
    """No cell, however odd, gets past as anything but a fact that can be stored, or raises anything but a refusal."""
    cls = schema.REGISTRY[data.draw(st.sampled_from(schema.names()))]
    texts = data.draw(st.lists(TYPED, min_size=len(columns.headings(cls)), max_size=len(columns.headings(cls))))
    try:
        fact = columns.event_of(cls, dict(zip(columns.headings(cls), texts, strict=True)))
    except BadField:
        return
    assert schema.decode(*schema.encode(fact)) == fact


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_one_odd_cell_in_a_good_row(data: st.DataObject) -> None:
    """The same where all other cells are as they should be."""
    fact = data.draw(EVENTS)
    row = dict(zip(columns.headings(type(fact)), columns.cells(fact), strict=True))
    row[data.draw(st.sampled_from(sorted(row)))] = data.draw(TYPED)
    try:
        found = columns.event_of(type(fact), row)
    except BadField:
        return
    assert schema.decode(*schema.encode(found)) == found
