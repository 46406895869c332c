"""Revocation: a log counts up to the size that the county held; what comes later is received and kept apart."""

import json

import pytest

from tests.acceptance.test_returning import CHILD, counts, digest, join, register, returned

REFUSED = 6
WHY = ("--by", "县民政", "--ground", "电脑被盗", "--json")


def talk(yard, home, on):
    yard.quick("site-node", "record", home, "talk-held/1", "--subject", CHILD, "--by", "w",
               "--payload-json", json.dumps({"on": on, "summary": "谈心"}))  # fmt: skip


def facts(yard):
    return yard.quick("central-hub", "child", yard / "hub", CHILD, "--json").json()["facts"]["counts"]


@pytest.fixture
def county(yard):
    """A served hub that holds a registration and one talk of a home."""
    hub = yard.hub()
    home = join(yard, "home", "home-01")
    register(yard, home)
    talk(yard, home, "2024-09-03")
    yard.run("site-node", "sync", home)
    yield hub, home
    hub.kill()


def status(yard):
    return yard.quick("central-hub", "status", yard / "hub", "--json").json()


@pytest.mark.parametrize("by_log", [False, True])
def test_what_comes_after_a_revocation_is_received_and_kept_apart(yard, county, by_log):
    """Beside `serve`: later entries get their receipt, count nowhere, are returned; reinstated, they all count."""
    hub, home = county
    log = yard.quick("site-node", "status", home, "--json").json()["log"]
    which = log if by_log else "home-01"
    done = yard.run("central-hub", "revoke", yard / "hub", which, *WHY).json()
    assert done == {"revoked": [{"log": log, "size": 2}]}
    talk(yard, home, "2024-09-10")
    yard.run("site-node", "sync", home)
    assert yard.quick("site-node", "status", home, "--json").json()["waiting"] == 0
    assert facts(yard) == {"registration": 1, "talk": 1}
    assert counts(yard, yard / "hub") == {"home-01": 1}
    ((found,),) = [returned(yard, yard / "hub", "central-hub")]
    assert (found["code"], found["log"], found["seq"]) == ("revoked", log, 3)
    (shown,) = status(yard)["revoked"]
    assert (shown["code"], shown["log"], shown["size"], shown["by"]) == ("home-01", log, 2, "县民政")
    assert status(yard)["homes"][0]["held"] == 3
    refused = yard.run("central-hub", "revoke", yard / "hub", which, *WHY, code=REFUSED)
    assert "已经停用" in refused.err

    yard.run("central-hub", "reinstate", yard / "hub", which, *WHY)
    assert status(yard)["revoked"] == []
    assert counts(yard, yard / "hub") == {"home-01": 0}
    assert facts(yard) == {"registration": 1, "talk": 2}
    assert digest(yard, "site-node", home) == digest(yard, "central-hub", yard / "hub")
    assert hub.stop() == 0
    assert yard.quick("central-hub", "verify", yard / "hub", "--json").json()["ok"]


def test_live_read_models_and_a_rebuild_agree_on_what_was_revoked(yard, county):
    """Revoked, reinstated and revoked again at another size, with entries between: a rebuild shows what was shown."""
    hub, home = county
    for day, command in ((5, "revoke"), (6, "reinstate"), (7, "revoke")):
        yard.run("central-hub", command, yard / "hub", "home-01", *WHY)
        talk(yard, home, f"2024-09-0{day}")
        yard.run("site-node", "sync", home)
        assert facts(yard)  # followed, step by step
    assert facts(yard) == {"registration": 1, "talk": 3}
    assert counts(yard, yard / "hub") == {"home-01": 1}
    assert hub.stop() == 0
    assert yard.quick("central-hub", "rebuild", yard / "hub", "--json").json()["equal"]
    yard.quick("central-hub", "reinstate", yard / "hub", "home-01", *WHY)
    assert facts(yard) == {"registration": 1, "talk": 4}
    assert yard.quick("central-hub", "rebuild", yard / "hub", "--json").json()["equal"]


def test_only_what_the_county_knows_is_revoked(yard):
    """A home that has not joined, a log nobody knows, and what is not revoked: 6, and nothing is recorded."""
    yard.quick("central-hub", "init", yard / "hub", "--name", "清溪县")
    yard.invite(code="home-02")
    for command, which in (("revoke", "home-02"), ("revoke", "ab" * 16), ("reinstate", "home-09")):
        assert yard.quick("central-hub", command, yard / "hub", which, *WHY, code=REFUSED).err.count("\n") == 1
    assert status(yard)["revoked"] == []
