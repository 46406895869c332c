"""Outboxes: what the hub says of other logs' entries reaches a home whole, once, and is proven there."""

from __future__ import annotations

from contextlib import closing

import pytest

from sync import log_sql, outbox, outbox_sql
from sync.errors import RemoteProtocolError, StaleVersion, VerificationError
from sync.messages import Ack, ErasedRow, NoKey
from sync.outbox_receiving import TakeIn
from sync.outbox_taking import follow, receiver_of, take_in
from sync.store import Store
from sync.stored_log import StoredLog
from sync.verify import START, scrub, verify
from tests.by_hand import by_hand

HOME, EPOCH = "home-02", 1


def subject(n: int) -> bytes:
    return n.to_bytes(16, "big")


@pytest.fixture
def county(stores, authors):
    """A hub that holds 24 entries about four subjects by one home, six by another, and three of its own."""
    hub = stores("hub")
    writers = [authors(1).write_many(24, 4), authors(2).write_many(6, 2)]
    for writer in writers:
        hub.add_log(writer.log, writer.public_key).result(10)
        bring(hub, writer)
    return hub, writers


def bring(hub: Store, writer) -> None:
    held = hub.size(writer.log)
    receiver = writer.receiver(held)
    hub.append(receiver.receive(writer.push(held, writer.size), 0)[0].batch).result(10)


def route(hub: Store, *subjects: int, logs=None) -> int:
    """Append all that is missing of these subjects to the home's outbox, whole subjects; its size."""

    def work(db):
        box = outbox.open_outbox(hub, db, HOME, EPOCH)
        for n in subjects:
            streams = log_sql.streams_of_subject(db, subject(n))
            if logs is not None:
                streams = [s for s in streams if hub.log_of(db, s.id >> 40) in logs]
            box = outbox.append(hub, db, box, outbox.missing(db, box, streams))
        return box.size

    return hub.submit(work).result(10)


def box_of(hub: Store, epoch: int = EPOCH) -> bytes:
    return outbox.outbox_id(hub.signer.public_key, HOME, epoch)


def joined(stores, hub: Store, name: str = "home") -> Store:
    home = stores(name)
    follow(home, hub.signer.public_key, HOME, EPOCH)
    return home


def deliver(hub: Store, home: Store, count: int = 7, log: bytes | None = None) -> int:
    """Hand deliveries over until nothing is left; how many there were."""
    log = log or box_of(hub)
    receiver = receiver_of(home, log)
    withheld: set[int] = set()
    turns = 0
    while receiver.size < hub.reading(lambda db: outbox.require(db, log).size):
        turns += 1
        for effect in receiver.receive(outbox.delivery_of(hub, log, receiver.size, count, withheld)):
            match effect:
                case TakeIn(parcel):
                    take_in(home, parcel)
                case NoKey(_, ordinals):
                    assert not withheld >= set(ordinals)
                    withheld |= set(ordinals)
                case Ack(size):
                    assert size == receiver.size
    return turns


def content(store: StoredLog, n: int) -> list[tuple]:
    return sorted((e.log, e.seq, e.commitment, e.packed) for e in store.entries_of_subject(subject(n)))


def whole(store: StoredLog) -> None:
    verdict = verify(store, None, lambda _: None)
    assert verdict.first_bad is None
    assert verdict.compared == len(store.entries_after(0, 10**6))
    mark = START
    while True:
        mark, bad = scrub(store, None, mark, 5)
        assert bad is None
        if mark == START:
            return


def test_a_home_holds_what_was_routed_and_nothing_else(stores, county):
    """Routed subjects arrive with every log's entries, body for body; of the others not even a header is here."""
    hub, _ = county
    route(hub, 1, 3)
    home = joined(stores, hub)
    deliver(hub, home)
    for n in (1, 3):
        assert content(home, n) == content(hub, n) != []
    for n in (0, 2):
        assert content(home, n) == []
    everything = content(hub, 1) + content(hub, 3)
    assert len(home.entries_after(0, 10**6)) == len(everything)
    whole(home)
    whole(hub)


def test_routing_again_adds_nothing(county):
    """However often a subject is routed, each entry is in the outbox once."""
    hub, _ = county
    size = route(hub, 1, 3)
    assert route(hub, 3, 1, 1) == size
    places = hub.reading(lambda db: outbox_sql.places(db, 1, 0, 10**6))
    assert len({place.position for place in places}) == len(places) == size


def test_late_entries_follow(stores, county):
    """What arrives at the hub later about a routed subject continues the streams at the home."""
    hub, writers = county
    route(hub, 1)
    home = joined(stores, hub)
    deliver(hub, home)
    writers[0].write(1).write(2).write(1)
    bring(hub, writers[0])
    route(hub, 1)
    deliver(hub, home)
    assert content(home, 1) == content(hub, 1)
    whole(home)


