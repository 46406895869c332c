r"""RFC 6962 Merkle trees over an append-only log. Pure: hashes and numbers in, hashes and numbers out.

The tree over n leaves splits at the largest power of two below n, on every level, so its left parts are always
*complete* (2^l leaves) and only the right edge is ragged. A complete subtree never changes once it is full, and every
hash on the ragged edge can be had from complete ones. Hence only the complete subtrees are stored:

    level 2               6                      size 7: three complete subtrees, nodes 6, 9 and 10
                      /       \
    level 1         2           5           9
                  /   \       /   \       /   \
    level 0      0     1     3     4     7     8     10
    leaf         0     1     2     3     4     5     6

They are numbered in the order in which they fill up: each leaf, then the subtrees that it completes, from small to
large (post-order). Appending leaves therefore only ever appends nodes, and the nodes of a tree of size n are exactly
the first `nodes_in(n)` numbers, whatever the log grows to later. The trees of all past sizes are prefixes of one array.

Why the numbers are what they are: before leaf i there are i leaves and one inner node for every merge so far. Each
merge makes two complete subtrees into one, and popcount(i) of them are left of i, so i - popcount(i) merges happened:
leaf i is number 2*i - popcount(i). A subtree on level l is completed by its last leaf and follows it l places later.

The *frontier* of a size is the roots of its complete subtrees, largest first: one for each 1-bit of the size. It is all
that appending and the root need. A leaf is pushed, and as many merges follow as the old size has trailing 1-bits.

A proof is a walk down from the root to a goal. At every split the walk goes left or right, and the proof holds the root
of the part not taken. The turns follow from the sizes alone, so a verifier knows how many hashes must come and on which
side each belongs; a proof of another length is wrong before anything is hashed.

Everywhere a `leaf` or `leaves` means leaf *hashes*, as `leaf_hash` makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from hashlib import sha256
from typing import Final, NamedTuple

from sync.errors import LocalProtocolError, VerificationError

HASH_SIZE: Final = 32
SIZE_MAX: Final = 2**63 - 1  # also bounds every walk: no proof is longer than 63 hashes, plus one for consistency
EMPTY_ROOT: Final = sha256(b"").digest()

NodeReader = Callable[[int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Hash what a leaf stands for; the prefix keeps leaves and inner nodes apart."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into the one above them."""
    return sha256(b"\x01" + left + right).digest()


def nodes_in(size: int) -> int:
    """Count the complete subtrees in a tree of this size; their numbers are 0 up to this, exclusive."""
    return 2 * size - size.bit_count()


def node_number(level: int, index: int) -> int:
    """Number of the complete subtree over the leaves from index * 2^level to (index + 1) * 2^level, exclusive."""
    last_leaf = ((index + 1) << level) - 1
    return nodes_in(last_leaf) + level


def completed_by(number: int) -> tuple[int, int]:
    """The leaf that completes the subtree with this number, and the subtree's level: the inverse of `node_number`."""
    leaf = number // 2
    while nodes_in(leaf + 1) <= number:  # at most half as many times as the number has bits
        leaf += 1
    return leaf, number - nodes_in(leaf)


def frontier_numbers(size: int) -> list[int]:
    """Numbers of the nodes that make up the frontier at this size, largest subtree first."""
    return _complete_subtrees(0, size)


class Frontier(NamedTuple):
    """A tree of some size, as far as appending to it needs: the roots of its complete subtrees, largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        """The RFC 6962 root of the tree."""
        return _root_over(self.hashes)

    def extend(self, leaves: Sequence[bytes]) -> tuple[Frontier, list[bytes]]:
        """Append leaf hashes; give the new frontier, and for each leaf the nodes that it completes.

        These are its own hash and those of the subtrees that it fills, from small to large, as one run of bytes. Put
        together they are the new nodes from number `nodes_in(self.size)` on.
        """
        if len(self.hashes) != self.size.bit_count():
            raise LocalProtocolError(f"a frontier of size {self.size} has {len(self.hashes)} hashes")
        stack = list(self.hashes)
        completed: list[bytes] = []
        pop = stack.pop  # the loop is the cost of every import and first sync, so nothing in it is looked up twice
        for size, leaf in enumerate(leaves, self.size):
            if len(leaf) != HASH_SIZE:
                raise LocalProtocolError(f"leaf {size} is {len(leaf)} bytes, not a hash of {HASH_SIZE}")
            nodes = node = leaf
            merges = size
            while merges & 1:
                node = sha256(b"\x01" + pop() + node).digest()
                nodes += node
                merges >>= 1
            completed.append(nodes)
            stack.append(node)
        return Frontier(self.size + len(leaves), tuple(stack)), completed


def root_at(size: int, node: NodeReader) -> bytes:
    """Root of the tree as it was at any size, from the stored nodes."""
    return _range_root(0, size, node)


def inclusion_proof(index: int, size: int, node: NodeReader) -> list[bytes]:
    """Prove that the leaf at `index` (from 0) is in the tree of `size`: RFC 6962's audit path, lowest hash first."""
    if not 0 <= index < size <= SIZE_MAX:
        raise LocalProtocolError(f"no leaf {index} in a tree of size {size}")
    turns, _ = _walk(index, size)
    return [_range_root(turn.start, turn.end, node) for turn in turns]


