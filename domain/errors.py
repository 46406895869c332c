"""Refusals: what the domain says to the person who wished something.

Each carries one Chinese and one English sentence that names the thing, the value found and the value expected.
A leaf exists only where somebody acts differently on it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol


def shown(found: object) -> str:
    """A found value as it appears in a sentence, cut to a bearable length."""
    text = found if isinstance(found, str) else repr(found)
    return text if len(text) <= 80 else text[:77] + "…"


class Refused(Exception):
    """A wish that cannot become a fact; nothing was stored."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en

    def __str__(self) -> str:
        return f"{self.zh} / {self.en}"


class UnknownType(Refused):
    """No event of this name is known here."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"没有“{shown(name)}”这种记录", f"there is no kind of record named {shown(name)!r}")


class WrittenByNodes(Refused):
    """What nodes write about themselves is no form."""

    def __init__(self, label: str) -> None:
        super().__init__(
            f"“{label}”由系统自己记录，不能手工填写", f"{label!r} is written by the node itself, not by hand"
        )


class CountyDecides(Refused):
    """Who asks does not decide."""

    def __init__(self, label: str) -> None:
        super().__init__(
            f"“{label}”由县里办理，之家不能自己决定",
            f"{label!r} is the county's to say: a home cannot decide it itself",
        )


MISSING = ("nothing", "this field")
"""What is found and expected where a field that must be there is not."""

EXPECTED_ZH = {
    "text": "文字",
    "text that is not empty": "不能为空的文字",
    "a whole number": "整数",
    "true or false": "是或否",
    "true or false (是/否)": "是或否",
    "a date as YYYY-MM-DD": "日期，如2025-03-01",
    "an id as UUID text": "编号（UUID）",
    "a list or map as JSON": "JSON格式的列表或对象",
    "a quantity such as 61, 2000+, 110万 or 2000--3000": "数量，如61、2000+、110万或2000--3000",
    "a moment with offset as 2024-09-03T16:20:31+08:00": "带时区的时间，如2024-09-03T16:20:31+08:00",
    "a map with site, subject, type, at, by and data": "含site、subject、type、at、by、data的对象",
    "a photograph's name as 64 hex digits": "照片编号（64位十六进制）",
    "a UUID as text": "编号（UUID）",
}


class Mistyped(Refused):
    """What somebody typed into one field cannot be read; says what would be accepted, to be shown beside the field."""


class Refusals(Refused):
    """Several fields of one form cannot be read; every one has its own sentence, and a label in both languages."""

    def __init__(self, fields: Mapping[str, Refused], labels: Mapping[str, tuple[str, str]]) -> None:
        self.fields = dict(fields)
        told = [
            (why.zh, why.en) if isinstance(why, BadField) else (f"“{zh}”：{why.zh}", f"{en} ({name}): {why.en}")
            for name, why in fields.items()
            for zh, en in [labels.get(name, (name, name))]
        ]
        super().__init__("；".join(zh for zh, _ in told), "; ".join(en for _, en in told))


class BadField(Refused):
    """One field of a form or of a line does not fit."""

    def __init__(self, field: str, found: object, expected: str) -> None:
        self.field, self.found, self.expected = field, found, expected
        if (found, expected) == MISSING:
            super().__init__(f"缺少“{field}”", f"field {field!r} is missing: found nothing, expected a value")
        else:
            super().__init__(
                f"“{field}”填写为“{shown(found)}”，应为：{EXPECTED_ZH.get(expected, expected)}",
                f"field {field!r}: found {shown(found)!r}, expected {expected}",
            )


class BadFact(BadField):
    """A line of the import form that cannot be read; the import stops there and names it."""


class NotRegistered(Refused):
    """The child has no registration that this node knows."""

    def __init__(self) -> None:
        super().__init__("这个孩子还没有登记", "this child is not registered")


class AlreadyRegistered(Refused):
    """The child has a file already."""

    def __init__(self, on: dt.date) -> None:
        self.on = on
        super().__init__(f"这个孩子已于{on}登记", f"this child was already registered on {on}")


class Labelled(Protocol):
    """What has a Chinese and an English name."""

    @property
    def label(self) -> str: ...
    @property
    def english(self) -> str: ...


class BeforeRegistration(Refused):
    """A fact is dated before the child was registered here."""

    def __init__(self, on: dt.date, registered_on: dt.date, what: Labelled | None = None) -> None:
        self.on, self.registered_on = on, registered_on
        label, english = (what.label, f" of the {what.english}") if what else ("", "")
        super().__init__(
            f"{label}日期{on}早于登记日期{registered_on}",
            f"the date {on}{english} is before the registration on {registered_on}",
        )


class NotHere(Refused):
    """The child belongs to another home."""

    def __init__(self, home: str, holder: str) -> None:
        self.home, self.holder = home, holder
        zh = f"这个孩子现在属于“{holder}”，不在“{home}”" if holder else f"这个孩子不在“{home}”"
        super().__init__(zh, f"the child belongs to {holder or 'no home'}, not to {home!r}")


class AlreadyHere(Refused):
    """The child to be taken in belongs to this home already."""

    def __init__(self, home: str) -> None:
        self.home = home
        super().__init__(f"这个孩子已经属于“{home}”", f"the child already belongs to {home!r}")


class UnknownFact(Refused):
    """The entry that a correction or withdrawal names is not known here."""

    def __init__(self, target: object) -> None:
        self.target = target
        super().__init__(f"找不到要更正的记录 {target}", f"the entry {target} is not known here")


class AlreadyWithdrawn(Refused):
    """The entry was withdrawn before."""

    def __init__(self, target: object) -> None:
        self.target = target
        super().__init__(f"记录 {target} 已经撤回", f"the entry {target} was withdrawn before")


class NotItsWord(Refused):
    """Where a child belongs is another's word: only the home that wrote it, or the county, can change it."""

    def __init__(self) -> None:
        super().__init__(
            "孩子归哪个之家，以在册之家和县里的记录为准：登记、转出、转入、结案，只有写这条记录的之家或者县里能更正、能撤回，"
            "没有登记或者接收过这个孩子的之家也不能把他转出，请联系他们",
            "where a child belongs is the word of its home and the county: only the home that wrote a registration,"
            " transfer or departure, or the county, corrects or withdraws it, and nobody else gives the child away:"
            " ask them",
        )


