"""Pushes: the form is small, gives back exactly what was packed, and anything else is refused within bounds."""

from __future__ import annotations

import struct
import subprocess
import sys
import unicodedata
import zlib
from datetime import date

import msgpack
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from sync import compression, wire
from sync.entry import INT_MAX, TIME_MS_MAX, Body, pack_body
from sync.errors import LogCorrupt, RemoteProtocolError, UnreadableForm
from sync.messages import Beginning, ErasedRow, Push, PushRow
from sync.push_form import REFERENCES_COUNT_MAX, pack_push
from sync.wire import decode, encode

MIB = 1024 * 1024
MAGICLESS = zstandard.FORMAT_ZSTD1_MAGICLESS
FAR = 2**50  # beyond the ordinals of streams that begin in a push below
SUBJECTS = {n.to_bytes(16, "big"): FAR + n for n in range(1, 400)}  # streams that both sides hold
SUBJECT_OF = {ordinal: subject for subject, ordinal in SUBJECTS.items()}.get
SIGNED = b"R" * 32 + b"G" * 64


def exactly(size: int):
    return st.binary(min_size=size, max_size=size)


chinese = st.text(
    st.sampled_from("奶奶在家读书，周一到校。\U00020000\u00b7a\0") | st.characters(exclude_categories=["Cs"])
)
texts = chinese.map(lambda text: unicodedata.normalize("NFC", text)[:60])
names = texts.map(lambda text: text[:40])
dates = st.dates().map(date.isoformat) | st.sampled_from(
    ["2024-02-30", "0000-01-01", "2024-9-1", "2024-09-01\n", "２０２４-09-01", "9999-12-31", "0001-01-01", "20240901-1"]
)
ids = st.sampled_from(sorted(SUBJECTS)) | exactly(16)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), INT_MAX) | texts | dates | ids | st.binary(max_size=20),
    lambda v: st.lists(v, max_size=4) | st.dictionaries(texts | st.integers(0, 9) | ids, v, max_size=4),
    max_leaves=12,
)
sources = st.tuples(names | st.text("x", min_size=119, max_size=122), st.integers(-5, TIME_MS_MAX + 5) | st.booleans())
seconds = st.tuples(names, st.integers(0, 2**31).map(lambda s: s * 1000))
extensions = st.dictionaries(st.integers(0, 127), values, max_size=2) | (sources | seconds).map(
    lambda source: {3: list(source)}
)
plain_rows = st.builds(
    PushRow,
    ordinal=st.integers(1, 5) | st.integers(1, 2**40),
    type=st.sampled_from(["visit/1", "talk/1"]) | names,
    actor=st.sampled_from(["li", "王"]) | names,
    lamport=st.integers(1, 2**53),
    recorded_at_ms=st.integers(0, TIME_MS_MAX),
    deps=st.just({}) | st.dictionaries(exactly(16), st.integers(1, INT_MAX), max_size=2),
    payload=values,
    extensions=extensions,
)
rows = plain_rows | st.builds(ErasedRow, ordinal=st.integers(1, 2**40), commitment=exactly(32))
beginnings = st.builds(Beginning, subject=ids, key=exactly(32), name=st.none() | exactly(16)) | st.builds(
    Beginning, subject=st.none(), key=st.none(), name=exactly(16)
)
pushes = st.builds(
    Push,
    start=st.integers(0, 2**62),
    first_ordinal=st.integers(1, 2**40),
    streams=st.lists(beginnings, max_size=3),
    rows=st.lists(rows, max_size=6),
    root=exactly(32),
    signature=exactly(64),
)
VISIT = PushRow(1, "visit/1", "li", 1, 1_741_392_000_000, {}, {"on": "2025-03-08", "note": "奶奶在家"}, {})
PUSH = Push(0, 1, [Beginning(b"S" * 16, b"K" * 32, None)], [VISIT] * 20, b"R" * 32, b"G" * 64)


