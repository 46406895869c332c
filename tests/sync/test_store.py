"""The store on a real disk: all or nothing, exactly once, and nothing acknowledged is ever missing."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from concurrent.futures import wait
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from sync import damage, keyring, log_sql, note, receipt_series, store, stored_log, tail, verify
from sync.database import NotStored, OutcomeUnknown
from sync.entry import EXT_STOOD, entry_id, origin
from sync.errors import FolderError, LocalProtocolError, LogCorrupt, NewerFormat, RemoteProtocolError, StaleVersion
from sync.messages import PushRow
from sync.note import Verifier
from sync.outgoing import push_of
from sync.signed_notes import note_of
from sync.store import Store
from sync.stored_log import StoredLog
from tests.by_hand import by_hand

ROOT = Path(__file__).resolve().parents[2]


def batch_of(author, start: int, end: int):
    """The batch that a hub makes of an author's push."""
    return author.receiver(start).receive(author.push(start, end), 0)[0].batch


def texts(stored: StoredLog) -> list[object]:
    return [entry.body().payload for entry in stored.entries_after(0)]


# Recording


def test_what_was_recorded_is_there_after_reopening(stores, sizes_of, draft):
    """Entries, ids, positions, seqs and versions are the same in the answer and on the disk."""
    node = stores()
    drafts = [draft(n % 3, payload={"n": n}) for n in range(10)]
    recorded = node.record(drafts[:7]).result(10) + node.record(drafts[7:]).result(10)
    assert [r.seq for r in recorded] == [r.position for r in recorded] == list(range(1, 11))
    assert [r.version for r in recorded] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]
    node.close()
    node = stores()
    found = node.entries_after(0)
    assert [entry.id for entry in found] == [r.id for r in recorded]
    assert [entry.body().payload["n"] for entry in found] == list(range(10))
    assert [entry.body().lamport for entry in found] == [r.version for r in recorded]
    assert list(node.entries_of_log(node.log, 4)) == found[4:]
    assert node.entries_of_subject(drafts[1].subject) == found[1::3]
    assert sizes_of(node) == {node.log: 10}
    assert verify.verify(node, None, lambda _: None) == verify.Verdict(10, None)


@pytest.mark.parametrize(
    "bad",
    [{"payload": 0.5}, {"expect": 7}, {"payload": b"x" * 300_000}, {"payload": "\ud800"}, {"deps": {b"X" * 16: 1}}],
)
def test_a_batch_with_one_bad_draft_stores_nothing(stores, sizes_of, draft, bad):
    """All drafts of a call are stored or none, and the store goes on as if nothing had been asked."""
    node = stores()
    node.record([draft(1)]).result(10)
    error = node.record([draft(1), draft(2), draft(3, **bad), draft(4)]).exception(10)
    assert isinstance(error, RemoteProtocolError | StaleVersion | LocalProtocolError)
    assert node.size(node.log) == 1
    assert [r.version for r in node.record([draft(1), draft(2)]).result(10)] == [2, 1]
    assert sizes_of(node) == {node.log: 3}


def test_a_failing_request_among_good_ones_leaves_the_caches_right(stores, sizes_of, draft):
    """In one group: streams, keys, positions and the tree go on as if the failing requests had never been."""
    node = stores()
    requests = []
    for n in range(40):
        good = [draft(n % 7, type=f"visit/{n % 5}", payload={"n": n}), draft(100 + n, payload={"n": n})]
        requests.append((n, node.record(good)))
        node.record([draft(n % 7, type=f"never/{n}"), draft(200 + n), draft(n, expect=99)])
        node.record([draft(300 + n), draft(1, payload=0.5)])
    answers = {n: future.result(10) for n, future in requests}
    assert [r.seq for n in range(40) for r in answers[n]] == list(range(1, 81))
    assert [text["n"] for text in texts(node)] == [n for n in range(40) for _ in range(2)]
    assert set(node.type_names().values()) == {"visit/1"} | {f"visit/{n}" for n in range(5)}
    assert sizes_of(node) == {node.log: 80}
    node.close()
    node = stores()
    node.record([draft(3), draft(500)]).result(10)
    assert sizes_of(node) == {node.log: 82}


def test_what_was_decided_on_an_older_log_is_not_stored(stores, draft, sizes_of):
    """Whoever says at which position they decided is refused if anything came after it, of what subject ever."""
    node = stores()
    node.record([draft(1)]).result(10)
    position = node.position()
    futures = [node.record_at(position, [draft(2 * n), draft(2 * n + 1)]) for n in range(1, 9)]
    assert [type(future.exception(10)) for future in futures] == [type(None)] + [StaleVersion] * 7
    assert sizes_of(node) == {node.log: 3}
    assert type(node.record_at(node.position(), [draft(8), draft(9, payload=0.5)]).exception(10)) is RemoteProtocolError
    (recorded,) = node.record_at(node.position(), [draft(8)]).result(10)
    assert (recorded.seq, node.position()) == (4, recorded.position)


