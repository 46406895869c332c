"""Erasure: nothing of a subject's content is left, every proof still holds, and a cut at any point harms neither."""

from __future__ import annotations

import contextlib
import random
import shutil
import threading
import time
from contextlib import closing
from uuid import UUID

import pytest

from sync import erasure, log_sql, verify, wire
from sync.batch import Erased
from sync.entry import ERASED, derive
from sync.errors import (
    ErasureUnfinished,
    KeyDestroyed,
    LocalProtocolError,
    RemoteProtocolError,
    SubjectErased,
    VerificationError,
)
from sync.merkle import verify_consistency, verify_inclusion
from sync.messages import Ack, Beginning, ErasedRow, NoKey, Push
from sync.outgoing import push_of
from sync.replicator import Append, Ask, Cosign, Portion, Receiver, Send, Sender
from sync.store import Store
from tests.by_hand import by_hand

CHINESE, ASCII = "金丝雀小明", "canary-in-the-mine"
ONE, TWO = (1).to_bytes(16, "big"), (2).to_bytes(16, "big")
BY = {"by": "dir", "ground": "监护人申请", "now_ms": 1_741_392_000_000}


@pytest.fixture
def canaries(stores, draft):
    """A node with two subjects' entries, of which subject 1 carries the canaries."""
    node = stores("node")
    for n in range(40):
        node.record(
            [
                draft(1, payload={"name": CHINESE, "note": f"{ASCII} {n}"}, actor=f"{ASCII} worker", type="canary/1"),
                draft(2, payload={"n": n}),
            ]
        ).result(10)
    return node


def whole(node) -> verify.Verdict:
    return verify.verify(node, None, lambda _: None)


def keys_of(node, subject: bytes) -> list[bytes]:
    streams = node.reading(lambda db: log_sql.streams_of_subject(db, subject))
    return [node.keyring.stream_key(stream.key) for stream in streams]


def remains(folder, *needles: bytes) -> list[tuple[str, bytes]]:
    """Where a byte search finds something: in the files as they are, and in every page of them in the clear."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        images = [path.read_bytes()]
        if path.suffix == ".db":
            with closing(by_hand(path)) as db:
                images.append(db.serialize("main"))
        found += [(path.name, needle) for needle in needles for image in images if needle in image]
    return found


NEEDLES = (CHINESE.encode(), ASCII.encode())


def test_the_search_finds_what_is_there(canaries):
    """The byte search that the other tests trust finds a key and a name that are in the files' pages."""
    (key,) = keys_of(canaries, ONE)
    canaries.submit(lambda db: db.execute("INSERT INTO type(name) VALUES(?)", (CHINESE,)).fetchall()).result(10)
    canaries.close()
    assert ("keys.db", key) in remains(canaries.folder, key)
    assert ("log.db", NEEDLES[0]) in remains(canaries.folder, *NEEDLES)


def test_bodies_lie_sealed_on_the_disk(canaries):
    """Before any erasure, no page of any file holds content in the clear."""
    canaries.close()
    assert remains(canaries.folder, *NEEDLES) == []


def test_what_was_erased_is_nowhere(canaries, sizes_of):
    """After the erasure neither content nor key is in any page or file, the WALs are empty, and all proofs hold."""
    (key,) = keys_of(canaries, ONE)
    root = canaries.root(canaries.log, 80)
    assert canaries.erase([ONE], **BY) == Erased(40, 1)
    for name in ("log.db-wal", "keys.db-wal"):
        assert (canaries.folder / name).stat().st_size == 0
    assert remains(canaries.folder, *NEEDLES, key, derive(key).seal) == []
    assert canaries.entries_of_subject(ONE) == []
    found = list(canaries.entries_of_log(canaries.log))
    assert [entry.packed is None for entry in found] == [True, False] * 40 + [False, False]
    assert [entry.body().type for entry in found[80:]] == [erasure.ORDERED, erasure.EXECUTED]
    assert found[80].body().payload == {"subjects": [ONE], "ground": "监护人申请"}
    assert found[81].body().payload == {"subject": ONE, "entries": 40, "streams": 1}
    assert canaries.root(canaries.log, 80) == root
    assert whole(canaries) == verify.Verdict(82, None)
    canaries.close()
    assert remains(canaries.folder, *NEEDLES, key, derive(key).seal) == []
    reopened = Store(canaries.folder)
    assert whole(reopened).ok
    assert reopened.size(reopened.log) == 82
    reopened.close()


