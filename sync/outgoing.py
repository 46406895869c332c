"""From stored entries to pushes: what a node says of its own log."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import apsw

from sync import log_sql
from sync.entry import derive, stream_id, unpack_body
from sync.errors import KeyDestroyed, LocalProtocolError
from sync.log_schema import ORDINAL_MASK
from sync.messages import Beginning, ErasedRow, Push, PushRow
from sync.stored_log import StoredLog

BODIES_SIZE_BYTES_MAX: Final = 512 * 1024  # with one more body of the largest size, a message is still within bounds


def push_of(store: StoredLog, start: int, count: int, withheld: Collection[int] = ()) -> Push:
    """The push of up to `count` entries of the own log after `start`, signed at its end; of large ones, fewer.

    What was erased goes in erased form, and so do the streams `withheld`, for which the hub has no key.
    """
    branch = store.branch_id(store.log)
    streams, rows, first_ordinal = store.reading(lambda db: _read(db, store, branch, start, count, withheld))
    signed = store.sign(start + len(rows))
    return Push(start, first_ordinal, streams, rows, signed.root, signed.signature)


def _read(
    db: apsw.Connection, store: StoredLog, branch: int, start: int, count: int, withheld: Collection[int]
) -> tuple[list[Beginning], list[PushRow | ErasedRow], int]:
    streams: list[Beginning] = []
    rows: list[PushRow | ErasedRow] = []
    first_ordinal = 1
    size_bytes = 0
    for row in store.opened_rows(db, log_sql.entries_of_branch(db, branch, start + 1, count)):
        ordinal = row.stream & ORDINAL_MASK
        if row.prev is None:
            if not streams:
                first_ordinal = ordinal
            streams.append(_beginning(db, store, row.stream, ordinal in withheld))
        if row.body is None or ordinal in withheld:
            rows.append(ErasedRow(ordinal, row.commitment))
            continue
        size_bytes += len(row.body)
        body = unpack_body(row.body)
        rows.append(
            PushRow(
                ordinal,
                body.type,
                body.actor,
                body.lamport,
                body.recorded_at_ms,
                body.deps,
                body.payload,
                body.extensions,
            )
        )
        if size_bytes > BODIES_SIZE_BYTES_MAX:
            break
    return streams, rows, first_ordinal


def _beginning(db: apsw.Connection, store: StoredLog, number: int, is_withheld: bool) -> Beginning:
    stream = log_sql.stream_by_id(db, number)
    if stream is None:
        raise LocalProtocolError(f"stream {number & ORDINAL_MASK} has entries but no head")
    if is_withheld or stream.subject is None:
        return Beginning(None, None, stream.name)
    try:
        key = store.keyring.stream_key(stream.key)
    except KeyDestroyed:
        return Beginning(None, None, stream.name)
    implied = stream_id(derive(key).label, store.log, stream.subject)
    return Beginning(stream.subject, key, None if stream.name == implied else stream.name)
