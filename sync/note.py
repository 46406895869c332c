"""Signed notes, checkpoints and cosignatures, byte for byte as C2SP specifies them. Pure.

    example.com/log            a note's text; here a checkpoint: origin,
    3                                                            size,
    BASE64 OF THE ROOT=                                          root, then optional extension lines
                               a blank line, then signature lines:
    — example.com/log BASE64=  kind 0x01: key id 4 | Ed25519 over the text 64
    — example.com/hub BASE64=  kind 0x04: key id 4 | time 8 | Ed25519 over "cosignature/v1\\ntime N\\n" and the text 64

A signature is made and checked in raw form, 64 or 72 bytes, which is what our own wire carries. The form with names
and key ids is for files, people and other programs, and is built from the raw one.

A key id only says which key to try. It is 4 bytes long and anyone can make one collide, so trust comes from the public
key that the reader was given beforehand. Both kinds may be used with one key: a text to be signed plainly may therefore
never begin as a cosigned message does.
"""

from __future__ import annotations

import hashlib
import re
import struct
from base64 import b64decode, b64encode
from functools import lru_cache
from typing import Final, NamedTuple, Self

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from sync.errors import LocalProtocolError, RemoteProtocolError, VerificationError
from sync.merkle import EMPTY_ROOT, HASH_SIZE, SIZE_MAX

ED25519: Final = 0x01
COSIGNATURE_V1: Final = 0x04
KINDS: Final = (ED25519, COSIGNATURE_V1)

PUBLIC_KEY_SIZE: Final = 32
SEED_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64
COSIGNATURE_SIZE: Final = 8 + SIGNATURE_SIZE
KEY_ID_SIZE: Final = 4

NOTE_SIZE_BYTES_MAX: Final = 128 * 1024  # sixteen post-quantum signatures of 5 kB each still fit
SIGNATURES_COUNT_MAX: Final = 16
NAME_SIZE_BYTES_MAX: Final = 255
EXTENSIONS_COUNT_MAX: Final = 16
TIMESTAMP_S_MAX: Final = 2**63 - 1

_COSIGNED_PREFIX: Final = "cosignature/v1\n"
_SIGNATURE_PREFIX: Final = "\N{EM DASH} "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")  # all of them but the newline
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_TIMESTAMP: Final = struct.Struct(">Q")
_KEYS_CACHED_COUNT_MAX: Final = 4096  # a county's logs; a miss costs one multiplication on the curve


class Signature(NamedTuple):
    """One signature line. What the signature's bytes are depends on the kind of key, so they may be of any length."""

    name: str
    key_id: bytes
    signature: bytes


class SignedNote(NamedTuple):
    """A text, and who claims to have signed it. Nothing is true of it before `verify`."""

    text: str
    signatures: tuple[Signature, ...]

    def format(self) -> str:
        """The note as it is stored and sent; `parse` gives it back."""
        lines = (f"{_SIGNATURE_PREFIX}{name} {_base64(key + raw)}\n" for name, key, raw in self.signatures)
        return f"{self.text}\n{''.join(lines)}"


class Checkpoint(NamedTuple):
    """What a log says of itself: how long it is, and the root of its tree at that size."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


class Signer:
    """A name and a private key; the key appears in no representation of it."""

    __slots__ = ("_key", "name", "public_key")

    def __init__(self, name: str, seed: bytes) -> None:
        if not _is_name(name):
            raise LocalProtocolError(f"not a key name: {name!r}")
        if len(seed) != SEED_SIZE:
            raise LocalProtocolError(f"a private seed of {len(seed)} bytes, expected {SEED_SIZE}")
        self.name: Final = name
        self._key: Final = SigningKey(seed)
        self.public_key: Final = bytes(self._key.verify_key)

    def __repr__(self) -> str:
        return f"Signer({self.name!r})"

    def verifier(self, kind: int = ED25519) -> Verifier:
        """What others need to check this signer's signatures of one kind."""
        return Verifier(self.name, self.public_key, kind)

    def verifier_key(self, kind: int = ED25519) -> str:
        """The same as text, to be typed or put into a file."""
        return str(self.verifier(kind))

    def sign_bytes(self, message: bytes) -> bytes:
        """Ed25519 over a message that its caller has kept apart from all others; texts are signed by `sign`."""
        return self._key.sign(message).signature


