"""Every definition says what people need: names in two languages, a help line, a sensitivity, a kind."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from domain import schema
from domain.describing import HOLDS, fields_of
from domain.event import KINDS, SENSITIVITIES
from domain.labels import FIELDS

SUBJECTS = frozenset({
    "child", "case", "message", "home", "vehicle", "hazard", "inspection", "activity",
    "training", "meeting", "book", "loan", "aid", "donation", "budget", "worker",
    "group", "project", "report", "notice", "practice", "media", "county", "node",
})  # fmt: skip
HAN = re.compile(r"[\u4e00-\u9fff]")
TELLING = re.compile("violen|abus|crim|counsel|crisis|police|shelter|neglect|suicid")


@pytest.mark.parametrize("name", schema.names())
def test_a_definition_is_complete(name: str) -> None:
    """Every event and every field of it has a Chinese and an English name, and the form a line of help."""
    meta = schema.REGISTRY[name].meta
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+/[0-9]+", name)
    assert HAN.search(meta.label)
    assert HAN.search(meta.help)
    assert meta.english
    assert meta.help_english.endswith(".")
    assert meta.sensitivity in SENSITIVITIES
    assert meta.kind in KINDS
    assert meta.about in SUBJECTS | {""}
    for field in _all_fields(schema.REGISTRY[name]):
        assert HAN.search(field.chinese)
        assert field.english
        assert field.holds in HOLDS
        if field.codes:
            assert all(HAN.search(zh) and en for zh, en in field.codes.labels.values())


def _all_fields(cls: type) -> list:
    return [one for field in fields_of(cls) for one in (field, *(fields_of(field.part) if field.part else ()))]


def test_a_field_without_a_name_is_noticed() -> None:
    """A field that nobody named in two languages cannot be described."""

    @dataclass(frozen=True, kw_only=True)
    class SheepCounted:
        sheep_seen: int

    with pytest.raises(AssertionError, match="sheep_seen"):
        fields_of(SheepCounted)


def test_no_label_is_left_over() -> None:
    """The shared names are those of fields that exist."""
    used = {field.name for name in schema.names() for field in _all_fields(schema.REGISTRY[name])}
    assert FIELDS.keys() <= used


def test_no_type_about_a_child_tells_of_violence() -> None:
    """What a type on the child's subject is called reveals neither violence, abuse, crime nor illness of the mind."""
    about_child = [one.meta for one in schema.REGISTRY.values() if one.meta.about == "child"]
    assert about_child
    for meta in about_child:
        assert not TELLING.search(meta.name + meta.english)
        assert not re.search("暴力|侵害|犯罪|心理|危机|报警", meta.label)
        assert meta.sensitivity != "S5"


def test_every_subject_of_the_catalogue_has_events() -> None:
    """No subject is left without a way to say something about it."""
    assert {one.meta.about for one in schema.REGISTRY.values()} == SUBJECTS | {""}
