"""Reading the receipts again: did the hub sign what is kept of them, and does the hub still hold to what it signed?

At a home those on its own log, under the hub's pinned key; at the hub all that it gave, under its own. The greeting
that stands beside a receipt has nobody's signature: all that it moves is the earlier bound of a bracket, for people.
"""

from __future__ import annotations

import apsw

from sync import log_sql, receipt_sql
from sync.batch import SignedSize
from sync.entry import origin
from sync.hub_note import verify_note
from sync.log_schema import Branch
from sync.note import checkpoint_text, verify_cosignature


def verify_receipts(db: apsw.Connection, branch: Branch, signed: SignedSize, own: bytes, hub_key: bytes | None) -> None:
    """Raise VerificationError unless the receipts at a signed size of a branch hold. `hub_key`: None at the hub."""
    if hub_key is not None and branch.log != own:
        return  # what it has of others' logs it need not prove
    if hub_key is not None and signed.receipt is not None:
        verify_cosignature(hub_key, checkpoint_text(origin(branch.log), signed.size, signed.root), signed.receipt)
    for kept in receipt_sql.of_size(db, branch.id, signed.size):
        key = hub_key or next(one.public_key for one in log_sql.branches(db) if one.log == own)
        verify_note(key, branch.log, signed.size, signed.root, kept.note)
