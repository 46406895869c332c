"""A hub above the county: whose logs it admits, what it is asked for, what it gives down; and no rings."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import threading
from typing import Any

import pytest

from central_hub import ordering, parents
from central_hub.forwarding import Forwarder, passed_on, status_of
from central_hub.obeying import Obedience, shown
from central_hub.registry import HUB_JOINED, INVITED, JOINED, Admissions, InvitationRefused, Registry
from central_hub.router import Router
from domain import events as e
from domain.errors import Refused
from node import mailbox
from node.erasing import Order
from node.folder import Config, Folder, Hub, create_folder
from node.records import draft_of
from node.revocation import REVOKED, Revocations
from sync import above, damage, epoch, log_sql, outbox, outbox_sql
from sync.batch import Draft
from sync.entry import log_id
from sync.errors import LocalProtocolError, Unreachable
from sync.file_keeping import chunk_of, keep, offer_of
from sync.file_transfer import FileReceiver
from sync.note import Signer
from sync.outgoing import push_of
from sync.receiving import receiver_of
from sync.replicator import Append
from sync.server import ExchangeServer
from sync.store import Store
from sync.succession import vouch
from sync.verify import verify
from tests.domain.domain_samples import DAY, registered, talk
from tests.sync.test_exchange import listening

NOW_MS = 1_725_148_800_000
CHILD = b"a child " * 2


def clock() -> int:
    return NOW_MS


def key(number: int) -> bytes:
    return Signer(f"homeward/{number}", bytes([number]) * 32).public_key


class Office:
    """A hub with its folder, registry and router."""

    def __init__(self, path: Any, name: str) -> None:
        self.name, self.path = name, path / name
        create_folder(self.path, Config(kind="hub", name=name))
        self.folder = Folder(self.path, "hub")
        self.store = Store(self.path, self.folder.master)
        self.registry = Admissions(self.store, clock)
        self.router = Router(self.store, self.registry, clock)

    def admit(self, code: str, public_key: bytes, *, is_hub: bool = False) -> None:
        self.registry.invite(code, code, code.encode(), is_hub=is_hub)
        self.registry.join(code, code.encode(), public_key, is_hub=is_hub)

    def join(self, above: Office) -> None:
        above.admit(self.name, self.store.signer.public_key, is_hub=True)
        hub = Hub(url="http://127.0.0.1:9", key=above.store.signer.public_key.hex(), name=above.name)
        self.folder.save_config(hub=hub, code=self.name)

    def take(self, giver: Store, log: bytes) -> None:
        """What a giver holds of a log comes here, by a push for each signed size."""
        public_key = giver.branch(log).public_key
        self.store.add_log(log, public_key).result()
        while (size := self.store.size(log)) < giver.size(log):
            for effect in receiver_of(self.store, log, public_key).receive(push_of(giver, size, 1000, log=log), 0):
                if isinstance(effect, Append):
                    self.store.append(effect.batch).result()

    def record(self, subject: bytes, event: Any) -> None:
        self.store.record([draft_of(subject, event, "li", NOW_MS)]).result()

    def say(self, kind: str, payload: dict[str, Any]) -> None:
        """An entry of the hub's about itself, whoever's program made it."""
        self.store.record([Draft(kind, "x", self.store.log, NOW_MS, payload)]).result()

    def erase(self, order: Order) -> None:
        ordering.address(self.store, order, NOW_MS)
        self.store.erase(order.subjects, by=order.by, ground=order.ground, now_ms=NOW_MS)


@pytest.fixture
def offices(tmp_path):
    """A province, a prefecture below it, two counties below that; with a home of one code in each county."""
    found = {name: Office(tmp_path, name) for name in ("hebei", "hejian", "qingxi", "baihe")}
    found["hejian"].join(found["hebei"])
    for name in ("qingxi", "baihe"):
        found[name].join(found["hejian"])
        found[name].homes = {}
        home = found[name].home = Store(_made(tmp_path / f"home-of-{name}"))
        found[name].admit("home-01", home.signer.public_key)
    yield found
    for one in found.values():
        one.store.close()
        if hasattr(one, "home"):
            one.home.close()


def _made(path):
    path.mkdir()
    Store.create(path)
    return path


def bring(offices, *names: str) -> None:
    """Everything that homes and counties have goes up to the prefecture, and from there to the province."""
    for name in names or ("qingxi", "baihe"):
        county = offices[name]
        if county.home.size(county.home.log):
            county.take(county.home, county.home.log)
        lower = county.store
        for hub in ("hejian", "hebei"):
            for log in (lower.log, county.store.log, county.home.log):
                if lower.holds(log) and lower.size(log) and offices[hub].registry.key_of(log) is not None:
                    offices[hub].take(lower, log)
            lower = offices[hub].store


def test_a_hub_above_knows_the_homes_of_all_counties(offices):
    """What counties said in their logs makes their homes known, under full codes, on every tier and after a restart."""
    bring(offices)
    for hub, prefix in (("hejian", ""), ("hebei", "hejian/")):
        for registry in (offices[hub].registry, Registry(offices[hub].store)):
            assert [home.code for home in registry.homes()] == [f"{prefix}baihe/home-01", f"{prefix}qingxi/home-01"]
            home = offices["qingxi"].home
            assert registry.key_of(home.log) == home.signer.public_key
            assert registry.code_of(home.log) == f"{prefix}qingxi/home-01"
            assert registry.code_of(offices["qingxi"].store.log) == f"{prefix}qingxi/"
            assert registry.child_of(home.log) == (prefix or "qingxi/").removesuffix("/")
            assert registry.name_of(f"{prefix}qingxi/") == "qingxi"


def test_a_county_brings_only_what_it_names(offices):
    """A log that no county's registry names is not known above, nor what a county's entry says in a form of its own."""
    qingxi, hejian = offices["qingxi"], offices["hejian"]
    for payload in ({"code": "a/b", "digest": b"", "public_key": key(5)},
                    {"code": "", "digest": b"", "public_key": key(5)},
                    {"code": "home-05", "digest": b"", "public_key": bytes(32)},
                    {"code": "home-05", "digest": b"", "public_key": "x"},
                    {"code": 5, "digest": b"", "public_key": key(5)}):  # fmt: skip
        qingxi.say(JOINED, payload)
    qingxi.say(INVITED, {"code": "c/d", "name": "n", "digest": b"", "expires_ms": 1})
    bring(offices)
    assert hejian.registry.key_of(log_id(key(5))) is None
    assert hejian.registry.key_of(log_id(key(6))) is None
    assert [home.code for home in hejian.registry.homes()] == ["baihe/home-01", "qingxi/home-01"]


def test_a_log_of_two_counties_is_the_first_ones(offices):
    """It is known once, as the one that named it first says, and the other's claim is told."""
    home = offices["qingxi"].home
    bring(offices, "qingxi")
    offices["baihe"].admit("home-07", home.signer.public_key)
    bring(offices)
    for registry in (offices["hejian"].registry, Registry(offices["hejian"].store)):
        assert registry.code_of(home.log) == "qingxi/home-01"
        assert registry.twice() == {home.log: ["baihe/home-07"]}
        assert [list(one.logs) for one in registry.homes() if one.code == "baihe/home-07"] == [[]]


