"""Conflicts as people see them: each contested field, its values in order, and why one of them is used meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from domain import codes
from domain.card import HOME
from domain.codes import Codes
from domain.labels import FIELDS
from domain.registers import Head, why_wins, winner
from domain.state import State, split_fact_field
from domain.stays import why_claim_wins

WHY: dict[str, tuple[str, str]] = {
    "protective": ("更能保护孩子的内容优先", "it protects the child more"),
    "holder": ("孩子所在之家的记录优先", "the home that the child belongs to wrote it"),
    "county": ("以县里的决定为准", "it is the county's decision"),
    "asked": ("转出的之家指定的接收方优先", "it is the home that the child was given over to"),
    "accepted": ("接收记录优先于登记", "it was taken in there, not only registered"),
    "order": ("各处统一按记录次序取最后一条", "it is the last in the order that is the same everywhere"),
}
"""Why a value is the provisional one, in Chinese and English."""


class Conflict(NamedTuple):
    """A field with several values that nobody has chosen from; `heads` in the order in which they are numbered."""

    field: str
    heads: tuple[Head, ...]
    wins: Head
    why: str


def conflicts_of(state: State) -> list[Conflict]:
    """Every contested field of a subject, in order of its name."""
    return [_conflict(state, field, heads) for field, heads in sorted(state.conflicts().items())]


def _conflict(state: State, field: str, heads: tuple[Head, ...]) -> Conflict:
    ordered = tuple(sorted(heads, key=lambda head: head.order))
    if field == HOME:
        return Conflict(field, ordered, state.provisional[HOME], why_claim_wins(heads, state.records))
    name = split_fact_field(field)[1] if field.startswith("fact:") else field
    return Conflict(field, ordered, winner(name, heads, state.holder), why_wins(name, heads, state.holder))


def fingerprint(ids: Iterable[bytes]) -> str:
    """What tells whether a field still holds the values that were shown: 12 hex digits over their entries' ids."""
    return hashlib.sha256(b"".join(sorted(ids))).hexdigest()[:12]


_MORE = {
    HOME: ("所在之家", "home of the child"),
    "categories": ("类别", "categories"),
    "guardian_name": ("监护人姓名", "guardian's name"),
    "guardian_kinship": ("监护人与孩子的关系", "guardian's kinship"),
    "guardian_age": ("监护人年龄", "guardian's age"),
    "guardian_occupation": ("监护人职业", "guardian's occupation"),
    "guardian_health": ("监护人身体状况", "guardian's health"),
    "code": ("编号", "code"),
    "joined_on": ("到岗日期", "date of joining"),
    "opened_on": ("开办日期", "date of opening"),
    "kind": ("类型", "kind"),
}
_WORK = {
    "workplace": ("务工单位", "workplace"),
    "work_address": ("单位地址", "workplace's address"),
    "work_phone": ("单位电话", "workplace's phone"),
    "work_city": ("务工城市", "city of work"),
    "work_expected_return_on": ("预计返乡日期", "expected return"),
    "work_best_hours": ("方便联系的时间", "best hours"),
}
_LABELS: dict[str, tuple[str, str]] = {
    **codes.HOME_FIELD.labels,
    **codes.DETAIL_FIELD.labels,
    **codes.CARD_FIELD.labels,
    **_MORE,
    **{
        f"{parent}_{field}": (zh_parent + zh, f"{parent}'s {en}")
        for parent, zh_parent in (("father", "父亲"), ("mother", "母亲"))
        for field, (zh, en) in _WORK.items()
    },
}
_WORDS: dict[str, Codes] = {
    "sex": codes.SEX,
    "categories": codes.CATEGORY,
    "guardian_kinship": codes.KINSHIP,
    "guardian_health": codes.HEALTH,
}


def label(field: str) -> tuple[str, str]:
    """A field in Chinese and English; a fact's corrected field by its own name."""
    if field.startswith("fact:"):
        name = split_fact_field(field)[1]
        zh, en = _LABELS.get(name, (name, name))
        return f"已更正记录中的“{zh}”", f"{en} of a corrected record"
    if field in _LABELS:
        return _LABELS[field]
    family, colon, rest = field.partition(":")
    zh, en = _FAMILIES.get(family) or FIELDS.get(family) or FIELDS.get(field.removeprefix("travel_")) or (field, field)
    return (f"{zh}（{rest}）", f"{en} ({rest})") if colon else (zh, en)


_FAMILIES = {
    "consent": ("监护人同意", "guardian's consent"),
    "duplicate": ("是否为同一个孩子", "whether it is the same child"),
    "opening": ("开放安排", "opening hours"),
    "group": ("兴趣小组", "interest group"),
    "rule": ("制度或工作要求", "rule"),
    "role": ("职务", "role"),
    "term": ("学期", "term"),
    "decision": ("资助审批", "decision on aid"),
    "paying": ("是否继续发放", "whether aid is paid on"),
    "schooling": ("就学状态", "schooling"),
    "schooling_since": ("就学状态起始日期", "schooling since"),
}
"""Registers of which there are several, and those whose name is no field's."""


def words(field: str, value: Any) -> str:
    """A value (JSON form) as a worker reads it."""
    known = _WORDS.get(field)
    if value in (None, "", []):
        return "（空）"
    if isinstance(value, list):
        return "、".join(words(field, one) for one in value)
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, dict):
        return "，".join(f"{label(key)[0]}{words(key, one)}" for key, one in value.items() if one not in (None, "", []))
    return known.label(value) if known and isinstance(value, str) else str(value)


__all__ = ["WHY", "Conflict", "conflicts_of", "fingerprint", "label", "words"]