def test_a_stale_form_is_not_stored(stores, draft):
    """A draft that saw another version than the stream has is refused, also before the stream's first entry."""
    node = stores()
    assert node.record([draft(1, expect=0)]).result(10)[0].version == 1
    assert type(node.record([draft(1, expect=0)]).exception(10)) is StaleVersion
    assert node.record([draft(1, expect=1)]).result(10)[0].version == 2
    assert type(node.record([draft(1, expect=1)]).exception(10)) is StaleVersion
    assert type(node.record([draft(2, expect=1)]).exception(10)) is StaleVersion
    assert type(node.record([draft(1, expect=2), draft(1, expect=2)]).exception(10)) is StaleVersion
    assert [r.version for r in node.record([draft(1, expect=2), draft(1, expect=3)]).result(10)] == [3, 4]


def test_of_two_forms_that_saw_the_same_one_is_stored(stores, draft):
    """Forms sent at once about one stream: exactly one of those that expect the same version wins."""
    node = stores()
    futures = [node.record([draft(1, expect=0, payload={"form": n})]) for n in range(20)]
    wait(futures, 10)
    assert [type(future.exception()) for future in futures] == [type(None)] + [StaleVersion] * 19
    assert texts(node) == [{"form": 0}]


def test_lamport_rises_above_what_the_author_had_seen(stores, authors, draft):
    """1 + the largest of the stream's own and all deps; a dep that is not here is refused."""
    node, author = stores(), authors(1).write(1).write(1).write(1)
    node.add_log(author.log, author.public_key).result(10)
    node.append(batch_of(author, 0, 3)).result(10)
    node.record([draft(1)]).result(10)
    node.record([draft(1, deps={author.log: 3})]).result(10)
    node.record([draft(1)]).result(10)
    assert [e.body().lamport for e in node.entries_of_log(node.log)] == [1, 4, 5]
    assert type(node.record([draft(1, deps={author.log: 4})]).exception(10)) is LocalProtocolError


def test_an_edit_may_have_seen_what_the_same_group_records(stores, sizes_of, draft):
    """Forms that reach the disk together: the later one names the earlier one's entry, which no reading shows yet."""
    node, go_on = stores(), threading.Event()
    node.record([draft(1), draft(2)]).result(10)
    node.submit(lambda _: go_on.wait(10))
    node.record([draft(1)])
    edit = node.record([draft(2, deps={node.log: 3})])
    go_on.set()
    assert edit.result(10)[0].seq == 4
    assert [e.body().lamport for e in node.entries_of_log(node.log)] == [1, 1, 2, 3]
    assert sizes_of(node) == {node.log: 4}


def test_a_full_cache_of_streams_changes_nothing(stores, sizes_of, draft, monkeypatch):
    """Streams that one batch begins and touches again stay the same streams when the cache overflows meanwhile."""
    monkeypatch.setattr(tail, "STREAMS_CACHED_MAX", 4)
    node = stores()
    node.record([draft(n) for n in range(8)]).result(10)
    order = [20, 21, 0, 1, 20, 22, 2, 21, 23, 24, 3, 20, 0, 5, 20, 22]
    recorded = node.record([draft(n) for n in order]).result(10)
    assert [r.version for r in recorded] == [1, 1, 2, 2, 2, 1, 2, 2, 1, 1, 2, 3, 3, 2, 4, 2]
    assert sizes_of(node) == {node.log: 24}


def test_keys_are_given_once_over_restarts_and_rollbacks(stores, sizes_of, draft):
    """However often the store is reopened or a request fails, no two streams share a key, and no key is wasted."""
    subject = 0
    for _ in range(4):
        node = stores()
        for _ in range(3):
            node.record([draft(subject + n) for n in range(30)]).result(10)
            node.record([draft(1000 + n) for n in range(10)] + [draft(1, payload=0.5)]).exception(10)
            subject += 30
        node.close()
    node = stores()
    keys = node.reading(lambda db: [number for (number,) in db.execute("SELECT key FROM stream ORDER BY id")])
    assert keys == list(range(1, 361))
    assert keys[-1] <= 2 * keyring.BLOCK_COUNT
    assert sizes_of(node) == {node.log: 360}


