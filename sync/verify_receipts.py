"""Reading the receipts again: did the hub sign what is kept of them, and does the hub still hold to what it signed?

At a home those on its own log, under the hub's pinned key; at the hub those that it gave to peers, under its own. The
greeting that stands beside a receipt has nobody's signature: all that it moves is the earlier bound of a bracket, for
people.
"""

from __future__ import annotations

import apsw

from sync import log_sql, receipt_sql
from sync.batch import SignedSize
from sync.entry import origin
from sync.hub_note import verify_note
from sync.log_schema import Branch, Kind
from sync.note import checkpoint_text, verify_cosignature


def verify_receipts(db: apsw.Connection, branch: Branch, signed: SignedSize, own: bytes, hub_key: bytes | None) -> None:
    """Raise VerificationError unless the receipts at a signed size of a branch hold. `hub_key`: None at the hub."""
    key = _key_of(db, branch, own, hub_key)
    if key is None:
        return
    if hub_key is not None and signed.receipt is not None:
        verify_cosignature(key, checkpoint_text(origin(branch.log), signed.size, signed.root), signed.receipt)
    for note in {kept.note for kept in receipt_sql.of_size(db, branch.id, signed.size)}:  # mostly the first is the last
        verify_note(key, branch.log, signed.size, signed.root, note)


def _key_of(db: apsw.Connection, branch: Branch, own: bytes, hub_key: bytes | None) -> bytes | None:
    """Whose receipts stand on a branch; None where nobody here can tell."""
    if hub_key is not None:
        return hub_key if branch.log == own else None
    if branch.kind != Kind.PEER:
        return None
    return next(one.public_key for one in log_sql.branches(db) if one.own and not one.lost)  # its identity