def frame_of(content: bytes, raw: bytes = SIGNED, dictionary: int = 0) -> bytes:
    """A frame whose length and checksum hold, around any content."""
    params = zstandard.ZstdCompressionParameters.from_level(3, format=MAGICLESS)
    return around(zstandard.ZstdCompressor(compression_params=params).compress(content), raw, dictionary)


def around(squeezed: bytes, raw: bytes = SIGNED, dictionary: int = 0) -> bytes:
    rest = struct.pack(">I", dictionary << 24 | len(raw)) + raw + squeezed
    return struct.pack(">II", len(rest) + 4, zlib.crc32(rest)) + rest


def content_of(rows: object = None, **changes) -> bytes:
    """The content of a push of one row, with changes."""
    head = {"kind": 3, "texts": b"", "start": 0, "first_ordinal": 1, "day": 0, "unit": 1, "beginnings": []} | changes
    return msgpack.packb(list(head.values())) + msgpack.packb([[0, 1, 1, "a", "t", None]] if rows is None else rows)


def decoded_or_refused(frame: bytes) -> object:
    """The message, or None where it was refused; every other outcome fails the test."""
    try:
        return decode(frame, SUBJECT_OF)
    except RemoteProtocolError:
        return None


# There and back


@given(pushes, st.booleans(), st.sampled_from([0, 1]))
def test_every_push_comes_back(push, refers, dictionary):
    """What was packed is what is read, types and the order of keys included, with marks and without."""
    frame = encode(push, 3, dictionary=dictionary, ordinal_of=SUBJECTS.get if refers else None)
    back = decode(frame, SUBJECT_OF)
    assert back == push
    assert msgpack.packb(back) == msgpack.packb(push)


@given(plain_rows, st.integers(1, 3))
def test_a_body_is_the_same_byte_for_byte(row, count):
    """The body that a receiver hashes has exactly the bytes that its author hashed."""
    back = decode(encode(PUSH._replace(rows=[row] * count), ordinal_of=SUBJECTS.get), SUBJECT_OF)
    for read in back.rows:
        assert pack_body(Body(*read[1:3], b"S" * 16, *read[3:])) == pack_body(Body(*row[1:3], b"S" * 16, *row[3:]))
        assert list(read.payload or ()) == list(row.payload or ()) if isinstance(row.payload, dict) else True


def test_texts_that_would_overflow_a_message_apart_stay_in_their_places():
    """A push that is within bounds with its texts in place is sent, whatever they would take elsewhere."""
    rows = [VISIT._replace(payload=[["é"] * 4000 for _ in range(60)])]
    push = PUSH._replace(rows=rows)
    assert len(pack_push([3], push, None, 2 * MIB)[1]) > MIB
    assert decode(encode(push)) == push
    push = PUSH._replace(rows=[VISIT._replace(payload=[["é"] * 4000 for _ in range(60)] + sorted(SUBJECTS)[:40])])
    frame = encode(push, 3, ordinal_of=SUBJECTS.get)
    assert decode(frame, SUBJECT_OF) == push
    with pytest.raises(UnreadableForm):
        decode(frame)


def test_an_id_is_sent_once_in_a_log():
    """A list of children who were present takes a few bytes each, not sixteen."""
    children = {n.to_bytes(16, "big"): n for n in range(1, 100)}
    push = PUSH._replace(streams=[], rows=[VISIT._replace(payload={"present": list(children)})])
    frame = encode(push, ordinal_of=children.get)
    assert len(frame) < len(encode(push._replace(rows=[VISIT]))) + 4 * 100
    assert decode(frame, {ordinal: subject for subject, ordinal in children.items()}.get) == push


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("奶奶", True),
        ("é", True),
        ("éa", False),
        ("a奶", True),
        ("奶\0奶", False),
        ("\0", False),
        ("", False),
        ("奶", True),
    ],
)
def test_texts_that_take_no_more_in_utf_16_stand_together(text, apart):
    """Chinese leaves its place for the others of its kind, anything with a zero in it stays; all come back."""
    push = PUSH._replace(rows=[VISIT._replace(payload=["b奶", text])])
    _, content = pack_push([3], push, None, MIB)
    unpacker = msgpack.Unpacker()
    unpacker.feed(content)
    together = ["b奶", text] if apart else ["b奶"]
    assert unpacker.unpack()[1] == "\0".join(together).encode("utf-16-be")
    assert unpacker.unpack()[0][5][1] == (msgpack.ExtType(0, b"") if apart else text)
    assert decode(encode(push)) == push