def test_only_so_many_drafts_are_recorded_at_once(stores, draft, monkeypatch):
    """As many drafts as the limit says are stored together; with one more, none is."""
    monkeypatch.setattr(store, "DRAFTS_COUNT_MAX", 3)
    node = stores()
    with pytest.raises(LocalProtocolError, match="at most 3 "):
        node.record([draft(1)] * 4)
    with pytest.raises(LocalProtocolError, match="at most 3 "):
        node.record_at(node.position(), [draft(1)] * 4)
    assert [r.seq for r in node.record([draft(1)] * 3).result(10)] == [1, 2, 3]


def test_an_edit_cannot_have_seen_an_erased_entry(stores, draft):
    """Of an entry without content nobody can say what comes after it, so nothing is recorded on top of it."""
    node = stores()
    node.record([draft(1), draft(2)]).result(10)
    node.erase([draft(1).subject], by="li", ground="order 7", now_ms=1)
    assert [entry.body() is None for entry in node.entries_after(0, 2)] == [True, False]
    assert type(node.record([draft(3, deps={node.log: 1})]).exception(10)) is LocalProtocolError
    node.record([draft(3, deps={node.log: 2})]).result(10)


def taken_back(log: bytes, seq: int, lamport: int) -> dict[int, object]:
    """The extensions of an entry that a hub took back; see `taken_back`."""
    return {EXT_STOOD: [log, seq, b"I" * 16, lamport]}


def test_an_edit_may_have_seen_what_a_hub_took_back(stores, draft):
    """An entry that stands elsewhere now counts where it stood, with the lamport that it had there, for its subject."""
    node, lost = stores(), b"L" * 16
    node.record(
        [
            draft(1, extensions=taken_back(lost, 4, 30)),
            draft(1, extensions=taken_back(lost, 5, 41)),
            draft(1),
            draft(2, extensions=taken_back(lost, 6, 52)),
            draft(3),
        ]
    ).result(10)
    for n, (seq, lamport) in enumerate([(5, 42), (4, 43)]):  # never less than what the stream has
        (edit,) = node.record([draft(1, deps={lost: seq})]).result(10)
        assert edit.seq == 6 + n
        assert node.entries_after(5 + n)[0].body().lamport == lamport
    with pytest.raises(LocalProtocolError, match=f"entry 6 of log {lost.hex()}: it is not here"):
        node.record([draft(1, deps={lost: 6})]).result(10)
    with pytest.raises(LocalProtocolError, match=f"entry 5 of log {(b'M' * 16).hex()}"):
        node.record([draft(1, deps={b"M" * 16: 5})]).result(10)
    node.record([draft(2, deps={lost: 6})]).result(10)
    assert node.entries_after(7)[0].body().lamport == 53


def test_what_was_taken_back_is_found_beside_damage_and_erasure(stores, draft):
    """Of a subject's entries those that cannot be read are passed over, and stop nobody from recording."""
    node, lost = stores(), b"L" * 16
    drafts = [draft(1, extensions=taken_back(lost, 4, 30)), draft(1), draft(1), draft(1)]
    node.record(drafts).result(10)
    node.submit(lambda db: db.execute("UPDATE entry SET body=zeroblob(70) WHERE seq=2").fetchall()).result(10)
    node.submit(lambda db: db.execute("UPDATE entry SET body=NULL WHERE seq=3").fetchall()).result(10)
    node.record([draft(1, deps={lost: 4})]).result(10)
    node.submit(lambda db: db.execute("UPDATE entry SET body=zeroblob(70) WHERE seq=1").fetchall()).result(10)
    with pytest.raises(LocalProtocolError, match="it is not here"):
        node.record([draft(1, deps={lost: 4})]).result(10)
    assert node.record([draft(1)]).exception(10) is None


def test_what_is_recorded_again_has_the_lamport_that_it_had(stores, draft):
    """It is given, not worked out from deps that need not be here; but it never falls behind its own stream."""
    node = stores()
    node.record([draft(1, lamport=40, deps={b"L" * 16: 7}), draft(1, lamport=12), draft(2, lamport=1)]).result(10)
    assert [entry.body().lamport for entry in node.entries_after(0)] == [40, 41, 1]


def test_whoever_works_in_a_transaction_knows_which_log_is_written(stores, draft):
    """The one that the node writes, and no other of its own."""
    node = stores()
    node.record([draft(1)]).result(10)
    old = node.log
    node.succeed(1, "forked", 0)
    assert [node.submit(lambda _, log=log: node.writes(log)).result(10) for log in (old, node.log)] == [False, True]


