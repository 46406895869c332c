"""Which deeds fulfil a rule, and by whom they were done.

*By whom* is what the record says: the role that it names, the pairing that it names, or the person. Where a talk names
nobody, its author talked; a visit or an hour of tutoring is often written down by somebody else, so where it names
nobody it counts. Where nobody is known to hold the role, whoever did it counts: what the home has not recorded is not
held against its helpers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from domain.deeds import Deed, Subject
from domain.rules import FOR_EVER, Fulfilment, Rule, Version

DOER_FIELDS: Final = {"talk-held": "talked_by", "tutoring-given": "tutor"}
AUTHOR_DID_IT: Final = frozenset({"talk-held"})
ROLE_PAIRINGS: Final = {"caring_mother": ("caring_mother",), "helping_teacher": ("teacher",)}
THREE_KNOWS: Final = {
    "person": ("name", "sex", "born_on"),
    "family": ("address", "guardian_name", "guardian_phone"),
    "study": ("school", "grade"),
}
"""三知: what a volunteer knows of a child, as the file has it."""

SPONSORED_INSTALMENTS: Final = 6
DAYS_AN_INSTALMENT: Final = 183  # two a year: 每期 is each term

_Test = Callable[[Any], bool]
_TESTS: dict[int, tuple[Fulfilment, _Test]] = {}


def fulfilling(subject: Subject, version: Version, of: Fulfilment | None = None) -> Sequence[Deed]:
    """The deeds that count for a rule, in order of days; or those that a trigger names."""
    rule = version.rule
    key = (rule.rule_id, of is None, rule.applies_to.get("pairing"))
    found: Sequence[Deed] | None = subject.memo.get(key)
    if found is None:
        wanted = rule.fulfilled_by if of is None else (of,)
        parts = [_of_one(subject, rule, one) for one in wanted]
        found = parts[0] if len(parts) == 1 else sorted((deed for part in parts for deed in part), key=_in_order)
        subject.memo[key] = found
    return found


def _in_order(deed: Deed) -> tuple[int, bytes]:
    return deed.day, deed.id


def _of_one(subject: Subject, rule: Rule, wanted: Fulfilment) -> Sequence[Deed]:
    deeds = subject.deeds.get(wanted.event, ())
    if deeds and wanted.where:
        fits = _test_of(wanted)
        deeds = [one for one in deeds if fits(one.event)]
    if deeds and wanted.role:
        return [one for one in deeds if is_by(subject, rule, wanted, one)]
    return deeds


def _test_of(wanted: Fulfilment) -> _Test:
    kept = _TESTS.get(id(wanted))
    if kept is None or kept[0] is not wanted:
        conditions = [(name, *_condition(values)) for name, values in wanted.where.items()]

        def fits(event: Any) -> bool:
            for name, allowed, negated, anything in conditions:
                value = getattr(event, name, None)
                if anything:
                    if value in (None, "", ()):
                        return False
                elif (value in allowed) == negated:
                    return False
            return True

        kept = _TESTS[id(wanted)] = (wanted, fits)
    return kept[1]


def _condition(values: tuple[Any, ...]) -> tuple[tuple[Any, ...], bool, bool]:
    """The values a field may have, or may not (`!severe`), or whether it only has to hold something (`*`)."""
    if values == ("*",):
        return (), False, True
    negated = all(type(one) is str and one.startswith("!") for one in values)
    return (tuple(one[1:] for one in values) if negated else values), negated, False


def is_by(subject: Subject, rule: Rule, wanted: Fulfilment, deed: Deed) -> bool:
    """Whether somebody in the wanted role did it, as far as the record says."""
    event, role = deed.event, wanted.role
    named = getattr(event, "by_role", None)
    if named:
        return bool(named == role)
    kinds = ROLE_PAIRINGS.get(role) or (tuple(rule.applies_to.get("pairing", ())) if role == "volunteer" else ())
    pairing = getattr(event, "pairing", None)
    if pairing is not None:
        return any(one.id == pairing.bytes and one.kind in kinds for one in subject.paired)
    doer = getattr(event, DOER_FIELDS.get(wanted.event, ""), None)
    if not doer and wanted.event in AUTHOR_DID_IT:
        doer = deed.actor
    if not doer:
        return True
    known = people(subject, role, kinds, deed.day, deed.day)
    return not known or any(doer in one for one in known)


def people(subject: Subject, role: str, kinds: Sequence[str], first: int, last: int) -> list[tuple[str, str]]:
    """Who holds a role towards a subject at some time between two days: name and code, the paired before others."""
    found = [
        (one.helper, one.code)
        for one in subject.paired
        if one.kind in kinds and one.first <= last and first <= one.last
    ]
    return list(dict.fromkeys(found or subject.posts.during(role, first, last)))


def knows_of(deed: Deed, link: str, item: bytes) -> bool:
    """Whether a deed names the pairing or fact that a duty is about."""
    named = getattr(deed.event, link, None)
    return named is not None and named.bytes == item


# -- what a rule asks after something else


def due_day_of(subject: Subject, rule: Rule, trigger: Deed) -> int:
    """By when a trigger asks for an answer, before any grace: the earliest of all that is said of it."""
    day = trigger.day + rule.within_days
    named = getattr(trigger.event, rule.due_field, None) if rule.due_field else None
    if named is not None:
        day = min(day, named.toordinal())
    if rule.check == "before_next":
        day = min(day, subject.next_of_kind.get(trigger.id, FOR_EVER))
    return max(day, trigger.day)


def answer(subject: Subject, version: Version, trigger: Deed, now: int) -> tuple[int, tuple[bytes, ...]] | None:
    """The day on which a trigger was answered, and by which facts; None if it was not by now."""
    rule = version.rule
    match rule.check:
        case "three_knows":
            known = all(subject.value(field) for block in THREE_KNOWS.values() for field in block)
            return (trigger.day, ()) if known else None
        case "purpose":
            return (trigger.day, (trigger.id,)) if _keeps_purpose(subject, trigger) else None
        case "consent":
            said = [one for one in subject.deeds.get("consent-recorded", ()) if one.day <= now]
            return (said[-1].day, (said[-1].id,)) if said and not said[-1].event.withdrawn else None
    begin = trigger.day - rule.back_days
    for deed in fulfilling(subject, version):
        if begin <= deed.day <= now:
            return deed.day, (deed.id,)
    return None


def _keeps_purpose(subject: Subject, expense: Deed) -> bool:
    lines = [one.event for one in subject.deeds.get("budget-allocated", ()) if one.event.purpose_bound]
    return any(expense.event.purpose in (line.purpose, line.line) for line in lines)


def held(subject: Subject, version: Version) -> list[tuple[int, int, bytes]]:
    """From when to when something held that a rule asks for always, and by which fact, in order."""
    found = []
    for wanted in version.rule.fulfilled_by:
        if wanted.event == "pairing-formed":
            kinds = wanted.where["kind"]
            found += [(one.first, one.last, one.id) for one in subject.paired if one.kind in kinds]
        else:
            found += [(one.day, one.day, one.id) for one in subject.deeds.get(wanted.event, ())]
    return sorted(found)


def days_open(subject: Subject, applies: Mapping[str, Any]) -> list[tuple[int, int]]:
    """From when to when a project runs, or a sponsored child's aid is paid."""
    begun = subject.deeds.get(applies["open"], ())
    if applies["open"] != "aid-decided":
        ends = [one.day for one in subject.deeds.get("project-closed", ())]
        return [(begun[0].day, min(ends, default=FOR_EVER))] if begun else []
    granted = [one for one in begun if one.event.decision == "granted"]
    asked = [one.event for one in subject.deeds.get("aid-requested", ())]
    if not granted or (asked and all(one.kind != "sponsored" for one in asked)):
        return []
    said = [one.event.instalments for one in granted] + [one.instalments for one in asked]
    instalments = next((one for one in said if one), SPONSORED_INSTALMENTS)
    ends = [one.day - 1 for one in subject.deeds.get("aid-stopped", ())]
    first = granted[0].day
    return [(first, min([first + instalments * DAYS_AN_INSTALMENT, *ends]))]


def is_bound(subject: Subject, applies: Mapping[str, Any]) -> bool:
    """Whether a budget is bound to its purpose, where a rule asks that."""
    if "purpose_bound" not in applies:
        return True
    return any(one.event.purpose_bound for one in subject.deeds.get("budget-allocated", ()))
