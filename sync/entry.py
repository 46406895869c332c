"""The entry, format 1: what is hashed, what can be erased, and which keys tie the two together.

    stream key (32 random bytes, made by the writing node, one a stream)
        |- HKDF "homeward/stream/1" -> label key  : stream id = HMAC-SHA-256(label key, log id | subject), 16 bytes
        |- HKDF "homeward/salt/1"   -> salt key   : salt      = HMAC-SHA-256(salt key,  log id | seq)
        `- HKDF "homeward/seal/1"   -> seal key   : seals the body at rest

    body       = msgpack [type, actor, subject, lamport, recorded-at ms, deps, payload, extensions]
    commitment = SHA-256("homeward/entry/1" | salt | body)          entry id = its first 16 bytes
    header     = format and suite 1 | log id 16 | seq u64 | stream id 16 | commitment 32      (73 bytes, big-endian)
    leaf       = RFC 6962 leaf hash of the header

Destroying the stream key makes the body unreadable *and* the commitment unguessable (the salt is gone), while the
header, and so every proof, still stands. Only log, seq, stream id and commitment survive an erasure.

A body is strict when read: exactly the bytes that packing its values gives again, no floats, NFC text, bounded depth
and size. A value has therefore one byte string; only the order of a map's keys is free, and kept as it was written.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple
from unicodedata import is_normalized

import msgpack

from sync.errors import RemoteProtocolError
from sync.merkle import leaf_hash

FORMAT_SUITE: Final = 0x01  # format 1, suite SHA-256 + Ed25519; other suites take other values of this byte
HEADER: Final = struct.Struct(">B16sQ16s32s")
COMMITMENT_TAG: Final = b"homeward/entry/1"
ID_SIZE: Final = 16
STREAM_KEY_SIZE: Final = 32
ERASED: Final = "erased/1"  # the type under which an entry without a body is read

BODY_SIZE_BYTES_MAX: Final = 256 * 1024
DEPTH_MAX: Final = 8
TEXT_SIZE_BYTES_MAX: Final = 64 * 1024
ITEMS_COUNT_MAX: Final = 4096
LAMPORT_MAX: Final = 2**53
TIME_MS_MAX: Final = 253_402_300_800_000  # year 10000
INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

EXT_FIRST_ID: Final = 1  # id under which this event was first recorded, before a fork
EXT_STOOD: Final = 4  # [log, seq, id, lamport] of a hub's own entry in a log of its own that was lost; see `taken_back`
EXT_BEHIND: Final = 5  # beside EXT_STOOD: id of the entry before it in its stream, where it stood; empty for none
EXT_SAW: Final = 6  # ids of entries with EXT_BEHIND that the author had seen, listed where they are new to the stream
EXT_STAFF_SIGNATURE: Final = 2  # [person, key id, signature] over the seven other elements
EXT_SOURCE: Final = 3  # [source name, number]: what an imported entry was made from; unique among a home's entries

_NO_SALT: Final = bytes(32)
_KEY_INFOS: Final = (b"homeward/stream/1\x01", b"homeward/salt/1\x01", b"homeward/seal/1\x01")
_KEY_KINDS: Final = frozenset({str, bytes, int})
_PLAIN_KINDS: Final = frozenset({bytes, bool, type(None)})
_pack = msgpack.Packer().pack  # made once; it keeps nothing from one call to the next

Deps = Mapping[bytes, int]


class Body(NamedTuple):
    """What an entry says. Times in milliseconds since 1970 as the node's clock said; ids are 16 bytes."""

    type: str
    actor: str
    subject: bytes
    lamport: int
    recorded_at_ms: int
    deps: Deps
    payload: Any
    extensions: Mapping[int, Any]


class StreamKeys(NamedTuple):
    """The three keys derived from a stream key."""

    label: bytes
    salt: bytes
    seal: bytes