def test_a_home_does_not_become_a_hub(offices):
    """An invitation for a home admits no hub, nor the other way about; one code is not both."""
    hejian = offices["hejian"].registry
    hejian.invite("a", "a", b"1")
    hejian.invite("b", "b", b"2", is_hub=True)
    with pytest.raises(InvitationRefused, match="for a home"):
        hejian.join("a", b"1", key(5), is_hub=True)
    with pytest.raises(InvitationRefused, match="for a hub"):
        hejian.join("b", b"2", key(5))
    for code, is_hub in (("a", True), ("b", False), ("c/d", False), ("c/d", True)):
        with pytest.raises(Refused):
            hejian.invite(code, code, b"3", is_hub=is_hub)


def test_no_hub_above_admits_for_a_county(offices):
    """What a county's node says before Hello admits nothing above: its county's log has to say it."""
    bring(offices)
    hejian, home = offices["hejian"].registry, offices["qingxi"].home
    hejian.admit(vouch(home.signer, key(5)))
    hejian.admit(vouch(offices["qingxi"].store.signer, key(5)))
    assert hejian.key_of(log_id(key(5))) is None


def test_rings_are_refused(offices):
    """A hub joins neither itself nor what belongs to it; what would be a ring further up names nothing."""
    bring(offices)
    with pytest.raises(Refused, match="itself"):
        parents._require_above(offices["hejian"].store, offices["hejian"].store.signer.public_key)
    for below in ("hejian", "qingxi"):
        with pytest.raises(Refused, match="belongs to this hub"):
            parents._require_above(offices["hebei"].store, offices[below].store.signer.public_key)
    parents._require_above(offices["qingxi"].store, offices["hebei"].store.signer.public_key)
    top = offices["hebei"]
    with pytest.raises(InvitationRefused, match="itself"):
        top.admit("hebei", top.store.signer.public_key, is_hub=True)
    offices["qingxi"].say(HUB_JOINED, {"code": "hebei", "digest": b"", "public_key": top.store.signer.public_key})
    bring(offices)
    assert top.registry.code_of(top.store.log) == ""
    assert top.registry.key_of(top.store.log) is None


