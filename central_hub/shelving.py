"""Which photographs and scans go on which home's shelf: decided here, in the router's transaction. Deny by default.

A home may have a file that one of its own nodes sent, and a file of another home if *every* subject that it shows is
granted to it whole (`domain.routing`): a picture cannot be given in part. One that shows a child who stays behind, or
an activity of the former home with whoever took part, does not follow the child who left; that home keeps it.

A file is looked at when it is whole here, and again when one of its subjects is granted to a home that did not follow
it before. What was put on a shelf is looked at once more when it is offered: a home that gave the child away meanwhile
is not sent it any more. What was erased is not in `files.db` any more, so its number is passed over.

What the router shelves and how far it looked are one transaction. *A power cut leaves both or neither.*
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import apsw

from central_hub.registry import Registry
from sync import epoch, log_sql, outbox_sql, shelf_sql
from sync.file_sql import StoredFile
from sync.outbox_sql import Outbox
from sync.store import Store
from sync.stored_log import StoredLog

MARK: Final = "homeward/shelves"  # among the tracked applications
ARRIVED_COUNT: Final = 200


def may_have(store: StoredLog, db: apsw.Connection, registry: Registry, box: Outbox, file: StoredFile) -> bool:
    """Whether a home may have a file, as things stand."""
    if registry.code_of(file.log) == box.home:
        return True
    shown = store.files.subjects(file)
    return bool(shown) and all(box.id in outbox_sql.followers(db, subject) for subject in shown)


def may_have_now(store: StoredLog, registry: Registry, outbox: bytes, file: StoredFile) -> bool:
    """Whether the home of an outbox may have a file, as things stand."""

    def work(db: apsw.Connection) -> bool:
        box = outbox_sql.outbox(db, outbox)
        return box is not None and may_have(store, db, registry, box, file)

    return store.reading(work)


class Shelving:
    """Puts files on shelves, inside the writer's transaction."""

    def __init__(self, store: Store, registry: Registry, number: int) -> None:
        """`number`: the epoch; the shelves of each are filled anew, as its outboxes are."""
        self._store, self._registry = store, registry
        self._mark = MARK if number == epoch.FIRST else f"{MARK}/{number}"

    def arrived(self) -> bool:
        """Whether files were whole since it last looked."""
        looked = self._store.reading(lambda db: log_sql.tracked(db, self._mark)) or 0
        return bool(self._store.files.arrived_after(looked, 1))

    def shelve_arrived(self, db: apsw.Connection, boxes: Iterable[Outbox]) -> None:
        """Look at the files that were whole since the last time."""
        found = self._store.files.arrived_after(log_sql.tracked(db, self._mark) or 0, ARRIVED_COUNT)
        if not found:
            return
        for box in boxes:
            self._shelve(db, box, [file for _, file in found])
        log_sql.track(db, self._mark, found[-1][0])

    def shelve_of(self, db: apsw.Connection, box: Outbox, subjects: Iterable[bytes]) -> None:
        """Look at the files of subjects that a home follows from now on."""
        files = {file.name: file for subject in subjects for file in self._store.files.files_of(subject)}
        self._shelve(db, box, [file for file in files.values() if file.complete])

    def _shelve(self, db: apsw.Connection, box: Outbox, files: Iterable[StoredFile]) -> None:
        names = [file.name for file in files if may_have(self._store, db, self._registry, box, file)]
        if names:
            shelf_sql.add(db, box.id, names)
