"""The vectors in sync/PROTOCOL.md, read from the text itself."""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from pathlib import Path

import msgpack
import pytest
import zstandard

from sync import bundle, compression, entry, errors, hub_note, note, recipients, sealing, succession, wire
from sync.cipher import expand
from sync.file_form import (
    CHUNK_SIZE_BYTES,
    CHUNKS_COUNT_MAX,
    FILE_SIZE_BYTES_MAX,
    SEALED_SIZE_BYTES_MAX,
    TIES_COUNT_MAX,
    Manifest,
    chunk_hash,
    offer_text,
    open_chunk,
)
from sync.hub_note import HubNote
from sync.merkle import EMPTY_ROOT, Frontier
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
    ErasedRow,
    Follow,
    Held,
    Hello,
    Holds,
    LogAt,
    Logs,
    NoKey,
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
    Welcome,
    Witness,
)
from sync.outbox import outbox_id
from sync.push_form import REFERENCES_COUNT_MAX
from sync.shelf import shelf_id

TEXT = (Path(wire.__file__).parent / "PROTOCOL.md").read_text(encoding="utf-8")


def read_vectors() -> dict[str, dict[str, str]]:
    found = {}
    for block in re.findall(r"^```vector\n# (.+?)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        name, lines = block
        found[name] = dict(line.split(" = ") for line in lines.splitlines())
    return found


VECTORS = read_vectors()
KINDS = (
    "Hello", "Held", "Push", "Ack", "Confirm", "Receipt", "Refusal", "NoKey", "Offer", "Holds", "Declined", "Chunk",
    "Succeed", "Compare", "Roots", "Logs", "Follow", "Carry", "Took", "OutboxAt", "Delivery", "Vouch",
    "Witness", "Recall", "Returned",
    "Again", "Content", "Bring", "erased Push", "AskPlain", "About", "Welcome",
    "Remains", "Resume",
)  # fmt: skip
NUMBERS = {
    **{kind: number for number, kind in enumerate(KINDS, 1)},
    "erased Push": 3, "Welcome": 27, "Again": 29, "Content": 30, "Bring": 31, "AskPlain": 32, "About": 33,
    "Remains": 40, "Resume": 41,
}  # fmt: skip


def hexed(vector: str, name: str) -> bytes:
    return bytes.fromhex(VECTORS[vector][name])


def manifest() -> Manifest:
    """The file of the text."""
    return Manifest(VECTORS["file"]["media_type"], len(hexed("file", "content")), (hexed("file", "chunk_hash"),))


def second_note() -> HubNote:
    """The hub's second note of the text."""
    vector = VECTORS["hub note"]
    numbers = (int(vector[name]) for name in ("epoch", "backed_up_to", "time_ms"))
    return HubNote(*numbers, hexed("hub note", "signature"))


def messages() -> dict[str, object]:
    """What the frames of the text mean."""
    bodies = [entry.read_body(hexed(f"entry {n}", "body")) for n in (1, 2)]
    rows = [PushRow(1, b.type, b.actor, b.lamport, b.recorded_at_ms, b.deps, b.payload, b.extensions) for b in bodies]
    root, signature = hexed("checkpoint", "root"), hexed("checkpoint", "signature")
    erased = [ErasedRow(1, hexed(f"entry {n}", "commitment")) for n in (1, 2)]
    begins = Beginning(hexed("stream", "subject"), hexed("stream", "stream_key"), None)
    push = Push(0, 1, [begins], rows, root, signature)
    log = hexed("log", "log")
    offer = Offer(manifest(), hexed("file", "file_key"), (hexed("offer", "subject"),), hexed("offer", "signature"))
    return {
        "Hello": Hello(1, hexed("log", "log"), 2, 1_741_392_000_000),
        "Held": Held(0, 1_741_392_001_500, EMPTY_ROOT),
        "Push": push,
        "AskPlain": AskPlain(0),
        "About": About(log),
        "Remains": Remains(200, hashlib.sha256(hexed("frame Push", "frame")[:200]).digest()[:8]),
        "Resume": Resume(200),
        "Ack": Ack(2),
        "Confirm": Confirm(2, root, signature),
        "Receipt": Receipt.of(2, hexed("receipt", "cosignature"), second_note()),
        "Refusal": Refusal("gap", "the hub holds 0 of 2 entries"),
        "NoKey": NoKey(0, [1]),
        "Offer": offer,
        "Holds": Holds(hexed("file", "name"), 0),
        "Declined": Declined(hexed("file", "name"), "gone", "it was erased here"),
        "Chunk": Chunk(hexed("file", "name"), 0, hexed("file", "chunk")),
        "Succeed": Succeed(
            hexed("succeed", "old_public_key"),
            hexed("succeed", "new_public_key"),
            int(VECTORS["succeed"]["size"]),
            hexed("succeed", "old_signature"),
            hexed("succeed", "new_signature"),
        ),
        "Compare": Compare(log, [1, 2]),
        "Roots": Roots(log, [hexed("entry 1", "leaf"), root]),
        "Logs": Logs([LogAt(hexed("log", "public_key"), 2, root)]),
        "Follow": Follow(log, 1),
        "Carry": Carry(log, push),
        "Took": Took(log, 2),
        "Again": Again(log, [1]),
        "Content": Content(log, 1, hexed("entry 1", "body")),
        "OutboxAt": OutboxAt(1, 2, 3, 0, root[:TREE_SIZE]),
        "Bring": Bring(1, hexed("log", "public_key"), offer),
        "Delivery": Delivery(hexed("outbox", "outbox"), push, [log], [0], [1, 2]),
        "Vouch": succession.vouch(
            note.Signer(VECTORS["log"]["origin"], hexed("log", "seed")), hexed("succeed", "new_public_key")
        ),
        "Welcome": Welcome(1_741_392_100_000, 2, [SignedLog(hexed("log", "public_key"), [(2, root, signature)])]),
        "Witness": Witness(hexed("outbox", "outbox"), 1, 2, root, signature),
        "Recall": Recall(hexed("outbox", "outbox"), 1, hexed("entry 1", "leaf")),
        "Returned": Returned(1, [], [log], [0], [1, 2], push),
        "erased Push": Push(0, 1, [Beginning(None, None, hexed("stream", "stream"))], erased, root, signature),
    }


def test_the_text_holds_every_vector():
    """No vector is lost by a change of the text's layout."""
    others = {"log", "stream", "entry 1", "entry 2", "sealed", "empty root", "checkpoint", "receipt", "file", "offer",
              "recipient", "bundle", "answer", "succeed", "outbox", "hub note", "shelf"}  # fmt: skip
    assert VECTORS.keys() == others | {f"frame {kind}" for kind in KINDS}


def test_an_outbox_is_named_by_hub_home_and_epoch():
    """The id of an outbox follows from the hub's key, the home's code and the epoch."""
    home, number = hexed("outbox", "home").decode(), int(VECTORS["outbox"]["epoch"])
    assert outbox_id(hexed("outbox", "hub_public_key"), home, number) == hexed("outbox", "outbox")


def test_a_shelf_is_named_by_its_outbox():
    """The id of a shelf follows from that of the outbox."""
    assert shelf_id(hexed("shelf", "outbox")) == hexed("shelf", "shelf")


def test_a_log_is_named_by_its_key():
    """Seed, public key, id and origin belong together."""
    signer = note.Signer(VECTORS["log"]["origin"], hexed("log", "seed"))
    assert signer.public_key == hexed("log", "public_key")
    assert entry.log_id(signer.public_key) == hexed("log", "log")
    assert entry.origin(hexed("log", "log")) == VECTORS["log"]["origin"]


def test_the_keys_of_a_stream():
    """The three keys and the pseudonym follow from the stream key."""
    keys = entry.derive(hexed("stream", "stream_key"))
    assert keys == (hexed("stream", "label"), hexed("stream", "salt"), hexed("stream", "seal"))
    name = entry.stream_id(keys.label, hexed("stream", "log"), hexed("stream", "subject"))
    assert name == hexed("stream", "stream")


@pytest.mark.parametrize("vector", ["entry 1", "entry 2"])
def test_an_entry_from_body_to_leaf(vector):
    """Body, commitment, header, leaf and id are as the text has them."""
    log, seq, stream = hexed(vector, "log"), int(VECTORS[vector]["seq"]), hexed(vector, "stream")
    body = hexed(vector, "body")
    assert entry.pack_body(entry.read_body(body)) == body
    committed = entry.commitment(hexed(vector, "salt_key"), log, seq, body)
    assert committed == hexed(vector, "commitment")
    assert entry.header(log, seq, stream, committed) == hexed(vector, "header")
    assert entry.leaf(log, seq, stream, committed) == hexed(vector, "leaf")
    assert entry.entry_id(committed) == hexed(vector, "id")


def test_the_form_at_rest_opens():
    """What the text has sealed is opened by the program, and what the program seals has the same form."""
    log, stream = hexed("entry 1", "log"), hexed("entry 1", "stream")
    committed, key = hexed("entry 1", "commitment"), sealing.Seal(hexed("sealed", "seal_key"))
    assert hexed("sealed", "header") == entry.header(log, 1, stream, committed)
    for form in (hexed("sealed", "sealed"), sealing.seal_body(key, hexed("sealed", "header"), hexed("sealed", "body"))):
        assert len(form) == len(hexed("sealed", "body")) + sealing.NONCE_SIZE + sealing.TAG_SIZE
        assert sealing.open_body(key, log, 1, stream, committed, form) == hexed("sealed", "body")
        for wrong in (form[:-1], form[:30], b"", form[:-1] + bytes([form[-1] ^ 1])):
            with pytest.raises(sealing.DoesNotOpen):
                sealing.open_body(key, log, 1, stream, committed, wrong)
        with pytest.raises(sealing.DoesNotOpen):
            sealing.open_body(key, log, 2, stream, committed, form)


def test_a_file_from_content_to_name():
    """Chunk key, chunk, key commitment and name are as the text has them; the chunk opens to the content."""
    key = hexed("file", "file_key")
    assert expand(key, b"homeward/chunk/1", 32) == hexed("file", "chunk_key")
    assert hexed("file", "associated") == b"homeward/chunk/1" + struct.pack(">II", 0, 1)
    assert open_chunk(key, 0, 1, hexed("file", "chunk")) == hexed("file", "content")
    assert chunk_hash(hexed("file", "chunk")) == hexed("file", "chunk_hash")
    committed = hashlib.sha256(b"homeward/file-key/1" + key).digest()
    assert committed == hexed("file", "key_commitment")
    packed = msgpack.packb(["image/jpeg", len(hexed("file", "content")), committed, [hexed("file", "chunk_hash")]])
    assert hashlib.sha256(b"homeward/file/1" + packed).digest() == hexed("file", "name") == manifest().name(key)


def test_an_offer_is_signed_by_the_log():
    """The text that is signed names the log, the file and whom it shows; the signature holds and is the only one."""
    text = offer_text(hexed("offer", "log"), hexed("file", "name"), (hexed("offer", "subject"),))
    assert text.encode() == hexed("offer", "text")
    note.verify_signature(hexed("log", "public_key"), text, hexed("offer", "signature"))
    assert note.sign(note.Signer(VECTORS["log"]["origin"], hexed("log", "seed")), text) == hexed("offer", "signature")


def test_a_recipient_follows_from_a_key():
    """Both age forms are as the text has them."""
    assert str(recipients.identity_of(hexed("recipient", "seed"))) == VECTORS["recipient"]["identity"]
    assert str(recipients.recipient_of(hexed("recipient", "public_key"))) == VECTORS["recipient"]["recipient"]


def test_the_inside_of_a_bundle():
    """The bundle in the text is read, holds the frames of the text, and is the one that its log would sign."""
    reader = bundle.BundleReader()
    frames = list(reader.feed(hexed("bundle", "inside")))
    hub = entry.log_id(hexed("receipt", "hub_public_key"))
    head = bundle.Head(bundle.Kind.TO_HUB, hexed("log", "public_key"), hub, 0, 0)
    assert reader.require_whole() == head
    assert frames == [hexed(f"frame {kind}", "frame") for kind in ("Hello", "Follow", "Push", "Confirm")]
    assert msgpack.packb([1, *head[1:]]) == hexed("bundle", "head")
    signer = note.Signer(VECTORS["log"]["origin"], hexed("log", "seed"))
    writer = bundle.BundleWriter(signer)
    written = writer.begin(head) + b"".join(map(writer.frame, frames))
    assert hexed("bundle", "signed") == b"homeward/bundle/1\n" + hashlib.sha256(written).digest()
    assert written + bytes(4) + signer.sign_bytes(hexed("bundle", "signed")) == hexed("bundle", "inside")
    assert written + writer.end() == hexed("bundle", "inside")


def test_the_inside_of_an_answer():
    """The answer in the text is the hub's, with what is held first and pieces last."""
    reader = bundle.BundleReader()
    frames = list(reader.feed(hexed("answer", "inside")))
    head = bundle.Head(bundle.Kind.ANSWER, hexed("receipt", "hub_public_key"), hexed("log", "log"), 0, 0)
    assert reader.require_whole() == head
    kinds = ("Held", "About", "Held", "OutboxAt", "Delivery")
    assert frames == [hexed(f"frame {kind}", "frame") for kind in kinds]
    assert msgpack.packb([2, *head[1:]]) == hexed("answer", "head")
    writer = bundle.BundleWriter(note.Signer("homeward/hub", hexed("answer", "hub_seed")))
    written = writer.begin(head) + b"".join(map(writer.frame, frames))
    assert hexed("answer", "signed") == b"homeward/bundle/1\n" + hashlib.sha256(written).digest()
    assert written + writer.end() == hexed("answer", "inside")


def test_both_logs_sign_a_succession():
    """The text names both logs and the size; either key's signature holds over it, and the other's does not."""
    message = messages()["Succeed"]
    assert succession.text_of(hexed("log", "log"), entry.log_id(message.new_key), 2) == hexed("succeed", "text")
    succession.verify_succession(message)
    for wrong in (
        message._replace(size=3),
        message._replace(old_signature=message.new_signature),
        message._replace(new_signature=message.old_signature),
        message._replace(old_key=message.new_key, new_key=message.old_key),
    ):
        with pytest.raises(errors.VerificationError):
            succession.verify_succession(wrong)


def test_the_second_body_says_what_the_text_says():
    """Deps and extensions are where they belong."""
    body = entry.read_body(hexed("entry 2", "body"))
    assert body.deps == {bytes.fromhex("00000000000040008000000000000001"): 3}
    assert body.extensions == {entry.EXT_SOURCE: ["tablet", 7]}


def test_the_checkpoint_over_both_entries():
    """The root is that of the two leaves, and the log has signed it."""
    frontier, _ = Frontier().extend([hexed("entry 1", "leaf"), hexed("entry 2", "leaf")])
    assert frontier.root() == hexed("checkpoint", "root")
    text = note.checkpoint_text(VECTORS["log"]["origin"], int(VECTORS["checkpoint"]["size"]), frontier.root())
    assert text.encode() == hexed("checkpoint", "text")
    note.verify_signature(hexed("checkpoint", "public_key"), text, hexed("checkpoint", "signature"))
    assert hexed("empty root", "root") == EMPTY_ROOT


def test_the_receipt_is_the_hubs():
    """The cosignature holds, and states its time."""
    found = note.verify_cosignature(
        hexed("receipt", "hub_public_key"), hexed("receipt", "text").decode(), hexed("receipt", "cosignature")
    )
    assert found == int(VECTORS["receipt"]["timestamp_s"])


def test_the_second_note_is_the_hubs():
    """Text and signature follow from the hub's key, the checkpoint and the numbers, and are of the receipt's second."""
    hub = note.Signer("homeward/hub", hexed("hub note", "hub_seed"))
    log, root, size = hexed("hub note", "log"), hexed("hub note", "root"), int(VECTORS["hub note"]["size"])
    found = second_note()
    assert hub.public_key == hexed("receipt", "hub_public_key")
    text = hub_note.note_text(hub.public_key, log, size, root, found)
    assert text.encode() == hexed("hub note", "text")
    said = {"epoch": found.epoch, "backed_up_to": found.backed_up_to, "time_ms": found.time_ms}
    assert hub_note.signed_note(hub, log, size, root, **said) == found
    assert messages()["Receipt"].note == found
    assert note.note_with(text, entry.origin(entry.log_id(hub.public_key)), hub.public_key, found.signature)
    with pytest.raises(errors.RemoteProtocolError):
        note.parse_checkpoint(text)


def test_the_note_carries_both_signatures():
    """The note in the text is signed by the log and cosigned by the hub, under their origins."""
    (text,) = re.findall(r"^```note\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    parsed = note.parse(text)
    hub_key = hexed("receipt", "hub_public_key")
    hub = note.Verifier(entry.origin(entry.log_id(hub_key)), hub_key, note.COSIGNATURE_V1)
    assert note.verify(parsed, note.Verifier(VECTORS["log"]["origin"], hexed("log", "public_key"))) is None
    assert note.verify(parsed, hub) == int(VECTORS["receipt"]["timestamp_s"])
    assert parsed.text.encode() == hexed("checkpoint", "text")


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_of_every_kind_is_read(kind):
    """Each frame in the text is the message that the text means."""
    assert wire.decode(hexed(f"frame {kind}", "frame")) == messages()[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_of_every_kind_is_written(kind):
    """Each message expands to the bytes in the text, behind a length and a checksum that hold."""
    frame = wire.encode(messages()[kind])
    length, checksum, form = struct.unpack_from(">III", frame)
    assert (length, checksum) == (len(frame) - 4, zlib.crc32(frame[8:]))
    raw, dictionary = frame[12 : 12 + (form & 0xFFFFFF)], form >> 24
    known = zstandard.ZstdCompressionDict(compression.shipped()) if dictionary else None
    reader = zstandard.ZstdDecompressor(dict_data=known, format=zstandard.FORMAT_ZSTD1_MAGICLESS)
    expanded = reader.decompressobj().decompress(frame[12 + len(raw) :])
    assert expanded == hexed(f"frame {kind}", "message")
    assert raw == bytes.fromhex(VECTORS[f"frame {kind}"].get("raw", ""))
    assert expanded[1] == NUMBERS[kind]


def test_the_dictionary_is_the_one_in_the_text():
    """The text names the shipped dictionary by its SHA-256 and size."""
    assert hashlib.sha256(compression.shipped()).hexdigest() == compression.SHIPPED_SHA256
    assert compression.SHIPPED_SHA256 in TEXT
    assert f"{len(compression.shipped()):,}" in TEXT


def test_the_text_states_the_programs_bounds():
    """Every number that bounds a reader stands in the text as the program has it."""
    numbers = (entry.BODY_SIZE_BYTES_MAX, entry.ITEMS_COUNT_MAX, entry.TEXT_SIZE_BYTES_MAX, entry.TIME_MS_MAX,
               wire.FRAME_SIZE_BYTES_MAX, wire.MESSAGE_SIZE_BYTES_MAX, REFERENCES_COUNT_MAX,
               compression.WINDOW_SIZE_BYTES_MAX,
               CHUNK_SIZE_BYTES, CHUNKS_COUNT_MAX, FILE_SIZE_BYTES_MAX, SEALED_SIZE_BYTES_MAX,
               TIES_COUNT_MAX, bundle.HEAD_SIZE_BYTES_MAX, bundle.ENCLOSED_SIZE_BYTES_MAX)  # fmt: skip
    assert [n for n in numbers if f"{n:,}" not in TEXT] == []


def test_every_fault_names_a_test_that_exists():
    """The table of faults and outcomes names no test that somebody has renamed or removed."""
    root = Path(__file__).resolve().parents[2]
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_[a-z_0-9]+)`", (root / "sync" / "PROTOCOL.md").read_text("utf-8"))
    assert len(named) > 20
    assert [pair for pair in named if f"def {pair[1]}(" not in (root / pair[0]).read_text("utf-8")] == []