def test_nothing_but_orders_goes_down_to_a_hub(offices):
    """However children move, a hub's outbox holds this hub's word to it, and no entry of anybody's."""
    hejian, home = offices["hejian"], offices["qingxi"].home
    home.record([draft_of(CHILD, registered("王小雨", on=DAY), "w", NOW_MS)]).result()
    bring(offices)
    taken = e.ChildTransferAccepted(on=DAY, home="qingxi", accepted=True)
    hejian.record(CHILD, taken)
    ordering.address(hejian.store, Order([CHILD], "li", "asked"), NOW_MS)
    for _ in hejian.router.catch_up():
        pass
    assert hejian.router.outbox_of(home.log) is None
    assert hejian.registry.logs_of(home.log) == {}
    box, _ = hejian.router.outbox_of(offices["qingxi"].store.log)
    delivery = outbox.delivery_of(hejian.store, box, 0, 100)
    assert [row.type for row in delivery.push.rows] == [mailbox.ERASURE_ADDRESSED]
    (order,) = mailbox.read(hejian.store, hejian.store.signer.public_key, "qingxi").orders
    assert order.subjects == (CHILD,)


def test_a_countys_revocation_counts_above(offices):
    """What a county revoked of its own home's log is withheld above, too."""
    home = offices["qingxi"].home
    offices["qingxi"].say(REVOKED, {"log": home.log, "size": 3, "by": "li", "ground": "lost"})
    offices["baihe"].say(REVOKED, {"log": home.log, "size": 1, "by": "li", "ground": "lost"})
    bring(offices)
    for hub in ("hejian", "hebei"):
        revoked = Revocations(offices[hub].store, home_of=offices[hub].registry.code_of)
        assert [revoked.withholds(home.log, seq) for seq in (3, 4)] == [False, True]


def test_what_a_county_says_in_any_of_its_logs_counts(offices):
    """A county that was restored goes on in a new log: the hubs above know it, and what it says there of its homes."""
    qingxi = offices["qingxi"]
    home, forwarder = qingxi.home, Forwarder(qingxi.folder, qingxi.store, qingxi.registry, clock)
    qingxi.say(REVOKED, {"log": home.log, "size": 3, "by": "li", "ground": "lost"})
    exchange(offices, forwarder)
    epoch.open_next(qingxi.store, "restored", NOW_MS)
    qingxi.say(REVOKED, {"log": home.log, "size": 5, "by": "li", "ground": "found"})
    qingxi.admit("home-02", key(2))
    exchange(offices, forwarder)
    hejian, top = offices["hejian"], offices["hebei"]
    exchange(offices, Forwarder(hejian.folder, hejian.store, hejian.registry, clock), top)
    for office, code in ((qingxi, ""), (hejian, "qingxi/"), (top, "hejian/qingxi/")):
        assert {office.registry.code_of(log) for log in qingxi.store.own_logs()} == {code}
        assert office.registry.code_of(log_id(key(2))) == f"{code}home-02"
        revoked = Revocations(office.store, home_of=office.registry.code_of)
        assert [revoked.withholds(home.log, seq) for seq in (5, 6)] == [False, True]