def derive_unremembered(stream_key: bytes) -> StreamKeys:
    """The keys of a stream, kept by nobody: for a received key, which may be that of somebody who was erased here."""
    extracted = hmac.digest(_NO_SALT, stream_key, "sha256")  # RFC 5869 with SHA-256, no salt, one block of output
    return StreamKeys._make(hmac.digest(extracted, info, "sha256") for info in _KEY_INFOS)


@lru_cache(maxsize=16384)
def derive(stream_key: bytes) -> StreamKeys:
    """The keys of a stream, from the 32 bytes that only its holders know; an erasure clears what is remembered."""
    return derive_unremembered(stream_key)


def stream_id(label_key: bytes, log: bytes, subject: bytes) -> bytes:
    """The stream's pseudonym: 16 bytes that say nothing once the key is gone."""
    return hmac.digest(label_key, log + subject, "sha256")[:ID_SIZE]


def log_id(public_key: bytes) -> bytes:
    """A log's id: the first 16 bytes of SHA-256 of its Ed25519 public key."""
    return hashlib.sha256(public_key).digest()[:ID_SIZE]


def origin(log: bytes) -> str:
    """The name under which a log signs: the origin line of its checkpoints."""
    return f"homeward/{log.hex()}"


def commitment(salt_key: bytes, log: bytes, seq: int, body: bytes) -> bytes:
    """What the header says of the body: 32 bytes."""
    salt = hmac.digest(salt_key, log + seq.to_bytes(8, "big"), "sha256")
    return hashlib.sha256(COMMITMENT_TAG + salt + body).digest()


def header(log: bytes, seq: int, stream: bytes, committed: bytes) -> bytes:
    """The 73 bytes that the Merkle leaf covers."""
    return HEADER.pack(FORMAT_SUITE, log, seq, stream, committed)


def leaf(log: bytes, seq: int, stream: bytes, committed: bytes) -> bytes:
    """The entry's RFC 6962 leaf hash."""
    return leaf_hash(HEADER.pack(FORMAT_SUITE, log, seq, stream, committed))


def pack_body(body: Body) -> bytes:
    """The one byte form of a body; refuses what could not be read back."""
    try:
        packed: bytes = _pack(body)
    except (ValueError, OverflowError, TypeError) as error:
        raise RemoteProtocolError(f"an entry that has no byte form: {error}") from None
    if len(packed) > BODY_SIZE_BYTES_MAX:
        raise RemoteProtocolError(f"an entry may have {BODY_SIZE_BYTES_MAX} bytes, this one has {len(packed)}")
    return packed


def unpack_body(packed: bytes) -> Body:
    """Read a body that this node has stored: shape only, since the store's proofs cover the bytes."""
    return Body._make(msgpack.unpackb(packed, strict_map_key=False))


