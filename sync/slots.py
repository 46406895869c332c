"""`key.json`, precious: the slots of a folder's master key. Each holds the same master key, wrapped for one opener.

* `file`: a key file (mode 0600), at first `node.key` in the folder itself. It protects copies of the databases that
  travel without it. It does not protect the PC that it lies on: whoever takes the whole folder can read it.
* `passphrase`: Argon2id over what a person types; its parameters lie in the slot. At most one.
* `recovery`: an age recipient, the county's; only its identity opens it, so a forgotten passphrase loses nothing.

The first two wrap with XChaCha20-Poly1305 under 32 bytes from the key file or from Argon2id. The last of these cannot
be removed, for the county's identity does not lie about to start a node with. `key.json` is replaced whole: a power
cut leaves the old slots or the new ones. A key file is on the disk before the slot that needs it, and removed after it,
so a cut leaves at worst a key file that opens nothing.

A re-keying (`rekey.py`) gives every slot a new master key at once, with the old one in `previous`, wrapped by the new
one, until no file is under it any more. A key file then holds two lines for a while; each line is tried.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final, NamedTuple

import argon2.low_level as argon2
import pyrage
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError
from pyrage import x25519

from sync.cipher import KEY_SIZE, MasterKey
from sync.errors import FolderError, LocalProtocolError, LogCorrupt, NewerFormat, WrongKey
from sync.small_file import FOR_THE_OWNER, write_file

SLOTS_FILE: Final = "key.json"
NODE_KEY_FILE: Final = "node.key"
FORMAT: Final = 1
FILE, PASSPHRASE, RECOVERY = "file", "passphrase", "recovery"
LABEL: Final = b"homeward/slot/1/"
NONCE_SIZE: Final = 24
SLOTS_COUNT_MAX: Final = 16
PASSPHRASE_LENGTH_MIN: Final = 8
MEMORY_KIB, PASSES, LANES = 64 * 1024, 3, 4  # RFC 9106's second choice: a fifth of a second on a small PC
MEMORY_KIB_MAX, PASSES_MAX, LANES_MAX = 1024 * 1024, 16, 16  # a key.json that asks for more was not made here

Ask = Callable[[], str]


class Slot(NamedTuple):
    """One way to open the folder: what it is, what it shows of itself, and the wrapped master key."""

    kind: str
    detail: dict[str, Any]
    wrapped: bytes

    def describe(self) -> str:
        """As a person reads it."""
        match self.kind:
            case "file":
                return f"key file {self.detail['path']}"
            case "recovery":
                return f"recovery {self.detail['recipient']}"
            case _:
                return f"passphrase (argon2id, {self.detail['memory_kib'] // 1024} MiB)"


class Slots:
    """The slots of one folder. Whoever changes them holds the folder's lock."""

    def __init__(self, folder: Path) -> None:
        """Read key.json; FolderError, LogCorrupt or NewerFormat if that is not possible."""
        self.folder = folder
        self.path = folder / SLOTS_FILE
        self.slots, self._previous = _read(self.path)

    @classmethod
    def create(cls, folder: Path, master: MasterKey) -> Slots:
        """The slots of a new folder: a key file in it."""
        if (folder / SLOTS_FILE).exists():
            raise FolderError(f"{folder / SLOTS_FILE} exists already")
        made = cls.__new__(cls)
        made.folder, made.path, made.slots, made._previous = folder, folder / SLOTS_FILE, [], b""
        made.add_file(master, NODE_KEY_FILE)
        return made

    @property
    def is_rekeying(self) -> bool:
        """Whether files may still be under the master key before this one."""
        return bool(self._previous)

    def unlock(self, ask: Ask | None = None, identities: Iterable[x25519.Identity] = ()) -> MasterKey:
        """The master key, by the first opener that fits: identities, key files, then the passphrase that `ask` gives.

        Raises:
            WrongKey: nothing that is at hand opens the folder.
        """
        found = self._by_identity(list(identities)) or self._by_file()
        if found is None and ask is not None and (slot := self._first(PASSPHRASE)) is not None:
            found = _unwrap(slot.kind, slot.wrapped, stretch(ask(), slot.detail))
            if found is None:
                raise WrongKey(f"{self.folder}: this is not its passphrase")
        if found is None:
            raise WrongKey(self._what_is_missing())
        previous = _unwrap("previous", self._previous, found) if self._previous else None
        return MasterKey(found, previous)

    def add_file(self, master: MasterKey, path: str) -> None:
        """Make a key file (a path is taken from the folder) and its slot."""
        place = self.folder / path
        if place.exists() or any(slot.detail.get("path") == path for slot in self.slots):
            raise FolderError(f"{place} exists already: name another key file")
        secret = token_bytes(KEY_SIZE)
        write_file(place, secret.hex() + "\n", FOR_THE_OWNER)
        self._save([*self.slots, Slot(FILE, {"path": path}, _wrap(FILE, master.current, secret))])

    def add_passphrase(self, master: MasterKey, passphrase: str) -> None:
        """Add the passphrase, in place of the one before if there is one."""
        others = [slot for slot in self.slots if slot.kind != PASSPHRASE]
        self._save([*others, passphrase_slot(master.current, passphrase)])

    def add_recovery(self, master: MasterKey, recipient: str) -> None:
        """Let the holder of an age identity open the folder."""
        if any(slot.detail.get("recipient") == recipient for slot in self.slots):
            return
        self._save([*self.slots, recovery_slot(master.current, recipient)])

    def remove(self, number: int) -> Slot:
        """Take a slot away (numbered from 1), and its key file; the last that can start the node stays."""
        if not 1 <= number <= len(self.slots):
            raise FolderError(f"{self.folder} has slots 1 to {len(self.slots)}, found {number}")
        gone = self.slots[number - 1]
        if all(slot is gone or slot.kind == RECOVERY for slot in self.slots):
            raise FolderError(f"slot {number} is the last that can start {self.folder}: add another one first")
        self._save([slot for slot in self.slots if slot is not gone])
        if gone.kind == FILE:
            (self.folder / gone.detail["path"]).unlink(missing_ok=True)
        return gone

    def renew(self, master: MasterKey, passphrase: Ask) -> MasterKey:
        """Give every slot a new master key, the old one kept in `previous`; all slots or none."""
        fresh = MasterKey(token_bytes(KEY_SIZE), master.current)
        slots, key_files = [], []
        for slot in self.slots:
            match slot.kind:
                case "file":
                    path = self.folder / slot.detail["path"]
                    old = self._good_secret(slot)
                    if old is None:
                        raise FolderError(f"{path} does not open its slot: put it back, or remove the slot")
                    secret = token_bytes(KEY_SIZE)
                    key_files.append((path, f"{secret.hex()}\n{old.hex()}\n"))
                    slots.append(Slot(FILE, slot.detail, _wrap(FILE, fresh.current, secret)))
                case "recovery":
                    slots.append(recovery_slot(fresh.current, slot.detail["recipient"]))
                case _:
                    typed = passphrase()
                    if _unwrap(slot.kind, slot.wrapped, stretch(typed, slot.detail)) is None:
                        raise WrongKey(f"{self.folder}: this is not its passphrase")
                    slots.append(passphrase_slot(fresh.current, typed))
        for path, lines in key_files:
            write_file(path, lines, FOR_THE_OWNER)
        self._save(slots, _wrap("previous", master.current, fresh.current))
        return fresh

    def forget_previous(self) -> None:
        """No file is under the old master key any more."""
        self._save(self.slots, b"")
        for slot in self.slots:
            good = self._good_secret(slot) if slot.kind == FILE else None
            if good is not None:
                write_file(self.folder / slot.detail["path"], good.hex() + "\n", FOR_THE_OWNER)

    def _save(self, slots: list[Slot], previous: bytes | None = None) -> None:
        previous = self._previous if previous is None else previous
        if len(slots) > SLOTS_COUNT_MAX:
            raise FolderError(f"{self.folder} can have {SLOTS_COUNT_MAX} key slots: remove one first")
        if not slots:
            raise LocalProtocolError("a folder without a slot could never be opened")
        found: dict[str, Any] = {"format": FORMAT, "slots": []}
        found["slots"] = [{"kind": s.kind, **s.detail, "wrapped": s.wrapped.hex()} for s in slots]
        if previous:
            found["previous"] = previous.hex()
        write_file(self.path, json.dumps(found, ensure_ascii=False, indent=2) + "\n", FOR_THE_OWNER)
        self.slots, self._previous = slots, previous

    def _first(self, kind: str) -> Slot | None:
        return next((slot for slot in self.slots if slot.kind == kind), None)

    def _by_identity(self, identities: list[x25519.Identity]) -> bytes | None:
        if not identities:
            return None
        for slot in self.slots:
            if slot.kind == RECOVERY:
                try:
                    found = bytes(pyrage.decrypt(slot.wrapped, identities))
                except pyrage.DecryptError:
                    continue
                if len(found) == KEY_SIZE:  # anybody can encrypt to the county
                    return found
        raise WrongKey(f"{self.folder} has no recovery slot that this identity opens")

    def _by_file(self) -> bytes | None:
        for slot in self.slots:
            if slot.kind == FILE and (secret := self._good_secret(slot)) is not None:
                return _unwrap(FILE, slot.wrapped, secret)
        return None

    def _good_secret(self, slot: Slot) -> bytes | None:
        """The line of a slot's key file that opens it."""
        try:
            lines = (self.folder / slot.detail["path"]).read_text("ascii").split()
            secrets = [bytes.fromhex(line) for line in lines]
        except (OSError, ValueError):
            return None
        return next((one for one in secrets if _unwrap(FILE, slot.wrapped, one) is not None), None)

    def _what_is_missing(self) -> str:
        ways = []
        for slot in self.slots:
            if slot.kind == FILE:
                place = self.folder / slot.detail["path"]
                state = "is not this folder's key file" if place.exists() else "is missing: put it back"
                ways.append(f"{place} {state}")
            elif slot.kind == PASSPHRASE:
                ways.append("give its passphrase")
            else:
                ways.append("open it with the county's recovery identity (`key DIR --identity FILE`)")
        return f"{self.folder} stays locked: " + ", or ".join(ways)


