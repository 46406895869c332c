"""A bundle, inside and as an age file: read in any pieces, and refused when anything of it is changed."""

from __future__ import annotations

import errno

import msgpack
import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import wire
from sync.bundle import ENCLOSED_SIZE_BYTES_MAX, MAGIC, BundleReader, BundleWriter, Head, Kind
from sync.bundle_file import MAKING_SUFFIX, bundles_in, is_for, read, write_new
from sync.entry import log_id
from sync.errors import LogCorrupt, NewerFormat, RemoteProtocolError, VerificationError, WrongKey
from sync.messages import Ack, Held
from sync.note import Signer
from sync.recipients import identity_of, recipient_of

HOME, HUB = (Signer(f"homeward/{n}", bytes([n]) * 32) for n in (1, 2))
HEAD = Head(Kind.TO_HUB, HOME.public_key, log_id(HUB.public_key), 3, 5, b"note")
FRAMES = [wire.encode(Ack(7)), wire.encode(Held(7, 0, bytes(32)))]
IDENTITY, RECIPIENT = identity_of(bytes([2]) * 32), recipient_of(HUB.public_key)


def inside(head=HEAD, frames=FRAMES, signer=HOME):
    writer = BundleWriter(signer)
    return b"".join([writer.begin(head), *(writer.frame(frame) for frame in frames), writer.end()])


def read_inside(data, pieces=()):
    reader, frames, at = BundleReader(), [], 0
    for size in pieces:
        frames += reader.feed(data[at : at + size])
        at += size
    frames += reader.feed(data[at:])
    return reader.require_whole(), frames


@given(st.lists(st.integers(0, 60), max_size=20))
def test_pieces_of_any_size_give_the_same(pieces):
    """Head and frames come out as they went in, however the bytes are cut."""
    assert read_inside(inside(), pieces) == (HEAD, FRAMES)


@given(st.data())
def test_no_changed_byte_is_taken_for_a_bundle(data):
    """Whatever byte is changed, or wherever it is cut or goes on, the whole is refused in one of three ways."""
    whole = inside()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(changed), whole[:at], whole + whole[at:]):
        with pytest.raises((RemoteProtocolError, VerificationError, NewerFormat)):
            read_inside(bad, [at, 1])


def test_only_the_sender_signs():
    """A bundle that somebody else closed in the sender's name is refused."""
    with pytest.raises(VerificationError):
        read_inside(inside(signer=HUB))


def test_a_newer_form_is_named():
    """What a later version writes is not called damaged."""
    with pytest.raises(NewerFormat):
        read_inside(b"homeward bundle 2\n" + bytes(50))


@pytest.mark.parametrize(
    "head",
    [[1], [3, HOME.public_key, bytes(16), 0, 0, b""], [1, bytes(32), bytes(16), 0, 0, b""],
     [1, HOME.public_key, bytes(15), 0, 0, b""], [1, HOME.public_key, bytes(16), -1, 0, b""],
     [1, HOME.public_key, bytes(16), 0, 2**63, b""], [True, HOME.public_key, bytes(16), 0, 0, b""],
     [1, HOME.public_key, bytes(16), 0, 0, bytes(ENCLOSED_SIZE_BYTES_MAX + 1)], {}, 7],
)  # fmt: skip
def test_a_head_of_another_form_is_refused(head):
    """Every element of a head has its type and its bounds."""
    packed = msgpack.packb(head)
    with pytest.raises(RemoteProtocolError):
        read_inside(MAGIC + len(packed).to_bytes(4, "big") + packed)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data):
    """Nothing but a refusal comes of bytes that nobody wrote."""
    for prefix in (b"", MAGIC, inside()[:40]):
        with pytest.raises((RemoteProtocolError, NewerFormat)):
            read_inside(prefix + data)


def written(folder, pieces=None):
    return write_new(folder, RECIPIENT, [inside()] if pieces is None else pieces)


def content(path, identity=IDENTITY):
    pieces = []
    read(path, [identity], pieces.append, lambda _: None)
    return b"".join(pieces)


def test_a_file_tells_nothing_outside(tmp_path):
    """Two files of one content differ in name and in every byte behind age's first line; neither names anybody."""
    one, two = written(tmp_path), written(tmp_path)
    assert content(one) == content(two) == inside()
    assert one.name != two.name
    for path in (one, two):
        seen = path.name.encode() + path.read_bytes()
        assert [word for word in (HUB.public_key, HOME.public_key, str(RECIPIENT).encode(), b"homeward", b"note",
                                  HEAD.receiver.hex().encode()) if word in seen] == []  # fmt: skip


def test_a_file_for_somebody_else(tmp_path):
    """Nobody but the receiver opens it, its maker neither."""
    path = written(tmp_path)
    with pytest.raises(WrongKey, match="somebody else"):
        content(path, identity_of(bytes([1]) * 32))
    assert is_for(path, [IDENTITY])
    assert not is_for(path, [identity_of(bytes([1]) * 32)])


def test_every_cut_and_every_flipped_bit_is_damage(tmp_path):
    """A file that a stick spoilt is never read as another one: damaged, for somebody else, or no bundle at all."""
    path = written(tmp_path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        for bad in (whole[:at], bytes(flipped)):
            path.write_bytes(bad)
            with pytest.raises((LogCorrupt, WrongKey, RemoteProtocolError)):
                content(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(LogCorrupt):
        content(path)


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\3\4" + bytes(1000), b"age-encryption.org/v2\n"])
def test_a_file_of_another_kind(tmp_path, data):
    """Something else is called no bundle; an empty file too."""
    path = tmp_path / "x.age"
    path.write_bytes(data)
    with pytest.raises(RemoteProtocolError, match="not a bundle"):
        content(path)
    assert not is_for(path, [IDENTITY])


def test_a_header_without_an_end_takes_no_memory(tmp_path):
    """A header that goes on for ever is refused after its first 64 kB."""
    path = tmp_path / "x.age"
    with path.open("wb") as file:
        file.write(b"age-encryption.org/v1\n")
        file.truncate(3 * 1024**3)
    with pytest.raises(LogCorrupt):
        content(path)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_what_was_begun_is_not_left_behind(tmp_path, error):
    """A full stick, Ctrl-C or a mistake while it is made leaves no file, and comes out as what it was."""

    def pieces():
        yield bytes(300_000)
        raise error

    with pytest.raises(type(error)):
        written(tmp_path, pieces())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(errno.EIO, "x"), KeyboardInterrupt(), VerificationError()])
def test_what_the_reader_raises_ends_the_reading(tmp_path, error):
    """What goes wrong with the content comes out as what it was, and is not called damage."""
    path = written(tmp_path, [bytes(300_000)])

    def fail(_data):
        raise error

    with pytest.raises(type(error)) as raised:
        read(path, [IDENTITY], fail, lambda _: None)
    assert raised.value is error


def test_only_whole_files_count(tmp_path):
    """What a killed process left half written is not looked at."""
    path = written(tmp_path)
    (tmp_path / ("hw-1.age" + MAKING_SUFFIX)).write_bytes(path.read_bytes()[:50])
    (tmp_path / "photo.jpg").write_bytes(b"x")
    (tmp_path / "folder.age").mkdir()
    assert bundles_in(tmp_path) == [path]


def test_the_whole_age_file_is_standard(tmp_path):
    """Any age program opens it with the identity that follows from the key."""
    assert pyrage.decrypt(written(tmp_path).read_bytes(), [IDENTITY]) == inside()
