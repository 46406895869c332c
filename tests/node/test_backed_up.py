"""What a hub says that its last verified backup holds of a log."""

import os

import pytest

from node.backed_up import BackedUp
from node.folder import BACKUP_FILE, Config, Folder, create_folder
from sync.store import Store
from tests.sync.test_exchange import drafts


@pytest.fixture
def hub(tmp_path):
    """A folder with nine entries: (folder, store)."""
    create_folder(tmp_path / "hub", Config(kind="hub", name="清溪县"))
    store = Store(tmp_path / "hub")
    store.record(drafts(9)).result(10)
    yield Folder(tmp_path / "hub", "hub"), store
    store.close()


def covers(store, size, root=None):
    return {store.log.hex(): (size, root or store.root(store.log, size).hex())}


def test_nothing_is_known_before_the_first_backup(hub):
    """Nor of a log that it does not hold."""
    folder, store = hub
    asked = BackedUp(folder, store)
    assert asked(store.log) == 0
    folder.save_backup(1, 9, {"00" * 16: (5, "00" * 32)})
    assert asked(store.log) == 0


def test_each_backup_counts_at_once(hub):
    """A backup that another process wrote meanwhile is seen."""
    folder, store = hub
    asked = BackedUp(folder, store)
    for at, size in enumerate((4, 9, 4), 1):
        folder.save_backup(at, size, covers(store, size))
        os.utime(folder.path / BACKUP_FILE, ns=(at, at))  # however coarse the file system's clock is
        assert asked(store.log) == asked(store.log) == size


def test_a_log_that_is_shorter_or_another_one_is_not_covered(hub):
    """What the backup holds of another past says nothing; as soon as it is here again, it counts."""
    folder, store = hub
    folder.save_backup(1, 9, covers(store, 5, "11" * 32))
    assert BackedUp(folder, store)(store.log) == 0
    ten = {store.log.hex(): (10, "")}
    folder.save_backup(2, 10, ten)
    asked = BackedUp(folder, store)
    assert asked(store.log) == 0
    store.record(drafts(1)).result(10)
    folder.save_backup(3, 10, covers(store, 10))
    assert asked(store.log) == 10


@pytest.mark.parametrize("content", ["", "[]", '{"logs": 1}', '{"logs": {"x": 1}}', '{"logs": {"x": ["a", 1]}}', "{}"])
def test_a_file_that_is_damaged_promises_nothing(hub, content):
    """It may be lost."""
    folder, store = hub
    (folder.path / BACKUP_FILE).write_text(content)
    assert BackedUp(folder, store)(store.log) == 0
