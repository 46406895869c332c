"""The byte form of what two nodes say about a home's other logs and its outbox; `wire` has the rest. PROTOCOL.md 5."""

from __future__ import annotations

from typing import Any, Final

from sync.entry import BODY_SIZE_BYTES_MAX, ID_SIZE, INT_MAX, bytes_ok, int_ok
from sync.errors import RemoteProtocolError
from sync.messages import (
    TREE_SIZE,
    About,
    Again,
    Compare,
    Content,
    Follow,
    LogAt,
    Logs,
    Message,
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

COMPARED_COUNT_MAX: Final = 16
LOGS_COUNT_MAX: Final = 256
KEY_SIZE: Final = 32
ROOT_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64

AGAIN_COUNT_MAX: Final = 16  # answered by as many messages, each of a body's largest size at most

OUTBOX_AT: Final = 20
VOUCH: Final = 22
WITNESS, RECALL, RETURNED = 23, 24, 25
PROOF_SIZES: Final = (64, 72)
WELCOME: Final = 27
AGAIN, CONTENT = 29, 30
ABOUT: Final = 33
SIGNED_COUNT_MAX: Final = 4096  # sizes, of all logs of a welcome together
ROWS_COUNT_MAX: Final = 4096
FRONTIER_COUNT_MAX: Final = 63
SUCCEED, COMPARE, ROOTS, LOGS, FOLLOW, TOOK = 13, 14, 15, 16, 17, 19
KINDS: Final[dict[type, int]] = {
    Succeed: SUCCEED, Compare: COMPARE, Roots: ROOTS, Logs: LOGS, Follow: FOLLOW, Took: TOOK,
    OutboxAt: OUTBOX_AT, Vouch: VOUCH, Witness: WITNESS, Recall: RECALL,
    Welcome: WELCOME, Again: AGAIN, Content: CONTENT, About: ABOUT,
}  # fmt: skip


def message(kind: int, rest: list[Any]) -> Message:
    """One message from the elements behind its kind; raises RemoteProtocolError."""
    if kind in (SUCCEED, VOUCH):
        return _introduction(kind, rest)
    match rest:
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
        case [bytes(log)] if kind == ABOUT:
            return About(_log(log))
    return _about_outbox(kind, rest)


def _about_outbox(kind: int, rest: list[Any]) -> Message:
    match rest:
        case [int(epoch), int(size), int(files), int(taken), bytes(tree)] if kind == OUTBOX_AT:
            int_ok(epoch, "epoch", 1, INT_MAX)
            bytes_ok(tree, "part of a root", TREE_SIZE if size else 0)
            return OutboxAt(epoch, _size(size), _size(files), _size(taken), tree)
        case [int(epoch), int(size), list(logs)] if kind == WELCOME:
            int_ok(epoch, "epoch", 0, INT_MAX)
            return Welcome(epoch, _size(size), _signed_logs(logs))
        case [bytes(log), int(epoch), int(size), bytes(root), bytes(proof)] if kind == WITNESS:
            int_ok(epoch, "epoch", 1, INT_MAX)
            bytes_ok(root, "root", ROOT_SIZE)
            bytes_ok(proof, "proof", PROOF_SIZES[len(proof) == PROOF_SIZES[1]])
            return Witness(_log(log), epoch, _size(size), root, proof)
        case [bytes(log), int(size), bytes(root)] if kind == RECALL:
            bytes_ok(root, "root", ROOT_SIZE)
            return Recall(_log(log), _size(size), root)
    return _about_content(kind, rest)


def _introduction(kind: int, rest: list[Any]) -> Message:
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
    raise RemoteProtocolError(f"a message of kind {kind} that does not fit its form")


def _about_content(kind: int, rest: list[Any]) -> Message:
    match rest:
        case [bytes(log), list(seqs)] if kind == AGAIN:
            _count_ok(seqs, AGAIN_COUNT_MAX)
            for seq in seqs:
                int_ok(seq, "seq", 1, INT_MAX)
            return Again(_log(log), seqs)
        case [bytes(log), int(seq), bytes(packed)] if kind == CONTENT:
            int_ok(seq, "seq", 1, INT_MAX)
            if len(packed) > BODY_SIZE_BYTES_MAX:
                raise RemoteProtocolError(f"a body may have {BODY_SIZE_BYTES_MAX} bytes, found {len(packed)}")
            return Content(_log(log), seq, packed)
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


def _signed_logs(elements: list[Any]) -> list[SignedLog]:
    if len(elements) > LOGS_COUNT_MAX:
        raise RemoteProtocolError(f"a welcome names more than {LOGS_COUNT_MAX} logs")
    found, count = [], 0
    for element in elements:
        match element:
            case [bytes(public_key), list(signed)]:
                bytes_ok(public_key, "public key", KEY_SIZE)
                found.append(SignedLog(public_key, [_signed(one) for one in signed]))
                count += len(signed)
            case _:
                raise RemoteProtocolError("a log of a welcome is its key and what it has signed")
    if count > SIGNED_COUNT_MAX:
        raise RemoteProtocolError(f"a welcome names more than {SIGNED_COUNT_MAX} sizes")
    return found


def _signed(element: Any) -> tuple[int, bytes, bytes]:
    match element:
        case [int(size), bytes(root), bytes(signature)]:
            bytes_ok(root, "root", ROOT_SIZE)
            bytes_ok(signature, "signature", SIGNATURE_SIZE)
            return _size(size), root, signature
    raise RemoteProtocolError("what a log has signed is a size, its root and the signature")


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
