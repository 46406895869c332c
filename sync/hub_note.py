"""The hub's second note: what it says beside a receipt, under its own key. Pure; `PROTOCOL.md` 3.1 is normative.

    homeward/hub-note/1                          what this text is
    homeward/5540ee3d…                           the hub's log, whose key signs
    homeward/56475aa7…                           the node's log, its size and its root: the checkpoint that the receipt
    2                                            is about, so that a note cannot be moved to another one
    BASE64 OF THE ROOT=
    epoch 1                                      which life of the hub this is
    backed-up-to 2                               how many entries of this log its last verified backup holds
    time 1741392100123                           the hub's clock, ms; within the second of the cosignature

A receipt says that the hub holds these entries; this note says what a node may expect after the hub's loss. What lies
beyond `backed_up_to` would have to be pushed again: as far as that, the county has it twice.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final, NamedTuple

from sync.entry import TIME_MS_MAX, log_id, origin
from sync.errors import LocalProtocolError, VerificationError
from sync.note import Signer, sign, verify_signature

FIRST_LINE: Final = "homeward/hub-note/1"
EPOCH_FIRST: Final = 1


class HubNote(NamedTuple):
    """What a hub says beside a receipt; nothing of it is true before `verify_note`."""

    epoch: int
    backed_up_to: int
    time_ms: int
    signature: bytes


def note_text(hub_key: bytes, log: bytes, size: int, root: bytes, note: HubNote) -> str:
    """The text that the hub's key signs. Raises LocalProtocolError for what no hub may say."""
    if note.epoch < EPOCH_FIRST or not 0 <= note.backed_up_to <= size or not 0 <= note.time_ms <= TIME_MS_MAX:
        raise LocalProtocolError(f"no hub can say {note[:3]} of {size} entries")
    lines = (
        FIRST_LINE,
        origin(log_id(hub_key)),
        origin(log),
        str(size),
        b64encode(root).decode(),
        f"epoch {note.epoch}",
        f"backed-up-to {note.backed_up_to}",
        f"time {note.time_ms}",
    )
    return "\n".join(lines) + "\n"


def signed_note(
    hub: Signer, log: bytes, size: int, root: bytes, *, epoch: int, backed_up_to: int, time_ms: int
) -> HubNote:
    """The hub's note on a checkpoint."""
    unsigned = HubNote(epoch, backed_up_to, time_ms, b"")
    return unsigned._replace(signature=sign(hub, note_text(hub.public_key, log, size, root, unsigned)))


def verify_note(hub_key: bytes, log: bytes, size: int, root: bytes, note: HubNote) -> None:
    """Raise VerificationError unless the hub has said this of just this checkpoint."""
    try:
        text = note_text(hub_key, log, size, root, note)
    except LocalProtocolError as error:
        raise VerificationError(f"a note beside a receipt that cannot be: {error}") from None
    verify_signature(hub_key, text, note.signature)
