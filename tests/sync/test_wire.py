"""Frames: every message there and back, and anything else a RemoteProtocolError in bounded time and memory."""

from __future__ import annotations

import struct
import tracemalloc
import unicodedata
import zlib

import msgpack
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sync import compression, wire, wire_logs
from sync.entry import INT_MAX, TIME_MS_MAX
from sync.errors import RemoteProtocolError, UnknownKind
from sync.file_form import CHUNK_SIZE_BYTES, CHUNKS_COUNT_MAX, SEALED_SIZE_BYTES_MAX, Manifest
from sync.messages import (
    TREE_SIZE,
    About,
    Ack,
    Again,
    AskPlain,
    Beginning,
    Bring,
    Carry,
    Chunk,
    Compare,
    Confirm,
    Content,
    Declined,
    Delivery,
    Follow,
    Held,
    Hello,
    Holds,
    LogAt,
    Logs,
    NoKey,
    Notice,
    Offer,
    OutboxAt,
    Push,
    PushRow,
    Recall,
    Receipt,
    Refusal,
    Remains,
    Resume,
    Returned,
    Roots,
    SignedLog,
    Succeed,
    Took,
    Vouch,
    Welcome,
    Witness,
)
from sync.push_form import pack_push
from sync.wire import FrameBuffer, decode, encode

MIB = 1024 * 1024


MAGICLESS = zstandard.FORMAT_ZSTD1_MAGICLESS


def frame_of(rest: bytes, dictionary: int = 0, raw: bytes = b"") -> bytes:
    """A frame whose length and checksum hold, around anything."""
    rest = struct.pack(">I", dictionary << 24 | len(raw)) + raw + rest
    return struct.pack(">II", len(rest) + 4, zlib.crc32(rest)) + rest


def framed(packed: bytes, raw: bytes = b"", **compression) -> bytes:
    params = zstandard.ZstdCompressionParameters.from_level(3, format=MAGICLESS, **compression)
    return frame_of(zstandard.ZstdCompressor(compression_params=params).compress(packed), raw=raw)


def names(size_max: int):
    plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=size_max // 3)
    return plain.map(lambda s: unicodedata.normalize("NFC", s))


def exactly(size: int):
    return st.binary(min_size=size, max_size=size)


