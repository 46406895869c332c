import json
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nacl.bindings import crypto_core_ed25519_add

from sync.errors import LocalProtocolError, RemoteProtocolError, VerificationError
from sync.merkle import EMPTY_ROOT, SIZE_MAX, leaf_hash
from sync.note import (
    COSIGNATURE_V1,
    ED25519,
    EXTENSIONS_COUNT_MAX,
    NAME_SIZE_BYTES_MAX,
    NOTE_SIZE_BYTES_MAX,
    SIGNATURES_COUNT_MAX,
    TIMESTAMP_S_MAX,
    Checkpoint,
    Signature,
    SignedNote,
    Signer,
    Verifier,
    checkpoint_text,
    cosign,
    is_public_key,
    key_id,
    note_with,
    parse,
    parse_checkpoint,
    sign,
    verify,
    verify_bytes,
    verify_cosignature,
    verify_signature,
    with_cosignature,
)

VECTORS = Path(__file__).parent / "vectors"

# The examples of the C2SP specifications signed-note and tlog-cosignature.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
EXAMPLE_POEM = (VECTORS / "signed-note.txt").read_text(encoding="utf-8")
EXAMPLE_COSIGNED = (VECTORS / "cosigned-example.txt").read_text(encoding="utf-8")

# A checkpoint that a public log published: signed with Ed25519 and in an older way, cosigned by four witnesses.
PUBLISHED = (VECTORS / "cosigned-checkpoint.txt").read_bytes()
PUBLISHED_LOG = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
PUBLISHED_WITNESS = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
PUBLISHED_AT_S = 1779573024

RFC_8032 = json.loads((VECTORS / "rfc8032.json").read_text())  # its section 7.1, but for the vector of 1023 bytes

P = 2**255 - 19  # the field's prime
ORDER = 2**252 + 27742317777372353535851937790883648493  # of the group
SIGN_BIT = 1 << 255
ORDER_8 = (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)
SMALL_ORDER = sorted(
    {(y | sign).to_bytes(32, "little") for y in (0, 1, P - 1) for sign in (0, SIGN_BIT)}
    | {bytes.fromhex(point) for point in ORDER_8}
    | {(int.from_bytes(bytes.fromhex(point), "little") | SIGN_BIT).to_bytes(32, "little") for point in ORDER_8}
)
NOT_CANONICAL = [(P + y | sign).to_bytes(32, "little") for y in range(19) for sign in (0, SIGN_BIT)]

LOG = Signer("homeward.example/log", bytes(range(32)))
HUB = Signer("homeward.example/hub", bytes(range(32, 64)))
TEXT = checkpoint_text(LOG.name, 3, leaf_hash(b"three"))
AT_S = 1_772_928_000

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda name: "+" not in name and not any(char.isspace() or char < " " for char in name)
)
texts = st.text(st.characters(codec="utf-8"), max_size=60).map(
    lambda text: "".join(char for char in text if char >= " " or char == "\n") + "\n"
)
signatures = st.builds(Signature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))
notes = st.builds(SignedNote, texts, st.lists(signatures, min_size=1, max_size=SIGNATURES_COUNT_MAX).map(tuple))


def line(name: str = "a", raw: bytes = b"id..signature") -> str:
    return f"— {name} {b64encode(raw).decode()}\n"


def note_of(text: str = "text\n", count: int = 1) -> str:
    return text + "\n" + line() * count


# Examples that others published


def test_the_example_of_the_specification_verifies():
    """The verifier key in C2SP's signed-note verifies the note there, and nothing that differs from it."""
    note, verifier = parse(EXAMPLE_NOTE), Verifier.parse(EXAMPLE_KEY)
    assert verify(note, verifier) is None
    with pytest.raises(VerificationError):
        verify(note._replace(text="This is another message.\n"), verifier)


@pytest.mark.parametrize("example", [EXAMPLE_NOTE, EXAMPLE_POEM, EXAMPLE_COSIGNED, PUBLISHED.decode()])
def test_examples_are_read_and_written_unchanged(example):
    """What was parsed formats to the same bytes, from text and from bytes."""
    assert parse(example).format() == parse(example.encode()).format() == example


def test_a_text_may_hold_empty_lines():
    """The text ends at the last empty line, not at the first."""
    note = parse(EXAMPLE_POEM)
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert [line.name for line in note.signatures] == ["quasimodo.example/salvatore"]


