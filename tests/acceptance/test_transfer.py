"""A child moves from one home to another, with real processes: the new home shows what the county shows."""

from __future__ import annotations

import json
import time
import uuid


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


def test_what_the_county_erases_is_erased_at_the_homes(yard):
    """A child that moved is erased at the county: both homes erase it on contact, say so, and still verify."""
    server, old, new = county_of_two(yard)
    fields = ("name=王小雨", "sex=female", "registered_on=2024-09-01")
    child = record(yard, old, "child-registered/1", "new", *fields)["subject"]
    record(yard, old, "child-transfer-requested/1", child, "to_home=home-02", "on=2024-10-01")
    yard.run("site-node", "sync", old)
    record(yard, new, "child-transfer-accepted/1", child, "on=2024-10-03")
    yard.run("site-node", "sync", new)
    bystander = yard.home("home-03", "home-03")
    yard.quick("site-node", "join", bystander, yard.invite(code="home-03", name="home-03"))
    serving = yard.serve("site-node", "serve", new, "--listen", "127.0.0.1:0", "--exchange-every", "0.5")

    yard.run("central-hub", "erase", yard / "hub", child, "--by", "li", "--ground", "家长申请", "--yes")
    yard.run("site-node", "sync", old)
    yard.run("site-node", "sync", bystander)
    gone = {"erasure-ordered/1", "erasure-executed/1"}
    for command, folder in (("site-node", old), ("site-node", new), ("central-hub", yard / "hub")):
        wait_until(lambda c=command, f=folder: kinds_of(yard, c, f, child) == gone)
        assert yard.quick(command, "child", folder, child, "--json", code=None).code != 0
    assert "王小雨" not in serving.page()[0]
    assert kinds_of(yard, "site-node", bystander, child) == set()
    for home in (old, new):
        log = str(uuid.UUID(hex=yard.quick("site-node", "status", home, "--json").json()["log"]))
        wait_until(lambda log=log: "erasure-executed/1" in kinds_of(yard, "central-hub", yard / "hub", log))
    assert serving.stop() == 0
    assert server.stop() == 0
    for command, folder in (("central-hub", yard / "hub"), ("site-node", old), ("site-node", new)):
        yard.run(command, "verify", folder)


def kinds_of(yard, command: str, folder, subject: str) -> set[str]:
    return {one["type"] for one in yard.quick(command, "history", folder, subject, "--json").json()["entries"]}


def wait_until(holds) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)