def test_a_home_records_between_deliveries(stores, county, draft):
    """Own entries and received ones interleave, and everything is still where it should be after opening again."""
    hub, writers = county
    home = joined(stores, hub)
    for n in (0, 1, 2):
        route(hub, n)
        deliver(hub, home, 3)
        home.record([draft(1), draft(40 + n)]).result(10)
    home.close()
    home = stores("home")
    home.record([draft(1, deps={writers[0].log: 22})]).result(10)
    assert len([e for e in home.entries_of_subject(subject(1)) if e.log == home.log]) == 4
    newest = home.entries_after(home.position() - 1)[0]
    assert newest.body().lamport > 6
    whole(home)


def test_a_cut_between_deliveries_costs_nothing(stores, county):
    """A receiver made anew from the disk goes on exactly behind what was stored; repeats and gaps store nothing."""
    hub, _ = county
    size = route(hub, 0, 1, 2)
    home = joined(stores, hub)
    log = box_of(hub)
    while (receiver := receiver_of(home, log)).size < size:
        delivery = outbox.delivery_of(hub, log, receiver.size, 4)
        took, _ = receiver.receive(delivery)
        take_in(home, took.parcel)
        with pytest.raises(StaleVersion):
            take_in(home, took.parcel)
        assert receiver.receive(delivery) == [Ack(receiver.size)]
        gap = outbox.delivery_of(hub, log, min(size - 1, receiver.size + 1), 1)
        assert receiver.receive(gap) == [Ack(receiver.size)]
    assert content(home, 2) == content(hub, 2)
    whole(home)


def test_an_overlapping_delivery_adds_only_what_is_new(stores, county):
    """A delivery that begins before what is held is taken from there on."""
    hub, _ = county
    route(hub, 0, 1)
    home = joined(stores, hub)
    log = box_of(hub)
    take_in(home, receiver_of(home, log).receive(outbox.delivery_of(hub, log, 0, 5))[0].parcel)
    take_in(home, receiver_of(home, log).receive(outbox.delivery_of(hub, log, 2, 100))[0].parcel)
    assert content(home, 0) == content(hub, 0)
    assert content(home, 1) == content(hub, 1)
    whole(home)


def changed_row(delivery):
    rows = list(delivery.push.rows)
    rows[2] = rows[2]._replace(payload={"n": 999})
    return delivery._replace(push=delivery.push._replace(rows=rows))


