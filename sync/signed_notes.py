"""What a log's node and its hub have signed, as anybody else reads it: C2SP signed notes."""

from __future__ import annotations

from sync.entry import log_id, origin
from sync.note import SignedNote, checkpoint_text, note_with, with_cosignature
from sync.stored_log import StoredLog


def note_of(store: StoredLog, log: bytes, cosigner_key: bytes | None) -> SignedNote | None:
    """A log's last checkpoint as a signed note, with the receipt if its cosigner's public key is given."""
    signed = store.last_checkpoint(log)
    if signed is None:
        return None
    text = checkpoint_text(origin(log), signed.size, signed.root)
    note = note_with(text, origin(log), store.branch(log).public_key, signed.signature)
    if signed.receipt is None or cosigner_key is None:
        return note
    return with_cosignature(note, origin(log_id(cosigner_key)), cosigner_key, signed.receipt)