def test_a_county_orders_the_erasure_of_its_own_only(offices):
    """Its order about its own child is carried out above; about another county's it is left open, and shown."""
    for name, subject in (("qingxi", CHILD), ("baihe", b"other kid" + bytes(7))):
        offices[name].home.record([draft_of(subject, registered("王小雨", on=DAY), "w", NOW_MS)]).result()
    bring(offices)
    other, hejian = b"other kid" + bytes(7), offices["hejian"]
    bad = (b"x", 5, hejian.store.log, offices["baihe"].store.log)
    offices["qingxi"].say("erasure-ordered/1", {"subjects": [CHILD, other, *bad], "ground": "asked"})
    bring(offices)
    assert Obedience(hejian.store, hejian.registry, hejian.erase, clock).follow()
    assert hejian.store.entries_of_subject(CHILD) == []
    assert hejian.store.entries_of_subject(other) != []
    assert other.hex() in {one["subject"] for one in shown(hejian.store, hejian.registry)}
    orders = {
        name: mailbox.read(hejian.store, hejian.store.signer.public_key, name).orders for name in ("qingxi", "baihe")
    }
    assert ([one.subjects for one in orders["qingxi"]], orders["baihe"]) == ([(CHILD,)], [])
    bring(offices)  # the prefecture's own log says it as well, and the province follows
    top = offices["hebei"]
    Obedience(top.store, top.registry, top.erase, clock).follow()
    assert top.store.entries_of_subject(CHILD) == []


def test_a_home_orders_the_erasure_of_its_own_only(offices):
    """Its own child is erased at its county and above; what another home has, or wrote of, is left open and shown."""
    qingxi, other, moved = offices["qingxi"], b"other kid" + bytes(7), b"moved kid" + bytes(7)
    second = Store(_made(qingxi.store.folder.parent / "second-of-qingxi"))
    try:
        qingxi.admit("home-02", second.signer.public_key)
        for home, subject in ((qingxi.home, CHILD), (second, other), (qingxi.home, moved)):
            home.record([draft_of(subject, registered("王小雨", on=DAY), "w", NOW_MS)]).result()
        asked, accepted = e.ChildTransferRequested(to_home="home-02", on=DAY), e.ChildTransferAccepted(on=DAY)
        qingxi.home.record([draft_of(moved, asked, "w", NOW_MS)]).result()
        second.record([draft_of(moved, accepted, "w", NOW_MS)]).result()
        claimed = e.ChildTransferAccepted(on=DAY + dt.timedelta(days=9))  # the picture shows the child there meanwhile
        qingxi.home.record([draft_of(other, claimed, "w", NOW_MS)]).result()
        qingxi.take(second, second.log)
        bring(offices)
        bad = (b"x", 5, qingxi.store.log, second.log, qingxi.home.log)
        qingxi.home.erase([CHILD, moved, other], by="w", ground="asked", now_ms=NOW_MS)
        payload = {"subjects": list(bad), "ground": "asked"}
        qingxi.home.record([Draft("erasure-ordered/1", "x", qingxi.home.log, NOW_MS, payload)]).result()
        bring(offices)
        for name in ("qingxi", "hejian", "hebei"):
            office = offices[name]
            office.take(second, second.log) if name != "qingxi" else None
            assert Obedience(office.store, office.registry, office.erase, clock).follow()
            assert office.store.entries_of_subject(CHILD) == []
            assert all(office.store.entries_of_subject(one) for one in (moved, other))
            left = {(one["from"].rpartition("/")[2], one["subject"]) for one in shown(office.store, office.registry)}
            assert {("home-01", moved.hex()), ("home-01", other.hex())} <= left
            assert not any(office.store.size(log) == 0 for log in (qingxi.home.log, second.log))
            assert verify(office.store, None, lambda _: None).first_bad is None
    finally:
        second.close()