def test_only_the_leaf_is_left_of_an_entry(canaries):
    """Log, seq, stream id and commitment survive; the type, the body and the stream's subject do not."""
    canaries.erase([ONE], **BY)
    rows = canaries.reading(lambda db: db.execute("SELECT type, body FROM entry WHERE stream=(1<<40)+1").fetchall())
    assert rows == [(0, None)] * 40
    assert canaries.reading(lambda db: db.execute("SELECT subject FROM stream ORDER BY id LIMIT 1").get) is None


def test_nothing_more_is_recorded_about_the_erased(canaries, draft):
    """A draft about an erased subject is refused, alone and among others, also after a restart; others go on."""
    canaries.erase([ONE], **BY)
    for opened in (canaries, None):
        node = opened or Store(canaries.folder)
        assert type(node.record([draft(2), draft(1)]).exception(10)) is SubjectErased
        assert node.record([draft(2), draft(3)]).result(10)
        node.close()


def test_erasing_again_changes_nothing(canaries):
    """A second order about the same subject adds no entry; one that names another one as well erases only that."""
    canaries.erase([ONE, ONE], **BY)
    size = canaries.size(canaries.log)
    assert canaries.erase([ONE], **BY) == Erased(0, 0)
    assert canaries.size(canaries.log) == size
    assert canaries.erase([ONE, TWO], **BY) == Erased(40, 1)
    assert erasure.ledger(canaries) == ({ONE: "dir", TWO: "dir"}, {ONE, TWO})
    assert whole(canaries).ok


@pytest.mark.parametrize(
    ("subjects", "error"),
    [([], LocalProtocolError), ([b"short"], RemoteProtocolError), ([bytes(16)] * 1001, LocalProtocolError)],
)
def test_an_order_that_makes_no_sense_is_refused(canaries, subjects, error):
    """No subject, something else than a subject, too many: nothing is stored."""
    with pytest.raises(error):
        canaries.erase(subjects, **BY)
    assert canaries.size(canaries.log) == 80


def test_the_ledger_itself_cannot_be_erased(canaries):
    """What a node says about itself stays, the orders among it."""
    with pytest.raises(LocalProtocolError, match="says about itself"):
        canaries.erase([canaries.log], **BY)


@pytest.mark.parametrize("step", ["keyring.destroy", "forget_erased", "_take_away", "empty_wals"])
def test_a_power_cut_at_any_step_is_repaired(canaries, monkeypatch, step):
    """Before every step: content can be read or not, the log verifies, and opening the folder finishes the erasure."""

    class PowerCutError(BaseException):
        pass

    def cut(*_):
        raise PowerCutError

    (key,) = keys_of(canaries, ONE)
    owner, name = {
        "keyring.destroy": (canaries.keyring, "destroy"),
        "forget_erased": (canaries, "forget_erased"),
        "_take_away": (erasure, "_take_away"),
        "empty_wals": (erasure, "empty_wals"),
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, cut)
        with pytest.raises(PowerCutError):
            canaries.erase([ONE], **BY)
    image = canaries.folder.with_name("image")
    shutil.copytree(canaries.folder, image)  # as a power cut leaves it: the WALs with all that was committed
    assert whole(canaries).ok
    found = canaries.entries_of_subject(ONE)
    assert {entry.packed is None for entry in found} in ({True}, {False}, set())
    repaired = Store(image)
    assert whole(repaired) == verify.Verdict(82, None)
    assert repaired.entries_of_subject(ONE) == []
    assert erasure.ledger(repaired) == ({ONE: "dir"}, {ONE})
    assert remains(image, *NEEDLES, key) == []
    repaired.close()
    again = Store(image)
    assert again.size(again.log) == 82
    again.close()


