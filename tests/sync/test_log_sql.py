"""The statements of `log.db`, on its tables in memory: each finds what it says and nothing beside it."""

from __future__ import annotations

from contextlib import closing

import apsw
import pytest

from sync import log_schema, log_sql
from sync.log_schema import STREAM_SHIFT, Run, Stream
from sync.merkle import node_number


@pytest.fixture
def db():
    with closing(apsw.Connection(":memory:")) as made:
        made.execute(log_schema.SCHEMA)
        yield made


def name(number: int) -> bytes:
    return bytes([number]) * 16


def begin(db, branch: int, ordinal: int, named: int, subject: int, key: int = 1) -> Stream:
    stream = Stream((branch << STREAM_SHIFT) + ordinal, name(named), name(subject), key, 0, None, 0)
    log_sql.add_streams(db, [stream])
    return stream


def test_a_pseudonym_is_no_subject(db):
    """A stream is found by its pseudonym, whether or not that is the subject's, and never by its subject alone."""
    plain, library = begin(db, 1, 1, named=7, subject=8), begin(db, 1, 2, named=9, subject=9)
    assert log_sql.stream_by_name(db, name(7)) == plain
    assert log_sql.stream_by_name(db, name(9)) == library
    assert log_sql.stream_by_name(db, name(8)) is None


def test_the_streams_of_a_branch_end_with_it(db):
    """Streams in the order in which they began, from any of them on, and none of the next branch."""
    own = [begin(db, 1, n, named=n, subject=n, key=10 + n) for n in (1, 2, 3)]
    peers = [begin(db, 2, n, named=n, subject=n, key=20 + n) for n in (1, 2)]
    assert log_sql.streams_of_branch(db, 1, 1, 99) == own
    assert log_sql.streams_of_branch(db, 1, 2, 99) == own[1:]
    assert log_sql.streams_of_branch(db, 1, 2, 1) == own[1:2]
    assert log_sql.streams_of_branch(db, 2, 1, 99) == peers
    assert [log_sql.last_key_used(db, branch) for branch in (0, 1, 2, 3)] == [0, 13, 22, 0]
    assert log_sql.stream_of_subject(db, name(2), 2) == peers[1]
    assert log_sql.stream_of_subject(db, name(3), 2) is None


def test_streams_are_found_by_any_of_their_pseudonyms(db):
    """Those that are named and still have a subject, with their heads; nothing where nothing is named."""
    begin(db, 1, 1, named=1, subject=1)
    named = begin(db, 2, 1, named=2, subject=1)
    log_sql.put_heads(db, [(named.id, 4, 40, 400)])
    log_sql.add_streams(db, [begin(db, 2, 2, named=3, subject=3)._replace(id=(2 << STREAM_SHIFT) + 3, subject=None)])
    assert log_sql.streams_named(db, []) == []
    assert log_sql.streams_named(db, {name(2)}) == [named._replace(version=4, head=40, lamport=400)]
    assert [stream.id for stream in log_sql.streams_named(db, {name(3)})] == [(2 << STREAM_SHIFT) + 2]
    assert log_sql.erased_streams(db) == {name(3): 1}


def test_marks_are_counted(db):
    """Each mark changes the head by one, and names how many there are."""
    assert log_sql.head(db) == (0, 0)
    assert [log_sql.mark(db), log_sql.mark(db)] == [1, 2]
    assert log_sql.head(db) == (0, 2)


def test_any_part_of_any_log_is_found(db):
    """Wherever the entries of three logs stand among each other, each is read in order, from any seq, in any count."""
    order = [1, 1, 2, 1, 3, 3, 3, 2, 2, 1, 2, 3]
    held: dict[int, list[int]] = {1: [], 2: [], 3: []}
    for position, branch in enumerate(order, 1):
        held[branch].append(position)
        seq = len(held[branch])
        row = (position, seq, (branch << STREAM_SHIFT) + 1, seq, None, 1, b"c", b"t" * 32, None)
        log_sql.add_entries(db, [row])
        if position == 1 or order[position - 2] != branch:
            log_sql.add_runs(db, [Run(position, branch, seq)])
    for branch, positions in held.items():
        assert [log_sql.position_of(db, branch, seq) for seq in range(len(positions))] == [None, *positions[:-1]]
        for first in range(7):
            for limit in range(6):
                found = log_sql.entries_of_branch(db, branch, first, limit)
                assert [row.position for row in found] == positions[max(first, 1) - 1 :][:limit]
                assert log_sql.bodies_of_branch(db, branch, first, limit) == [
                    (row.position, row.seq, row.stream, row.commitment, row.body) for row in found
                ]
    assert [log_sql.position_of(db, branch, len(held[branch]) + 1) for branch in (1, 2)] == [None, None]
    assert log_sql.wrong_run(db) is None
    assert (log_sql.first_gap(db), log_sql.last_position(db), log_sql.entries_count(db)) == (13, 12, 12)


@pytest.mark.parametrize(("length", "found"), [(96, 3), (95, 2), (64, 2), (63, 1), (32, 1), (31, 0), (0, 0)])
def test_a_tree_node_is_whole_or_not_there(db, length, found):
    """Of the nodes that the fourth entry completes, those are found that are stored to their last byte."""
    tree = b"".join(bytes([n]) * 32 for n in (1, 2, 3))[:length]
    log_sql.add_runs(db, [Run(1, 1, 1)])
    log_sql.add_entries(db, [(n, n, (1 << STREAM_SHIFT) + 1, n, None, 1, b"c", tree, None) for n in range(1, 5)])
    nodes = [log_sql.node_hash(db, 1, node_number(level, 3 >> level)) for level in range(3)]
    assert nodes == [tree[32 * n :][:32] if n < found else None for n in range(3)]
    assert log_sql.node_hash(db, 2, 0) is None
