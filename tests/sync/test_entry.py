"""The entry: what a body may hold, and what ties it to its header."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import entry
from sync.entry import Body, check_body, commitment, derive, header, leaf, pack_body, read_body, stream_id
from sync.errors import RemoteProtocolError

LOG, OTHER, SUBJECT, KEY = b"L" * 16, b"O" * 16, b"S" * 16, b"K" * 32

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(lambda s: unicodedata.normalize("NFC", s))
integers = st.integers(entry.INT_MIN, entry.INT_MAX)
scalars = st.none() | st.booleans() | integers | text | st.binary(max_size=20)
keys = text | st.binary(max_size=8) | integers
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
ids = st.binary(min_size=16, max_size=16)
bodies = st.builds(
    Body,
    type=text,
    actor=text,
    subject=ids,
    lamport=st.integers(1, entry.LAMPORT_MAX),
    recorded_at_ms=st.integers(0, entry.TIME_MS_MAX),
    deps=st.dictionaries(ids, st.integers(1, entry.INT_MAX), max_size=3),
    payload=values,
    extensions=st.dictionaries(st.integers(0, 127), values, max_size=3),
)


def body(**changes) -> Body:
    return Body("visit/1", "li", SUBJECT, 1, 1000, {}, {"a": 1}, {})._replace(**changes)


def pack_checked(made: Body) -> bytes:
    check_body(made)
    return pack_body(made)


def nested(depth: int, leaf_value: object = 1) -> object:
    value = leaf_value
    for _ in range(depth):
        value = [value]
    return value


def mapped(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@given(bodies)
def test_a_body_within_the_rules_is_read_back(given_body):
    """What may be written is read back as it was, order of keys included, and has one byte form."""
    try:
        check_body(given_body)
    except RemoteProtocolError:
        return  # too deep
    packed = pack_body(given_body)
    read = read_body(packed)
    assert read == given_body
    assert pack_body(read) == packed
    assert list(read.extensions) == list(given_body.extensions)
    assert entry.unpack_body(packed) == read


@given(st.lists(bodies.map(pack_body) | st.tuples(bodies.map(pack_body), st.binary(max_size=60)), max_size=5))
def test_a_glance_says_of_every_body_what_reading_says(given_bodies):
    """Type and subject, whatever was met before; what is cut short, longer, or no body is refused and passed over."""
    glance = entry.BodyGlance()
    for one in given_bodies:
        if isinstance(one, bytes):
            read = entry.unpack_body(one)
            assert glance(one) == (read.type, read.subject)
            continue
        packed, more = one
        for wrong in (packed[: -1 - len(more)], packed + more + b"\x00", b"\x97" + packed[1:], b"\xc1"):
            with pytest.raises(ValueError, match=r"\w"):
                glance(wrong)


@given(st.binary(max_size=200) | bodies.map(lambda b: msgpack.packb(tuple(b))).flatmap(
    lambda b: st.tuples(st.integers(0, len(b) - 1), st.integers(1, 255)).map(
        lambda at: b[: at[0]] + bytes([b[at[0]] ^ at[1]]) + b[at[0] + 1 :]
    )
))  # fmt: skip
def test_any_bytes_are_a_body_or_refused(packed):
    """Arbitrary and flipped bytes give a body that packs to them, or RemoteProtocolError, and nothing else."""
    try:
        read = read_body(packed)
    except RemoteProtocolError:
        return
    assert pack_body(read) == packed


@given(st.recursive(scalars | st.floats(), lambda v: st.lists(v) | st.dictionaries(keys, v)).map(msgpack.packb))
def test_any_msgpack_is_a_body_or_refused(packed):
    """Well-formed msgpack that is no body is refused."""
    with pytest.raises(RemoteProtocolError):
        read_body(packed)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "e\u0301"},
        {"type": "x" * 121},
        {"type": b"visit/1"},
        {"actor": None},
        {"actor": "x" * 121},
        {"subject": b"S" * 15},
        {"subject": "S" * 16},
        {"lamport": 0},
        {"lamport": 2**53 + 1},
        {"lamport": True},
        {"recorded_at_ms": -1},
        {"recorded_at_ms": entry.TIME_MS_MAX + 1},
        {"recorded_at_ms": 1.0},
        {"deps": []},
        {"deps": {b"short": 1}},
        {"deps": {OTHER: 0}},
        {"deps": {OTHER: True}},
        {"extensions": []},
        {"extensions": {128: 1}},
        {"extensions": {-1: 1}},
        {"extensions": {"1": 1}},
        {"extensions": {1: 0.5}},
        {"payload": 0.5},
        {"payload": float("nan")},
        {"payload": {"a": [1, {"b": 2.0}]}},
        {"payload": "e\u0301"},
        {"payload": {"e\u0301": 1}},
        {"payload": {True: 1}},
        {"payload": {None: 1}},
        {"payload": 2**63},
        {"payload": nested(9)},
        {"payload": {"a": nested(8)}},
        {"payload": mapped(9)},
        {"payload": {msgpack.ExtType(4, b"x"): 1}},
        {"payload": list(range(4097))},
        {"payload": dict.fromkeys(range(4097))},
        {"payload": "x" * 65_537},
        {"payload": b"x" * 262_144},
        {"payload": msgpack.Timestamp(1)},
        {"payload": msgpack.ExtType(4, b"x")},
    ],
)  # fmt: skip
def test_a_body_outside_the_rules_is_refused(changes):
    """Each rule of strictness is checked when read, and when a value is about to be recorded."""
    wrong = body(**changes)
    with pytest.raises(RemoteProtocolError):
        read_body(msgpack.packb(tuple(wrong)))
    with pytest.raises(RemoteProtocolError):
        pack_checked(wrong)


def test_the_largest_of_everything_is_allowed():
    """The bounds themselves are within bounds."""
    largest = body(
        type="x" * 120,
        lamport=2**53,
        recorded_at_ms=entry.TIME_MS_MAX,
        payload=[nested(7), mapped(7), "中" * 65_536, list(range(4096)), -(2**63), 2**63 - 1],
        extensions={0: None, 127: 1, 2: dict.fromkeys(range(4096)), 3: nested(8), 4: mapped(8)},
    )
    assert read_body(pack_body(largest)) == largest


def test_the_smallest_of_everything_is_allowed():
    """The lower bounds themselves are within bounds, and nothing need be said."""
    smallest = Body("", "", SUBJECT, 1, 0, {OTHER: 1}, None, {0: None})
    assert read_body(pack_body(smallest)) == smallest


def test_a_body_may_be_as_long_as_the_bound():
    """A body of exactly as many bytes as there may be is written and read, and one byte more is neither."""
    room = entry.BODY_SIZE_BYTES_MAX - len(pack_body(body(payload=b"x" * 100_000))) + 100_000
    full = body(payload=b"x" * room)
    assert len(pack_body(full)) == entry.BODY_SIZE_BYTES_MAX
    assert read_body(pack_body(full)) == full
    longer = body(payload=b"x" * (room + 1))
    with pytest.raises(RemoteProtocolError, match=r"262144 bytes, this one has 262145"):
        pack_body(longer)
    with pytest.raises(RemoteProtocolError, match=r"262144 bytes, found 262145"):
        read_body(msgpack.packb(tuple(longer)))


def test_a_list_too_long_is_not_even_made():
    """The bound on lists is kept by the reader of msgpack, before a list takes any memory."""
    with pytest.raises(RemoteProtocolError, match="max_array_len"):
        read_body(msgpack.packb(tuple(body(payload=list(range(4097))))))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"type": 1}, "type"),
        ({"actor": 1}, "actor"),
        ({"subject": 1}, "subject"),
        ({"lamport": 0}, "lamport"),
        ({"recorded_at_ms": -1}, "recorded-at"),
        ({"deps": {b"short": 1}}, "log in deps"),
        ({"deps": {OTHER: 0}}, "seq in deps"),
        ({"extensions": {128: 1}}, "extension key"),
    ],
)
def test_a_refusal_names_the_element(changes, name):
    """Who looks for the fault in a body that was refused reads where it is."""
    with pytest.raises(RemoteProtocolError, match=f"^{name} must be "):
        check_body(body(**changes))


@pytest.mark.parametrize(
    "packed",
    [
        pack_body(body()) + b"\xc0",  # something behind it
        pack_body(body())[:-1],
        b"\xdc\x00\x08" + pack_body(body())[1:],  # an array whose length is not in its shortest form
        pack_body(body()).replace(b"\xa1a\x01", b"\xa1a\xcc\x01"),  # an integer that is not
        pack_body(body()).replace(b"\xa1a", b"\xd9\x01a"),  # text that is not
        pack_body(body()).replace(b"\x81\xa1a\x01", b"\x82\xa1a\x01\xa1a\x01"),  # a key twice
        pack_body(body()).replace(b"\xa1a\x01", b"\xa1a\xc7\x00\x05"),  # an extension type
        pack_body(body()).replace(b"\xa1a\x01", b"\xa1\xff\x01"),  # text that is not UTF-8
        pack_body(body()).replace(b"\x81\xa1a\x01", b"\x81\x90\x01"),  # a list as a key
        pack_body(body()).replace(b"\xa1a\x01", b"\xa1a" + b"\x91" * 5000 + b"\x01"),
        pack_body(body()).replace(b"\xa1a\x01", b"\xa1a\xdd\xff\xff\xff\xff"),  # a count without items
        b"",
        b"\x98",
        b"\x00" * 262_145,
    ],
)
def test_bytes_that_are_not_canonical_are_refused(packed):
    """A second spelling of the same values is no body."""
    assert packed != pack_body(body())
    with pytest.raises(RemoteProtocolError):
        read_body(packed)


@pytest.mark.parametrize("payload", ["\ud800", -(2**63) - 1, 2**64, object()])
def test_a_draft_without_a_byte_form_is_refused(payload):
    """What msgpack cannot carry is refused like every other breach of the rules, and is not a crash."""
    with pytest.raises(RemoteProtocolError):
        pack_checked(body(payload=payload))


def test_keys_follow_rfc_5869():
    """The derivation is HKDF-SHA256 as the RFC's first principles give it, one key a label."""
    extracted = hmac.digest(b"", KEY, "sha256")  # RFC 5869: no salt is a salt of zeros, which HMAC pads to anyway
    expected = [
        hmac.digest(extracted, b"homeward/" + label + b"/1\x01", "sha256") for label in (b"stream", b"salt", b"seal")
    ]
    assert list(derive(KEY)) == expected