def consistency_proof(old: int, new: int, node: NodeReader) -> list[bytes]:
    """Prove that the tree of size `new` continues the tree of size `old`; empty from 0, see `verify_consistency`."""
    if not 0 <= old <= new <= SIZE_MAX:
        raise LocalProtocolError(f"a tree of size {new} cannot continue one of size {old}")
    if old == 0:
        return []
    turns, goal = _walk(old - 1, new, goal_end=old)
    proof = [_range_root(turn.start, turn.end, node) for turn in turns]
    if goal:  # a goal that starts at 0 is the whole old tree, and the verifier knows its root
        proof.insert(0, _range_root(goal, old, node))
    return proof


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raise `VerificationError` unless the proof shows that `leaf` is at `index` in the tree of this size and root."""
    if not 0 <= index < size <= SIZE_MAX:
        raise VerificationError(f"no leaf {index} in a tree of size {size}")
    turns, _ = _walk(index, size)
    _check_hashes("inclusion", len(turns), proof, (leaf, root))
    seen = leaf
    for turn, other in zip(turns, proof, strict=True):
        seen = node_hash(other, seen) if turn.on_left else node_hash(seen, other)
    if seen != root:
        raise VerificationError(f"leaf {index} of {size}: proof leads to root {seen.hex()}, expected {root.hex()}")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise `VerificationError` unless the proof shows that the new tree continues the old one.

    From size 0 we follow C2SP's witness protocol: every tree continues the empty one, and the proof is empty. RFC 6962
    leaves that case open, and some verifiers refuse it as saying nothing. It does say nothing of a `new_root` over
    leaves, but an empty tree on either side must still have the root of the empty tree.
    """
    if not 0 <= old <= new <= SIZE_MAX:
        raise VerificationError(f"a tree of size {new} cannot continue one of size {old}")
    if old == 0:
        _check_hashes("consistency", 0, proof, (old_root, new_root))
        if old_root != EMPTY_ROOT or (new == 0 and new_root != EMPTY_ROOT):
            raise VerificationError("an empty tree whose root is not that of the empty tree")
        return
    turns, goal = _walk(old - 1, new, goal_end=old)
    _check_hashes("consistency", len(turns) + bool(goal), proof, (old_root, new_root))
    seed, *others = proof if goal else (old_root, *proof)
    seen_old = seen_new = seed
    for turn, other in zip(turns, others, strict=True):
        if turn.on_left:
            seen_old = node_hash(other, seen_old)
            seen_new = node_hash(other, seen_new)
        else:
            seen_new = node_hash(seen_new, other)
    if seen_old != old_root:
        raise VerificationError(f"size {old}: proof leads to root {seen_old.hex()}, expected {old_root.hex()}")
    if seen_new != new_root:
        raise VerificationError(f"size {new}: proof leads to root {seen_new.hex()}, expected {new_root.hex()}")


class _Turn(NamedTuple):
    """A split on a walk: the part that was not taken, and on which side of the walk it lies."""

    start: int
    end: int
    on_left: bool


def _walk(index: int, size: int, goal_end: int | None = None) -> tuple[list[_Turn], int]:
    """Walk from the root to a leaf, or only to the first part that ends at `goal_end`.

    Gives the turns from the goal upwards, as proofs have them, and where the goal starts.
    """
    turns: list[_Turn] = []
    start, end = 0, size
    while end - start > 1 and end != goal_end:
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        if index < middle:
            turns.append(_Turn(middle, end, on_left=False))
            end = middle
        else:
            turns.append(_Turn(start, middle, on_left=True))
            start = middle
    return turns[::-1], start


def _complete_subtrees(start: int, end: int) -> list[int]:
    """Node numbers that cover these leaves, largest first; `start` is where a walk can begin a part (aligned to it)."""
    numbers = []
    while start < end:
        level = (end - start).bit_length() - 1
        numbers.append(node_number(level, start >> level))
        start += 1 << level
    return numbers


def _range_root(start: int, end: int, node: NodeReader) -> bytes:
    """Root over the leaves from `start` to `end`, exclusive."""
    return _root_over([node(number) for number in _complete_subtrees(start, end)])


def _root_over(hashes: Sequence[bytes]) -> bytes:
    """Join the roots of complete subtrees, largest first: the ragged edge is folded from the right."""
    if not hashes:
        return EMPTY_ROOT
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))


def _check_hashes(kind: str, count: int, proof: Sequence[bytes], others: Sequence[bytes]) -> None:
    """Refuse a proof of the wrong length, and anything in it that is not a hash."""
    if len(proof) != count:
        raise VerificationError(f"{kind} proof of {len(proof)} hashes, expected {count}")
    if any(len(value) != HASH_SIZE for value in (*proof, *others)):
        raise VerificationError(f"{kind} proof with a value that is not a hash of {HASH_SIZE} bytes")