@pytest.mark.parametrize("file", ["log.db", "keys.db"])
def test_an_older_file_put_back_is_erased_again(canaries, file):
    """Whichever of the two files is put back from before the erasure, opening the folder erases again, silently."""
    (key,) = keys_of(canaries, ONE)
    canaries.close()
    old = (canaries.folder / file).read_bytes()
    node = Store(canaries.folder)
    node.erase([ONE], **BY)
    node.close()
    (canaries.folder / file).write_bytes(old)
    if file == "log.db":
        assert remains(canaries.folder, *NEEDLES, key) == []  # before anything was opened
    node = Store(canaries.folder)
    assert node.size(node.log) == (80 if file == "log.db" else 82)  # no entry is added to what may be a fork
    assert node.entries_of_subject(ONE) == []
    assert whole(node).ok
    node.close()
    assert remains(canaries.folder, *NEEDLES, key) == []


def test_a_reader_of_an_old_state_holds_it_up(canaries, monkeypatch):
    """While somebody reads the state before, the error says that content is gone and pages are not; later it works."""
    monkeypatch.setattr(erasure, "READERS_WAIT_S", 0.2)
    (key,) = keys_of(canaries, ONE)
    canaries.close()
    node = Store(canaries.folder)
    with closing(by_hand(node.folder / "log.db")) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM entry").fetchall()
        with pytest.raises(ErasureUnfinished, match="run this again"):
            node.erase([ONE], **BY)
        assert all(entry.packed is None for entry in node.entries_of_subject(ONE))
        other.execute("COMMIT")
    assert node.erase([ONE], **BY) == Erased(0, 0)
    assert (node.folder / "log.db-wal").stat().st_size == 0
    assert remains(node.folder, *NEEDLES, key) == []
    node.close()


def test_a_reader_that_ends_is_waited_for(canaries, monkeypatch):
    """A short reading beside it delays an erasure, and does not fail it."""
    with closing(by_hand(canaries.folder / "log.db")) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM entry").fetchall()
        timer = threading.Timer(0.5, other.execute, ("COMMIT",))
        timer.start()
        began = time.monotonic()
        assert canaries.erase([ONE], **BY) == Erased(40, 1)
        assert time.monotonic() - began > 0.3
        timer.join()


def test_a_node_that_stops_waits_for_no_reader(canaries):
    """An erasure that is asked to stop leaves the old pages to the next start, however long a reader stays."""
    stopping = threading.Event()
    stopping.set()
    with closing(by_hand(canaries.folder / "log.db")) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM entry").fetchall()
        began = time.monotonic()
        with pytest.raises(ErasureUnfinished):
            canaries.erase([ONE], **BY, stopping=stopping)
        assert time.monotonic() - began < erasure.READERS_WAIT_S / 2
        other.execute("COMMIT")
    assert canaries.entries_of_subject(ONE) == []


def test_a_long_open_reader_sees_what_was_erased_as_erased(canaries):
    """Another process that has read the entries before, and has their keys at hand, reads no content afterwards."""
    from sync.stored_log import StoredLog

    reader = StoredLog(canaries.folder)
    assert all(entry.packed for entry in reader.entries_of_subject(ONE))
    canaries.erase([ONE], **BY)
    assert reader.entries_of_subject(ONE) == []
    assert [entry.packed is None for entry in reader.entries_after(0, 80)] == [True, False] * 40
    reader.close()


