"""To whom a bundle is encrypted: a node's age recipient follows from the key of its log.

A log's Ed25519 key is a point of the curve that X25519 works on, in other coordinates; age calls that point's form an
X25519 recipient. So whoever has pinned a node's key can encrypt to it: a home that knows its hub, a hub that knows its
homes, also in folders that were made before there were bundles, and nobody can put another recipient in its place. The
recipient form for SSH keys, which is made in the same way, is not used: its header names the key, and a bundle must
not say for whom it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from nacl.bindings import (
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
    crypto_sign_seed_keypair,
)
from pyrage import x25519

if TYPE_CHECKING:
    from sync.stored_log import StoredLog

RECIPIENT_PREFIX: Final = "age"
IDENTITY_PREFIX: Final = "age-secret-key-"
LETTERS: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def recipient_of(public_key: bytes) -> x25519.Recipient:
    """The age recipient of the node whose log has this public key (32 bytes, checked before)."""
    return x25519.Recipient.from_str(_bech32(RECIPIENT_PREFIX, crypto_sign_ed25519_pk_to_curve25519(public_key)))


def identity_of(seed: bytes) -> x25519.Identity:
    """The age identity of the node whose log's key has this seed (32 bytes)."""
    _, secret = crypto_sign_seed_keypair(seed)
    return x25519.Identity.from_str(_bech32(IDENTITY_PREFIX, crypto_sign_ed25519_sk_to_curve25519(secret)).upper())


def identities_of(store: StoredLog) -> list[x25519.Identity]:
    """What opens the bundles for a node, also those for the logs that it wrote before; the newest first."""
    own = [branch.log for branch in store.branches() if branch.own]
    return [identity_of(store.keyring.log_seed(log)) for log in dict.fromkeys([store.log, *reversed(own)])]


def _bech32(prefix: str, data: bytes) -> str:
    """BIP 173, as age writes its keys."""
    number, bits = int.from_bytes(data, "big"), len(data) * 8
    padded = number << (-bits % 5)
    values = [padded >> at & 31 for at in range(bits + -bits % 5 - 5, -1, -5)]
    expanded = [*(ord(letter) >> 5 for letter in prefix), 0, *(ord(letter) & 31 for letter in prefix)]
    remainder = _polymod([*expanded, *values, 0, 0, 0, 0, 0, 0]) ^ 1
    checksum = [remainder >> 5 * (5 - at) & 31 for at in range(6)]
    return f"{prefix}1{''.join(LETTERS[value] for value in [*values, *checksum])}"


def _polymod(values: Iterable[int]) -> int:
    remainder = 1
    for value in values:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, factor in enumerate(GENERATOR):
            if top >> bit & 1:
                remainder ^= factor
    return remainder