class Verifier:
    """A key that the reader was told to trust: its name, its public key, and the one kind of signature it makes."""

    __slots__ = ("key_id", "kind", "name", "public_key")

    def __init__(self, name: str, public_key: bytes, kind: int = ED25519) -> None:
        if not _is_name(name):
            raise RemoteProtocolError(f"not a key name: {name!r}")
        if kind not in KINDS:
            raise RemoteProtocolError(f"key {name} is of kind {kind:#04x}, known are 0x01 and 0x04")
        if not is_public_key(public_key):
            raise RemoteProtocolError(f"key {name}: not an acceptable Ed25519 public key: {public_key.hex()}")
        self.name: Final = name
        self.public_key: Final = public_key
        self.kind: Final = kind
        self.key_id: Final = key_id(name, kind, public_key)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form: name, key id in hex, and base64 of kind and public key, joined by plus signs."""
        name, _, rest = text.partition("+")
        told, _, encoded = rest.partition("+")
        material = _unbase64(encoded, 1 + PUBLIC_KEY_SIZE)
        if material is None:
            raise RemoteProtocolError("a verifier key that is not of the form name+id+base64 of 33 bytes")
        verifier = cls(name, material[1:], material[0])
        if told != verifier.key_id.hex():
            raise RemoteProtocolError(f"key {name} says its id is {told!r}, expected {verifier.key_id.hex()}")
        return verifier

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(bytes([self.kind]) + self.public_key)}"

    def __repr__(self) -> str:
        return f"Verifier({str(self)!r})"


def key_id(name: str, kind: int, public_key: bytes) -> bytes:
    """The four bytes by which a signature line says which key and which kind of signature it means."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:KEY_ID_SIZE]


@lru_cache(maxsize=_KEYS_CACHED_COUNT_MAX)
def is_public_key(public_key: bytes) -> bool:
    """Whether this is the canonical form of a point in the group of prime order.

    Under a point of small order one signature fits many messages; a point with two forms would be a log with two ids.
    """
    return len(public_key) == PUBLIC_KEY_SIZE and crypto_core_ed25519_is_valid_point(public_key)


# Notes


def parse(data: str | bytes) -> SignedNote:
    """Read a signed note, or raise `RemoteProtocolError`. Only its form is checked: see `verify`."""
    note = _decode(data)
    text, separator, block = note.rpartition("\n\n")
    if not separator:
        raise RemoteProtocolError("a note without a blank line before its signatures")
    if not block.endswith("\n"):
        raise RemoteProtocolError("a note that does not end in a signature line and a newline")
    lines = block[:-1].split("\n")
    if len(lines) > SIGNATURES_COUNT_MAX:
        raise RemoteProtocolError(f"a note with {len(lines)} signatures, allowed are {SIGNATURES_COUNT_MAX}")
    return SignedNote(text + "\n", tuple(_parse_signature(line) for line in lines))


def note_with(text: str, name: str, public_key: bytes, signature: bytes) -> SignedNote:
    """Make a note of a text and its raw signature of 64 bytes. The signature is not checked."""
    _require_text(text)
    return SignedNote(text, (_signature_line(name, ED25519, public_key, signature),))


def with_cosignature(note: SignedNote, name: str, public_key: bytes, cosignature: bytes) -> SignedNote:
    """Add a raw cosignature of 72 bytes to a note. It is not checked."""
    if len(note.signatures) >= SIGNATURES_COUNT_MAX:
        raise LocalProtocolError(f"the note already has {len(note.signatures)} signatures")
    line = _signature_line(name, COSIGNATURE_V1, public_key, cosignature)
    return note._replace(signatures=(*note.signatures, line))