def test_the_example_cosignature_has_its_parts_where_we_expect_them():
    """C2SP's tlog-cosignature example is a checkpoint, a signature of 64 bytes, and a cosignature with a time."""
    note = parse(EXAMPLE_COSIGNED)
    root = b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert parse_checkpoint(note.text) == Checkpoint("example.com/behind-the-sofa", 20852163, root)
    log, witness = note.signatures
    assert (log.name, log.key_id.hex(), len(log.signature)) == ("example.com/behind-the-sofa", "033de0ae", 64)
    assert (witness.name, witness.key_id.hex()) == ("witness.example.com/w1", "8d66cf3f")
    assert len(witness.signature) == 72
    assert int.from_bytes(witness.signature[:8]) == 1679315147


def test_a_published_checkpoint_verifies():
    """A public log's signature and a public witness's cosignature hold; lines of unknown keys are ignored."""
    note = parse(PUBLISHED)
    assert parse_checkpoint(note.text).size == 1432088532
    assert verify(note, Verifier.parse(PUBLISHED_LOG)) is None
    assert verify(note, Verifier.parse(PUBLISHED_WITNESS)) == PUBLISHED_AT_S


@pytest.mark.parametrize("key", [PUBLISHED_LOG, PUBLISHED_WITNESS])
def test_a_published_checkpoint_covers_its_size(key):
    """With another size neither the signature nor the cosignature holds."""
    note = parse(PUBLISHED)
    with pytest.raises(VerificationError):
        verify(note._replace(text=note.text.replace("1432088532", "1432088533")), Verifier.parse(key))


@pytest.mark.parametrize("key", [EXAMPLE_KEY, PUBLISHED_LOG, PUBLISHED_WITNESS])
def test_published_verifier_keys_are_read_and_written_unchanged(key):
    """A verifier key of either kind survives parsing, its id recomputed."""
    assert str(Verifier.parse(key)) == key


@pytest.mark.parametrize("vector", RFC_8032.values(), ids=RFC_8032)
def test_the_vectors_of_rfc_8032(vector):
    """Seeds give the public keys and signatures of RFC 8032, and those verify."""
    seed, public_key, message, signature = (
        bytes.fromhex(vector[part]) for part in ("seed", "public_key", "message", "signature")
    )
    signer = Signer("rfc8032", seed)
    assert signer.public_key == public_key
    assert signer.sign_bytes(message) == signature
    verify_bytes(public_key, message, signature)
    with pytest.raises(VerificationError):
        verify_bytes(public_key, message + b"\x00", signature)


# Keys


@pytest.mark.parametrize("point", SMALL_ORDER, ids=bytes.hex)
def test_small_order_keys_are_refused(point):
    """No key of small order is accepted, nor the signature that would fit every message under it."""
    assert not is_public_key(point)
    with pytest.raises(RemoteProtocolError):
        Verifier("name", point)
    for kind in (ED25519, COSIGNATURE_V1):
        material = b64encode(bytes([kind]) + point).decode()
        with pytest.raises(RemoteProtocolError):
            Verifier.parse(f"name+{key_id('name', kind, point).hex()}+{material}")
    with pytest.raises(VerificationError):
        verify_signature(point, TEXT, point + bytes(32))
    with pytest.raises(VerificationError):
        verify_cosignature(point, TEXT, bytes(8) + point + bytes(32))


@pytest.mark.parametrize("point", NOT_CANONICAL, ids=bytes.hex)
def test_keys_in_a_second_form_are_refused(point):
    """A coordinate not reduced modulo the prime is refused, whatever point it would be."""
    assert not is_public_key(point)


@pytest.mark.parametrize("torsion", ORDER_8)
def test_keys_of_mixed_order_are_refused(torsion):
    """A good key plus a point of small order is refused."""
    assert is_public_key(LOG.public_key)
    assert not is_public_key(crypto_core_ed25519_add(LOG.public_key, bytes.fromhex(torsion)))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_keys_of_another_length_are_refused(size):
    """A public key has 32 bytes."""
    assert not is_public_key(LOG.public_key.ljust(size, b"\x00")[:size])


