"""The kernel's cache shows more than the disk holds: after a failed fsync, or one that a killed process never came to.

A day is recorded, and the process ends right before one of its syncs. The next process finds in the cache all that was
written, and the disk holds only what was synced; nothing of the rest will ever reach it by itself. Whatever the second
process shows or builds upon must be on the disk when it answers, before the power goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest

from sync import store as store_module
from sync import verify
from sync.batch import Draft
from sync.errors import SyncError
from sync.keyring import Keyring
from sync.store import Store
from sync.stored_log import StoredLog
from tests.crash.disk import Disk, Files
from tests.crash.recording import Made, Op, Synced, recording
from tests.crash.sweep import scratch
from tests.crash.workload import repeatable

ANSWER_S_MAX = 20.0
FRESH = 300  # more streams than a block has keys, so that the day makes two blocks


def drafts(first: int, count: int) -> list[Draft]:
    return [Draft("visit/1", "li", n.to_bytes(16, "big"), n, {"n": n}) for n in range(first, first + count)]


def put(files: Files, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def ends(ops: list[Op]) -> Iterator[tuple[Files, Files]]:
    """What the cache shows, and what the disk holds, right before each sync of a folder's files."""
    disk = Disk()
    for op in ops:
        if isinstance(op, Synced):
            yield disk.everything(), disk.synced()
        disk.apply(op)


def after(ops: list[Op], held: Files) -> Files:
    """What a power cut leaves at the end of a second process, on a disk that held less than it was shown."""
    disk = Disk()
    for op in ops:
        disk.apply(op)
        if isinstance(op, Made) and op.content is not None:
            disk._files[op.file].durable = bytearray(held.get(op.name, b""))
            if op.name not in held:
                del disk._durable_names[op.name]
    return disk.synced()


def lost() -> list[str]:
    """Days that were ended, gone on with, and cut: what was shown or answered, and is not there afterwards."""
    found = []
    with scratch() as (folder, image):
        with repeatable(3):
            Store.create(folder)
            small = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".db"}
            with recording(folder) as tape, closing(Store(folder)) as store:
                store.record(drafts(0, 3)).result(ANSWER_S_MAX)
                store.record(drafts(3, FRESH)).result(ANSWER_S_MAX)
                store.record(drafts(FRESH + 3, 2)).result(ANSWER_S_MAX)
                ops = list(tape.ops)
        for number, (shown, held) in enumerate(ends(ops)):
            put(shown | small, folder)
            with recording(folder) as tape, repeatable(4), closing(Store(folder)) as store:
                seen = store.size(store.log)
                store.record(drafts(1000, 5)).result(ANSWER_S_MAX)
                ops = list(tape.ops)
            put(after(ops, held) | small, image)
            try:
                with closing(StoredLog(image)) as stored:
                    if (here := stored.size(stored.log)) != seen + 5:
                        found.append(f"end {number}: {seen} shown, 5 answered, {here} there")
                    elif not verify.verify(stored, None, lambda _: None).ok:
                        found.append(f"end {number}: does not verify")
            except SyncError as error:
                found.append(f"end {number}: {error}")
    return found


def test_what_is_shown_and_built_upon_is_on_the_disk():
    """At whichever sync a process ended: what the next one shows and answers survives a power cut, keys included."""
    assert lost() == []


@pytest.mark.parametrize(
    ("where", "what"), [(store_module, "try_make_durable"), (Keyring, "_end_doubt")], ids=["the log", "the keys"]
)
def test_a_store_that_believes_the_cache_is_caught(where, what):
    """Without the look at the disk, entries or keys are lost; so the test above can fail."""
    with mock.patch.object(where, what, return_value=None):
        assert lost()
