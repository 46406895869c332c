"""The byte form of what two nodes say about a home's other logs and its outbox; `wire` has the rest. PROTOCOL.md 5."""

from __future__ import annotations

from typing import Any, Final

from sync.entry import ID_SIZE, INT_MAX, bytes_ok, int_ok
from sync.errors import RemoteProtocolError
from sync.messages import Compare, Follow, LogAt, Logs, Message, OutboxAt, Recall, Roots, Succeed, Took, Vouch, Witness

COMPARED_COUNT_MAX: Final = 16
LOGS_COUNT_MAX: Final = 256
KEY_SIZE: Final = 32
ROOT_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64

OUTBOX_AT: Final = 20
VOUCH: Final = 22
WITNESS, RECALL, RETURNED = 23, 24, 25
PROOF_SIZES: Final = (64, 72)
ROWS_COUNT_MAX: Final = 4096
FRONTIER_COUNT_MAX: Final = 63
SUCCEED, COMPARE, ROOTS, LOGS, FOLLOW, TOOK = 13, 14, 15, 16, 17, 19
KINDS: Final[dict[type, int]] = {
    Succeed: SUCCEED, Compare: COMPARE, Roots: ROOTS, Logs: LOGS, Follow: FOLLOW, Took: TOOK,
    OutboxAt: OUTBOX_AT, Vouch: VOUCH, Witness: WITNESS, Recall: RECALL,
}  # fmt: skip


def message(kind: int, rest: list[Any]) -> Message:
    """One message from the elements behind its kind; raises RemoteProtocolError."""
    match rest:
        case [bytes(old), bytes(new), int(size), bytes(by_old), bytes(by_new)] if kind == SUCCEED:
            for key in (old, new):
                bytes_ok(key, "public key", KEY_SIZE)
            for signature in (by_old, by_new):
                bytes_ok(signature, "signature", SIGNATURE_SIZE)
            return Succeed(old, new, _size(size), by_old, by_new)
        case [bytes(by), bytes(key), bytes(signature)] if kind == VOUCH:
            for one in (by, key):
                bytes_ok(one, "public key", KEY_SIZE)
            bytes_ok(signature, "signature", SIGNATURE_SIZE)
            return Vouch(by, key, signature)
        case [bytes(log), list(sizes)] if kind == COMPARE:
            _count_ok(sizes, COMPARED_COUNT_MAX)
            return Compare(_log(log), [_size(size) for size in sizes])
        case [bytes(log), list(roots)] if kind == ROOTS:
            _count_ok(roots, COMPARED_COUNT_MAX)
            for root in roots:
                bytes_ok(root, "root", ROOT_SIZE)
            return Roots(_log(log), roots)
        case [list(logs)] if kind == LOGS:
            _count_ok(logs, LOGS_COUNT_MAX)
            return Logs([_log_at(one) for one in logs])
        case [bytes(log), int(size)] if kind in (FOLLOW, TOOK):
            return (Follow if kind == FOLLOW else Took)(_log(log), _size(size))
    return _about_outbox(kind, rest)


def _about_outbox(kind: int, rest: list[Any]) -> Message:
    match rest:
        case [int(epoch), int(size)] if kind == OUTBOX_AT:
            int_ok(epoch, "epoch", 1, INT_MAX)
            return OutboxAt(epoch, _size(size))
        case [bytes(log), int(epoch), int(size), bytes(root), bytes(proof)] if kind == WITNESS:
            int_ok(epoch, "epoch", 1, INT_MAX)
            bytes_ok(root, "root", ROOT_SIZE)
            bytes_ok(proof, "proof", PROOF_SIZES[len(proof) == PROOF_SIZES[1]])
            return Witness(_log(log), epoch, _size(size), root, proof)
        case [bytes(log), int(size), bytes(root)] if kind == RECALL:
            bytes_ok(root, "root", ROOT_SIZE)
            return Recall(_log(log), _size(size), root)
    raise RemoteProtocolError(f"a message of kind {kind} that does not fit its form")


def steps(seqs: list[int]) -> list[int]:
    """Each seq as its difference to the one before: mostly small."""
    return [seq - before for seq, before in zip(seqs, [0, *seqs], strict=False)]


def origins(logs: list[Any], named: list[Any], differences: list[Any]) -> tuple[list[bytes], list[int], list[int]]:
    """What a delivery says of where its entries are from: logs, a log's number for each stream, and seqs."""
    for items in (logs, named, differences):
        if len(items) > ROWS_COUNT_MAX:
            raise RemoteProtocolError(f"a delivery names more than {ROWS_COUNT_MAX} logs, streams or rows")
    for log in logs:
        bytes_ok(log, "log", ID_SIZE)
    for number in named:
        int_ok(number, "log of a stream", 0, len(logs) - 1)
    seqs, seq = [], 0
    for difference in differences:
        int_ok(difference, "difference of seqs", -INT_MAX, INT_MAX)
        seq += difference
        int_ok(seq, "seq", 1, INT_MAX)
        seqs.append(seq)
    return logs, named, seqs


def frontier(hashes: list[Any]) -> list[bytes]:
    """The right edge of a tree."""
    if len(hashes) > FRONTIER_COUNT_MAX:
        raise RemoteProtocolError(f"a tree's right edge has at most {FRONTIER_COUNT_MAX} nodes, found {len(hashes)}")
    for one in hashes:
        bytes_ok(one, "tree node", ROOT_SIZE)
    return hashes


def _log_at(element: Any) -> LogAt:
    match element:
        case [bytes(public_key), int(size), bytes(root)]:
            bytes_ok(public_key, "public key", KEY_SIZE)
            bytes_ok(root, "root", ROOT_SIZE)
            return LogAt(public_key, _size(size), root)
    raise RemoteProtocolError("a log is its key, its size and its root")


def _count_ok(items: list[Any], count_max: int) -> None:
    if not 0 < len(items) <= count_max:
        raise RemoteProtocolError(f"an array must have from 1 to {count_max} elements, found {len(items)}")


def _log(value: bytes) -> bytes:
    bytes_ok(value, "log", ID_SIZE)
    return value


def _size(value: object) -> int:
    int_ok(value, "size", 0, INT_MAX)
    assert isinstance(value, int)
    return value