def test_damage_is_said_once_and_of_so_many_entries(stores, draft, monkeypatch):
    """Content that is met damaged again and again is told once; of more than a bounded number nothing is told."""
    monkeypatch.setattr(damage, "NOTED_COUNT_MAX", 2)
    node = stores()
    node.record([draft(n) for n in range(4)]).result(10)
    node.submit(lambda db: db.execute("UPDATE entry SET body=zeroblob(70)").fetchall()).result(10)
    for _ in range(2):
        for position in range(3):
            assert node.entries_after(position, 1)[0].body() is None
        assert node.unreadable == dict.fromkeys([(node.log, 1), (node.log, 2)], damage.DOES_NOT_OPEN)
        node.submit(lambda _: None).result(10)
    payloads = [{"log": node.log, "seq": seq, "why": damage.DOES_NOT_OPEN} for seq in (1, 2)]
    assert [entry.body().payload for entry in node.entries_after(4)] == payloads


def test_damage_that_the_writer_meets_is_said_by_the_next_reader(stores, draft):
    """Whoever reads within a transaction notes nothing: what is said needs one of its own."""
    node = stores()
    node.record([draft(1)]).result(10)
    node.submit(lambda db: db.execute("UPDATE entry SET body=zeroblob(70)").fetchall()).result(10)
    node.submit(lambda db: node.opened_rows(db, log_sql.entries_after(db, 0, 9))).result(10)
    assert node.unreadable == {}
    assert node.entries_after(0, 1)[0].body() is None
    assert list(node.unreadable) == [(node.log, 1)]


# A peer's log


def test_a_peers_log_is_held_as_it_was_written(stores, authors, sizes_of, draft):
    """Batches of two logs and own entries share the positions; each log has its author's bodies and roots."""
    hub, first, second = stores("hub"), authors(1).write_many(20, 4), authors(2).write_many(15, 3)
    for author in (first, second, first):
        hub.add_log(author.log, author.public_key).result(10)
    for start, end in ((0, 1), (1, 8), (8, 15)):
        assert hub.append(batch_of(first, start, end)).result(10) == end
        assert hub.append(batch_of(second, start, end)).result(10) == end
        (own,) = hub.record([draft(end)]).result(10)
        assert (own.position, own.position - own.seq) == (hub.position(), 2 * end)
    for author, size in ((first, 15), (second, 15)):
        assert [entry.packed for entry in hub.entries_of_log(author.log)] == author.bodies[:size]
        assert [hub.root(author.log, n) for n in range(size + 1)] == [
            author.frontier(n).root() for n in range(size + 1)
        ]
        assert hub.last_checkpoint(author.log)[:3] == (size, author.frontier(size).root(), author.signature(size))
    hub.close()
    hub = stores("hub")
    assert hub.append(batch_of(first, 15, 20)).result(10) == 20
    assert sizes_of(hub) == {hub.log: 3, first.log: 20, second.log: 15}
    subject = first.subjects[0]
    assert {entry.log for entry in hub.entries_of_subject(subject)} == {first.log, second.log}
    assert verify.verify(hub, None, lambda _: None).ok


@pytest.mark.parametrize(("start", "end"), [(0, 5), (3, 9), (6, 9), (0, 9)])
def test_a_batch_that_does_not_continue_the_log_stores_nothing(stores, authors, sizes_of, start, end):
    """Only a batch that starts where the log ends is stored, so that nothing is doubled and nothing left out."""
    hub, author = stores(), authors(1).write_many(9)
    hub.add_log(author.log, author.public_key).result(10)
    hub.append(batch_of(author, 0, 5)).result(10)
    assert type(hub.append(batch_of(author, start, end)).exception(10)) is StaleVersion
    assert sizes_of(hub) == {hub.log: 0, author.log: 5}
    assert hub.append(batch_of(author, 5, 9)).result(10) == 9
    assert sizes_of(hub) == {hub.log: 0, author.log: 9}


def test_a_batch_that_fails_midway_leaves_nothing(stores, authors, sizes_of):
    """A batch whose last entry names a stream that is not there is rolled back, keys and caches included."""
    hub, author = stores(), authors(1).write_many(9)
    hub.add_log(author.log, author.public_key).result(10)
    batch = batch_of(author, 0, 9)
    broken = batch._replace(entries=[*batch.entries[:-1], batch.entries[-1]._replace(ordinal=77)])
    assert type(hub.append(broken).exception(10)) is LocalProtocolError
    assert sizes_of(hub) == {hub.log: 0, author.log: 0}
    assert hub.append(batch).result(10) == 9
    assert sizes_of(hub) == {hub.log: 0, author.log: 9}


