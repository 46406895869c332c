"""What the county asks of its homes, folded: its terms and its rules, and what each home tightened for itself.

All of it stands on one subject, the *county's*, which is the same everywhere, so that a home can tighten a rule before
it ever joined a county. Whose word an entry is follows from its log: the county's own word governs all its homes, a
home's tightens for that home alone, and a home's word about terms is none. Two counties below one hub do not mix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from domain.calendar import Calendar, Term
from domain.default_rules import DEFAULT_RULES
from domain.errors import BadField, Refused
from domain.rules import Change, Rule, RuleBook, Setting, checked, require_tighter
from domain.state import NOBODY, State
from domain.tiers import COUNTY, governs, hub_of

COUNTY_SUBJECT: Final = hashlib.sha256(b"homeward/county/1").digest()[:16]
TERM_SCHEDULED, POLICY_RULE_SET = "term-scheduled/1", "policy-rule-set/1"
TERM_DAYS_MAX: Final = 400
FIELDS: Final = {"every": "period", "times": "count", "source": "from_source"}
"""Fields of the event that say a rule's setting under another name."""

SETS: Final = ("enabled", "every", "times", "grace_days", "within_days", "window", "all_year", "duty_holder", "source")
FILTERS: Final = ("category", "pairing", "each_pairing", "trait")


class Policy:
    """Terms and rules for every home, from the county's subject. A value; what it works out it keeps."""

    def __init__(self, state: State = NOBODY, shipped: Iterable[Rule] = DEFAULT_RULES) -> None:
        self._shipped = tuple(shipped)
        self._terms: list[tuple[str, Term]] = []
        self._settings: list[Setting] = []
        self._calendars: dict[str, Calendar] = {}
        self._books: dict[str, RuleBook] = {}
        for id_, record in sorted(state.records.items(), key=lambda one: one[1].order):
            event: Any = record.event
            if event.meta.name in (TERM_SCHEDULED, POLICY_RULE_SET) and state.stands(id_):
                self._note(record.home, state.event(id_))

    def _note(self, by: str, event: Any) -> None:
        if event.meta.name == POLICY_RULE_SET:
            self._settings.append(Setting(event.rule, by, event.from_on.toordinal(), change_of(event)))
        elif is_fitting(event):
            days = frozenset(one.toordinal() for one in event.holidays)
            term = Term(event.name, event.from_on.toordinal(), event.to_on.toordinal(), days)
            self._terms.append((by, term))

    def calendar(self, home: str) -> Calendar:
        """The terms of a home's county; of several words about one term the last stands."""
        county = hub_of(home)
        found = self._calendars.get(county)
        if found is None:
            terms = (term for by, term in self._terms if governs(by, county + "home"))
            found = self._calendars[county] = Calendar(terms)
        return found

    def rules(self, home: str) -> RuleBook:
        """The rules of a home: its county's, with its own tightening."""
        found = self._books.get(home)
        if found is None:
            of_county = [one for one in self._settings if one.by != home and governs(one.by, home)]
            own = [one for one in self._settings if one.by == home and home != COUNTY]
            if home == COUNTY:
                of_county = [one for one in self._settings if one.by == COUNTY]
            found = self._books[home] = RuleBook(self._shipped, of_county, own)
        return found


def is_fitting(event: Any) -> bool:
    """Whether a term has an end behind its beginning, and not years behind."""
    return bool(0 <= (event.to_on - event.from_on).days <= TERM_DAYS_MAX)


def change_of(event: Any) -> Change:
    """What an event sets, by the names of the rule's fields; what it leaves empty stays as it is."""
    change: dict[str, Any] = {}
    for field in SETS:
        value = getattr(event, field)
        if value is not None:
            change[FIELDS.get(field, field)] = value
    if event.applies_to:
        change["applies_to"] = _filter_of(event.applies_to)
    return change


def _filter_of(text: str) -> dict[str, tuple[str, ...] | str]:
    """A filter as typed, like `category=priority pairing=college,volunteer`; words that are none are left out."""
    found: dict[str, tuple[str, ...] | str] = {}
    for word in text.split():
        name, equals, values = word.partition("=")
        if equals and name in FILTERS:
            found[name] = values if name == "trait" else tuple(values.split(","))
    return found


def require_settable(policy: Policy, by: str, event: Any) -> list[str]:
    """Check a wish to set a rule; the parts it sets. Raises BadField, and Loosens where a home asks for less."""
    change = change_of(event)
    parts = policy.rules(COUNTY).parts(event.rule)
    for word in (event.applies_to or "").split():
        if word.partition("=")[0] not in FILTERS:
            raise BadField("applies_to", word, "words like category=priority, of " + ", ".join(FILTERS))
    if event.fulfilled_by:
        raise BadField("fulfilled_by", event.fulfilled_by, "nothing: what fulfils a rule comes with the program")
    if not change:
        raise BadField("rule", event.rule, "something to set of it")
    for part in parts:
        rule = policy.rules(COUNTY).in_force(part, event.from_on.toordinal()).rule
        checked(rule, change)
        if by != COUNTY:
            require_tighter(rule, change)
    return parts


class NotTheCounty(Refused):
    """A home wished to schedule a term."""

    def __init__(self) -> None:
        super().__init__("学期安排由县里公布", "terms are the county's to schedule")


def require_term(policy: Policy, by: str, event: Any) -> None:
    """Check a wish to schedule a term; raises Refused where it does not fit the others."""
    if by != COUNTY:
        raise NotTheCounty
    if not event.name.strip():
        raise BadField("name", event.name, "text that is not empty")
    if not is_fitting(event):
        raise BadField(
            "to_on", event.to_on.isoformat(), f"a day from {event.from_on} on, at most {TERM_DAYS_MAX} later"
        )
    outside = [one for one in event.holidays if not event.from_on <= one <= event.to_on]
    if outside:
        raise BadField("holidays", outside[0].isoformat(), f"days of the term, {event.from_on} to {event.to_on}")
    first, last = event.from_on.toordinal(), event.to_on.toordinal()
    for term in policy.calendar(COUNTY).terms:
        if term.name != event.name and term.first <= last and first <= term.last:
            raise BadField("from_on", event.from_on.isoformat(), f"a day outside {term.name}")
