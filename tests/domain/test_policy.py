"""Whose word counts about terms and rules, and what a home may say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import duty_words, schema
from domain.calendar import LENGTHS
from domain.default_rules import DEFAULT_RULES
from domain.errors import BadField, Refused
from domain.folding import fold
from domain.policy import COUNTY_SUBJECT, NotTheCounty, Policy, change_of, require_settable, require_term
from domain.rules import Loosens, checked, is_looser
from tests.domain.duty_samples import Fact, child, day, duties, record, shuffled

TERM = {"from_on": "2024-09-01", "to_on": "2025-01-17"}


def rule(name: str, since: str = "2024-09-01", writer: str = "", **change: Any) -> Fact:
    return "policy-rule-set/1".partition("/")[0], {"rule": name, "from_on": since, "writer": writer, **change}


def term(name: str, writer: str = "", **payload: Any) -> Fact:
    return "term-scheduled", {"name": name, **TERM, **payload, "writer": writer}


def policy(*facts: Fact, seed: int = 0) -> Policy:
    entries = [record(number, one) for number, one in enumerate(facts, 1)]
    return Policy(fold("county", COUNTY_SUBJECT, shuffled(entries, seed)))


def event(fact: Fact) -> Any:
    name, payload = fact
    return schema.from_json(f"{name}/1", {key: value for key, value in payload.items() if key != "writer"})


def setting(book: Policy, home: str, name: str, on: str, field: str) -> Any:
    return getattr(book.rules(home).in_force(name, day(on)).rule, field)


def test_the_countys_word_holds_for_every_home():
    """What the county sets is in force everywhere from its day on, and not before."""
    found = policy(rule("O15", "2024-11-01", every="week", grace_days=2))
    for home in ("home-01", "home-02", ""):
        assert setting(found, home, "O15", "2024-11-01", "period") == "week"
        assert setting(found, home, "O15", "2024-10-31", "period") == "month"


def test_a_number_stands_for_all_its_parts():
    """O10 sets three rules, O10-parent one."""
    found = policy(rule("O10", grace_days=4), rule("O10-parent", grace_days=2))
    graces = [
        setting(found, "h", f"O10-{part}", "2024-10-01", "grace_days") for part in ("parent", "guardian", "teacher")
    ]
    assert graces == [2, 4, 4]


def test_a_home_tightens_for_itself_alone():
    """A home's word counts for that home, and no other home's for it."""
    found = policy(rule("O21", writer="home-01", times=5))
    assert [setting(found, home, "O21", "2024-10-01", "count") for home in ("home-01", "home-02", "")] == [5, 3, 3]


def test_a_home_never_loosens_even_where_the_county_became_stricter_behind_it():
    """Number by number the stricter of the two counts, whichever came first."""
    own = rule("O15", writer="home-01", every="two_weeks", grace_days=1)
    later = rule("O15", every="week", grace_days=3)
    for facts in ((own, later), (later, own)):
        found = policy(rule("O15", grace_days=5), *facts)
        assert setting(found, "home-01", "O15", "2024-10-01", "period") == "week"
        assert setting(found, "home-01", "O15", "2024-10-01", "grace_days") == 1
        assert setting(found, "home-02", "O15", "2024-10-01", "grace_days") == 3


def test_a_home_can_take_its_own_tightening_back():
    """A later word of the home replaces its earlier one, down to what the county asks."""
    found = policy(rule("O21", writer="home-01", times=5), rule("O21", "2024-11-01", writer="home-01", times=3))
    assert setting(found, "home-01", "O21", "2024-10-01", "count") == 5
    assert setting(found, "home-01", "O21", "2024-11-01", "count") == 3


CHANGES = st.fixed_dictionaries(
    {"rule": st.sampled_from(["O04", "O10", "O12", "O15", "O19", "O28", "O21", "O99"])},
    optional={
        "every": st.sampled_from([*LENGTHS, "once", "soon"]),
        "times": st.integers(-1, 5),
        "grace_days": st.integers(-2, 9),
        "within_days": st.integers(0, 60),
        "window": st.sampled_from(["first 2 weeks", "last 3 days", "never", ""]),
        "enabled": st.booleans(),
        "all_year": st.booleans(),
        "applies_to": st.sampled_from(["category=priority", "about=home", "x"]),
        "duty_holder": st.just("head"),
    },
)
WORDS = st.lists(st.tuples(CHANGES, st.sampled_from(["", "home-01", "home-02"]), st.integers(1, 28)), max_size=6)


@settings(max_examples=80, deadline=None)
@given(WORDS, st.integers(0, 9))
def test_no_history_of_words_leads_below_the_county(words, seed):
    """Whatever anybody wrote in whatever order, a home's rules ask at least what its county's do."""
    facts = [rule(since=f"2024-10-{on:02}", writer=writer, name=change["rule"],
                  **{key: value for key, value in change.items() if key != "rule"})
             for change, writer, on in words]  # fmt: skip
    one, other = policy(*facts), policy(*facts, seed=seed)
    for name, versions in one.rules("home-01").versions.items():
        assert versions == other.rules("home-01").versions[name]
        for version in versions:
            county = one.rules("").in_force(name, version.since).rule
            for field in ("enabled", "count", "grace_days", "within_days", "all_year", "period", "window"):
                assert not is_looser(county, field, getattr(version.rule, field))
            assert version.rule.applies_to == county.applies_to
            assert version.rule.duty_holder == county.duty_holder
    duties(child(), "2024-12-01", book=one.rules("home-01"))  # whatever was set can be worked with


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"every": "week"}, True),
        ({"every": "term"}, False),
        ({"every": "month"}, True),
        ({"times": 2}, True),
        ({"grace_days": 0}, True),
        ({"grace_days": 3}, False),
        ({"enabled": False}, False),
        ({"all_year": True}, True),
        ({"applies_to": "category=priority"}, False),
        ({"window": "first 2 weeks"}, True),
    ],
)
def test_a_loosening_is_refused_in_words(change, allowed):
    """A home hears what the county asks and what it wished; nothing is stored."""
    wish = event(rule("O15", **change))
    if allowed:
        assert require_settable(policy(), "home-01", wish) == ["O15"]
    else:
        with pytest.raises(Loosens, match=r"a home may tighten it"):
            require_settable(policy(), "home-01", wish)
    assert require_settable(policy(), "", wish) == ["O15"]


@pytest.mark.parametrize(
    "change",
    [{}, {"every": "soon"}, {"times": 0}, {"grace_days": -1}, {"window": "in spring"}, {"applies_to": "colour=red"},
     {"fulfilled_by": "talk-held"}, {"within_days": 99999}],
)  # fmt: skip
def test_what_no_rule_can_read_is_refused(change):
    """A wish that says nothing, or what no version can work with, is refused with the field."""
    with pytest.raises(BadField):
        require_settable(policy(), "", event(rule("O15", **change)))
    with pytest.raises(BadField):
        require_settable(policy(), "", event(rule("O99", grace_days=1)))


def test_terms_are_the_countys():
    """A home's word about terms is refused, and where an entry says it nonetheless it counts for nobody."""
    with pytest.raises(NotTheCounty):
        require_term(policy(), "home-01", event(term("2024-秋")))
    assert policy(term("2024-秋", writer="home-01")).calendar("home-01").terms == ()
    assert [one.name for one in policy(term("2024-秋")).calendar("home-01").terms] == ["2024-秋"]