def test_a_log_under_another_logs_key_is_not_begun(stores, authors):
    """A log's id is the hash of its key, and an unknown log is named in the error."""
    hub, author = stores(), authors(1)
    assert type(hub.add_log(author.log, authors(2).public_key).exception(10)) is LocalProtocolError
    for ask in (hub.size, hub.last_checkpoint, lambda log: hub.root(log, 0)):
        with pytest.raises(LocalProtocolError, match=author.log.hex()):
            ask(author.log)


def test_a_receipt_once_kept_stays(stores, draft):
    """A later word about the same size never takes a receipt away, and the largest signed size is found."""
    node = stores()
    node.record([draft(n) for n in range(3)]).result(10)
    two, three = node.sign(2), node.sign(3)
    node.keep_checkpoint(node.log, two._replace(receipt=b"r" * 72)).result(10)
    node.keep_checkpoint(node.log, two).result(10)
    node.keep_checkpoint(node.log, three).result(10)
    assert node.last_checkpoint(node.log) == three
    assert node.last_checkpoint(node.log, with_receipt=True) == two._replace(receipt=b"r" * 72)
    assert receipt_series.count(node, node.log) == 1


# What a node says of its log


def test_a_log_is_shown_as_a_signed_note(stores, draft):
    """The last checkpoint verifies under the log's key, and with the receipt also under the hub's; none, no note."""
    node, hub = stores("node"), stores("hub")
    node.record([draft(n) for n in range(3)]).result(10)
    assert note_of(node, node.log, hub.signer.public_key) is None
    two, three = node.sign(2), node.sign(3)
    node.keep_checkpoint(node.log, two).result(10)
    log = Verifier(origin(node.log), node.signer.public_key)
    shown = note_of(node, node.log, hub.signer.public_key)
    assert note.parse_checkpoint(shown.text) == note.Checkpoint(origin(node.log), 2, node.root(node.log, 2))
    assert note.verify(shown, log) is None
    assert len(shown.signatures) == 1
    receipt = hub.receipt(node.log, 3, three.root, 99)
    node.keep_checkpoint(node.log, three._replace(receipt=receipt)).result(10)
    shown = note_of(node, node.log, hub.signer.public_key)
    assert note.verify(shown, log) is None
    assert note.verify(shown, Verifier(origin(hub.log), hub.signer.public_key, note.COSIGNATURE_V1)) == 99
    assert note_of(node, node.log, None).signatures == shown.signatures[:1]


def test_pushes_of_a_store_are_taken_by_a_hub(stores, sizes_of, draft):
    """What is read from one store and pushed in portions of any size is the same log in another."""
    node, hub = stores("node"), stores("hub")
    node.record([draft(n % 9, actor=f"w{n % 2}", payload={"n": n}) for n in range(50)]).result(10)
    public_key = node.signer.public_key
    hub.add_log(node.log, public_key).result(10)
    receiver, at = receiver_of(hub, node), 0
    for count in (1, 2, 30, 500):
        push = push_of(node, at, count)
        for effect in receiver.receive(push, 0)[:1]:
            hub.append(effect.batch).result(10)
        at = push.end
    assert at == 50
    assert sizes_of(hub) == {hub.log: 0, node.log: 50}
    assert hub.root(node.log, 50) == node.root(node.log, 50)
    assert [e.packed for e in hub.entries_of_log(node.log)] == [e.packed for e in node.entries_of_log(node.log)]


def receiver_of(hub: Store, node: Store):
    from sync.replicator import Receiver

    return Receiver(node.log, node.signer.public_key, hub.frontier(node.log, 0), 0, lambda _: None)


def test_a_push_of_large_entries_is_cut_to_fit(stores, draft):
    """Whatever entries hold, each push is a message within bounds, and together they are the whole log."""
    from sync import wire

    node = stores()
    noise = random.Random(7).randbytes
    node.record([draft(n % 3, payload=noise(size)) for n, size in enumerate([10, 200_000, 10] + [250_000] * 6)]).result(
        20
    )
    at, seen = 0, []
    while at < 9:
        push = push_of(node, at, 2000)
        assert wire.decode(wire.encode(push)) == push
        seen += [row.payload for row in push.rows]
        assert all(isinstance(row, PushRow) for row in push.rows)
        at = push.end
    assert seen == texts(node)


# Reading beside the writer


@pytest.mark.parametrize("count", [0, 1, 3, 5, 6, 7])
def test_a_log_is_read_whole_in_portions(stores, draft, monkeypatch, count):
    """However many entries a portion has, a log is read to its end, each entry once."""
    monkeypatch.setattr(stored_log, "SCAN_COUNT", 3)
    node = stores()
    node.record([draft(n) for n in range(count)]).result(10)
    assert [entry.seq for entry in node.entries_of_log(node.log)] == list(range(1, count + 1))
    assert [entry.seq for entry in node.entries_of_log(node.log, 2)] == list(range(3, count + 1))


