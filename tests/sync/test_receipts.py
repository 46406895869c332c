"""Receipts in series: what is kept of them, and between which two an entry was recorded."""

from __future__ import annotations

import aiohttp
import pytest

from sync import above, receipt_series, receipt_sql
from sync.batch import SignedSize
from sync.client import Exchange
from sync.entry import TIME_MS_MAX
from sync.errors import LocalProtocolError, RemoteProtocolError, VerificationError
from sync.hub_note import HubNote, note_text, signed_note, verify_note
from sync.note import Signer, checkpoint_text, cosign, verify_signature
from sync.receipts import Bracket, Greeted, Kept
from sync.replicator import Sender
from sync.store import Store
from sync.verify import verify
from tests.sync.test_exchange import CLOCK_MS, Hub, drafts, exchange, run, sender_of, serving

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_741_392_000_000
PUT_BACK = "UPDATE receipt SET hub_ms=?, backed_up_to=?, epoch=?"
HUB = Signer("homeward/hub", b"H" * 32)
OTHER = Signer("homeward/other", b"O" * 32)
LOG, ROOT = b"L" * 16, b"R" * 32
GOOD = signed_note(HUB, LOG, 5, ROOT, epoch=3, backed_up_to=4, time_ms=NOW_MS)


@pytest.fixture
def made(tmp_path):
    """A folder."""
    Store.create(tmp_path)
    store = Store(tmp_path)
    yield store
    store.close()


