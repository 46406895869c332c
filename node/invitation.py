"""The invitation: one line of text that lets one node join one hub, once.

It carries the hub's address, the public key under which the hub signs (pinned from then on), the home's code and a
random secret of 128 bits. Upper-case letters and digits in groups, so that it can be read over a telephone; a checksum
finds a slip of the pen. The hub keeps only the secret's hash.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import secrets
import zlib
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgpack

from domain.errors import Refused

PREFIX: Final = "HOMEWARD1"
GROUP_SIZE: Final = 8
SECRET_SIZE_BYTES: Final = 16
TEXT_SIZE_MAX: Final = 2000


class BadInvitation(Refused):
    """The text is not an invitation, or was copied wrongly."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "邀请码不对：请逐字核对，或请县里重新发一个",
            f"this is not a valid invitation ({why}): copy it again, whole",
        )


class NotLoopback(Refused):
    """Until links are encrypted, only this machine itself may be reached."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"目前只能使用本机地址（127.0.0.1），不能使用 {address}",
            f"{address} is not a loopback address: until links are encrypted, only 127.0.0.1 or [::1] may be used",
        )


class Invitation(NamedTuple):
    """What an invitation says."""

    url: str
    hub_key: bytes
    code: str
    secret: bytes

    @property
    def digest(self) -> bytes:
        """What the hub remembers of the secret."""
        return digest_of(self.secret)

    def text(self) -> str:
        """The line to hand over."""
        packed = msgpack.packb([self.url, self.hub_key, self.code, self.secret])
        letters = base64.b32encode(packed + zlib.crc32(packed).to_bytes(4, "big")).decode("ascii").rstrip("=")
        groups = [letters[i : i + GROUP_SIZE] for i in range(0, len(letters), GROUP_SIZE)]
        return "-".join([PREFIX, *groups])


def digest_of(secret: bytes) -> bytes:
    """What a hub remembers of an invitation's secret."""
    return hashlib.sha256(b"homeward/invitation/1" + secret).digest()


def new_secret() -> bytes:
    """A secret for one invitation."""
    return secrets.token_bytes(SECRET_SIZE_BYTES)


def text_or_file(text: str) -> str:
    """What was typed, or the last line of the file that it names."""
    path = Path(text)
    try:
        if len(text) < 1000 and path.is_file():
            lines = path.read_text("utf-8").strip().splitlines()
            return lines[-1] if lines else ""
    except (OSError, UnicodeDecodeError):
        return text
    return text


def parse(text: str) -> Invitation:
    """Read an invitation as typed or pasted; raises BadInvitation."""
    squeezed = "".join(text.split()).upper().replace("-", "")
    if not squeezed.startswith(PREFIX) or len(squeezed) > TEXT_SIZE_MAX:
        raise BadInvitation(f"it begins with {PREFIX}")
    letters = squeezed.removeprefix(PREFIX)
    try:
        data = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:  # also of letters beyond ASCII
        raise BadInvitation("it has letters that none has") from None
    packed, checksum = data[:-4], data[-4:]
    if zlib.crc32(packed).to_bytes(4, "big") != checksum:
        raise BadInvitation("its checksum does not hold")
    match _unpacked(packed):
        case [str(url), bytes(hub_key), str(code), bytes(secret)] if len(hub_key) == 32:
            return Invitation(url, hub_key, code, secret)
    raise BadInvitation("it was made by a newer version")


def _unpacked(packed: bytes) -> Any:
    try:
        return msgpack.unpackb(packed)
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException):
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself, by name or number."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_loopback(url: str) -> str:
    """The address without a slash at its end, if it is this machine's own; raises NotLoopback or BadInvitation."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        plain = parts.scheme == "http" and parts.port is not None
    except ValueError:
        raise BadInvitation(f"{url} is not an address of the form http://127.0.0.1:8100") from None
    if not is_loopback(host):
        raise NotLoopback(url)
    if not plain:
        raise BadInvitation(f"{url} is not an address of the form http://127.0.0.1:8100")
    return url.rstrip("/")
