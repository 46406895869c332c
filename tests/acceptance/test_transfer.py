"""A child moves from one home to another, with real processes: the new home shows what the county shows."""

from __future__ import annotations

import json


def record(yard, home, event, subject, *fields: str) -> dict:
    words = ("site-node", "record", home, event, "--subject", subject, "--by", "li", *fields)
    return json.loads(yard.quick(*words).out)


def file_of(yard, command: str, folder, child: str) -> dict:
    return yard.quick(command, "child", folder, child, "--json").json()


def county_of_two(yard):
    server = yard.hub()
    homes = []
    for code in ("home-01", "home-02"):
        home = yard.home(code, code)
        yard.quick("site-node", "join", home, yard.invite(code=code, name=code))
        homes.append(home)
    return server, *homes


def test_a_child_that_moves_brings_its_whole_file(yard):
    """After request and acceptance the new home's `child` is the county's, late entries of the former home included."""
    server, old, new = county_of_two(yard)
    fields = ("name=王小雨", "sex=female", "registered_on=2024-09-01", "address=清溪县白水乡南沟村1组")
    child = record(yard, old, "child-registered/1", "new", *fields)["subject"]
    call = ("kind=call", "on=2024-09-03", "reached=true", "minutes=7")
    record(yard, old, "family-contact-made/1", child, *call)
    other = record(yard, old, "child-registered/1", "new", *fields)["subject"]
    record(yard, old, "child-transfer-requested/1", child, "to_home=home-02", "on=2024-10-01")
    yard.run("site-node", "sync", old)
    assert yard.quick("site-node", "child", new, child, "--json", code=None).code != 0

    record(yard, new, "child-transfer-accepted/1", child, "on=2024-10-03", "number=5")
    yard.run("site-node", "sync", new)
    county = file_of(yard, "central-hub", yard / "hub", child)
    assert file_of(yard, "site-node", new, child) == county
    assert yard.quick("site-node", "child", new, other, "--json", code=None).code != 0

    record(yard, old, "family-contact-made/1", child, "kind=letter", "on=2024-09-20", "reached=true")
    record(yard, new, "family-contact-made/1", child, "kind=call", "on=2024-10-09", "reached=true", "minutes=4")
    for home in (old, new, old, new):
        yard.run("site-node", "sync", home)
    late = file_of(yard, "central-hub", yard / "hub", child)
    assert late != county
    assert file_of(yard, "site-node", new, child) == late
    at_old = yard.quick("site-node", "history", old, child, "--json").json()["entries"]
    assert [entry["type"] for entry in at_old].count("family-contact-made/1") == 2
    assert [entry["type"] for entry in at_old].count("child-transfer-accepted/1") == 1
    assert server.stop() == 0
    for command, folder in (("central-hub", yard / "hub"), ("site-node", old), ("site-node", new)):
        yard.run(command, "verify", folder)