@pytest.mark.parametrize("name", ["log.db", "keys.db"])
def test_damage_that_no_entry_leads_to_is_found(stores, draft, name):
    """Reading every page of both files finds a damaged one, and names its file; whole files are sound."""
    node = stores()
    node.record([draft(n) for n in range(300)]).result(10)
    node.close()
    reader = StoredLog(node.folder)
    reader.require_sound()
    scribble(node.folder / name, -4096, None)
    with pytest.raises(LogCorrupt, match=name):
        reader.require_sound()
    reader.close()


def test_readers_beside_the_writer_see_whole_batches(stores, draft):
    """While batches of ten are recorded, every look from another opening of the folder sees whole ones, in order."""
    node = stores()
    reader = StoredLog(node.folder)
    futures, seen = [], []
    for n in range(60):
        futures.append(node.record([draft(m, payload={"batch": n}) for m in range(10)]))
        if n % 3 == 0:
            found = reader.entries_after(0)
            assert len(found) % 10 == 0
            assert [entry.seq for entry in found] == list(range(1, len(found) + 1))
            seen.append(len(found))
            size = reader.size(reader.log)
            assert reader.root(reader.log, size) == node.root(node.log, size)
    wait(futures, 20)
    assert seen == sorted(seen)
    assert reader.position() == 600
    reader.close()


def test_a_reader_learns_of_logs_that_were_added_since(stores, authors):
    """Entries of logs that a long-open reader has never heard of are read with their log's id, in any mixture."""
    hub = stores("hub")
    reader = StoredLog(hub.folder)
    many = [authors(n).write_many(2) for n in range(1, 6)]
    for author in many:
        hub.add_log(author.log, author.public_key).result(10)
    assert reader.size(many[4].log) == 0  # makes it know the newest, but not those before it
    for author in many:
        hub.append(batch_of(author, 0, 1)).result(10)
    hub.append(batch_of(many[4], 1, 2)).result(10)
    for stored in (hub, reader):
        assert [entry.log for entry in stored.entries_after(0)] == [author.log for author in [*many, many[4]]]
        assert {e.log for e in stored.entries_of_subject(bytes(16))} == {author.log for author in many}
    reader.close()


def test_who_waits_is_woken(stores, draft):
    """A follower waits for what is beyond its position, not longer than it says, and wakes for what comes."""
    node = stores()
    assert node.wait_beyond(0, 0.01) == 0
    node.record([draft(1)]).result(10)
    began = time.monotonic()
    assert node.wait_beyond(0, 30) == 1
    assert time.monotonic() - began < 15
    began = time.monotonic()
    assert node.wait_beyond(1, 0.2) == 1
    assert time.monotonic() - began >= 0.2


def test_nobody_waits_while_the_node_stops(stores):
    """Who waits for what is not there looks up when the node stops, and whoever comes after that does not wait."""
    node, answers = stores(), []
    waiting = threading.Thread(target=lambda: answers.append(node.wait_beyond(0, 30)))
    began = time.monotonic()
    waiting.start()
    node.wake()
    waiting.join(10)
    answers.append(node.wait_beyond(0, 30))
    assert (answers, time.monotonic() - began < 15) == ([0, 0], True)


def test_a_listener_is_told_of_whatever_is_stored(stores, draft):
    """An event is set when something was stored, or when the node stops, until it is not to be set any more."""
    node, heard = stores(), threading.Event()
    node.listen(heard)
    for happens in (lambda: node.record([draft(1)]).result(10), node.wake):
        heard.clear()
        happens()
        assert heard.wait(10)
    node.unlisten(heard)
    heard.clear()
    node.record([draft(1)]).result(10)
    node.close()
    assert not heard.is_set()


# Opening