class BodyGlance:
    """Reads of bodies that this node has stored what they are about, and only walks over the rest. For one thread."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(strict_map_key=False)

    def __call__(self, packed: bytes) -> tuple[Any, Any]:
        """Type and subject of a body; raises ValueError where it is not the packing of eight elements."""
        unpacker = self._unpacker
        try:
            unpacker.feed(packed)
            count = unpacker.read_array_header()
            kind, _, subject = unpacker.unpack(), unpacker.skip(), unpacker.unpack()
            for _ in range(len(Body._fields) - 3):
                unpacker.skip()
            rest = unpacker.read_bytes(1)
        except (ValueError, TypeError, msgpack.OutOfData) as error:
            self._unpacker = msgpack.Unpacker(strict_map_key=False)  # it would go on where it stopped
            raise ValueError(str(error) or "it ends too early") from None
        if count != len(Body._fields) or rest:
            self._unpacker = msgpack.Unpacker(strict_map_key=False)
            raise ValueError(f"{len(packed)} bytes that are not a body of eight elements")
        return kind, subject


def read_body(packed: bytes) -> Body:
    """Read a body of unknown origin strictly.

    Raises:
        RemoteProtocolError: it is not exactly the packing of a body within bounds.
    """
    if len(packed) > BODY_SIZE_BYTES_MAX:
        raise RemoteProtocolError(f"a body may have {BODY_SIZE_BYTES_MAX} bytes, found {len(packed)}")
    try:
        elements = msgpack.unpackb(packed, strict_map_key=False, max_array_len=ITEMS_COUNT_MAX)
    except (ValueError, RecursionError, TypeError) as error:
        raise RemoteProtocolError(f"a body that is not msgpack: {error or type(error).__name__}") from None
    if not isinstance(elements, list) or len(elements) != len(Body._fields):
        raise RemoteProtocolError("a body has eight elements")
    body = Body._make(elements)
    check_body(body)
    if pack_body(body) != packed:
        raise RemoteProtocolError("a body that is not in canonical packing")
    return body


def check_body(body: Body) -> None:
    """Refuse a body whose elements are of the wrong kind or out of bounds."""
    kind, actor, subject, lamport, recorded_at_ms, deps, payload, extensions = body
    text_ok(kind, "type", 120)
    text_ok(actor, "actor", 120)
    bytes_ok(subject, "subject", ID_SIZE)
    int_ok(lamport, "lamport", 1, LAMPORT_MAX)
    int_ok(recorded_at_ms, "recorded-at", 0, TIME_MS_MAX)
    if not isinstance(deps, dict) or not isinstance(extensions, dict):
        raise RemoteProtocolError("deps and extensions are maps")
    for log, seq in deps.items():
        bytes_ok(log, "log in deps", ID_SIZE)
        int_ok(seq, "seq in deps", 1, INT_MAX)
    for key in extensions:
        int_ok(key, "extension key", 0, 127)
    _check_items((payload, *extensions.values()), 0)


def text_ok(value: object, name: str, size_max: int) -> None:
    """Refuse what is not NFC text within bounds."""
    if type(value) is not str or len(value) > size_max or not (value.isascii() or is_normalized("NFC", value)):
        raise RemoteProtocolError(f"{name} must be NFC text of at most {size_max} characters")


def bytes_ok(value: object, name: str, size: int) -> None:
    """Refuse what is not bytes of exactly this size."""
    if type(value) is not bytes or len(value) != size:
        raise RemoteProtocolError(f"{name} must be {size} bytes")


def int_ok(value: object, name: str, low: int, high: int) -> None:
    """Refuse what is not an integer in [low, high]."""
    if type(value) is not int or not low <= value <= high:
        raise RemoteProtocolError(f"{name} must be an integer from {low} to {high}, found {value!r:.60}")


def _check_items(items: Iterable[Any], depth: int) -> None:
    """Refuse floats, unnormalised text, odd keys and anything deeper or larger than the bounds.

    Everything that is recorded or received comes through here, so the ordinary kinds are looked at in place.
    """
    for item in items:
        kind = type(item)
        if kind is str:
            if len(item) > TEXT_SIZE_BYTES_MAX or not (item.isascii() or is_normalized("NFC", item)):
                raise RemoteProtocolError("text must be NFC and within bounds")
        elif kind is int:
            if not INT_MIN <= item <= INT_MAX:
                raise RemoteProtocolError("an integer out of bounds")
        elif kind is list or kind is dict:
            if depth >= DEPTH_MAX or len(item) > ITEMS_COUNT_MAX:
                raise RemoteProtocolError(f"a {'map' if kind is dict else 'list'} too deep or too large")
            if kind is dict:
                if not _KEY_KINDS.issuperset(map(type, item)):
                    raise RemoteProtocolError("a map key must be text, bytes or an integer")
                _check_items(item, depth + 1)
                _check_items(item.values(), depth + 1)
            else:
                _check_items(item, depth + 1)
        elif kind not in _PLAIN_KINDS:
            raise RemoteProtocolError(f"a {kind.__name__} has no place in an entry")


def entry_id(committed: bytes) -> bytes:
    """An entry's own id: the first 16 bytes of its commitment."""
    return committed[:ID_SIZE]
