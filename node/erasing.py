"""Erasing on a node: the log and its keys first, then every file that may hold a picture of what was erased.

The read models follow the log's own entry that says so, and are written anew so that no page keeps a trace. A rebuild
that was cut left a half-built file behind, a backup that was killed copies with keys in them: they go as well, and so
do the bundles that wait at a hub, for it can open them; the homes make them again. Of a rebuild that is running the
half-built file goes, too, and it begins anew; one that is ready is brought in line when it is opened (see `following`).

Beside a running `serve` the order is handed to that process (`erasing_served`), which does the same while it goes on
serving. Should it end meanwhile, at whatever point, the command finishes what is missing itself: an order may be
repeated, and whoever opens the folder for writing carries out one that was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from domain.errors import Refused
from node import control
from node.clock import Clock
from node.folder import VIEWS_LOCK_FILE, Folder
from node.handing import here_or_served
from node.known import KNOWN_LOCK_FILE
from node.opening import WAIT_FOR_VIEWS_S, HomesOf, writing
from node.projection import KNOWN_SUFFIX, Projection, forget_half_built
from node.views import remove
from sync import parking
from sync.backup import remove_old_copies
from sync.batch import Erased
from sync.errors import ErasureUnfinished, FolderInUse, LocalProtocolError
from sync.store import Store

COMMAND: Final = "erase"
ANSWER_TIMEOUT_S: Final = 600.0  # writing large read models anew takes its time


class Order(NamedTuple):
    """What is to be erased, who carries it out, and on what ground."""

    subjects: Sequence[bytes]
    by: str
    ground: str


Before = Callable[[Store, Order, int], None]  # what comes before the erasure itself, with the time in ms


def nothing_before(_store: Store, _order: Order, _now_ms: int) -> None:
    """At a home nobody else is told."""


def erase(
    folder: Folder,
    homes_of: HomesOf,
    subjects: Sequence[bytes],
    by: str,
    ground: str,
    clock: Clock,
    before: Before = nothing_before,
) -> dict[str, Any]:
    """Erase subjects' content from all files of a folder; raises ErasureUnfinished where old pages stayed."""
    order = Order(subjects, by, ground)

    def here() -> dict[str, Any]:
        with writing(folder) as store:
            return erase_in(folder, store, homes_of, order, clock, before)

    return here_or_served(here, lambda: _hand_over(folder, order))


def erase_in(
    folder: Folder, store: Store, homes_of: HomesOf, order: Order, clock: Clock, before: Before = nothing_before
) -> dict[str, Any]:
    """The same for the one that writes the folder and does not serve."""
    with folder.lock(VIEWS_LOCK_FILE, WAIT_FOR_VIEWS_S):

        def clear_views() -> bool:
            projection = Projection(store, folder.views, homes_of(store))
            try:
                return follow_and_clear(projection)
            finally:
                projection.close()

        def erase_log() -> Erased:
            now_ms = clock()
            before(store, order, now_ms)
            return store.erase(order.subjects, by=order.by, ground=order.ground, now_ms=now_ms)

        return carry_out(folder, erase_log, clear_views)


def _hand_over(folder: Folder, order: Order) -> dict[str, Any]:
    asked = {"subjects": [subject.hex() for subject in order.subjects], "by": order.by, "ground": order.ground}
    return control.ask(folder.path, COMMAND, asked, ANSWER_TIMEOUT_S)


def carry_out(folder: Folder, erase_log: Callable[[], Erased], clear_views: Callable[[], bool]) -> dict[str, Any]:
    """For the holder of the locks: every file in its turn; what was taken away, as the command shows it."""
    remove_old_copies(folder.path)
    parking.remove_all(folder.path)
    try:
        erased = erase_log()
    except LocalProtocolError as error:
        raise Refused("这些内容不能删除", str(error)) from None
    finally:  # also where somebody reads old pages of the log: the rows need not wait for that
        forget_half_built(folder.views)
        _forget_as_known(folder)
        cleared = clear_views()
    if not cleared:
        raise ErasureUnfinished(
            f"{folder.views}: other processes still read what was there before. The rows are gone, but old pages can "
            "be cleared only when they have ended: end them and run this again"
        )
    return {"entries": erased.entries, "streams": erased.streams, "photos": erased.files}


def _forget_as_known(folder: Folder) -> None:
    """Read models as they once were, which a report that was killed left; one that runs removes its own."""
    with suppress(FolderInUse), folder.lock(KNOWN_LOCK_FILE):
        remove(folder.views.with_name(folder.views.name + KNOWN_SUFFIX))


def follow_and_clear(projection: Projection) -> bool:
    """For the one who writes the read models: to the newest entry, and no trace; False while others read old pages."""
    for _ in projection.catch_up():
        pass
    return projection.views.clear_traces()