def test_an_order_reaches_what_arrives_behind_it(offices):
    """Content that comes after the order, because its exchange was slow, is erased the next time."""
    home = offices["qingxi"].home
    home.record([draft_of(CHILD, registered("王小雨", on=DAY), "w", NOW_MS)]).result()
    hejian, before = (
        offices["hejian"],
        Obedience(offices["hejian"].store, offices["hejian"].registry, lambda _: None, clock),
    )
    offices["qingxi"].say("erasure-ordered/1", {"subjects": [CHILD], "ground": "asked"})
    hejian.take(offices["qingxi"].store, offices["qingxi"].store.log)
    assert before.follow()
    hejian.take(home, home.log)
    obedience = Obedience(hejian.store, hejian.registry, hejian.erase, clock)
    assert obedience.follow()
    assert hejian.store.entries_of_subject(CHILD) == []


def exchange(offices, forwarder: Forwarder, above: Office | None = None, refuse: bytes = b"") -> None:
    """One attempt of the county's with the prefecture, or another hub, which does not know one log."""

    async def work() -> None:
        hejian = above or offices["hejian"]
        registry = hejian.registry
        server = ExchangeServer(
            hejian.store, lambda log: None if log == refuse else registry.key_of(log), clock, registry.logs_of,
            registry.admit, outbox_of=hejian.router.outbox_of, route=hejian.router.catch_up_quickly,
        )  # fmt: skip
        async with listening(server.routes()) as url:
            forwarder._url = url
            await forwarder.once()

    asyncio.run(work())


def test_one_logs_trouble_keeps_no_other_back(offices):
    """A log that the hub above refuses is noted; the others are passed on and receipted, apart from own receipts."""
    qingxi, hejian = offices["qingxi"], offices["hejian"]
    second = Store(_made(qingxi.path.parent / "second"))
    qingxi.admit("home-02", second.signer.public_key)
    for home in (qingxi.home, second):
        home.record([draft_of(CHILD, talk(), "w", NOW_MS)]).result()
        qingxi.take(home, home.log)
    forwarder = Forwarder(qingxi.folder, qingxi.store, qingxi.registry, clock)
    exchange(offices, forwarder, refuse=qingxi.home.log)

    parent_key = hejian.store.signer.public_key
    assert above.sizes(qingxi.store, parent_key) == {second.log: 1}
    assert above.first_bad(qingxi.store, parent_key) == ""
    assert qingxi.home.log.hex() in qingxi.folder.exchange_state().last_failure
    assert qingxi.store.last_checkpoint(second.log, with_receipt=True) is None  # nobody asked the county for one
    exchange(offices, forwarder)
    assert above.sizes(qingxi.store, parent_key) == {second.log: 1, qingxi.home.log: 1}
    found = status_of(qingxi.folder, qingxi.store, qingxi.registry)
    assert (found["waiting"], found["last_failure"]) == (0, None)
    assert above.sizes(qingxi.store, key(9)) == {}  # another hub's receipts would be its own
    second.close()


