"""What is said about a home's other logs and its outbox: each element's bounds, and its name where it is refused."""

from __future__ import annotations

import pytest

from sync.entry import BODY_SIZE_BYTES_MAX, INT_MAX
from sync.errors import RemoteProtocolError
from sync.messages import (
    About,
    Again,
    Compare,
    Content,
    Follow,
    LogAt,
    Logs,
    OutboxAt,
    Recall,
    Roots,
    SignedLog,
    Succeed,
    Took,
    Vouch,
    Welcome,
    Witness,
)
from sync.wire_logs import (
    AGAIN_COUNT_MAX,
    COMPARED_COUNT_MAX,
    FRONTIER_COUNT_MAX,
    LOGS_COUNT_MAX,
    ROWS_COUNT_MAX,
    SIGNED_COUNT_MAX,
    frontier,
    message,
    origins,
    steps,
)

LOG, KEY, ROOT, SIGNATURE, COSIGNATURE = b"L" * 16, b"K" * 32, b"R" * 32, b"G" * 64, b"C" * 72
SIGNED = [[5, ROOT, SIGNATURE], [9, KEY, SIGNATURE]]
GOOD = {
    13: [[KEY, b"N" * 32, 7, SIGNATURE, b"H" * 64], Succeed(KEY, b"N" * 32, 7, SIGNATURE, b"H" * 64)],
    14: [[LOG, [0, 5, INT_MAX]], Compare(LOG, [0, 5, INT_MAX])],
    15: [[LOG, [ROOT, KEY]], Roots(LOG, [ROOT, KEY])],
    16: [[[[KEY, 0, ROOT], [ROOT, 5, KEY]]], Logs([LogAt(KEY, 0, ROOT), LogAt(ROOT, 5, KEY)])],
    17: [[LOG, 3], Follow(LOG, 3)],
    19: [[LOG, 0], Took(LOG, 0)],
    20: [[1, 9, 0, 7, ROOT[:8]], OutboxAt(1, 9, 0, 7, ROOT[:8])],
    22: [[KEY, ROOT, SIGNATURE], Vouch(KEY, ROOT, SIGNATURE)],
    23: [[LOG, 1, 0, ROOT, COSIGNATURE], Witness(LOG, 1, 0, ROOT, COSIGNATURE)],
    24: [[LOG, 0, ROOT], Recall(LOG, 0, ROOT)],
    27: [
        [0, 14, [[KEY, SIGNED], [ROOT, []]]],
        Welcome(0, 14, [SignedLog(KEY, [(5, ROOT, SIGNATURE), (9, KEY, SIGNATURE)]), SignedLog(ROOT, [])]),
    ],
    29: [[LOG, [1, 7]], Again(LOG, [1, 7])],
    30: [[LOG, 1, b"packed"], Content(LOG, 1, b"packed")],
    33: [[LOG], About(LOG)],
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_message_is_read_by_its_kind(kind):
    """Each kind is its own message; the same elements under another kind are none."""
    elements, expected = GOOD[kind]
    assert message(kind, elements) == expected
    assert type(message(kind, elements)) is type(expected)
    # these have elements of one type: what tells them apart is within, or their kind alone
    alike = {14: {15, 29}, 15: {14, 29}, 29: {14, 15}, 17: {19}, 19: {17}, 24: {30}, 30: {24}}
    for other in set(range(10, 40)) - {kind} - alike.get(kind, set()):
        with pytest.raises(RemoteProtocolError, match=f"^a message of kind {other} that does not fit its form$"):
            message(other, elements)


@pytest.mark.parametrize(
    ("kind", "elements", "refusal"),
    [
        (13, [KEY[1:], KEY, 7, SIGNATURE, SIGNATURE], "public key must be 32 bytes"),
        (13, [KEY, KEY[1:], 7, SIGNATURE, SIGNATURE], "public key must be 32 bytes"),
        (13, [KEY, KEY, -1, SIGNATURE, SIGNATURE], "size must be an integer from 0"),
        (13, [KEY, KEY, 7, KEY, SIGNATURE], "signature must be 64 bytes"),
        (13, [KEY, KEY, 7, SIGNATURE, KEY], "signature must be 64 bytes"),
        (14, [KEY, [1]], "log must be 16 bytes"),
        (14, [LOG, [True]], "size must be an integer from 0"),
        (14, [LOG, [INT_MAX + 1]], f"size must be an integer from 0 to {INT_MAX}"),
        (14, [LOG, []], "an array must have from 1 to 16 elements, found 0"),
        (14, [LOG, [1] * (COMPARED_COUNT_MAX + 1)], "an array must have from 1 to 16 elements, found 17"),
        (15, [KEY, [ROOT]], "log must be 16 bytes"),
        (15, [LOG, [LOG]], "root must be 32 bytes"),
        (15, [LOG, []], "an array must have from 1 to 16 elements, found 0"),
        (15, [LOG, [ROOT] * (COMPARED_COUNT_MAX + 1)], "an array must have from 1 to 16 elements, found 17"),
        (16, [[]], "an array must have from 1 to 256 elements, found 0"),
        (16, [[[KEY, 5, ROOT]] * (LOGS_COUNT_MAX + 1)], "an array must have from 1 to 256 elements, found 257"),
        (16, [[[LOG, 5, ROOT]]], "public key must be 32 bytes"),
        (16, [[[KEY, -5, ROOT]]], "size must be an integer from 0"),
        (16, [[[KEY, 5, LOG]]], "root must be 32 bytes"),
        (16, [[[KEY, 5]]], "a log is its key, its size and its root"),
        (17, [KEY, 3], "log must be 16 bytes"),
        (17, [LOG, -3], "size must be an integer from 0"),
        (19, [KEY, 3], "log must be 16 bytes"),
        (20, [0, 3, 0, 0, ROOT[:8]], "epoch must be an integer from 1"),
        (20, [1, -1, 0, 0, ROOT[:8]], "size must be an integer from 0"),
        (22, [LOG, KEY, SIGNATURE], "public key must be 32 bytes"),
        (22, [KEY, LOG, SIGNATURE], "public key must be 32 bytes"),
        (22, [KEY, KEY, KEY], "signature must be 64 bytes"),
        (20, [1, 0, 0, 0, ROOT[:8]], "part of a root must be 0 bytes"),
        (20, [1, 3, 0, 0, ROOT], "part of a root must be 8 bytes"),
        (20, [1, 0, -1, 0, b""], "size must be an integer from 0"),
        (23, [KEY, 1, 0, ROOT, SIGNATURE], "log must be 16 bytes"),
        (23, [LOG, 0, 0, ROOT, SIGNATURE], f"epoch must be an integer from 1 to {INT_MAX}"),
        (23, [LOG, 1, -1, ROOT, SIGNATURE], "size must be an integer from 0"),
        (23, [LOG, 1, 0, LOG, SIGNATURE], "root must be 32 bytes"),
        (23, [LOG, 1, 0, ROOT, KEY], "proof must be 64 bytes"),
        (24, [KEY, 0, ROOT], "log must be 16 bytes"),
        (24, [LOG, -1, ROOT], "size must be an integer from 0"),
        (24, [LOG, 0, LOG], "root must be 32 bytes"),
        (27, [-1, 0, []], f"epoch must be an integer from 0 to {INT_MAX}"),
        (27, [0, -1, []], "size must be an integer from 0"),
        (27, [0, 0, [[KEY, []]] * (LOGS_COUNT_MAX + 1)], "a welcome names more than 256 logs"),
        (27, [0, 0, [[KEY, SIGNED[:1] * (SIGNED_COUNT_MAX + 1)]]], "a welcome names more than 4096 sizes"),
        (27, [0, 0, [[KEY, SIGNED[:1] * 2048], [KEY, SIGNED[:1] * 2049]]], "a welcome names more than 4096 sizes"),
        (27, [0, 0, [[LOG, []]]], "public key must be 32 bytes"),
        (27, [0, 0, [[KEY]]], "a log of a welcome is its key and what it has signed"),
        (27, [0, 0, [[KEY, [[5, LOG, SIGNATURE]]]]], "root must be 32 bytes"),
        (27, [0, 0, [[KEY, [[5, ROOT, KEY]]]]], "signature must be 64 bytes"),
        (27, [0, 0, [[KEY, [[-5, ROOT, SIGNATURE]]]]], "size must be an integer from 0"),
        (27, [0, 0, [[KEY, [[5, ROOT]]]]], "what a log has signed is a size, its root and the signature"),
        (29, [KEY, [1]], "log must be 16 bytes"),
        (29, [LOG, [0]], f"seq must be an integer from 1 to {INT_MAX}"),
        (29, [LOG, []], "an array must have from 1 to 16 elements, found 0"),
        (29, [LOG, [1] * (AGAIN_COUNT_MAX + 1)], "an array must have from 1 to 16 elements, found 17"),
        (30, [KEY, 1, b""], "log must be 16 bytes"),
        (30, [LOG, 0, b""], f"seq must be an integer from 1 to {INT_MAX}"),
        (30, [LOG, 1, bytes(BODY_SIZE_BYTES_MAX + 1)], f"a body may have {BODY_SIZE_BYTES_MAX} bytes, found"),
        (33, [KEY], "log must be 16 bytes"),
    ],
)
def test_a_refusal_names_the_element(kind, elements, refusal):
    """Every element has its bounds, and who looks for the fault reads which one it is."""
    with pytest.raises(RemoteProtocolError, match=f"^{refusal}"):
        message(kind, elements)


def test_lists_may_be_as_long_as_their_bounds():
    """The longest lists there can be are read."""
    assert message(14, [LOG, [1] * COMPARED_COUNT_MAX]) == Compare(LOG, [1] * COMPARED_COUNT_MAX)
    assert message(15, [LOG, [ROOT] * COMPARED_COUNT_MAX]) == Roots(LOG, [ROOT] * COMPARED_COUNT_MAX)
    assert len(message(16, [[[KEY, 5, ROOT]] * LOGS_COUNT_MAX]).logs) == LOGS_COUNT_MAX
    logs, named = [LOG] * ROWS_COUNT_MAX, [0] * ROWS_COUNT_MAX
    assert origins(logs, named, [1] * ROWS_COUNT_MAX) == (logs, named, list(range(1, ROWS_COUNT_MAX + 1)))
    assert message(29, [LOG, [1] * AGAIN_COUNT_MAX]) == Again(LOG, [1] * AGAIN_COUNT_MAX)
    assert message(30, [LOG, 1, bytes(BODY_SIZE_BYTES_MAX)]) == Content(LOG, 1, bytes(BODY_SIZE_BYTES_MAX))
    most = message(27, [0, 0, [[KEY, SIGNED[:1] * 16]] * LOGS_COUNT_MAX])
    assert [len(one.signed) for one in most.logs] == [SIGNED_COUNT_MAX // LOGS_COUNT_MAX] * LOGS_COUNT_MAX
    assert frontier([ROOT] * FRONTIER_COUNT_MAX) == [ROOT] * FRONTIER_COUNT_MAX


@pytest.mark.parametrize(
    ("hashes", "refusal"),
    [
        ([ROOT] * (FRONTIER_COUNT_MAX + 1), "a tree's right edge has at most 63 nodes, found 64"),
        ([ROOT, LOG], "tree node must be 32 bytes"),
    ],
)
def test_a_right_edge_is_as_long_as_that_of_the_largest_tree(hashes, refusal):
    """A node of the tree for each bit of a size."""
    with pytest.raises(RemoteProtocolError, match=f"^{refusal}"):
        frontier(hashes)


@pytest.mark.parametrize("size", [63, 65, 71, 73])
def test_a_proof_is_a_signature_or_a_cosignature(size):
    """What a hub is shown is its own signature on an outbox or its receipt: both are read, and no third length."""
    for proof in (SIGNATURE, COSIGNATURE):
        assert message(23, [LOG, 1, 0, ROOT, proof]).proof == proof
    with pytest.raises(RemoteProtocolError, match=r"^proof must be 64 bytes"):
        message(23, [LOG, 1, 0, ROOT, bytes(size)])


@pytest.mark.parametrize("seqs", [[], [5], [7, 1, 1, INT_MAX, 3]])
def test_seqs_travel_as_steps(seqs):
    """From its steps every seq comes back, in whatever order they are."""
    assert steps([1, 2, 4]) == [1, 1, 2]
    assert origins([LOG, KEY[:16]], [1, 0], steps(seqs)) == ([LOG, KEY[:16]], [1, 0], seqs)


@pytest.mark.parametrize(
    ("logs", "named", "differences", "refusal"),
    [
        ([KEY], [0], [1], "log must be 16 bytes"),
        ([LOG], [1], [1], "log of a stream must be an integer from 0 to 0"),
        ([LOG], [-1], [1], "log of a stream must be an integer from 0 to 0"),
        ([LOG], [0], [0], f"seq must be an integer from 1 to {INT_MAX}"),
        ([LOG], [0], [INT_MAX, 1], f"seq must be an integer from 1 to {INT_MAX}"),
        ([LOG], [0], [True], f"difference of seqs must be an integer from -{INT_MAX} to {INT_MAX}"),
        ([LOG], [0], [INT_MAX + 1], f"difference of seqs must be an integer from -{INT_MAX} to {INT_MAX}"),
        ([LOG], [0], [INT_MAX, -INT_MAX - 1], f"difference of seqs must be an integer from -{INT_MAX}"),
        ([LOG] * (ROWS_COUNT_MAX + 1), [0], [1], "a delivery names more than 4096 logs, streams or rows"),
        ([LOG], [0] * (ROWS_COUNT_MAX + 1), [1], "a delivery names more than 4096 logs, streams or rows"),
        ([LOG], [0], [1] * (ROWS_COUNT_MAX + 1), "a delivery names more than 4096 logs, streams or rows"),
    ],
)
def test_a_delivery_names_logs_that_it_has_and_seqs_that_there_can_be(logs, named, differences, refusal):
    """What a delivery says of where its entries are from is bounded, and each element has its name."""
    with pytest.raises(RemoteProtocolError, match=f"^{refusal}"):
        origins(logs, named, differences)