def test_a_signature_has_one_form():
    """The same signature with the group's order added to its second half is refused."""
    signature = sign(LOG, TEXT)
    second = int.from_bytes(signature[32:], "little") + ORDER
    verify_signature(LOG.public_key, TEXT, signature)
    with pytest.raises(VerificationError):
        verify_signature(LOG.public_key, TEXT, signature[:32] + second.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a+b", "a\u00a0b", "a\u3000b", "a\u2028b", "a\nb", "a\x00b", "\ud800", "a" * (NAME_SIZE_BYTES_MAX + 1)],
)
def test_names_that_would_not_survive_a_note_are_refused(name):
    """A key's name has no spaces of any script, no plus, no control character, and is not too long."""
    with pytest.raises(LocalProtocolError):
        Signer(name, bytes(32))
    with pytest.raises(RemoteProtocolError):
        Verifier(name, LOG.public_key)
    with pytest.raises(LocalProtocolError):
        note_with(TEXT, name, LOG.public_key, bytes(64))


@pytest.mark.parametrize("name", ["归巢.example/石桥村", "a" * NAME_SIZE_BYTES_MAX])
def test_a_name_within_bounds_is_a_name(name):
    """Names are any UTF-8 up to the bound, and keep their form in keys and notes."""
    home = Signer(name, bytes(32))
    assert Verifier.parse(home.verifier_key()).name == home.name
    note = note_with(TEXT, home.name, home.public_key, sign(home, TEXT))
    assert verify(parse(note.format()), home.verifier()) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "example.com/foo+530d903a+",
        EXAMPLE_KEY.replace("530d903a", "530d903b"),
        EXAMPLE_KEY.replace("530d903a", "530D903A"),
        EXAMPLE_KEY.replace("/foo", "/bar"),
        EXAMPLE_KEY + "=",
        EXAMPLE_KEY + "\n",
        EXAMPLE_KEY[:-4],
        EXAMPLE_KEY.replace("+Aeky", "+Auky"),
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_malformed_verifier_keys_are_refused(text):
    """A key with a wrong id, length, kind, name or encoding is refused."""
    with pytest.raises(RemoteProtocolError):
        Verifier.parse(text)


@given(st.text(max_size=120) | st.text("+=/ABCabc019 \n", max_size=120))
def test_any_text_is_a_verifier_key_or_a_protocol_error(text):
    """Whatever is typed as a key is read or refused."""
    with suppress(RemoteProtocolError):
        assert str(Verifier.parse(text)) == text


def test_a_signer_does_not_show_its_seed():
    """Neither representation of a signer contains its private key."""
    assert repr(LOG) == "Signer('homeward.example/log')"


def test_a_verifier_shows_its_key():
    """Both forms of a verifier say which key it is."""
    assert repr(Verifier.parse(EXAMPLE_KEY)) == f"Verifier('{EXAMPLE_KEY}')"


def test_a_seed_has_32_bytes():
    """A private seed of another length is refused."""
    with pytest.raises(LocalProtocolError):
        Signer("name", bytes(31))


# The form of notes


@given(notes)
def test_notes_survive_formatting(note):
    """Any note that can be made is read back as it was."""
    assert parse(note.format()) == note


@given(st.text(max_size=200) | st.text("— a+\n=AB", max_size=200) | st.binary(max_size=200))
def test_any_text_is_a_note_or_a_protocol_error(data):
    """Arbitrary text or bytes give a note that formats back to them, or a `RemoteProtocolError`."""
    try:
        note = parse(data)
    except RemoteProtocolError:
        return
    assert note.format() == (data if isinstance(data, str) else data.decode())


@given(notes, st.data())
def test_a_damaged_note_is_a_note_or_a_protocol_error(note, data):
    """A note with any byte replaced is read exactly as it stands, or refused."""
    damaged = bytearray(note.format().encode())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RemoteProtocolError):
        assert parse(bytes(damaged)).format().encode() == damaged