def written(rows: list) -> tuple[list, list]:
    """The head and the rows of a push without streams, as they are packed."""
    push = PUSH._replace(streams=[], rows=rows)
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(pack_push([3], push, None, MIB)[1])
    assert decode(encode(push)) == push
    return unpacker.unpack(), unpacker.unpack()


def sourced(number: object, name: object = "excel", **changes) -> PushRow:
    return VISIT._replace(payload=None, extensions={3: [name, number]}, **changes)


@pytest.mark.parametrize(
    ("row", "is_short"),
    [
        (sourced(0), True),
        (sourced(TIME_MS_MAX), True),
        (sourced(5, "x" * 120), True),
        (sourced(-1), False),
        (sourced(TIME_MS_MAX + 1), False),
        (sourced(True), False),
        (sourced(5, "x" * 121), False),
        (sourced(5, b"x"), False),
        (sourced(5, deps={b"D" * 16: 1}), False),
        (VISIT._replace(extensions={3: ["excel", 5, 6]}), False),
        (VISIT._replace(extensions={3: ["excel", 5], 4: 1}), False),
        (VISIT._replace(extensions={4: ["excel", 5]}), False),
    ],
)
def test_an_ordinary_source_needs_no_extensions(row, is_short):
    """A source that is a name and a number stands in the row itself; anything else is written out."""
    _, (packed,) = written([row])
    assert len(packed) == (8 if is_short else 7)
    assert is_short or packed[6] == [row.deps, row.extensions]


def test_rows_say_how_they_differ_from_those_before():
    """Names stand where they come first, then by index; times, numbers and lamports as differences."""
    at = 20_000 * 86_400_000
    head, rows = written([
        sourced(at + 5000, ordinal=1, lamport=4, recorded_at_ms=at + 7, actor="li", type="visit/1"),
        ErasedRow(9, b"C" * 32),
        sourced(at + 8000, ordinal=1, lamport=6, recorded_at_ms=at + 9, actor="wang", type="visit/1"),
        VISIT._replace(ordinal=2, lamport=5, recorded_at_ms=at + 8, actor="li", type="talk/1", payload=None),
        sourced(at + 7000, "paper", ordinal=2, lamport=6, recorded_at_ms=at + 8, actor="wang", type="talk/1"),
    ])  # fmt: skip
    assert head[4:6] == [20_000, 1000]
    assert rows == [
        [7, 5, 1, 4, "li", "excel", "visit/1", None],
        9,
        [2, 3, 1, 2, "wang", 0, 0, None],
        [-1, 2, 5, 0, "talk/1", None],
        [0, -1, 2, 1, 1, "paper", 1, None],
    ]


