import base64
import json
from functools import reduce
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import LocalProtocolError, VerificationError
from sync.merkle import (
    EMPTY_ROOT,
    SIZE_MAX,
    Frontier,
    completed_by,
    consistency_proof,
    frontier_numbers,
    inclusion_proof,
    leaf_hash,
    node_hash,
    node_number,
    nodes_in,
    root_at,
    verify_consistency,
    verify_inclusion,
)

# Inputs shared by RFC 6962 implementations; roots and proofs over them by the recursion further down.
KNOWN = json.loads((Path(__file__).parent / "vectors" / "merkle.json").read_text())

# 196 inclusion and consistency cases published with transparency-dev/merkle, run where they lie beside the checkout.
PUBLISHED = Path(__file__).parents[3] / "shared" / "vectors" / "rfc6962.jsonl"
CASES = [json.loads(line) for line in PUBLISHED.read_text().splitlines()] if PUBLISHED.exists() else []

SIZES = st.integers(1, 300)


# RFC 6962 section 2.1 written down as it stands there, over leaf inputs: slow, and independent of the code under test.


def split(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def mth(data: list[bytes]) -> bytes:
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = split(len(data))
    return sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def path(m: int, data: list[bytes]) -> list[bytes]:
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*path(m, data[:k]), mth(data[k:])]
    return [*path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: list[bytes], whole: bool) -> list[bytes]:
    if m == len(data):
        return [] if whole else [mth(data)]
    k = split(len(data))
    if m <= k:
        return [*subproof(m, data[:k], whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]


def extended(leaves: list[bytes], frontier: Frontier = Frontier()) -> tuple[Frontier, list[bytes]]:  # noqa: B008
    """The grown frontier, and the new nodes by number."""
    grown, trees = frontier.extend(leaves)
    assert len(trees) == len(leaves)
    together = b"".join(trees)
    return grown, [together[at : at + 32] for at in range(0, len(together), 32)]


def inputs(size: int) -> list[bytes]:
    return [b"entry %d" % i for i in range(size)]


def stored(size: int) -> list[bytes]:
    """All nodes of a tree over `inputs`, by number."""
    _, nodes = extended([leaf_hash(data) for data in inputs(size)])
    return nodes


NODES = stored(600)  # a store of some size; every smaller tree is a prefix of it


def unhex(values: list[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


def flipped(value: bytes, bit: int) -> bytes:
    return bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(value))


@st.composite
def sizes_and_indexes(draw):
    size = draw(SIZES)
    return size, draw(st.integers(0, size - 1))


@st.composite
def old_and_new_sizes(draw):
    new = draw(SIZES)
    return draw(st.integers(1, new)), new


# Known answers


@pytest.mark.parametrize("size", range(9))
def test_the_reference_tree_has_its_known_roots(size):
    """Over the inputs that RFC 6962 implementations share, every size from 0 to 8 has the root it has there."""
    data = unhex(KNOWN["inputs"])[:size]
    frontier, nodes = extended([leaf_hash(one) for one in data])
    assert frontier.root().hex() == mth(data).hex() == KNOWN["roots"][size]
    assert root_at(size, nodes.__getitem__).hex() == KNOWN["roots"][size]


def test_the_reference_tree_ends_in_the_published_root():
    """The root over all eight inputs is the one that every implementation publishes."""
    assert KNOWN["roots"][8] == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.mark.parametrize("case", KNOWN["inclusion"], ids=lambda case: f"{case['index']}-of-{case['size']}")
def test_known_inclusion_proofs(case):
    """Inclusion proofs in the reference tree are made as written down, and hold."""
    leaves = [leaf_hash(data) for data in unhex(KNOWN["inputs"])]
    _, nodes = extended(leaves)
    index, size, proof = case["index"], case["size"], unhex(case["proof"])
    assert inclusion_proof(index, size, nodes.__getitem__) == proof
    verify_inclusion(index, size, leaves[index], proof, bytes.fromhex(KNOWN["roots"][size]))


@pytest.mark.parametrize("case", KNOWN["consistency"], ids=lambda case: f"{case['old']}-to-{case['new']}")
def test_known_consistency_proofs(case):
    """Consistency proofs in the reference tree are made as written down, and hold."""
    _, nodes = extended([leaf_hash(data) for data in unhex(KNOWN["inputs"])])
    old, new, proof = case["old"], case["new"], unhex(case["proof"])
    assert consistency_proof(old, new, nodes.__getitem__) == proof
    verify_consistency(old, new, *unhex([KNOWN["roots"][old], KNOWN["roots"][new]]), proof)


# Two published cases touch a choice of ours. The first is accepted by its authors' verifier, which takes the words
# "don't care 2" for a root; a root that is not 32 bytes is refused here. The second is the one form from size 0 that we
# accept and they refuse (see `verify_consistency`), and would be accepted if its new root, the same words, were a hash.
WORDS_FOR_ROOTS = "consistency/additional/sizes-are-equal-one-and-proof-is-empty"
FROM_SIZE_0 = "consistency/additional/size1-is-zero-and-size2-is-not-zero"


def verify_published(case):
    proof = [base64.b64decode(one) for one in case["proof"] or ()]
    if case["kind"] == "inclusion":
        leaf, root = base64.b64decode(case["leafHash"] or ""), base64.b64decode(case["root"] or "")
        verify_inclusion(case["leafIdx"], case["treeSize"], leaf, proof, root)
    else:
        roots = base64.b64decode(case["root1"] or ""), base64.b64decode(case["root2"] or "")
        verify_consistency(case["size1"], case["size2"], *roots, proof)


if CASES:

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
    def test_published_cases(case):
        """Each published case is accepted or refused as its authors say, but for words in place of a root."""
        if case["wantErr"] or case["name"] == WORDS_FOR_ROOTS:
            with pytest.raises(VerificationError):
                verify_published(case)
        else:
            verify_published(case)

    @pytest.mark.parametrize("name", [WORDS_FOR_ROOTS, FROM_SIZE_0])
    def test_published_cases_where_we_chose(name):
        """With hashes in place of words, the equal trees and the one that continues an empty tree are both accepted."""
        (case,) = [case for case in CASES if case["name"] == name]
        words = base64.b64encode(b"don't care 2").decode()
        root = base64.b64encode(leaf_hash(b"")).decode()
        assert words in (case["root1"], case["root2"])
        verify_published(case | {key: root for key in ("root1", "root2") if case[key] == words})

    def test_published_cases_are_complete():
        """All 196 are there, and exactly one from size 0 has a form that we accept."""
        assert len(CASES) == 196
        empty = base64.b64encode(EMPTY_ROOT).decode()
        from_0 = [case for case in CASES if case["kind"] == "consistency" and case["size1"] == 0]
        assert len(from_0) == 9
        assert [case["name"] for case in from_0 if case["root1"] == empty and not case["proof"] and case["size2"]] == [
            FROM_SIZE_0
        ]


# The order of storage


def test_nodes_are_numbered_in_gapless_post_order():
    """Numbers go up by one: left part, right part, the node above them."""

    def post_order(level: int, index: int) -> list[int]:
        below = [] if level == 0 else post_order(level - 1, 2 * index) + post_order(level - 1, 2 * index + 1)
        return [*below, node_number(level, index)]

    assert post_order(9, 0) == list(range(2**10 - 1))


@given(st.integers(0, 2000))
def test_a_tree_has_the_first_numbers_and_no_others(size):
    """The complete subtrees within a size have exactly the numbers below `nodes_in` of it."""
    numbers = {node_number(level, index) for level in range(12) for index in range(size >> level)}
    assert numbers == set(range(nodes_in(size)))


@given(st.integers(0, 20), st.integers(0, 5000))
def test_a_node_is_completed_by_its_last_leaf(level, index):
    """`completed_by` leads from a number back to the leaf that fills the subtree, and to its level."""
    assert completed_by(node_number(level, index)) == (((index + 1) << level) - 1, level)


@given(SIZES)
def test_a_leaf_comes_with_the_nodes_that_it_completes(size):
    """What `extend` gives for a leaf are its hash and the subtrees that end with it, from small to large."""
    _, trees = Frontier().extend([leaf_hash(data) for data in inputs(size)])
    for leaf, tree in enumerate(trees):
        levels = range(len(tree) // 32)
        assert [tree[32 * n : 32 * n + 32] for n in levels] == [NODES[nodes_in(leaf) + n] for n in levels]
        assert len(levels) == (~leaf & (leaf + 1)).bit_length()


@given(SIZES, st.lists(st.integers(0, 300), max_size=6))
def test_batches_do_not_matter(size, cuts):
    """However the leaves are cut into batches, the nodes and the root come out the same."""
    leaves = [leaf_hash(data) for data in inputs(size)]
    frontier, nodes = Frontier(), []
    cuts = [0, *sorted(min(cut, size) for cut in cuts), size]
    for start, end in pairwise(cuts):
        frontier, fresh = extended(leaves[start:end], frontier)
        nodes += fresh
        assert len(nodes) == nodes_in(end)
    assert nodes == NODES[: nodes_in(size)]
    assert frontier.root() == mth(inputs(size))


@given(SIZES)
def test_a_frontier_can_be_loaded_at_any_past_size(size):
    """The stored nodes named by `frontier_numbers` are the frontier that appending had left at that size."""
    frontier, _ = Frontier().extend([leaf_hash(data) for data in inputs(size)])
    assert frontier == Frontier(size, tuple(NODES[number] for number in frontier_numbers(size)))
    assert root_at(size, NODES.__getitem__) == frontier.root() == mth(inputs(size))


@given(SIZES)
def test_each_node_is_the_hash_of_the_leaves_below_it(size):
    """Under its number lies the root over exactly the leaves that a node covers."""
    data = inputs(size)
    for level in range(size.bit_length()):
        index = (size >> level) - 1
        assert NODES[node_number(level, index)] == mth(data[index << level : (index + 1) << level])


def test_leaves_and_inner_nodes_are_hashed_apart():
    """A leaf whose data are two hashes is not the node above those two."""
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    assert leaf_hash(left + right) != node_hash(left, right)


@pytest.mark.parametrize("leaf", [b"", b"\x00" * 31, b"\x00" * 33])
def test_only_hashes_are_appended(leaf):
    """A leaf of any length but 32 is a bug of the caller, who forgot to hash it."""
    with pytest.raises(LocalProtocolError):
        Frontier().extend([leaf])


def test_a_frontier_that_contradicts_its_size_is_not_extended():
    """A frontier with too few or too many hashes for its size is refused rather than built upon."""
    with pytest.raises(LocalProtocolError):
        Frontier(3, (leaf_hash(b""),)).extend([leaf_hash(b"")])


# Proofs


@given(sizes_and_indexes())
def test_inclusion_proofs_are_those_of_the_rfc_and_hold(of):
    """A proof from stored nodes equals the RFC's recursion, and its verifier accepts it."""
    size, index = of
    data = inputs(size)
    proof = inclusion_proof(index, size, NODES.__getitem__)
    assert proof == path(index, data)
    verify_inclusion(index, size, leaf_hash(data[index]), proof, mth(data))


@given(old_and_new_sizes())
def test_consistency_proofs_are_those_of_the_rfc_and_hold(sizes):
    """A proof from stored nodes equals the RFC's recursion, and its verifier accepts it."""
    old, new = sizes
    data = inputs(new)
    proof = consistency_proof(old, new, NODES.__getitem__)
    assert proof == subproof(old, data, True)
    verify_consistency(old, new, mth(data[:old]), mth(data), proof)


@given(sizes_and_indexes(), st.data())
def test_any_flipped_bit_breaks_an_inclusion_proof(of, data):
    """One bit of the leaf, the root or any hash of the proof decides."""
    size, index = of
    values = [NODES[node_number(0, index)], root_at(size, NODES.__getitem__)]
    values += inclusion_proof(index, size, NODES.__getitem__)
    at = data.draw(st.integers(0, len(values) - 1))
    values[at] = flipped(values[at], data.draw(st.integers(0, 255)))
    leaf, root, *proof = values
    with pytest.raises(VerificationError):
        verify_inclusion(index, size, leaf, proof, root)


@given(old_and_new_sizes(), st.data())
def test_any_flipped_bit_breaks_a_consistency_proof(sizes, data):
    """One bit of either root or any hash of the proof decides."""
    old, new = sizes
    values = [root_at(old, NODES.__getitem__), root_at(new, NODES.__getitem__)]
    values += consistency_proof(old, new, NODES.__getitem__)
    at = data.draw(st.integers(0, len(values) - 1))
    values[at] = flipped(values[at], data.draw(st.integers(0, 255)))
    old_root, new_root, *proof = values
    with pytest.raises(VerificationError):
        verify_consistency(old, new, old_root, new_root, proof)


@given(sizes_and_indexes(), st.data())
def test_a_leaf_is_proven_at_its_own_index_only(of, data):
    """The same leaf and proof are refused for every other index."""
    size, index = of
    other = data.draw(st.integers(-1, size).filter(lambda other: other != index))
    proof = inclusion_proof(index, size, NODES.__getitem__)
    with pytest.raises(VerificationError):
        verify_inclusion(other, size, NODES[node_number(0, index)], proof, root_at(size, NODES.__getitem__))


@given(old_and_new_sizes(), st.binary(min_size=32, max_size=32), st.data())
def test_proofs_of_the_wrong_length_are_refused(sizes, extra, data):
    """A hash too many or too few is refused, wherever it is."""
    old, new = sizes
    roots = root_at(old, NODES.__getitem__), root_at(new, NODES.__getitem__)
    leaf = NODES[node_number(0, old - 1)]
    for proof, verify in (
        (consistency_proof(old, new, NODES.__getitem__), lambda proof: verify_consistency(old, new, *roots, proof)),
        (inclusion_proof(old - 1, new, NODES.__getitem__), lambda p: verify_inclusion(old - 1, new, leaf, p, roots[1])),
    ):
        at = data.draw(st.integers(0, len(proof)))
        with pytest.raises(VerificationError):
            verify([*proof[:at], extra, *proof[at:]])
        if proof:
            with pytest.raises(VerificationError):
                verify([*proof[:at], *proof[at + 1 :]] if at < len(proof) else proof[:-1])


@given(old_and_new_sizes())
def test_a_rewritten_history_has_no_proof(sizes):
    """A tree whose first leaf differs is not consistent with the old one, by its own proof or by the true one."""
    old, new = sizes
    _, forged = extended([leaf_hash(b"forged"), *(leaf_hash(data) for data in inputs(new)[1:])])
    for nodes in (NODES, forged):
        proof = consistency_proof(old, new, nodes.__getitem__)
        with pytest.raises(VerificationError):
            verify_consistency(old, new, root_at(old, NODES.__getitem__), root_at(new, forged.__getitem__), proof)


@given(st.integers(0, 300))
def test_every_tree_continues_the_empty_one(new):
    """From size 0 the proof is empty, as C2SP's witness protocol has it."""
    root = root_at(new, NODES.__getitem__)
    assert consistency_proof(0, new, NODES.__getitem__) == []
    verify_consistency(0, new, EMPTY_ROOT, root, [])


@pytest.mark.parametrize(
    ("new", "old_root", "new_root", "proof"),
    [
        (1, leaf_hash(b""), leaf_hash(b""), []),
        (0, EMPTY_ROOT, leaf_hash(b""), []),
        (0, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT]),
        (1, EMPTY_ROOT, leaf_hash(b""), [leaf_hash(b"")]),
        (1, EMPTY_ROOT, b"", []),
    ],
)
def test_the_empty_tree_has_one_root_and_needs_no_proof(new, old_root, new_root, proof):
    """From size 0, another root of an empty tree, a proof of anything, or a root that is no hash is refused."""
    with pytest.raises(VerificationError):
        verify_consistency(0, new, old_root, new_root, proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 1), (5, 3), (0, SIZE_MAX + 1), (0, -1)])