def test_photographs_are_passed_on_once_and_again_to_a_hub_that_lost_them(offices):
    """As the home signed them, also where no entry waits; one that was erased above is not offered again."""
    qingxi, hejian = offices["qingxi"], offices["hejian"]
    home, hub_above = qingxi.home, log_id(hejian.store.signer.public_key)
    home.record([draft_of(CHILD, talk(), "w", NOW_MS)]).result()
    qingxi.take(home, home.log)
    forwarder = Forwarder(qingxi.folder, qingxi.store, qingxi.registry, clock)
    exchange(offices, forwarder)
    names = [home.files.add(home.log, bytes([n]) * 40_000, "image/jpeg", [CHILD], NOW_MS) for n in range(2)]
    receiver = FileReceiver(home.log, home.signer.public_key)
    for name in names:
        for message in (offer_of(home, name), *(chunk_of(home, name, n) for n in range(3))):
            for effect in receiver.receive(message):
                keep(qingxi.store.files, home.log, effect, NOW_MS)
    assert qingxi.store.files.waiting_above(hub_above) == [(home.log, name) for name in names]
    exchange(offices, forwarder)
    assert qingxi.store.files.waiting_above(hub_above) == []
    for name in names:
        assert hejian.store.files.read(name) == home.files.read(name)
        assert hejian.store.files.offered(hejian.store.files.find(name)).log == home.log
    hejian.store.files.destroy((), names[:1])
    qingxi.store.files.forget_above(hub_above)
    exchange(offices, forwarder)
    assert qingxi.store.files.waiting_above(hub_above) == []
    assert [hejian.store.files.find(name) is None for name in names] == [True, False]
    assert qingxi.store.files.find(names[0]) is not None
    qingxi.store.erase([CHILD], by="w", ground="x", now_ms=NOW_MS)
    qingxi.store.files.forget_above(hub_above)
    assert qingxi.store.files.waiting_above(hub_above) == []


def test_content_that_a_hub_lost_is_asked_for_below(offices):
    """A hub asks its homes for what it lost of theirs, and not the hub above, which gives it nothing of that."""
    qingxi, home = offices["qingxi"], offices["qingxi"].home
    home.record([draft_of(CHILD, talk(), "w", NOW_MS)]).result()
    qingxi.take(home, home.log)
    branch = qingxi.store.branch_id(home.log)

    def spoil(db):
        at = log_sql.position_of(db, branch, 1)
        db.execute("UPDATE entry SET body=zeroblob(length(body)) WHERE position=?", (at,)).fetchall()
        damage.note(qingxi.store, db, home.log, 1, damage.DOES_NOT_OPEN)

    qingxi.store.submit(spoil).result()
    assert [(one.log, one.seq) for one in damage.lacking(qingxi.store)] == [(home.log, 1)]
    exchange(offices, Forwarder(qingxi.folder, qingxi.store, qingxi.registry, clock))
    found = status_of(qingxi.folder, qingxi.store, qingxi.registry)
    assert (found["waiting"], found["last_failure"]) == (0, None)


def test_a_false_receipt_is_found(offices):
    """A receipt of the hub above that does not hold is named."""
    qingxi = offices["qingxi"]
    qingxi.home.record([draft_of(CHILD, talk(), "w", NOW_MS)]).result()
    qingxi.take(qingxi.home, qingxi.home.log)
    exchange(offices, Forwarder(qingxi.folder, qingxi.store, qingxi.registry, clock))
    qingxi.store.submit(lambda db: db.execute("UPDATE receipt_above SET receipt=zeroblob(72)").fetchall()).result()
    assert "does not hold" in above.first_bad(qingxi.store, offices["hejian"].store.signer.public_key)


def test_a_hub_whose_own_log_the_hub_above_holds_otherwise_begins_a_new_epoch(offices):
    """It was put back, and wrote where it had written: it takes back what it said first, and says again what it has."""
    qingxi, hejian = offices["qingxi"], offices["hejian"]
    log, forwarder = qingxi.store.log, Forwarder(qingxi.folder, qingxi.store, qingxi.registry, clock)
    key, said = qingxi.store.identity.public_key, epoch.current(qingxi.store)
    twin = Store(_copy_of(qingxi))
    twin.record([Draft("note/1", "x", b"t" * 16, NOW_MS, {})]).result()
    hejian.take(twin, twin.log)
    twin.close()
    qingxi.say(INVITED, {"code": "home-77", "name": "新的家", "digest": b"d" * 32, "expires_ms": NOW_MS})
    for _ in range(2):  # it had begun with its entries; then it asks first, and goes on in a new log
        with pytest.raises(Unreachable):
            exchange(offices, forwarder)
    exchange(offices, forwarder)
    assert qingxi.store.log != log
    assert qingxi.store.identity.public_key == key
    assert epoch.current(qingxi.store) > said
    for one in qingxi.store.own_logs():
        assert hejian.store.size(one) == qingxi.store.size(one)
        assert hejian.registry.code_of(one) == "qingxi/"
    assert [entry.log for entry in qingxi.store.entries_of_subject(b"t" * 16)] == [log]
    for registry, code in ((qingxi.registry, "home-77"), (hejian.registry, "qingxi/home-77")):
        assert code in [home.code for home in registry.homes()]