@pytest.mark.parametrize(
    "data",
    [
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        "\n" + line(),
        "text\n" + line(),
        note_of()[:-1],
        note_of() + "\n",
        note_of() + "more\n",
        note_of().replace("— ", "- "),
        note_of().replace("— ", "—"),
        note_of().replace("— ", "—\u00a0"),
        note_of().replace("\n", "\r\n"),
        note_of("tab\t\n"),
        note_of("nul\x00\n"),
        note_of("lone \ud800\n"),
        b"\xff\n\n" + line().encode(),
        "text\n\n" + line("a b"),
        "text\n\n" + line("a+b"),
        "text\n\n" + line(""),
        "text\n\n" + line(raw=b""),
        "text\n\n" + line(raw=b"only"),
        "text\n\n" + line().replace("=", ""),
        "text\n\n— a \n",
        "text\n\n— a\n",
        "text\n\n— a AAAAAAB=\n",
        "text\n\n— a AAAA_AAA\n",
        "text\n\n— a AAAA AAAA\n",
        note_of(count=SIGNATURES_COUNT_MAX + 1),
        note_of("x" * NOTE_SIZE_BYTES_MAX + "\n"),
        note_of("村" * (NOTE_SIZE_BYTES_MAX // 2) + "\n"),
    ],
)
def test_malformed_notes_are_refused(data):
    """A note in any form but the one is refused."""
    with pytest.raises(RemoteProtocolError):
        parse(data)


@pytest.mark.parametrize("letter", ["x", "村"])
def test_a_note_may_be_as_long_as_the_bound(letter):
    """The bound counts bytes: a note of exactly so many is read, from text and from bytes, and one byte more is not."""
    room = NOTE_SIZE_BYTES_MAX - len(note_of("\n").encode())
    text = letter * (room // len(letter.encode())) + "x" * (room % len(letter.encode()))
    note = note_of(text + "\n")
    assert len(note.encode()) == NOTE_SIZE_BYTES_MAX
    assert parse(note) == parse(note.encode())
    for longer in (note_of(text + "x\n"), note_of(text + "x\n").encode()):
        with pytest.raises(RemoteProtocolError):
            parse(longer)


def test_sixteen_signatures_are_read():
    """As many signatures as C2SP asks every reader to take are taken."""
    assert len(parse(note_of(count=16)).signatures) == SIGNATURES_COUNT_MAX == 16


# Checkpoints


@given(names, st.integers(1, SIZE_MAX), st.binary(min_size=32, max_size=32))
@example("a", SIZE_MAX, bytes(32))
def test_checkpoints_survive_formatting(origin, size, root):
    """Any checkpoint that can be made is read back as it was."""
    assert parse_checkpoint(checkpoint_text(origin, size, root)) == Checkpoint(origin, size, root)


def test_a_checkpoint_of_nothing_has_the_empty_root():
    """A log of size 0 has the root of the empty tree, and no other log has it."""
    text = checkpoint_text("a", 0, EMPTY_ROOT)
    assert text == "a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert parse_checkpoint(text) == Checkpoint("a", 0, EMPTY_ROOT)
    with pytest.raises(RemoteProtocolError):
        parse_checkpoint(text.replace("\n0\n", "\n1\n"))
    with pytest.raises(RemoteProtocolError):
        parse_checkpoint(TEXT.replace("\n3\n", "\n0\n"))


def test_extension_lines_are_kept():
    """Lines after the root are given to the reader, who may not know what they mean."""
    assert parse_checkpoint(TEXT + "one\ntwo 2\n").extensions == ("one", "two 2")
    assert parse_checkpoint(TEXT + "many\n" * EXTENSIONS_COUNT_MAX).extensions == ("many",) * EXTENSIONS_COUNT_MAX


ROOT = TEXT.split("\n")[2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        TEXT[:-1],
        TEXT + "\n",
        "\n" + TEXT,
        TEXT + "one\n\ntwo\n",
        TEXT + "many\n" * 17,
        f"a\n3\n{ROOT}",
        "a\n3\n",
        f"\n3\n{ROOT}\n",
        *(f"a\n{size}\n{ROOT}\n" for size in ("", "03", "00", "+3", "-3", " 3", "3 ", "3.0", "0x3", "1_0", "٣", "３")),
        f"a\n{SIZE_MAX + 1}\n{ROOT}\n",
        f"a\n{'9' * 5000}\n{ROOT}\n",
        f"a\n3\n{ROOT[:-1]}\n",
        f"a\n3\n{ROOT} \n",
        f"a\n3\n{b64encode(bytes(31)).decode()}\n",
        f"a\n3\n{b64encode(bytes(33)).decode()}\n",
        f"a\n3\n{'A' * 42}B=\n",
        f"a\n3\n{'-' * 43}=\n",
        f"a\r\n3\r\n{ROOT}\r\n",
        f"\ud800\n3\n{ROOT}\n",
    ],
)
def test_malformed_checkpoints_are_refused(text):
    """A checkpoint in any form but the one is refused."""
    with pytest.raises(RemoteProtocolError):
        parse_checkpoint(text)


@given(st.text(max_size=100) | st.text("a01\nA=", max_size=100))
def test_any_text_is_a_checkpoint_or_a_protocol_error(text):
    """Whatever text comes is read or refused."""
    with suppress(RemoteProtocolError):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("", 1, bytes(32)), ("a b", 1, bytes(32)), ("a", -1, bytes(32)), ("a", SIZE_MAX + 1, bytes(32)),
     ("a", 1, bytes(31)), ("a", 0, bytes(32)), ("a", 1, EMPTY_ROOT)],
)  # fmt: skip
def test_checkpoints_that_mean_nothing_are_not_made(origin, size, root):
    """A checkpoint that no reader would take is a bug of the caller."""
    with pytest.raises(LocalProtocolError):
        checkpoint_text(origin, size, root)