def unlock(folder: Path, ask: Ask | None = None) -> MasterKey:
    """The master key of a folder; see `Slots.unlock`."""
    return Slots(folder).unlock(ask)


def passphrase_slot(master: bytes, passphrase: str) -> Slot:
    """A slot for a passphrase, with today's parameters."""
    if len(passphrase) < PASSPHRASE_LENGTH_MIN:
        raise WrongKey(f"a passphrase has at least {PASSPHRASE_LENGTH_MIN} characters")
    detail = {"salt": token_bytes(16).hex(), "memory_kib": MEMORY_KIB, "passes": PASSES, "lanes": LANES}
    return Slot(PASSPHRASE, detail, _wrap(PASSPHRASE, master, stretch(passphrase, detail)))


def recovery_slot(master: bytes, recipient: str) -> Slot:
    """A slot for the holder of an age identity."""
    return Slot(RECOVERY, {"recipient": recipient}, bytes(pyrage.encrypt(master, [read_recipient(recipient)])))


def read_recipient(text: str) -> x25519.Recipient:
    """An age recipient as typed (age1…)."""
    try:
        return x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise FolderError(f"an age recipient is written like age1…, found {text[:80]!r}") from None


def read_identities(path: Path) -> list[x25519.Identity]:
    """The identities in a file as `age-keygen` writes it; no error shows its content."""
    try:
        lines = [line.strip() for line in path.read_text("ascii").splitlines()]
        found = [x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError):
        found = []
    if not found:
        raise WrongKey(f"{path} is no age identity file (one line AGE-SECRET-KEY-1…)")
    return found