def test_there_is_no_proof_of_a_leaf_outside_the_tree(index, size):
    """An index outside the tree is a bug when proving and a refusal when verifying."""
    with pytest.raises(LocalProtocolError):
        inclusion_proof(index, size, NODES.__getitem__)
    with pytest.raises(VerificationError):
        verify_inclusion(index, size, EMPTY_ROOT, [], EMPTY_ROOT)


def test_trees_beyond_the_largest_size_are_refused():
    """A proof that would hold is refused where sizes no longer fit 63 bits, so no walk outgrows its limit."""
    leaf, proof = leaf_hash(b""), [leaf_hash(b"right")] * 63
    root = reduce(node_hash, proof, leaf)
    verify_inclusion(0, SIZE_MAX, leaf, proof, root)
    verify_consistency(1, SIZE_MAX, leaf, root, proof)
    with pytest.raises(VerificationError):
        verify_inclusion(0, SIZE_MAX + 1, leaf, proof, root)
    with pytest.raises(VerificationError):
        verify_consistency(1, SIZE_MAX + 1, leaf, root, proof)


@pytest.mark.parametrize(("old", "new"), [(1, 0), (-1, 1), (4, 3), (1, SIZE_MAX + 1)])
def test_no_tree_continues_a_larger_one(old, new):
    """Sizes that shrink or have no meaning are a bug when proving and a refusal when verifying."""
    with pytest.raises(LocalProtocolError):
        consistency_proof(old, new, NODES.__getitem__)
    with pytest.raises(VerificationError):
        verify_consistency(old, new, EMPTY_ROOT, EMPTY_ROOT, [])