def test_a_term_scheduled_anew_replaces_the_former():
    """Of several words about one term the last stands, in whatever order they arrive."""
    facts = (term("2024-秋"), term("2024-秋", to_on="2025-01-10", holidays=["2024-10-01"]))
    for seed in range(4):
        (found,) = policy(*facts, seed=seed).calendar("h").terms
        assert (found.last, found.holidays) == (day("2025-01-10"), frozenset([day("2024-10-01")]))


@pytest.mark.parametrize(
    "payload",
    [{"to_on": "2024-08-01"}, {"to_on": "2027-08-01"}, {"holidays": ["2025-05-01"]}, {"name": " "},
     {"name": "2024-冬", "from_on": "2025-01-10", "to_on": "2025-02-10"}],
)  # fmt: skip
def test_a_term_that_does_not_fit_is_refused(payload):
    """An end before the beginning, a holiday outside, another term's days."""
    with pytest.raises(Refused):
        require_term(policy(term("2024-秋")), "", event(term("x", **payload)) if "name" not in payload else
                     event(("term-scheduled", {**TERM, **payload})))  # fmt: skip


def test_two_counties_below_one_hub_do_not_mix():
    """A hub above reads each county's terms and rules for that county's homes."""
    found = policy(
        term("2024-秋", writer="qingxi/"), term("2024-秋", writer="shiqiao/", to_on="2025-01-10"),
        rule("O15", writer="qingxi/", every="week"), rule("O21", writer="qingxi/home-01", times=6),
    )  # fmt: skip
    assert [found.calendar(home).terms[0].last for home in ("qingxi/home-01", "shiqiao/home-01")] == [
        day("2025-01-17"), day("2025-01-10")]  # fmt: skip
    assert setting(found, "qingxi/home-01", "O15", "2024-10-01", "period") == "week"
    assert setting(found, "shiqiao/home-01", "O15", "2024-10-01", "period") == "month"
    assert setting(found, "qingxi/home-01", "O21", "2024-10-01", "count") == 6
    assert setting(found, "shiqiao/home-01", "O21", "2024-10-01", "count") == 3


def test_every_rule_can_be_said_and_set():
    """Each shipped rule has its sentence in both languages, and takes a stricter number."""
    for one in DEFAULT_RULES:
        words = duty_words.rule_sentence(one)
        assert one.zh in words
        assert one.en in words
        assert one.from_source in words
        assert one.duty_holder in duty_words.ROLES
        assert checked(one, {"grace_days": 0}) == {"grace_days": 0}
    assert change_of(event(rule("O15", every="week", times=2))) == {"period": "week", "count": 2}


def test_words_about_one_rule_are_no_conflict():
    """County and homes say something of one rule, none having seen another: there is nothing to settle."""
    facts = (rule("O15", every="week"), rule("O15", writer="home-01", times=2), rule("O15", writer="home-02", times=3))
    state = fold("county", COUNTY_SUBJECT, [record(number, one) for number, one in enumerate(facts, 1)])
    assert state.conflicts() == {}
    assert [setting(Policy(state), home, "O15", "2024-10-01", "count") for home in ("home-01", "home-02")] == [2, 3]
