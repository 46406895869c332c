"""Aid between a home and its county, with real processes: asked there, decided here, and both show the same."""

import json
import uuid

import pytest

CHILD, GRANT, NOTICE = (uuid.UUID(int=0x7B3C2D189D0E4F6A8A510C1D2E3F4A50 + n) for n in range(3))
REFUSED = 6


def record(yard, program, folder, event, subject, payload):
    return yard.quick(program, "record", folder, event, "--subject", subject, "--by", "w",
                      "--payload-json", json.dumps(payload))  # fmt: skip


def picture(yard, program, folder, subject):
    return yard.quick(program, "subject", folder, subject, "--json").json()["picture"]


@pytest.fixture
def joined(yard):
    """A serving hub, a home that belongs to it, and the child that it registered."""
    hub = yard.hub()
    home = yard.home("home", "home-01")
    yard.quick("site-node", "join", home, yard.invite(code="home-01", name="home"))
    record(yard, "site-node", home, "child-registered/1", CHILD,
           {"name": "陈小禾", "sex": "female", "registered_on": "2025-01-01"})  # fmt: skip
    yield yard / "hub", home
    hub.kill()


def test_aid_is_asked_for_decided_corrected_and_paid(yard, joined):
    """The county's decision, its correction and finance's payment reach the home that asked; both show one picture."""
    hub, home = joined
    record(yard, "site-node", home, "aid-requested/1", GRANT,
           {"kind": "sponsored", "programme": "春蕾", "reason": "困难", "child": str(CHILD), "amount_fen": 120000,
            "instalments": 2})  # fmt: skip
    yard.run("site-node", "sync", home)
    granted = {"decision": "granted", "on": "2025-03-01", "amount_fen": 120000}
    decided = record(yard, "central-hub", hub, "aid-decided/1", GRANT, granted).json()
    yard.run("site-node", "sync", home)
    assert picture(yard, "site-node", home, GRANT)["status"] == "granted"
    correction = {"target": str(uuid.UUID(decided["id"])), "field": "amount_fen", "value": 100000}
    record(yard, "central-hub", hub, "fact-corrected/1", GRANT, correction)
    paid = {"child": str(CHILD), "amount_fen": 100000, "on": "2025-03-09", "instalment": 1}
    record(yard, "central-hub", hub, "aid-paid/1", GRANT, paid)
    record(yard, "site-node", home, "aid-paid/1", GRANT, paid)
    yard.run("site-node", "sync", home)
    seen = picture(yard, "site-node", home, GRANT)
    assert seen == picture(yard, "central-hub", hub, GRANT)
    assert (seen["committed_fen"], seen["paid_fen"], len(seen["instalments"][0]["witnesses"])) == (200000, 100000, 2)


def test_a_home_does_not_decide_and_a_notice_reaches_it(yard, joined):
    """A home that would grant its own request is refused; a notice comes down, and its answer goes up."""
    hub, home = joined
    refused = yard.quick("site-node", "record", home, "aid-decided/1", "--subject", GRANT, "--by", "w",
                         "decision=granted", "on=2025-03-01", code=REFUSED)  # fmt: skip
    assert "县里" in refused.err
    yard.run("site-node", "sync", home)
    record(
        yard, "central-hub", hub, "notice-issued/1", NOTICE, {"title": "开学安全", "text": "全文", "to": ["home-01"]}
    )
    yard.run("site-node", "sync", home)
    assert picture(yard, "site-node", home, NOTICE)["title"] == "开学安全"
    record(yard, "site-node", home, "notice-acknowledged/1", NOTICE, {"at": "2025-02-23T10:00"})
    yard.run("site-node", "sync", home)
    assert picture(yard, "central-hub", hub, NOTICE)["acknowledged"] == {"home-01": "2025-02-23 10:00:00+08:00"}
