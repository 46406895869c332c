"""What a duty rule says, as data; who may set what of it; and which version of it held when.

The county's set is the table of `default_rules` and what the county changed of it. A home may *tighten* a rule for
itself and never loosen it: a shorter period, fewer days of grace, a larger count, a narrower window, fewer days to act,
or switched on. What a home says beyond that is refused when it is wished; where the county became stricter meanwhile,
the stricter of the two counts, number by number, so no history of entries leads to a looser rule than the county's.

A version holds from a date. A period keeps the version that was in force on its first day; auditors see both.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from domain.calendar import LENGTHS
from domain.errors import BadField, Refused

EVERY, AFTER, ALWAYS = "every", "after", "always"
LONG_AGO: Final = 1
FOR_EVER: Final = 3_652_059  # date.max
NUMBERS: Final = ("grace_days", "within_days", "count")
SETTABLE: Final = ("enabled", "period", "window", "grace_days", "within_days", "count", "weekdays", "applies_to",
                   "all_year", "duty_holder", "from_source")  # fmt: skip
_WINDOW: Final = re.compile(r"(first|last) (\d{1,3}) (weeks|days)")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Window(NamedTuple):
    """The part of a period in which the thing is to be done."""

    end: str  # "first" or "last"
    number: int
    unit: str  # "weeks" (school weeks, from Monday) or "days"

    @property
    def days(self) -> int:
        """Its length."""
        return self.number * (7 if self.unit == "weeks" else 1)


class Fulfilment(NamedTuple):
    """An event that fulfils a rule: its stored name without the version, its fields, and in which role it was done."""

    event: str
    where: Mapping[str, tuple[Any, ...]] = _NOTHING
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One duty: for whom it holds, who owes it, what fulfils it, and by when."""

    rule_id: str
    number: str
    group: str = ""
    applies_to: Mapping[str, tuple[str, ...] | str] = field(default_factory=dict)
    duty_holder: str
    fulfilled_by: tuple[Fulfilment, ...]
    mode: str = EVERY
    period: str = ""
    window: str = ""
    weekdays: tuple[int, ...] = ()
    count: int = 1
    all_year: bool = False
    trigger: Fulfilment | None = None
    due_field: str = ""
    within_days: int = 0
    back_days: int = 0
    link: str = ""
    check: str = ""
    grace_days: int = 0
    from_source: str
    enabled: bool = True
    zh: str
    en: str

    @property
    def about(self) -> str:
        """The kind of subject that it is owed for."""
        return str(self.applies_to["about"])


Change = Mapping[str, Any]


class Setting(NamedTuple):
    """What a county or a home set of a rule, or of all parts of one (`O10`), from a day on."""

    rule_id: str
    by: str  # the code of the home; "" or "qingxi/" for a county
    since: int
    change: Change


class Version(NamedTuple):
    """A rule as it reads for periods that begin between two days, the second not included."""

    rule: Rule
    since: int
    until: int
    by: tuple[str, ...]  # whose word is in it: none for the rule as shipped


def window_of(text: str) -> Window | None:
    """A window as written, like `first 4 weeks`; None for an empty one. Raises BadField."""
    if not text:
        return None
    found = _WINDOW.fullmatch(text)
    if found is None or not int(found[2]):
        raise BadField("window", text, "like “first 4 weeks” or “last 3 days”")
    return Window(found[1], int(found[2]), found[3])


def checked(rule: Rule, change: Change) -> Change:
    """A change as it can be made to a rule; raises BadField for what no such rule can read."""
    for name, value in change.items():
        if name not in SETTABLE:
            raise BadField(name, value, "one of " + ", ".join(SETTABLE))
        if name in NUMBERS and not (type(value) is int and 0 <= value <= 3660):
            raise BadField(name, value, "a whole number from 0 to 3660")
        if name in ("enabled", "all_year") and type(value) is not bool:
            raise BadField(name, value, "true or false")
    if (period := change.get("period")) is not None and (rule.mode != EVERY or period not in LENGTHS):
        raise BadField(
            "period", period, "one of " + ", ".join(LENGTHS) if rule.mode == EVERY else "none: it has no period"
        )
    for name in ("duty_holder", "from_source"):
        if name in change and not (type(change[name]) is str and change[name]):
            raise BadField(name, change[name], "text that is not empty")
    if not change.get("count", 1):
        raise BadField("count", 0, "at least 1")
    window = change.get("window")
    if window is not None and (type(window) is not str or rule.mode != EVERY):
        raise BadField("window", window, "text, for a rule that has a period")
    window_of(window or "")
    if (days := change.get("weekdays")) is not None and not all(type(one) is int and 0 <= one <= 6 for one in days):
        raise BadField("weekdays", days, "numbers from 0 (Monday) to 6")
    return change


def usable(rule: Rule, change: Change) -> Change:
    """As much of a stored change as this version can read: the fold of a wish that went another way."""
    found: dict[str, Any] = {}
    for name, value in change.items():
        try:
            found.update(checked(rule, {name: value}))
        except (BadField, TypeError):
            continue
    return found


