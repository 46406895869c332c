"""Erasing on a node: the log and its keys first, then every file that may hold a picture of what was erased.

The read models follow the log's own entry that says so, and are written anew so that no page keeps a trace. A rebuild
that was cut left a half-built file behind, a backup that was killed copies with keys in them: they go as well. What a
running rebuild puts in place later is brought in line when it is opened (see `views`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from node.clock import Clock
from node.folder import REBUILD_LOCK_FILE, VIEWS_LOCK_FILE, Folder
from node.opening import WAIT_FOR_VIEWS_S, HomesOf, writing
from node.views import BUILDING_SUFFIX, Projection, remove
from sync.backup import remove_old_copies
from sync.batch import Erased
from sync.errors import ErasureUnfinished, FolderInUse
from sync.store import Store


def erase(
    folder: Folder, homes_of: HomesOf, subjects: Sequence[bytes], by: str, ground: str, clock: Clock
) -> dict[str, Any]:
    """Erase subjects' content from all files of a folder; raises ErasureUnfinished where old pages stayed."""
    with writing(folder) as store, folder.lock(VIEWS_LOCK_FILE, WAIT_FOR_VIEWS_S):
        remove_old_copies(folder.path)
        try:
            erased = store.erase(subjects, by=by, ground=ground, now_ms=clock())
        finally:  # also where somebody reads old pages of the log: the rows need not wait for that
            cleared = _clear_views(folder, store, homes_of)
    if not cleared:
        raise ErasureUnfinished(
            f"{folder.views}: other processes still read what was there before. The rows are gone, but old pages can "
            "be cleared only when they have ended: end them and run this again"
        )
    return _shown(erased)


def _clear_views(folder: Folder, store: Store, homes_of: HomesOf) -> bool:
    with suppress(FolderInUse), folder.lock(REBUILD_LOCK_FILE):
        remove(folder.views.with_name(folder.views.name + BUILDING_SUFFIX))
    projection = Projection(store, folder.views, homes_of(store))
    try:
        for _ in projection.catch_up():
            pass
        return projection.views.clear_traces()
    finally:
        projection.close()


def _shown(erased: Erased) -> dict[str, Any]:
    return {"entries": erased.entries, "streams": erased.streams, "photos": erased.files}
