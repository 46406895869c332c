"""Revocations and the read models: whatever the batches, the live ones are what one pass gives."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.views import TABLES
from node.following import Follower
from node.records import draft_of
from node.revocation import REINSTATED, REVOKED, Revocations
from node.views import Views
from sync.batch import Draft, Entry
from sync.entry import Body
from sync.outgoing import push_of
from sync.replicator import Append, Receiver
from sync.store import Store
from tests.domain.domain_samples import phone, registered, talk

CHILDREN = [uuid.UUID(int=number).bytes for number in (5, 6, 7)]


def order(hub, kind, log, size=0):
    payload = {"log": log, "size": size, "by": "县民政", "ground": "电脑被盗"}
    return Draft(kind, "county", hub.log, 1, {k: v for k, v in payload.items() if kind == REVOKED or k != "size"})


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub that got a home's entries between revocations and reinstatements of its log."""
    place = tmp_path_factory.mktemp("revoking")
    for name in ("hub", "home"):
        (place / name).mkdir()
        Store.create(place / name)
    hub, home = Store(place / "hub"), Store(place / "home")
    hub.add_log(home.log, home.signer.public_key).result()
    receiver = Receiver(home.log, home.signer.public_key, hub.frontier(home.log, 0), 0, lambda _: None)

    def send(*events):
        before = home.size(home.log)
        home.record([draft_of(child, one, "w", 1) for child in CHILDREN for one in events]).result()
        for effect in receiver.receive(push_of(home, before, 1000), 0):
            if isinstance(effect, Append):
                hub.append(effect.batch).result()

    send(registered(), talk())
    for kind, size in ((REVOKED, 6), (REINSTATED, 0), (REVOKED, 9), (REVOKED, 7)):
        hub.record([order(hub, kind, home.log, size)]).result()
        send(phone(f"1540000000{size}"), talk())
    hub.record([order(hub, REVOKED, b"?" * 16, 3), Draft("moon-visited/1", "w", hub.log, 1, {})]).result()
    send(talk())
    yield hub
    home.close()
    hub.close()


def home_of(hub):
    return lambda log: "" if log == hub.log else "home-01"


def shown(hub, path, sizes=(), *, forgetful=False):
    views = Views.create(path, hub.master)
    follower, at = Follower(hub, views, home_of(hub)), 0
    for size in (*sizes, hub.position()):
        at = min(at + size, hub.position())
        if forgetful:
            follower = Follower(hub, views, home_of(hub))
        for _ in follower.catch_up(at):
            pass
    found = {name: views.rows_of(name) for name in TABLES}
    views.close()
    return found


@given(st.lists(st.integers(1, 12), max_size=8), st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_batches_give_the_same(hub, tmp_path_factory, sizes, forgetful):
    """Split anywhere, with or without what was remembered, following gives what one pass gives."""
    folder = tmp_path_factory.mktemp("views")
    whole = shown(hub, folder / "one.db")
    assert shown(hub, folder / "other.db", sizes, forgetful=forgetful) == whole
    assert {row[2] for row in whole["returned"]} == {seq for _, seq in after_the_last(hub)}


def after_the_last(hub):
    revoked = Revocations(hub)
    (log,) = [branch.log for branch in hub.branches() if branch.log != hub.log]
    assert revoked.by_log[log].size == 7
    return [(log, seq) for seq in range(1, hub.size(log) + 1) if revoked.withholds(log, seq)]


def test_nobody_elses_word_revokes(hub):
    """Only the node's own entries about itself revoke; what does not have their form changes nothing."""
    revoked = Revocations(hub)
    before = dict(revoked.by_log)
    for kind, payload in (
        (REVOKED, {"log": "x", "size": 1}),
        (REVOKED, None),
        (REINSTATED, {"log": b"none" * 4}),
        ("x/1", {}),
    ):
        assert revoked.note(*said(hub.log, kind, payload)) is None
    assert revoked.by_log == before
    log = min(before.keys() - {b"x" * 16})
    assert revoked.note(*said(log, REINSTATED, {"log": log})) is None
    assert revoked.by_log == before


def said(log, kind, payload):
    """What a log says about itself."""
    return Entry(1, log, 1, bytes(32), None), Body(kind, "x", log, 1, 1, {}, payload, {})


def test_a_hub_belows_word_counts_for_its_own_homes_alone(hub):
    """A county that joined may revoke its homes' logs and no others; of two words the smaller size counts."""
    codes = {b"c" * 16: "qingxi/", b"d" * 16: "baihe/", b"h" * 16: "qingxi/home-01"}
    revoked = Revocations(hub, home_of=lambda log: codes.get(log, ""))
    home, at = b"h" * 16, {"by": "li", "ground": "lost"}
    assert revoked.note(*said(b"d" * 16, REVOKED, {"log": home, "size": 3, **at})) is None
    assert revoked.note(*said(home, REVOKED, {"log": home, "size": 3, **at})) is None
    assert revoked.note(*said(b"c" * 16, REVOKED, {"log": home, "size": 3, **at})) == (home, 3)
    assert revoked.note(*said(hub.log, REVOKED, {"log": home, "size": 5, **at})) is None
    assert [revoked.withholds(home, seq) for seq in (3, 4)] == [False, True]
    assert revoked.note(*said(b"c" * 16, REINSTATED, {"log": home})) == (home, 3)
    assert [revoked.withholds(home, seq) for seq in (5, 6)] == [False, True]
