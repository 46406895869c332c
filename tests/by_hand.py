"""A file of a data folder as somebody opens it who has the folder's key file and a tool for SQLite."""

from pathlib import Path

import apsw

from node.views import APPLICATION_ID as VIEWS
from sync.cipher import MasterKey, connect
from sync.slots import unlock
from sync.stored_log import APPLICATION_IDS

SOME_MASTER = MasterKey(bytes(range(32)))


def by_hand(path: Path) -> apsw.Connection:
    """A raw connection, for reading and for doing harm."""
    return connect(path, unlock(path.parent), APPLICATION_IDS.get(path.name, VIEWS))