def _copy_of(office: Office) -> Any:
    import shutil

    with contextlib.suppress(FileNotFoundError):
        office.store.try_empty_wal()
    return shutil.copytree(office.path, office.path.with_name("twin"))


def test_a_log_that_came_by_an_outbox_is_nobodys_to_push(offices):
    """A county that names the log of the hub above as its home's is refused: it came from there, and in part."""
    hejian, top = offices["hejian"], offices["hebei"]
    hejian.store.submit(lambda db: outbox_sql.add_partial(db, top.store.log)).result()
    offices["qingxi"].say(JOINED, {"code": "home-66", "digest": b"", "public_key": top.store.signer.public_key})
    bring(offices)
    server = ExchangeServer(hejian.store, hejian.registry.key_of, clock)
    assert hejian.registry.key_of(top.store.log) is not None
    assert server._is_in_part(top.store.log)
    assert top.store.log not in {
        one.log for one in passed_on(hejian.store, hejian.registry, top.store.signer.public_key)
    }
    with pytest.raises(LocalProtocolError):
        hejian.store.erase([top.store.log], by="li", ground="x", now_ms=NOW_MS)


def test_admitting_does_not_wait_for_who_waits_for_it(offices):
    """While a node is admitted, the writer's thread may ask who is registered: neither waits for the other."""
    hejian = offices["hejian"]
    begun, go_on = threading.Event(), threading.Event()

    def route(_db: object) -> int:
        begun.set()
        go_on.wait(10)
        return len(hejian.registry.children())

    routed = hejian.store.submit(route)
    assert begun.wait(10)
    inviting = threading.Thread(target=hejian.registry.invite, args=("home-09", "n", b"9"))
    inviting.start()
    while not hejian.registry._admitting.locked():
        pass
    go_on.set()
    assert routed.result(10) == 2
    inviting.join(10)
    assert not inviting.is_alive()
    assert len(hejian.registry.children()) == 3


def test_tiers_agree_on_whose_a_log_is(offices):
    """The hub that meets both claims says whose the log is; above it counts, whichever claim comes first there."""
    home, hejian, top = offices["qingxi"].home, offices["hejian"], offices["hebei"]
    offices["baihe"].admit("home-07", home.signer.public_key)
    for county in ("baihe", "qingxi"):
        hejian.take(offices[county].store, offices[county].store.log)
    assert hejian.registry.code_of(home.log) == "baihe/home-07"
    hejian.registry.settle_claims()
    size = hejian.store.size(hejian.store.log)
    hejian.registry.settle_claims()
    assert hejian.store.size(hejian.store.log) == size
    for lower in (hejian, offices["qingxi"], offices["baihe"]):
        top.take(hejian.store, lower.store.log)
    for registry in (top.registry, Registry(top.store)):
        assert registry.codes_of(home.log) == ["hejian/baihe/home-07", "hejian/qingxi/home-01"]
        assert registry.key_of(home.log) == home.signer.public_key