@pytest.mark.parametrize(
    ("rows", "day", "unit"),
    [
        ([], 0, 1000),
        ([ErasedRow(1, b"C" * 32)], 0, 1000),
        ([VISIT._replace(recorded_at_ms=2 * 86_400_000 - 1)], 1, 1000),
        ([ErasedRow(1, b"C" * 32), VISIT._replace(recorded_at_ms=2 * 86_400_000)], 2, 1000),
        ([VISIT._replace(recorded_at_ms=0), sourced(3 * 86_400_000)], 3, 1000),
        ([sourced(3 * 86_400_000 - 1), sourced(9 * 86_400_000)], 2, 1),
        ([sourced(3 * 86_400_000, recorded_at_ms=5 * 86_400_000)], 3, 1000),
        ([sourced(3 * 86_400_000), sourced(9 * 86_400_001)], 3, 1),
        ([VISIT._replace(recorded_at_ms=-1)], 0, 1000),
        ([VISIT._replace(recorded_at_ms=TIME_MS_MAX)], TIME_MS_MAX // 86_400_000, 1000),
        ([VISIT._replace(recorded_at_ms=2 * TIME_MS_MAX)], TIME_MS_MAX // 86_400_000, 1000),
    ],
)
def test_a_push_counts_from_the_day_of_its_first_source(rows, day, unit):
    """In seconds if all of them are whole ones; from the day of the first entry where none has a source."""
    assert written(rows)[0][4:6] == [day, unit]


def test_what_is_referred_to_often_is_looked_up_once():
    """A push may refer to one stream as often as it likes: its reader asks the store once."""
    asked = []

    def subject_of(ordinal: int) -> bytes:
        asked.append(ordinal)
        return ordinal.to_bytes(16, "big")

    groups = [[n.to_bytes(16, "big") for n in (7, 8)] * 2000] * 3
    push = PUSH._replace(streams=[], rows=[VISIT._replace(payload=groups)])
    assert decode(encode(push, ordinal_of=lambda subject: int.from_bytes(subject, "big")), subject_of) == push
    assert asked == [7, 8]


@pytest.mark.parametrize(
    ("days", "size"),
    [(-32_769, 0), (-32_768, 2), (-129, 2), (-128, 1), (0, 1), (127, 1), (128, 2), (32_767, 2), (32_768, 0)],
)
def test_a_date_takes_a_byte_or_two_from_the_days_around_the_push(days, size):
    """Within four months it takes one, within a man's life two, and any other stays a text; all come back."""
    day = date(2025, 3, 8)
    written = date.fromordinal(day.toordinal() + days).isoformat()
    push = PUSH._replace(rows=[VISIT._replace(payload=written)])
    _, content = pack_push([3], push, None, MIB)
    marked = msgpack.ExtType(1, days.to_bytes(size, "big", signed=True)) if size else written
    assert content.endswith(msgpack.packb(marked))
    assert decode(encode(push)) == push


@pytest.mark.parametrize(("ordinal", "size"), [(0, 1), (1, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 3)])
def test_a_reference_takes_no_byte_too_many(ordinal, size):
    """An ordinal is written in as few bytes as it has."""
    subject = b"N" * 16
    _, content = pack_push([3], PUSH._replace(rows=[VISIT._replace(payload=subject)]), {subject: ordinal}.get, MIB)
    assert content.endswith(msgpack.packb(msgpack.ExtType(2, ordinal.to_bytes(size, "big"))))


def test_a_stream_that_begins_in_the_push_may_be_referred_to():
    """The receiver need not have seen a stream before for its subject to be named by ordinal."""
    subject = b"N" * 16
    push = PUSH._replace(
        first_ordinal=7, streams=[Beginning(subject, b"K" * 32, None)], rows=[VISIT._replace(payload=[subject] * 3)]
    )
    assert decode(encode(push, ordinal_of={subject: 7}.get)) == push


def test_a_reference_that_means_nothing_here_is_told_apart():
    """A push that names an unknown or erased stream, or an unknown dictionary, is not wrong but unreadable here."""
    frame = encode(PUSH._replace(start=5, rows=[VISIT._replace(payload=sorted(SUBJECTS)[3])]), ordinal_of=SUBJECTS.get)
    for subject_of in (None, lambda _: None):
        with pytest.raises(UnreadableForm, match=f"stream {FAR + 4}") as raised:
            decode(frame, subject_of)
        assert raised.value.start == 5
    with pytest.raises(UnreadableForm, match="dictionary 9") as raised:
        decode(around(encode(PUSH)[12:], b"", 9))
    assert raised.value.start is None


def test_a_push_refers_to_no_more_streams_than_its_reader_looks_up():
    """A writer stops referring where the reader's bound is, and a push beyond it is refused."""
    many = {n.to_bytes(16, "big"): n for n in range(1, REFERENCES_COUNT_MAX + 50)}
    there = {ordinal: subject for subject, ordinal in many.items()}
    groups = [list(many)[:3000], list(many)[3000:]]
    push = PUSH._replace(streams=[], rows=[VISIT._replace(payload=groups)])
    assert decode(encode(push, ordinal_of=many.get), there.get) == push
    marks = [msgpack.ExtType(2, n.to_bytes(2, "big")) for n in there]
    with pytest.raises(RemoteProtocolError, match="4096 streams"):
        decode(frame_of(content_of([[0, 1, 1, "a", "t", [marks[:3000], marks[3000:]]]])), there.get)


def test_the_dictionary_makes_a_small_push_small():
    """One ordinary entry takes at most two thirds of what it takes without the dictionary."""
    letter = {"kind": "letter", "on": "2025-03-08", "with_whom": "mother", "pages": 2, "text": "妈妈，我今天看完了书。"}
    push = PUSH._replace(streams=[], rows=[VISIT._replace(type="family-contact-made/1", payload=letter)])
    extra = len(SIGNED) + wire.PREFIX.size
    assert len(encode(push, 19)) - extra < (len(encode(push, 19, dictionary=0)) - extra) * 2 / 3


def test_a_dictionary_is_used_only_where_the_frame_says_so():
    """What was made with the dictionary and says it was made without is refused, not read by guessing."""
    _, content = pack_push([3], PUSH._replace(streams=[]), None, MIB)
    squeezed = compression.compress(content, 19, 1)
    assert compression.expand(squeezed, 1, MIB) == content
    with pytest.raises(RemoteProtocolError, match="decompressed"):
        compression.expand(squeezed, 0, MIB)


def test_a_damaged_dictionary_is_not_used(tmp_path, monkeypatch):
    """A dictionary file that is not the shipped one is said to be damaged, and never used for a push."""
    damaged = tmp_path / "dictionary-1.zstd"
    damaged.write_bytes(compression.shipped()[:-1] + b"?")
    monkeypatch.setattr(compression, "SHIPPED_PATH", damaged)
    compression.shipped.cache_clear()
    try:
        with pytest.raises(LogCorrupt, match="install"):
            compression.shipped()
    finally:
        compression.shipped.cache_clear()


# Anything else


marks = st.builds(msgpack.ExtType, st.integers(0, 4), st.binary(max_size=4))
junk = st.recursive(
    st.none() | st.floats() | st.integers(-(2**63), 2**64 - 1) | texts | st.binary(max_size=20) | marks,
    lambda v: st.lists(v, max_size=4) | st.dictionaries(st.integers(0, 9) | marks, v, max_size=3),
    max_leaves=6,
)


@given(pushes, st.data())
def test_a_push_with_one_wrong_element_is_a_message_or_refused(push, data):
    """Any element of a push, at any depth, replaced by anything gives a message or RemoteProtocolError."""
    raw, content = pack_push([3], push, SUBJECTS.get, MIB)
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(content)
    parts = [unpacker.unpack(), unpacker.unpack()]
    holder = parts[data.draw(st.integers(0, 1))]
    if not holder:
        return
    at = data.draw(st.integers(0, len(holder) - 1))
    while isinstance(holder[at], list) and holder[at] and data.draw(st.booleans()):
        holder = holder[at]
        at = data.draw(st.integers(0, len(holder) - 1))
    holder[at] = data.draw(junk)
    decoded_or_refused(frame_of(b"".join(map(msgpack.packb, parts)), raw))


@given(pushes, st.data())
def test_a_changed_byte_behind_a_valid_checksum_is_a_message_or_refused(push, data):
    """A liar who mends the checksum gets no further than to say another message, at any place of the frame."""
    frame = bytearray(encode(push, 3, dictionary=data.draw(st.sampled_from([0, 1])), ordinal_of=SUBJECTS.get))
    frame[data.draw(st.integers(8, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    decoded_or_refused(bytes(frame[:4]) + struct.pack(">I", zlib.crc32(frame[8:])) + bytes(frame[8:]))


@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from([0, 1, 2, 255]))
def test_arbitrary_parts_are_refused(squeezed, raw, dictionary):
    """Any raw part and any bytes for zstd, under any dictionary, are refused and nothing else happens."""
    assert decoded_or_refused(around(squeezed, raw, dictionary)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": 4},
        {"kind": 9},
        {"start": -1},
        {"first_ordinal": 0},
        {"day": -1},
        {"day": TIME_MS_MAX // 86_400_000 + 1},
        {"unit": 0},
        {"unit": 60},
        {"unit": True},
        {"texts": "text"},
        {"texts": b"\0"},
        {"texts": b"\x60\x00"},
        {"texts": b"\xd8\x00"},
        {"beginnings": [1]},
        {"beginnings": [0]},
        {"beginnings": [4]},
        {"beginnings": [True]},
        {"beginnings": [None]},
        {"beginnings": {}},
        {"beginnings": [2] * 4097},
        {"rows": {}},
        {"rows": [[0, 1, 1, "a", "t", None]] * 4097},
        {"rows": [[0, 1, 1, "a", 1, None]]},
        {"rows": [[0, 1, 1, "a", 0, None]]},
        {"rows": [[0, 1, 1, -1, "t", None]]},
        {"rows": [[0, 1, 1, "a", "t"]]},
        {"rows": [[0, 1, 1, "x" * 121, "t", None]]},
        {"rows": [[0, 1, 1, "a", b"t", None]]},
        {"rows": [[0, 1, 1, "a", "t", None, {}]]},
        {"rows": [[0, 1, 1, "a", "t", None, [{}, []]]]},
        {"rows": [[0, 1, 1, "a", "t", None, [{}]]]},
        {"rows": [[0.5, 1, 1, "a", "t", None]]},
        {"rows": [[0, 0, 1, 1, "a", 0, "t", None]]},
        {"rows": [[0, 0, 1, 1, "a", "s", "t", None, None]]},
        {"rows": [7]},
        {"rows": [None]},
        {"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(0, b"")]]},
        {"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(0, b"x")]]},
        {"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(1, b"")]]},
        {"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(1, b"123")]]},
        {"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(1, b"\x7f\xff")]], "day": TIME_MS_MAX // 86_400_000},
        {"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(2, b"")]]},
        {"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(2, b"\0")]]},
        {"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(2, b"123456789")]]},
        {"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(3, b"x")]]},
    ],
)
def test_a_push_outside_its_form_is_refused(changes):
    """Every list in a push is bounded, every index has its name, every mark what it stands for, every row its form."""
    assert decode(frame_of(content_of())).end == 1
    assert decoded_or_refused(frame_of(content_of(changes.pop("rows", None), **changes))) is None


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"start": -1}, "start must be an integer from 0"),
        ({"start": True}, "start must be an integer from 0"),
        ({"first_ordinal": 0}, "first stream must be an integer from 1"),
        ({"first_ordinal": INT_MAX + 1}, "first stream must be an integer from 1"),
        ({"day": -1}, "day must be an integer from 0"),
        ({"unit": 10}, "unit must be 1 or 1000, found 10"),
        ({"texts": "text"}, "a push that does not fit its form"),
        ({"texts": b"\x60"}, "the texts of a push must be UTF-16"),
        ({"texts": b"\x60\x00"}, "a push with more texts than marks for them"),
        ({"beginnings": [4]}, "a stream is its subject and its key, or its name"),
        ({"beginnings": [1]}, "a push whose root, signature, keys or commitments are cut short"),
        ({"rows": {}}, "rows must be an array"),
        ({"rows": [[0, 1, 1, "a", "t"]]}, "a row that does not fit its form"),
        ({"rows": [[0, 1, 1, "x" * 121, "t", None]]}, "name must be NFC text of at most 120"),
        ({"rows": [[0, 1, 1, "a", 0, None]]}, "a row names a type, an actor or a source that did not come before it"),
        ({"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(0, b"")]]}, "a push with fewer texts than marks for them"),
        ({"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(1, b"")]]}, "a mark of kind 1 that does not fit its form"),
        ({"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(2, b"")]]}, "a mark of kind 2 that does not fit its form"),
        ({"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(3, b"x")]]}, "a mark of kind 3 that does not fit its form"),
        (
            {"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(2, b"x" * 8)]]},
            f"a push refers to stream {0x7878787878787878}",
        ),
        ({"rows": [[0, 1, 1, "a", "t", msgpack.ExtType(2, b"x" * 9)]]}, "a frame that is not msgpack"),
        ({"rows": [[0, 1, 1, "a", "t", dict.fromkeys(range(4097))]]}, "a frame that is not msgpack"),
        ({"rows": [[0, 1, 1, "a", "t", [None] * 4097]]}, "a frame that is not msgpack"),
    ],
)
def test_a_refusal_says_what_does_not_fit(changes, refusal):
    """Who looks for the fault in a push that was refused reads which element it is."""
    with pytest.raises(RemoteProtocolError, match=f"^{refusal}"):
        decode(frame_of(content_of(changes.pop("rows", None), **changes)), SUBJECT_OF)


@pytest.mark.parametrize("payload", [[None] * 4096, dict.fromkeys(range(4096))])
def test_a_list_in_a_push_may_be_as_long_as_its_bound(payload):
    """The longest array and the largest map there can be are read."""
    assert decode(frame_of(content_of([[0, 1, 1, "a", "t", payload]]))).rows[0].payload == payload


@pytest.mark.parametrize("raw", [b"", SIGNED[:-1], SIGNED + b"x", SIGNED + bytes(32)])
def test_a_raw_part_that_disagrees_with_the_push_is_refused(raw):
    """The raw part has exactly the bytes that root, signature, beginnings and erased rows speak of."""
    assert decoded_or_refused(frame_of(content_of(), raw)) is None


def test_a_raw_part_longer_than_its_frame_is_refused():
    """A length that lies about what stands uncompressed is found before anything is read."""
    rest = struct.pack(">I", 5000) + SIGNED
    with pytest.raises(RemoteProtocolError, match="longer than itself"):
        decode(struct.pack(">II", len(rest) + 4, zlib.crc32(rest)) + rest)


@pytest.mark.parametrize("content", [content_of() + b"\0", content_of() * 2, content_of()[:-1], content_of([])[:-1]])
def test_a_push_is_one_head_and_one_array_of_rows(content):
    """Nothing may stand behind the rows, and they may not be missing."""
    assert decoded_or_refused(frame_of(content)) is None


@pytest.mark.parametrize(("raw", "dictionary"), [(b"x", 0), (b"", 1)])
def test_only_a_push_has_a_raw_part_and_a_dictionary(raw, dictionary):
    """What another message does not need is refused there."""
    squeezed = compression.compress(msgpack.packb([4, 7]), 3, dictionary)
    assert decoded_or_refused(around(squeezed, raw, dictionary)) is None


@given(st.integers(-(2**63), 2**64 - 1))
@example(2**64 - 1)
def test_times_and_lamports_that_add_up_beyond_all_bounds_do_no_harm(step):
    """A row's time and lamport may be anything until the body is checked; never an error of another kind."""
    message = decode(frame_of(content_of([[step, step, 1, step, "a", "s", "t", None]] * 3)))
    assert [row.recorded_at_ms for row in message.rows] == [step, 2 * step, 3 * step]
    assert [row.lamport for row in message.rows] == [step, 2 * step, 3 * step]
    assert message.rows[2].extensions == {3: ["s", 3 * step]}


# Bombs, each read in a process that may not have more memory than this

READER = """
import resource, sys, time
from sync.wire import decode
from sync.errors import RemoteProtocolError
frames = sys.stdin.buffer.read()
decode(frames[4 : 4 + int.from_bytes(frames[:4], "big")])  # everything is loaded: now the bounds
frames = frames[4 + int.from_bytes(frames[:4], "big") :]
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + {room}, used + {room}))
while frames:
    size = int.from_bytes(frames[:4], "big")
    began = time.process_time()
    try:
        decode(frames[4 : 4 + size])
        print("read", round(time.process_time() - began, 2))
    except RemoteProtocolError as error:
        print("refused", round(time.process_time() - began, 2), str(error)[:60])
    frames = frames[4 + size :]
"""


def rle(size: int) -> bytes:
    """A zstd frame of blocks that each are one repeated byte: 4 bytes of it become 131,072."""
    block = 128 * 1024
    return b"".join(
        ((block << 3) | 2 | (at + block >= size)).to_bytes(3, "little") + b"\x90" for at in range(0, size, block)
    )


def bombs() -> dict[str, bytes]:
    """Frames that would cost a careless reader gigabytes or minutes."""
    full = MIB - 200
    stated = b"\xe0" + (4096 * MIB).to_bytes(8, "little")
    window = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False, format=MAGICLESS)
    row = b"\x96\x00\x01\x01\xa1a\xa1t"
    head = content_of([])[:-1]

    def nested(opening: bytes, count: int) -> bytes:
        return head + b"\x91" + row + opening * count + b"\xc0" * (full - len(opening) * count)

    return {
        "4 GiB of one byte": around(b"\x00\x58" + rle(4096 * MIB)),
        "4 GiB, dictionary": around(b"\x00\x58" + rle(4096 * MIB), SIGNED, 1),
        "4 GiB, stated": around(stated + rle(4096 * MIB)),
        "4 GiB, stated, dictionary": around(stated + rle(4096 * MIB), SIGNED, 1),
        "a size that lies": around(stated + b"\x11\x00\x00\x04\x07"),
        "a window of 128 MiB": around(
            zstandard.ZstdCompressor(compression_params=window).compressobj().compress(bytes(MIB)) + b"\x01\0\0"
        ),
        "a skippable frame": around(b"\x50\x2a\x4d\x18\x00\x00\x00\x00" + encode(PUSH)[12 + 144 :]),
        "two frames": around(encode(PUSH, dictionary=0)[12 + 144 :] * 2),
        "arrays of a million in each other": frame_of(nested(b"\xdd\x00\x0f\xf0\x00", 900)),
        "arrays of 4096 in each other": frame_of(nested(b"\xdc\x10\x00", 900)),
        "maps of a million in each other": frame_of(nested(b"\xdf\x00\x0f\xf0\x00", 900)),
        "100,000 deep": frame_of(nested(b"\x91", 100_000)),
        "a text of 4 GiB": frame_of(head + b"\x91" + row + b"\xdb\xff\xff\xff\xff"),
        "bytes of 4 GiB": frame_of(head + b"\x91" + row + b"\xc6\xff\xff\xff\xff"),
        "an extension of 4 GiB": frame_of(head + b"\x91" + row + b"\xc9\xff\xff\xff\xff\x01"),
        "empty arrays": frame_of(
            head + b"\x91" + row + b"\xdc\x01\x00" + (b"\xdc\x0f\xfd" + b"\x90" * 4093) * 255 + b"\x90"
        ),
        "marks": frame_of(head + b"\x91" + row + b"\xdc\x00\x55" + (b"\xdc\x10\x00" + b"\xd4\x01\x05" * 4096) * 85),
        "half a million empty texts": frame_of(content_of([], texts=bytes(full))),
    }


def test_nothing_costs_more_than_its_bounds():
    """Every bomb is refused, or read, in bounded time and within 128 MiB, in a process that cannot have more."""
    found = bombs()
    frames = [encode(PUSH), *found.values()]
    assert max(map(len, frames)) <= wire.FRAME_SIZE_BYTES_MAX + 4
    fed = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)
    done = subprocess.run(
        [sys.executable, "-c", READER.format(room=128 * MIB)], input=fed, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(found)
    outcome = {name: line.split(maxsplit=2) for name, line in zip(found, lines, strict=True)}
    assert {name for name, (said, *_) in outcome.items() if said == "read"} == {"empty arrays", "marks"}
    assert [name for name, (_, seconds, *_) in outcome.items() if float(seconds) > 5] == []