def is_looser(old: Rule, name: str, value: Any) -> bool:
    """Whether a value of one setting asks less than a rule does; what cannot be compared does."""
    now = getattr(old, name)
    if value == now:
        return False
    match name:
        case "enabled" | "all_year":
            return not value
        case "count":
            return bool(value < now)
        case "grace_days" | "within_days":
            return bool(value > now)
        case "period":
            return LENGTHS[value] >= LENGTHS.get(now, 0)
        case "window":
            return _wider(window_of(value), window_of(now))
    return True


def _wider(new: Window | None, old: Window | None) -> bool:
    if new is None or old is None:
        return new is None
    return new.end != old.end or new.days > old.days


def stricter(rule: Rule, change: Change) -> Rule:
    """The rule with as much of a change as does not loosen it."""
    kept = {name: value for name, value in change.items() if not is_looser(rule, name, value)}
    return with_change(rule, kept)


def with_change(rule: Rule, change: Change) -> Rule:
    """The rule as a county changed it; a filter is narrowed or widened within the kind that it is about."""
    made = dict(change)
    if "applies_to" in made:
        made["applies_to"] = {**rule.applies_to, **made["applies_to"], "about": rule.about}
    if "weekdays" in made:
        made["weekdays"] = tuple(made["weekdays"])
    return dataclasses.replace(rule, **made) if made else rule


class Loosens(Refused):
    """A home wished less than its county asks for."""

    def __init__(self, rule: Rule, name: str, value: Any) -> None:
        now = getattr(rule, name)
        zh, en = _NAMES.get(name, (name, name))
        self.rule, self.field, self.value = rule, name, value
        super().__init__(
            f"县里对“{rule.zh}”（{rule.rule_id}）的{zh}要求是 {_said(now)}，之家只能更严，不能放宽到 {_said(value)}",
            f"the county's {en} of {rule.rule_id} ({rule.en}) is {_said(now)}: a home may tighten it, not loosen it to "
            f"{_said(value)}",
        )


_NAMES: Final = {
    "enabled": ("启用", "being switched on"),
    "all_year": ("全年", "being owed all year"),
    "count": ("次数", "count"),
    "grace_days": ("宽限天数", "days of grace"),
    "within_days": ("办理天数", "days to act"),
    "period": ("周期", "period"),
    "window": ("时间段", "window"),
    "weekdays": ("星期", "weekdays"),
    "applies_to": ("适用对象", "filter"),
    "duty_holder": ("负责人", "duty holder"),
    "from_source": ("依据", "source"),
}


def _said(value: Any) -> str:
    return {True: "on", False: "off", "": "-"}.get(value, str(value)) if type(value) in (bool, str) else str(value)


def require_tighter(rule: Rule, change: Change) -> None:
    """Raise Loosens if a home's wish asks less than the county's rule does, in any of its parts."""
    for name, value in change.items():
        if is_looser(rule, name, value):
            raise Loosens(rule, name, value)


class RuleBook:
    """The rules of one home: the shipped set, the county's settings and the home's own."""

    def __init__(self, shipped: Iterable[Rule], of_county: Iterable[Setting], own: Iterable[Setting] = ()) -> None:
        county, home = list(of_county), list(own)
        self.versions: dict[str, tuple[Version, ...]] = {
            rule.rule_id: _versions(rule, _of(rule, county), _of(rule, home)) for rule in shipped
        }
        self._plans: dict[str, list[Version]] = {}
        for versions in self.versions.values():
            enabled = [one for one in versions if one.rule.enabled]
            self._plans.setdefault(versions[0].rule.about, []).extend(enabled)

    def plan(self, about: str) -> list[Version]:
        """Every version that asks anything of a kind of subject."""
        return self._plans.get(about, [])

    def in_force(self, rule_id: str, day: int) -> Version:
        """The version of a rule that holds on a day."""
        return next(one for one in self.versions[rule_id] if one.since <= day < one.until)

    def parts(self, name: str) -> list[str]:
        """The rules that a name stands for: itself, or all parts of its number. Raises BadField."""
        found = [one for one, versions in self.versions.items() if name in (one, versions[0].rule.number)]
        if not found:
            raise BadField("rule", name, "a rule's id, like O15, or O10-guardian for one part of O10")
        return found


def _of(rule: Rule, settings: Iterable[Setting]) -> list[Setting]:
    return [one for one in settings if one.rule_id in (rule.rule_id, rule.number)]


def _versions(rule: Rule, county: list[Setting], home: list[Setting]) -> tuple[Version, ...]:
    """A version for each day on which anything changes; of one day's words the last in canonical order stands."""
    days = sorted({LONG_AGO, *(one.since for one in (*county, *home) if LONG_AGO < one.since <= FOR_EVER)})
    return tuple(_version(rule, county, home, *span) for span in itertools.pairwise([*days, FOR_EVER + 1]))


def _version(rule: Rule, county: list[Setting], home: list[Setting], since: int, until: int) -> Version:
    by = []
    for one in sorted(county, key=lambda one: one.since):
        if one.since <= since:
            rule = with_change(rule, usable(rule, one.change))
            by.append(one.by)
    own: dict[str, Any] = {}
    for one in sorted(home, key=lambda one: one.since):
        if one.since <= since:
            own.update(usable(rule, one.change))  # a home may take its own tightening back
    tightened = stricter(rule, own)
    if tightened != rule:
        by += {one.by for one in home}
    return Version(tightened, since, until, tuple(dict.fromkeys(by)))