sizes, clocks = st.integers(0, INT_MAX), st.integers(-TIME_MS_MAX, TIME_MS_MAX)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | names(30) | st.binary(max_size=20)
values = st.recursive(
    scalars,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(names(9) | st.integers(0, 9), v, max_size=3),
    max_leaves=8,
)
rows = st.builds(
    PushRow,
    ordinal=st.integers(1, 2**40),
    type=names(30),
    actor=names(30),
    lamport=st.integers(1, 2**53),
    recorded_at_ms=st.integers(0, TIME_MS_MAX),
    deps=st.dictionaries(exactly(16), st.integers(1, INT_MAX), max_size=2),
    payload=values,
    extensions=st.dictionaries(st.integers(0, 127), values, max_size=2),
)
beginnings = st.builds(Beginning, subject=exactly(16), key=exactly(32), name=st.none() | exactly(16))
pushes = st.builds(
    Push,
    start=st.integers(0, 2**62),
    first_ordinal=st.integers(1, 2**40),
    streams=st.lists(beginnings, max_size=3),
    rows=st.lists(rows, max_size=4),
    root=exactly(32),
    signature=exactly(64),
)
offers = st.builds(
    Offer,
    manifest=st.lists(exactly(32), min_size=1, max_size=5).flatmap(
        lambda hashes: st.builds(
            Manifest,
            media=names(80),
            size=st.integers(CHUNK_SIZE_BYTES * (len(hashes) - 1) + 1, CHUNK_SIZE_BYTES * len(hashes)),
            hashes=st.just(tuple(hashes)),
        )
    ),
    key=exactly(32),
    subjects=st.lists(exactly(16), min_size=1, max_size=4, unique=True).map(tuple),
    signature=exactly(64),
)
messages = (
    st.builds(Hello, protocol=sizes, log=exactly(16), size=sizes, clock_ms=clocks)
    | st.builds(Held, size=sizes, clock_ms=clocks, root=exactly(32))
    | pushes
    | st.builds(Ack, size=sizes)
    | st.builds(Remains, size_bytes=st.integers(1, wire.FRAME_SIZE_BYTES_MAX), fingerprint=exactly(8))
    | st.builds(Resume, size_bytes=st.integers(1, wire.FRAME_SIZE_BYTES_MAX))
    | st.builds(AskPlain, size=sizes)
    | st.builds(About, log=exactly(16))
    | st.builds(Confirm, size=sizes, root=exactly(32), signature=exactly(64))
    | st.builds(
        Receipt,
        size=st.just(9) | sizes.filter(lambda n: n > 9),
        cosignature=exactly(72),
        epoch=st.integers(1, 2**63 - 1),
        backed_up_to=st.integers(0, 9),
        thousandths=st.integers(0, 999),
        signature=exactly(64),
    )
    | st.builds(Refusal, code=names(40), text=names(200))
    | offers
    | st.builds(Bring, number=st.integers(1, INT_MAX), public_key=exactly(32), offer=offers)
    | st.builds(Holds, name=exactly(32), chunks=st.integers(0, 123))
    | st.builds(Declined, name=exactly(32), code=names(40), text=names(200))
    | st.builds(Chunk, name=exactly(32), number=st.integers(0, 122), sealed=st.binary(max_size=300))
    | st.builds(
        Succeed,
        old_key=exactly(32),
        new_key=exactly(32),
        size=sizes,
        old_signature=exactly(64),
        new_signature=exactly(64),
    )
    | st.builds(Compare, log=exactly(16), sizes=st.lists(sizes, min_size=1, max_size=16))
    | st.builds(Roots, log=exactly(16), roots=st.lists(exactly(32), min_size=1, max_size=16))
    | st.builds(
        Logs,
        logs=st.lists(st.builds(LogAt, public_key=exactly(32), size=sizes, root=exactly(32)), min_size=1, max_size=5),
    )
    | st.builds(Follow, log=exactly(16), size=sizes)
    | st.builds(Carry, log=exactly(16), push=pushes)
    | st.builds(Took, log=exactly(16), size=sizes)
    | st.builds(Again, log=exactly(16), seqs=st.lists(st.integers(1, INT_MAX), min_size=1, max_size=16))
    | st.builds(Content, log=exactly(16), seq=st.integers(1, INT_MAX), packed=st.binary(max_size=300))
    | st.builds(OutboxAt, st.integers(1, INT_MAX), st.just(0), sizes, sizes, st.just(b""))
    | st.builds(OutboxAt, st.integers(1, INT_MAX), st.integers(1, INT_MAX), sizes, sizes, exactly(TREE_SIZE))
    | st.builds(
        Delivery,
        log=exactly(16),
        push=pushes,
        logs=st.lists(exactly(16), min_size=2, max_size=2),
        origins=st.lists(st.integers(0, 1), max_size=3),
        seqs=st.lists(st.integers(1, INT_MAX), max_size=4),
    )
    | st.builds(Vouch, by_key=exactly(32), key=exactly(32), signature=exactly(64))
    | st.builds(Notice, st.sampled_from(wire.NOTICES))
    | st.builds(NoKey, size=sizes, ordinals=st.lists(st.integers(1, INT_MAX), max_size=4))
    | st.builds(
        Witness,
        log=exactly(16),
        epoch=st.integers(1, INT_MAX),
        size=sizes,
        root=exactly(32),
        proof=exactly(64) | exactly(72),
    )
    | st.builds(Recall, log=exactly(16), size=sizes, root=exactly(32))
    | st.builds(
        Returned,
        epoch=st.integers(1, INT_MAX),
        frontier=st.lists(exactly(32), max_size=4),
        logs=st.lists(exactly(16), min_size=2, max_size=2),
        origins=st.lists(st.integers(0, 1), max_size=3),
        seqs=st.lists(st.integers(1, INT_MAX), max_size=4),
        push=pushes,
    )
    | st.builds(
        Welcome,
        epoch=st.integers(0, INT_MAX),
        size=sizes,
        logs=st.lists(
            st.builds(
                SignedLog,
                public_key=exactly(32),
                signed=st.lists(st.tuples(sizes, exactly(32), exactly(64)), max_size=3),
            ),
            max_size=3,
        ),
    )
)
junk = st.recursive(
    scalars | st.floats(),
    lambda v: (
        st.lists(v)
        | st.dictionaries(scalars, v)
        | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=4))
    ),
)
VISIT = PushRow(1, "visit/1", "li", 1, 1_741_392_000_000, {}, {"note": "奶奶在家"}, {})
PUSH = Push(0, 1, [Beginning(b"S" * 16, b"K" * 32, None)], [VISIT] * 20, b"R" * 32, b"G" * 64)