def test_the_librarys_streams_and_snapshots_go_too(stores):
    """A stream of the library's is erased by its id; its events read as placeholders, its snapshots are gone."""
    from eventsourcing.persistence import StoredEvent

    from sync.recorder import StoreAggregateRecorder, StoreApplicationRecorder

    node = stores("node")
    events, snapshots = StoreApplicationRecorder(node), StoreAggregateRecorder(node, "snapshots")
    name = UUID(bytes=ONE)
    events.insert_events([StoredEvent(name, n, "m:Event", ASCII.encode()) for n in (1, 2)])
    snapshots.insert_events([StoredEvent(name, 2, "m:Event", ASCII.encode())])
    node.erase([ONE], **BY)
    assert [(e.topic, e.state) for e in events.select_events(name)] == [("erased/1", b"")] * 2
    assert [n.topic for n in events.select_notifications(1, 10)][:2] == ["erased/1"] * 2
    assert snapshots.select_events(name) == []
    assert remains(node.folder, ASCII.encode()) == []


# On the wire


def receiver_of(hub, node) -> Receiver:
    branch = next(b for b in hub.branches() if b.log == node.log)
    frontier = hub.frontier(node.log, branch.size)
    return Receiver(node.log, node.signer.public_key, frontier, branch.streams, lambda n: hub.stream_ref(node.log, n))


def carry(node, hub, count=7) -> int:
    """Push all that the hub lacks, over frames; how many times it asked for an erased form."""
    receiver, asked = receiver_of(hub, node), 0
    sender = Sender(node.log, hub.signer.public_key, node.size(node.log), receiver.size, ask_first=False,
                    push_size_bytes=8000)  # fmt: skip
    at = receiver.size
    while at < node.size(node.log):
        push = wire.decode(wire.encode(push_of(node, at, count, sender.withheld)))
        sender._cursor = at
        assert sender.pushed(push, 1)
        for effect in receiver.receive(push, 0):
            match effect:
                case Append(batch):
                    hub.append(batch).result(10)
                case Send(NoKey() as message):
                    asked += 1
                    sender.receive(wire.decode(wire.encode(message)))
                case Send(message):
                    sender.receive(message)
        at = receiver.size
    return asked