def test_the_largest_tree_has_proofs():
    """Whatever a log can grow to, its first leaf can be proven in it, and its first size continued by it."""
    assert len(inclusion_proof(0, SIZE_MAX, lambda _: EMPTY_ROOT)) == 63
    assert len(consistency_proof(1, SIZE_MAX, lambda _: EMPTY_ROOT)) == 63


def test_a_refusal_says_which_proof_is_wrong():
    """Who reads that a proof has the wrong length, or holds something else than hashes, reads which kind it was."""
    leaf = leaf_hash(b"")
    for proof, what in (([leaf], "1 hashes, expected 0"), ([], "a value that is not a hash")):
        root = b"" if not proof else leaf
        with pytest.raises(VerificationError, match=f"^inclusion proof (of|with) {what}"):
            verify_inclusion(0, 1, leaf, proof, root)
        for old, old_root in ((0, EMPTY_ROOT), (1, leaf)):
            with pytest.raises(VerificationError, match=f"^consistency proof (of|with) {what}"):
                verify_consistency(old, 1, old_root, root, proof)


@given(st.integers(1, SIZE_MAX), st.data())
def test_proofs_stay_short_at_any_size(size, data):
    """A proof has at most 63 hashes (one more for consistency) and reads few nodes, all of them within the tree."""
    read: list[int] = []

    def node(number: int) -> bytes:
        read.append(number)
        return sha256(b"%d" % number).digest()

    index = data.draw(st.integers(0, size - 1))
    assert len(inclusion_proof(index, size, node)) <= 63
    assert len(consistency_proof(index + 1, size, node)) <= 64
    assert len(read) <= 4 * 64
    assert all(0 <= number < nodes_in(size) for number in read)