def verify(note: SignedNote, verifier: Verifier) -> int | None:
    """Raise `VerificationError` unless the verifier's key has signed the note; lines of other keys are ignored.

    For cosignatures, gives the time they state in seconds, the latest if there are several. Every line that claims to
    be the verifier's must hold: a note with one good and one bad signature of a key is refused.
    """
    raws = [line.signature for line in note.signatures if line[:2] == (verifier.name, verifier.key_id)]
    if not raws:
        raise VerificationError(f"the note has no signature of {verifier.name}+{verifier.key_id.hex()}")
    if verifier.kind == COSIGNATURE_V1:
        return max(verify_cosignature(verifier.public_key, note.text, raw) for raw in raws)
    for raw in raws:
        verify_signature(verifier.public_key, note.text, raw)
    return None


# Raw signatures


def sign(signer: Signer, text: str) -> bytes:
    """Sign a note's text: 64 bytes."""
    _require_text(text)
    return signer.sign_bytes(text.encode())


def verify_signature(public_key: bytes, text: str, signature: bytes) -> None:
    """Raise `VerificationError` unless this is the key's signature over the text."""
    if text.startswith(_COSIGNED_PREFIX):
        raise VerificationError("a cosigned message offered as the text of a note")
    verify_bytes(public_key, _encode(text), signature)


