"""Entries that cannot be applied: kept, covered by receipts, shown to their writer with the reason, and mended."""

import json
import uuid
from contextlib import closing

import pytest

from sync.batch import Draft
from sync.store import Store

CHILD = uuid.UUID(int=0x7B3C2D189D0E4F6A8A510C1D2E3F4A5B)
REFUSED = 6
NOW_MS = 1_741_392_000_000


def older_program(folder, *facts):
    """What a program that lacks today's rules leaves in a home's log; the entries' ids."""
    with closing(Store(folder)) as store:
        drafts = [Draft(kind, "w-old", CHILD.bytes, NOW_MS, payload) for kind, payload in facts]
        return [done.id.hex() for done in store.record(drafts).result()]


def register(yard, home):
    payload = {"name": "陈小禾", "sex": "female", "registered_on": "2024-09-01"}
    yard.quick("site-node", "record", home, "child-registered/1", "--subject", CHILD, "--by", "w",
               "--payload-json", json.dumps(payload))  # fmt: skip


def join(yard, name, code):
    home = yard.home(name, code)
    yard.quick("site-node", "join", home, yard.invite(code=code, name=code))
    return home


def returned(yard, folder, program="site-node"):
    return yard.quick(program, "returned", folder, "--json").json()["returned"]


def count(yard, folder):
    return yard.quick("site-node", "status", folder, "--json").json()["returned"]


def counts(yard, hub):
    found = yard.quick("central-hub", "status", hub, "--json").json()["homes"]
    return {home["code"]: home["returned"] for home in found}


def digest(yard, program, folder):
    return yard.quick(program, "digest", folder, "--json").json()["tables"]


@pytest.fixture
def held(yard):
    """A hub and a home in whose log three entries cannot be applied, and one after them can: (hub, home, ids)."""
    hub = yard.hub()
    home = join(yard, "home", "home-01")
    register(yard, home)
    ids = older_program(
        home,
        ("talk-held/1", {"on": 3, "summary": "说起想家"}),
        ("home-visit-recorded/1", {"visited_on": "2024-08-02", "found": "好"}),
        ("child-details-changed/1", {"field": "grade", "value": "张三"}),
        ("talk-held/1", {"on": "2024-09-04", "summary": "好多了"}),
    )
    yield hub, home, ids
    hub.kill()


def test_what_cannot_be_applied_is_shown_mended_and_gone_at_both_sides(yard, held):
    """Receipts cover it, home and county say the same of it, nothing else is held up, and a repair makes it count."""
    _, home, ids = held
    talk, visit, grade, good = ids
    yard.run("site-node", "sync", home)
    status = yard.quick("site-node", "status", home, "--json").json()
    assert (status["waiting"], status["at_the_county"], status["returned"]) == (0, 5, 3)
    assert counts(yard, yard / "hub") == {"home-01": 3}
    found = returned(yard, home)
    assert found == returned(yard, yard / "hub", "central-hub")
    assert {one["id"]: one["code"] for one in found} == {
        talk: "unreadable", visit: "before-registration", grade: "unfit"}  # fmt: skip
    assert all(one["why_zh"] and one["why_en"] and one["name"] == "陈小禾" for one in found)
    assert good not in {one["id"] for one in found}
    said = yard.quick("site-node", "returned", home).out
    assert "没有计入，因为" in said
    assert "2024-08-02" in said
    child = yard.quick("site-node", "child", home, CHILD, "--json").json()
    assert child["facts"]["counts"] == {"registration": 1, "talk": 1}
    assert "grade" not in child["fields"]

    for entry, fix, left in ((talk, "on=2024-09-03", 2), (visit, "visited_on=2024-09-08", 1), (grade, "value=4", 0)):
        done = yard.run("site-node", "repair", home, entry, fix, "--by", "w", "--json").json()
        assert done["repaired"] == entry
        assert count(yard, home) == left
    assert counts(yard, yard / "hub") == {"home-01": 3}, "the county hears of it with the next exchange"
    yard.run("site-node", "sync", home)
    assert counts(yard, yard / "hub") == {"home-01": 0}
    child = yard.quick("central-hub", "child", yard / "hub", CHILD, "--json").json()
    assert child["facts"]["counts"] == {"registration": 1, "talk": 2, "visit": 1}
    assert child["fields"]["grade"] == 4
    assert digest(yard, "site-node", home) == digest(yard, "central-hub", yard / "hub")
    assert yard.quick("central-hub", "rebuild", yard / "hub", "--json").json()["equal"]