@pytest.mark.parametrize("before", [0, 30])
def test_an_erased_log_is_sent_and_verified(canaries, stores, sizes_of, before):
    """A hub that has never held the content, or half of it, takes the erased form and has the same root."""
    hub = stores("hub")
    hub.add_log(canaries.log, canaries.signer.public_key).result(10)
    if before:
        receiver = receiver_of(hub, canaries)
        hub.append(receiver.receive(push_of(canaries, 0, before), 0)[0].batch).result(10)
    canaries.erase([ONE], **BY)
    assert carry(canaries, hub) == 0
    assert hub.root(canaries.log, 82) == canaries.root(canaries.log, 82)
    assert [e.packed is None for e in hub.entries_of_log(canaries.log)] == (
        [False] * before + [True, False] * ((80 - before) // 2) + [False, False]
    )
    assert whole(hub).ok
    if before == 0:
        assert hub.entries_of_subject(ONE) == []
        hub.close()
        assert remains(hub.folder, *NEEDLES) == []


def test_what_arrives_about_the_erased_is_stored_erased(canaries, stores, draft):
    """A hub that has erased a subject stores a new log's entries about it in erased form, keys and all."""
    (key,) = keys_of(canaries, ONE)
    hub = stores("hub")
    hub.add_log(canaries.log, canaries.signer.public_key).result(10)
    hub.erase([ONE], **BY)
    assert carry(canaries, hub, 80) == 0  # the keys came with the push, so all could be verified
    canaries.record([draft(1, payload=ASCII), draft(2)]).result(10)
    assert carry(canaries, hub) == 1  # now the hub has no key: it asks for the erased form
    for _ in range(2):
        assert [e.packed is None for e in hub.entries_of_log(canaries.log)] == [True, False] * 41
        assert hub.entries_of_subject(ONE) == []
        assert hub.root(canaries.log, 82) == canaries.root(canaries.log, 82)
        assert whole(hub).ok
        hub.close()
        assert remains(hub.folder, *NEEDLES, key) == []
        hub = Store(hub.folder)
    hub.close()


def test_a_destroyed_name_brings_nothing_back(stores, author, draft):
    """Entries under the name of any stream that was ever erased here are kept without content, subject and lamport."""
    hub = stores("hub")
    hub.record([draft(1), draft(2)]).result(10)
    names = [
        hub.reading(lambda db, one=one: log_sql.stream_of_subject(db, one, hub.branch_id(hub.log))).name
        for one in (ONE, TWO)
    ]
    for one in (ONE, TWO):
        hub.erase([one], **BY)
    author.write(11).write(12).write(13)
    hub.add_log(author.log, author.public_key).result(10)
    batch = author.receiver().receive(author.push(0, 3), 0)[0].batch
    begun = [new._replace(name=name) for new, name in zip(batch.streams[:2], names, strict=True)]
    hub.append(batch._replace(streams=[*begun, batch.streams[2]])).result(10)
    assert [entry.packed is None for entry in hub.entries_of_log(author.log)] == [True, True, False]
    branch = hub.branch_id(author.log)
    streams = hub.reading(lambda db: log_sql.streams_of_branch(db, branch, 1, 9))
    assert [(stream.subject, stream.key > 0) for stream in streams] == [(None, False)] * 2 + [
        (author.subjects[2], True)
    ]


def test_what_arrives_erased_has_no_place_in_time(stores, author):
    """A stream that comes in erased form counts its entries, and knows nothing of when they were written."""
    hub = stores("hub")
    author.write(1).write(2).write(1)
    hub.add_log(author.log, author.public_key).result(10)
    hub.append(author.receiver().receive(author.push(0, 3, erased=[1]), 0)[0].batch).result(10)
    streams = hub.reading(lambda db: log_sql.streams_of_branch(db, hub.branch_id(author.log), 1, 9))
    assert [(stream.version, stream.head, stream.lamport) for stream in streams] == [(2, 3, 0), (1, 2, 1)]


def test_one_entry_that_comes_without_content_takes_none_from_the_others(stores, author):
    """Of a stream whose first entry in a batch is in erased form, the entries behind it keep theirs."""
    hub = stores("hub")
    author.write(1).write(1).write(1)
    hub.add_log(author.log, author.public_key).result(10)
    batch = author.receiver().receive(author.push(0, 3), 0)[0].batch
    first = batch.entries[0]._replace(type=ERASED, lamport=0, body=None)
    hub.append(batch._replace(entries=[first, *batch.entries[1:]])).result(10)
    assert [entry.packed for entry in hub.entries_of_log(author.log)] == [None, *author.bodies[1:]]
    assert whole(hub).ok


def test_a_hub_asks_for_the_erased_form_of_what_it_has_erased(canaries, stores, draft):
    """After an order at the hub the node's further entries about the subject travel without content."""
    hub = stores("hub")
    hub.add_log(canaries.log, canaries.signer.public_key).result(10)
    carry(canaries, hub)
    assert hub.erase([ONE], **BY) == Erased(40, 1)
    canaries.record([draft(1, payload=n) for n in range(20)]).result(10)
    assert carry(canaries, hub) == 1
    assert whole(hub).ok
    assert hub.size(canaries.log) == 100


def test_an_erased_row_cannot_lie(canaries, stores):
    """A commitment that is not the entry's gives another root than the signed one."""
    hub = stores("hub")
    hub.add_log(canaries.log, canaries.signer.public_key).result(10)
    canaries.erase([ONE], **BY)
    push = push_of(canaries, 0, 82)
    assert push.rows[0] == ErasedRow(1, next(iter(canaries.entries_of_log(canaries.log))).commitment)
    assert push.streams[0] == Beginning(None, None, push.streams[0].name)
    lie = push._replace(rows=[ErasedRow(1, bytes(32)), *push.rows[1:]])
    with pytest.raises(VerificationError):
        receiver_of(hub, canaries).receive(lie, 0)


def test_a_key_of_zeros_is_refused(author, authors):
    """Zeros stand for a destroyed key: nobody may use them as one."""
    push = author.write(1).push(0, 1)
    zeros = push._replace(streams=[push.streams[0]._replace(key=bytes(32))])
    with pytest.raises(RemoteProtocolError, match="zeros"):
        author.receiver().receive(zeros, 0)


def test_a_receipt_is_asked_for_again_after_an_erased_form(canaries, stores, draft):
    """A checkpoint that was on its way when the hub asked for the erased form is no gap: it is asked for once more."""
    hub = stores("hub")
    hub.add_log(canaries.log, canaries.signer.public_key).result(10)
    carry(canaries, hub)
    hub.erase([ONE], **BY)
    canaries.record([draft(1)]).result(10)
    receiver = receiver_of(hub, canaries)
    sender = Sender(canaries.log, hub.signer.public_key, 81, 80, ask_first=False, push_size_bytes=8000)
    push = push_of(canaries, 80, 1, sender.withheld)
    assert sender.pushed(push, 100)
    assert sender.next() == Ask(81)
    (asked,) = sender.ask(canaries.sign(81))
    for message in (push, asked.message):  # both are on their way before anything is heard
        for effect in receiver.receive(message, 0):
            sender.receive(effect.message)
    assert sender.next() == Portion(80, 1)
    push = push_of(canaries, 80, 1, sender.withheld)
    assert sender.pushed(push, 100)
    assert sender.next() == Ask(81)
    (asked,) = sender.ask(canaries.sign(81))
    assert isinstance(receiver.receive(push, 0)[0], Append)
    assert isinstance(receiver.receive(asked.message, 0)[0], Cosign)


def test_a_hub_that_asks_in_circles_is_refused(author):
    """The same stream is withheld once; who asks again, or from beyond what was sent, breaks the protocol."""
    author.write_many(6)
    for second in (NoKey(0, [1]), NoKey(7, [2]), NoKey(0, [])):
        sender = Sender(author.log, bytes(32), 6, 0, ask_first=False, push_size_bytes=8000)
        sender.pushed(author.push(0, 6), 100)
        assert sender.receive(NoKey(0, [1])) == []
        assert sender.withheld == {1}
        assert sender.next().start == 0
        with pytest.raises(RemoteProtocolError, match="without reason"):
            sender.receive(second)


def test_content_without_a_key_is_asked_for_erased(author):
    """Rows with content in a stream that began by its name only are not stored, and not an error."""
    author.write_many(4, 2)
    push = author.push(0, 4)
    receiver = author.receiver()
    named = push._replace(streams=[Beginning(None, None, b"N" * 16), push.streams[1]])
    assert receiver.receive(named, 0) == [Send(NoKey(0, [1]))]
    assert receiver.receive(push, 0)[1] == Send(Ack(4))


# What is remembered of keys


def is_remembered(key: bytes) -> bool:
    """Whether the process still holds what followed from a stream key; asking makes it so."""
    before = derive.cache_info().hits
    derive(key)
    return derive.cache_info().hits > before


def test_an_erasure_forgets_what_followed_from_the_keys(canaries):
    """Neither the order itself nor a second one leaves anything that was derived from the destroyed key."""
    (key,) = keys_of(canaries, ONE)
    assert is_remembered(key)  # the subject was just written about
    canaries.erase([ONE], **BY)
    assert not is_remembered(key)
    assert ONE not in canaries._tail._streams  # the writer's, with salt and seal
    canaries.erase([ONE], **BY)
    assert not is_remembered(key)


@pytest.mark.parametrize("file", ["log.db", "keys.db"])
def test_an_opening_that_erases_again_forgets_the_keys(canaries, file):
    """Where an older file was put back, what its key gives is not remembered once the folder is open."""
    (key,) = keys_of(canaries, ONE)
    canaries.close()
    old = (canaries.folder / file).read_bytes()
    node = Store(canaries.folder)
    node.erase([ONE], **BY)
    node.close()
    (canaries.folder / file).write_bytes(old)
    derive(key)
    node = Store(canaries.folder)
    assert not is_remembered(key)
    assert next(iter(node.entries_of_log(node.log))).packed is None
    node.close()


def test_a_key_that_comes_for_the_erased_is_not_remembered(canaries, stores):
    """A push that brings an erased subject's key is verified with it, whether it is stored, repeated or refused."""
    hub = stores("hub")
    hub.add_log(canaries.log, canaries.signer.public_key).result(10)
    hub.erase([ONE], **BY)
    gone, kept = keys_of(canaries, ONE) + keys_of(canaries, TWO)
    push, longer = push_of(canaries, 0, 10, frozenset()), push_of(canaries, 0, 12, frozenset([1]))
    assert [begun.key for begun in push.streams] == [gone, kept]
    derive.cache_clear()  # both ends are in this one process
    receiver = receiver_of(hub, canaries)
    with pytest.raises(VerificationError):
        receiver.receive(push._replace(root=bytes(32)), 0)
    append, _ = receiver.receive(push, 0)
    hub.append(append.batch).result(10)
    assert receiver.receive(push, 0) == [Send(Ack(10))]
    receiver.receive(longer._replace(streams=push.streams), 0)  # a repeat with more behind it
    assert is_remembered(kept)
    assert not is_remembered(gone)


# Proofs


def test_proofs_hold_over_erased_entries(canaries):
    """Inclusion of every kind of entry and consistency of past sizes are proven from stored nodes after an erasure."""
    canaries.erase([ONE], **BY)
    log, node = canaries.log, canaries
    leaves = [node.reading(lambda db, n=n: _leaf(node, db, n)) for n in range(1, 83)]
    for size in (1, 2, 7, 64, 80, 82):
        root = node.root(log, size)
        for seq in range(1, size + 1, 5):
            verify_inclusion(seq - 1, size, leaves[seq - 1], node.inclusion_proof(log, seq, size), root)
        for old in (0, 1, 3, size // 2, size):
            proof = node.consistency_proof(log, min(old, size), size)
            verify_consistency(min(old, size), size, node.root(log, min(old, size)), root, proof)
    for wrong in (lambda: node.inclusion_proof(log, 1, 83), lambda: node.inclusion_proof(log, 0, 5),
                  lambda: node.consistency_proof(log, 5, 83), lambda: node.consistency_proof(log, 6, 5)):  # fmt: skip
        with pytest.raises(LocalProtocolError):
            wrong()


def _leaf(node, db, seq):
    from sync import log_sql
    from sync.entry import leaf

    (row,) = log_sql.entries_of_branch(db, 1, seq, 1)
    return leaf(node.log, seq, log_sql.stream_by_id(db, row.stream).name, row.commitment)


def test_a_destroyed_key_is_given_to_nobody(canaries):
    """Neither from the cache nor from the file, and its number is never used again."""
    (key,) = keys_of(canaries, ONE)
    canaries.erase([ONE], **BY)
    with pytest.raises(KeyDestroyed):
        canaries.keyring.stream_key(1)
    with pytest.raises(KeyDestroyed):
        canaries.keyring.stream_key(0)
    assert canaries.keyring.assign(3)[0] > 3
    assert key is not None
    assert isinstance(push_of(canaries, 0, 5), Push)


# Anything, in any order


class Pair:
    """A node and its hub with everything that should be known of them, driven at random."""

    def __init__(self, seed: int, stores, draft) -> None:
        self.dice = random.Random(seed)
        self.draft = draft
        self.node, self.hub = stores("node"), stores("hub")
        self.hub.add_log(self.node.log, self.node.signer.public_key).result(10)
        for store in (
            self.node,
            self.hub,
        ):  # makes a first block of keys: who puts back a file without them loses content
            store.erase([b"somebody once   "], **BY)
        self.said: dict[int, list[int]] = {}  # what was recorded about each subject, in order
        self.erased: dict[str, set[int]] = {"node": set(), "hub": set()}
        self.count = 0

    def record(self) -> None:
        subjects = [self.dice.randrange(1, 9) for _ in range(self.dice.randrange(1, 6))]
        drafts = [self.draft(s, payload=self.count + n, type=f"t/{s}") for n, s in enumerate(subjects)]
        future = self.node.record(drafts)
        if self.erased["node"] & set(subjects):
            assert type(future.exception(10)) is SubjectErased
            return
        future.result(10)
        for n, subject in enumerate(subjects):
            self.said.setdefault(subject, []).append(self.count + n)
        self.count += len(subjects)

    def push(self) -> None:
        carry(self.node, self.hub, self.dice.randrange(1, 40))

    def erase(self, where: str, monkeypatch, cut: bool) -> None:
        store, subject = getattr(self, where), self.dice.randrange(1, 9)
        with monkeypatch.context() as patch:
            if cut:
                at = self.dice.choice(("_take_away", "empty_wals", "_carry_out"))
                patch.setattr(erasure, at, _power_cut)
            with contextlib.suppress(_PowerCutError):
                store.erase([subject.to_bytes(16, "big")], **BY)
        self.erased[where].add(subject)
        if cut:
            self.reopen(where)

    def reopen(self, where: str) -> None:
        getattr(self, where).close()
        setattr(self, where, Store(getattr(self, where).folder))

    def put_back(self, where: str, file: str, monkeypatch) -> None:
        """An erasure, and then one of the two files as it was before it."""
        getattr(self, where).close()
        path = getattr(self, where).folder / file
        old = path.read_bytes()
        setattr(self, where, Store(path.parent))
        if file == "keys.db":  # an older log is a restored node's affair
            self.erase(where, monkeypatch, cut=False)
            getattr(self, where).close()
            path.write_bytes(old)
            setattr(self, where, Store(path.parent))

    def check(self) -> None:
        for where in ("node", "hub"):
            store, gone = getattr(self, where), self.erased[where]
            assert whole(store).ok, whole(store)
            for subject, said in self.said.items():
                found = [e.body().payload for e in store.entries_of_subject(subject.to_bytes(16, "big")) if e.packed]
                if subject in gone:
                    assert found == []
                elif where == "node":
                    assert found == said
                else:
                    assert found == said[: len(found)]  # what was erased at home before it was sent is not here
        size = self.hub.size(self.node.log)
        assert self.hub.root(self.node.log, size) == self.node.root(self.node.log, size)


class _PowerCutError(BaseException):
    """The process is gone."""


def _power_cut(*_args, **_more):
    raise _PowerCutError


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(n, marks=pytest.mark.long) for n in range(6, 300))])
def test_any_order_of_everything(stores, draft, monkeypatch, seed):
    """Records, pushes, erasures, cuts, restarts and old keys in any order: what holds at every moment holds."""
    pair = Pair(seed, stores, draft)
    for _ in range(30):
        match pair.dice.randrange(12):
            case 0 | 1 | 2 | 3 | 4:
                pair.record()
            case 5 | 6 | 7:
                pair.push()
            case 8:
                pair.erase(pair.dice.choice(("node", "hub")), monkeypatch, cut=False)
            case 9:
                pair.erase(pair.dice.choice(("node", "hub")), monkeypatch, cut=True)
            case 10:
                pair.reopen(pair.dice.choice(("node", "hub")))
            case _:
                pair.put_back(pair.dice.choice(("node", "hub")), "keys.db", monkeypatch)
        pair.check()
    pair.push()
    pair.check()
    assert pair.hub.size(pair.node.log) == pair.node.size(pair.node.log)
    pair.node.close()
    pair.hub.close()