def test_a_pseudonym_depends_on_key_log_and_subject():
    """The same subject has another name in every log and under every key."""
    label = derive(KEY).label
    names = {stream_id(label, LOG, SUBJECT), stream_id(label, OTHER, SUBJECT), stream_id(label, LOG, OTHER),
             stream_id(derive(b"k" * 32).label, LOG, SUBJECT)}  # fmt: skip
    assert len(names) == 4
    assert {len(name) for name in names} == {16}


def test_a_commitment_depends_on_everything():
    """Another key, log, seq or body gives another commitment, so that no entry can stand in for another."""
    salt, packed = derive(KEY).salt, pack_body(body())
    made = {
        commitment(salt, LOG, 1, packed),
        commitment(derive(b"k" * 32).salt, LOG, 1, packed),
        commitment(salt, OTHER, 1, packed),
        commitment(salt, LOG, 2, packed),
        commitment(salt, LOG, 1, pack_body(body(actor="wang"))),
    }
    assert len(made) == 5


def test_a_header_has_73_bytes_and_its_leaf_is_rfc_6962s():
    """The layout is fixed, and the leaf hash covers exactly it."""
    made = header(LOG, 258, SUBJECT, b"C" * 32)
    assert made == b"\x01" + LOG + b"\0\0\0\0\0\0\x01\x02" + SUBJECT + b"C" * 32
    assert len(made) == 73
    assert leaf(LOG, 258, SUBJECT, b"C" * 32) == hashlib.sha256(b"\0" + made).digest()
