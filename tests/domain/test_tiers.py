"""A hub above the county shows what the county shows, under names that no other county's homes have."""

from __future__ import annotations

import pytest
from hypothesis import given

from domain import events as e
from domain.event import Event
from domain.folding import Folding
from domain.records import Record, canonical
from domain.reporting import Label, Rows, added
from domain.tiers import county_of, governs, hub_of, qualified
from tests.domain.domain_samples import DAY, Writer, registered, talk
from tests.domain.histories import histories


def rows(records: list[Record]) -> list:
    folding = Folding(b"s" * 16)
    for record in canonical(records):
        folding.add(record)
    return folding.rows()


def above(record: Record, hub: str) -> Record:
    event = qualified(record.event, hub + record.home) if isinstance(record.event, Event) else record.event
    return record._replace(home=hub + record.home, event=event)


@given(histories())
def test_the_picture_above_is_the_countys_under_full_names(history):
    """Whatever homes and their county wrote about a child, the fold above differs by the county's code and no more."""
    history = [one._replace(home="") if one.log.endswith(b"2") else one for one in history]
    for hub in ("qingxi/", "hejian/qingxi/"):
        assert repr(rows([above(one, hub) for one in history])).replace(hub, "") == repr(rows(history))


def test_two_counties_may_use_one_code():
    """Each county's `home-01` has its own child, and a home of another county is a stranger to it."""
    here, there = Writer("qingxi/home-01", log="log a"), Writer("baihe/home-01", log="log b")
    records = [here.write(registered(on=DAY)), there.write(talk(DAY, 5))]
    found = rows(records)
    assert [row[2] for name, row in found if name == "stay"] == ["qingxi/home-01"]
    assert [row[4] for name, row in found if name == "returned"] == ["baihe/home-01"]


@pytest.mark.parametrize(
    ("writer", "home", "is_so"),
    [
        ("", "home-01", True),
        ("", "qingxi/home-01", True),
        ("qingxi/", "qingxi/home-01", True),
        ("hejian/", "hejian/qingxi/home-01", True),
        ("qingxi/", "baihe/home-01", False),
        ("qingxi/", "home-01", False),
        ("home-01", "home-01", False),
        ("qing", "qingxi/home-01", False),
    ],
)
def test_a_hub_governs_what_is_below_it(writer, home, is_so):
    """Its own homes and those of its hubs, and nobody else's."""
    assert governs(writer, home) is is_so


def test_another_countys_word_is_no_countys_word():
    """A county that gives itself a child of another county makes a claim like anybody's: a conflict is shown."""
    home, stranger = Writer("qingxi/home-01", log="log a"), Writer("baihe/", log="log b")

    def taken(to: str) -> e.ChildTransferAccepted:
        return e.ChildTransferAccepted(on=DAY, home=to, accepted=True)

    found = rows([home.write(registered(on=DAY)), stranger.write(taken("baihe/home-09"))])
    assert {row[-1] for name, row in found if name == "conflict"} == {"accepted"}
    own = Writer("qingxi/", log="log c")
    found = rows([home.write(registered(on=DAY)), own.write(taken("qingxi/home-02"))])
    assert {row[-1] for name, row in found if name == "conflict"} == {"county"}


def test_codes_say_whose_a_home_is():
    """The county's code is what stands in front of the last part."""
    assert [hub_of(code) for code in ("home-01", "a/home-01", "a/b/h", "a/", "")] == ["", "a/", "a/b/", "a/", ""]
    assert [county_of(code) for code in ("home-01", "a/home-01", "a/b/h", "a/", "")] == ["", "a", "a/b", "a", ""]


def test_reports_above_add_up_by_county():
    """A figure gives each county's sum beside its homes'; within a county it has no such part."""
    words = Label("次数", "times")

    def figure(*homes):
        rows = Rows(("subject", "home", "count"), [(b"", home, n) for n, home in enumerate(homes, 1)])
        return added("calls", words, words, words, rows, "count", "home")

    found = figure("baihe/home-01", "qingxi/home-01", "qingxi/home-02")
    assert found.parts["county"] == {"baihe": 1, "qingxi": 5}
    assert len(found.listed("county", "qingxi")) == 2
    assert "county" not in figure("home-01").parts
    assert "county" not in figure().parts


def test_every_field_that_names_homes_is_read_with_the_county():
    """A hub above reads the homes that any event names, one or several, by their full codes."""
    notice = e.NoticeIssued(title="x", text="y", to=("home-01", "home-02"))
    assert qualified(notice, "qingxi/").to == ("qingxi/home-01", "qingxi/home-02")
    practice = e.PracticeShared(title="x", text="y", proven_at="home-01")
    assert qualified(practice, "qingxi/home-01").proven_at == "qingxi/home-01"
    assert qualified(practice, "home-01") is practice
