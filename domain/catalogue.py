"""The printed catalogue of events, as text, as JSON and as the page `CATALOGUE.md`: all made from the definitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from domain.describing import HOLDS, FieldForm, fields_of
from domain.event import KINDS, Event
from domain.schema import REGISTRY

SUBJECTS: dict[str, tuple[str, str]] = {
    "child": ("儿童", "child"),
    "case": ("个案", "case"),
    "message": ("悄悄话", "message"),
    "home": ("之家", "home"),
    "activity": ("活动", "activity"),
    "book": ("图书", "book"),
    "loan": ("借阅", "loan"),
    "hazard": ("隐患", "hazard"),
    "inspection": ("检查", "inspection"),
    "vehicle": ("车辆", "vehicle"),
    "aid": ("资助", "aid grant"),
    "donation": ("捐赠", "donation"),
    "budget": ("预算", "budget line"),
    "worker": ("工作人员", "worker"),
    "group": ("小组", "group"),
    "training": ("培训", "training"),
    "meeting": ("会议", "meeting"),
    "project": ("项目", "project"),
    "report": ("报表", "report"),
    "notice": ("通知", "notice"),
    "practice": ("经验", "practice"),
    "media": ("报道", "media item"),
    "county": ("县", "county"),
    "node": ("站点设备", "node"),
    "": ("任一对象", "any subject"),
}
"""Every kind of subject in Chinese and English, in the order of the catalogue."""

SENSITIVITY = {
    "S0": ("可公开", "may be published"),
    "S1": ("内部，不涉及个人", "internal, not about private persons"),
    "S2": ("成人个人信息", "an adult's personal data"),
    "S3": ("儿童个人信息", "a child's personal data"),
    "S4": ("健康、困难、住址、照片", "health, poverty, precise address, photographs"),
    "S5": ("仅限办案和咨询人员", "restricted: violence, counselling, crisis, private notes"),
}


def in_order() -> list[type[Event]]:
    """Every event, by subject and then by name."""
    order = list(SUBJECTS)
    return sorted(REGISTRY.values(), key=lambda cls: (order.index(cls.meta.about), cls.meta.name))


def field_json(field: FieldForm) -> dict[str, Any]:
    """A field as a form or another program needs it."""
    more: dict[str, Any] = {}
    if field.codes:
        more["options"] = [{"code": code, "label": zh, "english": en} for code, (zh, en) in field.codes.labels.items()]
        more["open"] = field.codes.open
    if field.refers:
        more["refers"] = field.refers
    if field.unit:
        more["unit"] = field.unit
    if field.part:
        more["fields"] = [field_json(one) for one in fields_of(field.part)]
    if field.sensitivity:
        more["sensitivity"] = field.sensitivity
    return {"name": field.name, "label": field.chinese, "english": field.english, "holds": field.holds,
            "many": field.many, "required": field.required, **more}  # fmt: skip


def event_json(cls: type[Event]) -> dict[str, Any]:
    """A definition as JSON."""
    meta = cls.meta
    return {
        "name": meta.name,
        "subject": meta.about or None,
        "label": meta.label,
        "english": meta.english,
        "sensitivity": meta.sensitivity,
        "kind": meta.kind,
        "by_machine": meta.by_machine,
        "help": meta.help,
        "help_english": meta.help_english,
        "fields": [field_json(one) for one in fields_of(cls)],
    }


def catalogue_json(classes: Iterable[type[Event]]) -> dict[str, Any]:
    """The catalogue as one object."""
    return {"events": [event_json(cls) for cls in classes]}


def lines(classes: Iterable[type[Event]]) -> Iterator[str]:
    """The catalogue as text: one line an event, one indented line a field."""
    about = None
    for cls in classes:
        meta = cls.meta
        if meta.about != about:
            about = meta.about
            yield f"== {SUBJECTS[about][0]} ({SUBJECTS[about][1]}) =="
        yield f"{meta.name}  {meta.label} ({meta.english})  {meta.sensitivity} {KINDS[meta.kind][0]}"
        yield f"    {meta.help}"
        for one in fields_of(cls):
            yield f"    {'*' if one.required else ' '} {one.name}: {one.chinese} ({one.english}), {_holds(one)}"


def _holds(field: FieldForm) -> str:
    """What a field holds, in Chinese."""
    text = HOLDS[field.holds][0]
    if field.codes:
        text = "/".join(zh for zh, _ in field.codes.labels.values()) + ("/…" if field.codes.open else "")
    elif field.part:
        text = "、".join(one.chinese for one in fields_of(field.part))
    elif field.refers and field.refers in SUBJECTS:
        text = f"{SUBJECTS[field.refers][0]}{'工号或姓名' if field.refers == 'worker' else '编号'}"
    return text + ("，可多项" if field.many else "")


def page() -> str:
    """The whole page `CATALOGUE.md`."""
    out = [
        "# Catalogue of events",
        "",
        "Made from the definitions in `events_*.py` by `make catalogue`; change those. `*` must be filled in.",
        "The letter after the sensitivity: R edits a register, F adds a fact, W is a step of a workflow.",
        "",
        "| sensitivity | |",
        "|---|---|",
        *(f"| {name} | {zh} ({en}) |" for name, (zh, en) in SENSITIVITY.items()),
    ]
    about = None
    for cls in in_order():
        meta = cls.meta
        if meta.about != about:
            about = meta.about
            out += ["", f"## {SUBJECTS[about][0]} ({SUBJECTS[about][1]})"]
        machine = ", written by the node itself" if meta.by_machine else ""
        out += ["", f"### `{meta.name}` {meta.label} ({meta.english}) {meta.sensitivity} {meta.kind}{machine}", ""]
        out += [f"{meta.help} {meta.help_english}", "", "| field | 名称 | English | holds | |", "|---|---|---|---|---|"]
        for one in fields_of(cls):
            more = one.sensitivity if one.sensitivity != meta.sensitivity else ""
            out.append(
                f"| {one.name}{'*' if one.required else ''} | {one.chinese} | {one.english} | {_holds(one)} | {more} |"
            )
    return "\n".join(out) + "\n"
