"""Erasing in real processes: a home and its county, before and after, over the line."""

import json
import uuid

from tests.acceptance.test_erasing_served import wait_until

WHY = ("--by", "w", "--ground", "申请", "--yes", "--json")


def register(yard, home, subject, code=0):
    payload = json.dumps({"name": "金丝雀小明", "sex": "male", "registered_on": "2025-03-08"})
    return yard.quick("site-node", "record", home, "child-registered/1", "--subject", subject, "--by", "w",
                      "--payload-json", payload, code=code)  # fmt: skip


def a_child(yard, program, folder):
    return yard.quick(program, "children", folder, "--json").json()["children"][0]["id"]


def ids(yard, program, folder):
    return {child["id"] for child in yard.quick(program, "children", folder, "--json").json()["children"]}


def sync(yard, home):
    url = json.loads((home / "config.json").read_text("utf-8"))["hub"]["url"]
    hub = yard.hub(listen=url.removeprefix("http://"))
    yard.quick("site-node", "sync", home)
    assert hub.stop() == 0
    found = yard.quick("site-node", "status", home, "--json").json()
    assert found["waiting"] == 0
    return found


def test_a_home_erases_and_goes_on(county):
    """After an erasure the home records, syncs and proves as before, and the county erases what was the home's."""
    home = county / "home"
    erased = a_child(county, "site-node", home)
    kept = ids(county, "site-node", home) - {erased}
    taken = county.quick("site-node", "erase", home, erased, *WHY).json()
    assert taken["entries"] >= taken["streams"] == 1
    assert ids(county, "site-node", home) == kept
    assert register(county, home, erased, code=6).err.count("\n") == 1
    register(county, home, "new")
    assert sync(county, home)["entries"] == 123
    for program, folder in (("site-node", home), ("central-hub", county / "hub")):
        assert county.quick(program, "verify", folder, "--json").json()["ok"]
        assert county.quick(program, "rebuild", folder, "--json").json()["equal"]
    hub = county.hub()
    wait_until(lambda: erased not in ids(county, "central-hub", county / "hub"))
    assert hub.stop() == 0
    again = county.quick("central-hub", "erase", county / "hub", erased, *WHY).json()
    assert again == {"entries": 0, "streams": 0, "photos": 0}
    assert county.quick("central-hub", "status", county / "hub", "--json").json()["orders_left"] == []
    figures = county.quick("central-hub", "report", county / "hub", "R01", "--json").json()["figures"]
    assert figures["children"]["value"] == len(kept) + 1


def test_a_county_that_has_never_held_it(yard, lines_of, write_lines):
    """A home that erased before its first exchange sends its log without that content, over a real line."""
    home, subject = yard.home(), str(uuid.uuid4())
    register(yard, home, subject)
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=60)))
    register(yard, home, "new")
    yard.quick("site-node", "erase", home, subject, *WHY)
    hub = yard.hub()
    yard.quick("site-node", "join", home, yard.invite())
    yard.quick("site-node", "sync", home)
    assert hub.stop() == 0
    assert subject not in ids(yard, "central-hub", yard / "hub")
    assert yard.quick("central-hub", "verify", yard / "hub", "--json").json()["ok"]
    theirs, ours = (yard.quick(program, "digest", folder, "--json").json()
                    for program, folder in (("central-hub", yard / "hub"), ("site-node", home)))  # fmt: skip
    assert theirs == ours


def test_a_county_that_has_erased_takes_no_more_of_it(county):
    """What the home recorded before it knew arrives without content and is covered; on contact the home erases too."""
    home, hub = county / "home", county / "hub"
    erased = a_child(county, "central-hub", hub)
    county.quick("central-hub", "erase", hub, erased, *WHY)
    payload = json.dumps({"field": "school", "value": "金丝雀小学"})
    change = ("site-node", "record", home, "child-details-changed/1", "--subject", erased, "--by", "w")
    for _ in range(3):
        county.quick(*change, "--payload-json", payload)
        register(county, home, "new")
    sync(county, home)
    assert "was erased here" in county.quick(*change, "--payload-json", payload, code=6).err
    assert erased not in ids(county, "site-node", home)
    assert erased not in ids(county, "central-hub", hub)
    assert county.quick("central-hub", "verify", hub, "--json").json()["ok"]
    shown = county.quick("central-hub", "history", hub, erased, "--json").json()["entries"]
    assert {entry["type"] for entry in shown} == {"erasure-ordered/1", "erasure-executed/1"}


def test_a_served_home_is_scrubbed(county):
    """A node that serves begins to read its log again, and `status` says how far it has come."""
    server = county.serve("site-node", "serve", county / "home", "--listen", "127.0.0.1:0")
    server.page()
    assert server.stop() == 0
    found = county.quick("site-node", "status", county / "home", "--json").json()
    assert found["scrub_bad"] is None
    assert found["scrubbed_to"] in (0, 120)