def decoded_or_refused(frame: bytes, subject_of=None) -> object:
    """The message, or None where it was refused; every other outcome fails the test."""
    try:
        return decode(frame, subject_of)
    except RemoteProtocolError:
        return None


# There and back


@given(messages)
def test_every_message_comes_back(message):
    """What one side says is what the other hears, types included."""
    back = decode(encode(message))
    assert back == message
    assert type(back) is type(message)


@given(st.lists(messages, max_size=4), st.data())
def test_frames_are_found_however_the_stream_is_cut(said, data):
    """Any division of the bytes into chunks gives the same messages, in order."""
    stream = b"".join(encode(message) for message in said)
    buffer, heard, at = FrameBuffer(), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream) - at))
        heard += [decode(frame) for frame in buffer.feed(stream[at : at + size])]
        at += size
    assert heard == said
    assert buffer.waiting == 0


def test_a_cut_stream_gives_whole_frames_only():
    """Of a frame that is not complete nothing comes out, and what waits is counted."""
    stream = encode(Ack(1)) + encode(PUSH)
    for size in range(len(stream)):
        buffer = FrameBuffer()
        complete = list(buffer.feed(stream[:size]))
        assert complete == ([encode(Ack(1))] if size >= len(encode(Ack(1))) else [])
        assert buffer.waiting == size - sum(map(len, complete))


def test_the_beginning_of_a_frame_is_known_and_gone_on_with():
    """What begins a frame is given by one buffer and completed by another; where a whole frame waits there is none."""
    ack, frame = encode(Ack(1)), encode(PUSH)
    for size in range(len(frame)):
        buffer = FrameBuffer()
        assert list(buffer.feed(ack + frame[:size])) == [ack]
        assert buffer.begun == (frame[:size] if size >= 4 else b"")
        other = FrameBuffer()
        frames = other.feed(ack + frame[size:] + ack)
        assert next(frames) == ack
        other.resume(frame[:size])
        assert list(frames) == [frame, ack]
    buffer = FrameBuffer()
    waiting = buffer.feed(ack + frame + frame[:50])
    next(waiting)
    assert buffer.begun == b""


@pytest.mark.parametrize("length", [0, 7, wire.FRAME_SIZE_BYTES_MAX + 1, 2**32 - 1])
def test_a_stream_with_an_impossible_length_ends(length):
    """A length beyond the bounds is refused at once, before anything is collected for it."""
    with pytest.raises(RemoteProtocolError, match=str(length)):
        list(FrameBuffer().feed(struct.pack(">I", length)))


@pytest.mark.parametrize("length", [8, wire.FRAME_SIZE_BYTES_MAX])
def test_a_stream_with_a_possible_length_is_waited_for(length):
    """The shortest and the longest frame that there can be are within bounds."""
    buffer = FrameBuffer()
    assert list(buffer.feed(struct.pack(">I", length) + bytes(length - 1))) == []
    assert list(buffer.feed(bytes(1))) == [struct.pack(">I", length) + bytes(length)]


