"""The byte form of messages. `PROTOCOL.md` in this folder is normative; this module alone knows it.

    frame = length u32 | checksum u32 | dictionary u8 | length of the raw part u24 | raw part | zstd frame without magic

`length` counts what follows it; `checksum` is CRC-32 of what follows *it*: it finds a damaged line early and cheaply,
while the signatures inside find a liar. Only what bears entries (Push, Carry, Delivery, Returned) has a raw part and
may use a dictionary; `push_form` has its form, `compression` the dictionaries. Any other message is one msgpack array
[kind, …]; of these, `wire_logs` has those about other logs.

Everything here is bounded before memory is taken: the frame, the window and output of zstd, the depth and the counts of
msgpack. A byte of msgpack can become 72 of ours (an empty array), so the bound on a message is what bounds memory:
about 75 MB, for a moment, from a peer that tries.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

import msgpack

from sync import wire_logs
from sync.compression import LEVEL, NO_DICTIONARY, SHIPPED, compress, expand
from sync.entry import ID_SIZE, INT_MAX, ITEMS_COUNT_MAX, TIME_MS_MAX, bytes_ok, int_ok, text_ok
from sync.errors import FrameDamaged, RemoteProtocolError, UnknownKind
from sync.file_form import (
    CHUNKS_COUNT_MAX,
    FILE_KEY_SIZE,
    NAME_SIZE,
    SEALED_SIZE_BYTES_MAX,
    Manifest,
    check_manifest,
    check_ties,
)
from sync.hub_note import EPOCH_FIRST
from sync.messages import (
    Ack,
    AskPlain,
    Bring,
    Carry,
    Chunk,
    Confirm,
    Declined,
    Delivery,
    Held,
    Hello,
    Holds,
    Message,
    NoKey,
    Notice,
    Offer,
    Push,
    Receipt,
    Refusal,
    Remains,
    Resume,
    Returned,
)
from sync.push_form import OrdinalOf, SubjectOf, pack_push, unpack_push

PROTOCOL: Final = 1
PREFIX: Final = struct.Struct(">III")
FRAME_SIZE_BYTES_MAX: Final = 1024 * 1024 + 64 * 1024  # a message that no compression makes smaller still fits
MESSAGE_SIZE_BYTES_MAX: Final = 1024 * 1024

RAW_BITS: Final = 24
RAW_MASK: Final = (1 << RAW_BITS) - 1

HELLO, HELD, PUSH, ACK, CONFIRM, RECEIPT, REFUSAL, NO_KEY = 1, 2, 3, 4, 5, 6, 7, 8
OFFER, HOLDS, DECLINED, CHUNK, BRING = 9, 10, 11, 12, 31
CARRY, DELIVERY, ASK_PLAIN = 18, 21, 32
REMAINS, RESUME = 40, 41
KINDS: Final = {Hello: HELLO, Held: HELD, Ack: ACK, NoKey: NO_KEY, Confirm: CONFIRM, Receipt: RECEIPT,
                Refusal: REFUSAL, Holds: HOLDS, Declined: DECLINED, Chunk: CHUNK,
                AskPlain: ASK_PLAIN, Remains: REMAINS, Resume: RESUME, **wire_logs.KINDS}  # fmt: skip

KNOWN: Final = frozenset({*KINDS.values(), PUSH, OFFER, CARRY, DELIVERY, BRING, wire_logs.RETURNED})
FINGERPRINT_SIZE: Final = 8  # of the beginning of a frame
NOTICES: Final = range(64, 128)  # what later versions may say to those who do not know it


def encode(
    message: Message, level: int = LEVEL, *, dictionary: int = SHIPPED, ordinal_of: OrdinalOf | None = None
) -> bytes:
    """One message as one frame. The dictionary serves what bears entries, `ordinal_of` (see `push_form`) a Push."""
    match message:
        case Notice(kind):
            return _framed(NO_DICTIONARY, b"", msgpack.packb([kind]), level)
        case Push():
            raw, content = pack_push([PUSH], message, ordinal_of, MESSAGE_SIZE_BYTES_MAX)
        case Carry(log, push):
            raw, content = pack_push([CARRY, log], push, None, MESSAGE_SIZE_BYTES_MAX)
        case Delivery(log, push, logs, origins, seqs):
            before = [DELIVERY, log, logs, origins, wire_logs.steps(seqs)]
            raw, content = pack_push(before, push, None, MESSAGE_SIZE_BYTES_MAX)
        case Returned(epoch, frontier, logs, origins, seqs, push):
            before = [wire_logs.RETURNED, epoch, frontier, logs, origins, wire_logs.steps(seqs)]
            raw, content = pack_push(before, push, None, MESSAGE_SIZE_BYTES_MAX)
        case _:
            return _framed(NO_DICTIONARY, b"", msgpack.packb(_elements(message)), level)
    return _framed(dictionary, raw, content, level)


def _framed(dictionary: int, raw: bytes, content: bytes, level: int) -> bytes:
    if len(content) > MESSAGE_SIZE_BYTES_MAX:
        raise ValueError(f"a message may have {MESSAGE_SIZE_BYTES_MAX} bytes, this one has {len(content)}")
    rest = (dictionary << RAW_BITS | len(raw)).to_bytes(4, "big") + raw + compress(content, level, dictionary)
    return struct.pack(">II", len(rest) + 4, zlib.crc32(rest)) + rest


def _elements(message: Message) -> list[Any]:
    match message:
        case Offer((media, size, hashes), key, subjects, signature):
            return [OFFER, media, size, list(hashes), key, list(subjects), signature]
        case Bring(number, public_key, offer):
            return [BRING, number, public_key, *_elements(offer)[1:]]
        case _:
            return [KINDS[type(message)], *message]


class FrameBuffer:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take more bytes; give every frame that is now complete."""
        self._held += data
        while len(self._held) >= 4:
            length = int.from_bytes(self._held[:4], "big")
            if not 8 <= length <= FRAME_SIZE_BYTES_MAX:
                raise FrameDamaged(f"a frame says it has {length} bytes; at most {FRAME_SIZE_BYTES_MAX} may be")
            if len(self._held) < 4 + length:
                return
            frame = bytes(self._held[: 4 + length])
            del self._held[: 4 + length]
            yield frame

    @property
    def waiting(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return len(self._held)

    @property
    def begun(self) -> bytes:
        """The beginning of a frame that is not complete yet; nothing where a whole one waits."""
        is_begun = len(self._held) >= 4 and len(self._held) < 4 + int.from_bytes(self._held[:4], "big")
        return bytes(self._held) if is_begun else b""

    def resume(self, begun: bytes) -> None:
        """What comes next goes on behind this beginning of a frame."""
        self._held[:0] = begun


def decode(frame: bytes, subject_of: SubjectOf | None = None) -> Message:
    """Read one frame. `subject_of` gives the subjects of the log's streams by ordinal, None where it is not known.

    Raises:
        UnreadableForm: a push is packed with a dictionary or a reference that is not known here.
        UnknownKind: the peer is of a later version, and says what may not be passed over.
        RemoteProtocolError: for anything else that is not exactly a message; nothing else, whatever the bytes.
    """
    if not PREFIX.size <= len(frame) <= FRAME_SIZE_BYTES_MAX + 4:
        raise RemoteProtocolError(f"a frame of {len(frame)} bytes")
    length, checksum, form = PREFIX.unpack_from(frame)
    if length != len(frame) - 4:
        raise RemoteProtocolError(f"a frame says it has {length} bytes, {len(frame) - 4} are there")
    if zlib.crc32(frame[8:]) != checksum:
        raise FrameDamaged("a frame was damaged on the way: its checksum does not hold")
    dictionary, behind = form >> RAW_BITS, PREFIX.size + (form & RAW_MASK)
    if behind > len(frame):
        raise RemoteProtocolError("a frame whose uncompressed part is longer than itself")
    content = expand(frame[behind:], dictionary, MESSAGE_SIZE_BYTES_MAX)
    elements, rows = _split(content)
    if elements[0] not in KNOWN:
        return _unknown(elements[0])
    raw = frame[PREFIX.size : behind]
    if elements[0] in (PUSH, CARRY, DELIVERY, wire_logs.RETURNED):
        return _with_entries(elements, rows, raw, subject_of)
    if rows or dictionary != NO_DICTIONARY or raw:
        raise RemoteProtocolError("only what bears entries has rows, a dictionary and a part that is not compressed")
    return _message(elements)


def _unknown(kind: int) -> Notice:
    """What only a later version knows: something to pass over, or the end."""
    if kind in NOTICES:
        return Notice(kind)
    raise UnknownKind(kind)


def _with_entries(elements: list[Any], rows: bytes, raw: bytes, subject_of: SubjectOf | None) -> Message:
    match elements:
        case [kind, *head] if kind == PUSH:
            return unpack_push(head, rows, raw, subject_of)
        case [kind, bytes(log), *head] if kind == CARRY:
            bytes_ok(log, "log", ID_SIZE)
            return Carry(log, unpack_push(head, rows, raw, None))
        case [kind, bytes(log), list(logs), list(origins), list(steps), *head] if kind == DELIVERY:
            bytes_ok(log, "outbox", ID_SIZE)
            return Delivery(log, unpack_push(head, rows, raw, None), *wire_logs.origins(logs, origins, steps))
        case [wire_logs.RETURNED, int(epoch), list(frontier), list(logs), list(origins), list(steps), *head]:
            int_ok(epoch, "epoch", 1, INT_MAX)
            named = wire_logs.origins(logs, origins, steps)
            return Returned(epoch, wire_logs.frontier(frontier), *named, unpack_push(head, rows, raw, None))
    raise RemoteProtocolError(f"a message of kind {elements[0]} that does not fit its form")


def _split(content: bytes) -> tuple[list[Any], bytes]:
    """The array that begins with the message's kind, and what is behind it."""
    unpacker = msgpack.Unpacker(
        strict_map_key=False,
        max_buffer_size=MESSAGE_SIZE_BYTES_MAX,
        max_array_len=ITEMS_COUNT_MAX,
        max_map_len=ITEMS_COUNT_MAX,
        max_ext_len=0,
    )
    unpacker.feed(content)
    try:
        elements = unpacker.unpack()
    except (ValueError, RecursionError, TypeError, MemoryError, msgpack.exceptions.UnpackException) as error:
        raise RemoteProtocolError(f"a frame that is not msgpack: {error or type(error).__name__}") from None
    if not isinstance(elements, list) or not elements or type(elements[0]) is not int:
        raise RemoteProtocolError("a message is an array that begins with its kind")
    return elements, content[unpacker.tell() :]


def _message(elements: list[Any]) -> Message:
    match elements:
        case [kind, int(protocol), bytes(log), int(size), int(clock_ms)] if kind == HELLO:
            int_ok(protocol, "protocol", 0, INT_MAX)
            bytes_ok(log, "log", ID_SIZE)
            return Hello(protocol, log, _size(size), _clock(clock_ms))
        case [kind, int(size), int(clock_ms), bytes(root)] if kind == HELD:
            bytes_ok(root, "root", 32)
            return Held(_size(size), _clock(clock_ms), root)
        case [kind, int(size)] if kind == ACK:
            return Ack(_size(size))
        case [kind, int(size), list(ordinals)] if kind == NO_KEY:
            for ordinal in ordinals:
                int_ok(ordinal, "stream", 1, INT_MAX)
            return NoKey(_size(size), ordinals)
        case [kind, int(size), bytes(root), bytes(signature)] if kind == CONFIRM:
            bytes_ok(root, "root", 32)
            bytes_ok(signature, "signature", 64)
            return Confirm(_size(size), root, signature)
        case [kind, *rest] if kind == RECEIPT:
            return _receipt(rest)
        case [kind, str(code), str(text)] if kind == REFUSAL:
            text_ok(code, "code", 40)
            text_ok(text, "text", 2000)
            return Refusal(code, text)
        case [kind, int(size)] if kind == ASK_PLAIN:
            return AskPlain(_size(size))
        case [kind, *rest] if kind in (REMAINS, RESUME):
            return _about_a_cut(kind, rest)
        case [kind, *rest] if kind >= OFFER:
            return _about_file(kind, rest) if kind <= CHUNK or kind == BRING else wire_logs.message(kind, rest)
    raise RemoteProtocolError(f"a message of kind {elements[0]} that does not fit its form")


def _receipt(rest: list[Any]) -> Receipt:
    match rest:
        case [int(size), bytes(cosignature), int(epoch), int(backed_up_to), int(thousandths), bytes(signature)]:
            bytes_ok(cosignature, "cosignature", 72)
            int_ok(epoch, "epoch", EPOCH_FIRST, INT_MAX)
            int_ok(backed_up_to, "entries in the backup", 0, _size(size))
            int_ok(thousandths, "thousandths", 0, 999)
            bytes_ok(signature, "signature", 64)
            return Receipt(size, cosignature, epoch, backed_up_to, thousandths, signature)
    raise RemoteProtocolError("a receipt that does not fit its form, or without the hub's note")


def _about_a_cut(kind: int, rest: list[Any]) -> Message:
    match rest:
        case [int(size_bytes), bytes(fingerprint)] if kind == REMAINS:
            int_ok(size_bytes, "bytes", 1, FRAME_SIZE_BYTES_MAX)
            bytes_ok(fingerprint, "fingerprint", FINGERPRINT_SIZE)
            return Remains(size_bytes, fingerprint)
        case [int(size_bytes)] if kind == RESUME:
            int_ok(size_bytes, "bytes", 1, FRAME_SIZE_BYTES_MAX)
            return Resume(size_bytes)
    raise RemoteProtocolError(f"a message of kind {kind} that does not fit its form")


def _about_file(kind: int, rest: list[Any]) -> Message:
    match rest:
        case [str(media), int(size), list(hashes), bytes(key), list(subjects), bytes(signature)] if kind == OFFER:
            manifest = Manifest(media, size, tuple(hashes))
            check_manifest(manifest)
            bytes_ok(key, "file key", FILE_KEY_SIZE)
            check_ties(tuple(subjects))
            bytes_ok(signature, "signature", 64)
            return Offer(manifest, key, tuple(subjects), signature)
        case [int(number), bytes(public_key), *elements] if kind == BRING:
            int_ok(number, "number", 1, INT_MAX)
            bytes_ok(public_key, "public key", 32)
            offer = _about_file(OFFER, elements)
            assert isinstance(offer, Offer)
            return Bring(number, public_key, offer)
        case [bytes(name), int(chunks)] if kind == HOLDS:
            bytes_ok(name, "file name", NAME_SIZE)
            int_ok(chunks, "chunks", 0, CHUNKS_COUNT_MAX)
            return Holds(name, chunks)
        case [bytes(name), str(code), str(text)] if kind == DECLINED:
            bytes_ok(name, "file name", NAME_SIZE)
            text_ok(code, "code", 40)
            text_ok(text, "text", 2000)
            return Declined(name, code, text)
        case [bytes(name), int(number), bytes(sealed)] if kind == CHUNK:
            bytes_ok(name, "file name", NAME_SIZE)
            int_ok(number, "chunk", 0, CHUNKS_COUNT_MAX - 1)
            if len(sealed) > SEALED_SIZE_BYTES_MAX:
                raise RemoteProtocolError(f"a chunk may have {SEALED_SIZE_BYTES_MAX} bytes, this one has {len(sealed)}")
            return Chunk(name, number, sealed)
    raise RemoteProtocolError(f"a message of kind {kind} that does not fit its form")


def _size(value: int) -> int:
    int_ok(value, "size", 0, INT_MAX)
    return value


def _clock(value: int) -> int:
    int_ok(value, "clock", -TIME_MS_MAX, TIME_MS_MAX)
    return value