def test_a_folder_without_its_files_is_refused(tmp_path):
    """An empty or missing folder is an error and stays as it is."""
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FolderError, match=r"log\.db"):
            Store(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_node_is_never_made_over_another(stores):
    """Creating in a folder that holds a node changes nothing."""
    node = stores()
    with pytest.raises(FolderError):
        Store.create(node.folder)
    log = node.log
    node.close()
    assert stores().log == log


@pytest.mark.parametrize("name", ["log.db", "keys.db"])
@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (lambda path: path.unlink(), FolderError),
        (lambda path: path.write_bytes(b"not a database" * 1000), LogCorrupt),
        (lambda path: path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2]), LogCorrupt),
        (lambda path: scribble(path, 4096, None), LogCorrupt),
        (lambda path: change(path, "PRAGMA application_id=77"), LogCorrupt),
        (lambda path: change(path, "PRAGMA user_version=99"), NewerFormat),
    ],
    ids=["missing", "foreign", "cut in half", "all pages but the first", "another program's", "newer"],
)
def test_each_kind_of_wrong_file_has_its_error(stores, draft, name, harm, error):
    """A folder with a wrong file is refused by an error that names the file, for readers and for the writer."""
    node = stores()
    node.record([draft(n) for n in range(300)]).result(10)
    folder = node.folder
    node.close()
    harm(folder / name)
    for opening in (Store, StoredLog):
        with pytest.raises(error, match=name):
            opening(folder).close()


def test_a_log_from_before_the_first_release_is_refused(stores):
    """A `log.db` of the format that was never released is named, with the way out."""
    node = stores()
    node.close()
    change(node.folder / "log.db", "PRAGMA user_version=1")
    with pytest.raises(FolderError, match=r"log\.db has format 1, from before the first release"):
        Store(node.folder)


def change(path: Path, sql: str) -> None:
    with closing(by_hand(path)) as db:
        db.execute(sql)


def scribble(path: Path, start: int, end: int | None) -> None:
    data = bytearray(path.read_bytes())
    data[start:end] = b"\xa5" * len(data[start:end])
    path.write_bytes(bytes(data))


def test_keys_of_another_folder_are_refused(stores, draft):
    """A log.db with the keys.db of another node says what to put back."""
    node, other = stores("node"), stores("other")
    for opened in (node, other):
        opened.record([draft(1)]).result(10)
        opened.close()
    (node.folder / "keys.db").write_bytes((other.folder / "keys.db").read_bytes())
    with pytest.raises(LogCorrupt, match=r"keys\.db"):
        Store(node.folder)


# Faults


def test_a_commit_that_fails_keeps_what_was_acknowledged(stores, sizes_of, draft):
    """After a refused commit nothing of it is stored, which is said; the store goes on, also after a restart."""
    node = stores()
    node.record([draft(1), draft(2)]).result(10)
    node.submit(lambda db: db.set_commit_hook(lambda: True) and None)
    failed = node.record([draft(1), draft(3)])
    assert type(failed.exception(10)) is NotStored
    assert node.wait_beyond(2, 0.01) == 2
    node.record([draft(4), draft(1)]).result(10)
    assert sizes_of(node) == {node.log: 4}
    node.close()
    node = stores()
    node.record([draft(1), draft(3)]).result(10)
    assert sizes_of(node) == {node.log: 6}


@pytest.mark.parametrize("pages", [60, 90, 130])
def test_a_full_disk_loses_nothing_that_was_acknowledged(stores, sizes_of, draft, pages):
    """With no page left some records fail; those that were answered are whole, and go on once there is room."""
    node = stores()
    node.submit(lambda db: db.execute(f"PRAGMA max_page_count={pages}").get).result(10)
    good = 0
    for n in range(60):
        future = node.record([draft(n % 5, payload={"n": n, "pad": "x" * 2000}) for _ in range(4)])
        if (error := future.exception(10)) is None:
            good += 4
        else:
            assert isinstance(error, apsw.FullError)
    assert 0 < good < 240
    assert sizes_of(node) == {node.log: good}
    node.close()
    node = stores()
    assert sizes_of(node) == {node.log: good}
    node.record([draft(7)]).result(10)
    assert sizes_of(node) == {node.log: good + 1}


WRITING = """
import random, resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from sync.batch import Draft
from sync.store import Store
store = Store(Path(sys.argv[2]))
dice = random.Random(int(sys.argv[3]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if int(sys.argv[4]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
print("ready", flush=True)
waiting = []
for n in range(1500):
    drafts = [
        Draft("visit/%d" % dice.randrange(9), "", bytes([dice.randrange(99)]) * 16, n, {"p": "x" * dice.randrange(900)})
        for _ in range(dice.randrange(1, 6))
    ]
    waiting.append(store.record(drafts))
    if len(waiting) > dice.randrange(9):
        for future in waiting:
            if future.exception() is None:
                print(*(r.id.hex() for r in future.result()), flush=True)
        waiting.clear()
"""