def test_a_message_beyond_its_bound_is_not_made():
    """A writer cannot make what no reader may take."""
    big = PUSH._replace(rows=[VISIT._replace(payload=b"x" * 200_000)] * 6)
    with pytest.raises(ValueError, match="1048576"):
        encode(big)


def test_the_last_chunk_of_the_largest_file_is_read():
    """A chunk may have the highest number and the most bytes that there can be."""
    last = Chunk(b"N" * 32, CHUNKS_COUNT_MAX - 1, bytes(SEALED_SIZE_BYTES_MAX))
    assert decode(encode(last)) == last


def test_no_message_of_any_kind_is_made_beyond_its_bound():
    """Also a message without entries is refused by its writer before its reader would."""
    with pytest.raises(ValueError, match=r"^a message may have 1048576 bytes, this one has \d{7}$"):
        encode(Refusal("code", "x" * MIB))


def test_a_message_may_be_as_large_as_its_bound():
    """A message of exactly as many bytes as there may be is made, and one byte more is not."""

    def holding(size: int) -> Push:
        return PUSH._replace(rows=[VISIT._replace(payload=b"x" * size)])

    room = MIB - len(pack_push([wire.PUSH], holding(MIB // 2), None, MIB)[1]) + MIB // 2
    assert decode(encode(holding(room))) == holding(room)
    with pytest.raises(ValueError, match="1048577"):
        encode(holding(room + 1))


def test_a_frame_does_not_state_the_size_of_its_message():
    """The receiver would not believe it, so its bytes are saved."""
    assert zstandard.frame_content_size(b"\x28\xb5\x2f\xfd" + encode(Ack(7))[wire.PREFIX.size :]) == -1
    assert zstandard.frame_content_size(b"\x28\xb5\x2f\xfd" + encode(PUSH)[wire.PREFIX.size + 144 :]) == -1


def test_a_higher_level_costs_fewer_bytes():
    """Who asks for another level of compression gets it."""
    rows = [VISIT._replace(payload={"n": n * n % 1009, "m": n % 7}) for n in range(2000)]
    sizes = [len(encode(PUSH._replace(rows=rows), level)) for level in (1, wire.LEVEL, 19)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3


def test_the_largest_message_fits_a_frame_even_if_nothing_compresses():
    """The bound on frames leaves room for the bound on messages."""
    noise = zstandard.ZstdCompressor(level=1).compress(bytes(range(256)) * 10)  # seed of something incompressible
    payload = b"".join(zlib.crc32(noise + i.to_bytes(4, "big")).to_bytes(4, "big") for i in range(260_000))
    frame = encode(PUSH._replace(rows=[VISIT._replace(payload=payload)]))
    assert MIB - 20_000 < len(frame) <= wire.FRAME_SIZE_BYTES_MAX + 4
    assert decode(frame).rows[0].payload == payload


@pytest.mark.parametrize("kind", [64, 127])
def test_a_notice_is_known_by_its_kind_and_passed_over(kind):
    """What later versions may say to those who do not know it is read as no more than its kind, whatever is in it."""
    assert decode(framed(msgpack.packb([kind, "x", {1: b"y", b"z": []}]))) == Notice(kind)
    assert decode(encode(Notice(kind))) == Notice(kind)
    assert msgpack.unpackb(zstandard.ZstdDecompressor(format=MAGICLESS).decompress(encode(Notice(kind))[12:], 9)) == [
        kind
    ]


@pytest.mark.parametrize("kind", [0, 63, 128, INT_MAX])
def test_another_unknown_kind_is_the_end(kind):
    """What is neither known nor a notice may not be passed over; the error says which kind it was."""
    with pytest.raises(UnknownKind, match=str(kind)):
        decode(framed(msgpack.packb([kind, 1])))


# Entries that are carried or delivered


BEARING = {
    (wire.CARRY, b"L" * 16): lambda push: Carry(b"L" * 16, push),
    (wire.DELIVERY, b"O" * 16, (b"L" * 16,), (0,), (3,)): lambda push: Delivery(b"O" * 16, push, [b"L" * 16], [0], [3]),
    (wire_logs.RETURNED, 2, (b"F" * 32,), (b"L" * 16,), (0,), (3,)): lambda push: Returned(
        2, [b"F" * 32], [b"L" * 16], [0], [3], push
    ),
}


@pytest.mark.parametrize("before", BEARING, ids=["carry", "delivery", "returned"])
def test_what_is_carried_or_delivered_is_read_by_itself(before):
    """Its own streams may be named in it; one that the reader would have to know from elsewhere is refused."""
    other = b"T" * 16
    push = PUSH._replace(rows=[VISIT._replace(payload={"with": [b"S" * 16, other]})])
    for ordinals, expected in (
        ({}, BEARING[before](push)),
        ({b"S" * 16: 1}, BEARING[before](push)),
        ({b"S" * 16: 1, other: 2}, None),
    ):
        raw, content = pack_push(list(before), push, ordinals.get, MIB)
        assert decoded_or_refused(framed(content, raw), {2: other}.get) == expected


@pytest.mark.parametrize("bearing", BEARING.values(), ids=["carry", "delivery", "returned"])
def test_what_is_carried_or_delivered_has_the_small_form(bearing):
    """A piece of another log, or of an outbox, takes what a push of the same entries takes, and names of whom it is."""
    for dictionary in (0, 1):
        alone, borne = (len(encode(one, dictionary=dictionary)) for one in (PUSH, bearing(PUSH)))
        assert alone < borne < alone + 90


@pytest.mark.parametrize("count", [0, 1])
def test_only_what_bears_entries_has_rows_and_a_raw_part(count):
    """Rows or uncompressed bytes that belong to nothing are refused in any other message."""
    packed = msgpack.packb([wire.ACK, 7])
    assert decode(framed(packed)) == Ack(7)
    assert decoded_or_refused(framed(packed + msgpack.packb([[]] * count))) is None
    assert decoded_or_refused(framed(packed, b"x")) is None


# Anything else


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data):
    """Bytes that are no frame are refused, and nothing else happens."""
    assert decoded_or_refused(data) is None
    buffer = FrameBuffer()
    try:
        for frame in buffer.feed(data):
            assert decoded_or_refused(frame) is None
    except RemoteProtocolError:
        pass


@given(st.binary(max_size=300))
def test_arbitrary_bytes_in_a_frame_are_refused(data):
    """A frame that holds but has no zstd in it, or zstd without a message in it, is refused."""
    assert decoded_or_refused(frame_of(data)) is None
    decoded_or_refused(framed(data))


@given(junk | st.lists(junk, min_size=1) | st.tuples(st.integers(0, 21)).map(list) | st.builds(
    lambda kind, rest: [kind, *rest], st.integers(0, 13), st.lists(junk | st.integers() | exactly(32), max_size=10)
))  # fmt: skip
def test_any_framed_msgpack_is_a_message_or_refused(value):
    """Well-formed msgpack gives a message that can be said again, or RemoteProtocolError."""
    try:
        packed = msgpack.packb(value)
    except OverflowError:
        return
    message = decoded_or_refused(framed(packed))
    if message is not None:
        assert decode(encode(message)) == message


@given(messages, st.data())
def test_no_flipped_bit_goes_unnoticed(message, data):
    """A frame with any bits of one byte flipped is refused: length or checksum fails."""
    frame = encode(message)
    at, flip = data.draw(st.integers(0, len(frame) - 1)), data.draw(st.integers(1, 255))
    assert decoded_or_refused(frame[:at] + bytes([frame[at] ^ flip]) + frame[at + 1 :]) is None


@given(pushes, st.data())
def test_a_flipped_bit_behind_a_valid_checksum_is_a_message_or_refused(push, data):
    """A liar who mends the checksum gets no further than to say another message."""
    rest = bytearray(encode(push)[12:])
    rest[data.draw(st.integers(0, len(rest) - 1))] ^= data.draw(st.integers(1, 255))
    decoded_or_refused(frame_of(bytes(rest)))


@pytest.mark.parametrize("message", [Ack(7), PUSH])
def test_no_truncation_goes_unnoticed(message):
    """A prefix is refused, also where length and checksum were mended to fit it."""
    frame = encode(message)
    assert [n for n in range(len(frame)) if decoded_or_refused(frame[:n]) is not None] == []
    assert [n for n in range(12, len(frame)) if decoded_or_refused(frame_of(frame[12:n])) is not None] == []


@pytest.mark.parametrize("behind", [b"\0", encode(Ack(7))[12:], bytes(64), b"\x50\x2a\x4d\x18\x00\x00\x00\x00"])
def test_nothing_may_stand_behind_the_message(behind):
    """A frame is one zstd frame with one array in it: no byte, second frame or skippable frame follows."""
    assert decoded_or_refused(frame_of(encode(Ack(7))[12:] + behind)) is None
    assert decoded_or_refused(framed(msgpack.packb([4, 7]) + behind)) is None
    assert decoded_or_refused(encode(Ack(7)) + behind) is None


@pytest.mark.parametrize("stated", [True, False])
def test_a_reader_takes_frames_that_state_their_size_and_those_that_do_not(stated):
    """Both forms that zstd knows are the same message."""
    assert decode(framed(msgpack.packb([4, 7]), write_content_size=stated, write_checksum=stated)) == Ack(7)


def padded(ack: Ack, size: int) -> bytes:
    """A frame of so many bytes: zstd lets any number of empty blocks stand before the one with the message in it."""
    packed = msgpack.packb([4, *ack])
    room = size - wire.PREFIX.size - 2 - 3 - len(packed)
    assert room % 3 == 0
    last = (len(packed) << 3 | 1).to_bytes(3, "little")
    frame = frame_of(b"\x00\x58" + bytes(room) + last + packed)
    assert len(frame) == size
    return frame


def test_a_frame_may_be_as_long_as_its_bound():
    """A frame of exactly the largest length is read, and one byte more is refused."""
    assert decode(padded(Ack(200), wire.FRAME_SIZE_BYTES_MAX + 4)) == Ack(200)
    with pytest.raises(RemoteProtocolError, match=f"a frame of {wire.FRAME_SIZE_BYTES_MAX + 5} bytes"):
        decode(padded(Ack(1000), wire.FRAME_SIZE_BYTES_MAX + 5))


def test_an_unknown_dictionary_is_refused():
    """A frame that needs what we do not have is refused by its number."""
    with pytest.raises(RemoteProtocolError, match="dictionary 5"):
        decode(frame_of(encode(Ack(7))[12:], dictionary=5))


@pytest.mark.parametrize(
    "elements",
    [
        [],
        [0, 1],
        [8, 1],
        [True, 1],
        [4],
        [4, 1, 2],
        [4, -1],
        [4, 2**63],
        [4, True],
        [4, "1"],
        [2, 1, 2**63, bytes(32)],
        [2, True, 1, bytes(32)],
        [1, True, b"L" * 16, 1, 1],
        [1, 1, b"L" * 15, 1, 1],
        [1, 1, "L" * 16, 1, 1],
        [5, 1, b"R" * 31, b"G" * 64],
        [5, 1, b"R" * 32, b"G" * 63],
        [6, 1, b"C" * 64],
        [7, "x" * 41, ""],
        [7, "", "x" * 2001],
        [7, "e\u0301", ""],
        [9, "image/jpeg", 5, [], b"K" * 32, [b"S" * 16], b"G" * 64],
        [9, "image/jpeg", 5, [b"H" * 32] * 2, b"K" * 32, [b"S" * 16], b"G" * 64],
        [9, "image/jpeg", 5, [b"H" * 31], b"K" * 32, [b"S" * 16], b"G" * 64],
        [9, "image/jpeg", 5, ["H" * 32], b"K" * 32, [b"S" * 16], b"G" * 64],
        [9, "image/jpeg", 0, [], b"K" * 32, [b"S" * 16], b"G" * 64],
        [9, "image/jpeg", 2_000_001, [b"H" * 32] * 123, b"K" * 32, [b"S" * 16], b"G" * 64],
        [9, "i" * 81, 5, [b"H" * 32], b"K" * 32, [b"S" * 16], b"G" * 64],
        [9, b"i", 5, [b"H" * 32], b"K" * 32, [b"S" * 16], b"G" * 64],
        [9, "image/jpeg", 5, [b"H" * 32], b"K" * 31, [b"S" * 16], b"G" * 64],
        [9, "image/jpeg", 5, [b"H" * 32], b"K" * 32, [], b"G" * 64],
        [9, "image/jpeg", 5, [b"H" * 32], b"K" * 32, [[]], b"G" * 64],
        [9, "image/jpeg", 5, [b"H" * 32], b"K" * 32, [b"S" * 16] * 2, b"G" * 64],
        [9, "image/jpeg", 5, [b"H" * 32], b"K" * 32, [n.to_bytes(16, "big") for n in range(257)], b"G" * 64],
        [9, "image/jpeg", 5, [b"H" * 32], b"K" * 32, [b"S" * 16], b"G" * 63],
        [10, b"N" * 31, 1],
        [10, b"N" * 32, -1],
        [10, b"N" * 32, 124],
        [10, b"N" * 32, True],
        [11, b"N" * 32, "x" * 41, ""],
        [11, b"N" * 32, "gone"],
        [12, b"N" * 32, 123, b""],
        [12, b"N" * 32, 0, "text"],
        [12, b"N" * 32, 0, b"x" * 16_425],
        [13, 1],
        [32],
        [8, 1, [1] * 4097],
        [32, -1],
        [32, 1, 1],
        {4: 7},
        7,
    ],
)
def test_a_message_outside_its_form_is_refused(elements):
    """Number, type and bounds of every element are checked."""
    assert decoded_or_refused(framed(msgpack.packb(elements))) is None


@pytest.mark.parametrize(
    ("elements", "name"),
    [
        ([1, -1, b"L" * 16, 1, 1], "protocol"),
        ([1, 1, b"L" * 15, 1, 1], "log"),
        ([1, 1, b"L" * 16, -1, 1], "size"),
        ([2, 1, 2**63, bytes(32)], "clock"),
        ([2, 1, 1, bytes(31)], "root"),
        ([8, 1, [0]], "stream"),
        ([5, 1, b"R" * 31, b"G" * 64], "root"),
        ([5, 1, b"R" * 32, b"G" * 63], "signature"),
        ([6, 1, b"C" * 64, 1, 0, 0, bytes(64)], "cosignature"),
        ([6, 1, b"C" * 72, 0, 0, 0, bytes(64)], "epoch"),
        ([6, 1, b"C" * 72, 1, 2, 0, bytes(64)], "entries in the backup"),
        ([6, 1, b"C" * 72, 1, 0, 1000, bytes(64)], "thousandths"),
        ([6, 1, b"C" * 72, 1, 0, 0, bytes(63)], "signature"),
        ([7, "x" * 41, ""], "code"),
        ([7, "", "x" * 2001], "text"),
        ([9, "i" * 81, 5, [b"H" * 32], b"K" * 32, [b"S" * 16], b"G" * 64], "media type"),
        ([9, "image/jpeg", 0, [], b"K" * 32, [b"S" * 16], b"G" * 64], "a file's size"),
        ([9, "image/jpeg", 5, [b"H" * 31], b"K" * 32, [b"S" * 16], b"G" * 64], "a chunk's hash"),
        ([9, "image/jpeg", 5, [b"H" * 32], b"K" * 31, [b"S" * 16], b"G" * 64], "file key"),
        ([9, "image/jpeg", 5, [b"H" * 32], b"K" * 32, [b"S" * 15], b"G" * 64], "subject"),
        ([9, "image/jpeg", 5, [b"H" * 32], b"K" * 32, [b"S" * 16], b"G" * 63], "signature"),
        ([10, b"N" * 31, 1], "file name"),
        ([10, b"N" * 32, 124], "chunks"),
        ([11, b"N" * 31, "", ""], "file name"),
        ([11, b"N" * 32, "x" * 41, ""], "code"),
        ([11, b"N" * 32, "", "x" * 2001], "text"),
        ([12, b"N" * 31, 0, b""], "file name"),
        ([12, b"N" * 32, 123, b""], "chunk"),
        ([32, -1], "size"),
        ([18, b"L" * 15], "log"),
        ([21, b"L" * 15, [], [], []], "outbox"),
        ([25, 0, [], [], [], []], "epoch"),
        ([25, 1, [b"F" * 31], [], [], []], "tree node"),
        ([25, 1, [], [b"L" * 15], [], []], "log"),
        ([31, 0, b"K" * 32], "number"),
        ([31, 1, b"K" * 31], "public key"),
    ],
)
def test_a_refusal_names_the_element(elements, name):
    """Who looks for the fault in a message that was refused reads which element it is."""
    with pytest.raises(RemoteProtocolError, match=f"^{name} must be "):
        decode(framed(msgpack.packb(elements)))


def test_a_receipt_without_the_second_note_is_refused():
    """There is one form of a receipt: nobody on the way can leave the hub's note out."""
    for elements in ([6, 1, bytes(72)], [6, 1, bytes(72), 1, 0, 0], [6, 1, bytes(72), 1, 0, 0, bytes(64), 1]):
        with pytest.raises(RemoteProtocolError, match="without the hub's note"):
            decode(framed(msgpack.packb(elements)))


# Bombs


def rle_bomb(size: int, stated: bool) -> bytes:
    """A zstd frame of blocks of 128 KiB that each are one repeated byte: 4 bytes of it become 131,072."""
    header = b"\xe0" + size.to_bytes(8, "little") if stated else b"\x00\x58"
    blocks, block = [], 128 * 1024
    for at in range(0, size, block):
        last = at + block >= size
        blocks.append(((block << 3) | 2 | last).to_bytes(3, "little") + b"\x90")
    return header + b"".join(blocks)


def peak_bytes(frame: bytes) -> int:
    tracemalloc.start()
    try:
        assert decoded_or_refused(frame) is None
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("stated", [True, False])
def test_a_zstd_bomb_is_refused_before_it_grows(stated):
    """A frame of 130 kB that would become 4 GiB costs a few MiB, whether or not it states its size."""
    bomb = rle_bomb(4096 * MIB, stated)
    assert len(bomb) < 140_000
    assert peak_bytes(frame_of(bomb)) < 16 * MIB


@pytest.mark.parametrize("size", [2**32, 2**63])
def test_a_stated_size_is_not_believed(size):
    """A small frame that states a huge size takes no memory for it."""
    lie = b"\xe0" + size.to_bytes(8, "little") + b"\x11\x00\x00\x04\x07"
    assert peak_bytes(frame_of(lie)) < 16 * MIB


def test_a_huge_window_is_refused():
    """A frame that asks for a window beyond the bound is refused before the window is made."""
    params = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False, format=MAGICLESS)
    compressor = zstandard.ZstdCompressor(compression_params=params).compressobj()
    frame = frame_of(compressor.compress(msgpack.packb([4, 7])) + compressor.flush())
    assert zstandard.get_frame_parameters(frame[12:], MAGICLESS).window_size > compression.WINDOW_SIZE_BYTES_MAX
    with pytest.raises(RemoteProtocolError, match="decompress"):
        decode(frame)


@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xc0", b"\xdd\0\0\0\1"])
@pytest.mark.parametrize("depth", [600, 100_000])
def test_deep_nesting_is_refused(opening, depth):
    """Nesting beyond what the stack bears is refused, and never overflows it."""
    assert decoded_or_refused(framed(opening * depth + b"\xc0")) is None


@pytest.mark.parametrize(
    "packed",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\1",
        b"\x92\x04\xdd\xff\xff\xff\xff",
        b"\xdc\xff\xff" * 300,
    ],
)
def test_huge_counts_are_not_believed(packed):
    """A count without its items takes no memory."""
    assert peak_bytes(framed(packed)) < 16 * MIB