class FieldMoved(Refused):
    """Somebody changed the field after the form was shown; all values must be shown again."""

    def __init__(self, field: str, values: Sequence[str] = ()) -> None:
        self.field = field
        zh = f"“{field}”在您填写期间已被别人修改，这次没有保存，请核对后再保存"
        en = f"field {field!r} was changed while you were writing, nothing was stored: look at the values again"
        if values:
            zh, en = f"{zh}；现在的内容：{'、'.join(values)}", f"{en}; it holds now: {', '.join(values)}"
        super().__init__(zh, en)


class NoConflict(Refused):
    """There is nothing to settle in this field."""

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(f"“{field}”没有需要处理的冲突", f"field {field!r} holds no conflict")


class HomesSettle(Refused):
    """The county reads the children's files; what they say is for the homes to settle."""

    def __init__(self, homes: Sequence[str]) -> None:
        names = ", ".join(homes)
        super().__init__(
            f"孩子档案的内容由之家核对后处理（{names}），县里只能决定孩子归哪个之家",
            f"a child's file is settled by the homes that keep it ({names}); the county decides where a child belongs",
        )


class CountySettles(Refused):
    """Which of several homes a child belongs to is the county's to say."""

    def __init__(self) -> None:
        super().__init__(
            "几个之家都收了这个孩子，归哪个之家由县里决定，请联系县里",
            "several homes took this child in: the county decides which it belongs to; ask the county",
        )


class TooNew(Refused):
    """One of the values follows an entry that this version cannot read, so nobody here can say to have seen it."""

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(
            f"“{field}”前面有一条本机版本看不懂的记录，请先升级程序再处理",
            f"a record before a value of {field!r} is of a newer kind: upgrade this program first, then settle",
        )