def test_all_who_name_a_log_are_told_to_erase(offices):
    """A home that moved wrote about the child: both its counties order it, then it is erased, and both are told."""
    home, hejian = offices["qingxi"].home, offices["hejian"]
    home.record([draft_of(CHILD, registered("王小雨", on=DAY), "w", NOW_MS)]).result()
    bring(offices, "qingxi")
    offices["baihe"].admit("home-07", home.signer.public_key)
    offices["baihe"].say("erasure-ordered/1", {"subjects": [CHILD], "ground": "asked"})
    hejian.take(offices["baihe"].store, offices["baihe"].store.log)
    assert Obedience(hejian.store, hejian.registry, hejian.erase, clock).follow()
    assert hejian.store.entries_of_subject(CHILD) != []
    offices["qingxi"].say("erasure-ordered/1", {"subjects": [CHILD], "ground": "asked"})
    hejian.take(offices["qingxi"].store, offices["qingxi"].store.log)
    assert Obedience(hejian.store, hejian.registry, hejian.erase, clock).follow()
    assert hejian.store.entries_of_subject(CHILD) == []
    for name in ("qingxi", "baihe"):
        (order,) = mailbox.read(hejian.store, hejian.store.signer.public_key, name).orders
        assert order.subjects == (CHILD,)


@pytest.mark.parametrize("names_first", [False, True])
def test_to_name_another_countys_log_does_not_let_it_be_erased(offices, names_first):
    """A county that names a foreign home's key, be it before its own county does, erases nothing of it; the home can.

    Keys are no secret. Neither what the home alone wrote, nor its child of which others wrote, is erased by the order.
    """
    home, hejian, shared = offices["qingxi"].home, offices["hejian"], b"shared kid" + bytes(6)
    for subject in (CHILD, shared):
        home.record([draft_of(subject, registered("王小雨", on=DAY), "w", NOW_MS)]).result()
    offices["baihe"].home.record([draft_of(shared, talk(DAY), "w", NOW_MS)]).result()
    offices["baihe"].admit("home-07", home.signer.public_key)
    offices["baihe"].say("erasure-ordered/1", {"subjects": [CHILD, shared], "ground": "asked"})
    if names_first:
        hejian.take(offices["baihe"].store, offices["baihe"].store.log)
        hejian.registry.refresh()
    bring(offices, "qingxi")
    bring(offices, "baihe")
    assert hejian.registry.code_of(home.log) == ("baihe/home-07" if names_first else "qingxi/home-01")
    assert Obedience(hejian.store, hejian.registry, hejian.erase, clock).follow()
    assert all(hejian.store.entries_of_subject(subject) for subject in (CHILD, shared))
    left = {(one["from"], one["subject"]) for one in shown(hejian.store, hejian.registry)}
    assert left == {("baihe", CHILD.hex()), ("baihe", shared.hex())}
    home.erase([CHILD], by="w", ground="asked", now_ms=NOW_MS)
    bring(offices, "qingxi")
    assert Obedience(hejian.store, hejian.registry, hejian.erase, clock).follow()
    assert (hejian.store.entries_of_subject(CHILD), len(hejian.store.entries_of_subject(shared))) == ([], 2)


def test_who_names_a_log_later_is_told_what_was_ordered_before(offices):
    """The order was given before the county to which the home moved named its log: it is told as well, once.

    It is told the id and nothing else: who asked, and why, may say more about the child than a pseudonym does.
    """
    home, hejian = offices["qingxi"].home, offices["hejian"]
    home.record([draft_of(CHILD, registered("王小雨", on=DAY), "w", NOW_MS)]).result()
    bring(offices, "qingxi")
    hejian.erase(Order([CHILD], "li", "the Wangs asked"))
    offices["baihe"].admit("home-07", home.signer.public_key)
    hejian.take(offices["baihe"].store, offices["baihe"].store.log)
    for _ in range(2):
        Obedience(hejian.store, hejian.registry, hejian.erase, clock).follow()
        for name, words in (
            ("qingxi", ("li", "the Wangs asked")),
            ("baihe", (ordering.SHARED_BY, ordering.SHARED_GROUND)),
        ):
            (order,) = mailbox.read(hejian.store, hejian.store.signer.public_key, name).orders
            assert order == mailbox.AddressedOrder((CHILD,), *words)