def verify_bytes(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raise `VerificationError` unless this is the key's Ed25519 signature over the message, each in its one form."""
    if len(signature) != SIGNATURE_SIZE:
        raise VerificationError(f"a signature of {len(signature)} bytes, expected {SIGNATURE_SIZE}")
    if not is_public_key(public_key):
        raise VerificationError(f"not an acceptable Ed25519 public key: {public_key.hex()}")
    try:
        VerifyKey(public_key).verify(message, signature)
    except BadSignatureError as error:
        raise VerificationError(f"not a signature of key {public_key.hex()} over this message") from error


def cosign(signer: Signer, checkpoint_text: str, timestamp_s: int) -> bytes:
    """State that this is the longest consistent checkpoint of its log seen at that time: time 8, signature 64.

    Raises `RemoteProtocolError` if the text is not a checkpoint: a cosignature says nothing about other texts.
    """
    parse_checkpoint(checkpoint_text)
    _require_text(checkpoint_text)
    if not 0 <= timestamp_s <= TIMESTAMP_S_MAX:
        raise LocalProtocolError(f"no time to cosign at: {timestamp_s}")
    message = _cosigned(checkpoint_text, timestamp_s)
    return _TIMESTAMP.pack(timestamp_s) + signer.sign_bytes(message.encode())


def verify_cosignature(public_key: bytes, text: str, cosignature: bytes) -> int:
    """Give the time in seconds that the cosignature states, or raise `VerificationError` if it does not hold."""
    if len(cosignature) != COSIGNATURE_SIZE:
        raise VerificationError(f"a cosignature of {len(cosignature)} bytes, expected {COSIGNATURE_SIZE}")
    (timestamp_s,) = _TIMESTAMP.unpack_from(cosignature)
    if timestamp_s > TIMESTAMP_S_MAX:
        raise VerificationError(f"a cosignature at the time {timestamp_s}, which is past 2^63 - 1")
    verify_bytes(public_key, _encode(_cosigned(text, timestamp_s)), cosignature[_TIMESTAMP.size :])
    return int(timestamp_s)


# Checkpoints


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The text that a log signs at this size; `parse_checkpoint` gives it back."""
    if not _is_name(origin):
        raise LocalProtocolError(f"not an origin: {origin!r}")
    if not 0 <= size <= SIZE_MAX or len(root) != HASH_SIZE or (size == 0) != (root == EMPTY_ROOT):
        raise LocalProtocolError(f"no checkpoint can say size {size}, root {root.hex()}")
    return f"{origin}\n{size}\n{_base64(root)}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint, or raise `RemoteProtocolError`. Whether it is signed is for `verify` to say."""
    _decode(text)
    *lines, rest = text.split("\n")
    if rest or not all(lines) or not 3 <= len(lines) <= 3 + EXTENSIONS_COUNT_MAX:
        raise RemoteProtocolError("a checkpoint is 3 lines and a few extensions, none empty, each with its newline")
    origin, decimal, encoded, *extensions = lines
    root = _unbase64(encoded, HASH_SIZE)
    if not _DECIMAL.fullmatch(decimal) or int(decimal) > SIZE_MAX:
        raise RemoteProtocolError(f"checkpoint of {origin}: size {decimal[:40]!r} is not a plain number below 2^63")
    if root is None:
        raise RemoteProtocolError(f"checkpoint of {origin}: root {encoded[:60]!r} is not {HASH_SIZE} bytes in base64")
    size = int(decimal)
    if (size == 0) != (root == EMPTY_ROOT):
        raise RemoteProtocolError(f"checkpoint of {origin}: size {size} cannot have root {root.hex()}")
    return Checkpoint(origin, size, root, tuple(extensions))


# Parts


def _is_name(name: str) -> bool:
    """Whether C2SP allows the name of a key: no spaces of any script, no plus; and not too long for us."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return False
    clean = "+" not in name and not _CONTROL.search(name) and not any(char.isspace() for char in name)
    return clean and 0 < len(encoded) <= NAME_SIZE_BYTES_MAX


def _require_text(text: str) -> None:
    """Refuse to sign or wrap what no reader would take as the text of a note."""
    if not text.endswith("\n") or _CONTROL.search(text) or text.startswith(_COSIGNED_PREFIX):
        raise LocalProtocolError(f"not the text of a note: {text[:60]!r}")


def _cosigned(text: str, timestamp_s: int) -> str:
    """The message that a cosigner signs."""
    return f"{_COSIGNED_PREFIX}time {timestamp_s}\n{text}"


def _encode(text: str) -> bytes:
    """The bytes that a signature over this text covers."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise VerificationError("a text that has no form in UTF-8 cannot have been signed") from error


def _signature_line(name: str, kind: int, public_key: bytes, raw: bytes) -> Signature:
    """Put a raw signature under its name and key id."""
    size = COSIGNATURE_SIZE if kind == COSIGNATURE_V1 else SIGNATURE_SIZE
    if not _is_name(name) or len(public_key) != PUBLIC_KEY_SIZE or len(raw) != size:
        raise LocalProtocolError(f"no signature line for {name!r}: {len(public_key)} bytes of key, {len(raw)} signed")
    return Signature(name, key_id(name, kind, public_key), raw)


def _parse_signature(line: str) -> Signature:
    """Read one signature line."""
    name, space, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
    raw = _unbase64(encoded)
    if not line.startswith(_SIGNATURE_PREFIX) or not space or not _is_name(name):
        raise RemoteProtocolError(f"not a signature line: {line[:60]!r}")
    if raw is None or len(raw) <= KEY_ID_SIZE:
        raise RemoteProtocolError(f"signature line of {name}: not a key id and a signature in base64")
    return Signature(name, raw[:KEY_ID_SIZE], raw[KEY_ID_SIZE:])


def _decode(data: str | bytes) -> str:
    """Take a note as text: valid UTF-8, of bounded size, without control characters other than the newline."""
    if len(data) > NOTE_SIZE_BYTES_MAX:
        raise RemoteProtocolError(f"a note longer than {NOTE_SIZE_BYTES_MAX} bytes")
    try:
        encoded = data.encode() if isinstance(data, str) else data
        text = encoded.decode()
    except UnicodeError as error:
        raise RemoteProtocolError("a note that is not UTF-8") from error
    if len(encoded) > NOTE_SIZE_BYTES_MAX:
        raise RemoteProtocolError(f"a note longer than {NOTE_SIZE_BYTES_MAX} bytes")
    if _CONTROL.search(text):
        raise RemoteProtocolError("a note with a control character")
    return text


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _unbase64(text: str, size: int | None = None) -> bytes | None:
    """Decode base64 of exactly one form: padded, nothing foreign in it, no stray bits at the end.

    Lenient decoding is enough, for only that form comes out again when the data are encoded.
    """
    try:
        data = b64decode(text)
    except ValueError:
        return None
    return data if _base64(data) == text and size in (None, len(data)) else None
