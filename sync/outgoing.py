"""From stored entries to pushes: what a node says of its own log."""

from __future__ import annotations

from typing import Final

import apsw

from sync import log_sql
from sync.entry import derive, stream_id, unpack_body
from sync.errors import LocalProtocolError
from sync.log_sql import ORDINAL_MASK
from sync.messages import Beginning, Push, PushRow
from sync.stored_log import StoredLog

BODIES_SIZE_BYTES_MAX: Final = 512 * 1024  # with one more body of the largest size, a message is still within bounds


def push_of(store: StoredLog, start: int, count: int) -> Push:
    """The push of up to `count` entries of the own log after `start`, signed at its end; of large ones, fewer."""
    branch = store.branch_id(store.log)
    streams, rows, first_ordinal = store.reading(lambda db: _read(db, store, branch, start, count))
    signed = store.sign(start + len(rows))
    return Push(start, first_ordinal, streams, rows, signed.root, signed.signature)


def _read(
    db: apsw.Connection, store: StoredLog, branch: int, start: int, count: int
) -> tuple[list[Beginning], list[PushRow], int]:
    streams: list[Beginning] = []
    rows: list[PushRow] = []
    first_ordinal = 1
    size_bytes = 0
    for row in log_sql.entries_of_branch(db, branch, start + 1, count):
        if row.body is None:
            raise LocalProtocolError(f"entry {row.seq} was erased; this version cannot send its erased form")
        if row.prev is None:
            if not streams:
                first_ordinal = row.stream & ORDINAL_MASK
            streams.append(_beginning(db, store, row.stream))
        size_bytes += len(row.body)
        body = unpack_body(row.body)
        rows.append(
            PushRow(
                row.stream & ORDINAL_MASK,
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


def _beginning(db: apsw.Connection, store: StoredLog, number: int) -> Beginning:
    stream = log_sql.stream_by_id(db, number)
    if stream is None:
        raise LocalProtocolError(f"stream {number & ORDINAL_MASK} has entries but no head")
    key = store.keyring.stream_key(stream.key)
    implied = stream_id(derive(key).label, store.log, stream.subject)
    return Beginning(stream.subject, key, None if stream.name == implied else stream.name)