# Signatures and cosignatures


def test_a_note_is_made_from_a_raw_signature():
    """A raw signature put into a note verifies there, and comes out as it was."""
    signature = sign(LOG, TEXT)
    verify_signature(LOG.public_key, TEXT, signature)
    note = parse(note_with(TEXT, LOG.name, LOG.public_key, signature).format())
    assert verify(note, Verifier.parse(LOG.verifier_key())) is None
    assert note.signatures[0].signature == signature


def test_a_cosignature_is_added_to_a_note():
    """A raw cosignature joined to a note verifies there, tells its time, and leaves the log's signature as it was."""
    cosignature = cosign(HUB, TEXT, AT_S)
    assert len(cosignature) == 72
    assert verify_cosignature(HUB.public_key, TEXT, cosignature) == AT_S
    note = note_with(TEXT, LOG.name, LOG.public_key, sign(LOG, TEXT))
    note = parse(with_cosignature(note, HUB.name, HUB.public_key, cosignature).format())
    assert verify(note, LOG.verifier()) is None
    assert verify(note, Verifier.parse(HUB.verifier_key(COSIGNATURE_V1))) == AT_S


def test_a_cosignature_covers_the_message_of_the_specification():
    """What is signed is the header line, the time line and the checkpoint's text."""
    cosignature = cosign(HUB, TEXT, AT_S)
    verify_bytes(HUB.public_key, f"cosignature/v1\ntime {AT_S}\n{TEXT}".encode(), cosignature[8:])