def start_writing(folder: Path, seed: int, file_size_max: int = 0) -> subprocess.Popen[str]:
    writing = subprocess.Popen(
        [sys.executable, "-c", WRITING, str(ROOT), str(folder), str(seed), str(file_size_max)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert writing.stdout is not None
    assert writing.stdout.readline() == "ready\n"
    return writing


def test_a_killed_writer_has_everything_that_it_acknowledged(stores, sizes_of, draft):
    """kill -9 at random moments: what was printed as stored is there, in order, and the folder goes on."""
    node = stores()
    folder, log = node.folder, node.log
    node.close()
    dice, acknowledged = random.Random(5), []
    for seed in range(5):
        writing = start_writing(folder, seed)
        time.sleep(dice.uniform(0.0, 0.12))
        writing.kill()
        printed, _ = writing.communicate(timeout=10)
        complete = printed[: printed.rfind("\n") + 1]  # the last line may have been cut by the kill itself
        acknowledged += [bytes.fromhex(word) for word in complete.split()]
        node = stores()
        found = [entry.id for entry in node.entries_of_log(log)]
        assert set(acknowledged) <= set(found)
        assert [one for one in found if one in set(acknowledged)] == acknowledged
        assert sizes_of(node) == {log: len(found)}
        acknowledged += [r.id for r in node.record([draft(1), draft(7)]).result(10)]
        assert sizes_of(node)[log] == len(found) + 2
        node.close()
    assert len(acknowledged) > 100


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are a matter of POSIX")
def test_a_disk_that_takes_no_more_bytes_loses_nothing_acknowledged(stores, sizes_of, draft):
    """Where the system refuses to let the files grow, what was printed as stored is there, and the folder goes on."""
    node = stores()
    folder, log = node.folder, node.log
    node.close()
    writing = start_writing(folder, 1, file_size_max=600_000)
    printed, _ = writing.communicate(timeout=60)
    acknowledged = [bytes.fromhex(word) for word in printed.split()]
    assert 20 < len(acknowledged) < 4000
    node = stores()
    found = [entry.id for entry in node.entries_of_log(log)]
    assert set(acknowledged) <= set(found)
    assert sizes_of(node) == {log: len(found)}
    node.record([draft(1)]).result(10)
    assert sizes_of(node) == {log: len(found) + 1}


def test_a_damaged_page_is_named_when_it_is_met(stores, draft):
    """Whichever page is damaged, opening, reading, verifying and writing do their work or stop with LogCorrupt."""
    node = stores()
    node.record([draft(n, payload={"pad": "x" * 500}) for n in range(200)]).result(10)
    folder = node.folder
    node.close()
    path, met = folder / "log.db", 0
    whole = path.read_bytes()
    for page in range(1, len(whole) // 4096, 5):
        path.write_bytes(whole)
        scribble(path, 4096 * page, 4096 * (page + 1))
        for work in (
            lambda stored: stored.entries_after(0),
            lambda stored: verify.verify(stored, None, lambda _: None),
            lambda stored: [stored.record([draft(n)]).result(10) for n in (1, 100, 1000)],
        ):
            stored = None
            try:
                stored = Store(folder)
                work(stored)
            except OutcomeUnknown:  # met while rolling back: the writer has stopped
                met += 1
            except LogCorrupt as error:
                assert "log.db" in str(error)  # noqa: PT017 -- it need not be met
                met += 1
            finally:
                if stored is not None:
                    stored.close()
    assert met > 20


def test_an_entrys_id_is_its_commitments_beginning(stores, draft):
    """What record answers is the id by which everybody will know the entry."""
    node = stores()
    (recorded,) = node.record([draft(1)]).result(10)
    (entry,) = node.entries_after(0)
    assert recorded.id == entry.id == entry_id(entry.commitment)


@pytest.mark.parametrize(("times", "answer"), [(1, NotStored), (9, OutcomeUnknown)])
def test_what_was_taken_back_is_never_written_later(stores, authors, sizes_of, draft, monkeypatch, times, answer):
    """Where a batch fails and the caches cannot be read again, nothing of it is stored; the node goes on if it can."""
    hub, author = stores(), authors(1).write_many(3)
    hub.add_log(author.log, author.public_key).result(10)
    batch, left, types = batch_of(author, 0, 3), [times], log_sql.types

    def fail(*_) -> None:
        raise apsw.IOError("the disk is gone for a moment")

    def fail_for_a_while(db):
        left[0] -= 1
        return fail() if left[0] >= 0 else types(db)

    with monkeypatch.context() as disk:
        disk.setattr(log_sql, "put_checkpoint", fail)
        disk.setattr(log_sql, "types", fail_for_a_while)
        assert type(hub.append(batch).exception(10)) is answer
    recorded = hub.record([draft(1)]).exception(10)
    assert type(recorded) is (type(None) if times == 1 else OutcomeUnknown)
    hub.close()
    assert sizes_of(stores()) == {hub.log: int(times == 1), author.log: 0}