def test_a_repair_that_is_none_is_refused(yard, held):
    """What would be returned again, does not fit, names no returned entry or says nothing stores nothing: 6."""
    _, home, (talk, visit, _, good) = held
    before = yard.quick("site-node", "status", home, "--json").json()["entries"]
    for words in ((visit, "visited_on=2024-08-30"), (visit, "visited_on=soon"), (talk, "minutes=3"), (talk, "moon=1"),
                  (good, "on=2024-09-09"), (visit,), (visit, "visited_on=2024-09-08", "--withdraw")):  # fmt: skip
        refused = yard.quick("site-node", "repair", home, *words, "--by", "w", code=REFUSED)
        assert refused.err.count("\n") == 1
    assert yard.quick("site-node", "status", home, "--json").json()["entries"] == before
    assert count(yard, home) == 3


def test_what_should_not_have_been_recorded_is_taken_back_beside_serve(yard, held):
    """`--withdraw` takes an entry back, also while the home serves its pages."""
    _, home, (talk, _, _, _) = held
    server = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "3600")
    yard.run("site-node", "repair", home, talk, "--withdraw", "--by", "w")
    assert count(yard, home) == 2
    assert server.stop() == 0


def test_a_home_that_mistook_a_child_can_take_it_back(yard):
    """What a home wrote about another's child is held back at the county and no fact there; withdrawn, it is gone."""
    hub = yard.hub()
    one, two = join(yard, "one", "home-01"), join(yard, "two", "home-02")
    register(yard, one)
    (entry,) = older_program(two, ("talk-held/1", {"on": "2024-09-04", "summary": "认错了人"}))
    for home in (two, one):  # whoever is heard first
        yard.run("site-node", "sync", home)
    assert counts(yard, yard / "hub") == {"home-01": 0, "home-02": 1}
    ((found,),) = [returned(yard, yard / "hub", "central-hub")]
    assert (found["id"], found["code"], found["home"]) == (entry, "not-its-child", "home-02")
    assert yard.quick("central-hub", "child", yard / "hub", CHILD, "--json").json()["facts"]["counts"] == {
        "registration": 1}  # fmt: skip
    yard.quick("site-node", "record", two, "fact-withdrawn/1", "--subject", CHILD, "--by", "w", f"target={entry}")
    yard.run("site-node", "sync", two)
    assert counts(yard, yard / "hub") == {"home-01": 0, "home-02": 0}
    assert hub.stop() == 0


def test_what_waits_for_an_entry_that_is_not_here_is_counted(yard):
    """A withdrawal of what never came: on hold at home and county, in numbers and in words, and not returned."""
    server = yard.hub()
    home = join(yard, "home", "home-01")
    register(yard, home)
    assert yard.quick("site-node", "status", home, "--json").json()["on_hold_words"] is None
    older_program(home, ("fact-withdrawn/1", {"target": bytes(range(16)), "reason": "记错了"}))
    yard.quick("site-node", "sync", home)
    at_home = yard.quick("site-node", "status", home, "--json").json()
    at_hub = yard.quick("central-hub", "status", yard / "hub", "--json").json()
    assert (at_home["on_hold"], at_home["returned"]) == (1, 0)
    assert (at_hub["on_hold"], [one["on_hold"] for one in at_hub["homes"]]) == (1, [1])
    assert at_home["on_hold_words"] == at_hub["on_hold_words"]
    assert "有1条记录在等" in yard.quick("site-node", "status", home).out
    assert "有1条记录在等" in yard.quick("central-hub", "status", yard / "hub").out
    assert yard.quick("site-node", "rebuild", home, "--json").json()["equal"]
    assert server.stop() == 0