@given(st.sampled_from(["signature", "text", "key"]), st.integers(0, 8 * 72 - 1))
def test_any_flipped_bit_breaks_a_cosignature(part, bit):
    """One bit of the time, the signature, the text or the key decides."""
    parts = {"signature": cosign(HUB, TEXT, AT_S), "text": TEXT.encode(), "key": HUB.public_key}
    value = bytearray(parts[part])
    bit %= 8 * len(value)
    value[bit // 8] ^= 1 << bit % 8
    parts[part] = bytes(value)
    with pytest.raises(VerificationError):
        verify_cosignature(parts["key"], parts["text"].decode(errors="replace"), parts["signature"])


@given(st.sampled_from(["signature", "text", "key"]), st.integers(0, 8 * 64 - 1))
def test_any_flipped_bit_breaks_a_signature(part, bit):
    """One bit of the signature, the text or the key decides."""
    parts = {"signature": sign(LOG, TEXT), "text": TEXT.encode(), "key": LOG.public_key}
    value = bytearray(parts[part])
    bit %= 8 * len(value)
    value[bit // 8] ^= 1 << bit % 8
    parts[part] = bytes(value)
    with pytest.raises(VerificationError):
        verify_signature(parts["key"], parts["text"].decode(errors="replace"), parts["signature"])


@pytest.mark.parametrize("size", [0, 63, 65, 71, 72, 73])
def test_signatures_of_another_length_are_refused(size):
    """A signature has 64 bytes and a cosignature 72."""
    if size != 72:
        with pytest.raises(VerificationError):
            verify_cosignature(HUB.public_key, TEXT, cosign(HUB, TEXT, AT_S).ljust(size, b"\x00")[:size])
    with pytest.raises(VerificationError):
        verify_signature(HUB.public_key, TEXT, sign(HUB, TEXT).ljust(size, b"\x00")[:size])
    with pytest.raises(LocalProtocolError):
        note_with(TEXT, HUB.name, HUB.public_key, bytes(size))


def test_the_two_kinds_are_not_confused():
    """One key's signature is no cosignature of it, nor the other way round, nor is its message a text."""
    cosignature = cosign(HUB, TEXT, AT_S)
    cosigned = f"cosignature/v1\ntime {AT_S}\n{TEXT}"
    with pytest.raises(VerificationError):
        verify_signature(HUB.public_key, cosigned, cosignature[8:])
    with pytest.raises(LocalProtocolError):
        sign(HUB, cosigned)
    note = note_with(TEXT, HUB.name, HUB.public_key, sign(HUB, TEXT))
    with pytest.raises(VerificationError):
        verify(note, HUB.verifier(COSIGNATURE_V1))
    assert key_id(HUB.name, ED25519, HUB.public_key) != key_id(HUB.name, COSIGNATURE_V1, HUB.public_key)


def test_a_verifier_wants_its_own_line():
    """Neither the right key under another name nor another key under the right name will do."""
    note = note_with(TEXT, LOG.name, LOG.public_key, sign(LOG, TEXT))
    for stranger in (Verifier(HUB.name, LOG.public_key), Verifier(LOG.name, HUB.public_key)):
        with pytest.raises(VerificationError):
            verify(note, stranger)


def test_one_bad_line_of_a_known_key_spoils_the_note():
    """A note with a good and a bad signature of the same key is refused, in either order."""
    note = note_with(TEXT, LOG.name, LOG.public_key, sign(LOG, TEXT))
    (good,) = note.signatures
    bad = good._replace(signature=sign(LOG, "other\n"))
    for lines in ((good, bad), (bad, good)):
        with pytest.raises(VerificationError):
            verify(note._replace(signatures=lines), LOG.verifier())


def test_the_latest_of_several_cosignatures_counts():
    """A note cosigned twice by one key tells the later time."""
    note = note_with(TEXT, LOG.name, LOG.public_key, sign(LOG, TEXT))
    for at_s in (AT_S, AT_S + 60, AT_S + 30):
        note = with_cosignature(note, HUB.name, HUB.public_key, cosign(HUB, TEXT, at_s))
    assert verify(note, HUB.verifier(COSIGNATURE_V1)) == AT_S + 60


def test_a_full_note_takes_no_more_signatures():
    """A cosignature beyond the limit is not added, since no reader would take the note."""
    note = parse(note_of(TEXT, count=SIGNATURES_COUNT_MAX))
    with pytest.raises(LocalProtocolError):
        with_cosignature(note, HUB.name, HUB.public_key, cosign(HUB, TEXT, AT_S))


@pytest.mark.parametrize("at_s", [0, 1, TIMESTAMP_S_MAX])
def test_any_time_in_range_can_be_cosigned(at_s):
    """A wrong clock does not keep a hub from giving receipts."""
    assert verify_cosignature(HUB.public_key, TEXT, cosign(HUB, TEXT, at_s)) == at_s


def test_times_out_of_range_are_refused():
    """A time below 0 or past 2^63 - 1 is neither signed nor accepted."""
    for at_s in (-1, TIMESTAMP_S_MAX + 1):
        with pytest.raises(LocalProtocolError):
            cosign(HUB, TEXT, at_s)
    at_s = TIMESTAMP_S_MAX + 1
    forged = at_s.to_bytes(8) + HUB.sign_bytes(f"cosignature/v1\ntime {at_s}\n{TEXT}".encode())
    with pytest.raises(VerificationError):
        verify_cosignature(HUB.public_key, TEXT, forged)


def test_only_checkpoints_are_cosigned():
    """A cosignature says something about a checkpoint, so nothing else gets one."""
    with pytest.raises(RemoteProtocolError):
        cosign(HUB, "some text\n", AT_S)


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "nul\x00\n"])
def test_what_is_not_a_text_is_not_signed(text):
    """Nothing is signed or wrapped that a reader of notes would refuse."""
    with pytest.raises(LocalProtocolError):
        sign(LOG, text)
    with pytest.raises(LocalProtocolError):
        note_with(text, LOG.name, LOG.public_key, bytes(64))


def test_a_text_without_utf8_form_verifies_as_nothing():
    """A lone surrogate in a text is a failed verification, not a crash."""
    with pytest.raises(VerificationError):
        verify_signature(LOG.public_key, "\ud800\n", bytes(64))
    with pytest.raises(VerificationError):
        verify_cosignature(LOG.public_key, "\ud800\n", bytes(72))


def test_an_unknown_kind_of_key_is_refused():
    """A key of a kind that we cannot verify is refused when it is read, not when it is needed."""
    with pytest.raises(RemoteProtocolError):
        Verifier("name", LOG.public_key, 0x06)
