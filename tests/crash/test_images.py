"""Power cuts: whatever a disk kept of a seeded day, the folder opens, with all that was acknowledged, and no half."""

from __future__ import annotations

from contextlib import closing

import pytest

from sync.cipher import create
from sync.errors import FolderError
from sync.slots import unlock
from sync.store import Store
from sync.stored_log import APPLICATION_IDS
from tests.crash.disk import KINDS
from tests.crash.sweep import sweep

IMAGES = 20_000
IMAGES_LONG = 100_000
FIRST_SEED_LONG = 1000


def check(first_seed: int, images: int) -> None:
    counted = sweep(range(first_seed, first_seed + images), images)
    print(counted)
    assert counted.findings == []
    assert counted.opened_count >= images
    assert all(counted.opened[kind] > images // 20 for kind in KINDS if kind != "synced"), str(counted)


def test_whatever_a_power_cut_leaves_holds_what_was_acknowledged():
    """Twenty thousand distinct disks: only synced, everything, torn and reordered, at every op of the record."""
    check(0, IMAGES)


@pytest.mark.long
def test_whatever_many_power_cuts_leave_holds_what_was_acknowledged():
    """Five times as many, of other days; `make crash` does a million."""
    check(FIRST_SEED_LONG, IMAGES_LONG)


def test_a_folder_that_was_never_finished_is_refused_as_such(tmp_path):
    """A cut between making a file and making its tables leaves a folder that says so, and what to do."""
    Store.create(tmp_path)
    for name in ("log.db", "keys.db"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        with closing(create(tmp_path / name, unlock(tmp_path), APPLICATION_IDS[name])) as db:
            db.execute(f"PRAGMA application_id={APPLICATION_IDS[name]}")
        with pytest.raises(FolderError, match=rf"{name} was never finished"):
            Store(tmp_path)
        (tmp_path / name).write_bytes(whole)
    Store(tmp_path).close()