def stretch(passphrase: str, detail: dict[str, Any]) -> bytes:
    """Argon2id; typed characters count, however the keyboard put them together."""
    typed = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape")
    return argon2.hash_secret_raw(
        typed, bytes.fromhex(detail["salt"]), detail["passes"], detail["memory_kib"], detail["lanes"], KEY_SIZE,
        argon2.Type.ID,
    )  # fmt: skip


def _wrap(kind: str, master: bytes, secret: bytes) -> bytes:
    nonce = token_bytes(NONCE_SIZE)
    label = LABEL + kind.encode()
    return nonce + bytes(crypto_aead_xchacha20poly1305_ietf_encrypt(master, label, nonce, secret))


def _unwrap(kind: str, wrapped: bytes, secret: bytes) -> bytes | None:
    label = LABEL + kind.encode()
    try:
        found = crypto_aead_xchacha20poly1305_ietf_decrypt(wrapped[NONCE_SIZE:], label, wrapped[:NONCE_SIZE], secret)
    except (CryptoError, ValueError):
        return None
    return bytes(found)


def _read(path: Path) -> tuple[list[Slot], bytes]:
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["format"] > FORMAT:
            raise NewerFormat(f"{path} was written by a newer version of the program: install that version")
        slots = [_slot(dict(one)) for one in found["slots"]]
        previous = bytes.fromhex(found.get("previous", ""))
    except FileNotFoundError:
        raise FolderError(f"{path} is missing: without it nothing here can be opened; put back a backup") from None
    except OSError as error:
        raise FolderError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LogCorrupt(f"{path} is damaged ({type(error).__name__}): put back a backup of it") from None
    if not 1 <= len(slots) <= SLOTS_COUNT_MAX:
        raise LogCorrupt(f"{path} is damaged (it names {len(slots)} slots): put back a backup of it")
    return slots, previous


def _slot(found: dict[str, Any]) -> Slot:
    kind, wrapped = found.pop("kind"), bytes.fromhex(found.pop("wrapped"))
    match kind:
        case "file":
            good = isinstance(found["path"], str)
        case "recovery":
            good = isinstance(found["recipient"], str)
        case "passphrase":
            bytes.fromhex(found["salt"])
            good = (
                8 <= found["memory_kib"] <= MEMORY_KIB_MAX
                and 1 <= found["passes"] <= PASSES_MAX
                and 1 <= found["lanes"] <= LANES_MAX
                and 8 * found["lanes"] <= found["memory_kib"]
            )
        case _:
            raise NewerFormat(f"a key slot of kind {kind!r} is newer than this program: install the newer version")
    if not good:
        raise ValueError(kind)
    return Slot(kind, found, wrapped)