def keep(
    store: Store, size: int, at_ms: int, greeted: Greeted | None = None, *, by_hand: bool = False, backed_up_to: int = 0
) -> None:
    """Keep a receipt of HUB's for the own log at a size."""
    signed = store.sign(size)
    note = signed_note(HUB, store.log, size, signed.root, epoch=1, backed_up_to=min(backed_up_to, size), time_ms=at_ms)
    cosigned = store.receipt(store.log, size, signed.root, at_ms // 1000)
    signed = SignedSize(size, signed.root, signed.signature, cosigned)
    store.keep_receipt(store.log, signed, Kept(size, note, greeted), by_hand=by_hand).result(10)


def quiet(size: int, hub_ms: int, offset_ms: int = 0) -> Greeted:
    return Greeted(size, hub_ms + offset_ms, hub_ms)


def bounds(store: Store, seq: int) -> tuple[int | None, int | None]:
    found = receipt_series.bracket(store, store.log, seq)
    return found.after_ms, found.before_ms


# -- the note


def test_a_note_holds_for_its_own_checkpoint():
    """What the hub signed is believed."""
    verify_note(HUB.public_key, LOG, 5, ROOT, GOOD)


@pytest.mark.parametrize(
    ("key", "log", "size", "root", "note"),
    [
        (OTHER.public_key, LOG, 5, ROOT, GOOD),
        (HUB.public_key, b"M" * 16, 5, ROOT, GOOD),
        (HUB.public_key, LOG, 6, ROOT, GOOD),
        (HUB.public_key, LOG, 5, b"S" * 32, GOOD),
        (HUB.public_key, LOG, 5, ROOT, GOOD._replace(epoch=4)),
        (HUB.public_key, LOG, 5, ROOT, GOOD._replace(epoch=0)),
        (HUB.public_key, LOG, 5, ROOT, GOOD._replace(backed_up_to=5)),
        (HUB.public_key, LOG, 5, ROOT, GOOD._replace(backed_up_to=6)),
        (HUB.public_key, LOG, 5, ROOT, GOOD._replace(backed_up_to=-1)),
        (HUB.public_key, LOG, 5, ROOT, GOOD._replace(time_ms=NOW_MS + 1)),
        (HUB.public_key, LOG, 5, ROOT, GOOD._replace(time_ms=-1)),
        (HUB.public_key, LOG, 5, ROOT, GOOD._replace(time_ms=2**63 * 1000)),
        (HUB.public_key, LOG, 5, ROOT, GOOD._replace(signature=bytes(64))),
        (HUB.public_key, LOG, 5, ROOT, GOOD._replace(signature=b"")),
    ],
)
def test_a_note_holds_for_nothing_else(key, log, size, root, note):
    """Moved to another key, log, size or root, or with another number, it is refused."""
    with pytest.raises(VerificationError):
        verify_note(key, log, size, root, note)


def test_a_note_is_no_checkpoint_and_no_checkpoint_a_note():
    """Neither signature serves for the other text."""
    with pytest.raises(VerificationError):
        verify_signature(HUB.public_key, checkpoint_text(f"homeward/{LOG.hex()}", 5, ROOT), GOOD.signature)


def test_a_hub_says_nothing_that_cannot_be():
    """A backup that holds more than the receipt covers, or no epoch, is a fault of ours."""
    for wrong in (HubNote(0, 0, 0, b""), HubNote(1, 6, 0, b""), HubNote(1, 0, -1, b"")):
        with pytest.raises(LocalProtocolError):
            note_text(HUB.public_key, LOG, 5, ROOT, wrong)


# -- the series


def test_an_idle_home_does_not_grow_its_series(made):
    """However many receipts come for one size, the first and the last are kept."""
    made.record(drafts(3)).result(10)
    for hour in range(48):
        at_ms = NOW_MS + hour * HOUR_MS
        keep(made, 3, at_ms + 20, quiet(3, at_ms), backed_up_to=hour // 24)
    first, last = receipt_series.all_of(made, made.log)
    assert (first.note.time_ms, first.greeted) == (NOW_MS + 20, quiet(3, NOW_MS))
    assert (last.note.time_ms, last.greeted) == (NOW_MS + 47 * HOUR_MS + 20, quiet(3, NOW_MS + 47 * HOUR_MS))
    assert receipt_series.newest(made, made.log).backed_up_to == 1


def test_a_node_without_receipts_has_no_series(made):
    """Before the first receipt there is nothing to say, and nothing is made for it."""
    made.record(drafts(3)).result(10)
    assert receipt_series.newest(made, made.log) is None
    assert receipt_series.all_of(made, made.log) == []
    assert receipt_series.bracket(made, made.log, 2) == Bracket(None, None)
    assert receipt_series.count(made, made.log) == 0
    assert Greeted(3, NOW_MS + 60, NOW_MS).offset_ms == 60


def test_an_entry_was_recorded_between_two_receipts(made):
    """After the node last said that it had fewer entries, before the first receipt that covers it."""
    made.record(drafts(9)).result(10)
    for size, day in ((3, 0), (3, 1), (5, 2), (5, 3)):
        keep(made, size, NOW_MS + day * DAY_MS + 20, quiet(size, NOW_MS + day * DAY_MS))
    assert bounds(made, 1) == bounds(made, 3) == (None, NOW_MS + 20)
    assert bounds(made, 4) == bounds(made, 5) == (NOW_MS + DAY_MS, NOW_MS + 2 * DAY_MS + 20)
    assert bounds(made, 6) == (NOW_MS + 3 * DAY_MS, None)


def test_what_was_recorded_while_an_exchange_ran_is_not_said_to_be_later(made):
    """Where more was there at the greeting than the receipt covers, the receipt is no earlier bound."""
    made.record(drafts(9)).result(10)
    keep(made, 3, NOW_MS, quiet(3, NOW_MS - 20))
    keep(made, 3, NOW_MS + DAY_MS, quiet(4, NOW_MS + DAY_MS))
    keep(made, 4, NOW_MS + 2 * DAY_MS, quiet(9, NOW_MS + 2 * DAY_MS))  # on the way, in a long backlog
    assert bounds(made, 4) == (NOW_MS - 20, NOW_MS + 2 * DAY_MS)
    assert bounds(made, 5) == (NOW_MS - 20, None)


def test_a_receipt_by_hand_is_a_later_bound_only(made):
    """While a stick travels a home goes on recording; and answers come in any order."""
    made.record(drafts(9)).result(10)
    keep(made, 3, NOW_MS + DAY_MS, by_hand=True, backed_up_to=3)
    keep(made, 3, NOW_MS, by_hand=True)  # an older answer, found later
    assert bounds(made, 3) == (None, NOW_MS)
    assert bounds(made, 4) == (None, None)
    assert receipt_series.all_of(made, made.log)[1].note.backed_up_to == 3
    keep(made, 3, NOW_MS + 2 * DAY_MS, by_hand=True, backed_up_to=2)
    kept = receipt_series.all_of(made, made.log)
    assert [(one.note.time_ms, one.greeted) for one in kept] == [(NOW_MS, None), (NOW_MS + 2 * DAY_MS, None)]


def test_a_corrected_clock_of_the_hubs_is_taken_as_it_is(made):
    """1970 and 2100 at the county: kept, and the bracket says that it contradicts itself."""
    made.record(drafts(9)).result(10)
    keep(made, 3, 4_102_444_800_000, quiet(3, 4_102_444_800_000))
    keep(made, 5, NOW_MS, quiet(5, NOW_MS))
    keep(made, 5, 0, quiet(5, 0))
    assert receipt_series.bracket(made, made.log, 4).contradicts_itself
    assert bounds(made, 6) == (0, None)
    assert not receipt_series.bracket(made, made.log, 6).contradicts_itself


def test_an_earlier_bound_is_never_later_than_what_the_hub_signed(made):
    """The greeting's clock has no signature."""
    made.record(drafts(9)).result(10)
    keep(made, 3, NOW_MS, quiet(3, NOW_MS + DAY_MS))
    assert bounds(made, 4) == (NOW_MS, None)


def test_the_series_goes_with_the_part_that_is_set_aside(made):
    """A node that goes on in a new log has brackets for what it shares with the old one, and none of the lost part."""
    made.record(drafts(9)).result(10)
    for size in (3, 7):
        keep(made, size, NOW_MS + size, quiet(size, NOW_MS + size))
    old = made.log
    new = made.succeed(5, "forked", NOW_MS)
    assert [kept.size for kept in receipt_series.all_of(made, old)] == [3, 3]
    assert receipt_series.all_of(made, new) == []
    assert receipt_series.newest(made, new) is None
    assert receipt_series.bracket(made, old, 5).before_ms is None


def test_the_newest_agreement_of_both_clocks_is_found(made):
    """Of the exchanges at which they said nearly the same the one of the largest log counts, the last at its size."""
    assert receipt_series.agreed(made, made.log, DAY_MS) is None
    made.record(drafts(4)).result()
    keep(made, 1, NOW_MS, quiet(1, NOW_MS, offset_ms=HOUR_MS))
    keep(made, 2, NOW_MS + 1, quiet(2, NOW_MS + 1, offset_ms=-HOUR_MS))
    keep(made, 2, NOW_MS + 2, quiet(2, NOW_MS + 2, offset_ms=-HOUR_MS))
    keep(made, 3, NOW_MS + 3, quiet(3, NOW_MS + 3, offset_ms=DAY_MS))
    found = receipt_series.agreed(made, made.log, DAY_MS)
    assert (found.size, found.greeted.hub_ms) == (2, NOW_MS + 2)
    assert receipt_series.agreed(made, made.log, DAY_MS + 1).size == 3
    assert receipt_series.agreed(made, made.log, HOUR_MS) is None
    with pytest.raises(LocalProtocolError):
        receipt_series.agreed(made, b"X" * 16, DAY_MS)


def test_an_epoch_with_a_receipt_is_known(made):
    """Of any of some logs, in just that epoch."""
    branch = made.branch_id(made.log)

    def has_any(branches: list[int], epoch: int) -> bool:
        return made.reading(lambda db: receipt_sql.has_any_of(db, branches, epoch))

    assert has_any([branch], 1) is False
    made.record(drafts(1)).result()
    keep(made, 1, NOW_MS)
    assert has_any([branch], 1) is True
    assert has_any([branch + 7, branch], 1) is True
    for branches, epoch in (([], 1), ([branch + 7], 1), ([branch], 2)):
        assert has_any(branches, epoch) is False


def test_the_receipt_of_a_hub_above_stands_apart(stores, authors):
    """Of a peer's log it is kept beside the node's own, for each hub the last one; of the own log in series."""
    hub, author = stores("hub"), authors(1).write_many(5)
    hub.add_log(author.log, author.public_key).result(10)
    hub.append(author.receiver(0).receive(author.push(0, 5), 0)[0].batch).result(10)
    hub.record(drafts(3)).result(10)
    for size in (3, 5, 4):
        root = author.frontier(size).root()
        cosigned = cosign(OTHER, checkpoint_text(f"homeward/{author.log.hex()}", size, root), 9)
        signed = SignedSize(size, root, author.signature(size), cosigned)
        hub.keep_receipt_of(OTHER.public_key, author.log, signed, Kept(size, GOOD)).result(10)
    assert above.sizes(hub, OTHER.public_key) == {author.log: 5}
    assert above.sizes(hub, HUB.public_key) == {}
    assert above.first_bad(hub, OTHER.public_key) == ""
    assert receipt_series.all_of(hub, author.log) == []
    signed = hub.sign(3)._replace(receipt=hub.receipt(hub.log, 3, hub.root(hub.log, 3), 9))
    hub.keep_receipt_of(OTHER.public_key, hub.log, signed, Kept(3, GOOD)).result(10)
    assert [kept.size for kept in receipt_series.all_of(hub, hub.log)] == [3, 3]
    assert above.sizes(hub, OTHER.public_key) == {author.log: 5}


@pytest.fixture
def line(stores):
    """A hub and a node with five entries that belongs to it."""
    hub, node = Hub(stores("hub")), stores("node")
    hub.register(node)
    node.record(drafts(5)).result(10)
    return hub, node


def exchanged(hub: Hub, node: Store, sender: Sender) -> None:
    async def work() -> None:
        async with serving(hub):
            await exchange(node, hub.url, sender)

    run(work())


def test_both_sides_keep_the_same_of_an_exchange(line):
    """Size, note and both clocks; and both find it again when it was changed in the file."""
    hub, node = line
    exchanged(hub, node, sender_of(node, hub.key))
    first, last = receipt_series.all_of(node, node.log)
    assert first == last
    assert first.greeted == Greeted(5, CLOCK_MS, CLOCK_MS)
    assert receipt_series.all_of(hub.store, node.log) == [first, last]
    for store, key in ((node, hub.key), (hub.store, None)):
        assert verify(store, key, lambda _: None).ok
        for change in ("hub_ms=hub_ms-1", "backed_up_to=1", "epoch=2"):
            was = store.reading(lambda db: db.execute("SELECT hub_ms, backed_up_to, epoch FROM receipt").fetchall())[0]
            store.submit(lambda db, c=change: db.execute(f"UPDATE receipt SET {c} WHERE last=0").get).result(10)
            assert not verify(store, key, lambda _: None).ok
            store.submit(lambda db, w=was: db.execute(PUT_BACK, w).get).result(10)
        assert verify(store, key, lambda _: None).ok


def test_receipts_stand_under_the_hubs_first_key(line):
    """A hub that goes on in a new log signs and checks its receipts with the same key; a false one is still found."""
    hub, node = line
    exchanged(hub, node, sender_of(node, hub.key))
    hub.store.succeed(hub.store.size(hub.store.log), "restored", NOW_MS)
    assert verify(hub.store, None, lambda _: None).ok
    node.record(drafts(1, start=5)).result(10)
    exchanged(hub, node, sender_of(node, hub.key, 5))
    assert receipt_series.count(hub.store, node.log) == receipt_series.count(node, node.log) == 2
    for store, key in ((node, hub.key), (hub.store, None)):
        assert verify(store, key, lambda _: None).ok
        store.submit(lambda db: db.execute("UPDATE receipt SET epoch=7 WHERE size=6 AND last=1").get).result(10)
        found = verify(store, key, lambda _: None).first_bad
        assert found.log == node.log
    assert not verify(node, OTHER.public_key, lambda _: None).ok


def test_what_is_recorded_while_an_exchange_begins_is_in_no_earlier_bound(line):
    """The greeting says how many entries there are when it is made, so neither side calls the sixth one later."""
    hub, node = line
    sender = sender_of(node, hub.key)
    node.record(drafts(1, start=5)).result(10)
    exchanged(hub, node, sender)
    for store in (node, hub.store):
        assert receipt_series.bracket(store, node.log, 6) == Bracket(None, None)
        assert receipt_series.bracket(store, node.log, 5).later.greeted == Greeted(6, CLOCK_MS, CLOCK_MS)


def test_single_requests_say_how_long_the_log_is_by_then(line):
    """Where each request is an exchange of its own for the hub, what came in between is in no earlier bound."""
    hub, node = line
    node.record(drafts(995, start=5)).result(10)
    asked: list[int] = []

    def clock_ms() -> int:
        asked.append(CLOCK_MS)
        if len(asked) == 1:
            node.record(drafts(1, start=1000)).result(10)
        return CLOCK_MS

    async def work() -> None:
        async with serving(hub), aiohttp.ClientSession() as http:
            sender = sender_of(node, hub.key)
            await Exchange(node, sender, hub.url, clock_ms, singly=True).run(http)

    run(work())
    assert len(asked) > 1
    assert receipt_series.bracket(hub.store, node.log, 1001).earlier is None
    assert receipt_series.bracket(node, node.log, 1001).earlier.greeted == Greeted(1000, CLOCK_MS, CLOCK_MS)


def test_an_old_receipt_that_is_repeated_takes_nothing_away(line):
    """It holds, for it was given; whoever repeats it changes no bound but the newest word of the county's."""
    hub, node = line
    exchanged(hub, node, sender_of(node, hub.key))
    old = receipt_series.newest(node, node.log)
    keep_of = receipt_series.all_of(node, node.log)
    sender = sender_of(node, hub.key, 5)
    sender.ask(node.sign(5))
    (effect,) = sender.receive(old)
    assert effect.kept.greeted is None
    node.keep_receipt(node.log, effect.signed, effect.kept).result(10)
    assert receipt_series.all_of(node, node.log) == keep_of
    node.record(drafts(1, start=5)).result(10)
    sender = sender_of(node, hub.key, 5)
    sender.ask(node.sign(6))
    with pytest.raises(RemoteProtocolError):
        sender.receive(old)


@pytest.mark.parametrize("clock_ms", [-5, 0, NOW_MS, 4_102_444_800_000, 2**62])
def test_any_clock_gives_a_receipt_that_holds(made, clock_ms):
    """A hub in 1970 or beyond all years gives receipts; they state a time that can be stated."""
    made.record(drafts(3)).result(10)
    kept, receipt = made.give_receipt(made.log, made.sign(3), None, epoch=9, backed_up_to=10**9, clock_ms=clock_ms)
    kept.result(10)
    verify_note(made.signer.public_key, made.log, 3, made.root(made.log, 3), receipt.note)
    assert (receipt.epoch, receipt.backed_up_to) == (9, 3)
    assert receipt.note.time_ms == min(max(clock_ms, 0), TIME_MS_MAX)
    assert receipt_series.newest(made, made.log) == receipt