LIES = {
    "another body": changed_row,
    "another seq": lambda d: d._replace(seqs=[d.seqs[0] + 1, *d.seqs[1:]]),
    "another log": lambda d: d._replace(logs=[bytes(16), *d.logs[1:]]),
    "an entry left out": lambda d: d._replace(push=d.push._replace(rows=d.push.rows[:-1]), seqs=d.seqs[:-1]),
    "two entries exchanged": lambda d: d._replace(seqs=[d.seqs[1], d.seqs[0], *d.seqs[2:]]),
    "another signature": lambda d: d._replace(push=d.push._replace(signature=bytes(64))),
    "another root": lambda d: d._replace(push=d.push._replace(root=bytes(32))),
    "another key": lambda d: d._replace(
        push=d.push._replace(streams=[d.push.streams[0]._replace(key=b"k" * 32), *d.push.streams[1:]])
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_the_hub_did_not_sign_is_not_stored(stores, county, lie):
    """Whatever is changed on the way, nothing of the delivery is kept, and the true one is taken afterwards."""
    hub, _ = county
    route(hub, 1, 2)
    home = joined(stores, hub)
    log = box_of(hub)
    true = outbox.delivery_of(hub, log, 0, 6)
    receiver = receiver_of(home, log)
    with pytest.raises(VerificationError):
        receiver.receive(LIES[lie](true))
    assert receiver.size == 0
    assert isinstance(receiver.receive(true)[0], TakeIn)


MALFORMED = {
    "a seq too few": lambda d: d._replace(seqs=d.seqs[:-1]),
    "a seq of zero": lambda d: d._replace(seqs=[0, *d.seqs[1:]]),
    "a log that is not listed": lambda d: d._replace(origins=[9, *d.origins[1:]]),
    "a log of a wrong size": lambda d: d._replace(logs=[b"x", *d.logs[1:]]),
    "another outbox": lambda d: d._replace(log=bytes(16)),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_delivery_is_refused(stores, county, fault):
    """A delivery that does not fit together is an error of the peer's."""
    hub, _ = county
    route(hub, 1)
    home = joined(stores, hub)
    with pytest.raises(RemoteProtocolError):
        receiver_of(home, box_of(hub)).receive(MALFORMED[fault](outbox.delivery_of(hub, box_of(hub), 0, 5)))


def test_an_outbox_of_another_hub_is_not_ours(stores, county, authors):
    """Entries signed by any key but the pinned one are refused."""
    hub, _ = county
    route(hub, 1)
    home = stores("home")
    follow(home, authors(9).public_key, HOME, EPOCH)
    log = outbox.outbox_id(authors(9).public_key, HOME, EPOCH)
    with pytest.raises(VerificationError):
        receiver_of(home, log).receive(outbox.delivery_of(hub, box_of(hub), 0, 5)._replace(log=log))


def test_each_home_has_an_outbox_of_its_own():
    """Home, hub's key and epoch each give another id."""
    ids = {outbox.outbox_id(key, home, n) for key in (b"a" * 32, b"b" * 32) for home in ("x", "y") for n in (1, 2)}
    assert len(ids) == 8


def test_a_new_epoch_repeats_without_doubling(stores, county):
    """A hub that was restored sends all again in a new outbox: nothing is stored twice, and both verify."""
    hub, _ = county
    route(hub, 1)
    home = joined(stores, hub)
    deliver(hub, home)
    before = home.position()

    def work(db):
        box = outbox.open_outbox(hub, db, HOME, 2)
        for n in (1, 2):
            box = outbox.append(hub, db, box, outbox.missing(db, box, log_sql.streams_of_subject(db, subject(n))))

    hub.submit(work).result(10)
    follow(home, hub.signer.public_key, HOME, 2)
    deliver(hub, home, 5, box_of(hub, 2))
    assert home.position() == before + len(content(hub, 2))
    assert content(home, 1) == content(hub, 1)
    assert content(home, 2) == content(hub, 2)
    whole(home)
    whole(hub)


def erase(store: Store, n: int) -> None:
    store.erase([subject(n)], by="li", ground="asked", now_ms=1)


def test_what_was_erased_at_the_hub_leaves_without_content(stores, county):
    """An outbox that was filled before the erasure still verifies, and carries headers alone."""
    hub, _ = county
    route(hub, 1, 2)
    erase(hub, 1)
    delivery = outbox.delivery_of(hub, box_of(hub), 0, 100)
    assert any(isinstance(row, ErasedRow) for row in delivery.push.rows)
    home = joined(stores, hub)
    deliver(hub, home)
    assert content(home, 1) == []
    assert content(home, 2) == content(hub, 2)
    whole(home)
    whole(hub)


def test_an_erasure_between_two_deliveries_is_survived(stores, county):
    """The hub erases while half of a stream is at the home: the other half comes as headers."""
    hub, _ = county
    route(hub, 1)
    home = joined(stores, hub)
    log = box_of(hub)
    take_in(home, receiver_of(home, log).receive(outbox.delivery_of(hub, log, 0, 3))[0].parcel)
    erase(hub, 1)
    deliver(hub, home)
    assert len([body for *_, body in content(home, 1) if body is not None]) == 3
    erase(home, 1)
    whole(home)


def test_what_was_erased_at_the_home_is_taken_in_without_content(stores, county):
    """A home that erased a subject asks for the erased form of its streams, stores headers, and goes on."""
    hub, writers = county
    route(hub, 1)
    home = joined(stores, hub)
    deliver(hub, home)
    erase(home, 1)
    writers[0].write(1).write(2)
    bring(hub, writers[0])
    route(hub, 1, 2)
    deliver(hub, home)
    assert content(home, 1) == []
    assert content(home, 2) == content(hub, 2)
    whole(home)


def test_a_subject_erased_before_it_came_leaves_no_key(stores, county):
    """A stream that begins about an erased subject is verified by its key, and neither key nor content is kept."""
    hub, _ = county
    home = joined(stores, hub)
    erase(home, 1)
    route(hub, 1, 2)
    deliver(hub, home)
    assert content(home, 1) == []
    assert content(home, 2) == content(hub, 2)
    unkept = home.reading(log_sql.erased_streams)
    assert set(unkept.values()) == {0}
    whole(home)


TAMPERED = {
    "a body": "UPDATE entry SET body=(SELECT body FROM entry WHERE position=2) WHERE position=1",
    "a commitment": "UPDATE entry SET commitment=zeroblob(32) WHERE position=4",
    "an entry": "DELETE FROM entry WHERE position=5",
    "a number": "UPDATE outbox_entry SET position=1 WHERE n=3",
    "a number left out": "DELETE FROM outbox_entry WHERE n=(SELECT max(n) FROM outbox_entry)",
    "a tree": "UPDATE outbox_entry SET tree=zeroblob(32) WHERE n=3",
    "a root": "UPDATE outbox_checkpoint SET root=zeroblob(32)",
    "a signature": "UPDATE outbox_checkpoint SET signature=zeroblob(64)",
    "a seq": "UPDATE entry SET seq=seq+1 WHERE position=6",
    "the size": "UPDATE outbox SET size=size-1",
    "a head": "UPDATE head SET position=1",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_with_what_came_is_found(stores, county, what):
    """Whatever is changed of received entries, of their numbers or of what the hub signed, `verify` finds it."""
    hub, _ = county
    route(hub, 1, 2)
    home = joined(stores, hub)
    deliver(hub, home, 100)
    home.close()
    db = by_hand(home.folder / "log.db")
    db.execute(TAMPERED[what])
    assert db.total_changes() > 0
    db.close()
    stored = StoredLog(home.folder)
    try:
        assert verify(stored, None, lambda _: None).first_bad is not None
    finally:
        stored.close()


def test_a_lost_stream_is_found_by_who_reads_in_portions(stores, county):
    """Where a stream is gone, the reading that checks a little at a time names the first of its entries."""
    hub, _ = county
    route(hub, 1)
    home = joined(stores, hub)
    deliver(hub, home)
    home.close()
    with closing(by_hand(home.folder / "log.db")) as db:
        db.execute("DELETE FROM stream WHERE id=(SELECT stream FROM entry WHERE position=1)")
    with closing(StoredLog(home.folder)) as stored:
        mark, bad = scrub(stored, None, START, 5)
        while bad is None and mark != START:
            mark, bad = scrub(stored, None, mark, 5)
    assert bad is not None
    assert bad.position == 1


def test_whose_logs_came_in_part_is_known(stores, county):
    """A home can tell the logs of which it holds some streams only; who holds them whole has none."""
    hub, _ = county
    route(hub, 1)
    home = joined(stores, hub)
    assert home.logs_in_part() == set()
    deliver(hub, home)
    assert home.logs_in_part() == {entry.log for entry in hub.entries_of_subject(subject(1))}
    assert hub.logs_in_part() == set()


def test_an_entry_that_no_outbox_vouches_for_is_found(stores, county):
    """A whole outbox taken away leaves entries that nobody signed for."""
    hub, _ = county
    route(hub, 1)
    home = joined(stores, hub)
    deliver(hub, home, 100)
    home.close()
    db = by_hand(home.folder / "log.db")
    for table in ("outbox", "outbox_entry", "outbox_checkpoint", "outbox_stream"):
        db.execute(f"DELETE FROM {table}")
    db.close()
    stored = StoredLog(home.folder)
    try:
        assert "signature" in verify(stored, None, lambda _: None).first_bad.why
    finally:
        stored.close()


def test_a_folder_of_the_older_format_is_brought_up(stores, county):
    """A folder without the tables of outboxes gets them when it is opened for writing, and is read before that."""
    hub, _ = county
    route(hub, 1)
    home = stores("home")
    home.close()
    db = by_hand(home.folder / "log.db")
    for table in (
        "outbox",
        "outbox_entry",
        "outbox_stream",
        "outbox_checkpoint",
        "outbox_scope",
        "outbox_tie",
        "outbox_again",
    ):
        db.execute(f"DROP TABLE {table}")
    db.execute("PRAGMA user_version=2")
    db.close()
    old = StoredLog(home.folder)
    assert verify(old, None, lambda _: None).ok
    old.close()
    home = joined(stores, hub)
    deliver(hub, home)
    assert content(home, 1) == content(hub, 1)


@pytest.mark.parametrize(
    ("query", "count"),
    [(outbox_sql.TIED_QUERY, 1), (outbox_sql.followers_query(3), 6), (outbox_sql.FORGET_TIES, 2)],
)
def test_no_step_goes_through_all_ties(stores, query, count):
    """What follows a subject, and what an erasure takes away, is found by indexes, however many grants there are."""
    home = stores("home")

    def plan(db) -> list[str]:
        return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", (b"s" * 16,) * count).fetchall()]

    steps = home.reading(plan)
    assert any("outbox_tie_by_hangs" in step for step in steps)
    assert not any("SCAN" in step for step in steps)


def test_a_folder_that_was_made_before_the_index_gets_it(stores, county):
    """It is made when the folder is opened for writing, in any format that has the table; what it held is found."""
    hub, _ = county
    route(hub, 1)
    hub.submit(lambda db: outbox_sql.tie(db, b"c" * 16, b"aid " * 4)).result()
    hub.close()
    db = by_hand(hub.folder / "log.db")
    db.execute("DROP INDEX outbox_tie_by_hangs")
    db.close()
    for _ in range(2):
        with closing(Store(hub.folder)) as again:
            names = again.reading(lambda db: db.execute("SELECT name FROM sqlite_schema").fetchall())
            assert ("outbox_tie_by_hangs",) in names
            assert again.reading(lambda db: db.execute(outbox_sql.TIED_QUERY, (b"aid " * 4,)).fetchall()) == [
                (b"c" * 16,)
            ]
